// Events whose inventory is spread over several objects: all or nothing, one ledger, one set of limits.
// `SHARDS=3 node --test …` runs the other tests on such events, too.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { granted, refused, SOON_MS, type Answer, type Caller, type Reservation, type Wish } from './client.ts';
import { serve } from './harness.ts';
import { clockReaches, until } from './until.ts';

const server = await serve();
const SECTIONS = ['A', 'B', 'C', 'D'];
const rows = [{ id: '1', count: 10 }];
const sections = SECTIONS.map((id, i) => ({ id, price: 100 - i, rows }));
const spread = (more: object = {}): Promise<string> => server.event({ shards: 3, sections, ...more });
const everywhere = (number: number): string[] => SECTIONS.map((section) => `${section}-1-${number}`);

async function shopper(event: string): Promise<{ user: Caller; reserve: (wish: Wish) => ReturnType<Caller['reserve']> }> {
  const user = server.user();
  const token = await user.admitted(event);
  return { user, reserve: (wish) => user.reserve(event, token, wish) };
}

/** The seats as everybody sees them: id → state. */
async function seats(event: string): Promise<Map<string, string>> {
  const body = granted(await server.anyone().get(`/events/${event}/seats`));
  return new Map(body.sections.flatMap(({ id, states }: any) => [...states].map((state, i) => [`${id}-1-${i + 1}`, state])));
}

/** The same by the ledger, which is numbered without gaps. */
async function replayed(event: string): Promise<Map<string, string>> {
  const entries = await server.ledger(event);
  assert.deepEqual(entries.map(({ seq }) => seq), entries.map((_, i) => i + 1));
  const after: Record<string, string> = { created: '1', confirmed: '2', blocked: '3' };
  const map = new Map<string, string>();
  for (const id of SECTIONS) for (let number = 1; number <= 10; number++) map.set(`${id}-1-${number}`, '0');
  for (const { type, seat_ids } of entries) for (const id of seat_ids) map.set(id, after[type.split('.')[1]] ?? '0');
  return map;
}

const free = (event: string, ids: string[]): Promise<true> =>
  until(`${ids} are free`, SOON_MS, async () => {
    const map = await seats(event);
    return ids.every((id) => map.get(id) === '0') || undefined;
  }) as Promise<true>;

describe('a reservation over several shards', { concurrency: 4 }, () => {
  test('has all of its seats, in the order in which they were named, at their prices', async () => {
    const event = await spread();
    const { user, reserve } = await shopper(event);
    const wish = { seat_ids: ['C-1-1', 'A-1-2', 'B-1-3', 'D-1-4'] };
    const held = granted(await reserve(wish), 201);
    assert.deepEqual([held.status, held.seat_ids, held.quantity, held.total_amount], ['HOLD', wish.seat_ids, 4, 98 + 100 + 99 + 97]);
    assert.deepEqual(granted(await user.reservation(held.reservation_id)), held);
    const list = granted(await user.get(`/reservations?event_id=${event}`)).reservations;
    assert.deepEqual(list.map((one: Reservation) => one.reservation_id), [held.reservation_id]);
    const map = await seats(event);
    assert.ok(wish.seat_ids.every((id) => map.get(id) === '1'), 'it is seen at once');
    assert.equal(granted(await server.anyone().get(`/events/${event}/availability`)).remaining, 36);
  });

  test('has none of them where one is taken, and says which, wherever they are', async () => {
    const event = await spread();
    granted(await (await shopper(event)).reserve({ seat_ids: ['B-1-1'] }), 201);
    granted(await (await shopper(event)).reserve({ seat_ids: ['D-1-1', 'C-1-2'] }), 201);
    const { reserve } = await shopper(event);
    const { details } = refused(await reserve({ seat_ids: ['D-1-1', 'A-1-1', 'B-1-1', 'C-1-1'] }), 409, 'SEAT_TAKEN');
    assert.deepEqual(details.seat_ids, ['D-1-1', 'B-1-1']);
    await until('what was claimed for nothing is free', SOON_MS, async () => {
      const again = await (await shopper(event)).reserve({ seat_ids: ['A-1-1', 'C-1-1'] });
      return again.status === 201 || undefined;
    });
    assert.deepEqual(await seats(event), await replayed(event));
  });

  test('is sold as a whole, and comes back as a whole', async () => {
    const event = await spread();
    const user = server.user();
    const { order } = await user.buys(event, { seat_ids: everywhere(5) });
    assert.deepEqual([order.seat_ids, order.tickets.map((ticket) => ticket.seat_id)], [everywhere(5), everywhere(5)]);
    const sold = await seats(event);
    assert.ok(everywhere(5).every((id) => sold.get(id) === '2'));
    granted(await user.refund(order.order_id));
    await free(event, everywhere(5));
    await until('they are sold again', SOON_MS, async () => {
      const { reserve } = await shopper(event);
      return (await reserve({ seat_ids: everywhere(5) })).status === 201 || undefined;
    });
    assert.deepEqual(await seats(event), await replayed(event));
  });

  test('runs out as a whole, with nobody calling', async () => {
    const event = await spread({ hold_ttl_sec: 1 });
    const { reserve } = await shopper(event);
    const held = granted(await reserve({ seat_ids: everywhere(1) }), 201);
    await clockReaches(Date.parse(held.hold_expires_at));
    await free(event, everywhere(1));
  });

  test('that is paid too late is sold where all of its seats are free, and given back where one is not', async () => {
    const event = await spread({ hold_ttl_sec: 2 });
    const pay = async (number: number): Promise<{ user: Caller; id: string; payment: string; held: Reservation }> => {
      const { user, reserve } = await shopper(event);
      const held = granted(await reserve({ seat_ids: everywhere(number) }), 201);
      const { payment_intent_id: payment } = granted(await user.intent(held.reservation_id, { scenario: 'delay', delay_ms: 5000 }));
      return { user, id: held.reservation_id, payment, held };
    };
    const [free, taken] = await Promise.all([pay(1), pay(2)]);
    await clockReaches(Date.parse(taken.held.hold_expires_at));
    const other = server.user();
    const token = await other.admitted(event);
    const theirs = await until('one of its seats is free', SOON_MS, async () => {
      const answer = await other.reserve(event, token, { seat_ids: ['C-1-2'] });
      return answer.status === 201 && answer.body;
    });
    const { payment_intent_id } = granted(await other.intent(theirs.reservation_id, { scenario: 'timeout' }));
    assert.equal(granted(await other.process(payment_intent_id)).status, 'APPROVED');
    assert.equal((await free.user.becomes(free.id, 'CONFIRMED', 10_000)).order_id?.startsWith('ord_'), true);
    await taken.user.paymentBecomes(taken.payment, 'REFUNDED', 10_000);
    assert.equal(granted(await taken.user.reservation(taken.id)).status, 'EXPIRED');
    const map = await seats(event);
    assert.deepEqual(everywhere(2).map((id) => map.get(id)), ['0', '0', '2', '0']);
    assert.deepEqual(map, await replayed(event));
  });

  test('survives that everything is restarted', async () => {
    const own = await serve();
    const event = await own.event({ shards: 3, sections, hold_ttl_sec: 600 });
    const user = own.user();
    const held = await user.holds(event, { seat_ids: everywhere(7) });
    await own.restart();
    assert.deepEqual(granted(await user.reservation(held.reservation_id)), held);
    const { payment_intent_id } = granted(await user.intent(held.reservation_id));
    assert.equal(granted(await user.process(payment_intent_id)).status, 'APPROVED');
    const body = granted(await own.anyone().get(`/events/${event}/availability`));
    assert.deepEqual([body.remaining, body.sections.map((section: any) => section.sold)], [36, [1, 1, 1, 1]]);
  });
});

describe('many who want the same seats of several shards', () => {
  test('get each seat once, and the ledger is the map', async () => {
    const event = await spread({ max_seats_per_user: 4 });
    const shoppers = await Promise.all(Array.from({ length: 24 }, () => shopper(event)));
    // Rings: everybody wants a seat of their own section and the same of the next, so that each seat is wanted often.
    const wishes = shoppers.map((_, i) => [0, 1].map((step) => `${SECTIONS[(i + step) % 4]}-1-${1 + (i % 3)}`));
    const answers = await Promise.all(shoppers.map(({ reserve }, i) => reserve({ seat_ids: wishes[i]! })));
    const held = answers.filter((answer) => answer.status === 201).flatMap((answer) => answer.body.seat_ids);
    for (const answer of answers.filter(({ status }) => status !== 201)) refused(answer, 409, 'SEAT_TAKEN');
    assert.equal(new Set(held).size, held.length, 'no seat is held twice');
    assert.ok(held.length >= 6, `of those who want the same seats somebody gets them: ${held}`);
    const map = await until('what was claimed for nothing is free', SOON_MS, async () => {
      const map = await seats(event);
      return [...map.values()].filter((state) => state === '1').length === held.length && map;
    });
    assert.deepEqual(map, await replayed(event));
  });
});

describe('limits', { concurrency: 4 }, () => {
  test('are of the whole event: seats of a user, and one hold of an admission', async () => {
    const event = await spread({ max_seats_per_user: 3 });
    const user = server.user();
    await user.buys(event, { seat_ids: ['A-1-1', 'B-1-1'] });
    const token = await user.admitted(event);
    refused(await user.reserve(event, token, { seat_ids: ['C-1-1', 'D-1-1'] }), 409, 'RESERVATION_LIMIT');
    granted(await user.reserve(event, token, { seat_ids: ['C-1-1'] }), 201);
    refused(await user.reserve(event, token, { seat_ids: ['D-1-1'] }), 409, 'RESERVATION_LIMIT');
  });

  test('hold for an admission that anybody may use: one of ten who have its token holds with it', async () => {
    const event = await spread();
    const token = await server.anyone().admitted(event);
    const users = server.users(10);
    const answers = await Promise.all(users.map((user, i) => user.reserve(event, token, { seat_ids: [`${SECTIONS[i % 4]}-1-${i + 1}`] })));
    const [first, ...more] = answers.filter(({ status }) => status === 201);
    assert.ok(first && more.length === 0, answers.map(({ status, text }) => `${status} ${text}`).join('\n'));
    const owner = users[answers.indexOf(first)]!;
    const { payment_intent_id } = granted(await owner.intent(first.body.reservation_id));
    assert.equal(granted(await owner.process(payment_intent_id)).status, 'APPROVED');
    await until('its admission is over', SOON_MS, async () => {
      const again: Answer = await users[(answers.indexOf(first) + 1) % 10]!.reserve(event, token, { seat_ids: ['A-1-9'] });
      return (again.status === 403 && again.body.error.code === 'NOT_ADMITTED') || undefined;
    });
  });

  test('a key has one effect, however often and at once it comes', async () => {
    const event = await spread();
    const user = server.user();
    const token = await user.admitted(event);
    const send = () => user.reserve(event, token, { seat_ids: everywhere(3) }, { key: 'the-same' });
    const answers = await Promise.all([send(), send(), send(), send()]);
    assert.deepEqual(answers.map(({ text }) => text), answers.map(() => answers[0]!.text));
    assert.equal(granted(answers[0]!, 201).quantity, 4);
  });
});

describe('the best seats', () => {
  test('of all shards are those of the first section that has them together', async () => {
    const event = await spread();
    const first = granted(await (await shopper(event)).reserve({ quantity: 10 }), 201);
    assert.deepEqual(new Set(first.seat_ids.map((id) => id[0])), new Set(['A']));
    const next = granted(await (await shopper(event)).reserve({ quantity: 2, section: 'D' }), 201);
    assert.ok(next.seat_ids.every((id) => id.startsWith('D-')));
    const third = granted(await (await shopper(event)).reserve({ quantity: 9 }), 201);
    assert.deepEqual(new Set(third.seat_ids.map((id) => id[0])), new Set(['B']));
    const { reserve } = await shopper(event);
    granted(await (await shopper(event)).reserve({ quantity: 10, section: 'C' }), 201);
    refused(await reserve({ quantity: 5 }), 409, 'SOLD_OUT');
    granted(await reserve({ quantity: 4 }), 201);
  });
});

describe('the organiser', { concurrency: 4 }, () => {
  test('keeps seats of several shards back, all or none of them', async () => {
    const event = await spread();
    granted(await (await shopper(event)).reserve({ seat_ids: ['C-1-1'] }), 201);
    const post = (body: object) => server.admin.post(`/admin/events/${event}/seats`, body);
    const { details } = refused(await post({ block: ['A-1-1', 'B-1-1', 'C-1-1'] }), 409, 'SEAT_TAKEN');
    assert.deepEqual(details.seat_ids, ['C-1-1']);
    assert.deepEqual((await seats(event)).get('A-1-1'), '0');
    assert.deepEqual(granted(await post({ block: ['A-1-2', 'D-1-2'] })), { blocked: ['A-1-2', 'D-1-2'], unblocked: [] });
    assert.deepEqual(granted(await post({ block: ['B-1-2'], unblock: ['D-1-2'] })), { blocked: ['B-1-2'], unblocked: ['D-1-2'] });
    refused(await (await shopper(event)).reserve({ seat_ids: ['A-1-2'] }), 409, 'SEAT_TAKEN');
    granted(await (await shopper(event)).reserve({ seat_ids: ['D-1-2'] }), 201);
    assert.deepEqual(await seats(event), await replayed(event));
  });

  test('adds seats to a spread event, and takes none away', async () => {
    const event = await spread();
    const put = (body: object) => server.admin.put(`/admin/events/${event}`, { name: 'Test', sections, ...body });
    granted(await put({ sections: [...sections, { id: 'E', price: 5, rows }] }));
    const { reserve } = await shopper(event);
    granted(await reserve({ seat_ids: ['E-1-1', 'A-1-1'] }), 201);
    for (const body of [{ shards: 1 }, { shards: 4 }]) {
      assert.equal(refused(await put(body), 400, 'INVALID_REQUEST').details.field, 'shards');
    }
    for (const fewer of [sections.slice(1), [...sections].reverse(), [{ ...sections[0]!, rows: [{ id: '1', count: 9 }] }, ...sections.slice(1)]]) {
      assert.equal(refused(await put({ sections: fewer }), 400, 'INVALID_REQUEST').details.field, 'sections');
    }
    assert.equal(granted(await server.admin.get(`/admin/events/${event}`)).shards, 3);
  });

  test('chooses 1 to 64 shards, one where nothing is said', async () => {
    const event = await server.event();
    assert.equal(granted(await server.admin.get(`/admin/events/${event}`)).shards, 1);
    for (const shards of [0, 65, -1, '2']) {
      const body = { name: 'Test', shards, sections };
      assert.equal(refused(await server.admin.put('/admin/events/evt_shards', body), 400, 'INVALID_REQUEST').details.field, 'shards');
    }
  });
});
