#!/usr/bin/python3
"""dcmjs-dimse as SCU: a DIMSE implementation of its own, in JavaScript. Skipped where npm is not installed
or cannot fetch it."""
import json
import pathlib
import subprocess
import tempfile
import unittest

import dimse
import node

UID = "1.2.826.0.1.3680043.10.1507."


class DcmjsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.program = node.npm_modules() / "scu.js"
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.root = pathlib.Path(cls.folder.name)
        cls.own_port = node.free_port()
        cls.node = node.Node(cls.root / "archive", peers=(
            f'{{ ae_title = "DCMJS"; host = "127.0.0.1"; port = {cls.own_port}; rights = "rw"; }}'))
        cls.addClassCleanup(cls.node.stop)
        files = []
        cls.instances = [f"{UID}1.1.{number}" for number in (1, 2, 3)]
        for number, instance in enumerate(cls.instances, 1):
            files.append(cls.root / f"{number}.dcm")
            files[-1].write_bytes(dimse.part10(dimse.image(
                UID + "1", UID + "1.1", instance, number=number, rows=16, columns=16,
                pixels=bytes(512)), dimse.CT_IMAGE, instance))
        cls.stored = cls.ask("store", *files)

    @classmethod
    def ask(cls, *words):
        done = node.run("node", cls.program, cls.node.port, *words, timeout=60)
        return json.loads(done.stdout.splitlines()[-1])

    def test_it_is_echoed(self):
        self.assertEqual(self.ask("echo")["statuses"], [0])

    def test_it_stores(self):
        self.assertEqual(self.stored["statuses"], [0, 0, 0])
        self.assertEqual(node.indexed_instances(self.node.data_dir), self.instances)

    def test_it_finds(self):
        found = self.ask("find", UID + "1")
        self.assertEqual(found["statuses"][-1], 0)
        self.assertEqual([answer["StudyInstanceUID"] for answer in found["answers"]], [UID + "1"])
        self.assertEqual(str(found["answers"][0]["NumberOfStudyRelatedInstances"]), "3")

    def test_it_gets(self):
        got = self.ask("get", UID + "1")
        self.assertEqual(sorted(got["received"]), self.instances)
        self.assertEqual((got["statuses"][-1], got["completed"], got["failed"]), (0, 3, 0))

    def test_it_has_a_study_moved_to_storescp(self):
        folder = self.root / "moved"
        folder.mkdir()
        sink = subprocess.Popen(["storescp", "+B", "-aet", "SINK", "-od", str(folder),
                                 str(self.node.sink_port)], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, env=node.ENVIRONMENT)
        try:
            node.wait_for_port(self.node.sink_port)
            moved = self.ask("move", UID + "1", "SINK")
        finally:
            sink.terminate()
            sink.wait()
        self.assertEqual((moved["statuses"][-1], moved["completed"], moved["failed"]), (0, 3, 0))
        self.assertEqual(len(list(folder.iterdir())), 3)

    def test_it_is_told_what_is_kept_and_what_is_not(self):
        told = self.ask("commit", self.own_port, *(f"{dimse.CT_IMAGE}={instance}"
                                                   for instance in self.instances))
        self.assertEqual((told["statuses"], told["event"], told["reporter"]), ([0], 1, "MURPACS"))
        self.assertEqual(told["report"]["TransactionUID"], told["transaction"])
        self.assertEqual([item["ReferencedSOPInstanceUID"] for item in
                          told["report"]["ReferencedSOPSequence"]], self.instances)
        told = self.ask("commit", self.own_port, f"{dimse.CT_IMAGE}={UID}404")
        self.assertEqual(told["event"], 2)
        failed, = told["report"]["FailedSOPSequence"]
        self.assertEqual((failed["ReferencedSOPInstanceUID"], failed["FailureReason"]),
                         (UID + "404", 0x0112))


if __name__ == "__main__":
    unittest.main()
