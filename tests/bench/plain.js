// What a competent developer writes first: one object per event, one insert per join and per hold, the position by
// count. The count is kept in memory beside the table, since counting rows again for everybody would not be competent.
// It checks no token, keeps no idempotency record, charges nobody and expires nothing: all that counts in its favour.
import { DurableObject } from 'cloudflare:workers';

const json = (status, body) =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } });

export class Sale extends DurableObject {
  constructor(state, env) {
    super(state, env);
    this.sql = state.storage.sql;
    this.sql.exec('CREATE TABLE IF NOT EXISTS places (number INTEGER PRIMARY KEY, caller TEXT UNIQUE, joined_at INTEGER)');
    this.sql.exec('CREATE TABLE IF NOT EXISTS holds (seat TEXT PRIMARY KEY, reservation TEXT, user TEXT, expires_at INTEGER)');
    this.count = this.sql.exec('SELECT COUNT(*) AS count FROM places').one().count;
  }

  async fetch(request) {
    const body = await request.json();
    return new URL(request.url).pathname.endsWith('/join') ? this.join(request, body) : this.hold(body);
  }

  join(request, { event_id }) {
    const caller = request.headers.get('idempotency-key');
    const number = this.count + 1;
    this.sql.exec('INSERT INTO places (number, caller, joined_at) VALUES (?, ?, ?)', number, caller, Date.now());
    this.count = number;
    return json(202, { waiting_token: `${event_id}.${number}`, position_hint: number, status: 'waiting' });
  }

  hold({ event_id, user_id, seat_ids: [seat] }) {
    if (this.sql.exec('SELECT 1 FROM holds WHERE seat = ?', seat).toArray().length > 0) {
      return json(409, { error: { code: 'SEAT_TAKEN' } });
    }
    const reservation_id = crypto.randomUUID();
    const expires = Date.now() + 60_000;
    this.sql.exec('INSERT INTO holds (seat, reservation, user, expires_at) VALUES (?, ?, ?, ?)', seat, reservation_id, user_id ?? '', expires);
    const hold_expires_at = new Date(expires).toISOString();
    return json(201, { reservation_id, event_id, status: 'HOLD', seat_ids: [seat], quantity: 1, hold_expires_at });
  }
}

export default {
  fetch(request, env) {
    return env.SALE.getByName(new URL(request.url).pathname.split('/').at(-2)).fetch(request);
  },
};
