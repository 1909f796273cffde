// `node tests/bench/memory.ts MODULE`: the program `memory` of tests/rules in Wasm, as the platform runs the rules.

import { readFileSync } from 'node:fs';

const [path = ''] = process.argv.slice(2);
const { instance } = await WebAssembly.instantiate(readFileSync(path), {
  host: {
    print(at: number, bytes: number): void {
      const { buffer } = instance.exports.memory as WebAssembly.Memory;
      console.log(new TextDecoder().decode(new Uint8Array(buffer, at, bytes)));
    },
  },
});
(instance.exports.main as () => number)();
