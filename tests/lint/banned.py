#!/usr/bin/python3
"""Functions and words that the project does without.

usage: banned.py SOURCE_DIR
"""
import re
import sys

import sources

UNCHECKED = "its result cannot be checked, or it writes past the end"
FUNCTIONS = {
    "strcpy strcat sprintf vsprintf gets": UNCHECKED,
    "atoi atol atoll atof strtol strtoll strtoul strtoull strtod strtof strtoimax strtoumax":
        "numbers are read by core/text.h",
    "strtok strtok_r": "it changes its input",
    "system popen": "no shell",
    "alloca": "the stack has no check",
    "tmpnam tempnam mktemp": "a race: mkostemp()",
    "localtime localtime_r gmtime gmtime_r mktime asctime asctime_r ctime ctime_r strftime":
        "time zone, locale or static memory: core/clock.h",
}
# The rooms that return errors and never log, print or exit (docs/architecture.md).
LIBRARY_ROOMS = ("core", "dicom", "isa", "mapping", "db", "store", "archive", "converters", "scu")
LIBRARY_FUNCTIONS = {
    "printf fprintf vprintf vfprintf puts fputs putchar perror": "library rooms print nothing",
    "exit _exit abort": "library rooms end no process",
    "mur_log mur_log_error mur_log_warning mur_log_info mur_log_debug mur_log_trace":
        "library rooms do not log",
}
LIBRARY_EXCEPTIONS = ("core/log.c", "core/log.h")

# In two pieces, so that this file does not contain them.
WORDS = re.compile(r"\b(" + "|".join(("TO" "DO", "FIX" "ME", "(?i:st" "ub)")) + r")\b")
WORD_SUFFIXES = sources.C_SUFFIXES + (".py", ".sh", ".cmake", ".cfg", ".sql", ".md", ".txt")

# Comments and texts hold no calls. Strings first: they may contain the beginnings of comments.
NO_CODE = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*.*?\*/', re.DOTALL)


def pattern_of(table):
    reasons = {name: reason for names, reason in table.items() for name in names.split()}
    return re.compile(r"(?<![\w.>])(" + "|".join(reasons) + r")\s*\("), reasons


def calls(root, path, table):
    pattern, reasons = pattern_of(table)
    raw = dict(sources.lines(root, path))
    text = "\n".join(raw.values())
    code = NO_CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    for number, line in enumerate(code.split("\n"), 1):
        for match in pattern.finditer(line):
            if not sources.ALLOWED.search(raw[number]):
                yield f"{path}:{number}: {match[1]}(): {reasons[match[1]]}"


def main(root):
    problems = []
    code = sources.files(root, sources.ROOMS + ("tests",), sources.C_SUFFIXES)
    for path in code:
        problems += calls(root, path, FUNCTIONS)
        if path.parts[0] in LIBRARY_ROOMS and str(path) not in LIBRARY_EXCEPTIONS:
            problems += calls(root, path, LIBRARY_FUNCTIONS)
    folders = sources.ROOMS + ("tests", "cmake", "docs", "etc", "scripts", "systemd")
    for path in sources.files(root, folders, WORD_SUFFIXES):
        for number, line in sources.lines(root, path):
            match = WORDS.search(line)
            if match and not sources.ALLOWED.search(line):
                problems.append(f"{path}:{number}: the word {match[0]}: finish it or leave it out")
    return sources.report(problems, len(code))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
