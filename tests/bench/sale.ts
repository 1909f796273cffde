// Sales on the measured Worker: events, users, and the tables that people take their lines from.

import { randomUUID } from 'node:crypto';
import { hs256 } from '../tokens.ts';
import type { Client, Table } from './client.ts';
import { JWT_SECRET } from './contenders.ts';
import type { Server } from './server.ts';

const ROW_SEATS = 100;
/** Over how many objects inventories are spread where nothing else is said: `SHARDS=4 make bench ARGS='--profile hold'`. */
const SHARDS = Number(process.env.SHARDS ?? 1);

function jwt(role: 'user' | 'admin', sub: string = randomUUID()): string {
  const now = Math.floor(Date.now() / 1000);
  return hs256(JWT_SECRET, { sub, username: `user-${sub}`, role, iat: now, exp: now + 7200 });
}

/** Where the seats of people lie: anywhere in turn, at the shard where they are at home, or at the one after it. */
export type Where = 'anywhere' | 'home' | 'elsewhere';

/** The shard where a user is at home, as `domain::spread` has it. */
function homeOf(user: string, shards: number): number {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(user)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return Number((hash ^ (hash >> 32n)) % BigInt(shards));
}

/** The JWT of somebody new. */
export const user = (role: 'user' | 'admin' = 'user'): string => jwt(role);

/** How people are let in: nobody but the first, or everybody at once. */
export const SHUT = { admit_per_sec: 1, burst: 1, max_active: 1 };
export const OPEN = { admit_per_sec: 100_000, burst: 100_000, max_active: 1_000_000 };

/**
 * Makes an event of `seats` seats in rows of 100; what nobody asks for lasts an hour. Spread over `shards`, it has as many
 * sections with as many seats together.
 */
export async function makeEvent(server: Server, id: string, seats: number, queue: Record<string, number>, shards = SHARDS): Promise<void> {
  const rows = Array.from({ length: Math.ceil(seats / shards / ROW_SEATS) }, (_, i) => ({ id: String(i + 1), count: ROW_SEATS }));
  const sections = Array.from({ length: shards }, (_, i) => ({ id: section(i), price: 10_000, rows }));
  const response = await fetch(`http://${server.address}/api/v1/admin/events/${id}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${jwt('admin')}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      name: 'Bench',
      hold_ttl_sec: 3600,
      queue: { entry_window_sec: 3600, admission_ttl_sec: 3600, lanes: 4, ...queue },
      shards,
      sections,
    }),
  });
  if (response.status !== 201) throw new Error(`no event: ${response.status} ${await response.text()}`);
}

const section = (index: number): string => String.fromCharCode(65 + index);

/** The id of a seat, from 0, in the first section unless another is named. */
const seat = (index: number, of = 0): string => `${section(of)}-${Math.floor(index / ROW_SEATS) + 1}-${(index % ROW_SEATS) + 1}`;

/** A table of people, each with a user of their own and a seat that nobody else wants, from the seat `first` on; in turn in each of `sections`. */
export function people(client: Client, name: string, count: number, first = 0, sections = SHARDS, where: Where = 'anywhere'): Table {
  const next = Array.from({ length: sections }, () => first);
  const lines = Array.from({ length: count }, (_, i) => {
    const sub = randomUUID();
    const of = where === 'anywhere' ? i % sections : (homeOf(sub, sections) + (where === 'home' ? 0 : 1)) % sections;
    return [jwt('user', sub), seat(next[of]!++, of)];
  });
  return client.table(name, ['jwt', 'seat'], lines);
}
