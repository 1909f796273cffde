// One press: seats, total, button; and what became of it.

import { useEffect, useRef, useState } from 'preact/hooks';
import type { Event as Show, Reservation } from '../../api/contract.ts';
import { countdown, dateTime, money, own, spoken, t, type Pair } from '../../app/lang.ts';
import { preferFor, prefs } from '../../app/prefs.ts';
import { go } from '../../app/router.ts';
import { useRemote } from '../../app/remote.ts';
import { auth, beat, client, clock, now, say, title } from '../../app/services.ts';
import { saleOf, signInWanted, type Sale } from '../../app/sessions.ts';
import { Trouble } from '../../app/trouble.tsx';
import { Ask } from '../../app/sheet.tsx';
import { Heading, Skeleton } from '../../app/ui.tsx';
import type { Ending, Held } from '../../session/state.ts';
import { bookedSeats } from '../seats/words.ts';
import { Plan } from '../../seatmap/plan.ts';
import { endingText, JoinTrouble } from '../over.tsx';
import { Simulator, type Scenario } from './simulator.tsx';
import './pay.css';

const T = {
  h1: ['결제하기', 'Pay'],
  timer: ['결제까지 {t} 남음', '{t} left to pay'],
  left: ['{t} 남았어요', '{t} left'],
  pay: ['{p} 결제하기', 'Pay {p}'],
  paying: ['결제 확인 중이에요…', 'Checking your payment…'],
  wait: ['결제 승인을 기다리고 있어요. 이 화면을 닫아도 괜찮아요.', 'Waiting for approval. You may close this page.'],
  checking: ['확인하고 있어요', 'Checking'],
  release: ['좌석 놓아주기', 'Release the seats'],
  releaseAsk: ['놓아주면 이 좌석은 바로 다시 판매돼요. 남은 시간 {t} 안에 다른 좌석을 고를 수 있어요.', 'They go back on sale at once. You have {t} left to choose others.'],
  releaseLast: ['놓아주면 이 좌석은 바로 다시 판매돼요. 다시 고르려면 줄을 처음부터 서야 해요.', 'They go back on sale at once. To choose again you would have to line up from the start.'],
  seats: ['좌석', 'Seats'],
  price: ['좌석 금액', 'Seats'],
  fee: ['예매 수수료', 'Booking fee'],
  total: ['총 결제 금액', 'Total'],
  buyer: ['예매자', 'Buyer'],
  way: ['결제 수단', 'Paying with'],
  wayText: ['간편결제 (시연)', 'Express pay (demo)'],
  terms: ['구매 조건과 환불 규정에 동의해요', 'I accept the conditions and the refund rules'],
  termsWhere: ['이용약관 보기', 'Read the terms'],
  choose: ['다른 좌석 고르기 · {t} 남음', 'Choose other seats · {t} left'],
  again: ['다시 줄 서기', 'Join again'],
  event: ['공연으로 돌아가기', 'Back to the event'],
  ended: ['결제 결과', 'Payment result'],
  sign: ['로그인하고 결제하기', 'Sign in to pay'],
} satisfies Record<string, Pair>;

/** The event that a reservation's id names, so that its session is found before the server is asked. */
export function eventOf(reservation: string): string {
  return reservation.replace(/^rsv_/, '').replace(/_[^_]+$/, '');
}

export default function Pay({ reservation }: { reservation: string }) {
  const remote = useRemote(`rsv ${reservation} ${auth.value?.userId ?? ''}`, () => client.call('GET /reservations/{id}', { id: reservation }));
  const event = remote.data?.event_id ?? eventOf(reservation);
  const show = useRemote(`event ${event}`, () => client.call('GET /events/{id}', { id: event }));
  const sale = saleOf(event);
  const session = sale.session.value;
  const mine = session.held?.id === reservation;
  useEffect(() => void (title.value = show.data ? `${t(T.h1)} – ${own(show.data.name)}` : t(T.h1)), [show.data]);
  useEffect(() => {
    // The server's word decides; on another device it is also how the session comes here.
    if (remote.data && !(mine && session.phase === 'paying')) sale.runner.send({ type: 'reservation', body: remote.data });
  }, [remote.data]);
  useEffect(() => {
    if (!auth.value) signInWanted.value = true;
  }, []);
  if (mine && (session.phase === 'held' || session.phase === 'paying')) return <Checkout sale={sale} held={session.held!} show={show.data} />;
  const ended = session.last?.reservation === reservation ? session.last.why : session.over && mine ? session.over.why : undefined;
  if (ended) return <Ended sale={sale} why={ended} event={event} />;
  if (remote.failure && !remote.data) return <div class="page narrow"><Heading>{t(T.h1)}</Heading><Trouble failure={remote.failure} retry={remote.again} /></div>;
  return remote.data ? <FromServer reservation={remote.data} sale={sale} /> : <div class="page narrow"><Skeleton lines={5} /></div>;
}

const ENDINGS: Partial<Record<Reservation['status'], Ending>> = { CANCELLED: 'released', EXPIRED: 'hold_expired', REFUNDED: 'refunded' };

/** A reservation that no session here knows of. */
function FromServer({ reservation, sale }: { reservation: Reservation; sale: Sale }) {
  useEffect(() => {
    if (reservation.status === 'CONFIRMED' && reservation.order_id) go(`/orders/${reservation.order_id}`, true);
  }, []);
  const why = ENDINGS[reservation.status];
  return why ? <Ended sale={sale} why={why} event={reservation.event_id} /> : <div class="page narrow"><Skeleton lines={5} /></div>;
}

function Ended({ sale, why, event }: { sale: Sale; why: Ending; event: string }) {
  const { phase, admission } = sale.session.value;
  const open = phase === 'shopping' && admission;
  return (
    <div class="page narrow">
      <Heading>{t(T.ended)}</Heading>
      <div class="panel">
        <p role="status">{endingText(why)}</p>
        {open ? <a class="button primary big" href={`/e/${encodeURIComponent(event)}/seats`}>{t(T.choose, { t: countdown(admission.until - now.value) })}</a>
          : <button type="button" class="primary big" onClick={() => (sale.runner.join(), go(`/e/${encodeURIComponent(event)}/wait`, true))}>{t(T.again)}</button>}
        <a class="button big" href={`/e/${encodeURIComponent(event)}`}>{t(T.event)}</a>
      </div>
    </div>
  );
}

function Checkout({ sale, held, show }: { sale: Sale; held: Held; show: Show | undefined }) {
  const [scenario, setScenario] = useState<Scenario>({ name: 'approve' });
  const paying = sale.session.value.phase === 'paying';
  const left = leftOf(held);
  return (
    <div class="page checkout">
      <div class="columns">
        <div class="main-column">
          <Heading>{t(T.h1)}</Heading>
          {show && <p class="soft">{own(show.name)}{show.starts_at && ` · ${dateTime(show.starts_at)}`}{own(show.venue) && ` · ${own(show.venue)}`}</p>}
          <Bar held={held} show={show} paying={paying} />
          <Receipt held={held} show={show} />
          {!paying && <Simulator scenario={scenario} set={setScenario} />}
        </div>
        <section class="panel pay-panel" aria-label={t(T.total)}>
          <p class="spread"><span class="soft">{t(T.total)}</span><b class="figure total">{money(held.total, held.currency)}</b></p>
          {paying ? <Waiting sale={sale} /> : left <= 0 ? <p class="state" aria-busy="true">{t(T.checking)}…</p> : <Press sale={sale} held={held} scenario={scenario} />}
        </section>
      </div>
    </div>
  );
}

/** What is left to press the button, shown a little less than it is: the request needs half a round trip. */
function leftOf(held: Held): number {
  const trip = Number.isFinite(clock.error) ? Math.min(clock.error, 1500) : 200;
  return held.until - now.value - trip;
}

const MARKS = [30, 10];

/** The one countdown of this screen. */
function Bar({ held, show, paying }: { held: Held; show: Show | undefined; paying: boolean }) {
  const left = leftOf(held);
  const seconds = Math.max(0, Math.floor(left / 1000));
  const said = useRef(Infinity);
  useEffect(() => {
    const mark = paying ? undefined : MARKS.find((each) => seconds <= each && said.current > each);
    if (mark) say(t(T.left, { t: spoken(Math.min(left, mark * 1000)) }), mark <= 10);
    said.current = Math.min(said.current, seconds);
  }, [seconds]);
  const all = (show?.hold_ttl_sec ?? 60) * 1000;
  if (paying) return <p class="notice good">{t(T.wait)}</p>;
  return (
    <div class={`hold-bar ${seconds <= 15 ? 'hurry' : ''}`}>
      <p role="timer"><b class="figure">{t(T.timer, { t: countdown(left) })}</b></p>
      <div class="bar" aria-hidden="true"><span style={{ width: `${Math.max(0, Math.min(100, (100 * left) / all))}%` }} /></div>
    </div>
  );
}

function Receipt({ held, show }: { held: Held; show: Show | undefined }) {
  const plan = show && new Plan(show);
  const seats = bookedSeats(show, plan, { seat_ids: held.seats, section: held.section, quantity: held.quantity });
  return (
    <dl class="receipt">
      <div><dt>{t(T.seats)}</dt><dd>{seats.map((seat) => <b key={seat}>{seat}</b>)}</dd></div>
      <div><dt>{t(T.price)}</dt><dd>{`${money(held.total, held.currency)} (${t(['{n}매', '{n}'], { n: held.quantity })})`}</dd></div>
      <div><dt>{t(T.fee)}</dt><dd>{money(0, held.currency)}</dd></div>
      <div><dt>{t(T.buyer)}</dt><dd>{auth.value?.name ?? '–'}</dd></div>
      <div><dt>{t(T.way)}</dt><dd>{t(T.wayText)}</dd></div>
    </dl>
  );
}

function Press({ sale, held, scenario }: { sale: Sale; held: Held; scenario: Scenario }) {
  const [asks, setAsks] = useState(false);
  const event = sale.runner.event;
  const accepted = !!prefs.value.terms?.[event];
  const { admission, refusal } = sale.session.value;
  const more = admission && admission.until > now.value + 1000 ? admission.until - now.value : 0;
  return (
    <>
      <label class="check"><input type="checkbox" checked={accepted} onChange={(change) => preferFor('terms', event, change.currentTarget.checked)} /><span>{t(T.terms)} · <a href="/terms" target="_blank" rel="noopener">{t(T.termsWhere)}</a></span></label>
      {refusal && <p class="notice warn" role="alert">{refusal.code}</p>}
      {auth.value ? <button type="button" class="primary big" disabled={!accepted} onClick={() => sale.runner.pay(scenario.name, scenario.delayMs)}>{t(T.pay, { p: money(held.total, held.currency) })}</button>
        : <button type="button" class="primary big" onClick={() => (signInWanted.value = true)}>{t(T.sign)}</button>}
      <button type="button" class="quiet danger-text" onClick={() => setAsks(true)}>{t(T.release)}</button>
      {asks && <Ask danger title={t(T.release)} text={more ? t(T.releaseAsk, { t: spoken(more) }) : t(T.releaseLast)} yes={t(T.release)} onYes={() => sale.runner.release()} onClose={() => setAsks(false)} />}
    </>
  );
}

function Waiting({ sale }: { sale: Sale }) {
  beat.value;
  return <><button type="button" class="primary big" disabled aria-busy="true">{t(T.paying)}</button><JoinTrouble sale={sale} /></>;
}
