// What a person chose before any clock ran: tickets, grade, alerts, terms.

import { signal } from '@preact/signals';
import { store } from './services.ts';

export interface Prefs {
  sound?: boolean;
  awake?: boolean;
  notify?: boolean;
  /** How seats are chosen first. */
  way?: 'best' | 'map' | 'list';
  contrast?: boolean;
  /** By event. */
  quantity?: Record<string, number>;
  grade?: Record<string, string>;
  terms?: Record<string, boolean>;
}

const KEPT = 'tt.prefs';

function read(): Prefs {
  try {
    return JSON.parse(store.getItem(KEPT) ?? '{}') as Prefs;
  } catch {
    return {};
  }
}

export const prefs = signal<Prefs>(read());

export function prefer(change: Partial<Prefs>): void {
  prefs.value = { ...prefs.value, ...change };
  store.setItem(KEPT, JSON.stringify(prefs.value));
}

/** Sets what holds for one event. */
export function preferFor<K extends 'quantity' | 'grade' | 'terms'>(kind: K, event: string, value: NonNullable<Prefs[K]>[string]): void {
  prefer({ [kind]: { ...prefs.value[kind], [event]: value } });
}
