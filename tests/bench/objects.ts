// `node tests/bench/objects.ts [--rounds N]`: what each object takes by itself. A Worker in JavaScript asks it; what the same Worker
// takes without asking anybody is subtracted, so that the call is in the figure, at both of its ends.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { until } from '../until.ts';
import { Client, cpuUs, type Figures, late, QUANTILES, type Step } from './client.ts';
import { driver, ours, type Queue, ROOT } from './contenders.ts';
import { type Holds, holdsTable, measureHolds } from './holds.ts';
import { CLIENT_CPU, SERVER_CPU } from './processors.ts';
import { makeEvent, SHUT } from './sale.ts';
import { Server } from './server.ts';
import { measure, over } from './stats.ts';
import { scratch, storage } from './storage.ts';
import { ranged, table } from './table.ts';

const { values: args } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } });
const WHAT: Record<string, string> = {
  nobody: 'nobody is asked',
  empty: 'an empty object in JavaScript',
  board: 'the board, of the queue',
  batch: 'a batch of 100 joins, of the queue',
  join: 'a join, of a lane, with its part of a batch of the queue',
  hold: 'a hold of one seat, of the inventory',
};
const EVENT = 'evt_objects';
const PATIENCE_MS = 60_000;
const SEATS = 50_000;

const folder = scratch('objects');
const client = new Client(scratch('client'), CLIENT_CPU);
/** No more than there are lanes: each has one batch out. */
const PEOPLE = 24;
const work = { arrivals: { closed: { people: PEOPLE } }, connections: PEOPLE, warmup_ms: 500, measure_ms: 2500 };
/** Entries and holds of 1,800 people who think for two seconds at each of six steps would be as many. */
const HOLDS_PER_S = 150;
const QUEUES: Queue[] = ['consumed here', 'consumed elsewhere'];
/** Of holds, and of an empty object that is asked as often on the same server just before. */
const latency = new Map<string, Figures[]>();
const joining: Step = { name: 'join', method: 'POST', path: '/api/v1/queue/join', headers: [['Idempotency-Key', '$key']], body: `{"event_id":"${EVENT}"}`, expect: 202 };
const step = (what: string): Step => ({ name: what, method: 'GET', path: `/drive/${what}/1?event=${EVENT}`, expect: 200 });
const found = new Map<string, number[]>(Object.keys(WHAT).map((what) => [what, []]));
const holds: Holds = new Map();

/** The Worker with an event; what follows from a hold is consumed in its process, or not. */
async function start(queue: Queue): Promise<Server> {
  const server = await Server.start(driver(ours(folder, undefined, queue)), { cpu: SERVER_CPU });
  await makeEvent(server, EVENT, SEATS, { ...SHUT, lanes: 128 });
  return server;
}

for (let round = 0; round < Number(args.rounds); round++) {
  const server = await start('consumed elsewhere');
  // An object is told of its event by the gateway, when somebody first asks it; with joins of many, the lane is, too.
  await until('the lane knows its event', PATIENCE_MS, async () => {
    await client.run(server, { steps: [joining], ...work, measure_ms: 500 }, true);
    return (await fetch(`http://${server.address}${step('join').path}`)).ok;
  });
  for (const what of round % 2 ? Object.keys(WHAT).reverse() : Object.keys(WHAT)) {
    const outcome = await client.run(server, { steps: [step(what)], ...work });
    found.get(what)!.push(cpuUs(outcome));
  }
  server.stop();
  await measureHolds(client, holds);
  // Inside the engine: from the asking Worker to the inventory and back, with others holding at the same time.
  for (const queue of QUEUES) {
    const quiet = await start(queue);
    for (const what of ['empty', 'hold']) {
      const asked = await client.run(quiet, { steps: [step(what)], arrivals: { open: { per_s: HOLDS_PER_S } }, connections: 64, warmup_ms: 1000, measure_ms: 10_000 });
      const name = what === 'empty' ? 'an empty object' : `a hold, what follows from it ${queue}`;
      latency.set(name, [...(latency.get(name) ?? []), asked.steps[0]!]);
    }
    quiet.stop();
  }
  console.log(`bench: objects, ${round + 1} of ${args.rounds}`);
}

/** In each round, less what the asking Worker takes by itself. */
const alone = (what: string) => measure(found.get(what)!.map((us, round) => us - found.get('nobody')![round]!));
const taken = Object.entries(WHAT).map(([what, text]) => [text, ranged(measure(found.get(what)!)), ranged(alone(what))]);
const engine = [...latency].map(([name, all]) => [name, ...QUANTILES.map((quantile) => ranged(over(all, (one) => late(one, quantile)), 1))]);
console.log(`\n${[
  table(['asked', 'µs of processor time', 'less the asking Worker'], taken),
  'Holds of one seat that are asked together:', holdsTable(holds),
  `Inside the engine, ${HOLDS_PER_S} a second:`, table(['asked', 'P50 ms', 'P95 ms', 'P99 ms'], engine),
  `bench: storage in ${storage()}, medians of ${args.rounds} rounds`,
].join('\n\n')}`);
mkdirSync(join(ROOT, 'target/bench'), { recursive: true });
const objects = { queue_board: alone('board').median, queue_batch: alone('batch').median, lane_join: alone('join').median, inventory_hold: alone('hold').median };
writeFileSync(join(ROOT, 'target/bench/objects.json'), `${JSON.stringify(objects)}\n`);
process.exit(0);
