#!/usr/bin/python3
"""A lost index is made anew: the same rows, from manifest, objects and tables."""
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import unittest

import pydicom

import isa_late_test
import node

# Rows by what names them, not by their numbers.
PATIENT = "(SELECT identity FROM patient WHERE id = %s)"
STUDY = "(SELECT study_uid || ' of ' || p.identity FROM study s JOIN patient p ON p.id = s.patient WHERE s.id = %s)"
SERIES = ("(SELECT series_uid || ' in ' || s.study_uid || ' of ' || p.identity FROM series e"
          " JOIN study s ON s.id = e.study JOIN patient p ON p.id = s.patient WHERE e.id = %s)")
SCAN = ("(SELECT d.identifier || '/' || c.study || '/' || c.assay_file || '/' || c.assay FROM isa_scan c"
        " JOIN isa_dataset d ON d.id = c.dataset WHERE c.id = %s)")
OWNER = (f"CASE level WHEN 0 THEN {PATIENT % 'owner'} WHEN 1 THEN {STUDY % 'owner'}"
         f" WHEN 2 THEN {SERIES % 'owner'} ELSE (SELECT sop_uid FROM instance WHERE id = owner) END")
NAMED = {
    "patient": PATIENT, "study": STUDY, "series": SERIES, "isa_scan": SCAN, "scan": SCAN,
    "dataset": "(SELECT identifier FROM isa_dataset WHERE id = %s)",
    "sop_class": "(SELECT uid FROM uid WHERE id = %s)",
    "transfer_syntax": "(SELECT uid FROM uid WHERE id = %s)",
    "origin": "(SELECT how || calling_ae || peer FROM origin WHERE id = %s)",
    "instance": "(SELECT sop_uid FROM instance WHERE id = %s)",
    "path": "(SELECT path FROM attribute_path WHERE id = %s)",
    "column": "(SELECT element || kind || name FROM isa_column WHERE id = %s)",
    "cell": "(SELECT k.element || k.kind || k.name || f.text || f.unit FROM isa_cell f"
            " JOIN isa_column k ON k.id = f.\"column\" WHERE f.id = %s)",
    "cells": "length(%s) > 0",  # assert_search_index() looks into them
    "owner": OWNER,
}


def dump(data_dir):
    """All rows of all tables."""
    tables = {}
    with contextlib.closing(sqlite3.connect(f"file:{data_dir}/index.sqlite?mode=ro", uri=True)) as index:
        names = [row[0] for row in index.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            " AND name NOT LIKE 'isa_cell_trigram%'")]
        for name in names:
            columns = [row[1] for row in index.execute(f"PRAGMA table_info({name})")]
            words = []
            for column in columns:
                if name in ("attribute_path", "uid", "origin", "settling") or column == "id" and name != "instance":
                    continue
                quoted = f'"{name}"."{column}"'
                plain = column not in NAMED or name == "instance" and column == "path" or \
                    name == "isa_value" and column == "path" or \
                    name == "isa_scan" and column == "study" or "%s" not in NAMED[column] and column != "owner"
                if column == "owner":
                    words.append(OWNER)
                else:
                    words.append(quoted if plain else NAMED[column] % quoted)
            if words:
                tables[name] = sorted(map(repr, index.execute(f"SELECT {', '.join(words)} FROM {name}")))
    return tables


def said(cells):
    """A row of isa_said: place, cell, column, text, unit and number of each; None for what long ones leave out."""
    at = 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = cells[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def piece(length):
        nonlocal at
        at += length
        return cells[at - length:at]

    while at < len(cells):
        place, cell, column, length = (number() for _ in range(4))
        if length > 128:
            yield place, cell, column, None, None, None
        else:
            yield (place, cell, column, piece(length).decode(), piece(number()).decode(),
                   struct.unpack("<d", piece(8))[0] if number() else None)


def assert_search_index(data_dir):
    """The trigrams are those of the cells: SQLite's own check, which fails otherwise. What scans say in one
    piece is what their rows say."""
    with contextlib.closing(sqlite3.connect(data_dir / "index.sqlite")) as index:
        index.execute("INSERT INTO isa_cell_trigram(isa_cell_trigram, rank) VALUES"
                      " ('integrity-check', 1)")
        rows = [row[:4] + (row[4:] if len(row[4].encode()) <= 128 else (None, None, None))
                for row in index.execute(
                    "SELECT c.scan, c.ordinal, f.id, f.\"column\", f.text, f.unit, f.number FROM isa_scan_cell c"
                    " JOIN isa_cell f ON f.id = c.cell JOIN isa_column k ON k.id = f.\"column\""
                    " WHERE k.element = 0 ORDER BY c.scan, c.ordinal")]
        pieces = [(scan, *cell) for scan, cells in index.execute("SELECT scan, cells FROM isa_said ORDER BY scan")
                  for cell in said(cells)]
        assert rows and rows == pieces, "isa_said is not what isa_scan_cell says"


class Reindex(isa_late_test.Archive):
    def identities(self):
        """Words of `murpacs conflicts`, in no order."""
        done = node.murpacs("conflicts", "--data-dir", self.data_dir)
        return sorted(done.stdout.replace("\\", " ").split())

    def assert_refused(self):
        """Nobody goes on with no index or a broken one: each names the command that helps."""
        for words in (("serve", "--set", "dicom.port=0"), ("import", isa_late_test.DATASET),
                      ("isa", "apply", self.tables), ("isa", "unlinked"), ("conflicts",),
                      ("delete", "1.2.3"), ("reindex", "--attributes")):
            refused = node.murpacs(*words, "--data-dir", self.data_dir, check=False, timeout=60)
            self.assertNotEqual(refused.returncode, 0, words)
            self.assertIn('"murpacs reindex"', refused.stderr, words)

    def assert_same_after_reindex(self):
        if self.node is not None:
            self.node.stop()
            self.node = None
        node.murpacs("verify", "--data-dir", self.data_dir)
        before = dump(self.data_dir)
        for path in self.data_dir.glob("index.sqlite*"):
            path.unlink()
        done = node.murpacs("reindex", "--data-dir", self.data_dir)
        self.assertIn(" 0 lost", done.stdout)
        assert_search_index(self.data_dir)
        after = dump(self.data_dir)
        for table, rows in before.items():
            gone, new = set(rows) - set(after[table]), set(after[table]) - set(rows)
            self.assertEqual((sorted(gone)[:3], sorted(new)[:3]), ([], []), table)
            self.assertEqual(len(rows), len(after[table]), table)
        node.murpacs("verify", "--data-dir", self.data_dir)
        # The other way round: a manifest that is lost comes again from the index.
        (self.data_dir / "manifest.jsonl").unlink()
        node.murpacs("verify", "--data-dir", self.data_dir)
        self.assertEqual(dump(self.data_dir)["instance"], before["instance"])
        for path in self.data_dir.glob("index.sqlite*"):
            path.unlink()
        node.murpacs("reindex", "--data-dir", self.data_dir)
        self.assertEqual({**dump(self.data_dir), "manifest": None}, {**before, "manifest": None})
        node.murpacs("verify", "--data-dir", self.data_dir)

    def test_a_dataset_with_late_edits(self):
        scans, _ = node.import_dataset(self.data_dir, isa_late_test.DATASET, "--set",
                                       "dicom.durability=process")
        self.assert_same_after_reindex()
        late = self.tables / "a_ICAM-CT-2018_CT.txt"
        isa_late_test.add_column(late, "Comment[late]", "IC01", "x")
        self.isa("apply", self.tables)
        isa_late_test.edit(self.tables / "s_ICAM-CT-2018.txt", '"male"\t"healthy"', '""\t"healthy"')
        isa_late_test.edit(late, "Comment[late]", "Comment[later]")
        isa_late_test.drop_rows(self.tables / "a_NUDE-CTMR-2022_MRI.txt", "N01_w00")
        (self.tables / "a_WD-OBG-2019_CT.txt").unlink()
        (self.tables / "s_WD-OBG-2019.txt").write_bytes(b"")
        self.isa("apply", self.tables, code=1)
        native = next(one for one in scans if (isa_late_test.DATASET / one["image"]).is_dir())
        with_first = pydicom.dcmread(self.native()[0]).SOPInstanceUID
        node.murpacs("delete", "--data-dir", self.data_dir, with_first)
        self.isa("link", native["SeriesInstanceUID"], "IC01_w12_CT_liver_agent")
        self.assert_same_after_reindex()
        self.serve()
        self.assertIn(native["SeriesInstanceUID"],
                      self.series("PatientID=ICAM-CT-2018:IC01", "StrainDescription=C57BL*"))

    def test_late_scans(self):
        self.serve()
        uid, files = self.write(1, PatientID="WD-08", SeriesDescription="WD-08_w08_CT")
        other, more = self.write(2, PatientID="WD-08", SeriesDescription="localizer",
                                 PatientBirthDate="20190101")
        cut, last = self.write(3, PatientID="WD-15", SeriesDescription="WD-15_w24_CT",
                               PatientBirthDate="20190102")
        self.node.store(*more, *last)
        self.isa("apply", self.tables)
        self.node.store(*files)
        self.isa("link", "--undo", cut)
        self.assert_animal(other, "WD-OBG-2019:WD-08")
        self.assert_animal(uid, "WD-OBG-2019:WD-08")
        self.assert_same_after_reindex()
        busy = node.Node(self.data_dir)
        refused = node.murpacs("reindex", "--data-dir", self.data_dir, check=False)
        busy.stop()
        self.assertEqual(refused.returncode, 51, refused.stderr)

    def test_an_index_that_is_lost_or_damaged_is_never_an_empty_archive(self):
        node.import_dataset(self.data_dir, isa_late_test.DATASET, "--set",
                            "dicom.durability=process")
        index = self.data_dir / "index.sqlite"
        good = index.read_bytes()
        other = self.data_dir.with_name("other.sqlite")
        with contextlib.closing(sqlite3.connect(other)) as nothing:
            nothing.execute("CREATE TABLE other (id INTEGER)")
        for broken in (None, other.read_bytes(), b"", b"no index" * 8192, good[:20000],
                       good[:8192] + b"\xA5" * 65536 + good[73728:]):
            for path in self.data_dir.glob("index.sqlite*"):
                path.unlink()
            if broken is not None:
                index.write_bytes(broken)
            self.assert_refused()
        self.assertIn(" 0 lost", node.murpacs("reindex", "--data-dir", self.data_dir).stdout)
        self.serve()
        self.assertTrue(self.series("StrainDescription=C57BL*"))

    def test_what_stands_in_the_place_of_the_index_is_put_aside(self):
        """A folder, a FIFO, a link to nowhere, a file that may not be read: nobody waits for it."""
        node.import_dataset(self.data_dir, isa_late_test.DATASET, "--set",
                            "dicom.durability=process")
        index = self.data_dir / "index.sqlite"
        rows = dump(self.data_dir)
        for number, put in enumerate((pathlib.Path.mkdir, os.mkfifo,
                                      lambda path: path.symlink_to("/nowhere/index.sqlite"),
                                      lambda path: path.symlink_to(path.name)), 1):
            for path in self.data_dir.glob("index.sqlite*"):
                if "aside" not in path.name:
                    path.unlink()
            put(index)
            self.assert_refused()
            done = node.murpacs("reindex", "--data-dir", self.data_dir, timeout=60)
            aside = self.data_dir / f"index.sqlite.aside-{number}"
            self.assertIn(aside.name, done.stderr)
            self.assertTrue(os.path.lexists(aside))
            self.assertEqual(dump(self.data_dir), rows)
        self.assertEqual(sorted(path.name for path in self.data_dir.glob("*.new*")), [])

    def test_one_that_is_killed_leaves_nothing_once_the_archive_is_opened(self):
        self.node = node.Node(self.data_dir)
        self.node.store(*self.write(1, PatientID="P")[1])
        self.node.stop()
        self.node = None
        node.murpacs("verify", "--data-dir", self.data_dir)  # notes SHA-256
        rows = dump(self.data_dir)
        new = self.data_dir / "index.sqlite.new"
        for _ in range(50):  # at times it is done before it is killed
            with subprocess.Popen([node.MURPACS, "reindex", "--data-dir", str(self.data_dir)],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as work:
                while not new.exists() and work.poll() is None:
                    pass
                work.kill()
            if new.exists():
                break
        self.assertTrue(new.exists())
        node.murpacs("verify", "--data-dir", self.data_dir)
        self.assertEqual(list(self.data_dir.glob("index.sqlite.new*")), [])
        self.assertEqual(dump(self.data_dir), rows)

    def test_an_index_of_another_day_is_refused_and_costs_nothing(self):
        """An old copy that was put back, or one whose log is gone: what it does not know stays."""
        self.node = node.Node(self.data_dir, "--set", "dicom.duplicates=replace")
        _, first = self.write(1, PatientID="P")
        self.node.store(*first)
        self.node.stop()
        old = (self.data_dir / "index.sqlite").read_bytes()
        self.node = node.Node(self.data_dir, "--set", "dicom.duplicates=replace")
        _, second = self.write(2, PatientID="P")
        self.node.store(*second)
        self.node.stop(signal.SIGKILL)
        self.node = None
        # As if it had been killed before the last one got rid of its first name.
        [incoming] = (self.data_dir / "objects").glob(".incoming-*")
        last = max((self.data_dir / "objects").rglob("*.dcm"), key=lambda path: path.stat().st_mtime_ns)
        os.link(last, incoming / "1")
        for number in range(2):
            if number == 1:
                self.node = node.Node(self.data_dir, "--set", "dicom.duplicates=replace")
                self.node.store(*first)  # replaces itself
                self.node.stop()
                self.node = None
                (self.data_dir / "index.sqlite").write_bytes(old)
            for path in self.data_dir.glob("index.sqlite-*"):
                path.unlink()
            manifest = (self.data_dir / "manifest.jsonl").read_bytes()
            self.assert_refused()
            self.assertEqual((self.data_dir / "manifest.jsonl").read_bytes(), manifest)
            node.murpacs("reindex", "--data-dir", self.data_dir)
            node.murpacs("verify", "--data-dir", self.data_dir)
            self.assertEqual(len(node.indexed_instances(self.data_dir)), len(first) + len(second))
            old = (self.data_dir / "index.sqlite").read_bytes()

    def test_the_index_of_another_archive_is_refused_and_costs_nothing(self):
        other = self.data_dir.with_name("other")
        for data_dir, count in ((self.data_dir, 2), (other, 1), (other, 1), (other, 1)):
            self.node = node.Node(data_dir)
            for number in range(count):
                self.node.store(*self.write(random.randrange(10**9), PatientID=f"P{number}")[1])
            self.node.stop()
            self.node = None
            if data_dir == self.data_dir:
                continue
            served = self.data_dir.with_name("served")
            shutil.copytree(self.data_dir, served)
            for path in served.glob("index.sqlite*"):
                path.unlink()
            shutil.copy(other / "index.sqlite", served)
            manifest = (served / "manifest.jsonl").read_bytes()
            done = node.murpacs("verify", "--data-dir", served, check=False)
            self.assertEqual(done.returncode, 50, done.stdout + done.stderr)
            self.assertIn('"murpacs reindex"', done.stderr)
            self.assertEqual((served / "manifest.jsonl").read_bytes(), manifest)
            node.murpacs("reindex", "--data-dir", served)
            self.assertEqual(node.indexed_instances(served), node.indexed_instances(self.data_dir))
            shutil.rmtree(served)

    @unittest.skipIf(os.geteuid() == 0, "root may read everything")
    def test_an_index_that_may_not_be_read_is_refused(self):
        node.import_dataset(self.data_dir, isa_late_test.DATASET, "--set",
                            "dicom.durability=process")
        (self.data_dir / "index.sqlite").chmod(0)
        self.assert_refused()
        node.murpacs("reindex", "--data-dir", self.data_dir)
        self.serve()
        self.assertTrue(self.series("StrainDescription=C57BL*"))

    def test_where_nothing_can_be_made_anew_nothing_is_begun(self):
        self.data_dir.mkdir()
        os.mkfifo(self.data_dir / "index.sqlite")
        done = node.murpacs("serve", "--set", "dicom.port=0", "--data-dir", self.data_dir, check=False,
                            timeout=60)
        self.assertIn("is no file: move it away", done.stderr)
        done = node.murpacs("reindex", "--data-dir", self.data_dir, check=False)
        self.assertEqual(done.returncode, 20, done.stderr)
        self.assertIn("there is no archive here", done.stderr)
        (self.data_dir / "index.sqlite").unlink()
        node.import_dataset(self.data_dir, isa_late_test.DATASET, "--set",
                            "dicom.durability=process")
        for name in ("index.sqlite", "manifest.jsonl"):
            (self.data_dir / name).unlink()
        done = node.murpacs("reindex", "--data-dir", self.data_dir, check=False)
        self.assertIn("manifest.jsonl is missing: take it from a backup", done.stderr)
        self.assertEqual(sorted(path.name for path in self.data_dir.glob("index.sqlite.*")), [])
        self.assertFalse((self.data_dir / "index.sqlite").exists())
        # What it advises.
        other = self.data_dir.with_name("other")
        node.murpacs("import", "--dicom", self.data_dir / "objects", "--data-dir", other, "--set",
                     "dicom.durability=process")
        self.assertEqual(len(node.indexed_instances(other)),
                         len(list((self.data_dir / "objects").rglob("*.dcm"))))

    def test_a_damaged_line_of_the_manifest_costs_what_it_says_alone(self):
        node.import_dataset(self.data_dir, isa_late_test.DATASET, "--set",
                            "dicom.durability=process")
        rows = dump(self.data_dir)
        uids = node.indexed_instances(self.data_dir)
        manifest = self.data_dir / "manifest.jsonl"
        lines = manifest.read_bytes().splitlines(keepends=True)
        number = [i for i, line in enumerate(lines) if b'"stored"' in line][5]
        uid = json.loads(lines[number])["instance"]
        lines[number] = lines[number].replace(b'"instance":"', b'"instance"~"')
        manifest.write_bytes(b"".join(lines))
        done = node.murpacs("reindex", "--data-dir", self.data_dir, check=False)
        self.assertEqual(done.returncode, 20, done.stderr)
        at = sum(map(len, lines[:number]))
        self.assertIn(f"1 lines of manifest.jsonl are damaged, the first at byte {at}", done.stderr)
        self.assertEqual(node.indexed_instances(self.data_dir), [one for one in uids if one != uid])
        self.assertIn("1 objects are there that the manifest does not know", done.stderr)
        # The old index, which knew it, is there; and so is the object.
        aside = self.data_dir / "index.sqlite.aside-1"
        node.murpacs("import", "--dicom", "--data-dir", self.data_dir, self.data_dir / "objects")
        self.assertEqual(node.indexed_instances(self.data_dir), uids)
        (self.data_dir / "index.sqlite").unlink()
        aside.rename(self.data_dir / "index.sqlite")
        self.assertEqual(dump(self.data_dir), rows)

    def test_damaged_tables_are_told_and_left_out_until_they_are_back(self):
        node.import_dataset(self.data_dir, isa_late_test.DATASET, "--set",
                            "dicom.durability=process")
        rows = dump(self.data_dir)
        tables = next(iter((self.data_dir / "isa").glob("*/1")))
        good = tables.with_name("good")
        for damage in (lambda: max(tables.glob("a_*.txt")).write_text("", encoding="utf-8"),
                       lambda: shutil.rmtree(tables)):
            shutil.copytree(tables, good)
            damage()
            done = node.murpacs("reindex", "--data-dir", self.data_dir, check=False)
            self.assertEqual(done.returncode, 20, done.stderr)
            self.assertIn(f"{tables.relative_to(self.data_dir)}: ", done.stderr)
            self.assertIn("reindex again", done.stderr)
            without = dump(self.data_dir)
            self.assertEqual(without["isa_value"], [])
            self.assertEqual(len(without["instance"]), len(rows["instance"]))
            # The old index, which knows what the tables said, is there.
            aside = self.data_dir / "index.sqlite.aside-1"
            (self.data_dir / "index.sqlite").unlink()
            aside.rename(self.data_dir / "index.sqlite")
            self.assertEqual(dump(self.data_dir), rows)
            shutil.rmtree(tables, ignore_errors=True)
            good.rename(tables)
            self.assertEqual(node.murpacs("reindex", "--data-dir", self.data_dir).stderr, "")
            self.assertEqual(dump(self.data_dir), rows)

    def test_what_a_power_cut_takes_of_the_manifest_is_written_again(self):
        node.import_dataset(self.data_dir, isa_late_test.DATASET, "--set",
                            "dicom.durability=process")
        rows = dump(self.data_dir)
        manifest = self.data_dir / "manifest.jsonl"
        lines = manifest.read_bytes()
        events = [json.loads(line)["event"] for line in lines.splitlines()]
        self.assertEqual(set(events[-100:]), {"stored"})
        manifest.write_bytes(b"".join(lines.splitlines(keepends=True)[:-100])[:-10])
        node.murpacs("isa", "unlinked", "--data-dir", self.data_dir)
        self.assertEqual(manifest.read_bytes(), lines)
        for path in self.data_dir.glob("index.sqlite*"):
            path.unlink()
        node.murpacs("reindex", "--data-dir", self.data_dir)
        self.assertEqual(dump(self.data_dir), rows)

    def test_a_manifest_that_was_cut_or_taken_away_says_all_again(self):
        node.import_dataset(self.data_dir, isa_late_test.DATASET, "--set",
                            "dicom.durability=process")
        rows = dump(self.data_dir)
        manifest = self.data_dir / "manifest.jsonl"
        lines = manifest.read_bytes()
        manifest.write_bytes(lines[:100])  # within the line that tells of the tables
        node.murpacs("isa", "unlinked", "--data-dir", self.data_dir)
        self.assertEqual(manifest.read_bytes(), lines)
        aside = manifest.with_name("manifest.jsonl.aside-1")
        self.assertEqual(aside.read_bytes(), lines[:100])
        aside.unlink()
        for path in self.data_dir.glob("index.sqlite*"):
            path.unlink()
        node.murpacs("reindex", "--data-dir", self.data_dir)
        self.assertEqual(dump(self.data_dir), rows)
        # While the node serves, nothing is said to be stored that the manifest would not say.
        for damage in (manifest.unlink, lambda: os.truncate(manifest, 100)):
            self.serve()
            uid, files = self.write(7, PatientID="late")
            damage()
            self.assertNotEqual(self.node.store(*files, check=False).returncode, 0)
            self.assertIn("while it is in use", self.node.log_text())
            self.assertEqual(self.series("PatientID=late"), [])
            self.node.stop()
            self.node = None
            told = node.murpacs("verify", "--data-dir", self.data_dir, check=False).stdout
            self.assertEqual(aside.exists(), aside.name in told, told)
            aside.unlink(missing_ok=True)
            node.murpacs("verify", "--data-dir", self.data_dir)
        self.serve()
        self.node.store(*files)
        self.assertEqual(self.series("PatientID=late"), [uid])
        self.node.stop()
        self.node = None

    def test_objects_that_the_manifest_does_not_know_are_told_of(self):
        node.import_dataset(self.data_dir, isa_late_test.DATASET, "--set",
                            "dicom.durability=process")
        listed = node.indexed_instances(self.data_dir)
        (self.data_dir / "index.sqlite").unlink()
        manifest = self.data_dir / "manifest.jsonl"
        lines = manifest.read_text(encoding="utf-8").splitlines(keepends=True)
        for kept in ([], [line for line in lines if json.loads(line)["event"] == "isa"]):
            manifest.write_text("".join(kept), encoding="utf-8")
            done = node.murpacs("reindex", "--data-dir", self.data_dir, check=False)
            self.assertEqual(done.returncode, 50, done.stderr)
            self.assertIn("knows none of the objects that are there: take it from a backup", done.stderr)
            self.assertFalse((self.data_dir / "index.sqlite").exists())
        left = max(i for i, line in enumerate(lines) if json.loads(line)["event"] == "stored")
        gone = json.loads(lines[left])["instance"]
        manifest.write_text("".join(lines[:left]), encoding="utf-8")
        done = node.murpacs("reindex", "--data-dir", self.data_dir, check=False)
        self.assertEqual(done.returncode, 20, done.stderr)
        self.assertIn("1 objects are there that the manifest does not know", done.stderr)
        self.assertEqual(set(listed) - set(node.indexed_instances(self.data_dir)), {gone})
        # What it advises.
        done = node.murpacs("verify", "--data-dir", self.data_dir, check=False)
        self.assertEqual(len(re.findall(r"objects/\S+\.dcm", done.stdout)), 1, done.stdout)
        node.murpacs("import", "--dicom", self.data_dir / "objects", "--data-dir", self.data_dir)
        self.assertEqual(node.indexed_instances(self.data_dir), listed)
        node.murpacs("verify", "--data-dir", self.data_dir)
        manifest.write_text("".join(lines), encoding="utf-8")
        node.murpacs("reindex", "--data-dir", self.data_dir)
        self.assertEqual(node.indexed_instances(self.data_dir), listed)

    def test_a_disk_that_is_not_there_costs_no_index(self):
        node.import_dataset(self.data_dir, isa_late_test.DATASET, "--set",
                            "dicom.durability=process")
        rows = dump(self.data_dir)
        (self.data_dir / "objects").rename(self.data_dir.with_name("objects"))
        done = node.murpacs("reindex", "--data-dir", self.data_dir, check=False)
        self.assertEqual(done.returncode, 20, done.stderr)
        self.assertIn("is its disk there?", done.stderr)
        self.assertEqual(dump(self.data_dir), rows)
        (self.data_dir / "objects").rmdir()
        self.data_dir.with_name("objects").rename(self.data_dir / "objects")
        node.murpacs("verify", "--data-dir", self.data_dir)
        for name in ("index.sqlite-wal", "index.sqlite-shm"):
            (self.data_dir / name).unlink(missing_ok=True)
            (self.data_dir / name).mkdir()
            done = node.murpacs("verify", "--data-dir", self.data_dir, check=False)
            self.assertIn(f"{name} is no file: move it away", done.stderr)
            (self.data_dir / name).rmdir()
        node.murpacs("verify", "--data-dir", self.data_dir)

    def test_what_was_replaced_deleted_committed_or_contradicts(self):
        replacing = ("--set", "dicom.duplicates=replace")
        self.node = node.Node(self.data_dir, *replacing)
        uid, files = self.write(1, PatientID="WD-08", SeriesDescription="WD-08_w08_CT")
        _, twice = self.write(2, PatientID="P", PatientBirthDate="20190101")
        _, other = self.write(3, PatientID="P", PatientBirthDate="20190102")
        gone, lost = self.write(4, PatientID="gone")
        _, long = self.write(5, PatientID="long")
        for path in long:  # more than the index keeps of a header
            image = pydicom.dcmread(path)
            block = image.private_block(0x0099, "LONG VALUES", create=True)
            for number in range(100):
                block.add_new(number, "OB", bytes(60000))
            image.save_as(path)
        self.node.store(*files, *twice, *other, *lost, *long)
        image = pydicom.dcmread(files[0])
        image.InstitutionName = "of the second version"
        image.save_as(files[0])
        self.node.store(files[0])
        address = f"MURPACS@127.0.0.1:{self.node.port}"
        port = node.free_port()
        self.node.stop()
        self.node = node.Node(self.data_dir, *replacing, peers='{ ae_title = "ASKER"; host ='
                              ' "127.0.0.1"; port = %d; rights = "rw"; }' % port)
        address = f"MURPACS@127.0.0.1:{self.node.port}"
        node.murpacs("commit", address, "-aet", "ASKER", "--port", port, *twice)
        node.murpacs("delete", "--data-dir", self.data_dir, gone)
        self.isa("apply", self.tables)
        listed = self.identities()
        self.assertIn('"20190102"', listed)
        told = self.lines("conflicts")
        self.assertTrue(told)
        self.assert_same_after_reindex()
        self.assertEqual(self.identities(), listed)
        self.assertEqual(self.lines("conflicts"), told)
        refused = node.murpacs("delete", "--data-dir", self.data_dir, "--dry-run",
                               pydicom.dcmread(twice[0]).SOPInstanceUID, check=False)
        self.assertIn("--force", refused.stdout + refused.stderr)
        self.serve()
        self.assertEqual(self.series("PatientID=gone"), [])
        [one] = self.node.find(f"SeriesInstanceUID={uid}", "NumberOfSeriesRelatedInstances",
                               level="SERIES")
        self.assertEqual(one.NumberOfSeriesRelatedInstances, 2)


if __name__ == "__main__":
    unittest.main()
