//! A time limit for what is awaited.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use worker::Delay;

/// What `work` comes to, or nothing if that takes longer than `limit_ms`; it is dropped then.
pub async fn within<F: Future>(limit_ms: u64, work: F) -> Option<F::Output> {
    let (mut work, mut limit) = (pin!(work), pin!(Delay::from(Duration::from_millis(limit_ms))));
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => limit.as_mut().poll(context).map(|()| None),
    })
    .await
}
