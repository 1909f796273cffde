// Every change of a sale in order: read, checked for gaps, replayed.

import { useState } from 'preact/hooks';
import type { Event as Show, LedgerEntry } from '../../api/contract.ts';
import { clockTime, count, dateTime, t, type Pair } from '../../app/lang.ts';
import { useRemote } from '../../app/remote.ts';
import { client } from '../../app/services.ts';
import { Trouble } from '../../app/trouble.tsx';
import { Heading, Skeleton } from '../../app/ui.tsx';
import { Plan } from '../../seatmap/plan.ts';
import { differences, gap, replay } from './replay.ts';

const T = {
  h1: ['원장', 'Ledger'],
  nogap: ['{n}번까지 빠진 기록이 없어요.', 'No gaps up to {n}.'],
  gap: ['{n}번 기록이 없어요.', 'Entry {n} is missing.'],
  same: ['처음부터 다시 계산한 좌석표가 지금과 같아요.', 'Replayed from the start, the seat map equals the live one.'],
  differs: ['다시 계산한 좌석표와 {n}석이 달라요. 읽는 사이에 바뀌었을 수 있어요.', '{n} seats differ from the replay; they may have changed while reading.'],
  at: ['{n}번 시점', 'At entry {n}'],
  counts: ['남음 {a} · 결제 중 {b} · 판매 {c} · 막음 {d}', 'Free {a} · held {b} · sold {c} · blocked {d}'],
  filter: ['찾기 (좌석, 예매, 종류)', 'Filter (seat, reservation, type)'],
  seq: ['번호', 'No.'],
  time: ['시각', 'Time'],
  type: ['종류', 'Type'],
  rsv: ['예매', 'Reservation'],
  seats: ['좌석', 'Seats'],
  csv: ['CSV 저장', 'Save as CSV'],
  empty: ['아직 기록이 없어요.', 'No entries yet.'],
  more: ['더 보기', 'Show more'],
  again: ['새로 읽기', 'Read again'],
} satisfies Record<string, Pair>;

interface All {
  entries: LedgerEntry[];
  show: Show;
  live: Uint8Array;
  plan: Plan;
}

const PAGES_MAX = 400;

async function load(event: string): Promise<All> {
  const entries: LedgerEntry[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < PAGES_MAX; page++) {
    const answer = await client.call('GET /admin/events/{id}/ledger', { id: event, query: { cursor } });
    entries.push(...answer.entries);
    if (!answer.next_cursor) break;
    cursor = answer.next_cursor;
  }
  entries.sort((a, b) => a.seq - b.seq);
  const [show, seats] = await Promise.all([client.call('GET /events/{id}', { id: event }), client.call('GET /events/{id}/seats', { id: event })]);
  const plan = new Plan(show);
  plan.fill(seats.sections);
  return { entries, show, plan, live: plan.states };
}

export function Ledger({ event }: { event: string }) {
  const { data, failure, again } = useRemote(`ledger ${event}`, () => load(event));
  return (
    <>
      <div class="spread"><Heading>{t(T.h1)}</Heading><button type="button" onClick={again}>{t(T.again)}</button></div>
      {!data ? failure ? <Trouble failure={failure} retry={again} /> : <Skeleton lines={6} /> : data.entries.length ? <Entries data={data} /> : <p class="empty">{t(T.empty)}</p>}
    </>
  );
}

const STEP = 200;

function Entries({ data: { entries, plan, live } }: { data: All }) {
  const last = entries.at(-1)!.seq;
  const [seq, setSeq] = useState(last);
  const [word, setWord] = useState('');
  const [shown, setShown] = useState(STEP);
  const missing = gap(entries);
  const wrong = differences(replay(plan, entries, last), live);
  const at = replay(plan, entries, Math.min(seq, last));
  const counts = [0, 0, 0, 0];
  for (const state of at) counts[state]!++;
  const found = entries.filter((entry) => !word || `${entry.type} ${entry.reservation_id ?? ''} ${entry.seat_ids.join(' ')} ${entry.section ?? ''}`.toLowerCase().includes(word.toLowerCase())).reverse();
  return (
    <>
      <p class={`notice ${missing === undefined && wrong === 0 ? 'good' : 'warn'}`} role="status">
        {missing === undefined ? t(T.nogap, { n: last }) : t(T.gap, { n: missing })} {wrong === 0 ? t(T.same) : t(T.differs, { n: wrong })}
      </p>
      <div class="panel plain">
        <label class="replay"><span>{t(T.at, { n: Math.min(seq, last) })}</span><input type="range" min={0} max={last} value={Math.min(seq, last)} onInput={(event) => setSeq(Number(event.currentTarget.value))} /></label>
        <p class="figure" role="status">{t(T.counts, { a: counts[0]!, b: counts[1]!, c: counts[2]!, d: counts[3]! })}</p>
      </div>
      <div class="spread wrap"><label class="search">{t(T.filter)}<input type="search" value={word} onInput={(event) => setWord(event.currentTarget.value)} /></label><button type="button" onClick={() => saveCsv(entries)}>{t(T.csv)}</button></div>
      <div class="table-wrap" tabIndex={0} role="region" aria-label={t(T.h1)}>
        <table>
          <thead><tr><th class="n">{t(T.seq)}</th><th>{t(T.time)}</th><th>{t(T.type)}</th><th>{t(T.rsv)}</th><th>{t(T.seats)}</th></tr></thead>
          <tbody>
            {found.slice(0, shown).map((entry) => (
              <tr key={entry.seq}><td class="n">{count(entry.seq)}</td><td title={dateTime(entry.at)}>{clockTime(Date.parse(entry.at), true)}</td><td>{entry.type}</td><td class="id">{entry.reservation_id?.slice(-8) ?? '–'}</td><td>{entry.seat_ids.length ? entry.seat_ids.join(', ') : `${entry.section ?? ''} × ${entry.quantity ?? ''}`}</td></tr>
            ))}
          </tbody>
        </table>
      </div>
      {found.length > shown && <button type="button" onClick={() => setShown(shown + STEP)}>{t(T.more)}</button>}
    </>
  );
}

function saveCsv(entries: LedgerEntry[]): void {
  const cell = (value: unknown): string => `"${String(value ?? '').replaceAll('"', '""').replace(/^[=+@-]/, "'$&")}"`;
  const rows = entries.map((entry) => [entry.seq, entry.at, entry.type, entry.reservation_id, entry.seat_ids.join(' '), entry.section, entry.quantity].map(cell).join(','));
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([['seq,at,type,reservation_id,seat_ids,section,quantity', ...rows].join('\n')], { type: 'text/csv' }));
  link.download = 'ledger.csv';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
