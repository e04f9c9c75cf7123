'use strict';
/* The response stream of a handler made by awslambda.streamifyResponse(). Loaded at the first
 * streamed invocation only.
 *
 * Back-pressure: chunks are written by a thread of the pool, one batch at a time; what comes
 * meanwhile waits in the Writable, whose high-water mark tells the handler. Only the first bytes of
 * an invocation are written directly, which saves their way over the pool: the socket is known to
 * be empty then, and they fit. */
const { Writable } = require('stream');
const errors = require('./errors.cjs');

const STREAM_HEAD = 21;
const STREAM_CHUNK = 22;
const STREAM_END = 23;
const CHUNK_MAX = 64 * 1024;
/* What a fresh socket takes for certain (its buffer is about 200 kB), counted with a generous
 * allowance for what the kernel adds to each write. */
const DIRECT_BYTES = 64 * 1024;
const COST_OF_WRITE = 1024;

function header(type, seq, size) {
  const bytes = Buffer.allocUnsafe(12);
  bytes.writeUInt32LE(size, 0);
  bytes.writeUInt32LE(type, 4);
  bytes.writeUInt32LE(seq, 8);
  return bytes;
}

class ResponseStream extends Writable {
  #channel;
  #seq;
  #contentType = 'application/octet-stream';
  #isBegun = false; // write() was called: too late for another content type
  #isHeadSent = false;
  #direct = DIRECT_BYTES;
  #settle;

  constructor(channel, seq, highWaterMark) {
    super({ highWaterMark });
    this.#channel = channel;
    this.#seq = seq;
    this._onBeforeFirstWrite = undefined;
    /* When nothing more will be sent. */
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.once('close', this.#settle);
    /* A stream that pipeline() destroys reports through the handler; without a listener of the
     * user's it would be an uncaught exception in addition. */
    this.on('error', () => {});
  }

  setContentType(contentType) {
    if (this.#isBegun)
      throw errors.make('Runtime.InvalidStreamingOperation', 'Cannot set content-type, too late.');
    this.#contentType = String(contentType);
  }

  #begin() {
    if (this.#isBegun) return;
    this.#isBegun = true;
    if (typeof this._onBeforeFirstWrite === 'function')
      this._onBeforeFirstWrite((chunk) => super.write(chunk));
  }

  write(chunk, encoding, callback) {
    const isBytes = typeof chunk === 'string' || chunk instanceof Uint8Array;
    const data = isBytes ? chunk : JSON.stringify(chunk);
    this.#begin();
    return super.write(data, encoding, callback);
  }

  end(chunk, encoding, callback) {
    if (typeof chunk === 'function') return this.end(undefined, undefined, chunk);
    if (typeof encoding === 'function') return this.end(chunk, undefined, encoding);
    if (chunk !== undefined && chunk !== null) this.write(chunk, encoding);
    else if (!this.writableEnded && !this.destroyed) this.#begin();
    return super.end(callback);
  }

  _write(chunk, _encoding, done) {
    this.#send([chunk], done);
  }

  _writev(entries, done) {
    this.#send(entries.map((entry) => entry.chunk), done);
  }

  _final(done) {
    const frames = this.#head();
    frames.push(header(STREAM_END, this.#seq, 0));
    this.#write(frames, done);
  }

  #head() {
    if (this.#isHeadSent) return [];
    this.#isHeadSent = true;
    const type = Buffer.from(this.#contentType);
    return [header(STREAM_HEAD, this.#seq, type.length), type];
  }

  #send(chunks, done) {
    const frames = this.#head();
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length; at += CHUNK_MAX) {
        const piece = chunk.subarray(at, at + CHUNK_MAX);
        frames.push(header(STREAM_CHUNK, this.#seq, piece.length), piece);
      }
    }
    this.#write(frames, done);
  }

  #write(frames, done) {
    if (frames.length === 0) return done(); // an empty chunk
    const size = frames.reduce((sum, part) => sum + part.length, COST_OF_WRITE);
    if (size > this.#direct) {
      this.#direct = 0;
      return this.#channel.writeLater(frames, done);
    }
    this.#direct -= size;
    this.#channel.write(frames);
    return done();
  }

  /* Nothing can happen any more, and the stream was not ended. */
  giveUp() {
    this.#settle();
  }

  /* Ends the stream without STREAM_END; an ERROR frame follows. Waits for a write under way. */
  stop() {
    this.destroy();
    return new Promise((resolve) => this.#channel.whenWritten(resolve));
  }
}

module.exports = { ResponseStream };
