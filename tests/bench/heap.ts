// What a server has in memory, with and without garbage.

import { readFileSync } from 'node:fs';
import { Inspector } from './inspector.ts';
import type { Server } from './server.ts';

/** Memory of its own that a server has, in MiB. */
const ownMib = ({ pid }: Server): number => Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;

/** Memory as it is, without garbage, and what the heap of the first of `heaps` is of it, in MiB. `turns` keeps all of them busy. */
export async function memory(of: Server, heaps: Inspector[], turns: () => Promise<unknown>): Promise<string[]> {
  const before = ownMib(of);
  // V8 collects on a turn of the event loop, which takes a request.
  await Promise.all([turns(), ...heaps.map((heap) => heap.ask('HeapProfiler.collectGarbage'))]);
  const { usedSize } = await heaps[0]!.ask('Runtime.getHeapUsage');
  return [before, ownMib(of), usedSize / 2 ** 20].map((mib) => mib.toFixed(mib < 10 ? 1 : 0));
}

/** Sessions that can collect the garbage of a server's Workers. */
export const collectors = (of: Server, ...workers: string[]): Promise<Inspector[]> =>
  Promise.all(workers.map(async (name) => {
    const heap = await Inspector.open(of.inspector!, name);
    await heap.ask('HeapProfiler.enable');
    return heap;
  }));
