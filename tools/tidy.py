#!/usr/bin/env python3
"""Size rules: files at most 1000 lines, functions at most 70 (docs/CONVENTIONS.md).

A longer flat function carries a comment `tidy: long, <why>` in its body or just above.
Usage: tidy.py    exit 0 clean, 1 violations
"""
import re
import subprocess
import sys

FILE_MAX, FUNCTION_MAX = 1000, 70


def functions(lines):
    """(first line, last line) of each function of a file in our layout: '{' and '}' in column 0."""
    begin = None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == "{" and begin is None and not lines[number - 2].rstrip().endswith("="):
            begin = number
        elif line.rstrip() == "}" and begin is not None:
            yield begin, number
            begin = None


def main():
    bad = 0
    files = subprocess.run(["git", "ls-files", "src/*.c", "src/*.h", "tests/*.c", "bench/*.c"],
                           check=True, capture_output=True, text=True).stdout.split()
    for path in files:
        with open(path, encoding="utf-8") as file:
            lines = file.readlines()
        if len(lines) > FILE_MAX:
            print(f"{path}: {len(lines)} lines, at most {FILE_MAX}")
            bad = 1
        for begin, end in functions(lines):
            text = "".join(lines[max(0, begin - 4):end])
            if end - begin - 1 > FUNCTION_MAX and not re.search(r"tidy: long, \S", text):
                print(f"{path}:{begin}: function of {end - begin - 1} lines, at most {FUNCTION_MAX}")
                bad = 1
    return bad


sys.exit(main())
