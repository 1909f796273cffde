//! Seats of an event in map order: section by section, row by row, number by number.

use std::{collections::BTreeMap, rc::Rc};

use crate::{
    event::{Section, SectionKind},
    money::Amount,
};

/// Ids of numbered seats. A wish, the reservation that grants it and its entries in the ledger share them.
pub type SeatIds = Rc<[String]>;

/// A numbered seat: its index in map order, over all seated sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Seat(pub u32);

impl Seat {
    /// The index for arrays.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A row of adjacent seats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapRow {
    /// Its label.
    pub id: String,
    /// Its first seat, number 1.
    pub first: Seat,
    /// How many seats it has.
    pub count: u32,
}

/// A section as the map knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapSection {
    /// Its label.
    pub id: String,
    /// Price of a seat, in minor units.
    pub price: Amount,
    /// Its first seat in map order; equal to the next section's where it has no numbered seats.
    pub first: Seat,
    /// Number of numbered seats.
    pub seats: u32,
    /// Its rows, front row first; empty in a general section.
    pub rows: Vec<MapRow>,
    /// Places without numbers; 0 in a seated section.
    pub capacity: u32,
}

impl MapSection {
    /// Seats or places, whichever it has.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.seats + self.capacity
    }

    /// Whether its places have no numbers.
    #[must_use]
    pub const fn is_general(&self) -> bool {
        self.capacity > 0
    }
}

/// Translates between seat ids and indices. Memory grows with rows, not with seats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeatMap {
    sections: Vec<MapSection>,
    section_by_id: BTreeMap<String, usize>,
    /// `<section>-<row>`, section and row, in order of the ids; they were checked to be unambiguous.
    row_by_id: Vec<(String, usize, usize)>,
    seats: u32,
}

impl SeatMap {
    /// The map of checked sections (see [`crate::event::EventBody::complete`]).
    #[must_use]
    pub fn new(sections: &[Section]) -> Self {
        let mut map = Self::default();
        for section in sections {
            let index = map.sections.len();
            let first = Seat(map.seats);
            let (rows, capacity) = match &section.kind {
                SectionKind::General { capacity } => (Vec::new(), *capacity),
                SectionKind::Seated { rows } => (map.add_rows(index, &section.id, rows), 0),
            };
            map.section_by_id.insert(section.id.clone(), index);
            let seats = map.seats - first.0;
            map.sections.push(MapSection { id: section.id.clone(), price: section.price, first, seats, rows, capacity });
        }
        map.row_by_id.sort_unstable();
        map
    }

    fn add_rows(&mut self, section: usize, section_id: &str, rows: &[crate::event::Row]) -> Vec<MapRow> {
        let mut map_rows = Vec::with_capacity(rows.len());
        for (index, row) in rows.iter().enumerate() {
            self.row_by_id.push((format!("{section_id}-{}", row.id), section, index));
            map_rows.push(MapRow { id: row.id.clone(), first: Seat(self.seats), count: row.count });
            self.seats += row.count;
        }
        map_rows
    }

    /// Number of numbered seats.
    #[must_use]
    pub const fn seats(&self) -> u32 {
        self.seats
    }

    /// The sections in map order.
    #[must_use]
    pub fn sections(&self) -> &[MapSection] {
        &self.sections
    }

    /// The index of the section with this id.
    #[must_use]
    pub fn section(&self, id: &str) -> Option<usize> {
        self.section_by_id.get(id).copied()
    }

    /// The seat with this id: `<section>-<row>-<number>`, the number from 1 without leading zeros.
    #[must_use]
    pub fn seat(&self, id: &str) -> Option<Seat> {
        let (row_id, number) = id.rsplit_once('-')?;
        let canonical = !number.starts_with(['0', '+']);
        let number: u32 = canonical.then(|| number.parse().ok())??;
        let found = self.row_by_id.binary_search_by_key(&row_id, |(id, ..)| id).ok()?;
        let (_, section, row) = self.row_by_id[found];
        let row = &self.sections[section].rows[row];
        (number <= row.count).then(|| Seat(row.first.0 + number - 1))
    }

    /// The section that has this seat.
    #[must_use]
    pub fn section_of(&self, seat: Seat) -> usize {
        self.sections.partition_point(|section| section.first.0 + section.seats <= seat.0)
    }

    /// The id of a seat.
    ///
    /// # Panics
    /// The map has no such seat.
    #[must_use]
    pub fn seat_id(&self, seat: Seat) -> String {
        let section = &self.sections[self.section_of(seat)];
        let row = &section.rows[section.rows.partition_point(|row| row.first.0 + row.count <= seat.0)];
        format!("{}-{}-{}", section.id, row.id, seat.0 - row.first.0 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Row, Text};

    fn section(id: &str, kind: SectionKind) -> Section {
        Section { id: id.into(), name: Text::One(id.into()), price: 1, kind, layout: None }
    }

    fn rows(counts: &[u32]) -> SectionKind {
        let row = |(i, count): (usize, &u32)| Row { id: (i + 1).to_string(), count: *count, blocked: vec![] };
        SectionKind::Seated { rows: counts.iter().enumerate().map(row).collect() }
    }

    fn venue() -> SeatMap {
        SeatMap::new(&[
            section("VIP", rows(&[2, 3])),
            section("GA", SectionKind::General { capacity: 9 }),
            section("A-B", rows(&[1])),
        ])
    }

    #[test]
    fn every_seat_has_an_id_that_finds_it_again() {
        let map = venue();
        assert_eq!(map.seats(), 6);
        for seat in (0..map.seats()).map(Seat) {
            assert_eq!(map.seat(&map.seat_id(seat)), Some(seat));
        }
        assert_eq!(map.seat_id(Seat(4)), "VIP-2-3");
        assert_eq!(map.section_of(Seat(5)), 2);
    }

    #[test]
    fn an_id_has_one_spelling() {
        let map = venue();
        for id in ["VIP-2-4", "VIP-2-0", "VIP-2-03", "VIP-2-+3", "VIP-2-", "VIP-2", "GA-1-1", "", "-", "A-1-1"] {
            assert_eq!(map.seat(id), None, "{id}");
        }
        assert_eq!(map.seat("A-B-1-1"), Some(Seat(5)));
    }
}
