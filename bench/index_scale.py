#!/usr/bin/python3
"""How queries and ingest do while the index grows. See bench/README.md.

usage: index_scale.py [--sizes 2000,31000,100000] [--orthanc 2000] [options]
"""
import argparse
import json
import pathlib
import shutil
import sys

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


def cell(row):
    values = run.medians(row)
    if row["work"] == "C-FIND list":
        return f"{values['p50_ms']:.3g} ms ({values['per_second']:,.0f}/s)"
    return run.shown(values, next(iter(values)))


def table(rows):
    """A line a query and server, a column a size."""
    sizes = list(dict.fromkeys(row["case"] for row in rows))
    lines = ["| | server | " + " | ".join(sizes) + " |", "|---" * (len(sizes) + 2) + "|"]
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
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--murpacs", default=str(build / "murpacs"))
    parser.add_argument("--load", default=str(build / "murpacs-load"))
    parser.add_argument("--work", default=str(run.SOURCE / "build" / "bench-work"))
    parser.add_argument("--output", default=str(run.SOURCE / "build" / "bench-results"))
    options = parser.parse_args(arguments)
    options.sizes = [int(size) for size in options.sizes.split(",")]
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
        for server, sizes in started:
            grow(bench, server, sizes)
    finally:
        for server, _ in started:
            server.stop()
        shutil.rmtree(bench.folder, ignore_errors=True)
    about = run.machine()
    text = (f"{about['time']}, commit {about['commit']}, load {about['load_average']:.1f} at the"
            f" end; {PER_SERIES * SERIES_PER_STUDY} instances a Study; p50, medians of"
            f" {options.rounds} rounds\n\n{table(bench.rows)}\n")
    output = pathlib.Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    (output / "index_scale.md").write_text(text, encoding="utf-8")
    (output / "index_scale.json").write_text(
        json.dumps({"machine": about, "rows": bench.rows}, indent=1) + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
