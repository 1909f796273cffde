// A failed call on the page: what went wrong, what it means, and the next tap.

import { adviceOn, type Advice } from './advice.ts';
import { t, type Pair } from './lang.ts';

const RETRY: Pair = ['다시 시도', 'Try again'];
const CODE: Pair = ['문의 코드 {code}', 'Reference {code}'];

/** What went wrong, what it means, and the next tap. */
export default function TroubleCard({ failure, retry }: { failure: unknown; retry?: () => void }) {
  const advice = adviceOn(failure);
  return (
    <div class="notice bad" role="alert">
      <p>{t(advice.text)}</p>
      <p class="row">
        {retry && advice.next === 'retry' && <button type="button" class="small" onClick={retry}>{t(RETRY)}</button>}
        <Way next={advice.next} />
        {advice.trace && <small class="soft">{t(CODE, { code: advice.trace.slice(0, 12) })}</small>}
      </p>
    </div>
  );
}

const WAYS: Partial<Record<Advice['next'], { text: Pair; to: string }>> = {
  home: { text: ['공연 목록으로', 'See all events'], to: '/' },
  'sign-in': { text: ['로그인', 'Sign in'], to: '/login' },
  orders: { text: ['내 예매 내역', 'My tickets'], to: '/orders' },
};

function Way({ next }: { next: Advice['next'] }) {
  const way = WAYS[next];
  if (next === 'reload') return <button type="button" class="small" onClick={() => location.reload()}>{t(['새로고침', 'Reload'])}</button>;
  return way ? <a class="button small" href={way.to}>{t(way.text)}</a> : null;
}
