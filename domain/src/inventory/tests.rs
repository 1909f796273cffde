//! The rules of reservations and payments, each as a sentence, over a store that keeps rows as SQLite does.

use std::{cell::RefCell, collections::BTreeMap};

use serde_json::Value;

use super::{errand::Duty, *};
use crate::{
    event::EventBody,
    hash::Hash128,
    id::{EventId, PaymentIntentId, ReservationId},
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
    pub(super) errands: BTreeMap<u64, Errand>,
    ledger: Vec<Entry>,
    notifications: Vec<Notification>,
    sent: u64,
    last_errand: u64,
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
        let Self { event, reservations, blocked, ended, errands, ledger, notifications, sent, last_errand, records, .. } = self;
        let seats = (event, reservations, blocked, ledger);
        format!("{:#?}", (seats, ended, errands, notifications, sent, last_errand, records))
    }
}

#[derive(Default)]
pub(super) struct Memory(pub(super) RefCell<RowStore>);

impl Store<Inventory> for Memory {
    type Fault = ();

    fn load(&self) -> Result<(Inventory, Vec<Record>), ()> {
        let rows = self.0.borrow();
        let inventory = Inventory::restore(Rows {
            event: rows.event.clone(),
            blocked: rows.blocked.iter().cloned().collect(),
            taking: rows.reservations.values().filter(|r| r.status.takes_seats()).map(reread).collect(),
            ended: rows.ended.clone(),
            errands: rows.errands.values().cloned().collect(),
            seq: rows.ledger.last().map_or(0, |entry| entry.seq),
            sequence: rows.notifications.last().map_or(0, |notification| notification.sequence),
            sent: rows.sent,
            last_errand: rows.last_errand,
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
                Change::Owed(errand) => {
                    rows.last_errand = rows.last_errand.max(errand.id);
                    rows.errands.insert(errand.id, *errand);
                }
                Change::Done(id) => drop(rows.errands.remove(&id)),
                Change::Sent(through) => rows.sent = through,
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

/// A reservation as it comes back from its JSON row.
fn reread(reservation: &Reservation) -> Reservation {
    serde_json::from_str(&serde_json::to_string(reservation).unwrap()).unwrap()
}

/// A sale with a clock that the test moves.
pub(super) struct Sale {
    pub(super) engine: Engine<Inventory, Memory>,
    pub(super) now: Millis,
    pub(super) keys: u128,
}

impl Sale {
    fn new(sections: &str) -> Self {
        let mut sale = Self { engine: Engine::new(Memory::default()), now: START, keys: 0 };
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
        let answer = self.engine.execute(command, self.now).unwrap();
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
        let idempotency = self.idempotency();
        let (intent, reservation_id) = (intent.clone(), intent.reservation_id());
        let currency = Currency::KRW;
        let command = Command::Decided { idempotency, intent, reservation_id, amount, currency, outcome };
        self.ask(&command).unwrap()["effect"].clone()
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
        let pay = |errand: &Errand| match &errand.duty {
            Duty::Pay { instruction, .. } => Some(instruction.clone()),
            Duty::EndAdmission { .. } => None,
        };
        rows.errands.values().filter_map(pay).collect()
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
        let (seq, sequence) = (inventory.seq(), inventory.outbox().1);
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
fn an_approval_of_another_amount_or_of_a_decided_intent_has_no_effect() {
    let mut sale = Sale::small();
    let key = sale.hold("ann", &["A-1-1"]).unwrap();
    let intent = sale.open(key, "ann", Scenario::Approve).unwrap();
    assert_eq!(sale.decided(&intent, 99, payment::Outcome::Approved), "none");
    assert_eq!(sale.status(key), Status::Hold);
    assert_eq!(sale.decided(&intent, 100, payment::Outcome::Failed { reason: "declined".into() }), "cancelled");
    assert_eq!(sale.state("A-1-1"), SeatState::Available);
    assert_eq!(sale.decided(&intent, 100, payment::Outcome::Approved), "none");
    assert_eq!(sale.status(key), Status::Cancelled);
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
    let idempotency = sale.idempotency();
    let closed = sale.ask(&Command::CancelIntent { intent: first, user: UserId("ann".into()), idempotency }).unwrap();
    assert_eq!(closed["status"], "CANCELLED");
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
    assert_eq!(sale.decided(&intent, 100, payment::Outcome::Approved), "none");
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
    let key = sale.hold("ann", &["A-1-1"]).unwrap();
    let intent = sale.open(key, "ann", Scenario::Approve).unwrap();
    assert_eq!(sale.decided(&intent, 100, payment::Outcome::Approved), "confirmed");
    let rows = sale.engine.store().0.borrow();
    let written = |index: usize| serde_json::to_string(&rows.notifications[index]).unwrap();
    let (at, number) = ("2026-11-21T12:00:00.000Z", "00000000000000000000000000000001");
    let envelope = |sequence: u64, kind: &str, data: &str| {
        format!(
            r#"{{"id":"msg_evt_1_{sequence}","type":"{kind}","source":"traffic-tacos","time":"{at}","event_id":"evt_1","sequence":{sequence},"data":{data}}}"#
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
