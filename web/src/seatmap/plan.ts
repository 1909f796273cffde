// All seats of an event as numbers: seat = index in map order, one byte of state each. No object per seat.

import type { Event as Show, Section } from '../api/contract.ts';

export const FREE = 0;
export const HELD = 1;
export const SOLD = 2;
export const BLOCKED = 3;

export interface PlanRow {
  id: string;
  /** Index of its first seat. */
  first: number;
  count: number;
}

export interface PlanSection {
  index: number;
  section: Section;
  general: boolean;
  /** Index of its first seat; general admission has none. */
  first: number;
  count: number;
  rows: PlanRow[];
  /** Seats in the widest row. */
  width: number;
}

/** Where a seat is. */
export interface Spot {
  section: PlanSection;
  row: PlanRow;
  rowIndex: number;
  /** From 1. */
  number: number;
}

export class Plan {
  readonly sections: PlanSection[] = [];
  readonly states: Uint8Array;
  /** Free seats of each section. */
  readonly free: Int32Array;
  readonly total: number;

  constructor(show: Pick<Show, 'sections'>) {
    let first = 0;
    for (const [index, section] of show.sections.entries()) {
      const planned = planSection(index, section, first);
      this.sections.push(planned);
      first += planned.count;
    }
    this.total = first;
    this.states = new Uint8Array(first).fill(BLOCKED);
    this.free = new Int32Array(this.sections.length);
  }

  /** Takes over a whole map; true where anything differs. */
  fill(sections: readonly { id: string; states: string }[]): void {
    for (const { id, states } of sections) {
      const section = this.sections.find((each) => each.section.id === id);
      if (!section || section.general) continue;
      const end = Math.min(states.length, section.count);
      for (let seat = 0; seat < end; seat++) this.states[section.first + seat] = states.charCodeAt(seat) - 48;
      this.free[section.index] = this.#countFree(section);
    }
  }

  /** Changes one seat; what it was before, or nothing where there is no such seat. */
  set(sectionIndex: number, seat: number, state: number): number | undefined {
    const section = this.sections[sectionIndex];
    if (!section || seat < 0 || seat >= section.count) return undefined;
    const at = section.first + seat;
    const before = this.states[at]!;
    this.states[at] = state;
    this.free[sectionIndex]! += Number(state === FREE) - Number(before === FREE);
    return before;
  }

  /** The section that has a seat. */
  sectionOf(seat: number): PlanSection {
    let [low, high] = [0, this.sections.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.sections[middle]!.first <= seat) low = middle;
      else high = middle - 1;
    }
    // Sections without seats share their index with the one that follows.
    while (this.sections[low]!.count === 0 && low > 0) low--;
    return this.sections[low]!;
  }

  spot(seat: number): Spot {
    const section = this.sectionOf(seat);
    let [low, high] = [0, section.rows.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (section.rows[middle]!.first <= seat) low = middle;
      else high = middle - 1;
    }
    const row = section.rows[low]!;
    return { section, row, rowIndex: low, number: seat - row.first + 1 };
  }

  id(seat: number): string {
    const { section, row, number } = this.spot(seat);
    return `${section.section.id}-${row.id}-${number}`;
  }

  /** The seat of an id; -1 where there is none. Section and row names may hold dashes themselves. */
  seat(id: string): number {
    for (const section of this.sections) {
      if (!id.startsWith(`${section.section.id}-`)) continue;
      const rest = id.slice(section.section.id.length + 1);
      const cut = rest.lastIndexOf('-');
      const row = section.rows.find((each) => each.id === rest.slice(0, cut));
      const number = Number(rest.slice(cut + 1));
      if (row && number >= 1 && number <= row.count) return row.first + number - 1;
    }
    return -1;
  }

  #countFree(section: PlanSection): number {
    let free = 0;
    for (let seat = section.first; seat < section.first + section.count; seat++) free += Number(this.states[seat] === FREE);
    return free;
  }
}

function planSection(index: number, section: Section, first: number): PlanSection {
  if (section.kind === 'general') return { index, section, general: true, first, count: 0, rows: [], width: 0 };
  let at = first;
  let width = 0;
  const rows: PlanRow[] = [];
  for (const { id, count } of section.rows) {
    rows.push({ id, first: at, count });
    at += count;
    width = Math.max(width, count);
  }
  return { index, section, general: false, first, count: at - first, rows, width };
}
