"""AWS SDK for JavaScript v2 and v3, of the versions in package-lock.json, against a server that
takes any credentials and against one that wants real signatures."""
import os
import re
import subprocess
import tempfile
import unittest

from interop import FUNCTION, STREAM, environment_of, installed
from server import Server, zip_of

HERE = os.path.dirname(os.path.abspath(__file__))


class JavaScriptTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = installed("sdk")

    def run_script(self, script, dev, is_https=False):
        with Server(dev=dev) as server, tempfile.NamedTemporaryFile(suffix=".zip") as package:
            package.write(zip_of({"f.py": FUNCTION, "s.mjs": STREAM}))
            package.flush()
            done = subprocess.run(
                ["node", "--no-warnings", os.path.join(HERE, script)], capture_output=True,
                text=True, timeout=60, check=False,
                env={**environment_of(server), "VIRGA_ZIP": package.name,
                     "VIRGA_ENDPOINT": server.endpoint.replace("http", "https" if is_https else "http"),
                     "NODE_EXTRA_CA_CERTS": os.path.join(server.data, "data", "tls", "cert.pem"),
                     "VIRGA_SIGNED": "0" if dev else "1",
                     "VIRGA_MODULES": self.folder})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"^1\.\.\d+")
        self.assertEqual(len(re.findall(r"(?m)^ok ", done.stdout)),
                         int(re.match(r"1\.\.(\d+)", done.stdout).group(1)))

    def test_v3(self):
        self.run_script("sdk_v3.mjs", dev=True)

    def test_v3_signed(self):
        self.run_script("sdk_v3.mjs", dev=False)

    def test_v3_https(self):
        self.run_script("sdk_v3.mjs", dev=False, is_https=True)

    def test_v2(self):
        self.run_script("sdk_v2.mjs", dev=True)

    def test_v2_signed(self):
        self.run_script("sdk_v2.mjs", dev=False)


if __name__ == "__main__":
    unittest.main()
