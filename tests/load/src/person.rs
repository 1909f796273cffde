//! Somebody who walks through the steps.

use std::time::Instant;

/// A person, and where they are.
#[derive(Debug)]
pub(crate) struct Person {
    /// Variables by index.
    pub(crate) values: Vec<Vec<u8>>,
    /// The step they are at.
    pub(crate) step: usize,
    /// When its request was meant to be sent; a repeated step counts each request.
    pub(crate) intended: Instant,
}
