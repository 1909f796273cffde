// Seats in words.

import { money, own, t, type Pair } from '../../app/lang.ts';
import { FREE, HELD, type Plan } from '../../seatmap/plan.ts';
import { stretches } from '../../seatmap/runs.ts';
import type { Event as Show, Reservation } from '../../api/contract.ts';

const STATES: Record<'free' | 'chosen' | 'held' | 'gone', Pair> = {
  free: ['선택 가능', 'available'],
  chosen: ['선택함', 'chosen'],
  held: ['다른 분이 결제 중', 'being paid by somebody'],
  gone: ['판매 완료', 'not available'],
};

/** `VIP석`; names of more than a letter that are not VIP go without 석. */
export function gradeName(name: string): string {
  return t([/^([A-Za-z]|VIP)$/.test(name) ? `${name}석` : name, name]);
}

export function stateWord(state: number | undefined, chosen: boolean): string {
  return t(STATES[chosen ? 'chosen' : state === FREE ? 'free' : state === HELD ? 'held' : 'gone']);
}

/** `VIP석 9열 17번, 120,000원, 선택 가능`. */
export function seatWords(plan: Plan, seat: number, currency: string, chosen: boolean): string {
  const { section } = plan.spot(seat);
  return `${shortSeat(plan, seat)}, ${money(section.section.price, currency)}, ${stateWord(plan.states[seat], chosen)}`;
}

/** `VIP석 9열 17번`. */
export function shortSeat(plan: Plan, seat: number): string {
  const { section, row, number } = plan.spot(seat);
  return seatName(own(section.section.name), row.id, String(number));
}

export function seatName(section: string, row: string, number: string): string {
  return t(['{g} {r}열 {s}번', '{g} · row {r} · seat {s}'], { g: gradeName(section), r: row, s: number });
}

/** Chosen seats as stretches: `VIP석 9열 17–18번`. */
export function stretchWords(plan: Plan, seats: readonly number[]): string[] {
  return stretches(plan, seats).map(({ first, length }) => {
    const { section, row, number } = plan.spot(first);
    return seatName(own(section.section.name), row.id, length > 1 ? `${number}–${number + length - 1}` : `${number}`);
  });
}

/** The seats of a reservation or order, read from their ids. */
export function bookedSeats(show: Show | undefined, plan: Plan | undefined, { seat_ids, section, quantity }: Pick<Reservation, 'seat_ids' | 'section' | 'quantity'>): string[] {
  if (!seat_ids.length) {
    const found = show?.sections.find(({ id }) => id === section);
    return [t(['{g} {n}매', '{g} × {n}'], { g: found ? own(found.name) : (section ?? ''), n: quantity })];
  }
  const seats = plan ? seat_ids.map((id) => plan.seat(id)) : [];
  return plan && seats.every((seat) => seat >= 0) ? stretchWords(plan, seats) : seat_ids;
}
