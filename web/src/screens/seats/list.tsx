// The map as a list: section, row, seats beside each other. Whoever uses it can do all that the map can.

import { useState } from 'preact/hooks';
import { money, own, t, type Pair } from '../../app/lang.ts';
import { Stepper } from '../../app/controls.tsx';
import type { PlanRow, PlanSection } from '../../seatmap/plan.ts';
import { runsOf, type Run } from '../../seatmap/runs.ts';
import { saleOf } from '../../app/sessions.ts';
import type { Hall } from './hall.ts';
import { HoldButton } from './tray.tsx';
import { seatName } from './words.ts';

const T = {
  sections: ['구역', 'Sections'],
  left: ['{n}석 남음', '{n} left'],
  none: ['남은 좌석 없음', 'none left'],
  row: ['{r}열', 'Row {r}'],
  row2: ['{n}석 남음 · 붙은 자리 최대 {m}', '{n} left · up to {m} together'],
  more: ['{n}열 더 보기', 'Show {n} more rows'],
  fewer: ['이 구역에는 붙어 있는 {n}석이 없어요. 매수를 줄이거나 다른 구역을 보세요.', 'No {n} seats together here. Choose fewer or another section.'],
  places: ['자리가 정해지지 않은 입석이에요.', 'Standing: places are not numbered.'],
  hold: ['{n}매 잡기 · {p}', 'Hold {n} · {p}'],
} satisfies Record<string, Pair>;

export function List({ hall }: { hall: Hall }) {
  hall.version.value;
  const { plan, show } = hall;
  const first = plan.sections.findIndex(({ index }) => hall.left(index) > 0);
  const chosen = plan.sections[hall.only.value ?? Math.max(0, first)]!;
  return (
    <div class="list">
      <ul class="section-list" aria-label={t(T.sections)}>
        {plan.sections.map(({ index, section }) => {
          const left = hall.left(index);
          return (
            <li key={section.id}>
              <button type="button" aria-pressed={chosen.index === index} onClick={() => (hall.only.value = index)}>
                <span class="swatch-line"><i class="swatch" style={{ background: hall.grades[index]!.fill }} />{own(section.name)}</span>
                <span class="soft">{left ? t(T.left, { n: left }) : t(T.none)}</span>
                <b>{money(section.price, show.currency)}</b>
              </button>
            </li>
          );
        })}
      </ul>
      {chosen.general ? <General hall={hall} section={chosen} /> : <Rows key={chosen.index} hall={hall} section={chosen} />}
    </div>
  );
}

export function General({ hall, section }: { hall: Hall; section: PlanSection }) {
  const sale = saleOf(hall.show.event_id);
  const n = hall.pick.wanted.value;
  return (
    <div class="panel">
      <h2 class="h3">{own(section.section.name)}</h2>
      <p class="soft">{t(T.places)} {t(T.left, { n: hall.left(section.index) })}</p>
      <Stepper label={t(['매수', 'Tickets'])} value={n} max={hall.show.max_seats_per_reservation} set={(next) => hall.pick.want(next)} />
      <HoldButton sale={sale} disabled={hall.left(section.index) < n} wish={{ section: section.section.id, quantity: n }} label={t(T.hold, { n, p: money(section.section.price * n, hall.show.currency) })} />
    </div>
  );
}

const ROWS = 40;

function Rows({ hall, section }: { hall: Hall; section: PlanSection }) {
  const [shown, setShown] = useState(ROWS);
  const n = hall.pick.wanted.value;
  const rows = section.rows.map((row) => ({ row, runs: runsOf(hall.plan.states, row) })).filter(({ runs }) => runs.some(({ length }) => length >= n));
  if (!rows.length) return <p class="empty">{t(T.fewer, { n })}</p>;
  return (
    <div class="rows">
      {rows.slice(0, shown).map(({ row, runs }, at) => <RowItem key={row.id} hall={hall} section={section} row={row} runs={runs} open={at === 0} />)}
      {rows.length > shown && <button type="button" onClick={() => setShown(shown + ROWS)}>{t(T.more, { n: Math.min(ROWS, rows.length - shown) })}</button>}
    </div>
  );
}

function RowItem({ hall, section, row, runs, open: first }: { hall: Hall; section: PlanSection; row: PlanRow; runs: Run[]; open: boolean }) {
  const [open, setOpen] = useState(first);
  const n = hall.pick.wanted.value;
  const free = runs.reduce((sum, { length }) => sum + length, 0);
  const chosen = new Set(hall.pick.good.value);
  return (
    <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary><b>{t(T.row, { r: row.id })}</b><span class="soft">{t(T.row2, { n: free, m: Math.max(...runs.map(({ length }) => length)) })}</span></summary>
      {open && (
        <ul class="runs">
          {runs.flatMap((run) => windows(run, n)).map((seat) => {
            const number = seat - row.first + 1;
            const words = seatName(own(section.section.name), row.id, n > 1 ? `${number}–${number + n - 1}` : `${number}`);
            const on = chosen.has(seat) && (n === 1 || chosen.has(seat + n - 1));
            return <li key={seat}><button type="button" aria-pressed={on} aria-label={words} onClick={() => choose(hall, seat, n, on)}>{t(['{s}번', '{s}'], { s: n > 1 ? `${number}–${number + n - 1}` : `${number}` })}</button></li>;
          })}
        </ul>
      )}
    </details>
  );
}

/** Where `n` seats side by side begin, one group after another. */
function windows({ first, length }: Run, n: number): number[] {
  return Array.from({ length: Math.floor(length / n) }, (_, at) => first + at * n);
}

function choose(hall: Hall, seat: number, n: number, on: boolean): void {
  const seats = Array.from({ length: n }, (_, at) => seat + at);
  hall.pick.set(on ? [] : seats);
}
