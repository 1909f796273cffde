//! One key, one effect: what a repeated request is told.
//!
//! A granted command that carried a key leaves a record of its answer in the same commit as its effect. While the
//! record lives, the same request with the same key gets that answer byte for byte; another request with the same
//! key is refused. A refused command leaves no record.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{hash::Hash128, time::Millis};

/// How many live records one object keeps; one more is [`crate::refusal::Refusal::Overloaded`].
/// 500,000 records of about 80 bytes are 40 MB, a third of an isolate's memory.
pub const RECORDS_MAX: usize = 500_000;

/// What a command says about being a repetition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// Digest of caller, operation and key.
    pub scope: Hash128,
    /// Digest of method, path and body.
    pub fingerprint: Hash128,
    /// How long the record lives, in milliseconds.
    pub ttl_ms: u64,
}

/// A record as it is kept; the answer itself stays in storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Digest of caller, operation and key.
    pub scope: Hash128,
    /// Digest of the request that made it.
    pub fingerprint: Hash128,
    /// From this instant on the record is gone.
    pub expires_at: Millis,
}

/// What the records say about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Not at all, or no longer.
    New,
    /// The same request: give the recorded answer.
    Same,
    /// The key was used for another request.
    Conflict,
}

/// The live records of one object, without their answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    by_scope: BTreeMap<Hash128, (Hash128, Millis)>,
    by_expiry: BTreeSet<(Millis, Hash128)>,
}

impl Records {
    /// What is known of this request at `now`.
    #[must_use]
    pub fn look_up(&self, idempotency: &Idempotency, now: Millis) -> Seen {
        match self.by_scope.get(&idempotency.scope) {
            Some((_, expires_at)) if *expires_at <= now => Seen::New,
            Some((fingerprint, _)) if *fingerprint == idempotency.fingerprint => Seen::Same,
            Some(_) => Seen::Conflict,
            None => Seen::New,
        }
    }

    /// Adds a record, in place of an older one of the same scope.
    pub fn insert(&mut self, record: &Record) {
        let value = (record.fingerprint, record.expires_at);
        if let Some((_, old)) = self.by_scope.insert(record.scope, value) {
            self.by_expiry.remove(&(old, record.scope));
        }
        self.by_expiry.insert((record.expires_at, record.scope));
    }

    /// Forgets every record that is over at `now`.
    pub fn purge(&mut self, now: Millis) {
        while let Some((expires_at, scope)) = self.by_expiry.first().copied() {
            if expires_at > now {
                break;
            }
            self.by_expiry.pop_first();
            self.by_scope.remove(&scope);
        }
    }

    /// When the oldest record is over.
    #[must_use]
    pub fn first_expiry(&self) -> Option<Millis> {
        self.by_expiry.first().map(|(at, _)| *at)
    }

    /// Number of records kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_scope.len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_scope.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(scope: u128, fingerprint: u128) -> Idempotency {
        Idempotency { scope: Hash128(scope), fingerprint: Hash128(fingerprint), ttl_ms: 300_000 }
    }

    fn recorded(scope: u128, fingerprint: u128, expires_at: u64) -> Records {
        let mut records = Records::default();
        records.insert(&Record { scope: Hash128(scope), fingerprint: Hash128(fingerprint), expires_at: Millis(expires_at) });
        records
    }

    #[test]
    fn the_same_request_is_known_until_its_last_millisecond() {
        let records = recorded(1, 2, 1000);
        assert_eq!(records.look_up(&request(1, 2), Millis(999)), Seen::Same);
        assert_eq!(records.look_up(&request(1, 2), Millis(1000)), Seen::New);
    }

    #[test]
    fn another_request_with_the_same_key_is_a_conflict_while_the_record_lives() {
        let records = recorded(1, 2, 1000);
        assert_eq!(records.look_up(&request(1, 3), Millis(999)), Seen::Conflict);
        assert_eq!(records.look_up(&request(1, 3), Millis(1000)), Seen::New);
        assert_eq!(records.look_up(&request(4, 2), Millis(0)), Seen::New);
    }

    #[test]
    fn a_newer_record_of_the_same_scope_survives_the_purge_of_the_older() {
        let mut records = recorded(1, 2, 1000);
        records.insert(&Record { scope: Hash128(1), fingerprint: Hash128(9), expires_at: Millis(5000) });
        records.purge(Millis(1000));
        assert_eq!(records.look_up(&request(1, 9), Millis(4999)), Seen::Same);
        assert_eq!((records.len(), records.first_expiry()), (1, Some(Millis(5000))));
    }
}
