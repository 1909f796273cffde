// Best available: a section, a number, one tap.

import { useState } from 'preact/hooks';
import { money, own, spoken, t, type Pair } from '../../app/lang.ts';
import { preferFor, prefs } from '../../app/prefs.ts';
import type { Sale } from '../../app/sessions.ts';
import { Switch } from '../../app/controls.tsx';
import type { Hall } from './hall.ts';
import { HoldButton, Refused } from './tray.tsx';

const T = {
  which: ['어느 등급에서 배정할까요?', 'Which section?'],
  any: ['가장 좋은 자리', 'Best of all'],
  anyHint: ['무대에서 가까운 순서', 'nearest the stage'],
  together: ['붙어 있는 자리만', 'Only seats together'],
  left: ['{n}석 남음', '{n} left'],
  none: ['남은 좌석 없음', 'none left'],
  cta: ['{n}석 바로 잡기 · {p}', 'Hold {n} seats · {p}'],
  ctaAny: ['{n}석 바로 잡기', 'Hold the best {n} seats'],
  before: ['좌석을 바로 잡아요. 잡으면 {t} 안에 결제해야 하고, 잡은 뒤에는 바꿀 수 없어요.', 'Seats are held at once. You then have {t} to pay, and they can’t be changed.'],
} satisfies Record<string, Pair>;

export function Best({ hall, sale }: { hall: Hall; sale: Sale }) {
  const { show, plan } = hall;
  const [together, setTogether] = useState(true);
  hall.version.value;
  const kept = prefs.value.grade?.[show.event_id] ?? '';
  const chosen = plan.sections.find(({ section }) => section.id === kept);
  const n = hall.pick.wanted.value;
  const pick = (id: string): void => preferFor('grade', show.event_id, id);
  const wish = { quantity: n, ...(chosen && { section: chosen.section.id }), ...(!together && { together: false }) };
  return (
    <div class="best">
      <h2 class="h3" id="best-which">{t(T.which)}</h2>
      <div class="choices open" role="group" aria-labelledby="best-which">
        <button type="button" aria-pressed={!chosen} onClick={() => pick('')}><span>{t(T.any)}</span><span class="soft">{t(T.anyHint)}</span></button>
        {plan.sections.map(({ index, section }) => {
          const left = hall.left(index);
          return (
            <button key={section.id} type="button" aria-pressed={chosen?.index === index} disabled={left === 0} onClick={() => pick(section.id)}>
              <span class="swatch-line"><i class="swatch" style={{ background: hall.grades[index]!.fill }} />{own(section.name)}</span>
              <span class="soft">{left ? t(T.left, { n: left }) : t(T.none)}</span>
              <b>{money(section.price, show.currency)}</b>
            </button>
          );
        })}
      </div>
      <Switch label={t(T.together)} on={together} set={setTogether} />
      <div class="tray in-page">
        <Refused sale={sale} hall={hall} onApart={() => setTogether(false)} onAny={() => pick('')} />
        <p class="soft small-text">{t(T.before, { t: spoken(show.hold_ttl_sec * 1000) })}</p>
        <HoldButton sale={sale} disabled={false} wish={wish}
          label={chosen ? t(T.cta, { n, p: money(chosen.section.price * n, show.currency) }) : t(T.ctaAny, { n })} />
      </div>
    </div>
  );
}
