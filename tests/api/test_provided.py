"""Custom runtimes (provided.*) against the real server: a program called bootstrap that speaks the
Runtime API; programs that abuse it; programs that cannot be executed."""
import base64
import concurrent.futures
import json
import os
import unittest

from server import ROLE, ROOT, ServerTest, zip_of

# A Runtime API client that can be told what to do wrong. `step` is run for each invocation.
CLIENT = '''#!/usr/bin/python3
import http.client, json, os, socket, sys, time
API, ROOT = os.environ["AWS_LAMBDA_RUNTIME_API"], "/2018-06-01/runtime/"
connection = http.client.HTTPConnection(API)
def call(method, path, body=None, headers={}):
    connection.request(method, ROOT + path, body, headers)
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()
def new_call(method, path, body=None, headers={}):
    other = http.client.HTTPConnection(API)
    other.request(method, ROOT + path, body, headers)
    answer = other.getresponse()
    return answer.status, json.loads(answer.read() or b"null")
def respond(result):
    return call("POST", "invocation/%s/response" % id, json.dumps(result))
def raw(data):
    with socket.create_connection(API.split(":")) as s:
        s.sendall(data)
        s.settimeout(5)
        try:
            return s.recv(4096).split(b"\\r\\n")[0].decode()
        except TimeoutError:
            return "nothing"
'''
LOOP = '''
while True:
    status, headers, event = call("GET", "invocation/next")
    id, event = headers["Lambda-Runtime-Aws-Request-Id"], json.loads(event)
    step()
'''


class Provided(ServerTest):
    def make(self, name, bootstrap, runtime="provided.al2023", executable=("bootstrap",), **options):
        files = {"bootstrap": bootstrap} if bootstrap is not None else {"other": ""}
        options = {"MemorySize": 512, "Timeout": 10, **options}
        self.client.create_function(FunctionName=name, Runtime=runtime, Role=ROLE, Handler="h",
                                    Code={"ZipFile": zip_of(files, executable)}, **options)
        return name

    def script(self, name, step, before="", **options):
        body = "\n".join("    " + line for line in step.strip().splitlines())
        return self.make(name, CLIENT + before + "\ndef step():\n    global id\n" + body + LOOP, **options)

    def test_restore_is_for_snap_start(self):
        """As on AWS, whose Runtime API has these paths for functions with SnapStart only."""
        name = self.script("restore", """
respond([new_call("GET", "restore/next")[0], new_call("POST", "restore/error", "{}")[0]])
""")
        self.assertEqual(self.call(name), [404, 404])

    def call(self, name, event=None, is_error=False, **options):
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail", **options)
        payload = answer["Payload"].read()
        self.log = base64.b64decode(answer["LogResult"]).decode()
        self.assertEqual("FunctionError" in answer, is_error, (payload, self.log))
        return json.loads(payload)

    def test_bash(self):
        for runtime in ("provided", "provided.al2", "provided.al2023"):
            with open(os.path.join(ROOT, "examples/hello-bash/bootstrap"), "rb") as file:
                name = self.make("bash-" + runtime.replace(".", "-"), file.read(), runtime)
            for n in range(3):
                self.assertEqual(self.call(name, {"n": n}), {"greeting": "Hello from bash", "event": {"n": n}})
                self.assertIn("working on ", self.log)
                self.assertEqual(self.log.count("REPORT"), 1)

    def test_headers_and_environment(self):
        name = self.script("headers", '''
respond({"headers": headers, "env": dict(os.environ), "cwd": os.getcwd(), "now": time.time(),
         "argv": sys.argv})
''', Environment={"Variables": {"MINE": "yes", "LANG": "C"}})
        context = {"client": {"installation_id": "i"}, "custom": {"k": "v"}}
        got = self.call(name, ClientContext=base64.b64encode(
            json.dumps(context, indent=1).encode()).decode())
        headers, env = got["headers"], got["env"]
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertEqual(headers["Lambda-Runtime-Invoked-Function-Arn"],
                         "arn:aws:lambda:us-east-1:000000000000:function:headers")
        self.assertRegex(headers["Lambda-Runtime-Aws-Request-Id"], "^[0-9a-f-]{36}$")
        left = int(headers["Lambda-Runtime-Deadline-Ms"]) / 1000 - got["now"]
        self.assertTrue(5 < left <= 10, left)
        self.assertEqual(json.loads(headers["Lambda-Runtime-Client-Context"]), context)
        self.assertEqual(env["AWS_LAMBDA_RUNTIME_API"], "127.0.0.1:9001")
        self.assertEqual((env["_HANDLER"], env["MINE"], env["LANG"]), ("h", "yes", "C"))
        self.assertNotIn("AWS_EXECUTION_ENV", env)
        self.assertEqual(got["cwd"], "/var/task")
        self.assertEqual(got["argv"], ["/var/task/bootstrap"])

    def test_errors(self):
        name = self.script("errors", '''
call("POST", "invocation/%s/error" % id, json.dumps(event) if event else "",
     {"Lambda-Runtime-Function-Error-Type": "Mine.Type"})
''')
        error = {"errorMessage": "no", "errorType": "Mine", "stackTrace": ["a", "b"]}
        self.assertEqual(self.call(name, error, is_error=True), error)
        self.assertEqual(self.call(name, 0, is_error=True), {"errorType": "Mine.Type", "errorMessage": ""})

    def test_init_error(self):
        name = self.make("init-error", CLIENT + '''
call("POST", "init/error", json.dumps({"errorMessage": "no luck", "errorType": "Init.Luck"}))
time.sleep(60)
''')
        for _ in range(2):
            self.assertEqual(self.call(name, is_error=True),
                             {"errorMessage": "no luck", "errorType": "Init.Luck"})

    def test_forged_and_repeated(self):
        name = self.script("forged", '''
told = []
body = json.dumps("x")
told.append(new_call("POST", "invocation/forged/response", body))
told.append(new_call("POST", "invocation//response", body))
told.append(new_call("POST", "init/error", body))
told.append(call("GET", "invocation/next")[1]["Lambda-Runtime-Aws-Request-Id"] == id)
if event == "first":
    respond(id)
    told = []
    told.append(new_call("POST", "invocation/%s/response" % id, body))
    told.append(new_call("POST", "invocation/%s/error" % id, body))
    globals().update(old=id, told=told)
else:
    told += globals()["told"]
    told.append(new_call("POST", "invocation/%s/response" % old, body))
    respond(told)
''')
        self.call(name, "first")
        bad_id = [400, {"errorMessage": "Invalid request ID", "errorType": "InvalidRequestID"}]

        def bad_state(before, after):
            return [403, {"errorType": "InvalidStateTransition", "errorMessage":
                          f"State transition from {before} to {after} failed for runtime. "
                          "Error: State transition is not allowed"}]
        self.assertEqual(self.call(name, "second"), [
            bad_id, bad_id, bad_state("Running", "InitError"), True,
            bad_state("ResponseSent", "InvocationResponse"),
            bad_state("ResponseSent", "InvocationErrorResponse"), bad_id])

    def test_oversize(self):
        name = self.script("oversize", '''
size = 6291556 + event
if event > 1:
    def body():
        for _ in range(size // 65536 + 1): yield b"x" * 65536
    connection.request("POST", ROOT + "invocation/%s/response" % id, body(), encode_chunked=True,
                       headers={"Transfer-Encoding": "chunked"})
    try:
        status = connection.getresponse().status
    except OSError:
        status = "cut"
    connection.close()
else:
    status = new_call("POST", "invocation/%s/response" % id, b'"' + b"x" * (size - 2) + b'"')
print("told", status, flush=True)
''')
        self.assertEqual(len(self.call(name, 0)), 6291554)
        for more in (1, 1000000):
            self.assertEqual(self.call(name, more, is_error=True), {
                "errorType": "Function.ResponseSizeTooLarge", "errorMessage":
                "Response payload size exceeded maximum allowed payload size (6291556 bytes)."})
        self.assertEqual(len(self.call(name, 0)), 6291554)

    def test_malformed(self):
        name = self.script("malformed", '''
post = "POST %sinvocation/%s/response HTTP/1.1\\r\\nHost: a\\r\\n" % (ROOT, id)
told = [raw(b"\\x00\\xff\\x16\\x03" * 50 + b"\\r\\n\\r\\n"), raw(b"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"),
        raw(b"DELETE " + ROOT.encode() + b"invocation/next HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"),
        raw((post + "Content-Length: -1\\r\\n\\r\\n").encode()),
        raw((post + "Transfer-Encoding: chunked\\r\\n\\r\\nzz\\r\\n").encode()),
        raw((post + "Lambda-Runtime-Function-Response-Mode: odd\\r\\nContent-Length: 0\\r\\n\\r\\n").encode()),
        raw(b"GET " + b"x" * 100000)]
with socket.create_connection(API.split(":")) as half:  # begins an answer and leaves
    half.sendall((post + "Content-Length: 100\\r\\n\\r\\n[1, 2").encode())
    half.shutdown(socket.SHUT_WR)
    half.recv(1000)
many = [socket.create_connection(API.split(":")) for _ in range(100)]
for s in many: s.close()
while respond(told)[0] != 202: pass
''')
        for _ in range(2):
            told = [line.split(" ")[1] if " " in line else line for line in self.call(name)]
            self.assertEqual(told, ["400", "404", "405", "400", "400", "400", "414"])

    def test_slow_body_meets_the_timeout(self):
        name = self.script("slow", '''
with socket.create_connection(API.split(":")) as s:
    s.sendall(("POST %sinvocation/%s/response HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 100\\r\\n\\r\\n" % (ROOT, id)).encode())
    time.sleep(60)
''', Timeout=1)
        for _ in range(2):
            error = self.call(name, is_error=True)
            self.assertEqual(error["errorType"], "Sandbox.Timedout")

    def test_two_answers_at_a_time(self):
        name = self.script("two", '''
with socket.create_connection(API.split(":")) as s:
    s.sendall(("POST %sinvocation/%s/response HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 3\\r\\n\\r\\n1" % (ROOT, id)).encode())
    s.settimeout(0.2)
    told = ""
    while not told.startswith("HTTP/1.1 403"):  # until the server has seen the beginning of the first
        with socket.create_connection(API.split(":")) as t:
            t.sendall(("POST %sinvocation/%s/error HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 1\\r\\n\\r\\n" % (ROOT, id)).encode())
            t.settimeout(0.2)
            try: told = t.recv(1000).decode()
            except TimeoutError: pass
    s.settimeout(5)
    s.sendall(b"23")
    s.recv(1000)
''')
        for _ in range(2):
            self.assertEqual(self.call(name), 123)

    def test_streaming(self):
        name = self.script("streams", '''
connection.putrequest("POST", ROOT + "invocation/%s/response" % id)
for line in ("Lambda-Runtime-Function-Response-Mode: streaming", "Transfer-Encoding: chunked",
             "Content-Type: application/octet-stream",
             "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body"):
    connection.putheader(*line.split(": "))
connection.endheaders()
for i in range(3):
    piece = b'"%d' % i if i == 0 else b'%d' % i if i == 1 else b'2"'
    connection.send(b"%x\\r\\n%s\\r\\n" % (len(piece), piece))
end = b"0\\r\\n"
if event == "fail":
    import base64
    error = json.dumps({"errorType": "Mid", "errorMessage": "stream"}).encode()
    end += b"Lambda-Runtime-Function-Error-Type: Mid\\r\\nLambda-Runtime-Function-Error-Body: " + base64.b64encode(error) + b"\\r\\n"
connection.send(end + b"\\r\\n")
print(connection.getresponse().read().decode(), flush=True)
''')
        self.assertEqual(self.call(name, "go"), "012")
        self.assertEqual(self.call(name, "fail", is_error=True), {"errorType": "Mid", "errorMessage": "stream"})
        self.assertEqual(self.call(name, "go"), "012")

    def test_works_on_after_its_answer(self):
        """The caller has the answer at once; the next call does not come to the busy instance."""
        name = self.script("works-on", '''
respond(os.getpid())
if event: time.sleep(event)
''')
        self.call(name, 60)  # it will be ended by the time limit of that call
        second = self.call(name, 0)
        self.assertEqual(self.log.count("REPORT"), 1)
        self.assertIn("Init Duration", self.log)
        self.assertEqual(self.call(name, 0), second)
        self.assertNotIn("Init Duration", self.log)

    def test_exits(self):
        name = self.script("exits", '''
if event == "before": sys.exit(7)
respond(event)
if event == "after": os._exit(3)
''')
        self.assertEqual(self.call(name, "after"), "after")
        error = self.call(name, "before", is_error=True)
        self.assertIn("exit status 7", error["errorMessage"])
        self.assertEqual(self.call(name, "fine"), "fine")

    def test_forged_frames(self):
        """Descriptor 3 is for programs that do not speak HTTP; both at a time are a lie."""
        name = self.script("frames", '''
os.write(3, b"\\x01\\0\\0\\0" + bytes([18, 0, 0, 0]) + b"\\0\\0\\0\\0" + b"1")
time.sleep(60)
''')
        for _ in range(2):
            self.assertEqual(self.call(name, is_error=True)["errorType"], "Runtime.ExitError")

    def test_closed_descriptor(self):
        name = self.script("closed", "respond(1)", before="os.close(3)\n")
        for _ in range(2):
            self.assertEqual(self.call(name), 1)

    def test_a_lost_connection(self):
        """A client that hangs up while it waits, as curl does at its time limit, asks again."""
        name = self.script("lost", "respond(event)", before='''
def leave():
    s = socket.create_connection(API.split(":"))
    s.sendall(("GET %sinvocation/next HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n" % ROOT).encode())
    return s
for _ in range(3): leave().close()
kept = leave()
''')
        for n in range(3):
            self.assertEqual(self.call(name, n), n)

    def test_no_bootstrap(self):
        for name, bootstrap, executable, message in (
                ("absent", None, (), "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
                ("plain", "#!/bin/sh\n", (), "fork/exec /var/task/bootstrap: permission denied"),
                ("foreign", "\x7fnothing", ("bootstrap",), "fork/exec /var/task/bootstrap: exec format error"),
                ("no-shell", "#!/nowhere/sh\n", ("bootstrap",),
                 "fork/exec /var/task/bootstrap: no such file or directory")):
            self.make(name, bootstrap, executable=executable)
            for _ in range(2):
                error = self.call(name, is_error=True)
                self.assertEqual(error["errorType"], "Runtime.InvalidEntrypoint")
                self.assertRegex(error["errorMessage"], "^RequestId: [0-9a-f-]{36} Error: ")
                self.assertTrue(error["errorMessage"].endswith("Error: " + message), error)
                self.assertIn("Runtime.InvalidEntrypoint\n", self.log)

    def test_many_at_a_time(self):
        name = self.script("many", "respond(event)")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            got = list(pool.map(lambda n: json.loads(self.client.invoke(
                FunctionName=name, Payload=json.dumps(n))["Payload"].read()), range(100)))
        self.assertEqual(got, list(range(100)))


if __name__ == "__main__":
    unittest.main()
