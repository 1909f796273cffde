// Carries out what the machine asks for and feeds it what comes of it.

import { insist } from '../api/insist.ts';
import { newKey, type Store } from '../api/keys.ts';
import type { Client } from '../api/client.ts';
import type { PlaceFrame } from '../api/frames.ts';
import { PlaceFeed } from '../api/place-feed.ts';
import { codeOf, isPassing, Refusal } from '../api/refusal.ts';
import type { Call, Effect, Input } from './inputs.ts';
import { resume, step } from './machine.ts';
import { ownerOf, type Owner } from './owner.ts';
import { readSession, writeSession } from './store.ts';
import type { Scenario, Session, Wish } from './state.ts';

/** Something is being repeated: what, why, and when the next try is, by the device's clock. */
export interface Trouble {
  call: Call | 'read';
  code: string | undefined;
  attempt: number;
  nextAt: number;
}

export type Health = 'live' | 'polled' | 'lost' | 'unknown';

export interface RunnerParts {
  client: Client;
  store: Store;
  origin: string;
  now: () => number;
  /** What concerns the page: words, sounds, ways. */
  page: (effect: Extract<Effect, { do: 'go' | 'tell' | 'alert' | 'sign-in' }>) => void;
  changed: (session: Session) => void;
  troubled?: (trouble: Trouble | undefined) => void;
  health?: (health: Health) => void;
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
export type Command = DistributiveOmit<Input, 'now'>;

/** Seconds between looks at a payment: soon at first, then every two. */
const LOOKS_MS = [500, 500, 1000, 1000, 2000];

export class Runner {
  readonly event: string;
  readonly #parts: RunnerParts;
  readonly #owner: Owner;
  #session: Session;
  #feed: PlaceFeed | undefined;
  #work = new AbortController();
  /** What is under way, so that a repeated effect is not doubled. */
  readonly #running = new Set<string>();

  constructor(event: string, parts: RunnerParts) {
    this.event = event;
    this.#parts = parts;
    this.#session = readSession(parts.store, event);
    this.#owner = ownerOf(`tt.${event}`, { gained: () => this.#gained(), lost: () => this.#stop() });
  }

  get session(): Session {
    return this.#session;
  }

  /** This tab is looked at: it works from now on. */
  claim(): void {
    this.#owner.claim();
  }

  /** Another tab stored something. */
  adopt(): void {
    if (this.#owner.mine) return;
    this.#session = readSession(this.#parts.store, this.event);
    this.#parts.changed(this.#session);
  }

  /** The page was asleep, or the network is back. */
  wake(): void {
    if (!this.#owner.mine) return this.claim();
    this.#feed?.wake();
    this.#do(resume(this.#session));
  }

  send(command: Command): void {
    this.claim();
    const input = { ...command, now: this.#parts.now() } as Input;
    const { session, effects } = step(this.#session, input);
    if (session !== this.#session) {
      this.#session = session;
      writeSession(this.#parts.store, session);
      this.#parts.changed(session);
    }
    this.#do(effects);
  }

  join(): void {
    this.send({ type: 'join', keys: { join: newKey(), enter: newKey() } });
  }

  arm(opensAt: number): void {
    this.send({ type: 'arm', opensAt, keys: { join: newKey(), enter: newKey() } });
  }

  hold(wish: Wish): void {
    this.send({ type: 'hold', key: newKey(), wish });
  }

  pay(scenario?: Scenario, delayMs?: number): void {
    this.send({ type: 'pay', key: newKey(), scenario, delayMs });
  }

  release(): void {
    this.send({ type: 'release', key: newKey() });
  }

  /** A second has passed; only the tab that works acts on it. */
  tick(): void {
    if (this.#owner.mine) this.send({ type: 'tick' });
  }

  #gained(): void {
    this.#session = readSession(this.#parts.store, this.event);
    if (this.#work.signal.aborted) this.#work = new AbortController();
    this.#parts.changed(this.#session);
    this.#do(resume(this.#session));
  }

  #stop(): void {
    this.#work.abort();
    this.#running.clear();
    this.#unwatch();
  }

  #unwatch(): void {
    this.#feed?.stop();
    this.#feed = undefined;
    this.#parts.health?.('unknown');
  }

  #do(effects: Effect[]): void {
    for (const effect of effects) {
      if (effect.do === 'go' || effect.do === 'tell' || effect.do === 'alert' || effect.do === 'sign-in') this.#parts.page(effect);
      else if (effect.do === 'watch') this.#watch(effect.token);
      else if (effect.do === 'unwatch') this.#unwatch();
      else void this.#once(effect);
    }
  }

  async #once(effect: Effect): Promise<void> {
    const name = JSON.stringify(effect);
    if (this.#running.has(name)) return;
    this.#running.add(name);
    const { signal } = this.#work;
    try {
      await this.#carryOut(effect, signal);
    } finally {
      if (signal === this.#work.signal) this.#running.delete(name);
    }
  }

  #watch(token: string): void {
    if (this.#feed) return;
    const { client, origin } = this.#parts;
    this.#feed = new PlaceFeed({
      client, origin, token,
      onPlace: (frame: PlaceFrame) => this.send({ type: 'frame', frame }),
      onHealth: (health) => this.#parts.health?.(health),
      onUnknown: (failure) => this.#refused('enter', failure),
    }).start();
  }

  #carryOut(effect: Effect, signal: AbortSignal): Promise<void> {
    const { client } = this.#parts;
    switch (effect.do) {
      case 'join':
        return this.#ask('join', signal, () => client.call('POST /queue/join', { key: effect.key, body: { event_id: this.event }, signal }),
          (body) => ({ type: 'joined', body }));
      case 'enter':
        return this.#enter(effect.key, effect.token, signal);
      case 'leave':
        return this.#ask('leave', signal, () => client.call('DELETE /queue/leave', { query: { token: effect.token }, signal }), () => ({ type: 'left' }));
      case 'hold':
        return this.#ask('hold', signal, () => client.call('POST /reservations', {
          key: effect.key, body: { event_id: this.event, reservation_token: effect.token, ...effect.wish }, signal,
        }), (body) => ({ type: 'reservation', body }));
      case 'intent':
        return this.#ask('intent', signal, () => client.call('POST /payments/intent', {
          key: effect.key, body: { reservation_id: effect.reservation, scenario: effect.scenario, delay_ms: effect.delayMs }, signal,
        }), (body) => ({ type: 'intent', body }));
      case 'cancel':
        return this.#ask('cancel', signal, () => client.call('POST /reservations/{id}/cancel', { id: effect.reservation, key: effect.key, body: {}, signal }),
          () => ({ type: 'cancelled' }));
      case 'read':
        return this.#ask('read', signal, () => client.call('GET /reservations/{id}', { id: effect.reservation, signal }), (body) => ({ type: 'reservation', body }));
      case 'find-hold':
        return this.#ask('read', signal, () => client.call('GET /reservations', { query: { event_id: this.event, status: 'HOLD' }, signal }),
          ({ reservations: [body] }) => body && { type: 'reservation', body });
      case 'find-intent':
        return this.#ask('read', signal, () => client.call('GET /payments', { query: { reservation_id: effect.reservation }, signal }),
          ({ payments: [body] }) => body && { type: 'intent', body });
      case 'follow':
        return this.#follow(effect.intent, signal);
      default:
        return Promise.resolve();
    }
  }

  /** Sends until answered, and tells the machine. */
  async #ask<T>(call: Call | 'read', signal: AbortSignal, send: () => Promise<T>, tell: (answer: T) => Command | undefined, until?: number): Promise<void> {
    try {
      const answer = await insist(send, { signal, until, now: this.#parts.now, onWait: (attempt, failure, wait) => this.#troubled(call, failure, attempt, wait) });
      if (signal.aborted) return;
      this.#parts.troubled?.(undefined);
      const command = tell(answer);
      if (command) this.send(command);
    } catch (failure) {
      if (signal.aborted) return;
      this.#parts.troubled?.(undefined);
      this.#refused(call, failure);
    }
  }

  async #enter(key: string, token: string, signal: AbortSignal): Promise<void> {
    let sentAt = this.#parts.now();
    const send = (): Promise<any> => {
      sentAt = this.#parts.now();
      return this.#parts.client.call('POST /queue/enter', { key, body: { waiting_token: token }, signal });
    };
    return this.#ask('enter', signal, send, (body) => ({ type: 'entered', body, sentAt }), this.#session.place?.readyUntil);
  }

  /** Looks at a payment until it is decided, or another phase is reached. */
  async #follow(intent: string, signal: AbortSignal): Promise<void> {
    for (let look = 0; !signal.aborted && this.#session.phase === 'paying' && this.#session.pay?.intent === intent; look++) {
      await new Promise((resolve) => setTimeout(resolve, LOOKS_MS[Math.min(look, LOOKS_MS.length - 1)]));
      if (signal.aborted) return;
      await this.#ask('read', signal, () => this.#parts.client.call('GET /payments/{id}/status', { id: intent, signal }), (body) => ({ type: 'payment', body }));
      const overdue = this.#session.phase === 'paying' && this.#session.held && this.#parts.now() > this.#session.held.until;
      if (overdue && this.#session.held) await this.#once({ do: 'read', reservation: this.#session.held.id });
    }
  }

  #troubled(call: Trouble['call'], failure: unknown, attempt: number, wait: number): void {
    this.#parts.troubled?.({ call, code: codeOf(failure), attempt, nextAt: Date.now() + wait });
  }

  #refused(call: Call | 'read', failure: unknown): void {
    const known: Call = call === 'read' ? 'cancel' : call;
    if (failure instanceof Refusal && !isPassing(failure)) {
      if (call === 'read' && failure.status === 404) return;
      this.send({ type: 'refused', call: known, code: failure.code, details: failure.details, traceId: failure.traceId });
    } else this.send({ type: 'unreachable', call: known });
  }
}
