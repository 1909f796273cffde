// Buying when it does not go smoothly: rivals, time, payments that fail or dawdle, seats given back.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { granted } from './client.ts';
import { serve } from './harness.ts';
import { DESKTOP, heading, person, PHONE, skip, type Person } from './web/browser.ts';
import { choose, clean, enter, holdBest, onCheckout, onTicket, pay, sees } from './web/journey.ts';

const server = skip ? undefined! : await serve({ PAYMENT_DELAY_MS: '300' });
const fan = (device = PHONE): Promise<Person> => person(server, { user: true, device });
const states = async (event: string): Promise<string> => granted(await server.anyone().get(`/events/${event}/seats`)).sections[0].states;

/** Taps a seat on the map, near enough to be meant. */
async function tapSeat(page: Page, seat: number): Promise<void> {
  const at = await page.locator('.map').evaluate((host, index) => {
    const map = (host as any).seatMap;
    map.fitSeat(index);
    const box = host.getBoundingClientRect();
    const { x, y } = map.boxOf(index);
    return { x: box.left + x, y: box.top + y };
  }, seat);
  await page.mouse.click(at.x, at.y);
}

describe('rivals', { skip }, () => {
  test('two browsers want one seat: one gets it, the other keeps the rest and swaps', async () => {
    const event = await server.event();
    const [one, two] = [await fan(DESKTOP), await fan(DESKTOP)];
    await Promise.all([enter(one, event), enter(two, event)]);
    for (const { page } of [one, two]) {
      await page.getByRole('button', { name: '줄이기' }).first().click();
      await tapSeat(page, 14);
      await page.getByText('A석 2열 5번').first().waitFor();
    }
    // Neither may be told of the other's seat before both have asked.
    let asked = 0;
    let both = (): void => {};
    const asking = new Promise<void>((resolve) => (both = resolve));
    for (const { page } of [one, two]) {
      await page.route('**/api/v1/reservations', async (route) => {
        if (++asked === 2) both();
        await asking;
        await route.continue();
      });
    }
    await Promise.all([one, two].map(({ page }) => page.getByRole('button', { name: /^1석 잡기/ }).click()));
    const won = await Promise.race([one, two].map((each) => each.page.waitForURL('**/pay/**').then(() => each)));
    const lost = won === one ? two : one;
    await sees(lost.page, '방금 다른 분이 잡았어요');
    assert.ok(lost.page.url().endsWith('/seats'), 'still inside');
    await lost.page.getByRole('button', { name: '비슷한 자리로 바꾸기' }).click();
    await lost.page.getByRole('button', { name: /^1석 잡기/ }).click();
    await onCheckout(lost.page);
    assert.equal([...(await states(event))].filter((state) => state === '1').length, 2, 'two seats are held, none of them twice');
    for (const each of [one, two]) {
      clean(each);
      await each.close();
    }
  });

  test('seats that turn held before the answer is there are one’s own, not somebody’s who was quicker', async () => {
    const event = await server.event();
    const visitor = await fan(DESKTOP);
    const { page } = visitor;
    await enter(visitor, event);
    await page.getByRole('button', { name: '줄이기' }).first().click();
    await tapSeat(page, 14);
    await page.route('**/api/v1/reservations', async (route) => {
      const response = await route.fetch();
      await page.waitForFunction(() => (document.querySelector('.map') as any).seatMap.stateOf(14) === 1);
      // A frame is drawn with what the feed told before the answer goes on.
      await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
      assert.equal(await page.getByText('방금 다른 분이 잡았어요').count(), 0);
      await route.fulfill({ response });
    });
    await page.getByRole('button', { name: /^1석 잡기/ }).click();
    await onCheckout(page);
    clean(visitor);
    await visitor.close();
  });

  test('a seat held by somebody else shows on the map, and returns without a reload', async () => {
    const event = await server.event({ hold_ttl_sec: 3 });
    const visitor = await fan(DESKTOP);
    await enter(visitor, event);
    const state = (): Promise<number> => visitor.page.locator('.map').evaluate((host) => (host as any).seatMap.stateOf(0));
    await server.user().holds(event, { seat_ids: ['A-1-1'] });
    await visitor.page.waitForFunction(() => (document.querySelector('.map') as any).seatMap.stateOf(0) === 1);
    await visitor.page.waitForFunction(() => (document.querySelector('.map') as any).seatMap.stateOf(0) === 0);
    assert.equal(await state(), 0);
    clean(visitor);
    await visitor.close();
  });

  test('no three together: fewer, apart, or another section', async () => {
    const event = await server.event({ sections: [{ id: 'A', price: 1000, rows: [{ id: '1', count: 2 }, { id: '2', count: 2 }] }] });
    const visitor = await fan();
    const { page } = visitor;
    await enter(visitor, event);
    await page.getByRole('button', { name: '자동배정', exact: true }).click();
    await page.getByRole('button', { name: '늘리기' }).first().click();
    await page.getByRole('button', { name: /바로 잡기/ }).click();
    await sees(page, '붙어 있는 3석이 없어요');
    await page.getByRole('button', { name: '떨어져도 괜찮아요' }).click();
    await page.getByRole('button', { name: /바로 잡기/ }).click();
    await onCheckout(page);
    await visitor.close();
  });
});

describe('payments', { skip }, () => {
  test('one that fails says that nothing was charged, frees the seats, and lets choose again', async () => {
    const event = await server.event();
    const visitor = await fan();
    await enter(visitor, event);
    await holdBest(visitor.page);
    await choose(visitor.page, 'fail');
    await pay(visitor.page);
    await sees(visitor.page, '청구된 금액은 없습니다');
    assert.ok(!(await states(event)).includes('1'), 'the seats are free');
    await visitor.page.getByRole('link', { name: /다른 좌석 고르기/ }).click();
    await holdBest(visitor.page);
    await pay(visitor.page);
    await onTicket(visitor.page);
    clean(visitor);
    await visitor.close();
  });

  test('one that is late takes the same seats again if they are free', async () => {
    const event = await server.event({ hold_ttl_sec: 3 });
    const visitor = await fan();
    await enter(visitor, event);
    await holdBest(visitor.page);
    await choose(visitor.page, 'delay', 5);
    await pay(visitor.page);
    await onTicket(visitor.page);
    clean(visitor);
    await visitor.close();
  });

  test('one that is late and finds its seats sold is voided', async () => {
    const event = await server.event({ hold_ttl_sec: 3, sections: [{ id: 'A', price: 1000, rows: [{ id: '1', count: 2 }] }] });
    const visitor = await fan();
    await enter(visitor, event);
    const reservation = await holdBest(visitor.page);
    await choose(visitor.page, 'delay', 6);
    await pay(visitor.page);
    await server.recorded(event, reservation, 'reservation.expired', 10_000);
    await server.user().buys(event, { seat_ids: ['A-1-1', 'A-1-2'] });
    await sees(visitor.page, '승인을 취소했고 청구되지 않습니다');
    clean(visitor);
    await visitor.close();
  });

  test('closed while it was approved, reopened from another page: the order is there', async () => {
    const event = await server.event();
    const visitor = await fan();
    await enter(visitor, event);
    await holdBest(visitor.page);
    await choose(visitor.page, 'delay', 1);
    await pay(visitor.page);
    const intent = await visitor.page.waitForFunction((id) => JSON.parse(localStorage.getItem(`tt.sale.${id}`) ?? '{}').pay?.intent, event);
    assert.ok(await intent.jsonValue());
    const context = visitor.page.context();
    await visitor.page.close();
    const page = await context.newPage();
    await page.goto(new URL('/', server.url).href);
    // The way on is offered until the page has heard of the order; then the order is in its list.
    await page.getByText('이어서 하기').click({ timeout: 5000 }).catch(async () => {
      await page.goto(new URL('/orders', server.url).href);
      await page.locator('a[href^="/orders/ord_"]').first().click();
    });
    await onTicket(page);
    await visitor.close();
  });
});

describe('time', { skip }, () => {
  test('a hold that runs out says so, and choosing goes on', async () => {
    const event = await server.event({ hold_ttl_sec: 3 });
    const visitor = await fan();
    await enter(visitor, event);
    await holdBest(visitor.page);
    await sees(visitor.page, /결제 시간이 지나 좌석이 풀렸어요/);
    await visitor.page.getByRole('link', { name: /다른 좌석 고르기/ }).click();
    await heading(visitor.page, '좌석 고르기');
    clean(visitor);
    await visitor.close();
  });

  test('time to choose that runs out ends it, and sends no hold', async () => {
    const event = await server.event({ queue: { admission_ttl_sec: 3 } });
    const visitor = await fan();
    await enter(visitor, event);
    await sees(visitor.page, '고르는 시간이 끝났어요');
    assert.ok(!visitor.asked.some(({ call }) => call === 'POST /reservations'));
    await visitor.page.getByRole('button', { name: '다시 줄 서기' }).click();
    await visitor.page.waitForURL('**/seats');
    await visitor.close();
  });

  test('seats given back are free at once, and another choice is possible', async () => {
    const event = await server.event();
    const visitor = await fan();
    const { page } = visitor;
    await enter(visitor, event);
    await holdBest(page);
    await page.getByRole('button', { name: '좌석 놓아주기' }).click();
    await page.getByRole('dialog').getByText('남은 시간').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: '좌석 놓아주기' }).click();
    await sees(page, '좌석을 놓아줬어요');
    assert.ok(!(await states(event)).includes('1'));
    await page.getByRole('link', { name: /다른 좌석 고르기/ }).click();
    await holdBest(page);
    clean(visitor);
    await visitor.close();
  });
});

test('a refund asks, pays back, and takes the code away', { skip }, async () => {
  const event = await server.event();
  const visitor = await fan();
  const { page } = visitor;
  await enter(visitor, event);
  await holdBest(page);
  await pay(page);
  await onTicket(page);
  await page.getByRole('button', { name: '환불하기' }).click();
  await page.getByRole('dialog').getByText('환불 금액: 20,000원').waitFor();
  await page.getByRole('dialog').getByRole('button', { name: '환불하기' }).click();
  await sees(page, '환불된 티켓');
  assert.equal(await page.locator('svg.qr').count(), 0);
  assert.ok(!(await states(event)).includes('2'), 'on sale again');
  clean(visitor);
  await visitor.close();
});

test('somebody else’s order and reservation are not shown', { skip }, async () => {
  const event = await server.event();
  const { order } = await server.user().buys(event);
  const held = await server.user().holds(event);
  const visitor = await fan();
  await visitor.visit(`/orders/${order.order_id}`);
  await sees(visitor.page, '이 계정으로는 볼 수 없어요');
  await visitor.visit(`/pay/${held.reservation_id}`);
  await sees(visitor.page, '이 계정으로는 볼 수 없어요');
  assert.equal(await visitor.page.locator('svg.qr').count(), 0);
  await visitor.close();
});

test('standing room is bought by number', { skip }, async () => {
  const event = await server.event({ sections: [{ id: 'GA', price: 5000, capacity: 50 }] });
  const visitor = await fan();
  const { page } = visitor;
  await enter(visitor, event);
  await page.getByRole('button', { name: '목록', exact: true }).click();
  await page.getByRole('button', { name: /2매 잡기 · 10,000원/ }).click();
  await onCheckout(page);
  await pay(page);
  await onTicket(page);
  assert.equal(await page.locator('svg.qr').count(), 2);
  clean(visitor);
  await visitor.close();
});
