// The organiser's console: seeing a sale, pausing it, changing it, holding seats back, making another.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { granted } from './client.ts';
import { serve } from './harness.ts';
import { until } from './until.ts';
import { accessible } from './web/axe.ts';
import { DESKTOP, fits, heading, person, PHONE, skip, type Person } from './web/browser.ts';
import { clean, sees } from './web/journey.ts';

const server = skip ? undefined! : await serve();
const organiser = (more: object = {}): Promise<Person> => person(server, { admin: true, device: DESKTOP, ...more });
const queueOf = async (event: string): Promise<any> => granted(await server.admin.get(`/admin/events/${event}`)).queue;

test('others may not see it, and do not download it', { skip }, async () => {
  const visitor = await person(server, { user: true });
  await visitor.visit('/console');
  await sees(visitor.page, '이 계정으로는 볼 수 없어요');
  assert.ok(!visitor.asked.some(({ call }) => call.includes('/admin/')));
  await visitor.close();
});

test('entry is paused with one press and resumed with two; those waiting are told', { skip }, async () => {
  const event = await server.event({ queue: { admit_per_sec: 1, burst: 1, max_active: 1 } });
  const inside = server.user();
  const ahead = await inside.waits(event);
  await inside.ready(ahead);
  const [visitor, boss] = [await person(server, { user: true }), await organiser()];
  await visitor.visit(`/e/${event}`);
  await visitor.page.getByRole('button', { name: '예매하기', exact: true }).click();
  await visitor.page.waitForURL('**/wait');
  await boss.visit(`/console/${event}`);
  // By keyboard, since seconds count.
  const pause = boss.page.getByRole('button', { name: /입장 멈춤/ });
  await pause.focus();
  await boss.page.keyboard.press('Enter');
  await until('the pause', 5000, async () => (await queueOf(event)).paused);
  await sees(visitor.page, '입장을 잠시 멈췄어요. 순번은 그대로예요.');
  granted(await inside.leave(ahead));
  await boss.page.getByRole('button', { name: /입장 다시 열기/ }).click();
  await boss.page.getByRole('dialog').getByRole('button', { name: '입장 다시 열기' }).click();
  await visitor.page.waitForURL('**/seats');
  clean(visitor);
  clean(boss);
  await visitor.close();
  await boss.close();
});

test('rates: before and after, what it means, apply, undo; a notice reaches those waiting', { skip }, async () => {
  const event = await server.event({ queue: { paused: true, admit_per_sec: 50 } });
  const [visitor, boss] = [await person(server, { user: true }), await organiser()];
  const { page } = boss;
  await visitor.visit(`/e/${event}`);
  await visitor.page.getByRole('button', { name: '줄 서기', exact: true }).click();
  await visitor.page.waitForURL('**/wait');
  await boss.visit(`/console/${event}`);
  await page.getByLabel('초당 입장').first().fill('0');
  await sees(page, '1에서 100,000 사이의 정수를 적어 주세요.');
  await page.getByLabel('초당 입장').first().fill('80');
  await sees(page, '50 → 80');
  await sees(page, /예상 대기/);
  await page.getByRole('button', { name: '적용', exact: true }).click();
  await until('the new rate', 5000, async () => (await queueOf(event)).admit_per_sec === 80);
  await page.getByRole('button', { name: /되돌리기/ }).click();
  await until('the old rate', 5000, async () => (await queueOf(event)).admit_per_sec === 50);
  await page.getByLabel('안내 문구 (한국어)').fill('음향을 점검하고 있어요.');
  await page.getByLabel('안내 문구 (영어)').fill('We are checking the sound.');
  await page.getByRole('button', { name: '안내 내보내기' }).click();
  await sees(visitor.page, '음향을 점검하고 있어요.');
  await page.getByRole('button', { name: '표로 보기' }).first().click();
  await page.locator('.chart table tbody tr').nth(1).waitFor();
  clean(boss);
  await visitor.close();
  await boss.close();
});

test('seats are held back and released; buyers see it; the ledger replays to the live map', { skip }, async () => {
  const event = await server.event();
  await server.user().buys(event, { seat_ids: ['A-5-1'] });
  const boss = await organiser();
  const { page } = boss;
  await boss.visit(`/console/${event}/seats`);
  await page.getByRole('combobox', { name: '열', exact: true }).selectOption({ label: '2' });
  await page.getByLabel('부터').fill('3');
  await page.getByLabel('까지').fill('6');
  await page.getByRole('button', { name: '더하기' }).click();
  await page.getByRole('button', { name: '4석 막기' }).click();
  await sees(page, '4석을 바꿨어요.');
  const seats = async (): Promise<string> => granted(await server.anyone().get(`/events/${event}/seats`)).sections[0].states;
  await until('the block', 5000, async () => (await seats()).slice(10, 20) === '0033330000');
  await page.getByRole('button', { name: 'A-2-4', exact: true }).click();
  await page.getByRole('button', { name: '1석 풀기' }).click();
  await until('the release', 5000, async () => (await seats()).slice(10, 20) === '0030330000');
  await page.getByRole('link', { name: '원장' }).click();
  await sees(page, /빠진 기록이 없어요/);
  await sees(page, /지금과 같아요/);
  await page.locator('.replay input').fill('2');
  await sees(page, '남음 49 · 결제 중 0 · 판매 1 · 막음 0');
  clean(boss);
  await boss.close();
});

test('an event is made, is on sale, and cannot lose sold seats', { skip }, async () => {
  const boss = await organiser();
  const { page } = boss;
  const id = `evt_${randomBytes(5).toString('hex')}`;
  await boss.visit('/console/new');
  await page.getByLabel('공연 주소에 쓸 이름').fill(id);
  await page.getByLabel('이름 (한국어)').first().fill('새로 만든 공연');
  await page.getByLabel('열 수').fill('40');
  await page.getByLabel('첫 열 좌석').fill('100');
  await page.getByLabel('열마다 더하기').fill('2');
  await sees(page, '모두 5,560석 / 최대 200,000석');
  await page.getByLabel('첫 열 좌석').fill('6000');
  await sees(page, '좌석이 200,000석을 넘어요.');
  assert.ok(await page.getByRole('button', { name: '저장', exact: true }).isDisabled());
  await page.getByLabel('열 수').fill('2');
  await page.getByLabel('첫 열 좌석').fill('10');
  await page.getByRole('button', { name: '저장', exact: true }).click();
  await page.waitForURL(`**/console/${id}/edit`);
  await heading(page, '공연 편집');
  const made = granted(await server.admin.get(`/admin/events/${id}`));
  assert.deepEqual([made.name.ko, made.sections[0].rows.map(({ count }: any) => count)], ['새로 만든 공연', [10, 12]]);
  await server.user().buys(id, { seat_ids: ['A-2-12'] });
  await page.getByRole('button', { name: '식으로 다시 만들기' }).click();
  await page.getByLabel('열 수').fill('1');
  await page.getByRole('button', { name: '저장', exact: true }).click();
  await sees(page, '팔렸거나 잡힌 좌석이 없어지는 변경이에요.');
  await boss.close();
});

test('webhooks are added and removed; what could not be delivered is sent again', { skip }, async () => {
  const boss = await organiser();
  const { page } = boss;
  await boss.visit('/console/webhooks');
  await page.getByLabel(/^이름/).fill('partner-1');
  await page.getByLabel(/^주소/).fill('http://127.0.0.1:9/hooks');
  await page.getByRole('button', { name: '만들기' }).click();
  assert.match(await page.getByLabel(/^비밀 값/).inputValue(), /^whsec_/);
  await page.getByRole('button', { name: '저장', exact: true }).click();
  await page.getByText('partner-1').first().waitFor();
  assert.equal(granted(await server.admin.get('/admin/webhooks/partner-1')).url, 'http://127.0.0.1:9/hooks');
  await page.getByRole('button', { name: '지우기' }).click();
  await page.getByRole('dialog').getByRole('button', { name: '지우기' }).click();
  await until('the removal', 5000, async () => (await server.admin.get('/admin/webhooks/partner-1')).status === 404);
  const letter = { id: 'dl_1', webhook_id: 'partner-1', envelope_id: 'e', type: 'reservation.confirmed', event_id: 'evt_x', sequence: 4, attempts: 8, problem: 'connection refused', failed_at: new Date().toISOString() };
  await page.route('**/api/v1/admin/dead-letters', (route) => route.fulfill({ json: { dead_letters: [letter], next_cursor: null } }));
  await page.route('**/api/v1/admin/dead-letters/dl_1/redrive', (route) => route.fulfill({ json: { id: 'dl_1', status: 'redriven' } }));
  await page.getByRole('link', { name: '배달 실패' }).click();
  await sees(page, 'connection refused');
  await page.getByRole('button', { name: '다시 보내기', exact: true }).click();
  await until('the redrive', 5000, () => boss.asked.some(({ call, key }) => call === 'POST /admin/dead-letters/dl_1/redrive' && !!key));
  clean(boss);
  await boss.close();
});

test('every page of it is accessible, and can be used on a phone', { skip }, async () => {
  const event = await server.event();
  await server.user().buys(event);
  for (const [lang, device] of [['ko', DESKTOP], ['en', PHONE]] as const) {
    const boss = await organiser({ lang, device });
    for (const path of ['', '/new', '/webhooks', '/dead-letters', '/system', `/${event}`, `/${event}/seats`, `/${event}/ledger`, `/${event}/edit`]) {
      await boss.visit(`/console${path}`);
      await boss.page.getByRole('heading', { level: 1 }).waitFor();
      await boss.page.locator('.skeleton').waitFor({ state: 'detached' });
      await accessible(boss.page, `/console${path}`);
      await fits(boss.page, `/console${path}`);
    }
    clean(boss);
    await boss.close();
  }
});
