// The seat map without a page: plan, layout, hits, neighbours, replay.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gradesOf } from '../web/src/seatmap/grades.ts';
import { hit, layOut, seatAt, toBlock, toFloor } from '../web/src/seatmap/layout.ts';
import { BLOCKED, FREE, HELD, Plan, SOLD } from '../web/src/seatmap/plan.ts';
import { runAround, runsOf, similar, strands, stretches } from '../web/src/seatmap/runs.ts';
import { within } from './web/budget.ts';
import { differences, gap, replay } from '../web/src/screens/console/replay.ts';

const section = (id: string, counts: number[], more: object = {}): any => ({ id, name: id, kind: 'seated', price: 10, rows: counts.map((count, at) => ({ id: String(at + 1), count })), ...more });
const planOf = (...sections: any[]): Plan => {
  const plan = new Plan({ sections });
  plan.fill(plan.sections.map(({ section: { id }, count }) => ({ id, states: '0'.repeat(count) })));
  return plan;
};
const HALL = [section('VIP', [10, 12, 14], { price: 100 }), { id: 'GA', name: 'GA', kind: 'general', price: 5, capacity: 400 }, section('A-B', [20, 20], { price: 50 }), section('C', [31], { layout: { x: 80, y: 40, angle: 30, curve: 3, aisles: { after_seats: [5, 20], after_rows: [] } } })];

describe('the plan', () => {
  test('index and id are each other’s inverse, for every seat', () => {
    const plan = planOf(...HALL);
    assert.equal(plan.total, 36 + 40 + 31);
    for (let seat = 0; seat < plan.total; seat++) assert.equal(plan.seat(plan.id(seat)), seat, plan.id(seat));
    assert.deepEqual([plan.id(36), plan.seat('A-B-2-20'), plan.seat('A-B-2-21'), plan.seat('X-1-1')], ['A-B-1-1', 75, -1, -1]);
  });

  test('counts free seats through snapshots and changes', () => {
    const plan = planOf(section('A', [4]));
    plan.fill([{ id: 'A', states: '0123' }]);
    assert.deepEqual([plan.free[0], [...plan.states]], [1, [FREE, HELD, SOLD, BLOCKED]]);
    plan.set(0, 0, HELD);
    plan.set(0, 1, FREE);
    plan.set(0, 1, FREE);
    plan.set(0, 99, FREE);
    assert.equal(plan.free[0], 1);
  });
});

describe('the layout', () => {
  const plan = planOf(...HALL);
  const floor = layOut(plan);

  test('is the same every time and keeps sections apart', () => {
    assert.deepEqual(layOut(planOf(...HALL)).blocks.map(({ x, y }) => [x, y]), floor.blocks.map(({ x, y }) => [x, y]));
    const boxes = floor.blocks.filter(({ section: { section: { id } } }) => id !== 'C');
    for (const a of boxes) for (const b of boxes) if (a !== b) assert.ok(Math.abs(a.x - b.x) >= (a.width + b.width) / 2 || Math.abs(a.y - b.y) >= (a.height + b.height) / 2 - 0.5, `${a.section.section.id} over ${b.section.section.id}`);
  });

  test('what the organiser says wins', () => {
    const block = floor.blocks[3]!;
    assert.deepEqual([block.x, block.y, Math.round((block.turn * 180) / Math.PI)], [80, 40, 30]);
  });

  test('a tap on the middle of any seat finds it, turned, bent and with aisles', () => {
    for (let seat = 0; seat < plan.total; seat++) {
      const spot = plan.spot(seat);
      const block = floor.blocks[spot.section.index]!;
      const middle = seatAt(block, spot.rowIndex, spot.number - 1);
      const onFloor = toFloor(block, middle.x, middle.y);
      const back = toBlock(block, onFloor.x, onFloor.y);
      assert.deepEqual(hit(block, back.x, back.y), { rowIndex: spot.rowIndex, column: spot.number - 1 }, plan.id(seat));
    }
  });

  test('200,000 seats are laid out and hit fast enough not to be felt', (context) => {
    const big = planOf(...Array.from({ length: 50 }, (_, at) => section(`S${at}`, Array.from({ length: 40 }, () => 100))));
    const began = performance.now();
    const hall = layOut(big);
    for (let tap = 0; tap < 1000; tap++) {
      const block = hall.blocks[tap % 50]!;
      hit(block, (tap * 7) % 100, (tap * 3) % 46);
    }
    assert.equal(big.total, 200_000);
    within(context, 'layout and a thousand taps', performance.now() - began, 500);
  });
});

describe('neighbours', () => {
  const plan = planOf(section('A', [10]));
  const row = plan.sections[0]!.rows[0]!;
  plan.fill([{ id: 'A', states: '0010000200' }]);

  test('stretches of free seats', () => {
    assert.deepEqual(runsOf(plan.states, row), [{ first: 0, length: 2 }, { first: 3, length: 4 }, { first: 8, length: 2 }]);
  });

  test('a seat left alone is noticed', () => {
    assert.equal(strands(plan.states, row, 3, 3), true);
    assert.equal(strands(plan.states, row, 3, 2), false);
    assert.equal(strands(plan.states, row, 3, 4), false);
  });

  test('the run around a seat contains it, is free, and leaves nobody alone where it can', () => {
    assert.deepEqual(runAround(plan, 5, 2), [5, 6]);
    for (const n of [1, 2, 3, 4]) {
      const run = runAround(plan, 4, n);
      assert.ok(run.includes(4) && run.length === n && run.every((seat) => plan.states[seat] === FREE), `${n}: ${run.join()}`);
    }
    assert.deepEqual(runAround(plan, 4, 5), []);
    assert.deepEqual(runAround(plan, 2, 1), []);
  });

  test('similar seats are the nearest, and not those that are excluded', () => {
    const two = planOf(section('A', [10, 10]));
    two.fill([{ id: 'A', states: '11111111110000000000' }]);
    assert.ok(similar(two, 4, 2, new Set()).includes(14), 'right behind');
    assert.ok(!similar(two, 4, 2, new Set([14])).includes(14));
    assert.deepEqual(similar(two, 4, 11, new Set()), []);
  });

  test('chosen seats are told as stretches, never across rows', () => {
    const two = planOf(section('A', [3, 3]));
    assert.deepEqual(stretches(two, [2, 3, 4, 0]), [{ first: 0, length: 1 }, { first: 2, length: 1 }, { first: 3, length: 2 }]);
  });
});

test('nine grades have nine fills, and more than nine share by price', () => {
  const nine = planOf(...Array.from({ length: 9 }, (_, at) => section(`S${at}`, [1], { price: at })));
  assert.equal(new Set(gradesOf(nine).map(({ fill }) => fill)).size, 9);
  const many = planOf(...Array.from({ length: 12 }, (_, at) => section(`S${at}`, [1], { price: at % 3 })));
  assert.equal(new Set(gradesOf(many).map(({ fill }) => fill)).size, 3);
});

describe('the ledger', () => {
  const plan = planOf(section('A', [3]));
  const entry = (seq: number, type: string, ...seat_ids: string[]): any => ({ seq, at: '', type, reservation_id: null, seat_ids });
  const entries = [entry(1, 'reservation.created', 'A-1-1', 'A-1-2'), entry(2, 'reservation.confirmed', 'A-1-1', 'A-1-2'), entry(3, 'seats.blocked', 'A-1-3'), entry(4, 'reservation.refunded', 'A-1-1', 'A-1-2')];

  test('replays to any number', () => {
    assert.deepEqual([0, 1, 2, 3, 4].map((seq) => [...replay(plan, entries, seq)].join('')), ['000', '110', '220', '223', '003']);
    assert.equal(differences(replay(plan, entries, 4), Uint8Array.of(0, 0, 2)), 1);
  });

  test('a missing entry is found', () => {
    assert.equal(gap(entries), undefined);
    assert.equal(gap(entries.filter(({ seq }) => seq !== 3)), 3);
  });
});
