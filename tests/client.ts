// What a browser, a load script or a partner does, with every answer held against the contract.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { check } from './contract.ts';
import { until } from './until.ts';

/** How long anything that happens by itself may take here: a second of the contract and a busy machine. */
export const SOON_MS = 4000;

export interface Answer<T = any> {
  status: number;
  headers: Headers;
  text: string;
  /** The JSON of the body, or nothing. */
  body: T;
}

export interface Sending {
  /** JSON, unless it is a string: that is sent as it is. */
  body?: unknown;
  /** The idempotency key; a new one unless given, none where null. */
  key?: string | null;
  headers?: Record<string, string>;
}

export interface Place {
  status: string;
  position: number;
  eta_sec: number;
  waiting_time: number;
  ready_for_entry: boolean;
  ready_expires_at?: string;
  notice?: { ko: string; en: string; level: string };
}

export interface Reservation {
  reservation_id: string;
  event_id: string;
  user_id: string;
  status: string;
  seat_ids: string[];
  quantity: number;
  total_amount: number;
  currency: string;
  hold_expires_at: string;
  payment_intent_id?: string;
  order_id?: string;
  created_at: string;
  updated_at: string;
}

export interface Intent {
  payment_intent_id: string;
  status: string;
  amount: number;
  currency: string;
  reservation_id: string;
}

export interface Order extends Omit<Reservation, 'hold_expires_at'> {
  order_id: string;
  confirmed_at: string;
  tickets: { ticket_id: string; seat_id: string | null; code: string }[];
}

export interface Wish {
  seat_ids?: string[];
  quantity?: number;
  section?: string;
  together?: boolean;
}

/** The body of an answer that must have this status. */
export function granted<T = any>(answer: Answer<T>, status = 200): T {
  assert.equal(answer.status, status, answer.text.slice(0, 1000));
  return answer.body;
}

/** The error of an answer that must be this refusal. */
export function refused(answer: Answer, status: number, code: string): any {
  assert.deepEqual([answer.status, answer.body?.error?.code ?? answer.body?.code], [status, code], answer.text.slice(0, 1000));
  return answer.body.error ?? answer.body;
}

/** Whoever calls: with a JWT or without. */
export class Caller {
  readonly base: string;
  readonly token: string | undefined;

  constructor(base: string, token?: string) {
    this.base = base;
    this.token = token;
  }

  /** Sends a request as it is given; only what the contract says passes. */
  async send<T = any>(method: string, target: string, { body, key, headers = {} }: Sending = {}): Promise<Answer<T>> {
    const url = new URL(target, this.base);
    const sent = new Headers(headers);
    if (this.token && !sent.has('authorization')) sent.set('authorization', `Bearer ${this.token}`);
    if (key && !sent.has('idempotency-key')) sent.set('idempotency-key', key);
    const payload = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    if (payload !== undefined && !sent.has('content-type')) sent.set('content-type', 'application/json');
    const response = await fetch(url, { method, headers: sent, body: payload, redirect: 'manual' });
    const text = await response.text();
    const { status, headers: received } = response;
    check({ method, path: url.pathname, query: url.searchParams, sent, body, status, headers: received, text });
    const json = received.get('content-type')?.includes('json') && text !== '';
    return { status, headers: received, text, body: json ? JSON.parse(text) : undefined };
  }

  get<T = any>(path: string, sending: Sending = {}): Promise<Answer<T>> {
    return this.send('GET', `/api/v1${path}`, sending);
  }
  put<T = any>(path: string, body: unknown, sending: Sending = {}): Promise<Answer<T>> {
    return this.send('PUT', `/api/v1${path}`, { ...sending, body });
  }
  delete<T = any>(path: string, sending: Sending = {}): Promise<Answer<T>> {
    return this.send('DELETE', `/api/v1${path}`, sending);
  }
  /** With a key of its own unless one is given. */
  post<T = any>(path: string, body?: unknown, { key = randomUUID(), ...sending }: Sending = {}): Promise<Answer<T>> {
    return this.send('POST', `/api/v1${path}`, { ...sending, key, body });
  }

  join(event_id: string, sending?: Sending): Promise<Answer<{ waiting_token: string; position_hint: number; status: string }>> {
    return this.post('/queue/join', { event_id }, sending);
  }
  status(waiting: string): Promise<Answer<Place>> {
    return this.get(`/queue/status?token=${waiting}`);
  }
  enter(waiting_token: string, sending?: Sending): Promise<Answer<{ admission: string; reservation_token: string; ttl_sec: number }>> {
    return this.post('/queue/enter', { waiting_token }, sending);
  }
  leave(waiting: string): Promise<Answer<{ status: string }>> {
    return this.delete(`/queue/leave?token=${waiting}`);
  }
  reserve(event_id: string, reservation_token: string, wish: Wish, sending?: Sending): Promise<Answer<Reservation>> {
    return this.post('/reservations', { event_id, reservation_token, ...wish }, sending);
  }
  reservation(id: string): Promise<Answer<Reservation>> {
    return this.get(`/reservations/${id}`);
  }
  cancel(id: string, sending?: Sending): Promise<Answer> {
    return this.post(`/reservations/${id}/cancel`, undefined, sending);
  }
  confirm(id: string, payment_intent_id: string, sending?: Sending): Promise<Answer> {
    return this.post(`/reservations/${id}/confirm`, { payment_intent_id }, sending);
  }
  intent(reservation_id: string, more: Record<string, unknown> = {}, sending?: Sending): Promise<Answer<Intent>> {
    return this.post('/payments/intent', { reservation_id, ...more }, sending);
  }
  process(payment_intent_id: string, action?: 'approve' | 'fail', sending?: Sending): Promise<Answer> {
    return this.post('/payments/process', { payment_intent_id, ...(action && { action }) }, sending);
  }
  payment(id: string): Promise<Answer> {
    return this.get(`/payments/${id}/status`);
  }
  cancelPayment(id: string, sending?: Sending): Promise<Answer> {
    return this.post(`/payments/${id}/cancel`, undefined, sending);
  }
  order(id: string): Promise<Answer<Order>> {
    return this.get(`/orders/${id}`);
  }
  refund(id: string, sending?: Sending): Promise<Answer> {
    return this.post(`/orders/${id}/refund`, undefined, sending);
  }

  /** Joins, and the waiting token. */
  async waits(event: string): Promise<string> {
    return granted(await this.join(event), 202).waiting_token;
  }

  /** Awaits the turn of a place. */
  ready(waiting: string, within = SOON_MS): Promise<Place> {
    return until('the turn', within, async () => {
      const place = granted(await this.status(waiting));
      return place.ready_for_entry && place;
    });
  }

  /** Joins, waits, enters; the reservation token. */
  async admitted(event: string): Promise<string> {
    const waiting = await this.waits(event);
    await this.ready(waiting);
    return granted(await this.enter(waiting)).reservation_token;
  }

  /** From the queue to a hold. */
  async holds(event: string, wish: Wish = { quantity: 1 }): Promise<Reservation> {
    return granted(await this.reserve(event, await this.admitted(event), wish), 201);
  }

  /** From the queue to an order; with the reservation as it is then. */
  async buys(event: string, wish?: Wish): Promise<{ order: Order; reservation: Reservation; intent: Intent }> {
    const { reservation_id } = await this.holds(event, wish);
    const intent = granted(await this.intent(reservation_id));
    assert.equal(granted(await this.process(intent.payment_intent_id)).status, 'APPROVED');
    const reservation = granted(await this.reservation(reservation_id));
    assert.ok(reservation.order_id, 'an approved payment confirms the reservation by itself');
    return { order: granted(await this.order(reservation.order_id)), reservation, intent };
  }

  /** Awaits a status of a reservation. */
  becomes(id: string, status: string, within = SOON_MS): Promise<Reservation> {
    return until(`reservation ${status}`, within, async () => {
      const reservation = granted(await this.reservation(id));
      return reservation.status === status && reservation;
    });
  }

  /** Awaits a status of a payment. */
  paymentBecomes(id: string, status: string, within = SOON_MS): Promise<any> {
    return until(`payment ${status}`, within, async () => {
      const payment = granted(await this.payment(id));
      return payment.status === status && payment;
    });
  }
}
