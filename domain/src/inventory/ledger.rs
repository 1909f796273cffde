//! The ledger: every change of seats, in order; and what the outside world is told.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    id::{EventId, ReservationId},
    time::{Millis, Timestamp},
};

/// What happened to seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryType {
    /// Seats were held.
    #[serde(rename = "reservation.created")]
    Created,
    /// Held seats (or, by a late approval, free ones) were sold.
    #[serde(rename = "reservation.confirmed")]
    Confirmed,
    /// Held seats were given up.
    #[serde(rename = "reservation.cancelled")]
    Cancelled,
    /// A hold ran out.
    #[serde(rename = "reservation.expired")]
    Expired,
    /// Sold seats came back.
    #[serde(rename = "reservation.refunded")]
    Refunded,
    /// The organiser kept seats back.
    #[serde(rename = "seats.blocked")]
    Blocked,
    /// The organiser put seats on sale.
    #[serde(rename = "seats.unblocked")]
    Unblocked,
}

impl EntryType {
    /// As the contract writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "reservation.created",
            Self::Confirmed => "reservation.confirmed",
            Self::Cancelled => "reservation.cancelled",
            Self::Expired => "reservation.expired",
            Self::Refunded => "reservation.refunded",
            Self::Blocked => "seats.blocked",
            Self::Unblocked => "seats.unblocked",
        }
    }
}

/// One line of the ledger. Replaying all of them from an empty map gives the live one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Rises by one, from 1.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EntryType,
    /// The reservation that moved, if one did.
    pub reservation_id: Option<ReservationId>,
    /// The numbered seats; empty in a general section.
    pub seat_ids: Vec<String>,
    /// The general section, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// Number of seats or places.
    pub quantity: u32,
}

/// What leaves through the outbox, complete but for the trace that caused it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Unique for ever: `msg_<event>_<sequence>`.
    pub id: String,
    /// `reservation.…` or `payment.…`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Always `traffic-tacos`.
    pub source: String,
    /// When it happened.
    pub time: Timestamp,
    /// The sale event.
    pub event_id: EventId,
    /// Rises by one per sale event, without gaps.
    pub sequence: u64,
    /// The reservation or payment as it stands after it.
    pub data: Value,
}

impl Notification {
    /// The notification with this sequence.
    #[must_use]
    pub fn new(event_id: &EventId, sequence: u64, kind: &str, at: Millis, data: Value) -> Self {
        Self {
            id: format!("msg_{event_id}_{sequence}"),
            kind: kind.to_owned(),
            source: "traffic-tacos".to_owned(),
            time: Timestamp(at),
            event_id: event_id.clone(),
            sequence,
            data,
        }
    }
}
