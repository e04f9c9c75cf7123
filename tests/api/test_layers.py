"""Layers against the real server: numbered versions, listings, what functions find below /opt, and
what stays of a version that was deleted."""
import base64
import hashlib
import json
import os
import unittest

from botocore.exceptions import ClientError
from server import ROLE, ServerTest, python_function, zip_of

ARN = "arn:aws:lambda:us-east-1:000000000000:layer:"


def packages(server):
    return sorted(name for _, _, names in os.walk(os.path.join(server.data, "data/lambda/packages"))
                  for name in names)


class Layers(ServerTest):
    def publish(self, name, files, **options):
        return self.client.publish_layer_version(LayerName=name, Content={"ZipFile": zip_of(files)},
                                                 **options)

    def call(self, name, event=None):
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(event))
        payload = json.loads(answer["Payload"].read())
        self.assertNotIn("FunctionError", answer, payload)
        return payload

    def refused(self, code, message, call, **arguments):
        with self.assertRaises(ClientError) as caught:
            call(**arguments)
        self.assertEqual((code, message), (caught.exception.response["Error"]["Code"],
                                           caught.exception.response["Error"]["Message"]))

    def test_versions(self):
        package = zip_of({"python/said.py": "WORD = 'one'"})
        first = self.client.publish_layer_version(
            LayerName="words", Description="d", LicenseInfo="MIT", Content={"ZipFile": package},
            CompatibleRuntimes=["python3.11", "python3.12"], CompatibleArchitectures=["x86_64"])
        self.assertEqual(201, first.pop("ResponseMetadata")["HTTPStatusCode"])
        self.assertRegex(first["CreatedDate"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$")
        digest = base64.b64encode(hashlib.sha256(package).digest()).decode()
        expected = {
            "LayerArn": ARN + "words", "LayerVersionArn": ARN + "words:1", "Version": 1,
            "Description": "d", "LicenseInfo": "MIT", "CreatedDate": first["CreatedDate"],
            "CompatibleRuntimes": ["python3.11", "python3.12"],
            "CompatibleArchitectures": ["x86_64"],
            "Content": {"CodeSha256": digest, "CodeSize": len(package)}}
        self.assertEqual(expected, first)
        for found in (self.client.get_layer_version(LayerName="words", VersionNumber=1),
                      self.client.get_layer_version(LayerName=ARN + "words", VersionNumber=1),
                      self.client.get_layer_version_by_arn(Arn=ARN + "words:1")):
            found.pop("ResponseMetadata")
            self.assertEqual(expected, found)
        self.assertEqual(2, self.publish("words", {"a": "b"})["Version"])
        self.client.delete_layer_version(LayerName="words", VersionNumber=2)
        self.client.delete_layer_version(LayerName="words", VersionNumber=2)
        self.assertEqual(3, self.publish("words", {"a": "c"})["Version"])
        listed = self.client.list_layer_versions(LayerName="words")["LayerVersions"]
        self.assertEqual([3, 1], [v["Version"] for v in listed])
        self.assertEqual("", listed[0]["Description"])
        self.assertNotIn("CompatibleRuntimes", listed[0])
        listed = self.client.list_layer_versions(LayerName="words", CompatibleRuntime="python3.12")
        self.assertEqual([1], [v["Version"] for v in listed["LayerVersions"]])
        self.assertEqual([], self.client.list_layer_versions(LayerName="none")["LayerVersions"])

    def test_pages(self):
        for name in ("p1", "p2", "p3"):
            for _ in range(3):
                self.publish(name, {"a": name}, CompatibleRuntimes=["nodejs22.x"],
                             CompatibleArchitectures=["arm64"])
        pages = self.client.get_paginator("list_layers").paginate(
            CompatibleRuntime="nodejs22.x", CompatibleArchitecture="arm64",
            PaginationConfig={"PageSize": 2})
        found = [[(layer["LayerName"], layer["LayerArn"], layer["LatestMatchingVersion"]["Version"])
                  for layer in page["Layers"]] for page in pages]
        self.assertEqual([[("p1", ARN + "p1", 3), ("p2", ARN + "p2", 3)], [("p3", ARN + "p3", 3)]],
                         found)
        pages = self.client.get_paginator("list_layer_versions").paginate(
            LayerName="p1", PaginationConfig={"PageSize": 2})
        self.assertEqual([[3, 2], [1]],
                         [[v["Version"] for v in page["LayerVersions"]] for page in pages])

    def test_a_function_finds_them_below_opt(self):
        low = self.publish("low", {"python/low.py": "WORD = 'low'", "data/which": "low",
                                   "data/low": "", "lib/x": ""})
        high = self.publish("high", {"data/which": "high", "bin/tool": "#!/bin/sh\necho tool"})
        arns = [low["LayerVersionArn"], high["LayerVersionArn"]]
        made = python_function(self.client, "finds", '''
import low, os, subprocess
def handler(event, context):
    return [low.WORD, open("/opt/data/which").read(), sorted(os.listdir("/opt")),
            sorted(os.listdir("/opt/data"))]
''', Layers=arns)
        self.assertEqual(arns, [layer["Arn"] for layer in made["Layers"]])
        self.assertEqual(low["Content"]["CodeSize"], made["Layers"][0]["CodeSize"])
        self.assertEqual(["low", "high", ["bin", "data", "lib", "python"], ["low", "which"]],
                         self.call("finds"))
        # The other way round, at once; then without any.
        self.client.update_function_configuration(FunctionName="finds", Layers=arns[::-1])
        self.assertEqual("low", self.call("finds")[1])
        self.client.update_function_configuration(FunctionName="finds", Timeout=9)
        shown = self.client.get_function_configuration(FunctionName="finds")
        self.assertEqual(arns[::-1], [layer["Arn"] for layer in shown["Layers"]])
        shown = self.client.update_function_configuration(FunctionName="finds", Layers=[])
        self.assertNotIn("Layers", shown)
        answer = self.client.invoke(FunctionName="finds")
        self.assertIn("No module named 'low'", answer["Payload"].read().decode())

    def test_node_finds_modules(self):
        layer = self.publish("modules", {
            "nodejs/node_modules/word/index.js": "module.exports = 'from a layer'",
            "nodejs/node_modules/text/package.json": '{"type": "module", "exports": "./text.js"}',
            "nodejs/node_modules/text/text.js": "import word from 'word'; export const text = `a text ${word}`;"})
        for name, file, source in (
                ("requires", "index.js", "exports.handler = async () => [require('word'), (await import('text')).text]"),
                ("imports", "index.mjs", "import word from 'word'; import { text } from 'text';\n"
                                         "export const handler = async () => [word, text];")):
            self.client.create_function(
                FunctionName=name, Runtime="nodejs22.x", Role=ROLE, Handler="index.handler",
                Layers=[layer["LayerVersionArn"]], MemorySize=256, Timeout=20,
                Code={"ZipFile": zip_of({file: source})})
            self.assertEqual(["from a layer", "a text from a layer"], self.call(name))

    def test_the_largest_package(self):
        """50 MB that cannot be compressed: 70 MB in base64."""
        noise = os.urandom(52428800 - 65536)
        layer = self.publish("large", {"python/noise.bin": noise})
        self.assertGreater(layer["Content"]["CodeSize"], len(noise))
        python_function(self.client, "large", """
import hashlib
def handler(event, context):
    with open("/opt/python/noise.bin", "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
""", Layers=[layer["LayerVersionArn"]], MemorySize=512, Timeout=60)
        self.assertEqual(hashlib.sha256(noise).hexdigest(), self.call("large"))

    def test_a_runtime_in_a_layer(self):
        bootstrap = '''#!/bin/bash
while true; do
  id=$(curl -sS -D - -o /tmp/event "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next" \\
       | tr -d '\\r' | sed -n 's/^Lambda-Runtime-Aws-Request-Id: //Ip')
  curl -sS -o /dev/null -d '"by a layer"' \\
       "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response"
done
'''
        layer = self.client.publish_layer_version(
            LayerName="runtime", Content={"ZipFile": zip_of({"bootstrap": bootstrap})})
        self.client.create_function(
            FunctionName="own", Runtime="provided.al2023", Role=ROLE, Handler="h",
            Layers=[layer["LayerVersionArn"]], Code={"ZipFile": zip_of({"nothing": ""})},
            Timeout=10)
        self.assertEqual("by a layer", self.call("own"))

    def test_refusals(self):
        self.publish("some", {"a": "1"})
        self.publish("some", {"a": "2"})
        bad = "InvalidParameterValueException"

        def create(layers):
            python_function(self.client, "refused", "def handler(e, c): pass", Layers=layers)
        self.refused(bad, "Cannot reference more than 5 layers.", create,
                     layers=[ARN + "some:%d" % i for i in range(6)])
        self.refused(bad, f"Layer version {ARN}some:3 does not exist.", create,
                     layers=[ARN + "some:3"])
        self.refused(bad, "Two different versions of the same layer are not allowed to be "
                     f"referenced in the same function. {ARN}some:1 and {ARN}some:2.", create,
                     layers=[ARN + "some:1", ARN + "some:2"])
        self.refused(bad, "Layers are not in the same region as the function. Layers are expected "
                     "to be in region us-east-1.", create,
                     layers=[ARN.replace("us-east-1", "eu-west-1") + "some:1"])
        other = ARN.replace("000000000000", "111111111111") + "some:1"
        self.refused("AccessDeniedException", "User: arn:aws:iam::000000000000:root is not "
                     f"authorized to perform: lambda:GetLayerVersion on resource: {other} because "
                     "no resource-based policy allows the lambda:GetLayerVersion action", create,
                     layers=[other])
        gone = "The resource you requested does not exist."
        for version in (3, 99):
            self.refused("ResourceNotFoundException", gone, self.client.get_layer_version,
                         LayerName="some", VersionNumber=version)
        self.refused(bad, "Layer Version Cannot be less than 1", self.client.get_layer_version,
                     LayerName="some", VersionNumber=0)
        self.refused(bad, "Layer Version Cannot be less than 1", self.client.delete_layer_version,
                     LayerName="some", VersionNumber=-1)
        self.refused(bad, "Uploaded file must be a non-empty zip",
                     self.client.publish_layer_version, LayerName="some",
                     Content={"ZipFile": zip_of({})})
        self.refused(bad, "Virga does not support code in S3 (S3Bucket, S3Key, S3ObjectVersion) "
                     "yet.", self.client.publish_layer_version, LayerName="some",
                     Content={"S3Bucket": "bucket", "S3Key": "key"})

    def test_a_function_keeps_what_was_deleted(self):
        before = packages(self.server)
        package = {"python/kept.py": "WORD = 'kept'"}
        layer = self.publish("kept", package)
        python_function(self.client, "keeps", "import kept\ndef handler(e, c): return kept.WORD",
                        Layers=[layer["LayerVersionArn"]])
        self.client.delete_layer_version(LayerName="kept", VersionNumber=1)
        self.assertEqual("kept", self.call("keeps"))
        # Also after a restart, which finds everything again.
        self.server.stop()
        self.server.start()
        type(self).client = self.server.client()
        self.assertEqual("kept", self.call("keeps"))
        shown = self.client.get_function(FunctionName="keeps")["Configuration"]
        self.assertEqual([layer["LayerVersionArn"]], [one["Arn"] for one in shown["Layers"]])
        self.refused("InvalidParameterValueException",
                     f"Layer version {layer['LayerVersionArn']} does not exist.",
                     self.client.update_function_configuration, FunctionName="keeps",
                     Layers=[layer["LayerVersionArn"]])
        # With the function goes the last that names the package.
        self.client.delete_function(FunctionName="keeps")
        self.assertEqual(before, packages(self.server))


if __name__ == "__main__":
    unittest.main()
