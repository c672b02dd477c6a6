#!/usr/bin/python3
"""What an administrator does beside a serving node: delete, list conflicts, add searchable attributes."""
import json
import os
import pathlib
import sqlite3
import tempfile
import unittest

import pydicom

import node

DATASET = pathlib.Path(os.environ["MURPACS_PHANTOM_DATA"])


class Upkeep(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.data_dir = self.root / "archive"
        self.scans, _ = node.import_dataset(self.data_dir, DATASET, "--set",
                                            "dicom.durability=process")
        self.node = node.Node(self.data_dir)

    def tearDown(self):
        self.node.stop()
        self.folder.cleanup()

    def run_murpacs(self, command, *words, check=True):
        return node.murpacs(command, "--data-dir", self.data_dir, *words, check=check)

    def native_files(self):
        scan = next(scan for scan in self.scans if (DATASET / scan["image"]).is_dir())
        return sorted((DATASET / scan["image"]).glob("*.dcm"))

    def test_deleting_takes_rows_and_files_and_leaves_a_record(self):
        scan = next(scan for scan in self.scans if scan["segmentations"])
        uid = scan["SeriesInstanceUID"]
        certificate = self.data_dir / "certificates" / f"{uid}.json"
        certificates = len(list(certificate.parent.iterdir()))
        self.assertTrue(certificate.exists())
        before = node.stored_files(self.data_dir)
        self.assertIn("would go", self.run_murpacs("delete", "--dry-run", uid).stdout)
        self.assertEqual(node.stored_files(self.data_dir), before)
        self.run_murpacs("delete", uid)
        self.assertEqual(self.node.find(f"SeriesInstanceUID={uid}", level="SERIES"), [])
        self.assertEqual(len(before) - len(node.stored_files(self.data_dir)),
                         scan["images"][0]["instances"])
        removed = [event for event in map(json.loads, (self.data_dir / "manifest.jsonl").read_text(
            encoding="utf-8").splitlines()) if event["event"] == "removed"]
        self.assertEqual(len(removed), scan["images"][0]["instances"])
        self.assertIn(uid, removed[0]["why"])
        self.assertFalse(certificate.exists())
        self.assertEqual(len(list(certificate.parent.iterdir())), certificates - 1)
        again = self.run_murpacs("delete", uid, check=False)
        self.assertNotEqual(again.returncode, 0)
        self.assertIn("no study, series or instance", again.stderr)
        scans, _ = node.import_dataset(self.data_dir, DATASET)
        self.assertEqual([one["assay"] for one in scans if one["status"] == "imported"],
                         [scan["assay"]])
        self.assertTrue(certificate.exists())

    def test_what_a_peer_was_told_is_kept_needs_force(self):
        uid = self.scans[0]["StudyInstanceUID"]
        with sqlite3.connect(self.data_dir / "index.sqlite") as index:
            index.execute("UPDATE instance SET committed = 1 WHERE id ="
                          " (SELECT min(i.id) FROM instance i JOIN series e ON e.id = i.series"
                          " JOIN study s ON s.id = e.study WHERE s.study_uid = ?)", (uid,))
        refused = self.run_murpacs("delete", uid, check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--force", refused.stderr)
        self.assertEqual(len(self.node.find(f"StudyInstanceUID={uid}")), 1)
        self.run_murpacs("delete", "--force", uid)
        self.assertEqual(self.node.find(f"StudyInstanceUID={uid}"), [])

    def test_identities_that_do_not_fit_are_listed(self):
        self.assertEqual(self.run_murpacs("conflicts").stdout, "")
        source = pydicom.dcmread(self.native_files()[0])
        for number, (patient, study, birth) in enumerate((
                ("X1", "1.2.826.0.1.3680043.10.1", "20240101"),
                ("X1", "1.2.826.0.1.3680043.10.2", "20230101"),
                ("X2", "1.2.826.0.1.3680043.10.2", ""))):
            source.PatientID, source.StudyInstanceUID, source.PatientBirthDate = patient, study, birth
            source.SeriesInstanceUID = f"{study}.{number}"
            source.SOPInstanceUID = source.file_meta.MediaStorageSOPInstanceUID = (
                f"{study}.{number}.1")
            path = self.root / f"{number}.dcm"
            source.save_as(path)
            self.node.store(path)
        listed = [json.loads(line) for line in
                  self.run_murpacs("conflicts", "--json").stdout.splitlines()]
        self.assertEqual(
            listed,
            [{"kind": "study", "PatientID": "X1\\X2",
              "StudyInstanceUID": "1.2.826.0.1.3680043.10.2"},
             {"kind": "patient", "PatientID": "X1",
              "SeriesInstanceUID": "1.2.826.0.1.3680043.10.2.1",
              "attribute": "PatientBirthDate", "kept": "20240101", "other": "20230101"}])
        self.assertEqual(len(self.node.find("PatientID=X?")), 3)

    def test_an_attribute_can_be_made_searchable_for_what_is_stored(self):
        header = pydicom.dcmread(self.native_files()[0], stop_before_pixels=True)
        key, value = "PhotometricInterpretation", header.PhotometricInterpretation
        self.assertEqual(len(self.node.find(f"{key}=NONSENSE", level="SERIES")),
                         len(self.node.find(level="SERIES")))  # not a key: it does not narrow
        self.node.stop()
        setting = ("--set", f"index.attributes={key}")
        self.run_murpacs("reindex", "--attributes", *setting)
        self.node = node.Node(self.data_dir, *setting)
        self.assertEqual(self.node.find(f"{key}=NONSENSE", level="SERIES"), [])
        found = self.node.find(f"{key}={value}", "SeriesInstanceUID", level="SERIES")
        self.assertIn(header.SeriesInstanceUID, {one.SeriesInstanceUID for one in found})
        wrong = node.murpacs("serve", "--data-dir", self.data_dir, "--set",
                             "index.attributes=NoSuchThing", check=False, timeout=60)
        self.assertNotEqual(wrong.returncode, 0)
        self.assertIn("NoSuchThing", wrong.stderr)


if __name__ == "__main__":
    unittest.main()
