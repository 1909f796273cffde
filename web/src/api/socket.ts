// One WebSocket kept open: connects, proves that it lives, comes back with full jitter, and says why it cannot.

import { fullJitter } from './backoff.ts';

/** The close codes of the contract. */
export const CLOSE = { bad: 4400, token: 4401, gone: 4404, over: 4409, slow: 4429, later: 1013 } as const;

export type LinkState = 'connecting' | 'open' | 'waiting' | 'refused' | 'closed';

/** The part of a WebSocket that is needed, so that a test can stand in for it. */
export interface Socket {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: { data: any }) => void) | null;
  onclose: ((event: { code: number; reason?: string }) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

/** Timers, so that a test can move time by hand. */
export interface Timers {
  set(run: () => void, ms: number): unknown;
  clear(handle: unknown): void;
  now(): number;
}

export const realTimers: Timers = {
  set: (run, ms) => setTimeout(run, ms),
  clear: (handle) => clearTimeout(handle as number),
  now: () => performance.now(),
};

export interface LinkOptions {
  url: () => string;
  onFrame: (frame: any) => void;
  /** Told of every change of state, with the number of failures since the link was last stable. */
  onState?: (state: LinkState, failures: number) => void;
  /** The server will not have this socket: 4400, 4401, 4404 or 4409. */
  onRefused?: (code: number) => void;
  /** Sent on every opening, as to ask for what was missed. */
  greeting?: () => unknown;
  open?: (url: string) => Socket;
  timers?: Timers;
  random?: () => number;
}

const CONNECT_MS = 5000;
const PING_MS = 20_000;
const PONG_MS = 4000;
const STABLE_MS = 30_000;
const CAP_MS = 15_000;
const SLOW_MS = 5000;

/** When the server wants a refused page back: `retry-after=` seconds in the reason of the close. */
function retryAfterMs(reason: string): number {
  const seconds = /\bretry-after=(\d{1,4})\b/.exec(reason)?.[1];
  return seconds ? Number(seconds) * 1000 : SLOW_MS;
}

export class Link {
  readonly #options: LinkOptions;
  readonly #timers: Timers;
  #socket: Socket | undefined;
  #failures = 0;
  #openedAt = 0;
  #state: LinkState = 'closed';
  #wait: unknown;
  #heartbeat: unknown;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#timers = options.timers ?? realTimers;
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Connects now; an attempt or a socket that is there already is given up for it. */
  connect(): void {
    this.#drop();
    this.#become('connecting');
    const make = this.#options.open ?? ((url: string) => new WebSocket(url) as unknown as Socket);
    let socket: Socket;
    try {
      socket = make(this.#options.url());
    } catch {
      return this.#failed(0);
    }
    this.#socket = socket;
    socket.onopen = () => this.#isOpen(socket);
    socket.onmessage = ({ data }) => this.#received(socket, data);
    socket.onclose = ({ code, reason }) => socket === this.#socket && this.#failed(code, reason);
    this.#wait = this.#timers.set(() => this.#failed(0), CONNECT_MS);
  }

  /** Sends a frame if the link is open. */
  send(frame: unknown): void {
    if (this.#state === 'open') this.#socket?.send(JSON.stringify(frame));
  }

  /** Ends it for good. */
  close(): void {
    this.#drop();
    this.#become('closed');
  }

  #isOpen(socket: Socket): void {
    if (socket !== this.#socket) return;
    this.#timers.clear(this.#wait);
    this.#openedAt = this.#timers.now();
    this.#become('open');
    const greeting = this.#options.greeting?.();
    if (greeting) this.send(greeting);
    this.#ping();
  }

  #ping(): void {
    this.#heartbeat = this.#timers.set(() => {
      this.#socket?.send('ping');
      this.#heartbeat = this.#timers.set(() => this.#failed(0), PONG_MS);
    }, PING_MS);
  }

  #received(socket: Socket, data: unknown): void {
    if (socket !== this.#socket) return;
    this.#timers.clear(this.#heartbeat);
    this.#ping();
    if (data === 'pong' || typeof data !== 'string') return;
    const frame = parsed(data);
    if (frame) this.#options.onFrame(frame);
  }

  #failed(code: number, reason = ''): void {
    const stable = this.#state === 'open' && this.#timers.now() - this.#openedAt >= STABLE_MS;
    this.#drop();
    if (code === CLOSE.bad || code === CLOSE.token || code === CLOSE.gone || code === CLOSE.over) {
      this.#become('refused');
      this.#options.onRefused?.(code);
      return;
    }
    this.#failures = stable ? 1 : this.#failures + 1;
    this.#become('waiting');
    this.#wait = this.#timers.set(() => this.connect(), this.#delay(code, reason));
  }

  #delay(code: number, reason: string): number {
    const chance = (this.#options.random ?? Math.random)();
    if (code === CLOSE.slow || code === CLOSE.later) return retryAfterMs(reason) + Math.round(chance * 25_000);
    return fullJitter(this.#failures - 1, chance, 500, CAP_MS);
  }

  #drop(): void {
    this.#timers.clear(this.#wait);
    this.#timers.clear(this.#heartbeat);
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    try {
      socket.close();
    } catch {
      // It never opened.
    }
  }

  #become(state: LinkState): void {
    this.#state = state;
    this.#options.onState?.(state, this.#failures);
  }
}

function parsed(text: string): any {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The socket's address on the origin of a page. */
export const socketUrl = (origin: string, path: string): string => origin.replace(/^http/, 'ws') + '/api/v1' + path;
