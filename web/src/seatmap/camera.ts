// What part of the floor is seen, and how large.

import type { Floor } from './layout.ts';

export interface View {
  /** Floor point at the middle of the screen. */
  x: number;
  y: number;
  /** CSS pixels per seat. */
  z: number;
}

export const SEAT_PX = 28;
const MOST = 64;

export class Camera {
  view: View = { x: 0, y: 0, z: 1 };
  width = 1;
  height = 1;
  readonly #floor: Floor;

  constructor(floor: Floor) {
    this.#floor = floor;
  }

  /** The zoom at which all is seen. */
  get fitZoom(): number {
    return Math.min(this.width / this.#floor.width, this.height / this.#floor.height);
  }

  get fitView(): View {
    return { x: this.#floor.left + this.#floor.width / 2, y: this.#floor.top + this.#floor.height / 2, z: this.fitZoom };
  }

  toFloor(px: number, py: number, view = this.view): { x: number; y: number } {
    return { x: view.x + (px - this.width / 2) / view.z, y: view.y + (py - this.height / 2) / view.z };
  }

  toScreen(x: number, y: number, view = this.view): { x: number; y: number } {
    return { x: (x - view.x) * view.z + this.width / 2, y: (y - view.y) * view.z + this.height / 2 };
  }

  /** Zooms so that the floor under a screen point stays under it. */
  zoomAt(px: number, py: number, z: number): View {
    const under = this.toFloor(px, py);
    const next = Math.min(MOST, Math.max(this.fitZoom * 0.9, z));
    return this.within({ x: under.x - (px - this.width / 2) / next, y: under.y - (py - this.height / 2) / next, z: next });
  }

  panned(dx: number, dy: number): View {
    return this.within({ ...this.view, x: this.view.x - dx / this.view.z, y: this.view.y - dy / this.view.z });
  }

  /** A view that never leaves the floor. */
  within({ x, y, z }: View): View {
    const { left, top, width, height } = this.#floor;
    const clamp = (at: number, from: number, size: number, seen: number): number =>
      seen >= size ? from + size / 2 : Math.min(from + size - seen / 2, Math.max(from + seen / 2, at));
    return { x: clamp(x, left, width, this.width / z), y: clamp(y, top, height, this.height / z), z };
  }
}
