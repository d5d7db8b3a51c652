"""What a run holds at its peak is what its plan says, and what a refused plan offers fits."""

import json
import pathlib
import re
import sys
import tempfile
import unittest

from cli_support import DOES_NOT_FIT, OK, peak_bytes, run, save

try:
    import nibabel
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}; install packaging/test-requirements.txt")
    sys.exit(77)

MIB = 1 << 20
MOST_TOO_MUCH = 1.15


class Memory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.TemporaryDirectory(prefix="gigawarp-")
        cls.base = pathlib.Path(cls.shared.name)
        process = run("phantom", "--out", cls.base, "--size", "136,152,144", "--format", "nii.gz", "--no-warp")
        assert process.returncode == OK, process.stderr
        for name in ("fixed", "moving", "fixed_labels", "moving_labels"):
            image = nibabel.load(cls.base / f"{name}.nii.gz")
            voxels = np.asanyarray(image.dataobj)
            save(voxels, cls.base / f"{name}.nii", affine=image.affine, dtype=voxels.dtype)
            for kind in (np.float32, np.float64):
                save(voxels, cls.base / f"{name}_{np.dtype(kind).name}.nii.gz", affine=image.affine, dtype=kind)
            turned = image.as_reoriented([[0, -1], [2, 1], [1, 1]])  # not the order that runs are in
            nibabel.save(turned, cls.base / f"{name}_turned.nii.gz")
            if "labels" in name:
                continue
            # So large that a field that is not counted is more than what the program itself may take.
            save(np.repeat(np.asanyarray(turned.dataobj), 2, axis=2), cls.base / f"{name}_tall.nii.gz",
                 affine=turned.affine @ np.diag([1, 1, 0.5, 1]), dtype=voxels.dtype)

    @classmethod
    def tearDownClass(cls):
        cls.shared.cleanup()

    def job(self, *options, kind=".nii.gz", channels=1):
        paths = {side: [self.base / (side + kind)] * channels for side in ("fixed", "moving")}
        return ["--fixed", *paths["fixed"], "--moving", *paths["moving"], "--preset", "fast", "--device", "cpu",
                "--threads", "2", "--out", self.base / "out", *options]

    def fixed_labels(self, kind=".nii.gz"):
        return ["--fixed-labels", self.base / f"fixed_labels{kind}"]

    def labels(self, kind=".nii.gz"):
        return ["--labels", self.base / f"moving_labels{kind}", *self.fixed_labels(kind)]

    def planned(self, job):
        process = run("plan", "--json", *job)
        self.assertEqual(process.returncode, OK, process.stderr)
        return json.loads(process.stdout)["memory"]["needed_bytes"]

    def assert_held_as_planned(self, *options, **pair):
        job = self.job(*options, **pair)
        planned, peak = self.planned(job), peak_bytes("register", *job, "--overwrite")
        told = f"planned {planned / MIB:.0f} MiB, held {peak / MIB:.0f} MiB"
        if "-v" in sys.argv:
            print(told, *map(str, options), pair, flush=True)
        self.assertLessEqual(peak, planned, told)
        self.assertLessEqual(planned, MOST_TOO_MUCH * peak, told)

    def test_runs_hold_what_their_plans_say(self):
        full, half, coarse = ("--levels", "2x1,1x2"), ("--levels", "4x2,2x2"), ("--levels", "8x2")
        syn, light = ("--stages", "rigid,syn"), ("--no-inverse", "--uncompressed")
        for options, pair in [
                (full, {}), ((*full, *light), {}), ((*full, "--metric", "mi"), {}), ((*full, *syn), {}),
                (full, {"kind": "_float32.nii.gz", "channels": 2}), (full, {"kind": "_float64.nii.gz"}),
                (half, {}), ((*half, "--no-inverse", *syn), {}), ((*half, "--metric", "mi", *syn, *self.labels()), {}),
                (coarse, {}), ((*coarse, *light), {}), ((*coarse, "--no-inverse"), {}), ((*coarse, *syn), {}),
                ((*coarse, *self.fixed_labels("_float64.nii.gz")), {}), ((*coarse, *self.fixed_labels(".nii")), {}),
                ((*coarse, "--uncompressed", "--warp-grid", "level", *self.fixed_labels("_float64.nii.gz")), {}),
                (coarse, {"kind": "_turned.nii.gz"}), ((*coarse, "--uncompressed"), {"kind": "_tall.nii.gz"}), ((*coarse, *self.labels()), {}),
                ((*coarse, "--format", "ome.zarr"), {}), ((*coarse, *self.labels("_float64.nii.gz")), {}),
                ((*coarse, "--warp-grid", "level"), {}),
                (coarse, {"kind": "_float32.nii.gz", "channels": 3}),
                (coarse, {"kind": ".nii"}), ((*coarse, "--warp-grid", "level", *self.labels(".nii")), {"kind": ".nii"}),
                (("--stages", "affine", *half), {"kind": "_float64.nii.gz", "channels": 2})]:
            with self.subTest(options=options, pair=pair):
                self.assert_held_as_planned(*options, **pair)

    def refusal(self, verb, *options, **pair):
        process = run(verb, *self.job(*options, **pair))
        self.assertEqual(process.returncode, DOES_NOT_FIT, process.stderr)
        self.assertEqual(len(process.stderr.strip().splitlines()), 1, process.stderr)
        return process.stderr

    def test_a_refused_plan_offers_what_fits(self):
        schedule = ("--levels", "8x2,4x2,2x2,1x1")
        for budget, stages in [(220, ()), (168, ()), (150, ()), (130, ()), (200, ("--stages", "rigid,syn"))]:
            with self.subTest(budget=budget, stages=stages):
                sentence = self.refusal("plan", *schedule, *stages, "--memory", f"{budget}M")
                offer = re.search(r"raise --memory, or use (.*), with which (\d+) MiB are enough", sentence)
                self.assertIsNotNone(offer, sentence)
                options, needed = offer[1].split(), int(offer[2])
                self.assertLessEqual(needed, budget)
                levels = () if "--levels" in options else schedule
                planned = self.planned(self.job(*levels, *stages, *options, "--memory", f"{budget}M"))
                self.assertEqual(-(-planned // MIB), needed)
                # Nothing that gives up less fits, and what fits is held to.
                if "--levels" in options:
                    self.refusal("plan", *schedule, *stages, "--no-inverse", "--memory", f"{budget}M")
                self.assertLessEqual(peak_bytes("register", *self.job(*levels, *stages, *options, "--memory", f"{budget}M"),
                                                "--overwrite"), budget * MIB)

    def test_fixed_labels_alone_are_offered_nothing_without_the_inverse(self):
        inverse_fits_not = ("plan", "--levels", "8x2", "--memory", "166M")
        self.assertIn("--no-inverse", self.refusal(*inverse_fits_not))
        for options in (inverse_fits_not, ("register", "--levels", "8x2", "--memory", "1M")):
            self.assertNotIn("--no-inverse", self.refusal(*options, *self.fixed_labels()))

    def test_where_nothing_fits_the_plan_says_what_the_least_is(self):
        for verb, schedule in [("plan", "8x2,4x2,1x1"), ("register", "8x2"), ("plan", "1x5")]:
            with self.subTest(schedule=schedule):
                sentence = self.refusal(verb, "--levels", schedule, "--memory", "1M")
                least = re.search(r"raise --memory: even with (.*) it needs (\d+) MiB", sentence)
                self.assertIsNotNone(least, sentence)
                options = least[1].split()
                levels = () if "--levels" in options else ("--levels", schedule)
                self.assertEqual(-(-self.planned(self.job(*levels, *options)) // MIB), int(least[2]))
                self.assertNotIn("finest level", sentence)


if __name__ == "__main__":
    unittest.main()
