//! Events in D1, and an isolate's copies of them: at most 3 s old, forgotten when this isolate writes.
//!
//! D1 answers what is asked across events; an event's own objects were handed theirs. So a sale that runs goes on
//! while D1 does not answer: known events are then used up to [`STALE_IF_BROKEN_MS`].

use std::{cell::RefCell, rc::Rc};

use actors::{
    recent::Recent,
    sale::copies::{self, Ages, Copy, Made, Shelf},
};
use domain::{
    event::{self, Event, Section, SectionKind},
    id::EventId,
    money::Amount,
    time::Millis,
};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shell::clock;
use worker::wasm_bindgen::JsValue;

use crate::{
    call::Call,
    error::{ApiError, Code},
};

/// How old an isolate's copy of an event may be; the contract allows 5 s.
const EVENT_AGES: Ages = Ages { fresh_ms: 2000, usable_ms: 3000 };
/// How long an isolate believes that there is no such event, in milliseconds.
const UNKNOWN_MS: u64 = 1000;
/// How old a copy may be while D1 does not answer, in milliseconds.
const STALE_IF_BROKEN_MS: u64 = 60_000;
/// Copies that an isolate keeps: events of at most 64 KB each.
const EVENTS_KEPT_MAX: usize = 128;
/// Unknown ids that an isolate remembers.
const UNKNOWN_KEPT_MAX: usize = 1024;
/// Events that a list shows at most.
pub const EVENTS_LISTED_MAX: usize = 200;

/// An event of the catalogue with what is made of it once per version.
#[derive(Debug)]
pub struct Entry {
    /// The event.
    pub event: Rc<Event>,
    /// The body of `GET /events/{id}`.
    pub body: Vec<u8>,
    /// Its strong `ETag`.
    pub etag: String,
}

impl Entry {
    /// What is made of `event`.
    #[must_use]
    pub fn new(event: Event) -> Self {
        let body = serde_json::to_vec(&public(&event)).expect("events are plain data with text keys");
        let digest = Sha256::digest(&body);
        let etag = digest.iter().take(8).fold(String::from("\""), |etag, byte| etag + &format!("{byte:02x}")) + "\"";
        Self { event: Rc::new(event), body, etag }
    }
}

thread_local! {
    static EVENTS: Shelf<EventId, Option<Rc<Entry>>> = copies::shelf(EVENTS_KEPT_MAX);
    static UNKNOWN: RefCell<Recent<EventId, Millis>> = const { RefCell::new(Recent::new(UNKNOWN_KEPT_MAX)) };
    static LIST: Shelf<(), Vec<Rc<Entry>>> = copies::shelf(1);
}

/// The event with this id.
///
/// # Errors
/// `EVENT_NOT_FOUND`, or D1 does not answer.
pub async fn event(call: &Call, event_id: &EventId) -> Result<Rc<Entry>, ApiError> {
    let now = clock::now();
    if UNKNOWN.with_borrow_mut(|unknown| unknown.get(event_id).is_some_and(|at| now.since_ms(*at) <= UNKNOWN_MS)) {
        return Err(Code::EventNotFound.into());
    }
    let fetch = async || read(call, event_id).await;
    let found =
        copies::fresh(call, &EVENTS.with(Rc::clone), event_id, EVENT_AGES, fetch, |kept, found| *kept = found, Option::clone)
            .await;
    match found {
        Ok(Some(entry)) => Ok(entry),
        Ok(None) => {
            EVENTS.with(|events| events.borrow_mut().remove(event_id));
            UNKNOWN.with_borrow_mut(|unknown| unknown.insert(event_id.clone(), clock::now()));
            Err(Code::EventNotFound.into())
        }
        Err(error) => last_known(event_id).ok_or(error),
    }
}

/// The event with this id in the text of a request.
///
/// # Errors
/// `EVENT_NOT_FOUND`, also where the text is no id.
pub async fn event_named(call: &Call, text: &str) -> Result<Rc<Entry>, ApiError> {
    let event_id = EventId::parse(text).ok_or(Code::EventNotFound)?;
    event(call, &event_id).await
}

/// Makes sure that an id's event exists before its object is asked; `missing` says what is not found otherwise.
///
/// # Errors
/// `missing`, or D1 does not answer.
pub async fn known(call: &Call, event_id: &EventId, missing: Code) -> Result<(), ApiError> {
    match event(call, event_id).await {
        Ok(_) => Ok(()),
        Err(error) if error.code == Code::EventNotFound => Err(missing.into()),
        Err(error) => Err(error),
    }
}

/// The event with this id as D1 has it now.
///
/// # Errors
/// D1 does not answer.
pub async fn newest(call: &Call, event_id: &EventId) -> Result<Option<Rc<Entry>>, ApiError> {
    let asked_at = clock::now();
    let found = read(call, event_id).await?;
    if let Some(entry) = &found {
        keep(entry, asked_at);
    }
    Ok(found)
}

/// All events, those that begin first in front; at most [`EVENTS_LISTED_MAX`].
///
/// # Errors
/// D1 does not answer.
pub async fn list(call: &Call) -> Result<Vec<Rc<Entry>>, ApiError> {
    copies::fresh(
        call,
        &LIST.with(Rc::clone),
        &(),
        EVENT_AGES,
        async || read_all(call).await,
        |kept, found| *kept = found,
        Vec::clone,
    )
    .await
}

/// Writes `event` where D1 still has `replaces`: the version that it was made from, none where it is new. Whether it did.
///
/// # Errors
/// D1 does not answer.
pub async fn write(call: &Call, event: Event, replaces: Option<u64>) -> Result<Option<Rc<Entry>>, ApiError> {
    const INSERT: &str = "INSERT INTO events (event_id, version, body, updated_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (event_id) DO NOTHING RETURNING version";
    const UPDATE: &str =
        "UPDATE events SET version = ?2, body = ?3, updated_at = ?4 WHERE event_id = ?1 AND version = ?5 RETURNING version";
    let json = serde_json::to_string(&event).map_err(|error| worker::Error::from(error.to_string()))?;
    let now = clock::now();
    let mut bindings = vec![event.event_id.as_str().into(), number(event.version), json.into(), number(now.0)];
    bindings.extend(replaces.map(number));
    let statement = call.db()?.prepare(if replaces.is_some() { UPDATE } else { INSERT }).bind(&bindings)?;
    let written: Option<Value> = call.timed("d1", statement.first(None)).await?;
    if written.is_none() {
        return Ok(None);
    }
    let entry = Rc::new(Entry::new(event));
    keep(&entry, now);
    UNKNOWN.with_borrow_mut(|unknown| unknown.remove(&entry.event.event_id));
    LIST.with(|list| list.borrow_mut().remove(&()));
    Ok(Some(entry))
}

/// An integer as D1 takes it; all of ours are below 2^53.
#[allow(clippy::cast_precision_loss)]
#[must_use]
pub fn number(value: u64) -> JsValue {
    JsValue::from_f64(value as f64)
}

#[derive(Deserialize)]
struct Row {
    body: String,
}

impl Row {
    fn entry(&self) -> Result<Rc<Entry>, ApiError> {
        let event = event::from_json(&self.body).map_err(|error| worker::Error::from(error.to_string()))?;
        Ok(Rc::new(Entry::new(event)))
    }
}

async fn read(call: &Call, event_id: &EventId) -> Result<Option<Rc<Entry>>, ApiError> {
    let statement = call.db()?.prepare("SELECT body FROM events WHERE event_id = ?1").bind(&[event_id.as_str().into()])?;
    let row: Option<Row> = call.timed("d1", statement.first(None)).await.map_err(unanswered)?;
    row.map(|row| row.entry()).transpose()
}

async fn read_all(call: &Call) -> Result<Vec<Rc<Entry>>, ApiError> {
    let statement = call.db()?.prepare(format!("SELECT body FROM events ORDER BY event_id LIMIT {EVENTS_LISTED_MAX}"));
    let rows: Vec<Row> = call.timed("d1", statement.all()).await.and_then(|found| found.results()).map_err(unanswered)?;
    let mut entries = rows.iter().map(Row::entry).collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(|entry| (entry.event.starts_at.is_none(), entry.event.starts_at));
    Ok(entries)
}

fn unanswered(error: worker::Error) -> ApiError {
    ApiError { cause: Some(error.to_string()), ..Code::Unavailable.into() }
}

fn keep(entry: &Rc<Entry>, asked_at: Millis) {
    let copy = Copy { made: Made { at: Some(asked_at), asked_at: None }, value: Some(entry.clone()) };
    EVENTS.with(|events| events.borrow_mut().insert(entry.event.event_id.clone(), copy));
}

fn last_known(event_id: &EventId) -> Option<Rc<Entry>> {
    let now = clock::now();
    EVENTS.with(|events| {
        let mut events = events.borrow_mut();
        let copy = events.get(event_id)?;
        let young = copy.made.at.is_some_and(|at| now.since_ms(at) <= STALE_IF_BROKEN_MS);
        young.then(|| copy.value.clone())?
    })
}

/// Lowest and highest price of an event's sections.
#[must_use]
pub fn prices(event: &Event) -> (Amount, Amount) {
    let prices = || event.sections.iter().map(|section| section.price);
    (prices().min().unwrap_or_default(), prices().max().unwrap_or_default())
}

/// All that a seat map needs, and nothing that changes while it sells.
fn public(event: &Event) -> Value {
    let (min_price, max_price) = prices(event);
    json!({
        "event_id": event.event_id,
        "name": event.name,
        "venue": event.venue,
        "starts_at": event.starts_at,
        "sale_opens_at": event.sale_opens_at,
        "sale_closes_at": event.sale_closes_at,
        "currency": event.currency,
        "min_price": min_price,
        "max_price": max_price,
        "hold_ttl_sec": event.hold_ttl_sec,
        "entry_window_sec": event.queue.entry_window_sec,
        "admission_ttl_sec": event.queue.admission_ttl_sec,
        "max_seats_per_reservation": event.max_seats_per_reservation,
        "max_seats_per_user": event.max_seats_per_user,
        "sections": event.sections.iter().map(public_section).collect::<Vec<_>>(),
    })
}

/// A section without the seats that are blocked from the start: `/seats` has them, with what changed since.
fn public_section(section: &Section) -> Value {
    let mut shown = json!({ "id": section.id, "name": section.name, "price": section.price });
    match &section.kind {
        SectionKind::Seated { rows } => {
            shown["kind"] = "seated".into();
            shown["total"] = rows.iter().map(|row| u64::from(row.count)).sum::<u64>().into();
            shown["rows"] = rows.iter().map(|row| json!({ "id": row.id, "count": row.count })).collect();
        }
        SectionKind::General { capacity } => {
            shown["kind"] = "general".into();
            shown["total"] = (*capacity).into();
            shown["capacity"] = (*capacity).into();
        }
    }
    if let Some(layout) = &section.layout {
        shown["layout"] = json!(layout);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(json: &str) -> Entry {
        let body: event::EventBody = serde_json::from_str(json).unwrap();
        Entry::new(body.complete(EventId::parse("evt_1").unwrap(), 3, Millis(1_795_262_400_000)).unwrap())
    }

    const BODY: &str = r#"{"name":"N","sections":[
        {"id":"A","price":30,"layout":{"x":1.5},"rows":[{"id":"1","count":3,"blocked":[2]},{"id":"2","count":4}]},
        {"id":"G","kind":"general","price":10,"capacity":50}]}"#;

    #[test]
    fn the_public_event_has_all_that_a_map_needs_and_nothing_that_changes() {
        let shown: Value = serde_json::from_slice(&entry(BODY).body).unwrap();
        assert_eq!(shown["sections"][0]["rows"], json!([{ "id": "1", "count": 3 }, { "id": "2", "count": 4 }]));
        assert_eq!(shown["sections"][0]["layout"]["x"], 1.5);
        assert_eq!(shown["sections"][1]["capacity"], 50);
        assert_eq!((&shown["min_price"], &shown["max_price"]), (&json!(10), &json!(30)));
        let windows =
            ["hold_ttl_sec", "entry_window_sec", "admission_ttl_sec", "max_seats_per_reservation", "max_seats_per_user"];
        assert!(windows.iter().all(|window| shown[window].is_u64()));
        assert!(shown.get("queue").is_none() && shown.get("version").is_none());
    }

    #[test]
    fn an_etag_changes_with_what_is_shown_alone() {
        let paused = BODY.replacen('{', r#"{"queue":{"paused":true},"#, 1);
        assert_eq!(entry(BODY).etag, entry(&paused).etag);
        assert_ne!(entry(BODY).etag, entry(&BODY.replace("\"price\":10", "\"price\":11")).etag);
        assert_eq!(entry(BODY).etag.len(), 18);
    }
}
