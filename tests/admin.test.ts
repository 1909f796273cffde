// Organising a sale: the event, its queue, its seats, its ledger.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { granted, refused, type Answer } from './client.ts';
import { serve } from './harness.ts';
import { until } from './until.ts';

const server = await serve();
const { admin } = server;
const anyone = server.anyone();
const SECTION = { id: 'A', price: 100, rows: [{ id: '1', count: 4 }, { id: '2', count: 4 }] };
const fresh = (): string => `evt_${randomBytes(6).toString('hex')}`;
const put = (id: string, body: unknown): Promise<Answer> => admin.put(`/admin/events/${id}`, body);
const seats = (event: string, body: unknown): Promise<Answer> => admin.post(`/admin/events/${event}/seats`, body, { key: null });
const states = async (event: string): Promise<string[]> =>
  granted(await anyone.get(`/events/${event}/seats`)).sections.map((section: any) => section.states);
const shown = (event: string, expected: string[]): Promise<unknown> =>
  until(`seats ${expected}`, 1500, async () => {
    assert.deepEqual(await states(event), expected);
    return true;
  });

describe('an event', { concurrency: 6 }, () => {
  test('needs a name and sections; everything else has the default of the contract', async () => {
    const id = fresh();
    const before = Date.now();
    const made = granted(await put(id, { name: 'N', sections: [SECTION] }), 201);
    assert.equal(made.event_id, id);
    const { hold_ttl_sec, max_seats_per_reservation, max_seats_per_user, currency } = made;
    assert.deepEqual([hold_ttl_sec, max_seats_per_reservation, max_seats_per_user, currency], [60, 10, 10, 'KRW']);
    const settings = { admit_per_sec: 50, burst: 100, max_active: 2000, entry_window_sec: 60, admission_ttl_sec: 180, lanes: 1 };
    assert.deepEqual(made.queue, { ...settings, paused: false });
    assert.ok(Math.abs(Date.parse(made.sale_opens_at) - before) < 5000);
    assert.deepEqual([made.starts_at, made.sale_closes_at], [null, null]);
  });

  test('takes no notice of a field that it does not know', async () => {
    const made = granted(await put(fresh(), { name: 'N', sections: [SECTION], unheard_of: 4, queue: { unheard_of: true } }), 201);
    assert.equal(made.unheard_of, undefined);
    assert.equal(made.queue.unheard_of, undefined);
  });

  test('is created once and then replaced', async () => {
    const id = fresh();
    granted(await put(id, { name: 'One', sections: [SECTION] }), 201);
    granted(await put(id, { name: 'Two', sections: [SECTION], queue: { admit_per_sec: 7 } }), 200);
    const now = granted(await admin.get(`/admin/events/${id}`));
    assert.deepEqual([now.name, now.queue.admit_per_sec, now.queue.burst], ['Two', 7, 14]);
  });

  test('shows its settings and its live figures to the organiser', async () => {
    const event = await server.event();
    await server.user().buys(event, { quantity: 2 });
    await server.user().holds(event, { quantity: 3 });
    const now = granted(await admin.get(`/admin/events/${event}`));
    assert.equal(now.queue.max_active, 10_000);
    const { figures } = now;
    assert.ok(figures, 'live figures');
    assert.ok(JSON.stringify(figures).includes('"sold":2') && JSON.stringify(figures).includes('"held":3'));
  });

  test('that breaks a bound is refused, and the field is named', async () => {
    const wrong: [string, unknown][] = [
      ['name', { name: '' }],
      ['name', { name: 5 }],
      ['sections', { sections: [] }],
      ['hold_ttl_sec', { hold_ttl_sec: 0 }],
      ['hold_ttl_sec', { hold_ttl_sec: 3601 }],
      ['queue.entry_window_sec', { queue: { entry_window_sec: 3601 } }],
      ['queue.admission_ttl_sec', { queue: { admission_ttl_sec: 0 } }],
      ['queue.admit_per_sec', { queue: { admit_per_sec: 100_001 } }],
      ['queue.max_active', { queue: { max_active: 1_000_001 } }],
      ['queue.lanes', { queue: { lanes: 257 } }],
      ['queue.lanes', { queue: { lanes: 0 } }],
      ['starts_at', { starts_at: 'tomorrow' }],
      ['currency', { currency: 'won' }],
      ['sections[0].price', { sections: [{ ...SECTION, price: -1 }] }],
      ['sections[0].rows', { sections: [{ id: 'A', price: 1, rows: [] }] }],
      ['sections[0].rows[0].blocked', { sections: [{ id: 'A', price: 1, rows: [{ id: '1', count: 2, blocked: [3] }] }] }],
      ['sections[0].capacity', { sections: [{ id: 'A', price: 1, kind: 'general', capacity: 0 }] }],
      ['sections[1].id', { sections: [SECTION, SECTION] }],
      ['sections', { sections: [{ id: 'A', price: 1, kind: 'general', capacity: 200_001 }] }],
      ['sale_closes_at', { sale_opens_at: '2030-01-02T00:00:00Z', sale_closes_at: '2030-01-01T00:00:00Z' }],
    ];
    for (const [field, change] of wrong) {
      const answer = await put(fresh(), { name: 'N', sections: [SECTION], ...(change as object) });
      assert.equal(refused(answer, 400, 'INVALID_REQUEST').details.field, field, answer.text);
    }
    refused(await put('evt%20x', { name: 'N', sections: [SECTION] }), 400, 'INVALID_REQUEST');
    refused(await put('x'.repeat(65), { name: 'N', sections: [SECTION] }), 400, 'INVALID_REQUEST');
  });

  test('cannot lose a seat that is held or sold, and can lose any other', async () => {
    const event = await server.event({ sections: [SECTION, { id: 'B', price: 1, rows: [{ id: '1', count: 2 }] }] });
    const buyer = server.user();
    await server.user().holds(event, { seat_ids: ['A-1-4'] });
    await buyer.buys(event, { seat_ids: ['A-2-1'] });
    const { queue } = granted(await admin.get(`/admin/events/${event}`));
    const rows = (...counts: number[]): object => ({
      name: 'Test',
      queue,
      sections: [{ ...SECTION, rows: counts.map((count, index) => ({ id: `${index + 1}`, count })) }],
    });
    const { details } = refused(await put(event, rows(3, 4)), 409, 'EVENT_HAS_SALES');
    assert.deepEqual(details.seat_ids, ['A-1-4']);
    refused(await put(event, rows(4)), 409, 'EVENT_HAS_SALES');
    await shown(event, ['00012000', '00']);
    granted(await put(event, rows(5, 1, 2)));
    await shown(event, ['00010200']);
    assert.equal(granted(await buyer.get('/orders')).orders[0].seat_ids[0], 'A-2-1');
  });

  test('keeps its lanes once somebody has joined, and those that there are where none are named', async () => {
    const event = await server.event({ sections: [SECTION], queue: { lanes: 2 } });
    await server.user().waits(event);
    const replaced = granted(await put(event, { name: 'Again', sections: [SECTION] }));
    assert.equal(replaced.queue.lanes, 2);
    const { details } = refused(await put(event, { name: 'Again', sections: [SECTION], queue: { lanes: 3 } }), 400, 'INVALID_REQUEST');
    assert.equal(details.field, 'queue.lanes');
  });

  test('has as many as 200,000 places', async () => {
    const id = fresh();
    granted(await put(id, { name: 'Big', sections: [{ id: 'GA', price: 1, capacity: 200_000 }] }), 201);
    assert.equal(granted(await anyone.get(`/events/${id}/availability`)).remaining, 200_000);
  });
});

describe('the queue of an event', { concurrency: 6 }, () => {
  const set = (event: string, body: unknown): Promise<Answer> => admin.post(`/admin/events/${event}/queue`, body, { key: null });

  test('changes what is named and keeps the rest', async () => {
    const event = await server.event({ queue: { admit_per_sec: 9, burst: 3, max_active: 5 } });
    const settings = granted(await set(event, { admit_per_sec: 11, paused: true }));
    assert.deepEqual([settings.admit_per_sec, settings.burst, settings.max_active, settings.paused], [11, 3, 5, true]);
    const notice = { ko: '곧', en: 'Soon', level: 'info' };
    assert.deepEqual(granted(await set(event, { notice })).notice, notice);
    assert.equal(granted(await set(event, { notice: null })).notice, undefined);
    assert.deepEqual(granted(await set(event, {})), settings);
    assert.deepEqual(granted(await admin.get(`/admin/events/${event}`)).queue, settings);
  });

  test('refuses what breaks a bound, and changes nothing then', async () => {
    const event = await server.event();
    for (const [field, value] of [['admit_per_sec', 0], ['burst', 0], ['max_active', -1], ['paused', 'yes'], ['lanes', 300]] as const) {
      const { details } = refused(await set(event, { max_active: 77, [field]: value }), 400, 'INVALID_REQUEST');
      assert.equal(details.field, field);
    }
    assert.equal(granted(await admin.get(`/admin/events/${event}`)).queue.max_active, 10_000);
    refused(await set('evt_none', {}), 404, 'EVENT_NOT_FOUND');
  });
});

describe('seats', { concurrency: 6 }, () => {
  test('are held back and released', async () => {
    const event = await server.event({ sections: [SECTION] });
    const answer = granted(await seats(event, { block: ['A-1-1', 'A-2-4'] }));
    assert.deepEqual(answer, { blocked: ['A-1-1', 'A-2-4'], unblocked: [] });
    await shown(event, ['30000003']);
    const user = server.user();
    const token = await user.admitted(event);
    refused(await user.reserve(event, token, { seat_ids: ['A-1-1'] }), 409, 'SEAT_TAKEN');
    granted(await seats(event, { block: ['A-1-2'], unblock: ['A-1-1'] }));
    await shown(event, ['03000003']);
    granted(await user.reserve(event, token, { seat_ids: ['A-1-1'] }), 201);
  });

  test('that are held or sold cannot be held back, and unknown ones neither', async () => {
    const event = await server.event({ sections: [SECTION] });
    await server.user().holds(event, { seat_ids: ['A-1-3'] });
    assert.deepEqual(refused(await seats(event, { block: ['A-1-2', 'A-1-3'] }), 409, 'SEAT_TAKEN').details.seat_ids, ['A-1-3']);
    assert.deepEqual(refused(await seats(event, { unblock: ['A-9-9'] }), 404, 'SEAT_NOT_FOUND').details.seat_ids, ['A-9-9']);
    refused(await seats('evt_none', { block: [] }), 404, 'EVENT_NOT_FOUND');
    await shown(event, ['00100000']);
  });
});

describe('the ledger', { concurrency: 6 }, () => {
  /** The seat map that the entries make. */
  function replay(entries: any[], layout: string[]): string {
    const map = new Map(layout.map((seat) => [seat, '0']));
    const becomes: Record<string, string> = {
      'reservation.created': '1',
      'reservation.confirmed': '2',
      'reservation.cancelled': '0',
      'reservation.expired': '0',
      'reservation.refunded': '0',
      'seats.blocked': '3',
      'seats.unblocked': '0',
    };
    for (const { type, seat_ids } of entries) {
      for (const seat of seat_ids) map.set(seat, becomes[type] ?? assert.fail(type));
    }
    return layout.map((seat) => map.get(seat)).join('');
  }

  test('replayed from its first entry gives the seat map', async () => {
    const event = await server.event({
      hold_ttl_sec: 2,
      sections: [{ id: 'A', price: 1, rows: [{ id: '1', count: 12, blocked: [12] }] }],
    });
    const layout = Array.from({ length: 12 }, (_, number) => `A-1-${number + 1}`);
    const users = server.users(5);
    await Promise.all(users.slice(0, 2).map((user) => user.buys(event)));
    const cancelled = await users[2]!.holds(event, { quantity: 2 });
    granted(await users[2]!.cancel(cancelled.reservation_id));
    const { order } = await users[3]!.buys(event);
    granted(await users[3]!.refund(order.order_id));
    granted(await seats(event, { block: ['A-1-1'], unblock: ['A-1-12'] }));
    const { reservation_id } = await users[4]!.holds(event, { quantity: 2 });
    await until('the expiry', 4000, async () => (await states(event)).every((map) => !map.includes('1')));
    await server.recorded(event, reservation_id, 'reservation.expired');

    const entries = await server.ledger(event);
    assert.equal(replay(entries, layout), (await states(event))[0]);
    assert.deepEqual(entries.map((entry) => entry.seq), entries.map((_, index) => index + 1), 'seq rises by one from 1');
    const times = entries.map((entry) => Date.parse(entry.at));
    assert.deepEqual(times, [...times].sort((a, b) => a - b));
  });

  test('counts places in general admission', async () => {
    const event = await server.event({ sections: [{ id: 'GA', price: 1, capacity: 9 }] });
    await server.user().buys(event, { quantity: 4, section: 'GA' });
    const [created, confirmed] = await server.ledger(event);
    assert.deepEqual([created.type, created.section, created.quantity, created.seat_ids], ['reservation.created', 'GA', 4, []]);
    assert.deepEqual([confirmed.type, confirmed.section, confirmed.quantity], ['reservation.confirmed', 'GA', 4]);
  });

  test('comes in pages', async () => {
    const event = await server.event();
    for (let i = 0; i < 5; i++) await server.user().holds(event);
    const first = granted(await admin.get(`/admin/events/${event}/ledger?limit=2`));
    assert.deepEqual(first.entries.map((entry: any) => entry.seq), [1, 2]);
    const second = granted(await admin.get(`/admin/events/${event}/ledger?limit=2&cursor=${first.next_cursor}`));
    assert.deepEqual(second.entries.map((entry: any) => entry.seq), [3, 4]);
    const third = granted(await admin.get(`/admin/events/${event}/ledger?limit=2&cursor=${second.next_cursor}`));
    assert.deepEqual([third.entries.map((entry: any) => entry.seq), third.next_cursor], [[5], null]);
    refused(await admin.get(`/admin/events/${event}/ledger?cursor=x`), 400, 'INVALID_REQUEST');
    refused(await admin.get('/admin/events/evt_none/ledger'), 404, 'EVENT_NOT_FOUND');
  });
});

test('organising is for organisers alone', async () => {
  const event = await server.event();
  const path = `/admin/events/${event}`;
  for (const [who, status, code] of [[anyone, 401, 'UNAUTHENTICATED'], [server.user(), 403, 'FORBIDDEN']] as const) {
    refused(await who.put(path, { name: 'N', sections: [SECTION] }), status, code);
    refused(await who.get(path), status, code);
    refused(await who.post(`${path}/queue`, {}, { key: null }), status, code);
    refused(await who.post(`${path}/seats`, {}, { key: null }), status, code);
    refused(await who.get(`${path}/ledger`), status, code);
    refused(await who.get('/admin/webhooks/x'), status, code);
    refused(await who.put('/admin/webhooks/x', {}), status, code);
    refused(await who.delete('/admin/webhooks/x'), status, code);
    refused(await who.get('/admin/dead-letters'), status, code);
    refused(await who.post('/admin/dead-letters/x/redrive', {}, { key: null }), status, code);
  }
});
