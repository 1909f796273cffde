// One typed call of the contract: what it sends, what it gives back, how it fails.

import type { Operations } from './contract.ts';
import { Refusal, Unreached } from './refusal.ts';

export type Operation = keyof Operations;
type BodyOf<O extends Operation> = Operations[O]['body'];
export type AnswerOf<O extends Operation> = Operations[O]['answer'];

export interface Asking<O extends Operation> {
  /** What stands for `{id}` in the path. */
  id?: string;
  query?: Record<string, string | undefined>;
  body?: BodyOf<O>;
  /** The idempotency key; made and stored before. */
  key?: string;
  signal?: AbortSignal;
}

/** Operations that must carry a key cannot be called without one. */
type Arguments<O extends Operation> =
  Operations[O]['key'] extends true ? [asking: Asking<O> & { key: string }] : [asking?: Asking<O>];

export interface ClientOptions {
  /** Where the platform is; the page's own origin unless given. */
  origin?: string;
  /** The JWT of whoever is signed in. */
  token?: () => string | undefined;
  fetch?: typeof fetch;
  /** How long an answer may take. */
  timeoutMs?: number;
  /** Told of every 401, so that a person can be asked to sign in. */
  onUnauthenticated?: () => void;
}

const TIMEOUT_MS = 8000;

export class Client {
  readonly origin: string;
  readonly #options: ClientOptions;

  constructor(options: ClientOptions = {}) {
    this.#options = options;
    this.origin = options.origin ?? '';
  }

  /** Sends one request, once. */
  async call<O extends Operation>(operation: O, ...[asking = {}]: Arguments<O>): Promise<AnswerOf<O>> {
    const [method = 'GET', path = ''] = operation.split(' ');
    const target = this.origin + '/api/v1' + path.replace('{id}', encodeURIComponent(asking.id ?? '')) + queryOf(asking.query);
    return (await this.#send(target, method, asking)) as AnswerOf<O>;
  }

  /** The server's clock, in milliseconds since 1970. */
  async now(): Promise<number> {
    return ((await this.#send(`${this.origin}/healthz`, 'GET', {})) as { now: number }).now;
  }

  async #send(target: string, method: string, asking: Asking<Operation>): Promise<unknown> {
    const response = await this.#fetch(target, {
      method,
      headers: this.#headers(asking),
      body: asking.body === undefined ? undefined : JSON.stringify(asking.body),
      signal: withTimeout(asking.signal, this.#options.timeoutMs ?? TIMEOUT_MS),
      cache: method === 'GET' ? 'no-cache' : 'no-store',
    });
    const body = await readJson(response);
    if (response.ok && body !== undefined) return body;
    if (response.status === 401 && target.includes('/auth/') === false) this.#options.onUnauthenticated?.();
    throw refusalOf(response, body);
  }

  #headers(asking: Asking<Operation>): HeadersInit {
    const token = this.#options.token?.();
    return {
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(asking.key && { 'Idempotency-Key': asking.key }),
      ...(asking.body !== undefined && { 'Content-Type': 'application/json' }),
    };
  }

  async #fetch(target: string, init: RequestInit): Promise<Response> {
    try {
      return await (this.#options.fetch ?? fetch)(target, init);
    } catch (error) {
      throw new Unreached(String(error));
    }
  }
}

function queryOf(query: Record<string, string | undefined> = {}): string {
  const given = Object.entries(query).filter((pair): pair is [string, string] => !!pair[1]);
  return given.length ? `?${new URLSearchParams(given)}` : '';
}

function withTimeout(signal: AbortSignal | undefined, ms: number): AbortSignal {
  const limit = AbortSignal.timeout(ms);
  return signal ? AbortSignal.any([signal, limit]) : limit;
}

/** The body as JSON; undefined where it is none, as when something between us and the server answers. */
async function readJson(response: Response): Promise<any> {
  try {
    return await response.json();
  } catch {
    return undefined;
  }
}

function refusalOf(response: Response, body: any): Refusal | Unreached {
  if (!body?.error?.code) {
    if (response.ok) return new Unreached('the answer was cut off');
    return new Refusal(response.status, { code: response.status === 429 ? 'RATE_LIMITED' : response.status >= 500 ? 'UNAVAILABLE' : 'NOT_FOUND' }, retryAfter(response));
  }
  return new Refusal(response.status, body.error, retryAfter(response));
}

function retryAfter(response: Response): number | undefined {
  const seconds = Number(response.headers.get('retry-after'));
  return seconds > 0 ? seconds * 1000 : undefined;
}
