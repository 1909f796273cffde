// What was acknowledged survives: workerd is killed in the middle, started again on the same storage, or loses an object.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { granted, refused, type Answer, type Caller } from './client.ts';
import { serve } from './harness.ts';
import { clockReaches, until } from './until.ts';

const server = await serve();
const anyone = server.anyone();

/** Sends until there is an answer: a request that was cut off is sent again with the same key. */
const persist = (send: () => Promise<Answer>): Promise<Answer> => until('an answer', 20_000, send);

/** Works on the database of the one object of a class that knows the event, while the server stands still. */
function withDatabase<T>(className: string, event: string, work: (database: DatabaseSync) => T): T {
  for (const file of server.files(className)) {
    const database = new DatabaseSync(file);
    try {
      const mine = database.prepare("SELECT name FROM sqlite_schema WHERE name = 'event'").get() && database.prepare('SELECT body FROM event').get();
      if (mine && String(mine.body).includes(event)) return work(database);
    } finally {
      database.close();
    }
  }
  throw new Error(`no ${className} knows the event`);
}

/** A sale with somebody in every situation, and everything that can be seen of it. */
async function sale(): Promise<{ event: string; look: () => Promise<unknown>; waiting: string[] }> {
  const event = await server.event({ queue: { max_active: 3, entry_window_sec: 600, admission_ttl_sec: 600, lanes: 2 } });
  const users = server.users(6);
  const [buyer, holder, ready] = users as [Caller, Caller, Caller, Caller];
  const { order, reservation, intent } = await buyer.buys(event, { seat_ids: ['A-1-1'] });
  const held = await holder.holds(event, { seat_ids: ['A-2-1', 'A-2-2'] });
  const pending = granted(await holder.intent(held.reservation_id, { scenario: 'timeout' }));
  const waiting: string[] = [];
  for (const user of users.slice(2)) waiting.push(await user.waits(event));
  await ready.ready(waiting[0] ?? '');
  const places = async (): Promise<unknown> =>
    Promise.all(waiting.map(async (token) => {
      const { waiting_time: _, eta_sec: __, ...place } = granted(await anyone.status(token));
      return place;
    }));
  await until('the board', 2000, async () => `${(await places() as any[]).map(({ position }) => position)}` === '0,0,1,2');
  const look = async (): Promise<unknown> => ({
    order: granted(await buyer.order(order.order_id)),
    bought: granted(await buyer.reservation(reservation.reservation_id)),
    paid: granted(await buyer.payment(intent.payment_intent_id)),
    held: granted(await holder.reservation(held.reservation_id)),
    pending: granted(await holder.payment(pending.payment_intent_id)),
    list: granted(await holder.get(`/reservations?event_id=${event}`)),
    seats: granted(await anyone.get(`/events/${event}/seats`)),
    event: granted(await anyone.get(`/events/${event}`)),
    ledger: await server.ledger(event),
    places: await places(),
  });
  return { event, look, waiting };
}

test('an object that loses its memory answers as before', async () => {
  const { event, look } = await sale();
  const before = await look();
  const lanes = [await server.evict('LaneObject', `${event}/0`), await server.evict('LaneObject', `${event}/1`)];
  assert.ok(lanes.includes(true), 'people stand in one lane at least');
  assert.ok(await server.evict('QueueObject', event));
  assert.ok(await server.evict('InventoryObject', event));
  assert.ok(await server.evict('PaymentObject', event));
  assert.deepEqual(await look(), before);
});

test('everything acknowledged is there after a restart', async () => {
  const { look } = await sale();
  const before = await look();
  await server.restart();
  assert.deepEqual(await look(), before);
});

test('a lane and a queue with the tables of before keep everything they told', async () => {
  const event = await server.event({ queue: { paused: true, lanes: 1 } });
  const users = server.users(5);
  const keys = users.map(() => randomUUID());
  const join = async (user: Caller, key: string): Promise<Answer> => user.join(event, { key });
  const first = await Promise.all(users.map((user, index) => join(user, keys[index]!)));
  const tokens = first.map((answer) => granted(answer, 202).waiting_token);
  const [two, gone] = [users[1]!, users[3]!];
  const another = randomUUID();
  granted(await join(two, another), 202);
  granted(await gone.leave(tokens[3]!));
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  const oldLane = (database: DatabaseSync): void => {
    database.exec(`
      CREATE TABLE stored (id INTEGER PRIMARY KEY CHECK (id = 0), nonce INTEGER NOT NULL, seq INTEGER NOT NULL);
      CREATE TABLE places (
        number INTEGER PRIMARY KEY, caller TEXT NOT NULL UNIQUE, joined_at INTEGER NOT NULL, kid INTEGER NOT NULL,
        position_hint INTEGER NOT NULL, keys TEXT NOT NULL
      );`);
    const batches = database.prepare('SELECT * FROM batches ORDER BY seq').all() as any[];
    for (const { first: number, joined_at, position_hint, callers, requests } of batches) {
      for (let i = 0; i * 16 < callers.length; i++) {
        const request = requests.subarray(36 * i, 36 * (i + 1));
        const kept = database.prepare('SELECT keys FROM keys WHERE number = ?').get(number + i);
        const recorded = kept?.keys ?? JSON.stringify([[hex(request.subarray(0, 16)), hex(request.subarray(16, 32))]]);
        const row = [number + i, hex(callers.subarray(16 * i, 16 * (i + 1))), joined_at, Buffer.from(request).readUInt32BE(32), position_hint + i, recorded];
        database.prepare('INSERT INTO places VALUES (?, ?, ?, ?, ?, ?)').run(...row);
      }
    }
    for (const number of batches.flatMap(({ given_up }) => JSON.parse(given_up))) {
      database.prepare('DELETE FROM places WHERE number = ?').run(number);
    }
    const { nonce, seq } = batches.at(-1);
    database.prepare('INSERT INTO stored VALUES (0, ?, ?)').run(nonce, seq);
    database.exec('DROP TABLE batches; DROP TABLE keys; UPDATE schema_version SET version = 1;');
  };
  const oldQueue = (database: DatabaseSync): void =>
    database.exec(`
      ALTER TABLE counters RENAME TO newest;
      CREATE TABLE counters (id INTEGER PRIMARY KEY CHECK (id = 0), body TEXT NOT NULL);
      INSERT INTO counters SELECT 0, body FROM newest ORDER BY body ->> 'version' DESC LIMIT 1;
      CREATE TABLE answered (lane INTEGER PRIMARY KEY, body TEXT NOT NULL);
      INSERT INTO answered SELECT lane, answered FROM newest WHERE answered IS NOT NULL;
      DROP TABLE newest;
      UPDATE schema_version SET version = 2;`);
  await server.restart(() => {
    for (const [className, work] of [['LaneObject', oldLane], ['QueueObject', oldQueue]] as const) withDatabase(className, event, work);
  });
  const told = async (user: Caller, key: string): Promise<unknown> => {
    const answer = await join(user, key);
    return [granted(answer, 202).waiting_token, answer.headers.get('Idempotency-Replayed')];
  };
  for (const index of [0, 1, 2, 4]) assert.deepEqual(await told(users[index]!, keys[index]!), [tokens[index], 'true']);
  assert.deepEqual(await told(two, another), [tokens[1], 'true']);
  const [anew] = (await told(gone, keys[3]!)) as [string];
  assert.notEqual(anew, tokens[3], 'who left is as good as new');
  assert.deepEqual(await told(gone, keys[3]!), [anew, 'true']);
  const positions = await Promise.all([...[0, 1, 2, 4].map((index) => tokens[index]!), anew].map(async (token) => granted(await anyone.status(token)).position));
  assert.deepEqual(positions.sort((a, b) => a - b), [1, 2, 3, 4, 5]);
});

test('an admission that ended long ago is forgotten when its inventory starts, a later one is not', async () => {
  const event = await server.event();
  const buyer = server.user();
  await buyer.buys(event, { seat_ids: ['A-1-1'] });
  const HOUR_MS = 3_600_000;
  const [early, late] = [1_000_000, 1_000_001];
  const inventory = <T>(work: (database: DatabaseSync) => T): T => withDatabase('InventoryObject', event, work);
  const numbers = (database: DatabaseSync): unknown[] =>
    database.prepare('SELECT number FROM ended_admissions ORDER BY number').all().map(({ number }) => number);
  let ended: unknown[] = [];
  await server.restart(() => inventory((database) => {
    ended = numbers(database);
    const { newest } = database.prepare('SELECT max(ends_at) AS newest FROM ended_admissions').get() as { newest: number };
    const insert = database.prepare('INSERT INTO ended_admissions VALUES (?, ?)');
    insert.run(early, newest - 2 * HOUR_MS);
    insert.run(late, newest - HOUR_MS);
  }));
  assert.equal(ended.length, 1, 'the admission of who bought has ended');
  granted(await anyone.get(`/events/${event}/seats`));
  granted(await buyer.get(`/reservations?event_id=${event}`));
  await server.restart(() => inventory((database) => assert.deepEqual(numbers(database), [...ended, late])));
});

test('everything acknowledged is there after workerd was killed', async () => {
  const { event, look, waiting } = await sale();
  const before = await look();
  await server.kill();
  assert.deepEqual(await look(), before);

  const newcomers = await Promise.all(server.users(10).map((user) => user.waits(event)));
  await until('the places behind', 2000, async () => {
    const places = await Promise.all([...waiting.slice(2), ...newcomers].map((token) => anyone.status(token)));
    const positions = places.map((place) => granted(place).position).sort((a, b) => a - b);
    assert.deepEqual(positions, Array.from({ length: 12 }, (_, index) => index + 1), 'numbering goes on, without a duplicate');
    return true;
  });
});

test('holds end and payments are decided though workerd was killed', async () => {
  const brief = await server.event({ hold_ttl_sec: 2 });
  const [idle, buyer, absent] = server.users(3);
  assert.ok(idle && buyer && absent);
  const expires = await idle.holds(brief);
  const held = await buyer.holds(await server.event());
  const { payment_intent_id } = granted(await buyer.intent(held.reservation_id, { scenario: 'delay', delay_ms: 1500 }));
  const lapsing = await server.event({ queue: { entry_window_sec: 2, max_active: 1 } });
  const first = await absent.waits(lapsing);
  const second = await server.user().waits(lapsing);
  await absent.ready(first);
  await server.kill();
  await buyer.becomes(held.reservation_id, 'CONFIRMED', 10_000);
  assert.equal(granted(await buyer.payment(payment_intent_id)).status, 'APPROVED');
  await clockReaches(Date.parse(expires.hold_expires_at) + 1000);
  const [entry] = (await server.ledger(brief)).filter(({ type }) => type === 'reservation.expired');
  assert.equal(entry?.reservation_id, expires.reservation_id);
  await anyone.ready(second, 6000);
  refused(await absent.enter(first), 409, 'TOKEN_EXPIRED');
});

test('a key that was used before the end is known after it', async () => {
  const event = await server.event();
  const user = server.user();
  const token = await user.admitted(event);
  const key = randomUUID();
  const first = await user.reserve(event, token, { quantity: 2 }, { key });
  await server.kill();
  const again = await user.reserve(event, token, { quantity: 2 }, { key });
  assert.deepEqual([again.status, again.text], [201, first.text]);
  assert.equal(again.headers.get('idempotency-replayed'), 'true');
});

test('workerd killed in the middle of a rush loses nothing that was acknowledged and does nothing twice', async () => {
  const rows = Array.from({ length: 20 }, (_, row) => ({ id: String(row + 1), count: 10 }));
  const event = await server.event({ sections: [{ id: 'A', price: 1, rows }] });
  const shoppers = await Promise.all(server.users(80).map(async (user) => ({ user, token: await user.admitted(event), key: randomUUID() })));
  const acknowledged: string[] = [];
  const rush = shoppers.map(async ({ user, token, key }, index) => {
    if (index >= 30) await until('some answers', 20_000, () => acknowledged.length > 10);
    const send = (): Promise<Answer> => user.reserve(event, token, { quantity: 1 }, { key });
    const first = await send().catch(() => undefined);
    if (first?.status === 201) acknowledged.push(first.body.reservation_id);
    const last = granted(await persist(send), 201);
    if (first?.status === 201) assert.equal(last.reservation_id, first.body.reservation_id);
    return last;
  });
  await until('some answers', 20_000, () => acknowledged.length > 10);
  await server.kill();
  const held = await Promise.all(rush);
  const ids = new Set(held.map(({ reservation_id }) => reservation_id));
  assert.equal(ids.size, 80);
  assert.equal(new Set(held.flatMap(({ seat_ids }) => seat_ids)).size, 80, 'no seat twice');
  for (const id of acknowledged) assert.ok(ids.has(id));
  const ledger = await server.ledger(event);
  assert.equal(ledger.filter(({ type }) => type === 'reservation.created').length, 80);
  assert.equal(granted(await anyone.get(`/events/${event}/availability`)).remaining, 120);
});

test('people who join while workerd is killed get one place each, in one order', async () => {
  const event = await server.event({ queue: { paused: true, lanes: 3 } });
  const joins = server.users(60).map((user, index) => ({ user, key: randomUUID(), late: index % 2 === 1 }));
  let answered = 0;
  const rush = joins.map(async ({ user, key, late }) => {
    if (late) await until('some places', 20_000, () => answered > 5);
    const send = (): Promise<Answer> => user.join(event, { key });
    const first = await send().catch(() => undefined);
    answered++;
    const last = granted(await persist(send), 202).waiting_token;
    if (first?.status === 202) assert.equal(last, first.body.waiting_token, 'a place that was given stays');
    return last;
  });
  await until('some places', 20_000, () => answered > 5);
  await server.kill();
  const waiting = await Promise.all(rush);
  await until('all positions', 3000, async () => {
    const places = await Promise.all(waiting.map((token) => anyone.status(token)));
    const positions = places.map((place) => granted(place).position).sort((a, b) => a - b);
    assert.deepEqual(positions, Array.from({ length: 60 }, (_, index) => index + 1));
    return true;
  });
});
