// Headers: security, CORS, trace, rate limit.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { granted, refused, type Answer, type Caller } from './client.ts';
import { serve } from './harness.ts';

const RPS = 1;
const BURST = 10;
const SHOP = 'https://shop.example';
const server = await serve({ RATE_LIMIT_RPS: String(RPS), RATE_LIMIT_BURST: String(BURST), ALLOWED_ORIGINS: `${SHOP},https://b.example` });

const exposed = ['Retry-After', 'RateLimit', 'RateLimit-Policy', 'Idempotency-Replayed', 'X-Request-Id', 'Server-Timing'];
const accepted = ['Authorization', 'Content-Type', 'Idempotency-Key', 'X-Trace-Id', 'X-Request-Id', 'X-Requested-With', 'traceparent'];
const listed = (answer: Answer, name: string): string[] => (answer.headers.get(name) ?? '').split(', ').map((part) => part.toLowerCase());
const includes = (list: string[], wanted: string[]): void => {
  for (const name of wanted) assert.ok(list.includes(name.toLowerCase()), `${name} in ${list}`);
};

describe('security', () => {
  test('every answer carries the security headers, also an error', async () => {
    for (const path of ['/healthz', '/api/v1/events', '/api/v1/nothing', '/docs', '/metrics']) {
      const { headers } = await server.user().send('GET', path);
      assert.match(headers.get('strict-transport-security') ?? '', /max-age=\d{7,}/);
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.equal(headers.get('x-frame-options'), 'DENY');
      assert.ok(headers.get('referrer-policy') && headers.get('permissions-policy'));
    }
  });

  test('pages have a content security policy without inline script', async () => {
    for (const path of ['/docs', '/problems/seat-taken']) {
      const page = await server.anyone().send('GET', path);
      const policy = page.headers.get('content-security-policy') ?? '';
      const script = /script-src ([^;]*)/.exec(policy)?.[1] ?? /default-src ([^;]*)/.exec(policy)?.[1];
      assert.ok(script, `${path} restricts script: ${policy}`);
      assert.ok(!policy.includes('unsafe'), policy);
      assert.ok(!/<script(?![^>]*\ssrc=)|\son\w+=/i.test(page.text), `${path} has no script of its own`);
    }
  });
});

describe('cross-origin requests', () => {
  test('a preflight of an allowed origin is answered for a day', async () => {
    const headers = { origin: SHOP, 'access-control-request-method': 'POST', 'access-control-request-headers': 'idempotency-key' };
    const answer = await server.anyone().send('OPTIONS', '/api/v1/reservations', { headers });
    assert.equal(answer.status, 204);
    assert.equal(answer.headers.get('access-control-allow-origin'), SHOP);
    assert.equal(answer.headers.get('access-control-max-age'), '86400');
    includes(listed(answer, 'access-control-allow-methods'), ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS']);
    includes(listed(answer, 'access-control-allow-headers'), accepted);
  });

  test('an answer to an allowed origin can be read with its headers, also an error', async () => {
    for (const path of ['/api/v1/events', '/api/v1/orders/none']) {
      const answer = await server.user().send('GET', path, { headers: { origin: SHOP } });
      assert.equal(answer.headers.get('access-control-allow-origin'), SHOP);
      includes(listed(answer, 'access-control-expose-headers'), exposed);
      includes(listed(answer, 'vary'), ['Origin']);
    }
  });

  test('no other origin can read anything', async () => {
    for (const origin of ['https://evil.example', 'http://shop.example', 'https://shop.example.evil.example', 'null']) {
      for (const method of ['GET', 'OPTIONS']) {
        const answer = await server.user().send(method, '/api/v1/events', { headers: { origin } });
        assert.equal(answer.headers.get('access-control-allow-origin'), null, origin);
      }
    }
  });
});

describe('trace', () => {
  test('a request id is echoed, or made', async () => {
    const echoed = await server.user().get('/events', { headers: { 'x-request-id': 'my-request-17' } });
    assert.equal(echoed.headers.get('x-request-id'), 'my-request-17');
    const [one, two] = [await server.user().get('/events'), await server.user().get('/events')];
    assert.notEqual(one.headers.get('x-request-id'), two.headers.get('x-request-id'));
  });

  test('a malformed traceparent begins a new trace', async () => {
    for (const traceparent of ['nonsense', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, `ff-${'a'.repeat(32)}-00f067aa0ba902b7-01`]) {
      const answer = await server.user().get('/events', { headers: { traceparent } });
      const made = answer.headers.get('traceparent') ?? '';
      assert.match(made, /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/);
      assert.ok(!made.includes('0'.repeat(32)) && !made.includes('a'.repeat(32)), made);
    }
  });

  test('Server-Timing names the objects that were called', async () => {
    const user = server.user();
    const joined = await user.join('evt_2025_1001');
    granted(joined, 202);
    assert.match(joined.headers.get('server-timing') ?? '', /lane;dur=\d/i);
    const entered = await user.enter(joined.body.waiting_token);
    assert.match(entered.headers.get('server-timing') ?? '', /queue;dur=\d/i);
  });
});

describe('rate limit', () => {
  const hurry = (caller: Caller, count: number): Promise<Answer[]> =>
    Promise.all(Array.from({ length: count }, () => caller.get('/auth/me')));

  test('a user may send a burst and is then RATE_LIMITED with a time to wait', async () => {
    const user = server.user();
    const began = Date.now();
    const answers = await hurry(user, BURST + 15);
    const refilled = 1 + (RPS * (Date.now() - began)) / 1000;
    const allowed = answers.filter((answer) => answer.status === 200);
    const limited = answers.filter((answer) => answer.status === 429);
    assert.equal(allowed.length + limited.length, answers.length);
    assert.ok(allowed.length >= BURST && allowed.length <= BURST + refilled, `${allowed.length} of a burst of ${BURST}`);
    for (const answer of limited) {
      refused(answer, 429, 'RATE_LIMITED');
      assert.match(answer.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
      assert.equal(answer.headers.get('x-ratelimit-remaining'), '0');
    }
  });

  test('every answer tells the limit and what is left of it', async () => {
    const user = server.user();
    for (let sent = 1; sent <= 3; sent++) {
      const { headers } = await user.get('/auth/me');
      const left = Number(headers.get('x-ratelimit-remaining'));
      assert.equal(headers.get('x-ratelimit-limit'), String(BURST));
      assert.ok(left >= BURST - sent && left < BURST, `${left} after ${sent}`);
      assert.match(headers.get('x-ratelimit-reset') ?? '', /^\d+$/);
      assert.match(headers.get('ratelimit-policy') ?? '', new RegExp(`q=${BURST}`));
      assert.match(headers.get('ratelimit') ?? '', new RegExp(`r=${left}`));
    }
  });

  test('one user does not use up what another has', async () => {
    await hurry(server.user(), BURST + 5);
    granted(await server.user().get('/auth/me'));
  });

  test('callers without a valid token share the bucket of their address, operations have none', async () => {
    const began = Date.now();
    const unknown: Record<string, string>[] = [{}, { authorization: 'Bearer nonsense' }];
    const send = (headers: Record<string, string>) => server.anyone().get('/events/evt_2025_1001', { headers });
    const answers = await Promise.all(Array.from({ length: BURST + 15 }, (_, sent) => send(unknown[sent % 2] ?? {})));
    const refilled = 1 + (RPS * (Date.now() - began)) / 1000;
    const limited = answers.filter((answer) => answer.status === 429);
    for (const answer of limited) refused(answer, 429, 'RATE_LIMITED');
    assert.ok(answers.length - limited.length <= BURST + refilled, `${limited.length} of ${answers.length} refused`);
    for (let i = 0; i < BURST + 5; i++) granted(await server.anyone().send('GET', '/healthz'));
  });
});
