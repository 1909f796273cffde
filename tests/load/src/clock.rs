//! The one place where this crate reads the time.

use std::time::{Instant, SystemTime};

/// Now, on a clock that never goes back.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "measuring time is what this program is for")]
pub fn now() -> Instant {
    Instant::now()
}

/// Now as other programs of this machine know it, in milliseconds since 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "measuring time is what this program is for")]
pub fn unix_ms() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0
}
