//! The line of an event: numbers places, moves the frontier, admits.
//!
//! A place is a number. Numbers are consecutive and given out in batches, one for each lane at a time. The frontier is
//! the last number whose turn has come; it moves in waves and never back. What a place may do:
//!
//! ```text
//! Waiting ── its turn ──► Ready ── Enter ──► Entered ── End ──► Finished
//!    │                      ├── window over ──► Expired ◄── admission_ttl_sec over ──┤
//!    └────── leave ────────►└──────────── leave ──► Left ◄──────── leave ───────────┘
//! ```
//!
//! **The frontier moves** as far as all of these allow, and not at all while the organiser has paused it, before sales
//! open, after they close, or while the stock is not known well enough:
//! - the token bucket of `admit_per_sec` and `burst`; places that were given up are passed without using it;
//! - `max_active`: ready + active stay within it;
//! - the stock: ready + active, without those who hold their seats already, stay within the seats that are left. The
//!   stock is at most 0.5 s old, or 100 ms where it is what may stop the line; those who left since it was asked for
//!   still count, since they may have taken seats with them.
//!
//! Ready is a promise: the end of the entry window is fixed when it begins, and `Enter` succeeds until then whatever the
//! settings say meanwhile. A place's slot is free when it lapses, leaves, is finished, or its admission's time is over;
//! each of these is a deadline of this machine or a command, and the frontier moves in the same step.
//!
//! **Batches.** A lane sends one batch at a time, `(nonce, seq)`: `seq` rises by one with each batch that the lane has
//! stored the answer of, `nonce` rises whenever the lane may have forgotten the batch that is out. The same pair again
//! gets the same answer. The same `seq` with a newer nonce means that nobody was told the numbers given before: those
//! places are given up, so that nobody waits behind a place that nobody has. An older pair is refused.
//!
//! **Bounds.** Places: [`PLACES_MAX`], 4 bits each, 8 MB. Ready and entered places: `max_active`, at most 1,000,000; an
//! entered one has a record of about 70 bytes. Waves with an open window: ten a second (a hundred where `burst` is tiny)
//! for at most an hour. Lanes: [`LANES_MAX`], each with one answered batch of at most [`JOINS_MAX`] and [`LEAVES_MAX`].

mod bucket;
mod counters;
mod draft;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use self::counters::{Counters, StockAsked};
use self::draft::Draft;
pub use crate::stock::Stock;
use crate::{
    board::{BoardUpdate, Chunk, PlaceState, Places, Wave},
    effect::{self, Effects, Pending},
    event::Event,
    idempotency::Idempotency,
    machine::{Context, Decision, Machine},
    refusal::Refusal,
    time::Millis,
    trace::TraceId,
};

/// Most lanes of one line.
pub const LANES_MAX: u32 = 256;
/// Most joins in a batch: four seconds of what one object takes.
pub const JOINS_MAX: u32 = 4096;
/// Most departures in a batch.
pub const LEAVES_MAX: usize = 4096;

/// What a lane gathered: people who join, and places that are given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Which lane.
    pub lane: u32,
    /// Rises whenever the lane may have forgotten the batch that is out.
    pub nonce: u64,
    /// Which batch; rises by one with each that the lane has stored the answer of.
    pub seq: u64,
    /// How many join, at most [`JOINS_MAX`].
    pub joins: u32,
    /// Which places are given up, at most [`LEAVES_MAX`].
    pub leaves: Vec<u64>,
}

/// What can be asked of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Take over the event, unless its version is known → [`Reply::Done`].
    Configure(Box<Event>),
    /// Number and give up places → [`BatchReply`].
    Batch(Batch),
    /// Let a ready place in → [`Entered`]; again, with any key, gives the same while the admission lives.
    /// [`Refusal::NotReady`], [`Refusal::TokenExpired`], [`Refusal::TokenNotFound`].
    Enter {
        /// The place.
        number: u64,
        /// Version of the key that the reservation token is signed with.
        kid: u32,
        /// The request's key.
        idempotency: Idempotency,
    },
    /// The admission is over since it was used → [`Reply::Done`], also when it was over before.
    End {
        /// The place.
        number: u64,
    },
    /// The stock, as the inventory answered → [`Reply::Done`].
    Stock {
        /// What it said.
        stock: Stock,
        /// What [`Queue::stock_question`] gave when it was asked.
        asked: StockAsked,
    },
    /// The inventory did not say what is in stock → [`Reply::Done`].
    StockUnknown,
    /// Carry out what is due → [`Reply::Done`].
    Tick,
}

/// The numbers of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbered {
    /// The first; the others follow.
    pub first: u64,
    /// When they joined.
    pub joined_at: Millis,
    /// The position of the first; that of each other is one more than the one before.
    pub position_hint: u64,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchReply {
    /// The numbers, or why nobody may join: [`Refusal::SaleNotOpen`], [`Refusal::SaleClosed`], [`Refusal::SoldOut`],
    /// [`Refusal::Overloaded`].
    pub joins: Result<Numbered, Refusal>,
    /// How each place that was given up stood before, in the order of the batch.
    pub leaves: Vec<PlaceState>,
}

/// An admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entered {
    /// The place.
    pub number: u64,
    /// Since when it is inside.
    pub entered_at: Millis,
    /// From this instant on it is not.
    pub ends_at: Millis,
    /// Version of the key that the reservation token is signed with.
    pub kid: u32,
}

/// What a queue answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// To a batch.
    Batch(BatchReply),
    /// To `Enter`.
    Entered(Entered),
    /// To everything else.
    Done {},
}

/// The last batch of a lane, and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// Which lane.
    pub lane: u32,
    /// Its batch's nonce.
    pub nonce: u64,
    /// Its batch's sequence.
    pub seq: u64,
    /// How many joined, if they did.
    pub joins: u32,
    /// What was answered.
    pub reply: BatchReply,
}

/// What became true of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This is the event.
    Configured(Box<Event>),
    /// The counters are these; the last change of each decision that has any.
    Counted(Box<Counters>),
    /// The places of a chunk stand like this.
    Marked {
        /// Which chunk.
        chunk: u32,
        /// The version of the board that shows it.
        version: u64,
        /// How its places stand.
        states: Box<Chunk>,
    },
    /// These places became ready.
    Opened {
        /// Which, and until when.
        wave: Wave,
        /// The version of the board that shows it.
        version: u64,
    },
    /// A wave's window is over.
    Lapsed {
        /// The wave's first number.
        first: u64,
    },
    /// A place is inside.
    Entered(Entered),
    /// A place is not inside any more.
    Gone {
        /// The place.
        number: u64,
    },
    /// A lane's batch was answered.
    Answered(Answered),
    /// The inventory is not asked for the stock before this instant. No row: it may be asked at once after a restart.
    StockRests(Millis),
}

/// What a queue owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask the inventory for the stock, since people wait who could be let in.
    AskStock,
}

impl effect::Effect for Effect {
    type Key = ();

    fn ordering_key(&self) {}
}

/// How long after a failure the inventory is asked again, in milliseconds.
const STOCK_RETRY_MS: u64 = 1000;
/// The id of the one effect; it follows from the counters.
const ASK_STOCK: u64 = 0;

/// The line of one event. The default is not configured and refuses everything but [`Command::Configure`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    event: Option<Box<Event>>,
    counters: Counters,
    places: Places,
    /// The version of the board in which each chunk changed last.
    chunk_versions: BTreeMap<u32, u64>,
    /// Waves with an open window, by their first number, with the version that shows them.
    waves: BTreeMap<u64, (Wave, u64)>,
    lapses: BTreeSet<(Millis, u64)>,
    admissions: BTreeMap<u64, Entered>,
    ends: BTreeSet<(Millis, u64)>,
    answered: BTreeMap<u32, Answered>,
    effects: Effects<Effect>,
    stock_rests_until: Millis,
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
    fn owe_stock(&mut self) {
        match self.wants_stock() {
            Some(at) => self.effects.put(ask_stock(at.max(self.stock_rests_until))),
            None => self.effects.remove(ASK_STOCK),
        }
    }
}

const fn ask_stock(due_at: Millis) -> Pending<Effect> {
    Pending { id: ASK_STOCK, attempt: 0, due_at, trace: TraceId::NONE, effect: Effect::AskStock }
}

impl Machine for Queue {
    type Command = Command;
    type Change = Change;
    type Reply = Reply;
    type Effect = Effect;

    fn decide(&self, command: &Command, context: Context) -> Result<Decision<Self>, Refusal> {
        let now = context.now;
        if let Command::Configure(event) = command {
            return Ok(self.configure(event, now));
        }
        let event = self.event.as_deref().ok_or(Refusal::Unconfigured)?;
        if let Command::StockUnknown = command {
            return Ok(Decision::new(Reply::Done {}, vec![Change::StockRests(now.plus_ms(STOCK_RETRY_MS))]));
        }
        let mut draft = Draft::new(self, event, now);
        draft.settle();
        let reply = match command {
            Command::Batch(batch) => Reply::Batch(draft.batch(batch)?),
            Command::Enter { number, kid, .. } => Reply::Entered(draft.enter(*number, *kid)?),
            Command::End { number } => draft.end(*number),
            Command::Stock { stock, asked } => draft.stock(*stock, *asked),
            Command::Configure(_) | Command::StockUnknown | Command::Tick => Reply::Done {},
        };
        draft.advance();
        Ok(Decision::new(reply, draft.finish()))
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Configured(event) => {
                self.event = Some(event.clone());
                self.owe_stock();
            }
            Change::Counted(counters) => {
                self.counters = (**counters).clone();
                self.owe_stock();
            }
            Change::Marked { chunk, version, states } => {
                *self.places.chunk_mut(*chunk) = (**states).clone();
                self.chunk_versions.insert(*chunk, *version);
            }
            Change::Opened { wave, version } => {
                self.waves.insert(wave.first, (*wave, *version));
                self.lapses.insert((wave.until, wave.first));
            }
            Change::Lapsed { first } => {
                if let Some((wave, _)) = self.waves.remove(first) {
                    self.lapses.remove(&(wave.until, *first));
                }
            }
            Change::Entered(entered) => {
                self.admissions.insert(entered.number, *entered);
                self.ends.insert((entered.ends_at, entered.number));
            }
            Change::Gone { number } => {
                if let Some(entered) = self.admissions.remove(number) {
                    self.ends.remove(&(entered.ends_at, *number));
                }
            }
            Change::Answered(answered) => {
                self.answered.insert(answered.lane, answered.clone());
            }
            Change::StockRests(until) => {
                self.stock_rests_until = *until;
                self.owe_stock();
            }
        }
    }

    fn next_deadline(&self) -> Option<Millis> {
        let event = self.event()?;
        let lapse = self.lapses.first().map(|(at, _)| *at);
        let end = self.ends.first().map(|(at, _)| *at);
        lapse.into_iter().chain(end).chain(self.counters.next_wave_at(event)).min()
    }

    fn effects(&self) -> &Effects<Effect> {
        &self.effects
    }

    fn tick() -> Command {
        Command::Tick
    }

    fn idempotency(command: &Command) -> Option<&Idempotency> {
        match command {
            Command::Enter { idempotency, .. } => Some(idempotency),
            Command::Configure(_)
            | Command::Batch(_)
            | Command::End { .. }
            | Command::Stock { .. }
            | Command::StockUnknown
            | Command::Tick => None,
        }
    }
}

impl Queue {
    fn configure(&self, event: &Event, now: Millis) -> Decision<Self> {
        let known = self.event.as_deref();
        if known.is_some_and(|known| event.version <= known.version) {
            return Decision::new(Reply::Done {}, vec![]);
        }
        // What is due is settled and the bucket filled by the settings that held until now.
        let mut draft = Draft::new(self, known.unwrap_or(event), now);
        draft.settle();
        draft.configure(event, known.is_none());
        draft.advance();
        Decision::new(Reply::Done {}, draft.finish())
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod tests;
