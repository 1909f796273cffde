// Holding seats: which ones, whose, how many.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { granted, refused, type Caller, type Wish } from './client.ts';
import { serve } from './harness.ts';
import { forged } from './tokens.ts';
import { clockReaches, until } from './until.ts';

const server = await serve();
const row = (count: number, blocked: number[] = []): object => ({ id: '1', count, blocked });
const oneRow = (count: number, blocked?: number[]): Promise<string> =>
  server.event({ sections: [{ id: 'A', price: 100, rows: [row(count, blocked)] }] });

/** Someone who is in and may choose. */
async function shopper(event: string): Promise<{ user: Caller; reserve: (wish: Wish) => ReturnType<Caller['reserve']> }> {
  const user = server.user();
  const token = await user.admitted(event);
  return { user, reserve: (wish) => user.reserve(event, token, wish) };
}

describe('named seats', { concurrency: 4 }, () => {
  test('are held for the hold time, at their price, for their owner', async () => {
    const sections = [
      { id: 'A', price: 300, rows: [row(5)] },
      { id: 'B', price: 200, rows: [row(5)] },
    ];
    const event = await server.event({ sections, hold_ttl_sec: 90, currency: 'USD' });
    const { user, reserve } = await shopper(event);
    const before = Date.now();
    const held = granted(await reserve({ seat_ids: ['B-1-2', 'A-1-1', 'A-1-2'], quantity: 3 }), 201);
    assert.deepEqual([held.status, held.event_id, held.quantity, held.total_amount, held.currency], ['HOLD', event, 3, 800, 'USD']);
    assert.deepEqual([...held.seat_ids].sort(), ['A-1-1', 'A-1-2', 'B-1-2']);
    const until = Date.parse(held.hold_expires_at);
    assert.ok(until >= before + 90_000 && until <= Date.now() + 90_000);
    assert.deepEqual(granted(await user.reservation(held.reservation_id)), held);
  });

  test('that are taken are SEAT_TAKEN, named exactly, and the others stay free', async () => {
    const event = await oneRow(6, [6]);
    await (await shopper(event)).reserve({ seat_ids: ['A-1-2', 'A-1-4'] });
    const { reserve } = await shopper(event);
    const wish = { seat_ids: ['A-1-1', 'A-1-2', 'A-1-3', 'A-1-4', 'A-1-6'] };
    const { details } = refused(await reserve(wish), 409, 'SEAT_TAKEN');
    assert.deepEqual([...details.seat_ids].sort(), ['A-1-2', 'A-1-4', 'A-1-6'], 'a blocked seat is taken too');
    granted(await reserve({ seat_ids: ['A-1-1', 'A-1-3', 'A-1-5'] }), 201);
  });

  test('that do not exist are SEAT_NOT_FOUND, and nothing is held', async () => {
    const event = await oneRow(3);
    const { reserve } = await shopper(event);
    for (const wrong of ['A-1-4', 'A-1-0', 'A-2-1', 'Z-1-1', 'nonsense']) {
      const { details } = refused(await reserve({ seat_ids: ['A-1-1', wrong] }), 404, 'SEAT_NOT_FOUND');
      assert.deepEqual(details.seat_ids, [wrong]);
    }
    granted(await reserve({ seat_ids: ['A-1-1'] }), 201);
  });

  test('of another event are unknown in this one, though the ids are the same', async () => {
    const [one, two] = [await oneRow(3), await oneRow(3)];
    granted(await (await shopper(one)).reserve({ seat_ids: ['A-1-1'] }), 201);
    granted(await (await shopper(two)).reserve({ seat_ids: ['A-1-1'] }), 201);
  });

  test('a wish that makes no sense names its field', async () => {
    const event = await server.event({ max_seats_per_reservation: 3 });
    const { reserve } = await shopper(event);
    const cases: [any, string[]][] = [
      [{}, ['quantity', 'seat_ids']],
      [{ seat_ids: [] }, ['seat_ids']],
      [{ seat_ids: ['A-1-1', 'A-1-1'] }, ['seat_ids']],
      [{ seat_ids: ['A-1-1', 'A-1-2', 'A-1-3', 'A-1-4'] }, ['seat_ids']],
      [{ seat_ids: ['A-1-1'], quantity: 2 }, ['quantity']],
      [{ seat_ids: 'A-1-1' }, ['seat_ids']],
      [{ seat_ids: [1] }, ['seat_ids[0]']],
      [{ quantity: 0 }, ['quantity']],
      [{ quantity: 4 }, ['quantity']],
      [{ quantity: -1 }, ['quantity']],
      [{ quantity: 1.5 }, ['quantity']],
      [{ quantity: 1, section: 'Z' }, ['section']],
    ];
    for (const [wish, fields] of cases) {
      const { details } = refused(await reserve(wish), 400, 'INVALID_REQUEST');
      assert.ok(fields.includes(details.field), `${JSON.stringify(wish)}: ${details.field}`);
    }
    granted(await reserve({ quantity: 3 }), 201);
  });
});

describe('best available', { concurrency: 4 }, () => {
  const best = async (event: string, wish: Wish): Promise<string[]> =>
    granted(await (await shopper(event)).reserve(wish), 201).seat_ids;

  test('is adjacent, in one row, nearest the front centre', async () => {
    const rows = ['1', '2', '3'].map((id) => ({ id, count: 10 }));
    const event = await server.event({ sections: [{ id: 'A', price: 1, rows }] });
    assert.deepEqual(await best(event, { quantity: 2 }), ['A-1-5', 'A-1-6']);
    const four = await best(event, { quantity: 4 });
    const numbers = four.map((seat) => Number(seat.split('-')[2]));
    assert.equal(new Set(four.map((seat) => seat.split('-')[1])).size, 1, `${four}`);
    assert.deepEqual(numbers, numbers.map((_, index) => (numbers[0] ?? 0) + index), `${four}`);
  });

  test('leaves no single seat stranded where that can be avoided', async () => {
    const seats = await best(await oneRow(5), { quantity: 2 });
    assert.ok(['A-1-1,A-1-2', 'A-1-4,A-1-5'].includes(`${seats}`), `${seats}`);
    assert.deepEqual(await best(await oneRow(3), { quantity: 3 }), ['A-1-1', 'A-1-2', 'A-1-3']);
  });

  test('comes from the section that is named', async () => {
    const sections = ['A', 'B'].map((id) => ({ id, price: 1, rows: [row(4)] }));
    const event = await server.event({ sections });
    assert.deepEqual((await best(event, { quantity: 1, section: 'B' })).map((seat) => seat[0]), ['B']);
  });

  test('is SOLD_OUT when so many are not together, unless they need not be', async () => {
    const event = await oneRow(5, [3]);
    const { reserve } = await shopper(event);
    refused(await reserve({ quantity: 3 }), 409, 'SOLD_OUT');
    const apart = granted(await reserve({ quantity: 3, together: false }), 201);
    assert.equal(new Set(apart.seat_ids).size, 3);
    assert.ok(!apart.seat_ids.includes('A-1-3'));
    refused(await (await shopper(event)).reserve({ quantity: 2, together: false }), 409, 'SOLD_OUT');
  });

  test('in general admission counts places', async () => {
    const event = await server.event({ sections: [{ id: 'GA', kind: 'general', price: 60, capacity: 5 }] });
    const { user, reserve } = await shopper(event);
    const held = granted(await reserve({ quantity: 3, section: 'GA' }), 201);
    assert.deepEqual([held.seat_ids, held.quantity, held.total_amount], [[], 3, 180]);
    refused(await (await shopper(event)).reserve({ quantity: 3 }), 409, 'SOLD_OUT');
    const { payment_intent_id } = granted(await user.intent(held.reservation_id));
    granted(await user.process(payment_intent_id));
    const { order_id } = granted(await user.reservation(held.reservation_id));
    const order = granted(await user.order(order_id ?? ''));
    assert.deepEqual([order.seat_ids, order.tickets.length, order.tickets[0]?.seat_id ?? null], [[], 3, null]);
    assert.equal(new Set(order.tickets.map(({ code }) => code)).size, 3);
  });
});

describe('limits', { concurrency: 4 }, () => {
  test('an admission holds one reservation at a time', async () => {
    const { user, reserve } = await shopper(await server.event());
    const { reservation_id } = granted(await reserve({ quantity: 1 }), 201);
    refused(await reserve({ quantity: 1 }), 409, 'RESERVATION_LIMIT');
    granted(await user.cancel(reservation_id));
    granted(await reserve({ quantity: 1 }), 201);
  });

  test('a user owns no more seats of an event than allowed, counting holds and orders and not what is given back', async () => {
    const event = await server.event({ max_seats_per_user: 3 });
    const user = server.user();
    const first = await user.buys(event, { quantity: 2 });
    const token = await user.admitted(event);
    refused(await user.reserve(event, token, { quantity: 2 }), 409, 'RESERVATION_LIMIT');
    granted(await user.refund(first.order.order_id));
    granted(await user.reserve(event, token, { quantity: 3 }), 201);
  });

  test('a refused attempt does not use the admission up', async () => {
    const event = await oneRow(3);
    granted(await (await shopper(event)).reserve({ seat_ids: ['A-1-2'] }), 201);
    const { reserve } = await shopper(event);
    for (let i = 0; i < 5; i++) refused(await reserve({ seat_ids: ['A-1-2'] }), 409, 'SEAT_TAKEN');
    granted(await reserve({ seat_ids: ['A-1-1'] }), 201);
  });

  test('after the end of the sale nothing more is held, but what is held may be bought', async () => {
    const closes = Date.now() + 8000;
    const event = await server.event({ sale_closes_at: new Date(closes).toISOString() });
    const [holder, late] = [await shopper(event), await shopper(event)];
    const { reservation_id } = granted(await holder.reserve({ quantity: 1 }), 201);
    await clockReaches(closes);
    refused(await late.reserve({ quantity: 1 }), 409, 'SALE_CLOSED');
    const { payment_intent_id } = granted(await holder.user.intent(reservation_id));
    assert.equal(granted(await holder.user.process(payment_intent_id)).status, 'APPROVED');
  });
});

describe('admission', { concurrency: 4 }, () => {
  test('a missing, forged or foreign reservation token is NOT_ADMITTED', async () => {
    const [event, other] = [await server.event(), await server.event()];
    const user = server.user();
    const waiting = await user.waits(event);
    await user.ready(waiting);
    const token = granted(await user.enter(waiting)).reservation_token;
    const elsewhere = await user.admitted(other);
    for (const wrong of [undefined, '', 'x', forged(token), waiting, elsewhere, user.token]) {
      const body = { event_id: event, reservation_token: wrong, quantity: 1 };
      refused(await user.post('/reservations', body), 403, 'NOT_ADMITTED');
    }
    granted(await user.reserve(event, token, { quantity: 1 }), 201);
  });

  test('one user cannot use what another was given', async () => {
    const event = await server.event();
    const [user, thief] = server.users(2);
    assert.ok(user && thief);
    const token = await user.admitted(event);
    refused(await thief.reserve(event, token, { quantity: 1 }), 403, 'NOT_ADMITTED');
  });

  test('who waited without a token may sign in to buy', async () => {
    const event = await server.event();
    const token = await server.anyone().admitted(event);
    granted(await server.user().reserve(event, token, { quantity: 1 }), 201);
  });

  test('an unknown event is EVENT_NOT_FOUND, nobody is UNAUTHENTICATED', async () => {
    const event = await server.event();
    const user = server.user();
    const token = await user.admitted(event);
    refused(await user.reserve('evt_none', token, { quantity: 1 }), 404, 'EVENT_NOT_FOUND');
    refused(await server.anyone().reserve(event, token, { quantity: 1 }), 401, 'UNAUTHENTICATED');
  });
});

describe('ownership', { concurrency: 4 }, () => {
  test('a reservation and an order are seen and changed by their owner alone', async () => {
    const event = await server.event();
    const [owner, stranger] = server.users(2);
    assert.ok(owner && stranger);
    const { order, reservation, intent } = await owner.buys(event);
    const held = await owner.holds(event);
    const pending = granted(await owner.intent(held.reservation_id, { scenario: 'timeout' }));
    const attempts = [
      stranger.reservation(held.reservation_id),
      stranger.cancel(held.reservation_id),
      stranger.delete(`/reservations/${held.reservation_id}`),
      stranger.confirm(held.reservation_id, pending.payment_intent_id),
      stranger.intent(held.reservation_id),
      stranger.process(pending.payment_intent_id),
      stranger.payment(pending.payment_intent_id),
      stranger.cancelPayment(pending.payment_intent_id),
      stranger.cancelPayment(intent.payment_intent_id),
      stranger.order(order.order_id),
      stranger.refund(order.order_id),
    ];
    for (const answer of await Promise.all(attempts)) refused(answer, 403, 'FORBIDDEN');
    assert.deepEqual(granted(await stranger.get(`/reservations?event_id=${event}`)).reservations, []);
    assert.deepEqual(granted(await stranger.get('/orders')).orders, []);
    assert.equal(granted(await owner.reservation(held.reservation_id)).status, 'HOLD');
    assert.equal(granted(await owner.reservation(reservation.reservation_id)).status, 'CONFIRMED');
    for (const path of [`/reservations/${held.reservation_id}`, `/orders/${order.order_id}`, '/orders']) {
      refused(await server.anyone().get(path), 401, 'UNAUTHENTICATED');
    }
  });

  test('what does not exist is not found', async () => {
    const event = await server.event();
    const user = server.user();
    const { reservation, order } = await user.buys(event);
    const unknown = (id: string): string[] => [`${id.slice(0, -1)}${id.endsWith('0') ? '1' : '0'}`, 'x', `${id.slice(0, 4)}evt_none_${id.slice(-32)}`];
    for (const id of unknown(reservation.reservation_id)) {
      refused(await user.reservation(id), 404, 'RESERVATION_NOT_FOUND');
      refused(await user.cancel(id), 404, 'RESERVATION_NOT_FOUND');
      refused(await user.intent(id), 404, 'RESERVATION_NOT_FOUND');
    }
    for (const id of unknown(order.order_id)) {
      refused(await user.order(id), 404, 'ORDER_NOT_FOUND');
      refused(await user.refund(id), 404, 'ORDER_NOT_FOUND');
    }
  });

  test('a long list comes in pages, newest first, without gaps', async () => {
    const event = await server.event();
    const { user, reserve } = await shopper(event);
    const made: string[] = [];
    for (let i = 0; i < 55; i++) {
      const { reservation_id } = granted(await reserve({ quantity: 1 }), 201);
      made.unshift(reservation_id);
      granted(await user.cancel(reservation_id, { key: randomUUID() }));
    }
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: any = granted(await user.get(`/reservations?event_id=${event}${cursor && `&cursor=${cursor}`}`));
      assert.ok(page.reservations.length > 0 && page.reservations.length < 55, 'a page');
      seen.push(...page.reservations.map((reservation: any) => reservation.reservation_id));
      cursor = page.next_cursor;
    }
    assert.deepEqual(seen, made);
    assert.deepEqual(granted(await user.get(`/reservations?event_id=${event}&status=HOLD`)).reservations, []);
    refused(await user.get(`/reservations?event_id=${event}&cursor=nonsense`), 400, 'INVALID_REQUEST');
    refused(await user.get(`/reservations?event_id=${event}&status=SOLD`), 400, 'INVALID_REQUEST');
    refused(await user.get('/reservations?event_id=evt_none'), 404, 'EVENT_NOT_FOUND');
    await until('the list across events', 4000, async () => {
      const { reservations } = granted(await user.get('/reservations'));
      return reservations[0]?.reservation_id === made[0];
    });
  });
});
