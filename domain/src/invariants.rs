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
mod verdict;

pub use self::{
    line::LineWitness,
    money::MoneyWitness,
    seats::{Booking, SeatsWitness},
    told::ToldWitness,
    verdict::{Invariant, Verdict, Violation, hold},
};
use crate::{hash::Hash128, inventory, lane, payment, queue, time::Millis};

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
