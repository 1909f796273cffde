//! What could not be delivered: handlers of `/admin/dead-letters`.
//!
//! A dead letter's id says where it is: `<webhook>.<envelope>` at an endpoint, `queue.<envelope>` where the reader of the queue
//! `sale-events` gave up. Those of the queue are only for people to look at: the log publishes again what its reader has not
//! dealt with, and what was projected since is no dead letter any more.

use actors::ask::WebhookAsk;
use domain::{
    delivery::{Letters, Reply as Redrive, attempt::DeadLetter},
    id::EventId,
    time::{Millis, Timestamp},
};
use futures_util::future::try_join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use worker::{QueueContentType, RawMessageBuilder, js_sys::JSON, wasm_bindgen::JsValue};

use crate::{
    call::Call,
    catalogue::number,
    error::{ApiError, Code},
    objects,
    reply::Reply,
    webhooks::{self, Endpoint, QUEUE},
};

/// Dead letters of a page.
const PAGE: usize = 100;
/// Sorts behind every id: these are visible ASCII.
const BEHIND_ALL: &str = "\u{7f}";
/// Letters of the queue that one call redrives, 100 at a time.
const REQUEUED_PAGES_MAX: usize = 50;

/// Where a page ended: newest first, those of the same instant by their ids.
struct Cursor<'a> {
    at: Millis,
    source: &'a str,
    envelope: &'a str,
}

impl<'a> Cursor<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (at, id) = text.split_once('.')?;
        let (source, envelope) = id.split_once('.')?;
        let at = at.parse().ok().map(Millis).filter(|at| *at <= Millis::MAX)?;
        Some(Self { at, source, envelope })
    }

    /// Where the page goes on in the list of a source.
    fn within(&self, source: &str) -> (Millis, String) {
        let bound = match source.cmp(self.source) {
            std::cmp::Ordering::Less => BEHIND_ALL,
            std::cmp::Ordering::Equal => self.envelope,
            std::cmp::Ordering::Greater => "",
        };
        (self.at, bound.to_owned())
    }
}

/// A dead letter wherever it is.
struct Dead {
    at: Millis,
    source: String,
    envelope: String,
    shown: Value,
}

impl Dead {
    fn of_endpoint(endpoint: &Endpoint, letter: &DeadLetter) -> Self {
        let source = endpoint.webhook_id.to_string();
        let shown = json!({
            "id": format!("{source}.{}", letter.id),
            "webhook_id": source,
            "envelope_id": letter.id,
            "type": letter.kind,
            "event_id": letter.event_id,
            "sequence": letter.sequence,
            "attempts": letter.attempts,
            "problem": letter.problem,
            "failed_at": letter.failed_at,
        });
        Self { at: letter.failed_at.0, source, envelope: letter.id.clone(), shown }
    }

    fn cursor(&self) -> String {
        format!("{}.{}.{}", self.at.0, self.source, self.envelope)
    }
}

#[derive(Deserialize)]
struct QueueLetter {
    dead_letter_id: String,
    body: String,
    reason: String,
    created_at: u64,
}

impl QueueLetter {
    fn dead(self) -> Dead {
        let envelope: Value = serde_json::from_slice(self.body.as_bytes()).unwrap_or_default();
        let at = Millis(self.created_at);
        let shown = json!({
            "id": format!("{QUEUE}.{}", self.dead_letter_id),
            "webhook_id": null,
            "envelope_id": envelope["id"].as_str(),
            "type": envelope["type"].as_str(),
            "event_id": envelope["event_id"].as_str(),
            "sequence": envelope["sequence"].as_u64(),
            "problem": self.reason,
            "failed_at": Timestamp(at),
        });
        Dead { at, source: QUEUE.to_owned(), envelope: self.dead_letter_id, shown }
    }
}

/// GET `/admin/dead-letters?cursor=`: those of all endpoints and of the queue, newest first.
///
/// # Errors
/// `INVALID_REQUEST`, or somebody does not answer.
pub async fn list(call: &Call) -> Result<Reply, ApiError> {
    call.admin()?;
    let wrong = || ApiError::invalid("cursor", "is not a cursor of this list");
    let cursor = call.query("cursor").map(|text| Cursor::parse(text).ok_or_else(wrong)).transpose()?;
    let before = |source: &str| cursor.as_ref().map(|cursor| cursor.within(source));
    let endpoints = webhooks::all(call).await?;
    let pages = endpoints.iter().map(|endpoint| of_endpoint(call, endpoint, before(endpoint.webhook_id.as_str())));
    let pages = try_join_all(pages).await?;
    let of_queue = of_queue(call, before(QUEUE)).await?;
    let mut letters: Vec<Dead> = pages.into_iter().flatten().chain(of_queue).collect();
    letters.sort_by(|a, b| (b.at, &b.source, &b.envelope).cmp(&(a.at, &a.source, &a.envelope)));
    let more = letters.len() > PAGE;
    letters.truncate(PAGE);
    let next_cursor = letters.last().filter(|_| more).map(Dead::cursor);
    let shown: Vec<Value> = letters.into_iter().map(|letter| letter.shown).collect();
    Ok(Reply::json(200, &json!({ "dead_letters": shown, "next_cursor": next_cursor })))
}

async fn of_endpoint(call: &Call, endpoint: &Endpoint, before: Option<(Millis, String)>) -> Result<Vec<Dead>, ApiError> {
    let ask = WebhookAsk::DeadLetters { before, limit: PAGE as u32 + 1 };
    let letters: Vec<DeadLetter> = objects::read(&webhooks::ask(call, endpoint, &ask).await?)?;
    Ok(letters.iter().map(|letter| Dead::of_endpoint(endpoint, letter)).collect())
}

async fn of_queue(call: &Call, before: Option<(Millis, String)>) -> Result<Vec<Dead>, ApiError> {
    const SELECT: &str = "SELECT dead_letter_id, body, reason, created_at FROM dead_letters
         WHERE (created_at, dead_letter_id) < (?1, ?2) ORDER BY created_at DESC, dead_letter_id DESC LIMIT ?3";
    let (at, id) = before.unwrap_or((Millis::MAX, String::new()));
    let statement = call.db()?.prepare(SELECT).bind(&[number(at.0), id.into(), number(PAGE as u64 + 1)])?;
    let letters: Vec<QueueLetter> = call.timed("d1", statement.all()).await?.results()?;
    Ok(letters.into_iter().map(QueueLetter::dead).collect())
}

/// POST `/admin/dead-letters/{id}/redrive`.
///
/// # Errors
/// `NOT_FOUND`, or somebody does not answer.
pub async fn redrive(call: &Call) -> Result<Reply, ApiError> {
    const SELECT: &str = "SELECT dead_letter_id, body, reason, created_at FROM dead_letters WHERE dead_letter_id = ?1";
    call.admin()?;
    call.no_fields()?;
    let (source, envelope) = call.id().split_once('.').ok_or(Code::NotFound)?;
    let redriven = if source == QUEUE {
        let statement = call.db()?.prepare(SELECT).bind(&[envelope.into()])?;
        let letters: Vec<QueueLetter> = call.timed("d1", statement.all()).await?.results()?;
        requeue(call, &letters).await?
    } else {
        let endpoint = webhooks::named(call, source).await?;
        redeliver(call, &endpoint, Letters::One(envelope.to_owned())).await?
    };
    if redriven == 0 {
        return Err(Code::NotFound.into());
    }
    Ok(Reply::json(200, &json!({ "id": call.id(), "status": "redriven" })))
}

#[derive(Deserialize)]
pub(crate) struct RedriveBody {
    #[serde(default)]
    webhook_id: Option<EventId>,
    #[serde(default)]
    event_id: Option<EventId>,
}

/// POST `/admin/dead-letters/redrive`: all of them, or those of an endpoint, of an event, or of both.
///
/// # Errors
/// `INVALID_REQUEST`, `NOT_FOUND`, or somebody does not answer.
pub async fn redrive_all(call: &Call) -> Result<Reply, ApiError> {
    call.admin()?;
    let empty = call.body.iter().all(u8::is_ascii_whitespace);
    let RedriveBody { webhook_id, event_id } =
        if empty { RedriveBody { webhook_id: None, event_id: None } } else { call.json()? };
    let letters = event_id.clone().map_or(Letters::All, Letters::OfEvent);
    let (endpoints, queue) = match webhook_id.as_ref().map(EventId::as_str) {
        None => (webhooks::all(call).await?, true),
        Some(QUEUE) => (vec![], true),
        Some(webhook_id) => (vec![webhooks::named(call, webhook_id).await?], false),
    };
    let redriven = try_join_all(endpoints.iter().map(|endpoint| redeliver(call, endpoint, letters.clone()))).await?;
    let requeued = if queue { requeue_all(call, event_id.as_ref()).await? } else { 0 };
    Ok(Reply::json(200, &json!({ "redriven": redriven.iter().sum::<u64>() + requeued })))
}

/// Has an endpoint's dead letters tried once more; how many.
async fn redeliver(call: &Call, endpoint: &Endpoint, letters: Letters) -> Result<u64, ApiError> {
    match objects::read(&webhooks::ask(call, endpoint, &WebhookAsk::Redrive(letters)).await?)? {
        Redrive::Redriven { redriven } => Ok(redriven),
        Redrive::Replaying { .. } | Redrive::Done {} => Ok(0),
    }
}

async fn requeue_all(call: &Call, event_id: Option<&EventId>) -> Result<u64, ApiError> {
    const SELECT: &str = "SELECT dead_letter_id, body, reason, created_at FROM dead_letters
         WHERE ?1 IS NULL OR event_id = ?1 ORDER BY created_at LIMIT 100";
    let event_id = event_id.map_or(JsValue::NULL, |event_id| event_id.as_str().into());
    let mut redriven = 0;
    for _ in 0..REQUEUED_PAGES_MAX {
        let statement = call.db()?.prepare(SELECT).bind(std::slice::from_ref(&event_id))?;
        let letters: Vec<QueueLetter> = call.timed("d1", statement.all()).await?.results()?;
        if letters.is_empty() {
            break;
        }
        redriven += requeue(call, &letters).await?;
    }
    Ok(redriven)
}

/// Sends letters through the queue again, then forgets them: sent twice is better than never.
async fn requeue(call: &Call, letters: &[QueueLetter]) -> Result<u64, ApiError> {
    if letters.is_empty() {
        return Ok(0);
    }
    let queue = call.env.queue("SALE_EVENTS")?;
    for letter in letters {
        // Parsed by the platform, so that the queue carries the envelope itself and not a text of it.
        let envelope = JSON::parse(&letter.body).map_err(worker::Error::from)?;
        let message = RawMessageBuilder::new(envelope).build_with_content_type(QueueContentType::Json);
        queue.send_raw(message).await?;
    }
    let ids: Vec<&str> = letters.iter().map(|letter| letter.dead_letter_id.as_str()).collect();
    let ids = serde_json::to_string(&ids).map_err(worker::Error::from)?;
    let delete = "DELETE FROM dead_letters WHERE dead_letter_id IN (SELECT value FROM json_each(?1))";
    call.timed("d1", call.db()?.prepare(delete).bind(&[ids.into()])?.run()).await?;
    Ok(letters.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_of_the_queue_says_what_it_was_about() {
        let letter = QueueLetter {
            dead_letter_id: "msg_e_4".into(),
            body: r#"{"id":"msg_e_4","type":"reservation.created","event_id":"e","sequence":4}"#.into(),
            reason: "gave up".into(),
            created_at: 0,
        };
        let shown = letter.dead().shown;
        assert_eq!((&shown["id"], &shown["event_id"], &shown["sequence"]), (&json!("queue.msg_e_4"), &json!("e"), &json!(4)));
    }

    #[test]
    fn a_page_goes_on_behind_its_last_letter_wherever_that_was() {
        let cursor = Cursor::parse("7.hook-b.msg_e_4").unwrap();
        let within = |source| cursor.within(source).1;
        assert_eq!(
            (within("hook-a").as_str(), within("hook-b").as_str(), within("hook-c").as_str()),
            (BEHIND_ALL, "msg_e_4", "")
        );
        for wrong in ["", "7", "7.hook", "x.hook.msg", "99999999999999999.hook.msg"] {
            assert!(Cursor::parse(wrong).is_none(), "{wrong}");
        }
    }
}
