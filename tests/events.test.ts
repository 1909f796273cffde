// What is on sale, and what is left of it.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { granted, refused } from './client.ts';
import { serve } from './harness.ts';
import { clockReaches, until } from './until.ts';

const server = await serve();
const anyone = server.anyone();
const availability = async (event: string): Promise<any> => granted(await anyone.get(`/events/${event}/availability`));
const listed = async (event: string): Promise<any> =>
  granted(await anyone.get('/events')).events.find((entry: any) => entry.event_id === event);

describe('an event', { concurrency: 6 }, () => {
  test('is shown with all that a seat map needs', async () => {
    const layout = { x: 1.5, y: 2, angle: -10, curve: 30, floor: 2, aisles: { after_seats: [3], after_rows: [1] } };
    const event = await server.event({
      name: { ko: '네온', en: 'Neon' },
      venue: 'Hall',
      starts_at: '2031-01-01T10:00:00Z',
      hold_ttl_sec: 7,
      max_seats_per_reservation: 3,
      queue: { entry_window_sec: 11, admission_ttl_sec: 13 },
      sections: [
        { id: 'A', name: 'Floor', price: 500, layout, rows: [{ id: '1', count: 4, blocked: [2] }, { id: '2', count: 5 }] },
        { id: 'GA', kind: 'general', price: 0, capacity: 30 },
      ],
    });
    const shown = granted(await anyone.get(`/events/${event}`));
    assert.deepEqual([shown.name, shown.venue], [{ ko: '네온', en: 'Neon' }, 'Hall']);
    assert.deepEqual([shown.starts_at, shown.sale_closes_at], ['2031-01-01T10:00:00.000Z', '2031-01-01T10:00:00.000Z']);
    const { hold_ttl_sec, entry_window_sec, admission_ttl_sec, max_seats_per_reservation, max_seats_per_user } = shown;
    const limits = [hold_ttl_sec, entry_window_sec, admission_ttl_sec, max_seats_per_reservation, max_seats_per_user];
    assert.deepEqual(limits, [7, 11, 13, 3, 10]);
    const [floor, general] = shown.sections;
    assert.deepEqual([floor.id, floor.name, floor.price, floor.kind, floor.layout], ['A', 'Floor', 500, 'seated', layout]);
    assert.deepEqual(floor.rows.map((row: any) => [row.id, row.count]), [['1', 4], ['2', 5]]);
    assert.deepEqual([general.kind, general.capacity], ['general', 30]);
  });

  test('is not sent again to who has it, until it changes', async () => {
    const event = await server.event();
    const first = await anyone.get(`/events/${event}`);
    const etag = first.headers.get('etag') ?? '';
    assert.match(etag, /^(W\/)?".+"$/);
    const headers = { 'if-none-match': etag };
    assert.equal((await anyone.get(`/events/${event}`, { headers })).status, 304);
    await server.user().holds(event);
    assert.equal((await anyone.get(`/events/${event}`, { headers })).status, 304, 'nothing in it changes while it sells');
    const { queue, sections, name } = granted(await server.admin.get(`/admin/events/${event}`));
    granted(await server.admin.put(`/admin/events/${event}`, { name: `${name} again`, queue, sections }));
    const changed = await until('the change', 6000, async () => {
      const answer = await anyone.get(`/events/${event}`, { headers });
      return answer.status === 200 && answer;
    });
    assert.equal(changed.body.name, 'Test again');
    assert.notEqual(changed.headers.get('etag'), etag);
  });

  test('appears in the list within 5 s, with its prices and what is left', async () => {
    const sections = [
      { id: 'A', price: 300, rows: [{ id: '1', count: 4, blocked: [1] }] },
      { id: 'B', price: 200, capacity: 6 },
    ];
    const event = await server.event({ name: 'Listed', sections });
    const entry = await until('the event in the list', 5000, () => listed(event));
    assert.deepEqual([entry.name, entry.currency, entry.min_price, entry.max_price], ['Listed', 'KRW', 200, 300]);
    assert.deepEqual([entry.status, entry.remaining, entry.starts_at], ['on_sale', 9, null]);
  });

  test('that nobody made is EVENT_NOT_FOUND everywhere', async () => {
    for (const path of ['', '/availability', '/seats']) {
      refused(await anyone.get(`/events/evt_none${path}`), 404, 'EVENT_NOT_FOUND');
      refused(await anyone.get(`/events/evt%20none${path}`), 404, 'EVENT_NOT_FOUND');
    }
    refused(await anyone.get('/queue/stats?event_id=evt_none'), 404, 'EVENT_NOT_FOUND');
    refused(await server.user().join('evt_none'), 404, 'EVENT_NOT_FOUND');
  });
});

describe('the status of a sale', { concurrency: 6 }, () => {
  const status = async (event: string): Promise<string> =>
    granted(await anyone.get(`/queue/stats?event_id=${event}`)).status;

  test('is scheduled before it opens, on_sale after, closed at its end', async () => {
    const opens = Date.now() + 2500;
    const event = await server.event({
      sale_opens_at: new Date(opens).toISOString(),
      sale_closes_at: new Date(opens + 1500).toISOString(),
    });
    assert.equal(await status(event), 'scheduled');
    refused(await server.user().join(event), 409, 'SALE_NOT_OPEN');
    await clockReaches(opens);
    assert.equal(await status(event), 'on_sale');
    granted(await server.user().join(event), 202);
    await clockReaches(opens + 1500);
    assert.equal(await status(event), 'closed');
    refused(await server.user().join(event), 409, 'SALE_CLOSED');
  });

  test('is paused while the organiser pauses it', async () => {
    const event = await server.event({ queue: { paused: true } });
    assert.equal(await status(event), 'paused');
    granted(await server.user().join(event), 202);
  });

  test('is sold_out when every seat is sold or blocked, and join says so', async () => {
    const event = await server.event({ sections: [{ id: 'A', price: 1, rows: [{ id: '1', count: 3, blocked: [2] }] }] });
    const buyer = server.user();
    const { reservation_id } = await buyer.holds(event, { seat_ids: ['A-1-1', 'A-1-3'] });
    granted(await server.user().join(event), 202);
    const { payment_intent_id } = granted(await buyer.intent(reservation_id));
    granted(await buyer.process(payment_intent_id));
    await until('sold out', 1500, async () => (await status(event)) === 'sold_out');
    refused(await server.user().join(event), 409, 'SOLD_OUT');
  });
});

describe('availability', { concurrency: 6 }, () => {
  test('adds up in every section and agrees with the seats, whatever happens', async () => {
    const sections = [
      { id: 'A', name: 'Near', price: 300, rows: [{ id: '1', count: 6, blocked: [1, 6] }, { id: '2', count: 8 }] },
      { id: 'G', price: 200, capacity: 5 },
    ];
    const event = await server.event({ sections });
    const [holder, buyer, guest] = server.users(3);
    assert.ok(holder && buyer && guest);
    await holder.holds(event, { seat_ids: ['A-1-2', 'A-1-3', 'A-2-8'] });
    await buyer.buys(event, { seat_ids: ['A-2-1'] });
    await guest.holds(event, { section: 'G', quantity: 2 });
    const left = await until('both figures', 1500, async () => {
      const figures = await availability(event);
      return figures.remaining === 8 + 3 && figures;
    });
    const [near, general] = left.sections;
    assert.deepEqual({ ...near }, { id: 'A', name: 'Near', price: 300, total: 14, remain: 8, held: 3, sold: 1, blocked: 2 });
    assert.deepEqual([general.total, general.remain, general.held, general.sold, general.blocked], [5, 3, 2, 0, 0]);
    const seats = granted(await anyone.get(`/events/${event}/seats`));
    assert.deepEqual(seats.sections, [{ id: 'A', states: '31100320000001' }, { id: 'G', states: '' }]);
  });

  test('is at most a second old', async () => {
    const event = await server.event();
    const before = await availability(event);
    assert.equal(before.remaining, 50);
    await server.user().holds(event, { quantity: 4 });
    const held = Date.now();
    await until('the hold', 1100, async () => (await availability(event)).remaining === 46);
    assert.ok(Date.parse((await availability(event)).as_of) >= held - 1000);
  });

  test('seats have a sequence that rises with every change', async () => {
    const event = await server.event();
    const read = async (): Promise<any> => granted(await anyone.get(`/events/${event}/seats`));
    const before = await read();
    assert.deepEqual(before.sections, [{ id: 'A', states: '0'.repeat(50) }]);
    await server.user().holds(event, { seat_ids: ['A-2-1'] });
    const after = await until('the hold', 1100, async () => {
      const seats = await read();
      return seats.seq > before.seq && seats;
    });
    assert.equal(after.sections[0].states, `${'0'.repeat(10)}1${'0'.repeat(39)}`);
    assert.equal(after.epoch, before.epoch);
  });
});
