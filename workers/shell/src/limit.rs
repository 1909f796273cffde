//! A time limit for what is awaited.

use std::time::Duration;

use worker::Delay;

/// What `work` comes to, or nothing if that takes longer than `limit_ms`; it is dropped then.
pub async fn within<F: Future>(limit_ms: u64, work: F) -> Option<F::Output> {
    protocol::within(Delay::from(Duration::from_millis(limit_ms)), work).await
}
