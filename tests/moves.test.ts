// The states of a reservation: every move that is allowed, and every one that is not.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { granted, refused, type Answer, type Caller } from './client.ts';
import { serve } from './harness.ts';
import { clockReaches } from './until.ts';

const server = await serve();
const event = await server.event();
const brief = await server.event({ hold_ttl_sec: 2 });

/** A reservation in one state, with its owner and an intent of it. */
interface Subject {
  user: Caller;
  id: string;
  intent: string;
}

async function held(of = event): Promise<Subject> {
  const user = server.user();
  const { reservation_id: id } = await user.holds(of);
  const intent = granted(await user.intent(id, { scenario: 'timeout' })).payment_intent_id;
  return { user, id, intent };
}

const states: Record<string, () => Promise<Subject>> = {
  HOLD: () => held(),
  CONFIRMED: async () => {
    const subject = await held();
    granted(await subject.user.process(subject.intent));
    return subject;
  },
  CANCELLED: async () => {
    const subject = await held();
    granted(await subject.user.cancel(subject.id));
    return subject;
  },
  EXPIRED: async () => {
    const subject = await held(brief);
    await clockReaches(Date.parse(granted(await subject.user.reservation(subject.id)).hold_expires_at));
    return subject;
  },
  REFUNDED: async () => {
    const subject = await held();
    granted(await subject.user.process(subject.intent));
    const { order_id } = granted(await subject.user.reservation(subject.id));
    granted(await subject.user.refund(order_id ?? ''));
    return subject;
  },
};

const orderOf = ({ id }: Subject): string => id.replace(/^rsv_/, 'ord_');
const moves: Record<string, (subject: Subject) => Promise<Answer>> = {
  cancel: ({ user, id }) => user.cancel(id),
  delete: ({ user, id }) => user.delete(`/reservations/${id}`),
  'fail the payment': ({ user, intent }) => user.process(intent, 'fail'),
  'approve the payment': ({ user, intent }) => user.process(intent, 'approve'),
  confirm: ({ user, id, intent }) => user.confirm(id, intent),
  'open an intent': ({ user, id }) => user.intent(id),
  'cancel the payment': ({ user, intent }) => user.cancelPayment(intent),
  refund: async ({ user, ...subject }) => {
    const order_id = granted(await user.reservation(subject.id)).order_id ?? orderOf({ user, ...subject });
    return user.refund(order_id);
  },
};

/** From a state by a move: the state after it, or the code of the refusal that changes nothing. */
const table: Record<string, Record<string, string>> = {
  HOLD: {
    cancel: 'CANCELLED',
    delete: 'CANCELLED',
    'fail the payment': 'CANCELLED',
    'approve the payment': 'CONFIRMED',
    confirm: '412 PAYMENT_NOT_APPROVED',
    'open an intent': '409 PAYMENT_CONFLICT',
    'cancel the payment': 'HOLD',
    refund: '404 ORDER_NOT_FOUND',
  },
  CONFIRMED: {
    cancel: '409 RESERVATION_NOT_HELD',
    delete: '409 RESERVATION_NOT_HELD',
    'fail the payment': 'CONFIRMED',
    'approve the payment': 'CONFIRMED',
    confirm: 'CONFIRMED',
    'open an intent': '409 RESERVATION_NOT_HELD',
    'cancel the payment': 'REFUNDED',
    refund: 'REFUNDED',
  },
  CANCELLED: {
    cancel: 'CANCELLED',
    delete: 'CANCELLED',
    'fail the payment': 'CANCELLED',
    'approve the payment': 'CANCELLED',
    confirm: '409 RESERVATION_NOT_HELD',
    'open an intent': '409 RESERVATION_NOT_HELD',
    'cancel the payment': 'CANCELLED',
    refund: '404 ORDER_NOT_FOUND',
  },
  EXPIRED: {
    cancel: '409 RESERVATION_EXPIRED',
    delete: '409 RESERVATION_EXPIRED',
    'fail the payment': 'EXPIRED',
    'approve the payment': 'EXPIRED',
    confirm: '409 RESERVATION_EXPIRED',
    'open an intent': '409 RESERVATION_EXPIRED',
    'cancel the payment': 'EXPIRED',
    refund: '404 ORDER_NOT_FOUND',
  },
  REFUNDED: {
    cancel: '409 RESERVATION_NOT_HELD',
    delete: '409 RESERVATION_NOT_HELD',
    'fail the payment': 'REFUNDED',
    'approve the payment': 'REFUNDED',
    confirm: '409 RESERVATION_NOT_HELD',
    'open an intent': '409 RESERVATION_NOT_HELD',
    'cancel the payment': 'REFUNDED',
    refund: 'REFUNDED',
  },
};

for (const [from, row] of Object.entries(table)) {
  describe(`from ${from}`, { concurrency: 8 }, () => {
    for (const [move, outcome] of Object.entries(row)) {
      const [status, code] = outcome.split(' ');
      const title = code ? `one cannot ${move}: ${code}` : `to ${move} leads to ${outcome}`;
      test(title, async () => {
        const subject = await (states[from] ?? assert.fail)();
        assert.equal(granted(await subject.user.reservation(subject.id)).status, from);
        const answer = await (moves[move] ?? assert.fail)(subject);
        if (code) refused(answer, Number(status), code);
        else granted(answer);
        const after = granted(await subject.user.reservation(subject.id));
        assert.equal(after.status, code ? from : outcome);
      });
    }
  });
}

test('cancelling again, confirming again and refunding again give the same answer', async () => {
  const { user, id, intent } = await (states.CONFIRMED ?? assert.fail)();
  const order = granted(await user.confirm(id, intent));
  assert.deepEqual(granted(await user.confirm(id, intent)), order);
  const refund = granted(await user.refund(order.order_id));
  assert.deepEqual(granted(await user.refund(order.order_id)), refund);
  const other = await held();
  const cancelled = granted(await other.user.cancel(other.id));
  assert.deepEqual(granted(await other.user.delete(`/reservations/${other.id}`)), cancelled);
  assert.deepEqual(cancelled, { status: 'CANCELLED', reservation_id: other.id });
});

test('what ends gives its seats back, once', async () => {
  const own = await server.event({ sections: [{ id: 'A', price: 1, rows: [{ id: '1', count: 1 }] }] });
  const remaining = async (): Promise<number> => {
    const { sections } = granted(await server.anyone().get(`/events/${own}/seats`));
    return [...sections[0].states].filter((state) => state === '0').length;
  };
  for (const end of ['cancel', 'delete', 'fail the payment'] as const) {
    const subject = await held(own);
    granted(await (moves[end] ?? assert.fail)(subject));
    assert.equal(await remaining(), 1, end);
    granted(await subject.user.leave(await subject.user.waits(own)));
  }
  const { user, order } = await (async () => {
    const user = server.user();
    return { user, order: (await user.buys(own)).order };
  })();
  assert.equal(await remaining(), 0);
  granted(await user.refund(order.order_id));
  assert.equal(await remaining(), 1);
});

test('a payment of another reservation confirms nothing', async () => {
  const [one, two] = [await held(), await held()];
  granted(await two.user.process(two.intent));
  refused(await one.user.confirm(one.id, two.intent), 412, 'PAYMENT_NOT_APPROVED');
  refused(await one.user.confirm(one.id, 'pay_nonsense'), 412, 'PAYMENT_NOT_APPROVED');
  assert.equal(granted(await one.user.reservation(one.id)).status, 'HOLD');
});
