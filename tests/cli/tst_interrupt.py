"""Runs that are stopped: cancel, pause, kill; and that go on to the very bytes of an undisturbed run."""

import array
import fcntl
import json
import pathlib
import resource
import signal
import subprocess
import tempfile
import termios
import time
import unittest

import nibabel
import numpy as np

from cli_support import CANCELLED, NOT_WRITTEN, OK, OUTPUTS, USAGE, PairCase, digest, digests, leftovers, run, start

# No level ends early, so that every moment named below comes, whatever the presets say.
STAGES = [{"kind": "rigid", "metric": {"kind": "mi"}, "levels": [{"shrink": 2, "iterations": 20}]},
          {"kind": "affine", "metric": {"kind": "mi"}, "levels": [{"shrink": 2, "iterations": 20}]},
          {"kind": "greedy", "metric": {"kind": "lncc"}, "convergence_slope": 0,
           "levels": [{"shrink": 2, "iterations": 60}, {"shrink": 1, "iterations": 40}]}]


class Interrupt(PairCase):
    shape = (56, 64, 48)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.job_file = cls.folder / "job.json"
        cls.job_file.write_text(json.dumps({"version": 1, "stages": STAGES}))
        cls.reference = cls.folder / "reference"
        process = run("register", *cls.job(cls.reference))
        assert process.returncode == OK, process.stderr

    @classmethod
    def job(cls, out):
        return ["--job", cls.job_file, "--fixed", cls.fixed, "--moving", cls.moving, "--out", out, "--progress", "json",
                "--checkpoint-every", "0"]

    def run_until(self, out, wanted, *arguments, **options):
        """Starts a run and returns it with the event at which `wanted(event)` became true."""
        process = start("register", *self.job(out), *arguments, **options)
        for line in process.stdout:
            event = json.loads(line)
            if wanted(event):
                return process, event
        self.fail("the run ended too early: " + process.stderr.read())

    def resumed(self, out):
        process = run("register", "--resume", "--out", out)
        self.assertEqual(process.returncode, OK, process.stderr)
        self.assertEqual(digests(out), digests(self.reference))
        self.assertEqual(leftovers(out), leftovers(self.reference))
        return process

    @staticmethod
    def at(stage, level=0, iteration=1):
        return lambda e: (e["event"] == "iteration" and e["stage"] == stage and e["level"] >= level
                          and e["iteration"] >= iteration)

    def finish(self, process, timeout=60):
        out, err = process.communicate(timeout=timeout)
        return out, err

    def test_interrupt_and_terminate_cancel_with_a_checkpoint(self):
        for number, (sent, moment) in enumerate([(signal.SIGINT, self.at("greedy", 0, 37)),
                                                 (signal.SIGTERM, self.at("greedy", 1, 3)),
                                                 (signal.SIGINT, self.at("affine", 0, 1))]):
            with self.subTest(signal=sent, number=number):
                out = self.folder / f"cancelled{number}"
                process, _ = self.run_until(out, moment)
                began = time.monotonic()
                process.send_signal(sent)
                _, err = self.finish(process)
                self.assertEqual(process.returncode, CANCELLED, err)
                self.assertLess(time.monotonic() - began, 5)
                self.assertIn("--resume", err)
                self.assertNotIn("1Warp.nii.gz", leftovers(out))
                again = run("register", *self.job(out))
                self.assertEqual(again.returncode, USAGE)
                self.resumed(out)

    def test_a_run_over_several_devices_goes_on_over_another_number_of_them(self):
        out = self.folder / "devices"
        process, _ = self.run_until(out, self.at("greedy", 0, 20), "--device", "cpu:3")
        process.kill()
        self.finish(process)
        again = run("register", "--resume", "--out", out, "--device", "cpu:2")
        self.assertEqual(again.returncode, OK, again.stderr)
        self.assertEqual(digests(out), digests(self.reference))

    def test_the_second_interrupt_ends_a_run_that_cannot_end_by_itself(self):
        out = self.folder / "impatient"
        process = start("register", *self.job(out), pipesize=4096)  # nobody reads: soon the run waits for room

        def unread():
            count = array.array("i", [0])
            fcntl.ioctl(process.stdout, termios.FIONREAD, count)
            return count[0]

        before, still = 0, 0
        while still < 6:  # full: nothing more came for three seconds, also where the machine is busy
            time.sleep(0.5)
            now = unread()
            still = still + 1 if now == before and now > 0 else 0
            before = now
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=2), CANCELLED)
        process.communicate()
        self.resumed(out)

    def test_a_disk_that_fills_during_the_writing_leaves_no_half_file(self):
        out = self.folder / "filled"
        sizes = sorted((self.reference / name).stat().st_size for name in OUTPUTS)

        def limit():  # a write beyond it fails as one to a full disk does
            resource.setrlimit(resource.RLIMIT_FSIZE, (sizes[-1] - 1000, resource.RLIM_INFINITY))

        # No checkpoint grows as large as the warp: none is asked for.
        job = [a if a != "0" else "3600" for a in map(str, self.job(out))]
        process = run("register", *job, preexec_fn=limit)
        self.assertEqual(process.returncode, NOT_WRITTEN, process.stderr)
        self.assert_one_sentence(process, "space")
        self.assertEqual([n for n in leftovers(out) if n in OUTPUTS or n == "result.json"], [])
        whole = {pathlib.Path(n).name for n in leftovers(out) if n.startswith(".writing/")}
        self.assertLess(len(whole), len(OUTPUTS))
        for name in whole & set(OUTPUTS):
            self.assertEqual(digest(out / ".writing" / name), digest(self.reference / name))
        self.resumed(out)

    def test_killed_at_any_moment_it_goes_on(self):
        moments = [self.at("rigid", 0, 1), self.at("affine", 0, 1), self.at("greedy", 0, 1),
                   self.at("greedy", 0, 45), self.at("greedy", 1, 25),
                   lambda e: e["event"] == "stage_started" and e.get("stage") == "write"]
        for number, moment in enumerate(moments):
            with self.subTest(moment=number):
                out = self.folder / f"killed{number}"
                process, _ = self.run_until(out, moment)
                process.kill()
                self.finish(process)
                self.assertEqual(process.returncode, -signal.SIGKILL)
                self.assertNotIn("result.json", leftovers(out))
                self.resumed(out)

    def test_killed_twice_it_goes_on(self):
        out = self.folder / "killed-twice"
        for moment in (self.at("greedy", 0, 20), self.at("greedy", 1, 30)):
            arguments = ["--resume"] if out.exists() else []
            process, _ = self.run_until(out, moment, *arguments)
            process.kill()
            self.finish(process)
        self.resumed(out)

    def test_a_finished_run_resumes_to_itself(self):
        before = digest(self.reference / "result.json")
        process = run("register", "--resume", "--out", self.reference)
        self.assertEqual(process.returncode, OK, process.stderr)
        self.assertIn("already complete", process.stdout)
        self.assertEqual(digest(self.reference / "result.json"), before)

    def cancelled_run(self, name):
        out = self.folder / name
        process, _ = self.run_until(out, self.at("greedy", 1, 5))
        process.send_signal(signal.SIGINT)
        self.finish(process)
        return out

    def test_other_settings_do_not_resume(self):
        out = self.cancelled_run("other-settings")
        process = run("register", "--resume", "--out", out, "--levels", "2x61,1x40")
        self.assertEqual(process.returncode, USAGE)
        self.assert_one_sentence(process, "settings")
        self.resumed(out)

    def test_a_damaged_checkpoint_is_refused(self):
        out = self.cancelled_run("damaged")
        array = max(out.glob("checkpoint/*.bin"), key=lambda p: p.stat().st_size)
        data = bytearray(array.read_bytes())
        data[len(data) // 2] ^= 1
        array.write_bytes(data)
        process = run("register", "--resume", "--out", out)
        self.assertEqual(process.returncode, 3, process.stderr)
        self.assert_one_sentence(process, "damaged", "--overwrite")

    def test_pause_resume_and_cancel_come_by_stdin(self):
        out = self.folder / "commanded"
        process, _ = self.run_until(out, self.at("greedy", 0, 5), "--control", "stdin", stdin=subprocess.PIPE)

        def say(command):
            process.stdin.write(json.dumps({"command": command}) + "\n")
            process.stdin.flush()

        def wait_for(name):
            for line in process.stdout:
                if json.loads(line)["event"] == name:
                    return
            self.fail(f"no {name}: " + process.stderr.read())

        say("pause")
        wait_for("paused")
        say("checkpoint")
        say("resume")
        wait_for("resumed")
        wait_for("iteration")
        say("cancel")
        _, err = self.finish(process)
        self.assertEqual(process.returncode, CANCELLED, err)
        self.resumed(out)

    def test_a_paused_run_can_be_cancelled(self):
        out = self.folder / "paused"
        process, _ = self.run_until(out, self.at("greedy", 0, 5), "--control", "stdin", stdin=subprocess.PIPE)
        process.stdin.write('{"command": "pause"}\n')
        process.stdin.flush()
        for line in process.stdout:
            if json.loads(line)["event"] == "paused":
                break
        process.send_signal(signal.SIGTERM)
        _, err = self.finish(process, timeout=10)
        self.assertEqual(process.returncode, CANCELLED, err)

    def test_a_second_run_in_the_same_folder_is_refused(self):
        out = self.folder / "busy"
        process, _ = self.run_until(out, self.at("greedy", 0, 5))
        second = run("register", *self.job(out), "--overwrite")
        self.assertEqual(second.returncode, USAGE)
        self.assertIn("Another run", second.stderr)
        process.kill()
        self.finish(process)



class ReadingPass(unittest.TestCase):
    """A signal while gigabytes are read ends the pass, not only what comes after it."""

    shape = (1024, 1024, 1000)

    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.kept.name)
        cls.image = cls.folder / "large.nii"
        header = nibabel.Nifti1Header()
        header.set_data_shape(cls.shape)
        header.set_data_dtype(np.float32)
        header.set_xyzt_units("mm")
        header.set_sform(np.diag([0.1, 0.1, 0.1, 1]), code=1)
        header["vox_offset"] = 352
        header["magic"] = b"n+1"
        with open(cls.image, "wb") as file:  # nothing but holes: it takes time to read, and no disk
            file.write(header.binaryblock + bytes(4))
            file.truncate(352 + 4 * int(np.prod(cls.shape)))
        cls.affine = cls.folder / "affine.txt"
        cls.affine.write_text("#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
                              "Parameters: 1 0 0 0 1 0 0 0 1 0 0 0\nFixedParameters: 0 0 0\n")

    @classmethod
    def tearDownClass(cls):
        cls.kept.cleanup()

    def stopped(self, out, *arguments):
        """Seconds from a signal in the pass to the end."""
        process = start(*arguments)
        time.sleep(1.5)
        self.assertIsNone(process.poll(), "it ended before the signal")
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, CANCELLED, err)
        self.assertEqual(leftovers(out), [])
        return time.monotonic() - began

    def test_of_a_registration(self):
        out = self.folder / "run"
        seconds = self.stopped(out, "register", "--fixed", self.image, "--moving", self.image, "--levels", "8x5",
                               "--device", "cpu", "--warp-grid", "level", "--no-warped", "--out", out)
        self.assertLess(seconds, 10)

    def test_of_a_quality_check(self):
        out = self.folder / "maps"
        out.mkdir()
        seconds = self.stopped(out, "qc", "--fixed", self.image, "--moving", self.image, "--transform", self.affine,
                               "--memory", "900M", "--json", out / "qc.json")
        self.assertLess(seconds, 10)

    def test_of_a_conversion(self):
        out = self.folder / "converted"
        out.mkdir()
        seconds = self.stopped(out, "convert", self.image, out / "large.ome.zarr")
        self.assertLess(seconds, 10)


if __name__ == "__main__":
    unittest.main()
