#!/usr/bin/python3
"""What tables say, in the objects made of them: every variant of an animal, a session and a scan is
imported, has the attributes that it should, and no error in the eyes of dciodvfy."""
import os
import pathlib
import re
import shutil
import tempfile
import unittest

import nibabel
import numpy
import pydicom

import node

AGENT = "Parameter Value[Contrast agent name]"
ENHANCED = {"Parameter Value[Source]": "contrast-enhanced"}

# name of the animal -> columns of the source, columns of the sample; (value, unit) where it has one
ANIMALS = {
    "plain": ({}, {}),
    "mouse": ({"Characteristics[Organism]": "Mus musculus"}, {}),
    "rat": ({"Characteristics[Organism]": "Rattus norvegicus", "Characteristics[Sex]": "male"}, {}),
    "pig": ({"Characteristics[Organism]": "Sus scrofa", "Characteristics[Sex]": "other"}, {}),
    "full": ({"Characteristics[Organism]": "Mus musculus",
              "Characteristics[Animal strain]": "C57BL/6J",
              "Characteristics[Strain RRID]": "IMSR_JAX:000664",
              "Characteristics[Supplier]": "The Jackson Laboratory",
              "Characteristics[Stock number]": "000664",
              "Characteristics[Genotype]": "Icam1<tm1Jcgr>",
              "Characteristics[Sex]": "female",
              "Characteristics[Neutered]": "ovariectomized",
              "Characteristics[Birth date]": "2021-08-02",
              "Characteristics[Responsible person]": "Müller, Jana",
              "Characteristics[Ear tag]": "E12",
              "Characteristics[Site name]": "Mouse house 3"},
             {"Characteristics[Age]": ("168", "day"),
              "Characteristics[Body weight]": ("28.4", "gram"),
              "Characteristics[Health status]": "not healthy",
              "Characteristics[Disease model]": "MASH",
              "Factor Value[week]": ("0", "week"),
              "Factor Value[diet]": "western diet 60 % \"fat\""}),
    "superscript": ({"Characteristics[Organism]": "mouse",
                     "Characteristics[Animal strain]": "B6.129S4-Icam1⁻/⁻",
                     "Characteristics[Genotype]": "Icam1⁻/⁻",
                     "Characteristics[Supplier]": "own breeding",
                     "Characteristics[Sex]": "unknown"},
                    {"Characteristics[Age]": ("1001", "day"), "Factor Value[week]": ("0.5", "week")}),
    "old": ({"Characteristics[Animal strain]": "SKH1"},
            {"Characteristics[Age]": ("7000", "day"), "Factor Value[Study day]": ("-3", "day")}),
    "visit": ({"Characteristics[Organism]": "mouse", "Characteristics[Neutered]": "intact"},
              {"Characteristics[Visit]": "third visit " + "x" * 80,
               "Characteristics[Body weight]": ("1234567.123456789", "mg")}),
    "gene": ({"Characteristics[Genotype]": "Icam1<tm1Jcgr>"}, {}),
    "tag": ({"Characteristics[Ear tag]": "E13"}, {}),
    "stock": ({"Characteristics[Supplier]": "Charles River",
               "Characteristics[Stock number]": "027"}, {}),
    "boss": ({"Characteristics[Responsible person]": "Doe"}, {}),
    "cut": ({"Characteristics[Neutered]": "yes"}, {}),
    "n" * 70: ({"Characteristics[Organism]": "mouse", "Characteristics[Transponder]": "98511"}, {}),
}
# name of the scan -> animal, columns of the row
CT = {
    "ct plain": ("plain", {}),
    "ct mouse": ("mouse", {}),
    "ct rat": ("rat", {"Parameter Value[Brand]": "other"}),
    "ct pig": ("pig", {AGENT: "none"}),
    "ct full": ("full", {
        **ENHANCED, AGENT: "iopromide 300", "Parameter Value[Time point]": ("15", "minute"),
        "Parameter Value[Contrast agent volume]": ("100", "µL"),
        "Parameter Value[Device name]": "X-CUBE", "Parameter Value[Brand]": "Molecubes",
        "Parameter Value[Serial number]": "4711", "Parameter Value[Station name]": "CT in the cellar",
        "Parameter Value[Tube voltage]": ("50", "kV"),
        "Parameter Value[Tube current]": ("170", "uA"),
        "Parameter Value[Exposure time]": ("32", "ms"),
        "Date": "2022-03-01T10:30", "Performer": "Doe, Jo"}),
    "ct agent": ("mouse", {AGENT: "ExiTron nano 12000",
                           "Parameter Value[Tube current]": ("2", "mA"),
                           "Parameter Value[Exposure time]": ("0.5", "ms")}),
    "ct enhanced": ("old", ENHANCED),
    "ct native": ("superscript", {"Parameter Value[Source]": "native", AGENT: "Gadovist"}),
    "ct visit": ("visit", {"Date": "2022-03-01", "Parameter Value[Image modality]": "MRI-CT"}),
    "ct long": ("n" * 70, {"Parameter Value[Device name]": "x" * 70}),
    "ct gene": ("gene", {}), "ct tag": ("tag", {}), "ct stock": ("stock", {}),
    "ct boss": ("boss", {}), "ct cut": ("cut", {}),
}
MR = {
    "mr plain": ("plain", {}),
    "mr full": ("full", {
        **ENHANCED, AGENT: "Gadovist", "Parameter Value[Time point]": ("5", "min"),
        "Parameter Value[Sequence]": "T1_FLASH_3D_with_a_long_name",
        "Parameter Value[Repetition time]": ("0.2", "s"), "Parameter Value[Echo time]": ("3", "ms"),
        "Parameter Value[Flip angle]": ("30", "deg"), "Parameter Value[Averages]": "4",
        "Parameter Value[Field strength]": ("300", "MHz"),
        "Parameter Value[Coil]": "RF Res 300 1H 112/086 QSN TO AD volume coil",
        "Date": "2022-03-01T00:02"}),
    "mr inversion": ("mouse", {"Parameter Value[Sequence]": "IR_RARE",
                               "Parameter Value[Inversion time]": ("900", "ms"),
                               "Parameter Value[Image modality]": "MRI-CT"}),
    "mr diffusion": ("superscript", {"Parameter Value[Sequence]": "DtiEpi",
                                     "Parameter Value[b-value]": ("650", "s/mm2")}),
}
# scan -> rows of organs: organ, label value, health, method, algorithm
ORGANS = {
    "ct full": (("liver", "10", "not healthy", "manual", ""),
                ("visceral fat", "20", "", "automatic", "threshold"),
                ("notochord", "31", "", "semi-automatic", "")),
    "mr full": (("HCC", "1", "", "nnU-Net network", ""), ("lung (left)", "2", "healthy", "", "")),
}
# scan -> label values of its map, name of the map, text of its label description, rows of organs
LABELS = {
    "ct plain": ([1], "ct_plain_kidney_left.nii", None, (("", "", "", "", ""),)),
    "ct mouse": ([3, 7], "ct_mouse_labels.nii",
                 '3 10 20 30 1 1 1 "Liver"\n7 200 0 0 1 1 1 "thing"\n9 1 1 1 1 1 1 "Spleen"\n',
                 (("", "", "", "", ""),)),
    "ct rat": ([1, 2, 5], "ct_rat_labels.nii",
               '1 10 20 30 1 1 1 "Brain"\n2 40 50 60 1 1 1 "Spleen"\n5 70 80 90 1 1 1 "Heart"\n',
               (("liver", "1", "", "", ""), ("", "5", "", "", ""))),
    "ct tag": ([4, 6], "ct_tag_labels.nii", None, (("", "", "", "", ""),)),
}
EXPECTED = {
    "ct mouse": {"PatientSpeciesDescription": "Mus musculus", "PatientSex": "",
                 "PatientBreedDescription": "", "PatientID": "VAR-1:mouse",
                 "ClinicalTrialSubjectID": "mouse", "AnatomicalOrientationType": "QUADRUPED"},
    "ct pig": {"PatientSpeciesDescription": "Sus scrofa", "PatientSex": "O",
               "PatientSpeciesCodeSequence": None, "ContrastBolusAgent": None},
    "ct full": {"StrainDescription": "C57BL/6J", "StrainNomenclature": "MGI_2013",
                "PatientSexNeutered": "ALTERED", "PatientBirthDate": "20210802",
                "ResponsiblePerson": "Müller^Jana", "ResponsiblePersonRole": "INVESTIGATOR",
                "PatientAge": "168D", "PatientWeight": 0.0284, "XRayTubeCurrentInuA": 170,
                "XRayTubeCurrent": None, "KVP": 50, "ContrastBolusAgent": "iopromide 300",
                "ContrastBolusStartTime": "101500", "ContrastBolusVolume": 0.1,
                "ClinicalTrialTimePointID": "w0", "LongitudinalTemporalOffsetFromEvent": 0.0,
                "LongitudinalTemporalEventType": "BASELINE", "StudyDate": "20220301",
                "AdmittingDiagnosesDescription": "MASH", "OperatorsName": "Doe^Jo"},
    "ct agent": {"ContrastBolusAgent": "ExiTron nano 12000", "ContrastBolusAgentSequence": None,
                 "XRayTubeCurrent": 2, "XRayTubeCurrentInuA": 2000, "ExposureTime": None,
                 "ExposureTimeInuS": 500, "ContrastBolusStartTime": None},
    "ct enhanced": {"ContrastBolusAgent": "", "PatientAge": "229M",
                    "LongitudinalTemporalOffsetFromEvent": -3.0,
                    "PatientSpeciesDescription": "Mus musculus"},
    "ct gene": {"PatientSpeciesDescription": "UNSPECIFIED"},
    "ct tag": {"PatientSpeciesDescription": None, "PatientBreedDescription": None},
    "ct native": {"ContrastBolusAgent": None, "StrainDescription": "B6.129S4-Icam1⁻/⁻",
                  "StrainStockSequence": None, "PatientAge": "143W",
                  "LongitudinalTemporalOffsetFromEvent": 3.5},
    "ct visit": {"PatientWeight": 1.23456712345679, "Modality": "CT",
                 "PatientSexNeutered": "UNALTERED"},
    "mr full": {"RepetitionTime": 200, "MagneticFieldStrength": 7.0460577307, "ScanningSequence": "GR",
                "ProtocolName": "T1_FLASH_3D_with_a_long_name", "SequenceName": None,
                "ReceiveCoilName": "RF Res 300 1H 11", "ContrastBolusStartTime": None},
    "mr inversion": {"Modality": "MR", "ScanningSequence": ["SE", "IR"], "InversionTime": 900},
    "mr diffusion": {"ScanningSequence": "EP", "DiffusionBValue": 650.0},
}


class Table:
    """Rows of which each has some of the columns; units stand in columns behind the values."""

    def __init__(self):
        self.groups = []  # [header, ...] of columns in order; "" = what follows is fixed
        self.rows = []

    def write(self, path):
        headers = []
        for row in self.rows:
            for header, cell in row:
                if header not in [name for name, _ in headers]:
                    headers.append((header, isinstance(cell, tuple)))
        names = [name for header, unit in headers for name in ([header, "Unit"] if unit else [header])]
        lines = ["\t".join(names)]
        for row in self.rows:
            cells = dict(row)
            line = []
            for header, unit in headers:
                cell = cells.get(header, "")
                line += list(cell) if isinstance(cell, tuple) else [cell, ""] if unit else [cell]
            quoted = ['"' + cell.replace('"', '""') + '"' if '"' in cell else cell for cell in line]
            lines.append("\t".join(quoted))
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def every_key(columns):
    """All columns of several rows, so that each stands at the same place in all."""
    keys = {}
    for one in columns:
        for key, value in one.items():
            keys[key] = ("", "") if isinstance(value, tuple) else ""
    return keys


def write_dataset(root):
    root.mkdir()
    (root / "i_x.txt").write_text(
        "STUDY\nStudy Identifier\tVAR-1\nStudy Title\tVariants\nStudy File Name\ts.txt\n"
        "Comment[Ethics approval]\t81-02\nComment[Ethics committee]\tCommittee of the Lab\n"
        "STUDY ASSAYS\nStudy Assay Technology Type\tcomputed tomography\t"
        "magnetic resonance imaging\nStudy Assay File Name\ta_ct.txt\ta_mr.txt\n"
        "STUDY CONTACTS\nStudy Person Last Name\tMüller\nStudy Person First Name\tJana\n"
        "Study Person Affiliation\tInstitute of Mice\nStudy Person Roles\tcreator\n",
        encoding="utf-8")
    study = Table()
    sources = every_key(source for source, _ in ANIMALS.values())
    samples = every_key(sample for _, sample in ANIMALS.values())
    for name, (source, sample) in ANIMALS.items():
        study.rows.append([("Source Name", name), *({**sources, **source}).items(),
                           ("Sample Name", f"{name} s"), *({**samples, **sample}).items()])
    study.write(root / "s.txt")
    generator = numpy.random.default_rng(1)
    for table_name, scans in (("a_ct.txt", CT), ("a_mr.txt", MR)):
        table = Table()
        columns = every_key(row for _, row in scans.values())
        for name, (animal, row) in scans.items():
            stem = name.replace(" ", "_")
            voxels = generator.integers(0, 1000, (6, 5, 3)).astype(numpy.int16)
            nibabel.save(nibabel.Nifti1Image(voxels, numpy.diag([0.2, 0.2, 0.5, 1])),
                         root / f"{stem}.nii")
            organs = ORGANS.get(name, ())
            values, file_name, description = [int(organ[1]) for organ in organs], "", None
            if organs:
                file_name = f"{stem}_labels.nii"
            elif name in LABELS:
                values, file_name, description, organs = LABELS[name]
            if file_name:
                labels = numpy.zeros((6, 5, 3), numpy.uint8)
                for number, value in enumerate(values):
                    labels[number, :, 1] = value
                nibabel.save(nibabel.Nifti1Image(labels, numpy.diag([0.2, 0.2, 0.5, 1])),
                             root / file_name)
            if description:
                (root / f"{stem}.label").write_text(description, encoding="utf-8")
            for organ, label, health, method, algorithm in organs or (("", "", "", "", ""),):
                table.rows.append([
                    ("Sample Name", f"{animal} s"), ("Protocol REF", "scan"),
                    *({**columns, **row}).items(), ("Assay Name", name),
                    ("Image File", f"{stem}.nii"), ("Parameter Value[Organ]", organ),
                    ("Parameter Value[Label value]", label),
                    ("Parameter Value[Organ health status]", health),
                    ("Parameter Value[Segmentation method]", method),
                    ("Parameter Value[Segmentation algorithm]", algorithm),
                    ("Derived Data File", file_name),
                    ("Comment[Label description file]", f"{stem}.label" if description else "")])
        table.write(root / table_name)


def rgb_of(cielab):
    """sRGB of a Recommended Display CIELab Value (PS3.3 C.10.7.1.1), D65."""
    lightness = cielab[0] * 100 / 65535
    a, b = (value / 257 - 128 for value in cielab[1:])
    y = (lightness + 16) / 116
    xyz = [white * (part ** 3 if part > 6 / 29 else 3 * (6 / 29) ** 2 * (part - 4 / 29))
           for white, part in zip((0.95047, 1, 1.08883), (y + a / 500, y, y - b / 200))]
    rows = ((3.2406, -1.5372, -0.4986), (-0.9689, 1.8758, 0.0415), (0.0557, -0.2040, 1.0570))
    linear = [sum(factor * part for factor, part in zip(row, xyz)) for row in rows]
    return tuple(round(255 * (1.055 * part ** (1 / 2.4) - 0.055 if part > 0.0031308
                              else 12.92 * part)) for part in linear)


class MappingTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        root = pathlib.Path(cls.folder.name)
        write_dataset(root / "dataset")
        scans, cls.done = node.import_dataset(root / "archive", root / "dataset", check=False)
        cls.scans = {scan["assay"]: scan for scan in scans}
        cls.paths = {}
        for path in (root / "archive").rglob("*.dcm"):
            uid = str(pydicom.dcmread(path, stop_before_pixels=True).SeriesInstanceUID)
            cls.paths.setdefault(uid, []).append(path)

    def header(self, scan):
        path = self.paths[self.scans[scan]["SeriesInstanceUID"]][0]
        return pydicom.dcmread(path, stop_before_pixels=True)

    def test_every_variant_comes_in(self):
        self.assertEqual(set(self.scans), {*CT, *MR})
        for scan in self.scans.values():
            self.assertEqual(scan["status"], "imported", scan["reasons"])

    def test_attributes_are_what_the_tables_say(self):
        for name, expected in EXPECTED.items():
            header = self.header(name)
            for keyword, value in expected.items():
                with self.subTest(scan=name, keyword=keyword):
                    if value is None:
                        self.assertNotIn(keyword, header)
                    elif value == "":
                        self.assertIn(keyword, header)
                        self.assertFalse(header[keyword].value)
                    elif isinstance(value, float):
                        self.assertAlmostEqual(float(header[keyword].value), value, places=9)
                    else:
                        self.assertEqual(header[keyword].value, value)

    def test_codes_stand_in_their_sequences(self):
        header = self.header("ct full")
        for keyword, code in (("PatientSpeciesCodeSequence", ("447612001", "SCT")),
                              ("StrainCodeSequence", ("3028467", "MGI")),
                              ("ContrastBolusAgentSequence", ("353903006", "SCT"))):
            item = header[keyword].value[0]
            self.assertEqual((item.CodeValue, item.CodingSchemeDesignator), code)
        stock = header.StrainStockSequence[0]
        self.assertEqual((stock.StrainStockNumber, stock.StrainSource), ("000664", "J"))
        self.assertEqual(stock.StrainSourceRegistryCodeSequence[0].CodeValue, "126850")
        gene = header.GeneticModificationsSequence[0]
        self.assertEqual(gene.GeneticModificationsDescription, "Icam1<tm1Jcgr>")
        self.assertEqual(header.OtherPatientIDsSequence[0].PatientID, "E12")

    def test_every_cell_stands_in_the_private_block(self):
        texts = self.header("ct full").private_block(0x0099, "MURPACS ISA 1.0")[0x01].value
        if isinstance(texts, str):
            texts = [texts]
        for text in ('factor:diet=western diet 60 % "fat"', "characteristic:Genotype=Icam1<tm1Jcgr>",
                     "parameter:Tube current=170", "file:Image File=ct_full.nii"):
            self.assertIn(text, list(texts))

    def test_organs_have_codes_health_and_method(self):
        series = self.scans["ct full"]["segmentations"][0]["SeriesInstanceUID"]
        segments = pydicom.dcmread(self.paths[series][0]).SegmentSequence
        self.assertEqual([one.SegmentLabel for one in segments],
                         ["liver", "visceral fat", "notochord"])
        self.assertEqual([one.SegmentAlgorithmType for one in segments],
                         ["MANUAL", "AUTOMATIC", "SEMIAUTOMATIC"])
        self.assertEqual(segments[0].SegmentDescription, "not healthy")
        self.assertEqual(segments[1].SegmentAlgorithmName, "threshold")
        self.assertEqual(segments[1].AnatomicRegionSequence[0].CodeValue, "52731004")
        self.assertEqual(segments[2].SegmentedPropertyTypeCodeSequence[0].CodeValue, "85756007")

    def segments(self, scan):
        series = self.scans[scan]["segmentations"][0]["SeriesInstanceUID"]
        return pydicom.dcmread(self.paths[series][0]).SegmentSequence

    def test_rows_come_before_label_descriptions_before_the_name_of_the_file(self):
        kidney, = self.segments("ct plain")
        self.assertEqual(kidney.SegmentedPropertyTypeCodeSequence[0].CodeValue, "64033007")
        self.assertIn("file's name", " ".join(self.scans["ct plain"]["reasons"]))
        described = self.segments("ct mouse")
        self.assertEqual([one.SegmentLabel for one in described], ["Liver", "thing"])
        self.assertEqual(described[0].SegmentedPropertyTypeCodeSequence[0].CodeValue, "10200004")
        self.assertIn("'thing'", " ".join(self.scans["ct mouse"]["reasons"]))
        both = self.segments("ct rat")
        self.assertEqual([one.SegmentLabel for one in both], ["liver", "Heart", "Spleen"])
        nameless = self.segments("ct tag")
        self.assertEqual([one.SegmentLabel for one in nameless], ["Label 4", "Label 6"])
        self.assertIn("label 4", " ".join(self.scans["ct tag"]["reasons"]))

    def test_colours_of_a_label_description_are_kept(self):
        for scan, number, rgb in (("ct mouse", 0, (10, 20, 30)), ("ct rat", 0, (10, 20, 30)),
                                  ("ct rat", 2, (40, 50, 60))):
            self.assertEqual(rgb_of(self.segments(scan)[number].RecommendedDisplayCIELabValue), rgb)

    @unittest.skipUnless(shutil.which("dciodvfy"), "dciodvfy is not installed")
    def test_dciodvfy_finds_no_error(self):
        for name, scan in self.scans.items():
            for series in scan["images"] + scan["segmentations"]:
                path = self.paths[series["SeriesInstanceUID"]][0]
                self.assertEqual(node.dciodvfy_errors(path), [], name)


class CodesTest(unittest.TestCase):
    # Those that pydicom's tables of context groups lack, with where they come from.
    KNOWN = {"113276009": "marked as unverified", "67769002": "SlicerTotalSegmentator",
             "407976008": "gadobutrol, CID 12 is extensible", "440223009": "gadoxetate, likewise"}

    def test_codes_of_the_tables_stand_in_the_dictionaries(self):
        from pydicom.sr._concepts_dict import concepts
        known = {(scheme, code) for scheme in ("SCT", "DCM")
                 for by_code in concepts[scheme].values() for code in by_code}
        for name in ("organs.cfg", "isa-mapping.cfg"):
            text = re.sub(r"#.*", "", (node.SOURCE / "etc" / name).read_text(encoding="utf-8"))
            codes = re.findall(r'\["([^"]*)", "(SCT|DCM)", "[^"]*"\]', text)
            self.assertGreater(len(codes), 5)
            for code, scheme in codes:
                self.assertTrue((scheme, code) in known or code in self.KNOWN, (name, code))


class VariedTablesTest(unittest.TestCase):
    """The same facts in columns of other kinds, spellings and units (tests/phantom/README.md)."""

    # What repeats the columns as they are.
    NAMES_COLUMNS = {"PatientComments", "AdditionalPatientHistory"}

    def attributes(self, data_dir):
        objects = {}
        for path in data_dir.rglob("*.dcm"):
            header = pydicom.dcmread(path, stop_before_pixels=True)
            objects[header.SOPInstanceUID] = {
                element.keyword: str(element.value) for element in header
                if not element.tag.is_private and element.keyword not in self.NAMES_COLUMNS}
        return objects

    def test_they_give_the_same_attributes(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            node.run(os.environ["MURPACS_PHANTOM"], root / "varied", "--tables", "varied")
            found = []
            for name, dataset in (("plain", os.environ["MURPACS_PHANTOM_DATA"]),
                                  ("varied", root / "varied")):
                scans, _ = node.import_dataset(root / f"{name}-archive", dataset)
                self.assertEqual({scan["status"] for scan in scans}, {"imported"})
                found.append(self.attributes(root / f"{name}-archive"))
            plain, varied = found
            self.assertEqual(set(plain), set(varied))
            for uid, attributes in plain.items():
                self.assertEqual(attributes, varied[uid])


if __name__ == "__main__":
    unittest.main()
