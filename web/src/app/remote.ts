// Data from the server as a screen uses it: loading, there, stale or failed; asked again when looked at.

import { useEffect, useRef, useState } from 'preact/hooks';

export interface Remote<T> {
  data: T | undefined;
  failure: unknown;
  /** When it was last answered, by the device's clock. */
  at: number;
  again: () => void;
}

const early = new Map<string, Promise<unknown>>();

/** Asks for what the first screen will want while the screen itself is still on its way. */
export function prefetch<T>(key: string, ask: () => Promise<T>): void {
  const answer = ask();
  answer.catch(() => {});
  early.set(key, answer);
}

function take<T>(key: string): Promise<T> | undefined {
  const answer = early.get(key) as Promise<T> | undefined;
  early.delete(key);
  return answer;
}

interface Kept<T> {
  key: string;
  data?: T;
  failure?: unknown;
  at: number;
}

/** Asks at once, whenever `key` changes, and every so often while somebody looks. What is known stays when asking fails. */
export function useRemote<T>(key: string, ask: () => Promise<T>, everyMs = 0): Remote<T> {
  const [state, setState] = useState<Kept<T>>({ key, at: 0 });
  const run = useRef<() => void>(() => {});
  useEffect(() => {
    let over = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const plan = (): void => {
      if (everyMs && !over) timer = setTimeout(() => (document.hidden ? plan() : load()), everyMs * (0.9 + 0.2 * Math.random()));
    };
    const load = (): void => {
      clearTimeout(timer);
      (take<T>(key) ?? ask())
        .then((data) => !over && setState({ key, data, at: Date.now() }))
        .catch((failure: unknown) => !over && setState((old) => ({ ...(old.key === key ? old : { key, at: 0 }), failure })))
        .finally(plan);
    };
    run.current = load;
    load();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [key, everyMs]);
  const { data, failure, at } = state.key === key ? state : { data: undefined, failure: undefined, at: 0 };
  return { data, failure, at, again: () => run.current() };
}
