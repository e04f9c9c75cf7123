#!/usr/bin/env python3
"""Runs the unittest cases below a folder and closes with "N passed, N failed[, N skipped]".

Usage: run.py FOLDER [NAME...]     NAME: substrings of test ids to run
The environment names the binaries: VIRGA_BUILD (default: build); VIRGA_JOBS says how many files run at a
time (default: one more than there are CPUs, since tests wait for servers most of the time). A skip is
a failure unless tests/optional.txt names the test.
"""
import concurrent.futures
import os
import re
import subprocess
import sys
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FILE_SECONDS = 600
CLOSING = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")


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


def found(folder, names):
    suite = unittest.defaultTestLoader.discover(folder, pattern="test_*.py", top_level_dir=folder)
    return [case for case in cases(suite) if not names or any(name in case.id() for name in names)]


def closing_line(passed, failed, skipped):
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def run_here(folder, wanted):
    result = unittest.TextTestRunner(verbosity=2).run(unittest.TestSuite(wanted))
    bad = [case for case, _ in result.failures + result.errors] + result.unexpectedSuccesses
    prefix = os.path.basename(os.path.normpath(folder)) + "/"
    for case, reason in result.skipped:
        if not (prefix + case.id()).startswith(optional()):
            print(f"SKIPPED, but not in tests/optional.txt: {case.id()}: {reason}")
            bad.append(case)
    failed = len({getattr(case, "test_case", case).id() for case in bad})  # a subtest's whole test
    skipped = sum(case not in bad for case, _ in result.skipped)
    sys.stderr.flush()
    print(closing_line(result.testsRun - failed - skipped, failed, skipped), flush=True)
    return 1 if failed or result.testsRun == 0 else 0


def run_file(folder, file, names):
    """A process of its own; its figures and what it printed."""
    begin = time.monotonic()
    command = [sys.executable, __file__, folder, *(names or [file + "."])]
    try:
        done = subprocess.run(command, env={**os.environ, "VIRGA_TEST_FILE": file}, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=FILE_SECONDS,
                              check=False)
        text, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        text, code = (late.stdout or b"").decode(errors="replace") + "\ntook too long\n", 1
    closing = CLOSING.match(text.splitlines()[-1]) if text else None
    counts = [int(number or 0) for number in closing.groups()] if closing else [0, 1, 0]
    if code != 0 and counts[1] == 0:
        counts[1] = 1
    return counts, text, time.monotonic() - begin


def run_files(folder, files, names, jobs):
    total = [0, 0, 0]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(run_file, folder, file, names): file for file in files}
        for future in concurrent.futures.as_completed(running):
            counts, text, seconds = future.result()
            total = [sum(pair) for pair in zip(total, counts)]
            print(text if counts[1] else "", end="")
            print(f"== {running[future]}: {closing_line(*counts)} ({seconds:.0f} s)", flush=True)
    print(closing_line(*total), flush=True)
    return 1 if total[1] or total[0] == 0 else 0


def main(folder, names):
    sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
    only = os.environ.get("VIRGA_TEST_FILE")
    wanted = [case for case in found(folder, names) if only is None or case.id().split(".")[0] == only
              or only in case.id()]  # a file that cannot be loaded is a case of the loader's
    files = sorted({re.sub(r"^unittest\.loader\._FailedTest\.", "", case.id()).split(".")[0] for case in wanted})
    jobs = int(os.environ.get("VIRGA_JOBS", (os.cpu_count() or 1) + 1))
    if only is not None or jobs == 1 or len(files) < 2:
        return run_here(folder, wanted)
    return run_files(folder, files, names, jobs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
