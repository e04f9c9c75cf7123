#!/usr/bin/env python3
"""Writes sigv4_cases.txt: requests signed by botocore, the SDK's own signer, good ones and altered
ones, with the verdict that each deserves. Run by hand when cases are added; needs python3-botocore.

Format, one block a case:
    case NAME
    verdict OK|MISMATCH|EXPIRED|...
    now UTC_MS
    METHOD PATH QUERY|-
    Header: value
    (empty line)
    body line            absent: no body
    .
"""
import datetime
import sys

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.compat import urlsplit
from botocore.credentials import Credentials

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = datetime.datetime(2015, 8, 30, 12, 36, 0)
MS = int(NOW.replace(tzinfo=datetime.timezone.utc).timestamp() * 1000)


class Fixed(datetime.datetime):
    @classmethod
    def utcnow(cls):
        return NOW


botocore.auth.datetime.datetime = Fixed
if hasattr(botocore.auth, "get_current_datetime"):
    botocore.auth.get_current_datetime = lambda **_: NOW

class V1Query(botocore.auth.HmacV1QueryAuth):
    """Signature Version 2 of S3, as presigned URLs of boto3 and of the older CLI carry it."""

    def __init__(self, credentials, service, region, expires):
        super().__init__(credentials, expires)


out = []


def emit(name, verdict, request, now=MS, alter=None):
    url = urlsplit(request.url)
    lines = {"method": request.method, "path": url.path or "/", "query": url.query or "-",
             "headers": [(k, v) for k, v in request.headers.items()], "body": request.body or b""}
    if not any(k.lower() == "host" for k, _ in lines["headers"]):
        lines["headers"].append(("Host", url.netloc))
    if alter:
        alter(lines)
    body = lines["body"].decode() if isinstance(lines["body"], bytes) else lines["body"]
    text = [f"case {name}", f"verdict {verdict}", f"now {now}",
            f"{lines['method']} {lines['path']} {lines['query']}"]
    text += [f"{k}: {v if isinstance(v, str) else v.decode()}" for k, v in lines["headers"]]
    text += [""] + ([body] if body else []) + ["."]
    out.append("\n".join(text))


def signed(method="GET", url="http://example.amazonaws.com/", headers=None, body=b"",
           service="service", signer=botocore.auth.SigV4Auth, token=None, secret=SECRET,
           key=KEY, region="us-east-1", **options):
    request = AWSRequest(method, url, headers=headers or {}, data=body)
    if signer is V1Query and url.startswith(s3url):  # as botocore's S3 client does
        request.auth_path = "/bucket" + urlsplit(url).path
    signer(Credentials(key, secret, token), service, region, **options).add_auth(request)
    prepared = request.prepare()
    return prepared


def set_header(name, value):
    def alter(lines):
        lines["headers"] = [(k, value if k.lower() == name.lower() else v)
                            for k, v in lines["headers"]]
    return alter


def drop_header(name):
    def alter(lines):
        lines["headers"] = [(k, v) for k, v in lines["headers"] if k.lower() != name.lower()]
    return alter


def auth_replace(old, new):
    def alter(lines):
        lines["headers"] = [
            (k, (v if isinstance(v, str) else v.decode()).replace(old, new)
             if k == "Authorization" else v) for k, v in lines["headers"]]
    return alter


def put(field, value):
    def alter(lines):
        lines[field] = value
    return alter


base = "http://example.amazonaws.com"
s3url = "http://bucket.s3.amazonaws.com"
emit("get-vanilla", "OK", signed())
for name, path in [
        ("utf8", "/%E1%88%B4"), ("space", "/example%20space/"), ("unreserved", "/-._~0123AZaz"),
        ("double-slash", "//example//"), ("dot-segments", "/example/../"), ("dot", "/./example"),
        ("up-up", "/a/b/c/../../d"), ("colon", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1"
         "%3A000000000000%3Afunction%3Af/invocations"), ("plus", "/a+b"), ("trailing", "/a/b/"),
        ("encoded-slash", "/a%2Fb"), ("star", "/a*b%2A"), ("equals", "/a=b&c")]:
    emit("path-" + name, "OK", signed(url=base + path))
for name, query in [
        ("one", "Param1=value1"), ("order-key", "Param2=value2&Param1=value1"),
        ("order-value", "Param1=value2&Param1=value1"), ("order-case", "a=1&A=2"),
        ("empty", "Param1="), ("no-equals", "acl"), ("utf8", "%E1%88%B4=bar"),
        ("unreserved", "-._~0123AZaz=-._~0123AZaz"), ("space", "a=b%20c"), ("equals", "a=b%3Dc"),
        ("slash", "prefix=a%2Fb"), ("prefix-keys", "ab=1&a=2&a-b=3"), ("plus", "a=b%2Bc"),
        ("many", "&".join(f"k{i}=v{i}" for i in range(60)))]:
    if name == "no-equals":
        continue  # botocore's own canonical form of it is sent as "acl="; covered by "empty"
    emit("query-" + name, "OK", signed(url=base + "/?" + query))
emit("post-form", "OK", signed("POST", headers={"Content-Type": "application/x-www-form-urlencoded"},
                               body=b"Action=ListQueues&Version=2012-11-05"))
emit("post-json", "OK", signed("POST", headers={"X-Amz-Target": "A.B"}, body=b'{"a":1}'))
emit("header-blanks", "OK", signed(headers={"My-Header1": "  a   b   c  "}))
emit("header-quotes", "OK", signed(headers={"My-Header1": '"a   b"'}))
emit("header-case", "OK", signed(headers={"MY-Header1": "Value"}))
emit("session-token", "OK", signed(token="AQoDYXdzEPT//////////wEXAMPLE+tokenA=="))
emit("other-region", "OK", signed(region="eu-west-1"))
emit("put", "OK", signed("PUT", url=base + "/x", body=b"data"))
emit("delete", "OK", signed("DELETE", url=base + "/x"))
emit("head", "OK", signed("HEAD", url=base + "/x"))



class Http2Signer(botocore.auth.SigV4Auth):
    """As the SDK for JavaScript signs over HTTP/2, where there is no Host."""

    def headers_to_sign(self, request):
        headers = super().headers_to_sign(request)
        headers[":authority"] = headers["host"]
        del headers["host"]
        return headers


emit("authority", "OK", signed(signer=Http2Signer))
emit("authority-altered", "MISMATCH",
     signed(signer=Http2Signer, headers={"Host": "example.amazonaws.com"}),
     alter=set_header("Host", "evil.example"))

s3 = botocore.auth.S3SigV4Auth
for name, path in [("plain", "/key"), ("double-slash", "/a//b"), ("dots", "/a/../b"),
                   ("space", "/a%20b"), ("plus", "/a%2Bb"), ("utf8", "/%E1%88%B4"),
                   ("tilde", "/~x")]:
    emit("s3-" + name, "OK", signed(url=s3url + path, service="s3", signer=s3))
emit("s3-put", "OK", signed("PUT", url=s3url + "/k", body=b"abc", service="s3", signer=s3))

presign = botocore.auth.SigV4QueryAuth
emit("presigned", "OK", signed(url=base + "/x?a=b", signer=presign, expires=600))
emit("presigned-token", "OK", signed(signer=presign, token="tok+/=", expires=600))
emit("s3-presigned", "OK", signed(url=s3url + "/k", service="s3",
                                  signer=botocore.auth.S3SigV4QueryAuth, expires=600))
emit("presigned-late", "EXPIRED", signed(signer=presign, expires=600), now=MS + 601000)
emit("presigned-just-in-time", "OK", signed(signer=presign, expires=600), now=MS + 599000)
emit("presigned-altered", "MISMATCH", signed(url=base + "/x?a=b", signer=presign, expires=600),
     alter=lambda lines: lines.update(query=lines["query"].replace("a=b", "a=c")))
emit("presigned-longer", "MISMATCH", signed(signer=presign, expires=600),
     alter=lambda lines: lines.update(query=lines["query"].replace("=600", "=900")))
emit("presigned-too-long", "INCOMPLETE", signed(signer=presign, expires=600),
     alter=lambda lines: lines.update(query=lines["query"].replace("=600", "=604801")))

emit("wrong-secret", "MISMATCH", signed(secret="another"))
emit("altered-method", "MISMATCH", signed(), alter=put("method", "POST"))
emit("altered-path", "MISMATCH", signed(url=base + "/a"), alter=put("path", "/b"))
emit("altered-query", "MISMATCH", signed(url=base + "/?a=b"), alter=put("query", "a=c"))
emit("added-query", "MISMATCH", signed(url=base + "/?a=b"), alter=put("query", "a=b&c=d"))
emit("altered-body", "MISMATCH", signed("POST", body=b"abc"), alter=put("body", b"abd"))
emit("altered-header", "MISMATCH", signed(headers={"X-Amz-Target": "A.B"}),
     alter=set_header("X-Amz-Target", "A.C"))
emit("dropped-header", "MISMATCH", signed(headers={"X-Amz-Target": "A.B"}),
     alter=drop_header("X-Amz-Target"))
emit("altered-host", "MISMATCH", signed(headers={"Host": "example.amazonaws.com"}),
     alter=set_header("Host", "evil.example"))
emit("altered-signature", "MISMATCH", signed(), alter=auth_replace("Signature=", "Signature=0"))
emit("s3-altered-body", "BODY_MISMATCH",
     signed("PUT", url=s3url + "/k", body=b"abc", service="s3", signer=s3),
     alter=put("body", b"abd"))
emit("late", "EXPIRED", signed(), now=MS + 300001)
emit("just-in-time", "OK", signed(), now=MS + 300000)
emit("early", "NOT_YET", signed(), now=MS - 300001)
emit("just-early", "OK", signed(), now=MS - 300000)
emit("scope-date", "WRONG_SCOPE", signed(), alter=auth_replace("/20150830/", "/20150829/"))
emit("scope-altered", "MISMATCH", signed(), alter=auth_replace("/us-east-1/", "/us-east-2/"))
emit("unsigned", "MISSING", signed(), alter=drop_header("Authorization"))
emit("no-date", "INCOMPLETE", signed(), alter=drop_header("X-Amz-Date"))
emit("bad-date", "INCOMPLETE", signed(), alter=set_header("X-Amz-Date", "2015-08-30"))
emit("no-credential", "INCOMPLETE", signed(), alter=auth_replace("Credential=", "Kredential="))
emit("short-credential", "INCOMPLETE", signed(), alter=auth_replace("/aws4_request", ""))
emit("no-signature", "INCOMPLETE", signed(), alter=auth_replace("Signature=", "Sig="))
emit("no-signed-headers", "INCOMPLETE", signed(), alter=auth_replace("SignedHeaders=", "Headers="))
emit("host-not-signed", "INCOMPLETE", signed(), alter=auth_replace("=host;", "="))
emit("other-algorithm", "MISSING", signed(), alter=auth_replace("AWS4-HMAC-SHA256", "AWS4-X"))
emit("basic-auth", "MISSING", signed(), alter=set_header("Authorization", "Basic dXNlcjpwYXNz"))


botocore.auth.time.time = lambda: MS / 1000
for name, url, headers in [
        ("get", s3url + "/k", {}), ("path-style", "http://s3.amazonaws.com/bucket/k", {}),
        ("version", s3url + "/k?versionId=a%20b", {}),
        ("response", s3url + "/k?response-content-type=text%2Fplain&uploadId=1&x=y", {}),
        ("amz-header", s3url + "/k", {"x-amz-meta-b": "2", "X-Amz-Acl": "private"})]:
    emit("v2-" + name, "OK", signed(url=url, headers=headers, signer=V1Query, expires=600))
emit("v2-token", "OK", signed(url=s3url + "/k", signer=V1Query, expires=600, token="t+/="))
emit("v2-late", "EXPIRED", signed(url=s3url + "/k", signer=V1Query, expires=600), now=MS + 601000)
emit("v2-secret", "MISMATCH", signed(url=s3url + "/k", signer=V1Query, expires=600, secret="no"))
emit("v2-path", "MISMATCH", signed(url=s3url + "/k", signer=V1Query, expires=600),
     alter=put("path", "/l"))
emit("v2-expires", "MISMATCH", signed(url=s3url + "/k", signer=V1Query, expires=600),
     alter=lambda lines: lines.update(query=lines["query"].replace("Expires=1440", "Expires=1540")))
emit("v2-incomplete", "INCOMPLETE", signed(url=s3url + "/k", signer=V1Query, expires=600),
     alter=lambda lines: lines.update(query=lines["query"].replace("Signature=", "Sig=")))

sys.stdout.write("\n".join(out) + "\n")
