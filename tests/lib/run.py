#!/usr/bin/env python3
"""Runs the unittest cases below a folder and closes with "N passed, N failed[, N skipped]".

Usage: run.py FOLDER [NAME...]     NAME: substrings of test ids to run
The environment names the binaries: VIRGA_BUILD (default: build).
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


def main(folder, names):
    sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
    suite = unittest.defaultTestLoader.discover(folder, pattern="test_*.py", top_level_dir=folder)
    wanted = unittest.TestSuite(
        case for case in cases(suite) if not names or any(name in case.id() for name in names))
    result = unittest.TextTestRunner(verbosity=2).run(wanted)
    bad = [case for case, _ in result.failures + result.errors] + result.unexpectedSuccesses
    failed = len({getattr(case, "test_case", case).id() for case in bad})  # a subtest's whole test
    skipped = len(result.skipped)
    line = f"{result.testsRun - failed - skipped} passed, {failed} failed"
    sys.stderr.flush()
    print(line + (f", {skipped} skipped" if skipped else ""), flush=True)
    return 1 if failed or result.testsRun == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
