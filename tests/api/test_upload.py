"""Payloads that an operation takes in pieces: coding, signatures, refusals, clients that leave; and
files sent as answers. Against tests/gateway/target.c."""
import binascii
import base64
import hashlib
import hmac
import http.client
import os
import re
import socket
import subprocess
import tempfile
import unittest

from signing import Signed

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("VIRGA_BUILD", os.path.join(ROOT, "build"))
KEY, SECRET = "AKIDZOO", "secret-of-the-zoo"
PIECE_MAX = 512 * 1024  # 256 kB are kept, and what one read brings


class Upload(unittest.TestCase):
    file = None

    def serve(self, *arguments):
        target = subprocess.Popen([f"{BUILD}/tests/gateway/gateway_target", self.file or "/dev/null", *arguments],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.stop, target)
        self.port = int(target.stdout.readline().split()[1])
        self.target = target

    def stop(self, target):
        target.terminate()
        _, errors = target.communicate(timeout=20)
        self.assertEqual((target.returncode, [line for line in errors.splitlines() if "being sent" not in line]), (0, []))

    def peak_kb(self):
        if "asan" in BUILD:
            return 0  # says nothing there
        with open(f"/proc/{self.target.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmHWM:\s+(\d+)", status.read())[1])

    def ask(self, body, path, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers.setdefault("Authorization", "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/zoo/aws4_request, "
                                            "SignedHeaders=host, Signature=0")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self.addCleanup(connection.close)
        connection.request("POST", path, body, headers)
        return connection

    def post(self, body, path="/bytes", raw=False, **headers):
        answer = self.ask(body, path, **headers).getresponse()
        read = answer.read()
        return answer.status, answer.headers.get("x-amzn-ErrorType"), read if raw else read.decode()

    def discarded(self):
        return int(self.post(b"", "/text")[2].split()[0])

    def taken(self, answer, body):
        status, _, text = answer
        self.assertEqual(status, 200, text)
        count, digest, piece_max = text.split()
        self.assertEqual((int(count), digest), (len(body), hashlib.sha256(body).hexdigest()))
        self.assertLessEqual(int(piece_max), PIECE_MAX)

    def test_more_than_memory(self):
        self.serve()
        block = os.urandom(1 << 20)
        total, digest = 200, hashlib.sha256()
        for _ in range(total):
            digest.update(block)
        for chunked in False, True:
            headers = {} if chunked else {"Content_Length": str(total << 20)}
            status, _, text = self.post((block for _ in range(total)), **headers)
            self.assertEqual((status, text.split()[:2]), (200, [str(total << 20), digest.hexdigest()]))
            self.assertLessEqual(int(text.split()[2]), PIECE_MAX)
        self.assertLess(self.peak_kb(), 30 * 1024)

    def test_small_ones_and_none(self):
        self.serve()
        self.assertEqual(self.post(b""), (200, None, "nothing"))
        for size in 1, 1000, 65536, 65537, 300000:
            body = os.urandom(size)
            self.taken(self.post(body), body)
        self.assertEqual(self.discarded(), 0)

    def test_http2(self):
        self.serve()
        body = os.urandom(3000000)
        done = subprocess.run(["curl", "-s", "--http2-prior-knowledge", "--data-binary", "@-", "-H",
                               "Authorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/zoo/aws4_request, "
                               "SignedHeaders=host, Signature=0", f"http://127.0.0.1:{self.port}/bytes"],
                              input=body, capture_output=True, timeout=60, check=True)
        self.taken((200, None, done.stdout.decode()), body)

    def test_a_refusal_comes_in_the_middle(self):
        self.serve()
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        connection.sendall(b"POST /bytes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\nAuthorization: "
                           b"AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/zoo/aws4_request, SignedHeaders=host, "
                           b"Signature=0\r\n\r\nrefuse")
        answer = b""
        while more := connection.recv(65536):
            answer += more
        self.assertTrue(answer.startswith(b"HTTP/1.1 409 "), answer)
        self.assertIn(b"as you wish", answer)
        self.assertEqual(self.discarded(), 1)

    def test_clients_that_leave(self):
        self.serve()
        head = (b"POST /bytes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\nAuthorization: AWS4-HMAC-SHA256 "
                b"Credential=a/20260101/us-east-1/zoo/aws4_request, SignedHeaders=host, Signature=0\r\n\r\n")
        for sent in 1, 1000, 400000:
            for _ in range(5):
                connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
                connection.sendall(head + b"x" * sent)
                connection.close()
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        connection.sendall(head)
        connection.close()
        while self.discarded() < 15:  # each costs a round trip; the runner bounds the time
            pass
        self.assertEqual(self.discarded(), 15)

    def test_signed(self):
        self.serve(KEY, SECRET)
        endpoint = f"http://127.0.0.1:{self.port}"
        body = os.urandom(500000)
        digest = hashlib.sha256(body).hexdigest()

        def signed(sent, claimed, secret=SECRET):
            headers = {"x-amz-content-sha256": claimed} if claimed else {}
            request = Signed(endpoint, KEY, secret, "POST", "/bytes", headers, sent, service="zoo")
            return request

        self.taken(signed(body, digest).send(), body)
        self.taken(signed(body, "UNSIGNED-PAYLOAD").send(), body)
        altered = signed(body, digest)
        altered.body = body[:-1] + bytes([body[-1] ^ 1])
        status, headers, text = altered.send()
        self.assertEqual((status, headers["x-amzn-ErrorType"]), (400, "XAmzContentSHA256Mismatch"), text)
        status, headers, text = signed(body, digest, "wrong").send()
        self.assertEqual((status, headers["x-amzn-ErrorType"]), (403, "InvalidSignatureException"), text)
        status, headers, text = signed(body, None).send()
        self.assertEqual(status, 400, text)
        self.assertIn("x-amz-content-sha256", text)

    def test_files_are_sent(self):
        with tempfile.NamedTemporaryFile() as file:
            block = os.urandom(1 << 20)
            for _ in range(100):
                file.write(block)
            file.flush()
            self.file = file.name
            self.serve()
            whole = self.post(b"0 104857600", "/text", raw=True)[2]
            self.assertEqual(whole, block * 100)
            self.assertEqual(self.post(b"1048570 20", "/text", raw=True)[2], (block * 2)[1048570:1048590])
            self.assertEqual(self.post(b"7 0", "/text", raw=True)[2], b"")
            with self.assertRaises(http.client.IncompleteRead):  # the file has less than was announced
                self.post(b"104857000 1000", "/text", raw=True)
            self.assertLess(self.peak_kb(), 30 * 1024)

    def test_who_leaves_while_a_file_is_sent(self):
        with tempfile.NamedTemporaryFile() as file:
            file.truncate(1 << 30)
            self.file = file.name
            self.serve()
            for taken in 0, 100, 3000000:
                connection = self.ask(b"0 1073741824", "/text")
                answer = connection.getresponse()
                answer.read(taken)
                self.assertEqual(self.post(b"", "/text")[2].split()[1], "1")  # it waits for its client
                connection.sock.shutdown(socket.SHUT_RDWR)
                connection.close()
                while self.post(b"", "/text")[2].split()[1] != "0":
                    pass

    def chunks(self, pieces, trailer=None, sign=None):
        """aws-chunked; sign(previous, data) gives the next signature."""
        previous, out = sign and sign(None, None), b""
        for piece in [*pieces, b""]:
            extension = b""
            if sign:
                previous = sign(previous, piece)
                extension = b";chunk-signature=" + previous.encode()
            out += b"%x" % len(piece) + extension + b"\r\n" + piece + (b"\r\n" if piece else b"")
        return out + (trailer or b"") + b"\r\n"

    def test_aws_chunked_with_a_checksum_behind(self):
        self.serve()
        body = os.urandom(400000)
        crc = base64.b64encode(binascii.crc32(body).to_bytes(4, "big"))
        head = {"x_amz_content_sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "Content_Encoding": "aws-chunked",
                "x_amz_decoded_content_length": str(len(body)), "x_amz_trailer": "x-amz-checksum-crc32"}
        pieces = [body[:100], body[100:200000], body[200000:]]
        good = self.chunks(pieces, b"x-amz-checksum-crc32:" + crc + b"\r\n")
        self.taken(self.post(good, **head), body)
        bad = self.chunks(pieces, b"x-amz-checksum-crc32:AAAAAA==\r\n")
        self.assertEqual(self.post(bad, **head)[:2], (400, "BadDigest"))
        self.assertEqual(self.post(good[:-40], **head)[:2], (400, "IncompleteBody"))
        crc = base64.b64encode(binascii.crc32(body[:200000]).to_bytes(4, "big"))
        short = self.chunks(pieces[:2], b"x-amz-checksum-crc32:" + crc + b"\r\n")
        self.assertEqual(self.post(short, **head)[:2], (400, "IncompleteBody"))
        self.assertEqual(self.post(b"zz\r\n" + good, **head)[:2], (400, "IncompleteBody"))
        self.assertEqual(self.post(good, **{**head, "x_amz_trailer": "x-amz-other"})[:2], (400, "MalformedTrailerError"))

    def test_aws_chunked_signed(self):
        self.serve(KEY, SECRET)
        body = os.urandom(200000)
        form = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
        headers = {"x-amz-content-sha256": form, "x-amz-decoded-content-length": str(len(body)),
                   "Content-Encoding": "aws-chunked"}

        def request(flip=False):
            signed = Signed(f"http://127.0.0.1:{self.port}", KEY, SECRET, "POST", "/bytes", headers, b"", service="zoo")
            time, day = signed.headers["X-Amz-Date"], signed.headers["X-Amz-Date"][:8]
            key = ("AWS4" + SECRET).encode()
            for part in day, "us-east-1", "zoo", "aws4_request":
                key = hmac.digest(key, part.encode(), "sha256")

            def sign(previous, data):
                if previous is None:
                    return signed.headers["Authorization"].rpartition("Signature=")[2]
                text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", time, f"{day}/us-east-1/zoo/aws4_request", previous,
                                  hashlib.sha256(b"").hexdigest(), hashlib.sha256(data).hexdigest()])
                return hmac.digest(key, text.encode(), "sha256").hex()

            signed.body = self.chunks([body[:65536], body[65536:131072], body[131072:]], sign=sign)
            if flip:
                signed.body = signed.body[:100000] + bytes([signed.body[100000] ^ 1]) + signed.body[100001:]
            return signed.send()

        self.taken(request(), body)
        status, answer, text = request(flip=True)
        self.assertEqual((status, answer["x-amzn-ErrorType"]), (403, "SignatureDoesNotMatch"), text)


if __name__ == "__main__":
    unittest.main()
