// The ledger carried out from its first entry: what every seat was at any number.

import type { LedgerEntry } from '../../api/contract.ts';
import { BLOCKED, FREE, HELD, SOLD, type Plan } from '../../seatmap/plan.ts';

const BECOMES: Record<LedgerEntry['type'], number> = {
  'reservation.created': HELD, 'reservation.confirmed': SOLD, 'reservation.cancelled': FREE, 'reservation.expired': FREE,
  'reservation.refunded': FREE, 'seats.blocked': BLOCKED, 'seats.unblocked': FREE,
};

/** Seat states after every entry up to `seq`. */
export function replay(plan: Plan, entries: readonly LedgerEntry[], seq: number): Uint8Array {
  const states = new Uint8Array(plan.total).fill(FREE);
  for (const entry of entries) {
    if (entry.seq > seq) break;
    for (const id of entry.seat_ids) {
      const seat = plan.seat(id);
      if (seat >= 0) states[seat] = BECOMES[entry.type];
    }
  }
  return states;
}

/** The first number that is missing, or nothing. */
export function gap(entries: readonly LedgerEntry[]): number | undefined {
  for (const [at, { seq }] of entries.entries()) if (seq !== at + 1) return at + 1;
  return undefined;
}

/** Seats whose replayed state differs from the live one. */
export function differences(replayed: Uint8Array, live: Uint8Array): number {
  let count = 0;
  for (let seat = 0; seat < live.length; seat++) count += Number(replayed[seat] !== live[seat]);
  return count;
}
