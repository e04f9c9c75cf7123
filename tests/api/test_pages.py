"""docs/services says of each operation of the official models whether it is executed or rejected: a
request for each, and the answer must agree."""
import glob
import http.client
import os
import re
import unittest

from server import ROOT, Server

PAGES = sorted(glob.glob(os.path.join(ROOT, "docs", "services", "*.md")))
ROW = re.compile(r"^\| (\w+) \| `(\w+) (\S+)` \| (executed|stored|rejected) \|", re.M)
TARGETS = {"logs": "Logs_20140328"}
LABELS = {"Resource": "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Anobody",
          "VersionNumber": "1", "LayerVersionNumber": "1"}
UNKNOWN = re.compile(r"UnknownOperationException|InvalidAction")


def request_of(service, name, method, uri):
    """(method, path, body, headers) in the service's first protocol, with nothing but its name."""
    headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential=test/20261120/us-east-1/{service}/"
                                "aws4_request, SignedHeaders=host, Signature=0"}
    if service in TARGETS:
        return method, "/", "{}", {**headers, "X-Amz-Target": f"{TARGETS[service]}.{name}",
                                   "Content-Type": "application/x-amz-json-1.1"}
    if uri == "/":
        return method, "/", f"Action={name}", {
            **headers, "Content-Type": "application/x-www-form-urlencoded"}
    path = re.sub(r"{(\w+)\+?}", lambda label: LABELS.get(label.group(1), "nobody"), uri)
    return method, path.replace("\\|", "|"), None if method == "GET" else "{}", headers


class PagesTest(unittest.TestCase):
    def check(self, server, page):
        service = os.path.basename(page).removesuffix(".md")
        with open(page, encoding="utf-8") as file:
            rows = ROW.findall(file.read())
        self.assertTrue(rows)
        for name, method, uri, state in rows:
            with self.subTest(f"{service} {name}"):
                method, path, body, headers = request_of(service, name, method, uri)
                connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                text = answer.read().decode() + (answer.getheader("x-amzn-ErrorType") or "")
                connection.close()
                self.assertLess(answer.status, 500, text)
                self.assertEqual(bool(UNKNOWN.search(text)), state == "rejected", text)
                if state == "rejected":
                    self.assertIn(answer.status, (400, 404))
                    self.assertIn(name, text)

    def test_pages(self):
        with Server() as server:
            self.assertTrue(PAGES)
            for page in PAGES:
                self.check(server, page)


if __name__ == "__main__":
    unittest.main()
