// A crowd that walks through the whole funnel and thinks in between: 12,000 seats, 1.5 to 2.5 seconds before each step.

import { type Client, late, type Outcome, type Quantile, type Step, unexpected } from './client.ts';
import { object, ours } from './contenders.ts';
import { SERVER_CPU } from './processors.ts';
import { makeEvent, OPEN, people } from './sale.ts';
import { Server } from './server.ts';
import { median, over } from './stats.ts';
import { funnel, ping } from './steps.ts';
import { flushed, flushesPerS, scratch } from './storage.ts';
import { counted, middle, ranged, table } from './table.ts';
import { judged, type Target } from './targets.ts';
import { settled } from './usage.ts';

const SEATS = 12_000;
const THINK_MS: [number, number] = [1500, 2500];
/** They come over so long; when they have, and the first are through, measuring begins. */
const ARRIVE_MS = 4000;
const TIMES = { warmup_ms: 15_000, measure_ms: 25_000 };
/** An empty object has no such beginning. */
const FLOOR_TIMES = { warmup_ms: 6000, measure_ms: 10_000 };
/** Of 600 people on one core: 1,800 on the three of the published test are as many. */
const LEAST_PER_S = 300;
const HOLD_P95_MOST_MS = 50;
const JUDGED_PEOPLE = 600;

export interface Crowd {
  people: number;
  rounds: Outcome[];
  /** An empty object that the same crowd asks as often. */
  floors: Outcome[];
  /** What the disk did just before. */
  flushes_per_s: number[];
}

/** Lets a crowd of `size` people buy, `rounds` times; whoever has bought is followed by the next. */
export async function crowd(client: Client, size: number, rounds: number): Promise<Crowd> {
  const [floor, server] = [await Server.start(object, { cpu: SERVER_CPU }), await Server.start(ours(scratch('crowd')), { cpu: SERVER_CPU })];
  const come = (steps: Step[]) => ({ steps, arrivals: { closed: { people: size, over_ms: ARRIVE_MS } }, connections: 2048, think_ms: THINK_MS });
  const found: Crowd = { people: size, rounds: [], floors: [], flushes_per_s: [] };
  for (let round = 1; round <= rounds; round++) {
    const event = `evt_crowd_${round}`;
    await makeEvent(server, event, SEATS, OPEN);
    const rows = people(client, 'crowd.tsv', SEATS);
    found.floors.push(await client.run(floor, { ...come(funnel(event).map(() => ping)), ...FLOOR_TIMES }));
    await settled(server);
    found.flushes_per_s.push(flushesPerS());
    found.rounds.push(await client.run(server, { ...come(funnel(event)), ...TIMES, rows }, true));
    console.log(`bench: crowd of ${size}, ${round} of ${rounds}`);
  }
  floor.stop();
  server.stop();
  return found;
}

/** What a crowd saw, step by step. */
export function crowdTable({ people, rounds, floors, flushes_per_s }: Crowd): string {
  const per_s = over(rounds, (outcome) => outcome.per_s);
  const wrong = unexpected(rounds);
  const isJudged = people === JUDGED_PEOPLE;
  const all: Target[] = [
    { unit: 'a second', value: per_s.median, least: LEAST_PER_S },
    { unit: 'unexpected', value: Object.values(wrong).reduce((sum, count) => sum + count, 0), most: 0 },
  ];
  const steps = rounds[0]!.steps.map(({ name }, at) => {
    const figure = (quantile: Quantile) => over(rounds, (outcome) => late(outcome.steps[at]!, quantile));
    const p95_ms = figure('p95_ms');
    const targets: Target[] = isJudged && name === 'hold' ? [{ unit: 'ms', value: p95_ms.median, most: HOLD_P95_MOST_MS, digits: 1 }] : [];
    const floor = over(floors, (outcome) => median(outcome.steps.map((step) => step.p95_ms)));
    return [`– ${name}`, middle(over(rounds, (outcome) => outcome.steps[at]!.per_s)), ranged(figure('p50_ms'), 1), ranged(p95_ms, 1), ranged(figure('p99_ms'), 1), middle(floor, 1), '', '', ...judged(targets)];
  });
  const whole = [
    `${people} people`, ranged(per_s), '', '', '', '', ranged(over(rounds, ({ server_cpu }) => server_cpu ?? 0), 2),
    counted(wrong),
    ...judged(isJudged ? all : []),
  ];
  const head = ['crowd that buys', 'a second', 'P50 ms', 'P95 ms', 'P99 ms', 'floor P95', 'server cores', 'unexpected', 'must reach', 'met'];
  return `${table(head, [whole, ...steps])}\n\n${flushed(flushes_per_s)}`;
}
