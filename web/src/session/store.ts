// Sessions in the browser's storage. Where that is blocked or full, they live as long as the page does.

import type { Store } from '../api/keys.ts';
import { nobody, type Session } from './state.ts';

const PREFIX = 'tt.sale.';

/** A store that works for this page alone. */
export function memoryStore(): Store {
  const kept = new Map<string, string>();
  return {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => void kept.set(name, value),
    removeItem: (name) => void kept.delete(name),
  };
}

/** The browser's storage, with memory behind it for when it refuses. */
export function browserStore(pick: () => Storage = () => localStorage): Store {
  const memory = memoryStore();
  const attempt = <T>(use: (storage: Storage) => T): T | undefined => {
    try {
      return use(pick());
    } catch {
      return undefined;
    }
  };
  return {
    getItem: (name) => memory.getItem(name) ?? attempt((storage) => storage.getItem(name)) ?? null,
    setItem(name, value) {
      const kept = attempt((storage) => (storage.setItem(name, value), true));
      if (kept) memory.removeItem(name);
      else memory.setItem(name, value);
    },
    removeItem(name) {
      memory.removeItem(name);
      attempt((storage) => storage.removeItem(name));
    },
  };
}

export function readSession(store: Store, event: string): Session {
  try {
    const session = JSON.parse(store.getItem(PREFIX + event) ?? 'null') as Session | null;
    return session?.version === 1 && session.event === event ? session : nobody(event);
  } catch {
    return nobody(event);
  }
}

export function writeSession(store: Store, session: Session): void {
  if (session.phase === 'none') store.removeItem(PREFIX + session.event);
  else store.setItem(PREFIX + session.event, JSON.stringify(session));
}

/** The events that this browser has a session of. */
export function storedEvents(storage: Storage): string[] {
  try {
    return Object.keys(storage).filter((name) => name.startsWith(PREFIX)).map((name) => name.slice(PREFIX.length));
  } catch {
    return [];
  }
}

/** The event that a change in another tab is about. */
export const eventOfKey = (name: string | null): string | undefined => (name?.startsWith(PREFIX) ? name.slice(PREFIX.length) : undefined);
