// Runs the load client: a plan in, an outcome out.

import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './contenders.ts';
import type { Server } from './server.ts';

const CLIENT = join(ROOT, 'target/bench-client/load');
const LATEST_MS = 300_000;

export interface Step {
  name: string;
  method: string;
  path: string;
  headers?: [string, string][];
  body?: string;
  expect: number;
  take?: string[];
  until?: string;
  again_ms?: number;
}

export interface Figures {
  name: string;
  completed: number;
  per_s: number;
  mean_ms: number;
  p50_ms: number;
  p95_ms: number;
  p99_ms: number;
  max_ms: number;
}

export interface Outcome {
  seconds: number;
  completed: number;
  per_s: number;
  people: number;
  taken: number;
  dry: boolean;
  steps: Figures[];
  unexpected: Record<string, number>;
  unanswered: number;
  complaint: string | null;
  client_cpu: number;
  server_cpu_us: number | null;
  server_cpu: number | null;
  server_mib: number | null;
}

export type Quantile = 'p50_ms' | 'p95_ms' | 'p99_ms';
export const QUANTILES: Quantile[] = ['p50_ms', 'p95_ms', 'p99_ms'];

/** How long answers to a step took; for ever, where there was none as expected. */
export const late = (step: Figures, quantile: Quantile): number => (step.completed > 0 ? step[quantile] : Infinity);

/** The same of the slowest step: of the work itself where it has one step. */
export const latest = ({ steps }: Outcome, quantile: Quantile): number => Math.max(...steps.map((step) => late(step, quantile)));

/** Processor time of the server for an answer as expected, in µs; without end, where there was none. */
export const cpuUs = ({ server_cpu_us }: Outcome): number => server_cpu_us ?? Infinity;

/** Answers that were not expected, by status: `0` is a broken connection; and those that never came. */
export function unexpected(outcomes: Outcome[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { unexpected, unanswered } of outcomes) {
    for (const [status, count] of Object.entries({ ...unexpected, unanswered })) counts[status] = (counts[status] ?? 0) + count;
  }
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}

/** A table on disk, and how far it was read. */
export interface Table {
  path: string;
  skip?: number;
}

export interface Work {
  steps: Step[];
  arrivals: { closed: { people: number; over_ms?: number } } | { open: { per_s: number } };
  connections: number;
  warmup_ms: number;
  measure_ms: number;
  think_ms?: [number, number];
  rows?: Table;
  cycle?: boolean;
  out?: string;
  keep?: string[];
}

let runs = 0;

export class Client {
  readonly #folder: string;
  readonly #cpu: number | undefined;

  /** Plans and tables go to `folder`; the client runs on one processor where that can be bound. */
  constructor(folder: string, cpu: number | undefined) {
    [this.#folder, this.#cpu] = [folder, cpu];
  }

  /** A path for a table. */
  path(name: string): string {
    return join(this.#folder, name);
  }

  /** Writes a table. */
  table(name: string, columns: string[], lines: string[][]): Table {
    const path = this.path(name);
    writeFileSync(path, [columns, ...lines].map((line) => `${line.join('\t')}\n`).join(''));
    return { path };
  }

  /** One table of several with the same columns. */
  join(name: string, tables: Table[]): Table {
    const texts = tables.filter(({ path }) => existsSync(path)).map(({ path }) => readFileSync(path, 'utf8').split('\n'));
    const path = this.path(name);
    writeFileSync(path, `${texts[0]?.[0]}\n${texts.flatMap((lines) => lines.slice(1, -1)).map((line) => `${line}\n`).join('')}`);
    return { path };
  }

  /** The first lines of a table. */
  first(name: string, { path }: Table, count: number): Table {
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, count + 1);
    writeFileSync(this.path(name), `${lines.filter((line) => line !== '').join('\n')}\n`);
    return { path: this.path(name) };
  }

  /** Carries a work out; every answer but the expected ones is an error, unless `tolerant`. */
  async run(server: Server, work: Work, tolerant = false): Promise<Outcome> {
    const { rows, ...rest } = work;
    runs += 1;
    const nonce = `${process.pid.toString(36)}${runs.toString(36)}`;
    const plan = { address: server.address, server_pid: server.pid, nonce, ...rest, rows: rows?.path, skip: rows?.skip ?? 0 };
    const path = this.path('plan.json');
    writeFileSync(path, JSON.stringify(plan));
    const pinned = this.#cpu === undefined ? [CLIENT, path] : ['taskset', '-c', String(this.#cpu), CLIENT, path];
    const [command = '', ...args] = pinned;
    const { stdout } = await promisify(execFile)(command, args, { timeout: LATEST_MS + work.measure_ms });
    const outcome = JSON.parse(stdout) as Outcome;
    const wrong = Object.values(outcome.unexpected).reduce((sum, count) => sum + count, 0);
    if (!tolerant && wrong > 0) {
      throw new Error(`${server.name}: ${wrong} unexpected answers ${JSON.stringify(outcome.unexpected)}; the first: ${outcome.complaint}`);
    }
    return outcome;
  }
}
