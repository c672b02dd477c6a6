#!/usr/bin/python3
"""Audit lines (PS3.15 A.5): each event that is said to be written is, with who and what; and no patient's
name goes into them or into a log at its usual level. What the node makes is the group's at most."""
import json
import os
import pathlib
import signal
import socket
import stat
import tempfile
import time
import unittest

import dimse
import node

UID = "1.2.826.0.1.3680043.10.1511."
NAME = b"Unmistakable^Mouse"


def store(port, calling="SCANNER"):
    with dimse.Association(port, [(dimse.CT_IMAGE, (dimse.EXPLICIT,))], calling=calling) as association:
        for number in (1, 2):
            uid = f"{UID}1.1.{number}"
            image = dimse.image(UID + "1", UID + "1.1", uid, number=number, patient="SECRETID", rows=16,
                                columns=16, pixels=bytes(512))
            image = image.replace(dimse.element(0x00100010, "PN", "Test^Mouse"),
                                  dimse.element(0x00100010, "PN", NAME.decode()))
            assert NAME in image
            association.store(dimse.CT_IMAGE, uid, image)


class AuditTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = pathlib.Path(temporary.name)
        self.file = self.root / "audit.jsonl"

    def serve(self, *options):
        return node.Node(self.root / "archive", "--set", f"log.audit={self.file}", *options, peers=(
            '{ ae_title = "ONLYW"; host = "127.0.0.1"; port = 104; rights = "w"; }'))

    def lines(self, event=None, path=None):
        made = [json.loads(line) for line in (path or self.file).read_text(encoding="utf-8").splitlines()]
        return [line for line in made if event in (None, line["event"])]

    def test_each_event_is_told_and_no_name(self):
        served = self.serve("--set", "dicom.check_called_ae_title=true")
        try:
            store(served.port)
            answers = served.find("StudyInstanceUID", "PatientName=Unmistakable*")
            self.assertEqual(len(answers), 1)
            served.find("PatientName=Unmistakable*", "PatientID=SECRETID", level="SERIES")
            served.get(self.root / "got", f"StudyInstanceUID={UID}1")
            served.move(self.root / "moved", f"StudyInstanceUID={UID}1")
            with self.assertRaises(dimse.Refused):
                dimse.Association(served.port, called="WRONG")
            dimse.Association(served.port, [(dimse.STUDY_FIND, (dimse.EXPLICIT,))], calling="ONLYW").release()
            with socket.create_connection(("127.0.0.1", served.port), timeout=10) as one:
                one.sendall(b"no PDU at all")
                self.assertEqual(one.recv(1), b"\7")  # A-ABORT
        finally:
            self.assertEqual(served.stop(), 0)
        start, stop = self.lines("Application Activity")
        self.assertEqual((start["typeCode"], stop["typeCode"]), ("110120", "110121"))
        self.assertEqual(start["source"], {"aeTitle": "MURPACS", "address": "127.0.0.1"})
        stored, got, moved = self.lines("DICOM Instances Transferred")
        self.assertEqual((stored["service"], stored["instances"], stored["outcome"]), ("C-STORE", 2, 0))
        self.assertEqual(stored["studies"], [UID + "1"])
        self.assertEqual(stored["source"], {"aeTitle": "SCANNER", "address": "127.0.0.1"})
        self.assertEqual((got["service"], got["instances"], got["studies"]), ("C-GET", 2, [UID + "1"]))
        self.assertEqual((moved["service"], moved["destination"]["aeTitle"]), ("C-MOVE", "SINK"))
        self.assertIn("asked for by MOVESCU at 127.0.0.1", moved["detail"])
        self.assertEqual([line["instances"] for line in self.lines("Begin Transferring DICOM Instances")],
                         [2, 2])
        queries = self.lines("Query")
        self.assertEqual([(line["level"], line["answers"]) for line in queries], [("STUDY", 1), ("SERIES", 1)])
        called, right, stranger = self.lines("Security Alert")
        self.assertIn("calls another AE title", called["detail"])
        self.assertEqual(right["typeCode"], "110127")
        self.assertIn("no A-ASSOCIATE-RQ", stranger["detail"])
        for text in (self.file.read_text(encoding="utf-8"),
                     pathlib.Path(served.log.name).read_text(encoding="utf-8")):
            self.assertNotIn("Unmistakable", text)
            self.assertNotIn("SECRETID", text)
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode), 0o640)

    def test_more_studies_than_a_line_names_make_several_lines(self):
        served = self.serve("--set", "dicom.durability=process")
        try:
            with dimse.Association(served.port, [(dimse.CT_IMAGE, (dimse.EXPLICIT,))]) as association:
                for number in range(1, 601):
                    uid = f"{UID}3.{number % 300 + 1}"
                    status = association.store(dimse.CT_IMAGE, f"{uid}.1.{number}",
                                               dimse.image(uid, uid + ".1", f"{uid}.1.{number}"))
                    self.assertEqual(status, 0)
                self.assertNotEqual(association.store(dimse.CT_IMAGE, UID + "4", b"no Data Set"), 0)
        finally:
            self.assertEqual(served.stop(), 0)
        lines = self.lines("DICOM Instances Transferred")
        self.assertEqual([len(line["studies"]) for line in lines], [256, 256, 88])
        self.assertEqual(sum(line["instances"] for line in lines), 600)
        self.assertEqual([line["outcome"] for line in lines], [0, 0, 4])
        self.assertEqual(len({study for line in lines for study in line["studies"]}), 300)

    def test_what_is_asked_for_in_vain_stays_out_of_the_log(self):
        """Values of keys, however wrong they are, and of objects that are refused."""
        served = self.serve()
        try:
            for key in ("PatientBirthDate=Unmistakable", "StudyDate=SECRETID-SECRETID", "StudyTime=SECRETID",
                        "PatientName=Unmistakable\\SECRETID", "PatientName=Unmistakable" * 400):
                node.run("findscu", "-S", "-aec", "MURPACS", "-k", "QueryRetrieveLevel=STUDY", "-k", key,
                         "127.0.0.1", served.port, check=False)
            with dimse.Association(served.port, [(dimse.CT_IMAGE, (dimse.EXPLICIT,))]) as association:
                for more in (b"cut off", dimse.element(0x00080018, "UI", "Unmistakable")):
                    image = dimse.image(UID + "5", UID + "5.1", UID + "5.1.1", patient="SECRETID")
                    self.assertNotEqual(association.store(dimse.CT_IMAGE, UID + "5.1.1", more + image), 0)
        finally:
            self.assertEqual(served.stop(), 0)
        log = pathlib.Path(served.log.name).read_text(encoding="utf-8")
        self.assertIn("refused", log)
        for text in (self.file.read_text(encoding="utf-8"), log):
            self.assertNotIn("Unmistakable", text)
            self.assertNotIn("SECRETID", text)

    def test_questions_that_are_refused_are_told_too(self):
        served = self.serve()
        bad = dimse.element(0x00080052, "CS", "NOLEVEL")
        study = dimse.element(0x00080052, "CS", "STUDY") + dimse.element(0x0020000D, "UI", UID + "1")
        try:
            store(served.port)
            models = (dimse.STUDY_FIND, dimse.STUDY_GET, dimse.STUDY_MOVE)
            with dimse.Association(served.port, [(model, (dimse.EXPLICIT,)) for model in models],
                                   calling="CURIOUS") as association:
                for model, field, identifier, more in (
                        (dimse.STUDY_FIND, dimse.C_FIND, bad, {}), (dimse.STUDY_GET, dimse.C_GET, bad, {}),
                        (dimse.STUDY_MOVE, dimse.C_MOVE, study, {"MoveDestination": "NOWHERE"})):
                    answer, _ = association.retrieve(model, field, identifier, **more)
                    self.assertIn(answer[0x0900], (0xA900, 0xA801))
        finally:
            self.assertEqual(served.stop(), 0)
        query, = self.lines("Query")
        self.assertEqual((query["outcome"], query["answers"], query["source"]["aeTitle"]), (4, 0, "CURIOUS"))
        got, moved = self.lines("Begin Transferring DICOM Instances")
        self.assertEqual((got["outcome"], got["service"], got["instances"]), (4, "C-GET", 0))
        self.assertEqual((moved["outcome"], moved["studies"]), (4, [UID + "1"]))
        self.assertEqual(moved["destination"], {"aeTitle": "NOWHERE"})
        self.assertRegex(moved["detail"], "asked for by CURIOUS at .*: unknown move destination")
        self.assertEqual(len(self.lines("DICOM Instances Transferred")), 1)  # what was stored

    def test_a_file_that_was_moved_away_is_made_anew(self):
        served = self.serve()
        try:
            served.find("StudyInstanceUID")
            self.file.rename(self.root / "old.jsonl")
            served.process.send_signal(signal.SIGHUP)
            for _ in range(200):
                if self.file.exists():
                    break
                time.sleep(0.05)
            served.find("StudyInstanceUID")
        finally:
            served.stop()
        self.assertEqual(len(self.lines("Query")), 1)
        self.assertEqual(len(self.lines("Query", self.root / "old.jsonl")), 1)

    def test_an_audit_file_that_cannot_be_written_keeps_the_node_from_serving(self):
        done = node.murpacs("serve", "--data-dir", self.root / "archive", "--set", "dicom.port=0", "--set",
                            f"log.audit={self.root}/nowhere/audit", check=False, timeout=30)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("audit lines", done.stderr)


class PrivacyTest(unittest.TestCase):
    def test_files_are_the_groups_at_most_whatever_the_umask(self):
        for mask in (0, 0o077):
            with self.subTest(mask=oct(mask)), tempfile.TemporaryDirectory() as folder:
                before = os.umask(mask)
                try:
                    served = node.Node(pathlib.Path(folder) / "archive")
                finally:
                    os.umask(before)
                try:
                    store(served.port)
                    for path in (served.data_dir, *served.data_dir.rglob("*")):
                        wanted = 0o750 if path.is_dir() else 0o640
                        self.assertEqual(oct(stat.S_IMODE(path.stat().st_mode)), oct(wanted), path)
                finally:
                    self.assertEqual(served.stop(), 0)

    def test_the_preamble_of_stored_files_is_zeros(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            uid = UID + "2.1.1"
            image = dimse.part10(dimse.image(UID + "2", UID + "2.1", uid, rows=16, columns=16,
                                             pixels=bytes(512)), dimse.CT_IMAGE, uid)
            (root / "in").mkdir()
            (root / "in" / "one.dcm").write_bytes(b"MZ" + b"\x90" * 126 + image[128:])
            node.murpacs("import", "--dicom", "--data-dir", root / "archive", root / "in")
            stored = [path for path in (root / "archive" / "objects").rglob("*")
                      if path.is_file() and path.read_bytes()[128:132] == b"DICM"]
            self.assertEqual(len(stored), 1)
            self.assertEqual(stored[0].read_bytes()[:128], bytes(128))


if __name__ == "__main__":
    unittest.main()
