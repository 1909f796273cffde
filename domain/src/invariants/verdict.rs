//! The promises, and what a check of one says.

use std::fmt;

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
