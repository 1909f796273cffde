//! Whoever can ask objects: a request at the gateway, or an object.

use domain::{machine::Answer, time::Millis};
use serde::Serialize;

use crate::ask::{Fault, Object, ask_through};

/// How long whoever asks waits for the answer of an object, in milliseconds; see [`crate::batch`] for who makes a call late. What it was asked may still be done: it is asked
/// again with the same key, or about the same effect.
pub const ASK_MAX_MS: u64 = 15_000;

/// Wakes the request that it was made for, from any other.
pub type Bell = Box<dyn FnOnce()>;

/// One request that can ask objects, or an object.
pub trait Carrier {
    /// The clock.
    fn now(&self) -> Millis;

    /// Waits.
    fn pause(&self, ms: u64) -> impl Future<Output = ()>;

    /// Over when one for whom another one calls has to fear that the other one is gone; never where all live and die together.
    fn abandoned(&self, ms: u64) -> impl Future<Output = ()> {
        self.pause(ms)
    }

    /// A bell that any request of the isolate can ring, and what is over when it was.
    fn bell(&self) -> (Bell, impl Future<Output = ()>);

    /// Asks an object in one call; as many answers as questions and in their order, each as [`crate::ask::encode`] wrote it.
    ///
    /// # Errors
    /// There is no answer. The object may have done what was asked all the same.
    fn carry(&self, to: &Object, questions: Vec<Vec<u8>>) -> impl Future<Output = Result<Vec<Vec<u8>>, Fault>>;
}

/// Asks an object, and once more where that may help: every command has one effect however often it arrives.
///
/// # Errors
/// There is no answer.
pub async fn ask<C: Carrier, A: Serialize>(carrier: &C, to: &Object, trace: &str, ask: &A) -> Result<Answer, Fault> {
    ask_through(async |body: &[u8]| send(carrier, to, body).await, trace, None, ask).await
}

/// Sends `body` to an object, once; its answer as [`crate::ask::encode`] wrote it.
///
/// # Errors
/// There is no answer. The object may have done what was asked all the same.
pub async fn send<C: Carrier>(carrier: &C, to: &Object, body: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut answers = carrier.carry(to, vec![body.to_vec()]).await?;
    answers.pop().ok_or_else(|| Fault::Broken("no answer to a question".to_owned()))
}
