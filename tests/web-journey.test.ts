// The whole purchase, on a phone and on a desktop, in Korean and in English, with every step reloaded.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Caller, granted } from './client.ts';
import { serve } from './harness.ts';
import { DESKTOP, heading, noKorean, person, PHONE, skip } from './web/browser.ts';
import { clean, holdBest, holdFromList, onCheckout, onTicket, pay, sees, signIn } from './web/journey.ts';

const server = skip ? undefined! : await serve({ PAYMENT_DELAY_MS: '300' });

describe('the whole purchase', { skip }, () => {
  for (const lang of ['ko', 'en'] as const) {
    for (const [name, device] of [['phone', PHONE], ['desktop', DESKTOP]] as const) {
      test(`${lang}, ${name}: home, line, sign in, seats, pay, ticket`, async () => {
        const title = { ko: `가을밤 ${name}`, en: `Autumn night ${name} ${lang}` };
        await server.event({ name: title, venue: { ko: '시민홀', en: 'City Hall' } });
        const visitor = await person(server, { lang, device });
        const { page } = visitor;
        // A list is at most 5 s behind.
        await visitor.visit('/');
        await page.getByText(title[lang]).first().waitFor({ timeout: 8000 }).catch(() => page.reload());
        await page.getByRole('link', { name: title[lang] }).first().click();
        await heading(page, title[lang]);
        assert.equal(await page.getAttribute('html', 'lang'), lang);
        if (lang === 'en') await noKorean(page);
        await page.getByRole('button', { name: lang === 'ko' ? '예매하기' : 'Get tickets', exact: true }).click();
        await page.waitForURL('**/seats');
        // A guest came through: the sheet opens by itself, and what was under way stays.
        await signIn(page, 'user01', 'pwd01', lang);
        const reservation = await (name === 'phone' ? holdBest(page, lang) : holdFromList(page, lang));
        if (lang === 'en') await noKorean(page);
        const price = await page.locator('.pay-panel .total').innerText();
        assert.match(price, /20,000/, 'two seats at 10,000');
        await pay(page, lang);
        const order = await onTicket(page);
        if (lang === 'en') await noKorean(page);
        const { token } = granted(await server.anyone().post('/auth/login', { username: 'user01', password: 'pwd01' }));
        const bought = granted(await new Caller(server.url, token).order(order));
        assert.deepEqual([bought.reservation_id, bought.status, bought.total_amount, bought.tickets.length], [reservation, 'CONFIRMED', 20_000, 2]);
        assert.equal(await page.locator('svg.qr').count(), 2);
        const joins = visitor.asked.filter(({ call }) => call === 'POST /queue/join');
        assert.equal(joins.length, 1);
        clean(visitor);
        await visitor.close();
      });
    }
  }
});

test('every step survives a reload, and every request keeps its key', { skip }, async () => {
  const event = await server.event({ queue: { admit_per_sec: 1, burst: 1, max_active: 1 } });
  // Somebody is inside, so that there is a line to stand in.
  const first = server.user();
  const ahead = await first.waits(event);
  await first.ready(ahead);
  granted(await first.enter(ahead));
  const visitor = await person(server, { user: true });
  const { page } = visitor;
  await visitor.visit(`/e/${event}`);
  await page.getByRole('button', { name: '예매하기', exact: true }).click();
  await page.waitForURL('**/wait');
  await heading(page, '대기 중이에요');
  await page.locator('[data-testid=position]').getByText('1', { exact: true }).waitFor();
  await page.reload();
  await page.locator('[data-testid=position]').getByText('1', { exact: true }).waitFor();
  granted(await first.leave(ahead));
  await page.waitForURL('**/seats');
  await page.getByRole('button', { name: '목록', exact: true }).click();
  await page.locator('.runs button').first().click();
  await page.reload();
  await page.locator('.chips li').nth(1).waitFor();
  assert.equal(await page.locator('.chips li').count(), 2, 'the choice is still there');
  await page.locator('.tray .primary').click();
  const reservation = await onCheckout(page);
  await page.reload();
  assert.equal(await onCheckout(page), reservation);
  await page.locator('.simulator summary').click();
  await page.locator('.simulator select').selectOption('delay');
  await page.locator('.simulator input').fill('2');
  await pay(page);
  await sees(page, '결제 승인을 기다리고 있어요');
  await page.reload();
  await sees(page, '결제 승인을 기다리고 있어요');
  const order = await onTicket(page);
  await page.reload();
  assert.equal(await onTicket(page), order);
  for (const call of ['POST /queue/join', 'POST /queue/enter', 'POST /reservations', 'POST /payments/intent']) {
    const keys = new Set(visitor.asked.filter((each) => each.call === call).map(({ key }) => key));
    assert.equal(keys.size, 1, `${call} has one key, however often it was sent`);
  }
  clean(visitor);
  await visitor.close();
});

test('a place outlives its tab, and another tab has the same one', { skip }, async () => {
  const event = await server.event({ queue: { paused: true } });
  const visitor = await person(server, { user: true });
  await visitor.visit(`/e/${event}`);
  await visitor.page.getByRole('button', { name: '줄 서기', exact: true }).click();
  await visitor.page.waitForURL('**/wait');
  await visitor.page.locator('[data-testid=position]').getByText('1', { exact: true }).waitFor();
  const context = visitor.page.context();
  const second = await context.newPage();
  await second.goto(new URL('/', server.url).href);
  await second.getByText('대기 중 · 1번').waitFor();
  await visitor.page.close();
  await second.getByText('이어서 하기').click();
  await second.locator('[data-testid=position]').getByText('1', { exact: true }).waitFor();
  const stats = granted(await server.anyone().get(`/queue/stats?event_id=${event}`));
  assert.equal(stats.waiting, 1, 'one place');
  await second.getByRole('button', { name: '줄에서 나가기' }).click();
  await second.getByRole('dialog').getByRole('button', { name: '줄에서 나가기' }).click();
  await heading(second, '대기가 끝났어요');
  await second.reload();
  await second.getByText('줄에서 나왔어요').first().waitFor();
  await visitor.close();
});
