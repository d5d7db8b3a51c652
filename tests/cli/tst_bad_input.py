"""Inputs and places that cannot be used: the exit code, one sentence, and nothing left behind."""

import contextlib
import json
import os
import pathlib
import subprocess
import unittest

import nibabel
import numpy as np
import SimpleITK as sitk

from cli_support import (BAD_INPUT, DOES_NOT_FIT, NOT_WRITTEN, OUTPUTS, USAGE, PairCase, digests, leftovers, run, save, start)


class BadInput(PairCase):
    def refused(self, *words, expect=BAD_INPUT, out="refused", **arguments):
        options = arguments.pop("options", [])
        process = self.register(out, *options, expect=expect, **arguments)
        self.assert_one_sentence(process, *words)
        self.assertEqual(leftovers(self.folder / out), [])
        self.assertFalse((self.folder / out).exists())

    def stored(self, array, name, **options):
        return save(array, self.folder / name, 2.0, **options)

    def test_all_zero(self):
        self.refused("zero.nii.gz", "zero", fixed=self.stored(np.zeros(self.shape), "zero.nii.gz"))

    def test_constant(self):
        self.refused("constant", moving=self.stored(np.full(self.shape, 7), "constant.nii.gz"))

    def test_only_nan(self):
        self.refused("finite", fixed=self.stored(np.full(self.shape, np.nan), "nan.nii.gz"))

    def test_one_slice(self):
        slice_ = nibabel.load(self.fixed).get_fdata()[:, :, 16:17]
        self.refused("slice.nii.gz", "slice", fixed=self.stored(slice_, "slice.nii.gz"))

    def test_too_thin_for_a_deformation(self):
        self.refused("at least 8", fixed=self.stored(nibabel.load(self.fixed).get_fdata()[:, :, :5], "thin.nii.gz"))

    def test_time_series(self):
        series = np.stack([nibabel.load(self.fixed).get_fdata()] * 3, axis=-1)
        self.refused("series.nii.gz", fixed=self.stored(series, "series.nii.gz"))

    def test_what_a_file_leaves_open_is_asked_for_by_the_options_of_the_verb(self):
        series = self.stored(np.stack([nibabel.load(self.fixed).get_fdata()] * 3, axis=-1), "times.nii.gz")
        identity = self.transform_file("nothing.tfm", np.eye(3))
        pair = ["--fixed", self.fixed, "--moving", series]
        for arguments in (["register", *pair, "--out", self.folder / "times"], ["qc", *pair, "--transform", identity]):
            process = run(*arguments)
            self.assertEqual(process.returncode, BAD_INPUT, process.stderr)
            self.assert_one_sentence(process, " --moving-timepoint ")
        process = run("apply", "--transform", identity, "--input", series, "--reference", self.fixed, "--out",
                      self.folder / "times_out.nii.gz")
        self.assert_one_sentence(process, " --timepoint ")

    def test_several_values_per_voxel(self):
        volume = sitk.ReadImage(str(self.moving))
        path = self.folder / "vector.nrrd"
        sitk.WriteImage(sitk.Compose(volume, volume), str(path))
        self.refused("vector.nrrd", moving=path)

    def test_missing(self):
        self.refused("nowhere.nii.gz", moving=self.folder / "nowhere.nii.gz")

    def test_truncated(self):
        whole = pathlib.Path(self.moving).read_bytes()
        path = self.folder / "truncated.nii.gz"
        path.write_bytes(whole[: len(whole) // 2])
        self.refused("truncated.nii.gz", moving=path)

    def test_not_an_image(self):
        path = self.folder / "text.nii.gz"
        path.write_text("This is not an image.\n" * 100)
        self.refused("text.nii.gz", fixed=path)

    def test_empty_file(self):
        path = self.folder / "empty.nii"
        path.write_bytes(b"")
        self.refused("empty.nii", fixed=path)

    def test_pair_that_does_not_overlap(self):
        affine = nibabel.load(self.moving).affine.copy()
        affine[:3, 3] += 5000
        far = save(nibabel.load(self.moving).get_fdata(), self.folder / "far.nii.gz", affine=affine)
        self.refused("overlap", moving=far, options=["--init", "identity"])

    def transform_file(self, name, linear):
        transform = sitk.AffineTransform(3)
        transform.SetMatrix(np.asarray(linear, dtype=float).ravel().tolist())
        path = self.folder / name
        sitk.WriteTransform(transform, str(path))
        return path

    def test_singular_initial_transform(self):
        path = self.folder / "singular.txt"
        path.write_text("#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
                        "Parameters: 1 0 0 0 1 0 0 0 0 0 0 0\nFixedParameters: 0 0 0\n")
        self.refused("singular.txt", options=["--init", path])

    def test_mirroring_initial_transform(self):
        self.refused("mirror", options=["--init", self.transform_file("mirror.tfm", np.diag([-1, 1, 1]))])

    def test_missing_initial_transform(self):
        self.refused("nowhere.mat", options=["--init", self.folder / "nowhere.mat"])

    def test_mask_on_another_grid(self):
        mask = self.stored(np.ones((20, 20, 20)), "other_grid.nii.gz", dtype=np.uint8)
        self.refused("other_grid.nii.gz", "grid", options=["--fixed-mask", mask])

    def test_empty_mask(self):
        mask = self.stored(np.zeros(self.shape), "empty_mask.nii.gz", dtype=np.uint8)
        self.refused("mask", options=["--moving-mask", mask])

    def test_labels_that_are_missing_are_found_before_the_run(self):
        self.refused("nolabels.nii.gz", options=["--labels", self.folder / "nolabels.nii.gz"])

    def test_landmarks_of_one_name(self):
        twice = self.folder / "twice.csv"
        twice.write_text("name,x,y,z\nAC,0,0,0\nPC,1,0,0\nAC,5,0,0\n")
        once = self.folder / "once.csv"
        once.write_text("name,x,y,z\nAC,0,0,0\nPC,1,0,0\nL,0,3,0\n")
        for pair in ((twice, once), (once, twice)):
            with self.subTest(pair=pair):
                self.refused("twice.csv", '"AC"', options=["--stages", "rigid", "--landmarks", *pair])
        identity = self.transform_file("identity-of-landmarks.tfm", np.eye(3))
        process = run("qc", "--fixed", self.fixed, "--moving", self.moving, "--transform", identity, "--landmarks",
                      twice, once)
        self.assertEqual(process.returncode, BAD_INPUT)
        self.assert_one_sentence(process, "twice.csv", '"AC"')

    def test_landmarks_without_common_names(self):
        for name, label in (("f.csv", "a"), ("m.csv", "b")):
            (self.folder / name).write_text(f"name,x,y,z\n{label},1,2,3\n")
        self.refused("landmark", options=["--landmarks", self.folder / "f.csv", self.folder / "m.csv"])

    def test_too_little_memory_is_refused_with_the_numbers(self):
        self.refused("MiB", "--memory", expect=DOES_NOT_FIT, options=["--memory", "1M"])
        process = run("plan", "--fixed", self.fixed, "--moving", self.moving, "--memory", "1M")
        self.assertEqual(process.returncode, DOES_NOT_FIT)

    def test_output_that_cannot_be_made(self):
        (self.folder / "file").write_text("in the way")
        process = self.register("file/out", expect=NOT_WRITTEN)
        self.assert_one_sentence(process, "file/out")
        self.assertEqual((self.folder / "file").read_text(), "in the way")

    @unittest.skipIf(os.geteuid() == 0, "root may write everywhere")
    def test_output_that_may_not_be_written(self):
        locked = self.folder / "locked"
        locked.mkdir()
        locked.chmod(0o500)
        self.assert_one_sentence(self.register("locked/out", expect=NOT_WRITTEN), "locked")

    def test_foreign_files_in_the_output_survive_a_failure(self):
        out = self.folder / "mine"
        out.mkdir()
        (out / "notes.txt").write_text("keep me")
        zero = self.stored(np.zeros(self.shape), "zero2.nii.gz")
        self.register("mine", fixed=zero, expect=BAD_INPUT)
        self.assertEqual(leftovers(out), ["notes.txt"])

    def test_files_of_others_are_not_removed_because_of_their_names(self):
        for name in ("log.txt", "result.json", "job.json", "checkpoint/model.pt"):
            file = self.folder / f"mine-{name.split('.')[0].split('/')[0]}" / name
            file.parent.mkdir(parents=True)
            file.write_text("my own")
            out = file.parents[name.count("/")]
            for options in ([], ["--overwrite"], ["--resume"]):
                with self.subTest(name=name, options=options):
                    process = self.register(out.name, *options, "--stages", "rigid", expect=USAGE)
                    self.assert_one_sentence(process, name.split("/")[0], "not written by a run", "another --out")
                    self.assertEqual(file.read_text(), "my own")
        self.register("extended", "--stages", "rigid")
        added = self.folder / "extended" / "1Warp.nii.gz"
        added.write_bytes(b"by another tool")
        self.assert_one_sentence(self.register("extended", "--overwrite", expect=USAGE), "1Warp.nii.gz")
        self.assertEqual(added.read_bytes(), b"by another tool")

    def test_results_stay_until_the_inputs_of_the_run_that_replaces_them_are_read(self):
        self.register("kept", "--stages", "rigid")
        out = self.folder / "kept"
        before = digests(out, leftovers(out))
        whole = pathlib.Path(self.moving).read_bytes()
        cut = self.folder / "cut.nii.gz"
        cut.write_bytes(whole[: len(whole) // 2])
        for moving in (self.folder / "nowhere.nii.gz", cut, self.stored(np.zeros(self.shape), "nothing.nii.gz")):
            with self.subTest(moving=moving):
                self.register("kept", "--overwrite", moving=moving, expect=BAD_INPUT)
                self.assertEqual(digests(out, leftovers(out)), before)
        self.register("kept", "--overwrite", "--stages", "affine")
        self.assertNotEqual(digests(out, ["job.json"])["job.json"], before["job.json"])
        self.assertEqual([name for name in leftovers(out) if name.startswith(".")], [])

    def copy_of(self, file, name):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(pathlib.Path(file).read_bytes())
        return path

    def test_a_run_never_removes_what_it_is_made_from(self):
        for name in ("warped.nii.gz", "1Warp.nii.gz"):
            moving = self.copy_of(self.moving, f"inputs/{name}")
            before = moving.read_bytes()
            for options in ([], ["--overwrite"], ["--resume"]):
                with self.subTest(name=name, options=options):
                    process = self.register("inputs", *options, moving=moving, expect=USAGE)
                    self.assert_one_sentence(process, name, "another --out")
                    self.assertEqual(moving.read_bytes(), before)
        self.register("first", "--stages", "rigid")
        start_from = self.folder / "first" / "0GenericAffine.mat"
        before = start_from.read_bytes()
        process = self.register("first", "--overwrite", "--init", start_from, expect=USAGE)
        self.assert_one_sentence(process, "0GenericAffine.mat")
        self.assertEqual(start_from.read_bytes(), before)

    def test_no_verb_writes_over_what_it_reads(self):
        identity = self.transform_file("identity.tfm", np.eye(3))
        image = self.copy_of(self.moving, "image.nii.gz")
        link = self.folder / "link.nii.gz"
        link.symlink_to(image)
        apply = ["apply", "--transform", identity, "--reference", self.fixed, "--input"]
        for arguments in ([*apply, image, "--out", image], [*apply, image, "--out", link],
                          [*apply, self.moving, "--reference", image, "--out", image],
                          ["convert", image, link], ["invert", "--transform", identity, "--out", identity],
                          ["compose", "--transform", f"[{identity},1]", identity, "--out", identity],
                          ["qc", "--fixed", self.fixed, "--moving", image, "--transform", identity, "--jacobian",
                           image]):
            with self.subTest(arguments=arguments):
                kept = image.read_bytes(), identity.read_bytes()
                process = run(*arguments)
                self.assertEqual(process.returncode, USAGE, process.stderr)
                self.assertEqual((image.read_bytes(), identity.read_bytes()), kept)

    def test_values_beyond_32_bit_numbers(self):
        voxels = nibabel.load(self.fixed).get_fdata()
        for factor, offset in ((1e300, 0), (1e-200, 0), (1e-3, 1e9)):
            with self.subTest(factor=factor, offset=offset):
                path = self.stored(voxels * factor + offset, "range.nii.gz", dtype=np.float64)
                self.refused("range.nii.gz", "values of", fixed=path)
                self.refused("range.nii.gz", "values of", moving=path)
        path = self.stored(voxels * 1e300, "range.nii.gz", dtype=np.float64)
        process = run("convert", path, self.folder / "range_f32.nii.gz", "--type", "f32")
        self.assertEqual(process.returncode, BAD_INPUT, process.stderr)
        self.assert_one_sentence(process, "f32", "f64")
        self.assertFalse((self.folder / "range_f32.nii.gz").exists())

    def test_a_background_that_is_no_value_of_the_image(self):
        identity = self.transform_file("identity.tfm", np.eye(3))
        out = self.folder / "background.nii.gz"
        whole = self.folder / "whole.nii.gz"
        self.assertEqual(run("convert", self.moving, whole, "--type", "u16").returncode, 0)
        apply = ["apply", "--transform", identity, "--reference", self.fixed, "--out", out]
        for value in ("nan", "-5", "70000", "0.5"):
            with self.subTest(value=value):
                process = run(*apply, "--input", whole, "--background", value)
                self.assertEqual(process.returncode, USAGE, process.stderr)
                self.assert_one_sentence(process, "--background", "u16")
                self.assertFalse(out.exists())
        self.assertEqual(run(*apply, "--input", whole, "--background", "65535").returncode, 0)

    def test_an_empty_value_of_a_script_is_no_default(self):
        for option in ("--device", "--labels", "--preset", "--job", "--init"):
            with self.subTest(option=option):
                process = self.register("empty", option, "", preset=None, expect=USAGE)
                self.assert_one_sentence(process, option, "empty")

    @contextlib.contextmanager
    def small_disk(self, size):
        mount = self.folder / "small"
        mount.mkdir(exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(mount)], capture_output=True)
        if done.returncode != 0:
            self.skipTest("mounting a small tmpfs needs root: " + done.stderr.decode().strip())
        try:
            yield mount
        finally:
            subprocess.run(["umount", str(mount)], check=True)

    def test_a_disk_without_room_is_found_before_the_run(self):
        with self.small_disk("200k") as disk:
            process = self.register("small/out", expect=DOES_NOT_FIT)
            self.assert_one_sentence(process, "MiB")
            self.assertEqual(leftovers(disk), [])

    def test_a_disk_that_fills_while_a_verb_writes_keeps_no_half_file(self):
        identity = self.transform_file("identity.tfm", np.eye(3))
        with self.small_disk("60k") as disk:
            for name in ("out.nii", "out.nii.gz", "out.nrrd", "out.mha", "out.h5", "out.tif", "out.mnc"):
                with self.subTest(name=name):
                    process = run("apply", "--transform", identity, "--input", self.moving, "--reference", self.fixed,
                                  "--out", disk / name)
                    self.assertEqual(process.returncode, NOT_WRITTEN, process.stderr)
                    self.assert_one_sentence(process, name)
                    self.assertEqual(leftovers(disk), [])

    def test_a_disk_that_others_fill_during_the_run_keeps_no_half_result(self):
        with self.small_disk("12M") as disk:
            process = start("register", "--fixed", self.fixed, "--moving", self.moving, "--out", disk / "out",
                            "--preset", "fast", "--progress", "json")
            for line in process.stdout:
                if json.loads(line).get("stage") == "rigid":
                    break
            with open(disk / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
                while True:
                    filler.write(bytes(65536))
            _, err = process.communicate(timeout=120)
            self.assertEqual(process.returncode, NOT_WRITTEN, err)
            self.assertIn("gigawarp: ", err)
            finished = [n for n in leftovers(disk / "out") if n in [*OUTPUTS, "result.json"]]
            self.assertEqual(finished, [])

    def test_result_below_something_that_is_no_folder(self):
        process = run("apply", "--transform", self.transform_file("identity.tfm", np.eye(3)), "--input", self.moving,
                      "--reference", self.fixed, "--out", "/dev/full/out.nii.gz")
        self.assertEqual(process.returncode, NOT_WRITTEN, process.stderr)

    def test_two_channels_against_one(self):
        process = run("register", "--fixed", self.fixed, self.fixed, "--moving", self.moving, "--out",
                      self.folder / "channels")
        self.assertEqual(process.returncode, USAGE)


if __name__ == "__main__":
    unittest.main()
