// Sends until there is an answer, and writes down what was sent and answered, and when.

import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { claimsOf } from './tokens.ts';
import type { Answer, Caller } from './client.ts';
import type { Attempt, Entry } from './history.ts';

/** A client that got a 5xx tries again after this long, in milliseconds. */
const BACK_OFF_MS = 50;
/** A request that was sent this often without an answer is a fault of its own. */
const ATTEMPTS_MAX = 300;

export interface Ask {
  operation: string;
  args?: Record<string, any>;
  /** A new one unless given; null where the call has none. */
  key?: string | null;
}

/** The connection broke: neither the contract nor a test said no. */
const isCut = (error: unknown): boolean => error instanceof TypeError && /fetch failed|terminated/.test(error.message);

export class Recorder {
  readonly entries: Entry[] = [];
  /** Sends a request once more as it was. */
  readonly again = new Map<Entry, () => Promise<Answer>>();
  /** Resolves once the server can be reached; a client whose request was cut off waits for it. */
  reachable: Promise<unknown> = Promise.resolve();
  /** Tries that are under way. */
  flying = 0;
  cut = 0;
  failed = 0;
  #seen = 0;
  #awaited: { at: number; resolve: () => void }[] = [];

  /** Resolves when `count` more tries were begun or ended. */
  further(count: number): Promise<void> {
    return new Promise((resolve) => this.#awaited.push({ at: this.#seen + count, resolve }));
  }

  #note(): void {
    this.#seen++;
    for (const { resolve } of this.#awaited.filter(({ at }) => at <= this.#seen)) resolve();
    this.#awaited = this.#awaited.filter(({ at }) => at > this.#seen);
  }

  /** Sends with one key until there is an answer below 500. */
  async ask(client: string, { operation, args = {}, key = randomUUID() }: Ask, send: (key: string | null) => Promise<Answer>): Promise<Answer> {
    const entry: Entry = { client, operation, key, args, attempts: [] };
    this.entries.push(entry);
    this.again.set(entry, () => send(key));
    while (entry.attempts.length < ATTEMPTS_MAX) {
      await this.reachable;
      const answer = await this.#attempt(entry, () => send(key));
      if (!answer) continue;
      if (answer.status < 500) {
        entry.answered = Date.now();
        entry.status = answer.status;
        entry.text = answer.text;
        entry.replayed = answer.headers.get('idempotency-replayed') === 'true';
        return answer;
      }
      this.failed++;
      await pause(BACK_OFF_MS);
    }
    throw new Error(`${operation} was sent ${ATTEMPTS_MAX} times without an answer`);
  }

  async #attempt(entry: Entry, send: () => Promise<Answer>): Promise<Answer | undefined> {
    const attempt: Attempt = { sent: Date.now() };
    entry.attempts.push(attempt);
    this.flying++;
    this.#note();
    try {
      const answer = await send();
      attempt.status = answer.status;
      return answer;
    } catch (error) {
      if (!isCut(error)) throw error;
      this.cut++;
      return undefined;
    } finally {
      attempt.ended = Date.now();
      this.flying--;
      this.#note();
    }
  }
}

/** The user of a caller's token. */
export const nameOf = (user: Caller): string => String(claimsOf(user.token ?? '').sub);

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
export function chances(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
