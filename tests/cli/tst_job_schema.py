"""resources/job.schema.json tells the truth about what the program reads and writes."""

import copy
import json
import pathlib
import sys
import tempfile
import unittest

from cli_support import BAD_INPUT, DEVICE_FAULT, SOURCE, USAGE, run

try:
    import jsonschema
except ImportError as missing:
    print(f"skipped: {missing}; install packaging/test-requirements.txt")
    sys.exit(77)

SCHEMA = json.loads((SOURCE / "resources" / "job.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
PRESETS = sorted((SOURCE / "resources" / "presets").glob("*.json"))

BASE = {"version": 1, "fixed": ["no-such-fixed.nii"], "moving": ["no-such-moving.nii"],
        "output_directory": "/nonexistent/gigawarp",
        "stages": [{"kind": "affine", "metric": {"kind": "mi", "bins": 32}, "levels": [{"shrink": 2, "iterations": 5}]},
                   {"kind": "greedy", "levels": [{"shrink": 4, "iterations": 5}, {"shrink": 2, "iterations": 5}]}]}


def put(job, path, value):
    """A copy of the job with the value at a path such as ("stages", 0, "levels")."""
    job = copy.deepcopy(job)
    target = job
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return job


class Schema(unittest.TestCase):
    def verdict(self, job):
        """Exit code of a run: wrong use when the job is refused, bad input when only its files are missing."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "job.json"
            path.write_text(job if isinstance(job, str) else json.dumps(job))
            process = run("register", "--job", path)
            return process.returncode, process.stderr

    def test_schema_is_a_schema(self):
        jsonschema.Draft202012Validator.check_schema(SCHEMA)

    def test_presets_fit_the_schema_and_carry_their_name(self):
        self.assertGreaterEqual(len(PRESETS), 4)
        for path in PRESETS:
            with self.subTest(preset=path.name):
                preset = json.loads(path.read_text())
                VALIDATOR.validate(preset)
                self.assertEqual(preset["preset"], path.stem)
                code, words = self.verdict({**BASE, **preset})
                self.assertEqual(code, BAD_INPUT, words)

    def test_program_and_schema_refuse_the_same_jobs(self):
        wrong = [
            (("version",), 2), (("version",), "1"), (("fixd",), ["a"]), (("fixed",), 3),
            (("stages", 0, "kind"), "rigit"), (("stages", 0, "metric"), {"kind": "mi", "bins": 15}),
            (("stages", 0, "metric"), {"kind": "mi", "bins": 16.5}), (("stages", 1, "metric"), {"radius": 17}),
            (("stages", 0, "metric"), []), (("stages", 0, "levels"), []),
            (("stages", 0, "levels", 0, "shrink"), 0), (("stages", 0, "levels", 0, "iterations"), "5"),
            (("stages", 0, "level"), []), (("stages", 1, "learning_rate"), 0), (("stages", 1, "learning_rate"), 2),
            (("stages", 1, "sigma_warp_voxels"), -1), (("stages", 1, "minimum_jacobian"), 1),
            (("stages", 1, "convergence_window"), 1), (("device",), "gpu"), (("device",), "cuda:"),
            (("device",), "cuda:0,"), (("device",), "cuda:0,,1"), (("device",), "cuda:0,all"), (("device",), "cpu:"),
            (("device",), "cpu:1,2"), (("threads",), -1), (("memory_bytes",), -1), (("compress",), "yes"),
            (("fixed_spacing_mm",), [1, 1]), (("fixed_spacing_mm",), [1, 1, 0]), (("channel_weights",), [-1]),
            (("initialisation",), "luck"), (("stages",), {}), (("write_inverse",), 1)]
        for path, value in wrong:
            with self.subTest(path=path, value=value):
                job = put(BASE, path, value)
                self.assertFalse(VALIDATOR.is_valid(job))
                code, words = self.verdict(job)
                self.assertEqual(code, USAGE, words)

    def test_program_and_schema_accept_the_same_jobs(self):
        right = [(("fixed",), "one-file.nii"), (("description",), "why"), (("stages", 0, "kind"), "similarity"),
                 (("stages", 1, "kind"), "syn"), (("stages", 1, "metric"), {"kind": "lncc", "window": "gaussian"}),
                 (("threads",), 2), (("fixed_spacing_mm",), [0.005, 0.005, 0.01]), (("channel_weights",), [2]),
                 (("memory_bytes",), 17179869184), (("device",), "cpu"), (("device",), "cpu:3"),
                 (("initialisation",), "moments")]
        for path, value in right:
            with self.subTest(path=path, value=value):
                job = put(BASE, path, value)
                VALIDATOR.validate(job)
                code, words = self.verdict(job)
                self.assertEqual(code, BAD_INPUT, words)

    def test_program_and_schema_know_several_gpus(self):
        for device in ["cuda:0,1", "cuda:3,1,7", "cuda:all"]:
            with self.subTest(device=device):
                job = put(BASE, ("device",), device)
                VALIDATOR.validate(job)
                code, words = self.verdict(job)  # whether or not this machine has them
                self.assertIn(code, (BAD_INPUT, DEVICE_FAULT), words)

    def test_a_misspelt_key_is_named_with_the_likely_one(self):
        words = self.verdict(put(BASE, ("stages", 0, "metric"), {"kind": "mi", "bns": 32}))[1]
        self.assertIn("bns", words)
        self.assertIn('"bins"', words)
        self.assertIn("stages[0].metric", words)

    def test_a_mistake_in_the_text_is_placed_by_its_line(self):
        self.assertIn("line 3", self.verdict('{\n"version": 1,\n"fixed" ["a"]\n}')[1])


if __name__ == "__main__":
    unittest.main()
