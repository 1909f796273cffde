// Many clients on few seats: there is one order in which everything that they were told can have happened.

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { serve } from './harness.ts';
import { bodyOf, granted, type Entry } from './history.ts';
import { chances, Recorder } from './recorder.ts';
import { check, type Sources } from './seat_histories.ts';
import { HALL, HOT_SEATS, keepBack, SEATS, Shopper, statesOf, type Fate } from './shopper.ts';

const SEED = Number(process.env.CRASH_SEED ?? randomInt(2 ** 31));
const CLIENTS = 24;
const ROUNDS = 12;
const ROWS = 3;
const FATES: Fate[] = ['cancel', 'cancel', 'cancel', 'process', 'provider', 'declined', 'report', 'abandon'];

const server = await serve();

/** Seats in one row of a few, so that somebody else wants them too. */
function wish(chance: () => number): { seat_ids: string[] } {
  const row = 1 + Math.floor(chance() * ROWS);
  const first = 1 + Math.floor(chance() * HOT_SEATS);
  return { seat_ids: [first, first + 1].filter((seat) => seat <= HOT_SEATS).map((seat) => `H-${row}-${seat}`) };
}

/** Holds, changes its mind and looks, again and again; comes back as somebody else once an admission is used up. */
async function client(recorder: Recorder, event: string, chance: () => number): Promise<void> {
  let shopper = new Shopper(server, recorder, event, chance);
  let admitted = await shopper.admit();
  for (let round = 0; round < ROUNDS; round++) {
    if (chance() < 0.1) await keepBack(server, recorder, event, chance, ROWS);
    const held = await shopper.hold(admitted?.token ?? assert.fail('there is room'), wish(chance));
    await Promise.all([shopper.look(), held && shopper.read(held.reservation_id)]);
    if (!held) continue;
    const fate = FATES[Math.floor(chance() * FATES.length)] ?? 'cancel';
    await shopper.end(held, fate, admitted?.waiting ?? '');
    await Promise.all([shopper.look(), shopper.read(held.reservation_id)]);
    if (fate === 'cancel' || fate === 'declined') continue;
    shopper = new Shopper(server, recorder, event, chance);
    admitted = await shopper.admit();
  }
}

test('everything told to clients who fight for a few seats fits one order', async (t) => {
  t.diagnostic(`CRASH_SEED=${SEED}`);
  const chance = chances(SEED);
  const recorder = new Recorder();
  const event = await server.event({ hold_ttl_sec: 2, sections: HALL, queue: { admission_ttl_sec: 3600, entry_window_sec: 3600, lanes: 3 } });
  await Promise.all(Array.from({ length: CLIENTS }, () => client(recorder, event, chances(chance() * 2 ** 32))));
  const { entries } = recorder;
  const sources: Sources = { entries, ledger: await server.ledger(event), seats: SEATS.flatMap(({ seats }) => seats), shown: statesOf };
  const report = check(sources);
  const holds = entries.filter(({ operation }) => operation === 'hold');
  const refused = holds.filter((entry) => entry.status === 409 && bodyOf(entry).error.code === 'SEAT_TAKEN').length;
  t.diagnostic(`${entries.length} requests, ${holds.length} holds, ${refused} of them for seats that were taken`);
  t.diagnostic(`${report.groups} groups of seats, ${report.operations} operations, ${report.states} states searched`);
  assert.deepEqual(report.broken, [], `CRASH_SEED=${SEED}`);
  assert.ok(refused > holds.length / 10, 'clients were in each other\'s way');

  // The same history with one lie in it has no order.
  const cancelled = entries.find((entry) => entry.operation === 'cancel' && granted(entry)) ?? assert.fail('somebody cancelled');
  const later = (cancelled.answered ?? 0) + 1;
  const { reservation } = cancelled.args;
  const lie: Entry = { ...cancelled, operation: 'read', attempts: [{ sent: later, status: 200 }], answered: later, text: '{"status":"HOLD"}' };
  assert.equal(check({ ...sources, entries: [...entries, lie] }).broken.length, 1, 'a stale read');
  const won = holds.find((entry) => granted(entry) && bodyOf(entry).reservation_id === reservation) ?? assert.fail('it was held');
  const twin = { ...bodyOf(won), reservation_id: `${reservation}x` };
  assert.equal(check({ ...sources, entries: [...entries, { ...won, text: JSON.stringify(twin) }] }).broken.length, 1, 'a double hold');
  const forgotten = sources.ledger.filter((entry) => !(entry.reservation_id === reservation && entry.type === 'reservation.cancelled'));
  assert.equal(check({ ...sources, ledger: forgotten }).broken.length, 1, 'a cancellation without an effect');
});
