// Free seats beside each other.

import { FREE, type Plan, type PlanRow } from './plan.ts';

/** Neighbouring free seats: the first one and how many. */
export interface Run {
  first: number;
  length: number;
}

/** The longest stretches of free seats of a row, from left to right. */
export function runsOf(states: Uint8Array, row: PlanRow): Run[] {
  const runs: Run[] = [];
  let start = -1;
  for (let seat = row.first; seat <= row.first + row.count; seat++) {
    const free = seat < row.first + row.count && states[seat] === FREE;
    if (free && start < 0) start = seat;
    if (!free && start >= 0) (runs.push({ first: start, length: seat - start }), (start = -1));
  }
  return runs;
}

/** Whether choosing these seats leaves one free seat alone beside them. */
export function strands(states: Uint8Array, row: PlanRow, first: number, length: number): boolean {
  const free = (seat: number): boolean => seat >= row.first && seat < row.first + row.count && states[seat] === FREE;
  const alone = (seat: number, beyond: number): boolean => free(seat) && !free(beyond);
  return alone(first - 1, first - 2) || alone(first + length, first + length + 1);
}

/** The `n` seats around `seat` that fit best: all beside each other, nobody left alone, the tapped seat in the middle. */
export function runAround(plan: Plan, seat: number, n: number): number[] {
  const { row } = plan.spot(seat);
  const run = runsOf(plan.states, row).find(({ first, length }) => seat >= first && seat < first + length);
  if (!run || run.length < n) return [];
  const from = Math.max(run.first, seat - n + 1);
  const to = Math.min(seat, run.first + run.length - n);
  let best = from;
  let cost = Infinity;
  for (let first = from; first <= to; first++) {
    const here = (strands(plan.states, row, first, n) ? 100 : 0) + Math.abs(first + (n - 1) / 2 - seat);
    if (here < cost) (best = first), (cost = here);
  }
  return Array.from({ length: n }, (_, at) => best + at);
}

/** The nearest `n` free neighbours in the section of `near`, not using `without`. */
export function similar(plan: Plan, near: number, n: number, without: ReadonlySet<number>): number[] {
  const { section, rowIndex, number } = plan.spot(near);
  let best: number[] = [];
  let cost = Infinity;
  for (const [index, row] of section.rows.entries()) {
    const far = Math.abs(index - rowIndex) * 1.15;
    if (far >= cost) continue;
    for (const run of runsOf(plan.states, row)) {
      for (let first = run.first; first + n <= run.first + run.length; first++) {
        const seats = Array.from({ length: n }, (_, at) => first + at);
        const here = far + Math.abs(first - row.first + 1 + (n - 1) / 2 - number) + (strands(plan.states, row, first, n) ? 3 : 0);
        if (here < cost && !seats.some((seat) => without.has(seat))) (best = seats), (cost = here);
      }
    }
  }
  return best;
}

/** Seats as stretches of neighbours, for showing `17–19`. */
export function stretches(plan: Plan, seats: readonly number[]): Run[] {
  const runs: Run[] = [];
  for (const seat of [...seats].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    const beside = last && last.first + last.length === seat && plan.spot(last.first).row === plan.spot(seat).row;
    if (beside) last.length++;
    else runs.push({ first: seat, length: 1 });
  }
  return runs;
}
