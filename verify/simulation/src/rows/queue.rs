use std::collections::BTreeMap;

use actors::ask::Object;
use domain::{
    board::{Chunk, Wave},
    event::Event,
    invariants::{Verdict, Witness},
    machine::Machine,
    queue::{Answered, Change, Counters, Entered, Queue},
    time::Millis,
};

use super::{Rows, reread};

/// The tables of a queue.
#[derive(Clone, Debug, Default)]
pub struct QueueRows {
    event: Option<Box<Event>>,
    counters: Option<Box<Counters>>,
    chunks: BTreeMap<u32, (u64, Box<Chunk>)>,
    waves: BTreeMap<u64, (Wave, u64)>,
    admissions: BTreeMap<u64, Entered>,
    answered: BTreeMap<u32, Answered>,
}

impl Rows for QueueRows {
    type Machine = Queue;

    fn load(&self) -> Queue {
        let mut queue = Queue::default();
        let mut apply = |change: Change| queue.apply(&change);
        self.event.iter().for_each(|event| apply(Change::Configured(reread(event))));
        self.counters.iter().for_each(|counters| apply(Change::Counted(reread(counters))));
        for (chunk, (version, states)) in &self.chunks {
            apply(Change::Marked { chunk: *chunk, version: *version, states: reread(states) });
        }
        self.waves.values().for_each(|(wave, version)| apply(Change::Opened { wave: *wave, version: *version }));
        self.admissions.values().for_each(|entered| apply(Change::Entered(*entered)));
        self.answered.values().for_each(|answered| apply(Change::Answered(reread(answered))));
        queue
    }

    fn write(&mut self, change: &Change) -> Result<(), String> {
        match change {
            Change::Configured(event) => self.event = Some(event.clone()),
            Change::Counted(counters) => self.counters = Some(counters.clone()),
            Change::Marked { chunk, version, states } => drop(self.chunks.insert(*chunk, (*version, states.clone()))),
            Change::Opened { wave, version } => drop(self.waves.insert(wave.first, (*wave, *version))),
            Change::Lapsed { first } => drop(self.waves.remove(first)),
            Change::Entered(entered) => drop(self.admissions.insert(entered.number, *entered)),
            Change::Gone { number } => drop(self.admissions.remove(number)),
            Change::Answered(answered) => drop(self.answered.insert(answered.lane, answered.clone())),
            Change::StockRests(_) => {}
        }
        Ok(())
    }

    fn testify(witness: &mut Witness, _object: &Object, changes: &[Change], now: Millis) -> Verdict {
        witness.queue_saved(changes, now)
    }
}
