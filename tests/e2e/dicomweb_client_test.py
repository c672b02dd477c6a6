#!/usr/bin/python3
"""npm's dicomweb-client, which viewers are built on, stores, searches and retrieves. Skipped where npm is
not installed or cannot fetch it."""
import hashlib
import io
import json
import pathlib
import tempfile
import unittest

import numpy
import pydicom
from pydicom.encaps import encapsulate, generate_pixel_data_frame
from pydicom.pixel_data_handlers.rle_handler import rle_encode_frame
from pydicom.uid import RLELossless

import node
import stow_test

BULK = bytes(range(256)) * 300
UID = stow_test.UID + "55"
FRAMES = (numpy.arange(2 * 20 * 30).reshape(2, 20, 30) // 7).astype("u1")


def digest(content):
    return hashlib.sha256(content).hexdigest()


def make_file(folder, number):
    """Two frames, in RLE unless it is the last, and a bulk value: the path, the Data Set."""
    file, uid = stow_test.make_object(number, study="55")
    one = pydicom.dcmread(io.BytesIO(file))
    one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7.2"
    one.Rows, one.Columns, one.NumberOfFrames = *FRAMES.shape[1:], 2
    one.StudyDescription = "Ödem 鼠"
    one.SpecificCharacterSet = "ISO_IR 192"
    one.PixelData = FRAMES.tobytes()
    if number < 3:
        one.file_meta.TransferSyntaxUID = RLELossless
        one.PixelData = encapsulate([rle_encode_frame(frame) for frame in FRAMES])
        one["PixelData"].is_undefined_length = True
    one["PixelData"].VR = "OB"
    one.add_new(0x00290010, "LO", "TEST")
    one.add_new(0x00291001, "OB", BULK)
    path = folder / f"{uid}.dcm"
    one.save_as(path, write_like_original=False)
    return path, one


class DicomwebClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        program = node.npm_modules() / "dicomweb.js"
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.files = [make_file(cls.folder, number) for number in (1, 2, 3)]
        cls.data = cls.folder / "data"
        port = node.free_port()
        served = node.Node(cls.data, "--set", "web.enabled=true", "--set", f"web.port={port}")
        cls.addClassCleanup(served.stop)
        node.wait_for_port(port)
        done = node.run("node", program, f"http://127.0.0.1:{port}/dicom-web",
                        *(path for path, _ in cls.files), timeout=120)
        cls.told = json.loads(done.stdout.splitlines()[-1])
        cls.uids = [one.SOPInstanceUID for _, one in cls.files]

    def test_it_stores(self):
        self.assertEqual(node.indexed_instances(self.data), self.uids)
        stored = json.loads(self.told["stored"])
        self.assertEqual([item["00081155"]["Value"][0] for item in stored["00081199"]["Value"]],
                         self.uids)

    def test_it_searches(self):
        study, = self.told["studies"]
        self.assertEqual(study["00081030"]["Value"], ["Ödem 鼠"])
        self.assertIn("00101010", study)
        self.assertEqual(study["00201208"]["Value"], [3])
        self.assertEqual(self.told["none"], [])
        self.assertEqual([one["0020000E"]["Value"] for one in self.told["series"]], [[UID + ".1"]])
        self.assertEqual(len(self.told["instances"]), 1)

    def test_it_retrieves_metadata(self):
        metadata = self.told["metadata"]
        self.assertEqual(metadata["study"], metadata["series"])
        self.assertEqual([one["00080018"]["Value"][0] for one in metadata["series"]], self.uids)
        self.assertEqual(metadata["instance"], metadata["series"][0])
        self.assertEqual(metadata["instance"]["00081030"]["Value"], ["Ödem 鼠"])

    def test_it_retrieves_objects(self):
        """It names no transfer syntax: Explicit VR Little Endian, in which only the last is stored."""
        stored = [digest(path.read_bytes()) for path in (self.data / "objects").rglob("*.dcm")]
        objects = self.told["objects"]
        self.assertEqual(len(set(objects["study"])), 3)
        self.assertEqual(objects["study"], objects["series"])
        self.assertEqual([one for one in objects["study"] if one in stored], [objects["last"]])

    def test_it_retrieves_frames(self):
        coded = list(generate_pixel_data_frame(self.files[0][1].PixelData, 2))
        plain = [digest(frame.tobytes()) for frame in FRAMES[::-1]]
        self.assertEqual(self.told["frames"], {
            "usual": plain, "coded": [digest(frame) for frame in coded[::-1]],
            "either": [digest(frame) for frame in coded[::-1]]})

    def test_it_retrieves_pictures_and_bulk_values(self):
        self.assertEqual(self.told["pictures"], {"jpeg": "ffd8ffe0", **dict.fromkeys(
            ("png", "frame", "thumbnail"), "89504e47")})
        self.assertEqual(self.told["bulk"], {"whole": [digest(BULK)], "part": [digest(BULK[10:20])]})

    def test_it_is_told_what_is_not_there(self):
        self.assertEqual((self.told["absent"], self.told["wrong"]), (404, 400))


if __name__ == "__main__":
    unittest.main()
