"""Functions in C against the real server: the library of bootstraps/c over frames and over the
Runtime API, and the example as its reader deploys it."""
import base64
import glob
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

from server import ROLE, ROOT, VIRGA, ServerTest, zip_of

FOLDER = os.path.join(ROOT, "bootstraps", "c")
WAYS = {"frames": {}, "http": {"VIRGA_RUNTIME_FD": ""}}


class Functions(ServerTest):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(folder, "bootstrap")
            subprocess.run(["cc", "-static", "-O1", "-I", FOLDER, "-o", program,
                            os.path.join(ROOT, "tests/lib/c_function.c")]
                           + glob.glob(FOLDER + "/*.c"), check=True)
            with open(program, "rb") as file:
                cls.code = zip_of({"bootstrap": file.read()})
        super().setUpClass()
        for way, env in WAYS.items():
            cls.make(way, Environment={"Variables": {"WAY": way, **env}})

    @classmethod
    def make(cls, name, **options):
        options = {"Handler": "h", "MemorySize": 128, "Timeout": 10, **options}
        cls.client.create_function(FunctionName=name, Runtime="provided.al2023", Role=ROLE,
                                   Code={"ZipFile": cls.code}, **options)

    def call(self, name, event, is_error=False, **options):
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail",
                                    **options)
        payload = answer["Payload"].read()
        self.log = base64.b64decode(answer["LogResult"]).decode()
        self.assertEqual("FunctionError" in answer, is_error, (payload, self.log))
        return json.loads(payload)

    def both(self, event, is_error=False):
        """The answer, which is the same both ways."""
        framed = self.call("frames", event, is_error)
        self.assertEqual(self.call("http", event, is_error), framed)
        return framed

    def test_context(self):
        context = json.dumps({"custom": {"k": "v"}}, separators=(",", ":"))
        for way in WAYS:
            answer = self.client.invoke(FunctionName=way, Payload=b'"context"', ClientContext=
                                        base64.b64encode(context.encode()).decode())
            got = json.loads(answer["Payload"].read())
            self.assertEqual(got["arn"], "arn:aws:lambda:us-east-1:000000000000:function:" + way)
            self.assertEqual(got["request_id"], answer["ResponseMetadata"]["RequestId"])
            self.assertEqual(json.loads(got["client_context"]), json.loads(context))
            self.assertEqual(got["trace_variable"], got["trace_id"])
            self.assertEqual((got["name"], got["version"], got["log_group"], got["memory"]),
                             (way, "$LATEST", "/aws/lambda/" + way, 128))
            self.assertIn("[$LATEST]", got["log_stream"])
            self.assertTrue(5000 < got["remaining_ms"] <= 10000)
            self.assertTrue(0 < got["deadline_ms"] - time.time() * 1000 <= 10000)

    def test_answers(self):
        self.assertEqual(self.both({"n": [1, None]}), {"n": [1, None]})
        self.assertIsNone(self.both("nothing"))
        self.assertEqual(self.both("string"), 'a"b\\c\n\t\x01é')

    def test_large(self):
        self.assertEqual(self.both("size" + "y" * 6000000), 6000006)
        self.assertEqual(self.both("large 6291554"), "x" * 6291554)
        self.assertEqual(self.both("large 6291555", is_error=True)["errorType"],
                         "Function.ResponseSizeTooLarge")
        self.assertEqual(self.both("large 65536"), "x" * 65536)

    def test_failures(self):
        error = self.both("fail", is_error=True)
        self.assertRegex(error["stackTrace"][0], r"c_function\.c:\d+ in handle$")
        self.assertEqual((error["errorType"], error["errorMessage"]),
                         ("Orders.NotFound", 'no order "7"'))
        self.assertIn('[ERROR] {"errorMessage"', self.log)

    def test_streams_are_gathered(self):
        self.assertEqual(self.both("stream large"), "x" * 200000)
        for way in WAYS:
            answer = self.client.invoke(FunctionName=way, Payload=b'"stream"')
            self.assertEqual(answer["Payload"].read(), b"before 0\r\n1\r\n2\r\n")
        self.assertEqual(self.both("stream fail", is_error=True)["errorType"], "Stream.Broken")

    def test_what_ends_the_process(self):
        for way, env in WAYS.items():
            name = "ends-" + way
            self.make(name, Environment={"Variables": {"WAY": way, **env}})
            for event, text in (("crash", "signal: aborted"), ("exit", "exit status 3")):
                error = self.call(name, event, is_error=True)
                self.assertEqual(error["errorType"], "Runtime.ExitError")
                self.assertIn(text, error["errorMessage"])
            self.assertEqual(self.call(name, "count"), 1)  # a new instance

    def test_timeout(self):
        for way, env in WAYS.items():
            self.make("hang-" + way, Timeout=1, Environment={"Variables": {"WAY": way, **env}})
            error = self.call("hang-" + way, "hang", is_error=True)
            self.assertEqual(error["errorType"], "Sandbox.Timedout")
            self.assertEqual(self.call("hang-" + way, "count"), 1)

    def test_init_error(self):
        for way, env in WAYS.items():
            self.make("init-" + way, Handler="init-fail",
                      Environment={"Variables": {"WAY": way, **env}})
            self.assertEqual(self.call("init-" + way, 1, is_error=True), {
                "errorMessage": "no luck", "errorType": "Init.NoLuck", "stackTrace": []})

    def test_output(self):
        self.both("print")
        self.assertIn("to the log as well\n", self.log)
        self.assertEqual(self.log.count("REPORT"), 1)

    def test_example(self):
        with tempfile.TemporaryDirectory() as folder:
            example = os.path.join(folder, "hello-c")
            shutil.copytree(os.path.join(ROOT, "examples/hello-c"), example,
                            ignore=shutil.ignore_patterns("bootstrap"))
            subprocess.run(["make", "-s", "-C", example, "LIBRARY=" + FOLDER], check=True)
            deployed = subprocess.run([VIRGA, "deploy", example, "--endpoint", self.server.endpoint],
                                      check=False, capture_output=True, text=True)
        self.assertEqual(deployed.returncode, 0, deployed.stderr)
        got = self.call("hello-c", {"n": 1})
        self.assertTrue(0 < got.pop("milliseconds_left") <= 3000)
        self.assertEqual(got, {"greeting": "Hello from C", "event": {"n": 1}})
        self.assertIn("working on ", self.log)


if __name__ == "__main__":
    unittest.main()
