//! Delivery to an organiser's endpoint: [`WebhookObject`], one per endpoint. The rules are in [`domain::delivery`], what the
//! object does around them in [`actors::webhook`]; this crate stores rows.

mod object;
mod store;

pub use object::WebhookObject;
