"""Whole runs on a small pair, their files read by nibabel and ITK."""

import itertools
import json
import os
import pathlib
import shutil
import unittest

import nibabel
import numpy as np
import SimpleITK as sitk

from cli_support import BAD_INPUT, OK, OUTPUTS, USAGE, PairCase, digests, leftovers, result, run, save


def ants_transform(folder):
    """What `antsApplyTransforms -t 1Warp.nii.gz -t 0GenericAffine.mat` would build, by ITK's own readers."""
    warp = sitk.DisplacementFieldTransform(
        sitk.Cast(sitk.ReadImage(str(folder / "1Warp.nii.gz")), sitk.sitkVectorFloat64))
    affine = sitk.ReadTransform(str(folder / "0GenericAffine.mat"))
    return sitk.CompositeTransform([affine, warp])  # ITK applies the last one first


class Register(PairCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.out = cls.folder / "reference"
        (cls.folder / cls.fixed_labels.name.replace(".nii.gz", ".txt")).write_text("1 left half\n77 not there\n")
        (cls.folder / cls.moving_labels.name.replace(".nii.gz", ".txt")).write_text("1 other\n2 of the moving\n")
        cls.process = run("register", "--fixed", cls.fixed, "--moving", cls.moving, "--out", cls.out, "--labels",
                          cls.moving_labels, "--fixed-labels", cls.fixed_labels)
        assert cls.process.returncode == 0, cls.process.stderr

    def test_every_documented_file_is_there_and_nothing_else(self):
        self.assertEqual(leftovers(self.out), sorted(OUTPUTS + ["warped_labels.nii.gz", "fixed_labels_on_moving.nii.gz",
                                                                "job.json", "result.json", "log.txt", "events.jsonl"]))
        self.assertEqual(sorted(result(self.out)["files"]), leftovers(self.out))

    def test_the_images_are_aligned_without_folds(self):
        measures = result(self.out)["measures"]
        self.assertGreater(measures["global_ncc"], 0.97)
        self.assertLessEqual(measures["folds_percent"], 0.001)
        self.assertLess(measures["inverse_error_mean_mm"], 0.05)
        self.assertGreater(measures["dice_mean"], 0.8)

    def test_labels_have_the_names_beside_them(self):
        measures = result(self.out)["measures"]
        self.assertEqual(measures["label_names"], {"1": "left half", "2": "of the moving"})
        self.assertIn("1", measures["dice"])

    def test_warped_image_and_warp_lie_on_the_fixed_grid(self):
        fixed = nibabel.load(self.fixed)
        for name in ("warped.nii.gz", "warped_labels.nii.gz", "1Warp.nii.gz", "1InverseWarp.nii.gz"):
            image = nibabel.load(self.out / name)
            self.assertEqual(image.shape[:3], fixed.shape)
            np.testing.assert_allclose(image.affine, fixed.affine, atol=1e-4)
        self.assertEqual(nibabel.load(self.out / "1Warp.nii.gz").shape, (*fixed.shape, 1, 3))

    def test_itk_resamples_to_the_same_warped_image(self):
        fixed, moving = sitk.ReadImage(str(self.fixed)), sitk.ReadImage(str(self.moving))
        by_itk = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, ants_transform(self.out), sitk.sitkLinear, 0.0))
        ours = sitk.GetArrayFromImage(sitk.ReadImage(str(self.out / "warped.nii.gz")))
        inner = np.s_[2:-2, 2:-2, 2:-2]
        difference = np.abs(by_itk - ours)[inner]
        self.assertLess(difference.max(), 1e-3 * np.ptp(by_itk))

    def test_forward_then_inverse_is_the_identity(self):
        transform = ants_transform(self.out)
        inverse = sitk.DisplacementFieldTransform(
            sitk.Cast(sitk.ReadImage(str(self.out / "1InverseWarp.nii.gz")), sitk.sitkVectorFloat64))
        back = sitk.ReadTransform(str(self.out / "0GenericAffine.mat")).GetInverse()
        for point in [(0, 0, 0), (10, -8, 6), (-14, 12, -9), (3.3, 20.1, 11.7)]:
            there = inverse.TransformPoint(back.TransformPoint(transform.TransformPoint(point)))
            self.assertLess(np.linalg.norm(np.subtract(there, point)), 0.1)

    def test_report_and_events_tell_where_the_result_comes_from(self):
        provenance = result(self.out)["provenance"]
        self.assertEqual({i["role"] for i in provenance["inputs"]},
                         {"fixed[0]", "moving[0]", "fixed_labels", "moving_labels"})
        for entry in provenance["inputs"]:
            self.assertRegex(entry["sha256"], "^[0-9a-f]{64}$")
        self.assertGreater(provenance["peak_memory_bytes"], 0)
        events = [json.loads(line) for line in (self.out / "events.jsonl").read_text().splitlines()]
        self.assertEqual(events[0]["event"], "run_started")
        self.assertEqual(events[-1]["event"], "run_finished")
        self.assertEqual(events[-1]["fraction"], 1)
        fractions = [event["fraction"] for event in events]
        self.assertEqual(fractions, sorted(fractions))

    def test_the_figures_are_printed(self):
        self.assertIn("global NCC", self.process.stdout)
        self.assertIn(str(self.out), self.process.stdout)

    def test_running_twice_gives_the_same_bytes(self):
        self.register("again", preset="brain-t1")
        self.assertEqual(digests(self.folder / "again"), digests(self.out))

    def test_one_thread_and_two_give_the_same_bytes(self):
        self.register("one", "--threads", 1, preset="brain-t1")
        self.assertEqual(digests(self.folder / "one"), digests(self.out))

    def test_one_device_and_three_give_the_same_bytes(self):
        self.register("slabs", "--device", "cpu:3", preset="brain-t1")
        self.assertEqual(digests(self.folder / "slabs"), digests(self.out))

    def test_the_job_file_repeats_the_run(self):
        process = run("register", "--job", self.out / "job.json", "--out", self.folder / "by-job")
        self.assertEqual(process.returncode, 0, process.stderr)
        names = [*OUTPUTS, "warped_labels.nii.gz", "fixed_labels_on_moving.nii.gz"]
        self.assertEqual(digests(self.folder / "by-job", names), digests(self.out, names))

    def test_qc_of_a_run_replaces_nothing_that_tells_of_it(self):
        for name in ("job.json", "result.json", "events.jsonl", "log.txt"):
            before = (self.out / name).read_bytes()
            process = run("qc", "--result", self.out, "--json", self.out / name)
            self.assertEqual(process.returncode, USAGE, process.stderr)
            self.assert_one_sentence(process, name)
            self.assertEqual((self.out / name).read_bytes(), before)

    def test_qc_of_a_run_with_labels_of_one_image_leaves_the_overlap_out(self):
        self.register("one_side", "--labels", self.moving_labels)
        process = run("qc", "--result", self.folder / "one_side", "--json", self.folder / "one_side.json")
        self.assertEqual(process.returncode, OK, process.stderr)
        self.assertIn("--fixed-labels", process.stderr)
        self.assertNotIn("overlap", json.loads((self.folder / "one_side.json").read_text()))
        process = run("qc", "--result", self.folder / "one_side", "--fixed-labels", self.fixed_labels)
        self.assertEqual(process.returncode, OK, process.stderr)
        self.assertIn("Dice", process.stdout)

    def test_a_warning_is_given_once(self):
        turned = save(nibabel.load(self.moving).get_fdata()[:, ::-1, ::-1], self.folder / "turned.nii.gz", 2.0)
        process = self.register("turned", moving=turned)
        self.assertEqual(process.stderr.count("large rotation"), 1, process.stderr)
        self.assertEqual(sum("large rotation" in w for w in result(self.folder / "turned")["warnings"]), 1)

    def test_a_finished_folder_is_not_overwritten_by_accident(self):
        before = digests(self.out)
        self.assert_one_sentence(self.register("reference", expect=USAGE), "--overwrite")
        self.assertEqual(digests(self.out), before)
        shutil.copytree(self.out, self.folder / "copy")
        process = run("register", "--job", self.out / "job.json", "--out", self.folder / "copy", "--overwrite",
                      "--stages", "rigid")
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertNotIn("1Warp.nii.gz", leftovers(self.folder / "copy"))

    def test_json_progress_is_one_event_per_line(self):
        process = self.register("events", "--progress", "json", "--stages", "rigid")
        events = [json.loads(line) for line in process.stdout.splitlines()]
        self.assertEqual(events[-1]["event"], "run_finished")
        self.assertIn("iteration", {event["event"] for event in events})

    def test_nan_voxels_are_replaced_and_reported(self):
        image = nibabel.load(self.fixed).get_fdata()
        image[:2] = np.nan
        image[3, 3, 3] = np.inf
        path = save(image, self.folder / "nan.nii.gz", 2.0)
        process = self.register("nan", fixed=path)
        self.assertIn("NaN", process.stderr)
        self.assertTrue(any("NaN" in warning for warning in result(self.folder / "nan")["warnings"]))
        self.assertTrue(np.isfinite(nibabel.load(self.folder / "nan" / "1Warp.nii.gz").get_fdata()).all())

    def test_images_of_very_different_size_are_told_of(self):
        out = self.folder / "odd"
        spacing = ",".join(str(float(v) * 4) for v in nibabel.load(self.moving).header.get_zooms()[:3])
        process = run("register", "--fixed", self.fixed, "--moving", self.moving, "--moving-spacing", spacing,
                      "--stages", "rigid", "--levels", "4x1", "--out", out)
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertTrue(any("longest side" in text for text in result(out)["warnings"]), result(out)["warnings"])
        self.assertFalse(any("longest side" in text for text in result(self.out)["warnings"]))

    def test_labels_on_another_grid_than_their_image_are_told_of(self):
        image = nibabel.load(self.moving_labels)
        cut = self.folder / "cut_labels.nii.gz"
        nibabel.save(image.slicer[2:], cut)
        short = ("--stages", "rigid", "--levels", "4x1")
        process = self.register("cut", *short, "--labels", cut)
        told = [text for text in result(self.folder / "cut")["warnings"] if "another grid" in text]
        self.assertEqual(len(told), 1, process.stderr)
        self.assertIn("another grid", process.stderr)
        for text in (cut.name, self.moving.name, "{} x {} x {} voxels".format(image.shape[0] - 2, *image.shape[1:]),
                     "against {} x {} x {} voxels of {:g} x".format(*image.shape, image.header.get_zooms()[0])):
            self.assertIn(text, told[0])
        self.assertFalse(any("another grid" in text for text in result(self.out)["warnings"]))
        process = self.register("refused", *short, "--labels", self.moving_labels, "--fixed-labels", cut,
                                expect=BAD_INPUT)
        self.assert_one_sentence(process, "another grid")
        self.assertIn(" mm against ", process.stderr)

    def test_a_brain_extracted_fixed_image_masks_itself_when_told_nothing_else(self):
        shape = (40, 44, 36)
        grid = np.meshgrid(*[np.arange(n, dtype=float) for n in shape], indexing="ij")
        radius = sum(((c - (n - 1) / 2) / (0.25 * n)) ** 2 for c, n in zip(grid, shape))
        inside = 300 + 100 * np.sin(grid[0] / 2) * np.cos(grid[1] / 3) * np.sin(grid[2] / 2 + 1)
        fixed = save(np.where(radius < 1, inside, 0), self.folder / "brain.nii.gz")
        moving = save(np.where(radius < 1, inside, np.where(radius < 2.2, 150, 5)), self.folder / "whole.nii.gz")
        for options, used in [([], "nonzero (chosen)"), (["--fixed-mask", "none"], "none"),
                              (["--fixed-mask", "nonzero"], "nonzero")]:
            out = self.folder / "masked"
            process = run("register", "--fixed", fixed, "--moving", moving, "--out", out, "--preset", "fast",
                          "--overwrite", *options)
            self.assertEqual(process.returncode, 0, process.stderr)
            self.assertEqual(result(out)["provenance"]["fixed_mask"], used)
            told = [w for w in result(out)["warnings"] if "brain-extracted" in w]
            self.assertEqual(len(told), 0 if options else 1)
            self.assertEqual("--fixed-mask none" in process.stderr, not options)

    def test_levels_of_the_last_stage_bound_those_of_the_stages_before(self):
        self.register("coarse", "--levels", "8x4,4x3", preset="brain-t1")
        stages = json.loads((self.folder / "coarse" / "job.json").read_text())["stages"]
        self.assertEqual([(level["shrink"], level["iterations"]) for level in stages[-1]["levels"]], [(8, 4), (4, 3)])
        for stage in stages[:-1]:
            self.assertTrue(stage["levels"])
            self.assertGreaterEqual(min(level["shrink"] for level in stage["levels"]), 4)

    def test_a_run_left_to_the_machine_says_why_it_takes_no_gpu(self):
        hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
        listed = json.loads(run("devices", "--json", env=hidden).stdout)
        why = f"{next(device['why_not'] for device in listed if device['id'] == 'cuda')} It runs on the CPU."
        pair = ["--fixed", self.fixed, "--moving", self.moving, "--stages", "rigid", "--levels", "4x2"]
        self.assertIn(f"  note      {why}\n", run("plan", *pair, env=hidden).stdout)
        plan = json.loads(run("plan", *pair, "--json", env=hidden).stdout)
        self.assertEqual((plan["device"], plan["note"]), ("cpu", why))
        for device, told in (("auto", why), ("cpu", "")):
            out = self.folder / f"left to {device}"
            process = run("register", *pair, "--device", device, "--out", out, "--progress", "none", env=hidden)
            self.assertEqual(process.returncode, 0, process.stderr)
            provenance = result(out)["provenance"]
            self.assertEqual((provenance["device"], provenance["device_note"]), ("cpu", told))
            self.assertEqual(result(out)["warnings"], [])
            second = (out / "log.txt").read_text().splitlines()[1]
            self.assertEqual(second.endswith(f"message plan: {why}"), bool(told), second)

    def test_plan_names_memory_and_time_without_writing(self):
        out = self.folder / "planned"
        process = run("plan", "--fixed", self.fixed, "--moving", self.moving, "--out", out, "--json")
        self.assertEqual(process.returncode, 0, process.stderr)
        plan = json.loads(process.stdout)
        self.assertTrue(plan["fits"])
        self.assertGreater(plan["memory"]["needed_bytes"], 0)
        self.assertFalse(out.exists())


class AxisOrders(PairCase):
    """A pair in other axis orders and flips, the positions of its voxels unchanged."""

    shape = (36, 40, 32)
    stages = [{"kind": "rigid", "metric": {"kind": "mi"}, "levels": [{"shrink": 2, "iterations": 30}]},
              {"kind": "affine", "metric": {"kind": "lncc"}, "levels": [{"shrink": 2, "iterations": 30}]},
              {"kind": "greedy", "metric": {"kind": "lncc"},
               "levels": [{"shrink": 2, "iterations": 30}, {"shrink": 1, "iterations": 10}]}]

    @staticmethod
    def codes():
        """All 48 orders as nibabel names them."""
        return ["".join(letter[flip] for letter, flip in zip(axes, flips))
                for axes in itertools.permutations(("LR", "PA", "SI"))
                for flips in itertools.product((0, 1), repeat=3)]

    def stored(self, image, role, code):
        turn = nibabel.orientations.ornt_transform(nibabel.io_orientation(image.affine),
                                                   nibabel.orientations.axcodes2ornt(tuple(code)))
        path = self.folder / f"{role}-{code}.nii.gz"
        nibabel.save(image.as_reoriented(turn), path)
        return path

    def transform(self, out, like):
        """Parameters of the affine part, and the warps in the axis order of `like`."""
        warps = []
        for name in ("1Warp.nii.gz", "1InverseWarp.nii.gz"):
            warp = nibabel.load(self.folder / out / name)
            back = nibabel.orientations.ornt_transform(nibabel.io_orientation(warp.affine),
                                                       nibabel.io_orientation(like.affine))
            warps.append(nibabel.orientations.apply_orientation(warp.get_fdata(), back))
        affine = sitk.ReadTransform(str(self.folder / out / "0GenericAffine.mat"))
        return np.array(affine.GetParameters()), *warps

    def check(self, fixed, moving, pairs):
        job = self.folder / "job.json"
        job.write_text(json.dumps({"version": 1, "stages": self.stages}))
        options = ["--overwrite", "--job", job]
        self.register("plain", *options, fixed=self.stored(fixed, "fixed", "LPS"),
                      moving=self.stored(moving, "moving", "LPS"), preset=None)
        wanted = self.transform("plain", fixed)
        self.assertGreater(np.abs(wanted[1]).max(), 0.5)
        for of_fixed, of_moving in pairs:
            with self.subTest(fixed=of_fixed, moving=of_moving):
                self.register("turned", *options, fixed=self.stored(fixed, "fixed", of_fixed),
                              moving=self.stored(moving, "moving", of_moving), preset=None)
                for got, expected in zip(self.transform("turned", fixed), wanted):
                    np.testing.assert_array_equal(got, expected)

    def test_twenty_axis_orders_give_the_same_world_transform_to_the_last_bit(self):
        codes = self.codes()
        # Steps of 5 and 7 are prime to 48: twenty different orders of each, from all six permutations of the axes.
        pairs = [(codes[(2 + 5 * k) % 48], codes[(11 + 7 * k) % 48]) for k in range(20)]
        self.check(nibabel.load(self.fixed), nibabel.load(self.moving), pairs)

    def test_an_oblique_pair_of_long_voxels_too(self):
        for name, angle, spacing in (("fixed", 0.3, (1.7, 2.0, 2.4)), ("moving", -0.2, (2.1, 1.9, 2.3))):
            c, s = np.cos(angle), np.sin(angle)
            turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
            affine = np.eye(4)
            affine[:3, :3] = turn * spacing
            affine[:3, 3] = -affine[:3, :3] @ ((np.array(self.shape) - 1) / 2)
            save(nibabel.load(getattr(self, name)).get_fdata(), self.folder / f"oblique-{name}.nii.gz", affine=affine)
        self.check(nibabel.load(self.folder / "oblique-fixed.nii.gz"),
                   nibabel.load(self.folder / "oblique-moving.nii.gz"), [("SAL", "RIP"), ("PIR", "LAS"), ("ASR", "ILP")])


if __name__ == "__main__":
    unittest.main()
