// `node tests/bench/profile.ts WORK`: where the processor time of a work goes, by V8's sampling profiler on
// workerd while the work runs at saturation. Wasm functions have their names: it runs the build that keeps them.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, type Step, type Table } from './client.ts';
import { ours, ROOT } from './contenders.ts';
import { Inspector } from './inspector.ts';
import { PEOPLE } from './round.ts';
import { makeEvent, OPEN, people, SHUT } from './sale.ts';
import { Server } from './server.ts';
import * as steps from './steps.ts';
import { scratch } from './storage.ts';
import { table } from './table.ts';
import { settled } from './usage.ts';

const SAMPLE_US = 200;
const SHOWN = 45;
const TIMES = { warmup_ms: 500, measure_ms: 4000 };

interface Node {
  id: number;
  callFrame: { functionName: string; url: string; lineNumber: number; columnNumber: number };
  hitCount?: number;
  children?: number[];
}

/** Names without hashes and generic arguments. */
const plainName = (name: string): string => (name || '(anonymous)').replace(/::h[0-9a-f]{16}$/, '').slice(0, 110);

/** Self time by function and by kind, as shares of the busy samples. */
function report(nodes: Node[], perRequest: number): string {
  const self = new Map<string, number>();
  let busy = 0;
  let idle = 0;
  for (const { callFrame, hitCount = 0 } of nodes) {
    if (callFrame.functionName === '(idle)') { idle += hitCount; continue; }
    const wasm = callFrame.url.startsWith('wasm');
    const place = callFrame.functionName === '' ? ` ${callFrame.url.split('/').at(-1)}:${callFrame.lineNumber + 1}:${callFrame.columnNumber}` : '';
    const name = `${wasm ? 'wasm ' : ''}${plainName(callFrame.functionName)}${place}`;
    self.set(name, (self.get(name) ?? 0) + hitCount);
    busy += hitCount;
  }
  const rows = [...self].sort(([, a], [, b]) => b - a).slice(0, SHOWN);
  const share = (hits: number): string => `${((100 * hits) / busy).toFixed(1)} %`;
  const wasm = [...self].filter(([name]) => name.startsWith('wasm ')).reduce((sum, [, hits]) => sum + hits, 0);
  const lines = rows.map(([name, hits]) => [name, share(hits), ((perRequest * hits) / busy).toFixed(1)]);
  return `${table(['function', 'self', 'µs a request'], lines)}\n\nwasm ${share(wasm)}, idle samples ${idle} of ${idle + busy}`;
}

const [work = 'status'] = process.argv.slice(2);
const folder = scratch('profile');
const client = new Client(folder, undefined);
const server = await Server.start(ours(folder, 'named.wasm'), { inspect: true });
const event = 'evt_profile';
await makeEvent(server, event, 100_000, work === 'status' || work === 'join' ? SHUT : OPEN);

/** The steps before a work, one after the other for everybody, and what they leave. */
async function prepared(before: Step[], count: number): Promise<Table> {
  let rows = people(client, 'people.tsv', count);
  const keep = ['jwt', 'seat'];
  for (const step of before) {
    keep.push(...(step.take ?? []));
    const out = client.path(`${step.name}.tsv`);
    const arrivals = { closed: { people: PEOPLE } };
    // Whoever is told to come back is left out.
    await client.run(server, { steps: [step], arrivals, connections: PEOPLE, warmup_ms: 0, measure_ms: 120_000, rows, out, keep }, true);
    rows = { path: out };
  }
  return rows;
}

const WORKS: Record<string, { step: Step; before: Step[]; count: number; cycle?: boolean }> = {
  status: { step: steps.status, before: [steps.join(event)], count: 500, cycle: true },
  join: { step: steps.join(event), before: [steps.join(event)], count: 50, cycle: true },
  enter: { step: steps.enter, before: [steps.join(event)], count: 12_000 },
  hold: { step: steps.hold(event), before: [steps.join(event), steps.enter], count: 9000 },
  pay: { step: steps.pay, before: [steps.join(event), steps.enter, steps.hold(event), steps.intent], count: 600 },
};
const chosen = WORKS[work];
if (chosen === undefined) throw new Error(`no such work; there are ${Object.keys(WORKS).join(', ')}`);
const rows = await prepared(chosen.before, chosen.count);
await settled(server);
const counted = async (): Promise<Map<string, number>> => {
  const text = await (await fetch(`http://${server.address}/metrics`)).text();
  return new Map([...text.matchAll(/^(batch\w+\{.*\}) (\d+)$/gm)].map(([, name, value]) => [name!, Number(value)]));
};
const before = await counted();
const inspector = await Inspector.open(server.inspector!, 'ours');
await inspector.ask('Profiler.enable');
await inspector.ask('Profiler.setSamplingInterval', { interval: SAMPLE_US });
await inspector.ask('Profiler.start');
const outcome = await client.run(server, { steps: [chosen.step], arrivals: { closed: { people: PEOPLE } }, connections: PEOPLE, ...TIMES, rows, cycle: chosen.cycle ?? false });
const { profile } = await inspector.ask('Profiler.stop');
mkdirSync(join(ROOT, 'target/bench'), { recursive: true });
writeFileSync(join(ROOT, `target/bench/${work}.cpuprofile`), JSON.stringify(profile));
console.log(`${work}: ${outcome.per_s.toFixed(0)}/s, ${(outcome.server_cpu_us ?? 0).toFixed(0)} µs of processor time a request, with the profiler on\n`);
for (const [name, value] of await counted()) console.log(`${name} ${value - (before.get(name) ?? 0)} of ${outcome.completed} in ${outcome.seconds} s`);
console.log(report(profile.nodes, outcome.server_cpu_us ?? 0));
console.log(`\nbench: target/bench/${work}.cpuprofile opens in a browser's developer tools`);
process.exit(0);
