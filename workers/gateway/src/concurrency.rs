//! How many newcomers an isolate serves at once: an adaptive limit, so that too many of them are told to come back
//! instead of standing in the way of each other and of those who are inside.
//!
//! A burst is taken in whole, up to the setting. Where answers come late for longer than a moment, the limit becomes
//! what is served in time at the pace of the last second (Little's law: concurrency = pace × time), and grows by half
//! with each second in which they come in time again. When nobody waits any more it is what it was.
//!
//! In time is [`WAIT_MS`] after the quickest answer since somebody began to wait: how far away the objects are is not held
//! against anybody.

use std::collections::BTreeSet;

use domain::time::Millis;

/// Newcomers at once, where the setting says nothing: at 250 a second, the last of them waits for eight seconds.
pub const IN_FLIGHT_MAX: u32 = 2048;
/// The limit does not become less than this, or than the setting: enough to keep objects busy that answer in a quarter of a second.
const LEAST: u32 = 64;
/// How long a newcomer should wait for others at most, in milliseconds: the platform's goal for its slowest twentieth.
const WAIT_MS: u64 = 120;
/// The pace is measured for so long, in milliseconds.
const WINDOW_MS: u64 = 1000;
/// After so long a newcomer no longer counts, in milliseconds: of a client that went away the platform tells nothing.
const FORGOTTEN_MS: u64 = 5000;

/// Somebody who is being served; given back with [`Concurrency::leave`] or [`Concurrency::answer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    began: Millis,
    id: u64,
}

/// The newcomers of one isolate.
#[derive(Debug)]
pub struct Concurrency {
    most: u32,
    limit: u32,
    in_flight: BTreeSet<Slot>,
    last_id: u64,
    /// The quickest answer since nobody was being served, in milliseconds.
    quickest_ms: Option<u64>,
    window: Window,
}

/// What was served since the limit was last looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    began: Millis,
    served: u32,
    late: u32,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self::new(IN_FLIGHT_MAX)
    }
}

impl Concurrency {
    /// Nobody yet, and at most so many at once.
    #[must_use]
    pub const fn new(most: u32) -> Self {
        let window = Window { began: Millis(0), served: 0, late: 0 };
        Self { most, limit: most, in_flight: BTreeSet::new(), last_id: 0, quickest_ms: None, window }
    }

    /// Takes a newcomer in, if there is room.
    pub fn enter(&mut self, now: Millis) -> Option<Slot> {
        while self.in_flight.first().is_some_and(|slot| now.since_ms(slot.began) >= FORGOTTEN_MS) {
            self.in_flight.pop_first();
        }
        if self.in_flight.is_empty() {
            (self.limit, self.quickest_ms, self.window) = (self.most, None, Window { began: now, ..Window::default() });
        }
        if self.in_flight.len() >= self.limit as usize {
            return None;
        }
        self.last_id += 1;
        let slot = Slot { began: now, id: self.last_id };
        self.in_flight.insert(slot);
        Some(slot)
    }

    /// A newcomer goes without an answer that was asked for. A refusal at once says nothing of how long answers take; a late
    /// one does.
    pub fn leave(&mut self, slot: Slot, now: Millis) {
        if self.in_flight.remove(&slot) && now.since_ms(slot.began) > self.in_time_ms() {
            self.count(true, now);
        }
    }

    /// A newcomer got an answer, and goes.
    pub fn answer(&mut self, slot: Slot, now: Millis) {
        self.in_flight.remove(&slot);
        let served_ms = now.since_ms(slot.began);
        self.quickest_ms = Some(self.quickest_ms.unwrap_or(served_ms).min(served_ms));
        self.count(served_ms > self.in_time_ms(), now);
    }

    fn count(&mut self, late: bool, now: Millis) {
        self.window.served += 1;
        self.window.late += u32::from(late);
        let took_ms = now.since_ms(self.window.began);
        if took_ms >= WINDOW_MS {
            self.adapt(took_ms);
            self.window = Window { began: now, ..Window::default() };
        }
    }

    fn in_time_ms(&self) -> u64 {
        self.quickest_ms.unwrap_or(0) + WAIT_MS
    }

    fn adapt(&mut self, took_ms: u64) {
        let Window { served, late, .. } = self.window;
        self.limit = if late > served / 2 {
            let in_time = u64::from(served) * self.in_time_ms() / took_ms;
            u32::try_from(in_time).unwrap_or(u32::MAX).max(LEAST)
        } else {
            self.limit.saturating_add(self.limit / 2)
        }
        .min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A server that answers so many a second, in order, and how many of those who came every millisecond it turned away.
    struct Server {
        newcomers: Concurrency,
        waiting: VecDeque<Slot>,
        now: u64,
        shed: u64,
        longest_ms: u64,
    }

    impl Server {
        fn new() -> Self {
            Self { newcomers: Concurrency::default(), waiting: VecDeque::new(), now: 1_000_000, shed: 0, longest_ms: 0 }
        }

        fn arrive(&mut self, count: u64) {
            for _ in 0..count {
                match self.newcomers.enter(Millis(self.now)) {
                    Some(slot) => self.waiting.push_back(slot),
                    None => self.shed += 1,
                }
            }
        }

        /// For so many milliseconds `arriving` come in each, and one is answered every `each_ms`.
        fn run(&mut self, ms: u64, arriving: u64, each_ms: u64) {
            (self.shed, self.longest_ms) = (0, 0);
            for _ in 0..ms {
                self.now += 1;
                self.arrive(arriving);
                if self.now.is_multiple_of(each_ms)
                    && let Some(slot) = self.waiting.pop_front()
                {
                    self.longest_ms = self.longest_ms.max(self.now - slot.began.0);
                    self.newcomers.answer(slot, Millis(self.now));
                }
            }
        }
    }

    #[test]
    fn a_burst_is_taken_in_whole() {
        let mut server = Server::new();
        server.arrive(u64::from(IN_FLIGHT_MAX));
        assert_eq!(server.shed, 0);
        server.arrive(1);
        assert_eq!(server.shed, 1);
    }

    #[test]
    fn who_comes_no_faster_than_is_served_is_never_turned_away() {
        let mut server = Server::new();
        server.run(60_000, 1, 1);
        assert_eq!((server.shed, server.longest_ms), (0, 0));
    }

    #[test]
    fn too_many_for_long_wait_no_longer_than_a_second_and_the_rest_is_turned_away() {
        let mut server = Server::new();
        // Four times what is served.
        server.run(20_000, 1, 4);
        server.run(10_000, 1, 4);
        assert!(server.longest_ms <= 4 * u64::from(LEAST) + 1, "{} ms", server.longest_ms);
        assert!((7400..=7600).contains(&server.shed), "{} of 10,000", server.shed);
    }

    #[test]
    fn a_fast_server_is_given_as_many_as_it_answers_in_time() {
        let mut server = Server::new();
        server.run(20_000, 4, 1);
        server.run(10_000, 4, 1);
        assert!((WAIT_MS..=2 * WAIT_MS).contains(&server.longest_ms), "{} ms", server.longest_ms);
    }

    #[test]
    fn far_away_is_not_late() {
        let mut newcomers = Concurrency::default();
        let mut waiting = VecDeque::new();
        for now in 1_000_000..1_020_000 {
            let refused = newcomers.enter(Millis(now)).expect("nobody is turned away");
            newcomers.leave(refused, Millis(now));
            waiting.push_back((now + 400, newcomers.enter(Millis(now)).expect("nobody is turned away")));
            while waiting.front().is_some_and(|(at, _)| *at <= now) {
                let (_, slot) = waiting.pop_front().expect("just seen");
                newcomers.answer(slot, Millis(now));
            }
        }
        assert_eq!((newcomers.limit, waiting.len()), (IN_FLIGHT_MAX, 400));
    }

    #[test]
    fn refusals_that_come_late_are_late() {
        let mut newcomers = Concurrency::default();
        let slots: Vec<Slot> = (0..1000).filter_map(|_| newcomers.enter(Millis(1_000_000))).collect();
        let (quick, slow) = slots.split_first().expect("room");
        newcomers.answer(*quick, Millis(1_000_001));
        let leave = |newcomers: &mut Concurrency, slot: &Slot| newcomers.leave(*slot, Millis(1_000_000 + WINDOW_MS / 2));
        slow[1..].iter().for_each(|slot| leave(&mut newcomers, slot));
        newcomers.leave(slow[0], Millis(1_000_000 + WINDOW_MS));
        assert!(newcomers.limit < IN_FLIGHT_MAX, "{}", newcomers.limit);
    }

    #[test]
    fn when_it_is_over_it_is_over() {
        let mut server = Server::new();
        server.run(20_000, 1, 4);
        server.run(4 * u64::from(LEAST) + 10, 0, 4);
        server.arrive(u64::from(IN_FLIGHT_MAX));
        assert_eq!(server.shed, 0);
    }

    #[test]
    fn it_recovers_beside_a_trickle_too() {
        let mut server = Server::new();
        server.run(20_000, 1, 4);
        // As many as are served, always somebody there.
        server.run(10_000, 1, 1);
        server.arrive(1000);
        assert_eq!(server.shed, 0);
    }

    #[test]
    fn who_went_away_without_a_word_takes_no_room_for_ever() {
        let mut newcomers = Concurrency::new(3);
        let enter = |newcomers: &mut Concurrency, at| newcomers.enter(Millis(at)).is_some();
        assert!((0..3).all(|_| enter(&mut newcomers, 1000)));
        assert!(!enter(&mut newcomers, 1000 + FORGOTTEN_MS - 1));
        assert!((0..3).all(|_| enter(&mut newcomers, 1000 + FORGOTTEN_MS)));
        assert!(!enter(&mut newcomers, 1000 + FORGOTTEN_MS));
    }

    #[test]
    fn a_setting_below_the_least_is_kept_to() {
        let mut newcomers = Concurrency::new(2);
        let slots: Vec<Slot> = (0..2).filter_map(|_| newcomers.enter(Millis(1000))).collect();
        newcomers.answer(slots[0], Millis(9000));
        newcomers.answer(slots[1], Millis(9000));
        assert_eq!((newcomers.limit, slots.len()), (2, 2));
    }
}
