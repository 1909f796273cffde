// Where the page begins.

import { render } from 'preact';
import { Wait } from '../screens/wait.tsx';
import '../styles/first.css';
import { t } from './lang.ts';
import { Boundary, lazy } from './lazy.tsx';
import { path, routeOf, type Route } from './router.ts';
import { prefetch } from './remote.ts';
import { client, clock } from './services.ts';
import { everySecond, signInWanted } from './sessions.ts';
import { Shell } from './shell.tsx';
import { Heading } from './ui.tsx';

const Home = lazy<object>(() => import('../screens/home.tsx'));
const Event = lazy<{ event: string }>(() => import('../screens/event.tsx'));
const Seats = lazy<{ event: string }>(() => import('../screens/seats/seats.tsx'));
const Pay = lazy<{ reservation: string }>(() => import('../screens/pay/pay.tsx'));
const Orders = lazy<{ order?: string }>(() => import('../screens/orders/orders.tsx'));
const Account = lazy<{ mode: 'login' | 'register' }>(() => import('../screens/account/account.tsx'));
const SignInSheet = lazy<{ onDone: () => void }>(() => import('../screens/account/sign-in-sheet.tsx'), false);
const Console = lazy<{ rest: string[] }>(() => import('../screens/console/console.tsx'));

// The screen of this address and its data are asked for at once, not when it is drawn.
const first = routeOf(location.pathname);
if (first.name === 'home') {
  Home.preload();
  prefetch('events', () => client.call('GET /events'));
} else if (first.name === 'event' || first.name === 'wait' || first.name === 'seats') {
  if (first.name === 'event') Event.preload();
  if (first.name === 'seats') Seats.preload();
  prefetch(`event ${first.event}`, () => client.call('GET /events/{id}', { id: first.event }));
}

function Screen({ route }: { route: Route }) {
  switch (route.name) {
    case 'home': return <Home />;
    case 'event': return <Event event={route.event} />;
    case 'wait': return <Wait event={route.event} onTurnNear={() => (Seats.preload(), Pay.preload())} />;
    case 'seats': return <Seats event={route.event} />;
    case 'pay': return <Pay reservation={route.reservation} />;
    case 'orders': return <Orders />;
    case 'order': return <Orders order={route.order} />;
    case 'login': case 'register': return <Account mode={route.name} />;
    case 'console': return <Console rest={route.rest} />;
    default: return <Nowhere />;
  }
}

function Nowhere() {
  return (
    <div class="page narrow">
      <Heading>{t(['찾는 페이지가 없어요', 'That page doesn’t exist'])}</Heading>
      <p><a class="button primary" href="/">{t(['공연 목록으로', 'See all events'])}</a></p>
    </div>
  );
}

function App() {
  const route = routeOf(path.value);
  const inSale = route.name === 'wait' || route.name === 'seats' || route.name === 'pay' || route.name === 'console';
  return (
    <Shell bare={inSale}>
      <Boundary key={path.value}><Screen route={route} /></Boundary>
      {signInWanted.value && <SignInSheet onDone={() => (signInWanted.value = false)} />}
    </Shell>
  );
}

const root = document.getElementById('app')!;
root.replaceChildren();
render(<App />, root);
document.documentElement.dataset.ready = '1';
void clock.measure();
setInterval(everySecond, 1000);
setInterval(() => document.hidden || void clock.measure(2), 600_000);
