'use strict';
const fs = require('fs');

console.log('said while starting');
let count = 0;

class Custom extends Error {
  constructor(message) {
    super(message);
    this.name = 'Custom';
  }
}
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const doing = {
  echo: (event) => event.value,
  none: () => null,
  context: (event, context) => ({
    id: context.awsRequestId, arn: context.invokedFunctionArn, name: context.functionName,
    version: context.functionVersion, memory: context.memoryLimitInMB, group: context.logGroupName,
    stream: context.logStreamName, client: context.clientContext ? context.clientContext.custom : null,
    identity: context.identity ? context.identity.cognitoIdentityId : null,
  }),
  remaining: async (event, context) => {
    const first = context.getRemainingTimeInMillis();
    await pause(20);
    return [first, context.getRemainingTimeInMillis()];
  },
  env: () => ({ ...process.env }),
  trace: () => process.env._X_AMZN_TRACE_ID,
  raise: (event) => { throw new Custom(event.message); },
  exit: (event) => process.exit(event.code),
  kill: () => { process.kill(process.pid, 'SIGKILL'); return pause(10000); },
  sleep: async (event) => { await pause(event.ms); return count; },
  oom: () => { const held = []; for (;;) held.push(Buffer.alloc(8 << 20, 1)); },
  big: (event) => 'x'.repeat(event.size),
  size: (event) => event.value.length,
  print: (event) => event.lines.forEach((line) => {
    process.stdout.write(line + '\n');
    process.stderr.write(line + '\n');
  }),
  event: (event) => console.log(event.text),
  count: () => count,
  tmp: () => {
    const had = fs.existsSync('/tmp/kept');
    fs.writeFileSync('/tmp/kept', 'x');
    return had;
  },
  write: (event) => {
    try { fs.writeFileSync(event.path, ''); } catch (error) { return /, |: ([a-z -]+),/.exec(error.message)[1]; }
  },
  place: () => {
    const minutes = new Date().getTimezoneOffset();
    return { cwd: process.cwd(), zone: minutes === 0 ? '+0000' : String(minutes), pid: process.pid, uid: process.getuid() };
  },
  bad: () => { const circle = {}; circle.self = circle; return circle; },
};

exports.handler = async (event, context) => {
  count++;
  return doing[event.do](event, context);
};
