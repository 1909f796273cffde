//! A batch as its row holds it: whoever joined takes 52 bytes.

use super::command::{Joined, Keys, Numbered, Placed};
use crate::{hash::Hash128, queue, time::Millis};

/// Bytes of a caller in a row.
pub const CALLER_BYTES: usize = 16;
/// Bytes of a request in a row: key, fingerprint, and the version of the key that its token is signed with.
pub const REQUEST_BYTES: usize = 36;

/// A row: one batch. What it says of its places stays; see [`super::Change::Keyed`] for those that were asked for with further keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The first place; of a batch that nobody joined with, its sequence below zero. No two rows have the same.
    pub first: i64,
    /// The batch's nonce.
    pub nonce: u64,
    /// The batch's sequence; 0 for a place that was stored before batches were.
    pub seq: u64,
    /// When they joined.
    pub joined_at: Millis,
    /// The position of the first; that of each other is one more than the one before.
    pub position_hint: u64,
    /// Places that were given up.
    pub left: Vec<u64>,
    /// Who joined, [`CALLER_BYTES`] each.
    pub callers: Vec<u8>,
    /// What they asked, [`REQUEST_BYTES`] each.
    pub requests: Vec<u8>,
}

impl Row {
    /// The row of a batch.
    ///
    /// # Panics
    /// A number is beyond 63 bits.
    #[must_use]
    pub fn of(batch: &Numbered) -> Self {
        let key = if batch.joiners.is_empty() { batch.seq } else { batch.numbers.first };
        let key = i64::try_from(key).expect("places and batches are counted one by one");
        let mut row = Self {
            first: if batch.joiners.is_empty() { -key } else { key },
            nonce: batch.nonce,
            seq: batch.seq,
            joined_at: batch.numbers.joined_at,
            position_hint: batch.numbers.position_hint,
            left: batch.left.clone(),
            callers: Vec::with_capacity(batch.joiners.len() * CALLER_BYTES),
            requests: Vec::with_capacity(batch.joiners.len() * REQUEST_BYTES),
        };
        for joiner in &batch.joiners {
            let (key, fingerprint) = joiner.keys.oldest.expect("whoever joins has a key");
            row.callers.extend(joiner.caller.0.to_be_bytes());
            row.requests.extend(key.0.to_be_bytes());
            row.requests.extend(fingerprint.0.to_be_bytes());
            row.requests.extend(joiner.kid.to_be_bytes());
        }
        row
    }

    /// A place of this row, with the keys that are kept beside it, if any are.
    #[must_use]
    pub fn place(&self, number: u64, keys: Option<Keys>) -> Option<Placed> {
        let first = u64::try_from(self.first).ok()?;
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        let numbers = queue::Numbered { first, joined_at: self.joined_at, position_hint: self.position_hint };
        let caller = self.callers.chunks_exact(CALLER_BYTES).nth(index)?;
        let request = self.requests.chunks_exact(REQUEST_BYTES).nth(index)?;
        place(&numbers, number, caller, request, keys)
    }
}

/// Who joined, out of a row.
pub fn callers(bytes: &[u8]) -> impl Iterator<Item = Hash128> {
    bytes.chunks_exact(CALLER_BYTES).filter_map(digest)
}

/// A place, out of its part of a row and the keys that are kept beside it, if any are; none where they are something else.
#[must_use]
pub fn place(numbers: &queue::Numbered, number: u64, caller: &[u8], request: &[u8], keys: Option<Keys>) -> Option<Placed> {
    let caller = digest(caller)?;
    let (key, rest) = request.split_at_checked(16)?;
    let (fingerprint, kid) = rest.split_at_checked(16)?;
    let recorded = (digest(key)?, digest(fingerprint)?);
    let kid = u32::from_be_bytes(kid.try_into().ok()?);
    let keys = keys.unwrap_or(Keys { oldest: Some(recorded), later: vec![] });
    Some(Placed { caller, joined: Joined::nth(numbers, number.checked_sub(numbers.first)?, kid), keys })
}

fn digest(bytes: &[u8]) -> Option<Hash128> {
    bytes.try_into().ok().map(u128::from_be_bytes).map(Hash128)
}
