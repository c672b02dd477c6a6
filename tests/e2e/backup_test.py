#!/usr/bin/python3
"""`murpacs backup` copies an archive that is being served and written to; the copy is an archive."""
import json
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import threading
import unittest

import pydicom

import node
import reindex_test

DATASET = pathlib.Path(os.environ["MURPACS_PHANTOM_DATA"])


class Backup(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.source = pathlib.Path(cls.folder.name) / "source"
        node.import_dataset(cls.source, DATASET, "--set", "dicom.durability=process")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(dir=self.folder.name))
        self.data_dir, self.copy = self.root / "archive", self.root / "copy"
        shutil.copytree(self.source, self.data_dir)

    def backup(self, check=True):
        done = node.murpacs("backup", "--json", "--data-dir", self.data_dir, self.copy, check=check)
        return json.loads(done.stdout) if done.stdout else done

    def assert_whole(self):
        done = node.murpacs("verify", "--data-dir", self.copy, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        marker = json.loads((self.copy / "backup.json").read_text(encoding="utf-8"))
        self.assertTrue(marker["complete"])
        self.assertEqual(marker["instances"], len(node.indexed_instances(self.copy)))
        self.assertEqual(node.manifest_instances(self.copy), node.indexed_instances(self.copy))
        self.assertEqual(sorted(path.name for path in self.copy.iterdir()
                                if path.name != "verify.json" and "index.sqlite-" not in path.name),
                         ["backup.json", "certificates", "imports.jsonl", "index.sqlite", "isa", "lock",
                          "manifest.jsonl", "objects"])

    def make_objects(self, count):
        source = pydicom.dcmread(next(iter(sorted(DATASET.rglob("*.dcm")))))
        folder = self.root / "new"
        folder.mkdir(exist_ok=True)
        stem = f"1.2.826.0.1.3680043.10.77.{random.randrange(10**9)}"
        for number in range(count):
            source.StudyInstanceUID = f"{stem}.{number % 5}"
            source.SeriesInstanceUID = f"{stem}.{number % 5}.1"
            source.SOPInstanceUID = f"{stem}.{number % 5}.1.{number}"
            source.file_meta.MediaStorageSOPInstanceUID = source.SOPInstanceUID
            source.save_as(folder / f"{source.SOPInstanceUID}.dcm")
        return stem, folder

    def test_the_copy_answers_as_the_archive_does(self):
        first = self.backup()
        self.assertEqual(first["instances"], len(node.indexed_instances(self.data_dir)))
        self.assertEqual(reindex_test.dump(self.copy), reindex_test.dump(self.data_dir))
        self.assertEqual(node.tree_digest(self.copy / "isa"), node.tree_digest(self.data_dir / "isa"))
        self.assertTrue(node.tree_digest(self.copy / "certificates"))
        self.assertEqual(node.tree_digest(self.copy / "certificates"),
                         node.tree_digest(self.data_dir / "certificates"))
        self.assertEqual((self.copy / "manifest.jsonl").read_bytes(),
                         (self.data_dir / "manifest.jsonl").read_bytes())
        self.assert_whole()
        with node.serving(self.copy) as server:
            self.assertTrue(server.find("PatientID=*"))
            self.assertEqual(self.backup(check=False).returncode, 51)  # somebody has it open
        self.assert_whole()

    def answers(self, data_dir):
        """What an archive tells of all that it has."""
        told = {"conflicts": node.murpacs("isa", "conflicts", "--data-dir", data_dir).stdout,
                "unlinked": node.murpacs("isa", "unlinked", "--data-dir", data_dir).stdout}
        with node.serving(data_dir) as server:
            port = server.port
            for key in ("--isa", "Characteristics[Animal strain]=C57BL/6J"), ("--isa", "Sample Name=*"):
                told[key] = node.murpacs("find", f"MURPACS@127.0.0.1:{port}", "--level", "SERIES", *key).stdout
        return told

    def test_what_is_restored_has_all_that_the_original_had(self):
        """A copy made while the node serves, under its own name, and the original gone."""
        with node.serving(self.data_dir):
            self.backup()
        asked = self.answers(self.data_dir)
        self.assertTrue(all(text for what, text in asked.items() if what != "unlinked"), asked)
        rows = reindex_test.dump(self.data_dir)
        kept = {name: node.tree_digest(self.data_dir / name) for name in ("objects", "isa", "certificates")}
        lines = (self.data_dir / "imports.jsonl").read_bytes()
        shutil.rmtree(self.data_dir)
        shutil.copytree(self.copy, self.data_dir)
        self.assertEqual(reindex_test.dump(self.data_dir), rows)
        self.assertEqual({name: node.tree_digest(self.data_dir / name) for name in kept}, kept)
        self.assertEqual((self.data_dir / "imports.jsonl").read_bytes(), lines)
        self.assertEqual(self.answers(self.data_dir), asked)
        done = node.murpacs("verify", "--data-dir", self.data_dir, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        scans, _ = node.import_dataset(self.data_dir, DATASET, "--set", "dicom.durability=process")
        self.assertLessEqual({scan.get("status") for scan in scans}, {"unchanged", None})
        self.assertEqual(node.indexed_instances(self.data_dir), node.indexed_instances(self.copy))
        done = node.murpacs("reindex", "--data-dir", self.data_dir)
        self.assertIn(" 0 lost", done.stdout)
        self.assertEqual(self.answers(self.data_dir), asked)

    def test_damaged_tables_take_no_place_of_good_ones(self):
        self.backup()
        good = node.tree_digest(self.copy / "isa")
        table = sorted((self.data_dir / "isa").rglob("a_*.txt"))[0]
        text = table.read_bytes()
        table.write_bytes(text[:-4] + b"xxx\n")
        done = node.murpacs("backup", "--data-dir", self.data_dir, self.copy, check=False)
        self.assertEqual(done.returncode, 20, done.stderr)
        self.assertIn("the tables are not those that were applied", done.stderr)
        self.assertEqual(node.tree_digest(self.copy / "isa"), good)
        shutil.rmtree(self.data_dir / "isa")
        self.assertEqual(node.murpacs("backup", "--data-dir", self.data_dir, self.copy,
                                      check=False).returncode, 20)
        self.assertEqual(node.tree_digest(self.copy / "isa"), good)
        shutil.copytree(self.copy / "isa", self.data_dir / "isa")  # as the page says
        self.backup()
        self.assert_whole()

    def test_a_second_time_only_what_is_new_is_copied_and_what_was_deleted_goes(self):
        self.backup()
        again = self.backup()
        self.assertEqual((again["copied"], again["removed"]), (0, 0))
        stem, folder = self.make_objects(10)
        gone = node.indexed_instances(self.data_dir)[0]
        node.murpacs("delete", "--data-dir", self.data_dir, gone)
        node.murpacs("import", "--dicom", "--set", "dicom.durability=process",
                         "--data-dir", self.data_dir, folder)
        third = self.backup()
        self.assertEqual((third["copied"], third["removed"]), (10, 1))
        self.assertEqual(node.stored_files(self.copy), node.stored_files(self.data_dir))
        self.assert_whole()
        # The same UID, the same length, other content.
        uid = f"{stem}.0.1.0"
        node.murpacs("delete", "--data-dir", self.data_dir, uid)
        image = pydicom.dcmread(folder / f"{uid}.dcm")
        image.StudyTime = "235959" if str(image.StudyTime) != "235959" else "235958"
        image.save_as(folder / f"{uid}.dcm")
        node.murpacs("import", "--dicom", "--set", "dicom.durability=process",
                         "--data-dir", self.data_dir, folder)
        self.backup()
        self.assert_whole()

    def test_certificates_go_and_change_with_their_series(self):
        self.backup()
        certificates = sorted((self.data_dir / "certificates").iterdir())
        node.murpacs("delete", "--data-dir", self.data_dir, certificates[0].stem)
        self.assertFalse(certificates[0].exists())
        text = certificates[1].read_text(encoding="utf-8")
        certificates[1].write_text(text.replace("0", "1"), encoding="utf-8")
        again = self.backup()
        self.assertEqual(again["copied"], 1)
        self.assertEqual(node.tree_digest(self.copy / "certificates"),
                         node.tree_digest(self.data_dir / "certificates"))

    def test_an_interrupted_copy_is_completed_by_the_next(self):
        self.backup()
        files = sorted((self.copy / "objects").rglob("*.dcm"))
        for name in ("index.sqlite", "backup.json"):
            (self.copy / name).unlink()
        (self.copy / "backup.json").write_text('{"complete": false}', encoding="utf-8")
        files[0].unlink()
        os.truncate(files[1], 100)
        files[2].write_bytes(bytes(files[2].stat().st_size))
        (self.copy / ".copying").mkdir()
        (self.copy / ".copying" / "7").write_bytes(b"half")
        self.assertGreaterEqual(self.backup()["copied"], 3)
        self.assert_whole()

    def test_it_is_consistent_while_others_store_and_delete(self):
        stem, folder = self.make_objects(120)
        server = node.Node(self.data_dir, "--set", "dicom.durability=process")
        ended = threading.Event()
        uids = node.indexed_instances(self.data_dir)

        def delete():
            for uid in uids[::7]:
                if ended.is_set():
                    return
                node.murpacs("delete", "--data-dir", self.data_dir, uid)

        def store():
            files = sorted(folder.glob("*.dcm"))
            for at in range(0, len(files), 4):
                if ended.is_set():
                    return
                server.store(*files[at:at + 4])

        threads = [threading.Thread(target=work) for work in (delete, store)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(3):
                self.backup()
                self.assert_whole()
                done = node.murpacs("verify", "--data-dir", self.data_dir, check=False)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        finally:
            ended.set()
            for thread in threads:
                thread.join()
            server.stop()
        self.backup()
        self.assert_whole()
        self.assertEqual(node.indexed_instances(self.copy), node.indexed_instances(self.data_dir))

    def test_what_is_damaged_is_named_and_not_copied(self):
        path = sorted((self.data_dir / "objects").rglob("*.dcm"))[0]
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        done = node.murpacs("backup", "--data-dir", self.data_dir, self.copy, check=False)
        self.assertEqual(done.returncode, 20)
        self.assertIn("is not copied", done.stderr)
        path.write_bytes(content)
        self.assertEqual(self.backup()["copied"], 1)
        self.assert_whole()

    def test_what_cannot_be_read_keeps_nothing_else_from_being_copied(self):
        """A folder that became a file, a header's file that does not expand, certificates and a list
        that are no files: each is named, and what an earlier copy has of it stays."""
        headers = sorted((self.data_dir / "objects").rglob("*.json.zst"))
        study = next(path for path in sorted((self.data_dir / "objects").glob("*/*"))
                     if path not in headers[0].parents)
        certificate = sorted((self.data_dir / "certificates").iterdir())[0]
        hidden = [study, certificate, self.data_dir / "imports.jsonl"]
        expected = len(list(study.rglob("*.dcm"))) + 3
        content = headers[0].read_bytes()
        headers[0].write_bytes(content[:100] + b"x" + content[101:])
        for path in hidden:
            path.rename(path.with_name("was-" + path.name))
            path.symlink_to("was-" + path.name)
        study.unlink()
        study.touch()
        done = node.murpacs("backup", "--data-dir", self.data_dir, self.copy, check=False)
        self.assertEqual(done.returncode, 20, done.stdout + done.stderr)
        self.assertEqual(done.stderr.count("is not copied"), expected, done.stderr)
        self.assertEqual(len(list(self.copy.rglob("*.dcm"))),
                         len(node.indexed_instances(self.data_dir)) - expected + 3)
        headers[0].write_bytes(content)
        for path in hidden:
            path.unlink()
            path.with_name("was-" + path.name).rename(path)
        self.backup()
        self.assert_whole()
        kept = (self.copy / "certificates" / certificate.name).read_bytes()
        was = certificate.rename(self.root / "was")
        certificate.symlink_to(was)
        self.assertEqual(self.backup(check=False)["damaged"], 1)
        self.assertEqual((self.copy / "certificates" / certificate.name).read_bytes(), kept)

    def test_a_folder_with_something_else_is_refused(self):
        self.copy.mkdir()
        (self.copy / "mine.txt").write_text("mine", encoding="utf-8")
        self.assertNotEqual(self.backup(check=False).returncode, 0)
        self.assertEqual([path.name for path in self.copy.iterdir()], ["mine.txt"])
        done = node.murpacs("backup", "--data-dir", self.data_dir, self.data_dir, check=False)
        self.assertIn("is the archive itself", done.stderr)

    def test_killed_at_any_moment_the_folder_never_answers_wrongly(self):
        self.backup()
        before = node.indexed_instances(self.copy)
        for delay in (0.01, 0.05, 0.1, 0.2):
            _, folder = self.make_objects(10)
            node.murpacs("import", "--dicom", "--set", "dicom.durability=process",
                         "--data-dir", self.data_dir, folder)
            process = subprocess.Popen([node.MURPACS, "backup", "--data-dir", str(self.data_dir),
                                        str(self.copy)], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            try:
                process.wait(delay)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            served = self.root / "served"
            shutil.copytree(self.copy, served)
            done = node.murpacs("verify", "--json", "--data-dir", served, check=False)
            kinds = {json.loads(line).get("kind") for line in done.stdout.splitlines()}
            self.assertLessEqual(kinds, {None, "stray"}, done.stdout + done.stderr)
            self.assertLessEqual(set(before), set(node.indexed_instances(served)))
            shutil.rmtree(served)
        self.backup()
        self.assert_whole()


if __name__ == "__main__":
    unittest.main()
