// Where every section stands: as the organiser says, else by one rule that gives the same picture everywhere.
// The unit is the width of a seat.

import type { Layout } from '../api/contract.ts';
import type { Plan, PlanSection } from './plan.ts';

/** Rows are a little further apart than seats. */
export const ROW = 1.15;
const GAP = 4;
const LEAN = 6;

/** A section on the floor: its box before turning, the turn around the middle of the box, and how seats stand in it. */
export interface Block {
  section: PlanSection;
  /** Middle of the box. */
  x: number;
  y: number;
  width: number;
  height: number;
  /** Radians. */
  turn: number;
  /** How far the ends of a row come forward. */
  curve: number;
  /** Seats after which there is an aisle, and rows. */
  seatAisles: number[];
  rowAisles: number[];
}

export interface Floor {
  blocks: Block[];
  stage: { x: number; y: number; width: number; height: number };
  left: number;
  top: number;
  width: number;
  height: number;
}

export function layOut(plan: Plan): Floor {
  const blocks = plan.sections.map(blockOf);
  const own = blocks.filter(({ section: { section } }) => section.layout?.x !== undefined && section.layout.y !== undefined);
  for (const block of own) {
    block.x = block.section.section.layout!.x!;
    block.y = block.section.section.layout!.y!;
  }
  const rest = blocks.filter((block) => !own.includes(block));
  place(rest, own.length ? Math.max(...own.map(({ y, height }) => y + height / 2)) + GAP : 0);
  return around(blocks);
}

function blockOf(section: PlanSection): Block {
  const layout: Layout = section.section.layout ?? {};
  const seatAisles = [...(layout.aisles?.after_seats ?? [])].sort((a, b) => a - b);
  const rowAisles = [...(layout.aisles?.after_rows ?? [])].sort((a, b) => a - b);
  const curve = layout.curve ?? 0;
  const side = section.general ? Math.max(8, Math.sqrt('capacity' in section.section ? section.section.capacity : 64)) : 0;
  return {
    section, x: 0, y: 0, turn: ((layout.angle ?? 0) * Math.PI) / 180, curve, seatAisles, rowAisles,
    width: section.general ? side * 1.6 : section.width + seatAisles.length,
    height: section.general ? side * 0.6 : section.rows.length * ROW + rowAisles.length + Math.abs(curve),
  };
}

/** Standing room before the stage, then the seated sections in bands, the dearest in the middle of the nearest one. */
function place(blocks: Block[], top: number): void {
  let y = top;
  for (const block of blocks.filter(({ section }) => section.general)) {
    block.y = y + block.height / 2;
    y += block.height + GAP;
  }
  const seated = blocks.filter(({ section }) => !section.general).sort((a, b) => b.section.section.price - a.section.section.price || a.section.index - b.section.index);
  const size = Math.max(1, Math.ceil(Math.sqrt(0.6 * seated.length)));
  for (let first = 0; first < seated.length; first += size) {
    const band = outwards(seated.slice(first, first + size));
    y += band.length ? placeBand(band, y) + GAP : 0;
  }
}

/** From the middle to the sides: first in the middle, second to its left, third to its right. */
function outwards<T>(items: T[]): T[] {
  const row: T[] = [];
  items.forEach((item, at) => (at % 2 ? row.unshift(item) : row.push(item)));
  return row;
}

/** One band from left to right, turned inwards a little; how deep it is. */
function placeBand(band: Block[], y: number): number {
  const width = band.reduce((sum, block) => sum + block.width, 0) + GAP * (band.length - 1);
  const depth = Math.max(...band.map(({ height }) => height));
  let x = -width / 2;
  for (const block of band) {
    block.x = x + block.width / 2;
    const aside = width ? block.x / (width / 2) : 0;
    if (!block.section.section.layout?.angle) block.turn = (-aside * LEAN * Math.PI) / 180;
    block.y = y + block.height / 2 - Math.abs(Math.sin(block.turn) * block.x * 0.6);
    x += block.width + GAP;
  }
  return depth + Math.sin((LEAN * Math.PI) / 180) * Math.max(...band.map(({ width: each }) => each)) * 0.5;
}

/** The stage above everything, and the box around it all. */
function around(blocks: Block[]): Floor {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const block of blocks) {
    const [w, h] = turnedSize(block);
    left = Math.min(left, block.x - w / 2);
    right = Math.max(right, block.x + w / 2);
    top = Math.min(top, block.y - h / 2);
    bottom = Math.max(bottom, block.y + h / 2);
  }
  const width = right - left;
  const stage = { width: Math.max(10, width * 0.42), height: Math.max(3, width * 0.045), x: (left + right) / 2, y: 0 };
  stage.y = top - GAP - stage.height / 2;
  const head = stage.y - stage.height / 2 - 2;
  return { blocks, stage, left: left - 3, top: head - 1, width: width + 6, height: bottom - head + 4 };
}

function turnedSize({ width, height, turn }: Block): [number, number] {
  const [sin, cos] = [Math.abs(Math.sin(turn)), Math.abs(Math.cos(turn))];
  return [width * cos + height * sin, width * sin + height * cos];
}

/** How many aisles come before a seat or row, counted from 0. */
export function aislesBefore(aisles: readonly number[], at: number): number {
  let before = 0;
  while (before < aisles.length && aisles[before]! <= at) before++;
  return before;
}

/** Where a seat's middle is in its block, from the upper left corner of the box. */
export function seatAt(block: Block, rowIndex: number, column: number): { x: number; y: number } {
  const count = block.section.rows[rowIndex]!.count;
  const all = block.section.width + block.seatAisles.length;
  const own = count + aislesBefore(block.seatAisles, count - 1);
  const x = (all - own) / 2 + column + aislesBefore(block.seatAisles, column) + 0.5;
  return { x, y: rowIndex * ROW + aislesBefore(block.rowAisles, rowIndex) + ROW / 2 + bend(block, x) };
}

function bend(block: Block, x: number): number {
  if (!block.curve) return 0;
  const aside = (x - block.width / 2) / (block.width / 2);
  return block.curve > 0 ? block.curve * (1 - aside * aside) : -block.curve * aside * aside;
}

/** A point of the floor as one of the block. */
export function toBlock(block: Block, x: number, y: number): { x: number; y: number } {
  const [dx, dy] = [x - block.x, y - block.y];
  const [sin, cos] = [Math.sin(-block.turn), Math.cos(-block.turn)];
  return { x: dx * cos - dy * sin + block.width / 2, y: dx * sin + dy * cos + block.height / 2 };
}

/** A point of the block as one of the floor. */
export function toFloor(block: Block, x: number, y: number): { x: number; y: number } {
  const [dx, dy] = [x - block.width / 2, y - block.height / 2];
  const [sin, cos] = [Math.sin(block.turn), Math.cos(block.turn)];
  return { x: dx * cos - dy * sin + block.x, y: dx * sin + dy * cos + block.y };
}

/** The row and column under a point of the block; what is beside every seat is nothing. */
export function hit(block: Block, x: number, y: number): { rowIndex: number; column: number } | undefined {
  if (block.section.general) return undefined;
  const level = y - bend(block, x);
  const guess = Math.round((level - ROW / 2 - aislesBefore(block.rowAisles, Math.floor(level / ROW) - 1)) / ROW) + 0;
  for (const rowIndex of [guess, guess - 1, guess + 1]) {
    const row = block.section.rows[rowIndex];
    if (!row) continue;
    const own = row.count + aislesBefore(block.seatAisles, row.count - 1);
    const from = x - (block.section.width + block.seatAisles.length - own) / 2;
    const guessed = Math.floor(from) - aislesBefore(block.seatAisles, Math.floor(from) - 1);
    for (const column of [guessed, guessed - 1, guessed + 1]) {
      if (column < 0 || column >= row.count) continue;
      const seat = seatAt(block, rowIndex, column);
      if (Math.abs(seat.x - x) <= 0.5 && Math.abs(seat.y - y) <= ROW / 2) return { rowIndex, column };
    }
  }
  return undefined;
}
