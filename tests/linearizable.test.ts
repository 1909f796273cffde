// The search finds an order where there is one and none where there is none; and histories of seats become operations.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Entry, LedgerEntry } from './history.ts';
import { linearizable, type Operation } from './linearizable.ts';
import { check, groups, MAP_AGE_MS } from './seat_histories.ts';

const write = (value: number, from: number, until: number, optional = false): Operation<number> =>
  ({ name: `write ${value}`, from, until, optional, step: () => value });
const read = (value: number, from: number, until: number): Operation<number> =>
  ({ name: `read ${value}`, from, until, observes: true, step: (state) => (state === value ? state : undefined) });
const search = (...operations: Operation<number>[]): boolean => {
  const verdict = linearizable(operations, 0, String);
  assert.equal(verdict.undecided, false);
  return verdict.linearizable;
};

describe('a register', () => {
  const cases: [string, boolean, Operation<number>[]][] = [
    ['nothing at all', true, []],
    ['a read of what was written', true, [write(1, 0, 10), read(1, 11, 20)]],
    ['a read during a write, old or new', true, [write(1, 0, 10), read(0, 1, 5), read(1, 2, 6)]],
    ['a stale read after an acknowledged write', false, [write(1, 0, 10), read(0, 11, 20)]],
    ['new, then old again', false, [write(1, 0, 100), read(1, 10, 20), read(0, 30, 40)]],
    ['a value that nobody wrote', false, [write(1, 0, 10), read(2, 11, 20)]],
    ['a cut off write that happened', true, [write(1, 0, Infinity, true), read(1, 11, 20)]],
    ['a cut off write that did not happen', true, [write(1, 0, Infinity, true), read(0, 11, 20)]],
    ['a cut off write that happened late', true, [write(1, 0, Infinity, true), read(0, 11, 20), read(1, 30, 40)]],
    ['a cut off write that happened before it was sent', false, [write(1, 15, Infinity, true), read(1, 0, 10)]],
    ['a cut off write that was undone by nobody', false, [write(1, 0, Infinity, true), read(1, 11, 20), read(0, 30, 40)]],
    ['two writes that overlap, in the order that the reads need', true, [
      write(1, 0, 50), write(2, 0, 50), read(2, 10, 20), read(1, 60, 70),
    ]],
    ['two readers that saw two writes in two orders', false, [
      write(1, 0, 50), write(2, 0, 50), read(1, 51, 55), read(2, 51, 55), read(1, 56, 60), read(2, 61, 65),
    ]],
    ['operations that touch in one millisecond overlap', true, [write(1, 0, 10), read(0, 10, 20)]],
  ];
  for (const [what, expected, operations] of cases) test(what, () => assert.equal(search(...operations), expected));
});

test('a search that takes too long says that it does not know', () => {
  const operations = [...Array.from({ length: 12 }, (_, index) => write(index + 1, 0, 100)), read(99, 101, 102)];
  const verdict = linearizable(operations, 0, String, 50);
  assert.deepEqual([verdict.linearizable, verdict.undecided, verdict.states], [false, true, 50]);
  assert.ok(!linearizable(operations, 0, String).undecided, 'memory makes 12! orders a few thousand states');
});

const SEATS = ['A-1', 'A-2', 'A-3'];
const shown = (body: any): Map<string, string> => new Map(SEATS.map((seat, index) => [seat, body.states[index]]));

function said(operation: string, from: number, until: number, args: Record<string, any>, body: unknown, status = 200): Entry {
  const attempts = [{ sent: from, ended: until, status }];
  return { client: 'c', operation, key: null, args, attempts, answered: until, status, text: JSON.stringify(body) };
}
const hold = (id: string, from: number, until: number, ...seats: string[]): Entry =>
  said('hold', from, until, { seats }, { reservation_id: id, seat_ids: seats, hold_expires_at: new Date(from + 5000).toISOString() }, 201);
const taken = (from: number, until: number, seats: string[], gone = seats): Entry =>
  said('hold', from, until, { seats }, { error: { code: 'SEAT_TAKEN', details: { seat_ids: gone } } }, 409);
const act = (operation: string, id: string, from: number, until: number, body: unknown = {}): Entry =>
  said(operation, from, until, { reservation: id }, body);
const pay = (id: string, from: number, until: number): Entry =>
  said('process', from, until, { reservation: id, action: 'approve' }, { status: 'APPROVED' });
const seen = (id: string, status: string, from: number, until: number): Entry => act('read', id, from, until, { status });
const look = (states: string, from: number, until: number): Entry => said('look', from, until, {}, { states });
const back = (operation: 'block' | 'unblock', from: number, until: number, seat: string, moved: string[]): Entry =>
  said(operation, from, until, { seats: [seat] }, { [`${operation}ed`]: moved });
/** The same request, sent 10 ms earlier as well and cut off. */
function cutOff(entry: Entry): Entry {
  const [{ sent }] = entry.attempts as [{ sent: number }];
  return { ...entry, attempts: [{ sent: sent - 10, ended: sent - 5 }, ...entry.attempts] };
}
/** Moves by reservation; their seats are of no account. */
const moved = (...lines: [string, string][]): LedgerEntry[] =>
  lines.map(([reservation_id, move], index) => ({ seq: index + 1, at: '', type: `reservation.${move}`, reservation_id, seat_ids: [] }));

const sound = (entries: Entry[], ledger: LedgerEntry[] = []): boolean => check({ entries, ledger, seats: SEATS, shown }).broken.length === 0;

describe('seats', () => {
  const cases: [string, boolean, Entry[], LedgerEntry[]?][] = [
    ['a hold and what follows it', true, [
      hold('r1', 0, 10, 'A-1'), taken(11, 20, ['A-1']), act('cancel', 'r1', 21, 30), seen('r1', 'CANCELLED', 31, 40), hold('r2', 31, 40, 'A-1'),
      pay('r2', 41, 50), seen('r2', 'CONFIRMED', 51, 60), look('200', 170, 180), act('refund', 'r2', 181, 190), look('000', 300, 310),
    ], moved(['r1', 'cancelled'], ['r2', 'confirmed'], ['r2', 'refunded'])],
    ['a double hold', false, [hold('r1', 0, 10, 'A-1'), hold('r2', 5, 15, 'A-1')]],
    ['a double hold of one seat out of several', false, [hold('r1', 0, 10, 'A-1', 'A-2'), hold('r2', 5, 15, 'A-2', 'A-3')]],
    ['a hold while another is given up', true, [
      hold('r1', 0, 10, 'A-1'), act('cancel', 'r1', 11, 30), hold('r2', 12, 20, 'A-1'),
    ], moved(['r1', 'cancelled'])],
    ['a hold before another is given up', false, [
      hold('r1', 0, 10, 'A-1'), hold('r2', 12, 20, 'A-1'), act('cancel', 'r1', 21, 30),
    ], moved(['r1', 'cancelled'])],
    ['a lost hold', false, [hold('r1', 0, 10, 'A-1'), look('000', 200, 210)]],
    ['a map as old as it may be', true, [hold('r1', 0, 10, 'A-1'), look('000', 10 + MAP_AGE_MS - 1, 115)]],
    ['a map that is too old', false, [hold('r1', 0, 10, 'A-1'), look('000', 10 + MAP_AGE_MS + 1, 115)]],
    ['a map of two instants', false, [
      hold('r1', 0, 10, 'A-1', 'A-2'), look('100', 2, 8),
    ]],
    ['a refusal of a free seat', false, [taken(0, 10, ['A-1'])]],
    ['a refusal that names too few', false, [hold('r1', 0, 10, 'A-1', 'A-2'), taken(11, 20, ['A-1', 'A-2'], ['A-1'])]],
    ['a stale read after an acknowledged cancel', false, [
      hold('r1', 0, 10, 'A-1'), act('cancel', 'r1', 11, 20), seen('r1', 'HOLD', 21, 30),
    ], moved(['r1', 'cancelled'])],
    ['a stale read after an acknowledged sale', false, [
      hold('r1', 0, 10, 'A-1'), pay('r1', 11, 20), seen('r1', 'HOLD', 21, 30),
    ], moved(['r1', 'confirmed'])],
    ['a read of a sale before it was asked for', false, [
      hold('r1', 0, 10, 'A-1'), seen('r1', 'CONFIRMED', 11, 20), pay('r1', 21, 30),
    ], moved(['r1', 'confirmed'])],
    ['a hold of a sold seat', false, [hold('r1', 0, 10, 'A-1'), pay('r1', 11, 20), hold('r2', 21, 30, 'A-1')], moved(['r1', 'confirmed'])],
    ['a hold that ran out', true, [hold('r1', 0, 10, 'A-1'), hold('r2', 5001, 5010, 'A-1')], moved(['r1', 'expired'])],
    ['a hold that ran out too early', false, [hold('r1', 0, 10, 'A-1'), hold('r2', 4980, 4990, 'A-1')], moved(['r1', 'expired'])],
    ['a hold that outlived its time', false, [hold('r1', 0, 10, 'A-1'), seen('r1', 'HOLD', 6001, 6010)], moved(['r1', 'expired'])],
    ['a late sale of seats that are free', true, [
      hold('r1', 0, 10, 'A-1'), pay('r1', 7000, 7010), look('200', 7200, 7210),
    ], moved(['r1', 'expired'], ['r1', 'confirmed'])],
    ['a late sale of seats that are taken', false, [
      hold('r1', 0, 10, 'A-1'), hold('r2', 6500, 6510, 'A-1'), pay('r1', 7000, 7010), seen('r2', 'HOLD', 7020, 7030),
    ], moved(['r1', 'expired'], ['r1', 'confirmed'])],
    ['a hold of a seat that is kept back', false, [back('block', 0, 10, 'A-1', ['A-1']), hold('r1', 11, 20, 'A-1')]],
    ['a seat that is kept back and on sale again', true, [
      back('block', 0, 10, 'A-1', ['A-1']), look('300', 120, 130), back('unblock', 131, 140, 'A-1', ['A-1']), hold('r1', 141, 150, 'A-1'),
    ]],
    ['a seat that was kept back by a request that was cut off', true, [cutOff(back('block', 100, 110, 'A-1', [])), look('300', 300, 310)]],
    ['a seat that nobody kept back', false, [back('block', 100, 110, 'A-1', []), look('300', 300, 310)]],
    ['a hold that happened at its first try', true, [cutOff(hold('r1', 500, 510, 'A-1')), taken(496, 499, ['A-1'])]],
    ['a hold that happened before it was sent', false, [hold('r1', 500, 510, 'A-1'), taken(496, 499, ['A-1'])]],
    ['a hold that only the ledger knows', true, [
      taken(20, 30, ['A-1'])], [{ seq: 1, at: '', type: 'reservation.created', reservation_id: 'r1', seat_ids: ['A-1'] },
    ]],
  ];
  for (const [what, expected, entries, ledger] of cases) test(what, () => assert.equal(sound(entries, ledger), expected));

  test('that nothing ties together are in groups of their own', () => {
    const all = groups({ entries: [hold('r1', 0, 10, 'A-1', 'A-3'), hold('r2', 0, 10, 'A-2')], ledger: [], seats: SEATS, shown });
    assert.deepEqual(all.map(({ seats, reservations }) => [seats, reservations]), [[['A-1', 'A-3'], ['r1']], [['A-2'], ['r2']]]);
  });
});
