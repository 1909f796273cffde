//! One thread, first come, first served.

/// Time in microseconds since the beginning.
pub(super) type Us = f64;

/// An object's or an isolate's thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Thread {
    free_at: Us,
    pub(super) busy: Us,
    pub(super) calls: u64,
}

impl Thread {
    /// Works for `service` on what comes at `now`; when that is done.
    pub(super) fn work(&mut self, now: Us, service: Us) -> Us {
        self.free_at = self.free_at.max(now) + service;
        self.busy += service;
        self.free_at
    }

    /// The same for a call from outside.
    pub(super) fn call(&mut self, now: Us, service: Us) -> Us {
        self.calls += 1;
        self.work(now, service)
    }
}
