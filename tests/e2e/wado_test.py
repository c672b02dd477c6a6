#!/usr/bin/python3
"""WADO-RS (PS3.18 10.4): what is stored comes back, whole, described, frame by frame and rendered, as
pydicom and DCMTK's dcm2json read the same files."""
import base64
import email.parser
import email.policy
import gzip
import http.client
import io
import json
import os
import pathlib
import struct
import tempfile
import unittest
import urllib.error
import urllib.parse
import urllib.request
import zlib

import numpy
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_pixel_data_frame

import node

DATASET = pathlib.Path(os.environ["MURPACS_PHANTOM_DATA"])
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
RLE, JPEG_LS, JPEG_LOSSLESS = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.70"
OHIF_FRAMES = "multipart/related; type=application/octet-stream; transfer-syntax=*"
OHIF_OBJECT = 'multipart/related; type="application/dicom"'
RAW = "application/octet-stream"
CT, GREY_WORDS, SEGMENTATION = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.7.3",
                                "1.2.840.10008.5.1.4.1.1.66.4")
PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"
GREY_BYTES, COLOUR = "1.2.840.10008.5.1.4.1.1.7.2", "1.2.840.10008.5.1.4.1.1.7.4"
LARGE = bytes(range(256)) * 400
STUDY = "2.25.770"


def new_object(uid, series, sop_class, pixels, photometric="MONOCHROME2", syntax=EXPLICIT):
    """@pixels: frames, rows, columns(, samples)"""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, uid
    meta.TransferSyntaxUID = syntax
    one = FileDataset(None, Dataset(), file_meta=meta, preamble=bytes(128))
    one.is_little_endian, one.is_implicit_VR = True, syntax == IMPLICIT
    one.SpecificCharacterSet = "ISO_IR 100"
    one.SOPClassUID, one.SOPInstanceUID = sop_class, uid
    one.StudyInstanceUID, one.SeriesInstanceUID = STUDY, series
    one.PatientID, one.PatientName = "W1", "Mäuschen^Ä"
    one.StudyDate, one.StudyTime, one.AccessionNumber, one.StudyID = "20250102", "101112", "", "1"
    one.Modality, one.SeriesNumber, one.InstanceNumber = "CT", 1, int(uid.split(".")[-1])
    one.ReferringPhysicianName = ""
    one.Rows, one.Columns = pixels.shape[1:3]
    one.SamplesPerPixel = pixels.shape[3] if pixels.ndim == 4 else 1
    if one.SamplesPerPixel > 1:
        one.PlanarConfiguration = 0
    one.PhotometricInterpretation = photometric
    one.BitsAllocated = one.BitsStored = 8 * pixels.itemsize
    one.HighBit = one.BitsStored - 1
    one.PixelRepresentation = 1 if pixels.dtype.kind == "i" else 0
    if pixels.shape[0] > 1:
        one.NumberOfFrames = pixels.shape[0]
    content = pixels.tobytes()
    one.PixelData = content + bytes(len(content) % 2)
    one["PixelData"].VR = "OW" if pixels.itemsize > 1 else "OB"
    return one


def grey(frames, rows=24, columns=21, seed=1):
    y, x = numpy.mgrid[0:rows, 0:columns]
    return numpy.stack([(x * 37 + y * 91 + f * 500 * seed) % 4000 - 1000
                        for f in range(frames)]).astype("<i2")


def parts_of(headers, body):
    """[(Content-Type, Content-Location, bytes)] of a multipart answer."""
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n")
    assert message.get_content_maintype() == "multipart", headers["Content-Type"]
    boundary = message.get_param("boundary")
    mark = b"--" + boundary.encode()
    assert body.startswith(mark + b"\r\n") and body.endswith(b"\r\n" + mark + b"--\r\n")
    found = []
    for piece in body[len(mark) + 2:-len(mark) - 6].split(b"\r\n" + mark + b"\r\n"):
        head, content = piece.split(b"\r\n\r\n", 1)
        lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        found.append((lines["Content-Type"], lines.get("Content-Location"), content))
    return found


def read_png(data):
    """A PNG of 8 bits as an array: a reader of our own, for there is none among the packages."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        content = data[at + 8:at + 8 + length]
        checksum, = struct.unpack(">I", data[at + 8 + length:at + 12 + length])
        assert zlib.crc32(kind + content) == checksum
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", content[:10])
        elif kind == b"IDAT":
            packed += content
        at += length + 12
    channels = {0: 1, 2: 3}[colour]
    assert depth == 8
    raw, stride = zlib.decompress(packed), width * channels
    rows, previous = [], bytearray(stride)
    for row in range(height):
        how = raw[row * (stride + 1)]
        line = bytearray(raw[row * (stride + 1) + 1:(row + 1) * (stride + 1)])
        for i in range(stride):
            left = line[i - channels] if i >= channels else 0
            up, corner = previous[i], previous[i - channels] if i >= channels else 0
            guess = left + up - corner
            nearest = min((left, up, corner), key=lambda value: abs(guess - value))
            line[i] = (line[i] + (0, left, up, (left + up) // 2, nearest)[how]) & 255
        rows.append(bytes(line))
        previous = line
    return numpy.frombuffer(b"".join(rows), "u1").reshape(height, width, channels)


def without_bulk(items):
    """DICOM JSON without bulk values and what dcm2json says otherwise: empty members, and large numbers
    as text or not."""
    def value(one, decimal):
        if isinstance(one, dict):
            return {key: element(inner) if isinstance(inner, dict) else inner
                    for key, inner in one.items()}
        if isinstance(one, str) and not decimal:
            try:
                return float(one)
            except ValueError:
                return one
        return float(one) if isinstance(one, (int, float)) else one

    def element(one):
        if "BulkDataURI" in one or one.get("vr") in ("OB", "OW", "UN", "OF", "OD", "OL", "OV"):
            return {"vr": one["vr"]}
        values = [value(inner, one["vr"] in ("DS", "IS")) for inner in one.get("Value", [])]
        if one["vr"] == "FL":  # 0.1 and 0.100000001 are the same in 32 bits
            values = [numpy.float32(inner) for inner in values]
        return {"vr": one["vr"], "Value": values}

    return {tag: element(one) for tag, one in items.items() if tag != "FFFCFFFC"}


class WadoTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.files = {}
        objects = cls.folder / "objects"
        objects.mkdir()
        cls.make_objects(objects)
        cls.data_dir = cls.folder / "data"
        node.murpacs("import", "--data-dir", cls.data_dir, "--dicom", objects)
        cls.port = node.free_port()
        cls.served = cls.serve(cls.data_dir, cls.port)
        cls.addClassCleanup(cls.served.stop)
        cls.root = f"http://127.0.0.1:{cls.port}/dicom-web"

    @staticmethod
    def serve(data_dir, port, *options):
        return node.Node(data_dir, "--set", "web.enabled=true", "--set", f"web.port={port}", *options)

    @classmethod
    def keep(cls, name, one, folder):
        path = folder / f"{name}.dcm"
        one.save_as(path, write_like_original=False)
        cls.files[name] = path

    @classmethod
    def make_objects(cls, folder):
        for number in range(1, 4):
            one = new_object(f"2.25.771.{number}", "2.25.771", CT, grey(1, seed=number))
            one.RescaleSlope, one.RescaleIntercept = "2", "-1000"
            one.WindowCenter, one.WindowWidth = ["400", "50"], ["1500", "10"]
            one.TableHeight, one.GantryDetectorTilt, one.AcquisitionNumber = "+05", "-.50", "+007"
            one.add_new(0x00290010, "LO", "TEST")
            one.add_new(0x00291001, "OB", LARGE + bytes([number, 0]))
            item = Dataset()
            item.add_new(0x00290010, "LO", "TEST")
            item.add_new(0x00291002, "OB", LARGE[::-1])
            one.ReferencedImageSequence = [Dataset(), item]
            cls.keep(f"ct{number}", one, folder)
        many = new_object("2.25.772.1", "2.25.772", GREY_WORDS, grey(5))
        cls.keep("many", many, folder)
        for name, tool, options in (("rle", "dcmcrle", ()), ("jls", "dcmcjpls", ("+el",)),
                                    ("jpeg", "dcmcjpeg", ("+e1",)), ("big", "dcmconv", ("+tb",)),
                                    ("deflated", "dcmconv", ("+td",)), ("implicit", "dcmconv", ("+ti",))):
            number = len(cls.files)
            one = new_object(f"2.25.772.{number}", "2.25.772", GREY_WORDS, grey(5))
            cls.keep("plain-" + name, one, cls.folder)
            cls.files[name] = folder / f"{name}.dcm"
            node.run(tool, *options, cls.files.pop("plain-" + name), cls.files[name])
        coded = pydicom.dcmread(cls.files["jls"])
        frames = list(generate_pixel_data_frame(coded.PixelData, 5))
        for name, table in (("pieces", True), ("untold", False)):
            coded.SOPInstanceUID = f"2.25.772.{len(cls.files) + 20}"
            coded.file_meta.MediaStorageSOPInstanceUID = coded.SOPInstanceUID
            coded.PixelData = encapsulate(frames, fragments_per_frame=2, has_bot=table)
            coded["PixelData"].is_undefined_length = True
            cls.keep(name, coded, folder)
        bits = (numpy.arange(4 * 5 * 7).reshape(4, 5, 7) % 3 == 0).astype("u1")
        seg = new_object("2.25.773.1", "2.25.773", SEGMENTATION, bits)
        seg.BitsAllocated = seg.BitsStored = 1
        seg.HighBit, seg.Modality = 0, "SEG"
        seg.PixelData = numpy.packbits(bits.ravel(), bitorder="little").tobytes()
        cls.keep("seg", seg, folder)
        cls.bits = bits
        colour = numpy.random.default_rng(3).integers(0, 256, (2, 6, 5, 3), "u1")
        cls.keep("colour", new_object("2.25.774.1", "2.25.774", COLOUR, colour, "RGB"), folder)
        cls.keep("lossy-plain", new_object("2.25.774.2", "2.25.774", COLOUR, cls.smooth(), "RGB"),
                 cls.folder)
        cls.files["lossy"] = folder / "lossy.dcm"
        node.run("dcmcjpeg", "+eb", "+un", cls.files.pop("lossy-plain"), cls.files["lossy"])
        cls.make_enhanced(folder)
        cls.make_palette(folder)
        cls.make_tables(folder)
        cls.reals = numpy.linspace(-3, 8, 2 * 5 * 6, dtype="<f4").reshape(2, 5, 6)
        real = new_object("2.25.778.1", "2.25.778", PARAMETRIC_MAP, cls.reals)
        real.FloatPixelData = real.PixelData
        del real.PixelData, real.BitsStored, real.HighBit, real.PixelRepresentation
        cls.keep("float", real, folder)
        padded = new_object("2.25.779.4", "2.25.779", GREY_WORDS, grey(1))
        values = grey(1)
        values[0, 0, :3] = (-9000, -8999, -8998)
        padded.PixelData = values.tobytes()
        padded.add_new(0x00280120, "SS", -9000)
        padded.add_new(0x00280121, "SS", -8998)
        cls.keep("padded", padded, folder)
        cut = new_object("2.25.779.1", "2.25.779", GREY_WORDS, grey(5))
        cut.PixelData = cut.PixelData[:24 * 21 * 2 * 3 + 100]
        cls.keep("cut", cut, folder)
        cut = new_object("2.25.779.2", "2.25.779", GREY_WORDS, grey(5))
        cut.PixelData = cut.PixelData[:100]
        cls.keep("little", cut, folder)
        spoilt = pydicom.dcmread(cls.files["jls"])
        spoilt.SOPInstanceUID = spoilt.file_meta.MediaStorageSOPInstanceUID = "2.25.779.3"
        spoilt.SeriesInstanceUID = "2.25.779"
        spoilt.PixelData = encapsulate([frame[:30] + b"\xff\xd9" for frame in frames], has_bot=True)
        spoilt["PixelData"].is_undefined_length = True
        cls.keep("spoilt", spoilt, folder)
        broken = new_object("2.25.775.1", "2.25.775", CT, grey(1))
        cls.keep("broken", broken, folder)
        cls.keep("whole", new_object("2.25.775.2", "2.25.775", CT, grey(1)), folder)

    @staticmethod
    def smooth():
        y, x = numpy.mgrid[0:32, 0:48]
        return numpy.stack([x * 5, y * 7, 255 - x * 3], axis=-1).astype("u1")[None]

    @classmethod
    def make_enhanced(cls, folder):
        """Frames with their own window; so many that their header stands beside the object."""
        many = new_object("2.25.776.1", "2.25.776", GREY_BYTES,
                          (numpy.arange(3000 * 12) % 251).astype("u1").reshape(3000, 3, 4))
        shared, transformation = Dataset(), Dataset()
        transformation.RescaleSlope, transformation.RescaleIntercept = "2", "-10"
        shared.PixelValueTransformationSequence = [transformation]
        many.SharedFunctionalGroupsSequence = [shared]
        groups = []
        for number in range(3000):
            window, content, group = Dataset(), Dataset(), Dataset()
            window.WindowCenter, window.WindowWidth = str(number % 300), "200"
            content.FrameComments = f"frame {number} of many"
            group.FrameVOILUTSequence, group.FrameContentSequence = [window], [content]
            groups.append(group)
        many.PerFrameFunctionalGroupsSequence = groups
        cls.keep("enhanced", many, folder)

    @classmethod
    def make_palette(cls, folder):
        one = new_object("2.25.777.1", "2.25.777", GREY_BYTES,
                         (numpy.arange(2 * 4 * 6) % 7).astype("u1").reshape(2, 4, 6), "PALETTE COLOR")
        cls.tables = numpy.array([[i * 9000, 65535 - i * 9000, i * 100] for i in range(7)], "<u2").T
        for colour, table in zip(("Red", "Green", "Blue"), cls.tables):
            setattr(one, colour + "PaletteColorLookupTableDescriptor", [7, 0, 16])
            setattr(one, colour + "PaletteColorLookupTableData", table.tobytes())
        cls.keep("palette", one, folder)

    @classmethod
    def make_tables(cls, folder):
        """Values that a table tells, from below 0 on, and a table of how they are to look."""
        cls.meanings = (numpy.arange(4000) ** 2 // 245).astype("<u2")
        cls.looks = (4095 - (numpy.arange(65536) >> 4)).astype("<u2")
        for number, name in enumerate(("tables", "tables-damaged"), 1):
            one = new_object(f"2.25.780.{number}", "2.25.780", GREY_WORDS, grey(1))
            for keyword, descriptor, entries in (("ModalityLUTSequence", [4000, -1000, 16], cls.meanings),
                                                 ("VOILUTSequence", [0, 0, 12], cls.looks)):
                item = Dataset()
                item.add_new("LUTDescriptor", "SS", descriptor)
                item.add_new("LUTData", "OW", entries.tobytes()[:None if number == 1 else 100])
                setattr(one, keyword, [item])
            cls.keep(name, one, folder)
        plain = pydicom.dcmread(cls.files["tables"])
        plain.SOPInstanceUID = plain.file_meta.MediaStorageSOPInstanceUID = "2.25.780.3"
        cls.keep("plain-tables", plain, cls.folder)
        cls.files["tables-implicit"] = folder / "tables-implicit.dcm"
        node.run("dcmconv", "+ti", cls.files.pop("plain-tables"), cls.files["tables-implicit"])

    def path(self, name, rest=""):
        one = pydicom.dcmread(self.files[name], stop_before_pixels=True)
        return (f"/studies/{one.StudyInstanceUID}/series/{one.SeriesInstanceUID}"
                f"/instances/{one.SOPInstanceUID}{rest}")

    def get(self, target, accept="*/*", **headers):
        """(status, headers, body)"""
        asked = {"Accept": accept, **{name.replace("_", "-"): text for name, text in headers.items()}}
        request = urllib.request.Request(self.root + target, headers=asked)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.headers, refused.read()

    def fetch(self, target, accept="*/*", **headers):
        code, answered, body = self.get(target, accept, **headers)
        self.assertEqual(code, 200, body[:500])
        return answered, body

    def data_set(self, content):
        path = self.folder / "came.dcm"
        path.write_bytes(content)
        return node.data_set_bytes(path)

    # -- whole objects -----------------------------------------------------------------------------

    def test_stored_bytes_come_back(self):
        for name in self.files:
            stored = node.data_set_bytes(self.files[name])
            syntax = pydicom.dcmread(self.files[name], stop_before_pixels=True).file_meta.TransferSyntaxUID
            headers, body = self.fetch(self.path(name), "application/dicom; transfer-syntax=*")
            self.assertEqual(headers["Content-Type"], f"application/dicom; transfer-syntax={syntax}")
            self.assertEqual(self.data_set(body), stored, name)
            headers, body = self.fetch(self.path(name), f"{OHIF_OBJECT}; transfer-syntax={syntax}")
            (kind, location, content), = parts_of(headers, body)
            self.assertEqual(kind, f"application/dicom; transfer-syntax={syntax}")
            self.assertEqual(location, "/dicom-web" + self.path(name))
            self.assertEqual(self.data_set(content), stored, name)

    def test_without_a_transfer_syntax_objects_are_explicit_little_endian(self):
        for name in ("rle", "jls", "jpeg", "big", "deflated", "implicit", "pieces", "untold"):
            headers, body = self.fetch(self.path(name), OHIF_OBJECT)
            (kind, _, content), = parts_of(headers, body)
            self.assertEqual(kind, f"application/dicom; transfer-syntax={EXPLICIT}", name)
            one = pydicom.dcmread(io.BytesIO(content))
            self.assertEqual(one.file_meta.TransferSyntaxUID, EXPLICIT)
            self.assertEqual(one.PixelData, grey(5).tobytes(), name)

    def test_series_and_studies_come_as_parts(self):
        for target, wanted in (("/studies/2.25.770/series/2.25.771", {"ct1", "ct2", "ct3"}),
                               ("/studies/2.25.770", set(self.files))):
            headers, body = self.fetch(target, f"{OHIF_OBJECT}; transfer-syntax=*")
            came = sorted(self.data_set(content) for _, _, content in parts_of(headers, body))
            self.assertEqual(came, sorted(node.data_set_bytes(self.files[name]) for name in wanted))

    # -- metadata ----------------------------------------------------------------------------------

    def without_codec(self, name):
        """dcm2json refuses encapsulated pixels: they are bulk anyway."""
        one = pydicom.dcmread(self.files[name])
        if not one.file_meta.TransferSyntaxUID.is_encapsulated:
            return self.files[name]
        one.file_meta.TransferSyntaxUID = EXPLICIT
        one["PixelData"].is_undefined_length = False
        one.PixelData = bytes(2)
        one.save_as(self.folder / "plain.dcm", write_like_original=False)
        return self.folder / "plain.dcm"

    def test_metadata_are_those_of_dcm2json(self):
        for name in self.files:
            if name == "tables-implicit":  # dcm2json does not see beyond the item that its values are signed
                continue
            headers, body = self.fetch(self.path(name, "/metadata"), "application/dicom+json")
            self.assertEqual(headers["Content-Type"], "application/dicom+json")
            ours, = json.loads(body)
            theirs = json.loads(node.run("dcm2json", "--quiet", self.without_codec(name)).stdout)
            self.assertEqual(without_bulk(ours), without_bulk(theirs), name)
            self.assertEqual(ours["00080005"]["Value"], ["ISO_IR 192"])
            pixels = "7FE00008" if name == "float" else "7FE00010"
            self.assertEqual(ours[pixels]["BulkDataURI"],
                             "/dicom-web" + self.path(name, "/bulkdata/" + pixels))
            self.assertNotIn(b"InlineBinary\":\"" + base64.b64encode(LARGE)[:40], body)

    def test_series_metadata_compress_and_follow_the_series(self):
        target = "/studies/2.25.770/series/2.25.771/metadata"
        headers, plain = self.fetch(target, "application/dicom+json")
        self.assertNotIn("Content-Encoding", headers)
        self.assertEqual(len(json.loads(plain)), 3)
        headers, again = self.fetch(target, "application/json, */*;q=0.1")
        self.assertEqual((headers["Content-Type"], again), ("application/json", plain))
        code, _, body = self.get(target, "application/dicom+json", If_None_Match=headers["ETag"])
        headers, whole = self.fetch("/studies/2.25.770/metadata", "application/dicom+json",
                                    Accept_Encoding="gzip")
        self.assertEqual(headers["Content-Encoding"], "gzip")
        self.assertEqual(len(json.loads(gzip.decompress(whole))), len(self.files))
        for codings, expected in (("GZIP;q=0.2", "gzip"), ("x-gzip", "gzip"), ("*", "gzip"),
                                  ("br, gzip;q=0.8, *;q=0", "gzip"), ("gzip;q=0, *", None),
                                  ("*, gzip; Q=0", None), ("gzip;q=0.5, identity", None),
                                  ("deflate, br", None)):
            headers, _ = self.fetch("/studies/2.25.770/metadata", "*/*", Accept_Encoding=codings)
            self.assertEqual(headers["Content-Encoding"], expected, codings)

    def test_a_series_that_grows_has_new_metadata(self):
        series = "/studies/2.25.880/series/2.25.881/metadata"
        self.assertEqual(self.get(series)[0], 404)
        for count in (1, 2):
            one = new_object(f"2.25.881.{count}", "2.25.881", CT, grey(1))
            one.StudyInstanceUID = "2.25.880"
            path = self.folder / "growing.dcm"
            one.save_as(path, write_like_original=False)
            self.served.store(path)
            headers, body = self.fetch(series)
            self.assertEqual(len(json.loads(body)), count)
            code, _, rest = self.get(series, If_None_Match=headers["ETag"])
            self.assertEqual((code, rest), (304, b""))

    def test_coerced_objects_and_metadata_say_what_the_archive_says(self):
        root = self.folder / "coerced"
        scans, _ = node.import_dataset(root, DATASET)
        port = node.free_port()
        with_coerce = self.serve(root, port, "--set", "export.coerce=true")
        self.addCleanup(with_coerce.stop)
        scan = next(scan for scan in scans if (DATASET / scan["image"]).is_dir())
        target = f"/studies/{scan['StudyInstanceUID']}/series/{scan['SeriesInstanceUID']}"
        mine, self.root = self.root, f"http://127.0.0.1:{port}/dicom-web"
        try:
            headers, body = self.fetch(target, OHIF_OBJECT)
            objects = [pydicom.dcmread(io.BytesIO(content)) for _, _, content in parts_of(headers, body)]
            described = json.loads(self.fetch(target + "/metadata")[1])
            frame = self.fetch(described[0]["7FE00010"]["BulkDataURI"].removeprefix("/dicom-web"), RAW)[1]
        finally:
            self.root = mine
        self.assertEqual(len(objects), len(described))
        for one, description in zip(objects, described):
            self.assertIn("OriginalAttributesSequence", one)
            self.assertIn("04000561", description)
            self.assertEqual(description["00100020"]["Value"], [one.PatientID])
        self.assertEqual(frame, objects[0].PixelData)

    # -- frames ------------------------------------------------------------------------------------

    def test_frames_are_those_that_pydicom_reads(self):
        expected = grey(5)
        for name, syntax, kind in (("many", EXPLICIT, RAW), ("big", EXPLICIT, RAW),
                                   ("deflated", EXPLICIT, RAW), ("implicit", EXPLICIT, RAW),
                                   ("rle", RLE, "image/dicom-rle"), ("jls", JPEG_LS, "image/jls"),
                                   ("jpeg", JPEG_LOSSLESS, "image/jpeg"), ("pieces", JPEG_LS, "image/jls"),
                                   ("untold", JPEG_LS, "image/jls")):
            headers, body = self.fetch(self.path(name, "/frames/2,5,1"),
                                       'multipart/related; type="application/octet-stream"')
            came = parts_of(headers, body)
            self.assertEqual([location for _, location, _ in came],
                             ["/dicom-web" + self.path(name, f"/frames/{n}") for n in (2, 5, 1)])
            for frame, (content_type, _, content) in zip((1, 4, 0), came):
                self.assertEqual(content_type, f"{RAW}; transfer-syntax={EXPLICIT}", name)
                self.assertEqual(content, expected[frame].tobytes(), name)
            headers, body = self.fetch(self.path(name, "/frames/4"), OHIF_FRAMES)
            (content_type, _, content), = parts_of(headers, body)
            self.assertEqual(content_type, f"{kind}; transfer-syntax={syntax}", name)
            self.assertEqual(int(headers["Content-Length"]), len(body))
            if syntax == EXPLICIT:
                self.assertEqual(content, expected[3].tobytes())
            else:
                stored = pydicom.dcmread(self.files[name])
                coded = list(generate_pixel_data_frame(stored.PixelData, 5))
                if name != "untold":
                    self.assertEqual(content, coded[3], name)
            headers, single = self.fetch(self.path(name, "/frames/4"), RAW)
            self.assertEqual(headers["Content-Type"], f"{RAW}; transfer-syntax={EXPLICIT}")
            self.assertEqual(single, expected[3].tobytes(), name)

    def test_float_pixels_are_frames_too(self):
        self.assertEqual(self.fetch(self.path("float", "/frames/2"), RAW)[1], self.reals[1].tobytes())
        found = read_png(self.fetch(self.path("float", "/frames/2/rendered"), "image/png")[1])[:, :, 0]
        expected = (self.reals[1] - self.reals[1].min()) / numpy.ptp(self.reals[1]) * 255
        self.assertLessEqual(numpy.abs(found - expected).max(), 1)

    def test_frames_of_single_bits_begin_with_a_byte(self):
        for frame in range(4):
            body = self.fetch(self.path("seg", f"/frames/{frame + 1}"), RAW)[1]
            self.assertEqual(len(body), 5)
            found = numpy.unpackbits(numpy.frombuffer(body, "u1"), bitorder="little")
            self.assertEqual(found[:35].tolist(), self.bits[frame].ravel().tolist())
            self.assertFalse(found[35:].any())

    def test_frames_that_are_not_there(self):
        for list_, code in (("6", 404), ("0", 404), ("1,6", 404), ("x", 400), ("1,,2", 400),
                            ("99999999999", 404), ("-1", 400)):
            self.assertEqual(self.get(self.path("many", f"/frames/{list_}"), RAW)[0], code, list_)
        for target in ("/studies/2.25.1", "/studies/2.25.770/series/2.25.1",
                       "/studies/2.25.770/series/2.25.772/instances/2.25.771.1",
                       "/studies/2.25.770/series/2.25.771/instances/2.25.771.9/frames/1",
                       "/studies/2.25.1/metadata"):
            self.assertEqual(self.get(target)[0], 404, target)
        self.assertEqual(self.get("/studies/..%2f..%2fetc/metadata")[0], 404)
        self.assertEqual(self.get("/studies/2.25.x/metadata")[0], 400)

    # -- bulk values -------------------------------------------------------------------------------

    def test_bulk_values_and_parts_of_them(self):
        uri = self.path("ct2", "/bulkdata/00291001")
        described, = json.loads(self.fetch(self.path("ct2", "/metadata"))[1])
        self.assertEqual(described["00291001"]["BulkDataURI"], "/dicom-web" + uri)
        value = LARGE + b"\x02\x00"
        headers, body = self.fetch(uri)
        self.assertEqual((headers["Content-Type"], body), (RAW, value))
        nested = described["00081140"]["Value"][1]["00291002"]["BulkDataURI"]
        self.assertEqual(self.fetch(nested.removeprefix("/dicom-web"))[1], LARGE[::-1])
        for asked, begin, end in (("bytes=10-19", 10, 20), ("bytes=102400-", 102400, 102402),
                                  ("bytes=-5", 102397, 102402), ("bytes=0-999999", 0, 102402)):
            code, headers, body = self.get(uri, RAW, Range=asked)
            self.assertEqual((code, body), (206, value[begin:end]), asked)
            self.assertEqual(headers["Content-Range"], f"bytes {begin}-{end - 1}/102402")
        code, headers, _ = self.get(uri, RAW, Range="bytes=102402-")
        self.assertEqual((code, headers["Content-Range"]), (416, "bytes */102402"))
        self.assertEqual(self.get(uri, RAW, Range="bytes=0-1", If_Range='"other"')[0], 200)
        (_, _, part), = parts_of(*self.fetch(uri, f"multipart/related; type={RAW}"))
        self.assertEqual(part, value)
        self.assertEqual(self.get(self.path("ct2", "/bulkdata/00291009"))[0], 404)
        self.assertEqual(self.get(self.path("ct2", "/bulkdata/../../../index.sqlite"))[0], 404)
        for name in ("many", "big", "deflated"):
            self.assertEqual(self.fetch(self.path(name, "/bulkdata/7FE00010"), RAW)[1],
                             grey(5).tobytes(), name)
        came = parts_of(*self.fetch(self.path("rle", "/bulkdata/7FE00010")))
        self.assertEqual(b"".join(content for _, _, content in came), grey(5).tobytes())

    # -- conditions and media types ----------------------------------------------------------------

    def test_what_a_client_has_is_not_sent_again(self):
        for target, accept in ((self.path("ct1"), "application/dicom"), (self.path("ct1"), OHIF_OBJECT),
                               (self.path("many", "/frames/3"), RAW),
                               (self.path("ct1", "/metadata"), "*/*"),
                               (self.path("many", "/frames/3"), OHIF_FRAMES),
                               (self.path("ct1", "/bulkdata/00291001"), RAW),
                               (self.path("ct1", "/rendered"), "image/png"),
                               ("/studies/2.25.770/series/2.25.771", OHIF_OBJECT)):
            headers, _ = self.fetch(target, accept)
            code, again, body = self.get(target, accept, If_None_Match=f'"x", {headers["ETag"]}')
            self.assertEqual((code, body, again["ETag"]), (304, b"", headers["ETag"]), target)
            self.assertEqual(self.get(target, accept, If_None_Match='"x"')[0], 200)
            # Who goes on with something, as by If-Match, gets nothing of something else.
            for tag, expected in ((headers["ETag"], 200), ("*", 200), ('"x"', 412),
                                  ("W/" + headers["ETag"], 412)):
                code, again, _ = self.get(target, accept, If_Match=tag)
                self.assertEqual((code, "ETag" in again), (expected, expected == 200), target)
        for accept in ("application/dicom", OHIF_OBJECT):
            self.assertIn("immutable", self.fetch(self.path("ct1"), accept)[0]["Cache-Control"])
        series, _ = self.fetch("/studies/2.25.770/series/2.25.771", OHIF_OBJECT)
        self.assertNotIn("immutable", series["Cache-Control"])

    def test_media_types_that_cannot_be_given(self):
        for name, rest, accept in (("ct1", "", "application/dicom+xml"),
                                   ("ct1", "/metadata", "application/dicom+xml"),
                                   ("ct1", "", f"application/dicom; transfer-syntax={JPEG_LS}"),
                                   ("many", "/frames/1", "image/jls"), ("many", "/frames/1,2", RAW),
                                   ("jls", "/frames/1", "image/jp2"), ("ct1", "/rendered", "image/gif"),
                                   ("ct1", "/bulkdata/00291001", "image/png"),
                                   ("many", "/frames/1", RAW + ";q=0")):
            self.assertEqual(self.get(self.path(name, rest), accept)[0], 406, (name, rest, accept))
        for name, older in (("jls", "image/x-jls"), ("rle", "image/x-dicom-rle")):
            accepted = self.fetch(self.path(name, "/frames/1"), f'multipart/related; type="{older}"')[0]
            self.assertIn(f'type="{older}"', accepted["Content-Type"])
        accepted = self.fetch(self.path("jls", "/frames/1"), "image/jp2, image/jls;q=0.5")[0]
        self.assertEqual(accepted["Content-Type"], f"image/jls; transfer-syntax={JPEG_LS}")
        accepted = self.fetch(self.path("jls", "/frames/1"),
                              f"{RAW};q=0.1, multipart/related; type=image/jls")[0]
        self.assertIn('type="image/jls"', accepted["Content-Type"])
        query = urllib.parse.urlencode({"accept": "image/png"})
        headers, _ = self.fetch(self.path("ct1", "/rendered?" + query), f'multipart/related; type="{RAW}"')
        self.assertEqual(headers["Content-Type"], "image/png")

    # -- pictures ----------------------------------------------------------------------------------

    def test_pictures_show_the_window(self):
        values = grey(1, seed=2)[0].astype(float) * 2 - 1000
        def expected(centre, width):
            levels = (values - (centre - 0.5)) / (width - 1) + 0.5
            return numpy.floor(levels.clip(0, 1) * 255 + 0.5)
        for query, centre, width in (("", 400, 1500), ("?window=-200,900,linear", -200, 900)):
            headers, body = self.fetch(self.path("ct2", "/rendered" + query), "image/png")
            self.assertEqual(headers["Content-Type"], "image/png")
            found = read_png(body)[:, :, 0].astype(float)
            self.assertLessEqual(numpy.abs(found - expected(centre, width)).max(), 1)
        found = read_png(self.fetch(self.path("many", "/frames/3/rendered"), "image/png")[1])[:, :, 0]
        frame = grey(5)[2].astype(float)
        self.assertLessEqual(numpy.abs(found - (frame - frame.min()) / numpy.ptp(frame) * 255).max(), 1)
        for name in ("jls", "rle", "big"):
            other = read_png(self.fetch(self.path(name, "/rendered?frame=3"), "image/png")[1])[:, :, 0]
            self.assertTrue((other == found).all(), name)
        colour = pydicom.dcmread(self.files["colour"]).pixel_array
        found = read_png(self.fetch(self.path("colour", "/frames/2/rendered"), "image/png")[1])
        self.assertTrue((found == colour[1]).all())
        found = read_png(self.fetch(self.path("seg", "/frames/2/rendered"), "image/png")[1])[:, :, 0]
        self.assertTrue((found == self.bits[1] * 255).all())
        found = read_png(self.fetch(self.path("lossy", "/frames/1/rendered"), "image/png")[1])
        self.assertLess(numpy.abs(found.astype(float) - self.smooth()[0]).mean(), 4)
        found = read_png(self.fetch(self.path("palette", "/frames/2/rendered"), "image/png")[1])
        indices = pydicom.dcmread(self.files["palette"]).pixel_array[1]
        self.assertTrue((found == (self.tables.T[indices] >> 8)).all())
        found = read_png(self.fetch(self.path("enhanced", "/frames/2101/rendered"),
                                    "image/png")[1])[:, :, 0]
        values = (numpy.arange(3000 * 12) % 251).reshape(3000, 3, 4)[2100] * 2.0 - 10
        self.assertLessEqual(numpy.abs(found - ((values + 0.5) / 199 + 0.5).clip(0, 1) * 255).max(), 1)
        headers, body = self.fetch(self.path("ct1", "/rendered"))
        self.assertEqual((headers["Content-Type"], body[:3]), ("image/jpeg", b"\xff\xd8\xff"))

    def test_pictures_follow_the_tables_of_the_object(self):
        stored = grey(1)[0]
        meant = self.meanings[stored + 1000]
        for name in ("tables", "tables-implicit"):
            found = read_png(self.fetch(self.path(name, "/rendered"), "image/png")[1])[:, :, 0]
            self.assertLessEqual(numpy.abs(found - self.looks[meant] / 4095 * 255).max(), 1, name)
            found = read_png(self.fetch(self.path(name, "/rendered?window=30000,20000,linear-exact"),
                                        "image/png")[1])[:, :, 0]
            levels = ((meant - 30000.0) / 20000 + 0.5).clip(0, 1) * 255
            self.assertLessEqual(numpy.abs(found - levels).max(), 1, name)
        found = read_png(self.fetch(self.path("tables-damaged", "/rendered"), "image/png")[1])[:, :, 0]
        levels = (stored - float(stored.min())) / numpy.ptp(stored) * 255
        self.assertLessEqual(numpy.abs(found - levels).max(), 1)

    def test_padding_is_no_part_of_the_range(self):
        found = read_png(self.fetch(self.path("padded", "/rendered"), "image/png")[1])[:, :, 0]
        self.assertTrue((found[0, :3] == 0).all())
        frame = grey(1)[0].astype(float)
        frame[0, :3] = frame[1:].min()
        expected = (frame - frame.min()) / numpy.ptp(frame) * 255
        self.assertLessEqual(numpy.abs(found - expected).max(), 1)

    def test_pictures_have_the_size_that_is_asked_for(self):
        found = read_png(self.fetch(self.path("ct1", "/rendered?viewport=42,100"), "image/png")[1])
        self.assertEqual(found.shape[:2], (48, 42))
        whole = read_png(self.fetch(self.path("ct1", "/rendered"), "image/png")[1])
        part = read_png(self.fetch(self.path("ct1", "/rendered?viewport=6,4,3,5,6,4"), "image/png")[1])
        self.assertTrue((part == whole[5:9, 3:9]).all())
        rest = read_png(self.fetch(self.path("ct1", "/rendered?viewport=21,19,,5"), "image/png")[1])
        self.assertTrue((rest == whole[5:]).all())
        for target in (self.path("ct1", "/thumbnail"), "/studies/2.25.770/series/2.25.772/thumbnail",
                       "/studies/2.25.770/thumbnail", self.path("many", "/frames/2/thumbnail")):
            found = read_png(self.fetch(target, "image/png")[1])
            self.assertEqual(max(found.shape[:2]), 128)
        for query in ("window=1", "window=1,-5,linear", "window=1,5,cubic", "viewport=0,5", "viewport=9",
                      "viewport=99999,9", "quality=0", "quality=x", "viewport=5,5,99,99,5,5",
                      "viewport=5,5,0,0,-5,5", "viewport=5,,0", "viewport=5,5,0,0,5,5,5",
                      "viewport=5,5&viewport=6,6", "window=1,5&window=2,5", "quality=5&quality=6",
                      "iccprofile=srgb", "annotation=", "annotation=a%0d%0aX-Evil:b"):
            self.assertEqual(self.get(self.path("ct1", "/rendered?" + query))[0], 400, query)
        self.assertEqual(self.get(self.path("many", "/rendered?frame=6"))[0], 404)

    def test_what_is_not_drawn_is_told(self):
        headers, body = self.fetch(self.path("ct1", "/rendered?annotation=patient,technique"))
        self.assertEqual(headers["Warning"], "299 /dicom-web: The following annotation values are not "
                                             "supported: patient,technique")
        headers, plain = self.fetch(self.path("ct1", "/rendered?iccprofile=no"))
        self.assertIsNone(headers["Warning"])
        self.assertEqual(body, plain)

    # -- damage ------------------------------------------------------------------------------------

    def test_of_images_that_were_cut_before_they_came_there_is_what_is_whole(self):
        for number in (1, 3):
            _, body = self.fetch(self.path("cut", f"/frames/{number}"), RAW)
            self.assertEqual(body, grey(5)[number - 1].tobytes())
        self.assertEqual(self.fetch(self.path("cut", "/rendered?frame=2"), "image/png")[0]["Content-Type"],
                         "image/png")
        for name, rest in (("cut", "/frames/4"), ("cut", "/rendered?frame=4"), ("little", "/frames/1"),
                           ("little", "/rendered"), ("little", "/thumbnail")):
            self.assertEqual(self.get(self.path(name, rest))[0], 404, (name, rest))
        for rest in ("/frames/1", "/rendered"):
            self.assertEqual(self.get(self.path("spoilt", rest))[0], 406, rest)
        self.fetch(self.path("spoilt", "/frames/1"), OHIF_FRAMES)
        for name in ("cut", "little", "spoilt"):
            self.fetch(self.path(name), "application/dicom; transfer-syntax=*")

    def test_damaged_objects_are_never_sent(self):
        target = self.path("broken")
        self.assertEqual(self.get(target)[0], 200)
        content = node.data_set_bytes(self.files["broken"])
        stored, = [path for path in (self.data_dir / "objects").rglob("*.dcm")
                   if node.data_set_bytes(path) == content]
        before = stored.read_bytes()
        damaged = bytearray(before)
        damaged[-10] ^= 1
        try:
            for wrong in (bytes(damaged), before[:-20], b""):
                stored.write_bytes(wrong)
                for rest in ("", "/frames/1", "/rendered", "/bulkdata/7FE00010"):
                    self.assertEqual(self.get(target + rest)[0], 500, rest)
                with self.assertRaises(http.client.IncompleteRead) as broken_off:
                    self.get("/studies/2.25.770/series/2.25.775", OHIF_OBJECT)
                self.assertIn(node.data_set_bytes(self.files["whole"]), broken_off.exception.partial)
        finally:
            stored.write_bytes(before)
        self.assertEqual(self.get(target)[0], 200)

    def test_a_large_header_that_is_damaged_is_never_sent(self):
        beside, = (self.data_dir / "objects").rglob("*.json.zst")
        before = beside.read_bytes()
        try:
            for wrong in (before[:-100], b"\x00" * len(before), None):
                beside.unlink()
                if wrong is not None:
                    beside.write_bytes(wrong)
                self.assertEqual(self.get(self.path("enhanced", "/metadata"))[0], 500)
                self.assertEqual(self.get(self.path("enhanced", "/frames/9"), RAW)[0], 200)
                beside.touch()
        finally:
            beside.write_bytes(before)


if __name__ == "__main__":
    unittest.main()
