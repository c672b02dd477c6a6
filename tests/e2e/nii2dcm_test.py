#!/usr/bin/python3
"""NIfTI to DICOM, read back by others: nibabel and pydicom (by volumes.py), dcm2niix, dciodvfy."""
import filecmp
import gzip
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import time
import unittest

import nibabel
import numpy
import pydicom

from volumes import (MURPACS, TESTDATA, Folder, affines, numbers, oblique, ramp, read_series, run,
                     same_world, save)


class Converted(Folder):
    def dcm2niix(self, series):
        """The one volume that dcm2niix makes of a series; what else it wrote is in "back"."""
        back = self.folder / "back"
        shutil.rmtree(back, ignore_errors=True)
        back.mkdir()
        subprocess.run(["dcm2niix", "-b", "y", "-z", "n", "-f", "x", "-o", back, series],
                       capture_output=True, check=True)
        self.assertEqual([path.name for path in back.glob("*.nii")], ["x.nii"])
        return nibabel.load(back / "x.nii")

    def slices(self, folder):
        return [pydicom.dcmread(path) for path in sorted(folder.iterdir())]

    def refused(self, code, text, image, *options, modality="MR"):
        """Ends with this exit code and words, and leaves no folder."""
        done = run("nii2dcm", image, self.folder / "none" / "out", "--modality", modality, *options)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(text, done.stderr)
        self.assertFalse((self.folder / "none").exists())


class Images(Converted):
    def test_all_48_orders_and_directions_keep_their_place(self):
        for affine in affines():
            image = save(self.folder / "a.nii", ramp((6, 5, 4)), affine)
            voxels, there, slices = read_series(self.convert(self.folder / "a.nii"))
            same_world(self, image, voxels, there)
            numbers_along = [int(s.InstanceNumber) for s in slices]
            self.assertEqual(numbers_along, sorted(numbers_along))

    def test_50_oblique_volumes_are_read_back_by_dcm2niix(self):
        # Left- and right-handed, anisotropic; every other one in micron.
        for seed in range(50):
            affine = oblique(seed)
            unit, factor = ("micron", 1000.0) if seed % 2 else ("mm", 1.0)
            affine[:3] = (affine[:3] * factor).astype(numpy.float32)
            image = save(self.folder / "a.nii", ramp((12, 10, 8)), affine, unit=unit)
            image.affine[:3] /= factor
            series = self.convert(self.folder / "a.nii", "--biped")
            voxels, there, _ = read_series(series)
            other = self.dcm2niix(series)
            with self.subTest(seed=seed):
                same_world(self, image, voxels, there)
                same_world(self, image, numpy.asanyarray(other.dataobj), other.affine, corner=1e-3)

    @unittest.skipUnless(shutil.which("dicomtonifti"), "vtk-dicom-tools is not installed")
    def test_vtk_dicom_reads_back_the_same(self):
        for affine in [*list(affines())[::9], *[oblique(seed) for seed in range(60, 64)]]:
            image = save(self.folder / "a.nii", ramp((12, 10, 8)), affine)
            series = self.convert(self.folder / "a.nii")
            subprocess.run(["dicomtonifti", "-s", "-o", self.folder / "back.nii",
                            *sorted(series.iterdir())], check=True)
            other = nibabel.load(self.folder / "back.nii")
            same_world(self, image, numpy.asanyarray(other.dataobj), other.affine, corner=1e-3)

    def test_dcm2niix_reads_back_orders_and_directions(self):
        for affine in list(affines())[::7]:
            image = save(self.folder / "a.nii", ramp((12, 10, 8)), affine)
            other = self.dcm2niix(self.convert(self.folder / "a.nii", "--biped"))
            same_world(self, image, numpy.asanyarray(other.dataobj), other.affine, corner=1e-3)

    def test_microns_and_metres_become_millimetres(self):
        for unit, factor in (("micron", 0.001), ("meter", 1000)):
            affine = numpy.diag([70.0, 70.0, 140.0, 1.0])
            image = save(self.folder / "a.nii", ramp((6, 5, 4)), affine, unit=unit)
            voxels, there, slices = read_series(self.convert(self.folder / "a.nii"))
            image.affine[:3] *= factor
            same_world(self, image, voxels, there)
            self.assertEqual(str(slices[0].PixelSpacing[0]), "0.07" if factor < 1 else "70000")

    def test_decimal_strings_are_short(self):
        affine = numpy.diag([0.2, 0.3, 0.4, 1.0])
        affine[:3, :3] = oblique(3)[:3, :3]
        save(self.folder / "a.nii", ramp((6, 5, 4)), affine)
        for path in self.convert(self.folder / "a.nii").iterdir():
            for element in pydicom.dcmread(path):
                if element.VR == "DS":
                    values = element.value if element.VM > 1 else [element.value]
                    for value in values:
                        self.assertLessEqual(len(str(value or "")), 16, element)

    def test_integers_are_exact(self):
        affine = numpy.diag([0.2, 0.3, 0.4, 1.0])
        cases = {
            "uint8": numpy.array([0, 255], numpy.uint8),
            "int8": numpy.array([-128, 127], numpy.int8),
            "int16": numpy.array([-32768, 32767], numpy.int16),
            "uint16": numpy.array([0, 65535], numpy.uint16),
            "int32": numpy.array([100000, 165535], numpy.int32),
            "uint32": numpy.array([7, 65535], numpy.uint32),
            "float32": numpy.array([-1024, 3071], numpy.float32),
        }
        for name, ends in cases.items():
            data = numpy.resize(ends, (6, 5, 4)).astype(ends.dtype)
            image = save(self.folder / "a.nii", data, affine)
            for modality in ("CT", "MR"):
                series = self.convert(self.folder / "a.nii", modality=modality)
                voxels, there, slices = read_series(series)
                with self.subTest(name=name, modality=modality):
                    same_world(self, image, voxels, there)
                    self.assertEqual(slices[0].BitsAllocated, 16)

    def test_floats_are_within_half_a_step(self):
        random = numpy.random.default_rng(1)
        data = random.normal(0, 3e-4, (16, 15, 14)).astype(numpy.float32)
        image = save(self.folder / "a.nii", data, numpy.diag([0.2, 0.3, 0.4, 1.0]))
        voxels, there, slices = read_series(self.convert(self.folder / "a.nii", modality="CT"))
        bound = float(slices[0].RescaleSlope) / 2
        self.assertLess(bound, 1.01 * (data.max() - data.min()) / 65534 / 2)
        same_world(self, image, voxels, there, tolerance=bound * (1 + 1e-6))

    def test_values_that_are_not_finite_want_an_answer(self):
        data = ramp((6, 5, 4), numpy.float32)
        data[1, 2, 3] = numpy.nan
        save(self.folder / "a.nii", data, numpy.diag([0.2, 0.3, 0.4, 1.0]))
        done = run("nii2dcm", self.folder / "a.nii", self.folder / "out", "--modality", "MR")
        self.assertEqual(done.returncode, 22)
        self.assertIn("1 voxel is not finite", done.stderr)
        self.assertFalse((self.folder / "out").exists())
        _, _, slices = read_series(self.convert(self.folder / "a.nii", "--nan", "pad"))
        self.assertEqual(slices[0].PixelPaddingValue, -32768)
        self.assertEqual(sum(int((s.pixel_array == -32768).sum()) for s in slices), 1)

    def test_scaling_of_the_header_is_kept(self):
        image = save(self.folder / "a.nii", ramp((6, 5, 4)), numpy.diag([0.2, 0.3, 0.4, 1.0]))
        raw = bytearray((self.folder / "a.nii").read_bytes())
        raw[112:120] = numpy.array([0.1, -3], numpy.float32).tobytes()
        (self.folder / "a.nii").write_bytes(raw)
        image = nibabel.load(self.folder / "a.nii")
        voxels, there, slices = read_series(self.convert(self.folder / "a.nii"))
        self.assertEqual(str(slices[0].RescaleSlope), "0.1")
        self.assertEqual(slices[0].RealWorldValueMappingSequence[0].RealWorldValueIntercept, -3)
        same_world(self, image, voxels, there, tolerance=1e-5)

    def test_no_error_in_the_eyes_of_dciodvfy(self):
        data = ramp((6, 5, 4), numpy.float32) / 7
        save(self.folder / "a.nii", data, oblique(5))
        for modality, *options in (("CT", "--hu"), ("CT",), ("MR",)):
            series = self.convert(self.folder / "a.nii", *options, modality=modality)
            for path in sorted(series.iterdir())[:2]:
                self.no_errors(path)
            # what is to be there, if without a value, and what must not, by what is given
            for given in ("BodyPartExamined=BRAIN", "BodyPartExamined=WHOLEBODY",
                          "BodyPartExamined=KIDNEY", "ImageLaterality=L",
                          "ScanningSequence=SE\\IR" if modality == "MR" else "KVP=80"):
                series = self.convert(self.folder / "a.nii", *options, "--set", given,
                                      modality=modality)
                self.no_errors(sorted(series.iterdir())[0])

    def test_the_same_input_gives_the_same_bytes(self):
        save(self.folder / "a.nii", ramp((6, 5, 4)), oblique(6))
        with gzip.open(self.folder / "a.nii.gz", "wb") as packed:
            packed.write((self.folder / "a.nii").read_bytes())
        first = self.convert(self.folder / "a.nii", out="1")
        again = self.convert(self.folder / "a.nii", out="2")
        packed = self.convert(self.folder / "a.nii.gz", out="3")
        names = sorted(os.listdir(first))
        self.assertEqual(len(names), 4)
        for other in (again, packed):
            self.assertEqual(filecmp.cmpfiles(first, other, names, shallow=False), (names, [], []))
        told = self.convert(self.folder / "a.nii", "--set", "PatientID=M1", out="4")
        self.assertNotEqual(pydicom.dcmread(told / names[0]).SeriesInstanceUID,
                            pydicom.dcmread(first / names[0]).SeriesInstanceUID)

    def test_the_original_header_goes_along_once(self):
        save(self.folder / "mouse.nii", ramp((6, 5, 4)), oblique(7))
        series = self.convert(self.folder / "mouse.nii")
        slices = [pydicom.dcmread(path) for path in sorted(series.iterdir())]
        block = slices[0].private_block(0x0099, "MURPACS NIFTI 1.0")
        raw = (self.folder / "mouse.nii").read_bytes()
        self.assertEqual(block[1].value, raw[:348])
        self.assertEqual(block[3].value, "mouse.nii")
        self.assertFalse(any((0x0099, 0x0010) in s for s in slices[1:]))

    def test_the_animal_is_a_quadruped_and_the_window_the_same(self):
        random = numpy.random.default_rng(2)
        save(self.folder / "a.nii", random.integers(0, 4000, (20, 20, 5)).astype(numpy.int16),
             numpy.diag([0.2, 0.3, 0.4, 1.0]))
        _, _, slices = read_series(self.convert(self.folder / "a.nii"))
        self.assertEqual({s.AnatomicalOrientationType for s in slices}, {"QUADRUPED"})
        self.assertEqual(len({(s.WindowCenter, s.WindowWidth) for s in slices}), 1)
        self.assertAlmostEqual(float(slices[0].WindowCenter), 2000, delta=40)

    def test_windows_span_what_they_should_however_small_the_values_are(self):
        for largest in (1e-6, 0.5, 1.2, 3, 4000):
            data = numpy.linspace(0, largest, 1200, dtype=numpy.float32).reshape(12, 10, 10)
            save(self.folder / "a.nii", data, numpy.diag([0.2, 0.3, 0.4, 1.0]))
            one = self.slices(self.convert(self.folder / "a.nii"))[0]
            # PS3.3 C.11.2.1.2, LINEAR
            low = one.WindowCenter - 0.5 - (float(one.WindowWidth) - 1) / 2
            self.assertNotIn("VOILUTFunction", one)
            numpy.testing.assert_allclose((low, low + float(one.WindowWidth) - 1),
                                          (0.005 * largest, 0.995 * largest), atol=0.002 * largest)

    def test_sform_goes_before_qform_unless_told(self):
        first, second = oblique(1), numpy.diag([0.2, 0.3, 0.4, 1.0])
        second[:3, 3] = 1, 2, 3
        image = nibabel.Nifti1Image(ramp((6, 5, 4)), first)
        image.set_sform(first, 1)
        image.set_qform(second, 1)
        nibabel.save(image, self.folder / "a.nii")
        for options, affine in (((), first), (("--prefer-qform",), second)):
            voxels, there, _ = read_series(self.convert(self.folder / "a.nii", *options))
            same_world(self, nibabel.Nifti1Image(ramp((6, 5, 4)), affine), voxels, there)

    def test_without_codes_the_options_say_which_way(self):
        image = nibabel.Nifti1Image(ramp((6, 5, 4)), None)
        image.header.set_xyzt_units("mm")
        image.header["pixdim"][1:4] = 0.2, 0.3, 0.4
        image.set_sform(None, 0)
        image.set_qform(None, 0)
        nibabel.save(image, self.folder / "a.nii")
        spm = nibabel.load(self.folder / "a.nii")  # centred, x to the left
        standard = nibabel.Nifti1Image(ramp((6, 5, 4)), numpy.diag([0.2, 0.3, 0.4, 1.0]))
        for options, like in (((), standard), (("--codes-zero", "spm"), spm)):
            voxels, there, slices = read_series(self.convert(self.folder / "a.nii", *options))
            same_world(self, like, voxels, there)
            self.assertIn("unknown", slices[0].ImageComments)

    def test_nifti_2_big_endian_and_gzip_are_read(self):
        affine = oblique(2)
        cases = {"2.nii": nibabel.Nifti2Image(ramp((6, 5, 4)), affine),
                 "2.nii.gz": nibabel.Nifti2Image(ramp((6, 5, 4)), affine),
                 "b.nii": nibabel.Nifti1Image(ramp((6, 5, 4)), affine,
                                              nibabel.Nifti1Header(endianness=">")),
                 "p.hdr": nibabel.Nifti1Pair(ramp((6, 5, 4)), affine)}
        for name, image in cases.items():
            image.set_sform(affine, 1)
            image.header.set_xyzt_units("mm")
            nibabel.save(image, self.folder / name)
            voxels, there, _ = read_series(self.convert(self.folder / name))
            with self.subTest(name=name):
                same_world(self, nibabel.load(self.folder / name), voxels, there)

    def test_analyze_wants_its_order_said(self):
        image = nibabel.AnalyzeImage(ramp((6, 5, 4)), numpy.diag([-0.2, 0.3, 0.4, 1.0]))
        nibabel.save(image, self.folder / "a.img")
        self.refused(1, "las or ras", self.folder / "a.img")
        image = nibabel.load(self.folder / "a.img")  # nibabel takes x as going to the left
        for name in ("a.img", "a.hdr"):
            series = self.convert(self.folder / name, "--analyze-lr", "las")
            voxels, there, _ = read_series(series)
            same_world(self, image, voxels, there)
        _, there, _ = read_series(self.convert(self.folder / "a.img", "--analyze-lr", "ras"))
        numpy.testing.assert_allclose(numpy.abs(numpy.diag(there)[:3]), (0.2, 0.3, 0.4), rtol=1e-6)
        (self.folder / "a.hdr").unlink()
        self.refused(20, "a.hdr", self.folder / "a.img", "--analyze-lr", "las")

    def test_wide_integers_are_refused_or_rounded_as_told(self):
        data = numpy.linspace(-70000, 70000, 120).reshape((6, 5, 4)).astype(numpy.int32)
        image = save(self.folder / "a.nii", data, oblique(4))
        self.refused(22, "more than 16 bits cannot be kept exactly", self.folder / "a.nii")
        voxels, there, slices = read_series(self.convert(self.folder / "a.nii", "--round-integers"))
        bound = float(slices[0].RescaleSlope) / 2
        same_world(self, image, voxels, there, tolerance=bound * (1 + 1e-6))

    def test_colour_becomes_secondary_capture(self):
        data = numpy.zeros((7, 5, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")])
        for index, name in enumerate("RGB"):
            data[name] = ramp(data.shape, numpy.uint8) + 50 * index
        affine = numpy.diag([-0.2, -0.3, 0.4, 1.0])  # as a screen shows it: nothing is turned
        save(self.folder / "a.nii", data, affine)
        for index, s in enumerate(self.slices(self.convert(self.folder / "a.nii"))):
            self.assertEqual(s.SOPClassUID, "1.2.840.10008.5.1.4.1.1.7")
            self.assertEqual((s.PhotometricInterpretation, s.BitsAllocated), ("RGB", 8))
            self.assertEqual(len(s.PixelData) % 2, 0)
            for channel, name in enumerate("RGB"):
                numpy.testing.assert_array_equal(s.pixel_array[:, :, channel],
                                                 data[name][:, :, index].T)
        self.no_errors(self.folder / "dcm/IM0001.dcm")

    def test_one_slice_is_a_series(self):
        for shape in ((7, 5, 1), (7, 5)):
            image = save(self.folder / "a.nii", ramp(shape), oblique(8))
            voxels, there, _ = read_series(self.convert(self.folder / "a.nii"))
            image = nibabel.Nifti1Image(ramp((7, 5, 1)), image.affine)
            with self.subTest(shape=shape):
                same_world(self, image, voxels, there)

    def test_keep_order_turns_nothing(self):
        affine = numpy.diag([0.2, 0.3, 0.4, 1.0])
        image = save(self.folder / "a.nii", ramp((6, 5, 4)), affine)
        voxels, there, slices = read_series(self.convert(self.folder / "a.nii", "--keep-order"))
        numpy.testing.assert_array_equal(voxels, numpy.asanyarray(image.dataobj))
        numpy.testing.assert_allclose(there, affine, atol=1e-7)

    def test_shear_is_written_where_it_is_asked_for(self):
        affine = numpy.diag([0.2, 0.3, 0.4, 1.0])
        affine[0, 2] = 0.1
        image = save(self.folder / "a.nii", ramp((6, 5, 4)), affine)
        self.refused(22, "sheared", self.folder / "a.nii")
        voxels, there, _ = read_series(self.convert(self.folder / "a.nii", "--allow-shear"))
        same_world(self, image, voxels, there)


class Volumes(Converted):
    def four(self, step=2.5, dtype=numpy.int16):
        """Four dimensions, three volumes."""
        image = nibabel.Nifti1Image((ramp((6, 5, 4, 3)) * 1).astype(dtype), oblique(3))
        image.set_sform(oblique(3), 1)
        image.header.set_xyzt_units("mm", "sec")
        image.header["pixdim"][4] = step
        nibabel.save(image, self.folder / "a.nii")
        return nibabel.load(self.folder / "a.nii")

    def same_volumes(self, image, other):
        self.assertEqual(image.shape[3], other.shape[3])
        for volume in range(image.shape[3]):
            mine = nibabel.Nifti1Image(numpy.asanyarray(image.dataobj)[..., volume], image.affine)
            same_world(self, mine, numpy.asanyarray(other.dataobj)[..., volume], other.affine,
                       corner=1e-3)

    def test_time_goes_on_from_volume_to_volume(self):
        image = self.four()
        series = self.convert(self.folder / "a.nii", "--biped", "--set", "AcquisitionDate=20240228",
                              "--set", "AcquisitionTime=235957")
        slices = self.slices(series)
        self.assertEqual([int(s.InstanceNumber) for s in slices], list(range(1, 13)))
        self.assertEqual([int(s.TemporalPositionIdentifier) for s in slices],
                         [1] * 4 + [2] * 4 + [3] * 4)
        last = slices[-1]
        self.assertEqual((last.AcquisitionDate, last.AcquisitionTime), ("20240229", "000002"))
        self.assertEqual((int(last.NumberOfTemporalPositions), float(last.TemporalResolution)),
                         (3, 2500))
        self.assertEqual(int(last.AcquisitionNumber), 3)
        self.no_errors(series / "IM0012.dcm")
        self.same_volumes(image, self.dcm2niix(series))

    @unittest.skipUnless(TESTDATA.exists(), "no test data")
    def test_samples_are_read_back_by_dcm2niix(self):
        for name in ("example4d.nii.gz", "functional.nii"):
            series = self.convert(TESTDATA / "nifti" / name, "--biped")
            with self.subTest(name=name):
                self.same_volumes(nibabel.load(TESTDATA / "nifti" / name), self.dcm2niix(series))

    def test_echoes_have_their_times(self):
        self.four()
        series = self.convert(self.folder / "a.nii", "--kind", "echo", "--echo-times", "2.5,5,7.5")
        times = [(int(s.EchoNumbers), float(s.EchoTime)) for s in self.slices(series)]
        self.assertEqual(times, [(1, 2.5)] * 4 + [(2, 5)] * 4 + [(3, 7.5)] * 4)
        self.no_errors(series / "IM0012.dcm")
        self.refused(1, "2 echo times for 3 volumes", self.folder / "a.nii", "--echo-times", "1,2")

    def test_diffusion_is_read_back_by_dcm2niix(self):
        image = self.four()
        vectors = numpy.array([[0, 0, 0], [1, 0, 0], [0.36, 0.48, 0.8]])
        (self.folder / "b.bval").write_text("0 1000 2000\n")
        (self.folder / "b.bvec").write_text("\n".join(" ".join(map(str, row)) for row in vectors.T))
        options = ("--bval", self.folder / "b.bval", "--bvec", self.folder / "b.bvec", "--biped")
        series = self.convert(self.folder / "a.nii", *options)
        self.no_errors(series / "IM0012.dcm")
        slices = self.slices(series)
        self.assertEqual([s.DiffusionDirectionality for s in slices[::4]],
                         ["NONE", "DIRECTIONAL", "DIRECTIONAL"])
        self.assertNotIn("DiffusionGradientOrientation", slices[0])
        other = self.dcm2niix(series)
        self.same_volumes(image, other)
        values = (self.folder / "back/x.bval").read_text().split()
        self.assertEqual([float(v) for v in values], [0, 1000, 2000])
        back = numpy.loadtxt(self.folder / "back/x.bvec").T

        def in_world(directions, affine):
            axes = affine[:3, :3] / numpy.linalg.norm(affine[:3, :3], axis=0)
            sign = -1 if numpy.linalg.det(axes) > 0 else 1  # FSL's convention
            return (directions * (sign, 1, 1)) @ axes.T

        numpy.testing.assert_allclose(in_world(back, other.affine), in_world(vectors, image.affine),
                                      atol=1e-5)

    def test_nobody_says_the_direction_where_only_b_values_are_given(self):
        self.four()
        (self.folder / "b.bval").write_text("0 1000 2000\n")
        series = self.convert(self.folder / "a.nii", "--bval", self.folder / "b.bval")
        self.assertEqual([(s.DiffusionBValue, s.get("DiffusionDirectionality"))
                          for s in self.slices(series)[::4]],
                         [(0, "NONE"), (1000, None), (2000, None)])

    def test_contrasts_become_series(self):
        image = self.four()
        series = self.convert(self.folder / "a.nii", "--kind", "dixon=WATER,FAT,FAT_FRACTION",
                              "--set", "SeriesDescription=Liver", "--set", "SeriesNumber=4")
        slices = self.slices(series)
        self.assertEqual(len({s.SeriesInstanceUID for s in slices}), 3)
        self.assertEqual(len({s.FrameOfReferenceUID for s in slices}), 1)
        self.assertEqual([s.ImageType[3] for s in slices[::4]], ["WATER", "FAT", "FAT_FRACTION"])
        self.assertEqual([s.SeriesDescription for s in slices[::4]],
                         ["Liver WATER", "Liver FAT", "Liver FAT_FRACTION"])
        self.assertEqual([int(s.SeriesNumber) for s in slices[::4]], [401, 402, 403])
        self.no_errors(series / "IM0012.dcm")
        for volume in range(3):
            one = self.folder / "one"
            shutil.rmtree(one, ignore_errors=True)
            one.mkdir()
            for index in range(4 * volume, 4 * volume + 4):
                shutil.copy(series / f"IM{index + 1:04}.dcm", one)
            voxels, there, _ = read_series(one)
            data = numpy.asanyarray(image.dataobj)[..., volume]
            same_world(self, nibabel.Nifti1Image(data, image.affine), voxels, there)
        for names, code in (("WATER,FAT", 1), ("WATER,FAT,WATER", 1), ("a,b,c", 1)):
            self.refused(code, "contrast", self.folder / "a.nii", "--kind", "dixon=" + names)

    def test_vectors_are_refused(self):
        save(self.folder / "a.nii", ramp((6, 5, 4, 1, 3)), oblique(3))
        self.refused(22, "dim[5] is 3", self.folder / "a.nii")


class ParametricMaps(Converted):
    def test_floats_are_kept_bit_for_bit(self):
        for dtype, keyword in ((numpy.float32, "FloatPixelData"),
                               (numpy.float64, "DoubleFloatPixelData")):
            data = (ramp((6, 5, 4)) / 7).astype(dtype)
            data[1, 2, 3] = numpy.nan
            data[2, 2, 3] = -numpy.inf
            save(self.folder / "a.nii", data, numpy.diag([-0.2, -0.3, 0.4, 1.0]))
            folder = self.convert(self.folder / "a.nii", "--lossless", "--set",
                                  "StudyDate=20240506")
            self.assertEqual(os.listdir(folder), ["IM0001.dcm"])
            self.no_errors(folder / "IM0001.dcm")
            there = pydicom.dcmread(folder / "IM0001.dcm")
            self.assertEqual(there[keyword].value, data.tobytes(order="F"))
            self.assertEqual((there.ContentDate, there.ContentTime), ("20240506", "000000"))
            frames = there.PerFrameFunctionalGroupsSequence
            numpy.testing.assert_allclose(
                [float(f.PlanePositionSequence[0].ImagePositionPatient[2]) for f in frames],
                [0, 0.4, 0.8, 1.2], atol=1e-7)
            shared = there.SharedFunctionalGroupsSequence[0]
            self.assertEqual([str(v) for v in shared.PixelMeasuresSequence[0].PixelSpacing],
                             ["0.3", "0.2"])
            self.assertGreater(shared.FrameVOILUTSequence[0].WindowWidth, 16)

    def test_several_volumes_are_points_in_time(self):
        data = (ramp((6, 5, 4, 3)) / 7).astype(numpy.float32)
        save(self.folder / "a.nii", data, numpy.diag([-0.2, -0.3, 0.4, 1.0]))
        folder = self.convert(self.folder / "a.nii", "--lossless", "--time-step", "500")
        self.no_errors(folder / "IM0001.dcm")
        there = pydicom.dcmread(folder / "IM0001.dcm")
        self.assertEqual(there.FloatPixelData, data.tobytes(order="F"))
        content = [f.FrameContentSequence[0] for f in there.PerFrameFunctionalGroupsSequence]
        self.assertEqual([list(c.DimensionIndexValues) for c in content],
                         [[t, s] for t in (1, 2, 3) for s in (1, 2, 3, 4)])

    def test_integers_stay_images(self):
        save(self.folder / "a.nii", ramp((6, 5, 4)), numpy.diag([0.2, 0.3, 0.4, 1.0]))
        self.assertEqual(len(os.listdir(self.convert(self.folder / "a.nii", "--lossless"))), 4)


class ImagesOfMaps(Converted):
    """What a Parametric Map says of the images that it was made of."""

    def images(self, affine, *options):
        """A series as a scanner may number and turn it, in a Frame of Reference of its own."""
        save(self.folder / "a.nii", ramp((6, 5, 4)), affine)
        return self.convert(self.folder / "a.nii", "--keep-order", "--set", "PatientID=M1", "--set",
                            "FrameOfReferenceUID=1.2.3.4", *options, out="images")

    def map_of(self, like, affine, *options, volumes=1, shape=(6, 5, 4)):
        data = (ramp((*shape, volumes) if volumes > 1 else shape) / 7).astype(numpy.float32)
        save(self.folder / "t1.nii", data, affine)
        folder = self.convert(self.folder / "t1.nii", "--lossless", "--like", like, *options, out="map")
        return pydicom.dcmread(folder / "IM0001.dcm")

    def named(self, there):
        """SOP Instance UIDs that the object says to be made of."""
        series, = there.ReferencedSeriesSequence
        return series.SeriesInstanceUID, {item.ReferencedSOPInstanceUID
                                          for item in series.ReferencedInstanceSequence}

    def exact(self):
        """It comes back byte for byte, and is certified."""
        done = run("dcm2nii", self.folder / "map", self.folder / "back.nii")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(filecmp.cmp(self.folder / "t1.nii", self.folder / "back.nii", shallow=False))
        done = run("certify", self.folder / "t1.nii", self.folder / "map")
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_each_slice_names_the_image_that_it_lies_on(self):
        for affine in [*list(affines())[::5], *[oblique(seed) for seed in range(70, 76)]]:
            folder = self.images(affine)
            images = {image.SOPInstanceUID: image for image in self.slices(folder)}
            first = next(iter(images.values()))
            turned = affine @ numpy.diag([-1.0, -1.0, 1.0, 1.0])  # as other programs leave it
            turned[:3, 3] = (affine @ [5, 4, 0, 1])[:3]
            there = self.map_of(folder, turned, volumes=2)
            self.no_errors(self.folder / "map/IM0001.dcm")
            self.assertEqual(self.named(there), (first.SeriesInstanceUID, set(images)))
            self.assertEqual(there.StudyInstanceUID, first.StudyInstanceUID)
            self.assertEqual(there.FrameOfReferenceUID, "1.2.3.4")
            orientation = there.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
            numpy.testing.assert_allclose(numbers(orientation.ImageOrientationPatient),
                                          numbers(first.ImageOrientationPatient), atol=1e-6)
            for frame in there.PerFrameFunctionalGroupsSequence:
                source, = frame.DerivationImageSequence[0].SourceImageSequence
                image = images[source.ReferencedSOPInstanceUID]
                self.assertEqual(source.ReferencedSOPClassUID, image.SOPClassUID)
                self.assertNotIn("ReferencedFrameNumber", source)
                numpy.testing.assert_allclose(
                    numbers(frame.PlanePositionSequence[0].ImagePositionPatient),
                    numbers(image.ImagePositionPatient), atol=1e-4)
            self.exact()

    def test_frames_of_one_image_are_named_by_number(self):
        folder = self.images(oblique(80))
        slices = self.slices(folder)
        one = slices[0]
        one.NumberOfFrames, one.PixelData = len(slices), b"".join(s.PixelData for s in slices[::-1])
        one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
        shared, one.PerFrameFunctionalGroupsSequence = pydicom.Dataset(), []
        for name, keywords in (("PixelMeasuresSequence", ("PixelSpacing", "SliceThickness")),
                               ("PlaneOrientationSequence", ("ImageOrientationPatient",))):
            setattr(shared, name, [pydicom.Dataset()])
            for keyword in keywords:
                getattr(shared, name)[0][keyword] = one[keyword]
        one.SharedFunctionalGroupsSequence = [shared]
        for image in slices[::-1]:
            frame = pydicom.Dataset()
            frame.PlanePositionSequence = [pydicom.Dataset()]
            frame.PlanePositionSequence[0].ImagePositionPatient = image.ImagePositionPatient
            one.PerFrameFunctionalGroupsSequence.append(frame)
        one.save_as(self.folder / "one.dcm")
        there = self.map_of(self.folder / "one.dcm", oblique(80))
        self.no_errors(self.folder / "map/IM0001.dcm")
        self.assertEqual(self.named(there)[1], {one.SOPInstanceUID})
        for frame in there.PerFrameFunctionalGroupsSequence:
            source, = frame.DerivationImageSequence[0].SourceImageSequence
            image = one.PerFrameFunctionalGroupsSequence[source.ReferencedFrameNumber - 1]
            numpy.testing.assert_allclose(
                numbers(frame.PlanePositionSequence[0].ImagePositionPatient),
                numbers(image.PlanePositionSequence[0].ImagePositionPatient), atol=1e-4)
        self.exact()

    def test_a_single_image_is_named_by_its_slice_alone(self):
        folder = self.images(oblique(81))
        image = pydicom.dcmread(folder / "IM0003.dcm")
        there = self.map_of(folder / "IM0003.dcm", oblique(81))
        self.assertEqual(self.named(there), (image.SeriesInstanceUID, {image.SOPInstanceUID}))
        frames = there.PerFrameFunctionalGroupsSequence
        self.assertEqual([len(frame.DerivationImageSequence) for frame in frames], [0, 0, 1, 0])
        self.assertEqual(there.FrameOfReferenceUID, "1.2.3.4")
        self.exact()

    def test_a_map_on_another_grid_names_all_images_at_once(self):
        affine = oblique(82)
        images = self.slices(self.images(affine))
        shifted = affine.copy()
        shifted[:3, 3] += 0.4 * affine[:3, 0]
        across = affine[:, [2, 1, 0, 3]]
        for other, shape in ((shifted, (6, 5, 4)), (affine, (6, 7, 4)), (across, (4, 5, 6))):
            there = self.map_of(self.folder / "images", other, shape=shape)
            self.no_errors(self.folder / "map/IM0001.dcm")
            named = {image.SOPInstanceUID for image in images}
            self.assertEqual(self.named(there)[1], named)
            _, derivation = there.SharedFunctionalGroupsSequence[0].DerivationImageSequence
            self.assertEqual({source.ReferencedSOPInstanceUID
                              for source in derivation.SourceImageSequence}, named)
            for frame in there.PerFrameFunctionalGroupsSequence:
                self.assertNotIn("DerivationImageSequence", frame)
            self.assertNotEqual(there.FrameOfReferenceUID, "1.2.3.4")
            self.exact()
            told = run("nii2dcm", self.folder / "t1.nii", self.folder / "again", "--modality", "MR",
                       "--lossless", "--like", self.folder / "images")
            self.assertIn("OHIF, will not show it", told.stderr)
            shutil.rmtree(self.folder / "again")

    def test_images_of_another_study_are_named_apart(self):
        folder = self.images(oblique(83))
        there = self.map_of(folder, oblique(83), "--set", "StudyInstanceUID=1.2.3")
        self.no_errors(self.folder / "map/IM0001.dcm")
        self.assertNotIn("ReferencedSeriesSequence", there)
        study, = there.StudiesContainingOtherReferencedInstancesSequence
        self.assertEqual(study.StudyInstanceUID, self.slices(folder)[0].StudyInstanceUID)
        self.assertEqual(len(self.named(study)[1]), 4)

    def test_a_map_with_voxels_that_are_no_numbers_is_told(self):
        data = (ramp((6, 5, 4)) / 7).astype(numpy.float32)
        data[1, 2, :] = numpy.nan
        save(self.folder / "t1.nii", data, oblique(90))
        done = run("nii2dcm", self.folder / "t1.nii", self.folder / "map", "--modality", "MR", "--lossless",
                   "--like", self.images(oblique(90)))
        self.assertEqual(done.returncode, 0)
        self.assertIn("4 voxels hold no number", done.stderr)
        self.exact()

    def test_nothing_is_named_where_nothing_is_known(self):
        folder = self.images(oblique(84))
        save(self.folder / "t1.nii", (ramp((6, 5, 4)) / 7).astype(numpy.float32), oblique(84))
        there = pydicom.dcmread(self.convert(self.folder / "t1.nii", "--lossless") / "IM0001.dcm")
        plain = self.slices(self.convert(self.folder / "a.nii", "--like", folder))
        for made in (there, *plain):
            for keyword in ("ReferencedSeriesSequence", "DerivationImageSequence",
                            "StudiesContainingOtherReferencedInstancesSequence"):
                self.assertNotIn(keyword, str(made))
        self.assertEqual({image.PatientID for image in plain}, {"M1"})

    def test_what_names_other_images_is_not_taken(self):
        folder = self.images(oblique(85))
        there = self.map_of(folder, oblique(85), "--set",
                            "ReferencedSeriesSequence[0].SeriesInstanceUID=1.2.3")
        self.assertEqual(self.named(there)[0], self.slices(folder)[0].SeriesInstanceUID)

    def test_the_attributes_are_those_of_the_first_slice(self):
        folder = self.images(oblique(86))
        for number, path in enumerate(sorted(folder.iterdir()), 1):
            image = pydicom.dcmread(path)
            image.AcquisitionTime = f"10000{number}"
            image.save_as(folder / f"other{9 - number}.dcm")
            path.unlink()
        self.assertEqual(self.map_of(folder, oblique(86)).AcquisitionTime, "100001")

    def test_a_folder_of_two_series_is_refused(self):
        folder = self.images(oblique(87))
        other = self.convert(self.folder / "a.nii", out="other")
        for path in other.iterdir():
            path.rename(folder / f"other{path.name}")
        self.refused(22, "--like with the folder", self.folder / "a.nii", "--lossless", "--like", folder)

    def test_a_file_that_is_no_image_in_space_gives_its_attributes(self):
        image = pydicom.dcmread(self.images(oblique(88)) / "IM0001.dcm")
        del image.ImagePositionPatient
        image.save_as(self.folder / "like.dcm")
        there = self.map_of(self.folder / "like.dcm", oblique(88))
        self.assertEqual(there.PatientID, "M1")
        self.assertNotIn("ReferencedSeriesSequence", there)

    def test_a_series_of_the_archive(self):
        folder, data = self.images(oblique(89)), ("--data-dir", self.folder / "data")
        done = run("import", "--dicom", folder, *data)
        self.assertEqual(done.returncode, 0, done.stderr)
        images = self.slices(folder)
        for uid in (images[0].SeriesInstanceUID, images[0].StudyInstanceUID):
            there = self.map_of(uid, oblique(89), *data)
            self.assertEqual(self.named(there),
                             (images[0].SeriesInstanceUID, {image.SOPInstanceUID for image in images}))


class Attributes(Converted):
    def test_what_is_said_last_holds(self):
        save(self.folder / "a.nii", ramp((6, 5, 4)), oblique(3))
        like = pydicom.dcmread(self.convert(self.folder / "a.nii", out="like") / "IM0001.dcm")
        like.SpecificCharacterSet = "ISO_IR 100"
        like.PatientName = "M\u00fcller^M1"
        like.PatientID, like.StudyDate, like.EchoTime, like.ProtocolName = "L", "20240102", "7", "T2"
        like.WindowCenter, like.SeriesDescription = 77, "of the other"
        like.save_as(self.folder / "like.dcm")
        (self.folder / "more.json").write_text(json.dumps({
            "00100020": {"vr": "LO", "Value": ["J"]},
            "00181030": {"vr": "LO", "Value": ["J"]},
            "00102202": {"vr": "SQ", "Value": [{
                "00080100": {"vr": "SH", "Value": ["447612001"]},
                "00080102": {"vr": "SH", "Value": ["SCT"]},
                "00080104": {"vr": "LO", "Value": ["Mus musculus"]}}]}}))
        series = self.convert(self.folder / "a.nii", "--like", self.folder / "like.dcm",
                              "--attributes", self.folder / "more.json", "--set", "ProtocolName=S",
                              "--set", "PatientSpeciesCodeSequence[0].CodeMeaning=Mouse")
        there = pydicom.dcmread(series / "IM0002.dcm")
        self.assertEqual(there.SpecificCharacterSet, "ISO_IR 192")
        self.assertEqual(str(there.PatientName), "M\u00fcller^M1")
        self.assertEqual((there.StudyDate, float(there.EchoTime)), ("20240102", 7))
        self.assertEqual((there.PatientID, there.ProtocolName), ("J", "S"))
        self.assertEqual(there.PatientSpeciesCodeSequence[0].CodeMeaning, "Mouse")
        self.assertEqual(there.StudyInstanceUID, like.StudyInstanceUID)
        self.assertNotEqual(there.SeriesInstanceUID, like.SeriesInstanceUID)
        self.assertNotEqual(there.WindowCenter, 77)
        self.no_errors(series / "IM0002.dcm")

    def test_what_the_image_decides_is_not_taken(self):
        save(self.folder / "a.nii", ramp((6, 5, 4)), numpy.diag([0.2, 0.3, 0.4, 1.0]))
        done = run("nii2dcm", self.folder / "a.nii", self.folder / "dcm", "--modality", "MR",
                   "--set", "PixelSpacing=9\\9", "--set", "AnatomicalOrientationType=BIPED")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("PixelSpacing (0028,0030): the image decides", done.stderr)
        there = pydicom.dcmread(self.folder / "dcm/IM0001.dcm")
        self.assertEqual([float(v) for v in there.PixelSpacing], [0.3, 0.2])
        self.assertEqual(there.AnatomicalOrientationType, "BIPED")
        self.refused(1, "Modality", self.folder / "a.nii", "--set", "Modality=US")

    def test_wrong_attributes_are_named(self):
        save(self.folder / "a.nii", ramp((6, 5, 4)), numpy.diag([0.2, 0.3, 0.4, 1.0]))
        (self.folder / "bad.json").write_text("{")
        for code, text, *options in ((1, "PatientIdd", "--set", "PatientIdd=1"),
                                     (1, "PatientBirthDate", "--set", "PatientBirthDate=soon"),
                                     (1, "KEY=VALUE", "--set", "PatientID"),
                                     (22, "bad.json", "--attributes", self.folder / "bad.json"),
                                     (20, "no.dcm", "--like", self.folder / "no.dcm"),
                                     (22, "a.nii", "--like", self.folder / "a.nii")):
            with self.subTest(options=options):
                self.refused(code, text, self.folder / "a.nii", *options)


class Refusals(Converted):
    def test_wrong_files_are_refused_and_leave_nothing(self):
        save(self.folder / "good.nii", ramp((6, 5, 4)), numpy.diag([0.2, 0.3, 0.4, 1.0]))
        raw = (self.folder / "good.nii").read_bytes()

        def with_field(offset, *values):
            value = b"".join(v.tobytes() for v in values)
            return raw[:offset] + value + raw[offset + len(value):]

        i16, f32 = numpy.int16, numpy.float32
        packed = gzip.compress(raw)
        files = {
            "cut.nii": (raw[:400], "truncated"),
            "short.nii": (raw[:377], "claim"),
            "text.nii": (b"no image at all" * 100, "sizeof_hdr"),
            "empty.nii": (b"", "sizeof_hdr"),
            "huge.nii": (with_field(42, i16(3000), i16(3000), i16(3000)), "claim"),
            "bomb.nii.gz": (gzip.compress(with_field(42, i16(3000), i16(3000), i16(3000))[:377]),
                            "claim"),
            "dim0.nii": (with_field(40, i16(9)), "dim[0] is 9"),
            "dim2.nii": (with_field(44, i16(-5)), "dim[2] is -5"),
            "offset.nii": (with_field(108, f32("nan")), "vox_offset is nan"),
            "before.nii": (with_field(108, f32(16)), "vox_offset is 16"),
            "srow.nii": (with_field(280, f32("nan")), "srow_x[0] is nan"),
            "inter.nii": (with_field(112, f32(2), f32("inf")), "scl_inter is inf"),
            "type.nii": (with_field(70, i16(32)), "datatype 32"),
            "cut.nii.gz": (packed[:len(packed) // 2], "truncated"),
            "crc.nii.gz": (packed[:-8] + b"abcd" + packed[-4:], "gzip"),
        }
        for name, (content, text) in files.items():
            (self.folder / name).write_bytes(content)
            with self.subTest(name=name):
                self.refused(22, name, self.folder / name)
                self.refused(22, text, self.folder / name)
        self.refused(20, "absent.nii", self.folder / "absent.nii")
        self.refused(1, "regular", self.folder)
        self.refused(1, "--modality", self.folder / "good.nii", modality="US")

    def test_a_folder_that_cannot_be_made_is_an_output_that_cannot_be_written(self):
        save(self.folder / "a.nii", ramp((6, 5, 4)), numpy.diag([0.2, 0.3, 0.4, 1.0]))
        (self.folder / "file").write_text("not ours")
        for folder in (self.folder / "file", self.folder / "file" / "below", "/proc/none/x"):
            done = run("nii2dcm", self.folder / "a.nii", folder, "--modality", "MR")
            self.assertEqual(done.returncode, 40, done.stderr)
            self.assertIn("cannot make the folder", done.stderr)
        self.assertEqual((self.folder / "file").read_text(), "not ours")

    def test_a_folder_of_another_conversion_is_not_mixed(self):
        save(self.folder / "a.nii", ramp((6, 5, 4)), numpy.diag([0.2, 0.3, 0.4, 1.0]))
        save(self.folder / "b.nii", ramp((6, 5, 3)), numpy.diag([0.2, 0.3, 0.4, 1.0]))
        folder = self.convert(self.folder / "a.nii")
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.assertEqual(run("nii2dcm", self.folder / "a.nii", folder, "-m", "MR").returncode, 0)
        done = run("nii2dcm", self.folder / "b.nii", folder, "--modality", "MR")
        self.assertEqual(done.returncode, 22)
        self.assertIn(" is of another conversion", done.stderr)
        self.assertEqual({path.name: path.read_bytes() for path in folder.iterdir()}, before)
        done = run("nii2dcm", self.folder / "a.nii", folder, "-m", "MR", "--set", "PatientID=M2")
        self.assertEqual(done.returncode, 22)  # of as many slices
        self.assertIn(" is of another conversion", done.stderr)
        self.assertEqual({path.name: path.read_bytes() for path in folder.iterdir()}, before)

    def test_a_full_disk_leaves_nothing(self):
        def limit():  # of a file's size: the first one does not fit
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

        for shape in ((64, 64, 4), (256, 256, 40)):  # by one thread, and by two
            with self.subTest(shape=shape):
                save(self.folder / "a.nii", ramp(shape), numpy.diag([0.2, 0.3, 0.4, 1.0]))
                target = self.folder / "new" / "out"
                done = subprocess.run(
                    [MURPACS, "nii2dcm", self.folder / "a.nii", target, "-m", "MR"],
                    preexec_fn=limit, capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, 40, done.stderr)
                self.assertIn("IM0001.dcm", done.stderr)
                self.assertFalse(target.parent.exists())

    def test_an_interrupt_leaves_nothing(self):
        image = nibabel.Nifti1Image(numpy.zeros((1, 1, 1), numpy.int16), None)
        image.header.set_data_shape((512, 512, 2000))
        with open(self.folder / "a.nii", "wb") as file:  # a gigabyte that takes no room
            file.write(image.header.binaryblock)
            file.truncate(352 + 512 * 512 * 2000 * 2)
        with open(self.folder / "a.nii", "r+b") as file:
            file.seek(108)
            file.write(numpy.float32(352).tobytes())
        target = self.folder / "out"
        running = subprocess.Popen([MURPACS, "nii2dcm", self.folder / "a.nii", target, "-m", "MR"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while running.poll() is None and not (target.exists() and any(target.iterdir())):
            time.sleep(0.001)
        running.send_signal(signal.SIGINT)
        _, words = running.communicate(timeout=60)
        self.assertEqual(running.returncode, 52, words)
        self.assertIn("stopped by request", words)
        self.assertFalse(target.exists())


class Told(Converted):
    def test_json_tells_what_was_made(self):
        data = (ramp((6, 5, 4)) / 7).astype(numpy.float32)
        data[0, 0, 0] = numpy.nan
        save(self.folder / "a.nii", data, numpy.diag([0.2, 0.3, 0.4, 1.0]))
        done = run("nii2dcm", self.folder / "a.nii", self.folder / "dcm", "--modality", "CT",
                   "--nan", "pad", "--json", "-q")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        told = json.loads(done.stdout)
        slices = self.slices(self.folder / "dcm")
        self.assertEqual(told["series"][0]["SeriesInstanceUID"], slices[0].SeriesInstanceUID)
        self.assertEqual(told["series"][0]["voxelsSHA256"],
                         hashlib.sha256(data.tobytes(order="F")).hexdigest())
        self.assertEqual(told["SOPClassUID"], slices[0].SOPClassUID)
        self.assertEqual((told["instances"], told["paddedVoxels"]), (4, 1))
        self.assertAlmostEqual(told["valueErrorBound"], float(slices[0].RescaleSlope) / 2, places=7)
        self.assertLess(told["cornerErrorMM"], 1e-5)
        self.assertTrue(told["columnsReversed"] and told["rowsReversed"])
        self.assertTrue(any("16 bits" in w for w in told["warnings"]))


@unittest.skipUnless((TESTDATA / "nifti").is_dir(), "no foreign test data")
class Foreign(Folder):
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
