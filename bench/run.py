#!/usr/bin/python3
"""Measures our node beside its peers, on this machine, in interleaved rounds. See bench/README.md.

usage: run.py store|find|retrieve|memory|all [options]
"""
import argparse
import contextlib
import datetime
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile

import servers
from servers import Dcmqrscp, Murpacs, Storescp

SOURCE = pathlib.Path(__file__).resolve().parent.parent
OBJECT_BYTES = {"mr": 134_000, "ct": 527_000, "tiny": 1_400}


class Bad(Exception):
    """Something was lost, changed or refused: the run does not count."""


class Bench:
    def __init__(self, options):
        self.options = options
        root = pathlib.Path(options.work)
        root.mkdir(parents=True, exist_ok=True)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=root))
        self.next_folder = 0
        self.next_seed = 1
        self.failures = []  # of ours; a peer's is told and left out
        self.rows = []  # {"work", "case", "server", "values": {name: [one a round]}}

    def fresh_folder(self):
        self.next_folder += 1
        return self.folder / f"{self.next_folder:04}"

    def seed(self):
        """Objects that nobody has seen."""
        self.next_seed += 1
        return self.next_seed

    def load(self, *arguments):
        command = [self.options.load] + [str(argument) for argument in arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = done.stdout.strip().split("\n")
        result = json.loads(lines[-1]) if lines[-1].startswith("{") else {}
        if done.returncode != 0 or not result.get("good"):
            raise Bad(f"{' '.join(command)}: {result} {done.stderr}")
        return result

    def load_at(self, server, command, *arguments):
        """One run of the load generator, with the server's CPU time in it."""
        before = server.cpu_seconds()
        result = self.load(command, "--port", server.port, "--aec", server.aet, *arguments)
        result["cpu_ms"] = 1e3 * (server.cpu_seconds() - before) / max(result["done"], 1)
        return result

    def note(self, work, case, server, **values):
        for row in self.rows:
            if (row["work"], row["case"], row["server"]) == (work, case, server):
                break
        else:
            row = {"work": work, "case": case, "server": server, "values": {}}
            self.rows.append(row)
        for name, value in values.items():
            row["values"].setdefault(name, []).append(value)
        shown = ", ".join(f"{name} {value:.3g}" for name, value in values.items())
        print(f"{work}, {case}, {server}: {shown}", file=sys.stderr, flush=True)

    def rounds(self, participants):
        """(round, server) with another order in each round."""
        for number in range(self.options.rounds):
            turn = number % len(participants)
            for server in participants[turn:] + participants[:turn]:
                yield number, server

    @contextlib.contextmanager
    def counted(self, server):
        """What is measured within counts only if nothing was lost, changed or refused."""
        kept = json.dumps(self.rows)
        try:
            yield
        except (Bad, RuntimeError) as error:
            self.rows = json.loads(kept)
            print(f"does not count: {error}", file=sys.stderr, flush=True)
            if isinstance(server, Murpacs):
                self.failures.append(str(error))

    def scaled(self, count):
        return max(40, count // 5) if self.options.quick else count


# ---- C-STORE ----

def check_stored(bench, server, kind, count, seed):
    """Everything that was answered Success must be there, and the same."""
    if isinstance(server, Storescp):
        files = server.stored_files()
        if sum(size >= OBJECT_BYTES[kind] * 0.9 for size in files) < count:
            raise Bad(f"{server.name}: {len(files)} files, {count} were stored")
    else:
        bench.load_at(server, "get", "--kind", kind, "--seed", seed, "--count", count,
                      "--associations", 2)


def floor(bench, kind, associations):
    folder = bench.fresh_folder()
    folder.mkdir(parents=True)
    result = bench.load("floor", "--folder", folder, "--bytes", OBJECT_BYTES[kind], "--count",
                        bench.scaled(400), "--associations", associations)
    return result["per_second"]


def store_participants(options):
    found = []
    if not options.no_process:
        found += servers.ours(options, "process") + [Storescp("storescp +B")]
    if not options.no_durable:
        found += servers.ours(options, "durable")
    if not options.only_ours:
        found += servers.orthancs() + [Dcmqrscp("dcmqrscp")]
    return found


def measure_one_store(bench, server, kind, count):
    seed = bench.seed()
    if server.name.startswith(("Orthanc", "dcmqrscp")):
        count //= 4  # they take long
    bench.load_at(server, "store", "--kind", kind, "--seed", bench.seed(), "--count", 40)
    first = 0
    for associations in bench.options.associations:
        if associations > server.writers:
            continue
        case = f"{kind.upper()}, {associations} assoc."
        result = bench.load_at(server, "store", "--kind", kind, "--seed", seed, "--first", first,
                               "--count", count, "--associations", associations)
        first += count
        bench.note("C-STORE", case, server.name, per_second=result["per_second"],
                   cpu_ms=result["cpu_ms"], p50_ms=result["p50_ms"], p95_ms=result["p95_ms"])
        if isinstance(server, Murpacs) and server.durability == "durable":
            bench.note("C-STORE", case, FLOOR, per_second=floor(bench, kind, associations))
    check_stored(bench, server, kind, first, seed)


def measure_store(bench):
    options = bench.options
    counts = {"mr": 2000, "ct": 1000, "tiny": 2000}
    for kind in options.kinds:
        for number, server in bench.rounds(store_participants(options)):
            with bench.counted(server):
                server.start(bench.fresh_folder())
                measure_one_store(bench, server, kind, bench.scaled(counts[kind]))
            server.stop()


# ---- C-FIND ----

LIST_SIZES = (155, 500)
PER_STUDY = 13
EXACT = ("study", "patient", "accession", "instance")


def measure_find(bench):
    options = bench.options
    participants = servers.ours(options, "durable")
    if not options.only_ours:
        participants += servers.orthancs()
    layout = ("--per-series", PER_STUDY, "--series-per-study", 1, "--kind", "tiny")
    seed = bench.seed()
    filled = 0
    for server in participants:
        server.start(bench.fresh_folder())
    for studies in LIST_SIZES:
        count = studies * PER_STUDY
        for server in participants:
            bench.load_at(server, "store", *layout, "--seed", seed, "--first", filled, "--count",
                          count - filled, "--associations", min(4, server.writers))
        filled = count
        asked = (*layout, "--seed", seed, "--count", count)
        for _, server in bench.rounds(participants):
            queries = [("list", 10), ("rows", 20)]
            if studies == LIST_SIZES[0]:
                queries += [(query, 400) for query in EXACT]
                queries += [("series", 200), ("images", 100), ("date", 100), ("name", 100)]
            with bench.counted(server):
                for query, repeat in queries:
                    result = bench.load_at(server, "find", *asked, "--query", query, "--repeat",
                                           bench.scaled(repeat * 5) // 5)
                    values = {"p50_ms": result["p50_ms"], "p95_ms": result["p95_ms"],
                              "cpu_ms": result["cpu_ms"]}
                    if query in ("list", "rows"):
                        values["per_second"] = result["answers_per_second"]
                    bench.note("C-FIND", f"{query}, {studies} studies", server.name, **values)
    for server in participants:
        server.stop()


# ---- C-GET and C-MOVE ----

def measure_retrieve(bench):
    options = bench.options
    sink_port = servers.free_port()
    participants = servers.ours(options, "durable", sink_port)
    if not options.only_ours:
        participants += servers.orthancs(sink_port) + [Dcmqrscp("dcmqrscp", sink_port)]
    counts = {"mr": bench.scaled(1000), "ct": bench.scaled(600), "tiny": bench.scaled(1000)}
    seed = bench.seed()
    for server in participants:
        server.start(bench.fresh_folder())
        for index, kind in enumerate(options.kinds):
            bench.load_at(server, "store", "--kind", kind, "--seed", seed + index, "--count",
                          counts[kind], "--associations", min(4, server.writers))
    bench.next_seed += len(options.kinds)
    for index, kind in enumerate(options.kinds):
        for _, server in bench.rounds(participants):
            with bench.counted(server):
                for command in ("get", "move"):
                    for associations in options.associations:
                        result = bench.load_at(server, command, "--kind", kind, "--seed",
                                               seed + index, "--count", counts[kind],
                                               "--associations", associations, "--sink-port",
                                               sink_port)
                        bench.note(f"C-{command.upper()}",
                                   f"{kind.upper()}, {associations} assoc.", server.name,
                                   per_second=result["per_second"], cpu_ms=result["cpu_ms"])
    for server in participants:
        server.stop()


# ---- memory ----

IDLE = 100


def idle_kilobytes(bench, server):
    before = server.proportional_bytes()
    crowd = subprocess.Popen([bench.options.load, "idle", "--port", str(server.port), "--aec",
                              server.aet, "--associations", str(IDLE)], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    if crowd.stdout.readline().strip() != "ready":
        raise Bad(f"{server.name}: no {IDLE} associations")
    grown = server.proportional_bytes() - before
    crowd.communicate()
    return grown / IDLE / 1024


def measure_one_memory(bench, server):
    server.start(bench.fresh_folder())
    bench.load_at(server, "store", "--kind", "ct", "--seed", bench.seed(), "--count",
                  bench.scaled(800), "--associations", 8, "--per-series", 20)
    if not server.forks:
        bench.note("memory", "CT at 8 associations", server.name,
                   megabytes=server.status_bytes("VmHWM") / 1e6)
    server.stop()
    if not server.forks:
        server.start(bench.fresh_folder())
        bench.load_at(server, "store", "--kind", "mr", "--seed", bench.seed(), "--count", 40)
        before = server.status_bytes("VmHWM")
        large = ("--kind", "large", "--seed", bench.seed(), "--count", 1, "--per-series", 1)
        result = bench.load_at(server, "store", *large)
        bench.note("memory", "one object of 134 MB in", server.name,
                   growth_megabytes=(server.status_bytes("VmHWM") - before) / 1e6,
                   seconds=result["seconds"])
        bench.load_at(server, "get", *large)
        bench.note("memory", "one object of 134 MB in and out", server.name,
                   growth_megabytes=(server.status_bytes("VmHWM") - before) / 1e6)
        server.stop()
    if not isinstance(server, servers.Orthanc):  # serves as many as it has threads
        server.start(bench.fresh_folder())
        bench.note("memory", f"{IDLE} idle associations", server.name,
                   kilobytes_each=idle_kilobytes(bench, server))


def measure_memory(bench):
    options = bench.options
    participants = servers.ours(options, "durable") + [Storescp("storescp +B")]
    if not options.only_ours:
        participants += servers.orthancs()
    for _, server in bench.rounds(participants):
        with bench.counted(server):
            measure_one_memory(bench, server)
        server.stop()


# ---- results ----

def medians(row):
    return {name: statistics.median(values) for name, values in row["values"].items()}


FLOOR = "flush floor"
MAIN = {"C-FIND": "p50_ms", "QIDO-RS": "p50_ms"}
UNITS = {"per_second": "/s", "p50_ms": " ms", "p95_ms": " ms", "cpu_ms": " ms CPU",
         "megabytes": " MB", "growth_megabytes": " MB", "kilobytes_each": " kB", "seconds": " s"}


def shown(values, main):
    text = f"{values[main]:,.3g}" if values[main] < 100 else f"{values[main]:,.0f}"
    text += UNITS[main]
    if "cpu_ms" in values and main != "cpu_ms":
        text += f" ({values['cpu_ms']:.2f})"
    return text


def main_value(row):
    if row["case"].startswith("rows"):
        return "per_second"
    if row["work"] == "memory":
        return next(iter(row["values"]))
    return MAIN.get(row["work"], "per_second")


def compared(found, name, peers):
    """Ours against the best peer that promises as much, and against the disk."""
    key = main_value(found[name])
    best = max if key == "per_second" else min
    durable = name.endswith("durable") and found[name]["work"] == "C-STORE"
    values = {peer: medians(found[peer])[key] for peer in peers
              if peer in found and (not durable or peer.startswith("Orthanc"))}
    values = {peer: value for peer, value in values.items() if value > 0}
    text = ""
    if values:
        peer = best(values, key=values.get)
        text = f"{medians(found[name])[key] / values[peer]:.2f} {peer}"
    if durable and FLOOR in found:
        text += f", {medians(found[name])[key] / medians(found[FLOOR])[key]:.2f} of the floor"
    return text


def table(rows, work):
    """Markdown: a line a case, a column a server; then ours against the best peer."""
    rows = [row for row in rows if row["work"] == work]
    names = list(dict.fromkeys(row["server"] for row in rows))
    cases = list(dict.fromkeys(row["case"] for row in rows))
    mine = [name for name in names if name.startswith("murpacs")]
    peers = [name for name in names if name not in mine and name != FLOOR]
    lines = [f"| {work} | " + " | ".join(names) + " | ours / best peer |",
             "|---" * (len(names) + 2) + "|"]
    for case in cases:
        found = {row["server"]: row for row in rows if row["case"] == case}
        cells = []
        for name in names:
            row = found.get(name)
            cells.append(shown(medians(row), main_value(row)) if row else "")
        ratios = [compared(found, name, peers) for name in mine if name in found]
        lines.append(f"| {case} | " + " | ".join(cells) + " | " + "; ".join(filter(None, ratios)) + " |")
    return "\n".join(lines)


def machine():
    model = ""
    for line in servers.read("/proc/cpuinfo").split("\n"):
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
    commit = subprocess.run(["git", "-C", str(SOURCE), "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True, check=False).stdout.strip()
    return {"time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "commit": commit, "processor": model, "cores": os.cpu_count(),
            "kernel": platform.release(), "load_average": os.getloadavg()[0]}


def write_results(bench):
    output = pathlib.Path(bench.options.output)
    output.mkdir(parents=True, exist_ok=True)
    about = machine()
    works = list(dict.fromkeys(row["work"] for row in bench.rows))
    text = (f"{about['time']}, commit {about['commit']}, {about['cores']} cores {about['processor']},"
            f" load {about['load_average']:.1f} at the end; medians of {bench.options.rounds}"
            " rounds; in parentheses the server's CPU time per operation in ms\n\n")
    text += "\n\n".join(table(bench.rows, work) for work in works) + "\n"
    (output / "results.md").write_text(text, encoding="utf-8")
    (output / "results.json").write_text(json.dumps(
        {"machine": about, "rounds": bench.options.rounds, "quick": bench.options.quick,
         "rows": [{**row, "median": medians(row)} for row in bench.rows]}, indent=1) + "\n")
    print(text)


def labelled(text):
    label, equals, binary = text.rpartition("=")
    return ("murpacs " + label if equals else "murpacs"), str(pathlib.Path(binary).resolve())


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    build = SOURCE / "build" / "bench" / "bin"
    parser.add_argument("what", choices=("store", "find", "retrieve", "memory", "all"))
    parser.add_argument("--quick", action="store_true", help="a fifth of the operations")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", default="mr,ct,tiny", help="of mr, ct, tiny")
    parser.add_argument("--associations", default="1,4")
    parser.add_argument("--only-ours", action="store_true", help="without Orthanc and dcmqrscp")
    parser.add_argument("--no-durable", action="store_true", help="store: process durability alone")
    parser.add_argument("--no-process", action="store_true", help="store: durable alone")
    parser.add_argument("--murpacs", action="append", metavar="[LABEL=]PROGRAM",
                        help="may be given several times, to compare them")
    parser.add_argument("--load", default=str(build / "murpacs-load"), help="the load generator")
    parser.add_argument("--work", default=str(SOURCE / "build" / "bench-work"),
                        help="where the nodes store; on the disk that is to be measured")
    parser.add_argument("--output", default=str(SOURCE / "build" / "bench-results"))
    parser.add_argument("--keep", action="store_true", help="leaves what was stored")
    options = parser.parse_args(arguments)
    options.kinds = options.kinds.split(",")
    options.associations = [int(number) for number in options.associations.split(",")]
    options.murpacs = [labelled(text) for text in options.murpacs or [str(build / "murpacs")]]
    return options


def carry_out(options, works):
    """Measures, writes the results, ends all servers. Returns the exit code."""
    bench = Bench(options)
    started = []
    start = servers.Server.start
    servers.Server.start = lambda server, folder: (started.append(server), start(server, folder))[1]
    try:
        for measure in works:
            measure(bench)
    finally:
        for server in started:
            server.stop()
        if bench.rows:
            write_results(bench)
        if not options.keep:
            shutil.rmtree(bench.folder, ignore_errors=True)
    for error in bench.failures:
        print(f"FAILED {error}", file=sys.stderr)
    return 1 if bench.failures else 0


def main(arguments):
    options = parse(arguments)
    works = {"store": measure_store, "find": measure_find, "retrieve": measure_retrieve,
             "memory": measure_memory}
    return carry_out(options, [measure for name, measure in works.items()
                               if options.what in (name, "all")])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
