//! How soon calls follow each other: seldom enough that what a call costs is shared by many where many ask.

use std::cell::Cell;

use domain::time::Millis;

/// For how long it matters that somebody asked: of what was asked so long ago, the e-th part counts.
const MEMORY_MS: f64 = 50.0;
/// So many count at most where calls follow each other at once: 500 a second that come evenly, or 25 that come together.
const FREE: f64 = 25.0;
/// So much longer between calls for each that asks beyond that, in milliseconds.
const GAP_MS: f64 = 0.4;
/// Nobody waits longer for company, in milliseconds.
const GAP_MAX_MS: f64 = 10.0;

/// When the next call may leave, by how many ask. Somebody who is alone never waits. A busy process takes requests up one by
/// one, and calls that left at once would carry few questions, however many people wait to be taken up.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    asked: Cell<f64>,
    asked_at: Cell<Millis>,
    left_at: Cell<Option<Millis>>,
}

impl Pace {
    /// Somebody asks.
    pub(crate) fn ask(&self, now: Millis) {
        let asked = self.asked.get() * (-(now.since_ms(self.asked_at.get()) as f64) / MEMORY_MS).exp();
        self.asked.set(asked + 1.0);
        self.asked_at.set(now);
    }

    /// A call leaves.
    pub(crate) fn leave(&self, now: Millis) {
        self.left_at.set(Some(now));
    }

    /// How long the next call has to wait, in milliseconds: never longer than [`GAP_MAX_MS`], whatever the clock does.
    pub(crate) fn wait_ms(&self, now: Millis) -> u64 {
        let gap_ms = (GAP_MS * (self.asked.get() - FREE)).clamp(0.0, GAP_MAX_MS) as u64;
        self.left_at.get().map_or(0, |left_at| gap_ms.saturating_sub(now.since_ms(left_at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long after a call the next one leaves, once so many have asked each second for a while.
    fn gap_ms(asked_per_s: f64) -> u64 {
        let pace = Pace::default();
        let asked = (500.0 * asked_per_s / 1000.0) as u64;
        (0..asked).for_each(|index| pace.ask(Millis((index as f64 * 1000.0 / asked_per_s) as u64)));
        pace.leave(Millis(1000));
        pace.wait_ms(Millis(1000))
    }

    #[test]
    fn calls_of_few_follow_at_once_and_calls_of_many_after_a_while() {
        assert_eq!([10.0, 300.0, 500.0, 750.0, 1000.0, 30_000.0].map(gap_ms), [0, 0, 0, 5, 10, 10]);
    }

    #[test]
    fn nobody_waits_for_the_first_call() {
        let pace = Pace::default();
        (0..1000).for_each(|_| pace.ask(Millis(7)));
        assert_eq!(pace.wait_ms(Millis(7)), 0);
    }

    #[test]
    fn a_clock_that_goes_back_holds_nobody_up() {
        let pace = Pace::default();
        (0..1000).for_each(|_| pace.ask(Millis(100_000)));
        pace.leave(Millis(100_000));
        assert_eq!(pace.wait_ms(Millis(40_000)), 10);
        assert_eq!(pace.wait_ms(Millis(100_006)), 4);
    }
}
