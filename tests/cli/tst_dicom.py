"""DICOM series written here by GDCM through SimpleITK: read as a folder and as one file, refused where slices lack."""

import os
import random
import shutil
import unittest

from cli_support import BAD_INPUT, OK, PairCase, json, np, run, sitk

SHAPE = (14, 18, 22)  # slices, rows, columns


def oblique():
    """Orthonormal directions that lie along no axis: columns are those of columns, rows and slices."""
    a, b = 0.35, -0.2
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return x @ z


def volume(direction, dtype=np.int16):
    slices, rows, columns = np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij")
    image = sitk.GetImageFromArray((37 * slices + 5 * rows * columns - 200).astype(dtype))
    image.SetSpacing((0.8, 1.1, 2.5))
    image.SetOrigin((-31.5, 12.25, 40.0))
    image.SetDirection(direction.ravel().tolist())
    return image


def write_series(image, folder, uid="1.2.826.0.1.3680043.2.1125.1.1", leave_out=(), names=None, number_of=None):
    """One file per slice, `names` in the order of the slices; `number_of` gives the instance numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    direction = image.GetDirection()
    across = "\\".join(f"{v:.10f}" for v in (*direction[0::3], *direction[1::3]))
    for z in range(image.GetDepth()):
        if z in leave_out:
            continue
        slice_ = image[:, :, z]
        position = image.TransformIndexToPhysicalPoint((0, 0, z))
        number = number_of(z) if number_of else z + 1
        for tag, value in {"0008|0060": "MR", "0020|000d": uid + ".9", "0020|000e": uid, "0020|0052": uid + ".8",
                           "0008|0018": f"{uid}.{z + 1}", "0020|0013": str(number), "0018|0050": "2.5",
                           "0020|0032": "\\".join(f"{v:.10f}" for v in position), "0020|0037": across}.items():
            slice_.SetMetaData(tag, value)
        name = names[z] if names else f"slice{z:03}.dcm"
        file = folder / f"{name}.dcm"  # SimpleITK goes by the ending
        writer.SetFileName(str(file))
        writer.Execute(slice_)
        file.rename(folder / name)
    return folder


class Dicom(PairCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.image = volume(oblique())
        names = [f"IM{n:04}" for n in range(SHAPE[0])]  # without extension, as scanners name them
        random.Random(5).shuffle(names)
        cls.series = write_series(cls.image, cls.folder / "series", names=names, number_of=lambda z: (z * 5) % 14 + 1)

    def assert_is_the_volume(self, source, image, name="read.nii.gz"):
        process = run("convert", source, self.folder / name)
        self.assertEqual(process.returncode, OK, process.stderr)
        ours = sitk.ReadImage(str(self.folder / name))
        (self.folder / name).unlink()
        self.assertEqual(ours.GetPixelIDTypeAsString(), image.GetPixelIDTypeAsString())
        array, wanted = sitk.GetArrayFromImage(ours), sitk.GetArrayFromImage(image)
        # NIfTI may keep another axis order: each voxel is looked up by its place in the world.
        self.assertEqual(sorted(array.shape), sorted(wanted.shape))
        last = [n - 1 for n in image.GetSize()]
        for index in [(0, 0, 0), (last[0], 0, 0), (0, last[1], 0), (0, 0, last[2]), last, (7, 11, 4)]:
            place = image.TransformIndexToPhysicalPoint(index)
            np.testing.assert_allclose(ours.TransformPhysicalPointToContinuousIndex(place),
                                       ours.TransformPhysicalPointToIndex(place), atol=1e-3)
            self.assertEqual(ours[ours.TransformPhysicalPointToIndex(place)], image[index])
        back = sitk.GetArrayFromImage(sitk.Resample(ours, image, sitk.Transform(), sitk.sitkNearestNeighbor, -9999))
        np.testing.assert_array_equal(back, wanted)

    def refused(self, source, *words):
        out = self.folder / "refused.nii.gz"
        process = run("convert", source, out)
        self.assertEqual(process.returncode, BAD_INPUT, process.stderr)
        self.assert_one_sentence(process, *words)
        self.assertFalse(out.exists())

    def test_a_folder_of_oblique_slices_in_shuffled_files_is_one_volume(self):
        self.assert_is_the_volume(self.series, self.image)

    def test_any_one_file_names_its_series(self):
        names = sorted(os.listdir(self.series))
        for name in (names[0], names[7]):
            self.assert_is_the_volume(self.series / name, self.image)

    def test_info_says_size_spacing_and_direction(self):
        process = run("info", "--header", "--json", self.series)
        self.assertEqual(process.returncode, OK, process.stderr)
        header = json.loads(process.stdout)[0]
        self.assertEqual(header["size"], [22, 18, 14])
        np.testing.assert_allclose(header["spacing_mm"], (0.8, 1.1, 2.5), atol=1e-6)
        np.testing.assert_allclose(header["origin_mm"], (-31.5, 12.25, 40.0), atol=1e-6)
        np.testing.assert_allclose(header["direction"], oblique(), atol=1e-6)

    def test_other_voxel_types_and_plain_directions(self):
        for dtype in (np.uint8, np.uint16, np.int16):
            with self.subTest(dtype=dtype.__name__):
                image = volume(np.diag([1.0, -1.0, -1.0]), dtype)
                folder = write_series(image, self.folder / f"plain-{dtype.__name__}")
                self.assert_is_the_volume(folder, image)

    def test_a_missing_slice_is_told_not_stretched(self):
        for source in (write_series(self.image, self.folder / "gap", leave_out=(6,)),
                       self.folder / "gap" / "slice003.dcm"):
            self.refused(source, "missing")

    def test_a_missing_end_slice_leaves_a_shorter_volume(self):
        folder = write_series(self.image, self.folder / "short", leave_out=(13,))
        self.assert_is_the_volume(folder, self.image[:, :, :13])

    def test_a_slice_given_twice_is_told(self):
        folder = shutil.copytree(self.series, self.folder / "twice")
        first = sorted(os.listdir(folder))[0]
        shutil.copy(folder / first, folder / "copy.dcm")
        self.refused(folder, "twice")

    def test_two_series_in_a_folder_are_told_apart_by_naming_a_file(self):
        folder = write_series(self.image, self.folder / "two")
        other = sitk.Cast(self.image + 1000, sitk.sitkInt16)
        write_series(other, folder, uid="1.2.826.0.1.3680043.2.1125.1.2",
                     names=[f"other{z}.dcm" for z in range(SHAPE[0])])
        self.refused(folder, "2 DICOM series")
        self.assert_is_the_volume(folder / "slice002.dcm", self.image)
        self.assert_is_the_volume(folder / "other2.dcm", other)

    def test_other_files_in_the_folder_do_not_matter(self):
        folder = shutil.copytree(self.series, self.folder / "with-notes")
        (folder / "notes.txt").write_text("patient moved")
        (folder / "DICOMDIR").write_bytes(b"\0" * 300)
        self.assert_is_the_volume(folder, self.image)

    def test_raw_labels_in_the_folder_are_not_taken_for_dicom(self):
        """GDCM reads elements out of any file, and aborts the program on what it finds in this one."""
        labels = np.random.default_rng(48).integers(0, 40, 4000, dtype=np.uint16).tobytes()
        alone = self.folder / "labels_alone"
        alone.mkdir()
        (alone / "labels.raw").write_bytes(labels)
        self.assert_one_sentence(run("info", "--header", alone), "without DICOM images")
        beside = write_series(self.image, self.folder / "labels_beside")
        (beside / "labels.raw").write_bytes(labels)
        process = run("info", "--header", beside, "--json")
        self.assertEqual(process.returncode, OK, process.stderr)
        self.assertEqual(json.loads(process.stdout)[0]["size"], [22, 18, 14])

    def test_a_truncated_slice_and_a_folder_without_images_are_told(self):
        folder = write_series(self.image, self.folder / "truncated")
        file = folder / "slice005.dcm"
        file.write_bytes(file.read_bytes()[:-300])
        self.refused(folder, "truncated")
        empty = self.folder / "empty"
        empty.mkdir()
        self.refused(empty, "without DICOM images")

    def test_a_series_can_be_registered(self):
        image = sitk.Cast(sitk.ReadImage(str(self.fixed)), sitk.sitkInt16)
        folder = write_series(image, self.folder / "head")
        self.register("by-series", "--stages", "rigid", fixed=self.fixed, moving=folder)
        moved = sitk.ReadTransform(str(self.folder / "by-series" / "0GenericAffine.mat"))
        np.testing.assert_allclose(moved.TransformPoint((-20, 20, 25)), (-20, 20, 25), atol=0.3)  # of 2 mm


if __name__ == "__main__":
    unittest.main()
