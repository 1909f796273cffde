// Beside the place in line: what can be done before the turn, how to be told of it, what keeps the place safe.

import { useState } from 'preact/hooks';
import type { Event as Show } from '../api/contract.ts';
import { clockTime, dateTime, own, t, type Pair } from '../app/lang.ts';
import { auth } from '../app/services.ts';
import type { Sale } from '../app/sessions.ts';
import { Ask } from '../app/sheet.tsx';
import type { Place } from '../session/state.ts';
import { Alerts } from './alerts.tsx';
import { Checklist } from './checklist.tsx';

const T = {
  safe: ['안심하세요', 'Rest assured'],
  refresh: ['새로고침하거나 창을 닫았다 열어도 순번은 그대로예요.', 'Refresh or reopen: your place is kept.'],
  tabs: ['창을 여러 개 열어도 순번은 하나예요.', 'More tabs don’t give more places.'],
  device: ['같은 계정으로 다른 기기에서 열면 이 순번을 이어받아요.', 'Same account on another device continues this place.'],
  guest: ['로그인하지 않은 순번은 이 브라우저에만 있어요.', 'Without sign-in this place lives in this browser only.'],
  leave: ['줄에서 나가기', 'Leave the line'],
  leaveAsk: ['나가면 순번 {n}번이 사라지고, 다시 서면 맨 뒤예요.', 'Leaving gives up place {n}; you would start at the end.'],
  meanwhile: ['기다리는 동안', 'While you wait'],
  signin: ['차례가 오기 전에 로그인해 두세요. 순번은 그대로예요.', 'Sign in before your turn. Your place stays.'],
} satisfies Record<string, Pair>;

export default function Meanwhile({ sale, place, show }: { sale: Sale; place: Place; show: Show | undefined }) {
  return (
    <>
      <section class="panel">
        <h2 class="h3">{t(T.meanwhile)}</h2>
        {!auth.value && <p class="soft">{t(T.signin)}</p>}
        {show && <Checklist show={show} />}
        <Alerts />
      </section>
      <Assurance sale={sale} place={place} show={show} />
    </>
  );
}

function Assurance({ sale, place, show }: { sale: Sale; place: Place; show: Show | undefined }) {
  const [asks, setAsks] = useState(false);
  return (
    <section class="panel plain">
      <h2 class="h3">{t(T.safe)}</h2>
      <ul class="soft dots">
        <li>{t(T.refresh)}</li>
        <li>{t(T.tabs)}</li>
        <li>{auth.value ? t(T.device) : t(T.guest)}</li>
      </ul>
      <p class="row">
        <button type="button" class="small" onClick={() => saveReceipt(sale, place, show)}>{t(['순번표 저장', 'Save receipt'])}</button>
        <button type="button" class="small danger-text" onClick={() => setAsks(true)}>{t(T.leave)}</button>
      </p>
      {asks && <Ask danger title={t(T.leave)} text={t(T.leaveAsk, { n: place.position })} yes={t(T.leave)} onYes={() => sale.runner.send({ type: 'leave' })} onClose={() => setAsks(false)} />}
    </section>
  );
}

/** A small file that says who joined what and when. */
function saveReceipt(sale: Sale, place: Place, show: Show | undefined): void {
  const lines = [show ? own(show.name) : sale.runner.event, `${dateTime(place.joinedAt)} ${clockTime(place.joinedAt, true)}`, t(['{n}번', 'No. {n}'], { n: place.first })];
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([lines.join('\n')], { type: 'text/plain' }));
  link.download = `${sale.runner.event}.txt`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
