"""The cache of imported volumes: values as read directly, imported once, found again, bounded, and never half."""

import gzip
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
import unittest

from cli_support import BAD_INPUT, CANCELLED, DOES_NOT_FIT, GIGAWARP, NOT_WRITTEN, OK, nibabel, np, peak_bytes, run, sitk

try:
    import zarr
except ImportError as missing:
    print(f"skipped: {missing}; install packaging/test-requirements.txt")
    sys.exit(77)


def volume(shape, seed=3):
    return np.random.default_rng(seed).integers(0, 4000, shape).astype(np.uint16)


class Cache(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="gigawarp-")
        self.folder = pathlib.Path(self.temporary.name)
        self.cache = self.folder / "cache"
        self.environment = dict(os.environ, GIGAWARP_CACHE=str(self.cache))

    def tearDown(self):
        self.temporary.cleanup()

    def verb(self, *arguments, expect=OK, **options):
        process = run(*arguments, env=self.environment, **options)
        self.assertEqual(process.returncode, expect, process.stderr)
        return process

    def listed(self):
        return json.loads(self.verb("cache", "--json").stdout)

    def nifti(self, name, array, affine=None, **header):
        image = nibabel.Nifti1Image(array, np.diag([-0.5, -0.5, 2, 1]) if affine is None else affine,
                                    dtype=array.dtype)
        image.header.set_xyzt_units("mm")
        if header:
            image.header.set_slope_inter(**header)
        nibabel.save(image, self.folder / name)
        return self.folder / name

    def test_a_time_point_of_a_series_is_read(self):
        series = np.stack([volume((40, 30, 20)) + 7 * t for t in range(3)], axis=-1)
        for name in ("bold.nii.gz", "bold.nii"):
            path = self.nifti(name, series)
            (told,) = json.loads(self.verb("info", path, "--json").stdout)
            self.assertEqual(told["timepoints"], 3)
            refused = self.verb("convert", path, self.folder / "no.nii", expect=BAD_INPUT)
            self.assertIn("choose one with --timepoint 0 to 2", refused.stderr)
            for t in range(3):
                for how in ("never", "always"):
                    out = self.folder / f"{t}.nii"
                    self.verb("convert", path, out, "--timepoint", str(t), "--import", how)
                    self.assertTrue(np.array_equal(nibabel.load(out).get_fdata(), series[..., t]), (name, t, how))

    def imported(self):
        (entry,) = self.listed()["volumes"]
        return zarr.open_group(entry["folder"] + "/volume.ome.zarr", mode="r")

    def test_a_compressed_volume_is_imported_once_and_gives_the_voxels_it_gives_directly(self):
        data = volume((90, 70, 66))
        source = self.nifti("in.nii.gz", data)
        first = self.verb("convert", source, self.folder / "a.nii", "--import", "always")
        again = self.verb("convert", source, self.folder / "b.nii", "--import", "always")
        self.assertIn("imported into the cache", first.stderr)
        self.assertNotIn("imported into the cache", again.stderr)
        self.verb("convert", source, self.folder / "direct.nii", "--import", "never")
        for name in ("a.nii", "b.nii"):
            self.assertEqual((self.folder / name).read_bytes(), (self.folder / "direct.nii").read_bytes())
        levels = self.imported()
        np.testing.assert_array_equal(levels["0"][...], data.T)
        self.assertEqual(levels["1"].shape, (66, 35, 45))  # long voxels along z are left

    def test_every_kind_of_file_keeps_its_values(self):
        data = volume((40, 30, 20)).astype(np.int16)
        sources = {"scaled.nii.gz": self.nifti("scaled.nii.gz", data, slope=0.5, inter=-3),
                   "swapped.nii.gz": self.nifti("swapped.nii.gz", data.astype(">i2")),
                   "wide.nii.gz": self.nifti("wide.nii.gz", data.astype(np.int64))}
        image = sitk.GetImageFromArray(data.T)
        image.SetSpacing((0.5, 0.6, 0.7))
        for name in ("in.nrrd", "in.mha"):
            sources[name] = self.folder / name
            sitk.WriteImage(image, str(sources[name]), True)
        for name, source in sources.items():
            with self.subTest(name=name):
                self.verb("convert", source, self.folder / "cached.nii", "--import", "always")
                self.verb("convert", source, self.folder / "direct.nrrd", "--import", "never")
                ours = nibabel.load(self.folder / "cached.nii")
                direct = sitk.ReadImage(str(self.folder / "direct.nrrd"))
                np.testing.assert_array_equal(np.asanyarray(ours.dataobj).T, sitk.GetArrayFromImage(direct))
                self.assertEqual(ours.get_data_dtype().kind, sitk.GetArrayFromImage(direct).dtype.kind)
                np.testing.assert_allclose(ours.header.get_zooms(), direct.GetSpacing(), rtol=1e-6)

    def text_files(self, data):
        """Compressed NRRD and MetaImage of oblique axes, their voxels in the file and beside it, in both byte orders."""
        image = sitk.GetImageFromArray(data)
        image.SetSpacing((0.5, 0.6, 0.7))
        image.SetOrigin((10, -20, 30))
        turn = sitk.Euler3DTransform((0, 0, 0), 0.3, -0.2, 0.5)
        image.SetDirection(turn.GetMatrix())
        names = ["in.nrrd", "in.nhdr", "in.mha", "in.mhd"]
        for name in names:
            sitk.WriteImage(image, str(self.folder / name), True)
        header, voxels = (self.folder / "in.nrrd").read_bytes().split(b"\n\n", 1)
        self.assertIn(b"encoding: gzip", header)
        swapped = gzip.compress(data.astype(data.dtype.newbyteorder(">")).tobytes())
        more = {"swapped.nrrd": header.replace(b"endian: little", b"endian: big") + b"\n\n" + swapped,
                "crlf.nrrd": header.replace(b"\n", b"\r\n") + b"\r\n\r\n" + voxels,
                "members.nrrd": header + b"\n\n" + gzip.compress(data.tobytes()[:5000]) + gzip.compress(data.tobytes()[5000:]),
                "named.nrrd": header + b"\nencoding:=raw\n# endian: big\ndata file: apart/voxels.gz\n"}
        (self.folder / "apart").mkdir()
        (self.folder / "apart/voxels.gz").write_bytes(voxels)
        for name, content in more.items():
            (self.folder / name).write_bytes(content)
        return [self.folder / name for name in [*names, *more]]

    def test_compressed_nrrd_and_meta_image_are_what_itk_reads(self):
        data = volume((40, 30, 20))
        for source in self.text_files(data):
            for choice in ("always", "never"):  # through the cache; plane by plane
                with self.subTest(name=source.name, choice=choice):
                    self.verb("convert", source, self.folder / "ours.nii.gz", "--import", choice)
                    ours = sitk.ReadImage(str(self.folder / "ours.nii.gz"))
                    theirs = sitk.ReadImage(str(source))
                    np.testing.assert_array_equal(sitk.GetArrayFromImage(ours), data)
                    np.testing.assert_array_equal(sitk.GetArrayFromImage(theirs), data)
                    for property in ("GetSpacing", "GetOrigin", "GetDirection"):
                        np.testing.assert_allclose(getattr(ours, property)(), getattr(theirs, property)(), atol=1e-5)

    def test_uncompressed_voxels_beside_a_header_are_read_where_they_are(self):
        data = volume((40, 30, 20)).astype(np.int16)
        image = sitk.GetImageFromArray(data)
        image.SetSpacing((0.5, 0.6, 0.7))
        for name in ("in.nhdr", "in.mhd"):
            sitk.WriteImage(image, str(self.folder / name), False)
            self.verb("convert", self.folder / name, self.folder / "ours.nii", "--import", "always")
            np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(self.folder / "ours.nii"))), data)
            self.assertEqual(self.listed()["volumes"], [])

    def test_damaged_nrrd_and_meta_image_are_refused_and_leave_nothing(self):
        for source in self.text_files(volume((40, 30, 20))):
            whole = source.read_bytes()
            beside = {".nhdr": self.folder / "in.raw.gz", ".mhd": self.folder / "in.zraw"}.get(source.suffix)
            beside = self.folder / "apart/voxels.gz" if source.name == "named.nrrd" else beside
            file = beside or source
            content = file.read_bytes()
            text = source.read_text(errors="surrogateescape")
            larger = text.replace("20 30 40", "20 30 41")
            self.assertNotEqual(larger, text)
            flipped = bytearray(content)
            flipped[-6] ^= 255  # in the checksum
            for what, change in {"truncated": lambda: file.write_bytes(content[:-1000]),
                                 "damaged": lambda: file.write_bytes(flipped),
                                 "promises more": lambda: source.write_text(larger, errors="surrogateescape")}.items():
                with self.subTest(name=source.name, what=what):
                    change()
                    for choice in ("always", "never"):
                        process = self.verb("convert", source, self.folder / "out.nii", "--import", choice, expect=3)
                        self.assertEqual(process.stderr.count("gigawarp: "), 1, process.stderr)
                        self.assertIn(file.name, process.stderr)
                    self.assertFalse((self.folder / "out.nii").exists())
                    self.assertEqual(self.listed()["volumes"], [])
                    self.assertEqual(list(self.cache.glob("*.part")), [])
                    file.write_bytes(content)
                    source.write_bytes(whole)

    def test_voxels_beside_a_header_that_change_are_imported_again(self):
        data = volume((40, 30, 20))
        source = next(s for s in self.text_files(data) if s.name == "named.nrrd")
        self.verb("cache", "--import", source)
        (self.folder / "apart/voxels.gz").write_bytes(gzip.compress(data[::-1].tobytes()))
        self.verb("cache", "--import", source)
        np.testing.assert_array_equal(self.imported()["0"][...], data[::-1])

    def test_memory_of_an_import_does_not_grow_with_the_volume(self):
        data = np.zeros((400, 400, 400), np.uint16)  # 122 MiB
        data[::7] = 5
        self.nifti("in.nii.gz", data)
        image = sitk.GetImageFromArray(data)
        for name in ("in.nrrd", "in.mha"):
            sitk.WriteImage(image, str(self.folder / name), True)
        for name in ("in.nii.gz", "in.nrrd", "in.mha"):
            with self.subTest(name=name):
                peak = peak_bytes("cache", "--import", self.folder / name, env=self.environment)
                self.assertLess(peak, 150 << 20)  # read whole it is 190 and more

    def test_labels_are_reduced_by_majority(self):
        labels = np.random.default_rng(1).choice(np.array([0, 7, 1000], np.uint16), (80, 80, 80))
        self.verb("cache", "--import", self.nifti("labels.nii.gz", labels, np.eye(4)), "--labels")
        self.assertLessEqual(set(np.unique(self.imported()["1"][...])), {0, 7, 1000})

    def test_apply_through_the_cache_is_apply(self):
        source = self.nifti("in.nii.gz", volume((60, 50, 40)))
        transform = sitk.AffineTransform(3)
        transform.SetMatrix((0.99, 0.1, 0, -0.1, 0.99, 0.02, 0, 0.03, 1.02))
        sitk.WriteTransform(transform, str(self.folder / "a.mat"))
        for choice in ("always", "never"):
            self.verb("apply", "--transform", self.folder / "a.mat", "--input", source, "--reference", source, "--out",
                      self.folder / f"{choice}.nii", "--import", choice)
        self.assertEqual((self.folder / "always.nii").read_bytes(), (self.folder / "never.nii").read_bytes())

    def test_a_changed_file_is_imported_again_and_its_old_entry_goes(self):
        source = self.nifti("in.nii.gz", volume((20, 20, 20)))
        self.verb("cache", "--import", source)
        changed = volume((20, 20, 20), seed=9)
        self.nifti("in.nii.gz", changed)
        self.assertFalse(self.listed()["volumes"][0]["current"])
        self.verb("cache", "--import", source)
        np.testing.assert_array_equal(self.imported()["0"][...], changed.T)
        stamp = source.stat()
        self.nifti("in.nii.gz", volume((20, 20, 20), seed=10))
        os.utime(source, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # the time of change does not tell; size or head do
        self.verb("cache", "--import", source)
        np.testing.assert_array_equal(self.imported()["0"][...], volume((20, 20, 20), seed=10).T)

    def test_it_is_bounded_and_what_was_used_longest_ago_goes_first(self):
        sources = [self.nifti(f"{i}.nii.gz", volume((64, 64, 64), seed=i)) for i in range(4)]
        for source in sources[:3]:
            self.verb("cache", "--import", source)
            time.sleep(0.02)
        self.verb("cache", "--import", sources[0])  # used again
        one = self.listed()["volumes"][0]["bytes"]
        self.verb("cache", "--limit", str(3 * one + 4096))
        self.verb("cache", "--import", sources[3])
        told = self.listed()
        self.assertEqual({pathlib.Path(v["source"]).name for v in told["volumes"]}, {"0.nii.gz", "2.nii.gz", "3.nii.gz"})
        self.assertLessEqual(told["bytes"], told["limit_bytes"])
        self.verb("cache", "--limit", "1K")
        self.assertEqual(self.listed()["volumes"], [])
        self.assertIn("--limit", self.verb("cache", "--import", sources[0], expect=DOES_NOT_FIT).stderr)
        self.assertEqual(self.listed()["volumes"], [])

    def test_clearing_leaves_nothing_but_the_limit(self):
        self.verb("cache", "--import", self.nifti("in.nii.gz", volume((20, 20, 20))))
        self.verb("cache", "--limit", "5G")
        self.verb("cache", "--clear")
        self.assertEqual([p.name for p in self.cache.iterdir()], ["limit"])
        self.assertEqual(self.listed()["limit_bytes"], 5 << 30)

    def test_an_entry_that_lost_its_description_is_made_again_and_cleared(self):
        source = self.nifti("in.nii.gz", volume((20, 20, 20)))
        self.verb("cache", "--import", source)
        about = pathlib.Path(self.listed()["volumes"][0]["folder"]) / "source.json"
        about.unlink()
        self.verb("cache", "--import", source)
        self.assertTrue(about.is_file())
        np.testing.assert_array_equal(self.imported()["0"][...], volume((20, 20, 20)).T)
        about.unlink()
        self.verb("cache", "--clear")
        self.assertEqual(list(self.cache.iterdir()), [])

    def test_a_name_like_those_of_removed_entries_is_a_volume(self):
        source = self.nifti("a.gone1.nii.gz", volume((20, 20, 20)))
        self.verb("cache", "--import", source)
        self.verb("cache", "--limit", "5G")
        self.assertEqual([v["source"] for v in self.listed()["volumes"]], [str(source.resolve())])

    def test_a_lock_that_cannot_be_opened_is_one_sentence(self):
        source = self.nifti("in.nii.gz", volume((20, 20, 20)))
        self.verb("cache", "--import", source)
        lock = pathlib.Path(self.listed()["volumes"][0]["folder"] + ".lock")
        self.verb("cache", "--clear")
        lock.mkdir()
        told = self.verb("cache", "--import", source, expect=NOT_WRITTEN).stderr
        self.assertIn("Is a directory", told)
        self.assertEqual(told.count("gigawarp: "), 1, told)

    def start(self, source):
        return subprocess.Popen([GIGAWARP, "cache", "--import", str(source)], env=self.environment,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def test_two_processes_that_import_the_same_file_do_it_once(self):
        source = self.nifti("in.nii.gz", volume((200, 160, 120)))
        processes = [self.start(source) for _ in range(3)]
        told = [process.communicate()[1] for process in processes]
        self.assertEqual([process.returncode for process in processes], [OK] * 3, told)
        self.assertEqual(sum("imported into the cache" in text for text in told), 1, told)
        np.testing.assert_array_equal(self.imported()["0"][...], volume((200, 160, 120)).T)

    def test_a_killed_import_is_no_volume_and_the_next_one_is(self):
        data = volume((200, 200, 200))
        source = self.nifti("in.nii.gz", data)
        killed = 0
        for seconds in (0.0, 0.05, 0.2):
            process = self.start(source)
            deadline = time.monotonic() + 60
            while not list(self.cache.glob("*.part/.*/0")) and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(seconds)
            process.kill()
            process.communicate()
            if self.listed()["volumes"]:  # it had come to its end, and then it is all there
                np.testing.assert_array_equal(self.imported()["0"][...], data.T)
                self.verb("cache", "--clear")
            else:
                killed += 1
        self.assertGreater(killed, 0)
        self.verb("cache", "--import", source)
        np.testing.assert_array_equal(self.imported()["0"][...], data.T)
        self.verb("cache", "--clear")
        self.assertEqual(list(self.cache.iterdir()), [])

    def test_a_cancelled_import_leaves_nothing(self):
        process = self.start(self.nifti("in.nii.gz", volume((200, 200, 200))))
        deadline = time.monotonic() + 60
        while not list(self.cache.glob("*.part/.*/0")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.terminate()
        process.communicate()
        self.assertEqual(process.returncode, CANCELLED)
        self.assertEqual(list(self.cache.glob("*.part")), [])
        self.assertEqual(self.listed()["volumes"], [])

    def test_a_full_disk_is_one_sentence(self):
        source = self.nifti("in.nii.gz", volume((100, 100, 100)))
        limited = self.verb("cache", "--import", source, expect=NOT_WRITTEN, restore_signals=False,
                            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)))
        nowhere = dict(self.environment, GIGAWARP_CACHE="/proc/none")
        unwritable = run("cache", "--import", source, env=nowhere)
        self.assertEqual(unwritable.returncode, NOT_WRITTEN, unwritable.stderr)
        for process in (limited, unwritable):
            self.assertEqual(process.stderr.count("gigawarp: "), 1, process.stderr)
            self.assertIn("--clear", process.stderr)
        self.assertEqual(self.listed()["volumes"], [])

    def test_a_file_that_cannot_be_read_is_refused_and_leaves_nothing(self):
        source = self.nifti("in.nii.gz", volume((60, 60, 60)))
        whole = source.read_bytes()
        source.write_bytes(whole[:-1000])
        self.verb("cache", "--import", source, expect=3)
        self.assertEqual(self.listed()["volumes"], [])
        self.assertEqual(list(self.cache.glob("*.part")), [])


if __name__ == "__main__":
    unittest.main()
