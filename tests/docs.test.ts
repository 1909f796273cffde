// The page at /docs in a real browser: it shows every operation of the contract and breaks none of its own policy.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { serve } from './harness.ts';

const browser = process.env.CHROMIUM_BIN;
const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync', '--enable-logging=stderr',
];

test('the page shows every operation', { skip: !browser && 'there is no Chromium on this machine' }, async () => {
  const server = await serve();
  const contract: any = await (await fetch(new URL('/openapi.json', server.url))).json();
  const profile = mkdtempSync(join(tmpdir(), 'traffic-tacos-browser-'));
  try {
    const page = new URL('/docs', server.url).href;
    const flags = [...FLAGS, `--user-data-dir=${profile}`, '--timeout=20000', '--virtual-time-budget=10000', '--dump-dom', page];
    const { stdout, stderr } = await promisify(execFile)(browser ?? '', flags, { timeout: 240_000, maxBuffer: 2 ** 26 });
    for (const path of Object.keys(contract.paths)) assert.ok(stdout.includes(path), `${path} is shown`);
    const complaints = stderr.split('\n').filter((line) => /CONSOLE.*(Uncaught|Refused|violates)/.test(line));
    assert.deepEqual(complaints, []);
  } finally {
    rmSync(profile, { recursive: true, force: true });
  }
});
