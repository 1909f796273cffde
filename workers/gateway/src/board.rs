//! What everybody may know of an event's queue, kept per isolate: status is answered from here alone.
//!
//! A board is asked for when it is over half a second old, by the first request that notices; nobody is told what
//! is over a second old.

use std::cell::RefCell;

use ::queue::QueueAsk;
use domain::{
    board::{Board, BoardUpdate, PlaceState},
    id::EventId,
};

use crate::{
    cache::{self, Ages, Recent, Shelf},
    call::Call,
    error::ApiError,
    objects,
};

/// How old a board may be: the contract allows a position to be 1 s old.
const AGES: Ages = Ages { fresh_ms: 500, usable_ms: 1000 };
/// For whoever must know how it is now.
const NOW: Ages = Ages { fresh_ms: 0, usable_ms: 0 };
/// Boards that an isolate keeps: half a megabyte each where a million people wait.
const BOARDS_KEPT_MAX: usize = 32;

thread_local! {
    static BOARDS: Shelf<EventId, Board> = const { RefCell::new(Recent::new(BOARDS_KEPT_MAX)) };
}

/// Looks at the board of an event, at most a second old.
///
/// # Errors
/// The queue does not answer, or there is no such event.
pub async fn look<R>(call: &Call, event_id: &EventId, look: impl FnOnce(&Board) -> R) -> Result<R, ApiError> {
    look_within(call, event_id, AGES, look).await
}

/// Looks at the board of an event as it is now.
///
/// # Errors
/// The queue does not answer, or there is no such event.
pub async fn look_now<R>(call: &Call, event_id: &EventId, look: impl FnOnce(&Board) -> R) -> Result<R, ApiError> {
    look_within(call, event_id, NOW, look).await
}

/// Notes what an answer just told this isolate about a place.
pub fn note(event_id: &EventId, number: u64, state: PlaceState) {
    BOARDS.with_borrow_mut(|boards| {
        if let Some(copy) = boards.get(event_id) {
            copy.value.note(number, state);
        }
    });
}

async fn look_within<R>(call: &Call, event_id: &EventId, ages: Ages, look: impl FnOnce(&Board) -> R) -> Result<R, ApiError> {
    let fetch = async || {
        let update = update(call, event_id, version(event_id)).await?;
        // The copy was thrown out meanwhile: only an update from the beginning makes a new one.
        if version(event_id) < update.since { self::update(call, event_id, 0).await } else { Ok(update) }
    };
    cache::fresh(&BOARDS, event_id, ages, fetch, |board, update| board.merge(&update), look).await
}

fn version(event_id: &EventId) -> u64 {
    BOARDS.with_borrow_mut(|boards| boards.get(event_id).map_or(0, |copy| copy.value.version()))
}

async fn update(call: &Call, event_id: &EventId, since: u64) -> Result<BoardUpdate, ApiError> {
    let answer = objects::queue(call, event_id, &QueueAsk::Board { since }).await?;
    objects::read(&objects::granted(answer)?)
}
