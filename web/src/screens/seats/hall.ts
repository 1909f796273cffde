// The live hall of one screen: plan, choice, feed, and a count that rises with every change.

import { signal } from '@preact/signals';
import type { Event as Show } from '../../api/contract.ts';
import { SeatFeed } from '../../api/seat-feed.ts';
import { client } from '../../app/services.ts';
import { wantedQuantity } from '../checklist.tsx';
import { gradesOf, type Grade } from '../../seatmap/grades.ts';
import { HELD, Plan } from '../../seatmap/plan.ts';
import { Pick } from './pick.ts';

export class Hall {
  readonly show: Show;
  readonly plan: Plan;
  readonly pick: Pick;
  readonly grades: Grade[];
  /** Rises when states changed; at most once a frame. */
  readonly version = signal(0);
  readonly ready = signal(false);
  readonly health = signal<'live' | 'polled' | 'lost'>('polled');
  readonly failure = signal<unknown>(undefined);
  /** Places left in general admission, by section index. */
  readonly general = signal<Record<number, number>>({});
  /** The section that somebody looks at; all of them where undefined. */
  readonly only = signal<number | undefined>(undefined);
  readonly #feed: SeatFeed;
  #frame = 0;
  #asking = false;
  /** Told which seats changed; everything where there is no list. */
  readonly listeners = new Set<(changes?: readonly [number, number, number][]) => void>();
  onLost: (seats: number[]) => void = () => {};

  constructor(show: Show) {
    this.show = show;
    this.plan = new Plan(show);
    this.pick = new Pick(show.event_id, this.plan, wantedQuantity(show));
    this.grades = gradesOf(this.plan);
    this.#feed = new SeatFeed({
      client, event: show.event_id, origin: location.origin,
      onSnapshot: ({ sections }) => (this.plan.fill(sections), (this.ready.value = true), this.#changed()),
      onDelta: ({ changes }) => {
        for (const [section, seat, state] of changes) this.plan.set(section, seat, state);
        this.#changed(changes);
      },
      onHealth: (health) => (this.health.value = health),
      onFailure: (failure) => (this.failure.value = failure),
    }).start();
    document.addEventListener('visibilitychange', this.#wake);
    addEventListener('online', this.#wake);
  }

  close(): void {
    this.#feed.stop();
    cancelAnimationFrame(this.#frame);
    document.removeEventListener('visibilitychange', this.#wake);
    removeEventListener('online', this.#wake);
  }

  /** The server refused these seats before the feed told of them. */
  taken(ids: readonly string[]): void {
    for (const id of ids) {
      const seat = this.plan.seat(id);
      if (seat < 0) continue;
      const section = this.plan.sectionOf(seat);
      this.plan.set(section.index, seat - section.first, HELD);
    }
    this.#changed();
  }

  /** While a hold is asked for, its own seats turn held on the feed: nobody was quicker until the answer says so. */
  asking(on: boolean): void {
    this.#asking = on;
    if (!on && this.ready.peek()) this.#changed([]);
  }

  /** Free places of a section, of either kind. */
  left(index: number): number {
    return this.plan.sections[index]?.general ? (this.general.value[index] ?? 0) : (this.plan.free[index] ?? 0);
  }

  priceOf(seat: number): number {
    return this.plan.sectionOf(seat).section.price;
  }

  readonly #wake = (): void => {
    if (!document.hidden) this.#feed.wake();
  };

  #changed(changes?: readonly [number, number, number][]): void {
    for (const listener of this.listeners) listener(changes);
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      const lost = this.#asking ? [] : this.pick.check();
      this.version.value++;
      if (lost.length) this.onLost(lost);
    });
  }
}
