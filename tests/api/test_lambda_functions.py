"""AWS Lambda's API through boto3: the life of a function, and AWS's answer to every bad input."""
import base64
import hashlib
import http.client
import io
import json
import unittest
import zipfile

import botocore.exceptions

from server import ROLE, Server, ServerTest, python_function, zip_of

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
ECHO = "def handler(event, context):\n    return event\n"
CODE = {"ZipFile": zip_of({"f.py": ECHO})}
RUNTIME = "Value python9.9 at 'runtime' failed to satisfy constraint: Member must satisfy enum " \
          "value set: ["
NO_ENVIRONMENT = "Lambda was unable to configure your environment variables because the " \
                 "environment variables you have provided "


def link_zip(target):
    """A package with one symbolic link."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        info.create_system = 3
        archive.writestr(info, target)
    return out.getvalue()


def bomb_zip():
    """Claims 300 MB in one entry, and keeps its word."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("bomb", "w") as file:
            for _ in range(300):
                file.write(b"\0" * (1 << 20))
    return out.getvalue()


class LambdaTest(ServerTest):
    def tearDown(self):
        for page in self.client.get_paginator("list_functions").paginate():
            for function in page["Functions"]:
                self.client.delete_function(FunctionName=function["FunctionName"])

    def refused(self, status, code, message, operation, **arguments):
        """The call fails in exactly this way. A message that ends in "…" is a beginning."""
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            getattr(self.client, operation)(**arguments)
        answer = caught.exception.response
        self.assertEqual(answer["Error"]["Code"], code, answer)
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], status, answer)
        self.assertRegex(answer["ResponseMetadata"]["RequestId"], r"^[0-9a-f-]{36}$")
        if message.endswith("…"):
            self.assertEqual(answer["Error"]["Message"][:len(message) - 1], message[:-1])
        else:
            self.assertEqual(answer["Error"]["Message"], message)
        return answer


class Life(LambdaTest):
    def test_create_and_get(self):
        made = self.client.create_function(
            FunctionName="life", Runtime="python3.12", Role=ROLE, Handler="f.handler", Code=CODE,
            Description="of a function", Environment={"Variables": {"STAGE": "ü€"}},
            Tags={"team": "sky"}, MemorySize=256, Timeout=7, EphemeralStorage={"Size": 600})
        self.assertEqual(made["ResponseMetadata"]["HTTPStatusCode"], 201)
        self.assertEqual(made["FunctionArn"], ARN + "life")
        self.assertEqual(made["CodeSize"], len(CODE["ZipFile"]))
        self.assertEqual(base64.b64decode(made["CodeSha256"]),
                         hashlib.sha256(CODE["ZipFile"]).digest())
        self.assertRegex(made["RevisionId"], r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-")
        self.assertRegex(made["LastModified"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$")
        got = self.client.get_function(FunctionName="life")
        self.assertEqual(got["Tags"], {"team": "sky"})
        self.assertEqual(got["Code"], {"RepositoryType": "S3"})
        configuration = got["Configuration"]
        for key, value in {"Runtime": "python3.12", "Handler": "f.handler", "Role": ROLE,
                           "Description": "of a function", "Timeout": 7, "MemorySize": 256,
                           "Version": "$LATEST", "State": "Active", "PackageType": "Zip",
                           "LastUpdateStatus": "Successful", "EphemeralStorage": {"Size": 600},
                           "Environment": {"Variables": {"STAGE": "ü€"}},
                           "TracingConfig": {"Mode": "PassThrough"},
                           "RevisionId": made["RevisionId"]}.items():
            self.assertEqual(configuration[key], value, key)
        self.assertEqual(configuration["SnapStart"],
                         {"ApplyOn": "None", "OptimizationStatus": "Off"})
        for waiter in ("function_active_v2", "function_updated_v2"):
            self.client.get_waiter(waiter).wait(FunctionName="life")

    def test_every_form_of_the_name(self):
        python_function(self.client, "forms", ECHO)
        for name in ("forms", "forms:$LATEST", "000000000000:function:forms", ARN + "forms",
                     ARN + "forms:$LATEST", "function:forms"):
            got = self.client.get_function_configuration(FunctionName=name)
            self.assertEqual(got["FunctionName"], "forms")
            self.assertEqual(got["FunctionArn"].endswith(":$LATEST"), name.endswith(":$LATEST"))
        got = self.client.get_function_configuration(FunctionName="forms", Qualifier="$LATEST")
        self.assertEqual(got["FunctionArn"], ARN + "forms:$LATEST")

    def test_update_configuration_holds_for_the_next_call(self):
        source = "import os\ndef handler(event, context):\n    return [os.environ.get('VV'), " \
                 "context.memory_limit_in_mb, context.get_remaining_time_in_millis() > 5000]\n" \
                 "def other(event, context):\n    return 'other'\n"
        python_function(self.client, "config", source)
        for number in range(5):
            self.client.update_function_configuration(
                FunctionName="config", Timeout=10, MemorySize=128 + number,
                Environment={"Variables": {"V1": "x", "VV": str(number)}})
            answer = self.client.invoke(FunctionName="config")
            self.assertEqual(json.load(answer["Payload"]),
                             [str(number), str(128 + number), True])
        self.client.update_function_configuration(FunctionName="config", Handler="f.other")
        self.assertEqual(json.load(self.client.invoke(FunctionName="config")["Payload"]), "other")
        got = self.client.get_function_configuration(FunctionName="config")
        self.assertEqual((got["Timeout"], got["MemorySize"]), (10, 132))

    def test_update_code_holds_for_the_next_call(self):
        made = python_function(self.client, "code", "def handler(e, c):\n    return 0\n")
        for number in range(1, 6):
            source = zip_of({"f.py": f"def handler(e, c):\n    return {number}\n"})
            got = self.client.update_function_code(FunctionName="code", ZipFile=source)
            self.assertEqual(base64.b64decode(got["CodeSha256"]), hashlib.sha256(source).digest())
            answer = self.client.invoke(FunctionName="code")
            self.assertEqual(json.load(answer["Payload"]), number)
        self.assertNotEqual(got["RevisionId"], made["RevisionId"])
        dry = self.client.update_function_code(FunctionName="code", DryRun=True, **CODE)
        self.assertEqual(base64.b64decode(dry["CodeSha256"]),
                         hashlib.sha256(CODE["ZipFile"]).digest())
        self.assertEqual(json.load(self.client.invoke(FunctionName="code")["Payload"]), 5)
        self.client.update_function_code(FunctionName="code", RevisionId=got["RevisionId"], **CODE)

    def test_list_has_pages(self):
        for number in range(7):
            self.client.create_function(FunctionName=f"list-{number}", Runtime="python3.11",
                                        Role=ROLE, Handler="f.handler", Code=CODE)
        names = []
        arguments = {"MaxItems": 3}
        while True:
            page = self.client.list_functions(**arguments)
            self.assertLessEqual(len(page["Functions"]), 3)
            names += [function["FunctionName"] for function in page["Functions"]]
            if "NextMarker" not in page:
                break
            arguments["Marker"] = page["NextMarker"]
        self.assertEqual(names, [f"list-{number}" for number in range(7)])
        every = self.client.list_functions(FunctionVersion="ALL")["Functions"]
        self.assertTrue(all(f["FunctionArn"].endswith(":$LATEST") for f in every))
        other = self.server.client(key="111122223333")
        self.assertEqual(other.list_functions()["Functions"], [])

    def test_accounts_and_regions_are_apart(self):
        python_function(self.client, "apart", "def handler(e, c):\n    return 'ours'\n")
        for client in (self.server.client(key="111122223333"),
                       self.server.client(region="eu-west-1")):
            with self.assertRaises(client.exceptions.ResourceNotFoundException):
                client.invoke(FunctionName="apart")
            python_function(client, "apart", "def handler(e, c):\n    return 'theirs'\n")
            self.assertEqual(json.load(client.invoke(FunctionName="apart")["Payload"]), "theirs")
            self.assertEqual(json.load(self.client.invoke(FunctionName="apart")["Payload"]), "ours")
            client.delete_function(FunctionName="apart")

    def test_delete(self):
        python_function(self.client, "gone", ECHO)
        answer = self.client.delete_function(FunctionName="gone")
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 204)
        missing = "Function not found: " + ARN + "gone"
        for operation in ("get_function", "get_function_configuration", "invoke",
                          "delete_function"):
            self.refused(404, "ResourceNotFoundException", missing, operation, FunctionName="gone")

    def test_functions_survive_a_restart(self):
        with Server() as server:
            client = server.client()
            for number in range(3):
                python_function(client, f"keep-{number}",
                                f"def handler(e, c):\n    return {number}\n")
            client.delete_function(FunctionName="keep-1")
            before = client.get_function(FunctionName="keep-2")["Configuration"]
            server.stop()
            server.start()
            client = server.client()
            self.assertEqual(client.get_function(FunctionName="keep-2")["Configuration"], before)
            self.assertEqual(len(client.list_functions()["Functions"]), 2)
            for number in (0, 2):
                answer = client.invoke(FunctionName=f"keep-{number}")
                self.assertEqual(json.load(answer["Payload"]), number)


class Invoke(LambdaTest):
    def test_answers(self):
        python_function(self.client, "echo", ECHO)
        for payload in ({"a": [1, 2.5, None, "ü€😀"]}, [], "text", 7, None, True, {}):
            answer = self.client.invoke(FunctionName="echo", Payload=json.dumps(payload).encode())
            self.assertEqual(json.load(answer["Payload"]), payload)
            self.assertEqual(answer["StatusCode"], 200)
            self.assertEqual(answer["ExecutedVersion"], "$LATEST")
            self.assertNotIn("FunctionError", answer)
            self.assertNotIn("LogResult", answer)
        self.assertEqual(json.load(self.client.invoke(FunctionName="echo")["Payload"]), {})

    def test_log_tail(self):
        python_function(self.client, "tail", "def handler(e, c):\n    print('said ü')\n")
        answer = self.client.invoke(FunctionName="tail", LogType="Tail")
        request = answer["ResponseMetadata"]["RequestId"]
        log = base64.b64decode(answer["LogResult"]).decode()
        self.assertIn(f"START RequestId: {request} Version: $LATEST", log)
        self.assertIn("said ü", log)
        self.assertIn(f"END RequestId: {request}", log)
        self.assertRegex(log, rf"REPORT RequestId: {request}\tDuration: [\d.]+ ms\t"
                              r"Billed Duration: \d+ ms\tMemory Size: 128 MB\t"
                              r"Max Memory Used: \d+ MB\tInit Duration: [\d.]+ ms")

    def test_function_error(self):
        python_function(self.client, "fails", "def handler(e, c):\n    raise ValueError('no')\n")
        answer = self.client.invoke(FunctionName="fails")
        self.assertEqual(answer["FunctionError"], "Unhandled")
        self.assertEqual(answer["StatusCode"], 200)
        error = json.load(answer["Payload"])
        self.assertEqual((error["errorType"], error["errorMessage"]), ("ValueError", "no"))

    def test_dry_run(self):
        python_function(self.client, "dry", "def handler(e, c):\n    raise ValueError('ran')\n")
        answer = self.client.invoke(FunctionName="dry", InvocationType="DryRun")
        self.assertEqual(answer["StatusCode"], 204)
        self.assertEqual(answer["Payload"].read(), b"")

    def test_client_context(self):
        source = "def handler(e, c):\n    return c.client_context.custom['a']\n"
        python_function(self.client, "context", source)
        context = base64.b64encode(b'{"custom": {"a": "b"}, "client": {}, "env": {}}').decode()
        answer = self.client.invoke(FunctionName="context", ClientContext=context)
        self.assertEqual(json.load(answer["Payload"]), "b")

    def test_large_payload(self):
        python_function(self.client, "large", "def handler(e, c):\n    return len(e)\n")
        text = json.dumps("x" * (6 * 1024 * 1024 - 2)).encode()
        self.assertEqual(len(text), 6291456)
        answer = self.client.invoke(FunctionName="large", Payload=text)
        self.assertEqual(json.load(answer["Payload"]), len(text) - 2)


def bad_creations():
    """(status, code, message, members of CreateFunction)"""
    bad = "InvalidParameterValueException"
    invalid = "ValidationException"
    one = "1 validation error detected: Value "
    unzip = "Could not unzip uploaded file. Please check your file, then try to upload again."
    yield 400, bad, RUNTIME + "…", {"Runtime": "python9.9"}
    yield 400, bad, "The runtime parameter of python3.6 is no longer supported for creating or " \
        "updating AWS Lambda functions. We recommend you use the new runtime (python3.12) while " \
        "creating or updating functions.", {"Runtime": "python3.6"}
    yield 400, bad, "The runtime parameter of nodejs14.x is no longer supported for creating or " \
        "updating AWS Lambda functions. We recommend you use the new runtime (nodejs22.x) while " \
        "creating or updating functions.", {"Runtime": "nodejs14.x"}
    yield 400, bad, "The runtime parameter of go1.x is no longer supported for creating or " \
        "updating AWS Lambda functions. We recommend you use the new runtime (provided.al2023) while " \
        "creating or updating functions.", {"Runtime": "go1.x"}
    yield 400, bad, "The runtime parameter of ruby2.7 is no longer supported for creating or " \
        "updating AWS Lambda functions. We recommend you use the new runtime (ruby3.4) while " \
        "creating or updating functions.", {"Runtime": "ruby2.7"}
    yield 400, bad, "Virga does not run dotnet8 functions. Publish the function self-contained for linux " \
        "with the Runtime API client (Amazon.Lambda.RuntimeSupport), call its program bootstrap, and " \
        "use the runtime provided.al2023.", {"Runtime": "dotnet8"}
    yield 400, invalid, one + "'r1' at 'role' failed to satisfy constraint: Member must satisfy " \
        r"regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?" \
        r"[a-zA-Z_0-9+=,.@\-_/]+", {"Role": "r1"}
    yield 400, invalid, one + "'has blank' at 'functionName' failed to satisfy constraint: " \
        "Member must satisfy regular expression pattern: …", {"FunctionName": "has blank"}
    yield 400, invalid, one + "'bad:1' at 'functionName' failed to satisfy constraint: Member " \
        "must satisfy regular expression pattern: …", {"FunctionName": "bad:1"}
    yield 400, bad, one + f"'{'n' * 65}' at 'functionName' failed to satisfy constraint: Member " \
        "must have length less than or equal to 64", {"FunctionName": "n" * 65}
    yield 404, "ResourceNotFoundException", "Functions from 'eu-west-1' are not reachable in " \
        "this region ('us-east-1')", {"FunctionName": ARN.replace("us-east-1", "eu-west-1") + "x"}
    yield 403, "AccessDeniedException", "User: …", {"FunctionName": "111122223333:function:x"}
    yield 400, bad, unzip, {"Code": {"ZipFile": b"this is no zip"}}
    yield 400, bad, unzip, {"Code": {"ZipFile": CODE["ZipFile"][:-30]}}
    yield 400, bad, unzip, {"Code": {"ZipFile": zip_of({"../escape.py": "x"})}}
    yield 400, bad, unzip, {"Code": {"ZipFile": zip_of({"/etc/cron.d/x": "x"})}}
    yield 400, bad, unzip, {"Code": {"ZipFile": link_zip("/etc/passwd")}}
    yield 400, bad, unzip, {"Code": {"ZipFile": link_zip("../../etc/passwd")}}
    yield 400, bad, "Uploaded file must be a non-empty zip", {"Code": {"ZipFile": zip_of({})}}
    yield 400, bad, "Unzipped size must be smaller than 262144000 bytes", \
        {"Code": {"ZipFile": bomb_zip()}}
    yield 400, bad, "Please provide a source for function code.", {"Code": {}}
    yield 400, bad, "Virga does not support code in S3 (S3Bucket, S3Key, S3ObjectVersion) yet.", \
        {"Code": {"S3Bucket": "bucket", "S3Key": "key"}}
    yield 400, bad, "Virga does not support PackageType Image (container images) yet.", \
        {"PackageType": "Image", "Code": {"ImageUri": "x"}}
    yield 400, bad, "Layer version arn:aws:lambda:us-east-1:000000000000:layer:x:1 does not exist.", \
        {"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:x:1"]}
    yield 400, bad, "Virga does not support VpcConfig yet.", \
        {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}
    yield 400, bad, "Virga does not support DeadLetterConfig yet.", \
        {"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:000000000000:q"}}
    yield 400, bad, "provided.al2023 is not supported for SnapStart enabled functions.", \
        {"Runtime": "provided.al2023", "SnapStart": {"ApplyOn": "PublishedVersions"}}
    yield 400, bad, "Virga runs functions on this machine's own architecture …", \
        {"Architectures": ["arm64"]}
    yield 400, bad, NO_ENVIRONMENT + "exceeded the 4KB limit. String measured: …", \
        {"Environment": {"Variables": {"BIG": "x" * 4096}}}
    yield 400, bad, NO_ENVIRONMENT + "contains reserved keys that are currently not supported " \
        "for modification. Reserved keys used in this request: AWS_REGION", \
        {"Environment": {"Variables": {"AWS_REGION": "mars-1"}}}
    yield 400, invalid, one + "at 'environment.variables' failed to satisfy constraint: Map " \
        "keys must satisfy constraint: [Member must satisfy regular expression pattern: " \
        "[a-zA-Z]([a-zA-Z0-9_])+, Member must not be null]", \
        {"Environment": {"Variables": {"1BAD": "x"}}}
    yield 400, invalid, one + "'901' at 'timeout' failed to satisfy constraint: Member must have " \
        "value less than or equal to 900", {"Timeout": 901}
    yield 400, bad, "'MemorySize' value failed to satisfy constraint: Member must have value " \
        "less than or equal to 10240", {"MemorySize": 10241}
    yield 400, invalid, one + "'127' at 'memorySize' failed to satisfy constraint: Member must " \
        "have value greater than or equal to 128", {"MemorySize": 127}
    yield 400, invalid, one + "'511' at 'ephemeralStorage.size' failed to satisfy constraint: " \
        "Member must have value greater than or equal to 512", {"EphemeralStorage": {"Size": 511}}
    yield 400, bad, "Runtime and Handler are mandatory parameters for functions created with " \
        "deployment packages.", {"Handler": None}
    yield 400, bad, "Number of tags exceeds resource tag limit.", \
        {"Tags": {f"k{number}": "v" for number in range(51)}}


class BadInput(LambdaTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = cls.server.client(parameter_validation=False)

    def test_bad_creations(self):
        for status, code, message, members in bad_creations():
            arguments = {"FunctionName": "bad", "Runtime": "python3.12", "Role": ROLE,
                         "Handler": "f.handler", "Code": CODE, **members}
            arguments = {key: value for key, value in arguments.items() if value is not None}
            with self.subTest(message):
                self.refused(status, code, message, "create_function", **arguments)
        self.assertEqual(self.client.list_functions()["Functions"], [])

    def test_existing(self):
        python_function(self.client, "twice", ECHO)
        self.refused(409, "ResourceConflictException", "Function already exist: twice",
                     "create_function", FunctionName="twice", Runtime="python3.12", Role=ROLE,
                     Handler="f.handler", Code=CODE)
        stale = "The Revision Id provided does not match the latest Revision Id. Call the " \
                "GetFunction/GetAlias API to retrieve the latest Revision Id"
        self.refused(412, "PreconditionFailedException", stale, "update_function_code",
                     FunctionName="twice", RevisionId="other", **CODE)
        self.refused(412, "PreconditionFailedException", stale, "update_function_configuration",
                     FunctionName="twice", RevisionId="other", Timeout=5)
        bad = "InvalidParameterValueException"
        self.refused(400, bad, "$LATEST version cannot be deleted without deleting the function.",
                     "delete_function", FunctionName="twice", Qualifier="$LATEST")
        self.refused(400, bad, "Please don't provide ImageUri when updating a function with "
                     "packageType Zip.", "update_function_code", FunctionName="twice", ImageUri="x")
        self.refused(400, bad, "Current operation does not support versions other than $LATEST. "
                     "Please set the version to $LATEST or do not set a version in your request.",
                     "update_function_code", FunctionName="twice:1", **CODE)
        self.refused(400, bad, "The derived qualifier from the function name does not match the "
                     "specified qualifier.", "get_function", FunctionName="twice:1", Qualifier="2")
        self.refused(404, "ResourceNotFoundException", f"Function not found: {ARN}twice:7",
                     "get_function", FunctionName="twice", Qualifier="7")
        self.refused(400, bad, "Invalid Marker: it is not one that ListFunctions returned.",
                     "list_functions", Marker="?")

    def test_bad_calls(self):
        python_function(self.client, "call", ECHO)
        parse = "Could not parse request body into json: Could not parse payload into json: …"
        for payload in (b"{", b"DX", b"{'a': 1}", b"\xff", b"[1,]"):
            self.refused(400, "InvalidRequestContentException", parse, "invoke",
                         FunctionName="call", Payload=payload)
        self.refused(413, "RequestEntityTooLargeException", "Request must be smaller than 6291456 "
                     "bytes for the InvokeFunction operation", "invoke", FunctionName="call",
                     Payload=json.dumps("x" * 6291456).encode())
        self.refused(400, "ValidationException", "1 validation error detected: Value 'Soon' at "
                     "'invocationType' failed to satisfy constraint: Member must satisfy enum "
                     "value set: …", "invoke", FunctionName="call", InvocationType="Soon")
        self.refused(400, "InvalidRequestContentException", "Client context must be a valid "
                     "Base64-encoded JSON object of at most 3583 bytes.", "invoke",
                     FunctionName="call", ClientContext="!")
        self.refused(404, "ResourceNotFoundException", f"Function not found: {ARN}call:live",
                     "invoke", FunctionName="call", Qualifier="live")

    def test_bytes_that_are_no_request(self):
        """Straight to the socket: an answer in AWS's form, never a crash."""
        for method, path, body in (
                ("POST", "/2015-03-31/functions", b"{"),
                ("POST", "/2015-03-31/functions", b"[]"),
                ("POST", "/2015-03-31/functions", b'{"FunctionName": 7}'),
                ("POST", "/2015-03-31/functions", b'{"Code": {"ZipFile": "***"}}'),
                ("POST", "/2015-03-31/functions", b"\xff" * 1000),
                ("PUT", "/2015-03-31/functions/%00/code", b"{}"),
                ("GET", "/2015-03-31/functions/%ff%fe", None),
                ("GET", "/2015-03-31/functions?MaxItems=many", None),
                ("PATCH", "/2015-03-31/functions/x", b"{}")):
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
            connection.request(method, path, body)
            answer = connection.getresponse()
            with self.subTest(method + " " + path):
                self.assertTrue(400 <= answer.status < 500, answer.status)
                self.assertTrue(answer.getheader("x-amzn-RequestId"))
                text = answer.read()
                self.assertEqual(answer.getheader("Content-Type"), "application/json", text)
                self.assertIsInstance(json.loads(text), dict)
            connection.close()
        self.client.list_functions()


if __name__ == "__main__":
    unittest.main()
