// Whole sales as clients live them: join, wait, enter, hold, pay in some way, change one's mind. Everything is recorded.

import { randomUUID } from 'node:crypto';
import type { Answer, Caller, Reservation, Wish } from './client.ts';
import { PAYMENT_WEBHOOK_SECRET, type Server } from './harness.ts';
import { nameOf, type Recorder } from './recorder.ts';
import { webhookHeaders } from './tokens.ts';
import { clockReaches, until } from './until.ts';

/** Rows of four seats in section `H`, wanted by many, and section `B` for whoever takes what is given. */
export const HOT_ROWS = 10;
export const HOT_SEATS = 4;
export const HALL = [
  { id: 'H', price: 10_000, rows: Array.from({ length: HOT_ROWS }, (_, row) => ({ id: `${row + 1}`, count: HOT_SEATS })) },
  { id: 'B', price: 5_000, rows: Array.from({ length: 20 }, (_, row) => ({ id: `${row + 1}`, count: 40 })) },
];

/** All seats of the hall, in map order, by section. */
export const SEATS = HALL.map(({ id, rows }) => ({
  id,
  seats: rows.flatMap((row) => Array.from({ length: row.count }, (_, seat) => `${id}-${row.id}-${seat + 1}`)),
}));

/** What `/seats` shows, by seat. */
export function statesOf(body: any): Map<string, string> {
  const shown = new Map<string, string>(body.sections.map((section: any) => [section.id, section.states]));
  return new Map(SEATS.flatMap(({ id, seats }) => seats.map((seat, index) => [seat, shown.get(id)?.[index] ?? '?'] as const)));
}

/** How long anything may take that crashes interrupt, in milliseconds. */
export const PATIENCE_MS = 120_000;
/** The provider's delay that outlives a hold of `HOLD_SEC`. */
const LATE_MS = 6000;
export const HOLD_SEC = 5;

export type Fate = 'process' | 'provider' | 'declined' | 'report' | 'failure' | 'late' | 'cancel' | 'abandon' | 'leave';
const FATES: Fate[] = [
  'process', 'process', 'provider', 'provider', 'declined', 'report', 'report', 'failure', 'late', 'cancel', 'cancel', 'abandon', 'leave',
];

export class Shopper {
  readonly user: Caller;
  readonly name: string;
  readonly #server: Server;
  readonly #recorder: Recorder;
  readonly #event: string;
  readonly #chance: () => number;

  constructor(server: Server, recorder: Recorder, event: string, chance: () => number) {
    this.#server = server;
    this.#recorder = recorder;
    this.#event = event;
    this.#chance = chance;
    this.user = server.user();
    this.name = nameOf(this.user);
  }

  #ask(operation: string, args: Record<string, any>, send: (key: string | null) => Promise<Answer>, key?: string | null): Promise<Answer> {
    return this.#recorder.ask(this.name, { operation, args, ...(key !== undefined && { key }) }, send);
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#chance() * from.length)] as T;
  }

  /** One sale from the queue to its end, or to where it is refused. */
  async shop(): Promise<void> {
    const admitted = await this.admit();
    if (!admitted) return;
    const held = await this.hold(admitted.token, this.wish());
    if (!held) return this.look();
    await this.end(held, this.#pick(FATES), admitted.waiting);
    if (this.#chance() < 0.3) await this.look();
  }

  /** Joins, waits and enters. */
  async admit(): Promise<{ waiting: string; token: string } | undefined> {
    const event_id = this.#event;
    const joined = await this.#ask('join', { event: event_id }, (key) => this.user.join(event_id, { key }));
    if (joined.status !== 202) return undefined;
    const waiting = joined.body.waiting_token;
    await until('the turn', PATIENCE_MS, async () =>
      (await this.#ask('status', { waiting }, () => this.user.status(waiting), null)).body.ready_for_entry);
    const enter = (): Promise<Answer> => this.#ask('enter', { waiting }, (key) => this.user.enter(waiting, { key }));
    const [entered] = await Promise.all(this.#chance() < 0.2 ? [enter(), enter()] : [enter()]);
    return entered?.status === 200 ? { waiting, token: entered.body.reservation_token } : undefined;
  }

  /** Some seats of one wanted row, or whatever is best. */
  wish(): Wish {
    if (this.#chance() < 0.4) return { section: 'B', quantity: 1 + Math.floor(this.#chance() * 2) };
    const row = 1 + Math.floor(this.#chance() * HOT_ROWS);
    const first = 1 + Math.floor(this.#chance() * (HOT_SEATS - 1));
    const seats = this.#chance() < 0.5 ? [first] : [first, first + 1];
    return { seat_ids: seats.map((seat) => `H-${row}-${seat}`) };
  }

  async hold(token: string, wish: Wish): Promise<Reservation | undefined> {
    const args = { event: this.#event, ...(wish.seat_ids && { seats: wish.seat_ids }) };
    const answer = await this.#ask('hold', args, (key) => this.user.reserve(this.#event, token, wish, { key }));
    return answer.status === 201 ? answer.body : undefined;
  }

  /** What a reservation comes to. */
  async end(held: Reservation, fate: Fate, waiting: string): Promise<void> {
    const { reservation_id: reservation } = held;
    const cancel = (): Promise<Answer> => this.#ask('cancel', { reservation }, (key) => this.user.cancel(reservation, { key }));
    if (fate === 'abandon') return;
    if (fate === 'cancel' || fate === 'leave') {
      if (fate === 'leave') await this.#ask('leave', { waiting }, () => this.user.leave(waiting), null);
      await cancel();
      return;
    }
    const scenario = { provider: 'approve', declined: 'fail', late: 'delay' }[fate as string] ?? 'timeout';
    const more = { scenario, ...(fate === 'late' && { delay_ms: LATE_MS }) };
    const opened = await this.#ask('intent', { reservation, ...more }, (key) => this.user.intent(reservation, more, { key }));
    if (opened.status !== 200) return;
    const intent = opened.body.payment_intent_id;
    const args = { reservation, intent };
    if (fate === 'process' && this.#chance() < 0.25) await Promise.all([cancel(), this.#process(args, 'approve')]);
    else if (fate === 'process') await this.#process(args, 'approve');
    else if (fate === 'report' || fate === 'failure') await this.#report(opened.body, fate === 'report' ? 'approve' : 'fail');
    else {
      if (fate === 'late') await clockReaches(Date.now() + LATE_MS);
      await this.#decided(args);
    }
    await this.#afterwards(args, held);
  }

  #process(args: { reservation: string; intent: string }, action: 'approve' | 'fail'): Promise<Answer> {
    return this.#ask('process', { ...args, action }, (key) => this.user.process(args.intent, action, { key }));
  }

  /** The provider's webhook, twice at once. */
  async #report(intent: any, action: 'approve' | 'fail'): Promise<void> {
    const { payment_intent_id, reservation_id, amount, currency } = intent;
    const type = action === 'approve' ? 'payment.approved' : 'payment.failed';
    const body = JSON.stringify({ type, timestamp: new Date().toISOString(), data: { payment_intent_id, reservation_id, amount, currency } });
    const id = `msg_${randomUUID()}`;
    const headers = webhookHeaders(PAYMENT_WEBHOOK_SECRET, id, body);
    const args = { reservation: reservation_id, intent: payment_intent_id, action };
    const send = (): Promise<Answer> => this.#server.anyone().post('/payments/webhook', body, { headers, key: null });
    await Promise.all([1, 2].map(() => this.#ask('webhook', args, send, id)));
  }

  /** Awaits the provider's decision, where there is one that the reservation shows. */
  async #decided({ reservation, intent }: { reservation: string; intent: string }): Promise<void> {
    await until('a decision', PATIENCE_MS, async () => {
      await this.read(reservation);
      const payment = await this.#ask('payment', { reservation, intent }, () => this.user.payment(intent), null);
      return !['PENDING', 'AUTHORIZED'].includes(payment.body.status);
    });
  }

  async read(reservation: string): Promise<any> {
    return (await this.#ask('read', { reservation }, () => this.user.reservation(reservation), null)).body;
  }

  /** The state of all seats. */
  async look(): Promise<void> {
    await this.#ask('look', { event: this.#event }, () => this.user.get(`/events/${this.#event}/seats`), null);
  }

  /** Confirms what is confirmed already, and gives wanted seats back. */
  async #afterwards({ reservation, intent }: { reservation: string; intent: string }, held: Reservation): Promise<void> {
    const { status, order_id } = await this.read(reservation);
    if (this.#chance() < 0.5) {
      await this.#ask('confirm', { reservation, intent }, (key) => this.user.confirm(reservation, intent, { key }));
    }
    if (status !== 'CONFIRMED' || (!held.seat_ids[0]?.startsWith('H') && this.#chance() < 0.6)) return;
    if (this.#chance() < 0.5) await this.#ask('refund', { reservation }, (key) => this.user.refund(order_id, { key }));
    else await this.#ask('cancelPayment', { reservation, intent }, (key) => this.user.cancelPayment(intent, { key }));
  }
}

/** The organiser keeps some wanted seats back, and puts them on sale again. */
export async function keepBack(server: Server, recorder: Recorder, event: string, chance: () => number, rows = HOT_ROWS): Promise<void> {
  const seats = [`H-${1 + Math.floor(chance() * rows)}-${1 + Math.floor(chance() * HOT_SEATS)}`];
  const ask = (operation: 'block' | 'unblock'): Promise<Answer> =>
    recorder.ask('organiser', { operation, args: { seats }, key: null }, () =>
      server.admin.post(`/admin/events/${event}/seats`, { [operation]: seats }, { key: null }));
  if ((await ask('block')).status === 200) await ask('unblock');
}

/** Joins a queue and stays there; somebody without a JWT is whoever has the key. */
export async function stand(server: Server, recorder: Recorder, event: string, anonymous: boolean): Promise<string> {
  const user = anonymous ? server.anyone() : server.user();
  const key = randomUUID();
  const join = (): Promise<Answer> =>
    recorder.ask(anonymous ? key : nameOf(user), { operation: 'join', args: { event, stays: true }, key }, () => user.join(event, { key }));
  const first = await join();
  await join();
  return first.body.waiting_token;
}
