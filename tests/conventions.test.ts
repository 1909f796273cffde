// What holds for every call: paths, methods, bodies, keys, errors.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { granted, refused } from './client.ts';
import { document } from './contract.ts';
import { serve } from './harness.ts';

const server = await serve();
const event = await server.event();

describe('paths and methods', () => {
  test('an unknown path is NOT_FOUND before any check of key or token', async () => {
    for (const path of ['/nothing', '/api', '/api/v1', '/api/v1/nothing', '/api/v2/events', '/api/v1/reservations/a/b/c', '/docs/x.js']) {
      refused(await server.anyone().send('POST', path, { body: {} }), 404, 'NOT_FOUND');
    }
  });

  test('a wrong method on a known path is METHOD_NOT_ALLOWED with the methods that are', async () => {
    for (const [method, path, allowed] of [
      ['PUT', '/api/v1/queue/join', ['POST']],
      ['POST', '/api/v1/events', ['GET']],
      ['DELETE', '/api/v1/reservations', ['GET', 'POST']],
      ['POST', '/healthz', ['GET']],
      ['PATCH', '/api/v1/queue/leave', ['DELETE', 'POST']],
      ['QUERY', '/api/v1/events', ['GET']],
    ] as const) {
      const answer = await server.anyone().send(method, path);
      refused(answer, 405, 'METHOD_NOT_ALLOWED');
      const allow = (answer.headers.get('allow') ?? '').split(', ');
      for (const name of allowed) assert.ok(allow.includes(name), `${path}: ${allow}`);
      assert.ok(!allow.includes(method), `${path}: ${allow}`);
    }
  });

  test('a method is checked before the token, the token before the key, the key before the body', async () => {
    const [anyone, user] = [server.anyone(), server.user()];
    refused(await anyone.send('PUT', '/api/v1/reservations', { body: '{' }), 405, 'METHOD_NOT_ALLOWED');
    refused(await anyone.send('POST', '/api/v1/reservations', { body: '{' }), 401, 'UNAUTHENTICATED');
    refused(await user.send('POST', '/api/v1/reservations', { body: '{' }), 400, 'IDEMPOTENCY_REQUIRED');
    refused(await user.post('/reservations', '{'), 400, 'INVALID_REQUEST');
  });
});

describe('bodies', () => {
  test('a wrong type, an empty required field, a missing one and broken JSON name the field', async () => {
    const cases: [unknown, string][] = [
      [{ event_id: 7 }, 'event_id'],
      [{ event_id: '' }, 'event_id'],
      [{ event_id: null }, 'event_id'],
      [{}, 'event_id'],
      ['{"event_id":', 'body'],
      ['[]', 'body'],
      ['', 'body'],
    ];
    for (const [body, field] of cases) {
      const { details } = refused(await server.user().post('/queue/join', body), 400, 'INVALID_REQUEST');
      assert.equal(details.field, field, JSON.stringify(body));
    }
  });

  test('the fields of an object are not taken as an array', async () => {
    refused(await server.user().post('/queue/join', [event]), 400, 'INVALID_REQUEST');
  });

  test('a call that has nothing to say takes no body or any object', async () => {
    const refund = (body: unknown) => server.user().post('/orders/ord_evt_none_0123/refund', body);
    for (const body of ['', '{}', '{"reason":"rain"}']) refused(await refund(body), 404, 'ORDER_NOT_FOUND');
    for (const body of ['[null]', 'null', '7', '{']) refused(await refund(body), 400, 'INVALID_REQUEST');
  });

  test('unknown fields are ignored', async () => {
    granted(await server.user().post('/queue/join', { event_id: event, user_id: 'whoever', colour: 'blue' }), 202);
  });

  test('a body of 64 KiB is read and a larger one is PAYLOAD_TOO_LARGE', async () => {
    const padded = (bytes: number): string => `{"event_id":"${event}"}`.padEnd(bytes);
    granted(await server.user().post('/queue/join', padded(64 * 1024)), 202);
    refused(await server.user().post('/queue/join', padded(64 * 1024 + 1)), 413, 'PAYLOAD_TOO_LARGE');
  });

  test('a content type that is given and is not JSON is UNSUPPORTED_MEDIA_TYPE', async () => {
    const body = JSON.stringify({ event_id: event });
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/xml']) {
      const answer = await server.user().post('/queue/join', body, { headers: { 'content-type': type } });
      refused(answer, 415, 'UNSUPPORTED_MEDIA_TYPE');
    }
    const charset = { 'content-type': 'application/json; charset=utf-8' };
    granted(await server.user().post('/queue/join', body, { headers: charset }), 202);
  });
});

describe('idempotency keys', () => {
  const needed = Object.entries<any>(document.paths).flatMap(([path, item]) =>
    item.post?.['x-error-codes'].includes('IDEMPOTENCY_REQUIRED') ? [path.replace('{id}', 'x')] : [],
  );

  test('a POST under queue, reservations, payments and orders needs one', async () => {
    assert.equal(needed.length, 12, needed.join(' '));
    for (const path of needed) {
      refused(await server.user().send('POST', path, { body: {} }), 400, 'IDEMPOTENCY_REQUIRED');
    }
  });

  test('a malformed one is INVALID_IDEMPOTENCY_KEY', async () => {
    for (const key of ['""', 'a b', 'x'.repeat(256), 'caf\u00e9']) {
      const sending = { body: { event_id: event }, headers: { 'idempotency-key': key } };
      refused(await server.user().send('POST', '/api/v1/queue/join', sending), 400, 'INVALID_IDEMPOTENCY_KEY');
      const login = { body: { username: 'user01', password: 'pwd01' }, headers: { 'idempotency-key': key } };
      refused(await server.anyone().send('POST', '/api/v1/auth/login', login), 400, 'INVALID_IDEMPOTENCY_KEY');
    }
  });

  test('255 visible characters are a key, and a quoted key is the same as the key', async () => {
    const user = server.user();
    const key = `${randomUUID()}~!"#`.padEnd(255, 'x');
    const first = await user.join(event, { key });
    const second = await user.join(event, { key: `"${key}"` });
    granted(first, 202);
    assert.equal(second.text, first.text);
    assert.equal(second.headers.get('idempotency-replayed'), 'true');
  });
});

describe('errors', () => {
  test('an error names the trace it belongs to', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const answer = await server.anyone().get('/events/evt_none', { headers: { traceparent } });
    assert.equal(refused(answer, 404, 'EVENT_NOT_FOUND').trace_id, '4bf92f3577b34da6a3ce929d0e0e4736');
    assert.match(answer.headers.get('traceparent') ?? '', /^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$/);
  });

  test('a caller who prefers problem documents gets one with the same code', async () => {
    const headers = { accept: 'application/problem+json' };
    const answer = await server.user().post('/queue/join', { event_id: 'evt_none' }, { headers });
    const problem = refused(answer, 404, 'EVENT_NOT_FOUND');
    assert.equal(answer.headers.get('content-type'), 'application/problem+json');
    assert.deepEqual([problem.type, problem.status, problem.instance], ['/problems/event-not-found', 404, '/api/v1/queue/join']);
  });

  test('every code has a page that explains it to a person', async () => {
    for (const code of document.components.schemas.ErrorCode.enum as string[]) {
      const page = await server.anyone().send('GET', `/problems/${code.toLowerCase().replaceAll('_', '-')}`);
      granted(page);
      assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
      assert.ok(page.text.includes(code), code);
    }
    refused(await server.anyone().send('GET', '/problems/no-such-thing'), 404, 'NOT_FOUND');
  });
});
