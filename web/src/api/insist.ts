// Repeating a request that may have been lost, with the same key, until it is answered or its time is over.

import { retryDelay } from './backoff.ts';
import { isPassing } from './refusal.ts';

export interface Insisting {
  /** When to give up, by `now`. */
  until?: number;
  now?: () => number;
  random?: () => number;
  /** Waits, unless the signal ends it. */
  pause?: (ms: number, signal?: AbortSignal) => Promise<void>;
  signal?: AbortSignal;
  /** Told before every wait: which try failed, why, how long the wait is. */
  onWait?: (attempt: number, failure: unknown, waitMs: number) => void;
}

/** Resolves with the first answer; refuses with the first refusal that repeating cannot change. */
export async function insist<T>(send: () => Promise<T>, options: Insisting = {}): Promise<T> {
  const { until = Infinity, now = Date.now, random = Math.random, pause = sleep, signal, onWait } = options;
  for (let attempt = 0; ; attempt++) {
    try {
      return await send();
    } catch (failure) {
      const wait = retryDelay(failure, attempt, random());
      if (!isPassing(failure) || signal?.aborted || now() + wait > until) throw failure;
      onWait?.(attempt + 1, failure, wait);
      await pause(wait, signal);
      if (signal?.aborted) throw failure;
    }
  }
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}
