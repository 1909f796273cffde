//! The platform's clock, the only one that is read.

use domain::time::Millis;

/// Now. On the network it stands still while code runs and moves with I/O.
#[must_use]
pub fn now() -> Millis {
    Millis(worker::Date::now().as_millis())
}
