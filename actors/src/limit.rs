//! A time limit for what is awaited.

use std::{future::poll_fn, pin::pin, task::Poll};

/// What `work` comes to, or nothing if `limit` is over first; the work is dropped then.
pub async fn within<F: Future>(limit: impl Future<Output = ()>, work: F) -> Option<F::Output> {
    let (mut work, mut limit) = (pin!(work), pin!(limit));
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => limit.as_mut().poll(context).map(|()| None),
    })
    .await
}
