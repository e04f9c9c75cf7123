"""Streamed answers against the real server: InvokeWithResponseStream for every kind of runtime, with
the bytes as they come, slow and leaving clients, and functions that fail in the middle."""
import base64
import json
import os
import signal
import subprocess
import tempfile
import unittest

from server import BUILD, ROLE, Server, ServerTest, python_function, wait_until, zip_of
from streams import Answer, Events

APP = r"""
const fs = require('fs');
const pause = (ms) => new Promise((ok) => setTimeout(ok, ms));
exports.three = awslambda.streamifyResponse(async (event, stream, context) => {
  stream.setContentType('text/event-stream');
  for (const word of ['one', 'two', 'three']) {
    stream.write(word + ' ');
    await pause(event);
  }
  console.log('all written');
  stream.end(context.awsRequestId);
});
// Waits until the caller has taken what there is: a file appears when he says so, by the next call.
exports.steps = awslambda.streamifyResponse(async (event, stream) => {
  stream.write('begun');
  await pause(60000);
});
exports.fails = awslambda.streamifyResponse(async (event, stream) => {
  if (event === 'before') throw new RangeError('before');
  stream.write('part');
  await pause(50);
  if (event === 'exit') process.exit(3);
  if (event === 'kill') process.kill(process.pid, 'SIGKILL');
  throw new RangeError('in the middle');
});
exports.big = awslambda.streamifyResponse(async (size, stream) => {
  const piece = Buffer.alloc(64 * 1024, 'x');
  for (let left = size; left > 0; left -= piece.length) {
    if (!stream.write(left < piece.length ? piece.subarray(0, left) : piece))
      await new Promise((ok) => stream.once('drain', ok));
    fs.writeFileSync('/tmp/written', String(size - left));
  }
  stream.end();
});
exports.written = async () => fs.readFileSync('/tmp/written', 'utf8');
exports.plain = async (event) => event;
exports.empty = awslambda.streamifyResponse(async (event, stream) => stream.end());
"""

# Generators, and what has more to say of itself: Virga's own, no managed Python of AWS streams.
PYTHON = """
import json, os, threading
def handler(event, context):
    if event == "before": raise ValueError("before")
    if event == "plain": return {"a": 1}
    return Page() if "rawPath" in str(event) else words(event, context)
def words(event, context):
    if event == "first": raise ValueError("first")
    yield "one "
    if event == "wait": threading.Event().wait()
    if event == "middle": raise ValueError("middle")
    if event == "item": yield 3
    if event == "exit": os._exit(3)
    if isinstance(event, int):
        for _ in range(event // 65536): yield bytes(65536)
    print("all given")
    yield context.aws_request_id.encode()
class Page:
    content_type = "application/vnd.awslambda.http-integration-response"
    def __init__(self):
        head = {"statusCode": 201, "headers": {"X-Mine": "m", "Content-Type": "text/x-mine"}, "cookies": ["a=b"]}
        self.pieces = iter((json.dumps(head), bytes(8), "<p>", "</p>"))
    def __iter__(self): return self
    def __next__(self): return next(self.pieces)
"""

# A Runtime API client that streams; `step` is run for each invocation.
CLIENT = '''#!/usr/bin/python3
import base64, http.client, json, os, socket, time
API, ROOT = os.environ["AWS_LAMBDA_RUNTIME_API"], "/2018-06-01/runtime/"
connection = http.client.HTTPConnection(API)
def begin(mode="streaming", kind="text/plain"):
    connection.putrequest("POST", ROOT + "invocation/%s/response" % id)
    for line in ("Lambda-Runtime-Function-Response-Mode: " + mode, "Transfer-Encoding: chunked",
                 "Content-Type: " + kind, "Trailer: Lambda-Runtime-Function-Error-Type"):
        connection.putheader(*line.split(": "))
    connection.endheaders()
def write(piece):
    connection.send(b"%x\\r\\n%s\\r\\n" % (len(piece), piece))
def end(trailers=b""):
    connection.send(b"0\\r\\n" + trailers + b"\\r\\n")
    return connection.getresponse().read()
while True:
    connection.request("GET", ROOT + "invocation/next")
    answer = connection.getresponse()
    id, event = answer.headers["Lambda-Runtime-Aws-Request-Id"], json.loads(answer.read())
    step()
'''
STREAMS = '''
def step():
    if event == "buffered":
        begin("buffered", "application/x-mine")
        write(b"in one ")
        write(b"piece")
        return end()
    begin()
    write(b"one ")
    if event == "wait":
        time.sleep(60)
    if event == "cut":
        connection.close()
        return
    if event == "exit":
        os._exit(4)
    if event == "fail":
        error = json.dumps({"errorType": "Mid", "errorMessage": "stream"}).encode()
        end(b"Lambda-Runtime-Function-Error-Type: Mid\\r\\nLambda-Runtime-Function-Error-Body: "
            + base64.b64encode(error) + b"\\r\\n")
    elif isinstance(event, int):
        for _ in range(event // 65536):
            write(b"x" * 65536)
        end()
    else:
        write(b"two")
        end()
'''
# What a handler in Ruby answers piece by piece: an Enumerator, or a body as Rack's are.
RUBY = """
class Body
  def initialize(event) = @event = event
  def content_type = 'text/plain'
  def each
    raise ArgumentError, 'before' if @event == 'before'
    yield 'part'
    yield ''
    sleep 60 if @event == 'wait'
    raise ArgumentError, 'middle' if @event == 'middle'
    exit! 3 if @event == 'exit'
    @event == 'name' ? nowhere : yield(' two')
  end
end
def body(event:, context:) = Body.new(event)
def many(event:, context:) = Enumerator.new { |y| event.times { y << 'x' * 100_000 }; y << { last: true } }
def pipe(event:, context:) = IO.popen(['echo', event])
def list(event:, context:) = [1, { a: 2 }]
"""
JAVA = r"""
package streaming;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.*;
import java.util.concurrent.CountDownLatch;
public class App implements RequestStreamHandler {
    public void handleRequest(InputStream in, OutputStream out, Context context) throws IOException {
        answer(new String(in.readAllBytes(), "UTF-8").replace("\"", ""), out);
    }
    public void method(InputStream in, OutputStream out) throws IOException {
        handleRequest(in, out, null);
    }
    static OutputStream last;
    private static void answer(String event, OutputStream out) throws IOException {
        if (event.equals("empty")) return;
        if (event.equals("late")) {
            try {
                last.write(new byte[1]);
            } catch (IOException refused) {
                out.write(refused.getMessage().getBytes());
            }
            return;
        }
        last = out;
        if (event.equals("before")) throw new IllegalStateException("before");
        for (byte one : "pa".getBytes()) out.write(one);
        out.write("xrtx".getBytes(), 1, 2);
        if (event.equals("wait")) pause();
        if (event.equals("middle")) throw new IllegalStateException("middle");
        if (event.equals("exit")) Runtime.getRuntime().halt(3);
        if (event.equals("big")) out.write(new byte[300000]);
        if (event.equals("flushed")) {
            out.write('!');
            out.flush();
            pause();
        }
        try (Writer writer = new OutputStreamWriter(out)) {
            writer.write(" two");
        }
        if (event.equals("after")) throw new IllegalStateException("after");
    }
    private static void pause() {
        try {
            new CountDownLatch(1).await();
        } catch (InterruptedException e) {
            throw new RuntimeException(e);
        }
    }
}
"""
TAIL = [("X-Amz-Log-Type", "Tail")]


class Streaming(ServerTest):
    OPTIONS = ()

    def node(self, handler, **options):
        name = f"{self.id().rsplit('.', 1)[1]}-{handler}"[:64]
        self.client.create_function(
            FunctionName=name, Runtime="nodejs20.x", Role=ROLE, Handler=f"app.{handler}",
            Code={"ZipFile": zip_of({"app.js": APP})},
            **{"MemorySize": 1024, "Timeout": 20, **options})
        return name

    def custom(self, step=STREAMS, **options):
        name = self.id().rsplit(".", 1)[1]
        head, loop = CLIENT.split("while True:")
        self.client.create_function(
            FunctionName=name, Runtime="provided.al2023", Role=ROLE, Handler="h",
            Code={"ZipFile": zip_of({"bootstrap": head + step + "while True:" + loop})},
            **{"MemorySize": 1024, "Timeout": 20, **options})
        return name

    def ruby(self, handler):
        name = f"{self.id().rsplit('.', 1)[1]}-{handler}"[:64]
        self.client.create_function(FunctionName=name, Runtime="ruby3.2", Role=ROLE, Handler=f"app.{handler}",
                                    MemorySize=1024, Timeout=20, Code={"ZipFile": zip_of({"app.rb": RUBY})})
        return name

    def java(self, handler):
        name = self.id().rsplit(".", 1)[1] + ("-method" if "::" in handler else "-class")
        with tempfile.TemporaryDirectory() as out:
            with open(f"{out}/App.java", "w", encoding="ascii") as file:
                file.write(JAVA)
            subprocess.run(["javac", "-cp", os.path.join(BUILD, "bootstraps", "virga.jar"), "--release", "11",
                            "-d", out, f"{out}/App.java"], check=True)
            with open(f"{out}/streaming/App.class", "rb") as file:
                code = zip_of({"streaming/App.class": file.read()})
        self.client.create_function(FunctionName=name, Runtime="java17", Role=ROLE, Handler=handler,
                                    MemorySize=1024, Timeout=20, Code={"ZipFile": code})
        return name

    def events(self, name, event=None, **options):
        answer = Events(self.server.port, name, event, **options)
        self.addCleanup(answer.close)
        return answer

    def error(self, name, event, **options):
        """(body, ErrorCode, ErrorDetails)."""
        body, complete = self.events(name, event, **options).all()
        return body, complete.get("ErrorCode"), complete.get("ErrorDetails")

    # --- every kind of runtime ---

    def test_node(self):
        name = self.node("three")
        for pause in (0, 30):
            answer = self.events(name, pause, headers=TAIL)
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.header("X-Amz-Executed-Version"), "$LATEST")
            self.assertEqual(answer.header("Content-Type"), "text/event-stream")
            self.assertIsNone(answer.header("Content-Length"))
            body, complete = answer.all()
            self.assertEqual(body.decode(), "one two three " + answer.header("x-amzn-RequestId"))
            log = base64.b64decode(complete.pop("LogResult")).decode()
            self.assertIn("all written", log)
            self.assertIn("REPORT RequestId: " + answer.header("x-amzn-RequestId"), log)
            self.assertEqual(complete, {})
        self.assertEqual(self.events(self.node("empty")).all(), (b"", {}))

    def python(self, **options):
        name = self.id().rsplit(".", 1)[1]
        python_function(self.client, name, PYTHON, **{"MemorySize": 512, "Timeout": 20, **options})
        return name

    def test_python(self):
        name = self.python()
        for _ in range(2):
            answer = self.events(name, "go", headers=TAIL)
            self.assertEqual(answer.header("Content-Type"), "application/octet-stream")
            body, complete = answer.all()
            self.assertEqual(body.decode(), "one " + answer.header("x-amzn-RequestId"))
            self.assertIn("all given", base64.b64decode(complete.pop("LogResult")).decode())
            self.assertEqual(complete, {})
        answer = self.client.invoke(FunctionName=name, Payload=b'"go"')
        self.assertEqual(answer["Payload"].read().decode(), "one " + answer["ResponseMetadata"]["RequestId"])
        answer = self.events(name, "plain")
        self.assertEqual(answer.header("Content-Type"), "application/json")
        self.assertEqual(answer.all(), (b'{"a": 1}', {}))

    def test_python_comes_in_pieces(self):
        """The function waits for a minute behind its first word."""
        name = self.python()
        answer = self.events(name, "wait")
        self.assertEqual(next(iter(answer))[1], b"one ")
        answer.close()
        *chunks, last = self.events(name, 1 << 20)
        self.assertGreater(len(chunks), 1)
        self.assertEqual(last, ("InvokeComplete", b"{}"))
        self.assertEqual(sum(len(piece) for _, piece in chunks), 4 + (1 << 20) + 36)

    def test_python_behind_a_url(self):
        name = self.python()
        with Answer(self.server.port, "POST", f"/2021-10-31/functions/{name}/url",
                    b'{"InvokeMode": "RESPONSE_STREAM", "AuthType": "NONE"}') as made:
            host = json.loads(made.read())["FunctionUrl"][len("http://"):-1]
        with Answer(self.server.port, "GET", "/", host=host) as page:
            self.assertEqual(page.status, 201)
            found = [page.header(name) for name in ("X-Mine", "Content-Type", "Set-Cookie")]
            self.assertEqual(found, ["m", "text/x-mine", "a=b"])
            self.assertEqual(page.read(), b"<p></p>")

    def test_the_first_byte_does_not_wait(self):
        """The function waits for a minute behind its first word: who waited with it would fail."""
        for name in (self.node("steps"), self.custom(), self.ruby("body"), self.java("streaming.App")):
            answer = self.events(name, "wait")
            self.assertIn(next(iter(answer))[1], (b"begun", b"one ", b"part", b"pa"))
            answer.close()
            self.client.delete_function(FunctionName=name)

    def test_python_in_one_piece(self):
        python_function(self.client, "one-piece", """
def handler(event, context):
    if event == "fail":
        raise ValueError("no")
    return "x" * event if isinstance(event, int) else [event, context.client_context.custom["k"]]
""")
        context = base64.b64encode(json.dumps({"custom": {"k": "v"}}).encode()).decode()
        answer = self.events("one-piece", {"a": 1}, headers=[("X-Amz-Client-Context", context)])
        self.assertEqual(answer.header("Content-Type"), "application/json")
        self.assertEqual(answer.all(), (b'[{"a": 1}, "v"]', {}))
        self.assertEqual(len(self.events("one-piece", 6000000).all()[0]), 6000002)
        body, code, details = self.error("one-piece", "fail")
        self.assertEqual((body, code), (b"", "Unhandled"))
        self.assertEqual(json.loads(details)["errorType"], "ValueError")
        body, code, details = self.error("one-piece", 6300000)
        self.assertEqual((body, code), (b"", "Unhandled"))
        self.assertEqual(json.loads(details)["errorType"], "Function.ResponseSizeTooLarge")

    def whole(self, name, event):
        """The same function's answer for who wants it in one piece."""
        return self.client.invoke(FunctionName=name, Payload=json.dumps(event))["Payload"].read()

    def test_ruby(self):
        name = self.ruby("body")
        for _ in range(2):
            answer = self.events(name, "go")
            self.assertEqual(answer.header("Content-Type"), "text/plain")
            self.assertEqual(answer.all(), (b"part two", {}))
        self.assertEqual(self.whole(name, "go"), b"part two")
        answer = self.events(self.ruby("many"), 5)
        self.assertEqual(answer.header("Content-Type"), "application/octet-stream")
        self.assertEqual(answer.all(), (b"x" * 500000 + b'{"last":true}', {}))
        self.assertEqual(self.events(self.ruby("pipe"), "text").all(), (b"text\n", {}))
        answer = self.events(self.ruby("list"))
        self.assertEqual(answer.header("Content-Type"), "application/json")
        self.assertEqual(answer.all(), (b'[1,{"a":2}]', {}))

    def test_java(self):
        for handler in ("streaming.App", "streaming.App::method"):
            name = self.java(handler)
            answer = self.events(name, "go")
            self.assertEqual(answer.header("Content-Type"), "application/octet-stream")
            self.assertEqual(answer.all(), (b"part two", {}))
            self.assertEqual(self.events(name, "late").all(), (b"Stream closed", {}))
            self.assertEqual(self.events(name, "empty").all(), (b"", {}))
            self.assertEqual(self.events(name, "big").all(), (b"part" + bytes(300000) + b" two", {}))
            self.assertEqual(self.whole(name, "go"), b"part two")
            answer = self.events(name, "flushed")
            got = b""
            for _, piece in answer:  # in pieces as they came together on the way
                got += piece
                if len(got) >= len(b"part!"):
                    break
            self.assertEqual(got, b"part!")
            answer.close()

    def test_custom_runtime(self):
        name = self.custom()
        for _ in range(2):
            answer = self.events(name, "go")
            self.assertEqual(answer.header("Content-Type"), "text/plain")
            self.assertEqual(answer.all(), (b"one two", {}))
        answer = self.events(name, "buffered")
        self.assertEqual(answer.header("Content-Type"), "application/x-mine")
        self.assertEqual(answer.all(), (b"in one piece", {}))
        self.assertEqual(self.client.invoke(FunctionName=name, Payload=b'"go"')["Payload"].read(),
                         b"one two")

    # --- failures ---

    def test_python_fails(self):
        name = self.python(Timeout=2)
        for event, body, code, kind in (
                ("before", b"", "Unhandled", "ValueError"), ("first", b"", "Unhandled", "ValueError"),
                ("middle", b"one ", "ValueError", "ValueError"),
                ("item", b"one ", "Runtime.MarshalError", "Runtime.MarshalError")):
            got, found, details = self.error(name, event)
            self.assertEqual((got, found), (body, code), details)
            self.assertEqual(json.loads(details)["errorType"], kind)
            answer = self.client.invoke(FunctionName=name, Payload=json.dumps(event))
            self.assertEqual(answer["FunctionError"], "Unhandled")
            self.assertEqual(json.loads(answer["Payload"].read())["errorType"], kind)
        self.assertEqual(self.error(name, "exit")[:2], (b"one ", "Runtime.TruncatedResponse"))
        self.assertEqual(self.error(name, "wait")[:2], (b"one ", "Sandbox.Timedout"))
        self.assertTrue(self.events(name, "go").all()[0].startswith(b"one "))

    def test_node_fails(self):
        name = self.node("fails")
        for event, body, code in (("before", b"", "Unhandled"), ("middle", b"part", "RangeError"),
                                  ("exit", b"part", "Runtime.TruncatedResponse"),
                                  ("kill", b"part", "Runtime.TruncatedResponse"),
                                  ("middle", b"part", "RangeError")):
            got, found, details = self.error(name, event)
            self.assertEqual((got, found), (body, code), details)
            if code != "Runtime.TruncatedResponse":
                self.assertEqual(json.loads(details)["errorType"], "RangeError")
            else:
                self.assertIn("Runtime exited", json.loads(details)["errorMessage"])

    def test_custom_runtime_fails(self):
        name = self.custom()
        body, code, details = self.error(name, "fail")
        self.assertEqual((body, code), (b"one ", "Mid"))
        self.assertEqual(json.loads(details), {"errorType": "Mid", "errorMessage": "stream"})
        for event in ("cut", "exit"):
            self.assertEqual(self.error(name, event)[:2], (b"one ", "Runtime.TruncatedResponse"))
        self.assertEqual(self.events(name, "go").all(), (b"one two", {}))

    def test_ruby_and_java_fail(self):
        for name, kind in ((self.ruby("body"), "Function<ArgumentError>"),
                           (self.java("streaming.App"), "java.lang.IllegalStateException")):
            for event, body, code in (("before", b"", "Unhandled"), ("middle", b"part", kind),
                                      ("exit", b"part", "Runtime.TruncatedResponse"), ("middle", b"part", kind)):
                got, found, details = self.error(name, event)
                self.assertEqual((got, found), (body, code), details)
                if event != "exit":
                    error = json.loads(details)
                    self.assertEqual((error["errorType"], error["errorMessage"]), (kind, event))
            error = json.loads(self.whole(name, "middle"))  # nothing of what came before it
            self.assertEqual((error["errorType"], error["errorMessage"]), (kind, "middle"))
        body, code, details = self.error(name, "after")  # of Java: the answer was whole
        self.assertEqual((body, json.loads(details)["errorMessage"]), (b"part two", "after"), code)
        body, code, _ = self.error("test_ruby_and_java_fail-body", "name")  # ends the process, as in one piece
        self.assertEqual((body, code), (b"part", "Function<NameError>"))

    def test_timeout_in_the_middle(self):
        for name, event in ((self.node("steps", Timeout=1), 0), (self.custom(Timeout=1), "wait")):
            for _ in range(2):
                body, code, details = self.error(name, event)
                self.assertEqual(code, "Sandbox.Timedout")
                self.assertIn("Task timed out after 1.00 seconds", details)
                self.assertIn(body, (b"begun", b"one "))

    def test_requests_that_are_refused(self):
        name = self.node("three")

        def refused(code, status, *arguments, **options):
            answer = self.events(*arguments, **options)
            self.assertEqual((answer.header("x-amzn-ErrorType"), answer.status), (code, status))
            return json.loads(answer.read())
        refused("ResourceNotFoundException", 404, "nobody")
        refused("InvalidRequestContentException", 400, name, payload=b"{")
        refused("ValidationException", 400, name, headers=[("X-Amz-Invocation-Type", "Event")])
        refused("InvalidRequestContentException", 400, name, headers=[("X-Amz-Client-Context", "?")])
        refused("InvalidParameterValueException", 400, name, headers=[("X-Amz-Tenant-Id", "t")])
        self.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        self.assertEqual(refused("TooManyRequestsException", 429, name)["Reason"],
                         "ReservedFunctionConcurrentInvocationLimitExceeded")
        dry = self.events(name, headers=[("X-Amz-Invocation-Type", "DryRun")])
        self.assertEqual(dry.status, 204)

    # --- clients that are slow, or leave ---

    def test_a_slow_client_slows_the_function(self):
        size = 12 << 20
        for name in (self.node("big"), self.custom()):
            answer = self.events(name, size, buffer=65536)
            self.assertGreater(len(next(iter(answer))[1]), 0)
            # The function is held up: memory of the server stays bounded while nobody reads.
            before = self.memory()
            self.settle()
            if "asan" not in BUILD:  # which keeps what is freed
                self.assertLess(self.memory() - before, 4 << 20)
            rest = answer.all()
            self.assertEqual(rest[1], {})

    def memory(self):
        with open(f"/proc/{self.server.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def settle(self):
        """Until the server uses no more CPU time, that is: until everybody waits for us."""
        def used():
            with open(f"/proc/{self.server.process.pid}/stat", encoding="ascii") as file:
                return file.read().rsplit(")", 1)[1].split()[11:13]
        seen = [None]

        def is_still():
            before, seen[0] = seen[0], used()
            return before == seen[0]
        wait_until(is_still, "the server is at rest")

    def test_a_client_that_leaves(self):
        """The function goes on to its end, as on AWS, whether it was held up or not."""
        name = self.node("big")
        for buffer in (4096, None):
            answer = self.events(name, 20 << 20, buffer=buffer)
            self.assertGreater(len(next(iter(answer))[1]), 0)
            answer.close()
            body, complete = self.events(name, 1 << 20).all()
            self.assertEqual((len(body), complete), (1 << 20, {}))
        logs = self.client_logs()
        wait_until(lambda: len(logs.filter_log_events(
            logGroupName="/aws/lambda/" + name, filterPattern="REPORT")["events"]) == 4,
            "all four calls end")

    def client_logs(self):
        return self.server.client("logs")

    def test_a_leaving_client_of_one_piece(self):
        python_function(self.client, "one-big", "def handler(e, c): return 'x' * 5000000")
        for _ in range(3):
            answer = self.events("one-big", buffer=4096)
            next(iter(answer))
            answer.close()
        self.assertEqual(len(self.events("one-big").all()[0]), 5000002)

    def test_many_at_a_time(self):
        name = self.node("three")
        answers = [self.events(name, 20) for _ in range(8)]
        for answer in answers:
            self.assertTrue(answer.all()[0].startswith(b"one two three "))


class OnSeveralLoops(Streaming):
    """The function's home is another loop than the connection's, more often than not."""
    OPTIONS = ("--loops", "3")


class Others(unittest.TestCase):
    def test_a_server_that_stops(self):
        """What is under way is finished first."""
        with Server() as server:
            server.client().create_function(
                FunctionName="steps", Runtime="nodejs20.x", Role=ROLE, Handler="app.steps",
                Code={"ZipFile": zip_of({"app.js": APP})}, MemorySize=512, Timeout=2)
            answer = Events(server.port, "steps")
            self.assertEqual(next(iter(answer))[1], b"begun")
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(answer.all()[1]["ErrorCode"], "Sandbox.Timedout")

    def test_too_much(self):
        with Server("--stream-limit", "1") as server:
            client = server.client()
            for name, runtime, files in (
                    ("node", "nodejs20.x", {"app.js": APP}),
                    ("custom", "provided.al2023",
                     {"bootstrap": CLIENT.replace("while True:", STREAMS + "while True:", 1)})):
                client.create_function(FunctionName=name, Runtime=runtime, Role=ROLE,
                                       Handler="app.big", MemorySize=512, Timeout=20,
                                       Code={"ZipFile": zip_of(files)})
                self.assertGreater(len(Events(server.port, name, 900000).all()[0]), 800000)
                body, complete = Events(server.port, name, 3 << 20).all()
                self.assertLessEqual(len(body), 1 << 20)
                self.assertEqual(complete["ErrorCode"], "Function.ResponseSizeTooLarge")
                self.assertIn("(1048576 bytes)", complete["ErrorDetails"])


if __name__ == "__main__":
    unittest.main()
