// Idempotency keys, written down before they are used, so that a reload repeats a request and never doubles it.

/** The part of `Storage` that is needed. */
export interface Store {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
  removeItem(name: string): void;
}

export class Keyring {
  readonly #store: Store;
  readonly #make: () => string;

  constructor(store: Store, make: () => string = newKey) {
    this.#store = store;
    this.#make = make;
  }

  /** The key of this intention: the one written down, or a new one that now is. */
  for(intention: string): string {
    const name = `tt.key.${intention}`;
    const known = this.#store.getItem(name);
    if (known) return known;
    const key = this.#make();
    this.#store.setItem(name, key);
    return key;
  }

  /** The intention is carried out, or given up: the next one is another. */
  drop(intention: string): void {
    this.#store.removeItem(`tt.key.${intention}`);
  }
}

/** A random UUID, also where the page is not served over TLS. */
export function newKey(): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
