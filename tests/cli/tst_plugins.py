"""Plugins: one of a stranger is built outside the tree and read from; broken ones are told and end nothing."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from cli_support import BAD_INPUT, GIGAWARP, OK, SOURCE, USAGE, nibabel, np

BUILD = pathlib.Path(os.environ["GIGAWARP_BUILD"])
CMAKE = os.environ["GIGAWARP_CMAKE"]


def cmake(*arguments):
    process = subprocess.run([CMAKE, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    if process.returncode != 0:
        raise AssertionError(f"cmake {arguments}: {process.stdout}{process.stderr}")


class PluginCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """The header is installed, and the sample is copied away and built against that alone."""
        cls.temporary = tempfile.TemporaryDirectory(prefix="gigawarp-")
        cls.folder = pathlib.Path(cls.temporary.name)
        cls.installed = cls.folder / "installed"
        cmake("--install", BUILD, "--prefix", cls.installed, "--component", "plugin_header")
        shutil.copytree(SOURCE / "tests/plugin_sample", cls.folder / "sample")
        cmake("-S", cls.folder / "sample", "-B", cls.folder / "built", f"-DCMAKE_PREFIX_PATH={cls.installed}",
              "-DPLANES_VARIANTS=ON")
        cmake("--build", cls.folder / "built")
        cls.good = cls.place("good", "planes")

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def place(cls, name, *libraries):
        """A folder with some of the libraries."""
        folder = cls.folder / name
        folder.mkdir()
        for library in libraries:
            shutil.copy(cls.folder / "built" / f"{library}.so", folder)
        return folder

    def run_with(self, plugins, *arguments, program=GIGAWARP, home=None):
        """The program with GIGAWARP_PLUGINS and a home of its own."""
        environment = {k: v for k, v in os.environ.items() if k not in ("GIGAWARP_PLUGINS", "XDG_DATA_HOME")}
        environment["HOME"] = str(home or self.folder / "nobody")
        if plugins:
            environment["GIGAWARP_PLUGINS"] = str(plugins)
        return subprocess.run([str(program), *map(str, arguments)], capture_output=True, text=True, timeout=120,
                              env=environment)

    def formats(self, plugins, **options):
        process = self.run_with(plugins, "formats", "--json", **options)
        self.assertEqual(process.returncode, OK, process.stderr)
        self.assertEqual(process.stderr, "")
        return json.loads(process.stdout)

    def planes(self, name="a.planes", data=None, **header):
        """A file of the sample's format."""
        voxels = np.arange(5 * 4 * 3, dtype="<u2").reshape(3, 4, 5) * 7 if data is None else data
        lines = {"size": "5 4 3", "spacing": "0.5 0.25 2", "origin": "1 2 3", "type": "u16", **header}
        path = self.folder / name
        text = "PLANES 1\n" + "".join(f"{k} {v}\n" for k, v in lines.items()) + "data\n"
        path.write_bytes(text.encode() + (voxels if isinstance(voxels, bytes) else voxels.tobytes()))
        return path, voxels


class OfAStranger(PluginCase):
    def test_its_files_are_read_by_every_verb(self):
        path, voxels = self.planes()
        told = json.loads(self.run_with(self.good, "info", "--json", path).stdout)[0]
        self.assertEqual((told["format"], told["size"], told["type"]), ("Planes 1", [5, 4, 3], "u16"))
        np.testing.assert_allclose(told["spacing_mm"], [0.5, 0.25, 2])
        np.testing.assert_allclose(told["origin_mm"], [1, 2, 3])
        self.assertIn("Planes have no anatomical orientation but LPS.", told["notes"])
        self.assertEqual(told["values"][0]["maximum"], voxels.max())
        out = self.folder / "out.nii"
        self.assertEqual(self.run_with(self.good, "convert", path, out).returncode, OK)
        np.testing.assert_array_equal(np.asanyarray(nibabel.load(out).dataobj).T, voxels)
        zarr = self.folder / "out.ome.zarr"
        self.assertEqual(self.run_with(self.good, "convert", path, zarr).returncode, OK)

    def test_without_the_plugin_they_are_refused(self):
        path, _ = self.planes()
        process = self.run_with(None, "info", path)
        self.assertEqual(process.returncode, BAD_INPUT)
        self.assertIn("no known image format", process.stderr)
        self.assertIn("Imaris (.ims)", process.stderr)

    def test_it_is_listed_with_its_version_and_file(self):
        told = self.formats(self.good)
        plugin = [p for p in told["plugins"] if p["name"] == "planes"]
        self.assertEqual(plugin, [{"name": "planes", "version": "1.2.0", "file": str(self.good / "planes.so")}])
        self.assertIn("planes", [f["plugin"] for f in told["formats"]])
        self.assertEqual({p["name"] for p in self.formats(None)["plugins"]}, {"hdf5", "n5"})
        table = self.run_with(self.good, "formats").stdout
        self.assertRegex(table, r"Planes +\.planes +read +plugin planes 1\.2\.0, /")
        self.assertRegex(table, r"NIfTI .* read, write +built in")

    def test_it_is_found_by_file_in_a_list_and_in_the_users_folder(self):
        empty = self.place("empty")
        self.assertIn("planes", [p["name"] for p in self.formats(f"{empty}:{self.good / 'planes.so'}")["plugins"]])
        home = self.folder / "home"
        shutil.copytree(self.good, home / ".local/share/gigawarp/plugins")
        told = self.formats(None, home=home)
        self.assertIn("planes", [p["name"] for p in told["plugins"]])
        self.assertEqual(told["looked_for_in"][0], str(home / ".local/share/gigawarp/plugins"))

    def test_its_unit_is_converted_or_asked_about(self):
        path, _ = self.planes(unit="micrometer")
        told = json.loads(self.run_with(self.good, "info", "--json", path).stdout)[0]
        np.testing.assert_allclose(told["spacing_mm"], [0.0005, 0.00025, 0.002])
        path, _ = self.planes(unit="furlong")
        self.assertIn("unknown unit (furlong); pass --spacing", self.run_with(self.good, "info", path).stderr)
        process = self.run_with(self.good, "info", "--json", path, "--spacing", "1,2,3")
        self.assertEqual(json.loads(process.stdout)[0]["spacing_mm"], [1, 2, 3])


class OfWholeVolumes(PluginCase):
    def test_a_format_that_cannot_be_read_in_parts_is_read_as_a_whole(self):
        path, voxels = self.planes()
        plugins = self.place("whole", "whole")
        told = [f for f in self.formats(plugins)["formats"] if f["plugin"] == "planes"]
        self.assertEqual([f["streams"] for f in told], [False])
        self.assertEqual([f["streams"] for f in self.formats(self.good)["formats"] if f["plugin"] == "planes"], [True])
        for name in ("whole.nii", "whole.ome.zarr"):
            process = self.run_with(plugins, "convert", path, self.folder / name)
            self.assertEqual(process.returncode, OK, process.stderr)
        np.testing.assert_array_equal(np.asanyarray(nibabel.load(self.folder / "whole.nii").dataobj).T, voxels)
        process = self.run_with(plugins, "info", path, "--level", "1")
        self.assertEqual(process.returncode, USAGE, process.stderr)


class Damage(PluginCase):
    def refusal(self, path, *words):
        """One sentence that names file and plugin, and no output."""
        process = self.run_with(self.good, "convert", path, self.folder / "refused.nii")
        self.assertEqual(process.returncode, BAD_INPUT, process.stderr)
        self.assertEqual(process.stderr.count("gigawarp: "), 1, process.stderr)
        self.assertFalse((self.folder / "refused.nii").exists())
        for word in (str(path), '"planes"', *words):
            self.assertIn(word, process.stderr)

    def test_nonsense_in_a_header_is_refused_in_words(self):
        for header, words in (({"size": "5 -4 3"}, "-4 voxels along y"), ({"size": "0 4 3"}, "0 voxels along x"),
                              ({"size": "999999999999 999999999999 9"}, "voxels"),
                              ({"size": "9000000000000000000 4 3"}, "voxels along x"),
                              ({"spacing": "nan 1 1"}, "no number"), ({"spacing": "1 inf 1"}, "no number"),
                              ({"spacing": "1 1 0"}, "without an extent"), ({"origin": "0 0 -inf"}, "no number"),
                              ({"levels": "100000"}, "100000 levels"), ({"levels": "-2"}, "-2 levels")):
            with self.subTest(header=header):
                self.refusal(self.planes(**header)[0], words)

    def test_a_volume_beyond_memory_is_refused_before_it_is_read(self):
        path, _ = self.planes(size="100000 100000 100000")
        process = self.run_with(self.good, "info", path)
        self.assertNotEqual(process.returncode, OK)
        self.assertIn("MiB", process.stderr)

    def test_what_the_plugin_refuses_is_told_in_its_words(self):
        self.refusal(self.planes(type="text")[0], "has a damaged header; export it again")
        self.refusal(self.planes(data=b"short")[0], "ends too early; copy it again")
        other = self.folder / "other.planes"
        other.write_bytes(b"something else")
        self.refusal(other, "damaged header")


class Broken(PluginCase):
    WORDS = {"missing_symbol": "undefined symbol: no_such_function",
             "another_interface": "built for version 2 of the plugin interface",
             "no_entry": "does not export gigawarp_plugin_register",
             "no_interface": "does not export gigawarp_plugin_interface",
             "unable_to_register": "The licence has run out",
             "without_functions": "a function of its format",
             "same_name_again": 'a plugin called "planes" was already loaded'}

    def test_each_kind_is_skipped_with_its_reason_and_the_others_work(self):
        places = self.place("mixed", *self.WORDS)
        (places / "text.so").write_text("no library")
        for n in (1000, 4000, 15000):  # mapped as it is, each would end the process
            (places / f"cut_off_{n}.so").write_bytes((self.good / "planes.so").read_bytes()[:n])
        (places / "readme.txt").write_text("no plugin either")
        told = self.formats(f"{self.good}:{places}:{self.folder / 'absent'}")
        self.assertEqual([p["name"] for p in told["plugins"]], ["planes", "hdf5", "n5"])
        reasons = {pathlib.Path(p["file"]).stem: p["reason"] for p in told["skipped"]}
        words = {**self.WORDS, "text": "no shared library", "absent": "which is not there",
                 **{f"cut_off_{n}": "is cut off; copy it again" for n in (1000, 4000, 15000)}}
        self.assertEqual(set(reasons), set(words))
        for name, reason in reasons.items():
            self.assertIn(words[name], reason)
            self.assertIn(f"{name}", reason)
            self.assertTrue(reason.endswith("."), reason)
        path, _ = self.planes()
        process = self.run_with(f"{self.good}:{places}", "info", "--json", path)
        self.assertEqual(process.returncode, OK, process.stderr)
        json.loads(process.stdout)
        warnings = process.stderr.splitlines()
        self.assertEqual(len(warnings), len(words) - 1)
        for line in warnings:
            self.assertTrue(line.startswith('gigawarp: warning: The plugin "'), line)

    def test_an_unknown_file_hints_at_what_was_skipped(self):
        places = self.place("alone", "another_interface")
        path, _ = self.planes()
        process = self.run_with(places, "info", path)
        self.assertEqual(process.returncode, BAD_INPUT)
        self.assertIn('1 plugin was skipped, see "gigawarp formats"', process.stderr)

    def test_verbs_that_read_no_image_load_none(self):
        places = self.place("unused", "another_interface")
        self.assertEqual(self.run_with(places, "devices").stderr, "")


class Installed(PluginCase):
    def test_an_installed_program_finds_the_plugins_beside_it(self):
        for component in ("program", "plugins"):
            cmake("--install", BUILD, "--prefix", self.installed, "--component", component)
        moved = self.folder / "moved"
        self.installed.rename(moved)
        try:
            told = self.formats(None, program=moved / "bin/gigawarp")
            self.assertEqual({p["file"] for p in told["plugins"]},
                             {str(moved / f"lib/gigawarp/plugins/{name}.so") for name in ("hdf5", "n5")})
        finally:
            moved.rename(self.installed)


if __name__ == "__main__":
    unittest.main()
