import { Hono } from 'hono';
import { handle, streamHandle } from 'hono/aws-lambda';
import { getCookie, setCookie } from 'hono/cookie';
import { HTTPException } from 'hono/http-exception';
import { stream, streamSSE } from 'hono/streaming';

const app = new Hono();

app.use(async (c, next) => {
  await next();
  c.header('X-Seen', `${c.req.method} ${c.req.path}`);
});
app.get('/', (c) => c.text('Hello Hono!'));
app.get('/items/:id', (c) => c.json({ id: c.req.param('id'), tags: c.req.queries('tag') ?? [], text: c.req.query('text') }));
app.post('/json', async (c) => c.json(await c.req.json(), 201));
app.post('/form', async (c) => c.json(await c.req.parseBody({ all: true })));
app.get('/cookies', (c) => {
  setCookie(c, 'first', 'eins', { httpOnly: true });
  setCookie(c, 'second', 'zwei', { maxAge: 60 });
  return c.json(getCookie(c));
});
app.get('/binary', (c) => c.body(new Uint8Array([0, 1, 254, 255]), 200, { 'Content-Type': 'image/x-test' }));
app.get('/old', (c) => c.redirect('/'));
app.get('/lambda', (c) => c.json({ name: c.env.lambdaContext?.functionName ?? c.env.context?.functionName,
  ip: c.env.requestContext.http.sourceIp }));
app.get('/denied', () => {
  throw new HTTPException(403, { message: 'not you' });
});
app.get('/broken', () => {
  throw new Error('out of order');
});
app.get('/stream', (c) => stream(c, async (out) => {
  await out.writeln('one');
  await out.sleep(1);
  await out.write(new Uint8Array([0, 255]));
}));
app.get('/events', (c) => streamSSE(c, async (out) => {
  for (let id = 0; id < 3; id++) await out.writeSSE({ data: `tick ${id}`, event: 'tick', id: String(id) });
}));

export const handler = handle(app);
export const streaming = streamHandle(app);
