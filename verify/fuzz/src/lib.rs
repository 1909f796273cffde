//! Hostile input, and what may come of it: an answer within bounded memory, never a panic.
//!
//! An input starts from a valid sample and is broken on the way: [`json`] edits the tree of a JSON text (huge numbers, deep
//! nesting, duplicate and missing keys, parts of other samples), [`bytes`] edits whatever text comes out. [`Target::run`]
//! gives inputs to a judge, which says whether each was accepted or refused and panics where an answer is wrong; every
//! input may take at most [`BYTES_PER_BYTE`] bytes of memory for each of its own, and a constant that the target names.
//!
//! The targets are in `tests/` here and in the gateway's own unit tests, which share this library. How many inputs each
//! gets is [`cases`]; `scripts/fuzz.sh` runs them at scale.

#![warn(missing_docs)]

pub mod bytes;
pub mod json;
pub mod memory;
mod target;

pub use target::{BYTES_PER_BYTE, Target, Verdict, Weigh, cases};
