// An event, new or changed: its words, times, rules and seats.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Event as Show, NewEvent } from '../../api/contract.ts';
import { Refusal } from '../../api/refusal.ts';
import { count, money, own, t, type Pair } from '../../app/lang.ts';
import { go } from '../../app/router.ts';
import { useRemote } from '../../app/remote.ts';
import { client } from '../../app/services.ts';
import { Trouble } from '../../app/trouble.tsx';
import { Heading, Skeleton } from '../../app/ui.tsx';
import { gradesOf } from '../../seatmap/grades.ts';
import { SeatMap } from '../../seatmap/map.ts';
import { FREE, Plan } from '../../seatmap/plan.ts';
import { bodyOf, draftOf, newDraft, newSection, SEATS_MAX, seatsOf, type Draft, type SectionDraft } from './draft.ts';
import '../account/account.css';
import '../seats/seats.css';

const T = {
  create: ['새 공연', 'New event'],
  edit: ['공연 편집', 'Edit event'],
  words: ['이름과 장소', 'Name and venue'],
  times: ['날짜 (한국 시간)', 'Dates (Korea time)'],
  rules: ['구매 규칙', 'Buying rules'],
  line: ['입장', 'Admission'],
  sections: ['구역과 좌석', 'Sections and seats'],
  total: ['모두 {n}석 / 최대 {m}석', '{n} seats of at most {m}'],
  over: ['좌석이 {m}석을 넘어요.', 'More than {m} seats.'],
  add: ['구역 추가', 'Add a section'],
  remove: ['구역 빼기', 'Remove'],
  save: ['저장', 'Save'],
  saving: ['저장하고 있어요…', 'Saving…'],
  saved: ['저장했어요. 몇 초 안에 구매자 화면에 보여요.', 'Saved. Buyers see it within seconds.'],
  preview: ['미리 보기', 'Preview'],
  export: ['파일로 저장', 'Export'],
  import: ['파일에서 읽기', 'Import'],
  inTheWay: ['이미 팔렸거나 잡힌 좌석: {s}', 'Sold or held seats in the way: {s}'],
  exact: ['열마다 다른 좌석 수를 그대로 두었어요.', 'Rows are kept exactly as they are.'],
  formula: ['식으로 다시 만들기', 'Make rows by formula'],
  stage: ['무대', 'STAGE'],
  bad: ['이 파일은 공연 정보가 아니에요.', 'That file is not an event.'],
} satisfies Record<string, Pair>;

export function Editor({ event }: { event?: string }) {
  const { data, failure, again } = useRemote(`edit ${event ?? ''}`, async () => (event ? draftOf(await client.call('GET /admin/events/{id}', { id: event })) : newDraft()));
  if (!data) return <><Heading>{t(event ? T.edit : T.create)}</Heading>{failure ? <Trouble failure={failure} retry={again} /> : <Skeleton lines={6} />}</>;
  return <Form key={event ?? ''} start={data} fresh={!event} />;
}

type TextField = { [K in keyof Draft]: Draft[K] extends string ? K : never }[keyof Draft];
type Input = [TextField, Pair, { type?: 'text' | 'number' | 'datetime-local'; max?: number; required?: boolean; lang?: string; pattern?: string }?];

const GROUPS: [Pair, Input[]][] = [
  [T.words, [['nameKo', ['이름 (한국어)', 'Name (Korean)'], { required: true, lang: 'ko' }], ['nameEn', ['이름 (영어)', 'Name (English)'], { lang: 'en' }], ['venueKo', ['장소 (한국어)', 'Venue (Korean)'], { lang: 'ko' }], ['venueEn', ['장소 (영어)', 'Venue (English)'], { lang: 'en' }]]],
  [T.times, [['starts', ['공연 시작', 'Starts'], { type: 'datetime-local' }], ['opens', ['예매 시작', 'Sale opens'], { type: 'datetime-local' }], ['closes', ['예매 마감', 'Sale closes'], { type: 'datetime-local' }]]],
  [T.rules, [['hold', ['결제 시간 (초, 1–3600)', 'Time to pay (s, 1–3600)'], { type: 'number', max: 3600 }], ['perReservation', ['한 번에 (1–100)', 'At once (1–100)'], { type: 'number', max: 100 }], ['perUser', ['한 사람당 (1–1000)', 'Per person (1–1000)'], { type: 'number', max: 1000 }]]],
  [T.line, [['admit', ['초당 입장', 'Entries a second'], { type: 'number', max: 100_000 }], ['burst', ['한꺼번에 입장', 'Burst'], { type: 'number', max: 1_000_000 }], ['active', ['동시 쇼핑', 'Shopping at once'], { type: 'number', max: 1_000_000 }], ['window', ['입장 시간 (초)', 'Entry window (s)'], { type: 'number', max: 3600 }], ['stay', ['고르는 시간 (초)', 'Time to choose (s)'], { type: 'number', max: 3600 }], ['lanes', ['줄 (1–256)', 'Lanes (1–256)'], { type: 'number', max: 256 }]]],
];

function Form({ start, fresh }: { start: Draft; fresh: boolean }) {
  const [draft, setDraft] = useState(start);
  const [state, setState] = useState<'' | 'saving' | 'saved'>('');
  const [failure, setFailure] = useState<unknown>();
  const body = useMemo(() => bodyOf(draft), [draft]);
  const seats = seatsOf(body);
  useDirty(draft !== start && state !== 'saved');
  const change = (part: Partial<Draft>): void => (setDraft({ ...draft, ...part }), setState(''));
  const section = (at: number, part: Partial<SectionDraft>): void => change({ sections: draft.sections.map((each, index) => (index === at ? { ...each, ...part } : each)) });
  const save = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    setState('saving');
    setFailure(undefined);
    try {
      await client.call('PUT /admin/events/{id}', { id: draft.id, body });
      setState('saved');
      if (fresh) go(`/console/${encodeURIComponent(draft.id)}/edit`, true);
    } catch (problem) {
      setState('');
      setFailure(problem);
    }
  };
  return (
    <form class="editor stack" onSubmit={save}>
      <div class="spread wrap"><Heading>{t(fresh ? T.create : T.edit)}</Heading><Files draft={draft} body={body} load={(next) => change({ ...next, id: fresh ? next.id : draft.id })} /></div>
      {fresh && <label class="field">{t(['공연 주소에 쓸 이름', 'Id, used in the address'])}<input required pattern="[A-Za-z0-9_\-]{1,64}" value={draft.id} onInput={(event) => change({ id: event.currentTarget.value })} /></label>}
      {GROUPS.map(([name, inputs]) => (
        <fieldset key={name[1]}><legend>{t(name)}</legend>
          <div class="settings">{inputs.map(([field, words, rest = {}]) => (
            <label key={field}>{t(words)}<input {...({ type: rest.type ?? 'text' } as { type: 'text' })} {...(rest.max && { min: 1, max: rest.max })} required={rest.required} lang={rest.lang} value={draft[field]} onInput={(event) => change({ [field]: event.currentTarget.value })} /></label>
          ))}</div>
        </fieldset>
      ))}
      <fieldset><legend>{t(T.sections)}</legend>
        <div class="stack">{draft.sections.map((each, at) => <Section key={at} draft={each} change={(part) => section(at, part)} remove={draft.sections.length > 1 ? () => change({ sections: draft.sections.filter((_, index) => index !== at) }) : undefined} />)}</div>
        <p class="spread wrap"><button type="button" onClick={() => change({ sections: [...draft.sections, newSection(draft.sections.length)] })}>{t(T.add)}</button><b class={seats > SEATS_MAX ? 'danger-text' : ''} role="status">{t(seats > SEATS_MAX ? T.over : T.total, { n: seats, m: SEATS_MAX })}</b></p>
      </fieldset>
      <Preview body={body} />
      {failure !== undefined && <Trouble failure={failure} />}
      {failure instanceof Refusal && <p class="danger-text">{Array.isArray(failure.details.seat_ids) ? t(T.inTheWay, { s: failure.details.seat_ids.slice(0, 20).join(', ') }) : failure.code === 'INVALID_REQUEST' ? failure.message : ''}</p>}
      <p class="row"><button class="primary" disabled={state === 'saving' || seats > SEATS_MAX}>{t(state === 'saving' ? T.saving : T.save)}</button>{state === 'saved' && <span role="status">{t(T.saved)}</span>}</p>
    </form>
  );
}

/** Leaving with unsaved words asks first. */
function useDirty(dirty: boolean): void {
  useEffect(() => {
    if (!dirty) return;
    const ask = (event: BeforeUnloadEvent): void => event.preventDefault();
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, [dirty]);
}

function Section({ draft, change, remove }: { draft: SectionDraft; change: (part: Partial<SectionDraft>) => void; remove: (() => void) | undefined }) {
  const input = (field: 'id' | 'ko' | 'en' | 'price' | 'capacity' | 'rows' | 'first' | 'growth', words: Pair, number = false) => (
    <label>{t(words)}<input {...({ type: number ? 'number' : 'text' } as { type: 'text' })} {...(number && { step: field === 'growth' ? 'any' : 1 })} required={field === 'id' || number} value={draft[field]} onInput={(event) => change({ [field]: event.currentTarget.value })} /></label>
  );
  return (
    <div class="panel plain settings">
      {input('id', ['기호', 'Id'])}{input('ko', ['이름 (한국어)', 'Name (Korean)'])}{input('en', ['이름 (영어)', 'Name (English)'])}{input('price', ['가격', 'Price'], true)}
      <label>{t(['종류', 'Kind'])}<select value={draft.kind} onChange={(event) => change({ kind: event.currentTarget.value as SectionDraft['kind'] })}><option value="seated">{t(['지정석', 'Seated'])}</option><option value="general">{t(['자유석', 'Standing'])}</option></select></label>
      {draft.kind === 'general' ? input('capacity', ['인원', 'Capacity'], true) : draft.exact ? <p class="soft small-text">{t(T.exact)} <button type="button" class="small" onClick={() => change({ exact: undefined })}>{t(T.formula)}</button></p>
        : <>{input('rows', ['열 수', 'Rows'], true)}{input('first', ['첫 열 좌석', 'Seats in row 1'], true)}{input('growth', ['열마다 더하기', 'More per row'], true)}</>}
      {remove && <button type="button" class="small danger-text" onClick={remove}>{t(T.remove)}</button>}
    </div>
  );
}

/** The event as a file, to keep or to make another from. */
function Files({ draft, body, load }: { draft: Draft; body: NewEvent; load: (draft: Draft) => void }) {
  const [bad, setBad] = useState(false);
  const read = async (file: File | undefined): Promise<void> => {
    try {
      const { event_id = '', ...event } = JSON.parse(await file!.text());
      load(draftOf({ ...event, event_id, version: 0, venue: event.venue ?? '', queue: { admit_per_sec: 50, burst: 100, max_active: 2000, entry_window_sec: 90, admission_ttl_sec: 180, lanes: 1, paused: false, ...event.queue }, hold_ttl_sec: event.hold_ttl_sec ?? 60, max_seats_per_reservation: event.max_seats_per_reservation ?? 10, max_seats_per_user: event.max_seats_per_user ?? 10, sections: event.sections.map((section: { id: string; name?: unknown; rows?: unknown }) => ({ ...section, name: section.name ?? section.id, kind: section.rows ? 'seated' : 'general' })) }));
      setBad(false);
    } catch {
      setBad(true);
    }
  };
  const save = (): void => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([JSON.stringify({ event_id: draft.id, ...body }, null, 2)], { type: 'application/json' }));
    link.download = `${draft.id || 'event'}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  return (
    <p class="row">
      <button type="button" class="small" onClick={save}>{t(T.export)}</button>
      <label class="button small file">{t(T.import)}<input type="file" accept="application/json,.json" onChange={(event) => read(event.currentTarget.files?.[0])} /></label>
      {bad && <span class="danger-text" role="alert">{t(T.bad)}</span>}
    </p>
  );
}

/** The seats as buyers will see them. */
function Preview({ body }: { body: NewEvent }) {
  const host = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const sections = JSON.stringify(body.sections);
  useEffect(() => {
    if (seatsOf(body) > SEATS_MAX) return;
    const show = { sections: body.sections.map((section) => ({ ...section, name: section.name ?? section.id })) } as unknown as Show;
    const plan = new Plan(show);
    plan.states.fill(FREE);
    plan.sections.forEach(({ index, count: seats }) => (plan.free[index] = seats));
    const map = new SeatMap({
      host: host.current!, canvas: canvas.current!, plan, grades: gradesOf(plan), stage: t(T.stage),
      label: (index) => [own(show.sections[index]!.name), money(show.sections[index]!.price), count(plan.free[index]!)], onSeat: () => {}, onSection: () => {}, onView: () => {},
    });
    map.changed();
    return () => map.destroy();
  }, [sections]);
  return <section class="stack"><h2>{t(T.preview)}</h2><div ref={host} class="map console-map" role="img" aria-label={t(T.preview)}><canvas ref={canvas} aria-hidden="true" /></div></section>;
}
