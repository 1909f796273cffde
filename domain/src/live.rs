//! What sockets are told: seats as a snapshot and the deltas behind it, places as they stand on the board.
//!
//! A [`SeatFeed`] is a copy of an event's seat states that follows the inventory's ledger. One delta is one entry of the
//! ledger, so that `seq` is that of `GET /events/{id}/seats` and rises by one. It keeps the last [`DELTAS_KEPT`] deltas
//! for those who missed some; whoever missed more gets a snapshot.
//!
//! Bounds: a byte a seat, 200 KB; [`DELTAS_KEPT`] deltas of at most [`SEATS_MAX`] changes, together less than a snapshot.

use std::{collections::VecDeque, fmt::Write as _, rc::Rc};

use serde::{Deserialize, Serialize};

use crate::{
    board::{Board, Phase, PlaceState},
    event::{Notice, SEATS_MAX},
    inventory::{
        ledger::{Entry, EntryType},
        seats::SeatState,
    },
    seat_map::SeatMap,
    time::{Millis, Timestamp},
};

/// Deltas that a feed keeps, and entries of the ledger that one answer brings at most.
pub const DELTAS_KEPT: u64 = 512;
/// Changes that the kept deltas have together at most: beyond, the oldest go.
const CHANGES_KEPT: usize = 20_000;

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

    fn frame(&self) -> Rc<str> {
        let mut frame = format!(r#"{{"type":"delta","seq":{},"changes":["#, self.seq);
        for (index, (section, seat, state)) in self.changes.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(frame, "{comma}[{section},{seat},{state}]");
        }
        frame.push_str("]}");
        frame.into()
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

/// What an inventory tells a feed: all of it, or what came since.
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

/// What everybody who watches the seats is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// These frames, in order. None at all where nothing changed.
    Deltas(Vec<Rc<str>>),
    /// The snapshot: what they have cannot be brought up to date.
    Snapshot,
    /// Something is missing: ask for everything.
    Gap,
}

/// A copy of an event's seats that follows its ledger.
#[derive(Debug, Default)]
pub struct SeatFeed {
    /// Epoch and sequence; none before the first answer.
    known: Option<(u64, u64)>,
    remaining: u32,
    sections: Vec<SectionStates>,
    recent: VecDeque<(Delta, Rc<str>)>,
    changes_kept: usize,
    /// The snapshot, once somebody needed it.
    snapshot: Option<Rc<str>>,
}

impl SeatFeed {
    /// Epoch and sequence that it stands at; none before the first answer.
    #[must_use]
    pub const fn known(&self) -> Option<(u64, u64)> {
        self.known
    }

    /// What can be held.
    #[must_use]
    pub const fn remaining(&self) -> u32 {
        self.remaining
    }

    /// The states it has.
    #[must_use]
    pub fn sections(&self) -> &[SectionStates] {
        &self.sections
    }

    /// Takes over an answer. One that is older than what is known changes nothing.
    pub fn merge(&mut self, changes: SeatChanges) -> News {
        let (epoch, seq) = self.known.unwrap_or_default();
        if let Some(sections) = changes.sections {
            if (changes.epoch, changes.seq) < (epoch, seq) {
                return News::Deltas(Vec::new());
            }
            self.known = Some((changes.epoch, changes.seq));
            self.sections = sections;
            self.recent.clear();
            self.changes_kept = 0;
            changes.deltas.into_iter().for_each(|delta| drop(self.keep(delta)));
            self.remaining = changes.remaining;
            self.snapshot = None;
            return News::Snapshot;
        }
        if self.known.is_none() || changes.epoch != epoch {
            return News::Gap;
        }
        let newer = changes.deltas.into_iter().filter(|delta| delta.seq > seq);
        let mut frames = Vec::new();
        for delta in newer {
            let expected = self.known.map_or(1, |(_, seq)| seq + 1);
            if delta.seq != expected {
                self.known = None;
                return News::Gap;
            }
            self.paint(&delta);
            self.known = Some((epoch, delta.seq));
            frames.push(self.keep(delta));
        }
        if changes.seq >= seq {
            self.remaining = changes.remaining;
        }
        News::Deltas(frames)
    }

    fn paint(&mut self, delta: &Delta) {
        self.snapshot = None;
        for (section, seat, state) in &delta.changes {
            let Some(section) = self.sections.get_mut(*section as usize) else { continue };
            let at = *seat as usize;
            if at < section.states.len() {
                section.states.replace_range(at..=at, ["0", "1", "2", "3"][usize::from(*state & 3)]);
            }
        }
    }

    fn keep(&mut self, delta: Delta) -> Rc<str> {
        let frame = delta.frame();
        self.changes_kept += delta.changes.len();
        self.recent.push_back((delta, Rc::clone(&frame)));
        while self.recent.len() as u64 > DELTAS_KEPT || (self.changes_kept > CHANGES_KEPT && self.recent.len() > 1) {
            if let Some((oldest, _)) = self.recent.pop_front() {
                self.changes_kept -= oldest.changes.len();
            }
        }
        frame
    }

    /// What brings somebody up to date who stands at `at`: the deltas that are missing, or the snapshot. None where
    /// nothing is known yet.
    pub fn since(&mut self, at: Option<(u64, u64)>) -> Option<Vec<Rc<str>>> {
        let (epoch, seq) = self.known?;
        let oldest = self.recent.front().map_or(seq + 1, |(delta, _)| delta.seq);
        Some(match at {
            Some((theirs, from)) if theirs == epoch && from <= seq && from + 1 >= oldest => {
                self.recent.iter().filter(|(delta, _)| delta.seq > from).map(|(_, frame)| Rc::clone(frame)).collect()
            }
            _ => vec![self.snapshot(epoch, seq)],
        })
    }

    fn snapshot(&mut self, epoch: u64, seq: u64) -> Rc<str> {
        let sections = &self.sections;
        let made = self.snapshot.get_or_insert_with(|| {
            let sections = serde_json::to_string(sections).expect("plain data");
            format!(r#"{{"type":"snapshot","epoch":{epoch},"seq":{seq},"sections":{sections}}}"#).into()
        });
        Rc::clone(made)
    }
}

/// How the sale stands, as sockets are told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SaleFrame {
    #[serde(rename = "type")]
    kind: &'static str,
    status: Phase,
    remaining: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<Notice>,
}

impl SaleFrame {
    /// The frame of a sale with so many seats left.
    #[must_use]
    pub fn new(board: &Board, remaining: u32) -> Self {
        let stats = board.stats();
        Self { kind: "sale", status: stats.phase, remaining, notice: stats.notice }
    }
}

/// How a place stands, as its socket is told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlaceFrame {
    #[serde(rename = "type")]
    kind: &'static str,
    position: u64,
    eta_sec: u64,
    ready_for_entry: bool,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ready_expires_at: Option<Timestamp>,
    remaining: u32,
    admitted_per_min: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<Notice>,
    #[serde(skip)]
    over: bool,
}

impl PlaceFrame {
    /// The frame of place `number` at `now`, of a sale with so many seats left.
    #[must_use]
    pub fn new(board: &Board, number: u64, remaining: u32, now: Millis) -> Self {
        let (place, stats) = (board.place(number, now), board.stats());
        Self {
            kind: "place",
            position: place.position,
            eta_sec: place.eta_sec,
            ready_for_entry: place.state == PlaceState::Ready,
            status: place.state.as_status(),
            ready_expires_at: place.ready_expires_at.map(Timestamp),
            remaining,
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is small and not negative")]
            admitted_per_min: (stats.admission_rate * 60.0).round() as u64,
            notice: stats.notice,
            over: !matches!(place.state, PlaceState::Waiting | PlaceState::Ready),
        }
    }

    /// Whether nothing comes after it: the place entered, left or expired.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        self.over
    }
}

/// So many seats an event can have, and so many digits a snapshot.
const _: () = assert!(SEATS_MAX <= u32::MAX as u64);

#[cfg(test)]
mod tests;
