"""`virga invoke --debug`: debuggers of both languages stop functions in their sandboxes."""
import base64
import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import unittest
import urllib.error
import urllib.request

from server import Server, ServerTest, VIRGA, python_function, wait_until, zip_of, ROLE

PYTHON = """total = 0
for i in range(3):
    total += i
def handler(event, context):
    answer = total + event["n"]
    return answer
"""
NODE = """const base = 40;
exports.handler = async (event) => {
  const answer = base + event.n;
  return answer;
};
"""
WAIT_S = 60  # a sandbox of 128 MB has 7 % of a CPU


class DebugAdapter:
    """The Debug Adapter Protocol, as an editor speaks it."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        self.file = self.socket.makefile("rwb")
        self.seq = 0
        self.seen = []

    def send(self, command, **arguments):
        self.seq += 1
        body = json.dumps({"seq": self.seq, "type": "request", "command": command,
                           "arguments": arguments}).encode()
        self.file.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.file.flush()

    def wait(self, kind, name):
        """The next event, or response to a command, of this name."""
        while True:
            for at, message in enumerate(self.seen):
                if message["type"] == kind and message.get("event", message.get("command")) == name:
                    return self.seen.pop(at)
            size = 0
            while line := self.file.readline().strip():
                size = int(line.split(b":")[1])
            if size == 0:
                raise EOFError
            self.seen.append(json.loads(self.file.read(size)))

    def ask(self, command, **arguments):
        self.send(command, **arguments)
        return self.wait("response", command)

    def close(self):
        self.file.close()
        self.socket.close()


class Inspector:
    """The Chrome DevTools Protocol over a WebSocket."""

    def __init__(self, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        connection.request("GET", "/json/list")
        target = json.loads(connection.getresponse().read())[0]["webSocketDebuggerUrl"]
        connection.close()
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        path = re.sub(r"^ws://[^/]+", "", target)
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
                            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
                            f"{base64.b64encode(os.urandom(16)).decode()}\r\n\r\n".encode())
        self.file = self.socket.makefile("rb")
        while self.file.readline().strip():
            pass
        self.id = 0
        self.seen = []

    def send(self, method, **params):
        self.id += 1
        body = json.dumps({"id": self.id, "method": method, "params": params}).encode()
        size = bytes([0x80 | len(body)]) if len(body) < 126 else b"\xfe" + struct.pack(">H", len(body))
        self.socket.sendall(b"\x81" + size + b"\0\0\0\0" + body)  # masked by zero
        return self.id

    def wait(self, wanted):
        while True:
            for at, message in enumerate(self.seen):
                if wanted(message):
                    return self.seen.pop(at)
            _, size = self.file.read(2)
            if size == 126:
                (size,) = struct.unpack(">H", self.file.read(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", self.file.read(8))
            self.seen.append(json.loads(self.file.read(size)))

    def ask(self, method, **params):
        number = self.send(method, **params)
        return self.wait(lambda message: message.get("id") == number)["result"]

    def close(self):
        self.file.close()
        self.socket.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Debug(ServerTest):
    def virga(self, *arguments, server=None):
        return subprocess.Popen(
            [VIRGA, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={"PATH": "/usr/bin:/bin", "VIRGA_ENDPOINT": (server or self.server).endpoint})

    def begin(self, name, event):
        port = free_port()
        process = self.virga("invoke", name, "--payload", event, "--debug", "--debug-port", str(port))
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.assertIn(f"waiting for a debugger at 127.0.0.1:{port}", process.stderr.readline())
        return process, port

    def assert_restored(self, name, before):
        now = self.client.get_function_configuration(FunctionName=name)
        for member in ("Timeout", "MemorySize", "Handler"):
            self.assertEqual(now[member], before[member])
        self.assertEqual(now.get("Environment", {}).get("Variables", {}),
                         before.get("Environment", {}).get("Variables", {}))

    def test_python(self):
        made = python_function(self.client, "python", PYTHON, Timeout=3,
                               Environment={"Variables": {"STAGE": 'a "b"'}})
        process, port = self.begin("python", '{"n": 4}')
        adapter = DebugAdapter(port)
        adapter.ask("initialize", adapterID="test", pathFormat="path")
        adapter.send("attach", justMyCode=False)
        adapter.wait("event", "initialized")
        adapter.ask("setBreakpoints", source={"path": "/var/task/f.py"},
                    breakpoints=[{"line": 3, "condition": "i == 2"}, {"line": 6}])
        adapter.ask("configurationDone")
        stopped = adapter.wait("event", "stopped")["body"]  # while the module is loaded
        self.assertEqual(stopped["reason"], "breakpoint")
        frame = adapter.ask("stackTrace", threadId=stopped["threadId"])["body"]["stackFrames"][0]
        self.assertEqual((frame["line"], frame["source"]["path"]), (3, "/var/task/f.py"))
        adapter.ask("continue", threadId=stopped["threadId"])
        stopped = adapter.wait("event", "stopped")["body"]  # in the call
        frame = adapter.ask("stackTrace", threadId=stopped["threadId"])["body"]["stackFrames"][0]
        value = adapter.ask("evaluate", expression="answer", frameId=frame["id"], context="watch")
        self.assertEqual(value["body"]["result"], "7")
        self.assertIsNone(process.poll())
        adapter.send("continue", threadId=stopped["threadId"])
        out, err = process.communicate(timeout=WAIT_S)
        self.assertEqual((process.returncode, out), (0, "7\n"), err)
        adapter.close()
        self.assert_restored("python", made)
        answer = self.client.invoke(FunctionName="python", Payload=b'{"n": 1}')
        self.assertEqual(json.load(answer["Payload"]), 4)

    def test_node(self):
        made = self.client.create_function(
            FunctionName="node", Runtime="nodejs20.x", Role=ROLE, Handler="f.handler",
            Code={"ZipFile": zip_of({"f.js": NODE})}, MemorySize=256)
        process, port = self.begin("node", '{"n": 2}')
        inspector = Inspector(port)
        inspector.ask("Runtime.enable")
        inspector.ask("Debugger.enable")
        inspector.ask("Debugger.setBreakpointByUrl", lineNumber=3, urlRegex="/var/task/f\\.js$")
        inspector.ask("Runtime.runIfWaitingForDebugger")
        paused = inspector.wait(lambda message: message.get("method") == "Debugger.paused")
        frame = paused["params"]["callFrames"][0]
        value = inspector.ask("Debugger.evaluateOnCallFrame", callFrameId=frame["callFrameId"],
                              expression="answer")
        self.assertEqual(value["result"]["value"], 42)
        inspector.send("Debugger.resume")
        out, err = process.communicate(timeout=WAIT_S)
        self.assertEqual((process.returncode, out), (0, "42\n"), err)
        inspector.close()
        self.assert_restored("node", made)

    def test_interrupted(self):
        """Whatever ends it, the function is as it was."""
        made = python_function(self.client, "stopped", PYTHON)
        process, _ = self.begin("stopped", '{"n": 4}')
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=WAIT_S)
        self.assertEqual(process.returncode, 2)
        self.assertIn("ended by a signal", err)
        self.assert_restored("stopped", made)

    def test_code_that_cannot_be_loaded(self):
        for name, runtime, files in (
                ("py-bad", "python3.12", {"f.py": "def ("}),
                ("js-bad", "nodejs20.x", {"f.js": "const ("})):
            self.client.create_function(
                FunctionName=name, Runtime=runtime, Role=ROLE, Handler="f.handler",
                Code={"ZipFile": zip_of(files)}, MemorySize=256)
            process, port = self.begin(name, "{}")
            if runtime.startswith("python"):
                front = DebugAdapter(port)
                front.ask("initialize", adapterID="test")
                front.send("attach", justMyCode=False)
                front.wait("event", "initialized")
                front.send("configurationDone")
            else:
                front = Inspector(port)
                front.send("Runtime.runIfWaitingForDebugger")
            _, err = process.communicate(timeout=WAIT_S)
            self.assertEqual(process.returncode, 1, err)
            self.assertIn("yntaxError", err)
            front.close()

    def refused(self, *arguments, server=None):
        process = self.virga("invoke", *arguments, "--debug", server=server)
        out, err = process.communicate(timeout=WAIT_S)
        self.assertEqual(out, "")
        return process.returncode, err

    def test_what_is_refused(self):
        code, err = self.refused("nobody")
        self.assertEqual(code, 3)
        self.assertIn("ResourceNotFoundException", err)
        self.client.create_function(FunctionName="own", Runtime="provided.al2023", Role=ROLE,
                                    Handler="x", Code={"ZipFile": zip_of({"bootstrap": "#!/bin/sh\n"})})
        self.assertIn("only functions in Python and Node.js", self.refused("own")[1])
        self.assertIn("wants a port", self.refused("own", "--debug-port", "70000")[1])
        with Server("--loops", "2") as server:
            code, err = self.refused("x", server=server)
            self.assertEqual(code, 3)
            self.assertIn("one event loop", err)
        with Server(dev=False) as server:
            self.assertIn("--debug wants `virga serve --dev`", self.refused("x", server=server)[1])

    def test_the_endpoint(self):
        """Nothing but the upgrade is answered, and half a pair waits and goes."""
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(self.server.endpoint + "/_virga/debug/" + "a" * 16, timeout=10)
        self.assertEqual(caught.exception.code, 400)
        caught.exception.close()
        for token, code in (("a" * 16, b"101"), ("short", b"400"), ("A" * 16, b"400"),
                            ("a" * 65, b"400"), ("../" + "a" * 16, b"400")):
            with socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as one:
                one.sendall(f"GET /_virga/debug/{token} HTTP/1.1\r\nHost: localhost\r\n"
                            "Connection: upgrade\r\nUpgrade: virga-debug\r\n\r\n".encode())
                self.assertEqual(one.recv(4096).split()[1], code, token)
                if code == b"101":
                    one.sendall(b"x" * 200000)  # nobody is there: more than may wait
                    with self.assertRaises(OSError):
                        while one.recv(4096):
                            pass
                        raise ConnectionResetError

    def test_a_crowd(self):
        """A bounded number may wait."""
        held, answers = [], []
        for i in range(70):
            one = socket.create_connection(("127.0.0.1", self.server.port), timeout=10)
            held.append(one)
            one.sendall(f"GET /_virga/debug/{'b' * 16}{i} HTTP/1.1\r\nHost: localhost\r\n"
                        "Connection: upgrade\r\nUpgrade: virga-debug\r\n\r\n".encode())
            answers.append(one.recv(4096).split()[1])
        self.assertEqual((answers[0], answers[-1]), (b"101", b"400"))
        for one in held:
            one.close()

        def is_free():
            with socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as one:
                one.sendall(b"GET /_virga/debug/cccccccccccccccc HTTP/1.1\r\nHost: localhost\r\n"
                            b"Connection: upgrade\r\nUpgrade: virga-debug\r\n\r\n")
                return one.recv(4096).split()[1] == b"101"
        wait_until(is_free, "those that left make room")


if __name__ == "__main__":
    unittest.main()
