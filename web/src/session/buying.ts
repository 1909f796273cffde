// From choosing seats to the order.

import type { Payment, Reservation } from '../api/contract.ts';
import type { Effect, Input, Step } from './inputs.ts';
import { only, over } from './queueing.ts';
import { heldOf, type Ending, type Session } from './state.ts';

type Of<T extends Input['type']> = Extract<Input, { type: T }>;

/** How long after a hold's end its payment may still decide. */
const LATE_MS = 15_000;

/** The step, where the input is about seats or money; nothing otherwise. */
export function buying(session: Session, input: Input): Step | undefined {
  switch (input.type) {
    case 'hold':
      return session.phase === 'shopping' ? hold(session, input) : only(session);
    case 'reservation':
      return reservation(session, input.body, input.now);
    case 'pay':
      return session.phase === 'held' ? pay(session, input) : only(session);
    case 'intent':
      return session.phase === 'paying' && session.pay ? intent(session, session.pay, input.body.payment_intent_id) : only(session);
    case 'payment':
      return session.phase === 'paying' && session.held ? payment(session, session.held.id, input) : only(session);
    case 'release':
      return session.phase === 'held' && session.held ? only(session, [{ do: 'cancel', key: input.key, reservation: session.held.id }]) : only(session);
    case 'cancelled':
      return session.held ? settle(session, 'released', input.now) : only(session);
    case 'refused':
      return refused(session, input);
    case 'tick':
      return ticked(session, input.now);
    default:
      return undefined;
  }
}

function hold(session: Session, { key, wish, now }: Of<'hold'>): Step {
  const { admission } = session;
  if (!admission) return only(session);
  if (now >= admission.until) return over(session, 'time_over', admission.until);
  const { refusal: _, last: __, ...rest } = session;
  return only({ ...rest, phase: 'holding', hold: { key, wish } }, [{ do: 'hold', key, token: admission.token, wish }]);
}

/** What the server says of the reservation decides, whatever was thought here. */
function reservation(session: Session, body: Reservation, now: number): Step {
  const buyingNow = ['shopping', 'holding', 'held', 'paying'].includes(session.phase);
  if (!buyingNow && !(body.status === 'HOLD' && (session.phase === 'none' || session.phase === 'over'))) return only(session);
  if (session.held && session.held.id !== body.reservation_id && session.phase !== 'shopping') return only(session);
  switch (body.status) {
    case 'HOLD':
      return held(session, body);
    case 'CONFIRMED':
      return confirmed(session, body);
    case 'REFUNDED':
      return settle(session, 'refunded', now);
    case 'EXPIRED':
      return expired(session, body, now);
    case 'CANCELLED':
      return settle(session, session.phase === 'paying' ? 'failed' : 'released', now);
  }
}

function held(session: Session, body: Reservation): Step {
  const next = heldOf(body);
  if (session.phase === 'held' || session.phase === 'paying') return only({ ...session, held: next });
  const { hold: _, refusal: __, last: ___, pay: ____, over: _____, ...rest } = session;
  return only({ ...rest, phase: 'held', held: next }, [{ do: 'tell', what: 'held' }, { do: 'go', to: 'pay' }]);
}

function confirmed(session: Session, body: Reservation): Step {
  const { version, event } = session;
  const next: Session = { version, event, phase: 'done', held: heldOf(body), order: body.order_id };
  return only(next, [{ do: 'tell', what: 'confirmed' }, { do: 'go', to: 'order' }]);
}

/** Expired with a payment under way: a late approval may still take the same seats again. */
function expired(session: Session, body: Reservation, now: number): Step {
  const late = session.phase === 'paying' && session.pay?.intent && now < Date.parse(body.hold_expires_at) + LATE_MS;
  return late ? only(session) : settle(session, 'hold_expired', now);
}

/** A hold is over. While the admission lasts, one may choose again. */
function settle(session: Session, why: Ending, now: number): Step {
  const { version, event, place, admission, held } = session;
  const known = place && { place };
  if (!admission || now >= admission.until || !held) {
    const { session: ended, effects } = over(session, why, now);
    return { session: { ...ended, ...(held && { held }) }, effects };
  }
  const next: Session = { version, event, phase: 'shopping', ...known, admission, last: { why, at: now, reservation: held.id } };
  return only(next, [{ do: 'tell', what: why }]);
}

function pay(session: Session, { key, scenario, delayMs, now }: Of<'pay'>): Step {
  const { held } = session;
  if (!held) return only(session);
  const next = { ...session, phase: 'paying' as const, pay: { key, scenario, delayMs, pressedAt: now } };
  return only(next, [{ do: 'intent', key, reservation: held.id, scenario, delayMs }]);
}

function intent(session: Session, pay: NonNullable<Session['pay']>, id: string): Step {
  return only({ ...session, pay: { ...pay, intent: id } }, [{ do: 'follow', intent: id }]);
}

function payment(session: Session, reservation: string, { body, now }: Of<'payment'>): Step {
  const ended = outcome(body);
  if (ended) return settle(session, ended, now);
  return only(session, isOpen(body) ? [] : [{ do: 'read', reservation }]);
}

const isOpen = ({ status }: Payment): boolean => status === 'PENDING' || status === 'AUTHORIZED';

/** What a final payment means for the hold, where that needs no further question. */
function outcome({ status }: Payment): Ending | undefined {
  if (status === 'REFUNDED') return 'late_refund';
  if (status === 'FAILED') return 'failed';
  return status === 'EXPIRED' ? 'hold_expired' : undefined;
}

function refused(session: Session, input: Of<'refused'>): Step {
  const { call, code, now, traceId } = input;
  if (code === 'UNAUTHENTICATED') return only({ ...session, needsSignIn: true }, [{ do: 'sign-in' }]);
  if (call === 'hold') return holdRefused(session, input);
  if (session.phase === 'paying' && call === 'intent' && session.held) return intentRefused(session, session.held.id, code);
  if (session.held) return only(session, [{ do: 'read', reservation: session.held.id }]);
  return only({ ...session, refusal: { code, traceId, at: now } });
}

function holdRefused(session: Session, { code, details, traceId, now }: Of<'refused'>): Step {
  if (session.phase !== 'holding') return only(session);
  const { hold: _, ...rest } = session;
  const choosing: Session = { ...rest, phase: 'shopping', refusal: { code, seats: details?.seat_ids, traceId, at: now } };
  switch (code) {
    case 'NOT_ADMITTED':
      return over(session, 'time_over', now);
    case 'SALE_CLOSED':
      return over(session, 'closed', now);
    case 'RESERVATION_LIMIT':
    case 'IDEMPOTENCY_CONFLICT':
      return only(choosing, [{ do: 'find-hold' }]);
    case 'SEAT_TAKEN':
      return only(choosing, [{ do: 'alert', what: 'seats-taken' }]);
    default:
      return only(choosing);
  }
}

function intentRefused(session: Session, reservation: string, code: string): Step {
  const effects: Effect[] = [code === 'PAYMENT_CONFLICT' ? { do: 'find-intent', reservation } : { do: 'read', reservation }];
  if (code === 'PAYMENT_CONFLICT' || code === 'RESERVATION_EXPIRED') return only(session, effects);
  const { pay: _, ...rest } = session;
  return only({ ...rest, phase: 'held' }, effects);
}

function ticked(session: Session, now: number): Step {
  const { phase, admission, held } = session;
  if (phase === 'shopping' && admission && now >= admission.until) return over(session, 'time_over', admission.until);
  if (phase === 'held' && held && now >= held.until) return only(session, [{ do: 'read', reservation: held.id }]);
  return only(session);
}
