// The built Worker on a workerd of its own: started once per test file, with its storage in a temporary folder.
// What is bound comes from wrangler.toml, so that there is no second list of bindings to keep in step.

import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { subscribe } from 'node:diagnostics_channel';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare, type V4WorkerOptionsShape } from 'miniflare';
import { unstable_getMiniflareWorkerOptions, unstable_splitSqlQuery } from 'wrangler';
import { Caller, granted, SOON_MS } from './client.ts';
import { claimsOf, headerOf, hs256, type Claims } from './tokens.ts';
import { until } from './until.ts';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));
export const JWT_SECRET = 'tests-jwt-0f3d9a1c7be24e6598d1aa20c4f7b3e8';
export const PAYMENT_WEBHOOK_SECRET = 'tests-payments-5b1e7c02d94f4a36a8c3f0e97d21b6a4';
export const PAYMENT_DELAY_MS = 150;

const VARS = {
  ENVIRONMENT: 'development',
  JWT_SECRET,
  PAYMENT_WEBHOOK_SECRET,
  PAYMENT_DELAY_MS: String(PAYMENT_DELAY_MS),
  RATE_LIMIT_RPS: '0',
};

/** How long a start may take on a busy machine. */
const START_MS = 30_000;

// Node tells of every process it starts. Those of workerd are kept, to be killed by id and never by name.
const workerds = new Set<ChildProcess>();
const folders = new Set<string>();
subscribe('child_process', (message) => {
  const child = (message as { process: ChildProcess }).process;
  child.once('spawn', () => /workerd/.test(child.spawnfile) && workerds.add(child));
});
const alive = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null;

// However a test file ends, nothing of it stays behind.
function sweep(): void {
  for (const child of workerds) if (alive(child)) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}
process.once('exit', sweep);
process.once('uncaughtExceptionMonitor', sweep);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));

export type EventSettings = Record<string, any>;

/** A small event on sale: section A with 5 rows of 10 seats at 10000, everybody let in at once. */
export const SMALL: EventSettings = {
  name: 'Test',
  queue: { admit_per_sec: 10_000, burst: 10_000, max_active: 10_000, lanes: 2 },
  sections: [{ id: 'A', price: 10_000, rows: [1, 2, 3, 4, 5].map((row) => ({ id: String(row), count: 10 })) }],
};

export class Server {
  readonly folder = mkdtempSync(join(tmpdir(), 'traffic-tacos-'));
  readonly vars: Record<string, string>;
  /** What the Worker wrote to its log, a line each. */
  readonly log: string[] = [];
  url = '';
  #miniflare: Miniflare | undefined;
  #admin: Caller | undefined;
  #issued: { header: Claims; claims: Claims } | undefined;

  constructor(vars: Record<string, string>) {
    this.vars = { ...VARS, ...vars };
    folders.add(this.folder);
  }

  async start(): Promise<void> {
    this.#miniflare = new Miniflare(this.#options());
    this.url = (await this.#miniflare.ready).href;
  }

  async prepare(): Promise<void> {
    const migrations = readdirSync(join(ROOT, 'migrations')).filter((name) => name.endsWith('.sql')).sort();
    const files = [...migrations.map((name) => join('migrations', name)), join('seeds', 'development.sql')];
    const db = await this.#running.getD1Database('DB');
    for (const file of files) {
      const statements = unstable_splitSqlQuery(readFileSync(join(ROOT, file), 'utf8'));
      await db.batch(statements.map((statement) => db.prepare(statement)));
    }
    const { token } = granted(await this.anyone().post('/auth/login', { username: 'admin', password: 'admin-dev' }));
    this.#issued = { header: headerOf(token), claims: claimsOf(token) };
    this.#admin = new Caller(this.url, token);
  }

  #options(): ConstructorParameters<typeof Miniflare>[0] {
    const { workerOptions, main } = unstable_getMiniflareWorkerOptions(join(ROOT, 'wrangler.toml'));
    const { modulesRules: _, assets, bindings, ...bound } = workerOptions as V4WorkerOptionsShape;
    const script = main ?? join(ROOT, 'workers/gateway/build/index.js');
    const wasm = join(script, '../index_bg.wasm');
    return convertV4MiniflareOptions({
      host: '127.0.0.1',
      port: this.url ? Number(new URL(this.url).port) : 0,
      cf: false,
      log: new Log(LogLevel.NONE),
      logRequests: false,
      telemetry: { enabled: false },
      unsafeLocalExplorer: false,
      unsafeObservability: false,
      resourcePersistencePath: this.folder,
      handleStructuredLogs: ({ message }) => this.log.push(message),
      workers: [
        {
          ...bound,
          ...(assets && existsSync(assets.directory) && { assets }),
          name: this.#name,
          modulesRoot: join(script, '..'),
          modules: [
            { type: 'ESModule', path: script, contents: readFileSync(script, 'utf8') },
            { type: 'CompiledWasm', path: wasm, contents: readFileSync(wasm) },
          ],
          bindings: { ...bindings, ...this.vars },
        },
      ],
    });
  }

  get #name(): string {
    return /^name\s*=\s*"([^"]+)"/m.exec(readFileSync(join(ROOT, 'wrangler.toml'), 'utf8'))?.[1] ?? 'traffic-tacos';
  }

  get #running(): Miniflare {
    assert.ok(this.#miniflare, 'the server runs');
    return this.#miniflare;
  }

  /** Stops, and starts again on the same storage; `meanwhile` has it to itself. */
  async restart(meanwhile = (): void => {}): Promise<void> {
    await this.#running.dispose();
    meanwhile();
    await this.start();
  }

  /** The database files of all objects of a class. */
  files(className: string): string[] {
    return readdirSync(this.folder, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.includes(className) && path.endsWith('.sqlite') && !path.endsWith('metadata.sqlite'))
      .map((path) => join(this.folder, path));
  }

  /** Kills workerd in the middle of whatever it does; Miniflare starts it again on the same storage. */
  async kill(): Promise<void> {
    const victims = [...workerds].filter(alive);
    assert.equal(victims.length, 1, 'one workerd runs per test file that kills it');
    victims[0]?.kill('SIGKILL');
    await until('the end of workerd', START_MS, () => victims.every((child) => !alive(child)));
    await until('a new workerd', START_MS, async () => (await fetch(new URL('/healthz', this.url))).ok);
  }

  /** Drops an object's memory; whether it had any. */
  async evict(className: string, name: string): Promise<boolean> {
    try {
      await this.#running.unsafeEvictDurableObject(this.#name, className, { name });
      return true;
    } catch (error) {
      if (error instanceof Error && error.message.includes('not currently running')) return false;
      throw error;
    }
  }

  /** Runs a statement in D1, for what no call of the contract can bring about. */
  async sql(statement: string, ...values: unknown[]): Promise<void> {
    const db = await this.#running.getD1Database('DB');
    await db.prepare(statement).bind(...values).run();
  }

  /** Rows of D1, for what no call of the contract shows. */
  async rows(statement: string, ...values: unknown[]): Promise<Record<string, unknown>[]> {
    const db = await this.#running.getD1Database('DB');
    return (await db.prepare(statement).bind(...values).all()).results;
  }

  async stop(): Promise<void> {
    await this.#miniflare?.dispose();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Nobody in particular. */
  anyone(): Caller {
    return new Caller(this.url);
  }

  get admin(): Caller {
    assert.ok(this.#admin, 'the server was prepared');
    return this.#admin;
  }

  /** A token like those the server issues, with `claims` in place of its own; undefined ones are left out. */
  mint(claims: Claims, header: Claims = {}): string {
    assert.ok(this.#issued, 'the server was prepared');
    const iat = Math.floor(Date.now() / 1000);
    const sub = randomUUID();
    const own = { sub, username: `user-${sub}`, role: 'user', iat, exp: iat + 3600 };
    const { iss, aud } = this.#issued.claims;
    return hs256(this.vars.JWT_SECRET ?? '', { iss, aud, ...own, ...claims }, { ...this.#issued.header, ...header });
  }

  /** A new user, signed in. */
  user(): Caller {
    return new Caller(this.url, this.mint({}));
  }

  users(count: number): Caller[] {
    return Array.from({ length: count }, () => this.user());
  }

  /** Makes an event of its own for a test: `SMALL` with what is given in its place. */
  async event(settings: EventSettings = {}): Promise<string> {
    const id = `evt_${randomBytes(6).toString('hex')}`;
    const { queue, ...rest } = settings;
    granted(await this.admin.put(`/admin/events/${id}`, { ...SMALL, ...rest, queue: { ...SMALL.queue, ...queue } }), 201);
    return id;
  }

  /** Every entry of an event's ledger, in order. */
  async ledger(event: string): Promise<any[]> {
    const entries: any[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: any = granted(await this.admin.get(`/admin/events/${event}/ledger${cursor && `?cursor=${cursor}`}`));
      entries.push(...page.entries);
      cursor = page.next_cursor;
    }
    return entries;
  }

  /** Awaits an entry of the ledger. */
  recorded(event: string, reservation_id: string, type: string, within = SOON_MS): Promise<any> {
    return until(`${type} in the ledger`, within, async () =>
      (await this.ledger(event)).find((entry) => entry.reservation_id === reservation_id && entry.type === type),
    );
  }
}

/** Starts a server with the development data. It ends with the test file. */
export async function serve(vars: Record<string, string> = {}): Promise<Server> {
  const server = new Server(vars);
  after(() => server.stop());
  await server.start();
  await server.prepare();
  return server;
}
