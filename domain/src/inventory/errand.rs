//! Errands: what the inventory owes to other objects. Kept in rows until done, so that no crash loses one.

use serde::{Deserialize, Serialize};

use crate::{id::PaymentIntentId, payment::Instruction, time::Millis};

/// Longest pause between two tries of an errand, in milliseconds.
const RETRY_MAX_MS: u64 = 60_000;

/// What is owed. Doing it twice is harmless.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
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
}

/// A duty and when it is tried next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// Rises; errands of one intent are carried out in this order.
    pub id: u64,
    /// What is owed.
    pub duty: Duty,
    /// How often it failed.
    pub tries: u32,
    /// When it is tried again, unless it is done by then.
    pub next_try_at: Millis,
}

impl Errand {
    /// When to try again after one more failure at `now`: 1, 2, 4 … 60 s later.
    #[must_use]
    pub fn after_failure(&self, now: Millis) -> Self {
        let pause_ms = 1000_u64.saturating_mul(1 << self.tries.min(10)).min(RETRY_MAX_MS);
        Self { tries: self.tries.saturating_add(1), next_try_at: now.plus_ms(pause_ms), ..self.clone() }
    }
}
