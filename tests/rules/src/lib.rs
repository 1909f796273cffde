//! Sales for the native benchmarks: machines without an engine, driven as an object drives them, with no store behind.

use domain::{
    event::{Event, EventBody},
    hash::Hash128,
    id::{EventId, PaymentIntentId, ReservationKey, UserId},
    idempotency::Idempotency,
    inventory::{self, Admission, Inventory, Wish, effect::PUBLISH},
    lane,
    machine::Machine,
    money::Currency,
    payment::{self, Plan, Scenario},
    queue::{self, Queue},
    stock::Stock,
    time::Millis,
};
use serde_json::json;

/// When all of this happens.
pub const NOW: Millis = Millis(1_795_262_400_000);
const EVENT: &str = "evt_bench";
const PRICE: u64 = 1000;
const ROW_SEATS: u32 = 100;
const SECTION_ROWS: u32 = 100;
const KEY_TTL_MS: u64 = 300_000;

/// An event of `seats` seats, in rows of 100 and sections of 10,000, that lets everybody in at once.
///
/// # Panics
/// `seats` is not a multiple of 10,000, or more than an event has.
#[must_use]
pub fn event(seats: u32) -> Event {
    let section_seats = ROW_SEATS * SECTION_ROWS;
    assert!(seats.is_multiple_of(section_seats), "sections are full");
    let rows: Vec<_> = (1..=SECTION_ROWS).map(|row| json!({ "id": row.to_string(), "count": ROW_SEATS })).collect();
    let sections: Vec<_> =
        (1..=seats / section_seats).map(|section| json!({ "id": format!("S{section}"), "price": PRICE, "rows": rows })).collect();
    let body = json!({
        "name": "Bench",
        "sections": sections,
        "queue": { "admit_per_sec": 100_000, "burst": 100_000, "max_active": 1_000_000, "entry_window_sec": 3600 },
    });
    let body: EventBody = serde_json::from_value(body).expect("it is an event");
    let id = EventId::parse(EVENT).expect("it is an id");
    body.complete(id, 1, NOW).expect("it keeps the rules")
}

/// Decides, and makes it so; what was answered.
///
/// # Panics
/// The machine refuses.
pub fn done<M: Machine>(machine: &mut M, command: &M::Command) -> M::Reply {
    let decision = machine.decide(command, NOW.into()).unwrap_or_else(|refusal| panic!("refused: {refusal:?}"));
    for change in &decision.changes {
        machine.apply(change);
    }
    decision.reply
}

/// An inventory of `seats` seats, all free.
#[must_use]
pub fn inventory(seats: u32) -> Inventory {
    let mut inventory = Inventory::default();
    done(&mut inventory, &inventory::Command::Configure(Box::new(event(seats))));
    inventory
}

fn idempotency(number: u64) -> Idempotency {
    Idempotency { scope: Hash128(u128::from(number) << 64 | 7), fingerprint: Hash128(1), ttl_ms: KEY_TTL_MS }
}

/// Spreads numbers over 128 bits, as random keys are.
const fn spread(number: u64) -> u128 {
    (number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
}

/// A reservation's key as gateways draw it: a UUID of version 7, here a thousand of them in each millisecond.
fn key(number: u64) -> ReservationKey {
    const RANDOM_BITS: u32 = 74;
    let since = u128::from(NOW.0 + number / 1000);
    ReservationKey((since << 80) | (0x7 << 76) | (spread(number) & ((1 << RANDOM_BITS) - 1)))
}

fn user(number: u64) -> UserId {
    UserId(format!("2f1c7d0e-5b3a-4c6d-8e9f-{number:012x}").into())
}

/// Somebody's wish as a command; `number` tells people apart.
#[must_use]
pub fn hold(number: u64, wish: Wish) -> inventory::Command {
    inventory::Command::Hold {
        key: key(number),
        user: user(number),
        admission: Admission { number, ends_at: NOW.plus_sec(180) },
        wish,
        idempotency: idempotency(number),
    }
}

/// Somebody buys the `index`th seat: holds it, and is said to have paid. Nobody waits for what is owed to the provider.
///
/// # Panics
/// The seat is taken.
pub fn buy(inventory: &mut Inventory, number: u64, index: u32) {
    done(inventory, &hold(number, this_seat(index)));
    let (key, user) = (key(number), user(number));
    let plan = Plan { scenario: Scenario::Approve, delay_ms: 0, approve_permille: 1000 };
    let idempotency = idempotency(number);
    done(inventory, &inventory::Command::OpenIntent { key, user, amount: None, currency: None, plan, idempotency });
    let intent = PaymentIntentId { event_id: EventId::parse(EVENT).expect("it is an id"), key, attempt: 0 };
    let reservation_id = intent.reservation_id();
    let (amount, currency, outcome) = (PRICE, Currency::KRW, payment::Outcome::Approved);
    done(inventory, &inventory::Command::Decided { idempotency, intent, reservation_id, amount, currency, outcome });
    let owed: Vec<u64> = inventory.effects().iter().map(|pending| pending.id).filter(|id| *id != PUBLISH).collect();
    owed.into_iter().for_each(|id| drop(done(inventory, &inventory::Command::Performed(id))));
}

/// The `index`th seat of the map.
fn seat_id(index: u32) -> String {
    let row = index / ROW_SEATS;
    format!("S{}-{}-{}", row / SECTION_ROWS + 1, row % SECTION_ROWS + 1, index % ROW_SEATS + 1)
}

/// A wish for one seat by its name.
#[must_use]
pub fn this_seat(index: u32) -> Wish {
    these_seats(index, 1)
}

/// A wish for `count` seats by their names, from the `index`th on.
#[must_use]
pub fn these_seats(index: u32, count: u32) -> Wish {
    Wish { seat_ids: Some((index..index + count).map(seat_id).collect()), together: true, ..Wish::default() }
}

/// A wish for the best `quantity` seats side by side.
#[must_use]
pub fn best(quantity: u32) -> Wish {
    Wish { quantity: Some(quantity), together: true, ..Wish::default() }
}

/// An inventory of which the seats that `taken` names are held, each by somebody else.
#[must_use]
pub fn partly(seats: u32, mut taken: impl FnMut(u32) -> bool) -> Inventory {
    let mut inventory = inventory(seats);
    for index in (0..seats).filter(|index| taken(*index)) {
        done(&mut inventory, &hold(u64::from(index), this_seat(index)));
    }
    inventory
}

/// An inventory of which `percent` are taken, scattered.
#[must_use]
pub fn scattered(seats: u32, percent: u32) -> Inventory {
    let mut chance = fastrand::Rng::with_seed(1);
    partly(seats, |_| chance.u32(0..100) < percent)
}

/// An inventory of which every second seat is taken: nowhere are two together, and only a look at every row tells.
#[must_use]
pub fn checkered(seats: u32) -> Inventory {
    partly(seats, |index| index % 2 == 1)
}

/// A line with plenty of stock, and nobody in it.
#[must_use]
pub fn line() -> Queue {
    let mut queue = Queue::default();
    done(&mut queue, &queue::Command::Configure(Box::new(event(200_000))));
    let stock = Stock { available: 10_000_000, holding: 0, sold_out: false, closed: false };
    let asked = queue.stock_question(NOW);
    done(&mut queue, &queue::Command::Stock { stock, asked });
    queue
}

/// A lane's `seq`th batch.
#[must_use]
pub const fn batch(seq: u64, joins: u32) -> queue::Command {
    queue::Command::Batch(queue::Batch { lane: 0, nonce: 1, seq, joins, leaves: vec![] })
}

/// The entry of a place.
#[must_use]
pub fn enter(number: u64) -> queue::Command {
    queue::Command::Enter { number, kid: 0, idempotency: idempotency(number) }
}

/// Somebody who joins.
#[must_use]
pub fn joiner(number: u64) -> lane::Join {
    let caller = Hash128(spread(number));
    lane::Join { caller, key: Hash128(caller.0 ^ 1), fingerprint: Hash128(2), kid: 0, replaces: None }
}

/// Places of a lane that is asked for speed and memory.
pub const LANE_PLACES: u64 = 1_000_000;

/// A lane that knows its event and a million callers.
#[must_use]
pub fn lane() -> lane::Lane {
    let mut lane = lane::Lane::default();
    done(&mut lane, &lane::Command::Configure(Box::new(event(10_000))));
    let batch = LANE_PLACES / 1000;
    for seq in 0..1000 {
        done(&mut lane, &numbered(seq + 1, seq * batch + 1, batch));
    }
    lane
}

/// The row of a batch that comes back: `joins` people from `first` on.
///
/// # Panics
/// Never: the row is well-formed.
#[must_use]
pub fn numbered(seq: u64, first: u64, joins: u64) -> lane::Command {
    let joiners = (first..first + joins).map(|number| {
        let join = joiner(number);
        let keys = serde_json::from_value(json!([[join.key, join.fingerprint]])).expect("they are keys");
        lane::Joiner { caller: join.caller, kid: 0, keys }
    });
    let numbers = queue::Numbered { first, joined_at: NOW, position_hint: first };
    lane::Command::Numbered(lane::Numbered { nonce: 1, seq, numbers, joiners: joiners.collect(), left: vec![] })
}
