#!/usr/bin/python3
"""Puts the program's tables into docs/conformance-statement.md.

usage: refresh_conformance.py MURPACS [--check]
With --check nothing is written; exit code 1 says that the document is not current.
"""
import pathlib
import re
import subprocess
import sys

DOCUMENT = pathlib.Path(__file__).parents[1] / "docs/conformance-statement.md"
BLOCK = re.compile(r"<!-- begin (\S+) -->\n(.*?)<!-- end \1 -->\n", re.DOTALL)


def refreshed(text, printed):
    """The document's text with the tables as printed; both must have the same ones."""
    tables = {found[1]: found[0] for found in BLOCK.finditer(printed)}
    places = [found[1] for found in BLOCK.finditer(text)]
    if sorted(tables) != sorted(places):
        raise SystemExit(f"the program prints {sorted(tables)}, the document has {sorted(places)}")
    return BLOCK.sub(lambda found: tables[found[1]], text)


def main(program, *options):
    printed = subprocess.run([program, "help", "--conformance"], capture_output=True, text=True,
                             check=True).stdout
    text = DOCUMENT.read_text(encoding="utf-8")
    current = refreshed(text, printed)
    if "--check" not in options:
        DOCUMENT.write_text(current, encoding="utf-8")
    elif current != text:
        print(f"{DOCUMENT} is not current; refresh it: scripts/refresh_conformance.py PROGRAM")
        return 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    sys.exit(main(*sys.argv[1:]))
