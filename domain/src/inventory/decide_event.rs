//! The organiser's changes: the event itself, and seats kept back.

use std::collections::BTreeSet;

use super::{
    change::Change,
    command::Reply,
    draft::Draft,
    ledger::{Entry, EntryType},
    seats::SeatState,
    state::Inventory,
};
use crate::{
    event::{Event, SectionKind},
    machine::{Context, Decision},
    refusal::Refusal,
    seat_map::SeatMap,
};

type Outcome = Result<Decision<Inventory>, Refusal>;

/// Takes over a newer description. Held and sold seats must still be there. What the old description blocked and the
/// new one does not is unblocked; what the organiser blocked by hand stays blocked.
pub(super) fn configure(inventory: &Inventory, event: &Event, context: Context) -> Outcome {
    if inventory.event.as_ref().is_some_and(|current| current.version >= event.version) {
        return Ok(Decision::new(Reply::Done {}, vec![]));
    }
    let map = SeatMap::new(&event.sections);
    let lost = lost_sales(inventory, &map);
    if !lost.is_empty() {
        return Err(Refusal::EventHasSales { seat_ids: lost });
    }
    let before: BTreeSet<String> = inventory.event.iter().flat_map(blocked_by).collect();
    let after: BTreeSet<String> = blocked_by(event).into_iter().collect();
    let state = |id: &String| inventory.map.seat(id).map(|seat| inventory.seats.state(seat));
    let gone =
        inventory.seats.taken().filter(|(_, state)| *state == SeatState::Blocked).map(|(seat, _)| inventory.map.seat_id(seat));
    let gone = gone.filter(|id| map.seat(id).is_none() && !before.contains(id));
    let unblock = before.difference(&after).filter(|id| state(id) == Some(SeatState::Blocked)).cloned().chain(gone);
    let block = after.iter().filter(|id| state(id).unwrap_or(SeatState::Available) == SeatState::Available).cloned();

    let mut draft = Draft::new(inventory, event, context);
    // Unblocked in the old map, blocked in the new: a seat that vanishes is unblocked while the ledger still knows it.
    record(&mut draft, EntryType::Unblocked, unblock.collect(), None);
    draft.push(Change::Configured(Box::new(event.clone())));
    record(&mut draft, EntryType::Blocked, block.collect(), None);
    Ok(draft.reply(Reply::Done {}))
}

/// Whether these can be the seats to block and to unblock, by the map alone.
///
/// # Errors
/// A seat is unknown, or named for both.
pub fn check_blocked(map: &SeatMap, block: &[String], unblock: &[String]) -> Result<(), Refusal> {
    let unknown: Vec<_> = block.iter().chain(unblock).filter(|id| map.seat(id).is_none()).cloned().collect();
    if !unknown.is_empty() {
        return Err(Refusal::SeatNotFound { seat_ids: unknown });
    }
    let both: BTreeSet<_> = block.iter().collect();
    if unblock.iter().any(|id| both.contains(id)) {
        let problem = "names a seat that is also to be blocked".to_owned();
        return Err(Refusal::Invalid { field: "unblock".to_owned(), problem });
    }
    Ok(())
}

/// Blocks available seats and unblocks blocked ones; seats that are so already are left as they are.
pub(super) fn block(inventory: &Inventory, actor: &str, block: &[String], unblock: &[String], context: Context) -> Outcome {
    let event = inventory.configured()?;
    check_blocked(&inventory.map, block, unblock)?;
    let state = |id: &String| inventory.map.seat(id).map(|seat| inventory.seats.state(seat));
    let taken: Vec<_> = block.iter().filter(|id| matches!(state(id), Some(SeatState::Held | SeatState::Sold))).cloned().collect();
    if !taken.is_empty() {
        return Err(Refusal::SeatTaken { seat_ids: taken });
    }
    let once = |ids: &[String], wanted: SeatState| {
        let ids: BTreeSet<_> = ids.iter().filter(|id| state(id) == Some(wanted)).cloned().collect();
        ids.into_iter().collect::<Vec<_>>()
    };
    let (blocked, unblocked) = (once(block, SeatState::Available), once(unblock, SeatState::Blocked));
    let mut draft = Draft::new(inventory, event, context);
    record(&mut draft, EntryType::Unblocked, unblocked.clone(), Some(actor));
    record(&mut draft, EntryType::Blocked, blocked.clone(), Some(actor));
    Ok(draft.reply(Reply::Blocked { blocked, unblocked }))
}

fn record(draft: &mut Draft<'_>, kind: EntryType, seat_ids: Vec<String>, actor: Option<&str>) {
    if !seat_ids.is_empty() {
        let actor = actor.map(str::to_owned);
        let entry = Entry { actor, ..draft.entry(kind, seat_ids.into(), None) };
        draft.push(Change::Blocked(entry));
    }
}

/// Ids of the seats that a description keeps back.
fn blocked_by(event: &Event) -> Vec<String> {
    let mut ids = Vec::new();
    for section in &event.sections {
        let SectionKind::Seated { rows } = &section.kind else { continue };
        for row in rows {
            ids.extend(row.blocked.iter().map(|number| format!("{}-{}-{number}", section.id, row.id)));
        }
    }
    ids
}

/// Held or sold seats and sections that `map` does not have, at most [`Refusal::SEATS_NAMED_MAX`].
fn lost_sales(inventory: &Inventory, map: &SeatMap) -> Vec<String> {
    let taken = inventory.seats.taken().filter(|(_, state)| *state != SeatState::Blocked);
    let seats = taken.map(|(seat, _)| inventory.map.seat_id(seat)).filter(|id| map.seat(id).is_none());
    let general = inventory.map.sections().iter().enumerate().filter(|(_, section)| section.is_general());
    let places = general.filter(|(index, section)| {
        let counts = inventory.seats.counts(*index);
        let needed = counts.of(SeatState::Held) + counts.of(SeatState::Sold);
        let capacity = map.section(&section.id).map_or(0, |new| map.sections()[new].capacity);
        needed > capacity
    });
    seats.chain(places.map(|(_, section)| section.id.clone())).take(Refusal::SEATS_NAMED_MAX).collect()
}
