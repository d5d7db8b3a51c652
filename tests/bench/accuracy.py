#!/usr/bin/env python3
"""Registers the real pairs of GIGAWARP_TEST_DATA and phantoms with the default presets and prints the table
of tests/bench/RESULTS.md ("Accuracy and end to end"). Usage: accuracy.py GIGAWARP [OUT] [NAME...]"""
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

program = sys.argv[1]
out = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "/tmp/gigawarp-accuracy")
only = set(sys.argv[3:])
data = pathlib.Path(os.environ.get("GIGAWARP_TEST_DATA", "../shared/data")).resolve()
out.mkdir(parents=True, exist_ok=True)


def pair(fixed, moving, *more):
    return ["--fixed", data / fixed, "--moving", data / moving, *more]


PAIRS = {
    "bench 2 mm": pair("bench/MNI152_T1_2mm.nii.gz", "bench/T1_head_2mm.nii.gz"),
    "bench 1 mm": pair("bench/MNI152_T1_1mm_brain.nii.gz", "bench/t1_brain.nii.gz"),
    "FVB_1 <- FVB_2": pair("mouse/FVB_1.nii.gz", "mouse/FVB_2.nii.gz",
                           "--fixed-labels", data / "mouse/FVB_1_labels.nii.gz",
                           "--labels", data / "mouse/FVB_2_labels.nii.gz"),
    "nv <- vxm": pair("labels/nv_T1.nii.gz", "labels/vxm_T1.nii.gz",
                      "--fixed-labels", data / "labels/nv_aseg.nii.gz",
                      "--labels", data / "labels/vxm_aseg.nii.gz"),
    "2009c <- Colin27": pair("landmarks/tpl-MNI152NLin2009cAsym_res-01_T1w.nii.gz", "landmarks/ch2.nii.gz"),
    "fish post <- pre": pair("lightsheet/fish1_post.nrrd", "lightsheet/fish1_pre.nrrd", "--preset", "lightsheet-atlas"),
    "Z-Brain <- fish": pair("lightsheet/zbrain-tERK-8bit_xyz5um.nrrd", "lightsheet/fish1_pre.nrrd", "--preset", "lightsheet-atlas"),
    "T1 <- T2": pair("multimodal/study1_T1W.nii.gz", "multimodal/study1_T2W.nii.gz", "--preset", "brain-cross-modality"),
}
for name, contrasts in {"phantom t1": ("t1", "t1"), "phantom t1-t2": ("t1", "t2"), "phantom lightsheet": ("lightsheet", "lightsheet")}.items():
    folder = out / name.replace(" ", "-")
    preset = {"phantom t1-t2": "brain-cross-modality", "phantom lightsheet": "lightsheet-atlas"}.get(name, "brain-t1")
    PAIRS[name] = ["--phantom", folder, contrasts, preset]


def measure(name, arguments):
    target = out / (name.replace(" ", "_").replace("<-", "from") + ".run")
    if arguments[0] == "--phantom":
        folder, (fixed, moving), preset = arguments[1:]
        subprocess.run([program, "phantom", "--out", folder, "--size", "128", "--fixed-contrast", fixed,
                        "--moving-contrast", moving, "--overwrite"], check=False, capture_output=True)
        arguments = ["--fixed", folder / "fixed.nii.gz", "--moving", folder / "moving.nii.gz", "--preset", preset,
                     "--fixed-labels", folder / "fixed_labels.nii.gz", "--labels", folder / "moving_labels.nii.gz"]
    start = time.time()
    process = subprocess.Popen([program, "register", *map(str, arguments), "--out", str(target), "--overwrite",
                                "--progress", "none"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.time() - start
    if status != 0:
        print(f"{name:20s} FAILED: {error.strip().splitlines()[-1:] }", flush=True)
        return
    m = json.loads((target / "result.json").read_text())
    print(f"{name:20s} {seconds:6.1f} s {usage.ru_maxrss / 1024:5.0f} MiB  {json.dumps(m.get('measures', m))[:900]}", flush=True)


for name, arguments in PAIRS.items():
    if not only or name in only:
        measure(name, arguments)
