//! Every interleaving of the small core: an inventory of one seat and its payments.
//!
//! The machines are the real ones, in the real engine, over the rows of the simulation; rules are never written down a
//! second time. What lies between them (calls that carry out errands one by one, webhooks, alarms, gateways that ask the
//! provider) is followed in the steps that `protocol` takes between two awaits, in every order.
//!
//! | Checked | Where |
//! |---|---|
//! | the witness of `domain::invariants` accepts everything that became durable | each step |
//! | the same key gets the same answer, and one that was granted is never refused | each step |
//! | memory is what a reload from the rows gives, and passes `Inventory::check` | each state of an object |
//! | the ledger replayed gives the inventory's map | each pair of inventory and ledger |
//! | nothing is open or owed, the money is where it belongs, provider and inventory agree | each terminal state |
//!
//! A state is terminal when only a buyer or a late copy could still set something going: a buyer may vanish anywhere.
//!
//! **What is bounded** is in [`scenario::Bounds`], and an errand that failed is tried again together with all others only; a state is left out where it was reached before with no less left to go
//! wrong. **What is wider than reality**: time stands still at the few instants that matter and everything may happen at
//! each; an alarm with something to do rings at any moment; a gateway that has heard of an authorisation may confirm at any
//! later time. **What is left out**: the queue (what is owed to it is always taken at once), the outbox (taken at once
//! unless a save fails: nothing else reads it), and the recorded answer of a decision by request, which changes nothing.
//! A crash with nothing under way is no step of its own, because memory is known to be the rows.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod cast;
pub mod object;
pub mod sale;
pub mod scenario;
pub mod search;
pub mod state;
pub mod step;
