//! What a shard keeps for others, and the book of what all of them did.

use serde_json::{Value, json};

use super::{
    claim::{Claimed, Needed, Offer, Reclaim, Settlement, Spread, Standing, Word},
    errand::Duty,
    ledger::{Entry, EntryType},
    *,
};
use crate::{
    event::EventBody,
    hash::Hash128,
    id::{EventId, UserId},
    idempotency::Idempotency,
};

const START: Millis = Millis(1_795_262_400_000);

/// One part of an event whose sections A, B, C, … lie at two shards in turn: A at the first, B at the second.
struct Shard {
    inventory: Inventory,
    now: Millis,
}

impl Shard {
    fn new(part: Part) -> Self {
        let rows = json!([{ "id": "1", "count": 4 }]);
        let sections = json!([
            { "id": "A", "price": 100, "rows": rows },
            { "id": "B", "price": 70, "rows": rows },
            { "id": "C", "price": 50, "rows": [{ "id": "1", "count": 8 }] },
            { "id": "G", "price": 10, "capacity": 5 },
        ]);
        let body = json!({ "name": "N", "shards": 2, "hold_ttl_sec": 60, "sections": sections });
        let body: EventBody = serde_json::from_value(body).unwrap();
        let event = body.complete(EventId::parse("evt_1").unwrap(), 1, START).unwrap();
        let mut shard = Self { inventory: Inventory::restore(Rows { part, ..Rows::default() }), now: START };
        shard.done(&Command::Configure(Box::new(event)));
        shard
    }

    fn ask(&mut self, command: &Command) -> Result<Reply, Refusal> {
        let Decision { reply, changes } = self.inventory.decide(command, self.now)?;
        changes.iter().for_each(|change| self.inventory.apply(change));
        self.inventory.check();
        Ok(reply)
    }

    fn done(&mut self, command: &Command) {
        assert!(self.ask(command).is_ok());
    }

    fn claim(&mut self, key: u128, stamp: u64, wish: Wish) -> Result<Claimed, Refusal> {
        let claim = Command::Claim { key: ReservationKey(key), stamp, wish: Some(wish), admission: None };
        match self.ask(&claim)? {
            Reply::Claimed(claimed) => Ok(claimed),
            other => panic!("{other:?}"),
        }
    }

    fn settle(&mut self, key: u128, stamp: u64, to: Settlement) {
        self.done(&Command::Settle(vec![Word { key: ReservationKey(key), stamp, to }]));
    }

    fn state(&self, seat: &str) -> SeatState {
        self.inventory.seats().state(self.inventory.map().seat(seat).unwrap())
    }

    fn hold(&mut self, key: u128, wish: Wish, spread: Spread) -> Result<Reply, Refusal> {
        let idempotency = Idempotency { scope: Hash128(key), fingerprint: Hash128(0), ttl_ms: 300_000 };
        let admission = Admission { number: u64::try_from(key).unwrap(), ends_at: START.plus_sec(3600) };
        let user = UserId("ann".into());
        self.ask(&Command::Hold { key: ReservationKey(key), user, admission, wish, idempotency, spread })
    }
}

fn named(ids: &[&str]) -> Wish {
    Wish { seat_ids: Some(ids.iter().map(|id| (*id).to_owned()).collect()), ..Wish::default() }
}

fn needed(refusal: Result<Reply, Refusal>) -> Needed {
    match refusal {
        Err(Refusal::MustClaim(needed)) => *needed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_claim_keeps_its_seats_until_home_says_otherwise() {
    let mut shard = Shard::new(Part::Shard(1));
    let claimed = shard.claim(7, 1, named(&["B-1-1", "B-1-2"])).unwrap();
    assert_eq!((claimed.at, claimed.quantity), (vec![1], 2));
    assert_eq!(shard.claim(8, 1, named(&["B-1-2", "B-1-3"])), Err(Refusal::SeatTaken { seat_ids: vec!["B-1-2".into()] }));
    shard.settle(7, 1, Settlement::Sold);
    assert_eq!((shard.state("B-1-1"), shard.state("B-1-3")), (SeatState::Sold, SeatState::Available));
    assert_eq!(shard.claim(7, 2, named(&["B-1-1"])), Err(Refusal::ReservationNotHeld), "what is sold is not claimed again");
}

#[test]
fn a_claim_that_comes_again_is_the_same_claim() {
    let mut shard = Shard::new(Part::Shard(1));
    let best = || Wish { quantity: Some(2), section: Some("B".into()), together: true, ..Wish::default() };
    let first = shard.claim(7, 1, best()).unwrap();
    assert_eq!(shard.claim(7, 1, best()), Ok(first.clone()));
    assert_eq!(shard.claim(7, 3, best()), Ok(first));
}

#[test]
fn a_word_about_an_earlier_claim_does_not_end_a_later_one() {
    let mut shard = Shard::new(Part::Shard(1));
    shard.claim(7, 1, named(&["B-1-1"])).unwrap();
    shard.claim(7, 3, named(&["B-1-1"])).unwrap();
    shard.settle(7, 2, Settlement::Free);
    assert_eq!(shard.state("B-1-1"), SeatState::Held);
    shard.settle(7, 3, Settlement::Free);
    assert_eq!(shard.state("B-1-1"), SeatState::Available);
    shard.settle(7, 4, Settlement::Sold);
    assert_eq!(shard.state("B-1-1"), SeatState::Available, "a word about no claim is without effect");
}

#[test]
fn seats_of_another_shard_are_not_claimed_here() {
    let mut shard = Shard::new(Part::Shard(1));
    assert_eq!(shard.claim(7, 1, named(&["A-1-1"])), Err(Refusal::SeatNotFound { seat_ids: vec!["A-1-1".into()] }));
}

#[test]
fn a_seat_is_not_claimed_before_the_book_knows_that_it_is_free() {
    let mut shard = Shard::new(Part::Shard(1));
    assert!(shard.hold(1, named(&["B-1-1"]), Spread::default()).is_ok(), "its own seats need no claim");
    let cancel = Command::Cancel { key: ReservationKey(1), user: UserId("ann".into()), idempotency: None };
    shard.done(&cancel);
    assert_eq!(shard.claim(8, 1, named(&["B-1-1"])), Err(Refusal::Overloaded));
    shard.done(&Command::Told { seq: 2, sequence: 2 });
    assert!(shard.claim(8, 1, named(&["B-1-1"])).is_ok());
}

#[test]
fn after_a_restart_a_shard_does_not_know_what_it_freed_and_waits_for_the_book() {
    let mut shard = Shard::new(Part::Shard(1));
    let event = shard.inventory.event().cloned();
    let restored =
        |told| Inventory::restore(Rows { part: Part::Shard(1), event: event.clone(), seq: 2, told, ..Rows::default() });
    shard.inventory = restored(1);
    assert_eq!(shard.claim(8, 1, named(&["B-1-1"])), Err(Refusal::Overloaded));
    shard.inventory = restored(2);
    assert!(shard.claim(8, 1, named(&["B-1-1"])).is_ok());
}

#[test]
fn home_says_what_it_needs_in_the_order_of_shards_and_then_takes_all_of_it() {
    let mut home = Shard::new(Part::Shard(1));
    let wish = named(&["B-1-1", "A-1-3", "C-1-2"]);
    let needed = needed(home.hold(1, wish.clone(), Spread::default()));
    let parts: Vec<_> =
        needed.parts.iter().map(|part| (part.shard, part.wish.as_ref().unwrap().seat_ids.clone().unwrap())).collect();
    assert_eq!(parts, [(0, ["A-1-3".to_owned(), "C-1-2".to_owned()].into()), (1, ["B-1-1".to_owned()].into())]);

    let some = Claimed { at: vec![0], seat_ids: vec!["A-1-3".into(), "C-1-2".into()], section: None, quantity: 2 };
    let half = Spread { unbound: false, claimed: Some(some.clone()) };
    assert_eq!(home.hold(1, wish.clone(), half), Err(Refusal::Overloaded), "half of what was wished is nothing");

    let all = Claimed { at: vec![0, 1], seat_ids: vec!["A-1-3".into(), "C-1-2".into(), "B-1-1".into()], quantity: 3, ..some };
    let Ok(Reply::Reservation(shown)) = home.hold(1, wish, Spread { unbound: false, claimed: Some(all) }) else { panic!() };
    let shown = serde_json::to_value(shown).unwrap();
    assert_eq!((&shown["seat_ids"], &shown["total_amount"]), (&json!(["B-1-1", "A-1-3", "C-1-2"]), &json!(220)));
}

#[test]
fn when_a_spread_hold_ends_every_shard_is_owed_a_word() {
    let mut home = Shard::new(Part::Shard(1));
    let claimed = Claimed { at: vec![0, 1], seat_ids: vec!["A-1-1".into(), "B-1-1".into()], section: None, quantity: 2 };
    assert!(home.hold(1, named(&["A-1-1", "B-1-1"]), Spread { unbound: false, claimed: Some(claimed) }).is_ok());
    assert_eq!(home.inventory.errands().count(), 0, "a hold owes nothing");
    home.now = START.plus_sec(60);
    home.done(&Command::Tick);
    let words: Vec<_> = home.inventory.errands().map(|errand| errand.duty.clone()).collect();
    let free = |shard| Duty::Settle { shard, key: ReservationKey(1), to: Settlement::Free, after: 2 };
    assert_eq!(words, [free(0), free(1)]);
}

#[test]
fn what_a_reservation_has_is_not_released() {
    let mut home = Shard::new(Part::Shard(1));
    let claimed = Claimed { at: vec![0], seat_ids: vec!["A-1-1".into()], section: None, quantity: 1 };
    assert!(home.hold(1, named(&["A-1-1"]), Spread { unbound: false, claimed: Some(claimed) }).is_ok());
    home.done(&Command::Release { key: ReservationKey(1), at: vec![0, 1] });
    let words: Vec<_> = home.inventory.errands().map(|errand| errand.duty.clone()).collect();
    assert_eq!(words, [Duty::Settle { shard: 1, key: ReservationKey(1), to: Settlement::Free, after: 0 }]);
}

#[test]
fn a_shard_that_asks_about_a_reservation_that_never_was_frees_what_it_keeps() {
    let (mut home, mut shard) = (Shard::new(Part::Shard(1)), Shard::new(Part::Shard(0)));
    let stamp = home.inventory.next_stamp();
    shard.claim(1, stamp, named(&["A-1-1"])).unwrap();
    assert_eq!(shard.inventory.next_check(), Some(START.plus_ms(claim::FIRST_CHECK_MS)));
    let inquire = Command::Inquire { key: ReservationKey(1), shard: 0 };
    let Ok(Reply::Standing(Standing::Settled(word))) = home.ask(&inquire) else { panic!() };
    assert!(home.inventory.next_stamp() > word.stamp, "a claim that is made now outlives the word");
    shard.done(&Command::Settle(vec![word]));
    assert_eq!((shard.state("A-1-1"), shard.inventory.next_check()), (SeatState::Available, None));
}

#[test]
fn an_admission_that_anybody_may_use_is_guarded_by_one_shard() {
    let mut home = Shard::new(Part::Shard(1));
    let unbound = Spread { unbound: true, claimed: None };
    let needed = needed(home.hold(2, named(&["B-1-1"]), unbound));
    assert_eq!(
        needed.parts.iter().map(|part| (part.shard, part.admission.is_some())).collect::<Vec<_>>(),
        [(0, true), (1, false)]
    );

    let mut guard = Shard::new(Part::Shard(0));
    let admission = Admission { number: 2, ends_at: START.plus_sec(3600) };
    let ask = |key| Command::Claim { key: ReservationKey(key), stamp: 1, wish: None, admission: Some(admission) };
    guard.done(&ask(1));
    assert_eq!(guard.ask(&ask(3)), Err(Refusal::ReservationLimit));
    guard.settle(1, 1, Settlement::Sold);
    assert_eq!(guard.ask(&ask(3)), Err(Refusal::NotAdmitted), "it ends with the sale");
}

#[test]
fn the_best_seats_of_all_shards_are_those_of_the_first_section_that_has_them_together() {
    let wish = |quantity, together| Wish { quantity: Some(quantity), together, ..Wish::default() };
    let (first, mut second) = (Shard::new(Part::Shard(0)), Shard::new(Part::Shard(1)));
    assert_eq!(first.inventory.offer(&wish(2, true)), Some(Offer { apart: false, section: 0 }));
    assert_eq!(second.inventory.offer(&wish(4, true)), Some(Offer { apart: false, section: 1 }));
    second.claim(7, 1, named(&["B-1-2"])).unwrap();
    assert_eq!(second.inventory.offer(&wish(3, false)), Some(Offer { apart: false, section: 3 }), "places without numbers");
    assert_eq!(second.inventory.offer(&wish(6, false)), None);
    assert!(Offer { apart: false, section: 9 } < Offer { apart: true, section: 0 }, "together goes before the better section");
}

#[test]
fn a_late_approval_asks_for_the_seats_of_every_shard_again() {
    let mut home = Shard::new(Part::Shard(1));
    let claimed = Claimed { at: vec![0], seat_ids: vec!["A-1-1".into()], section: None, quantity: 1 };
    assert!(home.hold(1, named(&["A-1-1"]), Spread { unbound: false, claimed: Some(claimed) }).is_ok());
    let idempotency = Idempotency { scope: Hash128(9), fingerprint: Hash128(0), ttl_ms: 1 };
    let (key, user) = (ReservationKey(1), UserId("ann".into()));
    let plan = crate::payment::Plan { scenario: crate::payment::Scenario::Approve, delay_ms: 0, approve_permille: 0 };
    home.done(&Command::OpenIntent { key, user, amount: None, currency: None, plan, idempotency });
    let event_id = EventId::parse("evt_1").unwrap();
    let row = home.inventory.find(key).unwrap().clone();
    home.now = START.plus_sec(61);
    home.done(&Command::Tick);
    home.inventory.recall(Reservation { status: Status::Expired, ..row.clone() });
    let decided = |reclaim| Command::Decided {
        idempotency,
        intent: row.intent_id(&event_id, 0),
        reservation_id: row.id(&event_id),
        amount: 100,
        currency: row.currency,
        outcome: crate::payment::Outcome::Approved,
        reclaim,
    };
    let refused = home.inventory.decide(&decided(Reclaim::Untried), home.now).map(|decision| decision.reply);
    assert_eq!(needed(refused).parts[0].shard, 0);
    let effect = |reclaim| match home.inventory.decide(&decided(reclaim), home.now).unwrap().reply {
        Reply::Received { effect, .. } => effect,
        other => panic!("{other:?}"),
    };
    assert_eq!((effect(Reclaim::Granted), effect(Reclaim::Refused)), (Effect::Confirmed, Effect::Voided));
}

fn entry(seq: u64, kind: EntryType, key: u128, seat: &str) -> Entry {
    Entry {
        seq,
        at: crate::time::Timestamp(START),
        kind,
        reservation_id: Some(crate::id::ReservationId { event_id: EventId::parse("evt_1").unwrap(), key: ReservationKey(key) }),
        seat_ids: [seat.to_owned()].into(),
        section: None,
        quantity: 1,
    }
}

#[test]
fn the_book_numbers_what_all_shards_did_and_takes_nothing_twice() {
    let mut book = Shard::new(Part::Root);
    let envelope = |sequence: u64| json!({ "id": "msg", "sequence": sequence, "type": "reservation.created", "trace_id": "t" });
    let merge = |shard, entries, envelopes: Vec<Value>| Command::Merge { shard, entries, envelopes };
    book.done(&merge(0, vec![entry(1, EntryType::Created, 2, "A-1-1")], vec![envelope(1)]));
    book.done(&merge(1, vec![entry(1, EntryType::Created, 1, "B-1-1")], vec![envelope(1)]));
    assert_eq!((book.inventory.seq(), book.inventory.outbox(), book.inventory.holds()), (2, (0, 2), 2));
    let both = vec![entry(1, EntryType::Created, 2, "A-1-1"), entry(2, EntryType::Confirmed, 2, "A-1-1")];
    book.done(&merge(0, both, vec![envelope(1), envelope(2)]));
    assert_eq!((book.inventory.seq(), book.inventory.outbox(), book.inventory.holds()), (3, (0, 3), 1));
    assert_eq!((book.state("A-1-1"), book.state("B-1-1")), (SeatState::Sold, SeatState::Held));
    book.done(&merge(0, vec![entry(3, EntryType::Refunded, 2, "A-1-1")], vec![]));
    assert_eq!(book.state("A-1-1"), SeatState::Available);
    let gap = book.ask(&merge(0, vec![entry(5, EntryType::Created, 4, "A-1-1")], vec![]));
    assert!(matches!(gap, Err(Refusal::Invalid { .. })), "{gap:?}");
    assert_eq!(book.hold(6, named(&["A-1-1"]), Spread::default()), Err(Refusal::Overloaded), "the book holds nothing itself");
}
