// Many requests of one isolate ask an object in one call: each has its own answer, whoever goes away meanwhile.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { granted, refused, type Caller } from './client.ts';
import { serve } from './harness.ts';
import { until } from './until.ts';

const CROWD = 80;
const server = await serve();

/** Questions that went to objects of a class together with others. */
async function batched(service: string): Promise<number> {
  const { text } = await server.anyone().send('GET', '/metrics');
  return Number(new RegExp(`^batched_questions_total\\{service="${service}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
}

const positions = async (tokens: string[]): Promise<Set<number>> =>
  new Set((await Promise.all(tokens.map((token) => server.anyone().status(token)))).map((answer) => granted(answer).position));

test('a crowd that joins at once travels together, and each has a place and a key of its own', async () => {
  const event = await server.event({ queue: { paused: true, lanes: 2 } });
  const before = await batched('LANE');
  const joining = server.users(CROWD).map((user) => ({ user, key: randomUUID() }));
  const joined = await Promise.all(joining.map(async ({ user, key }) => granted(await user.join(event, { key }), 202).waiting_token));
  assert.ok((await batched('LANE')) - before >= CROWD / 4, 'a quarter of them at least went together');
  assert.equal((await positions(joined)).size, CROWD);
  const again = await Promise.all(joining.map(({ user, key }) => user.join(event, { key })));
  assert.deepEqual(again.map((answer) => granted(answer, 202).waiting_token), joined);
  assert.ok(again.every((answer) => answer.headers.get('idempotency-replayed') === 'true'));
});

test('who enters and holds among many gets the answer to what they asked', async () => {
  const rows = Array.from({ length: 10 }, (_, row) => ({ id: String(row + 1), count: 10 }));
  const event = await server.event({ sections: [{ id: 'A', price: 1, rows }] });
  const before = await batched('INVENTORY');
  const shoppers = await Promise.all(server.users(CROWD).map(async (user) => ({ user, token: await user.admitted(event) })));
  const seatOf = (index: number): string => `A-${Math.floor(index / 20) + 1}-${(index % 10) + 1}`;
  const answers = await Promise.all(shoppers.map(({ user, token }, index) => user.reserve(event, token, { seat_ids: [seatOf(index)] })));
  const won = answers.flatMap((answer, index) => (answer.status === 201 ? [[index, answer.body.seat_ids[0]] as const] : []));
  assert.deepEqual(won.map(([, seat]) => seat), won.map(([index]) => seatOf(index)));
  assert.equal(new Set(won.map(([, seat]) => seat)).size, CROWD / 2);
  assert.equal(won.length, CROWD / 2);
  for (const [index, answer] of answers.entries()) {
    if (answer.status !== 201) assert.deepEqual(refused(answer, 409, 'SEAT_TAKEN').details.seat_ids, [seatOf(index)]);
  }
  assert.ok((await batched('INVENTORY')) > before, 'some of all travelled together');
});

/** Joins and goes away after so long; whether before the answer was there. */
async function vanish(user: Caller, event: string, key: string, after_ms: number): Promise<boolean> {
  const headers = { authorization: `Bearer ${user.token}`, 'content-type': 'application/json', 'idempotency-key': key };
  const gone = new AbortController();
  const answer = fetch(new URL('/api/v1/queue/join', server.url), { method: 'POST', headers, body: JSON.stringify({ event_id: event }), signal: gone.signal });
  setTimeout(() => gone.abort(), after_ms);
  return answer.then(() => false, (error) => error.name === 'AbortError');
}

test('who goes away in the middle takes nobody along, and finds their place again', async () => {
  const event = await server.event({ queue: { paused: true, lanes: 2 } });
  const before = await batched('LANE');
  const crowd = server.users(CROWD).map((user) => ({ user, key: randomUUID() }));
  const [going, staying] = [crowd.filter((_, index) => index % 2 === 0), crowd.filter((_, index) => index % 2 === 1)];
  const [gone, stayed] = await Promise.all([
    Promise.all(going.map(({ user, key }, index) => vanish(user, event, key, index))),
    Promise.all(staying.map(async ({ user, key }) => granted(await user.join(event, { key }), 202).waiting_token)),
  ]);
  assert.ok(gone.filter(Boolean).length > 5, 'some went before they were answered');
  assert.ok((await batched('LANE')) > before, 'some of all travelled together');
  const found = await Promise.all(going.map(async ({ user, key }) => granted(await user.join(event, { key }), 202).waiting_token));
  assert.equal((await positions([...stayed, ...found])).size, CROWD);
  const waiting = async (): Promise<number> => granted(await server.admin.get(`/queue/stats?event_id=${event}`)).waiting;
  await until('as many places as people', 1500, async () => (await waiting()) === CROWD);
});
