"""The nodes that are measured: ours and its peers, each started in a fresh folder."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

MAX_PDU = 131072
# Debian's DCMTK waits 40 ms for each answer without it; beating an untuned peer counts for nothing.
ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def read(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:  # a process that has ended
        return ""


def stat_fields(pid):
    """What follows the name in /proc/PID/stat: state, ppid, ... ([] when it is gone)."""
    return read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def children(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = stat_fields(entry)
            if fields and int(fields[1]) == pid:
                found += [int(entry)] + children(int(entry))
    return found


class Server:
    """name: as tables call it; aet: what is called; forks: a process for each association; writers:
    how many associations may store at once."""
    aet = "MURPACS"
    forks = False
    writers = 64

    def __init__(self, name, sink_port=0):
        self.name = name
        self.sink_port = sink_port
        self.process = None
        self.port = 0

    def command(self, folder):
        raise NotImplementedError

    def start(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(self.command(self.folder), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, cwd=self.folder,
                                            env=ENVIRONMENT)
        end = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.name} did not start: {read(self.folder / 'log')[-2000:]}")
            time.sleep(0.05)
        time.sleep(0.3)
        return self

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def cpu_seconds(self):
        """User and system time so far, children included."""
        end = time.monotonic() + 5
        while self.forks and children(self.process.pid) and time.monotonic() < end:
            time.sleep(0.1)  # until the parent has counted them in
        ticks = sum(int(field) for field in stat_fields(self.process.pid)[11:15])
        for pid in children(self.process.pid):
            ticks += sum(int(field) for field in stat_fields(pid)[11:13])
        return ticks / TICKS

    def status_bytes(self, field):
        """VmHWM or VmRSS of the process itself."""
        match = re.search(rf"^{field}:\s+(\d+) kB", read(f"/proc/{self.process.pid}/status"), re.M)
        return int(match[1]) * 1024 if match else 0

    def proportional_bytes(self):
        """Memory of the process and its children; what they share is counted once."""
        total = 0
        for pid in [self.process.pid] + children(self.process.pid):
            match = re.search(r"^Pss:\s+(\d+) kB", read(f"/proc/{pid}/smaps_rollup"), re.M)
            total += int(match[1]) * 1024 if match else 0
        return total


class Murpacs(Server):
    def __init__(self, name, binary, durability, sink_port=0):
        super().__init__(name, sink_port)
        self.binary = binary
        self.durability = durability

    def command(self, folder):
        config = folder / "murpacs.cfg"
        config.write_text('peers = ( { ae_title = "SINK"; host = "127.0.0.1"; '
                          f'port = {self.sink_port or 11119}; rights = "rw"; }} );\n')
        return [self.binary, "serve", "--config", config, "--data-dir", folder / "archive",
                "--set", f"dicom.port={self.port}", "--set", "dicom.unknown_peers=rw",
                "--set", f"dicom.durability={self.durability}"]


class Orthanc(Server):
    aet = "ORTHANC"

    def __init__(self, name, binary, sink_port=0):
        super().__init__(name, sink_port)
        self.binary = binary

    def command(self, folder):
        config = folder / "orthanc.json"
        config.write_text(json.dumps({
            "Name": "bench", "DicomAet": self.aet, "DicomPort": self.port,
            "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "storage"),
            "HttpServerEnabled": False, "Plugins": [], "DicomThreadsCount": 8,
            "MaximumPduLength": MAX_PDU, "UnknownSopClassAccepted": True,
            "DicomAlwaysAllowFind": True, "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True, "SaveJobs": False, "DicomAssociationCloseDelay": 1,
            "DicomModalities": {"sink": ["SINK", "127.0.0.1", self.sink_port or 11119]},
        }))
        return [self.binary, config]


class Dcmqrscp(Server):
    aet = "DCMQRSCP"
    forks = True
    writers = 1  # refuses objects with A900 when several store at once (measured, 3.6.7)

    def command(self, folder):
        (folder / "storage").mkdir()
        config = folder / "dcmqrscp.cfg"
        config.write_text(f"""NetworkTCPPort = {self.port}
MaxPDUSize = {MAX_PDU}
MaxAssociations = 64
HostTable BEGIN
sink = (SINK, localhost, {self.sink_port or 11119})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
{self.aet} {folder / "storage"} RW (2000, 1024gb) ANY
AETable END
""")
        return ["dcmqrscp", "+B", "-c", config]


class Storescp(Server):
    """No index and no sync: the ceiling of the library."""
    aet = "STORESCP"
    forks = True

    def command(self, folder):
        (folder / "storage").mkdir()
        return ["storescp", "+B", "--fork", "-pm", "-pdu", str(MAX_PDU), "-aet", self.aet, "-od",
                folder / "storage", str(self.port)]

    def stored_files(self):
        return [path.stat().st_size for path in (self.folder / "storage").iterdir()]


def orthancs(sink_port=0):
    """Debian's, and a newer one where MURPACS_BENCH_ORTHANC names its program."""
    found = []
    debian = shutil.which("Orthanc", path=os.environ.get("PATH", "") + ":/usr/sbin")
    newer = os.environ.get("MURPACS_BENCH_ORTHANC")
    for name, binary in (("Orthanc", debian), ("Orthanc new", newer)):
        if binary:
            found.append(Orthanc(name, binary, sink_port))
    return found


def ours(options, durability, sink_port=0):
    """One node for each program under comparison."""
    return [Murpacs(f"{label} {durability}".strip(), binary, durability, sink_port)
            for label, binary in options.murpacs]
