// The sale as it runs: figures, charts, and what can be changed while it does.

import { useMemo, useState } from 'preact/hooks';
import type { Availability, ManagedEvent, QueuePatch, QueueStats } from '../../api/contract.ts';
import { count, money, own, t, type Pair } from '../../app/lang.ts';
import { useRemote } from '../../app/remote.ts';
import { beat, client } from '../../app/services.ts';
import { Trouble } from '../../app/trouble.tsx';
import { Ask } from '../../app/sheet.tsx';
import { Heading, Skeleton } from '../../app/ui.tsx';
import { Chip } from '../chip.tsx';
import { Chart, type Line } from './chart.tsx';
import { Controls } from './controls.tsx';
import { hints } from './forecast.ts';
import { Series, type Sample } from './series.ts';

const T = {
  pause: ['입장 멈춤', 'Pause entry'],
  resume: ['입장 다시 열기', 'Resume entry'],
  resumeAsk: ['기다리는 {n}명의 입장이 다시 시작돼요.', 'Entry starts again for {n} people waiting.'],
  waiting: ['대기', 'Waiting'],
  ready: ['준비', 'Ready'],
  active: ['쇼핑', 'Shopping'],
  sold: ['판매', 'Sold'],
  rate: ['초당 입장', 'Entries a second'],
  limit: ['한도', 'Limit'],
  free: ['남음', 'Free'],
  held: ['결제 중', 'Held'],
  lapsed: ['놓침/분', 'Lapsed/min'],
  left: ['나감/분', 'Left/min'],
  queue: ['줄', 'The line'],
  entry: ['입장 속도와 한도', 'Entry against the limit'],
  seats: ['좌석', 'Seats'],
  losses: ['놓침과 나감', 'Lapsed and left'],
  sections: ['구역별 판매', 'Sales by section'],
  section: ['구역', 'Section'],
  price: ['가격', 'Price'],
  total: ['전체', 'Total'],
  blocked: ['막음', 'Blocked'],
  age: ['{n}초 전', '{n} s ago'],
  apply: ['적용', 'Apply'],
  revenue: ['판매 금액', 'Revenue'],
  page: ['구매자 화면 보기', 'See the buyers’ page'],
} satisfies Record<string, Pair>;

interface Now {
  stats: QueueStats;
  left: Availability;
}

export function Live({ event }: { event: string }) {
  const managed = useRemote(`managed ${event}`, () => client.call('GET /admin/events/{id}', { id: event }), 5000);
  const letters = useRemote('letters', () => client.call('GET /admin/dead-letters'), 15_000);
  const series = useMemo(() => new Series(), [event]);
  const now = useRemote<Now>(`now ${event}`, async () => {
    const [stats, left] = await Promise.all([client.call('GET /queue/stats', { query: { event_id: event } }), client.call('GET /events/{id}/availability', { id: event })]);
    series.add(stats, left, Date.now() / 1000);
    return { stats, left };
  }, 1000);
  if (!managed.data || !now.data) {
    const failure = managed.failure ?? now.failure;
    return <><Heading>{event}</Heading>{failure ? <Trouble failure={failure} retry={() => (managed.again(), now.again())} /> : <Skeleton lines={6} />}</>;
  }
  return <Board event={managed.data} now={now.data} at={now.at} series={series} letters={letters.data?.dead_letters.length ?? 0} again={managed.again} />;
}

function Board({ event, now, at, series, letters, again }: { event: ManagedEvent; now: Now; at: number; series: Series; letters: number; again: () => void }) {
  const [failure, setFailure] = useState<unknown>();
  const [asks, setAsks] = useState(false);
  const { stats, left } = now;
  const last = series.samples.at(-1)!;
  const change = async (patch: QueuePatch): Promise<void> => {
    setFailure(undefined);
    try {
      await client.call('POST /admin/events/{id}/queue', { id: event.event_id, body: patch });
      again();
    } catch (problem) {
      setFailure(problem);
    }
  };
  const { paused } = event.queue;
  return (
    <>
      <div class="spread wrap">
        <div><Heading>{own(event.name)}</Heading><p class="row"><Chip status={stats.status} /><a href={`/e/${encodeURIComponent(event.event_id)}`}>{t(T.page)}</a></p></div>
        {paused ? <button type="button" class="primary big-stop" onClick={() => setAsks(true)}>▶ {t(T.resume)}</button>
          : <button type="button" class="danger big-stop" onClick={() => change({ paused: true })}>‖ {t(T.pause)}</button>}
      </div>
      {asks && <Ask title={t(T.resume)} text={t(T.resumeAsk, { n: stats.waiting })} yes={t(T.resume)} onYes={() => change({ paused: false })} onClose={() => setAsks(false)} />}
      {failure !== undefined && <Trouble failure={failure} />}
      <Figures event={event} stats={stats} last={last} at={at} />
      {hints(series, event.queue, letters).map(({ id, text, values, patch }) => (
        <div key={id} class="notice warn spread" role="status"><span>{t(text, values)}</span>{patch && <button type="button" class="small" onClick={() => change(patch)}>{t(T.apply)}</button>}</div>
      ))}
      <Controls settings={event.queue} last={last} series={series} change={change} />
      <Charts series={series} event={event} />
      <Sections left={left} event={event} />
    </>
  );
}

const STALE_MS = 5000;

function Figures({ event, stats, last, at }: { event: ManagedEvent; stats: QueueStats; last: Sample; at: number }) {
  beat.value;
  const age = Date.now() - at;
  const all = last.free + last.held + last.sold;
  const figures: [Pair, string, string?][] = [
    [T.waiting, count(stats.waiting)],
    [T.ready, count(stats.ready)],
    [T.active, count(stats.active), `/ ${count(event.queue.max_active)}`],
    [T.sold, count(last.sold), `/ ${count(all)}`],
    [T.rate, String(Math.round(stats.admission_rate * 10) / 10), `/ ${count(event.queue.admit_per_sec)}`],
  ];
  return (
    <dl class={`figures ${age > STALE_MS ? 'stale' : ''}`}>
      {figures.map(([name, value, of]) => <div key={name[1]}><dt>{t(name)}</dt><dd><b class="figure">{value}</b>{of && <span class="soft"> {of}</span>}</dd></div>)}
      {age > STALE_MS && <div><dt>{t(['마지막 확인', 'Last seen'])}</dt><dd>{t(T.age, { n: Math.floor(age / 1000) })}</dd></div>}
    </dl>
  );
}

function Charts({ series, event }: { series: Series; event: ManagedEvent }) {
  const limit = event.queue.admit_per_sec;
  const perMinute = (of: 'lapsed' | 'left') => (sample: Sample): number => {
    const first = series.samples.find(({ at }) => at >= sample.at - 60);
    return first ? sample[of] - first[of] : 0;
  };
  const charts: [Pair, Line[]][] = [
    [T.queue, [{ name: T.waiting, ink: 'action', of: ({ waiting }) => waiting }, { name: T.active, ink: 'ok', of: ({ active }) => active }, { name: T.ready, ink: 'warn', of: ({ ready }) => ready }]],
    [T.entry, [{ name: T.rate, ink: 'action', of: ({ rate }) => rate }, { name: T.limit, ink: 'danger', dash: [6, 4], of: () => limit }]],
    [T.seats, [{ name: T.sold, ink: 'ok', of: ({ sold }) => sold }, { name: T.held, ink: 'warn', of: ({ held }) => held }, { name: T.free, ink: 'action', of: ({ free }) => free }]],
    [T.losses, [{ name: T.lapsed, ink: 'danger', of: perMinute('lapsed') }, { name: T.left, ink: 'soft', of: perMinute('left') }]],
  ];
  return <div class="charts">{charts.map(([title, lines]) => <Chart key={title[1]} title={title} lines={lines} samples={series.samples} />)}</div>;
}

function Sections({ left, event }: { left: Availability; event: ManagedEvent }) {
  const revenue = left.sections.reduce((sum, { sold, price }) => sum + sold * price, 0);
  return (
    <section class="stack">
      <div class="spread"><h2>{t(T.sections)}</h2><p><span class="soft">{t(T.revenue)}</span> <b class="figure">{money(revenue, event.currency)}</b></p></div>
      <div class="table-wrap" tabIndex={0} role="region" aria-label={t(T.sections)}>
        <table>
          <thead><tr><th>{t(T.section)}</th><th class="n">{t(T.price)}</th><th class="n">{t(T.total)}</th><th class="n">{t(T.sold)}</th><th class="n">{t(T.held)}</th><th class="n">{t(T.free)}</th><th class="n">{t(T.blocked)}</th><th><span class="sr">{t(['판매 비율', 'Share sold'])}</span></th></tr></thead>
          <tbody>
            {left.sections.map((section) => (
              <tr key={section.id}>
                <th scope="row">{own(section.name)}</th><td class="n">{money(section.price, event.currency)}</td><td class="n">{count(section.total)}</td><td class="n">{count(section.sold)}</td>
                <td class="n">{count(section.held)}</td><td class="n">{count(section.remain)}</td><td class="n">{count(section.blocked)}</td>
                <td><meter min={0} max={section.total} value={section.sold} aria-label={t(T.sold)} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
