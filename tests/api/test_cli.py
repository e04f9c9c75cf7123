"""The command lines: `virga deploy/invoke/list/delete`, and the real AWS CLI beside it."""
import base64
import io
import json
import os
import subprocess
import tempfile
import unittest

from PIL import Image

from server import CLIENT_ENVIRONMENT, ROLE, ROOT, ServerTest, VIRGA, zip_of

EXAMPLES = os.path.join(ROOT, "examples")
SAYS = "def handler(event, context):\n    return '{}'\n"
FAILING = "def handler(event, context):\n    raise KeyError('k')\n"


class CliTest(ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.TemporaryDirectory(prefix="virga-test-cli-")
        cls.addClassCleanup(cls.folder.cleanup)

    def file(self, name, content):
        path = os.path.join(self.folder.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def virga(self, *arguments, code=0, stdin=None, **environment):
        done = subprocess.run(
            [VIRGA, *arguments], capture_output=True, input=stdin, timeout=60, check=False,
            env={"PATH": "/usr/bin:/bin", "VIRGA_ENDPOINT": self.server.endpoint, **environment})
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        return done.stdout.decode(), done.stderr.decode()


class Commands(CliTest):
    def test_life(self):
        path = self.file("life/handler.py", "def run(event, context):\n    return 1\n\n"
                                            "def handler(event, context):\n    return event\n")
        out, _ = self.virga("deploy", os.path.dirname(path))
        self.assertIn("created life in ", out)
        self.assertRegex(out, r"python3\.\d+, handler\.handler")
        self.assertIn("arn:aws:lambda:us-east-1:000000000000:function:life\n", out)
        curl = next(line for line in out.splitlines() if "curl" in line)
        answer = subprocess.run(["sh", "-c", curl + " -s"], capture_output=True, timeout=20,
                                check=True).stdout
        self.assertEqual(answer, b"{}")
        out, err = self.virga("invoke", "life", "--payload", '{"a": "ü"}')
        self.assertEqual((json.loads(out), err), ({"a": "ü"}, ""))
        out, _ = self.virga("deploy", os.path.dirname(path), "--memory", "256", "--timeout=9",
                            "--env", "STAGE=dev=1", "--json")
        made = json.loads(out)
        self.assertEqual((made["MemorySize"], made["Timeout"]), (256, 9))
        self.assertEqual(made["Environment"]["Variables"], {"STAGE": "dev=1"})
        out, _ = self.virga("list")
        self.assertRegex(out, r"(?m)^life +python3\.\d+ +256 MB +9 s ")
        self.assertIn("life", [f["FunctionName"] for f in json.loads(self.virga("list", "--json")[0])])
        self.assertEqual(self.virga("delete", "life")[0], "deleted life\n")
        _, err = self.virga("delete", "life", code=3)
        self.assertIn("ResourceNotFoundException: Function not found: ", err)

    def test_watch(self):
        path = self.file("hot/handler.py", SAYS.format("first"))
        self.file("hot/lib/empty.py", "")
        process = subprocess.Popen(
            [VIRGA, "deploy", os.path.dirname(path), "--watch"], stdout=subprocess.PIPE, text=True,
            stderr=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "VIRGA_ENDPOINT": self.server.endpoint})
        try:
            for line in iter(process.stdout.readline, ""):
                if "curl" in line:
                    break
            self.assertEqual(self.virga("invoke", "hot")[0], '"first"\n')
            for said in ("second", "third"):  # written in place, then replaced as editors do it
                if said == "second":
                    self.file("hot/handler.py", SAYS.format(said))
                else:
                    os.replace(self.file("aside.py", SAYS.format(said)), path)
                self.assertRegex(process.stdout.readline(), r"^updated hot in \d+ ms \(\d+ bytes\)$")
                self.assertEqual(self.virga("invoke", "hot")[0], f'"{said}"\n')
            self.file("hot/lib/more.py", "x = 1\n")
            self.assertIn("updated hot", process.stdout.readline())
        finally:
            process.terminate()
            _, err = process.communicate(timeout=20)
        self.assertEqual(err, "")

    def test_payloads(self):
        self.virga("deploy", self.zip("echo", "def handler(e, c):\n    return e\n"), "--name",
                   "payloads")
        path = self.file("event.json", '["from", "file"]')
        self.assertEqual(self.virga("invoke", "payloads", "--payload", "@" + path)[0],
                         '["from", "file"]\n')
        self.assertEqual(self.virga("invoke", "payloads", "--payload", "-", stdin=b"7")[0], "7\n")
        self.assertEqual(self.virga("invoke", "payloads")[0], "{}\n")
        _, err = self.virga("invoke", "payloads", "--payload", "{bad", code=3)
        self.assertIn("InvalidRequestContentException", err)
        _, err = self.virga("invoke", "payloads", "--payload", "@/missing", code=2)
        self.assertIn("/missing", err)

    def zip(self, name, source):
        return self.file(name + ".zip", zip_of({"lambda_function.py": source}))

    def test_function_error_tail_and_timing(self):
        self.virga("deploy", self.zip("fails", FAILING), "--name", "fails")
        out, err = self.virga("invoke", "fails", "--tail", "--timing", code=1)
        self.assertEqual(out, "")
        self.assertIn("the function failed: KeyError: 'k'", err)
        self.assertIn("REPORT RequestId: ", err)
        self.assertRegex(err, r"(?m)^billed +\d+ ms$")
        self.assertRegex(err, r"(?m)^start +cold$")
        shown = json.loads(self.virga("invoke", "fails", "--json", code=1)[0])
        self.assertEqual(shown["functionError"], "Unhandled")
        self.assertEqual(shown["payload"]["errorType"], "KeyError")
        self.assertIn("START RequestId", shown["log"])
        self.assertEqual(shown["memorySizeMb"], 128)
        self.assertGreater(shown["billedMs"], 0)
        self.assertGreater(shown["clientMs"], shown["durationMs"])
        self.assertIsNone(shown["initMs"])  # the call before it was the cold one

    def test_what_is_left_out(self):
        for name in ("tidy/main.py", "tidy/lib/x.py", "tidy/.git/config", "tidy/__pycache__/y.pyc",
                     "tidy/z.pyc"):
            path = self.file(name, "import os\ndef main(event, context):\n    return sorted(os.path."
                             "join(d, f)[10:] for d, _, fs in os.walk('/var/task') for f in fs)\n")
        self.virga("deploy", os.path.dirname(path), "--handler", "main.main", "--name", "tidy")
        self.assertEqual(json.loads(self.virga("invoke", "tidy")[0]), ["lib/x.py", "main.py"])

    def test_wrong_usage(self):
        for arguments in (("deploy",), ("deploy", "a", "b"), ("deploy", "/missing"),
                          ("deploy", ".", "--memory", "much"), ("invoke", "x", "--nonsense"),
                          ("list", "extra"), ("delete",), ("invoke", "x", "--payload"),
                          ("invoke", "x", "--tail=yes"), ("list", "-x"), ("nonsense",)):
            out, err = self.virga(*arguments, code=2)
            self.assertEqual(out, "")
            self.assertTrue(err)
        empty = os.path.join(self.folder.name, "empty")
        os.makedirs(empty, exist_ok=True)
        _, err = self.virga("deploy", empty, code=2)
        self.assertIn("cannot guess the handler", err)

    def test_wrong_endpoints(self):
        for endpoint in ("127.0.0.1:4566", "http://", "ftp://localhost", "http://localhost:x"):
            for command in ("list", "status"):
                out, err = self.virga(command, "--endpoint", endpoint, code=2)
                self.assertEqual(out, "")
                self.assertIn(f"virga {command}: ", err)

    def test_names_for_scripts(self):
        self.virga("deploy", self.zip("named", SAYS), "--name", "named")
        self.assertIn("named", self.virga("list", "--names")[0].splitlines())

    def test_no_server(self):
        _, err = self.virga("list", "--endpoint", "http://127.0.0.1:1", code=3)
        self.assertEqual(err, "virga list: GET http://127.0.0.1:1: connect: Connection refused; is a "
                              "server running there (virga serve)?\n")
        _, err = self.virga("status", "--endpoint", "http://127.0.0.1:1", code=3)
        self.assertIn("is a server running there", err)

    def test_thumbnail(self):
        """A real JPEG goes in, a smaller one comes out."""
        self.virga("deploy", os.path.join(EXAMPLES, "thumbnail"), "--memory", "512", "--timeout",
                   "20")
        with open(os.path.join(EXAMPLES, "thumbnail", "photo.jpg"), "rb") as file:
            photo = file.read()
        event = self.file("photo.json", json.dumps({"image": base64.b64encode(photo).decode(),
                                                    "width": 100}))
        made = json.loads(self.virga("invoke", "thumbnail", "--payload", "@" + event)[0])
        picture = Image.open(io.BytesIO(base64.b64decode(made["image"])))
        self.assertEqual(picture.format, "JPEG")
        self.assertEqual((picture.width, picture.height), (made["width"], made["height"]))
        self.assertEqual(picture.width, 100)


class AwsCli(CliTest):
    def aws(self, *arguments, code=0):
        done = subprocess.run(
            ["/usr/bin/aws", "--endpoint-url", self.server.endpoint, "--output", "json", "lambda",
             *arguments], capture_output=True, text=True, timeout=60, check=False,
            env={"PATH": "/usr/bin:/bin", **CLIENT_ENVIRONMENT})
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        return json.loads(done.stdout) if code == 0 and done.stdout.strip() else done.stderr

    def test_life(self):
        source = "def handler(event, context):\n    print('hello')\n    return event\n"
        package = "fileb://" + self.file("aws.zip", zip_of({"f.py": source}))
        made = self.aws("create-function", "--function-name", "aws", "--runtime", "python3.12",
                        "--handler", "f.handler", "--role", ROLE, "--zip-file", package)
        self.assertEqual(made["State"], "Active")
        self.aws("wait", "function-active-v2", "--function-name", "aws")
        out = os.path.join(self.folder.name, "answer.json")
        answer = self.aws("invoke", "--function-name", "aws", "--cli-binary-format",
                          "raw-in-base64-out", "--payload", '{"k": "v"}', "--log-type", "Tail", out)
        self.assertEqual(answer["StatusCode"], 200)
        self.assertIn("hello", base64.b64decode(answer["LogResult"]).decode())
        with open(out, encoding="utf-8") as file:
            self.assertEqual(json.load(file), {"k": "v"})
        changed = self.aws("update-function-configuration", "--function-name", "aws", "--timeout",
                           "30", "--environment", "Variables={STAGE=test}")
        self.assertEqual(changed["Timeout"], 30)
        self.aws("update-function-code", "--function-name", "aws", "--zip-file", package)
        self.aws("wait", "function-updated-v2", "--function-name", "aws")
        got = self.aws("get-function", "--function-name", "aws")
        self.assertEqual(got["Configuration"]["Environment"]["Variables"], {"STAGE": "test"})
        self.assertEqual([f["FunctionName"] for f in self.aws("list-functions")["Functions"]],
                         ["aws"])
        self.aws("delete-function", "--function-name", "aws")
        error = self.aws("get-function", "--function-name", "aws", code=254)
        self.assertIn("(ResourceNotFoundException) when calling the GetFunction operation: Function "
                      "not found: arn:aws:lambda:us-east-1:000000000000:function:aws", error)


if __name__ == "__main__":
    unittest.main()
