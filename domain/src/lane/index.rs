//! Which places may be whose: half of each caller's digest and the number.
//!
//! A table of slots, the first one of a caller chosen by the digest, further ones behind it. Nothing is ever taken out. It is in
//! [`SHELVES`] that grow one by one, so that nobody waits until a million places have been moved.

use crate::hash::Hash128;

const SHELVES: usize = 256;
const SLOTS_MIN: usize = 8;

/// Half of a digest in two words, and a number; 0 where nothing is.
type Slot = [u32; 3];

/// See the module. Two thirds of the slots are taken, between 53 and 80 %: 15 to 23 bytes a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// None, or all of them.
    shelves: Vec<Shelf>,
    len: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Shelf {
    slots: Vec<Slot>,
    taken: usize,
}

impl Index {
    /// How many places there are.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Takes a place in; places are counted from 1. Again, it changes nothing.
    pub(super) fn insert(&mut self, caller: Hash128, number: u32) {
        if self.shelves.is_empty() {
            self.shelves = vec![Shelf::default(); SHELVES];
        }
        let slot = slot(caller, number);
        self.len += usize::from(self.shelves[shelf_of(slot)].insert(slot));
    }

    /// Whether any place may be this caller's.
    pub(super) fn has(&self, caller: Hash128) -> bool {
        self.of(caller).next().is_some()
    }

    /// The places that may be this caller's, the newest first.
    pub(super) fn newest_first(&self, caller: Hash128) -> Vec<u32> {
        let mut numbers: Vec<u32> = self.of(caller).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        numbers
    }

    fn of(&self, caller: Hash128) -> impl Iterator<Item = u32> {
        let sought = slot(caller, 0);
        let shelf = self.shelves.get(shelf_of(sought));
        let slots = shelf.into_iter().flat_map(move |shelf| shelf.behind(sought));
        slots.filter(move |slot| slot[..2] == sought[..2]).map(|[_, _, number]| *number)
    }
}

impl Shelf {
    /// Whether it was not there before.
    fn insert(&mut self, slot: Slot) -> bool {
        if self.behind(slot).any(|taken| *taken == slot) {
            return false;
        }
        if (self.taken + 1) * 5 > self.slots.len() * 4 {
            let slots = (self.slots.len() * 3 / 2).max(SLOTS_MIN);
            let old = std::mem::replace(&mut self.slots, vec![[0; 3]; slots]);
            old.into_iter().filter(|slot| slot[2] != 0).for_each(|slot| self.put(slot));
        }
        self.put(slot);
        self.taken += 1;
        true
    }

    fn put(&mut self, slot: Slot) {
        let first = self.first(slot);
        let (before, behind) = self.slots.split_at_mut(first);
        let free = behind.iter_mut().chain(before).find(|slot| slot[2] == 0);
        *free.expect("a shelf is never full") = slot;
    }

    /// From the slot where it would be to the last one where it could be.
    fn behind(&self, slot: Slot) -> impl Iterator<Item = &Slot> {
        let (before, behind) = self.slots.split_at(self.first(slot));
        behind.iter().chain(before).take_while(|slot| slot[2] != 0)
    }

    const fn first(&self, slot: Slot) -> usize {
        ((slot[1] as u64 * self.slots.len() as u64) >> 32) as usize
    }
}

/// Of the digest the half that the lane of a caller is not chosen by. Who wants many in one place has to search for each.
const fn slot(caller: Hash128, number: u32) -> Slot {
    [(caller.0 >> 96) as u32, (caller.0 >> 64) as u32, number]
}

const fn shelf_of(slot: Slot) -> usize {
    slot[0] as usize % SHELVES
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// Few digests, some of them alike, some in the same shelf or at the same slot.
    fn any_caller() -> impl Strategy<Value = Hash128> {
        (0..3_u128, 0..4_u128, 0..2_u128).prop_map(|(high, low, rest)| Hash128(high << 96 | (low << 94) | low << 64 | rest))
    }

    proptest! {
        #[test]
        fn everything_that_was_put_in_is_found_and_nothing_else(
            places in prop::collection::vec((any_caller(), 1..400_u32), 0..500),
        ) {
            let (mut index, mut model) = (Index::default(), BTreeMap::<u128, BTreeSet<u32>>::new());
            for (caller, number) in &places {
                index.insert(*caller, *number);
                model.entry(caller.0 >> 64).or_default().insert(*number);
            }
            prop_assert_eq!(index.len(), model.values().map(BTreeSet::len).sum::<usize>());
            for caller in places.iter().map(|(caller, _)| *caller).chain((0..9).map(|caller| Hash128(caller << 65))) {
                let numbers: Vec<u32> = model.get(&(caller.0 >> 64)).into_iter().flatten().rev().copied().collect();
                prop_assert_eq!(index.has(caller), !numbers.is_empty());
                prop_assert_eq!(index.newest_first(caller), numbers);
            }
        }
    }

    #[test]
    fn a_million_places_take_what_is_said_of_them() {
        let mut index = Index::default();
        let mut digest = 1_u128;
        for number in 1..=1_000_000 {
            digest = digest.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(1);
            index.insert(Hash128(digest), number);
            if number % 100_000 == 0 {
                let slots: usize = index.shelves.iter().map(|shelf| shelf.slots.len()).sum();
                let bytes = (slots * size_of::<Slot>()) as f64 / f64::from(number);
                assert!((15.0..23.5).contains(&bytes), "{bytes} bytes a place with {number}");
            }
        }
        assert_eq!(index.len(), 1_000_000);
    }
}
