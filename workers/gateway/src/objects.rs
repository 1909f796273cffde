//! Asks the objects. An object that was never configured is configured on its first question.

use std::rc::Rc;

use actors::{
    Problem,
    ask::{Company, EventAsk, Object, PaymentAsk, QueueAsk},
    batch,
    carrier::ASK_MAX_MS,
    sale::{self, Gate, Told},
};
use domain::{
    event::Event,
    id::{EventId, PaymentIntentId},
    inventory,
    machine::Answer,
    queue as line,
    time::Millis,
};
use serde::{Serialize, de::DeserializeOwned};
use shell::{clock, limit::within, promise::pause};

use crate::{
    call::Call,
    catalogue,
    error::{ApiError, Code},
    isolate,
};

impl Gate for Call {
    type Error = ApiError;

    fn now(&self) -> Millis {
        clock::now()
    }

    async fn pause(&self, ms: u64) {
        pause(ms).await;
    }

    fn told(&self) -> Told {
        isolate::told()
    }

    async fn ask<A: Serialize>(&self, object: &Object, event: Option<&Event>, ask: &A) -> Result<Answer, ApiError> {
        let (name, traceparent) = (object.name(), self.trace.traceparent());
        let asked = shell::ask::ask(&self.env, object.binding(), &name, &traceparent, event, ask);
        Ok(self.timed(object.binding(), within(ASK_MAX_MS, asked)).await.ok_or(Code::UpstreamTimeout)??)
    }

    async fn ask_in_company<A: Serialize>(
        &self,
        object: &Object,
        company: Company,
        event: Option<&Event>,
        ask: &A,
    ) -> Result<Answer, ApiError> {
        let (batches, traceparent) = (isolate::batches(), self.trace.traceparent());
        let asked = batch::ask(&batches, self, object, company, &traceparent, event, ask);
        Ok(self.timed(object.binding(), asked).await?)
    }

    async fn event(&self, event_id: &EventId) -> Result<Rc<Event>, ApiError> {
        Ok(Rc::clone(&catalogue::event(self, event_id).await?.event))
    }
}

/// Gives an event's queue a command.
///
/// # Errors
/// There is no answer, or no such event.
pub async fn queue_command(call: &Call, event_id: &EventId, command: line::Command) -> Result<Answer, ApiError> {
    sale::ask(call, event_id, &Object::Queue(event_id.clone()), &QueueAsk::Command(command)).await
}

/// Gives an event's inventory a command.
///
/// # Errors
/// There is no answer, or no such event.
pub async fn inventory(call: &Call, event_id: &EventId, command: inventory::Command) -> Result<Answer, ApiError> {
    sale::command(call, event_id, command).await
}

/// Looks into an event's inventory; what it answers as JSON.
///
/// # Errors
/// There is no answer, no such event, or the inventory refuses.
pub async fn inventory_look(call: &Call, event_id: &EventId, query: inventory::Query) -> Result<Vec<u8>, ApiError> {
    granted(sale::look(call, event_id, query).await?)
}

/// Asks the simulated provider about an intent.
///
/// # Errors
/// There is no answer.
pub async fn payment(call: &Call, intent: &PaymentIntentId, ask: &PaymentAsk) -> Result<Answer, ApiError> {
    call.ask_in_company(&Object::Payment(intent.event_id.clone()), Company::Sale, None, ask).await
}

/// Hands an object of an event the event as it is now.
///
/// # Errors
/// There is no answer, or the object refuses.
pub async fn configure<A: EventAsk>(call: &Call, object: &Object, event: &Event) -> Result<(), ApiError> {
    granted(call.ask(object, None, &A::configure(Box::new(event.clone()))).await?).map(|_| ())
}

/// The body of a granted answer.
///
/// # Errors
/// The object refused.
pub fn granted(answer: Answer) -> Result<Vec<u8>, ApiError> {
    sale::granted::<Call>(answer)
}

/// The body of a granted answer, read.
///
/// # Errors
/// `INTERNAL_ERROR`: it is something else.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    sale::read::<Call, T>(body)
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self { cause: Some(problem.0), ..Code::InternalError.into() }
    }
}
