'use strict';
/* Turns a Node process, initialised or just booted, into a template, and its copies into instances.
 * Loaded only in the throw-away instance that a snapshot is taken of; part of its copies from then on.
 *
 * A copy goes on with everything that the template had: threads, event loop, compiled code. What must
 * differ is what was drawn from a source of randomness, or learned about this instance alone, before
 * the snapshot. So the user's init is observed, and the snapshot is not taken when something of the
 * kind happened:
 *
 *     crypto.randomBytes, randomUUID, ...   keys, ids; by require(), import and the global crypto
 *     generated keys and primes
 *     Math.random
 *     reading the log stream's name         the identity of an instance
 *
 * V8 seeds Math.random once for the life of a context, and offers no way to do so again: a template
 * has a generator of its own there, seeded anew in each copy. OpenSSL notices a copy by its pid. What
 * is shared among copies, as among Python's: the seed of V8's hash tables, and Math.random inside
 * contexts that vm makes later.
 *
 * What runs before the bootstrap (--require in NODE_OPTIONS) cannot be observed. */
const crypto = require('crypto');
const fs = require('fs');
const { syncBuiltinESMExports } = require('module');
const errors = require('./errors.cjs');
const { hooks, loadHandler } = require('./loader.cjs');

const STREAM = 'AWS_LAMBDA_LOG_STREAM_NAME';
const FD_IMAGE = 5;
/* Node 18 is Debian 12's; of what comes after the last one, nobody knows how it boots. */
const OLDEST = 18;
const NEWEST = 24;
const POOL_SIZE = 4; // libuv's, unless UV_THREADPOOL_SIZE says otherwise
const UUIDS_AHEAD = 128; // what crypto.randomUUID draws at once
const threads = fs.readdirSync('/proc/self/task').length; // without the pool, which starts when needed
const PRELOADS = /(^|\s)(-r|--require|--import|--loader|--experimental-loader)(=|\s|$)/;

/* ---------------------------------------------------------------- randomness that can be renewed */

const state = new Uint32Array(4);
const stock = new Float64Array(64); // [0, left) are still to be given
let left = 0;

/* xoshiro128++ by Blackman and Vigna (public domain): 32 bits. */
function next() {
  const [a, b, c, d] = [state[0], state[1], state[2], state[3]];
  const sum = (a + d) | 0;
  const mixed = c ^ a;
  const last = d ^ b;
  state[0] = a ^ last;
  state[1] = b ^ mixed;
  state[2] = mixed ^ (b << 9);
  state[3] = (last << 11) | (last >>> 21);
  return (((sum << 7) | (sum >>> 25)) + a) >>> 0;
}

function draw() {
  return ((next() >>> 5) * 0x4000000 + (next() >>> 6)) / 0x20000000000000;
}

function refill() {
  for (left = 0; left < stock.length; left++) stock[left] = draw();
  return stock[--left];
}

let watch = null; // the init that is under way or over; null: there is none

/* Nothing is in stock while an init is watched, so each call comes by. */
function observedDraw() {
  if (watch === null || watch.isOver) return refill();
  watch.note('Math.random');
  return draw();
}

const { random } = {
  random() {
    return left > 0 ? stock[--left] : observedDraw();
  },
};

function replaceRandom() {
  crypto.randomFillSync(state);
  Math.random = random;
}

function seed(bytes) {
  state.set(new Uint32Array(bytes, 0, state.length));
  left = 0;
}

/* ---------------------------------------------------------------- what the init does */

class Watch {
  /* isLenient: the function's owner has asked for a snapshot (SnapStart), and sees to what is unique
   * himself, as AWS has it. */
  constructor(isLenient) {
    this.isLenient = isLenient;
    this.drawn = null; // what happened first, in words
    this.isOver = false;
    this.undo = [];
    this.hasUuids = false;
    this.workers = [];
    process.on('worker', (worker) => this.workers.push(worker));
    watch = this;
    replaceRandom();
    this.watchCrypto();
    this.watchEnvironment();
    syncBuiltinESMExports();
  }

  note(what) {
    if (!this.isOver) this.drawn ??= what;
  }

  /* Whoever has taken the function during init keeps one that does the same. */
  observe(owner, name, what, also = () => {}) {
    const original = owner[name];
    if (typeof original !== 'function') return;
    const apply = (target, self, args) => {
      this.note(what);
      also();
      return Reflect.apply(target, self, args);
    };
    owner[name] = new Proxy(original, { apply });
    this.undo.push(() => {
      owner[name] = original;
    });
  }

  watchCrypto() {
    const names = ['randomBytes', 'pseudoRandomBytes', 'prng', 'rng', 'randomFill', 'randomFillSync',
      'randomInt', 'randomUUIDv7', 'generateKey', 'generateKeySync', 'generateKeyPair',
      'generateKeyPairSync', 'generatePrime', 'generatePrimeSync'];
    for (const name of names) this.observe(crypto, name, `crypto.${name}`);
    const uuid = () => {
      this.hasUuids = true;
    };
    this.observe(crypto, 'randomUUID', 'crypto.randomUUID', uuid);
    for (const kind of [crypto.ECDH, crypto.DiffieHellman, crypto.DiffieHellmanGroup])
      this.observe(kind.prototype, 'generateKeys', 'crypto: generateKeys');
    const web = Object.getPrototypeOf(crypto.webcrypto);
    this.observe(web, 'getRandomValues', 'crypto.getRandomValues');
    this.observe(web, 'randomUUID', 'crypto.randomUUID', uuid);
    this.observe(Object.getPrototypeOf(crypto.webcrypto.subtle), 'generateKey', 'crypto.subtle.generateKey');
    if (PRELOADS.test(process.env.NODE_OPTIONS ?? '')) this.note('NODE_OPTIONS loads code of its own');
  }

  /* Copying the whole environment asks for no name: then each get follows the one of the name before. */
  watchEnvironment() {
    const { env } = process;
    let names = [];
    let previous;
    const handler = {
      ownKeys: (target) => {
        previous = undefined;
        names = Reflect.ownKeys(target);
        return names;
      },
      get: (target, name) => {
        if (name === STREAM && (names.length === 0 || previous !== names[names.indexOf(name) - 1]))
          this.note('the name of the log stream was read');
        previous = name;
        return target[name];
      },
      set: (target, name, value) => {
        target[name] = value;
        return true;
      },
    };
    process.env = new Proxy(env, handler);
    this.undo.push(() => {
      delete handler.get;
      delete handler.ownKeys;
      process.env = env;
    });
  }

  stop() {
    for (const action of this.undo) action();
    syncBuiltinESMExports();
    this.isOver = true;
    return this.drawn;
  }
}

/* ---------------------------------------------------------------- the snapshot */

/* Why no snapshot can be taken, or null. Throws what a hook throws, as an error of the init, as AWS's
 * runtimes do. */
async function prepare() {
  const what = watch.stop();
  if (what !== null && !watch.isLenient) return `the init drew something unique: ${what}`;
  for (const { hook, args } of [...hooks.beforeSnapshot].reverse()) {
    try {
      await hook(...args);
    } catch (error) {
      throw errors.wrap('Runtime.BeforeSnapshotError', error);
    }
  }
  if (watch.workers.some((worker) => worker.threadId !== -1)) return 'a worker thread runs';
  return null;
}

/* What is garbage would be in the image, and would be collected in each copy. */
function collectGarbage() {
  const { setFlagsFromString } = require('v8');
  setFlagsFromString('--expose-gc');
  const gc = require('vm').runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  gc();
}

/* Resolves in each copy, to what it is; in the template to the reason why there is no image, or "".
 * rehearse: lets the runtime do what it will do in a copy. */
async function write(controlFd, rehearse) {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < OLDEST || major > NEWEST) return `node ${major} is not known to be copyable`;
  const snapshotter = require('./virga_snap.node');
  const nobody = { pid: snapshotter.pid(), seed: crypto.randomBytes(16).buffer };
  become(nobody, Buffer.from(`${STREAM}=template\0`));
  await rehearse();
  collectGarbage();
  await nextTurn(); // what was closed closes
  const pool = Number(process.env.UV_THREADPOOL_SIZE) || POOL_SIZE;
  return snapshotter.take(FD_IMAGE, controlFd, threads + pool);
}

/* Of an initialised function; resolves as write(). */
async function take(controlFd, rehearse) {
  const why = await prepare();
  if (why !== null) return why;
  try {
    return await write(controlFd, rehearse);
  } catch (error) {
    return String(error);
  }
}

/* Of the booted language, nobody's yet; resolves as write(). */
async function boot(controlFd, rehearse) {
  try {
    replaceRandom();
    await loadHandler('/var/runtime', 'errors.make'); // any module will do
    await import('node:fs'); // the loader of ES modules
    return await write(controlFd, rehearse);
  } catch (error) {
    return String(error);
  }
}

/* Gives the process its number, its environment (NAME=value and a NUL each) and its randomness. */
function become({ pid, seed: bytes }, environment) {
  const descriptor = Object.getOwnPropertyDescriptor(process, 'pid');
  Object.defineProperty(process, 'pid', { ...descriptor, value: pid });
  for (const item of environment.toString('utf8').split('\0').slice(0, -1)) {
    const at = item.indexOf('=');
    process.env[item.slice(0, at)] = item.slice(at + 1);
  }
  seed(bytes);
  /* All of them are drawn again on the way round. */
  for (let i = 0; watch?.hasUuids && i < UUIDS_AHEAD; i++) crypto.randomUUID();
}

/* What a copy does first. copy: of take() or boot(). environment: what is this instance's own, of a
 * copy of boot() all there is. Rejects with what a hook throws. */
async function adopt(copy, environment) {
  if (watch === null) for (const name of Object.keys(process.env)) delete process.env[name];
  become(copy, environment);
  if (watch === null) process.chdir(process.env.LAMBDA_TASK_ROOT);
  await nextTurn(); // the loop's clock stands where the template's stood
  for (const { hook, args } of hooks.afterRestore) await hook(...args);
}

function nextTurn() {
  return new Promise((resolve) => setImmediate(resolve));
}

module.exports = { Watch, take, boot, adopt };
