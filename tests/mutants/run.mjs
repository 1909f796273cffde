// Builds one copy of the sources with every deliberate fault in it, each behind a switch, and runs the suite once per
// fault: the simulation from seed to seed until a promise is broken, then the tests of the rules.
//
//   node tests/mutants/run.mjs [--seeds N] [--only TEXT] [--from NUMBER]

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MUTANTS } from './list.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TREE = join(ROOT, 'target/mutants/tree');
const CRATES = ['domain', 'actors', 'workers/signing', 'verify/simulation'];
/** Longest time that the suite may take for one fault; one that hangs is caught. */
const PATIENCE_MS = 300_000;

const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1];
};
const seeds = option('seeds', '3000');
const only = option('only', '');
const from = Number(option('from', '1'));

const SWITCH = `
/// Whether this deliberate fault is switched on.
#[doc(hidden)]
pub fn mutant(number: u32) -> bool {
    static ON: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *ON.get_or_init(|| std::env::var("MUTANT").ok().and_then(|text| text.parse().ok()).unwrap_or(0)) == number
}
`;

function copy() {
  rmSync(TREE, { recursive: true, force: true });
  for (const crate of CRATES) {
    mkdirSync(join(TREE, crate), { recursive: true });
    cpSync(join(ROOT, crate), join(TREE, crate), { recursive: true });
  }
  const manifest = readFileSync(join(ROOT, 'Cargo.toml'), 'utf8');
  const members = CRATES.map((crate) => `"${crate}"`).join(', ');
  writeFileSync(join(TREE, 'Cargo.toml'), manifest.replace(/^members = .*$/m, `members = [${members}]`));
  cpSync(join(ROOT, 'Cargo.lock'), join(TREE, 'Cargo.lock'));
}

function mutate() {
  for (const [index, mutant] of MUTANTS.entries()) {
    const path = join(TREE, mutant.file);
    let text = readFileSync(path, 'utf8');
    const parts = text.split(mutant.find);
    if (parts.length !== 2) throw new Error(`"${mutant.name}": found ${parts.length - 1} times in ${mutant.file}: ${mutant.find}`);
    const crate = mutant.file.startsWith('domain/') ? 'crate' : 'domain';
    const on = `${crate}::mutant(${index + 1})`;
    const put = mutant.put.replaceAll(/\bIT\b/g, () => mutant.find).replaceAll(/\bON\b/g, on).replaceAll('NUMBER', String(index + 1));
    text = parts.join(put);
    if (mutant.constFn) text = text.replace(mutant.constFn, mutant.constFn.replace('const ', ''));
    writeFileSync(path, text);
  }
  const lib = join(TREE, 'domain/src/lib.rs');
  writeFileSync(lib, readFileSync(lib, 'utf8') + SWITCH);
}

function cargo(...args) {
  const env = { ...process.env, CARGO_TARGET_DIR: join(ROOT, 'target/mutants/target'), RUSTFLAGS: '-Awarnings' };
  return execFileSync('cargo', args, { cwd: TREE, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

function build() {
  cargo('build', '--quiet', '--profile', 'simulation', '-p', 'simulation', '--bin', 'simulate');
  const messages = cargo('test', '--quiet', '--no-run', '--lib', '-p', 'domain', '-p', 'signing', '-p', 'actors', '--message-format', 'json');
  const tests = messages.split('\n').filter(Boolean).map((line) => JSON.parse(line)).map((message) => message.executable).filter(Boolean);
  return { simulate: join(ROOT, 'target/mutants/target/simulation/simulate'), tests };
}

function run(program, args, number) {
  const env = { ...process.env, MUTANT: String(number), PROPTEST_CASES: '64', PROPTEST_DISABLE_FAILURE_PERSISTENCE: '1' };
  const { status, signal, stdout } = spawnSync(program, args, { env, encoding: 'utf8', timeout: PATIENCE_MS, maxBuffer: 1 << 28 });
  return { passed: status === 0, hung: signal !== null, stdout };
}

/** What catches a fault, in words; nothing if nothing does. */
function caught({ simulate, tests }, number) {
  const sale = run(simulate, ['--first', seeds], number);
  if (sale.hung) return 'simulation: hangs';
  if (!sale.passed) {
    const [, needed, why] = /broke a promise after (\d+) seeds: (.*)/.exec(sale.stdout) ?? [];
    return `simulation: seed ${needed}: ${(why ?? 'ended').slice(0, 110)}`;
  }
  for (const test of tests) {
    const outcome = run(test, ['--test-threads=2'], number);
    if (!outcome.passed) return `test: ${/^test (.*) \.\.\. FAILED/m.exec(outcome.stdout)?.[1] ?? 'hangs'}`;
  }
  return undefined;
}

copy();
mutate();
const programs = build();
const healthy = caught(programs, 0);
if (healthy) {
  console.log(`without any fault: ${healthy}`);
  process.exit(1);
}
let missed = 0;
let count = 0;
let bySeeds = 0;
for (const [index, mutant] of MUTANTS.entries()) {
  if (!mutant.name.includes(only) || index + 1 < from) continue;
  count += 1;
  const by = caught(programs, index + 1);
  if (!by) missed += 1;
  if (by?.startsWith('simulation')) bySeeds += 1;
  console.log(`${String(index + 1).padStart(2)} ${by ? 'caught' : 'MISSED'}  ${mutant.name}${by ? `  [${by}]` : ''}`);
}
console.log(`${count - missed} of ${count} faults caught, ${bySeeds} of them by the simulation within ${seeds} seeds`);
process.exit(missed === 0 ? 0 : 1);
