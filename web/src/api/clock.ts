// The server's clock as seen from here: offset and error from the quickest of a few round trips.

export interface ClockParts {
  /** Asks the server for its time. */
  ask: () => Promise<number>;
  /** A clock that no setting of the device moves, in milliseconds. */
  monotonic?: () => number;
  /** Where that clock began. */
  origin?: () => number;
}

const SAMPLES = 5;

export class ServerClock {
  readonly #ask: () => Promise<number>;
  readonly #monotonic: () => number;
  /** Server time minus the monotonic clock. */
  #offset: number;
  /** Half of the best round trip: how far off it may be. Infinite before the first answer. */
  error = Infinity;

  constructor({ ask, monotonic = () => performance.now(), origin = Date.now }: ClockParts) {
    this.#ask = ask;
    this.#monotonic = monotonic;
    this.#offset = origin() - monotonic();
  }

  /** Milliseconds since 1970 by the server. */
  now(): number {
    return this.#offset + this.#monotonic();
  }

  /** Measures again; keeps the best of several round trips. What the network does not answer changes nothing. */
  async measure(samples = SAMPLES): Promise<void> {
    let best = Infinity;
    for (let sample = 0; sample < samples; sample++) {
      const sent = this.#monotonic();
      const told = await this.#ask().catch(() => undefined);
      const trip = this.#monotonic() - sent;
      if (told === undefined || trip >= best) continue;
      best = trip;
      this.#offset = told + trip / 2 - this.#monotonic();
      this.error = Math.max(1, Math.ceil(trip / 2));
    }
  }

  /** The device was asleep: the monotonic clock may have stood still, so the device's own must do until measured. */
  woke(deviceNow = Date.now()): void {
    if (Math.abs(deviceNow - this.now()) < 3000) return;
    if (this.error === Infinity) this.#offset = deviceNow - this.#monotonic();
  }
}
