"""virga doctor: its words, its JSON and its exit codes, as root and as somebody else."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from server import VIRGA


def doctor(*arguments, **options):
    return subprocess.run([VIRGA, "doctor", *arguments], capture_output=True, text=True, timeout=60,
                          check=False, **options)


class Doctor(unittest.TestCase):
    def test_json_and_text_agree(self):
        done = doctor("--json")
        found = json.loads(done.stdout)
        self.assertEqual(["good", "degraded", "missing"].index(found["status"]), done.returncode)
        checks = {check["name"]: check for check in found["checks"]}
        for name in ("privilege", "user ids", "container", "kernel", "architecture", "glibc", "seccomp", "clone3",
                     "pidfd", "close_range", "isolation", "proc", "cgroup memory",
                     "cgroup cpu", "cgroup pids", "cgroup freeze, kill", "namespaces", "open_tree",
                     "mount_setattr", "overlayfs", "loop devices", "mkfs.ext4", "ext4", "open files",
                     "disk space", "snapshots", "python", "node", "ruby", "java"):
            self.assertIn(name, checks)
        self.assertEqual(checks["kernel"]["found"], os.uname().release)
        self.assertEqual(checks["isolation"]["found"], "root")
        self.assertLess(done.returncode, 2, "the machine that runs these tests runs functions")
        text = doctor()
        self.assertEqual(text.returncode, done.returncode)
        for check in found["checks"]:
            self.assertIn(check["name"], text.stdout)

    def test_somebody_else_learns_what_is_missing(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            program = shutil.copy(VIRGA, folder)  # the build may lie in a folder of root's
            done = subprocess.run([program, "doctor", "--json"], capture_output=True, text=True,
                                  timeout=60, check=False, user=65534, group=65534, extra_groups=[],
                                  env={"PATH": "/usr/bin", "ASAN_OPTIONS": "detect_leaks=0"}, cwd="/")
        self.assertEqual(done.returncode, 1, done.stderr)
        checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
        for name in ("user ids", "cgroup freeze, kill"):
            self.assertEqual(checks[name]["status"], "degraded")
        self.assertIn("subordinate ids", checks["user ids"]["advice"])
        self.assertIn("--isolation reduced", checks["cgroup freeze, kill"]["advice"])
        self.assertIn("bare", checks["isolation"]["found"])

    def test_few_files(self):
        done = subprocess.run(["/bin/sh", "-c", f"ulimit -n 512 && exec {VIRGA} doctor --json"],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 2)
        checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
        self.assertEqual(checks["open files"]["status"], "missing")

    def test_wrong_use(self):
        done = doctor("--jso")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("unknown option '--jso'", done.stderr)
        self.assertEqual(doctor("--help").returncode, 0)


if __name__ == "__main__":
    unittest.main()
