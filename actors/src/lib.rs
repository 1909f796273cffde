//! How the parts of a sale talk to each other.
//!
//! The rules are in [`domain`]; what an object does around them is here: who is asked, what is tried again and when,
//! what is awaited before an answer, when to be woken. All of it is written against a [`Platform`], so that the very
//! same code runs in the Durable Objects and in the simulation, which loses messages, storage and memory wherever
//! this code gives it a chance to.
//!
//! | Part | Asked | What it does beyond its machine |
//! |---|---|---|
//! | [`lane::LaneActor`] | [`ask::LaneAsk`] | gathers joins, one batch out at a time, tells everybody once it is stored |
//! | [`queue::QueueActor`] | [`ask::QueueAsk`] | hears of the stock whenever people wait for it |
//! | [`inventory::InventoryActor`] | [`ask::InventoryAsk`] | carries out what it owes, sends its outbox in order |
//! | [`payment::PaymentActor`] | [`ask::PaymentAsk`] | reports its decision by a webhook until it is received |
//! | [`webhook::WebhookActor`] | [`ask::WebhookAsk`] | reads the logs of events and posts them to an organiser's endpoint |
//! | [`sale_events`] | a [`sale_events::Reader`] | what the reader of `sale-events` does with a batch |
//! | [`live::LiveActor`] | its sockets | asks, sends and sleeps as [`domain::live`] says |
//! | [`sale`] | a [`sale::Gate`] | what the gateway asks, in which order, to carry out one request |

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod ask;
pub mod batch;
pub mod carrier;
mod host;
pub mod inventory;
pub mod lane;
mod limit;
pub mod live;
mod pace;
pub mod payment;
mod platform;
mod problem;
pub mod queue;
pub mod recent;
pub mod sale;
pub mod sale_events;
pub mod webhook;

pub use carrier::Carrier;
pub use host::{Actor, Host, Performed};
pub use limit::within;
pub use platform::{Level, Platform, Post};
pub use problem::Problem;
