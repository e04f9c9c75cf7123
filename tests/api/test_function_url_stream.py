"""Function URLs with InvokeMode RESPONSE_STREAM: the bytes as they come, the head in front of them,
handlers that do not stream, CORS, failures in the middle, HTTP/2."""
import json
import subprocess
import unittest

from server import ROLE, ServerTest, python_function, zip_of
from streams import Answer, Events

APP = r"""
const pause = (ms) => new Promise((ok) => setTimeout(ok, ms));
exports.page = awslambda.streamifyResponse(async (event, stream) => {
  stream = awslambda.HttpResponseStream.from(stream, {
    statusCode: 201, headers: { 'Content-Type': 'text/html', 'X-Path': event.rawPath, 'X-N': 7,
                                'Access-Control-Allow-Origin': 'nobody' },
    cookies: ['a=b', 'c=d; Path=/'] });
  stream.write('<p>');
  await pause(event.rawPath === '/wait' ? 60000 : 20);
  stream.write('a page\0');
  stream.end();
});
exports.plain = awslambda.streamifyResponse(async (event, stream) => {
  stream.setContentType('text/event-stream');
  stream.write('data: 1\n\n');
  await pause(10);
  if (event.rawPath === '/fail') throw new Error('in the middle');
  if (event.rawPath === '/exit') process.exit(1);
  stream.end('data: 2\n\n');
});
exports.fails = awslambda.streamifyResponse(async () => { throw new Error('before'); });
exports.nonsense = awslambda.streamifyResponse(async (event, stream) => {
  stream.setContentType('application/vnd.awslambda.http-integration-response');
  stream.end(event.rawPath === '/long' ? '{' + ' '.repeat(100000) : '{"statusCode": 201}');
});
exports.type = awslambda.streamifyResponse(async (event, stream) => {
  stream.setContentType('a/b\r\nX-Evil: 1');
  stream.end('body');
});
exports.result = async () => ({ statusCode: 404, body: 'as it is' });
"""
BOOTSTRAP = r"""#!/bin/bash
root=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
while true; do
  id=$(curl -sSD - -o /dev/null "$root/next" | tr -d '\r' | sed -n 's/^Lambda-Runtime-Aws-Request-Id: //p')
  printf '{"statusCode":202,"headers":{"X-By":"bash"}}\0\0\0\0\0\0\0\0from bash' |
    curl -sS -o /dev/null -X POST -T - -H 'Content-Type: application/vnd.awslambda.http-integration-response' \
      -H "Lambda-Runtime-Function-Response-Mode: $MODE" "$root/$id/response"
done
"""


class UrlStream(ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name in ("page", "plain", "fails", "nonsense", "result", "type"):
            cls.node_function(name, "app." + name)
            cls.url(name)

    @classmethod
    def node_function(cls, name, handler):
        cls.client.create_function(
            FunctionName=name, Runtime="nodejs20.x", Role=ROLE, Handler=handler,
            Code={"ZipFile": zip_of({"app.js": APP})}, MemorySize=1024, Timeout=20)

    @classmethod
    def url(cls, name, **options):
        """The Host of the function's new URL."""
        made = cls.config("POST", name, InvokeMode="RESPONSE_STREAM", AuthType="NONE", **options)
        assert made["InvokeMode"] == "RESPONSE_STREAM"
        return made["FunctionUrl"][len("http://"):-1]

    @classmethod
    def config(cls, method, name, **members):
        """Without boto3, whose older versions do not know InvokeMode."""
        with Answer(cls.server.port, method, f"/2021-10-31/functions/{name}/url",
                    json.dumps(members).encode()) as answer:
            body = json.loads(answer.read())
        assert answer.status in (200, 201), body
        return body

    def node(self, name):
        made = self.client.get_function_url_config(FunctionName=name)
        return made["FunctionUrl"][len("http://"):-1]

    def ask(self, host, path="/", method="GET", **options):
        answer = Answer(self.server.port, method, path, host=host, **options)
        self.addCleanup(answer.close)
        return answer

    def test_configuration(self):
        python_function(self.client, "mode", "def handler(event, context): return event['rawPath']")
        host = self.url("mode")
        self.assertEqual(self.config("GET", "mode")["InvokeMode"], "RESPONSE_STREAM")
        self.assertEqual(self.ask(host, "/a").read(), b'"/a"')
        for mode, body in (("BUFFERED", b"/a"), ("RESPONSE_STREAM", b'"/a"')):
            self.assertEqual(self.config("PUT", "mode", InvokeMode=mode)["InvokeMode"], mode)
            self.assertEqual(self.ask(host, "/a").read(), body)
        self.config("PUT", "mode", AuthType="AWS_IAM")
        self.server.stop()
        self.server.start()
        type(self).client = self.server.client()
        kept = self.config("GET", "mode")
        self.assertEqual((kept["InvokeMode"], kept["AuthType"]), ("RESPONSE_STREAM", "AWS_IAM"))

    def test_prelude(self):
        answer = self.ask(self.node("page"), "/some/where")
        self.assertEqual(answer.status, 201)
        self.assertEqual(answer.header("Content-Type"), "text/html")
        self.assertEqual(answer.header("X-Path"), "/some/where")
        self.assertEqual(answer.header("X-N"), "7")
        self.assertEqual([value for name, value in answer.headers if name == "Set-Cookie"],
                         ["a=b", "c=d; Path=/"])
        self.assertIsNotNone(answer.header("x-amzn-RequestId"))
        self.assertEqual(answer.read(), b"<p>a page\0")

    def test_the_first_byte_does_not_wait(self):
        answer = self.ask(self.node("page"), "/wait")
        self.assertEqual(answer.chunk(), b"<p>")
        answer.close()

    def test_without_prelude(self):
        answer = self.ask(self.node("plain"))
        self.assertEqual((answer.status, answer.header("Content-Type")), (200, "text/event-stream"))
        self.assertEqual(answer.read(), b"data: 1\n\ndata: 2\n\n")

    def test_failures(self):
        for path in ("/fail", "/exit"):
            answer = self.ask(self.node("plain"), path)
            self.assertEqual((answer.status, answer.chunk()), (200, b"data: 1\n\n"))
            with self.assertRaises((EOFError, ConnectionResetError)):
                answer.read()
        for handler, path in (("fails", "/"), ("nonsense", "/"), ("nonsense", "/long")):
            answer = self.ask(self.node(handler), path)
            self.assertEqual((answer.status, answer.read()), (502, b"Internal Server Error"))

    def test_a_media_type_that_is_none(self):
        """It stays one header."""
        answer = self.ask(self.node("type"))
        self.assertEqual((answer.header("Content-Type"), answer.header("X-Evil")),
                         ("a/b  X-Evil: 1", None))
        self.assertEqual(answer.read(), b"body")
        with Events(self.server.port, "type", {}) as events:
            self.assertIsNone(events.header("X-Evil"))
            self.assertEqual(events.all(), (b"body", {}))

    def test_a_handler_that_does_not_stream(self):
        """Its result is the body, as on AWS; a buffered URL would have read it as an answer."""
        answer = self.ask(self.node("result"))
        self.assertEqual((answer.status, answer.header("Content-Type")), (200, "application/json"))
        self.assertEqual(json.loads(answer.read()), {"statusCode": 404, "body": "as it is"})

    def test_custom_runtime(self):
        for mode in ("streaming", "buffered"):
            self.client.create_function(
                FunctionName="bash-" + mode, Runtime="provided.al2023", Role=ROLE, Handler="h",
                Code={"ZipFile": zip_of({"bootstrap": BOOTSTRAP})}, MemorySize=512, Timeout=20,
                Environment={"Variables": {"MODE": mode}})
            answer = self.ask(self.url("bash-" + mode))
            self.assertEqual((answer.status, answer.header("X-By")), (202, "bash"))
            self.assertEqual(answer.header("Content-Type"), "application/octet-stream")
            self.assertEqual(answer.read(), b"from bash")

    def test_cors(self):
        self.node_function("cors", "app.page")
        host = self.url("cors", Cors={"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET"],
                                      "ExposeHeaders": ["X-Path"]})
        answer = self.ask(host, headers=[("Origin", "https://a.example")])
        self.assertEqual(answer.header("Access-Control-Allow-Origin"), "https://a.example")
        self.assertEqual(answer.header("Access-Control-Expose-Headers"), "X-Path")
        self.assertEqual(answer.read(), b"<p>a page\0")
        preflight = self.ask(host, method="OPTIONS", headers=[
            ("Origin", "https://a.example"), ("Access-Control-Request-Method", "GET")])
        self.assertEqual((preflight.status, preflight.header("Access-Control-Allow-Methods")),
                         (200, "GET"))

    def test_head(self):
        answer = self.ask(self.node("page"), method="HEAD")
        self.assertEqual((answer.status, answer.header("X-Path")), (201, "/"))
        with self.assertRaises(TimeoutError):
            answer.socket.settimeout(0.2)
            answer.more()

    def curl(self, *arguments):
        done = subprocess.run(["curl", "-sS", "--http2-prior-knowledge", *arguments],
                              capture_output=True, timeout=30, check=False)
        return done.returncode, done.stdout

    def test_http2(self):
        code, out = self.curl("-i", "-H", "Host: " + self.node("page"), f"{self.server.endpoint}/x")
        head, body = out.split(b"\r\n\r\n", 1)
        self.assertEqual((code, body), (0, b"<p>a page\0"))
        self.assertTrue(head.startswith(b"HTTP/2 201"), head)
        self.assertIn(b"set-cookie: c=d; Path=/", head)
        code, out = self.curl("-H", "Host: " + self.node("plain"), f"{self.server.endpoint}/fail")
        self.assertEqual((code, out), (92, b"data: 1\n\n"))  # 92: the stream was not closed cleanly
        code, out = self.curl("-d", '{"rawPath": "/"}', f"{self.server.endpoint}/2021-11-15/functions/"
                              "plain/response-streaming-invocations")
        with Events(self.server.port, "plain", {"rawPath": "/"}) as events:
            events.frames.add_data(out)
            found = [(frame.headers[":event-type"], frame.payload) for frame in events.frames]
        self.assertEqual(b"".join(payload for kind, payload in found if kind == "PayloadChunk"),
                         b"data: 1\n\ndata: 2\n\n")
        self.assertEqual(found[-1], ("InvokeComplete", b"{}"))


if __name__ == "__main__":
    unittest.main()
