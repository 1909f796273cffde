// The session machine: every way through a sale, and that nothing is sent twice or believed too early.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Effect, Input } from '../web/src/session/inputs.ts';
import { resume, step } from '../web/src/session/machine.ts';
import { ownerOf, type Owner } from '../web/src/session/owner.ts';
import { markPassed, oddsOf, showWait, speedOf, waitOf } from '../web/src/session/estimate.ts';
import { nobody, type Session } from '../web/src/session/state.ts';
import { memoryStore, readSession, writeSession } from '../web/src/session/store.ts';

const KEYS = { join: 'join-key', enter: 'enter-key' };
const T0 = 1_700_000_000_000;
type Loose = { type: Input['type']; now?: number } & Record<string, any>;

/** A session that is told one thing after another. */
class Told {
  session: Session;
  effects: Effect[] = [];
  now = T0;

  constructor(session: Session = nobody('evt')) {
    this.session = session;
  }
  tell(...inputs: Loose[]): this {
    for (const input of inputs) {
      this.now = input.now ?? this.now;
      const next = step(this.session, { now: this.now, ...input } as Input);
      // What is stored is what is gone on with.
      const store = memoryStore();
      writeSession(store, next.session);
      assert.deepEqual(readSession(store, 'evt'), JSON.parse(JSON.stringify(next.session)));
      this.session = next.session;
      this.effects = next.effects;
    }
    return this;
  }
  get done(): string[] {
    return this.effects.map((effect) => effect.do);
  }
}

const joined = { type: 'joined', body: { waiting_token: 'w', position_hint: 40, status: 'waiting' } } as const;
const frame = (position: number, more: object = {}): Loose => ({ type: 'frame', frame: { status: 'waiting', position, eta_sec: 9, ready_for_entry: false, ...more } });
const ready = frame(0, { ready_for_entry: true, eta_sec: 0, ready_expires_at: new Date(T0 + 60_000).toISOString() });
const entered = { type: 'entered', sentAt: T0, body: { admission: 'granted', reservation_token: 'r', ttl_sec: 180 } } as const;
const reservation = (status: string, more: object = {}): Loose => ({
  type: 'reservation',
  body: { reservation_id: 'rsv_1', event_id: 'evt', user_id: 'u', status, seat_ids: ['A-1-1'], quantity: 1, total_amount: 10, currency: 'KRW', hold_expires_at: new Date(T0 + 60_000).toISOString(), created_at: '', updated_at: '', ...more },
});
const payment = (status: string): Loose => ({ type: 'payment', body: { payment_intent_id: 'pay_1', status, amount: 10, currency: 'KRW', reservation_id: 'rsv_1' } });
const refused = (call: string, code: string, details = {}): Loose => ({ type: 'refused', call, code, details, traceId: 't' });

const waiting = (): Told => new Told().tell({ type: 'join', keys: KEYS }, joined);
const shopping = (): Told => waiting().tell(frame(12), ready, entered);
const held = (): Told => shopping().tell({ type: 'hold', key: 'h', wish: { seat_ids: ['A-1-1'] } }, reservation('HOLD'));
const paying = (): Told => held().tell({ type: 'pay', key: 'p' }, { type: 'intent', body: { payment_intent_id: 'pay_1' } });

describe('the line', () => {
  test('forty taps join once', () => {
    const told = new Told().tell({ type: 'join', keys: KEYS });
    assert.deepEqual(told.effects, [{ do: 'join', key: 'join-key' }]);
    for (let tap = 0; tap < 40; tap++) assert.deepEqual(told.tell({ type: 'join', keys: { join: 'other', enter: 'other' } }).effects, []);
  });

  test('armed, it joins at the opening by the server’s clock, with the key made before', () => {
    const told = new Told().tell({ type: 'arm', opensAt: T0 + 1000, keys: KEYS });
    assert.deepEqual(told.tell({ type: 'tick', now: T0 + 999 }).effects, []);
    assert.deepEqual(told.tell({ type: 'tick', now: T0 + 1000 }).effects, [{ do: 'join', key: 'join-key' }]);
    assert.deepEqual(told.tell({ type: 'tick', now: T0 + 2000 }).effects, []);
  });

  test('a little too early is armed again, never more than four times a second', () => {
    const told = new Told().tell({ type: 'arm', opensAt: T0, keys: KEYS }, { type: 'tick' });
    told.tell(refused('join', 'SALE_NOT_OPEN', { opens_at: new Date(T0 + 5).toISOString() }));
    assert.equal(told.session.phase, 'armed');
    assert.deepEqual(told.tell({ type: 'tick', now: T0 + 249 }).done, []);
    assert.deepEqual(told.tell({ type: 'tick', now: T0 + 250 }).effects, [{ do: 'join', key: 'join-key' }]);
  });

  test('a position that grew is not believed', () => {
    const told = waiting().tell(frame(12), frame(15), frame(11));
    assert.equal(told.session.place?.position, 11);
    told.tell(frame(30));
    assert.deepEqual([told.session.place?.position, told.session.place?.first], [11, 12]);
  });

  test('the first frame corrects the hint, whichever way', () => {
    assert.equal(waiting().tell(frame(50)).session.place?.position, 50);
  });

  test('ready enters at once, and only once', () => {
    const told = waiting().tell(ready);
    assert.deepEqual(told.done.slice(0, 2), ['enter', 'alert']);
    assert.deepEqual(told.tell(ready).done, []);
  });

  test('let in on another device, it takes the same admission over', () => {
    const told = waiting().tell(frame(0, { status: 'entered' }));
    assert.deepEqual(told.effects[0], { do: 'enter', key: 'enter-key', token: 'w' });
  });

  test('not ready after all goes back to waiting', () => {
    assert.equal(waiting().tell(ready, refused('enter', 'NOT_READY')).session.phase, 'waiting');
  });

  test('a turn that was slept through says when it came', () => {
    const told = waiting().tell(ready, refused('enter', 'TOKEN_EXPIRED'));
    assert.deepEqual([told.session.phase, told.session.over?.why, told.session.over?.readyAt], ['over', 'expired', T0 + 60_000]);
  });

  for (const [code, why] of [['SALE_CLOSED', 'closed'], ['SOLD_OUT', 'sold_out'], ['EVENT_NOT_FOUND', 'refused']]) {
    test(`${code} at joining ends it as ${why}`, () => {
      assert.equal(new Told().tell({ type: 'join', keys: KEYS }, refused('join', code!)).session.over?.why, why);
    });
  }

  test('leaving ends it; a late frame does not bring it back', () => {
    const told = waiting().tell({ type: 'leave' });
    assert.deepEqual(told.effects, [{ do: 'leave', token: 'w' }]);
    told.tell({ type: 'left' }, frame(3));
    assert.deepEqual([told.session.phase, told.session.over?.why], ['over', 'left']);
  });

  test('the admission is counted from when entering was sent', () => {
    assert.equal(shopping().session.admission?.until, T0 + 180_000);
  });
});

describe('buying', () => {
  test('from hold to order', () => {
    const told = paying().tell(payment('APPROVED'));
    assert.deepEqual(told.effects, [{ do: 'read', reservation: 'rsv_1' }]);
    told.tell(reservation('CONFIRMED', { order_id: 'ord_1' }));
    assert.deepEqual([told.session.phase, told.session.order], ['done', 'ord_1']);
  });

  test('pressing hold or pay twice sends once', () => {
    const told = shopping().tell({ type: 'hold', key: 'h', wish: { quantity: 1 } });
    assert.deepEqual(told.tell({ type: 'hold', key: 'h2', wish: { quantity: 1 } }).effects, []);
    const two = held().tell({ type: 'pay', key: 'p' });
    assert.deepEqual(two.tell({ type: 'pay', key: 'p2' }).effects, []);
    assert.equal(two.session.pay?.key, 'p');
  });

  test('taken seats lead back to choosing, with the admission', () => {
    const told = shopping().tell({ type: 'hold', key: 'h', wish: { seat_ids: ['A-1-1', 'A-1-2'] } }, refused('hold', 'SEAT_TAKEN', { seat_ids: ['A-1-2'] }));
    assert.deepEqual([told.session.phase, told.session.refusal?.seats, told.session.admission?.token], ['shopping', ['A-1-2'], 'r']);
  });

  test('a limit or a conflict looks for what is held already', () => {
    for (const code of ['RESERVATION_LIMIT', 'IDEMPOTENCY_CONFLICT']) {
      const told = shopping().tell({ type: 'hold', key: 'h', wish: {} }, refused('hold', code));
      assert.deepEqual(told.done, ['find-hold']);
      assert.equal(told.tell(reservation('HOLD')).session.phase, 'held');
    }
  });

  test('no hold is sent after the admission', () => {
    const told = shopping().tell({ type: 'hold', key: 'h', wish: {}, now: T0 + 180_000 });
    assert.deepEqual([told.session.phase, told.session.over?.why, told.done.includes('hold')], ['over', 'time_over', false]);
  });

  test('time to choose runs out by itself', () => {
    assert.equal(shopping().tell({ type: 'tick', now: T0 + 179_999 }).session.phase, 'shopping');
    assert.equal(shopping().tell({ type: 'tick', now: T0 + 180_000 }).session.over?.why, 'time_over');
  });

  test('at the end of the hold the server is asked before anything is said', () => {
    const told = held().tell({ type: 'tick', now: T0 + 60_000 });
    assert.deepEqual([told.session.phase, told.done], ['held', ['read']]);
    told.tell(reservation('EXPIRED'));
    assert.deepEqual([told.session.phase, told.session.last?.why], ['shopping', 'hold_expired']);
  });

  for (const [status, why] of [['FAILED', 'failed'], ['REFUNDED', 'late_refund'], ['EXPIRED', 'hold_expired']]) {
    test(`a payment that is ${status} ends the hold as ${why}; the admission goes on while it lasts`, () => {
      const told = paying().tell(payment(status!));
      assert.deepEqual([told.session.phase, told.session.last?.why, told.session.held], ['shopping', why, undefined]);
      const late = paying().tell({ ...payment(status!), now: T0 + 200_000 });
      assert.deepEqual([late.session.phase, late.session.over?.why], ['over', why]);
    });
  }

  test('expired with a payment under way waits for a late approval', () => {
    const told = paying().tell({ ...reservation('EXPIRED'), now: T0 + 61_000 });
    assert.equal(told.session.phase, 'paying');
    told.tell(reservation('CONFIRMED', { order_id: 'ord_1' }));
    assert.equal(told.session.phase, 'done');
    const over = paying().tell({ ...reservation('EXPIRED'), now: T0 + 76_000 });
    assert.equal(over.session.last?.why, 'hold_expired');
  });

  test('releasing frees the seats and keeps the admission', () => {
    const told = held().tell({ type: 'release', key: 'c' });
    assert.deepEqual(told.effects, [{ do: 'cancel', key: 'c', reservation: 'rsv_1' }]);
    told.tell({ type: 'cancelled' });
    assert.deepEqual([told.session.phase, told.session.last?.why], ['shopping', 'released']);
  });

  test('another payment under way is adopted', () => {
    const told = held().tell({ type: 'pay', key: 'p' }, refused('intent', 'PAYMENT_CONFLICT'));
    assert.deepEqual(told.effects, [{ do: 'find-intent', reservation: 'rsv_1' }]);
    told.tell({ type: 'intent', body: { payment_intent_id: 'pay_9' } });
    assert.deepEqual(told.effects, [{ do: 'follow', intent: 'pay_9' }]);
  });

  test('signed out in the middle: the sheet, then the same request with the same key', () => {
    const told = shopping().tell({ type: 'hold', key: 'h', wish: { quantity: 2 } }, refused('hold', 'UNAUTHENTICATED'));
    assert.deepEqual([told.session.phase, told.done], ['holding', ['sign-in']]);
    assert.deepEqual(told.tell({ type: 'signed-in' }).effects, [{ do: 'hold', key: 'h', token: 'r', wish: { quantity: 2 } }]);
  });

  test('an old reservation does not disturb what is under way', () => {
    const told = held();
    const before = told.session;
    assert.equal(told.tell(reservation('CANCELLED', { reservation_id: 'rsv_0' })).session, before);
    assert.equal(new Told().tell(reservation('EXPIRED')).session.phase, 'none');
  });

  test('a hold made elsewhere is picked up', () => {
    assert.equal(new Told().tell(reservation('HOLD')).session.phase, 'held');
  });
});

describe('after a reload every phase goes on with its keys', () => {
  const cases: [string, Told, Effect[]][] = [
    ['joining', new Told().tell({ type: 'join', keys: KEYS }), [{ do: 'join', key: 'join-key' }]],
    ['waiting', waiting(), [{ do: 'watch', token: 'w' }]],
    ['entering', waiting().tell(ready), [{ do: 'watch', token: 'w' }, { do: 'enter', key: 'enter-key', token: 'w' }]],
    ['shopping', shopping(), []],
    ['holding', shopping().tell({ type: 'hold', key: 'h', wish: { quantity: 1 } }), [{ do: 'hold', key: 'h', token: 'r', wish: { quantity: 1 } }]],
    ['held', held(), [{ do: 'read', reservation: 'rsv_1' }]],
    ['paying', held().tell({ type: 'pay', key: 'p', scenario: 'fail' }), [{ do: 'intent', key: 'p', reservation: 'rsv_1', scenario: 'fail', delayMs: undefined }]],
    ['paying', paying(), [{ do: 'follow', intent: 'pay_1' }]],
  ];
  for (const [phase, { session }, effects] of cases) {
    test(`${phase}${effects.length ? `: ${effects.map((effect) => effect.do).join(', ')}` : ''}`, () => {
      assert.equal(session.phase, phase);
      assert.deepEqual(resume(session), effects);
    });
  }
});

test('whatever comes whenever, the machine neither throws nor loses what is held', () => {
  const inputs: Loose[] = [
    { type: 'join', keys: KEYS }, joined, frame(3), ready, entered, { type: 'hold', key: 'h', wish: {} }, reservation('HOLD'), reservation('EXPIRED'), reservation('CONFIRMED', { order_id: 'o' }),
    { type: 'pay', key: 'p' }, { type: 'intent', body: { payment_intent_id: 'i' } }, payment('PENDING'), payment('APPROVED'), { type: 'leave' }, { type: 'release', key: 'c' }, { type: 'tick' }, { type: 'wake' }, { type: 'disarm' },
    refused('hold', 'SEAT_TAKEN'), refused('enter', 'NOT_READY'), { type: 'unreachable', call: 'enter' }, { type: 'signed-in' },
  ];
  let seed = 7;
  const chance = (n: number): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % n;
  for (let run = 0; run < 2000; run++) {
    const told = new Told();
    for (let at = 0; at < 25; at++) {
      const before = told.session;
      const input = inputs[chance(inputs.length)]!;
      told.tell({ ...input, now: told.now + chance(4000) });
      if (before.phase === 'held' && ['join', 'joined', 'frame', 'entered', 'hold', 'leave', 'wake'].includes(input.type)) assert.equal(told.session.held?.id, before.held?.id);
      for (const effect of told.effects) if ('key' in effect) assert.ok(effect.key, 'every request has its key');
    }
  }
});

describe('what is said of a wait', () => {
  test('ranges that grow coarser', () => {
    assert.deepEqual(waitOf(0, false), { kind: 'unknown' });
    assert.deepEqual(waitOf(0, true), { kind: 'soon' });
    assert.deepEqual(waitOf(59, false), { kind: 'soon' });
    assert.deepEqual(waitOf(300, false), { kind: 'range', from: 4, to: 7 });
    assert.deepEqual(waitOf(1800, false), { kind: 'range', from: 25, to: 40 });
    assert.deepEqual(waitOf(7200, false), { kind: 'range', from: 100, to: 160 });
    assert.deepEqual(waitOf(11_000, false), { kind: 'long' });
  });

  test('a range stays while the estimate is in it, changes after 5 s outside, and says when it rose', () => {
    let shown = showWait(undefined, 300, false, 0);
    for (const [eta, now] of [[250, 1000], [410, 2000], [430, 3000]] as const) shown = showWait(shown, eta, false, now);
    assert.deepEqual([shown.wait, shown.rose], [{ kind: 'range', from: 4, to: 7 }, false]);
    shown = showWait(shown, 900, false, 8100);
    assert.deepEqual([shown.wait, shown.rose], [{ kind: 'range', from: 10, to: 20 }, true]);
  });

  test('odds in words', () => {
    assert.deepEqual([oddsOf(1000, 100), oddsOf(200, 100), oddsOf(100, 100), oddsOf(undefined, 5), oddsOf(5, 0)], ['ok', 'tight', 'low', undefined, undefined]);
  });

  test('speed only after 20 s of one’s own way', () => {
    assert.equal(speedOf([{ at: 0, position: 100 }, { at: 10_000, position: 90 }], 10_000), undefined);
    assert.equal(speedOf([{ at: 0, position: 100 }, { at: 30_000, position: 70 }], 30_000), 60);
  });

  test('half, a quarter, a tenth of the way are marked once', () => {
    assert.deepEqual([markPassed(100, 60, 50), markPassed(100, 50, 40), markPassed(100, 30, 9), markPassed(100, 9, 8)], [0.5, undefined, 0.1, undefined]);
  });
});

describe('which tab works', () => {
  /** Locks of one browser: whoever steals gets it, whoever had it is told. */
  class Locks {
    #lose: (() => void) | undefined;
    grants: (() => void)[] = [];

    request(_: string, __: object, work: () => Promise<void>): Promise<void> {
      return new Promise((resolve, reject) => {
        this.grants.push(() => {
          this.#lose?.();
          this.#lose = () => reject(new DOMException('stolen', 'AbortError'));
          void work().then(resolve);
        });
      });
    }
    async grant(): Promise<void> {
      this.grants.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  test('many claims at once are one; the last tab that is looked at works', async () => {
    const locks = new Locks();
    const told: string[] = [];
    const tab = (name: string): Owner => ownerOf('sale', { gained: () => told.push(`${name} gained`), lost: () => told.push(`${name} lost`) }, locks as unknown as LockManager);
    const [one, two] = [tab('one'), tab('two')];
    for (let tap = 0; tap < 40; tap++) one.claim();
    assert.equal(locks.grants.length, 1);
    await locks.grant();
    two.claim();
    await locks.grant();
    assert.deepEqual([told, one.mine, two.mine], [['one gained', 'two gained', 'one lost'], false, true]);
    one.claim();
    await locks.grant();
    assert.deepEqual([one.mine, two.mine], [true, false]);
  });
});
