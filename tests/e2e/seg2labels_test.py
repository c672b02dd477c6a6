#!/usr/bin/python3
"""Segmentations of others as label maps: made with pydicom here, read back with nibabel. And the way
back of what labels2seg makes, byte for byte."""
import gzip
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
import warnings
import zlib

import nibabel
import numpy
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian,
                         ImplicitVRLittleEndian, RLELossless, generate_uid)

MURPACS = os.environ["MURPACS"]
SOURCE = pathlib.Path(os.environ["MURPACS_SOURCE"])
TESTDATA = pathlib.Path(os.environ.get("MURPACS_TESTDATA") or SOURCE.parent / "shared/testdata")
ORGANS = SOURCE / "etc/organs.cfg"
BINARY, LABELMAP = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
SPACING = (0.25, 0.5, 0.75)  # of columns, rows, slices
ORIGIN = (-10.0, 20.0, 30.0)

warnings.filterwarnings("ignore", module="pydicom")


def run(*arguments, **more):
    return subprocess.run([MURPACS, *map(str, arguments)], capture_output=True, text=True,
                          timeout=120, check=False, **more)


def item(**elements):
    made = Dataset()
    for name, value in elements.items():
        setattr(made, name, value)
    return made


def code(value, meaning):
    return Sequence([item(CodeValue=value, CodingSchemeDesignator="SCT", CodeMeaning=meaning)])


def rle_row(row):
    """Runs of equal bytes, and literal ones."""
    out = b""
    for value, group in itertools.groupby(bytes(row)):
        count = len(list(group))
        while count:
            run_length = min(count, 128)
            out += bytes((257 - run_length, value)) if run_length > 1 else bytes((0, value))
            count -= run_length
    return out


def rle_frame(frame):
    """One frame (rows, columns) of 8 or 16 bits, PS3.5 Annex G."""
    planes = frame.astype(f">u{frame.dtype.itemsize}").view(numpy.uint8)
    planes = planes.reshape(*frame.shape, frame.dtype.itemsize)
    segments = []
    for index in range(frame.dtype.itemsize):
        rows = [rle_row(row) for row in planes[..., index]]
        segments.append(b"".join(rows) + (b"\0" if sum(map(len, rows)) % 2 else b""))
    offsets = [64 + sum(map(len, segments[:index])) for index in range(len(segments))]
    head = [len(segments), *offsets, *[0] * (15 - len(segments))]
    return numpy.array(head, "<u4").tobytes() + b"".join(segments)


class Seg:
    """A segmentation: frames are (segment number, slice, pixels)."""

    def __init__(self, kind, frames, shape, numbers, bits=None):
        self.kind, self.frames, self.shape = kind, frames, shape
        self.syntax = ExplicitVRLittleEndian
        self.orientation = [1, 0, 0, 0, 1, 0]
        self.dataset = ds = Dataset()
        ds.SOPClassUID = LABELMAP if kind == "LABELMAP" else BINARY
        ds.SOPInstanceUID, ds.StudyInstanceUID = generate_uid(), generate_uid()
        ds.SeriesInstanceUID, ds.FrameOfReferenceUID = generate_uid(), generate_uid()
        ds.Modality, ds.PatientID, ds.PatientName = "SEG", "M1", "Mouse"
        ds.SegmentationType = kind
        ds.SegmentSequence = Sequence(
            [item(SegmentNumber=number, SegmentLabel=f"organ {number}",
                  SegmentAlgorithmType="MANUAL",
                  SegmentedPropertyCategoryCodeSequence=code("123037004", "Anatomical Structure"),
                  SegmentedPropertyTypeCodeSequence=code("10200004", "Liver"))
             for number in numbers])
        ds.Rows, ds.Columns = shape
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.PixelRepresentation = 0
        ds.BitsAllocated = ds.BitsStored = bits or (1 if kind == "BINARY" else 8)
        ds.HighBit = ds.BitsStored - 1
        ds.LossyImageCompression = "00"
        if kind == "FRACTIONAL":
            ds.SegmentationFractionalType, ds.MaximumFractionalValue = "PROBABILITY", 255
        if kind == "LABELMAP":
            ds.PixelPaddingValue = 0
        ds.NumberOfFrames = len(frames)
        self.shared = item(
            PixelMeasuresSequence=Sequence([item(PixelSpacing=[SPACING[1], SPACING[0]],
                                                 SliceThickness=SPACING[2])]),
            PlaneOrientationSequence=Sequence([item(ImageOrientationPatient=self.orientation)]))
        ds.SharedFunctionalGroupsSequence = Sequence([self.shared])
        self.per_frame = []
        for number, k, _ in frames:
            position = [ORIGIN[0], ORIGIN[1], round(ORIGIN[2] + k * SPACING[2], 6)]
            groups = item(FrameContentSequence=Sequence([item(DimensionIndexValues=[1, k + 1])]),
                          PlanePositionSequence=Sequence([item(ImagePositionPatient=position)]))
            if kind != "LABELMAP":
                groups.SegmentIdentificationSequence = Sequence(
                    [item(ReferencedSegmentNumber=number)])
            self.per_frame.append(groups)
        ds.PerFrameFunctionalGroupsSequence = Sequence(self.per_frame)

    def pixels(self):
        stack = numpy.stack([pixels for _, _, pixels in self.frames])
        if self.kind == "BINARY":
            return numpy.packbits(stack.astype(numpy.uint8).ravel(), bitorder="little").tobytes()
        stack = stack.astype(numpy.uint8 if self.dataset.BitsAllocated == 8 else numpy.uint16)
        if self.syntax == RLELossless:
            return encapsulate([rle_frame(frame) for frame in stack])
        return stack.tobytes()

    def save(self, path):
        pixels = self.pixels()
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = self.dataset.SOPClassUID
        meta.MediaStorageSOPInstanceUID = self.dataset.SOPInstanceUID
        meta.TransferSyntaxUID = self.syntax
        self.dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
        self.dataset["PixelData"].VR = "OB" if self.kind == "BINARY" or (
            self.syntax == RLELossless) else "OW"
        if self.syntax == RLELossless:
            self.dataset["PixelData"].is_undefined_length = True
        whole = FileDataset(str(path), self.dataset, file_meta=meta, preamble=b"\0" * 128)
        whole.is_little_endian = True
        whole.is_implicit_VR = self.syntax == ImplicitVRLittleEndian
        whole.save_as(path, write_like_original=False)
        return path

    def volume(self, slices, first=0, dtype=numpy.uint8):
        """What the label map is to hold: (i, j, k)."""
        volume = numpy.zeros((self.shape[1], self.shape[0], slices), dtype)
        for number, k, pixels in self.frames:
            values = pixels if self.kind == "LABELMAP" else number * (pixels > 0)
            volume[..., k - first] = numpy.maximum(volume[..., k - first], values.T)
        return volume


def affine_of(first=0):
    affine = numpy.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0])
    affine[:3, 3] = -ORIGIN[0], -ORIGIN[1], ORIGIN[2] + first * SPACING[2]
    return affine


def blobs(seed, count, shape, slices):
    """Frames of segments that do not overlap."""
    random = numpy.random.default_rng(seed)
    owner = random.integers(0, count + 1, (len(slices), *shape))
    return [(number, k, owner[index] == number)
            for number in range(1, count + 1) for index, k in enumerate(slices)
            if (owner[index] == number).any()]


class Folder(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="mur_seg2labels_")
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)

    def path(self, name):
        return self.folder / name

    def convert(self, seg, *options, out="map.nii.gz"):
        source = seg if isinstance(seg, pathlib.Path) else seg.save(self.path("seg.dcm"))
        self.said = run("seg2labels", source, self.path(out), *options)
        self.assertEqual(self.said.returncode, 0, self.said.stderr)
        table = self.path(out.replace(".gz", "").replace(".nii", ".json"))
        self.table = json.loads(table.read_text()) if table.exists() else None
        return nibabel.load(self.path(out))

    def refuse(self, seg, code_wanted, *texts, options=()):
        source = seg if isinstance(seg, pathlib.Path) else seg.save(self.path("seg.dcm"))
        done = run("seg2labels", source, self.path("no.nii.gz"), *options)
        self.assertEqual(done.returncode, code_wanted, done.stderr)
        for text in (source.name, *texts):
            self.assertIn(text, done.stderr)
        self.assertEqual([p.name for p in self.folder.iterdir() if p.name.startswith("no.")], [])

    def same(self, image, volume, first=0):
        numpy.testing.assert_array_equal(numpy.asanyarray(image.dataobj), volume)
        numpy.testing.assert_allclose(image.affine, affine_of(first), atol=1e-5)


class Kinds(Folder):
    def test_binary_without_references_of_any_size(self):
        for rows, columns in itertools.product((5, 6, 7, 8), (5, 7, 9, 11)):  # mod 8: all
            seg = Seg("BINARY", blobs(rows * columns, 3, (rows, columns), range(4)),
                      (rows, columns), (1, 2, 3))
            with self.subTest(rows=rows, columns=columns):
                image = self.convert(seg, out="map.nii")
                self.same(image, seg.volume(4))
                self.assertEqual(image.get_data_dtype(), numpy.uint8)
                self.assertEqual(image.header["xyzt_units"] & 7, 2)

    def test_the_table_names_what_the_values_mean(self):
        seg = Seg("BINARY", blobs(1, 2, (6, 7), range(3)), (6, 7), (1, 2))
        seg.dataset.SegmentSequence[1].RecommendedDisplayCIELabValue = [34885, 53485, 50171]
        self.convert(seg)
        self.assertEqual([label["Value"] for label in self.table["Labels"]], [1, 2])
        first, second = self.table["Labels"]
        self.assertEqual(first["SegmentLabel"], "organ 1")
        self.assertEqual(first["SegmentedPropertyType"]["CodeValue"], "10200004")
        self.assertEqual(first["Voxels"], int((seg.volume(3) == 1).sum()))
        self.assertAlmostEqual(first["VolumeML"], first["Voxels"] * numpy.prod(SPACING) / 1000)
        self.assertEqual(len(second["Color"]), 3)
        self.assertNotIn("Color", first)
        self.assertIn("organ 2", self.said.stdout)

    def test_fractional_by_a_threshold_that_is_told(self):
        random = numpy.random.default_rng(4)
        frames = [(1, k, random.integers(0, 256, (6, 7))) for k in range(3)]
        for threshold, least in ((None, 128), (0.25, 64), (1, 255)):
            seg = Seg("FRACTIONAL", frames, (6, 7), (1,))
            options = () if threshold is None else ("--threshold", threshold)
            image = self.convert(seg, *options)
            cut = Seg("BINARY", [(1, k, p >= least) for _, k, p in frames], (6, 7), (1,))
            self.same(image, cut.volume(3))
            self.assertEqual(self.table["Threshold"], threshold or 0.5)
            self.assertIn(f"at least {threshold or 0.5:g}", self.said.stdout)
        done = run("seg2labels", self.path("seg.dcm"), self.path("no.nii"), "--threshold", "0")
        self.assertEqual(done.returncode, 1, done.stderr)

    def test_label_maps_of_8_and_16_bits(self):
        random = numpy.random.default_rng(5)
        for bits, numbers in ((8, (1, 7, 255)), (16, (1, 300, 65535))):
            for syntax in (ExplicitVRLittleEndian, RLELossless, DeflatedExplicitVRLittleEndian):
                values = [(0, k, random.choice((0, *numbers), (6, 7))) for k in range(3)]
                seg = Seg("LABELMAP", values, (6, 7), numbers, bits)
                seg.syntax = syntax
                with self.subTest(bits=bits, syntax=syntax.name):
                    image = self.convert(seg)
                    self.same(image, seg.volume(3, dtype=numpy.uint16))
                    self.assertEqual(image.get_data_dtype().itemsize, bits // 8)

    def test_encodings(self):
        frames = blobs(6, 2, (6, 7), range(3))
        for syntax in (ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian):
            seg = Seg("BINARY", frames, (6, 7), (1, 2))
            seg.syntax = syntax
            self.same(self.convert(seg), seg.volume(3))
        seg = Seg("FRACTIONAL", [(n, k, 255 * p) for n, k, p in frames], (6, 7), (1, 2))
        seg.syntax = RLELossless
        self.same(self.convert(seg), seg.volume(3))

    def test_every_group_may_be_shared_or_of_the_frame(self):
        seg = Seg("BINARY", blobs(7, 1, (6, 7), [2]), (6, 7), (1,))
        groups, shared = seg.per_frame[0], seg.shared
        del seg.dataset.PerFrameFunctionalGroupsSequence
        for name in ("PlanePositionSequence", "SegmentIdentificationSequence"):
            setattr(shared, name, getattr(groups, name))
        self.same(self.convert(seg), seg.volume(1, first=2), first=2)
        seg = Seg("BINARY", blobs(8, 2, (6, 7), range(2)), (6, 7), (1, 2))
        for groups in seg.per_frame:
            groups.PixelMeasuresSequence = seg.shared.PixelMeasuresSequence
            groups.PlaneOrientationSequence = seg.shared.PlaneOrientationSequence
        del seg.dataset.SharedFunctionalGroupsSequence
        self.same(self.convert(seg), seg.volume(2))


class Grids(Folder):
    def images(self, slices):
        """A classic series of (6 rows, 7 columns); its folder and UID."""
        folder = self.path("images")
        folder.mkdir()
        series, study = generate_uid(), generate_uid()
        for k in range(slices):
            ds = Dataset()
            ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", generate_uid()
            ds.StudyInstanceUID, ds.SeriesInstanceUID = study, series
            ds.Modality, ds.PatientID, ds.PatientName, ds.InstanceNumber = "MR", "M1", "Mouse", k + 1
            ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
            ds.ImagePositionPatient = [ORIGIN[0], ORIGIN[1], round(ORIGIN[2] + k * SPACING[2], 6)]
            ds.PixelSpacing, ds.SliceThickness = [SPACING[1], SPACING[0]], SPACING[2]
            ds.Rows, ds.Columns, ds.BitsAllocated, ds.BitsStored, ds.HighBit = 6, 7, 16, 16, 15
            ds.SamplesPerPixel, ds.PixelRepresentation = 1, 0
            ds.PhotometricInterpretation = "MONOCHROME2"
            ds.PixelData = bytes(6 * 7 * 2)
            meta = FileMetaDataset()
            meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
                ds.SOPClassUID, ds.SOPInstanceUID)
            meta.TransferSyntaxUID = ExplicitVRLittleEndian
            whole = FileDataset(None, ds, file_meta=meta, preamble=b"\0" * 128)
            whole.is_little_endian, whole.is_implicit_VR = True, False
            whole.save_as(folder / f"{k}.dcm", write_like_original=False)
        return folder, series

    def test_slices_without_a_frame_are_empty_ones(self):
        seg = Seg("BINARY", blobs(9, 1, (6, 7), [1, 2, 4, 8]), (6, 7), (1,))
        self.same(self.convert(seg), seg.volume(8, first=1), first=1)
        seg = Seg("BINARY", blobs(9, 1, (6, 7), [1, 5, 9]), (6, 7), (1,))
        seg.shared.PixelMeasuresSequence[0].SpacingBetweenSlices = SPACING[2]
        self.same(self.convert(seg), seg.volume(9, first=1), first=1)

    def test_the_grid_of_the_images_brings_all_slices_back(self):
        folder, series = self.images(8)
        seg = Seg("BINARY", blobs(10, 2, (6, 7), [2, 3]), (6, 7), (1, 2))
        seg.dataset.ReferencedSeriesSequence = Sequence([item(SeriesInstanceUID=series)])
        image = self.convert(seg, "--source", folder)
        self.same(image, seg.volume(8))
        self.assertEqual(self.table["Grid"], "source")
        self.same(self.convert(seg), seg.volume(2, first=2), first=2)
        self.assertEqual(self.table["Grid"], "frames")

    def test_images_of_another_series_are_refused_unless_named(self):
        folder, series = self.images(8)
        seg = Seg("BINARY", blobs(10, 2, (6, 7), [2, 3]), (6, 7), (1, 2))
        seg.dataset.ReferencedSeriesSequence = Sequence([item(SeriesInstanceUID=generate_uid())])
        seg.save(self.path("seg.dcm"))
        done = run("seg2labels", self.path("seg.dcm"), self.path("no.nii"), "--source", folder)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("--series", done.stderr)
        self.same(self.convert(seg, "--source", folder, "--series", series), seg.volume(8))

    def test_frames_that_lie_beside_the_images_keep_their_own_grid(self):
        folder, _ = self.images(8)
        seg = Seg("BINARY", blobs(10, 1, (6, 7), [20, 21]), (6, 7), (1,))
        image = self.convert(seg, "--source", folder)
        self.same(image, seg.volume(2, first=20), first=20)
        self.assertIn("keeps its own", self.said.stderr)

    def test_straight_from_the_archive_on_the_grid_of_its_images(self):
        folder, series = self.images(8)
        seg = Seg("BINARY", blobs(10, 2, (6, 7), [2, 3]), (6, 7), (1, 2))
        seg.dataset.ReferencedSeriesSequence = Sequence([item(SeriesInstanceUID=series)])
        seg.save(folder / "seg.dcm")
        data = ("--data-dir", self.path("data"))
        done = run("import", "--dicom", folder, *data)
        self.assertEqual(done.returncode, 0, done.stderr)
        for uid in (seg.dataset.SOPInstanceUID, seg.dataset.SeriesInstanceUID):
            done = run("seg2labels", uid, self.path("map.nii"), *data)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.same(nibabel.load(self.path("map.nii")), seg.volume(8))
        done = run("seg2labels", generate_uid(), self.path("no.nii"), *data)
        self.assertEqual(done.returncode, 20, done.stderr)
        self.assertIn("neither a file nor", done.stderr)


class Overlaps(Folder):
    def setUp(self):
        super().setUp()
        frames = blobs(11, 2, (6, 7), range(3))
        third = numpy.zeros((6, 7), bool)
        third[1:4] = True
        self.seg = Seg("BINARY", [*frames, (3, 1, third)], (6, 7), (1, 2, 3))

    def test_are_an_error_that_names_them(self):
        self.refuse(self.seg, 22, "1 (organ 1) and 3 (organ 3)", "2 (organ 2) and 3 (organ 3)")

    def test_become_layers_on_request(self):
        image = self.convert(self.seg, "--overlap", "layers")
        data = numpy.asanyarray(image.dataobj)
        self.assertEqual(data.shape, (7, 6, 3, 2))
        layers = {label["Value"]: label["Layer"] for label in self.table["Labels"]}
        self.assertNotEqual(layers[1], layers[3])
        for number, k, pixels in self.seg.frames:
            numpy.testing.assert_array_equal(data[..., k, layers[number] - 1] == number, pixels.T)

    def test_have_a_first_one_where_it_is_named(self):
        image = self.convert(self.seg, "--overlap", "first=3")
        wanted = self.seg.volume(3)
        wanted[..., 1][self.seg.frames[-1][2].T] = 3
        self.same(image, wanted)
        self.refuse(self.seg, 22, "1 (organ 1) and 3 (organ 3)", options=("--overlap", "first=2"))
        self.refuse(self.seg, 1, "no segment 9", options=("--overlap", "first=9"))


class WrongInput(Folder):
    def seg(self):
        return Seg("BINARY", blobs(12, 2, (6, 7), range(3)), (6, 7), (1, 2))

    def test_tiles_of_slides(self):
        seg = self.seg()
        seg.dataset.DimensionOrganizationType = "TILED_FULL"
        self.refuse(seg, 22, "TILED_FULL", "(0020,9311)")

    def test_frames_that_belong_to_nobody(self):
        seg = self.seg()
        seg.per_frame[1].SegmentIdentificationSequence[0].ReferencedSegmentNumber = 9
        self.refuse(seg, 22, "frame 2", "segment 9")

    def test_headers_that_claim_more_than_the_file_holds(self):
        for name, value, text in (("NumberOfFrames", 1000000, "Number of Frames (0028,0008)"),
                                  ("Rows", 60000, "Pixel Data (7FE0,0010)"),
                                  ("Columns", 0, "Columns (0028,0011)")):
            seg = self.seg()
            setattr(seg.dataset, name, value)
            with self.subTest(name=name):
                self.refuse(seg, 22, text)
        seg = Seg("LABELMAP", [(0, 0, numpy.ones((6, 7)))], (6, 7), (1,))
        seg.syntax = RLELossless
        seg.dataset.Rows = seg.dataset.Columns = 65535
        self.refuse(seg, 22, "frame 1", "cannot hold")

    def test_a_deflated_stream_that_stands_for_far_more(self):
        seg = Seg("BINARY", blobs(1, 1, (6, 7), [0, 1]), (6, 7), (1,))
        seg.syntax = DeflatedExplicitVRLittleEndian
        seg.save(self.path("seg.dcm"))
        raw = self.path("seg.dcm").read_bytes()
        begin = 144 + int.from_bytes(raw[140:144], "little")  # behind group 0002
        body = zlib.decompress(raw[begin:], -15)
        pixels, patient = body.rindex(b"\xE0\x7F\x10\0O"), body.index(b"\x10\0\x10\0PN")
        for name, at, tag, size, words in (
                ("pixels", pixels, b"\xE0\x7F\x10\0OB\0\0", 64 << 20, "where its frames need"),
                ("private", patient, b"\x09\0\x01\x10OB\0\0", 257 << 20, "before its pixels")):
            packer = zlib.compressobj(1, zlib.DEFLATED, -15)
            with open(self.path("bomb.dcm"), "wb") as file:
                file.write(raw[:begin])
                file.write(packer.compress(body[:at] + tag + size.to_bytes(4, "little")))
                for _ in range(size >> 20):
                    file.write(packer.compress(bytes(1 << 20)))
                file.write(packer.compress(b"" if at == pixels else body[at:]) + packer.flush())
            done = run("seg2labels", self.path("bomb.dcm"), self.path("no.nii"))
            with self.subTest(name=name):
                self.assertEqual(done.returncode, 22, done.stderr)
                self.assertIn("bomb.dcm: ", done.stderr)
                self.assertIn(words, done.stderr)
                self.assertFalse(self.path("no.nii").exists())

    def test_missing_positions_and_wrong_numbers(self):
        seg = self.seg()
        del seg.per_frame[2].PlanePositionSequence
        self.refuse(seg, 22, "frame 3", "Image Position (Patient) (0020,0032)")
        for position, text in (([*ORIGIN[:2], 31.234], "off the others"),
                               ([*ORIGIN[:2], 1e9], "no even grid"),
                               ([0, 0, 31.5], "not behind the others")):
            seg = Seg("BINARY", blobs(12, 2, (6, 7), range(5)), (6, 7), (1, 2))
            seg.per_frame[2].PlanePositionSequence[0].ImagePositionPatient = position
            self.refuse(seg, 22, text)
        seg = self.seg()
        seg.shared.PlaneOrientationSequence[0].ImageOrientationPatient = [1, 0, 0, 1, 0, 0]
        self.refuse(seg, 22, "(0020,0037)")

    def test_the_same_segment_twice_on_a_plane(self):
        seg = self.seg()
        seg.per_frame[1].PlanePositionSequence = seg.per_frame[0].PlanePositionSequence
        self.refuse(seg, 22, "both segment 1")

    def test_values_of_a_label_map_that_no_segment_has(self):
        seg = Seg("LABELMAP", [(0, 0, numpy.full((6, 7), 5))], (6, 7), (1,))
        self.refuse(seg, 22, "frame 1, row 1, column 1", "value 5")

    def test_what_is_no_segmentation(self):
        self.path("text").write_bytes(b"nothing of the kind" * 100)
        self.refuse(self.path("text"), 22)
        self.refuse(self.path("absent"), 20)
        self.path("folder").mkdir()
        self.refuse(self.path("folder"), 1)
        os.mkfifo(self.path("pipe"))  # which nobody writes into
        self.refuse(self.path("pipe"), 22)
        seg = self.seg().save(self.path("whole.dcm"))
        raw = seg.read_bytes()
        for length in (200, len(raw) // 2, len(raw) - 10):
            self.path("cut.dcm").write_bytes(raw[:length])
            self.refuse(self.path("cut.dcm"), 22)
        done = run("seg2labels", seg, self.path("no.img"))
        self.assertEqual(done.returncode, 1)
        self.assertIn(".nii", done.stderr)

    def test_the_segmentation_is_not_written_over(self):
        seg = self.seg().save(self.path("seg.nii"))
        before = seg.read_bytes()
        for arguments in ([seg], [self.path("map.nii"), "--itksnap", seg]):
            done = run("seg2labels", seg, *arguments)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("another file", done.stderr)
            self.assertEqual(seg.read_bytes(), before)
            self.assertFalse(self.path("map.nii").exists())

    def test_an_output_that_cannot_be_written(self):
        seg = self.seg().save(self.path("seg.dcm"))
        done = run("seg2labels", seg, "/proc/no/map.nii")
        self.assertIn(done.returncode, (2, 20, 40), done.stderr)


class WayBack(Folder):
    """labels2seg and back."""

    def image(self, shape, affine):
        data = numpy.arange(numpy.prod(shape)).reshape(shape).astype(numpy.int16)
        nibabel.save(nibabel.Nifti1Image(data, affine), self.path("image.nii"))
        done = run("nii2dcm", self.path("image.nii"), self.path("dicom"), "--modality", "MR")
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.path("dicom")

    def there_and_back(self, image, *options, numbers=(1, 4)):
        nibabel.save(image, self.path("labels.nii"))
        self.forth(image.shape, image.affine, numbers, *options)
        return self.path("labels.nii").read_bytes()

    def forth(self, shape, affine, numbers, *options):
        series = self.image(shape[:3], affine)
        names = [a for n in numbers for a in ("--label", f"{n}=organ{n}")]
        done = run("labels2seg", self.path("labels.nii"), series, self.path("seg.dcm"),
                   "--organs", ORGANS, *names, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.convert(self.path("seg.dcm"))

    def labels(self, dtype, shape=(7, 6, 5)):
        random = numpy.random.default_rng(13)
        data = random.choice((0, 0, 1, 4), shape).astype(dtype)
        data[..., -1] = 0  # a slice that has no frame
        return data

    def test_gives_the_same_file_again(self):
        affine = numpy.array([[0, 0.3, 0, 4], [-0.2, 0, 0, 5], [0, 0, -0.7, 6], [0, 0, 0, 1.0]])
        for dtype in (numpy.uint8, numpy.int16, numpy.uint16, numpy.int32, numpy.float32,
                      numpy.float64):
            image = nibabel.Nifti1Image(self.labels(dtype), affine)
            image.header["descrip"] = b"by hand, at night"
            image.header["cal_max"] = 4
            image.header.extensions.append(nibabel.nifti1.Nifti1Extension(6, b"a comment"))
            with self.subTest(dtype=dtype.__name__):
                raw = self.there_and_back(image)
                self.assertEqual(gzip.decompress(self.path("map.nii.gz").read_bytes()), raw)
                self.assertEqual(self.table["Grid"], "original")
                self.assertIn("same file as before", self.said.stdout)

    def test_of_several_volumes_though_they_overlap(self):
        data = numpy.stack([self.labels(numpy.uint8), self.labels(numpy.uint8)[::-1],
                            numpy.zeros((7, 6, 5), numpy.uint8)], 3)
        image = nibabel.Nifti1Image(data, numpy.diag([0.2, 0.3, 0.4, 1]))
        series = self.image(data.shape[:3], image.affine)
        nibabel.save(image, self.path("labels.nii"))
        done = run("labels2seg", self.path("labels.nii"), series, self.path("seg.dcm"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.convert(self.path("seg.dcm"))
        self.assertEqual(gzip.decompress(self.path("map.nii.gz").read_bytes()),
                         self.path("labels.nii").read_bytes())
        self.assertEqual(self.table["Layers"], 3)
        self.assertIn("overlap", self.said.stderr)

    def test_of_several_volumes_as_a_label_map(self):
        one = self.labels(numpy.uint8)
        data = numpy.stack([one * (one == 1), one * (one == 4), 1 - (one > 0)], 3).astype(numpy.uint8)
        image = nibabel.Nifti1Image(data, numpy.diag([0.2, 0.3, 0.4, 1]))
        series = self.image(data.shape[:3], image.affine)
        nibabel.save(image, self.path("labels.nii"))
        done = run("labels2seg", self.path("labels.nii"), series, self.path("seg.dcm"), "--labelmap")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.convert(self.path("seg.dcm"))
        self.assertEqual(gzip.decompress(self.path("map.nii.gz").read_bytes()),
                         self.path("labels.nii").read_bytes())
        found = [(label["Layer"], label["Value"]) for label in self.table["Labels"] if label["Value"]]
        self.assertEqual(found, [(1, 1), (2, 4), (3, 1)])

    def test_of_a_mask_whatever_its_value(self):
        for value in (1, 255, 1000):
            data = (self.labels(numpy.int16) == 4).astype(numpy.int16) * value
            image = nibabel.Nifti1Image(data, numpy.diag([0.2, 0.3, 0.4, 1]))
            series = self.image(data.shape, image.affine)
            nibabel.save(image, self.path("labels.nii"))
            done = run("labels2seg", self.path("labels.nii"), series, self.path("seg.dcm"),
                       "--organ", "liver", "--organs", ORGANS)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.convert(self.path("seg.dcm"))
            with self.subTest(value=value):
                self.assertEqual(gzip.decompress(self.path("map.nii.gz").read_bytes()),
                                 self.path("labels.nii").read_bytes())

    def test_of_a_big_endian_file_and_a_scaled_one(self):
        header = nibabel.Nifti1Header(endianness=">")
        header.set_data_dtype(">i2")
        image = nibabel.Nifti1Image(self.labels(">i2"), numpy.diag([0.2, 0.3, 0.4, 1]), header)
        raw = self.there_and_back(image)
        self.assertEqual(raw[:4], b"\0\0\1\x5c")
        self.assertEqual(gzip.decompress(self.path("map.nii.gz").read_bytes()), raw)
        nibabel.save(nibabel.Nifti1Image(self.labels(numpy.int16), numpy.diag([0.2, 0.3, 0.4, 1])),
                     self.path("labels.nii"))
        raw = bytearray(self.path("labels.nii").read_bytes())
        raw[112:120] = numpy.array([0.5, 0], numpy.float32).tobytes()
        self.path("labels.nii").write_bytes(raw)
        raw[352:] = (self.labels(numpy.int16) * 2).astype("<i2").tobytes(order="F")
        self.path("labels.nii").write_bytes(raw)
        half = nibabel.load(self.path("labels.nii"))
        self.forth(half.shape, half.affine, (1, 4))
        self.assertEqual(gzip.decompress(self.path("map.nii.gz").read_bytes()), bytes(raw))

    def test_with_a_new_header_if_voxels_were_changed_since(self):
        image = nibabel.Nifti1Image(self.labels(numpy.int16), numpy.diag([0.2, 0.3, 0.4, 1]))
        self.there_and_back(image)
        seg = pydicom.dcmread(self.path("seg.dcm"))
        pixels = bytearray(seg.PixelData)
        pixels[0] ^= 1
        seg.PixelData = bytes(pixels)
        seg.save_as(self.path("seg.dcm"))
        self.convert(self.path("seg.dcm"))
        self.assertNotEqual(self.table["Grid"], "original")
        self.assertIn("its voxels are not those", self.said.stderr)

    def test_with_a_new_header_if_the_kept_one_claims_more_than_the_frames(self):
        image = nibabel.Nifti1Image(self.labels(numpy.uint8), numpy.diag([0.2, 0.3, 0.4, 1]))
        self.there_and_back(image)
        seg = pydicom.dcmread(self.path("seg.dcm"))
        header = bytearray(seg[0x0099, 0x1001].value)
        header[42:46] = numpy.array([700, 600], "<i2").tobytes()
        seg[0x0099, 0x1001].value = bytes(header)
        seg.save_as(self.path("seg.dcm"))
        back = self.convert(self.path("seg.dcm"))
        self.assertEqual(back.shape[:2], (7, 6))
        self.assertIn("do not lie on the grid of its kept header", self.said.stderr)

    def test_plainly_on_request(self):
        for unit in (1, 0.001):  # millimetres, and voxels smaller than a micrometre
            with self.subTest(unit=unit):
                affine = numpy.diag([0.2 * unit, 0.3 * unit, 0.4 * unit, 1])
                image = nibabel.Nifti1Image(self.labels(numpy.int16), affine)
                shutil.rmtree(self.path("dicom"), ignore_errors=True)
                self.there_and_back(image)
                for grid, options in (("source", ["--source", self.path("dicom")]),
                                      ("frames", [])):
                    back = self.convert(self.path("seg.dcm"), "--plain", *options)
                    self.assertEqual(back.get_data_dtype(), numpy.uint8)
                    self.assertEqual(self.table["Grid"], grid)
                    to_voxels = numpy.linalg.inv(back.affine) @ image.affine
                    for at in numpy.argwhere(image.dataobj):
                        i, j, k = numpy.round(to_voxels @ [*at, 1])[:3].astype(int)
                        self.assertEqual(back.dataobj[i, j, k], image.dataobj[tuple(at)])

    def test_by_segment_numbers(self):
        image = nibabel.Nifti1Image(self.labels(numpy.uint8), numpy.diag([0.2, 0.3, 0.4, 1]))
        self.there_and_back(image)
        back = self.convert(self.path("seg.dcm"), "--segment-numbers")
        self.assertEqual(sorted(numpy.unique(back.dataobj)), [0, 1, 2])

    def test_label_descriptions_are_read_again(self):
        image = nibabel.Nifti1Image(self.labels(numpy.uint8), numpy.diag([0.2, 0.3, 0.4, 1]))
        self.there_and_back(image)
        self.convert(self.path("seg.dcm"), "--itksnap", self.path("labels.txt"))
        for names in ("labels.txt", "map.json"):
            done = run("labels2seg", self.path("map.nii.gz"), self.path("dicom"),
                       self.path("again.dcm"), "--organs", ORGANS, "--labels", self.path(names))
            self.assertEqual(done.returncode, 0, done.stderr)
            first, again = (pydicom.dcmread(self.path(n)) for n in ("seg.dcm", "again.dcm"))
            self.assertEqual(first.PixelData, again.PixelData)
            self.assertEqual([s.SegmentLabel for s in first.SegmentSequence],
                             [s.SegmentLabel for s in again.SegmentSequence])


class Command(Folder):
    def test_prints_the_table_as_json(self):
        seg = Seg("BINARY", blobs(1, 2, (6, 7), range(3)), (6, 7), (1, 2))
        self.convert(seg, "--json")
        self.assertEqual(json.loads(self.said.stdout)["Labels"], self.table["Labels"])
        self.convert(seg, "--no-table", out="other.nii")
        self.assertFalse(self.path("other.json").exists())

    def test_gives_the_same_bytes_again(self):
        seg = Seg("BINARY", blobs(1, 2, (6, 7), range(3)), (6, 7), (1, 2))
        self.convert(seg)
        first = self.path("map.nii.gz").read_bytes()
        self.convert(self.path("seg.dcm"))
        self.assertEqual(self.path("map.nii.gz").read_bytes(), first)


def read_nrrd(path):
    """Voxels of a NRRD file of shorts, gzip."""
    head, _, data = path.read_bytes().partition(b"\n\n")
    sizes = next(line for line in head.decode().splitlines() if line.startswith("sizes:"))
    shape = tuple(map(int, sizes.split()[1:]))
    return numpy.frombuffer(gzip.decompress(data), "<i2").reshape(shape, order="F")


class Others(Folder):
    def test_what_dcmqi_made_is_what_dcmqi_made_it_of(self):
        folder = TESTDATA / "seg"
        if not (folder / "liver.dcm").exists():
            self.skipTest(f"{folder} is not there")
        pairs = (("liver.dcm", "liver_seg.nrrd", "ct-3slice__*.dcm"),
                 ("24x38x3__seg__label.seg", "24x38x3__nrrd__label.nrrd", "24x38x3__image__*.dcm"))
        for seg, labels, images in pairs:
            there = self.path(seg)
            there.mkdir()
            for path in folder.glob(images):
                (there / path.name).write_bytes(path.read_bytes())
            for options in ((), ("--source", there)):
                with self.subTest(seg=seg, options=options):
                    image = self.convert(folder / seg, *options)
                    numpy.testing.assert_array_equal(numpy.asanyarray(image.dataobj) > 0,
                                                     read_nrrd(folder / labels) > 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
