//! Lists of what a user has, newest first, page by page: from one event's inventory, or merged from several.
//!
//! Which events: those that D1 projects for the user, and those the user has just been seen at by this isolate, since
//! the projection follows a few seconds later.

use std::{cell::RefCell, collections::BTreeSet};

use actors::recent::Recent;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    id::{EventId, ReservationId, ReservationKey, UserId},
    inventory::{Cursor, Query},
    time::Millis,
};
use futures_util::future::try_join_all;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    call::Call,
    catalogue,
    error::{ApiError, Code},
    objects,
};

/// Entries of a page.
pub const PAGE: usize = 50;
/// What an inventory is asked for: one more tells whether there is a next page.
pub const ASKED: u32 = PAGE as u32 + 1;
/// Events that one list asks; a user of more sees the latest ones and asks by event for the others.
const EVENTS_ASKED_MAX: usize = 50;
/// Users whose latest events an isolate remembers, and how many of each.
const USERS_KEPT_MAX: usize = 2000;
const EVENTS_KEPT_MAX: usize = 8;

thread_local! {
    static SEEN: RefCell<Recent<UserId, Vec<EventId>>> = const { RefCell::new(Recent::new(USERS_KEPT_MAX)) };
}

/// Remembers that `user` has a reservation of this event.
pub fn saw(user: &UserId, event_id: &EventId) {
    SEEN.with_borrow_mut(|seen| {
        let events = seen.get_or_insert_with(user, Vec::new);
        events.retain(|known| known != event_id);
        events.truncate(EVENTS_KEPT_MAX - 1);
        events.insert(0, event_id.clone());
    });
}

/// One page of a list.
#[derive(Debug, PartialEq)]
pub struct Page {
    /// Newest first, at most [`PAGE`].
    pub items: Vec<Value>,
    /// Where the next page begins.
    pub next: Option<Cursor>,
}

impl Page {
    /// The next page's cursor as clients send it back.
    #[must_use]
    pub fn next_cursor(&self) -> Option<String> {
        self.next.map(write_cursor)
    }
}

/// The page that a request asks for.
///
/// # Errors
/// `INVALID_REQUEST`: the cursor is none of ours.
pub fn cursor(call: &Call) -> Result<Option<Cursor>, ApiError> {
    let read = |text: &str| read_cursor(text).ok_or_else(|| ApiError::invalid("cursor", "is not a cursor of this list"));
    call.query("cursor").map(read).transpose()
}

/// The events that a list is about: the one that the request names, else all of the user's.
///
/// # Errors
/// `EVENT_NOT_FOUND`, or D1 does not answer.
pub async fn events(call: &Call, user: &UserId) -> Result<Vec<EventId>, ApiError> {
    match call.query("event_id") {
        Some(named) => Ok(vec![catalogue::event_named(call, named).await?.event.event_id.clone()]),
        None => events_of(call, user).await,
    }
}

/// The events that the user has reservations of.
///
/// # Errors
/// D1 does not answer.
pub async fn events_of(call: &Call, user: &UserId) -> Result<Vec<EventId>, ApiError> {
    #[derive(Deserialize)]
    struct Row {
        event_id: EventId,
    }
    const SELECT: &str = "SELECT event_id FROM reservations WHERE user_id = ?1
         GROUP BY event_id ORDER BY MAX(created_at) DESC LIMIT ?2";
    let limit = catalogue::number(EVENTS_ASKED_MAX as u64);
    let statement = call.db()?.prepare(SELECT).bind(&[user.as_str().into(), limit])?;
    let rows: Vec<Row> = call.timed("d1", statement.all()).await?.results()?;
    let seen = SEEN.with_borrow_mut(|seen| seen.get(user).cloned().unwrap_or_default());
    let events: BTreeSet<EventId> = rows.into_iter().map(|row| row.event_id).chain(seen).collect();
    Ok(events.into_iter().collect())
}

/// Asks each event's inventory and merges what they answer. The query must ask for [`ASKED`] entries.
///
/// # Errors
/// An inventory does not answer: a list with a gap would be wrong.
pub async fn merged(call: &Call, events: &[EventId], query: &Query) -> Result<Page, ApiError> {
    let answers = try_join_all(events.iter().map(|event_id| list(call, event_id, query.clone()))).await?;
    page(answers.into_iter().flatten().collect())
}

/// What one event's inventory lists; nothing where the event is no longer in the catalogue.
///
/// # Errors
/// The inventory does not answer.
pub async fn list(call: &Call, event_id: &EventId, query: Query) -> Result<Vec<Value>, ApiError> {
    match objects::inventory_look(call, event_id, query).await {
        Ok(body) => objects::read(&body),
        Err(error) if error.code == Code::EventNotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn page(found: Vec<Value>) -> Result<Page, ApiError> {
    let placed = |item: Value| -> Result<(Cursor, Value), ApiError> {
        let at = place(&item).ok_or_else(|| worker::Error::from("a listed object has no place"))?;
        Ok((at, item))
    };
    let mut items = found.into_iter().map(placed).collect::<Result<Vec<_>, _>>()?;
    items.sort_by_key(|(at, _)| std::cmp::Reverse((at.created_at, at.key.0)));
    let more = items.len() > PAGE;
    items.truncate(PAGE);
    let next = items.last().filter(|_| more).map(|(at, _)| *at);
    Ok(Page { items: items.into_iter().map(|(_, item)| item).collect(), next })
}

/// Where a reservation or an order stands in a list.
fn place(item: &Value) -> Option<Cursor> {
    let created_at = Millis::parse_rfc3339(item.get("created_at")?.as_str()?).ok()?;
    let reservation = ReservationId::parse(item.get("reservation_id")?.as_str()?)?;
    Some(Cursor { created_at, key: reservation.key })
}

pub(crate) fn write_cursor(at: Cursor) -> String {
    let mut bytes = at.created_at.0.to_be_bytes().to_vec();
    bytes.extend_from_slice(&at.key.0.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn read_cursor(text: &str) -> Option<Cursor> {
    let bytes: [u8; 24] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    let (created_at, key) = bytes.split_at(8);
    Some(Cursor {
        created_at: Millis(u64::from_be_bytes(created_at.try_into().ok()?).min(Millis::MAX.0)),
        key: ReservationKey(u128::from_be_bytes(key.try_into().ok()?)),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(created_at: u64, key: u128) -> Value {
        let event_id = EventId::parse("evt_1").unwrap();
        let reservation_id = ReservationId { event_id, key: ReservationKey(key) };
        json!({ "created_at": Millis(created_at).to_string(), "reservation_id": reservation_id })
    }

    #[test]
    fn a_cursor_comes_back_as_it_was_written_and_nothing_else_is_one() {
        let at = Cursor { created_at: Millis(1_795_262_400_123), key: ReservationKey(u128::MAX - 5) };
        assert_eq!(read_cursor(&write_cursor(at)), Some(at));
        for text in ["", "x", "AAAA", "!!!!", &"A".repeat(33), &"A".repeat(1000)] {
            assert_eq!(read_cursor(text), None, "{text}");
        }
    }

    #[test]
    fn what_several_events_have_is_one_list_newest_first() {
        let page = page(vec![item(1000, 1), item(3000, 2), item(2000, 3), item(2000, 4)]).unwrap();
        assert_eq!(page.items, [item(3000, 2), item(2000, 4), item(2000, 3), item(1000, 1)]);
        assert_eq!(page.next, None);
    }

    #[test]
    fn the_next_page_begins_behind_the_last_one_shown() {
        let found = (0..60).map(|i| item(1000 + i, u128::from(i))).collect();
        let page = page(found).unwrap();
        assert_eq!(page.items.len(), PAGE);
        assert_eq!(page.next, Some(Cursor { created_at: Millis(1010), key: ReservationKey(10) }));
    }
}
