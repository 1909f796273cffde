// The README's shell lines, as they stand there, against a server: what a stranger copies must work.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { ROOT, serve } from './harness.ts';

const server = await serve();

test('the README buys two tickets', async () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const lines = /```sh\n(API=[\s\S]*?)```/.exec(readme)?.[1];
  assert.ok(lines, 'the README has the lines');
  const script = lines.replace('http://localhost:8787/', server.url);
  assert.ok(script.includes(server.url), 'the lines say where the server is');

  const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], { timeout: 240_000 });
  const answers = stdout.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  const [place, payment, order] = answers;
  assert.equal(place.ready_for_entry, true);
  assert.equal(payment.status, 'APPROVED');
  assert.equal(order.status, 'CONFIRMED');
  assert.equal(order.order_id, payment.order_id);
  assert.deepEqual(order.tickets.map(({ seat_id }: { seat_id: string }) => seat_id), order.seat_ids);
  assert.equal(order.seat_ids.length, 2);
  assert.ok(order.tickets.every(({ code }: { code: string }) => code.length > 20));
});
