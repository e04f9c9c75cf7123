"""Idle instances are frozen: what a function leaves running between calls stands still, as on AWS,
and goes on with the next call."""
import glob
import json
import os
import select
import unittest

from server import ROLE, Server, children_of, python_function, wait_until, zip_of

# A thread that spins; each call tells how far it has come, and lets it run for a while.
SPINNER = """
import threading, time
count = 0
def spin():
    global count
    while True:
        count += 1
threading.Thread(target=spin, daemon=True).start()

def handler(event, context):
    before = count
    while count == before:
        time.sleep(0.001)
    return count
"""
TICKER = """
let ticks = 0;
setInterval(() => { ticks++; }, 1);
exports.handler = async () => {
  const before = ticks;
  while (ticks === before) await new Promise((done) => setTimeout(done, 1));
  return ticks;
};
"""


def cpu_ticks(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total


def is_frozen(pid):
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
        path = next(line.split("::", 1)[1].strip() for line in file if line.startswith("0::"))
    for top in glob.glob("/sys/fs/cgroup/unified") or ["/sys/fs/cgroup"]:
        with open(f"{top}{path}/cgroup.events", encoding="ascii") as file:
            return "frozen 1" in file.read()


def instances_of(server):
    """The processes of sandboxes in which something runs."""
    spawner = children_of(server.pid, only_own=True)[0]
    inits = [pid for pid in children_of(spawner, only_own=True) if children_of(pid)]
    return inits + [pid for init in inits for pid in children_of(init)]


def frozen_family(server, count):
    """The processes of `count` instances and more, once all of them are frozen."""
    family = []

    def look():
        try:
            family[:] = instances_of(server)
            return len(family) >= 2 * count and all(map(is_frozen, family))
        except FileNotFoundError:  # a process that was only there while a sandbox was being made
            return False
    wait_until(look, f"{count} instances being frozen")
    return family


class Freeze(unittest.TestCase):
    def stands_still(self, server, call):
        first = call()
        family = frozen_family(server, 1)
        before = cpu_ticks(family)
        select.select([], [], [], 0.2)  # The subject of the test is time itself.
        self.assertEqual(cpu_ticks(family), before)
        self.assertGreater(call(), first)
        wait_until(lambda: all(map(is_frozen, family)), "the instance being frozen again")

    def test_python_thread(self):
        with Server("--snapshots", "off") as server:
            client = server.client()
            python_function(client, "spinner", SPINNER, MemorySize=1769)
            self.stands_still(server, lambda: json.load(client.invoke(
                FunctionName="spinner", Payload=b"1")["Payload"]))

    def test_node_timer(self):
        with Server("--snapshots", "off") as server:
            client = server.client()
            client.create_function(FunctionName="ticker", Runtime="nodejs20.x", Role=ROLE,
                                   Handler="f.handler", MemorySize=1769,
                                   Code={"ZipFile": zip_of({"f.js": TICKER})})
            self.stands_still(server, lambda: json.load(client.invoke(
                FunctionName="ticker", Payload=b"1")["Payload"]))

    def test_frozen_instances_go(self):
        """Deleting a function removes its frozen instances; so does stopping the server."""
        with Server("--snapshots", "off") as server:
            client = server.client()
            for name in ("a", "b"):
                python_function(client, name, SPINNER)
                client.invoke(FunctionName=name, Payload=b"1")
            family = frozen_family(server, 2)
            client.delete_function(FunctionName="a")
            wait_until(lambda: sum(os.path.exists(f"/proc/{pid}") for pid in family) <= len(family) // 2,
                       "the end of the deleted function's processes")
        self.assertFalse([pid for pid in family if os.path.exists(f"/proc/{pid}")])


if __name__ == "__main__":
    unittest.main()
