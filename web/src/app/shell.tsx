// What is around every screen: header, the bar that leads back, what is said, footer.

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { isLive, type Session } from '../session/state.ts';
import { lazy } from './lazy.tsx';
import { countdown, lang, setLang, t, type Pair } from './lang.ts';
import { path, routeOf } from './router.ts';
import { auth, now, online, said, shouted, signOut } from './services.ts';
import { known, liveSales, wayOf } from './sessions.ts';

const SignOut = lazy<{ onClose: () => void }>(() => import('../screens/account/sign-out.tsx'), false);

const T = {
  skip: ['본문으로 건너뛰기', 'Skip to content'],
  tickets: ['내 예매', 'My tickets'],
  login: ['로그인', 'Sign in'],
  logout: ['로그아웃', 'Sign out'],
  console: ['운영', 'Console'],
  waiting: ['대기 중 · {n}번', 'In line · no. {n}'],
  joining: ['줄 서는 중', 'Joining the line'],
  shopping: ['좌석 선택 중 · {t} 남음', 'Choosing seats · {t} left'],
  held: ['결제 대기 · {t} 남음', 'Waiting for payment · {t} left'],
  paying: ['결제 확인 중', 'Checking your payment'],
  resume: ['이어서 하기', 'Carry on'],
  network: ['연결', 'Network'],
  offline: ['오프라인이에요. 마지막으로 본 내용이에요.', 'You’re offline. This is what was last seen.'],
} satisfies Record<string, Pair>;

export function Shell({ children, bare }: { children: ComponentChildren; bare?: boolean }) {
  return (
    <>
      <a class="skip" href="#main" data-load onClick={focusMain}>{t(T.skip)}</a>
      <Header />
      <Resume />
      {!online.value && <aside class="strip warn" aria-label={t(T.network)}>{t(T.offline)}</aside>}
      <main id="main" tabIndex={-1}>{children}</main>
      {!bare && <Footer />}
      <div class="sr" role="status" aria-live="polite">{said}</div>
      <div class="sr" role="alert" aria-live="assertive">{shouted}</div>
    </>
  );
}

function focusMain(event: Event): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

function Header() {
  return (
    <header class="top">
      <a class="mark" href="/" aria-label="Traffic Tacos">
        <svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true"><path d="M3 6h18v4a2 2 0 0 0 0 4v4H3v-4a2 2 0 0 0 0-4z" fill="currentColor" /><path d="M9 10.2h6M9 13.8h6" stroke="var(--page)" stroke-width="1.6" stroke-linecap="round" /></svg>
        <span>Traffic Tacos</span>
      </a>
      <nav aria-label={t(['주 메뉴', 'Main'])}>
        {auth.value?.role === 'admin' && <a href="/console">{t(T.console)}</a>}
        <a href="/orders">{t(T.tickets)}</a>
        <Account />
        <button type="button" class="quiet" lang={lang.value === 'ko' ? 'en' : 'ko'} onClick={() => setLang(lang.value === 'ko' ? 'en' : 'ko')}>
          {lang.value === 'ko' ? 'EN' : '한국어'}
        </button>
      </nav>
    </header>
  );
}

function Account() {
  const [asks, setAsks] = useState(false);
  if (!auth.value) return <a href="/login">{t(T.login)}</a>;
  const out = (): void => (liveSales().length ? setAsks(true) : signOut());
  return (
    <>
      <button type="button" class="quiet account" title={auth.value.name} onClick={out}><span>{auth.value.name} · </span>{t(T.logout)}</button>
      {asks && <SignOut onClose={() => setAsks(false)} />}
    </>
  );
}

/** Leads back to what is under way, from every other screen. */
function Resume() {
  known.value;
  const route = routeOf(path.value);
  const here = liveSales().filter((session) => isLive(session.phase) && wayOf(session) !== path.value && !('event' in route && route.event === session.event && route.name === 'event'));
  const urgent = here.sort((a, b) => rank(b) - rank(a))[0];
  if (!urgent) return null;
  return (
    <aside aria-label={t(T.resume)}>
      <a class="strip resume" href={wayOf(urgent)}><span>{summary(urgent)}</span><b>{t(T.resume)} →</b></a>
    </aside>
  );
}

const ORDER: Session['phase'][] = ['joining', 'waiting', 'entering', 'shopping', 'holding', 'held', 'paying'];
const rank = ({ phase }: Session): number => ORDER.indexOf(phase);

/** Where a session stands, in one line. */
export function summary({ phase, place, admission, held }: Session): string {
  if (phase === 'paying') return t(T.paying);
  if (phase === 'held' && held) return t(T.held, { t: countdown(held.until - now.value) });
  if (admission) return t(T.shopping, { t: countdown(admission.until - now.value) });
  return place ? t(T.waiting, { n: place.position }) : t(T.joining);
}

function Footer() {
  return (
    <footer>
      <nav aria-label={t(['안내', 'About'])}>
        <a href="/help" data-load>{t(['도움말', 'Help'])}</a>
        <a href="/terms" data-load>{t(['이용약관', 'Terms'])}</a>
        <a href="/privacy" data-load>{t(['개인정보 처리방침', 'Privacy'])}</a>
      </nav>
      <p>{t(['시연용 서비스예요. 실제 결제는 이루어지지 않습니다.', 'This is a demonstration. No real payment is made.'])}</p>
      <p class="soft">© {new Date().getFullYear()} Traffic Tacos</p>
    </footer>
  );
}
