"""The frame of the program: help, version, exit codes of wrong use."""

import os
import re
import subprocess
import tempfile
import unittest

from cli_support import DEVICE_FAULT, DOES_NOT_FIT, GIGAWARP, OK, USAGE, BAD_INPUT, run


def verbs():
    text = run("--help").stdout
    return re.findall(r"^  ([a-z]+) {2,}", text[text.index("Subcommands:"):], re.MULTILINE)


class Program(unittest.TestCase):
    def test_without_a_verb_and_without_a_display_it_says_so_and_fails(self):
        hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
        process = run(env={k: v for k, v in os.environ.items() if k not in hidden})
        self.assertEqual(process.returncode, USAGE)
        self.assertIn("no display", process.stderr)

    def test_without_a_verb_it_opens_a_window(self):
        environment = dict(os.environ, QT_QPA_PLATFORM="offscreen")
        with self.assertRaises(subprocess.TimeoutExpired):
            subprocess.run([GIGAWARP], env=environment, timeout=1.5, capture_output=True)

    def test_help_names_the_exit_codes(self):
        process = run("--help")
        self.assertEqual(process.returncode, OK)
        for code in range(8):
            self.assertRegex(process.stdout, rf"\b{code} [a-z]")

    def test_version_is_a_number(self):
        self.assertRegex(run("--version").stdout, r"^gigawarp \d+\.\d+\.\d+$")

    def test_every_verb_shows_one_example_of_itself(self):
        self.assertIn("register", verbs())
        for verb in verbs():
            with self.subTest(verb=verb):
                process = run(verb, "--help")
                self.assertEqual(process.returncode, OK)
                self.assertIn("Example", process.stdout)
                self.assertIn(f"gigawarp {verb} ", process.stdout)
                self.assertNotRegex(process.stdout, r":NONNEGATIVE|:\{")  # of the library that reads options

    def test_unknown_option_of_every_verb_is_wrong_use(self):
        for verb in verbs():
            with self.subTest(verb=verb):
                process = run(verb, "--no-such-option")
                self.assertEqual(process.returncode, USAGE)
                self.assertTrue(process.stderr.startswith("gigawarp: "), process.stderr)

    def test_unknown_verb_is_wrong_use(self):
        self.assertEqual(run("regsiter").returncode, USAGE)

    def test_missing_images_are_wrong_use(self):
        process = run("register", "--out", "/nonexistent/out")
        self.assertEqual(process.returncode, USAGE)
        self.assertIn("--fixed", process.stderr)

    def test_unknown_preset_lists_the_presets(self):
        process = run("register", "--fixed", "a", "--moving", "b", "--out", "c", "--preset", "brain-t2")
        self.assertEqual(process.returncode, USAGE)
        self.assertIn("brain-t1", process.stderr)

    def test_bad_levels_memory_spacing_and_stages_are_wrong_use(self):
        for option, value in [("--levels", "8-200"), ("--levels", "2x10,4x10"), ("--memory", "lots"),
                              ("--fixed-spacing", "0"), ("--stages", "rigid,wobbly"), ("--stages", ""), ("--metric", "ssd"),
                              ("--bins", "1000"), ("--threads", "-3"), ("--progress", "balloons"),
                              ("--control", "mouse"), ("--device", "gpu")]:
            with self.subTest(option=option, value=value):
                process = run("register", "--fixed", "a", "--moving", "b", "--out", "c", option, value)
                self.assertEqual(process.returncode, USAGE, process.stderr)

    def test_missing_file_is_bad_input_with_its_name(self):
        process = run("register", "--fixed", "nowhere.nii", "--moving", "b", "--out", "c")
        self.assertEqual(process.returncode, BAD_INPUT)
        self.assertIn("nowhere.nii", process.stderr)

    def test_resuming_where_no_run_was_says_so(self):
        process = run("register", "--resume", "--out", "nowhere")
        self.assertEqual(process.returncode, USAGE)
        self.assertIn("nowhere", process.stderr)

    def test_device_that_is_not_there_is_a_device_fault(self):
        process = run("register", "--fixed", "a", "--moving", "b", "--out", "c", "--device", "cuda:7")
        self.assertEqual(process.returncode, DEVICE_FAULT)
        for device, word in [("cuda:7,8", "cuda:7,8"), ("cpu:900", "slabs")]:
            process = run("bench", "--size", "16", "--device", device)
            self.assertEqual(process.returncode, DEVICE_FAULT)
            self.assertIn(word, process.stderr)

    def test_a_phantom_beyond_the_disk_is_refused_with_the_numbers(self):
        with tempfile.TemporaryDirectory() as folder:
            process = run("phantom", "--out", folder, "--size", "60000")
            self.assertEqual(process.returncode, DOES_NOT_FIT, process.stderr)
            self.assertRegex(process.stderr, r"GiB, but .* GiB are free")

    def test_devices_start_with_the_cpu(self):
        self.assertTrue(run("devices").stdout.startswith("cpu"))


if __name__ == "__main__":
    unittest.main()
