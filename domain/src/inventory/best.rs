//! Best available: which seats a person gets who names none.
//!
//! Adjacent seats in one row. Among all such runs the one with the lowest score wins, compared in this order:
//!
//! 1. seats stranded: single free seats left between the run and a taken seat or the row's end (0, 1 or 2);
//! 2. distance from the front centre, squared: the run's middle against the row's middle, and the row's depth, with
//!    a row as deep as [`ROW_DEPTH_SEATS`] seats are wide;
//! 3. the front row first, then the lower number.
//!
//! The search looks at the free runs of a row, never at each seat, and stops at the first row whose depth alone is
//! worse than what was found.

use crate::{
    inventory::seats::Seats,
    seat_map::{MapRow, MapSection, Seat},
};

/// Depth of a row in seat widths: rows stand about 0.9 m apart, seats 0.5 m.
pub const ROW_DEPTH_SEATS: u64 = 2;

/// How good a run is; lower is better. Distances are in half seat widths, squared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Score {
    stranded: u8,
    distance: u64,
    row: usize,
    start: u32,
}

const fn depth_squared(row: usize) -> u64 {
    let depth = row as u64 * ROW_DEPTH_SEATS * 2;
    depth * depth
}

/// The best `quantity` adjacent seats of a seated section, from the lowest number up.
#[must_use]
pub fn best_together(section: &MapSection, seats: &Seats, quantity: u32) -> Option<Vec<Seat>> {
    let mut best: Option<Score> = None;
    for (index, row) in section.rows.iter().enumerate() {
        if best.is_some_and(|best| best.stranded == 0 && best.distance <= depth_squared(index)) {
            break;
        }
        for (start, length) in seats.free_runs(row.first, row.count) {
            let found = best_in_run(index, row, start, length, quantity);
            best = best.into_iter().chain(found).min();
        }
    }
    best.map(|best| run_of(&section.rows[best.row], best.start, quantity))
}

/// The best `quantity` seats of a section where they need not be together: the longest runs that can be had.
#[must_use]
pub fn best_apart(section_index: usize, section: &MapSection, seats: &Seats, quantity: u32) -> Option<Vec<Seat>> {
    let mut left = seats.clone();
    let mut chosen = Vec::with_capacity(quantity as usize);
    let mut length = quantity;
    while length > 0 {
        match best_together(section, &left, length) {
            Some(run) => {
                for seat in &run {
                    left.set(section_index, *seat, super::seats::SeatState::Held);
                }
                chosen.extend(run);
                length = quantity - u32::try_from(chosen.len()).expect("at most quantity seats are chosen");
            }
            None => length -= 1,
        }
    }
    chosen.sort_unstable();
    (chosen.len() == quantity as usize).then_some(chosen)
}

fn run_of(row: &MapRow, start: u32, quantity: u32) -> Vec<Seat> {
    (start..start + quantity).map(|offset| Seat(row.first.0 + offset)).collect()
}

/// The best place for `quantity` seats inside one free run of a row.
///
/// Distance falls towards the row's middle and rises beyond it, and only two starts strand a seat on one side (one
/// seat in from either end of the run). So the best start is within two seats of the one nearest to the middle.
fn best_in_run(index: usize, row: &MapRow, start: u32, length: u32, quantity: u32) -> Option<Score> {
    let last = (start + length).checked_sub(quantity).filter(|last| *last >= start)?;
    let middle = (row.count.saturating_sub(quantity) / 2).clamp(start, last);
    let near = middle.saturating_sub(2).max(start)..=(middle + 3).min(last);
    near.map(|at| score(index, row, (start, start + length), at, quantity)).min()
}

fn score(index: usize, row: &MapRow, run: (u32, u32), at: u32, quantity: u32) -> Score {
    let gaps = [at - run.0, run.1 - (at + quantity)];
    let aside = u64::from((2 * at + quantity).abs_diff(row.count));
    Score {
        stranded: gaps.iter().map(|gap| u8::from(*gap == 1)).sum(),
        distance: depth_squared(index) + aside * aside,
        row: index,
        start: at,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        event::{Row, Section, SectionKind, Text},
        inventory::seats::SeatState,
        seat_map::SeatMap,
    };

    fn venue(rows: &[Vec<bool>]) -> (SeatMap, Seats) {
        let row =
            |(i, row): (usize, &Vec<bool>)| Row { id: i.to_string(), count: u32::try_from(row.len()).unwrap(), blocked: vec![] };
        let kind = SectionKind::Seated { rows: rows.iter().enumerate().map(row).collect() };
        let map = SeatMap::new(&[Section { id: "A".into(), name: Text::One("A".into()), price: 1, kind, layout: None }]);
        let mut seats = Seats::new(&map);
        for (index, taken) in rows.iter().flatten().enumerate() {
            if *taken {
                seats.set(0, Seat(u32::try_from(index).unwrap()), SeatState::Sold);
            }
        }
        (map, seats)
    }

    fn numbers(rows: &str, quantity: u32) -> Option<Vec<u32>> {
        let rows: Vec<Vec<bool>> = rows.split('/').map(|row| row.chars().map(|c| c == 'x').collect()).collect();
        let (map, seats) = venue(&rows);
        best_together(&map.sections()[0], &seats, quantity).map(|seats| seats.iter().map(|seat| seat.0).collect())
    }

    #[test]
    fn the_middle_of_the_front_row_comes_first() {
        assert_eq!(numbers("........./.........", 3), Some(vec![3, 4, 5]));
    }

    #[test]
    fn the_row_behind_is_nearer_than_the_far_side_of_the_front() {
        assert_eq!(numbers("..xxxxxxx../...........", 2), Some(vec![15, 16]));
    }

    #[test]
    fn no_single_seat_is_stranded_where_that_can_be_avoided() {
        // The nearest to the middle would leave one seat on its left.
        assert_eq!(numbers("xx......xx", 3), Some(vec![2, 3, 4]));
        assert_eq!(numbers("....", 3), Some(vec![0, 1, 2]), "one is left either way");
    }

    #[test]
    fn a_row_that_is_too_short_or_too_full_gives_nothing() {
        assert_eq!(numbers("..x../.x.x.", 3), None);
        assert_eq!(numbers("", 1), None);
    }

    #[test]
    fn seats_apart_are_the_longest_runs_that_can_be_had() {
        let (map, seats) = venue(&[vec![false, false, true, false, true, false, false]]);
        let apart = best_apart(0, &map.sections()[0], &seats, 4).unwrap();
        assert_eq!(apart, [Seat(0), Seat(1), Seat(5), Seat(6)]);
        assert_eq!(best_apart(0, &map.sections()[0], &seats, 6), None);
    }

    /// The documented score over every run of every row, by plain counting.
    fn exhaustive(rows: &[Vec<bool>], quantity: usize) -> Option<Vec<u32>> {
        let mut best = None;
        let mut first = 0;
        for (depth, row) in rows.iter().enumerate() {
            for start in 0..(row.len() + 1).saturating_sub(quantity) {
                let end = start + quantity;
                if row[start..end].contains(&true) {
                    continue;
                }
                let free = |at: Option<usize>| at.and_then(|at| row.get(at)).is_some_and(|taken| !taken);
                let left = free(start.checked_sub(1)) && !free(start.checked_sub(2));
                let right = free(Some(end)) && !free(Some(end + 1));
                let aside = (start + end).abs_diff(row.len());
                let distance = (depth * 4).pow(2) + aside.pow(2);
                let score = (usize::from(left) + usize::from(right), distance, depth, start);
                let seats = (start..end).map(|seat| u32::try_from(first + seat).unwrap()).collect::<Vec<_>>();
                best = best.into_iter().chain([(score, seats)]).min();
            }
            first += row.len();
        }
        best.map(|(_, seats)| seats)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn nothing_scores_better_than_what_is_found(
            rows in prop::collection::vec(prop::collection::vec(prop::bool::weighted(0.4), 1..14), 1..7),
            quantity in 1_u32..6,
        ) {
            let (map, seats) = venue(&rows);
            let found = best_together(&map.sections()[0], &seats, quantity);
            let found = found.map(|seats| seats.iter().map(|seat| seat.0).collect::<Vec<_>>());
            prop_assert_eq!(found, exhaustive(&rows, quantity as usize));
        }
    }
}
