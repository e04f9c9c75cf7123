"""/_virga/status, and `virga top` that shows it."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.request

from server import Server, ServerTest, VIRGA, python_function, wait_until

SOURCE = """
import time
def handler(event, context):
    time.sleep(event.get("sleep", 0))
    if event.get("fail"):
        raise ValueError("as asked")
    return 1
"""


class Top(ServerTest):
    OPTIONS = ()

    def environment(self):
        return {"PATH": "/usr/bin:/bin", "VIRGA_ENDPOINT": self.server.endpoint, "TERM": "xterm"}

    def top(self, *arguments):
        done = subprocess.run([VIRGA, "top", *arguments], capture_output=True, text=True,
                              timeout=60, check=True, env=self.environment())
        self.assertEqual(done.stderr, "")
        return done.stdout

    def figures(self, name):
        found = [f for f in json.loads(self.top("--json"))["functions"] if f["name"] == name]
        self.assertLessEqual(len(found), 1)
        return found[0] if found else None

    def call(self, name, **event):
        return self.client.invoke(FunctionName=name, Payload=json.dumps(event))

    def test_counts(self):
        python_function(self.client, "counted", SOURCE, MemorySize=256)
        self.assertIsNone(self.figures("counted"))
        for _ in range(9):
            self.call("counted", sleep=0.02)
        self.call("counted", fail=True)
        figures = self.figures("counted")
        self.assertEqual((figures["calls"], figures["errors"], figures["throttles"]), (10, 1, 0))
        self.assertEqual((figures["coldStarts"], figures["instances"]), (1, 1))
        self.assertEqual((figures["idle"], figures["busy"], figures["queued"]), (1, 0, 0))
        self.assertEqual((figures["memoryMb"], figures["account"]), (256, "000000000000"))
        self.assertGreater(figures["memoryUsedBytes"], 1 << 20)
        self.assertGreater(figures["callsPerSecond"], 0.4)
        self.assertTrue(18 < figures["p50Ms"] < 200, figures)
        self.assertGreaterEqual(figures["p99Ms"], figures["p50Ms"])
        self.assertRegex(self.top(), r"(?m)^counted +1 +0 +0 .* 10 +1 +0$")

    def test_busy_and_queued(self):
        python_function(self.client, "busy", SOURCE, Timeout=30)
        threads = [threading.Thread(target=self.call, args=("busy",), kwargs={"sleep": 2})
                   for _ in range(3)]
        for thread in threads:
            thread.start()
        wait_until(lambda: (self.figures("busy") or {}).get("busy") == 3, "three busy")
        for thread in threads:
            thread.join()
        self.assertEqual(self.figures("busy")["busy"], 0)

    def test_throttles(self):
        python_function(self.client, "throttled", SOURCE)
        self.client.put_function_concurrency(FunctionName="throttled",
                                             ReservedConcurrentExecutions=0)
        with self.assertRaises(self.client.exceptions.TooManyRequestsException):
            self.call("throttled")
        self.assertEqual(self.figures("throttled")["throttles"], 1)
        self.client.delete_function(FunctionName="throttled")
        self.assertIsNone(self.figures("throttled"))

    def test_only_reading(self):
        for method, code in (("POST", 403), ("DELETE", 403)):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(urllib.request.Request(
                    self.server.endpoint + "/_virga/status", method=method), timeout=10)
            self.assertEqual(caught.exception.code, code)
            caught.exception.close()

    def test_not_for_functions(self):
        """A function is told nothing of the others."""
        python_function(self.client, "curious", """
import os, urllib.request, urllib.error
def handler(event, context):
    try:
        urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/_virga/status", timeout=5)
    except urllib.error.HTTPError as error:
        return error.code
""")
        self.assertEqual(json.load(self.call("curious")["Payload"]), 404)

    def test_terminal(self):
        """It draws again and again, takes keys, and leaves the terminal as it was."""
        python_function(self.client, "shown", SOURCE)
        main, other = pty.openpty()
        process = subprocess.Popen([VIRGA, "top", "--interval", "100"], stdin=other, stdout=other,
                                   env=self.environment())
        text = b""

        def read_until(what):
            nonlocal text
            deadline = time.monotonic() + 20
            while what not in text:
                self.assertTrue(select.select([main], [], [], deadline - time.monotonic())[0], text)
                text += os.read(main, 65536)
            text = text.split(what, 1)[1]

        try:
            read_until(b"\x1b[?1049h")
            read_until(b"FUNCTION")
            self.call("shown")
            read_until(b"shown")
            os.write(main, b"n")
            read_until(b"shown")
            os.write(main, b"q")
            read_until(b"\x1b[?1049l")
            self.assertEqual(process.wait(10), 0)
            process = subprocess.Popen([VIRGA, "top"], stdin=other, stdout=other,
                                       env=self.environment())
            read_until(b"FUNCTION")
            process.send_signal(signal.SIGTERM)
            read_until(b"\x1b[?1049l")
            self.assertEqual(process.wait(10), 0)
        finally:
            process.kill()
            process.wait()
            os.close(main)
            os.close(other)


class SeveralLoops(Top):
    OPTIONS = ("--loops", "3")


class Signed(unittest.TestCase):
    def test_status_wants_a_key(self):
        with Server(dev=False) as server:
            with self.assertRaises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(server.endpoint + "/_virga/status", timeout=10)
            self.assertEqual(caught.exception.code, 403)
            self.assertIn(b"MissingAuthenticationToken", caught.exception.read())
            caught.exception.close()
            environment = {"PATH": "/usr/bin:/bin", "VIRGA_ENDPOINT": server.endpoint}
            done = subprocess.run([VIRGA, "top", "--data", server.data], capture_output=True,
                                  text=True, timeout=20, check=True, env=environment)
            self.assertIn("no function has been called yet", done.stdout)
            done = subprocess.run([VIRGA, "top"], capture_output=True, text=True, timeout=20,
                                  check=False, env=environment)
            self.assertEqual(done.returncode, 3)
            self.assertTrue(re.match("virga top: UnrecognizedClientException: ", done.stderr), done)


if __name__ == "__main__":
    unittest.main()
