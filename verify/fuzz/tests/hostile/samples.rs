//! Valid samples: the events and questions that the others break.

use actors::ask::{InventoryAsk, LaneAsk, PaymentAsk, QueueAsk};
use domain::{
    event::{Event, EventBody},
    hash::Hash128,
    id::{EventId, OrderId, PaymentIntentId, ReservationId, ReservationKey, UserId},
    idempotency::Idempotency,
    inventory::{self, Admission, Wish},
    lane::Join,
    money::Currency,
    payment::{Action, Instruction, Outcome, Plan, Scenario, Terms},
    queue::{self, Batch, StockAsked},
    stock::Stock,
    time::Millis,
};
use serde_json::{Value, json};

/// When the small sale begins.
pub(crate) const START: Millis = Millis(1_795_262_400_000);
/// Reservation keys, places, callers and idempotency keys of the samples are 1 to this.
pub(crate) const FEW: u64 = 4;

pub(crate) fn event_id() -> EventId {
    EventId::parse("evt_1").unwrap()
}

/// Bodies of `PUT /admin/events/{id}`.
pub(crate) fn event_bodies() -> Vec<Value> {
    vec![
        json!({
            "name": "Neon Night Live", "venue": "Olympic Hall", "starts_at": "2027-01-01T10:00:00Z",
            "sale_opens_at": "2026-11-20T12:00:00.000Z", "sale_closes_at": "2026-12-31T21:00:00+09:00", "currency": "KRW",
            "hold_ttl_sec": 60, "max_seats_per_reservation": 10, "max_seats_per_user": 10,
            "queue": {
                "admit_per_sec": 50, "burst": 100, "max_active": 2000, "entry_window_sec": 60, "admission_ttl_sec": 180,
                "lanes": 4, "paused": false, "notice": {"ko": "잠시만요", "en": "One moment", "level": "warning"},
            },
            "sections": [
                {"id": "VIP", "name": {"ko": "브이", "en": "VIP"}, "kind": "seated", "price": 120_000,
                 "rows": [{"id": "1", "count": 10}, {"id": "2", "count": 10, "blocked": [1, 10]}],
                 "layout": {"x": -1.5, "y": 2, "angle": 12.25, "curve": 0, "floor": 1,
                            "aisles": {"after_seats": [5], "after_rows": [1]}}},
                {"id": "GA", "name": "Standing", "kind": "general", "price": 60_000, "capacity": 5000},
            ],
        }),
        small(),
        json!({"name": "N", "sections": [
            {"id": "A-B", "price": 0, "rows": [{"id": "1", "count": 3}]}, {"id": "A", "price": 1, "rows": [{"id": "C-1", "count": 2}]},
        ]}),
    ]
}

/// The event of the small sale: six seats in a row, and five places without numbers.
pub(crate) fn small() -> Value {
    json!({
        "name": "N", "max_seats_per_reservation": 4, "max_seats_per_user": 6,
        "queue": {"admit_per_sec": 5, "burst": 2, "max_active": 3, "entry_window_sec": 2, "admission_ttl_sec": 5, "lanes": 2},
        "sections": [
            {"id": "A", "price": 100, "rows": [{"id": "1", "count": 6}]},
            {"id": "G", "price": 10, "capacity": 5},
        ],
    })
}

pub(crate) fn small_event(version: u64) -> Event {
    let body: EventBody = serde_json::from_value(small()).unwrap();
    body.complete(event_id(), version, START).unwrap()
}

pub(crate) fn key(n: u64) -> ReservationKey {
    ReservationKey(n.into())
}

pub(crate) fn user(n: u64) -> UserId {
    UserId(format!("u{n}").into())
}

pub(crate) fn idempotency(n: u64) -> Idempotency {
    Idempotency { scope: Hash128(n.into()), fingerprint: Hash128(1), ttl_ms: 20_000 }
}

fn reservation_id(n: u64) -> ReservationId {
    ReservationId { event_id: event_id(), key: key(n) }
}

pub(crate) fn intent_id(n: u64) -> PaymentIntentId {
    PaymentIntentId { event_id: event_id(), key: key(n), attempt: 0 }
}

/// What anybody can make an inventory be asked, about one of [`FEW`] reservations.
fn inventory_commands(n: u64) -> Vec<inventory::Command> {
    use inventory::Command;
    let (key, user, idempotency, intent) = (key(n), user(n), idempotency(n), intent_id(n));
    let plan = Plan { scenario: Scenario::Approve, delay_ms: 2000, approve_permille: 800 };
    let admission = Admission { number: n, ends_at: START.plus_sec(180) };
    let hold = |wish: Wish| Command::Hold { key, user: user.clone(), admission, wish, idempotency };
    let decided = |outcome: Outcome| Command::Decided {
        idempotency: Idempotency { scope: Hash128(100 + u128::from(n)), ..idempotency },
        intent: intent.clone(),
        reservation_id: reservation_id(n),
        amount: 100,
        currency: Currency::KRW,
        outcome,
    };
    let other = |scope: u128| Idempotency { scope: Hash128(scope * 1000 + u128::from(n)), ..idempotency };
    vec![
        hold(Wish { seat_ids: Some([format!("A-1-{n}")].into()), quantity: Some(1), section: None, together: true }),
        hold(Wish { seat_ids: None, quantity: Some(2), section: Some("G".to_owned()), together: false }),
        hold(Wish { seat_ids: None, quantity: Some(1), section: None, together: true }),
        Command::OpenIntent {
            key,
            user: user.clone(),
            amount: Some(100),
            currency: Some(Currency::KRW),
            plan,
            idempotency: other(1),
        },
        Command::OpenIntent { key, user: user.clone(), amount: None, currency: None, plan, idempotency: other(2) },
        decided(Outcome::Approved),
        decided(Outcome::Failed { reason: "insufficient_funds".to_owned() }),
        Command::Confirm { key, user: user.clone(), intent: intent.clone(), authorised: true, idempotency: other(3) },
        Command::Cancel { key, user: user.clone(), idempotency: Some(other(4)) },
        Command::CancelIntent { intent, user: user.clone(), idempotency: other(5) },
        Command::Refund { key, user, idempotency: other(6) },
        Command::EndAdmission(admission),
        Command::Block { actor: "admin".to_owned(), block: vec![format!("A-1-{n}"), "A-1-6".to_owned()], unblock: vec![] },
        Command::Block { actor: "admin".to_owned(), block: vec![], unblock: vec!["A-1-6".to_owned()] },
        Command::Tick,
        Command::Performed(n),
        Command::Failed(n),
        Command::Published { through: n },
        Command::Consumed { through: n },
    ]
}

fn inventory_queries(n: u64) -> Vec<inventory::Query> {
    use inventory::{Cursor, Query};
    let (key, user) = (key(n), user(n));
    let before = Some(Cursor { created_at: START, key });
    let status = Some("HOLD".to_owned());
    vec![
        Query::Reservation { key, user: user.clone() },
        Query::Order { key, user: user.clone() },
        Query::Reservations { user: user.clone(), status: status.clone(), before, limit: 51 },
        Query::Orders { user: user.clone(), before, limit: 51 },
        Query::Intent { intent: intent_id(n), user: user.clone() },
        Query::Intents { user, reservation: Some(key), status, before, limit: 51 },
        Query::Availability,
        Query::Seats,
        Query::Ledger { after: n, limit: 200 },
        Query::Feed { after: n, limit: 200 },
        Query::LoggedBefore(START),
        Query::Stock,
        Query::Figures,
    ]
}

pub(crate) fn inventory_asks() -> Vec<Value> {
    let commands = (1..=FEW).flat_map(inventory_commands).map(InventoryAsk::Command);
    let configure = InventoryAsk::Configure(Box::new(small_event(2)));
    let follow = [None, Some((1, 0)), Some((1, 2))].map(|known| InventoryAsk::Follow { known });
    written(commands.chain((1..=FEW).flat_map(inventory_queries).map(InventoryAsk::Query)).chain([configure]).chain(follow))
}

pub(crate) fn queue_asks() -> Vec<Value> {
    use queue::Command;
    let of = |n: u64| {
        let stock = Stock { available: 11, holding: 0, sold_out: false, closed: false };
        let lane = u32::try_from(n % 2).unwrap();
        [
            QueueAsk::Command(Command::Batch(Batch { lane, nonce: 1, seq: n, joins: 3, leaves: vec![n] })),
            QueueAsk::Command(Command::Batch(Batch { lane, nonce: n, seq: 1, joins: 2, leaves: vec![] })),
            QueueAsk::Command(Command::Enter { number: n, kid: 1, idempotency: idempotency(n) }),
            QueueAsk::Command(Command::End { number: n }),
            QueueAsk::Command(Command::Stock { stock, asked: StockAsked { at: START.plus_ms(n * 500), departed: 0 } }),
            QueueAsk::Command(Command::Tick),
            QueueAsk::Board { since: n },
        ]
    };
    written((1..=FEW).flat_map(of).chain([QueueAsk::Configure(Box::new(small_event(2)))]))
}

pub(crate) fn lane_asks() -> Vec<Value> {
    let of = |n: u64| {
        let join =
            |replaces| Join { caller: Hash128(n.into()), key: Hash128(n.into()), fingerprint: Hash128(1), kid: 1, replaces };
        [LaneAsk::Join(join(None)), LaneAsk::Join(join(Some(n))), LaneAsk::Leave { number: n }]
    };
    written((1..=FEW).flat_map(of).chain([LaneAsk::Configure(Box::new(small_event(2)))]))
}

pub(crate) fn payment_asks() -> Vec<Value> {
    let instruct = |instruction| PaymentAsk::Instruct { intent: intent_id(1), instruction };
    let open = |scenario, delay_ms| {
        instruct(Instruction::Open(Terms {
            intent_id: intent_id(1),
            reservation_id: reservation_id(1),
            user_id: user(1),
            amount: 100,
            currency: Currency::KRW,
            plan: Plan { scenario, delay_ms, approve_permille: 800 },
            hold_expires_at: START.plus_sec(60),
        }))
    };
    let order_id = OrderId { event_id: event_id(), key: key(1) };
    written([
        open(Scenario::Approve, 2000),
        open(Scenario::Random, 0),
        open(Scenario::Timeout, 2000),
        open(Scenario::Delay, 5000),
        open(Scenario::Fail, 2000),
        instruct(Instruction::Capture { order_id }),
        instruct(Instruction::Void { reason: "seats_taken".to_owned() }),
        instruct(Instruction::Refund),
        instruct(Instruction::Cancel),
        instruct(Instruction::Fail { reason: "declined".to_owned() }),
        PaymentAsk::Process { intent: intent_id(1), user: user(1), action: Action::Approve, idempotency: idempotency(1) },
        PaymentAsk::Process { intent: intent_id(1), user: user(1), action: Action::Fail, idempotency: idempotency(2) },
        PaymentAsk::Status { intent: intent_id(1), user: user(1) },
    ])
}

/// The asks as they travel.
fn written<A: serde::Serialize>(asks: impl IntoIterator<Item = A>) -> Vec<Value> {
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    asks.into_iter().map(|ask| json!({ "trace": trace, "ask": ask })).collect()
}
