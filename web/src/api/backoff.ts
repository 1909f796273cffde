// How long to wait before trying again.

import { Refusal } from './refusal.ts';

/** Full jitter: anything from nothing up to a ceiling that doubles with every try. */
export function fullJitter(attempt: number, chance: number, baseMs = 500, capMs = 8000): number {
  return Math.round(chance * Math.min(capMs, baseMs * 2 ** attempt));
}

/** The wait after a failed request: what the server asked for and up to 30 % more, else full jitter. */
export function retryDelay(failure: unknown, attempt: number, chance: number): number {
  const asked = failure instanceof Refusal ? failure.retryAfterMs : undefined;
  return asked === undefined ? Math.max(100, fullJitter(attempt, chance)) : Math.round(asked * (1 + 0.3 * chance));
}
