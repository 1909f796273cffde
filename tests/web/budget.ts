// Times that the pages should keep to. They are said with every run; only a run that is alone on its machine may be
// judged by them: `make bench ARGS=--web` sets BUDGETS.

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';

const JUDGED = process.env.BUDGETS === '1';

/** A measured time in milliseconds beside its budget. */
export function within(context: TestContext, what: string, ms: number, budget: number): void {
  context.diagnostic(`${what}: ${ms.toFixed(ms < 10 ? 2 : 0)} ms, budget ${budget} ms`);
  if (JUDGED) assert.ok(ms <= budget, `${what}: ${ms} ms`);
}

/** Frames per second of a gesture beside those of the same page at rest. */
export function smooth(context: TestContext, what: string, fps: number, floor: number): void {
  context.diagnostic(`${what}: ${fps} frames/s, ${floor} at rest`);
  if (JUDGED) assert.ok(fps >= floor * 0.5, `${what}: ${fps} of ${floor} frames a second`);
}
