// The session machine: what becomes of a session when something happens. No clock, no randomness, no page: all are inputs.

import type { Effect, Input, Step } from './inputs.ts';
import { buying } from './buying.ts';
import { queueing } from './queueing.ts';
import { nobody, type Session } from './state.ts';

/** The next state and what is to be done. An input that makes no sense now changes nothing. */
export function step(session: Session, input: Input): Step {
  switch (input.type) {
    case 'adopt':
      return { session: input.session, effects: [] };
    case 'acknowledge':
      return { session: isFinal(session) ? nobody(session.event) : session, effects: [] };
    case 'wake':
      return { session, effects: resume(session) };
    case 'signed-in':
      return session.needsSignIn ? { session: { ...session, needsSignIn: false }, effects: resume(session) } : { session, effects: [] };
    default:
      return queueing(session, input) ?? buying(session, input) ?? { session, effects: [] };
  }
}

const isFinal = ({ phase }: Session): boolean => phase === 'over' || phase === 'done';

/** What carries a stored session on: after a reload, a sleep, or in another tab. Requests repeat with their keys. */
export function resume(session: Session): Effect[] {
  const { phase, keys, place, admission, hold, held, pay } = session;
  switch (phase) {
    case 'joining':
      return keys ? [{ do: 'join', key: keys.join }] : [];
    case 'waiting':
      return place ? [{ do: 'watch', token: place.token }] : [];
    case 'entering':
      return place && keys ? [{ do: 'watch', token: place.token }, { do: 'enter', key: keys.enter, token: place.token }] : [];
    case 'holding':
      return hold && admission ? [{ do: 'hold', key: hold.key, token: admission.token, wish: hold.wish }] : [];
    case 'held':
      return held ? [{ do: 'read', reservation: held.id }] : [];
    case 'paying':
      return held && pay ? payEffects(held.id, pay) : [];
    default:
      return [];
  }
}

function payEffects(reservation: string, pay: NonNullable<Session['pay']>): Effect[] {
  if (pay.intent) return [{ do: 'follow', intent: pay.intent }];
  return [{ do: 'intent', key: pay.key, reservation, scenario: pay.scenario, delayMs: pay.delayMs }];
}
