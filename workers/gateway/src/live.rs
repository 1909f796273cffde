//! Sockets: handlers of `/queue/live` and `/events/{id}/live`.
//!
//! The gateway checks the token or the event, chooses one of the event's live objects and hands the upgrade over. What
//! the socket is told is in [`actors::live`].

use ::live::TICKET;
use actors::{
    ask::Object,
    live::{Ticket, Watch, objects},
};
use domain::{hash::Hash128, id::EventId};
use uuid::Uuid;
use worker::{Headers, Request, RequestInit};

use crate::{
    availability::{self, FOR_LISTS},
    board,
    call::Call,
    catalogue,
    error::{ApiError, Code},
    idempotency,
    queue::waiting_token,
    reply::Reply,
};

/// GET `/queue/live?token=`.
///
/// # Errors
/// `MISSING_TOKEN`, `TOKEN_NOT_FOUND`, `INVALID_REQUEST`, or an object does not answer.
pub async fn place(call: &Call) -> Result<Reply, ApiError> {
    let waiting = waiting_token(call)?;
    is_upgrade(call)?;
    let lanes = catalogue::event_named(call, waiting.event_id.as_str()).await?.event.queue.lanes;
    open(call, waiting.event_id, Watch::Place { number: waiting.number }, waiting.number, lanes).await
}

/// GET `/events/{id}/live`, with `?epoch=&seq=` for whoever has the seats as of then.
///
/// # Errors
/// `EVENT_NOT_FOUND`, `INVALID_REQUEST`, or an object does not answer.
pub async fn seats(call: &Call) -> Result<Reply, ApiError> {
    let entry = catalogue::event_named(call, call.id()).await?;
    is_upgrade(call)?;
    let number = |name: &str| {
        let parse = |text: &str| text.parse().map_err(|_| ApiError::invalid(name, "must be a whole number"));
        call.query(name).map(parse).transpose()
    };
    let from: Option<(u64, u64)> = number("epoch")?.zip(number("seq")?);
    let anywhere = Uuid::new_v4().as_u64_pair().0;
    open(call, entry.event.event_id.clone(), Watch::Seats { from }, anywhere, entry.event.queue.lanes).await
}

fn is_upgrade(call: &Call) -> Result<(), ApiError> {
    let upgrade = call.header("Upgrade").is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"));
    if upgrade { Ok(()) } else { Err(ApiError::invalid("Upgrade", "must be websocket")) }
}

async fn open(call: &Call, event_id: EventId, watch: Watch, choice: u64, lanes: u32) -> Result<Reply, ApiError> {
    // From copies that are there. Whoever was never asked is told of the event by this.
    board::look(call, &event_id, |_| ()).await?;
    availability::of(call, &event_id, FOR_LISTS).await?;
    let index = u32::try_from(choice % u64::from(objects(lanes))).unwrap_or_default();
    let ticket = Ticket { watch, address: address(call) };
    let handed = hand_over(call, &Object::Live(event_id, index), &ticket).await;
    handed.map_err(|error| ApiError { cause: Some(error.to_string()), ..Code::Unavailable.into() })
}

async fn hand_over(call: &Call, object: &Object, ticket: &Ticket) -> worker::Result<Reply> {
    let headers = Headers::new();
    headers.set("Upgrade", "websocket")?;
    headers.set(TICKET, &serde_json::to_string(ticket)?)?;
    let mut init = RequestInit::new();
    init.with_headers(headers);
    let stub = call.env.durable_object(object.binding())?.get_by_name(&object.name())?;
    stub.fetch_with_request(Request::new_with_init("http://object/", &init)?).await.map(Reply::upgrade)
}

/// A digest of the address that the request came from, where the platform says so.
fn address(call: &Call) -> Option<Hash128> {
    call.header("CF-Connecting-IP").map(|address| idempotency::digest(&[b"address", address.as_bytes()]))
}
