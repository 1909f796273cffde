// A page at a socket: keeps what it was told, and the map that follows from it.

import assert from 'node:assert/strict';
import { SOON_MS } from './client.ts';
import { until } from './until.ts';

export interface Frame {
  type: 'place' | 'snapshot' | 'delta' | 'sale';
  [field: string]: any;
}

/** One socket, from opening to close. */
export class Watcher {
  readonly frames: Frame[] = [];
  /** When each frame arrived, in milliseconds of this process. */
  readonly times: number[] = [];
  /** Texts that are no JSON: `pong`. */
  readonly texts: string[] = [];
  closed: { code: number; reason: string } | undefined;
  /** The seats of each section as far as the frames say, after those that came before. */
  sections: { id: string; states: string[] }[] = [];
  epoch = 0;
  seq = 0;
  readonly #socket: WebSocket;

  constructor(base: string, path: string) {
    const url = new URL(`/api/v1${path}`, base);
    url.protocol = 'ws:';
    this.#socket = new WebSocket(url);
    this.#socket.onmessage = ({ data }) => this.#take(String(data));
    this.#socket.onclose = ({ code, reason }) => (this.closed = { code, reason });
    this.#socket.onerror = () => {};
  }

  #take(text: string): void {
    if (!text.startsWith('{')) {
      this.texts.push(text);
      return;
    }
    const frame: Frame = JSON.parse(text);
    this.frames.push(frame);
    this.times.push(performance.now());
    if (frame.type === 'snapshot') {
      this.sections = frame.sections.map(({ id, states }: { id: string; states: string }) => ({ id, states: [...states] }));
      [this.epoch, this.seq] = [frame.epoch, frame.seq];
    }
    if (frame.type === 'delta') {
      assert.equal(frame.seq, this.seq + 1, 'seq rises by one');
      this.seq = frame.seq;
      for (const [section, seat, state] of frame.changes) this.sections[section]!.states[seat] = String(state);
    }
  }

  /** Goes on from what another socket knew. */
  knows(other: Watcher, seq = other.seq): this {
    this.sections = structuredClone(other.sections);
    [this.epoch, this.seq] = [other.epoch, seq];
    return this;
  }

  send(text: string | object): void {
    this.#socket.send(typeof text === 'string' ? text : JSON.stringify(text));
  }

  close(): void {
    this.#socket.close();
  }

  of(type: Frame['type']): Frame[] {
    return this.frames.filter((frame) => frame.type === type);
  }

  /** The map as `GET /events/{id}/seats` writes it. */
  get states(): { id: string; states: string }[] {
    return this.sections.map(({ id, states }) => ({ id, states: states.join('') }));
  }

  /** The first frame that `fits`, once it is there. */
  sees(what: string, fits: (frame: Frame) => boolean, within = SOON_MS): Promise<Frame> {
    return until(what, within, () => this.frames.find(fits)) as Promise<Frame>;
  }

  /** How it was closed, once it is. */
  ends(within = SOON_MS): Promise<{ code: number; reason: string }> {
    return until('the close', within, () => this.closed) as Promise<{ code: number; reason: string }>;
  }
}
