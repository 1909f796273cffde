// What somebody bought, and is about to.

import { useEffect } from 'preact/hooks';
import type { Event as Show, Order, Reservation } from '../../api/contract.ts';
import { countdown, dateTime, money, own, t, type Pair } from '../../app/lang.ts';
import { Poster } from '../../app/poster.tsx';
import { useRemote } from '../../app/remote.ts';
import { auth, client, clock, now, title } from '../../app/services.ts';
import { Trouble } from '../../app/trouble.tsx';
import { Heading, Skeleton } from '../../app/ui.tsx';
import SignIn from '../account/sign-in.tsx';
import { Ticket } from './ticket.tsx';
import './orders.css';

const T = {
  h1: ['내 예매', 'My tickets'],
  open: ['진행 중', 'In progress'],
  coming: ['다가오는 공연', 'Coming up'],
  past: ['지난 공연', 'Past'],
  refunded: ['환불', 'Refunded'],
  pay: ['결제하기', 'Pay'],
  left: ['{t} 남음', '{t} left'],
  empty: ['아직 예매한 티켓이 없어요.', 'You have no tickets yet.'],
  home: ['공연 보러 가기', 'See all events'],
  sign: ['로그인하면 예매 내역이 보여요.', 'Sign in to see your tickets.'],
  tickets: ['{n}매', '{n} tickets'],
} satisfies Record<string, Pair>;

export default function Orders({ order }: { order?: string }) {
  useEffect(() => void (title.value = t(T.h1)), []);
  if (!auth.value) return <div class="page narrow"><Heading>{t(T.h1)}</Heading><p class="soft">{t(T.sign)}</p><div class="panel"><SignIn onDone={() => {}} back={location.pathname} /></div></div>;
  return order ? <Ticket key={order} id={order} /> : <Everything />;
}

interface All {
  orders: Order[];
  holds: Reservation[];
  shows: Map<string, Show | undefined>;
}

async function loadAll(): Promise<All> {
  const [{ orders }, { reservations: holds }] = await Promise.all([client.call('GET /orders'), client.call('GET /reservations', { query: { status: 'HOLD' } })]);
  const events = [...new Set([...orders, ...holds].map(({ event_id }) => event_id))];
  const shows = await Promise.all(events.map(async (id) => [id, await client.call('GET /events/{id}', { id }).catch(() => undefined)] as const));
  return { orders, holds, shows: new Map(shows) };
}

function Everything() {
  const { data, failure, again } = useRemote(`orders ${auth.value?.userId}`, loadAll, 20_000);
  if (!data) return <div class="page"><Heading>{t(T.h1)}</Heading>{failure ? <Trouble failure={failure} retry={again} /> : <Skeleton lines={4} />}</div>;
  const at = clock.now();
  const over = ({ event_id }: Order): boolean => Date.parse(data.shows.get(event_id)?.starts_at ?? '9999-01-01') < at;
  const valid = data.orders.filter(({ status }) => status === 'CONFIRMED');
  const groups: [Pair, Order[]][] = [
    [T.coming, valid.filter((order) => !over(order))],
    [T.past, valid.filter(over)],
    [T.refunded, data.orders.filter(({ status }) => status === 'REFUNDED')],
  ];
  return (
    <div class="page">
      <Heading>{t(T.h1)}</Heading>
      {data.holds.length > 0 && <section class="group"><h2>{t(T.open)}</h2><ul class="bookings">{data.holds.map((hold) => <Hold key={hold.reservation_id} hold={hold} show={data.shows.get(hold.event_id)} />)}</ul></section>}
      {groups.map(([name, orders]) => orders.length > 0 && (
        <section key={name[0]} class="group"><h2>{t(name)}</h2><ul class="bookings">{orders.map((order) => <Booking key={order.order_id} order={order} show={data.shows.get(order.event_id)} />)}</ul></section>
      ))}
      {data.orders.length + data.holds.length === 0 && <div class="empty"><p>{t(T.empty)}</p><p><a class="button primary" href="/">{t(T.home)}</a></p></div>}
    </div>
  );
}

function Hold({ hold, show }: { hold: Reservation; show: Show | undefined }) {
  const left = Date.parse(hold.hold_expires_at) - now.value;
  return (
    <li class="booking">
      <Poster seed={hold.event_id} />
      <div><b>{show ? own(show.name) : hold.event_id}</b><span class="soft">{t(T.tickets, { n: hold.quantity })} · {money(hold.total_amount, hold.currency)}</span></div>
      {left > 0 && <a class="button primary small" href={`/pay/${hold.reservation_id}`}>{t(T.pay)} · {t(T.left, { t: countdown(left) })}</a>}
    </li>
  );
}

function Booking({ order, show }: { order: Order; show: Show | undefined }) {
  return (
    <li>
      <a class="booking" href={`/orders/${order.order_id}`}>
        <Poster seed={order.event_id} />
        <div><b>{show ? own(show.name) : order.event_id}</b>{show?.starts_at && <span class="soft">{dateTime(show.starts_at)}</span>}<span class="soft">{t(T.tickets, { n: order.quantity })} · {money(order.total_amount, order.currency)}</span></div>
        <span aria-hidden="true">›</span>
      </a>
    </li>
  );
}
