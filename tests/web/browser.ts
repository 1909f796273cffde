// A real browser on the built pages: one for each test file, a context for each person.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import type { Server } from '../harness.ts';

export const CHROMIUM = process.env.CHROMIUM_BIN ?? '';
/** For `test`: why it cannot run, or nothing. */
export const skip = !CHROMIUM && 'there is no Chromium on this machine';

export const PHONE: BrowserContextOptions = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
export const DESKTOP: BrowserContextOptions = { viewport: { width: 1280, height: 860 } };

/** How long anything on a page may take on a busy machine. */
export const PATIENCE_MS = 60_000;

let browser: Promise<Browser> | undefined;
const launch = (): Promise<Browser> => {
  browser ??= chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-quic'] });
  return browser;
};
after(async () => (await browser)?.close());

export interface Person {
  page: Page;
  /** Complaints of the page: script errors, broken policies, requests to other places. */
  complaints: string[];
  /** Every request to the API, as `POST /queue/join`. */
  asked: { call: string; key: string | undefined }[];
  visit: (path: string) => Promise<void>;
  close: () => Promise<void>;
}

export interface Who {
  lang?: 'ko' | 'en';
  device?: BrowserContextOptions;
  /** Signed in as a new user, as this token, or not at all. */
  user?: boolean | string;
  admin?: boolean;
  options?: BrowserContextOptions;
  prefs?: object;
}

/** Somebody with a browser of their own. */
export async function person(server: Server, { lang = 'ko', device = PHONE, user = false, admin = false, options = {}, prefs }: Who = {}): Promise<Person> {
  const context = await (await launch()).newContext({ ...device, locale: lang === 'ko' ? 'ko-KR' : 'en-GB', timezoneId: 'America/New_York', reducedMotion: 'reduce', ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const token = admin ? server.mint({ role: 'admin', username: 'organiser' }) : user === true ? server.mint({ username: 'fan' }) : user;
  const stored = { ...(token && { 'tt.auth': JSON.stringify({ token, userId: 'u', username: 'fan', name: 'Fan', role: admin ? 'admin' : 'user', until: Date.now() + 3_600_000 }) }), ...(prefs && { 'tt.prefs': JSON.stringify(prefs) }) };
  await context.addInitScript((items) => {
    for (const [name, value] of Object.entries(items)) if (localStorage.getItem(name) === null && !sessionStorage.getItem('seeded')) localStorage.setItem(name, value);
    sessionStorage.setItem('seeded', '1');
  }, stored as Record<string, string>);
  const page = await context.newPage();
  const complaints: string[] = [];
  const asked: Person['asked'] = [];
  watch(page, new URL(server.url).origin, complaints, asked);
  return {
    page, complaints, asked,
    visit: async (path) => void (await page.goto(new URL(path, server.url).href)),
    close: () => context.close(),
  };
}

/** Sockets and failed requests are part of life; script errors, broken policies and third parties are not. */
function watch(page: Page, origin: string, complaints: string[], asked: Person['asked']): void {
  page.on('pageerror', (error) => complaints.push(`script: ${error.message}`));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('console', (message) => /Content Security Policy|Refused to|violates/i.test(message.text()) && complaints.push(message.text()));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (/^(blob|data):/.test(url.protocol)) return;
    if (url.origin !== origin) complaints.push(`third party: ${url.href}`);
    if (url.pathname.startsWith('/api/v1/')) asked.push({ call: `${request.method()} ${url.pathname.slice(7)}`, key: request.headers()['idempotency-key'] });
  });
}

export const heading = (page: Page, text: string | RegExp): Promise<void> => page.getByRole('heading', { level: 1, name: text }).waitFor();

/** Nothing sticks out to the side. */
export async function fits(page: Page, where: string): Promise<void> {
  const over = await page.evaluate(() => ({ width: document.documentElement.scrollWidth, seen: document.documentElement.clientWidth }));
  assert.ok(over.width <= over.seen, `${where}: ${over.width}px wide on a screen of ${over.seen}px`);
}

/** No Korean is left in an English page, but where it is marked as such. */
export async function noKorean(page: Page): Promise<void> {
  const left = await page.evaluate(() => {
    const found: string[] = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (/[가-힣]/.test(node.textContent ?? '') && !node.parentElement?.closest('[lang=ko]')) found.push(node.textContent!);
    }
    return found;
  });
  assert.deepEqual(left, []);
}
