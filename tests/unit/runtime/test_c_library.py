"""The library for functions in C (bootstraps/c) against a platform that the test plays: frames over a
socketpair, and the Runtime API over HTTP as servers differ in it. The first argument is the program
tests/lib/c_function.c."""
import base64
import json
import os
import socket
import struct
import subprocess
import sys
import time
import unittest

PROGRAM = os.path.abspath(sys.argv.pop(1))
HEADER = struct.Struct("<IBBHI")
INVOKE, SHUTDOWN, READY, INIT_ERROR, RESPONSE, ERROR = 2, 3, 16, 17, 18, 19
STREAM_HEAD, STREAM_CHUNK, STREAM_END = 21, 22, 23
ARN = "arn:aws:lambda:eu-west-1:000000000000:function:f"
ENVIRONMENT = {
    "AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
    "AWS_LAMBDA_LOG_STREAM_NAME": "stream", "_HANDLER": "h",
    **{name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")},
}
CONTEXT = {
    "request_id": "req-1", "arn": ARN, "trace_id": "Root=1", "trace_variable": "Root=1",
    "client_context": '{"c": 1}', "cognito_identity": "", "name": "f", "version": "$LATEST",
    "log_group": "/aws/lambda/f", "log_stream": "stream", "fd_variable": "", "memory": 128,
}
FAILURE = {"errorMessage": 'no order "7"', "errorType": "Orders.NotFound"}


def start(env, pass_fds=()):
    return subprocess.Popen([PROGRAM], env={**ENVIRONMENT, **env}, pass_fds=pass_fds,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


class Peer:
    """What both ways have in common: the process, and a socket read to the byte."""

    def exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise EOFError(data)
            data += piece
        return data

    def end(self):
        """(exit code, what was printed) after the platform has gone."""
        self.socket.close()
        output = self.process.communicate(timeout=20)[0].decode()
        return self.process.returncode, output


class Framed(Peer):
    def __init__(self, **env):
        self.socket, inside = socket.socketpair()
        self.socket.settimeout(20)
        self.process = start({"VIRGA_RUNTIME_FD": str(inside.fileno()),
                              "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1", **env}, [inside.fileno()])
        inside.close()
        self.seq = 0

    def frame(self):
        size, kind, flags, zero, seq = HEADER.unpack(self.exactly(HEADER.size))
        assert flags == 0 and zero == 0
        return kind, seq, self.exactly(size)

    def ready(self):
        assert self.frame() == (READY, 0, b"")
        return self

    def invoke_bytes(self, event, deadline_ms, context=('req-1', ARN, 'Root=1', '{"c": 1}', '')):
        self.seq += 1
        body = struct.pack("<q", deadline_ms)
        for text in context:
            body += struct.pack("<H", len(text)) + text.encode()
        body += event
        return HEADER.pack(len(body), INVOKE, 0, 0, self.seq) + body

    def call(self, event, deadline_ms=None):
        """The frames of the answer, as (type, payload)."""
        data = event if isinstance(event, bytes) else json.dumps(event).encode()
        self.socket.sendall(self.invoke_bytes(data, deadline_ms or int(time.time() * 1000) + 5000))
        frames = []
        while not frames or frames[-1][0] not in (RESPONSE, ERROR):
            kind, seq, payload = self.frame()
            assert seq == self.seq
            frames.append((kind, payload))
        return frames


class Frames(unittest.TestCase):
    def setUp(self):
        self.peer = Framed().ready()

    def tearDown(self):
        if self.peer.process.returncode is None:
            self.assertEqual(self.peer.end()[0], 0)

    def result(self, event):
        [(kind, payload)] = self.peer.call(event)
        self.assertEqual(kind, RESPONSE, payload)
        return json.loads(payload)

    def test_context(self):
        deadline = int(time.time() * 1000) + 60000
        got = json.loads(self.peer.call("context", deadline)[0][1])
        self.assertEqual(got.pop("deadline_ms"), deadline)
        self.assertTrue(50000 < got.pop("remaining_ms") <= 60000)
        self.assertEqual(got, CONTEXT)
        self.assertEqual(json.loads(self.peer.call("context", 1000)[0][1])["remaining_ms"], 0)

    def test_answers(self):
        self.assertEqual(self.result({"a": [1, 2]}), {"a": [1, 2]})
        self.assertIsNone(self.result("nothing"))
        self.assertEqual(self.result("string"), 'a"b\\c\n\t\x01é')
        self.assertEqual(self.result("count"), 4)

    def test_large(self):
        for size in (65536 - 130, 65536, 70000, 6000000):
            self.assertEqual(self.result("size" + "y" * size), size + 6)
            self.assertEqual(self.result(f"large {size}"), "x" * size)

    def test_failures(self):
        [(kind, payload)] = self.peer.call("fail")
        error = json.loads(payload)
        [place] = error.pop("stackTrace")
        self.assertEqual((kind, error), (ERROR, FAILURE))
        self.assertRegex(place, r"c_function\.c:\d+ in handle$")
        self.assertEqual(self.result("count"), 2)
        self.assertIn('[ERROR] {"errorMessage":"no order', self.peer.end()[1])

    def test_streams(self):
        head, *chunks, end, last = self.peer.call("stream")
        self.assertEqual((head, end, last),
                         ((STREAM_HEAD, b"text/plain"), (STREAM_END, b""), (RESPONSE, b"")))
        self.assertEqual(b"".join(piece for _, piece in chunks), b"before 0\r\n1\r\n2\r\n")
        self.assertEqual({kind for kind, _ in chunks}, {STREAM_CHUNK})
        head, *chunks, end, last = self.peer.call("stream large")
        self.assertEqual(head, (STREAM_HEAD, b"application/octet-stream"))
        self.assertEqual(json.loads(b"".join(piece for _, piece in chunks)), "x" * 200000)
        self.assertTrue(all(0 < len(piece) <= 65536 for _, piece in chunks))
        head, *chunks, (kind, error) = self.peer.call("stream fail")
        self.assertEqual(b"".join(piece for _, piece in chunks), b"before 0\r\n1\r\n2\r\n")
        self.assertEqual((kind, json.loads(error)["errorType"]), (ERROR, "Stream.Broken"))

    def test_output_comes_before_the_answer(self):
        self.assertIsNone(self.result("print"))
        self.assertEqual(os.read(self.peer.process.stdout.fileno(), 1000).count(b"to the log"), 2)

    def test_shutdown_behind_an_invocation(self):
        data = self.peer.invoke_bytes(b'"x"', 1) + HEADER.pack(0, SHUTDOWN, 0, 0, 0)
        self.peer.socket.sendall(data)
        self.assertEqual(self.peer.frame(), (RESPONSE, 1, b'"x"'))
        self.assertEqual(self.peer.end()[0], 0)

    def test_init_error(self):
        peer = Framed(_HANDLER="init-fail")
        kind, seq, payload = peer.frame()
        self.assertEqual((kind, seq, json.loads(payload)), (INIT_ERROR, 0, {
            "errorMessage": "no luck", "errorType": "Init.NoLuck", "stackTrace": []}))
        self.assertEqual(peer.end()[0], 1)

    def test_cut_short(self):
        self.peer.socket.sendall(HEADER.pack(9, INVOKE, 0, 0, 1) + bytes(8) + b"\x09")
        code, output = self.peer.process.wait(20), self.peer.process.stdout.read()
        self.assertEqual((code, output), (1, b"virga_lambda: an invocation that is cut short\n"))
        self.peer.end()


class Api(Peer):
    """The Runtime API, spoken by hand: one connection at a time, answers byte by byte as given."""

    def __init__(self, **env):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(20)
        host = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.process = start({"VIRGA_RUNTIME_FD": "", "AWS_LAMBDA_RUNTIME_API": host, **env})
        self.accept()

    def accept(self):
        self.socket = self.listener.accept()[0]
        self.socket.settimeout(20)

    def line(self):
        data = b""
        while not data.endswith(b"\r\n"):
            data += self.exactly(1)
        return data[:-2].decode()

    def headers(self):
        found = {}
        while text := self.line():
            name, value = text.split(": ", 1)
            found[name.lower()] = value
        return found

    def request(self):
        """(request line, headers, body, trailers)"""
        first, headers, body, trailers = self.line(), self.headers(), b"", {}
        if "content-length" in headers:
            body = self.exactly(int(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked":
            while size := int(self.line(), 16):
                body += self.exactly(size)
                assert self.exactly(2) == b"\r\n"
            trailers = self.headers()
        return first, headers, body, trailers

    def give(self, event, more="", pieces=None):
        first, headers, body, _ = self.request()
        assert first == "GET /2018-06-01/runtime/invocation/next HTTP/1.1", first
        assert not body
        head = ("HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: req-1\r\n"
                f"Lambda-Runtime-Deadline-Ms: {int(time.time() * 1000) + 60000}\r\n"
                f"Lambda-Runtime-Invoked-Function-Arn:{ARN}\r\nLambda-Runtime-Trace-Id: Root=1\r\n"
                f'Lambda-Runtime-Client-Context: {{"c": 1}}\r\n{more}')
        if pieces is None:
            head += f"Content-Length: {len(event)}\r\n\r\n"
            self.socket.sendall(head.encode() + event)
            return
        self.socket.sendall((head + "Transfer-Encoding: chunked\r\n\r\n").encode())
        for piece in pieces:
            self.socket.sendall(f"{len(piece):X};x=y\r\n".encode() + piece + b"\r\n")
        self.socket.sendall(b"0\r\nTrailer: x\r\n\r\n")

    def taken(self, status="202 Accepted", more=""):
        got = self.request()
        self.socket.sendall(f'HTTP/1.1 {status}\r\n{more}Content-Length: 4\r\n\r\n"ok"'.encode())
        return got

    def call(self, event, **options):
        self.give(json.dumps(event).encode(), **options)
        return self.taken()

    def end(self):
        self.listener.close()
        return super().end()


class Http(unittest.TestCase):
    def setUp(self):
        self.peer = Api()

    def tearDown(self):
        if self.peer.process.returncode is None:
            self.assertEqual(self.peer.end()[0], 1)  # AWS ends the process, never the API alone

    def test_context(self):
        first, headers, body, _ = self.peer.call("context")
        self.assertEqual(first, "POST /2018-06-01/runtime/invocation/req-1/response HTTP/1.1")
        self.assertEqual(headers["content-type"], "application/json")
        self.assertRegex(headers["host"], r"^127\.0\.0\.1:\d+$")
        got = json.loads(body)
        self.assertTrue(got.pop("deadline_ms") > time.time() * 1000)
        self.assertTrue(50000 < got.pop("remaining_ms") <= 60000)
        self.assertEqual(got, CONTEXT)

    def test_chunks_and_sizes(self):
        for size in (0, 1, 65536, 3000000):
            data = json.dumps("y" * size).encode()
            self.peer.give(data, pieces=[data[at:at + 70000] for at in range(0, len(data), 70000)])
            self.assertEqual(self.peer.taken()[2], data)
            self.peer.give(data)
            self.assertEqual(self.peer.taken()[2], data)

    def test_failures(self):
        first, headers, body, _ = self.peer.call("fail")
        self.assertEqual(first, "POST /2018-06-01/runtime/invocation/req-1/error HTTP/1.1")
        self.assertEqual(headers["lambda-runtime-function-error-type"], "Orders.NotFound")
        error = json.loads(body)
        self.assertRegex(error.pop("stackTrace")[0], r"c_function\.c:\d+ in handle$")
        self.assertEqual(error, FAILURE)

    def test_streams(self):
        first, headers, body, trailers = self.peer.call("stream")
        self.assertEqual(first, "POST /2018-06-01/runtime/invocation/req-1/response HTTP/1.1")
        self.assertEqual((headers["content-type"], headers["lambda-runtime-function-response-mode"]),
                         ("text/plain", "streaming"))
        self.assertEqual((body, trailers), (b"before 0\r\n1\r\n2\r\n", {}))
        _, _, body, trailers = self.peer.call("stream fail")
        self.assertEqual(body, b"before 0\r\n1\r\n2\r\n")
        self.assertEqual(trailers["lambda-runtime-function-error-type"], "Stream.Broken")
        error = json.loads(base64.b64decode(trailers["lambda-runtime-function-error-body"]))
        self.assertEqual(error["errorMessage"], "in the middle")
        self.assertEqual(json.loads(self.peer.call("count")[2]), 3)

    def test_connections_that_end(self):
        self.peer.give(b'"count"', more="Connection: close\r\n")
        self.peer.socket.close()
        self.peer.accept()  # announced
        self.assertEqual(self.peer.taken()[2], b"1")
        self.peer.socket.close()
        self.peer.accept()  # not announced: between two requests
        self.assertEqual(self.peer.call("count")[2], b"2")

    def test_refused_answers(self):
        for status in ("413 Too Large", "400 Bad Request"):
            self.peer.give(b'"count"')
            self.peer.taken(status)
        self.assertEqual(self.peer.call("count")[2], b"3")
        self.assertIn('the answer was refused: 413 "ok"\n', self.peer.end()[1])

    def test_refused_work(self):
        self.peer.taken("500 Oh")
        self.assertIn(b'the Runtime API answers 500: "ok"', self.peer.process.communicate(timeout=20)[0])
        self.assertEqual(self.peer.end()[0], 1)

    def test_answers_that_are_none(self):
        for answer in (b"\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
                       b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n"):
            peer = Api()
            for _ in range(2):
                peer.request()
                peer.socket.sendall(answer)
                peer.socket.close()
                if _ == 0:
                    peer.accept()
            self.assertIn(b"has ended", peer.process.communicate(timeout=20)[0])
            self.assertEqual(peer.end()[0], 1)

    def test_init_error(self):
        peer = Api(_HANDLER="init-fail")
        first, headers, body, _ = peer.taken()
        self.assertEqual(first, "POST /2018-06-01/runtime/init/error HTTP/1.1")
        self.assertEqual(headers["lambda-runtime-function-error-type"], "Init.NoLuck")
        self.assertEqual(json.loads(body)["errorMessage"], "no luck")
        self.assertEqual(peer.end()[0], 1)


class Neither(unittest.TestCase):
    def check(self, message, **env):
        process = start(env)
        output = process.communicate(timeout=20)[0].decode()
        self.assertEqual(process.returncode, 1)
        self.assertIn(message, output)

    def test_without_a_platform(self):
        self.check("neither VIRGA_RUNTIME_FD nor AWS_LAMBDA_RUNTIME_API is set")
        self.check("VIRGA_RUNTIME_FD is 'x', not a descriptor", VIRGA_RUNTIME_FD="x")
        self.check("descriptor 99 is not open", VIRGA_RUNTIME_FD="99")
        self.check("not an IPv4 address and a port", AWS_LAMBDA_RUNTIME_API="example:80")
        self.check("not an IPv4 address and a port", AWS_LAMBDA_RUNTIME_API="127.0.0.1:99999")
        with socket.create_server(("127.0.0.1", 0)) as closed:
            address = f"127.0.0.1:{closed.getsockname()[1]}"
        self.check("connect to the Runtime API at " + address, AWS_LAMBDA_RUNTIME_API=address)


if __name__ == "__main__":
    unittest.main()
