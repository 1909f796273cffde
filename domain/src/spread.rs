//! How the inventory of an event is spread over several objects.
//!
//! | Object | What it has |
//! |---|---|
//! | a shard | every n-th section with its seats, and the reservations of the users who are at home there |
//! | the root | the book: ledger, seat map and notifications of all shards, in one order |
//!
//! An event with one shard is not spread: its root has everything. The number of shards is chosen when an event is
//! created and stays; sections keep their order, so that each stays where it is.

use crate::{
    event::Event,
    id::{ReservationKey, UserId},
};

/// Most shards of one event.
pub const SHARDS_MAX: u32 = 64;

/// Which part of an event's inventory an object is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// All of it, or the book where the event is spread.
    #[default]
    Root,
    /// One of its shards.
    Shard(u32),
}

impl Event {
    /// Whether its inventory is spread over several objects.
    #[must_use]
    pub const fn is_spread(&self) -> bool {
        self.shards > 1
    }

    /// The part that has the seats of a section, by its index in map order.
    #[must_use]
    pub const fn part_of_section(&self, section: usize) -> Part {
        if self.is_spread() { Part::Shard((section % self.shards as usize) as u32) } else { Part::Root }
    }

    /// The part that has the reservations of a user.
    #[must_use]
    pub fn part_of_user(&self, user: &UserId) -> Part {
        if self.is_spread() { Part::Shard(home_of(self.shards, user)) } else { Part::Root }
    }
}

/// The shard where a user is at home.
#[must_use]
pub fn home_of(shards: u32, user: &UserId) -> u32 {
    // FNV-1a: all of the id counts, real ones share long prefixes.
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = user.as_str().bytes().fold(0xcbf2_9ce4_8422_2325, step);
    remainder(u128::from(hash ^ (hash >> 32)), shards)
}

/// The shard that has a reservation, by its key.
#[must_use]
pub fn shard_of(shards: u32, key: ReservationKey) -> u32 {
    remainder(key.0, shards)
}

/// The shard that knows which reservation an admission has that is not bound to a user.
#[must_use]
pub fn guard_of(shards: u32, admission: u64) -> u32 {
    remainder(u128::from(admission), shards)
}

impl ReservationKey {
    /// The key next to this one that belongs to `shard`.
    #[must_use]
    pub fn at(self, shards: u32, shard: u32) -> Self {
        let first = self.0 - self.0 % u128::from(shards);
        Self(first.checked_add(u128::from(shard)).unwrap_or_else(|| u128::from(shard)))
    }
}

fn remainder(number: u128, shards: u32) -> u32 {
    u32::try_from(number % u128::from(shards.max(1))).expect("a remainder of 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_at_the_shard_that_it_was_made_for() {
        for key in [0, 1, 77, u128::MAX - 1, u128::MAX] {
            for (shards, shard) in [(1, 0), (2, 1), (3, 0), (7, 6), (SHARDS_MAX, 63)] {
                assert_eq!(shard_of(shards, ReservationKey(key).at(shards, shard)), shard, "{key} of {shards}");
            }
        }
    }

    #[test]
    fn users_are_at_home_all_over_the_shards() {
        let mut homes = [0_u32; 4];
        for number in 0..4000 {
            homes[home_of(4, &UserId::parse(&format!("00000000-0000-4000-8000-{number:012}")).unwrap()) as usize] += 1;
        }
        assert!(homes.iter().all(|home| (900..=1100).contains(home)), "{homes:?}");
    }
}
