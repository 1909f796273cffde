// Steps of a purchase as somebody takes them on the pages.

import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import type { Person } from './browser.ts';

const W = {
  ko: { join: '예매하기', best: '자동배정', holdBest: /바로 잡기/, list: '목록', pay: /결제하기$/, terms: /동의해요/, user: '아이디', password: '비밀번호', signIn: '로그인' },
  en: { join: 'Get tickets', best: 'Best available', holdBest: /^Hold/, list: 'List', pay: /^Pay/, terms: /I accept/, user: 'User name', password: 'Password', signIn: 'Sign in' },
};
export type Lang = keyof typeof W;

/** From the event's page to the seats, however short the line is. */
export async function enter({ page, visit }: Person, event: string, lang: Lang = 'ko'): Promise<void> {
  await visit(`/e/${event}`);
  await page.getByRole('button', { name: W[lang].join, exact: true }).click();
  await page.waitForURL('**/seats');
  await page.locator('.seats-bar').waitFor();
}

export async function signIn(page: Page, username: string, password: string, lang: Lang = 'ko'): Promise<void> {
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(W[lang].user).fill(username);
  await dialog.getByLabel(new RegExp(`^${W[lang].password}`)).fill(password);
  await dialog.getByRole('button', { name: W[lang].signIn, exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
}

/** Holds the best seats; on the checkout then. */
export async function holdBest(page: Page, lang: Lang = 'ko'): Promise<string> {
  await page.getByRole('button', { name: W[lang].best, exact: true }).click();
  await page.getByRole('button', { name: W[lang].holdBest }).click();
  return onCheckout(page);
}

/** Holds the first seats that the list offers. */
export async function holdFromList(page: Page, lang: Lang = 'ko'): Promise<string> {
  await page.getByRole('button', { name: W[lang].list, exact: true }).click();
  await page.locator('.runs button').first().click();
  await page.locator('.tray .primary').click();
  return onCheckout(page);
}

/** The reservation that is being paid. */
export async function onCheckout(page: Page): Promise<string> {
  await page.waitForURL('**/pay/rsv_*');
  await page.locator('.receipt').waitFor();
  return new URL(page.url()).pathname.split('/').at(-1)!;
}

export async function choose(page: Page, scenario: 'approve' | 'fail' | 'delay' | 'random' | 'timeout', seconds?: number): Promise<void> {
  await page.locator('.simulator summary').click();
  await page.locator('.simulator select').selectOption(scenario);
  if (seconds !== undefined) await page.locator('.simulator input').fill(String(seconds));
}

export async function pay(page: Page, lang: Lang = 'ko'): Promise<void> {
  await page.getByLabel(W[lang].terms).check();
  await page.getByRole('button', { name: W[lang].pay }).click();
}

/** On the ticket; the order. */
export async function onTicket(page: Page): Promise<string> {
  await page.waitForURL('**/orders/ord_*');
  await page.locator('svg.qr').first().waitFor();
  return new URL(page.url()).pathname.split('/').at(-1)!;
}

export const sees = (page: Page, text: string | RegExp): Promise<void> => page.getByText(text).first().waitFor();

/** Nobody was shown a blank page or a broken script. */
export function clean({ complaints }: Person): void {
  assert.deepEqual(complaints, []);
}
