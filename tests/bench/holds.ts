// What holds take that an inventory is asked together: processor time, rows, pages.

import { type Client, cpuUs, type Outcome, type Step } from './client.ts';
import { driver, ours, wrapped } from './contenders.ts';
import { SERVER_CPU } from './processors.ts';
import { makeEvent, SHUT } from './sale.ts';
import { Server } from './server.ts';
import { type Measure, measure } from './stats.ts';
import { scratch, storage } from './storage.ts';
import { middle, ranged, table } from './table.ts';
import { judged } from './targets.ts';
import { settled, writtenBytes } from './usage.ts';

/** Holds in a call. */
const TOGETHER = [1, 16, 64];
const SEATS = 100_000;
/** Askers who wait for nothing but the answer: of their calls, those that come together share a commit. */
const ASKERS = 24;
/** Holds whose rows and pages are counted, one call after the other. */
const COUNTED = 1024;
const PAGE_BYTES = 4096;
/** Of one thread, in calls of 64. */
const LEAST_PER_S = 10_000;

interface Figures {
  /** Processor time of one hold, without what asking takes the asking Worker. */
  us: number;
  /** Holds a second that were served, the asking Worker and the disk included. */
  per_s: number;
  rows: number;
  pages: number;
}

export type Holds = Map<number, Figures[]>;

const step = (what: string, count: number, event = ''): Step => ({ name: what, method: 'GET', path: `/drive/${what}/${count}?event=${event}`, expect: 200 });

async function asked(client: Client, server: Server, what: string, count: number, event?: string): Promise<Outcome> {
  await settled(server);
  const closed = { arrivals: { closed: { people: ASKERS } }, connections: ASKERS };
  return client.run(server, { steps: [step(what, count, event)], ...closed, warmup_ms: 500, measure_ms: 2500 });
}

/** Processor time and rate, at saturation. */
async function speed(client: Client, server: Server, count: number): Promise<Pick<Figures, 'us' | 'per_s'>> {
  const event = `evt_holds_${count}`;
  await makeEvent(server, event, SEATS, SHUT);
  const nobody = await asked(client, server, 'nobody', count);
  const holds = await asked(client, server, 'hold', count, event);
  return { us: (cpuUs(holds) - cpuUs(nobody)) / count, per_s: holds.per_s * count };
}

/** Rows and pages of holds that one asker asks for, one call after the other. */
async function stored(client: Client, server: Server, count: number): Promise<Pick<Figures, 'rows' | 'pages'>> {
  const event = `evt_rows_${count}`;
  await makeEvent(server, event, SEATS, SHUT);
  const rows = async (): Promise<number> => Number(await (await fetch(`http://${server.address}/bench/rows-written`)).text());
  const call = async (calls: number): Promise<void> => {
    const lines = client.table('calls.tsv', ['call'], Array.from({ length: calls }, (_, i) => [String(i)]));
    await client.run(server, { steps: [step('hold', count, event)], arrivals: { closed: { people: 1 } }, connections: 1, warmup_ms: 0, measure_ms: 60_000, rows: lines });
    await settled(server);
  };
  await call(1);
  const before = [await rows(), writtenBytes(server.pid)] as const;
  await call(COUNTED / count);
  return { rows: ((await rows()) - before[0]) / COUNTED, pages: (writtenBytes(server.pid) - before[1]) / PAGE_BYTES / COUNTED };
}

/** One round more. What follows from a hold is consumed by another machine, as on the network. */
export async function measureHolds(client: Client, found: Holds): Promise<void> {
  const folder = scratch('holds');
  const server = await Server.start(driver(ours(folder, undefined, 'consumed elsewhere')), { cpu: SERVER_CPU });
  const counting = await Server.start(driver(wrapped(ours(folder, undefined, 'consumed elsewhere'), 'written.js')), { cpu: SERVER_CPU });
  for (const count of TOGETHER) {
    const figures = { ...(await speed(client, server, count)), ...(await stored(client, counting, count)) };
    found.set(count, [...(found.get(count) ?? []), figures]);
  }
  server.stop();
  counting.stop();
}

/** What each hold takes, by how many are asked together. */
export function holdsTable(found: Holds): string {
  const rows = [...found].map(([count, rounds]) => {
    const of = (figure: keyof Figures): Measure => measure(rounds.map((round) => round[figure]));
    const thread = measure(rounds.map((round) => 1e6 / round.us));
    const targets = count === Math.max(...TOGETHER) ? [{ unit: 'a second', value: thread.median, least: LEAST_PER_S }] : [];
    return [
      count === 1 ? 'alone' : `in calls of ${count}`, ranged(of('us')), middle(thread), ranged(of('per_s')), ranged(of('rows'), 1),
      storage() === 'disk' ? ranged(of('pages'), 1) : '–', ...judged(targets),
    ];
  });
  return table(['a hold asked', 'CPU µs each', 'a second on one thread', 'served here', 'rows each', 'pages each', 'must reach', 'met'], rows);
}
