//! Looks that change nothing: each answers with a body of the public contract.

use actors::inventory::InventoryRows;
use domain::{
    event::{Event, Text},
    id::{ReservationKey, UserId},
    inventory::feed::{DELTAS_KEPT, SectionStates},
    inventory::{
        Cursor, Inventory, Query,
        ledger::{Entry, FeedPage},
        reservation::{IntentView, OrderView, Reservation, ReservationView, Status},
        seats::SeatState,
    },
    machine::{Answer, Machine},
    money::Amount,
    refusal::Refusal,
    time::{Millis, Timestamp},
};
use serde::Serialize;
use serde_json::value::RawValue;
use shell::{
    ask::granted,
    sql::{integer, integer_value, json},
};
use worker::{Result, SqlStorageValue};

use crate::store::InventoryStore;

#[derive(Serialize)]
struct SectionFigures<'a> {
    id: &'a str,
    name: &'a Text,
    price: Amount,
    total: u32,
    remain: u32,
    held: u32,
    sold: u32,
    blocked: u32,
}

#[derive(Serialize)]
struct Availability<'a> {
    event_id: &'a str,
    remaining: u32,
    sections: Vec<SectionFigures<'a>>,
    as_of: Timestamp,
}

#[derive(Serialize)]
struct SeatStates<'a> {
    event_id: &'a str,
    epoch: u64,
    seq: u64,
    sections: Vec<SectionStates>,
}

#[derive(Serialize)]
pub(crate) struct LedgerPage {
    pub(crate) entries: Vec<Entry>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct Figures<'a> {
    remaining: u32,
    holds: usize,
    held: u32,
    sold: u32,
    blocked: u32,
    outbox_backlog: u64,
    effects: usize,
    ledger_seq: u64,
    sections: Vec<SectionFigures<'a>>,
}

/// Answers `query` from the inventory as it stands at `now`.
pub(crate) fn answer(inventory: &Inventory, store: &InventoryStore, query: &Query, now: Millis) -> Result<Answer> {
    let Some(event) = inventory.event() else { return Ok(Answer::Refused(Refusal::Unconfigured)) };
    match query {
        Query::Reservation { key, user } => match owned(store, *key, user, Refusal::ReservationNotFound)? {
            Ok(reservation) => granted(&ReservationView::new(&event.event_id, &reservation)),
            Err(refusal) => Ok(Answer::Refused(refusal)),
        },
        Query::Order { key, user } => match owned(store, *key, user, Refusal::OrderNotFound)? {
            Ok(reservation) => match OrderView::new(&event.event_id, &reservation) {
                Some(order) => granted(&order),
                None => Ok(Answer::Refused(Refusal::OrderNotFound)),
            },
            Err(refusal) => Ok(Answer::Refused(refusal)),
        },
        Query::Reservations { user, status, before, limit } => {
            let wanted: Vec<&str> = status.as_deref().into_iter().collect();
            let found = of_user(store, user, &wanted, *before, *limit)?;
            granted(&found.iter().map(|r| ReservationView::new(&event.event_id, r)).collect::<Vec<_>>())
        }
        Query::Orders { user, before, limit } => {
            let wanted = [Status::Confirmed.as_str(), Status::Refunded.as_str()];
            let found = of_user(store, user, &wanted, *before, *limit)?;
            granted(&found.iter().filter_map(|r| OrderView::new(&event.event_id, r)).collect::<Vec<_>>())
        }
        Query::Intents { user, reservation, status, before, limit } => {
            let found = match reservation {
                Some(key) => owned(store, *key, user, Refusal::ReservationNotFound)?.into_iter().collect(),
                None => of_user(store, user, &[], *before, *limit)?,
            };
            granted(&intents(event, &found, status.as_deref()))
        }
        Query::Availability => granted(&Availability {
            event_id: event.event_id.as_str(),
            remaining: inventory.seats().totals().of(SeatState::Available),
            sections: figures(inventory, event),
            as_of: Timestamp(now),
        }),
        Query::Seats => granted(&seat_states(inventory, event)),
        Query::Changes { known } => {
            let entries = ledger(store, inventory.changed_since(*known), DELTAS_KEPT as u32)?.entries;
            granted(&inventory.changes(*known, &entries))
        }
        Query::Ledger { after, limit } => granted(&ledger(store, *after, *limit)?),
        Query::Feed { after, limit } => granted(&feed(store, *after, *limit)?),
        Query::LoggedBefore(at) => granted(&logged_before(store, inventory.sequence(), *at)?),
        Query::Intent { intent, user } => match owned(store, intent.key, user, Refusal::PaymentNotFound)? {
            Ok(reservation) => match IntentView::new(&event.event_id, &reservation, intent.attempt.into()) {
                Some(view) => granted(&view),
                None => Ok(Answer::Refused(Refusal::PaymentNotFound)),
            },
            Err(refusal) => Ok(Answer::Refused(refusal)),
        },
        Query::Stock => match inventory.stock(now) {
            Ok(stock) => granted(&stock),
            Err(refusal) => Ok(Answer::Refused(refusal)),
        },
        Query::Figures => granted(&console(inventory, event)),
    }
}

fn owned(
    store: &InventoryStore,
    key: ReservationKey,
    user: &UserId,
    missing: Refusal,
) -> Result<std::result::Result<Reservation, Refusal>> {
    let found = store.reservation(&key.to_string())?;
    Ok(found.ok_or(missing).and_then(|r| if r.user == *user { Ok(r) } else { Err(Refusal::Forbidden) }))
}

/// A user's reservations in any of `statuses` (all of them where empty), newest first.
fn of_user(
    store: &InventoryStore,
    user: &UserId,
    statuses: &[&str],
    before: Option<Cursor>,
    limit: u32,
) -> Result<Vec<Reservation>> {
    let before = before.unwrap_or(Cursor { created_at: Millis::MAX, key: ReservationKey(u128::MAX) });
    let statement = "SELECT body FROM reservations
        WHERE user_id = ?1 AND (created_at, key) < (?2, ?3)
          AND (?4 = '[]' OR status IN (SELECT value FROM json_each(?4)))
        ORDER BY created_at DESC, key DESC LIMIT ?5";
    let bindings: Vec<SqlStorageValue> = vec![
        user.as_str().into(),
        integer_value(before.created_at.0)?,
        before.key.to_string().into(),
        serde_json::to_string(statuses)?.into(),
        integer_value(limit.into())?,
    ];
    store.sql().rows(statement, bindings)?.iter().map(|row| json(row, 0)).collect()
}

fn intents(event: &Event, reservations: &[Reservation], status: Option<&str>) -> Vec<IntentView> {
    let mut views = Vec::new();
    for reservation in reservations {
        for attempt in (0..reservation.intents.len()).rev() {
            let wanted = status.is_none_or(|status| reservation.intents[attempt].status.as_str() == status);
            views.extend(IntentView::new(&event.event_id, reservation, attempt).filter(|_| wanted));
        }
    }
    views
}

fn figures<'a>(inventory: &'a Inventory, event: &'a Event) -> Vec<SectionFigures<'a>> {
    let sections = inventory.map().sections().iter().zip(&event.sections).enumerate();
    let figure = |(index, (section, described)): (usize, (&'a domain::seat_map::MapSection, &'a domain::event::Section))| {
        let counts = inventory.seats().counts(index);
        SectionFigures {
            id: &section.id,
            name: &described.name,
            price: section.price,
            total: section.total(),
            remain: counts.of(SeatState::Available),
            held: counts.of(SeatState::Held),
            sold: counts.of(SeatState::Sold),
            blocked: counts.of(SeatState::Blocked),
        }
    };
    sections.map(figure).collect()
}

fn seat_states<'a>(inventory: &Inventory, event: &'a Event) -> SeatStates<'a> {
    SeatStates {
        event_id: event.event_id.as_str(),
        epoch: event.version,
        seq: inventory.seq(),
        sections: inventory.section_states(),
    }
}

pub(crate) fn ledger(store: &InventoryStore, after: u64, limit: u32) -> Result<LedgerPage> {
    let statement = "SELECT body FROM ledger WHERE seq > ? ORDER BY seq LIMIT ?";
    let rows = store.sql().rows(statement, vec![integer_value(after)?, integer_value(limit.into())?])?;
    let entries: Vec<Entry> = rows.iter().map(|row| json(row, 0)).collect::<Result<_>>()?;
    let full = entries.len() == limit as usize;
    let next_cursor = entries.last().filter(|_| full).map(|entry| entry.seq.to_string());
    Ok(LedgerPage { entries, next_cursor })
}

fn feed(store: &InventoryStore, after: u64, limit: u32) -> Result<FeedPage> {
    let log = store.log(after, limit)?;
    let next = log.last().map(|(sequence, _)| *sequence);
    let envelopes = log.into_iter().map(|(_, body)| RawValue::from_string(body)).collect::<std::result::Result<_, _>>()?;
    Ok(FeedPage { envelopes, next })
}

/// The sequence of the last envelope that is older than `at`, by bisection: sequences have no gaps, and time does not go back
/// from one to the next.
fn logged_before(store: &InventoryStore, last: u64, at: Millis) -> Result<u64> {
    let (mut older, mut newer) = (0, last + 1);
    while newer - older > 1 {
        let middle = older + (newer - older) / 2;
        let rows = store.sql().rows("SELECT at FROM log WHERE sequence = ?", vec![integer_value(middle)?])?;
        // What is older than the log itself has no row.
        let logged_at = rows.first().map_or(Ok(0), |row| integer(row, 0))?;
        if logged_at < at.0 { older = middle } else { newer = middle }
    }
    Ok(older)
}

fn console<'a>(inventory: &'a Inventory, event: &'a Event) -> Figures<'a> {
    let totals = inventory.seats().totals();
    let (published, _) = inventory.published();
    Figures {
        remaining: totals.of(SeatState::Available),
        holds: inventory.holds(),
        held: totals.of(SeatState::Held),
        sold: totals.of(SeatState::Sold),
        blocked: totals.of(SeatState::Blocked),
        outbox_backlog: inventory.sequence() - published,
        effects: inventory.effects().len(),
        ledger_seq: inventory.seq(),
        sections: figures(inventory, event),
    }
}
