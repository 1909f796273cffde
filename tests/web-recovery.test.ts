// Networks that fail, servers that are busy, signing in that ends: nothing is lost and the page says what is going on.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Page, Route } from 'playwright-core';
import { granted } from './client.ts';
import { serve } from './harness.ts';
import { until } from './until.ts';
import { within } from './web/budget.ts';
import { heading, person, skip, type Person } from './web/browser.ts';
import { clean, enter, holdBest, onCheckout, onTicket, pay, sees, signIn } from './web/journey.ts';

const server = skip ? undefined! : await serve({ PAYMENT_DELAY_MS: '300' });
const fan = (more: object = {}): Promise<Person> => person(server, { user: true, ...more });
const body = (code: string, details?: object): string => JSON.stringify({ error: { code, message: code, trace_id: 'abcdef0123456789abcdef0123456789', ...(details && { details }) } });
const refuse = (route: Route, status: number, code: string, details?: object, headers: Record<string, string> = {}): Promise<void> =>
  route.fulfill({ status, contentType: 'application/json', headers, body: body(code, details) });

/** Answers the first `times` requests to `path` in another way. */
async function first(page: Page, path: string, times: number, other: (route: Route) => Promise<void>): Promise<void> {
  let left = times;
  await page.route(`**/api/v1${path}`, (route) => (left-- > 0 ? other(route) : route.continue()));
}

/** In a line that does not move. */
async function stands(visitor: Person): Promise<string> {
  const event = await server.event({ queue: { paused: true } });
  await visitor.visit(`/e/${event}`);
  await visitor.page.getByRole('button', { name: '줄 서기', exact: true }).click();
  await visitor.page.locator('[data-testid=position]').getByText('1', { exact: true }).waitFor();
  return event;
}

describe('requests that are lost', { skip }, () => {
  test('an answer lost after the server acted: the same key, one place', async () => {
    const event = await server.event({ queue: { paused: true } });
    const visitor = await fan();
    await first(visitor.page, '/queue/join', 2, async (route) => {
      await route.fetch();
      await route.abort('connectionreset');
    });
    await visitor.visit(`/e/${event}`);
    await visitor.page.getByRole('button', { name: '줄 서기', exact: true }).click();
    await visitor.page.waitForURL('**/wait');
    const joins = visitor.asked.filter(({ call }) => call === 'POST /queue/join');
    assert.equal(joins.length, 3);
    assert.equal(new Set(joins.map(({ key }) => key)).size, 1);
    assert.equal(granted(await server.anyone().get(`/queue/stats?event_id=${event}`)).waiting, 1);
    clean(visitor);
    await visitor.close();
  });

  test('the same for a hold and for a payment: one of each', async () => {
    const event = await server.event();
    const visitor = await fan();
    const lose = async (route: Route): Promise<void> => {
      await route.fetch();
      await route.abort('connectionreset');
    };
    await first(visitor.page, '/reservations', 1, lose);
    await first(visitor.page, '/payments/intent', 1, lose);
    await enter(visitor, event);
    const reservation = await holdBest(visitor.page);
    await pay(visitor.page);
    await onTicket(visitor.page);
    const ledger = await server.ledger(event);
    assert.deepEqual(ledger.map(({ type, reservation_id }) => [type, reservation_id]), [['reservation.created', reservation], ['reservation.confirmed', reservation]]);
    clean(visitor);
    await visitor.close();
  });

  test('a busy server is waited for as long as it asks, and that is said', async () => {
    const event = await server.event({ queue: { paused: true } });
    const visitor = await fan();
    await first(visitor.page, '/queue/join', 1, (route) => refuse(route, 503, 'OVERLOADED', undefined, { 'retry-after': '2' }));
    await visitor.visit(`/e/${event}`);
    await visitor.page.getByRole('button', { name: '줄 서기', exact: true }).click();
    await sees(visitor.page, /접속이 몰리고 있어요/);
    await visitor.page.waitForURL('**/wait');
    await visitor.close();
  });

  test('forty taps join once', async () => {
    const event = await server.event({ queue: { paused: true } });
    const visitor = await fan();
    await visitor.visit(`/e/${event}`);
    const button = visitor.page.getByRole('button', { name: '줄 서기', exact: true });
    await button.evaluate((element: HTMLElement) => {
      for (let tap = 0; tap < 40; tap++) element.click();
    });
    await visitor.page.waitForURL('**/wait');
    assert.equal(visitor.asked.filter(({ call }) => call === 'POST /queue/join').length, 1);
    await visitor.close();
  });
});

describe('the network', { skip }, () => {
  test('gone and back while waiting: it is said, the place is kept, the line is seen again within seconds', async (context) => {
    const visitor = await fan();
    const event = await stands(visitor);
    const { page } = visitor;
    await page.context().setOffline(true);
    await sees(page, /연결이 끊겼어요. 순번은 서버에 그대로 있어요/);
    granted(await server.admin.post(`/admin/events/${event}/queue`, { paused: false }, { key: null }));
    const back = performance.now();
    await page.context().setOffline(false);
    await page.waitForURL('**/seats');
    within(context, 'let in after the network was back', performance.now() - back, 8000);
    clean(visitor);
    await visitor.close();
  });

  test('gone while paying: the order is there when it is back', async () => {
    const event = await server.event();
    const visitor = await fan();
    const { page } = visitor;
    await enter(visitor, event);
    await holdBest(page);
    await page.context().setOffline(true);
    await pay(page);
    await sees(page, '오프라인이에요');
    await page.context().setOffline(false);
    await onTicket(page);
    assert.equal(new Set(visitor.asked.filter(({ call }) => call === 'POST /payments/intent').map(({ key }) => key)).size, 1);
    clean(visitor);
    await visitor.close();
  });

  test('a ticket that was seen once opens without a network', async () => {
    const event = await server.event();
    const visitor = await fan();
    const { page } = visitor;
    await enter(visitor, event);
    await holdBest(page);
    await pay(page);
    await onTicket(page);
    // Not waitForFunction: it takes a promise for the answer, whatever it comes to.
    await until('everything to be kept', 20_000, () => page.evaluate(async () => {
      const shell = new Set((await (await caches.open('shell-1')).keys()).map(({ url }) => url));
      const loaded = performance.getEntriesByType('resource').filter(({ name }) => /\/assets\/.*\.(js|css)$/.test(name));
      const tickets = await (await caches.open('tickets-1')).keys();
      return !!navigator.serviceWorker.controller && tickets.length === 2 && !!(await caches.match('/')) && loaded.length > 0 && loaded.every(({ name }) => shell.has(name));
    }));
    const ticket = page.url();
    await page.context().setOffline(true);
    const opened = await page.context().newPage();
    await opened.goto(ticket);
    await onTicket(opened);
    await sees(opened, '오프라인이에요');
    await visitor.close();
  });
});

describe('signing in', { skip }, () => {
  test('that ends in the middle asks again and sends the same request', async () => {
    const event = await server.event();
    const { token } = granted(await server.anyone().post('/auth/login', { username: 'user02', password: 'pwd02' }));
    const visitor = await person(server, { user: token });
    const { page } = visitor;
    await enter(visitor, event);
    await first(page, '/reservations', 1, (route) => refuse(route, 401, 'UNAUTHENTICATED'));
    await page.getByRole('button', { name: '자동배정', exact: true }).click();
    await page.getByRole('button', { name: /바로 잡기/ }).click();
    await signIn(page, 'user02', 'pwd02');
    await onCheckout(page);
    const keys = visitor.asked.filter(({ call }) => call === 'POST /reservations').map(({ key }) => key);
    assert.deepEqual([keys.length, new Set(keys).size], [2, 1]);
    await visitor.close();
  });

  test('with the wrong password says so at the form and keeps what was typed; registering signs in', async () => {
    const visitor = await person(server);
    const { page } = visitor;
    await visitor.visit('/login?back=/orders');
    await page.getByLabel('아이디').fill('user03');
    await page.getByLabel(/^비밀번호/).fill('not this one');
    await page.locator('form button.primary').click();
    await sees(page, '아이디 또는 비밀번호가 맞지 않아요.');
    assert.equal(await page.getByLabel('아이디').inputValue(), 'user03');
    await page.getByRole('link', { name: /회원 가입/ }).click();
    await heading(page, '회원 가입');
    await page.locator('form button.primary').click();
    await sees(page, '비밀번호는 8자 이상이어야 해요.');
    await page.getByLabel('아이디').fill('user03');
    await page.getByLabel(/^비밀번호/).fill('long enough');
    await page.getByLabel(/^이메일/).fill('fan@example.com');
    await page.locator('form button.primary').click();
    await sees(page, '이미 쓰고 있는 아이디예요.');
    await page.getByLabel('아이디').fill(`fan_${Date.now().toString(36)}`);
    await page.locator('form button.primary').click();
    await page.waitForURL('**/orders');
    await sees(page, '아직 예매한 티켓이 없어요.');
    clean(visitor);
    await visitor.close();
  });

  test('returns to no other site', async () => {
    const visitor = await fan();
    await visitor.visit('/login?back=//example.com/');
    await visitor.page.waitForFunction(() => location.pathname === '/');
    clean(visitor);
    await visitor.close();
  });
});

describe('refusals on a page', { skip }, () => {
  const cases: [string, number, RegExp][] = [
    ['INTERNAL_ERROR', 500, /접속이 몰리고 있어요/],
    ['OVERLOADED', 503, /접속이 몰리고 있어요/],
    ['RATE_LIMITED', 429, /요청이 많아요/],
    ['FORBIDDEN', 403, /이 계정으로는 볼 수 없어요/],
    ['ORDER_NOT_FOUND', 404, /예매 내역을 찾을 수 없어요/],
    ['MISSING_TOKEN', 400, /새로고침해 주세요/],
  ];
  test('every one has words, a code to ask about, and a way on', async () => {
    const visitor = await fan();
    const { page } = visitor;
    for (const [code, status, words] of cases) {
      await page.route('**/api/v1/orders/ord_x', (route) => refuse(route, status, code));
      await visitor.visit('/orders/ord_x');
      await sees(page, words);
      await sees(page, '문의 코드 abcdef012345');
      assert.ok((await page.locator('.notice.bad a, .notice.bad button').count()) > 0, `${code} has a way on`);
      await page.unroute('**/api/v1/orders/ord_x');
    }
    clean(visitor);
    await visitor.close();
  });

  test('a place that cannot be verified, and a turn that was missed, offer to join again', async () => {
    for (const [code, words] of [['TOKEN_NOT_FOUND', '순번표를 확인할 수 없어요'], ['TOKEN_EXPIRED', '다음 분에게 넘어갔어요']] as const) {
      const event = await server.event();
      const visitor = await fan();
      await visitor.page.route('**/api/v1/queue/enter', (route) => refuse(route, code === 'TOKEN_EXPIRED' ? 409 : 404, code));
      await visitor.visit(`/e/${event}`);
      await visitor.page.getByRole('button', { name: '예매하기', exact: true }).click();
      await sees(visitor.page, new RegExp(words));
      await visitor.page.unroute('**/api/v1/queue/enter');
      await visitor.page.getByRole('button', { name: '다시 줄 서기' }).click();
      await visitor.page.waitForURL('**/seats');
      clean(visitor);
      await visitor.close();
    }
  });

  test('an answer that is no JSON leaves no blank page', async () => {
    const visitor = await fan();
    await visitor.page.route('**/api/v1/events', (route) => route.fulfill({ status: 200, contentType: 'application/json', body: '{"events":[' }));
    await visitor.visit('/');
    await sees(visitor.page, /연결이 끊겼어요/);
    await visitor.page.unroute('**/api/v1/events');
    await visitor.page.getByRole('button', { name: '다시 시도' }).click();
    await visitor.page.locator('.card').first().waitFor();
    clean(visitor);
    await visitor.close();
  });
});

describe('without scripts', { skip }, () => {
  test('the page says what it is, that a place is kept, and opens anew by itself', async () => {
    const visitor = await person(server, { options: { javaScriptEnabled: false } });
    await visitor.visit('/e/evt_2025_1001/wait');
    const text = await visitor.page.locator('body').innerText();
    assert.match(text, /자바스크립트가 필요해요/);
    assert.match(text, /순번은 서버에 그대로/);
    assert.match(text, /A place you already have is kept/);
    assert.equal(await visitor.page.locator('meta[http-equiv=refresh]').getAttribute('content'), '20');
    await visitor.close();
  });

  test('a script that does not come is noticed', async () => {
    const visitor = await person(server);
    await visitor.page.clock.install();
    await visitor.page.route('**/assets/*.js', (route) => route.abort());
    await visitor.visit('/');
    await visitor.page.clock.runFor(8500);
    await visitor.page.getByText('순번과 좌석은 그대로예요', { exact: false }).first().waitFor();
    await visitor.close();
  });

  test('storage that is blocked leaves one tab that works', async () => {
    const event = await server.event();
    const visitor = await person(server);
    const { page } = visitor;
    await page.addInitScript(() => {
      const refuse = (): never => {
        throw new DOMException('blocked', 'SecurityError');
      };
      Object.defineProperty(window, 'localStorage', { get: refuse });
    });
    await enter(visitor, event);
    await signIn(page, 'user04', 'pwd04');
    await holdBest(page);
    await pay(page);
    await onTicket(page);
    await visitor.close();
  });
});

describe('the opening', { skip }, () => {
  test('armed, the page joins by itself at the server’s time, whatever the device’s clock says', async () => {
    const opens = Date.now() + 5000;
    const event = await server.event({ sale_opens_at: new Date(opens).toISOString() });
    const visitor = await fan();
    const { page } = visitor;
    // The device is ten minutes slow; the page must go by the server.
    await page.addInitScript(() => {
      const real = Date.now.bind(Date);
      Date.now = () => real() - 600_000;
    });
    await visitor.visit(`/e/${event}`);
    await page.getByLabel(/열리면 자동으로 줄 서기/).check();
    await page.waitForURL('**/seats');
    const joins = visitor.asked.filter(({ call }) => call === 'POST /queue/join');
    assert.ok(joins.length >= 1 && new Set(joins.map(({ key }) => key)).size === 1, 'one key throughout');
    assert.ok(Date.now() >= opens && Date.now() - opens < 8000);
    clean(visitor);
    await visitor.close();
  });
});
