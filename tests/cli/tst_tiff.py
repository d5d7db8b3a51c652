"""TIFF stacks, pyramids and folders of slices, read in part and equal to tifffile, or refused in words."""

import json
import pathlib
import sys
import tempfile
import unittest

from cli_support import BAD_INPUT, OK, USAGE, nibabel, np, run, sitk

try:
    import tifffile
except ImportError as missing:
    print(f"skipped: {missing}; install packaging/test-requirements.txt")
    sys.exit(77)

SHAPE = (9, 130, 170)
CALIBRATED = dict(imagej=True, resolution=(1 / 4.0, 1 / 2.0), metadata={"spacing": 5.0, "unit": "um", "axes": "ZYX"})


def wave(shape=SHAPE, dtype=np.uint16):
    rng = np.random.default_rng(2)
    return (rng.random(shape) * 100 + np.arange(shape[-1])).astype(dtype)


class Tiff(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="gigawarp-")
        self.folder = pathlib.Path(self.temporary.name)
        self.path = self.folder / "in.tif"

    def tearDown(self):
        self.temporary.cleanup()

    def read(self, *options, path=None, name="out.nii"):
        out = self.folder / name
        process = run("convert", path or self.path, out, *options)
        self.assertEqual(process.returncode, OK, process.stderr)
        image = nibabel.load(out)
        return np.asanyarray(image.dataobj).T, image.header.get_zooms()

    def refusal(self, *options, path=None, code=BAD_INPUT):
        process = run("convert", path or self.path, self.folder / "refused.nii", *options)
        self.assertEqual(process.returncode, code, process.stderr)
        self.assertFalse((self.folder / "refused.nii").exists())
        return process.stderr

    def test_every_compression_strip_and_tile_reads_as_tifffile_reads_it(self):
        ways = [dict(compression=c, **layout) for c in (None, "zlib")
                for layout in (dict(), dict(rowsperstrip=7), dict(tile=(64, 48)))]
        ways += [dict(bigtiff=True), dict(byteorder=">"), dict(byteorder=">", compression="zlib", predictor=True),
                 dict(byteorder=">", rowsperstrip=11), dict(compression="zlib", predictor=True, tile=(32, 32))]
        data = wave()
        for way in ways:
            with self.subTest(way=way):
                tifffile.imwrite(self.path, data, metadata=None, **way)
                ours, zooms = self.read("--spacing", "0.1,0.2,0.3")
                np.testing.assert_array_equal(ours, tifffile.imread(self.path))
                np.testing.assert_allclose(zooms, (0.1, 0.2, 0.3), rtol=1e-6)
        for compressor in ("LZW", "PackBits", "AdobeDeflate"):  # libtiff's own writer, through ITK
            with self.subTest(compressor=compressor):
                sitk.WriteImage(sitk.GetImageFromArray(data), str(self.path), True, compressor=compressor)
                np.testing.assert_array_equal(self.read("--spacing", "1")[0], data)

    def test_every_type_is_read(self):
        for dtype in (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.float32, np.float64):
            data = wave((3, 20, 30), dtype)
            tifffile.imwrite(self.path, data, metadata=None, compression="zlib", photometric="minisblack")
            ours, _ = self.read("--spacing", "1")
            self.assertEqual(ours.dtype, data.dtype)
            np.testing.assert_array_equal(ours, data)

    def test_imagej_stacks_state_spacing_and_unit(self):
        data = wave()
        tifffile.imwrite(self.path, data, **CALIBRATED)  # one directory, its pages behind each other
        ours, zooms = self.read()
        np.testing.assert_array_equal(ours, data)
        np.testing.assert_allclose(zooms, (0.004, 0.002, 0.005), rtol=1e-5)
        with open(self.path, "r+b") as file:
            file.truncate(self.path.stat().st_size - data[0].nbytes)
        self.assertIn("truncated", self.refusal())

    def test_channels_of_a_hyperstack_are_kept_apart(self):
        data = np.stack([wave((5, 20, 30)), wave((5, 20, 30)) + 200], axis=1)  # z, c, y, x
        tifffile.imwrite(self.path, data, imagej=True, resolution=(1.0, 1.0),
                         metadata={"spacing": 1.0, "unit": "um", "axes": "ZCYX"})
        for c in range(2):
            ours, _ = self.read("--channel", str(c))
            np.testing.assert_array_equal(ours, data[:, c])
        self.assertIn("no channel 2", self.refusal("--channel", "2", code=USAGE))

    def test_levels_in_sub_directories_are_offered(self):
        data = wave((4, 128, 200))
        with tifffile.TiffWriter(self.path, ome=True) as file:
            file.write(data, subifds=2, tile=(64, 64), compression="zlib",
                       metadata={"axes": "ZYX", "PhysicalSizeX": 2.0, "PhysicalSizeY": 2.0, "PhysicalSizeZ": 5.0})
            for step in (2, 4):
                file.write(data[:, ::step, ::step], subfiletype=1, tile=(32, 32), compression="zlib")
        told = json.loads(run("info", "--json", "--header", self.path).stdout)[0]
        self.assertEqual([level["size"] for level in told["levels"]], [[200, 128, 4], [100, 64, 4], [50, 32, 4]])
        for level, step in enumerate((1, 2, 4)):
            ours, zooms = self.read("--level", str(level))
            np.testing.assert_array_equal(ours, data[:, ::step, ::step])
            np.testing.assert_allclose(zooms, (0.002 * step, 0.002 * step, 0.005), rtol=1e-5)
        self.assertIn("no level 3", self.refusal("--level", "3", code=USAGE))

    def test_slices_in_a_folder_are_a_volume_in_the_order_of_their_numbers(self):
        data = wave((12, 40, 50))
        for z, slice_ in enumerate(data):
            tifffile.imwrite(self.folder / f"slice_{z}.tif", slice_, metadata=None, compression="zlib")
        (self.folder / "notes.txt").write_text("not a slice")
        self.assertIn("--spacing", self.refusal(path=self.folder))
        with tempfile.TemporaryDirectory() as other:
            for name in ("out.nii", "out.nii.gz"):
                process = run("convert", self.folder, pathlib.Path(other) / name, "--spacing", "0.1,0.1,0.5")
                self.assertEqual(process.returncode, OK, process.stderr)
                np.testing.assert_array_equal(np.asanyarray(nibabel.load(pathlib.Path(other) / name).dataobj).T, data)
            small = self.folder / "slice_5.tif"
            whole = small.read_bytes()
            small.write_bytes(whole[:-200])
            self.assertIn("slice_5.tif", self.refusal("--spacing", "1", path=self.folder))
            tifffile.imwrite(small, data[5, :20], metadata=None)
            self.assertIn("slice_5.tif", self.refusal("--spacing", "1", path=self.folder))
            tifffile.imwrite(small, data[:2], metadata=None)
            self.assertIn("several pages", self.refusal("--spacing", "1", path=self.folder))

    def test_hidden_files_make_no_folder_of_slices(self):
        tifffile.imwrite(self.folder / "._slice_1.tif", wave((20, 30)), metadata=None)
        self.refusal("--spacing", "1", path=self.folder)
        (self.folder / "._slice_1.dcm").write_text("of another system")
        tifffile.imwrite(self.folder / "slice_1.tif", wave((20, 30)), metadata=None)
        with tempfile.TemporaryDirectory() as other:
            process = run("convert", self.folder, pathlib.Path(other) / "out.nii", "--spacing", "1")
            self.assertEqual(process.returncode, OK, process.stderr)

    def test_damage_is_named_and_harms_nothing(self):
        data = wave()
        for way in (dict(compression="zlib", tile=(64, 48)), dict(compression="zlib", rowsperstrip=16), dict()):
            tifffile.imwrite(self.path, data, metadata=None, **way)
            with tifffile.TiffFile(self.path) as file:
                at = file.pages[4].dataoffsets[0]
            whole = self.path.read_bytes()
            if way:
                self.path.write_bytes(whole[:at] + b"\xff" * 40 + whole[at + 40:])
                self.assertIn("in.tif", self.refusal("--spacing", "1"))
            self.path.write_bytes(whole[:len(whole) // 2])
            self.assertIn("in.tif", self.refusal("--spacing", "1"))

    def test_what_is_not_read_is_refused_in_words(self):
        tifffile.imwrite(self.path, wave((5, 20, 30)), metadata=None)
        self.assertIn("--spacing", self.refusal())
        self.assertIn("no resolution levels", self.refusal("--spacing", "1", "--level", "1", code=USAGE))
        tifffile.imwrite(self.path, np.zeros((5, 20, 30), np.complex64), metadata=None)
        self.assertIn("sample type", self.refusal("--spacing", "1"))
        tifffile.imwrite(self.path, wave((2, 3, 20, 30)), imagej=True, resolution=(1.0, 1.0),
                         metadata={"spacing": 1.0, "unit": "um", "axes": "TZYX"})
        self.assertIn("2 time points", self.refusal())


if __name__ == "__main__":
    unittest.main()
