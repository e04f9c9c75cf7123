"""Whom a request is for, by every sign that clients give, and what is answered where nobody takes
it: always in the client's own protocol, always a 4xx that names what is missing.

Each case is raw HTTP. The cases marked "client:" are what real clients were seen to send."""
import http.client
import json
import random
import subprocess
import unittest
import xml.etree.ElementTree

from interop import FUNCTION
from server import ServerTest, python_function

FORM = "application/x-www-form-urlencoded"
JSON_1_0, JSON_1_1 = "application/x-amz-json-1.0", "application/x-amz-json-1.1"
WHO = "Action=GetCallerIdentity&Version=2011-06-15"
LIST = "/2015-03-31/functions"
ABSENT = object()


def signed(service, region="us-east-1", key="test"):
    return f"AWS4-HMAC-SHA256 Credential={key}/20261120/{region}/{service}/aws4_request, " \
           "SignedHeaders=host, Signature=0"


def case(name, method, path, want, *parts, body=None, **headers):
    """want: the status. parts: what the answer must hold. headers: Content_Type="…"."""
    return name, method, path, want, parts, body, headers


UNKNOWN = "UnknownOperationException"

# Requests that are understood.
TAKEN = [
    case("target, unsigned", "POST", "/", 200, '"logGroups"', body="{}",
         X_Amz_Target="Logs_20140328.DescribeLogGroups", Content_Type=JSON_1_1),
    case("target beats scope, path and host", "POST", LIST, 200, '"logGroups"', body="{}",
         X_Amz_Target="Logs_20140328.DescribeLogGroups", Authorization=signed("lambda"),
         Host="sts.localhost"),
    case("target, a JSON version that the service lacks", "POST", "/", 200, '"logGroups"',
         body="{}", X_Amz_Target="Logs_20140328.DescribeLogGroups", Content_Type=JSON_1_0),
    case("target, a charset", "POST", "/", 200, '"logGroups"', body="{}",
         X_Amz_Target="Logs_20140328.DescribeLogGroups", Content_Type=JSON_1_1 + "; charset=UTF-8"),
    case("target, an empty body", "POST", "/", 200, '"logGroups"', body="",
         X_Amz_Target="Logs_20140328.DescribeLogGroups", Content_Type=JSON_1_1),
    case("scope", "GET", LIST, 200, '"Functions"', Authorization=signed("lambda")),
    case("scope beats host", "GET", LIST, 200, '"Functions"', Authorization=signed("lambda"),
         Host="sts.amazonaws.com"),
    case("client: old tools sign for the region US", "GET", LIST, 200, '"Functions"',
         Authorization=signed("lambda", region="US")),
    case("scope of a presigned URL", "GET", LIST + "?X-Amz-Algorithm=AWS4-HMAC-SHA256&"
         "X-Amz-Credential=test%2F20261120%2Fus-east-1%2Flambda%2Faws4_request", 200, '"Functions"'),
    case("path", "GET", LIST, 200, '"Functions"'),
    case("client: a slash behind the collection", "GET", LIST + "/", 200, '"Functions"'),
    case("an empty query", "GET", LIST + "?", 200, '"Functions"'),
    case("a query of others", "GET", LIST + "?x-id=ListFunctions", 200, '"Functions"'),
    case("an escaped name", "GET", LIST + "/%6Fne", 200, '"FunctionName":"one"'),
    case("an ARN in the path", "GET",
         LIST + "/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Aone", 200,
         '"FunctionName":"one"'),
    case("an ARN in the path, unescaped", "GET",
         LIST + "/arn:aws:lambda:us-east-1:000000000000:function:one", 200, '"FunctionName":"one"'),
    case("invocation, no content type", "POST", LIST + "/one/invocations", 200, '{"a": 1}',
         body='{"a":1}'),
    case("invocation, a form's content type", "POST", LIST + "/one/invocations", 200, '{"a": 1}',
         body='{"a":1}', Content_Type=FORM),
    case("client: a query operation by POST", "POST", "/", 200, "000000000000</Account>", body=WHO,
         Content_Type=FORM + "; charset=utf-8", Authorization=signed("sts")),
    case("client: accounts are keys of twelve digits", "POST", "/", 200, "123456789012</Account>",
         body=WHO, Content_Type=FORM, Authorization=signed("sts", key="123456789012")),
    case("a query operation by GET", "GET", "/?" + WHO, 200, "</Account>",
         Authorization=signed("sts")),
    case("a query operation, its action in the URL", "POST", "/?" + WHO, 200, "</Account>", body="",
         Authorization=signed("sts")),
    case("a query operation without a version", "POST", "/", 200, "</Account>",
         body="Action=GetCallerIdentity", Content_Type=FORM, Authorization=signed("sts")),
    case("a query operation, unsigned", "POST", "/", 200, "</Account>", body=WHO,
         Content_Type=FORM),
    case("a query operation by GET, unsigned", "GET", "/?" + WHO, 200, "</Account>"),
    case("a query operation, unsigned and without a version", "POST", "/", 200, "</Account>",
         body="Action=GetCallerIdentity", Content_Type=FORM),
    case("a query operation with escapes", "POST", "/", 200, "</Account>",
         body="Action=Get%43allerIdentity&Version=2011%2D06-15", Content_Type=FORM),
]

# Requests that nobody takes, or for operations that are not there.
REFUSED = [
    case("client: a JSON service that Virga lacks", "POST", "/", 400, UNKNOWN, "AmazonSQS",
         body="{}", X_Amz_Target="AmazonSQS.SendMessage", Content_Type=JSON_1_0,
         Authorization=signed("sqs")),
    case("client: the same service's Query dialect", "POST", "/", 400, "<Code>" + UNKNOWN, "'sqs'",
         body="Action=SendMessage&Version=2012-11-05", Content_Type=FORM,
         Authorization=signed("sqs")),
    case("client: a bucket", "PUT", "/bucket/?x-id=CreateBucket", 400, "<Error><Code>" + UNKNOWN,
         Authorization=signed("s3")),
    case("client: an upload in signed chunks", "PUT", "/bucket/key?x-id=PutObject", 400,
         "<Error><Code>" + UNKNOWN, body="4;x=y\r\nabcd\r\n0\r\n\r\n",
         Authorization=signed("s3"), Content_Encoding="aws-chunked",
         x_amz_content_sha256="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
         x_amz_trailer="x-amz-checksum-crc32", x_amz_decoded_content_length="4"),
    case("client: Terraform validates a state machine", "POST", "/", 400, UNKNOWN, "AWSStepFunctions",
         body="{}", X_Amz_Target="AWSStepFunctions.ValidateStateMachineDefinition",
         Content_Type=JSON_1_0),
    case("client: Terraform sets provisioned concurrency", "PUT",
         "/2019-09-30/functions/one/provisioned-concurrency?Qualifier=1", 404, UNKNOWN,
         "PutProvisionedConcurrencyConfig", body='{"ProvisionedConcurrentExecutions":1}',
         Authorization=signed("lambda")),
    case("client: a live tail", "POST", "/", 400, UNKNOWN, "StartLiveTail", body="{}",
         X_Amz_Target="Logs_20140328.StartLiveTail", Content_Type=JSON_1_1,
         Host="streaming-logs.us-east-1.amazonaws.com", Authorization=signed("logs")),
    case("client: metrics in CBOR", "POST",
         "/service/GraniteServiceVersion20100801/operation/PutMetricData", 400, UNKNOWN,
         "GraniteServiceVersion20100801", body=b"\xa0", smithy_protocol="rpc-v2-cbor",
         Content_Type="application/cbor", Authorization=signed("monitoring")),
    case("a target's operation that nobody has", "POST", "/", 400, UNKNOWN, "Dance", body="{}",
         X_Amz_Target="Logs_20140328.Dance", Content_Type=JSON_1_1),
    case("a JSON service without a target", "POST", "/", 400, UNKNOWN, "logs", body="{}",
         Content_Type=JSON_1_1, Authorization=signed("logs")),
    case("a JSON service, a target without a service", "POST", "/", 400, UNKNOWN, body="{}",
         X_Amz_Target="DescribeLogGroups", Content_Type=JSON_1_1, Authorization=signed("logs")),
    case("a JSON service, a target without an operation", "POST", "/", 400, UNKNOWN, body="{}",
         X_Amz_Target="Logs_20140328.", Content_Type=JSON_1_1, Authorization=signed("logs")),
    case("a JSON service sent a form", "POST", "/", 400, UNKNOWN, body="Action=DescribeLogGroups",
         Content_Type=FORM, Authorization=signed("logs")),
    case("a path that nobody has", "GET", "/2015-03-31/nonsense", 404, UNKNOWN,
         Authorization=signed("lambda")),
    case("a method that nobody has", "PATCH", LIST, 404, UNKNOWN, Authorization=signed("lambda")),
    case("a method of no standard", "DANCE", LIST, 404, UNKNOWN, Authorization=signed("lambda")),
    case("an empty label", "GET", LIST + "//code", 404, UNKNOWN, Authorization=signed("lambda")),
    case("an operation that is not supported", "GET", "/2025-11-30/capacity-providers", 404,
         UNKNOWN, "ListCapacityProviders"),
    case("a signature for a service that Virga lacks", "GET", LIST, 400, UNKNOWN, "'sns'",
         Authorization=signed("sns")),
    case("a query operation that is not supported", "POST", "/", 400, "<Code>InvalidAction</Code>",
         "AssumeRole", body="Action=AssumeRole&Version=2011-06-15", Content_Type=FORM,
         Authorization=signed("sts")),
    case("the same, unsigned", "POST", "/", 400, "<Code>InvalidAction</Code>", "AssumeRole",
         body="Action=AssumeRole&Version=2011-06-15", Content_Type=FORM),
    case("a query operation that nobody has", "POST", "/", 400, "<Code>InvalidAction</Code>",
         "Dance", body="Action=Dance&Version=2011-06-15", Content_Type=FORM,
         Authorization=signed("sts")),
    case("a query operation of another version", "POST", "/", 400, "<Code>InvalidAction</Code>",
         "Could not find operation GetCallerIdentity for version 2010-05-08",
         body="Action=GetCallerIdentity&Version=2010-05-08", Content_Type=FORM,
         Authorization=signed("sts")),
    case("the same, unsigned", "POST", "/", 400, "<Code>" + UNKNOWN,
         body="Action=GetCallerIdentity&Version=2010-05-08", Content_Type=FORM),
    case("no action", "POST", "/", 400, "<Code>MissingAction</Code>", body="",
         Content_Type=FORM, Authorization=signed("sts")),
    case("an action of broken escapes", "POST", "/", 400, "<Code>MissingAction</Code>",
         body="Action=%zz", Content_Type=FORM, Authorization=signed("sts")),
    case("an action of markup", "POST", "/", 400, "&lt;script&gt;",
         body="Action=%3Cscript%3E&Version=2011-06-15", Content_Type=FORM,
         Authorization=signed("sts")),
    case("an action that is no text", "POST", "/", 400, "<Code>InvalidAction</Code>", "\ufffd",
         body="Action=%FFx%00%1F&Version=2011-06-15", Content_Type=FORM,
         Authorization=signed("sts")),
    case("a form of nobody's", "POST", "/", 400, "<ErrorResponse>", body="a=b", Content_Type=FORM),
    case("an action of nobody's, by GET", "GET", "/?Action=Dance&Version=2000-01-01", 400,
         "<ErrorResponse>"),
    case("nothing at all", "GET", "/", 400, UNKNOWN),
    case("a browser's habit", "GET", "/favicon.ico", 400, UNKNOWN),
    case("a scope without parts", "GET", "/", 400, UNKNOWN,
         Authorization="AWS4-HMAC-SHA256 Credential=test, SignedHeaders=host, Signature=0"),
    case("another scheme", "GET", "/", 400, UNKNOWN, Authorization="Bearer x"),
]

# The service by its host, where nothing else tells.
HOSTS = {
    "sts": ("sts.amazonaws.com", "sts.us-east-1.amazonaws.com", "sts.localhost:4566",
            "sts.us-east-1.localhost", "sts.localhost.localstack.cloud:4566",
            "sts.us-east-1.localhost.localstack.cloud", "STS.US-EAST-1.AMAZONAWS.COM",
            "sync-sts.us-east-1.amazonaws.com"),
    "lambda": ("lambda.us-east-1.amazonaws.com", "lambda.localhost", "lambda.eu-west-1.localhost",
               "lambda.localhost.localstack.cloud:4566", "Lambda.us-east-1.amazonaws.com:443"),
    "logs": ("logs.us-east-1.amazonaws.com", "logs.localhost:4566", "stream-logs.localhost",
             "streaming-logs.us-east-1.amazonaws.com"),
}
STRANGE_HOSTS = ("evil.example.com", "localhost.example.com", "amazonaws.com.example.com",
                 "xamazonaws.com", "evillocalhost", "sync-evil.example.com", "127.0.0.1.example.com",
                 "169.254.169.254", "10.0.0.1:4566", "[fe80::1]", "localhost@example.com")


class RoutingTest(ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        python_function(cls.server.client(), "one", FUNCTION)

    def send(self, method, path, body, headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value
                                                    for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def readable(self, headers, body):
        """JSON or XML that parses, as its type says, and a request id."""
        kind = headers.get("Content-Type", "")
        if kind == "application/cbor":
            self.assertEqual(body[:1] and body[0] >> 5, 5)  # A map.
        elif "xml" in kind:
            xml.etree.ElementTree.fromstring(body)
        elif body:
            self.assertIn("json", kind, body)
            json.loads(body)
        self.assertRegex(headers["x-amzn-RequestId"], r"^[0-9a-f]{8}-[0-9a-f-]{27}$")

    def check(self, cases):
        for name, method, path, want, parts, body, headers in cases:
            with self.subTest(name):
                status, got, text = self.send(method, path, body, headers)
                self.assertEqual(status, want, text)
                self.readable(got, text)
                shown = text.decode("utf-8", "replace") + got.get("x-amzn-ErrorType", "")
                for part in parts:
                    self.assertIn(part, shown)

    def test_taken(self):
        self.check(TAKEN)

    def test_refused(self):
        self.check(REFUSED)

    def test_json_errors_name_their_type_twice(self):
        _, headers, body = self.send("GET", "/2025-11-30/capacity-providers", None, {})
        self.assertEqual(headers["x-amzn-ErrorType"], UNKNOWN)
        _, _, body = self.send("POST", "/", "{}", {"X-Amz-Target": "Logs_20140328.Dance"})
        self.assertEqual(json.loads(body)["__type"].split("#")[-1], UNKNOWN)

    def test_hosts(self):
        requests = {"sts": ("POST", "/", WHO, {}, 200, b"</Account>"),
                    "lambda": ("GET", "/2015-03-31/nonsense", None, {}, 404, b"lambda"),
                    "logs": ("POST", "/", "{}", {"Content-Type": JSON_1_1}, 400, b"logs")}
        for service, hosts in HOSTS.items():
            method, path, body, headers, want, part = requests[service]
            for host in hosts:
                with self.subTest(host):
                    status, got, text = self.send(method, path, body, {**headers, "Host": host})
                    self.assertEqual(status, want, text)
                    self.assertIn(part, text)
                    self.readable(got, text)

    def test_any_host_of_ours_serves_what_is_signed(self):
        for host in ("localhost", "127.0.0.1:4566", "[::1]:4566", "anything.localhost",
                     "sync-localhost:4566", "sync-127.0.0.1:4566", "stream-localhost",
                     "000000000000.localhost", "s3.us-east-1.localhost.localstack.cloud",
                     "localhost.localstack.cloud", "dynamodb.us-east-1.amazonaws.com"):
            with self.subTest(host):
                status, _, text = self.send("GET", LIST, None, {
                    "Host": host, "Authorization": signed("lambda")})
                self.assertEqual(status, 200, text)

    def test_strange_hosts(self):
        for host in STRANGE_HOSTS:
            with self.subTest(host):
                status, headers, text = self.send("GET", LIST, None, {
                    "Host": host, "Authorization": signed("lambda")})
                self.assertIn(status, (400, 403), text)
                self.assertNotIn("html", headers.get("Content-Type", ""))

    def test_over_http2(self):
        """client: SDK for JavaScript v3 insists on HTTP/2 by prior knowledge for Kinesis."""
        done = subprocess.run(
            ["curl", "-s", "--http2-prior-knowledge", "-w", "%{http_version} %{http_code}", "-H",
             "X-Amz-Target: Kinesis_20131202.ListStreams", "-H", "Content-Type: " + JSON_1_1, "-d",
             "{}", self.server.endpoint], capture_output=True, text=True, timeout=30, check=True)
        self.assertTrue(done.stdout.endswith("2 400"), done.stdout)
        self.assertIn("Kinesis_20131202", done.stdout)

    def test_whatever_comes(self):
        """Generated requests: never a 5xx, never HTML, always readable, and no error in the log."""
        rng = random.Random(20261120)
        choice = rng.choice
        for number in range(300):
            headers = {}
            for name, values in (
                    ("X-Amz-Target", ("Logs_20140328.X", "AWSLambda.Invoke", "a.b", "\xff.\xff", "")),
                    ("Authorization", tuple(signed(s) for s in ("lambda", "logs", "sts", "s3", "%"))),
                    ("Content-Type", (FORM, JSON_1_0, JSON_1_1, "application/cbor", "text/html", "")),
                    ("smithy-protocol", ("rpc-v2-cbor", "x")),
                    ("Host", ("localhost", "sts.localhost", "logs.localhost", "x.amazonaws.com"))):
                if rng.random() < .5:
                    headers[name] = choice(values)
            path = choice(("/", LIST, LIST + "/one", LIST + "/%zz", LIST + "/one/invocations", "/a/b",
                           "/?Action=x", "/?" + WHO, "/%00", "//", "/service/Logs_20140328/operation/X",
                           "/_virga/x", "/2015-03-31/", "/?X-Amz-Credential=%zz", "/a?b&c=%"))
            body = choice((None, "", "{}", "[]", "{", WHO, "\0" * 100, "<a/>", "\xff" * 10))
            with self.subTest(number=number, path=path, headers=headers, body=body):
                status, got, text = self.send(choice(("GET", "POST", "PUT", "DELETE", "HEAD", "X")),
                                              path, body, headers)
                self.assertTrue(200 <= status < 500, (status, text))
                self.assertNotIn("html", got.get("Content-Type", ""))
                if status >= 400 and text and "x-amzn-RequestId" in got:
                    self.readable(got, text)


if __name__ == "__main__":
    unittest.main()
