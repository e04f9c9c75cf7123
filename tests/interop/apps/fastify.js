const awsLambdaFastify = require('@fastify/aws-lambda');
const fastify = require('fastify');

const app = fastify();
const item = {
  type: 'object',
  required: ['id'],
  properties: { id: { type: 'integer' }, name: { type: 'string' } },
};
app.addHook('onSend', async (request, reply) => {
  reply.header('x-seen', `${request.method} ${request.routeOptions.url}`);
});
app.get('/', async () => ({ hello: 'world' }));
app.get('/items/:id', async (request) => ({ id: request.params.id, query: request.query }));
app.post('/items', { schema: { body: item } }, async (request, reply) => reply.code(201).send(request.body));
app.get('/cookies', async (request, reply) => {
  reply.header('set-cookie', ['first=1; HttpOnly', 'second=2']);
  return { cookie: request.headers.cookie ?? null, ip: request.ip };
});
app.get('/binary', async (request, reply) => reply.type('image/x-test').send(Buffer.from([0, 1, 254, 255])));
app.get('/old', async (request, reply) => reply.redirect('/', 302));
app.get('/lambda', async (request) => ({ name: request.awsLambda.context.functionName }));
app.get('/broken', async () => {
  throw new Error('out of order');
});

exports.handler = awsLambdaFastify(app, { binaryMimeTypes: ['image/x-test'] });
