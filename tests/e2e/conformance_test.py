#!/usr/bin/python3
"""docs/conformance-statement.md: its tables are the program's, and a node does what it says."""
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import unittest

import dimse
import node
from dimse import element

STATEMENT = (node.SOURCE / "docs/conformance-statement.md").read_text(encoding="utf-8")
REFRESH = node.SOURCE / "scripts/refresh_conformance.py"
STUDY, SERIES, INSTANCE = "1.2.3", "1.2.3.4", "1.2.3.4.5"
CREATOR = "MURPACS ISA 1.0"
PATIENT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"
PATIENT_STUDY_FIND = "1.2.840.10008.5.1.4.1.2.3.1"
PATIENT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2"
NOT_OFFERED = ("1.2.840.10008.1.20.2", "1.2.840.10008.5.1.4.31", "1.2.840.10008.3.1.2.3.3",
               "1.2.840.10008.5.1.4.34.6.1", "1.2.840.10008.5.1.4.33",
               "1.2.840.10008.5.1.4.1.2.4.2", "1.2.840.10008.5.1.4.1.2.5.3")
# A value of each VR that no object here has.
NONSENSE = {"AS": "999Y", "DA": "19000101", "TM": "000001", "DT": "19000101", "UI": "1.9.9",
            "IS": "99999", "DS": "99999.5", "US": struct.pack("<H", 54321),
            "FD": struct.pack("<d", 54321.0)}


def table(name):
    """Cells of the rows of a table, without its heading; entries that share a line one by one."""
    body = re.search(rf"<!-- begin {name} -->\n(.*?)<!-- end {name} -->", STATEMENT, re.S)[1]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            for line in body.splitlines()]
    heading, rows = rows[0], rows[2:]
    half = len(heading) // 2
    if len(heading) % 2 == 0 and heading[:half] == heading[half:]:
        rows = [part for row in rows for part in (row[:half], row[half:]) if part[0]]
    return rows


class TablesTest(unittest.TestCase):
    def test_tables_are_those_of_the_program(self):
        done = subprocess.run([sys.executable, REFRESH, node.MURPACS, "--check"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_private_elements_are_those_of_the_data_dictionary(self):
        dictionary = (node.SOURCE / "etc/murpacs.dic").read_text(encoding="utf-8")
        for creator, name in (("MURPACS ISA 1.0", "private-isa"),
                              ("MURPACS NIFTI 1.0", "private-nifti")):
            lines = re.findall(rf'^\(0099,"{creator}",(..)\)\t(..)\t(\S+)\t(\S+)\t', dictionary,
                               re.M)
            self.assertEqual([(f"(0099,xx{number})", keyword, vr, multiplicity)
                              for number, vr, keyword, multiplicity in lines],
                             [tuple(row[:4]) for row in table(name)])

    def test_links_lead_somewhere(self):
        for target in re.findall(r"\]\((\.\./[^)]+)\)", STATEMENT):
            self.assertTrue((node.SOURCE / "docs" / target).exists(), target)


class NodeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.node = node.Node(pathlib.Path(folder.name) / "archive")
        cls.addClassCleanup(cls.node.stop)
        with dimse.Association(cls.node.port, [(dimse.CT_IMAGE, (dimse.EXPLICIT,))]) as peer:
            assert peer.store(dimse.CT_IMAGE, INSTANCE, dimse.image(STUDY, SERIES, INSTANCE)) == 0

    def associate(self, *abstract):
        return dimse.Association(self.node.port, [(one, (dimse.EXPLICIT,)) for one in abstract])

    def results(self, contexts):
        with dimse.Association(self.node.port, contexts) as peer:
            return {result for result, _ in peer.results.values()}

    def find(self, peer, model, level, *keys):
        """(statuses of all responses, number of answers); keys in the order of their tags."""
        peer.request(model, dimse.C_FIND, b"".join(sorted(
            [element(0x00080052, "CS", level), *keys],
            key=lambda key: struct.unpack_from("<HH", key))), Priority=0)
        statuses = []
        while not statuses or statuses[-1] in (0xFF00, 0xFF01):
            statuses.append(peer.read_message()[0][0x0900])
        return statuses, len(statuses) - 1

    # -- negotiation

    def test_sop_classes_of_the_tables_are_accepted(self):
        classes = [row[1] for row in table("storage-classes") + table("storage-classes-retired")]
        self.assertGreater(len(classes), 100)
        models = re.findall(r"1\.2\.840\.10008\.5\.1\.4\.1\.2\.\d\.(?=1, )", STATEMENT)
        self.assertEqual(len(models), 3)
        classes += [model + number for model in models for number in "123"]
        classes += [dimse.VERIFICATION, "1.2.840.10008.1.20.1"]
        for at in range(0, len(classes), 128):
            contexts = [(one, (dimse.IMPLICIT,)) for one in classes[at:at + 128]]
            self.assertEqual(self.results(contexts), {0})

    def test_what_is_not_offered_is_refused(self):
        self.assertEqual(self.results([(one, (dimse.IMPLICIT,)) for one in NOT_OFFERED]), {3})

    def test_transfer_syntaxes_of_the_table_are_accepted(self):
        syntaxes = [row[1] for row in table("transfer-syntaxes")]
        self.assertEqual(self.results([(dimse.CT_IMAGE, (one,)) for one in syntaxes]), {0})
        self.assertEqual(self.results([(dimse.CT_IMAGE, ("1.2.840.10008.1.2.7.1",))]), {4})

    # -- keys

    def test_each_key_is_matched_or_only_returned_as_its_table_says(self):
        with self.associate(PATIENT_FIND) as peer:
            for level in ("PATIENT", "STUDY", "SERIES", "IMAGE"):
                for name, tag, vr, kind in table(f"keys-{level.lower()}"):
                    if vr == "SQ":
                        continue
                    number = int(tag.replace(",", ""), 16)
                    key = element(number, vr, NONSENSE.get(vr, "NONSENSE"))
                    expected = [0xFF01, 0] if kind == "-" else [0]
                    with self.subTest(name):
                        self.assertEqual(self.find(peer, PATIENT_FIND, level, key)[0], expected)
                        empty = self.find(peer, PATIENT_FIND, level, element(number, vr, ""))
                        self.assertEqual(empty[0], [0xFF00, 0])

    def test_private_keys_need_their_creator_and_a_block(self):
        def asked(block, creator, value):
            return self.find(peer, dimse.STUDY_FIND, "STUDY",
                             element(0x00990000 | block, "LO", creator),
                             element(0x00990001 | block << 8, "UC", value))[0]

        with self.associate(dimse.STUDY_FIND) as peer:
            for block in (0x10, 0x2F, 0xFF):
                self.assertEqual(asked(block, CREATOR, ""), [0xFF00, 0])
                self.assertEqual(asked(block, CREATOR, "nonsense"), [0])
            self.assertEqual(asked(0x10, "SOMEBODY", "nonsense"), [0xFF01, 0])
            self.assertEqual(asked(0x10, "MURPACS NIFTI 1.0", "nonsense"), [0xFF01, 0])

    # -- status codes

    def test_identifiers(self):
        day = element(0x00080020, "DA", "2024")
        number = element(0x00200013, "IS", "1")
        models = (PATIENT_FIND, dimse.STUDY_FIND, PATIENT_STUDY_FIND)
        with self.associate(*models) as peer:
            for model, level, key, expected in (
                    (dimse.STUDY_FIND, "PATIENT", b"", [0xA900]),
                    (PATIENT_STUDY_FIND, "SERIES", b"", [0xA900]),
                    (PATIENT_STUDY_FIND, "PATIENT", b"", [0xFF00, 0]),
                    (PATIENT_FIND, "FRAME", b"", [0xA900]),
                    (PATIENT_FIND, "STUDY", day, [0xA900]),
                    (PATIENT_FIND, "IMAGE", number, [0xFF00, 0]),   # relational
                    (PATIENT_FIND, "STUDY", number, [0xFF01, 0])):  # of a lower level
                with self.subTest(model=model, level=level):
                    keys = [key] if key else []
                    self.assertEqual(self.find(peer, model, level, *keys)[0], expected)
            peer.request(PATIENT_FIND, dimse.C_FIND, b"\x08\x00\x52\x00CS\xff", Priority=0)
            self.assertEqual(peer.read_message()[0][0x0900], 0xC000)

    def test_values_that_are_not_known_do_not_match(self):
        with self.associate(dimse.STUDY_FIND) as peer:
            for value, expected in (("*", 1), ("?*", 0), ("X", 0)):
                key = element(0x00080050, "SH", value)
                self.assertEqual(self.find(peer, dimse.STUDY_FIND, "STUDY", key)[1], expected)

    def test_retrievals(self):
        def status(model, field, level, *keys, **more):
            identifier = element(0x00080052, "CS", level) + b"".join(keys)
            return peer.retrieve(model, field, identifier, **more)[0][0x0900]

        one = element(0x0020000D, "UI", STUDY)
        sink = {"MoveDestination": "SINK"}
        with self.associate(dimse.STUDY_MOVE, PATIENT_MOVE, dimse.STUDY_GET) as peer:
            move = (dimse.STUDY_MOVE, dimse.C_MOVE)
            self.assertEqual(status(*move, "STUDY", **sink), 0xA900)
            self.assertEqual(status(*move, "SERIES", one, **sink), 0xA900)
            self.assertEqual(status(PATIENT_MOVE, dimse.C_MOVE, "PATIENT",
                                    element(0x00100020, "LO", "*"), **sink), 0xA900)
            self.assertEqual(status(*move, "STUDY", one, MoveDestination="NOBODY"), 0xA801)
            self.assertEqual(status(*move, "STUDY", one, **sink), 0xA702)  # nobody listens there
            self.assertEqual(status(*move, "STUDY", element(0x0020000D, "UI", "1.9"), **sink), 0)
            self.assertEqual(status(*move, "SERIES", element(0x0020000E, "UI", "1.9"), **sink), 0)
            self.assertEqual(status(dimse.STUDY_GET, dimse.C_GET, "STUDY", one), 0xA702)

    def test_stores(self):
        image = dimse.image(STUDY, SERIES, INSTANCE)
        other = dimse.image(STUDY, SERIES, INSTANCE, patient="P2")
        with self.associate(dimse.CT_IMAGE) as peer:
            for data_set, instance, expected in (
                    (image, INSTANCE, 0), (other, INSTANCE, 0x0111), (image, "1.2.3.4.6", 0xA900),
                    (image, "no UID", 0xA900), (image[:-3], INSTANCE, 0xC000),
                    (image.replace(element(0x0020000D, "UI", STUDY), b""), INSTANCE, 0xA900)):
                self.assertEqual(peer.store(dimse.CT_IMAGE, instance, data_set), expected)
            peer.request(dimse.CT_IMAGE, dimse.C_FIND, element(0x00080052, "CS", "STUDY"))
            self.assertEqual(peer.read_message()[0][0x0900], 0x0211)


if __name__ == "__main__":
    unittest.main()
