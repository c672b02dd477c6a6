#!/usr/bin/python3
"""C and C++ look as .clang-format says. Other versions of the tool differ, so without clang-format
14 the test is skipped.

usage: format.py SOURCE_DIR
"""
import shutil
import subprocess
import sys

import sources

TOOL = "clang-format-14"


def main(root):
    if not shutil.which(TOOL):
        print(f"{TOOL} is not installed")
        return 77
    paths = sources.files(root, sources.ROOMS + ("tests",), (".c", ".h", ".cc"))
    done = subprocess.run([TOOL, "--dry-run", "-Werror", *map(str, paths)], cwd=root, check=False)
    print(f"{len(paths)} files")
    return 1 if done.returncode else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
