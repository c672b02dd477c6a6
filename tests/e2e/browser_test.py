#!/usr/bin/python3
"""OHIF in Debian's Chromium, served by the node: the study list, images of each kind, organs with every voxel
where the label files have it, their colours, MPR; and the status page. Skipped without Chromium, or where npm
cannot fetch the viewer and playwright-core (once for each build folder)."""
import base64
import fcntl
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest
import urllib.parse
import urllib.request
import zlib

import nibabel
import numpy
import pydicom

import node
from volumes import oblique, read_series, save

ROOT = pathlib.Path(__file__).parents[2]
DATASET = pathlib.Path(os.environ["MURPACS_PHANTOM_DATA"])
CHROMIUM = shutil.which("chromium")
SCREENSHOTS = os.environ.get("MURPACS_SCREENSHOTS")  # a folder for pictures of all that was seen
ENHANCED = {"CT": "1.2.840.10008.5.1.4.1.1.2.1", "MR": "1.2.840.10008.5.1.4.1.1.4.1"}
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"  # what OHIF 3.13 saves
MAPS = ("map", "map-enhanced")
ORGANS = {1: "liver", 2: "spleen", 3: "heart"}
TO_LPS = numpy.diag([-1.0, -1.0, 1.0, 1.0])


def prepare():
    """The folder of browser.js with its modules, and the viewer's; raises SkipTest where that cannot be."""
    if not CHROMIUM:
        raise unittest.SkipTest("Chromium is not installed")
    folder = node.npm_modules("browser")
    viewer = ROOT / "var/viewer"  # that ./run has got already
    if not (viewer / "index.html").exists():
        viewer = folder / "viewer"
    with open(folder / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            subprocess.run([ROOT / "scripts/fetch-viewer.sh", viewer], check=True,
                           capture_output=True, timeout=240)
        except (subprocess.SubprocessError, OSError) as reason:
            raise unittest.SkipTest(f"the viewer: {reason}") from reason
    return folder, viewer


def colours_of_organs():
    """Names of organs, and the colours that etc/organs.cfg gives them."""
    text = (ROOT / "etc/organs.cfg").read_text(encoding="utf-8")
    return {name: [int(number) for number in rgb.split(",")]
            for names, rgb in re.findall(r"names = \[([^]]*)\];[^}]*?rgb = \[([^]]*)\]", text)
            for name in re.findall('"([^"]+)"', names)}


def make_enhanced(folder, modality, target):
    """The classic series of a folder as one object of many frames (PS3.3 A.36, A.38), its frames in no order."""
    _, _, slices = read_series(folder)
    first = slices[0]
    slices = slices[1::2] + slices[0::2]
    one = pydicom.Dataset()
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyDescription",
                    "FrameOfReferenceUID", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation",
                    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        if keyword in first:
            one[keyword] = first[keyword]
    one.Modality, one.SeriesNumber, one.InstanceNumber = modality, 2, 1
    one.SOPClassUID, one.NumberOfFrames = ENHANCED[modality], len(slices)
    one.SeriesInstanceUID, one.SOPInstanceUID = first.SeriesInstanceUID + ".1", first.SOPInstanceUID + ".1"
    shared = pydicom.Dataset()
    for name, keywords in (("PixelMeasuresSequence", ["PixelSpacing", "SliceThickness"]),
                           ("PlaneOrientationSequence", ["ImageOrientationPatient"])):
        setattr(shared, name, [pydicom.Dataset()])
        for keyword in keywords:
            getattr(shared, name)[0][keyword] = first[keyword]
    values = pydicom.Dataset()
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = 1, 0, "US"
    shared.PixelValueTransformationSequence = [values]
    one.SharedFunctionalGroupsSequence = [shared]
    one.PerFrameFunctionalGroupsSequence = []
    for image in slices:
        frame, place = pydicom.Dataset(), pydicom.Dataset()
        place.ImagePositionPatient = image.ImagePositionPatient
        frame.PlanePositionSequence = [place]
        one.PerFrameFunctionalGroupsSequence.append(frame)
    one.PixelData = b"".join(image.PixelData for image in slices)
    one.file_meta = pydicom.dataset.FileMetaDataset()
    one.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    one.is_little_endian, one.is_implicit_VR = True, False
    pydicom.dcmwrite(target, one, write_like_original=False)


class Made:
    """Series made for this test: volumes with three organs, each a study."""

    def __init__(self, folder):
        self.folder, self.studies, self.labels = folder, {}, {}

    def volume(self, name, affine, shape, modality, shift=0, options=(), scale=None):
        """A series in self.folder/name; its label file is @shift slices beside it."""
        random = numpy.random.default_rng(zlib.crc32(name.encode()))  # the same voxels were the same Study
        image = random.integers(0, 400, shape, numpy.int16)
        image[4:-4, 4:-4, 2:-2] += 800
        labels = numpy.zeros(shape, numpy.uint8)
        labels[8:20, 6:15, 3:8] = 1
        labels[22:30, 7:12, 2:6] = 2
        labels[9:13, 17:21, 4:9] = 3
        values = image if scale is None else (image * scale).astype(numpy.float32)
        save(self.folder / f"{name}.nii", values, affine)
        save(self.folder / f"{name}_labels.nii", numpy.roll(labels, shift, axis=2), affine)
        self.labels[name] = nibabel.Nifti1Image(labels, affine)
        node.murpacs("nii2dcm", "--modality", modality, "--set", f"PatientID={name}",
                     "--set", f"StudyDescription={name}", *options, self.folder / f"{name}.nii",
                     self.folder / name)
        first = pydicom.dcmread(min((self.folder / name).iterdir()))
        self.studies[name] = str(first.StudyInstanceUID)
        return self.folder / name

    def segment(self, name, images, target, *options):
        words = [word for value, organ in ORGANS.items() for word in ("--label", f"{value}={organ}")]
        node.murpacs("labels2seg", *words, "--organs", ROOT / "etc/organs.cfg", *options,
                     self.folder / f"{name}_labels.nii", images, target)

    def classic(self, name, affine, shape=(40, 28, 12), shift=0, options=()):
        series = self.volume(name, affine, shape, "MR", shift)
        self.segment(name, series, series / "seg.dcm", *options)

    def join(self, series, modality):
        """Makes one object of its images."""
        make_enhanced(series, modality, self.folder / "enhanced.dcm")
        shutil.rmtree(series)
        series.mkdir()
        shutil.move(self.folder / "enhanced.dcm", series / "image.dcm")

    def enhanced(self, name, modality, affine, options=()):
        series = self.volume(name, affine, (40, 28, 12), modality)
        self.join(series, modality)
        self.segment(name, series / "image.dcm", series / "seg.dcm", *options)

    def fractions(self, name, affine):
        """Images of values between 0 and 0.6."""
        self.volume(name, affine, (40, 28, 12), "MR", scale=0.0005)

    def parametric_map(self, name, affine, options=(), enhanced=False):
        """A map of a series, which @options turn and name as a scanner may; its file as other programs leave it."""
        series = self.volume(name, affine, (40, 28, 12), "MR", options=options)
        if enhanced:
            self.join(series, "MR")
        image = nibabel.load(self.folder / f"{name}.nii")
        values = numpy.flip(numpy.asarray(image.dataobj), (0, 1)).astype(numpy.float32) / 7
        turned = image.affine @ numpy.diag([-1, -1, 1, 1])
        turned[:3, 3] = (image.affine @ [39, 27, 0, 1])[:3]
        save(self.folder / f"{name}_map.nii", values, turned)
        node.murpacs("nii2dcm", "--modality", "MR", "--lossless", "--like", series,
                     self.folder / f"{name}_map.nii", self.folder / f"{name}_map")
        made, = (self.folder / f"{name}_map").iterdir()
        shutil.move(made, series / "map.dcm")


def left_handed():
    """Oblique, voxels that are no cubes, axes that are no right hand."""
    affine = oblique(11)
    if numpy.linalg.det(affine[:3, :3]) > 0:
        affine[:3, 0] = -affine[:3, 0]
    return affine


class BrowserTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        modules, viewer = prepare()
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        folder = pathlib.Path(temporary.name)
        node.import_dataset(folder / "archive", DATASET)
        cls.made = Made(folder)
        cls.make()
        port = node.free_port()
        served = node.Node(folder / "archive", "--set", "web.enabled=true", "--set", f"web.port={port}",
                           "--set", f"web.viewer_dir={viewer}")
        cls.addClassCleanup(served.stop)
        cls.origin = f"http://127.0.0.1:{port}"
        node.wait_for_port(port)
        node.murpacs("store", "127.0.0.1", served.port, *(folder / name for name in cls.made.studies))
        cls.expected = json.loads(node.run("/usr/bin/python3", ROOT / "tests/phantom/expected.py",
                                           DATASET).stdout)
        cls.scan = next(scan for scan in cls.expected["studies"]["WD-OBG-2019"]["scans"].values()
                        if scan["modality"] == "CT" and scan["segments"])
        cls.all_colours = colours_of_organs()
        cls.look(modules)

    @classmethod
    def make(cls):
        straight = numpy.diag([-0.25, -0.25, 0.5, 1.0])
        cls.made.classic("oblique", left_handed())
        cls.made.classic("shifted", left_handed(), shift=1)
        cls.made.classic("labelmap", straight, options=("--labelmap",))
        cls.made.enhanced("enhanced-ct", "CT", straight)
        cls.made.enhanced("enhanced-mr", "MR", left_handed(), options=("--labelmap",))
        scanner = ("--keep-order", "--set", "FrameOfReferenceUID=1.2.3.4")
        cls.made.parametric_map("map", left_handed(), options=scanner)
        cls.made.parametric_map("map-enhanced", straight, enhanced=True)
        cls.made.fractions("fractions", straight)

    @classmethod
    def look(cls, modules):
        """Fills cls.seen with what browser.js saw."""
        query = urllib.parse.urlencode({"ISASampleName": cls.scan["sample"],
                                        "ISAStudyIdentifier": "WD-OBG-2019"})
        with urllib.request.urlopen(f"{cls.origin}/dicom-web/studies?{query}") as answer:
            study, = json.load(answer)
        organs = {"uid": study["0020000D"]["Value"][0], "overlay": "segmentation", "mpr": True,
                  "colours": {organ: cls.all_colours[organ] for organ in cls.scan["segments"]}}
        plan = {"origin": cls.origin, "screenshots": SCREENSHOTS, "studies": {"organs": organs},
                "page": {"query": "StrainDescription=C57BL/6N"}}
        colours = {organ: cls.all_colours[organ] for organ in ORGANS.values()}
        for name, uid in cls.made.studies.items():
            overlay = ({"overlay": "map"} if name in MAPS else {} if name == "fractions" else
                       {"overlay": "segmentation", "colours": colours})
            plan["studies"][name] = {"uid": uid, "mpr": name == "oblique", "save": name == "oblique", **overlay}
        done = subprocess.run(["node", modules / "browser.js", CHROMIUM], input=json.dumps(plan), text=True,
                              capture_output=True, timeout=550, check=False)
        cls.seen = json.loads(done.stdout.splitlines()[-1]) if done.stdout else {"failure": done.stderr}
        if "failure" in cls.seen:
            raise AssertionError(cls.seen["failure"])

    def voxels_are(self, name, image, organs, what="segmentation"):
        """Each voxel that the viewer holds has the label of the file @image at that place of the animal; and they
        are all there."""
        seen = self.seen["studies"][name][what]
        voxels = numpy.asarray(image.dataobj)
        expected = {organ: int((voxels == value).sum()) for value, organ in organs.items()}
        counts = dict.fromkeys(expected, 0)
        values = {organ: value for value, organ in organs.items()}
        to_file = numpy.linalg.inv(TO_LPS @ image.affine)
        self.assertEqual(set(seen["labels"].values()), set(expected))
        for plane in seen["slices"]:
            columns, rows = plane["size"]
            pixels = numpy.frombuffer(base64.b64decode(plane["voxels"]), numpy.uint8).reshape(rows, columns)
            for number, organ in seen["labels"].items():
                down, right = numpy.nonzero(pixels == int(number))
                at = (numpy.array(plane["position"])[:, None]
                      + numpy.outer(plane["row"], right * plane["spacing"][0])
                      + numpy.outer(plane["column"], down * plane["spacing"][1]))
                index = (to_file @ numpy.vstack([at, numpy.ones(len(right))]))[:3]
                whole = numpy.round(index).astype(int)
                self.assertLess(numpy.abs(index - whole).max(initial=0), 0.01)
                inside = ((whole >= 0) & (whole < numpy.array(voxels.shape)[:, None])).all(axis=0)
                self.assertTrue(inside.all(), organ)
                self.assertEqual(set(voxels[tuple(whole)].tolist()) - {values[organ]}, set(), organ)
                counts[organ] += len(right)
        self.assertEqual(counts, expected)

    def values_are(self, seen, image):
        """Each voxel of the map that the viewer holds has the value of the file at that place of the animal, times
        100, as the viewer has all maps."""
        size = seen["size"]
        values = numpy.frombuffer(base64.b64decode(seen["values"]), numpy.float32).reshape(size[::-1]).T
        to_patient = numpy.eye(4)
        to_patient[:3, :3] = numpy.reshape(seen["direction"], (3, 3)).T * seen["spacing"]
        to_patient[:3, 3] = seen["origin"]
        index = numpy.indices(size).reshape(3, -1)
        at = numpy.linalg.inv(TO_LPS @ image.affine) @ to_patient @ numpy.vstack([index, numpy.ones(index.shape[1])])
        whole = numpy.round(at[:3]).astype(int)
        self.assertLess(numpy.abs(at[:3] - whole).max(), 0.01)
        expected = numpy.asarray(image.dataobj)[tuple(whole)].astype(numpy.float64) * 100
        numpy.testing.assert_array_equal(values.reshape(-1), expected.astype(numpy.float32))

    def test_the_list_has_all_studies_with_their_descriptions(self):
        self.assertEqual(self.seen["list"]["total"],
                         self.expected["total"]["studies"] + len(self.made.studies))
        self.assertIn("WD-OBG-2019: MASH, w24, C57BL/6J", self.seen["list"]["text"])

    def test_images_of_each_kind_are_shown(self):
        for name, seen in self.seen["studies"].items():
            self.assertGreater(seen["plain"]["colours"], 20, name)

    def test_windows_are_those_of_the_values(self):
        for name, scale in (("oblique", 1), ("fractions", 0.0005)):
            window = self.seen["studies"][name]["window"]
            voxels = numpy.asarray(nibabel.load(self.made.folder / f"{name}.nii").dataobj)
            expected = numpy.percentile(voxels, (0.5, 99.5))
            numpy.testing.assert_allclose((window["lower"], window["upper"]), expected, atol=10 * scale)

    def test_maps_lie_over_their_images_with_every_value_at_its_place(self):
        for name in MAPS:
            with self.subTest(name):
                seen = self.seen["studies"][name]
                self.assertEqual(seen["plain"]["tinted"], 0)
                self.assertGreater(seen["overlaid"]["tinted"], 1000)  # the map, in colours over the image
                self.values_are(seen["map"], nibabel.load(self.made.folder / f"{name}_map.nii"))

    def test_each_organ_has_every_voxel_at_its_place(self):
        segments = self.scan["segments"]
        files = {segment["file"] for segment in segments.values()}
        image = nibabel.load(DATASET / files.pop())
        self.assertEqual(files, set())
        present = numpy.unique(numpy.asarray(image.dataobj))
        self.voxels_are("organs", image, {segment["label"]: organ for organ, segment in segments.items()
                                          if segment["label"] in present})

    def test_each_kind_of_segmentation_has_every_voxel_at_its_place(self):
        for name in ("oblique", "labelmap", "enhanced-ct", "enhanced-mr"):
            with self.subTest(name):
                self.voxels_are(name, self.made.labels[name], ORGANS)

    def test_what_the_viewer_saves_is_stored_with_every_voxel(self):
        query = urllib.parse.urlencode({"SOPClassUID": LABEL_MAP, "includefield": "SegmentSequence"})
        with urllib.request.urlopen(f"{self.origin}/dicom-web/studies/{self.made.studies['oblique']}/instances"
                                    f"?{query}") as answer:
            saved, = json.load(answer)
        self.assertEqual([item["00620005"]["Value"] for item in saved["00620002"]["Value"]
                          if item["00620004"]["Value"] != [0]], [[organ] for organ in ORGANS.values()])
        self.voxels_are("oblique", self.made.labels["oblique"], ORGANS, "saved")

    def test_a_segmentation_one_slice_beside_its_image_would_be_seen(self):
        with self.assertRaises(AssertionError):
            self.voxels_are("shifted", self.made.labels["shifted"], ORGANS)
        beside = nibabel.load(self.made.folder / "shifted_labels.nii")
        self.voxels_are("shifted", beside, ORGANS)

    def test_organs_have_the_colours_of_the_organ_table(self):
        for name, seen in self.seen["studies"].items():
            self.assertEqual(sum(seen["plain"].get("wanted", [])), 0, name)  # an image alone is grey
            for organ, pixels in seen.get("coloured", {}).items():
                self.assertGreater(pixels, 20, (name, organ))

    def test_three_planes_show_the_volume_and_its_organs(self):
        for name in ("organs", "oblique"):
            for pane in self.seen["studies"][name]["mpr"]:
                self.assertGreater(pane["colours"], 20, name)
                self.assertGreater(sum(pane["wanted"]), 100, name)

    def test_no_other_host_is_asked_and_nothing_refused(self):
        self.assertEqual((self.seen["foreign"], self.seen["refused"]), ([], []))

    def test_the_status_page_finds_a_strain_without_scripts(self):
        for name, seen in self.seen["status"].items():
            with self.subTest(name):
                self.assertEqual(len(seen["links"]), 1)
                self.assertIn("LIV-FIB-2020", seen["text"])
                self.assertLessEqual(seen["overhang"], 0)

    def test_the_status_page_is_dark_where_the_machine_is(self):
        brightness = {name: sum(int(part) for part in re.findall(r"\d+", seen["background"])[:3])
                      for name, seen in self.seen["status"].items()}
        self.assertLess(brightness["phone"], 150)


if __name__ == "__main__":
    unittest.main()
