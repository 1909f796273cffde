//! The values that were used last.

use std::collections::BTreeMap;

/// Values by key, at most `capacity` of them: the one that was not used for the longest time makes room.
#[derive(Debug)]
pub struct Recent<K, V> {
    capacity: usize,
    uses: u64,
    entries: BTreeMap<K, Entry<V>>,
    /// Each key by its `listed`, which is brought up to date when room is needed.
    order: BTreeMap<u64, K>,
}

#[derive(Debug)]
struct Entry<V> {
    used: u64,
    /// Where `order` has it: no later than it was used.
    listed: u64,
    value: V,
}

impl<K: Ord + Clone, V> Recent<K, V> {
    /// Nothing yet.
    #[must_use]
    pub const fn new(capacity: usize) -> Self {
        Self { capacity, uses: 0, entries: BTreeMap::new(), order: BTreeMap::new() }
    }

    /// The value of `key`.
    pub fn get(&mut self, key: &K) -> Option<&mut V> {
        self.uses += 1;
        let entry = self.entries.get_mut(key)?;
        entry.used = self.uses;
        Some(&mut entry.value)
    }

    /// The value of `key`, made first where there is none.
    pub fn get_or_insert_with(&mut self, key: &K, make: impl FnOnce() -> V) -> &mut V {
        if !self.entries.contains_key(key) {
            self.insert(key.clone(), make());
        }
        self.get(key).expect("inserted just above")
    }

    /// Keeps `value`.
    pub fn insert(&mut self, key: K, value: V) {
        self.remove(&key);
        while self.entries.len() >= self.capacity {
            let Some((listed, oldest)) = self.order.pop_first() else { break };
            match self.entries.get_mut(&oldest) {
                Some(entry) if entry.used > listed => {
                    entry.listed = entry.used;
                    self.order.insert(entry.used, oldest);
                }
                _ => drop(self.entries.remove(&oldest)),
            }
        }
        self.uses += 1;
        self.order.insert(self.uses, key.clone());
        self.entries.insert(key, Entry { used: self.uses, listed: self.uses, value });
    }

    /// Forgets `key`.
    pub fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.order.remove(&entry.listed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_that_was_not_used_for_the_longest_time_makes_room() {
        let mut recent = Recent::new(2);
        recent.insert("a", 1);
        recent.insert("b", 2);
        assert_eq!(recent.get(&"a"), Some(&mut 1));
        recent.insert("c", 3);
        assert_eq!((recent.get(&"a").copied(), recent.get(&"b").copied(), recent.get(&"c").copied()), (Some(1), None, Some(3)));
        recent.insert("c", 4);
        assert_eq!((recent.get(&"a").copied(), recent.get(&"c").copied()), (Some(1), Some(4)));
    }

    #[test]
    fn it_is_the_list_by_last_use_whatever_happens_and_as_long() {
        let (mut recent, mut list) = (Recent::new(5), Vec::<(u32, u32)>::new());
        let mut drawn: u32 = 1;
        for step in 0..20_000 {
            drawn = drawn.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (key, kind) = ((drawn >> 16) % 9, (drawn >> 28) % 4);
            let known = list.iter().position(|(listed, _)| *listed == key).map(|index| list.remove(index));
            match kind {
                0 => recent.remove(&key),
                1 => {
                    recent.insert(key, step);
                    list.drain(..list.len().saturating_sub(4));
                    list.push((key, step));
                }
                _ => {
                    assert_eq!(recent.get(&key).copied(), known.map(|(_, value)| value), "step {step}");
                    list.extend(known);
                }
            }
            assert_eq!((recent.entries.len(), recent.order.len()), (list.len(), list.len()), "step {step}");
        }
    }
}
