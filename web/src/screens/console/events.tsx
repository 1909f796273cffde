// All sales at a glance.

import type { EventSummary, QueueStats } from '../../api/contract.ts';
import { count, dateTime, own, t, type Pair } from '../../app/lang.ts';
import { useRemote } from '../../app/remote.ts';
import { client } from '../../app/services.ts';
import { Trouble } from '../../app/trouble.tsx';
import { Heading, Skeleton } from '../../app/ui.tsx';
import { Chip } from '../chip.tsx';

const T = {
  h1: ['공연', 'Events'],
  add: ['새 공연', 'New event'],
  name: ['공연', 'Event'],
  status: ['상태', 'Status'],
  opens: ['예매 시작', 'On sale from'],
  left: ['남은 좌석', 'Seats left'],
  waiting: ['대기', 'Waiting'],
  active: ['쇼핑', 'Shopping'],
} satisfies Record<string, Pair>;

interface Row {
  event: EventSummary;
  stats: QueueStats | undefined;
}

const SHOWN = 60;

async function load(): Promise<Row[]> {
  const { events } = await client.call('GET /events');
  return Promise.all(events.slice(0, SHOWN).map(async (event) => ({
    event, stats: await client.call('GET /queue/stats', { query: { event_id: event.event_id } }).catch(() => undefined),
  })));
}

export function Events() {
  const { data, failure, again } = useRemote('console events', load, 5000);
  return (
    <>
      <div class="spread"><Heading>{t(T.h1)}</Heading><a class="button primary" href="/console/new">{t(T.add)}</a></div>
      {!data && (failure ? <Trouble failure={failure} retry={again} /> : <Skeleton lines={5} />)}
      {data && (
        <div class="table-wrap" tabIndex={0} role="region" aria-label={t(T.h1)}>
          <table>
            <thead><tr><th>{t(T.name)}</th><th>{t(T.status)}</th><th>{t(T.opens)}</th><th class="n">{t(T.left)}</th><th class="n">{t(T.waiting)}</th><th class="n">{t(T.active)}</th></tr></thead>
            <tbody>{data.map((row) => <Line key={row.event.event_id} {...row} />)}</tbody>
          </table>
        </div>
      )}
    </>
  );
}

function Line({ event, stats }: Row) {
  return (
    <tr>
      <th scope="row"><a href={`/console/${encodeURIComponent(event.event_id)}`}>{own(event.name)}</a><small class="soft">{event.event_id}</small></th>
      <td><Chip status={event.status} /></td>
      <td>{dateTime(event.sale_opens_at)}</td>
      <td class="n">{event.remaining === null ? '–' : count(event.remaining)}</td>
      <td class="n">{stats ? count(stats.waiting) : '–'}</td>
      <td class="n">{stats ? count(stats.active) : '–'}</td>
    </tr>
  );
}
