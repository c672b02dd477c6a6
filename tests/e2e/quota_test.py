#!/usr/bin/python3
"""A project that has used up its room is refused; everybody else, and what is stored, is not touched."""
import json
import os
import pathlib
import tempfile
import unittest

import pydicom

import node

DATASET = pathlib.Path(os.environ["MURPACS_PHANTOM_DATA"])
STUDY = "1.2.826.0.1.3680043.10.99.1"


class Quota(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.data_dir = self.root / "archive"

    def tearDown(self):
        self.folder.cleanup()

    def usage(self, quotas):
        done = node.murpacs("usage", "--json", "--data-dir", self.data_dir, "--set",
                            f"store.quotas={quotas}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def image(self, number):
        image = pydicom.dcmread(sorted(DATASET.rglob("*.dcm"))[0])
        image.StudyInstanceUID, image.SeriesInstanceUID = STUDY, f"{STUDY}.1"
        image.SOPInstanceUID = f"{STUDY}.1.{number}"
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.add_new(0x00090010, "LO", "TEST")
        image.add_new(0x00091001, "OB", os.urandom(300000))
        path = self.root / f"{number}.dcm"
        image.save_as(path)
        return path

    def status(self, server, title, path):
        done = node.run("storescu", "-d", "-aet", title, "-aec", "MURPACS", "127.0.0.1", server.port,
                        path, check=False)
        return (done.stdout + done.stderr)[-1500:]

    def test_an_ae_title_is_refused_beyond_its_quota(self):
        quotas = "guests = 1M: ae GUEST1, ae GUEST2; big = 1T: ae OTHER"
        with node.serving(self.data_dir, "--set", f"store.quotas={quotas}") as server:
            paths = [self.image(number) for number in range(5)]
            for at, title in enumerate(("GUEST1", "GUEST2", "GUEST1")):
                self.assertIn("0x0000", self.status(server, title, paths[at]))
            refused = self.status(server, "GUEST2", paths[3])
            self.assertIn("0xa700", refused)
            self.assertIn("guests", refused)  # the Error Comment
            self.assertIn("0x0000", self.status(server, "OTHER", paths[3]))
            self.assertEqual(len(server.find(f"StudyInstanceUID={STUDY}", f"SeriesInstanceUID={STUDY}.1",
                                             "SOPInstanceUID", level="IMAGE")), 4)
            guests, big, everything = self.usage(quotas)
            self.assertEqual((guests["project"], guests["instances"], big["instances"]),
                             ("guests", 3, 1))
            self.assertEqual(everything["instances"], 4)
            self.assertLessEqual(guests["bytes"], guests["quota"])

    def test_room_comes_back_with_what_is_deleted(self):
        quotas = ("--set", "store.quotas=guests = 500K: ae GUEST1")
        path, other = self.image(1), self.image(2)
        with node.serving(self.data_dir, *quotas) as server:
            self.assertIn("0x0000", self.status(server, "GUEST1", path))
            self.assertIn("0xa700", self.status(server, "GUEST1", other))
            node.murpacs("delete", "--data-dir", self.data_dir, f"{STUDY}.1.1")
        with node.serving(self.data_dir, *quotas) as server:
            self.assertIn("0x0000", self.status(server, "GUEST1", other))

    def test_a_study_of_an_isa_tab_is_refused_beyond_its_quota(self):
        scans, _ = node.import_dataset(self.data_dir, DATASET, "--set", "dicom.durability=process")
        study = scans[0]["study"]
        had = self.usage(f"one = 1T: isa {study}")[0]
        self.assertGreater(had["instances"], 0)
        other = self.root / "second"
        again, done = node.import_dataset(other, DATASET, "--set", "dicom.durability=process", "--set",
                                          f"store.quotas=one = 1K: isa {study}", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertTrue(all(one["status"] == "imported" for one in again if one["study"] != study))
        self.assertTrue(all(one["status"] != "imported" for one in again if one["study"] == study))

    def test_a_wrong_setting_is_told(self):
        for wrong in ("x", "x = 1Y: ae A", "x = 1G: bad A", "x = 1G:", " = 1G: ae A"):
            done = node.murpacs("serve", "--data-dir", self.data_dir, "--set",
                                f"store.quotas={wrong}", check=False, timeout=60)
            self.assertNotEqual(done.returncode, 0, wrong)
            self.assertIn("store.quotas", done.stderr)


if __name__ == "__main__":
    unittest.main()
