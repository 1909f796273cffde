//! What the platform signs: tokens, tickets and webhooks. Pure: no clock, no randomness, no I/O.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod token;
pub mod webhook;
