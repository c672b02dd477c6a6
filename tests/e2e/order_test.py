#!/usr/bin/python3
"""What a loss of power would leave, as far as a program can show it: by the time that a C-STORE is answered
with Success, the kernel has been asked for the object's bytes, the folders that name it, and the index, and
has said that they are on disk. Seen from outside, by strace."""
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import dimse
import node

STRACE = shutil.which("strace")
UID = "1.2.826.0.1.3680043.10.1521."
CALL = re.compile(r"^\d+ +(\w+)\(\d+<([^>]*)>")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>.*= 0$")


def can_trace():
    return STRACE and subprocess.run([STRACE, "-o", "/dev/null", "true"], check=False,
                                     capture_output=True).returncode == 0


def synced(lines):
    """Files and folders that were reported as synced, in the order in which that was said."""
    waiting, done = {}, []
    for line in lines:
        thread = line.split(" ", 1)[0]
        found = CALL.match(line)
        if found and found[1] in ("fsync", "fdatasync"):
            if "unfinished" in line:
                waiting[thread] = found[2]
            elif line.rstrip().endswith("= 0"):
                done.append(found[2])
        elif RESUMED.match(line) and thread in waiting:
            done.append(waiting.pop(thread))
    return done


@unittest.skipUnless(can_trace(), "strace is not there, or may not trace")
@unittest.skipIf(node.SANITIZED, "a sanitizer's leak check does not run under strace")
class OrderTest(unittest.TestCase):
    def test_success_is_said_when_file_folders_and_index_are_on_disk(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            served = node.Node(root / "archive")
            tracing = None
            try:
                self.store(served, 1)  # its folders are new; the next one's are, too
                trace = root / "trace"
                tracing = subprocess.Popen(
                    [STRACE, "-f", "-y", "-s", "200", "-o", trace, "-p", str(served.process.pid), "-e",
                     "trace=fsync,fdatasync,link,linkat,sendmsg,sendto,write,writev"],
                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                tracing.stderr.readline()  # "attached"
                for number in (2, 3):
                    self.store(served, number)
                time.sleep(0.5)
            finally:
                if tracing is not None:
                    tracing.send_signal(signal.SIGINT)
                    tracing.communicate(timeout=60)
                self.assertEqual(served.stop(), 0)
            lines = trace.read_text(encoding="utf-8", errors="replace").splitlines()
            links = [at for at, line in enumerate(lines) if re.search(r" link(at)?\(", line) and ".dcm\"" in line
                     and line.rstrip().endswith("= 0")]
            self.assertEqual(len(links), 2)
            for link in links:
                place = pathlib.Path(re.search(r'"([^"]+\.dcm)"', lines[link])[1])
                # The next P-DATA-TF that leaves is the answer.
                answer = next(at for at in range(link, len(lines))
                              if "socket:" in lines[at] and r'"\4\0' in lines[at])
                before = synced(lines[:answer])
                objects = str(root / "archive" / "objects")
                self.assertTrue(any(path.startswith(objects + "/.incoming-") for path in synced(lines[link:answer])),
                                lines[link:answer])
                for parent in place.parents:
                    if str(parent) == str(root / "archive"):
                        break
                    self.assertIn(str(parent), before)
                self.assertIn(str(root / "archive" / "index.sqlite-wal"), synced(lines[link:answer]))

    def store(self, served, number):
        study = f"{UID}{number}"
        with dimse.Association(served.port, [(dimse.CT_IMAGE, (dimse.EXPLICIT,))]) as association:
            self.assertEqual(association.store(
                dimse.CT_IMAGE, f"{study}.1.1", dimse.image(study, f"{study}.1", f"{study}.1.1")), 0)


if __name__ == "__main__":
    unittest.main()
