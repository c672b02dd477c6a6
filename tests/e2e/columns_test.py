#!/usr/bin/python3
"""Nothing about a column's name, kind or place is in the program: a dataset whose columns are
renamed, shuffled and moved imports with an edited mapping file alone, and answers the same."""
import csv
import os
import pathlib
import random
import re
import shutil
import tempfile
import unittest

import pydicom

import node

DATASET = pathlib.Path(os.environ["MURPACS_PHANTOM_DATA"])
MAPPING = node.SOURCE / "etc" / "isa-mapping.cfg"

# Old header -> (new header, after which column it goes; None: where it was).
STUDY_COLUMNS = {
    "Characteristics[Organism]": ("Comment[Tierart]", None),
    "Characteristics[Animal strain]": ("Comment[Mausstamm]", None),
    "Characteristics[Genotype]": ("Parameter Value[Erbgut]", "Protocol REF"),
    "Characteristics[Supplier]": ("Parameter Value[Züchter]", "Protocol REF"),
    "Characteristics[Sex]": ("Comment[Geschlecht]", None),
    "Characteristics[Health status]": ("Comment[Gesundheit]", "Sample Name"),
    "Characteristics[Disease model]": ("Characteristics[Krankheit]", "Sample Name"),
    "Characteristics[Age]": ("Comment[Alter]", None),
    "Characteristics[Body weight]": ("Parameter Value[Gewicht]", "Protocol REF"),
    "Factor Value[week]": ("Factor Value[Woche]", None),
}
ASSAY_COLUMNS = {
    "Parameter Value[Image modality]": ("Comment[Bildgebung]", "Assay Name"),
    "Parameter Value[Device name]": ("Comment[Gerät]", "Assay Name"),
    "Parameter Value[Brand]": ("Parameter Value[Hersteller]", None),
    "Parameter Value[Contrast agent name]": ("Comment[Kontrastmittel]", None),
    "Parameter Value[Time point]": ("Comment[Minuten]", "Assay Name"),
    "Parameter Value[Coil]": ("Characteristics[Spule]", "Sample Name"),
    "Parameter Value[Magnetic field strength]": ("Characteristics[Feldstärke]", "Sample Name"),
    "Parameter Value[Sequence]": ("Comment[Sequenz]", "Assay Name"),
    "Parameter Value[Tube voltage]": ("Comment[Spannung]", None),
    "Parameter Value[Tube current]": ("Parameter Value[Strom]", None),
    "Parameter Value[Repetition time]": ("Comment[TR]", "Assay Name"),
    "Parameter Value[Echo time]": ("Comment[TE]", "Assay Name"),
    "Raw Data File": ("Comment[Bildordner]", None),
    "Image File": ("Comment[Bilddatei]", None),
    "Parameter Value[Organ]": ("Comment[Struktur]", None),
    "Parameter Value[Label value]": ("Parameter Value[Wert]", None),
    "Parameter Value[Segmentation method]": ("Comment[Verfahren]", None),
    "Derived Data File": ("Comment[Umrissdatei]", None),
    "Factor Value[week]": ("Factor Value[Woche]", None),
}
NODES = ("Source Name", "Sample Name", "Protocol REF", "Assay Name", "Raw Data File", "Image File",
         "Derived Data File")
QUALIFIERS = ("Unit", "Term Source REF", "Term Accession Number")
# What lists the columns by their names is another text now; so is the private block.
NAMES_THEM = ("PatientComments", "AdditionalPatientHistory")
PRIVATE_GROUP = 0x0099


def bare(header):
    return re.sub(r".*\[(.*)\]", r"\1", header)


def column_groups(header):
    """Lists of positions: a column with the Unit and term columns behind it."""
    groups = []
    for position, name in enumerate(header):
        if name in QUALIFIERS:
            groups[-1].append(position)
        else:
            groups.append([position])
    return groups


def rewrite(path, changes, chance):
    """Renames and moves columns, and shuffles those of each node."""
    with open(path, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, delimiter="\t")
    nodes = [[]]  # each begins with its own column
    moved = {}
    for group in column_groups(header):
        name = header[group[0]]
        if name in NODES and name not in changes:
            nodes.append([group])
        elif name in changes and changes[name][1] is not None:
            moved.setdefault(changes[name][1], []).append(group)
        else:
            nodes[-1].append(group)
    for node_name, groups in moved.items():
        place = next(one for one in nodes if one and header[one[0][0]] == node_name)
        place += groups
    order = []
    for first, *rest in filter(None, nodes):
        # Comment columns of former nodes keep their place: rows differ in them.
        chance.shuffle(rest)
        for group in (first, *rest):
            order += group
    names = [changes[name][0] if name in changes else name for name in header]
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow([names[position] for position in order])
        writer.writerows([[row[position] for position in order] for row in rows])


def declare_parameters(path):
    """The protocols of the investigation file have the parameters by their new names."""
    text = path.read_text(encoding="utf-8")
    for old, (new, _) in ASSAY_COLUMNS.items():
        text = re.sub(rf"(?<=[;\"]){re.escape(bare(old))}(?=[;\"])", bare(new), text)
    text = text.replace('"Room temperature"', '"Room temperature;Erbgut;Züchter;Gewicht"')
    path.write_text(text, encoding="utf-8")


def edit_mapping(target):
    """A copy of the default with the new names in its lists of columns' names."""
    units_and_tables, roles, text = MAPPING.read_text(encoding="utf-8").partition("\nroles = {")
    for old, (new, _) in {**STUDY_COLUMNS, **ASSAY_COLUMNS}.items():
        text, count = re.subn(
            r"names = \[[^\]]*\]",
            lambda found: found[0].replace(f'"{bare(old)}"', f'"{bare(new)}"'), text)
        assert count and f'"{bare(new)}"' in text, old
    target.write_text(units_and_tables + roles + text, encoding="utf-8")


def values_of(data_set, *without):
    return {element.tag: (element.VR, str(element.value)) for element in data_set
            if element.keyword not in without and element.tag.group != PRIVATE_GROUP}


class ColumnsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        root = pathlib.Path(cls.folder.name)
        changed = root / "changed"
        shutil.copytree(DATASET, changed)
        chance = random.Random(5)
        for path in sorted(changed.glob("[as]_*.txt")):
            rewrite(path, STUDY_COLUMNS if path.name.startswith("s_") else ASSAY_COLUMNS, chance)
        declare_parameters(changed / "i_Investigation.txt")
        mapping = root / "mapping.cfg"
        edit_mapping(mapping)
        cls.changed = changed
        cls.root = root
        cls.nodes, cls.scans = [], []
        with_mapping = ("--set", f"isa.mapping_file={mapping}")
        for dataset, options in ((DATASET, ()), (changed, with_mapping)):
            data_dir = root / f"archive-{dataset.name}"
            scans, done = node.import_dataset(data_dir, dataset, *options)
            assert done.returncode == 0, done.stderr
            cls.scans.append(scans)
            cls.nodes.append(node.Node(data_dir, *options))

    @classmethod
    def tearDownClass(cls):
        codes = [one.stop() for one in cls.nodes]
        cls.folder.cleanup()
        assert codes == [0, 0], codes

    def test_no_old_name_is_left(self):
        for path in self.changed.glob("[as]_*.txt"):
            header = path.read_text(encoding="utf-8").splitlines()[0].replace('"', "").split("\t")
            changes = STUDY_COLUMNS if path.name.startswith("s_") else ASSAY_COLUMNS
            self.assertEqual(set(header) & set(changes), set())

    def test_without_the_edited_mapping_the_same_tables_say_less(self):
        scans, done = node.import_dataset(self.root / "unmapped", self.changed, "--dry-run",
                                          check=False)
        self.assertNotEqual([scan["status"] for scan in scans],
                            [scan["status"] for scan in self.scans[0]])
        self.assertNotEqual(done.returncode, 0)

    def test_the_same_scans_come_in(self):
        for one, other in zip(*(sorted(scans, key=lambda scan: (scan["study"], scan["assay"]))
                                for scans in self.scans)):
            for name in one.keys() - {"reasons"}:  # those hold paths
                self.assertEqual(other[name], one[name], name)

    def both(self, *keys, **options):
        """The answers of both nodes, as comparable values."""
        answers = [sorted((values_of(one) for one in serving.find(*keys, **options)), key=str)
                   for serving in self.nodes]
        self.assertTrue(answers[0])
        return answers

    def test_findscu_gets_the_same_answers(self):
        patient = ("PatientID", "PatientName", "PatientSex", "StrainDescription",
                   "PatientSpeciesDescription", "PatientSpeciesCodeSequence", "StrainCodeSequence",
                   "GeneticModificationsSequence", "StrainStockSequence", "ClinicalTrialProtocolID",
                   "ClinicalTrialSubjectID", "0010,1000")
        study = (*patient, "StudyInstanceUID", "StudyDate", "StudyDescription", "StudyID",
                 "PatientAge", "PatientWeight", "AdmittingDiagnosesDescription",
                 "ClinicalTrialTimePointID", "ClinicalTrialTimePointDescription",
                 "ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances")
        series = (*study, "SeriesInstanceUID", "Modality", "SeriesDescription", "SeriesDate",
                  "ProtocolName", "Manufacturer", "ManufacturerModelName", "OperatorsName",
                  "NumberOfSeriesRelatedInstances")
        for keys, options in ((patient, {"level": "PATIENT", "model": "-P"}),
                              (study, {"level": "STUDY"}), (series, {"level": "SERIES"})):
            with self.subTest(**options):
                original, changed = self.both(*keys, **options)
                self.assertEqual(changed, original)

    def test_what_the_tables_say_is_matched(self):
        for keys in (("StrainDescription=C57BL/6J",), ("PatientSpeciesDescription=Mus*",),
                     ("PatientSex=F",), ("ModalitiesInStudy=CT",), ("StudyDate=20210101-",),
                     ("AdmittingDiagnosesDescription=*carcinoma*",),
                     ("PatientSpeciesCodeSequence[0].CodeValue=447612001",)):
            with self.subTest(keys):
                original, changed = self.both(*keys, "StudyInstanceUID")
                self.assertEqual(changed, original)

    def test_the_attributes_of_the_animal_are_found_by_their_new_names(self):
        self.assertTrue(self.nodes[1].find("PatientComments=*Mausstamm=C57BL/6J*"))
        self.assertEqual(self.nodes[0].find("PatientComments=*Mausstamm=C57BL/6J*"), [])

    def test_what_was_made_has_the_same_attributes(self):
        compared = 0
        for scan in self.scans[0]:
            for series in scan["segmentations"] if (DATASET / scan["image"]).is_dir() else (
                    scan["images"] + scan["segmentations"]):
                sets = []
                for number, serving in enumerate(self.nodes):
                    folder = self.root / f"{number}-{series['SeriesInstanceUID']}"
                    paths = serving.get(folder, f"StudyInstanceUID={series['StudyInstanceUID']}",
                                        f"SeriesInstanceUID={series['SeriesInstanceUID']}",
                                        level="SERIES")
                    first = min(map(pydicom.dcmread, paths), key=lambda one: one.SOPInstanceUID)
                    sets.append(values_of(first, *NAMES_THEM))
                self.assertEqual(sets[1], sets[0], scan["assay"])
                compared += 1
        self.assertGreater(compared, 10)


if __name__ == "__main__":
    unittest.main()
