// The organiser's console: which page, and who may see it.

import { useEffect } from 'preact/hooks';
import { t, type Pair } from '../../app/lang.ts';
import { path } from '../../app/router.ts';
import { auth, title } from '../../app/services.ts';
import { Heading } from '../../app/ui.tsx';
import SignIn from '../account/sign-in.tsx';
import { DeadLetters } from './dead-letters.tsx';
import { Editor } from './editor.tsx';
import { Events } from './events.tsx';
import { Ledger } from './ledger.tsx';
import { Live } from './live.tsx';
import { Blocking } from './blocking.tsx';
import { System } from './system.tsx';
import { Webhooks } from './webhooks.tsx';
import './console.css';

const T = {
  title: ['운영 콘솔', 'Console'],
  sign: ['운영자 계정으로 로그인해 주세요.', 'Please sign in as an organiser.'],
  forbidden: ['이 계정으로는 볼 수 없어요.', 'This account can’t see that.'],
} satisfies Record<string, Pair>;

const GENERAL: [string, Pair][] = [['', ['공연', 'Events']], ['webhooks', ['웹훅', 'Webhooks']], ['dead-letters', ['배달 실패', 'Dead letters']], ['system', ['시스템', 'System']]];
const OF_EVENT: [string, Pair][] = [['', ['실시간', 'Live']], ['seats', ['좌석', 'Seats']], ['ledger', ['원장', 'Ledger']], ['edit', ['편집', 'Edit']]];
const RESERVED = ['webhooks', 'dead-letters', 'system', 'new'];

export default function Console({ rest }: { rest: string[] }) {
  useEffect(() => void (title.value = t(T.title)), []);
  if (!auth.value) return <div class="page narrow"><Heading>{t(T.title)}</Heading><p class="soft">{t(T.sign)}</p><div class="panel"><SignIn onDone={() => {}} /></div></div>;
  if (auth.value.role !== 'admin') return <div class="page narrow"><Heading>{t(T.title)}</Heading><p class="notice bad" role="alert">{t(T.forbidden)}</p></div>;
  const [first, second] = rest;
  const event = first && !RESERVED.includes(first) ? first : undefined;
  return (
    <div class="page console">
      <Tabs base="/console" items={GENERAL} label={t(T.title)} />
      {event && <Tabs base={`/console/${encodeURIComponent(event)}`} items={OF_EVENT} label={event} />}
      <Page event={event} first={first} second={second} />
    </div>
  );
}

function Tabs({ base, items, label }: { base: string; items: [string, Pair][]; label: string }) {
  return (
    <nav class="console-tabs" aria-label={label}>
      {items.map(([name, words]) => {
        const to = name ? `${base}/${name}` : base;
        return <a key={name} href={to} aria-current={path.value === to ? 'page' : undefined}>{t(words)}</a>;
      })}
    </nav>
  );
}

function Page({ event, first, second }: { event: string | undefined; first: string | undefined; second: string | undefined }) {
  if (event) {
    if (second === 'seats') return <Blocking event={event} />;
    if (second === 'ledger') return <Ledger event={event} />;
    if (second === 'edit') return <Editor event={event} />;
    return <Live event={event} />;
  }
  if (first === 'new') return <Editor />;
  if (first === 'webhooks') return <Webhooks />;
  if (first === 'dead-letters') return <DeadLetters />;
  return first === 'system' ? <System /> : <Events />;
}
