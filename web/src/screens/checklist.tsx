// What can be done before any clock runs: signing in, number of tickets, grade.

import { useState } from 'preact/hooks';
import type { Event as Show } from '../api/contract.ts';
import { money, own, t, type Pair } from '../app/lang.ts';
import { preferFor, prefs } from '../app/prefs.ts';
import { auth } from '../app/services.ts';
import { signInWanted } from '../app/sessions.ts';
import { Stepper } from '../app/controls.tsx';
import { Sheet } from '../app/sheet.tsx';

const T = {
  signed: ['로그인됨', 'Signed in'],
  sign: ['로그인', 'Sign in'],
  tickets: ['매수', 'Tickets'],
  grade: ['등급', 'Section'],
  any: ['상관없음', 'Any'],
  choose: ['원하는 등급을 고르세요', 'Which section would you like?'],
  many: ['몇 매를 예매할까요?', 'How many tickets?'],
  done: ['확인', 'Done'],
} satisfies Record<string, Pair>;

/** How many tickets somebody wants of an event: two, unless told or limited. */
export const wantedQuantity = (show: Show): number => Math.min(prefs.value.quantity?.[show.event_id] ?? 2, show.max_seats_per_reservation);

export function Checklist({ show }: { show: Show }) {
  const [open, setOpen] = useState<'quantity' | 'grade'>();
  const chosen = show.sections.find(({ id }) => id === prefs.value.grade?.[show.event_id]);
  return (
    <div class="checklist">
      <Item done={!!auth.value} label={auth.value ? t(T.signed) : t(T.sign)} value={auth.value?.name} onClick={() => auth.value || (signInWanted.value = true)} />
      <Item done label={t(T.tickets)} value={t(['{n}매', '{n}'], { n: wantedQuantity(show) })} onClick={() => setOpen('quantity')} />
      <Item done={!!chosen} label={t(T.grade)} value={chosen ? own(chosen.name) : t(T.any)} onClick={() => setOpen('grade')} />
      {open === 'quantity' && (
        <Sheet title={t(T.many)} onClose={() => setOpen(undefined)}>
          <Stepper label={t(T.tickets)} value={wantedQuantity(show)} max={show.max_seats_per_reservation} set={(n) => preferFor('quantity', show.event_id, n)} />
          <div class="actions"><button type="button" class="primary" onClick={() => setOpen(undefined)}>{t(T.done)}</button></div>
        </Sheet>
      )}
      {open === 'grade' && <Grades show={show} onClose={() => setOpen(undefined)} />}
    </div>
  );
}

function Item({ done, label, value, onClick }: { done: boolean; label: string; value?: string; onClick: () => void }) {
  return (
    <button type="button" class={`item ${done ? 'done' : ''}`} onClick={onClick}>
      <span class="tick" aria-hidden="true">{done ? '✓' : ''}</span><span>{label}</span>{value && <b>{value}</b>}
    </button>
  );
}

function Grades({ show, onClose }: { show: Show; onClose: () => void }) {
  const pick = (id: string): void => (preferFor('grade', show.event_id, id), onClose());
  const chosen = prefs.value.grade?.[show.event_id] ?? '';
  return (
    <Sheet title={t(T.choose)} onClose={onClose}>
      <div class="choices">
        <button type="button" aria-pressed={chosen === ''} onClick={() => pick('')}>{t(T.any)}</button>
        {show.sections.map(({ id, name, price }) => (
          <button key={id} type="button" aria-pressed={chosen === id} onClick={() => pick(id)}>{own(name)}<span class="soft">{money(price, show.currency)}</span></button>
        ))}
      </div>
    </Sheet>
  );
}
