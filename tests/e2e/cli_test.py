#!/usr/bin/python3
"""The program's frame: help, man page, completion, configuration, mistakes and exit codes."""
import os
import pathlib
import subprocess
import tempfile
import unittest

MURPACS = os.environ["MURPACS"]
SOURCE = pathlib.Path(os.environ["MURPACS_SOURCE"])


def run(*arguments, **options):
    return subprocess.run([MURPACS, *arguments], capture_output=True, text=True, timeout=60,
                          check=False, **options)


class Documentation(unittest.TestCase):
    maxDiff = None

    def test_man_page_is_the_one_made_from_the_tables(self):
        kept = (SOURCE / "docs/man/murpacs.1").read_text(encoding="utf-8")
        self.assertEqual(run("help", "--man").stdout, kept,
                         "refresh it: murpacs help --man > docs/man/murpacs.1")

    def test_every_command_is_listed_and_explains_itself(self):
        done = run("help")
        self.assertEqual(done.returncode, 0)
        block = done.stdout.split("Commands:\n")[1].split("\n\n")[0]
        commands = [line[2:25].strip() for line in block.splitlines()]
        self.assertIn("config", commands)
        self.assertIn("isa check", commands)
        for command in commands + ["isa"]:
            by_command = run("help", *command.split())
            by_option = run(*command.split(), "--help")
            self.assertEqual(by_command.returncode, 0, command)
            self.assertIn(f"Usage: murpacs {command} ", by_command.stdout)
            self.assertEqual(by_option.stdout, by_command.stdout)
            self.assertLessEqual(max(map(len, by_command.stdout.splitlines())), 80, command)

    def test_an_option_of_a_command_that_replaces_a_common_one_is_told_once(self):
        self.assertEqual(run("help", "nii2dcm").stdout.count("--set KEY=VALUE"), 1)
        self.assertEqual(run("help", "dcm2nii").stdout.count("--set KEY=VALUE"), 1)

    def test_completion_is_a_bash_script_that_completes(self):
        script = run("completion", "bash")
        self.assertEqual(script.returncode, 0)
        asked = script.stdout + """
            complete_line() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _murpacs; echo "${COMPREPLY[*]}"; }
            complete_line murpacs confi
            complete_line murpacs config --pri
            complete_line murpacs config --data
            complete_line murpacs help comp
            complete_line murpacs is
            complete_line murpacs isa ch
            complete_line murpacs help isa ch
            complete_line murpacs isa check --js
        """
        done = subprocess.run(["bash", "-euc", asked], capture_output=True, text=True, check=False)
        self.assertEqual(done.stdout.split("\n"),
                         ["config", "--print-default", "--data-dir", "completion", "isa", "check", "check",
                          "--json", ""])
        self.assertEqual(run("completion", "fish").returncode, 1)

    def test_version_is_one_line(self):
        self.assertRegex(run("--version").stdout, r"\Amurpacs \d+\.\d+\.\d+\n\Z")
        self.assertEqual(run("config", "--version").stdout, run("--version").stdout)


class Mistakes(unittest.TestCase):
    def refused(self, *arguments, text, code=1):
        done = run(*arguments)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertIn(text, done.stderr)

    def test_no_and_unknown_command(self):
        self.refused(text="which command?")
        self.refused("confg", text='unknown command "confg"; did you mean config?')
        self.refused("help", "confg", text='no command "confg"')
        self.refused("isa", text="murpacs isa: which command?")
        self.refused("isa", "chek", text='murpacs isa: unknown command "chek"; did you mean check?')
        self.refused("help", "isa", "chek", text='no command "chek"')
        self.refused("help", "isa", "check", "that", text='no command "that"')

    def test_unknown_options_suggest_the_nearest(self):
        self.refused("config", "--chekc", text="did you mean --check?")
        self.refused("--confg=x", text="did you mean --config?")
        self.refused("config", "--check", text="missing argument")
        self.refused("config", "surplus", text='unexpected argument "surplus"')

    def test_a_wrong_override_names_itself(self):
        self.refused("config", "--set", "dicom.prot=1",
                     text="--set dicom.prot=1: unknown key dicom.prot; did you mean dicom.port?")
        self.refused("config", "--log-level", "loud",
                     text='--log-level: log.level must be "error", "warning", "info", "debug" or '
                          '"trace"')

    def test_output_that_cannot_be_written_is_an_error(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([MURPACS, "help"], stdout=full, stderr=subprocess.PIPE,
                                  text=True, check=False)
        self.assertEqual(done.returncode, 40)
        self.assertIn("No space left on device", done.stderr)


class Configuration(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="murpacs-cli-")
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "own.cfg"

    def write(self, text):
        self.path.write_text(text, encoding="utf-8")
        return str(self.path)

    def test_the_default_file_is_right(self):
        done = run("config", "--print-default")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stdout, (SOURCE / "etc/murpacs.cfg").read_text(encoding="utf-8"))
        checked = run("config", "--check", self.write(done.stdout))
        self.assertEqual((checked.returncode, checked.stdout), (0, f"{self.path}: right\n"))

    def test_a_wrong_file_is_told_with_its_line(self):
        done = run("config", "--check", self.write('dicom: {\n    port = "x";\n};\n'))
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, f"murpacs config: {self.path}:2: dicom.port must be a whole "
                                      "number from 0 to 65535\n")

    def test_an_absent_file_is_no_default(self):
        done = run("config", "--config", str(self.path))
        self.assertEqual(done.returncode, 20)
        self.assertIn("No such file", done.stderr)

    def test_later_words_win_over_the_file(self):
        path = self.write('dicom: { port = 1; };\nnode: { ae_title = "FILE"; data_dir = "/a"; };\n'
                          'log: { level = "trace"; };')
        values = run("--set", "dicom.port=2", "config", "--config", path, "--set", "dicom.port=3",
                     "--set", "node.data_dir=/b", "--data-dir", "/c", "-q").stdout.splitlines()
        for expected in ('node.ae_title = "FILE"', 'node.data_dir = "/c"', "dicom.port = 3",
                         'log.level = "error"'):
            self.assertIn(expected, values)


if __name__ == "__main__":
    unittest.main()
