//! A reservation, its payment intents, and what the public contract shows of them.

use std::{fmt, rc::Rc};

use serde::{Deserialize, Serialize, Serializer};

use crate::{
    id::{EventId, OrderId, PaymentIntentId, ReservationId, ReservationKey, UserId},
    money::{Amount, Currency},
    payment,
    seat_map::{Seat, SeatIds},
    time::{Millis, Timestamp},
    trace::TraceId,
};

/// How many times one reservation may be tried to pay; one more is [`crate::refusal::Refusal::PaymentConflict`].
pub const INTENTS_MAX: usize = 64;

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Its seats are held until the deadline.
    Hold,
    /// Its seats are sold.
    Confirmed,
    /// Given up, or its payment failed.
    Cancelled,
    /// The deadline passed.
    Expired,
    /// Was confirmed; seats and money went back.
    Refunded,
}

impl Status {
    /// As the contract writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "HOLD",
            Self::Confirmed => "CONFIRMED",
            Self::Cancelled => "CANCELLED",
            Self::Expired => "EXPIRED",
            Self::Refunded => "REFUNDED",
        }
    }

    /// Whether its seats are taken.
    #[must_use]
    pub const fn takes_seats(self) -> bool {
        matches!(self, Self::Hold | Self::Confirmed)
    }

    /// Whether the state machine has a move from here to `to`. `Expired → Confirmed` is a late approval.
    #[must_use]
    pub const fn can_become(self, to: Self) -> bool {
        matches!(
            (self, to),
            (Self::Hold, Self::Confirmed | Self::Cancelled | Self::Expired)
                | (Self::Confirmed, Self::Refunded)
                | (Self::Expired, Self::Confirmed)
        )
    }
}

/// One attempt to pay, as the inventory knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Where it stands: never `AUTHORIZED`, which only the provider sees.
    pub status: payment::Status,
    /// What the simulator was told.
    pub plan: payment::Plan,
    /// When it was opened.
    pub created_at: Millis,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
}

/// A reservation as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Which of the event's reservations.
    pub key: ReservationKey,
    /// Whose it is.
    pub user: UserId,
    /// The place in line that was let in.
    pub admission: u64,
    /// When that admission is over at the latest.
    pub admission_ends_at: Millis,
    /// Where it stands.
    pub status: Status,
    /// Its numbered seats; indices into the current map, looked up again from `seat_ids` when the map changes.
    #[serde(skip)]
    pub seats: Vec<Seat>,
    /// Their ids.
    pub seat_ids: SeatIds,
    /// The general section its places are in, where it has places without numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// Number of seats or places.
    pub quantity: u32,
    /// What they cost together.
    pub total_amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// The deadline of the hold.
    pub hold_expires_at: Millis,
    /// When it was made.
    pub created_at: Millis,
    /// When it last moved.
    pub updated_at: Millis,
    /// When it was confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<Millis>,
    /// The last request of its buyer: what a timer or the provider does with it later belongs to that trace.
    #[serde(default, skip_serializing_if = "TraceId::is_none")]
    pub trace: TraceId,
    /// The attempt that its seats were sold for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_by: Option<u8>,
    /// The attempts to pay, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intents: Vec<Intent>,
}

impl Reservation {
    /// Its public id.
    #[must_use]
    pub fn id(&self, event_id: &EventId) -> ReservationId {
        ReservationId { event_id: event_id.clone(), key: self.key }
    }

    /// The public id of its order.
    #[must_use]
    pub fn order_id(&self, event_id: &EventId) -> OrderId {
        OrderId { event_id: event_id.clone(), key: self.key }
    }

    /// The public id of one of its intents.
    #[must_use]
    pub fn intent_id(&self, event_id: &EventId, attempt: usize) -> PaymentIntentId {
        let attempt = u8::try_from(attempt).expect("INTENTS_MAX fits into a byte");
        PaymentIntentId { event_id: event_id.clone(), key: self.key, attempt }
    }

    /// The attempt that is still undecided.
    #[must_use]
    pub fn open_intent(&self) -> Option<usize> {
        self.intents.iter().position(|intent| intent.status == payment::Status::Pending)
    }

    /// The attempt that counts: the one that paid, else the latest.
    #[must_use]
    pub fn leading_intent(&self) -> Option<usize> {
        self.paid_by.map(usize::from).or_else(|| self.intents.len().checked_sub(1))
    }

    fn leading_intent_id(&self, event_id: &EventId) -> Option<PaymentIntentId> {
        self.leading_intent().map(|attempt| self.intent_id(event_id, attempt))
    }
}

/// The contract's reservation.
#[derive(Debug, Serialize)]
pub struct ReservationView<'a> {
    reservation_id: ReservationId,
    event_id: &'a EventId,
    user_id: &'a UserId,
    status: Status,
    seat_ids: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    section: Option<&'a str>,
    quantity: u32,
    total_amount: Amount,
    currency: Currency,
    hold_expires_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_intent_id: Option<PaymentIntentId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<OrderId>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl<'a> ReservationView<'a> {
    /// What is shown of `reservation`.
    #[must_use]
    pub fn new(event_id: &'a EventId, reservation: &'a Reservation) -> Self {
        Self {
            reservation_id: reservation.id(event_id),
            event_id,
            user_id: &reservation.user,
            status: reservation.status,
            seat_ids: &reservation.seat_ids,
            section: reservation.section.as_deref(),
            quantity: reservation.quantity,
            total_amount: reservation.total_amount,
            currency: reservation.currency,
            hold_expires_at: Timestamp(reservation.hold_expires_at),
            payment_intent_id: reservation.leading_intent_id(event_id),
            order_id: reservation.confirmed_at.map(|_| reservation.order_id(event_id)),
            created_at: Timestamp(reservation.created_at),
            updated_at: Timestamp(reservation.updated_at),
        }
    }
}

/// A reservation's row, shared with whoever keeps it, to be shown later as its [`ReservationView`].
#[derive(Clone, PartialEq, Eq)]
pub struct Shown {
    event_id: EventId,
    reservation: Rc<Reservation>,
}

impl Shown {
    /// This row, of this event.
    #[must_use]
    pub fn new(event_id: &EventId, reservation: &Rc<Reservation>) -> Self {
        Self { event_id: event_id.clone(), reservation: Rc::clone(reservation) }
    }

    fn view(&self) -> ReservationView<'_> {
        ReservationView::new(&self.event_id, &self.reservation)
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.view().serialize(serializer)
    }
}

/// A ticket of an order, before the gateway adds its signed code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TicketView {
    ticket_id: String,
    seat_id: Option<String>,
}

/// The contract's order, before the gateway adds the ticket codes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrderView {
    order_id: OrderId,
    reservation_id: ReservationId,
    event_id: EventId,
    user_id: UserId,
    seat_ids: SeatIds,
    #[serde(skip_serializing_if = "Option::is_none")]
    section: Option<String>,
    quantity: u32,
    total_amount: Amount,
    currency: Currency,
    status: Status,
    payment_intent_id: Option<PaymentIntentId>,
    confirmed_at: Timestamp,
    created_at: Timestamp,
    tickets: Vec<TicketView>,
}

impl OrderView {
    /// The order of `reservation`, where it was ever confirmed.
    #[must_use]
    pub fn new(event_id: &EventId, reservation: &Reservation) -> Option<Self> {
        let ticket = |place: u32| TicketView {
            ticket_id: format!("tkt_{event_id}_{}_{}", reservation.key, place + 1),
            seat_id: reservation.seat_ids.get(place as usize).cloned(),
        };
        Some(Self {
            order_id: reservation.order_id(event_id),
            reservation_id: reservation.id(event_id),
            event_id: event_id.clone(),
            user_id: reservation.user.clone(),
            seat_ids: reservation.seat_ids.clone(),
            section: reservation.section.clone(),
            quantity: reservation.quantity,
            total_amount: reservation.total_amount,
            currency: reservation.currency,
            status: reservation.status,
            payment_intent_id: reservation.leading_intent_id(event_id),
            confirmed_at: Timestamp(reservation.confirmed_at?),
            created_at: Timestamp(reservation.created_at),
            tickets: (0..reservation.quantity).map(ticket).collect(),
        })
    }
}

/// The contract's payment intent, as lists and answers show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IntentView {
    payment_intent_id: PaymentIntentId,
    status: payment::Status,
    amount: Amount,
    currency: Currency,
    reservation_id: ReservationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<OrderId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<String>,
    created_at: Timestamp,
    /// What the client waits for while the intent is undecided.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'static str>,
}

impl IntentView {
    /// What is shown of one attempt to pay for `reservation`.
    #[must_use]
    pub fn new(event_id: &EventId, reservation: &Reservation, attempt: usize) -> Option<Self> {
        let intent = reservation.intents.get(attempt)?;
        Some(Self {
            payment_intent_id: reservation.intent_id(event_id, attempt),
            status: intent.status,
            amount: reservation.total_amount,
            currency: reservation.currency,
            reservation_id: reservation.id(event_id),
            order_id: (reservation.paid_by == u8::try_from(attempt).ok()).then(|| reservation.order_id(event_id)),
            failure_reason: intent.failure_reason.clone(),
            created_at: Timestamp(intent.created_at),
            next: (intent.status == payment::Status::Pending).then_some("webhook"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Status::{Cancelled, Confirmed, Expired, Hold, Refunded};

    #[test]
    fn the_state_machine_has_exactly_the_moves_of_the_contract() {
        let all = [Hold, Confirmed, Cancelled, Expired, Refunded];
        let moves = all.into_iter().flat_map(|from| all.into_iter().map(move |to| (from, to)));
        let allowed: Vec<_> = moves.filter(|(from, to)| from.can_become(*to)).collect();
        assert_eq!(allowed, [(Hold, Confirmed), (Hold, Cancelled), (Hold, Expired), (Confirmed, Refunded), (Expired, Confirmed)]);
    }
}
