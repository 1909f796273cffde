// workerd is killed again and again in the middle of whole sales. What was acknowledged is there, once, and adds up.
// CRASH_SEED decides the clients' choices and the moments, CRASH_KILLS how often.

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { granted } from './client.ts';
import { serve } from './harness.ts';
import { bodyOf, findings, granted as wasGranted, type Entry, type Evidence, type Replay } from './history.ts';
import { chances, Recorder } from './recorder.ts';
import { check } from './seat_histories.ts';
import { HALL, HOLD_SEC, keepBack, PATIENCE_MS, SEATS, Shopper, stand, statesOf } from './shopper.ts';
import { until } from './until.ts';

const KILLS = Number(process.env.CRASH_KILLS ?? 20);
const SEED = Number(process.env.CRASH_SEED ?? randomInt(2 ** 31));
const CLIENTS = 40;
const STANDING = 40;
/** Requests that are begun or ended between one kill and the next, and how much later the blow falls at most. */
const STEPS = { least: 60, more: 120, late_ms: 25 };
/** Findings that a failure prints. */
const SHOWN = 20;
/** Calls whose first answer is recorded. */
const RECORDED = ['hold', 'cancel', 'intent', 'process', 'confirm', 'cancelPayment', 'refund'];

const server = await serve({ IDEMPOTENCY_TTL_SEC: '3600' });
const anyone = server.anyone();

/** Does `work` for every item, some at a time. */
async function each<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const rest = items.entries();
  await Promise.all(Array.from({ length: 16 }, async () => {
    for (const [index, item] of rest) results[index] = await work(item);
  }));
  return results;
}

/** Kills while others ask; how many requests each kill cut off. */
async function kills(recorder: Recorder, chance: () => number): Promise<number[]> {
  const cut: number[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    await recorder.further(STEPS.least + Math.floor(chance() * STEPS.more));
    await pause(chance() * STEPS.late_ms);
    const before = recorder.cut;
    const killed = server.kill();
    recorder.reachable = killed;
    await killed;
    cut.push(recorder.cut - before);
  }
  return cut;
}

/** Places in a line that does not move, as they stand in the end. */
function positions(tokens: readonly string[]): Promise<Map<string, number>> {
  return until('every place in its position', 20_000, async () => {
    const places = await each(tokens, async (token) => [token, granted(await anyone.status(token)).position as number] as const);
    assert.deepEqual(places.map(([, position]) => position).sort((a, b) => a - b), tokens.map((_, index) => index + 1));
    return new Map(places);
  });
}

/** What is there for everything that was granted. */
async function readBack(
  entries: readonly Entry[],
  shoppers: ReadonlyMap<string, Shopper>,
): Promise<Pick<Evidence, 'reservations' | 'orders' | 'payments'>> {
  const [reservations, orders, payments] = [new Map<string, any>(), new Map<string, any>(), new Map<string, any>()];
  const made = (operation: string): Entry[] => entries.filter((entry) => entry.operation === operation && wasGranted(entry));
  const userOf = (entry: Entry) => shoppers.get(entry.client)?.user ?? anyone;
  await each(made('intent'), async (entry) => {
    const id = bodyOf(entry).payment_intent_id;
    await until('the decision of a payment', PATIENCE_MS, async () => {
      const { status, body } = await userOf(entry).payment(id);
      if (status === 200) payments.set(id, body);
      return !['PENDING', 'AUTHORIZED'].includes(body.status);
    });
  });
  await each(made('hold'), async (entry) => {
    const id = bodyOf(entry).reservation_id;
    await until('the end of a hold', PATIENCE_MS, async () => {
      const { status, body } = await userOf(entry).reservation(id);
      if (status === 200) reservations.set(id, body);
      return body.status !== 'HOLD';
    });
    const { order_id } = reservations.get(id) ?? {};
    if (!order_id) return;
    const order = await userOf(entry).order(order_id);
    if (order.status === 200) orders.set(order_id, order.body);
  });
  return { reservations, orders, payments };
}

/** Every acknowledged request once more, with its key, as long as its record lives. */
async function repeat(recorder: Recorder): Promise<Replay[]> {
  const again = recorder.entries.filter((entry) =>
    wasGranted(entry) && (RECORDED.includes(entry.operation) || (entry.operation === 'join' && entry.args.stays)));
  return each(again, async (entry) => {
    const send = recorder.again.get(entry) ?? assert.fail('what was sent can be sent again');
    const { status, text, headers } = await send();
    return { entry, status, text, replayed: headers.get('idempotency-replayed') === 'true' };
  });
}

test('whatever workerd is killed in, what was acknowledged is there, once, and adds up', async (t) => {
  t.diagnostic(`CRASH_SEED=${SEED} CRASH_KILLS=${KILLS}`);
  const chance = chances(SEED);
  const recorder = new Recorder();
  const queue = { admission_ttl_sec: 3600, entry_window_sec: 3600, lanes: 3 };
  const event = await server.event({ hold_ttl_sec: HOLD_SEC, sections: HALL, queue });
  const line = await server.event({ queue: { ...queue, paused: true } });
  const shoppers = new Map<string, Shopper>();
  let open = true;
  let close = (): void => {};
  const closing = new Promise<void>((resolve) => (close = resolve));

  const clients = Array.from({ length: CLIENTS }, async () => {
    const own = chances(chance() * 2 ** 32);
    while (open) {
      if (own() < 0.1) await keepBack(server, recorder, event, own);
      const shopper = new Shopper(server, recorder, event, own);
      shoppers.set(shopper.name, shopper);
      await shopper.shop();
    }
  });
  // One after the other in two chains, all through the kills: their joins tell who was first.
  const standing: Promise<string[]>[] = [0, 1].map(async (chain) => {
    const tokens: string[] = [];
    for (let place = 0; place < STANDING / 2; place++) {
      await Promise.race([recorder.further(Math.floor((STEPS.least * KILLS) / STANDING)), closing]);
      tokens.push(await stand(server, recorder, line, (place + chain) % 2 === 0));
    }
    return tokens;
  });

  const rush = Promise.all(clients);
  const cut = await Promise.race([kills(recorder, chance), rush.then(() => assert.fail('the clients ended first'))]).finally(() => {
    open = false;
    close();
  });
  await rush;
  const tokens = (await Promise.all(standing)).flat();
  t.diagnostic(`requests cut off by each kill: ${cut}`);

  const replays = await repeat(recorder);
  const back = await readBack(recorder.entries, shoppers);
  const places = await positions(tokens);
  const seats = await until('no seat held', PATIENCE_MS, async () => {
    const shown = statesOf(granted(await anyone.get(`/events/${event}/seats`)));
    return ![...shown.values()].includes('1') && shown;
  });
  const entries = recorder.entries;
  const evidence: Evidence = { entries, ledger: await server.ledger(event), seats, line: places, replays, ...back };
  const answered = entries.filter((entry) => entry.status !== undefined);
  const regained = answered.filter((entry) => entry.replayed && entry.attempts.length > 1);
  const kinds = Object.entries(Object.groupBy(answered, ({ operation, status }) => `${operation} ${status}`));
  t.diagnostic(`${cut.length} kills, ${entries.length} requests, ${recorder.cut} cut off, ${recorder.failed} answered 5xx`);
  t.diagnostic(`${answered.filter(wasGranted).length} acknowledged, ${replays.length} replays compared, ${evidence.ledger.length} ledger entries`);
  t.diagnostic(`${regained.length} answers were lost with the connection after their effect was durable, and given again`);
  t.diagnostic(kinds.map(([kind, all]) => `${kind}: ${all?.length}`).sort().join(', '));
  const types = Object.entries(Object.groupBy(evidence.ledger, ({ type }) => type));
  t.diagnostic(types.map(([type, all]) => `${type}: ${all?.length}`).join(', '));

  assert.deepEqual(findings(evidence).slice(0, SHOWN), [], `CRASH_SEED=${SEED}`);
  const report = check({ entries, ledger: evidence.ledger, seats: SEATS.flatMap((section) => section.seats), shown: statesOf });
  t.diagnostic(`linearizability: ${report.groups} groups of seats, ${report.operations} operations, ${report.states} states searched`);
  assert.deepEqual(report.broken, [], `CRASH_SEED=${SEED}`);
  assert.equal(cut.length, KILLS);
  assert.ok(recorder.cut >= 3 * KILLS, `${recorder.cut} requests were cut off: the kills missed the rush`);
  assert.ok(regained.length > 0, 'an answer that was lost was given again');

  // The line moves on: the first half of it is let in, and nobody else.
  const half = tokens.length / 2;
  granted(await server.admin.post(`/admin/events/${line}/queue`, { paused: false, max_active: half }, { key: null }));
  const ready = await until('half of the line ready', 20_000, async () => {
    const states = await each(tokens, async (token) => granted(await anyone.status(token)).ready_for_entry && token);
    const let_in = states.filter((token) => token !== false);
    return let_in.length >= half && let_in;
  });
  assert.deepEqual(ready.map((token) => places.get(token) ?? 0).sort((a, b) => a - b), tokens.slice(half).map((_, index) => index + 1));
});
