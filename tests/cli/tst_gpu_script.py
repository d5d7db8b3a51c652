"""tests/gpu.sh: what it runs for which options. Compilers and programs are stand-ins that say how they were called."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(os.environ["GIGAWARP_SOURCE"]) / "tests" / "gpu.sh"
BUILT = "build/gpu/tests/bench/"


class GpuScript(unittest.TestCase):
    def setUp(self):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self.folder = pathlib.Path(kept.name)
        (self.folder / "tests").mkdir()
        shutil.copy(SCRIPT, self.folder / "tests")
        for name in ["bin/nvcc", "bin/nvidia-smi", "bin/cmake", "bin/ninja", "bin/ctest", "bin/compute-sanitizer",
                     "bin/mpirun", BUILT + "bench_table", BUILT + "register_pair"]:
            program = self.folder / name
            program.parent.mkdir(parents=True, exist_ok=True)
            program.write_text(f'#!/bin/sh\necho "called {program.name} $*"\n')
            program.chmod(0o755)

    def calls(self, *options, programs=("ctest", "bench_table", "register_pair", "mpirun")):
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        process = subprocess.run([self.folder / "tests" / "gpu.sh", *options], env={**os.environ, "PATH": path},
                                 capture_output=True, text=True, timeout=50)
        self.assertEqual(process.returncode, 0, process.stdout + process.stderr)
        words = [line.split()[1:] for line in process.stdout.splitlines() if line.startswith("called ")]
        return [" ".join(call) if call[0] != "ctest" else "ctest" for call in words if call[0] in programs]

    def test_without_options_it_tests_and_prints_the_table(self):
        self.assertEqual(self.calls(), ["ctest", "bench_table 512 cuda:0"])

    def test_options_choose_what_is_measured(self):
        self.assertEqual(self.calls("--no-tests"), [])
        self.assertEqual(self.calls("--sanitize"), ["ctest"])
        self.assertEqual(self.calls("--sanitize=memcheck"), ["ctest"])
        self.assertEqual(self.calls("--bench", "64 cuda:1 3", "--bench", "128"),
                         ["ctest", "bench_table 64 cuda:1 3", "bench_table 128 cuda:0"])
        self.assertEqual(self.calls("--register", "--synthetic 64"), ["ctest", "register_pair --synthetic 64"])
        mpirun = self.calls("--mpirun", "2 bench_table 64 mpi:cuda")
        self.assertEqual([call.split()[0] for call in mpirun], ["ctest", "mpirun"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
