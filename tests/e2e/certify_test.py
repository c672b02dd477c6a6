#!/usr/bin/python3
"""Certificates: what a good conversion gets, and that damage is found and named. Digests are
recomputed with nibabel and numpy."""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
import warnings

import nibabel
import numpy
import pydicom

MURPACS = os.environ["MURPACS"]
SOURCE = pathlib.Path(os.environ["MURPACS_SOURCE"])
ORGANS = SOURCE / "etc/organs.cfg"
AFFINE = numpy.array([[0, 0.3, 0, 4], [-0.2, 0, 0, 5], [0, 0, -0.7, 6], [0, 0, 0, 1.0]])

warnings.filterwarnings("ignore", module="pydicom")


def run(*arguments):
    return subprocess.run([MURPACS, *map(str, arguments)], capture_output=True, text=True,
                          timeout=120, check=False)


def sha256(array):
    return hashlib.sha256(array.tobytes(order="F")).hexdigest()


def label_sha256(mask):
    """As converters/certificate.h says."""
    digest = hashlib.sha256()
    for k in range(mask.shape[2]):
        digest.update(numpy.packbits(mask[..., k].ravel(order="F"), bitorder="little").tobytes())
    return digest.hexdigest()


class Folder(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="mur_certify_")
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)

    def path(self, name):
        return self.folder / name

    def save(self, data, name="image.nii", affine=AFFINE):
        nibabel.save(nibabel.Nifti1Image(data, affine), self.path(name))
        return self.path(name)

    def convert(self, image, *options, modality="MR", out="dicom"):
        shutil.rmtree(self.path(out), ignore_errors=True)
        done = run("nii2dcm", image, self.path(out), "--modality", modality, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.path(out)

    def certify(self, *files, options=(), verdict="pass"):
        done = run("certify", *files, *options)
        self.said = done.stderr
        self.assertEqual(done.returncode, 0 if verdict == "pass" else 1, done.stderr)
        certificate = json.loads(done.stdout)
        self.assertEqual(certificate["Verdict"], verdict)
        self.assertEqual(bool(certificate["Failures"]), verdict == "fail")
        return certificate

    def damaged(self, *files, names=()):
        certificate = self.certify(*files, verdict="fail")
        for name in names:
            self.assertTrue(any(name in text for text in certificate["Failures"]),
                            (name, certificate["Failures"]))
            self.assertIn(name, self.said)
        self.assertNotIn(str(self.folder), json.dumps(certificate))
        return certificate


def numbers(shape=(7, 6, 5), dtype=numpy.int16, seed=1):
    return numpy.random.default_rng(seed).integers(0, 120, shape).astype(dtype)


class Images(Folder):
    def test_whole_numbers_are_proven_by_their_digest(self):
        for dtype in (numpy.uint8, numpy.int8, numpy.int16, numpy.uint16, numpy.int32,
                      numpy.uint32):
            data = numbers(dtype=dtype)
            if dtype == numpy.int32:
                data += 100000
            image = self.save(data)
            with self.subTest(dtype=dtype.__name__):
                certificate = self.certify(image, self.convert(image))
                for side in ("Original", "Converted"):
                    self.assertEqual(certificate[side]["VoxelsSHA256"], sha256(data))
                self.assertTrue(certificate["Values"]["Exact"])
                self.assertEqual(certificate["Values"]["Compared"], data.size)
                self.assertEqual(certificate["Values"]["LargestError"], 0)
                self.assertLess(certificate["Geometry"]["CornerErrorMM"], 1e-5)
                self.assertEqual(certificate["Original"]["VoxelType"], numpy.dtype(dtype).name)

    def test_floats_are_within_the_bound_that_is_told(self):
        data = numpy.random.default_rng(2).normal(0, 3e-4, (7, 6, 5)).astype(numpy.float32)
        image = self.save(data)
        series = self.convert(image)
        certificate = self.certify(image, series)
        values = certificate["Values"]
        slope = float(pydicom.dcmread(next(series.iterdir())).RescaleSlope)
        self.assertFalse(values["Exact"])
        self.assertAlmostEqual(values["ErrorBound"], slope / 2, delta=1e-6 * slope)
        self.assertLessEqual(values["LargestError"], values["ErrorBound"] * 1.001)
        self.assertGreater(values["LargestError"], 0)
        self.assertEqual(certificate["Original"]["VoxelsSHA256"], sha256(data))
        self.assertNotEqual(certificate["Converted"]["VoxelsSHA256"], sha256(data))
        data[1, 2, 3] = numpy.nan
        image = self.save(data)
        for answer in ("pad", "7"):
            certificate = self.certify(image, self.convert(image, "--nan", answer))
            self.assertEqual(certificate["Values"]["NotFinite"], 1)

    def test_floats_without_loss_and_scaled_ones(self):
        data = numpy.random.default_rng(3).normal(0, 3e-4, (7, 6, 5)).astype(numpy.float32)
        image = self.save(data)
        certificate = self.certify(image, self.convert(image, "--lossless"))
        self.assertTrue(certificate["Values"]["Exact"])
        image = self.save(numbers())
        raw = bytearray(image.read_bytes())
        raw[112:120] = numpy.array([0.1, -3], numpy.float32).tobytes()
        image.write_bytes(raw)
        certificate = self.certify(image, self.convert(image))
        self.assertEqual(certificate["Converted"]["VoxelsSHA256"], sha256(numbers()))

    def test_several_volumes_and_colour(self):
        image = self.save(numbers((7, 6, 5, 3)))
        for kind in ("time", "echo", "dixon=WATER,FAT,IN_PHASE"):
            options = ("--echo-times", "1,2,3") if kind == "echo" else ()
            certificate = self.certify(image, self.convert(image, "--kind", kind, *options))
            self.assertEqual(certificate["Geometry"]["Volumes"], 3)
        rgb = numpy.zeros((7, 6, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")])
        rgb["G"] = numbers(dtype=numpy.uint8)
        image = self.save(rgb)
        self.certify(image, self.convert(image))

    def test_any_order_of_axes(self):
        for seed in range(6):
            random = numpy.random.default_rng(seed)
            q, _ = numpy.linalg.qr(random.normal(size=(3, 3)))
            affine = numpy.eye(4)
            affine[:3, :3] = q * random.uniform(0.02, 2.0, size=3)
            affine[:3, 3] = random.uniform(-200, 200, size=3)
            image = self.save(numbers(), affine=affine)
            self.certify(image, self.convert(image))

    def test_the_other_way_round(self):
        series = self.convert(self.save(numbers((7, 6, 5, 2))), "--kind", "time")
        for options in ((), ("--plain",)):
            done = run("dcm2nii", series, self.path("back.nii.gz"), *options)
            self.assertEqual(done.returncode, 0, done.stderr)
            certificate = self.certify(series, self.path("back.nii.gz"))
            self.assertEqual(certificate["Original"]["Instances"], 10)
            self.assertEqual(certificate["Converted"]["Files"], ["back.nii.gz"])
        image = nibabel.load(self.path("back.nii.gz"))
        data = numpy.asanyarray(image.dataobj).copy()
        data[3, 2, 1, 1] += 1
        nibabel.save(nibabel.Nifti1Image(data, image.affine), self.path("back.nii.gz"))
        self.damaged(series, self.path("back.nii.gz"),
                     names=("slice k=1 of volume 1", "(3, 2, 1)"))
        with open(self.path("cut.nii"), "wb") as cut:
            cut.write(self.path("image.nii").read_bytes()[:600])
        self.damaged(series, self.path("cut.nii"), names=("cut.nii",))

    def test_is_written_to_a_file_and_the_same_again(self):
        image = self.save(numbers())
        series = self.convert(image)
        for name in ("a.json", "b.json"):
            done = run("certify", image, series, "-o", self.path(name))
            self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        self.assertEqual(self.path("a.json").read_text(), self.path("b.json").read_text())


class DamagedImages(Folder):
    def setUp(self):
        super().setUp()
        self.data = numbers()
        self.image = self.save(self.data)
        self.series = self.convert(self.image)
        self.files = sorted(self.series.iterdir())

    def edit(self, path, **elements):
        ds = pydicom.dcmread(path)
        for name, value in elements.items():
            setattr(ds, name, value)
        ds.save_as(path)

    def test_one_flipped_bit(self):
        ds = pydicom.dcmread(self.files[2])
        pixels = bytearray(ds.PixelData)
        pixels[2 * (3 * ds.Columns + 4)] ^= 1  # row 4, column 5
        self.edit(self.files[2], PixelData=bytes(pixels))
        certificate = self.damaged(self.image, self.series,
                                   names=(self.files[2].name, "row 4, column 5", "1 voxel differs",
                                          ds.SOPInstanceUID))
        self.assertEqual(certificate["Values"]["Differing"], 1)
        self.assertEqual(certificate["Values"]["LargestError"], 1)
        self.assertEqual(certificate["Original"]["VoxelsSHA256"], sha256(self.data))
        self.assertNotEqual(certificate["Converted"]["VoxelsSHA256"], sha256(self.data))
        text = certificate["Failures"][0]
        i, j, k = map(int, text[text.index("(") + 1:text.index(")")].split(","))
        self.assertIn(f"slice k={k}:", text)
        self.assertIn(f": {self.data[i, j, k]} in the NIfTI file, {self.data[i, j, k] ^ 1} in", text)

    def test_one_flipped_bit_of_a_float(self):
        data = numpy.random.default_rng(2).normal(0, 3e-4, (7, 6, 5)).astype(numpy.float32)
        image = self.save(data)
        series = self.convert(image)
        files = sorted(series.iterdir())
        ds = pydicom.dcmread(files[1])
        pixels = bytearray(ds.PixelData)
        pixels[10] ^= 1
        self.edit(files[1], PixelData=bytes(pixels))
        self.damaged(image, series, names=(files[1].name, "row 1, column 6"))

    def test_one_flipped_bit_of_what_is_scaled_finely(self):
        """A step is less than what lies between a decimal and the float32 of the header."""
        path = self.save(self.data)
        raw = bytearray(path.read_bytes())
        raw[112:120] = numpy.array([1e-4, 1000.1], numpy.float32).tobytes()
        path.write_bytes(raw)
        series = self.convert(path)
        self.assertTrue(self.certify(path, series)["Values"]["Exact"])
        files = sorted(series.iterdir())
        ds = pydicom.dcmread(files[1])
        pixels = bytearray(ds.PixelData)
        pixels[10] ^= 1
        self.edit(files[1], PixelData=bytes(pixels))
        self.damaged(path, series, names=(files[1].name, "row 1, column 6"))

    def test_two_slices_exchanged(self):
        first, second = (pydicom.dcmread(path) for path in self.files[1:3])
        self.edit(self.files[1], PixelData=second.PixelData)
        self.edit(self.files[2], PixelData=first.PixelData)
        certificate = self.damaged(self.image, self.series,
                                   names=(self.files[1].name, self.files[2].name))
        self.assertEqual(len(certificate["Failures"]), 2)

    def test_directions_reversed(self):
        for part, text in ((0, "rows run"), (3, "columns run")):
            self.convert(self.image)
            for path in self.files:
                orientation = [float(v) for v in pydicom.dcmread(path).ImageOrientationPatient]
                orientation[part:part + 3] = [-v for v in orientation[part:part + 3]]
                self.edit(path, ImageOrientationPatient=orientation)
            certificate = self.damaged(self.image, self.series, names=(text, "against the direction"))
            self.assertIsNone(certificate["Geometry"]["CornerErrorMM"])

    def test_one_slice_turned(self):
        orientation = [float(v) for v in pydicom.dcmread(self.files[3]).ImageOrientationPatient]
        self.edit(self.files[3], ImageOrientationPatient=[*orientation[:3],
                                                          *[-v for v in orientation[3:]]])
        self.damaged(self.image, self.series, names=(f"{self.files[3].name}: its Image Orientation",))

    def test_one_slice_missing_or_elsewhere(self):
        position = [float(v) for v in pydicom.dcmread(self.files[2]).ImagePositionPatient]
        position[0] += 0.004
        self.edit(self.files[2], ImagePositionPatient=position)
        self.damaged(self.image, self.series, names=(f"{self.files[2].name}: Image Position",))
        self.files[2].unlink()
        self.damaged(self.image, self.series, names=("slices are missing",))

    def test_other_spacing_and_scale(self):
        for path in self.files:
            self.edit(path, PixelSpacing=[0.3004, 0.2004])
        certificate = self.damaged(self.image, self.series, names=("a corner of the volume",))
        self.assertGreater(certificate["Geometry"]["CornerErrorMM"], 1e-4)
        self.convert(self.image)
        for path in self.files:
            self.edit(path, RescaleIntercept="1")
        self.damaged(self.image, self.series, names=("voxels differ",))

    def test_a_file_that_cannot_be_written_is_an_output(self):
        done = run("certify", self.save(self.data), self.convert(self.path("image.nii")), "-o",
                   self.path("none/certificate.json"))
        self.assertEqual(done.returncode, 40, done.stderr)

    def test_what_cannot_be_compared_is_an_error(self):
        for files, code, text in (((self.image, self.image), 1, "must be DICOM"),
                                  ((self.series, self.series), 1, "must be DICOM"),
                                  ((self.path("absent"), self.series), 20, "absent"),
                                  ((self.image,), 1, "needed")):
            done = run("certify", *files)
            self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
            self.assertIn(text, done.stderr)


class Labels(Folder):
    def setUp(self):
        super().setUp()
        self.series = self.convert(self.save(numbers()))
        random = numpy.random.default_rng(4)
        self.data = random.choice((0, 0, 1, 4, 300), (7, 6, 5)).astype(numpy.int16)
        self.data[..., 0] = 0
        self.labels = self.save(self.data, "labels.nii")

    def segment(self, *arguments):
        done = run("labels2seg", *arguments, self.series, self.path("seg.dcm"), "--organs", ORGANS)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.path("seg.dcm")

    def named(self, *values):
        return [part for value in values for part in ("--label", f"{value}=organ {value}")]

    def test_each_label_has_its_digest(self):
        for options in ((), ("--labelmap",)):
            seg = self.segment(self.labels, *self.named(1, 4, 300), *options)
            certificate = self.certify(self.labels, seg)
            self.assertEqual([label["Value"] for label in certificate["Labels"]], [1, 4, 300])
            for label in certificate["Labels"]:
                mask = self.data == label["Value"]
                self.assertEqual(label["SegmentLabel"], f"organ {label['Value']}")
                for voxels, digest in (("Voxels", "SHA256"), ("ConvertedVoxels", "ConvertedSHA256")):
                    self.assertEqual(label[voxels], mask.sum())
                    self.assertEqual(label[digest], label_sha256(mask))
            for side in ("Original", "Converted"):
                self.assertEqual(certificate[side]["VoxelsSHA256"], sha256(self.data))
            self.assertLess(certificate["Geometry"]["CornerErrorMM"], 1e-5)

    def test_one_flipped_bit(self):
        seg = self.segment(self.labels, *self.named(1, 4, 300))
        ds = pydicom.dcmread(seg)
        pixels = bytearray(ds.PixelData)
        at = next(i for i, byte in enumerate(pixels) if byte)
        pixels[at] &= pixels[at] - 1  # the lowest bit
        ds.PixelData = bytes(pixels)
        ds.save_as(seg)
        certificate = self.damaged(self.labels, seg, names=("1 voxel differs", "slice k="))
        self.assertEqual(certificate["Values"]["Differing"], 1)
        wrong = [label for label in certificate["Labels"]
                 if label["SHA256"] != label["ConvertedSHA256"]]
        self.assertEqual(len(wrong), 1)
        self.assertEqual(wrong[0]["Voxels"], wrong[0]["ConvertedVoxels"] + 1)
        self.assertNotIn("VoxelsSHA256", certificate["Converted"])

    def test_two_frames_exchanged_and_a_wrong_segment(self):
        seg = self.segment(self.labels, *self.named(1, 4, 300))
        ds = pydicom.dcmread(seg)
        first, second = ds.PerFrameFunctionalGroupsSequence[:2]
        first.PlanePositionSequence, second.PlanePositionSequence = (
            second.PlanePositionSequence, first.PlanePositionSequence)
        ds.save_as(seg)
        certificate = self.damaged(self.labels, seg, names=("voxels differ",))
        self.assertEqual(len(certificate["Failures"]), 2)
        seg = self.segment(self.labels, *self.named(1, 4, 300))
        ds = pydicom.dcmread(seg)
        one, two = ds.SegmentSequence[:2]
        one[0x0099, 0x1006].value, two[0x0099, 0x1006].value = 4, 1
        ds.save_as(seg)
        self.damaged(self.labels, seg, names=("voxels differ",))

    def test_labels_that_were_left_out(self):
        seg = self.segment(self.labels, *self.named(1, 4), "--ignore-unlisted")
        count = int((self.data == 300).sum())
        self.damaged(self.labels, seg, names=(f"its label 300: {count} voxels",))
        self.certify(self.labels, seg, options=("--ignore-unlisted",))

    def test_masks_of_organs_even_where_they_overlap(self):
        random = numpy.random.default_rng(5)
        files, names = [], []
        for organ in ("liver", "heart", "spleen"):
            mask = random.integers(0, 2, (7, 6, 5)).astype(numpy.uint8) * 255
            files.append(self.save(mask, f"{organ}.nii.gz"))
            names += ["--organ", organ]
        seg = self.segment(*files, *names)
        certificate = self.certify(*files, seg)
        self.assertEqual([label["File"] for label in certificate["Labels"]],
                         ["liver.nii.gz", "heart.nii.gz", "spleen.nii.gz"])
        swapped = numpy.flip(numpy.asanyarray(nibabel.load(files[1]).dataobj), 0)
        self.save(swapped, "heart.nii.gz")
        certificate = self.damaged(*files, seg, names=("heart.nii.gz",))
        self.assertFalse(any("liver" in text for text in certificate["Failures"]))
        self.damaged(*files[:2], seg, names=("spleen.nii, which is not there",))

    def test_layers_of_a_label_map(self):
        random = numpy.random.default_rng(6)
        data = random.choice((0, 1, 2), (7, 6, 5, 2)).astype(numpy.uint8)
        data[..., 1] += 2 * (data[..., 1] > 0).astype(numpy.uint8)
        labels = self.save(data, "layers.nii")
        seg = self.segment(labels, *self.named(1, 2, 3, 4))
        certificate = self.certify(labels, seg)
        self.assertEqual([label["SHA256"] for label in certificate["Labels"]],
                         [label_sha256(data[..., int(n > 2)] == n) for n in (1, 2, 3, 4)])
        self.assertEqual(certificate["Original"]["VoxelsSHA256"], sha256(data))
        data[3, 3, 3, 1] = 4 if data[3, 3, 3, 1] != 4 else 3
        self.damaged(self.save(data, "layers.nii"), seg, names=("slice k=3", "(3, 3, 3)"))

    def test_back_to_a_label_map(self):
        seg = self.segment(self.labels, *self.named(1, 4, 300))
        done = run("seg2labels", seg, self.path("back.nii.gz"))
        self.assertEqual(done.returncode, 0, done.stderr)
        certificate = self.certify(seg, self.path("back.nii.gz"))
        self.assertIn("SOPClassUID", certificate["Original"])
        self.save(numpy.flip(self.data, 2), "back.nii")
        self.damaged(seg, self.path("back.nii"), names=("voxels differ",))

    def test_back_to_segment_numbers(self):
        """Which other programs write too; and masks have no values that differ."""
        seg = self.segment(self.labels, *self.named(1, 4, 300))
        masks = [self.save((self.data == value).astype(numpy.uint8), f"mask_{value}.nii")
                 for value in (1, 4, 300)]
        for made_of in ((self.labels, *self.named(1, 4, 300)), masks):
            seg = self.segment(*made_of)
            done = run("seg2labels", seg, self.path("back.nii"), "--segment-numbers")
            self.assertEqual(done.returncode, 0, done.stderr)
            certificate = self.certify(seg, self.path("back.nii"))
            self.assertEqual([label["Value"] for label in certificate["Labels"]], [1, 2, 3])
            image = nibabel.load(self.path("back.nii"))
            data = numpy.asanyarray(image.dataobj).copy()
            at = tuple(numpy.argwhere(data == 2)[0])
            data[at] = 3
            nibabel.save(nibabel.Nifti1Image(data, image.affine), self.path("back.nii"))
            self.damaged(seg, self.path("back.nii"), names=("1 voxel differs",))

    def test_back_to_fewer_layers(self):
        data = numpy.zeros((7, 6, 5, 3), numpy.uint8)
        data[..., 2] = self.data == 4
        seg = self.segment(self.save(data, "layers.nii"))
        done = run("seg2labels", seg, self.path("back.nii"), "--plain", "--overlap", "layers")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.certify(seg, self.path("back.nii"))
        done = run("seg2labels", seg, self.path("again.nii"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.path("again.nii").read_bytes(), self.path("layers.nii").read_bytes())
        # a value that several layers have, with an empty one between, and voxels that overlap
        for value in (1, 26):
            data[..., 0], data[..., 2] = value * (self.data > 1), value * (self.data == 4)
            seg = self.segment(self.save(data, "layers.nii"))
            done = run("seg2labels", seg, self.path("back.nii"), "--plain", "--overlap", "layers")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.certify(seg, self.path("back.nii"))
            image = nibabel.load(self.path("back.nii"))
            there = numpy.asanyarray(image.dataobj).copy()
            self.assertEqual(there.shape[3], 2)
            there[tuple(numpy.argwhere(there)[-1])] = 0
            nibabel.save(nibabel.Nifti1Image(there, image.affine), self.path("back.nii"))
            self.damaged(seg, self.path("back.nii"), names=("1 voxel differs",))

    def test_another_grid(self):
        seg = self.segment(self.labels, *self.named(1, 4, 300))
        moved = AFFINE.copy()
        moved[:3, 3] += 0.1
        self.save(self.data, "moved.nii", moved)
        self.damaged(self.path("moved.nii"), seg, names=("does not lie on the grid",))


class Import(Folder):
    def test_gives_each_series_its_certificate(self):
        dataset, data = pathlib.Path(os.environ["MURPACS_PHANTOM_DATA"]), self.path("data")
        done = run("import", dataset, "--data-dir", data, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        kinds = {}
        for line in done.stdout.splitlines():
            scan = json.loads(line)
            converted = scan["image"].endswith((".nii", ".nii.gz"))
            for one in scan["images"]:
                kinds[one["SeriesInstanceUID"]] = "image" if converted else "native"
            for one in scan["segmentations"]:
                kinds[one["SeriesInstanceUID"]] = "segmentation"
            self.assertTrue(all(one["certified"] for one in scan["images"] + scan["segmentations"]))
        files = {path.stem: json.loads(path.read_text())
                 for path in (data / "certificates").iterdir()}
        self.assertEqual({series: one["Kind"] for series, one in files.items()}, kinds)
        self.assertEqual(set(kinds.values()), {"image", "segmentation", "native"})
        self.assertEqual({one["Verdict"] for one in files.values()}, {"pass"})
        for series, one in files.items():
            self.assertEqual(one["Converted"]["SeriesInstanceUID"], series)
            if one["Kind"] == "native":
                self.holds_files(dataset, one)
            elif len(one["Original"]["Files"]) == 1:
                voxels = [nibabel.load(path).dataobj.get_unscaled()
                          for path in dataset.rglob(one["Original"]["Files"][0])]
                self.assertIn(one["Original"]["VoxelsSHA256"], map(sha256, voxels))

    def holds_files(self, dataset, certificate):
        """Each digest is that of the end of such a file, as `tail -c BYTES FILE | sha256sum` says."""
        self.assertEqual(certificate["Converted"]["Instances"], len(certificate["Objects"]))
        for one in certificate["Objects"]:
            self.assertNotIn("StoredSHA256", one)
            self.assertIn(one["SHA256"], {
                hashlib.sha256(path.read_bytes()[-one["Bytes"]:]).hexdigest()
                for path in dataset.rglob(one["File"])})


if __name__ == "__main__":
    unittest.main(verbosity=2)
