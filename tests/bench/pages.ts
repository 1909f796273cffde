// Thousands of pages at WebSockets: a process of its own, the program `pages` of tests/load.

import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from './contenders.ts';

const PROGRAM = join(ROOT, 'target/bench-client/pages');

/** Told of a frame: which page, its text, and when it came, in milliseconds since 1970. */
export type Heard = (page: number, text: string, at: number) => void;

export class Pages {
  readonly #child: ChildProcess;
  readonly #opened = Promise.withResolvers<void>();
  /** Pages whose socket ended. */
  ended = 0;

  /** Opens a socket at each of `paths`, on the processor `cpu` where one is given. */
  constructor(address: string, paths: string[], cpu: number | undefined, heard: Heard) {
    const pin = cpu === undefined ? [] : ['taskset', '-c', String(cpu)];
    const [command = '', ...args] = [...pin, PROGRAM, address];
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.once('exit', (code) => this.#opened.reject(new Error(`the pages ended: ${code}`)));
    const silent = new Set(paths.keys());
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      const [page = '', at = '', text = ''] = line.split('\t');
      if (text === 'closed') this.ended += 1;
      else heard(Number(page), text, Number(at));
      if (silent.delete(Number(page)) && silent.size === 0) this.#opened.resolve();
    });
    this.#child.stdin!.end(paths.map((path) => `${path}\n`).join(''));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** When each page has had its first frame. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  close(): void {
    this.#opened.promise.catch(() => {});
    this.#child.kill('SIGKILL');
  }
}
