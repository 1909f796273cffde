//! Envelopes that were read from logs and not delivered yet, so that one call to a log serves many deliveries.

use std::collections::{BTreeMap, VecDeque};

use domain::{delivery::Envelope, id::EventId};

/// Envelopes that one call reads.
pub(super) const AHEAD_MAX: u32 = 64;
/// Bytes of them that are kept of one event, and of all together. What is dropped is read again.
const EVENT_MAX_BYTES: usize = 256 * 1024;
const ALL_MAX_BYTES: usize = 4 * 1024 * 1024;

/// What was read of the logs.
#[derive(Default)]
pub(super) struct ReadAhead {
    events: BTreeMap<EventId, Run>,
    bytes: usize,
}

/// Consecutive envelopes of a log.
struct Run {
    /// Behind which sequence they begin.
    after: u64,
    envelopes: VecDeque<Envelope>,
}

impl Run {
    fn bytes(&self) -> usize {
        self.envelopes.iter().map(|envelope| envelope.body.len()).sum()
    }
}

impl ReadAhead {
    /// Keeps what a log has behind `after`.
    pub(super) fn put(&mut self, event_id: &EventId, after: u64, envelopes: Vec<Envelope>) {
        self.forget(event_id);
        let mut run = Run { after, envelopes: envelopes.into() };
        let mut bytes = run.bytes();
        while bytes > EVENT_MAX_BYTES && run.envelopes.len() > 1 {
            bytes -= run.envelopes.pop_back().map_or(0, |last| last.body.len());
        }
        while self.bytes + bytes > ALL_MAX_BYTES {
            let Some(other) = self.events.keys().next().cloned() else { break };
            self.forget(&other);
        }
        self.bytes += bytes;
        self.events.insert(event_id.clone(), run);
    }

    /// The envelope behind `after`, where it is known. Those before it are forgotten: they were delivered.
    pub(super) fn behind(&mut self, event_id: &EventId, after: u64) -> Option<Envelope> {
        let run = self.events.get_mut(event_id)?;
        while run.envelopes.front().is_some_and(|first| first.sequence <= after) {
            let first = run.envelopes.pop_front()?;
            run.after = first.sequence;
            self.bytes -= first.body.len();
        }
        let next = run.envelopes.front().filter(|_| run.after == after).cloned();
        if next.is_none() {
            self.forget(event_id);
        }
        next
    }

    fn forget(&mut self, event_id: &EventId) {
        self.bytes -= self.events.remove(event_id).map_or(0, |run| run.bytes());
    }
}

#[cfg(test)]
mod tests {
    use domain::trace::TraceId;

    use super::*;

    fn event(name: &str) -> EventId {
        EventId::parse(name).expect("valid")
    }

    fn envelopes(event_id: &EventId, sequences: std::ops::RangeInclusive<u64>, bytes: usize) -> Vec<Envelope> {
        let envelope = |sequence| Envelope {
            id: format!("msg_{event_id}_{sequence}"),
            kind: "t".to_owned(),
            event_id: event_id.clone(),
            sequence,
            trace: TraceId::NONE,
            body: "x".repeat(bytes),
        };
        sequences.map(envelope).collect()
    }

    #[test]
    fn what_was_read_serves_until_it_is_used_up() {
        let (mut ahead, event_id) = (ReadAhead::default(), event("a"));
        ahead.put(&event_id, 4, envelopes(&event_id, 5..=7, 10));
        let mut next = |after| ahead.behind(&event_id, after).map(|envelope| envelope.sequence);
        assert_eq!((next(4), next(4), next(5), next(6), next(7)), (Some(5), Some(5), Some(6), Some(7), None));
        assert_eq!(ahead.bytes, 0);
    }

    #[test]
    fn a_cursor_that_was_moved_back_is_not_served_what_lies_further_on() {
        let (mut ahead, event_id) = (ReadAhead::default(), event("a"));
        ahead.put(&event_id, 4, envelopes(&event_id, 5..=7, 10));
        assert_eq!(ahead.behind(&event_id, 2), None);
        assert_eq!((ahead.bytes, ahead.events.len()), (0, 0));
    }

    #[test]
    fn memory_is_bounded() {
        let mut ahead = ReadAhead::default();
        for n in 0..100 {
            let event_id = event(&format!("evt_{n}"));
            ahead.put(&event_id, 0, envelopes(&event_id, 1..=64, 2048));
            assert!(ahead.bytes <= ALL_MAX_BYTES);
        }
        let event_id = event("large");
        ahead.put(&event_id, 0, envelopes(&event_id, 1..=64, 100_000));
        assert_eq!(ahead.events[&event_id].envelopes.len(), 2);
        assert_eq!(ahead.bytes, ahead.events.values().map(Run::bytes).sum::<usize>());
    }
}
