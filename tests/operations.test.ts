// What whoever runs it looks at.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { granted, refused } from './client.ts';
import { document } from './contract.ts';
import { JWT_SECRET, serve, Server } from './harness.ts';
import { until } from './until.ts';

const server = await serve({ METRICS_TOKEN: 'metrics-token-for-tests' });
const bearer = { authorization: 'Bearer metrics-token-for-tests' };
const metrics = async (): Promise<string> => (await server.anyone().send('GET', '/metrics', { headers: bearer })).text;

test('healthz tells the time, readyz that everything is there, version what runs', async () => {
  const { now } = granted(await server.anyone().send('GET', '/healthz'));
  assert.ok(Math.abs(now - Date.now()) < 1000);
  granted(await server.anyone().send('GET', '/readyz'));
  granted(await server.anyone().send('GET', '/version'));
});

test('HEAD is served where GET is', async () => {
  const answer = await server.anyone().send('HEAD', '/healthz');
  assert.deepEqual([answer.status, answer.text], [200, '']);
});

describe('metrics', () => {
  test('they need the bearer where one is set', async () => {
    refused(await server.anyone().send('GET', '/metrics'), 401, 'UNAUTHENTICATED');
    const wrong = { authorization: 'Bearer metrics-token-for-test' };
    refused(await server.anyone().send('GET', '/metrics', { headers: wrong }), 401, 'UNAUTHENTICATED');
  });

  test('what an isolate counts has the names and labels of the contract', async () => {
    const event = await server.event();
    const user = server.user();
    const key = 'replayed-for-the-metrics';
    await user.join(event, { key });
    await user.join(event, { key });
    const wanted = [
      /^http_server_requests_total\{.*method="GET".*route="\/healthz".*status_code="200".*\} \d+$/m,
      /^http_server_requests_duration_seconds_bucket\{.*route="\/api\/v1\/queue\/join".*le="\+Inf".*\} \d+$/m,
      /^http_server_requests_duration_seconds_sum\{.*\} [\d.e-]+$/m,
      /^backend_call_duration_seconds_bucket\{.*method=".+".*\} \d+$/m,
      /^idempotency_replays_total\{operation=".*join.*"\} [1-9]\d*$/m,
      /^rate_limited_total(\{\})? \d+$/m,
    ];
    granted(await server.anyone().send('GET', '/healthz'));
    await until('every metric', 8000, async () => {
      const text = await metrics();
      const missing = wanted.filter((pattern) => !pattern.test(text));
      assert.deepEqual(missing.map(String), [], text.slice(0, 4000));
      return true;
    });
  });

  test('every line is Prometheus text', async () => {
    for (const line of (await metrics()).split('\n').filter((line) => line && !line.startsWith('#'))) {
      assert.match(line, /^[a-z_]+(\{([a-z_]+="[^"]*",?)*\})? [-+\d.eEInfNa]+$/);
    }
  });
});

test('the contract is served as it is in the source', async () => {
  const served = await server.anyone().send('GET', '/openapi.json');
  assert.deepEqual(granted(served), document);
});

test('the page to read it loads its own script and style and nothing else', async () => {
  const page = await server.anyone().send('GET', '/docs');
  granted(page);
  const references = [...page.text.matchAll(/(?:src|href)="([^"#]+)"/g)].map((match) => match[1] ?? '');
  assert.ok(references.includes('/docs/app.js') && references.includes('/docs/app.css'));
  for (const reference of references) {
    assert.ok(reference.startsWith('/'), `${reference} is from here`);
    granted(await server.anyone().send('GET', reference));
  }
  assert.match((await server.anyone().send('GET', '/docs/app.js')).headers.get('content-type') ?? '', /javascript/);
  assert.match((await server.anyone().send('GET', '/docs/app.css')).headers.get('content-type') ?? '', /text\/css/);
});

test('the log is one JSON object a line and keeps secrets to itself', async () => {
  const password = 'a password nobody may see';
  const email = 'private.address@mail.test';
  const registration = { username: 'log-reader', password, email };
  const { token } = granted(await server.anyone().post('/auth/register', registration), 201);
  const event = await server.event();
  const user = server.user();
  const waiting = await user.waits(event);
  await user.ready(waiting);
  const { reservation_token } = granted(await user.enter(waiting));
  refused(await user.reserve(event, reservation_token, { seat_ids: ['A-9-9'] }), 404, 'SEAT_NOT_FOUND');
  refused(await server.anyone().post('/payments/webhook', '{}'), 401, 'INVALID_SIGNATURE');
  const log = server.log.join('\n');
  for (const secret of [password, email, token, user.token ?? '', waiting, reservation_token, server.vars.JWT_SECRET ?? '']) {
    assert.ok(secret && !log.includes(secret), 'a secret is in the log');
  }
  for (const line of server.log) {
    const { ts, level, service, trace_id, msg } = JSON.parse(line);
    assert.ok(ts && level && service && msg && trace_id !== undefined, line);
  }
});

test('outside development a missing, short or well-known secret keeps it from working, and is not told', async () => {
  for (const secret of ['', 'sh0rt!', 'your-256-bit-secret-your-256-bit-secret']) {
    const misconfigured = new Server({ ENVIRONMENT: 'production', PAYMENT_WEBHOOK_SECRET: JWT_SECRET, JWT_SECRET: secret });
    after(() => misconfigured.stop());
    await misconfigured.start();
    const answer = await misconfigured.anyone().get('/events');
    refused(answer, 503, 'UNAVAILABLE');
    assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/);
    const told = answer.text + misconfigured.log.join('\n');
    assert.ok(!told.includes(JWT_SECRET) && (secret === '' || !told.includes(secret)), told);
    await misconfigured.stop();
  }
});
