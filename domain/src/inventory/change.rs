//! What became true of an inventory.

use std::rc::Rc;

use super::{
    command::Admission,
    effect::Effect,
    ledger::{Entry, Notification},
    reservation::Reservation,
};
use crate::{effect::Pending, event::Event, time::Millis};

/// What became true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The event is described like this from now on.
    Configured(Box<Event>),
    /// A reservation came into being or moved, and its seats with it. This is its new row.
    Moved(Rc<Reservation>, Entry),
    /// A reservation's intents changed; its seats did not.
    Updated(Rc<Reservation>),
    /// Seats were blocked or unblocked, as the entry says.
    Blocked(Entry),
    /// The outside world is to be told.
    Notified(Notification),
    /// An admission is over before its time.
    AdmissionEnded(Admission),
    /// Something is owed, or tried again later.
    Owed(Box<Pending<Effect>>),
    /// An effect was performed.
    Performed(u64),
    /// The queue `sale-events` took the envelopes up to this sequence; fewer than before where some are to go again.
    Published {
        /// The last one that it took.
        through: u64,
        /// When that was.
        at: Millis,
    },
    /// The envelopes are to be published later.
    PublishingFailed(Box<Pending<Effect>>),
    /// Whoever reads `sale-events` has dealt with the envelopes up to this sequence.
    Consumed {
        /// The last one.
        through: u64,
        /// When that was.
        at: Millis,
    },
}
