"""Images that are read as they are needed give the results of images in memory."""

import gzip
import json
import os
import re
import pathlib
import sys
import tempfile
import unittest

from cli_support import DOES_NOT_FIT, OK, run, save, start

try:
    import nibabel
    import numpy as np
    import zarr
except ImportError as missing:
    print(f"skipped: {missing}; install packaging/test-requirements.txt")
    sys.exit(77)

LEVELS = ("--levels", "4x8,2x6", "--preset", "fast", "--device", "cpu")


class Streaming(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.TemporaryDirectory(prefix="gigawarp-")
        cls.base = pathlib.Path(cls.shared.name)
        process = run("phantom", "--out", cls.base / "pair", "--size", "112,128,120", "--format", "nii.gz", "--no-warp")
        assert process.returncode == OK, process.stderr
        cls.pair = cls.base / "pair"
        for name in ("fixed", "moving", "fixed_labels", "moving_labels"):
            cls.convert(name + ".nii.gz", name + ".nii")
        cls.whole = cls.register("nii.gz")  # read whole: a compressed file has no other way

    @classmethod
    def tearDownClass(cls):
        cls.shared.cleanup()

    @classmethod
    def convert(cls, source, target, *options):
        process = run("convert", cls.pair / source, cls.pair / target, *options)
        assert process.returncode == OK, process.stderr

    @classmethod
    def register(cls, kind, *options, name=None, labels=True):
        out = cls.base / f"out-{name or kind}"
        arguments = ["--labels", cls.pair / f"moving_labels.{kind}", "--fixed-labels",
                     cls.pair / f"fixed_labels.{kind}"] if labels else []
        process = run("register", "--fixed", cls.pair / f"fixed.{kind}", "--moving", cls.pair / f"moving.{kind}", *LEVELS,
                      *arguments, *options, "--out", out)
        assert process.returncode == OK, process.stderr
        return out

    def result(self, out):
        return json.loads((out / "result.json").read_text())

    def array(self, path):
        return np.asanyarray(nibabel.load(path).dataobj)

    def test_a_plain_file_gives_the_same_files_to_the_byte(self):
        streamed = self.register("nii")
        for name in ("1Warp.nii.gz", "1InverseWarp.nii.gz", "warped.nii.gz", "warped_labels.nii.gz",
                     "fixed_labels_on_moving.nii.gz", "0GenericAffine.mat"):
            with self.subTest(name=name):
                self.assertEqual((self.whole / name).read_bytes(), (streamed / name).read_bytes())
        self.assertEqual(self.result(self.whole)["measures"], self.result(streamed)["measures"])

    def test_a_streamed_run_holds_less(self):
        def plan(kind):
            process = run("plan", "--json", "--fixed", self.pair / f"fixed.{kind}", "--moving",
                          self.pair / f"moving.{kind}", *LEVELS, "--out", self.base / "planned", "--warp-grid", "level")
            self.assertEqual(process.returncode, OK, process.stderr)
            return json.loads(process.stdout)["memory"]
        self.assertTrue(plan("nii")["images_streamed"])
        self.assertFalse(plan("nii.gz")["images_streamed"])

    def test_every_kind_of_axis_order_gives_the_same_warp(self):
        expected = self.array(self.whole / "1Warp.nii.gz")
        for order in ("RAS", "SAR", "ALI", "PIR"):
            with self.subTest(order=order):
                for name in ("fixed", "moving"):
                    self.convert(f"{name}.nii", f"{name}.{order}.nii", "--order", order)
                out = self.register(f"{order}.nii", name=order, labels=False)
                image = nibabel.load(out / "1Warp.nii.gz")
                to_first = nibabel.orientations.ornt_transform(
                    nibabel.io_orientation(image.affine),
                    nibabel.io_orientation(nibabel.load(self.whole / "1Warp.nii.gz").affine))
                turned = nibabel.apply_orientation(np.asanyarray(image.dataobj), to_first)
                np.testing.assert_array_equal(turned, expected)
                warped = nibabel.load(out / "warped.nii.gz")
                np.testing.assert_array_equal(
                    nibabel.apply_orientation(np.asanyarray(warped.dataobj), to_first),
                    self.array(self.whole / "warped.nii.gz"))

    def test_a_pyramid_serves_for_coarse_levels_where_it_holds_means(self):
        for name in ("fixed", "moving"):
            self.convert(f"{name}.nii", f"{name}.ome.zarr")
        never = self.register("ome.zarr", "--pyramid", "never", name="never", labels=False)
        np.testing.assert_array_equal(self.array(never / "1Warp.nii.gz"), self.array(self.whole / "1Warp.nii.gz"))
        self.assertEqual(self.result(never)["notes"], [])
        used = self.register("ome.zarr", name="used", labels=False)
        notes = self.result(used)["notes"]
        self.assertIn("Level 4 of the fixed image was made of its file's averages of 2 voxels.", notes)
        self.assertIn("Level 4 of the moving image was made of its file's averages of 2 voxels.", notes)
        spacing = nibabel.load(self.pair / "fixed.nii").header.get_zooms()[0]
        difference = np.abs(self.array(used / "1Warp.nii.gz") - self.array(self.whole / "1Warp.nii.gz"))
        self.assertLess(difference.mean(), 0.1 * spacing)

    def test_a_pyramid_that_does_not_hold_means_is_left_alone(self):
        for name in ("fixed", "moving"):
            self.convert(f"{name}.nii", f"{name}.most.ome.zarr", "--labels")  # the most frequent voxel of eight
        out = self.register("most.ome.zarr", name="most", labels=False)
        self.assertEqual(self.result(out)["notes"], [])
        np.testing.assert_array_equal(self.array(out / "1Warp.nii.gz"), self.array(self.whole / "1Warp.nii.gz"))

    def test_images_are_written_as_pyramids(self):
        out = self.register("nii", "--format", "ome.zarr", name="zarr")
        for name, kind in (("warped", "mean"), ("warped_labels", "majority")):
            group = zarr.open_group(str(out / f"{name}.ome.zarr"), mode="r")
            np.testing.assert_array_equal(group["0"][...], self.array(self.whole / f"{name}.nii.gz").T)
            self.assertEqual(group.attrs["multiscales"][0]["type"], kind)
        self.assertIn("warped.ome.zarr", self.result(out)["files"])
        process = run("register", "--fixed", self.pair / "fixed.nii", "--moving", self.pair / "moving.nii", *LEVELS,
                      "--format", "ome.zarr", "--overwrite", "--out", out)
        self.assertEqual(process.returncode, OK, process.stderr)
        self.assertFalse((out / "warped_labels.ome.zarr").exists())

    def test_the_warp_of_a_level_is_small_and_the_same_map(self):
        out = self.register("nii", "--warp-grid", "level", name="level")
        self.assertEqual(nibabel.load(out / "1Warp.nii.gz").shape[:3], (56, 64, 60))
        difference = np.abs(self.array(out / "warped.nii.gz").astype(float) - self.array(self.whole / "warped.nii.gz"))
        self.assertLess((difference > 1).mean(), 1e-3)
        applied = self.base / "applied.nii"
        process = run("apply", "--transform", out / "1Warp.nii.gz", out / "0GenericAffine.mat", "--input",
                      self.pair / "moving.nii", "--reference", self.pair / "fixed.nii", "--out", applied)
        self.assertEqual(process.returncode, OK, process.stderr)
        difference = np.abs(self.array(applied).astype(float) - self.array(out / "warped.nii.gz"))
        self.assertLess((difference > 1).mean(), 1e-3)
        measures = self.result(out)["measures"]
        self.assertAlmostEqual(measures["dice_mean"], self.result(self.whole)["measures"]["dice_mean"], delta=0.005)
        self.assertLess(measures["inverse_error_mean_mm"], 0.1)

    def test_result_holds_the_split_of_the_time(self):
        seconds = self.result(self.register("nii", name="times", labels=False))["provenance"]["seconds"]
        for part in ("read_files", "upload", "download", "write_files", "register", "load", "write", "total"):
            self.assertGreaterEqual(seconds[part], 0)
        self.assertGreater(seconds["read_files"], 0)
        self.assertGreater(seconds["write_files"], 0)
        self.assertLess(seconds["write_files"], seconds["write"])

    def test_what_does_not_fit_is_refused_with_the_way_out(self):
        process = run("plan", "--fixed", self.pair / "fixed.nii", "--moving", self.pair / "moving.nii", *LEVELS,
                      "--out", self.base / "planned", "--memory", "40M")
        self.assertEqual(process.returncode, DOES_NOT_FIT, process.stderr)
        self.assertIn("raise --memory: even with --levels 8x8 --no-inverse it needs", process.stderr)

    def qc(self, name, *options, env=None):
        """Figures, peak memory in bytes and stderr of a quality check that succeeds."""
        path = self.base / "qc.json"
        process = start("qc", "--json", path, "--summary", *options, "--result", self.base / f"out-{name}",
                        env={**os.environ, **(env or {})})
        err = process.communicate()[1]
        self.assertEqual(process.returncode, OK, err)
        return json.loads(path.read_text()), err

    def assert_alike(self, some, all_voxels):
        self.assertLess(some["similarity"]["voxels"], all_voxels["similarity"]["voxels"] / 6)
        self.assertAlmostEqual(some["similarity"]["ncc"], all_voxels["similarity"]["ncc"], delta=0.01)
        self.assertAlmostEqual(some["similarity_before"]["ncc"], all_voxels["similarity_before"]["ncc"], delta=0.01)
        self.assertAlmostEqual(some["overlap"]["dice_mean"], all_voxels["overlap"]["dice_mean"], delta=0.03)
        self.assertEqual(some["jacobian"], all_voxels["jacobian"])
        for figure in ("mean_mm", "p95_mm", "max_mm"):
            self.assertAlmostEqual(some["known_map_error"][figure], all_voxels["known_map_error"][figure], places=6)
            self.assertAlmostEqual(some["inverse_error"][figure], all_voxels["inverse_error"][figure], delta=0.05)

    def test_qc_measures_fewer_voxels_where_all_do_not_fit(self):
        self.register("nii", name="judged")
        known = ("--phantom", self.pair / "phantom.json")
        all_voxels, _ = self.qc("judged", *known)
        some, _ = self.qc("judged", *known, "--memory", "200M", "--sheet", self.base / "sheet.png")
        self.assertNotIn("measured_every_nth_voxel", all_voxels)
        self.assertEqual(some["measured_every_nth_voxel"], 2)
        self.assert_alike(some, all_voxels)

    def test_qc_counts_det_j_within_the_mask_where_it_thins(self):
        self.register("nii", name="masked")
        mask = ("--mask", self.pair / "fixed_labels.nii")
        all_voxels, _ = self.qc("masked", *mask)
        some, _ = self.qc("masked", *mask, "--memory", "200M")
        self.assertEqual(some["measured_every_nth_voxel"], 2)
        self.assertEqual(some["jacobian"], all_voxels["jacobian"])
        self.assertLess(some["jacobian"]["voxels"], 108 * 124 * 116)

    def test_qc_imports_a_warp_that_can_only_be_read_in_order_and_says_so(self):
        out = self.register("nii", name="foreign")
        known = ("--phantom", self.pair / "phantom.json")
        all_voxels, _ = self.qc("foreign", *known)
        for name in ("1Warp.nii.gz", "1InverseWarp.nii.gz"):  # as another program compresses
            (out / name).write_bytes(gzip.compress(gzip.decompress((out / name).read_bytes()), 1))
        cache = {"GIGAWARP_CACHE": str(self.base / "cache")}
        some, err = self.qc("foreign", *known, "--memory", "200M", env=cache)
        self.assertIn("1Warp.nii.gz: It is being imported into the cache", err)
        self.assert_alike(some, all_voxels)
        _, err = self.qc("foreign", *known, "--memory", "200M", env=cache)
        self.assertNotIn("imported", err)

    def test_qc_refuses_what_does_not_fit_before_it_reads(self):
        self.register("nii", name="refused")
        sheet = self.base / "never.png"
        process = run("qc", "--result", self.base / "out-refused", "--memory", "50M", "--sheet", sheet)
        self.assertEqual(process.returncode, DOES_NOT_FIT, process.stderr)
        self.assertIn("needs at least", process.stderr)
        self.assertFalse(sheet.exists())

    def test_qc_counts_maps_that_are_written_whole(self):
        self.register("nii", name="counted")

        def refused(name, memory):
            process = run("qc", "--result", self.base / "out-counted", "--jacobian", self.base / name, "--memory", memory)
            self.assertEqual(process.returncode, DOES_NOT_FIT, process.stderr)
            self.assertFalse((self.base / name).exists())
            return process.stderr

        def least(name):
            return int(re.search(r"at least (\d+) MiB", refused(name, "1M"))[1])
        by_slabs, as_grid = least("m.nii.gz"), least("m.vdb")
        self.assertGreater(as_grid, by_slabs)
        self.assertIn(".ome.zarr", refused("m.vdb", f"{by_slabs}M"))
        self.assertIn("raise --memory", refused("m.vdb", "1M"))

    def test_qc_writes_its_maps_as_sparse_grids_too(self):
        self.register("nii", name="mapped")
        for name in ("det.vdb", "det.nii", "ncc.vdb", "ncc.nii"):
            self.qc("mapped", "--jacobian" if name.startswith("det") else "--local-ncc", self.base / name)
        for name in ("det", "ncc"):
            back = self.base / f"{name}.back.nii"
            process = run("convert", self.base / f"{name}.vdb", back)
            self.assertEqual(process.returncode, OK, process.stderr)
            expected, found = self.array(self.base / f"{name}.nii"), self.array(back)
            self.assertEqual(found.shape, expected.shape)
            self.assertTrue((np.isnan(found) == np.isnan(expected)).all())
            spread = np.nanmax(expected) - np.nanmin(expected)
            self.assertLessEqual(np.nanmax(np.abs(found - expected)), 1.01e-3 * spread)
        thinned = self.base / "thinned.nii"
        self.qc("mapped", "--jacobian", thinned, "--memory", "200M")
        np.testing.assert_array_equal(self.array(thinned), self.array(self.base / "det.nii"))

    def test_compressed_images_that_are_imported_give_the_same_files_to_the_byte(self):
        cache = {**os.environ, "GIGAWARP_CACHE": str(self.base / "images")}
        out = self.base / "out-imported"
        process = run("register", "--fixed", self.pair / "fixed.nii.gz", "--moving", self.pair / "moving.nii.gz", *LEVELS,
                      "--labels", self.pair / "moving_labels.nii.gz", "--fixed-labels",
                      self.pair / "fixed_labels.nii.gz", "--import", "always", "--out", out, env=cache)
        self.assertEqual(process.returncode, OK, process.stderr)
        self.assertIn("fixed.nii.gz: It is being imported into the cache", process.stderr)
        for name in ("1Warp.nii.gz", "1InverseWarp.nii.gz", "warped.nii.gz", "warped_labels.nii.gz",
                     "fixed_labels_on_moving.nii.gz"):
            with self.subTest(name=name):
                self.assertEqual((self.whole / name).read_bytes(), (out / name).read_bytes())
        process = run("plan", "--json", "--fixed", self.pair / "fixed.nii.gz", "--moving", self.pair / "moving.nii.gz",
                      *LEVELS, "--out", self.base / "planned", env=cache)
        self.assertTrue(json.loads(process.stdout)["memory"]["images_streamed"])

    def smooth_pair(self, name, across, waves):
        """A smooth pair of whole numbers as pyramids of means; their paths, fixed and moving."""
        x, y, z = np.meshgrid(*[np.linspace(0, 1, n) for n in (80, 92, 84)], indexing="ij")
        for side, shift in (("fixed", 0.0), ("moving", 0.01)):
            values = np.round(20 + across * (x + shift) + waves * np.sin(2 * y) * np.cos(2 * z)).astype(np.uint8)
            save(values, self.pair / f"{name}_{side}.nii", dtype=np.uint8)
            self.convert(f"{name}_{side}.nii", f"{name}_{side}.ome.zarr")
        return [self.pair / f"{name}_{side}.ome.zarr" for side in ("fixed", "moving")]

    def register_pyramids(self, fixed, moving, out):
        process = run("register", "--fixed", fixed, "--moving", moving, *LEVELS, "--out", out)
        self.assertEqual(process.returncode, OK, process.stderr)
        return self.result(out)

    def test_a_smooth_pyramid_of_samples_is_not_taken_for_means(self):
        pair = self.smooth_pair("smooth", 90, 60)
        for path in pair:
            group = zarr.open_group(str(path), mode="r+")
            for level in range(1, len(group.attrs["multiscales"][0]["datasets"])):
                group[str(level)][...] = group["0"][::2 ** level, ::2 ** level, ::2 ** level]
        result = self.register_pyramids(*pair, self.base / "out-smooth")
        self.assertEqual(result["notes"], [])

    def test_a_smooth_pyramid_of_means_is_left_alone_with_a_note(self):
        result = self.register_pyramids(*self.smooth_pair("even", 9, 6), self.base / "out-even")
        self.assertEqual(result["notes"], [])
        self.assertIn("too smooth to tell", json.dumps(result))


if __name__ == "__main__":
    unittest.main()
