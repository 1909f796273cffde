// Organisers' endpoints for tests: a receiver and what was registered for it.

import { randomUUID } from 'node:crypto';
import { granted, type Answer } from './client.ts';
import type { Server } from './harness.ts';
import { receive, type Received, type Receiver } from './receiver.ts';

export const SECRET = 'whsec_b3JnYW5pc2VyLXNlY3JldC1mb3ItdGVzdHM=';
/** How long a sale event may take to an endpoint here: a batch of the queue, a few retries of a busy machine. */
export const DELIVERED_MS = 20_000;

export interface Envelope {
  id: string;
  type: string;
  source: string;
  time: string;
  event_id: string;
  sequence: number;
  trace_id: string;
  data: any;
}

export interface Told {
  request: Received;
  envelope: Envelope;
}

/** An endpoint and the receiver behind it. */
export class Endpoint {
  readonly id = `hook-${randomUUID().slice(0, 8)}`;
  readonly #server: Server;
  readonly receiver: Receiver;

  constructor(server: Server, receiver: Receiver) {
    this.#server = server;
    this.receiver = receiver;
  }

  /** Registers it, or changes it. */
  put(changes: Record<string, unknown> = {}): Promise<Answer> {
    const body = { url: `${this.receiver.url}/hook`, secret: SECRET, ...changes };
    return this.#server.admin.put(`/admin/webhooks/${this.id}`, body);
  }

  post(call: string, body?: unknown): Promise<Answer> {
    return this.#server.admin.post(`/admin/webhooks/${this.id}/${call}`, body, { key: null });
  }

  /** How it does, as its organiser sees it. */
  async shown(): Promise<any> {
    return granted(await this.#server.admin.get(`/admin/webhooks/${this.id}`));
  }

  /** What it was sent about an event, in the order in which it came. */
  about(event: string): Told[] {
    const told = this.receiver.received.map((request) => ({ request, envelope: JSON.parse(request.body) as Envelope }));
    return told.filter(({ envelope }) => envelope.event_id === event);
  }

  sequences(event: string): number[] {
    return this.about(event).map(({ envelope }) => envelope.sequence);
  }

  types(event: string): string[] {
    return this.about(event).map(({ envelope }) => envelope.type);
  }
}

/** A new endpoint, registered with `changes`. */
export async function endpoint(server: Server, changes: Record<string, unknown> = {}): Promise<Endpoint> {
  const made = new Endpoint(server, await receive());
  granted(await made.put(changes), 201);
  return made;
}

/** Everything that was told of an event. */
export async function feed(server: Server, event: string): Promise<Envelope[]> {
  const envelopes: Envelope[] = [];
  for (let after: number | null = 0; after !== null; ) {
    const page: any = granted(await server.admin.get(`/admin/events/${event}/feed?after=${after}`));
    envelopes.push(...page.envelopes);
    after = page.next;
  }
  return envelopes;
}

/** From 1 to `last`. */
export const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);
