//! What everybody may know of an event's queue, as this isolate knows it. See [`actors::sale::board`].

use std::rc::Rc;

use actors::sale::board::{self, Boards};
use domain::{
    board::{Board, PlaceState},
    id::EventId,
};

use crate::{call::Call, error::ApiError};

thread_local! {
    static BOARDS: Boards = board::boards();
}

/// This isolate's boards.
#[must_use]
pub fn boards() -> Boards {
    BOARDS.with(Rc::clone)
}

/// Looks at the board of an event, at most a second old.
///
/// # Errors
/// The queue does not answer, or there is no such event.
pub async fn look<R>(call: &Call, event_id: &EventId, look: impl FnOnce(&Board) -> R) -> Result<R, ApiError> {
    board::look(call, &boards(), event_id, board::AGES, look).await
}

/// Looks at the board of an event as it is now.
///
/// # Errors
/// The queue does not answer, or there is no such event.
pub async fn look_now<R>(call: &Call, event_id: &EventId, look: impl FnOnce(&Board) -> R) -> Result<R, ApiError> {
    board::look(call, &boards(), event_id, board::NOW, look).await
}

/// Notes what an answer just told this isolate about a place.
pub fn note(event_id: &EventId, number: u64, state: PlaceState) {
    board::note(&boards(), event_id, number, state);
}
