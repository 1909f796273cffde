// What the pages may cost: bytes, time to see something, frames of the map, memory while waiting.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { CDPSession, Page } from 'playwright-core';
import { serve } from './harness.ts';
import { smooth, within } from './web/budget.ts';
import { compressed } from './web/compressed.ts';
import { DESKTOP, person, skip, type Person } from './web/browser.ts';
import { clean, enter } from './web/journey.ts';

const server = skip ? undefined! : await serve();
const edge = skip ? '' : await compressed(server.url);
const KB = 1024;

interface Weight {
  url: string;
  gzip: number;
  brotli: number;
}

/** Scripts and styles that a page has fetched, as they weigh compressed. */
async function weights(page: Page): Promise<Weight[]> {
  return weighed(await page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => name)));
}

async function weighed(urls: string[]): Promise<Weight[]> {
  const code = urls.filter((url) => /\.(js|css)$/.test(url));
  return Promise.all([...new Set(code)].map(async (url) => {
    const body = Buffer.from(await (await fetch(url)).arrayBuffer());
    return { url: new URL(url).pathname, gzip: gzipSync(body, { level: 9 }).length, brotli: brotliCompressSync(body).length };
  }));
}
const sum = (all: Weight[], of: 'gzip' | 'brotli' = 'gzip'): number => all.reduce((total, each) => total + each[of], 0);
const told = (all: Weight[]): string => all.map(({ url, gzip }) => `${url} ${gzip}`).join(', ');

/** The phone and the network of the budget: a quarter of this machine, 1.6 Mbit/s, 150 ms. */
async function slow(page: Page): Promise<CDPSession> {
  const session = await page.context().newCDPSession(page);
  await session.send('Network.emulateNetworkConditions', { offline: false, latency: 150, downloadThroughput: 1.6e6 / 8, uploadThroughput: 750e3 / 8 });
  await session.send('Emulation.setCPUThrottlingRate', { rate: 4 });
  return session;
}

async function waits(visitor: Person): Promise<string> {
  const event = await server.event({ queue: { paused: true } });
  await visitor.visit(`/e/${event}`);
  await visitor.page.getByRole('button', { name: '줄 서기', exact: true }).click();
  await visitor.page.locator('[data-testid=position]').getByText('1', { exact: true }).waitFor();
  return event;
}

describe('bytes', { skip }, () => {
  test('the waiting room’s first load is at most 30 KB of compressed script and style', async (context) => {
    const visitor = await person(server, { user: true });
    const event = await waits(visitor);
    // Reloaded, with what comes later held back: all that the place in line needs.
    const page = await visitor.page.context().newPage();
    await page.route(/assets\/(?!core)/, (route) => route.abort());
    // The page loads itself again when a part of it cannot be loaded; so it is watched, not asked.
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    await page.goto(new URL(`/e/${event}/wait`, server.url).href);
    await page.locator('[data-testid=position]').getByText('1', { exact: true }).waitFor();
    await page.locator('.eta').waitFor();
    const first = (await weighed(asked)).filter(({ url }) => /\/assets\/core|boot/.test(url));
    assert.ok(first.length >= 3 && first.length <= 4, told(first));
    assert.ok(sum(first) <= 30 * KB, `${sum(first)} bytes: ${told(first)}`);
    context.diagnostic(`waiting room, first load: ${sum(first)} bytes gzip, ${sum(first, 'brotli')} bytes brotli`);
    await page.close();
    const all = (await weights(visitor.page)).filter(({ url }) => !/seats|pay|hall|words|event|home|chip|poster/.test(url));
    context.diagnostic(`waiting room with its checklist and alerts: ${sum(all)} bytes gzip, ${sum(all, 'brotli')} bytes brotli`);
    await visitor.close();
  });

  test('home and event stay small; map, checkout and console each within theirs', async (context) => {
    const visitor = await person(server, { admin: true });
    const { page } = visitor;
    const event = await server.event();
    await visitor.visit('/');
    await page.locator('.tabs').waitFor();
    const home = sum(await weights(page));
    await visitor.visit(`/e/${event}`);
    await page.locator('.buy .primary').waitFor();
    const show = sum(await weights(page));
    assert.ok(home <= 34 * KB && show <= 38 * KB, `home ${home}, event ${show}`);
    await visitor.visit(`/console/${event}`);
    await page.locator('.plot canvas').first().waitFor();
    const board = sum((await weights(page)).filter(({ url }) => /console/.test(url)));
    assert.ok(board <= 60 * KB, `console ${board}`);
    await enter(visitor, event);
    const core = /core|boot|event|home|chip|poster|checklist|meanwhile|sheet|prefs|sign/;
    const map = sum((await weights(page)).filter(({ url }) => /seats|hall|words/.test(url) && !core.test(url)));
    assert.ok(map <= 20 * KB, `seats ${map}`);
    context.diagnostic(`home ${home}, event ${show}, seats ${map}, console ${board} bytes gzip`);
    await visitor.close();
  });

  test('the page itself, its requests, and nothing from elsewhere', async () => {
    const visitor = await person(server);
    const requests: string[] = [];
    visitor.page.on('request', (request) => requests.push(new URL(request.url()).pathname));
    await visitor.visit('/');
    await visitor.page.locator('.tabs').waitFor();
    const html = Buffer.from(await (await fetch(server.url)).arrayBuffer());
    assert.ok(gzipSync(html).length <= 5 * KB);
    const fonts = requests.filter((path) => /woff|ttf|otf/.test(path));
    assert.deepEqual(fonts, []);
    clean(visitor);
    await visitor.close();
  });

  test('hashed files stay for a year, the page is asked for again, and the policy allows no foreign or inline script', async () => {
    const page = await fetch(new URL('/e/x', server.url), { headers: { 'sec-fetch-mode': 'navigate' } });
    assert.match(page.headers.get('cache-control') ?? '', /max-age=0, must-revalidate/);
    const policy = page.headers.get('content-security-policy') ?? '';
    for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]) assert.ok(policy.includes(part), part);
    assert.ok(!/unsafe|https?:|\*/.test(policy));
    const text = await page.text();
    assert.doesNotMatch(text, /<script(?![^>]*\bsrc=)[^>]*>|\son\w+=|style="/);
    const [, file] = /"(\/assets\/[^"]+\.js)"/.exec(text) ?? [];
    assert.match((await fetch(new URL(file!, server.url))).headers.get('cache-control') ?? '', /max-age=31536000, immutable/);
    for (const path of ['/api/v1/nothing', '/nothing', '/docs/nothing.js']) {
      const answer = await fetch(new URL(path, server.url));
      assert.deepEqual([answer.status, (await answer.json()).error.code], [404, 'NOT_FOUND'], path);
    }
  });
});

describe('time', { skip }, () => {
  for (const where of ['home', 'event', 'wait'] as const) {
    test(`${where}: the largest paint on a slow phone`, async (context) => {
      const visitor = await person(server, { user: true });
      const { page } = visitor;
      const event = where === 'wait' ? await waits(visitor) : await server.event();
      if (where !== 'wait') await visitor.visit('/help');
      // The same person's first visit, through a network that compresses.
      const kept: Record<string, string> = await page.evaluate(() => ({ ...localStorage }));
      const fresh = await page.context().newPage();
      await fresh.addInitScript((items) => Object.entries(items).forEach(([name, value]) => localStorage.setItem(name, value)), kept);
      await fresh.addInitScript(() => {
        const seen = ((window as any).seen = { largest: 0, shift: 0 });
        new PerformanceObserver((list) => list.getEntries().forEach((entry) => (seen.largest = entry.startTime))).observe({ type: 'largest-contentful-paint', buffered: true });
        new PerformanceObserver((list) => list.getEntries().forEach((entry: any) => entry.hadRecentInput || (seen.shift += entry.value))).observe({ type: 'layout-shift', buffered: true });
      });
      const session = await slow(fresh);
      await session.send('Network.setCacheDisabled', { cacheDisabled: true });
      await fresh.goto(new URL(where === 'home' ? '/' : `/e/${event}${where === 'wait' ? '/wait' : ''}`, edge).href);
      await fresh.locator(where === 'home' ? '.hero' : where === 'event' ? '.facts, .buy' : '.standing').first().waitFor();
      await fresh.waitForLoadState('networkidle').catch(() => {});
      const { largest, shift } = await fresh.evaluate(() => (window as any).seen);
      context.diagnostic(`${where}: layout shift ${shift.toFixed(3)}`);
      assert.ok(largest > 0, 'something was painted');
      within(context, `${where}: largest contentful paint at CPU ÷ 4, 1.6 Mbit/s, 150 ms`, largest, 1500);
      assert.ok(shift <= 0.02, `things moved by ${shift.toFixed(3)}`);
      await visitor.close();
    });
  }
});

const BIG = { sections: Array.from({ length: 50 }, (_, at) => ({ id: `S${at + 1}`, price: 50_000 + (at % 9) * 10_000, rows: Array.from({ length: 40 }, (_, row) => ({ id: String(row + 1), count: 100 })) })) };

describe('200,000 seats', { skip }, () => {
  test('the map is ready in time and moves smoothly', async (context) => {
    const event = await server.event({ ...BIG, queue: { admission_ttl_sec: 600 } });
    const visitor = await person(server, { user: true, device: DESKTOP, options: { reducedMotion: 'no-preference' } });
    const { page } = visitor;
    await visitor.visit(`/e/${event}`);
    await page.getByRole('button', { name: '예매하기', exact: true }).click();
    await page.waitForURL('**/seats');
    const entered: number = await page.evaluate(() => performance.now());
    await page.waitForFunction(() => (document.querySelector('.map') as any)?.seatMap?.painted);
    const ready = (await page.evaluate(() => performance.now())) - entered;
    const box = (await page.locator('.map').boundingBox())!;
    const frames = await page.evaluate(gesture, { width: box.width, height: box.height });
    within(context, '200,000 seats: ready after entering', ready, 1950);
    for (const name of ['zoom', 'pan'] as const) {
      const { fps, p95, moved } = frames[name];
      assert.ok(moved, `the ${name} moved the map`);
      smooth(context, `${name}, 95 % of frames under ${p95} ms`, fps, frames.floor.fps);
    }
    const changed = await page.evaluate(() => {
      const { seatMap } = document.querySelector('.map') as any;
      const began = performance.now();
      seatMap.changed(Array.from({ length: 100 }, (_, at) => [at % 50, at * 17, 2]));
      return performance.now() - began;
    });
    within(context, '100 changed seats, of script', changed, 20);
    clean(visitor);
    await visitor.close();
  });
});

interface Moved {
  fps: number;
  p95: number;
  /** Whether another part of the hall was seen at some time. */
  moved: boolean;
}

/** Runs in the page: frames while nothing moves, while zooming, and while panning among single seats. */
async function gesture({ width, height }: { width: number; height: number }): Promise<Record<'floor' | 'zoom' | 'pan', Moved>> {
  const map = document.querySelector('.map') as any;
  const send = (type: string, x: number, y: number): boolean => {
    const box = map.getBoundingClientRect();
    return map.dispatchEvent(new PointerEvent(type, { pointerId: 1, clientX: box.left + x, clientY: box.top + y, bubbles: true, pointerType: 'touch', button: 0 }));
  };
  map.setPointerCapture = () => {};
  const measure = (each: (part: number) => void): Promise<Moved> => new Promise((resolve) => {
    const began = performance.now();
    const spans: number[] = [];
    const view = (): string => JSON.stringify(map.seatMap.camera.view);
    const before = view();
    let moved = false;
    let last = began;
    const frame = (now: number): void => {
      spans.push(now - last);
      last = now;
      moved ||= view() !== before;
      const part = (now - began) / 2000;
      if (part >= 1) {
        spans.sort((a, b) => a - b);
        return resolve({ fps: Math.round((1000 * spans.length) / (now - began)), p95: Math.round(spans[Math.floor(spans.length * 0.95)]!), moved });
      }
      each(part);
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  const floor = await measure(() => {});
  const zoom = await measure((part) => {
    const box = map.getBoundingClientRect();
    map.dispatchEvent(new WheelEvent('wheel', { clientX: box.left + width / 2, clientY: box.top + height / 2, deltaY: part < 0.5 ? -24 : 24, cancelable: true }));
  });
  map.seatMap.fitSeat(100_000);
  await measure(() => {});
  send('pointerdown', width / 2, height / 2);
  const pan = await measure((part) => send('pointermove', width / 2 + Math.sin(part * 12) * width * 0.4, height / 2 + Math.cos(part * 9) * height * 0.3));
  send('pointerup', width / 2, height / 2);
  return { floor, zoom, pan };
}
