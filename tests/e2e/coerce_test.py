#!/usr/bin/python3
"""export.coerce: what leaves says what the index answers; what is stored stays as it came."""
import os
import pathlib
import tempfile
import unittest

import pydicom

import node

DATASET = pathlib.Path(os.environ["MURPACS_PHANTOM_DATA"])
CREATOR = "MURPACS ISA 1.0"
NEVER = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "Modality",
         "SeriesNumber", "InstanceNumber", "FrameOfReferenceUID", "Rows", "Columns",
         "ImagePositionPatient", "RepetitionTime", "EchoTime", "KVP")


def by_uid(paths):
    return {str(one.SOPInstanceUID): one for one in map(pydicom.dcmread, paths)}


class Coerce(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.folder.name)
        cls.data_dir = cls.root / "archive"
        cls.scans, done = node.import_dataset(cls.data_dir, DATASET)
        assert done.returncode == 0, done.stderr
        cls.native = [scan for scan in cls.scans if (DATASET / scan["image"]).is_dir()]
        cls.before = node.tree_digest(cls.data_dir / "objects")
        cls.node = node.Node(cls.data_dir, "--set", "export.coerce=true")

    @classmethod
    def tearDownClass(cls):
        code = cls.node.stop()
        cls.folder.cleanup()
        assert code == 0, code

    def fetch(self, name, series, study, options=("+B",)):
        return self.node.get(self.root / name, f"SeriesInstanceUID={series}",
                             f"StudyInstanceUID={study}", level="SERIES", options=options)

    def sent(self, scan):
        return by_uid((DATASET / scan["image"]).glob("*.dcm"))

    def test_native_objects_leave_as_c_find_answers(self):
        self.assertTrue(self.native)
        for scan in self.native:
            series, study = scan["SeriesInstanceUID"], scan["StudyInstanceUID"]
            answer = self.node.find(
                f"StudyInstanceUID={study}", f"SeriesInstanceUID={series}", "PatientID",
                "IssuerOfPatientID", "PatientName", "PatientSex", "StrainDescription",
                "PatientSpeciesDescription", "StudyDate", "StudyDescription",
                "ClinicalTrialProtocolID", "PatientSpeciesCodeSequence[0].CodeValue",
                level="SERIES")[0]
            paths = self.fetch("native-" + series, series, study)
            originals = self.sent(scan)
            self.assertEqual(len(paths), len(originals))
            for path, one in ((path, pydicom.dcmread(path)) for path in paths):
                original = originals[one.SOPInstanceUID]
                for keyword in ("PatientID", "IssuerOfPatientID", "PatientName", "PatientSex",
                                "StrainDescription", "PatientSpeciesDescription", "StudyDate",
                                "StudyDescription", "ClinicalTrialProtocolID"):
                    self.assertEqual(one.get(keyword), answer.get(keyword), keyword)
                self.assertEqual(one.PatientSpeciesCodeSequence[0].CodeValue,
                                 answer.PatientSpeciesCodeSequence[0].CodeValue)
                for keyword in NEVER:
                    if keyword in original:
                        self.assertEqual(one.get(keyword), original.get(keyword), keyword)
                self.assertEqual(one.PixelData, original.PixelData)
                before = one.OriginalAttributesSequence[-1]
                self.assertEqual(before.ReasonForTheAttributeModification, "COERCE")
                self.assertEqual(before.ModifyingSystem, "MURPACS")
                self.assertTrue(before.AttributeModificationDateTime)
                self.assertIn("SourceOfPreviousValues", before)
                replaced = before.ModifiedAttributesSequence[0]
                self.assertEqual(replaced.PatientID, original.PatientID)
                self.assertEqual(replaced.PatientName, original.PatientName)
                for element in replaced:
                    self.assertEqual(element.value, original[element.tag].value, element)
                    self.assertNotEqual(element.value, one[element.tag].value, element)

    def test_every_attribute_that_was_there_is_there_or_kept(self):
        scan = self.native[0]
        originals = self.sent(scan)
        paths = self.fetch("kept", scan["SeriesInstanceUID"], scan["StudyInstanceUID"])
        for one in map(pydicom.dcmread, paths):
            replaced = one.OriginalAttributesSequence[-1].ModifiedAttributesSequence[0]
            for element in originals[one.SOPInstanceUID]:
                if element.keyword == "SpecificCharacterSet":
                    continue
                now = replaced[element.tag] if element.tag in replaced else one[element.tag]
                if element.value not in ("", None, []):
                    self.assertEqual(now.value, element.value, element)

    def test_the_private_block_holds_the_cells_of_the_scan(self):
        scan = self.native[0]
        path = self.fetch("private", scan["SeriesInstanceUID"], scan["StudyInstanceUID"])[0]
        one = pydicom.dcmread(path)
        block = one.private_block(0x0099, CREATOR)
        cells = block[0x01].value
        text = " ".join(part.decode() if isinstance(part, bytes) else part for part in (
            cells if isinstance(cells, (list, pydicom.multival.MultiValue)) else [cells]))
        self.assertIn("characteristic:", text)
        self.assertIn(scan["assay"], str(block[0x19].value))

    def test_dciodvfy_finds_no_new_error(self):
        for scan in self.native:
            paths = self.fetch("verified-" + scan["assay"].replace("/", "_"),
                               scan["SeriesInstanceUID"], scan["StudyInstanceUID"])
            path = sorted((DATASET / scan["image"]).glob("*.dcm"))[0]
            known = set(node.dciodvfy_errors(path))
            self.assertLessEqual(set(node.dciodvfy_errors(paths[0])), known, scan["assay"])

    def test_converted_objects_say_all_that_already(self):
        for scan in self.scans:
            if (DATASET / scan["image"]).is_dir():
                continue
            made = scan["images"][0]
            path = self.fetch("made-" + made["SeriesInstanceUID"], made["SeriesInstanceUID"],
                              made["StudyInstanceUID"])[0]
            one = pydicom.dcmread(path)
            self.assertNotIn("OriginalAttributesSequence", one, scan["assay"])

    def test_the_same_bytes_leave_each_time_and_by_c_move(self):
        scan = self.native[0]
        series, study = scan["SeriesInstanceUID"], scan["StudyInstanceUID"]
        first = {path.name: node.data_set_bytes(path)
                 for path in self.fetch("first", series, study)}
        second = {path.name: node.data_set_bytes(path)
                  for path in self.fetch("second", series, study)}
        self.assertEqual(first, second)
        moved, _ = self.node.move(self.root / "moved", f"StudyInstanceUID={study}",
                                  f"SeriesInstanceUID={series}", level="SERIES")
        self.assertEqual(sorted(first.values()), sorted(map(node.data_set_bytes, moved)))

    def test_a_receiver_of_implicit_vr_gets_the_same_attributes(self):
        scan = self.native[0]
        series, study = scan["SeriesInstanceUID"], scan["StudyInstanceUID"]
        explicit = by_uid(self.fetch("explicit", series, study))
        implicit = by_uid(self.fetch("implicit", series, study, options=("+xi",)))
        self.assertEqual(set(explicit), set(implicit))
        for uid, one in implicit.items():
            self.assertEqual(one.PatientID, explicit[uid].PatientID)
            self.assertEqual(one.PixelData, explicit[uid].PixelData)
            self.assertEqual(one.OriginalAttributesSequence[-1].ReasonForTheAttributeModification,
                             "COERCE")

    def test_what_is_stored_stays_as_it_came(self):
        scan = self.native[0]
        self.fetch("any", scan["SeriesInstanceUID"], scan["StudyInstanceUID"])
        self.assertEqual({path: digest for path, digest in
                          node.tree_digest(self.data_dir / "objects").items()
                          if path in self.before}, self.before)


class Header(unittest.TestCase):
    def test_where_the_header_wins_only_what_it_lacks_is_added(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            scans, _ = node.import_dataset(root / "archive", DATASET, "--set",
                                           "isa.precedence=header")
            scan = next(one for one in scans if (DATASET / one["image"]).is_dir())
            sent = by_uid((DATASET / scan["image"]).glob("*.dcm"))
            with node.serving(root / "archive", "--set", "export.coerce=true", "--set",
                              "isa.precedence=header") as served:
                answer = served.find(f"StudyInstanceUID={scan['StudyInstanceUID']}",
                                     "PatientName", "StudyDescription")[0]
                got = by_uid(served.get(root / "got",
                                        f"SeriesInstanceUID={scan['SeriesInstanceUID']}",
                                        f"StudyInstanceUID={scan['StudyInstanceUID']}",
                                        level="SERIES"))
            for uid, one in got.items():
                self.assertEqual(one.PatientName, answer.PatientName)
                self.assertEqual(one.StudyDescription, answer.StudyDescription)
                if sent[uid].get("StudyDescription"):
                    self.assertEqual(one.StudyDescription, sent[uid].StudyDescription)


if __name__ == "__main__":
    unittest.main()
