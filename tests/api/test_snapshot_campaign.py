"""Many copies of snapshots under load, as tests/lib/campaign.py has it (its long form too); what is forbidden in
an instance from scratch is forbidden in a copy, and what cannot be copied says so.
"""
import glob
import os
import shutil
import signal
import unittest

import server
from campaign import Campaign, Image
from snapshots import bundle

BUNDLE, BUNDLE_SUM = bundle(800_000)
IMAGES = {
    "plain": Image("python3.12", "table = {i: i * i for i in range(1000)}", "sum(table.values())", 332833500),
    "boto3": Image("python3.12", "import boto3\ns3 = boto3.client('s3', region_name='eu-west-1')",
                   "s3.generate_presigned_url('get_object', Params={'Bucket': 'b', 'Key': 'k'})"
                   ".startswith('https://')", True),
    "numpy": Image("python3.12", "import numpy\nmatrix = numpy.arange(10000.0).reshape(100, 100)",
                   "[float(matrix.sum()), float((matrix @ numpy.eye(100) - matrix).sum())]",
                   [49995000.0, 0.0]),
    "libraries": Image("python3.12",
                       "import asyncio, ctypes, decimal, hashlib, re, sqlite3, zlib\n"
                       "words = re.compile(r'[a-z]+')\n"
                       "base = sqlite3.connect(':memory:')\nbase.execute('create table t (n int)')\n"
                       "async def seven(): return await asyncio.to_thread(lambda: 7)",
                       "[base.execute('select count(*) from t').fetchone()[0], len(words.findall('a b c')),"
                       " asyncio.run(seven()), str(decimal.Decimal(1) / 8),"
                       " hashlib.sha256(b'x').hexdigest()[:8], zlib.crc32(b'x')]",
                       [0, 3, 7, "0.125", "2d711642", 2363233923]),
    "node": Image("nodejs20.x", "const table = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [i, i * i]));",
                  "Object.values(table).reduce((sum, n) => sum + n)", 332833500),
    "bundle": Image("nodejs20.x", BUNDLE, "all.reduce((sum, m) => sum + m.value, 0)", BUNDLE_SUM),
}
# What cannot be copied: (runtime, init, the reason).
INELIGIBLE = {
    "threads": ("python3.12", "import threading\n"
                "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
                "def handler(event, context): return 7\n", "more than one thread"),
    "workers": ("nodejs20.x", "new (require('worker_threads').Worker)('setInterval(() => {}, 1e6)', "
                "{ eval: true }).unref();\nexports.handler = async () => 7;\n", "a worker thread runs"),
}

HOSTILE = """
import os, subprocess
def handler(event, context):
    status = {name: line.split()[1:] for line in open("/proc/self/status")
              for name in [line.split(":")[0]]
              if name in ("Seccomp", "Seccomp_filters", "NoNewPrivs", "CapEff", "CapBnd", "CapPrm", "Uid",
                          "Groups")}
    attacks = {}
    for name in event["attacks"]:
        out = subprocess.run(["/var/task/tenant", name], capture_output=True, text=True, timeout=10)
        attacks[name] = [out.returncode, out.stdout]
    return {"status": status, "attacks": attacks, "mounts": sorted(
                line.split()[4] + " " + line.split()[5] for line in open("/proc/self/mountinfo")),
            "limits": open("/proc/self/limits").read(), "root": sorted(os.listdir("/")),
            "descriptors": sorted(os.listdir("/proc/self/fd"))}
"""
# Those of tests/sandbox that need no help from outside and leave the instance alive.
ATTACKS = """mounts namespaces kernel keyrings bpf userfaultfd io_uring perf new_mount_calls
    old_mount_calls clone3_flags setns_everything administration clocks hardware future_calls
    filter_on_filter process_controls terminals entry_of_i386 numbers_of_x32 proc_sys_is_closed
    proc_is_closed kernel_addresses no_sysfs device_nodes ways_up socket_families netlink_protocols
    configure_network socket_options no_way_out run_init_again
    identity_calls""".split()


class CampaignTest(Campaign):
    def create(self, name, files, **options):
        options = {"Runtime": "python3.12", **options}
        self.client.create_function(
            FunctionName=name, Role=server.ROLE, Handler="f.handler",
            Code={"ZipFile": server.zip_of(files, ("tenant",))}, MemorySize=256, Timeout=60, **options)

    def test_every_copy_works_and_draws_its_own(self):
        self.campaign(IMAGES)

    def test_what_cannot_be_copied_says_why_and_starts_from_scratch(self):
        for name, (runtime, source, reason) in INELIGIBLE.items():
            with self.subTest(name):
                self.create(name, {"f.py" if runtime.startswith("python") else "f.js": source}, Runtime=runtime)
                self.assertEqual(self.call(name)[0], 7)
                self.assertIn(reason, self.wait_for_refusal(name))
                self.assertRegex(self.virga("describe", name), rf"snapshot +refused: .*{reason}")
                for payload, error, tail in self.burst(name, 6, {}):
                    self.assertEqual((payload, error), (7, None))
                    self.assertNotIn("Restore Duration", tail)

    def test_an_upgrade_of_a_mapped_file_costs_the_image_alone(self):
        library = f"/usr/local/lib/virga-test-{os.getpid()}.so"
        self.addCleanup(os.remove, library)
        shutil.copy(glob.glob("/lib/*/libz.so.1")[0], library)
        self.create("upgraded", {"f.py": f"""
import ctypes, time
library = ctypes.CDLL({library!r})
def handler(event, context):
    time.sleep(event.get("sleep", 0))
    return library.crc32(0, b"x", 1) & 0xffffffff
"""})
        self.call("upgraded")
        self.wait_for_snapshot("upgraded")
        failed = self.counts()["failed"]
        shutil.copy(library, library + ".new")  # as a package manager does it
        os.replace(library + ".new", library)
        for payload, error, _ in self.burst("upgraded", 6, {"sleep": 0.5}):
            self.assertIsNone(error, payload)
            self.assertEqual(payload, 2363233923)
        self.assertGreater(self.counts()["failed"], failed)
        server.wait_until(
            lambda: self.server.log_text().count('msg="snapshot taken" fn=upgraded ') == 2,
            "another snapshot", 60)

    def test_copies_are_held_as_instances_from_scratch_are(self):
        with open(os.path.join(server.BUILD, "tests/sandbox/sandbox_tenant"), "rb") as file:
            tenant = file.read()
        files = {"f.py": "import time\n" + HOSTILE, "tenant": tenant}
        self.create("held", files)
        self.create("held-off", files, Environment={"Variables": {"VIRGA_SNAPSHOT": "off"}})
        event = {"attacks": ATTACKS}
        self.call("held", {"attacks": []})
        self.wait_for_snapshot("held")
        copies = [answer for answer in self.burst("held", 6, event) if "Restore Duration" in answer[2]]
        self.assertTrue(copies)
        scratch, error, _ = self.call("held-off", event)
        self.assertIsNone(error, scratch)
        for payload, error, tail in copies:
            self.assertIsNone(error, payload)
            for name, (code, said) in payload["attacks"].items():
                self.assertIn(code, (0, -signal.SIGSYS), f"{name}: {said}")  # the filter may kill
            payload["status"].pop("Uid")  # each instance has its own
            for name in ("mounts", "limits", "root", "descriptors", "attacks"):
                self.assertEqual(payload[name], scratch[name], name)
            self.assertEqual(payload["status"], {k: v for k, v in scratch["status"].items() if k != "Uid"})
            self.assertEqual(payload["status"]["CapEff"], ["0000000000000000"])
            self.assertEqual(payload["status"]["NoNewPrivs"], ["1"])


if __name__ == "__main__":
    unittest.main()
