#!/usr/bin/python3
"""Datasets with something wrong in them: the scan is named with its reason, the others come in,
nothing half of it stays, and an archive that is there already is left as it was."""
import gzip
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest

import node

DATASET = pathlib.Path(os.environ["MURPACS_PHANTOM_DATA"])
STUDY = "LIV-HCC-2021"  # native and converted scans, with and without labels
NIFTI_COMPLEX64 = 32


def nifti_header(path):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        return bytearray(file.read())


def write_nifti(path, content):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wb") as file:
        file.write(content)


def copy_one_study(target):
    """The dataset as if it had but one study."""
    target.mkdir()
    shutil.copytree(DATASET / STUDY, target / STUDY)
    for path in DATASET.glob(f"[as]_{STUDY}*.txt"):
        shutil.copy(path, target)
    text = (DATASET / "i_Investigation.txt").read_text(encoding="utf-8")
    head, *studies = text.split("\nSTUDY\n")
    study = next(text for text in studies if f'Study Identifier\t"{STUDY}"' in text)
    (target / "i_Investigation.txt").write_text(f"{head}\nSTUDY\n{study}\n", encoding="utf-8")


class BadInputTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.folder.name)
        cls.number = 0

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def setUp(self):
        type(self).number += 1
        self.dataset = self.root / f"dataset-{self.number}"
        copy_one_study(self.dataset)
        self.data_dir = self.root / f"archive-{self.number}"

    def nifti(self, pattern="T2_RARE.nii.gz"):
        return next(path for path in sorted(self.dataset.rglob(pattern)))

    def replace_in_tables(self, old, new):
        count = 0
        for path in self.dataset.glob("a_*.txt"):
            text = path.read_text(encoding="utf-8")
            count += text.count(old)
            path.write_text(text.replace(old, new), encoding="utf-8")
        self.assertGreater(count, 0)

    def import_with_one_failure(self, *words):
        """One scan fails, for a reason that has the words in it; all the rest is there, whole."""
        scans, done = node.import_dataset(self.data_dir, self.dataset, check=False)
        failed = [scan for scan in scans if scan["status"] == "failed"]
        self.assertEqual(len(failed), 1, done.stderr)
        self.assertEqual(done.returncode, 1)
        reason = " ".join([failed[0]["image"], *failed[0]["reasons"]])
        self.assertTrue(failed[0]["reasons"])
        for text in failed[0]["reasons"]:  # the file once, by its path in the dataset
            self.assertNotIn(str(self.dataset), text)
            self.assertLessEqual(text.count(failed[0]["image"]), 1, text)
        for word in words:
            self.assertIn(word.lower(), reason.lower())
        rows = node.indexed_instances(self.data_dir)
        files = node.stored_files(self.data_dir)
        self.assertEqual(sum(name.endswith(".dcm") for name in files), len(rows))
        self.assertEqual(sum(one["instances"] for scan in scans if scan["status"] == "imported"
                             for one in scan["images"] + scan["segmentations"]), len(rows))
        return failed[0]

    # -- images

    def test_a_nifti_of_a_type_without_a_dicom_kind_is_named(self):
        for datatype, bits in ((NIFTI_COMPLEX64, 64), (12345, 16)):
            with self.subTest(datatype=datatype):
                path = self.nifti()
                content = nifti_header(path)
                struct.pack_into("<hh", content, 70, datatype, bits)
                write_nifti(path, content + bytes(len(content)))
                self.data_dir = self.root / f"archive-{self.number}-{datatype}"
                self.import_with_one_failure(path.name, "type")

    def test_a_header_that_claims_too_much_is_no_reason_to_reserve_it(self):
        path = self.nifti()
        content = nifti_header(path)
        struct.pack_into("<8h", content, 40, 3, 32767, 32767, 32767, 1, 1, 1, 1)
        write_nifti(path, content)
        self.import_with_one_failure(path.name)

    def test_an_empty_image_and_one_that_is_no_image_are_named(self):
        path = self.nifti()
        for number, content in enumerate((b"", b"not an image at all\n" * 100)):
            with self.subTest(number=number):
                path.write_bytes(content)
                self.data_dir = self.root / f"archive-{self.number}-{number}"
                self.import_with_one_failure(path.name)

    def test_a_folder_without_dicom_files_is_named(self):
        folder = next(path.parent for path in sorted(self.dataset.rglob("*.dcm")))
        for path in folder.iterdir():
            path.write_text("notes", encoding="ascii")
        self.import_with_one_failure(folder.name)

    def test_the_first_reasons_are_printed_and_json_lists_all(self):
        folder = next(path.parent for path in sorted(self.dataset.rglob("*.dcm")))
        for number in range(30):
            (folder / f"note{number}.txt").write_text("notes", encoding="ascii")
        scans, _ = node.import_dataset(self.data_dir, self.dataset)
        lines = [text for scan in scans for text in scan["reasons"] if "not DICOM" in text]
        self.assertEqual(len(set(lines)), 30)
        self.assertEqual(len(lines), 30)
        done = node.murpacs("import", "--data-dir", self.data_dir, self.dataset)
        self.assertEqual(done.stderr.count("not DICOM"), 20)
        self.assertIn("and 10 more; --json lists all", done.stderr)

    def test_a_label_that_no_row_names_fails_with_its_scan(self):
        path = self.nifti("*_labels.nii.gz")
        content = nifti_header(path)
        content[-1] = 77
        write_nifti(path, content)
        self.import_with_one_failure(path.name, "not named")

    # -- paths

    def test_paths_that_leave_the_dataset_are_refused(self):
        path = self.nifti()
        inside = str(path.relative_to(self.dataset))
        outside = self.root / f"outside-{self.number}.nii.gz"
        shutil.move(path, outside)
        for number, cell in enumerate((f"../{outside.name}", str(outside),
                                       f"{STUDY}/../../{outside.name}")):
            with self.subTest(cell=cell):
                self.replace_in_tables(inside, cell)
                self.data_dir = self.root / f"archive-{self.number}-{number}"
                self.import_with_one_failure()
                inside = cell
        link = self.dataset / "link.nii.gz"
        link.symlink_to(outside)
        self.replace_in_tables(inside, link.name)
        self.data_dir = self.root / f"archive-{self.number}-link"
        self.import_with_one_failure(link.name)

    # -- tables

    def refused(self, *words):
        """Nothing comes in, and an archive that was there before stays as it was."""
        good = self.root / f"good-{self.number}"
        copy_one_study(good)
        node.import_dataset(self.data_dir, good)
        before = (node.tree_digest(self.data_dir / "objects"),
                  node.indexed_instances(self.data_dir),
                  (self.data_dir / "manifest.jsonl").read_bytes())
        done = node.murpacs("import", "--data-dir", self.data_dir, self.dataset, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertEqual((node.tree_digest(self.data_dir / "objects"),
                          node.indexed_instances(self.data_dir),
                          (self.data_dir / "manifest.jsonl").read_bytes()), before)

    def test_an_investigation_file_that_is_none_is_named(self):
        path = self.dataset / "i_Investigation.txt"
        path.write_bytes(os.urandom(4096))
        self.refused(path.name)

    def test_a_dataset_that_may_not_be_read_is_named(self):
        if os.geteuid() == 0:
            self.dataset.chmod(0o700)
            self.root.chmod(0o755)
            program = shutil.copy(node.MURPACS, self.root / "murpacs")
            open_folder = self.root / "of-nobody"
            open_folder.mkdir()
            open_folder.chmod(0o777)
            done = subprocess.run(
                [program, "import", "--data-dir", str(open_folder / "archive"), str(self.dataset)],
                capture_output=True, text=True, check=False, timeout=60, user=65534,
                env=node.ENVIRONMENT)
        else:
            self.dataset.chmod(0o000)
            self.addCleanup(self.dataset.chmod, 0o700)
            done = node.murpacs("import", "--data-dir", self.data_dir, self.dataset, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(str(self.dataset), done.stderr)
        self.assertIn("ermission denied", done.stderr)


if __name__ == "__main__":
    unittest.main()
