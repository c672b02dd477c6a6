#!/usr/bin/python3
"""How queries and ingest do while the index grows. See bench/README.md.

usage: index_scale.py [--sizes 2000,31000,100000] [--orthanc 2000] [options]
       index_scale.py --isa 2000,31000,100000,100000x10 [options]
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import time

import isa_questions
import isa_tables
import run
import servers

PER_SERIES, SERIES_PER_STUDY = 10, 3
LAYOUT = ("--kind", "tiny", "--per-series", PER_SERIES, "--series-per-study", SERIES_PER_STUDY)
PROBE = 900  # instances: whole Studies
QUERIES = {"study": 500, "patient": 500, "accession": 500, "instance": 500, "series": 300,
           "images": 300, "name": 100, "date": 50}


def whole_studies(count):
    per_study = PER_SERIES * SERIES_PER_STUDY
    return count // per_study * per_study


def store(bench, server, seed, first, to, associations):
    return bench.load_at(server, "store", *LAYOUT, "--seed", seed, "--first", first, "--count",
                         to - first, "--associations", associations)


def probe(bench, server, seed, filled, case):
    """The rate of the next objects, by one association and by four."""
    for associations in (1, 4):
        result = store(bench, server, seed, filled, filled + PROBE, associations)
        filled += PROBE
        bench.note(f"ingest of tiny objects, {associations} assoc.", case, server.name,
                   per_second=result["per_second"], cpu_ms=result["cpu_ms"])
    return filled


def ask(bench, server, seed, filled, case):
    for _ in range(bench.options.rounds):
        for query, repeat in QUERIES.items():
            result = bench.load_at(server, "find", *LAYOUT, "--seed", seed, "--count", filled,
                                   "--query", query, "--repeat", repeat)
            bench.note(f"C-FIND {query}", case, server.name, p50_ms=result["p50_ms"],
                       p95_ms=result["p95_ms"])
        result = bench.load_at(server, "find", *LAYOUT, "--seed", seed, "--count", filled,
                               "--query", "list", "--repeat", 3)
        bench.note("C-FIND list", case, server.name, per_second=result["answers_per_second"],
                   p50_ms=result["p50_ms"])


def index_bytes(server):
    return sum(path.stat().st_size for path in server.folder.rglob("index*") if path.is_file())


def grow(bench, server, sizes):
    seed = bench.seed()
    server.start(bench.fresh_folder())
    filled = probe(bench, server, seed, 0, "0")
    for size in sizes:
        size = whole_studies(size)
        if size > filled + 2 * PROBE:
            result = store(bench, server, seed, filled, size - 2 * PROBE, 4)
            print(f"{server.name}: {size} at {result['per_second']:.0f} per second",
                  file=sys.stderr)
            filled = size - 2 * PROBE
        case = f"{size:,}"
        filled = probe(bench, server, seed, filled, case)
        ask(bench, server, seed, filled, case)
        bench.note("size of the index", case, server.name, megabytes=index_bytes(server) / 1e6)
    bench.load_at(server, "get", *LAYOUT, "--seed", seed, "--count", filled, "--associations", 2)
    server.stop()


# ---- what an ISA-Tab says: --isa ----

def fill_with_tables(bench, node, seed, series, per_series):
    """Series of murpacs-load, each with its row of an ISA-Tab."""
    layout = ("--kind", "tiny", "--per-series", per_series, "--series-per-study", SERIES_PER_STUDY)
    result = bench.load_at(node, "store", *layout, "--seed", seed, "--count", series * per_series,
                           "--associations", 4)
    tables = bench.fresh_folder()
    isa_tables.write(tables, seed, series, SERIES_PER_STUDY)
    start = time.monotonic()
    subprocess.run([node.binary, "isa", "apply", "--data-dir", node.folder / "archive", tables],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(f"{series} series: {result['per_second']:.0f} instances per second,"
          f" {time.monotonic() - start:.1f} s for the tables", file=sys.stderr, flush=True)


def ask_tables(bench, node, seed, series, case):
    tables = isa_questions.Tables(seed, series, SERIES_PER_STUDY)
    path = bench.folder / "questions"
    together = {}  # what a round's questions took, by level and of all levels
    for level in isa_questions.LEVELS:
        for kind in isa_questions.kinds(level):
            broad = kind.startswith("broad")
            isa_questions.write(path, tables, level, kind, 5 if broad else 100, seed)
            for number in range(1 if broad else bench.options.rounds):
                result = bench.load_at(node, "ask", "--questions", path)
                if not broad and not kind.startswith("named"):
                    for scope in (level, "all"):
                        together.setdefault((scope, number), []).extend(result["all_ms"])
                bench.note(kind, case, level, p50_ms=result["p50_ms"], p95_ms=result["p95_ms"],
                           cpu_ms=result["cpu_ms"],
                           answers=result["answers"] / max(result["done"], 1))
    for (scope, _), times in together.items():
        times.sort()
        bench.note("all kinds together, but broad ones", case, scope,
                   p50_ms=times[len(times) // 2], p95_ms=times[len(times) * 95 // 100])


def search_tables(bench, node, cases):
    seed = bench.seed()  # of all: each case has its own archive
    for series, per_series in cases:
        kept = bench.options.keep and pathlib.Path(bench.options.keep).resolve() / f"{series}x{per_series}"
        filled = kept and (kept / "filled").exists()
        node.start(kept or bench.fresh_folder())
        if not filled:
            fill_with_tables(bench, node, seed, series, per_series)
        if kept:
            (kept / "filled").touch()
        ask_tables(bench, node, seed, series, f"{series:,} series of {per_series}")
        node.stop()


def search_cell(row):
    values = run.medians(row)
    times = f"{values['p50_ms']:.2g} / {values['p95_ms']:.2g} ms"
    if "answers" not in values:
        return times
    return f"{times}, {values['cpu_ms']:.2g} CPU ({values['answers']:.0f})"


def cell(row):
    values = run.medians(row)
    if row["work"] == "C-FIND list":
        return f"{values['p50_ms']:.3g} ms ({values['per_second']:,.0f}/s)"
    return run.shown(values, next(iter(values)))


def table(rows, second, cell):
    """A line a query and server or level, a column a size."""
    sizes = list(dict.fromkeys(row["case"] for row in rows))
    lines = [f"| | {second} | " + " | ".join(sizes) + " |", "|---" * (len(sizes) + 2) + "|"]
    for work, server in dict.fromkeys((row["work"], row["server"]) for row in rows):
        cells = {row["case"]: cell(row) for row in rows
                 if (row["work"], row["server"]) == (work, server)}
        lines.append(f"| {work} | {server} | "
                     + " | ".join(cells.get(size, "") for size in sizes) + " |")
    return "\n".join(lines)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    build = run.SOURCE / "build" / "bench" / "bin"
    parser.add_argument("--sizes", default="2000,31000,100000")
    parser.add_argument("--orthanc", default="", metavar="SIZES", help="Orthanc at these sizes too")
    parser.add_argument("--isa", default="", metavar="SERIES[xINSTANCES],...",
                        help="searches by what an ISA-Tab says, and nothing else")
    parser.add_argument("--keep", default="", metavar="FOLDER",
                        help="of --isa: archives are left there, filled, and asked again")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--murpacs", default=str(build / "murpacs"))
    parser.add_argument("--load", default=str(build / "murpacs-load"))
    parser.add_argument("--work", default=str(run.SOURCE / "build" / "bench-work"))
    parser.add_argument("--output", default=str(run.SOURCE / "build" / "bench-results"))
    options = parser.parse_args(arguments)
    options.sizes = [int(size) for size in options.sizes.split(",")]
    options.isa = [tuple(int(part) for part in (case + "x1").split("x")[:2])
                   for case in options.isa.split(",") if case]
    options.orthanc = [int(size) for size in options.orthanc.split(",") if size]
    return options


def main(arguments):
    options = parse(arguments)
    bench = run.Bench(options)
    node = servers.Murpacs("murpacs process", options.murpacs, "process")
    started = [(node, options.sizes)]
    if options.orthanc:
        started += [(server, options.orthanc) for server in servers.orthancs()]
    try:
        if options.isa:
            search_tables(bench, node, options.isa)
        else:
            for server, sizes in started:
                grow(bench, server, sizes)
    finally:
        for server, _ in started:
            server.stop()
        shutil.rmtree(bench.folder, ignore_errors=True)
    about = run.machine()
    name = "isa_scale" if options.isa else "index_scale"
    what = ("p50 / p95, CPU of the server for a question, answers" if options.isa else
            f"{PER_SERIES * SERIES_PER_STUDY} instances a Study; p50")
    shown = table(bench.rows, "level", search_cell) if options.isa \
        else table(bench.rows, "server", cell)
    text = (f"{about['time']}, commit {about['commit']}, load {about['load_average']:.1f} at the"
            f" end; {what}, medians of {options.rounds} rounds\n\n{shown}\n")
    output = pathlib.Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    (output / f"{name}.md").write_text(text, encoding="utf-8")
    (output / f"{name}.json").write_text(
        json.dumps({"machine": about, "rows": bench.rows}, indent=1) + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
