// Our HTTP/1.1 parser against Node's (llhttp), on generated and mutated requests.
// Usage: differential.mjs PORT [COUNT] [SEED]
//
// Both get the same bytes and the end of the connection. Where both accept they must agree on every
// request they saw: method, target, headers, body. Where one refuses what the other takes, the
// reason must be in a list below.
import http from 'node:http';
import net from 'node:net';

const port = Number(process.argv[2]);
const count = Number(process.argv[3] ?? 4000);
let state = Number(process.argv[4] ?? 1) >>> 0;

// What we refuse and Node takes: where RFC 9112 lets a reader guess, we do not.
const STRICTER = [
  'malformed chunked body',               // blanks or odd bytes around a chunk's size
  'two Content-Length headers',           // even equal ones
  'two Host headers', 'malformed Host',
  'malformed request target',             // "#", "*" with GET, a host with user info
  'malformed request line',
  'malformed method',                     // a stray CR in front of the request
  'malformed protocol version',           // several blanks in front of it
  'malformed Content-Length',
  'unknown expectation',
  'transfer coding is not supported',     // "gzip, chunked"
  'ambiguous Transfer-Encoding',          // two, or with HTTP/1.0
  'Transfer-Encoding does not end in chunked',
  'HTTP version is not supported',
  'CONNECT is not supported',
  'the request body is too long',
  'line ends without a carriage return',
  'control character in a header',
];
// Node's parser before version 20 took these, too.
if (Number.parseInt(process.versions.node, 10) < 20) STRICTER.push('malformed header line', 'no Host header', 'nothing said');
// What Node refuses and we take.
const STRICTER_NODE = [
  'HPE_INVALID_METHOD',                   // knows a fixed list; any token is a method to us
  'HPE_INVALID_URL',                      // bytes above 0x7f, which we pass on as they are
  'HPE_INVALID_VERSION',                  // HTTP/1.2 and up are 1.1 to us (RFC 9110 section 2.5)
  'HPE_INVALID_HEADER_TOKEN',             // Upgrade and Connection details
  'HPE_CLOSED_CONNECTION',                // bytes behind a last request
  'HPE_PAUSED_UPGRADE',
  'upgrade',                              // Node hands the connection over; we answer
];

function random(n) { // xorshift32: the same requests for the same seed
  state ^= state << 13; state >>>= 0;
  state ^= state >>> 17;
  state ^= state << 5; state >>>= 0;
  return state % n;
}
const pick = (list) => list[random(list.length)];

function generate() {
  const lines = [];
  const body = pick(['', 'x', 'hello world', 'a=b&c=d', '0\r\n\r\n', 'z'.repeat(300)]);
  lines.push(`${pick(['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'PATCH', 'OPTIONS', 'FOO', 'get'])} ` +
    `${pick(['/', '/a/b?c=d', '/%20', '/a?b?c', 'http://h/x', '*', '/é', '/a#b', '//x', 'x', '/' + 'y'.repeat(500)])} ` +
    `${pick(['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1'])}`);
  if (random(20)) lines.push(`Host: ${pick(['a', 'a:80', '[::1]:1', 'a.b-c', 'a b', 'u@h', ''])}`);
  for (let i = random(4); i > 0; i--) lines.push(pick(['X-A: b', 'x-b:c', 'X-C:  d  ', 'X-D:', 'X-E: a\tb', 'X E: f',
    'X-F : g', ' folded', 'Cookie: a=1', 'Accept: */*', 'X-G: é', 'X-H: \x01', 'X-I: "q"', ': none', 'X-J']));
  if (random(6) === 0) lines.push(pick(['Connection: close', 'Connection: keep-alive', 'Connection: x, close', 'Expect: 100-continue', 'Expect: y']));
  const framing = random(8);
  let payload = '';
  if (framing < 3) {
    lines.push(`Content-Length: ${pick([body.length, body.length, body.length, `+${body.length}`, `${body.length}, ${body.length}`, body.length + 1, ` ${body.length} `, '0x1', '-1'])}`);
    payload = body;
    if (random(20) === 0) lines.push(`Content-Length: ${body.length}`);
  }
  if (framing === 3 || framing === 4 || random(40) === 0) {
    lines.push(`Transfer-Encoding: ${pick(['chunked', 'chunked', 'chunked', 'Chunked', 'gzip, chunked', 'chunked, chunked', 'identity', 'xchunked', 'chunked ', 'chunked;a'])}`);
    const size = body.length.toString(16);
    payload = body ? `${pick([size, size, size, '0' + size, size.toUpperCase(), size + ';a=b', size + ' ', size + ';', '+' + size, '0x' + size])}\r\n${body}\r\n` : '';
    payload += `0\r\n${pick(['', '', 'T: x\r\n', 'T x\r\n'])}\r\n`;
  }
  return `${lines.join('\r\n')}\r\n\r\n${payload}`;
}

function mutate(text) {
  let bytes = Buffer.from(text, 'latin1');
  for (let i = random(3); i > 0 && bytes.length > 2; i--) {
    const at = random(bytes.length);
    const odd = Buffer.from(pick(['\r', '\n', '\r\n', ' ', '\t', '\0', ':', ',', ';', '\x7f', '\xff', 'A', '0', '\x0b']), 'latin1');
    const rest = bytes.subarray(at + (random(2) ? 1 : 0));
    bytes = Buffer.concat([bytes.subarray(0, at), random(3) ? odd : Buffer.alloc(0), rest]);
  }
  return bytes;
}

function exchange(to, bytes) {
  return new Promise((resolve, reject) => {
    const parts = [];
    const socket = net.connect({port: to, host: '127.0.0.1', allowHalfOpen: true}, () => socket.end(bytes));
    socket.setTimeout(15000, () => reject(new Error(`no end: ${JSON.stringify(bytes.toString('latin1'))}`)));
    socket.on('data', (d) => parts.push(d));
    socket.on('error', () => {});
    socket.on('close', () => resolve(Buffer.concat(parts).toString('latin1')));
  });
}

// Our answers one after the other: requests understood, and the refusal if there is one.
function ours(text) {
  const seen = {requests: [], refusal: null};
  while (text) {
    const head = text.slice(0, text.indexOf('\r\n\r\n') + 4);
    const status = Number(head.slice(9, 12));
    if (status === 100) { text = text.slice(head.length); continue; }
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
    const body = text.slice(head.length, head.length + length);
    if (status !== 200) { seen.refusal = `${body.trim().replace(/^\d+ [^:]*: /, '')}` || `head ${status}`; break; }
    if (body === '' || !body.startsWith('M ')) { seen.requests.push(null); text = text.slice(head.length); continue; } // HEAD
    const request = {headers: [], body: ''};
    for (const line of body.trimEnd().split('\n')) {
      const [tag, a, b] = line.split(' ').map((h, i) => (i ? Buffer.from(h, 'hex').toString('latin1') : h));
      if (tag === 'M') request.method = a;
      if (tag === 'T') request.target = a;
      if (tag === 'H') request.headers.push([a.toLowerCase(), b]);
      if (tag === 'B') request.body = a ?? '';
    }
    seen.requests.push(request);
    text = text.slice(head.length + length);
  }
  return seen;
}

const log = new Map(); // of Node's server: remote port → what it saw
const entry = (socket) => {
  if (!log.has(socket.remotePort)) log.set(socket.remotePort, {requests: [], refusal: null});
  return log.get(socket.remotePort);
};
const server = http.createServer({insecureHTTPParser: false, keepAliveTimeout: 1000}, (req, res) => {
  const parts = [];
  req.on('data', (d) => parts.push(d));
  req.on('end', () => {
    const headers = [];
    for (let i = 0; i < req.rawHeaders.length; i += 2) headers.push([req.rawHeaders[i].toLowerCase(), req.rawHeaders[i + 1]]);
    entry(req.socket).requests.push({method: req.method, target: req.url, headers, body: Buffer.concat(parts).toString('latin1')});
    res.end();
  });
});
server.on('checkExpectation', (req, res) => { entry(req.socket).refusal = 'unknown expectation'; res.writeHead(417, {connection: 'close'}).end(); });
server.on('connect', (req, socket) => { entry(socket).refusal = 'CONNECT'; socket.destroy(); });
server.on('clientError', (error, socket) => { entry(socket).refusal = error.code; socket.destroy(); });

function exchangeNode(to, bytes) {
  return new Promise((resolve) => {
    let mine;
    const socket = net.connect({port: to, host: '127.0.0.1', allowHalfOpen: true}, () => { mine = socket.localPort; log.delete(mine); socket.end(bytes); });
    socket.resume();
    socket.on('error', () => {});
    socket.on('close', () => resolve(log.get(mine) ?? {requests: [], refusal: null}));
  });
}

// The same as the server shows it: HEAD answers carry no body, so only their number counts.
const same = (a, b) => a === null || (a.method === b.method && a.target === b.target && a.body === b.body &&
  JSON.stringify(a.headers) === JSON.stringify(b.headers));

const tally = {};
let failed = 0;
function judge(bytes, a, b) {
  const both = Math.min(a.requests.length, b.requests.length);
  const complain = (why) => {
    if (failed++ < 10) console.log(`${why}\n  bytes ${JSON.stringify(bytes.toString('latin1'))}\n  ours  ${JSON.stringify(a)}\n  node  ${JSON.stringify(b)}`);
  };
  for (let i = 0; i < both; i++) if (!same(a.requests[i], b.requests[i])) return complain('they read different requests');
  if (a.requests.length === b.requests.length) return;
  const oursIsStricter = a.requests.length < b.requests.length;
  const reason = (oursIsStricter ? a.refusal : b.refusal) ?? 'nothing said';
  tally[`${oursIsStricter ? 'ours' : 'node'}: ${reason}`] = (tally[`${oursIsStricter ? 'ours' : 'node'}: ${reason}`] ?? 0) + 1;
  const known = oursIsStricter ? STRICTER : STRICTER_NODE;
  if (!known.some((k) => reason.startsWith(k))) complain(`${oursIsStricter ? 'we refuse' : 'Node refuses'}: ${reason}`);
}

await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const nodePort = server.address().port;
let done = 0;
async function worker() {
  while (done < count) {
    done++;
    const bytes = mutate(generate());
    const [a, b] = await Promise.all([exchange(port, bytes), exchangeNode(nodePort, bytes)]);
    judge(bytes, ours(a), b);
  }
}
await Promise.all(Array.from({length: 32}, worker));
console.log(JSON.stringify(tally, null, 1));
console.log(`${count} requests, ${failed} disagreements`);
process.exit(failed ? 1 : 0);
