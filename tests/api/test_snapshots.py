"""Functions started from snapshots of their initialised processes, through the real server."""
import unittest

import server
from snapshots import SnapshotTest

USUAL = """
import json, os, random, secrets, ssl, time, uuid
import boto3
s3 = boto3.client("s3", region_name="eu-west-1")
table = {str(i): i * i for i in range(2000)}
count = 0
def handler(event, context):
    global count
    count += 1
    time.sleep(event.get("sleep", 0))
    return {
        "sum": sum(table[str(i)] for i in event["keys"]), "count": count,
        "stream": os.environ["AWS_LAMBDA_LOG_STREAM_NAME"],
        "same": context.log_stream_name == os.environ["AWS_LAMBDA_LOG_STREAM_NAME"],
        "values": [uuid.uuid4().hex, secrets.token_hex(8), ssl.RAND_bytes(8).hex(),
                   random.randbytes(8).hex()],
        "bucket": s3.meta.region_name,
    }
"""


class PythonSnapshotTest(SnapshotTest):
    def create(self, name, source, **options):
        options = {"MemorySize": 256, "Timeout": 30, **options}
        server.python_function(self.client, name, source, **options)

    def test_copies_answer_as_the_original_and_share_nothing(self):
        before = self.counts()
        self.create("usual", USUAL)
        first, error, tail = self.call("usual", {"keys": [1, 2, 3]})
        self.assertIsNone(error)
        self.assertIn("Init Duration", tail)
        self.wait_for_snapshot("usual")
        answers = self.burst("usual", 24, {"keys": [3, 4], "sleep": 1.0})
        values, streams, restored = [], [], 0
        self.assertEqual(self.counts()["failed"], before["failed"], self.server.log_text())
        for payload, error, tail in answers + [(first, None, "")]:
            self.assertIsNone(error, f"{payload} {tail}")
            self.assertIn(payload["sum"], (14, 25))
            self.assertTrue(payload["same"])
            self.assertEqual(payload["bucket"], "eu-west-1")
            values += payload["values"]
            streams.append(payload["stream"])
            restored += "Restore Duration" in tail
        self.assertEqual(len(set(values)), len(values))
        self.assertGreaterEqual(len(set(streams)), 10)
        self.assertGreaterEqual(restored, 10)
        after = self.counts()
        self.assertEqual(after["failed"], before["failed"])
        self.assertGreaterEqual(after["restored"] - before["restored"], restored)

    def test_what_is_unique_or_open_starts_from_scratch(self):
        cases = {
            "threads": ("import threading\nt = threading.Thread(target=threading.Event().wait, daemon=True)\nt.start()",
                        "more than one thread"),
            "uuid4": ("import uuid\nown = uuid.uuid4()", "os.urandom"),
            "secret": ("import secrets\nown = secrets.token_hex()", "os.urandom"),
            "drawn": ("import random\nown = random.random()", "something unique: random"),
            "generator": ("import random\nown = random.Random()", "a random.Random was made"),
            "stream": ("import os\nown = os.environ['AWS_LAMBDA_LOG_STREAM_NAME']", "log stream"),
            "socket": ("import socket\nown = socket.socket()", "is open: socket"),
            "tmp": ("open('/tmp/x', 'w').write('x')", "/tmp is not empty"),
            "hook": ("from snapshot_restore_py import *\nregister_before_snapshot(lambda: 1 // 0)",
                     "ZeroDivisionError"),
        }
        for name, (init, reason) in cases.items():
            with self.subTest(name):
                self.create(name, init + "\ndef handler(event, context): return 7\n")
                self.assertEqual(self.call(name)[0], 7)
                self.assertIn(reason, self.wait_for_refusal(name))
                self.assertEqual([answer[0] for answer in self.burst(name, 3, {})], [7] * 3)

    def test_hooks_run_around_the_snapshot(self):
        self.create("hooks", """
import os, time
from snapshot_restore_py import register_after_restore, register_before_snapshot
said = []
register_before_snapshot(said.append, "before 2")
@register_before_snapshot
def first(): said.append("before 1")
register_after_restore(said.append, "after 1")
register_after_restore(lambda: said.append("after 2"))
def handler(event, context):
    time.sleep(0.5)
    return said
""")
        self.assertEqual(self.call("hooks")[0], [])
        self.wait_for_snapshot("hooks")
        said = [payload for payload, _, _ in self.burst("hooks", 3, {})]
        self.assertIn(["before 1", "before 2", "after 1", "after 2"], said)

    def test_a_hook_that_fails_after_the_restore_is_an_error_of_the_function(self):
        self.create("after", """
from snapshot_restore_py import register_after_restore
register_after_restore(lambda: {}["nothing"])
import time
def handler(event, context): time.sleep(0.5); return 1
""")
        self.assertEqual(self.call("after")[0], 1)
        self.wait_for_snapshot("after")
        kinds = {payload["errorType"] for payload, error, _ in self.burst("after", 4, {}) if error}
        self.assertEqual(kinds, {"Runtime.AfterRestoreError"})

    def test_copies_that_fail_are_replaced_from_scratch(self):
        before = self.counts()
        self.create("fails", """
import os, time
os.register_at_fork(after_in_child=lambda: os._exit(3))
def handler(event, context): time.sleep(0.3); return os.getpid()
""")
        self.assertIsNone(self.call("fails")[1])
        self.wait_for_snapshot("fails")
        for number in (3, 6, 9):  # More than before, so that some start cold.
            answers = self.burst("fails", number, {})
            self.assertEqual([error for _, error, _ in answers], [None] * number)
        after = self.counts()
        self.assertGreaterEqual(after["failed"], before["failed"] + 1)
        self.assertEqual(after["restored"], before["restored"])

    def test_forged_images_stay_in_their_sandbox(self):
        forge = """
import os, struct, sys, time
if len(sys.argv) == 1 and os.getpid() == 1:
    bytes_ = {bytes}
    try:
        for _ in range({times}): os.write(5, bytes_)
    except OSError: pass
    os.write(3, struct.pack("<IBBHI", 0, 25, 0, 0, 0))
    time.sleep(60)
def handler(event, context): time.sleep(0.2); return 5
"""
        cases = {
            "garbage": ("os.urandom(65536)", 16),
            "endless": ("bytes(65536)", 1 << 20),
            "nothing": ("b''", 1),
            "uneven": ("b'VRGASNAP' * 5", 1),
            "header": ("b'VRGASNAP' + bytes(4088)", 1),
        }
        for name, (text, times) in cases.items():
            with self.subTest(name):
                self.create("forged-" + name, forge.format(bytes=text, times=times))
                for _ in range(2):
                    answers = self.burst("forged-" + name, 3, {})
                    self.assertEqual([payload for payload, _, _ in answers], [5] * 3)

    def test_an_update_takes_another_snapshot(self):
        source = "import time\nvalue = {}\ndef handler(event, context): time.sleep(0.4); return value\n"
        self.create("changes", source.format(1))
        self.assertEqual(self.call("changes")[0], 1)
        self.wait_for_snapshot("changes")
        self.client.update_function_code(
            FunctionName="changes", ZipFile=server.zip_of({"f.py": source.format(2)}))
        self.assertEqual({payload for payload, _, _ in self.burst("changes", 4, {})}, {2})

    def test_a_function_can_switch_it_off(self):
        before = self.counts()
        self.create("off", "import time\ndef handler(event, context): time.sleep(0.3); return 1\n",
                    Environment={"Variables": {"VIRGA_SNAPSHOT": "off"}})
        self.call("off")
        for _, _, tail in self.burst("off", 3, {}):
            self.assertNotIn("Restore Duration", tail)
        self.assertEqual(self.counts()["ready"], before["ready"])


if __name__ == "__main__":
    unittest.main()
