// Cases that run one after the other against the server of the environment, told in TAP. The first
// failure of a case is printed whole; the exit status says whether all passed.
import assert from 'node:assert';
import {readFileSync} from 'node:fs';

export const endpoint = process.env.VIRGA_ENDPOINT;
export const isSigned = process.env.VIRGA_SIGNED === '1';
export const zip = readFileSync(process.env.VIRGA_ZIP);
export const role = 'arn:aws:iam::000000000000:role/lambda';
export const account = '000000000000';

const cases = [];

export function test(name, run) {
  cases.push({name, run});
}

// Awaits a failure: its name, its HTTP status, and that the client did not retry.
export async function fails(promise, name, status) {
  let error;
  try {
    await promise;
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error, `${name} was expected, but the call succeeded`);
  assert.equal(error.name, name, error.stack);
  assert.equal(error.$metadata?.httpStatusCode ?? error.statusCode, status, error.stack);
  assert.equal(error.$metadata?.attempts ?? 1, 1);
  return error;
}

export async function run() {
  let failed = 0;
  console.log(`1..${cases.length}`);
  for (const [at, {name, run: body}] of cases.entries()) {
    try {
      await body();
      console.log(`ok ${at + 1} - ${name}`);
    } catch (error) {
      failed++;
      console.log(`not ok ${at + 1} - ${name}\n${String(error.stack).replace(/^/gm, '  # ')}`);
    }
  }
  process.exit(failed === 0 ? 0 : 1);
}
