// Waiting for what must come, never for a time to pass.

import { setTimeout as pause } from 'node:timers/promises';

/** How often a condition is looked at, in milliseconds. */
const LOOK_MS = 25;
/** How much longer everything may take on a machine that others use too. Nobody waits for it but a test that fails. */
const BUSY = 4;

type Falsy = false | 0 | '' | null | undefined;

/**
 * What `condition` gives once it is truthy. Refuses after `within` milliseconds of a quiet machine, naming `what` was awaited and the last
 * thing seen. Assertions that fail inside the condition count as "not yet".
 */
export async function until<T>(what: string, within: number, condition: () => T | Promise<T>): Promise<Exclude<T, Falsy>> {
  const began = performance.now();
  for (;;) {
    let seen: unknown;
    try {
      const value = await condition();
      if (value) return value as Exclude<T, Falsy>;
      seen = value;
    } catch (error) {
      seen = error;
    }
    if (performance.now() - began > within * BUSY) {
      throw new Error(`${what} did not come within ${within * BUSY} ms; last seen: ${String(seen)}`, { cause: seen });
    }
    await pause(LOOK_MS);
  }
}

/** Resolves when the machine's clock has reached `at`, in milliseconds since 1970: for deadlines that must pass unseen. */
export async function clockReaches(at: number): Promise<void> {
  while (Date.now() < at) await pause(at - Date.now());
}
