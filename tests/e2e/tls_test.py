#!/usr/bin/python3
"""Associations over TLS (PS3.15 B.12): ours against DCMTK's programs in both directions, who is let in by
his certificate, what is refused, and that nobody waits for those who dawdle."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import tempfile
import time
import unittest
import warnings

import certificates
import dimse
import node

UID = "1.2.826.0.1.3680043.10.1510."
PAST = ("20200101000000Z", "20200102000000Z")
STUDY_KEYS = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={UID}1")
PIXELS = bytes(range(256)) * 512  # more than a TLS record, and than a PDU


def secured(data_dir, authority, words, *options, peers=""):
    """A node with a port for TLS, any free one, and that port."""
    made = node.Node(data_dir, "--set", "dicom.tls_port=-1", "--set", f"dicom.tls_key={words[0]}", "--set",
                     f"dicom.tls_certificate={words[1]}", "--set", f"dicom.tls_ca={authority.ca}",
                     *options, peers=peers)
    made.tls_port = int(re.search(r"by TLS at \S+ port (\d+)", made.process.stdout.readline())[1])
    return made


def write_objects(folder):
    """SOP Instance UID -> bytes of the Data Set."""
    folder.mkdir()
    made = {}
    for number in (1, 2, 3):
        uid = f"{UID}1.1.{number}"
        made[uid] = dimse.image(UID + "1", UID + "1.1", uid, number=number, rows=256, columns=256,
                                pixels=PIXELS)
        (folder / f"{number}.dcm").write_bytes(dimse.part10(made[uid], dimse.CT_IMAGE, uid))
    return made


def by_uid(folder):
    return {str(node.pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID):
            node.data_set_bytes(path) for path in folder.iterdir()}


@unittest.skipUnless(certificates.OPENSSL, "no openssl to make certificates with")
class TlsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory(prefix="murpacs-tls-")
        cls.addClassCleanup(temporary.cleanup)
        cls.root = pathlib.Path(temporary.name)
        cls.authority = certificates.Authority(cls.root / "ca")
        cls.strangers = certificates.Authority(cls.root / "strangers", "Another CA")
        cls.server = cls.authority.issue("server")
        cls.client = cls.authority.issue("client", subject="SCANNER 1")
        cls.curve = cls.authority.issue("curve", ("ec", "-pkeyopt", "ec_paramgen_curve:P-256"))
        cls.stranger = cls.strangers.issue("stranger")
        cls.own_port = node.free_port()
        cls.tls_sink_port = node.free_port()
        cls.node = secured(cls.root / "archive", cls.authority, cls.server, peers=", ".join(
            f'{{ ae_title = "{title}"; host = "127.0.0.1"; port = {port}; rights = "rw"; tls = true; }}'
            for title, port in (("ASKER", cls.own_port), ("SAFE", cls.tls_sink_port))))
        cls.addClassCleanup(cls.stop)
        cls.objects = write_objects(cls.root / "in")
        cls.with_client = ("+tls", *cls.client, "+cf", cls.authority.ca)
        node.run("storescu", *cls.with_client, "-aec", "MURPACS", "127.0.0.1", cls.node.tls_port,
                 *sorted((cls.root / "in").iterdir()))

    @classmethod
    def stop(cls):
        code = cls.node.stop()
        assert code == 0, code

    def folder(self):
        temporary = tempfile.TemporaryDirectory(dir=self.root)
        self.addCleanup(temporary.cleanup)
        return pathlib.Path(temporary.name)

    def dcmtk(self, program, *words, port=None, check=True):
        return node.run(program, *words, "-aec", "MURPACS", "127.0.0.1", port or self.node.tls_port,
                        check=check)

    def good_client_is_served(self):
        with dimse.Association(self.node.tls_port, timeout=20,
                               secure=certificates.client(self.authority.ca, self.client)) as one:
            one.echo()

    # -- what works ------------------------------------------------------------------------------

    def test_dcmtks_clients_store_and_find(self):
        self.dcmtk("echoscu", *self.with_client)
        done = self.dcmtk("findscu", "-S", *self.with_client, *STUDY_KEYS, "-k",
                          "NumberOfStudyRelatedInstances")
        self.assertIn("[3", done.stdout + done.stderr)
        self.assertRegex(self.node.log_text(), r"association from \S+ at .*TLSv1\.[23], \S+, CN=SCANNER 1")

    def test_objects_move_to_a_peer_by_tls(self):
        folder = self.folder()
        sink = node.subprocess.Popen(
            ["storescp", "+B", "+tls", *map(str, self.server), "+cf", str(self.authority.ca), "-aet", "SAFE",
             "-od", str(folder), str(self.tls_sink_port)], env=node.ENVIRONMENT,
            stdout=node.subprocess.DEVNULL, stderr=node.subprocess.DEVNULL)
        try:
            node.wait_for_port(self.tls_sink_port)
            self.dcmtk("movescu", "-S", "-aem", "SAFE", *STUDY_KEYS, port=self.node.port)  # knows no TLS
        finally:
            sink.terminate()
            sink.wait()
        self.assertEqual(by_uid(folder), self.objects)

    def test_our_own_commands_talk_to_dcmtk_and_to_the_node(self):
        folder = self.folder()
        port = node.free_port()
        sink = node.subprocess.Popen(
            ["storescp", "+B", "+tls", *map(str, self.server), "+cf", str(self.authority.ca), "-od",
             str(folder), str(port)], env=node.ENVIRONMENT,
            stdout=node.subprocess.DEVNULL, stderr=node.subprocess.DEVNULL)
        try:
            node.wait_for_port(port)
            done = node.murpacs("store", "127.0.0.1", port, *self.with_client, self.root / "in")
            self.assertIn("3 objects stored", done.stdout)
        finally:
            sink.terminate()
            sink.wait()
        self.assertEqual(by_uid(folder), self.objects)
        address = f"MURPACS@127.0.0.1:{self.node.tls_port}"
        for words in (self.with_client, ("+tls", *self.curve, "-ic")):
            self.assertIn("answers", node.murpacs("echo", *words, address).stdout)
        fetched = self.folder()
        node.murpacs("get", address, *self.with_client, "-od", fetched, *STUDY_KEYS[2:])
        self.assertEqual(by_uid(fetched), self.objects)

    def test_who_is_called_back_is_called_by_tls(self):
        address = f"MURPACS@127.0.0.1:{self.node.tls_port}"
        back = ("--port", self.own_port, "--bind", "127.0.0.1", "-aet", "ASKER", *self.with_client)
        done = node.murpacs("commit", address, *back, self.root / "in")
        self.assertIn("3 of 3 instances committed", done.stdout)
        folder = self.folder()
        node.murpacs("move", address, *back, "-aem", "ASKER", "-od", folder, *STUDY_KEYS[2:])
        self.assertEqual(by_uid(folder), self.objects)

    def test_both_versions_are_spoken_with_forward_secrecy_only(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = certificates.client(self.authority.ca, self.client)
            context.minimum_version = context.maximum_version = version
            with dimse.Association(self.node.tls_port, secure=context) as association:
                association.echo()
                name, protocol, bits = association.socket.cipher()
                self.assertGreaterEqual(bits, 128)
                self.assertRegex(name, "GCM|CHACHA20")
                self.assertTrue(protocol == "TLSv1.3" or name.startswith("ECDHE"), name)
        context = certificates.client(self.authority.ca, self.client)
        with dimse.Association(self.node.tls_port, secure=context) as association:
            self.assertEqual(association.socket.version(), "TLSv1.3")

    def test_a_request_may_come_byte_by_byte(self):
        context = certificates.client(self.authority.ca, self.client)
        with dimse.Association(self.node.tls_port, secure=context) as slow:
            command = dimse.encode_command(AffectedSOPClassUID=dimse.VERIFICATION,
                                           CommandField=dimse.C_ECHO, MessageID=7,
                                           CommandDataSetType=dimse.NO_DATA_SET)
            body = (len(command) + 2).to_bytes(4, "big") + bytes((1, 3)) + command
            for byte in b"\4\0" + len(body).to_bytes(4, "big") + body:
                slow.socket.sendall(bytes((byte,)))  # each in a record of its own
            self.assertEqual(slow.read_message()[0][0x0900], 0)

    # -- what does not ---------------------------------------------------------------------------

    def refused(self, *words, port=None):
        done = self.dcmtk("echoscu", *words, port=port, check=False)
        return done.returncode != 0

    def test_only_known_certificates_come_in(self):
        self.assertTrue(self.refused("+tla", "+cf", self.authority.ca))
        self.assertTrue(self.refused("+tls", *self.stranger, "+cf", self.authority.ca))
        self.assertRegex(self.node.log_text(), "no TLS could be agreed on: .*did not return a certificate")
        self.assertRegex(self.node.log_text(), "no TLS could be agreed on: .*certificate verify failed")
        self.good_client_is_served()

    def test_certificates_before_and_after_their_time_do_not_come_in(self):
        for name, between in (("past", PAST), ("future", ("20990101000000Z", "20990102000000Z"))):
            with self.subTest(name):
                words = self.authority.issue(name, between=between)
                self.assertTrue(self.refused("+tls", *words, "+cf", self.authority.ca))
        self.assertRegex(self.node.log_text(), "no TLS could be agreed on: .*certificate verify failed")
        self.good_client_is_served()

    def test_a_key_that_others_may_read_and_an_old_certificate_are_told_of(self):
        old = self.authority.issue("old", between=PAST)
        other = secured(self.folder() / "archive", self.authority, old)
        try:
            self.assertIn("our certificate (dicom.tls_certificate) has expired", other.log_text())
            self.assertNotIn("private key", other.log_text())
            old[0].chmod(0o644)
            other.process.send_signal(signal.SIGHUP)
            for _ in range(200):
                if "certificates were read again" in other.log_text():
                    break
                time.sleep(0.05)
            self.assertIn("the private key (dicom.tls_key) may be read", other.log_text())
        finally:
            self.assertEqual(other.stop(), 0)

    def test_how_strict_it_is_can_be_chosen(self):
        for strictness, anonymous, stranger in (("request", True, False), ("none", True, True)):
            with self.subTest(strictness=strictness):
                other = secured(self.root / strictness, self.authority, self.curve, "--set",
                                f"dicom.tls_verify_peer={strictness}")
                try:
                    self.assertEqual(not self.refused("+tla", "+cf", self.authority.ca,
                                                      port=other.tls_port), anonymous)
                    self.assertEqual(not self.refused("+tls", *self.stranger, "+cf", self.authority.ca,
                                                      port=other.tls_port), stranger)
                    self.assertFalse(self.refused(*self.with_client, port=other.tls_port))
                finally:
                    self.assertEqual(other.stop(), 0)

    def test_tls_1_1_is_refused(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context = certificates.client(self.authority.ca, self.client)
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises(ssl.SSLError) as caught:
            dimse.Association(self.node.tls_port, secure=context)
        self.assertIn("protocol version", str(caught.exception).replace("_", " ").lower())

    def test_plain_text_is_not_spoken_there_nor_tls_on_the_plain_port(self):
        with self.assertRaises(dimse.Closed):
            dimse.Association(self.node.tls_port, timeout=10)
        with self.assertRaises((ssl.SSLError, OSError)):
            dimse.Association(self.node.port, timeout=10, secure=certificates.client())
        self.good_client_is_served()
        self.assertTrue(self.node.echo()[0])

    def test_we_do_not_talk_to_strangers(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.stranger[1], self.stranger[0])
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(60)
            done = node.subprocess.Popen(
                [node.MURPACS, "echo", "127.0.0.1", str(listener.getsockname()[1]),
                 *map(str, self.with_client)], stdout=node.subprocess.DEVNULL,
                stderr=node.subprocess.PIPE, text=True)
            accepted, _ = listener.accept()
            with accepted, contextlib.suppress(ssl.SSLError, OSError):
                context.wrap_socket(accepted, server_side=True).recv(1)
            self.assertIn("certificate verify failed", done.communicate(timeout=30)[1])
            self.assertEqual(done.returncode, 60)

    def test_hosts_are_compared_where_that_is_wanted(self):
        address = f"MURPACS@127.0.0.1:{self.node.tls_port}"
        strict = ("--set", "dicom.tls_check_host=true", *self.with_client)
        self.assertIn("answers", node.murpacs("echo", *strict, address).stdout)
        named = address.replace("127.0.0.1", "localhost")
        self.assertIn("answers", node.murpacs("echo", *strict, named).stdout)
        # The same place, by a way to write it that the certificate does not know.
        done = node.murpacs("echo", *strict, address.replace("127.0.0.1", "127.1"), check=False)
        self.assertEqual(done.returncode, 60)
        self.assertIn("mismatch", done.stderr)

    def test_what_makes_no_sense_is_said_at_once(self):
        locked = self.folder() / "locked.key"
        node.run(certificates.OPENSSL, "rsa", "-aes256", "-passout", "pass:secret", "-in", self.server[0],
                 "-out", locked)
        data_dir = self.folder() / "archive"
        for word, *settings in (
                ("a certificate of ours", "dicom.tls_verify_peer=none"),
                ("not one of them", f"dicom.tls_key={self.server[0]}", "dicom.tls_verify_peer=none"),
                ("whose to trust", f"dicom.tls_key={self.server[0]}", f"dicom.tls_certificate={self.server[1]}"),
                ("mismatch", f"dicom.tls_key={self.client[0]}", f"dicom.tls_certificate={self.server[1]}",
                 f"dicom.tls_ca={self.authority.ca}"),
                ("private key", f"dicom.tls_key={locked}", f"dicom.tls_certificate={self.server[1]}",
                 f"dicom.tls_ca={self.authority.ca}"),
                ("No such file", f"dicom.tls_ca={self.root / 'nowhere.pem'}")):
            with self.subTest(word=word):
                options = [text for one in settings for text in ("--set", one)]
                done = node.murpacs("serve", "--data-dir", data_dir, "--set", "dicom.port=0", "--set",
                                    "dicom.tls_port=-1", *options, check=False, timeout=30)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(word, done.stderr)
        for words in (("+tls", self.client[0]), ("+cf", self.authority.ca), ("+tls", *self.client, "-tls"),
                      ("+tla",)):
            with self.subTest(words=words):
                done = node.murpacs("echo", "127.0.0.1", 104, *words, check=False)
                self.assertEqual(done.returncode, 1, done.stderr)

    # -- slowness, and change ----------------------------------------------------------------------

    def test_slow_handshakes_keep_nobody_waiting_and_end_by_artim(self):
        other = secured(self.root / "slow", self.authority, self.server, "--set",
                        "dicom.artim_timeout_s=3")
        hello = self.client_hello()
        slow = []
        try:
            for number in range(120):
                one = socket.create_connection(("127.0.0.1", other.tls_port), timeout=30)
                one.sendall(hello[:number % len(hello)])
                slow.append(one)
            whole = socket.create_connection(("127.0.0.1", other.tls_port), timeout=30)
            whole.sendall(hello)  # and then nothing: our answer waits for an end that does not come
            slow.append(whole)
            for _ in range(5):
                self.dcmtk("echoscu", *self.with_client, port=other.tls_port)
            for one in slow:
                with contextlib.suppress(ConnectionError):
                    while one.recv(65536):
                        pass
            self.assertIn("dropped before TLS was agreed on", other.log_text())
            self.dcmtk("echoscu", *self.with_client, port=other.tls_port)
        finally:
            for one in slow:
                one.close()
            self.assertEqual(other.stop(), 0)

    @staticmethod
    def client_hello():
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        with contextlib.suppress(ssl.SSLWantReadError):
            certificates.client().wrap_bio(incoming, outgoing).do_handshake()
        return outgoing.read()

    def test_rubbish_is_closed_and_costs_nobody_anything(self):
        hello = self.client_hello()
        for rubbish in (b"\0" * 100, b"\x16\3\1\xff\xff" + b"\xff" * 70000, b"GET / HTTP/1.0\r\n\r\n",
                        hello[:60] + b"\xff" * (len(hello) - 60), hello + hello):
            with socket.create_connection(("127.0.0.1", self.node.tls_port), timeout=10) as one:
                with contextlib.suppress(ConnectionError):
                    one.sendall(rubbish)
                    while one.recv(65536):
                        pass
        self.good_client_is_served()

    def test_certificates_are_read_again_on_sighup(self):
        folder = self.folder()
        words = folder / "node.key", folder / "node.pem"

        def put(pair):
            for source, target in zip(pair, words):
                shutil.copy(source, target)

        def name_of():
            with dimse.Association(other.tls_port, secure=context) as one:
                return one.socket.getpeercert()["subject"][0][0][1]

        def reload(expected):
            before = other.log_text().count(expected)
            other.process.send_signal(signal.SIGHUP)
            for _ in range(200):
                if other.log_text().count(expected) > before:
                    return
                time.sleep(0.05)
            self.fail(other.log_text())

        put(self.server)
        shutil.copy(self.authority.ca, folder / "ca.pem")
        other = secured(folder / "archive", self.authority, words, "--set",
                        f"dicom.tls_ca={folder / 'ca.pem'}")
        context = certificates.client(self.authority.ca, self.client)
        try:
            self.assertEqual(name_of(), "server")
            with dimse.Association(other.tls_port, secure=context) as lasting:
                put(self.curve)
                reload("certificates were read again")
                self.assertEqual(name_of(), "curve")
                words[0].write_text("no key", encoding="ascii")
                reload("certificates stay as they were")
                self.assertEqual(name_of(), "curve")
                for path in (*words, folder / "ca.pem"):  # a FIFO keeps nobody waiting
                    put(self.server)
                    path.unlink()
                    os.mkfifo(path)
                    reload("it is no file")
                    path.unlink()
                    shutil.copy(self.authority.ca, folder / "ca.pem")
                self.assertEqual(name_of(), "curve")
                put(self.server)
                reload("certificates were read again")
                self.assertEqual(name_of(), "server")
                lasting.echo()
        finally:
            self.assertEqual(other.stop(), 0)

    def test_both_sockets_may_come_from_a_service_manager(self):
        folder = self.folder()
        (folder / "empty.cfg").touch()
        settings = [f"--set=dicom.tls_{name}={path}" for name, path in (
            ("key", self.server[0]), ("certificate", self.server[1]), ("ca", self.authority.ca))]
        with socket.create_server(("127.0.0.1", 0)) as plain, \
                socket.create_server(("127.0.0.1", 0)) as secure:
            process = node.subprocess.Popen(
                ["/bin/sh", "-c", 'exec 3<&"$0" 4<&"$1"; shift; LISTEN_PID=$$ exec "$@"', str(plain.fileno()),
                 str(secure.fileno()), node.MURPACS, "serve", "--config", str(folder / "empty.cfg"),
                 "--data-dir", str(folder / "archive"), *settings],
                pass_fds=[plain.fileno(), secure.fileno()], stdout=node.subprocess.PIPE,
                stderr=node.subprocess.DEVNULL, text=True,
                env={**node.ENVIRONMENT, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "dicom:dicom-tls"})
            try:
                lines = [process.stdout.readline() for _ in range(3)]
                self.assertIn(f"by TLS at 127.0.0.1 port {secure.getsockname()[1]}\n", lines[2])
                dimse.Association(plain.getsockname()[1]).release()
                context = certificates.client(self.authority.ca, self.client)
                dimse.Association(secure.getsockname()[1], secure=context).release()
            finally:
                process.terminate()
                process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0)

    def test_a_receiver_that_takes_no_more_does_not_keep_the_node_from_ending(self):
        folder = self.folder()
        uid = f"{UID}9.1.1"
        image = dimse.image(UID + "9", UID + "9.1", uid, rows=4096, columns=4096, pixels=bytes(32 << 20))
        (folder / "large.dcm").write_bytes(dimse.part10(image, dimse.CT_IMAGE, uid))
        other = secured(folder / "archive", self.authority, self.server)
        address = f"MURPACS@127.0.0.1:{other.tls_port}"
        node.murpacs("store", address, *self.with_client, folder / "large.dcm")
        receiver = node.subprocess.Popen(
            [str(word) for word in (node.MURPACS, "get", address, *self.with_client, "-od", folder / "out",
                                    "-k", f"StudyInstanceUID={UID}9")],
            stdout=node.subprocess.DEVNULL, stderr=node.subprocess.DEVNULL)
        try:
            while receiver.poll() is None and sum(
                    path.stat().st_size for path in (folder / "out").glob("*")) < 1 << 20:
                time.sleep(0.001)
            receiver.send_signal(signal.SIGSTOP)
            self.assertEqual(other.stop(), 0)
        finally:
            receiver.send_signal(signal.SIGCONT)
            receiver.wait(timeout=60)

    def test_a_node_that_stops_ends_associations_by_tls(self):
        other = secured(self.folder() / "archive", self.authority, self.server)
        context = certificates.client(self.authority.ca, self.client)
        idle = dimse.Association(other.tls_port, secure=context)
        try:
            self.assertEqual(other.stop(), 0)
            self.assertEqual(idle.read_pdu()[0], 7)  # A-ABORT
        finally:
            idle.close()


if __name__ == "__main__":
    unittest.main()
