//! Every "no" of the rules, each with its stable code. A refusal is an answer, not a fault: nothing was changed.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Why a command was not carried out. The gateway alone turns it into a status and a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The object has no configuration yet; whoever asked sends it and asks again. Never reaches a client.
    Unconfigured,
    /// The same key came with another request.
    IdempotencyConflict,
    /// A buffer or table is at its bound; nothing was changed and the request may be sent again.
    Overloaded,
    /// A field's value breaks a rule that only the machine could check.
    Invalid {
        /// The JSON field.
        field: String,
        /// What is wrong with it.
        problem: String,
    },

    /// Sales have not begun.
    SaleNotOpen {
        /// When they begin.
        opens_at: Timestamp,
    },
    /// Sales are over.
    SaleClosed,
    /// Nothing is left, or not as many seats as were asked for.
    SoldOut,

    /// The place exists but its turn has not come.
    NotReady,
    /// The place was given up, lapsed, or its admission is over.
    TokenExpired,
    /// No such place.
    TokenNotFound,

    /// The admission is over.
    NotAdmitted,
    /// These seats are held, sold or blocked.
    SeatTaken {
        /// Exactly the taken ones, in the order asked.
        seat_ids: Vec<String>,
    },
    /// The event has no such seats.
    SeatNotFound {
        /// Exactly the unknown ones, in the order asked.
        seat_ids: Vec<String>,
    },
    /// This admission or this user already holds what it may.
    ReservationLimit,
    /// No such reservation.
    ReservationNotFound,
    /// The hold's deadline has passed.
    ReservationExpired,
    /// The reservation is confirmed, cancelled or refunded.
    ReservationNotHeld,
    /// No such order.
    OrderNotFound,
    /// It belongs to someone else.
    Forbidden,

    /// No such payment intent.
    PaymentNotFound,
    /// Another intent for the reservation is open.
    PaymentConflict,
    /// There is no authorised payment of this reservation.
    PaymentNotApproved,
    /// Amount or currency is not the reservation's.
    AmountMismatch,

    /// The change would remove a held or sold seat.
    EventHasSales {
        /// Some of those seats, at most [`Refusal::SEATS_NAMED_MAX`].
        seat_ids: Vec<String>,
    },
}

impl Refusal {
    /// How many seats a refusal names at most where the number is not bounded by the request.
    pub const SEATS_NAMED_MAX: usize = 20;

    /// The stable code of the public contract.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unconfigured => "UNAVAILABLE",
            Self::IdempotencyConflict => "IDEMPOTENCY_CONFLICT",
            Self::Overloaded => "OVERLOADED",
            Self::Invalid { .. } => "INVALID_REQUEST",
            Self::SaleNotOpen { .. } => "SALE_NOT_OPEN",
            Self::SaleClosed => "SALE_CLOSED",
            Self::SoldOut => "SOLD_OUT",
            Self::NotReady => "NOT_READY",
            Self::TokenExpired => "TOKEN_EXPIRED",
            Self::TokenNotFound => "TOKEN_NOT_FOUND",
            Self::NotAdmitted => "NOT_ADMITTED",
            Self::SeatTaken { .. } => "SEAT_TAKEN",
            Self::SeatNotFound { .. } => "SEAT_NOT_FOUND",
            Self::ReservationLimit => "RESERVATION_LIMIT",
            Self::ReservationNotFound => "RESERVATION_NOT_FOUND",
            Self::ReservationExpired => "RESERVATION_EXPIRED",
            Self::ReservationNotHeld => "RESERVATION_NOT_HELD",
            Self::OrderNotFound => "ORDER_NOT_FOUND",
            Self::Forbidden => "FORBIDDEN",
            Self::PaymentNotFound => "PAYMENT_NOT_FOUND",
            Self::PaymentConflict => "PAYMENT_CONFLICT",
            Self::PaymentNotApproved => "PAYMENT_NOT_APPROVED",
            Self::AmountMismatch => "AMOUNT_MISMATCH",
            Self::EventHasSales { .. } => "EVENT_HAS_SALES",
        }
    }
}
