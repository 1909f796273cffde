// Linearizability, decided by search (Wing and Gong, with Lowe's memory of configurations): is there an order of the
// operations that keeps real time and that a sequential model allows? Pure: no clock, no network.

/** An operation with the interval in which it took effect at one instant, in milliseconds. */
export interface Operation<S> {
  name: string;
  from: number;
  /** Infinity where nobody was told. */
  until: number;
  /** Was cut off: may have happened or not. */
  optional?: boolean;
  /** Leaves the state as it is where it can happen at all. */
  observes?: boolean;
  /** The state after it, or nothing where it cannot happen. Must not change its argument. */
  step(state: S): S | undefined;
}

export interface Verdict {
  linearizable: boolean;
  /** The search was given up: nothing is known. */
  undecided: boolean;
  /** Configurations that were looked at. */
  states: number;
  /** Where none was found: what could not happen after the longest order that could. */
  stuck: string[];
}

/** What has happened: every operation before `first`, and those of `more`, which are behind it. */
interface Configuration<S> {
  first: number;
  more: number[];
  state: S;
}

/** Configurations after which a search is given up. */
export const STATES_MAX = 2_000_000;

/** Searches; `keyOf` tells states apart. */
export function linearizable<S>(operations: readonly Operation<S>[], initial: S, keyOf: (state: S) => string, most = STATES_MAX): Verdict {
  const all = [...operations].sort((a, b) => a.from - b.from || a.until - b.until);
  // From which index on everything is optional.
  const needed = all.findLastIndex((operation) => !operation.optional) + 1;
  const seen = new Set<string>();
  const stack: Configuration<S>[] = [advance(all, { first: 0, more: [], state: initial })];
  let longest = -1;
  let stuck: string[] = [];
  while (stack.length > 0) {
    const here = stack.pop() as Configuration<S>;
    const key = `${here.first}:${here.more}|${keyOf(here.state)}`;
    if (seen.has(key)) continue;
    if (seen.size >= most) return { linearizable: false, undecided: true, states: seen.size, stuck };
    seen.add(key);
    const pending = here.first >= needed ? [] : possible(all, here);
    if (pending.every((index) => all[index]?.optional) && isOver(all, here, needed)) {
      return { linearizable: true, undecided: false, states: seen.size, stuck: [] };
    }
    const done = here.first + here.more.length;
    if (done > longest) {
      longest = done;
      stuck = pending.map((index) => all[index]?.name ?? '');
    }
    // The one that must be over first is tried first: it is on top of the stack.
    const next = pending.map((index) => all[index] as Operation<S>).map((operation, at) => ({ operation, index: pending[at] as number }));
    for (const { operation, index } of next.sort((a, b) => b.operation.until - a.operation.until)) {
      const state = operation.step(here.state);
      if (state === undefined || operation.observes) continue;
      stack.push(advance(all, { ...take(here, index), state }));
    }
  }
  return { linearizable: false, undecided: false, states: seen.size, stuck };
}

/** Whether everything that must happen has. */
function isOver<S>(all: readonly Operation<S>[], { first, more }: Configuration<S>, needed: number): boolean {
  for (let index = first; index < needed; index++) if (!all[index]?.optional && !more.includes(index)) return false;
  return true;
}

/** What can happen next: nothing else that is still to come was over before it began. */
function possible<S>(all: readonly Operation<S>[], { first, more }: Configuration<S>): number[] {
  const pending: number[] = [];
  let earliest = Infinity;
  for (let index = first; index < all.length; index++) {
    const operation = all[index] as Operation<S>;
    if (operation.from > earliest) break;
    if (more.includes(index)) continue;
    pending.push(index);
    if (!operation.optional) earliest = Math.min(earliest, operation.until);
  }
  return pending.filter((index) => (all[index] as Operation<S>).from <= earliest);
}

function take<S>(here: Configuration<S>, index: number): Configuration<S> {
  let { first } = here;
  const more = [...here.more, index].sort((a, b) => a - b);
  while (more[0] === first) {
    more.shift();
    first++;
  }
  return { first, more, state: here.state };
}

/** Lets every observation happen that can: it changes nothing, so that sooner is never worse. */
function advance<S>(all: readonly Operation<S>[], from: Configuration<S>): Configuration<S> {
  for (let here = from; ; ) {
    const seen = possible(all, here).find((index) => all[index]?.observes && all[index]?.step(here.state) !== undefined);
    if (seen === undefined) return here;
    here = take(here, seen);
  }
}
