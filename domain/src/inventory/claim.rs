//! Claims: seats that one shard keeps for a reservation of another. See [`crate::spread`].
//!
//! A reservation whose seats are not all at its home is *spread*: each shard that has some of them keeps a claim, and
//! home alone decides. Home asks every shard in order of their numbers, commits the reservation when all have agreed,
//! and tells them how it ended by errands. A claim whose reservation never came is found by asking home.
//!
//! Messages can come late, twice or out of order, so each carries a *stamp*: home's errand number, which rises with
//! every word that ends a claim. A claim is made with the stamp after the last such word; a word is ignored by claims
//! with a higher one.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::{Admission, Wish};
use crate::{id::ReservationKey, seat_map::SeatIds, time::Millis};

/// After how long a shard asks home about a claim for the first time, in milliseconds; sooner where holds are shorter.
pub const FIRST_CHECK_MS: u64 = 5000;
/// How long after the deadline of a hold, or after no answer, a shard asks again, in milliseconds.
pub const NEXT_CHECK_MS: u64 = 1000;

/// What a shard keeps for a reservation. The book keeps the same of every reservation that takes seats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// For which reservation; its home follows from it.
    pub key: ReservationKey,
    /// Words of home with a lower stamp are about an earlier claim.
    pub stamp: u64,
    /// The numbered seats.
    pub seat_ids: SeatIds,
    /// The general section, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// Number of seats or places; 0 where only an admission is kept.
    pub quantity: u32,
    /// An admission that is used by this reservation alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admission: Option<Admission>,
    /// Whether they are sold; held otherwise.
    pub sold: bool,
    /// When home is asked how the reservation stands, unless it has said so by then.
    pub check_at: Millis,
}

/// What a shard is asked to keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartWish {
    /// Which shard.
    pub shard: u32,
    /// Which seats; none where only the admission is kept.
    pub wish: Option<Wish>,
    /// The admission that nobody else may use meanwhile.
    pub admission: Option<Admission>,
}

/// What must be claimed before a command can be carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needed {
    /// For which reservation.
    pub key: ReservationKey,
    /// Of whom, in order of their numbers.
    pub parts: Vec<PartWish>,
    /// The best seats of the whole event, besides.
    pub anywhere: Option<Wish>,
}

/// What was claimed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// At which shards.
    pub at: Vec<u32>,
    /// The numbered seats.
    pub seat_ids: Vec<String>,
    /// The general section, where it is one.
    pub section: Option<String>,
    /// Number of seats or places.
    pub quantity: u32,
}

/// How far a hold over several shards has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// Whether the admission may be used by anybody who has its token.
    pub unbound: bool,
    /// What was claimed for it.
    pub claimed: Option<Claimed>,
}

/// How far a late approval of a spread reservation has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reclaim {
    /// Nobody was asked for the seats.
    #[default]
    Untried,
    /// They are claimed again.
    Granted,
    /// Somebody else has one of them.
    Refused,
}

/// What becomes of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Settlement {
    /// Its seats are sold.
    Sold,
    /// Its seats are free.
    Free,
}

/// Home's word about one claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Of which reservation.
    pub key: ReservationKey,
    /// Ignored by claims with a higher one.
    pub stamp: u64,
    /// What becomes of it.
    pub to: Settlement,
}

/// How a reservation stands, as home tells a shard that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// It is being made.
    Pending,
    /// It is held until then.
    Held(Millis),
    /// It is over, sold, or was never made.
    Settled(Word),
}

/// The best that a shard has for a wish: a section by its index, and whether the seats are adjacent there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Offer {
    /// Not adjacent; an adjacent offer comes before any other.
    pub apart: bool,
    /// The section's index in map order.
    pub section: usize,
}

impl Claim {
    /// The same with another stamp.
    #[must_use]
    pub(super) fn stamped(&self, stamp: u64) -> Rc<Self> {
        Rc::new(Self { stamp, ..self.clone() })
    }
}
