"""Node functions started from snapshots of their initialised processes, through the real server."""
import os
import subprocess
import unittest

import server
from snapshots import SnapshotTest, bundle

USUAL = """
const crypto = require('crypto');
const table = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [i, i * i]));
let count = 0;
exports.handler = async (event, context) => {
  count++;
  await new Promise((resolve) => setTimeout(resolve, event.sleep ?? 0));
  return {
    sum: event.keys.reduce((sum, key) => sum + table[key], 0), count,
    stream: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    same: context.logStreamName === process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    pid: process.pid === Number(require('fs').readlinkSync('/proc/self')),
    argv: process.argv,
    values: [crypto.randomUUID(), crypto.randomBytes(8).toString('hex'), String(Math.random()),
             String(Math.random()), (globalThis.crypto ?? crypto.webcrypto).randomUUID(),
             Buffer.from(crypto.webcrypto.getRandomValues(new Uint8Array(8))).toString('hex')],
  };
};
"""

# What libraries and the runtime do for a living, after a restore.
WORKING = """
const { execFile, execFileSync } = require('child_process');
const dns = require('dns');
const fs = require('fs');
const http = require('http');
const tls = require('tls');
const zlib = require('zlib');
const { promisify } = require('util');
const { Worker } = require('worker_threads');
let ticks = 0;
setInterval(() => ticks++, 1).unref();
const began = Date.now();
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
fib(20);

const checks = {
  timers: async () => { const t = Date.now(); await new Promise((r) => setTimeout(r, 30)); return Date.now() - t >= 28; },
  interval: async () => { await new Promise((r) => setTimeout(r, 20)); return ticks > 2; },
  clock: async () => Math.abs(Date.now() - Number(execFileSync('date', ['+%s%3N']))) < 2000,
  dns: async () => (await dns.promises.lookup('localhost')).address === '127.0.0.1',
  files: async () => { await fs.promises.writeFile('/tmp/x', 'y'); return await fs.promises.readFile('/tmp/x', 'utf8') === 'y'; },
  process: async () => (await promisify(execFile)(process.execPath, ['-p', '6*7'])).stdout === '42\\n',
  http: () => new Promise((resolve, reject) => {
    const s = http.createServer((q, a) => a.end('hi')).listen(0, '127.0.0.1', () =>
      http.get({ host: '127.0.0.1', port: s.address().port, agent: false }, (a) => a.on('data', (d) => { s.close(); resolve(String(d) === 'hi'); })).on('error', reject));
  }),
  tls: () => new Promise((resolve, reject) => {
    const [key, cert] = ['key', 'cert'].map((name) => fs.readFileSync(`/var/task/${name}.pem`));
    const s = tls.createServer({ key, cert }, (c) => c.end('secret')).listen(0, '127.0.0.1', () => {
      const c = tls.connect({ host: '127.0.0.1', port: s.address().port, ca: cert, servername: 'localhost' });
      c.on('data', (d) => { s.close(); resolve(String(d) === 'secret'); }).on('error', reject);
    });
  }),
  fetch: () => fetch('http://127.0.0.1:4000').then(() => false, (e) => e.cause.code === 'ECONNREFUSED'),
  zlib: async () => (await promisify(zlib.gunzip)(await promisify(zlib.gzip)(Buffer.alloc(1e6, 'z')))).length === 1e6,
  gc: async () => { let kept = []; for (let i = 0; i < 5e5; i++) { kept.push({ i }); if (kept.length > 999) kept = kept.slice(500); } return kept.length > 0; },
  jit: async () => fib(26) === 121393 && new Function('n', 'let s = 0; for (let i = 0; i < n; i++) s += i; return s')(1e6) === 499999500000,
  worker: () => new Promise((resolve, reject) => new Worker("require('worker_threads').parentPort.postMessage(9)", { eval: true })
    .on('message', (m) => resolve(m === 9)).on('error', reject)),
  stdout: async () => { process.stdout.write('written\\n'); console.log('logged'); return true; },
};
exports.handler = async () => {
  const failed = [];
  for (const [name, check] of Object.entries(checks)) {
    const ok = await Promise.race([check().catch((e) => e), new Promise((r) => setTimeout(r, 8000, 'late'))]);
    if (ok !== true) failed.push(`${name}: ${ok}`);
  }
  return failed;
};
"""


class NodeSnapshotTest(SnapshotTest):
    def create(self, name, source, runtime="nodejs20.x", files=None, **options):
        options = {"MemorySize": 512, "Timeout": 60, **options}
        files = files or {"f.js": source}
        self.client.create_function(FunctionName=name, Runtime=runtime, Role=server.ROLE,
                                    Handler="f.handler", Code={"ZipFile": server.zip_of(files)}, **options)

    def restored(self, answers):
        return sum("Restore Duration" in tail for _, _, tail in answers)

    def test_copies_answer_as_the_original_and_share_nothing(self):
        before = self.counts()
        self.create("usual", USUAL)
        first, error, tail = self.call("usual", {"keys": [1, 2, 3]})
        self.assertIsNone(error, first)
        self.assertIn("Init Duration", tail)
        self.wait_for_snapshot("usual")
        answers = self.burst("usual", 24, {"keys": [3, 4], "sleep": 1000})
        values, streams = [], []
        for payload, error, tail in answers + [(first, None, "")]:
            self.assertIsNone(error, f"{payload} {tail}")
            self.assertIn(payload["sum"], (14, 25))
            self.assertTrue(payload["same"] and payload["pid"], payload)
            self.assertEqual(len(payload["argv"]), 2)
            values += payload["values"]
            streams.append(payload["stream"])
        self.assertEqual(len(set(values)), len(values))
        self.assertGreaterEqual(len(set(streams)), 4)
        self.assertNotIn("template", streams)
        self.assertGreaterEqual(self.restored(answers), 3)
        self.assertEqual(self.counts()["failed"], before["failed"], self.server.log_text())

    def test_copies_do_all_that_functions_do(self):
        pem = os.path.join(self.server.folder, "pem")
        os.mkdir(pem)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "9", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout",
                        f"{pem}/key.pem", "-out", f"{pem}/cert.pem"], check=True, capture_output=True)
        files = {"f.js": WORKING}
        for name in ("key.pem", "cert.pem"):
            with open(f"{pem}/{name}", encoding="ascii") as file:
                files[name] = file.read()
        self.create("working", "", files=files)
        payload, error, _ = self.call("working")
        self.assertEqual((payload, error), ([], None))
        self.wait_for_snapshot("working")
        answers = self.burst("working", 3, {})
        self.assertEqual([answer[0] for answer in answers], [[]] * 3)
        self.assertGreaterEqual(self.restored(answers), 1)
        tails = [tail for _, _, tail in answers if "Restore Duration" in tail]
        for text in ("written\n", "logged\n"):
            self.assertIn(text, tails[0])

    def test_a_big_bundle(self):
        source, total = bundle(800_000)
        self.create("bundle", source + "exports.handler = async () => { await new Promise((r) => "
                    "setTimeout(r, 300)); return all.reduce((sum, m) => sum + m.value, 0); };\n")
        self.assertEqual(self.call("bundle")[0], total)
        self.wait_for_snapshot("bundle")
        answers = self.burst("bundle", 6, {})
        self.assertEqual([answer[0] for answer in answers], [total] * 6)
        self.assertGreaterEqual(self.restored(answers), 3)

    def test_modules_with_top_level_await(self):
        self.create("esm", "", runtime="nodejs22.x", files={"f.mjs": """
import { readFile } from 'fs/promises';
import { randomUUID } from 'crypto';
import { part } from './part.mjs';
const hosts = await readFile('/etc/hosts', 'utf8');
export const handler = async () => {
  const lazy = await import('./lazy.mjs');
  await new Promise((resolve) => setTimeout(resolve, 200));
  return [hosts.length > 0, part, lazy.value, randomUUID()];
};
""", "part.mjs": "export const part = 'p';", "lazy.mjs": "export const value = 'l';"})
        first = self.call("esm")[0]
        self.wait_for_snapshot("esm")
        answers = self.burst("esm", 4, {})
        self.assertGreaterEqual(self.restored(answers), 1)
        ids = [first[3]]
        for payload, _, _ in answers:
            self.assertEqual(payload[:3], [True, "p", "l"])
            ids.append(payload[3])
        self.assertEqual(len(set(ids)), 5)

    def test_what_is_unique_or_open_starts_from_scratch(self):
        cases = {
            "uuid": ("const own = require('crypto').randomUUID()", "crypto.randomUUID"),
            "bytes": ("const { randomBytes } = require('node:crypto'); randomBytes(8)", "crypto.randomBytes"),
            "values": ("(globalThis.crypto ?? require('crypto').webcrypto).getRandomValues(new Uint8Array(8))", "crypto.getRandomValues"),
            "key": ("require('crypto').generateKeyPairSync('ed25519')", "crypto.generateKeyPairSync"),
            "math": ("const own = Math.random()", "Math.random"),
            "stream": ("const own = process.env.AWS_LAMBDA_LOG_STREAM_NAME", "log stream"),
            "socket": ("require('net').createServer().listen(0, '127.0.0.1')", "is open: socket"),
            "worker": ("new (require('worker_threads').Worker)('setInterval(() => {}, 1e6)', "
                       "{ eval: true }).unref()", "a worker thread runs"),
            "tmp": ("require('fs').writeFileSync('/tmp/x', 'x')", "/tmp is not empty"),
            "hook": ("awslambda.registerBeforeSnapshot(() => nothing)", "nothing is not defined"),
        }
        for name, (init, reason) in cases.items():
            with self.subTest(name):
                self.create(name, init + ";\nexports.handler = async () => 7;\n")
                self.assertEqual(self.call(name)[0], 7)
                self.assertIn(reason, self.wait_for_refusal(name))
                self.assertEqual([answer[0] for answer in self.burst(name, 3, {})], [7] * 3)

    def test_snap_start_takes_one_whatever_the_init_does(self):
        self.create("snapstart", """
const crypto = require('crypto');
const own = [crypto.randomUUID(), Math.random()];
exports.handler = async (event) => {
  await new Promise((resolve) => setTimeout(resolve, event.sleep ?? 0));
  return [own, crypto.randomUUID(), crypto.randomUUID(), Math.random(), Math.random()];
};
""", SnapStart={"ApplyOn": "PublishedVersions"}, Publish=True)
        self.client.get_waiter("published_version_active").wait(
            FunctionName="snapstart", Qualifier="1", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        answers = self.burst("snapstart:1", 6, {"sleep": 500})
        self.assertGreaterEqual(self.restored(answers), 2, answers)
        self.assertEqual(len({str(payload[0]) for payload, _, _ in answers}), 1)  # the owner's business
        values = [value for payload, _, _ in answers for value in payload[1:]]
        self.assertEqual(len(set(values)), len(values))  # also what Node had in stock

    def test_snap_start_whose_hook_fails(self):
        self.create("failing", "awslambda.registerBeforeSnapshot(async () => nothing);\nexports.handler = async () => 7;\n",
                    SnapStart={"ApplyOn": "PublishedVersions"}, Publish=True)
        server.wait_until(lambda: self.client.get_function_configuration(
            FunctionName="failing", Qualifier="1")["State"] == "Failed", "a version that failed")
        self.assertRegex(self.virga("describe", "failing:1"),
                         "the init failed: .*nothing is not defined.*Runtime.BeforeSnapshotError")

    def test_imports_are_observed_too(self):
        self.create("named", "", files={"f.mjs": "import { randomUUID } from 'crypto';\nrandomUUID();\n"
                                                 "export const handler = async () => 7;\n"})
        self.call("named")
        self.assertIn("crypto.randomUUID", self.wait_for_refusal("named"))

    def test_code_that_runs_before_is_not_trusted(self):
        self.create("preload", "", files={"f.js": "exports.handler = async () => 7;", "early.js": ""},
                    Environment={"Variables": {"NODE_OPTIONS": "--require /var/task/early.js"}})
        self.assertEqual(self.call("preload")[0], 7)
        self.assertIn("NODE_OPTIONS", self.wait_for_refusal("preload"))

    def test_looking_at_all_of_the_environment_is_harmless(self):
        self.create("environment", """
const copy = { ...process.env };
const names = Object.entries(process.env).length;
process.env.OWN = 'own';
exports.handler = async () => {
  await new Promise((resolve) => setTimeout(resolve, 200));
  process.env.GONE = 'x';
  return [copy.AWS_REGION, names > 5, process.env.OWN, 'OWN' in process.env, delete process.env.GONE,
          process.env.GONE === undefined];
};
""")
        expected = ["us-east-1", True, "own", True, True, True]
        self.assertEqual(self.call("environment")[0], expected)
        self.wait_for_snapshot("environment")
        answers = self.burst("environment", 3, {})
        self.assertEqual([answer[0] for answer in answers], [expected] * 3)

    def test_hooks_run_around_the_snapshot(self):
        self.create("hooks", """
const said = [];
const wait = () => new Promise((resolve) => setTimeout(resolve, 5));
awslambda.registerBeforeSnapshot((text) => said.push(text), 'before 2');
awslambda.registerBeforeSnapshot(async () => { await wait(); said.push('before 1'); });
awslambda.registerAfterRestore(async (text) => { await wait(); said.push(text); }, 'after 1');
awslambda.registerAfterRestore(() => said.push('after 2'));
exports.handler = async () => { await new Promise((resolve) => setTimeout(resolve, 500)); return said; };
""")
        self.assertEqual(self.call("hooks")[0], [])
        self.wait_for_snapshot("hooks")
        said = [payload for payload, _, _ in self.burst("hooks", 3, {})]
        self.assertIn(["before 1", "before 2", "after 1", "after 2"], said)

    def test_a_hook_that_fails_after_the_restore_is_an_error_of_the_function(self):
        self.create("after", """
awslambda.registerAfterRestore(() => { throw new TypeError('not today'); });
exports.handler = async () => { await new Promise((resolve) => setTimeout(resolve, 500)); return 1; };
""")
        self.assertEqual(self.call("after")[0], 1)
        self.wait_for_snapshot("after")
        kinds = {(payload["errorType"], payload["errorMessage"])
                 for payload, error, _ in self.burst("after", 4, {}) if error}
        self.assertEqual(kinds, {("Runtime.AfterRestoreError", "TypeError: not today")})

    def test_copies_that_end_are_replaced_from_scratch(self):
        before = self.counts()
        self.create("fails", """
awslambda.registerAfterRestore(() => process.exit(3));
exports.handler = async () => { await new Promise((resolve) => setTimeout(resolve, 300)); return 1; };
""")
        self.call("fails")
        self.wait_for_snapshot("fails")
        for number in (3, 6, 9):
            answers = self.burst("fails", number, {})
            self.assertEqual([payload for payload, _, _ in answers], [1] * number)
        self.assertGreaterEqual(self.counts()["failed"], before["failed"] + 1)

    def test_errors_and_exits_end_as_in_any_instance(self):
        self.create("ends", """
exports.handler = async (event) => {
  await new Promise((resolve) => setTimeout(resolve, 200));
  if (event.exit) process.exit(event.exit);
  if (event.late) { setTimeout(() => { throw new Error('late'); }, 5); await new Promise(() => {}); }
  return 1;
};
""")
        self.call("ends")
        self.wait_for_snapshot("ends")
        for event, kind in (({"exit": 5}, "Runtime.ExitError"), ({"late": 1}, "Error")):
            answers = self.burst("ends", 3, event)
            self.assertEqual([payload.get("errorType") for payload, _, _ in answers], [kind] * 3)


if __name__ == "__main__":
    unittest.main()
