//! Organisers' endpoints: handlers of `/admin/webhooks`. What could not be delivered to them is in [`crate::dead_letters`].
//!
//! D1 has what an endpoint is to be, its object how it does. A change is written to D1 and then told to the object; where that
//! is lost, whoever next has something for the object finds that it knows an older version, and tells it.

use actors::{
    ask::{EndpointId, Object, WebhookAsk},
    sale::Gate,
};
use domain::{
    delivery::{
        Directions, Standing, Version,
        attempt::{Attempt, AttemptPage},
        endpoint::EVENT_IDS_MAX,
        endpoint_allowed,
    },
    id::EventId,
    inventory::Query,
    machine::Answer,
    refusal::Refusal,
    time::{Millis, Timestamp},
};
use futures_util::future::try_join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use shell::clock;
use signing::webhook::Key;
use worker::wasm_bindgen::JsValue;

use crate::{
    call::{Call, required},
    catalogue::{self, number},
    error::{ApiError, Code},
    objects,
    reply::Reply,
};

/// Endpoints of all organisers together: each event's words go to each of them.
pub const ENDPOINTS_MAX: usize = 100;
/// Longest secret, in bytes.
const SECRET_MAX_BYTES: usize = 256;
/// Stands for the queue in the id of a dead letter; no endpoint may have this name.
pub const QUEUE: &str = "queue";

/// An endpoint as D1 has it.
#[derive(Clone, Debug, Deserialize)]
pub struct Endpoint {
    pub webhook_id: EndpointId,
    url: String,
    secret: String,
    pub organiser_id: Option<String>,
    /// A JSON list.
    event_ids: Option<String>,
    created_at: u64,
    updated_at: u64,
}

impl Endpoint {
    /// Which events it hears of; none for all.
    ///
    /// # Errors
    /// The row is broken.
    pub fn event_ids(&self) -> serde_json::Result<Option<Vec<EventId>>> {
        self.event_ids.as_ref().map(|list| serde_json::from_slice(list.as_bytes())).transpose()
    }

    /// Which state of it this is.
    #[must_use]
    pub const fn version(&self) -> Version {
        Version { created_at: Millis(self.created_at), updated_at: Millis(self.updated_at) }
    }

    /// What its object is told.
    ///
    /// # Errors
    /// The row is broken.
    pub fn directions(&self) -> serde_json::Result<Directions> {
        let Self { url, secret, organiser_id, .. } = self.clone();
        Ok(Directions { url, secret, organiser_id, event_ids: self.event_ids()?, version: self.version() })
    }

    /// Without the secret: who set it knows it.
    fn shown(&self, standing: &Standing) -> Result<Value, ApiError> {
        let Standing { state, disabled, last_success_at, last_failure, next_try_at, backlog } = standing;
        Ok(json!({
            "webhook_id": self.webhook_id,
            "url": self.url,
            "organiser_id": self.organiser_id,
            "event_ids": self.event_ids().map_err(worker::Error::from)?,
            "created_at": Timestamp(Millis(self.created_at)),
            "updated_at": Timestamp(Millis(self.updated_at)),
            "state": state,
            "disabled": disabled,
            "last_success_at": last_success_at,
            "last_failure": last_failure,
            "next_try_at": next_try_at,
            "backlog": backlog,
        }))
    }
}

/// The statement that reads every endpoint.
pub const SELECT_ENDPOINTS: &str = "SELECT webhook_id, url, secret, organiser_id, event_ids, created_at, updated_at
    FROM webhooks ORDER BY webhook_id LIMIT 100";
/// The statement that reads one.
pub const SELECT_ENDPOINT: &str = "SELECT webhook_id, url, secret, organiser_id, event_ids, created_at, updated_at
    FROM webhooks WHERE webhook_id = ?1";

/// Every endpoint.
///
/// # Errors
/// D1 does not answer.
pub async fn all(call: &Call) -> Result<Vec<Endpoint>, ApiError> {
    Ok(call.timed("d1", call.db()?.prepare(SELECT_ENDPOINTS).all()).await?.results()?)
}

/// The endpoint with this id.
///
/// # Errors
/// `NOT_FOUND`, or D1 does not answer.
pub async fn named(call: &Call, webhook_id: &str) -> Result<Endpoint, ApiError> {
    let statement = call.db()?.prepare(SELECT_ENDPOINT).bind(&[webhook_id.into()])?;
    let found: Option<Endpoint> = call.timed("d1", statement.first(None)).await?;
    found.ok_or_else(|| Code::NotFound.into())
}

/// Asks an endpoint's object. One that does not know itself yet is told.
///
/// # Errors
/// There is no answer.
pub async fn ask(call: &Call, endpoint: &Endpoint, question: &WebhookAsk) -> Result<Vec<u8>, ApiError> {
    let object = Object::Webhook(endpoint.webhook_id.clone());
    let ask = async |question: &WebhookAsk| call.ask(&object, None, question).await;
    match ask(question).await? {
        Answer::Refused(Refusal::Unconfigured) => {}
        answer => return objects::granted(answer),
    }
    let directions = endpoint.directions().map_err(worker::Error::from)?;
    objects::granted(ask(&WebhookAsk::Direct(Box::new(directions))).await?)?;
    objects::granted(ask(question).await?)
}

async fn shown(call: &Call, endpoint: &Endpoint) -> Result<Value, ApiError> {
    let standing: Standing = objects::read(&ask(call, endpoint, &WebhookAsk::Standing).await?)?;
    endpoint.shown(&standing)
}

/// GET `/admin/webhooks`.
///
/// # Errors
/// Somebody does not answer.
pub async fn list(call: &Call) -> Result<Reply, ApiError> {
    call.admin()?;
    let endpoints = all(call).await?;
    let webhooks = try_join_all(endpoints.iter().map(|endpoint| shown(call, endpoint))).await?;
    Ok(Reply::json(200, &json!({ "webhooks": webhooks })))
}

/// GET `/admin/webhooks/{id}`.
///
/// # Errors
/// `NOT_FOUND`, or somebody does not answer.
pub async fn get(call: &Call) -> Result<Reply, ApiError> {
    call.admin()?;
    let endpoint = named(call, call.id()).await?;
    Ok(Reply::json(200, &shown(call, &endpoint).await?))
}

#[derive(Deserialize)]
pub(crate) struct PutBody {
    url: String,
    secret: String,
    #[serde(default)]
    organiser_id: Option<EventId>,
    #[serde(default)]
    event_ids: Option<Vec<EventId>>,
}

impl PutBody {
    pub(crate) fn check(&self, development: bool) -> Result<(), ApiError> {
        endpoint_allowed(required("url", &self.url)?, development).map_err(|problem| ApiError::invalid("url", problem))?;
        required("secret", &self.secret)?;
        if self.secret.len() > SECRET_MAX_BYTES {
            return Err(ApiError::invalid("secret", format!("must be at most {SECRET_MAX_BYTES} bytes")));
        }
        Key::from_secret(&self.secret).map(|_| ()).map_err(|problem| ApiError::invalid("secret", problem.to_string()))?;
        match self.event_ids.as_ref().map(Vec::len) {
            None | Some(1..=EVENT_IDS_MAX) => Ok(()),
            Some(_) => Err(ApiError::invalid("event_ids", format!("must be null or 1 to {EVENT_IDS_MAX} events"))),
        }
    }
}

/// PUT `/admin/webhooks/{id}`.
///
/// # Errors
/// `INVALID_REQUEST`, or somebody does not answer.
pub async fn put(call: &Call) -> Result<Reply, ApiError> {
    const UPSERT: &str = "INSERT INTO webhooks (webhook_id, url, secret, organiser_id, event_ids, created_at, updated_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?6 WHERE EXISTS (SELECT 1 FROM webhooks WHERE webhook_id = ?1)
            OR (SELECT COUNT(*) FROM webhooks) < ?7
         ON CONFLICT (webhook_id) DO UPDATE SET url = excluded.url, secret = excluded.secret,
            organiser_id = excluded.organiser_id, event_ids = excluded.event_ids,
            updated_at = MAX(excluded.updated_at, webhooks.updated_at + 1)
         RETURNING webhook_id, url, secret, organiser_id, event_ids, created_at, updated_at";
    call.admin()?;
    let id = EventId::parse(call.id()).filter(|id| id.as_str() != QUEUE);
    let id = id.ok_or_else(|| ApiError::invalid("id", "must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -"))?;
    let body: PutBody = call.json()?;
    body.check(call.config.development)?;

    let db = call.db()?;
    let before = db.prepare("SELECT 1 AS known FROM webhooks WHERE webhook_id = ?1").bind(&[id.as_str().into()])?;
    let known: Option<Value> = call.timed("d1", before.first(None)).await?;
    // Nothing is null in D1, never undefined.
    let optional = |text: Option<String>| text.map_or(JsValue::NULL, JsValue::from);
    let event_ids = body.event_ids.as_ref().map(serde_json::to_string).transpose().map_err(worker::Error::from)?;
    let bindings = [
        id.as_str().into(),
        body.url.as_str().into(),
        body.secret.as_str().into(),
        optional(body.organiser_id.map(|id| id.to_string())),
        optional(event_ids),
        number(clock::now().0),
        number(ENDPOINTS_MAX as u64),
    ];
    let written: Option<Endpoint> = call.timed("d1", db.prepare(UPSERT).bind(&bindings)?.first(None)).await?;
    let written = written.ok_or_else(|| ApiError::invalid("id", format!("is one more than {ENDPOINTS_MAX} endpoints")))?;
    let directions = written.directions().map_err(worker::Error::from)?;
    ask(call, &written, &WebhookAsk::Direct(Box::new(directions))).await?;
    Ok(Reply::json(if known.is_some() { 200 } else { 201 }, &shown(call, &written).await?))
}

/// DELETE `/admin/webhooks/{id}`: what waits for it is forgotten.
///
/// # Errors
/// `NOT_FOUND`, or somebody does not answer.
pub async fn delete(call: &Call) -> Result<Reply, ApiError> {
    #[derive(Deserialize)]
    struct Gone {
        created_at: u64,
    }
    call.admin()?;
    let id = EventId::parse(call.id()).ok_or(Code::NotFound)?;
    let statement = call.db()?.prepare("DELETE FROM webhooks WHERE webhook_id = ?1 RETURNING created_at");
    let gone: Option<Gone> = call.timed("d1", statement.bind(&[id.as_str().into()])?.first(None)).await?;
    // Also where the row was gone before: an earlier attempt may have come no further.
    let drop = WebhookAsk::Drop { created_at: gone.as_ref().map(|gone| Millis(gone.created_at)) };
    let object = Object::Webhook(id.clone());
    objects::granted(call.ask(&object, None, &drop).await?)?;
    gone.ok_or(Code::NotFound)?;
    Ok(Reply::json(200, &json!({ "webhook_id": id, "status": "deleted" })))
}

/// POST `/admin/webhooks/{id}/ping`: sends a message of type `webhook.ping` at once, whatever the endpoint's state.
///
/// # Errors
/// `NOT_FOUND`, or somebody does not answer.
pub async fn ping(call: &Call) -> Result<Reply, ApiError> {
    call.admin()?;
    call.no_fields()?;
    let endpoint = named(call, call.id()).await?;
    let question = WebhookAsk::Ping { webhook_id: endpoint.webhook_id.clone() };
    let attempt: Attempt = objects::read(&ask(call, &endpoint, &question).await?)?;
    let mut body = delivery(&attempt);
    body["webhook_id"] = json!(endpoint.webhook_id);
    Ok(Reply::json(200, &body))
}

#[derive(Deserialize)]
pub(crate) struct ReplayBody {
    event_id: EventId,
    after: u64,
}

/// POST `/admin/webhooks/{id}/replay`: everything of an event behind a sequence is delivered again.
///
/// # Errors
/// `NOT_FOUND`, `EVENT_NOT_FOUND`, `INVALID_REQUEST`, or somebody does not answer.
pub async fn replay(call: &Call) -> Result<Reply, ApiError> {
    call.admin()?;
    let ReplayBody { event_id, after } = call.json()?;
    let endpoint = named(call, call.id()).await?;
    catalogue::known(call, &event_id, Code::EventNotFound).await?;
    let through = objects::inventory_look(call, &event_id, Query::LoggedBefore(Millis::MAX)).await?;
    let replay = WebhookAsk::Replay { event_id, after, through: objects::read(&through)? };
    let mut body: Value = objects::read(&ask(call, &endpoint, &replay).await?)?;
    body["webhook_id"] = json!(endpoint.webhook_id);
    Ok(Reply::json(200, &body))
}

/// POST `/admin/webhooks/{id}/enable`: goes on, and tries everything at once.
///
/// # Errors
/// `NOT_FOUND`, or somebody does not answer.
pub async fn enable(call: &Call) -> Result<Reply, ApiError> {
    call.admin()?;
    call.no_fields()?;
    let endpoint = named(call, call.id()).await?;
    ask(call, &endpoint, &WebhookAsk::Enable).await?;
    Ok(Reply::json(200, &shown(call, &endpoint).await?))
}

/// GET `/admin/webhooks/{id}/deliveries?cursor=`: what was sent, newest first.
///
/// # Errors
/// `NOT_FOUND`, `INVALID_REQUEST`, or somebody does not answer.
pub async fn deliveries(call: &Call) -> Result<Reply, ApiError> {
    call.admin()?;
    let wrong = |_| ApiError::invalid("cursor", "is not a cursor of this list");
    let before = call.query("cursor").map(|text| text.parse().map_err(wrong)).transpose()?;
    let endpoint = named(call, call.id()).await?;
    let page: AttemptPage = objects::read(&ask(call, &endpoint, &WebhookAsk::Attempts { before }).await?)?;
    let deliveries: Vec<Value> = page.attempts.iter().map(delivery).collect();
    let next_cursor = page.next.map(|next| next.to_string());
    Ok(Reply::json(200, &json!({ "deliveries": deliveries, "next_cursor": next_cursor })))
}

/// An attempt as the contract shows it.
fn delivery(attempt: &Attempt) -> Value {
    json!({
        "envelope_id": attempt.id,
        "type": attempt.kind,
        "event_id": attempt.event_id,
        "sequence": attempt.sequence,
        "attempt": attempt.attempt,
        "at": attempt.at,
        "took_ms": attempt.took_ms,
        "delivered": attempt.problem.is_none(),
        "status": attempt.status,
        "problem": attempt.problem,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(url: &str, secret: &str, development: bool) -> Option<Value> {
        let body = PutBody { url: url.into(), secret: secret.into(), organiser_id: None, event_ids: None };
        body.check(development).err().and_then(|error| error.details).map(|details| details["field"].clone())
    }

    #[test]
    fn an_endpoint_is_public_and_https_outside_development() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        assert_eq!(problem("https://hooks.example.com/a", secret, false), None);
        assert_eq!(problem("http://127.0.0.1:9000/a", secret, false), Some("url".into()));
        assert_eq!(problem("http://127.0.0.1:9000/a", secret, true), None);
        assert_eq!(problem("", secret, true), Some("url".into()));
    }

    #[test]
    fn a_secret_is_there_readable_and_short() {
        for secret in ["", "  ", "whsec_not base64", &"s".repeat(SECRET_MAX_BYTES + 1)] {
            assert_eq!(problem("https://hooks.example.com/a", secret, false), Some("secret".into()), "{secret}");
        }
    }

    #[test]
    fn events_are_all_or_some() {
        let named = |count: usize| {
            let event_ids = Some(vec![EventId::parse("e").unwrap(); count]);
            let body = PutBody { url: "https://a.example.com".into(), secret: "s".into(), organiser_id: None, event_ids };
            body.check(false).is_ok()
        };
        assert_eq!((named(0), named(1), named(EVENT_IDS_MAX), named(EVENT_IDS_MAX + 1)), (false, true, true, false));
    }
}
