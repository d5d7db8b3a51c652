"""What is installed beside the program: the manual page, and completions that the shells themselves run."""

import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from cli_support import GIGAWARP, OK, SOURCE, USAGE, run

BUILD = pathlib.Path(GIGAWARP).parent.parent


class Documents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.kept.name)
        (cls.folder / "work" / "results").mkdir(parents=True)
        for name in ("atlas brain.nii.gz", "subject.nii.gz"):
            (cls.folder / "work" / name).touch()
        cls.scripts = {}
        for kind, name in (("bash", "gigawarp"), ("zsh", "_gigawarp"), ("fish", "gigawarp.fish"), ("man", "gigawarp.1")):
            process = run("document", kind)
            assert process.returncode == OK, process.stderr
            (cls.folder / kind).mkdir()
            cls.scripts[kind] = cls.folder / kind / name
            cls.scripts[kind].write_text(process.stdout)

    @classmethod
    def tearDownClass(cls):
        cls.kept.cleanup()

    def needs(self, program):
        if shutil.which(program) is None:
            self.skipTest(f"{program} is not installed")

    def typed(self, shell, setup, lines):
        """Each of `lines` as an interactive shell completes it at its end; Ctrl-T is set up to print the line."""
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.folder / "work")
            os.environ.update(TERM="dumb", HOME=str(self.folder))
            os.execvp(shell[0], shell)
        shown = ""

        def read_until(pattern):
            nonlocal shown
            end = time.monotonic() + 60
            while (found := re.search(pattern, shown)) is None:
                self.assertLess(time.monotonic(), end, f"the shell shows only {shown!r}")
                if select.select([terminal], [], [], 0.1)[0]:
                    shown += os.read(terminal, 65536).decode(errors="replace")
            shown = shown[found.end():]
            return found.group(1)

        completed = []
        try:
            os.write(terminal, (setup + "\n").encode())
            read_until(r"(here)> ")
            for line in lines:
                os.write(terminal, (line + "\t\x14").encode())
                completed.append(read_until(r"<<<(.*?)>>>"))
                os.write(terminal, b"\x15")  # Ctrl-U: the line is forgotten, not run
        finally:
            os.close(terminal)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        return dict(zip(lines, completed))

    CASES = {"gigawarp reg": "gigawarp register ",
             "gigawarp register --pres": "gigawarp register --preset ",
             "gigawarp register --preset l": "gigawarp register --preset lightsheet-atlas ",
             "gigawarp apply -n la": "gigawarp apply -n label ",
             "gigawarp register --fixed su": "gigawarp register --fixed subject.nii.gz ",
             "gigawarp register --fixed at": "gigawarp register --fixed atlas\\ brain.nii.gz ",
             "gigawarp register --fixed a.nii su": "gigawarp register --fixed a.nii subject.nii.gz ",
             "gigawarp register --landmarks a.csv su": "gigawarp register --landmarks a.csv subject.nii.gz ",
             "gigawarp register --init mom": "gigawarp register --init moments ",
             "gigawarp info --json su": "gigawarp info --json subject.nii.gz ",
             "gigawarp register --out r": "gigawarp register --out results/",
             "gigawarp register --radius su": "gigawarp register --radius su",
             "gigawarp su": "gigawarp subject.nii.gz ",
             "gigawarp a.nii su": "gigawarp a.nii subject.nii.gz "}

    def test_bash_completes_verbs_options_values_and_files(self):
        lines = {**self.CASES, "gigawarp plan --preset=fa": "gigawarp plan --preset=fast "}
        setup = (f"bind 'set bell-style none'; source {self.scripts['bash']}; PS1='he''re> '; "
                 """bind -x '"\\C-t": printf "<<<%s>>>" "$READLINE_LINE"'""")
        self.assertEqual(self.typed(["bash", "--norc", "--noprofile", "-i"], setup, lines), lines)

    def test_zsh_completes_verbs_options_values_and_files(self):
        self.needs("zsh")
        setup = (f"unsetopt beep; bindkey -e; fpath=({self.scripts['zsh'].parent} $fpath); autoload -U compinit; "
                 "compinit -u -D; show() { print -rn -- \"<<<$BUFFER>>>\" }; zle -N show; bindkey '^T' show; "
                 "PS1='he''re> '")
        self.assertEqual(self.typed(["zsh", "-f", "-i"], setup, self.CASES), self.CASES)

    def test_fish_completes_verbs_options_values_and_files(self):
        self.needs("fish")
        for line, wanted in (("reg", "register"), ("register --pres", "--preset"), ("register --preset li",
                             "lightsheet-atlas"), ("apply --interpolation la", "label"), ("register --fixed su",
                             "subject.nii.gz"), ("info su", "subject.nii.gz"), ("register --init mom", "moments"),
                             ("su", "subject.nii.gz")):
            process = subprocess.run(["fish", "--no-config", "-c", f"source {self.scripts['fish']}; "
                                      f"complete -C 'gigawarp {line}'"], cwd=self.folder / "work", text=True,
                                     capture_output=True, env={**os.environ, "HOME": str(self.folder)})
            self.assertIn(wanted, [row.split("\t")[0] for row in process.stdout.splitlines()], process.stderr)

    def test_the_manual_page_tells_of_every_verb_and_option(self):
        text = self.scripts["man"].read_text()
        for word in (".TH GIGAWARP 1", ".SS gigawarp register", "\\-\\-fixed\\-labels", ".SH EXIT STATUS", "cancelled"):
            self.assertIn(word, text)
        self.assertNotIn("gigawarp document\n", text)
        self.needs("groff")
        process = subprocess.run(["groff", "-k", "-man", "-Tutf8", "-P-cbou", "-ww", str(self.scripts["man"])],
                                 capture_output=True, text=True)
        self.assertEqual(process.stderr, "")
        self.assertIn("brain-cross-modality|", process.stdout)

    def test_another_kind_of_document_is_wrong_use(self):
        self.assertEqual(run("document", "powershell").returncode, USAGE)

    @unittest.skipUnless((BUILD / "cmake_install.cmake").exists(), "needs a build folder to install from")
    def test_an_installed_tree_is_complete(self):
        prefix = self.folder / "prefix"
        subprocess.run(["cmake", "--install", str(BUILD), "--prefix", str(prefix), "--strip"], check=True,
                       capture_output=True)
        installed = {str(p.relative_to(prefix)) for p in prefix.rglob("*") if p.is_file()}
        for name in ("bin/gigawarp", "share/man/man1/gigawarp.1", "share/bash-completion/completions/gigawarp",
                     "share/zsh/site-functions/_gigawarp", "share/fish/vendor_completions.d/gigawarp.fish",
                     "share/doc/gigawarp/LICENSE", "share/gigawarp/job.schema.json",
                     "share/applications/gigawarp.desktop", "share/mime/packages/gigawarp.xml",
                     "share/metainfo/io.gigawarp.gigawarp.metainfo.xml",
                     "share/icons/hicolor/scalable/apps/gigawarp.svg"):
            self.assertIn(name, installed)
        self.assertEqual((prefix / "share/man/man1/gigawarp.1").read_text(), self.scripts["man"].read_text())
        self.assertEqual((prefix / "share/doc/gigawarp/LICENSE").read_text(), (SOURCE / "LICENSE").read_text())
        for checker, name in ((["desktop-file-validate"], "applications/gigawarp.desktop"),
                              (["appstreamcli", "validate", "--no-net"],
                               "metainfo/io.gigawarp.gigawarp.metainfo.xml")):
            self.needs(checker[0])
            process = subprocess.run([*checker, str(prefix / "share" / name)], capture_output=True, text=True)
            self.assertEqual((process.returncode, process.stdout.count(": error: ")), (0, 0), process.stdout)
        elsewhere = self.folder / "elsewhere"  # nothing of the build or source folder is needed
        moved = prefix.rename(elsewhere)
        process = subprocess.run([str(moved / "bin/gigawarp"), "phantom", "--out", str(self.folder / "pair"), "--size",
                                  "24"], capture_output=True, text=True, cwd="/")
        self.assertEqual(process.returncode, OK, process.stderr)
        process = subprocess.run([str(moved / "bin/gigawarp"), "plan", "--preset", "lightsheet-atlas", "--fixed",
                                  str(self.folder / "pair/fixed.nii.gz"), "--moving",
                                  str(self.folder / "pair/moving.nii.gz")], capture_output=True, text=True, cwd="/")
        self.assertEqual(process.returncode, OK, process.stderr)


if __name__ == "__main__":
    unittest.main()
