// Rounds become medians and ratios, and tables of them.

import { cpuUs, latest, type Outcome, type Quantile } from './client.ts';
import type { Round } from './round.ts';
import { type Measure, over } from './stats.ts';
import { middle, number, ranged, table } from './table.ts';
import { judged, type Target } from './targets.ts';

const WORKS = ['status', 'join', 'enter', 'hold', 'confirm', 'funnel'];
/** What each work is held against, and which plain work it competes with. */
const FLOORS: Record<string, string> = { status: 'hello' };
const PLAIN: Record<string, string> = { join: 'plain_join', hold: 'plain_hold' };
/** Ratios that must be reached: to the floor by processor time, to the plain object by throughput. */
const LEAST: Record<string, { cpu_ratio: number; plain_ratio?: number }> = {
  status: { cpu_ratio: 0.6 },
  join: { cpu_ratio: 0.75, plain_ratio: 1.5 },
  hold: { cpu_ratio: 0.65, plain_ratio: 1.3 },
  confirm: { cpu_ratio: 0.25 },
};
const FUNNEL_LEAST_PER_S = 1400;
const PURCHASE_MOST_MS = 3.5;
/** The slowest hundredth at saturation, as a multiple of the floor's. */
const TAIL_MOST = 2;
const TAILS = ['status', 'join', 'hold'];

export interface Result {
  name: string;
  floor: string;
  /** Answers a second at saturation. */
  per_s: Measure;
  floor_per_s: Measure;
  ratio: Measure;
  /** Processor time of the server for each answer, in µs. */
  cpu_us: number;
  cpu_us_spread: [number, number];
  floor_cpu_us: number;
  /** The floor's processor time by ours: this ratio does not know who else uses the core. */
  cpu_ratio: Measure;
  plain?: { per_s: Measure; ratio: Measure; cpu_us: number; cpu_ratio: Measure };
  /** P99 at saturation, and as a multiple of the floor's. */
  tail_ms: Measure;
  floor_tail_ms: Measure;
  tail_ratio: Measure;
  /** Latency at half of saturation; the floor's: `hello` at the same rate, `object` at that of joins. */
  half: { p50_ms: Measure; p95_ms: Measure; p99_ms: Measure; floor_p95_ms: Measure; floor_p99_ms: Measure };
  /** Of the funnel: purchases a second, and the processor time of a whole one. */
  purchase?: { per_s: Measure; cpu_ms: Measure };
  /** Share of a core that the client used, the greatest of all rounds. */
  client_cpu: number;
  server_mib: number;
}

/** Purchases that were made in a walk through the funnel. Some were under way when measuring began, and some when it ended; so it is
 * the mean of how often each step was done. A status may be asked for more than once. */
function purchases({ steps }: Outcome): number {
  const once = steps.filter(({ name }) => name !== 'status');
  return once.reduce((sum, { completed }) => sum + completed, 0) / once.length;
}

function result(name: string, rounds: Round[]): Result {
  const of = (work: string): Outcome[] => rounds.map((round) => round[work]!);
  const floor = FLOORS[name] ?? 'object';
  const [ours, floors, halves, floor_halves] = [of(name), of(floor), of(`${name}_half`), of(`${floor}_half`)];
  const to = (others: Outcome[], by: (outcome: Outcome) => number): Measure => over(ours, (our, i) => by(our) / by(others[i]!));
  const cpuTo = (others: Outcome[]): Measure => over(ours, (our, i) => cpuUs(others[i]!) / cpuUs(our));
  const late = (outcomes: Outcome[], quantile: Quantile): Measure => over(outcomes, (outcome) => latest(outcome, quantile));
  const per_s = (outcomes: Outcome[]): Measure => over(outcomes, (outcome) => outcome.per_s);
  const plains = PLAIN[name] === undefined ? undefined : of(PLAIN[name]);
  const cpu_us = over(ours, cpuUs);
  return {
    name,
    floor,
    per_s: per_s(ours),
    floor_per_s: per_s(floors),
    ratio: to(floors, (outcome) => outcome.per_s),
    cpu_us: cpu_us.median,
    cpu_us_spread: [cpu_us.least, cpu_us.greatest],
    floor_cpu_us: over(floors, cpuUs).median,
    cpu_ratio: cpuTo(floors),
    ...(plains && { plain: { per_s: per_s(plains), ratio: to(plains, (outcome) => outcome.per_s), cpu_us: over(plains, cpuUs).median, cpu_ratio: cpuTo(plains) } }),
    tail_ms: late(ours, 'p99_ms'),
    floor_tail_ms: late(floors, 'p99_ms'),
    tail_ratio: to(floors, (outcome) => latest(outcome, 'p99_ms')),
    half: {
      p50_ms: late(halves, 'p50_ms'),
      p95_ms: late(halves, 'p95_ms'),
      p99_ms: late(halves, 'p99_ms'),
      floor_p95_ms: late(floor_halves, 'p95_ms'),
      floor_p99_ms: late(floor_halves, 'p99_ms'),
    },
    ...(name === 'funnel' && {
      purchase: {
        per_s: over(ours, (outcome) => purchases(outcome) / outcome.seconds),
        cpu_ms: over(ours, (outcome) => (1000 * (outcome.server_cpu ?? 0) * outcome.seconds) / purchases(outcome)),
      },
    }),
    client_cpu: Math.max(...[...ours, ...floors, ...halves].map(({ client_cpu }) => client_cpu)),
    server_mib: Math.max(...ours.map(({ server_mib }) => server_mib ?? 0)),
  };
}

export const summarise = (rounds: Round[]): Result[] => WORKS.map((name) => result(name, rounds));

/** What a work must reach. */
function targets({ name, per_s, cpu_ratio, plain }: Result): Target[] {
  const { cpu_ratio: least, plain_ratio } = LEAST[name] ?? {};
  return [
    ...(least === undefined ? [] : [{ unit: 'by CPU', value: cpu_ratio.median, least, digits: 2 }]),
    ...(plain_ratio === undefined ? [] : [{ unit: '× plain', value: plain!.ratio.median, least: plain_ratio, digits: 2 }]),
    ...(name === 'funnel' ? [{ unit: 'a second', value: per_s.median, least: FUNNEL_LEAST_PER_S }] : []),
  ];
}

function speed(results: Result[]): string {
  const rows = results.map((each) => [
    each.name, middle(each.per_s), `${each.floor} ${middle(each.floor_per_s)}`, ranged(each.ratio, 2), ranged(each.cpu_ratio, 2),
    number(each.cpu_us), number(each.floor_cpu_us), ranged(each.plain?.ratio, 2), ranged(each.plain?.cpu_ratio, 2), ...judged(targets(each)),
  ]);
  const bought = results.flatMap(({ purchase }) => (purchase ? [purchase] : [])).map(({ per_s, cpu_ms }) => [
    'a whole purchase', middle(per_s), '–', '–', '–', `${ranged(cpu_ms, 1)} ms`, '–', '–', '–',
    ...judged([{ unit: 'ms', value: cpu_ms.median, most: PURCHASE_MOST_MS, digits: 1 }]),
  ]);
  return table(['work', 'a second', 'floor', '× floor', 'by CPU', 'CPU µs', 'floor µs', '× plain', 'by CPU', 'must reach', 'met'], [...rows, ...bought]);
}

function tails(results: Result[]): string {
  const rows = results.filter(({ name }) => TAILS.includes(name)).map(({ name, tail_ms, floor_tail_ms, tail_ratio }) => [
    name, middle(tail_ms, 1), middle(floor_tail_ms, 1), ranged(tail_ratio, 2),
    ...judged([{ unit: '× floor', value: tail_ratio.median, most: TAIL_MOST, digits: 2 }]),
  ]);
  return table(['work', 'P99 ms', 'floor', '× floor', 'must reach', 'met'], rows);
}

function latency(results: Result[]): string {
  const rows = results.map(({ name, half, client_cpu, server_mib }) => [
    name, middle(half.p50_ms, 1), middle(half.p95_ms, 1), ranged(half.p99_ms, 1), middle(half.floor_p95_ms, 1), ranged(half.floor_p99_ms, 1),
    client_cpu.toFixed(2), server_mib.toFixed(0),
  ]);
  return table(['work', 'P50 ms', 'P95 ms', 'P99 ms', 'floor P95', 'floor P99', 'client cores', 'server MiB'], rows);
}

/** Throughput and processor time, the tail at saturation, latency at half of it. */
export const tables = (results: Result[]): string => [
  'At saturation; ratios are medians of the rounds, with the least and the greatest:', speed(results),
  'The slowest hundredth at saturation:', tails(results),
  'At half of saturation, from the intended time:', latency(results),
].join('\n\n');
