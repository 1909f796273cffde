// From what clients were told to operations on seats, in groups that have nothing to do with each other. The model is
// small: a seat is free, kept back, or of one reservation; a reservation is held, sold, cancelled, over or given back.

import { bodyOf, causes, firstSent, granted, lastSent, type Entry, type LedgerEntry } from './history.ts';
import { linearizable, type Operation } from './linearizable.ts';

/** How old a map of seats may be, in milliseconds: `workers/gateway/src/availability.rs`. */
export const MAP_AGE_MS = 100;
/** How long after its deadline a hold may still be seen, in milliseconds: the contract. */
export const EXPIRY_MS = 1000;

const FREE = 0;
const BLOCKED = -1;

/** By index: whose each seat is (`FREE`, `BLOCKED` or a reservation's index + 1), and each reservation's status. */
export interface Hall {
  seats: readonly number[];
  statuses: readonly string[];
}

export interface Sources {
  entries: readonly Entry[];
  ledger: readonly LedgerEntry[];
  /** Every seat on the map. */
  seats: readonly string[];
  /** State of every seat in the body of an answer to `look`. */
  shown: (body: any) => ReadonlyMap<string, string>;
}

/** Seats that holds and refusals tie together, with all that happened to them. */
export interface Group {
  seats: string[];
  reservations: string[];
  initial: Hall;
  operations: Operation<Hall>[];
}

export const keyOf = ({ seats, statuses }: Hall): string => `${seats}|${statuses.join('')}`;

/** A reservation with what is known of it. */
interface Known {
  id: string;
  seats: string[];
  /** The request that made it, where its client was told. */
  entry?: Entry;
  moves: string[];
}

/** `NONE` before it exists. The names are those of the contract, one letter each. */
const LETTERS: Record<string, string> = { NONE: '.', HOLD: 'H', CONFIRMED: 'C', CANCELLED: 'X', EXPIRED: 'E', REFUNDED: 'R' };
const letters = (...statuses: string[]): string => statuses.map((status) => LETTERS[status] ?? '?').join('');

/** All groups of a history. */
export function groups(sources: Sources): Group[] {
  const known = reservations(sources);
  const tied = [...known.values()].map((one) => one.seats);
  for (const { args } of sources.entries) if (args.seats) tied.push(args.seats);
  const looked = sources.entries.filter((entry) => entry.operation === 'look' && granted(entry));
  const looks = looked.map((entry) => ({ entry, shown: sources.shown(bodyOf(entry)) }));
  const ofReservation = Map.groupBy(sources.entries, (entry) => entry.args.reservation as string | undefined);
  const ofSeat = Map.groupBy(sources.entries.filter((entry) => entry.args.seats?.length), (entry) => entry.args.seats[0] as string);
  const all = [...known.values()];
  return components(sources.seats, tied).map((seats) => {
    const inside = new Set(seats);
    const own = all.filter((one) => one.seats.some((seat) => inside.has(seat)));
    const build = new Builder(seats, own.map(({ id }) => id));
    for (const one of own) build.reservation(one, ofReservation.get(one.id) ?? []);
    for (const entry of seats.flatMap((seat) => ofSeat.get(seat) ?? [])) build.attempt(entry);
    for (const { entry, shown } of looks) build.look(entry, shown);
    return build.group;
  });
}

export interface Report {
  groups: number;
  operations: number;
  states: number;
  /** What has no order, or could not be decided. */
  broken: string[];
}

/** Checks every group. */
export function check(sources: Sources): Report {
  const report: Report = { groups: 0, operations: 0, states: 0, broken: [] };
  for (const { seats, operations, initial } of groups(sources)) {
    const verdict = linearizable(operations, initial, keyOf);
    report.groups++;
    report.operations += operations.length;
    report.states += verdict.states;
    if (verdict.linearizable) continue;
    const why = verdict.undecided ? 'was not decided' : 'has no order';
    report.broken.push(`${seats[0]} and ${seats.length - 1} more: ${why}; next would be ${verdict.stuck.slice(0, 12).join(', ')}`);
  }
  return report;
}

/** Every reservation that a client or the ledger knows. */
function reservations({ entries, ledger }: Sources): Map<string, Known> {
  const known = new Map<string, Known>();
  for (const entry of entries) {
    if (entry.operation !== 'hold' || !granted(entry)) continue;
    const { reservation_id: id, seat_ids } = bodyOf(entry);
    if (!known.has(id)) known.set(id, { id, seats: seat_ids, entry, moves: [] });
  }
  for (const { type, reservation_id: id, seat_ids } of ledger) {
    if (!id) continue;
    if (!known.has(id)) known.set(id, { id, seats: seat_ids, moves: [] });
    known.get(id)?.moves.push(type);
  }
  return known;
}

/** Seats in sets that no tie crosses. */
function components(seats: readonly string[], ties: readonly string[][]): string[][] {
  const parent = new Map(seats.map((seat) => [seat, seat]));
  const root = (seat: string): string => {
    let at = seat;
    for (let up = parent.get(at) ?? at; up !== at; up = parent.get(at) ?? at) at = up;
    parent.set(seat, at);
    return at;
  };
  for (const [first, ...others] of ties) for (const other of others) if (first !== undefined) parent.set(root(other), root(first));
  return [...Map.groupBy(seats, root).values()];
}

class Builder {
  readonly #seats: Map<string, number>;
  readonly #reservations: Map<string, number>;
  readonly group: Group;

  constructor(seats: string[], reservations: string[]) {
    this.#seats = new Map(seats.map((seat, index) => [seat, index]));
    this.#reservations = new Map(reservations.map((id, index) => [id, index]));
    const initial = { seats: seats.map(() => FREE), statuses: reservations.map(() => letters('NONE')) };
    this.group = { seats, reservations, initial, operations: [] };
  }

  #add(name: string, from: number, until: number, step: Operation<Hall>['step'], more: Partial<Operation<Hall>> = {}): void {
    this.group.operations.push({ name, from, until, step, ...more });
  }

  /** Something that was seen to be so, and changed nothing. */
  #observe(name: string, from: number, until: number, holds: (hall: Hall) => boolean): void {
    this.#add(name, from, until, (hall) => (holds(hall) ? hall : undefined), { observes: true });
  }

  #index(seat: string): number {
    const index = this.#seats.get(seat);
    if (index === undefined) throw new Error(`${seat} is not on the map`);
    return index;
  }

  /** All that happened to one reservation, and all that was seen of it. */
  reservation({ id, seats, entry, moves }: Known, entries: readonly Entry[]): void {
    const me = this.#reservations.get(id) ?? -1;
    const mine = seats.map((seat) => this.#index(seat));
    const move = (from: string, to: string, owner: number) => (hall: Hall): Hall | undefined => {
      const status = hall.statuses[me] ?? '';
      if (!from.includes(status)) return undefined;
      const before = status === letters('HOLD') || status === letters('CONFIRMED') ? me + 1 : FREE;
      if (mine.some((seat) => hall.seats[seat] !== before)) return undefined;
      const after = [...hall.seats];
      for (const seat of mine) after[seat] = owner;
      return { seats: after, statuses: hall.statuses.with(me, to) };
    };
    const observed = entries.flatMap((one) => sights(one));
    const asked = (type: string): number => Math.min(...entries.filter((one) => causes(one).includes(type)).map(firstSent));
    // Whoever was shown a state that only this move leads to was told of it.
    const told = (statuses: string): number =>
      Math.min(...observed.filter((sight) => [...sight.statuses].every((status) => statuses.includes(status))).map(({ until }) => until));
    const since = entry ? firstSent(entry) : -Infinity;
    this.#add(`hold ${id} ${seats}`, since, entry?.answered ?? Infinity, move(letters('NONE'), letters('HOLD'), me + 1));
    const deadline = entry ? Date.parse(bodyOf(entry).hold_expires_at) : -Infinity;
    for (const type of moves) {
      if (type === 'reservation.expired') {
        this.#add(`expire ${id}`, deadline, entry ? deadline + EXPIRY_MS : Infinity, move(letters('HOLD'), letters('EXPIRED'), FREE));
      } else if (type === 'reservation.confirmed') {
        this.#add(`sell ${id}`, asked(type), told(letters('CONFIRMED', 'REFUNDED')), move(letters('HOLD', 'EXPIRED'), letters('CONFIRMED'), me + 1));
      } else if (type === 'reservation.cancelled') {
        this.#add(`release ${id}`, asked(type), told(letters('CANCELLED')), move(letters('HOLD'), letters('CANCELLED'), FREE));
      } else if (type === 'reservation.refunded') {
        this.#add(`refund ${id}`, asked(type), told(letters('REFUNDED')), move(letters('CONFIRMED'), letters('REFUNDED'), FREE));
      }
    }
    for (const { name, from, until, statuses } of observed) {
      this.#observe(`${name} ${id}`, from, until, (hall) => statuses.includes(hall.statuses[me] ?? ''));
    }
  }

  /** A hold of named seats that was refused, or seats that the organiser keeps back or puts on sale. */
  attempt(entry: Entry): void {
    const seats = (entry.args.seats as string[]).map((seat) => this.#index(seat));
    const until = entry.answered ?? Infinity;
    const error = entry.status === 409 ? bodyOf(entry).error : undefined;
    if (error?.code === 'SEAT_TAKEN') {
      const taken = new Set((error.details.seat_ids as string[]).map((seat) => this.#index(seat)));
      if (entry.operation === 'hold') {
        const exact = (hall: Hall): boolean => seats.every((seat) => (hall.seats[seat] !== FREE) === taken.has(seat));
        this.#observe(`${entry.args.seats} taken`, lastSent(entry), until, exact);
      } else {
        const sold = (hall: Hall): boolean => seats.every((seat) => ((hall.seats[seat] ?? FREE) > FREE) === taken.has(seat));
        this.#observe(`${entry.args.seats} not to be blocked`, lastSent(entry), until, sold);
      }
    }
    if (entry.operation !== 'block' && entry.operation !== 'unblock') return;
    const [from, to] = entry.operation === 'block' ? [FREE, BLOCKED] : [BLOCKED, FREE];
    const swap = (hall: Hall, moved: readonly number[]): Hall =>
      moved.length === 0 ? hall : { ...hall, seats: hall.seats.map((owner, seat) => (moved.includes(seat) ? to : owner)) };
    const refuses = (hall: Hall): boolean => to === BLOCKED && seats.some((seat) => (hall.seats[seat] ?? FREE) > FREE);
    // There is no key: what was cut off may have been done, and is then done already when it is sent again.
    for (const attempt of entry.attempts.filter(({ status }) => status === undefined || status >= 500)) {
      const maybe = (hall: Hall): Hall | undefined => (refuses(hall) ? undefined : swap(hall, seats.filter((seat) => hall.seats[seat] === from)));
      this.#add(`perhaps ${entry.operation} ${entry.args.seats}`, attempt.sent, Infinity, maybe, { optional: true });
    }
    if (!granted(entry)) return;
    const moved = (bodyOf(entry)[`${entry.operation}ed`] as string[]).map((seat) => this.#index(seat));
    const step = (hall: Hall): Hall | undefined => {
      const exact = seats.every((seat) => (hall.seats[seat] === from) === moved.includes(seat));
      return exact && !refuses(hall) ? swap(hall, moved) : undefined;
    };
    this.#add(`${entry.operation} ${entry.args.seats}`, lastSent(entry), until, step, { observes: moved.length === 0 });
  }

  /** The map of seats, as it was at some instant that is not too old. */
  look(entry: Entry, shown: ReadonlyMap<string, string>): void {
    const states = this.group.seats.map((seat) => shown.get(seat));
    const state = (owner: number, hall: Hall): string =>
      owner === FREE ? '0' : owner === BLOCKED ? '3' : hall.statuses[owner - 1] === letters('CONFIRMED') ? '2' : '1';
    const same = (hall: Hall): boolean => hall.seats.every((owner, seat) => state(owner, hall) === states[seat]);
    this.#observe(`look ${states.join('')}`, lastSent(entry) - MAP_AGE_MS, entry.answered ?? Infinity, same);
  }
}

interface Sight {
  name: string;
  from: number;
  until: number;
  /** One of these was the reservation's status. */
  statuses: string;
}

/** What a granted request says of its reservation's status. */
const SHOWS: Record<string, (body: any) => string[] | undefined> = {
  read: (body) => [body.status],
  intent: () => ['HOLD'],
  cancel: () => ['CANCELLED'],
  confirm: () => ['CONFIRMED'],
  refund: () => ['REFUNDED'],
  process: (body) => (body.status === 'APPROVED' ? ['CONFIRMED', 'REFUNDED'] : undefined),
};

/** What a refused one says of it, where that depends on the request. */
const NOT_HELD: Record<string, string[]> = {
  cancel: ['CONFIRMED', 'REFUNDED'],
  confirm: ['CANCELLED', 'REFUNDED'],
};

/** What an answer says of its reservation's status. A granted request may have been carried out at its first try. */
function sights(entry: Entry): Sight[] {
  const { operation, status, answered: until } = entry;
  if (status === undefined || until === undefined) return [];
  const body = bodyOf(entry);
  const code = status === 409 ? body.error.code : undefined;
  let statuses: string[] | undefined;
  if (granted(entry)) statuses = SHOWS[operation]?.(body);
  else if (code === 'RESERVATION_EXPIRED') statuses = ['EXPIRED'];
  else if (code === 'RESERVATION_NOT_HELD') statuses = NOT_HELD[operation] ?? ['CONFIRMED', 'CANCELLED', 'REFUNDED'];
  if (!statuses) return [];
  const from = granted(entry) && operation !== 'read' ? firstSent(entry) : lastSent(entry);
  return [{ name: `${operation} ${statuses}`, from, until, statuses: letters(...statuses) }];
}
