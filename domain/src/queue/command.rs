//! What can be asked of a queue, what is answered, what became true, and what is owed.

use serde::{Deserialize, Serialize};

use super::counters::{Counters, StockAsked};
use crate::{
    board::{Chunk, PlaceState, Wave},
    effect,
    event::Event,
    idempotency::Idempotency,
    refusal::Refusal,
    stock::Stock,
    time::Millis,
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
        /// What [`stock_question`](super::Queue::stock_question) gave when it was asked.
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
