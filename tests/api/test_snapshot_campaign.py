"""Many copies of snapshots under load: every reply is checked, nothing drawn is drawn twice, and what
is forbidden in an instance from scratch is forbidden in a copy.

VIRGA_RESTORES: how many copies the campaign makes at least (default 100). The long form:
    VIRGA_RESTORES=10000 VIRGA_BUILD=build tests/lib/run.py tests/api test_snapshot_campaign
"""
import contextlib
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest

import server
from snapshots import SnapshotTest

RESTORES = int(os.environ.get("VIRGA_RESTORES", "100"))
AT_ONCE = 12

# What a function does after its restore, whatever its init was: the same for all images.
EXERCISE = """
import gc, json, os, random, secrets, signal, socket, ssl, subprocess, tempfile, threading, time, uuid

def tls():
    # A client's handshake, against a server of its own in memory.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/var/task/cert.pem", "/var/task/key.pem")
    client_context = ssl.create_default_context(cafile="/var/task/cert.pem")
    a, b, c, d = ssl.MemoryBIO(), ssl.MemoryBIO(), ssl.MemoryBIO(), ssl.MemoryBIO()
    there = context.wrap_bio(a, b, server_side=True)
    here = client_context.wrap_bio(c, d, server_hostname="virga.test")
    done = set()
    hello = None
    while len(done) < 2:
        for side in (here, there):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                pass
            data = d.read()
            hello = hello or data
            a.write(data)
            c.write(b.read())
    here.write(b"hello")
    a.write(d.read())
    assert there.read() == b"hello"
    return hello[11:43].hex()  # the client's random; its key share is drawn beside it

def timer():
    fired = []
    signal.signal(signal.SIGALRM, lambda *_: fired.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    while not fired:
        time.sleep(0.002)
    begin = time.monotonic()
    time.sleep(0.01)
    assert 0.009 < time.monotonic() - begin < 5

def exercise(event):
    if event.get("end"):
        os._exit(0)
    held = [bytearray(1 << 16) for _ in range(200)]  # the heap grows, by brk and by maps
    small = {i: str(i) for i in range(50000)}
    assert sum(len(part) for part in held) == 200 << 16 and small[49999] == "49999"
    gc.collect()
    timer()
    assert socket.getaddrinfo("localhost", 80)[0][4][0] in ("127.0.0.1", "::1")
    with tempfile.NamedTemporaryFile("w+") as file:
        file.write("text")
        file.seek(0)
        assert file.read() == "text"
    assert subprocess.run(["/bin/echo", "child"], capture_output=True).stdout == b"child\\n"
    results = []
    thread = threading.Thread(target=lambda: results.append(sum(range(1000))))
    thread.start()
    thread.join()
    assert results == [499500]
    assert json.loads(json.dumps({"a": [1.5, None]})) == {"a": [1.5, None]}
    drawn = [uuid.uuid4().hex, str(uuid.uuid1()), secrets.token_hex(8), ssl.RAND_bytes(8).hex(),
             random.randbytes(8).hex(), os.urandom(8).hex(), tempfile.mktemp(), tls()]
    time.sleep(event.get("sleep", 0))
    return drawn
"""

# name: (init, expression that the handler adds to its reply, what it must be)
IMAGES = {
    "plain": ("table = {i: i * i for i in range(1000)}", "sum(table.values())", 332833500),
    "boto3": ("import boto3\ns3 = boto3.client('s3', region_name='eu-west-1')",
              "s3.generate_presigned_url('get_object', Params={'Bucket': 'b', 'Key': 'k'})"
              ".startswith('https://')", True),
    "numpy": ("import numpy\nmatrix = numpy.arange(10000.0).reshape(100, 100)",
              "[float(matrix.sum()), float((matrix @ numpy.eye(100) - matrix).sum())]",
              [49995000.0, 0.0]),
    "libraries": ("import asyncio, ctypes, decimal, hashlib, re, sqlite3, zlib\n"
                  "words = re.compile(r'[a-z]+')\n"
                  "base = sqlite3.connect(':memory:')\nbase.execute('create table t (n int)')",
                  "[base.execute('select count(*) from t').fetchone()[0], len(words.findall('a b c')),"
                  " asyncio.run(asyncio.sleep(0, 7)), str(decimal.Decimal(1) / 8),"
                  " hashlib.sha256(b'x').hexdigest()[:8], zlib.crc32(b'x')]",
                  [0, 3, 7, "0.125", "2d711642", 2363233923]),
}
# numpy's library starts a pool of threads where there are several CPUs, which cannot be copied.
ENVIRONMENT = {"Variables": {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}}

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


def certificate():
    """(certificate, key) for virga.test."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-keyout", f"{folder}/key", "-out", f"{folder}/cert", "-days", "2", "-subj",
             "/CN=virga.test", "-addext", "subjectAltName=DNS:virga.test"],
            check=True, capture_output=True)
        return [open(f"{folder}/{name}", encoding="ascii").read() for name in ("cert", "key")]


class CampaignTest(SnapshotTest):
    def make(self, name, files, **options):
        self.client.create_function(
            FunctionName=name, Runtime="python3.12", Role=server.ROLE, Handler="f.handler",
            Code={"ZipFile": server.zip_of(files, ("tenant",))}, MemorySize=256, Timeout=60, **options)

    def end_all(self, name):
        """Ends the idle instances of a function, so that the next calls start cold."""
        def run():
            with contextlib.closing(self.server.client()) as client:
                client.invoke(FunctionName=name, Payload='{"end": true}')

        threads = [threading.Thread(target=run) for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def test_every_copy_works_and_draws_its_own(self):
        cert, key = certificate()
        failed_before = self.counts()["failed"]  # of the other tests: the upgrade fails one
        for name, (init, reply, _) in IMAGES.items():
            source = f"{init}\n{EXERCISE}\ndef handler(event, context):\n" \
                     f"    return [exercise(event), {reply}]\n"
            self.make(name, {"f.py": source, "cert.pem": cert, "key.pem": key},
                      Environment=ENVIRONMENT)
            payload, error, _ = self.call(name)
            self.assertIsNone(error, payload)
        for name in IMAGES:
            self.wait_for_snapshot(name)
        drawn, restored = [], {name: 0 for name in IMAGES}
        while sum(restored.values()) < RESTORES:
            for name, (_, _, expected) in IMAGES.items():
                self.end_all(name)
                for payload, error, tail in self.burst(name, AT_ONCE, {"sleep": 0.3}):
                    self.assertIsNone(error, f"{name}: {payload} {tail}")
                    self.assertEqual(payload[1], expected, name)
                    drawn += payload[0]
                    restored[name] += "Restore Duration" in tail
        self.assertEqual(len(set(drawn)), len(drawn), "two copies drew the same")
        self.assertEqual(self.counts()["failed"], failed_before, self.server.log_text())
        self.assertTrue(all(restored.values()), restored)
        print(f"\n{sum(restored.values())} restores, {len(drawn)} values drawn: {restored}")

    def test_an_upgrade_of_a_mapped_file_costs_the_image_alone(self):
        library = f"/usr/local/lib/virga-test-{os.getpid()}.so"
        self.addCleanup(os.remove, library)
        shutil.copy(glob.glob("/lib/*/libz.so.1")[0], library)
        self.make("upgraded", {"f.py": f"""
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
        self.make("held", files)
        self.make("held-off", files, Environment={"Variables": {"VIRGA_SNAPSHOT": "off"}})
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
