#!/usr/bin/python3
"""STOW-RS (PS3.18 10.5) to a running node: what is stored comes back by C-GET as it was sent, a request that
breaks off leaves nothing, and who has to say who they are."""
import base64
import gzip
import http.client
import io
import json
import pathlib
import socket
import subprocess
import tempfile
import time
import unittest

import numpy
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixel_data_handlers.rle_handler import rle_encode_frame
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

import node

ROOT = "/dicom-web/studies"
UID = "1.2.826.0.1.3680043.10.1507.7."
CT = "1.2.840.10008.5.1.4.1.1.2"
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
RELATED = 'multipart/related; type="application/dicom"; boundary=abc'


def make_object(number, study="1", sop_class=CT, size=64, syntax=ExplicitVRLittleEndian):
    """A Part 10 file as bytes, and its SOP Instance UID."""
    data = Dataset()
    data.SOPClassUID = sop_class
    data.SOPInstanceUID = f"{UID}{study}.1.{number}"
    data.StudyInstanceUID = UID + study
    data.SeriesInstanceUID = f"{UID}{study}.1"
    data.PatientID, data.PatientName = "Mouse1", "Mouse^One"
    data.Modality = "CT" if sop_class == CT else "SEG"
    data.InstanceNumber = number
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows = data.Columns = size
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    pixels = (numpy.arange(size * size).reshape(size, size) // 7 % 5).astype("uint8")
    if syntax == RLELossless:
        data.PixelData = encapsulate([rle_encode_frame(pixels)])
        data["PixelData"].VR = "OB"
        data["PixelData"].is_undefined_length = True
    else:
        data.PixelData = pixels.tobytes()
        data["PixelData"].VR = "OB"
    data.file_meta = FileMetaDataset()
    data.file_meta.MediaStorageSOPClassUID = sop_class
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.file_meta.TransferSyntaxUID = syntax
    data.is_little_endian, data.is_implicit_VR = True, False
    data.preamble = b"\0" * 128
    file = io.BytesIO()
    pydicom.dcmwrite(file, data, write_like_original=False)
    return file.getvalue(), data.SOPInstanceUID


def join(*files):
    body = b"".join(b"--abc\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n"
                    for file in files)
    return body + b"--abc--\r\n"


def data_set(file):
    length = int.from_bytes(file[140:144], "little")
    return file[144 + length:]


def basic(name, password):
    return {"Authorization": "Basic " + base64.b64encode(
        f"{name}:{password}".encode()).decode()}


class ServedTest(unittest.TestCase):
    """A node of its own for each test, and how to ask it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.data = self.folder / "data"

    def serve(self, *options):
        self.port = node.free_port()
        served = node.Node(self.data, "--set", "web.enabled=true", "--set",
                           f"web.port={self.port}", *options)
        self.addCleanup(served.stop)
        node.wait_for_port(self.port)
        return served

    def ask(self, method, target, body=None, headers=None):
        """(status, headers, body)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, target, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def store(self, *files, target=ROOT, headers=None):
        code, _, body = self.ask("POST", target, join(*files),
                                 {"Content-Type": RELATED, "Accept": "application/dicom+json",
                                  **(headers or {})})
        return code, Dataset.from_json(json.loads(body))

    def assert_nothing_stored(self):
        for _ in range(50):
            if not node.stored_files(self.data):
                break
            time.sleep(0.1)
        self.assertEqual(node.stored_files(self.data), [])
        self.assertEqual(node.indexed_instances(self.data), [])


class StowTest(ServedTest):
    # -- what is stored ----------------------------------------------------------------------------

    def test_what_is_stored_comes_back_by_get_and_by_wado(self):
        served = self.serve()
        sent = dict(reversed(make_object(number, size=200)) for number in range(1, 21))
        code, answer = self.store(*sent.values(), target=f"{ROOT}/{UID}1")
        self.assertEqual(code, 200)
        self.assertEqual([item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence],
                         list(sent))
        self.assertNotIn("FailedSOPSequence", answer)
        self.assertEqual(answer.RetrieveURL, f"{ROOT}/{UID}1")
        got = served.get(self.folder / "got", f"StudyInstanceUID={UID}1")
        self.assertEqual(len(got), 20)
        for path in got:
            uid = pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID
            self.assertEqual(node.data_set_bytes(path), data_set(sent[uid]))
        item = answer.ReferencedSOPSequence[0]
        code, _, body = self.ask("GET", item.RetrieveURL,
                                 headers={"Accept": "application/dicom; transfer-syntax=*"})
        self.assertEqual(code, 200)
        self.assertEqual(data_set(body), data_set(sent[item.ReferencedSOPInstanceUID]))
        # C-STORE of the same finds it there: one archive, one rule.
        file = self.folder / "again.dcm"
        file.write_bytes(sent[item.ReferencedSOPInstanceUID])
        served.store(file)
        self.assertEqual(len(node.indexed_instances(self.data)), 20)

    def test_a_label_map_in_rle_goes_in_as_ohif_saves_it(self):
        served = self.serve()
        file, uid = make_object(1, sop_class=LABEL_MAP, syntax=RLELossless)
        code, answer = self.store(file)
        self.assertEqual(code, 200, answer)
        code, _, body = self.ask("GET", answer.ReferencedSOPSequence[0].RetrieveURL,
                                 headers={"Accept": 'multipart/related; type="application/dicom"; '
                                                    'transfer-syntax=*'})
        self.assertEqual(code, 200)
        self.assertIn(data_set(file), body)
        self.assertEqual(served.find("SOPClassUID", f"SOPInstanceUID={uid}",
                                     f"StudyInstanceUID={UID}1", f"SeriesInstanceUID={UID}1.1",
                                     level="IMAGE")[0].SOPClassUID, LABEL_MAP)

    def test_bodies_come_in_chunks_too(self):
        self.serve()
        files = [make_object(number)[0] for number in range(1, 6)]
        body = join(*files)
        pieces = (body[at:at + 777] for at in range(0, len(body), 777))
        code, _, answer = self.ask("POST", ROOT, pieces, {"Content-Type": RELATED})
        self.assertEqual(code, 200, answer)
        self.assertEqual(len(node.indexed_instances(self.data)), 5)

    # -- what is not -------------------------------------------------------------------------------

    def test_a_body_that_is_cut_leaves_no_row_and_no_file(self):
        self.serve()
        body = join(*(make_object(number, size=300)[0] for number in range(1, 11)))
        head = (f"POST {ROOT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {RELATED}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode()
        for share in (0.1, 0.5, 0.9, 0.9999):
            with socket.create_connection(("127.0.0.1", self.port), timeout=20) as client:
                client.sendall(head + body[:int(share * len(body))])
        cut = body[:int(0.9 * len(body))]
        code, _, answer = self.ask("POST", ROOT, cut, {"Content-Type": RELATED})
        self.assertEqual(code, 400, answer)
        self.assert_nothing_stored()
        self.assertEqual(self.ask("POST", ROOT, body, {"Content-Type": RELATED})[0], 200)

    def test_a_long_series_that_is_cut_leaves_nothing_either(self):
        self.serve()
        body = join(*(make_object(number, size=8)[0] for number in range(1, 1001)))
        code, _, answer = self.ask("POST", ROOT, body[:int(0.9 * len(body))], {"Content-Type": RELATED})
        self.assertEqual(code, 400, answer)
        self.assert_nothing_stored()
        self.assertEqual(self.ask("POST", ROOT, body, {"Content-Type": RELATED})[0], 200)
        self.assertEqual(len(node.indexed_instances(self.data)), 1000)

    def test_failures_are_told_one_by_one(self):
        self.serve()
        good, _ = make_object(1)
        other, other_uid = make_object(1, study="2")
        code, answer = self.store(good, other, b"nothing", target=f"{ROOT}/{UID}1")
        self.assertEqual(code, 202)
        self.assertEqual(len(answer.ReferencedSOPSequence), 1)
        self.assertEqual(answer.FailedSOPSequence[0].ReferencedSOPInstanceUID, other_uid)
        self.assertEqual(answer.FailedSOPSequence[0].FailureReason, 0xA900)
        self.assertEqual(answer[0x0008119A].value[0].FailureReason, 0xC000)
        code, answer = self.store(other, target=f"{ROOT}/{UID}1")
        self.assertEqual(code, 409)
        self.assertEqual(len(node.indexed_instances(self.data)), 1)

    def test_zipped_bodies_and_bombs_are_not_unpacked(self):
        served = self.serve()
        before = served.memory_kib()
        bomb = gzip.compress(bytes(64 << 20))
        for body in (bomb, gzip.compress(join(make_object(1)[0]))):
            code, _, _ = self.ask("POST", ROOT, body,
                                  {"Content-Type": RELATED, "Content-Encoding": "gzip"})
            self.assertEqual(code, 415)
        self.assertLess(served.memory_kib() - before, 32 << 10)
        self.assert_nothing_stored()

    def test_a_hundred_megabytes_without_sense_are_refused_in_constant_memory(self):
        served = self.serve()
        before = served.memory_kib()
        piece = b"x" * (1 << 20)
        body = (b"--abc\r\n\r\n" if number == 0 else piece for number in range(101))
        code, _, _ = self.ask("POST", ROOT, body, {"Content-Type": RELATED})
        self.assertEqual(code, 400)
        self.assertLess(served.memory_kib() - before, 32 << 10)
        self.assert_nothing_stored()

    # -- users -------------------------------------------------------------------------------------

    def test_users_are_made_and_asked_for(self):
        users = self.folder / "users"
        for name, role in (("rita", "r"), ("wim", "rw")):
            subprocess.run([node.MURPACS, "user", "add", name, "--role", role, "--file", users],
                           input=f"{name}'s: secret\n", text=True, check=True, capture_output=True,
                           env=node.ENVIRONMENT)
        token = node.murpacs("user", "add", "bot", "--role", "rw", "--token", "--file",
                             users).stdout.strip()
        self.assertEqual(users.stat().st_mode & 0o777, 0o600)
        self.assertNotIn("secret", users.read_text(encoding="utf-8"))
        self.assertNotIn(token, users.read_text(encoding="utf-8"))
        served = self.serve("--set", f"web.users_file={users}")
        file, _ = make_object(1)
        self.assertEqual(self.ask("GET", ROOT)[0], 401)
        self.assertEqual(self.ask("GET", ROOT, headers=basic("rita", "guess"))[0], 401)
        self.assertEqual(self.ask("GET", ROOT, headers=basic("rita", "rita's: secret"))[0], 200)
        post = {"Content-Type": RELATED}
        self.assertEqual(self.ask("POST", ROOT, join(file),
                                  {**post, **basic("rita", "rita's: secret")})[0], 403)
        self.assertEqual(self.ask("POST", ROOT, join(file),
                                  {**post, **basic("wim", "wim's: secret")})[0], 200)
        self.assertEqual(self.ask("POST", ROOT, join(file),
                                  {**post, "Authorization": f"Bearer {token}"})[0], 200)
        log = served.log_text()
        self.assertRegex(log, r"401: wrong name, password or token from 127\.0\.0\.1")
        self.assertNotIn("guess", log)

    def test_a_large_body_that_is_refused_gets_its_answer(self):
        users = self.folder / "users"
        node.murpacs("user", "add", "bot", "--token", "--file", users)
        self.serve("--set", f"web.users_file={users}")
        code, headers, _ = self.ask("POST", ROOT, bytes(20 << 20), {"Content-Type": RELATED})
        self.assertEqual(code, 401)
        self.assertIn("Basic", headers["WWW-Authenticate"])
        self.assertEqual(self.ask("GET", "/health")[0], 200)

    def test_a_public_address_without_users_does_not_start(self):
        done = node.murpacs("serve", "--data-dir", self.data, "--set", "dicom.port=0", "--set",
                            "web.enabled=true", "--set", "web.port=0", "--set",
                            "web.bind=0.0.0.0", check=False, timeout=20)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("murpacs user add", done.stderr)


if __name__ == "__main__":
    unittest.main()
