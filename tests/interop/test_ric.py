"""The official runtime interface client for Node.js (aws-lambda-ric from npm) serves invocations
unchanged: a custom runtime whose bootstrap starts it."""
import base64
import concurrent.futures
import json
import os
import re
import unittest

from interop import installed
from server import ROLE, ServerTest, zip_of

PARTS = ("package.json", "bin/index.mjs", "dist/index.mjs", "dist/rapid-client.node")
BOOTSTRAP = """#!/bin/sh
exec /usr/bin/node node_modules/aws-lambda-ric/bin/index.mjs "$_HANDLER"
"""
APP = """
let count = 0;
exports.handler = async (event, context) => {
  console.log("seen");
  if (event.fail) throw new TypeError(event.fail);
  return { event, count: ++count, id: context.awsRequestId, name: context.functionName,
           arn: context.invokedFunctionArn, left: context.getRemainingTimeInMillis(),
           client: context.clientContext?.custom, trace: process.env._X_AMZN_TRACE_ID };
};
exports.streaming = awslambda.streamifyResponse(async (event, stream) => {
  stream.setContentType("text/plain");
  stream.write("first ");
  stream.write("second");
  stream.end();
});
"""


def package(files):
    """A ZIP of files, with the client and the bootstrap that starts it."""
    folder = installed("ric")
    files = {"bootstrap": BOOTSTRAP, **files}
    for part in PARTS:
        with open(os.path.join(folder, "node_modules/aws-lambda-ric", part), "rb") as file:
            files["node_modules/aws-lambda-ric/" + part] = file.read()
    return zip_of(files)


class OfficialClient(ServerTest):
    @classmethod
    def setUpClass(cls):
        code = package({"app.js": APP})
        super().setUpClass()
        for name in ("handler", "streaming", "missing"):
            cls.client.create_function(
                FunctionName=name, Runtime="provided.al2023", Role=ROLE, Handler="app." + name,
                Code={"ZipFile": code}, MemorySize=512, Timeout=20)

    def call(self, name, event, **options):
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(event), **options)
        return answer, json.loads(answer["Payload"].read())

    def test_invocations(self):
        context = base64.b64encode(json.dumps({"custom": {"k": "v"}}).encode()).decode()
        for count in (1, 2):
            answer, body = self.call("handler", {"n": count}, ClientContext=context)
            self.assertEqual({"n": count}, body["event"])
            self.assertEqual(count, body["count"])
            self.assertEqual(answer["ResponseMetadata"]["RequestId"], body["id"])
            self.assertEqual("handler", body["name"])
            self.assertEqual("arn:aws:lambda:us-east-1:000000000000:function:handler", body["arn"])
            self.assertTrue(0 < body["left"] <= 20000)
            self.assertEqual({"k": "v"}, body["client"])
            self.assertRegex(body["trace"], "^Root=1-")

    def test_errors(self):
        answer, body = self.call("handler", {"fail": "asked to"}, LogType="Tail")
        self.assertEqual("Unhandled", answer["FunctionError"])
        self.assertEqual(("TypeError", "asked to"), (body["errorType"], body["errorMessage"]))
        log = base64.b64decode(answer["LogResult"]).decode()
        self.assertIn("INFO\tseen", log)
        self.assertIn("ERROR\tInvoke Error", log)
        answer, body = self.call("missing", {})
        self.assertEqual("Runtime.HandlerNotFound", body["errorType"])

    def test_streaming(self):
        answer = self.client.invoke(FunctionName="streaming")
        self.assertEqual(b"first second", answer["Payload"].read())


# Handlers in files of all kinds, after the fixtures of the client's own tests. By handler: what it is
# called with; the files are one package.
FILES = {
    "plain": "exports.handler = async () => 'no ending';",
    "plain.js": "exports.handler = async () => 'js';",
    "plain.mjs": "export const handler = async () => 'mjs';",
    "js_mjs.js": "exports.handler = async () => 'js';",
    "js_mjs.mjs": "export const handler = async () => 'mjs';",
    "mjs_cjs.mjs": "export const handler = async () => 'mjs';",
    "mjs_cjs.cjs": "exports.handler = async () => 'cjs';",
    "only_json.json": '{"handler": 1}',
    "late.mjs": "const word = await new Promise((r) => setTimeout(r, 20, 'late'));\n"
                "export const handler = async () => word;",
    "never.mjs": "await Promise.reject(new RangeError('not today')); export const handler = 1;",
    "imports.mjs": "import cjs, { named } from './mjs_cjs.cjs'; import * as late from './late.mjs';\n"
                   "export const handler = async () => [typeof cjs.handler, named, await late.handler()];",
    "missing.mjs": "import { nothing } from './late.mjs'; export const handler = nothing;",
    "mixed.js": "import { handler as h } from './late.mjs'; module.exports.handler = h;",
    "requires.js": "exports.handler = async () => (await import('./late.mjs')).handler();",
    "folder/package.json": '{"type": "module"}',
    "folder/deep/in/index.js": "export const handler = async () => import.meta.url.split('/').slice(-4);",
    "folder/old.js": "exports.handler = async () => 1;",
    "folder/node_modules/inner/index.js": "exports.handler = async () => 'below node_modules';",
    "other/package.json": '{"type": "commonjs"}',
    "other/index.js": "exports.handler = async () => __filename.split('/').pop();",
    "nested.js": "exports.a = { b: { c: async () => 'nested' }, own: 'text' }; exports.default = async () => 'd';",
    "nested_esm.mjs": "export const a = { b: async () => 'nested' }; export default { handler: async () => 'd' };",
    "app.js": """
class Mine extends Error { constructor(text) { super(text); this.name = 'Mine'; this.code = 7; } }
exports.callback = (event, context, callback) => {
  console.log('called with', event);
  if (event.waits === false) context.callbackWaitsForEmptyEventLoop = false;
  if (event.say === 'nothing') return 'nothing';
  if (event.say === 'throw') throw new Mine('thrown');
  if (event.say === 'fail') return context.fail(new Mine('failed'));
  if (event.say === 'done') return context.done(null, 'done');
  if (event.say === 'later') return setTimeout(() => { callback(null, 'later'); callback('again'); }, 5);
  callback(event.say === 'error' ? new Mine('said') : event.say === 'text' ? 'a text' : null, 'hello');
};
exports.plain = () => 'not waited for';
exports.promise = () => new Promise((resolve) => setTimeout(resolve, 5, 'promised'));
exports.async = async (event, context) => {
  console.warn('warned of %s', event.say, { n: 1 });
  if (event.say === 'throw') throw new Mine('thrown');
  if (event.say === 'text') throw 'a text';
  if (event.say === 'object') throw { message: 'an object', code: 1 };
  if (event.say === 'null') throw null;
  if (event.say === 'big') return 10n;
  if (event.say === 'undefined') return undefined;
  if (event.say === 'cause') throw new Error('outer', { cause: new Mine('inner') });
  if (event.say === 'aggregate') throw new AggregateError([new Mine('one')], 'many');
  return { event, directory: process.cwd(), keys: Object.keys(context), size: context.memoryLimitInMB };
};
""",
}
CALLS = {
    **{name + ".handler": [{}] for name in (
        "plain", "js_mjs", "mjs_cjs", "only_json", "late", "never", "imports", "missing", "mixed", "requires", "absent",
        "folder/deep/in/index", "folder/old", "folder/node_modules/inner/index", "other/index")},
    "nested.a.b.c": [{}], "nested.a.own": [{}], "nested.a.none": [{}], "nested.default": [{}], "nested_esm.a.b": [{}],
    "app.callback": [{"say": word} for word in ("nothing", "throw", "fail", "done", "later", "error", "text", "hello")]
                    + [{"say": "hello", "waits": False}],
    "app.plain": [{}], "app.promise": [{}],
    "app.async": [{"say": word} for word in ("hello", "throw", "text", "object", "null", "big", "undefined",
                                             "cause", "aggregate", "again")],
}
NODE_PATH = ":".join(["/opt/nodejs/node20/node_modules", "/opt/nodejs/node_modules", "/var/runtime/node_modules",
                      "/var/runtime", "/var/task"])  # which the start script of nodejs20.x sets
OWN_FILES = re.compile("/var/task/node_modules/aws-lambda-ric/dist/index.mjs|/var/runtime/(index.mjs|loader.cjs)")


class SameAsTheOfficialClient(ServerTest):
    """The runtime of nodejs20.x does with each handler what the official client of that generation does. (Promises
    that never settle are an error on AWS since a later version than npm has.)"""
    maxDiff = None

    def outcomes(self, name, events):
        """(error, payload, lines of the console) of each; traces by their first lines."""
        found = []
        for event in events:
            answer = self.client.invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail")
            payload = json.loads(OWN_FILES.sub("RUNTIME", answer["Payload"].read().decode()))
            if isinstance(payload, dict) and payload.get("trace"):
                payload["trace"] = payload["trace"][0]
            lines = base64.b64decode(answer["LogResult"]).decode().splitlines()
            said = [line.split("\t")[2:4] for line in lines if re.match(r"[\d-]+T[\d:.]+Z\t", line)]
            found.append((answer.get("FunctionError"), payload, said))
        return found

    def compare(self, number, handler, events):
        outcomes = {}
        for kind, runtime in ("own", "nodejs20.x"), ("official", "provided.al2023"):
            name = f"{kind}-{number}"
            self.client.create_function(
                FunctionName=name, Runtime=runtime, Role=ROLE, Handler=handler, Code={"ZipFile": self.code}, MemorySize=512,
                Timeout=20, Environment={"Variables": {"NODE_PATH": NODE_PATH}} if kind == "official" else {})
            outcomes[kind] = self.outcomes(name, events)
        return outcomes

    def test_handlers(self):
        type(self).code = package(FILES)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            done = pool.map(lambda item: self.compare(item[0], *item[1]), enumerate(CALLS.items()))
            for (handler, events), outcomes in zip(CALLS.items(), done):
                for event, own, official in zip(events, outcomes["own"], outcomes["official"]):
                    with self.subTest(handler=handler, event=event):
                        self.assertEqual(official, own)


if __name__ == "__main__":
    unittest.main()
