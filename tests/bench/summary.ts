// Rounds become medians, ratios and spreads.

import type { Outcome } from './client.ts';
import type { Round } from './round.ts';

const WORKS = ['status', 'join', 'enter', 'hold', 'confirm', 'funnel'];
/** What each work is held against, and which plain work it competes with. */
const FLOORS: Record<string, string> = { status: 'hello' };
const PLAIN: Record<string, string> = { join: 'plain_join', hold: 'plain_hold' };
/** What the design asks for. */
const GOALS: Record<string, { ratio: number; plain_ratio?: number }> = {
  status: { ratio: 0.55 },
  join: { ratio: 0.5, plain_ratio: 1.5 },
  hold: { ratio: 0.45, plain_ratio: 1.3 },
};

export interface Result {
  name: string;
  ours_per_s: number;
  floor: string;
  floor_per_s: number;
  ratio: number;
  ratio_spread: [number, number];
  plain_per_s: number | null;
  plain_ratio: number | null;
  plain_ratio_spread: [number, number] | null;
  goal: { ratio: number; plain_ratio?: number } | null;
  /** Latency at half of saturation. */
  p50_ms: number;
  p95_ms: number;
  p99_ms: number;
  p99_spread_ms: [number, number];
  /** The floor's: `hello` at the same rate, `object` at that of joins. */
  floor_p95_ms: number;
  floor_p99_ms: number;
  floor_p99_spread_ms: [number, number];
  /** Processor time of the server for each answer, ours and the floor's; their ratio does not know who else uses the core. */
  cpu_us: number;
  floor_cpu_us: number;
  plain_cpu_us: number | null;
  cpu_ratio: number;
  plain_cpu_ratio: number | null;
  ours_per_s_spread: [number, number];
  /** Share of a core that the client used, the greatest of all rounds. */
  client_cpu: number;
  server_mib: number;
  /** Of a work with several steps, each one's median of medians at half of saturation. */
  steps: { name: string; p50_ms: number; p95_ms: number; p99_ms: number }[];
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

const spread = (values: number[]): [number, number] => [Math.min(...values), Math.max(...values)];
const cpu = ({ server_cpu_us }: Outcome): number => server_cpu_us ?? 0;

/** The slowest step's quantile: that of the work itself where it has one step. */
function worst(outcome: Outcome, quantile: 'p50_ms' | 'p95_ms' | 'p99_ms'): number {
  return Math.max(...outcome.steps.map((step) => step[quantile]));
}

function result(name: string, rounds: Round[]): Result {
  const of = (work: string): Outcome[] => rounds.map((round) => round[work]!);
  const floor = FLOORS[name] ?? 'object';
  const [ours, floors, halves, floor_halves] = [of(name), of(floor), of(`${name}_half`), of(`${floor}_half`)];
  const plains = PLAIN[name] === undefined ? undefined : of(PLAIN[name]);
  const against = (others: Outcome[], by: (outcome: Outcome) => number) => ours.map((our, i) => by(our) / by(others[i]!));
  const ratios = against(floors, ({ per_s }) => per_s);
  const plain_ratios = plains && against(plains, ({ per_s }) => per_s);
  const rates = ours.map(({ per_s }) => per_s);
  const late = (quantile: 'p50_ms' | 'p95_ms' | 'p99_ms', outcomes = halves) => outcomes.map((half) => worst(half, quantile));
  const parts = halves[0]!.steps.map((step, i) => {
    const at = (quantile: 'p50_ms' | 'p95_ms' | 'p99_ms') => median(halves.map((half) => half.steps[i]![quantile]));
    return { name: step.name, p50_ms: at('p50_ms'), p95_ms: at('p95_ms'), p99_ms: at('p99_ms') };
  });
  return {
    name,
    ours_per_s: median(rates),
    floor,
    floor_per_s: median(floors.map(({ per_s }) => per_s)),
    ratio: median(ratios),
    ratio_spread: spread(ratios),
    plain_per_s: plains ? median(plains.map(({ per_s }) => per_s)) : null,
    plain_ratio: plain_ratios ? median(plain_ratios) : null,
    plain_ratio_spread: plain_ratios ? spread(plain_ratios) : null,
    goal: GOALS[name] ?? null,
    p50_ms: median(late('p50_ms')),
    p95_ms: median(late('p95_ms')),
    p99_ms: median(late('p99_ms')),
    p99_spread_ms: spread(late('p99_ms')),
    floor_p95_ms: median(late('p95_ms', floor_halves)),
    floor_p99_ms: median(late('p99_ms', floor_halves)),
    floor_p99_spread_ms: spread(late('p99_ms', floor_halves)),
    cpu_us: median(ours.map(cpu)),
    floor_cpu_us: median(floors.map(cpu)),
    plain_cpu_us: plains ? median(plains.map(cpu)) : null,
    cpu_ratio: 1 / median(against(floors, cpu)),
    plain_cpu_ratio: plains ? 1 / median(against(plains, cpu)) : null,
    ours_per_s_spread: spread(rates),
    client_cpu: Math.max(...[...ours, ...floors, ...halves].map(({ client_cpu }) => client_cpu)),
    server_mib: Math.max(...ours.map(({ server_mib }) => server_mib ?? 0)),
    steps: parts,
  };
}

export const summarise = (rounds: Round[]): Result[] => WORKS.map((name) => result(name, rounds));

const whole = (value: number | null): string => (value === null ? '–' : Math.round(value).toLocaleString('en'));
const fixed = (value: number | null, digits = 2): string => (value === null ? '–' : value.toFixed(digits));
const range = (value: [number, number] | null, digits = 2): string =>
  value === null ? '' : ` (${value[0].toFixed(digits)}–${value[1].toFixed(digits)})`;

function verdict({ goal, ratio, plain_ratio }: Result): string {
  if (goal === null) return '';
  const missed = [
    ratio < goal.ratio ? `${goal.ratio} × floor` : '',
    goal.plain_ratio !== undefined && (plain_ratio ?? 0) < goal.plain_ratio ? `${goal.plain_ratio} × plain` : '',
  ].filter((text) => text !== '');
  return missed.length === 0 ? 'met' : `misses ${missed.join(', ')}`;
}

/** Rows of cells under a head, as a Markdown table with even columns. */
export function table(head: string[], rows: string[][]): string {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: string[]): string => `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(' | ')} |`;
  return [line(head), `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`, ...rows.map(line)].join('\n');
}

/** Throughput, then latency and processor time. */
export function tables(results: Result[]): string {
  const speed = results.map((r) => [
    r.name, whole(r.ours_per_s), `${r.floor} ${whole(r.floor_per_s)}`, fixed(r.ratio) + range(r.ratio_spread), fixed(r.cpu_ratio),
    whole(r.plain_per_s), fixed(r.plain_ratio) + range(r.plain_ratio_spread), fixed(r.plain_cpu_ratio), verdict(r),
  ]);
  const late = results.map((r) => [
    r.name, fixed(r.p50_ms, 1), fixed(r.p95_ms, 1), fixed(r.p99_ms, 1) + range(r.p99_spread_ms, 1),
    fixed(r.floor_p95_ms, 1), fixed(r.floor_p99_ms, 1) + range(r.floor_p99_spread_ms, 1), whole(r.cpu_us), whole(r.floor_cpu_us), whole(r.plain_cpu_us),
    fixed(r.client_cpu), whole(r.server_mib),
  ]);
  return [
    'At saturation, requests a second; ratios are medians of the rounds, with the least and the greatest:',
    '',
    table(['work', 'ours', 'floor', 'ratio', 'by CPU', 'plain', 'ratio to plain', 'by CPU', 'goal'], speed),
    '',
    'At half of that, from the intended time; processor time of the server at saturation:',
    '',
    table(['work', 'P50 ms', 'P95 ms', 'P99 ms', 'floor P95', 'floor P99', 'CPU µs', 'floor µs', 'plain µs', 'client cores', 'server MiB'], late),
  ].join('\n');
}
