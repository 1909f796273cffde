//! Effects: what a machine owes to others, as data.
//!
//! A decision that has to be followed by something elsewhere (capture a payment, free a slot, deliver an envelope) adds a
//! [`Pending`] effect to the same commit. Whoever runs the machine performs what is due and feeds what came of it back as a
//! command, so that no crash loses an effect and none is performed without a reason in the rows. Performing one twice is
//! harmless: its id, or what it says, tells the receiver. This is the transactional outbox, in the sans-I/O style of
//! [quinn-proto](https://docs.rs/quinn-proto) and [str0m](https://docs.rs/str0m).
//!
//! Effects with the same ordering key are performed one at a time, in the order of their ids; a failed one holds up those
//! behind it. Different keys do not wait for each other.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{chance, time::Millis, trace::TraceId};

/// What can be owed.
pub trait Effect: Clone {
    /// What its order matters to.
    type Key: Ord + Clone;

    /// The key among whose effects it keeps its place.
    fn ordering_key(&self) -> Self::Key;
}

/// An effect that was not acknowledged yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending<E> {
    /// Rises within a machine.
    pub id: u64,
    /// How often it failed.
    pub attempt: u32,
    /// Not to be performed before.
    pub due_at: Millis,
    /// The request that caused it.
    #[serde(default)]
    pub trace: TraceId,
    /// What is owed.
    pub effect: E,
}

/// When something that failed is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The pause after each failure, in milliseconds; jitter comes on top.
    pub pauses_ms: &'static [u64],
    /// Whether the last pause repeats for ever. Otherwise one failure more than there are pauses is the last.
    pub for_ever: bool,
}

impl Retry {
    /// Jitter adds less than this part of a pause.
    const JITTER_DIVISOR: u64 = 4;

    /// When to try again after the failure number `failures`, the first being 1, at `now`; none where it is given up. What
    /// is tried has the name `who`, from which its jitter follows.
    #[must_use]
    pub fn after(&self, failures: u32, who: &str, now: Millis) -> Option<Millis> {
        let index = usize::try_from(failures).unwrap_or(usize::MAX).saturating_sub(1);
        let last = self.pauses_ms.last().filter(|_| self.for_ever);
        let pause_ms = *self.pauses_ms.get(index).or(last)?;
        let jitter_ms = chance::below(pause_ms / Self::JITTER_DIVISOR, &["retry", who, &failures.to_string()]);
        Some(now.plus_ms(pause_ms + jitter_ms))
    }
}

/// The pending effects of one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effects<E: Effect> {
    pending: BTreeMap<u64, Pending<E>>,
    /// Ids by ordering key. The first of each is its head.
    lines: BTreeMap<E::Key, BTreeSet<u64>>,
    /// When each head is due.
    due: BTreeSet<(Millis, u64)>,
}

impl<E: Effect> Default for Effects<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Effect> Effects<E> {
    /// Nothing is owed.
    #[must_use]
    pub const fn new() -> Self {
        Self { pending: BTreeMap::new(), lines: BTreeMap::new(), due: BTreeSet::new() }
    }

    /// Adds an effect, or replaces the one with its id.
    pub fn put(&mut self, pending: Pending<E>) {
        self.remove(pending.id);
        let line = self.lines.entry(pending.effect.ordering_key()).or_default();
        if line.first().is_none_or(|head| pending.id < *head) {
            if let Some(overtaken) = line.first().and_then(|head| self.pending.get(head)) {
                self.due.remove(&(overtaken.due_at, overtaken.id));
            }
            self.due.insert((pending.due_at, pending.id));
        }
        line.insert(pending.id);
        self.pending.insert(pending.id, pending);
    }

    /// Takes an effect away; the next one of its key becomes the head.
    pub fn remove(&mut self, id: u64) {
        let Some(gone) = self.pending.remove(&id) else { return };
        let key = gone.effect.ordering_key();
        let Some(line) = self.lines.get_mut(&key) else { return };
        line.remove(&id);
        if self.due.remove(&(gone.due_at, id)) {
            let next = line.first().and_then(|head| self.pending.get(head));
            self.due.extend(next.map(|next| (next.due_at, next.id)));
        }
        if line.is_empty() {
            self.lines.remove(&key);
        }
    }

    /// The effect with this id.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<&Pending<E>> {
        self.pending.get(&id)
    }

    /// The effect that is performed next among those of a key.
    #[must_use]
    pub fn head(&self, key: &E::Key) -> Option<&Pending<E>> {
        self.pending.get(self.lines.get(key)?.first()?)
    }

    /// Every effect, in the order of the ids.
    pub fn iter(&self) -> impl Iterator<Item = &Pending<E>> {
        self.pending.values()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether nothing is owed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// The heads that are due at `now`, the longest overdue first.
    pub fn due(&self, now: Millis) -> impl Iterator<Item = &Pending<E>> {
        self.due.range(..=(now, u64::MAX)).filter_map(|(_, id)| self.pending.get(id))
    }

    /// When the first head is due that is not at `now`.
    #[must_use]
    pub fn next_due_after(&self, now: Millis) -> Option<Millis> {
        self.due.range((now.plus_ms(1), 0)..).next().map(|(at, _)| *at)
    }
}

/// The effects of a machine that has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nothing {}

impl Effect for Nothing {
    type Key = ();

    fn ordering_key(&self) {}
}

impl Effects<Nothing> {
    /// The effects of a machine that has none.
    pub const NONE: &'static Self = &Self::new();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct To(u8);

    impl Effect for To {
        type Key = u8;

        fn ordering_key(&self) -> u8 {
            self.0
        }
    }

    const fn pending(id: u64, to: u8, due_at: u64) -> Pending<To> {
        Pending { id, attempt: 0, due_at: Millis(due_at), trace: TraceId::NONE, effect: To(to) }
    }

    #[test]
    fn a_failed_effect_holds_up_those_behind_it_and_no_others() {
        let mut effects = Effects::new();
        [pending(1, 7, 10), pending(2, 7, 10), pending(3, 8, 20)].into_iter().for_each(|pending| effects.put(pending));
        let due = |effects: &Effects<To>, at: u64| effects.due(Millis(at)).map(|pending| pending.id).collect::<Vec<_>>();
        assert_eq!((due(&effects, 10), effects.next_due_after(Millis(10))), (vec![1], Some(Millis(20))));
        effects.put(Pending { attempt: 1, ..pending(1, 7, 99) });
        assert_eq!((due(&effects, 50), effects.next_due_after(Millis(50))), (vec![3], Some(Millis(99))));
        effects.remove(1);
        assert_eq!(due(&effects, 50), [2, 3]);
        effects.remove(2);
        effects.remove(3);
        assert_eq!(effects, Effects::new());
    }

    #[test]
    fn pauses_grow_and_the_last_one_repeats_or_is_the_last() {
        let after = |retry: Retry, failures| retry.after(failures, "x", Millis(0)).map(|at| at.0);
        let for_ever = Retry { pauses_ms: &[1000, 8000], for_ever: true };
        assert!(matches!(after(for_ever, 1), Some(1000..1250)));
        assert!(matches!(after(for_ever, 2), Some(8000..10_000)));
        assert!(matches!(after(for_ever, 90), Some(8000..10_000)));
        let twice = Retry { for_ever: false, ..for_ever };
        assert_eq!((after(twice, 2).is_some(), after(twice, 3)), (true, None));
    }

    proptest! {
        #[test]
        fn heads_are_what_a_walk_finds(steps in prop::collection::vec((0_u64..12, 0_u8..3, 0_u64..50, any::<bool>()), 1..80)) {
            let mut effects = Effects::new();
            let mut kept = BTreeMap::<u64, Pending<To>>::new();
            for (id, to, due_at, put) in steps {
                if put {
                    // An effect keeps its key.
                    let to = kept.get(&id).map_or(to, |known| known.effect.0);
                    effects.put(pending(id, to, due_at));
                    kept.insert(id, pending(id, to, due_at));
                } else {
                    effects.remove(id);
                    kept.remove(&id);
                }
                let heads = (0..3).filter_map(|to| kept.values().find(|pending| pending.effect.0 == to));
                let mut heads: Vec<_> = heads.map(|head| (head.due_at, head.id)).collect();
                heads.sort_unstable();
                for now in [0, 25, 60].map(Millis) {
                    let due: Vec<u64> = effects.due(now).map(|pending| pending.id).collect();
                    let walked: Vec<u64> = heads.iter().filter(|(at, _)| *at <= now).map(|(_, id)| *id).collect();
                    prop_assert_eq!(due, walked);
                    let next = heads.iter().map(|(at, _)| *at).find(|at| *at > now);
                    prop_assert_eq!(effects.next_due_after(now), next);
                }
                prop_assert!(effects.iter().eq(kept.values()));
            }
        }
    }
}
