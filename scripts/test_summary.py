#!/usr/bin/python3
"""Says from ctest's JUnit files what failed and why; the last line is "N passed, N failed".

usage: test_summary.py [--failed-build PRESET]... [PRESET=JUNIT_FILE]...
"""
import argparse
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

TAIL = 60


def tail(text):
    lines = text.rstrip().split("\n")
    cut = [f"[{len(lines) - TAIL} lines left out]"] if len(lines) > TAIL else []
    return "\n".join("    " + line for line in cut + lines[-TAIL:])


def cases(preset, path):
    """(name, "passed" | "failed" | "skipped", reason, output) of every test."""
    if not pathlib.Path(path).exists():
        yield preset, "failed", "ctest wrote no result", ""
        return
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{preset} {case.get('name')}"
        output = case.findtext("system-out") or ""
        failure, skipped = case.find("failure"), case.find("skipped")
        if failure is not None:
            yield name, "failed", failure.get("message") or "failed", output
        elif skipped is not None and "SKIP_RETURN_CODE" in (skipped.get("message") or ""):
            yield name, "skipped", (output.strip() or "skipped").split("\n")[-1], output
        elif case.get("status") == "run":
            yield name, "passed", "", output
        else:
            # Its program or what it needs is missing: that is no pass.
            reason = skipped.get("message") if skipped is not None else None
            yield name, "failed", reason or "not run", output


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--failed-build", action="append", default=[])
    parser.add_argument("results", nargs="*")
    arguments = parser.parse_args()
    passed, failed = 0, [(f"build of {preset}", "see above") for preset in arguments.failed_build]
    for result in arguments.results:
        for name, verdict, reason, output in cases(*result.split("=", 1)):
            passed += verdict == "passed"
            if verdict == "skipped":
                print(f"skipped: {name}: {reason}")
            if verdict == "failed":
                failed.append((name, reason))
                print(f"\n==== {name}: {reason}\n{tail(output)}")
    if failed:
        print("\nFailed:")
        for name, reason in failed:
            print(f"  {name}: {reason}")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
