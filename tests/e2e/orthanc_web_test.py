#!/usr/bin/python3
"""Orthanc's DICOMweb plugin as our client: it stores here, searches here and gets what is here. Skipped where
the plugin is not installed (package orthanc-dicomweb)."""
import glob
import json
import pathlib
import tempfile
import unittest

import dimse
import node
import orthanc_test

UID = "1.2.826.0.1.3680043.10.1509."
PLUGINS = sorted(glob.glob("/usr/lib/orthanc/libOrthancDicomWeb.so*") +
                 glob.glob("/usr/share/orthanc/plugins/libOrthancDicomWeb.so*"))


class Orthanc(orthanc_test.Orthanc):
    def __init__(self, root, web_port, user):
        self.web = {"Plugins": PLUGINS[-1:], "DicomWeb": {"Enable": True, "Servers": {"murpacs": {
            "Url": f"http://127.0.0.1:{web_port}/dicom-web/", "Username": user[0],
            "Password": user[1], "HasDelete": False}}}}
        super().__init__(root, node.free_port(), node.free_port())

    def configure(self, path):
        made = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**made, **self.web}), encoding="utf-8")


@unittest.skipUnless(orthanc_test.PROGRAM and PLUGINS, "Orthanc's DICOMweb plugin is not installed")
class OrthancWebTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        root = pathlib.Path(folder.name)
        users = root / "users"
        node.run("sh", "-c", f"printf 'secret: ä' | {node.MURPACS} user add orthanc --role rw --file {users}")
        web_port = node.free_port()
        cls.node = node.Node(root / "archive", "--set", "web.enabled=true", "--set",
                             f"web.port={web_port}", "--set", f"web.users_file={users}")
        cls.addClassCleanup(cls.node.stop)
        cls.orthanc = Orthanc(root, web_port, ("orthanc", "secret: ä"))
        cls.addClassCleanup(cls.orthanc.stop)

    def images(self, study, count):
        """{SOP Instance UID: Data Set}"""
        return {f"{UID}{study}.1.{number}": dimse.image(
            f"{UID}{study}", f"{UID}{study}.1", f"{UID}{study}.1.{number}", number=number, rows=16,
            columns=16, pixels=bytes([number]) * 512) for number in range(1, count + 1)}

    def ask(self, what, **body):
        return self.orthanc.ask(f"/dicom-web/servers/murpacs/{what}", body)

    def test_it_stores_here(self):
        images = self.images(1, 20)
        made = [self.orthanc.ask("/instances", dimse.part10(data_set, dimse.CT_IMAGE, uid))["ID"]
                for uid, data_set in images.items()]
        done = self.ask("stow", Resources=made, Synchronous=True)
        self.assertEqual(str(done.get("InstancesCount", 20)), "20")
        self.assertEqual(sorted(uid for uid in node.indexed_instances(self.node.data_dir)
                                if uid in images), sorted(images))

    def test_it_searches_and_gets_what_is_here(self):
        images = self.images(2, 5)
        with dimse.Association(self.node.port, [(dimse.CT_IMAGE, (dimse.EXPLICIT,))]) as association:
            for uid, data_set in images.items():
                association.store(dimse.CT_IMAGE, uid, data_set)
        for uri, arguments, count in (("/studies", {"StudyInstanceUID": UID + "2"}, 1),
                                      ("/studies", {"PatientID": "no such mouse"}, 0),
                                      (f"/studies/{UID}2/series", {}, 1),
                                      (f"/studies/{UID}2/series/{UID}2.1/instances", {}, 5)):
            found = self.ask("qido", Uri=uri, Arguments=arguments)
            self.assertEqual(len(found), count, uri)
        got = self.ask("retrieve", Resources=[{"Study": UID + "2"}], Synchronous=True)
        self.assertEqual(str(got.get("ReceivedInstancesCount", 5)), "5")
        stored = self.orthanc.ask("/tools/find", {"Level": "Instance", "Expand": True, "Query": {
            "StudyInstanceUID": UID + "2"}})
        self.assertEqual(sorted(one["MainDicomTags"]["SOPInstanceUID"] for one in stored), sorted(images))


if __name__ == "__main__":
    unittest.main()
