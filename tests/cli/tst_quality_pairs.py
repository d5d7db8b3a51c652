"""tests/bench/quality_pairs.sh run: its rows, and how it ends; register_pair is a stand-in that says what it was given.
And the figures of the real one, from files of to_raw.py, against the program's."""

import gzip
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import nibabel
import nrrd
import numpy

from cli_support import OK, run

BENCH = pathlib.Path(os.environ["GIGAWARP_SOURCE"]) / "tests" / "bench"
SCRIPT = BENCH / "quality_pairs.sh"
STAND_IN = """#!/bin/bash
set -e
for word in "$@"; do
  case "$word" in *.raw | *.txt) [ "$(cat "$word")" = "$(basename "$word")" ] ;; esac
  case "$word" in *"${FAILS_AT:-nothing}"*) echo "No such luck." >&2; exit 1 ;; esac
done
echo "${@//*\\/}" >> "$CALLS"
case "$*" in *--rigid-recovery*) echo "  deformable 0.000 s, whole run 1.500 s, hash 0"; echo "known motion missed by 0.0040 mm at most"; exit ;; esac
echo "  deformable 1.000 s, whole run 2.500 s, hash 0"
echo -n "folds 3, 0.000001 % (det J -0.1 to 4.000, sd of its logarithm 0.1234), inverse error mean 0.01000, largest 2.0000 mm"
case "$*" in *--labels* | *--phantom*) echo -n ", Dice of 30 labels 0.7321 (30th percentile 0.7)" ;; esac
case "$*" in *--landmarks*) echo -n ", 30 landmarks 2.190 mm (95 %: 4.000)" ;; esac
case "$*" in *--ncc*) echo -n ", NCC 0.9820" ;; esac
case "$*" in *--identity*) echo -n ", at most 0.000020 voxels from the identity" ;; esac
case "$*" in *--phantom*) echo; echo "error of the result: mean 0.1760, 95th percentile 0.5 voxels (9 points)" ;; esac
"""


class QualityPairs(unittest.TestCase):
    def setUp(self):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self.folder = pathlib.Path(kept.name)
        self.program = self.folder / "register_pair"
        self.program.write_text(STAND_IN)
        self.program.chmod(0o755)
        for name in re.findall(r"^  \[(\S+)\]=", SCRIPT.read_text(), re.M):
            (self.folder / (name + ".gz")).write_bytes(gzip.compress(name.encode()))

    def run_list(self, **environment):
        return subprocess.run([SCRIPT, "run", self.folder, self.program, "cuda:1"], capture_output=True, text=True,
                              env={**os.environ, "CALLS": str(self.folder / "calls"), **environment}, timeout=50)

    def test_every_pair_has_a_row_with_its_figures(self):
        process = self.run_list()
        self.assertEqual(process.returncode, 0, process.stdout + process.stderr)
        self.assertEqual(process.stderr, "")
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in process.stdout.splitlines()]
        figures = {row[0]: row[2:] for row in rows[2:]}
        self.assertEqual(len(figures), 12)
        shared = ["3", "0.1234", "0.01000, 2.0000 mm", "2.500"]
        self.assertEqual(figures["bench 2 mm"], ["NCC 0.9820", *shared])
        self.assertEqual(figures["nv <- vxm"], ["Dice 0.7321", *shared])
        self.assertEqual(figures["2009c <- Colin27, masked"], ["TRE 2.190 mm", *shared])
        self.assertEqual(figures["phantom lightsheet"], ["Dice 0.7321, map 0.1760 voxel", *shared])
        self.assertEqual(figures["identical 2 mm"], ["0.000020 voxel", *shared])
        self.assertEqual(figures["T1 <- T2, rigid"], ["0.0040 mm", "-", "-", "-", "1.500"])

        calls = (self.folder / "calls").read_text().splitlines()
        self.assertIn("nv.raw vxm.raw brain-t1 cuda:1 --labels nv_labels.raw vxm_labels.raw", calls)
        self.assertIn("--phantom 128 --device cuda:1 --preset brain-t1 --contrasts t1,t1", calls)

    def test_a_run_that_fails_is_a_row_and_a_failure_and_the_rest_runs(self):
        process = self.run_list(FAILS_AT="mouse_1.raw")
        self.assertEqual(process.returncode, 1, process.stdout + process.stderr)
        self.assertIn("| FVB_1 <- FVB_2 | Dice 0.90 | failed: No such luck. |", process.stdout)
        self.assertIn("| identical 2 mm | 0.01 voxel | 0.000020 voxel |", process.stdout)

    def test_a_file_that_is_not_there_is_named(self):
        (self.folder / "zbrain.raw.gz").unlink()
        process = self.run_list()
        self.assertEqual(process.returncode, 1)
        self.assertIn("lacks zbrain.raw.gz; quality_pairs.sh prepare makes it.", process.stderr)


class RawFiles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        kept = tempfile.TemporaryDirectory()
        cls.addClassCleanup(kept.cleanup)
        cls.folder = pathlib.Path(kept.name)
        process = run("phantom", "--out", cls.folder, "--size", "48")
        assert process.returncode == OK, process.stderr
        for name in ["fixed", "moving", "fixed_labels", "moving_labels"]:
            image = nibabel.load(cls.folder / f"{name}.nii.gz").slicer[::-1]  # an axis that runs against the world's
            image.to_filename(cls.folder / f"{name}.nii")
            cls.to_raw(f"{name}.nii", f"{name}.raw")

    @classmethod
    def to_raw(cls, source, target):
        subprocess.run([sys.executable, BENCH / "to_raw.py", source, target], cwd=cls.folder, check=True)

    def judged(self, *arguments):
        process = subprocess.run([os.environ["REGISTER_PAIR"], *arguments], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(process.returncode, 0, process.stdout + process.stderr)
        return process.stdout

    def number(self, pattern, text):
        self.assertRegex(text, pattern)
        return float(re.search(pattern, text)[1])

    def test_figures_are_those_of_the_program(self):
        out = self.folder / "out"
        process = run("register", "--fixed", self.folder / "fixed.nii", "--moving", self.folder / "moving.nii", "--fixed-labels",
                      self.folder / "fixed_labels.nii", "--labels", self.folder / "moving_labels.nii", "--preset", "fast",
                      "--device", "cpu", "--fixed-mask", "nonzero", "--out", out)
        self.assertEqual(process.returncode, OK, process.stderr)
        measures = json.loads((out / "result.json").read_text())["measures"]
        text = self.judged("fixed.raw", "moving.raw", "fast", "cpu", "--masked", "--ncc", "--labels", "fixed_labels.raw",
                           "moving_labels.raw")
        self.assertAlmostEqual(self.number(r"Dice of \d+ labels (\S+)", text), measures["dice_mean"], delta=6e-5)
        self.assertAlmostEqual(self.number(r"NCC (\S+)", text), measures["global_ncc"], delta=6e-5)
        self.assertAlmostEqual(self.number(r"inverse error mean (\S+),", text), measures["inverse_error_mean_mm"], delta=6e-6)

    def test_known_maps_are_found_again(self):
        text = self.judged("fixed.raw", "fixed.raw", "fast", "cpu", "--identity")
        self.assertLess(self.number(r"at most (\S+) voxels from the identity", text), 0.01)
        text = self.judged("fixed.raw", "fixed.raw", "fast", "cpu", "--rigid-recovery")
        self.assertLess(self.number(r"known motion missed by (\S+) mm", text), 2)  # of 8 mm; a voxel is 4.2 mm

    def test_a_phantom_with_a_preset_is_judged(self):
        text = self.judged("--phantom", "48", "--device", "cpu", "--preset", "fast", "--contrasts", "t1,t1")
        self.assertIn("t1 and t1", text)
        self.assertGreater(self.number(r"Dice of \d+ labels (\S+)", text), 0.7)
        self.assertLess(self.number(r"error of the result: mean (\S+),", text), 0.6)

    def test_nrrd_in_micrometres_is_in_mm(self):
        header = {"space directions": numpy.diag([5, 6, -7]), "space origin": [0, 0, 140], "space dimension": 3,
                  "space units": ["micron"] * 3}
        nrrd.write(str(self.folder / "fish.nrrd"), numpy.arange(24, dtype="uint16").reshape(2, 3, 4), header)
        self.to_raw("fish.nrrd", "fish.raw")
        line, voxels = (self.folder / "fish.raw").read_bytes().split(b"\n", 1)
        words = line.split()
        self.assertEqual(words[:4], [b"2", b"3", b"4", b"u16"])
        numpy.testing.assert_allclose([float(w) for w in words[4:]],
                                      [0.005, 0, 0, 0, 0, 0.006, 0, 0, 0, 0, 0.007, 0.119])
        numpy.testing.assert_array_equal(numpy.frombuffer(voxels, "<u2")[:2], [3, 15])  # the last plane comes first


if __name__ == "__main__":
    unittest.main(verbosity=2)
