// More newcomers than are served at once: the rest is told to come back, nobody loses a place, those inside go on.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { granted, refused, type Caller } from './client.ts';
import { serve } from './harness.ts';

const MOST = 8;
const CROWD = 60;
const server = await serve({ NEWCOMERS_MAX: String(MOST) });

/** Joins until there is room; the waiting token, and how often there was none. */
async function place(user: Caller, event: string): Promise<{ token: string; shed: number }> {
  const key = randomUUID();
  for (let shed = 0; ; shed++) {
    const answer = await user.join(event, { key });
    if (answer.status === 202) return { token: answer.body.waiting_token, shed };
    refused(answer, 503, 'OVERLOADED');
    assert.match(answer.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
  }
}

test('a crowd that comes at once is partly sent back, and in the end each has one place', async () => {
  const event = await server.event({ queue: { paused: true, lanes: 4 } });
  const placed = await Promise.all(server.users(CROWD).map((user) => place(user, event)));
  assert.equal(new Set(placed.map(({ token }) => token)).size, CROWD);
  assert.ok(placed.some(({ shed }) => shed > 0), 'somebody was sent back');
  const { waiting } = granted(await server.admin.get(`/queue/stats?event_id=${event}`));
  assert.ok(waiting <= CROWD, `${waiting} places of ${CROWD} people`);
  const numbers = new Set((await Promise.all(placed.map(({ token }) => server.anyone().status(token)))).map((answer) => granted(answer).position));
  assert.equal(numbers.size, CROWD, 'each has a position of its own');
  const shed = placed.reduce((sum, { shed }) => sum + shed, 0);
  const counted = Number(/^shed_total (\d+)$/m.exec((await server.anyone().send('GET', '/metrics')).text)?.[1]);
  assert.equal(counted, shed);
});

test('who is inside is served while newcomers are sent back', async () => {
  const event = await server.event();
  const inside: [Caller, string][] = [];
  for (const user of server.users(4)) inside.push([user, await user.admitted(event)]);
  const newcomers = Promise.all(server.users(CROWD).map((user) => place(user, event)));
  for (const [user, token] of inside) granted(await user.reserve(event, token, { quantity: 2 }), 201);
  assert.ok((await newcomers).some(({ shed }) => shed > 0), 'somebody was sent back meanwhile');
});
