#!/usr/bin/python3
"""What is agreed on before a word of DIMSE is spoken: extended negotiation (PS3.4 C.5.1.1, C.5.2.1)."""
import pathlib
import socket
import struct
import tempfile
import unittest

import dimse
import node

UID = "1.2.826.0.1.3680043.10.1503."
STUDIES = (("20240229", "235900"), ("20240301", "000100"), ("20240301", "120000"))


class ExtendedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.node = node.Node(pathlib.Path(cls.folder.name) / "archive")
        cls.addClassCleanup(cls.node.stop)
        contexts = [(dimse.CT_IMAGE, (dimse.EXPLICIT,))]
        with dimse.Association(cls.node.port, contexts) as association:
            for number, (date, time) in enumerate(STUDIES):
                image = dimse.image(f"{UID}{number}", f"{UID}{number}.1", f"{UID}{number}.1.1")
                image = image.replace(dimse.element(0x00080020, "DA", "20240229"),
                                      dimse.element(0x00080020, "DA", date))
                image = image.replace(dimse.element(0x00080030, "TM", "101500"),
                                      dimse.element(0x00080030, "TM", time))
                association.store(dimse.CT_IMAGE, f"{UID}{number}.1.1", image)

    def answered(self, model, information):
        with dimse.Association(self.node.port, [(model, (dimse.EXPLICIT,))],
                               extended=[(model, information)]) as association:
            return association.extended.get(model)

    def test_what_is_supported_is_granted_and_the_rest_is_not(self):
        for model, asked, granted in (
                (dimse.STUDY_FIND, b"\1", b"\1"), (dimse.STUDY_FIND, b"\1\1\1\1\1", b"\1\1\0\0\0"),
                (dimse.STUDY_FIND, b"\0\0\1", b"\0\0\0"), (dimse.STUDY_MOVE, b"\1\1", b"\1\0"),
                (dimse.STUDY_GET, b"\1\1", b"\1\0")):
            with self.subTest(model=model, asked=asked):
                self.assertEqual(self.answered(model, asked), granted)
        with dimse.Association(self.node.port, [(dimse.STUDY_FIND, (dimse.EXPLICIT,))]) as plain:
            self.assertEqual(plain.extended, {})

    def test_user_identity_is_passed_over(self):
        user = b"somebody"
        for kind, response, secret in ((1, 0, b""), (2, 1, b"Swordfish"), (3, 1, b""), (4, 1, b""),
                                       (5, 1, b"")):
            identity = (struct.pack(">BBH", kind, response, len(user)) + user
                        + struct.pack(">H", len(secret)) + secret)
            with self.subTest(kind=kind), \
                    socket.create_connection(("127.0.0.1", self.node.port), timeout=20) as one:
                one.sendall(dimse.request_pdu(((dimse.VERIFICATION, (dimse.IMPLICIT,)),),
                                              identity=identity))
                answer = one.recv(65536)
                self.assertEqual(answer[0], 2)  # A-ASSOCIATE-AC
                self.assertNotIn(b"\x59\0", answer[74:])  # and no word of it
        for text in (user.decode(), "Swordfish"):
            self.assertNotIn(text, self.node.log_text())

    def test_no_pdu_is_longer_than_the_peer_takes_and_0_is_no_limit(self):
        for max_pdu, one_each in ((128, False), (1000, True), (0, True)):
            with self.subTest(max_pdu=max_pdu), dimse.Association(
                    self.node.port, [(dimse.STUDY_FIND, (dimse.EXPLICIT,))],
                    max_pdu=max_pdu) as association:
                association.request(dimse.STUDY_FIND, dimse.C_FIND, b"".join(
                    dimse.element(tag, vr, "") for tag, vr in (
                        (0x00080020, "DA"), (0x00080030, "TM"), (0x00080050, "SH"))) +
                    dimse.element(0x00080052, "CS", "STUDY") + b"".join(
                        dimse.element(tag, vr, "") for tag, vr in (
                            (0x00100010, "PN"), (0x00100020, "LO"), (0x0020000D, "UI"))),
                    Priority=0)
                pdus, lengths, data_sets = 0, [], 0
                while data_sets < len(STUDIES):
                    kind, body = association.read_pdu()
                    self.assertEqual(kind, 4)
                    pdus += 1
                    lengths.append(len(body))
                    data_sets += body[5] == 2  # the last piece of a Data Set
                self.assertLessEqual(max(lengths), max_pdu or 131072)
                self.assertEqual(pdus == 2 * len(STUDIES), one_each)
                association.read_pdu()  # Success

    def found(self, information):
        identifier = (dimse.element(0x00080020, "DA", "20240229-20240301")
                      + dimse.element(0x00080030, "TM", "235000-001000")
                      + dimse.element(0x00080052, "CS", "STUDY")
                      + dimse.element(0x0020000D, "UI", ""))
        with dimse.Association(self.node.port, [(dimse.STUDY_FIND, (dimse.EXPLICIT,))],
                               extended=[(dimse.STUDY_FIND, information)]) as association:
            return len(association.retrieve(dimse.STUDY_FIND, dimse.C_FIND, identifier)[1])

    def test_date_and_time_are_one_range_only_where_that_was_negotiated(self):
        self.assertEqual(self.found(b"\1\0"), 0)  # no time is after 23:50 and before 00:10
        self.assertEqual(self.found(b"\1\1"), 2)


if __name__ == "__main__":
    unittest.main()
