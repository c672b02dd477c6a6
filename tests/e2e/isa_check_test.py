#!/usr/bin/python3
"""murpacs isa check, show and map: what they say of the phantom, of damaged tables and of ZIP files."""
import csv
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unicodedata
import unittest
import zipfile

import node

PHANTOM = pathlib.Path(os.environ["MURPACS_PHANTOM_DATA"])


def isa(command, *arguments):
    return subprocess.run([os.environ["MURPACS"], "isa", command, *map(str, arguments)],
                          capture_output=True, text=True, timeout=120, check=False)


def rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t"))


def write_rows(path, table):
    path.write_text("".join("\t".join(row) + "\n" for row in table), encoding="utf-8")


def pack(folder, target, prefix=""):
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(folder.rglob("*")):
            packed.write(path, pathlib.Path(prefix) / path.relative_to(folder))
    return target


class InFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="murpacs-isa-")
        self.addCleanup(folder.cleanup)
        self.base = pathlib.Path(folder.name)

    def copy(self):
        target = self.base / "copy"
        shutil.copytree(PHANTOM, target)
        return target


class Check(InFolder):
    def codes(self, folder, expected):
        done = isa("check", "--json", folder)
        self.assertEqual(done.returncode, expected, done.stdout + done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(report["exit"], expected)
        return {(one["severity"], one["code"]) for one in report["diagnostics"]}, report

    def test_a_good_dataset_has_warnings_at_most(self):
        codes, report = self.codes(PHANTOM, 0)
        self.assertEqual(report["errors"], 0)
        self.assertEqual((report["studies"], report["scans"]), (5, 14))
        self.assertNotIn(("warning", "missing-field"), codes)

    def test_each_finding_is_one_line_with_severity_code_file_and_line(self):
        done = isa("check", PHANTOM)
        *lines, last = done.stdout.splitlines()
        for line in lines:
            self.assertRegex(line, r"^(note|warning|error) [a-z-]+ [^ ]+(:\d+)? .")
        self.assertRegex(last, r"^studies 5, scans 14, errors 0, warnings \d+, notes \d+$")

    def test_what_an_import_would_stumble_over_is_told_before(self):
        folder = self.copy()
        path = folder / "a_WD-OBG-2019_CT.txt"
        table = rows(path)
        header = table[0]
        image = header.index("Raw Data File"), header.index("Image File")
        outline = header.index("Derived Data File")
        changed = {"scan": 0}
        scans = {}
        for row in table[1:]:
            scans.setdefault(row[header.index("Assay Name")], []).append(row)
        first, second, *_ = scans.values()
        for row in first:
            for column in image:
                row[column] = ""
            row[image[1]] = "no/such.nii"
            if row[outline]:
                row[outline] = "../outside.nii"
                changed["scan"] += 1
        brand = header.index("Parameter Value[Brand]")
        for row in second:
            row[brand] = ""
        write_rows(path, table)
        codes, report = self.codes(folder, 1)
        self.assertIn(("error", "missing-image"), codes)
        self.assertIn(("warning", "missing-field"), codes)
        if changed["scan"]:
            self.assertIn(("error", "bad-path"), codes)
        missing = next(one for one in report["diagnostics"] if one["code"] == "missing-image")
        self.assertEqual(missing["file"], path.name)
        self.assertEqual(missing["line"], table.index(first[0]) + 1)
        self.assertIn("no/such.nii: no such file", missing["message"])
        self.assertNotIn(str(folder), missing["message"])

    def test_one_image_of_two_scans_is_told(self):
        folder = self.copy()
        path = folder / "a_ICAM-CT-2018_CT.txt"
        table = rows(path)
        name = table[0].index("Assay Name")
        double = [list(row) for row in table[1:] if row[name] == table[1][name]]
        for row in double:
            row[name] = "again"
        write_rows(path, table + double)
        codes, _ = self.codes(folder, 0)
        self.assertIn(("warning", "duplicate-image"), codes)

    def test_a_folder_without_isa_tab_or_scan_is_unusable(self):
        codes, report = self.codes(self.base, 2)
        self.assertIn("no ISA-Tab investigation file", report["unusable"])
        (self.base / "i_empty.txt").write_text("STUDY\nStudy Identifier\tS\nStudy File Name\ts.txt\n",
                                               encoding="utf-8")
        codes, report = self.codes(self.base, 2)
        self.assertIn(("error", "missing-file"), codes)
        for command in ("check", "show", "map"):
            self.assertEqual(isa(command, self.base / "nowhere").returncode, 2, command)
        for command in ("show", "map"):  # they tell why no scan was found
            self.assertEqual(isa(command, self.base).returncode, 0, command)
        (self.base / "i_empty.txt").unlink()
        for command in ("show", "map"):
            done = isa(command, self.base)
            self.assertEqual((done.returncode, done.stdout), (2, ""), command)
            self.assertIn("no ISA-Tab investigation file", done.stderr)
            broken = isa(command, PHANTOM, "--set", "isa.mapping_file=/no/such/file")
            self.assertEqual(broken.returncode, 20, broken.stderr)
        self.assertEqual(isa("check").returncode, 1)

    def test_large_tables_take_seconds_and_little_memory(self):
        folder = self.base
        (folder / "i_inv.txt").write_text(
            "STUDY\nStudy Identifier\tS\nStudy File Name\ts_s.txt\nSTUDY ASSAYS\n"
            "Study Assay Technology Type\tCT\nStudy Assay File Name\ta_s.txt\n", encoding="utf-8")
        count = 30000
        (folder / "s_s.txt").write_text("Source Name\tSample Name\n" + "".join(
            f"m{i}\ts{i}\n" for i in range(count)), encoding="utf-8")
        wide = "\t".join(f"Parameter Value[p{i}]" for i in range(30))
        with open(folder / "a_s.txt", "w", encoding="utf-8") as file:
            file.write(f"Sample Name\tAssay Name\t{wide}\tComment[long]\n")
            for i in range(count):
                cells = "\t".join(f"v{(i * 7 + k) % 500}" for k in range(30))
                file.write(f"s{i}\tscan {i}\t{cells}\t\n")
            file.write("s0\tlast\t" + "\t" * 30 + '"' + 'long "quoted" text ' * 165000 + '"\n')
        self.assertGreater((folder / "a_s.txt").stat().st_size, 7 << 20)
        begin = time.monotonic()
        with subprocess.Popen([os.environ["MURPACS"], "isa", "check", "-q", str(folder)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 1)  # scans without images
        self.assertLess(time.monotonic() - begin, 20)
        if not node.SANITIZED:
            self.assertLess(usage.ru_maxrss, 200 << 10)


class Show(InFolder):
    def test_counts_are_those_of_the_tables(self):
        report = json.loads(isa("show", "--json", PHANTOM).stdout)
        self.assertEqual(len(report["studies"]), 5)
        for study in report["studies"]:
            table = rows(PHANTOM / study["file"])
            sources = {row[table[0].index("Source Name")] for row in table[1:]}
            samples = {row[table[0].index("Sample Name")] for row in table[1:]}
            self.assertEqual({one["name"] for one in study["subjects"]}, sources)
            self.assertEqual({s["name"] for one in study["subjects"] for s in one["samples"]},
                             samples)
            self.assertEqual(study["counts"]["subjects"], len(sources))
            scans = set()
            for assay in study["assays"]:
                table = rows(PHANTOM / assay["file"])
                self.assertEqual(assay["rows"], len(table) - 1)
                scans |= {row[table[0].index("Assay Name")] for row in table[1:]}
            shown = [scan for one in study["subjects"] for s in one["samples"] for scan in s["scans"]]
            self.assertEqual({scan["name"] for scan in shown}, scans)
            self.assertTrue(all(image["found"] for scan in shown for image in scan["images"]))

    def test_people_read_the_same(self):
        text = isa("show", PHANTOM).stdout
        self.assertIn("\n  Mouse_01\n", text)
        self.assertIn("liver, spleen, kidneys", text)
        self.assertRegex(text, r"\nstudies 5, subjects \d+, samples \d+, scans 14, segmentations \d+\n$")
        self.assertNotIn("Mouse_01", isa("show", "--counts", PHANTOM).stdout)


class Map(InFolder):
    def columns(self, folder):
        done = isa("map", "--json", folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_every_column_of_every_table_is_told_with_its_values(self):
        told = self.columns(PHANTOM)
        qualifiers = {"Unit", "Term Source REF", "Term Accession Number"}
        wanted = {}
        for path in [*PHANTOM.glob("s_*.txt"), *PHANTOM.glob("a_*.txt")]:
            table = rows(path)
            for i, header in enumerate(table[0]):
                if header not in qualifiers:
                    wanted[header] = wanted.get(header, 0) + sum(row[i] != "" for row in table[1:])
        counted = {}
        for column in told:
            counted[column["column"]] = counted.get(column["column"], 0) + column["values"]
        self.assertEqual(counted, wanted)

    def test_targets_have_level_and_conversion(self):
        told = {column["column"]: column for column in self.columns(PHANTOM)}
        self.assertTrue(told["Assay Name"]["links"])
        self.assertFalse(told["Characteristics[Age]"]["links"])
        strain = told["Characteristics[Animal strain]"]
        self.assertEqual((strain["use"], strain["level"]), ("mapped", "PATIENT"))
        self.assertIn(("StrainDescription", "(0010,0212)", "UC"),
                      {(t["attribute"], t["tag"], t["vr"]) for t in strain["targets"]})
        age = told["Characteristics[Age]"]
        self.assertIn(("ISAAgeInDays", True, "number"),
                      {(t["attribute"], t["private"], t["conversion"]) for t in age["targets"]})
        self.assertEqual(told["Sample Name"]["role"], "sample")
        self.assertEqual(told["Parameter Value[Room temperature]"]["use"], "unmapped")

    def test_undeclared_columns_are_told_once(self):
        folder = self.copy()
        path = folder / "a_ICAM-CT-2018_CT.txt"
        table = rows(path)
        place = table[0].index("Parameter Value[Brand]")
        table = [row[:place] + ["Parameter Value[new one]" if i == 0 else "x"] + row[place:]
                 for i, row in enumerate(table)]
        table = [row + ["Factor Value[cage µ]" if i == 0 else "7"] for i, row in enumerate(table)]
        write_rows(path, table)
        undeclared = [c["column"] for c in self.columns(folder) if not c["declared"]]
        self.assertEqual(undeclared, ["Parameter Value[new one]", "Factor Value[cage µ]"])
        self.assertIn("undeclared\n", isa("map", folder).stdout)


class Zip(InFolder):
    def test_a_zip_says_what_its_folder_says(self):
        packed = pack(PHANTOM, self.base / "plain.zip")
        within = pack(PHANTOM, self.base / "within.zip", "some/folder")
        for command in "check", "show", "map":
            expected = isa(command, "--json", PHANTOM)
            for archive in packed, within:
                done = isa(command, "--json", archive)
                self.assertEqual((done.returncode, done.stdout), (0, expected.stdout), command)

    def test_an_archive_for_each_study_is_read_as_one_dataset(self):
        for study in "one", "two":
            shutil.copytree(PHANTOM, self.base / "all" / "studies" / study)
        archive = pack(self.base / "all", self.base / "all.zip")
        for command in "check", "show", "map":
            expected = isa(command, "--json", self.base / "all")
            self.assertEqual(isa(command, "--json", archive).stdout, expected.stdout, command)
        self.assertEqual(len(json.loads(isa("show", "--json", archive).stdout)["studies"]), 10)

    def test_a_dataset_grows_by_an_archive(self):
        folder, data = self.base / "all", self.base / "data"

        def add(name, identifier):
            shutil.copytree(PHANTOM, folder / name)
            path = folder / name / "i_Investigation.txt"
            text = path.read_text(encoding="utf-8").replace("PHANTOM-LIVER-1", identifier)
            path.write_text(text, encoding="utf-8")

        add("one", "LIVER")
        add("two", "")
        node.import_dataset(data, folder)
        before = node.stored_files(data)
        add("early", "SPLEEN")
        node.import_dataset(data, folder)
        after = node.stored_files(data)
        self.assertLess(set(before), set(after))
        listed = node.murpacs("isa", "apply", "--list", "--data-dir", data).stdout
        self.assertEqual([line.partition(" of ")[0] for line in listed.splitlines()],
                         ["LIVER+LIV-HCC-2021 version 1", "LIVER+LIV-HCC-2021 version 2"])
        _, done = node.import_dataset(data, folder)
        self.assertEqual(done.returncode, 0)
        node.import_dataset(data, folder / "one")  # alone it gives the same objects
        self.assertEqual(node.stored_files(data), after)
        fresh = self.base / "fresh"
        for name in "early", "one", "two":
            node.import_dataset(fresh, folder / name)
        self.assertEqual(node.stored_files(fresh), after)

    def test_import_of_a_zip_is_import_of_its_folder(self):
        data, again = self.base / "data", self.base / "again"
        packed = pack(PHANTOM, self.base / "mice.zip", "mice")
        node.import_dataset(data, packed)
        node.import_dataset(again, PHANTOM)
        self.assertEqual(list((data / "unpacked").iterdir()), [])
        self.assertEqual(node.stored_files(data), node.stored_files(again))
        again, _ = node.import_dataset(data, PHANTOM)
        self.assertEqual({scan["status"] for scan in again}, {"unchanged"})
        dry = node.murpacs("import", "--data-dir", str(self.base / "none"), "--dry-run", str(packed))
        self.assertEqual(dry.returncode, 0)
        self.assertFalse((self.base / "none").exists())

    def test_names_of_files_may_have_another_unicode_normalisation(self):
        """As in a folder that was packed by macOS."""
        folder, data = self.base / "cafe", self.base / "data"
        folder.mkdir()
        (folder / "i_a.txt").write_text(
            "INVESTIGATION\nInvestigation Identifier\tcaf\u00e9\nSTUDY\nStudy Identifier\tS\n"
            "Study File Name\ts_caf\u00e9.txt\nSTUDY ASSAYS\nStudy Assay Technology Type\tCT\n"
            "Study Assay File Name\ta_caf\u00e9.txt\n", encoding="utf-8")
        for form, status in (("NFC", "imported"), ("NFD", "unchanged")):
            for name, text in (("s_caf\u00e9.txt", "Source Name\tSample Name\nm\ts\n"),
                               ("a_caf\u00e9.txt", "Sample Name\tAssay Name\tImage File\n"
                                                   "s\tct\tcaf\u00e9.nii\n")):
                (folder / unicodedata.normalize(form, name)).write_text(text, encoding="utf-8")
            shutil.copy(PHANTOM / "ICAM-CT-2018/IC01/w12/CT_liver_agent.nii",
                        folder / unicodedata.normalize(form, "caf\u00e9.nii"))
            self.assertEqual(isa("check", folder).returncode, 0)
            for dataset in folder, pack(folder, self.base / "cafe.zip"):
                [scan], _ = node.import_dataset(data, dataset)
                self.assertEqual(scan["status"], status, (form, dataset))
                status = "unchanged"
            for path in folder.glob("[!i]*"):
                path.unlink()

    def test_dicom_files_without_tables_may_come_as_a_zip_too(self):
        data = self.base / "data"
        packed = pack(PHANTOM / "WD-OBG-2019", self.base / "ct.zip")
        files, _ = node.import_dataset(data, packed, "--dicom")
        self.assertTrue(files and all(one["status"] == "imported" for one in files))
        self.assertTrue(all(one["file"].startswith(f"{packed}/WD-") for one in files), files[0])
        self.assertNotIn("unpacked", (data / "manifest.jsonl").read_text(encoding="utf-8"))

    def test_a_zip_that_cannot_be_used_is_refused_with_the_reason(self):
        broken = self.base / "broken.zip"
        broken.write_bytes(pack(PHANTOM, self.base / "whole.zip").read_bytes()[:-500])
        done = isa("check", broken)
        self.assertEqual(done.returncode, 2)
        self.assertIn("damaged or incomplete ZIP file", done.stderr)
        empty = pack(PHANTOM / "WD-OBG-2019", self.base / "none.zip")
        self.assertIn("no ISA-Tab investigation file", isa("check", empty).stderr)
        _, done = node.import_dataset(self.base / "data", broken, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(list(self.base.glob("data/unpacked/*")), [])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
