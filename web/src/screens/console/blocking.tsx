// Holding seats back and releasing them, on the buyers' own map.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Event as Show } from '../../api/contract.ts';
import { count, lang, own, t, type Pair } from '../../app/lang.ts';
import { useRemote } from '../../app/remote.ts';
import { client } from '../../app/services.ts';
import { Trouble } from '../../app/trouble.tsx';
import { Heading, Skeleton } from '../../app/ui.tsx';
import { SeatMap } from '../../seatmap/map.ts';
import { BLOCKED, FREE } from '../../seatmap/plan.ts';
import { Hall } from '../seats/hall.ts';
import { shortSeat, stateWord, stretchWords } from '../seats/words.ts';
import '../seats/seats.css';

const T = {
  h1: ['좌석 막기', 'Seat blocking'],
  help: ['지도에서 좌석을 누르거나, 아래에 구역과 열, 번호 범위를 적어 고르세요. 결제 중이거나 팔린 좌석은 막을 수 없어요.', 'Tap seats on the map, or name a section, row and range below. Held and sold seats can’t be blocked.'],
  block: ['{n}석 막기', 'Block {n}'],
  unblock: ['{n}석 풀기', 'Release {n}'],
  clear: ['선택 지우기', 'Clear'],
  section: ['구역', 'Section'],
  row: ['열', 'Row'],
  from: ['부터', 'From'],
  to: ['까지', 'To'],
  add: ['더하기', 'Add'],
  blocked: ['막아 둔 좌석', 'Blocked seats'],
  none: ['막아 둔 좌석이 없어요.', 'No blocked seats.'],
  search: ['찾기', 'Search'],
  done: ['{n}석을 바꿨어요.', 'Changed {n} seats.'],
  stage: ['무대', 'STAGE'],
} satisfies Record<string, Pair>;

export function Blocking({ event }: { event: string }) {
  const { data, failure, again } = useRemote(`event ${event}`, () => client.call('GET /events/{id}', { id: event }));
  if (!data) return <><Heading>{t(T.h1)}</Heading>{failure ? <Trouble failure={failure} retry={again} /> : <Skeleton lines={6} />}</>;
  return <Map show={data} />;
}

function Map({ show }: { show: Show }) {
  const hall = useMemo(() => new Hall(show), []);
  const [chosen, setChosen] = useState<number[]>([]);
  const [failure, setFailure] = useState<unknown>();
  const [told, setTold] = useState('');
  useEffect(() => () => hall.close(), []);
  hall.version.value;
  const { states } = hall.plan;
  const free = chosen.filter((seat) => states[seat] === FREE);
  const blocked = chosen.filter((seat) => states[seat] === BLOCKED);
  const send = async (kind: 'block' | 'unblock', seats: number[]): Promise<void> => {
    setFailure(undefined);
    try {
      await client.call('POST /admin/events/{id}/seats', { id: show.event_id, body: { [kind]: seats.map((seat) => hall.plan.id(seat)) } });
      for (const seat of seats) {
        const section = hall.plan.sectionOf(seat);
        hall.plan.set(section.index, seat - section.first, kind === 'block' ? BLOCKED : FREE);
      }
      for (const listener of hall.listeners) listener();
      setChosen([]);
      setTold(t(T.done, { n: seats.length }));
    } catch (problem) {
      setFailure(problem);
    }
  };
  return (
    <>
      <Heading>{t(T.h1)}</Heading>
      <p class="soft">{t(T.help)}</p>
      {hall.ready.value ? <Canvas hall={hall} chosen={chosen} toggle={(seat) => setChosen((old) => (old.includes(seat) ? old.filter((each) => each !== seat) : [...old, seat]))} /> : <Skeleton lines={6} />}
      <Range hall={hall} add={(seats) => setChosen((old) => [...new Set([...old, ...seats])])} />
      <p class="soft" role="status">{told || (chosen.length ? stretchWords(hall.plan, chosen.slice(0, 40)).join(', ') : '')}</p>
      {failure !== undefined && <Trouble failure={failure} />}
      <p class="row">
        <button type="button" class="primary" disabled={!free.length} onClick={() => send('block', free)}>{t(T.block, { n: free.length })}</button>
        <button type="button" disabled={!blocked.length} onClick={() => send('unblock', blocked)}>{t(T.unblock, { n: blocked.length })}</button>
        <button type="button" class="quiet" disabled={!chosen.length} onClick={() => setChosen([])}>{t(T.clear)}</button>
      </p>
      <Blocked hall={hall} pick={(seats) => setChosen((old) => [...new Set([...old, ...seats])])} />
    </>
  );
}

function Canvas({ hall, chosen, toggle }: { hall: Hall; chosen: number[]; toggle: (seat: number) => void }) {
  const host = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const map = useRef<SeatMap | undefined>(undefined);
  const [tip, setTip] = useState('');
  useEffect(() => {
    const { plan, show } = hall;
    const seats = new SeatMap({
      host: host.current!, canvas: canvas.current!, plan, grades: hall.grades, stage: t(T.stage),
      label: (index) => [own(show.sections[index]!.name), '', count(hall.left(index))],
      onSeat: (seat) => (plan.states[seat] === FREE || plan.states[seat] === BLOCKED) && toggle(seat),
      onSection: () => {}, onView: () => {},
      onHover: (seat) => setTip(seat === undefined ? '' : `${shortSeat(plan, seat)} · ${plan.states[seat] === BLOCKED ? t(['막음', 'blocked']) : stateWord(plan.states[seat], false)}`),
    });
    map.current = seats;
    const changed = (changes?: readonly [number, number, number][]): void => seats.changed(changes);
    hall.listeners.add(changed);
    return () => (hall.listeners.delete(changed), seats.destroy());
  }, [lang.value]);
  useEffect(() => map.current?.show({ chosen, lost: new Set(), only: undefined, contrast: false }), [chosen]);
  return (
    <div ref={host} class="map console-map" role="group" aria-label={t(T.h1)}>
      <canvas ref={canvas} aria-hidden="true" />
      <div class="map-tools">
        <button type="button" aria-label={t(['확대', 'Zoom in'])} onClick={() => map.current?.zoomBy(1.7)}>+</button>
        <button type="button" aria-label={t(['축소', 'Zoom out'])} onClick={() => map.current?.zoomBy(1 / 1.7)}>−</button>
        <button type="button" aria-label={t(['전체 보기', 'Show all'])} onClick={() => map.current?.fit()}>⤢</button>
      </div>
      {tip && <p class="map-tip" aria-hidden="true">{tip}</p>}
    </div>
  );
}

/** Seats by name, for whoever does not use the map. */
function Range({ hall, add }: { hall: Hall; add: (seats: number[]) => void }) {
  const seated = hall.plan.sections.filter(({ general }) => !general);
  const [section, setSection] = useState(seated[0]?.index ?? 0);
  const [row, setRow] = useState(0);
  const planned = hall.plan.sections[section]!;
  const place = planned.rows[row] ?? planned.rows[0];
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const values = new FormData(event.currentTarget as HTMLFormElement);
    if (!place) return;
    const from = Math.max(1, Number(values.get('from')) || 1);
    const to = Math.min(place.count, Number(values.get('to')) || place.count);
    add(Array.from({ length: Math.max(0, to - from + 1) }, (_, at) => place.first + from - 1 + at));
  };
  return (
    <form class="settings" onSubmit={submit}>
      <label>{t(T.section)}<select value={section} onChange={(event) => (setSection(Number(event.currentTarget.value)), setRow(0))}>{seated.map(({ index, section: each }) => <option key={index} value={index}>{own(each.name)}</option>)}</select></label>
      <label>{t(T.row)}<select value={row} onChange={(event) => setRow(Number(event.currentTarget.value))}>{planned.rows.map(({ id }, at) => <option key={id} value={at}>{id}</option>)}</select></label>
      <label>{t(T.from)}<input name="from" type="number" min={1} max={place?.count} placeholder="1" /></label>
      <label>{t(T.to)}<input name="to" type="number" min={1} max={place?.count} placeholder={String(place?.count ?? '')} /></label>
      <button>{t(T.add)}</button>
    </form>
  );
}

const SHOWN = 200;

function Blocked({ hall, pick }: { hall: Hall; pick: (seats: number[]) => void }) {
  const [word, setWord] = useState('');
  const all: number[] = [];
  hall.plan.states.forEach((state, seat) => state === BLOCKED && all.push(seat));
  const found = all.slice(0, 5000).filter((seat) => !word || hall.plan.id(seat).toLowerCase().includes(word.toLowerCase()));
  return (
    <section class="stack">
      <div class="spread"><h2>{t(T.blocked)} <span class="soft">{count(all.length)}</span></h2><label class="search">{t(T.search)}<input type="search" value={word} onInput={(event) => setWord(event.currentTarget.value)} /></label></div>
      {found.length ? <ul class="runs flat">{found.slice(0, SHOWN).map((seat) => <li key={seat}><button type="button" onClick={() => pick([seat])}>{hall.plan.id(seat)}</button></li>)}</ul> : <p class="soft">{t(T.none)}</p>}
    </section>
  );
}
