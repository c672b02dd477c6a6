#!/usr/bin/python3
"""Ctrl-C of find, get, move and store at a peer that never comes to an end by itself: what it is told,
what is kept, and with which exit code. Signals are sent when the peer has seen the request, by which time
their handler is there."""
import json
import pathlib
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
import receiver

UID = "1.2.826.0.1.3680043.10.1511."
CANCEL, STORE_ANSWER = 0x0FFF, 0x8001


class Accepted(receiver._Accepted):  # pylint: disable=protected-access
    """Remembers which context is for what."""

    def __init__(self, connection):
        self.contexts = {}
        super().__init__(connection)

    def _accept(self, context):
        length = struct.unpack_from(">H", context, 6)[0]
        self.contexts.setdefault(context[8:8 + length].decode("ascii").rstrip("\0"), context[0])
        return super()._accept(context)


class Peer(threading.Thread):
    """Serves one association: sets @begun at the request, then goes on as @service until it is
    cancelled, and waits for the release. Keeps what it saw in @told."""

    def __init__(self, service):
        super().__init__(daemon=True)
        self.service, self.told = service, []
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        with self.listener:
            connection = self.listener.accept()[0]
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            association = Accepted(connection)
            try:
                request, _ = association.read_message()
                getattr(self, self.service)(association, request)
                while association.read_pdu()[0] != 5:
                    pass
                self.told.append("release")
                association.send(struct.pack(">BxII", 6, 4, 0))
            except (dimse.Closed, OSError) as reason:
                self.told.append(str(reason))

    def answer(self, association, request, status, data_set=None, context=1):
        association.send_fragments(context, dimse.encode_command(
            AffectedSOPClassUID=request[0x0002], CommandField=request[0x0100] | 0x8000,
            MessageIDBeingRespondedTo=request[0x0110], Status=status,
            CommandDataSetType=dimse.NO_DATA_SET if data_set is None else 0), True)
        if data_set is not None:
            association.send_fragments(context, data_set, False)

    def cancelled(self, association, seconds):
        """Whether a C-CANCEL has come."""
        association.socket.settimeout(seconds)
        try:
            if not association.socket.recv(1, socket.MSG_PEEK):
                raise dimse.Closed("end of connection")
        except TimeoutError:
            return False
        finally:
            association.socket.settimeout(None)
        command, _ = association.read_message()
        self.told.append("cancel" if command[0x0100] == CANCEL else command)
        return True

    # -- services

    def find(self, association, request):
        for number in range(1000000):
            self.answer(association, request, 0xFF00, dimse.element(0x00100020, "LO", f"M{number}"))
            self.begun.set()
            if self.cancelled(association, 0.002):
                break
        self.answer(association, request, 0xFE00)

    def move(self, association, request):
        while not self.cancelled(association, 0.02):
            self.answer(association, request, 0xFF00)
            self.begun.set()
        self.answer(association, request, 0xFE00)

    def get(self, association, request):
        context = association.contexts[dimse.CT_IMAGE]
        cancelled = False
        for number in range(1, 1000000):
            instance = f"{UID}1.1.{number}"
            association.send_fragments(context, dimse.encode_command(
                AffectedSOPClassUID=dimse.CT_IMAGE, CommandField=dimse.C_STORE, MessageID=number % 65535,
                Priority=0, CommandDataSetType=0, AffectedSOPInstanceUID=instance), True)
            association.send_fragments(context, dimse.image(UID + "1", UID + "1.1", instance), False)
            while True:
                command, _ = association.read_message()
                if command[0x0100] != CANCEL:
                    break
                self.told.append("cancel")
                cancelled = True
            self.told.append(command[0x0900])
            self.begun.set()
            if cancelled or self.cancelled(association, 0.002):
                break
        self.answer(association, request, 0xFE00)

    def store(self, association, request):
        """Takes its time with the first one: until @go_on."""
        self.begun.set()
        self.go_on.wait(30)
        self.answer(association, request, 0)

    def silence(self, association, _):
        self.begun.set()
        association.read_pdu()


class Stopping(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = pathlib.Path(temporary.name)

    def start(self, peer, command, *words):
        process = subprocess.Popen(
            [node.MURPACS, command, f"PEER@127.0.0.1:{peer.port}", *map(str, words)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=node.ENVIRONMENT)
        self.assertTrue(peer.begun.wait(30), "no request came")
        return process

    def end(self, process, peer):
        output, errors = process.communicate(timeout=30)
        peer.join(30)
        return output, errors

    def files(self, count):
        folder = self.root / "in"
        folder.mkdir()
        for number in range(count):
            instance = f"{UID}2.1.{number}"
            (folder / f"{number}.dcm").write_bytes(dimse.part10(
                dimse.image(UID + "2", UID + "2.1", instance), dimse.CT_IMAGE, instance))
        return folder

    def test_find_is_cancelled_and_released(self):
        peer = Peer("find")
        process = self.start(peer, "find", "--json", "-r", "PatientID")
        self.assertIn("M0", process.stdout.readline())
        process.send_signal(signal.SIGINT)
        output, errors = self.end(process, peer)
        self.assertEqual((process.returncode, peer.told), (52, ["cancel", "release"]), errors)
        for line in output.splitlines():
            json.loads(line)  # whole lines only
        self.assertIn("stopped by request", errors)

    def test_sigterm_means_the_same(self):
        peer = Peer("find")
        process = self.start(peer, "find", "-r", "PatientID")
        process.send_signal(signal.SIGTERM)
        _, errors = self.end(process, peer)
        self.assertEqual((process.returncode, peer.told), (52, ["cancel", "release"]), errors)

    def test_move_is_cancelled_and_released(self):
        peer = Peer("move")
        process = self.start(peer, "move", "-aem", "ELSEWHERE", "-k", "StudyInstanceUID=1.2.3")
        process.send_signal(signal.SIGINT)
        _, errors = self.end(process, peer)
        self.assertEqual((process.returncode, peer.told), (52, ["cancel", "release"]), errors)

    def test_get_is_cancelled_and_what_came_is_kept_whole(self):
        peer, folder = Peer("get"), self.root / "out"
        process = self.start(peer, "get", "--no-survey", "--json", "-od", folder, "-k",
                             f"StudyInstanceUID={UID}1")
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = self.end(process, peer)
        self.assertEqual((process.returncode, peer.told[-1]), (52, "release"), errors)
        self.assertEqual(peer.told.count("cancel"), 1)
        came = peer.told.count(0)
        self.assertGreater(came, 0)
        self.assertEqual({path.name: node.data_set_bytes(path) for path in folder.iterdir()},
                         {f"{UID}1.1.{number}.dcm": dimse.image(UID + "1", UID + "1.1",
                                                                f"{UID}1.1.{number}")
                          for number in range(1, came + 1)})

    def test_store_ends_after_the_object_under_way(self):
        peer, folder, state = Peer("store"), self.files(5), self.root / "state"
        process = self.start(peer, "store", "--json", "--state", state, folder)
        process.send_signal(signal.SIGINT)
        peer.go_on.set()
        output, errors = self.end(process, peer)
        self.assertEqual((process.returncode, peer.told), (52, ["release"]), errors)
        summary = json.loads(output.splitlines()[-1])["summary"]
        self.assertEqual((summary["stored"], summary["unsent"]), (1, 4))
        self.assertEqual(len(state.read_text(encoding="utf-8").splitlines()), 2)
        self.assertIn("goes on where this one ended", errors)

    def test_a_second_ctrl_c_ends_at_once(self):
        for command, words in (("find", ()), ("store", (self.files(1),)), ("echo", ()),
                               ("move", ("-k", "StudyInstanceUID=1.2"))):
            with self.subTest(command=command):
                peer = Peer("silence")
                process = self.start(peer, command, *words)
                process.send_signal(signal.SIGINT)
                for _ in range(3000):  # until the first one was taken: then its handler is gone
                    text = pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
                    fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
                    if not int(fields["SigCgt"], 16) & 1 << signal.SIGINT - 1:
                        break
                    time.sleep(0.01)
                self.assertIsNone(process.poll())
                begun = time.monotonic()
                process.send_signal(signal.SIGINT)
                self.end(process, peer)
                self.assertEqual(process.returncode, -signal.SIGINT)
                self.assertLess(time.monotonic() - begun, 5)


if __name__ == "__main__":
    unittest.main()
