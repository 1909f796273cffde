//! What those are told who follow the seats: all of them, or the entries of the ledger since.

use serde::{Deserialize, Serialize};

use super::{
    ledger::{Entry, EntryType},
    seats::SeatState,
};
use crate::seat_map::SeatMap;

/// Deltas that a feed keeps, and entries of the ledger that one answer brings at most: half a second of a fast sale.
pub const DELTAS_KEPT: u64 = 512;

/// How far somebody has read: the version of the event that the map is of, and the last entry of its ledger.
pub type Cursor = (u64, u64);

/// One entry of the ledger, as seats of the map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// The entry's sequence.
    pub seq: u64,
    /// Section index, seat index in the section, new state (0 to 3). Empty in a general section.
    pub changes: Vec<(u32, u32, u8)>,
}

impl Delta {
    /// What `entry` does to the seats of `map`.
    #[must_use]
    pub fn new(entry: &Entry, map: &SeatMap) -> Self {
        let state = match entry.kind {
            EntryType::Created => SeatState::Held,
            EntryType::Confirmed => SeatState::Sold,
            EntryType::Blocked => SeatState::Blocked,
            EntryType::Cancelled | EntryType::Expired | EntryType::Refunded | EntryType::Unblocked => SeatState::Available,
        };
        let change = |id: &String| {
            let seat = map.seat(id)?;
            let section = map.section_of(seat);
            Some((u32::try_from(section).ok()?, seat.0 - map.sections()[section].first.0, state as u8))
        };
        Self { seq: entry.seq, changes: entry.seat_ids.iter().filter_map(change).collect() }
    }
}

/// The states of one section, a digit a seat in map order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SectionStates {
    /// Its label.
    pub id: String,
    /// `0` available, `1` held, `2` sold, `3` blocked; empty in a general section.
    pub states: String,
}

/// What an inventory answers: all of it, or what came since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatChanges {
    /// The version of the event that the map is of.
    pub epoch: u64,
    /// The last entry of the ledger.
    pub seq: u64,
    /// What can be held now.
    pub remaining: u32,
    /// Every seat as of `seq`, where the asker knows too little.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sections: Option<Vec<SectionStates>>,
    /// Entries up to `seq` without a gap; beside `sections` the newest before them.
    pub deltas: Vec<Delta>,
}
