//! Everything that strangers can send, broken in every way that we can think of.

#![allow(clippy::unwrap_used, reason = "all of it is tests, helpers too")]

mod envelopes;
mod events;
mod machines;
mod samples;
mod tokens;
mod webhooks;

#[global_allocator]
static COUNTING: fuzz::memory::Counting = fuzz::memory::Counting;
