// Holds end by themselves, on time, with nobody calling.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { granted, refused } from './client.ts';
import { serve } from './harness.ts';
import { receive } from './receiver.ts';
import { clockReaches, until } from './until.ts';

const server = await serve();
const organiser = await receive();
granted(await server.admin.put('/admin/webhooks/expiry', { url: `${organiser.url}/hook`, secret: 'organiser-secret' }), 201);

/** What the organiser was told of a reservation. */
const told = (type: string, id: string): { at: number } | undefined =>
  organiser.received.find(({ body }) => body.includes(`"${type}"`) && body.includes(id));

describe('expiry', { concurrency: 6 }, () => {
  test('seats are for sale again within a second, though nobody asks', async () => {
    const event = await server.event({ hold_ttl_sec: 1 });
    const { reservation_id, hold_expires_at } = await server.user().holds(event);
    const deadline = Date.parse(hold_expires_at);
    await clockReaches(deadline + 1000);
    const [entry] = (await server.ledger(event)).filter(({ type }) => type === 'reservation.expired');
    assert.equal(entry?.reservation_id, reservation_id);
    const late = Date.parse(entry.at) - deadline;
    assert.ok(late >= 0 && late <= 1000, `written ${late} ms after the deadline`);
    assert.equal(granted(await server.anyone().get(`/events/${event}/availability`)).remaining, 50);
  });

  test('the organiser is told, though nobody asks', async () => {
    const event = await server.event({ hold_ttl_sec: 1 });
    const { reservation_id, hold_expires_at } = await server.user().holds(event);
    const deadline = Date.parse(hold_expires_at);
    await clockReaches(deadline);
    const { at } = await until('the webhook', 5000, () => told('reservation.expired', reservation_id));
    assert.ok(at >= deadline);
  });

  test('at the deadline the hold is over for everybody, alarm or not', async () => {
    const event = await server.event({ hold_ttl_sec: 2, sections: [{ id: 'A', price: 1, rows: [{ id: '1', count: 2 }] }] });
    const [owner, next] = server.users(2);
    assert.ok(owner && next);
    const token = await next.admitted(event);
    const { reservation_id, hold_expires_at } = await owner.holds(event, { seat_ids: ['A-1-1'] });
    const { payment_intent_id } = granted(await owner.intent(reservation_id, { scenario: 'timeout' }));
    refused(await next.reserve(event, token, { seat_ids: ['A-1-1'] }), 409, 'SEAT_TAKEN');
    await clockReaches(Date.parse(hold_expires_at));
    const answers = await Promise.all([
      next.reserve(event, token, { seat_ids: ['A-1-1'] }),
      owner.confirm(reservation_id, payment_intent_id),
      owner.cancel(reservation_id),
      owner.intent(reservation_id),
      owner.reservation(reservation_id),
    ]);
    granted(answers[0], 201);
    for (const answer of answers.slice(1, 4)) refused(answer, 409, 'RESERVATION_EXPIRED');
    assert.equal(granted(answers[4]).status, 'EXPIRED');
  });

  test('many holds that end together all end, each once', async () => {
    const event = await server.event({ hold_ttl_sec: 1 });
    const holds = await Promise.all(server.users(25).map((user) => user.holds(event)));
    await clockReaches(Math.max(...holds.map(({ hold_expires_at }) => Date.parse(hold_expires_at))) + 1000);
    const expired = (await server.ledger(event)).filter(({ type }) => type === 'reservation.expired');
    assert.equal(expired.length, 25);
    assert.equal(new Set(expired.map((entry) => entry.reservation_id)).size, 25);
  });

  test('a hold that was cancelled or bought does not expire as well', async () => {
    const event = await server.event({ hold_ttl_sec: 5 });
    const [one, two] = server.users(2);
    assert.ok(one && two);
    const cancelled = await one.holds(event);
    granted(await one.cancel(cancelled.reservation_id));
    const { reservation } = await two.buys(event);
    await clockReaches(Date.parse(reservation.hold_expires_at) + 500);
    assert.equal(granted(await one.reservation(cancelled.reservation_id)).status, 'CANCELLED');
    assert.equal(granted(await two.reservation(reservation.reservation_id)).status, 'CONFIRMED');
    assert.deepEqual((await server.ledger(event)).filter(({ type }) => type === 'reservation.expired'), []);
  });

  test('a repeated request after the expiry gets the first answer and makes no new hold', async () => {
    const event = await server.event({ hold_ttl_sec: 1 });
    const user = server.user();
    const token = await user.admitted(event);
    const key = randomUUID();
    const first = await user.reserve(event, token, { quantity: 1 }, { key });
    await clockReaches(Date.parse(granted(first, 201).hold_expires_at) + 300);
    const again = await user.reserve(event, token, { quantity: 1 }, { key });
    assert.equal(again.text, first.text);
    assert.equal(granted(await user.reservation(first.body.reservation_id)).status, 'EXPIRED');
    assert.equal((await server.ledger(event)).filter(({ type }) => type === 'reservation.created').length, 1);
  });

  test('confirm and expiry never both happen', async () => {
    const event = await server.event({ hold_ttl_sec: 2 });
    const runs = server.users(12).map(async (user, index) => {
      const { reservation_id, hold_expires_at } = await user.holds(event);
      const { payment_intent_id } = granted(await user.intent(reservation_id, { scenario: 'timeout' }));
      await clockReaches(Date.parse(hold_expires_at) - 18 + 3 * index);
      granted(await user.process(payment_intent_id));
      const ends = await until('an end of seats and money', 5000, async () => {
        const reservation = granted(await user.reservation(reservation_id));
        const payment = granted(await user.payment(payment_intent_id));
        const both = `${reservation.status} ${payment.status}`;
        assert.ok(['CONFIRMED APPROVED', 'EXPIRED EXPIRED', 'EXPIRED REFUNDED'].includes(both), both);
        return both;
      });
      return { id: reservation_id, status: ends.split(' ')[0] };
    });
    const ended = await Promise.all(runs);
    const ledger = await server.ledger(event);
    for (const { id, status } of ended) {
      const types = ledger.filter((entry) => entry.reservation_id === id).map((entry) => entry.type);
      const [created, ...rest] = types;
      assert.equal(created, 'reservation.created');
      // An approval after the deadline takes the same seats again where they are free: the one way back.
      const ways = status === 'CONFIRMED' ? ['reservation.confirmed', 'reservation.expired,reservation.confirmed'] : ['reservation.expired'];
      assert.ok(ways.includes(`${rest}`), `${status}: ${rest}`);
    }
  });
});
