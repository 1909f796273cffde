//! What an inventory owes to other objects.

use serde::{Deserialize, Serialize};

use crate::{
    effect::{self, Retry},
    id::{PaymentIntentId, ReservationKey},
    payment::Instruction,
};

/// The id of [`Effect::Publish`], of which there is at most one and which has no row: it follows from the cursor.
pub const PUBLISH: u64 = 0;

/// What is owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Tell the payment provider.
    Pay {
        /// Which intent.
        intent: PaymentIntentId,
        /// What to do with it.
        instruction: Instruction,
    },
    /// Tell the queue that an admission is over, so that its slot is free.
    EndAdmission {
        /// The place that was let in.
        number: u64,
    },
    /// Hand the envelopes behind the cursor of `sale-events` to that queue.
    Publish,
}

/// What the order of effects matters to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// One payment intent: a refund must not overtake its capture.
    Intent(ReservationKey, u8),
    /// One admission.
    Admission(u64),
    /// The log.
    Log,
}

impl Effect {
    /// Pauses between one try and the next: other objects of the event are soon there again.
    pub const RETRY: Retry = Retry { pauses_ms: &[1000, 2000, 4000, 8000, 16_000, 32_000, 60_000], for_ever: true };
}

impl effect::Effect for Effect {
    type Key = Key;

    fn ordering_key(&self) -> Key {
        match self {
            Self::Pay { intent, .. } => Key::Intent(intent.key, intent.attempt),
            Self::EndAdmission { number } => Key::Admission(*number),
            Self::Publish => Key::Log,
        }
    }
}
