"""The archive that runs on a machine with nothing installed, made from this build and tried without anything but glibc."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from cli_support import GIGAWARP, SOURCE

BUILD = pathlib.Path(GIGAWARP).parent.parent


def script(name, *arguments):
    return subprocess.run([str(SOURCE / "packaging" / name), *map(str, arguments)], capture_output=True, text=True)


@unittest.skipUnless(shutil.which("patchelf"), "patchelf is not installed")
@unittest.skipUnless((BUILD / "cmake_install.cmake").exists(), "needs a build folder to install from")
class Bundle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory(prefix="gigawarp-")
        cls.folder = pathlib.Path(cls.kept.name) / "bundle"
        process = script("bundle.sh", "--build", BUILD, "--folder", cls.folder)
        assert process.returncode == 0, process.stdout + process.stderr

    @classmethod
    def tearDownClass(cls):
        cls.kept.cleanup()

    @unittest.skipUnless(os.geteuid() == 0, "another root folder can be entered by root alone")
    def test_it_registers_and_draws_with_nothing_but_glibc(self):
        process = script("check-bundle.sh", "--run", self.folder)
        self.assertEqual(process.returncode, 0, process.stdout + process.stderr)
        self.assertIn("runs with glibc alone", process.stdout)

    def test_the_check_finds_a_library_that_is_missing_or_must_not_travel(self):
        library = next(self.folder.glob("lib/libtbb.so*"))
        aside = library.rename(self.folder / "aside")
        process = script("check-bundle.sh", self.folder)
        aside.rename(library)
        self.assertNotEqual(process.returncode, 0)
        self.assertIn(f"needs {library.name}", process.stderr)
        driver = self.folder / "lib/fallback/libcuda.so.1"
        shutil.copy(library, driver)
        process = script("check-bundle.sh", self.folder)
        driver.unlink()
        self.assertNotEqual(process.returncode, 0)
        self.assertIn("libcuda.so.1 must not travel", process.stderr)

    def test_a_folder_that_exists_is_left_alone(self):
        process = script("bundle.sh", "--build", BUILD, "--folder", self.folder)
        self.assertEqual(process.returncode, 2)
        self.assertIn("exists already", process.stderr)


if __name__ == "__main__":
    unittest.main()
