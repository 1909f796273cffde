// One person's way through one sale: everything that must survive a reload, in one record.

import type { Currency, Notice, Reservation } from '../api/contract.ts';

export type Phase =
  | 'none' | 'armed' | 'joining' | 'waiting' | 'entering' | 'shopping' | 'holding' | 'held' | 'paying' | 'done' | 'over';

/** Why a session is over, or why a hold is. */
export type Ending =
  | 'left' | 'expired' | 'closed' | 'sold_out' | 'unknown' | 'refused' | 'time_over'
  | 'released' | 'failed' | 'hold_expired' | 'late_refund' | 'refunded';

export interface Place {
  token: string;
  /** When it was joined, by the server's clock. */
  joinedAt: number;
  /** The first position told, from which the way to the front is measured. */
  first: number;
  position: number;
  /** The position is the hint of the join, not yet a frame's. */
  hint: boolean;
  eta: number;
  ready: boolean;
  readyUntil?: number;
  seenAt: number;
  remaining?: number;
  perMinute?: number;
  notice?: Notice;
}

/** What is to be held: exact seats, or a number of the best. */
export interface Wish {
  seat_ids?: string[];
  quantity?: number;
  section?: string;
  together?: boolean;
}

export interface Held {
  id: string;
  seats: string[];
  section?: string;
  quantity: number;
  total: number;
  currency: Currency;
  until: number;
}

export interface Session {
  version: 1;
  event: string;
  phase: Phase;
  /** Armed: when the sale opens. */
  opensAt?: number;
  /** The keys of joining and entering, made before either is sent. */
  keys?: { join: string; enter: string };
  joinSentAt?: number;
  place?: Place;
  enterSentAt?: number;
  admission?: { token: string; until: number };
  hold?: { key: string; wish: Wish };
  held?: Held;
  pay?: { key: string; scenario?: Scenario; delayMs?: number; intent?: string; pressedAt: number };
  order?: string;
  /** How the last hold ended, while choosing again is possible. */
  last?: { why: Ending; at: number; reservation: string };
  over?: { why: Ending; at: number; code?: string; traceId?: string; readyAt?: number };
  /** What the last attempt to hold was refused with. */
  refusal?: { code: string; seats?: string[]; traceId: string; at: number };
  /** The request under way waits for somebody to sign in. */
  needsSignIn?: boolean;
}

export type Scenario = 'approve' | 'fail' | 'delay' | 'random' | 'timeout';

export const nobody = (event: string): Session => ({ version: 1, event, phase: 'none' });

/** A reservation as the session keeps it. */
export function heldOf(reservation: Reservation): Held {
  return {
    id: reservation.reservation_id,
    seats: reservation.seat_ids,
    ...(reservation.section && { section: reservation.section }),
    quantity: reservation.quantity,
    total: reservation.total_amount,
    currency: reservation.currency,
    until: Date.parse(reservation.hold_expires_at),
  };
}

/** Phases in which a place in line is watched. */
export const inLine = (phase: Phase): boolean => phase === 'waiting' || phase === 'entering';
/** Phases that somebody would want to come back to. */
export const isLive = (phase: Phase): boolean => phase !== 'none' && phase !== 'over' && phase !== 'done';
