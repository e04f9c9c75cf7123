#!/usr/bin/env python3
"""Many functions deployed, a part of them active: does what one call costs stay the same?

Usage: many.py BUILD_DIR [--functions 1000] [--active 200] [--calls 5000] [--json FILE]

Deploys the functions in steps and calls the active ones in turn, a new one's first call included. At each
step: the latency of warm calls and of first calls, the memory of the platform's own processes and of the
instances (PSS, each once its function has been called). Flat is what is wanted: the goal P18.
"""
import argparse
import json
import os
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tools"))
import client  # noqa: E402

SOURCE = "def handler(event, context):\n    return event\n"


def pss_kib(pid):
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return int(re.search(r"^Pss: +(\d+)", file.read(), re.M).group(1))
    except OSError:
        return 0


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(number) for number in file.read().split()]


def instances(spawner):
    """PSS of each sandbox in which a program runs."""
    found = []
    for init in children(spawner):
        try:
            programs = children(init)
        except OSError:
            continue
        if programs:
            found.append(pss_kib(init) + sum(map(pss_kib, programs)))
    return found


def timed(server, name):
    begin = time.perf_counter()
    server.invoke(name, 1)
    return (time.perf_counter() - begin) * 1000


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main():
    options = argparse.ArgumentParser()
    options.add_argument("build")
    options.add_argument("--functions", type=int, default=1000)
    options.add_argument("--active", type=int, default=200)
    options.add_argument("--calls", type=int, default=5000)
    options.add_argument("--json")
    options = options.parse_args()
    rows = []
    steps = [max(1, options.functions * part // 10) for part in (1, 2, 5, 10)]
    with client.Server(options.build) as server:
        spawner = children(server.pid)[0]
        deployed = called = 0
        for step in steps:
            while deployed < step:
                server.create(f"f{deployed}", SOURCE, MemorySize=128)
                deployed += 1
            active = max(1, options.active * step // options.functions)
            first = [timed(server, f"f{number}") for number in range(called, active)]
            called = active
            calls = max(active, options.calls // len(steps))
            warm = [timed(server, f"f{number % active}") for number in range(calls)]
            memory = instances(spawner)
            rows.append({
                "functions": deployed, "active": active,
                "warm_p50_ms": percentile(warm, .5), "warm_p99_ms": percentile(warm, .99),
                "first_p50_ms": percentile(first, .5), "first_p99_ms": percentile(first, .99),
                "platform_mb": (pss_kib(server.pid) + pss_kib(spawner)) / 1024,
                "instances": len(memory), "instance_p50_mb": percentile(memory or [0], .5) / 1024})
            print("  ".join(f"{name} {value:.2f}" if isinstance(value, float) else f"{name} {value}"
                            for name, value in rows[-1].items()), flush=True)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)


main()
