// The pages on live sockets: the other end is the test, speaking frames as the contract has them.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Page, WebSocketRoute } from 'playwright-core';
import { granted } from './client.ts';
import { serve } from './harness.ts';
import { until } from './until.ts';
import { within } from './web/budget.ts';
import { DESKTOP, person, skip, type Person } from './web/browser.ts';
import { clean, enter, sees } from './web/journey.ts';

const server = skip ? undefined! : await serve();

interface Line {
  visitor: Person;
  page: Page;
  event: string;
  /** Every socket that the page opened. */
  sockets: WebSocketRoute[];
  tell: (frame: object) => void;
}

const frame = (position: number, more: object = {}): object => ({ type: 'place', status: 'waiting', position, eta_sec: 600, ready_for_entry: false, remaining: 5000, admitted_per_min: 620, ...more });

/** In a line whose socket the test speaks through. */
async function line(start = 3120, paused = true): Promise<Line> {
  const event = await server.event({ queue: { paused } });
  const visitor = await person(server, { user: true });
  const sockets: WebSocketRoute[] = [];
  // Whoever connects is told how the place stands now.
  let stands = frame(start);
  await visitor.page.context().routeWebSocket(/queue\/live/, (socket) => {
    sockets.push(socket);
    socket.onMessage((text) => text === 'ping' && socket.send('pong'));
    socket.send(JSON.stringify(stands));
  });
  await visitor.visit(`/e/${event}`);
  await visitor.page.getByRole('button', { name: paused ? '줄 서기' : '예매하기', exact: true }).click();
  await shows(visitor.page, start.toLocaleString('en-US'));
  return { visitor, page: visitor.page, event, sockets, tell: (each) => sockets.at(-1)!.send(JSON.stringify((stands = each))) };
}

const shows = (page: Page, position: string): Promise<void> => page.locator('[data-testid=position]').getByText(position, { exact: true }).waitFor();

describe('the line', { skip }, () => {
  test('place, wait, speed and odds come from the frames; nothing is polled beside them', async () => {
    const { visitor, page, tell } = await line(3120, false);
    await sees(page, '내 앞에 3,119명');
    await sees(page, '예상 대기 약 5~15분');
    await sees(page, '1분에 약 620명 입장 중');
    await sees(page, '남은 좌석 5,000석 · 빠듯해요');
    tell(frame(900));
    await shows(page, '900');
    await sees(page, '남은 좌석 5,000석 · 여유 있어요');
    tell(frame(950));
    tell(frame(880));
    await shows(page, '880');
    assert.equal(visitor.asked.filter(({ call }) => call === 'GET /queue/status').length, 0);
    clean(visitor);
    await visitor.close();
  });

  test('a position that grows is not shown', async () => {
    const { visitor, page, tell } = await line(100);
    await page.evaluate(() => {
      const seen: number[] = ((window as any).seen = []);
      const figure = document.querySelector('[data-testid=position]')!;
      new MutationObserver(() => seen.push(Number(figure.textContent!.replace(/\D/g, '')))).observe(figure, { childList: true, characterData: true, subtree: true });
    });
    for (const position of [90, 95, 80, 200, 70]) tell(frame(position));
    await shows(page, '70');
    const seen: number[] = await page.evaluate(() => (window as any).seen);
    assert.ok(seen.length > 0 && seen.every((each, at) => at === 0 || each <= seen[at - 1]!), seen.join(' '));
    await visitor.close();
  });

  test('a socket that ends is replaced, and the place is where it was', async () => {
    const { visitor, page, sockets } = await line(100);
    // Nothing but the next socket can tell.
    await page.route('**/queue/status*', (route) => route.abort());
    await sockets[0]!.close({ code: 1012 });
    await until('another socket', 10_000, () => sockets.length > 1);
    await shows(page, '100');
    clean(visitor);
    await visitor.close();
  });

  test('4409 reads the place once more and says how it ended', async () => {
    const { visitor, page, sockets } = await line(5);
    await page.route('**/queue/status*', (route) => route.fulfill({ json: { status: 'expired', position: 0, eta_sec: 0, waiting_time: 9, ready_for_entry: false } }));
    await sockets[0]!.close({ code: 4409 });
    await sees(page, '다음 분에게 넘어갔어요');
    await visitor.close();
  });

  test('one socket over all tabs; it moves to the tab that is looked at', async () => {
    const { visitor, page, event, sockets } = await line(50);
    const second = await page.context().newPage();
    await second.goto(new URL(`/e/${event}/wait`, server.url).href);
    await shows(second, '50');
    await until('the second tab’s socket', 10_000, () => sockets.length === 2);
    sockets[1]!.send(JSON.stringify(frame(44)));
    await shows(second, '44');
    await shows(page, '44');
    await visitor.close();
  });

  test('ready enters within a second', async (context) => {
    const { visitor, page, event, tell } = await line(2);
    granted(await server.admin.post(`/admin/events/${event}/queue`, { paused: false }, { key: null }));
    const token: string = await page.evaluate((id) => JSON.parse(localStorage.getItem(`tt.sale.${id}`)!).place.token, event);
    await server.anyone().ready(token);
    const began = performance.now();
    const sent = page.waitForRequest('**/queue/enter');
    tell(frame(0, { ready_for_entry: true, eta_sec: 0, ready_expires_at: new Date(Date.now() + 60_000).toISOString() }));
    await sent;
    within(context, 'from the frame to the request', performance.now() - began, 1000);
    await page.waitForURL('**/seats');
    clean(visitor);
    await visitor.close();
  });

  test('an hour of frames leaves no more memory behind', async (context) => {
    const { visitor, page, tell } = await line(4000);
    const session = await page.context().newCDPSession(page);
    const heap = async (): Promise<number> => {
      await session.send('HeapProfiler.collectGarbage');
      return (await session.send('Runtime.getHeapUsage')).usedSize / 1e6;
    };
    const told = async (from: number, frames: number): Promise<number> => {
      for (let position = from; position > from - frames; position--) tell(frame(position));
      await shows(page, (from - frames + 1).toLocaleString('en-US'));
      return heap();
    };
    const PART = 600;
    const heaps = [await told(3999, 200), await told(3799, PART), await told(3199, PART), await told(2599, PART)];
    context.diagnostic(`heap while waiting, a frame every 2 s, every 20 minutes: ${heaps.map((each) => each.toFixed(2)).join(', ')} MB`);
    assert.ok(heaps.every((each) => each <= 10), `${Math.max(...heaps)} MB`);
    // What is kept of each frame would be kept of every part; an engine that warms up is not a leak.
    const least = Math.min(...heaps.slice(1).map((each, at) => each - heaps[at]!));
    assert.ok(least < 0.15, `every 600 frames left ${least.toFixed(2)} MB`);
    assert.equal(visitor.asked.filter(({ call }) => call === 'GET /queue/status').length, 0);
    await visitor.close();
  });
});

test('the map follows deltas, asks for what it missed, and equals a fresh snapshot', { skip }, async () => {
  const event = await server.event();
  const visitor = await person(server, { user: true, device: DESKTOP });
  const { page } = visitor;
  const states = new Uint8Array(50);
  const text = (): string => [...states].join('');
  const heard: any[] = [];
  let socket: WebSocketRoute | undefined;
  await page.context().routeWebSocket(new RegExp(`events/${event}/live`), (opened) => {
    socket = opened;
    opened.onMessage((message) => {
      if (message === 'ping') return opened.send('pong');
      const said = JSON.parse(String(message));
      heard.push(said);
      if (said.type === 'resume' && said.epoch === 'e') opened.send(JSON.stringify({ type: 'snapshot', epoch: 'e', seq: 20, sections: [{ id: 'A', states: text() }] }));
    });
    opened.send(JSON.stringify({ type: 'snapshot', epoch: 'e', seq: 10, sections: [{ id: 'A', states: text() }] }));
  });
  await enter(visitor, event);
  const delta = (seq: number, ...changes: [number, number][]): void => {
    for (const [seat, state] of changes) states[seat] = state;
    socket!.send(JSON.stringify({ type: 'delta', seq, changes: changes.map(([seat, state]) => [0, seat, state]) }));
  };
  const shown = (): Promise<string> => page.locator('.map').evaluate((host) => Array.from({ length: 50 }, (_, seat) => (host as any).seatMap.stateOf(seat)).join(''));
  delta(11, [0, 1], [1, 2]);
  await until('the first delta', 5000, async () => (await shown()) === text());
  states[7] = 2;
  delta(14, [9, 1]);
  await until('what was missed', 5000, async () => (await shown()) === text());
  assert.deepEqual(heard.filter(({ type }) => type === 'resume').at(-1), { type: 'resume', epoch: 'e', seq: 11 });
  // A chosen seat that goes is said, and the others stay.
  await page.getByRole('button', { name: '목록', exact: true }).click();
  await page.getByRole('button', { name: 'A석 1열 3–4번' }).click();
  delta(21, [2, 1]);
  await sees(page, '방금 다른 분이 잡았어요');
  await page.getByRole('button', { name: '1석만 잡기 · 10,000원' }).waitFor();
  clean(visitor);
  await visitor.close();
});
