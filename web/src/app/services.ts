// What every screen shares: the client, the server's clock, who is signed in, what the page says aloud.

import { computed, effect, signal } from '@preact/signals';
import { Client } from '../api/client.ts';
import { ServerClock } from '../api/clock.ts';
import type { SignedIn } from '../api/contract.ts';
import { browserStore } from '../session/store.ts';
import { lang } from './lang.ts';

export const store = browserStore();

export interface Auth {
  token: string;
  userId: string;
  username: string;
  name: string;
  role: 'user' | 'admin';
  until: number;
}

const AUTH = 'tt.auth';

function readAuth(): Auth | undefined {
  try {
    const auth = JSON.parse(store.getItem(AUTH) ?? 'null') as Auth | null;
    return auth && auth.until > Date.now() ? auth : undefined;
  } catch {
    return undefined;
  }
}

export const auth = signal<Auth | undefined>(readAuth());

export function signIn(user: SignedIn): void {
  auth.value = {
    token: user.token, userId: user.user_id, username: user.username, name: user.display_name || user.username,
    role: user.role, until: Date.now() + user.expires_in * 1000,
  };
  store.setItem(AUTH, JSON.stringify(auth.value));
}

export function signOut(): void {
  auth.value = undefined;
  store.removeItem(AUTH);
}

addEventListener('storage', ({ key }) => key === AUTH && (auth.value = readAuth()));

export const client = new Client({
  token: () => auth.value?.token,
  onUnauthenticated: () => auth.value && signOut(),
});

export const clock = new ServerClock({ ask: () => client.now() });

/** Rises once a second while somebody looks: what shows time reads it. */
export const beat = signal(0);
/** The server's time at the last beat. */
export const now = computed(() => (beat.value, clock.now()));

export const online = signal(navigator.onLine !== false);
addEventListener('online', () => (online.value = true));
addEventListener('offline', () => (online.value = false));

/** What a screen reader is told: in turn, or at once. */
export const said = signal('');
export const shouted = signal('');

/** Says something; the same words again are said again. */
export function say(text: string, atOnce = false): void {
  const region = atOnce ? shouted : said;
  region.value = region.value === text ? `${text}\u00a0` : text;
}

export const title = signal('');

effect(() => {
  document.title = title.value ? `${title.value} – Traffic Tacos` : 'Traffic Tacos';
  document.documentElement.lang = lang.value;
});
