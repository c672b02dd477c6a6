#!/usr/bin/python3
"""The main job: a dataset with its ISA-Tab goes in by one command and is found, fetched and read by
clients and readers that know nothing of us."""
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import tempfile
import unittest

import nibabel
import numpy
import pydicom

import node

DATASET = pathlib.Path(os.environ["MURPACS_PHANTOM_DATA"])
EXPECTED = json.loads(subprocess.run(
    ["/usr/bin/python3", node.SOURCE / "tests/phantom/expected.py", DATASET], check=True,
    capture_output=True, text=True).stdout)
TOTAL = EXPECTED["total"]


def rows_of(data_dir):
    """All rows of the index, as text: two runs that change nothing leave the same."""
    with sqlite3.connect(f"file:{data_dir}/index.sqlite?mode=ro", uri=True) as index:
        return list(index.iterdump())


class MainJob(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.data_dir = pathlib.Path(cls.folder.name) / "archive"
        cls.scans, done = node.import_dataset(cls.data_dir, DATASET)
        assert done.returncode == 0, done.stderr
        cls.node = node.Node(cls.data_dir)

    @classmethod
    def tearDownClass(cls):
        code = cls.node.stop()
        cls.folder.cleanup()
        assert code == 0, code

    # -- counts ------------------------------------------------------------------------------------

    def test_every_scan_came_in(self):
        self.assertEqual(len(self.scans), TOTAL["image_series"])
        self.assertEqual({scan["status"] for scan in self.scans}, {"imported"})
        for scan in self.scans:
            expected = EXPECTED["studies"][scan["study"]]["scans"][scan["assay"]]
            self.assertEqual(scan["image"], expected["path"])
            self.assertEqual([image["instances"] for image in scan["images"]], [expected["slices"]])
            self.assertEqual([seg["segments"] for seg in scan["segmentations"]],
                             [len(expected["segments"])] if expected["segments"] else [])

    def test_counts_by_findscu_are_those_of_the_tables(self):
        patients = self.node.find("PatientID", "NumberOfPatientRelatedStudies",
                                  "NumberOfPatientRelatedInstances", level="PATIENT", model="-P")
        studies = self.node.find("StudyInstanceUID", "NumberOfStudyRelatedSeries",
                                 "NumberOfStudyRelatedInstances", "ModalitiesInStudy")
        series = self.node.find("SeriesInstanceUID", "Modality", "NumberOfSeriesRelatedInstances",
                                level="SERIES")
        self.assertEqual(len(patients), TOTAL["patients"])
        self.assertEqual(len(studies), TOTAL["studies"])
        images = [one for one in series if one.Modality != "SEG"]
        segs = [one for one in series if one.Modality == "SEG"]
        self.assertEqual(len(images), TOTAL["image_series"])
        self.assertEqual(len(segs), TOTAL["seg_series"])
        instances = TOTAL["image_instances"] + TOTAL["seg_instances"]
        for answers, keyword in ((patients, "NumberOfPatientRelatedInstances"),
                                 (studies, "NumberOfStudyRelatedInstances"),
                                 (series, "NumberOfSeriesRelatedInstances")):
            self.assertEqual(sum(int(one[keyword].value) for one in answers), instances)
        self.assertEqual(sum(int(one.NumberOfStudyRelatedSeries) for one in studies), len(series))
        self.assertEqual(sum(int(one.NumberOfPatientRelatedStudies) for one in patients),
                         len(studies))
        for modality, count in TOTAL["modalities"].items():
            self.assertEqual(sum(1 for one in images if one.Modality == modality), count)

    def test_one_mouse_is_one_patient_and_a_session_one_study(self):
        by_sample = {}
        for scan in self.scans:
            by_sample.setdefault((scan["study"], scan["sample"]), set()).add(
                scan["StudyInstanceUID"])
        mixed = self.node.find("StudyInstanceUID", "PatientID=LIV-HCC-2021:Mouse_01")
        self.assertEqual(len(mixed), 2)  # two weeks; week 24 has a native and a converted scan
        self.assertEqual(len(by_sample[("LIV-HCC-2021", "Mouse_01_w24")]), 1)
        self.assertEqual(len(self.node.find("PatientID=*:Mouse_01", level="PATIENT", model="-P")), 2)

    # -- questions ---------------------------------------------------------------------------------

    def test_strain_and_species_of_the_isa_tab_are_found(self):
        for strain, scans in TOTAL["strains"].items():
            series = self.node.find(f"StrainDescription={strain}", "Modality", level="SERIES")
            self.assertEqual(sum(1 for one in series if one.Modality != "SEG"), scans, strain)
        answers = self.node.find("StrainDescription=C57BL/6?", "PatientID")
        self.assertEqual({one.StrainDescription for one in answers}, {"C57BL/6J", "C57BL/6N"})
        species = self.node.find("PatientSpeciesDescription=Mus*")
        self.assertEqual(len(species), TOTAL["studies"])
        self.assertEqual({one.PatientSpeciesDescription for one in species}, {"Mus musculus"})
        self.assertEqual(self.node.find("StrainDescription=c57bl/6j"), [])

    def test_species_code_is_matched_in_its_item_and_comes_back(self):
        mice = self.node.find("PatientSpeciesCodeSequence[0].CodeValue=447612001",
                              "PatientSpeciesCodeSequence[0].CodingSchemeDesignator=SCT")
        self.assertEqual(len(mice), TOTAL["studies"])
        self.assertEqual(mice[0].PatientSpeciesCodeSequence[0].CodeMeaning, "Mus musculus")
        self.assertEqual(self.node.find("PatientSpeciesCodeSequence[0].CodeValue=371565004"), [])

    def test_dates_modalities_and_names_are_matched(self):
        studies = self.node.find("StudyDate", "StudyInstanceUID", "ModalitiesInStudy",
                                 "PatientName")
        dates = sorted(one.StudyDate for one in studies if one.StudyDate)
        middle = dates[len(dates) // 2]
        early = self.node.find(f"StudyDate=-{middle}")
        late = self.node.find(f"StudyDate={middle}-")
        day = self.node.find(f"StudyDate={middle}")
        self.assertEqual(len(early), sum(1 for date in dates if date <= middle))
        self.assertEqual(len(early) + len(late) - len(day), len(dates))
        with_ct = [one for one in studies if "CT" in one.ModalitiesInStudy]
        self.assertEqual(len(self.node.find("ModalitiesInStudy=CT")), len(with_ct))
        either = self.node.find("ModalitiesInStudy=CT\\MR")
        self.assertEqual(len(either), len(studies))
        some = str(studies[0].PatientName)
        self.assertTrue(self.node.find(f"PatientName={some[:4].lower()}*"))
        self.assertEqual(self.node.find("PatientName=nobody*"), [])

    # -- objects -----------------------------------------------------------------------------------

    def scan_with(self, wanted):
        return next(scan for scan in self.scans if wanted(scan))

    def test_native_scans_come_back_bit_by_bit(self):
        scan = self.scan_with(lambda one: (DATASET / one["image"]).is_dir())
        sent = {pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID:
                node.data_set_bytes(path) for path in (DATASET / scan["image"]).glob("*.dcm")}
        with tempfile.TemporaryDirectory() as folder:
            paths = self.node.get(folder, f"SeriesInstanceUID={scan['SeriesInstanceUID']}",
                                  f"StudyInstanceUID={scan['StudyInstanceUID']}", level="SERIES")
            got = {pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID:
                   node.data_set_bytes(path) for path in paths}
        self.assertEqual(got, sent)

    def test_a_study_moves_whole_with_its_segmentations(self):
        scan = self.scan_with(lambda one: one["segmentations"])
        uid = scan["StudyInstanceUID"]
        with tempfile.TemporaryDirectory() as folder:
            paths, _ = self.node.move(folder, f"StudyInstanceUID={uid}")
            found = self.node.find(f"StudyInstanceUID={uid}", "NumberOfStudyRelatedInstances")
            self.assertEqual(len(paths), int(found[0].NumberOfStudyRelatedInstances))
            self.assertIn("SEG", {pydicom.dcmread(path, stop_before_pixels=True).Modality
                                  for path in paths})

    def test_converted_voxels_and_positions_are_those_of_the_nifti(self):
        for scan in self.scans:
            path = DATASET / scan["image"]
            if path.is_dir():
                continue
            with self.subTest(scan=scan["assay"]), tempfile.TemporaryDirectory() as folder:
                paths = self.node.get(folder, f"SeriesInstanceUID={scan['SeriesInstanceUID']}",
                                      f"StudyInstanceUID={scan['StudyInstanceUID']}",
                                      level="SERIES")
                self.compare_volume([pydicom.dcmread(one) for one in paths], nibabel.load(path))

    def compare_volume(self, slices, image):
        unit = {"micron": 1e-3, "meter": 1e3}.get(image.header.get_xyzt_units()[0], 1.0)
        affine = image.affine.copy()
        affine[:3] *= unit
        to_voxel = numpy.linalg.inv(affine)
        values = numpy.asarray(image.dataobj)
        self.assertEqual(len(slices), values.shape[2])
        for one in slices:
            orientation = numpy.array(one.ImageOrientationPatient, float)
            row, column = orientation[:3], orientation[3:]
            j, i = numpy.meshgrid(range(one.Rows), range(one.Columns), indexing="ij")
            lps = (numpy.array(one.ImagePositionPatient, float)
                   + i[..., None] * row * float(one.PixelSpacing[1])
                   + j[..., None] * column * float(one.PixelSpacing[0]))
            ras = lps * [-1, -1, 1]
            index = ras @ to_voxel[:3, :3].T + to_voxel[:3, 3]
            nearest = numpy.rint(index).astype(int)
            self.assertLess(numpy.abs(index - nearest).max(), 2e-2)
            stored = one.pixel_array * float(one.get("RescaleSlope", 1)) + float(
                one.get("RescaleIntercept", 0))
            wanted = values[nearest[..., 0], nearest[..., 1], nearest[..., 2]]
            bound = abs(float(one.get("RescaleSlope", 1))) / 2 + 1e-6 * numpy.abs(wanted).max()
            if numpy.issubdtype(image.get_data_dtype(), numpy.integer):
                bound = 1e-6 * max(1.0, float(numpy.abs(wanted).max()))
            self.assertLessEqual(numpy.abs(stored - wanted).max(), bound)

    def test_segments_have_the_voxels_of_their_labels(self):
        for scan in self.scans:
            expected = EXPECTED["studies"][scan["study"]]["scans"][scan["assay"]]["segments"]
            for seg in scan["segmentations"]:
                with self.subTest(scan=scan["assay"]), tempfile.TemporaryDirectory() as folder:
                    paths = self.node.get(folder, f"SeriesInstanceUID={seg['SeriesInstanceUID']}",
                                          f"StudyInstanceUID={seg['StudyInstanceUID']}",
                                          level="SERIES")
                    self.assertEqual(len(paths), 1)
                    one = pydicom.dcmread(paths[0])
                    bits = numpy.unpackbits(numpy.frombuffer(one.PixelData, numpy.uint8),
                                            bitorder="little")
                    frames = bits[:one.NumberOfFrames * one.Rows * one.Columns].reshape(
                        one.NumberOfFrames, -1).sum(axis=1)
                    counts = {}
                    for frame, item in zip(frames, one.PerFrameFunctionalGroupsSequence):
                        number = item.SegmentIdentificationSequence[0].ReferencedSegmentNumber
                        counts[number] = counts.get(number, 0) + int(frame)
                    self.assertEqual(sorted(counts.values()),
                                     sorted(part["voxels"] for part in expected.values()))
                    self.assertEqual(one.FrameOfReferenceUID != "", True)
                    self.assertEqual(
                        one.ReferencedSeriesSequence[0].SeriesInstanceUID,
                        scan["SeriesInstanceUID"])

    def test_what_we_made_passes_dciodvfy(self):
        with tempfile.TemporaryDirectory() as folder:
            for scan in self.scans:
                made = list(scan["segmentations"])
                if not (DATASET / scan["image"]).is_dir():
                    made += scan["images"]
                for series in made:
                    paths = self.node.get(
                        pathlib.Path(folder) / series["SeriesInstanceUID"],
                        f"SeriesInstanceUID={series['SeriesInstanceUID']}",
                        f"StudyInstanceUID={series['StudyInstanceUID']}", level="SERIES")
                    for path in (paths[0], paths[-1]):
                        self.assertEqual(node.dciodvfy_errors(path), [], scan["assay"])

    def test_the_data_directory_holds_nothing_else(self):
        names = {path.name for path in self.data_dir.iterdir()}
        self.assertLessEqual(names - {"index.sqlite-wal", "index.sqlite-shm"},
                             {"index.sqlite", "objects", "isa", "certificates",
                              "manifest.jsonl", "imports.jsonl", "lock"})

    def test_a_second_import_changes_no_row_and_no_byte(self):
        before = node.tree_digest(self.data_dir / "objects")
        rows = rows_of(self.data_dir)
        manifest = (self.data_dir / "manifest.jsonl").read_bytes()
        scans, _ = node.import_dataset(self.data_dir, DATASET)
        self.assertEqual({scan["status"] for scan in scans}, {"unchanged"})
        self.assertEqual(node.tree_digest(self.data_dir / "objects"), before)
        self.assertEqual(rows_of(self.data_dir), rows)
        self.assertEqual((self.data_dir / "manifest.jsonl").read_bytes(), manifest)

    def test_the_tables_are_kept_as_delivered(self):
        kept = {path.name: path.read_bytes() for path in (self.data_dir / "isa").rglob("*.txt")}
        self.assertEqual(kept, {path.name: path.read_bytes() for path in DATASET.glob("*.txt")})


class BadInput(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.data_dir = self.root / "archive"

    def tearDown(self):
        self.folder.cleanup()

    def copy(self):
        target = self.root / "dataset"
        shutil.copytree(DATASET, target)
        return target

    def test_one_bad_scan_never_stops_the_others_and_leaves_nothing(self):
        dataset = self.copy()
        nifti = next(path for path in sorted(dataset.rglob("T2*.nii.gz"))
                     if not path.name.endswith("_labels.nii.gz"))
        nifti.write_bytes(nifti.read_bytes()[:-200])
        folder = next(path for path in sorted(dataset.rglob("*")) if path.is_dir()
                      and list(path.glob("*.dcm")))
        broken = sorted(folder.glob("*.dcm"))[-1]
        broken.write_bytes(broken.read_bytes()[:-500])
        scans, done = node.import_dataset(self.data_dir, dataset, check=False)
        self.assertEqual(done.returncode, 1)
        failed = {scan["image"]: scan["reasons"] for scan in scans if scan["status"] == "failed"}
        self.assertEqual(set(failed), {str(nifti.relative_to(dataset)),
                                       str(folder.relative_to(dataset))})
        self.assertIn(broken.name, " ".join(failed[str(folder.relative_to(dataset))]))
        self.assertEqual(len(scans), TOTAL["image_series"])
        with sqlite3.connect(self.data_dir / "index.sqlite") as index:
            rows = index.execute("SELECT count(*) FROM instance").fetchone()[0]
        files = sum(1 for _ in (self.data_dir / "objects").rglob("*.dcm"))
        self.assertEqual(rows, files)
        scans, done = node.import_dataset(self.data_dir, DATASET)  # repaired: the rest comes in
        self.assertEqual(sorted(scan["status"] for scan in scans).count("imported"), 2)

    def test_missing_image_and_missing_dataset_are_named(self):
        dataset = self.copy()
        image = next(dataset.rglob("*.nii"))
        image.unlink()
        scans, done = node.import_dataset(self.data_dir, dataset, check=False)
        self.assertEqual(done.returncode, 1)
        reasons = [" ".join(scan["reasons"]) for scan in scans if scan["status"] == "failed"]
        self.assertEqual(len(reasons), 1)
        self.assertIn(image.name, reasons[0])
        done = node.murpacs("import", "--data-dir", self.data_dir, self.root / "nowhere", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("nowhere", done.stderr)
        done = node.murpacs("import", "--data-dir", self.data_dir, DATASET / "LIV-HCC-2021",
                            check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--dicom", done.stderr)

    def test_a_dry_run_writes_nothing(self):
        scans, done = node.import_dataset(self.data_dir, DATASET, "--dry-run")
        self.assertEqual(len(scans), TOTAL["image_series"])
        self.assertFalse(self.data_dir.exists())

    def test_a_data_directory_is_served_once(self):
        node.import_dataset(self.data_dir, DATASET)
        with node.serving(self.data_dir) as first:
            done = node.murpacs("serve", "--data-dir", self.data_dir, "--set", "dicom.port=0",
                                check=False, timeout=60)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("another node", done.stderr)
            done = node.murpacs("serve", "--data-dir", self.root / "other", "--set",
                                f"dicom.port={first.port}", check=False, timeout=60)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(str(first.port), done.stderr)

    def test_a_newer_or_missing_index_is_refused_with_a_word(self):
        node.import_dataset(self.data_dir, DATASET)
        index = self.data_dir / "index.sqlite"
        with sqlite3.connect(index) as connection:
            connection.execute("PRAGMA user_version = 999")
        done = node.murpacs("serve", "--data-dir", self.data_dir, check=False, timeout=60)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("999", done.stderr)
        index.unlink()
        done = node.murpacs("serve", "--data-dir", self.data_dir, check=False, timeout=60)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("is missing", done.stderr)


if __name__ == "__main__":
    unittest.main()
