#!/usr/bin/env python3
"""Runs the unittest cases below a folder and closes with "N passed, N failed[, N skipped]".

Usage: run.py FOLDER [NAME...]     NAME: substrings of test ids to run
The environment names the binaries: VIRGA_BUILD (default: build). A skip is a failure unless
tests/optional.txt names the test.
"""
import os
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def cases(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from cases(item)
        else:
            yield item


def optional():
    """The beginnings of ids that may be skipped: "folder/test_x.Class"."""
    with open(os.path.join(ROOT, "tests", "optional.txt"), encoding="utf-8") as file:
        return tuple(line.split(":", 1)[0] for line in file if ":" in line and line[0] != "#")


def main(folder, names):
    sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
    suite = unittest.defaultTestLoader.discover(folder, pattern="test_*.py", top_level_dir=folder)
    wanted = unittest.TestSuite(
        case for case in cases(suite) if not names or any(name in case.id() for name in names))
    result = unittest.TextTestRunner(verbosity=2).run(wanted)
    bad = [case for case, _ in result.failures + result.errors] + result.unexpectedSuccesses
    prefix = os.path.basename(os.path.normpath(folder)) + "/"
    for case, reason in result.skipped:
        if not (prefix + case.id()).startswith(optional()):
            print(f"SKIPPED, but not in tests/optional.txt: {case.id()}: {reason}")
            bad.append(case)
    failed = len({getattr(case, "test_case", case).id() for case in bad})  # a subtest's whole test
    skipped = sum(case not in bad for case, _ in result.skipped)
    line = f"{result.testsRun - failed - skipped} passed, {failed} failed"
    sys.stderr.flush()
    print(line + (f", {skipped} skipped" if skipped else ""), flush=True)
    return 1 if failed or result.testsRun == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
