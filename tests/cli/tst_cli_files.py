"""The verbs that handle files: info, convert, apply, invert, compose, judged by nibabel and SimpleITK."""

import csv
import unittest

from cli_support import (BAD_INPUT, NOT_WRITTEN, OK, USAGE, PairCase, json, leftovers, nibabel, np, peak_bytes, run,
                         save, sitk)


def displacement(image, amplitude):
    """A smooth field on the lattice of a SimpleITK image, zero at its border."""
    size = image.GetSize()
    z, y, x = np.meshgrid(*[np.sin(np.pi * np.arange(n) / (n - 1)) for n in reversed(size)], indexing="ij")
    wave = amplitude * x * y * z
    field = sitk.GetImageFromArray(np.stack([wave, -0.5 * wave, 0.25 * wave], axis=-1), isVector=True)
    field.CopyInformation(image)
    return field


class FileVerbs(PairCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        fixed = sitk.ReadImage(str(cls.fixed))
        cls.warp = cls.folder / "1Warp.nii.gz"
        cls.field = displacement(fixed, 4.0)
        sitk.WriteImage(sitk.Cast(cls.field, sitk.sitkVectorFloat32), str(cls.warp))
        cls.affine = sitk.AffineTransform(3)
        cls.affine.SetMatrix((0.99, 0.1, 0, -0.1, 0.99, 0.02, 0, 0.03, 1.02))
        cls.affine.SetTranslation((1, 2, -3))
        cls.matrix = cls.folder / "0GenericAffine.mat"
        sitk.WriteTransform(cls.affine, str(cls.matrix))
        cls.chain = sitk.CompositeTransform(3)  # the last one added is applied first
        cls.chain.AddTransform(cls.affine)
        cls.chain.AddTransform(sitk.DisplacementFieldTransform(sitk.Cast(cls.field, sitk.sitkVectorFloat64)))

    def verb(self, *arguments, expect=OK):
        process = run(*arguments)
        self.assertEqual(process.returncode, expect, process.stderr)
        return process

    def resampled(self, transform):
        return sitk.GetArrayFromImage(sitk.Resample(sitk.ReadImage(str(self.moving)), sitk.ReadImage(str(self.fixed)),
                                                    transform, sitk.sitkLinear, 0.0))

    def assert_same_image(self, path, array):
        ours = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        self.assertLess(np.abs(ours - array).max(), 1e-3 * np.ptp(array))

    def test_apply_agrees_with_itk(self):
        out = self.folder / "warped.nii.gz"
        self.verb("apply", "--transform", self.warp, self.matrix, "--input", self.moving, "--reference", self.fixed,
                  "--out", out)
        self.assert_same_image(out, self.resampled(self.chain))

    def test_apply_and_compose_tell_how_far_they_are(self):
        out = self.folder / "told.nii.gz"
        transforms = ["--transform", self.warp, self.matrix]
        for verb, more in (("apply", ["--input", self.moving]), ("compose", [])):
            text = run(verb, *transforms, *more, "--reference", self.fixed, "--out", out, "--progress", "json").stdout
            fractions = [json.loads(line)["fraction"] for line in text.splitlines()]
            self.assertGreater(len(fractions), 3, verb)
            self.assertEqual(fractions, sorted(fractions), verb)
            self.assertEqual(fractions[-1], 1, verb)
        silent = run("apply", *transforms, "--input", self.moving, "--reference", self.fixed, "--out", out)
        self.assertEqual((silent.stdout, silent.stderr), ("", ""), "no bar where there is no terminal")

    def test_apply_inverts_an_affine_in_brackets_or_by_flag(self):
        expected = self.resampled(self.affine.GetInverse())
        for name, words in (("bracket.nii", [f"[{self.matrix},1]"]), ("flag.nii", [self.matrix, "--inverse"])):
            self.verb("apply", "--transform", *words, "--input", self.moving, "--reference", self.fixed, "--out",
                      self.folder / name)
            self.assert_same_image(self.folder / name, expected)

    def test_apply_never_mixes_labels(self):
        out = self.folder / "labels.nii.gz"
        self.verb("apply", "--transform", self.warp, self.matrix, "--input", self.moving_labels, "--reference",
                  self.fixed, "--out", out, "--interpolation", "label")
        image = nibabel.load(out)
        self.assertEqual(image.get_data_dtype(), np.uint8)
        self.assertLessEqual(set(np.unique(image.dataobj)), {0, 1, 2, 3})

    def test_points_go_there_and_back(self):
        points = self.folder / "points.csv"
        points.write_text("name,x,y,z\nA,1,2,3\nB,-5,8,-2\n")
        there, back = self.folder / "there.csv", self.folder / "back.csv"
        self.verb("apply", "--transform", self.warp, self.matrix, "--points", points, "--out", there)
        rows = list(csv.reader(there.read_text().splitlines()))[1:]
        np.testing.assert_allclose([float(v) for v in rows[0][1:]], self.chain.TransformPoint((1, 2, 3)), atol=1e-4)
        self.verb("apply", "--transform", self.warp, self.matrix, "--inverse", "--points", there, "--out", back)
        rows = list(csv.reader(back.read_text().splitlines()))[1:]
        np.testing.assert_allclose([float(v) for v in rows[1][1:]], (-5, 8, -2), atol=0.02)

    def test_invert_says_how_exact_it_is(self):
        out = self.folder / "1InverseWarp.nii.gz"
        process = self.verb("invert", "--transform", self.warp, "--out", out)
        self.assertLess(float(process.stdout.split("mean ")[1].split()[0]), 0.05)
        inverse = sitk.DisplacementFieldTransform(sitk.ReadImage(str(out), sitk.sitkVectorFloat64))
        forward = sitk.DisplacementFieldTransform(sitk.Cast(self.field, sitk.sitkVectorFloat64))
        point = (3.0, -4.0, 5.0)
        np.testing.assert_allclose(inverse.TransformPoint(forward.TransformPoint(point)), point, atol=0.05)

    def test_an_inverse_is_found_where_the_warp_leads_or_refused(self):
        far, out = self.folder / "far.nii.gz", self.folder / "far_inverse.nii.gz"
        field = sitk.GetImageFromArray(sitk.GetArrayFromImage(self.field) + (-20.0, 5.0, 200.0), isVector=True)
        field.CopyInformation(self.field)
        sitk.WriteImage(sitk.Cast(field, sitk.sitkVectorFloat32), str(far))
        points, there, back = (self.folder / name for name in ("p.csv", "far_there.csv", "far_back.csv"))
        points.write_text("x,y,z,t,label\n1,2,3,0,A\n-5,8,-2,0,B\n")
        self.verb("apply", "--transform", far, "--points", points, "--out", there)
        self.verb("apply", "--transform", far, "--inverse", "--points", there, "--out", back)
        rows = list(csv.reader(back.read_text().splitlines()))[1:]
        np.testing.assert_allclose([[float(v) for v in row[1:]] for row in rows], [(1, 2, 3), (-5, 8, -2)], atol=0.02)
        # Back from where the warp leads nothing: left as they are, and said so.
        process = self.verb("apply", "--transform", self.warp, "--points", there, "--out", back)
        self.assertIn("2 of 2 points lie beyond the warp", process.stderr)
        process = self.verb("invert", "--transform", far, "--out", out, expect=BAD_INPUT)
        self.assert_one_sentence(process, "no point could be measured", "--reference")
        self.assertFalse(out.exists())
        image = nibabel.load(self.fixed)
        affine = image.affine.copy()
        affine[:3, 3] += (20, -5, 200)
        reference = save(np.zeros(image.shape), self.folder / "there.nii.gz", affine=affine)
        process = self.verb("invert", "--transform", far, "--reference", reference, "--out", out)
        self.assertLess(float(process.stdout.split("mean ")[1].split()[0]), 0.05)

    def test_invert_of_a_matrix_is_one(self):
        out = self.folder / "inverse.tfm"
        self.verb("invert", "--transform", self.matrix, "--out", out)
        inverse = sitk.ReadTransform(str(out))
        np.testing.assert_allclose(inverse.TransformPoint(self.affine.TransformPoint((7, 8, 9))), (7, 8, 9), atol=1e-9)

    def test_compose_makes_one_field_one_matrix_or_one_composite(self):
        total = self.folder / "total.nii.gz"
        self.verb("compose", "--transform", self.warp, self.matrix, "--reference", self.fixed, "--out", total)
        field = sitk.DisplacementFieldTransform(sitk.ReadImage(str(total), sitk.sitkVectorFloat64))
        composite = self.folder / "total.h5"
        self.verb("compose", "--transform", self.warp, self.matrix, "--out", composite)
        for transform in (field, sitk.ReadTransform(str(composite))):
            self.assertLess(np.abs(self.resampled(transform) - self.resampled(self.chain)).max(), 0.5)
        squared = self.folder / "twice.mat"
        self.verb("compose", "--transform", self.matrix, self.matrix, "--out", squared)
        np.testing.assert_allclose(sitk.ReadTransform(str(squared)).TransformPoint((1, 2, 3)),
                                   self.affine.TransformPoint(self.affine.TransformPoint((1, 2, 3))), atol=1e-9)

    def test_info_prints_text_and_json(self):
        process = self.verb("info", self.fixed, self.matrix, "--json")
        image, transform = json.loads(process.stdout)
        self.assertEqual(image["size"], list(self.shape))
        self.assertEqual(image["spacing_mm"], [2.0, 2.0, 2.0])
        self.assertEqual(image["orientation"], "RAS")
        self.assertAlmostEqual(image["values"][0]["mean"], float(np.mean(nibabel.load(self.fixed).dataobj)), places=2)
        self.assertAlmostEqual(transform["stages"][0]["determinant"], 1.009308, places=6)
        self.assertIn("orientation  RAS", self.verb("info", self.fixed).stdout)

    def test_info_tells_what_a_warp_does_to_points(self):
        lengths = np.linalg.norm(sitk.GetArrayFromImage(self.field), axis=-1)
        told = json.loads(self.verb("info", self.warp, "--json").stdout)[0]
        self.assertIn("LPS mm", told["as_transform"])
        self.assertAlmostEqual(told["displacement_largest_mm"], float(lengths.max()), places=4)
        self.assertAlmostEqual(told["displacement_mean_mm"], float(lengths.mean()), places=4)
        self.assertEqual(told["displacement_voxels_outside"], 0)
        self.assertNotIn("as_transform", json.loads(self.verb("info", self.fixed, "--json").stdout)[0])

    def test_convert_changes_format_type_and_order_but_no_position(self):
        out = self.folder / "converted.nrrd"
        self.verb("convert", self.fixed, out, "--type", "u16", "--order", "PSR")
        image = sitk.ReadImage(str(out))
        self.assertEqual(image.GetPixelID(), sitk.sitkUInt16)
        self.assertEqual(image.GetSize(), (self.shape[1], self.shape[2], self.shape[0]))
        original = sitk.ReadImage(str(self.fixed))
        for index in ((3, 4, 5), (20, 21, 22)):
            there = image.TransformPhysicalPointToIndex(original.TransformIndexToPhysicalPoint(index))
            self.assertEqual(image[there], round(original[index]))

    def corners(self, path):
        """In world space, in an order that that of the axes does not change."""
        grid = json.loads(self.verb("info", path, "--json").stdout)[0]
        ends = np.array(list(np.ndindex(2, 2, 2))) * (np.array(grid["size"]) - 1)
        points = ends @ (np.array(grid["direction"]) * grid["spacing_mm"]).T + grid["origin_mm"]
        return sorted(np.round(points, 4).tolist())

    def test_what_a_tiff_does_not_hold_is_told(self):
        told = {}
        for name, affine in (("lps", np.diag([-2.0, -2, 2, 1])), ("ras", np.diag([2.0, 2, 2, 1])),
                             ("moved", np.array([[-2.0, 0, 0, -3], [0, -2, 0, 4], [0, 0, 2, 5], [0, 0, 0, 1]])),
                             ("turned", np.array([[1.6, -1.2, 0, 7], [1.2, 1.6, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]))):
            path = self.folder / f"{name}.nii.gz"
            nibabel.save(nibabel.Nifti1Image(np.ones((8, 9, 10), np.uint8), affine), path)
            for ending in ("tif", "nrrd", "mha", "mnc", "h5", "vdb", "ome.zarr"):
                process = self.verb("convert", path, self.folder / f"{name}.{ending}")
                lines = [line for line in process.stderr.splitlines() if "does not hold" in line]
                if ending == "tif":
                    told[name] = lines
                else:  # which hold all of it, as they are read back
                    self.assertEqual(lines, [], ending)
                    np.testing.assert_allclose(self.corners(path), self.corners(self.folder / f"{name}.{ending}"),
                                               atol=1e-3, err_msg=ending)
        self.assertEqual(told["lps"], [])
        self.assertEqual([len(told[name]) for name in ("ras", "moved", "turned")], [1, 1, 1])
        self.assertIn("ras.tif: TIFF does not hold the orientation of a volume", told["ras"][0])
        self.assertIn("towards LPS, not RAS;", told["ras"][0])
        self.assertIn("does not hold the position of a volume", told["moved"][0])
        self.assertIn("at 0, 0, 0 mm, not 3, -4, 5;", told["moved"][0])
        self.assertIn("the orientation and the position", told["turned"][0])
        self.assertIn("not obliquely towards RAS, and ", told["turned"][0])
        process = self.verb("apply", "--transform", self.matrix, "--input", self.folder / "ras.nii.gz", "--reference",
                            self.folder / "ras.nii.gz", "--out", self.folder / "applied.tif")
        self.assertIn("applied.tif: TIFF does not hold the orientation", process.stderr)

    def test_apply_holds_a_few_planes_of_a_warp_and_gives_what_it_gives_in_one_piece(self):
        image = sitk.GetImageFromArray(np.random.default_rng(4).integers(0, 250, (180, 200, 240)).astype(np.uint8))
        image.SetSpacing((0.5, 0.5, 0.5))
        files = {name: self.folder / name for name in ("large.nii", "large.nii.gz", "large.ome.zarr")}
        sitk.WriteImage(image, str(files["large.nii"]))
        for name in ("large.nii.gz", "large.ome.zarr"):
            self.verb("convert", files["large.nii"], files[name])
        sitk.WriteImage(sitk.Cast(displacement(image, 2.0), sitk.sitkVectorFloat32), str(self.folder / "raw.nii"))
        self.verb("compose", "--transform", self.folder / "raw.nii", "--reference", files["large.nii"], "--out",
                  self.folder / "own.nii.gz")
        common = ("--reference", files["large.nii"], "--transform")
        self.verb("apply", *common, self.folder / "own.nii.gz", "--input", files["large.nii"], "--out",
                  self.folder / "whole.nrrd")  # a format that is written whole
        expected = sitk.GetArrayFromImage(sitk.ReadImage(str(self.folder / "whole.nrrd")))
        for warp in ("raw.nii", "own.nii.gz"):  # 99 MiB
            for name, file in files.items():
                with self.subTest(warp=warp, name=name):
                    peak = peak_bytes("apply", *common, self.folder / warp, "--input", file, "--out",
                                      self.folder / "out.nii")
                    found = sitk.GetArrayFromImage(sitk.ReadImage(str(self.folder / "out.nii")))
                    np.testing.assert_array_equal(found, expected)
                    self.assertLess(peak, 220 << 20)

    def test_failures_have_their_exit_codes_and_leave_nothing(self):
        before = leftovers(self.folder)
        self.assert_one_sentence(self.verb("info", self.folder / "none.nii", expect=BAD_INPUT), "does not exist")
        self.assert_one_sentence(self.verb("apply", "--transform", self.matrix, "--input", self.moving, "--out",
                                           self.folder / "x.nii", expect=USAGE), "--reference")
        self.assert_one_sentence(self.verb("convert", self.fixed, self.folder / "no/x.nii", expect=NOT_WRITTEN),
                                 "does not exist")
        self.assert_one_sentence(self.verb("convert", self.fixed, self.folder / "x.nii", "--type", "u8",
                                           expect=BAD_INPUT), "do not fit")
        self.assert_one_sentence(self.verb("convert", self.fixed, self.folder / "x.nii", "--order", "RRS",
                                           expect=USAGE), "--order")
        self.assertEqual(leftovers(self.folder), before)

    def test_help_ends_with_an_example(self):
        for verb in ("info", "convert", "apply", "invert", "compose"):
            self.assertIn(f"gigawarp {verb} ", self.verb(verb, "--help").stdout.split("Example:")[1])


if __name__ == "__main__":
    unittest.main()
