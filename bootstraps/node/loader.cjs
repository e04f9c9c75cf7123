'use strict';
/* Finds the user's handler: `folder/file.export`, where export may be nested (`app.api.get`).
 *
 * The order in which files are tried is that of AWS's client: file without ending, .js as CommonJS
 * (or as ES module where package.json says so), .mjs, .cjs, with TypeScript after them where Node
 * can read it, and at last what require() finds under that name from the code's folder. */
const fs = require('fs');
const path = require('path');
const errors = require('./errors.cjs');

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');
const HAS_TYPESCRIPT = Number(process.versions.node.split('.')[0]) >= 24;

/* ---------------------------------------------------------------- the global `awslambda` */

class HttpResponseStream {
  /* Status, headers and cookies go before the body, as JSON; eight NUL bytes end them. */
  static from(stream, metadata) {
    stream.setContentType('application/vnd.awslambda.http-integration-response');
    const prelude = JSON.stringify(metadata);
    stream._onBeforeFirstWrite = (write) => {
      write(prelude);
      write(new Uint8Array(8));
    };
    return stream;
  }
}

function streamifyResponse(handler, options) {
  handler[STREAMING] = 'response';
  if (typeof options?.highWaterMark === 'number')
    handler[HIGH_WATER_MARK] = Math.trunc(options.highWaterMark);
  return handler;
}

/* Functions to be called around a snapshot, with AWS's names for Python in the spelling of JavaScript.
 * Where no snapshot is taken or restored, registering has no effect. Those before a snapshot run in
 * reverse order, and all are awaited. */
const hooks = { beforeSnapshot: [], afterRestore: [] };

function registerBeforeSnapshot(hook, ...args) {
  hooks.beforeSnapshot.push({ hook, args });
  return hook;
}

function registerAfterRestore(hook, ...args) {
  hooks.afterRestore.push({ hook, args });
  return hook;
}

function setGlobals() {
  const off = process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA;
  if (off !== '1' && off !== 'true')
    globalThis.awslambda = {
      ...globalThis.awslambda,
      streamifyResponse,
      HttpResponseStream,
      registerBeforeSnapshot,
      registerAfterRestore,
    };
}

/* ---------------------------------------------------------------- modules */

/* Does the nearest package.json make .js files ES modules? */
function isModuleFolder(folder) {
  if (folder.endsWith('/node_modules')) return false;
  const file = path.join(folder, 'package.json');
  if (fs.existsSync(file)) {
    try {
      return JSON.parse(fs.readFileSync(file, 'utf8'))?.type === 'module';
    } catch (error) {
      console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
      return false;
    }
  }
  return folder !== '/' && isModuleFolder(path.dirname(folder));
}

/* [ending, is an ES module] in the order of trial. */
function candidates(isModule) {
  const list = [['', false], ['.js', isModule], ['.mjs', true], ['.cjs', false]];
  if (HAS_TYPESCRIPT) list.push(['.ts', isModule], ['.mts', true], ['.cts', false]);
  return list;
}

async function loadModule(root, folder, name) {
  const base = path.resolve(root, folder, name);
  for (const [ending, isModule] of candidates(isModuleFolder(path.dirname(base)))) {
    const file = base + ending;
    if (!fs.existsSync(file)) continue;
    const loaded = isModule ? await import(require('url').pathToFileURL(file)) : require(file);
    if (loaded) return loaded;
  }
  return require(require.resolve(name, { paths: [root, path.join(root, folder)] }));
}

/* AWS's runtime is one file, with which every "Require stack" ends. */
function withoutOwnFiles(text) {
  const own = [`${__dirname}/loader.cjs`, `${__dirname}/bootstrap.cjs`].map((file) => `- ${file}`);
  return text.replace(own.join('\n'), '- /var/runtime/index.mjs');
}

async function loadApp(root, folder, name) {
  try {
    return await loadModule(root, folder, name);
  } catch (error) {
    if (error instanceof SyntaxError) throw errors.wrap('Runtime.UserCodeSyntaxError', error);
    if (error?.code === 'MODULE_NOT_FOUND') {
      error.message = withoutOwnFiles(error.message);
      error.stack = withoutOwnFiles(error.stack);
      throw errors.wrap('Runtime.ImportModuleError', error);
    }
    throw error;
  }
}

/* ---------------------------------------------------------------- the handler */

function splitName(fullName) {
  if (fullName.includes('..'))
    throw errors.make(
      'Runtime.MalformedHandlerName',
      `'${fullName}' is not a valid handler name. Use absolute paths when specifying root ` +
        'directories in handler names.',
    );
  const base = path.basename(fullName);
  const match = /^([^.]*)\.(.*)$/.exec(base);
  if (!match) throw errors.make('Runtime.MalformedHandlerName', 'Bad handler');
  return { folder: fullName.slice(0, fullName.indexOf(base)), name: match[1], exports: match[2] };
}

function findExport(object, name) {
  return name.split('.').reduce((found, key) => found && found[key], object);
}

function isStreaming(handler) {
  const mode = handler[STREAMING];
  if (mode === undefined || mode === null || mode === false) return false;
  if (mode === 'response') return true;
  throw errors.make(
    'Runtime.MalformedStreamingHandler',
    'Only response streaming is supported.',
  );
}

async function loadHandler(root, fullName = '') {
  const { folder, name, exports } = splitName(fullName);
  setGlobals();
  if (process.env.VIRGA_LENIENT === '1') require('./lenient.cjs').install(root);
  const app = await loadApp(root, folder, name);
  /* CommonJS that an ES module loader could not see through has its exports in `default`. */
  const handler = findExport(app, exports) || findExport(app?.default, exports);
  if (!handler)
    throw errors.make('Runtime.HandlerNotFound', `${fullName} is undefined or not exported`);
  if (typeof handler !== 'function')
    throw errors.make('Runtime.HandlerNotFound', `${fullName} is not a function`);
  const mark = Number.parseInt(handler[HIGH_WATER_MARK], 10);
  return {
    handler,
    isStreaming: isStreaming(handler),
    isAsync: handler.constructor?.name === 'AsyncFunction',
    argumentCount: handler.length,
    highWaterMark: Number.isNaN(mark) ? undefined : mark,
  };
}

module.exports = { loadHandler, hooks };
