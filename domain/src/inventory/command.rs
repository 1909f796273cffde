//! What can be asked of an inventory, and what it answers.

use serde::{Deserialize, Serialize};

use super::reservation::{IntentView, Shown, Status};
use crate::{
    event::Event,
    id::{OrderId, PaymentIntentId, ReservationId, ReservationKey, UserId},
    idempotency::Idempotency,
    money::{Amount, Currency},
    payment,
    seat_map::SeatIds,
    time::{Millis, Timestamp},
};

/// The right to hold seats, as the signed reservation token says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// The place that was let in.
    pub number: u64,
    /// When the admission is over.
    pub ends_at: Millis,
}

/// Which seats somebody wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Exactly these.
    pub seat_ids: Option<SeatIds>,
    /// This many; must equal the number of `seat_ids` where both are named.
    pub quantity: Option<u32>,
    /// In this section.
    pub section: Option<String>,
    /// Adjacent or not at all.
    pub together: bool,
}

/// What can be asked. Each has one effect however often it arrives with the same key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Take over the event; an older or equal version changes nothing.
    Configure(Box<Event>),
    /// Hold seats.
    Hold {
        /// 128 fresh random bits.
        key: ReservationKey,
        /// For whom.
        user: UserId,
        /// By which right.
        admission: Admission,
        /// Which seats.
        wish: Wish,
        /// The caller's key.
        idempotency: Idempotency,
    },
    /// Give up a hold.
    Cancel {
        /// Which reservation.
        key: ReservationKey,
        /// Who asks.
        user: UserId,
        /// The caller's key, where the form of the call has one.
        idempotency: Option<Idempotency>,
    },
    /// Open a payment intent.
    OpenIntent {
        /// For which reservation.
        key: ReservationKey,
        /// Who asks.
        user: UserId,
        /// What the client believes it costs.
        amount: Option<Amount>,
        /// In which currency.
        currency: Option<Currency>,
        /// What the simulator is told.
        plan: payment::Plan,
        /// The caller's key.
        idempotency: Idempotency,
    },
    /// Give up a payment; an approved one is refunded with its order.
    CancelIntent {
        /// Which intent.
        intent: PaymentIntentId,
        /// Who asks.
        user: UserId,
        /// The caller's key.
        idempotency: Idempotency,
    },
    /// Turn a paid hold into an order.
    Confirm {
        /// Which reservation.
        key: ReservationKey,
        /// Who asks.
        user: UserId,
        /// Paid by which intent.
        intent: PaymentIntentId,
        /// Whether the provider says that this intent is authorised.
        authorised: bool,
        /// The caller's key.
        idempotency: Idempotency,
    },
    /// The provider's signed word about an intent.
    Decided {
        /// Digest of the webhook's id as the scope: each id is handled once.
        idempotency: Idempotency,
        /// Which intent.
        intent: PaymentIntentId,
        /// What the provider believes it pays for.
        reservation_id: ReservationId,
        /// What the provider authorised.
        amount: Amount,
        /// In which currency.
        currency: Currency,
        /// What it decided.
        outcome: payment::Outcome,
    },
    /// Take an order back.
    Refund {
        /// Which order.
        key: ReservationKey,
        /// Who asks.
        user: UserId,
        /// The caller's key.
        idempotency: Idempotency,
    },
    /// The place left after entering: its token admits nobody any more.
    EndAdmission(Admission),
    /// Keep seats back, or put them on sale.
    Block {
        /// Who asks: the user name of an organiser.
        actor: String,
        /// Seats to keep back.
        block: Vec<String>,
        /// Seats to put on sale.
        unblock: Vec<String>,
    },
    /// Carry out what is due.
    Tick,
    /// This effect was performed.
    Performed(u64),
    /// This effect failed; it is tried again later.
    Failed(u64),
    /// The queue `sale-events` took the envelopes up to this sequence.
    Published {
        /// The last one that it took.
        through: u64,
    },
    /// Whoever reads `sale-events` has dealt with the envelopes up to this sequence.
    Consumed {
        /// The last one.
        through: u64,
    },
}

/// What a provider's word led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// The seats are sold.
    Confirmed,
    /// The reservation is cancelled, its seats are free.
    Cancelled,
    /// The seats were gone; the authorisation is given back.
    Voided,
    /// Nothing: already decided, or not about this payment.
    None,
}

/// What is answered: the bodies of the public contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// The reservation.
    Reservation(Shown),
    /// A reservation was given up.
    Cancelled {
        /// `CANCELLED`.
        status: Status,
        /// Which.
        reservation_id: ReservationId,
    },
    /// A hold became an order.
    Confirmed {
        /// The order.
        order_id: OrderId,
        /// `CONFIRMED`.
        status: Status,
        /// Of which reservation.
        reservation_id: ReservationId,
        /// When.
        confirmed_at: Timestamp,
    },
    /// An order was taken back.
    Refunded {
        /// Which.
        order_id: OrderId,
        /// `REFUNDED`.
        status: Status,
    },
    /// A payment intent.
    Intent(Box<IntentView>),
    /// A provider's word was taken.
    Received {
        /// Always true.
        received: bool,
        /// What it led to.
        effect: Consequence,
        /// How the payment stands since.
        status: payment::Status,
    },
    /// Seats were kept back or put on sale.
    Blocked {
        /// The seats that are blocked now and were not.
        blocked: Vec<String>,
        /// The seats that were blocked and are not now.
        unblocked: Vec<String>,
    },
    /// Done.
    Done {},
}

/// Where a page of a newest-first list ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// When the last one was made.
    pub created_at: Millis,
    /// Which it was.
    pub key: ReservationKey,
}

/// Looks that change nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Query {
    /// One reservation, for its owner: [`super::reservation::ReservationView`].
    Reservation {
        /// Which.
        key: ReservationKey,
        /// Who asks.
        user: UserId,
    },
    /// One order, for its owner: [`super::reservation::OrderView`].
    Order {
        /// Which.
        key: ReservationKey,
        /// Who asks.
        user: UserId,
    },
    /// A user's reservations, newest first: a list of [`super::reservation::ReservationView`].
    Reservations {
        /// Whose.
        user: UserId,
        /// Only those in this status.
        status: Option<String>,
        /// Only those older than this.
        before: Option<Cursor>,
        /// At most this many.
        limit: u32,
    },
    /// A user's orders, newest first: a list of [`super::reservation::OrderView`].
    Orders {
        /// Whose.
        user: UserId,
        /// Only those older than this.
        before: Option<Cursor>,
        /// At most this many.
        limit: u32,
    },
    /// A user's payment intents, newest reservation first: a list of [`IntentView`].
    Intents {
        /// Whose.
        user: UserId,
        /// Only those of this reservation.
        reservation: Option<ReservationKey>,
        /// Only those in this status.
        status: Option<String>,
        /// Only those of older reservations than this.
        before: Option<Cursor>,
        /// Of at most this many reservations.
        limit: u32,
    },
    /// The body of `GET /events/{id}/availability`.
    Availability,
    /// The body of `GET /events/{id}/seats`.
    Seats,
    /// A page of the ledger: `{entries, next_cursor}`.
    Ledger {
        /// Only entries behind this sequence.
        after: u64,
        /// At most this many.
        limit: u32,
    },
    /// A page of the log: [`super::ledger::FeedPage`].
    Feed {
        /// Only envelopes behind this sequence.
        after: u64,
        /// At most this many.
        limit: u32,
    },
    /// The sequence of the last envelope that is older than an instant: a number, 0 where there is none.
    LoggedBefore(Millis),
    /// A payment intent, for its owner: [`IntentView`].
    Intent {
        /// Which.
        intent: PaymentIntentId,
        /// Who asks.
        user: UserId,
    },
    /// What changed for those who watch the seats: [`super::feed::SeatChanges`].
    Changes {
        /// Epoch and sequence that the asker stands at; none for everything.
        known: Option<(u64, u64)>,
    },
    /// What the queue needs to know.
    Stock,
    /// What the organiser's console shows.
    Figures,
}
