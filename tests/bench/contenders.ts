// What is measured against what: the Worker as built, an empty Worker, an empty object, a plain object.

import { copyFileSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Service } from './server.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const JWT_SECRET = 'bench-jwt-8d2f60b7c94e41d3a5f7e9b1c02d4a68';

const VARS: Record<string, string> = {
  ENVIRONMENT: 'development',
  JWT_SECRET,
  PAYMENT_WEBHOOK_SECRET: 'bench-payments-1f7a3c95e0d24b6887c5a9f3e1b2d406',
  PAYMENT_DELAY_MS: '600000',
  RATE_LIMIT_RPS: '0',
};

/** What the driver asks: tests/bench/questions. */
const QUESTIONS = join(ROOT, 'target/wasm32-unknown-unknown/bench-client/questions.wasm');

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const script = (name: string) => ({ name, path: here(name), kind: 'esModule' as const });
const text = (name: string, value: string): string => `(name = "${name}", text = ${JSON.stringify(value)})`;

export const hello: Service[] = [{ name: 'hello', modules: [script('hello.js')] }];
export const object: Service[] = [{ name: 'object', modules: [script('object.js')], objects: { EMPTY: 'Empty' } }];
export const fanout: Service[] = [{ name: 'fanout', modules: [script('fanout.js')], objects: { FANOUT: 'Fanout' } }];
export const plain: Service[] = [{ name: 'plain', modules: [script('plain.js')], objects: { SALE: 'Sale' } }];

/** Whether what goes to the queue comes back to the same process, or goes to another machine's consumer as on the network. */
export type Queue = 'consumed here' | 'consumed elsewhere';

/** Some Workers, the first of which has another one of ours around it, which counts something. */
export function wrapped([worker, ...others]: Service[], name: string): Service[] {
  return [{ ...worker!, modules: [script(name), ...worker!.modules] }, ...others];
}

/** Some Workers, the first of which is ours, behind one that asks its objects directly. */
export function driver(services: Service[]): Service[] {
  const classes = Object.entries(objectClasses());
  const namespace = ([binding, name]: [string, string]): string =>
    `(name = "${binding}", durableObjectNamespace = (className = "${name}", serviceName = "ours"))`;
  const asking: Service = {
    name: 'driver',
    modules: [script('driver.js'), { name: 'questions.wasm', path: QUESTIONS, kind: 'wasm' }],
    objects: { EMPTY: 'Empty' },
    bindings: [...classes.map(namespace), '(name = "OURS", service = "ours")'],
  };
  return [asking, ...services];
}

/** Bindings and classes of objects, as wrangler.toml has them. */
function objectClasses(): Record<string, string> {
  const toml = readFileSync(join(ROOT, 'wrangler.toml'), 'utf8');
  const pairs = toml.matchAll(/^\[\[durable_objects\.bindings\]\]\nname = "(\w+)"\nclass_name = "(\w+)"/gm);
  return Object.fromEntries([...pairs].map(([, binding, name]) => [binding, name]));
}

/**
 * The Worker as built, with a database and a queue; copied to `folder`, so that a build meanwhile does no harm.
 * `wasm` is which of the build's two it runs: what is deployed, or the same with the names of its functions.
 */
export function ours(folder: string, wasm: 'index_bg.wasm' | 'named.wasm' = 'index_bg.wasm', queue: Queue = 'consumed here'): Service[] {
  const build = join(ROOT, 'workers/gateway/build');
  const files = ['index.js', 'index_bg.wasm'];
  for (const name of files) {
    const built = join(build, name === 'index_bg.wasm' ? wasm : name);
    if (!existsSync(built)) throw new Error('there is no built Worker; run scripts/build.sh');
    copyFileSync(built, join(folder, name));
  }
  const migrations = readdirSync(join(ROOT, 'migrations')).filter((name) => name.endsWith('.sql')).sort();
  const schema = join(folder, 'schema.sql');
  writeFileSync(schema, migrations.map((name) => readFileSync(join(ROOT, 'migrations', name), 'utf8')).join('\n'));
  const worker: Service = {
    name: 'ours',
    modules: files.map((name) => ({ name, path: join(folder, name), kind: name.endsWith('wasm') ? ('wasm' as const) : ('esModule' as const) })),
    objects: objectClasses(),
    flags: ['no_nodejs_compat'],
    bindings: [
      ...Object.entries(VARS).map(([name, value]) => text(name, value)),
      '(name = "GATEWAY", service = (name = "ours", entrypoint = "Gateway"))',
      '(name = "SALE_EVENTS", queue = "broker")',
      '(name = "DB", wrapped = (moduleName = "cloudflare-internal:d1-api", innerBindings = [(name = "fetcher", service = "database")]))',
    ],
  };
  const database: Service = {
    name: 'database',
    modules: [script('d1.js')],
    objects: { DATABASE: 'Database' },
    bindings: [`(name = "SCHEMA", text = embed ${JSON.stringify(schema)})`],
  };
  const broker: Service = {
    name: 'broker',
    modules: [script('queue.js')],
    objects: { BROKER: 'Broker' },
    flags: ['service_binding_extra_handlers'],
    bindings: ['(name = "CONSUMER", service = "ours")', text('QUEUE', queue)],
  };
  return [worker, database, broker];
}
