// What can happen to a session, and what it can ask to be done. Times are the server's, in milliseconds.

import type { Entered, Intent, Joined, Payment, Reservation } from '../api/contract.ts';
import type { PlaceFrame } from '../api/frames.ts';
import type { Ending, Scenario, Session, Wish } from './state.ts';

export type Call = 'join' | 'enter' | 'hold' | 'intent' | 'cancel' | 'leave';

export type Input = { now: number } & (
  | { type: 'arm'; opensAt: number; keys: { join: string; enter: string } }
  | { type: 'disarm' }
  | { type: 'join'; keys: { join: string; enter: string } }
  | { type: 'joined'; body: Joined }
  | { type: 'frame'; frame: PlaceFrame }
  | { type: 'enter' }
  | { type: 'entered'; body: Entered; sentAt: number }
  | { type: 'leave' }
  | { type: 'left' }
  | { type: 'hold'; key: string; wish: Wish }
  | { type: 'reservation'; body: Reservation }
  | { type: 'pay'; key: string; scenario?: Scenario; delayMs?: number }
  | { type: 'intent'; body: Pick<Intent, 'payment_intent_id'> }
  | { type: 'payment'; body: Payment }
  | { type: 'release'; key: string }
  | { type: 'cancelled' }
  | { type: 'refused'; call: Call; code: string; details?: Record<string, any>; traceId: string }
  | { type: 'unreachable'; call: Call }
  | { type: 'signed-in' }
  | { type: 'tick' }
  | { type: 'wake' }
  | { type: 'adopt'; session: Session }
  | { type: 'acknowledge' }
);

export type Effect =
  | { do: 'join'; key: string }
  | { do: 'watch'; token: string }
  | { do: 'unwatch' }
  | { do: 'enter'; key: string; token: string }
  | { do: 'leave'; token: string }
  | { do: 'hold'; key: string; token: string; wish: Wish }
  | { do: 'intent'; key: string; reservation: string; scenario?: Scenario; delayMs?: number }
  | { do: 'follow'; intent: string }
  | { do: 'find-intent'; reservation: string }
  | { do: 'read'; reservation: string }
  | { do: 'find-hold' }
  | { do: 'cancel'; key: string; reservation: string }
  | { do: 'alert'; what: 'turn' | 'seats-taken' }
  | { do: 'sign-in' }
  | { do: 'go'; to: 'wait' | 'seats' | 'pay' | 'order' }
  | { do: 'tell'; what: Ending | 'joined' | 'ready' | 'entered' | 'held' | 'confirmed' };

export interface Step {
  session: Session;
  effects: Effect[];
}
