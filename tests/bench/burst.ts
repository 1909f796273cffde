// Many people at once at many small events that nobody has touched yet: the catalogue knows them, but none of their objects exists.
// The floor is the plain object, one to an event, as new.

import { rmSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Client, cpuUs, latest, type Outcome, QUANTILES, type Step, type Table, unexpected } from './client.ts';
import { ours, plain } from './contenders.ts';
import { SERVER_CPU } from './processors.ts';
import { makeEvent, SHUT } from './sale.ts';
import { Server } from './server.ts';
import { over } from './stats.ts';
import { join as joining, plainJoin } from './steps.ts';
import { flushed, flushesPerS, scratch } from './storage.ts';
import { counted, ranged, table } from './table.ts';
import { judged, type Target } from './targets.ts';
import { settled } from './usage.ts';

const SEATS = 1000;
/** Organisers who make the events beforehand, each one after the other. */
const MAKERS = 16;
/** Nobody is waited for any longer. */
const PATIENCE_MS = 60_000;
/** How often a burst may end workerd itself: its HTTP parser has died under 2,000 new connections, of empty Workers too. */
const DEATHS_MAX = 2;
const NOTICE_MS = 500;
const P95_MOST_MS = 1000;

export interface Burst {
  people: number;
  events: number;
  rounds: Outcome[];
  floors: Outcome[];
  /** How often workerd ended and the burst was repeated. */
  deaths: number;
  /** What the disk did just before. */
  flushes_per_s: number[];
}

/** A server whose catalogue has so many events, of which no object exists. */
async function untouched(folder: string, storage: string, names: string[]): Promise<Server> {
  const maker = await Server.start(ours(folder), { storage, cpu: SERVER_CPU });
  const left = names.values();
  await Promise.all(Array.from({ length: MAKERS }, async () => {
    for (const name of left) await makeEvent(maker, name, SEATS, SHUT);
  }));
  await settled(maker);
  await maker.end();
  // What is made by an organiser makes its line and its seats, too. The database stays, and knows the events.
  for (const name of readdirSync(storage)) if (name.startsWith('ours-')) rmSync(join(storage, name), { recursive: true });
  return Server.start(ours(folder), { storage, cpu: SERVER_CPU });
}

/** Lets `people` join at once, evenly over the events, `rounds` times, each time other events. */
export async function burst(client: Client, people: number, events: number, rounds: number): Promise<Burst> {
  // The first burst of a process is not counted; one that ends it is repeated with a new process.
  const sets = Array.from({ length: 1 + rounds + 2 * DEATHS_MAX }, (_, set) => Array.from({ length: events }, (_, i) => `evt_burst_${set}_${i}`));
  const [folder, storage] = [scratch('burst'), scratch('burst-storage')];
  let server = await untouched(folder, storage, sets.flat());
  let floor = await Server.start(plain, { cpu: SERVER_CPU });
  const found: Burst = { people, events, rounds: [], floors: [], deaths: 0, flushes_per_s: [] };

  const come = (of: Server, step: Step, rows: Table): Promise<Outcome> =>
    client.run(of, { steps: [step], arrivals: { closed: { people } }, connections: people, warmup_ms: 0, measure_ms: PATIENCE_MS, rows }, true);
  const died = (): void => {
    found.deaths += 1;
    console.log('bench: workerd ended under the burst, a known fault of its HTTP parser with so many new connections; once more');
    if (found.deaths > DEATHS_MAX) throw new Error(`workerd ended ${found.deaths} times`);
  };
  for (let counts = false; found.rounds.length < rounds; ) {
    const names = sets.shift()!;
    const rows = client.table('burst.tsv', ['event'], Array.from({ length: people }, (_, i) => [names[i % events]!]));
    try {
      const below = await come(floor, plainJoin('$event'), rows);
      await settled(server);
      const flushes_per_s = flushesPerS();
      const outcome = await come(server, joining('$event'), rows);
      await settled(server);
      if (counts) {
        found.floors.push(below);
        found.flushes_per_s.push(flushes_per_s);
        found.rounds.push(outcome);
      }
    } catch (error) {
      // A client may know of it before this process does.
      await pause(NOTICE_MS);
      if (!floor.hasEnded && !server.hasEnded) throw error;
    }
    if (floor.hasEnded || server.hasEnded) {
      died();
      if (floor.hasEnded) floor = await Server.start(plain, { cpu: SERVER_CPU });
      if (server.hasEnded) server = await Server.start(ours(folder), { storage, cpu: SERVER_CPU });
      counts = false;
      continue;
    }
    if (counts) console.log(`bench: burst of ${people} over ${events} events, ${found.rounds.length} of ${rounds}`);
    counts = true;
  }
  floor.stop();
  server.stop();
  return found;
}

/** Who was served, and how long the joins of those took. */
export function burstTable({ people, events, rounds, floors, deaths, flushes_per_s }: Burst): string {
  const row = (name: string, outcomes: Outcome[], targets: Target[]): string[] => {
    const { 503: refused = 0, ...errors } = unexpected(outcomes);
    return [
      name, ranged(over(outcomes, ({ completed }) => completed)), (refused / outcomes.length).toFixed(0), counted(errors),
      ...QUANTILES.map((quantile) => ranged(over(outcomes, (outcome) => latest(outcome, quantile)))), ranged(over(outcomes, cpuUs)), ...judged(targets),
    ];
  };
  const times = (figure: (outcome: Outcome) => number): string => ranged(over(rounds, (round, at) => figure(round) / figure(floors[at]!)), 1);
  const targets: Target[] = [
    { unit: 'not served', value: over(rounds, ({ completed }) => people - completed).greatest, most: 0 },
    { unit: 'ms P95', value: over(rounds, (outcome) => latest(outcome, 'p95_ms')).median, most: P95_MOST_MS },
  ];
  const head = [`${people} people, ${events} events`, 'served', '503', 'errors', 'P50 ms', 'P95 ms', 'P99 ms', 'CPU µs', 'must reach', 'met'];
  return [
    table(head, [
      row('ours', rounds, targets),
      row('a plain object an event', floors, []),
      ['× floor', '', '', '', ...QUANTILES.map((quantile) => times((outcome) => latest(outcome, quantile))), times(cpuUs), '', ''],
    ]),
    flushed(flushes_per_s),
    ...(deaths > 0 ? [`workerd ended under ${deaths} bursts; those were repeated.`] : []),
  ].join('\n\n');
}
