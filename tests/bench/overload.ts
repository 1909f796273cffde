// `node tests/bench/overload.ts [--seconds N] [--parts N] [--newcomers N] [--connections N] [--floor]`: three times as many joins as
// the Worker serves, while others are inside and hold seats. What is shed, what becomes of those inside, how soon it is over, whether
// anything acknowledged is lost. Memory is looked at after each part, as it is and once V8 has collected its garbage; with `--floor`
// also that of a plain object in the same overload.

import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client, type Outcome, type Step, type Table } from './client.ts';
import { ours, plain } from './contenders.ts';
import { collectors, memory } from './heap.ts';
import { makeEvent, OPEN, people, SHUT } from './sale.ts';
import { Server } from './server.ts';
import * as steps from './steps.ts';
import { scratch } from './storage.ts';
import { table } from './table.ts';

const { values: args } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    parts: { type: 'string', default: '1' },
    // Beyond some hundreds the runtime starves those that came first, before the Worker sees them: docs/BENCHMARKS.md.
    connections: { type: 'string', default: '512' },
    // As many as saturate one core.
    newcomers: { type: 'string', default: '64' },
    floor: { type: 'boolean', default: false },
  },
});
const TIMES_SATURATION = 3;
const INSIDE_PER_S = 10;
/** How long holds keep the event loop turning while garbage is collected. */
const TURNS_S = 3;
const RECOVERY_S = [1, 2, 3, 4, 5];
const [seconds, parts, connections, newcomers] = [args.seconds, args.parts, args.connections, args.newcomers].map(Number) as [number, number, number, number];
const measure_ms = (seconds * 1000) / parts;

const folder = scratch('overload');
// Two clients side by side, each with its own plans.
const client = new Client(folder, undefined);
const inside = new Client(mkdtempSync(join(folder, 'inside-')), undefined);
const [worker, ...others] = ours(folder);
const limit = `(name = "NEWCOMERS_MAX", text = "${newcomers}")`;
const server = await Server.start([{ ...worker!, bindings: [...(worker!.bindings ?? []), limit] }, ...others], { inspect: true });
const crowd = 'evt_overload';
const shop = 'evt_shop';
await makeEvent(server, crowd, 10_000, SHUT);
await makeEvent(server, shop, 10_000, OPEN);

const closed = { arrivals: { closed: { people: 64 } }, connections: 64 };
const open = (per_s: number) => ({ arrivals: { open: { per_s } }, connections });

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

/** Joins that were let through, by the table of their tokens. */
const lines = (path: string): number => readFileSync(path, 'utf8').split('\n').length - 2;

async function waiting(): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 1500));
  return ((await (await fetch(`http://${server.address}/api/v1/queue/stats?event_id=${crowd}`)).json()) as { waiting: number }).waiting;
}

const saturated = (of: Server, step: Step): Promise<Outcome> => client.run(of, { steps: [step], ...closed, warmup_ms: 1000, measure_ms: 3000 });
const recover = (per_s: number): Promise<Outcome> =>
  client.run(server, { steps: [steps.join(crowd)], ...open(per_s), warmup_ms: 0, measure_ms: 1000 }, true);

/** Those inside hold seats for so long. */
async function holds(measure_ms: number): Promise<Outcome> {
  const outcome = await inside.run(server, { steps: [steps.hold(shop)], ...open(INSIDE_PER_S), warmup_ms: 0, measure_ms, rows }, true);
  rows = { ...rows, skip: outcome.taken };
  return outcome;
}

const ms = (value = 0): string => value.toFixed(0);
const report: string[][] = [];
const after: Outcome[] = [];
const heaps = await collectors(server, worker!.name, ...others.map(({ name }) => name));
let rows = await admitted(INSIDE_PER_S * (seconds + 10 + parts * TURNS_S));
const most = await saturated(server, steps.join(crowd));
const before = await waiting();
let kept = 0;
for (let part = 1; part <= parts; part++) {
  const out = client.path('acknowledged.tsv');
  const [joins, beside] = await Promise.all([
    client.run(server, { steps: [steps.join(crowd)], ...open(most.per_s * TIMES_SATURATION), warmup_ms: 0, measure_ms, out, keep: ['waiting_token'] }, true),
    holds(measure_ms),
  ]);
  kept += lines(out);
  if (part === parts) for (const _ of RECOVERY_S) after.push(await recover(most.per_s / 4));
  const { 503: shed = 0, ...wrong } = joins.unexpected;
  const other = JSON.stringify([wrong, beside.unexpected]);
  report.push([
    String(part), ms(joins.per_s), ms(shed / joins.seconds), String(joins.unanswered), String(beside.completed), ms(beside.steps[0]?.p50_ms),
    ms(beside.steps[0]?.p95_ms), other, ...(await memory(server, heaps, () => holds(TURNS_S * 1000))),
  ]);
}
const inLine = (await waiting()) - before - after.reduce((sum, { completed }) => sum + completed, 0);

console.log(`joins at saturation: ${ms(most.per_s)}/s, P95 ${ms(most.steps[0]?.p95_ms)} ms. At ${TIMES_SATURATION} times that over ${connections} connections, ${newcomers} newcomers at once, in parts of ${measure_ms / 1000} s:\n`);
console.log(table(
  ['part', 'joins/s', '503/s', 'without answer', `holds, ${INSIDE_PER_S}/s`, 'P50 ms', 'P95 ms', 'other statuses', 'MiB', 'collected', 'V8'],
  report,
));
console.log(`\nafter it, at a quarter of saturation:\n\n${table(
  ['second', 'joins/s', 'P50 ms', 'P95 ms', 'other statuses'],
  after.map(({ per_s, steps: [step], unexpected }, i) => [String(RECOVERY_S[i]), ms(per_s), ms(step?.p50_ms), ms(step?.p95_ms), JSON.stringify(unexpected)]),
)}`);
console.log(`\nacknowledged during the overload: ${kept}; in the line because of it: ${inLine}${inLine >= kept ? ', nothing lost' : ', LOST'}`);

if (args.floor) {
  server.stop();
  const floor = await Server.start(plain, { inspect: true });
  const heap = await collectors(floor, floor.name);
  const step = steps.plainJoin(crowd);
  const { per_s } = await saturated(floor, step);
  const grown: string[][] = [];
  for (let part = 1; part <= parts; part++) {
    const joins = await client.run(floor, { steps: [step], ...open(per_s * TIMES_SATURATION), warmup_ms: 0, measure_ms }, true);
    grown.push([String(part), ms(joins.per_s), String(joins.unanswered), ...(await memory(floor, heap, () => saturated(floor, step)))]);
  }
  console.log(`\na plain object at ${TIMES_SATURATION} times its saturation of ${ms(per_s)}/s:\n\n${table(['part', 'joins/s', 'without answer', 'MiB', 'collected', 'V8'], grown)}`);
}
process.exit(inLine >= kept ? 0 : 1);
