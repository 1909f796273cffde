//! The rules of a sale.
//!
//! A sale is four state machines, and telling the organisers is a fifth. Each is a plain struct that decides without
//! changing, changes without failing, and says when time alone will change it next ([`machine`]):
//!
//! | Machine | Object | Rules |
//! |---|---|---|
//! | [`lane::Lane`] | several per event | one place per caller, joins gathered into batches |
//! | [`queue::Queue`] | one per event | numbers places, moves the frontier, admits |
//! | [`inventory::Inventory`] | one per event | seats, holds, reservations, orders, intents, ledger, outbox |
//! | [`payment::Payment`] | one per intent | the provider simulator: authorise, capture, void, refund |
//! | [`delivery::Delivery`] | one per endpoint | an organiser's webhooks: in order, at least once |
//!
//! Nothing here does I/O, reads a clock or draws a random number: `now` is an argument, ids come in with the
//! command, and iteration order is fixed. The same inputs give the same outputs, so that a whole sale can be
//! replayed from one seed.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod board;
pub mod chance;
pub mod delivery;
pub mod effect;
pub mod event;
pub mod hash;
pub mod id;
pub mod idempotency;
pub mod invariants;
pub mod inventory;
pub mod lane;
pub mod live;
pub mod machine;
pub mod money;
pub mod payment;
pub mod queue;
mod recalled;
pub mod refusal;
pub mod seat_map;
pub mod stock;
pub mod time;
pub mod trace;
