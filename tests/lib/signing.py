"""Requests signed by botocore, the SDKs' own signer, to be altered and sent as they are."""
import datetime
import http.client
import unittest.mock
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials


class Signed:
    """age: seconds ago. expires: of a presigned URL; None: signed by header."""

    def __init__(self, endpoint, key, secret, method="GET", target="/", headers=None, body=b"",
                 service="lambda", region="us-east-1", token=None, age=0, expires=None):
        request = botocore.awsrequest.AWSRequest(method, endpoint + target, headers=headers or {},
                                                 data=body)
        credentials = botocore.credentials.Credentials(key, secret, token)
        if expires is None:
            signer = botocore.auth.SigV4Auth(credentials, service, region)
        else:
            signer = botocore.auth.SigV4QueryAuth(credentials, service, region, expires)
        then = datetime.datetime.utcnow() - datetime.timedelta(seconds=age)
        with unittest.mock.patch("botocore.auth.datetime") as clock:
            clock.datetime.utcnow.return_value = then
            signer.add_auth(request)
        url = urllib.parse.urlsplit(request.prepare().url)
        self.address = url.netloc
        self.method, self.body = method, body
        self.target = url.path + ("?" + url.query if url.query else "")
        self.headers = {name: value if isinstance(value, str) else value.decode()
                        for name, value in request.headers.items()}
        self.headers.setdefault("Host", url.netloc)

    def send(self):
        """(status, headers, text)."""
        connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            connection.putrequest(self.method, self.target, skip_host=True,
                                  skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            if self.body:
                connection.putheader("Content-Length", str(len(self.body)))
            connection.endheaders(self.body or None)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()
