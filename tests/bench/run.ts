// `node tests/bench/run.ts [--works] [--crowd PEOPLE,…] [--burst PEOPLE [--events N]] [--rate JOINS] [--rounds N] [--quick] [--nice=-10]`:
// measures what is named, or everything, and prints it. Figures of the works go to target/bench/summary.json, where the model finds them.

import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, setPriority, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { burst, burstTable } from './burst.ts';
import { Client } from './client.ts';
import { hello, object, ours, plain, ROOT } from './contenders.ts';
import { crowd, crowdTable } from './crowd.ts';
import { bound, CLIENT_CPU, SERVER_CPU } from './processors.ts';
import { rate, rateTable } from './rate.ts';
import { Bench, type Contenders, type Pace, type Round } from './round.ts';
import { Server } from './server.ts';
import { scratch, storage } from './storage.ts';
import { summarise, tables } from './summary.ts';

const { values: args } = parseArgs({
  options: {
    works: { type: 'boolean' },
    crowd: { type: 'string' },
    burst: { type: 'string' },
    events: { type: 'string', default: '100' },
    rate: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    quick: { type: 'boolean', default: false },
    nice: { type: 'string' },
  },
});

const pace: Pace = args.quick ? { warmup_ms: 300, measure_ms: 1500 } : { warmup_ms: 500, measure_ms: 3000 };
const rounds = Number(args.rounds);
/** What is measured where nothing is named. A crowd takes long. */
const DEFAULTS = { works: true, crowd: args.quick ? undefined : '600', burst: '2000', rate: '300' };
const isNamed = [args.works, args.crowd, args.burst, args.rate].some((part) => part !== undefined);
const parts = isNamed ? args : DEFAULTS;

// What is started inherits the priority: on a machine that others use too, a higher one (-10) makes rounds alike.
if (args.nice !== undefined) setPriority(Number(args.nice));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));

const client = new Client(scratch('client'), CLIENT_CPU);
const machine = {
  cpu: cpus()[0]?.model.trim(),
  cores: cpus().length,
  memory_gib: Math.round(totalmem() / 2 ** 30),
  bound,
  storage: storage(),
  date: new Date().toISOString(),
};

/** Every work next to its floor, in rounds. */
async function works(): Promise<string> {
  const servers: Contenders = {
    hello: await Server.start(hello, { cpu: SERVER_CPU }),
    object: await Server.start(object, { cpu: SERVER_CPU }),
    plain: await Server.start(plain, { cpu: SERVER_CPU }),
    ours: await Server.start(ours(scratch('ours')), { cpu: SERVER_CPU }),
  };
  const bench = new Bench(client, servers, pace);
  const found: Round[] = [];
  for (let number = 1; number <= rounds; number++) {
    const began = Date.now();
    found.push(await bench.round(number));
    console.log(`bench: round ${number} of ${rounds} in ${Math.round((Date.now() - began) / 1000)} s`);
  }
  for (const server of Object.values(servers)) server.stop();
  const results = summarise(found);
  const out = join(ROOT, 'target/bench');
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'summary.json'), `${JSON.stringify({ machine, rounds, measure_ms: pace.measure_ms, results }, null, 1)}\n`);
  writeFileSync(join(out, 'rounds.json'), `${JSON.stringify(found)}\n`);
  return tables(results);
}

const numbers = (list = ''): number[] => list.split(',').map(Number).filter((number) => number > 0);
const texts: string[] = [];
if (parts.works) texts.push(await works());
for (const people of numbers(parts.crowd)) texts.push(crowdTable(await crowd(client, people, rounds)));
for (const people of numbers(parts.burst)) texts.push(burstTable(await burst(client, people, Number(args.events), rounds)));
for (const per_s of numbers(parts.rate)) texts.push(rateTable(await rate(client, per_s, rounds, pace)));
console.log(`\n${texts.join('\n\n')}\n\nbench: storage in ${machine.storage}; ${JSON.stringify(machine)}`);
process.exit(0);
