// One runner per event, and its session as a signal for the screens.

import { signal, type Signal } from '@preact/signals';
import { Runner, type Health, type Trouble } from '../session/runner.ts';
import type { Effect } from '../session/inputs.ts';
import { eventOfKey, readSession, storedEvents } from '../session/store.ts';
import { isLive, type Session } from '../session/state.ts';
import { say } from './services.ts';
import { t } from './lang.ts';
import { go, path, routeOf } from './router.ts';
import { beat, client, clock, store } from './services.ts';
import { TOLD } from './told.ts';

export interface Sale {
  runner: Runner;
  session: Signal<Session>;
  trouble: Signal<Trouble | undefined>;
  health: Signal<Health>;
}

const sales = new Map<string, Sale>();
/** Rises when a session begins or ends, for the bar that leads back. */
export const known = signal(0);
/** Somebody must sign in for what is under way. */
export const signInWanted = signal(false);
/** The turn came: what makes noise about it listens. */
export const turn = signal(0);

export function saleOf(event: string): Sale {
  let sale = sales.get(event);
  if (sale) return sale;
  const session = signal<Session>(readSession(store, event));
  const trouble = signal<Trouble | undefined>(undefined);
  const health = signal<Health>('unknown');
  const runner = new Runner(event, {
    client, store, origin: location.origin, now: () => clock.now(),
    page: (effect) => onPage(event, session.peek(), effect),
    changed: (next) => {
      const other = next.phase !== session.peek().phase;
      session.value = next;
      if (other) known.value++;
    },
    troubled: (next) => (trouble.value = next),
    health: (next) => (health.value = next),
  });
  sale = { runner, session, trouble, health };
  sales.set(event, sale);
  if (isLive(runner.session.phase) && !document.hidden) runner.claim();
  return sale;
}

/** Every sale this browser is in the middle of. */
export function liveSales(): Session[] {
  const events = new Set([...storedEvents(localStorageOrNothing()), ...sales.keys()]);
  return [...events].map((event) => saleOf(event).session.value).filter(({ phase }) => isLive(phase) && phase !== 'armed');
}

function localStorageOrNothing(): Storage {
  try {
    return localStorage;
  } catch {
    return {} as Storage;
  }
}

/** Where a session is carried on. */
export function wayOf(session: Session): string {
  const event = encodeURIComponent(session.event);
  switch (session.phase) {
    case 'joining': case 'waiting': case 'entering': return `/e/${event}/wait`;
    case 'shopping': case 'holding': return `/e/${event}/seats`;
    case 'held': case 'paying': return `/pay/${session.held?.id ?? ''}`;
    case 'done': return `/orders/${session.order ?? ''}`;
    default: return `/e/${event}`;
  }
}

/** Moving on is for the tab that shows this sale; others are not pulled away from what they show. */
function onPage(event: string, _: Session, effect: Extract<Effect, { do: 'go' | 'tell' | 'alert' | 'sign-in' }>): void {
  const sale = sales.get(event);
  if (effect.do === 'sign-in') signInWanted.value = true;
  else if (effect.do === 'alert') effect.what === 'turn' ? turn.value++ : navigator.vibrate?.(60);
  else if (effect.do === 'tell') TOLD[effect.what] && say(t(TOLD[effect.what]!), effect.what === 'ready');
  else if (sale) queueMicrotask(() => concerns(event, sale) && go(wayOf(sale.session.peek()), true));
}

function concerns(event: string, sale: Sale): boolean {
  const route = routeOf(path.peek());
  return ('event' in route && route.event === event) || (route.name === 'pay' && route.reservation === sale.session.peek().held?.id);
}

addEventListener('storage', ({ key }) => {
  const event = eventOfKey(key);
  if (event === undefined) return;
  sales.get(event)?.runner.adopt();
  known.value++;
});

/** After a sleep everything is measured and verified anew. */
function woke(): void {
  if (document.hidden) return;
  clock.woke();
  beat.value++;
  void clock.measure(2);
  for (const { runner } of sales.values()) if (isLive(runner.session.phase)) runner.wake();
}
document.addEventListener('visibilitychange', woke);
addEventListener('pageshow', ({ persisted }) => persisted && woke());
addEventListener('online', woke);

/** Every second: deadlines are looked at, and a jump of time is a sleep. */
let last = Date.now();
export function everySecond(): void {
  const jumped = Date.now() - last > 5000;
  last = Date.now();
  if (jumped) woke();
  else if (!document.hidden) beat.value++;
  for (const { runner } of sales.values()) if (isLive(runner.session.phase)) runner.tick();
}
