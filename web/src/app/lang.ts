// Two languages: which one, and how money, time and numbers are written in it. All times are Korea's.

import { signal } from '@preact/signals';
import type { Text } from '../api/contract.ts';

export type Lang = 'ko' | 'en';
/** A text: Korean, English. `{name}` stands for a value. */
export type Pair = readonly [ko: string, en: string];
type Values = Record<string, string | number>;

const KEPT = 'tt.lang';

function firstLang(): Lang {
  try {
    const kept = localStorage.getItem(KEPT);
    if (kept === 'ko' || kept === 'en') return kept;
  } catch {
    // Storage is blocked.
  }
  return navigator.language?.startsWith('ko') ? 'ko' : navigator.languages?.some((name) => name.startsWith('ko')) ? 'ko' : 'en';
}

export const lang = signal<Lang>(firstLang());

export function setLang(next: Lang): void {
  lang.value = next;
  try {
    localStorage.setItem(KEPT, next);
  } catch {
    // It holds for this page.
  }
}

const pick = <T,>(ko: T, en: T): T => (lang.value === 'ko' ? ko : en);

/** A text in the language shown now. */
export function t(pair: Pair, values: Values = {}): string {
  return pick(pair[0], pair[1]).replace(/\{(\w+)\}/g, (_, name: string) => (typeof values[name] === 'number' ? count(values[name]) : (values[name] ?? '')));
}

/** A text of the organiser's, which may be in both languages. */
export const own = (text: Text): string => (typeof text === 'string' ? text : pick(text.ko, text.en));

export const count = (n: number): string => n.toLocaleString('en-US');

/** Money from minor units. */
export function money(amount: number, currency = 'KRW'): string {
  if (currency === 'KRW') return pick(`${count(amount)}원`, `₩${count(amount)}`);
  const format = new Intl.NumberFormat(pick('ko', 'en'), { style: 'currency', currency });
  return format.format(amount / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}

type Parts = Record<'year' | 'month' | 'day' | 'weekday' | 'hour' | 'minute' | 'second', string>;

function partsOf(at: number | string, month: 'numeric' | 'short'): Parts {
  const format = new Intl.DateTimeFormat(pick('ko', 'en-GB'), {
    timeZone: 'Asia/Seoul', hourCycle: 'h23', year: 'numeric', month, day: 'numeric', weekday: 'short',
    hour: '2-digit', minute: '2-digit', second: '2-digit',
  });
  return Object.fromEntries(format.formatToParts(new Date(at)).map(({ type, value }) => [type, value])) as Parts;
}

/** `2026. 11. 20.(금) 20:00` / `Fri 20 Nov 2026, 20:00 KST`. */
export function dateTime(at: number | string): string {
  if (lang.value === 'ko') {
    const { year, month, day, weekday, hour, minute } = partsOf(at, 'numeric');
    return `${year}. ${month.replace('월', '')}. ${day.replace('일', '')}.(${weekday}) ${hour}:${minute}`;
  }
  const { year, month, day, weekday, hour, minute } = partsOf(at, 'short');
  return `${weekday} ${day} ${month} ${year}, ${hour}:${minute} KST`;
}

/** `11월 20일(금)` / `Fri 20 Nov`. */
export function shortDate(at: number | string): string {
  const { month, day, weekday } = partsOf(at, lang.value === 'ko' ? 'numeric' : 'short');
  return pick(`${month.replace('월', '')}월 ${day.replace('일', '')}일(${weekday})`, `${weekday} ${day} ${month}`);
}

/** `20:00:00`, with milliseconds where wanted. */
export function clockTime(at: number, millis = false): string {
  const { hour, minute, second } = partsOf(at, 'numeric');
  return `${hour}:${minute}:${second}${millis ? `.${String(Math.floor(at) % 1000).padStart(3, '0')}` : ''}`;
}

/** Time left as `2:41`, or `3:02:41`. Never more than there is. */
export function countdown(ms: number): string {
  const all = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes, seconds] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  const tail = `${hours ? String(minutes).padStart(2, '0') : minutes}:${String(seconds).padStart(2, '0')}`;
  return hours ? `${hours}:${tail}` : tail;
}

/** A span in words: `2분 41초` / `2 min 41 s`. */
export function spoken(ms: number): string {
  const all = Math.max(0, Math.floor(ms / 1000));
  const units: [number, string, string][] = [[Math.floor(all / 86400), '일', 'd'], [Math.floor(all / 3600) % 24, '시간', 'h'], [Math.floor(all / 60) % 60, '분', 'min'], [all % 60, '초', 's']];
  const used = units.filter(([n]) => n > 0).slice(0, 2);
  return (used.length ? used : units.slice(3)).map(([n, ko, en]) => pick(`${n}${ko}`, `${n} ${en}`)).join(' ');
}

/** Days until a date in Korea, as a label; nothing once it is past. */
export function daysUntil(at: number | string, now: number): string {
  const day = (time: number): number => Math.floor((time + 9 * 3_600_000) / 86_400_000);
  const days = day(new Date(at).getTime()) - day(now);
  if (days < 0) return '';
  if (days === 0) return pick('D-DAY', 'today');
  return pick(`D-${count(days)}`, days === 1 ? 'tomorrow' : `in ${count(days)} days`);
}
