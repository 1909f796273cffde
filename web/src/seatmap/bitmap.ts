// A picture of a section, a few pixels a seat, kept up to date seat by seat: what is shown from far away.

import { seatAt, type Block } from './layout.ts';
import { FREE, HELD, type Plan } from './plan.ts';

const SIDE_MAX = 2048;

export interface Inks {
  free: string;
  held: string;
  gone: string;
}

export class Bitmap {
  readonly canvas: HTMLCanvasElement;
  /** Pixels per seat. */
  readonly scale: number;
  readonly #context: CanvasRenderingContext2D;
  readonly #block: Block;
  readonly #plan: Plan;

  constructor(block: Block, plan: Plan) {
    this.#block = block;
    this.#plan = plan;
    this.scale = Math.min(3, SIDE_MAX / Math.max(block.width, block.height));
    if (plan.total > 60_000) this.scale = Math.min(this.scale, 2);
    this.canvas = document.createElement('canvas');
    this.canvas.width = Math.max(1, Math.ceil(block.width * this.scale));
    this.canvas.height = Math.max(1, Math.ceil(block.height * this.scale));
    this.#context = this.canvas.getContext('2d')!;
  }

  /** Everything anew, one colour after another. */
  draw(inks: Inks): void {
    const context = this.#context;
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const { states } = this.#plan;
    for (const [ink, wanted] of [[inks.free, FREE], [inks.held, HELD], [inks.gone, -1]] as const) {
      context.fillStyle = ink;
      for (const [rowIndex, row] of this.#block.section.rows.entries()) {
        for (let column = 0; column < row.count; column++) {
          const state = states[row.first + column]!;
          if (wanted === -1 ? state > HELD : state === wanted) this.#dot(rowIndex, column);
        }
      }
    }
  }

  /** One seat anew. */
  seat(rowIndex: number, column: number, ink: string): void {
    const { x, y } = seatAt(this.#block, rowIndex, column);
    const side = Math.max(1, this.scale);
    this.#context.clearRect(Math.floor((x - 0.5) * this.scale), Math.floor((y - 0.5) * this.scale), Math.ceil(side), Math.ceil(side));
    this.#context.fillStyle = ink;
    this.#dot(rowIndex, column);
  }

  #dot(rowIndex: number, column: number): void {
    const { x, y } = seatAt(this.#block, rowIndex, column);
    const side = Math.max(1, this.scale * 0.76);
    this.#context.fillRect((x - 0.38) * this.scale, (y - 0.38) * this.scale, side, side);
  }
}
