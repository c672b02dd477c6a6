#!/usr/bin/python3
"""A disk that is full, read-only or gone: failure statuses, reads go on, and no restart is needed."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import pydicom
import pydicom.uid

import node

DATASET = pathlib.Path(os.environ["MURPACS_PHANTOM_DATA"])
SIZE_MB = 48


def mounts():
    """Whether this user may mount a small file system."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder],
                              capture_output=True, check=False)
        if done.returncode == 0:
            subprocess.run(["umount", folder], check=True)
        return done.returncode == 0


class Disk(unittest.TestCase):
    options = ("--set", "store.min_free=0")

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.node = None
        self.count = 0

    def tearDown(self):
        if self.node is not None and not self.node.log.closed:
            self.node.stop()
        self.folder.cleanup()

    def image(self):
        """A new image of some 100 kB."""
        self.count += 1
        image = pydicom.dcmread(sorted(DATASET.rglob("*.dcm"))[0])
        image.StudyInstanceUID = "1.2.826.0.1.3680043.10.88.1"
        image.SeriesInstanceUID = "1.2.826.0.1.3680043.10.88.1.1"
        image.SOPInstanceUID = f"1.2.826.0.1.3680043.10.88.1.1.{self.count}"
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.add_new(0x00091001, "OB", os.urandom(100000))
        image.add_new(0x00090010, "LO", "TEST")
        path = self.root / f"{self.count}.dcm"
        image.save_as(path)
        return path, image.SOPInstanceUID

    def send(self):
        """The UID of a new image, and the status with which it was answered."""
        path, uid = self.image()
        done = node.run("storescu", "-d", "-aec", "MURPACS", "127.0.0.1", self.node.port, path,
                        check=False)
        text = done.stdout + done.stderr
        found = [line for line in text.splitlines() if "DIMSE Status" in line]
        self.assertTrue(found, text[-300:])
        return uid, found[-1]

    def known(self):
        return [one.SOPInstanceUID for one in self.node.find(
            "StudyInstanceUID=1.2.826.0.1.3680043.10.88.1",
            "SeriesInstanceUID=1.2.826.0.1.3680043.10.88.1.1", "SOPInstanceUID", level="IMAGE")]

    def assert_reads(self, uids):
        self.assertEqual(sorted(self.known()), sorted(uids))
        got = self.node.get(self.root / f"got{self.count}", f"SOPInstanceUID={uids[0]}",
                            "StudyInstanceUID=1.2.826.0.1.3680043.10.88.1",
                            "SeriesInstanceUID=1.2.826.0.1.3680043.10.88.1.1", level="IMAGE")
        self.assertEqual(len(got), 1)

    def assert_whole(self, uids):
        self.node.stop()
        self.node = None
        done = node.murpacs("verify", "--data-dir", self.data_dir, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(node.indexed_instances(self.data_dir), sorted(uids))
        self.assertEqual(len(node.stored_files(self.data_dir)), len(uids))


@unittest.skipUnless(mounts(), "file systems cannot be mounted here")
class Mounted(Disk):
    def setUp(self):
        super().setUp()
        self.mount = self.root / "disk"
        self.mount.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", self.mount],
                       check=True)
        self.data_dir = self.mount / "archive"
        self.data_dir.mkdir()

    def start(self, *options):
        # Beside the data directory there would be no room for what the test itself writes.
        self.node = node.Node(self.data_dir, *self.options, *options, beside=self.root / "archive")

    def tearDown(self):
        try:
            if self.node is not None and not self.node.log.closed:
                self.node.stop()
            self.node = None
        finally:
            subprocess.run(["umount", "-l", self.mount], check=True)
            super().tearDown()

    def fill(self, left):
        """Takes all room but so many bytes."""
        info = os.statvfs(self.mount)
        path = self.mount / "ballast"
        with open(path, "ab") as ballast:
            ballast.write(bytes(max(0, info.f_bavail * info.f_frsize - left)))

    def test_full_at_every_distance(self):
        self.start()
        uid, status = self.send()
        self.assertIn("0x0000", status)
        stored = [uid]
        for left in (0, 4096, 16384, 65536, 90000, 105000, 110000, 118784, 131072, 200000):
            self.fill(left)
            uid, status = self.send()
            if "0x0000" in status:
                stored.append(uid)
            else:
                self.assertIn("0xa7", status)
            self.assert_reads(stored)
            (self.mount / "ballast").unlink()
            uid, status = self.send()
            self.assertIn("0x0000", status, left)
            stored.append(uid)
        self.assert_whole(stored)

    def test_starting_on_a_full_disk(self):
        self.start()
        uid, status = self.send()
        self.assertIn("0x0000", status)
        self.node.stop()
        self.fill(0)
        self.start()
        self.assert_reads([uid])
        other, status = self.send()
        self.assertIn("0xa7", status)
        self.node.process.kill()
        self.node.process.wait()
        self.node.log.close()
        self.start()
        self.assert_reads([uid])
        (self.mount / "ballast").unlink()
        other, status = self.send()
        self.assertIn("0x0000", status)
        self.assert_whole([uid, other])

    def test_the_reserve_is_kept(self):
        self.start("--set", "store.min_free=20M")
        stored = []
        uid, status = self.send()
        self.assertIn("0x0000", status)
        stored.append(uid)
        self.fill(19 << 20)
        _, status = self.send()
        self.assertIn("0xa700", status)
        self.assert_reads(stored)
        (self.mount / "ballast").unlink()
        uid, status = self.send()
        self.assertIn("0x0000", status)
        self.assert_whole([*stored, uid])

    def test_read_only_and_writable_again(self):
        self.start()
        uid, status = self.send()
        self.assertIn("0x0000", status)
        # Files that are open for writing keep a file system from being remounted: a bind mount of
        # the folder can be.
        bind = ["mount", "--bind", self.data_dir / "objects", self.data_dir / "objects"]
        subprocess.run(bind, check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", self.data_dir / "objects"], check=True)
        try:
            _, status = self.send()
            self.assertNotIn("0x0000", status)
            self.assertIn("0xa7", status)
            self.assert_reads([uid])
        finally:
            subprocess.run(["umount", "-l", self.data_dir / "objects"], check=True)
        other, status = self.send()
        self.assertIn("0x0000", status)
        self.assert_whole([uid, other])


class Removed(Disk):
    def test_a_storage_directory_that_is_removed_is_no_success(self):
        self.data_dir = self.root / "archive"
        self.node = node.Node(self.data_dir, *self.options)
        _, status = self.send()
        self.assertIn("0x0000", status)
        (self.data_dir / "objects").rename(self.root / "aside")
        _, status = self.send()
        self.assertIn("0xa7", status)
        (self.root / "aside").rename(self.data_dir / "objects")
        _, status = self.send()
        self.assertIn("0x0000", status)
        shutil.rmtree(self.data_dir)
        for _ in range(3):
            _, status = self.send()
            self.assertIn("0xa7", status)
        self.assertFalse(self.data_dir.exists())

    def test_a_file_size_limit_is_a_full_disk(self):
        self.data_dir = self.root / "archive"
        self.node = node.Node(self.data_dir, *self.options)
        uid, status = self.send()
        self.assertIn("0x0000", status)
        subprocess.run(["prlimit", "--pid", str(self.node.process.pid), "--fsize=50000:"],
                       check=True)
        _, status = self.send()
        self.assertIn("0xa7", status)
        self.assert_reads([uid])
        subprocess.run(["prlimit", "--pid", str(self.node.process.pid), "--fsize=unlimited:"],
                       check=True)
        other, status = self.send()
        self.assertIn("0x0000", status)
        self.assert_whole([uid, other])


if __name__ == "__main__":
    unittest.main()
