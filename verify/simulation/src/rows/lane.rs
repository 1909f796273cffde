use std::collections::BTreeMap;

use actors::ask::Object;
use domain::{
    event::Event,
    invariants::{Verdict, Witness},
    lane::{
        Change, Command, Keys, Lane, Placed,
        row::{Row, callers},
    },
    machine::Machine,
    time::Millis,
};

use super::{Rows, reread};

/// The tables of a lane.
#[derive(Clone, Debug, Default)]
pub struct LaneRows {
    event: Option<Box<Event>>,
    batches: BTreeMap<i64, Row>,
    keys: BTreeMap<u64, Keys>,
}

impl LaneRows {
    fn place(&self, number: u64) -> Option<Placed> {
        let (_, row) = self.batches.range(..=i64::try_from(number).ok()?).next_back()?;
        row.place(number, self.keys.get(&number).map(reread))
    }
}

impl Rows for LaneRows {
    type Machine = Lane;

    fn load(&self) -> Lane {
        let mut lane = Lane::default();
        self.event.iter().for_each(|event| lane.apply(&Change::Configured(reread(event))));
        for row in self.batches.values() {
            let first = u64::try_from(row.first).unwrap_or_default();
            lane.restore((row.nonce, row.seq), (first..).zip(callers(&row.callers)), &row.left);
        }
        lane
    }

    fn write(&mut self, change: &Change) -> Result<(), String> {
        match change {
            Change::Configured(event) => self.event = Some(event.clone()),
            Change::Stored(batch) => {
                let row = Row::of(batch);
                if self.batches.contains_key(&row.first) {
                    return Err(format!("place {} is in a row already", row.first));
                }
                self.batches.insert(row.first, row);
                self.keys.extend(batch.keyed().map(|(number, keys)| (number, keys.clone())));
            }
            Change::Keyed { number, keys } => drop(self.keys.insert(*number, keys.clone())),
        }
        Ok(())
    }

    fn recall(&self, lane: &mut Lane, command: &Command) {
        let Command::Join(join) = command else { return };
        let read = |number| self.place(number).ok_or("a place that was stored has a row");
        lane.recall(join.caller, read).expect("every place of the index is in the rows");
    }

    fn testify(witness: &mut Witness, object: &Object, changes: &[Change], _now: Millis) -> Verdict {
        let Object::Lane(_, lane) = object else { unreachable!("the rows of a lane belong to a lane") };
        witness.lane_saved(*lane, changes)
    }
}
