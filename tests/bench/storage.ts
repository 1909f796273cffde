// Where servers keep what they store.

import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measure } from './stats.ts';
import { ranged } from './table.ts';

/** `statfs` of a file system that is in memory alone: https://man7.org/linux/man-pages/man2/statfs.2.html */
const TMPFS_MAGIC = 0x01021994;

const PAGE = Buffer.alloc(4096);
const PROBE_MS = 500;

/** What flushes go to: a disk, or memory, where they cost nothing. `TMPDIR` says where. */
export const storage = (): 'disk' | 'memory' => (statfsSync(tmpdir()).type === TMPFS_MAGIC ? 'memory' : 'disk');

/** How often a second what was written is flushed there now, by one who waits for each: others use the disk, too. */
export function flushesPerS(): number {
  const folder = mkdtempSync(join(tmpdir(), 'bench-flushes-'));
  const file = openSync(join(folder, 'file'), 'w');
  const began = performance.now();
  let flushes = 0;
  for (; performance.now() - began < PROBE_MS; flushes++) {
    writeSync(file, PAGE);
    fdatasyncSync(file);
  }
  const per_s = flushes / ((performance.now() - began) / 1000);
  closeSync(file);
  rmSync(folder, { recursive: true });
  return per_s;
}

/** That in words, over the rounds. */
export const flushed = (per_s: number[]): string => `Just before, one who waits for each was flushed ${ranged(measure(per_s))} times a second.`;

const folders: string[] = [];
process.once('exit', () => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** A folder that is there as long as this process. */
export function scratch(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `bench-${name}-`));
  folders.push(folder);
  return folder;
}
