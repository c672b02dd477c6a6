#!/usr/bin/python3
"""DICOM to NIfTI beside others that read the same images: dcm2niix, nibabel, pydicom."""
import gzip
import json
import os
import shutil
import signal
import struct
import subprocess
import time
import unittest
import zipfile

import nibabel
import numpy
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from volumes import LPS, MURPACS, TESTDATA, Folder, affines, oblique, ramp, run, same_world, save

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_CT, ENHANCED_MR = CT + ".1", MR + ".1"
PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"


class Series:
    """Makes slices as a scanner would."""

    def __init__(self, folder, sop_class=MR, number=1, description="T2 Turbo/RARE"):
        self.folder, self.sop_class = folder, sop_class
        self.number, self.description = number, description
        self.uid, self.study, self.count = generate_uid(), generate_uid(), 0
        self.orientation, self.spacing = (1, 0, 0, 0, 1, 0), (0.25, 0.1)
        folder.mkdir(exist_ok=True)

    def head(self, **attributes):
        self.count += 1
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = self.sop_class
        meta.MediaStorageSOPInstanceUID = generate_uid()
        d = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
        d.is_little_endian, d.is_implicit_VR = True, False
        d.SOPClassUID, d.SOPInstanceUID = self.sop_class, meta.MediaStorageSOPInstanceUID
        d.StudyInstanceUID, d.SeriesInstanceUID = self.study, self.uid
        d.Modality, d.Manufacturer = "CT" if self.sop_class.startswith(CT + ".") else "MR", "Acme"
        d.PatientID = d.PatientName = "M1"
        d.SeriesNumber, d.SeriesDescription = self.number, self.description
        d.InstanceNumber = self.count
        d.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
        for key, value in attributes.items():
            setattr(d, key, value)
        return d

    @staticmethod
    def put_pixels(d, pixels, **attributes):
        """Of one or several frames of (rows, columns[, 3])."""
        d.Rows, d.Columns = pixels.shape[-2:] if pixels.shape[-1] != 3 else pixels.shape[-3:-1]
        colour = pixels.shape[-1] == 3
        d.SamplesPerPixel = 3 if colour else 1
        d.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
        if colour:
            d.PlanarConfiguration = 0
        d.BitsAllocated = d.BitsStored = 8 * pixels.dtype.itemsize
        d.HighBit = d.BitsStored - 1
        d.PixelRepresentation = int(pixels.dtype.kind == "i")
        d.PixelData = pixels.tobytes() + bytes(pixels.nbytes % 2)
        d["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
        for key, value in attributes.items():
            setattr(d, key, value)

    def add(self, pixels, position, **attributes):
        """One slice. @return its data set; the file is IM and the number"""
        place = {"ImagePositionPatient": list(map(float, position)),
                 "ImageOrientationPatient": list(map(float, self.orientation)),
                 "PixelSpacing": list(self.spacing), "SliceThickness": 0.5}
        d = self.head(**place)
        self.put_pixels(d, pixels)
        for key, value in attributes.items():
            setattr(d, key, value)
        d.save_as(self.folder / f"IM{self.count:04}")
        return d

    def add_volume(self, voxels, step=0.7, **attributes):
        """voxels[k] is a slice; positions lie along the normal."""
        normal = numpy.cross(self.orientation[:3], self.orientation[3:])
        for k, pixels in enumerate(voxels):
            self.add(pixels, numpy.array((1.5, -2.5, 3.5)) + k * step * normal, **attributes)


def slices(count=4, rows=5, columns=6, dtype=numpy.int16, start=0):
    return (start + numpy.arange(count * rows * columns)).reshape(count, rows, columns).astype(dtype)


class Back(Folder):
    def nifti(self, *arguments, out="out.nii", code=0):
        done = run("dcm2nii", *arguments, self.folder / out)
        self.assertEqual(done.returncode, code, done.stderr)
        self.errors = done.stderr
        return self.folder / out

    def load(self, *arguments, out="out.nii"):
        return nibabel.load(self.nifti(*arguments, out=out))

    def sidecar(self, name="out.json"):
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def refused(self, text, *arguments, code=22):
        """Names what is wrong, and leaves nothing."""
        before = sorted(self.folder.rglob("*"))
        for out in ("none.nii.gz", "none/folder"):
            done = run("dcm2nii", *arguments, self.folder / out)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(text, done.stderr)
        self.assertEqual(sorted(self.folder.rglob("*")), before)

    def dcm2niix(self, folder):
        """What dcm2niix makes of it, by name."""
        back = self.folder / "other"
        shutil.rmtree(back, ignore_errors=True)
        back.mkdir()
        subprocess.run(["dcm2niix", "-b", "y", "-z", "n", "-f", "%s_%p", "-o", back, folder],
                       capture_output=True, check=True)
        return sorted(back.glob("*.nii"))

    def as_dcm2niix(self, image, other):
        """Same voxels at the same places."""
        other = nibabel.load(other)
        mine = nibabel.as_closest_canonical(image)
        theirs = nibabel.as_closest_canonical(other)
        numpy.testing.assert_allclose(mine.affine, theirs.affine, atol=1e-4)
        numpy.testing.assert_array_equal(mine.get_fdata(), theirs.get_fdata())


class RoundTrip(Back):
    """NIfTI to DICOM and back gives the same bytes."""

    AFFINE = oblique(5)

    def same_bytes(self, path, *options):
        series = self.convert(path, *options)
        back = self.nifti(series)
        self.assertEqual(self.errors, "")
        self.assertEqual(back.read_bytes(), path.read_bytes())
        return series

    def test_integers_of_every_type(self):
        cases = {
            "uint8": [0, 255], "int8": [-128, 127], "int16": [-32768, 32767], "uint16": [0, 65535],
            "int32": [100000, 165535], "uint32": [4000000000, 4000065535],
            "int64": [-(1 << 40), 65535 - (1 << 40)], "uint64": [1 << 40, (1 << 40) + 65535],
        }
        for name, ends in cases.items():
            with self.subTest(name):
                data = numpy.resize(numpy.array(ends, name), (6, 5, 4))
                data[1, 2, 3] = ends[0] + 77
                image = nibabel.Nifti1Image(data, self.AFFINE, dtype=data.dtype)
                nibabel.save(image, self.folder / "a.nii")
                self.same_bytes(self.folder / "a.nii")

    def test_floats_of_integers_and_lossless_ones(self):
        save(self.folder / "a.nii", ramp((6, 5, 4), numpy.float32) - 1024, self.AFFINE)
        self.same_bytes(self.folder / "a.nii")
        for name in ("float32", "float64"):
            data = numpy.random.default_rng(1).normal(size=(6, 5, 4)).astype(name)
            save(self.folder / "a.nii", data, self.AFFINE)
            self.same_bytes(self.folder / "a.nii", "--lossless")
        data[0, 0, 0], data[1, 1, 1] = numpy.nan, numpy.inf
        save(self.folder / "a.nii", data, self.AFFINE)
        self.same_bytes(self.folder / "a.nii", "--lossless")

    def test_scaled_integers(self):
        for slope, intercept in ((0.1, -3.7), (2, 0), (1, -1024), (-0.013, 12.5), (1e-7, 0.1),
                                 (1e-4, 1000.1)):
            image = nibabel.Nifti1Image(ramp((6, 5, 4)), self.AFFINE)
            image.header.set_slope_inter(slope, intercept)
            nibabel.save(image, self.folder / "a.nii")
            self.same_bytes(self.folder / "a.nii")

    def test_all_48_orders_and_directions(self):
        for number, affine in enumerate(affines()):
            save(self.folder / "a.nii", ramp((6, 5, 4)), affine)
            self.same_bytes(self.folder / "a.nii", *(["--keep-order"] if number % 2 else []))

    def test_micron_and_codes(self):
        # down to slices closer than positions are usually rounded to
        for size, step in ((70.0, 140.0), (1.0, 1.0), (0.5, 0.4)):
            with self.subTest(size=size):
                affine = numpy.diag([size, size, step, 1.0])
                affine[:3, 3] = -3000, 2000, 1234
                save(self.folder / "a.nii", ramp((6, 5, 4)), affine, unit="micron")
                self.same_bytes(self.folder / "a.nii")
        image = nibabel.Nifti1Image(ramp((6, 5, 4)), self.AFFINE)
        image.set_sform(oblique(6), 1)
        image.set_qform(oblique(7), 1)
        nibabel.save(image, self.folder / "a.nii")
        self.convert(self.folder / "a.nii", "--prefer-qform")
        self.assertEqual(self.nifti(self.folder / "dcm").read_bytes(),
                         (self.folder / "a.nii").read_bytes())

    def test_nifti_2_big_endian_extensions_and_colour(self):
        nibabel.save(nibabel.Nifti2Image(ramp((6, 5, 4)), self.AFFINE), self.folder / "a.nii")
        self.same_bytes(self.folder / "a.nii")
        for name in ("int16", "int32", "float32", "uint8"):
            header = nibabel.Nifti1Header(endianness=">")
            header.set_data_dtype(numpy.dtype(name).newbyteorder(">"))
            image = nibabel.Nifti1Image(ramp((6, 5, 4), name), self.AFFINE, header)
            nibabel.save(image, self.folder / "a.nii")
            self.same_bytes(self.folder / "a.nii")
        image = nibabel.Nifti1Image(ramp((6, 5, 4)), self.AFFINE)
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"kept" * 9))
        nibabel.save(image, self.folder / "a.nii")
        self.same_bytes(self.folder / "a.nii")
        for channels in (3, 4):
            kind = [(c, "u1") for c in "RGBA"[:channels]]
            values = numpy.random.default_rng(2).integers(0, 255, (6, 5, 4, channels), numpy.uint8)
            if channels == 4:
                values[..., 3] = 255
            data = values.view(kind).reshape(6, 5, 4)
            nibabel.save(nibabel.Nifti1Image(data, self.AFFINE), self.folder / "a.nii")
            self.same_bytes(self.folder / "a.nii")

    def test_several_volumes(self):
        data = ramp((6, 5, 4, 3))
        image = nibabel.Nifti1Image(data, self.AFFINE)
        image.header.set_zooms((0.1, 0.2, 0.3, 2.5))
        image.header.set_xyzt_units("mm", "sec")
        nibabel.save(image, self.folder / "a.nii")
        self.same_bytes(self.folder / "a.nii", "--kind", "time")
        self.assertEqual(self.sidecar()["TemporalResolution"], 2.5)
        self.same_bytes(self.folder / "a.nii", "--kind", "echo", "--echo-times", "1.1,2.2,14.3")
        self.assertEqual(self.sidecar()["EchoTime"], [0.0011, 0.0022, 0.0143])

    def test_diffusion_with_its_tables(self):
        directions = numpy.array([[0, 0.6, -0.36, 1], [0, 0.8, 0.48, 0], [0, 0, 0.8, 0]])
        for affine in (self.AFFINE, numpy.diag([-1, 1, 1, 1]) @ self.AFFINE):
            nibabel.save(nibabel.Nifti1Image(ramp((6, 5, 4, 4)), affine), self.folder / "a.nii")
            (self.folder / "a.bval").write_text("0 500 1000 1500.5\n")
            numpy.savetxt(self.folder / "a.bvec", directions)
            self.same_bytes(self.folder / "a.nii", "--kind", "diffusion", "--bval",
                            self.folder / "a.bval", "--bvec", self.folder / "a.bvec")
            self.assertEqual((self.folder / "out.bval").read_text(), "0 500 1000 1500.5\n")
            numpy.testing.assert_allclose(numpy.loadtxt(self.folder / "out.bvec"), directions,
                                          atol=1e-6)

    def test_contrasts_become_a_file_each(self):
        data = ramp((6, 5, 4, 2))
        nibabel.save(nibabel.Nifti1Image(data, self.AFFINE), self.folder / "a.nii")
        series = self.convert(self.folder / "a.nii", "--kind", "dixon=WATER,FAT")
        out = self.nifti(series, out="parts")
        volumes = [nibabel.load(path) for path in sorted(out.glob("*.nii"))]
        self.assertEqual(len(volumes), 2)
        for index, volume in enumerate(volumes):
            numpy.testing.assert_array_equal(numpy.asanyarray(volume.dataobj), data[..., index])
            numpy.testing.assert_allclose(volume.affine, self.AFFINE, atol=1e-5)

    def test_analyze_pairs_and_gzip(self):
        path = self.folder / "a.nii"
        save(path, ramp((60, 50, 40)), self.AFFINE)
        (self.folder / "b.nii.gz").write_bytes(gzip.compress(path.read_bytes()))
        series = self.convert(self.folder / "b.nii.gz")
        back = self.nifti(series, "--gzip-level", "6", out="back.nii.gz")
        self.assertEqual(gzip.decompress(back.read_bytes()), path.read_bytes())
        nibabel.save(nibabel.Nifti1Pair(ramp((6, 5, 4)), self.AFFINE), self.folder / "p.img")
        back = self.load(self.convert(self.folder / "p.img"))
        numpy.testing.assert_array_equal(numpy.asanyarray(back.dataobj), ramp((6, 5, 4)))
        numpy.testing.assert_allclose(back.affine, self.AFFINE, atol=1e-5)
        image = nibabel.AnalyzeImage(ramp((6, 5, 4), numpy.uint8), None)
        nibabel.save(image, self.folder / "z.img")
        back = self.load(self.convert(self.folder / "z.img", "--analyze-lr", "las"))
        self.assertEqual(back.get_data_dtype(), numpy.uint8)
        self.assertEqual(nibabel.aff2axcodes(back.affine), ("L", "A", "S"))
        numpy.testing.assert_array_equal(numpy.asanyarray(back.dataobj), ramp((6, 5, 4), numpy.uint8))

    def test_lossless_compression_on_the_way_changes_nothing(self):
        save(self.folder / "a.nii", ramp((6, 5, 4)), self.AFFINE)
        series = self.convert(self.folder / "a.nii")
        for path in series.iterdir():
            subprocess.run(["dcmcrle", path, path], check=True)
        self.assertEqual(self.nifti(series).read_bytes(), (self.folder / "a.nii").read_bytes())

    def test_header_of_changed_voxels_is_not_used(self):
        image = save(self.folder / "a.nii", ramp((6, 5, 4)), self.AFFINE)
        series = self.convert(self.folder / "a.nii")
        victim = sorted(series.iterdir())[2]
        d = pydicom.dcmread(victim)
        pixels = bytearray(d.PixelData)
        pixels[0] ^= 1
        d.PixelData = bytes(pixels)
        d.save_as(victim)
        back = self.load(series)
        self.assertIn("voxels are others", self.errors)
        numpy.testing.assert_allclose(numpy.linalg.det(back.affine[:3, :3]),
                                      abs(numpy.linalg.det(image.affine[:3, :3])), rtol=1e-5)
        for path in series.iterdir():  # moved by a tenth of a voxel
            d = pydicom.dcmread(path)
            d.ImagePositionPatient = [float(v) + 0.01 for v in d.ImagePositionPatient]
            d.save_as(path)
        self.nifti(series)
        self.assertIn("it lies elsewhere", self.errors)

    def test_mapped_floats_come_back_as_what_dicom_holds(self):
        data = numpy.random.default_rng(3).normal(0, 100, (6, 5, 4)).astype(numpy.float32)
        image = save(self.folder / "a.nii", data, self.AFFINE)
        back = self.load(self.convert(self.folder / "a.nii"))
        self.assertIn("mapped to 16 bits", self.errors)
        same_world(self, image, back.get_fdata(), back.affine,
                   tolerance=float(back.dataobj.slope) * 0.51)

    def test_plain_ignores_the_kept_header(self):
        image = save(self.folder / "a.nii", ramp((6, 5, 4), numpy.uint8), self.AFFINE)
        back = self.load("--plain", self.convert(self.folder / "a.nii"))
        self.assertEqual(back.get_data_dtype(), numpy.uint16)
        same_world(self, image, numpy.asanyarray(back.dataobj), back.affine)


class Classic(Back):
    def series(self, **attributes):
        series = Series(self.folder / "in", **attributes)
        return series

    def test_oblique_left_handed_and_anisotropic_as_dcm2niix(self):
        for seed in range(6):
            shutil.rmtree(self.folder / "in", ignore_errors=True)
            series = self.series()
            q = oblique(seed)[:3, :3]
            q /= numpy.linalg.norm(q, axis=0)
            series.orientation = tuple(round(v, 9) for v in (*q[:, 0], *q[:, 1]))
            series.add_volume(slices(), step=0.7 if seed % 2 else -0.7)
            image = self.load(series.folder)
            self.as_dcm2niix(image, self.dcm2niix(series.folder)[0])
            affine = numpy.column_stack([q[:, 0] * 0.1, q[:, 1] * 0.25])
            numpy.testing.assert_allclose(image.affine[:3, :2], LPS[:3, :3] @ affine, atol=1e-6)
            numpy.testing.assert_allclose(image.get_qform(), image.get_sform(), atol=1e-5)
            self.assertEqual((image.header["qform_code"], image.header["sform_code"]), (1, 1))
            self.assertEqual(image.header.get_xyzt_units(), ("mm", "sec"))

    def test_order_is_that_of_positions(self):
        series = self.series()
        voxels = slices()
        for k in (2, 0, 3, 1):
            series.add(voxels[k], (0, 0, 10 + 0.7 * k), SliceLocation=-k)
        image = self.load(series.folder)
        numpy.testing.assert_array_equal(numpy.asanyarray(image.dataobj).T, voxels)
        self.assertAlmostEqual(image.header.get_zooms()[2], 0.7, 5)

    def test_values_stay_as_they_are_stored(self):
        for dtype, more in ((numpy.int16, {}), (numpy.uint16, {}), (numpy.uint8, {}),
                            (numpy.int8, {}), (numpy.int32, {}), (numpy.uint32, {}),
                            (numpy.uint16, {"RescaleSlope": 1, "RescaleIntercept": -1024}),
                            (numpy.int16, {"RescaleSlope": 0.25, "RescaleIntercept": 3.5})):
            shutil.rmtree(self.folder / "in", ignore_errors=True)
            series = self.series()
            info = numpy.iinfo(dtype)
            voxels = slices(dtype=dtype)
            voxels[0, 0, 0], voxels[3, 4, 5] = info.min, info.max
            series.add_volume(voxels, **more)
            image = self.load(series.folder)
            self.assertEqual(image.get_data_dtype(), dtype)
            numpy.testing.assert_array_equal(image.dataobj.get_unscaled().T, voxels)
            self.assertEqual(image.dataobj.slope, more.get("RescaleSlope", 1))
            self.assertEqual(image.dataobj.inter, more.get("RescaleIntercept", 0))

    def test_fewer_bits_stored_than_allocated(self):
        series = self.series()
        values = slices(dtype=numpy.int16) - 60
        dirty = (values.astype(numpy.uint16) & 0x0FFF) | 0xA000  # overlay bits of old
        series.add_volume(dirty, BitsStored=12, HighBit=11, PixelRepresentation=1)
        image = self.load(series.folder)
        numpy.testing.assert_array_equal(numpy.asanyarray(image.dataobj).T, values)

    def test_slopes_that_differ_make_floats(self):
        series = self.series()
        voxels = slices()
        for k in range(4):
            series.add(voxels[k], (0, 0, k), RescaleSlope=k + 0.5, RescaleIntercept=-k)
        image = self.load(series.folder)
        self.assertIn("differ from slice to slice", self.errors)
        self.assertEqual(image.get_data_dtype(), numpy.float32)
        k = numpy.arange(4).reshape(4, 1, 1)
        numpy.testing.assert_array_equal(image.get_fdata().T, voxels * (k + 0.5) - k)
        self.as_dcm2niix(image, self.dcm2niix(series.folder)[0])

    def test_colour_and_what_monochrome1_means(self):
        series = self.series()
        colours = numpy.random.default_rng(4).integers(0, 255, (4, 5, 6, 3), numpy.uint8)
        for k in range(4):
            planar = k % 2  # each file as it likes
            pixels = colours[k].transpose(2, 0, 1) if planar else colours[k]
            d = series.add(colours[k], (0, 0, k))
            d.PixelData, d.PlanarConfiguration = pixels.tobytes(), planar
            d.save_as(series.folder / f"IM{series.count:04}")
        image = self.load(series.folder)
        self.assertEqual(image.get_data_dtype(), numpy.dtype([(c, "u1") for c in "RGB"]))
        data = numpy.asanyarray(image.dataobj).T
        for index, channel in enumerate("RGB"):
            numpy.testing.assert_array_equal(data[channel], colours[..., index])
        shutil.rmtree(series.folder)
        series = self.series()
        series.add_volume(slices(), PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0)
        image = self.load(series.folder)
        self.assertIn("MONOCHROME1", self.errors)
        self.assertIn("1 voxel has Pixel Padding Value 0", self.errors)
        numpy.testing.assert_array_equal(numpy.asanyarray(image.dataobj).T, slices())
        self.assertEqual(self.sidecar()["PhotometricInterpretation"], "MONOCHROME1")

    def test_one_slice_has_the_thickness_that_it_states(self):
        series = self.series()
        series.add_volume(slices(1))
        image = self.load(series.folder)
        self.assertEqual(image.shape, (6, 5, 1))
        self.assertAlmostEqual(image.header.get_zooms()[2], 0.5)

    def test_volumes_at_the_same_places(self):
        series = self.series()
        for t in range(3):
            series.add_volume(slices(start=1000 * t), TemporalPositionIdentifier=t + 1,
                              TemporalResolution=1500)
        image = self.load(series.folder)
        self.assertEqual(image.shape, (6, 5, 4, 3))
        self.assertEqual(image.header.get_zooms()[3], 1.5)
        for t in range(3):
            numpy.testing.assert_array_equal(numpy.asanyarray(image.dataobj)[..., t].T,
                                             slices(start=1000 * t))
        self.as_dcm2niix(image, self.dcm2niix(series.folder)[0])

    def test_time_does_not_run_backwards(self):
        series = self.series()
        for t in (2, 1, 0):
            series.add_volume(slices(start=1000 * t), TemporalPositionIdentifier=t + 1)
        image = self.load(series.folder)
        for t in range(3):
            numpy.testing.assert_array_equal(numpy.asanyarray(image.dataobj)[..., t].T,
                                             slices(start=1000 * t))

    def test_echoes_numbered_slice_by_slice(self):
        series = self.series()
        for k in range(4):
            for echo in (2, 0, 1) if k % 2 else (0, 1, 2):
                series.add(slices(start=1000 * echo)[k], (0, 0, k), EchoTime=2.5 * (echo + 1))
        image = self.load(series.folder)
        for echo in range(3):
            numpy.testing.assert_array_equal(numpy.asanyarray(image.dataobj)[..., echo].T,
                                             slices(start=1000 * echo))
        self.assertEqual(self.sidecar()["EchoTime"], [0.0025, 0.005, 0.0075])

    def test_scouts_become_a_file_for_each_orientation(self):
        series = self.series(description="Localizer")
        series.add_volume(slices(3))
        series.orientation = (0, 1, 0, 0, 0, -1)
        series.add_volume(slices(3, start=500))
        series.orientation = (1, 0, 0, 0, 0, -1)
        series.add_volume(slices(2, start=900))
        self.refused_as_one(series)
        out = self.nifti(series.folder, out="all")
        self.assertEqual(sorted(path.name for path in out.glob("*.nii")),
                         ["0001_Localizer.nii", "0001_Localizer_2.nii", "0001_Localizer_3.nii"])
        for path, other in zip(sorted(out.glob("*.nii")), range(3)):
            image = nibabel.load(path)
            self.assertEqual(image.shape, (6, 5, (3, 3, 2)[other]))
            self.assertEqual(int(numpy.asanyarray(image.dataobj).min()), (0, 500, 900)[other])

    def refused_as_one(self, series):
        done = run("dcm2nii", series.folder, self.folder / "one.nii")
        self.assertEqual(done.returncode, 22)
        self.assertIn("3 volumes", done.stderr)
        self.assertFalse((self.folder / "one.nii").exists())

    def test_a_study_of_several_series(self):
        first = Series(self.folder / "in", number=3, description="T1 / FLASH")
        first.add_volume(slices(), FlipAngle=15, RepetitionTime=12.3, EchoTime=4.56,
                         MagneticFieldStrength=9.4)
        second = Series(self.folder / "in" / "deeper", number=4, description="Müsli")
        second.add_volume(slices(start=700, dtype=numpy.uint16))
        report = Series(self.folder / "in" / "photo", number=9)
        d = report.head()
        Series.put_pixels(d, slices(1)[0])
        d.save_as(report.folder / "photo.dcm")
        (self.folder / "in" / "notes.txt").write_text("nothing of DICOM")
        out = self.nifti("--gzip", self.folder / "in", out="all")
        self.assertIn("does not say where its images lie", self.errors)
        self.assertEqual(sorted(path.name for path in out.iterdir()),
                         ["0003_T1_FLASH.json", "0003_T1_FLASH.nii.gz", "0004_M_sli.json",
                          "0004_M_sli.nii.gz"])
        told = self.sidecar("all/0003_T1_FLASH.json")
        self.assertEqual([told[key] for key in ("RepetitionTime", "EchoTime", "FlipAngle",
                                                "MagneticFieldStrength", "SeriesDescription")],
                         [0.0123, 0.00456, 15, 9.4, "T1 / FLASH"])
        self.assertEqual(self.sidecar("all/0004_M_sli.json")["SeriesDescription"], "Müsli")
        image = self.load("--series", second.uid, self.folder / "in", out="second.nii")
        self.assertEqual(numpy.asanyarray(image.dataobj).min(), 700)
        self.refused("no image of series 1.2.3 is there", "--series", "1.2.3", self.folder / "in",
                     code=20)

    def test_copies_make_no_second_volume(self):
        series = self.series()
        series.add_volume(slices())
        shutil.copytree(series.folder, series.folder / "copy")
        image = self.load(series.folder)
        self.assertEqual(image.shape, (6, 5, 4))
        self.assertIn("4 files are copies of others", self.errors)
        shutil.rmtree(series.folder / "copy")
        for path in series.folder.iterdir():  # one UID for all slices, as some writers do
            d = pydicom.dcmread(path)
            d.SOPInstanceUID = d.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
            d.save_as(path)
        self.assertEqual(self.load(series.folder).shape, (6, 5, 4))
        self.assertEqual(self.errors, "")

    def test_a_tilted_gantry_is_told(self):
        series = self.series()
        for k, pixels in enumerate(slices()):
            series.add(pixels, (0, 0.1 * k, 0.7 * k))
        image = self.load(series.folder)
        self.assertIn("tilted gantry", self.errors)
        numpy.testing.assert_allclose(image.affine[:3, 2], [0, -0.1, 0.7], atol=1e-6)
        self.assertEqual(image.header["qform_code"], 0)

    def test_lossy_colour_of_jpeg(self):
        series = self.series()
        ramp_of = numpy.linspace(0, 250, 64).astype(numpy.uint8)
        red, green = numpy.meshgrid(ramp_of, ramp_of)
        colours = numpy.stack([red, green, 250 - red], axis=-1)
        series.add(colours, (0, 0, 0))
        for options in ([], ["+eb"]):
            subprocess.run(["dcmcjpeg", *options, series.folder / "IM0001",
                            self.folder / "jpeg.dcm"], check=True, capture_output=True)
            data = numpy.asanyarray(self.load(self.folder / "jpeg.dcm").dataobj)[..., 0].T
            for index, channel in enumerate("RGB"):
                far = numpy.abs(data[channel].astype(int) - colours[..., index]).max()
                self.assertLessEqual(far, 24 if options else 0)

    def test_output_as_json(self):
        series = self.series()
        series.add_volume(slices(), PixelPaddingValue=5)
        done = run("dcm2nii", "--json", "--no-json", series.folder, self.folder / "out.nii")
        told = json.loads(done.stdout)
        self.assertEqual(told["files"], [
            {"file": str(self.folder / "out.nii"), "SeriesInstanceUID": series.uid,
             "size": [6, 5, 4], "volumes": 1, "type": "int16", "original": False, "padded": 1}])
        self.assertEqual(len(told["warnings"]), 1)
        self.assertFalse((self.folder / "out.json").exists())

    def test_gzip_of_large_volumes(self):
        series = self.series()
        voxels = numpy.random.default_rng(5).integers(0, 500, (9, 300, 400)).astype(numpy.int16)
        series.add_volume(voxels)
        for level in (1, 9):
            image = self.load("--gzip-level", level, series.folder, out="out.nii.gz")
            numpy.testing.assert_array_equal(numpy.asanyarray(image.dataobj).T, voxels)


class Refused(Back):
    def series(self):
        series = Series(self.folder / "in")
        series.add_volume(slices(6))
        return series

    def test_missing_slices_unless_gaps_are_allowed(self):
        series = self.series()
        (series.folder / "IM0003").unlink()
        self.refused("slices are missing or unevenly spaced: 0.7 mm as a rule, but 1.4 mm before "
                     "slice 3", series.folder)
        out = self.nifti("--allow-gaps", series.folder, out="slabs")
        names = ["0001_T2_Turbo_RARE_slab1.nii", "0001_T2_Turbo_RARE_slab2.nii"]
        self.assertEqual(sorted(path.name for path in out.glob("*.nii")), names)
        parts = [nibabel.load(out / name) for name in names]
        self.assertEqual([part.shape[2] for part in parts], [2, 3])
        numpy.testing.assert_array_equal(numpy.asanyarray(parts[1].dataobj).T, slices(6)[3:])
        self.assertAlmostEqual(parts[1].affine[2, 3] - parts[0].affine[2, 3], 2.1, 5)

    def test_other_series_are_written_if_that_is_wanted(self):
        uneven = self.series()
        (uneven.folder / "IM0003").unlink()
        mixed = Series(self.folder / "in" / "mixed", number=2)
        mixed.add_volume(slices(3))
        mixed.add_volume(slices(3, dtype=numpy.uint16), step=0.9)
        good = Series(self.folder / "in" / "good", number=3)
        good.add_volume(slices(3))
        out = self.nifti("--keep-going", uneven.folder, out="some", code=22)
        self.assertEqual([path.name for path in out.glob("*.nii")], ["0003_T2_Turbo_RARE.nii"])
        self.assertIn("slices are missing", self.errors)
        self.assertIn("Pixel Representation (0028,0103)", self.errors)
        shutil.rmtree(good.folder)
        self.refused("no DICOM images that can be arranged", "--keep-going", uneven.folder, code=22)

    def test_positions_with_fewer_images_than_others(self):
        series = self.series()
        series.add_volume(slices(6, start=500))
        (series.folder / "IM0008").unlink()
        self.refused("slices are missing: 5 positions have 2 images, but fewer are at",
                     series.folder)

    def test_signed_and_unsigned_slices_in_one_series(self):
        series = self.series()
        d = pydicom.dcmread(series.folder / "IM0002")
        d.PixelRepresentation = 0
        d.save_as(series.folder / "IM0002")
        self.refused("Pixel Representation (0028,0103)", series.folder)

    def test_images_that_lie_nowhere(self):
        series = self.series()
        d = pydicom.dcmread(series.folder / "IM0002")
        del d.ImagePositionPatient
        d.save_as(series.folder / "IM0002")
        self.refused("IM0002: frame 1 does not say where it lies", series.folder)

    def test_files_that_are_cut_damaged_or_no_images(self):
        series = self.series()
        victim = series.folder / "IM0002"
        whole = victim.read_bytes()
        victim.write_bytes(whole[:-7])
        self.refused("IM0002: the Data Set is cut", series.folder)
        victim.write_bytes(whole[:whole.index(b"\x28\0\x02\0US")])  # between two elements
        self.refused("IM0002: not an image: no Rows, Columns or Pixel Data, though it says",
                     series.folder)
        last = max(series.folder.iterdir(),
                   key=lambda path: pydicom.dcmread(path, force=True).get("InstanceNumber", 0))
        kept = last.read_bytes()
        victim.write_bytes(whole)
        last.write_bytes(b"")
        self.load(series.folder)
        self.assertIn(f"{last.name}: not DICOM; passed over", self.errors)
        for path in self.folder.glob("out.*"):
            path.unlink()
        last.write_bytes(kept)
        victim.write_bytes(b"no DICOM at all" * 100)
        self.refused("IM0002: not DICOM", victim)
        d = pydicom.dcmread(series.folder / "IM0001")
        for key in ("PixelData", "Rows", "Columns"):
            delattr(d, key)
        d.save_as(victim)
        self.refused("IM0002: not an image", victim)
        d = pydicom.dcmread(series.folder / "IM0001")
        d.BitsAllocated = 12
        d.save_as(victim)
        self.refused("samples of 12 bits a pixel (0028,0002; 0028,0100)", victim)
        d.BitsAllocated, d.NumberOfFrames = 16, 900000
        d.save_as(victim)
        self.refused("Number of Frames (0028,0008) is 900000 in a file of", victim)
        del d.NumberOfFrames
        d.PixelSpacing = [0, 0.1]
        d.save_as(victim)
        self.refused("Pixel Spacing", victim)
        self.refused("nowhere", self.folder / "nowhere", code=20)
        (self.folder / "empty").mkdir()
        self.refused("no DICOM images", self.folder / "empty", code=20)

    def test_a_transfer_syntax_that_nobody_decodes_is_named(self):
        series = self.series()
        d = pydicom.dcmread(series.folder / "IM0001")
        d.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"  # MPEG-4
        d.PixelData = pydicom.encaps.encapsulate([bytes(100)])
        d["PixelData"].is_undefined_length = True
        d.save_as(self.folder / "video.dcm")
        self.refused("MPEG", self.folder / "video.dcm")

    def test_a_file_where_there_is_a_folder_or_no_folder(self):
        series = self.series()
        (self.folder / "d.nii").mkdir()
        self.nifti(series.folder, out="d.nii", code=1)
        self.nifti(series.folder, out="none/a.nii", code=40)
        for level in ("0", "10"):
            self.nifti(series.folder, "--gzip-level", level, code=1)
        self.assertEqual(run("dcm2nii", self.folder / "x.nii").returncode, 1)

    def test_interrupted_leaves_nothing(self):
        series = Series(self.folder / "in")
        noise = numpy.random.default_rng(6).integers(0, 60000, (40, 512, 512)).astype(numpy.uint16)
        series.add_volume(noise)
        out = self.folder / "a.nii.gz"
        with subprocess.Popen([MURPACS, "dcm2nii", "--gzip-level", "9", series.folder, out],
                              stderr=subprocess.PIPE) as process:
            while not list(self.folder.glob("a.nii.gz*")) and process.poll() is None:
                time.sleep(0.005)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 52, errors)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["in"])


def group(name, **values):
    item = Dataset()
    for key, value in values.items():
        setattr(item, key, value)
    return name, Sequence([item])


class Enhanced(Back):
    """Several frames in one file."""

    def write(self, sop_class, voxels, frames, shared=(), **attributes):
        """@frames: (index of the slice, functional groups)"""
        series = Series(self.folder / "in", sop_class)
        d = series.head(**attributes)
        Series.put_pixels(d, numpy.stack([voxels[index] for index, _ in frames]))
        d.NumberOfFrames = len(frames)
        top = Dataset()
        for name, sequence in (group("PlaneOrientationSequence",
                                     ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
                               group("PixelMeasuresSequence", PixelSpacing=[0.25, 0.1],
                                     SliceThickness=0.7), *shared):
            setattr(top, name, sequence)
        d.SharedFunctionalGroupsSequence = Sequence([top])
        items = []
        for _, groups in frames:
            item = Dataset()
            for name, sequence in groups:
                setattr(item, name, sequence)
            items.append(item)
        d.PerFrameFunctionalGroupsSequence = Sequence(items)
        d.save_as(series.folder / "IM0001")
        return series.folder

    @staticmethod
    def place(k):
        return group("PlanePositionSequence", ImagePositionPatient=[1, 2, 3 + 0.7 * k])

    def test_ct_with_frames_in_any_order(self):
        voxels = slices(dtype=numpy.int16)
        rescale = group("PixelValueTransformationSequence", RescaleSlope=1, RescaleIntercept=-1000,
                        RescaleType="HU")
        folder = self.write(ENHANCED_CT, voxels, [(k, [self.place(k)]) for k in (3, 1, 0, 2)],
                            [rescale])
        image = self.load(folder)
        numpy.testing.assert_array_equal(image.dataobj.get_unscaled().T, voxels)
        self.assertEqual(image.dataobj.inter, -1000)
        numpy.testing.assert_allclose(
            image.affine, [[-0.1, 0, 0, -1], [0, -0.25, 0, -2], [0, 0, 0.7, 3], [0, 0, 0, 1]],
            atol=1e-6)

    def test_mr_with_echoes_and_timing(self):
        voxels = slices(8, dtype=numpy.uint16)
        frames = [(4 * e + k, [self.place(k), group("MREchoSequence", EffectiveEchoTime=1.5 + e)])
                  for k in range(4) for e in range(2)]
        timing = group("MRTimingAndRelatedParametersSequence", RepetitionTime=2500.0, FlipAngle=30.0)
        folder = self.write(ENHANCED_MR, voxels, frames, [timing])
        image = self.load(folder)
        for echo in range(2):
            numpy.testing.assert_array_equal(numpy.asanyarray(image.dataobj)[..., echo].T,
                                             voxels[4 * echo:4 * echo + 4])
        told = self.sidecar()
        self.assertEqual([told[key] for key in ("EchoTime", "RepetitionTime", "FlipAngle")],
                         [[0.0015, 0.0025], 2.5, 30])

    def test_kinds_of_frames_become_a_file_each(self):
        voxels = slices(8, dtype=numpy.uint16)
        frames = [(4 * f + k, [self.place(k), group("MRImageFrameTypeSequence", FrameType=[
            "DERIVED", "PRIMARY", "DIXON", ("WATER", "FAT")[f]])])
                  for k in range(4) for f in range(2)]
        out = self.nifti(self.write(ENHANCED_MR, voxels, frames), out="all")
        for index, name in enumerate(("WATER", "FAT")):
            image = nibabel.load(out / f"0001_T2_Turbo_RARE_{name}.nii")
            numpy.testing.assert_array_equal(numpy.asanyarray(image.dataobj).T,
                                             voxels[4 * index:4 * index + 4])

    def test_parts_without_a_name_are_ranked_at_each_place(self):
        voxels = slices(8, dtype=numpy.uint16)
        frames = [(4 * f + k, [self.place(k)]) for f in range(2) for k in range(4)]
        image = self.load(self.write(ENHANCED_MR, voxels, frames))
        for part in range(2):
            numpy.testing.assert_array_equal(numpy.asanyarray(image.dataobj)[..., part].T,
                                             voxels[4 * part:4 * part + 4])

    def test_compressed_frames(self):
        voxels = slices(4, 64, 64, numpy.int16)
        folder = self.write(ENHANCED_CT, voxels, [(k, [self.place(k)]) for k in range(4)])
        plain = self.nifti(folder).read_bytes()
        for tool in (["dcmcrle"], ["dcmcjpls"], ["dcmcjpeg"]):
            subprocess.run([*tool, folder / "IM0001", self.folder / "packed.dcm"], check=True,
                           capture_output=True)
            packed = self.nifti(self.folder / "packed.dcm", out="packed.nii").read_bytes()
            self.assertEqual(packed, plain, tool)

    def test_parametric_maps_have_the_values_that_they_map_to(self):
        voxels = slices(dtype=numpy.uint16)
        mapping = group("RealWorldValueMappingSequence", RealWorldValueSlope=0.01,
                        RealWorldValueIntercept=-1.5)
        frames = [(k, [self.place(k)]) for k in range(4)]
        image = self.load(self.write(PARAMETRIC_MAP, voxels, frames, [mapping]))
        numpy.testing.assert_allclose(image.get_fdata().T, voxels * 0.01 - 1.5, rtol=1e-6)


class Scanners(Back):
    """Files of real scanners."""

    def sample(self, name):
        path = TESTDATA / "preclinical" / name
        if not path.is_file():
            self.skipTest(f"{name} is not in MURPACS_TESTDATA")
        with zipfile.ZipFile(path) as archive:
            archive.extractall(self.folder / "in")
        out = self.nifti(self.folder / "in", out="all")
        mine = {int(path.name.split("_")[0]): path for path in out.glob("*.nii")}
        others = {int(path.name.split("_")[0]): path
                  for path in self.dcm2niix(self.folder / "in")}
        self.assertEqual(mine.keys(), others.keys())
        for number, path in mine.items():
            self.as_dcm2niix(nibabel.load(path), others[number])
            told, other = (json.loads(p.with_suffix(".json").read_text())
                           for p in (path, others[number]))
            for key in ("RepetitionTime", "EchoTime", "FlipAngle", "MagneticFieldStrength",
                        "SeriesNumber", "ProtocolName", "SliceThickness"):
                self.assertAlmostEqual(told[key], other[key], 4) if isinstance(
                    other[key], float) else self.assertEqual(told[key], other[key])
            b_values = [numpy.loadtxt(p.with_suffix(".bval")) for p in (path, others[number])]
            numpy.testing.assert_allclose(*b_values, rtol=1e-5)
            directions = numpy.loadtxt(path.with_suffix(".bvec"))
            lengths = numpy.linalg.norm(directions[:, b_values[0] > 50], axis=0)
            numpy.testing.assert_allclose(lengths, 1, atol=1e-3)
        return mine

    def test_bruker_enhanced_mr(self):
        self.assertEqual(len(self.sample("day1_20210608_Bruker9.4TlEnh_dwi.zip")), 2)

    def test_mr_solutions_classic(self):
        self.assertEqual(len(self.sample("day1_20220504_MRsoln3T_classic_dwi.zip")), 1)

    def test_one_image_in_seven_encodings(self):
        folder = TESTDATA / "dicom"
        if not folder.is_dir():
            self.skipTest("MURPACS_TESTDATA has no dicom/")
        reference = pydicom.dcmread(folder / "MR_small.dcm").pixel_array
        for path in sorted(folder.glob("MR_small*.dcm")):
            image = self.load(path)
            numpy.testing.assert_array_equal(numpy.asanyarray(image.dataobj)[..., 0].T, reference,
                                             path.name)

    def test_deflated_and_two_slices(self):
        if not (TESTDATA / "dicom" / "two_slices_0.dcm").is_file():
            self.skipTest("MURPACS_TESTDATA has no dicom/two_slices_0.dcm")
        # Not beside dcm2niix, which makes 48 slices of each, since Image Type says MOSAIC.
        paths = [TESTDATA / "dicom" / f"two_slices_{k}.dcm" for k in (1, 0)]
        image = self.load(*paths)
        self.assertIn("MOSAIC", self.errors)
        for k, path in enumerate(reversed(paths)):
            d = pydicom.dcmread(path)
            numpy.testing.assert_array_equal(numpy.asanyarray(image.dataobj)[..., k].T,
                                             d.pixel_array)
            numpy.testing.assert_allclose(image.affine @ [0, 0, k, 1],
                                          LPS @ [*map(float, d.ImagePositionPatient), 1], rtol=1e-6)
        deflated = pydicom.dcmread(TESTDATA / "dicom" / "image_dfl.dcm")
        deflated.ImageOrientationPatient, deflated.PixelSpacing = [1, 0, 0, 0, 1, 0], [1, 1]
        deflated.ImagePositionPatient = [0, 0, 0]
        deflated.save_as(self.folder / "deflated.dcm")
        image = self.load(self.folder / "deflated.dcm")
        numpy.testing.assert_array_equal(numpy.asanyarray(image.dataobj)[..., 0].T,
                                         deflated.pixel_array)


class Archive(Back):
    """Straight from the node's archive."""

    def test_by_uid_with_what_the_tables_say(self):
        data, phantom = self.folder / "data", os.environ["MURPACS_PHANTOM_DATA"]
        done = run("import", "--json", "--data-dir", data, phantom)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        scans = [json.loads(line) for line in done.stdout.splitlines()]
        series = next(word for scan in scans for word in self.series_of(scan))
        out = self.nifti("--data-dir", data, "--series", series)
        self.assertTrue(nibabel.load(out).shape)
        told = self.sidecar()
        self.assertEqual(told["SeriesInstanceUID"], series)
        self.assertIn("DiseaseModel", told["ISA"])
        self.assertIn("name", told["ISA"]["Attributes"][0])
        again = self.nifti("--data-dir", data, series, out="again.nii")
        self.assertEqual(again.read_bytes(), out.read_bytes())
        self.nifti("--data-dir", data, "--study", told["StudyInstanceUID"], out="study")
        self.assertTrue(list((self.folder / "study").glob("*.nii")))
        self.refused("1.2.3", "--data-dir", data, "--study", "1.2.3", code=20)

    @staticmethod
    def series_of(scan):
        text = json.dumps(scan)
        if "series" not in text.lower():
            return []
        return [value for key, value in scan.items()
                if "series" in key.lower() and isinstance(value, str) and value[:2] == "2."]


if __name__ == "__main__":
    unittest.main()
