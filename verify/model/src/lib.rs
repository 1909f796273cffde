//! Every interleaving of the small core: an inventory of one seat, its payments and its log.
//!
//! The machines are the real ones, in the real engine, over the rows of the simulation; rules are never written down a
//! second time. What a machine owes is data (`domain::effect`), so that what lies between machines is small: an effect that
//! is due is sent, arrives, and is acknowledged, in every order and with everything that may go wrong on the way.
//!
//! | Checked | Where |
//! |---|---|
//! | the witness of `domain::invariants` accepts everything that became durable | each step |
//! | the same key gets the same answer, and one that was granted is never refused | each step |
//! | memory is what a reload from the rows gives, and passes `Inventory::check` | each state of a machine |
//! | the ledger replayed gives the inventory's map, and nobody has more than the event allows | each pair of inventory and ledger |
//! | nothing is open or owed, cursors are at the end, the money is where it belongs, provider and inventory agree | each terminal state |
//!
//! A state is terminal when only a buyer or a late copy could still set something going: a buyer may vanish anywhere.
//!
//! **What is bounded** is in [`scenario::Bounds`]; a state is left out where it was reached before with no less left to go
//! wrong. **What is wider than reality**: time stands still at the instants that matter, which the machines' one clock and the
//! scenario say, and everything may happen at each; a gateway that has heard of an authorisation may confirm at any later time;
//! what died with a crash may be tried again at once. **What is left out**: the queue (what is owed to it is performed at
//! once), the log where it is not what a scenario is about (so is this), and commands that share a commit: what is decided
//! together is decided one after the other.
//! A crash takes what was not durable back, with whoever waited for it; so it is a crash in the middle of a call.
//!
//! Whoever follows a log by a cursor of its own, an organiser's endpoint, has searches of its own: [`endpoints`].

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod cast;
pub mod endpoints;
pub mod part;
pub mod sale;
pub mod scenario;
pub mod search;
pub mod step;
