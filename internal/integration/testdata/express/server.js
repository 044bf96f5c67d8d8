// A service of Express and popular middleware, each set as its own documents advise. The
// attack suite must find nothing in it.
'use strict';
const express = require('express');
const helmet = require('helmet');
const cors = require('cors');
const jwt = require('jsonwebtoken');
const { rateLimit } = require('express-rate-limit');

const secret = 'a signing secret of 32 bytes and more';
const problem = (status) => (req, res) => res.status(status).json({ status });
const limit = (count, more) => rateLimit({
  windowMs: 3600 * 1000, limit: count, standardHeaders: 'draft-8', legacyHeaders: false, handler: problem(429), ...more,
});

const app = express();
app.disable('x-powered-by');
app.set('case sensitive routing', true);
app.set('strict routing', true);
app.set('etag', false);
app.use(helmet({ contentSecurityPolicy: { directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } }, xFrameOptions: { action: 'deny' } }));
app.use((req, res, next) => { res.set('Cache-Control', 'no-store'); next(); });
app.use((req, res, next) => (/^127\.0\.0\.1:\d+$/.test(req.headers.host || '') ? next() : problem(400)(req, res)));
app.use(cors({ origin: ['https://www.example.com'], methods: ['GET', 'POST'], allowedHeaders: ['Authorization', 'Content-Type'] }));

app.get('/public', limit(100), (req, res) => res.json('public'));

const guesses = limit(20, { skipSuccessfulRequests: true });
app.post('/api/token/', guesses, express.json({ limit: '64kb' }), (req, res) => {
  const { username, password } = req.body || {};
  if (!['alice', 'bob'].includes(username) || password !== `${username}'s password`) return problem(401)(req, res);
  return res.json({ access: jwt.sign({ sub: username }, secret, { algorithm: 'HS256', expiresIn: '1m' }) });
});

app.get('/secure', (req, res) => {
  const [, token] = /^Bearer (\S+)$/.exec(req.headers.authorization || '') || [];
  try {
    res.json(jwt.verify(token, secret, { algorithms: ['HS256'] }).sub);
  } catch {
    res.set('WWW-Authenticate', 'Bearer');
    problem(401)(req, res);
  }
});

app.use((req, res) => problem(404)(req, res));
app.use((err, req, res, next) => problem(err.status || 500)(req, res)); // eslint-disable-line no-unused-vars

const server = app.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
