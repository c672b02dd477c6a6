#!/usr/bin/python3
"""Every header compiles alone: as C17, and as C++17 where the bridge may include it.

usage: self_contained.py SOURCE_DIR CC CXX
"""
import concurrent.futures
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lint"))
import sources

COMMON = ["-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-I.", "-Wall", "-Wextra", "-Werror",
          "-fsyntax-only"]


def compile_alone(root, command, header):
    done = subprocess.run([*command, *COMMON, "-"], cwd=root, input=f'#include "{header}"\n',
                          capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"{' '.join(command)}: {header}\n{done.stderr}"


def main(root, cc, cxx):
    jobs = []
    headers = sources.files(root, sources.ROOMS, (".h",))
    for header in headers:
        in_bridge = header.parts[:2] == ("dicom", "bridge")
        if not in_bridge:
            jobs.append(([cc, "-std=gnu17", "-x", "c"], header))
        if header.parts[0] in ("core", "dicom"):
            jobs.append(([cxx, "-std=c++17", "-x", "c++"], header))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda job: compile_alone(root, *job), jobs)
        problems = [result for result in results if result]
    return sources.report(problems, len(headers))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
