// Every refusal as what happened, what it did to place, seats and money, and what can be done now.

import type { ErrorCode } from '../api/contract.ts';
import { Refusal } from '../api/refusal.ts';
import type { Pair } from './lang.ts';

export type Next = 'retry' | 'reload' | 'home' | 'sign-in' | 'orders' | 'join-again' | 'other-seats' | 'wait' | 'correct' | 'none';
export interface Advice {
  text: Pair;
  next: Next;
  trace?: string;
}

const BROKEN: Advice = { text: ['화면에 문제가 생겼어요. 새로고침해 주세요. 순번과 좌석은 그대로예요.', 'Something broke on this page. Reload; your place and seats are kept.'], next: 'reload' };
const BUSY: Advice = { text: ['접속이 몰리고 있어요. 순번과 좌석은 그대로예요. 잠시 뒤 다시 시도해 주세요.', 'We’re very busy. Your place and seats are kept. Please try again shortly.'], next: 'retry' };
const NOWHERE: Advice = { text: ['찾는 페이지가 없어요.', 'That page doesn’t exist.'], next: 'home' };
const NO_BOOKING: Advice = { text: ['예매 내역을 찾을 수 없어요.', 'We can’t find that booking.'], next: 'orders' };
const STATE: Advice = { text: ['이미 처리된 예매예요. 지금 상태를 다시 불러왔어요.', 'That booking has moved on. Its current state is shown.'], next: 'orders' };
const OFFLINE: Advice = { text: ['연결이 끊겼어요. 연결되면 이어서 할 수 있어요.', 'The connection is lost. You can carry on once it is back.'], next: 'retry' };

const TABLE: Record<ErrorCode, Advice> = {
  INVALID_REQUEST: { text: ['입력한 내용을 확인해 주세요.', 'Please check what you entered.'], next: 'correct' },
  INVALID_IDEMPOTENCY_KEY: BROKEN,
  IDEMPOTENCY_REQUIRED: BROKEN,
  MISSING_TOKEN: BROKEN,
  METHOD_NOT_ALLOWED: BROKEN,
  UNSUPPORTED_MEDIA_TYPE: BROKEN,
  PAYLOAD_TOO_LARGE: BROKEN,
  INVALID_SIGNATURE: BROKEN,
  UNAUTHENTICATED: { text: ['다시 로그인해 주세요. 하던 일은 그대로 이어져요.', 'Please sign in again. You’ll carry on where you were.'], next: 'sign-in' },
  INVALID_CREDENTIALS: { text: ['아이디 또는 비밀번호가 맞지 않아요.', 'User name or password is wrong.'], next: 'correct' },
  FORBIDDEN: { text: ['이 계정으로는 볼 수 없어요.', 'This account can’t see that.'], next: 'sign-in' },
  NOT_READY: { text: ['아직 차례가 아니에요. 순번은 그대로예요.', 'It isn’t your turn yet. Your place is kept.'], next: 'wait' },
  NOT_ADMITTED: { text: ['입장 시간이 끝났어요.', 'Your time inside has ended.'], next: 'join-again' },
  NOT_FOUND: NOWHERE,
  EVENT_NOT_FOUND: NOWHERE,
  TOKEN_NOT_FOUND: { text: ['순번표를 확인할 수 없어요.', 'We can’t verify this place.'], next: 'join-again' },
  TOKEN_EXPIRED: { text: ['입장 시간이 지나 다음 분에게 넘어갔어요.', 'Your entry time passed and the turn went on.'], next: 'join-again' },
  SEAT_NOT_FOUND: { text: ['좌석표가 바뀌었어요. 새로 불러왔어요.', 'The seat plan changed; it has been reloaded.'], next: 'other-seats' },
  SEAT_TAKEN: { text: ['방금 다른 분이 먼저 잡은 좌석이에요.', 'Somebody just took those seats.'], next: 'other-seats' },
  SOLD_OUT: { text: ['매진됐어요.', 'Sold out.'], next: 'other-seats' },
  RESERVATION_LIMIT: { text: ['이미 잡아 둔 좌석이 있거나 한 사람이 살 수 있는 수를 넘었어요.', 'You already hold seats, or reached the limit per person.'], next: 'orders' },
  RESERVATION_EXPIRED: { text: ['결제 시간이 지나 좌석이 풀렸어요. 청구된 금액은 없습니다.', 'Time ran out and the seats were released. Nothing was charged.'], next: 'join-again' },
  RESERVATION_NOT_HELD: STATE,
  RESERVATION_NOT_FOUND: NO_BOOKING,
  PAYMENT_NOT_FOUND: NO_BOOKING,
  ORDER_NOT_FOUND: NO_BOOKING,
  PAYMENT_CONFLICT: { text: ['진행 중인 결제가 있어 이어서 확인해요.', 'A payment is already running; checking it.'], next: 'wait' },
  PAYMENT_NOT_APPROVED: { text: ['승인을 기다리고 있어요.', 'Waiting for approval.'], next: 'wait' },
  AMOUNT_MISMATCH: { text: ['금액을 다시 확인했어요.', 'The amount was updated.'], next: 'retry' },
  IDEMPOTENCY_CONFLICT: STATE,
  USERNAME_EXISTS: { text: ['이미 쓰고 있는 아이디예요.', 'That user name is taken.'], next: 'correct' },
  SALE_NOT_OPEN: { text: ['아직 예매가 열리지 않았어요.', 'The sale isn’t open yet.'], next: 'wait' },
  SALE_CLOSED: { text: ['예매가 끝났어요.', 'This sale has ended.'], next: 'home' },
  EVENT_HAS_SALES: { text: ['팔렸거나 잡힌 좌석이 없어지는 변경이에요.', 'This would remove sold or held seats.'], next: 'correct' },
  RATE_LIMITED: { text: ['요청이 많아요. 잠시 뒤 다시 시도해 주세요.', 'Too many requests. Please try again shortly.'], next: 'retry' },
  OVERLOADED: BUSY,
  UNAVAILABLE: BUSY,
  UPSTREAM_TIMEOUT: BUSY,
  INTERNAL_ERROR: BUSY,
};

export const CODES = Object.keys(TABLE) as ErrorCode[];
export const adviceFor = (code: string): Advice => TABLE[code as ErrorCode] ?? BROKEN;

/** The advice on any failure of a call. */
export function adviceOn(failure: unknown): Advice {
  return failure instanceof Refusal ? { ...adviceFor(failure.code), trace: failure.traceId } : OFFLINE;
}
