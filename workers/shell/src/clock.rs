//! The platform's clock, the only one that is read.

use domain::time::Millis;

/// Now. On the network it stands still while code runs and moves with I/O.
#[must_use]
pub fn now() -> Millis {
    // Whole milliseconds since 1970, as the platform gives them.
    Millis(js_sys::Date::now() as u64)
}
