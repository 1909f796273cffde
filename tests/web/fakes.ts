// Stand-ins for what a browser gives: sockets that a test speaks through, time that it moves, requests that it answers.

import { Client } from '../../web/src/api/client.ts';
import type { Socket, Timers } from '../../web/src/api/socket.ts';

/** A WebSocket whose other end is the test. */
export class FakeSocket implements Socket {
  onopen: ((event: any) => void) | null = null;
  onmessage: ((event: { data: any }) => void) | null = null;
  onclose: ((event: { code: number; reason?: string }) => void) | null = null;
  readonly url: string;
  readonly sent: string[] = [];
  closed = false;

  constructor(url: string) {
    this.url = url;
  }
  send(text: string): void {
    this.sent.push(text);
  }
  close(): void {
    this.closed = true;
  }
  opens(): void {
    this.onopen?.({});
  }
  tells(frame: unknown): void {
    this.onmessage?.({ data: typeof frame === 'string' ? frame : JSON.stringify(frame) });
  }
  ends(code = 1006, reason = ''): void {
    this.onclose?.({ code, reason });
  }
}

/** Every socket that was opened, in order. */
export function sockets(): { open: (url: string) => FakeSocket; all: FakeSocket[]; last: () => FakeSocket } {
  const all: FakeSocket[] = [];
  return {
    all,
    open: (url) => {
      const socket = new FakeSocket(url);
      all.push(socket);
      return socket;
    },
    last: () => all.at(-1)!,
  };
}

/** Timers that run when the test says so. */
export class FakeTimers implements Timers {
  #now = 0;
  #next = 1;
  readonly #waiting = new Map<number, { at: number; run: () => void }>();

  now(): number {
    return this.#now;
  }
  set(run: () => void, ms: number): number {
    this.#waiting.set(this.#next, { at: this.#now + ms, run });
    return this.#next++;
  }
  clear(handle: unknown): void {
    this.#waiting.delete(handle as number);
  }
  /** How long until each waiting timer. */
  get pending(): number[] {
    return [...this.#waiting.values()].map(({ at }) => at - this.#now).sort((a, b) => a - b);
  }
  /** Moves time, running what falls due on the way. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#waiting].filter(([, { at }]) => at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.#waiting.delete(due[0]);
      this.#now = due[1].at;
      due[1].run();
      await settle();
    }
    this.#now = end;
    await settle();
  }
}

/** Lets every promise that can go on do so. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export interface Asked {
  method: string;
  url: URL;
  headers: Headers;
  body: any;
}

type Reply = { status?: number; body?: unknown; text?: string; headers?: Record<string, string> } | Error;

/** A client whose requests are answered by the test, and what it asked. */
export function answering(answer: (asked: Asked, at: number) => Reply): { client: Client; asked: Asked[] } {
  const asked: Asked[] = [];
  const client = new Client({
    origin: 'http://sale.test',
    token: () => 'a.b.c',
    fetch: async (target, init) => {
      const one: Asked = { method: init?.method ?? 'GET', url: new URL(String(target)), headers: new Headers(init?.headers), body: init?.body ? JSON.parse(String(init.body)) : undefined };
      const reply = answer(one, asked.push(one) - 1);
      if (reply instanceof Error) throw reply;
      return new Response(reply.text ?? JSON.stringify(reply.body ?? {}), { status: reply.status ?? 200, headers: reply.headers });
    },
  });
  return { client, asked };
}

export const refusal = (code: string, details?: object): { error: object } => ({ error: { code, message: code, trace_id: '0'.repeat(32), ...(details && { details }) } });
