//! Rows that are in memory though nothing can happen to them by itself: brought in for a command, or over a moment ago, when
//! somebody is likely to ask once more.

use std::collections::BTreeMap;

/// Rows that are kept at once: twice the commands of a commit.
const KEPT_MAX: usize = 256;

/// The newest of these rows, by keys that rise with time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recalled<K, V>(BTreeMap<K, V>);

impl<K, V> Default for Recalled<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Copy + Ord, V> Recalled<K, V> {
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key)
    }

    /// Keeps a row as it is now; an old one may go for it.
    pub(crate) fn keep(&mut self, key: K, row: V) {
        if self.0.len() >= KEPT_MAX && !self.0.contains_key(&key) {
            self.0.pop_first();
        }
        self.0.insert(key, row);
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.0.remove(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first_and_the_last_one_stays_however_old_it_is() {
        let mut recalled = Recalled::default();
        (1..=KEPT_MAX).for_each(|key| recalled.keep(key, key));
        recalled.keep(0, 0);
        assert_eq!((recalled.get(&0), recalled.get(&1), recalled.get(&2)), (Some(&0), None, Some(&2)));
        recalled.keep(2, 7);
        assert_eq!((recalled.get(&0), recalled.get(&2)), (Some(&0), Some(&7)));
        assert_eq!((recalled.remove(&0), recalled.get(&0)), (Some(0), None));
    }
}
