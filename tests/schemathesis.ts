// The server that scripts/schemathesis.sh tests: development data, a sale that has been made, and for schemathesis the
// tokens and ids of that sale, so that its requests meet something.
//
//   node tests/schemathesis.ts FOLDER
//
// writes FOLDER/openapi.json (the contract, with what the sale has as its examples) and FOLDER/{user,anyone}.toml, prints
// the address, and runs until its input ends.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Caller, granted } from './client.ts';
import { document, METHODS, resolve } from './contract.ts';
import { PAYMENT_WEBHOOK_SECRET, Server } from './harness.ts';

/** How many of each kind are made: what a request takes is gone for the next one. */
const EACH = 12;
/** How often a known value stands where the document allows any: often enough to meet something, not always. */
const KNOWN = 0.7;

const folder = process.argv[2];
assert.ok(folder, 'usage: node tests/schemathesis.ts FOLDER');

const server = new Server({});
await server.start();
await server.prepare();

async function signedIn(username: string, password: string): Promise<Caller> {
  return new Caller(server.url, granted(await server.anyone().post('/auth/login', { username, password })).token);
}
const user = await signedIn('user01', 'pwd01');
const admin = await signedIn('admin', 'admin-dev');

// Holds that outlast the run, for one user, each by an admission of its own.
const event = await server.event({
  hold_ttl_sec: 3600,
  max_seats_per_user: 1000,
  queue: { admission_ttl_sec: 3600, entry_window_sec: 3600 },
  sections: [
    { id: 'A', price: 10_000, rows: Array.from({ length: 20 }, (_, row) => ({ id: String(row + 1), count: 20 })) },
    { id: 'GA', price: 5_000, capacity: 5000 },
  ],
});
const spare = await server.event();

async function made<T>(make: (index: number) => Promise<T>): Promise<T[]> {
  const all: T[] = [];
  for (let index = 0; index < EACH; index++) all.push(await make(index));
  return all;
}
const anyone = server.anyone();
const waiting = await made(() => anyone.waits(event));
const admissions = await made(() => anyone.admitted(event));
const hold = async (): Promise<string> =>
  granted(await user.reserve(event, await anyone.admitted(event), { quantity: 1 }), 201).reservation_id;
const holds = await made(hold);
// For those who open intents, and nobody else: one intent is all that a hold takes.
const unpaid = await made(hold);
const unpaidAlias = await made(hold);
const pending = await made(async () => {
  const token = await anyone.admitted(event);
  const { reservation_id } = granted(await user.reserve(event, token, { quantity: 2 }), 201);
  return granted(await user.intent(reservation_id, { scenario: 'timeout' }));
});
async function purchase(): Promise<{ reservation_id: string; payment_intent_id: string; order_id: string }> {
  const reservation_id = await hold();
  const { payment_intent_id } = granted(await user.intent(reservation_id));
  granted(await user.process(payment_intent_id));
  const order_id = granted(await user.reservation(reservation_id)).order_id;
  assert.ok(order_id, 'an approved payment makes an order');
  return { reservation_id, payment_intent_id, order_id };
}
const bought = await made(purchase);
// For those who confirm: nobody takes it back, so that confirming again gives the same order.
const kept = await purchase();
const webhooks = await made(async (index) => {
  const id = `hook_${index}`;
  granted(await admin.put(`/admin/webhooks/${id}`, { url: 'http://127.0.0.1:9/', secret: 'schemathesis' }), 201);
  return id;
});
const letters = await made(async (index) => {
  const id = `msg_${event}_${index}`;
  const body = JSON.stringify({ id, type: 'reservation.created', source: 'traffic-tacos', event_id: spare, sequence: index, data: {} });
  await server.sql('INSERT INTO dead_letters (dead_letter_id, body, reason, created_at) VALUES (?1, ?2, ?3, ?4)', id, body, 'gave up', Date.now());
  return `queue.${id}`;
});
const { next_cursor } = granted(await user.get('/reservations'));

const values: Record<string, string[]> = {
  events: [event, event, spare, 'evt_2025_1001', 'evt_2025_1006'],
  spares: [spare, 'evt_new_1', 'evt_new_2', 'evt_2025_1002'],
  waiting,
  admissions,
  sections: ['A', 'GA'],
  seats: ['A-1-1', 'A-2-3', 'A-20-20', 'A-19-1', 'A-18-2'],
  reservations: [...holds, ...pending.map((intent) => intent.reservation_id), ...bought.map((one) => one.reservation_id)],
  kept: [kept.reservation_id],
  orders: bought.map((one) => one.order_id),
  payments: [...pending.map((intent) => intent.payment_intent_id), ...bought.map((one) => one.payment_intent_id)],
  webhooks,
  letters,
  urls: ['http://127.0.0.1:9/', 'http://127.0.0.1:9/other'],
  usernames: ['user02', 'admin'],
  passwords: ['pwd02', 'admin-dev', 'long enough'],
  problems: ['seat-taken', 'sold-out', 'not-found'],
  cursors: next_cursor ? [next_cursor] : ['AAABnG2eoAAAAAAAAAAAAAAAAAAAAAAB'],
};

/** What stands for `{id}` in a path, by the operations that have it. */
const PATH_IDS: [RegExp, string][] = [
  [/^\/api\/v1\/events\//, 'events'],
  [/^\/api\/v1\/reservations\/\{id\}\/confirm$/, 'kept'],
  [/^\/api\/v1\/reservations\//, 'reservations'],
  [/^\/api\/v1\/orders\//, 'orders'],
  [/^\/api\/v1\/payments?\//, 'payments'],
  [/^\/api\/v1\/admin\/events\/\{id\}$/, 'spares'],
  [/^\/api\/v1\/admin\/events\/\{id\}\/queue$/, 'spares'],
  [/^\/api\/v1\/admin\/events\//, 'events'],
  [/^\/api\/v1\/admin\/webhooks\//, 'webhooks'],
  [/^\/api\/v1\/admin\/dead-letters\//, 'letters'],
];

/** What a parameter of the query can be. */
const QUERY: Record<string, string> = { token: 'waiting', event_id: 'events', reservation_id: 'reservations', cursor: 'cursors' };

const text = (value: string): string => JSON.stringify(value);
const bound = (name: string, dictionary: string, probability = KNOWN): string =>
  `${text(name)} = { dictionary = ${text(dictionary)}, probability = ${probability} }`;

type Json = Record<string, any>;

/** Bodies that the server can take, by operation; the contract's own example stays the first. */
const bodies: Record<string, Json[]> = {
  joinQueue: [{ event_id: event }, { event_id: spare }],
  enterQueue: waiting.map((waiting_token) => ({ waiting_token })),
  createReservation: [
    ...admissions.map((reservation_token, index) => ({ event_id: event, reservation_token, quantity: 1 + (index % 3) })),
    { event_id: event, reservation_token: admissions[0], seat_ids: ['A-20-20'] },
    { event_id: event, reservation_token: admissions[1], section: 'GA', quantity: 2 },
  ],
  confirmReservation: [{ payment_intent_id: kept.payment_intent_id }],
  openPayment: unpaid.map((reservation_id) => ({ reservation_id, scenario: 'timeout' })),
  openPaymentAlias: unpaidAlias.map((reservation_id) => ({ reservation_id, scenario: 'timeout' })),
  processPayment: pending.map(({ payment_intent_id }) => ({ payment_intent_id })),
  paymentWebhook: pending.map(({ payment_intent_id, reservation_id, amount, currency }) => ({
    type: 'payment.approved',
    timestamp: new Date().toISOString().replace(/\d{3}Z$/, '000Z'),
    data: { payment_intent_id, reservation_id, amount, currency },
  })),
  login: [{ username: 'user02', password: 'pwd02' }],
  setSeats: [{ block: ['A-5-1'] }, { unblock: ['A-5-1'] }],
  putWebhook: [{ url: 'http://127.0.0.1:9/', secret: 'schemathesis' }],
};

const named = (all: unknown[]): Json => Object.fromEntries(all.map((value, index) => [`sale${index}`, { value }]));

/** The contract, with what the sale has where it has examples. */
function contract(): Json {
  const copy: Json = structuredClone(document);
  for (const parameter of Object.values<any>(copy.components.parameters)) {
    // One key for everything would make every request but the first a conflict.
    if (parameter.name === 'Idempotency-Key') delete parameter.schema.examples;
  }
  for (const [path, item] of Object.entries<any>(copy.paths)) {
    const dictionary = path.includes('{id}') && PATH_IDS.find(([pattern]) => pattern.test(path))?.[1];
    for (const operation of METHODS.map((method) => item[method]).filter(Boolean)) {
      operation.parameters = operation.parameters?.map((reference: Json) => {
        const parameter = structuredClone(resolve(reference));
        // schemathesis trips over references inside a choice of parameters.
        parameter.schema.anyOf &&= parameter.schema.anyOf.map(resolve);
        const known = parameter.in === 'path' ? (parameter.name === 'id' ? dictionary : 'problems') : QUERY[parameter.name];
        if (known) parameter.examples = named(values[known] ?? []);
        return parameter.name === 'Idempotency-Key' ? reference : parameter;
      });
      const media = operation.requestBody && (operation.requestBody = structuredClone(resolve(operation.requestBody))).content;
      const all = bodies[operation.operationId] ?? bodies[operation.operationId.replace(/Alias$/, '')];
      if (all) {
        delete media['application/json'].example;
        media['application/json'].examples = named(all);
      }
    }
  }
  return copy;
}

/** The configuration of one pass, as TOML. */
function configuration(tokens: { user: string; admin: string } | undefined): string {
  const lines: string[] = [];
  lines.push(`hooks = ${text(fileURLToPath(new URL('schemathesis_hooks.py', import.meta.url)))}`);
  for (const [name, all] of Object.entries(values)) lines.push(`[dictionaries.${name}]`, `values = [${all.map(text).join(', ')}]`);
  lines.push(
    '[parameters]',
    bound('query.token', 'waiting'),
    bound('query.event_id', 'events'),
    bound('query.reservation_id', 'reservations'),
    bound('query.cursor', 'cursors', 0.3),
    bound('path.name', 'problems'),
    bound('body.event_id', 'events'),
    bound('body.waiting_token', 'waiting'),
    bound('body.reservation_token', 'admissions'),
    bound('body.seat_ids[*]', 'seats'),
    bound('body.section', 'sections'),
    bound('body.reservation_id', 'reservations'),
    bound('body.payment_intent_id', 'payments'),
    bound('body.block[*]', 'seats'),
    bound('body.unblock[*]', 'seats'),
    bound('body.username', 'usernames', 0.3),
    bound('body.password', 'passwords', 0.3),
    bound('body.url', 'urls', 1),
    // The token is in the configuration, so that leaving it out is no case; unknown parameters are ignored by contract.
    '[generation]',
    'with-security-parameters = false',
    'allow-extra-parameters = false',
    '[checks.positive_data_acceptance]',
    // What a schema cannot say (a payment that does not fit, a sum, a webhook nobody signed) is refused with these.
    'expected-statuses = ["2xx", "3xx", "400", "401", "403", "404", "409", "412", "422"]',
    '[checks.negative_data_rejection]',
    'expected-statuses = ["400", "401", "403", "404", "405", "409", "412", "413", "415", "422"]',
  );
  for (const [path, item] of Object.entries<any>(document.paths)) {
    const dictionary = path.includes('{id}') && PATH_IDS.find(([pattern]) => pattern.test(path))?.[1];
    const token = path.startsWith('/api/v1/admin') ? tokens?.admin : tokens?.user;
    for (const method of METHODS.filter((one) => item[one])) {
      const settings: string[] = [];
      if (token && path.startsWith('/api/v1')) settings.push(`headers = { Authorization = ${text(`Bearer ${token}`)} }`);
      if (dictionary) settings.push(`parameters = { ${bound('path.id', dictionary)} }`);
      if (settings.length > 0) lines.push('[[operations]]', `include-name = ${text(`${method.toUpperCase()} ${path}`)}`, ...settings);
    }
  }
  return `${lines.join('\n')}\n`;
}

assert.ok(user.token && admin.token);
writeFileSync(join(folder, 'user.toml'), configuration({ user: user.token, admin: admin.token }));
writeFileSync(join(folder, 'anyone.toml'), configuration(undefined));
writeFileSync(join(folder, 'openapi.json'), JSON.stringify(contract()));
// The hooks sign the provider's messages with the second.
console.log(server.url, PAYMENT_WEBHOOK_SECRET);

// Whoever started this closes the pipe when done.
process.stdin.resume();
process.stdin.once('end', () => void server.stop().then(() => process.exit(0)));
