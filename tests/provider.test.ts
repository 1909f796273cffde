// The provider's webhook: who may speak, and that what is said counts once.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { granted, refused, type Answer, type Caller, type Intent } from './client.ts';
import { PAYMENT_WEBHOOK_SECRET, serve } from './harness.ts';
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
