#!/usr/bin/python3
"""What a node must bear: large objects, many and slow and silent clients, clients that go away in
the middle, Data Sets that are none."""
import contextlib
import hashlib
import pathlib
import random
import resource
import socket
import struct
import tempfile
import time
import unittest

import dimse
import node

MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.7.3"  # Multi-frame Grayscale Word Secondary Capture
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
LARGE_RISE_KIB = 20 * 1000
UID = "1.2.826.0.1.3680043.10.1500."


def large_object(path):
    """134 MB of pixels in 256 frames."""
    row = random.Random(1).randbytes(1 << 20)
    data_set = dimse.image(UID + "1", UID + "1.1", UID + "1.1.1", rows=512, columns=512,
                           sop_class=MULTI_FRAME, modality="OT", more=b"")
    frames = dimse.element(0x00280008, "IS", "256")
    at = data_set.index(struct.pack("<HH", 0x0028, 0x0010))
    data_set = data_set[:at] + frames + data_set[at:]
    with open(path, "wb") as file:
        file.write(dimse.part10(data_set, MULTI_FRAME, UID + "1.1.1"))
        file.write(struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, 128 << 20))
        for _ in range(128):
            file.write(row)


def segmentation_frame(number):
    """Item of Per-frame Functional Groups Sequence, as large as real ones."""
    code = b"".join((dimse.element(0x00080100, "SH", "121322"),
                     dimse.element(0x00080102, "SH", "DCM"),
                     dimse.element(0x00080104, "LO", "Source image for image processing")))
    source = b"".join((dimse.element(0x00081150, "UI", dimse.CT_IMAGE),
                       dimse.element(0x00081155, "UI", f"{UID}9.{number}"),
                       dimse.sequence(0x0040A170, code)))
    return b"".join((
        dimse.sequence(0x00089124, dimse.sequence(0x00082112, source)),
        dimse.sequence(0x00209111, dimse.element(0x00209157, "UL", struct.pack("<II", 1, number))),
        dimse.sequence(0x00209113, dimse.element(0x00200032, "DS", f"-9\\-9\\{number * 0.1:.1f}")),
        dimse.sequence(0x0062000A, dimse.element(0x0062000B, "US", struct.pack("<H", 1)))))


def segmentation_object(path, frames):
    """A binary SEG of 16 x 16 voxels a frame; enough of one for a node, which is no viewer."""
    head = dimse.image(UID + "2", UID + "2.1", UID + "2.1.1", rows=16, columns=16,
                       sop_class=SEGMENTATION, modality="SEG")
    at = head.index(struct.pack("<HH", 0x0028, 0x0010))
    segment = b"".join((dimse.element(0x00620004, "US", struct.pack("<H", 1)),
                        dimse.element(0x00620005, "LO", "liver"),
                        dimse.element(0x00620008, "CS", "MANUAL")))
    data_set = b"".join((
        head[:at], dimse.element(0x00280008, "IS", str(frames)), head[at:],
        dimse.element(0x00620001, "CS", "BINARY"), dimse.sequence(0x00620002, segment),
        dimse.sequence(0x52009230, *map(segmentation_frame, range(1, frames + 1))),
        dimse.element(0x7FE00010, "OB", random.Random(2).randbytes(frames * 32))))
    pathlib.Path(path).write_bytes(dimse.part10(data_set, SEGMENTATION, UID + "2.1.1"))


def data_set_digest(path):
    """Of a Part 10 file's Data Set, without having it in memory."""
    with open(path, "rb") as file:
        head = file.read(144)
        file.seek(144 + int.from_bytes(head[140:144], "little"))
        digest = hashlib.sha256()
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


class LimitsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.folder.name)
        cls.data_dir = cls.root / "archive"
        cls.node = node.Node(cls.data_dir)

    @classmethod
    def tearDownClass(cls):
        code = cls.node.stop()
        cls.folder.cleanup()
        assert code == 0, code

    def associate(self, *sop_classes):
        contexts = [(uid, (dimse.EXPLICIT,)) for uid in sop_classes or (dimse.CT_IMAGE,)]
        return dimse.Association(self.node.port, contexts)

    def listed(self, study):
        return self.node.find(f"StudyInstanceUID={study}", "NumberOfStudyRelatedInstances")

    def placed_files(self):
        """Without what is just coming in."""
        return [name for name in node.stored_files(self.data_dir) if ".incoming-" not in name]

    def assert_answers_soon(self, tries=10):
        """Every echo is answered, and one of a few within a second: where the node kept us waiting none
        would be, and where the machine is busy with other things all the same one is."""
        best = 60.0
        for _ in range(tries):
            answered, seconds = self.node.echo()
            self.assertTrue(answered)
            best = min(best, seconds)
            if best < 1.0:
                return
        self.assertLess(best, 1.0)

    def assert_files(self, expected):
        """A second later nothing is left of what was not sent whole; a busy machine gets more."""
        time.sleep(1.0)
        for _ in range(400):
            if node.stored_files(self.data_dir) == expected:
                return
            time.sleep(0.05)
        self.assertEqual(node.stored_files(self.data_dir), expected)

    # -- large objects

    def check_large(self, path, study, retrieve):
        """Stores and fetches one object; memory's peak may rise by less than 20 MB."""
        with self.associate() as association:  # what the first object of all costs
            association.store(dimse.CT_IMAGE, UID + "8.1.1",
                              dimse.image(UID + "8", UID + "8.1", UID + "8.1.1"))
        self.node.get(self.root / "small", f"StudyInstanceUID={UID}8")
        before = self.node.memory_kib("VmHWM")
        self.node.store(path)
        after_store = self.node.memory_kib("VmHWM")
        got = retrieve(self.root / (path.stem + "-got"))
        after = self.node.memory_kib("VmHWM")
        self.assertEqual([data_set_digest(one) for one in got], [data_set_digest(path)])
        self.assertEqual(len(self.listed(study)), 1)
        if not node.SANITIZED:
            self.assertLess(after_store - before, LARGE_RISE_KIB, "storing")
            self.assertLess(after - before, LARGE_RISE_KIB, "storing and retrieving")

    def test_an_object_of_134_mb_costs_no_memory(self):
        path = self.root / "large.dcm"
        large_object(path)
        self.check_large(path, UID + "1",
                         lambda folder: self.node.get(folder, f"StudyInstanceUID={UID}1"))
        moved, _ = self.node.move(self.root / "large-moved", f"StudyInstanceUID={UID}1")
        self.assertEqual([data_set_digest(one) for one in moved], [data_set_digest(path)])

    def test_a_segmentation_of_20000_frames_costs_no_memory(self):
        path = self.root / "seg.dcm"
        segmentation_object(path, 20000)
        self.check_large(path, UID + "2",
                         lambda folder: self.node.get(folder, f"StudyInstanceUID={UID}2"))

    # -- many clients

    def test_silent_and_slow_connections_keep_nobody_waiting(self):
        request = dimse.request_pdu([(dimse.VERIFICATION, (dimse.IMPLICIT,))])
        with contextlib.ExitStack() as stack:
            def connect():
                return stack.enter_context(
                    socket.create_connection(("127.0.0.1", self.node.port), timeout=10))

            for _ in range(500):
                connect()
            slow = [connect() for _ in range(50)]
            for number in range(2):
                for one in slow:
                    one.send(request[number:number + 1])
                end = time.monotonic() + 5
                self.assert_answers_soon()
                time.sleep(max(0.0, end - time.monotonic()))
            self.assert_answers_soon()

    def test_64_idle_associations_keep_nobody_waiting(self):
        associations = [self.associate(dimse.CT_IMAGE, dimse.STUDY_FIND) for _ in range(64)]
        self.assert_answers_soon()
        for one in associations:
            one.release()

    def test_long_identifiers_at_once_have_a_limit_of_memory(self):
        identifier = (dimse.element(0x00080052, "CS", "STUDY") + dimse.element(0x0020000D, "UI", UID + "0")
                      + dimse.element(0x7FE00010, "OB", bytes(6 << 20)))
        before = self.node.memory_kib("VmHWM")
        associations = [self.associate(dimse.STUDY_FIND) for _ in range(40)]
        for one in associations:
            one.request(dimse.STUDY_FIND, dimse.C_FIND, b"", Priority=0)
            one.send_fragments(1, identifier, False, is_last=False)
        self.assert_answers_soon()
        self.assertEqual(self.listed(UID + "0"), [])  # a short one finds room
        if not node.SANITIZED:
            self.assertLess(self.node.memory_kib("VmHWM") - before, 120000)
        statuses = []
        for one in associations:
            one.send_fragments(1, b"", False)
            statuses.append(one.read_message()[0][0x0900])
            one.release()
        self.assertEqual(set(statuses), {0x0000, 0xA700})
        with self.associate(dimse.STUDY_FIND) as one:  # and there is room again
            self.assertEqual(one.retrieve(dimse.STUDY_FIND, dimse.C_FIND, identifier)[0][0x0900], 0)

    # -- ends in the middle

    def test_what_was_not_sent_whole_leaves_nothing(self):
        files, rows = self.placed_files(), node.indexed_instances(self.data_dir)
        data_set = dimse.image(UID + "3", UID + "3.1", UID + "3.1.1", rows=512, columns=512,
                               pixels=bytes(512 * 512 * 2))

        def release(association):
            association.send(struct.pack(">BxII", 5, 4, 0))
            association.close()

        def half_a_pdu(association):
            association.send(struct.pack(">BxIIBB", 4, 10006, 10002, 1, 0) + bytes(5000))
            association.close()

        for end in (dimse.Association.abort, dimse.Association.reset, dimse.Association.close,
                    release, half_a_pdu):
            with self.subTest(end=end.__name__):
                for length in (0, 300, 400000, len(data_set)):
                    association = self.associate()
                    association.begin_store(dimse.CT_IMAGE, UID + "3.1.1", data_set[:length])
                    end(association)
                self.assert_files(files)
                self.assertEqual(self.listed(UID + "3"), [])
        self.assertEqual(node.indexed_instances(self.data_dir), rows)

    # -- what is no Data Set

    def test_what_is_no_data_set_is_refused(self):
        good = dimse.image(UID + "4", UID + "4.1", UID + "4.1.1", pixels=bytes(8192), rows=64,
                           columns=64)

        def without(tag):
            head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
            at = good.index(head)
            length = struct.unpack_from("<H", good, at + 6)[0]
            return good[:at] + good[at + 8 + length:]

        nested = b""
        for _ in range(5000):
            nested = dimse.sequence(0x00081140, nested)
        open_nested = struct.pack("<HH2sHIHHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF, 0xFFFE,
                                  0xE000, 0xFFFFFFFF) * 5000
        open_end = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0) * 5000
        at = good.index(struct.pack("<HH", 0x0010, 0x0010))
        cases = {
            "no Study Instance UID": without(0x0020000D),
            "no Series Instance UID": without(0x0020000E),
            "no SOP Instance UID": without(0x00080018),
            "another SOP Instance UID": good.replace(b"4.1.1\0", b"4.1.2\0"),
            "a NUL in a UID": good.replace(dimse.element(0x0020000E, "UI", UID + "4.1"),
                                           dimse.element(0x0020000E, "UI", UID + "4\0001")),
            "garbage": random.Random(3).randbytes(5000),
            "text": b"GET / HTTP/1.1\r\n\r\n" * 100,
            "cut in a value": good[:-100],
            "cut in a header": good[:at + 5],
            "a length of 4 GB": good[:at] + struct.pack("<HH2sHI", 0x0010, 0x0010, b"UT", 0,
                                                        0xFFFFFFF0) + good[at:],
            "nested 5000 deep": good[:at] + nested + good[at:],
            "nested 5000 deep, of undefined length": good[:at] + open_nested + open_end + good[at:],
            "nested without an end": good[:at] + open_nested,
        }
        files = self.placed_files()
        before = self.node.memory_kib("VmHWM")
        for name, data_set in cases.items():
            with self.subTest(name), self.associate() as association:
                status = association.store(dimse.CT_IMAGE, UID + "4.1.1", data_set)
                self.assertTrue(status & 0xFF00 == 0xA900 or status & 0xF000 == 0xC000,
                                f"{status:04X}")
        with self.subTest("no Data Set"), self.associate() as association:
            association.request(dimse.CT_IMAGE, dimse.C_STORE, b"", Priority=0,
                                AffectedSOPInstanceUID=UID + "4.1.1")
            association.send_fragments(1, b"", False)
            self.assertGreaterEqual(association.read_message()[0][0x0900], 0xA900)
        self.assert_answers_soon()
        self.assertEqual(self.listed(UID + "4"), [])
        self.assert_files(files)
        if not node.SANITIZED:
            self.assertLess(self.node.memory_kib("VmHWM") - before, LARGE_RISE_KIB)

    def test_uids_are_no_paths(self):
        outside = {path for path in self.root.rglob("*") if not path.is_relative_to(self.data_dir)}
        for uid in ("../../../../escaped", "/tmp/escaped", "..", ".", "1/2", "1\\2", "a" * 3000):
            for place in range(3):
                uids = [UID + "5", UID + "5.1", UID + "5.1.1"]
                uids[place] = uid
                with self.subTest(uid=uid[:20], place=place):
                    with contextlib.suppress(dimse.Closed), self.associate() as association:
                        association.store(dimse.CT_IMAGE, uids[2], dimse.image(*uids))
        self.assertEqual({path for path in self.root.rglob("*")
                          if not path.is_relative_to(self.data_dir)}, outside)
        self.assertFalse(pathlib.Path("/tmp/escaped").exists())
        self.assert_answers_soon()

    # -- twice

    def test_the_same_again_is_a_success_and_listed_once(self):
        data_set = dimse.image(UID + "6", UID + "6.1", UID + "6.1.1", pixels=bytes(512), rows=16,
                               columns=16)
        with self.associate() as association:
            for _ in range(3):
                self.assertEqual(association.store(dimse.CT_IMAGE, UID + "6.1.1", data_set), 0)
        found = self.listed(UID + "6")
        self.assertEqual([int(one.NumberOfStudyRelatedInstances) for one in found], [1])
        self.assertEqual(node.indexed_instances(self.data_dir).count(UID + "6.1.1"), 1)

    def test_of_two_contents_under_one_uid_the_first_is_kept(self):
        first = dimse.image(UID + "7", UID + "7.1", UID + "7.1.1", pixels=bytes(512), rows=16,
                            columns=16)
        others = {
            "pixels": dimse.image(UID + "7", UID + "7.1", UID + "7.1.1", pixels=b"\1" * 512,
                                  rows=16, columns=16),
            "patient": dimse.image(UID + "7", UID + "7.1", UID + "7.1.1", patient="P2",
                                   pixels=bytes(512), rows=16, columns=16),
            "study": dimse.image(UID + "70", UID + "7.1", UID + "7.1.1", pixels=bytes(512), rows=16,
                                 columns=16)}
        with self.associate() as association:
            self.assertEqual(association.store(dimse.CT_IMAGE, UID + "7.1.1", first), 0)
            for name, other in others.items():
                with self.subTest(name):
                    status = association.store(dimse.CT_IMAGE, UID + "7.1.1", other)
                    self.assertNotEqual(status, 0)
                    self.assertNotEqual(status & 0xF000, 0xB000)
        got = self.node.get(self.root / "twice", f"StudyInstanceUID={UID}7")
        self.assertEqual([node.data_set_bytes(path) for path in got], [first])
        self.assertEqual(self.listed(UID + "70"), [])


if __name__ == "__main__":
    unittest.main()
