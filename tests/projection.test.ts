// The projection of sales in D1: whatever it has lost, it reads again from the events' logs.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { granted, type Caller } from './client.ts';
import { DELIVERED_MS, feed } from './endpoints.ts';
import { serve } from './harness.ts';
import { until } from './until.ts';

const server = await serve();

/** The orders that D1 leads to: other isolates know nothing of what this one has seen. */
const orders = async (user: Caller): Promise<string[]> => granted(await user.get('/orders')).orders.map((order: any) => order.order_id);

async function projected(event: string, count: number): Promise<void> {
  await until('the projection', DELIVERED_MS, async () => (await server.rows('SELECT 1 FROM reservations WHERE event_id = ?', event)).length === count);
}

const position = async (event: string): Promise<number | undefined> =>
  (await server.rows('SELECT sequence FROM projections WHERE event_id = ?', event))[0]?.sequence as number | undefined;

test('a projection that lost a batch has every order again, without a hand', async () => {
  const event = await server.event();
  const buyers = server.users(3);
  const bought = await Promise.all(buyers.map((buyer) => buyer.buys(event)));
  await projected(event, 3);
  await until('all of the log', DELIVERED_MS, async () => (await position(event)) === (await feed(server, event)).length);

  // Set back, as after a restored backup; the next word of the event finds the gap.
  await server.sql('DELETE FROM reservations WHERE event_id = ?', event);
  await server.sql('UPDATE projections SET sequence = 0 WHERE event_id = ?', event);
  const [later] = server.users(1);
  assert.ok(later);
  await later.holds(event);
  await until('the gap closed', DELIVERED_MS, async () => (await position(event)) === (await feed(server, event)).length);
  const rows = await server.rows('SELECT order_id FROM reservations WHERE event_id = ? AND order_id IS NOT NULL', event);
  assert.deepEqual(rows.map((row) => row.order_id).sort(), bought.map(({ order }) => order.order_id).sort());

  // Lost altogether.
  await server.sql('DELETE FROM reservations WHERE event_id = ?', event);
  await server.sql('DELETE FROM projections WHERE event_id = ?', event);
  await server.user().holds(event);
  await projected(event, 5);
  await server.restart();
  for (const [index, buyer] of buyers.entries()) assert.deepEqual(await orders(buyer), [bought[index]?.order.order_id]);
});

test('an order is in the list of its buyer though workerd was killed right after the purchase', async () => {
  const event = await server.event();
  const buyer = server.user();
  const { order } = await buyer.buys(event);
  await server.kill();
  await until('the order', DELIVERED_MS * 3, async () => (await orders(buyer)).includes(order.order_id));
});
