"""The secure default: only what is signed by a key that Virga issued gets in, and what is refused is
refused in AWS's words."""
import datetime
import os
import re
import unittest

import botocore.exceptions

from server import Server, ServerTest
from signing import Signed


def error_of(text):
    """The code of an error whose header does not say it: JSON's, or Query's."""
    found = re.search(r'"__type":"(?:[^"#]*#)?(\w+)"|<Code>(\w+)</Code>', text)
    return found and (found.group(1) or found.group(2))


API = "/2015-03-31/functions/"
IN = "let in"
MISMATCH = (403, "InvalidSignatureException")
INCOMPLETE = (403, "IncompleteSignatureException")
MISSING = (403, "MissingAuthenticationTokenException")
UNKNOWN = (403, "UnrecognizedClientException")
REFUSALS = {"InvalidSignatureException", "IncompleteSignatureException", "AccessDeniedException",
            "MissingAuthenticationTokenException", "UnrecognizedClientException"}


def header(name, value):
    def alter(request):
        request.headers[name] = value
    return alter


def without(name):
    def alter(request):
        request.headers = {key: value for key, value in request.headers.items()
                           if key.lower() != name.lower()}
    return alter


def authorization(old, new):
    def alter(request):
        before = request.headers["Authorization"]
        request.headers["Authorization"] = before.replace(old, new)
        assert before != request.headers["Authorization"]
    return alter


def target(old, new):
    def alter(request):
        before, request.target = request.target, request.target.replace(old, new)
        assert before != request.target
    return alter


def now(request):
    request.headers["X-Amz-Date"] = datetime.datetime.utcnow().strftime("%Y%m%dT%H%M%SZ")


def body(value):
    def alter(request):
        request.body = value
    return alter


def names(*escaped):
    return [(f"path, {name}", IN, {"target": API + name}, None) for name in escaped]


def queries(*texts):
    return [(f"query, {text[:30]}", IN, {"target": API + "?" + text}, None) for text in texts]


POST = {"method": "POST", "target": API + "nobody/invocations", "body": b'{"a":1}'}
LINK = {"target": API + "?MaxItems=1", "expires": 600}
LOGS = {"method": "POST", "target": "/", "service": "logs", "body": b"{}", "headers": {
    "X-Amz-Target": "Logs_20140328.DescribeLogGroups", "Content-Type": "application/x-amz-json-1.1"}}
STS = {"method": "POST", "target": "/", "service": "sts",
       "body": b"Action=GetCallerIdentity&Version=2011-06-15",
       "headers": {"Content-Type": "application/x-www-form-urlencoded"}}

# What is to be signed, how it is altered on its way, and what becomes of it.
CASES = [
    ("plain", IN, {}, None),
    *names("f", "%E1%88%B4", "a%20b", "-._~0123AZaz", "a+b", "a%2Bb", "a*b%2A", "a%3Db", "a=b&c",
           "a%2Fb", "a%25b", "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af",
           "arn:aws:lambda:us-east-1:000000000000:function:f", "f%3A%24LATEST", "f/"),
    *queries("MaxItems=1", "MaxItems=1&Marker=", "Marker=a%20b", "Marker=a%2Bb%3D%26", "b=2&a=1",
             "a=2&a=1", "a=1&A=2", "ab=1&a=2&a-b=3", "%E1%88%B4=bar", "a=%E1%88%B4", "a=b%2Fc",
             "-._~=-._~", "&".join(f"k{i}=v{i}" for i in range(60))),
    ("a body", IN, POST, None),
    ("a body of a megabyte", IN, {**POST, "body": b'"' + b"x" * (1 << 20) + b'"'}, None),
    ("no body where one may be", IN, {**POST, "body": b""}, None),
    ("blanks in a header", IN, {"headers": {"X-Own": "  a   b   c  "}}, None),
    ("a header in capitals", IN, {"headers": {"X-OWN": "Value"}}, None),
    ("an empty header", IN, {"headers": {"X-Own": ""}}, None),
    ("a header that is not signed", IN, {}, header("X-Other", "1")),
    ("a region of its own", IN, {"region": "eu-central-1"}, None),
    ("the region US", IN, {"region": "US"}, None),
    ("four minutes old", IN, {"age": 240}, None),
    ("four minutes early", IN, {"age": -240}, None),
    ("a host that is one of ours", IN, {"headers": {"Host": "lambda.us-east-1.amazonaws.com"}}, None),
    ("JSON", IN, LOGS, None),
    ("a form", IN, STS, None),
    ("a form, ten minutes old", IN, {**STS, "age": 600}, None),
    ("a link", IN, LINK, None),
    ("a link, nine minutes old", IN, {**LINK, "age": 540}, None),
    ("a link without a query of its own", IN, {"expires": 60}, None),
    ("a link to a name with escapes", IN, {"target": API + "a%20b%3A", "expires": 60}, None),
    ("wrong secret", MISMATCH, {"secret": "wrong"}, None),
    ("unknown key", UNKNOWN, {"key": "AKIAUNKNOWNUNKNOWN00"}, None),
    ("a token that nobody issued", UNKNOWN, {"token": "AQoDYXdzEPT//////////wEXAMPLE+tokenA=="}, None),
    ("another method", MISMATCH, {}, lambda request: setattr(request, "method", "POST")),
    ("another path", MISMATCH, {"target": API + "a"}, target("/a", "/b")),
    ("another query", MISMATCH, {"target": API + "?a=b"}, target("a=b", "a=c")),
    ("a further parameter", MISMATCH, {"target": API + "?a=b"}, target("a=b", "a=b&c=d")),
    ("a parameter twice", MISMATCH, {"target": API + "?a=b"}, target("a=b", "a=b&a=b")),
    ("another body", MISMATCH, POST, body(b'{"a":2}')),
    ("a longer body", MISMATCH, POST, body(b'{"a":1} ')),
    ("no body", MISMATCH, POST, body(b"")),
    ("another header", MISMATCH, {"headers": {"X-Own": "a"}}, header("X-Own", "b")),
    ("a header lost", MISMATCH, {"headers": {"X-Own": "a"}}, without("X-Own")),
    ("another host", MISMATCH, {}, header("Host", "localhost")),
    ("another date", MISMATCH, {"age": 10}, now),
    ("a signature too long", MISMATCH, {}, authorization("Signature=", "Signature=0")),
    ("a signature of nothing", MISMATCH, {}, authorization("Signature=", "Signature=,X=")),
    ("another region", MISMATCH, {}, authorization("/us-east-1/", "/us-east-2/")),
    ("another day in the scope", MISMATCH, {}, authorization("/20", "/19")),
    ("six minutes old", MISMATCH, {"age": 360}, None),
    ("six minutes early", MISMATCH, {"age": -360}, None),
    ("a link, expired", MISMATCH, {**LINK, "age": 601}, None),
    ("a link from the future", MISMATCH, {**LINK, "age": -360}, None),
    ("a link, prolonged", MISMATCH, LINK, target("Expires=600", "Expires=900")),
    ("a link for more than a week", INCOMPLETE, {**LINK, "expires": 604801}, None),
    ("a link, its query altered", MISMATCH, LINK, target("MaxItems=1", "MaxItems=2")),
    ("a link used to write", MISMATCH, LINK, lambda request: setattr(request, "method", "POST")),
    ("a link without its date", INCOMPLETE, LINK, target("X-Amz-Date", "X-Amz-Dates")),
    ("a link without its signature", INCOMPLETE, LINK, target("X-Amz-Signature", "X-Amz-Sig")),
    ("a link without its headers", INCOMPLETE, LINK, target("X-Amz-SignedHeaders", "X-Amz-Headers")),
    ("unsigned", MISSING, {}, without("Authorization")),
    ("another algorithm", MISSING, {}, authorization("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512")),
    ("a password", MISSING, {}, header("Authorization", "Basic dXNlcjpwYXNz")),
    ("no date", INCOMPLETE, {}, without("X-Amz-Date")),
    ("a date of another form", INCOMPLETE, {}, header("X-Amz-Date", "2026-11-20")),
    ("no credential", INCOMPLETE, {}, authorization("Credential=", "Kredential=")),
    ("a credential too short", INCOMPLETE, {}, authorization("/aws4_request", "")),
    ("no signature", INCOMPLETE, {}, authorization("Signature=", "Sig=")),
    ("no signed headers", INCOMPLETE, {}, authorization("SignedHeaders=", "Headers=")),
    ("the host is not signed", INCOMPLETE, {}, authorization("=host;", "=")),
    ("JSON, wrong secret", (400, "InvalidSignatureException"), {**LOGS, "secret": "wrong"}, None),
    ("JSON, altered target", (400, "InvalidSignatureException"), LOGS,
     header("X-Amz-Target", "Logs_20140328.DescribeLogStreams")),
    ("JSON, unknown key", (400, "UnrecognizedClientException"), {**LOGS, "key": "AKIAUNKNOWN"}, None),
    ("JSON, unsigned", (400, "MissingAuthenticationTokenException"), LOGS, without("Authorization")),
    ("a form, wrong secret", (403, "SignatureDoesNotMatch"), {**STS, "secret": "wrong"}, None),
    ("a form, sixteen minutes old", (403, "SignatureDoesNotMatch"), {**STS, "age": 960}, None),
    ("a form, unknown key", (403, "InvalidClientTokenId"), {**STS, "key": "AKIAUNKNOWN"}, None),
    ("a form, unsigned", (403, "MissingAuthenticationToken"), STS, without("Authorization")),
    ("a form, half signed", (400, "IncompleteSignature"), STS, authorization("Signature=", "Sig=")),
    ("a form, altered", (403, "SignatureDoesNotMatch"), STS,
     body(b"Action=GetCallerIdentity&Version=2011-06-15&X=1")),
]


class AuthTest(ServerTest):
    dev = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.key, cls.secret = cls.server.root_key

    def refused(self, status, code, **credentials):
        options = {"key": self.key, "secret": self.secret, **credentials}
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            self.server.client(**options).list_functions()
        answer = caught.exception.response
        self.assertEqual((answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]),
                         (status, code))
        return answer["Error"]["Message"]

    def raw(self, headers=None, age=0, service="lambda"):
        """A request, signed here unless headers are given; (status, error type, body)."""
        request = Signed(self.server.endpoint, self.key, self.secret, target=API, age=age,
                         service=service)
        if headers is not None:
            request.headers = {"Host": request.address, **headers}
        status, got, text = request.send()
        return status, got.get("x-amzn-ErrorType"), text

    def test_cases(self):
        for name, want, options, alter in CASES:
            with self.subTest(name):
                request = Signed(self.server.endpoint, **{"key": self.key, "secret": self.secret,
                                                          "target": API, **options})
                if alter:
                    alter(request)
                status, headers, text = request.send()
                kind = headers.get("x-amzn-ErrorType") or error_of(text)
                if want == IN:
                    self.assertNotEqual(status, 403, text)
                    self.assertNotIn(kind, REFUSALS, text)
                else:
                    self.assertEqual((status, kind), want, text)

    def test_the_root_key_gets_in(self):
        client = self.server.client(key=self.key, secret=self.secret)
        self.assertEqual(client.list_functions()["Functions"], [])

    def test_a_wrong_secret(self):
        message = self.refused(403, "InvalidSignatureException", secret="wrong")
        self.assertIn("The request signature we calculated does not match", message)

    def test_an_unknown_key(self):
        message = self.refused(403, "UnrecognizedClientException", key="AKIAUNKNOWNUNKNOWNUN")
        self.assertEqual(message, "The security token included in the request is invalid.")

    def test_unsigned(self):
        status, kind, body = self.raw(headers={})
        self.assertEqual((status, kind), (403, "MissingAuthenticationTokenException"))
        self.assertIn("Missing Authentication Token", body)

    def test_half_signed(self):
        status, kind, body = self.raw(headers={
            "Authorization": f"AWS4-HMAC-SHA256 Credential={self.key}/20260101/us-east-1/lambda/"
                             "aws4_request"})
        self.assertEqual((status, kind), (403, "IncompleteSignatureException"))
        self.assertIn("Authorization header requires 'Signature' parameter.", body)

    def test_time(self):
        self.assertEqual(self.raw(age=200)[0], 200)
        self.assertEqual(self.raw(age=-200)[0], 200)
        status, kind, body = self.raw(age=400)
        self.assertEqual((status, kind), (403, "InvalidSignatureException"))
        self.assertRegex(body, r"Signature expired: \w+ is now earlier than \w+ \(\w+ - 5 min.\)")
        status, kind, body = self.raw(age=-400)
        self.assertEqual((status, kind), (403, "InvalidSignatureException"))
        self.assertIn("Signature not yet current", body)

    def test_signed_for_another_service(self):
        """The scope names a service that does not own this path: nobody takes the request."""
        status, _, body = self.raw(service="sns")
        self.assertIn(status, (400, 403))
        self.assertNotIn("<html", body.lower())

    def test_a_second_start_keeps_the_key_and_its_silence(self):
        server = Server(dev=False)
        try:
            key, secret = server.root_key
            server.stop()
            server.start()
            self.assertNotIn("AWS_SECRET_ACCESS_KEY", "".join(server.banner))
            server.client(key=key, secret=secret).list_functions()
            mode = os.stat(os.path.join(server.data, "data", "root-key")).st_mode
            self.assertEqual(mode & 0o777, 0o600)
            server.stop()
        finally:
            server.remove()


if __name__ == "__main__":
    unittest.main()
