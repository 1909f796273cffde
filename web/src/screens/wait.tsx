// The waiting room: the truth about the place, as long as it takes.

import { useEffect, useRef, useState } from 'preact/hooks';
import type { Event as Show } from '../api/contract.ts';
import { clockTime, lang, own, t, type Pair } from '../app/lang.ts';
import { lazy } from '../app/lazy.tsx';
import { go } from '../app/router.ts';
import { useRemote } from '../app/remote.ts';
import { beat, client, now, say, title } from '../app/services.ts';
import { saleOf, wayOf, type Sale } from '../app/sessions.ts';
import { Heading, Skeleton } from '../app/ui.tsx';
import { markPassed, oddsOf, showWait, speedOf, type Shown, type Wait as Eta } from '../session/estimate.ts';
import type { Place, Session } from '../session/state.ts';
import { JoinTrouble, Over } from './over.tsx';

const Meanwhile = lazy<{ sale: Sale; place: Place; show: Show | undefined }>(() => import('./meanwhile.tsx'), false);

const T = {
  title: ['대기 중이에요', 'You’re in line'],
  place: ['내 순번', 'Your place'],
  ahead: ['내 앞에 {n}명', '{n} people ahead of you'],
  front: ['맨 앞이에요', 'You’re at the front'],
  eta: ['예상 대기 약 {a}~{b}분', 'About {a}–{b} min'],
  long: ['예상 대기 3시간 이상', 'More than 3 hours'],
  soon: ['곧 입장해요', 'Almost there'],
  unknown: ['예상 시간을 계산하고 있어요', 'Working out the wait'],
  speed: ['1분에 약 {n}명 입장 중', 'About {n} people a minute'],
  oddsok: ['남은 좌석 {n}석 · 여유 있어요', '{n} seats left · good chance'],
  oddstight: ['남은 좌석 {n}석 · 빠듯해요', '{n} seats left · it’s close'],
  oddslow: ['앞사람이 남은 좌석보다 많아요. 취소 좌석을 기다릴 수는 있어요.', 'More people ahead than seats left. Returned seats are still possible.'],
  joined: ['{t}에 줄 섰어요', 'Joined at {t}'],
  fresh: ['방금 확인', 'Updated now'],
  age: ['{n}초 전 확인', 'Updated {n} s ago'],
  window: ['차례가 오면 {n}초 안에 들어와야 해요. 화면을 켜 두세요.', 'On your turn you have {n} s to enter. Keep this screen on.'],
  slow: ['입장 속도가 느려져 예상 시간이 늘었어요.', 'Entry slowed down, so the estimate rose.'],
  paused: ['입장을 잠시 멈췄어요. 순번은 그대로예요.', 'Entry is paused. Your place is safe.'],
  soldout: ['지금은 남은 좌석이 없어요. 결제하지 않은 좌석이 풀리면 순서대로 입장해요.', 'No seats left now. If unpaid seats return, entry continues in order.'],
  lost: ['연결이 끊겼어요. 순번은 서버에 그대로 있어요. 다시 연결하고 있어요.', 'Connection lost. Your place is kept. Reconnecting.'],
  back: ['다시 연결했어요.', 'Reconnected.'],
  ready: ['차례가 됐어요!', 'It’s your turn!'],
  moving: ['좌석 선택으로 이동해요.', 'Taking you to the seats.'],
  enter: ['지금 입장하기', 'Enter now'],
  entering: ['입장하고 있어요…', 'Entering…'],
  about: ['약', 'about'],
  joining: ['줄 서는 중이에요…', 'Joining the line…'],
  own: ['내 앞의 줄이 줄어든 만큼', 'Your own way to the front'],
} satisfies Record<string, Pair>;

export function Wait({ event, onTurnNear }: { event: string; onTurnNear: () => void }) {
  const sale = saleOf(event);
  const session = sale.session.value;
  const show = useRemote(`event ${event}`, () => client.call('GET /events/{id}', { id: event }));
  useElsewhere(session);
  useEffect(() => {
    // Later than the rush of the opening.
    const timer = setTimeout(onTurnNear, 1500 + Math.random() * 4000);
    return () => clearTimeout(timer);
  }, []);
  const name = show.data ? own(show.data.name) : '';
  return (
    <div class="page wait">
      <p class="crumb">{name && <a href={`/e/${encodeURIComponent(event)}`}>← {name}</a>}</p>
      {session.phase === 'over' || session.phase === 'done' ? <Ended sale={sale} /> : <InLine sale={sale} session={session} name={name} show={show.data} />}
    </div>
  );
}

/** Somebody without a place is sent to where one is had; somebody past the line to where they are. */
function useElsewhere(session: Session): void {
  useEffect(() => {
    const here = ['joining', 'waiting', 'entering', 'over'].includes(session.phase);
    if (!here) go(wayOf(session), true);
  }, [session.phase]);
}

function Ended({ sale }: { sale: Sale }) {
  useEffect(() => void (title.value = t(['대기 종료', 'Line ended'])), []);
  return <><Heading>{t(['대기가 끝났어요', 'Your wait has ended'])}</Heading><Over sale={sale} /></>;
}

function InLine({ sale, session, name, show }: { sale: Sale; session: Session; name: string; show: Show | undefined }) {
  const { place } = session;
  useEffect(() => {
    const head = session.phase === 'entering' ? t(T.ready) : place ? `${t(['{n}번', 'No. {n}'], { n: place.position })} · ${t(['대기 중', 'in line'])}` : t(T.joining);
    title.value = name ? `${head} – ${name}` : head;
  }, [session.phase, place?.position, name, lang.value]);
  return (
    <>
      <Heading class="quiet-heading">{t(T.title)}</Heading>
      {!place ? <><p class="state" aria-busy="true">{t(T.joining)}</p><Skeleton lines={3} /><JoinTrouble sale={sale} /></> : (
        <>
          {session.phase === 'entering' ? <Turn sale={sale} /> : <Standing sale={sale} place={place} show={show} />}
          <div class="columns even">
            <Meanwhile sale={sale} place={place} show={show} />
          </div>
        </>
      )}
    </>
  );
}

function Turn({ sale }: { sale: Sale }) {
  const again = sale.trouble.value?.call === 'enter';
  return (
    <section class="panel turn" aria-busy="true">
      <p class="figure big-figure">{t(T.ready)}</p>
      <p>{again ? t(T.entering) : t(T.moving)}</p>
      <JoinTrouble sale={sale} />
      {again && <button type="button" class="primary big" onClick={() => sale.runner.wake()}>{t(T.enter)}</button>}
    </section>
  );
}

function Standing({ sale, place, show }: { sale: Sale; place: Place; show: Show | undefined }) {
  const shown = useWait(place);
  const speed = useSpeed(place);
  const paused = usePaused(sale.runner.event, useStuck(place) || shown.wait.kind === 'unknown');
  useMarks(place);
  const done = Math.min(1, Math.max(0, 1 - (place.position - 1) / Math.max(1, place.first)));
  const odds = oddsOf(place.remaining, place.position);
  return (
    <section class="panel standing">
      {place.notice && <p class={`notice ${place.notice.level === 'warning' ? 'warn' : ''}`}>{own(place.notice)}</p>}
      <p class="label">{t(T.place)}</p>
      <p class="figure big-figure" data-testid="position">{place.hint && <small>{t(T.about)} </small>}<Falling to={place.position} /></p>
      <p class="ahead">{place.position > 1 ? t(T.ahead, { n: place.position - 1 }) : t(T.front)}</p>
      <div class="bar" role="progressbar" aria-label={t(T.own)} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(done * 100)}>
        <span style={{ width: `${Math.round(done * 1000) / 10}%` }} />
      </div>
      <p class={`eta ${paused ? 'warn-text' : ''}`} role="status">{paused ? t(paused) : etaText(shown.wait)}</p>
      {shown.rose && <p class="soft">{t(T.slow)}</p>}
      {speed !== undefined && <p class="soft">{t(T.speed, { n: speed })}</p>}
      {odds && place.remaining !== undefined && <p class={odds === 'low' ? 'warn-text' : 'soft'}>{t(T[`odds${odds}`], { n: place.remaining })}</p>}
      <Age sale={sale} place={place} />
      <p class="soft small-text hint-line">{show && t(T.window, { n: show.entry_window_sec })}</p>
    </section>
  );
}

function etaText(wait: Eta): string {
  return wait.kind === 'range' ? t(T.eta, { a: wait.from, b: wait.to }) : t(T[wait.kind]);
}

/** A number that counts down to a new value; at once where motion is unwanted. */
function Falling({ to }: { to: number }) {
  const [shown, setShown] = useState(to);
  const from = useRef(to);
  useEffect(() => {
    const start = performance.now();
    const begin = from.current;
    if (begin <= to || matchMedia('(prefers-reduced-motion: reduce)').matches) {
      from.current = to;
      return setShown(to);
    }
    let frame = requestAnimationFrame(function fall(at) {
      const part = Math.min(1, (at - start) / 400);
      from.current = Math.round(begin + (to - begin) * (1 - (1 - part) ** 3));
      setShown(from.current);
      if (part < 1) frame = requestAnimationFrame(fall);
    });
    return () => cancelAnimationFrame(frame);
  }, [to]);
  return <>{t(['{n}', '{n}'], { n: shown })}</>;
}

function useWait(place: Place): Shown {
  const shown = useRef<Shown | undefined>(undefined);
  beat.value;
  shown.current = showWait(shown.current, place.eta, place.ready, Date.now());
  return shown.current;
}

function useSpeed(place: Place): number | undefined {
  const seen = useRef<{ at: number; position: number }[]>([]);
  if (place.perMinute !== undefined) return place.perMinute || undefined;
  const last = seen.current.at(-1);
  if (!place.hint && last?.at !== place.seenAt) seen.current = [...seen.current.slice(-80), { at: place.seenAt, position: place.position }];
  return speedOf(seen.current, place.seenAt);
}

const STUCK_MS = 4000;

/** Whether the place has not moved for a while. */
function useStuck({ position, hint }: Place): boolean {
  const moved = useRef({ position, at: Date.now() });
  beat.value;
  if (moved.current.position !== position || hint) moved.current = { position, at: Date.now() };
  return Date.now() - moved.current.at > STUCK_MS;
}

/** Why nobody moves: asked only when nobody does, so that a crowd that moves asks nothing. */
function usePaused(event: string, stuck: boolean): Pair | undefined {
  const { data } = useRemote(`stats ${event} ${stuck}`, () => client.call('GET /queue/stats', { query: { event_id: event } }), stuck ? 3000 : 60_000);
  return data?.status === 'paused' ? T.paused : data?.status === 'sold_out' ? T.soldout : undefined;
}

/** Half way, a quarter, a tenth: said aloud once each. */
function useMarks(place: Place): void {
  const before = useRef(place.position);
  useEffect(() => {
    const mark = place.hint ? undefined : markPassed(place.first, before.current, place.position);
    before.current = place.position;
    if (mark) say(`${t(T.ahead, { n: place.position - 1 })}. ${etaText(showWait(undefined, place.eta, place.ready, 0).wait)}`);
  }, [place.position]);
}

const WORDS_MS = 5000;

/** How old the figures are; words only when they stay away. */
function Age({ sale, place }: { sale: Sale; place: Place }) {
  const lost = useRef(false);
  const age = Math.max(0, now.value - place.seenAt);
  const away = age > WORDS_MS;
  useEffect(() => {
    if (age > 15_000 && !lost.current) (lost.current = true), say(t(T.lost));
    if (age < 3000 && lost.current) (lost.current = false), say(t(T.back));
  }, [away, age > 15_000, age < 3000]);
  return (
    <>
      <p class="soft small-text">{t(T.joined, { t: clockTime(place.joinedAt, true) })} · {age < 4000 ? t(T.fresh) : t(T.age, { n: Math.floor(age / 1000) })}</p>
      {away && sale.health.value !== 'live' && <p class="notice warn">{t(T.lost)}</p>}
    </>
  );
}
