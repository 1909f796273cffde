// Made from openapi.json by `npm run types`; not to be edited.

/** The organiser's name for an event. */
export type EventId = string;

/** Who a JWT speaks for; a UUID for users registered here. */
export type UserId = string;

/** Opaque. */
export type ReservationId = string;

/** Opaque. */
export type OrderId = string;

/** Opaque. */
export type PaymentIntentId = string;

/** `<section>-<row>-<number>`, unique within an event. */
export type SeatId = string;

/** Signed and opaque; URL-safe without encoding. */
export type Token = string;

/** RFC 3339, UTC, milliseconds. */
export type Instant = string;

/** In the currency's minor unit. KRW has no decimals: 120000 is ₩120,000. */
export type Amount = number;

/** ISO 4217. */
export type Currency = string;

/** The same for everybody, or by language. */
export type Text = (string | { ko: string; en: string });

/** Like `Text`, and not blank. */
export type Name = (string | { ko: string; en: string });

/** Where the next page begins, or null on the last one. Opaque. */
export type Cursor = string | null;

/** What the organiser tells those who wait. */
export type Notice = { ko: string; en: string; level?: "info" | "warning" };

export type Error = { error: { code: ErrorCode; message: string; trace_id: string; details?: Record<string, unknown> } };

/** The same as `Error` (RFC 9457), for `Accept: application/problem+json`. */
export type Problem = { type: string; title: string; status: number; detail: string; instance: string; code: ErrorCode; trace_id: string; details?: Record<string, unknown> };

export type ErrorCode = "INVALID_REQUEST" | "INVALID_IDEMPOTENCY_KEY" | "IDEMPOTENCY_REQUIRED" | "MISSING_TOKEN" | "UNAUTHENTICATED" | "INVALID_CREDENTIALS" | "INVALID_SIGNATURE" | "FORBIDDEN" | "NOT_READY" | "NOT_ADMITTED" | "NOT_FOUND" | "EVENT_NOT_FOUND" | "TOKEN_NOT_FOUND" | "SEAT_NOT_FOUND" | "RESERVATION_NOT_FOUND" | "PAYMENT_NOT_FOUND" | "ORDER_NOT_FOUND" | "METHOD_NOT_ALLOWED" | "PAYLOAD_TOO_LARGE" | "UNSUPPORTED_MEDIA_TYPE" | "SEAT_TAKEN" | "SOLD_OUT" | "IDEMPOTENCY_CONFLICT" | "RESERVATION_EXPIRED" | "RESERVATION_NOT_HELD" | "RESERVATION_LIMIT" | "PAYMENT_CONFLICT" | "USERNAME_EXISTS" | "EVENT_HAS_SALES" | "SALE_NOT_OPEN" | "SALE_CLOSED" | "TOKEN_EXPIRED" | "PAYMENT_NOT_APPROVED" | "AMOUNT_MISMATCH" | "RATE_LIMITED" | "INTERNAL_ERROR" | "OVERLOADED" | "UNAVAILABLE" | "UPSTREAM_TIMEOUT";

export type Registration = { username: string; password: string; email: string; display_name?: string | null };

export type Credentials = { username: string; password: string };

export type User = { user_id: UserId; username: string; display_name: string; role: "user" | "admin" };

export type SignedIn = User & { token: string; expires_in: number };

export type Join = { event_id: EventId; user_id?: string | null };

export type Joined = { waiting_token: Token; position_hint: number; status: "waiting" };

/** `waiting` also while ready. */
export type PlaceStatus = "waiting" | "entered" | "left" | "expired";

export type Place = { status: PlaceStatus; position: number; eta_sec: number; waiting_time: number; ready_for_entry: boolean; ready_expires_at?: Instant; notice?: Notice };

export type Enter = { waiting_token: Token };

export type Entered = { admission: "granted"; reservation_token: Token; ttl_sec: number; expires_at?: Instant };

export type Left = { status: "left" };

export type StillWaiting = { status: "waiting" };

export type SaleStatus = "scheduled" | "on_sale" | "paused" | "sold_out" | "closed";

export type QueueStats = { event_id: EventId; waiting: number; ready: number; active: number; admitted_total: number; lapsed_total: number; left_total: number; admission_rate: number; status: SaleStatus; as_of: Instant };

export type EventSummary = { event_id: EventId; name: Text; venue: Text; starts_at: (Instant | null); sale_opens_at: Instant; sale_closes_at: (Instant | null); status: SaleStatus; currency: Currency; min_price: Amount; max_price: Amount; remaining: number | null };

/** Where a page draws a section, in seat widths and degrees. */
export type Layout = { x?: number; y?: number; angle?: number; curve?: number; floor?: number; aisles?: { after_seats?: number[]; after_rows?: number[] } };

export type Row = { id: string; count: number; blocked?: number[] };

export type SeatedSection = { kind: "seated"; rows: Row[] };

export type GeneralSection = { kind: "general"; capacity: number };

export type Section = { id: string; name: Text; kind: "seated" | "general"; price: Amount; layout?: Layout } & (SeatedSection | GeneralSection);

export type Event = { event_id: EventId; name: Text; venue: Text; starts_at: (Instant | null); sale_opens_at: Instant; sale_closes_at: (Instant | null); currency: Currency; hold_ttl_sec: number; entry_window_sec: number; admission_ttl_sec: number; max_seats_per_reservation: number; max_seats_per_user: number; sections: Section[] };

/** remain + held + sold + blocked = total. */
export type SectionAvailability = { id: string; name: Text; price: Amount; total: number; remain: number; held: number; sold: number; blocked: number };

export type Availability = { event_id: EventId; remaining: number; sections: SectionAvailability[]; as_of: Instant };

export type SeatStates = { event_id: EventId; epoch: string | number; seq: number; sections: ({ id: string; states: string })[] };

export type ReservationStatus = "HOLD" | "CONFIRMED" | "CANCELLED" | "EXPIRED" | "REFUNDED";

export type NewReservation = { event_id: EventId; reservation_token: Token; seat_ids?: SeatId[] | null; quantity?: number | null; section?: string | null; together?: boolean | null };

export type Reservation = { reservation_id: ReservationId; event_id: EventId; user_id: UserId; status: ReservationStatus; seat_ids: SeatId[]; section?: string; quantity: number; total_amount: Amount; currency: Currency; hold_expires_at: Instant; payment_intent_id?: PaymentIntentId; order_id?: OrderId; created_at: Instant; updated_at: Instant };

export type Reservations = { reservations: Reservation[]; next_cursor: Cursor };

export type Confirm = { payment_intent_id: PaymentIntentId };

export type Confirmed = { order_id: OrderId; status: "CONFIRMED"; reservation_id: ReservationId; confirmed_at: Instant };

export type Cancelled = { status: "CANCELLED"; reservation_id: ReservationId };

/** No field is looked at. */
export type Nothing = Record<string, unknown>;

export type Ticket = { ticket_id: string; seat_id: (SeatId | null); code: Token };

export type Order = { order_id: OrderId; reservation_id: ReservationId; event_id: EventId; user_id: UserId; seat_ids: SeatId[]; section?: string; quantity: number; total_amount: Amount; currency: Currency; created_at?: Instant; status: "CONFIRMED" | "REFUNDED"; payment_intent_id: PaymentIntentId; confirmed_at: Instant; tickets: Ticket[] };

export type Orders = { orders: Order[]; next_cursor: Cursor };

export type Refunded = { order_id: OrderId; status: "REFUNDED" };

/** `APPROVED` is captured. `REFUNDED` is also an authorisation that was voided. */
export type PaymentStatus = "PENDING" | "AUTHORIZED" | "APPROVED" | "FAILED" | "CANCELLED" | "REFUNDED" | "EXPIRED";

export type NewIntent = { reservation_id: ReservationId; amount?: (Amount | null); currency?: (Currency | null); scenario?: "approve" | "fail" | "delay" | "random" | "timeout" | null; delay_ms?: number | null };

export type Intent = { payment_intent_id: PaymentIntentId; status: "PENDING"; amount: Amount; currency: Currency; reservation_id: ReservationId; next: "webhook" };

export type Process = { payment_intent_id: PaymentIntentId; action?: "approve" | "fail" | null };

export type Processed = { payment_intent_id: PaymentIntentId; status: PaymentStatus };

export type Payment = { payment_intent_id: PaymentIntentId; status: PaymentStatus; amount: Amount; currency: Currency; reservation_id: ReservationId; order_id?: OrderId; failure_reason?: string; created_at?: Instant };

export type Payments = { payments: Payment[]; next_cursor: Cursor };

export type PaymentReport = { type: "payment.approved" | "payment.failed"; timestamp: string; data: { payment_intent_id: PaymentIntentId; reservation_id: ReservationId; amount: Amount; currency: Currency; failure_reason?: string | null } };

export type Received = { received: true; effect?: "confirmed" | "cancelled" | "voided" | "none" };

export type QueueSettings = { admit_per_sec: number; burst: number; max_active: number; entry_window_sec: number; admission_ttl_sec: number; lanes: number; paused: boolean; notice?: Notice };

/** What is named changes; the rest stays. */
export type QueuePatch = { admit_per_sec?: number | null; burst?: number | null; max_active?: number | null; entry_window_sec?: number | null; admission_ttl_sec?: number | null; lanes?: number | null; paused?: boolean | null; notice?: (Notice | null) };

export type NewSection = { id: string; name?: (Text | null); kind?: "seated" | "general" | null; price: number; rows?: Row[] | null; capacity?: number | null; layout?: (Layout | null) };

/** At most 200,000 seats in all. */
export type NewEvent = { name: Name; venue?: (Text | null); starts_at?: string | null; sale_opens_at?: string | null; sale_closes_at?: string | null; currency?: (Currency | null); hold_ttl_sec?: number | null; max_seats_per_reservation?: number | null; max_seats_per_user?: number | null; queue?: QueuePatch; sections: NewSection[] };

export type ManagedEvent = { event_id: EventId; version: number; name: Text; venue: Text; starts_at: (Instant | null); sale_opens_at: Instant; sale_closes_at: (Instant | null); currency: Currency; hold_ttl_sec: number; max_seats_per_reservation: number; max_seats_per_user: number; queue: QueueSettings; sections: Section[]; figures?: Record<string, unknown> };

export type SeatChanges = { block?: SeatId[]; unblock?: SeatId[] };

export type SeatsChanged = { blocked: SeatId[]; unblocked: SeatId[] };

export type LedgerEntry = { seq: number; at: Instant; type: "reservation.created" | "reservation.confirmed" | "reservation.cancelled" | "reservation.expired" | "reservation.refunded" | "seats.blocked" | "seats.unblocked"; reservation_id: (ReservationId | null); seat_ids: SeatId[]; section?: string; quantity?: number };

export type Ledger = { entries: LedgerEntry[]; next_cursor: Cursor };

export type NewWebhook = { url: string; secret: string; organiser_id?: string | null; event_ids?: EventId[] | null };

export type DeliveryFailure = { at: Instant; reason: string };

export type Webhook = { webhook_id: string; url: string; organiser_id: string | null; event_ids: EventId[] | null; created_at: Instant; updated_at: Instant; state: "active" | "failing" | "disabled"; disabled: (DeliveryFailure | null); last_success_at: (Instant | null); last_failure: (DeliveryFailure | null); next_try_at: (Instant | null); backlog: number };

export type Webhooks = { webhooks: Webhook[] };

export type Delivery = { envelope_id: string; type: string; event_id: string | null; sequence: number | null; attempt: number; at: Instant; took_ms: number; delivered: boolean; status: number | null; problem: string | null };

export type Deliveries = { deliveries: Delivery[]; next_cursor: Cursor };

export type Pinged = Delivery & { webhook_id: string };

export type Replay = { event_id: EventId; after: number };

export type Replaying = { webhook_id: string; event_id: EventId; after: number; through: number };

export type Redrive = { webhook_id?: string | null; event_id?: string | null };

export type RedrivenAll = { redriven: number };

export type Feed = { envelopes: SaleEvent[]; next: number | null };

export type WebhookDeleted = { webhook_id: string; status: "deleted" };

export type DeadLetter = { id: string; webhook_id: string | null; envelope_id?: string | null; type?: string | null; event_id?: string | null; sequence?: number | null; attempts?: number; problem: string; failed_at: Instant };

export type DeadLetters = { dead_letters: DeadLetter[]; next_cursor: Cursor };

export type SaleEvent = { id: string; type: "reservation.created" | "reservation.confirmed" | "reservation.cancelled" | "reservation.expired" | "reservation.refunded" | "payment.approved" | "payment.failed" | "payment.refunded"; source: "traffic-tacos"; time: Instant; event_id: EventId; sequence: number; trace_id: string; data: Record<string, unknown> };

export type Health = { status: "ok"; now: number };

export type Readiness = { status: "ready"; payment: "none" | "simulator" };

export type Version = { version: string; commit: string };

export type Redriven = { id: string; status: "redriven" };

/** Every operation under /api/v1: what it takes, what it answers, whether it must carry an idempotency key. */

export interface Operations {
  'POST /auth/register': { body: Registration; answer: SignedIn; key: false };
  'POST /auth/login': { body: Credentials; answer: SignedIn; key: false };
  'GET /auth/me': { body: undefined; answer: User; key: false };
  'POST /queue/join': { body: Join; answer: Joined; key: true };
  'GET /queue/status': { body: undefined; answer: Place; key: false };
  'POST /queue/enter': { body: Enter; answer: Entered; key: true };
  'POST /queue/leave': { body: undefined; answer: StillWaiting; key: false };
  'DELETE /queue/leave': { body: undefined; answer: Left; key: false };
  'GET /queue/live': { body: undefined; answer: undefined; key: false };
  'GET /queue/stats': { body: undefined; answer: QueueStats; key: false };
  'GET /events': { body: undefined; answer: { events: EventSummary[] }; key: false };
  'GET /events/{id}': { body: undefined; answer: Event; key: false };
  'GET /events/{id}/availability': { body: undefined; answer: Availability; key: false };
  'GET /events/{id}/seats': { body: undefined; answer: SeatStates; key: false };
  'GET /events/{id}/live': { body: undefined; answer: undefined; key: false };
  'GET /reservations': { body: undefined; answer: Reservations; key: false };
  'POST /reservations': { body: NewReservation; answer: Reservation; key: true };
  'GET /reservations/{id}': { body: undefined; answer: Reservation; key: false };
  'DELETE /reservations/{id}': { body: undefined; answer: Cancelled; key: false };
  'POST /reservations/{id}/confirm': { body: Confirm; answer: Confirmed; key: true };
  'POST /reservations/{id}/cancel': { body: Nothing; answer: Cancelled; key: true };
  'GET /orders': { body: undefined; answer: Orders; key: false };
  'GET /orders/{id}': { body: undefined; answer: Order; key: false };
  'POST /orders/{id}/refund': { body: Nothing; answer: Refunded; key: true };
  'GET /payments': { body: undefined; answer: Payments; key: false };
  'POST /payments/intent': { body: NewIntent; answer: Intent; key: true };
  'POST /payments/process': { body: Process; answer: Processed; key: true };
  'GET /payments/{id}/status': { body: undefined; answer: Payment; key: false };
  'POST /payments/{id}/cancel': { body: Nothing; answer: Payment; key: true };
  'POST /payments/webhook': { body: PaymentReport; answer: Received; key: false };
  'GET /payment': { body: undefined; answer: Payments; key: false };
  'POST /payment/intent': { body: NewIntent; answer: Intent; key: true };
  'POST /payment/process': { body: Process; answer: Processed; key: true };
  'GET /payment/{id}/status': { body: undefined; answer: Payment; key: false };
  'POST /payment/{id}/cancel': { body: Nothing; answer: Payment; key: true };
  'POST /payment/webhook': { body: PaymentReport; answer: Received; key: false };
  'GET /admin/events/{id}': { body: undefined; answer: ManagedEvent; key: false };
  'PUT /admin/events/{id}': { body: NewEvent; answer: ManagedEvent; key: false };
  'POST /admin/events/{id}/queue': { body: QueuePatch; answer: QueueSettings; key: false };
  'POST /admin/events/{id}/seats': { body: SeatChanges; answer: SeatsChanged; key: false };
  'GET /admin/events/{id}/ledger': { body: undefined; answer: Ledger; key: false };
  'GET /admin/events/{id}/feed': { body: undefined; answer: Feed; key: false };
  'GET /admin/webhooks': { body: undefined; answer: Webhooks; key: false };
  'GET /admin/webhooks/{id}': { body: undefined; answer: Webhook; key: false };
  'PUT /admin/webhooks/{id}': { body: NewWebhook; answer: Webhook; key: false };
  'DELETE /admin/webhooks/{id}': { body: undefined; answer: WebhookDeleted; key: false };
  'POST /admin/webhooks/{id}/ping': { body: Nothing; answer: Pinged; key: false };
  'POST /admin/webhooks/{id}/replay': { body: Replay; answer: Replaying; key: false };
  'POST /admin/webhooks/{id}/enable': { body: Nothing; answer: Webhook; key: false };
  'GET /admin/webhooks/{id}/deliveries': { body: undefined; answer: Deliveries; key: false };
  'GET /admin/dead-letters': { body: undefined; answer: DeadLetters; key: false };
  'POST /admin/dead-letters/redrive': { body: Redrive; answer: RedrivenAll; key: false };
  'POST /admin/dead-letters/{id}/redrive': { body: Nothing; answer: Redriven; key: false };
}
