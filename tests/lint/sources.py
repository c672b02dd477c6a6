"""What the lint tests share: which files there are, and the marker of an exception."""
import pathlib
import re

ROOMS = ("core", "dicom", "isa", "mapping", "db", "store", "archive", "converters", "workflow",
         "scp", "web", "scu", "cli")
C_SUFFIXES = (".c", ".h", ".cc", ".def")
# "ci-allow: reason" on the line itself, in a comment.
ALLOWED = re.compile(r"ci-allow: \S")


def files(root, folders, suffixes):
    """Sorted paths relative to root."""
    root = pathlib.Path(root)
    found = []
    for folder in folders:
        found += [path.relative_to(root) for path in (root / folder).rglob("*")
                  if path.is_file() and path.suffix in suffixes]
    return sorted(found)


def lines(root, path):
    """(line number, line), first line 1."""
    text = (pathlib.Path(root) / path).read_text(encoding="utf-8")
    return enumerate(text.split("\n"), 1)


def report(problems, count):
    """Prints the problems; returns the exit code."""
    for problem in problems:
        print(problem)
    print(f"{count} files, {len(problems)} problems")
    return 1 if problems or count == 0 else 0
