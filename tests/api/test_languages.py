"""Versions of languages: what stands in for a version that the host does not have, who is told, and
what --strict refuses. The host's versions are looked up here, not assumed."""
import glob
import json
import os
import re
import subprocess
import unittest
import urllib.request

import botocore.exceptions
from server import ROLE, VIRGA, Server, wait_until, zip_of

PYTHON = "def handler(event, context):\n    import sys\n    return list(sys.version_info[:2])\n"


def python_minors():
    found = [re.fullmatch(r"/usr/bin/python3\.(\d+)", path) for path in glob.glob("/usr/bin/python3.*")]
    return sorted(int(match.group(1)) for match in found if match)


def stand_in(minor):
    newer = [there for there in python_minors() if there >= minor]
    return newer[0] if newer else python_minors()[-1]


class Versions(unittest.TestCase):
    def setUp(self):
        self.options = ["--strict"] if "strict" in self.id() else []
        self.server = Server(*self.options)
        self.addCleanup(self.server.remove)
        self.client = self.server.client()
        self.exact = python_minors()[-1]
        self.other = next(minor for minor in range(8, 15) if minor not in python_minors())

    def tearDown(self):
        self.server.stop()

    def create(self, name, runtime):
        self.client.create_function(FunctionName=name, Runtime=runtime, Role=ROLE, Handler="f.handler",
                                    Code={"ZipFile": zip_of({"f.py": PYTHON})})

    def version_config(self, name):
        url = f"{self.server.endpoint}/2015-03-31/functions/{name}/configuration"
        with urllib.request.urlopen(url) as answer:
            return json.load(answer)["RuntimeVersionConfig"]

    def log_of(self, name):
        wait_until(lambda: any("REPORT" in text or "platform.report" in text for text in self.server.messages(name)),
                   "the log")
        return self.server.messages(name)

    def note(self):
        return (f"Python 3.{self.other} is not installed on this host: "
                f"Python 3.{stand_in(self.other)} runs the function.")

    def test_exact(self):
        self.create("exact", f"python3.{self.exact}")
        self.assertNotIn("Error", self.version_config("exact"))
        got = json.loads(self.client.invoke(FunctionName="exact")["Payload"].read())
        self.assertEqual(got, [3, self.exact])
        self.assertFalse([text for text in self.log_of("exact") if "not installed" in text])

    def test_stand_in(self):
        self.create("other", f"python3.{self.other}")
        self.assertEqual(self.version_config("other")["Error"],
                         {"ErrorCode": "RuntimeVersionNotInstalled", "Message": self.note()})
        got = json.loads(self.client.invoke(FunctionName="other")["Payload"].read())
        self.assertEqual(got, [3, stand_in(self.other)])
        log = self.log_of("other")
        self.assertTrue(log[0].startswith("INIT_START "), log)
        self.assertEqual(log[1], f"[WARN] {self.note()}\n")

    def test_stand_in_in_a_json_log(self):
        self.create("other", f"python3.{self.other}")
        request = urllib.request.Request(
            f"{self.server.endpoint}/2015-03-31/functions/other/configuration", method="PUT",
            data=json.dumps({"LoggingConfig": {"LogFormat": "JSON"}}).encode())
        urllib.request.urlopen(request).close()
        self.client.invoke(FunctionName="other")
        notes = [json.loads(text) for text in self.log_of("other") if "not installed" in text]
        self.assertEqual([(note["type"], note["record"]) for note in notes],
                         [("virga.runtimeNote", {"message": self.note()})])

    def test_command_line(self):
        folder = os.path.join(self.server.folder, "code")
        os.mkdir(folder)
        with open(os.path.join(folder, "f.py"), "w", encoding="utf-8") as file:
            file.write(PYTHON)

        def virga(*arguments):
            done = subprocess.run([VIRGA, *arguments], capture_output=True, timeout=60, check=True,
                                  env={"PATH": "/usr/bin:/bin", "VIRGA_ENDPOINT": self.server.endpoint})
            return done.stdout.decode(), done.stderr.decode()

        out, err = virga("deploy", folder, "--name", "own")  # guesses what is there
        self.assertEqual(err, "")
        self.assertRegex(out, r"python3\.\d+, f\.handler")
        out, err = virga("deploy", folder, "--name", "told", "--runtime", f"python3.{self.other}")
        self.assertEqual(err, f"virga deploy: warning: {self.note()}\n")
        self.assertIn(f"warning   {self.note()}\n", virga("describe", "told")[0])
        self.assertNotIn("warning", virga("describe", "own")[0])

    def test_strict(self):
        self.create("exact", f"python3.{self.exact}")
        message = (f"Python 3.{self.other} is not installed on this host, and in strict mode no other version "
                   f"stands in for python3.{self.other}. Installed is Python 3.{stand_in(self.other)}.")
        for call in (lambda: self.create("other", f"python3.{self.other}"),
                     lambda: self.client.update_function_configuration(
                         FunctionName="exact", Runtime=f"python3.{self.other}")):
            with self.assertRaises(botocore.exceptions.ClientError) as caught:
                call()
            self.assertEqual(caught.exception.response["Error"],
                             {"Code": "InvalidParameterValueException", "Message": message})
        self.assertNotIn("Error", self.version_config("exact"))


if __name__ == "__main__":
    unittest.main()
