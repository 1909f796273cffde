// `node tests/bench/shards.ts [--rounds N]`: what a hold takes over several shards, in processor time of all objects together.
// One machine has no thread for each object, so that this is the price of spreading, not what it brings: that follows from it
// in the model.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client } from './client.ts';
import { ours, ROOT } from './contenders.ts';
import { settled } from './round.ts';
import { makeEvent, OPEN, people, type Where } from './sale.ts';
import { Server } from './server.ts';
import * as steps from './steps.ts';
import { median, table } from './summary.ts';

const { values: args } = parseArgs({ options: { rounds: { type: 'string', default: '3' } } });
/** Shards, and where the seats lie. */
const KINDS: [number, Where][] = [[1, 'anywhere'], [2, 'anywhere'], [4, 'anywhere'], [8, 'anywhere'], [4, 'home'], [4, 'elsewhere']];
const HOLDS = 3000;
/** Of the whole event; twice what is held, for homes are not quite even. */
const SEATS = 8000;
const PEOPLE = 256;

const folder = mkdtempSync(join(tmpdir(), 'bench-shards-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const client = new Client(folder, 1);
const closed = { arrivals: { closed: { people: PEOPLE } }, connections: PEOPLE, measure_ms: 120_000 };

/** Microseconds of processor time a hold, holds a second, and the median time to the answer in milliseconds. */
interface Hold {
  cpu_us: number;
  per_s: number;
  p50_ms: number;
}

async function measure([shards, where]: [number, Where], round: number): Promise<Hold> {
  const server = await Server.start(ours(folder), { cpu: 0 });
  const event = `evt_shards_${shards}_${where}_${round}`;
  await makeEvent(server, event, SEATS, OPEN, shards);
  let rows = people(client, 'people.tsv', HOLDS, 0, shards, where);
  for (const [step, keep] of [[steps.join(event), 'waiting_token'], [steps.enter, 'reservation_token']] as const) {
    const path = client.path(`${step.name}.tsv`);
    await client.run(server, { steps: [step], ...closed, warmup_ms: 0, rows, out: path, keep: ['jwt', 'seat', keep] });
    await settled(server);
    rows = { path };
  }
  const hold = await client.run(server, { steps: [steps.hold(event)], ...closed, warmup_ms: 300, rows });
  server.stop();
  if (Object.keys(hold.unexpected).length > 0) throw new Error(`${JSON.stringify(hold.unexpected)} ${hold.complaint}`);
  return { cpu_us: hold.server_cpu_us ?? 0, per_s: hold.per_s, p50_ms: hold.steps[0]!.p50_ms };
}

const found = KINDS.map((): Hold[] => []);
for (let round = 0; round < Number(args.rounds); round++) {
  const turns = KINDS.map((_, i) => (round % 2 ? KINDS.length - 1 - i : i));
  for (const kind of turns) found[kind]!.push(await measure(KINDS[kind]!, round));
}
const of = (kind: number, figure: keyof Hold): number => median(found[kind]!.map((hold) => hold[figure]));
const cpu = (kind: number): number => of(kind, 'cpu_us');
const [ONE, HOME, ELSEWHERE] = [0, 4, 5];
const claim_us = Math.max(0, cpu(ELSEWHERE) - cpu(HOME));
const told_us = Math.max(0, cpu(HOME) - cpu(ONE));
const rows = KINDS.map(([shards, where], i) => [
  `${shards}, seats ${where === 'home' ? 'at home' : where}`, cpu(i).toFixed(0), (cpu(i) / cpu(ONE)).toFixed(2), of(i, 'per_s').toFixed(0), of(i, 'p50_ms').toFixed(1),
]);
console.log(table(['shards', 'µs of processor time a hold', 'against one', 'holds/s on one thread', `P50 ms at ${PEOPLE} people`], rows));
console.log(`a claim ${claim_us.toFixed(0)} µs, telling the book ${told_us.toFixed(0)} µs, at both ends together; medians of ${args.rounds} rounds`);
mkdirSync(join(ROOT, 'target/bench'), { recursive: true });
writeFileSync(join(ROOT, 'target/bench/shards.json'), `${JSON.stringify({ claim_us, told_us })}\n`);
process.exit(0);
