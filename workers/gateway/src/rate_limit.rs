//! A token bucket per caller, in integers, kept per isolate.
//!
//! An isolate counts what it sees itself: a caller that is spread over several isolates may do more. That keeps the
//! limit free of I/O; it protects the platform and is no rule of the sale.

use std::collections::{BTreeMap, BTreeSet};

use domain::time::Millis;

use crate::config::RateLimit;

/// Most buckets that are kept: 50,000 of about 150 bytes are 7.5 MB. Beyond, the fullest is forgotten, which gives its
/// caller the least.
const BUCKETS_MAX: usize = 50_000;
/// A request, in the unit of levels: thousandths, so that `rps` of them flow in each millisecond.
const REQUEST: u64 = 1000;

/// How a caller stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether the request may go on.
    pub allowed: bool,
    /// Requests at once that remain.
    pub remaining: u32,
    /// Seconds until the bucket is full again.
    pub reset_sec: u64,
    /// Seconds until one more request may go on; at least 1.
    pub retry_after_sec: u64,
}

/// How much of the bucket is used, at one instant. An absent bucket is a full one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bucket {
    level: u64,
    at: Millis,
}

impl Bucket {
    const fn full(limit: RateLimit, now: Millis) -> Self {
        Self { level: limit.burst as u64 * REQUEST, at: now }
    }

    /// The same bucket at `now`, with what has flowed in. A clock that went back changes nothing.
    fn at(self, limit: RateLimit, now: Millis) -> Self {
        let gained = now.since_ms(self.at).saturating_mul(u64::from(limit.rps));
        let level = self.level.saturating_add(gained).min(Self::full(limit, now).level);
        Self { level, at: now.max(self.at) }
    }

    fn standing(self, limit: RateLimit) -> Standing {
        Standing {
            allowed: self.level >= REQUEST,
            remaining: u32::try_from(self.level / REQUEST).unwrap_or(u32::MAX),
            reset_sec: self.ms_until(limit, Self::full(limit, self.at).level).div_ceil(1000),
            retry_after_sec: self.ms_until(limit, REQUEST).div_ceil(1000).max(1),
        }
    }

    /// Milliseconds until the level is `wanted`.
    fn ms_until(self, limit: RateLimit, wanted: u64) -> u64 {
        wanted.saturating_sub(self.level).div_ceil(u64::from(limit.rps).max(1))
    }
}

/// The buckets of all callers. A full one needs not be kept.
#[derive(Debug, Default)]
pub struct RateLimiter {
    by_caller: BTreeMap<String, (Bucket, Millis)>,
    by_full_at: BTreeSet<(Millis, String)>,
}

impl RateLimiter {
    /// Takes one request of `caller` at `now`.
    pub fn take(&mut self, caller: &str, limit: RateLimit, now: Millis) -> Standing {
        let kept = self.by_caller.remove(caller);
        if let Some((_, full_at)) = kept {
            self.by_full_at.remove(&(full_at, caller.to_owned()));
        }
        let mut bucket = kept.map_or_else(|| Bucket::full(limit, now), |(bucket, _)| bucket.at(limit, now));
        let allowed = bucket.level >= REQUEST;
        if allowed {
            bucket.level -= REQUEST;
        }
        let full_in_ms = bucket.ms_until(limit, Bucket::full(limit, now).level);
        let full_at = bucket.at.plus_ms(full_in_ms);
        self.by_caller.insert(caller.to_owned(), (bucket, full_at));
        self.by_full_at.insert((full_at, caller.to_owned()));
        self.forget(now);
        Standing { allowed, ..bucket.standing(limit) }
    }

    /// How `caller` stands at `now`, without taking anything.
    #[must_use]
    pub fn look(&self, caller: &str, limit: RateLimit, now: Millis) -> Standing {
        let kept = self.by_caller.get(caller).map(|(bucket, _)| bucket.at(limit, now));
        kept.unwrap_or_else(|| Bucket::full(limit, now)).standing(limit)
    }

    fn forget(&mut self, now: Millis) {
        while self.by_full_at.len() > BUCKETS_MAX || self.by_full_at.first().is_some_and(|(full_at, _)| *full_at <= now) {
            let Some((_, caller)) = self.by_full_at.pop_first() else { break };
            self.by_caller.remove(&caller);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: RateLimit = RateLimit { rps: 50, burst: 100 };

    fn allowed(limiter: &mut RateLimiter, tries: u32, now: Millis) -> u32 {
        (0..tries).filter(|_| limiter.take("u:1", LIMIT, now).allowed).count() as u32
    }

    #[test]
    fn a_burst_goes_through_and_then_the_rate() {
        let mut limiter = RateLimiter::default();
        assert_eq!(allowed(&mut limiter, 150, Millis(0)), 100);
        assert_eq!(allowed(&mut limiter, 10, Millis(19)), 0);
        assert_eq!(allowed(&mut limiter, 10, Millis(20)), 1);
        assert_eq!(allowed(&mut limiter, 100, Millis(1020)), 50);
        assert_eq!(allowed(&mut limiter, 200, Millis(60_000)), 100);
    }

    #[test]
    fn never_more_than_burst_and_rate_in_any_time() {
        let mut limiter = RateLimiter::default();
        let through: u32 = (0..10_000).map(|ms| allowed(&mut limiter, 1, Millis(ms))).sum();
        assert!((599..=600).contains(&through), "{through}");
    }

    #[test]
    fn the_standing_says_when_to_come_back() {
        let mut limiter = RateLimiter::default();
        let first = limiter.take("u:1", LIMIT, Millis(0));
        assert_eq!((first.allowed, first.remaining, first.reset_sec), (true, 99, 1));
        allowed(&mut limiter, 100, Millis(0));
        let last = limiter.take("u:1", LIMIT, Millis(0));
        assert_eq!((last.allowed, last.remaining, last.reset_sec, last.retry_after_sec), (false, 0, 2, 1));
        let slow = RateLimit { rps: 1, burst: 1 };
        limiter.take("u:2", slow, Millis(0));
        assert_eq!(limiter.take("u:2", slow, Millis(0)).retry_after_sec, 1);
    }

    #[test]
    fn looking_takes_nothing() {
        let mut limiter = RateLimiter::default();
        assert_eq!(limiter.look("u:1", LIMIT, Millis(0)).remaining, 100);
        limiter.take("u:1", LIMIT, Millis(0));
        assert_eq!(limiter.look("u:1", LIMIT, Millis(0)).remaining, 99);
        assert_eq!(limiter.look("u:1", LIMIT, Millis(20)).remaining, 100);
    }

    #[test]
    fn callers_do_not_share_a_bucket() {
        let mut limiter = RateLimiter::default();
        allowed(&mut limiter, 100, Millis(0));
        assert!(limiter.take("a:192.0.2.1", LIMIT, Millis(0)).allowed);
    }

    #[test]
    fn full_buckets_are_forgotten_and_the_number_is_bounded() {
        let mut limiter = RateLimiter::default();
        for i in 0..=BUCKETS_MAX {
            limiter.take(&format!("u:{i}"), LIMIT, Millis(0));
        }
        assert_eq!((limiter.by_caller.len(), limiter.by_full_at.len()), (BUCKETS_MAX, BUCKETS_MAX));
        limiter.take("u:last", LIMIT, Millis(10_000));
        assert_eq!(limiter.by_caller.len(), 1);
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let mut limiter = RateLimiter::default();
        assert_eq!(allowed(&mut limiter, 100, Millis(10_000)), 100);
        assert_eq!(allowed(&mut limiter, 1, Millis(5_000)), 0);
        assert_eq!(allowed(&mut limiter, 1, Millis(10_019)), 0);
        assert_eq!(allowed(&mut limiter, 1, Millis(10_020)), 1);
    }
}
