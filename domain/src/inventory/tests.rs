//! The rules of reservations and payments, each as a sentence, over a store that keeps rows as SQLite does.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    ledger::{Entry, Notification},
    reservation::Reservation,
    *,
};
use crate::{
    event::{Event, EventBody},
    hash::Hash128,
    id::{EventId, PaymentIntentId, ReservationId, ReservationKey, UserId},
    idempotency::Record,
    invariants::Witness,
    machine::{Answer, Batch, Engine, Store},
    money::Currency,
    payment::{self, Instruction, Plan, Scenario},
};

pub(super) const START: Millis = Millis(1_795_262_400_000);
pub(super) const HOLD_MS: u64 = 60_000;

#[derive(Default)]
pub(super) struct RowStore {
    event: Option<Event>,
    pub(super) reservations: BTreeMap<ReservationKey, Reservation>,
    blocked: BTreeSet<String>,
    ended: Vec<Admission>,
    effects: BTreeMap<u64, Pending<Effect>>,
    /// Every effect that was ever owed, by its id; no row.
    pub(super) owed: BTreeMap<u64, Effect>,
    pub(super) ledger: Vec<Entry>,
    notifications: Vec<Notification>,
    published: u64,
    consumed: u64,
    last_effect: u64,
    records: BTreeMap<Hash128, (Record, Vec<u8>)>,
    pub(super) commits: usize,
    /// Refuses the next commit.
    pub(super) broken: bool,
    /// Told every commit; see [`crate::invariants`].
    pub(super) witness: Option<Witness>,
}

impl RowStore {
    /// Every row, as text.
    pub(super) fn dump(&self) -> String {
        let Self { event, reservations, blocked, ended, effects, ledger, notifications, .. } = self;
        let Self { published, consumed, last_effect, records, .. } = self;
        let seats = (event, reservations, blocked, ledger);
        format!("{:#?}", (seats, ended, effects, notifications, published, consumed, last_effect, records))
    }
}

#[derive(Default)]
pub(super) struct Memory(pub(super) RefCell<RowStore>);

impl Memory {
    /// The reader of `sale-events` has dealt with everything up to `through`.
    pub(super) fn acknowledged(&self, through: u64) {
        self.0.borrow_mut().witness.iter_mut().for_each(|witness| witness.seats.acknowledges(through));
    }
}

impl Store<Inventory> for Memory {
    type Fault = ();

    fn load(&self) -> Result<(Inventory, Vec<Record>), ()> {
        let rows = self.0.borrow();
        let inventory = Inventory::restore(Rows {
            event: rows.event.clone(),
            blocked: rows.blocked.iter().cloned().collect(),
            taking: rows.reservations.values().filter(|r| r.status.takes_seats()).map(reread).collect(),
            ended: rows.ended.clone(),
            effects: rows.effects.values().map(reread).collect(),
            seq: rows.ledger.last().map_or(0, |entry| entry.seq),
            sequence: rows.notifications.last().map_or(0, |notification| notification.sequence),
            behind_since: rows.notifications.last().map_or(Millis(0), |notification| notification.time.0),
            published: rows.published.max(rows.consumed),
            consumed: rows.consumed,
            last_effect: rows.last_effect,
        });
        Ok((inventory, rows.records.values().map(|(record, _)| *record).collect()))
    }

    fn recall(&self, inventory: &mut Inventory, command: &Command) -> Result<(), ()> {
        let found = inventory.missing(command).and_then(|key| self.0.borrow().reservations.get(&key).map(reread));
        found.into_iter().for_each(|reservation| inventory.recall(reservation));
        Ok(())
    }

    fn save(&self, batch: &Batch<'_, Change>) -> Result<(), ()> {
        let mut rows = self.0.borrow_mut();
        if std::mem::take(&mut rows.broken) {
            return Err(());
        }
        rows.commits += 1;
        let changes: Vec<Change> = batch.changes().cloned().collect();
        rows.witness.get_or_insert_with(Witness::of_one).inventory_saved(&changes, batch.decided_at).unwrap();
        for change in changes {
            match change {
                Change::Configured(event) => rows.event = Some(*event),
                Change::Moved(reservation, entry) => {
                    rows.reservations.insert(reservation.key, (*reservation).clone());
                    rows.ledger.push(entry);
                }
                Change::Updated(reservation) => drop(rows.reservations.insert(reservation.key, (*reservation).clone())),
                Change::Blocked(entry) => {
                    if entry.kind == EntryType::Blocked {
                        rows.blocked.extend(entry.seat_ids.iter().cloned());
                    } else {
                        rows.blocked.retain(|id| !entry.seat_ids.contains(id));
                    }
                    rows.ledger.push(entry);
                }
                Change::Notified(notification) => rows.notifications.push(notification),
                Change::AdmissionEnded(admission) => rows.ended.push(admission),
                Change::Owed(pending) => {
                    rows.last_effect = rows.last_effect.max(pending.id);
                    rows.owed.insert(pending.id, pending.effect.clone());
                    rows.effects.insert(pending.id, *pending);
                }
                Change::Performed(id) => drop(rows.effects.remove(&id)),
                // Has no row: it follows from the cursor.
                Change::PublishingFailed(pending) => assert_eq!((pending.id, &pending.effect), (PUBLISH, &Effect::Publish)),
                Change::Published { through, .. } => rows.published = through,
                Change::Consumed { through, .. } => rows.consumed = through,
            }
        }
        for (record, body) in batch.records() {
            rows.records.insert(record.scope, (record, body.to_vec()));
        }
        Ok(())
    }

    fn recorded(&self, idempotency: &Idempotency) -> Result<Vec<u8>, ()> {
        self.0.borrow().records.get(&idempotency.scope).map(|(_, body)| body.clone()).ok_or(())
    }
}

/// What is written as JSON, as it comes back from its row.
fn reread<T: Serialize + DeserializeOwned>(written: &T) -> T {
    serde_json::from_str(&serde_json::to_string(written).unwrap()).unwrap()
}

/// A sale with a clock that the test moves.
pub(super) struct Sale {
    pub(super) engine: Engine<Inventory, Memory>,
    pub(super) now: Millis,
    /// Whose request the next command is.
    pub(super) trace: TraceId,
    pub(super) keys: u128,
}

impl Sale {
    fn new(sections: &str) -> Self {
        let mut sale = Self { engine: Engine::new(Memory::default()), now: START, trace: TraceId::NONE, keys: 0 };
        sale.configure(1, sections).unwrap();
        sale
    }

    pub(super) fn small() -> Self {
        Self::new(r#"[{"id":"A","price":100,"rows":[{"id":"1","count":6}]},{"id":"G","price":10,"capacity":5}]"#)
    }

    fn configure(&mut self, version: u64, sections: &str) -> Result<Value, Refusal> {
        let json = format!(r#"{{"name":"N","max_seats_per_reservation":4,"max_seats_per_user":6,"sections":{sections}}}"#);
        let body: EventBody = serde_json::from_str(&json).unwrap();
        let event = body.complete(EventId::parse("evt_1").unwrap(), version, START).unwrap();
        self.ask(&Command::Configure(Box::new(event)))
    }

    /// Executes, checks every invariant, and lets the object lose its memory every other time.
    fn answer(&mut self, command: &Command) -> Answer {
        if let Command::Consumed { through } = command {
            self.engine.store().acknowledged(*through);
        }
        let answer = self.engine.execute(command, Context { now: self.now, trace: self.trace }).unwrap();
        self.engine.read(self.now).unwrap().check();
        let (inventory, store) = self.engine.parts().unwrap();
        store.0.borrow().witness.iter().for_each(|witness| witness.seats.is_the_map_of(inventory).unwrap());
        self.check_ledger();
        if self.keys.is_multiple_of(2) {
            self.engine.forget();
        }
        answer
    }

    pub(super) fn ask(&mut self, command: &Command) -> Result<Value, Refusal> {
        match self.answer(command) {
            Answer::Granted { body, .. } => Ok(serde_json::from_slice(&body).unwrap()),
            Answer::Refused(refusal) => Err(refusal),
        }
    }

    pub(super) fn idempotency(&mut self) -> Idempotency {
        self.keys += 1;
        Idempotency { scope: Hash128(self.keys), fingerprint: Hash128(0), ttl_ms: 300_000 }
    }

    pub(super) fn hold_as(&mut self, user: &str, admission: u64, wish: Wish) -> Result<Value, Refusal> {
        let idempotency = self.idempotency();
        let admission = Admission { number: admission, ends_at: START.plus_sec(3600) };
        let key = ReservationKey(self.keys);
        self.ask(&Command::Hold { key, user: UserId(user.into()), admission, wish, idempotency })
    }

    pub(super) fn hold(&mut self, user: &str, seats: &[&str]) -> Result<ReservationKey, Refusal> {
        let admission = u64::try_from(self.keys).unwrap() + 1000;
        self.hold_as(user, admission, named(seats)).map(|body| key_of(&body))
    }

    pub(super) fn open(&mut self, key: ReservationKey, user: &str, scenario: Scenario) -> Result<PaymentIntentId, Refusal> {
        let idempotency = self.idempotency();
        let plan = Plan { scenario, delay_ms: 0, approve_permille: 1000 };
        let command = Command::OpenIntent { key, user: UserId(user.into()), amount: None, currency: None, plan, idempotency };
        self.ask(&command).map(|body| PaymentIntentId::parse(body["payment_intent_id"].as_str().unwrap()).unwrap())
    }

    pub(super) fn decided(&mut self, intent: &PaymentIntentId, amount: u64, outcome: payment::Outcome) -> Value {
        self.word(intent, amount, outcome)["effect"].clone()
    }

    /// The whole answer to the provider's word.
    fn word(&mut self, intent: &PaymentIntentId, amount: u64, outcome: payment::Outcome) -> Value {
        let idempotency = self.idempotency();
        let (intent, reservation_id) = (intent.clone(), intent.reservation_id());
        let currency = Currency::KRW;
        let command = Command::Decided { idempotency, intent, reservation_id, amount, currency, outcome };
        self.ask(&command).unwrap()
    }

    fn cancel_intent(&mut self, intent: &PaymentIntentId, user: &str) -> Value {
        let idempotency = self.idempotency();
        self.ask(&Command::CancelIntent { intent: intent.clone(), user: UserId(user.into()), idempotency }).unwrap()
    }

    pub(super) fn confirm(
        &mut self,
        key: ReservationKey,
        user: &str,
        intent: &PaymentIntentId,
        authorised: bool,
    ) -> Result<Value, Refusal> {
        let idempotency = self.idempotency();
        self.ask(&Command::Confirm { key, user: UserId(user.into()), intent: intent.clone(), authorised, idempotency })
    }

    pub(super) fn cancel(&mut self, key: ReservationKey, user: &str) -> Result<Value, Refusal> {
        self.ask(&Command::Cancel { key, user: UserId(user.into()), idempotency: None })
    }

    pub(super) fn refund(&mut self, key: ReservationKey, user: &str) -> Result<Value, Refusal> {
        let idempotency = self.idempotency();
        self.ask(&Command::Refund { key, user: UserId(user.into()), idempotency })
    }

    fn buy(&mut self, user: &str, seats: &[&str]) -> ReservationKey {
        let key = self.hold(user, seats).unwrap();
        let intent = self.open(key, user, Scenario::Approve).unwrap();
        let amount = 100 * seats.len() as u64;
        assert_eq!(self.decided(&intent, amount, payment::Outcome::Approved), "confirmed");
        key
    }

    fn status(&mut self, key: ReservationKey) -> Status {
        self.engine.read(self.now).unwrap();
        self.engine.store().0.borrow().reservations[&key].status
    }

    fn state(&mut self, seat: &str) -> SeatState {
        let inventory = self.engine.read(self.now).unwrap();
        inventory.seats().state(inventory.map().seat(seat).unwrap())
    }

    fn instructions(&self) -> Vec<Instruction> {
        let rows = self.engine.store().0.borrow();
        let pay = |pending: &Pending<Effect>| match &pending.effect {
            Effect::Pay { instruction, .. } => Some(instruction.clone()),
            Effect::EndAdmission { .. } | Effect::Publish => None,
        };
        rows.effects.values().filter_map(pay).collect()
    }

    /// What is to be performed now.
    pub(super) fn due(&mut self) -> Vec<Pending<Effect>> {
        self.engine.read(self.now).unwrap().effects().due(self.now).cloned().collect()
    }

    /// What is to be told the provider now about `intent`.
    fn due_of(&mut self, intent: &PaymentIntentId) -> Option<Pending<Effect>> {
        self.due().into_iter().find(|pending| matches!(&pending.effect, Effect::Pay { intent: of, .. } if of == intent))
    }

    pub(super) fn performed(&mut self, id: u64) {
        self.ask(&Command::Performed(id)).unwrap();
    }

    pub(super) fn failed(&mut self, id: u64) {
        self.ask(&Command::Failed(id)).unwrap();
    }

    pub(super) fn publish(&mut self, through: u64) {
        self.ask(&Command::Published { through }).unwrap();
    }

    pub(super) fn consume(&mut self, through: u64) {
        self.ask(&Command::Consumed { through }).unwrap();
    }

    /// Whether envelopes are to be handed to `sale-events` now.
    fn must_publish(&mut self) -> bool {
        self.due().iter().any(|pending| pending.id == PUBLISH)
    }

    /// The last envelope, the last that was published, and the last that was dealt with.
    pub(super) fn cursor(&mut self) -> (u64, u64, u64) {
        let inventory = self.engine.read(self.now).unwrap();
        (inventory.sequence(), inventory.published().0, inventory.published().1)
    }

    /// Kind and status of the last envelope.
    fn last_told(&self) -> (&'static str, String) {
        let rows = self.engine.store().0.borrow();
        let last = rows.notifications.last().unwrap();
        let told = serde_json::to_value(last).unwrap();
        let status = told["data"]["status"].as_str().unwrap().to_owned();
        (last.kind, status)
    }

    /// Replays the ledger from its first entry and compares it with the live map.
    pub(super) fn check_ledger(&mut self) {
        let inventory = self.engine.read(self.now).unwrap();
        let mut replayed: BTreeMap<String, SeatState> = BTreeMap::new();
        let mut places: BTreeMap<String, i64> = BTreeMap::new();
        let mut taking = BTreeSet::new();
        let live: Vec<_> = inventory.seats().taken().map(|(seat, state)| (inventory.map().seat_id(seat), state)).collect();
        let sections = inventory.map().sections().iter().enumerate().filter(|(_, section)| section.is_general());
        let taken: Vec<_> = sections
            .map(|(i, s)| (s.id.clone(), i64::from(s.capacity - inventory.seats().counts(i).of(SeatState::Available))))
            .collect();
        let (seq, sequence) = (inventory.seq(), inventory.sequence());
        let (published, consumed) = inventory.published();
        let publishes = inventory.effects().get(PUBLISH).is_some();
        let rows = self.engine.store().0.borrow();
        for (expected, entry) in (1..).zip(&rows.ledger) {
            assert_eq!(entry.seq, expected, "the ledger has no gap");
            let state = match entry.kind {
                EntryType::Created => SeatState::Held,
                EntryType::Confirmed => SeatState::Sold,
                EntryType::Blocked => SeatState::Blocked,
                EntryType::Cancelled | EntryType::Expired | EntryType::Refunded | EntryType::Unblocked => SeatState::Available,
            };
            for id in entry.seat_ids.iter() {
                replayed.insert(id.clone(), state);
            }
            if let (Some(section), Some(reservation)) = (&entry.section, &entry.reservation_id) {
                // A late approval confirms a reservation that had given its places up.
                let takes = matches!(entry.kind, EntryType::Created | EntryType::Confirmed);
                let took = if takes { !taking.insert(reservation.clone()) } else { taking.remove(reservation) };
                let change = i64::from(takes) - i64::from(took);
                *places.entry(section.clone()).or_default() += change * i64::from(entry.quantity);
            }
        }
        replayed.retain(|_, state| *state != SeatState::Available);
        assert_eq!(replayed, live.into_iter().collect(), "the ledger replayed gives the live seat map");
        for (section, number) in taken {
            assert_eq!(places.get(&section).copied().unwrap_or(0), number, "places of {section}");
        }
        assert_eq!(rows.ledger.len() as u64, seq);
        assert_eq!(rows.notifications.len() as u64, sequence);
        assert!(consumed <= published && published <= sequence, "{consumed} ≤ {published} ≤ {sequence}");
        assert_eq!(publishes, published < sequence, "what is behind the cursor is owed");
        for (expected, notification) in (1..).zip(&rows.notifications) {
            assert_eq!(notification.sequence, expected, "notifications have no gap");
        }
    }
}

pub(super) fn named(seats: &[&str]) -> Wish {
    Wish { seat_ids: Some(seats.iter().map(|id| (*id).to_owned()).collect()), together: true, ..Wish::default() }
}

pub(super) fn best(quantity: u32, section: Option<&str>) -> Wish {
    Wish { quantity: Some(quantity), section: section.map(str::to_owned), together: true, ..Wish::default() }
}

pub(super) fn key_of(body: &Value) -> ReservationKey {
    ReservationId::parse(body["reservation_id"].as_str().unwrap()).unwrap().key
}

fn seats_of(body: &Value) -> Vec<&str> {
    body["seat_ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect()
}

#[test]
fn a_held_seat_cannot_be_held_again_and_a_refusal_names_exactly_the_taken_ones() {
    let mut sale = Sale::small();
    sale.hold("ann", &["A-1-2", "A-1-3"]).unwrap();
    let refusal = sale.hold("bob", &["A-1-1", "A-1-3", "A-1-2"]).unwrap_err();
    assert_eq!(refusal, Refusal::SeatTaken { seat_ids: vec!["A-1-3".into(), "A-1-2".into()] });
    assert_eq!(sale.state("A-1-1"), SeatState::Available);
}

#[test]
fn a_hold_is_over_at_its_deadline_without_anybody_asking() {
    let mut sale = Sale::small();
    let key = sale.hold("ann", &["A-1-1"]).unwrap();
    sale.now = START.plus_ms(HOLD_MS - 1);
    assert_eq!(sale.status(key), Status::Hold);
    sale.now = START.plus_ms(HOLD_MS);
    assert_eq!(sale.status(key), Status::Expired);
    assert_eq!(sale.state("A-1-1"), SeatState::Available);
    assert_eq!(sale.cancel(key, "ann"), Err(Refusal::ReservationExpired));
}

#[test]
fn confirming_at_the_deadline_is_too_late_and_before_it_is_not() {
    for (after_ms, late) in [(HOLD_MS - 1, false), (HOLD_MS, true)] {
        let mut sale = Sale::small();
        let key = sale.hold("ann", &["A-1-1"]).unwrap();
        let intent = sale.open(key, "ann", Scenario::Approve).unwrap();
        sale.now = START.plus_ms(after_ms);
        let outcome = sale.confirm(key, "ann", &intent, true);
        assert_eq!(outcome.is_err(), late);
        assert_eq!(sale.state("A-1-1"), if late { SeatState::Available } else { SeatState::Sold });
    }
}

#[test]
fn the_money_is_captured_in_the_commit_that_sells_the_seats() {
    let mut sale = Sale::small();
    let key = sale.hold("ann", &["A-1-1"]).unwrap();
    let intent = sale.open(key, "ann", Scenario::Approve).unwrap();
    assert!(matches!(sale.instructions().as_slice(), [Instruction::Open(_)]));
    assert_eq!(sale.confirm(key, "ann", &intent, false), Err(Refusal::PaymentNotApproved));
    assert_eq!(sale.decided(&intent, 100, payment::Outcome::Approved), "confirmed");
    assert!(matches!(sale.instructions().as_slice(), [Instruction::Open(_), Instruction::Capture { .. }]));
    let order = sale.confirm(key, "ann", &intent, false).unwrap();
    assert_eq!(order["status"], "CONFIRMED");
    assert_eq!(sale.instructions().len(), 2, "confirming again has no effect");
}

#[test]
fn an_approval_of_another_amount_has_no_effect_and_one_after_a_decline_is_given_back() {
    let mut sale = Sale::small();
    let key = sale.hold("ann", &["A-1-1"]).unwrap();
    let intent = sale.open(key, "ann", Scenario::Approve).unwrap();
    assert_eq!(sale.decided(&intent, 99, payment::Outcome::Approved), "none");
    assert_eq!(sale.status(key), Status::Hold);
    assert_eq!(sale.decided(&intent, 100, payment::Outcome::Failed { reason: "declined".into() }), "cancelled");
    assert_eq!(sale.state("A-1-1"), SeatState::Available);
    assert_eq!(sale.decided(&intent, 99, payment::Outcome::Approved), "none");
    assert_eq!(sale.decided(&intent, 100, payment::Outcome::Approved), "voided");
    assert_eq!((sale.status(key), sale.state("A-1-1")), (Status::Cancelled, SeatState::Available));
}

#[test]
fn a_decided_intent_stays_decided_whatever_is_said_of_it_later() {
    let mut sale = Sale::small();
    let key = sale.hold("ann", &["A-1-1"]).unwrap();
    let intent = sale.open(key, "ann", Scenario::Approve).unwrap();
    let failed = || payment::Outcome::Failed { reason: "declined".into() };
    let received = |effect: &str, status: &str| serde_json::json!({"received": true, "effect": effect, "status": status});
    assert_eq!(sale.word(&intent, 99, payment::Outcome::Approved), received("none", "PENDING"));
    assert_eq!(sale.word(&intent, 100, payment::Outcome::Approved), received("confirmed", "APPROVED"));
    for word in [payment::Outcome::Approved, failed()] {
        assert_eq!(sale.word(&intent, 100, word), received("none", "APPROVED"));
    }
    assert_eq!(sale.status(key), Status::Confirmed);
    sale.refund(key, "ann").unwrap();
    for word in [payment::Outcome::Approved, failed()] {
        assert_eq!(sale.word(&intent, 100, word), received("none", "REFUNDED"));
    }
    assert_eq!(sale.instructions().len(), 3, "opened, captured, refunded");
    let declined = sale.hold("bob", &["A-1-2"]).unwrap();
    let intent = sale.open(declined, "bob", Scenario::Approve).unwrap();
    assert_eq!(sale.word(&intent, 100, failed()), received("cancelled", "FAILED"));
    assert_eq!(sale.word(&intent, 100, failed()), received("none", "FAILED"));
}

#[test]
fn an_approval_of_what_was_given_up_is_given_back_once_and_said_so() {
    let give_up: [fn(&mut Sale, ReservationKey, &PaymentIntentId); 4] = [
        |sale, _, intent| {
            let failed = payment::Outcome::Failed { reason: "declined".into() };
            assert_eq!(sale.decided(intent, 100, failed), "cancelled");
        },
        |sale, _, intent| assert_eq!(sale.cancel_intent(intent, "ann")["status"], "CANCELLED"),
        |sale, key, _| drop(sale.cancel(key, "ann").unwrap()),
        |sale, _, _| sale.now = START.plus_ms(HOLD_MS),
    ];
    for (how, give_up) in give_up.into_iter().enumerate() {
        let mut sale = Sale::small();
        let key = sale.hold("ann", &["A-1-1"]).unwrap();
        let intent = sale.open(key, "ann", Scenario::Timeout).unwrap();
        give_up(&mut sale, key, &intent);
        let (status, state, owed) = (sale.status(key), sale.state("A-1-1"), sale.instructions().len());
        sale.engine.forget();
        let word = sale.word(&intent, 100, payment::Outcome::Approved);
        assert_eq!((&word["effect"], &word["status"]), (&"voided".into(), &"REFUNDED".into()), "{how}");
        assert_eq!((sale.status(key), sale.state("A-1-1")), (status, state), "{how}: the reservation stays as it is");
        assert_eq!(sale.instructions().len(), owed + 1, "{how}");
        assert!(matches!(sale.instructions().last(), Some(Instruction::Void { .. })), "{how}");
        assert_eq!(sale.last_told(), ("payment.refunded", "REFUNDED".to_owned()), "{how}");
        let told = sale.cursor().0;
        assert_eq!(sale.decided(&intent, 100, payment::Outcome::Approved), "none", "{how}");
        assert_eq!((sale.instructions().len(), sale.cursor().0), (owed + 1, told), "{how}: once");
    }
}

#[test]
fn an_approval_of_an_earlier_attempt_does_not_touch_the_order_that_a_later_one_paid() {
    let mut sale = Sale::small();
    let key = sale.hold("ann", &["A-1-1"]).unwrap();
    let first = sale.open(key, "ann", Scenario::Approve).unwrap();
    sale.cancel_intent(&first, "ann");
    let second = sale.open(key, "ann", Scenario::Approve).unwrap();
    assert_eq!(sale.decided(&second, 100, payment::Outcome::Approved), "confirmed");
    assert_eq!(sale.decided(&first, 100, payment::Outcome::Approved), "voided");
    assert_eq!((sale.status(key), sale.state("A-1-1")), (Status::Confirmed, SeatState::Sold));
    sale.engine.forget();
    sale.refund(key, "ann").unwrap();
    let rows = sale.engine.store().0.borrow();
    let last = rows.owed.values().next_back();
    assert_eq!(last, Some(&Effect::Pay { intent: second, instruction: Instruction::Refund }), "what was paid goes back");
}

#[test]
fn a_late_approval_takes_the_same_seats_again_if_all_are_free() {
    let mut sale = Sale::small();
    let key = sale.hold("ann", &["A-1-1", "A-1-2"]).unwrap();
    let intent = sale.open(key, "ann", Scenario::Delay).unwrap();
    sale.now = START.plus_ms(HOLD_MS);
    assert_eq!(sale.decided(&intent, 200, payment::Outcome::Approved), "confirmed");
    assert_eq!((sale.status(key), sale.state("A-1-2")), (Status::Confirmed, SeatState::Sold));
}

#[test]
fn a_late_approval_is_voided_when_one_seat_is_gone() {
    let mut sale = Sale::small();
    let key = sale.hold("ann", &["A-1-1", "A-1-2"]).unwrap();
    let intent = sale.open(key, "ann", Scenario::Delay).unwrap();
    sale.now = START.plus_ms(HOLD_MS);
    sale.hold("bob", &["A-1-2"]).unwrap();
    assert_eq!(sale.decided(&intent, 200, payment::Outcome::Approved), "voided");
    assert_eq!(sale.status(key), Status::Expired);
    assert!(matches!(sale.instructions().last(), Some(Instruction::Void { .. })));
}

#[test]
fn a_late_approval_is_voided_when_its_user_has_taken_others_and_may_have_no_more() {
    let mut sale = Sale::new(r#"[{"id":"A","price":100,"rows":[{"id":"1","count":8}]}]"#);
    let key = sale.hold("ann", &["A-1-1", "A-1-2", "A-1-3", "A-1-4"]).unwrap();
    let intent = sale.open(key, "ann", Scenario::Delay).unwrap();
    sale.now = START.plus_ms(HOLD_MS);
    sale.hold("ann", &["A-1-5", "A-1-6", "A-1-7", "A-1-8"]).unwrap();
    assert_eq!(sale.decided(&intent, 400, payment::Outcome::Approved), "voided");
    assert_eq!((sale.status(key), sale.state("A-1-1")), (Status::Expired, SeatState::Available));
}

#[test]
fn an_intent_that_never_answers_ends_with_the_hold_and_an_approval_that_crosses_its_end_is_given_back() {
    let mut sale = Sale::small();
    let key = sale.hold("ann", &["A-1-1"]).unwrap();
    let intent = sale.open(key, "ann", Scenario::Timeout).unwrap();
    sale.now = START.plus_ms(HOLD_MS);
    assert_eq!(sale.decided(&intent, 100, payment::Outcome::Approved), "voided");
    assert_eq!(sale.status(key), Status::Expired);
    assert!(matches!(sale.instructions().last(), Some(Instruction::Void { .. })));
}

#[test]
fn one_intent_is_open_at_a_time_and_it_costs_what_the_reservation_costs() {
    let mut sale = Sale::small();
    let key = sale.hold("ann", &["A-1-1"]).unwrap();
    let idempotency = sale.idempotency();
    let plan = Plan { scenario: Scenario::Approve, delay_ms: 0, approve_permille: 0 };
    let (amount, currency) = (Some(1), None);
    let wrong = Command::OpenIntent { key, user: UserId("ann".into()), amount, currency, plan, idempotency };
    assert_eq!(sale.ask(&wrong), Err(Refusal::AmountMismatch));
    let first = sale.open(key, "ann", Scenario::Approve).unwrap();
    assert_eq!(sale.open(key, "ann", Scenario::Approve), Err(Refusal::PaymentConflict));
    assert_eq!(sale.cancel_intent(&first, "ann")["status"], "CANCELLED");
    assert_eq!(sale.status(key), Status::Hold, "cancelling a pending payment leaves the hold");
    assert!(sale.open(key, "ann", Scenario::Approve).is_ok());
}

#[test]
fn cancelling_a_reservation_closes_its_open_intent() {
    let mut sale = Sale::small();
    let key = sale.hold("ann", &["A-1-1"]).unwrap();
    let intent = sale.open(key, "ann", Scenario::Approve).unwrap();
    sale.cancel(key, "ann").unwrap();
    assert!(matches!(sale.instructions().last(), Some(Instruction::Cancel)));
    assert_eq!(sale.decided(&intent, 100, payment::Outcome::Approved), "voided");
    assert_eq!(sale.cancel(key, "ann").unwrap()["status"], "CANCELLED", "repeatable");
    assert_eq!(sale.open(key, "ann", Scenario::Approve), Err(Refusal::ReservationNotHeld));
}

#[test]
fn a_refund_puts_the_seats_on_sale_and_returns_the_money_once() {
    let mut sale = Sale::small();
    let key = sale.buy("ann", &["A-1-1"]);
    assert_eq!(sale.cancel(key, "ann"), Err(Refusal::ReservationNotHeld));
    let first = sale.refund(key, "ann").unwrap();
    assert_eq!((sale.state("A-1-1"), sale.status(key)), (SeatState::Available, Status::Refunded));
    assert_eq!(sale.refund(key, "ann").unwrap(), first);
    let refunds = sale.instructions().iter().filter(|i| matches!(i, Instruction::Refund)).count();
    assert_eq!(refunds, 1);
    assert_eq!(sale.hold("bob", &["A-1-1"]).map(|_| ()), Ok(()));
}

#[test]
fn a_reservation_is_seen_and_changed_by_its_owner_alone() {
    let mut sale = Sale::small();
    let key = sale.hold("ann", &["A-1-1"]).unwrap();
    let intent = sale.open(key, "ann", Scenario::Approve).unwrap();
    assert_eq!(sale.cancel(key, "eve"), Err(Refusal::Forbidden));
    assert_eq!(sale.open(key, "eve", Scenario::Approve), Err(Refusal::Forbidden));
    assert_eq!(sale.confirm(key, "eve", &intent, true), Err(Refusal::Forbidden));
    let bought = sale.buy("ann", &["A-1-2"]);
    assert_eq!(sale.refund(bought, "eve"), Err(Refusal::Forbidden));
    assert_eq!(sale.cancel(ReservationKey(999), "ann"), Err(Refusal::ReservationNotFound));
}

#[test]
fn an_admission_has_one_hold_at_a_time_and_ends_with_its_confirmation() {
    let mut sale = Sale::small();
    let first = key_of(&sale.hold_as("ann", 7, named(&["A-1-1"])).unwrap());
    assert_eq!(sale.hold_as("ann", 7, named(&["A-1-2"])), Err(Refusal::ReservationLimit));
    sale.cancel(first, "ann").unwrap();
    let second = key_of(&sale.hold_as("ann", 7, named(&["A-1-2"])).unwrap());
    let intent = sale.open(second, "ann", Scenario::Approve).unwrap();
    sale.confirm(second, "ann", &intent, true).unwrap();
    assert_eq!(sale.hold_as("ann", 7, named(&["A-1-3"])), Err(Refusal::NotAdmitted));
}

#[test]
fn an_admission_that_was_left_or_ran_out_admits_nobody() {
    let mut sale = Sale::small();
    sale.ask(&Command::EndAdmission(Admission { number: 7, ends_at: START.plus_sec(3600) })).unwrap();
    assert_eq!(sale.hold_as("ann", 7, named(&["A-1-1"])), Err(Refusal::NotAdmitted));
    sale.now = START.plus_sec(3600);
    assert_eq!(sale.hold_as("ann", 8, named(&["A-1-1"])), Err(Refusal::NotAdmitted));
}

#[test]
fn ended_admissions_are_forgotten_once_they_would_be_over_anyhow() {
    let mut inventory = Inventory::default();
    let mut end = |number, ends_at| {
        inventory.apply(&Change::AdmissionEnded(Admission { number, ends_at }));
        inventory.ended.keys().copied().collect::<Vec<_>>()
    };
    let last = START.plus_sec(3600);
    assert_eq!(end(1, last), [1]);
    assert_eq!(end(3, Millis(last.0 + 1)), [1, 3]);
    assert_eq!(end(4, Millis(last.0 + ENDED_KEPT_MS - 1)), [1, 3, 4]);
    assert_eq!(end(5, Millis(last.0 + ENDED_KEPT_MS)), [3, 4, 5]);
    // One that entered late ends late, and holds up nobody for ever.
    assert_eq!(end(2, Millis(last.0 + ENDED_KEPT_MS)), [2, 3, 4, 5]);
    assert_eq!(end(6, Millis(last.0 + 2 * ENDED_KEPT_MS)), [6]);
}

#[test]
fn a_user_holds_and_owns_no_more_seats_than_allowed() {
    let mut sale = Sale::small();
    sale.buy("ann", &["A-1-1", "A-1-2", "A-1-3"]);
    let held = sale.hold("ann", &["A-1-4", "A-1-5", "A-1-6"]).unwrap();
    assert_eq!(sale.hold_as("ann", 1, best(1, Some("G"))), Err(Refusal::ReservationLimit));
    sale.cancel(held, "ann").unwrap();
    assert!(sale.hold_as("ann", 1, best(3, Some("G"))).is_ok());
}

#[test]
fn best_available_goes_section_by_section_and_general_places_have_no_seats() {
    let mut sale = Sale::small();
    assert_eq!(seats_of(&sale.hold_as("ann", 1, best(2, None)).unwrap()), ["A-1-3", "A-1-4"]);
    let general = sale.hold_as("bob", 2, best(4, None)).unwrap();
    assert_eq!((seats_of(&general).len(), &general["section"], &general["total_amount"]), (0, &"G".into(), &40.into()));
    assert_eq!(sale.hold_as("cat", 3, best(3, None)), Err(Refusal::SoldOut));
    let apart = Wish { together: false, ..best(3, Some("A")) };
    assert_eq!(seats_of(&sale.hold_as("cat", 3, apart).unwrap()).len(), 3);
}

#[test]
fn a_wish_that_breaks_a_rule_names_the_field() {
    let mut sale = Sale::small();
    let both = |quantity| Wish { quantity: Some(quantity), ..named(&["A-1-1"]) };
    let cases = [
        (named(&[]), "seat_ids"),
        (named(&["A-1-1", "A-1-1"]), "seat_ids"),
        (named(&["A-1-1", "A-1-2", "A-1-3", "A-1-4", "A-1-5"]), "seat_ids"),
        (both(2), "quantity"),
        (best(0, None), "quantity"),
        (best(5, None), "quantity"),
        (best(1, Some("Z")), "section"),
        (Wish::default(), "seat_ids"),
    ];
    for (wish, field) in cases {
        let refusal = sale.hold_as("ann", 1, wish.clone()).unwrap_err();
        assert!(matches!(&refusal, Refusal::Invalid { field: named, .. } if named == field), "{wish:?}: {refusal:?}");
    }
    assert_eq!(sale.hold_as("ann", 1, named(&["A-1-1", "A-9-1"])), Err(Refusal::SeatNotFound { seat_ids: vec!["A-9-1".into()] }));
}

#[test]
fn the_same_key_gets_the_same_answer_and_has_one_effect() {
    let mut sale = Sale::small();
    let idempotency = Idempotency { scope: Hash128(77), fingerprint: Hash128(1), ttl_ms: 300_000 };
    let admission = Admission { number: 1, ends_at: START.plus_sec(3600) };
    let hold = |key, fingerprint| Command::Hold {
        key: ReservationKey(key),
        user: UserId("ann".into()),
        admission,
        wish: named(&["A-1-1"]),
        idempotency: Idempotency { fingerprint: Hash128(fingerprint), ..idempotency },
    };
    let Answer::Granted { body: first, replayed: false } = sale.answer(&hold(1, 1)) else { panic!("granted and new") };
    sale.engine.forget();
    assert_eq!(sale.answer(&hold(2, 1)), Answer::Granted { body: first, replayed: true });
    assert_eq!(sale.answer(&hold(3, 2)), Answer::Refused(Refusal::IdempotencyConflict));
    sale.now = START.plus_ms(300_000);
    assert!(matches!(sale.answer(&hold(4, 2)), Answer::Granted { replayed: false, .. }), "the record lives 300 s exactly");
}

#[test]
fn a_notification_is_written_as_receivers_know_it() {
    let mut sale = Sale::small();
    sale.trace = TraceId(0xab);
    let key = sale.hold("ann", &["A-1-1"]).unwrap();
    let intent = sale.open(key, "ann", Scenario::Approve).unwrap();
    assert_eq!(sale.decided(&intent, 100, payment::Outcome::Approved), "confirmed");
    sale.trace = TraceId::NONE;
    sale.hold("bob", &["A-1-2"]).unwrap();
    let rows = sale.engine.store().0.borrow();
    let written = |index: usize| serde_json::to_string(&rows.notifications[index]).unwrap();
    let (at, number) = ("2026-11-21T12:00:00.000Z", "00000000000000000000000000000001");
    let envelope = |sequence: u64, kind: &str, data: &str| {
        format!(
            r#"{{"id":"msg_evt_1_{sequence}","type":"{kind}","source":"traffic-tacos","time":"{at}","event_id":"evt_1","sequence":{sequence},"trace_id":"000000000000000000000000000000ab","data":{data}}}"#
        )
    };
    let hold = format!(
        r#"{{"created_at":"{at}","currency":"KRW","event_id":"evt_1","hold_expires_at":"2026-11-21T12:01:00.000Z","quantity":1,"reservation_id":"rsv_evt_1_{number}","seat_ids":["A-1-1"],"status":"HOLD","total_amount":100,"updated_at":"{at}","user_id":"ann"}}"#
    );
    assert_eq!(written(0), envelope(1, "reservation.created", &hold), "as it stood then, not as it stands now");
    let payment = format!(
        r#"{{"amount":100,"created_at":"{at}","currency":"KRW","order_id":"ord_evt_1_{number}","payment_intent_id":"pay_evt_1_{number}00","reservation_id":"rsv_evt_1_{number}","status":"APPROVED"}}"#
    );
    assert_eq!(written(2), envelope(3, "payment.approved", &payment));
    assert!(written(3).contains(r#""trace_id":"","data""#), "what nobody's request caused has no trace: {}", written(3));
}

#[test]
fn an_event_keeps_its_sold_seats_when_it_is_replaced() {
    let mut sale = Sale::small();
    sale.buy("ann", &["A-1-6"]);
    let shorter = r#"[{"id":"A","price":100,"rows":[{"id":"1","count":5}]}]"#;
    assert_eq!(sale.configure(2, shorter), Err(Refusal::EventHasSales { seat_ids: vec!["A-1-6".into()] }));
    let longer = r#"[{"id":"Z","price":1,"rows":[{"id":"1","count":3,"blocked":[2]}]},{"id":"A","price":5,"rows":[{"id":"1","count":9}]}]"#;
    sale.configure(2, longer).unwrap();
    assert_eq!(
        (sale.state("A-1-6"), sale.state("A-1-9"), sale.state("Z-1-2")),
        (SeatState::Sold, SeatState::Available, SeatState::Blocked)
    );
    sale.configure(1, shorter).unwrap();
    assert_eq!(sale.state("A-1-9"), SeatState::Available, "an older version changes nothing");
}

#[test]
fn blocked_seats_are_taken_and_survive_a_new_description() {
    let mut sale = Sale::small();
    sale.hold("ann", &["A-1-3"]).unwrap();
    let block = |ids: &[&str], off: &[&str]| Command::Block {
        actor: "olga".to_owned(),
        block: ids.iter().map(|id| (*id).to_owned()).collect(),
        unblock: off.iter().map(|id| (*id).to_owned()).collect(),
    };
    assert_eq!(sale.ask(&block(&["A-1-3"], &[])), Err(Refusal::SeatTaken { seat_ids: vec!["A-1-3".into()] }));
    assert_eq!(sale.ask(&block(&["A-1-1", "A-1-1"], &[])).unwrap()["blocked"], serde_json::json!(["A-1-1"]));
    assert_eq!(sale.hold("bob", &["A-1-1"]), Err(Refusal::SeatTaken { seat_ids: vec!["A-1-1".into()] }));
    let again = r#"[{"id":"A","price":100,"rows":[{"id":"1","count":6,"blocked":[2]}]},{"id":"G","price":10,"capacity":5}]"#;
    sale.configure(2, again).unwrap();
    assert_eq!((sale.state("A-1-1"), sale.state("A-1-2")), (SeatState::Blocked, SeatState::Blocked));
    sale.configure(3, r#"[{"id":"A","price":100,"rows":[{"id":"1","count":6}]},{"id":"G","price":10,"capacity":5}]"#).unwrap();
    assert_eq!((sale.state("A-1-1"), sale.state("A-1-2")), (SeatState::Blocked, SeatState::Available));
    sale.ask(&block(&[], &["A-1-1"])).unwrap();
    assert_eq!(sale.state("A-1-1"), SeatState::Available);
}

#[test]
fn a_reservation_that_was_looked_up_is_looked_up_again_in_a_new_map() {
    let seats = r#"{"id":"A","price":100,"rows":[{"id":"1","count":6}]}"#;
    let mut sale = Sale::new(&format!("[{seats}]"));
    let key = sale.buy("ann", &["A-1-1"]);
    sale.keys = 101;
    assert_eq!(sale.cancel(key, "bob"), Err(Refusal::Forbidden), "brought in for nothing");
    sale.configure(2, &format!(r#"[{{"id":"N","price":5,"rows":[{{"id":"1","count":3}}]}},{seats}]"#)).unwrap();
    assert_eq!(sale.state("A-1-1"), SeatState::Sold);
    let idempotency = Idempotency { scope: Hash128(999), fingerprint: Hash128(0), ttl_ms: 300_000 };
    sale.ask(&Command::Refund { key, user: UserId("ann".into()), idempotency }).unwrap();
    assert_eq!(sale.state("A-1-1"), SeatState::Available);
}

#[test]
fn what_one_intent_is_told_keeps_its_order_and_a_failure_holds_up_no_other_intent() {
    let mut sale = Sale::small();
    let ann = sale.hold("ann", &["A-1-1"]).unwrap();
    let ann = sale.open(ann, "ann", Scenario::Approve).unwrap();
    let bob = sale.hold("bob", &["A-1-2"]).unwrap();
    let bob = sale.open(bob, "bob", Scenario::Approve).unwrap();
    assert_eq!(sale.decided(&ann, 100, payment::Outcome::Approved), "confirmed");
    let instruction = |pending: Pending<Effect>| match pending.effect {
        Effect::Pay { instruction, .. } => instruction,
        other => panic!("{other:?} is no payment's"),
    };
    let open = sale.due_of(&ann).unwrap();
    assert_eq!((open.attempt, open.due_at), (0, START));
    assert!(matches!(instruction(open.clone()), Instruction::Open(_)), "the capture waits for the intent to be opened");

    let mut failed_at = START;
    for attempt in 1..=9_u32 {
        sale.failed(open.id);
        sale.engine.forget();
        assert_eq!(sale.due_of(&ann), None, "tried later, and nothing overtakes it");
        assert!(sale.due_of(&bob).is_some(), "another intent does not wait");
        assert!(sale.due().iter().any(|pending| matches!(pending.effect, Effect::EndAdmission { .. })), "nor does a slot");
        let pending = sale.engine.read(sale.now).unwrap().effects().get(open.id).unwrap().clone();
        assert_eq!(Some(pending.due_at), Effect::RETRY.after(attempt, &open.id.to_string(), failed_at));
        assert_eq!(Pending { attempt, due_at: pending.due_at, ..open.clone() }, pending);
        assert!(sale.engine.parts().unwrap().0.wakes_at(sale.now).is_some_and(|at| at <= pending.due_at), "it wakes up for it");
        sale.now = Millis(pending.due_at.0 - 1);
        assert_eq!(sale.due_of(&ann), None);
        sale.now = pending.due_at;
        assert_eq!(sale.due_of(&ann), Some(pending));
        failed_at = sale.now;
    }
    sale.performed(open.id);
    let capture = sale.due_of(&ann).unwrap();
    assert!(capture.attempt == 0 && matches!(instruction(capture.clone()), Instruction::Capture { .. }));
    sale.performed(capture.id);
    assert_eq!(sale.due_of(&ann), None);
}

#[test]
fn what_was_performed_is_gone_after_a_restart_and_its_id_is_not_given_again() {
    let mut sale = Sale::small();
    let key = sale.buy("ann", &["A-1-1"]);
    let told = sale.cursor().0;
    sale.publish(told);
    while let Some(pending) = sale.due().first().cloned() {
        sale.performed(pending.id);
        sale.performed(pending.id);
    }
    sale.engine.forget();
    assert!(sale.engine.read(sale.now).unwrap().effects().is_empty());
    let last = sale.engine.store().0.borrow().last_effect;
    assert_eq!(last, 3, "opened, captured, a slot given back");
    sale.failed(last);
    assert_eq!(sale.due(), [], "what is not owed cannot fail");
    sale.refund(key, "ann").unwrap();
    let owed: Vec<u64> = sale.due().iter().map(|pending| pending.id).filter(|id| *id != PUBLISH).collect();
    assert_eq!(owed, [last + 1]);
}

#[test]
fn the_first_envelope_is_to_be_published_at_once_and_after_a_restart() {
    let mut sale = Sale::small();
    sale.ask(&Command::EndAdmission(Admission { number: 7, ends_at: START.plus_sec(60) })).unwrap();
    assert_eq!(sale.due(), [], "nothing was told yet");
    let publish = |sale: &mut Sale| sale.due().into_iter().find(|pending| pending.id == PUBLISH);
    // Memory is lost after what has an even key.
    sale.trace = TraceId(1);
    let first = sale.hold("ann", &["A-1-1"]).unwrap();
    let owed = Pending { id: PUBLISH, attempt: 0, due_at: START, trace: TraceId(1), effect: Effect::Publish };
    assert_eq!(publish(&mut sale), Some(owed.clone()));
    sale.trace = TraceId(2);
    sale.keys = 2;
    sale.hold("bob", &["A-1-2"]).unwrap();
    assert_eq!(publish(&mut sale), Some(owed.clone()), "once for all of them");
    sale.engine.forget();
    sale.now = START.plus_ms(5);
    assert_eq!(publish(&mut sale), Some(Pending { trace: TraceId::NONE, ..owed.clone() }), "it follows from the cursor");

    sale.publish(1);
    assert!(sale.must_publish(), "another one is behind the cursor");
    sale.publish(2);
    sale.engine.forget();
    assert!(!sale.must_publish());
    assert_eq!(sale.cursor(), (2, 2, 0));
    sale.trace = TraceId(3);
    sale.cancel(first, "ann").unwrap();
    assert_eq!(publish(&mut sale), Some(Pending { due_at: sale.now, trace: TraceId(3), ..owed }));
}

#[test]
fn what_cannot_be_published_is_tried_later_and_at_once_after_a_restart() {
    let mut sale = Sale::small();
    sale.keys = 100;
    sale.hold("ann", &["A-1-1"]).unwrap();
    assert!(!sale.keys.is_multiple_of(2), "memory is kept");
    assert!(sale.must_publish());
    sale.failed(PUBLISH);
    assert!(!sale.must_publish());
    let later = Effect::RETRY.after(1, &PUBLISH.to_string(), START).unwrap();
    assert_eq!(sale.engine.parts().unwrap().0.wakes_at(START), Some(later));
    sale.now = Millis(later.0 - 1);
    assert!(!sale.must_publish());
    sale.now = later;
    assert!(sale.must_publish());
    sale.failed(PUBLISH);
    let due_at = |sale: &Sale| sale.engine.parts().unwrap().0.effects().get(PUBLISH).unwrap().due_at;
    assert_eq!(due_at(&sale), Effect::RETRY.after(2, &PUBLISH.to_string(), later).unwrap(), "pauses grow");
    sale.engine.forget();
    assert!(sale.must_publish());
    sale.publish(1);
    sale.failed(PUBLISH);
    assert!(!sale.must_publish() && sale.cursor() == (1, 1, 0), "what was published cannot fail");
}

#[test]
fn what_nobody_dealt_with_in_time_is_published_again() {
    for restart in [false, true] {
        let mut sale = Sale::small();
        let wait = |sale: &mut Sale, until| {
            if restart {
                sale.engine.forget();
            }
            sale.now = until;
        };
        sale.buy("ann", &["A-1-1"]);
        sale.publish(3);
        wait(&mut sale, START.plus_ms(CONSUMED_WITHIN_MS - 1));
        assert_eq!((sale.must_publish(), sale.cursor()), (false, (3, 3, 0)));
        wait(&mut sale, START.plus_ms(CONSUMED_WITHIN_MS));
        assert_eq!((sale.must_publish(), sale.cursor()), (true, (3, 0, 0)), "nobody has to ask");
        let again = sale.now;
        sale.publish(3);
        assert!(!sale.must_publish());
        sale.consume(3);
        wait(&mut sale, again.plus_ms(10 * CONSUMED_WITHIN_MS));
        assert_eq!((sale.must_publish(), sale.cursor()), (false, (3, 3, 3)));
        assert_eq!(sale.engine.parts().unwrap().0.next_deadline(), None);
    }
}

#[test]
fn only_what_nobody_dealt_with_goes_again_and_later_envelopes_do_not_put_that_off() {
    let mut sale = Sale::small();
    sale.buy("ann", &["A-1-1"]);
    sale.publish(3);
    sale.now = START.plus_sec(10);
    sale.consume(2);
    sale.keys = 100;
    for second in [20, 30, 40] {
        sale.now = START.plus_sec(second);
        let key = sale.hold("bob", &["A-1-2"]).unwrap();
        sale.cancel(key, "bob").unwrap();
        let last = sale.cursor().0;
        sale.publish(last);
        assert!(!sale.keys.is_multiple_of(2), "memory is kept");
        sale.keys += 1;
    }
    assert_eq!(sale.cursor(), (9, 9, 2));
    // The reader took something ten seconds after the start.
    let at = START.plus_sec(10).plus_ms(CONSUMED_WITHIN_MS);
    sale.now = Millis(at.0 - 1);
    assert_eq!(sale.cursor(), (9, 9, 2));
    sale.now = at;
    assert_eq!((sale.cursor(), sale.must_publish()), ((9, 2, 2), true));
}

#[test]
fn a_cursor_never_moves_back_nor_beyond_the_log() {
    let mut sale = Sale::small();
    sale.buy("ann", &["A-1-1"]);
    sale.publish(2);
    let commits = sale.engine.store().0.borrow().commits;
    for through in [0, 1, 2, 4, u64::MAX] {
        sale.publish(through);
        assert_eq!(sale.cursor(), (3, 2, 0), "published through {through}");
    }
    assert_eq!(sale.engine.store().0.borrow().commits, commits);
    sale.consume(2);
    let commits = sale.engine.store().0.borrow().commits;
    for through in [0, 1, 2, 4, u64::MAX] {
        sale.consume(through);
        assert_eq!(sale.cursor(), (3, 2, 2), "consumed through {through}");
    }
    assert_eq!(sale.engine.store().0.borrow().commits, commits);
    sale.publish(3);
    sale.consume(3);
    sale.publish(1);
    sale.consume(1);
    assert_eq!(sale.cursor(), (3, 3, 3));
}

#[test]
fn what_was_dealt_with_was_published_even_if_nobody_said_so() {
    let mut sale = Sale::small();
    sale.buy("ann", &["A-1-1"]);
    sale.consume(3);
    assert_eq!((sale.cursor(), sale.must_publish()), ((3, 3, 3), false));
    sale.engine.forget();
    assert_eq!((sale.cursor(), sale.must_publish()), ((3, 3, 3), false), "also after a restart");
}

/// The traces of what was written and is owed since, in order.
fn traces_since(sale: &Sale, (entries, envelopes, effects): (usize, usize, u64)) -> [Vec<TraceId>; 3] {
    let rows = sale.engine.store().0.borrow();
    [
        rows.ledger[entries..].iter().map(|entry| entry.trace_id).collect(),
        rows.notifications[envelopes..].iter().map(|notification| notification.trace_id).collect(),
        rows.effects.range(effects + 1..).map(|(_, pending)| pending.trace).collect(),
    ]
}

fn written(sale: &Sale) -> (usize, usize, u64) {
    let rows = sale.engine.store().0.borrow();
    (rows.ledger.len(), rows.notifications.len(), rows.last_effect)
}

#[test]
fn what_a_request_does_carries_its_trace() {
    let mut sale = Sale::small();
    sale.trace = TraceId(1);
    let key = sale.hold("ann", &["A-1-1"]).unwrap();
    assert_eq!(traces_since(&sale, (0, 0, 0)), [vec![TraceId(1)], vec![TraceId(1)], vec![]]);
    sale.trace = TraceId(2);
    let before = written(&sale);
    let intent = sale.open(key, "ann", Scenario::Approve).unwrap();
    assert_eq!(traces_since(&sale, before), [vec![], vec![], vec![TraceId(2)]]);
    sale.trace = TraceId(3);
    let before = written(&sale);
    sale.confirm(key, "ann", &intent, true).unwrap();
    assert_eq!(traces_since(&sale, before), [vec![TraceId(3)], vec![TraceId(3); 2], vec![TraceId(3); 2]]);
    sale.trace = TraceId(4);
    let before = written(&sale);
    sale.refund(key, "ann").unwrap();
    assert_eq!(traces_since(&sale, before), [vec![TraceId(4)], vec![TraceId(4); 2], vec![TraceId(4)]]);
}

#[test]
fn an_expiry_carries_the_trace_of_the_last_request_about_its_reservation() {
    let mut sale = Sale::small();
    sale.trace = TraceId(1);
    sale.hold("ann", &["A-1-1"]).unwrap();
    sale.trace = TraceId(2);
    let bob = sale.hold("bob", &["A-1-2"]).unwrap();
    sale.trace = TraceId(3);
    sale.open(bob, "bob", Scenario::Timeout).unwrap();
    sale.engine.forget();
    // It is somebody else's request that finds them overdue.
    sale.trace = TraceId(9);
    sale.now = START.plus_ms(HOLD_MS);
    let before = written(&sale);
    sale.hold("cat", &["A-1-3"]).unwrap();
    let [entries, envelopes, _] = traces_since(&sale, before);
    assert_eq!(entries, [1, 3, 9].map(TraceId));
    assert_eq!(envelopes, entries);
}

#[test]
fn what_the_providers_word_leads_to_carries_the_trace_of_the_request_that_opened_the_payment() {
    let words = [payment::Outcome::Approved, payment::Outcome::Failed { reason: "declined".into() }];
    for (word, late) in words.iter().flat_map(|word| [(word, false), (word, true)]) {
        let mut sale = Sale::small();
        sale.trace = TraceId(1);
        let key = sale.hold("ann", &["A-1-1"]).unwrap();
        sale.trace = TraceId(2);
        let intent = sale.open(key, "ann", Scenario::Approve).unwrap();
        // The provider says nothing of whose request it was.
        sale.trace = TraceId::NONE;
        if late {
            sale.now = START.plus_ms(HOLD_MS);
            sale.cursor();
        }
        sale.engine.forget();
        let before = written(&sale);
        sale.word(&intent, 100, word.clone());
        let traces = traces_since(&sale, before);
        assert!(!traces[1].is_empty() && !traces[2].is_empty(), "{word:?}");
        for trace in traces.iter().flatten() {
            assert_eq!(*trace, TraceId(2), "{word:?}, late: {late}: {traces:?}");
        }
    }
}

#[test]
fn the_ledger_says_who_of_the_organisers_blocked_a_seat() {
    let mut sale = Sale::small();
    sale.trace = TraceId(5);
    let seats = || vec!["A-1-1".to_owned()];
    sale.ask(&Command::Block { actor: "olga".to_owned(), block: seats(), unblock: vec![] }).unwrap();
    sale.ask(&Command::Block { actor: "ivan".to_owned(), block: vec![], unblock: seats() }).unwrap();
    sale.hold("ann", &["A-1-1"]).unwrap();
    let rows = sale.engine.store().0.borrow();
    let who: Vec<_> = rows.ledger.iter().map(|entry| (entry.kind, entry.actor.as_deref(), entry.trace_id)).collect();
    let trace = TraceId(5);
    let expected = [
        (EntryType::Blocked, Some("olga"), trace),
        (EntryType::Unblocked, Some("ivan"), trace),
        (EntryType::Created, None, trace),
    ];
    assert_eq!(who, expected);
}
