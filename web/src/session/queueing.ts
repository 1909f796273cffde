// From before the opening to being let in.

import type { PlaceFrame } from '../api/frames.ts';
import type { Effect, Input, Step } from './inputs.ts';
import { nobody, type Ending, type Place, type Session } from './state.ts';

type Of<T extends Input['type']> = Extract<Input, { type: T }>;

/** The step, where the input is about the line; nothing otherwise. */
export function queueing(session: Session, input: Input): Step | undefined {
  switch (input.type) {
    case 'arm':
      return canJoin(session) ? only({ ...nobody(session.event), phase: 'armed', opensAt: input.opensAt, keys: input.keys }) : only(session);
    case 'disarm':
      return only(session.phase === 'armed' ? nobody(session.event) : session);
    case 'join':
      return canJoin(session) ? join(session, input.now, session.phase === 'armed' && session.keys ? session.keys : input.keys) : only(session);
    case 'joined':
      return session.phase === 'joining' ? joined(session, input) : only(session);
    case 'frame':
      return session.place && (session.phase === 'waiting' || session.phase === 'entering') ? framed(session, session.place, input) : only(session);
    case 'enter':
      return session.phase === 'waiting' ? enter(session, input.now) : only(session);
    case 'entered':
      return session.phase === 'entering' || session.phase === 'waiting' ? entered(session, input) : only(session);
    case 'leave':
      return only(session, session.place ? [{ do: 'leave', token: session.place.token }] : []);
    case 'left':
      return over(session, 'left', input.now);
    case 'tick':
      return session.phase === 'armed' && input.now >= (session.opensAt ?? Infinity) && session.keys ? join(session, input.now, session.keys) : undefined;
    case 'refused':
      return input.call === 'join' || input.call === 'enter' || input.call === 'leave' ? refused(session, input) : undefined;
    case 'unreachable':
      return input.call === 'enter' && session.phase === 'entering' ? only({ ...session, phase: 'waiting' }) : undefined;
    default:
      return undefined;
  }
}

export const only = (session: Session, effects: Effect[] = []): Step => ({ session, effects });

const canJoin = ({ phase }: Session): boolean => phase === 'none' || phase === 'armed' || phase === 'over' || phase === 'done';

export function over(session: Session, why: Ending, at: number, more: Partial<NonNullable<Session['over']>> = {}): Step {
  const { version, event, place } = session;
  return {
    session: { version, event, phase: 'over', ...(place && { place }), over: { why, at, ...more } },
    effects: [{ do: 'unwatch' }, { do: 'tell', what: why }],
  };
}

function join(session: Session, now: number, keys: { join: string; enter: string }): Step {
  const next: Session = { ...nobody(session.event), phase: 'joining', keys, joinSentAt: now };
  return only(next, [{ do: 'join', key: keys.join }]);
}

function joined(session: Session, { now, body }: Of<'joined'>): Step {
  const place: Place = {
    token: body.waiting_token, joinedAt: session.joinSentAt ?? now, first: Math.max(1, body.position_hint),
    position: body.position_hint, hint: true, eta: 0, ready: false, seenAt: now,
  };
  const effects: Effect[] = [{ do: 'watch', token: place.token }, { do: 'tell', what: 'joined' }, { do: 'go', to: 'wait' }];
  return only({ ...session, phase: 'waiting', place }, effects);
}

function framed(session: Session, place: Place, { frame, now }: Of<'frame'>): Step {
  const seen = merged(place, frame, now);
  const next = { ...session, place: seen };
  if (frame.status === 'left') return over(next, 'left', now);
  if (frame.status === 'expired') return over(next, 'expired', now, { readyAt: place.readyUntil });
  if (session.phase === 'waiting' && (frame.ready_for_entry || frame.status === 'entered')) return enter(next, now);
  return only(next);
}

/** The place as the frame tells it; a position larger than the last one is not believed. */
function merged(place: Place, frame: PlaceFrame, now: number): Place {
  const position = place.hint ? frame.position : Math.min(place.position, frame.position);
  return {
    token: place.token,
    joinedAt: place.joinedAt,
    first: place.hint ? Math.max(1, frame.position) : place.first,
    position,
    hint: false,
    eta: frame.eta_sec,
    ready: frame.ready_for_entry,
    seenAt: now,
    ...(frame.ready_expires_at && { readyUntil: Date.parse(frame.ready_expires_at) }),
    ...(frame.remaining !== undefined && { remaining: frame.remaining }),
    ...(frame.admitted_per_min !== undefined && { perMinute: frame.admitted_per_min }),
    ...(frame.notice && { notice: frame.notice }),
  };
}

function enter(session: Session, now: number): Step {
  const { place, keys } = session;
  if (!place || !keys) return only(session);
  const effects: Effect[] = [{ do: 'enter', key: keys.enter, token: place.token }, { do: 'alert', what: 'turn' }, { do: 'tell', what: 'ready' }];
  return only({ ...session, phase: 'entering', enterSentAt: now }, effects);
}

/** The admission ends, as seen from here, its whole time after the request was sent. */
function entered(session: Session, { body, sentAt }: Of<'entered'>): Step {
  const told = body.expires_at ? Date.parse(body.expires_at) : Infinity;
  const until = Math.min(told, sentAt + body.ttl_sec * 1000);
  const { version, event, place } = session;
  const next: Session = { version, event, phase: 'shopping', ...(place && { place }), admission: { token: body.reservation_token, until } };
  return only(next, [{ do: 'unwatch' }, { do: 'tell', what: 'entered' }, { do: 'go', to: 'seats' }]);
}

function refused(session: Session, input: Of<'refused'>): Step {
  const { code, now, details, traceId } = input;
  switch (code) {
    case 'SALE_NOT_OPEN':
      return only({ ...session, phase: 'armed', opensAt: Math.max(Date.parse(details?.opens_at) || 0, now + 250) });
    case 'SALE_CLOSED':
      return over(session, 'closed', now);
    case 'SOLD_OUT':
      return over(session, 'sold_out', now);
    case 'NOT_READY':
      return only(session.phase === 'entering' ? { ...session, phase: 'waiting' } : session);
    case 'TOKEN_EXPIRED':
      return over(session, 'expired', now, { readyAt: session.place?.readyUntil });
    case 'TOKEN_NOT_FOUND':
      return over(session, input.call === 'leave' ? 'left' : 'unknown', now, { traceId });
    default:
      return over(session, 'refused', now, { code, traceId });
  }
}
