#!/usr/bin/python3
"""murpacs isa export: what comes out is what went in, with the names of the DICOM objects."""
import csv
import json
import os
import pathlib
import shutil
import tempfile
import unittest

import pydicom

import node

PHANTOM = pathlib.Path(os.environ["MURPACS_PHANTOM_DATA"])
DELIVERED = " as delivered]"


def rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return [row for row in csv.reader(file, delimiter="\t")
                if any(row) and not row[0].startswith("#")]


def as_delivered(table):
    """Cells of file and label columns are put back, the columns behind them go."""
    header, *body = table
    going = set()
    restored = [list(row) for row in body]
    for i, name in enumerate(header):
        if not (name.startswith("Comment[") and name.endswith(DELIVERED)):
            continue
        stem = name[len("Comment["):-len(DELIVERED)]
        of = i - 1
        assert stem in header[of], (stem, header[of])
        going.add(i)
        for more in range(i + 1, len(header)):
            if header[more] not in (f"Comment[{stem} Study Instance UID]",
                                    f"Comment[{stem} Series Instance UID]"):
                break
            going.add(more)
        for row in restored:
            row[of] = row[i]
    return [[cell for i, cell in enumerate(row) if i not in going] for row in [header] + restored]


def padded(table):
    width = max(map(len, table))
    return [[cell.strip() for cell in row] + [""] * (width - len(row)) for row in table]


class Export(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="murpacs-export-")
        cls.addClassCleanup(folder.cleanup)
        cls.base = pathlib.Path(folder.name)
        cls.data = cls.base / "data"
        node.import_dataset(cls.data, PHANTOM)

    def export(self, name, *options, check=True, data=None):
        target = self.base / name
        done = node.murpacs("isa", "export", "-q", "--data-dir", data or self.data, *options, target,
                            check=check)
        return target if check else done

    def checked(self, folder):
        done = node.murpacs("isa", "check", "--json", folder, check=False)
        report = json.loads(done.stdout)
        self.assertEqual((done.returncode, report["errors"]), (0, 0), done.stdout)
        return report

    def test_all_of_it_is_what_was_delivered(self):
        target = self.export("all")
        self.assertEqual({p.name for p in target.iterdir()},
                         {p.name for p in PHANTOM.glob("*_*.txt")})
        for path in sorted(PHANTOM.glob("*_*.txt")):
            self.assertEqual(padded(as_delivered(rows(target / path.name))),
                             padded(rows(path)), path.name)
        self.assertEqual(self.checked(target)["scans"], 14)

    def test_file_columns_name_the_objects_by_uid(self):
        target = self.export("uids")
        index = set(node.indexed_instances(self.data))
        images = outlines = 0
        for path in sorted(target.glob("a_*.txt")):
            header, *body = rows(path)
            for row in map(lambda cells: dict(zip(header, cells)), body):
                image = row["Raw Data File"] or row["Image File"]
                self.assertTrue(image.startswith("urn:oid:"), image)
                self.assertIn(image[8:], (row["Comment[Raw Data File Series Instance UID]"],
                                          row["Comment[Image File Series Instance UID]"]))
                images += 1
                if row.get("Derived Data File"):
                    self.assertIn(row["Derived Data File"][8:], index)
                    self.assertRegex(row["Parameter Value[Label value]"], r"^\d+$")
                    outlines += 1
        self.assertGreater(images, 14)
        self.assertGreater(outlines, 7)

    def test_only_rows_of_the_scans_found_are_left(self):
        target = self.export("mice", "-k", "ISAStudyIdentifier=LIV-HCC-2021", "-k", "ISASourceName=Mouse_07")
        self.assertEqual(sorted(p.name for p in target.iterdir()),
                         ["a_LIV-HCC-2021_MRI.txt", "i_Investigation.txt", "s_LIV-HCC-2021.txt"])
        study = rows(target / "s_LIV-HCC-2021.txt")
        self.assertEqual({row[study[0].index("Source Name")] for row in study[1:]}, {"Mouse_07"})
        samples = {row[study[0].index("Sample Name")] for row in study[1:]}
        assay = rows(target / "a_LIV-HCC-2021_MRI.txt")
        self.assertEqual({row[assay[0].index("Sample Name")] for row in assay[1:]}, samples)
        investigation = rows(target / "i_Investigation.txt")
        self.assertEqual([row[1] for row in investigation if row[0] == "Study Identifier"],
                         ["LIV-HCC-2021"])
        self.assertEqual(sum(row[0] == "ONTOLOGY SOURCE REFERENCE" for row in investigation), 1)
        whole = rows(PHANTOM / "a_LIV-HCC-2021_MRI.txt")
        self.assertEqual(as_delivered(assay)[1:],
                         [row for row in whole[1:] if row[whole[0].index("Sample Name")] in samples])
        self.checked(target)

    def test_an_assay_without_a_scan_goes_and_its_study_stays(self):
        target = self.export("ct", "-k", "Modality=CT", "-k", "ISAStudyIdentifier=NUDE*")
        self.assertEqual(sorted(p.name for p in target.glob("a_*")), ["a_NUDE-CTMR-2022_CT.txt"])
        investigation = rows(target / "i_Investigation.txt")
        self.assertEqual([row[1:] for row in investigation if row[0] == "Study Assay File Name"],
                         [["a_NUDE-CTMR-2022_CT.txt"]])
        self.checked(target)

    def test_with_files_it_is_a_dataset_of_its_own(self):
        with node.serving(self.data):
            target = self.export("files", "--files")
        report = self.checked(target)
        self.assertEqual(report["scans"], 14)
        self.assertFalse([one for one in report["diagnostics"] if one["code"] == "url"])
        stored = {path.name: path for path in (self.data / "objects").rglob("*.dcm")}
        written = list(target.rglob("*.dcm"))
        self.assertEqual(sorted(path.stem for path in written), node.indexed_instances(self.data))
        digests = {path.read_bytes() for path in stored.values()}
        self.assertTrue(all(path.read_bytes() in digests for path in written[::20]))
        again = self.base / "again"
        scans, _ = node.import_dataset(again, target)
        self.assertEqual({scan["status"] for scan in scans}, {"imported"})
        self.assertEqual(node.indexed_instances(again), node.indexed_instances(self.data))

    def test_objects_leave_with_what_the_tables_say_if_they_are_to(self):
        keys = ["--files", "-k", "ISAStudyIdentifier=WD-OBG-2019", "-k", "ISASourceName=WD-08"]
        stored = self.export("stored", *keys)
        coerced = self.export("coerced", *keys, "--set", "export.coerce=true")
        files = {path.relative_to(stored) for path in stored.rglob("*.dcm")}
        self.assertEqual(files, {path.relative_to(coerced) for path in coerced.rglob("*.dcm")})
        for path in sorted(files)[::10]:
            header = pydicom.dcmread(coerced / path, stop_before_pixels=True)
            self.assertEqual(header.PatientID, "WD-OBG-2019:WD-08")
            self.assertTrue(header.StrainDescription)
            self.assertEqual(header.SOPInstanceUID, path.stem)
        self.checked(coerced)

    def test_what_cannot_be_done_is_refused(self):
        done = self.export("none", "-k", "ISADiseaseModel=nothing like it", check=False)
        self.assertEqual(done.returncode, 21)
        self.assertFalse((self.base / "none").exists())
        full = self.base / "full"
        full.mkdir()
        (full / "mine.txt").write_text("mine", encoding="utf-8")
        done = self.export("full", check=False)
        self.assertEqual(done.returncode, 22)
        self.assertIn("is not empty", done.stderr)
        for key in "NoSuchKey=1", "Rows=1", "PatientID":
            self.assertEqual(self.export("key", "-k", key, check=False).returncode, 1, key)
        done = self.export("nowhere", check=False, data=self.base / "nothing")
        self.assertNotEqual(done.returncode, 0)

    def test_several_datasets_have_a_folder_each(self):
        data = self.base / "two"
        other = self.base / "other"
        shutil.copytree(PHANTOM, other)
        path = other / "i_Investigation.txt"
        text = path.read_text(encoding="utf-8")
        first = next(row[1] for row in rows(path) if row[0] == "Investigation Identifier")
        path.write_text(text.replace(first, first + "/B"), encoding="utf-8")
        node.import_dataset(data, PHANTOM)
        node.import_dataset(data, other)
        target = self.export("both", data=data)
        self.assertEqual(len(list(target.iterdir())), 2)
        for folder in target.iterdir():
            self.assertNotIn("/", folder.name)
            self.assertEqual(padded(rows(folder / "s_ICAM-CT-2018.txt")),
                             padded(rows(PHANTOM / "s_ICAM-CT-2018.txt")))

    def test_a_table_that_is_named_twice_is_written_once(self):
        data, folder = self.base / "shared", self.base / "shared-tables"
        folder.mkdir()
        shutil.copy(PHANTOM / "ICAM-CT-2018/IC01/w12/CT_liver_agent.nii", folder / "ct.nii")
        (folder / "i_a.txt").write_text("INVESTIGATION\nInvestigation Identifier\tSHARED\n" + "".join(
            f"STUDY\nStudy Identifier\t{study}\nStudy File Name\ts.txt\nSTUDY ASSAYS\n"
            f"Study Assay Technology Type\tCT\tCT\nStudy Assay File Name\ta_{study}.txt\ta_{study}.txt\n"
            for study in "AB"), encoding="utf-8")
        (folder / "s.txt").write_text("Source Name\tSample Name\nm\ts1\nm\ts2\n", encoding="utf-8")
        for study, sample in ("A", "s1"), ("B", "s2"):
            (folder / f"a_{study}.txt").write_text(
                f"Sample Name\tAssay Name\tImage File\n{sample}\tct\tct.nii\n", encoding="utf-8")
        scans, _ = node.import_dataset(data, folder)
        self.assertEqual(len(scans), 2)
        for name, keys, samples in (("both", (), ["s1", "s2"]),
                                    ("one", ("-k", "ISAStudyIdentifier=B"), ["s2"])):
            target = self.export(f"shared-{name}", *keys, data=data)
            self.assertEqual(rows(target / "s.txt"),
                             [["Source Name", "Sample Name"], *(["m", sample] for sample in samples)])
            self.assertEqual([len(rows(path)) for path in target.glob("a_*.txt")], [2] * len(samples))

    def test_cells_that_need_quotes_get_them_and_spellings_are_mended(self):
        data, folder = self.base / "odd", self.base / "odd-tables"
        folder.mkdir()
        shutil.copy(PHANTOM / "ICAM-CT-2018/IC01/w12/CT_liver_agent.nii", folder / "ct.nii")
        (folder / "i_a.txt").write_bytes(
            "\ufeffINVESTIGATION\r\nInvestigation Identifier\tODD\r\nComment [Made by]\t\"a \"quoted\" name\"\r\n"
            "STUDY\r\nStudy Identifier\tS\r\nStudy File Name\ts_s.txt\r\nSTUDY ASSAYS\r\n"
            "Study Assay Technology Type\tCT\tCT\r\nStudy Assay File Name\ta_s.txt\ta_gone.txt\r\n"
            "STUDY FACTORS\r\nStudy Factor Name\tdiet\r\n".encode())
        (folder / "s_s.txt").write_text('Source name\tComment [note]\tSample Name\n#m0\tx\ty\n'
                                        '"#1"\t"two\nlines\tand ""quotes"""\ts1\n', encoding="utf-8")
        (folder / "a_s.txt").write_text("Sample Name\tAssay Name\tImage File\tFactor Value[diet]\n"
                                        "s1\tct\tct.nii\tchöw 100%\n", encoding="latin-1")
        node.import_dataset(data, folder)
        target = self.export("odd-out", data=data)
        with open(target / "s_s.txt", encoding="utf-8", newline="") as file:
            self.assertEqual(list(csv.reader(file, delimiter="\t")),
                             [["Source Name", "Comment[note]", "Sample Name"],
                              ["#1", 'two\nlines\tand "quotes"', "s1"]])
        self.assertEqual(as_delivered(rows(target / "a_s.txt"))[1][-1], "chöw 100%")
        investigation = rows(target / "i_a.txt")
        self.assertIn(["Comment [Made by]", 'a "quoted" name'], investigation)
        self.assertIn(["Study Assay File Name", "a_s.txt"], investigation)
        self.checked(target)


if __name__ == "__main__":
    unittest.main()
