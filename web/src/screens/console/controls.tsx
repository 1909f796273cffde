// The settings of the line: before and after, what it will mean, one press, and ten seconds to take it back.

import { useEffect, useState } from 'preact/hooks';
import type { QueuePatch, QueueSettings } from '../../api/contract.ts';
import { count, spoken, t, type Pair } from '../../app/lang.ts';
import { waitOf } from './forecast.ts';
import type { Sample, Series } from './series.ts';

const T = {
  h2: ['입장 조절', 'Admission'],
  apply: ['적용', 'Apply'],
  undo: ['되돌리기 ({n}초)', 'Undo ({n} s)'],
  forecast: ['예상 대기: {a} → {b}', 'Expected wait: {a} → {b}'],
  never: ['멈춤', 'paused'],
  none: ['없음', 'none'],
  range: ['{a}에서 {b} 사이의 정수를 적어 주세요.', 'Enter a whole number from {a} to {b}.'],
  noticeKo: ['안내 문구 (한국어)', 'Notice (Korean)'],
  noticeEn: ['안내 문구 (영어)', 'Notice (English)'],
  warning: ['경고로 보이기', 'Show as a warning'],
  clear: ['안내 지우기', 'Clear the notice'],
  send: ['안내 내보내기', 'Publish the notice'],
} satisfies Record<string, Pair>;

type Field = 'admit_per_sec' | 'burst' | 'max_active' | 'entry_window_sec' | 'admission_ttl_sec';
const FIELDS: [Field, Pair, number][] = [
  ['admit_per_sec', ['초당 입장', 'Entries a second'], 100_000],
  ['burst', ['한꺼번에 입장', 'Burst'], 1_000_000],
  ['max_active', ['동시 쇼핑', 'Shopping at once'], 1_000_000],
  ['entry_window_sec', ['입장 시간 (초)', 'Entry window (s)'], 3600],
  ['admission_ttl_sec', ['고르는 시간 (초)', 'Time to choose (s)'], 3600],
];
const UNDO_S = 10;

export function Controls({ settings, last, series, change }: { settings: QueueSettings; last: Sample; series: Series; change: (patch: QueuePatch) => Promise<void> }) {
  const [draft, setDraft] = useState<Partial<Record<Field, string>>>({});
  const [undo, setUndo] = useState<{ patch: QueuePatch; left: number }>();
  useCountdown(undo, setUndo);
  const patch: Partial<Record<Field, number>> = {};
  let wrong: [number, number] | undefined;
  for (const [field, , most] of FIELDS) {
    const text = draft[field];
    if (text === undefined || Number(text) === settings[field]) continue;
    if (!/^\d+$/.test(text) || Number(text) < 1 || Number(text) > most) wrong = [1, most];
    else patch[field] = Number(text);
  }
  const changes = Object.keys(patch).length;
  const stay = stayOf(series, settings);
  const apply = async (): Promise<void> => {
    const before = Object.fromEntries(Object.keys(patch).map((field) => [field, settings[field as Field]]));
    await change(patch);
    setDraft({});
    setUndo({ patch: before, left: UNDO_S });
  };
  return (
    <section class="panel">
      <h2>{t(T.h2)}</h2>
      <form class="settings" onSubmit={(event) => (event.preventDefault(), changes && !wrong && apply())}>
        {FIELDS.map(([field, name, most]) => (
          <label key={field}>{t(name)}
            <input type="number" min={1} max={most} step={1} value={draft[field] ?? settings[field]} onInput={(event) => setDraft({ ...draft, [field]: event.currentTarget.value })} />
            {patch[field] !== undefined && <small class="soft">{count(settings[field])} → {count(patch[field])}</small>}
          </label>
        ))}
        <button class="primary" disabled={!changes || !!wrong}>{t(T.apply)}</button>
        {undo && <button type="button" onClick={() => (void change(undo.patch), setUndo(undefined))}>{t(T.undo, { n: undo.left })}</button>}
      </form>
      {wrong && <p class="danger-text small-text" role="alert">{t(T.range, { a: wrong[0], b: wrong[1] })}</p>}
      {changes > 0 && <p class="soft" role="status">{t(T.forecast, { a: told(waitOf(last, settings, stay)), b: told(waitOf(last, { ...settings, ...patch }, stay)) })}</p>}
      <Notice settings={settings} change={change} />
    </section>
  );
}

function useCountdown(undo: { patch: QueuePatch; left: number } | undefined, set: (next: { patch: QueuePatch; left: number } | undefined) => void): void {
  useEffect(() => {
    if (!undo) return;
    const timer = setTimeout(() => set(undo.left > 1 ? { ...undo, left: undo.left - 1 } : undefined), 1000);
    return () => clearTimeout(timer);
  }, [undo]);
}

/** How long people stay inside, as far as it has been seen: those inside over those let in a second. */
function stayOf(series: Series, { admission_ttl_sec }: QueueSettings): number {
  const perSecond = series.rise('admitted', 60) / 60;
  const active = series.samples.at(-1)?.active ?? 0;
  return perSecond > 0.05 ? Math.min(admission_ttl_sec, active / perSecond) : admission_ttl_sec;
}

const told = (seconds: number): string => (seconds === Infinity ? t(T.never) : seconds === 0 ? t(T.none) : spoken(Math.max(1000, seconds * 1000)));

function Notice({ settings, change }: { settings: QueueSettings; change: (patch: QueuePatch) => Promise<void> }) {
  const [ko, setKo] = useState(settings.notice?.ko ?? '');
  const [en, setEn] = useState(settings.notice?.en ?? '');
  const [warning, setWarning] = useState(settings.notice?.level === 'warning');
  return (
    <form class="notice-form" onSubmit={(event) => (event.preventDefault(), change({ notice: { ko, en, level: warning ? 'warning' : 'info' } }))}>
      <label>{t(T.noticeKo)}<input lang="ko" maxLength={500} value={ko} onInput={(event) => setKo(event.currentTarget.value)} /></label>
      <label>{t(T.noticeEn)}<input lang="en" maxLength={500} value={en} onInput={(event) => setEn(event.currentTarget.value)} /></label>
      <label class="check"><input type="checkbox" checked={warning} onChange={(event) => setWarning(event.currentTarget.checked)} />{t(T.warning)}</label>
      <button disabled={!ko.trim() || !en.trim()}>{t(T.send)}</button>
      {settings.notice && <button type="button" class="quiet" onClick={() => (setKo(''), setEn(''), change({ notice: null }))}>{t(T.clear)}</button>}
    </form>
  );
}
