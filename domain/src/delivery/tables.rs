//! The rows of an endpoint as plain memory: for tests and the simulation, where SQL stands elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Change, Command, Delivery, Effect, Key, Letters, Rows,
    attempt::{ATTEMPTS_KEPT, Attempt, DeadLetter},
    cursor::Cursor,
    endpoint::{Endpoint, Health, Version},
};
use crate::{effect::Effect as _, id::EventId, machine::Machine, time::Millis};

/// The tables of one endpoint.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    endpoint: Option<Endpoint>,
    version: Version,
    health: Health,
    cursors: BTreeMap<EventId, Cursor>,
    /// Dead letters, by event and sequence.
    pub dead: BTreeMap<(EventId, u64), DeadLetter>,
    redriven: BTreeSet<(EventId, u64)>,
    /// The newest attempts, by number.
    pub attempts: BTreeMap<u64, Attempt>,
}

impl Tables {
    /// The machine that they stand for.
    #[must_use]
    pub fn load(&self) -> Delivery {
        let behind = self.cursors.iter().filter(|(_, cursor)| cursor.is_behind());
        let redriven: BTreeSet<&EventId> = self.redriven.iter().map(|(event_id, _)| event_id).collect();
        Delivery::restore(Rows {
            endpoint: self.endpoint.clone(),
            version: self.version,
            health: self.health.clone(),
            cursors: behind.map(|(event_id, cursor)| (event_id.clone(), cursor.clone())).collect(),
            redriven: redriven.into_iter().cloned().collect(),
        })
    }

    /// The cursor of an event.
    #[must_use]
    pub fn cursor(&self, event_id: &EventId) -> Option<&Cursor> {
        self.cursors.get(event_id)
    }

    /// The first dead letter of an event that is to be tried once more.
    #[must_use]
    pub fn next_redriven(&self, event_id: &EventId) -> Option<DeadLetter> {
        let first = self.redriven.range((event_id.clone(), 0)..).next().filter(|(of, _)| of == event_id)?;
        self.dead.get(first).cloned()
    }

    /// Brings into memory what `command` needs.
    pub fn recall(&self, delivery: &mut Delivery, command: &Command) {
        if let Command::Redrive(letters) = command {
            let mut found = BTreeMap::<EventId, u64>::new();
            for (event_id, _) in self.named(letters).filter(|key| !self.redriven.contains(*key)) {
                *found.entry(event_id.clone()).or_default() += 1;
            }
            delivery.recall_letters(found);
        } else if let Some(event_id) = delivery.missing(command) {
            delivery.recall_cursor(event_id, self.cursors.get(event_id).cloned());
        }
    }

    fn named<'a>(&'a self, letters: &'a Letters) -> impl Iterator<Item = &'a (EventId, u64)> {
        let named = move |(key, letter): &(&(EventId, u64), &DeadLetter)| match letters {
            Letters::One(id) => letter.id == *id,
            Letters::OfEvent(event_id) => key.0 == *event_id,
            Letters::All => true,
        };
        self.dead.iter().filter(named).map(|(key, _)| key)
    }

    /// Makes one change.
    pub fn write(&mut self, change: &Change) {
        match change {
            Change::Directed { version, endpoint } => (self.version, self.endpoint) = (*version, Some((**endpoint).clone())),
            Change::Dropped { version } => *self = Self { version: *version, ..Self::default() },
            Change::Fared(health) => self.health = (**health).clone(),
            Change::Attempted(attempt) => {
                self.attempts.insert(attempt.number, (**attempt).clone());
                self.attempts.retain(|number, _| *number + ATTEMPTS_KEPT > attempt.number);
            }
            Change::Moved { event_id, cursor } => {
                self.cursors.insert(event_id.clone(), cursor.clone());
            }
            Change::Hastened { at, anew } => {
                for cursor in self.cursors.values_mut().filter(|cursor| cursor.is_behind()) {
                    cursor.due_at = *at;
                    if *anew {
                        (cursor.attempt, cursor.first_failed_at) = (0, None);
                    }
                }
            }
            Change::Buried(letter) => {
                let key = (letter.event_id.clone(), letter.sequence);
                self.redriven.remove(&key);
                self.dead.insert(key, (**letter).clone());
            }
            Change::Revived { event_id, sequence } => {
                let key = (event_id.clone(), *sequence);
                self.redriven.remove(&key);
                self.dead.remove(&key);
            }
            Change::Redriven { letters, .. } => {
                let keys: Vec<_> = self.named(letters).cloned().collect();
                self.redriven.extend(keys);
            }
            Change::Unread { .. } | Change::RedriveEnded { .. } => {}
        }
    }

    /// Panics where `delivery` is not what these rows stand for. For tests.
    pub fn check(&self, delivery: &Delivery) {
        let rebuilt = self.load();
        let backlog = |delivery: &Delivery| delivery.standing(Millis(0)).backlog;
        assert_eq!(backlog(&rebuilt), backlog(delivery), "the backlog is in the rows");
        assert_eq!(rebuilt.endpoint(), delivery.endpoint(), "the endpoint is in the rows");
        let owed = |delivery: &Delivery| -> BTreeMap<Key, Effect> {
            delivery.effects().iter().map(|pending| (pending.effect.ordering_key(), pending.effect.clone())).collect()
        };
        let (stored, remembered) = (owed(&rebuilt), owed(delivery));
        for (key, effect) in &stored {
            assert_eq!(remembered.get(key), Some(effect), "what the rows owe is remembered");
        }
        // That no dead letter is left to be tried is found out by looking for the next one.
        let found_out = |key: &Key| matches!(key, Key::DeadLetters(_));
        assert!(remembered.keys().all(|key| found_out(key) || stored.contains_key(key)), "what is remembered is in the rows");
    }
}
