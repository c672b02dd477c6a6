#!/usr/bin/python3
"""Memory and time that big tables need: an ISA-Tab of 22 MB with 77,486 rows and a cell of 3 MB, as
the largest published ones have. It prints a table and judges nothing.

usage: isa_memory.py [--murpacs PROGRAM] [--rows N] [--columns N] [--work DIR]
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[1]
TARGET_BYTES = 22_000_000
LONG_CELL = 3 << 20
ANIMALS = 2000

parser = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--murpacs", default=SOURCE / "build/release/bin/murpacs", type=pathlib.Path)
parser.add_argument("--rows", type=int, default=77486)
parser.add_argument("--columns", type=int, default=40, help="of the assay table")
parser.add_argument("--work", default=tempfile.gettempdir())
OPTIONS = parser.parse_args()


def cell(row, column):
    """Every fourth column differs from row to row; others repeat, as settings of scanners do."""
    if column % 4 == 0:
        return f"{column}-{row * 7919 % 1000003}" if column < 24 else ""
    if column % 4 == 1:
        return ("low", "middle", "high")[row * column % 3]
    return f"setting {row * column % 97}" if column % 4 == 2 else ""


def write_tables(folder, rows_per_scan):
    (folder / "i_big.txt").write_text(
        "STUDY\nStudy Identifier\tBIG\nStudy Title\tBig tables\nStudy File Name\ts_big.txt\n"
        "STUDY ASSAYS\nStudy Assay Technology Type\tMRI\nStudy Assay File Name\ta_big.txt\n"
        "STUDY PROTOCOLS\nStudy Protocol Name\timaging\n", encoding="utf-8")
    with open(folder / "s_big.txt", "w", encoding="utf-8") as table:
        table.write("Source Name\tCharacteristics[Organism]\tCharacteristics[Animal strain]\t"
                    "Characteristics[Sex]\tSample Name\tCharacteristics[Age]\tUnit\n")
        for animal in range(ANIMALS):
            table.write(f"m{animal}\tMus musculus\tC57BL/6J\t{'fm'[animal % 2]}\tm{animal}-a\t"
                        f"{60 + animal % 100}\tday\n")
    settings = OPTIONS.columns - 6
    names = "".join(f"\tParameter Value[setting {number}]" for number in range(settings))
    size = 0
    with open(folder / "a_big.txt", "w", encoding="utf-8") as table:
        size += table.write(f"Sample Name\tProtocol REF{names}\tAssay Name\tImage File\t"
                            "Comment[Organ]\tComment[Remarks]\n")
        for row in range(OPTIONS.rows):
            scan = row // rows_per_scan
            values = "".join("\t" + cell(scan, number) for number in range(settings))
            start = f"m{scan % ANIMALS}-a\timaging{values}\tscan{scan}\tscans/{scan}.nii.gz"
            organ = "liver" if rows_per_scan > 1 else ""
            room = TARGET_BYTES * (row + 1) // OPTIONS.rows - size - len(start) - 24
            size += table.write(f"{start}\t{organ}\tremark {row} {'x' * max(0, min(room, 200))}\n")
        table.write(f"m0-a\timaging{chr(9) * settings}\tlast\tscans/last.nii.gz\t\t"
                    f"{'y' * LONG_CELL}\n")
    return (folder / "a_big.txt").stat().st_size


def measure(*words):
    """(exit code, seconds, peak MiB)"""
    started = time.monotonic()
    process = subprocess.Popen([str(word) for word in (OPTIONS.murpacs, *words)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, time.monotonic() - started, usage.ru_maxrss / 1024


def main():
    print("| rows a scan | table MB | command | exit | seconds | peak MiB |\n|---|---|---|---|---|---|")
    for rows_per_scan in (10, 1):
        with tempfile.TemporaryDirectory(dir=OPTIONS.work) as folder:
            root = pathlib.Path(folder)
            tables, nothing, archive = root / "tables", root / "nothing", root / "archive"
            tables.mkdir()
            nothing.mkdir()
            size = write_tables(tables, rows_per_scan)
            measure("import", "--data-dir", archive, "--dicom", nothing)
            for name in ("check", "show", "map", "apply"):
                where = ("--data-dir", archive) if name == "apply" else ()
                code, seconds, peak = measure("isa", name, *where, tables)
                print(f"| {rows_per_scan} | {size / 1e6:.1f} | isa {name} | {code} | {seconds:.1f} "
                      f"| {peak:.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
