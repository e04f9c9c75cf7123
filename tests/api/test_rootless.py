"""virga serve as an ordinary user: a user namespace by newuidmap, a delegated control group."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.request

from server import ROOT, VIRGA, Server, python_function, wait_until

ROOTLESS = f"{ROOT}/tests/lib/rootless.py"
FUNCTION = """
import os, subprocess
def handler(event, context):
    if event.get("fill"):
        return len(bytearray(event["fill"] << 20))
    if event.get("spin"):
        while True:
            pass
    with open("/tmp/mine", "w") as file:
        file.write("x")
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return {"uid": os.getuid(), "caps": status["CapEff"].strip() + status["CapBnd"].strip(),
            "root_uid": os.stat("/").st_uid, "node": subprocess.getoutput("echo ok")}
"""


def call(server, name="f", **event):
    answer = server.client().invoke(FunctionName=name, Payload=json.dumps(event))
    return json.loads(answer["Payload"].read())


def check_limits(test, server):
    """Functions run and are nobody; memory and time are bounded. 128 MB have 7 % of a CPU, so filling them
    takes a while beside other work."""
    for name, timeout in ("f", 30), ("endless", 2):
        python_function(server.client(), name, FUNCTION, MemorySize=128, Timeout=timeout)
    first = call(server)
    test.assertGreaterEqual(first["uid"], 10000)
    test.assertEqual((int(first["caps"], 16), first["node"]), (0, "ok"))
    test.assertIn("OutOfMemory", json.dumps(call(server, fill=500)))
    test.assertIn("Timedout", json.dumps(call(server, "endless", spin=True)))
    test.assertEqual(call(server)["node"], "ok")


class RootlessServer(Server):
    command = [sys.executable, ROOTLESS, "--copy", VIRGA, VIRGA]


class Rootless(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="virga-rootless-data-")
        os.chown(self.folder, 4711, 4711)
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o700)  # nobody but the user may look inside

    def test_functions_run_and_are_limited(self):
        with RootlessServer(data=f"{self.folder}/data") as server:
            check_limits(self, server)
            wait_until(lambda: 'msg="snapshot taken" fn=f ' in server.log_text(), "a snapshot", 60)
        with RootlessServer(data=f"{self.folder}/data") as server:  # what was kept is there again
            self.assertEqual(call(server)["node"], "ok")
            with urllib.request.urlopen(server.endpoint + "/_virga/health") as answer:
                self.assertEqual(json.load(answer)["snapshots"]["restored"], 1)

    def reduced(self, modes, names, *options, dev=True):
        """A server for which not everything was delegated: what holds all the same, and what it says."""
        class ReducedServer(Server):
            command = [sys.executable, ROOTLESS, *modes, "--copy", VIRGA, VIRGA]

        with ReducedServer(*options, data=f"{self.folder}/data", dev=dev) as server:
            with urllib.request.urlopen(server.endpoint + "/_virga/health", timeout=30) as answer:
                isolation = json.load(answer)["isolation"]
            self.assertEqual(isolation["tier"], "bare")
            self.assertEqual([weakness["name"] for weakness in isolation["weaknesses"]], names)
            for weakness in isolation["weaknesses"]:
                self.assertIn(weakness["why"], server.log_text())
            if not dev:
                return
            check_limits(self, server)

    def test_without_a_control_group(self):
        self.reduced(["--bare"], ["limits", "tmp"])

    def test_without_anything(self):
        self.reduced(["--bare", "--alone"], ["limits", "users", "tmp"])

    def test_without_users(self):
        self.reduced(["--alone"], ["users", "tmp"])

    def test_reduced_isolation_is_asked_for(self):
        self.assertIn("--isolation reduced", self.refused("--bare", "--copy", VIRGA, VIRGA))
        self.reduced(["--bare"], ["limits", "tmp"], "--isolation", "reduced", dev=False)

    def refused(self, *arguments):
        done = subprocess.run([sys.executable, ROOTLESS, *arguments, "serve", "--data", f"{self.folder}/data"],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def test_what_is_missing_is_named(self):
        text = self.refused("--bare", "--copy", VIRGA, VIRGA)
        self.assertIn("cgroup", text)
        self.assertIn("systemd-run --user --scope -p Delegate=yes", text)
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            program = shutil.copy(VIRGA, folder)
            done = subprocess.run([program, "serve", "--data", f"{self.folder}/data"], capture_output=True,
                                  text=True, timeout=60, check=False, user=65533, group=65533, extra_groups=[])
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("/etc/subuid", done.stderr)

    def test_the_doctor_says_that_it_works(self):
        done = subprocess.run([sys.executable, ROOTLESS, "--copy", VIRGA, VIRGA, "doctor", "--json"],
                              capture_output=True, text=True, timeout=60, check=False)
        found = json.loads(done.stdout)
        missing = [check for check in found["checks"] if check["status"] == "missing"]
        self.assertEqual((missing, done.returncode), ([], 1))  # /tmp in memory is less than intended


if __name__ == "__main__":
    unittest.main()
