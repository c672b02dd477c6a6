#!/usr/bin/python3
"""`murpacs commit` against our node, which reports on an association of its own, and against a peer
that reports on the one that asked."""
import json
import pathlib
import re
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import dimse
import node

UID = "1.2.826.0.1.3680043.10.1508."
COMMITMENT, INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"


def lines_of(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


class AgainstOurNode(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.root = pathlib.Path(temporary.name)
        cls.own_port, other_port = node.free_port(), node.free_port()
        cls.node = node.Node(cls.root / "archive", peers=", ".join(
            f'{{ ae_title = "{title}"; host = "127.0.0.1"; port = {port}; rights = "rw"; }}'
            for title, port in (("ASKER", cls.own_port), ("ASTRAY", other_port))))
        cls.addClassCleanup(cls.node.stop)
        cls.address = f"MURPACS@127.0.0.1:{cls.node.port}"
        cls.files = cls.root / "in"
        cls.files.mkdir()
        cls.instances = [f"{UID}1.1.{number}" for number in (1, 2, 3)]
        for number, instance in enumerate(cls.instances, 1):
            (cls.files / f"{number}.dcm").write_bytes(dimse.part10(dimse.image(
                UID + "1", UID + "1.1", instance, number=number, rows=16, columns=16,
                pixels=bytes(512)), dimse.CT_IMAGE, instance))
        (cls.files / "notes.txt").write_text("no object", encoding="utf-8")
        node.murpacs("store", cls.address, cls.files)

    def commit(self, *words, title="ASKER", check=True):
        return node.murpacs("commit", self.address, "-aet", title, "--port", self.own_port,
                            "--bind", "127.0.0.1", *words, check=check)

    def test_what_is_stored_is_committed(self):
        done = self.commit(self.files, self.files / "1.dcm")
        for instance in self.instances:
            self.assertRegex(done.stdout, rf"(?m)^{re.escape(instance)} +committed +CTImageStorage")
        self.assertIn("3 of 3 instances committed by MURPACS", done.stdout)
        *rows, last = lines_of(self.commit(self.files, "--json"))
        self.assertEqual([row["SOPInstanceUID"] for row in rows], self.instances)
        self.assertEqual({row["outcome"] for row in rows}, {"committed"})
        self.assertEqual((last["summary"]["status"], last["summary"]["committed"],
                          last["summary"]["failed"], last["summary"]["reporter"]),
                         ("0000", 3, 0, "MURPACS"))

    def test_what_is_not_there_or_of_another_class_has_failed_with_the_reason(self):
        unknown, mistaken = f"{dimse.CT_IMAGE}={UID}404", f"{INSTANCE}={self.instances[1]}"
        done = self.commit("--instance", unknown, "--instance", mistaken, self.files / "1.dcm",
                           "--json", check=False)
        self.assertEqual(done.returncode, 68)
        *rows, last = lines_of(done)
        self.assertEqual({row["SOPInstanceUID"]: (row["outcome"], row.get("failureReason"))
                          for row in rows},
                         {self.instances[0]: ("committed", None),
                          self.instances[1]: ("failed", "0119"), UID + "404": ("failed", "0112")})
        self.assertEqual((last["summary"]["committed"], last["summary"]["failed"]), (1, 2))
        done = self.commit("--instance", unknown, check=False)
        self.assertEqual(done.returncode, 69)
        self.assertIn("0112 no such SOP Instance", done.stdout)

    def test_a_peer_that_does_not_know_us_says_so(self):
        done = self.commit(self.files, title="NOBODY", check=False)
        self.assertEqual(done.returncode, 69)
        self.assertIn("0124 not authorized", done.stderr)
        self.assertIn("not listed in peers", done.stderr)

    def test_a_report_that_cannot_reach_us_is_not_waited_for_longer_than_was_said(self):
        begun = time.monotonic()
        done = self.commit(self.files, "--wait", "1", title="ASTRAY", check=False)
        self.assertEqual(done.returncode, 61)
        self.assertIn('must know our AE title "ASTRAY"', done.stderr)
        self.assertIn(f"port {self.own_port}", done.stderr)
        self.assertLess(time.monotonic() - begun, 10)

    def test_callers_of_another_ae_title_are_rejected_and_named(self):
        process = subprocess.Popen(
            [node.MURPACS, "commit", self.address, str(self.files), "-aet", "ASTRAY", "--port",
             str(self.own_port), "--bind", "127.0.0.1", "--wait", "3"], stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, env=node.ENVIRONMENT)
        self.assertIn("waiting for the report", process.stderr.readline())
        with self.assertRaises(dimse.Refused) as refused:
            dimse.Association(self.own_port, calling="STRANGER", called="ELSE")
        self.assertEqual(refused.exception.args, (1, 1, 7))
        with dimse.Association(self.own_port, called="ASTRAY") as association:
            self.assertEqual(association.echo(), 0)
        with process.stderr:
            self.assertIn('STRANGER at 127.0.0.1 called "ELSE"', process.stderr.read())
        self.assertEqual(process.wait(timeout=10), 61)

    def test_ctrl_c_ends_the_waiting(self):
        process = subprocess.Popen(
            [node.MURPACS, "commit", self.address, str(self.files), "-aet", "ASTRAY", "--port",
             str(self.own_port), "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, env=node.ENVIRONMENT)
        self.assertIn("waiting for the report", process.stderr.readline())
        process.send_signal(signal.SIGINT)
        with process.stderr:
            self.assertIn("stopped by request", process.stderr.read())
        self.assertEqual(process.wait(timeout=10), 52)

    def test_a_port_that_is_taken_and_no_objects_are_told_of(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            done = self.commit(self.files, "--port", taken.getsockname()[1], check=False)
        self.assertEqual(done.returncode, 51)
        self.assertIn("--port", done.stderr)
        done = self.commit(self.files / "notes.txt", check=False)
        self.assertEqual(done.returncode, 21)
        self.assertEqual(self.commit("--instance", "1.2=x", check=False).returncode, 1)


def command(*elements):
    body = b""
    for number, value in elements:
        value = struct.pack("<H", value) if isinstance(value, int) else value.encode("ascii")
        value += b"\0" * (len(value) % 2)
        body += struct.pack("<HHI", 0, number, len(value)) + value
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


class Peer(threading.Thread):
    """Accepts one association, answers its N-ACTION, and reports on it: what @reports make of the
    Transaction UID, one after the other. Keeps the answers."""

    def __init__(self, *reports):
        super().__init__(daemon=True)
        self.reports, self.statuses = reports, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        association = dimse.Association.__new__(dimse.Association)
        with self.listener:
            association.socket, _ = self.listener.accept()
        association.max_pdu = 16384
        with association.socket:
            _, request = association.read_pdu()
            def sub(kind, content):
                return struct.pack(">BxH", kind, len(content)) + content
            body = request[:68] + sub(0x10, b"1.2.840.10008.3.1.1.1") + sub(
                0x21, bytes((1, 0, 0, 0)) + sub(0x40, dimse.EXPLICIT.encode())) + sub(
                    0x50, sub(0x51, struct.pack(">I", 16384)) + sub(0x52, b"1.2.3.4"))
            association.send(struct.pack(">BxI", 2, len(body)) + body)
            _, data = association.read_message()
            transaction = re.search(rb"\x08\x00\x95\x11UI..([0-9.]+)", data, re.DOTALL)[1].decode()
            association.send_fragments(1, command(
                (0x0100, 0x8130), (0x0120, 1), (0x0800, dimse.NO_DATA_SET), (0x0900, 0)), True)
            for event, report in self.reports:
                association.send_fragments(1, command(
                    (0x0002, COMMITMENT), (0x0100, 0x0100), (0x0110, 7), (0x0800, 0),
                    (0x1000, INSTANCE), (0x1002, event)), True)
                association.send_fragments(1, report(transaction), False)
                self.statuses.append(association.read_message()[0][0x0900])
            if association.read_pdu()[0] == 5:
                association.send(struct.pack(">BxII", 6, 4, 0))


def reference(uid, reason=None):
    return (dimse.element(0x00081150, "UI", dimse.CT_IMAGE) + dimse.element(0x00081155, "UI", uid)
            + (b"" if reason is None else dimse.element(0x00081197, "US",
                                                        struct.pack("<H", reason))))


class OnTheSameAssociation(unittest.TestCase):
    def commit(self, peer, *uids):
        words = [word for uid in uids for word in ("--instance", f"{dimse.CT_IMAGE}={uid}")]
        done = node.murpacs("commit", f"PEER@127.0.0.1:{peer.port}", "--port", "0", "--bind",
                            "127.0.0.1", "--wait", "20", "--json", *words, check=False, timeout=60)
        peer.join(timeout=10)
        return done

    def test_the_report_is_taken(self):
        peer = Peer((1, lambda uid: dimse.element(0x00081195, "UI", uid) + dimse.sequence(
            0x00081199, reference("1.2.3"), reference("1.2.4"))))
        done = self.commit(peer, "1.2.4", "1.2.3")
        self.assertEqual((done.returncode, peer.statuses), (0, [0]), done.stderr)
        self.assertEqual(lines_of(done)[-1]["summary"]["reporter"], "PEER")

    def test_reports_of_others_and_damaged_ones_are_refused_and_leave_nothing_behind(self):
        def lie(_):
            return dimse.element(0x00081195, "UI", "1.2.9") + dimse.sequence(
                0x00081199, reference("1.2.3"), reference("1.2.4"), reference("1.2.5"))

        def torn(uid):
            return (dimse.element(0x00081195, "UI", uid) + dimse.sequence(
                0x00081199, reference("1.2.4")))[:-3]

        def true(uid):
            return (dimse.element(0x00081195, "UI", uid) + dimse.sequence(
                0x00081198, reference("1.2.3", 0x0213)) + dimse.sequence(
                    0x00081199, reference("1.2.5"), reference("1.2.77")))
        peer = Peer((1, lie), (1, torn), (9, true), (2, true))
        done = self.commit(peer, "1.2.3", "1.2.4", "1.2.5")
        self.assertEqual((done.returncode, peer.statuses), (68, [0x0110, 0x0115, 0x0113, 0]),
                         done.stderr)
        self.assertEqual([(row["outcome"], row.get("failureReason"), row.get("reason"))
                          for row in lines_of(done)[:-1]],
                         [("failed", "0213", "resource limitation"),
                          ("failed", None, "the report does not mention it"),
                          ("committed", None, None)])


if __name__ == "__main__":
    unittest.main()
