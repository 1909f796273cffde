// The client library of the pages: types in step with the contract, keys, repetition, clocks, sockets.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fullJitter, retryDelay } from '../web/src/api/backoff.ts';
import { Client } from '../web/src/api/client.ts';
import { ServerClock } from '../web/src/api/clock.ts';
import { insist } from '../web/src/api/insist.ts';
import { Keyring } from '../web/src/api/keys.ts';
import { PlaceFeed } from '../web/src/api/place-feed.ts';
import { isPassing, Refusal, Unreached } from '../web/src/api/refusal.ts';
import { SeatFeed } from '../web/src/api/seat-feed.ts';
import { Link } from '../web/src/api/socket.ts';
import { browserStore, memoryStore } from '../web/src/session/store.ts';
import { expected } from '../web/tools/contract-types.ts';
import { answering, FakeTimers, refusal, settle, sockets } from './web/fakes.ts';

test('the types are those of the contract', () => {
  const kept = readFileSync(new URL('../web/src/api/contract.ts', import.meta.url), 'utf8');
  assert.ok(kept === expected(), 'openapi.json has changed: run `npm run types` in web/');
});

test('every error code of the contract has advice in both languages', () => {
  const contract = JSON.parse(readFileSync(new URL('../workers/gateway/src/contract/openapi.json', import.meta.url), 'utf8'));
  const source = readFileSync(new URL('../web/src/app/advice.ts', import.meta.url), 'utf8');
  const table = source.slice(source.indexOf('const TABLE'), source.indexOf('export const CODES'));
  for (const code of contract.components.schemas.ErrorCode.enum) assert.match(table, new RegExp(`^  ${code}: `, 'm'));
  for (const [, ko, en] of source.matchAll(/text: \['([^']*)', '([^']*)'\]/g)) assert.ok(/[가-힣]/.test(ko!) && /[a-z]/.test(en!) && !/[가-힣]/.test(en!));
});

describe('a call', () => {
  test('sends token, key and body as the contract says', async () => {
    const { client, asked } = answering(() => ({ status: 202, body: { waiting_token: 'w', position_hint: 3, status: 'waiting' } }));
    const joined = await client.call('POST /queue/join', { key: 'k1', body: { event_id: 'evt' } });
    assert.equal(joined.position_hint, 3);
    const [{ method, url, headers, body }] = asked as [any];
    assert.deepEqual([method, url.pathname, body], ['POST', '/api/v1/queue/join', { event_id: 'evt' }]);
    assert.deepEqual([headers.get('authorization'), headers.get('idempotency-key'), headers.get('content-type')], ['Bearer a.b.c', 'k1', 'application/json']);
  });

  test('encodes ids and leaves empty query values out', async () => {
    const { client, asked } = answering(() => ({ body: {} }));
    await client.call('GET /admin/events/{id}/ledger', { id: 'a/b', query: { cursor: undefined } });
    await client.call('GET /reservations', { query: { event_id: 'e&1', status: 'HOLD' } });
    assert.deepEqual(asked.map(({ url }) => url.pathname + url.search), ['/api/v1/admin/events/a%2Fb/ledger', '/api/v1/reservations?event_id=e%261&status=HOLD']);
  });

  test('a refusal carries code, details, trace and what to wait', async () => {
    const { client } = answering(() => ({ status: 429, body: refusal('RATE_LIMITED', { field: 'x' }), headers: { 'retry-after': '3' } }));
    await assert.rejects(client.call('GET /events'), (failure: Refusal) => {
      assert.deepEqual([failure.status, failure.code, failure.details.field, failure.retryAfterMs, failure.traceId.length], [429, 'RATE_LIMITED', 'x', 3000, 32]);
      return isPassing(failure);
    });
  });

  test('an answer that is no JSON, or cut off, is no answer of ours', async () => {
    const busy = answering(() => ({ status: 502, text: '<html>' }));
    await assert.rejects(busy.client.call('GET /events'), (failure: Refusal) => failure.code === 'UNAVAILABLE' && isPassing(failure));
    const cut = answering(() => ({ text: '{"events":[' }));
    await assert.rejects(cut.client.call('GET /events'), (failure) => failure instanceof Unreached);
  });

  test('a 401 outside of signing in is told', async () => {
    let told = 0;
    const unauthenticated = async (): Promise<Response> => new Response(JSON.stringify(refusal('UNAUTHENTICATED')), { status: 401 });
    const client = new Client({ origin: 'http://sale.test', onUnauthenticated: () => told++, fetch: unauthenticated });
    await assert.rejects(client.call('GET /orders'));
    await assert.rejects(client.call('POST /auth/login', { body: { username: 'u', password: 'p' } }));
    assert.equal(told, 1);
  });
});

describe('repeating', () => {
  const quick = { pause: async () => {}, random: () => 0.5, now: () => 0 };

  test('keeps the key until there is an answer', async () => {
    const { client, asked } = answering((_, at) => (at === 0 ? new Error('offline') : at === 1 ? { status: 503, body: refusal('OVERLOADED'), headers: { 'retry-after': '1' } } : { status: 202, body: { waiting_token: 'w', position_hint: 1, status: 'waiting' } }));
    const waits: number[] = [];
    await insist(() => client.call('POST /queue/join', { key: 'same', body: { event_id: 'e' } }), { ...quick, onWait: (_, __, ms) => waits.push(ms) });
    assert.deepEqual(asked.map(({ headers }) => headers.get('idempotency-key')), ['same', 'same', 'same']);
    assert.deepEqual(waits, [250, 1150], 'full jitter, then what the server asked for and some more');
  });

  test('stops at a refusal that repeating cannot change', async () => {
    const { client, asked } = answering(() => ({ status: 409, body: refusal('SEAT_TAKEN', { seat_ids: ['A-1-1'] }) }));
    await assert.rejects(insist(() => client.call('GET /events'), quick), (failure: Refusal) => failure.code === 'SEAT_TAKEN');
    assert.equal(asked.length, 1);
  });

  test('stops when its time is over', async () => {
    const { client, asked } = answering(() => new Error('offline'));
    let now = 0;
    await assert.rejects(insist(() => client.call('GET /events'), { ...quick, now: () => now, until: 1000, pause: async (ms) => void (now += ms) }), Unreached);
    assert.ok(asked.length >= 2 && asked.length <= 4, `${asked.length} tries in a second`);
  });

  test('jitter spreads over the whole range and has a ceiling', () => {
    assert.deepEqual([fullJitter(0, 1), fullJitter(3, 1), fullJitter(20, 1), fullJitter(3, 0)], [500, 4000, 8000, 0]);
    assert.equal(retryDelay(new Refusal(503, { code: 'OVERLOADED' }, 2000), 0, 1), 2600);
  });
});

describe('keys', () => {
  test('are written down before they are used and stay until dropped', () => {
    const store = memoryStore();
    let made = 0;
    const ring = new Keyring(store, () => `key-${++made}`);
    assert.equal(ring.for('refund.1'), 'key-1');
    assert.equal(new Keyring(store, () => 'other').for('refund.1'), 'key-1', 'a reload finds it');
    ring.drop('refund.1');
    assert.equal(ring.for('refund.1'), 'key-2');
  });

  test('a storage that refuses leaves memory to work with', () => {
    const store = browserStore(() => {
      throw new Error('blocked');
    });
    store.setItem('a', '1');
    assert.equal(store.getItem('a'), '1');
    store.removeItem('a');
    assert.equal(store.getItem('a'), null);
  });
});

describe('the clock', () => {
  test('follows the best round trip, and its error is not smaller than the truth', async () => {
    let mono = 0;
    const server = 1_000_000;
    const trips = [[300, 0], [40, 0.9], [200, 0.1]] as const;
    let at = 0;
    const clock = new ServerClock({
      monotonic: () => mono,
      origin: () => 5_000_000,
      ask: async () => {
        const [trip, there] = trips[at++ % 3]!;
        mono += trip * there;
        const told = server + mono;
        mono += trip * (1 - there);
        return told;
      },
    });
    await clock.measure(3);
    assert.ok(Math.abs(clock.now() - (server + mono)) <= clock.error, `${clock.now()} is ±${clock.error} of ${server + mono}`);
    assert.equal(clock.error, 20);
  });

  test('an unreachable server changes nothing', async () => {
    const clock = new ServerClock({ monotonic: () => 0, origin: () => 7, ask: () => Promise.reject(new Error('offline')) });
    await clock.measure(2);
    assert.deepEqual([clock.now(), clock.error], [7, Infinity]);
  });
});

describe('a link', () => {
  const link = (more: object = {}): { link: Link; made: ReturnType<typeof sockets>; timers: FakeTimers; states: string[]; frames: any[]; refused: number[] } => {
    const [made, timers, states, frames, refused] = [sockets(), new FakeTimers(), [] as string[], [] as any[], [] as number[]];
    const it = new Link({ url: () => 'ws://sale.test/x', open: made.open, timers, random: () => 0.5, onFrame: (frame) => frames.push(frame), onState: (state) => states.push(state), onRefused: (code) => refused.push(code), ...more });
    it.connect();
    return { link: it, made, timers, states, frames, refused };
  };

  test('comes back with growing waits, and starts over after a stable time', async () => {
    const { made, timers } = link();
    made.last().ends();
    assert.deepEqual(timers.pending, [250]);
    await timers.pass(250);
    made.last().ends();
    assert.deepEqual(timers.pending, [500]);
    await timers.pass(500);
    made.last().opens();
    await timers.pass(19_000);
    made.last().tells({ type: 'place' });
    await timers.pass(19_000);
    made.last().ends();
    assert.deepEqual(timers.pending, [250], 'after 30 s of being open it is the first failure again');
  });

  test('gives up an attempt after 5 s and a silent socket after a ping', async () => {
    const { made, timers } = link();
    await timers.pass(5000);
    assert.ok(made.all[0]!.closed);
    await timers.pass(250);
    made.last().opens();
    await timers.pass(20_000);
    assert.deepEqual(made.last().sent, ['ping']);
    const silent = made.last();
    await timers.pass(4000);
    assert.ok(silent.closed);
  });

  test('a pong keeps it alive and is no frame', async () => {
    const { made, timers, frames } = link();
    made.last().opens();
    await timers.pass(20_000);
    made.last().tells('pong');
    await timers.pass(19_000);
    assert.ok(!made.last().closed);
    assert.deepEqual(frames, []);
  });

  for (const code of [4400, 4401, 4404, 4409]) {
    test(`${code} ends it`, async () => {
      const { made, timers, refused } = link();
      made.last().ends(code);
      await timers.pass(120_000);
      assert.deepEqual([made.all.length, refused], [1, [code]]);
    });
  }

  for (const code of [4429, 1013]) {
    test(`${code} waits 5 to 30 s`, () => {
      const { made, timers } = link();
      made.last().ends(code);
      assert.deepEqual(timers.pending, [17_500]);
    });

    test(`${code} waits as long as the server says, and some more`, () => {
      const { made, timers } = link();
      made.last().ends(code, 'too many sockets retry-after=60');
      assert.deepEqual(timers.pending, [72_500]);
    });
  }

  test('what is unreadable is ignored', () => {
    const { made, frames } = link();
    made.last().opens();
    made.last().tells('{"type":');
    made.last().tells({ type: 'later invention' });
    assert.deepEqual(frames, [{ type: 'later invention' }]);
  });
});

const WAITING = { status: 'waiting', position: 5, eta_sec: 9, waiting_time: 1, ready_for_entry: false };

describe('the place feed', () => {
  const feed = (answer: Parameters<typeof answering>[0] = () => ({ body: WAITING })) => {
    const [made, timers, places, health, unknown] = [sockets(), new FakeTimers(), [] as any[], [] as string[], [] as any[]];
    const { client, asked } = answering(answer);
    const it = new PlaceFeed({ client, token: 'w.t', origin: 'https://sale.test', open: made.open, timers, random: () => 0.5, onPlace: (place) => places.push(place), onHealth: (state) => health.push(state), onUnknown: (failure) => unknown.push(failure.code) }).start();
    return { it, made, timers, places, health, unknown, asked };
  };

  test('one socket is enough: nothing is polled beside it', async () => {
    const { made, timers, places, asked } = feed();
    assert.equal(made.last().url, 'wss://sale.test/api/v1/queue/live?token=w.t');
    made.last().opens();
    for (let second = 0; second < 30; second++) {
      made.last().tells({ type: 'place', ...WAITING, position: 30 - second });
      await timers.pass(1000);
    }
    assert.deepEqual([places.length, asked.length, made.all.length], [30, 0, 1]);
  });

  test('polls while no socket can be had, at most once a second, and stops when one can', async () => {
    const { made, timers, places, asked, health } = feed();
    made.last().ends();
    await timers.pass(0);
    assert.deepEqual([places.length, health.at(-1)], [1, 'polled']);
    for (let second = 0; second < 10; second++) {
      if (made.last().onclose) made.last().ends();
      await timers.pass(1000);
    }
    assert.ok(asked.length >= 5 && asked.length <= 11, `${asked.length} requests in 10 s`);
    while (!made.last().onopen) await timers.pass(500);
    made.last().opens();
    const before = asked.length;
    made.last().tells({ type: 'place', ...WAITING });
    await timers.pass(10_000);
    assert.equal(asked.length, before);
    assert.equal(health.at(-1), 'live');
  });

  test('a place that is over is read once more and told', async () => {
    const { made, timers, places } = feed(() => ({ body: { ...WAITING, status: 'expired', position: 0 } }));
    made.last().opens();
    made.last().ends(4409);
    await timers.pass(0);
    assert.equal(places.at(-1).status, 'expired');
  });

  test('a forged token is told as such', async () => {
    const { made, timers, unknown, asked } = feed(() => ({ status: 404, body: refusal('TOKEN_NOT_FOUND') }));
    made.last().ends(4401);
    await timers.pass(60_000);
    assert.deepEqual([unknown, asked.length], [['TOKEN_NOT_FOUND'], 1]);
  });

  test('waking asks at once and opens another socket', async () => {
    const { it, made, timers, asked } = feed();
    made.last().opens();
    const old = made.last();
    it.wake();
    await settle();
    assert.ok(old.closed);
    assert.deepEqual([made.all.length, asked.length], [2, 1]);
    it.stop();
    await timers.pass(60_000);
    assert.equal(made.all.length, 2, 'stopped means stopped');
  });
});

describe('the seat feed', () => {
  const sections = [{ id: 'A', states: '0000' }];
  const feed = (answer: Parameters<typeof answering>[0] = () => ({ body: { event_id: 'e', epoch: 'p', seq: 4, sections } })) => {
    const [made, timers, told] = [sockets(), new FakeTimers(), [] as any[]];
    const { client, asked } = answering(answer);
    const it = new SeatFeed({ client, event: 'e', origin: 'http://sale.test', open: made.open, timers, random: () => 0.5, onSnapshot: ({ seq }) => told.push(['snapshot', seq]), onDelta: ({ seq, changes }) => told.push(['delta', seq, changes]), onSale: ({ remaining }) => told.push(['sale', remaining]) }).start();
    return { it, made, timers, told, asked };
  };

  test('snapshot, then deltas in order, once each', async () => {
    const { made, told, asked, timers } = feed();
    made.last().opens();
    made.last().tells({ type: 'snapshot', epoch: 'p', seq: 6, sections });
    made.last().tells({ type: 'delta', seq: 7, changes: [[0, 1, 2]] });
    made.last().tells({ type: 'delta', seq: 7, changes: [[0, 1, 2]] });
    made.last().tells({ type: 'sale', status: 'on_sale', remaining: 3 });
    await timers.pass(10_000);
    assert.deepEqual(told, [['snapshot', 6], ['delta', 7, [[0, 1, 2]]], ['sale', 3]]);
    assert.equal(asked.length, 0, 'the socket is enough');
  });

  test('a gap asks for what was missed, by epoch and seq, and applies nothing out of order', async () => {
    const { made, told } = feed();
    await settle();
    made.last().opens();
    made.last().tells({ type: 'snapshot', epoch: 'p', seq: 6, sections });
    made.last().sent.length = 0;
    made.last().tells({ type: 'delta', seq: 9, changes: [] });
    made.last().tells({ type: 'delta', seq: 10, changes: [] });
    assert.deepEqual(made.last().sent.map((text) => JSON.parse(text)), [{ type: 'resume', epoch: 'p', seq: 6 }]);
    for (const seq of [7, 8, 9, 10]) made.last().tells({ type: 'delta', seq, changes: [] });
    assert.deepEqual(told.slice(1).map(([, seq]) => seq), [7, 8, 9, 10]);
  });

  test('a new socket resumes where the last one was', async () => {
    const { made, timers } = feed();
    await settle();
    made.last().opens();
    made.last().tells({ type: 'snapshot', epoch: 'p', seq: 6, sections });
    made.last().tells({ type: 'delta', seq: 7, changes: [] });
    made.last().ends();
    await timers.pass(250);
    made.last().opens();
    assert.deepEqual(JSON.parse(made.last().sent[0]!), { type: 'resume', epoch: 'p', seq: 7 });
  });

  test('another epoch replaces everything, an older picture of the same one nothing', async () => {
    const { made, told } = feed();
    await settle();
    made.last().opens();
    made.last().tells({ type: 'snapshot', epoch: 'p', seq: 9, sections });
    made.last().tells({ type: 'snapshot', epoch: 'p', seq: 5, sections });
    made.last().tells({ type: 'snapshot', epoch: 'q', seq: 1, sections });
    assert.deepEqual(told.map(([, seq]) => seq), [9, 1]);
  });

  test('a socket that opens and says nothing: the picture is asked for', async () => {
    const { made, timers, told } = feed();
    made.last().opens();
    await timers.pass(1500);
    assert.deepEqual(told, [['snapshot', 4]]);
  });

  test('without a socket the map is read again about every 2 s', async () => {
    let seq = 0;
    const { made, timers, told } = feed(() => ({ body: { event_id: 'e', epoch: 'p', seq: ++seq, sections } }));
    for (let second = 0; second < 20; second++) {
      if (made.last().onclose) made.last().ends();
      await timers.pass(500);
    }
    assert.ok(told.length >= 4 && told.length <= 7, `${told.length} pictures in 10 s`);
  });
});
