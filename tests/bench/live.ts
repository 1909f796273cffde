// `node tests/bench/live.ts [--seats 1000,5000] [--places 2000] [--holds N] [--seconds N]`: how soon a hold is on every
// page that watches the seats, and how soon those in line hear of their place; on raw workerd, pages on the other processor.

import { parseArgs } from 'node:util';
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../until.ts';
import { fanout, ours, wrapped } from './contenders.ts';
import { Pages } from './pages.ts';
import { CLIENT_CPU, SERVER_CPU } from './processors.ts';
import { makeEvent, OPEN, user } from './sale.ts';
import { Server, type Service } from './server.ts';
import { scratch } from './storage.ts';
import { table } from './table.ts';
import { cpuMs } from './usage.ts';

const { values: args } = parseArgs({
  options: {
    seats: { type: 'string', default: '1000,5000,9900' },
    places: { type: 'string', default: '2000' },
    holds: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '20' },
  },
});
const counts = (list: string): number[] => list.split(',').map(Number).filter((count) => count > 0);
const PATIENCE_MS = 60_000;
const BETWEEN_MS = 50;
/** Changes that are made before any is counted: a new isolate compiles what it runs often. */
const WARM_UP = 20;
const ADMIT_PER_S = 20;
const WINDOW_SEC = 600;

// This process reads what the pages print, and shares their processor.
if (CLIENT_CPU !== undefined) spawnSync('taskset', ['-pc', String(CLIENT_CPU), String(process.pid)]);
const folder = scratch('live');
const start = (services: Service[]): Promise<Server> => Server.start(services, { cpu: SERVER_CPU });

/** A call that must be granted; its body. */
async function call(server: Server, method: string, path: string, body: object | undefined, jwt?: string): Promise<any> {
  const headers = { 'content-type': 'application/json', 'idempotency-key': randomUUID(), ...(jwt && { authorization: `Bearer ${jwt}` }) };
  const response = await fetch(`http://${server.address}/api/v1${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** Somebody who was let in: their JWT and reservation token. */
async function shopper(server: Server, event: string): Promise<[string, string]> {
  const jwt = user();
  const { waiting_token } = await call(server, 'POST', '/queue/join', { event_id: event }, jwt);
  const { reservation_token } = await until('entering', PATIENCE_MS, () => call(server, 'POST', '/queue/enter', { waiting_token }, jwt));
  return [jwt, reservation_token];
}

const percentile = (sorted: number[], share: number): string => (sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? NaN).toFixed(1);
const percentiles = (values: number[]): string[] => {
  const sorted = values.toSorted((a, b) => a - b);
  return [0.5, 0.95, 0.99, 1].map((share) => percentile(sorted, share));
};

/** Pages that watch the seats, and when each of them was told of which change. */
class Watched {
  readonly pages: Pages;
  readonly came = new Map<number, number[]>();
  readonly #count: number;
  #disorder = 0;

  constructor(server: Server, path: string, count: number) {
    const stood = new Int32Array(count).fill(-1);
    this.#count = count;
    this.pages = new Pages(server.address, Array(count).fill(path), CLIENT_CPU, (page, text, at) => {
      const seq = Number(/"seq":(\d+)/.exec(text)?.[1] ?? NaN);
      if (text.startsWith('{"type":"snapshot"')) stood[page] = seq;
      if (!text.startsWith('{"type":"delta"')) return;
      if (seq !== stood[page]! + 1) this.#disorder += 1;
      stood[page] = seq;
      this.came.get(seq)?.push(at) ?? this.came.set(seq, [at]);
    });
  }

  /** Makes `changes` changes, each when the one before is everywhere. */
  async follow(changes: number, change: (index: number) => Promise<void>): Promise<void> {
    for (let index = 0; index < changes; index++) {
      await change(index);
      await until(`change ${index + 1} on every page`, PATIENCE_MS, () => this.came.get(index + 1)?.length === this.#count);
      await pause(BETWEEN_MS);
    }
  }

  /** From `decided` to the frame, over all pages, and to the first one; in order or not. */
  row(decided: (seq: number) => number): string[] {
    const counted = [...this.came].filter(([seq]) => seq > WARM_UP);
    const waits = counted.flatMap(([seq, ats]) => ats.map((at) => at - decided(seq)));
    const firsts = counted.map(([seq, ats]) => ats.reduce((a, b) => Math.min(a, b)) - decided(seq));
    const right = this.#disorder + this.pages.ended === 0;
    return [...percentiles(waits), percentiles(firsts)[0]!, right ? 'yes' : `NO: ${this.#disorder}, ${this.pages.ended} ended`];
  }
}

/** The processor time of `work` in µs a frame: the server's, the pages'. */
async function spent(server: Server, pages: Pages, frames: number, work: () => Promise<void>): Promise<string[]> {
  const before = [cpuMs(server.pid), cpuMs(pages.pid)];
  await work();
  return [server.pid, pages.pid].map((pid, at) => (((cpuMs(pid) - before[at]!) * 1000) / frames).toFixed(0));
}

/** From a hold to its frame on every page. */
async function seats(count: number): Promise<string[]> {
  const server = await start(ours(folder));
  const event = 'evt_live';
  // One lane means one object with all the sockets: here several would only wait for each other's thread.
  await makeEvent(server, event, 2000, { ...OPEN, lanes: 1 });
  const watched = new Watched(server, `/api/v1/events/${event}/live`, count);
  await watched.pages.opened;
  const people: [string, string][] = [];
  for (let each = 0; each < WARM_UP + Number(args.holds); each++) people.push(await shopper(server, event));
  await pause(1000);
  const us = await spent(server, watched.pages, count * people.length, () => watched.follow(people.length, async (index) => {
    const [jwt, reservation_token] = people[index]!;
    await call(server, 'POST', '/reservations', { event_id: event, reservation_token, quantity: 2 }, jwt);
  }));
  // The ledger has the inventory's clock, which is this machine's.
  const { entries } = await call(server, 'GET', `/admin/events/${event}/ledger?limit=1000`, undefined, user('admin'));
  const decided = new Map<number, number>(entries.map(({ seq, at }: { seq: number; at: string }) => [seq, Date.parse(at)]));
  watched.pages.close();
  server.stop();
  return [`${count} pages`, ...watched.row((seq) => decided.get(seq)!), ...us];
}

/** The same of an object that does nothing else. */
async function floor(count: number): Promise<string[]> {
  const server = await start(fanout);
  const watched = new Watched(server, '/live', count);
  await watched.pages.opened;
  const decided: number[] = [];
  const us = await spent(server, watched.pages, count * (WARM_UP + Number(args.holds)), () => watched.follow(WARM_UP + Number(args.holds), async () => {
    const { at } = (await (await fetch(`http://${server.address}/`, { method: 'POST' })).json()) as { at: number };
    decided.push(at);
  }));
  watched.pages.close();
  server.stop();
  return [`– an object that does nothing else`, ...watched.row((seq) => decided[seq - 1]!), ...us];
}

/** From being ready to the frame that says so, and from one frame of a place to the next. */
async function line(count: number): Promise<string[]> {
  const server = await start(wrapped(ours(folder), 'counted.js'));
  const event = 'evt_line';
  await makeEvent(server, event, 100_000, { admit_per_sec: ADMIT_PER_S, burst: 1, max_active: 100_000, entry_window_sec: WINDOW_SEC });
  const tokens: string[] = [];
  await Promise.all(Array.from({ length: 32 }, async () => {
    while (tokens.length < count) tokens.push((await call(server, 'POST', '/queue/join', { event_id: event })).waiting_token);
  }));
  const heard = new Float64Array(count);
  const ready = new Set<number>();
  let [gaps, late]: number[][] = [[], []];
  const paths = tokens.map((token) => `/api/v1/queue/live?token=${encodeURIComponent(token)}`);
  const pages = new Pages(server.address, paths.slice(0, count), CLIENT_CPU, (page, text, at) => {
    if (text.includes('"ready_for_entry":true')) {
      if (ready.has(page)) return;
      ready.add(page);
      late!.push(at - (Date.parse(JSON.parse(text).ready_expires_at) - WINDOW_SEC * 1000));
    } else if (heard[page]) gaps!.push(at - heard[page]!);
    heard[page] = at;
  });
  await pages.opened;
  [gaps, late] = [[], []];
  const before = await calls(server);
  const cpu = cpuMs(server.pid);
  const began = performance.now();
  await pause(Number(args.seconds) * 1000);
  const seconds = (performance.now() - began) / 1000;
  const share = (cpuMs(server.pid) - cpu) / (seconds * 1000);
  const per_s = ((await calls(server)) - before) / seconds;
  pages.close();
  server.stop();
  return [`${count} places`, String(late.length), ...percentiles(late), ...percentiles(gaps).slice(0, 3), share.toFixed(2), per_s.toFixed(1)];
}

/** How often a queue was asked anything so far. */
const calls = async (server: Server): Promise<number> => Number(await (await fetch(`http://${server.address}/bench/queue-calls`)).text());

const watched: string[][] = [];
for (const count of counts(args.seats)) watched.push(await seats(count), await floor(count));
if (watched.length > 0) {
  console.log('A hold, from the decision to the frame on every page:\n');
  console.log(table(['', 'P50 ms', 'P95 ms', 'P99 ms', 'P100 ms', 'first page ms', 'all in order', 'server µs a frame', 'pages µs'], watched));
}
const waited: string[][] = [];
for (const count of counts(args.places)) waited.push(await line(count));
if (waited.length > 0) {
  console.log('\nA place in line, from being ready to the frame, and from one frame to the next:\n');
  console.log(table(['', 'became ready', 'P50 ms', 'P95 ms', 'P99 ms', 'P100 ms', 'next P50', 'next P95', 'next P99', 'server cores', 'queue calls/s'], waited));
}
process.exit(0);
