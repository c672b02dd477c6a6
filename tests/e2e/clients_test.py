#!/usr/bin/python3
"""The clients' manners: keys and query files of DCMTK, addresses, exit codes, what is shown on a terminal
and what is not."""
import json
import os
import pathlib
import pty
import select
import socket
import subprocess
import tempfile
import unittest

import dimse
import node

UID = "1.2.826.0.1.3680043.10.1512."


def lines_of(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


class Case(unittest.TestCase):
    OPTIONS = ()

    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.root = pathlib.Path(temporary.name)
        cls.node = node.Node(cls.root / "archive", *cls.OPTIONS)
        cls.addClassCleanup(cls.node.stop)
        cls.address = f"MURPACS@127.0.0.1:{cls.node.port}"

    def folder(self, study, count, more=b"", patient="P1"):
        folder = self.root / f"in{study}{patient}"
        folder.mkdir()
        for number in range(1, count + 1):
            instance = f"{UID}{study}.1.{number}"
            (folder / f"{number}.dcm").write_bytes(dimse.part10(
                dimse.image(UID + str(study), f"{UID}{study}.1", instance, number=number, more=more,
                            patient=patient), dimse.CT_IMAGE, instance))
        return folder


class Keys(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for study, step in ((1, "STEP1"), (2, "STEP2")):
            more = dimse.sequence(0x00400275, dimse.element(0x00400009, "SH", step))
            node.murpacs("store", cls.address,
                         cls.folder(cls, study, 2, more=more, patient=f"M{study}"))

    def dump2dcm(self, text):
        dump, query = self.root / "query.txt", self.root / "query.dcm"
        dump.write_text(text, encoding="ascii")
        node.run("dump2dcm", "-F", dump, query)
        return query

    def find(self, *words):
        return sorted(answer["00100020"]["Value"][0] for answer in lines_of(node.murpacs(
            "find", self.address, "-r", "PatientID", "--json", *words)))

    def test_names_tags_and_items_are_written_as_for_findscu(self):
        for keys in (("-k", "PatientID=M2"), ("-k", "(0010,0020)=M2"), ("-k", "0010,0020=M2"),
                     ("-m", "00100020=M2"), ("-L", "STUDY", "-k", f"StudyInstanceUID={UID}2")):
            with self.subTest(keys=keys):
                self.assertEqual(self.find(*keys), ["M2"])
        self.assertEqual(self.find("-k", "PatientID=M*"), ["M1", "M2"])
        for key in ("(0040,0275)[0].(0040,0009)=STEP2",
                    "RequestAttributesSequence[0].ScheduledProcedureStepID=STEP2",
                    "0040,0275[0].ScheduledProcedureStepID=STEP?2", "(0040,0275)[0].0040,0009=*2"):
            with self.subTest(key=key):
                wanted = ["M2"] if "?" not in key else []
                self.assertEqual(self.find("-L", "SERIES", "-k", key), wanted)
                if "?" not in key:  # findscu, with the words that it knows
                    theirs = self.node.find("PatientID", "SeriesInstanceUID", key, level="SERIES")
                    self.assertEqual([str(one.PatientID) for one in theirs], wanted)

    def test_query_files_of_dump2dcm_are_taken_and_keys_go_on_top(self):
        query = self.dump2dcm("(0008,0052) CS STUDY\n(0010,0020) LO [M1]\n(0010,0010) PN\n")
        answer, = lines_of(node.murpacs("find", self.address, query, "--json"))
        self.assertEqual(answer["00100020"]["Value"], ["M1"])
        self.assertEqual(self.find(query, "-k", "PatientID=M2"), ["M2"])
        self.assertEqual(lines_of(node.murpacs("find", self.address, query, query, "--json")),
                         [answer, answer])
        query = self.dump2dcm(f"(0008,0052) CS SERIES\n(0020,000d) UI [{UID}2]\n"
                              "(0040,0275) SQ (Sequence with explicit length #=1)\n"
                              "(fffe,e000) na (Item with explicit length #=1)\n"
                              "(0040,0009) SH [STEP2]\n(fffe,e00d) na\n(fffe,e0dd) na\n"
                              "(0010,0020) LO\n")
        self.assertEqual(self.find(query), ["M2"])

    def test_query_files_say_what_to_fetch(self):
        query = self.dump2dcm(f"(0008,0052) CS STUDY\n(0020,000d) UI [{UID}1]\n")
        node.murpacs("get", self.address, query, "-od", self.root / "got")
        self.assertEqual(sorted(path.name for path in (self.root / "got").iterdir()),
                         [f"{UID}1.1.1.dcm", f"{UID}1.1.2.dcm"])

    def test_a_date_and_a_time_are_matched_as_one_when_that_is_said(self):
        # All studies are of 29 February 2024, 10:15.
        words = ("-k", "StudyDate=20240228-20240301", "-k", "StudyTime=120000-130000")
        self.assertEqual(self.find(*words), [])
        self.assertEqual(self.find(*words, "--combined"), ["M1", "M2"])
        self.assertEqual(self.find("-k", "StudyDate=20240228-20240229", "-k",
                                   "StudyTime=2200-1100"), ["M1", "M2"])


class Addresses(Case):
    def test_a_peer_of_the_configuration_is_enough_of_an_address(self):
        configuration = self.root / "me.cfg"
        configuration.write_text('node: { ae_title = "ME"; };\npeers = ({ ae_title = "MURPACS"; host = '
                                 f'"127.0.0.1"; port = {self.node.port}; rights = "r"; }});',
                                 encoding="utf-8")
        for command, *words in (("echo",), ("find",), ("store", self.folder(1, 1))):
            with self.subTest(command=command):
                node.murpacs(command, "MURPACS", *words, "--config", configuration)
        self.assertIn("association from ME", self.node.log_text())

    @unittest.skipUnless(has_ipv6(), "there is no IPv6")
    def test_ipv6_is_spoken_in_every_direction(self):
        port = node.free_port()
        other = node.Node(self.root / "six", "--set", "dicom.bind=::1", peers=(
            f'{{ ae_title = "LANDING"; host = "::1"; port = {port}; rights = "rw"; }}'))
        try:
            node.murpacs("echo", "::1", other.port)
            address = f"MURPACS@[::1]:{other.port}"
            node.murpacs("store", address, self.folder(6, 2))
            node.murpacs("get", address, "-od", self.root / "got6", "-k", f"StudyInstanceUID={UID}6")
            node.murpacs("move", address, "-aet", "LANDING", "-od", self.root / "moved6", "--port", port,
                         "--bind", "::1", "-k", f"StudyInstanceUID={UID}6")
            for name in ("got6", "moved6"):
                self.assertEqual(len(list((self.root / name).iterdir())), 2)
        finally:
            other.stop()


class ExitCodes(Case):
    """DCMTK's table, as the man page lists it; 52 and 61 of a report: stopping_test, commit_test."""

    def code(self, code, *words, says=""):
        done = node.murpacs(*words, check=False, timeout=60)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertIn(says, done.stderr)
        return done

    def test_0_is_success(self):
        self.code(0, "store", self.address, self.folder(1, 2))
        self.code(0, "find", self.address, "-k", "PatientID=NOBODY", says="nothing matches")

    def test_1_is_for_the_command_line(self):
        self.code(1, "store", self.address)
        self.code(1, "get", self.address, "-od", self.root, "-k", "StudyInstanceUID=1.2",
                  "--max-objects", "-1", says="not negative")

    def test_20_to_22_are_for_inputs(self):
        self.code(21, "store", self.address, self.root / "absent")
        damaged = self.root / "state"
        damaged.write_text("no state", encoding="ascii")
        self.code(22, "store", self.address, "--state", damaged, self.folder(2, 1),
                  says="no state file of this program")
        good = self.folder(9, 1)
        self.code(22, "store", self.address, good / "1.dcm", self.root / "absent")

    def test_40_is_for_outputs(self):
        self.code(40, "get", self.address, "-od", "/dev/null/x", "-k", "StudyInstanceUID=1.2")
        node.murpacs("store", self.address, self.folder(3, 2))
        done = self.code(40, "get", self.address, "-od", self.root / "full", "--keep-free",
                         "2000000000", "-k", f"StudyInstanceUID={UID}3", says="are free")
        self.assertEqual(list((self.root / "full").iterdir()), [], done)

    def test_60_61_and_66_are_for_the_network(self):
        self.code(60, "echo", "127.0.0.1", node.free_port())
        with socket.create_server(("127.0.0.1", 0)) as silent:
            self.code(61, "echo", "127.0.0.1", silent.getsockname()[1], "-ta", "1", says="-ta")
        strict = node.Node(self.root / "strict", "--set", "dicom.unknown_peers=w")
        try:
            self.code(66, "find", f"MURPACS@127.0.0.1:{strict.port}")
            self.code(66, "move", f"MURPACS@127.0.0.1:{strict.port}", "-k", "StudyInstanceUID=1.2")
        finally:
            strict.stop()

    def test_68_is_not_all_and_69_nothing(self):
        node.murpacs("store", self.address, self.folder(4, 1))
        (self.root / "in4P1" / "1.dcm").rename(self.root / "kept.dcm")
        (self.root / "in4P1").rmdir()
        other = self.folder(4, 2, more=dimse.element(0x00280030, "DS", "1\\1"))  # 1 is there, with less
        done = self.code(68, "store", self.address, other, says="0111")
        self.assertIn("1 object stored", done.stdout)
        self.code(69, "store", self.address, other / "1.dcm", says="0111")
        self.code(69, "move", self.address, "-aem", "NOWHERE", "-k", f"StudyInstanceUID={UID}4",
                  says="A801")

    def test_an_existing_file_with_another_content_is_kept(self):
        node.murpacs("store", self.address, self.folder(5, 2))
        into, words = self.root / "into", ("-k", f"StudyInstanceUID={UID}5")
        into.mkdir()
        (into / f"{UID}5.1.1.dcm").write_bytes(b"mine")
        done = self.code(40, "get", self.address, "-od", into, *words, says="--overwrite")
        self.assertIn("0111", done.stdout + done.stderr + self.node.log_text())
        self.assertEqual((into / f"{UID}5.1.1.dcm").read_bytes(), b"mine")
        self.assertTrue((into / f"{UID}5.1.2.dcm").is_file())
        self.code(0, "get", self.address, "-od", into, *words, "--overwrite")
        self.assertGreater((into / f"{UID}5.1.1.dcm").stat().st_size, 100)
        done = self.code(0, "get", self.address, "-od", into, *words, "--json")
        self.assertEqual([one.get("existed") for one in lines_of(done)[:-1]], [True, True])


class Shown(Case):
    def on_terminal(self, *words):
        """What `murpacs` writes to a terminal on stderr."""
        try:
            own, its = pty.openpty()
        except OSError as error:
            self.skipTest(f"no terminal can be made here: {error}")
        with subprocess.Popen([node.MURPACS, *map(str, words)], stderr=its, stdout=subprocess.DEVNULL,
                              env=node.ENVIRONMENT) as process:
            os.close(its)
            shown = b""
            while select.select([own], [], [], 60)[0]:
                try:
                    piece = os.read(own, 65536)
                except OSError:
                    break  # the other end is closed
                if not piece:
                    break
                shown += piece
            os.close(own)
        self.assertEqual(process.returncode, 0, shown)
        return shown.decode()

    def test_a_terminal_shows_how_far_how_fast_and_how_long(self):
        folder = self.folder(1, 500)
        shown = self.on_terminal("store", self.address, folder)
        self.assertRegex(shown, r"store  \d+/500  \d+ %  [0-9.]+/s  \d+ s left")
        self.assertTrue(shown.endswith("\r\033[K"), shown[-80:])  # wiped in the end
        self.assertNotIn("store  ", self.on_terminal("store", "-q", self.address, folder))
        self.assertNotIn("store  ", self.on_terminal("store", "--json", self.address, folder))
        self.assertRegex(self.on_terminal("get", self.address, "-od", self.root / "got", "-k",
                                          f"StudyInstanceUID={UID}1"), r"get  \d+/500  \d+ %  [0-9.]+/s")

    def test_what_is_no_terminal_sees_results_only(self):
        done = node.murpacs("store", self.address, self.folder(2, 30))
        self.assertEqual((done.stderr, done.stdout.count("\n")), ("", 1))
        self.assertNotIn("\033", done.stdout)

    def test_every_client_has_lines_of_json(self):
        folder = self.folder(3, 2)
        query = ("-k", f"StudyInstanceUID={UID}3")
        for command, *words in (("echo",), ("store", folder), ("find", *query),
                                ("get", "-od", self.root / "json", *query),
                                ("move", "-aem", "NOWHERE", *query),
                                ("commit", folder, "--port", 0, "--wait", 1)):
            with self.subTest(command=command):
                done = node.murpacs(command, self.address, *words, "--json", check=False)
                self.assertTrue(lines_of(done), done.stderr)


if __name__ == "__main__":
    unittest.main()
