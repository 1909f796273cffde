// Five hundred pages at sockets, workerd killed under them, twice: all resume, none misses or repeats a change of seats.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { granted } from './client.ts';
import { serve } from './harness.ts';
import { Watcher } from './live.ts';
import { until } from './until.ts';

const SOCKETS = 500;
/** Sockets that are being opened at the same time. */
const AT_ONCE = 25;
const PATIENCE_MS = 60_000;

const server = await serve();

async function each<T>(items: T[], work: (item: T, index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) await work(items[next]!, next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

test('a page resumes where it was, with the map of the ledger', async () => {
  const rows = Array.from({ length: 20 }, (_, row) => ({ id: String(row + 1), count: 20 }));
  const event = await server.event({ hold_ttl_sec: 600, sections: [{ id: 'A', price: 1, rows }] });
  const buy = async (): Promise<void> => {
    const user = server.user();
    const token = await user.admitted(event);
    granted(await user.reserve(event, token, { quantity: 2 }), 201);
  };
  const pages: Watcher[] = Array.from({ length: SOCKETS });
  /** Every sequence that a page was told as a delta, over all its sockets. */
  const told: number[][] = pages.map(() => []);
  const first: number[] = [];
  const collect = (): void => pages.forEach((page, index) => told[index]!.push(...page.of('delta').map(({ seq }) => seq)));
  const open = (from?: Watcher): Watcher => {
    const query = from ? `?epoch=${from.epoch}&seq=${from.seq}` : '';
    const page = new Watcher(server.url, `/events/${event}/live${query}`);
    return from ? page.knows(from) : page;
  };

  await each(pages, async (_, index) => {
    pages[index] = open();
    first[index] = (await pages[index].sees('the snapshot', ({ type }) => type === 'snapshot', PATIENCE_MS)).seq;
  });
  for (let round = 0; round < 2; round++) {
    for (let bought = 0; bought < 3; bought++) await buy();
    // In the middle of telling the last of them.
    await server.kill();
    await until('the end of every socket', PATIENCE_MS, () => pages.every((page) => page.closed));
    collect();
    await buy();
    await each(pages, async (page, index) => {
      pages[index] = open(page);
      await pages[index].sees('the sale', ({ type }) => type === 'sale', PATIENCE_MS);
    });
  }
  await buy();
  const seats = granted(await server.anyone().get(`/events/${event}/seats`));
  await until('everybody at the last change', PATIENCE_MS, () => pages.every((page) => page.seq === seats.seq));
  collect();

  const replayed = Array<string>(400).fill('0');
  const { entries } = granted(await server.admin.get(`/admin/events/${event}/ledger`));
  for (const { seat_ids } of entries) {
    for (const id of seat_ids) {
      const [, row, number] = id.split('-').map(Number);
      replayed[(row - 1) * 20 + number - 1] = '1';
    }
  }
  assert.deepEqual(seats.sections, [{ id: 'A', states: replayed.join('') }]);
  for (const [index, page] of pages.entries()) {
    assert.deepEqual(page.states, seats.sections, `page ${index}`);
    const expected = Array.from({ length: seats.seq - first[index]! }, (_, at) => first[index]! + at + 1);
    assert.deepEqual(told[index], expected, `page ${index}: each change once`);
    page.close();
  }
});
