'use strict';
/* Virga's Node runtime: what /usr/bin/node is given inside the sandbox. It loads the user's handler
 * and answers invocations over descriptor 3; src/runtime/frame.h describes the bytes.
 *
 * What user code sees follows AWS's client for nodejs: version 3 of it for runtimes up to nodejs22.x
 * and version 4, which has no callbacks any more, from nodejs24.x on. `generation` below is that
 * number, taken from the runtime's id and not from the interpreter that happens to be installed.
 *
 * Waiting for the next invocation has two forms. As long as user code has left nothing to do (no
 * timer, no open socket), the process blocks in read(2): one system call, no event loop, and nothing
 * could have made progress anyway. When something is pending, the event loop waits for input, too.
 * Every answer waits for one turn of the loop, so that an exception or a rejection that the handler
 * has left behind still belongs to its own invocation.
 *
 * CommonJS, because the loader of ES modules costs several milliseconds of start-up and is paid only
 * by handlers that are ES modules. The .cjs ending keeps these files out of require()'s search.
 *
 * User code is hostile to the platform by assumption, and shares this process: nothing here defends
 * the platform, which checks every frame. Functions that user code likes to replace are taken at
 * the start, so that honest code does not break itself. */
const { AsyncResource } = require('async_hooks');
const fs = require('fs');
const logs = require('./console.cjs');
const errors = require('./errors.cjs');
const { loadHandler } = require('./loader.cjs');

const { readSync, writeSync, writev, writevSync } = fs;
const { setImmediate } = globalThis;
const { stringify } = JSON; // for errors; a result is the user's, and so is the function that writes it
const exit = process.exit.bind(process);

const INVOKE = 2;
const RESTORE = 4;
const READY = 16;
const INIT_ERROR = 17;
const RESPONSE = 18;
const ERROR = 19;
const BOOTED = 20;
const LAST = 24;
const SNAPSHOT = 25;

const HEADER_SIZE = 12;
const BUFFER_SIZE = 64 * 1024;
/* Characters of which the UTF-8 form fits into the buffer whatever they are. */
const SMALL_TEXT = Math.floor((BUFFER_SIZE - HEADER_SIZE) / 3);
/* A pause after which sockets and timers of the user may have something to tell. */
const LONG_PAUSE_MS = 10;
const REHEARSALS = 4;

/* ---------------------------------------------------------------- the socket */

function makeHeader(type, seq, size, header = Buffer.allocUnsafe(HEADER_SIZE)) {
  header.writeUInt32LE(size, 0);
  header.writeUInt32LE(type, 4); // with flags and the reserved bytes, all zero
  header.writeUInt32LE(seq, 8);
  return header;
}

/* What is left to send of `buffers` after `count` bytes. */
function unsent(buffers, count) {
  let at = 0;
  while (at < buffers.length && count >= buffers[at].length) count -= buffers[at++].length;
  const rest = buffers.slice(at);
  if (count > 0) rest[0] = rest[0].subarray(count);
  return rest;
}

class Channel {
  constructor(fd) {
    this.fd = fd;
    this.input = Buffer.allocUnsafeSlow(BUFFER_SIZE);
    this.start = 0; // input that has not been taken yet is [start, end)
    this.end = 0;
    this.output = Buffer.allocUnsafeSlow(BUFFER_SIZE);
    this.socket = null; // made at the first receiveLater()
    this.onInput = null;
    this.isWriting = false; // a write runs in the thread pool
    this.afterWrite = null;
  }

  /* Blocks until `size` bytes of input are there. The end of the socket ends the process: there is
   * nobody left to work for. */
  fill(size) {
    if (this.start + size > BUFFER_SIZE) {
      this.input.copyWithin(0, this.start, this.end);
      this.end -= this.start;
      this.start = 0;
    }
    while (this.end - this.start < size) {
      const count = readSync(this.fd, this.input, this.end, BUFFER_SIZE - this.end, null);
      if (count === 0) exit(0);
      this.end += count;
    }
  }

  /* The next frame. Its payload is valid until the next call. */
  receive() {
    if (this.start === this.end) this.start = this.end = 0;
    this.fill(HEADER_SIZE);
    const { input, start } = this;
    const size = input.readUInt32LE(start);
    const frame = { type: input[start + 4], seq: input.readUInt32LE(start + 8), payload: null };
    this.start += HEADER_SIZE;
    if (size <= BUFFER_SIZE) {
      this.fill(size);
      frame.payload = this.input.subarray(this.start, this.start + size);
      this.start += size;
    } else {
      frame.payload = this.receiveLarge(size);
    }
    return frame;
  }

  receiveLarge(size) {
    const payload = Buffer.allocUnsafeSlow(size);
    let at = this.input.copy(payload, 0, this.start, this.end);
    this.start = this.end = 0;
    while (at < size) {
      const count = readSync(this.fd, payload, at, size - at, null);
      if (count === 0) exit(0);
      at += count;
    }
    return payload;
  }

  /* The next frame, while the event loop turns. Only the wait is asynchronous: what has begun to
   * come is here at once. A thread of the pool that reads could not be called back, and
   * process.exit() would wait for it; hence a net.Socket. */
  receiveLater() {
    if (this.start !== this.end) return this.receive();
    this.start = this.end = 0;
    this.socket ??= this.openSocket();
    return new Promise((resolve) => {
      this.onInput = () => resolve(this.receive());
      this.socket.ref();
      this.socket.resume();
    });
  }

  openSocket() {
    const { Socket } = require('net');
    const callback = (count) => {
      this.end = count;
      this.socket.unref();
      this.onInput();
      return false; // reads no more until resume()
    };
    const socket = new Socket({ fd: this.fd, onread: { buffer: this.input, callback } });
    socket._handle.setBlocking(true); // libuv has changed it; this class counts on it
    socket.on('end', () => exit(0));
    socket.on('error', () => exit(1));
    return socket;
  }

  /* Sends a frame: text, bytes or nothing as payload. Blocks while the platform does not read. */
  send(type, seq, payload = '') {
    if (typeof payload === 'string' && payload.length <= SMALL_TEXT) {
      const size = payload === '' ? 0 : this.output.write(payload, HEADER_SIZE);
      makeHeader(type, seq, size, this.output);
      const total = HEADER_SIZE + size;
      const count = writeSync(this.fd, this.output, 0, total);
      if (count < total) this.write([this.output.subarray(count, total)]);
      return;
    }
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    this.write([makeHeader(type, seq, bytes.length), bytes]);
  }

  write(buffers) {
    while (buffers.length > 0) buffers = unsent(buffers, writevSync(this.fd, buffers));
  }

  /* As write, but in the thread pool; the event loop turns. One at a time. */
  writeLater(buffers, done) {
    this.isWriting = true;
    writev(this.fd, buffers, (error, count) => {
      const rest = error ? [] : unsent(buffers, count);
      if (rest.length > 0) return this.writeLater(rest, done);
      this.isWriting = false;
      const action = this.afterWrite ?? done;
      this.afterWrite = null;
      action(error);
    });
  }

  /* Runs action when no frame is half sent: now, or in place of what would follow the write. */
  whenWritten(action) {
    if (this.isWriting) this.afterWrite = action;
    else action();
  }
}

/* ---------------------------------------------------------------- the context object */

function parseJson(text, name) {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot parse ${name} as json: ${error}`);
  }
}

/* Reads an INVOKE payload from a buffer that does not stay. */
function splitInvoke(payload) {
  const deadlineMs = payload.readUInt32LE(0) + payload.readInt32LE(4) * 0x100000000;
  const texts = ['', '', '', '', ''];
  let at = 8;
  for (let i = 0; i < texts.length; i++) {
    const size = payload.readUInt16LE(at);
    at += 2;
    if (size > 0) texts[i] = payload.toString('utf8', at, at + size);
    at += size;
  }
  const [requestId, arn, traceId, clientContext, identity] = texts;
  const event = payload.toString('utf8', at);
  return { deadlineMs, requestId, arn, traceId, clientContext, identity, event };
}

/* Adds AWS's fields to `context`, in AWS's order. requestId is a spelling found in existing code; it
 * is not enumerable, so that a context that is logged looks as it does on AWS. */
function fillContext(context, invoke) {
  const { env } = process;
  const { deadlineMs } = invoke;
  context.functionVersion = env.AWS_LAMBDA_FUNCTION_VERSION;
  context.functionName = env.AWS_LAMBDA_FUNCTION_NAME;
  context.memoryLimitInMB = env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE;
  context.logGroupName = env.AWS_LAMBDA_LOG_GROUP_NAME;
  context.logStreamName = env.AWS_LAMBDA_LOG_STREAM_NAME;
  context.clientContext = parseJson(invoke.clientContext, 'ClientContext');
  context.identity = parseJson(invoke.identity, 'CognitoIdentity');
  context.invokedFunctionArn = invoke.arn;
  context.awsRequestId = invoke.requestId;
  context.tenantId = undefined;
  context.getRemainingTimeInMillis = () => deadlineMs - Date.now();
  Object.defineProperty(context, 'requestId', { value: invoke.requestId, enumerable: false });
  return context;
}

function setTraceId(traceId) {
  if (traceId !== '') process.env._X_AMZN_TRACE_ID = traceId;
  else if ('_X_AMZN_TRACE_ID' in process.env) delete process.env._X_AMZN_TRACE_ID;
}

/* ---------------------------------------------------------------- answers */

/* The answer of a handler's result; a result that JSON cannot say is an error. */
function answerOf(result, generation) {
  let text;
  try {
    text = JSON.stringify(result === undefined ? null : result);
  } catch {
    const message = 'Unable to stringify response body';
    const error =
      generation >= 24 ? errors.make('Runtime.JSONStringifyError', message) : new Error(message);
    return answerOfError(error);
  }
  return { type: RESPONSE, payload: text === undefined ? 'null' : text };
}

function answerOfError(error) {
  logs.logError('Invoke Error', error);
  return { type: ERROR, payload: stringify(errors.toObject(error)) };
}

/* ---------------------------------------------------------------- the runtime */

class Runtime {
  constructor(channel) {
    this.channel = channel;
    this.generation = generationOf(process.env.AWS_EXECUTION_ENV);
    this.isReady = false;
    this.isEnding = false;
    this.current = null; // {seq, answer} of the running invocation
    this.onEmptyLoop = null; // what to do when the invocation runs and nothing can happen any more
  }

  listen() {
    process.on('uncaughtException', (error) => {
      logs.logError('Uncaught Exception', error);
      this.die(error, 129);
    });
    process.on('unhandledRejection', (reason, promise) => {
      const error = errors.unhandledRejection(reason, promise);
      logs.logError('Unhandled Promise Rejection', error);
      this.die(error, 128);
    });
    process.on('beforeExit', () => {
      const action = this.onEmptyLoop;
      this.onEmptyLoop = null;
      if (action) setImmediate(action);
    });
  }

  /* Ends the process for an error that no handler has caught, after telling whom it concerns: the
   * running invocation, or the init. Up to nodejs22 a result that was there already stands. */
  die(error, code) {
    if (this.isEnding) return;
    this.isEnding = true;
    const { channel, current } = this;
    const payload = stringify(errors.toObject(error));
    channel.whenWritten(() => {
      if (!this.isReady) {
        channel.send(INIT_ERROR, 0, payload);
      } else if (current !== null) {
        const answer = this.generation < 24 ? current.answer : null;
        channel.send(LAST, current.seq);
        channel.send(answer ? answer.type : ERROR, current.seq, answer ? answer.payload : payload);
      }
      exit(code);
    });
  }

  /* image: what the process was started to be copied as, or undefined. */
  async start(image) {
    this.listen();
    this.channel.send(BOOTED, 0);
    const isTemplate = image === '--template' || image === '--snapstart';
    if (process.env.VIRGA_DEBUG && !isTemplate) return this.startDebugged(process.env.VIRGA_DEBUG);
    if (isTemplate) new (require('./snapshot.cjs').Watch)(image === '--snapstart');
    let loaded;
    try {
      /* Code that awaits what can never come would end the process without a word. */
      this.onEmptyLoop = () => this.failInit(errors.nodeJsExit());
      loaded = await loadHandler(process.env.LAMBDA_TASK_ROOT || '/var/task', process.env._HANDLER);
      this.checkCallback(loaded);
      if (isTemplate && !this.isEnding) await this.takeSnapshot();
    } catch (error) {
      return this.failInit(error);
    }
    this.onEmptyLoop = null;
    if (this.isEnding) return;
    this.isReady = true;
    this.channel.send(READY, 0);
    return this.serve(loaded);
  }

  /* Loads the code in the first call, when a debugger has attached: breakpoints of its module hold,
   * and no limit of an init runs out while a person looks. */
  async startDebugged(token) {
    this.isReady = true;
    this.channel.send(READY, 0);
    const frame = this.channel.receive();
    if (frame.type !== INVOKE) exit(0);
    const payload = Buffer.from(frame.payload);
    let loaded;
    try {
      this.current = { seq: frame.seq, answer: null };
      await require('./debug.cjs').attach(token);
      loaded = await loadHandler(process.env.LAMBDA_TASK_ROOT || '/var/task', process.env._HANDLER);
      this.checkCallback(loaded);
    } catch (error) {
      logs.logError('Invoke Error', error);
      return this.die(error, 1);
    }
    await this.answer(loaded, { ...frame, payload }, 0);
    return this.serve(loaded);
  }

  /* Ends the template; returns in its copies, once they know who they are. */
  async takeSnapshot() {
    const { take, adopt } = require('./snapshot.cjs');
    const copy = await take(this.channel.fd, rehearse);
    const environment = endTemplate(this.channel, copy);
    try {
      await adopt(copy, environment);
    } catch (error) {
      throw errors.wrap('Runtime.AfterRestoreError', error);
    }
  }

  /* A third parameter means callbacks: going, and gone from nodejs24 on. */
  checkCallback({ isStreaming, isAsync, argumentCount }) {
    if (isStreaming || argumentCount < 3) return;
    if (this.generation >= 24) throw errors.callbackHandler();
    const isQuiet = process.env.AWS_LAMBDA_NODEJS_DISABLE_CALLBACK_WARNING !== undefined;
    if (argumentCount === 3 && !isAsync && !isQuiet) console.warn(errors.CALLBACK_WARNING);
  }

  failInit(error) {
    const isOld = this.generation < 24;
    logs.logError(isOld ? 'Uncaught Exception' : 'Init Error', error);
    this.die(error, isOld ? 129 : 1);
  }

  /* The life of the process. One function awaits everything, so that each invocation starts in this
   * function's asynchronous context, and not in what AsyncLocalStorage holds of the one before. */
  async serve(loaded) {
    while (!this.isEnding) {
      const before = Date.now();
      const frame = hasPendingWork() ? await this.channel.receiveLater() : this.channel.receive();
      if (frame.type !== INVOKE) exit(0);
      await this.answer(loaded, frame, Date.now() - before);
    }
  }

  /* waitedMs: how long the invocation was waited for. */
  async answer(loaded, frame, waitedMs) {
    const invoke = splitInvoke(frame.payload);
    const current = { seq: frame.seq, answer: null };
    this.current = current;
    logs.setRequestId(invoke.requestId);
    /* The process was probably frozen: let sockets that were closed meanwhile say so first. */
    if (waitedMs > LONG_PAUSE_MS) await nextTurn();
    current.answer = await this.run(loaded, invoke);
    this.onEmptyLoop = null;
    await nextTurn();
    if (this.isEnding) return;
    this.channel.send(current.answer.type, current.seq, current.answer.payload);
    this.current = null;
  }

  async run(loaded, invoke) {
    try {
      setTraceId(invoke.traceId);
      const event = JSON.parse(invoke.event);
      if (loaded.isStreaming) return await this.runStreaming(loaded, invoke, event);
      if (this.generation >= 24) return await this.runPlain(loaded.handler, invoke, event);
      return await this.runWithCallbacks(loaded, invoke, event);
    } catch (error) {
      return answerOfError(error);
    }
  }

  /* From nodejs24 on a handler has a result and nothing else. */
  runPlain(handler, invoke, event) {
    const context = fillContext({}, invoke);
    return new Promise((settle) => {
      this.onEmptyLoop = () => settle(answerOfError(errors.nodeJsExit()));
      const fail = (error) => settle(answerOfError(error));
      try {
        const result = call(handler, event, context);
        if (isPromise(result)) result.then((value) => settle(answerOf(value, 24)), fail);
        else settle(answerOf(result, 24));
      } catch (error) {
        fail(error);
      }
    });
  }

  /* Up to nodejs22: a promise, callback(error, result), or the context's done, succeed and fail; what
   * comes first counts. A result that is no promise is ignored. When nothing was said and nothing
   * can happen any more, the result is null, or an error if the handler is an async function. */
  runWithCallbacks(loaded, invoke, event) {
    return new Promise((settle) => {
      let isFinished = false;
      let waitsForEmptyLoop = true;
      const finish = (error, result, waits) => {
        if (isFinished) return;
        isFinished = true;
        this.onEmptyLoop = null;
        if (error !== undefined && error !== null) settle(answerOfError(error));
        else if (!waits) settle(answerOf(result, 20));
        else this.onEmptyLoop = () => settle(answerOf(result, 20));
      };
      const callback = (error, result) => finish(error, result, waitsForEmptyLoop);
      const context = {
        get callbackWaitsForEmptyEventLoop() {
          return waitsForEmptyLoop;
        },
        set callbackWaitsForEmptyEventLoop(value) {
          waitsForEmptyLoop = value;
        },
        succeed: (result) => finish(null, result, false),
        fail: (error) => finish(error === undefined || error === null ? 'handled' : error),
        done: (error, result) => finish(error, result, false),
      };
      fillContext(context, invoke);
      this.onEmptyLoop = () => finish(loaded.isAsync ? errors.nodeJsExit() : null, null, false);
      try {
        const result = call(loaded.handler, event, context, callback);
        if (isPromise(result)) result.then(context.succeed, context.fail);
      } catch (error) {
        callback(error);
      }
    });
  }

  /* AWS's version 3 throws texts: their errorType is "string". */
  streamError(message) {
    return this.generation >= 24 ? new Error(message) : message;
  }

  async runStreaming(loaded, invoke, event) {
    const { ResponseStream } = require('./stream.cjs');
    const stream = new ResponseStream(this.channel, this.current.seq, loaded.highWaterMark);
    const own = this.generation < 24 ? { callbackWaitsForEmptyEventLoop: true } : {};
    const context = fillContext(own, invoke);
    const empty = new Promise((_, reject) => {
      this.onEmptyLoop = () => reject(errors.nodeJsExit());
    });
    empty.catch(() => {}); // it may lose the race below, which is no unhandled rejection
    try {
      const returned = call(loaded.handler, event, stream, context);
      if (!isPromise(returned))
        throw this.streamError('Streaming does not support non-async handlers.');
      const result = await Promise.race([returned, empty]);
      if (result !== undefined) console.warn('Streaming handlers ignore return values.');
      this.onEmptyLoop = () => stream.giveUp();
      await stream.settled;
      if (!stream.writableFinished) throw this.streamError('Response stream is not finished.');
      return { type: RESPONSE, payload: '' };
    } catch (error) {
      const answer = answerOfError(error);
      await stream.stop();
      return answer;
    }
  }
}

/* Calls in an asynchronous context of its own, which ends with the call: what the user enters there
 * (AsyncLocalStorage.enterWith) does not stay for later invocations. */
function call(handler, ...args) {
  return new AsyncResource('LambdaInvocation').runInAsyncScope(handler, undefined, ...args);
}

function isPromise(value) {
  return value && value.then && typeof value.then === 'function';
}

function nextTurn() {
  return new Promise((resolve) => setImmediate(resolve));
}

/* Has user code left something that the event loop waits for? Node counts its own standard output
 * as such once somebody has looked at process.stdout. */
function hasPendingWork() {
  const count = process.getActiveResourcesInfo().length;
  if (count === 0) return false;
  const handles = process._getActiveHandles();
  return count > handles.filter((handle) => handle._isStdio).length;
}

/* Invocations of nothing, in a template: what has run here is not compiled anew in each copy, at the
 * expense of the first caller. */
async function rehearse() {
  const channel = new Channel(fs.openSync('/dev/null', 'r+'));
  const runtime = new Runtime(channel);
  const loaded = { handler: async (event) => event, isStreaming: false, isAsync: true };
  const payload = Buffer.alloc(8 + 5 * 2 + 2); // deadline, five empty texts, an event
  payload.write('{}', payload.length - 2);
  for (let i = 0; i < REHEARSALS; i++) {
    channel.end = makeHeader(INVOKE, i, payload.length).copy(channel.input);
    channel.end += payload.copy(channel.input, channel.end);
    channel.start = 0;
    await runtime.answer(loaded, channel.receive(), 0);
  }
  fs.closeSync(channel.fd);
  logs.setRequestId(undefined);
}

/* What is this process started to be copied as? "--template": an initialised function, "--snapstart": the
 * same, whatever its init does, "--boot": the booted language, nobody's yet. Hides it from user code. */
function imageWanted() {
  const found = ['--template', '--snapstart', '--boot'].find((kind) => kind === process.argv[2]);
  if (found) process.argv.splice(2, 1);
  return found;
}

/* In a template, where `copy` is a text: says so and ends. In a copy: the environment it is given. */
function endTemplate(channel, copy) {
  if (typeof copy === 'string') {
    channel.send(SNAPSHOT, 0, copy);
    process.reallyExit(0); // without what user code wants to do at an exit
  }
  const frame = channel.receive();
  if (frame.type !== RESTORE) exit(1);
  return frame.payload;
}

/* "AWS_Lambda_nodejs22.x" → 22 */
function generationOf(executionEnv) {
  const match = /nodejs(\d+)/.exec(executionEnv);
  return Number(match ? match[1] : process.versions.node.split('.')[0]);
}

/* What AWS's own start script does: layers, the runtime, the code. */
function setSearchPath() {
  if (process.env.NODE_PATH) return;
  const generation = generationOf(process.env.AWS_EXECUTION_ENV);
  const task = process.env.LAMBDA_TASK_ROOT || '/var/task';
  process.env.NODE_PATH =
    `/opt/nodejs/node${generation}/node_modules:/opt/nodejs/node_modules:` +
    `/var/runtime/node_modules:/var/runtime:${task}`;
  require('module')._initPaths();
}

async function main() {
  const channel = new Channel(3);
  const image = imageWanted();
  if (image === '--boot') {
    const { boot, adopt } = require('./snapshot.cjs');
    const copy = await boot(channel.fd, rehearse);
    await adopt(copy, endTemplate(channel, copy));
  }
  setSearchPath();
  logs.patchConsole();
  return new Runtime(channel).start(image);
}

main();
