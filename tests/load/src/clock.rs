//! The one place where this crate reads the time.

use std::time::Instant;

/// Now, on a clock that never goes back.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "measuring time is what this program is for")]
pub fn now() -> Instant {
    Instant::now()
}
