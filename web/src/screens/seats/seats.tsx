// Choosing seats: best available, list or map, all equal, against one clock.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Event as Show } from '../../api/contract.ts';
import { countdown, own, spoken, t, type Pair } from '../../app/lang.ts';
import { prefer, prefs } from '../../app/prefs.ts';
import { go } from '../../app/router.ts';
import { useRemote } from '../../app/remote.ts';
import { auth, client, now, say, title } from '../../app/services.ts';
import { saleOf, signInWanted, wayOf, type Sale } from '../../app/sessions.ts';
import { Trouble } from '../../app/trouble.tsx';
import { Stepper } from '../../app/controls.tsx';
import { Heading, Skeleton } from '../../app/ui.tsx';
import { isLive } from '../../session/state.ts';
import { Over, endingText } from '../over.tsx';
import { Best } from './best.tsx';
import { Hall } from './hall.ts';
import { List } from './list.tsx';
import { MapView } from './map.tsx';
import { Tray } from './tray.tsx';
import { shortSeat } from './words.ts';
import './seats.css';

const T = {
  h1: ['좌석 고르기', 'Choose seats'],
  timer: ['남은 시간', 'Time left'],
  left: ['{t} 남았어요', '{t} left'],
  list: ['목록', 'List'],
  map: ['지도', 'Map'],
  best: ['자동배정', 'Best available'],
  toList: ['목록에서 고르기', 'Choose from the list'],
  taken: ['방금 다른 분이 먼저 잡은 좌석: {seats}. 나머지 {n}석은 그대로예요.', 'Somebody just took {seats}. Your other {n} are still chosen.'],
  stale: ['실시간 표시가 멈췄어요. 좌석을 잡을 수는 있어요.', 'Live updates stopped. You can still hold seats.'],
  none: ['지금 고를 수 있는 좌석이 없어요. 결제하지 않은 좌석이 나오면 바로 보여 드려요.', 'No seats to choose now. Returned seats appear here at once.'],
  over: ['입장이 끝났어요', 'Your time inside is over'],
} satisfies Record<string, Pair>;

export default function Seats({ event }: { event: string }) {
  const sale = saleOf(event);
  const { phase } = sale.session.value;
  const show = useRemote(`event ${event}`, () => client.call('GET /events/{id}', { id: event }));
  useEffect(() => void (title.value = show.data ? `${t(T.h1)} – ${own(show.data.name)}` : t(T.h1)), [show.data]);
  const here = phase === 'shopping' || phase === 'holding';
  useEffect(() => {
    if (!here && phase !== 'over') go(wayOf(sale.session.peek()), true);
  }, [phase]);
  if (phase === 'over') return <div class="page narrow"><Heading>{t(T.over)}</Heading><Over sale={sale} /></div>;
  if (!show.data) return <div class="page">{show.failure ? <Trouble failure={show.failure} retry={show.again} /> : <Skeleton lines={6} />}</div>;
  return here ? <Choosing show={show.data} sale={sale} /> : null;
}

const WAYS = ['map', 'list', 'best'] as const;

function Choosing({ show, sale }: { show: Show; sale: Sale }) {
  const hall = useMemo(() => new Hall(show), []);
  useEffect(() => () => hall.close(), []);
  useLosses(hall, sale);
  useGeneral(hall);
  useEffect(() => {
    if (!auth.peek()) signInWanted.value = true;
  }, []);
  const way = prefs.value.way ?? 'map';
  const last = sale.session.value.last;
  hall.version.value;
  const empty = hall.ready.value && show.sections.every((_, index) => hall.left(index) === 0);
  return (
    <div class={`seats way-${way}`}>
      <div class="seats-head">
        <div><Heading class="h-small">{t(T.h1)}</Heading><p class="soft one-line">{own(show.name)}</p></div>
        <Timer sale={sale} />
      </div>
      {last && <p class="notice warn" role="status">{endingText(last.why)}</p>}
      <div class="seats-bar">
        <Stepper label={t(['매수', 'Tickets'])} value={hall.pick.wanted.value} max={show.max_seats_per_reservation} set={(n) => hall.pick.want(n)} />
        <div class="tabs" role="group" aria-label={t(['고르는 방법', 'Ways of choosing'])}>
          {WAYS.map((name) => <button key={name} type="button" aria-pressed={way === name} onClick={() => prefer({ way: name })}>{t(T[name])}</button>)}
        </div>
      </div>
      {hall.health.value === 'lost' && <p class="notice warn" role="status">{t(T.stale)}</p>}
      {empty && <p class="notice" role="status">{t(T.none)}</p>}
      <div class="seats-body">
        {!hall.ready.value ? <div class="stage-skeleton"><Skeleton lines={5} /></div> : way === 'map' ? <MapView hall={hall} toList={() => prefer({ way: 'list' })} /> : way === 'list' ? <List hall={hall} /> : <Best hall={hall} sale={sale} />}
      </div>
      {way !== 'best' && hall.ready.value && <Tray hall={hall} sale={sale} />}
    </div>
  );
}

const MARKS = [60, 30, 10];

/** The one countdown of this screen. Its marks are said aloud, its seconds are not. */
function Timer({ sale }: { sale: Sale }) {
  const until = sale.session.value.admission?.until ?? 0;
  const left = until - now.value;
  const said = useRef(Infinity);
  const seconds = Math.floor(left / 1000);
  useEffect(() => {
    const mark = MARKS.find((each) => seconds <= each && said.current > each);
    if (mark) say(t(T.left, { t: spoken(Math.min(left, mark * 1000)) }), mark <= 10);
    said.current = Math.min(said.current, seconds);
  }, [seconds]);
  return (
    <p class={`timer ${seconds <= 30 ? 'hurry' : ''}`} role="timer">
      <span>{t(T.timer)}</span> <b>{countdown(left)}</b>
    </p>
  );
}

/** Chosen seats that somebody else was quicker for: said, and shown in the tray. */
function useLosses(hall: Hall, sale: Sale): void {
  const [tell] = useState(() => (seats: number[]) => {
    say(t(T.taken, { seats: seats.map((seat) => shortSeat(hall.plan, seat)).join(', '), n: hall.pick.good.peek().length }));
    navigator.vibrate?.(40);
  });
  useEffect(() => void (hall.onLost = tell), []);
  const { refusal, phase } = sale.session.value;
  useEffect(() => {
    if (phase === 'holding') hall.asking(true);
    else if (phase === 'shopping') hall.asking(false);
  }, [phase]);
  useEffect(() => {
    if (refusal?.code === 'SEAT_TAKEN' && refusal.seats && isLive(sale.session.peek().phase)) hall.taken(refusal.seats);
  }, [refusal?.at]);
}

/** Places left in general admission come with the availability, since they have no seats. */
function useGeneral(hall: Hall): void {
  const general = hall.plan.sections.filter((section) => section.general);
  const { data } = useRemote(`general ${hall.show.event_id} ${general.length > 0}`,
    async () => (general.length ? client.call('GET /events/{id}/availability', { id: hall.show.event_id }) : undefined), general.length ? 3000 : 0);
  useEffect(() => {
    if (data) hall.general.value = Object.fromEntries(data.sections.map(({ remain }, index) => [index, remain]));
  }, [data]);
}
