// The checker of histories finds each kind of broken history: a sound one is broken in one place, and it says where.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findings, type Entry, type Evidence, type LedgerEntry, type Rule } from './history.ts';

type Draft = { -readonly [K in keyof Evidence]: Evidence[K] extends ReadonlyMap<infer A, infer B> ? Map<A, B> : any };

let clock = 1000;
function said(client: string, operation: string, args: Record<string, any>, body: unknown, status = 200): Entry {
  const sent = clock;
  clock += 20;
  const attempts = [{ sent, ended: sent + 5 }, { sent: sent + 6, ended: sent + 10, status }];
  const text = JSON.stringify(body);
  return { client, operation, key: `${client}-${operation}`, args, attempts, answered: sent + 10, status, text, replayed: false };
}

const reservation = (id: string, user_id: string, status: string, seat: string): any =>
  ({ reservation_id: id, user_id, status, seat_ids: [seat], total_amount: 5, hold_expires_at: 'h', created_at: 'c' });

/** Three sales (sold, cancelled, run out), a blocked seat and a line of two. */
function sound(): Draft {
  clock = 1000;
  const hold = (user: string, id: string, seat: string): Entry =>
    said(user, 'hold', { seats: [seat] }, reservation(id, user, 'HOLD', seat), 201);
  const opened = { payment_intent_id: 'p1', reservation_id: 'r1', amount: 5, status: 'PENDING' };
  const entries = [
    said('ann', 'enter', { waiting: 'w0' }, { reservation_token: 't0' }),
    hold('ann', 'r1', 'A-1'),
    said('ann', 'intent', { reservation: 'r1', scenario: 'timeout' }, opened),
    said('ann', 'process', { reservation: 'r1', action: 'approve' }, { status: 'APPROVED' }),
    said('ann', 'confirm', { reservation: 'r1' }, { order_id: 'o1', status: 'CONFIRMED' }),
    hold('bob', 'r2', 'A-2'),
    said('bob', 'cancel', { reservation: 'r2' }, { status: 'CANCELLED' }),
    hold('cat', 'r3', 'A-2'),
    said('dan', 'join', { event: 'e', stays: true }, { waiting_token: 'w1' }, 202),
    said('eve', 'join', { event: 'e', stays: true }, { waiting_token: 'w2' }, 202),
  ];
  const lines: [string, string | null, string][] = [
    ['seats.blocked', null, 'A-3'],
    ['reservation.created', 'r1', 'A-1'],
    ['reservation.confirmed', 'r1', 'A-1'],
    ['reservation.created', 'r2', 'A-2'],
    ['reservation.cancelled', 'r2', 'A-2'],
    ['reservation.created', 'r3', 'A-2'],
    ['reservation.expired', 'r3', 'A-2'],
  ];
  const numbered = ([type, reservation_id, seat]: (typeof lines)[number], index: number): LedgerEntry =>
    ({ seq: index + 1, at: 't', type, reservation_id, seat_ids: [seat] });
  return {
    entries,
    ledger: lines.map(numbered),
    seats: new Map([['A-1', '2'], ['A-2', '0'], ['A-3', '3']]),
    reservations: new Map([
      ['r1', { ...reservation('r1', 'ann', 'CONFIRMED', 'A-1'), order_id: 'o1' }],
      ['r2', reservation('r2', 'bob', 'CANCELLED', 'A-2')],
      ['r3', reservation('r3', 'cat', 'EXPIRED', 'A-2')],
    ]),
    orders: new Map([['o1', { order_id: 'o1', reservation_id: 'r1', status: 'CONFIRMED' }]]),
    payments: new Map([['p1', { payment_intent_id: 'p1', reservation_id: 'r1', amount: 5, status: 'APPROVED' }]]),
    line: new Map([['w1', 1], ['w2', 2]]),
    replays: entries.map((entry) => ({ entry, status: entry.status, text: entry.text, replayed: true })),
  };
}

const entry = (evidence: Draft, operation: string, client: string): Entry =>
  evidence.entries.find((one: Entry) => one.operation === operation && one.client === client) ?? assert.fail(operation);
const change = (map: Map<string, any>, id: string, more: object): unknown => map.set(id, { ...map.get(id), ...more });
/** The ledger with other seats in one entry. */
const reseat = (evidence: Draft, seq: number, seat: string): unknown =>
  rewrite(evidence, evidence.ledger.map((line: LedgerEntry) => (line.seq === seq ? { ...line, seat_ids: [seat] } : line)));
const rewrite = (evidence: Draft, lines: object[]): unknown =>
  (evidence.ledger = lines.map((line, index) => ({ at: 't', ...line, seq: index + 1 })));

test('a sound history has no finding', () => {
  assert.deepEqual(findings(sound() as Evidence), []);
});

const BROKEN: [string, Rule, (evidence: Draft) => unknown][] = [
  ['a granted reservation that is gone', 'present', (e) => e.reservations.delete('r3')],
  ['a granted reservation with other seats', 'present', (e) => change(e.reservations, 'r2', { seat_ids: ['A-9'] })],
  ['a payment that is gone', 'present', (e) => e.payments.delete('p1')],
  ['a payment of another amount than was opened', 'present', (e) => change(e.payments, 'p1', { amount: 6 })],
  ['an order that is gone', 'present', (e) => e.orders.delete('o1')],
  ['an order that does not follow its reservation', 'present', (e) => change(e.orders, 'o1', { status: 'REFUNDED' })],
  ['a place that is gone', 'present', (e) => e.line.delete('w2')],
  ['a confirmation that did not last', 'agrees', (e) => change(e.reservations, 'r1', { status: 'EXPIRED' })],
  ['a cancellation that did not last', 'agrees', (e) => change(e.reservations, 'r2', { status: 'EXPIRED' })],
  ['a refund that the payment does not show', 'agrees', (e) =>
    e.entries.push(said('ann', 'cancelPayment', { reservation: 'r1', intent: 'p1' }, { payment_intent_id: 'p1', status: 'REFUNDED' }))],
  ['a hold that nobody was told of', 'explained', (e) => e.entries.splice(e.entries.indexOf(entry(e, 'hold', 'cat')), 1)],
  ['a cancellation that nobody asked for', 'explained', (e) => e.entries.splice(e.entries.indexOf(entry(e, 'cancel', 'bob')), 1)],
  ['a sale that nobody paid for', 'explained', (e) => {
    for (const operation of ['process', 'confirm']) e.entries.splice(e.entries.indexOf(entry(e, operation, 'ann')), 1);
  }],
  ['a gap in the ledger', 'ledger', (e) => (e.ledger[3] = { ...e.ledger[3], seq: 9 })],
  ['a lost entry of the ledger', 'ledger', (e) => rewrite(e, e.ledger.slice(0, -1))],
  ['a seat held by two', 'ledger', (e) => rewrite(e, [...e.ledger.slice(0, 4), e.ledger[5], e.ledger[4], e.ledger[6]])],
  ['a sold seat that is held', 'ledger', (e) => reseat(e, 4, 'A-1')],
  ['a blocked seat that is held', 'ledger', (e) => reseat(e, 2, 'A-3')],
  ['a hold that ends twice', 'ledger', (e) => rewrite(e, [...e.ledger, { ...e.ledger[6], type: 'reservation.cancelled' }])],
  ['a seat given back by somebody who had it not', 'ledger', (e) => reseat(e, 5, 'A-1')],
  ['an unblocked seat that was not blocked', 'ledger', (e) =>
    rewrite(e, [...e.ledger, { type: 'seats.unblocked', reservation_id: null, seat_ids: ['A-2'] }])],
  ['a map that is not the ledger', 'seats', (e) => e.seats.set('A-1', '0')],
  ['a seat that is not on the map', 'seats', (e) => e.seats.delete('A-3')],
  ['two reservations for one key', 'once', (e) => Object.assign(entry(e, 'hold', 'cat'), { client: 'bob', key: 'bob-hold' })],
  ['one reservation for two keys', 'once', (e) => e.entries.push({ ...entry(e, 'hold', 'cat'), key: 'another' })],
  ['two orders for one reservation', 'once', (e) => e.entries.push({ ...entry(e, 'confirm', 'ann'), text: '{"order_id":"o2"}' })],
  ['two orders that name one reservation', 'once', (e) => e.orders.set('o2', { order_id: 'o2', reservation_id: 'r1', status: 'CONFIRMED' })],
  ['two places for one caller', 'once', (e) => (entry(e, 'join', 'eve').client = 'dan')],
  ['one place for two callers', 'once', (e) => (entry(e, 'join', 'eve').text = entry(e, 'join', 'dan').text)],
  ['two admissions of one place', 'once', (e) => e.entries.push({ ...entry(e, 'enter', 'ann'), text: '{"reservation_token":"t1"}' })],
  ['an inversion in the line', 'order', (e) => e.line.set('w1', 2).set('w2', 1)],
  ['two in one position', 'order', (e) => e.line.set('w2', 1)],
  ['a gap in the line', 'order', (e) => e.line.set('w2', 3)],
  ['another answer to the same request', 'replay', (e) => (e.replays[0] = { ...e.replays[0], text: '{}' })],
  ['a refusal of what was granted', 'replay', (e) => (e.replays[0] = { ...e.replays[0], status: 409 })],
  ['a repetition that is not marked', 'replay', (e) => (e.replays[0] = { ...e.replays[0], replayed: false })],
  ['a sale without its money', 'money', (e) => change(e.payments, 'p1', { status: 'FAILED' })],
  ['money without a seat', 'money', (e) => change(e.payments, 'p1', { reservation_id: 'r2' })],
  ['money that was taken twice', 'money', (e) => e.payments.set('p2', { ...e.payments.get('p1'), payment_intent_id: 'p2' })],
  ['money for no reservation', 'money', (e) => change(e.payments, 'p1', { reservation_id: 'r9' })],
  ['an authorisation that stays open', 'money', (e) =>
    e.payments.set('p2', { payment_intent_id: 'p2', reservation_id: 'r2', amount: 5, status: 'AUTHORIZED' })],
  ['another amount than the price', 'money', (e) => change(e.payments, 'p1', { amount: 4 })],
  ['a refund without its money', 'money', (e) => {
    change(e.reservations, 'r1', { status: 'REFUNDED' });
    change(e.payments, 'p1', { status: 'CANCELLED' });
  }],
  ['a hold that does not end', 'ended', (e) => change(e.reservations, 'r3', { status: 'HOLD' })],
  ['a seat that stays held', 'ended', (e) => e.seats.set('A-2', '1')],
];

describe('the checker finds', () => {
  for (const [what, rule, spoil] of BROKEN) {
    test(what, () => {
      const evidence = sound();
      spoil(evidence);
      const rules = findings(evidence as Evidence).map((finding) => finding.rule);
      assert.ok(rules.includes(rule), `found ${rules}`);
    });
  }
});

test('joins that overlap in time may come in either order', () => {
  const evidence = sound();
  entry(evidence, 'join', 'eve').attempts[0]!.sent = entry(evidence, 'join', 'dan').attempts[0]!.sent;
  evidence.line.set('w1', 2).set('w2', 1);
  assert.deepEqual(findings(evidence as Evidence), []);
});

test('a request that was never answered may have had its effect', () => {
  const evidence = sound();
  const cut = entry(evidence, 'hold', 'cat');
  delete cut.status;
  delete cut.answered;
  evidence.reservations.delete('r3');
  evidence.replays = [];
  assert.deepEqual(findings(evidence as Evidence), []);
});
