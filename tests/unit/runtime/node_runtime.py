"""Drives the Node bootstrap over a socketpair, without a sandbox. The tests that import this are
given the folder that holds bootstrap.cjs as their first argument."""
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

BOOTSTRAP_DIR = os.path.abspath(sys.argv.pop(1))
NODE = "/usr/bin/node"
HEADER = struct.Struct("<IBBHI")
INVOKE, SHUTDOWN = 2, 3
READY, INIT_ERROR, RESPONSE, ERROR, BOOTED = 16, 17, 18, 19, 20
STREAM_HEAD, STREAM_CHUNK, STREAM_END, LAST = 21, 22, 23, 24
ARN = "arn:aws:lambda:eu-west-1:000000000000:function:f"
NOT_SETTLED = ("The Lambda runtime client detected an unexpected Node.js exit code. This is most "
               "commonly caused by a Promise that was never settled. For more information, see "
               "https://nodejs.org/docs/latest/api/process.html#exit-codes")


class Runtime:
    """A bootstrap process with its socket, its log pipe and a folder of code."""

    def __init__(self, code="", handler="app.handler", env=None, files=None, generation=20):
        self.task = tempfile.mkdtemp()
        for name, text in {"app.js": code, **(files or {})}.items():
            path = os.path.join(self.task, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        self.socket, inside = socket.socketpair()
        self.socket.settimeout(30)
        environ = {
            "_HANDLER": handler,
            "LAMBDA_TASK_ROOT": self.task,
            "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
            "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_nodejs{generation}.x",
            "PATH": "/usr/bin:/bin",
            **(env or {}),
        }

        def child():
            os.dup2(inside.fileno(), 3, inheritable=True)

        self.process = subprocess.Popen(
            [NODE, os.path.join(BOOTSTRAP_DIR, "bootstrap.cjs")], env=environ, cwd=self.task,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=child, close_fds=False)
        inside.close()
        self.seq = 0
        self.output = b""
        self.reader = threading.Thread(target=self.read_output, daemon=True)
        self.reader.start()

    def read_output(self):
        while piece := os.read(self.process.stdout.fileno(), 65536):
            self.output += piece

    def exactly(self, count):
        data = bytearray()
        while len(data) < count:
            piece = self.socket.recv(min(count - len(data), 1 << 20))
            if not piece:
                raise EOFError
            data += piece
        return bytes(data)

    def frame(self):
        size, kind, flags, zero, seq = HEADER.unpack(self.exactly(HEADER.size))
        assert flags == 0 and zero == 0
        return kind, seq, self.exactly(size)

    def start(self):
        assert self.frame() == (BOOTED, 0, b"")
        return self.frame()

    def ready(self):
        kind, seq, payload = self.start()
        assert (kind, seq, payload) == (READY, 0, b""), (kind, payload)
        return self

    def send_invoke(self, event=b"{}", deadline_ms=None, request_id="req-1", client=b"",
                    cognito=b"", trace=b""):
        self.seq += 1
        body = struct.pack("<q", deadline_ms or int(time.time() * 1000) + 5000)
        for text in (request_id.encode(), ARN.encode(), trace, client, cognito):
            body += struct.pack("<H", len(text)) + text
        body += event if isinstance(event, bytes) else json.dumps(event).encode()
        self.socket.sendall(HEADER.pack(len(body), INVOKE, 0, 0, self.seq) + body)

    def invoke(self, *args, **kwargs):
        self.send_invoke(*args, **kwargs)
        kind, seq, payload = self.frame()
        assert seq == self.seq, (seq, self.seq)
        return kind, payload

    def result(self, *args, **kwargs):
        kind, payload = self.invoke(*args, **kwargs)
        assert kind == RESPONSE, (kind, payload)
        return json.loads(payload)

    def error(self, *args, **kwargs):
        kind, payload = self.invoke(*args, **kwargs)
        assert kind == ERROR, (kind, payload)
        return json.loads(payload)

    def last(self, *args, **kwargs):
        """An answer after which the instance ends."""
        assert self.invoke(*args, **kwargs) == (LAST, b"")
        kind, seq, payload = self.frame()
        assert seq == self.seq
        return kind, json.loads(payload)

    def stream(self, *args, **kwargs):
        """(content type, body, whether the body is complete, the frame that ends the invocation)"""
        kind, head = self.invoke(*args, **kwargs)
        assert kind == STREAM_HEAD, (kind, head)
        body, is_whole = b"", False
        while True:
            kind, seq, payload = self.frame()
            assert seq == self.seq
            if kind == STREAM_CHUNK:
                assert not is_whole and 0 < len(payload) <= 65536
                body += payload
            elif kind == STREAM_END:
                assert not is_whole and payload == b""
                is_whole = True
            else:
                return head.decode(), body, is_whole, (kind, payload)

    def end(self):
        """Closes the socket; returns (exit code, everything printed)."""
        self.socket.close()
        self.process.wait(30)
        self.reader.join(30)
        self.process.stdout.close()
        shutil.rmtree(self.task)
        return self.process.returncode, self.output.decode()

    def kill(self):
        self.process.kill()
        return self.end()


class Case(unittest.TestCase):
    def run_one(self, code, event=b"{}", **kwargs):
        runtime = Runtime(code, **kwargs).ready()
        result = runtime.result(event)
        self.assertEqual(runtime.end()[0], 0)
        return result

    def both(self, code, event=b"{}", **kwargs):
        """The same result from the clients before and since nodejs24."""
        old = self.run_one(code, event, generation=22, **kwargs)
        self.assertEqual(self.run_one(code, event, generation=24, **kwargs), old)
        return old
