"""src/net against the HTTP implementations inside Node and curl, through tests/net/net_target."""
import os
import socket
import ssl
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("VIRGA_BUILD", os.path.join(ROOT, "build"))
NODE = "/usr/bin/node"


class Net(unittest.TestCase):
    def setUp(self):
        self.tls = tempfile.TemporaryDirectory()
        self.addCleanup(self.tls.cleanup)
        self.cert = f"{self.tls.name}/cert.pem"
        self.target = subprocess.Popen([f"{BUILD}/tests/net/net_target", self.tls.name], stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
        self.port = int(self.target.stdout.readline().split()[1])

    def tearDown(self):
        self.target.terminate()
        _, errors = self.target.communicate(timeout=20)
        self.assertEqual((self.target.returncode, errors), (0, ""))

    def node(self, script, *arguments):
        done = subprocess.run([NODE, f"{ROOT}/tests/net/{script}", *arguments], text=True,
                              capture_output=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_http1_as_node_reads_it(self):
        for seed in "1", "2", "3":
            self.node("differential.mjs", str(self.port), "4000", seed)

    def test_http2_of_node(self):
        self.node("http2.mjs", f"http://127.0.0.1:{self.port}")

    def test_http2_of_node_over_tls(self):
        self.node("http2.mjs", f"https://localhost:{self.port}", self.cert)

    def test_tls_of_curl(self):
        for version in "--http1.1", "--http2":
            done = subprocess.run(
                ["curl", "-sS", version, "--cacert", self.cert, "-d", "@/etc/services", "-w",
                 "%{http_version}", f"https://localhost:{self.port}/x",
                 f"https://localhost:{self.port}/y"],
                capture_output=True, text=True, timeout=20, check=True)
            self.assertEqual(done.stdout.count("\nB "), 2)
            self.assertTrue(done.stdout.endswith(version.removeprefix("--http")))

    def tls_connect(self, name="localhost", context=None, **options):
        context = context or ssl.create_default_context(cafile=self.cert)
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        return context.wrap_socket(plain, server_hostname=name, **options)

    def test_tls_names_versions_and_tickets(self):
        for name in ("localhost", "localhost.localstack.cloud", "s3.localhost.localstack.cloud", "127.0.0.1"):
            self.tls_connect(name).close()
        with self.assertRaises(ssl.SSLError):
            self.tls_connect("example.org")
        old = ssl.create_default_context(cafile=self.cert)
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, ConnectionResetError)):
            self.tls_connect(context=old)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.create_default_context(cafile=self.cert)
            context.minimum_version = context.maximum_version = version
            first = self.tls_connect(context=context)
            self.assertIn(b"200 OK", self.get(first))
            again = self.tls_connect(context=context, session=first.session)
            self.assertTrue(again.session_reused, version)
            self.assertIn(b"200 OK", self.get(again))

    def get(self, connection, path="/"):
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while more := connection.recv(65536):
            answer += more
        return answer

    def test_tls_records_hold_several_requests(self):
        connection = self.tls_connect()
        request = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n" + "z" * 4000
        connection.sendall((request * 20).encode())
        self.assertEqual(self.get(connection).count(b"\nB " + b"7a" * 4000), 20)

    def test_tls_streams(self):
        self.assertEqual(len(self.get(self.tls_connect(), "/down/9000000").split(b"x" * 100)),
                         len(self.get(self.plain(), "/down/9000000").split(b"x" * 100)))
        connection = self.tls_connect()
        connection.sendall(b"PUT /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" +
                           b"abc" * 100000)
        self.assertIn(b"\r\n\r\n300000 ", self.get(connection))

    def flood(self, frames):
        """Sends frames over TLS without reading until the server gives up; how many it took."""
        context = ssl.create_default_context(cafile=self.cert)
        context.set_alpn_protocols(["h2"])
        connection = self.tls_connect(context=context)
        self.assertEqual(connection.selected_alpn_protocol(), "h2")
        settings = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings)
        sent = 0
        try:
            for sent, frame in enumerate(frames):
                connection.sendall(frame)
        except (ConnectionError, ssl.SSLError):
            pass
        return sent

    def test_floods_over_tls_end_the_connection(self):
        ping = b"\x00\x00\x08\x06\x00\x00\x00\x00\x00" + b"12345678"
        self.assertLess(self.flood(ping * 10 for _ in range(100000)), 99999)
        get = b"\x82\x86\x84\x41\x01a"  # GET, http, /, :authority a (RFC 7541)
        def reset_at_once():
            for stream in range(1, 400001, 2):
                number = stream.to_bytes(4, "big")
                yield (len(get).to_bytes(3, "big") + b"\x01\x05" + number + get +
                       b"\x00\x00\x04\x03\x00" + number + b"\x00\x00\x00\x08")
        self.assertLess(self.flood(reset_at_once()), 199999)
        self.assertIn(b"200 OK", self.get(self.tls_connect()))

    def plain(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def test_no_handshake_and_half_a_handshake_end_in_time(self):
        for start in b"\x16", b"\x16\x03\x01\x02\x00\x01", b"GET / HT", b"PRI * HTTP/2":
            connection = self.plain()
            connection.sendall(start)
            self.assertLess(len(connection.recv(4096)), 4096)  # within the head's time-out
        connection = self.plain()
        connection.sendall(b"\x16\x03\x01\x00\x05hello")
        self.assertLess(len(connection.recv(4096)), 100)

    def test_http2_of_curl(self):
        done = subprocess.run(
            ["curl", "-sS", "--http2-prior-knowledge", "-d", "hello", "-w", "%{http_version}",
             f"http://127.0.0.1:{self.port}/x"], capture_output=True, text=True, timeout=20,
            check=True)
        self.assertTrue(done.stdout.endswith("\n2"), done.stdout)
        self.assertIn("B " + b"hello".hex(), done.stdout)
