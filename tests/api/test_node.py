"""Node functions against the real server: the example through the command line, then what differs
from Python in code, answers, errors and logs."""
import base64
import json
import os
import subprocess
import unittest

from server import ROLE, ROOT, VIRGA, ServerTest, python_function, zip_of

APP = """
import { greet } from './lib/greet.mjs';
let count = 0;
export const handler = async (event, context) => {
  console.log('first\\nsecond');
  return { greeting: greet(event.name), count: ++count, id: context.awsRequestId,
           same: context.requestId === context.awsRequestId, name: context.functionName,
           memory: context.memoryLimitInMB, node: process.env.AWS_EXECUTION_ENV };
};
export const callback = (event, context, done) => setTimeout(done, 5, null, event);
export const fails = async () => { throw new TypeError('no way'); };
export const lost = async () => { setTimeout(() => { throw new Error('late'); }); await new Promise(() => {}); };
export const exits = async (event) => { if (event === 1) process.exit(3); return event; };
export const streams = awslambda.streamifyResponse(async (event, stream) => {
  for (let i = 0; i < event; i++) stream.write(`${i} `);
  stream.end('end');
});
"""
FILES = {"app.mjs": APP, "lib/greet.mjs": "export const greet = (name) => `Hello, ${name}!`;"}


class NodeFunctions(ServerTest):
    def make(self, handler, runtime="nodejs20.x", files=None):
        name = f"{handler.replace('.', '-')}-{runtime.split('.')[0]}"
        self.client.create_function(FunctionName=name, Runtime=runtime, Role=ROLE, Handler=handler,
                                    MemorySize=512, Timeout=10, Code={"ZipFile": zip_of(files or FILES)})
        return name

    def call(self, name, event, is_error=False):
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail")
        payload = answer["Payload"].read()
        self.assertEqual("FunctionError" in answer, is_error, payload)
        return payload, base64.b64decode(answer["LogResult"]).decode()

    def test_example(self):
        def virga(*arguments):
            return subprocess.run(
                [VIRGA, *arguments], capture_output=True, timeout=60, check=True,
                env={"PATH": "/usr/bin:/bin", "VIRGA_ENDPOINT": self.server.endpoint}).stdout.decode()

        self.assertRegex(virga("deploy", os.path.join(ROOT, "examples/hello-node")),
                         r"nodejs\d+\.x, index\.handler")
        answer = json.loads(virga("invoke", "hello-node", "--payload", '{"name": "Node"}'))
        self.assertEqual(json.loads(answer["body"])["message"], "Hello, Node!")

    def test_module(self):
        for runtime in ("nodejs20.x", "nodejs24.x"):
            name = self.make("app.handler", runtime)
            for count in (1, 2):
                payload, log = self.call(name, {"name": "Node"})
                got = json.loads(payload)
                self.assertIn(f"\t{got.pop('id')}\tINFO\tfirst\rsecond\n", log)
                self.assertEqual(got, {"greeting": "Hello, Node!", "count": count, "same": True, "name": name,
                                       "memory": "512", "node": "AWS_Lambda_" + runtime})

    def test_callback(self):
        self.assertEqual(self.call(self.make("app.callback"), {"a": 1})[0], b'{"a":1}')
        payload, _ = self.call(self.make("app.callback", "nodejs24.x"), 1, is_error=True)
        self.assertEqual(json.loads(payload)["errorType"], "Runtime.CallbackHandlerDeprecated")

    def test_lone_surrogates(self):
        """JSON.stringify writes them and JSON.parse reads them: they pass untouched."""
        payload = b'{"\\udc00":"\\ud83d-"}'
        name = self.make("app.callback", "nodejs22.x")
        python_function(self.client, "python", "def handler(event, context): return len(event[chr(0xdc00)])")
        for name, result in ((name, payload), ("python", b"2")):
            answer = self.client.invoke(FunctionName=name, Payload=payload)
            self.assertEqual(answer["Payload"].read(), result)

    def test_errors(self):
        for handler, kind, message in (
                ("app.fails", "TypeError", "no way"), ("app.lost", "Error", "late"),
                ("app.missing", "Runtime.HandlerNotFound", "app.missing is undefined or not exported")):
            name = self.make(handler)
            for _ in range(2):
                payload, log = self.call(name, 1, is_error=True)
                error = json.loads(payload)
                self.assertEqual((error["errorType"], error["errorMessage"]), (kind, message))
                self.assertIn("\tERROR\t", log)

    def test_exit_ends_one_call_only(self):
        name = self.make("app.exits")
        payload, _ = self.call(name, 1, is_error=True)
        self.assertIn("exit status 3", json.loads(payload)["errorMessage"])
        self.assertEqual(self.call(name, 2)[0], b"2")

    def test_stream_in_one_piece(self):
        self.assertEqual(self.call(self.make("app.streams"), 3)[0], b"0 1 2 end")


if __name__ == "__main__":
    unittest.main()
