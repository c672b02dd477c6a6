#!/usr/bin/python3
"""Whoever is refused is told why, and so is the log: one line with the association, the calling AE title,
the address and the reason; rejections by source and reason (PS3.8 9.3.4); IPv6."""
import pathlib
import re
import socket
import struct
import tempfile
import time
import unittest

import dimse
import node

STUDY = "1.2.826.0.1.3680043.10.1507.1"
SERIES = STUDY + ".1"
INSTANCE = SERIES + ".1"
ERROR_COMMENT = 0x0902
SOON = 20


def level(name):
    return dimse.element(0x00080052, "CS", name)


class Case(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.node = node.Node(pathlib.Path(folder.name) / "archive", *cls.options)
        cls.addClassCleanup(cls.node.stop)

    def setUp(self):
        self.seen = len(self.node.log_text())

    def warnings(self, count=1):
        """The warnings since the test began, as soon as there are so many."""
        end = time.monotonic() + SOON
        while True:
            lines = [line for line in self.node.log_text()[self.seen:].splitlines()
                     if " WARN " in line]
            if len(lines) >= count or time.monotonic() > end:
                return lines
            time.sleep(0.02)

    def answer_to(self, request):
        """(result, source, reason) of the A-ASSOCIATE-RJ."""
        with socket.create_connection(("127.0.0.1", self.node.port), timeout=SOON) as connection:
            connection.sendall(request)
            answer = connection.recv(10, socket.MSG_WAITALL)
        self.assertEqual(answer[:6], b"\x03\0\0\0\0\x04")
        return tuple(answer[7:10])

    def one_line(self, *words):
        lines = self.warnings()
        self.assertEqual(len(lines), 1, lines)
        for word in words:
            self.assertIn(word, lines[0])
        return lines[0]


class OperationTest(Case):
    def refused(self, sop_class, field, data_set, status, reason, **more):
        with dimse.Association(self.node.port, [(sop_class, (dimse.EXPLICIT,))]) as association:
            association.request(sop_class, field, data_set, Priority=0, **more)
            command, _ = association.read_message()
        self.assertEqual(command[0x0900], status)
        comment = command[ERROR_COMMENT]
        self.assertTrue(0 < len(comment) <= 64 and comment.isascii(), comment)
        self.assertIn(reason, comment)
        line = self.one_line("TESTER at 127.0.0.1", f"{status:04X}", reason)
        self.assertRegex(line, r"\bA\d+\b")

    def test_a_store_of_another_instance_than_announced(self):
        self.refused(dimse.CT_IMAGE, dimse.C_STORE, dimse.image(STUDY, SERIES, INSTANCE), 0xA900,
                     "SOP Instance UID", AffectedSOPInstanceUID=INSTANCE + ".9")

    def test_a_store_without_study(self):
        image = dimse.image(STUDY, SERIES, INSTANCE).replace(
            dimse.element(0x0020000D, "UI", STUDY), b"")
        self.refused(dimse.CT_IMAGE, dimse.C_STORE, image, 0xA900, "Study Instance UID",
                     AffectedSOPInstanceUID=INSTANCE)

    def test_a_store_of_what_is_no_data_set(self):
        self.refused(dimse.CT_IMAGE, dimse.C_STORE, b"garbage, no more", 0xC000, "",
                     AffectedSOPInstanceUID=INSTANCE)

    def test_a_query_of_no_level(self):
        self.refused(dimse.STUDY_FIND, dimse.C_FIND, dimse.element(0x00100020, "LO", "M1"), 0xA900,
                     "Level")

    def test_a_query_of_an_unknown_level(self):
        self.refused(dimse.STUDY_FIND, dimse.C_FIND, level("MOUSE"), 0xA900, "MOUSE")

    def test_a_move_to_an_unknown_destination(self):
        sop_class = dimse.STUDY_MOVE
        with dimse.Association(self.node.port, [(sop_class, (dimse.EXPLICIT,))]) as association:
            command, _ = association.retrieve(
                sop_class, dimse.C_MOVE, level("STUDY") + dimse.element(0x0020000D, "UI", STUDY),
                MoveDestination="NOBODY")
        self.assertEqual(command[0x0900], 0xA801)
        self.assertIn("NOBODY", command[ERROR_COMMENT])
        lines = self.warnings(2)
        self.assertTrue(any("SINK at 127.0.0.1" in line for line in lines), lines)
        self.assertTrue(any("A801" in line and "TESTER at 127.0.0.1" in line for line in lines))

    def test_a_retrieval_without_the_key_of_its_level(self):
        self.refused(dimse.STUDY_GET, dimse.C_GET, level("STUDY"), 0xA900, "Study")

    def test_a_protocol_error_ends_the_association_with_a_line(self):
        association = dimse.Association(self.node.port)
        association.send(struct.pack(">BxI", 0x42, 4) + b"????")
        with self.assertRaises(dimse.Closed):
            association.read_message()
        association.close()
        self.assertRegex(self.one_line("TESTER at 127.0.0.1", "unknown type"), r"\bA\d+\b")


class RejectionTest(Case):
    options = ("--set", "dicom.artim_timeout_s=1", "--set", "dicom.check_called_ae_title=true")

    def test_rejections_have_their_source_and_reason(self):
        request = dimse.request_pdu([(dimse.VERIFICATION, (dimse.IMPLICIT,))])
        for changed, expected, words in (
                (request[:6] + b"\0\2" + request[8:], (1, 2, 2), "protocol"),
                (request.replace(b"1.2.840.10008.3.1.1.1", b"1.2.840.10008.3.1.1.9"), (1, 1, 2),
                 "TESTER proposes"),
                (request.replace(b"MURPACS ", b"ANOTHER "), (1, 1, 7), "ANOTHER")):
            with self.subTest(expected=expected):
                self.seen = len(self.node.log_text())
                self.assertEqual(self.answer_to(changed), expected)
                self.one_line("127.0.0.1", words)

    def test_a_connection_without_request_is_dropped_with_a_line(self):
        with socket.create_connection(("127.0.0.1", self.node.port), timeout=SOON) as connection:
            connection.sendall(b"\1\0\0")
            self.assertEqual(connection.recv(10), b"")
            port = connection.getsockname()[1]
        self.one_line(f"127.0.0.1 port {port}", "3 bytes", "ARTIM")


class LimitTest(Case):
    options = ("--set", "dicom.max_associations=2")

    def test_one_too_many_is_rejected_for_now(self):
        with dimse.Association(self.node.port), dimse.Association(self.node.port):
            request = dimse.request_pdu([(dimse.VERIFICATION, (dimse.IMPLICIT,))])
            self.assertEqual(self.answer_to(request), (2, 3, 2))
            self.assertRegex(self.one_line("TESTER at 127.0.0.1", "max_associations"), r"\bA\d+\b")


class AllAddressesTest(Case):
    options = ("--set", "dicom.bind=::")

    def test_both_families_are_served_and_a_host_is_known_by_its_ipv4_address(self):
        contexts = [(dimse.VERIFICATION, (dimse.IMPLICIT,)),
                    (dimse.STUDY_FIND, (dimse.EXPLICIT,))]
        # SINK may write, from 127.0.0.1; from elsewhere it is a stranger, who may read too
        for host, finds in (("127.0.0.1", False), ("::1", True)):
            with dimse.Association(self.node.port, contexts, calling="SINK",
                                   host=host) as association:
                self.assertEqual(association.echo(), 0)
                self.assertEqual(association.accepted(dimse.STUDY_FIND), finds)
        self.assertIn("SINK at ::1", self.node.log_text())
        self.assertIn("SINK at 127.0.0.1", self.node.log_text())


if __name__ == "__main__":
    unittest.main()
