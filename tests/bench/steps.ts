// The requests that are measured, as templates of the load client.

import type { Step } from './client.ts';

const KEY: [string, string] = ['Idempotency-Key', '$key'];
const USER: [string, string] = ['Authorization', 'Bearer $jwt'];

/** The same request for the empty contenders, whatever it says. */
export const ping: Step = { name: 'hello', method: 'GET', path: '/api/v1/queue/status?token=$waiting_token', expect: 200 };

export const status: Step = { name: 'status', method: 'GET', path: '/api/v1/queue/status?token=$waiting_token', expect: 200 };

export const join = (event: string): Step => ({
  name: 'join',
  method: 'POST',
  path: '/api/v1/queue/join',
  headers: [KEY],
  body: `{"event_id":"${event}"}`,
  expect: 202,
  take: ['waiting_token'],
});

export const enter: Step = {
  name: 'enter',
  method: 'POST',
  path: '/api/v1/queue/enter',
  headers: [KEY],
  body: '{"waiting_token":"$waiting_token"}',
  expect: 200,
  take: ['reservation_token'],
};

export const hold = (event: string): Step => ({
  name: 'hold',
  method: 'POST',
  path: '/api/v1/reservations',
  headers: [KEY, USER],
  body: `{"event_id":"${event}","reservation_token":"$reservation_token","seat_ids":["$seat"]}`,
  expect: 201,
  take: ['reservation_id'],
});

export const intent: Step = {
  name: 'intent',
  method: 'POST',
  path: '/api/v1/payments/intent',
  headers: [KEY, USER],
  body: '{"reservation_id":"$reservation_id"}',
  expect: 200,
  take: ['payment_intent_id'],
};

/** The payment is decided: authorised, the seats sold, the money captured, before the answer. */
export const pay: Step = {
  name: 'pay',
  method: 'POST',
  path: '/api/v1/payments/process',
  headers: [KEY, USER],
  body: '{"payment_intent_id":"$payment_intent_id"}',
  expect: 200,
};

export const confirm: Step = {
  name: 'confirm',
  method: 'POST',
  path: '/api/v1/reservations/$reservation_id/confirm',
  headers: [KEY, USER],
  body: '{"payment_intent_id":"$payment_intent_id"}',
  expect: 200,
};

/** A buyer's whole way. */
export const funnel = (event: string): Step[] => [
  { ...join(event), headers: [KEY, USER] },
  { ...status, until: '"ready_for_entry":true', again_ms: 200 },
  enter,
  hold(event),
  intent,
  pay,
  confirm,
];

/** The plain object's own paths. */
export const plainJoin = (event: string): Step => ({ ...join(event), path: `/sale/${event}/join` });
export const plainHold = (event: string): Step => ({ ...hold(event), path: `/sale/${event}/hold` });
