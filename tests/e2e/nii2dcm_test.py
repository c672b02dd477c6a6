#!/usr/bin/python3
"""NIfTI to DICOM, read back by others: nibabel and pydicom (by volumes.py), dcm2niix, dciodvfy."""
import filecmp
import gzip
import os
import shutil
import subprocess
import unittest

import nibabel
import numpy
import pydicom

from volumes import Folder, affines, oblique, ramp, read_series, run, same_world, save


class Images(Folder):
    def test_all_48_orders_and_directions_keep_their_place(self):
        for affine in affines():
            image = save(self.folder / "a.nii", ramp((6, 5, 4)), affine)
            voxels, there, slices = read_series(self.convert(self.folder / "a.nii"))
            same_world(self, image, voxels, there)
            numbers_along = [int(s.InstanceNumber) for s in slices]
            self.assertEqual(numbers_along, sorted(numbers_along))

    def test_oblique_and_left_handed_volumes_keep_their_place(self):
        for seed in range(12):
            image = save(self.folder / "a.nii", ramp((6, 5, 4)), oblique(seed))
            voxels, there, _ = read_series(self.convert(self.folder / "a.nii"))
            same_world(self, image, voxels, there)

    def test_dcm2niix_reads_back_the_same(self):
        chosen = [*list(affines())[::7], *[oblique(seed) for seed in range(20, 25)]]
        for affine in chosen:
            image = save(self.folder / "a.nii", ramp((12, 10, 8)), affine)
            series = self.convert(self.folder / "a.nii", "--biped")
            back = self.folder / "back"
            shutil.rmtree(back, ignore_errors=True)
            back.mkdir()
            subprocess.run(["dcm2niix", "-b", "n", "-z", "n", "-f", "x", "-o", back, series],
                           capture_output=True, check=True)
            other = nibabel.load(back / "x.nii")
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
        self.assertIn("1 voxels are not finite", done.stderr)
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

    def test_wrong_files_are_refused_and_leave_nothing(self):
        save(self.folder / "good.nii", ramp((6, 5, 4)), numpy.diag([0.2, 0.3, 0.4, 1.0]))
        raw = (self.folder / "good.nii").read_bytes()
        sheared = numpy.diag([0.2, 0.3, 0.4, 1.0])
        sheared[0, 2] = 0.1
        save(self.folder / "sheared.nii", ramp((6, 5, 4)), sheared)
        save(self.folder / "5d.nii", ramp((6, 5, 4, 1, 2)), numpy.diag([0.2, 0.3, 0.4, 1.0]))
        (self.folder / "cut.nii").write_bytes(raw[:400])
        (self.folder / "text.nii").write_bytes(b"no image at all" * 100)
        (self.folder / "bomb.nii.gz").write_bytes(
            gzip.compress(raw[:42] + b"\xb8\x0b" * 3 + raw[48:377]))
        cases = {"absent.nii": (20, "absent.nii"), "cut.nii": (22, "truncated"),
                 "text.nii": (22, "sizeof_hdr"), "bomb.nii.gz": (22, "claim"),
                 "sheared.nii": (22, "sheared"), "5d.nii": (22, "dim[5] is 2")}
        for name, (code, text) in cases.items():
            done = run("nii2dcm", self.folder / name, self.folder / "out", "--modality", "MR")
            with self.subTest(name=name):
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(name, done.stderr)
                self.assertIn(text, done.stderr)
                self.assertFalse((self.folder / "out").exists())


if __name__ == "__main__":
    unittest.main()
