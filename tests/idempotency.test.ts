// One key, one effect, one answer.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { granted, refused, type Answer, type Caller, type Sending } from './client.ts';
import { serve } from './harness.ts';
import { clockReaches } from './until.ts';

const server = await serve();
const TTL_SEC = 2;
const forgetful = await serve({ IDEMPOTENCY_TTL_SEC: String(TTL_SEC) });
const event = await server.event();

const replayed = (answer: Answer): boolean => answer.headers.get('idempotency-replayed') === 'true';

function same(first: Answer, again: Answer): void {
  granted(first, first.status);
  assert.ok(first.status < 300, first.text);
  assert.deepEqual([again.status, again.text], [first.status, first.text]);
  assert.deepEqual([replayed(first), replayed(again)], [false, true]);
}

/** Every call that needs a key: what prepares it, and the call itself. */
const calls: Record<string, (user: Caller) => Promise<(sending: Sending) => Promise<Answer>>> = {
  join: async (user) => (sending) => user.join(event, sending),
  enter: async (user) => {
    const waiting = await user.waits(event);
    await user.ready(waiting);
    return (sending) => user.enter(waiting, sending);
  },
  reserve: async (user) => {
    const token = await user.admitted(event);
    return (sending) => user.reserve(event, token, { quantity: 1 }, sending);
  },
  cancel: async (user) => {
    const { reservation_id } = await user.holds(event);
    return (sending) => user.cancel(reservation_id, sending);
  },
  intent: async (user) => {
    const { reservation_id } = await user.holds(event);
    return (sending) => user.intent(reservation_id, { scenario: 'timeout' }, sending);
  },
  process: async (user) => {
    const { reservation_id } = await user.holds(event);
    const { payment_intent_id } = granted(await user.intent(reservation_id));
    return (sending) => user.process(payment_intent_id, 'approve', sending);
  },
  confirm: async (user) => {
    const { reservation, intent } = await user.buys(event);
    return (sending) => user.confirm(reservation.reservation_id, intent.payment_intent_id, sending);
  },
  'cancel the payment': async (user) => {
    const { reservation_id } = await user.holds(event);
    const { payment_intent_id } = granted(await user.intent(reservation_id, { scenario: 'timeout' }));
    return (sending) => user.cancelPayment(payment_intent_id, sending);
  },
  refund: async (user) => {
    const { order } = await user.buys(event);
    return (sending) => user.refund(order.order_id, sending);
  },
};

describe('a repeated request', { concurrency: 4 }, () => {
  for (const [name, prepare] of Object.entries(calls)) {
    test(`to ${name} gets the first answer byte for byte`, async () => {
      const call = await prepare(server.user());
      const key = randomUUID();
      const first = await call({ key });
      same(first, await call({ key }));
      same(first, await call({ key: `"${key}"` }));
    });

    test(`to ${name} at once has one answer`, async () => {
      const call = await prepare(server.user());
      const key = randomUUID();
      const answers = await Promise.all(Array.from({ length: 10 }, () => call({ key })));
      for (const answer of answers) assert.ok(answer.status < 300, answer.text);
      assert.equal(new Set(answers.map(({ text }) => text)).size, 1);
      assert.equal(answers.filter(replayed).length, 9, 'one answer is the first');
    });
  }

  test('after a restart still gets the first answer', async () => {
    const own = await serve();
    const place = await own.event();
    const user = own.user();
    const token = await user.admitted(place);
    const key = randomUUID();
    const first = await user.reserve(place, token, { quantity: 1 }, { key });
    await own.restart();
    same(first, await user.reserve(place, token, { quantity: 1 }, { key }));
    refused(await user.reserve(place, token, { quantity: 2 }, { key }), 409, 'IDEMPOTENCY_CONFLICT');
    await own.stop();
  });
});

describe('the same key', { concurrency: 4 }, () => {
  test('with another body is a conflict and has no effect', async () => {
    const user = server.user();
    const token = await user.admitted(event);
    const key = randomUUID();
    const { reservation_id } = granted(await user.reserve(event, token, { quantity: 1 }, { key }), 201);
    refused(await user.reserve(event, token, { quantity: 2 }, { key }), 409, 'IDEMPOTENCY_CONFLICT');
    granted(await user.cancel(reservation_id));
    refused(await user.reserve(event, token, { quantity: 2 }, { key }), 409, 'IDEMPOTENCY_CONFLICT');
    const held = granted(await user.get(`/reservations?event_id=${event}&status=HOLD`)).reservations;
    assert.deepEqual(held, []);
  });

  test('for another path of the same operation is a conflict', async () => {
    const [one, two] = server.users(2);
    assert.ok(one && two);
    const user = server.user();
    const first = await user.holds(event);
    granted(await user.leave(await user.waits(event)));
    const key = randomUUID();
    granted(await user.cancel(first.reservation_id, { key }));
    const second = await user.holds(event);
    refused(await user.cancel(second.reservation_id, { key }), 409, 'IDEMPOTENCY_CONFLICT');
    assert.equal(granted(await user.reservation(second.reservation_id)).status, 'HOLD');
  });

  test('of another user and for another operation is another key', async () => {
    const key = randomUUID();
    const [one, two] = server.users(2);
    assert.ok(one && two);
    const [first, second] = [await one.join(event, { key }), await two.join(event, { key })];
    assert.notEqual(granted(first, 202).waiting_token, granted(second, 202).waiting_token);
    await one.ready(first.body.waiting_token);
    const entered = await one.enter(first.body.waiting_token, { key });
    granted(entered);
    assert.equal(replayed(entered), false);
  });

  test('for another event is a conflict of the user who joins twice with it', async () => {
    const user = server.user();
    const key = randomUUID();
    granted(await user.join(event, { key }), 202);
    refused(await user.join(await server.event(), { key }), 409, 'IDEMPOTENCY_CONFLICT');
  });

  test('after a refusal may be used again', async () => {
    const one = await server.event({ sections: [{ id: 'A', price: 1, rows: [{ id: '1', count: 2 }] }] });
    const [owner, next] = server.users(2);
    assert.ok(owner && next);
    const token = await next.admitted(one);
    const { reservation_id } = await owner.holds(one, { seat_ids: ['A-1-1'] });
    const key = randomUUID();
    refused(await next.reserve(one, token, { seat_ids: ['A-1-1'] }, { key }), 409, 'SEAT_TAKEN');
    granted(await owner.cancel(reservation_id));
    const answer = await next.reserve(one, token, { seat_ids: ['A-1-1'] }, { key });
    granted(answer, 201);
    assert.equal(replayed(answer), false);
  });
});

describe('a record', { concurrency: 4 }, () => {
  test('is kept for its time and then gone', async () => {
    const place = await forgetful.event();
    const user = forgetful.user();
    const token = await user.admitted(place);
    const key = randomUUID();
    const began = Date.now();
    const first = await user.reserve(place, token, { seat_ids: ['A-1-1'] }, { key });
    const again = await user.reserve(place, token, { seat_ids: ['A-1-1'] }, { key });
    if (Date.now() < began + TTL_SEC * 1000) same(first, again);
    granted(await user.cancel(first.body.reservation_id));
    await clockReaches(Date.now() + TTL_SEC * 1000);
    const renewed = granted(await user.reserve(place, token, { seat_ids: ['A-1-2'] }, { key }), 201);
    assert.notEqual(renewed.reservation_id, first.body.reservation_id);
  });

  test('of a place is kept as long as the place lives', async () => {
    const place = await forgetful.event({ queue: { paused: true } });
    const key = randomUUID();
    const first = granted(await forgetful.anyone().join(place, { key }), 202);
    await clockReaches(Date.now() + TTL_SEC * 1000 + 200);
    const again = granted(await forgetful.anyone().join(place, { key }), 202);
    assert.equal(again.waiting_token, first.waiting_token);
  });
});
