//! What everybody may know of an event's queue, kept per isolate: status is answered from here alone.
//!
//! A board is asked for when it is over half a second old, by the first request that notices; nobody is told what
//! is over a second old.

use domain::{
    board::{Board, BoardUpdate, PlaceState},
    id::EventId,
};

use super::{
    copies::{self, Ages, Shelf},
    gate::{Gate, ask, granted, read},
};
use crate::ask::{Object, QueueAsk};

/// How old a board may be: the contract allows a position to be 1 s old.
pub const AGES: Ages = Ages { fresh_ms: 500, usable_ms: 1000 };
/// For whoever must know how it is now.
pub const NOW: Ages = Ages { fresh_ms: 0, usable_ms: 0 };
/// Boards that an isolate keeps: half a megabyte each where a million people wait.
const KEPT_MAX: usize = 32;

/// The boards of an isolate.
pub type Boards = Shelf<EventId, Board>;

/// No boards yet.
#[must_use]
pub fn boards() -> Boards {
    copies::shelf(KEPT_MAX)
}

/// Looks at the board of an event, as old as `ages` allows.
///
/// # Errors
/// The queue does not answer, or there is no such event.
pub async fn look<G: Gate, R>(
    gate: &G,
    boards: &Boards,
    event_id: &EventId,
    ages: Ages,
    look: impl FnOnce(&Board) -> R,
) -> Result<R, G::Error> {
    let fetch = async || {
        let fetched = update(gate, event_id, version(boards, event_id)).await?;
        // The copy was thrown out meanwhile: only an update from the beginning makes a new one.
        if version(boards, event_id) < fetched.since { update(gate, event_id, 0).await } else { Ok(fetched) }
    };
    copies::fresh(gate, boards, event_id, ages, fetch, |board, fetched| board.merge(&fetched), look).await
}

/// Notes what an answer just told this isolate about a place.
pub fn note(boards: &Boards, event_id: &EventId, number: u64, state: PlaceState) {
    if let Some(copy) = boards.borrow_mut().get(event_id) {
        copy.value.note(number, state);
    }
}

fn version(boards: &Boards, event_id: &EventId) -> u64 {
    boards.borrow_mut().get(event_id).map_or(0, |copy| copy.value.version())
}

async fn update<G: Gate>(gate: &G, event_id: &EventId, since: u64) -> Result<BoardUpdate, G::Error> {
    let answer = ask(gate, event_id, &Object::Queue(event_id.clone()), &QueueAsk::Board { since }).await?;
    read::<G, _>(&granted::<G>(answer)?)
}
