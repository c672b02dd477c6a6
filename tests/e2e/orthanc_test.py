#!/usr/bin/python3
"""With a second implementation at the other end: Orthanc stores here and asks whether it is kept, queries
here and has it moved to itself, and moves from itself to here. Skipped where Orthanc is not installed."""
import contextlib
import json
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import dimse
import node

UID = "1.2.826.0.1.3680043.10.1506."
PROGRAM = shutil.which("Orthanc")


class Orthanc:
    """A server of its own in a folder, with the node as a modality."""

    def __init__(self, root, port, node_port):
        self.port, self.http = port, node.free_port()
        configuration = root / "orthanc.json"
        configuration.write_text(json.dumps({
            "StorageDirectory": str(root / "orthanc"), "IndexDirectory": str(root / "orthanc"),
            "Plugins": [], "HttpPort": self.http, "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False, "DicomAet": "ORTHANC", "DicomPort": port,
            "DicomAlwaysAllowMove": True, "DicomAlwaysAllowFind": True, "DicomAlwaysAllowGet": True,
            "SyncStorageArea": False, "DicomThreadsCount": 2,
            "DicomModalities": {"murpacs": ["MURPACS", "127.0.0.1", node_port]}}), encoding="utf-8")
        with open(root / "orthanc.log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([PROGRAM, str(configuration)], stdout=log, stderr=log,
                                            env=node.ENVIRONMENT)
        node.wait_for_port(self.http)
        node.wait_for_port(port)

    def ask(self, path, body=None):
        """GET, or POST of bytes or of what becomes JSON; the answer as JSON."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", data=body)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)


@unittest.skipUnless(PROGRAM, "Orthanc is not installed")
class OrthancTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.root = pathlib.Path(cls.folder.name)
        port = node.free_port()
        cls.node = node.Node(cls.root / "archive", peers=(
            f'{{ ae_title = "ORTHANC"; host = "127.0.0.1"; port = {port}; rights = "rw"; }}'))
        cls.addClassCleanup(cls.node.stop)
        cls.orthanc = Orthanc(cls.root, port, cls.node.port)
        cls.addClassCleanup(cls.orthanc.stop)

    def images(self, study, count):
        return {f"{UID}{study}.1.{number}": dimse.image(
            f"{UID}{study}", f"{UID}{study}.1", f"{UID}{study}.1.{number}", number=number, rows=16,
            columns=16, pixels=bytes([number]) * 512) for number in range(1, count + 1)}

    def fill_orthanc(self, study, count):
        images = self.images(study, count)
        return images, [self.orthanc.ask("/instances", dimse.part10(
            data_set, dimse.CT_IMAGE, instance))["ID"] for instance, data_set in images.items()]

    def indexed(self, study):
        return [uid for uid in node.indexed_instances(self.node.data_dir)
                if uid.startswith(f"{UID}{study}.")]

    def commitment(self, transaction):
        """Its report, once it has come."""
        for _ in range(200):
            with contextlib.suppress(urllib.error.HTTPError):
                report = self.orthanc.ask(f"/storage-commitment/{transaction}")
                if report["Status"] != "Pending":
                    return report
            time.sleep(0.05)
        raise AssertionError("no report came: " + self.node.log_text())

    def test_it_stores_here_and_is_told_that_all_is_kept(self):
        images, stored = self.fill_orthanc(1, 3)
        answer = self.orthanc.ask("/modalities/murpacs/store", {"Resources": stored,
                                                                 "StorageCommitment": True})
        self.assertEqual(answer["InstancesCount"], 3)
        self.assertEqual(self.indexed(1), sorted(images))
        report = self.commitment(answer["StorageCommitmentTransactionUID"])
        self.assertEqual(report["Status"], "Success", report)
        self.assertEqual({item["SOPInstanceUID"] for item in report["Success"]}, set(images))

    def test_it_is_told_what_is_not_kept(self):
        answer = self.orthanc.ask("/modalities/murpacs/storage-commitment", {
            "DicomInstances": [[dimse.CT_IMAGE, UID + "404"]]})
        report = self.commitment(answer["ID"])
        self.assertEqual(report["Status"], "Failure", report)
        self.assertEqual([item["SOPInstanceUID"] for item in report["Failures"]], [UID + "404"])

    def test_it_queries_and_has_a_study_moved_to_itself(self):
        images = self.images(2, 3)
        with dimse.Association(self.node.port, [(dimse.CT_IMAGE, (dimse.EXPLICIT,))]) as association:
            for instance, data_set in images.items():
                self.assertEqual(association.store(dimse.CT_IMAGE, instance, data_set), 0)
        query = self.orthanc.ask("/modalities/murpacs/query", {
            "Level": "Study", "Query": {"StudyInstanceUID": UID + "2"}})["ID"]
        self.assertEqual(self.orthanc.ask(f"/queries/{query}/answers"), ["0"])
        self.orthanc.ask(f"/queries/{query}/retrieve", {"TargetAet": "ORTHANC", "Synchronous": True})
        found = self.orthanc.ask("/tools/find", {"Level": "Instance", "Expand": True, "Query": {
            "StudyInstanceUID": UID + "2"}})
        self.assertEqual({item["MainDicomTags"]["SOPInstanceUID"] for item in found}, set(images))

    def test_it_moves_a_study_here(self):
        images, _ = self.fill_orthanc(3, 3)
        node.run("movescu", "-S", "-aec", "ORTHANC", "-aem", "MURPACS", "-k",
                 "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={UID}3", "127.0.0.1",
                 self.orthanc.port)
        self.assertEqual(self.indexed(3), sorted(images))


if __name__ == "__main__":
    unittest.main()
