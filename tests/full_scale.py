#!/usr/bin/python3
"""Imports a made-up dataset of full size (222 scans, 3.5 GB) and measures it. No part of ./test: it
needs some minutes and 8 GB of room in --work.

usage: full_scale.py [--work DIR] [--dataset DIR] [--build DIR] [--no-search] [--keep]

  --work DIR     where dataset and archive are put, in a folder that is removed at the end (TMPDIR)
  --dataset DIR  use a dataset that `phantom DIR --scale full` made before
  --build DIR    build with bin/murpacs and bin/phantom (build/release)
  --no-search    leave out the questions about every cell of the tables
  --keep         leave the archive

Checks: no scan fails; what was converted has a certificate, which says pass; patients, studies,
series and instances asked through findscu are those of tests/phantom/expected.py; every column and
every value of the tables finds the scans that have it and no others, by each way that
e2e/isa_search_test.py asks; the import needs less than 1 GiB of memory; a second import changes no
row and no file. Exit code 0: all true.
"""
import argparse
import collections
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[1]
MEMORY_LIMIT_KIB = 1 << 20

parser = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--work", default=tempfile.gettempdir())
parser.add_argument("--dataset", type=pathlib.Path)
parser.add_argument("--build", type=pathlib.Path, default=SOURCE / "build" / "release")
parser.add_argument("--no-search", dest="search", action="store_false")
parser.add_argument("--keep", action="store_true")
OPTIONS = parser.parse_args()

os.environ["MURPACS"] = str(OPTIONS.build / "bin" / "murpacs")
os.environ["MURPACS_SOURCE"] = str(SOURCE)
sys.path.insert(0, str(SOURCE / "tests" / "e2e"))
import node  # after MURPACS is set

FAILURES = []


def say(text):
    print(text, flush=True)


def check(what, found, wanted):
    good = found == wanted
    say(f"{'ok    ' if good else 'FAILED'} {what}: {found}" + ("" if good else f", not {wanted}"))
    if not good:
        FAILURES.append(what)


def measured(*command):
    """(exit code, output, seconds, seconds of processor, peak KiB) of one program."""
    started = time.monotonic()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return (process.returncode, output, time.monotonic() - started,
            usage.ru_utime + usage.ru_stime, usage.ru_maxrss)


def run_import(data_dir, dataset, what):
    code, output, seconds, processor, peak = measured(
        node.MURPACS, "import", "--json", "--data-dir", data_dir, dataset)
    scans = [json.loads(line) for line in output.splitlines()]
    for scan in scans:
        if scan["status"] == "failed":
            say(f"       {scan['study']} {scan['assay']} ({scan['image']}): "
                + "; ".join(scan["reasons"]))
    say(f"       {what}: {seconds:.1f} s, {processor:.1f} s of processor, "
        f"peak {peak / 1024:.0f} MiB")
    check(f"exit code of the {what}", code, 0)
    check(f"{what} below 1 GiB", peak < MEMORY_LIMIT_KIB, True)
    return scans, seconds


def state(data_dir):
    """All rows, and every stored file with size and time of change."""
    with sqlite3.connect(f"file:{data_dir}/index.sqlite?mode=ro", uri=True) as index:
        rows = hash(tuple(index.iterdump()))
    files = {str(path): (path.stat().st_size, path.stat().st_mtime_ns)
             for folder in ("objects", "isa", "certificates")
             for path in (data_dir / folder).rglob("*") if path.is_file()}
    return rows, files, (data_dir / "manifest.jsonl").read_bytes()


def check_by_findscu(data_dir, total):
    with node.serving(data_dir) as serving:
        started = time.monotonic()
        patients = serving.find("PatientID", "NumberOfPatientRelatedInstances", level="PATIENT",
                                model="-P")
        studies = serving.find("StudyInstanceUID", "NumberOfStudyRelatedInstances")
        series = serving.find("SeriesInstanceUID", "Modality", "NumberOfSeriesRelatedInstances",
                              level="SERIES")
        strains = {strain: sum(one.Modality != "SEG" for one in serving.find(
            f"StrainDescription={strain}", "Modality", level="SERIES"))
                   for strain in total["strains"]}
        say(f"       queries: {time.monotonic() - started:.1f} s, "
            f"node's peak {serving.memory_kib('VmHWM') / 1024:.0f} MiB")
    images = [one for one in series if one.Modality != "SEG"]
    check("patients", len(patients), total["patients"])
    check("studies", len(studies), total["studies"])
    check("image series", len(images), total["image_series"])
    check("SEG series", len(series) - len(images), total["seg_series"])
    check("modalities", dict(sorted(collections.Counter(one.Modality for one in images).items())),
          dict(sorted(total["modalities"].items())))
    check("strains", strains, total["strains"])
    instances = total["image_instances"] + total["seg_instances"]
    check("image instances", sum(int(one.NumberOfSeriesRelatedInstances) for one in images),
          total["image_instances"])
    check("instances by study", sum(int(one.NumberOfStudyRelatedInstances) for one in studies),
          instances)
    check("instances by patient", sum(int(one.NumberOfPatientRelatedInstances) for one in patients),
          instances)


def check_certificates(data_dir, scans):
    made = {series["SeriesInstanceUID"] for scan in scans
            for series in scan["images"] + scan["segmentations"] if series["certified"]}
    certificates = {path.stem: json.loads(path.read_text(encoding="utf-8"))
                    for path in (data_dir / "certificates").iterdir()}
    check("converted series without a certificate of their own", made ^ set(certificates), set())
    kinds = collections.Counter((one["Kind"], one["Verdict"]) for one in certificates.values())
    check("scans with a certificate", sum(any(series["certified"] for series in scan["images"])
                                          for scan in scans),
          sum(scan["image"].endswith((".nii", ".nii.gz")) for scan in scans))
    check("verdicts that are not pass", {verdict for _, verdict in kinds} - {"pass"}, set())
    say("       certificates: " + ", ".join(f"{count} of {kind}s" for (kind, _), count
                                            in sorted(kinds.items())))


# Those of e2e/isa_search_test.py whose questions are made from the tables alone.
SEARCHES = ("test_each_cell_is_found_in_the_private_block_at_every_level",
            "test_each_cell_is_found_by_an_item_of_the_sequence",
            "test_each_column_is_found_by_wildcards_and_ranges",
            "test_each_cell_is_found_in_the_comments",
            "test_parts_of_the_comments_are_found_by_wildcards",
            "test_cells_are_answered_where_they_are_asked_for")


def check_searches(work, data_dir, dataset):
    os.environ["MURPACS_PHANTOM_DATA"] = str(dataset)
    import isa_search_test  # after MURPACS_PHANTOM_DATA is set

    class Search(isa_search_test.Search):
        asked = found = missing = wrong = 0
        tables, cells = {}, []

        @classmethod
        def setUpClass(cls):
            cls.tables = isa_search_test.read_tables(dataset)
            cls.cells = sorted(set().union(*cls.tables.values()))
            cls.served = served
            cls.finder = isa_search_test.Finder(served, work)

        def compare(self, found, wanted, what):
            Search.asked += 1
            Search.found += len(found & wanted)
            Search.missing += len(wanted - found)
            Search.wrong += len(found - wanted)
            if found != wanted:
                say(f"       {what}: {len(wanted - found)} not found, {len(found - wanted)} wrong")

    started = time.monotonic()
    with node.serving(data_dir) as served:
        result = unittest.TextTestRunner(stream=sys.stdout).run(
            unittest.TestSuite(Search(name) for name in SEARCHES))
    say(f"       {Search.asked} questions about {len(Search.cells)} cells of {len(Search.tables)} "
        f"scans in {time.monotonic() - started:.0f} s: {Search.found} answers")
    check("searches without an error", (result.testsRun, result.wasSuccessful()),
          (len(SEARCHES), True))
    check("answers missing, answers wrong", (Search.missing, Search.wrong), (0, 0))


def run(work):
    dataset = OPTIONS.dataset or work / "dataset"
    if OPTIONS.dataset is None:
        code, _, seconds, _, _ = measured(OPTIONS.build / "bin" / "phantom", dataset, "--scale",
                                          "full", "--tables", "varied")
        check(f"dataset made in {seconds:.0f} s", code, 0)
    started = time.monotonic()
    expected = json.loads(node.run("/usr/bin/python3", SOURCE / "tests/phantom/expected.py",
                                   dataset, timeout=3600).stdout)
    total = expected["total"]
    say(f"       expected counts: {time.monotonic() - started:.0f} s")

    data_dir = work / "archive"
    scans, seconds = run_import(data_dir, dataset, "import")
    check("statuses", dict(collections.Counter(scan["status"] for scan in scans)),
          {"imported": total["image_series"]})
    check("segments", sum(seg["segments"] for scan in scans for seg in scan["segmentations"]),
          total["segments"])
    check_certificates(data_dir, scans)
    read = sum(path.stat().st_size for path in dataset.rglob("*") if path.is_file())
    sizes = [path.stat().st_size for path in (data_dir / "objects").rglob("*") if path.is_file()]
    instances = len(node.indexed_instances(data_dir))
    say(f"       {len(scans) / seconds:.2f} scans/s, {instances / seconds:.0f} instances/s, "
        f"{sum(sizes) / seconds / 1e6:.0f} MB/s; read {read / 1e9:.2f} GB, "
        f"stored {sum(sizes) / 1e9:.2f} GB in {len(sizes)} files, "
        f"index {(data_dir / 'index.sqlite').stat().st_size / 1e6:.1f} MB, "
        f"manifest {(data_dir / 'manifest.jsonl').stat().st_size / 1e6:.1f} MB")
    check("files beside the index's rows",
          sum(name.endswith(".dcm") for name in node.stored_files(data_dir)) - instances, 0)
    check_by_findscu(data_dir, total)
    if OPTIONS.search:
        check_searches(work, data_dir, dataset)

    before = state(data_dir)
    scans, _ = run_import(data_dir, dataset, "second import")
    check("statuses", dict(collections.Counter(scan["status"] for scan in scans)),
          {"unchanged": total["image_series"]})
    check("rows, files and manifest unchanged", state(data_dir) == before, True)


def main():
    work = pathlib.Path(tempfile.mkdtemp(prefix="murpacs-full-", dir=OPTIONS.work))
    try:
        run(work)
    finally:
        if OPTIONS.keep:
            say(f"       left: {work}")
        else:
            shutil.rmtree(work)
    say(f"{len(FAILURES)} failed" if FAILURES else "all true")
    return 1 if FAILURES else 0


if __name__ == "__main__":
    sys.exit(main())
