//! What every object shares: the thin part between [`actors`] and the platform.
//!
//! An object is an actor of [`actors`] (or a [`actors::Host`]) on an [`ObjectPlatform`] with a store of its own. It
//! holds no rule and decides nothing.

pub mod ask;
pub mod clock;
pub mod limit;
pub mod log;
mod platform;
pub mod promise;
pub mod records;
pub mod socket;
pub mod sql;

pub use platform::{DEVELOPMENT_WEBHOOK_SECRET, ObjectPlatform};
