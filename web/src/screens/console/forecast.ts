// What a change of the settings will do, from how the sale stands now; and what is worth changing.

import type { QueueSettings } from '../../api/contract.ts';
import type { Pair } from '../../app/lang.ts';
import type { Sample, Series } from './series.ts';

/** Seconds until the last one waiting is let in. The shop's size limits the rate once it is full. */
export function waitOf({ waiting, active }: Pick<Sample, 'waiting' | 'active'>, settings: Pick<QueueSettings, 'admit_per_sec' | 'max_active' | 'admission_ttl_sec' | 'paused'>, stay: number): number {
  if (waiting === 0) return 0;
  if (settings.paused) return Infinity;
  const free = Math.max(0, settings.max_active - active);
  const turnover = settings.max_active / Math.max(1, Math.min(stay, settings.admission_ttl_sec));
  if (waiting <= free) return waiting / settings.admit_per_sec;
  return Math.min(waiting, free) / settings.admit_per_sec + (waiting - free) / Math.min(settings.admit_per_sec, turnover);
}

export interface Hint {
  id: string;
  text: Pair;
  values: Record<string, number>;
  /** What to set, where one press can. */
  patch?: Partial<QueueSettings>;
}

/** Advice on what has been measured. */
export function hints(series: Series, settings: QueueSettings, deadLetters: number): Hint[] {
  const now = series.samples.at(-1);
  if (!now) return [];
  const found: Hint[] = [];
  const [admitted, lapsed] = [series.rise('admitted', 60), series.rise('lapsed', 60)];
  if (lapsed > 5 && lapsed / Math.max(1, admitted + lapsed) > 0.1) {
    const entry_window_sec = Math.min(3600, Math.round(settings.entry_window_sec * 1.5));
    found.push({ id: 'lapsed', text: ['차례가 된 사람의 {p}%가 제때 못 들어왔어요. 입장 시간을 {n}초로 늘릴까요?', '{p}% of those whose turn came didn’t enter in time. Make it {n} s?'], values: { p: Math.round((100 * lapsed) / (admitted + lapsed)), n: entry_window_sec }, patch: { entry_window_sec } });
  }
  if (now.waiting > 0 && now.active >= settings.max_active * 0.9 && now.rate < settings.admit_per_sec * 0.8) {
    const max_active = Math.min(1_000_000, Math.ceil(settings.max_active * 1.25));
    found.push({ id: 'full', text: ['동시 쇼핑이 한도에 가까워 입장이 느려요. {n}명으로 늘릴까요?', 'The shop is nearly full, which slows entry. Raise it to {n}?'], values: { n: max_active }, patch: { max_active } });
  }
  const soldPerMinute = series.rise('sold', 60);
  if (soldPerMinute > 0 && now.free > 0 && now.free / soldPerMinute < 2) found.push({ id: 'ending', text: ['이 속도면 2분 안에 매진돼요. 안내 문구를 준비하세요.', 'At this speed it sells out within 2 minutes. Prepare a notice.'], values: {} });
  if (deadLetters > 0) found.push({ id: 'letters', text: ['배달하지 못한 알림이 {n}건 있어요.', '{n} messages could not be delivered.'], values: { n: deadLetters } });
  return found;
}
