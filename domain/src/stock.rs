//! What the queue must know of the seats: nobody is let in beyond what remains.

use serde::{Deserialize, Serialize};

/// The stock of one event at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stock {
    /// Seats and places that can be held now.
    pub available: u32,
    /// Live holds: people inside who have their seats.
    pub holding: u32,
    /// Whether everything is sold or blocked.
    pub sold_out: bool,
    /// Whether sales are over.
    pub closed: bool,
}
