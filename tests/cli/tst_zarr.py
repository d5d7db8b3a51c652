"""Zarr and OME-Zarr: those of other programs read equal to zarr-python or are refused, ours open there."""

import gzip
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time
import unittest

from cli_support import BAD_INPUT, OK, USAGE, nibabel, np, run, start

try:
    import h5py
    import numcodecs
    import zarr
except ImportError as missing:
    print(f"skipped: {missing}; install packaging/test-requirements.txt")
    sys.exit(77)

DATA = pathlib.Path(os.environ.get("GIGAWARP_TEST_DATA", "/nonexistent")) / "formats"


def wave(shape, dtype):
    """Values that differ everywhere and fit every type."""
    z, y, x = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
    return ((7 * z + 3 * y + x) % 120).astype(dtype)


def axes(names, unit="micrometer"):
    kinds = {"t": "time", "c": "channel"}
    return [{"name": n, "type": kinds.get(n, "space"), **({} if n in kinds else {"unit": unit})} for n in names]


def ome_zarr(folder, levels, names="zyx", version=2, unit="micrometer", scale=(2, 1, 1), **more):
    """An image group of `levels` (arrays) whose first has the given scale along z, y, x."""
    group = zarr.open_group(str(folder), mode="w", zarr_format=version)
    datasets = []
    for i, array in enumerate(levels):
        lead = [1.0] * (array.ndim - 3)
        factor = 2.0**i
        group.create_array(str(i), data=array, chunks=tuple(min(n, 8) for n in array.shape))
        datasets.append({"path": str(i), "coordinateTransformations": [
            {"type": "scale", "scale": lead + [s * factor for s in scale]},
            {"type": "translation", "translation": [0.0] * len(lead) + [s * (factor - 1) / 2 for s in scale]}]})
    image = {"axes": axes(names, unit), "datasets": datasets, "name": "test", **more}
    group.attrs.update({"ome": {"version": "0.5", "multiscales": [image]}} if version == 3
                       else {"multiscales": [{"version": "0.4", **image}]})
    return folder


class ZarrCase(unittest.TestCase):
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

    def assert_reads(self, path, expected, *options):
        ours, _ = self.read(path, *options)
        self.assertEqual(ours.shape, (1,) * (3 - expected.ndim) + expected.shape)
        np.testing.assert_array_equal(ours, expected.reshape(ours.shape))

    def refusal(self, path, *options, code=BAD_INPUT):
        process = run("convert", path, self.folder / "refused.nii", *options)
        self.assertEqual(process.returncode, code, f"{path}: {process.stderr}")
        self.assertEqual(process.stderr.count("gigawarp: "), 1, process.stderr)
        self.assertTrue(process.stderr.strip().endswith("."), process.stderr)
        self.assertFalse((self.folder / "refused.nii").exists())
        return process.stderr


@unittest.skipUnless(DATA.is_dir(), "set GIGAWARP_TEST_DATA")
class FilesOfOthers(ZarrCase):
    def test_conformance_arrays_read_equal_to_zarr_python_or_are_refused(self):
        read = 0
        for folder in sorted((DATA / "zarr_conformance").rglob("*")):
            if folder.name not in (".zarray", "zarr.json") or "all_0.6" in str(folder):
                continue
            if folder.name == "zarr.json" and json.loads(folder.read_text())["node_type"] != "array":
                continue
            folder = folder.parent
            with self.subTest(array=str(folder.relative_to(DATA))):
                if any(kind in folder.name for kind in (".U", ".S", ".O")):
                    self.assertIn("no voxel values", self.refusal(folder, "--spacing", "1"))
                else:
                    # zarr-python does not know the order "F" of its own predecessor; the twin holds the same values
                    oracle = folder if folder.parts[-4:-2] != ("zarr_v3", "from_zarrita") or folder.suffix != ".F" \
                        else folder.with_suffix(".C")
                    self.assert_reads(folder, np.asarray(zarr.open_array(oracle, mode="r")[...]), "--spacing", "1")
                    read += 1
        self.assertGreater(read, 50)

    def test_ome_groups_read_equal_to_zarr_python_at_every_level(self):
        for version in ("0.4", "0.5"):
            group = DATA / f"zarr_conformance/ome_zarr/simple_{version}"
            for level in range(3):
                self.assert_reads(group, zarr.open_array(group / f"scale{level}/image", mode="r")[...], "--level", level)
        mobie = DATA / "mri-stack.ome.zarr"
        for level in range(2):
            self.assert_reads(mobie, zarr.open_array(mobie / f"s{level}", mode="r")[...], "--level", level, "--spacing",
                              "0.001,0.001,0.005")

    def test_n5_datasets_are_read_block_by_block(self):
        """The oracle: blocks put together by hand, as h5py and zarr-python read no N5."""
        for name in ("raw", "gzip"):
            folder = DATA / "z5py.n5" / name
            expected = np.zeros((512, 512, 3), np.uint8)
            for block in folder.rglob("*/*/*"):
                if block.is_dir():
                    continue
                x, y, z = (int(p) for p in block.relative_to(folder).parts)
                data = block.read_bytes()
                nx, ny, nz = np.frombuffer(data, ">u4", 3, 4)
                voxels = gzip.decompress(data[16:]) if name == "gzip" else data[16:]
                expected[z * 100:z * 100 + nz, y * 100:y * 100 + ny, x:x + nx] = \
                    np.frombuffer(voxels, np.uint8).reshape(nz, ny, nx)
            self.assertGreater(len(np.unique(expected)), 50)
            self.assert_reads(folder, expected, "--spacing", "1")
        self.assertIn("name one of the datasets inside", self.refusal(DATA / "z5py.n5"))
        self.assertIn("--spacing", self.refusal(DATA / "z5py.n5/raw"))

    def test_what_is_not_read_is_refused_by_name(self):
        for name, word in (("mri-stack.ome.zarr", "(pixel); pass --spacing"),
                           ("zarr_conformance/ome_zarr/all_0.6/basic/scale.zarr", "0.6"),
                           ("zarr_conformance/ome_zarr/simple_0.5.ocdbt", "OCDBT"),
                           ("zarr_conformance/zarr_v2/from_zarr-python/data.zarr", "name one of the images inside")):
            self.assertIn(word, self.refusal(DATA / name))


class Arrays(ZarrCase):
    def test_every_type_and_byte_order_of_version_2_is_read(self):
        for dtype in ("|b1", "|u1", "|i1", "<u2", ">u2", "<i2", ">i2", "<u4", ">i4", "<u8", ">i8", "<f2", ">f2", "<f4",
                      ">f4", "<f8", ">f8"):
            for order in "CF":
                with self.subTest(dtype=dtype, order=order):
                    data = wave((9, 10, 11), np.dtype(dtype))
                    path = self.folder / f"{dtype[1:]}{order}{'<>|'.index(dtype[0])}.zarr"
                    zarr.create_array(path, data=data, chunks=(4, 5, 6), zarr_format=2, order=order)
                    self.assert_reads(path, data, "--spacing", "1")

    def test_every_compressor_of_version_2_is_read(self):
        data = wave((20, 21, 22), np.uint16)
        compressors = [None, numcodecs.Zlib(3), numcodecs.GZip(3), numcodecs.Zstd(3), numcodecs.LZ4()]
        compressors += [numcodecs.Blosc(name, 5, shuffle) for name in numcodecs.blosc.list_compressors()
                        for shuffle in (0, 1, 2)]
        for i, compressor in enumerate(compressors):
            for separator in "./":
                with self.subTest(compressor=compressor, separator=separator):
                    path = self.folder / f"{i}{ord(separator)}.zarr"
                    zarr.create_array(path, data=data, chunks=(8, 8, 8), zarr_format=2, compressors=compressor,
                                      chunk_key_encoding={"name": "v2", "separator": separator})
                    self.assert_reads(path, data, "--spacing", "1")
        for i, compressor in enumerate((numcodecs.BZ2(), numcodecs.LZMA())):
            path = self.folder / f"other{i}.zarr"
            zarr.create_array(path, data=data, chunks=(8, 8, 8), zarr_format=2, compressors=compressor)
            self.assertIn(f'"{compressor.codec_id}"', self.refusal(path, "--spacing", "1"))

    def test_every_codec_of_version_3_is_read(self):
        from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, TransposeCodec, ZstdCodec
        data = wave((20, 21, 22), np.int32)
        chains = [[], [GzipCodec(level=3)], [ZstdCodec(level=3)], [ZstdCodec(level=3, checksum=True)],
                  [Crc32cCodec()], [BloscCodec(cname="zstd", typesize=4, shuffle="bitshuffle"), Crc32cCodec()],
                  [BloscCodec(cname="lz4", typesize=4, shuffle="shuffle")]]
        for i, chain in enumerate(chains):
            for shards in (None, (20, 24, 16)):
                with self.subTest(chain=chain, shards=shards):
                    path = self.folder / f"{i}{shards is None}.zarr"
                    zarr.create_array(path, data=data, chunks=(10, 8, 8), shards=shards, compressors=chain or None)
                    self.assert_reads(path, data, "--spacing", "1")
        path = self.folder / "turned.zarr"
        zarr.create_array(path, data=data, chunks=(10, 8, 7), filters=[TransposeCodec(order=(1, 2, 0))],
                          serializer=BytesCodec(endian="big"))
        self.assert_reads(path, data, "--spacing", "1")

    def test_missing_chunks_are_the_fill_value(self):
        for version, shards in ((2, None), (3, None), (3, (10, 10, 10))):
            with self.subTest(version=version, shards=shards):
                array = zarr.create_array(self.folder / f"hole{version}{shards is None}.zarr", shape=(20, 20, 20),
                                          chunks=(5, 5, 5), shards=shards, dtype="int16", fill_value=-7,
                                          zarr_format=version)
                array[5:10, 5:10, 5:10] = 3
                self.assert_reads(self.folder / f"hole{version}{shards is None}.zarr", array[...], "--spacing", "1")
        nan = zarr.create_array(self.folder / "nan.zarr", shape=(4, 4, 4), chunks=(2, 2, 2), dtype="float32",
                                fill_value=np.nan)
        nan[:2] = 1
        ours, _ = self.read(self.folder / "nan.zarr", "--spacing", "1")
        np.testing.assert_array_equal(ours, nan[...])


class Groups(ZarrCase):
    def test_units_scale_and_translation_become_millimetres(self):
        for version in (2, 3):
            data = wave((8, 12, 16), np.uint16)
            path = ome_zarr(self.folder / f"{version}.ome.zarr", [data, data[::2, ::2, ::2]], version=version)
            _, image = self.read(path, "--level", "1")
            # NIfTI is RAS: x and y negated
            np.testing.assert_allclose(image.affine, [[-0.002, 0, 0, -0.0005], [0, -0.002, 0, -0.0005],
                                                      [0, 0, 0.004, 0.001], [0, 0, 0, 1]], atol=1e-9)

    def test_a_given_spacing_is_that_of_the_finest_level(self):
        data = wave((8, 12, 16), np.uint16)
        path = ome_zarr(self.folder / "x.ome.zarr", [data, data[::2, ::2, ::2]], unit="pixel")
        self.assertIn("pixel", self.refusal(path))
        _, image = self.read(path, "--level", "1", "--spacing", "0.5,0.5,1")
        np.testing.assert_allclose(image.header.get_zooms(), (1, 1, 2))
        np.testing.assert_allclose(np.abs(image.affine[:3, 3]), (0.25, 0.25, 0.5))

    def test_a_unit_that_is_not_stated_is_asked_about(self):
        path = ome_zarr(self.folder / "x.ome.zarr", [wave((4, 4, 4), np.uint8)])
        attributes = json.loads((path / ".zattrs").read_text())
        for axis in attributes["multiscales"][0]["axes"]:
            axis.pop("unit")
        (path / ".zattrs").write_text(json.dumps(attributes))
        self.assertIn("--spacing", self.refusal(path))

    def test_channels_and_time_points_are_chosen_or_refused(self):
        data = np.stack([[wave((4, 6, 8), np.uint8) + 10 * c + 50 * t for c in range(3)] for t in range(2)])
        path = ome_zarr(self.folder / "x.ome.zarr", [data], names="tczyx")
        self.assertIn("--timepoint", self.refusal(path))
        self.assert_reads(path, data[1, 2], "--timepoint", "1", "--channel", "2")
        self.assertIn("no channel 3", self.refusal(path, "--timepoint", "1", "--channel", "3", code=USAGE))
        self.assertIn("no time point 2", self.refusal(path, "--timepoint", "2", code=USAGE))
        self.assertIn("no level 1", self.refusal(path, "--timepoint", "0", "--level", "1", code=USAGE))
        _, image = self.read(path, "--timepoint", "0")
        np.testing.assert_array_equal(np.asanyarray(image.dataobj)[:, :, :, 0, :].transpose(3, 2, 1, 0), data[0])

    def test_anatomical_orientation_is_honoured(self):
        path = ome_zarr(self.folder / "x.ome.zarr", [wave((4, 6, 8), np.uint8)], scale=(3, 2, 1), unit="millimeter")
        attributes = json.loads((path / ".zattrs").read_text())
        ways = ("superior-to-inferior", "left-to-right", "posterior-to-anterior")
        for axis, way in zip(attributes["multiscales"][0]["axes"], ways):
            axis["orientation"] = {"type": "anatomical", "value": way}
        (path / ".zattrs").write_text(json.dumps(attributes))
        _, image = self.read(path)
        self.assertEqual(nibabel.aff2axcodes(image.affine), ("A", "R", "I"))
        np.testing.assert_allclose(image.header.get_zooms(), (1, 2, 3))


class Hdf5Pyramids(ZarrCase):
    """BigDataViewer and Imaris, judged by h5py."""

    XML = """<?xml version="1.0" encoding="UTF-8"?>
<SpimData version="0.2"><SequenceDescription><ImageLoader format="bdv.hdf5"><hdf5 type="relative">%s</hdf5></ImageLoader>
<ViewSetups><ViewSetup><id>0</id><voxelSize><unit>%s</unit><size>1 1 1</size></voxelSize></ViewSetup></ViewSetups>
</SequenceDescription><ViewRegistrations><ViewRegistration timepoint="0" setup="0">
<ViewTransform type="affine"><affine>1 0 0 100 0 1 0 0 0 0 1 0</affine></ViewTransform>
<ViewTransform type="affine"><affine>2 0 0 0 0 2 0 0 0 0 5 0</affine></ViewTransform>
</ViewRegistration></ViewRegistrations></SpimData>"""

    def bdv(self, channels=1, times=1, unit="micrometer", name="volume.h5"):
        levels = [wave((20, 30, 40), np.uint16), wave((20, 15, 20), np.uint16)]
        with h5py.File(self.folder / "volume.h5", "w") as file:
            for s in range(channels):
                file[f"s{s:02}/resolutions"] = np.array([[1, 1, 1], [2, 2, 1]], float)
                for t in range(times):
                    for i, level in enumerate(levels):
                        # bit patterns above 32767 are stored as negative numbers
                        stored = (level + np.uint16(40000 + 100 * s)).view(np.int16)
                        file.create_dataset(f"t{t:05}/s{s:02}/{i}/cells", data=stored, chunks=(8, 8, 8),
                                            compression="gzip")
        (self.folder / "volume.xml").write_text(self.XML % (name, unit))
        return [level.astype(int) + 40000 for level in levels]

    def imaris(self):
        level = wave((20, 30, 40), np.uint8)
        with h5py.File(self.folder / "volume.ims", "w") as file:
            letters = lambda text: np.array([c.encode() for c in str(text)], "S1")
            info = file.create_group("DataSetInfo/Image")
            for a, (low, high) in enumerate(((10, 50), (0, 30), (0, 100))):
                info.attrs[f"ExtMin{a}"], info.attrs[f"ExtMax{a}"] = letters(low), letters(high)
            info.attrs["Unit"] = letters("um")
            for i, data in enumerate((level, level[::2, ::2, ::2])):
                for c in range(2):
                    group = file.create_group(f"DataSet/ResolutionLevel {i}/TimePoint 0/Channel {c}")
                    for name, n in zip("ZYX", data.shape):
                        group.attrs[f"ImageSize{name}"] = letters(n)
                    padded = np.pad(data + c, [(0, -n % 16) for n in data.shape])
                    group.create_dataset("Data", data=padded, chunks=(16, 16, 16), compression="gzip")
            for c, name in enumerate(("DAPI", "GFP")):
                file.create_group(f"DataSetInfo/Channel {c}").attrs["Name"] = letters(name)
        return [level, level[::2, ::2, ::2]]

    @unittest.skipUnless(DATA.is_dir(), "set GIGAWARP_TEST_DATA")
    def test_a_file_of_bigdataviewer_reads_as_h5py_reads_it(self):
        with h5py.File(DATA / "bigwarp_bdv/mri-stack.h5") as file:
            expected = file["t00000/s00/0/cells"][...].view(np.uint16)
        for name in ("mri-stack.xml", "mri-stack.h5"):
            ours, image = self.read(DATA / "bigwarp_bdv" / name)
            np.testing.assert_array_equal(ours, expected)
            np.testing.assert_allclose(image.header.get_zooms(), (0.001, 0.001, 0.01), rtol=1e-6)

    def test_levels_and_registration_of_bigdataviewer_are_honoured(self):
        levels = self.bdv()
        for i, level in enumerate(levels):
            for name in ("volume.xml", "volume.h5"):
                ours, image = self.read(self.folder / name, "--level", str(i))
                np.testing.assert_array_equal(ours, level)
                np.testing.assert_allclose(image.affine, [[-0.002 * (i + 1), 0, 0, -0.1 - 0.001 * i],
                                                          [0, -0.002 * (i + 1), 0, -0.001 * i], [0, 0, 0.005, 0],
                                                          [0, 0, 0, 1]], atol=1e-9)
        self.bdv(unit="pixel")
        self.assertIn("--spacing", self.refusal(self.folder / "volume.xml"))

    def test_setups_are_channels_and_time_points_are_chosen(self):
        levels = self.bdv(channels=2, times=2)
        path = self.folder / "volume.xml"
        self.assertIn("--timepoint", self.refusal(path))
        self.assert_reads(path, levels[0] + 100, "--timepoint", "0", "--channel", "1")
        self.refusal(path, "--timepoint", "2", code=USAGE)
        self.refusal(path, "--timepoint", "0", "--channel", "2", code=USAGE)
        self.refusal(path, "--timepoint", "0", "--level", "2", code=USAGE)

    def test_channels_are_named_as_the_files_name_them(self):
        self.imaris()
        self.bdv(channels=2)
        text = (self.folder / "volume.xml").read_text()
        names = "".join(f"<ViewSetup><id>{i}</id><name>{name}</name></ViewSetup>" for i, name in enumerate("ab"))
        (self.folder / "volume.xml").write_text(text.replace("<ViewSetups>", "<ViewSetups>" + names))
        for name, expected in (("volume.ims", ["DAPI", "GFP"]), ("volume.xml", ["a", "b"])):
            process = run("info", "--header", "--json", "--channel", "1", self.folder / name)
            info = json.loads(process.stdout)[0]
            self.assertEqual(info["channel_names"], expected)
            self.assertEqual((info["channels"], info["channels_in_file"]), (1, 2))

    def test_imaris_channels_and_levels_are_read_without_their_padding(self):
        for i, level in enumerate(self.imaris()):
            ours, image = self.read(self.folder / "volume.ims", "--channel", "1", "--level", str(i))
            np.testing.assert_array_equal(ours, level + 1)
            if i == 0:
                np.testing.assert_allclose(image.affine, [[-0.001, 0, 0, -0.0105], [0, -0.001, 0, -0.0005],
                                                          [0, 0, 0.005, 0.0025], [0, 0, 0, 1]], atol=1e-9)

    def test_damaged_files_are_refused(self):
        self.bdv()
        h5 = self.folder / "volume.h5"
        whole = h5.read_bytes()
        for damage in (b"", whole[:3000], b"HDF", whole[:len(whole) // 2]):
            h5.write_bytes(damage)
            self.refusal(self.folder / "volume.xml")
        h5.unlink()
        self.refusal(self.folder / "volume.xml")
        self.bdv(name="../../etc/passwd")
        self.assertIn("beside it", self.refusal(self.folder / "volume.xml"))
        self.imaris()
        ims = self.folder / "volume.ims"
        with h5py.File(ims, "a") as file:
            del file["DataSetInfo"]
        self.assertIn("ExtMin0", self.refusal(ims))
        ims.write_bytes(b"no HDF5")
        self.refusal(ims)


class HostileGroups(ZarrCase):
    def setUp(self):
        super().setUp()
        self.path = ome_zarr(self.folder / "x.ome.zarr", [wave((16, 16, 16), np.uint16)])

    def edit(self, name, change):
        file = self.path / name
        json_object = json.loads(file.read_text())
        change(json_object)
        file.write_text(json.dumps(json_object))

    def test_a_damaged_chunk_is_named(self):
        chunk = self.path / "0" / "1.0.1"
        self.assertTrue(chunk.exists())
        bytes_ = chunk.read_bytes()
        for damage in (b"", bytes_[:20], bytes_[:-3], b"\xff" * len(bytes_), b"x" * (4 << 20)):
            chunk.write_bytes(damage)
            self.assertIn("1.0.1", self.refusal(self.path))
        chunk.unlink()
        chunk.mkdir()
        self.assertIn("1.0.1", self.refusal(self.path))
        chunk.rmdir()
        os.mkfifo(chunk)
        self.assertIn("1.0.1", self.refusal(self.path))

    def test_a_damaged_shard_is_named(self):
        path = self.folder / "sharded.zarr"
        zarr.create_array(path, data=wave((16, 16, 16), np.uint16), chunks=(4, 4, 4), shards=(16, 16, 16))
        shard = path / "c/0/0/0"
        bytes_ = bytearray(shard.read_bytes())
        for damage in (bytes_[:100], bytes_[:-1], bytes_[:-9] + b"\xee" + bytes_[-8:], bytes_[40:]):
            shard.write_bytes(damage)
            self.assertIn("c/0/0/0", self.refusal(path, "--spacing", "1"))

    def test_paths_that_lead_outside_are_refused(self):
        zarr.create_array(self.folder / "secret", data=wave((16, 16, 16), np.uint16), zarr_format=2)
        for path in ("../secret", str(self.folder / "secret"), "0/../../secret", ""):
            self.edit(".zattrs", lambda j, p=path: j["multiscales"][0]["datasets"][0].update(path=p))
            self.assertIn("outside", self.refusal(self.path))

    def test_impossible_shapes_and_chunks_are_refused(self):
        for change in ({"shape": [1 << 62, 4, 4]}, {"shape": [-1, 4, 4]}, {"shape": [0, 4, 4]}, {"shape": []},
                       {"shape": "large"}, {"chunks": [0, 8, 8]}, {"chunks": [8, 8]}, {"chunks": [1 << 20] * 3},
                       {"dtype": 7}, {"fill_value": "much"}, {"fill_value": 1e9}, {"zarr_format": 9},
                       {"compressor": {"id": "mystery"}}, {"filters": [{"id": "delta"}]}, {"dimension_separator": "../"}):
            with self.subTest(change=change):
                file = self.path / "0" / ".zarray"
                kept = file.read_text()
                self.edit("0/.zarray", lambda j, c=change: j.update(c))
                self.refusal(self.path)
                file.write_text(kept)

    def test_a_volume_larger_than_memory_is_refused_before_it_is_read(self):
        self.edit("0/.zarray", lambda j: j.update(shape=[1 << 14, 1 << 14, 1 << 14]))
        process = run("info", self.path)
        self.assertEqual(process.returncode, 4, process.stderr)
        self.assertIn("MiB", process.stderr)
        self.assertIn("MiB are needed", self.refusal(self.path, code=7))  # disk, when it is copied by planes

    def test_damaged_metadata_is_refused(self):
        scale = {"coordinateTransformations": [{"type": "scale", "scale": [1, 0, 1]}]}
        affine = {"coordinateTransformations": [{"type": "affine", "affine": [[1]]}]}
        for change in ({"axes": []}, {"axes": axes("yx")}, {"axes": axes("tzyx")}, {"axes": 3}, {"datasets": []},
                       {"datasets": [{}]}, {"datasets": [{"path": "0", **scale}]}, {"datasets": [{"path": "0", **affine}]},
                       {"datasets": [{"path": "1"}]}, {"datasets": [{"path": "0"}]}):
            with self.subTest(change=change):
                file = self.path / ".zattrs"
                kept = file.read_text()
                self.edit(".zattrs", lambda j, c=change: j["multiscales"][0].update(c))
                self.refusal(self.path)
                file.write_text(kept)
        for text in ("", "{", "[]", "[" * 100000, '{"multiscales": [NaN]}', '{"multiscales": []}', '{"multiscales": 1}'):
            (self.path / ".zattrs").write_text(text)
            self.refusal(self.path)

    def test_a_folder_without_metadata_is_no_volume(self):
        shutil.rmtree(self.path)
        self.path.mkdir()
        self.assertIn("not written completely", self.refusal(self.path))


def mean_halved(array, factors):
    """Means of blocks, whole numbers rounded with halves upwards; odd ends stand alone."""
    blocks = [np.minimum(np.arange(n) // f, (n + f - 1) // f) for n, f in zip(array.shape, factors)]
    shape = [int(b[-1]) + 1 for b in blocks]
    total, count = np.zeros(shape), np.zeros(shape)
    index = np.ix_(*blocks)
    np.add.at(total, index, array.astype(float))
    np.add.at(count, index, 1)
    mean = total / count
    return np.floor(mean + 0.5).astype(array.dtype) if array.dtype.kind in "iu" else mean.astype(array.dtype)


class Written(ZarrCase):
    """What the program writes, opened by zarr-python."""

    shape = (70, 81, 150)  # z, y, x: more than a chunk along each axis, none whole

    def nifti(self, array, affine=None, name="in.nii"):
        path = self.folder / name
        image = nibabel.Nifti1Image(array.T, np.diag([-1, -1, 1, 1]) if affine is None else affine)
        image.header.set_xyzt_units("mm")
        nibabel.save(image, path)
        return path

    def convert(self, source, *options, name="out.ome.zarr"):
        out = self.folder / name
        process = run("convert", source, out, *options)
        self.assertEqual(process.returncode, OK, process.stderr)
        return out

    def image(self, path, version):
        """The multiscales metadata and the levels' arrays."""
        group = zarr.open_group(str(path), mode="r")
        self.assertEqual(group.metadata.zarr_format, 2 if version == "0.4" else 3)
        attributes = group.attrs.asdict()
        image = (attributes if version == "0.4" else attributes["ome"])["multiscales"][0]
        self.assertEqual((image if version == "0.4" else attributes["ome"])["version"], version)
        return image, [group[d["path"]] for d in image["datasets"]]

    def test_every_type_opens_in_zarr_python_with_the_same_voxels(self):
        for dtype in (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.float32, np.float64):
            data = wave(self.shape, dtype)
            data[:64, :64, :64] = 0  # a chunk that is left out
            source = self.nifti(data)
            for version in ("0.4", "0.5"):
                with self.subTest(dtype=dtype, version=version):
                    out = self.convert(source, "--zarr", version)
                    image, levels = self.image(out, version)
                    np.testing.assert_array_equal(levels[0][...], data)
                    self.assertEqual(levels[0].dtype, data.dtype)
                    self.assertEqual([a["name"] for a in image["axes"]], ["z", "y", "x"])
                    self.assertEqual({a["unit"] for a in image["axes"]}, {"millimeter"})
                    ours, back = self.read(out)
                    np.testing.assert_array_equal(ours, data)
                    np.testing.assert_allclose(back.affine, np.diag([-1, -1, 1, 1]), atol=1e-9)

    def test_levels_are_means_of_the_level_below_and_placed_at_their_centre(self):
        for dtype in (np.uint8, np.int16, np.float32):
            data = (wave(self.shape, np.int16) - 60).astype(dtype)
            image, levels = self.image(self.convert(self.nifti(data)), "0.4")
            self.assertEqual([a.shape for a in levels], [(70, 81, 150), (35, 41, 75), (18, 21, 38)])
            below = data
            for level, dataset in zip(levels[1:], image["datasets"][1:]):
                below = mean_halved(below, (2, 2, 2))
                np.testing.assert_allclose(level[...], below, rtol=1e-6, atol=1e-6)
            scale, shift = [t[t["type"]] for t in image["datasets"][2]["coordinateTransformations"]]
            self.assertEqual((scale, shift), ([4, 4, 4], [1.5, 1.5, 1.5]))

    def test_labels_are_never_mixed(self):
        rng = np.random.default_rng(3)
        data = rng.choice(np.array([0, 4, 17, 1002], np.int32), self.shape)
        out = self.convert(self.nifti(data), "--labels")
        _, levels = self.image(out, "0.4")
        level = levels[1][...]
        self.assertLessEqual(set(np.unique(level)), {0, 4, 17, 1002})
        for z, y, x in rng.integers((0, 0, 0), level.shape, (200, 3)):
            values, counts = np.unique(data[2 * z:2 * z + 2, 2 * y:2 * y + 2, 2 * x:2 * x + 2], return_counts=True)
            self.assertEqual(level[z, y, x], values[counts == counts.max()].min())
        again = self.convert(out, name="again.ome.zarr")  # known as labels without being told
        np.testing.assert_array_equal(self.image(again, "0.4")[1][2][...], levels[2][...])

    def test_long_voxels_are_not_halved_until_the_others_are_as_long(self):
        source = self.nifti(wave((20, 130, 131), np.uint8), np.diag([-0.5, -0.5, 2.0, 1]))
        _, levels = self.image(self.convert(source), "0.4")
        self.assertEqual([a.shape for a in levels], [(20, 130, 131), (20, 65, 66), (20, 33, 33)])

    def test_oblique_orientation_survives_there_and_back(self):
        affine = np.array([[0.0, -0.6, 0.0, 12], [0.48, 0.0, -0.64, -30], [0.36, 0.0, 1.0, 7], [0, 0, 0, 1]])
        data = wave(self.shape, np.uint16)
        for version in ("0.4", "0.5"):
            ours, back = self.read(self.convert(self.nifti(data, affine), "--zarr", version))
            np.testing.assert_allclose(back.affine, affine, atol=1e-5)
            np.testing.assert_array_equal(ours, data)

    def test_channels_are_kept(self):
        data = np.stack([wave(self.shape, np.uint16) + c for c in range(3)])
        source = self.folder / "rgb.nii"
        nibabel.save(nibabel.Nifti1Image(data.transpose(3, 2, 1, 0)[:, :, :, None, :], np.eye(4)), source)
        for version in ("0.4", "0.5"):
            image, levels = self.image(self.convert(source, "--zarr", version), version)
            self.assertEqual([a["name"] for a in image["axes"]], ["c", "z", "y", "x"])
            np.testing.assert_array_equal(levels[0][...], data)
            np.testing.assert_array_equal(levels[1][2], mean_halved(data[2], (2, 2, 2)))

    def test_a_pyramid_is_copied_in_another_type_and_order(self):
        data = wave(self.shape, np.uint16)
        first = self.convert(self.nifti(data), name="first.ome.zarr")
        out = self.convert(first, "--order", "RAS", "--type", "f32", "--zarr", "0.5")
        ours, back = self.read(out)
        np.testing.assert_array_equal(ours, data[:, ::-1, ::-1])
        self.assertEqual(nibabel.aff2axcodes(back.affine), ("R", "A", "S"))
        small, _ = self.read(first, "--level", "1", "--order", "SAR")
        expected = mean_halved(data, (2, 2, 2))[:, ::-1, ::-1]
        np.testing.assert_array_equal(small, expected.transpose(2, 1, 0))

    def test_nothing_else_of_that_name_is_replaced(self):
        source = self.nifti(wave((8, 8, 8), np.uint8))
        out = self.convert(source)
        first = sorted(p.name for p in self.folder.iterdir())
        self.convert(source)  # a Zarr may be
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), first)
        precious = self.folder / "precious.zarr"
        precious.mkdir()
        (precious / "thesis.txt").write_text("years")
        process = run("convert", source, precious)
        self.assertEqual(process.returncode, 7, process.stderr)
        self.assertEqual((precious / "thesis.txt").read_text(), "years")
        for version in ("0.4", "0.5"):
            for name in ("labels", "notes.txt", "7"):  # a level's name without an array
                pyramid = self.convert(source, "--zarr", version, name=f"{version}-{name}.ome.zarr")
                kept = pyramid / name / "years" if "." not in name else pyramid / name
                kept.parent.mkdir(exist_ok=True)
                kept.write_text("years")
                process = run("convert", source, pyramid)
                self.assertEqual(process.returncode, 7, process.stderr)
                self.assertIn(f'"{name}"', process.stderr)
                self.assertEqual(kept.read_text(), "years")
        self.assertTrue(out.exists())

    def test_a_killed_write_leaves_nothing_that_looks_like_a_volume(self):
        process = start("phantom", "--out", self.folder / "pair", "--size", "400", "--format", "ome.zarr")
        deadline = time.monotonic() + 100
        parts = []
        while not parts and time.monotonic() < deadline:
            parts = list(self.folder.glob("pair/.*/0/0"))
            time.sleep(0.05)
        process.kill()
        process.communicate()
        self.assertTrue(parts, "no part was being written")
        self.assertEqual([p for p in self.folder.glob("pair/[!.]*.zarr")], [])
        self.refusal(parts[0].parent.parent)

    def test_a_phantom_is_written_as_pyramids(self):
        for form in ("nii.gz", "ome.zarr"):
            process = run("phantom", "--out", self.folder / form, "--size", "80,70,66", "--format", form, "--no-warp")
            self.assertEqual(process.returncode, OK, process.stderr)
        for name in ("fixed", "moving", "fixed_labels", "fixed_mask"):
            ours, image = self.read(self.folder / "ome.zarr" / f"{name}.ome.zarr")
            twin = nibabel.load(self.folder / "nii.gz" / f"{name}.nii.gz")
            np.testing.assert_array_equal(ours, np.asanyarray(twin.dataobj).T)
            np.testing.assert_allclose(image.affine, twin.affine, atol=1e-4)
        image, _ = self.image(self.folder / "ome.zarr/fixed_labels.ome.zarr", "0.4")
        self.assertEqual(image["type"], "majority")


class Used(ZarrCase):
    """Verbs that take OME-Zarr in and out."""

    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.TemporaryDirectory(prefix="gigawarp-")
        cls.pair = pathlib.Path(cls.shared.name) / "pair"
        process = run("phantom", "--out", cls.pair, "--size", "120,110,100", "--oblique", "--format", "ome.zarr",
                      "--no-warp")
        assert process.returncode == OK, process.stderr

    @classmethod
    def tearDownClass(cls):
        cls.shared.cleanup()

    def verb(self, *arguments, expect=OK):
        process = run(*arguments)
        self.assertEqual(process.returncode, expect, process.stderr)
        return process

    def test_a_level_registers_and_its_warp_applies_to_the_finest_one(self):
        out = self.folder / "result"
        self.verb("register", "--fixed", self.pair / "fixed.ome.zarr", "--moving", self.pair / "moving.ome.zarr",
                  "--fixed-level", "1", "--moving-level", "1", "--labels", self.pair / "moving_labels.ome.zarr",
                  "--fixed-labels", self.pair / "fixed_labels.ome.zarr", "--preset", "fast", "--device", "cpu",
                  "--out", out)
        job = json.loads((out / "job.json").read_text())
        self.assertEqual(job["fixed_selection"], {"level": 1})
        self.assertEqual(nibabel.load(out / "1Warp.nii.gz").shape[:3], (60, 55, 50))
        self.assertGreater(json.loads((out / "result.json").read_text())["measures"]["dice_mean"], 0.5)
        transforms = ["--transform", out / "1Warp.nii.gz", out / "0GenericAffine.mat"]
        for name, interpolation in (("moving", "linear"), ("moving_labels", "label"), ("moving", "nearest")):
            with self.subTest(name=name, interpolation=interpolation):
                whole = self.folder / "moving.nii.gz"  # not read out of order: resampled in one piece
                self.verb("convert", self.pair / f"{name}.ome.zarr", whole)
                expected = self.folder / "expected.nii"
                common = [*transforms, "--reference", self.pair / "fixed.ome.zarr", "--interpolation", interpolation,
                          "--background", "3"]
                self.verb("apply", *common, "--input", whole, "--out", expected)
                self.verb("apply", *common, "--input", self.pair / f"{name}.ome.zarr", "--out",
                          self.folder / "tiles.ome.zarr")
                ours, image = self.read(self.folder / "tiles.ome.zarr")
                one_piece = nibabel.load(expected)
                difference = np.abs(ours.astype(float) - np.asanyarray(one_piece.dataobj).T)
                # The geometry of .nii.gz has single precision: a value may round the other way.
                self.assertLess((difference > (0 if interpolation != "linear" else 1)).mean(), 1e-4)
                np.testing.assert_allclose(image.affine, one_piece.affine, atol=1e-4)

    def test_info_lists_the_levels(self):
        told = json.loads(self.verb("info", "--json", "--header", self.pair / "fixed.ome.zarr").stdout)[0]
        self.assertEqual([level["size"] for level in told["levels"]], [[120, 110, 100], [60, 55, 50]])
        self.assertEqual(told["format"], "OME-Zarr 0.4 (blosc)")
        self.assertEqual(told["notes"], [])


if __name__ == "__main__":
    unittest.main()
