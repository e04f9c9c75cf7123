#!/usr/bin/env python3
"""Mixed load on one server, then the question what it has left behind.

Usage: soak.py [BUILD_DIR] [--seconds N] [--json FILE]      (root; 60 seconds unless told, 1800 for a
                                                             recorded run)

Rounds of everything that functions do: answers of Python and Node, warm and cold, bursts, errors,
timeouts, exhausted memory, crashes, children left behind, full /tmp, logs, asynchronous calls, updates,
deletions. After the first rounds, and again at the end, all functions are deleted; what the server has
then must be the same: processes, descriptors, mounts, namespaces, control groups, loop devices, files,
memory. After its stop nothing of it may exist. Every answer is checked.
"""
import argparse
import concurrent.futures
import contextlib
import glob
import json
import os
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))

ANSWERS = """
import os, sys, time
def handler(event, context):
    what = event.get("do")
    if what == "sleep":
        time.sleep(event["seconds"])
    if what == "raise":
        raise ValueError("asked for")
    if what == "exit":
        os._exit(3)
    if what == "eat":
        held = [bytearray(16 << 20) for _ in range(1 << 16)]
    if what == "leave":
        import subprocess
        subprocess.Popen(["/bin/sleep", "600"])
    if what == "fill":
        with open(f"/tmp/{event['n']}", "wb") as file:
            file.write(bytes(1 << 20))
        os.makedirs(f"/tmp/d{event['n']}/e", exist_ok=True)
    if what == "print":
        print("x" * 1000 + "\\n" * 20)
    return event
"""
NODE = "exports.handler = async (event) => event;\n"
# What is asked, and the error type that must come of it (None: the event comes back).
ASKS = [
    ({"n": 1}, None), ({"do": "print"}, None), ({"do": "raise"}, "ValueError"),
    ({"do": "exit"}, "Runtime.ExitError"), ({"do": "eat"}, "Runtime.OutOfMemory"),
    ({"do": "leave"}, None), ({"do": "fill", "n": 1}, None),
    ({"do": "sleep", "seconds": 0.05}, None),
]
SLOW = ({"do": "sleep", "seconds": 60}, "Sandbox.Timedout")
LAST = 5  # the function that is short of time; the first one is Node's
FUNCTIONS, BURST, THREADS, SETTLE_SECONDS = 6, 40, 12, 60
MEMORY_SLACK_KIB = 6 * 1024


def is_ended(pid):
    """Whether a process has ended and nobody has asked how."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return False


class Soak:
    def __init__(self, host, lib):
        self.host, self.lib = host, lib
        self.client = host.client()
        self.calls = self.rounds = 0

    def call(self, name, ask, wanted=None):
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(ask))
        payload = json.load(answer["Payload"])
        self.calls += 1
        found = payload.get("errorType") if "FunctionError" in answer else None
        if found != wanted or (wanted is None and payload != ask):
            sys.exit(f"soak: {name} was asked {ask}, answered {payload}, wanted {wanted or 'the same'}")

    def round(self, threads):
        """Creates, calls in every way, updates, and leaves the functions for the next round."""
        self.rounds += 1
        work = []
        for number in range(FUNCTIONS):
            name = f"f{number}"
            if self.rounds % 3 == 1:
                with contextlib.suppress(self.client.exceptions.ResourceNotFoundException):
                    self.client.delete_function(FunctionName=name)
                if number == 0:
                    self.client.create_function(
                        FunctionName=name, Runtime="nodejs20.x", Role=self.lib.ROLE, Handler="f.handler",
                        Code={"ZipFile": self.lib.zip_of({"f.js": NODE})}, MemorySize=192)
                else:
                    self.lib.python_function(self.client, name, ANSWERS + f"# {self.rounds}\n",
                                             Timeout=1 if number == LAST else 60,
                                             MemorySize=128 + 32 * number)
            elif self.rounds % 3 == 2 and number > 0:
                self.client.update_function_configuration(
                    FunctionName=name, Environment={"Variables": {"ROUND": str(self.rounds)}})
            asks = ASKS[self.rounds % 2::2] + ASKS[:2]
            asks = {0: ASKS[:1] * 4, LAST: [SLOW] * 2}.get(number, asks)
            work += [threads.submit(self.call, name, *ask) for ask in asks]
        work += [threads.submit(self.call, "f1", {"do": "sleep", "seconds": 0.02})
                 for _ in range(BURST)]
        for ask in {"n": 1}, {"do": "raise"}:
            self.client.invoke(FunctionName="f2", InvocationType="Event", Payload=json.dumps(ask))
        for future in work:
            future.result()

    def clear(self):
        """Deletes all functions and waits until no instance is left."""
        for function in self.client.list_functions()["Functions"]:
            self.client.delete_function(FunctionName=function["FunctionName"])
        last = []

        def is_still():
            now = self.counts(with_memory=False)
            last.append(now)
            return len(last) > 3 and all(past == now for past in last[-4:]) and self.alive() == 0

        self.lib.wait_until(is_still, "the end of all instances", SETTLE_SECONDS, every=0.25)

    def alive(self):
        return self.host.health()["instances"]["alive"]

    def counts(self, with_memory=True):
        family = [self.host.pid] + self.lib.children_of(self.host.pid)
        groups = self.lib.cgroups_of(family)
        ended = sum(map(is_ended, family))
        found = {
            "processes": len(family) - ended,
            "ended": ended,
            "descriptors": sum(entries(f"/proc/{pid}/fd") for pid in family),
            "mounts": sum(lines(f"/proc/{pid}/mountinfo") for pid in family[:2]),
            "namespaces": len(set().union(*map(namespaces, family))),
            "cgroups": sum(len(os.listdir(path)) for path in self.lib.cgroups_left(groups)),
            "loops": len(loops_of(self.host.data)),
            "files": sum(len(names) for _, _, names in os.walk(self.host.data)),
        }
        if with_memory:
            found["KiB"] = sum(pss_kib(pid) for pid in family[:2])
        return found


def entries(path):
    try:
        return len(os.listdir(path))
    except OSError:
        return 0


def namespaces(pid):
    found = set()
    for path in glob.glob(f"/proc/{pid}/ns/*"):
        with contextlib.suppress(OSError):  # It has ended.
            found.add(os.readlink(path))
    return found


def lines(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return sum(1 for _ in file)
    except OSError:
        return 0


def pss_kib(pid):
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return int(re.search(r"^Pss: +(\d+)", file.read(), re.M).group(1))
    except OSError:
        return 0


def loops_of(data):
    """Loop devices whose file lies in the data directory."""
    found = []
    for path in glob.glob("/sys/block/loop*/loop/backing_file"):
        with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:
            if file.read().startswith(data):
                found.append(path)
    return found


def compare(before, after):
    """What there is more of than there was. A few descriptors come and go with kept connections; the
    last helpers that removed images of /tmp (src/sandbox/tmp.c) are waited for by the next ones."""
    slack = {"ended": 16, "descriptors": 8, "KiB": MEMORY_SLACK_KIB, "files": 8, "processes": 2,
             "namespaces": 12, "cgroups": 8, "loops": 2, "mounts": 2}
    return [f"{name}: {before[name]} -> {after[name]}" for name in before
            if after[name] > before[name] + slack[name]]


def main():
    options = argparse.ArgumentParser()
    options.add_argument("build", nargs="?", default="build")
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--json")
    options = options.parse_args()
    os.environ["VIRGA_BUILD"] = os.path.abspath(options.build)
    import server as lib
    host = lib.Server("--pool", "8", "--async-retry", "100")
    soak = Soak(host, lib)
    try:
        run(options, host, soak, lib)
    finally:  # A failure in the middle: nothing of it stays behind either.
        if host.process.poll() is None:
            host.kill()


def run(options, host, soak, lib):
    begin = time.monotonic()
    record = []
    with concurrent.futures.ThreadPoolExecutor(THREADS) as threads:
        for _ in range(3):  # warm: caches, pools and the allocator have what they keep
            soak.round(threads)
        soak.clear()
        before = soak.counts()
        while time.monotonic() - begin < options.seconds:
            soak.round(threads)
            record.append({"seconds": round(time.monotonic() - begin, 1), "calls": soak.calls,
                           **soak.counts()})
        soak.clear()
    after = soak.counts()
    family = lib.children_of(host.pid)
    groups = lib.cgroups_of(family)
    data = host.data
    host.stop()
    problems = compare(before, after)
    problems += [f"process {pid} lives on" for pid in family if os.path.exists(f"/proc/{pid}")]
    problems += [f"control group {path} is left" for path in lib.cgroups_left(groups)]
    problems += [f"loop device {path} is left" for path in loops_of(data)]
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        problems += [f"mount is left: {line.strip()}" for line in file if data in line]
    host.remove()
    print(f"{soak.calls} calls in {soak.rounds} rounds, {time.monotonic() - begin:.0f} s")
    print("before", before)
    print("after ", after)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"before": before, "after": after, "record": record, "problems": problems}, file,
                      indent=1)
    for problem in problems:
        print("soak:", problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
