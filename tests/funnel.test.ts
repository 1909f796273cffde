// The whole way of a buyer, on the development data.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { Caller, granted, refused } from './client.ts';
import { PAYMENT_DELAY_MS, serve } from './harness.ts';

const server = await serve();
const EVENT = 'evt_2025_1001';
const SEATS = ['VIP-2-3', 'VIP-2-4'];

async function signUp(): Promise<Caller> {
  const username = `u-${randomUUID().slice(0, 20)}`;
  const registration = { username, password: 'long enough', email: `${username}@mail.test` };
  return new Caller(server.url, granted(await server.anyone().post('/auth/register', registration), 201).token);
}

const stateOf = async (section: string, seats: number): Promise<string> => {
  const { sections } = granted(await server.anyone().get(`/events/${EVENT}/seats`));
  return sections.find(({ id }: { id: string }) => id === section).states.slice(seats, seats + 2);
};

test('a buyer joins, enters, holds, pays, gets tickets and is refunded', async () => {
  const buyer = await signUp();
  const me = granted(await buyer.get('/auth/me'));

  const joined = granted(await buyer.join(EVENT), 202);
  assert.equal(joined.status, 'waiting');
  const place = await buyer.ready(joined.waiting_token);
  assert.deepEqual([place.status, place.position, place.eta_sec], ['waiting', 0, 0]);
  assert.ok(Date.parse(place.ready_expires_at ?? '') > Date.now());
  const entered = granted(await buyer.enter(joined.waiting_token));
  assert.equal(entered.admission, 'granted');
  assert.ok(entered.ttl_sec > 0);
  assert.equal(granted(await buyer.status(joined.waiting_token)).status, 'entered');

  const wish = { seat_ids: SEATS };
  const held = granted(await buyer.reserve(EVENT, entered.reservation_token, wish), 201);
  assert.deepEqual([held.status, held.seat_ids, held.quantity, held.user_id], ['HOLD', SEATS, 2, me.user_id]);
  assert.deepEqual([held.total_amount, held.currency], [240_000, 'KRW']);
  assert.equal(Date.parse(held.hold_expires_at) - Date.parse(held.created_at), 60_000);
  const before = await stateOf('VIP', 12);
  assert.equal(before, '11', 'row 1 of VIP has 10 seats, so these are numbers 3 and 4 of row 2');

  const intent = granted(await buyer.intent(held.reservation_id, { amount: 240_000, currency: 'KRW' }));
  assert.deepEqual([intent.status, intent.amount, intent.reservation_id], ['PENDING', 240_000, held.reservation_id]);
  const sold = await buyer.becomes(held.reservation_id, 'CONFIRMED');
  assert.ok(Date.parse(sold.updated_at) - Date.parse(held.created_at) >= PAYMENT_DELAY_MS, 'the provider takes its time');
  const paid = granted(await buyer.payment(intent.payment_intent_id));
  assert.deepEqual([paid.status, paid.order_id], ['APPROVED', sold.order_id]);
  const again = granted(await buyer.confirm(held.reservation_id, intent.payment_intent_id));
  assert.equal(again.order_id, sold.order_id);

  const order = granted(await buyer.order(again.order_id));
  assert.deepEqual([order.status, order.seat_ids, order.payment_intent_id], ['CONFIRMED', SEATS, intent.payment_intent_id]);
  assert.deepEqual(order.tickets.map((ticket) => ticket.seat_id), SEATS);
  assert.equal(new Set(order.tickets.map((ticket) => ticket.code)).size, 2);
  assert.equal(await stateOf('VIP', 12), '22');

  granted(await buyer.refund(order.order_id));
  assert.equal(granted(await buyer.order(order.order_id)).status, 'REFUNDED');
  assert.equal(granted(await buyer.payment(intent.payment_intent_id)).status, 'REFUNDED');
  assert.equal(await stateOf('VIP', 12), '00');
});

test('what a buyer has is listed, newest first', async () => {
  const buyer = await signUp();
  const { order, reservation, intent } = await buyer.buys(EVENT, { quantity: 1, section: 'F' });
  const later = await buyer.holds('evt_2025_1002', { quantity: 1 });
  const ids = (list: any[], name: string): string[] => list.map((entry) => entry[name]);

  const reservations = granted(await buyer.get('/reservations')).reservations;
  assert.deepEqual(ids(reservations, 'reservation_id'), [later.reservation_id, reservation.reservation_id]);
  const here = granted(await buyer.get(`/reservations?event_id=${EVENT}`)).reservations;
  assert.deepEqual(ids(here, 'reservation_id'), [reservation.reservation_id]);
  const held = granted(await buyer.get('/reservations?status=HOLD')).reservations;
  assert.deepEqual(ids(held, 'reservation_id'), [later.reservation_id]);
  assert.deepEqual(ids(granted(await buyer.get('/orders')).orders, 'order_id'), [order.order_id]);
  const payments = granted(await buyer.get(`/payments?reservation_id=${reservation.reservation_id}`)).payments;
  assert.deepEqual(ids(payments, 'payment_intent_id'), [intent.payment_intent_id]);
  assert.deepEqual(granted(await buyer.get('/payments?status=PENDING')).payments, []);
});

test('the development data has its users, its events and their floors', async () => {
  for (const [username, password] of [['user01', 'pwd01'], ['user10', 'pwd10'], ['admin', 'admin-dev']]) {
    granted(await server.anyone().post('/auth/login', { username, password }));
  }
  const events: any[] = granted(await server.anyone().get('/events')).events;
  const status = Object.fromEntries(events.map((event) => [event.event_id, event.status]));
  for (const number of [1001, 1002, 1004, 1005]) assert.equal(status[`evt_2025_${number}`], 'on_sale');
  assert.equal(status.evt_2025_1006, 'scheduled');

  const event = granted(await server.anyone().get(`/events/${EVENT}`));
  assert.equal(event.entry_window_sec, 90);
  assert.deepEqual(event.sections.map((section: any) => section.id), ['VIP', 'R', 'S', 'A', 'B', 'C', 'D', 'E', 'F']);
  const prices: number[] = event.sections.map((section: any) => section.price);
  assert.equal(prices[0], 120_000);
  assert.deepEqual(prices, [...prices].sort((a, b) => b - a), 'prices fall by floor');
  for (const { rows } of event.sections) {
    assert.ok(rows.length >= 15 && rows.length <= 23);
    const counts = rows.map((_: unknown, row: number) => 10 + 2 * Math.floor((10 * (row + 1)) / rows.length));
    assert.deepEqual(rows.map((row: any) => row.count), counts);
  }
});

test('a sale that has not opened says when it will', async () => {
  const { opens_at } = refused(await server.user().join('evt_2025_1006'), 409, 'SALE_NOT_OPEN').details;
  assert.ok(Date.parse(opens_at) > Date.now());
});
