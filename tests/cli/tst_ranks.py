"""One registration over several processes started by mpirun, on the CPU: the bytes of one process."""

import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import time
import unittest

from cli_support import (BAD_INPUT, CANCELLED, DOES_NOT_FIT, GIGAWARP, OK, OUTPUTS, USAGE, PairCase, digests, leftovers, result,
                         run)

HAS_MPI = os.environ.get("GIGAWARP_HAS_MPI") == "1"
MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]
# No level ends early, so that the moments named below come.
STAGES = [{"kind": "affine", "metric": {"kind": "mi"}, "levels": [{"shrink": 2, "iterations": 10}]},
          {"kind": "greedy", "metric": {"kind": "lncc"}, "convergence_slope": 0,
           "levels": [{"shrink": 2, "iterations": 20}, {"shrink": 1, "iterations": 12}]}]


class Refused(unittest.TestCase):
    @unittest.skipIf(HAS_MPI, "this build has MPI")
    def test_a_build_without_mpi_says_so(self):
        process = run("register", "--fixed", "a.nii", "--moving", "b.nii", "--out", "nowhere", "--device", "mpi")
        self.assertEqual(process.returncode, USAGE)
        self.assertIn("GIGAWARP_MPI", process.stderr)

    def test_other_names_are_refused(self):
        process = run("register", "--fixed", "a.nii", "--moving", "b.nii", "--out", "nowhere", "--device", "mpi:gpu")
        self.assertEqual(process.returncode, USAGE)
        self.assertIn("mpi", process.stderr)


@unittest.skipUnless(HAS_MPI and shutil.which("mpirun"), "this build has no MPI, or mpirun is not here")
class Ranks(PairCase):
    shape = (42, 48, 37)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.job_file = cls.folder / "stages.json"
        cls.job_file.write_text(json.dumps({"version": 1, "stages": STAGES}))
        cls.reference = cls.folder / "reference"
        process = run("register", *cls.job(cls.reference), "--device", "cpu")
        assert process.returncode == OK, process.stderr

    @classmethod
    def job(cls, out):
        return list(map(str, ["--job", cls.job_file, "--fixed", cls.fixed, "--moving", cls.moving, "--fixed-labels",
                              cls.fixed_labels, "--out", out]))

    def ranks(self, count, *arguments):
        return subprocess.run([*MPIRUN, "-n", str(count), GIGAWARP, *map(str, arguments)], capture_output=True,
                              text=True, timeout=200)

    def start(self, count, *arguments, last_words_s=1):
        """`last_words_s`: what mpirun leaves the others of a process that died."""
        launcher = [*MPIRUN, "--mca", "odls_base_sigkill_timeout", str(last_words_s), "-n", str(count)]
        return subprocess.Popen([*launcher, GIGAWARP, *map(str, arguments)], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def until(self, process, stage, level, iteration):
        for line in process.stdout:
            event = json.loads(line)
            if (event["event"] == "iteration" and event["stage"] == stage and event["level"] >= level
                    and event["iteration"] >= iteration):
                return
        self.fail("the run ended too early: " + process.stderr.read())

    def expect_reference(self, out):
        names = [*OUTPUTS, "fixed_labels_on_moving.nii.gz"]
        self.assertEqual(digests(out, names), digests(self.reference, names))
        self.assertEqual(leftovers(out), leftovers(self.reference))

    def test_two_and_three_processes_write_the_bytes_of_one(self):
        for count in (1, 2, 3):
            with self.subTest(count=count):
                out = self.folder / f"ranks{count}"
                process = self.ranks(count, "register", *self.job(out), "--device", "mpi:cpu", "--progress", "lines")
                self.assertEqual(process.returncode, OK, process.stderr)
                self.expect_reference(out)
                mine, one = result(out), result(self.reference)
                self.assertEqual([level["losses"] for level in mine["levels"]],
                                 [level["losses"] for level in one["levels"]])
                self.assertEqual(process.stdout.count("1Warp.nii.gz"), 1, "only the first rank speaks")

    def test_cancelled_runs_go_on_with_another_number_of_processes(self):
        out = self.folder / "cancelled"
        process = self.start(3, "register", *self.job(out), "--device", "mpi:cpu", "--progress", "json", "--control",
                             "stdin", "--checkpoint-every", "0")
        self.until(process, "greedy", 0, 5)
        for command in ("pause", "resume", "cancel"):
            process.stdin.write(json.dumps({"command": command}) + "\n")
            process.stdin.flush()
            if command == "pause":  # once it goes on, a quick machine is at its end soon
                time.sleep(0.3)
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, CANCELLED, err)
        self.assert_one_sentence(subprocess.CompletedProcess([], 0, "", err), "--resume")
        self.assertNotIn("1Warp.nii.gz", leftovers(out))
        again = self.ranks(2, "register", "--resume", "--out", out, "--device", "mpi:cpu")
        self.assertEqual(again.returncode, OK, again.stderr)
        self.expect_reference(out)
        done = self.ranks(2, "register", "--resume", "--out", out, "--device", "mpi:cpu")
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertIn("already complete", done.stdout)

    def rank_pids(self, process):
        """Of the ranks that mpirun started, in their order."""
        children = [int(pid) for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir()
                    for pid in (task / "children").read_text().split()]
        ranks = [pid for pid in children if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "gigawarp"]

        def number(pid):
            environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            return int(next(e for e in environment if e.startswith(b"OMPI_COMM_WORLD_RANK=")).split(b"=")[1])
        return sorted(ranks, key=number)

    def test_a_killed_process_ends_the_run_with_a_sentence_and_the_checkpoint_is_good(self):
        for killed in (1, 0):
            with self.subTest(killed=killed):
                out = self.folder / f"killed{killed}"
                process = self.start(3, "register", *self.job(out), "--device", "mpi:cpu", "--progress", "json",
                                     "--checkpoint-every", "0", last_words_s=4)  # a second is little on a busy machine
                self.until(process, "greedy", 1, 2)
                ranks = self.rank_pids(process)
                self.assertEqual(len(ranks), 3)
                os.kill(ranks[killed], signal.SIGKILL)
                _, err = process.communicate(timeout=60)
                self.assertNotEqual(process.returncode, OK)
                self.assert_one_sentence(subprocess.CompletedProcess([], 0, "", err), f"Rank {killed}", "--resume")
                again = run("register", "--resume", "--out", out, "--device", "cpu")
                self.assertEqual(again.returncode, OK, again.stderr)
                self.expect_reference(out)

    def test_a_rank_without_memory_ends_the_run_with_its_sentence_and_the_checkpoint_is_good(self):
        out = self.folder / "full"
        process = self.start(2, "register", *self.job(out), "--device", "mpi:cpu", "--progress", "json",
                             "--checkpoint-every", "0")
        self.until(process, "greedy", 0, 3)
        pid = self.rank_pids(process)[1]
        size = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
        resource.prlimit(pid, resource.RLIMIT_AS, (size, size))  # not one more page
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, DOES_NOT_FIT, err)
        self.assert_one_sentence(subprocess.CompletedProcess([], 0, "", err), "Rank 1", "memory")
        again = self.ranks(3, "register", "--resume", "--out", out, "--device", "mpi:cpu")
        self.assertEqual(again.returncode, OK, again.stderr)
        self.expect_reference(out)

    def converted(self, kind, *options):
        """The pair in files that can be read out of order."""
        names = []
        for image in (self.fixed, self.moving):
            names.append(self.folder / image.name.replace(".nii.gz", kind))
            if not names[-1].exists():
                process = run("convert", image, names[-1], *options)
                self.assertEqual(process.returncode, OK, process.stderr)
        return names

    def test_files_that_are_read_by_planes_give_the_bytes_of_one_process(self):
        fixed, moving = self.converted(".nii")
        out = self.folder / "planes"
        process = self.ranks(3, "register", "--job", self.job_file, "--fixed", fixed, "--moving", moving, "--fixed-labels",
                             self.fixed_labels, "--out", out, "--device", "mpi:cpu")
        self.assertEqual(process.returncode, OK, process.stderr)
        self.expect_reference(out)
        self.assertEqual(result(out)["measures"], result(self.reference)["measures"])

    def test_coarse_levels_of_files_give_the_bytes_of_one_process(self):
        fixed, moving = self.converted(".ome.zarr")
        arguments = ["register", "--fixed", fixed, "--moving", moving, "--levels", "2x12", "--warp-grid", "full"]
        one, ranks = self.folder / "coarse1", self.folder / "coarse3"
        process = run(*arguments, "--out", one, "--device", "cpu")
        self.assertEqual(process.returncode, OK, process.stderr)
        process = self.ranks(3, *arguments, "--out", ranks, "--device", "mpi:cpu")
        self.assertEqual(process.returncode, OK, process.stderr)
        self.assertEqual(digests(ranks), digests(one))
        self.assertEqual(result(ranks)["notes"], result(one)["notes"])

    def test_a_rank_whose_file_is_cut_off_ends_the_run_with_its_sentence(self):
        fixed, moving = self.converted(".nii")
        cut = self.folder / "cut.nii"
        cut.write_bytes(moving.read_bytes()[:-5000])
        out = self.folder / "cut"

        def arguments(image):
            return [GIGAWARP, "register", "--job", str(self.job_file), "--fixed", str(fixed), "--moving", str(image),
                    "--out", str(out), "--device", "mpi:cpu"]
        process = subprocess.run([*MPIRUN, "-n", "1", *arguments(moving), ":", "-n", "1", *arguments(cut)],
                                 capture_output=True, text=True, timeout=100)
        self.assertEqual(process.returncode, BAD_INPUT, process.stderr)
        self.assert_one_sentence(process, "Rank 1", "cut.nii")
        self.assertEqual(leftovers(out), [])

    def test_a_rank_that_fails_ends_the_run_with_its_sentence(self):
        out = self.folder / "failed"
        arguments = ["register", *self.job(out), "--device", "mpi:cpu"]
        other = [word if word != str(self.moving) else str(self.folder / "gone.nii.gz") for word in arguments]
        process = subprocess.run([*MPIRUN, "-n", "1", GIGAWARP, *arguments, ":", "-n", "1", GIGAWARP, *other],
                                 capture_output=True, text=True, timeout=100)
        self.assertEqual(process.returncode, BAD_INPUT, process.stderr)
        self.assert_one_sentence(process, "Rank 1", "gone.nii.gz")
        self.assertEqual(leftovers(out), [])

    def test_what_a_process_holds_falls_with_their_number(self):
        pair = self.folder / "large"
        process = run("phantom", "--out", pair, "--size", "160", "--stream", "--no-warp")
        self.assertEqual(process.returncode, OK, process.stderr)
        job = self.folder / "large.json"
        job.write_text(json.dumps({"version": 1, "stages": [
            {"kind": "greedy", "metric": {"kind": "lncc"}, "levels": [{"shrink": 1, "iterations": 50}]}]}))

        def largest_mib(count):
            process = self.start(count, "register", "--job", job, "--fixed", pair / "fixed.nii", "--moving",
                                 pair / "moving.nii", "--out", self.folder / f"large{count}", "--device", "mpi:cpu",
                                 "--progress", "json")
            self.until(process, "greedy", 0, 2)
            peaks = [int(line.split()[1]) / 1024 for pid in self.rank_pids(process)
                     for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
                     if line.startswith("VmHWM:")]
            process.terminate()
            process.communicate(timeout=60)
            self.assertEqual(len(peaks), count)
            return max(peaks)
        one, two, four = (largest_mib(count) for count in (1, 2, 4))
        # 50 bytes per voxel make 200 MiB; program and libraries are 60 of each, and stay.
        self.assertGreater(one, 220)
        self.assertLess(two, 0.75 * one)
        self.assertLess(four, 0.55 * one)

    def test_processes_that_do_not_see_one_another_say_so(self):
        out = self.folder / "apart"
        for launcher in ("PMI_SIZE", "SLURM_STEP_NUM_TASKS"):
            process = subprocess.run([GIGAWARP, "register", *self.job(out), "--device", "mpi:cpu"], capture_output=True,
                                     text=True, timeout=100, env={**os.environ, launcher: "4"})
            self.assertEqual(process.returncode, USAGE, process.stderr)
            self.assert_one_sentence(process, "4 processes", "mpirun", "--mpi=pmix")

    def test_processes_that_each_begin_the_same_run_are_told_of_mpi(self):
        out = self.folder / "each"
        process = self.ranks(2, "register", *self.job(out), "--device", "cpu")
        self.assertEqual(process.returncode, USAGE, process.stderr)
        self.assertIn("--device mpi", process.stderr)

    def test_the_plan_says_what_every_rank_takes(self):
        process = self.ranks(3, "plan", *self.job(self.folder / "planned"), "--device", "mpi:cpu", "--json")
        self.assertEqual(process.returncode, OK, process.stderr)
        plan = json.loads(process.stdout)
        self.assertEqual([gpu["device"] for gpu in plan["gpus"]], ["rank 0 (cpu)", "rank 1 (cpu)", "rank 2 (cpu)"])
        self.assertEqual(plan["gpus"][0]["planes"][0], 0)
        self.assertEqual(plan["gpus"][2]["planes"][1], 37)
        self.assertTrue(all(gpu["needed_bytes"] > 0 for gpu in plan["gpus"]))
        # All of this host, whose memory they share.
        self.assertEqual([gpu["host"] for gpu in plan["gpus"]], [0, 0, 0])
        self.assertEqual(plan["memory"]["needed_bytes"], sum(gpu["needed_bytes"] for gpu in plan["gpus"]))
        shown = self.ranks(3, "plan", *self.job(self.folder / "planned"), "--device", "mpi:cpu")
        self.assertEqual(shown.stdout.count("  rank "), 3, shown.stdout)

    def test_unequal_budgets_give_unequal_slabs_and_too_small_ones_are_refused(self):
        def plan(*memory):
            command = list(MPIRUN)
            for budget in memory:
                command += [":"] * (len(command) > len(MPIRUN)) + [
                    "-n", "1", GIGAWARP, "plan", *self.job(self.folder / "planned"), "--device", "mpi:cpu", "--json",
                    "--memory", budget]
            return subprocess.run(command, capture_output=True, text=True, timeout=100)
        process = plan("2G", "1G")
        self.assertEqual(process.returncode, OK, process.stderr)
        planes = [gpu["planes"] for gpu in json.loads(process.stdout)["gpus"]]
        self.assertEqual(planes, [[0, 25], [25, 37]])
        process = plan("2G", "20M")
        self.assertEqual(process.returncode, DOES_NOT_FIT, process.stderr)
        self.assert_one_sentence(process, "rank 1 (cpu)", "20 MiB", "--memory")

    def test_bench_shows_what_ranks_say_to_one_another(self):
        file = self.folder / "bench.json"
        process = self.ranks(3, "bench", "--size", "32", "--repeats", "1", "--metric", "lncc", "--radius", "2",
                             "--device", "mpi:cpu", "--json", file)
        self.assertEqual(process.returncode, OK, process.stderr)
        self.assertEqual(process.stdout.count("iteration, lncc radius 2 "), 1, process.stdout)
        rows = {row["operation"]: row for row in json.loads(file.read_text())["rows"]}
        row = rows["iteration, lncc radius 2"]
        self.assertGreater(row["received_bytes"], 32 * 32 * 4)
        self.assertGreater(row["communication_ms"], 0)
        self.assertGreaterEqual(row["waiting_ms"], 0)
        for row in rows.values():
            self.assertLess(row["peak_bytes_per_voxel"], 200, "the copy's 512 MiB are no row's")
            self.assertRegex(process.stdout, rf"\n{re.escape(row['operation'])} .* {row['peak_bytes_per_voxel']:.1f}[ \n]")


if __name__ == "__main__":
    unittest.main(verbosity=2)
