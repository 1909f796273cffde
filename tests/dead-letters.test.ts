// Three days pass in the rows of endpoints' objects, while the server stands still: what was given up, what was not, and how it
// is delivered after all.

import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { granted, refused } from './client.ts';
import { DELIVERED_MS, endpoint, type Endpoint } from './endpoints.ts';
import { serve } from './harness.ts';
import { until } from './until.ts';

const server = await serve();
const { admin } = server;
const THREE_DAYS_MS = 3 * 24 * 60 * 60 * 1000;

/** Lets three days pass for whatever waits for its next try. */
async function threeDaysPass(): Promise<void> {
  await server.restart(() => {
    for (const file of server.files('WebhookObject')) {
      const database = new DatabaseSync(file);
      const update = 'UPDATE cursors SET first_failed_at = first_failed_at - ?, due_at = 0 WHERE first_failed_at IS NOT NULL';
      if (database.prepare("SELECT name FROM sqlite_schema WHERE name = 'cursors'").get()) database.prepare(update).run(THREE_DAYS_MS);
      database.close();
    }
  });
}

const redrive = (body: unknown) => admin.post('/admin/dead-letters/redrive', body, { key: null });
const letters = async (cursor = ''): Promise<any> => granted(await admin.get(`/admin/dead-letters${cursor && `?cursor=${cursor}`}`));
const failing = (hook: Endpoint, count = 1) => until('a failure', DELIVERED_MS, async () => {
  const shown = await hook.shown();
  return shown.state === 'failing' && shown.backlog >= count;
});

test('what fails for three days is a dead letter where other things were delivered, and else the endpoint is disabled', async () => {
  const [bad, good] = await Promise.all([server.event(), server.event()]);
  const [picky, down] = await Promise.all([endpoint(server), endpoint(server)]);
  picky.receiver.respond = ({ body }) => ({ status: JSON.parse(body).event_id === bad ? 500 : 200 });
  down.receiver.respond = () => ({ status: 502 });
  await Promise.all([bad, bad, good].map((event) => server.user().holds(event)));
  await Promise.all([failing(picky, 2), failing(down, 3)]);
  await until('the good one', DELIVERED_MS, () => picky.types(good).length === 1);

  await threeDaysPass();
  const disabled = await until('disabled', DELIVERED_MS, async () => {
    const shown = await down.shown();
    return shown.state === 'disabled' && shown;
  });
  assert.match(disabled.disabled.reason, /three days.*answered 502/);
  assert.equal(disabled.backlog, 3, 'nothing of it is lost');
  const [dead] = await until('a dead letter', DELIVERED_MS, async () => {
    const { dead_letters } = (await picky.shown()) && (await letters());
    return dead_letters.length === 1 && dead_letters;
  });
  const { webhook_id, event_id, sequence, problem, attempts } = dead;
  assert.deepEqual([webhook_id, event_id, sequence, problem], [picky.id, bad, 1, 'answered 500']);
  assert.ok(attempts >= 2 && dead.id === `${picky.id}.${dead.envelope_id}`);

  // The cursor went on to the next one, which waits for its own three days.
  await until('the second one', DELIVERED_MS, () => picky.sequences(bad).includes(2));
  await failing(picky);
  await threeDaysPass();
  await until('a second dead letter', DELIVERED_MS, async () => (await picky.shown()) && (await letters()).dead_letters.length === 2);
  assert.equal((await picky.shown()).backlog, 0);

  // Tried once more and refused again, they are dead again, and have been tried once more.
  assert.deepEqual(granted(await redrive({ webhook_id: picky.id, event_id: bad })), { redriven: 2 });
  await until('both refused again', DELIVERED_MS, async () => {
    const { dead_letters } = await letters();
    const first = dead_letters.find((letter: any) => letter.sequence === 1);
    return dead_letters.length === 2 && first.attempts === attempts + 1 && dead_letters.every((letter: any) => letter.attempts > 2);
  });
  assert.deepEqual(granted(await redrive({ event_id: good })), { redriven: 0 });
  refused(await redrive({ webhook_id: 'nobody' }), 404, 'NOT_FOUND');

  picky.receiver.respond = () => ({ status: 200 });
  const seen = picky.sequences(bad).length;
  granted(await admin.post(`/admin/dead-letters/${dead.id}/redrive`, undefined, { key: null }));
  await until('one letter', DELIVERED_MS, async () => (await letters()).dead_letters.length === 1);
  assert.deepEqual(granted(await redrive(undefined)), { redriven: 1 });
  await until('no letters', DELIVERED_MS, async () => (await letters()).dead_letters.length === 0);
  assert.deepEqual(picky.sequences(bad).slice(seen), [1, 2]);

  down.receiver.respond = () => ({ status: 200 });
  const before = down.receiver.received.length;
  granted(await down.post('enable'));
  await until('everything', DELIVERED_MS, () => down.receiver.received.length === before + 3);
});

test('dead letters are listed page by page, and none is ever forgotten', async () => {
  const hook = await endpoint(server);
  const event = await server.event();
  await server.user().holds(event);
  await until('the object', DELIVERED_MS, () => hook.types(event).length === 1);
  const count = 230;
  await server.restart(() => {
    for (const file of server.files('WebhookObject')) {
      const database = new DatabaseSync(file);
      const mine = database.prepare('SELECT 1 FROM endpoint WHERE body LIKE ?').get(`%${hook.receiver.url}%`);
      const insert = database.prepare('INSERT INTO dead_letters VALUES (?, ?, ?, ?, 9, ?, ?, 0)');
      // Some of the same instant.
      for (let n = 1; mine && n <= count; n++) insert.run('gone', n, `msg_gone_${n}`, 'payment.failed', 'answered 500', 1_795_262_400_000 + Math.floor(n / 7));
      database.close();
    }
  });
  const [ids, sizes] = [new Set<string>(), [] as number[]];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: any = await letters(cursor);
    sizes.push(page.dead_letters.length);
    for (const { id } of page.dead_letters) ids.add(id);
    cursor = page.next_cursor;
  }
  assert.deepEqual([ids.size, sizes], [count, [100, 100, 30]]);
  // Their event is no more: nothing can be sent, and they are still there.
  assert.deepEqual(granted(await redrive({ webhook_id: hook.id })), { redriven: count });
  await until('all tried once more', DELIVERED_MS, async () => (await letters()).dead_letters.every((letter: any) => letter.attempts === 10));
});
