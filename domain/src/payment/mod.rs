//! Payments: what is paid, what the inventory tells a provider, and the simulated provider.
//!
//! Money is never ahead of the seat: an approval only authorises, and the inventory captures once its seats are sold.
//! Everything the inventory says is an [`Instruction`], total over all states and harmless when repeated:
//!
//! | Status | Capture | Void | Refund | Cancel | Fail | by itself |
//! |---|---|---|---|---|---|---|
//! | `PENDING` | `APPROVED` | `CANCELLED` | `CANCELLED` | `CANCELLED` | `FAILED` | decided: `AUTHORIZED` or `FAILED`; `timeout`: `EXPIRED` |
//! | `AUTHORIZED` | `APPROVED` | `REFUNDED` | `REFUNDED` | `REFUNDED` | `REFUNDED` | – |
//! | `APPROVED` | – | `REFUNDED` | `REFUNDED` | `REFUNDED` | – | – |
//! | `FAILED`, `EXPIRED` | `APPROVED` | – | – | – | – | – |
//! | `CANCELLED`, `REFUNDED` | – | – | – | – | – | – |
//!
//! A dash changes nothing and is granted: the answer says how the intent stands. `REFUNDED` after `AUTHORIZED` gives a
//! promise back, after `APPROVED` the money. Whoever wants the money back gets it wherever it is, so that a refund that
//! overtakes its capture cannot leave a charge behind. Whoever captures has sold the seats on a signed word: where that
//! came from elsewhere, the intent may have failed or expired here meanwhile, and is captured all the same. Before
//! `Open` everything is refused with [`Refusal::PaymentNotFound`].
//!
//! The provider's own decision is reported by a [`Webhook`] until it is received or given up, at once and again as
//! [`intent::RETRY`] says; it is withdrawn when the money went back meanwhile. A decision that came from elsewhere
//! (`Capture` or `Fail` on `PENDING`) is not reported: who made it knows.

pub mod intent;
pub mod simulator;
mod terms;

pub use self::{
    intent::{Intent, Step},
    simulator::{Change, Command, Simulator},
    terms::{
        Action, Instruction, Outcome, Plan, Scenario, Status, StatusReply, Terms, Webhook, WebhookBody, WebhookData, WebhookType,
    },
};

#[cfg(test)]
mod tests;
