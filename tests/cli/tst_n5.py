"""N5 as its specification has it, written here by hand: what is read must be what was put in."""

import gzip
import json
import pathlib
import struct
import sys
import tempfile
import unittest
import zlib

from cli_support import BAD_INPUT, OK, USAGE, nibabel, np, run

try:
    import numcodecs
except ImportError as missing:
    print(f"skipped: {missing}; install packaging/test-requirements.txt")
    sys.exit(77)

PACK = {"raw": (lambda b: b, {"type": "raw"}), "gzip": (gzip.compress, {"type": "gzip", "level": -1}),
        "zlib": (zlib.compress, {"type": "gzip", "useZlib": True}),
        "blosc": (lambda b: numcodecs.Blosc("lz4", 5, 2).encode(b), {"type": "blosc", "cname": "lz4"}),
        "zstd": (lambda b: numcodecs.Zstd(3).encode(b), {"type": "zstd", "level": 3})}


def wave(shape, dtype):
    """z, y, x: values that differ everywhere and fit every type."""
    grid = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
    return (sum(w * g for w, g in zip((7, 3, 1)[-len(shape):], grid)) % 120).astype(dtype)


def n5(folder, data, block, codec="gzip", skip=(), mode=0, attributes=None):
    """`data` is z, y, x; `block` is x, y, z, as in N5; blocks named in `skip` are missing."""
    pack, compression = PACK[codec]
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    shape = data.shape[::-1]
    (folder / "attributes.json").write_text(json.dumps({
        "dimensions": shape, "blockSize": block, "dataType": data.dtype.name, "compression": compression,
        **(attributes or {})}))
    for index in np.ndindex(*[-(-n // b) for n, b in zip(shape, block)]):
        if index in skip:
            continue
        low = [i * b for i, b in zip(index, block)]
        part = data[tuple(slice(a, a + b) for a, b in zip(low, block))[::-1]]
        header = struct.pack(f">HH{len(shape)}I", mode, len(shape), *part.shape[::-1])
        header += struct.pack(">I", part.size) if mode == 1 else b""
        path = folder.joinpath(*map(str, index))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(header + pack(part.astype(part.dtype.newbyteorder(">")).tobytes()))
    return folder


class N5Case(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="gigawarp-")
        self.folder = pathlib.Path(self.temporary.name)

    def tearDown(self):
        self.temporary.cleanup()

    def read(self, path, *options):
        """The voxels as z, y, x, through the program; the NIfTI image too."""
        out = self.folder / "out.nii"
        process = run("convert", path, out, *options)
        self.assertEqual(process.returncode, OK, process.stderr)
        image = nibabel.load(out)
        return np.asanyarray(image.dataobj).T, image

    def refusal(self, path, *options, code=BAD_INPUT):
        process = run("convert", path, self.folder / "refused.nii", *options)
        self.assertEqual(process.returncode, code, f"{path}: {process.stderr}")
        self.assertEqual(process.stderr.count("gigawarp: "), 1, process.stderr)
        self.assertFalse((self.folder / "refused.nii").exists())
        return process.stderr


class Datasets(N5Case):
    def test_every_type_and_compressor_is_read(self):
        for i, dtype in enumerate((np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64,
                                   np.float32, np.float64)):
            codec = list(PACK)[i % len(PACK)]
            with self.subTest(dtype=dtype, codec=codec):
                data = wave((9, 10, 11), dtype)
                ours, _ = self.read(n5(self.folder / f"{i}", data, [4, 5, 6], codec), "--spacing", "1")
                np.testing.assert_array_equal(ours, data)

    def test_blocks_with_a_length_in_their_header_are_read(self):
        data = wave((9, 10, 11), np.uint16)
        ours, _ = self.read(n5(self.folder / "a", data, [4, 5, 6], mode=1), "--spacing", "1")
        np.testing.assert_array_equal(ours, data)

    def test_missing_blocks_are_zero(self):
        data = wave((9, 10, 11), np.int16) + np.int16(1)
        ours, _ = self.read(n5(self.folder / "a", data, [4, 5, 6], skip={(1, 0, 1), (0, 1, 0)}), "--spacing", "1")
        data[6:, :5, 4:8] = 0
        data[:6, 5:, :4] = 0
        np.testing.assert_array_equal(ours, data)

    def test_a_picture_is_one_slice(self):
        data = wave((10, 11), np.uint8)
        ours, image = self.read(n5(self.folder / "a", data, [4, 5]), "--spacing", "2,3,5")
        np.testing.assert_array_equal(ours, data[None])
        np.testing.assert_allclose(image.header.get_zooms(), (2, 3, 5))

    def test_integers_beyond_32_bits_are_refused(self):
        data = np.full((4, 4, 4), 2**40, np.uint64)
        self.assertIn("do not fit in 32 bits", self.refusal(n5(self.folder / "a", data, [4, 4, 4]), "--spacing", "1"))

    def test_levels_lie_on_one_another_in_their_unit(self):
        data = wave((16, 16, 16), np.uint16)
        group = self.folder / "group"
        group.mkdir()
        (group / "attributes.json").write_text(json.dumps({"pixelResolution": {"dimensions": [1, 2, 4], "unit": "um"}}))
        for i, factors in enumerate(([1, 1, 1], [2, 2, 1], [4, 4, 2])):
            part = data[::factors[2], ::factors[1], ::factors[0]]
            n5(group / f"s{i}", np.ascontiguousarray(part), [8, 8, 8], attributes={"downsamplingFactors": factors})
            ours, image = self.read(group, "--level", str(i))
            np.testing.assert_array_equal(ours, part)
            np.testing.assert_allclose(image.header.get_zooms(), np.array(factors) * [1e-3, 2e-3, 4e-3], rtol=1e-6)
            origin = (np.array(factors) - 1) / 2 * [1e-3, 2e-3, 4e-3] * [-1, -1, 1]
            np.testing.assert_allclose(image.affine[:3, 3], origin, atol=1e-9)
        told = json.loads(run("info", "--json", "--header", group).stdout)[0]
        self.assertEqual([level["size"] for level in told["levels"]], [[16, 16, 16], [8, 8, 16], [4, 4, 8]])
        self.assertEqual(told["format"], "N5 (gzip)")
        self.refusal(group, "--level", "3", code=USAGE)


class Damage(N5Case):
    def test_a_damaged_block_is_named_with_the_plugin_and_the_others_are_read(self):
        data = wave((9, 10, 11), np.uint16)
        for codec in PACK:
            for name, damage in (("cut off", lambda b: b[:len(b) // 2]), ("header", lambda b: b"\0\7" + b[2:]),
                                 ("longer", lambda b: b[:4] + struct.pack(">I", 4000) + b[8:]),
                                 ("shorter", lambda b: b[:4] + struct.pack(">I", 1) + b[8:])):
                with self.subTest(codec=codec, damage=name):
                    folder = n5(self.folder / f"{codec} {name}", data, [4, 5, 6], codec)
                    block = folder / "1/0/0"
                    block.write_bytes(damage(block.read_bytes()))
                    said = self.refusal(folder, "--spacing", "1")
                    self.assertIn("1/0/0", said)
                    self.assertIn('told by the plugin "n5"', said)

    def test_metadata_that_cannot_be_is_refused(self):
        data = wave((4, 4, 4), np.uint16)
        for i, wrong in enumerate(({"dimensions": [4, -4, 4]}, {"dimensions": [4, 4]}, {"dimensions": [4] * 4},
                                   {"dimensions": []}, {"dimensions": "4 4 4"}, {"blockSize": [0, 4, 4]},
                                   {"blockSize": [1 << 30] * 3}, {"dataType": "string"}, {"dataType": 7},
                                   {"compression": {"type": "xz"}}, {"compression": {}},
                                   {"pixelResolution": [float("nan"), 1, 1]}, {"pixelResolution": [0, 1, 1]},
                                   {"pixelResolution": {"unit": "um"}})):
            with self.subTest(wrong=wrong):
                folder = n5(self.folder / str(i), data, [4, 4, 4])
                told = json.loads((folder / "attributes.json").read_text())
                (folder / "attributes.json").write_text(json.dumps({**told, **wrong}))
                options = () if "pixelResolution" in wrong else ("--spacing", "1")
                self.assertIn(str(folder), self.refusal(folder, *options))
        folder = n5(self.folder / "torn", data, [4, 4, 4])
        (folder / "attributes.json").write_text('{"dimensions": [4,')
        self.refusal(folder, "--spacing", "1")


if __name__ == "__main__":
    unittest.main()
