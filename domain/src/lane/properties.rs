//! A lane and its queue under any interleaving: answers lost and repeated, batches overtaken, memory lost, storage
//! failing before and after it has saved.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    tests::{Fault, Rows, START, event, join},
    *,
};
use crate::{
    board::PlaceState,
    machine::{Answer, Engine},
    queue::{self, Batch, BatchReply, Queue},
    stock::Stock,
};

#[derive(Clone, Debug)]
enum Step {
    /// Somebody joins, maybe replacing a place that is seen to be over.
    Join {
        caller: u128,
        key: u128,
    },
    Leave {
        caller: u128,
    },
    /// The buffer is sent, if no batch is out.
    Depart,
    /// The batch that is out reaches the queue; its answer may be lost.
    Deliver {
        answered: bool,
    },
    /// A batch that was sent once, by whatever life of the lane, reaches the queue only now.
    Overtaken(usize),
    /// The answer comes back, and storage does this.
    Arrive(Fault),
    GiveUp,
    LoseMemory,
    /// The queue lets people in, and their windows end.
    Pass(u64),
    Admit,
}

/// Few keys, so that they come again; and more than are recorded.
fn any_key() -> impl Strategy<Value = u128> {
    prop_oneof![3 => 0..3_u128, 1 => 0..2 * KEYS_MAX as u128]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..7_u128, any_key()).prop_map(|(caller, key)| Step::Join { caller: person(caller), key }),
        2 => (0..7_u128).prop_map(|caller| Step::Leave { caller: person(caller) }),
        6 => Just(Step::Depart),
        6 => any::<bool>().prop_map(|answered| Step::Deliver { answered }),
        2 => (0..9_usize).prop_map(Step::Overtaken),
        6 => prop_oneof![4 => Just(Fault::None), 1 => Just(Fault::Before), 1 => Just(Fault::After)].prop_map(Step::Arrive),
        1 => Just(Step::GiveUp),
        1 => Just(Step::LoseMemory),
        2 => (1..3000_u64).prop_map(Step::Pass),
        1 => Just(Step::Admit),
    ]
}

/// Callers of whom some are alike in the lane's index.
const fn person(caller: u128) -> u128 {
    (caller % 3) << 64 | caller
}

/// Who waits for what.
type Waiter = (u128, Option<u64>);

struct World {
    lane: Engine<Lane, Rows>,
    queue: Engine<Queue, queue::tests::Log>,
    now: Millis,
    gathering: Gathering<Waiter>,
    nonce: u64,
    drawn: u64,
    out: Option<Batch>,
    sent: Vec<Batch>,
    answer: Option<BatchReply>,
    /// The last place that each caller was told.
    told: BTreeMap<u128, Joined>,
    /// The keys of each place that was stored, the oldest first.
    keys: BTreeMap<u64, Vec<u128>>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            lane: Engine::new(Rows::default()),
            queue: Engine::new(Default::default()),
            now: START,
            gathering: Gathering::default(),
            nonce: 0,
            drawn: 0,
            out: None,
            sent: vec![],
            answer: None,
            told: BTreeMap::new(),
            keys: BTreeMap::new(),
        };
        world.lane.execute(&Command::Configure(event()), START).unwrap();
        world.ask_queue(&queue::Command::Configure(event())).unwrap();
        world
    }

    fn ask_queue(&mut self, command: &queue::Command) -> Result<Vec<u8>, Refusal> {
        match self.queue.execute(command, self.now).unwrap() {
            Answer::Granted { body, .. } => Ok(body),
            Answer::Refused(refusal) => Err(refusal),
        }
    }

    fn state(&mut self, number: u64) -> PlaceState {
        self.queue.read(self.now).unwrap().state(number)
    }

    fn take(&mut self, step: &Step) {
        // The clock moves with everything that happens, as it does where memory is lost and found.
        self.now = self.now.plus_ms(1);
        match step {
            Step::Join { caller, key } => self.join(*caller, *key),
            Step::Leave { caller } => {
                if let Some(joined) = self.told.get(caller) {
                    let _ = self.gathering.leave(joined.number, (*caller, Some(joined.number)));
                }
            }
            Step::Depart => self.depart(),
            Step::Deliver { answered } => self.deliver(*answered),
            Step::Overtaken(index) => {
                if let Some(batch) = self.sent.get(*index).cloned() {
                    let out = self.out.as_ref() == Some(&batch);
                    let older = self.sent.last() != Some(&batch);
                    let before = self.queue.read(self.now).unwrap().counters().last;
                    let answer = self.ask_queue(&queue::Command::Batch(batch));
                    let after = self.queue.read(self.now).unwrap().counters().last;
                    assert!(out || !older || before == after || answer.is_ok());
                }
            }
            Step::Arrive(fault) => self.arrive(*fault),
            Step::GiveUp => self.give_up(),
            Step::LoseMemory => {
                self.lane.forget();
                self.gathering = Gathering::default();
                (self.nonce, self.drawn, self.out, self.answer) = (0, 0, None, None);
            }
            Step::Pass(ms) => {
                self.now = self.now.plus_ms(*ms);
                self.queue.read(self.now).unwrap();
            }
            Step::Admit => {
                let asked = self.queue.read(self.now).unwrap().stock_question(self.now);
                let stock = Stock { available: 1000, ..Stock::default() };
                self.ask_queue(&queue::Command::Stock { stock, asked }).unwrap();
            }
        }
    }

    fn join(&mut self, caller: u128, key: u128) {
        let told = self.told.get(&caller).map(|joined| joined.number);
        let replaces = told.filter(|number| self.queue.read(self.now).unwrap().state(*number).is_over());
        let join = Join { replaces, ..join(caller, key) };
        if !self.gathering.has(join.caller) {
            let Answer::Granted { body, .. } = self.lane.execute(&Command::Join(join.clone()), self.now).unwrap() else {
                unreachable!("the same key always comes with the same request");
            };
            if let Reply::Known { joined, replayed } = serde_json::from_slice(&body).unwrap() {
                self.note_key(joined.number, key, replayed);
                return self.tell(caller, joined);
            }
        }
        self.gathering.join(&join, (caller, None)).unwrap();
    }

    /// A key that is recorded is a repetition, any other is recorded in place of the oldest.
    fn note_key(&mut self, number: u64, key: u128, replayed: bool) {
        let keys = self.keys.get_mut(&number).expect("who is known was stored");
        assert_eq!(keys.contains(&key), replayed, "place {number} was joined with {keys:?} and now with {key}");
        if !replayed {
            keys.push(key);
            keys.drain(..keys.len().saturating_sub(KEYS_MAX));
        }
    }

    /// A caller is told the same as before, unless what it was told before is over.
    fn tell(&mut self, caller: u128, joined: Joined) {
        if let Some(before) = self.told.insert(caller, joined)
            && before != joined
        {
            assert!(self.state(before.number).is_over(), "{caller} had {before:?} and is told {joined:?}");
            assert!(before.number < joined.number);
        }
        let others = self.told.iter().filter(|(other, place)| **other != caller && place.number == joined.number);
        assert_eq!(others.count(), 0, "{joined:?} belongs to two");
    }

    fn depart(&mut self) {
        let lane = self.lane.read(self.now).unwrap();
        if self.nonce == 0 {
            self.drawn = lane.next_nonce(self.drawn, self.now);
            self.nonce = self.drawn;
        }
        let seq = lane.next_seq();
        if let Some(batch) = self.gathering.depart(0, self.nonce, seq) {
            self.out = Some(batch.clone());
            self.sent.push(batch);
        }
    }

    fn deliver(&mut self, answered: bool) {
        let Some(batch) = self.out.clone() else { return };
        let body = self.ask_queue(&queue::Command::Batch(batch)).expect("the newest batch is never refused");
        if answered {
            self.answer = Some(serde_json::from_slice(&body).unwrap());
        }
    }

    fn arrive(&mut self, fault: Fault) {
        let Some(reply) = self.answer.take() else { return };
        let numbered = self.gathering.to_store(&reply).expect("a batch is out");
        let places: Vec<(u64, Hash128)> = numbered.places().collect();
        if fault != Fault::Before {
            let keys = |joiner: &Joiner| joiner.keys.iter().map(|(key, _)| key.0).collect();
            self.keys.extend((numbered.numbers.first..).zip(numbered.joiners.iter().map(keys)));
        }
        self.lane.store().fault.set(fault);
        if self.lane.execute(&Command::Numbered(numbered), self.now).is_err() {
            return self.give_up();
        }
        self.out = None;
        for ((caller, leaves), answer) in self.gathering.arrive(&reply) {
            let Answer::Granted { body, .. } = answer else { unreachable!("the sale is open") };
            match leaves {
                Some(number) => assert!(self.state(number).is_over()),
                None => {
                    let joined: Joined = serde_json::from_slice(&body).unwrap();
                    assert!(places.contains(&(joined.number, Hash128(caller))));
                    self.tell(caller, joined);
                }
            }
        }
    }

    fn give_up(&mut self) {
        self.gathering.give_up();
        (self.nonce, self.out, self.answer) = (0, None, None);
    }

    /// One more batch from start to end, with nothing going wrong.
    fn come_to_rest(&mut self) {
        self.now = self.now.plus_ms(1);
        for _ in 0..3 {
            self.depart();
            self.deliver(true);
            self.arrive(Fault::None);
        }
        self.join(99, 0);
        self.depart();
        self.deliver(true);
        self.arrive(Fault::None);
    }

    /// Nobody waits in the line who is not in the table, and each caller is there once.
    fn check_at_rest(&mut self) {
        let holders = self.lane.store().holders();
        let known: Vec<u64> = holders.values().map(|joined| joined.number).collect();
        let last = self.queue.read(self.now).unwrap().counters().last;
        for number in 1..=last {
            if matches!(self.state(number), PlaceState::Waiting | PlaceState::Ready) {
                assert!(known.contains(&number), "place {number} belongs to nobody");
            }
        }
        for (caller, joined) in self.told.clone() {
            if !self.state(joined.number).is_over() {
                assert_eq!(holders.get(&Hash128(caller)), Some(&joined), "{caller} was told a place that is not in the table");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_caller_has_one_place_whatever_is_lost_or_repeated(steps in prop::collection::vec(any_step(), 1..90)) {
        let mut world = World::new();
        steps.iter().for_each(|step| world.take(step));
        world.come_to_rest();
        world.check_at_rest();
    }
}
