//! The payment provider simulator: [`PaymentObject`], one per intent. The rules are in [`domain::payment`].
//!
//! It stands where a real provider will stand: the inventory instructs it, and its decisions come back as signed
//! webhooks through the public contract.

mod object;
mod store;

use domain::{
    id::UserId,
    idempotency::Idempotency,
    payment::{Action, Instruction},
};
use serde::{Deserialize, Serialize};

pub use object::{DEVELOPMENT_WEBHOOK_SECRET, PaymentObject};

/// The binding of [`PaymentObject`]; an object's name is its intent's id.
pub const PAYMENT: &str = "PAYMENT";

/// What a [`PaymentObject`] can be asked. Every answer is a [`domain::payment::StatusReply`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentAsk {
    /// The inventory instructs.
    Instruct(Instruction),
    /// A client wants a pending intent decided now; answered once the decision was reported.
    Process {
        /// Who asks.
        user: UserId,
        /// What to decide.
        action: Action,
        /// The client's key.
        idempotency: Idempotency,
    },
    /// How it stands.
    Status {
        /// Who asks.
        user: UserId,
    },
}
