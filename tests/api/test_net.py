"""src/net against the HTTP implementations inside Node and curl, through tests/net/net_target."""
import os
import subprocess
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("VIRGA_BUILD", os.path.join(ROOT, "build"))
NODE = "/usr/bin/node"


class Net(unittest.TestCase):
    def setUp(self):
        self.target = subprocess.Popen([f"{BUILD}/tests/net/net_target"], stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
        self.port = int(self.target.stdout.readline().split()[1])

    def tearDown(self):
        self.target.terminate()
        _, errors = self.target.communicate(timeout=20)
        self.assertEqual((self.target.returncode, errors), (0, ""))

    def node(self, script, *arguments):
        done = subprocess.run([NODE, f"{ROOT}/tests/net/{script}", *arguments], text=True,
                              capture_output=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_http2_of_node(self):
        self.node("http2.mjs", f"http://127.0.0.1:{self.port}")

    def test_http2_of_curl(self):
        done = subprocess.run(
            ["curl", "-sS", "--http2-prior-knowledge", "-d", "hello", "-w", "%{http_version}",
             f"http://127.0.0.1:{self.port}/x"], capture_output=True, text=True, timeout=20,
            check=True)
        self.assertTrue(done.stdout.endswith("\n2"), done.stdout)
        self.assertIn("B " + b"hello".hex(), done.stdout)
