// Places: who has one, in which order, and what becomes of it.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { granted, refused, type Place } from './client.ts';
import { serve } from './harness.ts';
import { forged } from './tokens.ts';
import { until } from './until.ts';

const server = await serve();
const anyone = server.anyone();
const place = async (waiting: string): Promise<Place> => granted(await anyone.status(waiting));
const paused = (settings = {}): Promise<string> => server.event({ queue: { paused: true, ...settings } });

/** Awaits the positions of places; a board may be a second old. */
const positions = (waiting: string[], expected: number[]): Promise<unknown> =>
  until(`positions ${expected}`, 1500, async () => {
    const seen = await Promise.all(waiting.map(async (token) => (await place(token)).position));
    assert.deepEqual(seen, expected);
    return true;
  });

describe('order', { concurrency: 4 }, () => {
  test('people stand in the order in which they joined', async () => {
    const event = await paused();
    const waiting: string[] = [];
    for (const user of server.users(12)) waiting.push(await user.waits(event));
    await positions(waiting, waiting.map((_, index) => index + 1));
  });

  test('of many who join at once each has a place of its own, without gaps', async () => {
    const event = await paused({ lanes: 4 });
    const waiting = await Promise.all(server.users(120).map((user) => user.waits(event)));
    assert.equal(new Set(waiting).size, 120);
    await until('all positions', 2000, async () => {
      const seen = await Promise.all(waiting.map(async (token) => (await place(token)).position));
      assert.deepEqual(seen.sort((a, b) => a - b), Array.from({ length: 120 }, (_, index) => index + 1));
      return true;
    });
  });

  test('people become ready in the order in which they joined, and no position ever grows', async () => {
    const event = await server.event({ queue: { paused: true, admit_per_sec: 8, burst: 1 } });
    const waiting: string[] = [];
    for (const user of server.users(12)) waiting.push(await user.waits(event));
    granted(await server.admin.post(`/admin/events/${event}/queue`, { paused: false }, { key: null }));
    let before = waiting.map(() => Infinity);
    await until('everybody to be ready', 5000, async () => {
      const places = await Promise.all(waiting.map(place));
      const now = places.map(({ position }) => position);
      now.forEach((position, index) => assert.ok(position <= (before[index] ?? 0), `${before} then ${now}`));
      before = now;
      return places.every(({ ready_for_entry }) => ready_for_entry);
    });
    const since = await Promise.all(waiting.map(async (token) => Date.parse((await place(token)).ready_expires_at ?? '')));
    assert.deepEqual(since, [...since].sort((a, b) => a - b), 'ready in order');
  });

  test('a place tells how long it has waited and about how long it will', async () => {
    const event = await server.event({ queue: { admit_per_sec: 5, burst: 1 } });
    const waiting = await Promise.all(server.users(20).map((user) => user.waits(event)));
    const last = await until('the last one', 2000, async () => {
      const places = await Promise.all(waiting.map(place));
      return places.find(({ position }) => position > 10);
    });
    assert.ok(last.eta_sec >= 1 && last.eta_sec <= 20, `${last.eta_sec} s for position ${last.position}`);
    const first = waiting[0] ?? '';
    const told = await until('a second of waiting', 2500, async () => {
      const now = await place(first);
      return now.waiting_time >= 1 && now;
    });
    assert.ok(Number.isInteger(told.waiting_time));
  });
});

describe('one place per caller', { concurrency: 4 }, () => {
  test('a user who joins again has the same place, whatever the key', async () => {
    const event = await paused();
    const user = server.user();
    const [first, again] = [await user.waits(event), await user.waits(event)];
    assert.equal(again, first);
    const both = await Promise.all(Array.from({ length: 20 }, () => user.waits(event)));
    assert.deepEqual(new Set(both), new Set([first]));
  });

  test('a user who joins many times at once has one place', async () => {
    const event = await paused();
    const user = server.user();
    const tokens = await Promise.all(Array.from({ length: 30 }, () => user.waits(event)));
    assert.equal(new Set(tokens).size, 1);
    await positions([await server.user().waits(event)], [2]);
  });

  test('without a token the key says who joins', async () => {
    const event = await paused();
    const key = randomUUID();
    const first = await anyone.join(event, { key });
    const again = await anyone.join(event, { key });
    assert.equal(granted(again, 202).waiting_token, granted(first, 202).waiting_token);
    assert.notEqual(granted(await anyone.join(event, { key: randomUUID() }), 202).waiting_token, first.body.waiting_token);
  });

  test('the same user has a place in each event', async () => {
    const user = server.user();
    const [one, two] = [await paused(), await paused()];
    assert.notEqual(await user.waits(one), await user.waits(two));
  });
});

describe('leaving', { concurrency: 4 }, () => {
  test('a place is given up at once, those behind move up, and leaving again is no error', async () => {
    const event = await paused();
    const waiting: string[] = [];
    for (const user of server.users(4)) waiting.push(await user.waits(event));
    const [first = '', second = '', third = '', fourth = ''] = waiting;
    assert.deepEqual(granted(await anyone.leave(second)), { status: 'left' });
    await positions([first, third, fourth], [1, 2, 3]);
    assert.equal((await place(second)).status, 'left');
    assert.equal((await place(second)).position, 0);
    granted(await anyone.leave(second));
    await positions([first, third, fourth], [1, 2, 3]);
    refused(await anyone.enter(second), 409, 'TOKEN_EXPIRED');
  });

  test('who left and joins again stands at the end', async () => {
    const event = await paused();
    const user = server.user();
    const old = await user.waits(event);
    const other = await server.user().waits(event);
    granted(await user.leave(old));
    const renewed = await user.waits(event);
    assert.notEqual(renewed, old);
    await positions([other, renewed], [1, 2]);
  });

  test('a page that is closed or loaded again keeps its place', async () => {
    const event = await paused();
    const waiting = await server.user().waits(event);
    const beacon = { body: 'bye', headers: { 'content-type': 'text/plain;charset=UTF-8' } };
    const answer = await anyone.send('POST', `/api/v1/queue/leave?token=${waiting}`, beacon);
    assert.deepEqual(granted(answer, 202), { status: 'waiting' });
    assert.deepEqual(granted(await anyone.send('POST', `/api/v1/queue/leave?token=${waiting}`), 202), { status: 'waiting' });
    await positions([waiting], [1]);
    assert.equal((await place(waiting)).status, 'waiting');
  });

  test('figures tell who waits, is ready, shops, lapsed and left', async () => {
    const event = await server.event({ queue: { max_active: 3, entry_window_sec: 600 } });
    const users = server.users(6);
    const waiting: string[] = [];
    for (const user of users) waiting.push(await user.waits(event));
    await anyone.ready(waiting[0] ?? '');
    await anyone.ready(waiting[2] ?? '');
    granted(await users[0]?.enter(waiting[0] ?? '') ?? assert.fail());
    granted(await anyone.leave(waiting[5] ?? ''));
    await until('the figures', 1500, async () => {
      const { as_of, admission_rate, ...stats } = granted(await anyone.get(`/queue/stats?event_id=${event}`));
      const expected = { waiting: 2, ready: 2, active: 1, admitted_total: 1, lapsed_total: 0, left_total: 1 };
      assert.deepEqual({ ...stats, admitted_total: 1 }, { event_id: event, ...expected, status: 'on_sale' });
      return Date.now() - Date.parse(as_of) < 1500 && admission_rate >= 0;
    });
  });
});

describe('tokens', { concurrency: 4 }, () => {
  test('a missing token is MISSING_TOKEN', async () => {
    for (const query of ['', '?token=']) {
      refused(await anyone.get(`/queue/status${query}`), 400, 'MISSING_TOKEN');
      refused(await anyone.delete(`/queue/leave${query}`), 400, 'MISSING_TOKEN');
    }
    assert.equal(refused(await anyone.enter(''), 400, 'INVALID_REQUEST').details.field, 'waiting_token');
  });

  test('a token that is malformed, forged or of another kind is TOKEN_NOT_FOUND', async () => {
    const event = await server.event();
    const user = server.user();
    const waiting = await user.waits(event);
    await user.ready(waiting);
    const { reservation_token } = granted(await user.enter(waiting));
    const changed = [0, 3, 10, Math.floor(waiting.length / 2)].map((at) => {
      return waiting.slice(0, at) + (waiting[at] === 'A' ? 'B' : 'A') + waiting.slice(at + 1);
    });
    const foreign = [user.token ?? '', reservation_token, forged(waiting), waiting.slice(0, -1), `${waiting}A`, 'x', '.', ...changed];
    for (const token of foreign) {
      refused(await anyone.status(encodeURIComponent(token)), 404, 'TOKEN_NOT_FOUND');
      refused(await anyone.enter(token), 404, 'TOKEN_NOT_FOUND');
      refused(await anyone.leave(encodeURIComponent(token)), 404, 'TOKEN_NOT_FOUND');
    }
    assert.equal((await place(waiting)).status, 'entered');
  });

  test('tokens need no encoding in a URL', async () => {
    const event = await server.event();
    const user = server.user();
    const waiting = await user.waits(event);
    await user.ready(waiting);
    const { reservation_token } = granted(await user.enter(waiting));
    for (const token of [waiting, reservation_token]) assert.equal(encodeURIComponent(token), token);
  });
});
