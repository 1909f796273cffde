// What is chosen, what it costs, and the button that holds it.

import { useEffect } from 'preact/hooks';
import { adviceFor } from '../../app/advice.ts';
import { beat } from '../../app/services.ts';
import { money, spoken, t, type Pair } from '../../app/lang.ts';
import type { Sale } from '../../app/sessions.ts';
import { signInWanted } from '../../app/sessions.ts';
import { auth } from '../../app/services.ts';
import { strands, stretches } from '../../seatmap/runs.ts';
import type { Wish } from '../../session/state.ts';
import type { Hall } from './hall.ts';
import { shortSeat } from './words.ts';

const T = {
  cta: ['{n}석 잡기 · {p}', 'Hold {n} seats · {p}'],
  one: ['1석 잡기 · {p}', 'Hold 1 seat · {p}'],
  need: ['{n}석 더 고르세요', 'Choose {n} more'],
  choose: ['좌석을 고르세요', 'Choose your seats'],
  fewer: ['{n}석만 잡기 · {p}', 'Hold only {n} · {p}'],
  holding: ['잡고 있어요…', 'Holding…'],
  checking: ['확인하고 있어요. 좌석은 두 번 잡히지 않아요.', 'Checking. Seats are never held twice.'],
  before: ['좌석을 잡으면 {t} 안에 결제해야 해요. 잡은 뒤에는 바꿀 수 없어요.', 'Once held you have {t} to pay, and seats can’t be changed.'],
  gone: ['방금 다른 분이 잡았어요', 'Just taken by somebody'],
  swap: ['비슷한 자리로 바꾸기', 'Swap for similar seats'],
  noSwap: ['비슷한 자리가 없어요. 다른 구역에서 골라 주세요.', 'No similar seats. Please choose elsewhere.'],
  single: ['옆에 한 자리만 남아요. 그대로 잡아도 돼요.', 'This leaves a single seat beside yours. You may still hold them.'],
  remove: ['{s} 빼기', 'Remove {s}'],
  apart: ['떨어져도 괜찮아요', 'Apart is fine'],
  less: ['{n}석으로', 'Make it {n}'],
  other: ['다른 등급', 'Any section'],
  together: ['붙어 있는 {n}석이 없어요.', 'There are no {n} seats together.'],
  limit: ['이미 잡아 둔 좌석이 있거나 한 사람당 {n}매를 넘었어요.', 'You already hold seats, or this is over {n} per person.'],
  sign: ['로그인하고 좌석 잡기', 'Sign in to hold seats'],
} satisfies Record<string, Pair>;

export function Tray({ hall, sale }: { hall: Hall; sale: Sale }) {
  hall.version.value;
  const { pick, plan, show } = hall;
  const [seats, lost, good] = [pick.seats.value, pick.lost.value, pick.good.value];
  const total = good.reduce((sum, seat) => sum + hall.priceOf(seat), 0);
  const missing = pick.wanted.value - good.length;
  const price = money(total, show.currency);
  const lonely = missing <= 0 && stretches(plan, good).some(({ first, length }) => strandsNow(hall, first, length));
  const label = good.length === 0 ? t(T.choose) : missing > 0 && !lost.size ? t(T.need, { n: missing }) : missing > 0 ? t(T.fewer, { n: good.length, p: price }) : t(good.length === 1 ? T.one : T.cta, { n: good.length, p: price });
  return (
    <section class="tray" aria-label={t(['고른 좌석', 'Chosen seats'])}>
      {seats.length > 0 && (
        <ul class="chips">
          {seats.map((seat) => (
            <li key={seat} class={lost.has(seat) ? 'lost' : ''}>
              <span>{shortSeat(plan, seat)}{lost.has(seat) && <small> · {t(T.gone)}</small>}</span>
              <button type="button" class="quiet" aria-label={t(T.remove, { s: shortSeat(plan, seat) })} onClick={() => pick.remove(seat)}>✕</button>
            </li>
          ))}
        </ul>
      )}
      {lost.size > 0 && <Swap hall={hall} />}
      {lonely && <p class="soft small-text">{t(T.single)}</p>}
      <Refused sale={sale} hall={hall} />
      {good.length > 0 && <p class="soft small-text">{t(T.before, { t: spoken(show.hold_ttl_sec * 1000) })}</p>}
      <HoldButton sale={sale} label={label} disabled={good.length === 0 || (missing > 0 && !lost.size)} wish={{ seat_ids: good.map((seat) => plan.id(seat)) }} />
    </section>
  );
}

function strandsNow(hall: Hall, first: number, length: number): boolean {
  return strands(hall.plan.states, hall.plan.spot(first).row, first, length);
}

function Swap({ hall }: { hall: Hall }) {
  return <button type="button" class="small" onClick={(event) => hall.pick.swap() || (event.currentTarget.textContent = t(T.noSwap))}>{t(T.swap)}</button>;
}

/** Why the last attempt was refused, and what can be done. Taken seats are shown as chips instead. */
export function Refused({ sale, hall, onApart, onAny }: { sale: Sale; hall: Hall; onApart?: () => void; onAny?: () => void }) {
  const { refusal, phase } = sale.session.value;
  if (!refusal || phase !== 'shopping' || refusal.code === 'SEAT_TAKEN') return null;
  const n = hall.pick.wanted.value;
  if (refusal.code === 'SOLD_OUT') {
    return (
      <div class="notice warn" role="alert">
        <p>{t(T.together, { n })}</p>
        <p class="row">
          {onApart && <button type="button" class="small" onClick={onApart}>{t(T.apart)}</button>}
          {n > 1 && <button type="button" class="small" onClick={() => hall.pick.want(n - 1)}>{t(T.less, { n: n - 1 })}</button>}
          {onAny && <button type="button" class="small" onClick={onAny}>{t(T.other)}</button>}
        </p>
      </div>
    );
  }
  const text = refusal.code === 'RESERVATION_LIMIT' ? t(T.limit, { n: hall.show.max_seats_per_user }) : t(adviceFor(refusal.code).text);
  return <p class="notice warn" role="alert">{text}</p>;
}

const SLOW_MS = 5000;
let heldAt = 0;

/** Answers at once, sends once, and says what takes long. */
export function HoldButton({ sale, label, disabled, wish }: { sale: Sale; label: string; disabled: boolean; wish: Wish }) {
  const { phase, needsSignIn } = sale.session.value;
  const busy = phase === 'holding';
  useEffect(() => {
    if (busy) heldAt = Date.now();
  }, [busy]);
  beat.value;
  if (busy && !needsSignIn) {
    const slow = Date.now() - heldAt > SLOW_MS;
    return <><button type="button" class="primary big" disabled aria-busy="true">{t(T.holding)}</button>{slow && <p class="soft" role="status">{t(T.checking)}</p>}</>;
  }
  if (!auth.value) return <button type="button" class="primary big" onClick={() => (signInWanted.value = true)}>{t(T.sign)}</button>;
  return <button type="button" class="primary big" disabled={disabled} onClick={() => sale.runner.hold(wish)}>{label}</button>;
}
