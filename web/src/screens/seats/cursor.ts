// The map without a pointer: a virtual focus on a section or a seat, shown by one real button.

import type { SeatMap } from '../../seatmap/map.ts';
import { FREE } from '../../seatmap/plan.ts';
import type { Hall } from './hall.ts';
import { seatWords } from './words.ts';

export interface CursorParts {
  hall: Hall;
  map: SeatMap;
  button: HTMLButtonElement;
  host: HTMLElement;
  onSeat: (seat: number) => void;
  sectionWords: (index: number) => string;
}

const STEPS: Record<string, [dx: number, dy: number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Cursor {
  readonly #parts: CursorParts;
  #section = 0;
  /** The seat in focus; none while sections are gone through. */
  #seat: number | undefined;

  constructor(parts: CursorParts) {
    this.#parts = parts;
    this.#describe();
  }

  focus(): void {
    this.#parts.host.classList.add('keys');
    this.place();
  }

  key(event: KeyboardEvent): void {
    const step = STEPS[event.key];
    if (step) this.#step(step, event.shiftKey);
    else if (event.key === 'Home' || event.key === 'End') this.#toEnd(event.key === 'End');
    else if (event.key === 'Escape' && this.#seat !== undefined) this.#out();
    else if (event.key === '+' || event.key === '=') this.#parts.map.zoomBy(1.7);
    else if (event.key === '-') this.#parts.map.zoomBy(1 / 1.7);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Enter or Space: closer, or chosen. */
  press(): void {
    const { hall, map, onSeat } = this.#parts;
    const section = hall.plan.sections[this.#section]!;
    if (this.#seat !== undefined) onSeat(this.#seat);
    else if (!section.general) {
      this.#seat = this.#firstFree();
      map.fitSeat(this.#seat);
    }
    this.#describe();
  }

  /** Puts the button where the focus is on the screen. */
  place(): void {
    const { map } = this.#parts;
    if (this.#seat !== undefined) {
      const { x, y, size } = map.boxOf(this.#seat);
      this.#put(x, y, Math.max(24, size), Math.max(24, size));
    } else {
      const { x, y, width, height } = map.sectionBox(this.#section);
      this.#put(x, y, Math.max(24, width), Math.max(24, height));
    }
  }

  #put(x: number, y: number, width: number, height: number): void {
    const { style } = this.#parts.button;
    style.width = `${width}px`;
    style.height = `${height}px`;
    style.transform = `translate(${x - width / 2}px, ${y - height / 2}px)`;
  }

  #step([dx, dy]: [number, number], skip: boolean): void {
    if (this.#seat === undefined) this.#nextSection(dx, dy);
    else this.#nextSeat(dx, dy, skip);
    this.#describe();
  }

  /** The nearest section in that direction. */
  #nextSection(dx: number, dy: number): void {
    const { blocks } = this.#parts.map.floor;
    const here = blocks[this.#section]!;
    let best = this.#section;
    let nearest = Infinity;
    for (const block of blocks) {
      const [x, y] = [block.x - here.x, block.y - here.y];
      const along = x * dx + y * dy;
      const away = along + 2 * Math.abs(x * dy + y * dx);
      if (along > 0.5 && away < nearest) (nearest = away), (best = block.section.index);
    }
    this.#section = best;
    this.place();
  }

  #nextSeat(dx: number, dy: number, skip: boolean): void {
    const { plan } = this.#parts.hall;
    const { section, row, rowIndex, number } = plan.spot(this.#seat!);
    let next = this.#seat!;
    if (dx) {
      do next += dx;
      while (skip && next > row.first && next < row.first + row.count - 1 && plan.states[next] !== FREE);
      next = Math.min(row.first + row.count - 1, Math.max(row.first, next));
    } else {
      const to = section.rows[rowIndex + dy];
      if (!to) return;
      const column = Math.round(number - 1 + (to.count - row.count) / 2);
      next = to.first + Math.min(to.count - 1, Math.max(0, column));
    }
    this.#go(next);
  }

  #toEnd(end: boolean): void {
    if (this.#seat === undefined) return;
    const { row } = this.#parts.hall.plan.spot(this.#seat);
    this.#go(end ? row.first + row.count - 1 : row.first);
    this.#describe();
  }

  #go(seat: number): void {
    const { map } = this.#parts;
    this.#seat = seat;
    const { x, y } = map.boxOf(seat);
    const { width, height } = map.camera;
    if (x < 40 || y < 40 || x > width - 40 || y > height - 40) map.fitSeat(seat);
    this.place();
  }

  #out(): void {
    this.#seat = undefined;
    this.#parts.map.fit();
    this.#describe();
  }

  #firstFree(): number {
    const { plan } = this.#parts.hall;
    const { first, count } = plan.sections[this.#section]!;
    const free = plan.states.subarray(first, first + count).indexOf(FREE);
    return first + Math.max(0, free);
  }

  #describe(): void {
    const { hall, button, sectionWords } = this.#parts;
    if (this.#seat === undefined) {
      button.setAttribute('aria-label', sectionWords(this.#section));
      button.removeAttribute('aria-pressed');
      return;
    }
    const chosen = hall.pick.good.peek().includes(this.#seat);
    button.setAttribute('aria-label', seatWords(hall.plan, this.#seat, hall.show.currency, chosen));
    button.setAttribute('aria-pressed', String(chosen));
  }
}
