/* An Express application of the usual parts: what express.js and codegenie.js put behind an adapter. */
const express = require('express');

const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');

const app = express();
app.use((req, res, next) => {
  res.set('X-Seen', `${req.method} ${req.path}`);
  next();
});
app.use(express.json());
app.use(express.urlencoded({ extended: true }));
app.use(express.raw({ type: 'application/octet-stream' }));

const api = express.Router();
api.get('/items/:id', (req, res) => res.json({ id: req.params.id, query: req.query }));
api.post('/items', (req, res) => res.status(201).location(`/api/items/${req.body.id}`).json(req.body));
api.delete('/items/:id', (req, res) => res.status(204).end());
app.use('/api', api);

app.get('/', (req, res) => res.send('Hello, <b>World</b>'));
app.get('/cookies', (req, res) => {
  res.cookie('first', '1; 2', { httpOnly: true });
  res.cookie('second', 'two', { path: '/cookies', maxAge: 60000 });
  res.json({ cookie: req.get('cookie') ?? null, host: req.get('host'), ip: req.ip });
});
app.get('/pixel', (req, res) => res.type('png').send(PIXEL));
app.post('/bytes', (req, res) => res.type('application/octet-stream').send(Buffer.from(req.body).reverse()));
app.get('/old', (req, res) => res.redirect(301, '/?from=old'));
app.get('/broken', () => {
  throw new Error('out of order');
});
app.use((error, req, res, next) => {
  res.status(error.status ?? 500).json({ error: error.message });
});

module.exports = app;
