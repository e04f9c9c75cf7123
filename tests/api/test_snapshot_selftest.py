"""The self-test of snapshots: passes on this host, switches them off where copies do not live, and is
run again, not overruled, when images of a tenant fail."""
import contextlib
import json
import os
import subprocess
import sys
import unittest
import urllib.request

import server

# A copy of it never lives; its template does.
DIES = """
import os, time
os.register_at_fork(after_in_child=lambda: os._exit(3))
def handler(event, context):
    time.sleep(event.get("sleep", 0))
    return os.getpid()
"""


class WithoutMaps(server.Server):
    """A server, and sandboxes, on a kernel without PR_SET_MM_MAP: templates write their images, copies
    do not come to life."""
    command = [sys.executable, os.path.join(server.ROOT, "tests/lib/without_prctl.py"), "35", server.VIRGA]


def health(own):
    with urllib.request.urlopen(own.endpoint + "/_virga/health") as answer:
        return json.load(answer)["snapshots"]


def virga(own, *arguments):
    return subprocess.run([server.VIRGA, *arguments, "--endpoint", own.endpoint], check=True, text=True,
                          capture_output=True, env={**os.environ, **server.CLIENT_ENVIRONMENT}).stdout


def doctor(data):
    """Its item of snapshots."""
    done = subprocess.run([server.VIRGA, "doctor", "--json", "--data", data], check=False, text=True,
                          capture_output=True)
    return {item["name"]: item for item in json.loads(done.stdout)["checks"]}["snapshots"]


class SelfTest(unittest.TestCase):
    def test_this_host_passes(self):
        with server.Server() as own:
            server.wait_until(lambda: health(own)["selfTest"] == "passed", "the self-test", 60)
            self.assertNotIn("off", health(own))
            self.assertEqual(doctor(own.data)["status"], "good")

    def test_where_copies_do_not_live_there_are_none(self):
        with WithoutMaps() as own, contextlib.closing(own.client()) as client:
            server.wait_until(lambda: "off" in health(own), "the verdict", 60)
            found = health(own)
            self.assertEqual(found["selfTest"], "failed")
            self.assertIn("the copy ended early", found["off"])
            self.assertIn('lvl=warn room=runtime msg="snapshots are off', own.log_text())
            listed = virga(own, "snapshot", "list")
            self.assertIn("snapshots are off: the copy ended early", listed)
            self.assertIn("no snapshots", listed)
            server.wait_until(lambda: doctor(own.data)["status"] == "degraded", "the note")
            self.assertIn("the copy ended early", doctor(own.data)["found"])

            server.python_function(client, "f", "def handler(event, context): return 1\n")
            for _ in range(2):
                answer = client.invoke(FunctionName="f")
                self.assertEqual(json.load(answer["Payload"]), 1)
            self.assertIn("snapshots are off: the self-test failed", virga(own, "describe", "f"))
            self.assertEqual((health(own)["ready"], health(own)["failed"]), (0, found["failed"]))

            # The next start tries again, and what it finds counts.
            own.stop()
            again = server.Server(data=own.data)
            try:
                server.wait_until(lambda: health(again)["selfTest"] == "passed", "the self-test", 60)
                server.wait_until(lambda: doctor(own.data)["status"] == "good", "the note's end")
            finally:
                again.stop()
            own.start()  # what the end of the block stops

    def test_a_tenant_cannot_switch_them_off(self):
        with server.Server() as own, contextlib.closing(own.client()) as client:
            server.wait_until(lambda: health(own)["selfTest"] == "passed", "the self-test", 60)
            for number in range(4):
                name = f"dies-{number}"
                server.python_function(client, name, DIES, SnapStart={"ApplyOn": "PublishedVersions"},
                                       Publish=True)
                server.wait_until(
                    lambda name=name: json.loads(virga(own, "snapshot", "show", name + ":1", "--json"))
                    ["state"] == "ready", "an image", 60)
                answer = client.invoke(FunctionName=name, Qualifier="1")
                self.assertNotIn("FunctionError", answer)  # from scratch
            self.assertGreaterEqual(health(own)["failed"], 4)
            server.wait_until(lambda: own.log_text().count('msg="self-test of snapshots passed"') == 2,
                              "another self-test", 60)
            self.assertNotIn("off", health(own))
            server.python_function(client, "lives", "def handler(event, context): return 2\n")
            client.invoke(FunctionName="lives")
            server.wait_until(lambda: 'msg="snapshot taken" fn=lives ' in own.log_text(), "a snapshot", 60)


if __name__ == "__main__":
    unittest.main()
