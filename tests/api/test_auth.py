"""The secure default: only what is signed by a key that Virga issued gets in, and what is refused is
refused in AWS's words."""
import datetime
import http.client
import os
import re
import unittest

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions

from server import Server


def keys_of(server):
    text = "".join(server.banner)
    return tuple(re.search(rf"{name}=(\S+)", text).group(1)
                 for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))


class AuthTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(dev=False)
        cls.key, cls.secret = keys_of(cls.server)

    @classmethod
    def tearDownClass(cls):
        try:
            cls.server.stop()
        finally:
            cls.server.remove()

    def refused(self, status, code, **credentials):
        options = {"key": self.key, "secret": self.secret, **credentials}
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            self.server.client(**options).list_functions()
        answer = caught.exception.response
        self.assertEqual((answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]),
                         (status, code))
        return answer["Error"]["Message"]

    def raw(self, headers=None, service="lambda", age=0, path="/2015-03-31/functions/"):
        """A request signed here, `age` seconds ago; (status, error type, body)."""
        url = self.server.endpoint + path
        request = botocore.awsrequest.AWSRequest("GET", url, headers=headers or {})
        if headers is None:
            signer = botocore.auth.SigV4Auth(
                botocore.credentials.Credentials(self.key, self.secret), service, "us-east-1")
            now = datetime.datetime.utcnow() - datetime.timedelta(seconds=age)
            request.context["timestamp"] = now.strftime("%Y%m%dT%H%M%SZ")
            signer._modify_request_before_signing(request)  # add_auth would draw its own time
            canonical = signer.canonical_request(request)
            signature = signer.signature(signer.string_to_sign(request, canonical), request)
            signer._inject_signature_to_request(request, signature)
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        connection.request("GET", path, headers=dict(request.headers))
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return response.status, response.getheader("x-amzn-ErrorType"), body

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
            key, secret = keys_of(server)
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
