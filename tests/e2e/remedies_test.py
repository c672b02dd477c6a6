#!/usr/bin/python3
"""What a refused conversion advises is an option of the command, and helps."""
import re
import unittest

import nibabel
import numpy

from volumes import SOURCE, Folder, oblique, ramp, run, save

ORGANS = SOURCE / "etc/organs.cfg"
STRAIGHT = numpy.diag([0.2, 0.3, 0.4, 1.0])


class Remedies(Folder):
    def advised(self, command, *arguments, helps, code=22):
        """Refused with advice that names real options; with @p helps it is done."""
        done = run(command, *arguments)
        self.assertEqual(done.returncode, code, done.stderr)
        advice = re.search(r"^Try: (.*)$", done.stderr, re.M)
        self.assertIsNotNone(advice, done.stderr)
        known = set(re.findall(r"--[a-z-]+", run("help", command).stdout))
        for option in re.findall(r"--[a-z-]+", advice[1]):
            self.assertIn(option, known)
        if helps:
            self.assertIn(helps[0], advice[1])
        done = run(command, *arguments, *helps)
        self.assertEqual(done.returncode, 0, done.stderr)

    def image(self, *helps, code=22, name="a.nii"):
        self.advised("nii2dcm", self.folder / name, self.folder / "out", "-m", "MR", helps=helps,
                     code=code)

    def test_shear(self):
        affine = STRAIGHT.copy()
        affine[0, 2] = 0.1
        save(self.folder / "a.nii", ramp((6, 5, 4)), affine)
        self.image("--allow-shear")

    def test_the_order_of_analyze(self):
        nibabel.save(nibabel.AnalyzeImage(ramp((6, 5, 4)), STRAIGHT), self.folder / "a.img")
        self.image("--analyze-lr", "las", code=1, name="a.img")

    def test_values_that_are_not_finite(self):
        data = ramp((6, 5, 4), numpy.float32)
        data[1, 2, 3] = numpy.inf
        save(self.folder / "a.nii", data, STRAIGHT)
        self.image("--nan", "pad")

    def test_wide_integers(self):
        save(self.folder / "a.nii", ramp((60, 50, 40), numpy.int32), STRAIGHT)
        self.image("--round-integers")

    def test_floats_too_far_apart(self):
        data = ramp((6, 5, 4), numpy.float64)
        data[0, 0, 0], data[0, 0, 1] = -1.7e308, 1.7e308
        save(self.folder / "a.nii", data, STRAIGHT)
        self.image("--lossless")

    def test_a_fourth_dimension_that_is_no_time(self):
        image = nibabel.Nifti1Image(ramp((6, 5, 4, 3)), STRAIGHT)
        image.header.set_xyzt_units("mm", "hz")
        nibabel.save(image, self.folder / "a.nii")
        self.image("--kind", "time")

    def series(self, name, shape=(6, 5, 4)):
        """A folder with one more series, of its own study."""
        save(self.folder / name, ramp(shape), oblique(len(name)))
        return self.convert(self.folder / name, "--set", f"StudyInstanceUID=1.2.{len(name)}",
                            out=f"series/{name}")

    def test_several_series_and_one_file(self):
        self.series("a.nii")
        self.series("ab.nii")
        done = run("dcm2nii", self.folder / "series/a.nii", self.folder / "x.nii", "--json")
        uid = re.search(r'"SeriesInstanceUID": ?"([0-9.]+)"', done.stdout)[1]
        self.advised("dcm2nii", self.folder / "series", self.folder / "x.nii",
                     helps=("--series", uid))

    def test_slices_that_are_missing(self):
        folder = self.series("a.nii", (6, 5, 9))
        (folder / "IM0004.dcm").unlink()
        self.advised("dcm2nii", folder, self.folder / "slabs", helps=("--allow-gaps",))

    def test_several_series_to_segment(self):
        mine = self.series("a.nii")
        self.series("ab.nii")
        labels = nibabel.load(self.folder / "a.nii")
        save(self.folder / "labels.nii", (ramp((6, 5, 4)) % 2).astype(numpy.uint8), labels.affine)
        done = run("dcm2nii", mine, self.folder / "x.nii", "--json")
        uid = re.search(r'"SeriesInstanceUID": ?"([0-9.]+)"', done.stdout)[1]
        self.advised("labels2seg", self.folder / "labels.nii", self.folder / "series",
                     self.folder / "seg.dcm", "--organs", ORGANS, "--label", "1=liver",
                     helps=("--series", uid))

    def test_labels_without_a_name_and_segments_that_overlap(self):
        folder = self.series("a.nii")
        affine = nibabel.load(self.folder / "a.nii").affine
        save(self.folder / "labels.nii", (ramp((6, 5, 4)) % 3).astype(numpy.uint8), affine)
        files = (self.folder / "labels.nii", folder, self.folder / "seg.dcm")
        self.advised("labels2seg", *files, "--organs", ORGANS, "--label", "1=liver",
                     helps=("--ignore-unlisted",))
        for index, name in enumerate(("liver", "heart")):
            mask = numpy.zeros((6, 5, 4), numpy.uint8)
            mask[index:index + 3] = 1
            save(self.folder / f"{name}.nii", mask, affine)
        masks = [self.folder / f"{name}.nii" for name in ("liver", "heart")]
        done = run("labels2seg", *masks, *files[1:], "--organs", ORGANS, "--labelmap")
        self.assertEqual(done.returncode, 22, done.stderr)
        self.assertIn("Try: without --labelmap", done.stderr)
        done = run("labels2seg", *masks, *files[1:], "--organs", ORGANS)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.advised("seg2labels", files[2], self.folder / "back.nii",
                     helps=("--overlap", "layers"))

    def test_masks_of_different_grids(self):
        folder = self.series("a.nii")
        affine = nibabel.load(self.folder / "a.nii").affine
        save(self.folder / "liver.nii", (ramp((6, 5, 4)) % 2).astype(numpy.uint8), affine)
        save(self.folder / "heart.nii", (ramp((6, 5, 2)) % 3 // 2).astype(numpy.uint8),
             affine @ numpy.diag([1, 1, 2, 1]))
        self.advised("labels2seg", self.folder / "liver.nii", self.folder / "heart.nii", folder,
                     self.folder / "seg.dcm", "--organs", ORGANS, helps=("--resample", "nearest"))


if __name__ == "__main__":
    unittest.main()
