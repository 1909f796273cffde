//! What is known of one endpoint's deliveries without asking it: what it took, what it was heard to answer, and what was saved.

use std::collections::BTreeMap;

use domain::{
    delivery::Change,
    id::EventId,
    invariants::{Invariant, ToldWitness, Verdict, hold},
};

/// The account of one endpoint.
#[derive(Clone, Debug, Default)]
pub struct Account {
    told: ToldWitness,
    /// The last envelope of each event that it took.
    taken: BTreeMap<EventId, u64>,
    /// The last envelope of each event of which its object knows that it took it; where the cursor began, before.
    answered: BTreeMap<EventId, u64>,
}

impl Account {
    /// The endpoint took an envelope; a `late` one is a copy, or was sent before a crash.
    ///
    /// # Errors
    /// One before it was skipped, or it was sent again though the object has to know better.
    pub fn took(&mut self, event_id: &EventId, sequence: u64, late: bool) -> Verdict {
        let taken = self.taken.entry(event_id.clone()).or_default();
        let before = *taken;
        hold(Invariant::NothingUntold, late || sequence >= before, || {
            format!("{sequence} of {event_id} was sent again after {before} was taken")
        })?;
        *taken = before.max(sequence);
        self.told.took(&named(), event_id, sequence)
    }

    /// Its object hears that the endpoint took an envelope.
    pub fn answered(&mut self, event_id: &EventId, sequence: u64) {
        let answered = self.answered.entry(event_id.clone()).or_default();
        *answered = sequence.max(*answered);
    }

    /// Its object saved `changes`.
    ///
    /// # Errors
    /// A cursor moved over what was not taken, or what the object cannot know to be taken.
    pub fn saved(&mut self, changes: &[Change]) -> Verdict {
        self.told.saved(&named(), changes)?;
        for change in changes {
            let Change::Moved { event_id, cursor } = change else { continue };
            let Some(acked) = cursor.acked else { continue };
            let answered = *self.answered.entry(event_id.clone()).or_insert(acked);
            hold(Invariant::NothingUntold, acked <= answered, || {
                format!("the cursor of {event_id} moved to {acked}, and only {answered} was acknowledged")
            })?;
        }
        Ok(())
    }

    /// The last envelope of an event that the endpoint took; 0 for none.
    #[must_use]
    pub fn taken(&self, event_id: &EventId) -> u64 {
        self.taken.get(event_id).copied().unwrap_or(0)
    }

    /// Nothing happens any more: it has everything of an event that was logged since the first `before` envelopes.
    ///
    /// # Errors
    /// It has not.
    pub fn at_rest(&self, event_id: &EventId, before: u64, last: u64) -> Verdict {
        self.told.at_rest(&named(), event_id, before, last)
    }
}

/// Each endpoint has an account of its own, so that none needs another name.
fn named() -> EventId {
    EventId::parse("endpoint").expect("it is one")
}

#[cfg(test)]
mod tests {
    use domain::{delivery::Cursor, time::Millis};

    use super::*;
    use crate::endpoints::rows::event_id;

    fn moved(acked: u64) -> [Change; 1] {
        let cursor = Cursor::unplaced(9, Millis(0)).at(acked, Millis(0));
        [Change::Moved { event_id: event_id(0), cursor }]
    }

    #[test]
    fn only_the_last_envelope_is_sent_again() {
        let mut account = Account::default();
        account.saved(&moved(0)).unwrap();
        for (sequence, late) in [(1, false), (1, false), (2, false), (1, true), (2, false)] {
            account.took(&event_id(0), sequence, late).unwrap();
        }
        assert!(account.took(&event_id(0), 1, false).is_err());
        assert!(account.took(&event_id(0), 4, false).is_err());
    }

    #[test]
    fn a_cursor_waits_for_the_answer() {
        let mut account = Account::default();
        account.saved(&moved(0)).unwrap();
        account.took(&event_id(0), 1, false).unwrap();
        assert!(account.clone().saved(&moved(1)).is_err(), "taken, and nobody has heard of it");
        account.answered(&event_id(0), 1);
        account.saved(&moved(1)).unwrap();
    }
}
