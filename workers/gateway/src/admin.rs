//! Organising a sale: handlers of `/admin/events`. Endpoints and dead letters are in [`crate::webhooks`].
//!
//! A change of an event is written where it can be refused first, then to D1, then to who is told: inventory, D1, queue.
//! Whatever was not told is told by the next change or, where an object never was configured, by its first question.

use std::rc::Rc;

use actors::ask::{InventoryAsk, Object, QueueAsk};
use domain::{
    event::{Event, EventBody, QueuePatch},
    id::EventId,
    inventory::{Command, Query},
};
use serde::Deserialize;
use serde_json::{Value, json};
use shell::clock;

use crate::{
    availability, board,
    call::Call,
    catalogue,
    error::{ApiError, Code},
    objects,
    reply::Reply,
};

/// How often a change is tried where another organiser changes the same event at the same time.
const WRITE_TRIES: usize = 3;
/// Entries of a page of the ledger or the log where the request does not say, and at most.
const LEDGER_PAGE: u32 = 200;
const LEDGER_PAGE_MAX: u32 = 1000;

/// PUT `/admin/events/{id}`.
///
/// # Errors
/// `INVALID_REQUEST`, `EVENT_HAS_SALES`, or somebody does not answer.
pub async fn put_event(call: &Call) -> Result<Reply, ApiError> {
    call.admin()?;
    let wrong_id = || ApiError::invalid("event_id", "must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -");
    let event_id = EventId::parse(call.id()).ok_or_else(wrong_id)?;
    let body: EventBody = call.json()?;
    for _ in 0..WRITE_TRIES {
        let current = catalogue::newest(call, &event_id).await?;
        let replaces = current.as_ref().map(|entry| entry.event.version);
        let mut event = body.clone().complete(event_id.clone(), next_version(replaces), clock::now())?;
        if let Some(current) = &current {
            // Lanes cannot change while people wait, so a body that does not name them means those that there are.
            if !body.names_lanes() {
                event.queue.lanes = current.event.queue.lanes;
            }
            check_lanes(call, &current.event, event.queue.lanes, "queue.lanes").await?;
        }
        objects::configure::<InventoryAsk>(call, &Object::Inventory(event_id.clone()), &event).await?;
        if let Some(entry) = catalogue::write(call, event, replaces).await? {
            objects::configure::<QueueAsk>(call, &Object::Queue(event_id.clone()), &entry.event).await?;
            availability::seats_changed(&event_id);
            return Ok(Reply::json(if replaces.is_some() { 200 } else { 201 }, &entry.event));
        }
    }
    Err(contended())
}

/// GET `/admin/events/{id}`.
///
/// # Errors
/// `EVENT_NOT_FOUND`, or somebody does not answer.
pub async fn get_event(call: &Call) -> Result<Reply, ApiError> {
    let event = newest(call).await?;
    let figures = objects::inventory_look(call, &event.event_id, Query::Figures).await?;
    let mut figures: Value = objects::read(&figures)?;
    figures["queue"] = board::look(call, &event.event_id, |board| json!(board.stats())).await?;
    let mut body = json!(event);
    body["figures"] = figures;
    Ok(Reply::json(200, &body))
}

/// POST `/admin/events/{id}/queue`.
///
/// # Errors
/// `EVENT_NOT_FOUND`, `INVALID_REQUEST`, or somebody does not answer.
pub async fn set_queue(call: &Call) -> Result<Reply, ApiError> {
    let patch: QueuePatch = call.json()?;
    for _ in 0..WRITE_TRIES {
        let current = newest(call).await?;
        let queue = current.queue.patched(&patch)?;
        check_lanes(call, &current, queue.lanes, "lanes").await?;
        let event = Event { queue, version: next_version(Some(current.version)), ..Event::clone(&current) };
        if let Some(entry) = catalogue::write(call, event, Some(current.version)).await? {
            let event = &entry.event;
            objects::configure::<QueueAsk>(call, &Object::Queue(event.event_id.clone()), event).await?;
            return Ok(Reply::json(200, &event.queue));
        }
    }
    Err(contended())
}

#[derive(Deserialize)]
pub(crate) struct SeatsBody {
    #[serde(default)]
    block: Vec<String>,
    #[serde(default)]
    unblock: Vec<String>,
}

/// POST `/admin/events/{id}/seats`.
///
/// # Errors
/// `EVENT_NOT_FOUND`, what the inventory refuses, or no answer.
pub async fn set_seats(call: &Call) -> Result<Reply, ApiError> {
    let actor = call.admin()?.username.clone();
    let SeatsBody { block, unblock } = call.json()?;
    let event_id = named(call).await?;
    let reply = Reply::answer(200, objects::inventory(call, &event_id, Command::Block { actor, block, unblock }).await?)?;
    availability::seats_changed(&event_id);
    Ok(reply)
}

/// GET `/admin/events/{id}/ledger?cursor=&limit=`: entries behind the sequence that the cursor says.
///
/// # Errors
/// `EVENT_NOT_FOUND`, `INVALID_REQUEST`, or no answer.
pub async fn ledger(call: &Call) -> Result<Reply, ApiError> {
    call.admin()?;
    let after = number(call, "cursor")?.unwrap_or(0);
    let limit = number(call, "limit")?.unwrap_or(LEDGER_PAGE).clamp(1, LEDGER_PAGE_MAX);
    let event_id = named(call).await?;
    let query = Query::Ledger { after: after.into(), limit };
    Ok(Reply::bytes(200, objects::inventory_look(call, &event_id, query).await?))
}

/// GET `/admin/events/{id}/feed?after=&limit=`: what the outside was told, behind a sequence.
///
/// # Errors
/// `EVENT_NOT_FOUND`, `INVALID_REQUEST`, or no answer.
pub async fn feed(call: &Call) -> Result<Reply, ApiError> {
    call.admin()?;
    let after = number(call, "after")?.unwrap_or(0);
    let limit = number(call, "limit")?.unwrap_or(LEDGER_PAGE).clamp(1, LEDGER_PAGE_MAX);
    let event_id = named(call).await?;
    let query = Query::Feed { after: after.into(), limit };
    Ok(Reply::bytes(200, objects::inventory_look(call, &event_id, query).await?))
}

/// A number in the query; none of ours is beyond 32 bits.
fn number(call: &Call, name: &str) -> Result<Option<u32>, ApiError> {
    let read = |text: &str| text.parse().map_err(|_| ApiError::invalid(name, "must be a whole number"));
    call.query(name).map(read).transpose()
}

async fn named(call: &Call) -> Result<EventId, ApiError> {
    Ok(catalogue::event_named(call, call.id()).await?.event.event_id.clone())
}

/// The event as D1 has it now: organisers see each other's changes at once.
async fn newest(call: &Call) -> Result<Rc<Event>, ApiError> {
    call.admin()?;
    let event_id = EventId::parse(call.id()).ok_or(Code::EventNotFound)?;
    let entry = catalogue::newest(call, &event_id).await?.ok_or(Code::EventNotFound)?;
    Ok(Rc::clone(&entry.event))
}

/// Rises with every change, also where a change reached an object and never D1: the clock goes on.
fn next_version(replaces: Option<u64>) -> u64 {
    replaces.map_or(0, |version| version + 1).max(clock::now().0)
}

/// A caller's lane follows from the number of lanes, so that changing it while people wait would give them second places.
async fn check_lanes(call: &Call, current: &Event, lanes: u32, field: &str) -> Result<(), ApiError> {
    if current.queue.lanes == lanes {
        return Ok(());
    }
    let anybody = board::look_now(call, &current.event_id, |board| board.knows(1)).await?;
    if anybody { Err(ApiError::invalid(field, "cannot change once somebody has joined")) } else { Ok(()) }
}

fn contended() -> ApiError {
    ApiError::new(Code::Overloaded, "Somebody else is changing this event. Look at it again and repeat the change.")
}
