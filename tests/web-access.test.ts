// For everybody: no violation on any screen, no scrolling to the side at 320 pixels, everything by keyboard alone.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { granted } from './client.ts';
import { serve } from './harness.ts';
import { accessible } from './web/axe.ts';
import { DESKTOP, fits, heading, person, PHONE, skip, type Person } from './web/browser.ts';
import { clean, enter, holdBest, onCheckout, onTicket, pay, sees } from './web/journey.ts';

const server = skip ? undefined! : await serve({ PAYMENT_DELAY_MS: '300' });
const NARROW = { ...PHONE, viewport: { width: 320, height: 640 } };

/** Text spaced as WCAG 1.4.12 says must be bearable, and twice as large. */
async function roomy({ page }: Person): Promise<void> {
  await page.evaluate(() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync('* { letter-spacing: .12em !important; word-spacing: .16em !important; line-height: 1.5 !important; } p { margin-bottom: 2em !important; }');
    document.adoptedStyleSheets = [sheet];
  });
}

describe('screens', { skip }, () => {
  for (const lang of ['ko', 'en'] as const) {
    test(`${lang}: each one, light and dark, wide and narrow`, async () => {
      const open = await server.event({ name: { ko: '열린 공연', en: 'Open show' }, venue: { ko: '홀', en: 'Hall' }, starts_at: '2035-01-01T10:00:00Z' });
      const paused = await server.event({ name: { ko: '멈춘 공연', en: 'Paused show' }, queue: { paused: true, notice: { ko: '곧 시작해요.', en: 'Starting soon.', level: 'warning' } } });
      const later = await server.event({ name: { ko: '다음 공연', en: 'Later show' }, sale_opens_at: new Date(Date.now() + 300_000).toISOString() });
      const visitor = await person(server, { user: true, lang, device: lang === 'ko' ? NARROW : PHONE });
      const { page } = visitor;
      const look = async (where: string): Promise<void> => {
        await page.locator('.skeleton').first().waitFor({ state: 'detached' }).catch(() => {});
        await accessible(page, where);
        await fits(page, where);
      };
      await visitor.visit('/');
      await page.locator('.card').first().waitFor();
      await look('home');
      await visitor.visit(`/e/${later}`);
      await page.locator('.count').waitFor();
      await look('before the opening');
      for (const path of ['/help', '/terms', '/privacy']) {
        await visitor.visit(path);
        await look(path);
      }
      await visitor.visit('/e/nothing');
      await page.locator('.notice.bad').waitFor();
      await look('no such event');
      await visitor.visit(`/e/${paused}`);
      await page.getByRole('button', { name: lang === 'ko' ? '줄 서기' : 'Join the line', exact: true }).click();
      await page.waitForURL('**/wait');
      await page.locator('.eta').waitFor();
      await page.locator('.switches').waitFor();
      await look('waiting');
      await page.getByRole('button', { name: lang === 'ko' ? '줄에서 나가기' : 'Leave the line' }).click();
      await page.getByRole('dialog').waitFor();
      await look('asking before leaving');
      await page.keyboard.press('Escape');
      await enter(visitor, open, lang);
      for (const way of lang === 'ko' ? ['지도', '목록', '자동배정'] : ['Map', 'List', 'Best available']) {
        await page.getByRole('button', { name: way, exact: true }).click();
        await look(`seats, ${way}`);
      }
      await holdBest(page, lang);
      await look('checkout');
      await pay(page, lang);
      await onTicket(page);
      await look('ticket');
      await visitor.visit('/orders');
      await page.locator('.booking').first().waitFor();
      await look('orders');
      await page.evaluate(() => localStorage.removeItem('tt.auth'));
      for (const path of ['/login', '/register', '/orders']) {
        await visitor.visit(path);
        await page.locator('form').waitFor();
        await look(path);
      }
      clean(visitor);
      await visitor.close();
    });
  }

  test('spaced text and text twice as large stay inside 320 pixels', async () => {
    const event = await server.event({ name: '아주 긴 이름을 가진 겨울밤 특별 공연', queue: { paused: true } });
    const visitor = await person(server, { user: true, device: NARROW });
    for (const path of ['/', `/e/${event}`, '/orders', '/login']) {
      await visitor.visit(path);
      await visitor.page.getByRole('heading', { level: 1 }).waitFor();
      await visitor.page.locator('.skeleton').waitFor({ state: 'detached' });
      await roomy(visitor);
      await visitor.page.evaluate(() => (document.documentElement.style.fontSize = '200%'));
      await fits(visitor.page, `${path} at 200 %`);
    }
    await visitor.close();
  });
});

test('the whole purchase by keyboard alone, within the time to choose', { skip }, async () => {
  const event = await server.event({ queue: { admission_ttl_sec: 60 } });
  const visitor = await person(server, { user: true, device: DESKTOP });
  const { page } = visitor;
  const press = async (name: string | RegExp, key = 'Enter', role: 'button' | 'link' = 'button'): Promise<void> => {
    const target = page.getByRole(role, { name }).first();
    await target.waitFor();
    // Tab by tab, as somebody without a mouse does.
    for (let tab = 0; tab < 120; tab++) {
      if (await target.evaluate((element) => element === document.activeElement)) return page.keyboard.press(key);
      await page.keyboard.press('Tab');
    }
    assert.fail(`${String(name)} cannot be reached`);
  };
  await visitor.visit(`/e/${event}`);
  await press(/^예매하기$/);
  await page.waitForURL('**/seats');
  await press('목록에서 고르기', 'Enter', 'link');
  await press(/^A석 1열 1–2번$/);
  await press(/^2석 잡기/);
  await onCheckout(page);
  const terms = page.getByLabel(/동의해요/);
  for (let tab = 0; tab < 60 && !(await terms.evaluate((element) => element === document.activeElement)); tab++) await page.keyboard.press('Tab');
  await page.keyboard.press('Space');
  await press(/결제하기$/);
  await onTicket(page);
  clean(visitor);
  await visitor.close();
});

test('the map by keyboard: into a section, along a row, choose, out again', { skip }, async () => {
  const event = await server.event();
  const visitor = await person(server, { user: true, device: DESKTOP });
  const { page } = visitor;
  await enter(visitor, event);
  await page.getByRole('button', { name: '줄이기' }).first().click();
  const focus = page.locator('.map-focus');
  await focus.focus();
  assert.match((await focus.getAttribute('aria-label'))!, /^A, 10,000원, 50$/);
  await page.keyboard.press('Enter');
  assert.match((await focus.getAttribute('aria-label'))!, /^A석 1열 1번, 10,000원, 선택 가능$/);
  for (const key of ['ArrowRight', 'ArrowRight', 'ArrowDown']) await page.keyboard.press(key);
  assert.match((await focus.getAttribute('aria-label'))!, /^A석 2열 3번/);
  await page.keyboard.press('Space');
  await page.locator('.chips').getByText('A석 2열 3번').waitFor();
  await page.keyboard.press('End');
  assert.match((await focus.getAttribute('aria-label'))!, /^A석 2열 10번/);
  await page.keyboard.press('Escape');
  assert.match((await focus.getAttribute('aria-label'))!, /^A, /);
  clean(visitor);
  await visitor.close();
});

test('what changes is said, the number of the place is not', { skip }, async () => {
  const event = await server.event({ queue: { paused: true } });
  const visitor = await person(server, { user: true });
  const { page } = visitor;
  await visitor.visit(`/e/${event}`);
  await page.evaluate(() => {
    const said: string[] = ((window as any).said = []);
    for (const region of document.querySelectorAll('[aria-live]')) new MutationObserver(() => region.textContent && said.push(region.textContent)).observe(region, { childList: true, characterData: true, subtree: true });
  });
  await page.getByRole('button', { name: '줄 서기', exact: true }).click();
  await page.locator('[data-testid=position]').getByText('1', { exact: true }).waitFor();
  assert.equal(await page.locator('[data-testid=position]').evaluate((element) => element.closest('[aria-live]')), null);
  granted(await server.admin.post(`/admin/events/${event}/queue`, { paused: false }, { key: null }));
  await page.waitForURL('**/seats');
  await heading(page, '좌석 고르기');
  const said: string[] = await page.evaluate(() => (window as any).said);
  for (const words of ['줄에 섰어요.', '차례가 됐어요! 좌석 선택으로 이동해요.', '입장했어요. 좌석을 고르세요.']) assert.ok(said.some((each) => each.includes(words)), `${words} in ${said.join(' | ')}`);
  assert.equal(await page.getAttribute('[role=timer]', 'aria-live'), null, 'seconds are not said');
  await sees(page, '남은 시간');
  await visitor.close();
});
