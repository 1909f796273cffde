// How a session ended, in words, with the next tap.

import { clockTime, t, type Pair } from '../app/lang.ts';
import type { Sale } from '../app/sessions.ts';
import type { Ending } from '../session/state.ts';
import { Refusal } from '../api/refusal.ts';
import { Trouble } from '../app/trouble.tsx';
import { beat } from '../app/services.ts';

const WORDS: Record<Ending, Pair> = {
  left: ['줄에서 나왔어요.', 'You left the line.'],
  expired: ['차례가 왔지만 제때 입장하지 않아 다음 분에게 넘어갔어요.', 'Your turn came, but the entry time passed, so it went on to the next person.'],
  closed: ['예매가 끝났어요.', 'This sale has ended.'],
  sold_out: ['매진됐어요.', 'Sold out.'],
  unknown: ['순번표를 확인할 수 없어요. 다시 줄을 서 주세요.', 'We can’t verify this place. Please join again.'],
  refused: ['줄에 서지 못했어요.', 'We couldn’t put you in line.'],
  time_over: ['고르는 시간이 끝났어요. 다시 줄을 서 주세요.', 'Time to choose is over. Please join again.'],
  released: ['좌석을 놓아줬어요. 다시 사려면 줄을 서야 해요.', 'The seats were released. To buy again, join the line.'],
  failed: ['결제되지 않았어요. 청구된 금액은 없습니다. 좌석은 다시 판매돼요.', 'Payment didn’t go through. Nothing was charged. The seats went back on sale.'],
  hold_expired: ['결제 시간이 지나 좌석이 풀렸어요. 청구된 금액은 없습니다.', 'Time ran out and the seats were released. Nothing was charged.'],
  late_refund: ['승인이 늦어 좌석이 이미 팔렸어요. 승인을 취소했고 청구되지 않습니다.', 'Approved too late; the seats were gone. The approval was voided, you are not charged.'],
  refunded: ['환불했어요.', 'Refunded.'],
};

export const endingText = (why: Ending): string => t(WORDS[why]);

/** The ending of a session; where the page shows the way on by itself, only the words. */
export function Over({ sale, quiet }: { sale: Sale; quiet?: boolean }) {
  const { over } = sale.session.value;
  if (!over) return null;
  return (
    <div class="notice" role="status">
      <p>{endingText(over.why)} <small class="soft">{clockTime(over.at)}</small></p>
      {over.code && <Trouble failure={new Refusal(0, { code: over.code, trace_id: over.traceId })} />}
      {!quiet && over.why !== 'closed' && over.why !== 'sold_out' && (
        <button type="button" class="primary big" onClick={() => sale.runner.join()}>{t(['다시 줄 서기', 'Join again'])}</button>
      )}
    </div>
  );
}

const BUSY: Pair = ['접속이 몰리고 있어요. 순번과 좌석은 그대로예요. {n}초 뒤 자동으로 다시 시도해요.', 'We’re very busy. Your place and seats are kept. Retrying in {n} s.'];
const LOST: Pair = ['연결이 끊겼어요. 연결되면 이어서 할게요.', 'The connection is lost. We’ll carry on once it is back.'];

/** A request that is being repeated, and when. */
export function JoinTrouble({ sale }: { sale: Sale }) {
  beat.value;
  const trouble = sale.trouble.value;
  if (!trouble) return null;
  const left = Math.max(1, Math.ceil((trouble.nextAt - Date.now()) / 1000));
  return <p class="notice warn" role="status">{trouble.code ? t(BUSY, { n: left }) : t(LOST)}</p>;
}
