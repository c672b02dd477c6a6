#!/usr/bin/python3
"""`cmake --install --prefix X` gives a tree that works where it stands: program, configuration, man page,
completion, units, dictionary."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

import node

BUILD = pathlib.Path(node.MURPACS).resolve().parent.parent
CMAKE, SYSTEMD = shutil.which("cmake"), shutil.which("systemd-analyze")


@unittest.skipUnless(CMAKE and (BUILD / "cmake_install.cmake").exists(), "no build tree to install from")
class InstallTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory(prefix="murpacs-install-")
        cls.addClassCleanup(temporary.cleanup)
        cls.prefix = pathlib.Path(temporary.name) / "prefix"
        cls.install(cls.prefix)
        cls.program = cls.prefix / "bin/murpacs"
        cls.configuration = cls.prefix / "etc/murpacs/murpacs.cfg"

    @classmethod
    def install(cls, prefix, **environment):
        done = subprocess.run([CMAKE, "--install", BUILD, "--prefix", prefix], capture_output=True,
                              text=True, check=False, env={**os.environ, **environment})
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)

    def test_everything_is_there(self):
        for name in ("bin/murpacs", "etc/murpacs/murpacs.cfg", "share/man/man1/murpacs.1",
                     "share/bash-completion/completions/murpacs", "lib/systemd/system/murpacs.service",
                     "lib/systemd/system/murpacs.socket", "lib/systemd/system/murpacs-tls.socket",
                     "lib/systemd/system/murpacs-verify.service",
                     "lib/systemd/system/murpacs-verify.timer", "lib/sysusers.d/murpacs.conf",
                     "lib/tmpfiles.d/murpacs.conf",
                     "share/murpacs/murpacs.dic", "share/murpacs/murpacs.cfg",
                     "share/murpacs/isa-mapping.cfg", "share/murpacs/organs.cfg",
                     "share/doc/murpacs/README.md", "share/doc/murpacs/conformance-statement.md",
                     "share/doc/murpacs/LICENSE"):
            self.assertTrue((self.prefix / name).is_file(), name)

    def test_the_program_finds_its_own_configuration_and_serves(self):
        data_dir = self.prefix / "var/lib/murpacs"
        text = self.configuration.read_text(encoding="utf-8")
        self.configuration.write_text(
            text.replace('"/var/lib/murpacs"', f'"{data_dir}"').replace('port = 11112', 'port = 0')
            .replace('"MURPACS"', '"INSTALLED"'), encoding="utf-8")
        self.addCleanup(self.configuration.write_text, text, encoding="utf-8")
        self.assertIn(f'node.data_dir = "{data_dir}"', node.run(self.program, "config").stdout)
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen([self.program, "serve"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, cwd="/", env=node.ENVIRONMENT)
        try:
            port = next(found[1] for line in process.stdout if (found := re.search(r"port (\d+)", line)))
            done = node.run(self.program, "echo", f"INSTALLED@127.0.0.1:{port}")
            self.assertIn("answers", done.stdout)
        finally:
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0, errors)
        self.assertTrue((data_dir / "index.sqlite").exists())

    def test_a_second_installation_keeps_the_configuration_and_renews_the_rest(self):
        text = self.configuration.read_text(encoding="utf-8")
        self.addCleanup(self.configuration.write_text, text, encoding="utf-8")
        self.configuration.write_text("# mine\n", encoding="utf-8")
        self.install(self.prefix)
        self.assertEqual(self.configuration.read_text(encoding="utf-8"), "# mine\n")
        self.assertEqual((self.prefix / "share/murpacs/murpacs.cfg").read_text(encoding="utf-8"), text)

    def test_packages_get_their_paths_below_usr_and_etc(self):
        with tempfile.TemporaryDirectory() as stage:
            self.install("/usr", DESTDIR=stage)
            stage = pathlib.Path(stage)
            self.assertTrue((stage / "etc/murpacs/murpacs.cfg").is_file())
            self.assertFalse((stage / "usr/etc").exists())
            unit = (stage / "usr/lib/systemd/system/murpacs.service").read_text(encoding="utf-8")
            self.assertIn("\nExecStart=/usr/bin/murpacs serve\n", unit)

    @unittest.skipUnless(SYSTEMD, "systemd is not installed")
    def test_systemd_takes_the_units(self):
        units = self.prefix / "lib/systemd/system"
        done = node.run(SYSTEMD, "verify", "--man=no", *sorted(units.glob("murpacs*")), check=False)
        ours = [line for line in (done.stdout + done.stderr).splitlines() if "murpacs" in line]
        self.assertEqual((ours, done.returncode), ([], 0), done.stderr)
        self.assertIn(f"ExecStart={self.program} serve",
                      (units / "murpacs.service").read_text(encoding="utf-8"))

    @unittest.skipUnless(SYSTEMD, "systemd is not installed")
    def test_the_services_can_do_little_but_their_work(self):
        for unit in sorted((self.prefix / "lib/systemd/system").glob("murpacs*.service")):
            with self.subTest(unit=unit.name):
                done = node.run(SYSTEMD, "security", "--offline=true", "--no-pager", unit, check=False)
                found = re.search(r"Overall exposure level for \S+: (\d+\.\d)", done.stdout)
                if not found:
                    self.skipTest("this systemd-analyze reads no files: " + done.stderr)
                self.assertLessEqual(float(found[1]), 2.0, done.stdout)

    def test_completion_completes(self):
        script = self.prefix / "share/bash-completion/completions/murpacs"
        done = subprocess.run(["bash", "-euc", f"source {script}; COMP_WORDS=(murpacs sto); COMP_CWORD=1; "
                               "_murpacs; echo ${COMPREPLY[*]}"], capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.stdout, "store\n", done.stderr)


if __name__ == "__main__":
    unittest.main()
