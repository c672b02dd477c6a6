#!/usr/bin/python3
"""ISA-Tab and images that do not come together: late edits on a serving archive, late scans."""
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
import unittest

import pydicom

import node

DATASET = pathlib.Path(os.environ["MURPACS_PHANTOM_DATA"])


def copy_tables(folder):
    folder.mkdir()
    for table in DATASET.glob("*.txt"):
        shutil.copy(table, folder)
    return folder


def edit(table, old, new):
    text = table.read_text(encoding="utf-8")
    assert old in text, old
    table.write_text(text.replace(old, new), encoding="utf-8")


def add_column(table, header, scan, value):
    """A column that has a value in the rows of one scan alone."""
    first, *lines = table.read_text(encoding="utf-8").splitlines()
    lines = [f"{line}\t{value if scan in line else ''}" for line in lines]
    table.write_text("\n".join([f"{first}\t{header}", *lines]) + "\n", encoding="utf-8")


def drop_rows(table, word):
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    table.write_text("".join(line for line in lines if word not in line), encoding="utf-8")


class Archive(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.data_dir = self.root / "archive"
        self.tables = copy_tables(self.root / "tables")
        self.node = None

    def tearDown(self):
        if self.node is not None:
            self.node.stop()
        self.folder.cleanup()

    def isa(self, *words, code=0):
        done = node.murpacs("isa", words[0], "--data-dir", self.data_dir, *words[1:], check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout if code != 2 else done.stderr

    def lines(self, *words):
        return [json.loads(line) for line in self.isa(*words, "--json").splitlines()]

    def native(self, number=0):
        folders = sorted(path for path in DATASET.rglob("*") if path.is_dir() and list(path.glob("*.dcm")))
        return sorted(folders[number].glob("*.dcm"))

    def write(self, name, **values):
        """The first two images of a native scan as another series."""
        paths = []
        for number, path in enumerate(self.native()[:2]):
            image = pydicom.dcmread(path)
            image.StudyInstanceUID = "1.2.826.0.1.3680043.10.7"
            image.SeriesInstanceUID = f"1.2.826.0.1.3680043.10.7.{name}"
            image.SOPInstanceUID = f"1.2.826.0.1.3680043.10.7.{name}.{number}"
            image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
            image.ProtocolName = "none"
            for keyword, value in values.items():
                setattr(image, keyword, value)
            paths.append(self.root / f"{name}.{number}.dcm")
            image.save_as(paths[-1])
        return f"1.2.826.0.1.3680043.10.7.{name}", paths

    def serve(self):
        self.node = node.Node(self.data_dir)

    def assert_animal(self, uid, patient):
        [one] = self.node.find(f"SeriesInstanceUID={uid}", "PatientID", level="SERIES")
        self.assertEqual(one.PatientID, patient)

    def digests(self):
        return {name: hashlib.sha256((self.data_dir / "objects" / name).read_bytes()).hexdigest()
                for name in node.stored_files(self.data_dir)}

    def series(self, *keys):
        return sorted(one.SeriesInstanceUID
                      for one in self.node.find("SeriesInstanceUID", *keys, level="SERIES"))


class LateEdits(Archive):
    def setUp(self):
        super().setUp()
        self.scans, _ = node.import_dataset(self.data_dir, DATASET, "--set",
                                            "dicom.durability=process")
        self.node = node.Node(self.data_dir)

    def test_new_tables_answer_at_once_and_touch_no_object(self):
        before = self.digests()
        mouse = '"Mus musculus"\t"NCBITAXON"\t"NCBITaxon:10090"\t'
        edit(self.tables / "s_ICAM-CT-2018.txt", '"IC01"\t' + mouse + '"C57BL/6J"',
             '"IC01"\t' + mouse + '"B6 late"')
        edit(self.tables / "s_ICAM-CT-2018.txt", '"male"\t"healthy"', '""\t"healthy"')
        self.assertEqual(self.node.find("StrainDescription=B6 late"), [])
        tried = json.loads(self.isa("apply", "--dry-run", "--json", self.tables))
        self.assertEqual(self.node.find("StrainDescription=B6 late"), [])
        done = json.loads(self.isa("apply", "--json", self.tables))
        self.assertEqual(done["changes"], tried["changes"])
        self.assertEqual((done["version"], done["new"], done["changed"], done["gone"]), (2, 0, 1, 0))
        told = {(one["attribute"], one["before"], one["now"]) for one in done["changes"]}
        self.assertEqual(told, {("characteristic:Animal strain", "C57BL/6J", "B6 late"),
                                ("characteristic:Sex", "male", "")})
        found = self.node.find("StrainDescription=B6 late", "PatientID", "PatientSex")
        self.assertEqual([one.PatientID for one in found], ["ICAM-CT-2018:IC01"])
        self.assertEqual(self.digests(), before)
        again = json.loads(self.isa("apply", "--json", self.tables))
        self.assertEqual((again["version"], again["changes"]), (2, []))

    def test_a_new_mapping_says_which_vr_its_elements_have(self):
        def vrs():
            found = self.node.find("0099,0010=MURPACS ISA 1.0", "0099,1011", level="SERIES")
            return {one[0x00991011].VR for one in found if one[0x00991011].value}

        mapping = self.root / "mapping.cfg"
        shutil.copy(node.SOURCE / "etc/isa-mapping.cfg", mapping)
        edit(mapping, 'private = 0x11; vr = "LO"', 'private = 0x11; vr = "UC"')
        self.assertEqual(vrs(), {"LO"})
        self.isa("apply", self.tables, "--set", f"isa.mapping_file={mapping}")
        self.assertEqual(vrs(), {"UC"})

    def test_stored_objects_stay_and_coerced_ones_say_what_is_new(self):
        self.node.stop()
        self.node = node.Node(self.data_dir, "--set", "export.coerce=true")
        scan = next(one for one in self.scans if one["source"] == "WD-08")
        self.assertTrue((DATASET / scan["image"]).is_dir())
        keys = [f"StudyInstanceUID={scan['StudyInstanceUID']}",
                f"SeriesInstanceUID={scan['SeriesInstanceUID']}"]

        def strain(folder):
            paths = self.node.get(self.root / folder, *keys, level="SERIES")
            return {pydicom.dcmread(path).StrainDescription for path in paths}

        before = self.digests()
        old = self.series("StrainDescription=C57BL/6J")
        self.assertEqual(strain("old"), {"C57BL/6J"})
        mouse = '"Mus musculus"\t"NCBITAXON"\t"NCBITaxon:10090"\t'
        edit(self.tables / "s_WD-OBG-2019.txt", '"WD-08"\t' + mouse + '"C57BL/6J"',
             '"WD-08"\t' + mouse + '"B6 late"')
        self.isa("apply", self.tables)
        self.assertEqual(strain("new"), {"B6 late"})
        changed = self.series("StrainDescription=B6 late")
        self.assertIn(scan["SeriesInstanceUID"], changed)
        self.assertEqual(self.series("StrainDescription=C57BL/6J"),
                         sorted(set(old) - set(changed)))
        self.assertEqual(self.digests(), before)
        self.node.stop()
        self.node = node.Node(self.data_dir)
        sent = {pydicom.dcmread(path).SOPInstanceUID: node.data_set_bytes(path)
                for path in (DATASET / scan["image"]).glob("*.dcm")}
        for path in self.node.get(self.root / "plain", *keys, level="SERIES"):
            self.assertEqual(node.data_set_bytes(path),
                             sent[pydicom.dcmread(path).SOPInstanceUID])

    def test_a_scan_that_is_gone_answers_by_its_header_until_it_comes_back(self):
        scan = next(one for one in self.scans if (DATASET / one["image"]).is_dir())
        uid, study = scan["SeriesInstanceUID"], scan["study"]
        header = pydicom.dcmread(next((DATASET / scan["image"]).glob("*.dcm")))
        table = next(self.tables.glob(f"a_{study}_*.txt"))
        drop_rows(table, scan["assay"] + "\t")
        [before] = self.node.find(f"SeriesInstanceUID={uid}", "PatientID", "SeriesDescription",
                                  level="SERIES")
        done = json.loads(self.isa("apply", "--json", self.tables))
        self.assertEqual([(one["change"], one["scan"]) for one in done["changes"]],
                         [("gone", scan["assay"])])
        [now] = self.node.find(f"SeriesInstanceUID={uid}", "PatientID", "SeriesDescription",
                               "StrainDescription", level="SERIES")
        self.assertEqual(now.SeriesDescription, header.SeriesDescription)
        loose = [one for one in self.lines("unlinked") if one["kind"] == "series"]
        self.assertIn((uid, scan["assay"]),
                      [(one["SeriesInstanceUID"], one["gone_scan"]) for one in loose])
        versions = self.lines("apply", "--list")
        self.assertEqual([one["in_force"] for one in versions], [False, True])
        self.isa("apply", self.data_dir / versions[0]["folder"])
        [back] = self.node.find(f"SeriesInstanceUID={uid}", "PatientID", "SeriesDescription",
                                level="SERIES")
        self.assertEqual(back, before)
        self.assertEqual(self.lines("unlinked"), [])

    def test_disagreements_name_both_values_and_what_answers(self):
        edit(self.tables / "a_WD-OBG-2019_CT.txt", "\t700\tmicrometer", "\t710\tmicrometer")
        shutil.copytree(DATASET / "WD-OBG-2019", self.tables / "WD-OBG-2019")
        _, done = node.import_dataset(self.root / "other", self.tables, "--set",
                                      "dicom.durability=process", check=False)
        self.assertIn("the tables say 0.71 mm", done.stdout + done.stderr)
        self.isa("apply", self.tables)
        lines = self.lines("conflicts")
        self.assertGreater(len({one["subject"] for one in lines}), 1)
        self.assertEqual(lines, sorted(lines, key=lambda one: [
            one[word] for word in ("study", "subject", "scan", "SeriesInstanceUID", "attribute")]))
        told = {(one["scan"], one["attribute"]): one for one in lines}
        spacing = told["WD-08_w08_CT", "PixelSpacing"]
        self.assertEqual((spacing["header"], spacing["tables"], spacing["answer"]),
                         ("0.7\\0.7", "0.71", "header"))
        patient = told["WD-08_w08_CT", "PatientID"]
        self.assertEqual((patient["header"], patient["tables"], patient["answer"]),
                         ("OBG18", "WD-OBG-2019:WD-08", "tables"))

    def test_what_cannot_be_read_stays_as_it_was_and_the_rest_is_applied(self):
        assay, study = self.tables / "a_WD-OBG-2019_CT.txt", self.tables / "s_WD-OBG-2019.txt"

        def others():
            return [one.SeriesInstanceUID for one in self.node.find(
                "SeriesInstanceUID", "StrainDescription=C57BL/6J", "PatientID=WD-OBG-2019:*",
                level="SERIES")]

        before = others()
        self.assertGreater(len(before), 1)
        for broken, code, old, new in ((assay, "missing-file", "IC19", "IC20"),
                                       (assay, "empty-file", "IC20", "IC21"),
                                       (study, "missing-file", "IC21", "IC22"),
                                       (study, "empty-file", "IC22", "IC23")):
            whole = broken.read_bytes()
            broken.unlink()
            if code == "empty-file":
                broken.write_bytes(b"")
            edit(self.tables / "s_ICAM-CT-2018.txt", f'"{old}"', f'"{new}"')
            done = json.loads(self.isa("apply", "--json", self.tables, code=1))
            told = {(one["severity"], one["code"]) for one in done["diagnostics"]
                    if one["file"] == broken.name}
            self.assertLessEqual({("error", code), ("warning", "earlier-version")}, told)
            self.assertEqual((done["gone"], done["new"]), (0, 0))
            self.assertEqual({one["study"] for one in done["changes"]}, {"ICAM-CT-2018"})
            self.assertEqual(len(self.node.find(f"PatientID=ICAM-CT-2018:{new}")), 1)
            self.assertEqual(others(), before)
            broken.write_bytes(whole)
        # It was kept with each version: nothing hangs on what was read before.
        versions = self.lines("apply", "--list")
        kept = self.data_dir / versions[-1]["folder"]
        self.assertEqual((kept / study.name).read_bytes(), study.read_bytes())
        assay.unlink()
        _, done = node.import_dataset(self.data_dir, self.tables, check=False)
        self.assertIn("earlier-version", done.stderr)
        self.assertEqual(len(self.lines("apply", "--list")), len(versions))
        # Back to the first version: that, and no table of a later one.
        self.isa("apply", self.data_dir / versions[0]["folder"])
        self.assertEqual(len(self.node.find("PatientID=ICAM-CT-2018:IC19")), 1)

    def test_tables_without_a_scan_or_an_investigation_change_nothing(self):
        (self.tables / "i_Investigation.txt").rename(self.tables / "other.txt")
        self.isa("apply", self.tables, code=2)
        (self.tables / "i_Investigation.txt").write_text("INVESTIGATION\n", encoding="utf-8")
        self.isa("apply", self.tables, code=2)
        self.assertEqual(len(self.lines("apply", "--list")), 1)


class LateScans(Archive):
    """The tables are applied to an empty archive or to what was sent before."""

    def test_rules_link_what_comes_before_and_after_the_tables(self):
        self.serve()
        uid, early = self.write(1, PatientID="wd-08", SeriesDescription="WD-08_w08_CT")
        self.node.store(*early)
        self.assert_animal(uid, "wd-08")
        done = json.loads(self.isa("apply", "--json", self.tables))
        self.assertEqual(done["relinked"], 1)
        self.assert_animal(uid, "WD-OBG-2019:WD-08")
        other, late = self.write(2, PatientID="WD-15", SeriesDescription="WD-15_w24_CT")
        self.node.store(*late)
        self.assert_animal(other, "WD-OBG-2019:WD-15")
        self.assertEqual(self.series("StrainDescription=C57BL/6J"), [uid, other])
        nobody, loose = self.write(3, PatientID="Mouse_99", SeriesDescription="localizer")
        self.node.store(*loose)
        self.assertEqual([one["SeriesInstanceUID"] for one in self.lines("unlinked")
                          if one["kind"] == "series"], [nobody])

    def test_an_image_that_the_tables_do_not_name_is_named_when_they_leave(self):
        table, scan = self.tables / "a_ICAM-CT-2018_CT.txt", "IC01_w12_CT_liver_agent"
        edit(table, "ICAM-CT-2018/IC01/w12/CT_liver_agent.nii", "")
        uid, paths = self.write(1, PatientID="IC01", SeriesDescription=scan)
        self.serve()
        self.isa("apply", self.tables)
        folder = self.root / "disk"
        folder.mkdir()
        for path in paths:
            path.rename(folder / path.name)
        node.murpacs("import", "--data-dir", self.data_dir, "--dicom", folder)
        self.isa("export", self.root / "uids")
        exported = (self.root / "uids" / table.name).read_text(encoding="utf-8")
        self.assertEqual(exported.count("urn:oid:" + uid), 1)
        self.isa("export", "--files", "-k", "SeriesInstanceUID=" + uid, self.root / "files")
        scans, _ = node.import_dataset(self.root / "again", self.root / "files")
        self.assertEqual([(one["assay"], [image["SeriesInstanceUID"] for image in one["images"]])
                          for one in scans], [(scan, [uid])])

    def test_each_kind_of_rule_knows_its_scan(self):
        table = self.tables / "a_WD-OBG-2019_CT.txt"
        add_column(table, "Comment[Series Instance UID]", "WD-08_w08_CT",
                   "1.2.826.0.1.3680043.10.7.1")
        add_column(table, "Comment[Accession number]", "WD-15_w24_CT", "A-18")
        add_column(self.tables / "a_ICAM-CT-2018_CT.txt", "Raw Data File", "IC01_w12_CT_liver_agent",
                   "from disk/late.dcm")
        by_uid, one = self.write(1, PatientID="X", SeriesDescription="scan")
        by_accession, two = self.write(2, PatientID="X", AccessionNumber="A-18")
        by_mapped_id, three = self.write(3, PatientID="WD-OBG-2019:WD-08",
                                         SeriesDescription="WD-08_w08_CT")
        by_name, four = self.write(4, PatientID="WD-15", SeriesDescription="WD-15_w24_CT")
        by_file, five = self.write(5, PatientID="X", SeriesDescription="scan")
        nobody, six = self.write(6, PatientID="X", SeriesDescription="WD-08_w08_CT")
        for path, other in zip(six, ("1.2.826.0.1.3680043.10.8",) * 2):
            image = pydicom.dcmread(path)
            image.StudyInstanceUID = other
            image.save_as(path)
        self.serve()
        self.isa("apply", self.tables)
        self.node.store(*one, *two, *three, *four, *six)
        folder = self.root / "disk"
        folder.mkdir()
        shutil.copy(five[0], folder / "late.dcm")
        node.murpacs("import", "--data-dir", self.data_dir, "--dicom", folder)
        for uid, patient in ((by_uid, "WD-OBG-2019:WD-08"), (by_accession, "WD-OBG-2019:WD-15"),
                             (by_mapped_id, "WD-OBG-2019:WD-08"), (by_name, "WD-OBG-2019:WD-15"),
                             (by_file, "ICAM-CT-2018:IC01"), (nobody, "X")):
            self.assert_animal(uid, patient)
        self.assertEqual([one["SeriesInstanceUID"] for one in self.lines("unlinked")
                          if one["kind"] == "series"], [nobody])

    def test_a_study_of_several_animals_is_divided_between_them(self):
        """As a mouse hotel makes it: one DICOM Study, a Series for each animal."""
        study = "1.2.826.0.1.3680043.10.7"
        animals = {"WD-OBG-2019:WD-08": self.write(1, PatientID="HOTEL", AccessionNumber="H-1"),
                   "WD-OBG-2019:WD-15": self.write(2, PatientID="HOTEL", AccessionNumber="H-2"),
                   "HOTEL": self.write(3, PatientID="HOTEL", SeriesDescription="localizer")}
        table = self.tables / "a_WD-OBG-2019_CT.txt"
        lines = table.read_text(encoding="utf-8").splitlines()
        accession = {"WD-08_w08_CT": "H-1", "WD-15_w24_CT": "H-2"}
        lines[1:] = [line + "\t" + next((number for scan, number in accession.items()
                                         if scan in line), "") for line in lines[1:]]
        table.write_text("\n".join([lines[0] + "\tComment[Accession number]", *lines[1:]]) + "\n",
                         encoding="utf-8")
        self.serve()
        self.node.store(*(path for _, paths in animals.values() for path in paths))
        self.isa("apply", self.tables)
        parts = self.node.find(f"StudyInstanceUID={study}", "PatientID",
                               "NumberOfStudyRelatedInstances", "NumberOfStudyRelatedSeries")
        found = {one.PatientID: (one.NumberOfStudyRelatedSeries, one.NumberOfStudyRelatedInstances)
                 for one in parts}
        # The localizer shows all of them: it goes with the first series of its own Patient ID.
        self.assertEqual(found, {"WD-OBG-2019:WD-08": (2, 4), "WD-OBG-2019:WD-15": (1, 2)})
        for patient in found:
            keys = [f"PatientID={patient}", f"StudyInstanceUID={study}"]
            [one] = self.node.find(*keys, model="-P")
            self.assertEqual(one.PatientID, patient)
            paths = self.node.get(self.root / patient[-5:], *keys, model="-P")
            self.assertEqual(len(paths), found[patient][1])
            self.assertIn(animals[patient][0],
                          {pydicom.dcmread(path).SeriesInstanceUID for path in paths})
        paths = self.node.get(self.root / "all", f"StudyInstanceUID={study}")
        self.assertEqual(len(paths), 6)
        told = node.murpacs("conflicts", "--data-dir", self.data_dir).stdout
        self.assertIn(study, told)
        for patient in found:
            self.assertIn(patient, told)

    def test_several_candidates_are_listed_and_settled_by_hand(self):
        for table in ("a_WD-OBG-2019_CT.txt", "a_LIV-FIB-2020_MRI.txt"):
            lines = (self.tables / table).read_text(encoding="utf-8").splitlines()
            lines[0] += "\tComment[Accession number]"
            lines[1:] = [line + "\tA-17" for line in lines[1:]]
            (self.tables / table).write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.node = None
        uid, files = self.write(4, PatientID="X", AccessionNumber="A-17", SeriesDescription="scan")
        node.murpacs("import", "--data-dir", self.data_dir, "--dicom", files[0].parent)
        self.isa("apply", self.tables)
        [one] = [one for one in self.lines("unlinked") if one["kind"] == "series"]
        self.assertIn("WD-OBG-2019/WD-08_w08_CT", one["candidates"])
        self.serve()
        self.isa("link", uid, "no such scan", code=20)
        [told] = self.lines("link", uid, "WD-OBG-2019/WD-08_w08_CT")
        self.assertEqual(told, {"SeriesInstanceUID": uid, "scan": "WD-OBG-2019/WD-08_w08_CT",
                                "changed": True, "outcome": "linked"})
        self.assert_animal(uid, "WD-OBG-2019:WD-08")
        mouse = '"Mus musculus"\t"NCBITAXON"\t"NCBITaxon:10090"\t'
        edit(self.tables / "s_WD-OBG-2019.txt", '"WD-08"\t' + mouse + '"C57BL/6J"',
             '"WD-08"\t' + mouse + '"B6 late"')
        self.isa("apply", self.tables)
        self.assertEqual(self.series("StrainDescription=B6 late"), [uid])
        self.isa("link", "--undo", uid)
        self.assert_animal(uid, "X")

    def test_a_wrong_link_of_a_rule_is_cut_by_hand(self):
        self.serve()
        self.isa("apply", self.tables)
        uid, files = self.write(5, PatientID="WD-08", SeriesDescription="WD-08_w08_CT")
        self.node.store(*files)
        self.assert_animal(uid, "WD-OBG-2019:WD-08")
        self.isa("link", "--undo", uid)
        self.assert_animal(uid, "WD-08")
        self.isa("apply", self.tables)
        self.assert_animal(uid, "WD-08")
        self.isa("link", "--undo", uid)
        self.assert_animal(uid, "WD-OBG-2019:WD-08")


if __name__ == "__main__":
    unittest.main()
