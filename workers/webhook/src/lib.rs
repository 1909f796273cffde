//! Delivery to an organiser's endpoint: [`WebhookObject`], one per endpoint. The rules are in [`domain::delivery`].

mod object;
mod store;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use object::WebhookObject;

/// The binding of [`WebhookObject`]; an object's name is the organiser's id for the endpoint.
pub const WEBHOOK: &str = "WEBHOOK";

/// What a [`WebhookObject`] can be asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookAsk {
    /// Deliver these, in order per event; answered with [`domain::delivery::Reply::Enqueued`] once they are stored. Without
    /// envelopes it tells a changed address or secret.
    Enqueue {
        /// Where to.
        url: String,
        /// What signs.
        secret: String,
        /// The contract's envelopes.
        envelopes: Vec<Box<RawValue>>,
    },
    /// What could not be delivered, newest first: a [`domain::delivery::DeadPage`].
    DeadLetters {
        /// `next_before` of the page before.
        before: Option<u64>,
        /// At most so many.
        limit: u32,
    },
    /// Try a dead letter once more; answered with [`domain::delivery::Reply::Redriven`].
    Redrive {
        /// The envelope's id.
        id: String,
    },
    /// The endpoint was deleted: forget everything.
    Drop,
}
