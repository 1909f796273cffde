use std::collections::BTreeMap;

use domain::{
    event::Event,
    hash::Hash128,
    invariants::{Verdict, Witness},
    lane::{Change, Command, Lane, Placed},
    machine::Machine,
    time::Millis,
};
use protocol::ask::Object;

use super::{Rows, reread};

/// The tables of a lane.
#[derive(Clone, Debug, Default)]
pub struct LaneRows {
    event: Option<Box<Event>>,
    stored: Option<(u64, u64)>,
    places: BTreeMap<u64, Placed>,
    /// Unique: the last guard of one place each.
    callers: BTreeMap<Hash128, u64>,
}

impl LaneRows {
    fn place(&mut self, placed: &Placed) {
        let number = placed.joined.number;
        if let Some(old) = self.callers.insert(placed.caller, number).filter(|old| *old != number) {
            self.places.remove(&old);
        }
        if let Some(old) = self.places.insert(number, placed.clone()).filter(|old| old.caller != placed.caller) {
            self.callers.remove(&old.caller);
        }
    }
}

impl Rows for LaneRows {
    type Machine = Lane;

    fn load(&self) -> Lane {
        let mut lane = Lane::default();
        self.event.iter().for_each(|event| lane.apply(&Change::Configured(reread(event))));
        self.stored.iter().for_each(|(nonce, seq)| lane.apply(&Change::Stored { nonce: *nonce, seq: *seq }));
        lane
    }

    fn write(&mut self, change: &Change) -> Result<(), String> {
        match change {
            Change::Configured(event) => self.event = Some(event.clone()),
            Change::Placed(placed) => self.place(placed),
            Change::Forgotten { number } => {
                if let Some(placed) = self.places.remove(number) {
                    self.callers.remove(&placed.caller);
                }
            }
            Change::Stored { nonce, seq } => self.stored = Some((*nonce, *seq)),
        }
        Ok(())
    }

    fn recall(&self, lane: &mut Lane, command: &Command) {
        let Command::Join(join) = command else { return };
        if lane.remembers(join.caller) {
            return;
        }
        let found = self.callers.get(&join.caller).and_then(|number| self.places.get(number));
        found.into_iter().for_each(|placed| lane.remember(&reread(placed)));
    }

    fn testify(witness: &mut Witness, object: &Object, changes: &[Change], _now: Millis) -> Verdict {
        let Object::Lane(_, lane) = object else { unreachable!("the rows of a lane belong to a lane") };
        witness.lane_saved(*lane, changes)
    }
}
