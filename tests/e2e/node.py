"""A node under test, and DCMTK's unmodified clients to ask it with. For all end-to-end tests."""
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import unittest

import pydicom

MURPACS = os.environ.get("MURPACS", "")
SOURCE = pathlib.Path(os.environ.get("MURPACS_SOURCE", "."))
TESTDATA = pathlib.Path(os.environ.get("MURPACS_TESTDATA", SOURCE / ".." / "shared" / "testdata"))
ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}
# Under AddressSanitizer memory is kept back after it was freed: no bound on it means anything.
SANITIZED = bool(MURPACS) and b"__asan_init" in pathlib.Path(MURPACS).read_bytes()


def free_port():
    """Below those that the system gives to whoever connects: such a one might be taken before it is used."""
    while True:
        port = random.randrange(15000, 32000)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def run(*command, check=True, timeout=300):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          errors="replace", timeout=timeout, check=False, env=ENVIRONMENT)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def murpacs(*arguments, check=True, timeout=600):
    return run(MURPACS, *arguments, check=check, timeout=timeout)


def npm_modules(name="npm"):
    """Peers in JavaScript (tests/e2e/npm), or what drives the browser: the folder of their programs
    and modules, made by `npm ci` once for each build folder. Raises SkipTest where npm is not
    installed or cannot fetch them."""
    if not (shutil.which("npm") and shutil.which("node")):
        raise unittest.SkipTest("npm is not installed")
    sources = SOURCE / "tests/e2e" / name
    wanted = hashlib.sha256((sources / "package-lock.json").read_bytes()).hexdigest()
    folder = pathlib.Path(MURPACS).parent.parent / name
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = folder / "stamp"
        for path in sources.iterdir():
            shutil.copy(path, folder)
        if not stamp.exists() or stamp.read_text(encoding="ascii") != wanted:
            try:
                subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                               cwd=folder, check=True, capture_output=True, timeout=240)
            except (subprocess.SubprocessError, OSError) as reason:
                raise unittest.SkipTest(f"npm ci: {reason}") from reason
            stamp.write_text(wanted, encoding="ascii")
    return folder


def import_dataset(data_dir, dataset, *options, check=True):
    """The lines of `murpacs import --json`, and the exit code."""
    done = murpacs("import", "--json", "--data-dir", data_dir, *options, dataset, check=check)
    return [json.loads(line) for line in done.stdout.splitlines()], done


class Node:
    """`murpacs serve` on a free port, with a C-MOVE destination SINK at a port of its own; @peers
    are further ones, as text of the configuration; @beside: where configuration and log go, if
    not beside the data directory."""

    def __init__(self, data_dir, *options, peers="", beside=None):
        self.data_dir = pathlib.Path(data_dir)
        beside = pathlib.Path(beside or data_dir)
        self.sink_port = free_port()
        self.configuration = beside.with_name(beside.name + ".cfg")
        self.configuration.write_text(
            'peers = ({ ae_title = "SINK"; host = "127.0.0.1"; port = %d; rights = "w"; }%s);\n'
            % (self.sink_port, peers and ", " + peers), encoding="utf-8")
        self.log = open(beside.with_name(beside.name + ".log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [MURPACS, "serve", "--config", str(self.configuration), "--data-dir", str(data_dir),
             "--set", "dicom.port=0", "--set", "dicom.unknown_peers=rw", *options],
            stdout=subprocess.PIPE, stderr=self.log, text=True, env=ENVIRONMENT)
        self.banner = ""
        for line in self.process.stdout:
            self.banner += line
            found = re.search(r"port (\d+)", line)
            if found:
                self.port = int(found[1])
                return
        self.process.wait()
        raise AssertionError("the node did not start: " + self.log_text())

    def log_text(self):
        self.log.flush()
        return pathlib.Path(self.log.name).read_text(encoding="utf-8")

    def stop(self, how=signal.SIGTERM, limit=15):
        """Ends it; returns the exit code. A sanitizer's report becomes a failure."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(timeout=limit)
        self.process.stdout.close()
        text = self.log_text()
        self.log.close()
        if "Sanitizer" in text or "runtime error" in text:
            raise AssertionError(text)
        return code

    def memory_kib(self, field="VmRSS"):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(field + r":\s+(\d+)", status)[1])

    # -- clients ---------------------------------------------------------------------------------

    def echo(self, timeout=20):
        started = time.monotonic()
        done = run("echoscu", "-aec", "MURPACS", "-to", "15", "127.0.0.1", self.port, check=False,
                   timeout=timeout)
        return done.returncode == 0, time.monotonic() - started

    def store(self, *paths, check=True, options=()):
        return run("storescu", "-aec", "MURPACS", "-R", *options, "127.0.0.1", self.port, *paths,
                   check=check)

    def find(self, *keys, model="-S", level="STUDY"):
        """Answers of findscu as pydicom Data Sets."""
        with tempfile.TemporaryDirectory() as folder:
            words = []
            for key in (f"QueryRetrieveLevel={level}", *keys):
                words += ["-k", key]
            done = run("findscu", model, "-aec", "MURPACS", "-X", "-od", folder, *words,
                       "127.0.0.1", self.port)
            if "E: " in done.stdout + done.stderr:  # its exit code does not say so
                raise AssertionError(done.stdout + done.stderr)
            answers = []
            for path in sorted(pathlib.Path(folder).iterdir()):
                answer = pydicom.dcmread(path, force=True)
                answer.decode()
                answers.append(answer)
            return answers

    def get(self, folder, *keys, level="STUDY", model="-S", options=("+B",), check=True):
        """getscu into a folder; the paths of what came."""
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        words = []
        for key in (f"QueryRetrieveLevel={level}", *keys):
            words += ["-k", key]
        run("getscu", model, *options, "-aec", "MURPACS", "-od", folder, *words, "127.0.0.1",
            self.port, check=check)
        return sorted(pathlib.Path(folder).iterdir())

    def move(self, folder, *keys, level="STUDY", destination="SINK", check=True,
             sink_options=()):
        """movescu to a storescp that writes bit by bit what it gets."""
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        words = []
        for key in (f"QueryRetrieveLevel={level}", *keys):
            words += ["-k", key]
        sink = subprocess.Popen(
            ["storescp", "+B", *sink_options, "-aet", "SINK", "-od", str(folder), str(self.sink_port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
        try:
            wait_for_port(self.sink_port)
            done = run("movescu", "-S", "-aec", "MURPACS", "-aem", destination, *words, "127.0.0.1",
                       self.port, check=check)
        finally:
            sink.terminate()
            sink.wait()
        return sorted(pathlib.Path(folder).iterdir()), done


@contextlib.contextmanager
def serving(data_dir, *options):
    node = Node(data_dir, *options)
    try:
        yield node
    finally:
        if not node.log.closed:
            node.stop()


def wait_for_port(port, seconds=20):
    for _ in range(seconds * 20):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    raise AssertionError(f"nobody listens at port {port}")


def data_set_bytes(path):
    """A Part 10 file without preamble and group 0002."""
    content = pathlib.Path(path).read_bytes()
    if content[128:132] != b"DICM":
        return content
    length = int.from_bytes(content[140:144], "little")
    return content[144 + length:]


def stored_files(data_dir):
    """Every file below objects/, but the lock by which the incoming folder of a living process is
    known."""
    objects = pathlib.Path(data_dir) / "objects"
    return sorted(str(path.relative_to(objects)) for path in objects.rglob("*")
                  if path.is_file() and not path.match(".incoming-*/owner"))


def indexed_instances(data_dir):
    """SOP Instance UIDs of the index, with repetitions if there were any."""
    with contextlib.closing(sqlite3.connect(f"file:{data_dir}/index.sqlite?mode=ro",
                                            uri=True)) as index:
        return sorted(row[0] for row in index.execute("SELECT sop_uid FROM instance"))


def manifest_instances(data_dir):
    """SOP Instance UIDs that the manifest says are there; fails where a line is no JSON."""
    present = []
    text = (pathlib.Path(data_dir) / "manifest.jsonl").read_text(encoding="utf-8")
    assert text == "" or text.endswith("\n"), "the last line is torn"
    for line in text.splitlines():
        event = json.loads(line)
        if event["event"] == "stored":
            present.append(event["instance"])
        elif event["event"] == "removed":
            present.remove(event["instance"])
    return sorted(present)


def tree_digest(folder):
    """Every file below a folder with its bytes' hash."""
    import hashlib
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(pathlib.Path(folder).rglob("*")) if path.is_file()}


def dciodvfy_errors(path):
    done = run("dciodvfy", "-new", path, check=False)
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]
