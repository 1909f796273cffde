//! A copy of an event's seats that follows the inventory's ledger: a snapshot and the deltas that led to it.
//!
//! One delta is one entry of the ledger, so that its `seq` is that of `GET /events/{id}/seats` and rises by one. The last
//! [`DELTAS_KEPT`] are kept for those who missed some; whoever missed more gets a snapshot.

use std::{collections::VecDeque, rc::Rc};

use super::frames;
use crate::inventory::feed::{Cursor, DELTAS_KEPT, Delta, SeatChanges, SectionStates};

/// Changes that the kept deltas have together at most, so that they stay smaller than a large snapshot: beyond, the oldest go.
pub(super) const CHANGES_KEPT: usize = 20_000;

/// A delta as it is sent.
#[derive(Debug)]
struct Kept {
    seq: u64,
    changes: usize,
    frame: Rc<str>,
}

/// The copy.
#[derive(Debug, Default)]
pub(super) struct SeatFeed {
    /// None before the first answer, and after a gap.
    pub(super) known: Option<Cursor>,
    pub(super) remaining: u32,
    sections: Vec<SectionStates>,
    recent: VecDeque<Kept>,
    changes_kept: usize,
    /// The snapshot, once somebody needed it.
    snapshot: Option<Rc<str>>,
}

impl SeatFeed {
    /// Takes over an answer. One that is older than what is known changes nothing; after one that does not follow on, nothing
    /// is known until everything comes.
    pub(super) fn merge(&mut self, changes: SeatChanges) {
        let SeatChanges { epoch, seq, remaining, sections, deltas } = changes;
        if let Some(sections) = sections {
            if Some((epoch, seq)) >= self.known {
                *self = Self { known: Some((epoch, seq)), remaining, sections, ..Self::default() };
                deltas.iter().for_each(|delta| self.keep(delta));
            }
            return;
        }
        let Some((_, known)) = self.known.take_if(|(of, _)| *of == epoch) else {
            self.known = None;
            return;
        };
        let newer = deltas.iter().filter(|delta| delta.seq > known);
        let mut last = known;
        for delta in newer {
            if delta.seq != last + 1 {
                return;
            }
            last = delta.seq;
            self.paint(delta);
            self.keep(delta);
        }
        self.known = Some((epoch, last));
        if seq >= known {
            self.remaining = remaining;
        }
    }

    fn paint(&mut self, delta: &Delta) {
        self.snapshot = None;
        for (section, seat, state) in &delta.changes {
            let Some(section) = self.sections.get_mut(*section as usize) else { continue };
            let at = *seat as usize;
            if at < section.states.len() {
                section.states.replace_range(at..=at, ["0", "1", "2", "3"][usize::from(*state & 3)]);
            }
        }
    }

    fn keep(&mut self, delta: &Delta) {
        let changes = delta.changes.len();
        self.changes_kept += changes;
        self.recent.push_back(Kept { seq: delta.seq, changes, frame: frames::delta(delta) });
        while self.recent.len() as u64 > DELTAS_KEPT || (self.changes_kept > CHANGES_KEPT && self.recent.len() > 1) {
            if let Some(oldest) = self.recent.pop_front() {
                self.changes_kept -= oldest.changes;
            }
        }
    }

    /// What brings somebody up to date who stands at `at`: the deltas that are missing, or the snapshot. None where nothing
    /// is known.
    pub(super) fn since(&mut self, at: Option<Cursor>) -> Option<Vec<Rc<str>>> {
        let (epoch, seq) = self.known?;
        let oldest = self.recent.front().map_or(seq + 1, |kept| kept.seq);
        Some(match at {
            Some((theirs, from)) if theirs == epoch && from <= seq && from + 1 >= oldest => {
                self.recent.iter().filter(|kept| kept.seq > from).map(|kept| Rc::clone(&kept.frame)).collect()
            }
            _ => vec![Rc::clone(self.snapshot.get_or_insert_with(|| frames::snapshot(epoch, seq, &self.sections)))],
        })
    }
}
