//! What everybody may know of a line: made by the queue, kept in copies, asked without asking the queue.
//!
//! A [`Board`] is brought up to date by a [`BoardUpdate`]: the chunks of places that changed since the version it has,
//! the waves of readiness that began since, and counters. Its size follows what changed, not how many wait.
//! Merging takes the newer state of each place, so that updates may overlap, repeat and overtake each other; a place
//! never goes back, and a position never grows for a place that stays. An update that starts after what the board has
//! is passed over, since nothing tells what is missing: the next one starts where the board stands.
//!
//! Bounds: 4 bits a place up to [`PLACES_MAX`], 8 MB; and the waves whose window is open, 48 bytes each: ten a second,
//! a hundred where `burst` is tiny, for at most an hour.

mod places;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::places::{CHUNK_PLACES, Chunk, PLACES_MAX, PlaceState};
pub(crate) use self::places::{Places, locate, number_at};
use crate::{event::Notice, time::Millis};

/// Places that became ready together: those of `first..=last` that did not leave before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wave {
    /// The first number.
    pub first: u64,
    /// The last number.
    pub last: u64,
    /// Since when they may enter.
    pub ready_at: Millis,
    /// From this instant on they may not any more.
    pub until: Millis,
}

/// How the sale stands, in the words of the public contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Sales have not begun.
    #[default]
    Scheduled,
    /// People are let in.
    OnSale,
    /// The organiser lets nobody in for now.
    Paused,
    /// Everything is sold or blocked.
    SoldOut,
    /// Sales are over.
    Closed,
}

/// The counters of a line at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueueStats {
    /// Places whose turn has not come.
    pub waiting: u64,
    /// Places that may enter.
    pub ready: u64,
    /// Places that are inside.
    pub active: u64,
    /// Places that ever became ready.
    pub admitted_total: u64,
    /// Places that were ready and did not enter in time.
    pub lapsed_total: u64,
    /// Places that were given up.
    pub left_total: u64,
    /// Places that became ready, per second, over the last 10 s.
    pub admission_rate: f64,
    /// Whether the organiser lets nobody in for now.
    pub paused: bool,
    /// How the sale stands.
    pub phase: Phase,
    /// What the organiser tells those who wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
}

/// What changed on the board between two versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoardUpdate {
    /// It holds every change after this version,
    pub since: u64,
    /// up to this one.
    pub version: u64,
    /// When it was made.
    pub at: Millis,
    /// The last number that was given out.
    pub last: u64,
    /// People let in per 1000 s, for estimates; never 0.
    pub pace: u64,
    /// The counters.
    pub stats: QueueStats,
    /// The chunks that changed, by index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chunks: Vec<(u32, Chunk)>,
    /// The waves that began and whose window is open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<Wave>,
}

/// A place as the board shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// How it stands.
    pub state: PlaceState,
    /// People still ahead + 1 while it waits, else 0.
    pub position: u64,
    /// Estimated seconds until its turn, at least 1 while it waits, else 0.
    pub eta_sec: u64,
    /// Until when it may enter, while ready.
    pub ready_expires_at: Option<Millis>,
}

/// A copy of what everybody may know. The default knows nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Board {
    /// Everything up to this version is on the board.
    version: u64,
    at: Millis,
    last: u64,
    pace: u64,
    stats: QueueStats,
    places: Places,
    /// For each chunk, how many places in the chunks before it do not wait. As long as `places`.
    passed_before: Vec<u64>,
    waves: BTreeMap<u64, Wave>,
}

impl Board {
    /// The version that an update should start from; 0 before the first update.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// When the newest update was made.
    #[must_use]
    pub const fn as_of(&self) -> Millis {
        self.at
    }

    /// The counters as of then.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        self.stats.clone()
    }

    /// Whether the place was given out when the newest update was made.
    #[must_use]
    pub const fn knows(&self, number: u64) -> bool {
        number != 0 && number <= self.last
    }

    /// Takes over what is newer in `update`.
    pub fn merge(&mut self, update: &BoardUpdate) {
        if update.since > self.version {
            return;
        }
        if (update.version, update.at) >= (self.version, self.at) {
            self.version = update.version;
            self.pace = update.pace;
            self.stats = update.stats.clone();
        }
        self.last = self.last.max(update.last);
        self.at = self.at.max(update.at);
        for (index, chunk) in update.chunks.iter().filter(|(index, _)| u64::from(*index) < PLACES_MAX / CHUNK_PLACES) {
            self.places.chunk_mut(*index).merge(chunk);
        }
        if let Some(first) = update.chunks.iter().map(|(index, _)| *index).min() {
            self.count_from(first);
        }
        self.waves.extend(update.waves.iter().map(|wave| (wave.first, *wave)));
        let now = self.at;
        self.waves.retain(|_, wave| now < wave.until);
    }

    /// Takes over what an answer just told about one place.
    pub fn note(&mut self, number: u64, state: PlaceState) {
        if number == 0 || number > PLACES_MAX || self.places.get(number) >= state {
            return;
        }
        let (chunk, slot) = locate(number);
        self.places.chunk_mut(chunk).set(slot, state);
        self.count_from(chunk);
    }

    /// How a place stands at `now`. Readiness ends by itself, whether or not an update said so.
    #[must_use]
    pub fn place(&self, number: u64, now: Millis) -> Place {
        let over = |state| Place { state, position: 0, eta_sec: 0, ready_expires_at: None };
        match self.places.get(number) {
            PlaceState::Waiting => {
                let position = number.saturating_sub(self.passed_before(number)).max(1);
                let eta_sec = position.saturating_mul(1000).div_ceil(self.pace.max(1));
                Place { state: PlaceState::Waiting, position, eta_sec, ready_expires_at: None }
            }
            PlaceState::Ready => match self.window_of(number).filter(|until| now < *until) {
                Some(until) => Place { ready_expires_at: Some(until), ..over(PlaceState::Ready) },
                None => over(PlaceState::Expired),
            },
            state => over(state),
        }
    }

    fn window_of(&self, number: u64) -> Option<Millis> {
        let (_, wave) = self.waves.range(..=number).next_back()?;
        (number <= wave.last).then_some(wave.until)
    }

    /// How many places before `number` do not wait.
    fn passed_before(&self, number: u64) -> u64 {
        let (index, slot) = locate(number);
        match self.passed_before.get(index as usize) {
            Some(before) => before + u64::from(self.places.chunk(index).passed_before(slot)),
            None => self.total_passed(),
        }
    }

    fn total_passed(&self) -> u64 {
        let Some(before) = self.passed_before.last() else { return 0 };
        before + self.passed_in(self.passed_before.len() - 1)
    }

    fn passed_in(&self, index: usize) -> u64 {
        u64::from(self.places.chunk(index as u32).passed_before(CHUNK_PLACES as usize))
    }

    /// Counts again from chunk `first` on.
    fn count_from(&mut self, first: u32) {
        let kept = (first as usize).min(self.passed_before.len());
        self.passed_before.truncate(kept + 1);
        if self.passed_before.is_empty() {
            self.passed_before.push(0);
        }
        while self.passed_before.len() < self.places.len() {
            let next = self.total_passed();
            self.passed_before.push(next);
        }
    }
}

#[cfg(test)]
mod tests;
