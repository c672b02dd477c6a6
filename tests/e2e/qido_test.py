#!/usr/bin/python3
"""QIDO-RS (PS3.18 10.6) answers what unmodified findscu is answered: the same rows with the same values,
for every kind of key; and OHIF's own requests are answered as they are written."""
import json
import os
import pathlib
import tempfile
import unittest
import urllib.error
import urllib.parse
import urllib.request

import pydicom
from pydicom.dataset import Dataset

import node

DATASET = pathlib.Path(os.environ["MURPACS_PHANTOM_DATA"])
CREATOR = "MURPACS ISA 1.0"
UIDS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}
PATHS = {"STUDY": "/studies", "SERIES": "/series", "IMAGE": "/instances"}
OHIF_311 = "application/dicom+json, multipart/related; type=application/octet-stream; transfer-syntax=*"


def load_dictionary():
    """findscu is to know our private attributes by their VR."""
    (standard,) = sorted(pathlib.Path("/usr/share").glob("*dcmtk*/dicom.dic"))[-1:]
    node.ENVIRONMENT["DCMDICTPATH"] = f"{standard}:{node.SOURCE}/etc/murpacs.dic"


class QidoTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        load_dictionary()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        root = pathlib.Path(folder.name)
        node.import_dataset(root / "data", DATASET)
        port = node.free_port()
        cls.served = node.Node(root / "data", "--set", "web.enabled=true", "--set",
                               f"web.port={port}")
        cls.addClassCleanup(cls.served.stop)
        cls.root = f"http://127.0.0.1:{port}/dicom-web"

    def get(self, target, accept="application/dicom+json"):
        """(status, headers, parsed body or text)"""
        request = urllib.request.Request(self.root + target, headers={"Accept": accept})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read().decode("utf-8")
                return answer.status, answer.headers, json.loads(text) if text else []
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.headers, refused.read().decode("utf-8")

    def search(self, target, *parameters, **more):
        """Answers as pydicom Data Sets. @parameters are pairs."""
        query = urllib.parse.urlencode([*parameters, *more.items()])
        code, headers, found = self.get(target + ("?" + query if query else ""))
        self.assertEqual(code, 200, found)
        self.assertEqual(headers["Content-Type"], "application/dicom+json")
        for answer in found:
            self.assertEqual(list(answer), sorted(answer))
        return [Dataset.from_json(answer) for answer in found]

    def assert_like_find(self, level, keys, parameters=None, returned=()):
        """The same question by both services. @keys: {keyword or tag: value} for findscu, and for
        QIDO-RS unless @parameters say otherwise."""
        words = [f"{name}={value}" for name, value in keys.items()]
        names = [name for name in (UIDS[level], *returned) if name not in keys]
        expected = self.served.find("SpecificCharacterSet=ISO_IR 192", *words, *names, level=level)
        parameters = list(keys.items()) if parameters is None else parameters
        found = self.search(PATHS[level], *parameters,
                            *(("includefield", name) for name in returned))
        unique = UIDS[level]
        self.assertEqual(sorted(answer[unique].value for answer in found),
                         sorted(answer[unique].value for answer in expected), (keys, parameters))
        by_uid = {answer[unique].value: answer for answer in found}
        for answer in expected:
            for name in returned:
                there = by_uid[answer[unique].value][name]
                if there.VR == "SQ":
                    self.assertEqual(str(there.value), str(answer[name].value), name)
                else:
                    self.assertEqual(there.value or None, answer[name].value or None, name)
        return len(expected)

    # -- the same engine ---------------------------------------------------------------------------

    def test_every_value_of_study_attributes_finds_what_findscu_finds(self):
        names = ("PatientID", "PatientName", "PatientSex", "StudyDate", "StudyDescription", "StudyID",
                 "AccessionNumber", "ModalitiesInStudy", "StrainDescription",
                 "PatientSpeciesDescription", "PatientBirthDate", "PatientAge", "PatientWeight",
                 "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances")
        self.assertGreater(self.assert_like_find("STUDY", {}, returned=names), 1)
        everything = self.search("/studies", *(("includefield", name) for name in names))
        asked = 0
        for name in names[:-2]:
            values = {value for answer in everything for value in
                      (answer[name].value if answer[name].VM > 1 else [answer[name].value]) if value}
            for value in sorted(map(str, values))[:5]:
                asked += self.assert_like_find("STUDY", {name: value}) > 0
        self.assertGreater(asked, 10)

    def test_wildcards_ranges_and_lists(self):
        studies = [answer.StudyInstanceUID for answer in self.search("/studies")]
        dates = sorted(answer.StudyDate for answer in self.search("/studies") if answer.StudyDate)
        some = studies[:3]
        self.assertEqual(self.assert_like_find(
            "STUDY", {"StudyInstanceUID": "\\".join(some)}), len(some))
        self.assertEqual(self.assert_like_find(
            "STUDY", {"StudyInstanceUID": "\\".join(some)},
            [("StudyInstanceUID", ",".join(some))]), len(some))
        self.assert_like_find("STUDY", {"PatientID": "*1"})
        self.assert_like_find("STUDY", {"PatientName": "m?u*"})
        self.assert_like_find("STUDY", {"ModalitiesInStudy": "CT"})
        self.assert_like_find("STUDY", {"ModalitiesInStudy": "CT\\MR"})
        if dates:
            self.assertGreater(self.assert_like_find(
                "STUDY", {"StudyDate": f"{dates[0]}-{dates[-1]}"}), 0)
            self.assert_like_find("STUDY", {"StudyDate": f"-{dates[0]}"})
        self.assertEqual(self.search("/studies", PatientID="no such mouse"), [])

    def test_series_and_instances(self):
        names = ("Modality", "SeriesDescription", "SeriesNumber", "NumberOfSeriesRelatedInstances",
                 "BodyPartExamined", "StudyInstanceUID", "PatientID", "SegmentSequence")
        self.assertGreater(self.assert_like_find("SERIES", {}, returned=names), 1)
        for modality in ("CT", "MR", "SEG"):
            self.assert_like_find("SERIES", {"Modality": modality}, returned=names)
        study = self.search("/studies")[0].StudyInstanceUID
        names = ("SOPClassUID", "InstanceNumber", "Rows", "Columns", "ImagePositionPatient",
                 "PixelSpacing", "BitsStored", "SeriesInstanceUID")
        self.assertGreater(self.assert_like_find("IMAGE", {"StudyInstanceUID": study},
                                                 returned=names), 0)
        below = self.search(f"/studies/{study}/instances")
        self.assertEqual({answer.SOPInstanceUID for answer in below},
                         {answer.SOPInstanceUID
                          for answer in self.search("/instances", StudyInstanceUID=study)})
        for series in self.search(f"/studies/{study}/series"):
            found = self.search(f"/studies/{study}/series/{series.SeriesInstanceUID}/instances")
            self.assertEqual(len(found), series.NumberOfSeriesRelatedInstances)
            for answer in found:
                self.assertEqual(answer.RetrieveURL,
                                 f"/dicom-web/studies/{study}/series/{series.SeriesInstanceUID}"
                                 f"/instances/{answer.SOPInstanceUID}")

    def test_inside_sequences(self):
        found = 0
        for tags, value in (("StrainStockSequence.StrainStockNumber", "*"),
                            ("00102202.00080104", "Mus*"),
                            ("PatientSpeciesCodeSequence.CodeValue", "*0*"),
                            ("SegmentSequence.SegmentLabel", "*e*"),
                            ("00620002.0062000F.CodeMeaning", "*")):
            words = tags.split(".")
            key = "[0].".join(word if word[0].isalpha() else f"({word[:4]},{word[4:]})"
                              for word in words)
            found += self.assert_like_find("SERIES", {key: value}, [(tags, value)])
        self.assertGreater(found, 0)

    def test_private_block_in_all_its_forms(self):
        (answer, *_) = self.search("/series", ("00990010", CREATOR), includefield="00991001")
        cells = answer[0x00991001].value
        cells = [cells] if isinstance(cells, str) else list(cells)
        self.assertEqual(answer[0x00990010].value, CREATOR)
        cell = next(text for text in cells if "*" not in text and "?" not in text)
        finds = [("00990010", CREATOR), ("00991001", cell)]
        expected = self.assert_like_find("SERIES", {"0099,0010": CREATOR, "0099,1001": cell}, finds)
        self.assertGreater(expected, 0)
        kind, _, rest = cell.partition(":")
        name, _, text = rest.partition("=")
        for parameters in ([("ISAAttribute", cell)], [(f"[{CREATOR}]0099xx01", cell)],
                           [("00990037", CREATOR), ("00993701", cell)]):
            self.assertEqual(len(self.search("/series", *parameters)), expected, parameters)
        by_items = self.search("/series", ("00990010", CREATOR), ("00991002.00991003", kind.upper()),
                               ("00991002.00991004", name), ("00991002.00991005", text))
        self.assertEqual(len(by_items), expected)
        # Several conditions must all hold.
        other = next(text for text in cells if text != cell and "*" not in text)
        both = self.search("/series", ("ISAAttribute", cell), ("ISAAttribute", other))
        self.assertLessEqual({answer.SeriesInstanceUID for answer in both},
                             {answer.SeriesInstanceUID
                              for answer in self.search("/series", ("ISAAttribute", other))})
        self.assertGreater(len(both), 0)

    def test_all_fields(self):
        everything = self.search("/studies", includefield="all")
        self.assertTrue(any("StrainDescription" in answer for answer in everything))
        self.assertTrue(any(0x00990010 in answer and 0x00991001 in answer for answer in everything))
        self.assertFalse(any("Modality" in answer for answer in everything))
        for level in PATHS.values():  # a creator stands where an element of its block does
            for answer in self.search(level, includefield="all"):
                private = any(0x00991000 <= element.tag <= 0x009910FF for element in answer)
                self.assertEqual(0x00990010 in answer, private)

    # -- OHIF ----------------------------------------------------------------------------------------

    def assert_answered(self, target, accept):
        code, headers, found = self.get(target, accept)
        self.assertEqual(code, 200, (target, found))
        self.assertIn(headers["Content-Type"], ("application/dicom+json", "application/json"))
        return found

    def test_requests_of_ohif(self):
        for fields in ("00081030%2C00080060%2C00080090%2C00100030", "00081030%2C00080060"):
            listed = f"/studies?limit=101&offset=0&fuzzymatching=false&includefield={fields}"
            for accept in ("application/dicom+json", OHIF_311):
                studies = self.assert_answered(listed, accept)
                self.assertGreater(len(studies), 1)
                for study in studies:
                    for tag in ("00081030", "00201208", "00080061", "00080090", "00100030"):
                        self.assertIn(tag, study)
                uid = studies[0]["0020000D"]["Value"][0]
                patient = studies[0]["00100020"]["Value"][0]
                self.assertEqual(self.assert_answered(f"{listed}&StudyInstanceUID={uid}", accept),
                                 studies[:1])
                prior = self.assert_answered(
                    f"/studies?00100020={urllib.parse.quote(patient)}&limit=101&offset=0"
                    f"&fuzzymatching=false&includefield={fields}", accept)
                self.assertIn(uid, [study["0020000D"]["Value"][0] for study in prior])
                series = self.assert_answered(
                    f"/studies/{uid}/series?includefield=00080021%2C00080031%2C0008103E%2C00200011",
                    accept)
                self.assertGreater(len(series), 0)
                for one in series:
                    for tag in ("0020000E", "00080060", "0008103E", "00200011", "00201209"):
                        self.assertIn(tag, one)
                    instances = self.assert_answered(
                        f"/studies/{uid}/series/{one['0020000E']['Value'][0]}/metadata", accept)
                    self.assertEqual(len(instances), one["00201209"]["Value"][0])

    def test_filters_of_the_study_list(self):
        study = self.search("/studies")[0]
        part = study.PatientID[1:]
        for query in (f"PatientName=*{str(study.PatientName)[1:]}*", f"00100020=*{part}*",
                      f"StudyDescription=*{study.get('StudyDescription', '')}*",
                      f"ModalitiesInStudy={study['ModalitiesInStudy'][0]}",
                      f"StudyDate={study.StudyDate}-{study.StudyDate}"):
            found = self.assert_answered("/studies?" + urllib.parse.quote(query, safe="=*"),
                                         "application/dicom+json")
            self.assertIn(study.StudyInstanceUID, [one["0020000D"]["Value"][0] for one in found])

    # -- pages and refusals --------------------------------------------------------------------------

    def test_pages_make_the_whole(self):
        whole = [answer.SeriesInstanceUID for answer in self.search("/series")]
        pages = []
        while len(pages) < len(whole):
            code, headers, found = self.get(f"/series?limit=3&offset={len(pages)}")
            self.assertEqual(code, 200)
            pages += [answer["0020000E"]["Value"][0] for answer in found]
            left = len(whole) - len(pages)
            self.assertEqual(headers["Warning"],
                             f"299 /dicom-web: There are {left} additional results that can be "
                             "requested" if left else None)
        self.assertEqual(pages, whole)

    def test_refusals(self):
        self.assertEqual(self.get("/studies", "application/dicom+xml")[0], 406)
        code, _, text = self.get("/studies?PatientNames=x")
        self.assertEqual(code, 400)
        self.assertIn("PatientNames", text)


if __name__ == "__main__":
    unittest.main()
