// AWS SDK for JavaScript v2, which many functions still carry: the same ground as sdk_v3.mjs.
import assert from 'node:assert';
import {createRequire} from 'node:module';
import {account, endpoint, fails, isSigned, role, run, test, zip} from './case.mjs';

const AWS = createRequire(process.env.VIRGA_MODULES + '/')('aws-sdk');
const config = {endpoint, region: 'us-east-1', maxRetries: 0};
const lambda = new AWS.Lambda(config), logs = new AWS.CloudWatchLogs(config);
const sts = new AWS.STS(config);
const create = (name, more = {}) => lambda.createFunction({FunctionName: name,
  Runtime: 'python3.12', Role: role, Handler: 'f.handler', Code: {ZipFile: zip}, ...more})
  .promise();
const invoke = (name, event, more = {}) => lambda.invoke({FunctionName: name,
  Payload: JSON.stringify(event), ...more}).promise();

test('getCallerIdentity', async () => {
  const who = await sts.getCallerIdentity().promise();
  assert.equal(who.Account, account);
  assert.equal(who.Arn, `arn:aws:iam::${account}:root`);
  assert.ok(who.ResponseMetadata.RequestId);
});

test('createFunction, getFunction, waiters', async () => {
  const made = await create('one', {Description: 'größer',
    Environment: {Variables: {GREETING: 'hello ✓'}}});
  assert.equal(made.FunctionArn, `arn:aws:lambda:us-east-1:${account}:function:one`);
  await lambda.waitFor('functionActiveV2', {FunctionName: 'one',
    $waiter: {delay: 1, maxAttempts: 5}}).promise();
  const got = await lambda.getFunction({FunctionName: 'one'}).promise();
  assert.equal(got.Configuration.Description, 'größer');
});

test('listFunctions in pages', async () => {
  await create('two');
  const names = [];
  let marker;
  do {
    const page = await lambda.listFunctions({MaxItems: 1, Marker: marker}).promise();
    names.push(...page.Functions.map((f) => f.FunctionName));
    marker = page.NextMarker;
  } while (marker);
  assert.deepEqual(names.sort(), ['one', 'two']);
});

test('updateFunctionConfiguration and updateFunctionCode', async () => {
  const changed = await lambda.updateFunctionConfiguration({FunctionName: 'one', Timeout: 7})
    .promise();
  assert.equal(changed.Timeout, 7);
  const code = await lambda.updateFunctionCode({FunctionName: 'one', ZipFile: zip}).promise();
  assert.equal(code.CodeSize, zip.length);
});

test('invoke', async () => {
  const answer = await invoke('one', {n: 1}, {LogType: 'Tail', Qualifier: '$LATEST'});
  assert.deepEqual(JSON.parse(answer.Payload), {n: 1, greeting: 'hello ✓'});
  assert.match(Buffer.from(answer.LogResult, 'base64').toString(), /REPORT RequestId: /);
  const failed = await invoke('one', {fail: 'so it is'});
  assert.equal(failed.FunctionError, 'Unhandled');
  assert.equal(JSON.parse(failed.Payload).errorMessage, 'so it is');
  assert.equal((await invoke('one', {}, {InvocationType: 'DryRun'})).StatusCode, 204);
});

test('errors have codes', async () => {
  await fails(invoke('nobody', {}), 'ResourceNotFoundException', 404);
  await fails(create('one'), 'ResourceConflictException', 409);
  const form = await fails(sts.getSessionToken({}).promise(), 'InvalidAction', 400);
  assert.match(form.message, /GetSessionToken/);
  await fails(logs.describeDestinations({}).promise(), 'UnknownOperationException', 400);
});

test('log groups, streams and events', async () => {
  const group = {logGroupName: '/interop/v2'}, stream = {...group, logStreamName: 's'};
  await logs.createLogGroup(group).promise();
  await fails(logs.createLogGroup(group).promise(), 'ResourceAlreadyExistsException', 400);
  await logs.createLogStream(stream).promise();
  const now = Date.now();
  await logs.putLogEvents({...stream, logEvents: [{timestamp: now, message: 'ERROR one'}]})
    .promise();
  const got = await logs.getLogEvents({...stream, startFromHead: true}).promise();
  assert.deepEqual(got.events.map((e) => e.message), ['ERROR one']);
  const found = await logs.filterLogEvents({...group, filterPattern: 'ERROR'}).promise();
  assert.equal(found.events.length, 1);
  await logs.deleteLogGroup(group).promise();
});

if (isSigned) {
  test('a wrong secret', async () => {
    const wrong = {...config, accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: 'wrong'};
    await fails(new AWS.Lambda(wrong).listFunctions().promise(), 'InvalidSignatureException', 403);
    await fails(new AWS.STS(wrong).getCallerIdentity().promise(), 'SignatureDoesNotMatch', 403);
  });
}

test('deleteFunction', async () => {
  for (const name of ['one', 'two']) await lambda.deleteFunction({FunctionName: name}).promise();
  await fails(lambda.getFunction({FunctionName: 'one'}).promise(), 'ResourceNotFoundException', 404);
});

await run();
