//! Plain data that an isolate keeps between requests: bounded, disposable, and never another request's I/O.

use std::{cell::RefCell, rc::Rc};

use domain::time::Millis;

use super::gate::Gate;
use crate::recent::Recent;

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
}
