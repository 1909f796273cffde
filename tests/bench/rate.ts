// Joins at a fixed low rate, whatever the server does: how long each takes from the instant at which it was meant to be sent.

import { type Client, cpuUs, latest, type Outcome, QUANTILES, type Step, unexpected } from './client.ts';
import { object, ours, plain } from './contenders.ts';
import { SERVER_CPU } from './processors.ts';
import type { Pace } from './round.ts';
import { makeEvent, SHUT } from './sale.ts';
import { Server } from './server.ts';
import { over } from './stats.ts';
import { join, plainJoin } from './steps.ts';
import { scratch } from './storage.ts';
import { counted, ranged, table } from './table.ts';
import { settled } from './usage.ts';

const CONNECTIONS = 512;
const EVENT = 'evt_rate';
/** As a multiple of what a work is measured for at saturation: there are fewer answers a second. */
const LONGER = 3;

export interface Rate {
  per_s: number;
  rounds: Outcome[];
  /** An empty object that is asked in the same way, just before. */
  floors: Outcome[];
  /** A plain one, which waits for the disk, too. */
  plains: Outcome[];
}

/** Asks for `per_s` places a second. */
export async function rate(client: Client, per_s: number, rounds: number, pace: Pace): Promise<Rate> {
  const start = { cpu: SERVER_CPU };
  const [floor, other, server] = [await Server.start(object, start), await Server.start(plain, start), await Server.start(ours(scratch('rate')), start)];
  await makeEvent(server, EVENT, 10_000, SHUT);
  const ask = (of: Server, step: Step): Promise<Outcome> =>
    client.run(of, { steps: [step], arrivals: { open: { per_s } }, connections: CONNECTIONS, warmup_ms: 1000, measure_ms: LONGER * pace.measure_ms }, true);
  const found: Rate = { per_s, rounds: [], floors: [], plains: [] };
  for (let round = 1; round <= rounds; round++) {
    found.floors.push(await ask(floor, { ...join(EVENT), expect: 200 }));
    found.plains.push(await ask(other, plainJoin(EVENT)));
    await settled(server);
    found.rounds.push(await ask(server, join(EVENT)));
    console.log(`bench: ${per_s} joins a second, ${round} of ${rounds}`);
  }
  for (const each of [floor, other, server]) each.stop();
  return found;
}

/** Latency of each, and ours as a multiple of the others'. */
export function rateTable({ per_s, rounds, floors, plains }: Rate): string {
  const figures: ((outcome: Outcome) => number)[] = [...QUANTILES.map((quantile) => (outcome: Outcome) => latest(outcome, quantile)), cpuUs];
  const row = (name: string, outcomes: Outcome[]): string[] => [name, ...figures.map((figure) => ranged(over(outcomes, figure), 1)), counted(unexpected(outcomes))];
  const times = (name: string, others: Outcome[]): string[] => [name, ...figures.map((figure) => ranged(over(rounds, (round, at) => figure(round) / figure(others[at]!)), 1)), ''];
  return table([`${per_s} joins a second`, 'P50 ms', 'P95 ms', 'P99 ms', 'CPU µs', 'unexpected'], [
    row('ours', rounds),
    row('an empty object', floors),
    row('a plain object', plains),
    times('× empty', floors),
    times('× plain', plains),
  ]);
}
