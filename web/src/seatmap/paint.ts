// Draws the floor as it is seen: pictures of sections from far away, single seats from near.

import { Bitmap, type Inks } from './bitmap.ts';
import type { Camera, View } from './camera.ts';
import type { Grade } from './grades.ts';
import { ROW, seatAt, toBlock, toFloor, type Block, type Floor } from './layout.ts';
import { FREE, HELD, type Plan } from './plan.ts';

/** From this zoom on seats are drawn one by one. */
export const NEAR = 8;
/** From this zoom on they have shapes and numbers. */
export const CLOSE = 20;

export interface Theme {
  page: string;
  ink: string;
  soft: string;
  line: string;
  hair: string;
  raised: string;
  font: string;
}

export interface Scene {
  plan: Plan;
  floor: Floor;
  grades: Grade[];
  /** Name, price, seats left of a section. */
  label: (index: number) => string[];
  stage: string;
  chosen: ReadonlySet<number>;
  lost: ReadonlySet<number>;
  /** The section that is not dimmed; all where undefined. */
  only: number | undefined;
  /** Seats that were taken a moment ago, and until when that is shown. */
  fresh: Map<number, number>;
  contrast: boolean;
  theme: Theme;
}

export class Painter {
  readonly #bitmaps = new Map<number, Bitmap>();
  readonly #stale = new Set<number>();
  readonly #context: CanvasRenderingContext2D;
  readonly #canvas: HTMLCanvasElement;

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
    this.#context = canvas.getContext('2d', { alpha: false })!;
  }

  /** All pictures are out of date: other colours, or another map. */
  reset(): void {
    this.#bitmaps.clear();
  }

  /** A section's picture is out of date. */
  touch(section: number): void {
    this.#stale.add(section);
  }

  /** A seat changed: its picture follows at once if there is one. */
  seat(scene: Scene, section: number, seat: number): void {
    const bitmap = this.#bitmaps.get(section);
    if (!bitmap || this.#stale.has(section)) return;
    const { rowIndex, number } = scene.plan.spot(seat);
    const inks = inksOf(scene, section);
    const state = scene.plan.states[seat]!;
    bitmap.seat(rowIndex, number - 1, state === FREE ? inks.free : state === HELD ? inks.held : inks.gone);
  }

  /** Paints `view`, with a margin around the screen so that a gesture can move the picture before the next paint. */
  paint(scene: Scene, camera: Camera, view: View, margin: { x: number; y: number }, ratio: number): void {
    const context = this.#context;
    const [width, height] = [camera.width + 2 * margin.x, camera.height + 2 * margin.y];
    const [pixelWidth, pixelHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.#canvas.width !== pixelWidth || this.#canvas.height !== pixelHeight) {
      this.#canvas.width = pixelWidth;
      this.#canvas.height = pixelHeight;
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = scene.theme.page;
    context.fillRect(0, 0, pixelWidth, pixelHeight);
    const frame: Frame = { context, ratio, view, left: view.x - width / 2 / view.z, top: view.y - height / 2 / view.z, width: width / view.z, height: height / view.z };
    stage(scene, frame);
    for (const block of scene.floor.blocks) if (isSeen(block, frame)) this.#block(scene, block, frame);
    for (const block of scene.floor.blocks) if (isSeen(block, frame)) labels(scene, block, frame);
  }

  #block(scene: Scene, block: Block, frame: Frame): void {
    const { context } = frame;
    context.globalAlpha = scene.only === undefined || scene.only === block.section.index ? 1 : 0.25;
    enterBlock(block, frame);
    if (block.section.general) general(scene, block, frame);
    else if (frame.view.z < NEAR) this.#far(scene, block, frame);
    else near(scene, block, frame);
    context.globalAlpha = 1;
  }

  #far(scene: Scene, block: Block, { context, view }: Frame): void {
    const bitmap = this.#bitmap(scene, block);
    context.imageSmoothingEnabled = view.z < 3;
    context.drawImage(bitmap.canvas, 0, 0, bitmap.canvas.width / bitmap.scale, bitmap.canvas.height / bitmap.scale);
    for (const seat of scene.chosen) if (scene.plan.sectionOf(seat) === block.section) chosenSeat(scene, block, seat, context, view.z);
  }

  #bitmap(scene: Scene, block: Block): Bitmap {
    const { index } = block.section;
    let bitmap = this.#bitmaps.get(index);
    if (bitmap && !this.#stale.has(index)) return bitmap;
    bitmap ??= new Bitmap(block, scene.plan);
    bitmap.draw(inksOf(scene, index));
    this.#bitmaps.set(index, bitmap);
    this.#stale.delete(index);
    return bitmap;
  }
}

interface Frame {
  context: CanvasRenderingContext2D;
  ratio: number;
  view: View;
  left: number;
  top: number;
  width: number;
  height: number;
}

function inksOf({ grades, theme, contrast }: Scene, section: number): Inks {
  return { free: contrast ? theme.ink : grades[section]!.fill, held: theme.line, gone: theme.hair };
}

function isSeen(block: Block, { left, top, width, height }: Frame): boolean {
  const reach = Math.hypot(block.width, block.height) / 2;
  return block.x + reach > left && block.x - reach < left + width && block.y + reach > top && block.y - reach < top + height;
}

/** From here on one unit is a seat, with the block's upper left corner as the origin. */
function enterBlock(block: Block, { context, ratio, view, left, top }: Frame): void {
  const scale = view.z * ratio;
  context.setTransform(scale, 0, 0, scale, -left * scale, -top * scale);
  context.translate(block.x, block.y);
  context.rotate(block.turn);
  context.translate(-block.width / 2, -block.height / 2);
}

function toPixels({ context, ratio }: Frame): void {
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
}

function onPixels(frame: Frame, x: number, y: number): { x: number; y: number } {
  return { x: (x - frame.left) * frame.view.z, y: (y - frame.top) * frame.view.z };
}

function stage(scene: Scene, frame: Frame): void {
  const { context, view } = frame;
  const { x, y, width, height } = scene.floor.stage;
  toPixels(frame);
  const middle = onPixels(frame, x, y);
  const [w, h] = [width * view.z, Math.max(height * view.z, 22)];
  context.fillStyle = scene.theme.ink;
  context.beginPath();
  context.roundRect(middle.x - w / 2, middle.y - h / 2, w, h, Math.min(10, h / 2));
  context.fill();
  context.fillStyle = scene.theme.page;
  context.font = `600 ${Math.min(18, Math.max(12, h * 0.42))}px ${scene.theme.font}`;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.fillText(scene.stage, middle.x, middle.y + 1);
}

function general(scene: Scene, block: Block, { context, view }: Frame): void {
  context.fillStyle = scene.grades[block.section.index]!.fill;
  context.beginPath();
  context.roundRect(0, 0, block.width, block.height, 8 / view.z);
  context.fill();
}

/** The visible seats one by one: all free ones, then the others. */
function near(scene: Scene, block: Block, frame: Frame): void {
  const { context, view } = frame;
  const grade = scene.grades[block.section.index]!;
  const [rows, columns] = visible(block, frame);
  const close = view.z >= CLOSE;
  const half = 0.4;
  const round = close ? 0.18 : 0;
  const { states } = scene.plan;
  const each = (draw: (x: number, y: number, seat: number, column: number) => void, wanted: (state: number) => boolean): void => {
    for (let rowIndex = rows[0]; rowIndex <= rows[1]; rowIndex++) {
      const row = block.section.rows[rowIndex]!;
      for (let column = 0; column < row.count; column++) {
        const seat = row.first + column;
        if (!wanted(states[seat]!)) continue;
        const { x, y } = seatAt(block, rowIndex, column);
        if (x >= columns[0] && x <= columns[1]) draw(x, y, seat, column);
      }
    }
  };
  context.fillStyle = scene.contrast ? scene.theme.ink : grade.fill;
  context.beginPath();
  each((x, y) => (round ? context.roundRect(x - half, y - half, 2 * half, 2 * half, round) : context.rect(x - half, y - half, 2 * half, 2 * half)), (state) => state === FREE);
  context.fill();
  if (close) {
    context.lineWidth = 1 / view.z;
    context.strokeStyle = scene.theme.line;
    context.stroke();
  }
  taken(scene, each, context, view.z);
  if (close) {
    context.fillStyle = scene.contrast ? scene.theme.page : grade.figure;
    context.font = `600 0.36px ${scene.theme.font}`;
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    each((x, y, seat, column) => !scene.chosen.has(seat) && context.fillText(String(column + 1), x, y + 0.02), (state) => state === FREE);
  }
  for (const seat of [...scene.chosen, ...scene.lost]) if (scene.plan.sectionOf(seat) === block.section) chosenSeat(scene, block, seat, context, view.z);
}

type Each = (draw: (x: number, y: number, seat: number, column: number) => void, wanted: (state: number) => boolean) => void;

/** Held by somebody: an outline with a diagonal. Sold and blocked: a small grey dot. */
function taken(scene: Scene, each: Each, context: CanvasRenderingContext2D, z: number): void {
  context.lineWidth = 1.2 / z;
  context.strokeStyle = scene.theme.line;
  context.beginPath();
  each((x, y) => {
    context.rect(x - 0.34, y - 0.34, 0.68, 0.68);
    context.moveTo(x - 0.34, y + 0.34);
    context.lineTo(x + 0.34, y - 0.34);
  }, (state) => state === HELD);
  context.stroke();
  context.fillStyle = scene.theme.line;
  context.globalAlpha *= 0.5;
  context.beginPath();
  each((x, y) => {
    context.moveTo(x + 0.16, y);
    context.arc(x, y, 0.16, 0, 7);
  }, (state) => state > HELD);
  context.fill();
  context.globalAlpha *= 2;
}

/** Mine: larger, with a border of ink and a tick; a cross where somebody was quicker. */
function chosenSeat(scene: Scene, block: Block, seat: number, context: CanvasRenderingContext2D, z: number): void {
  const { rowIndex, number } = scene.plan.spot(seat);
  const { x, y } = seatAt(block, rowIndex, number - 1);
  const half = Math.max(0.5, 5 / z);
  const line = Math.max(0.08, 2 / z);
  context.fillStyle = scene.theme.page;
  context.strokeStyle = scene.theme.ink;
  context.lineWidth = line;
  context.beginPath();
  context.roundRect(x - half, y - half, 2 * half, 2 * half, half * 0.4);
  context.fill();
  context.stroke();
  context.beginPath();
  const lost = scene.lost.has(seat);
  context.moveTo(x - half * 0.45, lost ? y - half * 0.45 : y);
  if (lost) {
    context.lineTo(x + half * 0.45, y + half * 0.45);
    context.moveTo(x + half * 0.45, y - half * 0.45);
    context.lineTo(x - half * 0.45, y + half * 0.45);
  } else {
    context.lineTo(x - half * 0.1, y + half * 0.4);
    context.lineTo(x + half * 0.5, y - half * 0.4);
  }
  context.lineWidth = line * 1.2;
  context.stroke();
}

/** The rows and the stretch of each that can be seen. */
function visible(block: Block, { left, top, width, height }: Frame): [[number, number], [number, number]] {
  const corners = [[left, top], [left + width, top], [left, top + height], [left + width, top + height]].map(([x, y]) => toBlock(block, x!, y!));
  const xs = corners.map(({ x }) => x);
  const ys = corners.map(({ y }) => y);
  const slack = block.rowAisles.length + Math.abs(block.curve) + 1;
  const last = block.section.rows.length - 1;
  const rows: [number, number] = [Math.max(0, Math.floor(Math.min(...ys) / ROW - slack)), Math.min(last, Math.ceil(Math.max(...ys) / ROW + 1))];
  return [rows, [Math.min(...xs) - 1, Math.max(...xs) + 1]];
}

/** From far away the section's name, price and seats left; from near the names of the rows. */
function labels(scene: Scene, block: Block, frame: Frame): void {
  toPixels(frame);
  const { context, view } = frame;
  const dim = scene.only !== undefined && scene.only !== block.section.index;
  context.globalAlpha = dim ? 0.4 : 1;
  if (view.z < NEAR || block.section.general) sectionLabel(scene, block, frame);
  else if (view.z >= 14) rowLabels(scene, block, frame);
  context.globalAlpha = 1;
}

function sectionLabel(scene: Scene, block: Block, frame: Frame): void {
  const { context, view } = frame;
  const wide = block.width * view.z;
  const tall = block.height * view.z;
  if (wide < 26 || tall < 14) return;
  const [name = '', price = '', left = ''] = scene.label(block.section.index);
  const lines = tall >= 150 && wide >= 110 ? [name, price, left] : tall >= 78 && wide >= 70 ? [name, left] : [name];
  const size = wide > 150 ? 14 : 12;
  const middle = onPixels(frame, block.x, block.y);
  const high = lines.length * size * 1.35 + 8;
  context.font = `600 ${size}px ${scene.theme.font}`;
  const broad = Math.min(wide + 24, Math.max(...lines.map((line) => context.measureText(line).width)) + 18);
  context.fillStyle = scene.theme.raised;
  context.beginPath();
  context.roundRect(middle.x - broad / 2, middle.y - high / 2, broad, high, 8);
  context.fill();
  context.lineWidth = 1;
  context.strokeStyle = scene.theme.line;
  context.stroke();
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  lines.forEach((line, at) => {
    context.fillStyle = at ? scene.theme.soft : scene.theme.ink;
    context.font = `${at ? 400 : 700} ${at ? size - 1 : size}px ${scene.theme.font}`;
    context.fillText(line, middle.x, middle.y + (at - (lines.length - 1) / 2) * size * 1.35 + 1, broad - 8);
  });
}

function rowLabels(scene: Scene, block: Block, frame: Frame): void {
  const { context } = frame;
  const [rows] = visible(block, frame);
  context.fillStyle = scene.theme.soft;
  context.font = `400 11px ${scene.theme.font}`;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  for (let rowIndex = rows[0]; rowIndex <= rows[1]; rowIndex++) {
    const row = block.section.rows[rowIndex]!;
    for (const [column, aside] of [[0, -1], [row.count - 1, 1]] as const) {
      const seat = seatAt(block, rowIndex, column);
      const floor = toFloor(block, seat.x + aside, seat.y);
      const at = onPixels(frame, floor.x, floor.y);
      context.fillText(row.id, at.x, at.y);
    }
  }
}
