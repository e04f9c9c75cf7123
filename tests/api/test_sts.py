"""GetCallerIdentity through boto3 and the aws command line, and what Query clients get otherwise."""
import http.client
import json
import os
import subprocess
import unittest

import botocore.exceptions

from server import CLIENT_ENVIRONMENT, ServerTest


class StsTest(ServerTest):
    def test_who_calls(self):
        for key, account in (("test", "000000000000"), ("123456789012", "123456789012")):
            answer = self.server.client("sts", key=key).get_caller_identity()
            self.assertEqual((answer["UserId"], answer["Account"], answer["Arn"]),
                             (account, account, f"arn:aws:iam::{account}:root"))

    def test_command_line(self):
        text = subprocess.run(
            ["/usr/bin/aws", "--endpoint-url", self.server.endpoint, "sts", "get-caller-identity"],
            env={**os.environ, **CLIENT_ENVIRONMENT}, capture_output=True, text=True, timeout=60,
            check=True).stdout
        self.assertEqual(json.loads(text)["Account"], "000000000000")

    def test_unsupported_operations_are_named(self):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            self.server.client("sts").get_session_token()
        status = caught.exception.response["ResponseMetadata"]["HTTPStatusCode"]
        self.assertTrue(400 <= status < 500, status)
        self.assertIn("GetSessionToken", str(caught.exception))

    def test_forms(self):
        """The action stands in the body or in the URL; without one the answer is still XML."""
        scope = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20261120/us-east-1/sts/"
                                  "aws4_request, SignedHeaders=host, Signature=0",
                 "Content-Type": "application/x-www-form-urlencoded"}
        good = "Action=GetCallerIdentity&Version=2011-06-15"
        for method, path, body, status in (
                ("POST", "/", good, 200), ("GET", "/?" + good, None, 200),
                ("POST", "/", "", 400), ("POST", "/", "Action=", 400), ("POST", "/", "Action=%zz", 400),
                ("POST", "/", "Action=Nonsense", 400), ("POST", "/", "\0" * 2000, 400)):
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
            connection.request(method, path, body, scope)
            answer = connection.getresponse()
            text = answer.read()
            self.assertEqual(answer.status, status, (body, text))
            self.assertIn(b"<", text)
            connection.close()


if __name__ == "__main__":
    unittest.main()
