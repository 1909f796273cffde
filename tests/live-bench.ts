// How fast seats and places reach sockets. The Worker, its runtime and all pages share one machine.
//
//   make build && . scripts/env.sh && node tests/live-bench.ts SOCKETS HOLDS PLACES

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Caller, granted } from './client.ts';
import { Server } from './harness.ts';
import { until } from './until.ts';

const [sockets = 1000, holds = 30, places = 0] = process.argv.slice(2).map(Number);
const PATIENCE_MS = 120_000;
/** Sockets that are being opened at the same time. */
const AT_ONCE = 50;

const server = new Server({});
await server.start();
await server.prepare();

/** Opens `count` sockets; each message goes to `heard`. */
async function open(count: number, path: (index: number) => string, heard: (index: number, frame: any, at: number) => void): Promise<WebSocket[]> {
  const all: WebSocket[] = [];
  const base = server.url.replace('http', 'ws');
  const one = async (index: number): Promise<void> => {
    const socket = new WebSocket(new URL(`api/v1${path(index)}`, base));
    all.push(socket);
    const first = Promise.withResolvers<void>();
    socket.onmessage = ({ data }) => {
      heard(index, JSON.parse(String(data)), performance.now());
      first.resolve();
    };
    socket.onclose = ({ code }) => first.reject(new Error(`closed: ${code}`));
    await first.promise;
    socket.onclose = null;
  };
  let next = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (next < count) await one(next++);
  }));
  return all;
}

const percentile = (sorted: number[], share: number): number => sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? NaN;
const shown = (values: number[]): string => {
  const sorted = values.toSorted((a, b) => a - b);
  return [0.5, 0.95, 0.99, 1].map((share) => `P${share * 100} ${percentile(sorted, share).toFixed(1)} ms`).join(', ');
};

async function seats(): Promise<void> {
  const rows = Array.from({ length: 40 }, (_, row) => ({ id: String(row + 1), count: 50 }));
  const event = await server.event({ hold_ttl_sec: 600, sections: [{ id: 'A', price: 1, rows }] });
  const lastSeq = new Int32Array(sockets).fill(-1);
  const arrivals = new Map<number, number[]>();
  let outOfOrder = 0;
  const began = performance.now();
  const opened = await open(sockets, () => `/events/${event}/live`, (index, frame, at) => {
    if (frame.type === 'snapshot') lastSeq[index] = frame.seq;
    if (frame.type !== 'delta') return;
    if (frame.seq !== (lastSeq[index] ?? 0) + 1) outOfOrder += 1;
    lastSeq[index] = frame.seq;
    arrivals.get(frame.seq)?.push(at) ?? arrivals.set(frame.seq, [at]);
  });
  console.log(`${sockets} sockets opened in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  const shoppers: [Caller, string][] = [];
  for (let index = 0; index < holds; index++) {
    const user = server.user();
    shoppers.push([user, await user.admitted(event)]);
  }
  const fromRequest: number[] = [];
  for (const [index, [user, token]] of shoppers.entries()) {
    const asked = performance.now();
    granted(await user.reserve(event, token, { quantity: 2 }), 201);
    const seq = index + 1;
    await until(`change ${seq} at every socket`, PATIENCE_MS, () => (arrivals.get(seq)?.length ?? 0) === sockets);
    for (const at of arrivals.get(seq) ?? []) fromRequest.push(at - asked);
    await pause(50);
  }
  assert.equal(outOfOrder, 0, 'every change in order');
  // The ledger has the inventory's clock, which is this machine's.
  const { entries } = granted(await server.admin.get(`/admin/events/${event}/ledger?limit=100`));
  const decided = new Map<number, number>(entries.map(({ seq, at }: { seq: number; at: string }) => [seq, Date.parse(at)]));
  const fromDecision = [...arrivals].flatMap(([seq, ats]) => ats.map((at) => performance.timeOrigin + at - (decided.get(seq) ?? NaN)));
  console.log(`seats, ${sockets} sockets, ${holds} holds, ${fromRequest.length} frames, all in order`);
  console.log(`  from the hold's decision to the frame: ${shown(fromDecision.filter((ms) => !Number.isNaN(ms)))}`);
  console.log(`  from the hold's request to the frame:  ${shown(fromRequest)}`);
  for (const socket of opened) socket.close();
}

async function line(): Promise<void> {
  const queue = { admit_per_sec: 20, burst: 1, max_active: 100_000, entry_window_sec: 600, lanes: 4 };
  const event = await server.event({ queue, sections: [{ id: 'G', price: 1, capacity: 100_000 }] });
  const tokens: string[] = [];
  let next = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (next < places) {
      next += 1;
      tokens.push(await server.anyone().waits(event));
    }
  }));
  const readyAt = new Float64Array(places);
  const gaps: number[] = [];
  const heardAt = new Float64Array(places);
  const opened = await open(places, (index) => `/queue/live?token=${encodeURIComponent(tokens[index] ?? '')}`, (index, frame, at) => {
    if (!frame.ready_for_entry && heardAt[index]) gaps.push(at - (heardAt[index] ?? 0));
    heardAt[index] = at;
    if (frame.ready_for_entry && !readyAt[index]) {
      readyAt[index] = Date.now();
      lateness.push(Date.now() - (Date.parse(frame.ready_expires_at) - 600_000));
    }
  });
  lateness.length = 0;
  const began = Date.now();
  await pause(20_000);
  const seconds = (Date.now() - began) / 1000;
  console.log(`places, ${places} sockets, ${lateness.length} became ready in ${seconds.toFixed(0)} s`);
  console.log(`  from being ready to the frame:  ${shown(lateness)}`);
  console.log(`  from one frame of a place to the next: ${shown(gaps)}`);
  for (const socket of opened) socket.close();
}
const lateness: number[] = [];

if (sockets > 0) await seats();
if (places > 0) await line();
await server.stop();
process.exit(0);
