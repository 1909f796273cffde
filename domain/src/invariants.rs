//! The promises of a sale, each a check with a name, over everything that was ever saved.
//!
//! A [`Witness`] is told each saved change, in the order in which it became durable, and keeps its own account of the
//! sale from nothing else: who has which seat, what was paid for what, how every place stands. It shares no code with
//! the rules that it watches. The property tests, the simulation and the model checker all use this one witness; the
//! machines assert what they can see by themselves, too.
//!
//! Nothing here runs in production.

mod line;
mod money;
mod seats;
mod told;

use std::fmt;

pub use self::{
    line::LineWitness,
    money::MoneyWitness,
    seats::{Booking, SeatsWitness},
    told::ToldWitness,
};
use crate::{hash::Hash128, inventory, lane, payment, queue, time::Millis};

/// A promise of the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// A seat is available, held by one reservation, sold to one order, or blocked; everything adds up to the total.
    SeatOnce,
    /// Every hold ends confirmed, cancelled or expired, once, and expiry needs nobody to call.
    HoldEnds,
    /// Nothing is sold without an authorised payment of the same reservation, user, amount and currency; nothing is
    /// captured without its seats sold.
    MoneyBehindSeat,
    /// What was acknowledged survives the loss of all memory; the same key gets the same answer and has one effect.
    AcknowledgedSurvives,
    /// Places are numbered without inversions; a place that stays never moves back.
    NoInversion,
    /// Admissions never exceed rate or cap; a ready place can always enter within its window.
    AdmissionExact,
    /// The ledger replayed from its first entry gives the live seat map.
    LedgerIsTruth,
    /// A reservation is seen and changed by its owner alone; a forged or foreign token reaches no object.
    OwnerAlone,
    /// No slot is idle for longer than a second while people wait who could have it.
    NoIdleSlot,
    /// Everybody and everything ends: places, holds, payments, effects.
    AllEnds,
    /// The log has every envelope of an event, without a gap, for the life of the event; a cursor moves only over what its
    /// reader has acknowledged.
    NothingUntold,
    /// What a user may have holds at every move that takes seats: within the sale, and no more of them than the event allows.
    Limits,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::SeatOnce,
        Self::HoldEnds,
        Self::MoneyBehindSeat,
        Self::AcknowledgedSurvives,
        Self::NoInversion,
        Self::AdmissionExact,
        Self::LedgerIsTruth,
        Self::OwnerAlone,
        Self::NoIdleSlot,
        Self::AllEnds,
        Self::NothingUntold,
        Self::Limits,
    ];

    /// Its name in the documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SeatOnce => "seat-once",
            Self::HoldEnds => "hold-ends",
            Self::MoneyBehindSeat => "money-behind-seat",
            Self::AcknowledgedSurvives => "acknowledged-survives",
            Self::NoInversion => "no-inversion",
            Self::AdmissionExact => "admission-exact",
            Self::LedgerIsTruth => "ledger-is-truth",
            Self::OwnerAlone => "owner-alone",
            Self::NoIdleSlot => "no-idle-slot",
            Self::AllEnds => "all-ends",
            Self::NothingUntold => "nothing-untold",
            Self::Limits => "limits",
        }
    }
}

/// A promise was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// How.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant.name(), self.what)
    }
}

/// What a check says.
pub type Verdict = Result<(), Violation>;

/// Holds `invariant` to `kept`; `what` tells how it was broken.
///
/// # Errors
/// It was.
pub fn hold(invariant: Invariant, kept: bool, what: impl FnOnce() -> String) -> Verdict {
    if kept { Ok(()) } else { Err(Violation { invariant, what: what() }) }
}

/// One event's sale as it was saved. See the module.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    /// Seats and reservations.
    pub seats: SeatsWitness,
    /// Payment intents.
    pub money: MoneyWitness,
    /// Places in line.
    pub line: LineWitness,
    /// What endpoints are told.
    pub told: ToldWitness,
    /// Whether one machine is watched without the others, so that what one says of another cannot be compared.
    alone: bool,
}

impl Witness {
    /// A witness of one machine without the others.
    #[must_use]
    pub fn of_one() -> Self {
        Self { alone: true, ..Self::default() }
    }

    /// The inventory saved `changes` in one commit, decided at `now`.
    ///
    /// # Errors
    /// A promise was broken.
    pub fn inventory_saved(&mut self, changes: &[inventory::Change], now: Millis) -> Verdict {
        self.seats.saved(changes, &|key, attempt| self.alone || self.money.is_authorised(key, attempt), now)
    }

    /// The simulated provider saved `changes` in one commit.
    ///
    /// # Errors
    /// A promise was broken.
    pub fn payments_saved(&mut self, changes: &[payment::Change]) -> Verdict {
        changes.iter().try_for_each(|change| self.money.saved(&change.intent.terms.intent_id, change, &self.seats))
    }

    /// The queue saved `changes` in one commit, decided at `now`.
    ///
    /// # Errors
    /// A promise was broken.
    pub fn queue_saved(&mut self, changes: &[queue::Change], now: Millis) -> Verdict {
        self.line.queue_saved(changes, (!self.alone).then_some(&self.seats), now)
    }

    /// A lane saved `changes` in one commit.
    ///
    /// # Errors
    /// A promise was broken.
    pub fn lane_saved(&mut self, lane: u32, changes: &[lane::Change]) -> Verdict {
        changes.iter().try_for_each(|change| self.line.lane_saved(lane, change))
    }

    /// A caller was told its place.
    ///
    /// # Errors
    /// No lane has saved that.
    pub fn told(&mut self, caller: Hash128, number: u64) -> Verdict {
        self.line.told(caller, number)
    }

    /// Nothing happens any more and every deadline has passed.
    ///
    /// # Errors
    /// Something has not ended.
    pub fn at_rest(&self) -> Verdict {
        self.seats.at_rest()?;
        self.money.at_rest(&self.seats)?;
        self.line.at_rest()
    }
}
