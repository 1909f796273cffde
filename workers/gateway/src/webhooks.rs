//! Organisers' endpoints and what could not be delivered: handlers of `/admin/webhooks` and `/admin/dead-letters`.
//!
//! A dead letter's id says where it is: `<webhook>.<envelope>` at an endpoint, `queue.<envelope>` where the queue
//! `sale-events` gave up before any endpoint was reached.

use domain::{
    delivery::{DeadLetter, DeadPage, endpoint_allowed},
    id::EventId,
    time::{Millis, Timestamp},
};
use futures_util::future::try_join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use shell::clock;
use signing::webhook::Key;
use webhook::WebhookAsk;
use worker::{QueueContentType, RawMessageBuilder, js_sys::JSON};

use crate::{
    call::{Call, required},
    catalogue::number,
    error::{ApiError, Code},
    objects,
    reply::Reply,
};

/// Endpoints of all organisers together: each envelope goes to each of them.
pub const ENDPOINTS_MAX: usize = 100;
/// Longest secret, in bytes.
const SECRET_MAX_BYTES: usize = 256;
/// Dead letters that a list shows of each endpoint, and of the queue.
const DEAD_SHOWN_MAX: u32 = 100;
/// Stands for the queue in the id of a dead letter; no endpoint may have this name.
const QUEUE: &str = "queue";

/// An endpoint as D1 has it.
#[derive(Clone, Debug, Deserialize)]
pub struct Endpoint {
    pub webhook_id: String,
    pub url: String,
    pub secret: String,
    created_at: u64,
    updated_at: u64,
}

impl Endpoint {
    /// Without the secret: who set it knows it.
    fn shown(&self) -> Value {
        json!({
            "webhook_id": self.webhook_id,
            "url": self.url,
            "created_at": Timestamp(Millis(self.created_at)),
            "updated_at": Timestamp(Millis(self.updated_at)),
        })
    }
}

/// The statement that reads every endpoint.
pub const SELECT_ENDPOINTS: &str =
    "SELECT webhook_id, url, secret, created_at, updated_at FROM webhooks ORDER BY webhook_id LIMIT 100";

/// GET `/admin/webhooks/{id}`.
///
/// # Errors
/// `NOT_FOUND`, or D1 does not answer.
pub async fn get(call: &Call) -> Result<Reply, ApiError> {
    call.admin()?;
    let sql = "SELECT webhook_id, url, secret, created_at, updated_at FROM webhooks WHERE webhook_id = ?1";
    let statement = call.db()?.prepare(sql).bind(&[call.id().into()])?;
    let found: Option<Endpoint> = call.timed("d1", statement.first(None)).await?;
    found.map(|endpoint| Reply::json(200, &endpoint.shown())).ok_or_else(|| Code::NotFound.into())
}

#[derive(Deserialize)]
pub(crate) struct PutBody {
    url: String,
    secret: String,
}

impl PutBody {
    pub(crate) fn check(&self, development: bool) -> Result<(), ApiError> {
        endpoint_allowed(required("url", &self.url)?, development).map_err(|problem| ApiError::invalid("url", problem))?;
        required("secret", &self.secret)?;
        if self.secret.len() > SECRET_MAX_BYTES {
            return Err(ApiError::invalid("secret", format!("must be at most {SECRET_MAX_BYTES} bytes")));
        }
        Key::from_secret(&self.secret).map(|_| ()).map_err(|problem| ApiError::invalid("secret", problem.to_string()))
    }
}

/// PUT `/admin/webhooks/{id}`.
///
/// # Errors
/// `INVALID_REQUEST`, or somebody does not answer.
pub async fn put(call: &Call) -> Result<Reply, ApiError> {
    const UPSERT: &str = "INSERT INTO webhooks (webhook_id, url, secret, created_at, updated_at)
         SELECT ?1, ?2, ?3, ?4, ?4 WHERE EXISTS (SELECT 1 FROM webhooks WHERE webhook_id = ?1)
            OR (SELECT COUNT(*) FROM webhooks) < ?5
         ON CONFLICT (webhook_id) DO UPDATE SET url = excluded.url, secret = excluded.secret, updated_at = excluded.updated_at
         RETURNING webhook_id, url, secret, created_at, updated_at";
    call.admin()?;
    let id = EventId::parse(call.id()).filter(|id| id.as_str() != QUEUE);
    let id = id.ok_or_else(|| ApiError::invalid("id", "must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -"))?;
    let body: PutBody = call.json()?;
    body.check(call.config.development)?;

    let db = call.db()?;
    let before = db.prepare("SELECT 1 AS known FROM webhooks WHERE webhook_id = ?1").bind(&[id.as_str().into()])?;
    let known: Option<Value> = call.timed("d1", before.first(None)).await?;
    let bindings = [
        id.as_str().into(),
        body.url.as_str().into(),
        body.secret.as_str().into(),
        number(clock::now().0),
        number(ENDPOINTS_MAX as u64),
    ];
    let written: Option<Endpoint> = call.timed("d1", db.prepare(UPSERT).bind(&bindings)?.first(None)).await?;
    let written = written.ok_or_else(|| ApiError::invalid("id", format!("is one more than {ENDPOINTS_MAX} endpoints")))?;
    if known.is_some() {
        // What waits for the old address goes to the new one.
        let ask = WebhookAsk::Enqueue { url: body.url, secret: body.secret, envelopes: Vec::new() };
        objects::granted(objects::webhook(call, id.as_str(), &ask).await?)?;
    }
    Ok(Reply::json(if known.is_some() { 200 } else { 201 }, &written.shown()))
}

/// DELETE `/admin/webhooks/{id}`: what waits for it is forgotten.
///
/// # Errors
/// `NOT_FOUND`, or somebody does not answer.
pub async fn delete(call: &Call) -> Result<Reply, ApiError> {
    call.admin()?;
    let id = EventId::parse(call.id()).ok_or(Code::NotFound)?;
    let statement = call.db()?.prepare("DELETE FROM webhooks WHERE webhook_id = ?1 RETURNING webhook_id");
    let gone: Option<Value> = call.timed("d1", statement.bind(&[id.as_str().into()])?.first(None)).await?;
    // Also where the row was gone before: an earlier attempt may have come no further.
    objects::granted(objects::webhook(call, id.as_str(), &WebhookAsk::Drop).await?)?;
    gone.ok_or(Code::NotFound)?;
    Ok(Reply::json(200, &json!({ "webhook_id": id, "status": "deleted" })))
}

#[derive(Deserialize)]
struct QueueLetter {
    dead_letter_id: String,
    body: String,
    reason: String,
    created_at: u64,
}

impl QueueLetter {
    fn shown(&self) -> Value {
        let envelope: Value = serde_json::from_slice(self.body.as_bytes()).unwrap_or_default();
        json!({
            "id": format!("{QUEUE}.{}", self.dead_letter_id),
            "webhook_id": null,
            "envelope_id": envelope["id"],
            "type": envelope["type"],
            "event_id": envelope["event_id"],
            "sequence": envelope["sequence"],
            "problem": self.reason,
            "failed_at": Timestamp(Millis(self.created_at)),
        })
    }
}

fn shown(webhook_id: &str, letter: &DeadLetter) -> Value {
    json!({
        "id": format!("{webhook_id}.{}", letter.id),
        "webhook_id": webhook_id,
        "envelope_id": letter.id,
        "type": letter.kind,
        "event_id": letter.event_id,
        "sequence": letter.sequence,
        "attempts": letter.attempts,
        "problem": letter.problem,
        "failed_at": letter.failed_at,
    })
}

/// GET `/admin/dead-letters`: the newest of each endpoint and of the queue, newest first. What is redriven makes room
/// for older ones.
///
/// # Errors
/// Somebody does not answer.
pub async fn dead_letters(call: &Call) -> Result<Reply, ApiError> {
    call.admin()?;
    let db = call.db()?;
    let sql = format!(
        "SELECT dead_letter_id, body, reason, created_at FROM dead_letters ORDER BY created_at DESC LIMIT {DEAD_SHOWN_MAX}"
    );
    let of_queue: Vec<QueueLetter> = call.timed("d1", db.prepare(sql).all()).await?.results()?;
    let endpoints: Vec<Endpoint> = call.timed("d1", db.prepare(SELECT_ENDPOINTS).all()).await?.results()?;
    let pages = try_join_all(endpoints.iter().map(|endpoint| dead_page(call, &endpoint.webhook_id))).await?;
    let mut letters: Vec<Value> = pages.into_iter().flatten().chain(of_queue.iter().map(QueueLetter::shown)).collect();
    letters.sort_by(|a, b| b["failed_at"].as_str().cmp(&a["failed_at"].as_str()));
    Ok(Reply::json(200, &json!({ "dead_letters": letters, "next_cursor": null })))
}

async fn dead_page(call: &Call, webhook_id: &str) -> Result<Vec<Value>, ApiError> {
    let ask = WebhookAsk::DeadLetters { before: None, limit: DEAD_SHOWN_MAX };
    let page: DeadPage = objects::read(&objects::granted(objects::webhook(call, webhook_id, &ask).await?)?)?;
    Ok(page.dead_letters.iter().map(|letter| shown(webhook_id, letter)).collect())
}

/// POST `/admin/dead-letters/{id}/redrive`.
///
/// # Errors
/// `NOT_FOUND`, or somebody does not answer.
pub async fn redrive(call: &Call) -> Result<Reply, ApiError> {
    call.admin()?;
    call.no_fields()?;
    let (source, envelope) = call.id().split_once('.').ok_or(Code::NotFound)?;
    let found = if source == QUEUE { requeue(call, envelope).await? } else { redeliver(call, source, envelope).await? };
    if !found {
        return Err(Code::NotFound.into());
    }
    Ok(Reply::json(200, &json!({ "id": call.id(), "status": "redriven" })))
}

async fn redeliver(call: &Call, webhook_id: &str, envelope: &str) -> Result<bool, ApiError> {
    #[derive(Deserialize)]
    struct Redriven {
        redriven: bool,
    }
    let known = call.db()?.prepare("SELECT 1 AS known FROM webhooks WHERE webhook_id = ?1").bind(&[webhook_id.into()])?;
    let known: Option<Value> = call.timed("d1", known.first(None)).await?;
    if known.is_none() {
        return Ok(false);
    }
    let answer = objects::webhook(call, webhook_id, &WebhookAsk::Redrive { id: envelope.to_owned() }).await?;
    Ok(objects::read::<Redriven>(&objects::granted(answer)?)?.redriven)
}

/// Sends it through the queue again, then forgets it: sent twice is better than never.
async fn requeue(call: &Call, id: &str) -> Result<bool, ApiError> {
    let db = call.db()?;
    let select = "SELECT dead_letter_id, body, reason, created_at FROM dead_letters WHERE dead_letter_id = ?1";
    let found: Option<QueueLetter> = call.timed("d1", db.prepare(select).bind(&[id.into()])?.first(None)).await?;
    let Some(letter) = found else { return Ok(false) };
    // Parsed by the platform, so that the queue carries the envelope itself and not a text of it.
    let envelope = JSON::parse(&letter.body).map_err(worker::Error::from)?;
    let message = RawMessageBuilder::new(envelope).build_with_content_type(QueueContentType::Json);
    call.env.queue("SALE_EVENTS")?.send_raw(message).await?;
    let delete = db.prepare("DELETE FROM dead_letters WHERE dead_letter_id = ?1").bind(&[id.into()])?;
    call.timed("d1", delete.run()).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(url: &str, secret: &str, development: bool) -> Option<Value> {
        let body = PutBody { url: url.into(), secret: secret.into() };
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
    fn a_letter_of_the_queue_says_what_it_was_about() {
        let letter = QueueLetter {
            dead_letter_id: "msg_e_4".into(),
            body: r#"{"id":"msg_e_4","type":"reservation.created","event_id":"e","sequence":4}"#.into(),
            reason: "gave up".into(),
            created_at: 0,
        };
        let shown = letter.shown();
        assert_eq!((&shown["id"], &shown["event_id"], &shown["sequence"]), (&json!("queue.msg_e_4"), &json!("e"), &json!(4)));
    }
}
