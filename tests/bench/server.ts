// A Worker on a workerd of its own: no proxy in front, storage in a temporary folder, stopped by its process id.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { isAbsolute, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const WORKERD = fileURLToPath(new URL('../../node_modules/.bin/workerd', import.meta.url));
const COMPATIBILITY_DATE = '2026-10-19';
const START_MS = 20_000;

/** One Worker of a configuration. */
export interface Service {
  /** In camel case: it becomes a constant's name. */
  name: string;
  /** Module names and where their contents are; the first one is the entry. */
  modules: { name: string; path: string; kind: 'esModule' | 'wasm' }[];
  /** Classes of objects by binding. */
  objects?: Record<string, string>;
  /** Bindings as they stand in the configuration. */
  bindings?: string[];
  flags?: string[];
}

const quoted = (text: string): string => JSON.stringify(text);

function constant({ name, modules, objects = {}, bindings = [], flags = [] }: Service): string {
  const classes = Object.entries(objects);
  return `const ${name} :Workerd.Worker = (
  compatibilityDate = "${COMPATIBILITY_DATE}",
  compatibilityFlags = [${flags.map(quoted).join(', ')}],
  modules = [${modules.map(({ name, path, kind }) => `(name = ${quoted(name)}, ${kind} = embed ${quoted(path)})`).join(', ')}],
  durableObjectNamespaces = [${classes.map(([, c]) => `(className = "${c}", uniqueKey = "${name}-${c}", enableSql = true)`).join(', ')}],
  ${classes.length > 0 ? 'durableObjectStorage = (localDisk = "storage"),' : ''}
  bindings = [${[...classes.map(([binding, c]) => `(name = "${binding}", durableObjectNamespace = "${c}")`), ...bindings].join(', ')}],
);
`;
}

/** The configuration of some Workers, the first of which is served. */
function configuration(services: Service[], port: number, storage: string): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "storage", disk = (path = ${quoted(storage)}, writable = true)),
    ${services.map(({ name }) => `(name = "${name}", worker = .${name})`).join(', ')}
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "${services[0]?.name}")],
);
${services.map(constant).join('')}`;
}

/** The same with paths that begin at `folder`: in a configuration `/` is where the schema is. */
function near(service: Service, folder: string): Service {
  const from = (path: string): string => (isAbsolute(path) ? relative(folder, path) : path);
  const bindings = service.bindings?.map((binding) => binding.replace(/(?<=embed ")[^"]+/, from));
  return { ...service, modules: service.modules.map((module) => ({ ...module, path: from(module.path) })), ...(bindings && { bindings }) };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

export interface Options {
  /** The one processor that it may use, where the machine can bind it. */
  cpu?: number | undefined;
  /** Serve V8's inspector. */
  inspect?: boolean;
  /** How often it is asked whether it answers yet. */
  ask_ms?: number;
  /** Where it stores, for whoever starts the same again; otherwise in a folder that goes with it. */
  storage?: string;
}

const running = new Set<Server>();
process.once('exit', () => running.forEach((server) => server.stop()));

export class Server {
  readonly name: string;
  readonly address: string;
  readonly inspector: string | undefined;
  readonly #folder: string;
  readonly #child: ChildProcess;

  private constructor(name: string, address: string, inspector: string | undefined, folder: string, child: ChildProcess) {
    [this.name, this.address, this.inspector, this.#folder, this.#child] = [name, address, inspector, folder, child];
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Whether its process is gone. */
  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Starts the first of `services`, with the others behind it, and waits until it answers. */
  static async start(services: Service[], { cpu, inspect = false, ask_ms = 100, storage }: Options = {}): Promise<Server> {
    const name = services[0]?.name ?? '';
    const folder = mkdtempSync(join(tmpdir(), `bench-${name}-`));
    const port = await freePort();
    const inspector = inspect ? `127.0.0.1:${await freePort()}` : undefined;
    const config = join(folder, 'config.capnp');
    writeFileSync(config, configuration(services.map((service) => near(service, folder)), port, storage ?? folder));
    const pin = cpu === undefined ? [] : ['taskset', '-c', String(cpu)];
    const look = inspector ? [`--inspector-addr=${inspector}`] : [];
    const [command = '', ...args] = [...pin, WORKERD, 'serve', '--experimental', ...look, config];
    const log = openSync(join(folder, 'log'), 'w');
    const child = spawn(command, args, { stdio: ['ignore', log, log], detached: false });
    const server = new Server(name, `127.0.0.1:${port}`, inspector, folder, child);
    running.add(server);
    await server.#answers(ask_ms);
    return server;
  }

  async #answers(ask_ms: number): Promise<void> {
    const deadline = Date.now() + START_MS;
    for (;;) {
      if (this.hasEnded) throw new Error(`${this.name} ended: ${readFileSync(join(this.#folder, 'log'), 'utf8').slice(-2000)}`);
      try {
        await fetch(`http://${this.address}/healthz`);
        return;
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, ask_ms));
      }
    }
  }

  stop(): void {
    running.delete(this);
    if (!this.hasEnded) this.#child.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** The same; returns when its process is gone, and with it every lock on its files. */
  async end(): Promise<void> {
    const gone = this.hasEnded ? undefined : once(this.#child, 'exit');
    this.stop();
    await gone;
  }
}
