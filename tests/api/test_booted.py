"""Functions that start as copies of a language booted in advance, through the real server."""
import base64
import contextlib
import json
import unittest
import urllib.request

import server

TELL = """
import hashlib, json, os, sys, time
def handler(event, context):
    return {
        "environ": dict(os.environ), "path": sys.path, "argv": sys.argv, "orig": sys.orig_argv,
        "cwd": os.getcwd(), "zone": time.tzname, "modules": sorted(sys.modules), "pid": os.getpid(),
        "hash": hash("a seed tells"), "encoding": sys.stdout.encoding, "same": json.loads("[1]"),
        "stream": context.log_stream_name,
    }
"""
SCRATCH = {"MALLOC_ARENA_MAX": "1"}  # read when a process starts: such a function boots by itself


class BootedTest(server.ServerTest):
    OPTIONS = ("--snapshots", "off")
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = cls.server.client(key="111111111111")
        cls.addClassCleanup(cls.client.close)

    def booted_early(self):
        return self.server.health()["snapshots"]["bootedEarly"]

    def wait_for_boot(self, account="111111111111"):
        server.wait_until(lambda: f'msg="runtime booted in advance" runtime=python3 account={account} '
                          in self.server.log_text(), "a booted language")

    def call(self, name, source, client=None, **options):
        """The answer of a new function's first instance, and whether it was booted early."""
        client = client or self.client
        server.python_function(client, name, source, **options)
        self.wait_for_boot()
        before = self.booted_early()
        answer = client.invoke(FunctionName=name, LogType="Tail")
        return json.load(answer["Payload"]), self.booted_early() == before + 1, answer

    def test_a_copy_sees_what_a_fresh_process_sees(self):
        variables = {"OWN": "1", "TZ": "Asia/Tokyo"}
        copy, is_early, _ = self.call("copy", TELL, Environment={"Variables": variables})
        self.assertTrue(is_early)
        scratch, is_early, _ = self.call(
            "copy2", TELL, Environment={"Variables": {**variables, **SCRATCH}})
        self.assertFalse(is_early)
        del scratch["environ"]["MALLOC_ARENA_MAX"]
        for answer, name in (copy, "copy"), (scratch, "copy2"):
            self.assertEqual(answer["environ"].pop("AWS_LAMBDA_FUNCTION_NAME"), name)
            self.assertEqual(answer["environ"].pop("AWS_LAMBDA_LOG_GROUP_NAME"),
                             "/aws/lambda/" + name)
            self.assertEqual(answer["environ"].pop("AWS_LAMBDA_LOG_STREAM_NAME"), answer["stream"])
            self.assertTrue(answer["environ"].pop("_X_AMZN_TRACE_ID"))  # of the call
            self.assertEqual(answer["zone"], ["JST", "JST"])
            self.assertNotEqual(answer["pid"], 1)
            for key in ("stream", "hash", "pid"):
                del answer[key]
        self.assertLessEqual(set(scratch["modules"]), set(copy.pop("modules")))
        del scratch["modules"]
        self.assertEqual(copy, scratch)

    def test_two_accounts_share_no_copy(self):
        first, is_early, _ = self.call("one", TELL)
        self.assertTrue(is_early)
        again, is_early, _ = self.call("two", TELL)
        self.assertTrue(is_early)
        self.assertEqual(first["hash"], again["hash"])
        with contextlib.closing(self.server.client(key="222222222222")) as other:
            server.python_function(other, "one", TELL)
            self.wait_for_boot("222222222222")
            before = self.booted_early()
            answer = json.load(other.invoke(FunctionName="one")["Payload"])
        self.assertEqual(self.booted_early(), before + 1)
        self.assertNotEqual(answer["hash"], first["hash"])

    def test_a_failing_init_is_the_functions_own(self):
        for number in range(4):  # more often than an image may fail
            answer, is_early, whole = self.call(f"broken-{number}", "import nothing_of_that_name\n")
            self.assertTrue(is_early)
            self.assertEqual(whole["FunctionError"], "Unhandled")
            self.assertEqual(answer["errorType"], "Runtime.ImportModuleError")
        answer, is_early, _ = self.call("ends", "import os\nos._exit(3)\n")
        self.assertTrue(is_early)
        self.assertEqual(answer["errorType"], "Runtime.ExitError")
        self.assertTrue(self.call("fine", TELL)[1])

    def test_the_log_format_is_the_functions(self):
        with contextlib.closing(self.server.client()) as client:
            server.python_function(client, "json", "def handler(event, context):\n    1 // 0\n")
            self.wait_for_boot("000000000000")
            request = urllib.request.Request(
                self.server.endpoint + "/2015-03-31/functions/json/configuration", method="PUT",
                data=json.dumps({"LoggingConfig": {"LogFormat": "JSON"}}).encode())
            urllib.request.urlopen(request).close()
            before = self.booted_early()
            whole = client.invoke(FunctionName="json", LogType="Tail")
        self.assertEqual(self.booted_early(), before + 1)
        tail = base64.b64decode(whole["LogResult"]).decode()
        errors = [json.loads(line) for line in tail.splitlines() if "ZeroDivisionError" in line]
        self.assertEqual(errors[0]["level"], "ERROR")


if __name__ == "__main__":
    unittest.main()
