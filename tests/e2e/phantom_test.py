#!/usr/bin/python3
"""The generator of made-up datasets keeps its promises (tests/phantom/README.md).

usage: phantom_test.py [PATH_OF_PHANTOM] [unittest options]; or MURPACS_PHANTOM=PATH_OF_PHANTOM
"""
import csv
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

try:
    import nibabel
    import pydicom
except ImportError as missing:
    nibabel = None
    REASON = f"Python module missing: {missing.name}"
    print(REASON, file=sys.stderr)
else:
    REASON = ""

PHANTOM = os.environ.get("MURPACS_PHANTOM", "")
EXPECTED = pathlib.Path(__file__).parents[1] / "phantom" / "expected.py"
FILE_COLUMNS = ("Raw Data File", "Image File", "Derived Data File")


def generate(folder, *options):
    subprocess.run([PHANTOM, str(folder), *options], check=True, timeout=120)
    return folder


def assay_rows(root):
    """(assay table's name, row as a dictionary of the columns that occur once)."""
    for path in sorted(root.glob("a_*.txt")):
        with open(path, encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file, delimiter="\t")
        for row in rows:
            yield path.name, dict(zip(header, row))


def digests(root):
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in root.rglob("*") if path.is_file()}


def images(root):
    """Relative path of each scan's image, by assay name."""
    return {(table, row["Assay Name"]): row["Raw Data File"] or row["Image File"]
            for table, row in assay_rows(root)}


class SmallDataset(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="phantom-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.base = pathlib.Path(cls.folder.name)
        cls.root = generate(cls.base / "one", "--seed", "7", "--threads", "2")

    def dicom_folders(self):
        return [self.root / path for path in images(self.root).values()
                if (self.root / path).is_dir()]

    def test_same_seed_gives_same_bytes_with_any_number_of_threads(self):
        again = generate(self.base / "two", "--seed", "7", "--threads", "1")
        self.assertEqual(digests(self.root), digests(again))

    def test_another_seed_gives_other_images(self):
        first = digests(self.root)
        other = digests(generate(self.base / "three", "--seed", "8"))
        for path in images(self.root).values():
            if (self.root / path).is_file():
                self.assertNotEqual(first[path], other[path])

    def test_all_images_are_distinct(self):
        files = [name for name in digests(self.root).items() if not name[0].endswith(".txt")]
        self.assertEqual(len(files), len({digest for _, digest in files}))

    def test_it_has_five_studies_and_is_small(self):
        self.assertEqual(5, len(list(self.root.glob("s_*.txt"))))
        size = sum(path.stat().st_size for path in self.root.rglob("*") if path.is_file())
        self.assertLess(size, 25_000_000)

    def test_every_path_in_the_tables_exists_and_every_file_is_named(self):
        named = set()
        for _, row in assay_rows(self.root):
            for column in FILE_COLUMNS:
                if row[column]:
                    path = self.root / row[column]
                    self.assertTrue(path.exists(), path)
                    named.update(path.iterdir() if path.is_dir() else [path])
        files = {path for path in self.root.rglob("*")
                 if path.is_file() and path.suffix != ".txt"}
        self.assertEqual(files, named)

    def test_one_animal_name_stands_for_two_mice(self):
        studies = [path.parent.name for path in self.root.glob("*/Mouse_01")]
        self.assertEqual(2, len(studies))

    @unittest.skipUnless(shutil.which("dciodvfy"), "dciodvfy is not installed")
    def test_dicom_files_follow_their_iod(self):
        self.assertTrue(self.dicom_folders())
        for folder in self.dicom_folders():
            result = subprocess.run(["dciodvfy", "-new", str(min(folder.iterdir()))],
                                    capture_output=True, text=True, errors="replace", timeout=60)
            lines = (result.stderr + result.stdout).splitlines()
            self.assertEqual([], [line for line in lines if line.startswith("Error")], folder)

    @unittest.skipIf(nibabel is None, REASON)
    def test_neither_file_names_nor_instance_numbers_follow_the_positions(self):
        for folder in self.dicom_folders():
            headers = [pydicom.dcmread(path, stop_before_pixels=True)
                       for path in sorted(folder.iterdir())]
            heights = [header.ImagePositionPatient[2] for header in headers]
            self.assertNotEqual(heights, sorted(heights))
            headers.sort(key=lambda header: header.InstanceNumber)
            heights = [header.ImagePositionPatient[2] for header in headers]
            self.assertNotEqual(heights, sorted(heights))

    @unittest.skipIf(nibabel is None, REASON)
    def test_every_segment_has_voxels_and_counts_are_plausible(self):
        output = subprocess.run([sys.executable, str(EXPECTED), str(self.root)], check=True,
                                capture_output=True, timeout=60).stdout
        expected = json.loads(output)
        total = expected["total"]
        scans = [scan for study in expected["studies"].values()
                 for scan in study["scans"].values()]
        self.assertEqual(len(images(self.root)), total["image_series"])
        self.assertLess(total["studies"], total["image_series"])
        self.assertGreater(total["samples"], total["patients"])
        self.assertEqual({"CT", "MR"}, set(total["modalities"]))
        for scan in scans:
            for organ, segment in scan["segments"].items():
                self.assertGreater(segment["voxels"], 0, (scan["path"], organ))
        self.assertTrue(any(not scan["segments"] for scan in scans))

    @unittest.skipIf(nibabel is None, REASON)
    def test_the_headers_hold_the_traps(self):
        headers = [nibabel.load(path).header for path in self.root.rglob("*.nii*")]
        types = {str(header.get_data_dtype()) for header in headers}
        self.assertLessEqual({"uint8", "int16", "uint16", "float32"}, types)
        self.assertTrue(any(header["sform_code"] == 0 for header in headers))
        self.assertTrue(any(header.get_xyzt_units()[0] == "micron" for header in headers))
        self.assertTrue(any(header["pixdim"][0] == -1 for header in headers))
        self.assertTrue(any(header["dim"][1] * header["dim"][2] % 8 for header in headers))


class FullDataset(unittest.TestCase):
    def test_it_has_222_scans(self):
        with tempfile.TemporaryDirectory(prefix="phantom-") as folder:
            root = generate(pathlib.Path(folder), "--scale", "full", "--only-isa")
            self.assertEqual(222, len(images(root)))
            self.assertEqual(222, len(set(images(root).values())))
            self.assertFalse([path for path in root.rglob("*") if path.is_dir()])


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        PHANTOM = str(pathlib.Path(sys.argv.pop(1)).resolve())
    if not PHANTOM:
        print("skipped: no phantom executable given", file=sys.stderr)
        sys.exit(77)
    unittest.main()
