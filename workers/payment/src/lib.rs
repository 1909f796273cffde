//! The payment provider simulator: [`PaymentObject`], one per event. The rules are in [`domain::payment`], what the
//! object does around them in [`actors::payment`]; this crate stores rows.
//!
//! It stands where a real provider will stand: the inventory instructs it, and its decisions come back as signed
//! webhooks, which the gateway believes by their signatures alone.

mod object;
mod store;

pub use object::PaymentObject;
