// Whether every deliberate fault still finds its place: part of `make check`, so that no change of a rule loses its mutant.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MUTANTS } from './list.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let lost = 0;
for (const { name, file, find } of MUTANTS) {
  const path = join(ROOT, file);
  const places = existsSync(path) ? readFileSync(path, 'utf8').split(find).length - 1 : 0;
  if (places === 1) continue;
  lost += 1;
  console.error(`"${name}": found ${places} times in ${file}: ${find}`);
}
const names = new Set(MUTANTS.map(({ name }) => name));
if (names.size !== MUTANTS.length) console.error('two faults have the same name');
process.exit(lost === 0 && names.size === MUTANTS.length ? 0 : 1);
