// `node tests/bench/objects.ts [--rounds N]`: what each object takes by itself. A Worker in JavaScript asks it; what the same Worker
// takes without asking anybody is subtracted, so that the call is in the figure, at both of its ends.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client, type Step } from './client.ts';
import { driver, type Queue, ROOT } from './contenders.ts';
import { makeEvent, SHUT } from './sale.ts';
import { Server } from './server.ts';
import { median } from './stats.ts';
import { table } from './table.ts';

const { values: args } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } });
const WHAT: Record<string, string> = {
  nothing: 'nobody is asked',
  empty: 'an empty object in JavaScript',
  board: 'the board, of the queue',
  batch: 'a batch of 100 joins, of the queue',
  join: 'a join, of a lane, with its part of a batch of the queue',
  hold: 'a hold of one seat, of the inventory',
};
const SEATS = 50_000;

const folder = mkdtempSync(join(tmpdir(), 'bench-objects-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const client = new Client(folder, 1);
/** No more than there are lanes: each has one batch out. */
const PEOPLE = 24;
const work = { arrivals: { closed: { people: PEOPLE } }, connections: PEOPLE, warmup_ms: 500, measure_ms: 2500 };
/** Entries and holds of 1,800 people who think for two seconds at each of six steps would be as many. */
const HOLDS_PER_S = 150;
const QUEUES: Queue[] = ['consumed here', 'consumed elsewhere'];
interface Latency {
  p50_ms: number;
  p95_ms: number;
  p99_ms: number;
}
/** Of holds, and of an empty object that is asked as often on the same server just before. */
const latency = new Map<string, Latency[]>();
const joining: Step = { name: 'join', method: 'POST', path: '/api/v1/queue/join', headers: [['Idempotency-Key', '$key']], body: '{"event_id":"evt_objects"}', expect: 202 };
const found = new Map<string, number[]>(Object.keys(WHAT).map((what) => [what, []]));

for (let round = 0; round < Number(args.rounds); round++) {
  const server = await Server.start(driver(folder), { cpu: 0 });
  await makeEvent(server, 'evt_objects', SEATS, { ...SHUT, lanes: 128 });
  const step = (what: string): Step => ({ name: what, method: 'GET', path: `/drive/${what}`, expect: 200 });
  // Whoever is asked first is told of the event by the gateway: one join, one hold would do; a join of everybody's reaches all.
  await client.run(server, { steps: [joining], ...work, measure_ms: 2000 });
  for (const what of round % 2 ? Object.keys(WHAT).reverse() : Object.keys(WHAT)) {
    const outcome = await client.run(server, { steps: [step(what)], ...work });
    if (Object.keys(outcome.unexpected).length > 0) throw new Error(`${what}: ${JSON.stringify(outcome.unexpected)} ${outcome.complaint}`);
    found.get(what)!.push(outcome.server_cpu_us ?? 0);
  }
  server.stop();
  // Inside the engine: from the asking Worker to the inventory and back, with others holding at the same time.
  for (const queue of QUEUES) {
    const quiet = await Server.start(driver(folder, queue), { cpu: 0 });
    await makeEvent(quiet, 'evt_objects', SEATS, { ...SHUT, lanes: 128 });
    await client.run(quiet, { steps: [joining], arrivals: { closed: { people: 1 } }, connections: 1, warmup_ms: 0, measure_ms: 200 });
    for (const what of ['empty', 'hold']) {
      const asked = await client.run(quiet, { steps: [step(what)], arrivals: { open: { per_s: HOLDS_PER_S } }, connections: 64, warmup_ms: 1000, measure_ms: 10_000 });
      const name = what === 'empty' ? 'an empty object' : `a hold, the queue ${queue}`;
      latency.set(name, [...(latency.get(name) ?? []), asked.steps[0]!]);
    }
    quiet.stop();
  }
}
const us = (what: string): number => median(found.get(what)!);
const alone = (what: string): number => us(what) - us('nothing');
const spread = (what: string): string => `${Math.min(...found.get(what)!).toFixed(0)}–${Math.max(...found.get(what)!).toFixed(0)}`;
console.log(table(['asked', 'µs of processor time', 'spread', 'less the asking Worker'], Object.entries(WHAT).map(([what, text]) => [text, us(what).toFixed(0), spread(what), alone(what).toFixed(0)])));
console.log(`medians of ${args.rounds} rounds`);
const of = (all: Latency[], figure: keyof Latency): string => {
  const each = all.map((one) => one[figure]);
  return `${median(each).toFixed(1)} (${Math.min(...each).toFixed(1)}–${Math.max(...each).toFixed(1)})`;
};
for (const [name, all] of latency) {
  console.log(`${name}, ${HOLDS_PER_S} a second: P50 ${of(all, 'p50_ms')} ms, P95 ${of(all, 'p95_ms')} ms, P99 ${of(all, 'p99_ms')} ms`);
}
mkdirSync(join(ROOT, 'target/bench'), { recursive: true });
const objects = { queue_board: alone('board'), queue_batch: alone('batch'), lane_join: alone('join'), inventory_hold: alone('hold') };
writeFileSync(join(ROOT, 'target/bench/objects.json'), `${JSON.stringify(objects)}\n`);
process.exit(0);
