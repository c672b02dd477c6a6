#!/usr/bin/python3
"""The clients (echo, store, find, move, get) against our node and against DCMTK's storescp and
dcmqrscp, who know nothing of us."""
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import zlib

import numpy
import pydicom

import node

DICOM = node.TESTDATA / "dicom"
PHANTOM = pathlib.Path(os.environ["MURPACS_PHANTOM_DATA"])
NAMES = ("CT_small.dcm", "MR_small.dcm", "image_dfl.dcm", "two_slices_0.dcm", "two_slices_1.dcm")


def objects_into(folder):
    """A folder of objects in several transfer syntaxes (each UID once); those of the phantom alone
    where there is no test data. Returns {UID: digest and length of the Data Set}."""
    folder.mkdir()
    if DICOM.is_dir():
        for name in NAMES:
            shutil.copy(DICOM / name, folder)
        # One image in five encodings: made five images.
        for number, name in enumerate(("MR_small_RLE", "MR_small_bigendian", "MR_small_implicit",
                                       "MR_small_jpeg_ls_lossless")):
            one = pydicom.dcmread(DICOM / f"{name}.dcm")
            one.SOPInstanceUID += f".{number}"
            one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
            one.save_as(folder / f"{name}.dcm")
    phantom = sorted(PHANTOM.rglob("*.dcm"))[:6]
    (folder / "phantom").mkdir()
    for path in phantom:
        shutil.copy(path, folder / "phantom")
    (folder / "notes.txt").write_text("no object", encoding="utf-8")
    return by_uid(folder)


def by_uid(folder):
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.is_file() and path.suffix != ".txt":
            data = node.data_set_bytes(path)
            head = pydicom.filereader.read_file_meta_info(path)
            if head.TransferSyntaxUID == pydicom.uid.DeflatedExplicitVRLittleEndian:
                data = zlib.decompressobj(-15).decompress(data)  # its end may be padded
            found[str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)] = (
                hashlib.sha256(data).hexdigest(), len(data))
    return found


def lines_of(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


@contextlib.contextmanager
def running(*command, port):
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env=node.ENVIRONMENT)
    try:
        node.wait_for_port(port)
        yield process
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def storescp(folder, *options):
    folder.mkdir(exist_ok=True)
    port = node.free_port()
    with running("storescp", "-aet", "SINK", "-od", folder, *options, port, port=port):
        yield f"SINK@127.0.0.1:{port}"


@contextlib.contextmanager
def dcmqrscp(root, **destinations):
    """DCMTK's archive; destinations of its C-MOVE by AE title and port."""
    port = node.free_port()
    (root / "db").mkdir()
    hosts = "\n".join(f"{name.lower()} = ({name}, 127.0.0.1, {where})"
                      for name, where in destinations.items())
    (root / "dcmqrscp.cfg").write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\n{hosts}\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nQR {root / 'db'} RW (200, 1024mb) ANY\nAETable END\n", encoding="utf-8")
    with running("dcmqrscp", "-c", root / "dcmqrscp.cfg", port=port):
        yield f"QR@127.0.0.1:{port}"


class Case(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.temporary.name)

    def tearDown(self):
        self.temporary.cleanup()


class AgainstOurNode(Case):
    def setUp(self):
        super().setUp()
        self.sent = objects_into(self.root / "in")
        self.node = node.Node(self.root / "archive")
        self.address = f"MURPACS@127.0.0.1:{self.node.port}"

    def tearDown(self):
        self.node.stop()
        super().tearDown()

    def fill(self):
        node.murpacs("store", self.address, self.root / "in")

    def test_echo_in_every_way_to_name_a_peer(self):
        done = node.murpacs("echo", "127.0.0.1", self.node.port, "-aec", "MURPACS", "-aet", "ME")
        self.assertIn("answers", done.stdout)
        node.murpacs("echo", "-c", self.address)
        configuration = self.root / "me.cfg"
        configuration.write_text('peers = ({ ae_title = "NODE"; host = "127.0.0.1"; port = %d; '
                                 'rights = "r"; });' % self.node.port, encoding="utf-8")
        done = node.murpacs("echo", "NODE", "--config", configuration, "--json", "--repeat", "3")
        answer = json.loads(done.stdout)
        self.assertEqual((answer["status"], answer["count"], answer["aeTitle"]),
                         ("0000", 3, "NODE"))

    def test_a_folder_comes_back_byte_by_byte_in_every_syntax(self):
        done = node.murpacs("store", self.address, self.root / "in", "-j", "4", "--json")
        files = lines_of(done)
        summary = files.pop()["summary"]
        self.assertEqual(summary["stored"], len(self.sent))
        self.assertEqual(summary["skipped"], 1)
        for one in files:
            if one["outcome"] == "stored":
                self.assertEqual(one["sentAs"], one["transferSyntax"])
        found = lines_of(node.murpacs("find", self.address, "--json"))
        got = {}
        for number, study in enumerate(found):
            folder = self.root / f"out{number}"
            done = node.murpacs("get", self.address, "-od", folder, "-k",
                                f"StudyInstanceUID={study['0020000D']['Value'][0]}", "--json")
            self.assertEqual(lines_of(done)[-1]["status"], "0000")
            got.update(by_uid(folder))
            self.assertEqual({path.name for path in folder.iterdir()},
                             {uid + ".dcm" for uid in by_uid(folder)})
        self.assertEqual(got, self.sent)

    def test_queries_at_every_level_find_what_findscu_finds(self):
        self.fill()
        for level, model, key, keyword in (("PATIENT", "-P", "00100020", "PatientID"),
                                           ("STUDY", "-S", "0020000D", "StudyInstanceUID"),
                                           ("SERIES", "-S", "0020000E", "SeriesInstanceUID"),
                                           ("IMAGE", "-P", "00080018", "SOPInstanceUID")):
            with self.subTest(level=level):
                theirs = sorted(str(one.get(keyword, ""))
                                for one in self.node.find(keyword, model=model, level=level))
                done = node.murpacs("find", self.address, model, "-L", level, "-r", keyword,
                                    "--json")
                ours = sorted((one[key].get("Value") or [""])[0] for one in lines_of(done))
                self.assertEqual(ours, theirs)
                done = node.murpacs("find", self.address, model, "-L", level, "-r", keyword)
                self.assertEqual(done.stdout.splitlines()[0], keyword)
                self.assertEqual(sorted(line.strip() for line in done.stdout.splitlines()[1:]),
                                 theirs)

    def test_keys_narrow_and_query_files_carry_them(self):
        self.fill()
        modality = {str(pydicom.dcmread(path, stop_before_pixels=True).Modality)
                    for path in (self.root / "in").rglob("*.dcm")}
        for one in sorted(modality):
            done = node.murpacs("find", self.address, "-k", "SeriesInstanceUID",
                                "-m", f"Modality={one}", "--json")
            self.assertEqual({answer["00080060"]["Value"][0] for answer in lines_of(done)}, {one})
        query = pydicom.Dataset()
        query.file_meta = pydicom.dataset.FileMetaDataset()
        query.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        query.is_little_endian, query.is_implicit_VR = True, False
        query.SOPInstanceUID = next(iter(self.sent))
        query.QueryRetrieveLevel, query.PatientID = "IMAGE", ""
        query.save_as(self.root / "query.dcm", write_like_original=True)
        done = node.murpacs("find", self.address, self.root / "query.dcm", "--json")
        self.assertEqual([one["00080018"]["Value"] for one in lines_of(done)],
                         [[next(iter(self.sent))]])

    def test_names_in_any_script_are_sent_and_shown(self):
        one = pydicom.dcmread(sorted((self.root / "in").rglob("*.dcm"))[0])
        one.SpecificCharacterSet = "ISO_IR 100"
        one.PatientName, one.PatientID = "Mäuschen^Jörg", "UML"
        one.StudyInstanceUID, one.SOPInstanceUID = "1.2.3.999", "1.2.3.999.1"
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
        one.save_as(self.root / "umlaut.dcm")
        node.murpacs("store", self.address, self.root / "umlaut.dcm")
        done = node.murpacs("find", self.address, "-k", "PatientName=MÄUSCHEN*")
        self.assertIn("Mäuschen^Jörg", done.stdout)
        done = node.murpacs("find", self.address, "-k", "PatientName=Mäusch*", "--json")
        self.assertEqual(lines_of(done)[0]["00100010"]["Value"],
                         [{"Alphabetic": "Mäuschen^Jörg"}])
        one.SpecificCharacterSet = "ISO_IR 192"
        one.PatientName, one.PatientID = "Yamada^Tarou=山田^太郎=やまだ^たろう", "JPN"
        one.StudyInstanceUID, one.SOPInstanceUID = "1.2.3.998", "1.2.3.998.1"
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
        one.save_as(self.root / "groups.dcm")
        node.murpacs("store", self.address, self.root / "groups.dcm")
        for key, found in (("やまだ*", 1), ("yamada*=山*", 1), ("=山田*", 1), ("==やまだ*", 1),
                           ("yamada*=王*", 0), ("=やまだ*", 0)):
            with self.subTest(key=key):
                done = node.murpacs("find", self.address, "-k", f"PatientName={key}", "--json")
                self.assertEqual(done.stdout.count("1.2.3.998"), found)

    def test_moves_to_a_third_and_to_ourselves(self):
        self.fill()
        study = lines_of(node.murpacs("find", self.address, "--json"))[0]
        uid = study["0020000D"]["Value"][0]
        wanted = {one: data for one, data in self.sent.items() if one in {
            answer["00080018"]["Value"][0] for answer in lines_of(node.murpacs(
                "find", self.address, "-L", "IMAGE", "-k", f"StudyInstanceUID={uid}",
                "-r", "SOPInstanceUID", "--json"))}}
        sink = self.root / "sink"
        sink.mkdir()
        with running("storescp", "+B", "-aet", "SINK", "-od", sink, self.node.sink_port,
                     port=self.node.sink_port):
            done = node.murpacs("move", self.address, "-aem", "SINK", "-k",
                                f"StudyInstanceUID={uid}")
            self.assertRegex(done.stdout, rf"\b{len(wanted)} objects? moved")
        self.assertEqual(by_uid(sink), wanted)
        done = node.murpacs("move", self.address, "-aem", "SINK", "-od", self.root / "here",
                            "--port", self.node.sink_port, "-k", f"StudyInstanceUID={uid}",
                            "--json")
        self.assertEqual(json.loads(done.stdout)["completed"], len(wanted))
        self.assertEqual(by_uid(self.root / "here"), wanted)

    def test_what_the_peer_refuses_is_explained_and_has_its_exit_code(self):
        self.fill()
        uid = lines_of(node.murpacs("find", self.address, "--json"))[0]["0020000D"]["Value"][0]
        for code, word, *command in (
                (69, "move destination unknown", "move", self.address, "-aem", "NOWHERE", "-k",
                 f"StudyInstanceUID={uid}"),
                (1, "StudyInstanceUID=...", "get", self.address),
                (1, "use -P", "find", self.address, "-L", "PATIENT"),
                (1, "did you mean PatientID", "find", self.address, "-k", "PatentID=1"),
                (1, "-aet or -aec?", "echo", self.address, "--aek", "X"),
                (1, "no peer of the configuration", "echo", "MURPACS"),
                (1, "1 to 65535", "echo", "127.0.0.1", "99999"),
                (1, "1 to 16 characters", "echo", self.address, "-aet", "THIS_IS_TOO_LONG_FOR_ONE"),
                (1, "which files", "store", self.address),
                (1, "-j is between", "store", self.address, self.root / "in", "-j", "0"),
                (21, "No such file", "store", self.address, self.root / "nowhere"),
                (21, "not a DICOM file", "store", self.address, self.root / "in" / "notes.txt"),
                (60, "does the peer run", "echo", "127.0.0.1", node.free_port()),
                (60, "is the name right", "echo", "host.invalid", "104")):
            with self.subTest(command=command):
                done = node.murpacs(*command, check=False, timeout=60)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(word, done.stderr)

    def test_wrong_titles_and_missing_rights_are_explained(self):
        strict = node.Node(self.root / "strict", "--set", "dicom.check_called_ae_title=true",
                           "--set", "dicom.unknown_peers=w")
        try:
            done = node.murpacs("echo", f"OTHER@127.0.0.1:{strict.port}", check=False)
            self.assertEqual(done.returncode, 60)
            self.assertIn("called AE title not recognized", done.stderr)
            self.assertIn("-aec", done.stderr)
            done = node.murpacs("find", f"MURPACS@127.0.0.1:{strict.port}", check=False)
            self.assertEqual(done.returncode, 66)
            self.assertIn("right", done.stderr)
        finally:
            strict.stop()

    def many(self, count):
        """A folder of @count small objects."""
        folder = self.root / "many"
        folder.mkdir()
        one = pydicom.dcmread(sorted((self.root / "in").rglob("phantom/*.dcm"))[0])
        for number in range(count):
            one.SOPInstanceUID = f"1.2.3.777.{number}"
            one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
            one.save_as(folder / f"{number}.dcm")
        return folder

    def start_and_stop_in_the_middle(self, folder, state, how):
        """Signals `murpacs store` when some objects are stored; returns how many were, and its exit
        code."""
        process = subprocess.Popen(
            [node.MURPACS, "store", self.address, str(folder), "--state", str(state), "--json"],
            stdout=subprocess.PIPE, text=True, env=node.ENVIRONMENT)
        stored = 0
        for line in process.stdout:
            if json.loads(line).get("outcome") == "stored":
                stored += 1
                if stored == 10:
                    process.send_signal(how)
        process.stdout.close()
        return stored, process.wait(timeout=30)

    def test_after_a_kill_the_rest_is_sent_and_no_more(self):
        folder, state = self.many(400), self.root / "state"
        stored, code = self.start_and_stop_in_the_middle(folder, state, signal.SIGKILL)
        self.assertEqual(code, -signal.SIGKILL)
        self.assertLess(stored, 400)
        done = node.murpacs("store", self.address, folder, "--state", state, "-j", "2", "--json")
        summary = lines_of(done)[-1]["summary"]
        self.assertGreaterEqual(summary["known"], stored)
        self.assertEqual(summary["known"] + summary["stored"], 400)
        answer = lines_of(node.murpacs("find", self.address, "-r", "NumberOfStudyRelatedInstances",
                                       "--json"))
        self.assertEqual(sum(one["00201208"]["Value"][0] for one in answer), 400)
        done = node.murpacs("store", self.address, folder, "--state", state)
        self.assertIn("0 objects stored", done.stdout)
        self.assertIn("400 were known", done.stdout)
        done = node.murpacs("store", f"OTHER@127.0.0.1:{self.node.port}", folder, "--state", state,
                            check=False)
        self.assertEqual(done.returncode, 22)
        self.assertIn("a state file of its own", done.stderr)

    def test_ctrl_c_ends_between_two_objects_and_says_how_to_go_on(self):
        folder, state = self.many(400), self.root / "state"
        stored, code = self.start_and_stop_in_the_middle(folder, state, signal.SIGINT)
        self.assertEqual(code, 52)
        self.assertLess(stored, 400)
        done = node.murpacs("store", self.address, folder, "--state", state, "--json")
        self.assertEqual(lines_of(done)[-1]["summary"]["known"], stored)

    def test_a_node_that_is_restarted_meanwhile_gets_everything(self):
        folder = self.many(300)
        process = subprocess.Popen(
            [node.MURPACS, "store", self.address, str(folder), "-j", "3", "--attempts", "6",
             "--json"], stdout=subprocess.PIPE, text=True, env=node.ENVIRONMENT)
        port, data_dir = self.node.port, self.node.data_dir
        seen = 0
        for line in process.stdout:
            seen += 1
            if seen == 20:
                self.node.stop(signal.SIGKILL)
                time.sleep(0.5)
                self.node = node.Node(data_dir, "--set", f"dicom.port={port}")
        process.stdout.close()
        self.assertEqual(process.wait(timeout=60), 0)
        answer = lines_of(node.murpacs("find", self.address, "-r", "NumberOfStudyRelatedInstances",
                                       "--json"))
        self.assertEqual(sum(one["00201208"]["Value"][0] for one in answer), 300)


class AgainstDcmtk(Case):
    def setUp(self):
        super().setUp()
        self.sent = objects_into(self.root / "in")

    def test_storescp_gets_every_byte_over_several_associations(self):
        with storescp(self.root / "out", "+B", "+xa", "--fork") as sink:
            done = node.murpacs("store", sink, "+sd", "+r", self.root / "in", "-j", "4", "--json")
        self.assertEqual(lines_of(done)[-1]["summary"]["stored"], len(self.sent))
        self.assertEqual(by_uid(self.root / "out"), self.sent)

    def test_scanning_folders_without_recursion_leaves_the_inner_ones_out(self):
        with storescp(self.root / "out", "+B") as sink:
            done = node.murpacs("store", sink, "+sd", self.root / "in", check=False)
        inner = len(list((self.root / "in" / "phantom").iterdir()))
        self.assertEqual(len(list((self.root / "out").iterdir())), len(self.sent) - inner)
        self.assertIn(done.returncode, (0, 21))

    def test_a_peer_of_one_syntax_gets_the_same_pixels_decoded(self):
        with storescp(self.root / "out", "+xi") as sink:
            done = node.murpacs("store", sink, self.root / "in", "--json")
        answers = [one for one in lines_of(done) if one.get("outcome") == "stored"]
        self.assertEqual({one["sentAs"] for one in answers}, {"1.2.840.10008.1.2"})
        self.assertEqual(len(answers), len(self.sent))
        received = {pydicom.dcmread(path).SOPInstanceUID: pydicom.dcmread(path)
                    for path in (self.root / "out").iterdir()}
        compared = 0
        for path in (self.root / "in").rglob("*.dcm"):
            original = pydicom.dcmread(path)
            try:
                pixels = original.pixel_array
            except (RuntimeError, NotImplementedError, AttributeError):
                continue  # this Python has no decoder, or there are no pixels
            copy = received[original.SOPInstanceUID].pixel_array
            numpy.testing.assert_array_equal(copy, pixels, str(path))
            compared += 1
        self.assertGreater(compared, 5)

    def test_an_archive_of_dcmtk_is_filled_searched_and_emptied_again(self):
        sink_port = node.free_port()
        with dcmqrscp(self.root, SINK=sink_port) as archive:
            node.murpacs("store", archive, self.root / "in")
            found = lines_of(node.murpacs("find", archive, "--json"))
            studies = {one["0020000D"]["Value"][0] for one in found}
            self.assertEqual(len(studies), len(found))
            patients = lines_of(node.murpacs("find", archive, "-P", "--json"))
            self.assertGreaterEqual(len(found), len(patients))
            fetched, moved = {}, {}
            for number, uid in enumerate(sorted(studies)):
                node.murpacs("get", archive, "-od", self.root / f"get{number}", "-k",
                             f"StudyInstanceUID={uid}")
                fetched.update(by_uid(self.root / f"get{number}"))
                node.murpacs("move", archive, "-aet", "SINK", "-od", self.root / f"move{number}",
                             "--port", sink_port, "-k", f"StudyInstanceUID={uid}")
                moved.update(by_uid(self.root / f"move{number}"))
            self.assertEqual(set(fetched), set(self.sent))
            self.assertEqual(set(moved), set(self.sent))
            done = node.murpacs("move", archive, "-aem", "NOWHERE", "-k",
                                f"StudyInstanceUID={uid}", check=False)
            self.assertEqual(done.returncode, 69)
            self.assertIn("A801", done.stderr)
            done = node.murpacs("find", archive.replace("QR@", "NOBODY@"), check=False)
            self.assertEqual(done.returncode, 60)
            self.assertIn("-aec", done.stderr)

    def test_a_peer_without_the_service_is_told_of(self):
        with storescp(self.root / "out") as sink:
            done = node.murpacs("find", sink, check=False)
        self.assertEqual(done.returncode, 66)
        self.assertIn("does not offer", done.stderr)

    def test_a_peer_that_hangs_is_left_in_time(self):
        with storescp(self.root / "out", "--sleep-during", "30") as sink:
            some = sorted((self.root / "in").rglob("*.dcm"))[0]
            begun = time.monotonic()
            done = node.murpacs("store", sink, some, "-td", "1", "--attempts", "1", check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertLess(time.monotonic() - begun, 20)


if __name__ == "__main__":
    unittest.main()
