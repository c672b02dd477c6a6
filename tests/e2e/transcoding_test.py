#!/usr/bin/python3
"""Objects that a receiver does not take as they are stored are decoded on their way out, by C-MOVE and by
C-GET; what cannot be decoded is counted as failed, and the rest comes."""
import concurrent.futures
import pathlib
import struct
import tempfile
import unittest
import zlib

import numpy
import pydicom
import pydicom.data

import dimse
import node

UID = "1.2.826.0.1.3680043.10.1504."
STUDY = UID + "1"
KEYS = (f"StudyInstanceUID={STUDY}",)
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
NATIVE = (dimse.IMPLICIT, dimse.EXPLICIT)
HTJ2K = "1.2.840.10008.1.2.4.201"
JPEG2000_FILES = ("MR_small_jp2klossless.dcm", "693_J2KI.dcm", "GDCMJ2K_TextGBR.dcm")
BIG = ("dcmconv", "+tb")
# DCMTK's tool that makes it, and whether the pixels come back as they were.
ENCODINGS = (
    (("dcmcjpeg", "+e1"), True), (("dcmcjpeg", "+el"), True), (("dcmcjpeg", "+ee"), False),
    (("dcmcjpls", "+el"), True), (("dcmcjpls", "+en"), False), (("dcmcrle",), True),
    (("dcmconv", "+td"), True), (BIG, True))


def grey(number):
    """12 bits, 64 x 48."""
    y, x = numpy.mgrid[0:48, 0:64]
    pixels = ((x * 61 + y * 37 + number * 11) % 4096).astype("<u2")
    image = dimse.image(STUDY, UID + "2", f"{UID}3.{number}", number=number, rows=48, columns=64,
                        pixels=pixels.tobytes())
    for tag, value in ((0x00280101, 12), (0x00280102, 11)):
        head = dimse.element(tag, "US", b"\0\0")[:8]
        at = image.index(head)
        image = image[:at + 8] + struct.pack("<H", value) + image[at + 10:]
    return image, pixels


class TranscodingTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.root = pathlib.Path(cls.folder.name)
        cls.node = node.Node(cls.root / "archive")
        cls.addClassCleanup(cls.node.stop)
        cls.pixels = {}
        files = []
        for number, (tool, lossless) in enumerate(ENCODINGS, 1):
            image, pixels = grey(number)
            uid = f"{UID}3.{number}"
            plain, path = cls.root / "plain.dcm", cls.root / f"{number}.dcm"
            plain.write_bytes(dimse.part10(image, dimse.CT_IMAGE, uid))
            node.run(*tool, plain, path)
            cls.pixels[pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID] = (
                pixels, lossless, tool)
            files.append(path)
        cls.store(files)

    @classmethod
    def store(cls, paths, port=None):
        for path in paths:
            header = pydicom.dcmread(path, stop_before_pixels=True)
            contexts = [(header.SOPClassUID, (header.file_meta.TransferSyntaxUID,))]
            with dimse.Association(port or cls.node.port, contexts) as association:
                association.store(header.SOPClassUID, header.SOPInstanceUID,
                                  node.data_set_bytes(path))

    def check(self, paths, big_endian=False):
        self.assertEqual(len(paths), len(ENCODINGS))
        for path in paths:
            came = pydicom.dcmread(path)
            pixels, lossless, tool = self.pixels[came.SOPInstanceUID]
            with self.subTest(tool):
                self.assertIn(came.file_meta.TransferSyntaxUID,
                              (BIG_ENDIAN,) if big_endian and tool == BIG else NATIVE)
                difference = numpy.abs(came.pixel_array.astype(int) - pixels.astype(int)).max()
                self.assertEqual(difference if lossless else int(difference > 200), 0)
                self.assertEqual(came.get("LossyImageCompression", "00"),
                                 "00" if lossless else "01")
                self.assertEqual(came.PatientName, "Test^Mouse")

    def test_a_move_to_a_receiver_of_native_pixels_decodes(self):
        paths, done = self.node.move(self.root / "moved", *KEYS)
        self.assertEqual(done.returncode, 0)
        self.check(paths, big_endian=True)  # storescp takes it as it is stored

    def test_a_get_by_a_receiver_of_native_pixels_decodes(self):
        self.check(self.node.get(self.root / "got", *KEYS))

    def test_jpeg_2000_is_decoded(self):
        for name in JPEG2000_FILES:
            path = pydicom.data.get_testdata_file(name)
            if path is None:
                continue
            with self.subTest(name):
                stored = pydicom.dcmread(path)
                self.store([path])
                paths = self.node.get(self.root / name, f"StudyInstanceUID={stored.StudyInstanceUID}",
                                      f"SeriesInstanceUID={stored.SeriesInstanceUID}",
                                      f"SOPInstanceUID={stored.SOPInstanceUID}", level="IMAGE")
                came = pydicom.dcmread(paths[0])
                self.assertIn(came.file_meta.TransferSyntaxUID, NATIVE)
                self.assertEqual(came.pixel_array.shape[:2], (stored.Rows, stored.Columns))
                if name == "MR_small_jp2klossless.dcm":
                    original = pydicom.dcmread(pydicom.data.get_testdata_file("MR_small.dcm"))
                    self.assertTrue((came.pixel_array == original.pixel_array).all())
                if name == "693_J2KI.dcm":
                    self.assertEqual(came.get("LossyImageCompression"),
                                     stored.get("LossyImageCompression"))
                    self.assertGreater(came.pixel_array.std(), 10)
                if stored.PhotometricInterpretation in ("YBR_RCT", "YBR_ICT"):
                    self.assertEqual(came.PhotometricInterpretation, "RGB")

    def test_what_cannot_be_decoded_fails_and_the_rest_comes(self):
        study, series = UID + "5", UID + "6"
        images = [dimse.image(study, series, f"{UID}7.{number}", pixels=b"\1\2" * 64, rows=8,
                              columns=8) for number in (1, 2)]
        plain = dimse.element(0x7FE00010, "OW", b"\1\2" * 64)
        items = b"".join(struct.pack("<HHI", 0xFFFE, tag, len(value)) + value for tag, value in (
            (0xE000, b""), (0xE000, b"\xff\x4f\xff\x51"), (0xE0DD, b"")))
        images[1] = images[1].replace(plain, struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0,
                                                         0xFFFFFFFF) + items)
        for number, syntax in enumerate((dimse.EXPLICIT, HTJ2K)):
            contexts = [(dimse.CT_IMAGE, (syntax,))]
            with dimse.Association(self.node.port, contexts) as association:
                association.store(dimse.CT_IMAGE, f"{UID}7.{number + 1}", images[number])
        paths, done = self.node.move(self.root / "some", f"StudyInstanceUID={study}", check=False)
        self.assertEqual([pydicom.dcmread(path).SOPInstanceUID for path in paths], [UID + "7.1"])
        log = self.node.log_text()
        self.assertIn(f"{UID}7.2 was not sent: ", log)
        self.assertIn("2 instances, 1 sent, 0 with warnings, 1 failed", log)

    def test_memory_for_decoding_has_a_limit(self):
        with node.serving(self.root / "small", "--set", "dicom.transcode_memory=1K") as small:
            self.store([self.root / "1.dcm"], small.port)
            paths, _ = small.move(self.root / "none", *KEYS, check=False)
            self.assertEqual(paths, [])
            self.assertIn("dicom.transcode_memory", small.log_text())

    def test_what_unfolds_to_more_than_the_limit_is_not_even_read(self):
        """Neither what is stored nor rows and columns tell how much memory an object takes."""
        study, series = UID + "8", UID + "9"
        items = (struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 16 * 200000)
                 + struct.pack("<HHIHH2sH", 0xFFFE, 0xE000, 8, 0x0008, 0x0100, b"SH", 0) * 200000)
        pixels = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OW", 0, 64 << 20) + bytes(64 << 20)
        objects = [(dimse.EXPLICIT, dimse.element(0x7FE00010, "OW", bytes(128))),
                   (dimse.EXPLICIT, items), (DEFLATED, items), (DEFLATED, pixels)]
        with node.serving(self.root / "unfolding", "--set", "dicom.transcode_memory=16M") as small:
            for number, (syntax, rest) in enumerate(objects, 1):
                uid = f"{series}.{number}"
                image = dimse.image(study, series, uid, rows=8, columns=8) + rest
                if syntax == DEFLATED:
                    packer = zlib.compressobj(wbits=-15)
                    image = packer.compress(image) + packer.flush()
                with dimse.Association(small.port, [(dimse.CT_IMAGE, (syntax,))]) as association:
                    self.assertEqual(association.store(dimse.CT_IMAGE, uid, image), 0)
            before = small.memory_kib("VmHWM")
            paths, _ = small.move(self.root / "folded", f"StudyInstanceUID={study}", check=False,
                                  sink_options=("+xi",))
            self.assertEqual([pydicom.dcmread(path).SOPInstanceUID for path in paths], [series + ".1"])
            for number in (2, 3, 4):
                self.assertRegex(small.log_text(),
                                 rf"{series}\.{number} was not sent: .*dicom\.transcode_memory")
            if not node.SANITIZED:
                self.assertLess(small.memory_kib("VmHWM") - before, 30000)

    def test_receivers_wait_for_each_other_when_memory_is_short(self):
        with node.serving(self.root / "turns", "--set", "dicom.transcode_memory=40K") as turns:
            self.store([self.root / f"{number}.dcm" for number in range(1, len(ENCODINGS) + 1)],
                       turns.port)
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                for paths in pool.map(lambda number: turns.get(self.root / f"turn{number}", *KEYS),
                                      range(4)):
                    self.check(paths)


if __name__ == "__main__":
    unittest.main()
