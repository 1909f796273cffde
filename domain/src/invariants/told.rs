//! What organisers' endpoints are told: every envelope since each was made, in order, and no cursor moves over one that its
//! endpoint has not taken.

use std::collections::BTreeMap;

use super::verdict::{Invariant, Verdict, hold};
use crate::{delivery::Change, id::EventId};

/// What one endpoint was told of one event.
#[derive(Clone, Debug, Default)]
struct Told {
    /// Where its cursor began, once that was saved.
    began: Option<u64>,
    /// The last envelope that it took before which it took all since then.
    taken: u64,
}

/// What every endpoint was told. Of endpoints without dead letters and replays.
#[derive(Clone, Debug, Default)]
pub struct ToldWitness {
    endpoints: BTreeMap<(EventId, EventId), Told>,
}

impl ToldWitness {
    /// An endpoint's object saved `changes`.
    ///
    /// # Errors
    /// A cursor moved over an envelope that the endpoint has not taken.
    pub fn saved(&mut self, endpoint: &EventId, changes: &[Change]) -> Verdict {
        let moved = changes.iter().filter_map(|change| match change {
            Change::Moved { event_id, cursor } => Some((event_id, cursor.acked?)),
            _ => None,
        });
        for (event_id, acked) in moved {
            let told = self.endpoints.entry((endpoint.clone(), event_id.clone())).or_default();
            if told.began.is_none() {
                (told.began, told.taken) = (Some(acked), acked);
            }
            let taken = told.taken;
            hold(Invariant::NothingUntold, acked <= taken, || {
                format!("the cursor of {endpoint} moved to {acked}, and only {taken} was taken")
            })?;
        }
        Ok(())
    }

    /// An endpoint took an envelope.
    ///
    /// # Errors
    /// One before it was skipped.
    pub fn took(&mut self, endpoint: &EventId, event_id: &EventId, sequence: u64) -> Verdict {
        let told = self.endpoints.entry((endpoint.clone(), event_id.clone())).or_default();
        let taken = told.taken;
        hold(Invariant::NothingUntold, told.began.is_some() && sequence <= taken + 1, || {
            format!("{endpoint} was sent {sequence} after {taken}")
        })?;
        told.taken = taken.max(sequence);
        Ok(())
    }

    /// Nothing happens any more: an endpoint has everything of an event that was logged since the first `before` envelopes.
    ///
    /// # Errors
    /// It has not.
    pub fn at_rest(&self, endpoint: &EventId, event_id: &EventId, before: u64, last: u64) -> Verdict {
        let told = self.endpoints.get(&(endpoint.clone(), event_id.clone()));
        let began = told.and_then(|told| told.began);
        // Who was never told that there is something began nowhere, and lacks nothing if there was nothing.
        hold(Invariant::NothingUntold, began == Some(before) || last <= before, || {
            format!("{endpoint} began behind {began:?} instead of {before}")
        })?;
        let taken = told.map_or(before, |told| told.taken);
        hold(Invariant::NothingUntold, taken >= last, || format!("{endpoint} took only {taken} of {last}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{delivery::Cursor, time::Millis};

    fn named(text: &str) -> EventId {
        EventId::parse(text).unwrap()
    }

    fn moved(acked: u64) -> Vec<Change> {
        let cursor = Cursor::unplaced(9, Millis(0)).at(acked, Millis(0));
        vec![Change::Moved { event_id: named("e"), cursor }]
    }

    #[test]
    fn a_cursor_that_moves_over_what_was_not_taken_is_seen() {
        let (mut told, hook, event) = (ToldWitness::default(), named("hook"), named("e"));
        told.saved(&hook, &moved(4)).unwrap();
        told.took(&hook, &event, 5).unwrap();
        told.saved(&hook, &moved(5)).unwrap();
        assert!(told.saved(&hook, &moved(6)).is_err());
        assert!(told.took(&hook, &event, 7).is_err(), "6 was skipped");
        assert!(told.at_rest(&hook, &event, 4, 5).is_ok());
        assert!(told.at_rest(&hook, &event, 4, 6).is_err());
        assert!(told.at_rest(&hook, &event, 3, 5).is_err());
    }
}
