//! Asks the objects. Their names are made here and nowhere else, and an object that was never configured is
//! configured on its first question.

use ::inventory::{INVENTORY, InventoryAsk};
use ::payment::{PAYMENT, PaymentAsk};
use ::queue::{LANE, LaneAsk, QUEUE, QueueAsk};
use domain::{
    event::Event,
    id::{EventId, PaymentIntentId},
    inventory,
    machine::Answer,
    queue as line,
    refusal::Refusal,
};
use serde::{Serialize, de::DeserializeOwned};
use webhook::{WEBHOOK, WebhookAsk};

use crate::{
    call::Call,
    catalogue,
    error::{ApiError, Code},
};

/// What an object of an event can be asked.
pub trait EventAsk: Serialize {
    /// Where its objects are.
    const BINDING: &'static str;

    /// Take over this event, unless a newer version is known.
    fn configure(event: Event) -> Self;
}

impl EventAsk for LaneAsk {
    const BINDING: &'static str = LANE;

    fn configure(event: Event) -> Self {
        Self::Configure(Box::new(event))
    }
}

impl EventAsk for QueueAsk {
    const BINDING: &'static str = QUEUE;

    fn configure(event: Event) -> Self {
        Self::Configure(Box::new(event))
    }
}

impl EventAsk for InventoryAsk {
    const BINDING: &'static str = INVENTORY;

    fn configure(event: Event) -> Self {
        Self::Configure(Box::new(event))
    }
}

/// Asks a lane of an event's queue.
///
/// # Errors
/// There is no answer, or no such event.
pub async fn lane(call: &Call, event_id: &EventId, lane: u32, ask: &LaneAsk) -> Result<Answer, ApiError> {
    of_event(call, event_id, &format!("{event_id}/{lane}"), ask).await
}

/// Asks an event's queue.
///
/// # Errors
/// There is no answer, or no such event.
pub async fn queue(call: &Call, event_id: &EventId, ask: &QueueAsk) -> Result<Answer, ApiError> {
    of_event(call, event_id, event_id.as_str(), ask).await
}

/// Gives an event's queue a command.
///
/// # Errors
/// There is no answer, or no such event.
pub async fn queue_command(call: &Call, event_id: &EventId, command: line::Command) -> Result<Answer, ApiError> {
    queue(call, event_id, &QueueAsk::Command(command)).await
}

/// Gives an event's inventory a command.
///
/// # Errors
/// There is no answer, or no such event.
pub async fn inventory(call: &Call, event_id: &EventId, command: inventory::Command) -> Result<Answer, ApiError> {
    of_event(call, event_id, event_id.as_str(), &InventoryAsk::Command(command)).await
}

/// Looks into an event's inventory; what it answers as JSON.
///
/// # Errors
/// There is no answer, no such event, or the inventory refuses.
pub async fn inventory_look(call: &Call, event_id: &EventId, query: inventory::Query) -> Result<Vec<u8>, ApiError> {
    granted(of_event(call, event_id, event_id.as_str(), &InventoryAsk::Query(query)).await?)
}

/// Asks a payment intent.
///
/// # Errors
/// There is no answer.
pub async fn payment(call: &Call, intent: &PaymentIntentId, ask: &PaymentAsk) -> Result<Answer, ApiError> {
    call.ask(PAYMENT, &intent.to_string(), ask).await
}

/// Asks what delivers to an organiser's endpoint.
///
/// # Errors
/// There is no answer.
pub async fn webhook(call: &Call, webhook_id: &str, ask: &WebhookAsk) -> Result<Answer, ApiError> {
    call.ask(WEBHOOK, webhook_id, ask).await
}

/// Hands an object of an event the event as it is now.
///
/// # Errors
/// There is no answer, or the object refuses.
pub async fn configure<A: EventAsk>(call: &Call, name: &str, event: Event) -> Result<(), ApiError> {
    granted(call.ask(A::BINDING, name, &A::configure(event)).await?).map(|_| ())
}

async fn of_event<A: EventAsk>(call: &Call, event_id: &EventId, name: &str, ask: &A) -> Result<Answer, ApiError> {
    match call.ask(A::BINDING, name, ask).await? {
        Answer::Refused(Refusal::Unconfigured) => {}
        answer => return Ok(answer),
    }
    let entry = catalogue::newest(call, event_id).await?.ok_or(Code::EventNotFound)?;
    configure::<A>(call, name, entry.event.clone()).await?;
    call.ask(A::BINDING, name, ask).await
}

/// The body of a granted answer.
///
/// # Errors
/// The object refused.
pub fn granted(answer: Answer) -> Result<Vec<u8>, ApiError> {
    match answer {
        Answer::Granted { body, .. } => Ok(body),
        Answer::Refused(refusal) => Err(refusal.into()),
    }
}

/// The body of a granted answer, read.
///
/// # Errors
/// The object refused, or `INTERNAL_ERROR`: it answered something else.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError { cause: Some(error.to_string()), ..Code::InternalError.into() })
}
