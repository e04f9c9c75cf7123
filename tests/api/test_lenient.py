"""The lenient prelude: code that leaves out its imports, where the function asks for it."""
import base64
import json
import os
import subprocess
import tempfile
import unittest

from server import ROLE, ServerTest, VIRGA, wait_until, zip_of


class Lenient(ServerTest):
    def call(self, name, files, handler, runtime="python3.12", event=None, lenient=True):
        variables = {"VIRGA_LENIENT": "1"} if lenient else {}
        self.client.create_function(FunctionName=name, Runtime=runtime, Role=ROLE, Handler=handler,
                                    Code={"ZipFile": zip_of(files)}, MemorySize=256, Timeout=20,
                                    Environment={"Variables": variables})
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(event or {}),
                                    LogType="Tail")
        log = base64.b64decode(answer["LogResult"]).decode()
        return json.load(answer["Payload"]), log

    def assert_logged(self, name, text):
        """What is printed before the first call is in the log, and not in a call's tail."""
        wait_until(lambda: text + "\n" in self.server.messages(name), text)

    SOURCE = "def handler(event, context):\n    return json.dumps([math.floor(2.5), str(uuid4())[14]])\n"

    def test_names(self):
        answer, _ = self.call("names", {"f.py": self.SOURCE}, "f.handler")
        self.assertEqual(answer, '[2, "4"]')
        self.assert_logged("names", "virga: lenient: f is given json, math, uuid4")

    def test_strict_is_the_default(self):
        answer, log = self.call("strict", {"f.py": self.SOURCE}, "f.handler", lenient=False)
        self.assertEqual(answer["errorType"], "NameError")
        self.assertNotIn("lenient", log)

    def test_own_definitions_win(self):
        answer, _ = self.call("own", {"f.py": """
from helper import time
json = 1
def math(x):
    return x + 1
def handler(event, context):
    return [json, math(1), time, re.sub("a", "b", "cat"), later()]
def later():
    return concurrent.futures.ThreadPoolExecutor(1).submit(len, "xy").result()
""", "helper.py": "time = base64.b64encode(b'x').decode()\n"}, "f.handler")
        self.assertEqual(answer, [1, 2, "eA==", "cbt", 2])
        self.assert_logged("own", "virga: lenient: helper is given base64")

    def test_stubs(self):
        files = {"f.py": "def handler(event, context):\n    return fetch(event)\n",
                 "virga_stubs.py": "def fetch(event):\n    return os.path.basename(event['p'])\n"}
        answer, _ = self.call("stubs", files, "f.handler", event={"p": "/a/b"})
        self.assertEqual(answer, "b")

    def test_what_is_not_installed(self):
        answer, _ = self.call("missing", {
            "f.py": "def handler(event, context):\n    return joblib.load('x')\n"}, "f.handler")
        self.assertEqual((answer["errorType"], answer["errorMessage"]),
                         ("NameError", "name 'joblib' is not defined"))
        self.assert_logged("missing", "virga: lenient: f is given nothing; not installed: joblib")

    def test_methods_as_handlers(self):
        source = """
class Api:
    def handle(self, event, context):
        return "handled"
class App:
    api = Api()
app = App()
"""
        self.assertEqual(self.call("method", {"d/f.py": source, "d/__init__.py": ""},
                                   "d/f.app.api.handle")[0], "handled")
        answer, _ = self.call("method-strict", {"f.py": source}, "f.app.api.handle", lenient=False)
        self.assertEqual(answer["errorType"], "Runtime.ImportModuleError")

    def test_errors_are_aws_own(self):
        for name, source, handler, kind in (
                ("no-module", "", "g.handler", "Runtime.ImportModuleError"),
                ("no-function", "", "f.handler", "Runtime.HandlerNotFound"),
                ("broken", "def (", "f.handler", "Runtime.UserCodeSyntaxError"),
                ("raises", "raise ValueError('x')", "f.handler", "ValueError"),
                ("imports", "import nonsense", "f.handler", "Runtime.ImportModuleError"),
                ("no-dot", "", "handler", "Runtime.MalformedHandlerName")):
            with self.subTest(name):
                answer, _ = self.call(name, {"f.py": source}, handler)
                self.assertEqual(answer["errorType"], kind)

    def test_answers(self):
        answer, _ = self.call("answers", {"f.py": """
def handler(event, context):
    return [datetime(2026, 1, 2, 3, 4), {2, 1}, Decimal("1.50")]
"""}, "f.handler")
        self.assertEqual(answer, ["2026-01-02T03:04:00", [1, 2], 1.5])
        answer, _ = self.call("answers-not", {
            "f.py": "def handler(event, context):\n    return object()\n"}, "f.handler")
        self.assertEqual(answer["errorType"], "Runtime.MarshalError")

    def test_boto3_finds_the_platform(self):
        answer, _ = self.call("boto", {"f.py": """
def handler(event, context):
    try:
        boto3.client("lambda").get_function(FunctionName="nobody")
    except ClientError as error:
        return error.response["Error"]["Code"]
"""}, "f.handler")
        self.assertEqual(answer, "ResourceNotFoundException")

    def test_node(self):
        source = """
const util = { inspect: () => 'mine' };
exports.handler = async () => [os.EOL, util.inspect(1), await lookup(2), typeof validator];
"""
        stubs = "exports.lookup = async (n) => n + 1;\n"
        answer, log = self.call("node", {"f.js": source, "virga_stubs.cjs": stubs}, "f.handler",
                                runtime="nodejs20.x")
        self.assertEqual(answer, ["\n", "mine", 3, "undefined"])
        self.assertIn("virga: lenient: lookup is given", log)
        answer, _ = self.call("node-strict", {"f.js": source, "virga_stubs.cjs": stubs}, "f.handler",
                              runtime="nodejs20.x", lenient=False)
        self.assertEqual(answer["errorType"], "ReferenceError")

    def test_node_modules(self):
        """require() beside a top-level await."""
        source = """
const fsLater = require('fs');
const text = await Promise.resolve('later');
export const handler = async () => [text, typeof fsLater.readFileSync];
"""
        answer, _ = self.call("esm", {"f.mjs": source}, "f.handler", runtime="nodejs20.x")
        self.assertEqual(answer, ["later", "function"])

    def test_deploy(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "handler.py"), "w", encoding="ascii") as file:
                file.write("def handler(event, context):\n    return os.environ['STAGE']\n")
            environment = {"PATH": "/usr/bin:/bin", "VIRGA_ENDPOINT": self.server.endpoint}
            subprocess.run([VIRGA, "deploy", folder, "--name", "flag", "--lenient", "--env",
                            "STAGE=x"], check=True, capture_output=True, env=environment, timeout=30)
            done = subprocess.run([VIRGA, "invoke", "flag"], check=True, capture_output=True,
                                  env=environment, timeout=30)
            self.assertEqual(done.stdout, b'"x"\n')


if __name__ == "__main__":
    unittest.main()
