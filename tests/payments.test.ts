// Paying: the provider simulator, and money that is never ahead of the seat.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { granted, refused, type Caller, type Reservation } from './client.ts';
import { PAYMENT_DELAY_MS, serve } from './harness.ts';
import { clockReaches, until } from './until.ts';

const server = await serve();
const event = await server.event({ sections: [{ id: 'A', price: 10_000, rows: [1, 2, 3, 4, 5, 6, 7, 8].map((row) => ({ id: `${row}`, count: 20 })) }] });

async function holder(of = event): Promise<{ user: Caller; held: Reservation; id: string }> {
  const user = server.user();
  const held = await user.holds(of);
  return { user, held, id: held.reservation_id };
}

const seat = { id: 'A', price: 10_000, rows: [{ id: '1', count: 3 }] };

describe('the provider', { concurrency: 8 }, () => {
  test('approves after its delay: the reservation is confirmed and the money captured', async () => {
    const { user, id } = await holder();
    const { payment_intent_id } = granted(await user.intent(id, { scenario: 'approve' }));
    const reservation = await user.becomes(id, 'CONFIRMED');
    const payment = granted(await user.payment(payment_intent_id));
    assert.deepEqual([payment.status, payment.order_id], ['APPROVED', reservation.order_id]);
    assert.equal(reservation.payment_intent_id, payment_intent_id);
  });

  test('declines: the payment says why, the reservation is cancelled and its seats are free at once', async () => {
    const own = await server.event({ sections: [seat] });
    const { user, id } = await holder(own);
    const { payment_intent_id } = granted(await user.intent(id, { scenario: 'fail' }));
    const payment = await user.paymentBecomes(payment_intent_id, 'FAILED');
    assert.ok(payment.failure_reason);
    await user.becomes(id, 'CANCELLED');
    const { sections } = granted(await server.anyone().get(`/events/${own}/seats`));
    assert.equal(sections[0].states, '000');
  });

  test('takes as long as it is told to', async () => {
    const { user, id } = await holder();
    granted(await user.intent(id, { scenario: 'delay', delay_ms: 900 }));
    const { updated_at, created_at } = await user.becomes(id, 'CONFIRMED');
    assert.ok(Date.parse(updated_at) - Date.parse(created_at) >= 900);
    const slow = await holder();
    const { payment_intent_id } = granted(await slow.user.intent(slow.id, { scenario: 'delay', delay_ms: 600_000 }));
    await clockReaches(Date.now() + 2 * PAYMENT_DELAY_MS);
    assert.equal(granted(await slow.user.payment(payment_intent_id)).status, 'PENDING');
    assert.equal(granted(await slow.user.reservation(slow.id)).status, 'HOLD');
  });

  test('decides at random, but always decides', async () => {
    const holders = await Promise.all(Array.from({ length: 12 }, () => holder()));
    const ends = holders.map(async ({ user, id }) => {
      const { payment_intent_id } = granted(await user.intent(id, { scenario: 'random' }));
      return until('a decision', 5000, async () => {
        const payment = granted(await user.payment(payment_intent_id));
        const reservation = granted(await user.reservation(id));
        const both = `${payment.status} ${reservation.status}`;
        return ['APPROVED CONFIRMED', 'FAILED CANCELLED'].includes(both) && both;
      });
    });
    assert.ok((await Promise.all(ends)).includes('APPROVED CONFIRMED'), 'of 12 at 80 % one is approved');
  });

  test('that never answers leaves an intent that ends with the hold', async () => {
    const { user, id, held } = await holder(await server.event({ hold_ttl_sec: 2 }));
    const { payment_intent_id } = granted(await user.intent(id, { scenario: 'timeout' }));
    await clockReaches(Date.parse(held.hold_expires_at));
    await user.paymentBecomes(payment_intent_id, 'EXPIRED');
    await user.becomes(id, 'EXPIRED');
  });

  test('that approves too late gets the same seats again where they are free', async () => {
    const own = await server.event({ hold_ttl_sec: 2, sections: [seat] });
    const { user, id, held } = await holder(own);
    const { payment_intent_id } = granted(await user.intent(id, { scenario: 'delay', delay_ms: 4500 }));
    await clockReaches(Date.parse(held.hold_expires_at));
    assert.equal(granted(await user.reservation(id)).status, 'EXPIRED');
    const late = await user.becomes(id, 'CONFIRMED', 6000);
    assert.deepEqual(late.seat_ids, held.seat_ids);
    assert.equal(granted(await user.payment(payment_intent_id)).status, 'APPROVED');
    assert.equal(granted(await user.order(late.order_id ?? '')).tickets.length, 1);
  });

  test('that approves too late for seats that are taken gives the money back and charges nothing', async () => {
    const own = await server.event({ hold_ttl_sec: 2, sections: [seat] });
    const next = server.user();
    const token = await next.admitted(own);
    const { user, id, held } = await holder(own);
    const { payment_intent_id } = granted(await user.intent(id, { scenario: 'delay', delay_ms: 4500 }));
    await clockReaches(Date.parse(held.hold_expires_at));
    const { reservation_id } = granted(await next.reserve(own, token, { seat_ids: held.seat_ids }), 201);
    const other = granted(await next.intent(reservation_id, { scenario: 'timeout' }));
    assert.equal(granted(await next.process(other.payment_intent_id)).status, 'APPROVED');
    const payment = await user.paymentBecomes(payment_intent_id, 'REFUNDED', 6000);
    assert.equal(payment.order_id, undefined);
    assert.equal(granted(await user.reservation(id)).status, 'EXPIRED');
  });
});

describe('an intent', { concurrency: 8 }, () => {
  test('must have the amount and the currency of the reservation, where it names them', async () => {
    const { user, id, held } = await holder();
    for (const wrong of [{ amount: held.total_amount - 1 }, { amount: 0 }, { currency: 'USD' }, { amount: held.total_amount, currency: 'EUR' }]) {
      refused(await user.intent(id, wrong), 422, 'AMOUNT_MISMATCH');
    }
    const made = granted(await user.intent(id, { amount: held.total_amount, currency: 'KRW' }));
    assert.deepEqual([made.amount, made.currency], [held.total_amount, 'KRW']);
    for (const wrong of [{ amount: '1' }, { amount: 1.5 }, { amount: -1 }, { currency: 7 }, { scenario: 'bribe' }, { delay_ms: -1 }]) {
      refused(await user.intent(id, wrong), 400, 'INVALID_REQUEST');
    }
  });

  test('is the only open one of its reservation, until it is cancelled', async () => {
    const { user, id } = await holder();
    const first = granted(await user.intent(id, { scenario: 'timeout' }));
    refused(await user.intent(id), 409, 'PAYMENT_CONFLICT');
    const cancelled = granted(await user.cancelPayment(first.payment_intent_id));
    assert.equal(cancelled.status, 'CANCELLED');
    assert.equal(granted(await user.reservation(id)).status, 'HOLD', 'cancelling a payment leaves the hold');
    const second = granted(await user.intent(id));
    assert.notEqual(second.payment_intent_id, first.payment_intent_id);
    await user.becomes(id, 'CONFIRMED');
    assert.equal(granted(await user.payment(first.payment_intent_id)).status, 'CANCELLED');
  });

  test('is decided at once by process, and then stays as it is', async () => {
    const { user, id } = await holder();
    const { payment_intent_id } = granted(await user.intent(id, { scenario: 'timeout' }));
    const decided = granted(await user.process(payment_intent_id));
    assert.deepEqual([decided.payment_intent_id, decided.status], [payment_intent_id, 'APPROVED']);
    assert.equal(granted(await user.reservation(id)).status, 'CONFIRMED');
    assert.equal(granted(await user.process(payment_intent_id, 'fail')).status, 'APPROVED');
    assert.equal(granted(await user.reservation(id)).status, 'CONFIRMED');
    const other = await holder();
    const failing = granted(await other.user.intent(other.id, { scenario: 'timeout' }));
    assert.equal(granted(await other.user.process(failing.payment_intent_id, 'fail')).status, 'FAILED');
    assert.equal(granted(await other.user.process(failing.payment_intent_id)).status, 'FAILED');
    assert.equal(granted(await other.user.reservation(other.id)).status, 'CANCELLED');
  });

  test('is closed when its reservation is cancelled', async () => {
    const { user, id } = await holder();
    const { payment_intent_id } = granted(await user.intent(id, { scenario: 'timeout' }));
    granted(await user.cancel(id));
    assert.equal(granted(await user.payment(payment_intent_id)).status, 'CANCELLED');
    assert.equal(granted(await user.process(payment_intent_id)).status, 'CANCELLED');
  });

  test('that was approved is refunded when it is cancelled, with the order and its seats', async () => {
    const user = server.user();
    const { order, intent, reservation } = await user.buys(event);
    granted(await user.cancelPayment(intent.payment_intent_id));
    assert.equal(granted(await user.payment(intent.payment_intent_id)).status, 'REFUNDED');
    assert.equal(granted(await user.order(order.order_id)).status, 'REFUNDED');
    assert.equal(granted(await user.reservation(reservation.reservation_id)).status, 'REFUNDED');
  });

  test('of an expired reservation is not opened', async () => {
    const { user, id, held } = await holder(await server.event({ hold_ttl_sec: 2 }));
    await clockReaches(Date.parse(held.hold_expires_at));
    refused(await user.intent(id), 409, 'RESERVATION_EXPIRED');
  });

  test('that nobody opened is PAYMENT_NOT_FOUND', async () => {
    const { user, id } = await holder();
    const { payment_intent_id } = granted(await user.intent(id));
    const last = payment_intent_id.slice(0, -1);
    for (const unknown of ['x', 'pay_x', `${last}f`, payment_intent_id.replace(event, 'evt_none')]) {
      refused(await user.payment(unknown), 404, 'PAYMENT_NOT_FOUND');
      refused(await user.process(unknown), 404, 'PAYMENT_NOT_FOUND');
      refused(await user.cancelPayment(unknown), 404, 'PAYMENT_NOT_FOUND');
    }
  });

  test('is listed for its owner, by reservation and by status', async () => {
    const { user, id } = await holder();
    const first = granted(await user.intent(id, { scenario: 'timeout' })).payment_intent_id;
    granted(await user.cancelPayment(first));
    const second = granted(await user.intent(id, { scenario: 'timeout' })).payment_intent_id;
    const ids = async (query: string): Promise<string[]> =>
      granted(await user.get(`/payments?${query}`)).payments.map((payment: any) => payment.payment_intent_id);
    assert.deepEqual(await ids(''), [second, first]);
    assert.deepEqual(await ids(`reservation_id=${id}&status=PENDING`), [second]);
    assert.deepEqual(await ids(`reservation_id=${id}&status=CANCELLED`), [first]);
    assert.deepEqual(granted(await server.user().get('/payments')).payments, []);
    refused(await user.get('/payments?status=PAID'), 400, 'INVALID_REQUEST');
  });

  test('can be handled under /payment as well', async () => {
    const { user, id } = await holder();
    const { payment_intent_id } = granted(await user.post('/payment/intent', { reservation_id: id, scenario: 'timeout' }));
    assert.equal(granted(await user.get(`/payment/${payment_intent_id}/status`)).status, 'PENDING');
    assert.equal(granted(await user.get('/payment')).payments.length, 1);
    assert.equal(granted(await user.post('/payment/process', { payment_intent_id })).status, 'APPROVED');
    granted(await user.post(`/payment/${payment_intent_id}/cancel`));
    assert.equal(granted(await user.payment(payment_intent_id)).status, 'REFUNDED');
  });
});
