"""Java functions: which methods are handlers, how JSON becomes objects and back, where classes come
from. What all languages have in common is in test_behaviours.py."""
import base64
import glob
import io
import json
import os
import re
import subprocess
import tempfile
import unittest
import zipfile

from server import BUILD, ROLE, ROOT, ServerTest, wait_until, zip_of

SOURCES = os.path.join(ROOT, "tests", "api", "java")
SERVICE = "META-INF/services/com.amazonaws.services.lambda.runtime.CustomPojoSerializer"


def compile_all():
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(["javac", "-cp", os.path.join(BUILD, "bootstraps", "virga.jar"), "--release", "11",
                        "-d", out]
                       + sorted(glob.glob(os.path.join(SOURCES, "**", "*.java"), recursive=True)), check=True)
        paths = [path for path in glob.glob(os.path.join(out, "**"), recursive=True) if path.endswith(".class")]
        files = {os.path.relpath(path, out): open(path, "rb").read() for path in paths}
    jar = io.BytesIO()
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr("helper/Helper.class", files.pop("helper/Helper.class"))
    return {**files, "lib/helper.jar": jar.getvalue()}


class JavaFunctions(ServerTest):
    @classmethod
    def setUpClass(cls):
        cls.files = compile_all()
        super().setUpClass()

    def make(self, handler, files=None, name=None, **options):
        name = name or handler.replace(".", "-").replace("::", "_").replace("$", "_")
        self.client.create_function(FunctionName=name, Role=ROLE, Handler=handler,
                                    Code={"ZipFile": zip_of({**self.files, **(files or {})})},
                                    **{"Runtime": "java17", "MemorySize": 512, "Timeout": 20, **options})
        return name

    def call(self, name, event=None, is_error=False):
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        answer = self.client.invoke(FunctionName=name, Payload=payload, LogType="Tail")
        self.log = base64.b64decode(answer["LogResult"]).decode()
        body = answer["Payload"].read()
        self.assertEqual("FunctionError" in answer, is_error, (body, self.log))
        return body if isinstance(event, bytes) else json.loads(body)

    def test_beans(self):
        name = self.make("samples.Methods::order")
        full = {"name": "ä", "urgent": True, "state": "PAID", "parts": [{"name": "x", "urgent": False, "open": 0}],
                "prices": {"1": 1.5}, "place": {"street": "s", "number": 7}, "date": 1500000000000,
                "instant": 1500000000.5, "id": "123e4567-e89b-12d3-a456-426614174000", "bytes": "AAEC",
                "numbers": [1, 2], "exact": 1.10, "maybe": "yes", "open": 2 ** 40}
        sent = {**full, "instant": "2017-07-14T02:40:00.5Z"}
        got = self.call(name, {**sent, "unknown": {"a": 1}, "secret": "known"})
        got["parts"][0].pop("maybe")
        self.assertEqual(got, full)

    def test_lenient_values(self):
        name = self.make("samples.Methods::types")
        self.assertEqual(self.call(name, {"all": [{"name": 1}]}), "samples.Order")
        self.assertEqual(self.call(name, {"all": {"urgent": "true", "open": "12", "state": "UNKNOWN"}}),
                         "samples.Order")
        error = self.call(name, {"all": [{"name": {"a": 1}}]}, is_error=True)
        self.assertEqual((error["errorType"], error["errorMessage"]),
                         ("java.lang.RuntimeException", "An error occurred during JSON parsing"))
        self.assertIn("Cannot deserialize value of type `java.lang.String` from an object", self.log)

    def test_methods(self):
        for method, event, expected in (("pick", "x", "two of samples-Methods_pick"), ("add", [1, 2, 39], 42),
                                        ("nothing", None, None), ("jar", "loud", "LOUD")):
            self.assertEqual(self.call(self.make("samples.Methods::" + method), event), expected)
        self.assertEqual(self.call(self.make("samples.Methods::copy"), b'{"a":  1}'), b'{"a":  1}!')

    def test_event_classes(self):
        name = self.make("samples.Methods::event")
        event = {"Records": [{"eventSourceARN": "arn:x", "sent": 1500000000.25, "awsRegion": "r"}]}
        self.assertEqual(self.call(name, event), ["arn:x", 1500000000250])

    def test_interfaces(self):
        self.assertEqual(self.call(self.make("samples.Base$OfOrders"), {"name": "generic"}), "generic")
        for inner, message in (
                ("Open", "does not implement RequestHandler with concrete type parameters: parameter T has no"),
                ("Hidden", "Class samples.Base$Hidden has no public zero-argument constructor")):
            error = self.call(self.make("samples.Base$" + inner), {}, is_error=True)
            self.assertIn(message, error["errorMessage"])
        error = self.call(self.make("samples.Base$Static"), {}, is_error=True)
        self.assertEqual((error["errorType"], error["errorMessage"]), (
            "java.lang.ExceptionInInitializerError", "Error loading class samples.Base$Static"))

    def test_every_machine_that_is_there(self):
        releases = []
        for path in glob.glob("/usr/lib/jvm/*/release"):
            with open(path, encoding="utf-8") as file:
                releases.append(file.read())
        versions = {re.search(r'JAVA_VERSION="(?:1\.)?(\d+)', text).group(1) for text in releases}
        known = sorted(versions & {"11", "17", "21", "25"})
        self.assertTrue(known, releases)
        for version in known:
            name = self.make("samples.Methods::version", name="machine-" + version, Runtime="java" + version)
            self.assertEqual(self.call(name), int(version))
            self.assertNotRegex(self.log, "(?i)warning")

    def test_own_serializer(self):
        name = self.make("samples.Own::same", {SERVICE: "samples.Own"})
        self.assertEqual(self.call(name, b'{"a":1}'), b'["<{"a":1}>"]')

    def test_causes_are_logged(self):
        error = self.call(self.make("samples.Methods::caused"), "x", is_error=True)
        self.assertEqual((error["errorType"], error["errorMessage"]), ("java.lang.IllegalStateException", "outer"))
        self.assertTrue(error["stackTrace"][0].startswith("samples.Methods.caused(Methods.java:"), error)
        self.assertIn("Caused by: java.lang.RuntimeException: inner", self.log)

    def test_errors_of_the_machine_end_it(self):
        name = self.make("samples.Methods::deep")
        error = self.call(name, 1, is_error=True)
        self.assertEqual(error["errorType"], "java.lang.StackOverflowError")
        self.assertEqual(self.call(name, 0), 1)
        self.assertIn("Init Duration", self.log)

    def test_memory(self):
        self.assertIn(self.call(self.make("samples.Methods::heap")), range(415, 436))  # 85 % less a survivor space
        self.client.update_function_configuration(FunctionName="samples-Methods_heap", Environment={
            "Variables": {"JAVA_TOOL_OPTIONS": "-Xmx100m -XX:+UseParallelGC"}})
        self.assertIn(self.call("samples-Methods_heap"), range(80, 101))

    def test_json_log(self):
        name = self.make("samples.Methods::logs", LoggingConfig={"LogFormat": "JSON"}) \
            if "LoggingConfig" in self.client.meta.service_model.operation_model(
                "CreateFunction").input_shape.members else self.make_json("samples.Methods::logs")
        self.call(name, "ä")

        def records():
            return [json.loads(message) for message in self.server.messages(name)]

        wait_until(lambda: any(record.get("type") == "platform.report" for record in records()), "the log")
        own = [record for record in records() if "level" in record]
        self.assertEqual([(record["level"], record["message"]) for record in own],
                         [("WARN", "warn ä"), ("UNDEFINED", "plain ä")])
        self.assertTrue(all(len(record["AWSRequestId"]) == 36 for record in own))

    def make_json(self, handler):
        """For clients that are older than the member."""
        import urllib.request
        name = self.make(handler)
        urllib.request.urlopen(urllib.request.Request(
            f"{self.server.endpoint}/2015-03-31/functions/{name}/configuration", method="PUT",
            data=json.dumps({"LoggingConfig": {"LogFormat": "JSON"}}).encode())).close()
        return name


if __name__ == "__main__":
    unittest.main()
