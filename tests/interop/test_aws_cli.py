"""The AWS CLI, version 2 of Debian and version 1 where it is in PATH, and curl's own signatures:
against a server that wants them."""
import json
import os
import subprocess
import tempfile
import unittest

from interop import FUNCTION, environment_of
from server import ROLE, Server, zip_of


def programs():
    """{major version: path} of the programs called aws."""
    found = {}
    for folder in ["/usr/bin"] + os.environ.get("PATH", "").split(":"):
        path = os.path.join(folder, "aws")
        if os.access(path, os.X_OK):
            text = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60,
                                  check=False).stdout
            if text.startswith("aws-cli/"):
                found.setdefault(text[len("aws-cli/")], path)
    return found


class Tour:
    major = None

    def setUp(self):
        self.program = programs().get(self.major)
        if self.program is None:
            self.skipTest(f"no version {self.major} of the AWS CLI in PATH")
        self.server = Server(dev=False)
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.server.remove)
        self.addCleanup(self.folder.cleanup)

    def aws(self, *arguments, code=0, **environment):
        done = subprocess.run(
            [self.program, "--endpoint-url", self.server.endpoint, "--output", "json", *arguments],
            env={**environment_of(self.server), **environment}, cwd=self.folder.name,
            capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        return done.stderr if code else json.loads(done.stdout or "null")

    def test_tour(self):
        with open(os.path.join(self.folder.name, "f.zip"), "wb") as file:
            file.write(zip_of({"f.py": FUNCTION}))
        with open(os.path.join(self.folder.name, "event"), "w", encoding="utf-8") as file:
            file.write('{"n": "ü"}')
        self.assertEqual(self.aws("sts", "get-caller-identity")["Account"], "000000000000")
        for name in ("one", "two"):
            self.aws("lambda", "create-function", "--function-name", name, "--runtime", "python3.12",
                     "--role", ROLE, "--handler", "f.handler", "--zip-file", "fileb://f.zip",
                     "--environment", "Variables={GREETING=hi}")
        self.aws("lambda", "wait", "function-active-v2", "--function-name", "one")
        self.assertEqual(self.aws("lambda", "list-functions", "--page-size", "1", "--query",
                                  "sort(Functions[].FunctionName)"), ["one", "two"])
        answer = self.aws("lambda", "invoke", "--function-name", "one", "--log-type", "Tail",
                          "--payload", "fileb://event", "out")
        self.assertIn("LogResult", answer)
        with open(os.path.join(self.folder.name, "out"), encoding="utf-8") as file:
            self.assertEqual(json.load(file), {"n": "ü", "greeting": "hi"})
        self.aws("lambda", "update-function-code", "--function-name", "one", "--zip-file",
                 "fileb://f.zip")
        self.aws("lambda", "delete-function", "--function-name", "one")
        self.assertIn("(ResourceNotFoundException) when calling the GetFunction operation: Function "
                      "not found", self.aws("lambda", "get-function", "--function-name", "one",
                                            code=254 if self.major == "2" else 255))
        self.aws("logs", "create-log-group", "--log-group-name", "/interop/cli", "--tags", "k=v")
        groups = self.aws("logs", "describe-log-groups")["logGroups"]
        self.assertIn("/interop/cli", [group["logGroupName"] for group in groups])
        self.assertIn("(InvalidAction)", self.aws("sts", "get-session-token",
                                                  code=254 if self.major == "2" else 255))
        self.assertIn("(InvalidSignatureException)", self.aws(
            "lambda", "list-functions", code=254 if self.major == "2" else 255,
            AWS_SECRET_ACCESS_KEY="wrong"))
        self.server.stop()


class AwsCliV2Test(Tour, unittest.TestCase):
    major = "2"


class AwsCliV1Test(Tour, unittest.TestCase):
    major = "1"


class CurlTest(unittest.TestCase):
    """curl --aws-sigv4 is an implementation of its own."""

    def curl(self, server, service, path, *options, secret=None):
        key, own = server.root_key
        done = subprocess.run(
            ["curl", "-s", "-w", "\n%{http_code}", "--aws-sigv4", f"aws:amz:us-east-1:{service}",
             "--user", f"{key}:{secret or own}", *options, server.endpoint + path],
            capture_output=True, text=True, timeout=30, check=True)
        text, status = done.stdout.rsplit("\n", 1)
        return int(status), text

    def test_curl(self):
        with Server(dev=False) as server:
            key, secret = server.root_key
            server.client(key=key, secret=secret).create_function(
                FunctionName="one", Runtime="python3.12", Role=ROLE, Handler="f.handler",
                Code={"ZipFile": zip_of({"f.py": FUNCTION})})
            invoke = "/2015-03-31/functions/one/invocations"
            self.assertEqual(self.curl(server, "lambda", invoke, "-d", '{"n":1}'), (200, '{"n": 1}'))
            self.assertEqual(self.curl(server, "lambda", "/2015-03-31/functions?MaxItems=1")[0], 200)
            self.assertEqual(self.curl(server, "lambda", invoke, "-d", "{}", secret="wrong")[0], 403)
            status, text = self.curl(server, "sts", "/", "-d",
                                     "Action=GetCallerIdentity&Version=2011-06-15")
            self.assertEqual(status, 200)
            self.assertIn("<Account>000000000000</Account>", text)
            status, text = self.curl(
                server, "logs", "/", "-d", "{}", "-H", "Content-Type: application/x-amz-json-1.1",
                "-H", "X-Amz-Target: Logs_20140328.DescribeLogGroups")
            self.assertEqual(status, 200, text)


if __name__ == "__main__":
    unittest.main()
