use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use super::{row::Row, *};
use crate::{
    board::PlaceState,
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
    batches: RefCell<BTreeMap<i64, Row>>,
    keys: RefCell<BTreeMap<u64, Keys>>,
    pub(super) fault: Cell<Fault>,
    /// Rows of batches that were read.
    reads: Cell<usize>,
}

impl Rows {
    fn place(&self, number: u64) -> Result<Placed, String> {
        self.reads.set(self.reads.get() + 1);
        let batches = self.batches.borrow();
        let row = batches.range(..=i64::try_from(number).unwrap()).next_back().map(|(_, row)| row);
        row.and_then(|row| row.place(number, self.keys.borrow().get(&number).cloned())).ok_or_else(|| "no such place".into())
    }

    /// Everybody's place, as the rows have it.
    pub(super) fn holders(&self) -> BTreeMap<Hash128, Joined> {
        let batches = self.batches.borrow();
        let mut rows: Vec<&Row> = batches.values().collect();
        rows.sort_by_key(|row| row.seq);
        let mut holders = BTreeMap::new();
        for row in rows {
            let numbers = (0..).map_while(|index| row.place(u64::try_from(row.first).ok()? + index, None));
            holders.extend(numbers.map(|placed| (placed.caller, placed.joined)));
            holders.retain(|_, joined: &mut Joined| !row.left.contains(&joined.number));
        }
        holders
    }
}

impl Store<Lane> for Rows {
    type Fault = String;

    fn load(&self) -> Result<(Lane, Vec<Record>), String> {
        let mut lane = Lane::default();
        self.event.borrow().iter().for_each(|event| lane.apply(&Change::Configured(event.clone())));
        for row in self.batches.borrow().values() {
            let first = u64::try_from(row.first).unwrap_or_default();
            lane.restore((row.nonce, row.seq), (first..).zip(row::callers(&row.callers)), &row.left);
        }
        Ok((lane, vec![]))
    }

    fn recall(&self, lane: &mut Lane, command: &Command) -> Result<(), String> {
        let Command::Join(join) = command else { return Ok(()) };
        lane.recall(join.caller, |number| self.place(number))
    }

    fn save(&self, batch: &Batch<'_, Change>) -> Result<(), String> {
        let fault = self.fault.take();
        if fault == Fault::Before {
            return Err("nothing was saved".into());
        }
        for change in batch.changes() {
            match change {
                Change::Configured(event) => *self.event.borrow_mut() = Some(event.clone()),
                Change::Stored(batch) => {
                    let row = Row::of(batch);
                    assert_eq!(self.batches.borrow_mut().insert(row.first, row), None, "no two rows have the same key");
                    self.keys.borrow_mut().extend(batch.keyed().map(|(number, keys)| (number, keys.clone())));
                }
                Change::Keyed { number, keys } => drop(self.keys.borrow_mut().insert(*number, keys.clone())),
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

fn joiner(caller: u128, key: u128) -> Joiner {
    let mut keys = Keys::default();
    keys.record(&join(caller, key));
    Joiner { caller: Hash128(caller), kid: 3, keys }
}

/// A batch of callers, each with the key 1, whose places begin with `first`.
fn numbered(seq: u64, first: u64, callers: impl IntoIterator<Item = u128>, left: &[u64]) -> Command {
    let numbers = queue::Numbered { first, joined_at: START, position_hint: first };
    let joiners = callers.into_iter().map(|caller| joiner(caller, 1)).collect();
    Command::Numbered(Numbered { nonce: 1, seq, numbers, joiners, left: left.to_vec() })
}

fn place(number: u64) -> Joined {
    Joined { number, joined_at: START, kid: 3, position_hint: number }
}

/// Callers whose halves in the index are alike.
const fn alike(caller: u128) -> u128 {
    7 << 64 | caller
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
    engine.execute(&numbered(1, 39, [8, 1, 9], &[]), START).unwrap();
    let known = |replayed| Ok(Reply::Known { joined: place(40), replayed });
    assert_eq!(ask(&mut engine, join(1, 1)), known(true));
    assert_eq!(ask(&mut engine, join(1, 2)), known(false));
    assert_eq!(ask(&mut engine, join(1, 2)), known(true));
    engine.forget();
    assert_eq!(ask(&mut engine, join(1, 2)), known(true));
    assert_eq!(ask(&mut engine, join(1, 1)), known(true));
    assert_eq!(ask(&mut engine, join(9, 1)), Ok(Reply::Known { joined: place(41), replayed: true }));
}

#[test]
fn the_same_key_with_another_request_is_a_conflict() {
    let mut engine = configured();
    engine.execute(&numbered(1, 40, [1], &[]), START).unwrap();
    ask(&mut engine, join(1, 2)).unwrap();
    for key in [1, 2] {
        let other = Join { fingerprint: Hash128(2), ..join(1, key) };
        assert_eq!(ask(&mut engine, other.clone()), Err(Refusal::IdempotencyConflict));
        engine.forget();
        assert_eq!(ask(&mut engine, other), Err(Refusal::IdempotencyConflict));
    }
}

#[test]
fn of_many_keys_the_oldest_is_forgotten() {
    let mut engine = configured();
    engine.execute(&numbered(1, 40, [1], &[]), START).unwrap();
    for key in 2..=KEYS_MAX as u128 + 1 {
        ask(&mut engine, join(1, key)).unwrap();
        engine.forget();
    }
    let replayed = |engine: &mut _, key| matches!(ask(engine, join(1, key)), Ok(Reply::Known { replayed: true, .. }));
    assert!(replayed(&mut engine, 2));
    assert!(!replayed(&mut engine, 1));
    assert!(!replayed(&mut engine, 2));
}

#[test]
fn keys_that_came_while_the_batch_was_out_are_kept() {
    let mut engine = configured();
    let Command::Numbered(mut batch) = numbered(1, 40, [1, 2], &[]) else { unreachable!() };
    batch.joiners[1].keys.record(&join(2, 5));
    engine.execute(&Command::Numbered(batch), START).unwrap();
    engine.forget();
    for key in [1, 5] {
        assert_eq!(ask(&mut engine, join(2, key)), Ok(Reply::Known { joined: place(41), replayed: true }));
    }
    assert_eq!(ask(&mut engine, join(1, 5)), Ok(Reply::Known { joined: place(40), replayed: false }));
}

#[test]
fn a_place_that_is_over_is_replaced_once() {
    let mut engine = configured();
    engine.execute(&numbered(1, 40, [1], &[]), START).unwrap();
    let again = Join { replaces: Some(40), ..join(1, 1) };
    assert_eq!(ask(&mut engine, again.clone()), Ok(Reply::Unknown));
    engine.execute(&numbered(2, 70, [1], &[]), START).unwrap();
    for _ in 0..2 {
        assert_eq!(ask(&mut engine, again.clone()), Ok(Reply::Known { joined: place(70), replayed: true }));
        engine.forget();
    }
}

#[test]
fn a_caller_who_left_is_as_good_as_new() {
    let mut engine = configured();
    engine.execute(&numbered(1, 40, [1, 2], &[]), START).unwrap();
    engine.execute(&numbered(2, 42, [], &[40]), START).unwrap();
    for _ in 0..2 {
        assert_eq!(ask(&mut engine, join(1, 1)), Ok(Reply::Unknown));
        assert_eq!(ask(&mut engine, join(2, 1)), Ok(Reply::Known { joined: place(41), replayed: true }));
        assert_eq!(engine.read(START).unwrap().next_seq(), 3);
        engine.forget();
    }
    engine.execute(&numbered(3, 42, [1], &[]), START).unwrap();
    assert_eq!(ask(&mut engine, join(1, 1)), Ok(Reply::Known { joined: place(42), replayed: true }));
}

#[test]
fn callers_who_are_alike_in_the_index_have_a_place_each() {
    let mut engine = configured();
    engine.execute(&numbered(1, 40, [alike(1), alike(2), 3], &[]), START).unwrap();
    engine.execute(&numbered(2, 43, [alike(4)], &[41]), START).unwrap();
    for _ in 0..2 {
        let known = |number| Ok(Reply::Known { joined: place(number), replayed: true });
        assert_eq!(ask(&mut engine, join(alike(1), 1)), known(40));
        assert_eq!(ask(&mut engine, join(alike(2), 1)), Ok(Reply::Unknown));
        assert_eq!(ask(&mut engine, join(alike(4), 1)), known(43));
        assert_eq!(ask(&mut engine, join(alike(5), 1)), Ok(Reply::Unknown));
        engine.forget();
    }
}

#[test]
fn a_batch_that_is_stored_already_changes_nothing() {
    let mut engine = configured();
    engine.execute(&numbered(1, 40, [1], &[]), START).unwrap();
    engine.execute(&numbered(1, 99, [1], &[]), START).unwrap();
    assert_eq!(ask(&mut engine, join(1, 1)), Ok(Reply::Known { joined: place(40), replayed: true }));
}

#[test]
fn rows_are_read_for_those_who_may_be_known_and_for_nobody_else() {
    let mut engine = configured();
    let reads = |engine: &Engine<Lane, Rows>| engine.store().reads.take();
    engine.execute(&numbered(1, 1, (0..1000).map(|caller| caller << 64), &[]), START).unwrap();
    engine.forget();
    (1000..2000).for_each(|caller| assert_eq!(ask(&mut engine, join(caller << 64, 1)), Ok(Reply::Unknown)));
    assert_eq!(reads(&engine), 0);
    ask(&mut engine, join(5 << 64, 1)).unwrap();
    ask(&mut engine, join(5 << 64, 1)).unwrap();
    assert_eq!(reads(&engine), 1);
    engine.execute(&numbered(2, 1001, [5 << 64], &[]), START).unwrap();
    assert_eq!(ask(&mut engine, join(5 << 64, 1)), Ok(Reply::Known { joined: place(1001), replayed: true }));
    assert_eq!(reads(&engine), 1);
}

#[test]
fn a_lane_with_as_many_places_as_it_may_have_refuses_newcomers_and_knows_everybody_else() {
    let mut engine = configured();
    engine.execute(&numbered(1, 1, [1 << 70], &[]), START).unwrap();
    let mut lane = engine.read(START).unwrap().clone();
    let others = (2..PLACES_MAX as u64).map(|number| (number, Hash128(u128::from(number).wrapping_mul(u128::MAX / 0x9e37_79b9))));
    lane.restore((1, 1), others, &[]);
    let asked = |lane: &Lane, caller| lane.decide(&Command::Join(join(caller, 1)), START.into()).map(|decision| decision.reply);
    assert_eq!(asked(&lane, 9 << 70), Ok(Reply::Unknown));
    lane.restore((1, 1), [(PLACES_MAX as u64, Hash128(8 << 70))].into_iter(), &[]);
    assert_eq!(asked(&lane, 9 << 70), Err(Refusal::Overloaded));
    lane.recall(Hash128(1 << 70), |number| engine.store().place(number)).unwrap();
    assert_eq!(asked(&lane, 1 << 70), Ok(Reply::Known { joined: place(1), replayed: true }));
}

#[test]
fn a_row_says_what_its_batch_said() {
    let Command::Numbered(batch) = numbered(4, 40, [u128::MAX, 1 << 90], &[7, 9]) else { unreachable!() };
    let row = Row::of(&batch);
    assert_eq!((row.first, row.nonce, row.seq, row.left.as_slice()), (40, 1, 4, [7, 9].as_slice()));
    assert_eq!(row.callers.len() + row.requests.len(), 2 * 52);
    let read: Vec<Placed> = (39..45).filter_map(|number| row.place(number, None)).collect();
    let placed = |index: usize, number| Placed {
        caller: batch.joiners[index].caller,
        joined: place(number),
        keys: batch.joiners[index].keys.clone(),
    };
    assert_eq!(read, [placed(0, 40), placed(1, 41)]);
    let nobody = Row::of(&Numbered { joiners: vec![], ..batch });
    assert_eq!((nobody.first, nobody.place(40, None)), (-4, None));
}

#[test]
fn a_nonce_is_newer_than_every_other_even_if_the_clock_stands_still_or_steps_back() {
    let mut engine = configured();
    let stored = Numbered { nonce: START.0 + 500, seq: 1, numbers: queue::Numbered::default(), joiners: vec![], left: vec![] };
    engine.execute(&Command::Numbered(stored), START).unwrap();
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
    assert_eq!(store.places().collect::<Vec<_>>(), [(20, Hash128(9)), (21, Hash128(3))]);
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
    assert_eq!(gathering.to_store(&reply).unwrap().joiners[0].keys.iter().count(), 2);
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
    assert_eq!((store.joiners, store.left), (vec![], vec![4]));
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
