//! A time limit for what is awaited.

use crate::promise::pause;

/// What `work` comes to, or nothing if that takes longer than `limit_ms`; it is dropped then.
pub async fn within<F: Future>(limit_ms: u64, work: F) -> Option<F::Output> {
    actors::within(pause(limit_ms), work).await
}
