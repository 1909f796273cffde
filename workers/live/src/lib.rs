//! The sockets of an event: [`LiveObject`]. What they are told and when is in [`domain::live`]; this crate accepts, attaches,
//! sends and closes.

mod object;
mod socket;

pub use object::{LiveObject, TICKET};
