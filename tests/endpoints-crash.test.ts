// workerd is killed again and again while endpoints are told of sales: each gets everything of every event, in order.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Endpoint, endpoint, feed, upTo } from './endpoints.ts';
import { serve } from './harness.ts';
import { until } from './until.ts';

const KILLS = 4;
const EVENTS = 3;
/** Holds of each event between one kill and the next. */
const HOLDS = 4;
/** How long everything may take in the end: what was under way at a kill is tried again after a pause. */
const SETTLED_MS = 60_000;

const server = await serve();

/** Whether what came is everything up to `last`, in order: what was under way at a kill may come again. */
function inOrder(hook: Endpoint, event: string, last: number): boolean {
  let reached = 0;
  for (const sequence of hook.sequences(event)) {
    assert.ok(sequence <= reached + 1, `${sequence} of ${event} came after ${reached}`);
    reached = Math.max(reached, sequence);
  }
  return reached === last;
}

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
