#!/usr/bin/python3
"""A minute of everything at once on one node: nothing is lost, nothing grows. MURPACS_SOAK_SECONDS makes it
longer; bench/reliability.py runs an hour of it."""
import os
import pathlib
import tempfile
import time
import unittest

import node
import soak

SECONDS = int(os.environ.get("MURPACS_SOAK_SECONDS", "20" if node.SANITIZED else "60"))
WAL_LIMIT_KIB = 64 * 1024
RISE_KIB = 12 * 1024
SYNC_THREADS = 12  # MUR_SYNC_THREADS: each begins when it is needed first, which may be late


class SoakTest(unittest.TestCase):
    def test_a_minute_of_mixed_load_leaves_all_flat_and_loses_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            served = node.Node(root / "archive", "--set", "log.level=error")
            try:
                warm = soak.Soak(served, root, 3, "0")  # threads and connections that it keeps for later
                warm.run()
                time.sleep(1)
                idle = warm.measure()
                load = soak.Soak(served, root, SECONDS)
                load.run()
                self.assertEqual(warm.problems + load.problems, [])
                self.assertEqual(load.lost(), [])
                for _ in range(200):  # connections that were left end
                    after = load.measure()
                    if after["threads"] <= idle["threads"]:
                        break
                    time.sleep(0.1)
            finally:
                self.assertEqual(served.stop(), 0)
            figures = load.figures
            for what in ("stored", "queries", "got", "moved", "imported", "aborted"):
                self.assertGreater(figures[what], 0, figures)
            self.assertLess(max(sample["wal_kib"] for sample in load.samples), WAL_LIMIT_KIB)
            self.assertLessEqual(after["threads"], idle["threads"] + SYNC_THREADS)
            # Each connection to the index that is kept for later has three.
            self.assertLessEqual(after["descriptors"], idle["descriptors"] + 40)
            if not node.SANITIZED:
                third = load.samples[len(load.samples) // 3]["memory_kib"]
                self.assertLess(load.samples[-1]["memory_kib"] - third, RISE_KIB)
            done = node.murpacs("verify", "--data-dir", root / "archive", check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertEqual(len(node.stored_files(root / "archive")), figures["kept"] + warm.figures["kept"])


if __name__ == "__main__":
    unittest.main()
