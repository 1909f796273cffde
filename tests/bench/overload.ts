// `node tests/bench/overload.ts [--seconds N] [--newcomers N] [--floor]`: three times as many joins as the Worker serves, while others are
// inside and hold seats. What is shed, what becomes of those inside, how soon it is over, whether anything acknowledged is lost; with
// `--floor`, what the runtime's memory comes to when a plain object takes as many joins.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client, type Outcome, type Table } from './client.ts';
import { ours, plain } from './contenders.ts';
import { makeEvent, OPEN, people, SHUT } from './sale.ts';
import { Server } from './server.ts';
import * as steps from './steps.ts';
import { table } from './summary.ts';

const { values: args } = parseArgs({ options: { seconds: { type: 'string', default: '20' }, newcomers: { type: 'string' }, floor: { type: 'boolean', default: false } } });
const TIMES_SATURATION = 3;
const INSIDE_PER_S = 10;
const CONNECTIONS = 2048;
/** How often memory is looked at. */
const LOOKS = 10;
const RECOVERY_S = [1, 2, 3, 4, 5];

const folder = mkdtempSync(join(tmpdir(), 'bench-overload-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
// Two clients side by side, each with its own plans.
const client = new Client(folder, undefined);
const inside = new Client(mkdtempSync(join(folder, 'inside-')), undefined);
// Joins that the Worker serves at once, where something else than its default is wanted.
const limit = args.newcomers ? [`(name = "NEWCOMERS_MAX", text = "${Number(args.newcomers)}")`] : [];
const [worker, ...others] = ours(folder);
const server = await Server.start([{ ...worker!, bindings: [...(worker!.bindings ?? []), ...limit] }, ...others]);
const crowd = 'evt_overload';
const shop = 'evt_shop';
await makeEvent(server, crowd, 10_000, SHUT);
await makeEvent(server, shop, 10_000, OPEN);

const closed = { arrivals: { closed: { people: 64 } }, connections: 64 };
const open = (per_s: number) => ({ arrivals: { open: { per_s } }, connections: CONNECTIONS });
const out = client.path('acknowledged.tsv');
const acknowledged = (): number => readFileSync(out, 'utf8').split('\n').length - 2;

/** People who have been let in to the other event. */
async function admitted(count: number): Promise<Table> {
  let rows = people(inside, 'people.tsv', count);
  for (const [step, keep] of [[steps.join(shop), ['jwt', 'seat', 'waiting_token']], [steps.enter, ['jwt', 'seat', 'reservation_token']]] as const) {
    const path = inside.path(`${step.name}.tsv`);
    await inside.run(server, { steps: [step], ...closed, warmup_ms: 0, measure_ms: 60_000, rows, out: path, keep: [...keep] });
    rows = { path };
  }
  return rows;
}

const seconds = Number(args.seconds);
/** Memory of its own that the server has, in MiB, ten times in the overload. */
const memory: number[] = [];
const ownMib = ({ pid }: Server): number => Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
const rows = await admitted(INSIDE_PER_S * (seconds + 10));
const most = await client.run(server, { steps: [steps.join(crowd)], ...closed, warmup_ms: 1000, measure_ms: 3000 });
const before = Number((await stats()).waiting);
const measure_ms = seconds * 1000;
const looking = setInterval(() => memory.push(ownMib(server)), measure_ms / LOOKS);
const [joins, holds] = await Promise.all([
  client.run(server, { steps: [steps.join(crowd)], ...open(most.per_s * TIMES_SATURATION), warmup_ms: 0, measure_ms, out, keep: ['waiting_token'] }, true),
  inside.run(server, { steps: [steps.hold(shop)], ...open(INSIDE_PER_S), warmup_ms: 0, measure_ms, rows }, true),
]);
clearInterval(looking);
const kept = acknowledged();
const after: Outcome[] = [];
for (const _ of RECOVERY_S) {
  after.push(await client.run(server, { steps: [steps.join(crowd)], ...open(most.per_s / 4), warmup_ms: 0, measure_ms: 1000 }, true));
}

async function stats(): Promise<{ waiting: number }> {
  await new Promise((resolve) => setTimeout(resolve, 1500));
  return (await (await fetch(`http://${server.address}/api/v1/queue/stats?event_id=${crowd}`)).json()) as { waiting: number };
}
const waiting = Number((await stats()).waiting) - before - after.reduce((sum, { completed }) => sum + completed, 0);

const row = (name: string, { per_s, steps: [step], unexpected, server_mib }: Outcome): string[] => [
  name, per_s.toFixed(0), (step?.p50_ms ?? 0).toFixed(0), (step?.p95_ms ?? 0).toFixed(0), JSON.stringify(unexpected), String(server_mib),
];
console.log(table(
  ['', 'served/s', 'P50 ms', 'P95 ms', 'other statuses', 'server MiB'],
  [
    row('joins at saturation', most),
    row(`joins at ${TIMES_SATURATION} times that, ${seconds} s`, joins),
    row(`holds beside them, ${INSIDE_PER_S}/s`, holds),
    ...after.map((outcome, i) => row(`joins at a quarter, second ${RECOVERY_S[i]} after`, outcome)),
  ],
));
console.log(`\nmemory every ${seconds / LOOKS} s: ${memory.map((mib) => mib.toFixed(0)).join(', ')} MiB`);
console.log(`acknowledged during the overload: ${kept}; in the line because of it: ${waiting}${waiting >= kept ? ', nothing lost' : ', LOST'}`);
if (args.floor) {
  const floor = await Server.start(plain);
  const grown: number[] = [];
  for (let taken = 0; taken < kept; ) {
    taken += (await client.run(floor, { steps: [steps.plainJoin(crowd)], ...closed, warmup_ms: 0, measure_ms: 2000 })).completed;
    while (grown.length < Math.min(LOOKS, Math.floor((taken / kept) * LOOKS))) grown.push(ownMib(floor));
  }
  console.log(`a plain object that takes as many: ${grown.map((mib) => mib.toFixed(0)).join(', ')} MiB`);
}
process.exit(waiting >= kept ? 0 : 1);
