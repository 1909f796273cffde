//! Where an endpoint stands in the log of one event.

use crate::{chance, effect::Retry, time::Millis};

/// Pauses between one try and the next; jitter of up to a quarter comes on top. The last one repeats until
/// [`GIVE_UP_AFTER_MS`]: some twenty tries in three days.
pub const RETRY: Retry = Retry { pauses_ms: &[5_000, 30_000, 120_000, 600_000, 3_600_000, 14_400_000], for_ever: true };
/// How long an envelope is tried, from its first failure on, in milliseconds: three days, which a weekend is shorter than.
pub const GIVE_UP_AFTER_MS: u64 = 3 * 24 * 60 * 60 * 1000;

/// Where an endpoint stands in the log of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The highest sequence heard of.
    pub known: u64,
    /// The last envelope that was delivered or given up, or that is older than the endpoint; none before the log was asked
    /// which that is. Never beyond `known`.
    pub acked: Option<u64>,
    /// Where a replay is to begin that was asked for before the cursor had its place.
    pub replay_after: Option<u64>,
    /// The highest that `acked` ever was: up to here everything goes again after a replay.
    pub highest: u64,
    /// How often the next envelope failed.
    pub attempt: u32,
    /// When the next envelope may be tried.
    pub due_at: Millis,
    /// When the next envelope failed first.
    pub first_failed_at: Option<Millis>,
}

impl Cursor {
    /// A cursor whose place in the log is to be asked for.
    #[must_use]
    pub const fn unplaced(known: u64, now: Millis) -> Self {
        Self { known, acked: None, replay_after: None, highest: 0, attempt: 0, due_at: now, first_failed_at: None }
    }

    /// Whether something is to be done for it.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.acked.is_none_or(|acked| acked < self.known)
    }

    /// How many envelopes wait, as far as is known.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        self.acked.map_or(0, |acked| self.known - acked)
    }

    /// The cursor once it stands at `acked`, to go on at `now`.
    #[must_use]
    pub fn at(&self, acked: u64, now: Millis) -> Self {
        Self {
            known: self.known.max(acked),
            acked: Some(acked),
            replay_after: None,
            highest: self.highest.max(acked),
            attempt: 0,
            due_at: now,
            first_failed_at: None,
        }
    }

    /// The cursor once the log has said where it begins.
    #[must_use]
    pub fn placed(&self, after: u64, now: Millis) -> Self {
        let heard = Self { known: self.known.max(after), ..self.clone() };
        heard.at(self.replay_after.map_or(after, |replay| replay.min(after)), now)
    }

    /// The cursor once everything behind `after` is to go again, and where that begins: a replay skips nothing.
    #[must_use]
    pub fn replayed(&self, after: u64, now: Millis) -> (Self, u64) {
        let after = after.min(self.acked.or(self.replay_after).unwrap_or(self.known));
        let cursor = match self.acked {
            Some(_) => self.at(after, now),
            None => Self { replay_after: Some(after), due_at: now, ..self.clone() },
        };
        (cursor, after)
    }

    /// The cursor once it has heard of `through`.
    #[must_use]
    pub fn heard(&self, through: u64, now: Millis) -> Self {
        // What was caught up begins anew; what waits for its next try goes on waiting.
        let due_at = if self.is_behind() { self.due_at } else { now };
        Self { known: self.known.max(through), due_at, ..self.clone() }
    }

    /// The cursor once its next envelope, named `who`, has failed at `now`; none where that was its last try.
    #[must_use]
    pub fn failed(&self, who: &str, now: Millis) -> Option<Self> {
        let first = self.first_failed_at.unwrap_or(now);
        let ends_at = first.plus_ms(GIVE_UP_AFTER_MS);
        let attempt = self.attempt.saturating_add(1);
        let due_at = RETRY.after(attempt, who, now)?.min(ends_at);
        (now < ends_at).then(|| Self { attempt, due_at, first_failed_at: Some(first), ..self.clone() })
    }
}

/// When the log is asked again that did not answer at `now`: it is one of our own objects, and soon there again.
#[must_use]
pub fn ask_again_at(who: &str, now: Millis) -> Millis {
    const PAUSE_MS: u64 = 10_000;
    const JITTER_MS: u64 = 2_500;
    now.plus_ms(PAUSE_MS + chance::below(JITTER_MS, &["log", who, &now.0.to_string()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_go_on_for_three_days_with_growing_pauses() {
        let mut cursor = Cursor::unplaced(1, Millis(0)).at(0, Millis(0));
        let mut tried = vec![0];
        while let Some(failed) = cursor.failed("msg_e_1", cursor.due_at) {
            tried.push(failed.due_at.0);
            cursor = failed;
        }
        assert_eq!(tried.last(), Some(&GIVE_UP_AFTER_MS));
        assert!((20..=24).contains(&tried.len()), "{tried:?}");
        let pauses: Vec<u64> = tried.windows(2).map(|two| two[1] - two[0]).collect();
        for (pause, least) in pauses.iter().zip(RETRY.pauses_ms) {
            assert!((*least..least + least / 4 + 1).contains(pause), "{pause} after {least}");
        }
        assert!(pauses.iter().all(|pause| *pause <= 18_000_000));
    }
}
