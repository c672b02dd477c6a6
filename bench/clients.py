#!/usr/bin/python3
"""Sending beside DCMTK: `murpacs store` and `storescu` send the same files to `storescp --ignore`, in
turn, with another order in each round. Prints medians and the ratio.

usage: bench/clients.py [--murpacs PROGRAM] [--rounds N] [--count N]
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import servers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "e2e"))
import dimse  # noqa: E402  pylint: disable=wrong-import-position

UID = "1.2.826.0.1.3680043.10.1513."
KINDS = {"mr": 256, "ct": 512, "tiny": 8}  # rows and columns of 16 bits


def make_files(folder, kind, count):
    side = KINDS[kind]
    folder.mkdir()
    for number in range(1, count + 1):
        instance = f"{UID}1.{number}"
        (folder / f"{number:06}.dcm").write_bytes(dimse.part10(
            dimse.image(UID + "1", UID + "1.1", instance, number=number, rows=side, columns=side,
                        pixels=bytes(side * side * 2)), dimse.CT_IMAGE, instance))


def seconds(command):
    begun = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=servers.ENVIRONMENT)
    return time.monotonic() - begun


def wait_for(port):
    for _ in range(200):
        done = subprocess.run(["echoscu", "127.0.0.1", str(port)], stderr=subprocess.DEVNULL, check=False)
        if done.returncode == 0:
            return
        time.sleep(0.05)
    raise SystemExit("storescp does not answer")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--murpacs", default="build/bench/bin/murpacs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=500)
    options = parser.parse_args()
    port = servers.free_port()
    sink = subprocess.Popen(["storescp", "--ignore", "+xa", "-pdu", str(servers.MAX_PDU), str(port)],
                            env=servers.ENVIRONMENT, stderr=subprocess.DEVNULL)
    print("| objects | storescu, per second | murpacs store | ratio |\n|---|---|---|---|")
    try:
        wait_for(port)
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as work:
            for kind in KINDS:
                folder = pathlib.Path(work) / kind
                make_files(folder, kind, options.count)
                commands = {
                    "storescu": ["storescu", "-pdu", str(servers.MAX_PDU), "+sd", "127.0.0.1", str(port),
                                 str(folder)],
                    "murpacs": [options.murpacs, "store", "-q", "127.0.0.1", str(port), str(folder)]}
                found = {name: [] for name in commands}
                for number in range(options.rounds + 1):
                    for name in sorted(commands, reverse=number % 2 == 1):
                        took = seconds(commands[name])
                        if number > 0:  # the first round warms up
                            found[name].append(options.count / took)
                theirs, ours = (statistics.median(found[name]) for name in ("storescu", "murpacs"))
                print(f"| {kind} | {theirs:.0f} | {ours:.0f} | {ours / theirs:.2f} |", flush=True)
    finally:
        sink.terminate()
        sink.wait()


if __name__ == "__main__":
    main()
