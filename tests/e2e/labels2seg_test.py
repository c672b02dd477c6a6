#!/usr/bin/python3
"""Segmentations made from label maps, read back by others: pydicom (by the code below), dciodvfy."""
import gzip
import hashlib
import itertools
import json
import pathlib
import re
import shutil
import subprocess
import unittest
import zipfile

import nibabel
import numpy
import pydicom

from volumes import (LPS, SOURCE, TESTDATA, Folder, numbers, oblique, ramp, read_series, run,
                     same_world, save)

ORGANS = SOURCE / "etc/organs.cfg"


def write_nrrd(path, data, affine, layers=None, pairs=(), encoding="gzip", endian="little",
               space="left-posterior-superior", file=None):
    """data: (i, j, k), or with layers "first" or "last" one more axis there."""
    signs = {"left-posterior-superior": (-1, -1, 1), "RAS": (1, 1, 1),
             "left-anterior-superior": (-1, 1, 1)}[space]
    vectors = ["({})".format(",".join(repr(float(s * v)) for s, v in zip(signs, affine[:3, column])))
               for column in range(4)]
    directions, kinds = vectors[:3], ["domain"] * 3
    if layers:
        place = 0 if layers == "first" else 3
        directions.insert(place, "none")
        kinds.insert(place, "list")
    names = {"uint8": "unsigned char", "int16": "short", "uint16": "ushort", "float32": "float"}
    body = data.astype(data.dtype.newbyteorder({"little": "<", "big": ">"}[endian])).tobytes("F")
    head = ["NRRD0004", "# made for a test", f"type: {names[data.dtype.name]}",
            f"dimension: {data.ndim}", f"space: {space}",
            "sizes: " + " ".join(map(str, data.shape)), "space directions: " + " ".join(directions),
            "kinds: " + " ".join(kinds), f"endian: {endian}", f"encoding: {encoding}",
            f"space origin: {vectors[3]}"]
    if file:
        head.append(f"data file: {file.name}")
    head += [f"{key}:={value}" for key, value in pairs]
    body = gzip.compress(body, mtime=0) if encoding == "gzip" else body
    path.write_bytes("\n".join(head + ["", ""]).encode() + (b"" if file else body))
    if file:
        file.write_bytes(body)


def described(*segments):
    """Pairs of 3D Slicer: (name, value, layer, colour, type code)."""
    for number, (name, value, layer, color, code) in enumerate(segments):
        category = "SCT^123037004^Anatomical Structure"
        yield f"Segment{number}_ID", f"Segment_{number}"
        yield f"Segment{number}_Name", name
        yield f"Segment{number}_LabelValue", value
        yield f"Segment{number}_Layer", layer
        yield f"Segment{number}_Color", color
        yield (f"Segment{number}_Tags", "Segmentation.Status:inprogress|TerminologyEntry:Segmentation "
               f"category and type - DICOM master list~{category}~{code}~^^~Anatomic codes~^^~^^|")


def read_labelmap(path):
    """Data Set, and pixels by position: Segment Numbers (rows, columns)."""
    seg = pydicom.dcmread(path)
    pixels = numpy.frombuffer(seg.PixelData, f"<u{seg.BitsAllocated // 8}")
    size = seg.Rows * seg.Columns
    pixels = pixels[:int(seg.NumberOfFrames) * size].reshape(-1, seg.Rows, seg.Columns)
    return seg, {tuple(item.PlanePositionSequence[0].ImagePositionPatient): pixels[index]
                 for index, item in enumerate(seg.PerFrameFunctionalGroupsSequence)}


def read_seg(path):
    """Data Set, and for each frame: segment, position, bits (rows, columns)."""
    seg = pydicom.dcmread(path)
    count, rows, columns = int(seg.NumberOfFrames), seg.Rows, seg.Columns
    bits = numpy.unpackbits(numpy.frombuffer(seg.PixelData, numpy.uint8), bitorder="little")
    bits = bits[:count * rows * columns].reshape(count, rows, columns)
    frames = []
    for index, item in enumerate(seg.PerFrameFunctionalGroupsSequence):
        number = item.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        position = item.PlanePositionSequence[0].ImagePositionPatient
        frames.append((number, position, bits[index], item))
    return seg, frames


class Segmentations(Folder):
    def make(self, labels, affine, image_affine=None, shape=None, options=(), dtype=numpy.uint8):
        """Image and label map; the SEG's path."""
        image_affine = affine if image_affine is None else image_affine
        save(self.folder / "image.nii", ramp(shape or labels.shape), image_affine)
        save(self.folder / "labels.nii", labels.astype(dtype), affine)
        series = self.convert(self.folder / "image.nii")
        return self.seg(series, self.folder / "labels.nii", *options)

    def seg(self, series, *arguments):
        target = self.folder / "seg.dcm"
        options = [a for a in arguments if not isinstance(a, pathlib.Path)]
        files = [a for a in arguments if isinstance(a, pathlib.Path)]
        done = run("labels2seg", *files, series, target, "--organs", ORGANS, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.said = done
        return target

    def equals_labels(self, path, labels, affine, names):
        """The SEG holds the labels at their place, and nothing else."""
        seg, frames = read_seg(path)
        _, there, slices = read_series(self.folder / "dcm")
        planes = {tuple(s.ImagePositionPatient): k for k, s in enumerate(slices)}
        found = numpy.zeros((seg.Columns, seg.Rows, len(slices)), int)
        for number, position, bits, item in frames:
            self.assertGreater(bits.sum(), 0)
            k = planes[tuple(position)]
            source = item.DerivationImageSequence[0].SourceImageSequence[0]
            self.assertEqual(source.ReferencedSOPInstanceUID, slices[k].SOPInstanceUID)
            value = names[seg.SegmentSequence[number - 1].SegmentLabel]
            found[:, :, k] += value * bits.T.astype(int)  # uint8 would not hold 300
        same_world(self, nibabel.Nifti1Image(labels.astype(numpy.int32), affine), found, there)
        return seg

    def test_every_frame_size_is_packed_right(self):
        random = numpy.random.default_rng(4)
        affine = numpy.diag([0.2, 0.3, 0.4, 1.0])
        for columns in range(9, 17):
            labels = random.integers(0, 4, (columns, 7, 5))
            labels[:, :, 2] = 0
            labels[:, :, 4][labels[:, :, 4] == 2] = 0
            path = self.make(labels, affine,
                             options=("--label", "1=liver", "--label", "2=spleen", "--label", "3=x"))
            with self.subTest(rest=columns * 7 % 8):
                seg = self.equals_labels(path, labels, affine, {"liver": 1, "spleen": 2, "x": 3})
                self.assertEqual(seg.NumberOfFrames, 11)  # empty ones are left out
                self.assertEqual(len(seg.PixelData) % 2, 0)

    def test_memory_that_is_given_back_plane_by_plane_is_not_missed(self):
        labels = numpy.random.default_rng(6).integers(0, 3, (150, 130, 4))  # planes of some pages
        affine = numpy.diag([0.2, 0.3, 0.4, 1.0])
        save(self.folder / "image.nii", ramp(labels.shape), affine)
        layers = numpy.stack([labels * (labels == 1), labels * (labels == 2)], axis=-1)
        save(self.folder / "labels.nii", layers.transpose(2, 0, 1, 3).astype(numpy.float32),
             affine[:, [2, 0, 1, 3]])
        path = self.seg(self.convert(self.folder / "image.nii"), self.folder / "labels.nii",
                        "--label", "1=liver", "--label", "2=spleen")
        self.equals_labels(path, labels, affine, {"liver": 1, "spleen": 2})

    def test_any_order_of_the_label_maps_axes_finds_the_image(self):
        random = numpy.random.default_rng(5)
        shape = (6, 5, 4)
        affine = oblique(9)
        labels = random.integers(0, 3, shape)
        for order in itertools.permutations(range(3)):
            for flips in ((), (0,), (1, 2), (0, 1, 2)):
                turned = nibabel.Nifti1Image(labels.astype(numpy.uint8), affine)
                matrix = numpy.array([[order.index(axis), -1 if axis in flips else 1]
                                      for axis in range(3)])
                turned = turned.as_reoriented(matrix)
                path = self.make(numpy.asanyarray(turned.dataobj), turned.affine, affine, shape,
                                 ("--label", "1=liver", "--label", "2=heart"))
                self.assertNotIn("grid", self.said.stderr)
                self.equals_labels(path, labels, affine, {"liver": 1, "heart": 2})

    def test_all_types_of_label_maps(self):
        labels = numpy.random.default_rng(6).integers(0, 3, (6, 5, 4)) * 150
        affine = numpy.diag([0.2, 0.3, 0.4, 1.0])
        for dtype in ("uint16", "int16", "int32", "uint32", "float32", "float64"):
            path = self.make(labels, affine, dtype=dtype,
                             options=("--label", "150=liver", "--label", "300=heart"))
            with self.subTest(dtype=dtype):
                self.equals_labels(path, labels, affine, {"liver": 150, "heart": 300})

    def test_one_file_for_each_organ(self):
        affine = numpy.diag([0.2, 0.3, 0.4, 1.0])
        save(self.folder / "image.nii", ramp((6, 5, 4)), affine)
        masks = numpy.zeros((2, 6, 5, 4), numpy.uint8)
        masks[0, 1:4, 1:3, 1:3] = 1
        masks[1, 2:5, 2:4, 2:4] = 7  # overlaps
        for index in range(2):
            save(self.folder / f"{index}.nii.gz", masks[index], affine)
        series = self.convert(self.folder / "image.nii")
        path = self.seg(series, self.folder / "0.nii.gz", self.folder / "1.nii.gz",
                        "--organ", "liver", "--organ", "tumour")
        seg, frames = read_seg(path)
        self.assertEqual([s.SegmentLabel for s in seg.SegmentSequence], ["liver", "tumour"])
        self.assertEqual([int(sum(f[2].sum() for f in frames if f[0] == n)) for n in (1, 2)],
                         [12, 12])
        self.assertEqual(len(frames), 4)
        self.no_errors(path)

    def test_viewers_find_what_they_need(self):
        affine = oblique(10)
        labels = numpy.random.default_rng(7).integers(0, 3, (6, 5, 4))
        path = self.make(labels, affine, options=("--label", "1=liver", "--label", "2=kidney_left"))
        self.no_errors(path)
        seg, _ = read_seg(path)
        _, _, slices = read_series(self.folder / "dcm")
        self.assertEqual(seg.StudyInstanceUID, slices[0].StudyInstanceUID)
        self.assertEqual(seg.FrameOfReferenceUID, slices[0].FrameOfReferenceUID)
        series = seg.ReferencedSeriesSequence[0]
        self.assertEqual(series.SeriesInstanceUID, slices[0].SeriesInstanceUID)
        self.assertEqual({i.ReferencedSOPInstanceUID for i in series.ReferencedInstanceSequence},
                         {s.SOPInstanceUID for s in slices})
        shared = seg.SharedFunctionalGroupsSequence[0]
        self.assertEqual(shared.PlaneOrientationSequence[0].ImageOrientationPatient,
                         slices[0].ImageOrientationPatient)
        self.assertEqual(shared.PixelMeasuresSequence[0].PixelSpacing, slices[0].PixelSpacing)
        liver, kidney = seg.SegmentSequence
        self.assertEqual(liver.SegmentedPropertyTypeCodeSequence[0].CodeValue, "10200004")
        self.assertEqual(kidney.SegmentedPropertyTypeCodeSequence[0]
                         .SegmentedPropertyTypeModifierCodeSequence[0].CodeValue, "7771000")
        self.assertEqual(len(liver.RecommendedDisplayCIELabValue), 3)
        again = (self.folder / "seg.dcm").read_bytes()
        self.seg(self.folder / "dcm", self.folder / "labels.nii", "--label", "1=liver",
                 "--label", "2=kidney_left")
        self.assertEqual((self.folder / "seg.dcm").read_bytes(), again)

    def test_the_original_header_of_a_label_map_goes_along(self):
        affine = oblique(11)
        labels = numpy.random.default_rng(12).integers(0, 3, (6, 5, 4))
        path = self.make(labels, affine, options=("--label", "1=liver", "--label", "2=heart"))
        block = pydicom.dcmread(path).private_block(0x0099, "MURPACS NIFTI 1.0")
        raw = (self.folder / "labels.nii").read_bytes()
        self.assertEqual(block[1].value, raw[:348])
        self.assertEqual(block[3].value, "labels.nii")
        self.assertEqual(block[5].value, hashlib.sha256(raw[352:]).digest())
        items = pydicom.dcmread(path).SegmentSequence
        self.assertEqual([i.private_block(0x0099, "MURPACS NIFTI 1.0")[6].value for i in items],
                         [1, 2])

    def test_volumes_are_counted(self):
        labels = numpy.zeros((6, 5, 4))
        labels[1:3, 1:4, 1:3] = 1
        self.make(labels, numpy.diag([0.2, 0.3, 0.5, 1.0]), options=("--label", "1=liver"))
        self.assertRegex(self.said.stdout, r"1  liver +12 voxels +0\.00036 mL")

    def test_another_grid_stays_its_own_with_a_warning(self):
        affine = numpy.diag([0.2, 0.3, 0.4, 1.0])
        labels = numpy.random.default_rng(8).integers(0, 2, (3, 5, 4))
        half = affine @ numpy.diag([2.0, 1, 1, 1])
        path = self.make(labels, half, affine, (6, 5, 4), ("--label", "1=liver"))
        self.assertIn("does not lie on the grid", self.said.stderr)
        seg, frames = read_seg(path)
        self.assertEqual((seg.Rows, seg.Columns), (5, 3))
        self.assertEqual(sum(int(f[2].sum()) for f in frames), int(labels.sum()))
        self.no_errors(path)
        # OHIF takes images of the first item for those of the frames, in their order.
        resampling, derivation = seg.SharedFunctionalGroupsSequence[0].DerivationImageSequence
        self.assertEqual(len(resampling.SourceImageSequence), 0)
        self.assertEqual({i.ReferencedSOPInstanceUID for i in derivation.SourceImageSequence},
                         {pydicom.dcmread(p).SOPInstanceUID for p in (self.folder / "dcm").iterdir()})

    def test_wrong_label_maps_are_refused_and_leave_nothing(self):
        affine = numpy.diag([0.2, 0.3, 0.4, 1.0])
        save(self.folder / "image.nii", ramp((6, 5, 4)), affine)
        series = self.convert(self.folder / "image.nii")
        good = numpy.zeros((6, 5, 4), numpy.float32)
        good[2, 2, 2] = 1
        cases = {"half": (good / 2, "no whole number"), "empty": (good * 0, "no voxel is labelled"),
                 "other": (good * 9, "label 9"), "negative": (-good, "label -1"),
                 "large": (good * 70000, "label 70000")}
        for name, (data, text) in cases.items():
            save(self.folder / f"{name}.nii", data, affine)
            done = run("labels2seg", self.folder / f"{name}.nii", series, self.folder / "out.dcm",
                       "--label", "1=liver", "--organs", ORGANS)
            with self.subTest(name=name):
                self.assertEqual(done.returncode, 22, done.stderr)
                self.assertIn(text, done.stderr)
                self.assertEqual(list(self.folder.glob("out.dcm*")), [])

    def both_layers(self):
        """Two organs that overlap, and the image's folder."""
        affine = oblique(20)
        save(self.folder / "image.nii", ramp((6, 5, 4)), affine)
        masks = numpy.zeros((6, 5, 4, 2), numpy.uint8)
        masks[1:4, 1:3, 1:3, 0] = 1
        masks[2:5, 1:4, 2:4, 1] = 1
        return affine, masks, self.convert(self.folder / "image.nii")

    def holds_masks(self, path, masks, affine):
        """Each segment is one of the masks."""
        seg, frames = read_seg(path)
        _, there, slices = read_series(self.folder / "dcm")
        planes = {tuple(s.ImagePositionPatient): k for k, s in enumerate(slices)}
        for index in range(masks.shape[-1]):
            found = numpy.zeros((seg.Columns, seg.Rows, len(slices)), int)
            for number, position, bits, _ in frames:
                if number == index + 1:
                    found[:, :, planes[tuple(position)]] += bits.T
            same_world(self, nibabel.Nifti1Image(masks[..., index].astype(numpy.uint8), affine), found,
                       there)
        self.no_errors(path)
        return seg

    def test_a_segmentation_of_3d_slicer_brings_names_colours_and_layers(self):
        affine, masks, series = self.both_layers()
        pairs = list(described(
            ("Leber", 1, 0, "0.866667 0.509804 0.396078", "SCT^10200004^Liver"),
            ("spleen", 1, 1, "0 1 0", "SCT^78961009^Spleen")))
        for layers, data in (("first", numpy.moveaxis(masks, 3, 0)), ("last", masks)):
            for encoding in ("gzip", "raw"):
                path = self.folder / f"{layers}_{encoding}.seg.nrrd"
                write_nrrd(path, data, affine, layers, pairs, encoding)
                with self.subTest(layers=layers, encoding=encoding):
                    seg = self.holds_masks(self.seg(series, path), masks, affine)
                    self.assertEqual(self.said.stderr, "")
                    self.assertEqual(seg[0x0062, 0x0013].value, "YES")
                    liver, spleen = seg.SegmentSequence
                    self.assertEqual((liver.SegmentLabel, spleen.SegmentLabel), ("Leber", "spleen"))
                    self.assertEqual(liver.SegmentedPropertyTypeCodeSequence[0].CodeValue, "10200004")
                    self.assertEqual(liver.SegmentedPropertyCategoryCodeSequence[0].CodeValue,
                                     "123037004")
                    for mine, dcmqis in zip(liver.RecommendedDisplayCIELabValue,
                                            (41661, 41167, 40792)):
                        self.assertLess(abs(mine - dcmqis), 60)

    def test_nrrd_of_any_space_and_byte_order(self):
        affine, masks, series = self.both_layers()
        labels = masks[..., 0].astype(numpy.int16) * 300
        for space in ("left-posterior-superior", "RAS", "left-anterior-superior"):
            for endian in ("little", "big"):
                path = self.folder / "labels.nhdr"
                write_nrrd(path, labels, affine, encoding="raw", endian=endian, space=space,
                           file=self.folder / "labels.raw")
                with self.subTest(space=space, endian=endian):
                    self.holds_masks(self.seg(series, path, "--label", "300=liver"), masks[..., :1],
                                     affine)

    def test_volumes_of_a_nifti_file_are_layers(self):
        affine, masks, series = self.both_layers()
        path = self.folder / "labels.nii.gz"
        save(path, masks * 3, affine)
        seg = self.holds_masks(self.seg(series, path), masks, affine)
        self.assertEqual([s.SegmentLabel for s in seg.SegmentSequence],
                         ["Layer 1 label 3", "Layer 2 label 3"])
        either = masks.max(axis=3, keepdims=True)
        seg = self.holds_masks(self.seg(series, path, "--label", "3=liver"), either, affine)
        self.assertEqual(seg[0x0062, 0x0013].value, "NO")
        self.assertRegex(self.said.stdout, rf"1  liver +{either.sum()} voxels")

    def test_other_formats_of_label_maps(self):
        affine = numpy.diag([-0.2, 0.3, 0.4, 1.0])
        affine[:3, 3] = (0.5, -0.6, -0.6)  # as Analyze centres it
        save(self.folder / "image.nii", ramp((6, 5, 4)), affine)
        masks = numpy.zeros((6, 5, 4, 1), numpy.uint8)
        masks[1:4, 1:3, 1:3] = 1
        series = self.convert(self.folder / "image.nii")
        nibabel.save(nibabel.Nifti2Image(masks[..., 0], affine), self.folder / "two.nii")
        pair = nibabel.Nifti1Pair(masks[..., 0], affine)
        pair.set_sform(affine, 1)
        nibabel.save(pair, self.folder / "pair.hdr")
        analyze = nibabel.AnalyzeImage(masks[..., 0], None)
        analyze.header.set_zooms((0.2, 0.3, 0.4))
        nibabel.save(analyze, self.folder / "analyze.img")
        for name in ("two.nii", "pair.hdr"):
            with self.subTest(name=name):
                self.holds_masks(self.seg(series, self.folder / name, "--label", "1=liver"), masks,
                                 affine)
        path = self.seg(series, self.folder / "analyze.img", "--label", "1=liver", "--analyze-lr",
                        "las")
        self.assertEqual(sum(int(f[2].sum()) for f in read_seg(path)[1]), masks.sum())
        done = run("labels2seg", self.folder / "analyze.img", series, self.folder / "out.dcm",
                   "--label", "1=liver", "--organs", ORGANS)
        self.assertEqual(done.returncode, 1)
        self.assertIn("analyze.img", done.stderr)

    def test_label_maps_stay_label_maps(self):
        affine = oblique(21)
        random = numpy.random.default_rng(22)
        for values, bits in (((1, 2, 5), 8), ((1, 5, 300), 16)):
            for shape in ((6, 5, 4), (5, 5, 3)):
                labels = numpy.array((0,) + values)[random.integers(0, 4, shape)]
                labels[:, :, 1] = 0
                names = [f"--label={v}={n}" for v, n in zip(values, ("liver", "heart", "x"))]
                path = self.make(labels, affine, dtype=numpy.uint16, options=(*names, "--labelmap"))
                with self.subTest(values=values, shape=shape):
                    self.assertEqual("16 bits wide" in self.said.stderr, bits == 16)
                    seg, frames = read_labelmap(path)
                    self.assertEqual(seg.SOPClassUID, "1.2.840.10008.5.1.4.1.1.66.7")
                    self.assertEqual((seg.SegmentationType, seg.BitsAllocated, seg.BitsStored,
                                      seg.HighBit, seg.PixelPaddingValue),
                                     ("LABELMAP", bits, bits, bits - 1, 0))
                    self.assertEqual(len(frames), shape[2] - 1)  # the empty one is left out
                    self.assertEqual([s.SegmentNumber for s in seg.SegmentSequence], [*values, 0])
                    # What a dciodvfy from before Supplement 243 cannot know, and nothing else.
                    done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True,
                                          check=False)
                    wrong = [line for line in done.stderr.splitlines() if line.startswith("Error")
                             and "Information Object Not found" not in line
                             and "SegmentNumber not monotonically increasing" not in line]
                    self.assertEqual(wrong, [])
                    _, there, slices = read_series(self.folder / "dcm")
                    found = numpy.zeros(shape, int)
                    for k, one in enumerate(slices):
                        frame = frames.get(tuple(one.ImagePositionPatient))
                        found[:, :, k] = 0 if frame is None else frame.T
                    same_world(self, nibabel.Nifti1Image(labels.astype(numpy.int32), affine), found,
                               there)

    def test_a_label_map_is_as_wide_as_its_labels_need(self):
        labels = numpy.zeros((6, 5, 4))
        labels[2, 2, 2] = 7
        path = self.make(labels, oblique(23), options=("--label", "7=liver", "--label", "300=heart",
                                                       "--labelmap"))
        self.assertIn('"heart" has no voxel', self.said.stderr)
        seg, frames = read_labelmap(path)
        self.assertEqual((seg.BitsAllocated, max(f.max() for f in frames.values())), (8, 7))

    def test_a_label_map_cannot_hold_an_overlap(self):
        affine, masks, series = self.both_layers()
        for index, name in enumerate(("liver", "spleen")):
            save(self.folder / f"{name}.nii", masks[..., index], affine)
        files = [self.folder / "liver.nii", self.folder / "spleen.nii"]
        done = run("labels2seg", *files, series, self.folder / "out.dcm", "--labelmap", "--organs",
                   ORGANS)
        self.assertEqual(done.returncode, 22)
        self.assertIn('"liver" and "spleen" overlap at column', done.stderr)
        self.assertEqual(list(self.folder.glob("out.dcm*")), [])

    def test_masks_are_named_by_their_files(self):
        affine, masks, series = self.both_layers()
        for index, name in enumerate(("m1_w8_kidney_left.nii.gz", "thing.nii")):
            save(self.folder / name, masks[..., index], affine)
        seg = self.holds_masks(self.seg(series, self.folder / "m1_w8_kidney_left.nii.gz",
                                        self.folder / "thing.nii"), masks, affine)
        kidney, thing = seg.SegmentSequence
        self.assertEqual(kidney.SegmentedPropertyTypeCodeSequence[0].CodeValue, "64033007")
        self.assertEqual(thing.SegmentLabel, "thing")
        self.assertIn("thing.nii: nothing says what label 1 means", self.said.stderr)
        self.assertEqual([s.private_block(0x0099, "MURPACS NIFTI 1.0")[3].value
                          for s in seg.SegmentSequence], ["m1_w8_kidney_left.nii", "thing.nii"])

    def test_a_mask_without_a_voxel_is_left_out_or_kept_as_told(self):
        affine, masks, series = self.both_layers()
        files = []
        for name, mask in (("liver", masks[..., 0]), ("heart", masks[..., 0] * 0),
                           ("thing", masks[..., 0] * 0), ("spleen", masks[..., 1])):
            files.append(self.folder / f"{name}.nii")
            save(files[-1], mask, affine)
        seg = self.holds_masks(self.seg(series, *files), masks, affine)
        self.assertEqual([s.SegmentLabel for s in seg.SegmentSequence], ["liver", "spleen"])
        self.assertIn(f'"heart" has no voxel in {files[1]} and is left out', self.said.stderr)
        path = self.seg(series, *files, "--keep-empty-segments")
        self.no_errors(path)
        seg, frames = read_seg(path)
        self.assertEqual([s.SegmentLabel for s in seg.SegmentSequence],
                         ["liver", "heart", "thing", "spleen"])
        self.assertEqual({number for number, *_ in frames}, {1, 4})
        for command in (("certify", *files, path),
                        ("seg2labels", path, self.folder / "back.nii", "--overlap", "layers")):
            done = run(*command)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        done = run("labels2seg", *files[1:3], series, self.folder / "none.dcm", "--organs", ORGANS,
                   "--keep-empty-segments")
        self.assertEqual(done.returncode, 22)
        self.assertIn("no voxel is labelled", done.stderr)
        self.assertFalse((self.folder / "none.dcm").exists())

    def test_deflated_is_the_same_data_set(self):
        labels = numpy.random.default_rng(24).integers(0, 3, (9, 7, 5))
        options = ("--label", "1=liver", "--label", "2=heart")
        for kind in ((), ("--labelmap",)):
            plain = pydicom.dcmread(self.make(labels, oblique(25), options=(*options, *kind)))
            path = self.make(labels, oblique(25), options=(*options, *kind, "--deflate"))
            deflated = pydicom.dcmread(path)
            self.assertEqual(deflated.file_meta.TransferSyntaxUID, "1.2.840.10008.1.2.1.99")
            self.assertEqual(deflated, plain)

    def test_names_from_files_of_others(self):
        affine, masks, series = self.both_layers()
        labels = masks[..., 0] + 4 * (masks[..., 1] > masks[..., 0])
        save(self.folder / "labels.nii", labels.astype(numpy.uint8), affine)
        snap = self.folder / "labels.txt"
        snap.write_text('# ITK-SnAP\n0 0 0 0 0 0 0 "Clear Label"\n1 255 0 0 1 1 1 "liver"\n'
                        '4 0 255 0 1 1 1 "heart"\n')
        table = self.folder / "table.cfg"
        table.write_text(ORGANS.read_text().replace(
            "labels = ();", 'labels = ( { value = 1; organ = "liver"; }, '
                            '{ value = 4; organ = "heart"; } );'))
        code = {"CodeValue": "10200004", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Liver"}
        category = {"CodeValue": "91723000", "CodingSchemeDesignator": "SCT",
                    "CodeMeaning": "Anatomical Structure"}
        dcmqi = self.folder / "dcmqi.json"
        dcmqi.write_text(json.dumps({"segmentAttributes": [[
            {"labelID": 1, "SegmentLabel": "liver", "SegmentAlgorithmType": "AUTOMATIC",
             "SegmentAlgorithmName": "net", "SegmentedPropertyTypeCodeSequence": code,
             "SegmentedPropertyCategoryCodeSequence": category,
             "recommendedDisplayRGBValue": [255, 0, 0]},
            {"labelID": 4, "SegmentDescription": "heart"}]]}))
        own = self.folder / "own.json"
        own.write_text(json.dumps({"Labels": [
            {"Value": 1, "SegmentLabel": "liver", "SegmentedPropertyType": code,
             "SegmentedPropertyCategory": category, "Color": [255, 0, 0]},
            {"Value": 4, "SegmentLabel": "heart"}]}))
        for path in (snap, table, dcmqi, own):
            with self.subTest(path=path.name):
                seg, _ = read_seg(self.seg(series, self.folder / "labels.nii", "--labels",
                                           str(path)))
                liver, heart = seg.SegmentSequence
                self.assertEqual((liver.SegmentLabel, heart.SegmentLabel), ("liver", "heart"))
                types = [s.SegmentedPropertyTypeCodeSequence[0].CodeValue for s in (liver, heart)]
                self.assertEqual(types, ["10200004", "80891009"])
                self.assertEqual(liver.SegmentAlgorithmType,
                                 "AUTOMATIC" if path == dcmqi else "MANUAL")
                if path != table:
                    for mine, red in zip(liver.RecommendedDisplayCIELabValue, (34891, 53480, 50167)):
                        self.assertLess(abs(mine - red), 20)
                self.no_errors(self.folder / "seg.dcm")

    def test_another_grid_is_resampled_when_told(self):
        affine = oblique(26)
        shape = (8, 6, 4)
        random = numpy.random.default_rng(27)
        save(self.folder / "image.nii", ramp(shape), affine)
        series = self.convert(self.folder / "image.nii")
        fine = affine @ numpy.diag([1 / 3, 1 / 3, 1 / 2, 1.0])
        fine[:3, 3] = affine[:3, 3] + affine[:3, 1] * 0.1
        labels = random.integers(0, 3, (20, 18, 9)).astype(numpy.uint8)
        save(self.folder / "labels.nii", labels, fine)
        names = ("--label", "1=liver", "--label", "2=heart")
        grid = numpy.stack([*numpy.indices(shape), numpy.ones(shape)]).reshape(4, -1)
        there = numpy.floor((numpy.linalg.inv(fine) @ affine @ grid)[:3] + 0.5 + 1e-6).astype(int)
        limit = numpy.array(labels.shape)[:, None]
        inside = ((there >= 0) & (there < limit)).all(axis=0)
        nearest = numpy.zeros(inside.shape, int)
        nearest[inside] = labels[tuple(there[:, inside])]
        for kind in ((), ("--labelmap",)):
            path = self.seg(series, self.folder / "labels.nii", *names, "--resample", "nearest", *kind)
            self.assertIn("the nearest label", self.said.stderr)
            if not kind:
                self.equals_labels(path, nearest.reshape(shape), affine, {"liver": 1, "heart": 2})
            else:
                _, frames = read_labelmap(path)
                self.assertEqual(sum(int(f.sum()) for f in frames.values()), nearest.sum())

    def test_the_way_back_and_here_again_changes_nothing(self):
        labels = numpy.random.default_rng(29).integers(0, 4, (9, 7, 5)) * 100
        names = ("--label=100=liver", "--label=200=kidney_left", "--label=300=what")
        for kind in ((), ("--labelmap",)):
            path = self.make(labels, oblique(30), dtype=numpy.int16, options=(*names, *kind))
            there = pydicom.dcmread(path)
            back = self.folder / "back.nii"
            self.assertEqual(run("seg2labels", path, back).returncode, 0)
            self.assertEqual(back.read_bytes(), (self.folder / "labels.nii").read_bytes())
            back.rename(self.folder / "labels.nii")
            again = pydicom.dcmread(self.seg(self.folder / "dcm", self.folder / "labels.nii",
                                             "--labels", str(self.folder / "back.json"), *kind))
            self.assertEqual(again.SegmentSequence, there.SegmentSequence)
            self.assertEqual(again.PixelData, there.PixelData)

    def test_more_than_twenty_thousand_frames(self):
        labels = (numpy.arange(256)[:, None] * 77 + numpy.arange(80) * 13) % 256
        save(self.folder / "image.nii", ramp((16, 16, 80)), numpy.eye(4))
        save(self.folder / "labels.nii", labels.reshape(16, 16, 80, order="F").astype(numpy.uint8),
             numpy.eye(4))
        path = self.seg(self.convert(self.folder / "image.nii"), self.folder / "labels.nii")
        self.assertIn(f"{255 * 80} frames", self.said.stdout)
        bits = numpy.frombuffer(path.read_bytes()[-255 * 80 * 32:], numpy.uint8).reshape(255, 80, 32)
        bits = numpy.unpackbits(bits, axis=2, bitorder="little")
        self.assertTrue((bits.sum(axis=2) == 1).all())
        # rows and columns of the series run the other way (to the left, to the posterior)
        where = 255 - bits.argmax(axis=2)
        for k in range(80):
            numpy.testing.assert_array_equal(labels[where[:, k], k], numpy.arange(1, 256))

    def test_json_tells_what_was_made(self):
        labels = numpy.zeros((6, 5, 4))
        labels[1:3, 1:4, 1:3] = 1
        path = self.make(labels, oblique(31), options=("--label=1=liver", "--label=2=heart", "--json"))
        told = json.loads(self.said.stdout)
        seg = pydicom.dcmread(path)
        self.assertEqual((told["SOPInstanceUID"], told["SeriesInstanceUID"], told["frames"]),
                         (seg.SOPInstanceUID, seg.SeriesInstanceUID, 2))
        self.assertEqual([(s["number"], s["label"], s["voxels"]) for s in told["segments"]],
                         [(1, "liver", 12)])
        self.assertEqual(len(told["warnings"]), 1)

    def test_a_segmentation_beside_the_images_is_no_obstacle(self):
        path = self.make(numpy.eye(6)[:, :5, None] * numpy.ones(4), oblique(28),
                         options=("--label", "1=liver"))
        first = path.read_bytes()
        shutil.copy(path, self.folder / "dcm/seg.dcm")
        self.seg(self.folder / "dcm", self.folder / "labels.nii", "--label", "1=liver")
        self.assertEqual(path.read_bytes(), first)

    def test_wrong_input_is_named(self):
        affine, masks, series = self.both_layers()
        mask = masks[..., 0]
        save(self.folder / "a.nii", mask, affine)
        save(self.folder / "b.nii.gz", mask, affine)
        many = numpy.zeros((6, 5, 10), numpy.int16)
        many.flat = numpy.arange(300)
        save(self.folder / "many.nii", many, affine)
        save(self.folder / "moved.nii", mask, affine @ numpy.diag([1.0, 1, 1.5, 1]))
        (self.folder / "cut.nii").write_bytes((self.folder / "a.nii").read_bytes()[:400])
        (self.folder / "text.json").write_text('{"segmentAttributes": [[{"labelID": "x"}]]}')
        (self.folder / "empty").mkdir()
        write_nrrd(self.folder / "cut.nrrd", mask, affine)
        whole = (self.folder / "cut.nrrd").read_bytes()
        (self.folder / "cut.nrrd").write_bytes(whole[:-12])
        (self.folder / "type.nrrd").write_bytes(whole.replace(b"unsigned char", b"block"))
        dcm = series
        cases = [  # label maps, source, options, exit code, words
            (["a.nii", "b.nii.gz"], dcm, ["--organ", "liver", "--organ", "heart"], 22,
             "b.nii.gz holds the same voxels as"),
            (["many.nii"], dcm, [], 22, "299 labels"),
            (["a.nii", "moved.nii"], dcm, [], 22, "moved.nii does not lie on the grid"),
            (["a.nii"], self.folder / "none", [], 20, "none"),
            (["a.nii"], self.folder / "empty", [], 20, "empty"),
            (["a.nii"], self.folder / "a.nii", [], 22, "a.nii"),
            (["nothing.nii"], dcm, [], 20, "nothing.nii"),
            (["cut.nii"], dcm, [], 22, "cut.nii"),
            (["cut.nrrd"], dcm, [], 22, "cut.nrrd"),
            (["type.nrrd"], dcm, [], 22, 'type "block"'),
            (["a.nii"], dcm, ["--labels", self.folder / "text.json"], 22, "labelID"),
            (["a.nii"], dcm, ["--label", "x=liver"], 1, "x=liver"),
            (["a.nii"], dcm, ["--label", "2=liver"], 22, "label 1 at voxel"),
            (["a.nii"], dcm, ["--organ", "liver", "--label", "1=liver"], 1, "excludes"),
            (["a.nii"], dcm, ["--resample", "linear"], 1, "nearest"),
            (["a.nii"], dcm, ["--algorithm", "automatic"], 1, "--algorithm-name"),
            (["a.nii"], dcm, ["--algorithm-name", "net"], 1, "--algorithm"),
            (["a.nii"], dcm, ["--algorithm", "automatic", "--algorithm-name", "x" * 65], 1,
             "--algorithm-name: SegmentAlgorithmName"),
            (["a.nii"], dcm, ["--series-description", "x" * 65], 1, "too long"),
            (["a.nii"], dcm, ["--series-description", "one\\two"], 1, "--series-description"),
            (["a.nii"], dcm, ["--creator", "one\ntwo"], 1, "--creator"),
            (["a.nii"], dcm, ["--series-number", "0"], 1, "--series-number"),
        ]
        gone = run("labels2seg", self.folder / "a.nii", dcm, self.folder / "gone/out.dcm",
                   "--organs", ORGANS)
        self.assertEqual(gone.returncode, 40, gone.stderr)
        for names, source, options, code, words in cases:
            done = run("labels2seg", *[self.folder / n for n in names], source,
                       self.folder / "out.dcm", "--organs", ORGANS, *options)
            with self.subTest(names=names, options=options):
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(words, done.stderr)
                self.assertEqual(list(self.folder.glob("out.dcm*")), [])

    def test_what_is_read_is_not_written_over(self):
        affine, masks, dcm = self.both_layers()
        save(self.folder / "a.nii", masks[..., 0], affine)
        (self.folder / "b.nii").symlink_to("a.nii")
        image = next(iter(sorted(dcm.iterdir())))
        for target in (self.folder / "a.nii", self.folder / "b.nii", image):
            before = target.read_bytes()
            done = run("labels2seg", self.folder / "a.nii", dcm, target, "--organs", ORGANS)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(str(target), done.stderr)
            self.assertEqual(target.read_bytes(), before)
        done = run("certify", self.folder / "a.nii", dcm, "-o", self.folder / "b.nii")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("another file", done.stderr)

    def test_labels_that_nobody_names_differ_in_colour(self):
        path = self.make(ramp((5, 4, 3)) % 4, numpy.diag([0.2, 0.3, 0.4, 1.0]))
        segments = pydicom.dcmread(path).SegmentSequence
        self.assertEqual([s.SegmentLabel for s in segments], ["Label 1", "Label 2", "Label 3"])
        self.assertEqual(len({tuple(s.RecommendedDisplayCIELabValue) for s in segments}), 3)

    def test_missing_slices_are_named(self):
        affine = numpy.diag([0.2, 0.3, 0.4, 1.0])
        save(self.folder / "image.nii", ramp((6, 5, 9)), affine)
        series = self.convert(self.folder / "image.nii")
        last = series / "IM0009.dcm"
        whole = last.read_bytes()
        for end, text in ((whole.index(b"\x20\0\x0e\0UI") + 20, "the Data Set is cut"),
                          (whole.index(b"\x20\0\x0e\0UI"), "was it cut?")):
            last.write_bytes(whole[:end])
            done = run("labels2seg", self.folder / "image.nii", series, self.folder / "out.dcm",
                       "--label", "1=liver", "--organs", ORGANS)
            self.assertEqual(done.returncode, 22)
            self.assertIn("IM0009.dcm: ", done.stderr)
            self.assertIn(text, done.stderr)
        last.write_bytes(whole)
        (series / "IM0004.dcm").unlink()
        done = run("labels2seg", self.folder / "image.nii", series, self.folder / "out.dcm",
                   "--label", "1=liver", "--organs", ORGANS)
        self.assertEqual(done.returncode, 22)
        self.assertIn("0.4 mm as a rule, but 0.8 mm before slice 4 (", done.stderr)


def read_nrrd(path):
    head, _, body = path.read_bytes().partition(b"\n\n")
    fields = dict(re.findall(r"^([^:#]+): ?=?(.*)$", head.decode(), re.M))
    if fields["encoding"].strip() in ("gzip", "gz"):
        body = gzip.decompress(body)
    sizes = [int(n) for n in fields["sizes"].split()]
    types = {"short": "<i2", "signed short": "<i2", "int16": "<i2", "unsigned char": "u1",
             "uint8": "u1", "uchar": "u1", "ushort": "<u2", "unsigned short": "<u2", "int": "<i4"}
    data = numpy.frombuffer(body, types[fields["type"].strip()]).reshape(sizes, order="F")
    vectors = [numbers(v.split(",")) for v in re.findall(r"\(([^)]*)\)", fields["space directions"])]
    affine = numpy.eye(4)
    affine[:3, :3] = numpy.array(vectors).T
    affine[:3, 3] = numbers(fields["space origin"].strip("() ").split(","))
    if fields["space"].strip() == "left-posterior-superior":
        affine = LPS @ affine
    return data, affine


@unittest.skipUnless((TESTDATA / "seg").is_dir(), "no foreign test data")
class Foreign(Folder):
    def test_label_maps_of_dcmqi_give_the_voxels_of_its_segmentations(self):
        pairs = [("liver_seg.nrrd", ["ct-3slice__01.dcm", "ct-3slice__02.dcm", "ct-3slice__03.dcm"],
                  "liver.dcm", 107098),
                 ("24x38x3__nrrd__label.nrrd", [f"24x38x3__image__IMG000{n}.dcm" for n in (1, 2, 3)],
                  "24x38x3__seg__label.seg", 315)]
        for labels, images, theirs, voxels in pairs:
            data, affine = read_nrrd(TESTDATA / "seg" / labels)
            source = self.folder / "source"
            shutil.rmtree(source, ignore_errors=True)
            source.mkdir()
            for image in images:
                shutil.copy(TESTDATA / "seg" / image, source)
            value = int(data.max())
            save(self.folder / "labels.nii", data, affine)
            done = run("labels2seg", self.folder / "labels.nii", source, self.folder / "seg.dcm",
                       "--label", f"{value}=liver", "--organs", ORGANS)
            self.assertEqual(done.returncode, 0, done.stderr)
            _, mine = read_seg(self.folder / "seg.dcm")
            _, frames = read_seg(TESTDATA / "seg" / theirs)
            self.assertEqual(sum(int(f[2].sum()) for f in mine), voxels)
            mine = {round(float(f[1][2]), 3): f[2] for f in mine}
            for number, position, bits, _ in frames:
                if number == 1 and bits.any():
                    numpy.testing.assert_array_equal(mine[round(float(position[2]), 3)], bits)

    def test_a_multi_frame_series_of_a_scanner_is_segmented(self):
        archive = TESTDATA / "preclinical/day1_20210608_Bruker9.4TlEnh_dwi.zip"
        with zipfile.ZipFile(archive) as packed:
            name = sorted(n for n in packed.namelist() if not n.endswith("/"))[0]
            path = pathlib.Path(packed.extract(name, self.folder))
        image = pydicom.dcmread(path)
        groups = image.PerFrameFunctionalGroupsSequence
        shared = image.SharedFunctionalGroupsSequence[0]

        def group(item, name):
            return (getattr(item, name, None) or getattr(shared, name))[0]

        row, column = numbers(group(groups[0], "PlaneOrientationSequence")
                              .ImageOrientationPatient).reshape(2, 3)
        spacing = group(groups[0], "PixelMeasuresSequence").PixelSpacing
        normal = numpy.cross(row, column)
        positions = sorted({tuple(numbers(group(g, "PlanePositionSequence").ImagePositionPatient))
                            for g in groups}, key=lambda p: float(normal @ numpy.array(p)))
        affine = numpy.eye(4)
        affine[:3, 0], affine[:3, 1] = row * float(spacing[1]), column * float(spacing[0])
        affine[:3, 2] = (numpy.array(positions[-1]) - positions[0]) / (len(positions) - 1)
        affine[:3, 3] = positions[0]
        labels = numpy.zeros((image.Columns, image.Rows, len(positions)), numpy.uint8)
        labels[20:40, 10:50, 1] = 1
        save(self.folder / "labels.nii", labels, LPS @ affine)
        done = run("labels2seg", self.folder / "labels.nii", path, self.folder / "seg.dcm",
                   "--label", "1=brain", "--organs", ORGANS)
        self.assertEqual(done.returncode, 0, done.stderr)
        _, frames = read_seg(self.folder / "seg.dcm")
        self.assertEqual(len(frames), 1)
        numpy.testing.assert_array_equal(frames[0][2], labels[:, :, 1].T)
        source = frames[0][3].DerivationImageSequence[0].SourceImageSequence[0]
        there = group(groups[int(source.ReferencedFrameNumber) - 1], "PlanePositionSequence")
        self.assertEqual(there.ImagePositionPatient, frames[0][1])
        self.no_errors(self.folder / "seg.dcm")

    def test_the_first_volume_of_a_scanners_series_is_segmented(self):
        with zipfile.ZipFile(TESTDATA / "preclinical/day1_20220504_MRsoln3T_classic_dwi.zip") as packed:
            names = [n for n in packed.namelist() if n.endswith(".dcm")]
            packed.extractall(self.folder / "all", names)
        volume = self.folder / "volume"
        volume.mkdir()
        for path in (self.folder / "all").rglob("*.dcm"):
            if pydicom.dcmread(path, stop_before_pixels=True).InstanceNumber <= 29:
                shutil.copy(path, volume)
        voxels, affine, slices = read_series(volume)
        labels = numpy.zeros(voxels.shape, numpy.uint8)
        labels[30:60, 20:50, 2:5] = 1
        save(self.folder / "labels.nii", labels, affine)
        done = run("labels2seg", self.folder / "labels.nii", self.folder / "all",
                   self.folder / "seg.dcm", "--label", "1=liver")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("9 images at the same positions", done.stderr)
        self.assertIn("no Frame of Reference UID", done.stderr)
        seg, frames = read_seg(self.folder / "seg.dcm")
        self.assertNotIn("PatientAge", seg)  # "3" is none
        self.assertEqual(len(frames), 3)
        for index, (_, position, bits, item) in enumerate(frames):
            self.assertEqual(position, slices[index + 2].ImagePositionPatient)
            self.assertEqual(item.DerivationImageSequence[0].SourceImageSequence[0]
                             .ReferencedSOPInstanceUID, slices[index + 2].SOPInstanceUID)
            numpy.testing.assert_array_equal(bits, labels[:, :, index + 2].T)


if __name__ == "__main__":
    unittest.main()
