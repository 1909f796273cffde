//! Whatever happens in whatever order: every envelope is delivered or a dead letter, in order, none skipped.

use proptest::prelude::*;

use super::{attempt::Outcome, cursor::GIVE_UP_AFTER_MS, tests::*, *};

#[derive(Clone, Debug)]
enum Happening {
    /// Envelopes are logged.
    Logged(u8, u64),
    /// The endpoint hears how far the log reaches, less so many.
    Heard(u8, u64),
    /// Something due begins to be performed.
    Begun(usize),
    /// Something under way comes to an end.
    Done(usize, u16),
    /// The object dies. What was under way may have been received.
    Crashed,
    /// So many milliseconds pass.
    Passed(u64),
    Replayed(u8, u64),
    Redriven,
    Enabled,
    Redirected,
}

fn happening(longest_ms: u64) -> impl Strategy<Value = Happening> {
    let answer = prop_oneof![6 => Just(200_u16), 3 => Just(500), 1 => Just(410)];
    prop_oneof![
        3 => (0_u8..3, 1_u64..4).prop_map(|(n, count)| Happening::Logged(n, count)),
        3 => (0_u8..3, 0_u64..4).prop_map(|(n, lag)| Happening::Heard(n, lag)),
        8 => (0_usize..3).prop_map(Happening::Begun),
        8 => (0_usize..3, answer).prop_map(|(which, status)| Happening::Done(which, status)),
        1 => Just(Happening::Crashed),
        3 => (0..longest_ms).prop_map(Happening::Passed),
        1 => (0_u8..3, 0_u64..9).prop_map(|(n, after)| Happening::Replayed(n, after)),
        1 => Just(Happening::Redriven),
        1 => Just(Happening::Enabled),
        1 => Just(Happening::Redirected),
    ]
}

/// A bench and what is being performed there.
struct Course {
    bench: Bench,
    under_way: Vec<Pending<Effect>>,
    version: u64,
}

impl Course {
    fn new(before: u64) -> Self {
        let mut bench = Bench::new();
        (0..3).for_each(|n| {
            bench.logs.insert(event(n), (before, before));
        });
        Self { bench, under_way: Vec::new(), version: 1 }
    }

    fn reach(&self, n: u8) -> u64 {
        self.bench.logs[&event(n)].0
    }

    fn happens(&mut self, happening: &Happening) {
        match happening {
            Happening::Logged(n, count) => self.bench.logs.get_mut(&event(*n)).unwrap().0 += count,
            Happening::Heard(n, lag) => {
                let through = self.reach(*n).saturating_sub(*lag);
                self.bench.hear(*n, through);
            }
            Happening::Begun(which) => {
                let key = |pending: &Pending<Effect>| crate::effect::Effect::ordering_key(&pending.effect);
                let busy: Vec<Key> = self.under_way.iter().map(key).collect();
                let free: Vec<_> = self.bench.due().into_iter().filter(|pending| !busy.contains(&key(pending))).collect();
                self.under_way.extend(free.get(*which).cloned());
            }
            Happening::Done(which, status) => {
                if *which < self.under_way.len() {
                    let pending = self.under_way.remove(*which);
                    let command = self.bench.perform(&pending, &Outcome::Answered(*status));
                    self.bench.ask(&command);
                }
            }
            Happening::Crashed => {
                for pending in std::mem::take(&mut self.under_way) {
                    let _ = self.bench.perform(&pending, &Outcome::Answered(200));
                }
                self.bench.crash();
            }
            Happening::Passed(ms) => self.bench.now = self.bench.now.plus_ms(*ms),
            Happening::Replayed(n, after) => {
                let (event_id, after, through) = (event(*n), self.bench.logs[&event(*n)].1 + after, self.reach(*n));
                self.bench.ask(&Command::Replay { event_id, after, through });
            }
            Happening::Redriven => {
                self.bench.ask(&Command::Redrive(Letters::All));
            }
            Happening::Enabled => {
                self.bench.ask(&Command::Enable);
            }
            Happening::Redirected => {
                self.version += 1;
                let secret = format!("secret {}", self.version);
                self.bench.ask(&Command::Direct(Directions { secret, ..directions(self.version) }));
            }
        }
    }

    /// The last word of every log is heard, and the endpoint takes everything.
    fn ends_well(&mut self) {
        self.bench.crash();
        for n in 0..3 {
            self.bench.hear(n, self.reach(n));
        }
        self.bench.ask(&Command::Enable);
        self.bench.run(|_| Outcome::Answered(200));
        assert_eq!(self.bench.delivery.standing(self.bench.now).backlog, 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_envelope_is_delivered_in_order(
        before in 0_u64..5,
        happenings in prop::collection::vec(happening(60_000), 1..120),
    ) {
        let mut course = Course::new(before);
        happenings.iter().for_each(|happening| course.happens(happening));
        course.ends_well();
        prop_assert!(course.bench.tables.dead.is_empty(), "nothing failed for three days");
        for (event_id, (reach, before)) in &course.bench.logs {
            let mut delivered = *before;
            for sequence in course.bench.received.get(event_id).into_iter().flatten() {
                prop_assert!(*before < *sequence && *sequence <= delivered + 1, "{sequence} of {event_id} after {delivered}");
                delivered = delivered.max(*sequence);
            }
            prop_assert_eq!(delivered, *reach, "{}", event_id);
        }
    }

    #[test]
    fn what_was_not_delivered_is_a_dead_letter(happenings in prop::collection::vec(happening(GIVE_UP_AFTER_MS), 1..120)) {
        let mut course = Course::new(0);
        happenings.iter().for_each(|happening| course.happens(happening));
        course.ends_well();
        for (event_id, (reach, _)) in &course.bench.logs {
            let received = course.bench.received.get(event_id).cloned().unwrap_or_default();
            for sequence in 1..=*reach {
                let dead = course.bench.tables.dead.contains_key(&(event_id.clone(), sequence));
                prop_assert!(dead || received.contains(&sequence), "{} of {}", sequence, event_id);
            }
        }
        course.bench.ask(&Command::Redrive(Letters::All));
        course.bench.run(|_| Outcome::Answered(200));
        prop_assert!(course.bench.tables.dead.is_empty());
    }
}
