'use strict';
/* Debugging a function: VIRGA_DEBUG in its environment is the token of `virga invoke --debug`.
 *
 * Node's inspector listens on the instance's own loopback, which nobody outside reaches; so a relay
 * of ours, in a thread that breakpoints do not stop, calls the platform (where AWS_ENDPOINT_URL
 * points) and asks to upgrade to "virga-debug": what comes over such a connection goes to the
 * inspector, and back. One connection is always kept waiting for the next front end. */
const net = require('net');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');

const PORT = 9229;
const RETRY_MS = 20;

/* Resolves once a front end has attached; at once, with a line in the log, where that cannot be. */
async function attach(token) {
  const worker = new Worker(__filename, { workerData: { token, url: process.env.AWS_ENDPOINT_URL } });
  const refusal = await new Promise((resolve) => {
    worker.once('message', resolve);
    worker.once('error', (error) => resolve(error.message));
  });
  worker.unref();
  if (refusal) {
    console.error(`virga: debug: ${refusal}`);
    return;
  }
  console.error('virga: debug: waiting for a debugger');
  require('inspector').open(PORT, '127.0.0.1', true);
}

/* ---------------------------------------------------------------- in the relay's thread */

function join(a, b) {
  a.pipe(b);
  b.pipe(a);
  for (const [one, other] of [[a, b], [b, a]]) {
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroy());
  }
}

/* The main thread opens it about now: until then a connection is refused. */
function reachInspector(connection, first) {
  const inspector = net.connect(PORT, '127.0.0.1');
  const onError = () => setTimeout(reachInspector, RETRY_MS, connection, first);
  inspector.once('error', onError);
  inspector.once('connect', () => {
    inspector.off('error', onError);
    inspector.write(first);
    join(connection, inspector);
  });
}

/* A connection that waits for a front end; the next is opened when its first bytes come. */
function wait({ token, url }, onReady) {
  const { hostname, port, host } = new URL(url);
  const connection = net.connect(Number(port), hostname);
  let head = '';
  connection.write(
    `GET /_virga/debug/${token} HTTP/1.1\r\nHost: ${host}\r\n` +
      'Connection: upgrade\r\nUpgrade: virga-debug\r\n\r\n',
  );
  const onHead = (bytes) => {
    head += bytes.toString('latin1');
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    if (!head.startsWith('HTTP/1.1 101 ')) {
      onReady('the server does not forward debuggers (virga serve --dev)');
      connection.destroy();
      return;
    }
    connection.off('data', onHead);
    onReady('');
    const begin = (first) => {
      connection.pause();
      reachInspector(connection, first);
      wait({ token, url }, () => {});
    };
    const rest = Buffer.from(head.slice(end + 4), 'latin1');
    if (rest.length > 0) begin(rest);
    else connection.once('data', begin);
  };
  connection.on('data', onHead);
  connection.on('error', (error) => onReady(error.message));
}

if (isMainThread) module.exports = { attach };
else wait(workerData, (refusal) => parentPort.postMessage(refusal));
