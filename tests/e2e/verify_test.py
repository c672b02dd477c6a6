#!/usr/bin/python3
"""Damage is found by `murpacs verify`, and never leaves the node as if it were good."""
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import tempfile
import unittest

import pydicom

import node
import reindex_test

DATASET = pathlib.Path(os.environ["MURPACS_PHANTOM_DATA"])


class Verify(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.source = pathlib.Path(cls.folder.name) / "source"
        node.import_dataset(cls.source, DATASET, "--set", "dicom.durability=process")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def setUp(self):
        self.data_dir = pathlib.Path(tempfile.mkdtemp(dir=self.folder.name)) / "archive"
        shutil.copytree(self.source, self.data_dir)

    def verify(self, *words, code):
        done = node.murpacs("verify", "--json", "--data-dir", self.data_dir, *words, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(lines[-1]["findings"], len(lines) - 1)
        return lines[:-1], lines[-1]

    def objects(self):
        return sorted((self.data_dir / "objects").rglob("*.dcm"))

    def report(self):
        return json.loads((self.data_dir / "verify.json").read_text(encoding="utf-8"))

    def flip(self, path, position):
        with open(path, "r+b") as file:
            file.seek(position, os.SEEK_END if position < 0 else os.SEEK_SET)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))

    def test_a_whole_archive_gets_its_sha256_once(self):
        _, first = self.verify(code=0)
        self.assertEqual(first["noted"], first["instances"])
        self.assertEqual(first["instances"], len(self.objects()))
        _, second = self.verify(code=0)
        self.assertEqual(second["noted"], 0)
        self.assertEqual(self.report()["found"], 0)

    def test_each_kind_of_damage_is_found(self):
        files = self.objects()
        self.flip(files[0], -5)
        self.flip(files[1], 60)  # the preamble
        os.truncate(files[2], files[2].stat().st_size - 1)
        files[3].unlink()
        files[4].write_bytes(b"")
        shutil.copy(files[5], files[5].with_name("0" * 32 + ".dcm"))
        (files[5].parent / "notes.txt").write_text("mine", encoding="utf-8")
        found, _ = self.verify(code=1)
        by_path = {one["path"]: one["kind"] for one in found}
        self.assertEqual(by_path, {
            str(files[0]): "changed", str(files[1]): "changed", str(files[2]): "length",
            str(files[3]): "missing", str(files[4]): "length",
            str(files[5].with_name("0" * 32 + ".dcm")): "stray",
            str(files[5].parent / "notes.txt"): "stray"})
        self.assertTrue(all(one["SOPInstanceUID"] for one in found if one["kind"] != "stray"))
        self.assertEqual(len(self.report()["findings"]), 7)

    def test_strays_are_told_wherever_they_are_and_stay(self):
        tables = next((self.data_dir / "isa").rglob("i_*.txt")).parent
        strays = [self.data_dir / "notes.txt", self.data_dir / ".hidden", self.data_dir / "mine/deep/er.txt",
                  self.data_dir / "isa/notes.txt", tables / "notes.txt", tables.parent / "99/s_x.txt",
                  tables.parent / "7.new/s_x.txt", self.data_dir / "certificates/notes.txt",
                  self.data_dir / "objects/notes.txt", self.data_dir / "objects/ab/notes.dcm",
                  self.data_dir / "objects/.incoming-mine/notes.dcm",
                  self.data_dir / "unpacked/unpacked-abc/x.txt"]
        for path in strays:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("mine", encoding="utf-8")
            os.utime(path, (1e9, 1e9))
        os.utime(self.data_dir / "objects/.incoming-mine", (1e9, 1e9))
        for number, folder in enumerate((self.data_dir, tables, self.data_dir / "objects/ab")):
            os.mkfifo(folder / f"fifo{number}.dcm")
            (folder / f"link{number}").symlink_to("/nowhere")
            strays += [folder / f"fifo{number}.dcm", folder / f"link{number}"]
        (self.data_dir / "empty").mkdir()
        strays.append(self.data_dir / "empty")
        swept = [tables.parent / "7.new/s_x.txt", self.data_dir / "index.sqlite.new"]  # of one killed
        swept[1].write_bytes(b"half")
        strays.remove(swept[0])
        for words in ((), ("--share", "1/4")):
            found, _ = self.verify(*words, code=1)
            self.assertEqual(sorted(one["path"] for one in found), sorted(map(str, strays)))
            self.assertLessEqual({one["kind"] for one in found}, {"stray", "certificate"})
        self.assertTrue(all(os.path.lexists(path) for path in strays))
        self.assertFalse(any(path.exists() for path in swept))

    def test_nothing_is_stray_while_others_work(self):
        archive = self.data_dir.with_name("unpack.zip")
        shutil.make_archive(str(archive.with_suffix("")), "zip", DATASET)
        work = subprocess.Popen([node.MURPACS, "import", "--data-dir", str(self.data_dir.with_name("new")),
                                 "--set", "dicom.durability=process", str(archive)],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        runs = 0
        while work.poll() is None or runs == 0:
            done = node.murpacs("verify", "--json", "--data-dir", self.data_dir.with_name("new"), check=False)
            if done.returncode != 20:  # the archive is not made yet
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                runs += 1
        self.assertEqual(work.wait(), 0)

    def test_a_byte_of_the_head_is_missed_by_no_second_run(self):
        self.verify(code=0)
        files = self.objects()
        at = files[0].read_bytes().index(b"MURPACS", 128)  # name of the implementation
        self.flip(files[0], at)
        found, _ = self.verify(code=1)
        self.assertEqual([one["kind"] for one in found], ["changed"])

    def test_a_bit_of_a_header_in_the_index_is_missed_by_nobody(self):
        self.verify(code=0)
        rows = reindex_test.dump(self.data_dir)
        with sqlite3.connect(self.data_dir / "index.sqlite") as index:
            number, uid, header = index.execute(
                "SELECT i.id, i.sop_uid, h.json FROM header h JOIN instance i ON i.id = h.instance"
                " WHERE h.form = 1 ORDER BY length(h.json) LIMIT 1").fetchone()
            for at in (0, len(header) // 2, len(header) - 6):
                flipped = header[:at] + bytes([header[at] ^ 4]) + header[at + 1:]
                index.execute("UPDATE header SET json = ? WHERE instance = ?", (flipped, number))
                index.commit()
                found, _ = self.verify(code=1)
                self.assertEqual([(one["kind"], one["SOPInstanceUID"]) for one in found],
                                 [("index", uid)])
        node.murpacs("reindex", "--data-dir", self.data_dir)
        self.assertEqual(reindex_test.dump(self.data_dir), rows)
        self.verify(code=0)

    def test_what_was_converted_has_its_certificate(self):
        certificates = sorted((self.data_dir / "certificates").iterdir())
        self.assertGreater(len(certificates), 3)
        certificates[0].unlink()
        certificates[1].write_bytes(certificates[2].read_bytes())
        (self.data_dir / "certificates" / "1.2.3.json").write_text("{}", encoding="utf-8")
        expected = {str(certificates[1]), str(self.data_dir / "certificates" / "1.2.3.json")}
        found, _ = self.verify(code=1)  # an import may be about to write the first
        self.assertEqual({(one["kind"], one["path"]) for one in found},
                         {("certificate", path) for path in expected})
        with sqlite3.connect(self.data_dir / "index.sqlite") as index:
            index.execute("UPDATE instance SET received_us = received_us - 3600000000")
        found, _ = self.verify(code=1)
        self.assertEqual({one["path"] for one in found}, {*expected, str(certificates[0])})
        study = next(one["StudyInstanceUID"] for one in found if one["path"] == str(certificates[0]))
        of_study, _ = self.verify("--study", study, code=1)
        self.assertIn(str(certificates[0]), {one["path"] for one in of_study})
        certificates[0].touch()
        node.import_dataset(self.data_dir, DATASET)  # what is there is not made again
        self.assertEqual(certificates[0].stat().st_size, 0)
        certificates[0].unlink()
        certificates[1].unlink()
        (self.data_dir / "certificates" / "1.2.3.json").unlink()
        node.import_dataset(self.data_dir, DATASET)
        self.verify(code=0)

    def test_manifest_and_tables_are_compared(self):
        manifest = self.data_dir / "manifest.jsonl"
        lines = manifest.read_text(encoding="utf-8").splitlines(keepends=True)
        stored = [i for i, line in enumerate(lines) if '"event":"stored"' in line]
        instance = json.loads(lines[stored[0]])["instance"]
        digest = json.loads(lines[stored[0]])["xxh128"]
        lines[stored[0]] = lines[stored[0]].replace(digest, "0" * 32)
        lines[stored[1]] = " " * (len(lines[stored[1]]) - 1) + "\n"
        manifest.write_text("".join(lines), encoding="utf-8")
        table = sorted((self.data_dir / "isa").rglob("a_*.txt"))[0]
        self.flip(table, -3)
        found, _ = self.verify(code=1)
        kinds = sorted(one["kind"] for one in found)
        self.assertEqual(kinds, ["manifest", "manifest", "manifest", "tables"], found)
        self.assertIn(instance, [one["SOPInstanceUID"] for one in found])

    def test_shares_read_everything_once_a_round_and_keep_what_they_found(self):
        self.flip(self.objects()[0], -5)
        total = found = 0
        for night in range(4):
            done = node.murpacs("verify", "--json", "--share", "1/4", "--data-dir", self.data_dir,
                                check=False)
            lines = [json.loads(line) for line in done.stdout.splitlines()]
            self.assertEqual(done.returncode, 1 if len(lines) > 1 else 0)
            self.assertEqual(lines[-1]["share"], night + 1)
            total += lines[-1]["instances"]
            found += len(lines) - 1
            self.assertEqual(len(self.report()["findings"]), found)
        self.assertEqual((total, found), (len(self.objects()), 1))

    def test_a_damaged_instance_is_named_and_the_others_are_delivered(self):
        with sqlite3.connect(self.data_dir / "index.sqlite") as index:
            study, = index.execute(
                "SELECT study_uid FROM study WHERE instance_count > 1 ORDER BY id").fetchone()
            uids = [row[0] for row in index.execute(
                "SELECT sop_uid FROM instance i JOIN series e ON e.id = i.series"
                " JOIN study s ON s.id = e.study WHERE study_uid = ?", (study,))]
        with node.serving(self.data_dir) as server:
            path = next(path for path in self.objects() if any(
                uid.encode() in path.read_bytes() for uid in uids[:1]))
            self.flip(path, -5)
            found, summary = self.verify("--study", study, code=1)
            self.assertEqual(summary["instances"], len(uids))
            bad = found[0]["SOPInstanceUID"]
            got = server.get(self.data_dir.with_name("got"), f"StudyInstanceUID={study}", check=False)
            self.assertEqual(len(got), len(uids) - 1)
            self.assertNotIn(bad, " ".join(path.name for path in got))
            self.assertIn(bad, server.log_text())

    def test_what_is_damaged_is_made_whole_by_sending_it_again(self):
        files = self.objects()[:4]
        originals = [self.data_dir.with_name(f"original{number}.dcm") for number in range(4)]
        for one, original in zip(files, originals):
            shutil.copy(one, original)
        uids = [str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in originals]
        node.murpacs("verify", "--data-dir", self.data_dir)  # notes SHA-256
        before = node.indexed_instances(self.data_dir)
        self.flip(files[0], -5)
        os.truncate(files[1], 200)
        files[2].unlink()
        with node.serving(self.data_dir) as server:
            server.store(*originals)
            text = server.log_text()
            for uid in uids[:3]:
                self.assertIn(f"{uid} was damaged and is whole again", text)
            self.assertNotIn(f"{uids[3]} was damaged", text)
        self.assertEqual(node.indexed_instances(self.data_dir), before)
        self.verify(code=0)
        rows = reindex_test.dump(self.data_dir)
        node.murpacs("reindex", "--data-dir", self.data_dir)
        self.assertEqual(reindex_test.dump(self.data_dir), rows)
        self.verify(code=0)

    def test_an_import_mends_what_it_brings_once_more(self):
        files = self.objects()
        headers = sorted((self.data_dir / "objects").rglob("*.json.zst"))
        files = [path for path in files if path.parent not in (headers[0].parent, headers[1].parent)]
        self.flip(files[0], -5)
        files[-1].unlink()
        self.flip(headers[0], 100)
        headers[1].unlink()
        scans, _ = node.import_dataset(self.data_dir, DATASET)
        self.assertLessEqual({scan["status"] for scan in scans}, {"imported", "unchanged"})
        self.verify(code=0)

    def test_a_study_that_is_not_there_and_a_wrong_share_are_errors(self):
        for words, code in ((("--study", "1.2.3"), 20), (("--share", "2/3"), 1), (("x",), 1)):
            done = node.murpacs("verify", "--data-dir", self.data_dir, *words, check=False)
            self.assertEqual(done.returncode, code, done.stderr)


if __name__ == "__main__":
    unittest.main()
