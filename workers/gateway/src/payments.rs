//! Paying: handlers of `/payments` and of the provider's webhook.
//!
//! The provider's object is looked at and told to decide; everything that moves seats or money goes through the event's
//! inventory, which instructs the provider itself.

use std::collections::BTreeSet;

use actors::ask::{PaymentAsk, granted};
use domain::{
    id::{EventId, PaymentIntentId, ReservationId, UserId},
    idempotency::Idempotency,
    inventory::{Command, Consequence, Query},
    machine::Answer,
    money::{Amount, Currency},
    payment::{Action, Outcome, Plan, Scenario, Status},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shell::{
    clock,
    log::{Level, line},
};
use signing::webhook::{ID_HEADER, Key, SIGNATURE_HEADER, TIMESTAMP_HEADER, TOLERANCE_MS};

use crate::{
    availability,
    call::{Call, from_json, required},
    catalogue,
    config::{Config, Provider},
    error::{ApiError, Code},
    idempotency, objects, pages,
    reply::Reply,
};

/// How long the scenario `delay` takes where the request does not say, in milliseconds.
const SLOW_DELAY_MS: u64 = 5000;
/// Longest delay that a request may ask for, in milliseconds: as long as the longest hold.
const DELAY_MAX_MS: u64 = 3_600_000;
/// A signed message is believed for this long, so that its id is remembered for as long.
const WEBHOOK_ID_TTL_MS: u64 = 2 * TOLERANCE_MS;

#[derive(Deserialize)]
pub(crate) struct IntentBody {
    reservation_id: String,
    amount: Option<Amount>,
    currency: Option<Currency>,
    scenario: Option<Scenario>,
    delay_ms: Option<u64>,
}

impl IntentBody {
    pub(crate) fn plan(&self, config: &Config) -> Result<Plan, ApiError> {
        let scenario = self.scenario.unwrap_or_default();
        let usual_ms = if scenario == Scenario::Delay { SLOW_DELAY_MS } else { config.payment_delay_ms };
        let delay_ms = self.delay_ms.unwrap_or(usual_ms);
        if delay_ms > DELAY_MAX_MS {
            return Err(ApiError::invalid("delay_ms", format!("must be at most {DELAY_MAX_MS}")));
        }
        Ok(Plan { scenario, delay_ms, approve_permille: config.payment_approve_permille })
    }
}

/// POST `/payments/intent`.
///
/// # Errors
/// `RESERVATION_NOT_FOUND`, `UNAVAILABLE` without a provider, what the inventory refuses, or no answer.
pub async fn intent(call: &Call) -> Result<Reply, ApiError> {
    let user = call.user()?.sub.clone();
    if call.config.payment_provider == Provider::None {
        return Err(ApiError::new(Code::Unavailable, "Nothing can be paid here: no payment provider is set."));
    }
    let body: IntentBody = call.json()?;
    let plan = body.plan(&call.config)?;
    let reservation = ReservationId::parse(required("reservation_id", &body.reservation_id)?);
    let ReservationId { event_id, key } = reservation.ok_or(Code::ReservationNotFound)?;
    catalogue::known(call, &event_id, Code::ReservationNotFound).await?;
    let idempotency = call.idempotency("intent", Some(&event_id))?;
    let command = Command::OpenIntent { key, user, amount: body.amount, currency: body.currency, plan, idempotency };
    Reply::answer(200, objects::inventory(call, &event_id, command).await?)
}

#[derive(Deserialize)]
pub(crate) struct ProcessBody {
    payment_intent_id: String,
    action: Option<Action>,
}

/// POST `/payments/process`.
///
/// # Errors
/// `PAYMENT_NOT_FOUND`, `FORBIDDEN`, or no answer.
pub async fn process(call: &Call) -> Result<Reply, ApiError> {
    let user = call.user()?.sub.clone();
    let body: ProcessBody = call.json()?;
    let intent = known(call, required("payment_intent_id", &body.payment_intent_id)?).await?;
    let idempotency = call.idempotency("process", Some(&intent.event_id))?;
    let ask = PaymentAsk::Process { intent: intent.clone(), user, action: body.action.unwrap_or_default(), idempotency };
    let reply = Reply::answer(200, objects::payment(call, &intent, &ask).await?)?;
    availability::seats_changed(&intent.event_id);
    Ok(reply)
}

/// GET `/payments/{id}/status`.
///
/// # Errors
/// `PAYMENT_NOT_FOUND`, `FORBIDDEN`, or no answer.
pub async fn status(call: &Call) -> Result<Reply, ApiError> {
    let user = call.user()?.sub.clone();
    let intent = known(call, call.id()).await?;
    let event_id = intent.event_id.clone();
    Ok(Reply::bytes(200, objects::inventory_look(call, &event_id, Query::Intent { intent, user }).await?))
}

/// POST `/payments/{id}/cancel`.
///
/// # Errors
/// `PAYMENT_NOT_FOUND`, what the inventory refuses, or no answer.
pub async fn cancel(call: &Call) -> Result<Reply, ApiError> {
    let user = call.user()?.sub.clone();
    call.no_fields()?;
    let intent = known(call, call.id()).await?;
    let event_id = intent.event_id.clone();
    let command = Command::CancelIntent { intent, user, idempotency: call.idempotency("cancel_payment", Some(&event_id))? };
    let reply = Reply::answer(200, objects::inventory(call, &event_id, command).await?)?;
    availability::seats_changed(&event_id);
    Ok(reply)
}

/// GET `/payments?reservation_id=&status=&event_id=&cursor=`.
///
/// # Errors
/// `INVALID_REQUEST`, `RESERVATION_NOT_FOUND`, `EVENT_NOT_FOUND`, or somebody does not answer.
pub async fn list(call: &Call) -> Result<Reply, ApiError> {
    let user = call.user()?.sub.clone();
    let status = call.query("status").map(known_status).transpose()?;
    let (payments, next_cursor) = match call.query("reservation_id") {
        Some(text) => (of_reservation(call, user, text, status).await?, None),
        None => of_user(call, user, status).await?,
    };
    Ok(Reply::json(200, &json!({ "payments": payments, "next_cursor": next_cursor })))
}

fn known_status(text: &str) -> Result<String, ApiError> {
    text.parse::<Status>().map(|status| status.to_string()).map_err(|problem| ApiError::invalid("status", problem))
}

async fn of_reservation(call: &Call, user: UserId, text: &str, status: Option<String>) -> Result<Vec<Value>, ApiError> {
    let ReservationId { event_id, key } = ReservationId::parse(text).ok_or(Code::ReservationNotFound)?;
    catalogue::known(call, &event_id, Code::ReservationNotFound).await?;
    let query = Query::Intents { user, reservation: Some(key), status, before: None, limit: pages::ASKED };
    pages::list(call, &event_id, query).await
}

/// A page is a page of reservations with all their intents: the cursor of the one is that of the other.
async fn of_user(call: &Call, user: UserId, status: Option<String>) -> Result<(Vec<Value>, Option<String>), ApiError> {
    let before = pages::cursor(call)?;
    let events = pages::events(call, &user).await?;
    let query = Query::Reservations { user: user.clone(), status: None, before, limit: pages::ASKED };
    let page = pages::merged(call, &events, &query).await?;
    let shown: Vec<ReservationId> = page.items.iter().filter_map(reservation_of).collect();
    let of_events: BTreeSet<&EventId> = shown.iter().map(|reservation| &reservation.event_id).collect();
    let mut intents = Vec::new();
    for event_id in of_events {
        let query = Query::Intents { user: user.clone(), reservation: None, status: status.clone(), before, limit: pages::ASKED };
        intents.extend(pages::list(call, event_id, query).await?);
    }
    let of = |reservation| intents.iter().filter(move |intent| reservation_of(intent).as_ref() == Some(reservation));
    Ok((shown.iter().flat_map(of).cloned().collect(), page.next_cursor()))
}

fn reservation_of(item: &Value) -> Option<ReservationId> {
    ReservationId::parse(item.get("reservation_id")?.as_str()?)
}

async fn known(call: &Call, text: &str) -> Result<PaymentIntentId, ApiError> {
    let intent = PaymentIntentId::parse(text).ok_or(Code::PaymentNotFound)?;
    catalogue::known(call, &intent.event_id, Code::PaymentNotFound).await?;
    Ok(intent)
}

#[derive(Deserialize)]
pub(crate) struct WebhookBody {
    #[serde(rename = "type")]
    kind: String,
    data: WebhookData,
}

#[derive(Deserialize)]
struct WebhookData {
    payment_intent_id: String,
    reservation_id: String,
    amount: Value,
    currency: String,
    failure_reason: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Received {
    received: bool,
    effect: Consequence,
}

impl WebhookBody {
    /// What is told; nothing where it cannot be about any payment of ours.
    pub(crate) fn word(&self) -> Option<(ReservationId, Amount, Currency, Outcome)> {
        let outcome = match self.kind.as_str() {
            "payment.approved" => Outcome::Approved,
            "payment.failed" => {
                Outcome::Failed { reason: self.data.failure_reason.clone().unwrap_or_else(|| "declined".to_owned()) }
            }
            _ => return None,
        };
        let reservation = ReservationId::parse(&self.data.reservation_id)?;
        Some((reservation, self.data.amount.as_u64()?, Currency::parse(&self.data.currency)?, outcome))
    }
}

/// POST `/payments/webhook`.
///
/// # Errors
/// As of [`hear`].
pub async fn webhook(call: &Call) -> Result<Reply, ApiError> {
    let header = |name: &str| call.header(name).ok_or(Code::InvalidSignature);
    let (id, timestamp, signatures) = (header(ID_HEADER)?, header(TIMESTAMP_HEADER)?, header(SIGNATURE_HEADER)?);
    Reply::answer(200, hear(call, &id, &timestamp, &signatures, &call.body).await?)
}

/// The provider's word, signed. Answered once its effect is durable.
///
/// # Errors
/// `INVALID_SIGNATURE`, `INVALID_REQUEST`, `PAYMENT_NOT_FOUND`, or no answer.
pub async fn hear(call: &Call, id: &str, timestamp: &str, signatures: &str, body: &[u8]) -> Result<Answer, ApiError> {
    let key = Key::from_bytes(call.config.payment_webhook_secret.bytes());
    key.verify(id, timestamp, signatures, body, clock::now()).map_err(|_| Code::InvalidSignature)?;
    let body: WebhookBody = from_json(body)?;
    let intent = known(call, &body.data.payment_intent_id).await?;
    let Some((reservation_id, amount, currency, outcome)) = body.word() else {
        log_without_effect(call, &intent);
        return Ok(granted(&Received { received: true, effect: Consequence::None })?);
    };
    let event_id = intent.event_id.clone();
    let scope = idempotency::digest(&[b"webhook", id.as_bytes()]);
    // The id alone tells a repetition: what it says the second time does not count.
    let idempotency = Idempotency { scope, fingerprint: scope, ttl_ms: WEBHOOK_ID_TTL_MS };
    let command = Command::Decided { idempotency, intent: intent.clone(), reservation_id, amount, currency, outcome };
    let answer = objects::inventory(call, &event_id, command).await?;
    if let Answer::Granted { body, replayed: false } = &answer {
        match objects::read::<Received>(body)?.effect {
            Consequence::None => log_without_effect(call, &intent),
            Consequence::Confirmed | Consequence::Cancelled | Consequence::Voided => availability::seats_changed(&event_id),
        }
    }
    Ok(answer)
}

/// It was decided before, or does not fit the intent's reservation, amount or currency.
fn log_without_effect(call: &Call, intent: &PaymentIntentId) {
    let fields = json!({ "event_id": intent.event_id, "reservation_id": intent.reservation_id() });
    line(Level::Warn, "gateway", &call.trace.trace_id, "payment webhook without effect", fields);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::read(|name| (name == "ENVIRONMENT").then(|| "development".to_owned())).unwrap()
    }

    fn plan(more: &str) -> Result<Plan, ApiError> {
        let body: IntentBody = serde_json::from_str(&format!(r#"{{"reservation_id":"r"{more}}}"#)).unwrap();
        body.plan(&config())
    }

    #[test]
    fn a_plan_is_resolved_from_the_request_and_the_settings() {
        assert_eq!(plan("").unwrap(), Plan { scenario: Scenario::Approve, delay_ms: 2000, approve_permille: 800 });
        assert_eq!(plan(r#","scenario":"delay""#).unwrap().delay_ms, 5000);
        assert_eq!(plan(r#","scenario":"delay","delay_ms":70"#).unwrap().delay_ms, 70);
        assert_eq!(plan(r#","delay_ms":3600001"#).map_err(|error| error.code), Err(Code::InvalidRequest));
    }

    fn word(kind: &str, data: Value) -> Option<Outcome> {
        let body: WebhookBody = serde_json::from_value(json!({ "type": kind, "data": data })).unwrap();
        body.word().map(|(.., outcome)| outcome)
    }

    #[test]
    fn a_providers_word_is_read_and_what_fits_no_payment_is_none() {
        let reservation_id = format!("rsv_evt_1_{:032x}", 7);
        let data = json!({ "payment_intent_id": "p", "reservation_id": reservation_id, "amount": 10, "currency": "KRW" });
        assert_eq!(word("payment.approved", data.clone()), Some(Outcome::Approved));
        assert_eq!(word("payment.failed", data.clone()), Some(Outcome::Failed { reason: "declined".to_owned() }));
        assert_eq!(word("payment.other", data.clone()), None);
        for (field, value) in [("reservation_id", json!("x")), ("amount", json!(-1)), ("currency", json!("won"))] {
            let mut odd = data.clone();
            odd[field] = value;
            assert_eq!(word("payment.approved", odd), None, "{field}");
        }
    }
}
