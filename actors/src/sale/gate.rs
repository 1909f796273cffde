//! What one request at the gateway needs, and how it asks an object of an event.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use domain::{
    event::Event,
    id::EventId,
    inventory::{Command, Query},
    machine::Answer,
    refusal::Refusal,
    time::Millis,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Problem,
    ask::{Company, EventAsk, InventoryAsk, Object, ask_configured},
    recent::Recent,
};

/// Objects of which an isolate knows that they know their event: one more is told again.
const TOLD_MAX: usize = 4096;

/// One request at the gateway.
pub trait Gate {
    /// Why a request is not carried out: a refusal, or no answer.
    type Error: From<Refusal> + From<Problem>;

    /// What this isolate has told objects.
    fn told(&self) -> Told;

    /// The clock.
    fn now(&self) -> Millis;

    /// Waits.
    fn pause(&self, ms: u64) -> impl Future<Output = ()>;

    /// Asks an object, and tells it of the event where one is given. A refusal is an answer.
    ///
    /// # Errors
    /// There is no answer.
    fn ask<A: Serialize>(
        &self,
        object: &Object,
        event: Option<&Event>,
        ask: &A,
    ) -> impl Future<Output = Result<Answer, Self::Error>>;

    /// The same, in one call with what others of this isolate ask the object, where they are many. See [`crate::batch`].
    ///
    /// # Errors
    /// There is no answer.
    fn ask_in_company<A: Serialize>(
        &self,
        object: &Object,
        company: Company,
        event: Option<&Event>,
        ask: &A,
    ) -> impl Future<Output = Result<Answer, Self::Error>>;

    /// An event, as this isolate knows it: objects that know a newer version keep that.
    ///
    /// # Errors
    /// There is none, or nobody knows.
    fn event(&self, event_id: &EventId) -> impl Future<Output = Result<Rc<Event>, Self::Error>>;
}

/// Which objects an isolate has told of their event.
pub type Told = Rc<RefCell<Recent<Object, Rc<Cell<bool>>>>>;

/// Nobody yet.
#[must_use]
pub fn told() -> Told {
    Rc::new(RefCell::new(Recent::new(TOLD_MAX)))
}

/// Asks an object of an event. What an isolate asks it for the first time carries the event along.
///
/// # Errors
/// There is no answer, or no such event.
pub async fn ask<G: Gate, A: EventAsk>(gate: &G, event_id: &EventId, object: &Object, ask: &A) -> Result<Answer, G::Error> {
    let is_told = Rc::clone(gate.told().borrow_mut().get_or_insert_with(object, Rc::default));
    let send = async |event: Option<&Event>| match ask.company() {
        Some(company) => gate.ask_in_company(object, company, event, ask).await,
        None => gate.ask(object, event, ask).await,
    };
    ask_configured(&is_told, async || gate.event(event_id).await, send).await
}

/// Gives an event's inventory a command.
///
/// # Errors
/// There is no answer, or no such event.
pub async fn command<G: Gate>(gate: &G, event_id: &EventId, command: Command) -> Result<Answer, G::Error> {
    ask(gate, event_id, &Object::Inventory(event_id.clone()), &InventoryAsk::Command(command)).await
}

/// Looks into an event's inventory.
///
/// # Errors
/// There is no answer, or no such event.
pub async fn look<G: Gate>(gate: &G, event_id: &EventId, query: Query) -> Result<Answer, G::Error> {
    ask(gate, event_id, &Object::Inventory(event_id.clone()), &InventoryAsk::Query(query)).await
}

/// The body of a granted answer.
///
/// # Errors
/// The object refused.
pub fn granted<G: Gate>(answer: Answer) -> Result<Vec<u8>, G::Error> {
    match answer {
        Answer::Granted { body, .. } => Ok(body),
        Answer::Refused(refusal) => Err(refusal.into()),
    }
}

/// The body of an answer, read.
///
/// # Errors
/// It is something else.
pub fn read<G: Gate, T: DeserializeOwned>(body: &[u8]) -> Result<T, G::Error> {
    serde_json::from_slice(body).map_err(|error| Problem::from(error).into())
}
