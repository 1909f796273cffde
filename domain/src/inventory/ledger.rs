//! The ledger: every change of seats, in order; and what the outside world is told.

use serde::{
    Deserialize, Serialize, Serializer,
    ser::{Error, SerializeStruct},
};

use serde_json::value::RawValue;

use super::reservation::{IntentView, Shown};
use crate::{
    id::{EventId, ReservationId},
    seat_map::SeatIds,
    time::Timestamp,
    trace::TraceId,
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
    /// The request that caused it.
    #[serde(default, skip_serializing_if = "TraceId::is_none")]
    pub trace_id: TraceId,
    /// Who of the organisers did it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The reservation that moved, if one did.
    pub reservation_id: Option<ReservationId>,
    /// The numbered seats; empty in a general section.
    pub seat_ids: SeatIds,
    /// The general section, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// Number of seats or places.
    pub quantity: u32,
}

/// What the outside world is told. Text and JSON are made when it is saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The sale event.
    pub event_id: EventId,
    /// Rises by one per sale event, without gaps.
    pub sequence: u64,
    /// `reservation.…` or `payment.…`.
    pub kind: &'static str,
    /// When it happened.
    pub time: Timestamp,
    /// The request that caused it.
    pub trace_id: TraceId,
    /// What it is about, as it stands after it.
    pub data: Subject,
}

impl Serialize for Notification {
    /// Its id is unique for ever; its source is always the same.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { event_id, sequence, kind, time, trace_id, data } = self;
        let mut envelope = serializer.serialize_struct("Notification", 8)?;
        envelope.serialize_field("id", &format_args!("msg_{event_id}_{sequence}"))?;
        envelope.serialize_field("type", kind)?;
        envelope.serialize_field("source", "traffic-tacos")?;
        envelope.serialize_field("time", time)?;
        envelope.serialize_field("event_id", event_id)?;
        envelope.serialize_field("sequence", sequence)?;
        envelope.serialize_field("trace_id", trace_id)?;
        envelope.serialize_field("data", data)?;
        envelope.end()
    }
}

/// Some of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FeedPage {
    /// Envelopes, as they are told, in order.
    pub envelopes: Vec<Box<RawValue>>,
    /// The sequence of the last one.
    pub next: Option<u64>,
}

/// What a notification is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A reservation.
    Reservation(Shown),
    /// A payment.
    Payment(Box<IntentView>),
}

impl Serialize for Subject {
    /// By way of a tree, so that the fields are in the order of their names.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tree = match self {
            Self::Reservation(shown) => serde_json::to_value(shown),
            Self::Payment(view) => serde_json::to_value(view),
        };
        tree.map_err(Error::custom)?.serialize(serializer)
    }
}
