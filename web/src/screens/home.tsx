// Every show, and whether it can be bought.

import { useEffect, useState } from 'preact/hooks';
import type { EventSummary } from '../api/contract.ts';
import { Chip } from './chip.tsx';
import { dateTime, daysUntil, money, own, t, type Pair } from '../app/lang.ts';
import { Poster } from '../app/poster.tsx';
import { useRemote } from '../app/remote.ts';
import { client, clock, title } from '../app/services.ts';
import { Trouble } from '../app/trouble.tsx';
import { Heading, Skeleton } from '../app/ui.tsx';
import '../styles/home.css';

const T = {
  h1: ['공정하게 줄 서고,\u200b 빠르게 예매하세요', 'A fair line, a fast booking'],
  lead: ['누른 순서 그대로 줄을 서고, 차례가 오면 고른 좌석은 온전히 내 것이에요.', 'You stand in line in the order you came. On your turn, the seats you choose are yours.'],
  now: ['예매 중', 'On sale'],
  soon: ['오픈 예정', 'Opening soon'],
  past: ['지난 공연', 'Past'],
  left: ['남은 좌석 {n}석', '{n} seats left'],
  opens: ['{date} 오픈', 'Opens {date}'],
  empty: ['지금 예매할 수 있는 공연이 없어요.', 'Nothing is on sale right now.'],
  emptySoon: ['오픈을 앞둔 공연이 없어요.', 'Nothing is about to open.'],
  emptyPast: ['지난 공연이 없어요.', 'No past events.'],
} satisfies Record<string, Pair>;

type Tab = 'now' | 'soon' | 'past';
const tabOf = ({ status }: EventSummary): Tab => (status === 'scheduled' ? 'soon' : status === 'closed' ? 'past' : 'now');

function sorted(events: EventSummary[], tab: Tab): EventSummary[] {
  const by = (event: EventSummary): string => (tab === 'soon' ? event.sale_opens_at : (event.starts_at ?? '9'));
  const own = events.filter((event) => tabOf(event) === tab).sort((a, b) => (by(a) < by(b) ? -1 : 1));
  return tab === 'past' ? own.reverse() : own;
}

export default function Home() {
  const [tab, setTab] = useState<Tab>('now');
  const { data, failure, again } = useRemote('events', () => client.call('GET /events'), 30_000);
  useEffect(() => void (title.value = ''), []);
  const shown = data && sorted(data.events, tab);
  return (
    <div class="page">
      <div class="hero">
        <Heading class="display">{t(T.h1)}</Heading>
        <p class="lead">{t(T.lead)}</p>
      </div>
      <div class="tabs" role="group" aria-label={t(['공연 분류', 'Events'])}>
        {(['now', 'soon', 'past'] as const).map((name) => (
          <button key={name} type="button" aria-pressed={tab === name} onClick={() => setTab(name)}>
            {t(T[name])}{data && <span class="n"> {data.events.filter((event) => tabOf(event) === name).length}</span>}
          </button>
        ))}
      </div>
      {!data && (failure ? <Trouble failure={failure} retry={again} /> : <Skeleton lines={4} />)}
      {shown && (shown.length ? <ul class="cards">{shown.map((event) => <Card key={event.event_id} event={event} />)}</ul> : <p class="empty">{t(EMPTY[tab])}</p>)}
    </div>
  );
}

const EMPTY: Record<Tab, Pair> = { now: T.empty, soon: T.emptySoon, past: T.emptyPast };

function Card({ event }: { event: EventSummary }) {
  const opening = event.status === 'scheduled';
  const days = event.starts_at ? daysUntil(event.starts_at, clock.now()) : '';
  return (
    <li>
      <a class="card" href={`/e/${encodeURIComponent(event.event_id)}`}>
        <Poster seed={event.event_id} />
        <span class="card-text">
          <Chip status={event.status} />
          <b class="card-name">{own(event.name)}</b>
          <span class="soft">{event.starts_at && dateTime(event.starts_at)}{days && ` · ${days}`}</span>
          <span class="soft">{own(event.venue)}</span>
          <span class="card-foot">
            <b>{prices(event)}</b>
            <span>{opening ? t(T.opens, { date: dateTime(event.sale_opens_at) }) : event.status === 'on_sale' && event.remaining !== null ? t(T.left, { n: event.remaining }) : ''}</span>
          </span>
        </span>
      </a>
    </li>
  );
}

function prices({ min_price, max_price, currency }: EventSummary): string {
  return min_price === max_price ? money(min_price, currency) : `${money(min_price, currency)} – ${money(max_price, currency)}`;
}
