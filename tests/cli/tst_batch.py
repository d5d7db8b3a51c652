"""Many pairs: lists, folders, what is skipped, resumed, survived and told."""

import csv
import json
import os
import pathlib
import re
import shutil
import signal
import time
import unittest

import nibabel
import numpy as np

from cli_support import (BAD_INPUT, CANCELLED, OK, USAGE, PairCase, digests, head, leftovers, result, run, save,
                         start)


def rows(folder):
    with open(pathlib.Path(folder) / "summary.csv", newline="") as file:
        return list(csv.DictReader(file))


def state_of(folder, name):
    return next(row["state"] for row in rows(folder) if row["name"] == name)


class Batch(PairCase):
    shape = (32, 36, 28)

    def write_list(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def batch(self, source, out, *arguments, expect=OK):
        process = run("batch", source, "--out", self.folder / out, "--progress", "lines", *arguments)
        self.assertEqual(process.returncode, expect, process.stderr)
        return process

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.second = save(head(cls.shape, shift=(-1.0, 1.0, 0.5), bend=-1.0), cls.folder / "second scan, b.nii.gz", 2.0)

    def two_pairs(self, name="pairs.csv", preset="fast"):
        return self.write_list(name, "name,fixed,moving,labels,fixed_labels,preset\n"
                               "# a comment\n"
                               f"first,fixed.nii.gz,moving.nii.gz,moving_labels.nii.gz,fixed_labels.nii.gz,{preset}\n"
                               f",fixed.nii.gz,\"second scan, b.nii.gz\",,,{preset}\n")

    def test_a_list_gives_a_folder_per_pair_with_summary_and_page(self):
        process = self.batch(self.two_pairs(), "listed")
        out = self.folder / "listed"
        self.assertIn("2 of 2 pairs are done", process.stdout)
        self.assertIn("done  first", process.stderr)
        for name in ("first", "second_scan,_b"):
            for file in ("result.json", "1Warp.nii.gz", "warped.nii.gz", "sheet.png", "thumbnail.png", "qc.json"):
                self.assertTrue((out / name / file).exists(), f"{name}/{file}: {leftovers(out)}")
        self.assertEqual({row["name"]: row["state"] for row in rows(out)}, {"first": "done", "second_scan,_b": "done"})
        first = next(row for row in rows(out) if row["name"] == "first")
        self.assertGreater(float(first["ncc"]), 0.9)
        self.assertGreater(float(first["dice_mean"]), 0.7)
        summary = json.loads((out / "summary.json").read_text())
        self.assertEqual(summary["counts"], {"done": 2})
        page = (out / "index.html").read_text()
        self.assertEqual(page.count("data:image/png;base64"), 2)
        self.assertIn('href="first/sheet.png"', page)
        # The page stands alone: nothing is fetched from elsewhere.
        self.assertIsNone(re.search(r'(src|href)="(https?:|//|/)', page))

    def test_a_pair_of_a_batch_is_the_run_of_register(self):
        self.batch(self.two_pairs(), "same", "--no-sheets")
        self.register("alone", "--labels", self.moving_labels, "--fixed-labels", self.fixed_labels)
        self.assertEqual(digests(self.folder / "same" / "first"), digests(self.folder / "alone"))
        self.assertFalse((self.folder / "same" / "first" / "sheet.png").exists())
        again = run("register", "--job", self.folder / "same" / "jobs" / "first.json", "--out", self.folder / "again")
        self.assertEqual(again.returncode, OK, again.stderr)
        self.assertEqual(digests(self.folder / "again"), digests(self.folder / "alone"))

    def test_labels_of_an_atlas_come_onto_every_image_and_are_scored_where_it_has_its_own(self):
        pairs = self.write_list("atlas.csv", "name,moving,labels\nfirst,moving.nii.gz,moving_labels.nii.gz\n"
                                "second,\"second scan, b.nii.gz\",\n")
        self.batch(pairs, "atlas", "--fixed", self.fixed, "--fixed-labels", self.fixed_labels, "--preset", "fast")
        dice = {row["name"]: row["dice_mean"] for row in rows(self.folder / "atlas")}
        self.assertGreater(float(dice["first"]), 0.7)
        self.assertEqual(dice["second"], "")
        for name in dice:
            self.assertIn("fixed_labels_on_moving.nii.gz", result(self.folder / "atlas" / name)["files"])
            self.assertIn("fixed_labels_on_moving.nii.gz", leftovers(self.folder / "atlas" / name))

    def test_done_pairs_are_skipped_and_new_ones_added(self):
        self.batch(self.two_pairs(), "more", "--no-sheets")
        kept = (self.folder / "more" / "first" / "result.json").stat().st_mtime_ns
        longer = self.write_list("longer.csv", self.two_pairs().read_text() +
                                 "third,moving.nii.gz,fixed.nii.gz,,,fast\n")
        process = self.batch(longer, "more", "--no-sheets")
        self.assertNotIn("first", process.stderr)
        self.assertIn("done  third", process.stderr)
        self.assertEqual((self.folder / "more" / "first" / "result.json").stat().st_mtime_ns, kept)
        self.assertEqual(len(rows(self.folder / "more")), 3)
        # The folder itself goes on, here by drawing what was left out.
        process = run("batch", self.folder / "more", "--progress", "lines")
        self.assertEqual(process.returncode, OK, process.stderr)
        self.assertTrue((self.folder / "more" / "first" / "sheet.png").exists())
        self.assertEqual((self.folder / "more" / "first" / "result.json").stat().st_mtime_ns, kept)

    def test_another_job_under_the_same_name_is_refused_until_overwrite(self):
        self.batch(self.two_pairs(), "renamed", "--no-sheets")
        changed = self.write_list("changed.csv", "name,fixed,moving,preset\nfirst,moving.nii.gz,fixed.nii.gz,fast\n")
        process = self.batch(changed, "renamed", "--no-sheets", expect=BAD_INPUT)
        self.assertIn("--overwrite", process.stderr)
        self.assertIn("--overwrite", rows(self.folder / "renamed")[0]["problem"])
        self.batch(changed, "renamed", "--no-sheets", "--overwrite")
        self.assertEqual(rows(self.folder / "renamed")[0]["problem"], "")
        self.assertIn("moving.nii.gz", result(self.folder / "renamed" / "first")["provenance"]["inputs"][0]["path"])

    def test_a_failing_pair_does_not_end_the_batch(self):
        broken = self.folder / "broken.nii.gz"
        broken.write_bytes(b"not an image at all")
        pairs = self.write_list("mixed.csv", "name,fixed,moving,preset\n"
                                "bad,fixed.nii.gz,broken.nii.gz,fast\n"
                                "missing,fixed.nii.gz,nowhere.nii.gz,fast\n"
                                "good,fixed.nii.gz,moving.nii.gz,fast\n")
        process = self.batch(pairs, "mixed", "--no-sheets", expect=BAD_INPUT)
        self.assert_one_sentence(process, "1 of 3 pairs are done", "2 failed", "summary.csv")
        out = self.folder / "mixed"
        self.assertEqual(state_of(out, "good"), "done")
        bad = next(row for row in rows(out) if row["name"] == "bad")
        self.assertEqual(bad["state"], "failed")
        self.assertIn("broken.nii.gz", bad["problem"])
        self.assertIn("nowhere.nii.gz", (out / "index.html").read_text())
        self.assertEqual([row["name"] for row in rows(out)][-1], "good", "worst first")
        # Mended, it is run again and the reason is forgotten.
        shutil.copy(self.moving, broken)
        process = self.batch(pairs, "mixed", "--no-sheets", expect=BAD_INPUT)
        self.assertEqual(state_of(out, "bad"), "done")
        self.assertNotIn("done  good", process.stderr)

    def test_what_aligned_nothing_is_worst_however_well_its_warp_inverts(self):
        fixed = nibabel.load(self.fixed)
        noise = np.random.default_rng(5).integers(1, 1000, fixed.shape).astype(np.uint16)
        nibabel.save(nibabel.Nifti1Image(noise, fixed.affine), self.folder / "noise.nii.gz")
        job = json.loads(self.job_text())
        for stage in job["stages"]:
            stage["levels"] = [{"shrink": 4, "iterations": 0 if stage["kind"] == "greedy" else 1}]
        (self.folder / "nothing.json").write_text(json.dumps(job))
        pairs = self.write_list("worst.csv", "name,fixed,moving,job,preset\n"
                                "first,fixed.nii.gz,moving.nii.gz,,fast\n"
                                "noise,fixed.nii.gz,noise.nii.gz,nothing.json,\n"
                                "third,moving.nii.gz,fixed.nii.gz,,fast\n")
        self.batch(pairs, "worst", "--no-sheets")
        self.assertEqual(rows(self.folder / "worst")[0]["name"], "noise")
        self.assertEqual(rows(self.folder / "worst")[0]["state"], "done")
        warnings = result(self.folder / "worst" / "noise")["warnings"]
        self.assertTrue(any("hardly agree" in text for text in warnings), warnings)

    def start_slow(self, out, *arguments):
        """A batch of two pairs that take a while, once the first has begun to iterate."""
        slow = self.write_list(f"{out}.csv", "name,fixed,moving,job\none,fixed.nii.gz,moving.nii.gz,slow.json\n"
                               "two,fixed.nii.gz,\"second scan, b.nii.gz\",slow.json\n")
        job = json.loads(self.job_text())
        for stage in job["stages"]:
            stage["convergence_slope"] = 0
        job["stages"][-1]["levels"] = [{"shrink": 2, "iterations": 300}, {"shrink": 1, "iterations": 2500}]
        (self.folder / "slow.json").write_text(json.dumps(job))
        process = start("batch", slow, "--out", self.folder / out, "--no-sheets", "--progress", "json", *arguments)
        for line in process.stdout:
            if json.loads(line).get("fraction", 0) > 0.03:
                return slow, process
        self.fail(process.stderr.read())

    def job_text(self):
        """The job of a fast run, without its files."""
        if not (self.folder / "template" / "job.json").exists():
            self.register("template")
        job = json.loads((self.folder / "template" / "job.json").read_text())
        for key in ("fixed", "moving", "output_directory"):
            job.pop(key, None)
        return json.dumps(job)

    def test_a_second_batch_in_the_same_folder_is_told_to_wait(self):
        slow, process = self.start_slow("shared")
        try:
            second = self.batch(slow, "shared", "--no-sheets", expect=USAGE)
            self.assert_one_sentence(second, "Another batch is at work", "--out")
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()
        self.assertEqual(process.returncode, CANCELLED)

    def test_an_interrupted_batch_leaves_a_checkpoint_and_goes_on(self):
        slow, process = self.start_slow("interrupted")
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, errors = process.communicate(timeout=120)
        self.assertEqual(process.returncode, CANCELLED, errors)
        self.assertIn("goes on from there", errors)
        out = self.folder / "interrupted"
        self.assertLess(time.monotonic() - began, 60)
        self.assertFalse((out / "two").exists(), "the next pair was begun after the signal")
        self.assertTrue((out / "one" / "checkpoint" / "header.json").exists(), leftovers(out))
        self.assertEqual(state_of(out, "one"), "unfinished")
        plan = run("batch", slow, "--out", out, "--dry-run")
        self.assertEqual(plan.returncode, OK, plan.stderr)
        self.assertRegex(plan.stdout, r"resume +one")
        self.assertRegex(plan.stdout, r"run +two")

    def test_a_killed_run_is_one_failed_pair(self):
        _, process = self.start_slow("killed")
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        self.assertEqual(len(children), 1)
        os.kill(int(children[0]), signal.SIGKILL)
        for line in process.stdout:
            if json.loads(line).get("event") == "pair_finished":
                break
        else:
            self.fail(process.stderr.read())
        told = json.loads(line)
        self.assertEqual((told["name"], told["state"]), ("one", "failed"))
        self.assertIn("signal 9", told["problem"])
        second = next(json.loads(line) for line in process.stdout if "pair_started" in line)
        self.assertEqual(second["name"], "two")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
        self.assertEqual(process.returncode, CANCELLED)

    def test_runs_end_with_the_batch_that_started_them(self):
        _, process = self.start_slow("orphans")
        child = int(pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
        process.kill()
        process.communicate(timeout=30)
        for _ in range(600):
            try:
                if pathlib.Path(f"/proc/{child}/stat").read_text().split(") ")[1][0] == "Z":
                    break
            except FileNotFoundError:
                break
            time.sleep(0.1)
        else:
            os.kill(child, signal.SIGKILL)
            self.fail("a run outlived its batch")
        self.assertTrue((self.folder / "orphans" / "one" / "checkpoint" / "header.json").exists())

    def test_folders_of_pairs_and_of_images(self):
        pairs = self.folder / "pairs"
        for name in ("a", "b"):
            (pairs / name).mkdir(parents=True)
            shutil.copy(self.fixed, pairs / name / "fixed.nii.gz")
            shutil.copy(self.moving, pairs / name / "moving.nii.gz")
        (pairs / "unrelated").mkdir()
        process = run("batch", pairs, "--out", self.folder / "x", "--preset", "fast", "--dry-run")
        self.assertEqual(process.returncode, OK, process.stderr)
        self.assertRegex(process.stdout, r"run +a .*\n +run +b ")
        self.assertIn("2 pairs", process.stdout)
        self.assertFalse((self.folder / "x").exists(), "a plan wrote something")
        images = self.folder / "images"
        images.mkdir()
        shutil.copy(self.fixed, images / "atlas.nii.gz")
        shutil.copy(self.moving, images / "mouse1.nii.gz")
        (images / "notes.txt").write_text("not an image")
        process = run("batch", images, "--out", self.folder / "y", "--fixed", images / "atlas.nii.gz", "--preset", "fast",
                      "--dry-run")
        self.assertEqual(process.returncode, OK, process.stderr)
        self.assertIn("1 pairs", process.stdout)
        self.assertIn("mouse1", process.stdout)

    def test_two_at_a_time_give_the_same_bits(self):
        self.batch(self.two_pairs(), "one_by_one", "--no-sheets")
        self.batch(self.two_pairs(), "abreast", "--no-sheets", "--jobs", "2")
        for name in ("first", "second_scan,_b"):
            self.assertEqual(digests(self.folder / "one_by_one" / name), digests(self.folder / "abreast" / name))

    def test_lists_of_spreadsheets_that_separate_otherwise_are_read(self):
        for separator in (";", "\t"):
            text = separator.join(["name", "fixed", "moving"]) + "\r\n" + separator.join(
                ["a,b", "fixed.nii.gz", '"moving.nii.gz"']) + "\r\n"
            process = self.batch(self.write_list("sheet.csv", "\ufeff" + text), "nothing", "--dry-run")
            self.assertIn("a,b", process.stdout)

    def test_bad_lists_are_told_with_their_line(self):
        for text, *words in [("fixed,moving\n", "no pair"),
                             ("fixed,volume\na,b\n", "volume", "columns are name, fixed"),
                             ("fixed,moving\na.nii,b.nii\na.nii,b.nii\n", "line 3", "second time"),
                             ("fixed,moving\na.nii,b.nii,c.nii\n", "line 2", "more fields"),
                             ("name,fixed,moving\n../x,a.nii,b.nii\n", "line 2", "cannot be a folder"),
                             ("name,fixed,moving\njobs,a.nii,b.nii\n", "line 2", "the batch itself"),
                             ("name,fixed,moving\nsummary.csv,a.nii,b.nii\n", "line 2", "the batch itself"),
                             ("moving\nb.nii\n", "line 2", "--fixed")]:
            with self.subTest(text=text):
                process = self.batch(self.write_list("bad.csv", text), "nothing", expect=BAD_INPUT)
                self.assert_one_sentence(process, "bad.csv", *words)
        self.assertFalse((self.folder / "nothing").exists())

    def test_a_list_under_the_name_of_a_result_is_kept(self):
        (self.folder / "kept").mkdir()
        pairs = self.write_list("kept/summary.csv", "name,fixed,moving\nfirst,../fixed.nii.gz,../moving.nii.gz\n")
        before = pairs.read_text()
        self.assert_one_sentence(self.batch(pairs, "kept", expect=USAGE), "summary.csv", "choose another name")
        self.assertEqual(pairs.read_text(), before)
        self.assertEqual(os.listdir(self.folder / "kept"), ["summary.csv"])

    def test_wrong_use(self):
        self.assertEqual(run("batch", self.folder / "nowhere.csv", "--out", "x").returncode, BAD_INPUT)
        self.assertEqual(run("batch", self.two_pairs()).returncode, USAGE)
        self.assertEqual(run("batch", self.two_pairs(), "--out", "x", "--jobs", "-1").returncode, USAGE)
        self.assertEqual(run("batch", self.two_pairs(), "--out", self.folder / "z", "--progress", "song").returncode, USAGE)

    def test_a_plan_tells_what_cannot_run(self):
        pairs = self.write_list("holes.csv", "name,fixed,moving,preset\ngood,fixed.nii.gz,moving.nii.gz,fast\n"
                                "gone,fixed.nii.gz,nowhere.nii.gz,fast\n")
        process = run("batch", pairs, "--out", self.folder / "w", "--dry-run")
        self.assertEqual(process.returncode, BAD_INPUT)
        self.assertRegex(process.stdout, r"cannot run +gone .*nowhere.nii.gz")
        self.assertIn("1 of 2 pairs cannot run", process.stderr)


if __name__ == "__main__":
    unittest.main()
