// What the machine tells of a server's process: processor time, and whether there is anything left for it to do.

import { readFileSync } from 'node:fs';
import type { Server } from './server.ts';

/** A server that uses less of a core than this has nothing left to do in the background. */
const IDLE_CPU = 0.05;
const IDLE_MS = 400;
const SETTLE_MS = 8000;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Processor time of a process in milliseconds. */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Bytes that a process has given the file system to write, whether they are on the disk yet or not. */
export const writtenBytes = (pid: number): number => Number(/^write_bytes: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]);

/** Waits until a server has done what earlier works left it to do. */
export async function settled(server: Server): Promise<void> {
  for (const deadline = Date.now() + SETTLE_MS; Date.now() < deadline; ) {
    const before = cpuMs(server.pid);
    await sleep(IDLE_MS);
    if (cpuMs(server.pid) - before <= IDLE_CPU * IDLE_MS) return;
  }
}
