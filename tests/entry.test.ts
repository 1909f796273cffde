// What the platform loads (workers/gateway/entry.js), around a module that breaks down when it is told to: a Wasm that has trapped is
// replaced, and its objects with it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare';
import { ROOT } from './harness.ts';

/** In place of what wasm-bindgen makes. An answer tells how often the Wasm was replaced, an object also after which replacement it was made. */
const MODULE = `
const state = { criticalError: false, instanceId: 0 };
let replaced = 0;
export const __worker_init_state = () => state;
export const __wbg_reset_state = () => { replaced += 1; };
const trap = () => new WebAssembly.RuntimeError('unreachable');

export function fetch(request, env) {
  const [, what, object] = new URL(request.url).pathname.split('/');
  if (object === 'gateway') return env.GATEWAY.ask(new TextEncoder().encode(what)).then((answer) => new Response(answer));
  if (object) return env.LANE.getByName(object).ask(new TextEncoder().encode(what)).then((answer) => new Response(answer));
  switch (what) {
    case 'trap': throw trap();
    case 'trap-later': return Promise.reject(trap());
    case 'wrong': throw new Error('wrong');
    default: return new Response(String(replaced));
  }
}

class Made {
  constructor() { this.after = replaced; }
  ask(question) {
    const what = new TextDecoder().decode(question);
    if (what === 'trap') throw trap();
    if (what === 'trap-later') return Promise.reject(trap());
    return new TextEncoder().encode(this.after + ' of ' + replaced);
  }
}
export { Made as LaneObject, Made as QueueObject, Made as InventoryObject, Made as PaymentObject, Made as WebhookObject, Made as LiveObject };
export const queue = () => {};
export const ask = (env, question) => new Made().ask(question);
`;

const entry = readFileSync(join(ROOT, 'workers/gateway/entry.js'), 'utf8');
const server = new Miniflare(convertV4MiniflareOptions({
  host: '127.0.0.1',
  cf: false,
  log: new Log(LogLevel.NONE),
  handleStructuredLogs: () => {},
  workers: [{
    name: 'entry',
    compatibilityDate: '2026-10-19',
    modulesRoot: '/',
    modules: [{ type: 'ESModule', path: '/entry.js', contents: entry }, { type: 'ESModule', path: '/index.js', contents: MODULE }],
    durableObjects: { LANE: { className: 'LaneObject', useSQLite: true } },
    serviceBindings: { GATEWAY: { name: 'entry', entrypoint: 'Gateway' } },
  }],
}));
after(() => server.dispose());

/** What is answered; an error as its status. */
async function ask(path: string): Promise<string> {
  const answer = await server.dispatchFetch(`http://entry${path}`);
  const text = await answer.text();
  return answer.ok ? text : String(answer.status);
}

describe('a Wasm that traps', () => {
  test('is replaced before the next request, whether it trapped at once or later', async () => {
    assert.equal(await ask('/'), '0');
    assert.equal(await ask('/trap'), '500');
    assert.equal(await ask('/'), '1');
    assert.equal(await ask('/trap-later'), '500');
    assert.equal(await ask('/'), '2');
  });

  test('is not replaced for an error that is none of its own', async () => {
    const before = await ask('/');
    assert.equal(await ask('/wrong'), '500');
    assert.equal(await ask('/'), before);
  });

  test('takes its objects with it, and they are made anew in the next one', async () => {
    const before = Number(await ask('/'));
    assert.equal(await ask('/look/one'), `${before} of ${before}`);
    assert.equal(await ask('/trap'), '500');
    assert.equal(await ask('/look/one'), `${before + 1} of ${before + 1}`);
  });

  test('in an object is replaced like any other', async () => {
    const before = Number(await ask('/'));
    for (const [i, what] of ['trap', 'trap-later'].entries()) {
      assert.equal(await ask(`/${what}/two`), '500');
      assert.equal(await ask('/look/two'), `${before + i + 1} of ${before + i + 1}`);
    }
  });

  test('where objects ask the gateway is replaced like any other', async () => {
    const before = Number(await ask('/'));
    for (const [i, what] of ['trap', 'trap-later'].entries()) {
      assert.equal(await ask(`/${what}/gateway`), '500');
      assert.equal(await ask('/look/gateway'), `${before + i + 1} of ${before + i + 1}`);
    }
  });
});
