#!/usr/bin/python3
"""pydicom's own test files, many of them odd, over DICOMweb: every address that the answers name is asked for;
none is a failure of the node, and metadata say what DCMTK's dcm2json says. Skipped where they are not
installed."""
import collections
import http.client
import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import pydicom

import node
import wado_test

FILES = pathlib.Path(pydicom.__file__).parent / "data/test_files"
FRAMES = ("application/octet-stream", wado_test.OHIF_FRAMES)


@unittest.skipUnless(FILES.is_dir(), "pydicom's test files are not installed")
class WebOddObjectsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        root = pathlib.Path(folder.name)
        (root / "files").mkdir()
        for path in FILES.rglob("*"):
            if path.is_file():
                shutil.copy(path, root / "files" / f"{path.parent.name}-{path.name}")
        cls.data = root / "data"
        node.murpacs("import", "--data-dir", cls.data, "--dicom", root / "files", check=False)
        port = node.free_port()
        served = node.Node(cls.data, "--set", "web.enabled=true", "--set", f"web.port={port}")
        cls.addClassCleanup(served.stop)
        node.wait_for_port(port)
        cls.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        cls.addClassCleanup(cls.connection.close)
        cls.codes = collections.Counter()

    def get(self, target, accept="*/*"):
        self.connection.request("GET", "/dicom-web" + target, headers={"Accept": accept})
        answer = self.connection.getresponse()
        body = answer.read()
        self.codes[answer.status] += 1
        self.assertLess(answer.status, 500, (target, accept, body[:300]))
        return body if answer.status == 200 else None

    def get_json(self, target):
        body = self.get(target, "application/dicom+json")
        self.assertIsNotNone(body, target)
        return json.loads(body)

    def get_bulk(self, elements):
        for element in elements.values():
            if "BulkDataURI" in element:
                self.get(element["BulkDataURI"].removeprefix("/dicom-web"))
            for item in element.get("Value", []) if element["vr"] == "SQ" else []:
                self.get_bulk(item)

    def test_every_address_is_answered(self):
        for level in ("studies", "series", "instances"):
            rows = self.get_json(f"/{level}?includefield=all&limit=1000")
            self.assertEqual(len(rows), len(self.get_json(f"/{level}?limit=1000")))
            self.assertGreater(len(rows), 10)
        for row in rows:
            target = "".join(f"/{name}/{row[tag]['Value'][0]}" for name, tag in (
                ("studies", "0020000D"), ("series", "0020000E"), ("instances", "00080018")))
            for accept in ("application/dicom", "application/dicom; transfer-syntax=*"):
                self.get(target, accept)
            for accept in FRAMES:
                self.get(target + "/frames/1", accept)
            self.get(target + "/rendered")
            self.get(target + "/thumbnail", "image/png")
            described, = self.get_json(target + "/metadata")
            self.get_bulk(described)
        self.assertGreater(self.codes[200], 300)
        self.assertLessEqual(set(self.codes), {200, 404, 406, 413})

    def test_metadata_are_those_of_dcm2json(self):
        compared = 0
        for path in sorted((self.data / "objects").rglob("*.dcm")):
            done = subprocess.run(["dcm2json", "--quiet", path], capture_output=True, check=False)
            if done.returncode != 0:
                continue  # encapsulated pixels, and characters that it does not convert
            one = pydicom.dcmread(path, stop_before_pixels=True)
            ours, = self.get_json(f"/studies/{one.StudyInstanceUID}/series/{one.SeriesInstanceUID}"
                                  f"/instances/{one.SOPInstanceUID}/metadata")
            theirs = json.loads(done.stdout)
            self.assertEqual(wado_test.without_bulk(ours), wado_test.without_bulk(theirs), path)
            compared += 1
        self.assertGreater(compared, 50)


if __name__ == "__main__":
    unittest.main()
