//! The sockets of an event: [`LiveObject`]. What they are told is in [`domain::live`], when in [`protocol::live`]; this
//! crate accepts, attaches, sends and closes.

mod object;

pub use object::{LiveObject, TICKET};
