// A crowd that walks through the whole funnel and thinks in between: 12,000 seats, 1.5 to 2.5 seconds before each step.

import type { Client, Outcome } from './client.ts';
import { makeEvent, OPEN, people } from './sale.ts';
import type { Server } from './server.ts';
import { funnel } from './steps.ts';
import { table } from './table.ts';

const SEATS = 12_000;
const THINK_MS: [number, number] = [1500, 2500];
/** They come over so long; when they have, and the first are through, measuring begins. */
const ARRIVE_MS = 4000;
const WARMUP_MS = 15_000;
const MEASURE_MS = 25_000;

export interface Crowd {
  people: number;
  outcome: Outcome;
}

/** Lets a crowd of `size` people buy; whoever has is followed by the next. */
export async function crowd(client: Client, server: Server, size: number): Promise<Crowd> {
  const event = `evt_crowd_${size}`;
  await makeEvent(server, event, SEATS, OPEN);
  const rows = people(client, 'crowd.tsv', SEATS);
  const arrivals = { closed: { people: size, over_ms: ARRIVE_MS } };
  const times = { warmup_ms: WARMUP_MS, measure_ms: MEASURE_MS, think_ms: THINK_MS };
  const outcome = await client.run(server, { steps: funnel(event), arrivals, connections: 2048, ...times, rows }, true);
  return { people: size, outcome };
}

const wrong = ({ unexpected }: Outcome): string => {
  const texts = Object.entries(unexpected).map(([status, count]) => `${count} × ${status}`);
  return texts.length === 0 ? 'none' : texts.join(', ');
};

/** What each crowd saw. */
export function crowdTable(crowds: Crowd[]): string {
  const rows = crowds.flatMap(({ people, outcome }) => [
    [`${people} people`, outcome.per_s.toFixed(0), '', '', '', (outcome.server_cpu ?? 0).toFixed(2), wrong(outcome)],
    ...outcome.steps.map((step) => [`– ${step.name}`, step.per_s.toFixed(0), step.p50_ms.toFixed(1), step.p95_ms.toFixed(1), step.p99_ms.toFixed(1), '', '']),
  ]);
  return table(['funnel with thinking', 'requests/s', 'P50 ms', 'P95 ms', 'P99 ms', 'server cores', 'unexpected'], rows);
}
