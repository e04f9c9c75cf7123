"""Function URLs: configuration, the event that a function gets, the answer that a client gets."""
import base64
import http.client
import json
import re
import subprocess
import unittest

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions

from server import ServerTest, python_function, zip_of

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
ECHO = """
import json
def handler(event, context):
    return {"statusCode": 200, "body": json.dumps(event)}
"""
RETURNS = """
import json
def handler(event, context):
    if event["rawPath"] == "/fail":
        raise ValueError("no")
    return json.loads(event["body"])
"""


class UrlTest(ServerTest):
    def url(self, name, source, **options):
        """The Host of a new function's URL."""
        python_function(self.client, name, source)
        self.addCleanup(self.client.delete_function, FunctionName=name)
        made = self.client.create_function_url_config(FunctionName=name,
                                                      **{"AuthType": "NONE", **options})
        self.assertRegex(made["FunctionUrl"],
                         rf"^http://[a-z2-7]{{32}}\.lambda-url\.us-east-1\.localhost:"
                         rf"{self.server.port}/$")
        return made["FunctionUrl"][len("http://"):-1]

    def ask(self, host, path="/", method="GET", body=None, headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host)
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, response, content

    def event(self, *arguments, **options):
        status, _, content = self.ask(*arguments, **options)
        self.assertEqual(status, 200, content)
        return json.loads(content)


class Configuration(UrlTest):
    def test_life(self):
        host = self.url("life", ECHO)
        name = {"FunctionName": "life"}
        got = self.client.get_function_url_config(**name)
        self.assertEqual((got["FunctionUrl"], got["FunctionArn"], got["AuthType"]),
                         (f"http://{host}/", ARN + "life", "NONE"))
        path = "/2021-10-31/functions/life/url"  # members that Debian's boto3 does not know
        self.assertEqual(json.loads(self.ask(f"localhost:{self.server.port}", path)[2])
                         ["InvokeMode"], "BUFFERED")
        self.assertNotIn("Cors", got)
        cors = {"AllowOrigins": ["https://a.example", "https://b.example"], "MaxAge": 5,
                "AllowCredentials": True}
        changed = self.client.update_function_url_config(AuthType="AWS_IAM", Cors=cors, **name)
        self.assertEqual((changed["AuthType"], changed["Cors"]), ("AWS_IAM", cors))
        listed = self.client.list_function_url_configs(**name)["FunctionUrlConfigs"]
        self.assertEqual([u["FunctionUrl"] for u in listed], [f"http://{host}/"])
        with self.assertRaises(self.client.exceptions.ResourceConflictException) as caught:
            self.client.create_function_url_config(AuthType="NONE", **name)
        self.assertIn("FunctionUrlConfig exists for this Lambda function", str(caught.exception))
        self.client.delete_function_url_config(**name)
        self.assertEqual(self.ask(host)[0], 403)
        for operation in ("get", "delete", "update"):
            with self.assertRaises(self.client.exceptions.ResourceNotFoundException) as caught:
                getattr(self.client, operation + "_function_url_config")(**name)
            self.assertIn("The resource you requested does not exist.", str(caught.exception))
        self.assertEqual(self.client.list_function_url_configs(**name)["FunctionUrlConfigs"], [])

    def test_refusals(self):
        python_function(self.client, "strict", ECHO)
        self.addCleanup(self.client.delete_function, FunctionName="strict")
        status, _, content = self.ask(
            f"localhost:{self.server.port}", "/2021-10-31/functions/strict/url", "POST",
            b'{"AuthType": "NONE", "InvokeMode": "SOMETIMES"}')
        self.assertEqual(status, 400)
        self.assertIn("[BUFFERED, RESPONSE_STREAM]", json.loads(content)["message"])
        with self.assertRaises(self.client.exceptions.ResourceNotFoundException):
            self.client.create_function_url_config(FunctionName="nobody", AuthType="NONE")

    def test_of_aliases(self):
        source = "def handler(e, c): return [{}, c.function_version, c.invoked_function_arn]"
        host = self.url("aliased", source.format(1))
        self.client.publish_version(FunctionName="aliased")
        self.client.update_function_code(FunctionName="aliased", ZipFile=zip_of({"f.py": source.format(2)}))
        create = self.client.create_function_url_config
        for qualifier in ("prod", "1"):  # no such alias; a version cannot have one
            with self.assertRaises(botocore.exceptions.ClientError):
                create(FunctionName="aliased", Qualifier=qualifier, AuthType="NONE")
        self.client.create_alias(FunctionName="aliased", Name="prod", FunctionVersion="1")
        name = {"FunctionName": "aliased", "Qualifier": "prod"}
        made = create(AuthType="NONE", **name)
        self.assertEqual(made["FunctionArn"], ARN + "aliased:prod")
        with self.assertRaises(self.client.exceptions.ResourceConflictException):
            create(AuthType="NONE", **name)
        alias_host = made["FunctionUrl"][len("http://"):-1]
        self.assertEqual(self.event(host), [2, "$LATEST", ARN + "aliased"])
        self.assertEqual(self.event(alias_host), [1, "1", ARN + "aliased:prod"])
        self.client.update_alias(FunctionName="aliased", Name="prod", FunctionVersion="$LATEST")
        self.assertEqual(self.event(alias_host), [2, "$LATEST", ARN + "aliased:prod"])
        page = self.client.list_function_url_configs(FunctionName="aliased", MaxItems=1)
        more = self.client.list_function_url_configs(FunctionName="aliased", Marker=page["NextMarker"])
        self.assertEqual([u["FunctionArn"] for u in page["FunctionUrlConfigs"] + more["FunctionUrlConfigs"]],
                         [ARN + "aliased", ARN + "aliased:prod"])
        self.assertNotIn("NextMarker", more)
        changed = self.client.update_function_url_config(AuthType="AWS_IAM", **name)
        self.assertEqual((changed["FunctionUrl"], changed["AuthType"]), (made["FunctionUrl"], "AWS_IAM"))
        self.assertEqual(self.client.get_function_url_config(FunctionName="aliased")["AuthType"], "NONE")
        self.client.update_function_url_config(AuthType="NONE", **name)
        self.client.delete_alias(FunctionName="aliased", Name="prod")
        self.assertEqual((self.ask(alias_host)[0], self.ask(host)[0]), (403, 200))
        with self.assertRaises(self.client.exceptions.ResourceNotFoundException):
            self.client.get_function_url_config(**name)

    def test_it_survives_a_restart_and_goes_with_its_function(self):
        python_function(self.client, "kept", ECHO, Publish=True)
        self.client.create_alias(FunctionName="kept", Name="prod", FunctionVersion="1")
        hosts = [self.client.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"][7:-1]
                 for name in ("kept", "kept:prod")]
        self.server.stop()
        self.server.start()
        type(self).client = self.server.client()
        self.assertEqual([self.ask(host)[0] for host in hosts], [200, 200])
        self.client.delete_function(FunctionName="kept")
        for host in hosts:
            status, response, content = self.ask(host)
            self.assertEqual((status, json.loads(content)), (403, {"Message": "Forbidden"}))
            self.assertEqual(response.getheader("x-amzn-ErrorType"), "AccessDeniedException")


class Events(UrlTest):
    def setUp(self):
        self.host = self.url("echo", ECHO)

    def test_the_whole_event(self):
        event = self.event(self.host, "/a%20b/c?x=1&y=%C3%BC+2&x=3&z", method="PUT",
                           body='{"k": "ü"}'.encode(),
                           headers=[("Content-Type", "application/json"), ("X-Two", "1"),
                                    ("x-two", "2"), ("Cookie", "a=1; b=2"), ("cookie", "c=3"),
                                    ("User-Agent", "t/1"),
                                    ("Connection", "close")])
        context = event.pop("requestContext")
        headers = event.pop("headers")
        trace = headers.pop("x-amzn-trace-id")
        self.assertEqual(event, {
            "version": "2.0", "routeKey": "$default", "rawPath": "/a%20b/c",
            "rawQueryString": "x=1&y=%C3%BC+2&x=3&z", "cookies": ["a=1", "b=2", "c=3"],
            "queryStringParameters": {"x": "1,3", "y": "ü 2", "z": ""},
            "body": '{"k": "ü"}', "isBase64Encoded": False})
        self.assertEqual(headers, {
            "host": self.host, "content-type": "application/json", "x-two": "1,2", "cookie": "a=1; b=2; c=3",
            "user-agent": "t/1", "content-length": "11", "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": str(self.server.port), "x-forwarded-proto": "http"})
        self.assertRegex(trace, "^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$")
        self.assertRegex(context.pop("time"), r"^\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d \+0000$")
        self.assertGreater(context.pop("timeEpoch"), 1600000000000)
        self.assertRegex(context.pop("requestId"), r"^[0-9a-f-]{36}$")
        label = self.host.split(".")[0]
        self.assertEqual(context, {
            "accountId": "anonymous", "apiId": label, "domainName": self.host,
            "domainPrefix": label, "routeKey": "$default", "stage": "$default",
            "http": {"method": "PUT", "path": "/a%20b/c", "protocol": "HTTP/1.1",
                     "sourceIp": "127.0.0.1", "userAgent": "t/1"}})

    def test_https(self):
        for url, port in (f"https://{self.host}/", str(self.server.port)), \
                         (f"https://{self.host.split(':')[0]}/", "443"):
            done = subprocess.run(["curl", "-sk", "--connect-to", f"::127.0.0.1:{self.server.port}", url],
                                  capture_output=True, timeout=30, check=True)
            headers = json.loads(done.stdout)["headers"]
            self.assertEqual((headers["x-forwarded-proto"], headers["x-forwarded-port"]), ("https", port))

    def test_the_callers_trace(self):
        root = "Root=1-5759e988-bd862e3fe1be46a994272793"
        host = self.url("traced", "import os\n"
                        "def handler(event, context):\n"
                        "    return [event['headers']['x-amzn-trace-id'], os.environ['_X_AMZN_TRACE_ID']]\n")
        for given, told, decision in ((f"{root};Parent=53995c3f42cd8ad8;Sampled=1", None, 1),
                                      (f"Self=1-x;{root}", None, 0), ("nonsense", "^Root=1-[^;]*$", 0)):
            _, answer, content = self.ask(host, headers=[("x-amzn-TRACE-id", given)])
            seen, own = json.loads(content)
            self.assertEqual(answer.getheader("X-Amzn-Trace-Id"), own)
            self.assertRegex(seen, told or f"^{re.escape(given)}$")
            self.assertRegex(own, f"{root if told is None else seen};Parent=[0-9a-f]{{16}};Sampled={decision}$")
            self.assertNotIn("53995c3f42cd8ad8", own)

    def test_nothing_to_say(self):
        event = self.event(self.host.upper().replace("LOCALHOST", "localhost"))
        self.assertEqual((event["rawPath"], event["rawQueryString"], event["isBase64Encoded"]),
                         ("/", "", False))
        for member in ("cookies", "queryStringParameters", "body"):
            self.assertNotIn(member, event)

    def test_bodies(self):
        for kind, body, is_base64 in (
                ("text/plain", b"plain", False), ("application/xml; charset=utf-8", b"<a/>", False),
                ("application/vnd.api+json", b"{}", False), ("application/json", b"\xff", True),
                ("application/x-www-form-urlencoded", b"a=1", True), ("image/png", b"\x89", True)):
            event = self.event(self.host, method="POST", body=body, headers=[("Content-Type", kind)])
            self.assertEqual(event["isBase64Encoded"], is_base64, kind)
            self.assertEqual(base64.b64decode(event["body"]) if is_base64
                             else event["body"].encode(), body)
        large = b"x" * 1000000
        event = self.event(self.host, method="POST", body=large,
                           headers=[("Content-Type", "text/plain")])
        self.assertEqual(event["body"].encode(), large)

    def test_other_ways_in(self):
        label = self.host.split(".")[0]
        name = f"{label}.lambda-url.us-east-1.localhost.localstack.cloud:{self.server.port}"
        self.assertEqual(self.event(name)["requestContext"]["domainName"], name)
        path = f"/_virga/lambda-url/{label}"
        self.assertEqual(self.event(f"127.0.0.1:{self.server.port}", path + "/x/y?z=1", "POST",
                                    b"")["rawPath"], "/x/y")
        _, response, content = self.ask(f"127.0.0.1:{self.server.port}", path)
        self.assertEqual(json.loads(content)["rawPath"], "/")
        self.assertIn("sandbox", response.getheader("Content-Security-Policy"))
        done = subprocess.run(["curl", "-s", f"http://{self.host}/curl", "-d", "a=1"],
                              capture_output=True, timeout=30, check=True)
        self.assertEqual(json.loads(done.stdout)["rawPath"], "/curl")

    def test_too_large(self):
        status, _, content = self.ask(self.host, method="POST", body=b"x" * 6291457,
                                      headers=[("Content-Type", "text/plain")])
        self.assertEqual(status, 413, content)


class Answers(UrlTest):
    def setUp(self):
        self.host = self.url("returns", RETURNS)

    def returned(self, value, path="/"):
        return self.ask(self.host, path, "POST", json.dumps(value).encode(),
                        [("Content-Type", "application/json")])

    def test_answers(self):
        status, response, content = self.returned({
            "statusCode": 201, "headers": {"Content-Type": "text/html", "X-N": 7, "X-B": True},
            "cookies": ["a=1; Secure", "b=2"], "body": "<p>ü"})
        self.assertEqual((status, content.decode()), (201, "<p>ü"))
        self.assertEqual((response.getheader("content-type"), response.getheader("x-n"),
                          response.getheader("x-b")), ("text/html", "7", "true"))
        self.assertEqual(response.msg.get_all("set-cookie"), ["a=1; Secure", "b=2"])
        self.assertRegex(response.getheader("x-amzn-requestid"), "^[0-9a-f-]{36}$")
        binary = bytes(range(256))
        self.assertEqual(self.returned({"statusCode": 200, "isBase64Encoded": True,
                                        "body": base64.b64encode(binary).decode()})[2], binary)
        self.assertEqual(self.returned({"statusCode": "204"})[::2], (204, b""))
        large = "y" * 3000000
        self.assertEqual(self.returned({"statusCode": 200, "body": large})[2].decode(), large)

    def test_inferred(self):
        for value, body in (({"a": 1}, b'{"a": 1}'), ([1], b"[1]"), ("text", b"text"),
                            (None, b"null"), (7, b"7"), ({"body": "x"}, b'{"body": "x"}')):
            status, response, content = self.returned(value)
            self.assertEqual((status, content, response.getheader("content-type")),
                             (200, body, "application/json"))

    def test_the_functions_faults(self):
        for value in ({"statusCode": "abc"}, {"statusCode": 99}, {"statusCode": 200, "body": {}},
                      {"statusCode": 200, "headers": []}, {"statusCode": 200, "cookies": "a"},
                      {"statusCode": 200, "headers": {"a b": "c"}},
                      {"statusCode": 200, "isBase64Encoded": True, "body": "%"}):
            status, _, content = self.returned(value)
            self.assertEqual((status, content), (502, b"Internal Server Error"), value)
        self.assertEqual(self.returned({}, "/fail")[::2], (502, b"Internal Server Error"))

    def test_throttled(self):
        self.client.put_function_concurrency(FunctionName="returns", ReservedConcurrentExecutions=0)
        self.assertEqual(self.returned(1)[0], 429)


class Cors(UrlTest):
    def headers(self, host, origin, method="GET", **more):
        _, response, _ = self.ask(host, "/", method, headers=[
            ("Origin", origin), *((k.replace("_", "-"), v) for k, v in more.items())])
        return {name.lower(): value for name, value in response.getheaders()
                if name.lower().startswith("access-control")}, response.status

    def test_preflight_and_answers(self):
        host = self.url("cors", "def handler(e, c):\n    return {'statusCode': 200, 'headers': "
                                "{'access-control-allow-origin': 'https://other'}}\n",
                        Cors={"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET", "PUT"],
                              "AllowHeaders": ["x-one", "x-two"], "ExposeHeaders": ["x-three"],
                              "MaxAge": 60, "AllowCredentials": True})
        ours = {"access-control-allow-origin": "https://a.example",
                "access-control-allow-credentials": "true"}
        ask = {"Access_Control_Request_Method": "PUT"}
        self.assertEqual(self.headers(host, "https://a.example", "OPTIONS", **ask), (
            {**ours, "access-control-allow-methods": "GET,PUT", "access-control-max-age": "60",
             "access-control-allow-headers": "x-one,x-two"}, 200))
        self.assertEqual(self.headers(host, "https://evil.example", "OPTIONS", **ask), ({}, 200))
        self.assertEqual(self.headers(host, "https://a.example"),
                         ({**ours, "access-control-expose-headers": "x-three"}, 200))

    def test_anybody(self):
        host = self.url("open", ECHO, Cors={"AllowOrigins": ["*"]})
        self.assertEqual(self.headers(host, "https://a.example"),
                         ({"access-control-allow-origin": "*"}, 200))

    def test_the_functions_own(self):
        host = self.url("own", "def handler(e, c):\n    return {'statusCode': 200, 'headers': "
                               "{'access-control-allow-origin': e['requestContext']['http']"
                               "['method']}}\n")
        self.assertEqual(self.headers(host, "https://a.example", "OPTIONS",
                                      Access_Control_Request_Method="PUT"),
                         ({"access-control-allow-origin": "OPTIONS"}, 200))


class Signed(UrlTest):
    dev = False

    def test_iam(self):
        host = self.url("iam", ECHO, AuthType="AWS_IAM")
        self.assertEqual(self.ask(host)[::2], (403, b'{"Message":"Forbidden"}'))
        for secret, expected in ((self.keys["secret"], 200), ("wrong", 403)):
            request = botocore.awsrequest.AWSRequest("POST", f"http://{host}/p?q=1", data=b"body")
            botocore.auth.SigV4Auth(
                botocore.credentials.Credentials(self.keys["key"], secret), "lambda",
                "us-east-1").add_auth(request)
            status, _, content = self.ask(host, "/p?q=1", "POST", b"body", request.headers.items())
            self.assertEqual(status, expected, content)
            if status == 200:
                context = json.loads(content)["requestContext"]
                self.assertEqual((context["accountId"], context["authorizer"]["iam"]["accessKey"]),
                                 ("000000000000", self.keys["key"]))

    def test_none_is_for_everybody(self):
        host = self.url("open", ECHO)
        self.assertEqual(self.ask(host)[0], 200)
        self.assertEqual(self.ask(host, headers=[("Authorization", "Bearer x")])[0], 200)


if __name__ == "__main__":
    unittest.main()
