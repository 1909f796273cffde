//! What is on sale: handlers of `/events`.

use domain::{event::Event, time::Millis};
use futures_util::future::join_all;
use serde_json::{Value, json};
use shell::clock;

use crate::{
    availability::{self, Availability, FOR_CLIENTS, FOR_LISTS},
    call::Call,
    catalogue::{self, Entry},
    error::ApiError,
    reply::Reply,
};

/// What caches outside may keep: with the isolate's 3 s it stays below the 5 s that the contract allows.
const CACHE_CONTROL: &str = "public, max-age=1";

/// GET `/events`.
///
/// # Errors
/// D1 does not answer.
pub async fn list(call: &Call) -> Result<Reply, ApiError> {
    let entries = catalogue::list(call).await?;
    let left = entries.iter().map(|entry| availability::of(call, &entry.event.event_id, FOR_LISTS));
    let left = join_all(left).await;
    let now = clock::now();
    let events: Vec<Value> =
        entries.iter().zip(left).map(|(entry, left)| summary(&entry.event, left.ok().as_ref(), now)).collect();
    Ok(Reply::json(200, &json!({ "events": events })).with_header("Cache-Control", CACHE_CONTROL))
}

/// GET `/events/{id}`.
///
/// # Errors
/// `EVENT_NOT_FOUND`, or D1 does not answer.
pub async fn get(call: &Call) -> Result<Reply, ApiError> {
    let entry = catalogue::event_named(call, call.id()).await?;
    let known = call.header("If-None-Match").is_some_and(|sent| names_etag(&sent, &entry.etag));
    let reply = if known { Reply::empty(304) } else { Reply::bytes(200, entry.body.clone()) };
    Ok(reply.with_header("ETag", entry.etag.clone()).with_header("Cache-Control", CACHE_CONTROL))
}

/// GET `/events/{id}/availability`.
///
/// # Errors
/// `EVENT_NOT_FOUND`, or the inventory does not answer.
pub async fn availability(call: &Call) -> Result<Reply, ApiError> {
    let entry = catalogue::event_named(call, call.id()).await?;
    let left = availability::of(call, &entry.event.event_id, FOR_CLIENTS).await?;
    Ok(live(left.body.to_vec()))
}

/// GET `/events/{id}/seats`.
///
/// # Errors
/// `EVENT_NOT_FOUND`, or the inventory does not answer.
pub async fn seats(call: &Call) -> Result<Reply, ApiError> {
    let entry = catalogue::event_named(call, call.id()).await?;
    Ok(live(availability::seats(call, &entry.event.event_id).await?.to_vec()))
}

/// How an event's sale stands.
///
/// # Errors
/// The inventory does not answer.
pub async fn status(call: &Call, entry: &Entry) -> Result<&'static str, ApiError> {
    let left = availability::of(call, &entry.event.event_id, FOR_CLIENTS).await?;
    Ok(sale_status(&entry.event, left.sold_out, clock::now()))
}

fn live(body: Vec<u8>) -> Reply {
    Reply::bytes(200, body).with_header("Cache-Control", "no-store")
}

/// The first that applies: the clock decides before the stock, the stock before the organiser's pause.
fn sale_status(event: &Event, sold_out: bool, now: Millis) -> &'static str {
    match () {
        () if event.is_closed(now) => "closed",
        () if event.is_before_opening(now) => "scheduled",
        () if sold_out => "sold_out",
        () if event.queue.paused => "paused",
        () => "on_sale",
    }
}

/// An event in the list. Where its inventory does not answer, what is left of it is null.
fn summary(event: &Event, left: Option<&Availability>, now: Millis) -> Value {
    let (min_price, max_price) = catalogue::prices(event);
    json!({
        "event_id": event.event_id,
        "name": event.name,
        "venue": event.venue,
        "starts_at": event.starts_at,
        "sale_opens_at": event.sale_opens_at,
        "sale_closes_at": event.sale_closes_at,
        "status": sale_status(event, left.is_some_and(|left| left.sold_out), now),
        "currency": event.currency,
        "min_price": min_price,
        "max_price": max_price,
        "remaining": left.map(|left| left.remaining),
    })
}

/// Whether an `If-None-Match` names this tag, by the weak comparison that the header asks for.
fn names_etag(sent: &str, etag: &str) -> bool {
    sent.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests {
    use domain::{event::EventBody, id::EventId};

    use super::*;

    const OPENS: u64 = 1_795_262_400_000;

    fn event(paused: bool) -> Event {
        let json = format!(
            r#"{{"name":"N","sale_opens_at":"2026-11-21T12:00:00Z","sale_closes_at":"2026-11-21T13:00:00Z",
                "queue":{{"paused":{paused}}},"sections":[{{"id":"A","price":1,"capacity":1}}]}}"#
        );
        let body: EventBody = serde_json::from_str(&json).unwrap();
        body.complete(EventId::parse("evt_1").unwrap(), 1, Millis(0)).unwrap()
    }

    #[test]
    fn a_sale_is_scheduled_until_it_opens_and_closed_from_its_end() {
        let at = |now| sale_status(&event(false), false, Millis(now));
        assert_eq!((at(OPENS - 1), at(OPENS)), ("scheduled", "on_sale"));
        assert_eq!((at(OPENS + 3_599_999), at(OPENS + 3_600_000)), ("on_sale", "closed"));
    }

    #[test]
    fn sold_out_is_told_before_paused() {
        assert_eq!(sale_status(&event(true), false, Millis(OPENS)), "paused");
        assert_eq!(sale_status(&event(true), true, Millis(OPENS)), "sold_out");
    }

    #[test]
    fn a_tag_is_found_in_a_list_and_when_it_is_weak() {
        for sent in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert!(names_etag(sent, "\"a\""), "{sent}");
        }
        assert!(!names_etag("\"b\", a", "\"a\""));
    }
}
