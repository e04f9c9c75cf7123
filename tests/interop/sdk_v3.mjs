// AWS SDK for JavaScript v3: functions, logs, identity, and a service that Virga does not have.
import assert from 'node:assert';
import {createRequire} from 'node:module';
import {account, endpoint, fails, isSigned, role, run, test, zip} from './case.mjs';

// The packages lie in the build folder, where `import` from here would not look.
const require = createRequire(process.env.VIRGA_MODULES + '/');
const L = require('@aws-sdk/client-lambda');
const {STSClient, GetCallerIdentityCommand, AssumeRoleCommand} = require('@aws-sdk/client-sts');
const C = require('@aws-sdk/client-cloudwatch-logs');
const {KinesisClient, ListStreamsCommand} = require('@aws-sdk/client-kinesis');

const config = {endpoint, region: 'us-east-1', maxAttempts: 1};
const lambda = new L.LambdaClient(config);
const logs = new C.CloudWatchLogsClient(config);
const sts = new STSClient(config);
const text = (payload) => Buffer.from(payload).toString();
const create = (name, more = {}) => lambda.send(new L.CreateFunctionCommand({
  FunctionName: name, Runtime: 'python3.12', Role: role, Handler: 'f.handler', Code: {ZipFile: zip},
  ...more}));
const invoke = (name, event, more = {}) => lambda.send(new L.InvokeCommand({
  FunctionName: name, Payload: JSON.stringify(event), ...more}));

test('GetCallerIdentity', async () => {
  const who = await sts.send(new GetCallerIdentityCommand({}));
  assert.equal(who.Account, account);
  assert.equal(who.Arn, `arn:aws:iam::${account}:root`);
  assert.match(who.$metadata.requestId, /^[0-9a-f-]{36}$/);
});

test('CreateFunction and its waiters', async () => {
  const made = await create('one', {Description: 'größer < kleiner & "so"', Timeout: 5,
    Environment: {Variables: {GREETING: 'hello ✓'}}, Tags: {team: 'a b'}});
  assert.equal(made.$metadata.httpStatusCode, 201);
  assert.equal(made.FunctionArn, `arn:aws:lambda:us-east-1:${account}:function:one`);
  assert.equal(made.Description, 'größer < kleiner & "so"');
  assert.equal(made.CodeSize, zip.length);
  const waited = await L.waitUntilFunctionActiveV2({client: lambda, maxWaitTime: 10},
    {FunctionName: 'one'});
  assert.equal(waited.state, 'SUCCESS');
});

test('GetFunction', async () => {
  const got = await lambda.send(new L.GetFunctionCommand({FunctionName: 'one'}));
  assert.equal(got.Configuration.Environment.Variables.GREETING, 'hello ✓');
  assert.deepEqual(got.Tags, {team: 'a b'});
  const byArn = await lambda.send(new L.GetFunctionCommand(
    {FunctionName: got.Configuration.FunctionArn, Qualifier: '$LATEST'}));
  assert.equal(byArn.Configuration.RevisionId, got.Configuration.RevisionId);
});

test('ListFunctions in pages', async () => {
  await create('two');
  await create('three');
  const names = [];
  let pages = 0;
  for await (const page of L.paginateListFunctions({client: lambda, pageSize: 1}, {})) {
    names.push(...page.Functions.map((f) => f.FunctionName));
    pages++;
  }
  assert.deepEqual(names.sort(), ['one', 'three', 'two']);
  assert.ok(pages >= 3);
});

test('UpdateFunctionConfiguration and UpdateFunctionCode', async () => {
  const changed = await lambda.send(new L.UpdateFunctionConfigurationCommand(
    {FunctionName: 'one', Timeout: 7, Environment: {Variables: {GREETING: 'bye'}}}));
  assert.equal(changed.Timeout, 7);
  await L.waitUntilFunctionUpdatedV2({client: lambda, maxWaitTime: 10}, {FunctionName: 'one'});
  const code = await lambda.send(new L.UpdateFunctionCodeCommand({FunctionName: 'one',
    ZipFile: zip, RevisionId: changed.RevisionId}));
  assert.notEqual(code.RevisionId, changed.RevisionId);
  await fails(lambda.send(new L.UpdateFunctionCodeCommand({FunctionName: 'one', ZipFile: zip,
    RevisionId: changed.RevisionId})), 'PreconditionFailedException', 412);
});

const events = async (name, event, more = {}) => {
  const answer = await lambda.send(new L.InvokeWithResponseStreamCommand({
    FunctionName: name, Payload: JSON.stringify(event), ...more}));
  const chunks = [];
  let complete;
  for await (const part of answer.EventStream) {
    if (part.PayloadChunk) chunks.push(part.PayloadChunk.Payload);
    if (part.InvokeComplete) complete = part.InvokeComplete;
  }
  return {answer, complete, body: text(Buffer.concat(chunks))};
};

test('InvokeWithResponseStream', async () => {
  await create('streams', {Runtime: 'nodejs20.x', Handler: 's.handler', MemorySize: 512, Timeout: 10});
  const {answer, complete, body} = await events('streams', {}, {LogType: 'Tail'});
  assert.equal(body, 'first second');
  assert.equal(answer.StatusCode, 200);
  assert.equal(answer.ExecutedVersion, '$LATEST');
  assert.equal(answer.ResponseStreamContentType, 'text/plain');
  assert.match(Buffer.from(complete.LogResult, 'base64').toString(), /seen[^]*REPORT RequestId/);
  assert.equal(complete.ErrorCode, undefined);
});

test('InvokeWithResponseStream: failures', async () => {
  const {complete, body} = await events('streams', {fail: 'in the middle'});
  assert.equal(body, 'first ');
  assert.equal(complete.ErrorCode, 'RangeError');
  assert.equal(JSON.parse(complete.ErrorDetails).errorMessage, 'in the middle');
  const before = await events('one', {fail: 'before'});
  assert.equal(before.body, '');
  assert.equal(before.complete.ErrorCode, 'Unhandled');
  await fails(events('nobody', {}), 'ResourceNotFoundException', 404);
  const dry = await lambda.send(new L.InvokeWithResponseStreamCommand({
    FunctionName: 'one', InvocationType: 'DryRun'}));
  assert.equal(dry.StatusCode, 204);
});

test('InvokeWithResponseStream of a function that does not stream', async () => {
  const {answer, complete, body} = await events('one', {n: 1});
  assert.equal(JSON.parse(body).n, 1);
  assert.equal(answer.ResponseStreamContentType, 'application/json');
  assert.deepEqual(complete, {});
});

test('Invoke', async () => {
  const answer = await invoke('one', {n: 1, s: '✓'}, {LogType: 'Tail'});
  assert.equal(answer.StatusCode, 200);
  assert.equal(answer.ExecutedVersion, '$LATEST');
  assert.deepEqual(JSON.parse(text(answer.Payload)), {n: 1, s: '✓', greeting: 'bye'});
  const log = Buffer.from(answer.LogResult, 'base64').toString();
  assert.match(log, /START RequestId: .*\n.*seen\n[^]*REPORT RequestId: /);
  assert.ok(log.includes(answer.$metadata.requestId));
});

test('Invoke with a client context', async () => {
  const context = Buffer.from(JSON.stringify({custom: {k: 'v'}})).toString('base64');
  const answer = await invoke('one', {context: true}, {ClientContext: context});
  assert.equal(JSON.parse(text(answer.Payload)).custom, 'v');
});

test('Invoke that fails in the function', async () => {
  const answer = await invoke('one', {fail: 'so it is'});
  assert.equal(answer.StatusCode, 200);
  assert.equal(answer.FunctionError, 'Unhandled');
  const error = JSON.parse(text(answer.Payload));
  assert.equal(error.errorType, 'ValueError');
  assert.equal(error.errorMessage, 'so it is');
  assert.ok(Array.isArray(error.stackTrace));
});

test('Invoke as a dry run, and with a payload of one megabyte', async () => {
  const dry = await invoke('one', {}, {InvocationType: 'DryRun'});
  assert.equal(dry.StatusCode, 204);
  const big = await invoke('one', {big: 'x'.repeat(1 << 20)});
  assert.equal(JSON.parse(text(big.Payload)).big.length, 1 << 20);
});

test('errors are typed', async () => {
  const missing = await fails(invoke('nobody', {}), 'ResourceNotFoundException', 404);
  assert.ok(missing instanceof L.ResourceNotFoundException);
  assert.equal(missing.message,
    `Function not found: arn:aws:lambda:us-east-1:${account}:function:nobody`);
  assert.equal(missing.Type, 'User');
  const again = await fails(create('one'), 'ResourceConflictException', 409);
  assert.ok(again instanceof L.ResourceConflictException);
  assert.equal(again.message, 'Function already exist: one');
  await fails(create('bad', {Role: 'nonsense'}), 'ValidationException', 400);
  const zipless = await fails(create('bad', {Code: {ZipFile: Buffer.from('no zip')}}),
    'InvalidParameterValueException', 400);
  assert.ok(zipless instanceof L.InvalidParameterValueException);
  await fails(lambda.send(new L.InvokeCommand({FunctionName: 'one', Payload: '{broken'})),
    'InvalidRequestContentException', 400);
});

test('tags, concurrency, what becomes of asynchronous calls', async () => {
  const arn = `arn:aws:lambda:us-east-1:${account}:function:one`, one = {FunctionName: 'one'};
  await lambda.send(new L.TagResourceCommand({Resource: arn, Tags: {'a/b': 'c d', x: 'y'}}));
  await lambda.send(new L.UntagResourceCommand({Resource: arn, TagKeys: ['team', 'x']}));
  const {Tags} = await lambda.send(new L.ListTagsCommand({Resource: arn}));
  assert.deepEqual(Tags, {'a/b': 'c d'});
  await lambda.send(new L.PutFunctionConcurrencyCommand({...one, ReservedConcurrentExecutions: 0}));
  const throttled = await fails(invoke('one', {}), 'TooManyRequestsException', 429);
  assert.ok(throttled instanceof L.TooManyRequestsException);
  assert.equal(throttled.Reason, 'ReservedFunctionConcurrentInvocationLimitExceeded');
  await lambda.send(new L.DeleteFunctionConcurrencyCommand(one));
  await lambda.send(new L.PutFunctionEventInvokeConfigCommand({...one, MaximumRetryAttempts: 1}));
  const got = await lambda.send(new L.GetFunctionEventInvokeConfigCommand(one));
  assert.equal(got.MaximumRetryAttempts, 1);
  assert.ok(got.LastModified instanceof Date);
});

test('functions over HTTP/2', async () => {
  const {NodeHttp2Handler} = require('@smithy/node-http-handler');
  const over2 = new L.LambdaClient({...config, requestHandler: new NodeHttp2Handler()});
  const [got, ...answers] = await Promise.all([
    over2.send(new L.GetFunctionCommand({FunctionName: 'one'})),
    ...[1, 2, 3].map((n) => over2.send(new L.InvokeCommand(
      {FunctionName: 'one', Payload: JSON.stringify({n, big: 'x'.repeat(200000)})})))]);
  assert.equal(got.Configuration.FunctionName, 'one');
  assert.deepEqual(answers.map((answer) => JSON.parse(text(answer.Payload)).n), [1, 2, 3]);
  over2.destroy();
});

test('an operation that Virga lacks is named', async () => {
  const error = await fails(lambda.send(new L.ListCapacityProvidersCommand({})),
    'UnknownOperationException', 404);
  assert.match(error.message, /ListCapacityProviders/);
  const form = await fails(sts.send(new AssumeRoleCommand(
    {RoleArn: role, RoleSessionName: 'session'})), 'InvalidAction', 400);
  assert.match(form.message, /AssumeRole/);
  const json = await fails(logs.send(new C.DescribeDestinationsCommand({})),
    'UnknownOperationException', 400);
  assert.match(json.message, /DescribeDestinations/);
});

test('a service that Virga lacks answers over HTTP/2', async () => {
  const kinesis = new KinesisClient(config); // Prior knowledge: no HTTP/1.1 at all.
  const error = await fails(kinesis.send(new ListStreamsCommand({})), 'UnknownOperationException',
    400);
  assert.match(error.message, /Kinesis/);
  kinesis.destroy();
});

test('log groups, streams and events', async () => {
  const group = {logGroupName: '/interop/v3'}, stream = {...group, logStreamName: 's/1'};
  await logs.send(new C.CreateLogGroupCommand({...group, tags: {k: 'v'}}));
  const again = await fails(logs.send(new C.CreateLogGroupCommand(group)),
    'ResourceAlreadyExistsException', 400);
  assert.ok(again instanceof C.ResourceAlreadyExistsException);
  await logs.send(new C.PutRetentionPolicyCommand({...group, retentionInDays: 7}));
  await logs.send(new C.CreateLogStreamCommand(stream));
  const now = Date.now();
  const put = await logs.send(new C.PutLogEventsCommand({...stream, logEvents: [
    {timestamp: now, message: 'first ✓'}, {timestamp: now + 1, message: 'ERROR second'}]}));
  assert.ok(put.nextSequenceToken);
  const got = await logs.send(new C.GetLogEventsCommand({...stream, startFromHead: true}));
  assert.deepEqual(got.events.map((e) => [e.timestamp, e.message]),
    [[now, 'first ✓'], [now + 1, 'ERROR second']]);
  const found = [];
  for await (const page of C.paginateFilterLogEvents({client: logs},
    {...group, filterPattern: 'ERROR'}))
    found.push(...page.events.map((e) => e.message));
  assert.deepEqual(found, ['ERROR second']);
  const groups = [];
  for await (const page of C.paginateDescribeLogGroups({client: logs, pageSize: 1},
    {logGroupNamePrefix: '/interop/'}))
    groups.push(...page.logGroups);
  assert.equal(groups.length, 1);
  assert.equal(groups[0].retentionInDays, 7);
  const arn = groups[0].logGroupArn;
  const tags = await logs.send(new C.ListTagsForResourceCommand({resourceArn: arn}));
  assert.deepEqual(tags.tags, {k: 'v'});
  await logs.send(new C.DeleteLogGroupCommand(group));
  await fails(logs.send(new C.DescribeLogStreamsCommand(group)), 'ResourceNotFoundException', 400);
});

if (isSigned) {
  test('a wrong secret and an unknown key', async () => {
    const wrong = {accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: 'wrong'};
    const unknown = {accessKeyId: 'AKIAUNKNOWNUNKNOWN00', secretAccessKey: 'wrong'};
    const of = (Client, credentials) => new Client({...config, credentials});
    const list = new L.ListFunctionsCommand({}), who = new GetCallerIdentityCommand({});
    const groups = new C.DescribeLogGroupsCommand({});
    await fails(of(L.LambdaClient, wrong).send(list), 'InvalidSignatureException', 403);
    await fails(of(L.LambdaClient, unknown).send(list), 'UnrecognizedClientException', 403);
    await fails(of(STSClient, wrong).send(who), 'SignatureDoesNotMatch', 403);
    await fails(of(STSClient, unknown).send(who), 'InvalidClientTokenId', 403);
    await fails(of(C.CloudWatchLogsClient, wrong).send(groups), 'InvalidSignatureException', 400);
    await fails(of(C.CloudWatchLogsClient, unknown).send(groups), 'UnrecognizedClientException',
      400);
  });
}

test('DeleteFunction', async () => {
  for (const name of ['one', 'two', 'three'])
    await lambda.send(new L.DeleteFunctionCommand({FunctionName: name}));
  await fails(lambda.send(new L.GetFunctionCommand({FunctionName: 'one'})),
    'ResourceNotFoundException', 404);
});

await run();
