#!/usr/bin/python3
"""Segmentations made from label maps, read back by others: pydicom (by the code below), dciodvfy."""
import gzip
import hashlib
import itertools
import pathlib
import re
import shutil
import unittest
import zipfile

import nibabel
import numpy
import pydicom

from volumes import (LPS, SOURCE, TESTDATA, Folder, numbers, oblique, ramp, read_series, run,
                     same_world, save)

ORGANS = SOURCE / "etc/organs.cfg"


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

    def test_missing_slices_are_named(self):
        affine = numpy.diag([0.2, 0.3, 0.4, 1.0])
        save(self.folder / "image.nii", ramp((6, 5, 9)), affine)
        series = self.convert(self.folder / "image.nii")
        (series / "IM0004.dcm").unlink()
        done = run("labels2seg", self.folder / "image.nii", series, self.folder / "out.dcm",
                   "--label", "1=liver", "--organs", ORGANS)
        self.assertEqual(done.returncode, 22)
        self.assertIn("not before slice", done.stderr)


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

    def test_nifti_samples_keep_their_voxels(self):
        for name in ("anatomical.nii", "standard.nii.gz", "reoriented_anat_moved.nii"):
            image = nibabel.load(TESTDATA / "nifti" / name)
            if len(image.shape) > 3:
                continue
            voxels, there, slices = read_series(self.convert(TESTDATA / "nifti" / name))
            bound = float(getattr(slices[0], "RescaleSlope", 0)) / 2 * (1 + 1e-6)
            with self.subTest(name=name):
                same_world(self, image, voxels, there, tolerance=bound)


if __name__ == "__main__":
    unittest.main()
