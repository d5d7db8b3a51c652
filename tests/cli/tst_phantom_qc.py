"""phantom and qc: their files in other programs' readers, their figures against numpy."""

import json
import pathlib
import signal
import tempfile
import unittest

import nibabel
import numpy as np
import SimpleITK as sitk

from cli_support import BAD_INPUT, CANCELLED, NOT_WRITTEN, OK, USAGE, leftovers, run, start


class PhantomAndQc(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.kept.name)
        cls.pair = cls.folder / "pair"
        process = run("phantom", "--out", cls.pair, "--size", "64,72,68", "--moving-contrast", "t2")
        assert process.returncode == OK, process.stderr

    @classmethod
    def tearDownClass(cls):
        cls.kept.cleanup()

    def qc(self, *more):
        return run("qc", "--fixed", self.pair / "fixed.nii.gz", "--moving", self.pair / "moving.nii.gz",
                   "--transform", self.pair / "true_warp.nii.gz", *more)

    def test_itk_warps_the_moving_labels_onto_the_fixed_ones(self):
        labels = sitk.ReadImage(str(self.pair / "moving_labels.nii.gz"))
        fixed = sitk.ReadImage(str(self.pair / "fixed_labels.nii.gz"))
        field = sitk.ReadImage(str(self.pair / "true_warp.nii.gz"), sitk.sitkVectorFloat64)
        warped = sitk.Resample(labels, fixed, sitk.DisplacementFieldTransform(field), sitk.sitkNearestNeighbor)
        a, b, c = (sitk.GetArrayFromImage(image) for image in (fixed, warped, labels))
        agreement, before = (a == b)[a > 0].mean(), (a == c)[a > 0].mean()
        self.assertGreater(agreement, 0.8)  # nearest voxel of 2.9 mm, cortex of 3.4 mm
        self.assertLess(before, 0.6)

    def test_dice_is_what_numpy_says(self):
        labels = [self.pair / "fixed_labels.nii.gz", self.pair / "moving_labels.nii.gz"]
        out = self.folder / "qc.json"
        process = self.qc("--fixed-labels", labels[0], "--labels", labels[1], "--json", out,
                          "--landmarks", self.pair / "landmarks_fixed.csv", self.pair / "landmarks_moving.csv",
                          "--phantom", self.pair / "phantom.json")
        self.assertEqual(process.returncode, OK, process.stderr)
        carried = self.folder / "carried.nii.gz"
        applied = run("apply", "--transform", self.pair / "true_warp.nii.gz", "--input", labels[1], "--reference",
                      labels[0], "--out", carried, "--interpolation", "label")
        self.assertEqual(applied.returncode, OK, applied.stderr)
        fixed, warped = (np.asarray(nibabel.load(f).dataobj) for f in (labels[0], carried))
        report = json.loads(out.read_text())
        self.assertGreaterEqual(len(report["overlap"]["labels"]), 25)
        for one in report["overlap"]["labels"]:
            a, b = fixed == one["label"], warped == one["label"]
            self.assertAlmostEqual(one["dice"], 2 * (a & b).sum() / (a.sum() + b.sum()), places=9)
        self.assertLess(report["known_map_error"]["max_mm"], 1e-3)
        self.assertLess(report["landmarks"]["after"]["max_mm"], 0.05)

    def test_labels_on_another_grid_than_their_image_are_told_of(self):
        cut, moved = self.folder / "cut.nii.gz", self.folder / "moved.nii.gz"
        nibabel.save(nibabel.load(self.pair / "moving_labels.nii.gz").slicer[:, 3:], cut)
        image = nibabel.load(self.pair / "fixed_labels.nii.gz")
        affine = image.affine.copy()
        affine[0, 3] += 1
        nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), affine), moved)
        process = self.qc("--fixed-labels", moved, "--labels", cut, "--summary")
        self.assertEqual(process.returncode, OK, process.stderr)
        self.assertIn("Dice", process.stdout)
        told = [line for line in process.stderr.splitlines() if line.startswith("gigawarp: warning: ")]
        self.assertEqual(len(told), 2, process.stderr)
        self.assertIn("moved.nii.gz", told[0])
        self.assertIn("both 64 x 72 x 68 voxels of ", told[0])
        self.assertIn("cut.nii.gz", told[1])
        self.assertIn("(64 x 69 x 68 voxels of ", told[1])
        self.assertIn(" against 64 x 72 x 68 voxels of ", told[1])
        self.assertEqual(self.qc(*self.labelled(), "--summary").stderr, "")

    def test_the_sheet_is_a_picture(self):
        sheet = self.folder / "sheet.png"
        process = self.qc("--sheet", sheet, "--summary")
        self.assertEqual(process.returncode, OK, process.stderr)
        picture = sitk.GetArrayFromImage(sitk.ReadImage(str(sheet)))
        self.assertGreater(picture.shape[1], 1200)
        self.assertGreater(picture.std(), 20)
        self.assertEqual(process.stderr, "")

    def labelled(self):
        return ["--fixed-labels", self.pair / "fixed_labels.nii.gz", "--labels", self.pair / "moving_labels.nii.gz"]

    def names_of(self, process, out):
        """From the table, and from the JSON, which must agree."""
        self.assertEqual(process.returncode, OK, process.stderr)
        rows = json.loads(out.read_text())["overlap"]["labels"]
        names = {row["label"]: row["name"] for row in rows if "name" in row}
        for row in rows:
            line = next(line for line in process.stdout.splitlines() if line.split()[:1] == [str(row["label"])])
            self.assertEqual(line.split()[5:], row.get("name", "").split(), line)
        return names

    def test_labels_have_the_names_of_a_file(self):
        out = self.folder / "named.json"
        process = self.qc(*self.labelled(), "--no-hd95", "--label-names", self.pair / "fixed_labels.csv", "--json", out)
        known = dict(line.split(",") for line in (self.pair / "fixed_labels.csv").read_text().splitlines()[1:])
        names = self.names_of(process, out)
        self.assertGreaterEqual(len(names), 25)
        for label, name in names.items():
            self.assertEqual(name, known[str(label)])

    def test_names_in_any_bytes_reach_json_and_terminal_as_text(self):
        out, latin = self.folder / "latin.json", self.folder / "latin.txt"
        latin.write_bytes("2 Brücke\x1b[31m\n3 Br\u00fccke \u2013 oben\n".encode("cp1252"))
        process = self.qc(*self.labelled(), "--no-hd95", "--label-names", latin, "--json", out)
        self.assertEqual(self.names_of(process, out), {2: "Brücke [31m", 3: "Brücke \u2013 oben"})
        self.assertNotIn("\x1b", process.stdout)
        self.assertNotIn("\ufffd", process.stdout)

    def test_names_beside_the_labels_are_taken_and_damaged_ones_are_told(self):
        with tempfile.TemporaryDirectory() as kept:
            folder, out = pathlib.Path(kept), pathlib.Path(kept) / "out.json"
            for side in ("fixed", "moving"):
                (folder / f"{side}_seg.nii.gz").symlink_to(self.pair / f"{side}_labels.nii.gz")
            labels = ["--fixed-labels", folder / "fixed_seg.nii.gz", "--labels", folder / "moving_seg.nii.gz",
                      "--no-hd95", "--json", out]
            (folder / "moving_seg.txt").write_text("3 one 1 2 3 0\n2 second one 1 2 3 0\n")
            self.assertEqual(self.names_of(self.qc(*labels), out), {3: "one", 2: "second one"})
            (folder / "fixed_seg.tsv").write_text("index\tname\n2\tzwei\n")
            process = self.qc(*labels)
            self.assertEqual(self.names_of(process, out), {3: "one", 2: "zwei"})
            self.assertEqual(process.stderr, "")
            (folder / "fixed_seg.tsv").write_text("index\tname\n2\tzwei\nthree\tdrei\n")
            process = self.qc(*labels)
            self.assertEqual(self.names_of(process, out), {3: "one", 2: "second one"})
            self.assertIn("no names were taken", process.stderr)
            self.assertIn("fixed_seg.tsv", process.stderr)
            self.assertIn("line 3", process.stderr)

    def test_names_that_cannot_be_read_end_the_check_before_it_measures(self):
        broken = self.folder / "broken.txt"
        broken.write_text("1 one 1 2 3 0\n2 two 1 2 333 0\n")
        process = self.qc(*self.labelled(), "--label-names", broken)
        self.assertEqual(process.returncode, BAD_INPUT, process.stderr)
        self.assertIn("broken.txt", process.stderr)
        self.assertIn("line 2", process.stderr)
        self.assertEqual(process.stdout, "")
        process = self.qc("--label-names", self.pair / "fixed_labels.csv")
        self.assertEqual(process.returncode, USAGE, process.stderr)
        self.assertIn("--fixed-labels", process.stderr)
        process = self.qc(*self.labelled(), "--label-names", self.pair / "fixed_labels.csv",
                          "--json", self.pair / "fixed_labels.csv")
        self.assertEqual(process.returncode, USAGE, process.stderr)

    def test_progress_is_a_bar_or_events(self):
        process = self.qc("--progress", "bar", "--summary")
        self.assertEqual(process.returncode, OK, process.stderr)
        for words in ("[#", "reading", "measuring similarity", "mapping local correlation", "to go"):
            self.assertIn(words, process.stderr)
        self.assertTrue(process.stderr.endswith("\x1b[K"))  # the bar is gone at the end
        process = self.qc("--progress", "json", *self.labelled())
        events = [json.loads(line) for line in process.stdout.splitlines()]
        fractions = [event["fraction"] for event in events]
        self.assertEqual(fractions, sorted(fractions))
        self.assertEqual((fractions[-1], events[-1]["event"]), (1, "run_finished"))
        self.assertIn("comparing labels", [event.get("text") for event in events])

    def test_an_interrupted_check_ends_at_once_and_writes_nothing(self):
        for sent, at in ((signal.SIGINT, "reading"), (signal.SIGTERM, "measuring similarity")):
            with self.subTest(signal=sent):
                out = self.folder / sent.name
                out.mkdir()
                process = start("qc", "--fixed", self.pair / "fixed.nii.gz", "--moving", self.pair / "moving.nii.gz",
                                "--transform", self.pair / "true_warp.nii.gz", *self.labelled(), "--sheet",
                                out / "sheet.png", "--json", out / "qc.json", "--jacobian", out / "jacobian.nii.gz",
                                "--progress", "json")
                for line in process.stdout:
                    if json.loads(line).get("text") == at:
                        process.send_signal(sent)
                        break
                _, err = process.communicate(timeout=60)
                self.assertEqual(process.returncode, CANCELLED, err)
                self.assertIn("cancelled", err)
                self.assertEqual(leftovers(out), [])

    def test_a_streamed_phantom_has_the_same_voxels(self):
        streamed = self.folder / "streamed"
        process = run("phantom", "--out", streamed, "--size", "64,72,68", "--moving-contrast", "t2", "--stream",
                      "--no-warp")
        self.assertEqual(process.returncode, OK, process.stderr)
        a, b = nibabel.load(self.pair / "fixed.nii.gz"), nibabel.load(streamed / "fixed.nii")
        np.testing.assert_array_equal(np.asarray(a.dataobj), np.asarray(b.dataobj))
        np.testing.assert_allclose(a.affine, b.affine, atol=1e-5)

    def test_wrong_use_is_refused(self):
        self.assertEqual(run("phantom", "--out", self.pair).returncode, USAGE)  # already there
        self.assertEqual(run("phantom", "--out", self.folder / "x", "--size", "2").returncode, USAGE)
        self.assertEqual(run("phantom", "--out", self.folder / "x", "--deformation", "90").returncode, USAGE)
        self.assertEqual(run("qc", "--fixed", "a.nii").returncode, USAGE)
        self.assertEqual(self.qc("--mask", self.folder / "nowhere.nii.gz").returncode, BAD_INPUT)
        self.assertEqual(self.qc("--sheet", self.folder / "sheet.jpg").returncode, USAGE)
        unmeasured = self.qc("--json", self.folder / "nowhere" / "qc.json")  # told before the work, not after
        self.assertEqual((unmeasured.returncode, unmeasured.stdout), (NOT_WRITTEN, ""))
        self.assertFalse((self.folder / "x").exists())


if __name__ == "__main__":
    unittest.main()
