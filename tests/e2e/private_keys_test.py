#!/usr/bin/python3
"""Private attributes of other creators, as a site names them (index.attributes): found whatever block the
object or the query has, over Explicit and Implicit VR, and for what was stored before."""
import json
import pathlib
import re
import tempfile
import unittest
import urllib.parse
import urllib.request

import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

import dimse
import node

ACME = "ACME 1.1, beta"
ATTRIBUTES = f"[{ACME}]0029xx10/DS, [{ACME}]0029xx11, study:[{ACME}]0029xx12.[{ACME}]0029xx13/US"


def private(block, energy, mode, count):
    """Elements of a private block as pydicom writes them."""
    data = Dataset()
    data.add_new(0x00290000 + block, "LO", ACME)
    data.add_new(0x00290010 + block * 256, "DS", energy)
    data.add_new(0x00290011 + block * 256, "LO", mode)
    item = Dataset()
    item.add_new(0x00290000 + block, "LO", ACME)
    item.add_new(0x00290013 + block * 256, "US", count)
    data.add_new(0x00290012 + block * 256, "SQ", Sequence([item]))
    return data


class PrivateKeysTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def store(self, served, number, implicit, data):
        """A small image with these elements, as a file of its own transfer syntax."""
        image = Dataset()
        image.update(data)
        image.SpecificCharacterSet = "ISO_IR 192"
        image.SOPClassUID = dimse.CT_IMAGE
        image.SOPInstanceUID = f"1.2.{number}.1.1"
        image.StudyInstanceUID, image.SeriesInstanceUID = f"1.2.{number}", f"1.2.{number}.1"
        image.PatientID, image.Modality = f"P{number}", "CT"
        image.is_little_endian, image.is_implicit_VR = True, implicit
        image.file_meta = pydicom.dataset.FileMetaDataset()
        image.file_meta.TransferSyntaxUID = (pydicom.uid.ImplicitVRLittleEndian if implicit
                                             else pydicom.uid.ExplicitVRLittleEndian)
        image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        path = self.root / f"{number}.dcm"
        pydicom.dcmwrite(path, image, write_like_original=False)
        served.store(path, options=("-xi",) if implicit else ())

    def find(self, served, *elements, options=()):
        query = Dataset()
        query.QueryRetrieveLevel, query.SeriesInstanceUID = "SERIES", ""
        for tag, vr, value in elements:
            query.add_new(tag, vr, value)
        query.is_little_endian, query.is_implicit_VR = True, False
        query.file_meta = pydicom.dataset.FileMetaDataset()
        query.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        query.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66"
        query.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
        path = self.root / "query.dcm"
        pydicom.dcmwrite(path, query, write_like_original=False)
        done = node.run("findscu", "-d", "-S", "-aec", "MURPACS", *options, "127.0.0.1", served.port,
                        path)
        text = done.stdout + done.stderr
        answers = text.partition("Find Response")[2]
        found = re.findall(r"\(0020,000e\) UI \[1\.2\.(\d)\.1[ \0]*\]", answers)
        return sorted(set(found)), "0xff01" in text.lower()

    def assert_all_found(self, served, numbers):
        for options in ((), ("-xi",)):
            for block in (0x10, 0x37):
                creator = (0x00290000 + block, "LO", ACME)
                tag = 0x00290000 + block * 256
                for key, found in (((tag + 0x10, "DS", "12.50"), "12"),
                                   ((tag + 0x11, "LO", "fast*"), "13"),
                                   ((tag + 0x11, "LO", "slow"), "2")):
                    answers, unsupported = self.find(served, creator, key, options=options)
                    self.assertEqual("".join(answers), "".join(set(found) & set(numbers)
                                                               and sorted(set(found) & set(numbers))))
                    self.assertFalse(unsupported)
                item = Dataset()
                item.add_new(*creator)
                item.add_new(tag + 0x13, "US", 7)
                answers, _ = self.find(served, creator, (tag + 0x12, "SQ", Sequence([item])),
                                       options=options)
                self.assertEqual(answers, [one for one in ("2",) if one in numbers])

    def test_named_private_attributes_are_found_and_others_are_not_supported(self):
        with node.serving(self.root / "data") as served:
            self.store(served, 1, False, private(0x10, "12.5", "fast mode", 3))
            self.store(served, 2, True, private(0x21, "12.50", "slow", 7))
            found, unsupported = self.find(served, (0x00290010, "LO", ACME),
                                           (0x00291011, "LO", "slow"))
            self.assertEqual((found, unsupported), (["1", "2"], True))
        configuration = ("--set", f"index.attributes={ATTRIBUTES}")
        node.murpacs("reindex", "--attributes", "--data-dir", self.root / "data", *configuration)
        with node.serving(self.root / "data", *configuration) as served:
            self.assert_all_found(served, "12")
            self.store(served, 3, True, private(0x10, "99", "fast", 1))
            self.assert_all_found(served, "123")
            other = (0x00290010, "LO", "SOMEBODY ELSE")
            found, unsupported = self.find(served, other, (0x00291011, "LO", "slow"))
            self.assertEqual((found, unsupported), (["1", "2", "3"], True))

    def test_answers_have_the_creator_and_block_of_the_query(self):
        configuration = ("--set", f"index.attributes={ATTRIBUTES}")
        with node.serving(self.root / "data", *configuration) as served:
            self.store(served, 1, True, private(0x21, "12.5", "fast mode", 3))
            done = node.run("findscu", "-S", "-aec", "MURPACS", "-k", "QueryRetrieveLevel=SERIES", "-k",
                            f"0029,0044={ACME}", "-k", "0029,4411", "127.0.0.1", served.port)
            answer = (done.stdout + done.stderr).partition("Find Response")[2]
            self.assertIn(f"(0029,0044) LO [{ACME}", answer)
            self.assertIn("(0029,4411) LO [fast mode", answer)

    def test_searches_by_http_name_them_in_each_way(self):
        port = node.free_port()

        def search(*pairs):
            target = f"http://127.0.0.1:{port}/dicom-web/series?{urllib.parse.urlencode(pairs)}"
            with urllib.request.urlopen(target, timeout=60) as answer:
                found = json.load(answer)
                return "".join(sorted(one["0020000D"]["Value"][0][-1] for one in found)), found, \
                    answer.headers["Warning"]

        with node.serving(self.root / "data", "--set", f"index.attributes={ATTRIBUTES}", "--set",
                          "web.enabled=true", "--set", f"web.port={port}") as served:
            self.store(served, 1, False, private(0x10, "12.5", "fast mode", 3))
            self.store(served, 2, True, private(0x21, "12.50", "slow", 7))
            for block in ("10", "37"):
                creator = (f"002900{block}", ACME)
                self.assertEqual(search(creator, (f"0029{block}11", "fast*"))[0], "1")
                self.assertEqual(search(creator, (f"0029{block}10", "12.50"))[0], "12")
                self.assertEqual(search(creator, (f"0029{block}12.0029{block}13", "7"))[0], "2")
                _, (answer, _), warning = search(creator, ("includefield", f"0029{block}11"))
                self.assertEqual(answer[f"002900{block}"], {"vr": "LO", "Value": [ACME]})
                self.assertIn(answer[f"0029{block}11"]["Value"][0], ("fast mode", "slow"))
                self.assertIsNone(warning)
            self.assertEqual(search((f"[{ACME}]0029xx11", "slow"))[0], "2")
            found, (answer,), _ = search((f"[{ACME}]0029xx12.[{ACME}]0029xx13", "3"),
                                         ("includefield", f"Modality,[{ACME}]0029xx10"))
            self.assertEqual(found, "1")
            self.assertEqual(answer["00291010"], {"vr": "DS", "Value": [12.5]})
            found, _, warning = search(("00290010", "SOMEBODY ELSE"), ("00291011", "slow"))
            self.assertEqual(found, "12")
            self.assertIn("not been matched: 00291011", warning)

    def test_wrong_names_are_refused_at_the_start(self):
        for wrong in ("00291010", "[ACME]00281010", "[ACME", "[ACME]0029xx10/ZZ",
                      "[MURPACS ISA 1.0]0099xx10"):
            done = node.murpacs("serve", "--data-dir", self.root / "data", "--set",
                                f"index.attributes={wrong}", check=False, timeout=60)
            self.assertNotEqual(done.returncode, 0, wrong)
            self.assertIn(wrong.split("/")[-1].split("]")[0].strip("["), done.stderr)


if __name__ == "__main__":
    unittest.main()
