"""Labels of the fixed image, such as an atlas', that a run brings onto the moving image's grid."""

import json
import pathlib
import resource
import signal
import tempfile
import unittest

import nibabel
import numpy as np

from cli_support import NOT_WRITTEN, OK, USAGE, PairCase, leftovers, result, run, save, start

CARRIED = "fixed_labels_on_moving"


def voxels(path):
    return np.asanyarray(nibabel.load(path).dataobj)


def mean_dice(a, b):
    labels = np.intersect1d(np.unique(a), np.unique(b))
    return np.mean([2 * ((a == n) & (b == n)).sum() / ((a == n).sum() + (b == n).sum()) for n in labels if n != 0])


def turned(path, to, degrees):
    """The same scene on a lattice that lies obliquely in the world: the affine alone is turned, about z and x."""
    image = nibabel.load(path)
    a, b = np.radians(degrees)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = image.affine.copy()
    affine[:3] = about_z @ about_x @ affine[:3]
    return save(np.asanyarray(image.dataobj), to, affine=affine, dtype=image.get_data_dtype())


class Labels(unittest.TestCase):
    """A phantom whose moving image has another lattice and axis order than the fixed one."""

    assert_one_sentence = PairCase.assert_one_sentence

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="gigawarp-")
        cls.folder = pathlib.Path(cls.temporary.name)
        process = run("phantom", "--out", cls.folder / "pair", "--size", "64,72,60", "--format", "nii.gz", "--no-warp")
        assert process.returncode == OK, process.stderr
        for name in ("fixed", "fixed_labels", "moving", "moving_labels"):
            image = nibabel.load(cls.folder / "pair" / f"{name}.nii.gz")
            # On numbers that a run need not round (job/inputs.h), so that apply sees the same geometry.
            affine = np.round(image.affine * 4) / 4
            image = nibabel.Nifti1Image(np.asanyarray(image.dataobj), affine, dtype=image.get_data_dtype())
            if name.startswith("moving"):
                image = image.as_reoriented([[2, -1], [0, 1], [1, 1]]).slicer[2:, :, :-3]
            nibabel.save(image, cls.folder / "pair" / f"{name}.nii.gz")
        cls.fixed, cls.moving, cls.fixed_labels, cls.moving_labels = (
            cls.folder / "pair" / f"{name}.nii.gz" for name in ("fixed", "moving", "fixed_labels", "moving_labels"))
        cls.out = cls.folder / "reference"
        process = run(*cls.command(cls.out))
        assert process.returncode == OK, process.stderr

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def command(cls, out, *options, fixed=None, moving=None, fixed_labels=None):
        return ["register", "--fixed", fixed or cls.fixed, "--moving", moving or cls.moving, "--fixed-labels",
                fixed_labels or cls.fixed_labels, "--preset", "fast", "--levels", "4x60,2x40", "--device", "cpu", "--out", out,
                *options]

    def register(self, name, *options, expect=OK, **files):
        process = run(*self.command(self.folder / name, *options, **files))
        self.assertEqual(process.returncode, expect, process.stderr)
        return process

    def by_hand(self, run_folder, name, *transforms, moving=None, fixed_labels=None):
        out = self.folder / name
        process = run("apply", "--transform", *transforms, "--input", fixed_labels or self.fixed_labels, "--reference",
                      moving or self.moving, "--interpolation", "label", "--out", out)
        self.assertEqual(process.returncode, OK, process.stderr)
        return out

    def test_fixed_labels_alone_come_onto_the_moving_grid_and_agree_with_its_own(self):
        self.assertEqual(leftovers(self.out), sorted(
            ["0GenericAffine.mat", "1InverseWarp.nii.gz", "1Warp.nii.gz", f"{CARRIED}.nii.gz", "events.jsonl", "job.json",
             "log.txt", "result.json", "warped.nii.gz"]))
        self.assertEqual(sorted(result(self.out)["files"]), leftovers(self.out))
        self.assertNotIn("dice_mean", result(self.out)["measures"])
        carried, own = nibabel.load(self.out / f"{CARRIED}.nii.gz"), nibabel.load(self.moving_labels)
        self.assertEqual((carried.shape, carried.get_data_dtype()), (own.shape, np.uint8))
        np.testing.assert_allclose(carried.affine, own.affine, atol=1e-5)
        self.assertLessEqual(set(np.unique(carried.dataobj)), set(np.unique(voxels(self.fixed_labels))) | {0})
        before = self.by_hand(self.out, "before.nii.gz", f"[{self.identity()},1]")
        agreement = mean_dice(voxels(self.out / f"{CARRIED}.nii.gz"), voxels(self.moving_labels))
        self.assertGreater(agreement, 0.75)
        self.assertGreater(agreement, mean_dice(voxels(before), voxels(self.moving_labels)) + 0.2)

    def identity(self):
        path = self.folder / "identity.txt"
        path.write_text("#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
                        "Parameters: 1 0 0 0 1 0 0 0 1 0 0 0\nFixedParameters: 0 0 0\n")
        return path

    def test_they_are_the_bytes_of_apply_with_the_inverse_files(self):
        applied = self.by_hand(self.out, "applied.nii.gz", f"[{self.out / '0GenericAffine.mat'},1]",
                               self.out / "1InverseWarp.nii.gz")
        self.assertEqual(applied.read_bytes(), (self.out / f"{CARRIED}.nii.gz").read_bytes())
        # apply inverts the warp anew, to a tenth of a voxel or better.
        inverted = self.by_hand(self.out, "inverted.nii.gz", self.out / "1Warp.nii.gz", self.out / "0GenericAffine.mat",
                                "--inverse")
        self.assertGreater((voxels(inverted) == voxels(self.out / f"{CARRIED}.nii.gz")).mean(), 0.995)

    def test_with_labels_of_both_the_overlap_is_scored_and_the_file_is_the_same(self):
        self.register("both", "--moving-labels", self.moving_labels)
        self.assertIn("warped_labels.nii.gz", leftovers(self.folder / "both"))
        self.assertGreater(result(self.folder / "both")["measures"]["dice_mean"], 0.75)
        self.assertEqual((self.folder / "both" / f"{CARRIED}.nii.gz").read_bytes(),
                         (self.out / f"{CARRIED}.nii.gz").read_bytes())

    def test_oblique_lattices_too(self):
        files = {name: turned(path, self.folder / f"oblique_{name}.nii.gz", degrees) for name, path, degrees in [
            ("fixed", self.fixed, (21, -13)), ("fixed_labels", self.fixed_labels, (21, -13)),
            ("moving", self.moving, (-9, 17)), ("moving_labels", self.moving_labels, (-9, 17))]}
        own = files.pop("moving_labels")
        self.register("oblique", "--init", "automatic", **files)
        out = self.folder / "oblique"
        carried = voxels(out / f"{CARRIED}.nii.gz")
        np.testing.assert_allclose(nibabel.load(out / f"{CARRIED}.nii.gz").affine, nibabel.load(own).affine, atol=1e-4)
        self.assertGreater(mean_dice(carried, voxels(own)), 0.75)
        applied = self.by_hand(out, "oblique_applied.nii.gz", f"[{out / '0GenericAffine.mat'},1]",
                               out / "1InverseWarp.nii.gz", moving=files["moving"], fixed_labels=files["fixed_labels"])
        # A run rounds the geometry that it is given to 1/2000 voxel (job/inputs.h).
        self.assertGreater((voxels(applied) == carried).mean(), 0.999)

    def test_by_an_affine_alone_and_by_a_warp_of_a_coarser_grid(self):
        for name, options, least in (("affine", ("--stages", "rigid,affine"), 0.5),
                                     ("level", ("--warp-grid", "level"), 0.75)):
            with self.subTest(name):
                self.register(name, *options)
                out = self.folder / name
                self.assertGreater(mean_dice(voxels(out / f"{CARRIED}.nii.gz"), voxels(self.moving_labels)), least)
                warp = [out / "1InverseWarp.nii.gz"] if name == "level" else []
                applied = self.by_hand(out, f"{name}.nii.gz", f"[{out / '0GenericAffine.mat'},1]", *warp)
                self.assertEqual(applied.read_bytes(), (out / f"{CARRIED}.nii.gz").read_bytes())

    def test_they_are_written_as_the_other_images_are(self):
        self.register("plain", "--uncompressed")
        np.testing.assert_array_equal(voxels(self.folder / "plain" / f"{CARRIED}.nii"), voxels(self.out / f"{CARRIED}.nii.gz"))
        self.register("pyramid", "--format", "ome.zarr")
        out = self.folder / "pyramid" / f"{CARRIED}.ome.zarr"
        back = self.folder / "pyramid.nii.gz"
        self.assertEqual(run("convert", out, back).returncode, OK)
        self.assertEqual(sorted(np.unique(voxels(back))), sorted(np.unique(voxels(self.out / f"{CARRIED}.nii.gz"))))
        self.assertEqual((voxels(back) > 0).sum(), (voxels(self.out / f"{CARRIED}.nii.gz") > 0).sum())

    def test_without_the_inverse_they_are_scored_or_refused(self):
        for verb in ("register", "plan"):
            process = run(verb, *self.command(self.folder / "refused", "--no-inverse")[1:])
            self.assertEqual(process.returncode, USAGE, process.stderr)
            self.assert_one_sentence(process, "--no-inverse", "--labels")
        self.assertEqual(leftovers(self.folder / "refused"), [])
        self.register("scored", "--no-inverse", "--labels", self.moving_labels)
        self.assertIn("dice_mean", result(self.folder / "scored")["measures"])
        self.assertNotIn(f"{CARRIED}.nii.gz", leftovers(self.folder / "scored"))

    def test_a_killed_run_goes_on_to_them(self):
        out = self.folder / "killed"
        process = start(*self.command(out, "--progress", "json", "--checkpoint-every", "0"))
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "stage_started" and event.get("stage") == "write":
                break
        process.kill()
        process.communicate()
        self.assertEqual(process.returncode, -signal.SIGKILL)
        self.assertNotIn(f"{CARRIED}.nii.gz", leftovers(out))
        resumed = run("register", "--resume", "--out", out)
        self.assertEqual(resumed.returncode, OK, resumed.stderr)
        self.assertEqual(leftovers(out), leftovers(self.out))
        self.assertEqual((out / f"{CARRIED}.nii.gz").read_bytes(), (self.out / f"{CARRIED}.nii.gz").read_bytes())

    def test_a_full_disk_leaves_nothing(self):
        size = np.prod(nibabel.load(self.moving).shape)

        def limit():  # a write beyond it fails as one to a full disk does; the labels are written first
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(size) - 1000, resource.RLIM_INFINITY))

        out = self.folder / "filled"
        process = run(*self.command(out, "--uncompressed", "--checkpoint-every", "3600"), preexec_fn=limit)
        self.assertEqual(process.returncode, NOT_WRITTEN, process.stderr)
        self.assert_one_sentence(process, CARRIED, "space")
        self.assertEqual([name for name in leftovers(out) if CARRIED in name], [])

    def test_an_earlier_runs_file_is_replaced_and_never_taken_as_input(self):
        out = self.folder / "again"
        self.register("again")
        process = run(*self.command(out, "--overwrite", fixed_labels=out / f"{CARRIED}.nii.gz"))
        self.assertEqual(process.returncode, USAGE, process.stderr)
        self.assert_one_sentence(process, CARRIED)
        self.register("again", "--overwrite", "--uncompressed")
        self.assertIn(f"{CARRIED}.nii", leftovers(out))
        self.assertNotIn(f"{CARRIED}.nii.gz", leftovers(out))


if __name__ == "__main__":
    unittest.main()
