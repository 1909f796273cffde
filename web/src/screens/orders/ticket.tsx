// One order with its tickets.

import { useEffect, useState } from 'preact/hooks';
import type { Event as Show, Order } from '../../api/contract.ts';
import { insist } from '../../api/insist.ts';
import { Keyring } from '../../api/keys.ts';
import { dateTime, money, own, t, type Pair } from '../../app/lang.ts';
import { useRemote } from '../../app/remote.ts';
import { auth, client, say, store, title } from '../../app/services.ts';
import { saleOf } from '../../app/sessions.ts';
import { Trouble } from '../../app/trouble.tsx';
import { Ask } from '../../app/sheet.tsx';
import { Heading, Skeleton } from '../../app/ui.tsx';
import { Plan } from '../../seatmap/plan.ts';
import { shortSeat } from '../seats/words.ts';
import { keepOffline } from './offline.ts';
import { Qr } from './qr.tsx';

const T = {
  done: ['예매가 끝났어요!', 'You’re going!'],
  order: ['예매 내역', 'Your order'],
  show: ['입장할 때 이 QR을 보여 주세요.', 'Show this QR at the door.'],
  share: ['캡처를 남에게 보내지 마세요. 먼저 입장한 사람만 들어갈 수 있어요.', 'Don’t share screenshots: the first scan wins.'],
  number: ['예매 번호', 'Order no.'],
  when: ['일시', 'When'],
  where: ['장소', 'Where'],
  total: ['결제 금액', 'Paid'],
  at: ['예매 확정', 'Confirmed'],
  ticket: ['티켓 {n} / {m}', 'Ticket {n} of {m}'],
  refundedTicket: ['환불된 티켓', 'Refunded ticket'],
  refunded: ['환불한 예매예요. 결제한 금액을 모두 돌려드렸습니다.', 'This order was refunded in full.'],
  calendar: ['캘린더에 추가', 'Add to calendar'],
  print: ['인쇄', 'Print'],
  sharing: ['공연 공유', 'Share the event'],
  copied: ['링크를 복사했어요.', 'The link is copied.'],
  refund: ['환불하기', 'Refund'],
  refundAsk: ['좌석은 바로 다시 판매돼요. 환불 금액: {p}', 'The seats go back on sale at once. You get back {p}.'],
  refunding: ['환불하고 있어요…', 'Refunding…'],
  all: ['내 예매 전체', 'All my tickets'],
  place: ['자리 {n}', 'Place {n}'],
} satisfies Record<string, Pair>;

export function Ticket({ id }: { id: string }) {
  const { data: order, failure, again } = useRemote(`order ${id} ${auth.value?.userId}`, () => client.call('GET /orders/{id}', { id }));
  const show = useRemote(`event ${order?.event_id ?? ''}`, async () => (order ? client.call('GET /events/{id}', { id: order.event_id }) : undefined));
  const [fresh] = useState(() => (order ? false : undefined));
  useEffect(() => {
    title.value = show.data ? own(show.data.name) : t(T.order);
    if (order) {
      saleOf(order.event_id).runner.send({ type: 'acknowledge' });
      if (order.status === 'CONFIRMED') keepOffline(order.event_id, id);
    }
  }, [order, show.data]);
  if (!order) return <div class="page narrow">{failure ? <><Heading>{t(T.order)}</Heading><Trouble failure={failure} retry={again} /></> : <Skeleton lines={6} />}</div>;
  const valid = order.status === 'CONFIRMED';
  const young = fresh === undefined && Date.now() - Date.parse(order.confirmed_at) < 120_000;
  return (
    <div class="page order">
      <p class="crumb"><a href="/orders">← {t(T.all)}</a></p>
      <div>
        <Heading>{valid && young ? t(T.done) : show.data ? own(show.data.name) : t(T.order)}</Heading>
        <p class="soft">{valid ? t(T.show) : t(T.refunded)}</p>
      </div>
      <div class="columns">
        <ul class="tickets">{order.tickets.map((ticket, at) => <Card key={ticket.ticket_id} order={order} show={show.data} ticket={ticket} at={at} />)}</ul>
        <aside class="panel plain details"><Facts order={order} show={show.data} /><Actions order={order} show={show.data} again={again} /></aside>
      </div>
    </div>
  );
}

function Card({ order, show, ticket, at }: { order: Order; show: Show | undefined; ticket: Order['tickets'][number]; at: number }) {
  const plan = show && new Plan(show);
  const seat = plan && ticket.seat_id ? plan.seat(ticket.seat_id) : -1;
  const where = plan && seat >= 0 ? shortSeat(plan, seat) : (ticket.seat_id ?? t(T.place, { n: at + 1 }));
  const valid = order.status === 'CONFIRMED';
  return (
    <li class={`ticket ${valid ? '' : 'void'}`}>
      <div class="ticket-head">
        <small>{t(T.ticket, { n: at + 1, m: order.tickets.length })}</small>
        <b>{show ? own(show.name) : order.event_id}</b>
        {show?.starts_at && <small>{dateTime(show.starts_at)}{own(show.venue) && ` · ${own(show.venue)}`}</small>}
      </div>
      <p class="seat">{where}</p>
      {valid ? <><Qr code={ticket.code} /><p class="code" aria-label={t(['티켓 코드', 'Ticket code'])}>{ticket.code.slice(-16).replace(/(.{4})(?=.)/g, '$1 ')}</p></> : <p class="void-text">{t(T.refundedTicket)}</p>}
      {valid && <p class="soft small-text">{t(T.share)}</p>}
    </li>
  );
}

function Facts({ order, show }: { order: Order; show: Show | undefined }) {
  return (
    <dl class="facts">
      <dt>{t(T.total)}</dt><dd><b>{money(order.total_amount, order.currency)}</b></dd>
      {show?.starts_at && <><dt>{t(T.when)}</dt><dd>{dateTime(show.starts_at)}</dd></>}
      {show && own(show.venue) && <><dt>{t(T.where)}</dt><dd>{own(show.venue)}</dd></>}
      <dt>{t(T.at)}</dt><dd>{dateTime(order.confirmed_at)}</dd>
      <dt>{t(T.number)}</dt><dd class="small-text">{order.order_id}</dd>
    </dl>
  );
}

function Actions({ order, show, again }: { order: Order; show: Show | undefined; again: () => void }) {
  const [asks, setAsks] = useState(false);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<unknown>();
  const refund = async (): Promise<void> => {
    const keys = new Keyring(store);
    const intention = `refund.${order.order_id}`;
    setBusy(true);
    setFailure(undefined);
    try {
      await insist(() => client.call('POST /orders/{id}/refund', { id: order.order_id, key: keys.for(intention), body: {} }), { until: Date.now() + 30_000 });
      keys.drop(intention);
      again();
    } catch (problem) {
      setFailure(problem);
    } finally {
      setBusy(false);
    }
  };
  const valid = order.status === 'CONFIRMED';
  return (
    <div class="order-actions">
      {valid && show?.starts_at && <button type="button" onClick={() => calendar(order, show)}>{t(T.calendar)}</button>}
      {valid && <button type="button" onClick={() => print()}>{t(T.print)}</button>}
      <button type="button" onClick={() => share(order, show)}>{t(T.sharing)}</button>
      {failure !== undefined && <Trouble failure={failure} retry={refund} />}
      {valid && <button type="button" class="quiet danger-text" disabled={busy} onClick={() => setAsks(true)}>{t(busy ? T.refunding : T.refund)}</button>}
      {asks && <Ask danger title={t(T.refund)} text={t(T.refundAsk, { p: money(order.total_amount, order.currency) })} yes={t(T.refund)} onYes={refund} onClose={() => setAsks(false)} />}
    </div>
  );
}

/** The event, never the ticket. */
async function share(order: Order, show: Show | undefined): Promise<void> {
  const url = `${location.origin}/e/${encodeURIComponent(order.event_id)}`;
  try {
    if (navigator.share) return await navigator.share({ url, title: show ? own(show.name) : undefined });
    await navigator.clipboard.writeText(url);
    say(t(T.copied));
  } catch {
    // Changed one's mind.
  }
}

function calendar(order: Order, show: Show): void {
  const stamp = (at: string | number): string => new Date(at).toISOString().replace(/[-:]|\.\d+/g, '');
  const begins = Date.parse(show.starts_at!);
  const lines = [
    'BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:-//Traffic Tacos//KO', 'BEGIN:VEVENT', `UID:${order.order_id}@traffic-tacos`,
    `DTSTAMP:${stamp(order.confirmed_at)}`, `DTSTART:${stamp(begins)}`, `DTEND:${stamp(begins + 7_200_000)}`,
    `SUMMARY:${own(show.name).replace(/([,;\\])/g, '\\$1')}`, `LOCATION:${own(show.venue).replace(/([,;\\])/g, '\\$1')}`, 'END:VEVENT', 'END:VCALENDAR',
  ];
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([lines.join('\r\n')], { type: 'text/calendar' }));
  link.download = `${order.event_id}.ics`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
