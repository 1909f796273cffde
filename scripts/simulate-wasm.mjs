// Runs the simulation as WebAssembly and compares the hash of each seed with that of the native program.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const [module, native, count] = process.argv.slice(2);
const { instance } = await WebAssembly.instantiate(readFileSync(module), {});
let differ = 0;
for (let seed = 1n; seed <= BigInt(count); seed++) {
  const hash = BigInt.asUintN(64, instance.exports.simulate(seed)).toString(16).padStart(16, '0');
  const line = execFileSync(native, ['--seed', String(seed)], { encoding: 'utf8' });
  const expected = /hash ([0-9a-f]{16})/.exec(line)?.[1];
  if (hash !== expected) {
    differ += 1;
    console.log(`seed ${seed}: ${expected} natively, ${hash} as WebAssembly`);
  }
}
console.log(`${count} seeds: ${differ} differ between this machine and wasm32 under Node ${process.version}`);
process.exit(differ === 0 ? 0 : 1);
