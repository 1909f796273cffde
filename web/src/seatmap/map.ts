// The seat map on a page: one canvas, repainted only when something changed; a gesture moves the picture, not the seats.

import { Camera, SEAT_PX, type View } from './camera.ts';
import { listen } from './gestures.ts';
import { hit, layOut, seatAt, toBlock, toFloor, type Block, type Floor } from './layout.ts';
import { Painter, NEAR, type Scene, type Theme } from './paint.ts';
import { FREE, type Plan, type PlanSection } from './plan.ts';
import type { Grade } from './grades.ts';

export interface MapParts {
  host: HTMLElement;
  canvas: HTMLCanvasElement;
  plan: Plan;
  grades: Grade[];
  label: (section: number) => string[];
  stage: string;
  /** A seat large enough to be meant was tapped. */
  onSeat: (seat: number) => void;
  onSection: (section: PlanSection) => void;
  onHover?: (seat: number | undefined) => void;
  /** What is seen has moved. */
  onView: () => void;
}

/** Seats smaller than this are not selected but come nearer. */
const SELECTABLE = 24;
const REACH_PX = 22;
const MARGIN = 0.25;
/** Repaints during a gesture. */
const GESTURE_MS = 125;
const TWEEN_MS = 260;

export class SeatMap {
  readonly floor: Floor;
  readonly camera: Camera;
  readonly #parts: MapParts;
  readonly #painter: Painter;
  readonly #scene: Scene;
  readonly #stop: () => void;
  readonly #observer: ResizeObserver;
  #painted: View | undefined;
  #paintedAt = 0;
  /** How long the last paint took. */
  #paintMs = 0;
  #frame = 0;
  #dirty = false;
  #moving = false;
  #tween: { from: View; to: View; start: number } | undefined;
  #atFit = true;

  constructor(parts: MapParts) {
    this.#parts = parts;
    this.floor = layOut(parts.plan);
    this.camera = new Camera(this.floor);
    this.#painter = new Painter(parts.canvas);
    this.#scene = {
      plan: parts.plan, floor: this.floor, grades: parts.grades, label: parts.label, stage: parts.stage,
      chosen: new Set(), lost: new Set(), only: undefined, fresh: new Map(), contrast: false, theme: themeOf(parts.host),
    };
    this.#stop = listen(parts.host, {
      pan: (dx, dy) => this.#move(this.camera.panned(dx, dy)),
      zoom: (x, y, factor) => this.#move(this.camera.zoomAt(x, y, this.camera.view.z * factor)),
      tap: (x, y) => this.#tap(x, y),
      hover: (x, y) => parts.onHover?.(this.camera.view.z >= SELECTABLE ? this.seatUnder(x, y) : undefined),
      moving: (on) => this.#setMoving(on),
    });
    this.#observer = new ResizeObserver(() => this.#resize());
    this.#observer.observe(parts.host);
    this.#resize();
  }

  destroy(): void {
    this.#stop();
    this.#observer.disconnect();
    cancelAnimationFrame(this.#frame);
  }

  /** Seats changed: these, or all. */
  changed(changes?: readonly [number, number, number][]): void {
    if (!changes) for (const { index } of this.#parts.plan.sections) this.#painter.touch(index);
    for (const [section, seat] of changes ?? []) {
      const planned = this.#parts.plan.sections[section];
      if (planned) this.#painter.seat(this.#scene, section, planned.first + seat);
    }
    this.#repaint();
  }

  show({ chosen, lost, only, contrast }: { chosen: readonly number[]; lost: ReadonlySet<number>; only: number | undefined; contrast: boolean }): void {
    const recolour = contrast !== this.#scene.contrast;
    Object.assign(this.#scene, { chosen: new Set(chosen), lost, only, contrast });
    if (recolour) this.#painter.reset();
    this.#repaint();
  }

  /** The page's colours changed. */
  recolour(): void {
    this.#scene.theme = themeOf(this.#parts.host);
    this.#painter.reset();
    this.#repaint();
  }

  /** Something is to be seen. */
  get painted(): boolean {
    return this.#painted !== undefined;
  }

  get near(): boolean {
    return this.camera.view.z >= NEAR;
  }

  zoomBy(factor: number): void {
    this.#goTo(this.camera.zoomAt(this.camera.width / 2, this.camera.height / 2, this.camera.view.z * factor));
  }

  panBy(dx: number, dy: number): void {
    this.#goTo(this.camera.panned(dx, dy));
  }

  fit(): void {
    this.#goTo(this.camera.fitView);
    this.#atFit = true;
  }

  /** A whole section, but never nearer than single seats need. */
  fitSection(index: number): void {
    const block = this.floor.blocks[index];
    if (!block) return;
    const z = Math.min(SEAT_PX, this.camera.width / (block.width + 4), this.camera.height / (block.height + 4));
    this.#goTo(this.camera.within({ x: block.x, y: block.y, z: Math.max(z, this.camera.fitZoom) }));
  }

  /** One seat in the middle, large enough to be chosen. */
  fitSeat(seat: number): void {
    const { x, y } = this.#seatOnFloor(seat);
    this.#goTo(this.camera.within({ x, y, z: Math.max(SEAT_PX, this.camera.view.z) }));
  }

  /** The middle of a seat or section on the screen, and its size. */
  boxOf(seat: number): { x: number; y: number; size: number } {
    const { x, y } = this.#seatOnFloor(seat);
    const at = this.camera.toScreen(x, y);
    return { ...at, size: this.camera.view.z };
  }

  /** 0 free, 1 held, 2 sold, 3 blocked. */
  stateOf(seat: number): number | undefined {
    return this.#parts.plan.states[seat];
  }

  sectionBox(index: number): { x: number; y: number; width: number; height: number } {
    const block = this.floor.blocks[index]!;
    const at = this.camera.toScreen(block.x, block.y);
    return { ...at, width: block.width * this.camera.view.z, height: block.height * this.camera.view.z };
  }

  /** The seat that a point means: the one under it, else the nearest free one within a finger's reach. */
  seatUnder(px: number, py: number): number | undefined {
    const direct = this.#seatAt(px, py);
    if (direct !== undefined) return direct;
    let best: number | undefined;
    let nearest = REACH_PX;
    for (let dy = -REACH_PX; dy <= REACH_PX; dy += 6) {
      for (let dx = -REACH_PX; dx <= REACH_PX; dx += 6) {
        const away = Math.hypot(dx, dy);
        const seat = away < nearest ? this.#seatAt(px + dx, py + dy) : undefined;
        if (seat !== undefined && this.#parts.plan.states[seat] === FREE) (best = seat), (nearest = away);
      }
    }
    return best;
  }

  #seatAt(px: number, py: number): number | undefined {
    const { x, y } = this.camera.toFloor(px, py);
    for (const block of this.floor.blocks) {
      const local = toBlock(block, x, y);
      if (!inside(block, local)) continue;
      const found = hit(block, local.x, local.y);
      if (found) return block.section.rows[found.rowIndex]!.first + found.column;
    }
    return undefined;
  }

  #sectionAt(px: number, py: number): PlanSection | undefined {
    const { x, y } = this.camera.toFloor(px, py);
    return this.floor.blocks.find((block) => inside(block, toBlock(block, x, y), 1))?.section;
  }

  #seatOnFloor(seat: number): { x: number; y: number } {
    const { section, rowIndex, number } = this.#parts.plan.spot(seat);
    const block = this.floor.blocks[section.index]!;
    const at = seatAt(block, rowIndex, number - 1);
    return toFloor(block, at.x, at.y);
  }

  #tap(px: number, py: number): void {
    const section = this.#sectionAt(px, py);
    if (section?.general) return this.#parts.onSection(section);
    if (this.camera.view.z >= SELECTABLE) {
      const seat = this.seatUnder(px, py);
      if (seat !== undefined) this.#parts.onSeat(seat);
      return;
    }
    const block = section && this.floor.blocks[section.index]!;
    const whole = block ? Math.min(SEAT_PX, this.camera.width / (block.width + 4), this.camera.height / (block.height + 4)) : 0;
    if (section && whole > this.camera.view.z * 1.5) {
      this.fitSection(section.index);
      this.#parts.onSection(section);
    } else this.#goTo(this.camera.zoomAt(px, py, SEAT_PX));
  }

  #resize(): void {
    const { clientWidth, clientHeight } = this.#parts.host;
    if (!clientWidth || !clientHeight) return;
    this.camera.width = clientWidth;
    this.camera.height = clientHeight;
    this.camera.view = this.#atFit ? this.camera.fitView : this.camera.within(this.camera.view);
    this.#repaint();
  }

  #move(view: View): void {
    this.#tween = undefined;
    this.#atFit = false;
    this.camera.view = view;
    this.#request();
  }

  #goTo(view: View): void {
    this.#atFit = false;
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) {
      this.camera.view = view;
      this.#repaint();
      return;
    }
    this.#tween = { from: this.camera.view, to: view, start: performance.now() };
    this.#request();
  }

  #setMoving(on: boolean): void {
    this.#moving = on;
    if (!on) this.#repaint();
  }

  #repaint(): void {
    this.#dirty = true;
    this.#request();
  }

  #request(): void {
    this.#frame ||= requestAnimationFrame((now) => this.#onFrame(now));
  }

  #onFrame(now: number): void {
    this.#frame = 0;
    this.#advance(now);
    const gesture = this.#moving || this.#tween !== undefined;
    const due = now - this.#paintedAt >= Math.max(GESTURE_MS, 6 * this.#paintMs);
    const moved = this.#painted !== this.camera.view;
    const wanted = gesture ? due && (this.#dirty || !this.#covers()) : this.#dirty || moved;
    if (wanted) this.#paint(now);
    else if (gesture && (this.#dirty || !this.#covers())) this.#request();
    this.#place();
    this.#parts.onView();
    if (this.#tween) this.#request();
  }

  #advance(now: number): void {
    if (!this.#tween) return;
    const { from, to, start } = this.#tween;
    const part = Math.min(1, Math.max(0, now - start) / TWEEN_MS);
    const eased = 1 - (1 - part) ** 3;
    const z = from.z * (to.z / from.z) ** eased;
    // Straight on the screen while the zoom is even: the middle moves in step with 1/z.
    const share = from.z === to.z ? eased : (1 / from.z - 1 / z) / (1 / from.z - 1 / to.z);
    this.camera.view = { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share, z };
    if (part === 1) {
      this.camera.view = to;
      this.#tween = undefined;
      this.#dirty = true;
    }
  }

  /** Around the screen, in whole pixels, so that a picture at rest is sharp. */
  get #margin(): { x: number; y: number } {
    return { x: Math.round(this.camera.width * MARGIN), y: Math.round(this.camera.height * MARGIN) };
  }

  /** Whether the picture that is there still does: nothing blank is in sight, and it is not blown up much. */
  #covers(): boolean {
    const painted = this.#painted;
    if (!painted) return false;
    const { view, width, height } = this.camera;
    const scale = view.z / painted.z;
    const { x, y } = this.#margin;
    const spare = (span: number, margin: number): number => (span / 2 + margin) / painted.z - span / 2 / view.z;
    return scale < 1.6 && scale > 0.6 && Math.abs(view.x - painted.x) <= spare(width, x) && Math.abs(view.y - painted.y) <= spare(height, y);
  }

  #paint(now: number): void {
    const began = performance.now();
    const ratio = Math.min(devicePixelRatio || 1, 2);
    this.#painter.paint(this.#scene, this.camera, this.camera.view, this.#margin, ratio);
    this.#painted = this.camera.view;
    this.#paintedAt = now;
    this.#dirty = false;
    this.#paintMs = performance.now() - began;
  }

  /** Moves what was painted to where it belongs now. */
  #place(): void {
    const painted = this.#painted;
    if (!painted) return;
    const { view, width, height } = this.camera;
    const scale = view.z / painted.z;
    const margin = this.#margin;
    const at = this.camera.toScreen(painted.x - (width / 2 + margin.x) / painted.z, painted.y - (height / 2 + margin.y) / painted.z);
    const { style } = this.#parts.canvas;
    style.width = `${width + 2 * margin.x}px`;
    style.height = `${height + 2 * margin.y}px`;
    style.transform = `translate(${at.x}px, ${at.y}px) scale(${scale})`;
  }
}

function inside(block: Block, { x, y }: { x: number; y: number }, slack = 0): boolean {
  return x >= -slack && y >= -slack && x <= block.width + slack && y <= block.height + slack;
}

function themeOf(host: HTMLElement): Theme {
  const style = getComputedStyle(host);
  const of = (name: string): string => style.getPropertyValue(`--${name}`).trim() || '#888';
  return { page: of('sunk'), ink: of('ink'), soft: of('soft'), line: of('line'), hair: of('hair'), raised: of('raised'), font: style.fontFamily };
}
