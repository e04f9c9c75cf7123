'use strict';
/* The lenient prelude: VIRGA_LENIENT=1 in a function's environment runs code as books and web pages
 * print it, which leaves out its imports. On AWS such code fails with a ReferenceError; so does it
 * here, unless asked for.
 *
 * The names below become globals that are loaded when they are first read, where their package can be
 * found from the code; so do the exports of `virga_stubs.cjs` in the package (what the text takes for
 * granted). Declarations in the code win, as they do over any global. ES modules get require(), so
 * that it stands beside `await` at the top level. */
const path = require('path');
const { createRequire, builtinModules } = require('module');

const PACKAGES = {
  AWS: 'aws-sdk',
  axios: 'axios',
  express: 'express',
  _: 'lodash',
  moment: 'moment',
  mysql: 'mysql2',
  Redis: 'ioredis',
  sharp: 'sharp',
  uuid: 'uuid',
  validator: 'validator',
};
/* Names of built-in modules that are nobody's habit to use for something else. */
const BUILT_IN = ['fs', 'os', 'http', 'https', 'util', 'zlib', 'stream', 'child_process'];

function define(name, load) {
  if (name in globalThis) return;
  const set = (value) =>
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  const get = () => {
    const value = load();
    set(value);
    console.error(`virga: lenient: ${name} is given`);
    return value;
  };
  Object.defineProperty(globalThis, name, { get, set, configurable: true });
}

function canResolve(own, name) {
  try {
    own.resolve(name);
    return true;
  } catch {
    return false;
  }
}

function install(root) {
  const own = createRequire(path.join(root, 'index.js'));
  if (!('require' in globalThis)) globalThis.require = own;
  if (canResolve(own, './virga_stubs.cjs')) {
    const stubs = own('./virga_stubs.cjs');
    for (const name of Object.keys(stubs)) define(name, () => stubs[name]);
  }
  for (const name of BUILT_IN)
    if (builtinModules.includes(name)) define(name, () => own(name));
  for (const [name, from] of Object.entries(PACKAGES))
    if (canResolve(own, from)) define(name, () => own(from));
}

module.exports = { install };
