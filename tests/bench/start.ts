// `node tests/bench/start.ts [--rounds N]`: how long the Worker takes from the start of its process to the first answer, and what of it
// is the runtime's own, by an empty Worker. Both compile their code anew each time; a deployment finds it compiled.

import { parseArgs } from 'node:util';
import { hello, ours } from './contenders.ts';
import { Server, type Service } from './server.ts';
import { median } from './stats.ts';
import { scratch } from './storage.ts';
import { table } from './table.ts';

const { values: args } = parseArgs({ options: { rounds: { type: 'string', default: '15' } } });
const ASK_MS = 1;

const folder = scratch('start');
const contenders: Record<string, Service[]> = { hello, ours: ours(folder) };
const found: Record<string, number[]> = { hello: [], ours: [] };
for (let round = 0; round < Number(args.rounds); round++) {
  for (const [name, services] of Object.entries(contenders)) {
    const began = performance.now();
    const server = await Server.start(services, { ask_ms: ASK_MS });
    found[name]!.push(performance.now() - began);
    server.stop();
  }
}
const ms = (value: number): string => value.toFixed(0);
const row = (name: string, all: number[]): string[] => [name, ms(median(all)), `${ms(Math.min(...all))}–${ms(Math.max(...all))}`];
console.log(table(['to the first answer', 'ms', 'spread'], Object.entries(found).map(([name, all]) => row(name, all))));
console.log(`\nthe Worker's own: ${ms(median(found.ours!) - median(found.hello!))} ms, median of ${args.rounds}`);
process.exit(0);
