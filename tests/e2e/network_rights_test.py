#!/usr/bin/python3
"""Who may do what, from where, and what is said when a node cannot start."""
import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import unittest

import dimse
import node

UID = "1.2.826.0.1.3680043.10.1502."
SERVICES = (dimse.VERIFICATION, dimse.CT_IMAGE, dimse.STUDY_FIND, dimse.STUDY_MOVE, dimse.STUDY_GET)
ECHO, STORE = {dimse.VERIFICATION}, {dimse.CT_IMAGE}
ASK = {dimse.STUDY_FIND, dimse.STUDY_MOVE, dimse.STUDY_GET}
PEERS = ", ".join(
    f'{{ ae_title = "{name}"; host = "{host}"; port = 104; rights = "{rights}"; }}'
    for name, host, rights in (("READER", "127.0.0.1", "r"), ("WRITER", "127.0.0.1", "w"),
                               ("BOTH", "localhost", "rw"), ("NEITHER", "127.0.0.1", ""),
                               ("ELSEWHERE", "192.0.2.1", "rw")))
STUDY_KEYS = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={UID}1")


def allowed(port, calling):
    """The services that are accepted from an AE title."""
    contexts = [(uid, (dimse.EXPLICIT,)) for uid in SERVICES]
    with dimse.Association(port, contexts, calling=calling) as association:
        return {uid for uid in SERVICES if association.accepted(uid)}


def answers(address, port):
    """Whether anybody listens there."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=2):
        return True
    return False


class RightsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.folder.name)
        cls.image = cls.root / "image.dcm"
        data_set = dimse.image(UID + "1", UID + "1.1", UID + "1.1.1", rows=16, columns=16,
                               pixels=bytes(512))
        cls.image.write_bytes(dimse.part10(data_set, dimse.CT_IMAGE, UID + "1.1.1"))
        cls.node = node.Node(cls.root / "archive", "--set", "dicom.unknown_peers=w", peers=PEERS)
        cls.node.store(cls.image)

    @classmethod
    def tearDownClass(cls):
        code = cls.node.stop()
        cls.folder.cleanup()
        assert code == 0, code

    def test_each_peer_has_the_rights_of_its_line(self):
        for calling, expected in (("STRANGER", ECHO | STORE), ("READER", ECHO | ASK),
                                  ("WRITER", ECHO | STORE), ("BOTH", ECHO | STORE | ASK),
                                  ("NEITHER", ECHO)):
            with self.subTest(calling):
                self.assertEqual(allowed(self.node.port, calling), expected)

    def test_a_listed_title_from_another_host_is_a_stranger(self):
        self.assertEqual(allowed(self.node.port, "ELSEWHERE"), ECHO | STORE)
        self.assertIn("its AE title is listed with another host", self.node.log_text())

    def test_a_stranger_stores_but_neither_asks_nor_fetches(self):
        where = ("-aec", "MURPACS", "-aet", "STRANGER", "127.0.0.1", self.node.port)
        self.assertTrue(self.node.echo()[0])
        self.node.store(self.image, options=("-aet", "STRANGER"))
        with self.assertRaises(AssertionError):
            self.node.find("StudyInstanceUID")
        folder = self.root / "stranger"
        folder.mkdir()
        node.run("getscu", "-S", "-od", folder, *STUDY_KEYS, *where, check=False)
        self.assertEqual(list(folder.iterdir()), [])
        done = node.run("movescu", "-S", "-aem", "SINK", *STUDY_KEYS, *where, check=False)
        self.assertNotEqual(done.returncode, 0)

    def test_a_reader_asks_and_fetches_but_does_not_store(self):
        where = ("-aec", "MURPACS", "-aet", "READER", "127.0.0.1", self.node.port)
        folder = self.root / "reader"
        folder.mkdir()
        node.run("getscu", "-S", "+B", "-od", folder, *STUDY_KEYS, *where)
        self.assertEqual(len(list(folder.iterdir())), 1)
        done = self.node.store(self.image, options=("-aet", "READER"), check=False)
        self.assertNotEqual(done.returncode, 0)

    def test_an_unknown_destination_is_answered_a801_and_the_known_ones_are_logged(self):
        identifier = dimse.element(0x00080052, "CS", "STUDY") + dimse.element(0x0020000D, "UI",
                                                                              UID + "1")
        contexts = [(dimse.STUDY_MOVE, (dimse.EXPLICIT,))]
        with dimse.Association(self.node.port, contexts, calling="BOTH") as association:
            command, _ = association.retrieve(dimse.STUDY_MOVE, dimse.C_MOVE, identifier,
                                              MoveDestination="NOWHERE")
            self.assertEqual(command[0x0900], 0xA801)
        log = self.node.log_text()
        self.assertIn('unknown move destination "NOWHERE"', log)
        known = next(line for line in log.splitlines() if "known destinations" in line)
        self.assertIn(f"SINK at 127.0.0.1 port {self.node.sink_port}", known)
        self.assertIn("READER at 127.0.0.1 port 104", known)

    def test_another_called_title_is_rejected_only_where_it_is_checked(self):
        dimse.Association(self.node.port, called="SOMEBODY").release()
        with node.serving(self.root / "strict", "--set", "dicom.check_called_ae_title=true",
                          "--set", "node.ae_title=MOUSE_PACS") as strict:
            with self.assertRaises(dimse.Refused) as refused:
                dimse.Association(strict.port, called="MURPACS")
            self.assertEqual(refused.exception.args, (1, 1, 7))  # called AE title not recognized
            dimse.Association(strict.port, called="MOUSE_PACS").release()

    def test_it_listens_at_the_address_it_was_given_and_no_other(self):
        others = {found[4][0] for found in socket.getaddrinfo(socket.gethostname(), None)
                  if found[4][0] not in ("127.0.0.1", "127.0.0.2")}
        self.assertTrue(answers("127.0.0.1", self.node.port))
        for address in ("127.0.0.2", "::1", *others):
            self.assertFalse(answers(address, self.node.port), address)
        with node.serving(self.root / "second", "--set", "dicom.bind=127.0.0.2") as second:
            self.assertTrue(answers("127.0.0.2", second.port))
            for address in ("127.0.0.1", "::1", *others):
                self.assertFalse(answers(address, second.port), address)


class ActivationTest(unittest.TestCase):
    """The socket comes from a service manager (sd_listen_fds(3))."""

    def serve(self, root, listener, names):
        """The process, started with the socket as descriptor 3, and its first lines."""
        configuration = root / "empty.cfg"
        configuration.touch()
        environment = {**node.ENVIRONMENT, "LISTEN_FDS": "1", **names}
        process = subprocess.Popen(
            ["/bin/sh", "-c", 'exec 3<&"$0"; LISTEN_PID=$$ exec "$@"', str(listener.fileno()),
             node.MURPACS, "serve", "--config", str(configuration), "--data-dir",
             str(root / "archive"), "--set", "dicom.port=0"], pass_fds=[listener.fileno()],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        said = ""
        for line in process.stdout:
            said += line
            if "serving" in line:
                break
        return process, said

    def end(self, process):
        process.terminate()
        error = process.communicate(timeout=30)[1]
        return process.returncode, error

    def test_the_socket_that_was_given_is_used(self):
        for names in ({}, {"LISTEN_FDNAMES": "dicom"}, {"LISTEN_FDNAMES": "murpacs.socket"}):
            with self.subTest(names), tempfile.TemporaryDirectory() as folder, \
                    socket.create_server(("127.0.0.1", 0)) as listener:
                port = listener.getsockname()[1]
                process, said = self.serve(pathlib.Path(folder), listener, names)
                self.assertIn(f"127.0.0.1 port {port}\n", said)
                dimse.Association(port).release()
                self.assertEqual(self.end(process)[0], 0)

    def test_a_socket_of_another_name_is_refused(self):
        with tempfile.TemporaryDirectory() as folder, \
                socket.create_server(("127.0.0.1", 0)) as listener:
            process, said = self.serve(pathlib.Path(folder), listener, {"LISTEN_FDNAMES": "web"})
            self.assertEqual(said, "")
            code, error = self.end(process)
            self.assertGreater(code, 0)
            self.assertIn('named "dicom"', error)


class CannotStartTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        self.configuration = self.root / "empty.cfg"
        self.configuration.touch()

    def refused(self, data_dir, *options, program=None, user=None):
        """What `serve` says when it ends at once with a failure."""
        done = subprocess.run(
            [program or node.MURPACS, "serve", "--config", str(self.configuration), "--data-dir",
             str(data_dir), "--set", "dicom.port=0", *options], capture_output=True, text=True,
            timeout=60, check=False, user=user, env=node.ENVIRONMENT)
        self.assertGreater(done.returncode, 0)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_a_port_in_use_is_named(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            said = self.refused(self.root / "archive", "--set", f"dicom.port={port}")
        self.assertIn(str(port), said)
        self.assertIn("127.0.0.1", said)

    def test_an_address_of_no_interface_is_named(self):
        self.assertIn("192.0.2.1", self.refused(self.root / "archive", "--set",
                                                "dicom.bind=192.0.2.1"))

    def test_a_public_address_without_peers_is_refused_until_somebody_says_so(self):
        said = self.refused(self.root / "archive", "--set", "dicom.bind=0.0.0.0")
        for remedy in ("peers", 'dicom.unknown_peers = ""', "dicom.promiscuous = true"):
            self.assertIn(remedy, said)
        self.refused(self.root / "archive", "--set", "dicom.bind=::")
        for number, option in enumerate(("dicom.unknown_peers=", "dicom.promiscuous=true")):
            with self.subTest(option):
                self.assertTrue(self.starts(self.root / f"archive{number}", option))

    def starts(self, data_dir, option):
        process = subprocess.Popen(
            [node.MURPACS, "serve", "--config", str(self.configuration), "--data-dir", str(data_dir),
             "--set", "dicom.port=0", "--set", "dicom.bind=0.0.0.0", "--set", option],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=node.ENVIRONMENT)
        said = next((line for line in process.stdout if "serving" in line), "")
        process.terminate()
        process.wait(timeout=30)
        process.stdout.close()
        return "serving" in said

    def test_a_file_in_the_way_is_named_and_stays(self):
        in_the_way = self.root / "file"
        in_the_way.write_text("mine", encoding="ascii")
        self.assertIn(str(in_the_way), self.refused(in_the_way))
        self.assertIn(str(in_the_way), self.refused(in_the_way / "archive"))
        archive = self.root / "archive"
        archive.mkdir()
        (archive / "objects").write_text("mine", encoding="ascii")
        self.assertIn(str(archive / "objects"), self.refused(archive))
        self.assertEqual({path.read_text(encoding="ascii")
                          for path in (in_the_way, archive / "objects")}, {"mine"})

    def test_a_folder_that_may_not_be_written_is_named(self):
        program = self.root / "murpacs"
        shutil.copy(node.MURPACS, program)
        self.root.chmod(0o755)
        archive = self.root / "archive"
        archive.mkdir(mode=0o755)
        nobody = 65534 if os.geteuid() == 0 else None
        if nobody is None:
            archive.chmod(0o555)
        said = self.refused(archive, program=str(program), user=nobody)
        self.assertIn(str(archive), said)
        self.assertIn("ermission denied", said)
        self.assertEqual(list(archive.iterdir()), [])
        said = self.refused(archive / "below", program=str(program), user=nobody)
        self.assertIn(str(archive / "below"), said)


if __name__ == "__main__":
    unittest.main()
