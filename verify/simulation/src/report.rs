//! What a run was like.

use std::{collections::BTreeSet, fmt};

use domain::{
    id::{ReservationId, UserId},
    invariants::Violation,
    time::Millis,
};

/// Counted during a run.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Things that happened.
    pub steps: u64,
    /// Requests that isolates served.
    pub requests: u64,
    /// Calls that carried several questions.
    pub batches: u64,
    /// Commits that became durable.
    pub commits: u64,
    /// Steps of objects at their storage, and messages: where something can go wrong.
    pub moments: u64,
    /// Things that went wrong.
    pub faults: u64,
    /// Objects that lost their memory.
    pub crashes: u64,
    /// Longest time that a slot was idle in calm weather while people waited who could have it, in milliseconds.
    pub idle_max_ms: u64,
    /// Answers that were asked for again with the same key and compared.
    pub repeated: u64,
    /// Requests with a forged or foreign token or id.
    pub forged: u64,
    /// Envelopes that endpoints took.
    pub told: u64,
    /// People who had an order at the end.
    pub bought: u64,
    /// People who have not gone yet.
    pub people_here: u32,
    /// When the last of them went, in simulated milliseconds after the beginning.
    pub last_left_ms: u64,
    /// The highest place that anybody was told.
    pub last_told: u64,
    /// Who was told which places.
    pub places: BTreeSet<(u32, u64)>,
    /// Who was let in with which token.
    pub admissions: Vec<(String, UserId)>,
    /// Whose reservations were made.
    pub reservations: Vec<(ReservationId, UserId)>,
    /// In the order of entering: the places.
    pub entered: Vec<u64>,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Report {
    /// What decided it.
    pub seed: u64,
    /// Over everything that happened; the same for the same seed on every machine.
    pub hash: u64,
    /// Simulated milliseconds.
    pub simulated_ms: u64,
    /// People who came.
    pub people: u32,
    /// Seats that were sold at the end.
    pub sold: u64,
    /// Reservations that were made.
    pub held: u64,
    /// Counts.
    pub stats: Stats,
    /// Order of turns against order of joining: 1 without inversion.
    pub tau_turns: f64,
    /// Order of entering against order of joining: who was called early may enter late.
    pub tau_entered: f64,
    /// The promise that was broken first, if one was, and when.
    pub violation: Option<(Millis, Violation)>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stats { steps, requests, batches, commits, faults, crashes, idle_max_ms, repeated, forged, bought, .. } = &self.stats;
        write!(
            f,
            "seed {} hash {:016x}: {} people, {} simulated s, {steps} steps, {requests} requests, {batches} batches, {commits} commits, {faults} faults, \
             {crashes} crashes, {repeated} repeated, {forged} forged, {bought} bought, {} seats sold, {} reservations, idle {idle_max_ms} ms, \
             tau {:.3} (turns) {:.3} (entered)",
            self.seed,
            self.hash,
            self.people,
            self.simulated_ms / 1000,
            self.sold,
            self.held,
            self.tau_turns,
            self.tau_entered,
        )
    }
}

/// Kendall's tau of a sequence of distinct numbers against their order: 1 for rising, -1 for falling.
#[must_use]
pub fn kendall_tau(sequence: &[u64]) -> f64 {
    let pairs = sequence.len() * sequence.len().saturating_sub(1) / 2;
    if pairs == 0 {
        return 1.0;
    }
    let (_, inversions) = sorted(sequence.to_vec());
    1.0 - 2.0 * inversions as f64 / pairs as f64
}

/// Merge sort, counting the inversions that it undoes.
fn sorted(mut numbers: Vec<u64>) -> (Vec<u64>, u64) {
    if numbers.len() < 2 {
        return (numbers, 0);
    }
    let (right, in_right) = sorted(numbers.split_off(numbers.len() / 2));
    let (left, in_left) = sorted(numbers);
    let (mut merged, mut inversions) = (Vec::with_capacity(left.len() + right.len()), in_left + in_right);
    let (mut i, mut j) = (0, 0);
    while i < left.len() || j < right.len() {
        if j >= right.len() || (i < left.len() && left[i] <= right[j]) {
            merged.push(left[i]);
            i += 1;
        } else {
            merged.push(right[j]);
            j += 1;
            inversions += (left.len() - i) as u64;
        }
    }
    (merged, inversions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tau_is_one_for_rising_and_minus_one_for_falling_numbers() {
        assert_eq!(kendall_tau(&[1, 2, 5, 9]), 1.0);
        assert_eq!(kendall_tau(&[9, 5, 2, 1]), -1.0);
        assert_eq!(kendall_tau(&[1, 3, 2]), 1.0 - 2.0 / 3.0);
        assert_eq!(kendall_tau(&[]), 1.0);
    }
}
