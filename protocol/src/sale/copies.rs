//! Plain data that an isolate keeps between requests: bounded, disposable, and never another request's I/O.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use domain::time::Millis;

use super::Gate;

/// How long a request waits before it looks again, in milliseconds.
const LOOK_AGAIN_MS: u64 = 20;
/// How long a refresh by another request is counted on before somebody else tries as well, in milliseconds.
const REFRESH_PATIENCE_MS: u64 = 250;

/// How old a copy may be, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ages {
    /// Up to this age it is used as it is.
    pub fresh_ms: u64,
    /// Up to this age it is used while one request refreshes it; beyond, nobody uses it.
    pub usable_ms: u64,
}

/// What a request does with a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Answer from it.
    Use,
    /// Fetch a new one, then answer.
    Refresh,
    /// Look again a moment later: another request is fetching, and what is there is too old.
    Wait,
}

/// When a copy was made, and when a newer one was last asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// When the question that the copy answers was asked; never before the first answer.
    pub at: Option<Millis>,
    /// When a question that is still open was asked.
    pub asked_at: Option<Millis>,
}

impl Made {
    /// What to do at `now`.
    #[must_use]
    pub fn step(&self, ages: Ages, now: Millis) -> Step {
        let age = self.at.map_or(u64::MAX, |at| now.since_ms(at));
        let asked_ago = self.asked_at.map(|asked_at| now.since_ms(asked_at));
        match asked_ago {
            _ if age <= ages.fresh_ms => Step::Use,
            Some(ago) if age <= ages.usable_ms && ago <= ages.usable_ms => Step::Use,
            Some(ago) if age > ages.usable_ms && ago <= REFRESH_PATIENCE_MS => Step::Wait,
            _ => Step::Refresh,
        }
    }

    /// A newer copy is being fetched.
    pub fn ask(&mut self, now: Millis) {
        self.asked_at = Some(now);
    }

    /// The answer to a question asked at `asked_at` is here. Whether it is newer than the copy.
    pub fn answer(&mut self, asked_at: Millis) -> bool {
        if self.asked_at == Some(asked_at) {
            self.asked_at = None;
        }
        let newer = self.at.is_none_or(|at| at <= asked_at);
        if newer {
            self.at = Some(asked_at);
        }
        newer
    }

    /// No answer came to a question asked at `asked_at`.
    pub fn fail(&mut self, asked_at: Millis) {
        if self.asked_at == Some(asked_at) {
            self.asked_at = None;
        }
    }
}

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

/// A copy and when it was made.
#[derive(Debug, Default)]
pub struct Copy<V> {
    /// When.
    pub made: Made,
    /// What; its default before the first answer.
    pub value: V,
}

/// Copies by key. An isolate keeps one shelf of each kind.
pub type Shelf<K, V> = Rc<RefCell<Recent<K, Copy<V>>>>;

/// A shelf of at most `capacity` copies.
#[must_use]
pub fn shelf<K: Ord + Clone, V>(capacity: usize) -> Shelf<K, V> {
    Rc::new(RefCell::new(Recent::new(capacity)))
}

/// Looks at a copy that is young enough, after fetching it where that is this request's turn. `store` puts what was
/// fetched in place of what is there.
///
/// # Errors
/// What `fetch` says.
pub async fn fresh<G: Gate, K: Ord + Clone, V: Default, T, R>(
    gate: &G,
    shelf: &Shelf<K, V>,
    key: &K,
    ages: Ages,
    fetch: impl AsyncFnOnce() -> Result<T, G::Error>,
    store: impl FnOnce(&mut V, T),
    look: impl FnOnce(&V) -> R,
) -> Result<R, G::Error> {
    let asked_at = loop {
        let now = gate.now();
        let step = with_copy(shelf, key, |copy| {
            let step = copy.made.step(ages, now);
            if step == Step::Refresh {
                copy.made.ask(now);
            }
            step
        });
        match step {
            Step::Use => return Ok(with_copy(shelf, key, |copy| look(&copy.value))),
            Step::Wait => gate.pause(LOOK_AGAIN_MS).await,
            Step::Refresh => break now,
        }
    };
    let fetched = fetch().await;
    with_copy(shelf, key, |copy| match fetched {
        Ok(fetched) => {
            if copy.made.answer(asked_at) {
                store(&mut copy.value, fetched);
            }
            Ok(look(&copy.value))
        }
        Err(error) => {
            copy.made.fail(asked_at);
            Err(error)
        }
    })
}

fn with_copy<K: Ord + Clone, V: Default, R>(shelf: &Shelf<K, V>, key: &K, work: impl FnOnce(&mut Copy<V>) -> R) -> R {
    work(shelf.borrow_mut().get_or_insert_with(key, Copy::default))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGES: Ages = Ages { fresh_ms: 500, usable_ms: 1000 };

    fn step(at: Option<u64>, asked_at: Option<u64>, now: u64) -> Step {
        Made { at: at.map(Millis), asked_at: asked_at.map(Millis) }.step(AGES, Millis(now))
    }

    #[test]
    fn a_fresh_copy_is_used() {
        assert_eq!(step(Some(10_000), None, 10_500), Step::Use);
        assert_eq!(step(Some(10_000), Some(10_400), 10_500), Step::Use);
    }

    #[test]
    fn a_usable_copy_is_refreshed_by_the_first_request_and_used_by_the_others() {
        assert_eq!(step(Some(10_000), None, 10_501), Step::Refresh);
        assert_eq!(step(Some(10_000), Some(10_501), 10_502), Step::Use);
        assert_eq!(step(Some(10_000), Some(10_501), 11_000), Step::Use);
    }

    #[test]
    fn an_old_copy_is_used_by_nobody() {
        assert_eq!(step(Some(10_000), None, 11_001), Step::Refresh);
        assert_eq!(step(Some(10_000), Some(10_990), 11_001), Step::Wait);
        assert_eq!(step(None, None, 11_001), Step::Refresh);
    }

    #[test]
    fn a_refresh_that_takes_too_long_is_tried_by_others_too() {
        assert_eq!(step(None, Some(10_000), 10_250), Step::Wait);
        assert_eq!(step(None, Some(10_000), 10_251), Step::Refresh);
        assert_eq!(step(Some(10_000), Some(10_600), 11_100), Step::Refresh);
    }

    #[test]
    fn an_answer_that_was_overtaken_does_not_make_the_copy_older() {
        let mut made = Made::default();
        made.ask(Millis(1000));
        made.ask(Millis(1300));
        assert!(made.answer(Millis(1300)));
        assert!(!made.answer(Millis(1000)));
        assert_eq!(made, Made { at: Some(Millis(1300)), asked_at: None });
    }

    #[test]
    fn a_failed_refresh_lets_the_next_request_try() {
        let mut made = Made::default();
        made.ask(Millis(1000));
        made.fail(Millis(1000));
        assert_eq!(made.step(AGES, Millis(1001)), Step::Refresh);
    }

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
