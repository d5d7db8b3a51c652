"""Chunks of HDF5 pyramids, whatever their filters, judged by h5py. Their metadata: tst_zarr.py."""

import pathlib
import sys
import tempfile
import unittest

from cli_support import BAD_INPUT, OK, nibabel, np, run

try:
    import h5py
except ImportError as missing:
    print(f"skipped: {missing}; install packaging/test-requirements.txt")
    sys.exit(77)

SHAPE = (13, 22, 31)


def values(dtype, seed=5):
    """All bytes of every value matter."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=SHAPE).astype(dtype)
    most = 2 ** (31 if np.dtype(dtype).itemsize == 8 else 8 * np.dtype(dtype).itemsize - 1) - 1
    return rng.integers(0, most, SHAPE).astype(dtype)


class Chunks(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="gigawarp-")
        self.path = pathlib.Path(self.temporary.name) / "volume.h5"

    def tearDown(self):
        self.temporary.cleanup()

    def write(self, data, **options):
        with h5py.File(self.path, "w") as file:
            file["s00/resolutions"] = np.array([[1, 1, 1]], float)
            file.create_dataset("t00000/s00/0/cells", data=data, **options)

    def assert_reads(self, expected):
        out = self.path.with_suffix(".nii")
        process = run("convert", self.path, out, "--spacing", "1")
        self.assertEqual(process.returncode, OK, process.stderr)
        np.testing.assert_array_equal(np.asanyarray(nibabel.load(out).dataobj).T, expected)

    def refusal(self):
        process = run("convert", self.path, self.path.with_suffix(".nii"), "--spacing", "1")
        self.assertEqual(process.returncode, BAD_INPUT, process.stderr)
        self.assertEqual(process.stderr.count("gigawarp: "), 1, process.stderr)
        self.assertFalse(self.path.with_suffix(".nii").exists())
        return process.stderr

    def test_every_filter_is_undone(self):
        chunked = {"chunks": (4, 8, 16)}
        for options in ({}, chunked, {**chunked, "compression": "gzip"}, {**chunked, "shuffle": True},
                        {**chunked, "shuffle": True, "compression": "gzip", "compression_opts": 9},
                        {**chunked, "fletcher32": True, "compression": "gzip"},
                        {**chunked, "scaleoffset": 0}, {"chunks": (1, 22, 31), "compression": "gzip"},
                        {"chunks": SHAPE, "shuffle": True, "compression": "gzip"}):
            with self.subTest(options=options):
                data = values(np.uint16)
                self.write(data, **options)
                self.assert_reads(data)

    def test_a_filter_that_is_not_here_is_named(self):
        self.write(values(np.uint16), chunks=(4, 8, 16), compression="lzf")
        self.assertIn("a filter of HDF5 that is not installed here (lzf)", self.refusal())

    def test_every_type_and_byte_order_is_read(self):
        for dtype in ("<u1", "<i1", "<u2", ">u2", "<u4", "<i4", ">i4", "<u8", "<i8", "<f4", ">f4", "<f8"):
            with self.subTest(dtype=dtype):
                data = values(dtype)
                self.write(data, chunks=(5, 7, 9), shuffle=True, compression="gzip")
                self.assert_reads(data.astype(data.dtype.newbyteorder("=")))

    def test_chunks_that_are_not_there_are_the_fill_value(self):
        for dtype, fill in ((np.uint16, None), (np.uint16, 777), (np.float32, 0.5)):
            with self.subTest(dtype=dtype, fill=fill):
                with h5py.File(self.path, "w") as file:
                    file["s00/resolutions"] = np.array([[1, 1, 1]], float)
                    cells = file.create_dataset("t00000/s00/0/cells", SHAPE, dtype, chunks=(4, 8, 16), fillvalue=fill,
                                                compression="gzip")
                    cells[4:8, 8:16, :16] = 3
                    expected = cells[...]
                self.assertEqual(expected[0, 0, 0], fill or 0)
                self.assert_reads(expected)

    def test_a_chunk_that_was_stored_without_its_filters_is_read(self):
        """Writers may leave a filter out where it does not help; the chunk's mask says so."""
        data = values(np.uint16)
        block = np.ascontiguousarray(data[4:8, 8:16, :16])
        shuffled = block.view(np.uint8).reshape(-1, 2).T.tobytes()
        for mask, stored in ((3, block.tobytes()), (2, shuffled)):
            self.write(data, chunks=(4, 8, 16), shuffle=True, compression="gzip")
            with h5py.File(self.path, "a") as file:
                file["t00000/s00/0/cells"].id.write_direct_chunk((4, 8, 0), stored, filter_mask=mask)
            self.assert_reads(data)

    def test_a_damaged_chunk_is_refused(self):
        for shuffle in (False, True):
            for cut in (False, True):
                with self.subTest(shuffle=shuffle, cut=cut):
                    self.write(values(np.uint16), chunks=(4, 8, 16), shuffle=shuffle, compression="gzip")
                    with h5py.File(self.path, "a") as file:
                        cells = file["t00000/s00/0/cells"]
                        mask, stored = cells.id.read_direct_chunk((4, 8, 0))
                        broken = stored[:-40] if cut else stored[:20] + bytes(b ^ 0x55 for b in stored[20:40]) + stored[40:]
                        cells.id.write_direct_chunk((4, 8, 0), broken, mask)
                    said = self.refusal()
                    self.assertIn(str(self.path), said)
                    self.assertIn("/t00000/s00/0/cells", said)
                    self.assertIn('told by the plugin "hdf5"', said)

    def test_a_file_that_was_cut_off_is_refused(self):
        self.write(values(np.uint16), chunks=(4, 8, 16), compression="gzip")
        whole = self.path.read_bytes()
        for part in (100, len(whole) // 2, len(whole) - 10):
            self.path.write_bytes(whole[:part])
            self.refusal()


if __name__ == "__main__":
    unittest.main()
