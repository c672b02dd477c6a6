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
    """A server of its own in a folder, with the node as a modality, and @others by AE title and
    port."""

    def __init__(self, root, port, node_port, others=None):
        self.port, self.http = port, node.free_port()
        configuration = root / "orthanc.json"
        configuration.write_text(json.dumps({
            "StorageDirectory": str(root / "orthanc"), "IndexDirectory": str(root / "orthanc"),
            "Plugins": [], "HttpPort": self.http, "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False, "DicomAet": "ORTHANC", "DicomPort": port,
            "DicomAlwaysAllowMove": True, "DicomAlwaysAllowFind": True, "DicomAlwaysAllowGet": True,
            "SyncStorageArea": False, "DicomThreadsCount": 2,
            "DicomModalities": {"murpacs": ["MURPACS", "127.0.0.1", node_port],
                                **{name.lower(): [name, "127.0.0.1", at]
                                   for name, at in (others or {}).items()}}}), encoding="utf-8")
        self.configure(configuration)
        with open(root / "orthanc.log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([PROGRAM, str(configuration)], stdout=log, stderr=log,
                                            env=node.ENVIRONMENT)
        node.wait_for_port(self.http)
        node.wait_for_port(port)

    def configure(self, path):
        """For those that need more than it has."""

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
        cls.client_port = node.free_port()
        cls.orthanc = Orthanc(cls.root, port, cls.node.port, {"CLIENT": cls.client_port})
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

    # -- our clients against it -------------------------------------------------------------------

    def client(self, command, *words, check=True):
        return node.murpacs(command, f"ORTHANC@127.0.0.1:{self.orthanc.port}", "-aet", "CLIENT",
                            *words, "--json", check=check)

    def files(self, study, count):
        folder = self.root / f"files{study}"
        folder.mkdir()
        for number, (instance, data_set) in enumerate(self.images(study, count).items()):
            (folder / f"{number}.dcm").write_bytes(dimse.part10(data_set, dimse.CT_IMAGE, instance))
        return folder

    def commit(self, *words, check=True):
        done = self.client("commit", "--port", self.client_port, "--bind", "127.0.0.1", *words,
                           check=check)
        *rows, last = [json.loads(line) for line in done.stdout.splitlines()]
        return {row["SOPInstanceUID"]: row["outcome"] for row in rows}, last["summary"], done

    def test_it_commits_to_what_we_stored(self):
        images, folder = self.images(4, 3), self.files(4, 3)
        self.client("store", folder)
        outcomes, summary, _ = self.commit(folder)
        self.assertEqual(outcomes, dict.fromkeys(images, "committed"))
        self.assertEqual(summary["reporter"], "ORTHANC")

    def test_it_does_not_commit_to_what_it_has_not(self):
        folder = self.files(5, 2)
        self.client("store", folder / "0.dcm")
        outcomes, summary, done = self.commit(folder, check=False)
        self.assertEqual(outcomes, {UID + "5.1.1": "committed", UID + "5.1.2": "failed"})
        self.assertEqual((done.returncode, summary["failed"]), (68, 1))

    def test_it_is_searched_and_emptied_by_our_clients(self):
        images, folder = self.images(6, 3), self.files(6, 3)
        self.client("store", folder, "-j", "2")
        found = [json.loads(line) for line in self.client(
            "find", "-L", "IMAGE", "-k", f"StudyInstanceUID={UID}6", "-k",
            f"SeriesInstanceUID={UID}6.1", "-r", "SOPInstanceUID").stdout.splitlines()]
        self.assertEqual({one["00080018"]["Value"][0] for one in found}, set(images))
        for command, options in (("get", ()), ("move", ("--port", self.client_port, "--bind",
                                                        "127.0.0.1"))):
            with self.subTest(command=command):
                into = self.root / command
                self.client(command, "-od", into, *options, "-k", f"StudyInstanceUID={UID}6")
                self.assertEqual({path.name: node.data_set_bytes(path) for path in into.iterdir()},
                                 {f"{uid}.dcm": bytes(data) for uid, data in images.items()})


if __name__ == "__main__":
    unittest.main()
