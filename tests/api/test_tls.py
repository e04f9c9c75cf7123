"""https on the same port as http, with a certificate made at the first start or a given one."""
import os
import ssl
import subprocess
import tempfile
import unittest
import urllib.request

from server import VIRGA, Server


def health(server, cafile, name="localhost"):
    context = ssl.create_default_context(cafile=cafile)
    url = f"https://{name}:{server.port}/_virga/health"
    with urllib.request.urlopen(url, context=context, timeout=20) as answer:
        return answer.read()


class TlsTest(unittest.TestCase):
    def test_https_works_at_once_and_after_a_restart(self):
        with tempfile.TemporaryDirectory() as folder:
            data = os.path.join(folder, "data")
            seen = set()
            for _ in range(2):
                with Server(data=data) as server:
                    cafile = os.path.join(data, "data", "tls", "cert.pem")
                    self.assertIn(b"running", health(server, cafile))
                    self.assertIn(b"running", health(server, cafile, "127.0.0.1"))
                    with open(cafile, encoding="ascii") as file:
                        seen.add(file.read())
            self.assertEqual(len(seen), 1)

    def test_given_files_are_used_and_checked(self):
        with tempfile.TemporaryDirectory() as folder:
            cert, key = os.path.join(folder, "c.pem"), os.path.join(folder, "k.pem")
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                 "/CN=x", "-addext", "subjectAltName=DNS:localhost", "-out", cert, "-keyout", key],
                check=True, capture_output=True)
            with Server("--tls-cert", cert, "--tls-key", key) as server:
                self.assertIn(b"running", health(server, cert))
            for options in ["--tls-cert", cert], ["--tls-cert", cert, "--tls-key", cert]:
                done = subprocess.run([VIRGA, "serve", "--listen", "127.0.0.1:0", "--data", folder,
                                       *options], capture_output=True, text=True, timeout=20,
                                      check=False)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn("tls", done.stderr.lower())
