// The map as a screen: the canvas, the one button that is its focus, tools beside it.

import { useEffect, useRef, useState } from 'preact/hooks';
import { count, lang, money, own, t, type Pair } from '../../app/lang.ts';
import { prefer, prefs } from '../../app/prefs.ts';
import { say } from '../../app/services.ts';
import { SeatMap } from '../../seatmap/map.ts';
import { FREE } from '../../seatmap/plan.ts';
import { Cursor } from './cursor.ts';
import { Legend } from './legend.tsx';
import { General } from './list.tsx';
import type { Hall } from './hall.ts';
import { seatWords, shortSeat, stateWord } from './words.ts';

const T = {
  toList: ['목록에서 고르기', 'Choose from the list'],
  all: ['전체', 'All'],
  stage: ['무대', 'STAGE'],
  left: ['{n}석', '{n} left'],
  tap: ['구역을 누르면 가까이 볼 수 있어요', 'Tap a section to come closer'],
  no: ['{s} · 선택할 수 없어요', '{s} · can’t be chosen'],
  keys: ['화살표로 움직이고 Enter로 가까이 보거나 고릅니다. 플러스와 마이너스로 확대하고 Esc로 나옵니다.', 'Arrows move, Enter comes closer or chooses. Plus and minus zoom, Escape goes out.'],
  map: ['좌석 지도', 'Seat map'],
  in: ['확대', 'Zoom in'],
  out: ['축소', 'Zoom out'],
  fit: ['전체 보기', 'Show all'],
} satisfies Record<string, Pair>;

const ARROWS = [['↑', 0, 120, ['위로', 'Up']], ['←', 120, 0, ['왼쪽으로', 'Left']], ['↓', 0, -120, ['아래로', 'Down']], ['→', -120, 0, ['오른쪽으로', 'Right']]] as const;

export function MapView({ hall, toList }: { hall: Hall; toList: () => void }) {
  const [standing, setStanding] = useState<number>();
  const { host, canvas, focus, map, tip, cursor } = useMap(hall, setStanding);
  const chosenSection = standing === undefined ? undefined : hall.plan.sections[standing];
  return (
    <div class="map-view">
      <a class="sr" href="#list" data-load onClick={(event) => (event.preventDefault(), toList())}>{t(T.toList)}</a>
      <Filter hall={hall} map={map} onGeneral={setStanding} />
      <div ref={host} class="map" role="group" aria-label={`${t(T.map)}. ${t(T.keys)}`}>
        <canvas ref={canvas} aria-hidden="true" />
        <button ref={focus} type="button" class="map-focus" onKeyDown={(event) => cursor.current?.key(event)} onFocus={() => cursor.current?.focus()} onClick={(event) => event.detail === 0 && cursor.current?.press()} />
        <div class="map-tools">
          <button type="button" aria-label={t(T.in)} onClick={() => map.current?.zoomBy(1.7)}>+</button>
          <button type="button" aria-label={t(T.out)} onClick={() => map.current?.zoomBy(1 / 1.7)}>−</button>
          <button type="button" aria-label={t(T.fit)} onClick={() => map.current?.fit()}>⤢</button>
        </div>
        <div class="map-arrows" role="group" aria-label={t(['지도 움직이기', 'Move the map'])}>
          {ARROWS.map(([sign, dx, dy, name]) => <button key={sign} type="button" aria-label={t(name)} onClick={() => map.current?.panBy(dx, dy)}>{sign}</button>)}
        </div>
        {tip && <p class="map-tip" aria-hidden="true">{tip}</p>}
      </div>
      <Legend contrast={!!prefs.value.contrast} setContrast={(on) => prefer({ contrast: on })} />
      {chosenSection?.general && <General hall={hall} section={chosenSection} />}
    </div>
  );
}

/** The map's life: made with the screen, told of every change, taken down with it. */
function useMap(hall: Hall, onGeneral: (index: number | undefined) => void) {
  const host = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const focus = useRef<HTMLButtonElement>(null);
  const map = useRef<SeatMap | undefined>(undefined);
  const cursor = useRef<Cursor | undefined>(undefined);
  const [tip, setTip] = useState<string>(t(T.tap));
  useEffect(() => {
    const { show, plan, pick } = hall;
    const name = (index: number): string => own(show.sections[index]!.name);
    const onSeat = (seat: number): void => {
      const mine = pick.good.peek().includes(seat);
      if (plan.states[seat] !== FREE && !mine) return setTip(t(T.no, { s: `${shortSeat(plan, seat)} · ${stateWord(plan.states[seat], false)}` }));
      pick.tap(seat);
      say(seatWords(plan, seat, show.currency, !mine));
      setTip('');
    };
    const seats = new SeatMap({
      host: host.current!, canvas: canvas.current!, plan, grades: hall.grades, stage: t(T.stage),
      label: (index) => [name(index), money(show.sections[index]!.price, show.currency), t(T.left, { n: hall.left(index) })],
      onSeat,
      onSection: (section) => (section.general && onGeneral(section.index), setTip('')),
      onHover: (seat) => setTip(seat === undefined ? '' : seatWords(plan, seat, show.currency, pick.good.peek().includes(seat))),
      onView: () => cursor.current?.place(),
    });
    map.current = seats;
    cursor.current = new Cursor({ hall, map: seats, button: focus.current!, host: host.current!, onSeat, sectionWords: (index) => `${name(index)}, ${money(show.sections[index]!.price, show.currency)}, ${count(hall.left(index))}` });
    const changed = (changes?: readonly [number, number, number][]): void => seats.changed(changes);
    hall.listeners.add(changed);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const recolour = (): void => seats.recolour();
    dark.addEventListener('change', recolour);
    Object.assign(host.current!, { seatMap: seats });
    return () => {
      hall.listeners.delete(changed);
      dark.removeEventListener('change', recolour);
      seats.destroy();
    };
  }, [lang.value]);
  const [chosen, lost, only, contrast] = [hall.pick.good.value, hall.pick.lost.value, hall.only.value, !!prefs.value.contrast];
  useEffect(() => map.current?.show({ chosen, lost, only, contrast }), [chosen, lost, only, contrast, lang.value]);
  return { host, canvas, focus, map, cursor, tip };
}

/** Sections with price and seats left: one is shown alone, and brought near. */
function Filter({ hall, map, onGeneral }: { hall: Hall; map: { current: SeatMap | undefined }; onGeneral: (index: number | undefined) => void }) {
  hall.version.value;
  const pick = (index: number | undefined): void => {
    const general = index !== undefined && hall.plan.sections[index]!.general;
    hall.only.value = index;
    onGeneral(general ? index : undefined);
    if (index === undefined) map.current?.fit();
    else map.current?.fitSection(index);
  };
  const some = hall.plan.sections.slice(0, 60);
  return (
    <div class="map-top" role="group" aria-label={t(['구역', 'Sections'])}>
      <button type="button" aria-pressed={hall.only.value === undefined} onClick={() => pick(undefined)}>{t(T.all)}</button>
      {some.map(({ index, section }) => (
        <button key={section.id} type="button" aria-pressed={hall.only.value === index} onClick={() => pick(index)}>
          <span class="swatch-line"><i class="swatch" style={{ background: hall.grades[index]!.fill }} /><b>{own(section.name)}</b></span>
          <span class="soft">{count(hall.left(index))}</span>
        </button>
      ))}
    </div>
  );
}
