//! How fast people are let in: a token bucket in thousandths of a token, so that nothing is ever rounded.

use serde::{Deserialize, Serialize};

use crate::{event::QueueSettings, time::Millis};

/// One admission, in the bucket's unit: `admit_per_sec` thousandths flow in every millisecond.
const TOKEN: u64 = 1000;
/// Waves are at least this far apart, so that a crowd is let in with ten writes a second and not with a thousand,
const WAVE_SPACING_MAX_MS: u64 = 100;
/// unless a small bucket would overflow meanwhile; and never closer than this. A `burst` below a hundredth of
/// `admit_per_sec` therefore holds the rate down to 100 × `burst`.
const WAVE_SPACING_MIN_MS: u64 = 10;

/// The level of the bucket at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bucket {
    /// Thousandths of a token, at most `burst` tokens.
    level: u64,
    /// When it had this level.
    at: Millis,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn full(settings: &QueueSettings, now: Millis) -> Self {
        Self { level: capacity(settings), at: now }
    }

    /// The bucket at `now`, filled by the settings that held since. A clock that steps back fills nothing.
    pub(super) fn filled(self, settings: &QueueSettings, now: Millis) -> Self {
        let inflow = now.since_ms(self.at).saturating_mul(u64::from(settings.admit_per_sec));
        Self { level: self.level.saturating_add(inflow).min(capacity(settings)), at: self.at.max(now) }
    }

    /// Whole tokens in it.
    pub(super) const fn tokens(self) -> u64 {
        self.level / TOKEN
    }

    /// The bucket without `count` tokens.
    ///
    /// # Panics
    /// It has fewer: more would be let in than the settings allow.
    pub(super) fn without(self, count: u64) -> Self {
        assert!(count <= self.tokens(), "more admissions than tokens");
        Self { level: self.level - count * TOKEN, at: self.at }
    }

    /// When it has a whole token.
    pub(super) fn next_token_at(self, settings: &QueueSettings) -> Millis {
        let missing = TOKEN.saturating_sub(self.level);
        self.at.plus_ms(missing.div_ceil(u64::from(settings.admit_per_sec).max(1)))
    }
}

fn capacity(settings: &QueueSettings) -> u64 {
    u64::from(settings.burst) * TOKEN
}

/// How long after one wave the next may follow, in milliseconds.
pub(super) fn wave_spacing_ms(settings: &QueueSettings) -> u64 {
    let overflows_after = capacity(settings) / u64::from(settings.admit_per_sec).max(1);
    overflows_after.clamp(WAVE_SPACING_MIN_MS, WAVE_SPACING_MAX_MS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings(admit_per_sec: u32, burst: u32) -> QueueSettings {
        QueueSettings {
            admit_per_sec,
            burst,
            max_active: 1,
            entry_window_sec: 1,
            admission_ttl_sec: 1,
            lanes: 1,
            paused: false,
            notice: None,
        }
    }

    #[test]
    fn a_new_bucket_has_its_burst_and_no_more() {
        let settings = settings(50, 100);
        assert_eq!(Bucket::full(&settings, Millis(0)).filled(&settings, Millis(60_000)).tokens(), 100);
    }

    #[test]
    fn it_fills_at_exactly_its_rate_however_often_it_is_asked() {
        let settings = settings(3, 10);
        let mut bucket = Bucket::full(&settings, Millis(0)).without(10);
        for ms in 1..=333 {
            bucket = bucket.filled(&settings, Millis(ms));
        }
        assert_eq!((bucket.tokens(), bucket.next_token_at(&settings)), (0, Millis(334)));
        assert_eq!(bucket.filled(&settings, Millis(334)).tokens(), 1);
        assert_eq!(bucket.filled(&settings, Millis(1000)).tokens(), 3);
    }

    #[test]
    fn a_clock_that_steps_back_fills_nothing_twice() {
        let settings = settings(1000, 10);
        let bucket = Bucket::full(&settings, Millis(100)).without(10);
        let bucket = bucket.filled(&settings, Millis(50)).filled(&settings, Millis(100));
        assert_eq!(bucket.tokens(), 0);
    }

    #[test]
    fn waves_are_close_enough_that_a_small_bucket_does_not_overflow() {
        assert_eq!(wave_spacing_ms(&settings(50, 100)), 100);
        assert_eq!(wave_spacing_ms(&settings(50, 1)), 20);
        assert_eq!(wave_spacing_ms(&settings(100_000, 1)), 10);
    }

    proptest! {
        #[test]
        fn in_no_window_is_more_let_in_than_burst_and_rate_allow(
            steps in prop::collection::vec((0..700_u64, 1..40_u32, 1..60_u32, 0..100_u64), 1..60),
        ) {
            let mut now = Millis(1_000_000);
            let mut current = settings(10, 20);
            let mut bucket = Bucket::full(&current, now);
            // For each step: when it began, the settings that held until then, what was let in then.
            let mut log = vec![];
            for (wait, rate, burst, wish) in steps {
                let before = now;
                now = now.plus_ms(wait);
                bucket = bucket.filled(&current, now);
                log.push((before, now, current.clone(), 0));
                current = settings(rate, burst);
                bucket = bucket.filled(&current, now);
                let taken = wish.min(bucket.tokens());
                bucket = bucket.without(taken);
                log.push((now, now, current.clone(), taken));
            }
            for from in 0..log.len() {
                let (mut allowed, mut taken) = (0, 0);
                for (began, ended, held, let_in) in &log[from..] {
                    allowed += ended.since_ms(*began) * u64::from(held.admit_per_sec);
                    taken += let_in;
                    let most = log[from..].iter().map(|(_, _, held, _)| u64::from(held.burst)).max().unwrap_or(0);
                    prop_assert!(taken * 1000 <= allowed + most * 1000, "{taken} in {allowed} and {most}");
                }
            }
        }
    }
}
