//! The `Idempotency-Key`: how it is read, and the digests that stand for caller, operation, key and request.
//!
//! The record of an answer is kept by the object that gave it. An isolate also remembers which request a key was
//! granted to, so that the same key with another request is refused even where that request would go to another
//! object. That memory is bounded and local to the isolate: across isolates only the objects' records count.

use std::collections::{BTreeMap, VecDeque};

use domain::{hash::Hash128, idempotency::Idempotency, time::Millis};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::error::{ApiError, Code};

/// Longest key, in characters.
pub const KEY_MAX_LEN: usize = 255;
/// How many granted keys an isolate remembers: 20,000 of about 100 bytes are 2 MB.
const MEMORY_MAX: usize = 20_000;

/// A key as the caller chose it, without quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Reads the header: 1 to 255 visible ASCII characters, quoted or not.
    ///
    /// # Errors
    /// `INVALID_IDEMPOTENCY_KEY`.
    pub fn parse(header: &str) -> Result<Self, ApiError> {
        let header = header.trim_matches([' ', '\t']);
        let quoted = header.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let key = quoted.unwrap_or(header);
        let valid = (1..=KEY_MAX_LEN).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
        valid.then(|| Self(key.to_owned())).ok_or_else(|| Code::InvalidIdempotencyKey.into())
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Digest of a sequence of parts; no two different sequences give the same bytes to the hash.
#[must_use]
pub fn digest(parts: &[&[u8]]) -> Hash128 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    short(&hash.finalize())
}

/// The same under a key: for parts that could be guessed, such as passwords.
#[must_use]
pub fn keyed_digest(key: &[u8], parts: &[&[u8]]) -> Hash128 {
    let mut hash = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    short(&hash.finalize().into_bytes())
}

fn short(digest: &[u8]) -> Hash128 {
    Hash128(digest.iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte)))
}

/// Which request each key was granted to, while its record lives. The oldest is forgotten first.
#[derive(Debug, Default)]
pub struct Granted {
    by_scope: BTreeMap<Hash128, (Hash128, Millis)>,
    order: VecDeque<(Hash128, Millis)>,
}

impl Granted {
    /// Whether the key was granted to another request.
    #[must_use]
    pub fn conflicts(&self, idempotency: &Idempotency, now: Millis) -> bool {
        self.by_scope
            .get(&idempotency.scope)
            .is_some_and(|(fingerprint, until)| *until > now && *fingerprint != idempotency.fingerprint)
    }

    /// Remembers a request that was granted; `asked_at` is when it came in, so that this memory ends before the record.
    pub fn remember(&mut self, idempotency: &Idempotency, asked_at: Millis, now: Millis) {
        let until = asked_at.plus_ms(idempotency.ttl_ms);
        if self.by_scope.get(&idempotency.scope).is_some_and(|(_, until)| *until > now) {
            return;
        }
        self.by_scope.insert(idempotency.scope, (idempotency.fingerprint, until));
        self.order.push_back((idempotency.scope, until));
        while self.order.front().is_some_and(|(_, until)| *until <= now) || self.order.len() > MEMORY_MAX {
            let Some((scope, until)) = self.order.pop_front() else { break };
            if self.by_scope.get(&scope).is_some_and(|(_, current)| *current == until) {
                self.by_scope.remove(&scope);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(scope: u128, fingerprint: u128) -> Idempotency {
        Idempotency { scope: Hash128(scope), fingerprint: Hash128(fingerprint), ttl_ms: 300_000 }
    }

    #[test]
    fn a_quoted_key_is_the_key_without_its_quotes() {
        assert_eq!(Key::parse("\"abc-1\"").ok(), Key::parse(" abc-1 ").ok());
        assert_eq!(Key::parse("abc-1").ok().map(|key| key.as_str().to_owned()), Some("abc-1".to_owned()));
    }

    #[test]
    fn a_key_has_1_to_255_visible_ascii_characters() {
        for wrong in ["", "\"\"", "  ", "a b", "a\tb", "café", "\u{7f}", &"k".repeat(256)] {
            assert_eq!(Key::parse(wrong).map_err(|error| error.code), Err(Code::InvalidIdempotencyKey), "{wrong:?}");
        }
        for right in ["1", "\"", "a\"b", &"k".repeat(255), &format!("\"{}\"", "k".repeat(255))] {
            assert!(Key::parse(right).is_ok(), "{right:?}");
        }
    }

    #[test]
    fn parts_cannot_run_into_each_other() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_ne!(digest(&[b"ab"]), digest(&[b"ab", b""]));
        assert_ne!(keyed_digest(b"one", &[b"ab"]), keyed_digest(b"two", &[b"ab"]));
        assert_ne!(keyed_digest(b"one", &[b"ab", b"c"]), keyed_digest(b"one", &[b"a", b"bc"]));
    }

    #[test]
    fn another_request_conflicts_until_the_record_is_over() {
        let mut granted = Granted::default();
        granted.remember(&request(1, 2), Millis(1000), Millis(1010));
        assert!(!granted.conflicts(&request(1, 2), Millis(1010)));
        assert!(granted.conflicts(&request(1, 3), Millis(300_999)));
        assert!(!granted.conflicts(&request(1, 3), Millis(301_000)));
        assert!(!granted.conflicts(&request(4, 3), Millis(1010)));
    }

    #[test]
    fn a_replay_does_not_prolong_the_memory() {
        let mut granted = Granted::default();
        granted.remember(&request(1, 2), Millis(0), Millis(0));
        granted.remember(&request(1, 2), Millis(200_000), Millis(200_000));
        assert!(!granted.conflicts(&request(1, 3), Millis(300_000)));
        granted.remember(&request(1, 3), Millis(300_000), Millis(300_000));
        assert!(granted.conflicts(&request(1, 2), Millis(300_001)));
    }

    #[test]
    fn the_memory_is_bounded_and_forgets_the_oldest() {
        let mut granted = Granted::default();
        for scope in 0..=MEMORY_MAX as u128 {
            granted.remember(&request(scope, 1), Millis(0), Millis(0));
        }
        assert_eq!((granted.by_scope.len(), granted.order.len()), (MEMORY_MAX, MEMORY_MAX));
        assert!(!granted.conflicts(&request(0, 2), Millis(0)));
        assert!(granted.conflicts(&request(1, 2), Millis(0)));
    }
}
