#!/usr/bin/python3
"""Tries to make a node lose something, and counts: kill -9 under load, failing system calls, hostile bytes, a
client that stalls, a lost index, and everything at once for as long as is wanted. Prints the tables of
docs/reliability.md as Markdown; ends with 1 if anything was lost, changed or left lying about. The same
checks, smaller, are part of ./test.

usage: reliability.py [--build DIR] [--rounds N] [--inputs N] [--instances N] [--soak SECONDS] [PART...]
"""
import argparse
import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

SOURCE = pathlib.Path(__file__).resolve().parents[1]
PARTS = ("crash", "faults", "hostile", "fuzz", "stall", "soak")

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--build", default=SOURCE / "build/release", type=pathlib.Path)
parser.add_argument("--rounds", type=int, default=20, help="of kill -9")
parser.add_argument("--inputs", type=int, default=20000, help="mutated conversations")
parser.add_argument("--instances", type=int, default=100000, help="stored while a client stalls")
parser.add_argument("--soak", type=int, default=3600, help="seconds")
parser.add_argument("--work", default=tempfile.gettempdir())
parser.add_argument("parts", nargs="*", choices=(*PARTS, []), metavar="PART", help=", ".join(PARTS) + "; all of them")
OPTIONS = parser.parse_args()
BUILD = OPTIONS.build.resolve()

os.environ.update(MURPACS=str(BUILD / "bin/murpacs"), MURPACS_SOURCE=str(SOURCE),
                  MURPACS_PHANTOM_DATA=str(BUILD / "phantom-data"))
sys.dont_write_bytecode = True
sys.path.insert(0, str(SOURCE / "tests/e2e"))
import dimse  # pylint: disable=wrong-import-position
import node  # pylint: disable=wrong-import-position
import soak  # pylint: disable=wrong-import-position

ROOT = "1.2.826.0.1.3680043.10.1520."
failures = []


def expect(holds, what):
    if not holds:
        failures.append(what)
        print(f"FAILED: {what}", file=sys.stderr)


def table(title, rows):
    print(f"\n| {title} | |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")
    sys.stdout.flush()


# -- kill -9 ---------------------------------------------------------------------------------------


def crash():
    import crash_test  # pylint: disable=import-outside-toplevel
    rows = []
    for name, count, words in (("durable", OPTIONS.rounds, ()),
                               ("process", OPTIONS.rounds // 4, ("--set", "dicom.durability=process"))):
        case = crash_test.CrashTest("check_rounds")
        case.setUp()
        acknowledged, slowest = case.check_rounds(count, *words)
        case.doCleanups()
        rows += [(f"`{name}`: rounds of kill -9, 4 clients and an import", count),
                 ("instances acknowledged; lost, changed, listed twice, partial, left over", f"{acknowledged:,}; 0"),
                 ("slowest start afterwards", f"{slowest:.2f} s")]
    table("kill -9 under load", rows)


# -- system calls that fail ------------------------------------------------------------------------


def run_each_call(name, pattern):
    """Runs a test that does something to the n-th call, for every n: how many were done in each of its parts."""
    done = subprocess.run([BUILD / "bin" / name], capture_output=True, text=True, check=False, cwd=OPTIONS.work)
    text = done.stdout + done.stderr
    expect(done.returncode == 0, f"{name}: " + text[-2000:])
    return [int(found) for found in re.findall(pattern, text)], 0 if done.returncode == 0 else "**some**"


def faults():
    counts, wrong = run_each_call("archive_faults_test", r": (\d+) calls failed")
    table("calls to the system that fail (n-th write, sync, link, rename of store and SQLite, for every n)",
          [("kinds of failure (EIO, ENOSPC, EROFS, cut short; once, for good; store, removal, next opening, reindex, backup)",
            len(counts)),
           ("calls made to fail", f"{sum(counts):,}"),
           ("said to be stored and not there, partial, left over", wrong)])
    counts, wrong = run_each_call("archive_kill_test", r": killed before (\d+) calls")
    table("kill -9 before the n-th call to the system, for every n, then once more before one of the next opening",
          [("what is killed (storing, replacing, mending, removing; with and without syncs)", len(counts)),
           ("calls before which it was killed", f"{sum(counts):,}"),
           ("said to be done and not so, half done, left over", wrong)])


# -- hostile bytes ---------------------------------------------------------------------------------


def conversation(number):
    """A valid one: association, C-STORE, C-FIND, release."""
    contexts = [(dimse.CT_IMAGE, (dimse.EXPLICIT,)), (dimse.STUDY_FIND, (dimse.EXPLICIT,))]

    def pdata(context, data_set, **more):
        out = b""
        for flags, content in ((3, dimse.encode_command(**more)), (2, data_set)):
            out += struct.pack(">BxIIBB", 4, len(content) + 6, len(content) + 2, context, flags) + content
        return out

    uid = f"{ROOT}1.1.{number}"
    return b"".join((
        dimse.request_pdu(contexts),
        pdata(1, dimse.image(ROOT + "1", ROOT + "1.1", uid, rows=8, columns=8, pixels=bytes(128)),
              AffectedSOPClassUID=dimse.CT_IMAGE, CommandField=dimse.C_STORE, MessageID=1, Priority=0,
              CommandDataSetType=0, AffectedSOPInstanceUID=uid),
        pdata(3, soak.identifier("STUDY", study="", name="T*"),
              AffectedSOPClassUID=dimse.STUDY_FIND, CommandField=dimse.C_FIND, MessageID=2, Priority=0,
              CommandDataSetType=0),
        struct.pack(">BxII", 5, 4, 0)))


def mutate(good, chance):
    """Bits, lengths, pieces: what is right becomes what is not."""
    out = bytearray(good)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at = chance.randrange(len(out))
        kind = chance.randrange(6)
        if kind == 0:
            out[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            out[at:at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\1"))
        elif kind == 2:
            del out[at:at + chance.randrange(1, 40)]
        elif kind == 3:
            out[at:at] = chance.randbytes(chance.randrange(1, 40))
        elif kind == 4:
            other = chance.randrange(len(out))
            out[at:at] = out[other:other + chance.randrange(1, 200)]
        else:
            del out[at:]
        if not out:
            return b"\0"
    return bytes(out)


def hostile():
    root = pathlib.Path(tempfile.mkdtemp(dir=OPTIONS.work))
    served = node.Node(root / "archive", "--set", "log.level=error", "--set", "dicom.durability=process")
    chance = random.Random(soak.SEED)
    measured = soak.Soak(served, root, 0)
    slow = 0
    try:
        for number in range(OPTIONS.inputs):
            if number == min(500, OPTIONS.inputs // 2):
                before = measured.measure()
            with contextlib.suppress(OSError), \
                    socket.create_connection(("127.0.0.1", served.port), timeout=6) as connection:
                connection.sendall(mutate(conversation(number), chance))
                connection.shutdown(socket.SHUT_WR)
                try:
                    while connection.recv(65536):
                        pass
                except TimeoutError:
                    slow += 1
            if number % 500 == 0:
                expect(served.echo()[0], f"no answer after {number} inputs")
        time.sleep(1)
        after = measured.measure()
        listed = node.indexed_instances(served.data_dir)
        objects = [name for name in node.stored_files(served.data_dir) if ".incoming-" not in name]
        expect(len(listed) == len(objects) == len(set(listed)), "rows and files differ")
        expect(slow == 0, f"{slow} connections were not ended within 6 s")
    finally:
        expect(served.stop() == 0, "the node ended otherwise")
    done = node.murpacs("verify", "--data-dir", root / "archive", check=False)
    expect(done.returncode == 0, done.stdout)
    shutil.rmtree(root)
    table("hostile peers: conversations (association, C-STORE, C-FIND, release) with bits, lengths and pieces changed",
          [("tried", f"{OPTIONS.inputs:,}"), ("crashes; connections not ended within 6 s", f"0; {slow}"),
           ("memory, descriptors, threads before and after",
            f"{before['memory_kib'] / 1024:.1f} and {after['memory_kib'] / 1024:.1f} MB, {before['descriptors']} and "
            f"{after['descriptors']}, {before['threads']} and {after['threads']}")])


def fuzz():
    """Seeds and findings; hours of new inputs: scripts/fuzz.sh."""
    done = subprocess.run(["ctest", "--test-dir", BUILD, "-R", "^fuzz/", "--output-on-failure"], capture_output=True,
                          text=True, check=False)
    expect(done.returncode == 0, "fuzz: " + done.stdout[-2000:])
    folders = [folder for root in (BUILD / "fuzz-seeds", SOURCE / "tests/fuzz/corpus") for folder in root.iterdir()]
    files = sum(path.is_file() for folder in folders for path in folder.rglob("*"))
    table("inputs of the fuzzers (docs/fuzzing.md)",
          [("targets", len({folder.name for folder in folders})), ("inputs", f"{files:,}"),
           ("crashes", 0 if done.returncode == 0 else "**some**")])


# -- a client that stalls, a lost index ------------------------------------------------------------


def store_many(port, first, count):
    with dimse.Association(port, [(dimse.CT_IMAGE, (dimse.EXPLICIT,))]) as association:
        for number in range(first, first + count):
            study = f"{ROOT}2.{number // 300}"
            uid = f"{study}.1.{number}"
            status = association.store(dimse.CT_IMAGE, uid, dimse.image(
                study, study + ".1", uid, patient=f"W{number // 300}", number=number))
            if status != 0:
                raise AssertionError(f"{status:04X}")


def stall():
    root = pathlib.Path(tempfile.mkdtemp(dir=OPTIONS.work))
    words = ("--set", "log.level=error", "--set", "dicom.idle_timeout_s=86400")
    served = node.Node(root / "archive", *words)
    store_many(served.port, 0, 8000)
    asker = dimse.Association(served.port, [(dimse.STUDY_FIND, (dimse.EXPLICIT,))])
    studies = "\\".join(f"{ROOT}2.{number}" for number in range(26))
    asker.request(dimse.STUDY_FIND, dimse.C_FIND, soak.identifier("IMAGE", study=studies, series="", instance="",
                                                                  name=""), Priority=0)
    each = OPTIONS.instances // 4
    threads = [threading.Thread(target=store_many, args=(served.port, 8000 + number * each, each))
               for number in range(4)]
    longest, began = 0, time.monotonic()
    for one in threads:
        one.start()
    while any(one.is_alive() for one in threads):
        longest = max(longest, (served.data_dir / "index.sqlite-wal").stat().st_size)
        time.sleep(0.05)
    stored = time.monotonic() - began
    expect(longest < 64 << 20, f"the log had {longest >> 20} MB")
    asker.close()
    served.stop(signal.SIGKILL)
    began = time.monotonic()
    served = node.Node(root / "archive", *words)
    start = time.monotonic() - began
    total = len(node.indexed_instances(served.data_dir))
    expect(total == 8000 + 4 * each, f"{total} of {8000 + 4 * each} are listed")
    served.stop()
    for path in (root / "archive").glob("index.sqlite*"):
        path.unlink()
    refused = node.murpacs("serve", "--data-dir", root / "archive", "--set", "dicom.port=0", check=False, timeout=60)
    expect("reindex" in refused.stderr, "a node without its index began to serve")
    began = time.monotonic()
    node.murpacs("reindex", "--data-dir", root / "archive", timeout=7200)
    took = time.monotonic() - began
    expect(len(node.indexed_instances(root / "archive")) == total, "reindex lost something")
    shutil.rmtree(root)
    table("a findscu that stops reading, a restart, a lost index",
          [("instances stored meanwhile, 4 clients, `durable`", f"{4 * each:,}, {4 * each / stored:,.0f}/s"),
           ("longest log of the index (goal: 64 MB)", f"{longest / (1 << 20):.0f} MB"),
           (f"start after kill -9 with {total:,} instances", f"{start:.2f} s"),
           ("`murpacs reindex` (goal: 2,000/s)", f"{total / took:,.0f}/s; lost: 0")])


# -- everything at once ----------------------------------------------------------------------------


def mixed():
    root = pathlib.Path(tempfile.mkdtemp(dir=OPTIONS.work))
    served = node.Node(root / "archive", "--set", "log.level=error")
    try:
        load = soak.Soak(served, root, OPTIONS.soak)
        load.run()
        for problem in load.problems:
            expect(False, problem)
        lost = load.lost()
        expect(lost == [], f"lost: {lost[:5]}")
    finally:
        expect(served.stop() == 0, "the node ended otherwise")
    done = node.murpacs("verify", "--data-dir", root / "archive", check=False)
    expect(done.returncode == 0, done.stdout)
    shutil.rmtree(root)
    figures, samples = load.figures, load.samples
    early, late = samples[len(samples) // 10], samples[-1]

    def both(key, scale=1, unit=""):
        return f"{early[key] / scale:.4g} and {late[key] / scale:.4g}{unit}"

    wal = max(sample["wal_kib"] for sample in samples)
    expect(wal < 64 * 1024, f"the log had {wal} KiB")
    expect(late["memory_kib"] - early["memory_kib"] < 16 * 1024, "memory grew")
    table(f"everything at once, {OPTIONS.soak} s, `durable`, clients on the same machine", [
        ("stored (2 senders); imported; deleted",
         f"{figures['stored']:,}; {figures['imported']:,}; {figures['deleted']:,}"),
        ("questions; fetched by C-GET and C-MOVE, compared",
         f"{figures['queries']:,}; {figures['got']:,} and {figures['moved']:,}"),
        ("clients that went away in the middle", f"{figures['aborted']:,}"),
        ("lost, changed, listed twice, left over", len(lost)),
        ("memory after a tenth of the time and at the end", both("memory_kib", 1024, " MB")),
        ("descriptors; threads, likewise", f"{both('descriptors')}; {both('threads')}"),
        ("longest log of the index", f"{wal / 1024:.0f} MB")])


def main():
    if not (BUILD / "phantom-data").is_dir():
        subprocess.run(["ctest", "--test-dir", BUILD, "-R", "make_phantom_data"], check=True,
                       stdout=subprocess.DEVNULL)
    work = {"crash": crash, "faults": faults, "hostile": hostile, "fuzz": fuzz, "stall": stall, "soak": mixed}
    load = os.getloadavg()[0]
    for part in OPTIONS.parts or PARTS:
        try:
            work[part]()
        except AssertionError as reason:
            expect(False, f"{part}: {reason}")
    print(f"\nLoad of the machine: {load:.1f} at the beginning, {os.getloadavg()[0]:.1f} at the end; "
          f"{'nothing was lost.' if not failures else f'{len(failures)} FAILURES.'}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
