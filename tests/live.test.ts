// Sockets through the runtime: places and seats, pushed.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { granted, SOON_MS } from './client.ts';
import { serve } from './harness.ts';
import { Watcher } from './live.ts';
import { until } from './until.ts';

const server = await serve();
const place = (token: string): Watcher => new Watcher(server.url, `/queue/live?token=${encodeURIComponent(token)}`);
const seats = (event: string, from = ''): Watcher => new Watcher(server.url, `/events/${event}/live${from}`);

/** The event's seats by the API. */
const seatMap = async (event: string) => granted(await server.anyone().get(`/events/${event}/seats`));

/** A user inside, with what it takes to hold. */
async function shopper(event: string) {
  const user = server.user();
  return { user, hold: async (wish: object) => granted(await user.reserve(event, await user.admitted(event), wish), 201) };
}

describe('/events/{id}/live', () => {
  test('a snapshot as /seats has it, the sale, then every change with seq rising by one', async () => {
    const event = await server.event({ hold_ttl_sec: 600 });
    const watcher = seats(event);
    const snapshot = await watcher.sees('the snapshot', ({ type }) => type === 'snapshot');
    const map = await seatMap(event);
    assert.deepEqual(snapshot, { type: 'snapshot', epoch: map.epoch, seq: map.seq, sections: map.sections });
    const sale = await watcher.sees('the sale', ({ type }) => type === 'sale');
    assert.deepEqual(sale, { type: 'sale', status: 'on_sale', remaining: 50 });

    const { user, hold } = await shopper(event);
    const { reservation_id } = await hold({ seat_ids: ['A-1-1', 'A-1-2'] });
    const delta = await watcher.sees('the delta', ({ type }) => type === 'delta');
    assert.deepEqual(delta, { type: 'delta', seq: map.seq + 1, changes: [[0, 0, 1], [0, 1, 1]] });
    await watcher.sees('the sale after it', ({ type, remaining }) => type === 'sale' && remaining === 48);

    granted(await user.delete(`/reservations/${reservation_id}`));
    await watcher.sees('the seats back', ({ seq, type }) => type === 'delta' && seq === map.seq + 2);
    const after = await seatMap(event);
    assert.deepEqual([watcher.seq, watcher.states], [after.seq, after.sections]);
    watcher.close();
  });

  test('everything that happens to seats is told: sold, refunded, run out, blocked, unblocked', async () => {
    const event = await server.event({ hold_ttl_sec: 5 });
    const watcher = seats(event);
    await watcher.sees('the snapshot', ({ type }) => type === 'snapshot');
    const { user, hold } = await shopper(event);
    const { reservation_id } = await hold({ seat_ids: ['A-2-1'] });
    const { payment_intent_id } = granted(await user.intent(reservation_id));
    granted(await user.process(payment_intent_id));
    await watcher.sees('sold', ({ changes }) => changes?.[0]?.[2] === 2);
    const { order_id } = granted(await user.reservation(reservation_id));
    granted(await user.post(`/orders/${order_id}/refund`));
    await (await shopper(event)).hold({ seat_ids: ['A-2-2'] });
    granted(await server.admin.post(`/admin/events/${event}/seats`, { block: ['A-5-10'] }));
    granted(await server.admin.post(`/admin/events/${event}/seats`, { unblock: ['A-5-10'] }));
    // hold, sell, refund, hold, block, unblock, and the hold that nobody touches.
    await watcher.sees('the hold run out', ({ type, seq }) => type === 'delta' && seq === 7, 2000 + SOON_MS);
    const states = watcher.of('delta').map(({ changes }) => changes.map((change: number[]) => change[2]).join());
    assert.deepEqual(states, ['1', '2', '0', '1', '3', '0', '0']);
    assert.deepEqual(watcher.states, (await seatMap(event)).sections);
    watcher.close();
  });

  test('who missed something gets it by resume, or a snapshot', async () => {
    const event = await server.event({ hold_ttl_sec: 600, max_seats_per_user: 50 });
    const first = seats(event);
    const { epoch, seq } = await first.sees('the snapshot', ({ type }) => type === 'snapshot');
    const { hold } = await shopper(event);
    await hold({ quantity: 1 });
    await (await shopper(event)).hold({ quantity: 2 });
    await first.sees('both', (frame) => frame.seq === seq + 2);
    const before = first.frames.length;
    // As if the second had been lost.
    first.seq = seq + 1;
    first.send({ type: 'resume', epoch, seq: seq + 1 });
    await until('the one that was missed', SOON_MS, () => first.frames.length > before);
    assert.deepEqual(first.frames.slice(before).filter(({ type }) => type === 'delta').map((frame) => frame.seq), [seq + 2]);

    for (const missed of [{ epoch: epoch + 1, seq }, { epoch, seq: seq + 100 }]) {
      const count = first.of('snapshot').length;
      first.send({ type: 'resume', ...missed });
      await until('a snapshot', SOON_MS, () => first.of('snapshot').length > count);
    }

    const again = seats(event, `?epoch=${epoch}&seq=${seq}`).knows(first, seq);
    await again.sees('the sale', ({ type }) => type === 'sale');
    assert.deepEqual(again.frames.filter(({ type }) => type !== 'sale').map((frame) => [frame.type, frame.seq]), [['delta', seq + 1], ['delta', seq + 2]]);
    first.close();
    again.close();
  });

  test('a new map is told as a snapshot with a new epoch', async () => {
    const event = await server.event();
    const watcher = seats(event);
    const { epoch } = await watcher.sees('the snapshot', ({ type }) => type === 'snapshot');
    const bigger = { name: 'Test', sections: [{ id: 'A', price: 1, rows: [{ id: '1', count: 70 }] }, { id: 'B', price: 1, capacity: 9 }] };
    granted(await server.admin.put(`/admin/events/${event}`, bigger));
    const next = await watcher.sees('the next snapshot', (frame) => frame.type === 'snapshot' && frame.epoch > epoch);
    assert.deepEqual(next.sections, [{ id: 'A', states: '0'.repeat(70) }, { id: 'B', states: '' }]);
    watcher.close();
  });

  test('a pause and a notice of the organiser are told', async () => {
    const event = await server.event();
    const watcher = seats(event);
    await watcher.sees('the sale', ({ type }) => type === 'sale');
    const notice = { ko: '잠시만요', en: 'One moment', level: 'info' };
    granted(await server.admin.post(`/admin/events/${event}/queue`, { paused: true, notice }));
    const sale = await watcher.sees('the pause', ({ type, status }) => type === 'sale' && status === 'paused');
    assert.deepEqual(sale.notice, notice);
    watcher.close();
  });

  test('ping is answered, rubbish is ignored, a frame too long is not', async () => {
    const watcher = seats(await server.event());
    await watcher.sees('the snapshot', ({ type }) => type === 'snapshot');
    for (const text of ['{"type":"resume"}', '{', 'hello', '{"type":"delta"}', 'ping']) watcher.send(text);
    await until('the pong', SOON_MS, () => watcher.texts.includes('pong'));
    assert.equal(watcher.closed, undefined);
    watcher.send('x'.repeat(2000));
    assert.equal((await watcher.ends()).code, 4400);
  });

  test('who resumes without end is told to slow down', async () => {
    const watcher = seats(await server.event());
    const { epoch, seq } = await watcher.sees('the snapshot', ({ type }) => type === 'snapshot');
    for (let times = 0; times < 20; times++) watcher.send({ type: 'resume', epoch, seq });
    assert.equal((await watcher.ends()).code, 4429);
  });

  test('an unknown event is 4404, and without an upgrade it is no socket', async () => {
    assert.deepEqual(await seats('evt_none').ends(), { code: 4404, reason: 'EVENT_NOT_FOUND' });
    const answer = await server.anyone().get(`/events/${await server.event()}/live`);
    assert.deepEqual([answer.status, answer.body.error.details.field], [400, 'Upgrade']);
  });

  test('who comes after the object lost its memory, or workerd its life, misses nothing', async () => {
    const event = await server.event({ hold_ttl_sec: 600 });
    const first = seats(event);
    await first.sees('the snapshot', ({ type }) => type === 'snapshot');
    await (await shopper(event)).hold({ seat_ids: ['A-3-1'] });
    await first.sees('the delta', ({ type }) => type === 'delta');
    await server.kill();
    await first.ends();
    await (await shopper(event)).hold({ seat_ids: ['A-3-2'] });
    const again = seats(event, `?epoch=${first.epoch}&seq=${first.seq}`).knows(first);
    await again.sees('what was missed', ({ type }) => type === 'delta');
    assert.equal(again.of('snapshot').length, 0);
    assert.deepEqual(again.states, (await seatMap(event)).sections);
    again.close();
  });
});

describe('/queue/live', () => {
  const slow = { queue: { admit_per_sec: 1, burst: 1, max_active: 1, entry_window_sec: 600, lanes: 2 } };

  test('tells a place at once, at every change, when it is ready, and when it is over', async () => {
    const event = await server.event(slow);
    const [first, second] = [await server.anyone().waits(event), await server.anyone().waits(event)];
    const [ahead, behind] = [place(first), place(second)];
    const ready = await ahead.sees('ready', ({ ready_for_entry }) => ready_for_entry);
    assert.deepEqual([ready.type, ready.status, ready.position, ready.remaining], ['place', 'waiting', 0, 50]);
    assert.ok(Date.parse(ready.ready_expires_at) > Date.now());
    const waits = await behind.sees('its place', ({ type }) => type === 'place');
    assert.deepEqual([waits.status, waits.ready_for_entry], ['waiting', false]);
    assert.ok(waits.position >= 1 && waits.eta_sec >= 1 && Number.isInteger(waits.admitted_per_min), JSON.stringify(waits));

    granted(await server.anyone().delete(`/queue/leave?token=${first}`));
    assert.equal((await ahead.sees('left', ({ status }) => status === 'left')).position, 0);
    assert.equal((await ahead.ends()).code, 4409);
    await behind.sees('its turn', ({ ready_for_entry }) => ready_for_entry);
    const positions = behind.frames.map(({ position }) => position);
    assert.deepEqual(positions, positions.toSorted((a, b) => b - a), 'a position never grows');
    granted(await server.anyone().post('/queue/enter', { waiting_token: second }));
    await behind.sees('entered', ({ status }) => status === 'entered');
    assert.equal((await behind.ends()).code, 4409);
  });

  test('says so at least every 2 s even if nothing changes', async () => {
    const event = await server.event({ ...slow, queue: { ...slow.queue, paused: true } });
    const watcher = place(await server.anyone().waits(event));
    await until('three frames', 3 * 2000 + SOON_MS, () => watcher.frames.length >= 3);
    const gaps = watcher.times.slice(1).map((time, index) => time - watcher.times[index]!);
    assert.ok(Math.min(...gaps) > 0 && Math.max(...gaps.slice(0, 2)) < 2000 + SOON_MS, gaps.join());
    watcher.close();
  });

  test('a socket that closes leaves the place where it is', async () => {
    const event = await server.event({ ...slow, queue: { ...slow.queue, paused: true } });
    const token = await server.anyone().waits(event);
    const watcher = place(token);
    const { position } = await watcher.sees('its place', ({ type }) => type === 'place');
    watcher.close();
    await watcher.ends();
    assert.equal(granted(await server.anyone().get(`/queue/status?token=${token}`)).position, position);
  });

  test('no token, a forged one, a place that is over: each its code', async () => {
    assert.equal((await new Watcher(server.url, '/queue/live').ends()).code, 4401);
    assert.equal((await place('wt.forged').ends()).code, 4401);
    const event = await server.event(slow);
    const token = await server.anyone().waits(event);
    granted(await server.anyone().delete(`/queue/leave?token=${token}`));
    const late = place(token);
    assert.equal((await late.ends()).code, 4409);
    assert.equal(late.frames.at(-1)?.status, 'left');
  });

  test('a place has at most five sockets', async () => {
    const event = await server.event({ ...slow, queue: { ...slow.queue, paused: true } });
    const token = await server.anyone().waits(event);
    const five = Array.from({ length: 5 }, () => place(token));
    await Promise.all(five.map((watcher) => watcher.sees('its place', ({ type }) => type === 'place')));
    assert.deepEqual(await place(token).ends(), { code: 4429, reason: 'too many sockets retry-after=10' });
    five[0]!.close();
    await five[0]!.ends();
    await until('room for another one', SOON_MS, async () => {
      const another = place(token);
      await Promise.race([another.sees('its place', ({ type }) => type === 'place'), another.ends()]);
      return !another.closed;
    });
    for (const watcher of five) watcher.close();
  });
});
