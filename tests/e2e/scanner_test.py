#!/usr/bin/python3
"""Series of real small-animal scanners under an ISA-Tab written by hand: found by what the tables
say, one mouse one Patient, and given back as the scanners wrote them.

The series are not in the tree: MURPACS_TESTDATA/preclinical (MR Solutions 3 T, 261 classic MR
images; Bruker 9.4 T, two Enhanced MR objects of one examination)."""
import pathlib
import shutil
import tempfile
import unittest
import zipfile

import pydicom

import node

# The MR Solutions' UIDs have components with leading zeros, and pydicom says so 261 times.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE

ARCHIVES = sorted((node.TESTDATA / "preclinical").glob("*.zip"))
STUDY = "DWI-2022"
HEADER_IDS = {"MR Solutions": "DWI_Phantom123", "Bruker": "NCI-CIRP Phantom"}
STRAINS = {"A-01": "Crl:SKH1-Hrhr", "B-02": "BALB/cJ"}

INVESTIGATION = f"""\
ONTOLOGY SOURCE REFERENCE
Term Source Name
Term Source File
Term Source Version
Term Source Description
INVESTIGATION
Investigation Identifier\tDWI-ROUND-ROBIN
Investigation Title\tDiffusion-weighted MRI at two sites
Investigation Description
Investigation Submission Date
Investigation Public Release Date
INVESTIGATION PUBLICATIONS
INVESTIGATION CONTACTS
STUDY
Study Identifier\t{STUDY}
Study Title\tOne animal at two scanners
Study Description
Study Submission Date
Study Public Release Date
Study File Name\ts_dwi.txt
STUDY DESIGN DESCRIPTORS
STUDY PUBLICATIONS
STUDY FACTORS
STUDY ASSAYS
Study Assay File Name\ta_dwi.txt
Study Assay Measurement Type\tdiffusion imaging
Study Assay Technology Type\tmagnetic resonance imaging
STUDY PROTOCOLS
Study Protocol Name\tsample collection\tMR imaging
Study Protocol Type\tsample collection\timaging
Study Protocol Parameters Name\t\tBrand
STUDY CONTACTS
"""


def table(*rows):
    return "".join("\t".join(row) + "\n" for row in rows)


def unpack(root):
    """The series by scanner: {"MR Solutions": folder, "Bruker": [two files]}, below @root."""
    for archive in ARCHIVES:
        with zipfile.ZipFile(archive) as content:
            content.extractall(root / archive.stem)
    series = {}
    for path in root.rglob("*.dcm"):
        header = pydicom.dcmread(path, specific_tags=["Manufacturer"])
        series.setdefault("Bruker" if "Bruker" in header.Manufacturer else "MR Solutions",
                          []).append(path)
    return {"MR Solutions": series["MR Solutions"][0].parent, "Bruker": sorted(series["Bruker"])}


def write_tables(root, scans):
    """scans: (sample, assay, brand, image) each; a sample is the animal's name and a session."""
    (root / "i_investigation.txt").write_text(INVESTIGATION, encoding="utf-8")
    animals = sorted({(sample.rpartition("_")[0], sample) for sample, _, _, _ in scans})
    (root / "s_dwi.txt").write_text(table(
        ("Source Name", "Characteristics[Organism]", "Characteristics[Animal strain]",
         "Characteristics[Sex]", "Protocol REF", "Date", "Sample Name"),
        *((animal, "Mus musculus", STRAINS[animal], "female", "sample collection", "2022-05-04",
           sample) for animal, sample in animals)), encoding="utf-8")
    (root / "a_dwi.txt").write_text(table(
        ("Sample Name", "Protocol REF", "Parameter Value[Brand]", "Assay Name", "Raw Data File"),
        *((sample, "MR imaging", brand, assay, str(pathlib.Path(image).relative_to(root)))
          for sample, assay, brand, image in scans)), encoding="utf-8")


def data_sets(paths):
    return {pydicom.dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID:
            node.data_set_bytes(path) for path in paths}


@unittest.skipUnless(len(ARCHIVES) >= 2, f"no scanner series in {node.TESTDATA / 'preclinical'}")
class ScannerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.folder.name)
        cls.dataset = cls.root / "dataset"
        cls.dataset.mkdir()
        cls.series = unpack(cls.dataset)
        write_tables(cls.dataset, [
            ("A-01_s1", "A-01 classic", "MR Solutions", cls.series["MR Solutions"]),
            ("A-01_s2", "A-01 DWI", "Bruker", cls.series["Bruker"][0]),
            ("A-01_s2", "A-01 EPI", "Bruker", cls.series["Bruker"][1])])
        cls.data_dir = cls.root / "archive"
        cls.scans, done = node.import_dataset(cls.data_dir, cls.dataset)
        assert done.returncode == 0, done.stderr
        cls.node = node.Node(cls.data_dir)

    @classmethod
    def tearDownClass(cls):
        code = cls.node.stop()
        cls.folder.cleanup()
        assert code == 0, code

    def test_all_came_in(self):
        self.assertEqual(sorted((scan["assay"], scan["status"], scan["images"][0]["instances"])
                                for scan in self.scans),
                         [("A-01 DWI", "imported", 1), ("A-01 EPI", "imported", 1),
                          ("A-01 classic", "imported", 261)])

    def test_the_strain_of_the_tables_finds_them(self):
        series = self.node.find(f"StrainDescription={STRAINS['A-01']}", "Modality",
                                "NumberOfSeriesRelatedInstances", level="SERIES")
        self.assertEqual(sorted(int(one.NumberOfSeriesRelatedInstances) for one in series),
                         [1, 1, 261])
        self.assertEqual({one.Modality for one in series}, {"MR"})
        studies = self.node.find("StrainDescription=Crl:SKH1*", "PatientSpeciesDescription",
                                 "PatientSex", "NumberOfStudyRelatedInstances")
        self.assertEqual(sorted(int(one.NumberOfStudyRelatedInstances) for one in studies),
                         [2, 261])
        self.assertEqual({(one.PatientSpeciesDescription, one.PatientSex) for one in studies},
                         {("Mus musculus", "F")})
        self.assertEqual(self.node.find("StrainDescription=BALB*"), [])

    def test_one_animal_is_one_patient_whatever_the_headers_say(self):
        patients = self.node.find("PatientID", "PatientName", "NumberOfPatientRelatedStudies",
                                  "NumberOfPatientRelatedInstances", "0010,1000", level="PATIENT",
                                  model="-P")
        self.assertEqual(len(patients), 1)
        self.assertEqual(patients[0].PatientID, f"{STUDY}:A-01")
        self.assertEqual(int(patients[0].NumberOfPatientRelatedStudies), 2)
        self.assertEqual(int(patients[0].NumberOfPatientRelatedInstances), 263)
        self.assertEqual(set(patients[0][0x0010, 0x1000].value), set(HEADER_IDS.values()))

    def test_the_headers_own_patient_id_is_found_as_another_one(self):
        for brand, own in HEADER_IDS.items():
            with self.subTest(brand):
                for key in (f"0010,1000={own}", f"0010,1000={own[:6]}*"):
                    found = self.node.find(key, "PatientID", level="PATIENT", model="-P")
                    self.assertEqual([one.PatientID for one in found], [f"{STUDY}:A-01"])
                self.assertEqual(self.node.find(f"PatientID={own}"), [])
        self.assertEqual(self.node.find("0010,1000=nobody"), [])

    def test_they_come_back_as_the_scanners_wrote_them(self):
        sent = data_sets(self.dataset.rglob("*.dcm"))
        self.assertEqual(len(sent), 263)
        got = data_sets(self.node.get(self.root / "got", f"PatientID={STUDY}:A-01", level="PATIENT",
                                      model="-P"))
        self.assertEqual(got, sent)
        for scan in self.scans:
            with self.subTest(scan["assay"]):
                image = self.dataset / scan["image"]
                own = data_sets(image.glob("*.dcm") if image.is_dir() else [image])
                got = data_sets(self.node.get(
                    self.root / scan["assay"], f"StudyInstanceUID={scan['StudyInstanceUID']}",
                    f"SeriesInstanceUID={scan['SeriesInstanceUID']}", level="SERIES"))
                self.assertEqual(got, own)

    def test_a_second_import_changes_nothing(self):
        before = node.tree_digest(self.data_dir / "objects")
        scans, _ = node.import_dataset(self.data_dir, self.dataset)
        self.assertEqual({scan["status"] for scan in scans}, {"unchanged"})
        self.assertEqual(node.tree_digest(self.data_dir / "objects"), before)

    def test_two_animals_of_one_examination_stay_two_patients(self):
        """The Bruker's two objects have one Study Instance UID; the tables say two mice."""
        dataset = self.root / "hotel-dataset"
        dataset.mkdir()
        files = [shutil.copy(path, dataset) for path in self.series["Bruker"]]
        write_tables(dataset, [("A-01_s2", "A-01 DWI", "Bruker", files[0]),
                               ("B-02_s2", "B-02 EPI", "Bruker", files[1])])
        data_dir = self.root / "hotel"
        scans, _ = node.import_dataset(data_dir, dataset)
        uids = {scan["StudyInstanceUID"] for scan in scans}
        self.assertEqual(len(uids), 1)
        with node.serving(data_dir) as serving:
            studies = serving.find(f"StudyInstanceUID={uids.pop()}", "PatientID",
                                   "StrainDescription", "NumberOfStudyRelatedInstances")
            self.assertEqual({(one.PatientID, one.StrainDescription,
                               int(one.NumberOfStudyRelatedInstances)) for one in studies},
                             {(f"{STUDY}:{animal}", strain, 1)
                              for animal, strain in STRAINS.items()})
            for number, scan in enumerate(scans):
                got = serving.get(self.root / f"hotel-{number}",
                                  f"PatientID={STUDY}:{scan['source']}", level="PATIENT",
                                  model="-P")
                self.assertEqual(data_sets(got), data_sets([dataset / scan["image"]]))


if __name__ == "__main__":
    unittest.main()
