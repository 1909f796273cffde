// `node tests/bench/run.ts [--rounds N] [--quick] [--crowd PEOPLE,…] [--nice=-10]`: measures, prints, writes target/bench/summary.json.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, setPriority, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client } from './client.ts';
import { hello, object, ours, plain, ROOT } from './contenders.ts';
import { crowd, crowdTable } from './crowd.ts';
import { Bench, type Contenders, type Pace, type Round } from './round.ts';
import { Server } from './server.ts';
import { summarise, tables } from './summary.ts';

const { values: args } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    quick: { type: 'boolean', default: false },
    crowd: { type: 'string' },
    nice: { type: 'string' },
  },
});

const pace: Pace = args.quick ? { warmup_ms: 300, measure_ms: 1500 } : { warmup_ms: 500, measure_ms: 3000 };
const rounds = Number(args.rounds);

/** 1,800 people on the three cores of the published test are so many on the one that the server has here. */
const CROWD = 600;

/** Whether processes can be bound to processors here: server and client then have one each. */
function canPin(): boolean {
  try {
    execFileSync('taskset', ['-c', '1', 'true'], { stdio: 'ignore' });
    return cpus().length > 1;
  } catch {
    return false;
  }
}

// What is started inherits the priority: on a machine that others use too, a higher one (-10) makes rounds alike.
if (args.nice !== undefined) setPriority(Number(args.nice));

const out = join(ROOT, 'target/bench');
mkdirSync(out, { recursive: true });
const folder = mkdtempSync(join(tmpdir(), 'bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));

const pinned = canPin();
const cpu = pinned ? 0 : undefined;
const client = new Client(folder, pinned ? 1 : undefined);
const servers: Contenders = {
  hello: await Server.start(hello, { cpu }),
  object: await Server.start(object, { cpu }),
  plain: await Server.start(plain, { cpu }),
  ours: await Server.start(ours(folder), { cpu }),
};
const bench = new Bench(client, servers, pace);
const found: Round[] = [];
for (let number = 1; number <= rounds; number++) {
  const began = Date.now();
  found.push(await bench.round(number));
  console.log(`bench: round ${number} of ${rounds} in ${Math.round((Date.now() - began) / 1000)} s`);
}
const sizes = (args.crowd ?? (args.quick ? '0' : String(CROWD))).split(',').map(Number).filter((size) => size > 0);
const crowds = [];
for (const size of sizes) crowds.push(await crowd(client, servers.ours, size));
const machine = {
  cpu: cpus()[0]?.model.trim(),
  cores: cpus().length,
  memory_gib: Math.round(totalmem() / 2 ** 30),
  pinned,
  date: new Date().toISOString(),
};

if (rounds > 0) {
  const results = summarise(found);
  const summary = { machine, rounds, measure_ms: pace.measure_ms, results, crowds };
  writeFileSync(join(out, 'summary.json'), `${JSON.stringify(summary, null, 1)}\n`);
  writeFileSync(join(out, 'rounds.json'), `${JSON.stringify(found)}\n`);
  console.log(`\n${tables(results)}\n\nbench: target/bench/summary.json`);
}
if (crowds.length > 0) console.log(`\n${crowdTable(crowds)}`);
console.log(`\nbench: ${JSON.stringify(machine)}`);
process.exit(0);
