#!/usr/bin/python3
"""Odd but real objects go in by C-STORE and out by C-MOVE, byte for byte."""
import pathlib
import struct
import tempfile
import unittest

import dimse
import node
import receiver

UID = "1.2.826.0.1.3680043.10.1505."
HTJ2K_LOSSLESS, JPEG_2000, OF_THE_FUTURE = (
    "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.399")
DELIMITER = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def undefined(tag, vr, *items):
    """A sequence of undefined length with items of undefined length."""
    content = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + item + DELIMITER
                       for item in items)
    return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr, 0, 0xFFFFFFFF) + content + END


def implicit(tag, value):
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


def odd_object(instance):
    """Private sequences in one another, UN of defined and undefined length (which is Implicit VR
    inside, PS3.5 6.2.2), text padded with what is not its padding, odd fragments, bytes after the end."""
    private = (dimse.element(0x00290010, "LO", "A MAKER'S OWN")
               + undefined(0x00291001, b"SQ", dimse.element(0x00290010, "LO", "A MAKER'S OWN")
                           + undefined(0x00291002, b"SQ", dimse.element(0x00291003, "LO", "deep")),
                           b"")
               + dimse.element(0x00291004, "UN", bytes(range(256)))
               + undefined(0x00291005, b"UN", implicit(0x00291006, b"four"))
               + dimse.element(0x00291007, "OB", b"\0" * 10))
    image = dimse.image(UID + "1", UID + "2", instance, rows=4, columns=4, more=private)
    image = image.replace(dimse.element(0x00100010, "PN", "Test^Mouse"),
                          dimse.element(0x00100010, "PN", b"Test^Mouse\0\0"))
    image = image.replace(dimse.element(0x00100020, "LO", "P1"),
                          dimse.element(0x00100020, "LO", b"P1    \0\0"))
    fragments = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content
                         for content in (b"", b"\xff\x4f\xff\x51" + bytes(38), b"\x01\x02"))
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + fragments + END
    return image + pixels + dimse.element(0xFFFCFFFC, "OB", b"\0" * 6)


class OddObjectsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)

    def store(self, to, syntax, instance):
        data_set = odd_object(instance)
        with dimse.Association(to.port, [(dimse.CT_IMAGE, (syntax,))]) as association:
            self.assertEqual(association.store(dimse.CT_IMAGE, instance, data_set), 0)
        return data_set

    def move(self, from_node, instance):
        identifier = (dimse.element(0x00080018, "UI", instance)
                      + dimse.element(0x00080052, "CS", "IMAGE")
                      + dimse.element(0x0020000D, "UI", UID + "1")
                      + dimse.element(0x0020000E, "UI", UID + "2"))
        with dimse.Association(from_node.port, [(dimse.STUDY_MOVE, (dimse.EXPLICIT,))]) as association:
            command, _ = association.retrieve(dimse.STUDY_MOVE, dimse.C_MOVE, identifier,
                                              MoveDestination="RECEIVER")
        self.assertEqual(command[0x0900], 0)

    def test_syntaxes_younger_than_dcmtk_come_back_byte_for_byte(self):
        with receiver.Receiver() as sink:
            peers = f'{{ ae_title = "RECEIVER"; host = "127.0.0.1"; port = {sink.port}; rights = ""; }}'
            serving = node.Node(self.root / "archive", peers=peers)
            try:
                for number, syntax in enumerate((HTJ2K_LOSSLESS, OF_THE_FUTURE)):
                    with self.subTest(syntax):
                        stored = self.store(serving, syntax, f"{UID}3.{number}")
                        self.move(serving, f"{UID}3.{number}")
                        command, came_in, data_set = sink.received[-1]
                        self.assertEqual(command[0x1000], f"{UID}3.{number}")
                        self.assertEqual(came_in, syntax)
                        self.assertEqual(data_set, stored)
                self.assertIsNone(sink.problem)
            finally:
                serving.stop()

    def test_storescp_gets_the_same_bytes(self):
        """In a transfer syntax that DCMTK 3.6.7 knows: HTJ2K it does not receive at all."""
        with node.serving(self.root / "archive") as serving:
            stored = self.store(serving, JPEG_2000, UID + "4")
            paths, _ = serving.move(self.root / "out", f"StudyInstanceUID={UID}1",
                                    sink_options=("+xa",))
            self.assertEqual(len(paths), 1)
            self.assertEqual(node.data_set_bytes(paths[0]), stored)


if __name__ == "__main__":
    unittest.main()
