// What is said aloud when a session moves on.

import type { Effect } from '../session/inputs.ts';
import type { Pair } from './lang.ts';

type What = Extract<Effect, { do: 'tell' }>['what'];

export const TOLD: Partial<Record<What, Pair>> = {
  joined: ['줄에 섰어요.', 'You joined the line.'],
  ready: ['차례가 됐어요! 좌석 선택으로 이동해요.', 'It’s your turn! Taking you to the seats.'],
  entered: ['입장했어요. 좌석을 고르세요.', 'You’re in. Choose your seats.'],
  held: ['좌석을 잡았어요. 시간 안에 결제해 주세요.', 'Seats held. Please pay in time.'],
  confirmed: ['좌석이 확정됐어요.', 'Your seats are confirmed.'],
  left: ['줄에서 나왔어요.', 'You left the line.'],
  expired: ['입장 시간이 지났어요.', 'Your entry time has passed.'],
  time_over: ['고르는 시간이 끝났어요.', 'Time to choose is over.'],
  released: ['좌석을 놓아줬어요.', 'The seats were released.'],
  failed: ['결제되지 않았어요. 청구된 금액은 없습니다.', 'Payment didn’t go through. Nothing was charged.'],
  hold_expired: ['결제 시간이 지나 좌석이 풀렸어요.', 'Time ran out and the seats were released.'],
  late_refund: ['승인이 늦어 취소했어요. 청구되지 않습니다.', 'Approved too late and voided. You are not charged.'],
};
