"""Inside containers, as tests/lib/container.py makes them: which tier works, and what is said where none does."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.request

from server import ROOT, VIRGA, Server
from test_rootless import check_limits

CONTAINER = [sys.executable, f"{ROOT}/tests/lib/container.py"]


class Container(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="virga-container-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o755)

    def run_in(self, modes, *arguments):
        return subprocess.run([*CONTAINER, *modes, VIRGA, *arguments], capture_output=True, text=True, timeout=60,
                              check=False)

    def refused(self, *modes):
        """What virga serve says on its way out; virga doctor agrees."""
        done = self.run_in(modes, "serve", "--dev", "--listen", "127.0.0.1:0", "--data", f"{self.folder}/data")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        doctor = self.run_in(modes, "doctor", "--json")
        self.assertEqual(doctor.returncode, 2)
        checks = {check["name"]: check for check in json.loads(doctor.stdout)["checks"]}
        self.assertEqual(checks["isolation"]["found"], "none")
        return done.stderr, checks

    def serves(self, modes, tier):
        class Inside(Server):
            command = [*CONTAINER, *modes, VIRGA]

        doctor = self.run_in(modes, "doctor", "--json")
        checks = {check["name"]: check for check in json.loads(doctor.stdout)["checks"]}
        self.assertIn(doctor.returncode, (0, 1))
        self.assertTrue(checks["isolation"]["found"].startswith(tier))
        with Inside(data=f"{self.folder}/data") as server:
            with urllib.request.urlopen(server.endpoint + "/_virga/health", timeout=30) as answer:
                self.assertEqual(json.load(answer)["isolation"]["tier"], tier)
            check_limits(self, server)

    def test_an_engines_defaults_are_refused_with_what_to_do(self):
        text, checks = self.refused()
        self.assertIn("docker run --privileged, or --security-opt seccomp=unconfined", text)
        self.assertEqual(checks["namespaces"]["status"], "missing")
        self.assertIn("--privileged", checks["privilege"]["advice"])

    def test_a_masked_proc_is_named(self):
        text, checks = self.refused("--unconfined")
        self.assertIn("--security-opt systempaths=unconfined", text)
        self.assertEqual((checks["proc"]["status"], checks["namespaces"]["status"]), ("missing", "good"))

    def test_without_filter_and_masks_the_bare_tier_works(self):
        self.serves(["--unconfined", "--unmasked"], "bare")

    def test_a_privileged_container_is_like_a_host(self):
        self.serves(["--privileged"], "root")


if __name__ == "__main__":
    unittest.main()
