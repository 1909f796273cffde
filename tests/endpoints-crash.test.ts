// workerd is killed again and again while endpoints are told of sales: each gets everything of every event, in order.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { granted } from './client.ts';
import { type Envelope, Endpoint, endpoint, feed, upTo } from './endpoints.ts';
import { serve } from './harness.ts';
import { until } from './until.ts';

const KILLS = 4;
const EVENTS = 3;
/** Holds of each event between one kill and the next. */
const HOLDS = 4;
/** How long everything may take in the end: what was under way at a kill is tried again after a pause. */
const SETTLED_MS = 60_000;

/** Envelopes of the long backlog, over so many events: `ENVELOPES=7200` takes some minutes. */
const ENVELOPES = Number(process.env.ENVELOPES ?? 360);
const BACKLOG_EVENTS = 12;
/** How long the slow endpoint takes for each. */
const SLOW_MS = 150;
/** Buyers who hold at the same time. */
const BUYERS = 16;

const server = await serve();

/** How far what came goes, in order: what was under way at a kill may come again. */
function reached(sequences: number[], event: string): number {
  let last = 0;
  for (const sequence of sequences) {
    assert.ok(sequence <= last + 1, `${sequence} of ${event} came after ${last}`);
    last = Math.max(last, sequence);
  }
  return last;
}

const inOrder = (hook: Endpoint, event: string, last: number): boolean => reached(hook.sequences(event), event) === last;

test('whatever workerd is killed in, every endpoint is told everything, in order', async (t) => {
  const hooks = await Promise.all(upTo(2).map(() => endpoint(server)));
  const events = await Promise.all(upTo(EVENTS).map(() => server.event()));
  for (let kill = 1; kill <= KILLS; kill++) {
    await Promise.all(events.flatMap((event) => server.users(HOLDS).map((user) => user.holds(event))));
    // In the middle of deliveries: the first of this round has just come.
    const begun = (hook: Endpoint, event: string): boolean => hook.sequences(event).some((sequence) => sequence > HOLDS * (kill - 1));
    await until('a delivery', SETTLED_MS, () => hooks.some((hook) => events.some((event) => begun(hook, event))));
    await server.kill();
  }
  let told = 0;
  for (const event of events) {
    const { length } = await feed(server, event);
    told += length;
    for (const hook of hooks) await until(`everything of ${event}`, SETTLED_MS, () => inOrder(hook, event, length));
  }
  const came = hooks.map((hook) => hook.receiver.received.length);
  t.diagnostic(`${KILLS} kills, ${told} envelopes, deliveries to the two endpoints: ${came}`);
  assert.ok(told >= EVENTS * HOLDS * KILLS, `${told} envelopes`);
});

test('an endpoint that was down and one that is slow get all of a long backlog, in order, through a kill', async (t) => {
  const [down, slow] = [await endpoint(server), await endpoint(server)];
  down.receiver.respond = () => ({ status: 503 });
  let [now, most] = [0, 0];
  slow.receiver.respond = async () => {
    now += 1;
    most = Math.max(most, now);
    await pause(SLOW_MS);
    now -= 1;
    return { status: 204 };
  };
  const each = Math.ceil(ENVELOPES / BACKLOG_EVENTS);
  const sections = [{ id: 'A', price: 10_000, rows: [{ id: '1', count: each }] }];
  const events = await Promise.all(upTo(BACKLOG_EVENTS).map(() => server.event({ sections, hold_ttl_sec: 3600 })));
  const holds = upTo(each).flatMap(() => events);
  const buyer = async (): Promise<void> => {
    for (let event = holds.pop(); event !== undefined; event = holds.pop()) await server.user().holds(event);
  };
  await Promise.all(upTo(BUYERS).map(buyer));
  await until('a delivery', SETTLED_MS, () => slow.receiver.received.length > 0);
  await server.kill();

  const refused = down.receiver.received.length;
  down.receiver.respond = () => ({ status: 204 });
  granted(await down.post('enable'));
  const longest_ms = SETTLED_MS + each * SLOW_MS;
  const began = performance.now();
  const goes = (hook: Endpoint, event: string, from = 0): number => {
    const of = hook.receiver.received.slice(from).map(({ body }) => JSON.parse(body) as Envelope);
    return reached(of.filter((envelope) => envelope.event_id === event).map(({ sequence }) => sequence), event);
  };
  // Looked at when about as much has come as must: reading everything again and again would take longer than sending it.
  await until('as many as there are', longest_ms, () => down.receiver.received.length - refused >= each * BACKLOG_EVENTS);
  const took_ms = performance.now() - began;
  await until('as many as there are', longest_ms, () => slow.receiver.received.length >= each * BACKLOG_EVENTS);
  for (const event of events) {
    await until(`all of ${event}`, longest_ms, () => goes(down, event, refused) === each && goes(slow, event) === each);
  }
  t.diagnostic(`${each * BACKLOG_EVENTS} envelopes of ${BACKLOG_EVENTS} events; once it is up ${(took_ms / 1000).toFixed(1)} s; ${most} at once to the slow one`);
  assert.ok(most > 1, `${most} at once`);
});
