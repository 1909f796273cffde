//! The state of every seat and place, as dense arrays in map order.
//!
//! Memory is one byte and one bit a seat, and a few counters a section: 225 KB at 200,000 seats.

use crate::seat_map::{MapSection, Seat, SeatMap};

/// What a seat is. The number is the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum SeatState {
    /// Can be held.
    Available = 0,
    /// Held by one reservation.
    Held = 1,
    /// Sold to one order.
    Sold = 2,
    /// Kept back by the organiser.
    Blocked = 3,
}

/// How many seats or places of a section are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    by_state: [u32; 4],
}

impl Counts {
    /// How many are in `state`.
    #[must_use]
    pub const fn of(&self, state: SeatState) -> u32 {
        self.by_state[state as usize]
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.by_state.iter().sum()
    }

    fn shift(&mut self, from: SeatState, to: SeatState, number: u32) {
        assert!(self.by_state[from as usize] >= number, "no section gives away more than it has");
        self.by_state[from as usize] -= number;
        self.by_state[to as usize] += number;
    }
}

/// Seats and places of one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seats {
    states: Vec<SeatState>,
    /// One bit a seat, set where it is available.
    free: Vec<u64>,
    sections: Vec<Counts>,
}

impl Seats {
    /// Everything available.
    #[must_use]
    pub fn new(map: &SeatMap) -> Self {
        let seats = map.seats() as usize;
        let mut free = vec![u64::MAX; seats.div_ceil(64)];
        if let Some(last) = free.last_mut().filter(|_| !seats.is_multiple_of(64)) {
            *last = (1 << (seats % 64)) - 1;
        }
        let all_available = |section: &MapSection| Counts { by_state: [section.total(), 0, 0, 0] };
        Self { states: vec![SeatState::Available; seats], free, sections: map.sections().iter().map(all_available).collect() }
    }

    /// The state of a seat.
    #[must_use]
    pub fn state(&self, seat: Seat) -> SeatState {
        self.states[seat.index()]
    }

    /// The states of a section's seats, in map order.
    #[must_use]
    pub fn states(&self, section: &MapSection) -> &[SeatState] {
        &self.states[section.first.index()..section.first.index() + section.seats as usize]
    }

    /// Every seat that is not available, with its state.
    pub fn taken(&self) -> impl Iterator<Item = (Seat, SeatState)> + '_ {
        let seats = (0..).map(Seat).zip(self.states.iter().copied());
        seats.filter(|(_, state)| *state != SeatState::Available)
    }

    /// The counters of a section.
    #[must_use]
    pub fn counts(&self, section: usize) -> &Counts {
        &self.sections[section]
    }

    /// The counters of all sections together.
    #[must_use]
    pub fn totals(&self) -> Counts {
        let mut totals = Counts::default();
        for counts in &self.sections {
            for (total, count) in totals.by_state.iter_mut().zip(counts.by_state) {
                *total += count;
            }
        }
        totals
    }

    /// Puts a seat of `section` into `to`.
    pub fn set(&mut self, section: usize, seat: Seat, to: SeatState) {
        let from = self.states[seat.index()];
        if from == to {
            return;
        }
        self.states[seat.index()] = to;
        self.sections[section].shift(from, to, 1);
        let (word, bit) = (seat.index() / 64, 1_u64 << (seat.index() % 64));
        if to == SeatState::Available {
            self.free[word] |= bit;
        } else {
            self.free[word] &= !bit;
        }
    }

    /// Moves places of a general section.
    pub fn shift_places(&mut self, section: usize, from: SeatState, to: SeatState, number: u32) {
        self.sections[section].shift(from, to, number);
    }

    /// The runs of available seats among `count` seats from `first`, as offsets from `first`: start and length.
    pub fn free_runs(&self, first: Seat, count: u32) -> FreeRuns<'_> {
        FreeRuns { free: &self.free, at: first.index(), end: first.index() + count as usize, first: first.index() }
    }
}

/// See [`Seats::free_runs`].
#[derive(Debug)]
pub struct FreeRuns<'a> {
    free: &'a [u64],
    at: usize,
    end: usize,
    first: usize,
}

impl FreeRuns<'_> {
    /// From `at`, the next seat below `end` whose bit is `free`, or `end`.
    fn seek(&self, at: usize, free: bool) -> usize {
        let mut at = at;
        while at < self.end {
            let word = if free { self.free[at / 64] } else { !self.free[at / 64] };
            let ahead = word >> (at % 64);
            if ahead != 0 {
                return self.end.min(at + ahead.trailing_zeros() as usize);
            }
            at = (at / 64 + 1) * 64;
        }
        self.end
    }
}

impl Iterator for FreeRuns<'_> {
    type Item = (u32, u32);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.seek(self.at, true);
        if start == self.end {
            return None;
        }
        self.at = self.seek(start, false);
        let offset = |index: usize| u32::try_from(index - self.first).expect("a row has at most 200,000 seats");
        Some((offset(start), offset(self.at) - offset(start)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{Row, Section, SectionKind, Text};

    fn one_row(count: u32) -> SeatMap {
        let rows = vec![Row { id: "1".into(), count, blocked: vec![] }];
        SeatMap::new(&[Section {
            id: "A".into(),
            name: Text::One("A".into()),
            price: 1,
            kind: SectionKind::Seated { rows },
            layout: None,
        }])
    }

    proptest! {
        #[test]
        fn runs_are_what_a_walk_over_the_seats_finds(states in prop::collection::vec(any::<bool>(), 1..300), from in 0_usize..300) {
            let map = one_row(u32::try_from(states.len()).unwrap());
            let mut seats = Seats::new(&map);
            for (index, taken) in (0..).zip(&states) {
                seats.set(0, Seat(index), if *taken { SeatState::Sold } else { SeatState::Available });
            }
            let from = from.min(states.len() - 1);
            let walked: Vec<u32> = (from..states.len()).filter(|i| !states[*i]).map(|i| u32::try_from(i - from).unwrap()).collect();
            let runs = seats.free_runs(Seat(u32::try_from(from).unwrap()), u32::try_from(states.len() - from).unwrap());
            let mut last_end = None;
            let mut found = Vec::new();
            for (start, length) in runs {
                prop_assert!(length > 0 && last_end != Some(start), "runs are maximal");
                last_end = Some(start + length);
                found.extend(start..start + length);
            }
            prop_assert_eq!(found, walked);
            prop_assert_eq!(seats.totals().total(), map.seats());
        }
    }
}
