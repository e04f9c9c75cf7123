"""What a handler sees in the Node runtime: modules, arguments, ways to answer, errors."""
import json
import os
import re
import shutil
import struct
import tempfile
import threading
import unittest

from node_runtime import (ARN, BOOTED, ERROR, HEADER, INIT_ERROR, INVOKE, NOT_SETTLED, READY, RESPONSE,
                          Case, Runtime)


class Handlers(Case):
    def test_event_and_result(self):
        event = {"a": ["\u00e4\U0001f600", 1e300, -3], "b": None}
        got = self.both("exports.handler = async (event) => ({ got: event, n: 1.5 });", event)
        self.assertEqual(got, {"got": event, "n": 1.5})

    def test_scalars_and_blanks(self):
        runtime = Runtime("exports.handler = async (event) => event;").ready()
        for event in (b' {"a": 1} \n', b"null", b"3", b'"x"', b"[]", b" true"):
            self.assertEqual(runtime.result(event), json.loads(event))
        runtime.end()

    def test_results_without_json(self):
        code = """
exports.handler = async (event) => {
  if (event === 'undefined') return undefined;
  if (event === 'function') return () => 1;
  if (event === 'nan') return NaN;
  if (event === 'date') return new Date(0);
  if (event === 'inside') return { a: undefined, b: [undefined] };
};"""
        for generation in (20, 24):
            runtime = Runtime(code, generation=generation).ready()
            for event, result in (("undefined", None), ("function", None), ("nan", None),
                                  ("date", "1970-01-01T00:00:00.000Z"), ("inside", {"b": [None]})):
                self.assertEqual(runtime.result(event), result)
            runtime.end()

    def test_unserialisable_results(self):
        code = """
exports.handler = async (event) => {
  if (event === 1) return 1n;
  const cycle = {}; cycle.self = cycle;
  return cycle;
};"""
        for generation, kind in ((20, "Error"), (24, "Runtime.JSONStringifyError")):
            runtime = Runtime(code, generation=generation).ready()
            for event in (1, 2):
                error = runtime.error(event)
                self.assertEqual((error["errorType"], error["errorMessage"]),
                                 (kind, "Unable to stringify response body"))
            runtime.end()

    def test_thenable(self):
        self.assertEqual(self.both("""
exports.handler = () => ({ then(ok) { setTimeout(ok, 1, 'later'); } });"""), "later")

    def test_plain_result(self):
        code = "exports.handler = (event) => 'plain';"
        self.assertIsNone(self.run_one(code, generation=22))  # AWS ignores it: no promise
        self.assertEqual(self.run_one(code, generation=24), "plain")

    def test_await_timers_and_files(self):
        self.assertEqual(self.both("""
const fs = require('fs/promises');
exports.handler = async () => {
  await new Promise((r) => setTimeout(r, 5));
  return (await fs.readFile(__filename, 'utf8')).length > 10;
};"""), True)

    def test_this_survives_between_calls(self):
        runtime = Runtime("let n = 0; exports.handler = async () => ++n;").ready()
        self.assertEqual([runtime.result() for _ in range(5)], [1, 2, 3, 4, 5])
        runtime.end()

    def test_six_megabytes_both_ways(self):
        runtime = Runtime("exports.handler = async (event) => event;").ready()
        for event in (json.dumps("x" * (6 * 1024 * 1024 - 2)).encode(),
                      json.dumps("\u00e4" * 1000000, ensure_ascii=False).encode()):
            sender = threading.Thread(target=runtime.send_invoke, args=(event,))
            sender.start()
            kind, _, payload = runtime.frame()
            sender.join()
            self.assertTrue((kind, payload) == (RESPONSE, event))
            self.assertEqual(runtime.result({"small": 1}), {"small": 1})
        runtime.end()

    def test_frame_sizes_around_the_buffer(self):
        runtime = Runtime("exports.handler = async (event) => [event.length, event];").ready()
        sizes = list(range(65536 - 120, 65536 + 20, 7)) + list(range(21830, 21850))
        for size in sizes:
            self.assertEqual(runtime.result("x" * size), [size, "x" * size])
        runtime.end()

    def test_thousand_calls(self):
        runtime = Runtime("exports.handler = async (event) => event.n * 2;").ready()
        for n in range(1000):
            self.assertEqual(runtime.result({"n": n}), n * 2)
        runtime.end()

    def test_bytes_arrive_in_pieces(self):
        runtime = Runtime("exports.handler = async (event) => event;").ready()
        runtime.seq = 7
        body = struct.pack("<q", 1) + struct.pack("<H", 0) * 5 + b'"piece"'
        for byte in HEADER.pack(len(body), INVOKE, 0, 0, 7) + body:
            runtime.socket.sendall(bytes([byte]))
        self.assertEqual(runtime.frame(), (RESPONSE, 7, b'"piece"'))
        runtime.end()

    def test_event_that_is_no_json(self):
        runtime = Runtime("exports.handler = async (event) => 1;").ready()
        self.assertEqual(runtime.error(b"{oops")["errorType"], "SyntaxError")
        self.assertEqual(runtime.result(), 1)
        runtime.end()


class Modules(Case):
    def test_names(self):
        inner = "exports.go = async () => __filename.split('/').pop(); exports.a = { b: { c: exports.go } };"
        for handler, files in (
                ("src/deep/mod.go", {"src/deep/mod.js": inner}),
                ("mod.a.b.c", {"mod.js": inner}),
                ("mod.go", {"mod.cjs": inner}),
                ("./mod.go", {"mod.js": inner}),
                ("mod.go", {"mod/index.js": inner, "mod/package.json": '{"main": "index.js"}'}),
                ("lib.go", {"node_modules/lib/index.js": inner})):
            with self.subTest(handler=handler, files=list(files)):
                name = list(files)[0].split("/")[-1]
                self.assertEqual(self.both("", handler=handler, files=files), name)

    def test_es_modules(self):
        code = "export const handler = async (event) => import.meta.url.split('/').pop();"
        later = "const x = await Promise.resolve(3); export const handler = async () => x;"
        self.assertEqual(self.both("", handler="m.handler", files={"m.mjs": code}), "m.mjs")
        self.assertEqual(self.both("", handler="m.handler", files={"m.mjs": later}), 3)
        self.assertEqual(self.both(code, files={"package.json": '{"type": "module"}'}), "app.js")
        self.assertEqual(self.both("", handler="src/a b#1.handler", files={
            "src/a b#1.js": code, "package.json": '{"type": "module"}'}), "a%20b%231.js")
        self.assertEqual(self.both("", handler="c.handler", files={
            "package.json": '{"type": "module"}', "c.cjs": "exports.handler = async () => 'cjs'"}), "cjs")

    def test_default_export(self):
        files = {"m.mjs": "export default { handler: async () => 'default' };"}
        self.assertEqual(self.run_one("", handler="m.handler", files=files, generation=24), "default")
        self.assertEqual(self.run_one("", handler="m.default", generation=20,
                                      files={"m.mjs": "export default async () => 1"}), 1)

    def test_unreadable_package_json(self):
        runtime = Runtime("exports.handler = async () => 1;", files={"package.json": "{"}).start()
        self.assertIn(runtime[0], (READY, INIT_ERROR))  # Node itself refuses such a file

    def test_search_path(self):
        runtime = Runtime("""
exports.handler = async () => [process.env.NODE_PATH, require('module').globalPaths.slice(0, 5)];
""", generation=22).ready()
        text, paths = runtime.result()
        self.assertEqual(text.split(":"), [
            "/opt/nodejs/node22/node_modules", "/opt/nodejs/node_modules",
            "/var/runtime/node_modules", "/var/runtime", runtime.task])
        self.assertEqual(paths, text.split(":"))
        runtime.end()
        layer = tempfile.mkdtemp()
        try:
            with open(os.path.join(layer, "fromlayer.js"), "w", encoding="utf-8") as file:
                file.write("module.exports = 'layer';")
            self.assertEqual(self.run_one(
                "exports.handler = async () => require('fromlayer');",
                env={"NODE_PATH": layer}), "layer")
        finally:
            shutil.rmtree(layer)

    def check(self, code, handler, kind, message, exit_code=None, trace=None, **kwargs):
        for generation in (20, 24):
            runtime = Runtime(code, handler=handler, generation=generation, **kwargs)
            frame, seq, payload = runtime.start()
            self.assertEqual((frame, seq), (INIT_ERROR, 0))
            error = json.loads(payload)
            self.assertEqual(error["errorType"], kind)
            self.assertEqual(error["errorMessage"].split("\n")[0].replace(runtime.task, "TASK"), message)
            self.assertEqual(list(error), ["errorType", "errorMessage", "trace"])
            if trace:
                self.assertIn(trace, "\n".join(error["trace"]).replace(runtime.task, "TASK"))
            status, output = runtime.end()
            self.assertEqual(status, exit_code or (129 if generation == 20 else 1))
            self.assertRegex(output, r"Z\tundefined\tERROR\t[A-Z]")

    def test_init_errors(self):
        self.check("", "nope.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'nope'")
        self.check("require('missing-thing');", "app.handler", "Runtime.ImportModuleError",
                   "Error: Cannot find module 'missing-thing'", trace="TASK/app.js")
        self.check("", "app.handler", "Runtime.HandlerNotFound",
                   "app.handler is undefined or not exported")
        self.check("exports.handler = 5;", "app.handler", "Runtime.HandlerNotFound",
                   "app.handler is not a function")
        self.check("", "app.a.b", "Runtime.HandlerNotFound", "app.a.b is undefined or not exported")
        self.check("", "app", "Runtime.MalformedHandlerName", "Bad handler")
        self.check("", "../app.handler", "Runtime.MalformedHandlerName",
                   "'../app.handler' is not a valid handler name. Use absolute paths when "
                   "specifying root directories in handler names.")
        self.check("let x = (;", "app.handler", "Runtime.UserCodeSyntaxError",
                   "SyntaxError: Unexpected token ';'", trace="TASK/app.js:1")
        self.check("", "m.handler", "Runtime.UserCodeSyntaxError",
                   "SyntaxError: Unexpected token ';'", files={"m.mjs": "let x = (;"})
        self.check("throw new TypeError('at load');", "app.handler", "TypeError", "at load",
                   trace="TASK/app.js:1")
        self.check("throw 'text';", "app.handler", "string", "text")
        self.check("exports.handler = async () => 1; "
                   "exports.handler[Symbol.for('aws.lambda.runtime.handler.streaming')] = 'request';",
                   "app.handler", "Runtime.MalformedStreamingHandler",
                   "Only response streaming is supported.")
        self.check("", "m.handler", "Runtime.NodeJsExit",
                   NOT_SETTLED,
                   files={"m.mjs": "await new Promise(() => {}); export const handler = 1;"})

    def test_require_stack(self):
        runtime = Runtime("require('missing-thing');")
        _, _, payload = runtime.start()
        error = json.loads(payload)
        self.assertEqual(error["errorMessage"], "Error: Cannot find module 'missing-thing'\nRequire stack:\n"
                         f"- {runtime.task}/app.js\n- /var/runtime/index.mjs")
        self.assertIn("- /var/runtime/index.mjs", error["trace"])
        runtime.end()

    def test_missing_package_of_an_es_module(self):
        self.check("", "m.handler", "Error",
                   "Cannot find package 'missing' imported from TASK/m.mjs",
                   files={"m.mjs": "import 'missing'; export const handler = 1;"})

    def test_errors_outside_of_the_load(self):
        wait = "await new Promise((r) => setTimeout(r, 10000)); export const handler = 1;"
        self.check("", "m.handler", "Error", "tick", exit_code=129,
                   files={"m.mjs": "setTimeout(() => { throw new Error('tick'); }); " + wait})
        self.check("", "m.handler", "Runtime.UnhandledPromiseRejection", "Error: lost", exit_code=128,
                   files={"m.mjs": "Promise.reject(new Error('lost')); " + wait})

    def test_exit_during_init(self):
        runtime = Runtime("process.exit(3);")
        self.assertEqual(runtime.frame()[0], BOOTED)
        with self.assertRaises(EOFError):
            runtime.frame()
        self.assertEqual(runtime.end()[0], 3)


class Context(Case):
    def test_fields(self):
        code = """
exports.handler = async (event, context) => ({
  keys: Object.keys(context), left: context.getRemainingTimeInMillis(),
  alias: context.requestId === context.awsRequestId, json: JSON.parse(JSON.stringify(context)),
  functions: ['done', 'succeed', 'fail'].map((name) => typeof context[name]),
});"""
        fields = ["functionVersion", "functionName", "memoryLimitInMB", "logGroupName",
                  "logStreamName", "clientContext", "identity", "invokedFunctionArn",
                  "awsRequestId", "tenantId", "getRemainingTimeInMillis"]
        old = ["callbackWaitsForEmptyEventLoop", "succeed", "fail", "done"]
        for generation, keys, functions in ((20, old + fields, ["function"] * 3),
                                            (24, fields, ["undefined"] * 3)):
            runtime = Runtime(code, generation=generation).ready()
            got = runtime.result(client=b'{"custom": {"k": 1}}', cognito=b'{"cognitoIdentityId": "i"}')
            self.assertEqual(got["keys"], keys)
            self.assertEqual(got["functions"], functions)
            self.assertTrue(got["alias"] and 0 < got["left"] <= 5000)
            data = got["json"]
            data.pop("callbackWaitsForEmptyEventLoop", None)
            self.assertEqual(data, {
                "functionVersion": "$LATEST", "functionName": "f", "memoryLimitInMB": "128",
                "logGroupName": "/aws/lambda/f", "logStreamName": "stream",
                "clientContext": {"custom": {"k": 1}}, "identity": {"cognitoIdentityId": "i"},
                "invokedFunctionArn": ARN, "awsRequestId": "req-1"})
            runtime.end()

    def test_bad_client_context(self):
        runtime = Runtime("exports.handler = async () => 1;").ready()
        self.assertIn("Cannot parse ClientContext as json: SyntaxError",
                      runtime.error(client=b"{")["errorMessage"])
        self.assertEqual(runtime.result(), 1)
        runtime.end()

    def test_trace_id(self):
        runtime = Runtime("exports.handler = async () => process.env._X_AMZN_TRACE_ID;").ready()
        self.assertEqual(runtime.result(trace=b"Root=1-2"), "Root=1-2")
        self.assertIsNone(runtime.result())
        runtime.end()

    def test_remaining_time_passes_zero(self):
        runtime = Runtime("exports.handler = async (e, c) => c.getRemainingTimeInMillis();").ready()
        self.assertLess(runtime.result(deadline_ms=1), 0)
        runtime.end()

    def test_local_storage_does_not_leak(self):
        code = """
const { AsyncLocalStorage } = require('async_hooks');
const storage = new AsyncLocalStorage();
exports.handler = async (event) => {
  const before = storage.getStore();
  storage.enterWith(event);
  await null;
  return [before ?? null, storage.getStore()];
};"""
        for generation in (20, 24):
            runtime = Runtime(code, generation=generation).ready()
            for n in range(3):
                self.assertEqual(runtime.result(n), [None, n])
            runtime.end()


class Callbacks(Case):
    def test_ways_to_answer(self):
        code = """
exports.handler = (event, context, callback) => {
  if (event === 'callback') callback(null, 1);
  if (event === 'done') context.done(null, 2);
  if (event === 'succeed') context.succeed(3);
  if (event === 'later') setTimeout(callback, 5, null, 4);
  if (event === 'twice') { callback(null, 5); callback(null, 6); callback(new Error('x')); }
  if (event === 'undefined') callback();
};"""
        runtime = Runtime(code).ready()
        for event, result in (("callback", 1), ("done", 2), ("succeed", 3), ("later", 4),
                              ("twice", 5), ("undefined", None), ("nothing", None)):
            self.assertEqual(runtime.result(event), result)
        runtime.end()

    def test_ways_to_fail(self):
        code = """
class Mine extends Error { constructor(text) { super(text); this.name = 'Mine'; } }
exports.handler = (event, context, callback) => {
  if (event === 'callback') callback(new Mine('a'));
  if (event === 'text') callback('b');
  if (event === 'fail') context.fail(new Mine('c'));
  if (event === 'empty') context.fail();
  if (event === 'throw') throw new Mine('d');
  if (event === 'object') callback({ code: 1 });
  if (event === 'hostile') callback({ get name() { throw 1; } });
};"""
        runtime = Runtime(code).ready()
        for event, kind, message in (
                ("callback", "Mine", "a"), ("text", "string", "b"), ("fail", "Mine", "c"),
                ("empty", "string", "handled"), ("throw", "Mine", "d"),
                ("object", "object", "[object Object]"),
                ("hostile", "handled", "callback called with Error argument, but there was a problem"
                 " while retrieving one or more of its message, name, and stack")):
            error = runtime.error(event)
            self.assertEqual((error["errorType"], error["errorMessage"]), (kind, message))
        runtime.end()

    def test_waits_for_the_empty_loop(self):
        code = """
let ticks = 0;
exports.handler = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = event;
  setTimeout(() => { ticks++; }, 30);
  callback(null, { get seen() { return ticks; } });
};"""
        runtime = Runtime(code).ready()
        self.assertEqual(runtime.result(True), {"seen": 1})
        self.assertEqual(runtime.result(False), {"seen": 1})
        self.assertEqual(runtime.result(True), {"seen": 3})  # the timer of the call before, too
        runtime.end()

    def test_never_called(self):
        runtime = Runtime("exports.handler = (e, c, cb) => { setTimeout(() => {}, 5); };").ready()
        self.assertIsNone(runtime.result())
        runtime.end()

    def test_never_settled(self):
        code = "exports.handler = async () => { await new Promise(() => {}); };"
        for generation in (20, 24):
            runtime = Runtime(code, generation=generation).ready()
            for _ in range(2):
                self.assertEqual(runtime.error()["errorType"], "Runtime.NodeJsExit")
            runtime.end()

    def test_warning(self):
        for env, count in (({}, 1), ({"AWS_LAMBDA_NODEJS_DISABLE_CALLBACK_WARNING": "1"}, 0)):
            runtime = Runtime("exports.handler = (e, c, done) => done();", env=env, generation=22)
            runtime.ready()
            self.assertIsNone(runtime.result())
            self.assertEqual(runtime.end()[1].count("\tWARN\tAWS Lambda plans to remove support for "
                                                    "callback-based function handlers"), count)

    def test_gone_from_24_on(self):
        code = "exports.handler = (event, context, callback) => callback(null, 1);"
        runtime = Runtime(code, generation=24)
        kind, _, payload = runtime.start()
        error = json.loads(payload)
        self.assertEqual((kind, error["errorType"]), (INIT_ERROR, "Runtime.CallbackHandlerDeprecated"))
        self.assertEqual(error["errorMessage"],
                         "ERROR: AWS Lambda has removed support for callback-based function handlers "
                         "starting with Node.js 24. You need to modify this function to use a supported "
                         "handler signature to use Node.js 24 or later. For more information see "
                         "https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.")
        self.assertEqual(runtime.end()[0], 1)


class Errors(Case):
    def test_shape(self):
        code = """
function deep() { throw Object.assign(new RangeError('no'), { extra: 1 }); }
exports.handler = async () => deep();"""
        for generation in (20, 24):
            runtime = Runtime(code, generation=generation).ready()
            error = runtime.error(request_id="the-id")
            self.assertEqual(list(error), ["errorType", "errorMessage", "trace"])
            self.assertEqual((error["errorType"], error["errorMessage"]), ("RangeError", "no"))
            self.assertEqual(error["trace"][0], "RangeError: no")
            self.assertIn(f"at deep ({runtime.task}/app.js:2:", error["trace"][1])
            output = runtime.end()[1]
            match = re.search(r"Z\tthe-id\tERROR\tInvoke Error \t(\{.*\})", output)
            logged = json.loads(match[1])
            self.assertEqual((logged["errorType"], logged["errorMessage"], logged["extra"]),
                             ("RangeError", "no", 1))
            self.assertEqual(logged["stack"], error["trace"])

    def test_things_thrown(self):
        code = "exports.handler = async (event) => { throw event; };"
        runtime = Runtime(code).ready()
        for event, kind, message in (("text", "string", "text"), (5, "number", "5"),
                                     ({"a": 1}, "object", "[object Object]")):
            error = runtime.error(event)
            self.assertEqual((error["errorType"], error["errorMessage"], error["trace"]),
                             (kind, message, []))
        runtime.end()

    def test_stack_overflow(self):
        runtime = Runtime("const f = () => f() + 1; exports.handler = async () => f();").ready()
        self.assertEqual(runtime.error()["errorType"], "RangeError")
        runtime.end()

    def test_uncaught_exception(self):
        code = """
exports.handler = async () => {
  setTimeout(() => { throw new Error('late'); }, 1);
  await new Promise((r) => setTimeout(r, 10000));
};"""
        runtime = Runtime(code).ready()
        kind, error = runtime.last()
        self.assertEqual((kind, error["errorType"], error["errorMessage"]), (ERROR, "Error", "late"))
        status, output = runtime.end()
        self.assertEqual(status, 129)
        self.assertIn("\tERROR\tUncaught Exception \t{", output)

    def test_unhandled_rejection(self):
        code = """
exports.handler = async (event) => {
  Promise.reject(new Error('lost'));
  if (event) await new Promise((r) => setTimeout(r, 10000));
  return 'fine';
};"""
        runtime = Runtime(code).ready()
        kind, error = runtime.last(True)
        self.assertEqual((kind, error["errorType"], error["errorMessage"]),
                         (ERROR, "Runtime.UnhandledPromiseRejection", "Error: lost"))
        self.assertEqual(error["trace"][0], "Runtime.UnhandledPromiseRejection: Error: lost")
        status, output = runtime.end()
        self.assertEqual(status, 128)
        self.assertIn('\tERROR\tUnhandled Promise Rejection \t{"errorType":'
                      '"Runtime.UnhandledPromiseRejection","errorMessage":"Error: lost","reason":'
                      '{"errorType":"Error","errorMessage":"lost"', output)

    def test_unhandled_rejection_beside_a_result(self):
        code = "exports.handler = async () => { Promise.reject(new Error('lost')); return 'fine'; };"
        runtime = Runtime(code, generation=22).ready()
        self.assertEqual(runtime.last(), (RESPONSE, "fine"))  # as on AWS: the result was there
        self.assertEqual(runtime.end()[0], 128)
        runtime = Runtime(code, generation=24).ready()
        kind, error = runtime.last()
        self.assertEqual((kind, error["errorType"]), (ERROR, "Runtime.UnhandledPromiseRejection"))
        runtime.end()

    def test_listeners_of_the_user(self):
        code = """
process.on('unhandledRejection', () => console.log('mine too'));
exports.handler = async () => { Promise.reject(1); await new Promise((r) => setTimeout(r, 9999)); };"""
        runtime = Runtime(code).ready()
        runtime.last()
        self.assertEqual(runtime.process.wait(30), 128)
        runtime.end()

    def check_exit(self, statement, code):
        runtime = Runtime(f"exports.handler = async () => {{ {statement} }};").ready()
        runtime.send_invoke()
        with self.assertRaises(EOFError):
            runtime.frame()
        self.assertEqual(runtime.end()[0], code)

    def test_exits(self):
        self.check_exit("process.exit(0);", 0)
        self.check_exit("process.exit(7);", 7)
        self.check_exit("process.kill(process.pid, 'SIGKILL'); for (;;);", -9)
        self.check_exit("process.abort();", -6)


if __name__ == "__main__":
    unittest.main(verbosity=1)
