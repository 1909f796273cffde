// Who is let in, when, how many, and for how long.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { granted, refused, type Caller, type Place } from './client.ts';
import { serve } from './harness.ts';
import { clockReaches, until } from './until.ts';

const server = await serve();
const anyone = server.anyone();
const WINDOW = 600;
const place = async (waiting: string): Promise<Place> => granted(await anyone.status(waiting));
const set = (event: string, settings: object): Promise<unknown> =>
  server.admin.post(`/admin/events/${event}/queue`, settings, { key: null }).then((answer) => granted(answer));

/** Joins so many, one behind the other. */
async function line(event: string, count: number): Promise<{ user: Caller; waiting: string }[]> {
  const people: { user: Caller; waiting: string }[] = [];
  for (const user of server.users(count)) people.push({ user, waiting: await user.waits(event) });
  return people;
}

const isReady = async (waiting: string): Promise<boolean> => (await place(waiting)).ready_for_entry;
const whoIsReady = async (people: { waiting: string }[]): Promise<boolean[]> =>
  Promise.all(people.map(({ waiting }) => isReady(waiting)));
const ready = (people: { waiting: string }[], expected: boolean[], within = 2500): Promise<unknown> =>
  until(`ready ${expected}`, within, async () => {
    assert.deepEqual(await whoIsReady(people), expected);
    return true;
  });

describe('rate and cap', { concurrency: 4 }, () => {
  test('admissions are as fast as the rate and never faster', async () => {
    const [rate, burst, count] = [20, 20, 80];
    const sections = [{ id: 'GA', price: 1, capacity: 1000 }];
    const event = await server.event({ sections, queue: { admit_per_sec: rate, burst, entry_window_sec: WINDOW } });
    const waiting = await Promise.all(server.users(count).map((user) => user.waits(event)));
    await until('everybody to be ready', 8000, async () => (await Promise.all(waiting.map(isReady))).every(Boolean));
    const places = await Promise.all(waiting.map(place));
    const since = places.map(({ ready_expires_at }) => Date.parse(ready_expires_at ?? '') - WINDOW * 1000).sort((a, b) => a - b);
    for (const [i, from] of since.entries()) {
      for (let j = i; j < since.length; j++) {
        const span = (since[j] ?? 0) - from;
        assert.ok(j - i + 1 <= burst + (rate * span) / 1000, `${j - i + 1} admissions in ${span} ms`);
      }
    }
    const took = (since.at(-1) ?? 0) - (since[0] ?? 0);
    const exact = ((count - burst) / rate) * 1000;
    // A late alarm is a busy machine; half the rate would take twice as long.
    assert.ok(took <= exact + 2500, `${took} ms for what the rate allows in ${exact} ms`);
  });

  test('no more people are ready or shopping than max_active, and each slot that frees is used within a second', async () => {
    const event = await server.event({ queue: { max_active: 3, entry_window_sec: WINDOW } });
    const people = await line(event, 8);
    await ready(people, [true, true, true, false, false, false, false, false]);
    granted(await people[0]!.user.enter(people[0]!.waiting));
    granted(await people[1]!.user.enter(people[1]!.waiting));
    await ready(people, [false, false, true, false, false, false, false, false]);

    granted(await people[2]!.user.leave(people[2]!.waiting));
    await ready(people, [false, false, false, true, false, false, false, false], 1100);
    granted(await people[0]!.user.leave(people[0]!.waiting));
    await ready(people, [false, false, false, true, true, false, false, false], 1100);
    const { ready: waits, active } = granted(await anyone.get(`/queue/stats?event_id=${event}`));
    assert.ok(waits + active <= 3, `${waits} ready, ${active} active`);
  });

  test('a confirmed reservation ends its admission and frees the slot', async () => {
    const event = await server.event({ queue: { max_active: 1, entry_window_sec: WINDOW } });
    const [first, second] = await line(event, 2);
    assert.ok(first && second);
    await ready([first, second], [true, false]);
    const { reservation_token } = granted(await first.user.enter(first.waiting));
    const { reservation_id } = granted(await first.user.reserve(event, reservation_token, { quantity: 1 }), 201);
    const { payment_intent_id } = granted(await first.user.intent(reservation_id));
    granted(await first.user.process(payment_intent_id));
    await ready([second], [true], 1100);
    assert.equal((await place(first.waiting)).status, 'entered');
    refused(await first.user.reserve(event, reservation_token, { quantity: 1 }), 403, 'NOT_ADMITTED');
    const renewed = await first.user.waits(event);
    assert.notEqual(renewed, first.waiting, 'a place that is over is followed by a new one');
  });

  test('settings change while it runs', async () => {
    const event = await server.event({ queue: { max_active: 1, entry_window_sec: WINDOW } });
    const people = await line(event, 4);
    await ready(people, [true, false, false, false]);
    await set(event, { max_active: 3 });
    await ready(people, [true, true, true, false]);
    await set(event, { max_active: 1 });
    granted(await people[0]!.user.leave(people[0]!.waiting));
    await ready(people, [false, true, true, false]);
  });

  test('nobody is let in while the organiser pauses', async () => {
    const event = await server.event({ queue: { paused: true } });
    const people = await line(event, 2);
    refused(await people[0]!.user.enter(people[0]!.waiting), 403, 'NOT_READY');
    await set(event, { paused: false });
    await ready(people, [true, true]);
  });

  test('nobody is let in beyond the seats that remain', async () => {
    const sections = [{ id: 'A', price: 1, rows: [{ id: '1', count: 4, blocked: [4] }] }];
    const event = await server.event({ sections, queue: { entry_window_sec: WINDOW } });
    const people = await line(event, 6);
    await ready(people, [true, true, true, false, false, false]);
    const holds: string[] = [];
    for (const { user, waiting } of people.slice(0, 3)) {
      const { reservation_token } = granted(await user.enter(waiting));
      holds.push(granted(await user.reserve(event, reservation_token, { quantity: 1 }), 201).reservation_id);
    }
    await ready(people, [false, false, false, false, false, false]);
    granted(await people[0]!.user.cancel(holds[0] ?? ''));
    granted(await people[0]!.user.leave(people[0]!.waiting));
    await ready(people, [false, false, false, true, false, false]);
  });
});

describe('ready is a promise', { concurrency: 6 }, () => {
  test('before its turn a place cannot enter, and a refused key may be used again', async () => {
    const event = await server.event({ queue: { max_active: 1, entry_window_sec: WINDOW } });
    const [first, second] = await line(event, 2);
    assert.ok(first && second);
    await ready([first, second], [true, false]);
    const key = randomUUID();
    refused(await second.user.enter(second.waiting, { key }), 403, 'NOT_READY');
    granted(await first.user.leave(first.waiting));
    await ready([second], [true]);
    const entered = await second.user.enter(second.waiting, { key });
    granted(entered);
    assert.equal(entered.headers.get('idempotency-replayed'), null);
  });

  test('a ready place enters, whatever has become of the settings', async () => {
    const event = await server.event({ queue: { max_active: 5, entry_window_sec: WINDOW } });
    const people = await line(event, 5);
    await ready(people, [true, true, true, true, true]);
    await set(event, { paused: true, max_active: 1, admit_per_sec: 1, burst: 1, entry_window_sec: 1 });
    await Promise.all(people.map(async ({ user, waiting }) => granted(await user.enter(waiting))));
  });

  test('entering again gives the same token, whatever the key', async () => {
    const event = await server.event();
    const user = server.user();
    const waiting = await user.waits(event);
    await user.ready(waiting);
    const key = randomUUID();
    const first = await user.enter(waiting, { key });
    const same = await user.enter(waiting, { key });
    assert.equal(same.text, first.text);
    assert.equal(same.headers.get('idempotency-replayed'), 'true');
    const answers = await Promise.all(Array.from({ length: 20 }, () => user.enter(waiting)));
    for (const answer of answers) assert.equal(granted(answer).reservation_token, first.body.reservation_token);
  });

  test('a place that does not enter lapses, and its slot goes to the next one within a second', async () => {
    const event = await server.event({ queue: { max_active: 1, entry_window_sec: 2 } });
    const [first, second] = await line(event, 2);
    assert.ok(first && second);
    const lapses = Date.parse((await anyone.ready(first.waiting)).ready_expires_at ?? '');
    assert.equal(await isReady(second.waiting), false);
    const next = await anyone.ready(second.waiting);
    const since = Date.parse(next.ready_expires_at ?? '') - 2000;
    assert.ok(since >= lapses && since <= lapses + 1000, `${since - lapses} ms after the lapse`);
    assert.equal((await place(first.waiting)).status, 'expired');
    refused(await first.user.enter(first.waiting), 409, 'TOKEN_EXPIRED');
    const renewed = await first.user.waits(event);
    assert.notEqual(renewed, first.waiting);
  });

  test('a row of absent people does not stall the line', async () => {
    const event = await server.event({ queue: { max_active: 2, entry_window_sec: 1 } });
    const people = await line(event, 7);
    await until('the last one', 8000, () => isReady(people[6]!.waiting));
    await until('the lapses', 1500, async () => {
      const { lapsed_total } = granted(await anyone.get(`/queue/stats?event_id=${event}`));
      return lapsed_total >= 5;
    });
  });
});

describe('an admission', { concurrency: 6 }, () => {
  test('ends after its time: the slot is free within a second, the token is NOT_ADMITTED, a hold may finish', async () => {
    const event = await server.event({ queue: { max_active: 1, admission_ttl_sec: 2, entry_window_sec: WINDOW } });
    const [first, second] = await line(event, 2);
    assert.ok(first && second);
    await anyone.ready(first.waiting);
    const before = Date.now();
    const { reservation_token, ttl_sec } = granted(await first.user.enter(first.waiting));
    const entered = Date.now();
    assert.equal(ttl_sec, 2);
    const { reservation_id } = granted(await first.user.reserve(event, reservation_token, { quantity: 1 }), 201);
    const next = await anyone.ready(second.waiting, 4500);
    const since = Date.parse(next.ready_expires_at ?? '') - WINDOW * 1000;
    assert.ok(since >= before + 2000 && since <= entered + 3000, `${since - entered} ms after entering`);
    refused(await first.user.reserve(event, reservation_token, { quantity: 1 }), 403, 'NOT_ADMITTED');
    const { payment_intent_id } = granted(await first.user.intent(reservation_id));
    granted(await first.user.process(payment_intent_id));
    assert.equal(granted(await first.user.reservation(reservation_id)).status, 'CONFIRMED');
  });

  test('lets its holder choose again after a cancelled, a failed and an expired reservation', async () => {
    const event = await server.event({ hold_ttl_sec: 2 });
    const user = server.user();
    const token = await user.admitted(event);
    const one = granted(await user.reserve(event, token, { seat_ids: ['A-1-1'] }), 201);
    granted(await user.cancel(one.reservation_id));
    const two = granted(await user.reserve(event, token, { seat_ids: ['A-1-1'] }), 201);
    // Nobody but this call decides it.
    const { payment_intent_id } = granted(await user.intent(two.reservation_id, { scenario: 'timeout' }));
    assert.equal(granted(await user.process(payment_intent_id, 'fail')).status, 'FAILED');
    const three = granted(await user.reserve(event, token, { seat_ids: ['A-1-1'] }), 201);
    await clockReaches(Date.parse(three.hold_expires_at));
    granted(await user.reserve(event, token, { seat_ids: ['A-1-1'] }), 201);
  });

  test('is over when its place leaves, but a hold that runs goes on', async () => {
    const event = await server.event();
    const user = server.user();
    const waiting = await user.waits(event);
    await user.ready(waiting);
    const { reservation_token } = granted(await user.enter(waiting));
    const { reservation_id } = granted(await user.reserve(event, reservation_token, { quantity: 1 }), 201);
    granted(await user.leave(waiting));
    refused(await user.reserve(event, reservation_token, { quantity: 1 }), 403, 'NOT_ADMITTED');
    refused(await user.enter(waiting), 409, 'TOKEN_EXPIRED');
    const { payment_intent_id } = granted(await user.intent(reservation_id));
    granted(await user.process(payment_intent_id));
    assert.equal(granted(await user.reservation(reservation_id)).status, 'CONFIRMED');
  });

  test('a notice of the organiser reaches those who wait, and goes away', async () => {
    const event = await server.event({ queue: { paused: true } });
    const waiting = await server.user().waits(event);
    assert.equal((await place(waiting)).notice, undefined);
    const notice = { ko: '잠시만요', en: 'One moment', level: 'warning' };
    await set(event, { notice });
    assert.deepEqual(await until('the notice', 1500, async () => (await place(waiting)).notice), notice);
    await set(event, { notice: null });
    await until('no notice', 1500, async () => (await place(waiting)).notice === undefined);
  });
});
