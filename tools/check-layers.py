#!/usr/bin/env python3
"""Fails when a source file includes a header its room may not see.

Rule: a file in src/ROOM may include its own room, plus the rooms listed for it
in LAYERS. A service may include no other service. Only app/ sees everything.
Usage: check-layers.py SRC_DIR        exit 0 clean, 1 violations, 2 bad layout
"""
import os, re, sys

LAYERS = {                       # room -> rooms it may include
    "base": [],
    "data": ["base"],
    "os": ["base"],
    "net": ["base", "data", "os"],
    "store": ["base", "data", "os"],
    "sandbox": ["base", "os"],
    "egress": ["base", "os"],
    "restorer": [],
    "aws": ["base", "data"],
    "core": ["base", "data", "os", "aws", "store"],
    "runtime": ["base", "data", "os", "net", "aws", "core", "egress", "restorer", "sandbox",
                "store"],
    "services": ["base", "data", "aws", "store", "core"],
    "gateway": ["base", "data", "os", "net", "aws", "core"],
    "console": ["base", "data"],
    "cli": ["base", "data", "os", "net", "aws"],
    "app": ["base", "data", "os", "net", "store", "egress", "sandbox", "restorer", "aws",
            "core", "runtime", "services", "gateway", "console", "cli"],
}
EXTRA = {("services", "lambda"): ["runtime"]}   # the one service that runs code
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')

def rooms_are_acyclic():
    seen, stack = set(), []
    def visit(room):
        assert room not in stack, "layer cycle: " + " -> ".join(stack + [room])
        if room in seen: return
        stack.append(room)
        for below in LAYERS[room]: visit(below)
        stack.pop(); seen.add(room)
    for room in LAYERS: visit(room)

def main(src):
    rooms_are_acyclic()
    bad = 0
    for folder, _, names in os.walk(src):
        rel = os.path.relpath(folder, src).split(os.sep)
        room = rel[0]
        if room == ".": continue
        if room not in LAYERS:
            print(f"{folder}: unknown room"); return 2
        for name in names:
            if not name.endswith((".c", ".h")): continue
            path = os.path.join(folder, name)
            for number, line in enumerate(open(path, encoding="utf-8"), 1):
                hit = INCLUDE.match(line)
                if not hit: continue
                to = hit.group(1).split("/")
                ok = to[0] == room or to[0] in LAYERS[room] or to[0] == "gen"
                ok = ok or (room == "app" and to[0] == "bootstraps.h")   # the files that it carries
                ok = ok or to[0] in EXTRA.get((room, (rel + [""])[1]), [])
                if room == to[0] == "services" and to[1] != rel[1]: ok = False
                if not ok:
                    print(f"{path}:{number}: {room} must not include {hit.group(1)}"); bad = 1
    return bad

sys.exit(main(sys.argv[1]))
