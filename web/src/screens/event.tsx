// One show: what it is, what it costs, and the one button.

import { useEffect } from 'preact/hooks';
import type { Availability, Event as Show, SaleStatus } from '../api/contract.ts';
import { clockTime, countdown, dateTime, daysUntil, money, own, spoken, t, type Pair } from '../app/lang.ts';
import { Poster } from '../app/poster.tsx';
import { useRemote } from '../app/remote.ts';
import { Refusal } from '../api/refusal.ts';
import { auth, client, clock, now, title } from '../app/services.ts';
import { saleOf, wayOf, type Sale } from '../app/sessions.ts';
import { summary } from '../app/shell.tsx';
import { Trouble } from '../app/trouble.tsx';
import { Switch } from '../app/controls.tsx';
import { Heading, Skeleton } from '../app/ui.tsx';
import { isLive } from '../session/state.ts';
import { Checklist } from './checklist.tsx';
import { Chip } from './chip.tsx';
import { JoinTrouble, Over } from './over.tsx';
import '../styles/home.css';

const T = {
  clock: ['서버 시각 {t} (오차 ±{e}ms)', 'Server time {t} (±{e} ms)'],
  opens: ['{date} 예매 시작', 'On sale {date}'],
  count: ['예매 시작까지', 'Opens in'],
  arm: ['열리면 자동으로 줄 서기', 'Join automatically when it opens'],
  armHelp: ['여러 번 누르거나 새로고침해도 순서가 빨라지지 않아요. 이 화면을 켜 두면 정각에 대신 눌러 드려요.', 'Tapping more or refreshing doesn’t help. Keep this screen on and we’ll press it for you.'],
  ready: ['미리 준비해 두세요', 'Get ready before it opens'],
  cta: ['예매하기', 'Get tickets'],
  line: ['줄 서기', 'Join the line'],
  joining: ['줄 서는 중이에요…', 'Joining the line…'],
  resume: ['이어서 하기', 'Carry on'],
  queue: ['지금 {n}명이 기다리고 있어요', '{n} people are waiting'],
  noQueue: ['지금은 기다리는 사람이 없어요', 'Nobody is waiting right now'],
  paused: ['입장이 잠시 멈췄어요. 줄은 설 수 있어요.', 'Entry is paused. You can still join the line.'],
  soldOut: ['매진됐어요. 결제하지 않은 좌석이 나오면 이 화면에 바로 떠요. 새로고침하지 않아도 돼요.', 'Sold out. If unpaid seats return they show here at once. No need to refresh.'],
  closed: ['예매가 끝났어요.', 'This sale has ended.'],
  prices: ['좌석과 가격', 'Seats and prices'],
  left: ['{n}석 남음', '{n} left'],
  none: ['남은 좌석 없음', 'none left'],
  how: ['이렇게 진행돼요', 'How it works'],
  how1: ['줄 서기', 'Line up'],
  how1t: ['누른 순서 그대로예요. 새로고침해도 순번은 그대로예요.', 'Strictly first come, first served. Refreshing never loses your place.'],
  how2: ['좌석 고르기', 'Choose seats'],
  how2t: ['차례가 오면 {t} 동안 고를 수 있어요.', 'On your turn you have {t} to choose.'],
  how3: ['결제', 'Pay'],
  how3t: ['좌석을 잡으면 {t} 안에 결제해요.', 'Once held, you have {t} to pay.'],
  rules: ['한 번에 {n}매, 한 사람당 {m}매까지 살 수 있어요. 환불하면 결제한 금액을 모두 돌려드려요.', 'Up to {n} tickets at a time and {m} per person. Refunds return the full price.'],
} satisfies Record<string, Pair>;

/** How the sale stands by the clock, before the server is asked. */
function statusOf(show: Show, left: Availability | undefined, told: SaleStatus | undefined, at: number): SaleStatus {
  if (show.sale_closes_at && at >= Date.parse(show.sale_closes_at)) return 'closed';
  if (at < Date.parse(show.sale_opens_at)) return 'scheduled';
  if (told && told !== 'scheduled') return told;
  return left && left.remaining === 0 && left.sections.every(({ held }) => held === 0) ? 'sold_out' : 'on_sale';
}

export default function Event({ event }: { event: string }) {
  const show = useRemote(`event ${event}`, () => client.call('GET /events/{id}', { id: event }));
  const left = useRemote(`left ${event}`, () => client.call('GET /events/{id}/availability', { id: event }), 10_000);
  const stats = useRemote(`stats ${event}`, () => client.call('GET /queue/stats', { query: { event_id: event } }), 15_000);
  const sale = saleOf(event);
  useEffect(() => void (title.value = show.data ? own(show.data.name) : ''), [show.data]);
  if (!show.data) return <div class="page">{show.failure ? <Missing failure={show.failure} retry={show.again} /> : <Skeleton lines={7} />}</div>;
  const status = statusOf(show.data, left.data, stats.data?.status, now.value);
  return (
    <div class="page event">
      <div class="banner"><Poster seed={event} wide /></div>
      <div class="columns">
        <div class="about">
          <Chip status={status} />
          <Heading>{own(show.data.name)}</Heading>
          <Facts show={show.data} />
        </div>
        <section class="panel buy" aria-label={t(T.cta)}>
          <Buy show={show.data} status={status} sale={sale} waiting={stats.data?.waiting} />
        </section>
        <div class="more">
          <Prices show={show.data} left={left.data} />
          <How show={show.data} />
        </div>
      </div>
    </div>
  );
}

function Missing({ failure, retry }: { failure: unknown; retry: () => void }) {
  const gone = failure instanceof Refusal && failure.status === 404;
  return <>{gone && <Heading>{t(['찾는 공연이 없어요', 'We can’t find that event'])}</Heading>}<Trouble failure={failure} retry={retry} /></>;
}

function Facts({ show }: { show: Show }) {
  if (!show.starts_at && !own(show.venue) && !show.sale_closes_at) return null;
  const days = show.starts_at ? daysUntil(show.starts_at, clock.now()) : '';
  return (
    <dl class="facts">
      {show.starts_at && <><dt>{t(['일시', 'When'])}</dt><dd>{dateTime(show.starts_at)}{days && <span class="soft"> · {days}</span>}</dd></>}
      {own(show.venue) && <><dt>{t(['장소', 'Where'])}</dt><dd>{own(show.venue)}</dd></>}
      {show.sale_closes_at && <><dt>{t(['예매 마감', 'Sale ends'])}</dt><dd>{dateTime(show.sale_closes_at)}</dd></>}
    </dl>
  );
}

/** The state of the sale for this person, with its one button. */
function Buy({ show, status, sale, waiting }: { show: Show; status: SaleStatus; sale: Sale; waiting: number | undefined }) {
  const session = sale.session.value;
  if (session.phase === 'joining') return <><button type="button" class="primary big" disabled aria-busy="true">{t(T.joining)}</button><JoinTrouble sale={sale} /></>;
  if (isLive(session.phase) && session.phase !== 'armed') {
    return <><p class="state">{summary(session)}</p><a class="button primary big" href={wayOf(session)}>{t(T.resume)}</a></>;
  }
  return (
    <>
      {session.phase === 'over' && <Over sale={sale} quiet />}
      {status === 'scheduled' ? <Before show={show} sale={sale} /> : <Open status={status} sale={sale} waiting={waiting} />}
    </>
  );
}

function Open({ status, sale, waiting }: { status: SaleStatus; sale: Sale; waiting: number | undefined }) {
  const words = status === 'paused' ? T.paused : status === 'sold_out' ? T.soldOut : status === 'closed' ? T.closed : undefined;
  const crowd = waiting === undefined ? '' : waiting ? t(T.queue, { n: waiting }) : t(T.noQueue);
  return (
    <>
      <p class="state" role={status === 'sold_out' ? 'status' : undefined}>{words ? t(words) : crowd}</p>
      {(status === 'on_sale' || status === 'paused') && (
        <button type="button" class="primary big" onClick={() => sale.runner.join()}>{t(status === 'paused' ? T.line : T.cta)}</button>
      )}
    </>
  );
}

const SOON_MS = 600_000;

function Before({ show, sale }: { show: Show; sale: Sale }) {
  const opens = Date.parse(show.sale_opens_at);
  const left = opens - now.value;
  const armed = sale.session.value.phase === 'armed';
  return (
    <>
      <p class="state">{t(T.opens, { date: dateTime(opens) })}</p>
      <p class="count"><span class="soft">{t(T.count)}</span> <b role="timer" class="figure">{left > 86_400_000 ? spoken(left) : countdown(left)}</b></p>
      {left < SOON_MS && Number.isFinite(clock.error) && <p class="soft small-text">{t(T.clock, { t: clockTime(now.value), e: clock.error })}</p>}
      <h2 class="h3">{t(T.ready)}</h2>
      <Checklist show={show} />
      {left < 86_400_000 && <Switch label={t(T.arm)} hint={t(T.armHelp)} on={armed} set={(on) => (on ? sale.runner.arm(opens) : sale.runner.send({ type: 'disarm' }))} />}
      {!auth.value && <a class="button big" href={`/login?back=${encodeURIComponent(location.pathname)}`}>{t(['미리 로그인하기', 'Sign in now'])}</a>}
    </>
  );
}

function Prices({ show, left }: { show: Show; left: Availability | undefined }) {
  return (
    <section>
      <h2>{t(T.prices)}</h2>
      <ul class="prices">
        {show.sections.map(({ id, name, price }) => {
          const remain = left?.sections.find((section) => section.id === id)?.remain;
          return (
            <li key={id}>
              <b>{own(name)}</b>
              <span class={remain === 0 ? 'soft' : ''}>{remain === undefined ? '' : remain ? t(T.left, { n: remain }) : t(T.none)}</span>
              <span class="price">{money(price, show.currency)}</span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function How({ show }: { show: Show }) {
  const steps: [Pair, string][] = [
    [T.how1, t(T.how1t)],
    [T.how2, t(T.how2t, { t: spoken(show.admission_ttl_sec * 1000) })],
    [T.how3, t(T.how3t, { t: spoken(show.hold_ttl_sec * 1000) })],
  ];
  return (
    <section>
      <h2>{t(T.how)}</h2>
      <ol class="how">{steps.map(([head, text]) => <li key={head[0]}><b>{t(head)}</b><span class="soft">{text}</span></li>)}</ol>
      <p class="soft">{t(T.rules, { n: show.max_seats_per_reservation, m: show.max_seats_per_user })}</p>
    </section>
  );
}
