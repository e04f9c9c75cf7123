"""boto3 of two generations: Debian's, and a current one where some other Python has it."""
import os
import shutil
import subprocess
import tempfile
import unittest

from interop import FUNCTION, environment_of
from server import Server, zip_of

TOUR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "boto3_tour.py")
DEBIANS = "/usr/bin/python3"


def version_of(python):
    """boto3's version in that interpreter, "" without."""
    return subprocess.run([python, "-c", "import boto3; print(boto3.__version__)"],
                          capture_output=True, text=True, timeout=60, check=False).stdout.strip()


class Tour:
    python = None

    def tour(self, mode):
        with Server(dev=mode == "dev") as server, tempfile.NamedTemporaryFile() as package:
            package.write(zip_of({"f.py": FUNCTION}))
            package.flush()
            done = subprocess.run([self.python, "-W", "ignore", TOUR, package.name, mode],
                                  env=environment_of(server), capture_output=True, text=True,
                                  timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_dev(self):
        self.tour("dev")

    def test_signed(self):
        self.tour("signed")


class Boto3DebianTest(Tour, unittest.TestCase):
    python = DEBIANS


class Boto3CurrentTest(Tour, unittest.TestCase):
    def setUp(self):
        found = shutil.which("python3")
        has_own = found and os.path.realpath(found) != os.path.realpath(DEBIANS)
        if not has_own or version_of(found) in ("", version_of(DEBIANS)):
            self.skipTest("no Python with another boto3 in PATH")
        self.python = found


if __name__ == "__main__":
    unittest.main()
