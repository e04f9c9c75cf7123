"""Many calls and many functions: no error, flat memory, nothing left behind."""
import contextlib
import json
import os
import re
import resource
import socket
import subprocess
import unittest

from server import BUILD, Server, cgroups_left, cgroups_of, children_of, python_function, wait_until

CALLS = int(os.environ.get("VIRGA_LOAD_CALLS", "10000"))
CYCLES = int(os.environ.get("VIRGA_LOAD_CYCLES", "500"))
IS_SANITIZED = "asan" in BUILD or "tsan" in BUILD  # their allocators keep what is freed
ECHO = "def handler(event, context):\n    return event\n"


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return int(re.search(r"^Pss: +(\d+)", file.read(), re.M).group(1))


def descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0  # it has just ended


def mounts(pid):
    try:
        with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as file:
            return len(file.readlines())
    except OSError:
        return 0  # it has just ended


def files(folder):
    return sum(len(names) for _, _, names in os.walk(folder))


class FewFiles(Server):
    """As many descriptors as the instances need, and some more."""
    command = ["prlimit", "--nofile=19000:19000", *Server.command]


class LoadTest(unittest.TestCase):
    def load(self, server, calls):
        """`calls` invocations over 64 connections; every answer is checked by its status."""
        out = subprocess.run(
            [os.path.join(BUILD, "bench", "bench_load"), "-c", "64", "-n", str(calls), "-b",
             '{"n":1}', f"{server.endpoint}/2015-03-31/functions/echo/invocations"],
            check=True, capture_output=True, text=True, timeout=300).stdout
        return json.loads(out)

    def test_many_calls(self):
        subprocess.run(["ninja", "-C", BUILD, "--quiet", "bench/bench_load"], check=True,
                       stdout=subprocess.DEVNULL)
        with Server() as server:
            python_function(server.client(), "echo", ECHO, MemorySize=1769)
            self.load(server, CALLS // 2)  # fills the page cache of the logs' database, too
            before = pss_kib(server.pid)
            figures = self.load(server, CALLS)
            self.assertEqual(figures["errors"], 0)
            self.assertGreaterEqual(figures["requests"], CALLS)
            if not IS_SANITIZED:
                # Some log lines are still on their way to the disk.
                self.assertLess(pss_kib(server.pid), before + 4096, "memory in KiB")

    def test_many_functions_leave_nothing(self):
        """Create, call and delete; after a warm-up the counts of everything stay where they are."""
        with Server("--pool", "8") as server:  # a number of sandboxes that does not follow the load
            client = server.client()

            def cycle(number):
                python_function(client, "f", ECHO + f"# {number}\n")
                if number % 10 == 0:
                    answer = client.invoke(FunctionName="f", Payload=b"1")
                    self.assertNotIn("FunctionError", answer)
                client.delete_function(FunctionName="f")

            def counts():
                family = [server.pid] + children_of(server.pid)
                return {"processes": len(family), "descriptors": sum(map(descriptors, family)),
                        "mounts": sum(map(mounts, family)), "files": files(server.data)}

            for number in range(50):
                cycle(number)
            self.settle(client, counts)
            before = counts()
            for number in range(CYCLES):
                cycle(1000 + number)
            self.settle(client, counts)
            after = counts()
            for name, value in before.items():
                self.assertLessEqual(after[name], value + 4, f"{name}: {before} -> {after}")
            groups = cgroups_of(children_of(server.pid))
        self.assertEqual(cgroups_left(groups), [])

    def test_clients_leave_descriptors_for_instances(self):
        """However many connect, each loop refuses what would take the descriptors of instances."""
        server = FewFiles("--loops", "4")
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        python_function(server.client(), "echo", ECHO)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
        port = int(server.endpoint.rsplit(":", 1)[1])
        with contextlib.ExitStack() as stack, contextlib.closing(server.client()) as client:
            client.list_functions()  # its connection is kept
            for _ in range(7500):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            wait_until(lambda: descriptors(server.pid) < 7000, "refusals", 20)
            self.assertEqual(client.invoke(FunctionName="echo", Payload=b"1")["Payload"].read(), b"1")

    def settle(self, client, counts):
        """Instances of deleted functions go in the background: waits until no count changes."""
        last = [None]

        def is_still():
            now = counts()
            same, last[0] = now == last[0], now
            return same

        wait_until(is_still, "counts standing still")
        self.assertEqual(client.list_functions()["Functions"], [])


class HostileTest(unittest.TestCase):
    """Functions that attack; the platform and its other functions do not notice."""

    CASES = {
        "fork bomb": "import os\ndef handler(e, c):\n    while True:\n        try:\n"
                     "            os.fork()\n        except OSError:\n            pass\n",
        "memory bomb": "def handler(e, c):\n    held = []\n    while True:\n"
                       "        held.append(bytearray(1 << 20))\n",
        "endless loop": "def handler(e, c):\n    while True:\n        pass\n",
        "disk bomb": "def handler(e, c):\n    with open('/tmp/x', 'wb') as f:\n        while True:\n"
                     "            f.write(bytes(1 << 20))\n",
    }
    READER = """
import os

def handler(event, context):
    found = {}
    for path in ("/etc/shadow", "/root", "/home", "/proc/1/environ", "/sys/kernel", "/run/virga",
                 "/dev/kmsg", "/proc/kcore", "/dev/vda"):
        try:
            if os.path.isdir(path):
                found[path] = os.listdir(path)
            else:
                with open(path, "rb") as file:
                    found[path] = len(file.read(4096))
        except OSError as error:
            found[path] = error.strerror
    return found
"""

    def test_attacks_harm_nobody(self):
        with Server() as server:
            client = server.client()
            python_function(client, "good", ECHO)
            for number, (name, source) in enumerate(self.CASES.items()):
                with self.subTest(name):
                    bad = f"bad-{number}"
                    python_function(client, bad, source, Timeout=2)
                    answer = client.invoke(FunctionName=bad, Payload=b"1")
                    self.assertEqual(answer.get("FunctionError"), "Unhandled")
                    good = client.invoke(FunctionName="good", Payload=b'"x"')
                    self.assertEqual(json.load(good["Payload"]), "x")

    def test_host_files_are_not_there(self):
        with Server() as server:
            client = server.client()
            python_function(client, "reader", self.READER)
            answer = client.invoke(FunctionName="reader", Payload=b"1")
            found = json.load(answer["Payload"])
            for path, what in found.items():
                self.assertIsInstance(what, str, f"{path}: {what}")


if __name__ == "__main__":
    unittest.main()
