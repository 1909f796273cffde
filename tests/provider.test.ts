// The provider's webhook: who may speak, and that what is said counts once.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, test } from 'node:test';
import { granted, refused, type Answer, type Caller, type Intent } from './client.ts';
import { PAYMENT_WEBHOOK_SECRET, Server, serve } from './harness.ts';
import { webhookHeaders, webhookSignature } from './tokens.ts';
import { clockReaches } from './until.ts';

const server = await serve();
const event = await server.event({ sections: [{ id: 'A', price: 500, rows: [{ id: '1', count: 20 }, { id: '2', count: 20 }] }] });

/** A hold with an intent that its own provider never decides. */
async function pending(of = event): Promise<{ user: Caller; intent: Intent; id: string }> {
  const user = server.user();
  const { reservation_id: id } = await user.holds(of);
  return { user, intent: granted(await user.intent(id, { scenario: 'timeout' })), id };
}

function report(intent: Intent, type = 'payment.approved', more: Record<string, unknown> = {}): string {
  const { payment_intent_id, reservation_id, amount, currency } = intent;
  const data = { payment_intent_id, reservation_id, amount, currency, ...more };
  return JSON.stringify({ type, timestamp: new Date().toISOString(), data });
}

const send = (body: string, headers: Record<string, string>): Promise<Answer> =>
  server.anyone().post('/payments/webhook', body, { headers, key: null });
const say = (body: string, id = `msg_${randomUUID()}`): Promise<Answer> =>
  send(body, webhookHeaders(PAYMENT_WEBHOOK_SECRET, id, body));

describe('a webhook', { concurrency: 8 }, () => {
  test('that is well signed decides a pending payment', async () => {
    const { user, intent, id } = await pending();
    assert.equal(granted(await say(report(intent))).received, true);
    assert.equal(granted(await user.reservation(id)).status, 'CONFIRMED', 'the effect is there with the answer');
    assert.equal(granted(await user.payment(intent.payment_intent_id)).status, 'APPROVED');
    const other = await pending();
    granted(await say(report(other.intent, 'payment.failed', { failure_reason: 'card declined' })));
    assert.equal(granted(await other.user.reservation(other.id)).status, 'CANCELLED');
    const payment = granted(await other.user.payment(other.intent.payment_intent_id));
    assert.deepEqual([payment.status, payment.failure_reason], ['FAILED', 'card declined']);
  });

  test('that is not, or by somebody else, or about another body, is INVALID_SIGNATURE and changes nothing', async () => {
    const { user, intent, id } = await pending();
    const body = report(intent);
    const right = webhookHeaders(PAYMENT_WEBHOOK_SECRET, 'msg_1', body);
    const without = (name: string): Record<string, string> => Object.fromEntries(Object.entries(right).filter(([key]) => key !== name));
    const cases: [string, Record<string, string>, string?][] = [
      ['nothing', {}],
      ['no id', without('webhook-id')],
      ['no time', without('webhook-timestamp')],
      ['no signature', without('webhook-signature')],
      ['another secret', webhookHeaders('another-secret', 'msg_1', body)],
      ['another id', { ...right, 'webhook-id': 'msg_2' }],
      ['another time', { ...right, 'webhook-timestamp': String(Number(right['webhook-timestamp']) + 1) }],
      ['another body', right, report(intent, 'payment.failed')],
      ['another version', { ...right, 'webhook-signature': (right['webhook-signature'] ?? '').replace('v1,', 'v2,') }],
      ['no version', { ...right, 'webhook-signature': (right['webhook-signature'] ?? '').replace('v1,', '') }],
      ['too old', webhookHeaders(PAYMENT_WEBHOOK_SECRET, 'msg_1', body, -310)],
      ['too early', webhookHeaders(PAYMENT_WEBHOOK_SECRET, 'msg_1', body, 310)],
    ];
    for (const [why, headers, sent = body] of cases) {
      assert.equal((await send(sent, headers)).body.error?.code, 'INVALID_SIGNATURE', why);
    }
    assert.equal(granted(await user.reservation(id)).status, 'HOLD');
  });

  test('may carry several signatures and be a little off in time', async () => {
    const { user, intent, id } = await pending();
    const body = report(intent);
    const headers = webhookHeaders(PAYMENT_WEBHOOK_SECRET, 'msg_several', body, -240);
    const timestamp = headers['webhook-timestamp'] ?? '';
    const wrong = webhookSignature('the secret before', 'msg_several', timestamp, body);
    granted(await send(body, { ...headers, 'webhook-signature': `${wrong} ${headers['webhook-signature']}` }));
    assert.equal(granted(await user.reservation(id)).status, 'CONFIRMED');
  });

  test('delivered many times, in a row or at once, has one effect', async () => {
    const { user, intent, id } = await pending();
    const body = report(intent);
    const answers = await Promise.all(Array.from({ length: 10 }, () => say(body, `msg_${id}`)));
    answers.push(await say(body, `msg_${id}`), await say(body));
    for (const answer of answers) assert.equal(granted(answer).received, true);
    const types = (await server.ledger(event)).filter((entry) => entry.reservation_id === id).map(({ type }) => type);
    assert.deepEqual(types, ['reservation.created', 'reservation.confirmed']);
    assert.equal(granted(await user.get('/orders')).orders.length, 1);
  });

  test('whose id was handled counts as handled, whatever it says now', async () => {
    const { user, intent, id } = await pending();
    granted(await say(report(intent, 'payment.approved', { amount: 1 }), 'msg_used'));
    granted(await say(report(intent), 'msg_used'));
    assert.equal(granted(await user.reservation(id)).status, 'HOLD');
  });

  test('about another amount, currency or reservation is acknowledged and has no effect', async () => {
    const { user, intent, id } = await pending();
    const other = await pending();
    for (const wrong of [{ amount: 499 }, { amount: 0 }, { currency: 'USD' }, { reservation_id: other.id }]) {
      granted(await say(report(intent, 'payment.approved', wrong)));
      assert.equal(granted(await user.reservation(id)).status, 'HOLD', JSON.stringify(wrong));
    }
    assert.equal(granted(await user.payment(intent.payment_intent_id)).status, 'PENDING');
  });

  test('after the decision changes nothing, in either direction', async () => {
    const { user, intent, id } = await pending();
    granted(await user.process(intent.payment_intent_id, 'approve'));
    granted(await say(report(intent, 'payment.failed')));
    assert.equal(granted(await user.reservation(id)).status, 'CONFIRMED');
    const other = await pending();
    granted(await other.user.cancel(other.id));
    granted(await say(report(other.intent)));
    assert.equal(granted(await other.user.reservation(other.id)).status, 'CANCELLED');
    const payment = granted(await other.user.payment(other.intent.payment_intent_id));
    assert.ok(['CANCELLED', 'REFUNDED'].includes(payment.status), payment.status);
  });

  test('together with the confirm of the client makes one order', async () => {
    const { user, intent, id } = await pending();
    const answers = await Promise.all([
      say(report(intent)),
      user.confirm(id, intent.payment_intent_id),
      say(report(intent)),
      user.confirm(id, intent.payment_intent_id),
    ]);
    granted(answers[0] ?? assert.fail());
    const orders = granted(await user.get('/orders')).orders;
    assert.equal(orders.length, 1);
    assert.equal(granted(await user.confirm(id, intent.payment_intent_id)).order_id, orders[0].order_id);
  });

  test('that comes after the hold is over takes the seats again where they are free', async () => {
    const brief = await server.event({ hold_ttl_sec: 2 });
    const user = server.user();
    const held = await user.holds(brief);
    const intent = granted(await user.intent(held.reservation_id, { scenario: 'delay', delay_ms: 60_000 }));
    await clockReaches(Date.parse(held.hold_expires_at));
    assert.equal(granted(await user.reservation(held.reservation_id)).status, 'EXPIRED');
    granted(await say(report(intent)));
    assert.equal(granted(await user.reservation(held.reservation_id)).status, 'CONFIRMED');
    assert.equal(granted(await user.payment(intent.payment_intent_id)).status, 'APPROVED');
  });

  test('that is signed and says nothing that can be read is INVALID_REQUEST', async () => {
    for (const body of ['{', '[]', '{}', '{"type":"payment.approved","data":{}}', '{"type":"payment.approved"}']) {
      refused(await say(body), 400, 'INVALID_REQUEST');
    }
  });
});

describe('an authorisation that comes too late is given back', { concurrency: 8 }, () => {
  /** What the buyer sees of a payment: in the call about it, and in the list. */
  async function everywhere(user: Caller, intent: Intent): Promise<string[]> {
    const listed = granted(await user.get(`/payments?reservation_id=${intent.reservation_id}`)).payments;
    const one = listed.find((payment: any) => payment.payment_intent_id === intent.payment_intent_id);
    return [granted(await user.payment(intent.payment_intent_id)).status, one.status];
  }

  test('after the provider has declined', async () => {
    const { user, intent, id } = await pending();
    granted(await say(report(intent, 'payment.failed', { failure_reason: 'card declined' })));
    assert.deepEqual(await everywhere(user, intent), ['FAILED', 'FAILED']);
    assert.equal(granted(await say(report(intent))).effect, 'voided');
    assert.deepEqual(await everywhere(user, intent), ['REFUNDED', 'REFUNDED']);
    assert.equal(granted(await user.reservation(id)).status, 'CANCELLED');
  });

  test('after the buyer has given the payment up, and another one may still pay', async () => {
    const { user, intent, id } = await pending();
    granted(await user.cancelPayment(intent.payment_intent_id));
    assert.deepEqual(await everywhere(user, intent), ['CANCELLED', 'CANCELLED']);
    const second = granted(await user.intent(id, { scenario: 'timeout' }));
    assert.equal(granted(await say(report(intent))).effect, 'voided');
    assert.equal(granted(await say(report(second))).effect, 'confirmed');
    assert.deepEqual(await everywhere(user, intent), ['REFUNDED', 'REFUNDED']);
    assert.deepEqual(await everywhere(user, second), ['APPROVED', 'APPROVED']);
    const reservation = granted(await user.reservation(id));
    assert.deepEqual([reservation.status, reservation.payment_intent_id], ['CONFIRMED', second.payment_intent_id]);
  });

  test('after the reservation was cancelled', async () => {
    const { user, intent, id } = await pending();
    granted(await user.cancel(id));
    assert.equal(granted(await say(report(intent))).effect, 'voided');
    assert.equal(granted(await say(report(intent))).effect, 'none', 'once');
    assert.deepEqual(await everywhere(user, intent), ['REFUNDED', 'REFUNDED']);
  });
});

describe('outside development', { concurrency: 2 }, () => {
  const secrets = { ENVIRONMENT: 'production', JWT_SECRET: 'q7Gd0xKz-3mVt9_PfW2hLr8YbNc5JsEa', PAYMENT_WEBHOOK_SECRET: 'Zk4uHw1RoD6_ivT-xQ9gMy0CjBn2SlXe' };

  test('nothing can be paid without a provider, and it says so', async () => {
    const production = await serve(secrets);
    const sale = await production.event();
    const buyer = production.user();
    const { reservation_id } = await buyer.holds(sale);
    refused(await buyer.intent(reservation_id), 503, 'UNAVAILABLE');
    refused(await buyer.process(`pay_${reservation_id.slice(4)}00`), 404, 'NOT_FOUND');
    assert.deepEqual(granted(await production.anyone().send('GET', '/readyz')), { status: 'ready', payment: 'none' });
    await production.stop();
  });

  test('the simulator takes part only where it is allowed on purpose', async () => {
    const unsure = new Server({ ...secrets, PAYMENT_PROVIDER: 'simulator' });
    after(() => unsure.stop());
    await unsure.start();
    refused(await unsure.anyone().get('/events'), 503, 'UNAVAILABLE');
    await unsure.stop();
    const sure = await serve({ ...secrets, PAYMENT_PROVIDER: 'simulator', ALLOW_SIMULATOR: 'yes' });
    assert.equal((await sure.user().buys(await sure.event())).reservation.status, 'CONFIRMED');
    assert.equal(granted(await sure.anyone().send('GET', '/readyz')).payment, 'simulator');
    await sure.stop();
  });
});

test('a payment that nobody opened is not found and leaves nothing behind', async () => {
  const untouched = await server.event();
  for (const key of ['0'.repeat(31) + '1', 'f'.repeat(32), randomUUID().replaceAll('-', '')]) {
    refused(await server.user().payment(`pay_${untouched}_${key}00`), 404, 'PAYMENT_NOT_FOUND');
    refused(await server.user().process(`pay_${untouched}_${key}00`), 404, 'PAYMENT_NOT_FOUND');
  }
  const written = server.files('PaymentObject').flatMap((file) => {
    const database = new DatabaseSync(file, { readOnly: true });
    const made = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'intents'").get();
    const empty = made && !database.prepare('SELECT 1 FROM intents').get();
    database.close();
    return empty ? [file] : [];
  });
  assert.deepEqual(written, [], 'no database without an intent');
});
