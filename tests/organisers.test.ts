// Events to the outside: what an organiser's endpoint is sent.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { granted, refused, type Answer } from './client.ts';
import { DELIVERED_MS, endpoint, feed, SECRET } from './endpoints.ts';
import { serve } from './harness.ts';
import { webhookSignature } from './tokens.ts';
import { until } from './until.ts';

const server = await serve();
const { admin } = server;

describe('an endpoint', { concurrency: 6 }, () => {
  test('is sent everything about an event in order, without gaps, signed', async () => {
    const hook = await endpoint(server);
    const event = await server.event();
    const [buyer, other] = server.users(2);
    assert.ok(buyer && other);
    const { order, reservation } = await buyer.buys(event);
    granted(await buyer.refund(order.order_id));
    const held = await other.holds(event);
    const { payment_intent_id } = granted(await other.intent(held.reservation_id, { scenario: 'timeout' }));
    granted(await other.process(payment_intent_id, 'fail'));
    const told = await until('everything', DELIVERED_MS, () => {
      const seen = hook.about(event);
      return seen.some(({ envelope }) => envelope.type === 'reservation.cancelled') && hook.types(event).includes('payment.failed') && seen;
    });

    const envelopes = told.map(({ envelope }) => envelope);
    assert.deepEqual(envelopes.map(({ sequence }) => sequence), envelopes.map((_, index) => index + 1));
    assert.deepEqual(new Set(envelopes.map(({ type }) => type)), new Set([
      'reservation.created',
      'reservation.confirmed',
      'payment.approved',
      'reservation.refunded',
      'payment.refunded',
      'payment.failed',
      'reservation.cancelled',
    ]));
    assert.equal(new Set(envelopes.map(({ id }) => id)).size, envelopes.length);
    const about = envelopes.filter(({ data }) => data.reservation_id === reservation.reservation_id).map(({ type }) => type);
    assert.ok(about.indexOf('reservation.created') < about.indexOf('reservation.confirmed'));
    assert.ok(about.indexOf('reservation.confirmed') < about.indexOf('reservation.refunded'));
    for (const { source, time, trace_id } of envelopes) {
      assert.equal(source, 'traffic-tacos');
      assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000 && typeof trace_id === 'string');
    }
    for (const { request, envelope } of told) {
      const header = (name: string): string => String(request.headers[name]);
      assert.equal(header('webhook-id'), envelope.id);
      const signature = webhookSignature(SECRET, header('webhook-id'), header('webhook-timestamp'), request.body);
      assert.ok(header('webhook-signature').split(' ').includes(signature), 'signed with the secret of the endpoint');
      assert.ok(Math.abs(Number(header('webhook-timestamp')) * 1000 - Date.now()) < 60_000);
    }
  });

  test('that fails is tried again with the same id, and what follows of that event waits its turn', async () => {
    const hook = await endpoint(server);
    const event = await server.event();
    let failures = 1;
    hook.receiver.respond = ({ body }) => ({ status: JSON.parse(body).event_id === event && failures-- > 0 ? 500 : 200 });
    await server.user().buys(event);
    const told = await until('everything', 20_000, () => {
      const seen = hook.about(event);
      return hook.types(event).includes('payment.approved') && seen.length >= 4 && seen;
    });
    const [first, again] = told;
    assert.equal(again?.envelope.id, first?.envelope.id, 'the first one comes again before any other');
    assert.ok((again?.request.at ?? 0) - (first?.request.at ?? 0) >= 1000, 'after a pause');
    const delivered = told.slice(1).map(({ envelope }) => envelope.sequence);
    assert.deepEqual(delivered, delivered.map((_, index) => index + 1));
  });

  test('that fails does not hold up another', async () => {
    const [broken, sound] = [await endpoint(server), await endpoint(server)];
    broken.receiver.respond = () => ({ status: 503 });
    const event = await server.event();
    await server.user().buys(event);
    await until('the sound one', DELIVERED_MS, () => sound.types(event).includes('reservation.confirmed'));
    assert.ok(!broken.types(event).includes('reservation.confirmed'));
    granted(await admin.delete(`/admin/webhooks/${broken.id}`));
  });

  test('is made, replaced, shown without its secret, and removed', async () => {
    const id = `hook-${randomUUID().slice(0, 8)}`;
    refused(await admin.get(`/admin/webhooks/${id}`), 404, 'NOT_FOUND');
    const url = 'https://partner.example/hook';
    granted(await admin.put(`/admin/webhooks/${id}`, { url, secret: 'one secret' }), 201);
    const replaced = await admin.put(`/admin/webhooks/${id}`, { url: `${url}/2`, secret: 'two secret' });
    granted(replaced, 200);
    const shown = await admin.get(`/admin/webhooks/${id}`);
    assert.equal(granted(shown).url, `${url}/2`);
    assert.ok(!shown.text.includes('secret') && !replaced.text.includes('secret'));
    granted(await admin.delete(`/admin/webhooks/${id}`));
    refused(await admin.get(`/admin/webhooks/${id}`), 404, 'NOT_FOUND');
    refused(await admin.delete(`/admin/webhooks/${id}`), 404, 'NOT_FOUND');
  });

  test('that was removed is sent nothing more', async () => {
    const [removed, kept] = [await endpoint(server), await endpoint(server)];
    granted(await admin.delete(`/admin/webhooks/${removed.id}`));
    const event = await server.event();
    await server.user().holds(event);
    await until('the other one', DELIVERED_MS, () => kept.types(event).length > 0);
    assert.deepEqual(removed.types(event), []);
  });

  test('needs an address and a secret', async () => {
    const send = (body: unknown): Promise<Answer> => admin.put('/admin/webhooks/wrong', body);
    const url = 'https://partner.example/hook';
    for (const [field, body] of [
      ['url', { url: 'nonsense', secret: 'x' }],
      ['url', { url: 'ftp://partner.example', secret: 'x' }],
      ['url', { secret: 'x' }],
      ['secret', { url, secret: '' }],
      ['secret', { url }],
      ['secret', { url, secret: 'whsec_%%%' }],
    ] as const) {
      assert.equal(refused(await send(body), 400, 'INVALID_REQUEST').details.field, field, JSON.stringify(body));
    }
  });
});

describe('outside development', () => {
  test('an endpoint must be https and not on a private address', async () => {
    const secrets = { JWT_SECRET: 'q7Gd0xKz-3mVt9_PfW2hLr8YbNc5JsEa', PAYMENT_WEBHOOK_SECRET: 'Zk4uHw1RoD6_ivT-xQ9gMy0CjBn2SlXe' };
    const production = await serve({ ENVIRONMENT: 'production', ALLOWED_ORIGINS: 'https://shop.example', ...secrets });
    for (const url of ['http://partner.example/hook', 'https://127.0.0.1/x', 'https://10.1.2.3/x', 'https://[::1]/x', 'https://localhost/x', 'https://192.168.0.1/']) {
      refused(await production.admin.put('/admin/webhooks/x', { url, secret: 'whsec_b3JnYW5pc2VyLXNlY3JldC1mb3ItdGVzdHM=' }), 400, 'INVALID_REQUEST');
    }
    granted(await production.admin.put('/admin/webhooks/x', { url: 'https://partner.example/hook', secret: SECRET }), 201);
    await production.stop();
  });
});

describe('a dead letter of the queue', () => {
  test('is listed, sent once more when redriven, and gone once it was dealt with', async () => {
    const hook = await endpoint(server);
    const event = await server.event();
    await server.user().holds(event);
    await until('the envelope', DELIVERED_MS, () => hook.types(event).length === 1);
    const [envelope] = await feed(server, event);
    assert.ok(envelope);
    const insert = 'INSERT INTO dead_letters (dead_letter_id, event_id, body, reason, created_at) VALUES (?, ?, ?, ?, ?)';
    await server.sql(insert, envelope.id, event, JSON.stringify(envelope), 'the queue gave up', Date.now());
    await server.sql(insert, 'nonsense', null, '{"no":"envelope"}', 'is not an envelope', Date.now());
    const { dead_letters } = granted(await admin.get('/admin/dead-letters'));
    const letter = dead_letters.find((entry: any) => entry.event_id === event);
    assert.equal(letter?.problem, 'the queue gave up');
    granted(await admin.post(`/admin/dead-letters/${letter.id}/redrive`, undefined, { key: null }));
    refused(await admin.post(`/admin/dead-letters/${letter.id}/redrive`, undefined, { key: null }), 404, 'NOT_FOUND');
    const redrive = await admin.post('/admin/dead-letters/redrive', { webhook_id: 'queue' }, { key: null });
    assert.deepEqual(granted(redrive), { redriven: 1 });
    assert.deepEqual(granted(await admin.get('/admin/dead-letters')).dead_letters, []);
  });

  test('is gone when the projection has caught up by itself', async () => {
    const event = await server.event();
    const buyer = server.user();
    await buyer.holds(event);
    const id = `msg_${event}_1`;
    const body = JSON.stringify({ id, type: 'reservation.created', event_id: event, sequence: 1, data: {} });
    await server.sql('INSERT INTO dead_letters VALUES (?, ?, ?, ?, ?)', id, event, body, 'could not be handed on', Date.now());
    await server.user().holds(event);
    await until('no dead letter of the event', DELIVERED_MS, async () => {
      const { dead_letters } = granted(await admin.get('/admin/dead-letters'));
      return dead_letters.every((letter: any) => letter.event_id !== event);
    });
  });
});
