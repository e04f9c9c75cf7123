"""Functions started from snapshots of their initialised processes, through the real server."""
import contextlib
import json
import os
import subprocess
import unittest
import urllib.request

import botocore.exceptions

import server
from snapshots import SnapshotTest
from streams import Events

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
        self.assertGreaterEqual(len(set(streams)), 4)
        self.assertGreaterEqual(restored, 3)  # on full CPUs calls wait for each other
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
                     "Runtime.BeforeSnapshotError"),
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

    def test_the_owner_is_told(self):
        self.create("told", "def handler(event, context): return 1\n")
        self.create("untold", "import uuid\nown = uuid.uuid4()\ndef handler(event, context): return 1\n")
        self.assertRegex(self.virga("describe", "told"), r"snapshot +none\n")
        for name in ("told", "untold"):
            self.call(name)
        self.wait_for_snapshot("told")
        self.wait_for_refusal("untold")
        self.assertRegex(self.virga("describe", "told"), r"snapshot +ready\n")
        self.assertRegex(self.virga("describe", "untold"),
                         r"snapshot +refused: the init drew something unique: os.urandom\n")
        listed = {row["function"]: row
                  for row in json.loads(self.virga("snapshot", "list", "--json"))["snapshots"]}
        self.assertEqual(listed["told:$LATEST"]["state"], "ready")
        self.assertGreater(listed["told:$LATEST"]["bytes"], 100000)
        self.assertIn("os.urandom", listed["untold:$LATEST"]["reason"])
        self.assertIn("told:$LATEST", self.virga("snapshot", "list"))
        self.virga("snapshot", "drop", "told")
        server.wait_until(lambda: "none" in self.virga("snapshot", "show", "told"), "the drop")
        with self.assertRaises(subprocess.CalledProcessError):
            self.virga("snapshot", "show", "nobody")
        self.assertGreaterEqual(self.counts()["refused"], 1)

    def test_snap_start_is_for_published_versions(self):
        source = """
import os, time, uuid
own = uuid.uuid4().hex
kind = os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]
def handler(event, context):
    time.sleep(event.get("sleep", 0))
    return [own, kind, uuid.uuid4().hex]
"""
        self.create("snapstart", source, SnapStart={"ApplyOn": "PublishedVersions"})
        latest = self.client.get_function_configuration(FunctionName="snapstart")
        self.assertEqual((latest["SnapStart"], latest["State"]),
                         ({"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}, "Active"))
        made = self.client.publish_version(FunctionName="snapstart")
        self.assertEqual((made["State"], made["StateReasonCode"]), ("Pending", "Creating"))
        self.client.get_waiter("published_version_active").wait(
            FunctionName="snapstart", Qualifier="1", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        shown = self.client.get_function_configuration(FunctionName="snapstart", Qualifier="1")
        self.assertEqual(shown["SnapStart"]["OptimizationStatus"], "On")
        payload, error, tail = self.call("snapstart:1")
        self.assertIsNone(error)
        self.assertIn("Restore Duration", tail)  # the very first one
        answers = [payload] + [a[0] for a in self.burst("snapstart:1", 4, {"sleep": 0.5})]
        self.assertEqual({kind for _, kind, _ in answers}, {"snap-start"})
        self.assertEqual(len({own for own, _, _ in answers}), 1)  # the owner's business, as on AWS
        self.assertEqual(len({drawn for _, _, drawn in answers}), len(answers))
        self.assertIn("Init Duration", self.call("snapstart")[2])  # $LATEST is no published version

    def test_a_copy_streams(self):
        self.create("streams", """
import os
def handler(event, context):
    yield os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]
    yield b" " + bytes(event["size"])
    if event["size"] == 1: raise KeyError("middle")
""", SnapStart={"ApplyOn": "PublishedVersions"}, Publish=True)
        self.client.get_waiter("published_version_active").wait(
            FunctionName="streams", Qualifier="1", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        with Events(self.server.port, "streams:1", {"size": 200000}) as answer:
            self.assertEqual(answer.all(), (b"snap-start " + bytes(200000), {}))
        with Events(self.server.port, "streams:1", {"size": 1}) as answer:
            body, complete = answer.all()
        self.assertEqual((body, complete["ErrorCode"]), (b"snap-start \0", "KeyError"))

    def refused_call(self, name, **options):
        """The error of an Invoke."""
        with self.assertRaises(self.client.exceptions.ResourceConflictException) as caught:
            self.client.invoke(FunctionName=name, Qualifier="1", **options)
        self.assertEqual(caught.exception.response["ResponseMetadata"]["HTTPStatusCode"], 409)
        return caught.exception.response["Error"]["Message"]

    def test_snap_start_whose_init_fails(self):
        cases = {
            "raises": ("raise ValueError('no such table')", "the init failed: .*no such table"),
            "before": ("from snapshot_restore_py import *\nregister_before_snapshot(lambda: 1 // 0)",
                     "the init failed: .*modulo by zero.*Runtime.BeforeSnapshotError"),
            "exits": ("import os\nos._exit(3)", "the template ended early: exit 3"),
            "grows": ("held = [bytearray(b'x' * 1000000) for _ in range(1000)]", "out of memory"),
        }
        for name, (init, reason) in cases.items():
            with self.subTest(name):
                self.create(name, init + "\ndef handler(event, context): return 1\n",
                            SnapStart={"ApplyOn": "PublishedVersions"}, Publish=True)
                with self.assertRaises(botocore.exceptions.WaiterError):
                    self.client.get_waiter("published_version_active").wait(
                        FunctionName=name, Qualifier="1", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
                shown = self.client.get_function_configuration(FunctionName=name, Qualifier="1")
                text = "An error occurred during function initialization."
                self.assertEqual(
                    [shown[key] for key in ("State", "StateReasonCode", "StateReason", "LastUpdateStatus",
                                            "LastUpdateStatusReasonCode", "LastUpdateStatusReason")],
                    ["Failed", "FunctionError", text, "Failed", "FunctionError", text])
                self.assertEqual(shown["SnapStart"]["OptimizationStatus"], "Off")
                self.assertRegex(self.virga("describe", name + ":1"), reason)
                now = "The operation cannot be performed at this time. The "
                self.assertEqual(self.refused_call(name),
                                 now + "function is currently in the following state: Failed")
                with self.assertRaises(self.client.exceptions.ResourceConflictException) as caught:
                    self.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
                self.assertEqual(
                    caught.exception.response["Error"]["Message"],
                    now + f"resource {shown['FunctionArn']} is currently in the following state: 'Failed'. "
                    "StateReasonCode: 'FunctionError'")
                latest = self.client.get_function_configuration(FunctionName=name)
                self.assertEqual(latest["State"], "Active")

    def test_snap_start_is_not_called_before_it_is_ready(self):
        self.create("slow", "import time\ntime.sleep(3)\ndef handler(event, context): return 4\n",
                    SnapStart={"ApplyOn": "PublishedVersions"}, Publish=True)
        for options in ({}, {"InvocationType": "Event"}):
            self.assertEqual(self.refused_call("slow", **options),
                             "The operation cannot be performed at this time. The function is currently in "
                             "the following state: Pending")
        self.client.create_alias(FunctionName="slow", Name="live", FunctionVersion="1")
        self.client.get_waiter("published_version_active").wait(
            FunctionName="slow", Qualifier="1", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        payload, error, tail = self.call("slow:live")
        self.assertEqual((payload, error), (4, None))
        self.assertIn("Restore Duration", tail)

    def test_snap_start_where_there_can_be_no_snapshot(self):
        self.create("nosnap", "import socket\nown = socket.socket()\n"
                              "def handler(event, context): return 3\n",
                    SnapStart={"ApplyOn": "PublishedVersions"}, Publish=True)
        self.client.get_waiter("published_version_active").wait(
            FunctionName="nosnap", Qualifier="1", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        shown = self.client.get_function_configuration(FunctionName="nosnap", Qualifier="1")
        self.assertEqual(shown["SnapStart"]["OptimizationStatus"], "Off")
        self.assertIn("is open: socket", self.virga("describe", "nosnap:1"))
        self.assertEqual(self.call("nosnap:1")[0], 3)

    def test_the_server_can_switch_them_off(self):
        with server.Server("--snapshots", "off") as own:
            with contextlib.closing(own.client()) as client:
                server.python_function(client, "f", "def handler(event, context): return 1\n",
                                       SnapStart={"ApplyOn": "PublishedVersions"}, Publish=True)
                client.invoke(FunctionName="f", Qualifier="1")
                shown = client.get_function_configuration(FunctionName="f", Qualifier="1")
                self.assertEqual((shown["State"], shown["SnapStart"]["OptimizationStatus"]),
                                 ("Active", "Off"))
            with urllib.request.urlopen(own.endpoint + "/_virga/snapshots/f:1") as answer:
                self.assertEqual(json.load(answer)["reason"],
                                 "snapshots are switched off: --snapshots off")

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
