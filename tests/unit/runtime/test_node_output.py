"""What comes out of the Node runtime beside plain answers: streams, logs, its life between calls,
and what hostile code makes of it."""
import json
import os
import re
import signal
import unittest

from node_runtime import (ERROR, HEADER, LAST, NOT_SETTLED, RESPONSE, SHUTDOWN, STREAM_END, Case, Runtime)


class Streaming(Case):
    CODE = """
exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
  const pause = () => new Promise((r) => setTimeout(r, 2));
  if (event === 'text') { stream.setContentType('text/plain'); stream.write('a'); await pause();
                          stream.write('b'); stream.end('c'); }
  if (event === 'empty') stream.end();
  if (event === 'http') { stream = awslambda.HttpResponseStream.from(stream, { statusCode: 418 });
                          stream.write('tea'); stream.end(); }
  if (event === 'httpempty') awslambda.HttpResponseStream.from(stream, { statusCode: 204 }).end();
  if (event === 'types') { stream.write({ a: 1 }); stream.write(Buffer.from('b'));
                           stream.write(new Uint8Array([99])); stream.end(); }
  if (event === 'pipeline') {
    const { pipeline } = require('stream/promises');
    const { Readable } = require('stream');
    await pipeline(Readable.from(function* () { for (let i = 0; i < 200; i++) yield Buffer.alloc(50000, i); }()), stream);
  }
  if (event === 'early') throw new TypeError('before');
  if (event === 'mid') { stream.write('some'); await pause(); throw new TypeError('mid'); }
  if (event === 'open') { stream.write('x'); }
  if (event === 'late') { stream.setContentType('a/b'); stream.write('x'); stream.setContentType('c/d'); }
  if (event === 'after') { stream.end('all'); await pause(); throw new Error('after'); }
  if (event === 'result') { stream.end('r'); return 5; }
  if (event === 'work') { stream.end('w'); await pause(); console.log('worked'); }
  if (event === 'broken') {
    const { pipeline } = require('stream/promises');
    const { Readable } = require('stream');
    await pipeline(Readable.from(function* () { yield 'first'; throw new Error('source'); }()), stream);
  }
  if (event === 'hang') { stream.write('h'); await new Promise(() => {}); }
  if (event === 'context') stream.end(JSON.stringify([context.awsRequestId, context.requestId]));
}, { highWaterMark: 1000 });
"""
    OK = (RESPONSE, b"")

    def test_bodies(self):
        octets = "application/octet-stream"
        prelude = "application/vnd.awslambda.http-integration-response"
        for generation in (20, 24):
            runtime = Runtime(self.CODE, generation=generation).ready()
            for event, head, body in (
                    ("text", "text/plain", b"abc"), ("empty", octets, b""),
                    ("http", prelude, b'{"statusCode":418}' + bytes(8) + b"tea"),
                    ("httpempty", prelude, b'{"statusCode":204}' + bytes(8)),
                    ("types", octets, b'{"a":1}bc'), ("work", octets, b"w"), ("result", octets, b"r"),
                    ("context", octets, b'["req-1","req-1"]')):
                self.assertEqual(runtime.stream(event), (head, body, True, self.OK), event)
            output = runtime.end()[1]
            self.assertIn("worked", output)
            self.assertIn("\tWARN\tStreaming handlers ignore return values.", output)

    def test_ten_megabytes(self):
        runtime = Runtime(self.CODE).ready()
        head, body, is_whole, end = runtime.stream("pipeline")
        self.assertTrue(body == b"".join(bytes([i]) * 50000 for i in range(200)))
        self.assertEqual((is_whole, end), (True, self.OK))
        runtime.end()

    def check(self, runtime, event, kind, message, body, is_whole=False):
        head, got, whole, (frame, payload) = runtime.stream(event)
        error = json.loads(payload)
        self.assertEqual((got, whole, frame, error["errorType"], error["errorMessage"]),
                         (body, is_whole, ERROR, kind, message))

    def test_failures(self):
        for generation, thrown in ((20, "string"), (24, "Error")):
            runtime = Runtime(self.CODE, generation=generation).ready()
            self.assertEqual(runtime.error("early")["errorMessage"], "before")
            self.check(runtime, "mid", "TypeError", "mid", b"some")
            self.check(runtime, "broken", "Error", "source", b"first")
            self.check(runtime, "late", "Runtime.InvalidStreamingOperation",
                       "Cannot set content-type, too late.", b"x")
            self.check(runtime, "open", thrown, "Response stream is not finished.", b"x")
            self.check(runtime, "after", "Error", "after", b"all", is_whole=True)
            self.check(runtime, "hang", "Runtime.NodeJsExit", NOT_SETTLED, b"h")
            self.assertEqual(runtime.error(b"{")["errorType"], "SyntaxError")
            self.assertEqual(runtime.stream("text")[1], b"abc")
            runtime.end()

    def test_plain_function(self):
        runtime = Runtime("exports.handler = awslambda.streamifyResponse((e, s) => { s.end('x'); });")
        runtime.ready()
        _, body, _, (kind, payload) = runtime.stream()
        self.assertEqual((kind, json.loads(payload)["errorMessage"]),
                         (ERROR, "Streaming does not support non-async handlers."))
        runtime.end()

    def test_exception_in_the_middle(self):
        code = """
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  for (let i = 0; i < 50; i++) stream.write(Buffer.alloc(40000, 'x'));
  setTimeout(() => { throw new Error('mid'); }, 1);
  await new Promise((r) => setTimeout(r, 10000));
});"""
        runtime = Runtime(code).ready()
        _, body, is_whole, end = runtime.stream()
        self.assertEqual((end, is_whole, set(body)), ((LAST, b""), False, {ord("x")}))
        self.assertEqual(json.loads(runtime.frame()[2])["errorMessage"], "mid")
        self.assertEqual(runtime.end()[0], 129)

    def test_back_pressure_leaves_the_loop_running(self):
        code = """
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  let waits = 0;
  for (let i = 0; i < 100; i++)
    if (!stream.write(Buffer.alloc(65536))) { waits++; await new Promise((r) => stream.once('drain', r)); }
  clearInterval(timer);
  stream.end(JSON.stringify([waits > 0, ticks > 0]));
});"""
        runtime = Runtime(code).ready()
        runtime.send_invoke()
        body, kind = b"", 0
        while kind != STREAM_END:
            kind, _, payload = runtime.frame()
            body += payload
        self.assertEqual(runtime.frame()[0], RESPONSE)
        self.assertEqual(body[-12:].lstrip(b"\0"), b"[true,true]")
        runtime.end()

    def test_switched_off(self):
        code = "exports.handler = async () => typeof awslambda;"
        self.assertEqual(self.run_one(code, env={"AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA": "1"}), "undefined")


class Logs(Case):
    def logged(self, code, **env):
        runtime = Runtime(code, env=env).ready()
        runtime.result(request_id="the-id")
        return runtime.end()[1].splitlines()

    def test_text(self):
        lines = self.logged("""
console.log('init');
exports.handler = async () => {
  console.log('plain %s', 'text', { a: 1 }); console.info('100%'); console.warn('w'); console.error('e');
  console.debug('d'); console.trace('t'); console.fatal('f'); console.log(); console.log(null, [1]);
  console.log('%d percent');
};""")
        stamp = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\t"
        for line, (request, level, text) in zip(lines, [
                ("undefined", "INFO", "init"), ("the-id", "INFO", "plain text { a: 1 }"),
                ("the-id", "INFO", "100%"), ("the-id", "WARN", "w"), ("the-id", "ERROR", "e"),
                ("the-id", "DEBUG", "d"), ("the-id", "TRACE", "t"), ("the-id", "FATAL", "f"),
                ("the-id", "INFO", "undefined"), ("the-id", "INFO", "null [ 1 ]"),
                ("the-id", "INFO", "%d percent")], strict=True):
            self.assertRegex(line, stamp + re.escape(f"{request}\t{level}\t{text}") + "$")

    def test_one_message_is_one_line(self):
        runtime = Runtime("exports.handler = async () => console.log('a\\nb\\n');").ready()
        runtime.result()
        self.assertTrue(runtime.end()[1].endswith("\tINFO\ta\rb\r\n"))

    def test_json(self):
        lines = self.logged("""
exports.handler = async () => {
  console.log('text'); console.log({ a: 1 }); console.warn('x %d', 1); console.error(new TypeError('bad'));
  console.error('with', new RangeError('b2')); const c = {}; c.c = c; console.log(c); console.log(1n);
};""", AWS_LAMBDA_LOG_FORMAT="JSON")
        records = [json.loads(line) for line in lines]
        self.assertEqual(list(records[0]), ["timestamp", "level", "requestId", "message"])
        self.assertEqual([r["message"] for r in records[:3]], ["text", {"a": 1}, "x 1"])
        self.assertEqual([r["level"] for r in records[:4]], ["INFO", "INFO", "WARN", "ERROR"])
        self.assertEqual(records[3]["message"]["errorType"], "TypeError")
        self.assertEqual(records[3]["message"]["errorMessage"], "bad")
        self.assertEqual((records[4]["errorType"], records[4]["errorMessage"]), ("RangeError", "b2"))
        self.assertIn("[Circular *1]", records[5]["message"])
        self.assertEqual(records[6]["message"], "1n")

    def test_json_errors_of_the_runtime(self):
        runtime = Runtime("exports.handler = async () => { throw new Error('x'); };",
                          env={"AWS_LAMBDA_LOG_FORMAT": "json"}).ready()
        runtime.error()
        record = json.loads(runtime.end()[1])
        self.assertEqual((record["level"], record["message"]["errorMessage"]), ("ERROR", "x"))

    def test_levels(self):
        lines = self.logged("""
exports.handler = async () => {
  for (const l of ['trace', 'debug', 'info', 'log', 'warn', 'error', 'fatal']) console[l](l);
};""", AWS_LAMBDA_LOG_LEVEL="warn", AWS_LAMBDA_LOG_FORMAT="JSON")
        self.assertEqual([json.loads(line)["message"] for line in lines], ["warn", "error", "fatal"])

    def test_output_is_there_before_the_answer(self):
        runtime = Runtime("""
exports.handler = async () => {
  console.log('line'); process.stdout.write('part'); process.stderr.write('err');
  require('child_process').execSync('echo child', { stdio: 'inherit' });
};""").ready()
        runtime.result()
        os.kill(runtime.process.pid, signal.SIGKILL)
        output = runtime.end()[1]
        for piece in ("line\n", "part", "err", "child\n"):
            self.assertIn(piece, output)

    def test_huge_output(self):
        runtime = Runtime("""
exports.handler = async (event) => {
  process.stdout.write('touched\\n');
  for (let i = 0; i < 20; i++) console.log('x'.repeat(100000));
  for (let i = 0; i < 20000; i++) console.log('short');
};""").ready()
        runtime.result()
        output = runtime.end()[1]
        self.assertEqual((output.count("x" * 100000), output.count("\tshort\n")), (20, 20000))

    def test_closed_output_harms_nobody(self):
        runtime = Runtime("""
exports.handler = async (event) => {
  if (event === 1) require('fs').closeSync(1);
  console.log('into the void');
  if (event === 2) throw new Error('x');
  return 1;
};""").ready()
        self.assertEqual(runtime.result(1), 1)
        self.assertEqual(runtime.error(2)["errorMessage"], "x")
        runtime.end()


class Life(Case):
    def test_pending_timers_run_during_and_between_calls(self):
        runtime = Runtime("""
let ticks = 0;
exports.handler = async (event) => {
  if (event === 'start') setInterval(() => { if (++ticks === 3) console.log('three'); }, 1);
  return ticks;
};""").ready()
        runtime.result("start")
        while b"three" not in runtime.output:  # without an invocation
            self.assertIsNone(runtime.process.poll())
            os.sched_yield()
        self.assertGreaterEqual(runtime.result(), 3)
        for _ in range(100):
            runtime.result()
        self.assertEqual(runtime.end()[0], 0)

    def test_open_sockets(self):
        runtime = Runtime("""
const net = require('net');
let client;
const server = net.createServer((s) => s.pipe(s)).listen(0, '127.0.0.1');
exports.handler = async (event) => {
  if (!server.listening) await require('events').once(server, 'listening');
  client ??= net.connect(server.address().port, '127.0.0.1');
  client.write(event);
  return String((await require('events').once(client, 'data'))[0]);
};""").ready()
        for n in range(50):
            self.assertEqual(runtime.result(str(n)), str(n))
        self.assertEqual(runtime.end()[0], 0)

    def test_standard_output_is_no_pending_work(self):
        code = """
process.stdout.write('');
exports.handler = async () =>
  [process.getActiveResourcesInfo().length > 0, process.moduleLoadList.length];"""
        runtime = Runtime(code).ready()
        first = runtime.result()
        self.assertTrue(first[0])
        self.assertEqual([runtime.result() for _ in range(3)], [first] * 3)
        self.assertNotIn("socket", os.readlink(f"/proc/{runtime.process.pid}/fd/1"))
        # Blocked in read(2) of the socket, not in the event loop.
        with open(f"/proc/{runtime.process.pid}/syscall", encoding="ascii") as file:
            while not (call := file.read().split()) or call[0] == "running":
                os.sched_yield()
                file.seek(0)
        self.assertEqual(call[:2], ["0", "0x3"])
        runtime.end()

    def test_exception_between_calls(self):
        runtime = Runtime("""
exports.handler = async () => { setTimeout(() => { throw new Error('between'); }, 20); };""").ready()
        runtime.result()
        with self.assertRaises(EOFError):
            runtime.frame()
        status, output = runtime.end()
        self.assertEqual(status, 129)
        self.assertIn("Uncaught Exception", output)

    def test_children_do_not_get_the_socket(self):
        code = """
const { execFileSync, spawnSync } = require('child_process');
exports.handler = async () =>
  execFileSync('ls', ['-l', '/proc/self/fd']) + spawnSync('sh', ['-c', 'ls -l /proc/$$/fd'],
    { stdio: ['ignore', 'pipe', 'ignore'] }).stdout;"""
        listing = self.run_one(code)
        # Node gives children socketpairs as their standard streams, descriptors 0 to 2.
        self.assertNotRegex(listing, r" 3 -> socket")

    def test_shutdown_ends(self):
        runtime = Runtime("process.on('exit', () => console.log('bye'));"
                          "exports.handler = async () => 1;").ready()
        runtime.send_invoke()
        runtime.socket.sendall(HEADER.pack(0, SHUTDOWN, 0, 0, 0))
        self.assertEqual(runtime.frame()[0], RESPONSE)
        status, output = runtime.end()
        self.assertEqual(status, 0)
        self.assertTrue(output.endswith("\tbye\n"))

    def test_shutdown_with_pending_work(self):
        runtime = Runtime("setInterval(() => {}, 1000); exports.handler = async () => 1;").ready()
        runtime.socket.sendall(HEADER.pack(0, SHUTDOWN, 0, 0, 0))
        self.assertEqual(runtime.process.wait(30), 0)
        runtime.end()

    def test_cold_start_loads_little(self):
        code = """
exports.handler = async () => process.moduleLoadList.filter((n) => n.startsWith('NativeModule '));"""
        loaded = self.run_one(code)
        for name in ("net", "tty", "http", "child_process", "crypto"):
            self.assertNotIn("NativeModule " + name, loaded)


class Hostile(Case):
    """What honest code must survive; what hostile code does only harms its own instance."""

    def test_closed_socket(self):
        for statement in ("require('fs').closeSync(3)", "require('net').connect({ fd: 3 }).destroy()",
                          "new (require('net').Socket)({ fd: 3 }).destroy()"):
            runtime = Runtime(f"exports.handler = async () => {{ {statement}; }};").ready()
            runtime.send_invoke()
            try:
                while True:
                    runtime.frame()
            except (EOFError, ConnectionResetError):
                pass
            self.assertNotEqual(runtime.process.wait(30), None)
            runtime.end()

    def test_forged_frames(self):
        code = """
const fs = require('fs');
exports.handler = async () => { fs.writeSync(3, Buffer.from('ffffffff12000000ffffffff', 'hex')); };"""
        runtime = Runtime(code).ready()
        runtime.send_invoke()
        self.assertEqual(HEADER.unpack(runtime.exactly(12)), (0xffffffff, RESPONSE, 0, 0, 0xffffffff))
        runtime.kill()

    def test_replaced_globals(self):
        code = """
const fs = require('fs');
for (const name of Object.keys(fs)) if (typeof fs[name] === 'function') fs[name] = () => { throw 1; };
process.exit = () => {};
globalThis.setImmediate = globalThis.setTimeout = globalThis.queueMicrotask = () => {};
console.log = console.error = () => {};
exports.handler = async (event) => event;"""
        for generation in (20, 24):
            runtime = Runtime(code, generation=generation).ready()
            for n in range(3):
                self.assertEqual(runtime.result(n), n)
            runtime.socket.sendall(HEADER.pack(0, SHUTDOWN, 0, 0, 0))
            self.assertEqual(runtime.process.wait(30), 0)
            runtime.end()

    def test_throwing_console(self):
        runtime = Runtime("""
console.error = () => { throw new Error('no console'); };
exports.handler = async () => { throw new Error('mine'); };""").ready()
        self.assertEqual(runtime.error()["errorMessage"], "mine")
        self.assertEqual(runtime.error()["errorMessage"], "mine")
        runtime.end()

    def test_replaced_json(self):
        runtime = Runtime("JSON.stringify = () => { throw 1; };"
                          "exports.handler = async (event) => { if (event) throw new Error('x'); };").ready()
        self.assertEqual(runtime.error(0)["errorMessage"], "Unable to stringify response body")
        self.assertEqual(runtime.error(1)["errorMessage"], "x")
        runtime.end()

    def test_hostile_errors(self):
        code = """
exports.handler = async (event) => {
  const error = new Error('x');
  if (event === 'stack') Object.defineProperty(error, 'stack', { get() { throw 1; } });
  if (event === 'name') error.name = { toString() { throw 1; } };
  if (event === 'json') error.toJSON = () => { throw 1; };
  if (event === 'proxy') throw new Proxy({}, { get() { throw 1; }, getPrototypeOf() { throw 1; } });
  if (event === 'symbol') throw Symbol('s');
  if (event === 'bare') throw Object.create(null);
  throw error;
};"""
        runtime = Runtime(code).ready()
        for event in ("stack", "name", "json", "proxy", "symbol", "bare"):
            self.assertIn(runtime.error(event)["errorType"], ("handled", "Error", "symbol"))
        self.assertEqual(runtime.error("fine")["errorMessage"], "x")
        runtime.end()

    def test_endless_loop_can_be_killed(self):
        runtime = Runtime("exports.handler = async () => { for (;;); };").ready()
        runtime.send_invoke()
        self.assertEqual(runtime.kill()[0], -9)

    def test_end_of_the_platform_ends_the_process(self):
        for code in ("exports.handler = async () => 1;",
                     "setInterval(() => {}, 1000); exports.handler = async () => 1;"):
            runtime = Runtime(code).ready()
            runtime.result()
            self.assertEqual(runtime.end()[0], 0)


if __name__ == "__main__":
    unittest.main(verbosity=1)
