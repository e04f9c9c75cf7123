'use strict';
/* As snapshot_template.py, for Node: initialises what its argument says, takes its snapshot, and in each
 * copy evaluates the expressions that come over descriptor 3, one per line. An init that returns a
 * promise is waited for, and so are answers. */
const fs = require('fs');
const snap = require('/var/runtime/virga_snap.node');

const THREADS_MAX = 12;
const names = {};

/* eval in a function of its own, so that what init declares with `names.x =` is all there is. */
const run = (code) => (0, eval)(code);

function lines(each) {
  const socket = new (require('net').Socket)({ fd: 3 });
  let text = '';
  socket.setEncoding('utf8');
  socket.on('data', (data) => {
    text += data;
    for (let at; (at = text.indexOf('\n')) >= 0; text = text.slice(at + 1)) each(text.slice(0, at), socket);
  });
  socket.on('end', () => process.exit(0));
}

async function answer(line, socket) {
  let value;
  try {
    value = await run(line);
  } catch (error) {
    value = `${error.name}: ${error.message}`;
  }
  socket.write((typeof value === 'string' ? value : JSON.stringify(value) ?? 'undefined').replaceAll('\n', ' ') + '\n');
}

async function main() {
  Object.assign(globalThis, { require, names, fs });
  await run(process.argv[2]);
  const why = snap.take(5, 3, THREADS_MAX);
  if (typeof why === 'string') {
    fs.writeSync(1, why + '\n');
    process.reallyExit(0);
  }
  globalThis.copy = { pid: why.pid, seed: Buffer.from(why.seed).toString('hex') };
  lines(answer);
}

main().catch((error) => {
  fs.writeSync(1, `${error.stack}\n`);
  process.reallyExit(1);
});
