// The state of every seat: a snapshot and then deltas without gaps by socket; the whole map again and again where there is none.

import type { Client } from './client.ts';
import type { DeltaFrame, SaleFrame, SnapshotFrame } from './frames.ts';
import { Link, realTimers, socketUrl, type LinkState, type Socket, type Timers } from './socket.ts';

export interface SeatFeedOptions {
  client: Client;
  event: string;
  origin: string;
  onSnapshot: (frame: SnapshotFrame) => void;
  onDelta: (frame: DeltaFrame) => void;
  onSale?: (frame: SaleFrame) => void;
  onHealth?: (health: 'live' | 'polled' | 'lost') => void;
  onFailure?: (failure: unknown) => void;
  open?: (url: string) => Socket;
  timers?: Timers;
  random?: () => number;
}

const POLL_MS = 2000;
/** How long the first picture may take by socket. */
const PATIENCE_MS = 1500;

export class SeatFeed {
  readonly #options: SeatFeedOptions;
  readonly #timers: Timers;
  readonly #link: Link;
  #epoch: string | number | undefined;
  #seq = -1;
  /** A gap was seen and what was missed is asked for; deltas until then do not apply. */
  #resuming = false;
  #poll: unknown;
  #polling = false;
  #over = false;

  constructor(options: SeatFeedOptions) {
    this.#options = options;
    this.#timers = options.timers ?? realTimers;
    this.#link = new Link({
      url: () => socketUrl(options.origin, `/events/${encodeURIComponent(options.event)}/live`),
      onFrame: (frame) => this.#frame(frame),
      onState: (state, failures) => this.#linkIs(state, failures),
      onRefused: () => this.#startPolling(),
      greeting: () => this.#resume(),
      open: options.open,
      timers: options.timers,
      random: options.random,
    });
  }

  get seq(): number {
    return this.#seq;
  }

  /** The socket's snapshot is the first picture; one is asked for only where that does not come. */
  start(): this {
    this.#link.connect();
    this.#poll = this.#timers.set(() => this.#ask(), PATIENCE_MS);
    return this;
  }

  wake(): void {
    if (this.#over) return;
    this.#ask();
    this.#link.connect();
  }

  stop(): void {
    this.#over = true;
    this.#timers.clear(this.#poll);
    this.#link.close();
  }

  #resume(): unknown {
    if (this.#epoch === undefined) return undefined;
    this.#resuming = true;
    return { type: 'resume', epoch: this.#epoch, seq: this.#seq };
  }

  #frame(frame: SnapshotFrame | DeltaFrame | SaleFrame): void {
    this.#options.onHealth?.('live');
    if (frame.type === 'snapshot') this.#snapshot(frame);
    else if (frame.type === 'delta') this.#delta(frame);
    else if (frame.type === 'sale') this.#options.onSale?.(frame);
  }

  /** An older snapshot of the same epoch is stale and dropped. */
  #snapshot(frame: SnapshotFrame): void {
    this.#resuming = false;
    if (frame.epoch === this.#epoch && frame.seq < this.#seq) return;
    this.#epoch = frame.epoch;
    if (this.#link.state === 'open') this.#timers.clear(this.#poll);
    this.#seq = frame.seq;
    this.#options.onSnapshot(frame);
  }

  #delta(frame: DeltaFrame): void {
    if (this.#epoch === undefined || frame.seq <= this.#seq) return;
    if (frame.seq !== this.#seq + 1) {
      if (!this.#resuming) this.#link.send(this.#resume());
      return;
    }
    this.#resuming = false;
    this.#seq = frame.seq;
    this.#options.onDelta(frame);
  }

  #linkIs(state: LinkState, failures: number): void {
    if (state === 'open') {
      this.#polling = false;
      if (this.#epoch !== undefined) this.#timers.clear(this.#poll);
    } else if (state === 'waiting' && failures >= 1) this.#startPolling();
  }

  #startPolling(): void {
    if (this.#polling) return;
    this.#polling = true;
    void this.#ask();
  }

  async #ask(): Promise<void> {
    this.#timers.clear(this.#poll);
    try {
      const seats = await this.#options.client.call('GET /events/{id}/seats', { id: this.#options.event });
      if (this.#over) return;
      if (this.#link.state !== 'open') this.#options.onHealth?.('polled');
      this.#snapshot(seats);
    } catch (failure) {
      if (this.#over) return;
      this.#options.onHealth?.('lost');
      this.#options.onFailure?.(failure);
    }
    if (this.#polling) this.#again();
  }

  #again(): void {
    if (this.#over || this.#link.state === 'open') return;
    const chance = (this.#options.random ?? Math.random)();
    this.#timers.clear(this.#poll);
    this.#poll = this.#timers.set(() => this.#ask(), POLL_MS * (0.8 + 0.4 * chance));
  }
}
