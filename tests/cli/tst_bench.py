"""bench: its table, its JSON, and what it refuses."""

import json
import pathlib
import tempfile
import unittest

from cli_support import DEVICE_FAULT, DOES_NOT_FIT, NOT_WRITTEN, OK, USAGE, run

QUICK = ["--size", "40,36,32", "--repeats", "1", "--threads", "1"]


class Bench(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.kept.name)
        cls.json = cls.folder / "bench.json"
        cls.process = run("bench", *QUICK, "--json", cls.json)
        assert cls.process.returncode == OK, cls.process.stderr
        cls.report = json.loads(cls.json.read_text())
        cls.rows = {row["operation"]: row for row in cls.report["rows"]}

    @classmethod
    def tearDownClass(cls):
        cls.kept.cleanup()

    def refused(self, code, *arguments, words=()):
        process = run("bench", *arguments)
        self.assertEqual(process.returncode, code, process.stderr)
        self.assertRegex(process.stderr, r"\Agigawarp: [^\n]+\.\n\Z")
        for word in words:
            self.assertIn(word, process.stderr)

    def test_json_says_where_when_and_how(self):
        self.assertRegex(self.report["version"], r"^\d+\.\d+\.\d+$")
        self.assertRegex(self.report["date"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertIn("bench --size 40,36,32", self.report["command"])
        self.assertEqual(self.report["size"], [40, 36, 32])
        self.assertEqual(self.report["repeats"], 1)
        machine = self.report["machine"]
        self.assertEqual((machine["device"], machine["threads"]), ("cpu", 1))
        self.assertTrue(machine["name"] and machine["instruction_set"])
        self.assertGreater(self.report["copy_gb_per_s"], 0.1)
        self.assertIsNone(self.report["device_peak_bytes"])

    def test_what_is_not_measured_is_said_the_same_way_in_text_and_json(self):
        lines = self.process.stdout.splitlines()
        self.assertRegex(lines[2], r" state B +peak B$")
        for name, row in self.rows.items():
            with self.subTest(operation=name):
                line = next(line for line in lines if line.startswith(name + " "))
                self.assertEqual(line.split()[-2:], [f"{row['state_bytes_per_voxel']:.1f}", "-"])
                self.assertIsNone(row["peak_bytes_per_voxel"])
        self.assertIn("peak of memory is not measured on the CPU", self.report["note"])
        self.assertEqual(lines[-1], self.report["note"])

    def test_every_operation_has_a_row(self):
        for name in ["warp, affine", "warp, quarter turn", "warp", "lncc, radius 2", "lncc, radius 3", "lncc, radius 5",
                     "lncc, radius 2, value", "lncc, radius 2, oblique turn", "lncc, radius 2, oblique turn, by rows", "mi histogram, 32 bins", "mi gradient, 64 bins", "mse",
                     "mse, value", "direction", "compose",
                     "repair_folds, none found", "downsample by 2", "upsample_field by 2",
                     "iteration, lncc radius 2", "iteration, lncc radius 2, symmetric", "iteration, mi 32 bins",
                     "linear, lncc radius 2", "linear, mi 32 bins", "linear, mse",
                     "apply, linear", "apply, label",
                     "jacobian_determinant", "invert", "inverse_error"]:
            self.assertIn(name, self.rows)
            self.assertIn(f"\n{name} ", self.process.stdout)

    def test_figures_of_a_row_agree_and_are_plausible(self):
        voxels = 40 * 36 * 32
        for name, row in self.rows.items():
            with self.subTest(operation=name):
                self.assertGreater(row["fastest_ms"], 0)
                self.assertLessEqual(row["fastest_ms"], row["ms"])
                self.assertLess(row["ms"], 10000)
                self.assertAlmostEqual(row["ns_per_voxel"], row["ms"] * 1e6 / voxels, places=6)
                self.assertAlmostEqual(row["gb_per_s"], row["bytes_per_voxel"] / row["ns_per_voxel"], places=6)
                self.assertAlmostEqual(row["copy_fraction"], row["gb_per_s"] / self.report["copy_gb_per_s"],
                                       places=6)
                self.assertTrue(0 < row["copy_fraction"] < 2, row)
                self.assertTrue(2 < row["bytes_per_voxel"] < 200, row)
                self.assertTrue(2 < row["state_bytes_per_voxel"] <= 60, row)

    def test_bytes_are_counted_as_the_contracts_say(self):
        bytes_of = {name: row["bytes_per_voxel"] for name, row in self.rows.items()}
        self.assertEqual(bytes_of["warp"], 12 + 2 + 4)
        self.assertEqual(bytes_of["direction"], 22 + 22)
        self.assertEqual(bytes_of["compose"], 24 + 12)
        passes = ["warp", "lncc, radius 2", "direction", "compose", "repair_folds, none found"]
        self.assertEqual(bytes_of["iteration, lncc radius 2"], sum(bytes_of[name] for name in passes))

    def test_metrics_radii_and_bins_can_be_chosen(self):
        out = self.folder / "chosen.json"
        process = run("bench", *QUICK, "--metric", "lncc,mi", "--radius", "4", "--bins", "16", "--json", out)
        self.assertEqual(process.returncode, OK, process.stderr)
        names = [row["operation"] for row in json.loads(out.read_text())["rows"]]
        self.assertIn("lncc, radius 4", names)
        self.assertIn("iteration, mi 16 bins", names)
        self.assertNotIn("lncc, radius 2", names)
        self.assertNotIn("mse", names)

    def test_wrong_use_is_refused_in_one_sentence(self):
        for option, value in [("--size", "0"), ("--size", "-5"), ("--size", "12.5"), ("--size", "4,4"),
                              ("--size", "big"), ("--size", "1e30"), ("--metric", "ssd"), ("--radius", "99"),
                              ("--bins", "1000"), ("--repeats", "0"), ("--threads", "-1"), ("--device", "gpu")]:
            with self.subTest(option=option, value=value):
                self.refused(USAGE, f"{option}={value}", words=[option])

    def test_a_size_beyond_the_memory_is_refused_before_it_is_taken(self):
        self.refused(DOES_NOT_FIT, "--size", "65536", words=["MiB"])

    def test_a_device_that_is_not_there_is_a_device_fault(self):
        self.refused(DEVICE_FAULT, "--device", "cuda:0", words=["cuda:0"])

    def test_a_json_file_that_cannot_be_written_is_said(self):
        process = run("bench", *QUICK, "--metric", "mse", "--json", self.folder / "nowhere" / "x.json")
        self.assertEqual(process.returncode, NOT_WRITTEN, process.stderr)


if __name__ == "__main__":
    unittest.main()
