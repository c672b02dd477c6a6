#!/usr/bin/python3
"""kill -9 at moments of chance: what was acknowledged is there, what was not is there whole or not
at all, and nothing lies about. Run with MURPACS_SEED=N for other moments."""
import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import threading
import time
import unittest

import dimse
import node

DATASET = pathlib.Path(os.environ["MURPACS_PHANTOM_DATA"])
SEED = int(os.environ.get("MURPACS_SEED", "2024"))
ROUNDS = 6
CLIENTS = 4
SERIES_OF_A_ROUND = 3
RESTART_SECONDS = 5 if not node.SANITIZED else 15
ROOT = "1.2.826.0.1.3680043.10.1501."
# Elements enough that the header gets a file of its own beside the object.
LARGE_HEADER = dimse.sequence(0x52009230, *(
    dimse.element(0x00204000, "LT", f"{number:0200}") for number in range(1500)))


class Sender(threading.Thread):
    """Stores made-up instances until the node is gone; knows what it was answered."""

    def __init__(self, port, number, client):
        super().__init__()
        self.port = port
        self.study = f"{ROOT}{number}"
        self.client = client
        self.random = random.Random(SEED * 1000 + number * 10 + client)
        self.sent = {}          # SOP Instance UID -> Data Set, from before it was sent
        self.acknowledged = []  # of these the ones that were answered 0000
        self.others = []        # statuses that were not

    def make(self, count):
        """All four clients share the studies and series, so that their rows are contended."""
        series = f"{self.study}.{count % SERIES_OF_A_ROUND + 1}"
        instance = f"{series}.{self.client}.{count}"
        size = self.random.choice((16, 64, 64, 256))
        return instance, dimse.image(self.study, series, instance, patient=f"M{self.study[-1]}",
                                     number=count, rows=size, columns=size,
                                     pixels=self.random.randbytes(2 * size * size),
                                     more=LARGE_HEADER if count % 6 == 0 else b"")

    def run(self):
        count = 0
        with contextlib.suppress(dimse.Closed, OSError), \
                dimse.Association(self.port, [(dimse.CT_IMAGE, (dimse.EXPLICIT,))]) as association:
            while True:
                count += 1
                instance, data_set = self.make(count)
                self.sent[instance] = data_set
                status = association.store(dimse.CT_IMAGE, instance, data_set)
                if status == 0:
                    self.acknowledged.append(instance)
                else:
                    self.others.append(status)


def listed_instances(port, study):
    """SOP Instance UIDs of a study by C-FIND, with repetitions if there were any."""
    found = []
    with dimse.Association(port, [(dimse.STUDY_FIND, (dimse.EXPLICIT,))]) as association:
        for number in range(1, SERIES_OF_A_ROUND + 1):
            identifier = b"".join((
                dimse.element(0x00080018, "UI", ""), dimse.element(0x00080052, "CS", "IMAGE"),
                dimse.element(0x0020000D, "UI", study),
                dimse.element(0x0020000E, "UI", f"{study}.{number}")))
            command, answers = association.retrieve(dimse.STUDY_FIND, dimse.C_FIND, identifier)
            assert command[0x0900] == 0, f"{command[0x0900]:04X}"
            found += [text_of(answer, 0x00080018) for answer in answers]
    return found


def text_of(data_set, tag):
    """Text of an element with a short length, as dimse.element() writes it."""
    at = data_set.index(dimse.element(tag, "UI", "")[:6])
    length = int.from_bytes(data_set[at + 6:at + 8], "little")
    return data_set[at + 8:at + 8 + length].decode("ascii").rstrip("\0 ")


class CrashTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        self.data_dir = self.root / "archive"

    def check_order(self):
        """Files, rows and manifest say the same; nothing unfinished lies about."""
        rows = node.indexed_instances(self.data_dir)
        files = node.stored_files(self.data_dir)
        self.assertEqual(len(rows), len(set(rows)))
        objects = {name.removesuffix(".dcm") for name in files if name.endswith(".dcm")}
        beside = {name.removesuffix(".json.zst") for name in files if name.endswith(".json.zst")}
        self.assertEqual(len(objects) + len(beside), len(files), files)
        self.assertEqual(len(objects), len(rows))
        self.assertEqual(beside - objects, set())
        self.assertEqual([name for name in files if ".incoming-" in name], [])
        self.assertEqual(node.manifest_instances(self.data_dir), rows)
        self.assertEqual([str(path) for folder in ("isa", "certificates")
                          for path in (self.data_dir / folder).rglob("*")
                          if path.name.startswith(".") or path.name.endswith(".new")], [])
        self.assertLessEqual({path.name for path in self.data_dir.iterdir()},
                             {"index.sqlite", "index.sqlite-wal", "index.sqlite-shm", "objects",
                              "isa", "certificates", "manifest.jsonl", "imports.jsonl", "lock",
                              "verify.json"})

    def store_and_kill(self, number, after, options):
        """One round: four clients store while a dataset is imported, then both are killed."""
        serving = node.Node(self.data_dir, *options)
        senders = [Sender(serving.port, number, client) for client in range(1, CLIENTS + 1)]
        importing = subprocess.Popen(
            [node.MURPACS, "import", "--quiet", "--data-dir", self.data_dir, *options, DATASET],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=node.ENVIRONMENT)
        for one in senders:
            one.start()
        time.sleep(after)
        if number % 3 != 0:
            importing.kill()
        serving.stop(signal.SIGKILL)
        for one in senders:
            one.join()
        importing.kill()
        importing.wait()
        return senders

    def check_study(self, serving, senders):
        """What four clients sent: each acknowledged instance once, each listed one whole."""
        sent, acknowledged = {}, set()
        for one in senders:
            sent.update(one.sent)
            acknowledged.update(one.acknowledged)
            self.assertEqual(one.others, [])
        study = senders[0].study
        listed = listed_instances(serving.port, study)
        self.assertEqual(len(listed), len(set(listed)))
        self.assertEqual(acknowledged - set(listed), set())
        self.assertEqual(set(listed) - set(sent), set())
        with tempfile.TemporaryDirectory() as folder:
            if listed:
                serving.get(folder, f"StudyInstanceUID={study}")
            got = {}
            for path in pathlib.Path(folder).iterdir():
                data_set = node.data_set_bytes(path)
                got[text_of(data_set, 0x00080018)] = data_set
        self.assertEqual(set(got), set(listed))
        for instance, data_set in got.items():
            self.assertEqual(data_set, sent[instance], instance)
        return len(acknowledged)

    def check_rounds(self, count, *options):
        """How many instances were acknowledged, and the slowest start, in seconds."""
        chance = random.Random(SEED)
        rounds, acknowledged, slowest = [], 0, 0.0
        for number in range(1, count + 1):
            rounds.append(self.store_and_kill(number, chance.uniform(0.1, 1.2), options))
            started = time.monotonic()
            serving = node.Node(self.data_dir, *options)
            slowest = max(slowest, time.monotonic() - started)
            self.assertLess(slowest, RESTART_SECONDS)
            try:
                self.check_order()
                acknowledged += self.check_study(serving, rounds[-1])
                for earlier in rounds[:-1]:
                    listed = listed_instances(serving.port, earlier[0].study)
                    self.assertEqual(len(listed), len(set(listed)))
                    for one in earlier:
                        self.assertEqual(set(one.acknowledged) - set(listed), set())
            finally:
                self.assertEqual(serving.stop(), 0)
        self.assertGreater(acknowledged, count * CLIENTS)
        self.assertTrue(list((self.data_dir / "objects").rglob("*.json.zst")))
        scans, _ = node.import_dataset(self.data_dir, DATASET)
        self.assertLessEqual({scan["status"] for scan in scans}, {"imported", "unchanged"})
        done = node.murpacs("verify", "--data-dir", self.data_dir, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return acknowledged, slowest

    def test_what_was_acknowledged_survives_kill_9_while_four_clients_store(self):
        self.check_rounds(ROUNDS)

    def test_without_syncs_it_survives_the_end_of_the_process_all_the_same(self):
        self.check_rounds(2, "--set", "dicom.durability=process")

    def test_an_import_that_was_killed_is_completed_by_the_next(self):
        whole = self.root / "whole"
        started = time.monotonic()
        node.import_dataset(whole, DATASET)
        duration = time.monotonic() - started
        wanted = node.tree_digest(whole / "objects")
        chance = random.Random(SEED + 1)
        for _ in range(3):
            importing = subprocess.Popen(
                [node.MURPACS, "import", "--quiet", "--data-dir", self.data_dir, DATASET],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=node.ENVIRONMENT)
            time.sleep(chance.uniform(0.1, 0.9) * duration)
            importing.kill()
            importing.wait()
            if not (self.data_dir / "index.sqlite").exists():
                continue  # before anything was made
            with node.serving(self.data_dir) as serving:
                self.check_order()
                for study in serving.find("StudyInstanceUID", "NumberOfStudyRelatedInstances"):
                    self.assertGreater(int(study.NumberOfStudyRelatedInstances), 0)
                self.assertEqual(node.tree_digest(self.data_dir / "objects").items() -
                                 {**wanted, **self.owner()}.items(), set())
        scans, _ = node.import_dataset(self.data_dir, DATASET)
        self.assertLessEqual({scan["status"] for scan in scans}, {"imported", "unchanged"})
        self.check_order()
        self.assertEqual(node.tree_digest(self.data_dir / "objects"), wanted)
        scans, _ = node.import_dataset(self.data_dir, DATASET)
        self.assertEqual({scan["status"] for scan in scans}, {"unchanged"})

    def owner(self):
        """The lock of a living process's incoming folder, as tree_digest() has it."""
        return {name: digest for name, digest in node.tree_digest(self.data_dir / "objects").items()
                if pathlib.PurePath(name).match(".incoming-*/owner")}

    def test_what_was_half_written_beside_the_objects_is_swept(self):
        node.import_dataset(self.data_dir, DATASET)
        wanted = {name: node.tree_digest(self.data_dir / name) for name in ("isa", "certificates")}
        version, = (self.data_dir / "isa").glob("*/1")
        for name in ("certificates/.1.2.json.AbCd09", ".verify.json.AbCd09",
                     f"isa/{version.parent.name}/2.new/a/.a_study.txt.AbCd09",
                     f"isa/{version.parent.name}/1.open",  # was committed, and this one was not:
                     f"isa/{version.parent.name}/2.open", f"isa/{version.parent.name}/2/i_x.txt"):
            path = self.data_dir / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("half", encoding="utf-8")
        with node.serving(self.data_dir):
            self.check_order()
        self.assertEqual({name: node.tree_digest(self.data_dir / name) for name in wanted}, wanted)

    def test_an_import_killed_beside_a_serving_node_leaves_nothing_that_it_serves(self):
        with node.serving(self.data_dir) as serving:
            importing = subprocess.Popen(
                [node.MURPACS, "import", "--json", "--data-dir", self.data_dir, DATASET],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=node.ENVIRONMENT)
            line = importing.stdout.readline()  # one scan is in
            importing.kill()
            importing.wait()
            importing.stdout.close()
            uid = json.loads(line)["SeriesInstanceUID"]
            found = serving.find(f"SeriesInstanceUID={uid}", "NumberOfSeriesRelatedInstances",
                                 level="SERIES")
            self.assertEqual(len(found), 1)
            self.assertEqual(int(found[0].NumberOfSeriesRelatedInstances),
                             sum(one["instances"] for one in json.loads(line)["images"]))
            scans, _ = node.import_dataset(self.data_dir, DATASET)
            self.assertLessEqual({scan["status"] for scan in scans}, {"imported", "unchanged"})
        self.check_order()


if __name__ == "__main__":
    unittest.main()
