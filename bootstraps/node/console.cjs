'use strict';
/* The console as AWS's runtime has it: each message is one line with time, request id and level, as
 * text or as JSON (AWS_LAMBDA_LOG_FORMAT), above a level (AWS_LAMBDA_LOG_LEVEL).
 *
 * Lines are written to descriptor 1 at once: process.stdout would cost its modules at start-up, and
 * what is printed must be out before the answer is. A newline inside a message becomes a carriage
 * return, as in AWS's client when it writes to standard output, so that a message stays one event. */
const { writeSync } = require('fs');
const { format } = require('util');
const errors = require('./errors.cjs');

const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
/* Up to here a pipe takes a line whole or not at all (PIPE_BUF is 4096 bytes). */
const WHOLE_LINE = 1300;

let requestId; // undefined during init, and AWS prints that
let isJson = false;

/* Descriptor 1 does not block any more once user code has touched process.stdout. */
const pause = new Int32Array(new SharedArrayBuffer(4));
function writeAll(bytes) {
  let at = 0;
  while (at < bytes.length) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if (error.code !== 'EAGAIN') return; // The user's to close; the answer matters more.
      Atomics.wait(pause, 0, 0, 1);
    }
  }
}

function writeLine(line) {
  const text = line.includes('\n') ? line.replaceAll('\n', '\r') + '\n' : line + '\n';
  if (text.length <= WHOLE_LINE) {
    try {
      writeSync(1, text);
      return;
    } catch (error) {
      if (error.code !== 'EAGAIN') return;
    }
  }
  writeAll(Buffer.from(text));
}

/* ---------------------------------------------------------------- formats */

function textLine(level, args) {
  const message = args.length === 1 && typeof args[0] === 'string' ? args[0] : format(...args);
  return `${new Date().toISOString()}\t${requestId}\t${level}\t${message}`;
}

function errorFields(error) {
  return {
    errorType: error?.constructor?.name ?? 'UnknownError',
    errorMessage: error.message,
    stackTrace: typeof error.stack === 'string' ? error.stack.split('\n') : [],
  };
}

function replaceErrors(_key, value) {
  return value instanceof Error ? Object.assign(errorFields(value), value) : value;
}

function jsonLine(level, args) {
  const record = { timestamp: new Date().toISOString(), level, requestId };
  if (args.length === 1) {
    record.message = args[0];
    try {
      return JSON.stringify(record, replaceErrors);
    } catch {
      record.message = format(args[0]); // circular, or a BigInt
      return JSON.stringify(record);
    }
  }
  record.message = format(...args);
  const error = args.find((arg) => arg instanceof Error);
  if (error) Object.assign(record, errorFields(error));
  return JSON.stringify(record);
}

/* ---------------------------------------------------------------- the errors of the runtime */

function withHiddenFields(_key, value) {
  if (!(value instanceof Error)) return value;
  const fields = { errorType: value.name, errorMessage: value.message, code: value.code };
  Object.assign(fields, value);
  if (typeof value.stack === 'string') fields.stack = value.stack.split('\n');
  return fields;
}

function toText(error) {
  try {
    return '\t' + JSON.stringify(error, withHiddenFields);
  } catch {
    return '\t' + JSON.stringify(errors.toObject(error));
  }
}

/* Logs an error that ends an invocation or the init. Never throws, whatever the user has thrown. */
function logError(title, thrown) {
  try {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    if (isJson) console.error(error);
    else console.error(title, toText(error));
  } catch {
    writeLine(textLine('ERROR', [title]));
  }
}

/* ---------------------------------------------------------------- the console */

function patchConsole() {
  isJson = process.env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === 'JSON';
  const lineOf = isJson ? jsonLine : textLine;
  const lowest = LEVELS.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase());
  LEVELS.forEach((level, rank) => {
    console[level.toLowerCase()] =
      rank >= lowest || level === 'FATAL'
        ? (message, ...rest) => writeLine(lineOf(level, [message, ...rest]))
        : () => {};
  });
  console.log = console.info;
}

module.exports = {
  patchConsole,
  logError,
  setRequestId: (id) => {
    requestId = id;
  },
};
