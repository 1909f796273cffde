// Asks the objects of the Worker directly, so that what they take is seen without the gateway. `/drive/<what>` asks once;
// everything else goes to the Worker.
import { DurableObject } from 'cloudflare:workers';

const EVENT = 'evt_objects';
const SPREAD = 'evt_book';
const SHARDS = 32;
const JOINS = 100;
const MANY = 20;
// Later than any that the lanes themselves have given. Lane 0 is asked itself.
const NONCE = 9e15;
const ROW_SEATS = 100;
const HOUR_MS = 3_600_000;

export class Empty extends DurableObject {
  ask() {
    return new TextEncoder().encode('\x03\0\0\0G{}');
  }
}

let last = 0;
// Lanes that have no batch out, and the number of each one's last: plain data, never another request's promise.
const idle = Array.from({ length: 127 }, (_, i) => i + 1);
const batches = new Map();

// Shards that have no message out, what each has told, and how many seats all of them have.
const quiet = Array.from({ length: SHARDS }, (_, i) => i);
const told = new Map();
let taken = 0;
// Seats that were held by single holds.
let held = 0;

const hex = (number) => number.toString(16).padStart(8, '0') + '9e3779b97f4a7c15f39cc060'.slice(0, 24);
const idempotency = (number) => ({ scope: hex(number), fingerprint: hex(1), ttl_ms: 300_000 });
/** Seats of a section of the spread event. */
const SECTION_SEATS = 1500;
const seat = (index, section = 0) => `${String.fromCharCode(65 + section)}-${Math.floor(index / ROW_SEATS) + 1}-${(index % ROW_SEATS) + 1}`;

/** A message of a shard to the book: so many holds of a seat each. */
function merge(shard, holds) {
  const before = told.get(shard) ?? 0;
  told.set(shard, before + holds);
  const time = new Date().toISOString();
  const all = Array.from({ length: holds }, (_, i) => {
    const sequence = before + i + 1;
    // What is sent to nobody takes no seats.
    const index = shard === SHARDS ? i : taken++;
    const seat_ids = [seat(index % SECTION_SEATS, Math.floor(index / SECTION_SEATS))];
    const reservation_id = `rsv_${SPREAD}_${hex(index)}`;
    const status = { status: 'HOLD', seat_ids, quantity: 1, total_amount: 10_000, currency: 'KRW', hold_expires_at: time, created_at: time, updated_at: time };
    const data = { reservation_id, event_id: SPREAD, user_id: '2f1c7d0e-5b3a-4c6d-8e9f-000000000000', ...status };
    const envelope = { id: `msg_${SPREAD}_${sequence}`, type: 'reservation.created', source: 'traffic-tacos', time, event_id: SPREAD, sequence, data, trace_id: hex(sequence) };
    return [{ seq: sequence, at: time, type: 'reservation.created', reservation_id, seat_ids, quantity: 1 }, envelope];
  });
  return { Command: { Merge: { shard, entries: all.map(([entry]) => entry), envelopes: all.map(([, envelope]) => envelope) } } };
}

/** What is asked: the object, the question, and what to do when it is answered. */
function question(what, env) {
  const number = ++last;
  switch (what) {
    case 'batch': {
      const lane = idle.pop();
      const seq = (batches.get(lane) ?? 0) + 1;
      batches.set(lane, seq);
      const ask = { Command: { Batch: { lane, nonce: NONCE, seq, joins: JOINS, leaves: [] } } };
      return [env.QUEUE.getByName(EVENT), ask, () => idle.push(lane)];
    }
    case 'board':
      return [env.QUEUE.getByName(EVENT), { Board: { since: 1 } }];
    case 'join':
      return [env.LANE.getByName(`${EVENT}/0`), { Join: { caller: hex(number), key: hex(number), fingerprint: hex(2), kid: 1, replaces: null } }];
    case 'tell':
    case 'tell-many': {
      const shard = quiet.pop();
      return [env.INVENTORY.getByName(SPREAD), merge(shard, what === 'tell' ? 1 : MANY), () => quiet.push(shard)];
    }
    case 'hold': {
      const admission = { number, ends_at: Date.now() + HOUR_MS };
      const wish = { seat_ids: [seat(held++)], quantity: 1, section: null, together: true };
      const user = crypto.randomUUID();
      return [env.INVENTORY.getByName(EVENT), { Command: { Hold: { key: hex(number), user, admission, wish, idempotency: idempotency(number) } } }];
    }
    case 'nothing-many':
      return [undefined, merge(SHARDS, MANY)];
    default:
      return [env.EMPTY.getByName('one'), { Command: { Batch: { lane: 1, nonce: 1, seq: number, joins: JOINS, leaves: [] } } }];
  }
}

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (!pathname.startsWith('/drive/')) return env.OURS.fetch(request);
    const [object, ask, done] = question(pathname.slice('/drive/'.length), env);
    const body = JSON.stringify({ trace: '', ask });
    if (pathname.startsWith('/drive/nothing')) return new Response(`G${body.length}`);
    const answer = (await object.ask(new TextEncoder().encode(`[${body}]`))).subarray(4);
    const text = new TextDecoder().decode(answer);
    done?.();
    // Before an answer is its length, four bytes; a granted one begins with a G.
    return new Response(text.slice(0, 200), { status: text[0] === 'G' ? 200 : 500 });
  },
};
