#!/usr/bin/python3
"""Segmentations read and written by dcmqi, images read by ITK and GDCM: npm's @itk-wasm/dicom.
Skipped where npm is not installed or cannot fetch it.

The DCMTK 3.6.8 of dcmqi takes frames apart at wrong bits where rows times columns are 3, 6 or 7
modulo 8, and joins them wrongly where that is not 0. Such sizes are read back by pydicom instead
(labels2seg_test.py)."""
import json
import unittest

import nibabel
import numpy

import node
import volumes
from volumes import LPS, SOURCE, ramp, run, same_world, save

NAMES = {1: "liver", 2: "spleen", 7: "left kidney"}


def labels_of(shape, seed):
    labels = numpy.random.default_rng(seed).choice((0, 0, *NAMES), shape)
    labels[:, :, 2] = 0  # no frame between others
    labels[:, :, 1][labels[:, :, 1] == 2] = 0  # fewer frames of one segment
    return labels.astype(numpy.uint8)


def left_handed(seed):
    affine = volumes.oblique(seed)
    if numpy.linalg.det(affine[:3, :3]) > 0:
        affine[:3, 0] *= -1
    return affine


class ItkWasmTest(volumes.Folder):
    @classmethod
    def setUpClass(cls):
        cls.program = node.npm_modules() / "itkwasm.mjs"

    def itkwasm(self, *words):
        return node.run("node", self.program, *words, timeout=120)

    def segment(self, name, files, series, *options):
        words = [word for value, label in NAMES.items() for word in ("--label", f"{value}={label}")]
        done = run("labels2seg", *files, series, self.folder / f"{name}.dcm", "--organs",
                   SOURCE / "etc/organs.cfg", *words, *options)
        self.assertEqual(done.returncode, 0, done.stderr)

    def what_is_read(self, name):
        """The JSON, voxels (i, j, k, layer) and the RAS affine."""
        found = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
        columns, rows, slices = found["size"]
        voxels = numpy.fromfile(self.folder / f"{name}.raw", found["type"])
        voxels = voxels.reshape(slices, rows, columns, found["layers"]).transpose(2, 1, 0, 3)
        affine = numpy.eye(4)
        affine[:3, :3] = numpy.reshape(found["direction"], (3, 3)) * found["spacing"]
        affine[:3, 3] = found["origin"]
        return found, voxels, LPS @ affine

    def test_it_reads_the_same_voxels_at_the_same_place(self):
        # Rows times columns modulo 8: 0, 1, 2, 4, 5.
        cases = {"m0": ((8, 7, 5), volumes.oblique(9)), "m1": ((11, 3, 6), left_handed(10)),
                 "m2": ((14, 3, 4), left_handed(11)), "m4": ((12, 5, 5), volumes.oblique(12)),
                 "m5": ((15, 7, 4), left_handed(13))}
        for name, (shape, affine) in cases.items():
            save(self.folder / "image.nii", ramp(shape), affine)
            series = self.convert(self.folder / "image.nii", out=name + "_images")
            save(self.folder / f"{name}.nii", labels_of(shape, seed=len(name)), affine)
            self.segment(name, [self.folder / f"{name}.nii"], series)
        self.itkwasm("read", *(self.folder / name for name in cases))
        for name in cases:
            with self.subTest(case=name):
                found, voxels, affine = self.what_is_read(name)
                segments = [segment for layer in found["metaInfo"]["segmentAttributes"]
                            for segment in layer]
                self.assertEqual({segment["labelID"]: segment["SegmentLabel"]
                                  for segment in segments}, dict(enumerate(NAMES.values(), 1)))
                merged = numpy.zeros(voxels.shape[:3], int)
                for number, value in enumerate(NAMES, 1):
                    there = (voxels == number).any(axis=3)
                    self.assertFalse(merged[there].any())
                    merged[there] = value
                same_world(self, nibabel.load(self.folder / f"{name}.nii"), merged, affine)
                if name == "m0":  # its search for overlaps takes other sizes for overlapping
                    numpy.testing.assert_array_equal(found["merged"],
                                                     voxels.max(axis=3).ravel("F"))

    def test_it_keeps_frames_apart_that_overlap(self):
        affine, shape = left_handed(21), (8, 5, 4)
        random = numpy.random.default_rng(21)
        save(self.folder / "image.nii", ramp(shape), affine)
        masks = []
        for value in NAMES:
            masks.append(self.folder / f"mask{value}.nii")
            save(masks[-1], (random.random(shape) < 0.5).astype(numpy.uint8) * value, affine)
        self.segment("seg", masks, self.convert(self.folder / "image.nii"))
        self.itkwasm("read", self.folder / "seg")
        _, voxels, affine = self.what_is_read("seg")
        for number, path in enumerate(masks, 1):
            mask = nibabel.load(path)
            there = numpy.asanyarray(mask.dataobj).astype(bool).astype(numpy.uint8)
            same_world(self, nibabel.Nifti1Image(there, mask.affine),
                       (voxels == number).any(axis=3), affine)

    def test_itk_reads_the_same_images_at_the_same_place(self):
        random = numpy.random.default_rng(41)
        for name, affine in (("oblique", volumes.oblique(41)), ("left", left_handed(42))):
            for dtype in (numpy.int16, numpy.uint16):
                with self.subTest(name=name, dtype=dtype):
                    limits = numpy.iinfo(dtype)
                    voxels = random.integers(limits.min, limits.max, (7, 9, 5), endpoint=True)
                    save(self.folder / "image.nii", voxels.astype(dtype), affine)
                    series = self.convert(self.folder / "image.nii")
                    self.itkwasm("images", self.folder / "read", *sorted(series.iterdir()))
                    _, found, there = self.what_is_read("read")
                    same_world(self, nibabel.load(self.folder / "image.nii"), found[..., 0], there,
                               corner=1e-3)

    def test_what_it_writes_becomes_the_same_label_map(self):
        affine, shape = left_handed(31), (10, 4, 5)
        save(self.folder / "image.nii", ramp(shape), affine)
        labels = labels_of(shape, seed=31)
        save(self.folder / "labels.nii", labels, affine)
        series = self.convert(self.folder / "image.nii")
        self.segment("seg", [self.folder / "labels.nii"], series)
        self.itkwasm("read", self.folder / "seg")
        found, voxels, _ = self.what_is_read("seg")
        voxels.max(axis=3).ravel("F").astype("<i2").tofile(self.folder / "mine.raw")
        # It wants one list for each file, and has one file.
        found["metaInfo"]["segmentAttributes"] = [sum(found["metaInfo"]["segmentAttributes"], [])]
        (self.folder / "mine.json").write_text(json.dumps(found), encoding="utf-8")
        self.itkwasm("write", self.folder / "mine", self.folder / "theirs.dcm",
                   *sorted(series.iterdir()))
        done = run("seg2labels", self.folder / "theirs.dcm", self.folder / "back.nii.gz",
                   "--source", series)
        self.assertEqual(done.returncode, 0, done.stderr)
        back = nibabel.load(self.folder / "back.nii.gz")
        expected = numpy.zeros(shape, int)
        for number, value in enumerate(NAMES, 1):
            expected[labels == value] = number  # dcmqi keeps Segment Numbers, not labels
        same_world(self, nibabel.Nifti1Image(expected.astype(numpy.uint8), affine),
                   numpy.asanyarray(back.dataobj), back.affine)
        table = json.loads((self.folder / "back.json").read_text(encoding="utf-8"))
        self.assertEqual([segment["SegmentLabel"] for segment in table["Labels"]],
                         list(NAMES.values()))


if __name__ == "__main__":
    unittest.main()
