"""The campaign: many copies of the snapshots of several functions, made under load. Every reply is checked,
and nothing that a copy draws after its restore may ever be drawn again.

VIRGA_RESTORES: how many copies all images together make at least (default 100). In the long form, 10000,
each image has more than 1,000 copies: that no two values of the campaign are equal says that 1,000 clones of
one image share no random value, uuid or TLS key.
    VIRGA_RESTORES=10000 VIRGA_BUILD=build tests/lib/run.py tests/api test_snapshot_campaign
    VIRGA_RESTORES=10000 VIRGA_BUILD=build tests/lib/run.py tests/interop test_js_snapshots
"""
import os
import subprocess
import tempfile
import threading
import time
import typing

import server
from snapshots import SnapshotTest

IMAGES = 7  # six of tests/api, one of tests/interop
EACH = -(-int(os.environ.get("VIRGA_RESTORES", "100")) // IMAGES)
AT_ONCE = 12

# What a function does after its restore, whatever its init was: the same for all images of a language.
PYTHON = """
import gc, json, os, random, secrets, signal, socket, ssl, subprocess, tempfile, threading, time, uuid

def tls():
    # A client's handshake, against a server of its own in memory.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/var/task/cert.pem", "/var/task/key.pem")
    client_context = ssl.create_default_context(cafile="/var/task/cert.pem")
    keys = tempfile.NamedTemporaryFile("r")
    client_context.keylog_filename = keys.name
    a, b, c, d = ssl.MemoryBIO(), ssl.MemoryBIO(), ssl.MemoryBIO(), ssl.MemoryBIO()
    there = context.wrap_bio(a, b, server_side=True)
    here = client_context.wrap_bio(c, d, server_hostname="virga.test")
    done = set()
    while len(done) < 2:
        for side in (here, there):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                pass
            a.write(d.read())
            c.write(b.read())
    here.write(b"hello")
    a.write(d.read())
    assert there.read() == b"hello"
    lines = [line.split() for line in keys]
    return [part for line in lines if line[0] == "CLIENT_TRAFFIC_SECRET_0" for part in line[1:]]

def timer():
    there, here = os.pipe()
    signal.signal(signal.SIGALRM, lambda *_: os.write(here, b"x"))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    assert os.read(there, 1) == b"x"
    os.close(there)
    os.close(here)
    begin = time.monotonic()
    threading.Event().wait(0.01)
    assert 0.009 < time.monotonic() - begin < 5

def exercise(event):
    if event.get("end"):
        os._exit(0)
    held = [bytearray(1 << 16) for _ in range(200)]  # the heap grows, by brk and by maps
    small = {i: str(i) for i in range(50000)}
    assert sum(len(part) for part in held) == 200 << 16 and small[49999] == "49999"
    gc.collect()
    timer()
    assert socket.getaddrinfo("localhost", 80)[0][4][0] in ("127.0.0.1", "::1")
    with tempfile.NamedTemporaryFile("w+") as file:
        file.write("text")
        file.seek(0)
        assert file.read() == "text"
    assert subprocess.run(["/bin/echo", "child"], capture_output=True).stdout == b"child\\n"
    results = []
    thread = threading.Thread(target=lambda: results.append(sum(range(1000))))
    thread.start()
    thread.join()
    assert results == [499500]
    assert json.loads(json.dumps({"a": [1.5, None]})) == {"a": [1.5, None]}
    drawn = [uuid.uuid4().hex, str(uuid.uuid1()), secrets.token_hex(8), ssl.RAND_bytes(8).hex(),
             random.randbytes(8).hex(), os.urandom(8).hex(), tempfile.mktemp(), *tls()]
    assert len(drawn) == 9
    return drawn
"""

NODE = """
const assert = require('assert');
const crypto = require('crypto');
const dns = require('dns');
const fs = require('fs');
const tls = require('tls');
const v8 = require('v8');
const vm = require('vm');
const { execFile } = require('child_process');
const { promisify } = require('util');
const { Worker } = require('worker_threads');

const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2));

// A client's handshake with a server of this process: the client's random, and the secret of its keys.
function handshake() {
  const [key, cert] = ['key', 'cert'].map((name) => fs.readFileSync(`/var/task/${name}.pem`));
  return new Promise((resolve, reject) => {
    const server = tls.createServer({ key, cert }, (socket) => socket.end('hello'));
    server.on('tlsClientError', reject).listen(0, '127.0.0.1', () => {
      const parts = [];
      tls.connect({ host: '127.0.0.1', port: server.address().port, ca: cert, servername: 'virga.test' })
        .on('keylog', (line) => {
          const [label, ...rest] = String(line).trim().split(' ');
          if (label === 'CLIENT_TRAFFIC_SECRET_0') parts.push(...rest);
        })
        .on('data', (data) => { server.close(); resolve(String(data) === 'hello' ? parts : []); })
        .on('error', reject);
    });
  });
}

function collect() {
  let kept = [];
  for (let i = 0; i < 100000; i++) {
    kept.push({ i, text: `n${i}` });
    if (kept.length > 999) kept = kept.slice(500);
  }
  v8.setFlagsFromString('--expose-gc');
  vm.runInNewContext('gc')();
  return kept[kept.length - 1].text;
}

async function timer() {
  const begin = process.hrtime.bigint();
  const ticks = await new Promise((resolve) => {
    let count = 0;
    const interval = setInterval(() => { if (++count === 3) { clearInterval(interval); resolve(count); } }, 2);
  });
  await new Promise((resolve) => setTimeout(resolve, 10));
  const spent = Number(process.hrtime.bigint() - begin) / 1e6;
  assert(ticks === 3 && spent > 14 && spent < 10000, `${spent} ms`);
}

function worker() {
  return new Promise((resolve, reject) => {
    new Worker("require('worker_threads').parentPort.postMessage(6 * 7)", { eval: true })
      .on('message', resolve).on('error', reject);
  });
}

async function exercise(event) {
  if (event.end) process.exit(0);
  const held = Array.from({ length: 200 }, (_, i) => Buffer.alloc(1 << 16, i));  // the heap grows, both of them
  assert.strictEqual(held.reduce((sum, part) => sum + part[9], 0), 19900);
  assert.strictEqual(collect(), 'n99999');
  assert.strictEqual(fib(22), 17711);
  assert.strictEqual(new Function('n', 'let s = 0; for (let i = 0; i < n; i++) s += i; return s')(1e6), 499999500000);
  await timer();
  assert(['127.0.0.1', '::1'].includes((await dns.promises.lookup('localhost')).address));
  await fs.promises.writeFile('/tmp/x', 'text');
  assert.strictEqual(await fs.promises.readFile('/tmp/x', 'utf8'), 'text');
  assert.strictEqual((await promisify(execFile)('/bin/echo', ['child'])).stdout, 'child\\n');
  assert.strictEqual(await worker(), 42);
  const hex = (bytes) => Buffer.from(bytes).toString('hex');
  const { subtle } = crypto.webcrypto;
  const pair = crypto.generateKeyPairSync('x25519');
  const key = await subtle.generateKey({ name: 'AES-GCM', length: 128 }, true, ['encrypt']);
  const drawn = [crypto.randomUUID(), crypto.webcrypto.randomUUID(), hex(crypto.randomBytes(8)),
                 String(Math.random()), String(Math.random()),
                 hex(crypto.webcrypto.getRandomValues(new Uint8Array(8))), hex(await subtle.exportKey('raw', key)),
                 hex(pair.publicKey.export({ type: 'spki', format: 'der' })), ...await handshake()];
  assert.strictEqual(drawn.length, 10);
  return drawn;
}
"""

# numpy's library starts a pool of threads where there are several CPUs, which cannot be copied.
ENVIRONMENT = {"Variables": {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}}


class Image(typing.NamedTuple):
    runtime: str
    init: str
    reply: str  # the expression that the handler adds to what it has drawn
    expected: object  # its value
    archive: typing.Callable = server.zip_of  # of {name: text}

    def files(self):
        if self.runtime.startswith("python"):
            return {"f.py": f"{self.init}\n{PYTHON}\ndef handler(event, context):\n"
                            f"    return [exercise(event), {self.reply}]\n"}
        return {"f.js": f"{self.init}\n{NODE}\n"
                        f"exports.handler = async (event) => [await exercise(event), {self.reply}];\n"}


def certificate():
    """(certificate, key) for virga.test."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-keyout", f"{folder}/key", "-out", f"{folder}/cert", "-days", "2", "-subj",
             "/CN=virga.test", "-addext", "subjectAltName=DNS:virga.test"],
            check=True, capture_output=True)
        return [open(f"{folder}/{name}", encoding="ascii").read() for name in ("cert", "key")]


class Campaign(SnapshotTest):
    def make(self, name, image, files):
        self.client.create_function(
            FunctionName=name, Runtime=image.runtime, Role=server.ROLE, Handler="f.handler",
            Code={"ZipFile": image.archive({**image.files(), **files})}, MemorySize=512, Timeout=60,
            Environment=ENVIRONMENT)
        payload, error, _ = self.call(name)
        self.assertIsNone(error, payload)
        self.assertEqual(payload[1], image.expected, name)

    def end_all(self, name):
        """Ends the idle instances of a function, so that the next calls start cold."""
        threads = [threading.Thread(target=self.client.invoke,
                                    kwargs={"FunctionName": name, "Payload": '{"end": true}'})
                   for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def copies(self, name, image):
        """One burst: what its calls drew, and how many of them were answered by a new copy."""
        self.end_all(name)
        answers = self.burst(name, AT_ONCE, {})
        for payload, error, tail in answers:
            self.assertIsNone(error, f"{name}: {payload} {tail}")
            self.assertEqual(payload[1], image.expected, name)
        restored = sum("Restore Duration" in tail for _, _, tail in answers)
        self.assertGreater(restored, 0, f"{name}: nothing is restored any more")
        return [value for payload, _, _ in answers for value in payload[0]], restored

    def campaign(self, images, each=EACH):
        files = dict(zip(("cert.pem", "key.pem"), certificate()))
        failed_before = self.counts()["failed"]  # of the file's other tests: one of them fails copies
        for name, image in images.items():
            self.make(name, image, files)
        for name in images:
            self.wait_for_snapshot(name)
        begin, drawn, restored = time.monotonic(), [], dict.fromkeys(images, 0)
        while min(restored.values()) < each:
            for name, image in images.items():
                if restored[name] < each:
                    values, number = self.copies(name, image)
                    drawn += values
                    restored[name] += number
            self.assertEqual(len(set(drawn)), len(drawn), "two copies drew the same")
            self.assertEqual(self.counts()["failed"], failed_before, self.server.log_text())
            print(f"{time.monotonic() - begin:.0f} s: {sum(restored.values())} restores, {len(drawn)} values "
                  f"drawn: {restored}", flush=True)
