#!/usr/bin/python3
"""OHIF in Debian's Chromium, served by the node: the study list, an image, and each organ with its exact
number of voxels in each slice, as the label files have them. Skipped without Chromium, or where npm cannot fetch the
viewer and playwright-core (once for each build folder)."""
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
import urllib.parse
import urllib.request

import nibabel
import numpy

import node

SOURCES = pathlib.Path(__file__).parent / "browser"
ROOT = SOURCES.parents[2]
DATASET = pathlib.Path(os.environ["MURPACS_PHANTOM_DATA"])
CHROMIUM = shutil.which("chromium")


def prepare():
    """The folder of browser.js with its modules, and the viewer's; raises SkipTest where that cannot be."""
    if not (shutil.which("npm") and shutil.which("node") and CHROMIUM):
        raise unittest.SkipTest("Chromium or npm is not installed")
    folder = pathlib.Path(node.MURPACS).parent.parent / "browser"
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for path in SOURCES.iterdir():
            shutil.copy(path, folder)
        viewer = ROOT / "var/viewer"  # that ./run has got already
        if not (viewer / "index.html").exists():
            viewer = folder / "viewer"
        try:
            if not (folder / "node_modules").exists():
                subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                               cwd=folder, check=True, capture_output=True, timeout=240)
            subprocess.run([ROOT / "scripts/fetch-viewer.sh", viewer], check=True,
                           capture_output=True, timeout=240)
        except (subprocess.SubprocessError, OSError) as reason:
            raise unittest.SkipTest(f"the viewer: {reason}") from reason
    return folder, viewer


class BrowserTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        modules, viewer = prepare()
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        data_dir = pathlib.Path(temporary.name) / "archive"
        node.import_dataset(data_dir, DATASET)
        port = node.free_port()
        served = node.Node(data_dir, "--set", "web.enabled=true", "--set", f"web.port={port}",
                           "--set", f"web.viewer_dir={viewer}")
        cls.addClassCleanup(served.stop)
        cls.origin = f"http://127.0.0.1:{port}"
        node.wait_for_port(port)
        cls.expected = json.loads(node.run("/usr/bin/python3", ROOT / "tests/phantom/expected.py",
                                           DATASET).stdout)
        cls.scan = next(scan for scan in cls.expected["studies"]["WD-OBG-2019"]["scans"].values()
                        if scan["modality"] == "CT" and scan["segments"])
        query = urllib.parse.urlencode({"ISASampleName": cls.scan["sample"],
                                        "ISAStudyIdentifier": "WD-OBG-2019"})
        with urllib.request.urlopen(f"{cls.origin}/dicom-web/studies?{query}") as answer:
            study, = json.load(answer)
        done = node.run("node", modules / "browser.js", CHROMIUM, cls.origin,
                        study["0020000D"]["Value"][0], timeout=400)
        cls.seen = json.loads(done.stdout.splitlines()[-1])
        if "failure" in cls.seen:
            raise AssertionError(cls.seen["failure"])

    def test_the_list_has_all_studies_with_their_descriptions(self):
        self.assertEqual(self.seen["studies"], self.expected["total"]["studies"])
        self.assertIn("Western diet with and without oat beta-glucan", self.seen["list"])

    def test_the_image_is_shown(self):
        self.assertGreater(self.seen["colours"], 20)

    def test_each_organ_has_its_voxels_in_each_slice(self):
        seen = self.seen["labels"]
        expected = {}
        for organ, segment in self.scan["segments"].items():
            voxels = numpy.asarray(nibabel.load(DATASET / segment["file"]).dataobj) == segment["label"]
            if voxels.any():
                expected[organ] = voxels
        self.assertEqual(set(seen), set(expected))
        # Slices are planes of one axis of the label file, from either end: the same for all organs.
        profiles = [{organ: voxels.sum(tuple({0, 1, 2} - {axis})).tolist()[::step]
                     for organ, voxels in expected.items()} for axis in range(3) for step in (1, -1)]
        self.assertIn(seen, profiles)

    def test_no_other_host_is_asked_and_nothing_refused(self):
        self.assertEqual((self.seen["foreign"], self.seen["refused"]), ([], []))


if __name__ == "__main__":
    unittest.main()
