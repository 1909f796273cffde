// Sales on the measured Worker: events, users, and the tables that people take their lines from.

import { randomUUID } from 'node:crypto';
import { hs256 } from '../tokens.ts';
import type { Client, Table } from './client.ts';
import { JWT_SECRET } from './contenders.ts';
import type { Server } from './server.ts';

const ROW_SEATS = 100;

function jwt(role: 'user' | 'admin'): string {
  const sub = randomUUID();
  const now = Math.floor(Date.now() / 1000);
  return hs256(JWT_SECRET, { sub, username: `user-${sub}`, role, iat: now, exp: now + 7200 });
}

/** The JWT of somebody new. */
export const user = (role: 'user' | 'admin' = 'user'): string => jwt(role);

/** How people are let in: nobody but the first, or everybody at once. */
export const SHUT = { admit_per_sec: 1, burst: 1, max_active: 1 };
export const OPEN = { admit_per_sec: 100_000, burst: 100_000, max_active: 1_000_000 };

/** Makes an event of `seats` seats in rows of 100; what nobody asks for lasts an hour. */
export async function makeEvent(server: Server, id: string, seats: number, queue: Record<string, number>): Promise<void> {
  const rows = Array.from({ length: Math.ceil(seats / ROW_SEATS) }, (_, i) => ({ id: String(i + 1), count: ROW_SEATS }));
  const response = await fetch(`http://${server.address}/api/v1/admin/events/${id}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${jwt('admin')}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      name: 'Bench',
      hold_ttl_sec: 3600,
      queue: { entry_window_sec: 3600, admission_ttl_sec: 3600, ...queue },
      sections: [{ id: 'A', price: 10_000, rows }],
    }),
  });
  if (response.status !== 201) throw new Error(`no event: ${response.status} ${await response.text()}`);
}

/** The id of a seat, from 0. */
const seat = (index: number): string => `A-${Math.floor(index / ROW_SEATS) + 1}-${(index % ROW_SEATS) + 1}`;

/** A table of people, each with a user of their own and a seat that nobody else wants, from the seat `first` on. */
export function people(client: Client, name: string, count: number, first = 0): Table {
  const lines = Array.from({ length: count }, (_, i) => [jwt('user'), seat(first + i)]);
  return client.table(name, ['jwt', 'seat'], lines);
}
