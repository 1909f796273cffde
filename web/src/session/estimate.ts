// What can honestly be said about a wait: a range that keeps still, odds in words.

/** A wait as it is shown. */
export type Wait = { kind: 'unknown' } | { kind: 'soon' } | { kind: 'range'; from: number; to: number } | { kind: 'long' };

const HOUR = 60;
const LONGEST = 3 * HOUR;

/** The range in minutes that an estimate falls into. Longer waits are told more coarsely. */
export function waitOf(etaSec: number, ready: boolean): Wait {
  if (etaSec <= 0) return ready ? { kind: 'soon' } : { kind: 'unknown' };
  const minutes = etaSec / 60;
  if (minutes < 1) return { kind: 'soon' };
  if (minutes > LONGEST) return { kind: 'long' };
  const grain = minutes < 10 ? 1 : minutes < HOUR ? 5 : 10;
  const from = Math.max(1, Math.floor((minutes * 0.85) / grain) * grain);
  return { kind: 'range', from, to: Math.max(from + grain, Math.ceil((minutes * 1.3) / grain) * grain) };
}

export interface Shown {
  wait: Wait;
  /** Since when the estimate has been outside of what is shown. */
  outsideSince?: number;
  /** The last change was for the worse. */
  rose: boolean;
}

const STEADY_MS = 5000;

/** Whether an estimate still fits what is shown. */
function fits(wait: Wait, next: Wait, etaSec: number): boolean {
  if (wait.kind !== next.kind) return false;
  return wait.kind !== 'range' || (etaSec / 60 >= wait.from && etaSec / 60 <= wait.to);
}

/** What to show next: a range changes only when the estimate has been outside of it for a while. */
export function showWait(shown: Shown | undefined, etaSec: number, ready: boolean, now: number): Shown {
  const next = waitOf(etaSec, ready);
  if (!shown || shown.wait.kind === 'unknown') return { wait: next, rose: false };
  if (fits(shown.wait, next, etaSec)) return shown.outsideSince === undefined ? shown : { wait: shown.wait, rose: shown.rose };
  const since = shown.outsideSince ?? now;
  if (now - since < STEADY_MS) return { ...shown, outsideSince: since };
  return { wait: next, rose: height(next) > height(shown.wait) };
}

const height = (wait: Wait): number => (wait.kind === 'range' ? wait.to : wait.kind === 'long' ? Infinity : 0);

export type Odds = 'ok' | 'tight' | 'low';

/** Seats left against what those ahead will take, at two each unless known. */
export function oddsOf(remaining: number | undefined, position: number, seatsEach = 2): Odds | undefined {
  if (remaining === undefined || position <= 0) return undefined;
  const ratio = remaining / Math.max(1, position * seatsEach);
  if (ratio >= 1.5) return 'ok';
  return ratio >= 0.8 ? 'tight' : 'low';
}

/** People a minute, from one's own way to the front; nothing before there is enough of it to tell. */
export function speedOf(seen: readonly { at: number; position: number }[], now: number): number | undefined {
  const recent = seen.filter(({ at }) => now - at <= 60_000);
  const [first, last] = [recent[0], recent.at(-1)];
  if (!first || !last || last.at - first.at < 20_000 || first.position === last.position) return undefined;
  return Math.round(((first.position - last.position) * 60_000) / (last.at - first.at));
}

const MARKS = [0.5, 0.25, 0.1];

/** The part of the way that has just been passed and is worth saying aloud. */
export function markPassed(first: number, before: number, after: number): number | undefined {
  return MARKS.findLast((mark) => before > first * mark && after <= first * mark);
}
