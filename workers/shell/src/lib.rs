//! What every object shares: the thin part between the rules and the platform.
//!
//! An object is a [`Host`] (engine, alarm) around a machine of `domain` and a store of its own, and a function that
//! is the client's side of [`ask`](ask::ask). It holds no rule.

pub mod ask;
pub mod clock;
mod host;
pub mod limit;
pub mod log;
pub mod records;
pub mod sql;

pub use host::Host;
