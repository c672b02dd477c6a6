#!/usr/bin/python3
"""Measures DICOMweb: our node beside Orthanc with its DICOMweb plugin, on this machine, in interleaved
rounds over connections that stay open. What both answer is compared before anything is measured. See
bench/README.md.

usage: web.py [options]
"""
import argparse
import email.parser
import email.policy
import glob
import json
import os
import re
import shutil
import sys
import urllib.request

import run
import servers
from run import Bad

LIST_SIZES = (155, 500)
STUDIES = ("--per-series", 13, "--series-per-study", 1, "--kind", "tiny")
SERIES = 12
PER_SERIES = 20
ANIMALS = 40  # that are asked for, in turn
FIELDS = "includefield=00081030,00080090,00100030"
COMPARED = ("00080020", "00080030", "00080050", "00080061", "00080090", "00081030", "00100010",
            "00100020", "00100030", "0020000D", "00200010", "00201206", "00201208")
JSON_TYPE = "application/dicom+json"
# As OHIF asks for frames.
FRAME_TYPE = "multipart/related; type=application/octet-stream; transfer-syntax=*"
NOT_COMPARED = ("00080005", "7FE00010")  # we answer in UTF-8 always; pixels are bulk data


class Murpacs(servers.Murpacs):
    def command(self, folder):
        self.web_port = servers.free_port()
        return super().command(folder) + ["--set", "web.enabled=true", "--set",
                                          f"web.port={self.web_port}"]


class Orthanc(servers.Orthanc):
    def __init__(self, name, binary, plugin):
        super().__init__(name, binary)
        self.plugin = plugin

    def command(self, folder):
        command = super().command(folder)
        path = folder / "orthanc.json"
        self.web_port = servers.free_port()
        path.write_text(json.dumps({
            **json.loads(path.read_text(encoding="utf-8")),
            "HttpServerEnabled": True, "HttpPort": self.web_port, "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False, "KeepAlive": True, "TcpNoDelay": True,
            "Plugins": [self.plugin], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }), encoding="utf-8")
        return command


def orthancs():
    """Debian's, and a newer one where MURPACS_BENCH_ORTHANC names its program and
    MURPACS_BENCH_DICOMWEB its plugin."""
    debian = shutil.which("Orthanc", path=os.environ.get("PATH", "") + ":/usr/sbin")
    plugins = sorted(glob.glob("/usr/lib/orthanc/libOrthancDicomWeb.so*") +
                     glob.glob("/usr/share/orthanc/plugins/libOrthancDicomWeb.so*"))
    found = [Orthanc("Orthanc", debian, plugins[-1])] if debian and plugins else []
    newer = os.environ.get("MURPACS_BENCH_ORTHANC")
    if newer:
        found.append(Orthanc("Orthanc new", newer, os.environ["MURPACS_BENCH_DICOMWEB"]))
    return found


# ---- what is answered ----

def get(server, target, accept):
    """(headers, body)"""
    request = urllib.request.Request(f"http://127.0.0.1:{server.web_port}{target}",
                                     headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=300) as answer:
        return answer.headers, answer.read()


def get_json(server, target):
    return json.loads(get(server, target, JSON_TYPE)[1])


def plain(element):
    """The values of an element of DICOM JSON, whichever way numbers and names are written."""
    if "BulkDataURI" in element:
        return "bulk"
    values = []
    for value in element.get("Value", []):
        if isinstance(value, dict) and element["vr"] == "PN":
            value = value.get("Alphabetic", "")
        elif isinstance(value, dict):
            value = {tag: plain(inner) for tag, inner in value.items()}
        if element["vr"] in ("IS", "DS", "US", "UL", "SS", "SL", "FL", "FD"):
            value = float(value)
        values.append(value)
    if element["vr"] == "CS":
        values.sort()
    return [] if values in ([None], [""]) else values


def study_rows(answers):
    return {answer["0020000D"]["Value"][0]: {tag: plain(answer.get(tag, {"vr": "LO"}))
                                             for tag in COMPARED} for answer in answers}


def instances(answers):
    return {answer["00080018"]["Value"][0]: {tag: plain(element) for tag, element in answer.items()
                                             if tag not in NOT_COMPARED and tag[:4] != "0002"}
            for answer in answers}


def only_part(headers, body):
    """The content of a multipart answer of one part."""
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n")
    mark = b"--" + message.get_param("boundary").encode()
    begin = body.index(b"\r\n\r\n", body.index(mark)) + 4
    return body[begin:body.index(b"\r\n" + mark, begin)]


class Work:
    """Requests, and how their answers become comparable."""

    def __init__(self, name, case, accept, comparable, repeat):
        self.name, self.case, self.accept = name, case, accept
        self.comparable = comparable
        self.repeat = repeat
        self.targets = []

    def check(self, participants):
        """All answer the same."""
        for target in (self.targets[0], self.targets[-1]):
            found = [self.comparable(*get(server, target, self.accept)) for server in participants]
            for server, answer in zip(participants[1:], found[1:]):
                if answer != found[0]:
                    raise Bad(f"{server.name} answers {target} otherwise than {participants[0].name}:"
                              f" {different(answer, found[0])}")
            if not found[0]:
                raise Bad(f"nothing is answered to {target}")

    def lines(self):
        return "".join(f"{target}\t{self.accept}\n" for target in self.targets)


def different(left, right):
    if not isinstance(left, dict):
        return f"{len(left)} and {len(right)} bytes"
    for key in sorted({*left, *right}):
        one, other = left.get(key), right.get(key)
        if one != other and isinstance(one, dict) and isinstance(other, dict):
            return {tag: (one.get(tag), other.get(tag)) for tag in {*one, *other}
                    if one.get(tag) != other.get(tag)}
        if one != other:
            return f"{key}: {one} and {other}"
    return ""


def json_rows(_, body):
    return study_rows(json.loads(body))


def json_instances(_, body):
    return instances(json.loads(body))


# ---- what is measured ----

def measure_one(bench, server, work, connections):
    questions = bench.folder / "requests"
    questions.write_text(work.lines(), encoding="ascii")
    repeat = work.repeat * (10 if isinstance(server, Murpacs) else 1)
    if bench.options.quick:
        repeat //= 5
    before = server.cpu_seconds()
    result = bench.load("http", "--port", server.web_port, "--questions", questions, "--repeat",
                        max(repeat // connections, 3), "--associations", connections)
    cpu = 1e3 * (server.cpu_seconds() - before) / result["done"]
    bench.note(work.name, f"{work.case}, {connections} conn.", server.name,
               per_second=result["per_second"], cpu_ms=cpu, p50_ms=result["p50_ms"],
               p95_ms=result["p95_ms"])


def measure(bench, participants, works):
    for work in works:
        work.check(participants)
    for _, server in bench.rounds(participants):
        for work in works:
            for connections in bench.options.connections:
                with bench.counted(server):
                    measure_one(bench, server, work, connections)


def store(bench, participants, *arguments):
    for server in participants:
        bench.load_at(server, "store", *arguments, "--associations", min(4, server.writers))


def searches(bench, server, studies):
    """The study list as a viewer asks for it; one animal's studies."""
    patients = sorted({row["00100020"][0] for row in study_rows(
        get_json(server, f"/dicom-web/studies?limit=1001&{FIELDS}")).values()})
    listed = Work("QIDO-RS", f"study list, {studies} studies", JSON_TYPE, json_rows, 10)
    listed.targets = [f"/dicom-web/studies?limit=1001&offset=0&fuzzymatching=false&{FIELDS}"]
    one = Work("QIDO-RS", f"Patient ID, {studies} studies", JSON_TYPE, json_rows, 100)
    one.targets = [f"/dicom-web/studies?00100020={patient}&limit=101&offset=0&{FIELDS}"
                   for patient in patients[:ANIMALS]]
    return [listed, one]


def retrievals(server, kind):
    series = [f"/dicom-web/studies/{row['0020000D']['Value'][0]}/series/{row['0020000E']['Value'][0]}"
              for row in get_json(server, "/dicom-web/series?limit=10000")
              if row["00201209"]["Value"] == [PER_SERIES]]
    if len(series) < SERIES:
        raise Bad(f"{len(series)} series of {PER_SERIES} are found")
    metadata = Work("WADO-RS", f"metadata of a series of {PER_SERIES}", JSON_TYPE, json_instances, 200)
    metadata.targets = [f"{one}/metadata" for one in series]
    frames = Work("WADO-RS", f"frame, {kind.upper()}", FRAME_TYPE, only_part, 500)
    for one in series:
        frames.targets += [f"{one}/instances/{row['00080018']['Value'][0]}/frames/1"
                           for row in get_json(server, f"{one}/instances")]
    return [metadata, frames]


def measure_web(bench):
    options = bench.options
    participants = [Murpacs(name, binary, "durable") for name, binary in options.murpacs]
    if not options.only_ours:
        participants += orthancs()
    for server in participants:
        server.start(bench.fresh_folder())
    seed = bench.seed()
    filled = 0
    for studies in LIST_SIZES:
        store(bench, participants, *STUDIES, "--seed", seed, "--first", filled, "--count",
              studies * 13 - filled)
        filled = studies * 13
        measure(bench, participants, searches(bench, participants[0], studies))
    store(bench, participants, "--kind", options.kind, "--per-series", PER_SERIES,
          "--series-per-study", 1, "--seed", bench.seed(), "--count", SERIES * PER_SERIES)
    measure(bench, participants, retrievals(participants[0], options.kind))
    for server in participants:
        bench.note("memory", "after all of it", server.name,
                   megabytes=server.status_bytes("VmHWM") / 1e6)


def parse(arguments):
    parser = argparse.ArgumentParser(description=re.sub(r"\s+", " ", __doc__.partition("\n\n")[0]))
    build = run.SOURCE / "build" / "bench" / "bin"
    parser.add_argument("--quick", action="store_true", help="a fifth of the requests")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kind", default="mr", help="of the frames: mr, ct, tiny")
    parser.add_argument("--connections", default="1,4")
    parser.add_argument("--only-ours", action="store_true", help="without Orthanc")
    parser.add_argument("--murpacs", action="append", metavar="[LABEL=]PROGRAM",
                        help="may be given several times, to compare them")
    parser.add_argument("--load", default=str(build / "murpacs-load"), help="the load generator")
    parser.add_argument("--work", default=str(run.SOURCE / "build" / "bench-work"),
                        help="where the nodes store")
    parser.add_argument("--output", default=str(run.SOURCE / "build" / "bench-results-web"))
    parser.add_argument("--keep", action="store_true", help="leaves what was stored")
    options = parser.parse_args(arguments)
    options.connections = [int(number) for number in options.connections.split(",")]
    options.murpacs = [run.labelled(text) for text in options.murpacs or [str(build / "murpacs")]]
    return options


def main(arguments):
    return run.carry_out(parse(arguments), [measure_web])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
