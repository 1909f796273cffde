// Where a place stands: the socket while it works, polling where it does not.

import type { Client } from './client.ts';
import type { PlaceFrame } from './frames.ts';
import { isPassing, Refusal } from './refusal.ts';
import { Link, realTimers, socketUrl, type LinkState, type Socket, type Timers } from './socket.ts';

export interface PlaceFeedOptions {
  client: Client;
  token: string;
  origin: string;
  onPlace: (frame: PlaceFrame) => void;
  /** `live` by socket, `polled` by status, `lost` when neither answers. */
  onHealth?: (health: 'live' | 'polled' | 'lost') => void;
  /** The token is not known here. */
  onUnknown: (failure: Refusal) => void;
  open?: (url: string) => Socket;
  timers?: Timers;
  random?: () => number;
}

/** Failures of the socket after which polling begins beside it. */
const PATIENCE = 1;
const POLL_MS = 1500;

export class PlaceFeed {
  readonly #options: PlaceFeedOptions;
  readonly #timers: Timers;
  readonly #link: Link;
  #poll: unknown;
  #polling = false;
  #over = false;

  constructor(options: PlaceFeedOptions) {
    this.#options = options;
    this.#timers = options.timers ?? realTimers;
    this.#link = new Link({
      url: () => socketUrl(options.origin, `/queue/live?token=${options.token}`),
      onFrame: (frame) => this.#frame(frame),
      onState: (state, failures) => this.#linkIs(state, failures),
      onRefused: () => this.#ask(),
      open: options.open,
      timers: options.timers,
      random: options.random,
    });
  }

  start(): this {
    this.#link.connect();
    return this;
  }

  /** Whatever looked open may be dead after a sleep. */
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

  #frame(frame: PlaceFrame): void {
    if (frame.type !== 'place') return;
    this.#options.onHealth?.('live');
    this.#options.onPlace(frame);
  }

  #linkIs(state: LinkState, failures: number): void {
    if (state === 'open') {
      this.#polling = false;
      this.#timers.clear(this.#poll);
    } else if (!this.#polling && failures >= PATIENCE && state === 'waiting') {
      this.#polling = true;
      this.#ask();
    }
  }

  async #ask(): Promise<void> {
    this.#timers.clear(this.#poll);
    try {
      const place = await this.#options.client.call('GET /queue/status', { query: { token: this.#options.token } });
      if (this.#over) return;
      if (this.#link.state !== 'open') this.#options.onHealth?.('polled');
      this.#options.onPlace(place);
    } catch (failure) {
      if (this.#over) return;
      if (failure instanceof Refusal && !isPassing(failure)) return this.#options.onUnknown(failure);
      this.#options.onHealth?.('lost');
    }
    this.#again();
  }

  #again(): void {
    if (this.#over || this.#link.state === 'open') return;
    const chance = (this.#options.random ?? Math.random)();
    this.#poll = this.#timers.set(() => this.#ask(), POLL_MS * (0.8 + 0.4 * chance));
  }
}
