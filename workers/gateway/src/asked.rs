//! What objects of this platform ask the gateway: by remote calls, as they ask each other.

use actors::{
    Problem,
    ask::{Envelope, GatewayAsk},
};
use domain::machine::Answer;
use shell::ask::answer;
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use worker::Env;

use crate::{
    call::Call,
    error::{ApiError, Code},
    isolate, payments,
    trace::Trace,
};

/// Called by objects: bytes of questions in, bytes or a promise of them out. See [`shell::ask`].
///
/// # Errors
/// These are no questions.
#[wasm_bindgen]
pub fn ask(env: Env, questions: &[u8]) -> Result<JsValue, JsValue> {
    answer(questions, async move |Envelope { trace, ask, .. }: Envelope<GatewayAsk>| {
        hear(env.clone(), &trace, &ask).await.map_err(|error| Problem(error.cause.unwrap_or(error.message)))
    })
}

async fn hear(env: Env, traceparent: &str, ask: &GatewayAsk) -> Result<Answer, ApiError> {
    let config =
        isolate::config(&env).map_err(|problems| ApiError { cause: Some(problems.join("; ")), ..Code::Unavailable.into() })?;
    let call = Call::from_within(env, config, Trace::new(Some(traceparent), None));
    let GatewayAsk::Webhook(message) = ask;
    payments::hear(&call, &message.id, &message.timestamp, &message.signature, message.body.as_bytes()).await
}
