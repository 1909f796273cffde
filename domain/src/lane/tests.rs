use std::cell::{Cell, RefCell};

use super::*;
use crate::{
    event::EventBody,
    id::EventId,
    idempotency::Record,
    machine::{Answer, Batch, Engine, Store},
    queue::{self, BatchReply, JOINS_MAX, LEAVES_MAX},
};

pub(super) const START: Millis = Millis(1_795_262_400_000);

/// What the next save does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fault {
    #[default]
    None,
    /// Nothing is saved.
    Before,
    /// Everything is saved, and then the caller hears of a fault.
    After,
}

/// Rows of a lane.
#[derive(Debug, Default)]
pub(super) struct Rows {
    event: RefCell<Option<Box<Event>>>,
    stored: Cell<(u64, u64)>,
    pub(super) places: RefCell<BTreeMap<Hash128, Placed>>,
    pub(super) fault: Cell<Fault>,
}

impl Store<Lane> for Rows {
    type Fault = String;

    fn load(&self) -> Result<(Lane, Vec<Record>), String> {
        let mut lane = Lane::default();
        self.event.borrow().iter().for_each(|event| lane.apply(&Change::Configured(event.clone())));
        let (nonce, seq) = self.stored.get();
        lane.apply(&Change::Stored { nonce, seq });
        Ok((lane, vec![]))
    }

    fn recall(&self, lane: &mut Lane, command: &Command) -> Result<(), String> {
        if let Command::Join(join) = command
            && let Some(placed) = self.places.borrow().get(&join.caller)
            && !lane.remembers(join.caller)
        {
            lane.remember(placed);
        }
        Ok(())
    }

    fn save(&self, batch: &Batch<'_, Change>) -> Result<(), String> {
        let fault = self.fault.take();
        if fault == Fault::Before {
            return Err("nothing was saved".into());
        }
        for change in batch.changes() {
            let mut places = self.places.borrow_mut();
            match change {
                Change::Configured(event) => *self.event.borrow_mut() = Some(event.clone()),
                Change::Stored { nonce, seq } => self.stored.set((*nonce, *seq)),
                Change::Placed(placed) => drop(places.insert(placed.caller, placed.clone())),
                Change::Forgotten { number } => places.retain(|_, placed| placed.joined.number != *number),
            }
        }
        if fault == Fault::After { Err("saved, but who knows".into()) } else { Ok(()) }
    }

    fn recorded(&self, _: &Idempotency) -> Result<Vec<u8>, String> {
        Err("a lane has no records".into())
    }
}

pub(super) fn event() -> Box<Event> {
    let json = r#"{"name":"N","sections":[{"id":"G","price":1,"capacity":200000}],"queue":{"admit_per_sec":10,"burst":1}}"#;
    let body: EventBody = serde_json::from_str(json).unwrap();
    Box::new(body.complete(EventId::parse("evt_1").unwrap(), 1, START).unwrap())
}

pub(super) fn join(caller: u128, key: u128) -> Join {
    Join { caller: Hash128(caller), key: Hash128(key), fingerprint: Hash128(1), kid: 3, replaces: None }
}

fn configured() -> Engine<Lane, Rows> {
    let mut engine = Engine::new(Rows::default());
    engine.execute(&Command::Configure(event()), START).unwrap();
    engine
}

fn placed(caller: u128, number: u64, key: u128) -> Placed {
    let mut keys = Keys::default();
    keys.record(&join(caller, key));
    Placed { caller: Hash128(caller), joined: Joined { number, joined_at: START, kid: 3, position_hint: number }, keys }
}

fn numbered(seq: u64, placed: Vec<Placed>, left: Vec<u64>) -> Command {
    Command::Numbered(Numbered { nonce: 1, seq, placed, left })
}

fn ask(engine: &mut Engine<Lane, Rows>, join: Join) -> Result<Reply, Refusal> {
    match engine.execute(&Command::Join(join), START).unwrap() {
        Answer::Granted { body, .. } => Ok(serde_json::from_slice(&body).unwrap()),
        Answer::Refused(refusal) => Err(refusal),
    }
}

#[test]
fn what_was_never_configured_refuses_everything() {
    let mut engine = Engine::new(Rows::default());
    assert_eq!(ask(&mut engine, join(1, 1)), Err(Refusal::Unconfigured));
}

#[test]
fn a_known_caller_gets_the_same_place_with_the_same_key_or_another() {
    let mut engine = configured();
    assert_eq!(ask(&mut engine, join(1, 1)), Ok(Reply::Unknown));
    let place = placed(1, 40, 1);
    engine.execute(&numbered(1, vec![place.clone()], vec![]), START).unwrap();
    let known = |replayed| Ok(Reply::Known { joined: place.joined, replayed });
    assert_eq!(ask(&mut engine, join(1, 1)), known(true));
    assert_eq!(ask(&mut engine, join(1, 2)), known(false));
    assert_eq!(ask(&mut engine, join(1, 2)), known(true));
    engine.forget();
    assert_eq!(ask(&mut engine, join(1, 2)), known(true));
}

#[test]
fn the_same_key_with_another_request_is_a_conflict() {
    let mut engine = configured();
    engine.execute(&numbered(1, vec![placed(1, 40, 1)], vec![]), START).unwrap();
    let other = Join { fingerprint: Hash128(2), ..join(1, 1) };
    assert_eq!(ask(&mut engine, other), Err(Refusal::IdempotencyConflict));
}

#[test]
fn of_many_keys_the_oldest_is_forgotten() {
    let mut engine = configured();
    engine.execute(&numbered(1, vec![placed(1, 40, 0)], vec![]), START).unwrap();
    for key in 1..=KEYS_MAX as u128 {
        ask(&mut engine, join(1, key)).unwrap();
    }
    let replayed = |engine: &mut _, key| matches!(ask(engine, join(1, key)), Ok(Reply::Known { replayed: true, .. }));
    assert!(replayed(&mut engine, 1));
    assert!(!replayed(&mut engine, 0));
    assert!(!replayed(&mut engine, 1));
}

#[test]
fn a_place_that_is_over_is_replaced_once() {
    let mut engine = configured();
    engine.execute(&numbered(1, vec![placed(1, 40, 1)], vec![]), START).unwrap();
    let again = Join { replaces: Some(40), ..join(1, 2) };
    assert_eq!(ask(&mut engine, again.clone()), Ok(Reply::Unknown));
    let place = placed(1, 70, 2);
    engine.execute(&numbered(2, vec![place.clone()], vec![]), START).unwrap();
    assert_eq!(ask(&mut engine, again), Ok(Reply::Known { joined: place.joined, replayed: true }));
}

#[test]
fn a_caller_who_left_is_as_good_as_new() {
    let mut engine = configured();
    engine.execute(&numbered(1, vec![placed(1, 40, 1)], vec![]), START).unwrap();
    engine.execute(&numbered(2, vec![], vec![40]), START).unwrap();
    assert_eq!(ask(&mut engine, join(1, 1)), Ok(Reply::Unknown));
}

#[test]
fn a_batch_that_is_stored_already_changes_nothing() {
    let mut engine = configured();
    engine.execute(&numbered(1, vec![placed(1, 40, 1)], vec![]), START).unwrap();
    engine.execute(&numbered(1, vec![placed(1, 99, 1)], vec![]), START).unwrap();
    assert!(matches!(ask(&mut engine, join(1, 1)), Ok(Reply::Known { joined: Joined { number: 40, .. }, .. })));
}

#[test]
fn memory_holds_the_newest_places_and_rows_hold_all() {
    let mut engine = configured();
    let callers = 0..KNOWN_MAX as u128 + 10;
    let places = callers.clone().map(|caller| placed(caller, caller as u64 + 1, 1)).collect();
    engine.execute(&numbered(1, places, vec![]), START).unwrap();
    let lane = engine.read(START).unwrap();
    assert!(!lane.remembers(Hash128(9)) && lane.remembers(Hash128(10)));
    assert_eq!((lane.known.len(), lane.callers.len()), (KNOWN_MAX, KNOWN_MAX));
    for caller in callers {
        assert!(matches!(ask(&mut engine, join(caller, 1)), Ok(Reply::Known { replayed: true, .. })), "{caller}");
    }
    let lane = engine.read(START).unwrap();
    assert_eq!((lane.known.len(), lane.callers.len()), (KNOWN_MAX, KNOWN_MAX));
}

#[test]
fn a_nonce_is_newer_than_every_other_even_if_the_clock_stands_still_or_steps_back() {
    let mut engine = configured();
    let stored = Command::Numbered(Numbered { nonce: START.0 + 500, seq: 1, placed: vec![], left: vec![] });
    engine.execute(&stored, START).unwrap();
    let lane = engine.read(START).unwrap();
    assert_eq!(lane.next_nonce(0, START), START.0 + 501);
    assert_eq!(lane.next_nonce(START.0 + 501, START), START.0 + 502);
    assert_eq!(lane.next_nonce(START.0 + 501, START.plus_sec(1)), START.0 + 1000);
}

// The buffer.

fn reply(first: u64, leaves: &[PlaceState]) -> BatchReply {
    BatchReply { joins: Ok(queue::Numbered { first, joined_at: START, position_hint: 7 }), leaves: leaves.to_vec() }
}

fn told(answers: Vec<(&'static str, Answer)>) -> Vec<(&'static str, String, bool)> {
    let told = |(waiter, answer)| match answer {
        Answer::Granted { body, replayed } => (waiter, String::from_utf8(body).unwrap(), replayed),
        Answer::Refused(refusal) => (waiter, refusal.code().to_owned(), false),
    };
    answers.into_iter().map(told).collect()
}

fn joined(number: u64, position_hint: u64) -> String {
    format!(r#"{{"number":{number},"joined_at":{},"kid":3,"position_hint":{position_hint}}}"#, START.0)
}

#[test]
fn lanes_leave_the_queue_time_for_others_but_nobody_waits_for_long() {
    assert_eq!([0, 1, 4, 32, 64, 256].map(gather_ms), [0, 2, 7, 56, 100, 100]);
    let batches_per_s = |lanes: u32| f64::from(lanes) * 1000.0 / gather_ms(lanes) as f64;
    assert!((1..=58).all(|lanes| batches_per_s(lanes) <= f64::from(gathering::BATCHES_PER_S)));
}

#[test]
fn at_most_one_batch_is_out_and_the_next_one_gathers_meanwhile() {
    let mut gathering = Gathering::default();
    assert_eq!(gathering.depart(2, 5, 1), None);
    gathering.join(&join(1, 1), "a").unwrap();
    let batch = gathering.depart(2, 5, 1).unwrap();
    assert_eq!(batch, queue::Batch { lane: 2, nonce: 5, seq: 1, joins: 1, leaves: vec![] });
    gathering.join(&join(2, 1), "b").unwrap();
    gathering.join(&join(3, 1), "c").unwrap();
    gathering.leave(1, "d").unwrap();
    assert_eq!(gathering.depart(2, 5, 2), None);
    assert_eq!(told(gathering.arrive(&reply(10, &[]))), [("a", joined(10, 7), false)]);
    let batch = gathering.depart(2, 5, 2).unwrap();
    assert_eq!((batch.joins, batch.leaves), (2, vec![1]));
}

#[test]
fn everybody_is_told_their_own_place_in_the_order_in_which_they_came() {
    let mut gathering = Gathering::default();
    gathering.join(&join(9, 1), "first").unwrap();
    gathering.join(&join(3, 1), "second").unwrap();
    gathering.leave(4, "left").unwrap();
    gathering.leave(4, "left too").unwrap();
    gathering.depart(0, 1, 1).unwrap();
    let reply = reply(20, &[PlaceState::Ready]);
    let store = gathering.to_store(&reply).unwrap();
    assert_eq!(store.placed.iter().map(|placed| (placed.caller.0, placed.joined.number)).collect::<Vec<_>>(), [(9, 20), (3, 21)]);
    assert_eq!((store.seq, store.left), (1, vec![4]));
    let was = r#"{"was":"ready"}"#.to_owned();
    assert_eq!(
        told(gathering.arrive(&reply)),
        [
            ("first", joined(20, 7), false),
            ("second", joined(21, 8), false),
            ("left", was.clone(), false),
            ("left too", was, false)
        ]
    );
}

#[test]
fn several_requests_of_one_caller_get_one_place_even_while_its_batch_is_out() {
    let mut gathering = Gathering::default();
    gathering.join(&join(1, 1), "first").unwrap();
    gathering.join(&join(1, 1), "double click").unwrap();
    gathering.depart(0, 1, 1).unwrap();
    assert!(gathering.has(Hash128(1)));
    gathering.join(&join(1, 2), "other tab").unwrap();
    gathering.join(&join(1, 2), "its reload").unwrap();
    let conflict = gathering.join(&Join { fingerprint: Hash128(9), ..join(1, 2) }, "other request");
    assert_eq!(conflict, Err(("other request", Refusal::IdempotencyConflict)));
    let reply = reply(20, &[]);
    assert_eq!(gathering.to_store(&reply).unwrap().placed[0].keys.iter().count(), 2);
    let place = joined(20, 7);
    assert_eq!(
        told(gathering.arrive(&reply)),
        [
            ("first", place.clone(), false),
            ("double click", place.clone(), true),
            ("other tab", place.clone(), false),
            ("its reload", place, true)
        ]
    );
    assert!(!gathering.has(Hash128(1)));
}

#[test]
fn a_batch_whose_joins_are_refused_still_gives_places_up() {
    let mut gathering = Gathering::default();
    gathering.join(&join(1, 1), "joins").unwrap();
    gathering.leave(4, "leaves").unwrap();
    gathering.depart(0, 1, 1).unwrap();
    let reply = BatchReply { joins: Err(Refusal::SoldOut), leaves: vec![PlaceState::Waiting] };
    let store = gathering.to_store(&reply).unwrap();
    assert_eq!((store.placed, store.left), (vec![], vec![4]));
    let answers = told(gathering.arrive(&reply));
    assert_eq!(answers[0], ("joins", "SOLD_OUT".to_owned(), false));
    assert_eq!(answers[1], ("leaves", r#"{"was":"waiting"}"#.to_owned(), false));
}

#[test]
fn a_batch_that_is_given_up_leaves_nobody_waiting_and_the_next_one_goes_on() {
    let mut gathering = Gathering::default();
    gathering.join(&join(1, 1), "out").unwrap();
    gathering.leave(8, "out too").unwrap();
    gathering.depart(0, 1, 1).unwrap();
    gathering.join(&join(2, 1), "gathered").unwrap();
    assert_eq!(gathering.give_up(), ["out", "out too"]);
    assert_eq!(gathering.depart(0, 2, 1).unwrap().joins, 1);
    assert_eq!(gathering.give_up(), ["gathered"]);
    assert_eq!((gathering.depart(0, 3, 1), gathering.give_up()), (None, vec![]));
}

#[test]
fn a_full_buffer_refuses_and_has_room_again_when_the_batch_has_left() {
    let mut gathering = Gathering::default();
    for caller in 0..u128::from(JOINS_MAX) {
        gathering.join(&join(caller, 1), ()).unwrap();
    }
    assert_eq!(gathering.join(&join(1 << 40, 1), ()), Err(((), Refusal::Overloaded)));
    gathering.join(&join(0, 1), ()).unwrap();
    gathering.depart(0, 1, 1).unwrap();
    gathering.join(&join(1 << 40, 1), ()).unwrap();
    assert_eq!(gathering.arrive(&reply(1, &[])).len(), JOINS_MAX as usize + 1);
}

#[test]
fn only_so_many_places_are_given_up_at_once() {
    let mut gathering = Gathering::default();
    for number in 0..LEAVES_MAX as u64 {
        gathering.leave(number, ()).unwrap();
    }
    assert_eq!(gathering.leave(1 << 40, ()), Err(((), Refusal::Overloaded)));
    gathering.leave(0, ()).unwrap();
}

#[test]
fn only_so_many_wait_for_an_answer() {
    let mut gathering = Gathering::default();
    for _ in 0..WAITERS_MAX {
        gathering.join(&join(1, 1), ()).unwrap();
    }
    assert_eq!(gathering.join(&join(1, 1), ()), Err(((), Refusal::Overloaded)));
    gathering.depart(0, 1, 1).unwrap();
    gathering.give_up();
    gathering.join(&join(1, 1), ()).unwrap();
}
