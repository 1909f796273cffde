// Everybody at once: nothing is sold twice and nothing is lost.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { granted, refused, type Answer, type Caller } from './client.ts';
import { serve } from './harness.ts';
import { until } from './until.ts';

const server = await serve();
const anyone = server.anyone();

interface Shopper {
  user: Caller;
  token: string;
}

async function admit(event: string, count: number): Promise<Shopper[]> {
  return Promise.all(server.users(count).map(async (user) => ({ user, token: await user.admitted(event) })));
}

/** What availability and the seats say, once they agree with each other. */
const figures = (event: string, held: number): Promise<any> =>
  until(`${held} seats held`, 1500, async () => {
    const { sections } = granted(await anyone.get(`/events/${event}/availability`));
    const { sections: maps } = granted(await anyone.get(`/events/${event}/seats`));
    const shown = maps.flatMap(({ states }: any) => [...states]).filter((state: string) => state === '1').length;
    const counted = sections.reduce((sum: number, section: any) => sum + section.held, 0);
    assert.deepEqual([counted, shown], [held, held]);
    return true;
  });

test('200 buyers at once for one seat: one gets it, 199 learn that it is taken', async () => {
  const rows = Array.from({ length: 25 }, (_, row) => ({ id: String(row + 1), count: 10 }));
  const event = await server.event({ sections: [{ id: 'A', price: 1, rows }] });
  const shoppers = await admit(event, 200);
  const wish = { seat_ids: ['A-13-5'] };
  const answers = await Promise.all(shoppers.map(({ user, token }) => user.reserve(event, token, wish)));
  const won = answers.filter((answer) => answer.status === 201);
  assert.equal(won.length, 1);
  for (const answer of answers.filter((answer) => answer !== won[0])) {
    assert.deepEqual(refused(answer, 409, 'SEAT_TAKEN').details.seat_ids, wish.seat_ids);
  }
  await figures(event, 1);
});

test('50 copies of one request at once have one effect and one answer', async () => {
  const event = await server.event();
  const [shopper] = await admit(event, 1);
  assert.ok(shopper);
  const key = randomUUID();
  const copies = Array.from({ length: 50 }, () => shopper.user.reserve(event, shopper.token, { quantity: 2 }, { key }));
  const answers = await Promise.all(copies);
  for (const answer of answers) granted(answer, 201);
  assert.equal(new Set(answers.map((answer) => answer.text)).size, 1);
  assert.equal(answers.filter((answer) => answer.headers.get('idempotency-replayed') !== 'true').length, 1);
  await figures(event, 2);
});

test('whoever takes the last seats takes them alone', async () => {
  const event = await server.event({ sections: [{ id: 'A', price: 1, rows: [1, 2, 3, 4].map((id) => ({ id: `${id}`, count: 10 })) }] });
  const shoppers = await admit(event, 40);
  const answers = await Promise.all(shoppers.map(({ user, token }) => user.reserve(event, token, { quantity: 2 })));
  const won = answers.filter((answer) => answer.status === 201);
  for (const answer of answers.filter((answer) => answer.status !== 201)) refused(answer, 409, 'SOLD_OUT');
  const seats = won.flatMap((answer) => answer.body.seat_ids);
  assert.equal(won.length, 20);
  assert.equal(new Set(seats).size, 40);
  await figures(event, 40);
});

test('places of general admission are never sold beyond the capacity', async () => {
  const event = await server.event({ sections: [{ id: 'GA', price: 1, capacity: 60 }] });
  const shoppers = await admit(event, 60);
  const answers = await Promise.all(shoppers.map(({ user, token }) => user.reserve(event, token, { quantity: 3 })));
  assert.equal(answers.filter((answer) => answer.status === 201).length, 20);
  const { sections } = await until('the figures', 1500, async () => {
    const left = granted(await anyone.get(`/events/${event}/availability`));
    return left.remaining === 0 && left;
  });
  assert.deepEqual([sections[0].held, sections[0].remain], [60, 0]);
});

test('confirming, cancelling and paying at once end in one state with the money on the right side', async () => {
  const event = await server.event();
  for (let round = 0; round < 8; round++) {
    const user = server.user();
    const { reservation_id } = await user.holds(event);
    const { payment_intent_id } = granted(await user.intent(reservation_id, { scenario: 'timeout' }));
    const moves: Promise<Answer>[] = [
      user.process(payment_intent_id),
      user.cancel(reservation_id),
      user.confirm(reservation_id, payment_intent_id),
      user.process(payment_intent_id, 'fail'),
      user.cancelPayment(payment_intent_id),
    ];
    await Promise.all(moves.map((_, index) => moves[(index + round) % moves.length]));
    const settled = await until('an end', 4000, async () => {
      const reservation = granted(await user.reservation(reservation_id));
      const payment = granted(await user.payment(payment_intent_id));
      return reservation.status !== 'HOLD' && payment.status !== 'PENDING' && payment.status !== 'AUTHORIZED' && { reservation, payment };
    });
    const ends: Record<string, string[]> = {
      CONFIRMED: ['APPROVED'],
      CANCELLED: ['FAILED', 'CANCELLED', 'REFUNDED'],
      REFUNDED: ['REFUNDED'],
    };
    const { reservation, payment } = settled;
    assert.ok(ends[reservation.status]?.includes(payment.status), `${reservation.status} with a payment ${payment.status}`);
  }
});
