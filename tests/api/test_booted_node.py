"""Node functions that start as copies of a language booted in advance, through the real server."""
import base64
import json
import unittest

import server

TELL = """
const v8 = require('v8');
exports.handler = async (event, context) => (console.log('to the log'), {
  env: { ...process.env }, argv: process.argv, execArgv: process.execArgv, cwd: process.cwd(),
  zone: new Date(0).getHours(), heap: v8.getHeapStatistics().heap_size_limit,
  pid: process.pid === Number(require('fs').readlinkSync('/proc/self')), paths: require.resolve.paths('x'),
  keys: Object.keys(globalThis), stream: context.logStreamName, version: process.version,
});
"""
MODULE = """
import { readFile } from 'fs/promises';
const text = await readFile('/etc/hosts', 'utf8');
export const handler = async () => [text.length > 0, Math.random(), Math.random()];
"""
SCRATCH = {"NODE_OWN": "1"}  # read when a process starts: such a function boots by itself


class BootedNodeTest(server.ServerTest):
    maxDiff = None

    OPTIONS = ("--snapshots", "off")

    def booted_early(self):
        return self.server.health()["snapshots"]["bootedEarly"]

    def wait_for_boots(self, number):
        text = 'msg="runtime booted in advance" runtime=nodejs '
        server.wait_until(lambda: self.server.log_text().count(text) >= number, "a booted language")

    def call(self, name, files, **options):
        """The answer of a new function's first instance, and whether it was booted early."""
        options = {"MemorySize": 256, "Runtime": "nodejs20.x", **options}
        self.client.create_function(FunctionName=name, Role=server.ROLE, Handler="f.handler", Timeout=30,
                                    Code={"ZipFile": server.zip_of(files)}, **options)
        self.wait_for_boots(1)
        before = self.booted_early()
        answer = self.client.invoke(FunctionName=name, LogType="Tail")
        self.assertNotIn("FunctionError", answer)
        tail = base64.b64decode(answer["LogResult"]).decode()
        return json.load(answer["Payload"]), self.booted_early() == before + 1, tail

    def test_a_copy_sees_what_a_fresh_process_sees(self):
        variables = {"OWN": "1", "TZ": "Asia/Tokyo"}
        copy, is_early, tail = self.call("copy", {"f.js": TELL}, Environment={"Variables": variables})
        self.assertTrue(is_early)
        self.assertRegex(tail, r"Z\t[0-9a-f-]{36}\tINFO\tto the log\n")
        self.assertIn("Init Duration", tail)
        scratch, is_early, _ = self.call("scratch", {"f.js": TELL},
                                         Environment={"Variables": {**variables, **SCRATCH}})
        self.assertFalse(is_early)
        self.assertEqual(scratch["env"].pop("NODE_OWN"), "1")
        for answer in (copy, scratch):
            self.assertTrue(answer.pop("pid"))
            self.assertEqual(answer.pop("stream"), answer["env"].pop("AWS_LAMBDA_LOG_STREAM_NAME"))
            answer["env"].pop("AWS_LAMBDA_FUNCTION_NAME")
            answer["env"].pop("AWS_LAMBDA_LOG_GROUP_NAME")
            answer["env"].pop("_X_AMZN_TRACE_ID")
        self.assertEqual(copy["zone"], 9)
        self.assertEqual(copy, scratch)

    def test_copies_share_no_randomness(self):
        values = []
        for number in range(4):
            answer, is_early, _ = self.call(f"random-{number}", {"f.mjs": MODULE})
            self.assertTrue(is_early and answer[0])
            values += answer[1:]
        self.assertEqual(len(set(values)), len(values))

    def test_the_heap_is_as_large_as_the_memory_says(self):
        small, _, _ = self.call("small", {"f.js": TELL})
        self.client.create_function(FunctionName="large", Role=server.ROLE, Handler="f.handler",
                                    Runtime="nodejs22.x", MemorySize=1024,
                                    Code={"ZipFile": server.zip_of({"f.js": TELL})})
        self.wait_for_boots(2)
        before = self.booted_early()
        large = json.load(self.client.invoke(FunctionName="large")["Payload"])
        self.assertEqual(self.booted_early(), before + 1)
        self.assertGreater(large["heap"], 3 * small["heap"])
        self.assertEqual(large["env"]["AWS_EXECUTION_ENV"], "AWS_Lambda_nodejs22.x")

    def test_errors_of_an_init_are_the_functions_own(self):
        self.call("good", {"f.js": TELL})
        self.client.create_function(FunctionName="bad", Role=server.ROLE, Handler="f.handler",
                                    Runtime="nodejs20.x", MemorySize=256,
                                    Code={"ZipFile": server.zip_of({"f.js": "throw new TypeError('no')"})})
        answer = self.client.invoke(FunctionName="bad")
        self.assertEqual(json.load(answer["Payload"])["errorMessage"], "no")


if __name__ == "__main__":
    unittest.main()
