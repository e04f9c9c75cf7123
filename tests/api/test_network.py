"""--network: what functions reach. A namespace of our own plays the internet (tests/lib/world.py), another
the host that Virga runs on; no packet leaves them."""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from server import ROOT, VIRGA, Server, children_of, wait_until

FUNCTION = """
import concurrent.futures, hashlib, os, socket, urllib.request
def reach(host, port=80):
    try:
        socket.create_connection((host, port), timeout=5).close()
        return True
    except OSError:
        return False
def address(name):
    try:
        return socket.gethostbyname(name)
    except OSError as error:
        return type(error).__name__
AT_INIT = [address("world.example"), address("x.localhost")]
def handler(event, context):
    if "init" in event:
        return AT_INIT
    if "at_once" in event:
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            return list(pool.map(address, ["world.example"] * event["at_once"])).count("203.0.113.9")
    if "get" in event:
        with urllib.request.urlopen(event["get"], timeout=20) as answer:
            return hashlib.sha256(answer.read()).hexdigest()
    if "post" in event:
        with urllib.request.urlopen(event["post"], data=b"y" * event["size"], timeout=20) as answer:
            return answer.read().decode()
    if "name" in event:
        return address(event["name"])
    return {f"{host}:{port}": reach(host, port) for host, port in event["reach"]}
"""


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, timeout=20)


class Network(unittest.TestCase):
    def setUp(self):
        self.host, self.world = (f"virga-{name}-{os.getpid()}" for name in ("host", "world"))
        for name in self.host, self.world:
            ip("netns", "add", name)
            self.addCleanup(ip, "netns", "delete", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", self.host, "link", "add", "outer", "type", "veth", "peer", "name", "inner", "netns", self.world)
        for name, link, address in (self.host, "outer", "198.51.100.1/24"), (self.world, "inner", "198.51.100.2/24"):
            ip("-n", name, "address", "add", address, "dev", link)
            ip("-n", name, "link", "set", link, "up")
        ip("-n", self.host, "route", "add", "default", "via", "198.51.100.2")
        for address in "203.0.113.9", "169.254.169.254", "10.1.2.3", "172.20.0.1", "192.168.1.1", "100.64.0.1":
            ip("-n", self.world, "address", "add", f"{address}/32", "dev", "lo")
        world = subprocess.Popen(["ip", "netns", "exec", self.world, sys.executable, f"{ROOT}/tests/lib/world.py"],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(world.communicate, timeout=20)
        self.assertEqual(world.stdout.readline(), "ready\n")
        self.folder = tempfile.mkdtemp(prefix="virga-network-")
        self.addCleanup(shutil.rmtree, self.folder)
        with open(f"{self.folder}/resolv.conf", "w", encoding="ascii") as file:
            file.write("nameserver 198.51.100.2\n")
        # Not "ip netns exec": it mounts another /sys, without control groups.
        self.enter = ["nsenter", f"--net=/run/netns/{self.host}", "unshare", "-m", "sh", "-c",
                      'mount --bind "$0" /etc/resolv.conf && exec "$@"', f"{self.folder}/resolv.conf"]
        with open(f"{self.folder}/lambda_function.py", "w", encoding="ascii") as file:
            file.write(FUNCTION.replace("def handler", "def lambda_handler"))

    def inside(self, *command):
        done = subprocess.run([*self.enter, *command], capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def serve(self, *options):
        class Inside(Server):
            command = [*self.enter, VIRGA]
        server = Inside(*options)
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        self.endpoint = server.endpoint
        self.inside(VIRGA, "deploy", self.folder, "--name", "f", "--endpoint", server.endpoint)
        return server

    def call(self, **event):
        return json.loads(self.inside(VIRGA, "invoke", "f", "--endpoint", self.endpoint, "--payload",
                                      json.dumps(event)))

    CLOSED = [["169.254.169.254", 80], ["10.1.2.3", 80], ["172.20.0.1", 80], ["192.168.1.1", 80], ["100.64.0.1", 80]]

    def test_internet(self):
        server = self.serve("--network", "internet")
        port = int(self.endpoint.rsplit(":", 1)[1])
        found = self.call(reach=[["203.0.113.9", 80], ["127.0.0.1", 4566]])
        self.assertEqual(found, {"203.0.113.9:80": True, "127.0.0.1:4566": True})
        closed = self.call(reach=self.CLOSED + [["10.0.2.2", port], ["127.0.0.1", port]])
        self.assertEqual([name for name, is_open in closed.items() if is_open], [])
        self.inside(sys.executable, "-c", "import socket; socket.create_connection(('169.254.169.254', 80))")
        self.assertEqual(self.call(name="world.example"), "203.0.113.9")
        self.assertEqual(self.call(name="nowhere.example"), "gaierror")
        self.assertEqual(self.call(name="bucket.s3.localhost"), "127.0.0.1")  # nobody out there is asked
        self.assertEqual(self.call(init=1), ["203.0.113.9", "127.0.0.1"])
        self.assertEqual(self.call(at_once=100), 100)
        self.assertEqual(self.call(get="http://world.example/5000000"), hashlib.sha256(b"x" * 5000000).hexdigest())
        self.assertEqual(self.call(post="http://world.example/", size=5000000), "5000000")
        # A new revision's instances have a network of their own; that of the old one is given back.
        for _ in range(3):
            with open(f"{self.folder}/lambda_function.py", "a", encoding="ascii") as file:
                file.write("#\n")
            self.inside(VIRGA, "deploy", self.folder, "--name", "f", "--endpoint", self.endpoint)
            self.assertEqual(self.call(name="world.example"), "203.0.113.9")
        egress = [pid for pid in children_of(server.pid) if self.name_of(pid) == "virga-egress"]
        self.assertEqual(len(egress), 1)
        wait_until(lambda: self.taps_of(egress[0]) <= 2, "old networks are given back")  # one for a booted one

    def name_of(self, pid):
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii") as file:
                return file.read().strip()
        except OSError:
            return ""  # it has ended

    def taps_of(self, pid):
        targets = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        return targets.count("/dev/net/tun")

    def test_platform(self):
        self.serve()
        found = self.call(reach=self.CLOSED + [["203.0.113.9", 80], ["127.0.0.1", 4566]])
        self.assertEqual([name for name, is_open in found.items() if is_open], ["127.0.0.1:4566"])
        self.assertEqual(self.call(name="world.example"), "gaierror")
        self.assertEqual(self.call(name="bucket.s3.localhost"), "127.0.0.1")


if __name__ == "__main__":
    unittest.main()
