//! What an object needs of whatever runs it.

use domain::{time::Millis, trace::TraceId};
use serde_json::Value;

use crate::{ask::SignedWebhook, carrier::Carrier, problem::Problem};

/// How bad a logged line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Worth counting.
    Info,
    /// Something was refused or put right that should be rare.
    Warn,
    /// Something is broken.
    Error,
}

/// What is sent to an organiser's endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    /// The organiser's address.
    pub url: &'a str,
    /// What signs: each gives a signature of its own.
    pub secrets: &'a [String],
    /// The message's id.
    pub id: &'a str,
    /// The message, as JSON.
    pub body: &'a str,
    /// The request that caused it, and a number for the span of sending it.
    pub trace: (TraceId, u64),
}

/// One object's host: clock, timers, its one alarm, and the network. As a [`Carrier`] its clock never goes back while the object
/// lives.
///
/// An object is one thread: nothing runs between two awaits but the code that was resumed. It may be gone at any
/// await, with all its memory; what it saved before is there again.
pub trait Platform: Carrier + 'static {
    /// Starts what goes on when the request that began it is answered or gone.
    fn spawn(&self, task: impl Future<Output = ()> + 'static);

    /// Waits until everything that was saved so far survives the object. What is sent waits for that by itself.
    fn flushed(&self) -> impl Future<Output = ()>;

    /// The object's alarm rings once, at this instant or later, instead of at any other. It survives the object.
    ///
    /// # Errors
    /// Storage is broken.
    fn set_alarm(&self, at: Millis) -> impl Future<Output = Result<(), Problem>>;

    /// The object's alarm does not ring.
    ///
    /// # Errors
    /// Storage is broken.
    fn delete_alarm(&self) -> impl Future<Output = Result<(), Problem>>;

    /// Hands envelopes, each as JSON, to the queue `sale-events`, in order.
    ///
    /// # Errors
    /// They may have been taken or not.
    fn publish(&self, envelopes: &[String]) -> impl Future<Output = Result<(), Problem>>;

    /// Signs a message as the simulated payment provider.
    ///
    /// # Errors
    /// The secret is none.
    fn sign(&self, id: &str, body: String) -> Result<SignedWebhook, Problem>;

    /// Signs a message and sends it to an organiser's endpoint, once; the status of the answer. Dropping it gives it up.
    ///
    /// # Errors
    /// There is no answer, or nothing was sent: the address is not allowed. The endpoint may have taken it all the same.
    fn post(&self, post: Post<'_>) -> impl Future<Output = Result<u16, Problem>>;

    /// Writes a line of the log. `fields` is a JSON object, never with a password, token, key or address in it.
    fn log(&self, level: Level, trace: TraceId, message: &str, fields: Value);
}
