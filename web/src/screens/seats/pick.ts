// What somebody chooses before it is held: kept over a reload, made sense of against the live map.

import { computed, signal, type ReadonlySignal, type Signal } from '@preact/signals';
import { FREE, type Plan } from '../../seatmap/plan.ts';
import { runAround, similar } from '../../seatmap/runs.ts';

export class Pick {
  readonly #plan: Plan;
  readonly #name: string;
  /** How many are wanted. */
  readonly wanted: Signal<number>;
  /** The chosen seats, in order of choice. */
  readonly seats: Signal<number[]>;
  /** Of these, the ones that somebody else was quicker for. */
  readonly lost: Signal<ReadonlySet<number>>;
  readonly good: ReadonlySignal<number[]>;

  constructor(event: string, plan: Plan, wanted: number) {
    this.#plan = plan;
    this.#name = `tt.pick.${event}`;
    this.wanted = signal(wanted);
    this.seats = signal(this.#read());
    this.lost = signal<ReadonlySet<number>>(new Set());
    this.good = computed(() => this.seats.value.filter((seat) => !this.lost.value.has(seat)));
  }

  /** A tap on a free seat: with several wanted and none or all chosen, a run around it; else this one more or less. */
  tap(seat: number): number[] {
    const chosen = this.good.peek();
    if (chosen.includes(seat)) return this.set(chosen.filter((each) => each !== seat));
    const wanted = this.wanted.peek();
    if (wanted > 1 && (chosen.length === 0 || chosen.length >= wanted)) {
      const run = runAround(this.#plan, seat, wanted);
      return this.set(run.length ? run : [seat]);
    }
    return this.set(chosen.length >= wanted ? [seat] : [...chosen, seat]);
  }

  set(seats: number[]): number[] {
    this.lost.value = new Set();
    this.seats.value = seats;
    this.#write();
    return seats;
  }

  remove(seat: number): void {
    this.set(this.seats.peek().filter((each) => each !== seat && !this.lost.peek().has(each)));
  }

  /** Another number is wanted: what still fits stays. */
  want(n: number): void {
    this.wanted.value = n;
    this.set(this.good.peek().slice(0, n));
  }

  /** Looks which of the chosen seats are gone; those that are newly so. */
  check(): number[] {
    const gone = this.seats.peek().filter((seat) => this.#plan.states[seat] !== FREE);
    const fresh = gone.filter((seat) => !this.lost.peek().has(seat));
    if (fresh.length || gone.length !== this.lost.peek().size) this.lost.value = new Set(gone);
    return fresh;
  }

  /** Puts the nearest seats in the place of those that are gone; false where there are none. */
  swap(): boolean {
    const [near] = [...this.lost.peek()];
    if (near === undefined) return false;
    const kept = this.good.peek();
    const all = kept.length ? [] : similar(this.#plan, near, this.wanted.peek(), new Set());
    const rest = all.length ? all : [...kept, ...similar(this.#plan, near, this.lost.peek().size, new Set(kept))];
    if (rest.length === kept.length) return false;
    this.set(rest);
    return true;
  }

  #read(): number[] {
    try {
      const ids = JSON.parse(sessionStorage.getItem(this.#name) ?? '[]') as string[];
      return ids.map((id) => this.#plan.seat(id)).filter((seat) => seat >= 0);
    } catch {
      return [];
    }
  }

  #write(): void {
    try {
      sessionStorage.setItem(this.#name, JSON.stringify(this.seats.peek().map((seat) => this.#plan.id(seat))));
    } catch {
      // The choice lives as long as the page does.
    }
  }
}
