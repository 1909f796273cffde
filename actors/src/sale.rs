//! What the gateway asks, and in which order, to carry out one request. It holds nothing that must not be lost.

pub mod board;
pub mod copies;
mod gate;

use domain::{
    board::PlaceState,
    id::{EventId, PaymentIntentId, ReservationId, UserId},
    idempotency::Idempotency,
    inventory::{Admission, Command},
    lane::{Join, Joined, LeftReply},
    machine::Answer,
    payment::StatusReply,
    refusal::Refusal,
};

use crate::ask::{LaneAsk, Object, PaymentAsk};

use self::board::Boards;
pub use self::gate::{Gate, Told, ask, command, granted, look, read, told};

/// No admission lasts longer, in seconds: the bound of `admission_ttl_sec`.
const ADMISSION_MAX_SEC: u64 = 3600;

/// Gives a caller a place; the same one however often it is asked for, and a new one in the stead of one that is over.
/// Whether this very request was granted before.
///
/// # Errors
/// The lane refuses, or somebody does not answer.
pub async fn join<G: Gate>(
    gate: &G,
    boards: &Boards,
    event_id: &EventId,
    lane: u32,
    join: &Join,
) -> Result<(Joined, bool), G::Error> {
    let (joined, replayed) = join_lane(gate, event_id, lane, join).await?;
    if !is_over(gate, boards, event_id, joined.number).await? {
        return Ok((joined, replayed));
    }
    let join = Join { replaces: Some(joined.number), ..join.clone() };
    join_lane(gate, event_id, lane, &join).await
}

async fn join_lane<G: Gate>(gate: &G, event_id: &EventId, lane: u32, join: &Join) -> Result<(Joined, bool), G::Error> {
    let question = LaneAsk::Join(join.clone());
    match ask(gate, event_id, &Object::Lane(event_id.clone(), lane), &question).await? {
        Answer::Granted { body, replayed } => Ok((read::<G, _>(&body)?, replayed)),
        Answer::Refused(refusal) => Err(refusal.into()),
    }
}

/// Whether the caller's known place is over, so that joining again means a new one. A board that still shows the
/// place inside is asked again: that it was just paid for must not cost the caller a second attempt.
async fn is_over<G: Gate>(gate: &G, boards: &Boards, event_id: &EventId, number: u64) -> Result<bool, G::Error> {
    let now = gate.now();
    let state = |board: &domain::board::Board| board.place(number, now).state;
    let seen = board::look(gate, boards, event_id, board::AGES, state).await?;
    let seen = match seen {
        PlaceState::Entered => board::look(gate, boards, event_id, board::NOW, state).await?,
        seen => seen,
    };
    Ok(matches!(seen, PlaceState::Finished | PlaceState::Left | PlaceState::Expired))
}

/// Gives a place up, and with it an admission that it led to.
///
/// # Errors
/// Somebody does not answer.
pub async fn leave<G: Gate>(gate: &G, boards: &Boards, event_id: &EventId, lane: u32, number: u64) -> Result<(), G::Error> {
    let answer = ask(gate, event_id, &Object::Lane(event_id.clone(), lane), &LaneAsk::Leave { number }).await?;
    let left: LeftReply = read::<G, _>(&granted::<G>(answer)?)?;
    // A place that had left already may have entered before: the answer that would have led here can have been lost.
    if matches!(left.was, PlaceState::Entered | PlaceState::Left) {
        // The token names when the admission ends, the waiting token does not: the latest possible end covers it.
        let ends_at = gate.now().plus_sec(ADMISSION_MAX_SEC);
        let end = Command::EndAdmission(Admission { number, ends_at });
        granted::<G>(command(gate, event_id, end).await?)?;
    }
    board::note(boards, event_id, number, PlaceState::Left);
    Ok(())
}

/// Confirms a reservation with an intent. Where the provider's word has not come yet, the provider is asked.
///
/// # Errors
/// Somebody does not answer.
pub async fn confirm<G: Gate>(
    gate: &G,
    reservation: &ReservationId,
    intent: &PaymentIntentId,
    user: &UserId,
    idempotency: Idempotency,
) -> Result<Answer, G::Error> {
    let confirm = |authorised| Command::Confirm {
        key: reservation.key,
        user: user.clone(),
        intent: intent.clone(),
        authorised,
        idempotency,
    };
    let answer = command(gate, &reservation.event_id, confirm(false)).await?;
    let undecided = answer == Answer::Refused(Refusal::PaymentNotApproved) && intent.reservation_id() == *reservation;
    if undecided && is_authorised(gate, intent, user).await? {
        return command(gate, &reservation.event_id, confirm(true)).await;
    }
    Ok(answer)
}

/// Whether the provider has authorised this intent, though its webhook has not come yet.
async fn is_authorised<G: Gate>(gate: &G, intent: &PaymentIntentId, user: &UserId) -> Result<bool, G::Error> {
    let ask = PaymentAsk::Status { intent: intent.clone(), user: user.clone() };
    match gate.ask(&Object::Payment(intent.event_id.clone()), None, &ask).await? {
        Answer::Granted { body, .. } => Ok(read::<G, StatusReply>(&body)?.status.is_authorised()),
        Answer::Refused(_) => Ok(false),
    }
}
