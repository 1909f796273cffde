//! A queue as it stands.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    command::{Answered, Effect, Entered},
    counters::{Counters, StockAsked},
};
use crate::{
    board::{BoardUpdate, PlaceState, Places, Wave},
    effect::{Effects, Pending},
    event::Event,
    refusal::Refusal,
    time::Millis,
    trace::TraceId,
};

/// The id of the one effect; it follows from the counters.
const ASK_STOCK: u64 = 0;

/// The line of one event. The default is not configured and refuses everything but
/// [`Command::Configure`](super::Command::Configure).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    pub(super) event: Option<Box<Event>>,
    pub(super) counters: Counters,
    pub(super) places: Places,
    /// The version of the board in which each chunk changed last.
    pub(super) chunk_versions: BTreeMap<u32, u64>,
    /// Waves with an open window, by their first number, with the version that shows them.
    pub(super) waves: BTreeMap<u64, (Wave, u64)>,
    pub(super) lapses: BTreeSet<(Millis, u64)>,
    pub(super) admissions: BTreeMap<u64, Entered>,
    pub(super) ends: BTreeSet<(Millis, u64)>,
    pub(super) answered: BTreeMap<u32, Answered>,
    pub(super) effects: Effects<Effect>,
    pub(super) stock_rests_until: Millis,
}

impl Queue {
    /// The event, once configured.
    #[must_use]
    pub fn event(&self) -> Option<&Event> {
        self.event.as_deref()
    }

    /// Counters of the line.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How a place stands, deadlines up to the last command carried out; never given out is [`PlaceState::Waiting`].
    #[must_use]
    pub fn state(&self, number: u64) -> PlaceState {
        self.places.get(number)
    }

    /// What everybody may know that changed after version `since`.
    ///
    /// # Errors
    /// [`Refusal::Unconfigured`].
    pub fn board(&self, since: u64, now: Millis) -> Result<BoardUpdate, Refusal> {
        let event = self.event.as_deref().ok_or(Refusal::Unconfigured)?;
        let changed = self.chunk_versions.iter().filter(|(_, version)| **version > since);
        let begun = self.waves.values().filter(|(wave, version)| *version > since && now < wave.until);
        Ok(BoardUpdate {
            since,
            version: self.counters.version,
            at: now,
            last: self.counters.last,
            pace: self.counters.pace(&event.queue, now),
            stats: self.counters.stats(event, now),
            chunks: changed.map(|(index, _)| (*index, self.places.chunk(*index).clone())).collect(),
            waves: begun.map(|(wave, _)| *wave).collect(),
        })
    }

    /// What to hand back with the stock, taken when the inventory is asked for it.
    #[must_use]
    pub const fn stock_question(&self, now: Millis) -> StockAsked {
        StockAsked { at: now, departed: self.counters.departed_total }
    }

    /// From when on the stock must be asked for, since people wait who could be let in.
    #[must_use]
    pub fn wants_stock(&self) -> Option<Millis> {
        self.counters.wants_stock(self.event()?)
    }

    /// The question that is due for whoever looks at the queue at `now`: the stock as known is too old to tell whether
    /// everything is sold.
    #[must_use]
    pub fn doubts_stock(&self, now: Millis) -> Option<Pending<Effect>> {
        let doubted = self.event.is_some() && now >= self.stock_rests_until && self.counters.doubts_stock(now);
        doubted.then(|| ask_stock(now))
    }

    /// What follows from the counters.
    pub(super) fn owe_stock(&mut self) {
        match self.wants_stock() {
            Some(at) => self.effects.put(ask_stock(at.max(self.stock_rests_until))),
            None => self.effects.remove(ASK_STOCK),
        }
    }
}

const fn ask_stock(due_at: Millis) -> Pending<Effect> {
    Pending { id: ASK_STOCK, attempt: 0, due_at, trace: TraceId::NONE, effect: Effect::AskStock }
}
