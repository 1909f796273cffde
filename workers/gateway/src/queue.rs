//! The line: handlers of `/queue`.
//!
//! A join goes from here to the caller's lane object, an entry to the queue object; status is answered from the token
//! and this isolate's board alone.

use actors::sale;
use domain::{
    board::{Board, Place, PlaceState},
    event::{Event, Notice},
    hash::Hash128,
    lane::Join,
    machine::Answer,
    queue::{Command, Entered},
    refusal::Refusal,
    time::{Millis, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shell::clock;

use crate::{
    availability::{self, FOR_CLIENTS},
    board,
    call::{Call, required},
    catalogue,
    error::{ApiError, Code},
    events, idempotency, objects,
    reply::Reply,
    token::{self, CallerHash, ReservationToken, WaitingToken},
};

#[derive(Deserialize)]
pub(crate) struct JoinBody {
    event_id: String,
    /// Accepted for older clients: who joins is said by the JWT.
    #[serde(rename = "user_id")]
    _user_id: Option<String>,
}

/// POST `/queue/join`.
///
/// # Errors
/// `EVENT_NOT_FOUND`, `SALE_NOT_OPEN`, `SALE_CLOSED`, `SOLD_OUT`, `IDEMPOTENCY_CONFLICT`, or no answer.
pub async fn join(call: &Call) -> Result<Reply, ApiError> {
    let body: JoinBody = call.json()?;
    let entry = catalogue::event_named(call, required("event_id", &body.event_id)?).await?;
    let event = &entry.event;
    check_sale(call, event).await?;

    let caller = caller(call)?;
    let lane = lane_of(caller, event.queue.lanes);
    let key = call.idempotency("join", Some(&event.event_id))?;
    let join =
        Join { caller, key: key.scope, fingerprint: key.fingerprint, kid: token::newest_kid(&call.config), replaces: None };
    let (joined, replayed) = sale::join(call, &board::boards(), &event.event_id, lane, &join).await?;
    let waiting = WaitingToken {
        event_id: event.event_id.clone(),
        lane,
        number: joined.number,
        joined_at: joined.joined_at,
        kid: joined.kid,
        caller: call.identity.as_ref().map(|identity| CallerHash::of(&identity.sub.0)),
    };
    let waiting_token = token::sign(&call.config, &waiting);
    let body = json!({ "waiting_token": waiting_token, "position_hint": joined.position_hint, "status": "waiting" });
    Ok(Reply { replayed, ..Reply::json(202, &body) })
}

async fn check_sale(call: &Call, event: &Event) -> Result<(), ApiError> {
    let now = clock::now();
    if event.is_before_opening(now) {
        return Err(Refusal::SaleNotOpen { opens_at: event.sale_opens_at }.into());
    }
    if event.is_closed(now) {
        return Err(Refusal::SaleClosed.into());
    }
    if availability::of(call, &event.event_id, FOR_CLIENTS).await?.sold_out {
        return Err(ApiError::new(Code::SoldOut, "Every seat of this event is sold."));
    }
    Ok(())
}

/// Who has the place: the user of the JWT, else whoever has the key.
fn caller(call: &Call) -> Result<Hash128, ApiError> {
    match (&call.identity, &call.idempotency_key) {
        (Some(identity), _) => Ok(idempotency::digest(&[b"user", identity.sub.0.as_bytes()])),
        (None, Some(key)) => Ok(idempotency::digest(&[b"key", key.as_str().as_bytes()])),
        (None, None) => Err(Code::IdempotencyRequired.into()),
    }
}

/// The lane of a caller, of an event with so many.
fn lane_of(caller: Hash128, lanes: u32) -> u32 {
    u32::try_from(caller.0 % u128::from(lanes.max(1))).unwrap_or_default()
}

/// GET `/queue/status?token=`.
///
/// # Errors
/// `MISSING_TOKEN`, `TOKEN_NOT_FOUND`, or the queue does not answer.
pub async fn status(call: &Call) -> Result<Reply, ApiError> {
    let waiting = waiting_token(call)?;
    let render = |board: &Board| {
        let now = clock::now();
        let stats = board.stats();
        StatusBody::new(&board.place(waiting.number, now), waiting.joined_at, now, stats.notice.as_ref()).to_json()
    };
    let body = board::look(call, &waiting.event_id, render).await?;
    Ok(Reply::bytes(200, body))
}

/// What status tells about a place.
#[derive(Debug, PartialEq, Serialize)]
struct StatusBody<'a> {
    status: &'static str,
    position: u64,
    eta_sec: u64,
    waiting_time: u64,
    ready_for_entry: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ready_expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<&'a Notice>,
}

impl<'a> StatusBody<'a> {
    fn new(place: &Place, joined_at: Millis, now: Millis, notice: Option<&'a Notice>) -> Self {
        let waits = place.state == PlaceState::Waiting;
        let ready = place.state == PlaceState::Ready;
        Self {
            status: place.state.as_status(),
            position: if waits { place.position.max(1) } else { 0 },
            eta_sec: if waits { place.eta_sec } else { 0 },
            waiting_time: now.since_ms(joined_at) / 1000,
            ready_for_entry: ready,
            ready_expires_at: place.ready_expires_at.filter(|_| ready).map(Timestamp),
            notice,
        }
    }

    fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a status is plain data with text keys")
    }
}

#[derive(Deserialize)]
pub(crate) struct EnterBody {
    waiting_token: String,
}

/// POST `/queue/enter`.
///
/// # Errors
/// `TOKEN_NOT_FOUND`, `NOT_READY`, `TOKEN_EXPIRED`, or the queue does not answer.
pub async fn enter(call: &Call) -> Result<Reply, ApiError> {
    let body: EnterBody = call.json()?;
    let waiting = verified(call, required("waiting_token", &body.waiting_token)?)?;
    let idempotency = call.idempotency("enter", Some(&waiting.event_id))?;
    let command = Command::Enter { number: waiting.number, kid: token::newest_kid(&call.config), idempotency };
    let (body, replayed) = match objects::queue_command(call, &waiting.event_id, command).await? {
        Answer::Granted { body, replayed } => (body, replayed),
        Answer::Refused(refusal) => return Err(refusal.into()),
    };
    let entered: Entered = objects::read(&body)?;
    board::note(&waiting.event_id, waiting.number, PlaceState::Entered);
    let reservation = ReservationToken {
        event_id: waiting.event_id,
        number: entered.number,
        ends_at: entered.ends_at,
        kid: entered.kid,
        caller: waiting.caller,
    };
    let body = json!({
        "admission": "granted",
        "reservation_token": token::sign(&call.config, &reservation),
        "ttl_sec": entered.ends_at.since_ms(entered.entered_at) / 1000,
        "expires_at": Timestamp(entered.ends_at),
    });
    Ok(Reply { replayed, ..Reply::json(200, &body) })
}

/// DELETE `/queue/leave?token=`.
///
/// # Errors
/// `MISSING_TOKEN`, `TOKEN_NOT_FOUND`, or an object does not answer.
pub async fn leave(call: &Call) -> Result<Reply, ApiError> {
    let WaitingToken { event_id, lane, number, .. } = waiting_token(call)?;
    sale::leave(call, &board::boards(), &event_id, lane, number).await?;
    Ok(Reply::json(200, &json!({ "status": "left" })))
}

/// POST `/queue/leave?token=`: what a page sends when it is closed or loaded again. The place stays.
#[must_use]
pub fn beacon() -> Reply {
    Reply::json(202, &json!({ "status": "waiting" }))
}

/// GET `/queue/stats?event_id=`.
///
/// # Errors
/// `EVENT_NOT_FOUND`, or an object does not answer.
pub async fn stats(call: &Call) -> Result<Reply, ApiError> {
    let event_id = call.query("event_id").ok_or_else(|| ApiError::invalid("event_id", "is required"))?;
    let entry = catalogue::event_named(call, event_id).await?;
    let status = events::status(call, &entry).await?;
    let event_id = &entry.event.event_id;
    let (stats, as_of) = board::look(call, event_id, |board| (board.stats(), board.as_of())).await?;
    let body = json!({
        "event_id": event_id,
        "waiting": stats.waiting,
        "ready": stats.ready,
        "active": stats.active,
        "admitted_total": stats.admitted_total,
        "lapsed_total": stats.lapsed_total,
        "left_total": stats.left_total,
        "admission_rate": stats.admission_rate,
        "status": status,
        "as_of": Timestamp(as_of),
    });
    Ok(Reply::json(200, &body))
}

pub(crate) fn waiting_token(call: &Call) -> Result<WaitingToken, ApiError> {
    verified(call, call.query("token").ok_or(Code::MissingToken)?)
}

fn verified(call: &Call, token: &str) -> Result<WaitingToken, ApiError> {
    token::verify(&call.config, token).ok_or_else(|| Code::TokenNotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_795_262_400_000);

    fn place(state: PlaceState) -> Place {
        Place { state, position: 12, eta_sec: 3, ready_expires_at: Some(NOW.plus_sec(60)) }
    }

    fn shown(state: PlaceState) -> String {
        let body = StatusBody::new(&place(state), Millis(NOW.0 - 5_999), NOW, None).to_json();
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn status_has_its_five_fields_whatever_the_place() {
        assert_eq!(
            shown(PlaceState::Waiting),
            r#"{"status":"waiting","position":12,"eta_sec":3,"waiting_time":5,"ready_for_entry":false}"#
        );
        for (state, status) in [
            (PlaceState::Entered, "entered"),
            (PlaceState::Finished, "entered"),
            (PlaceState::Left, "left"),
            (PlaceState::Expired, "expired"),
        ] {
            let over = format!(r#"{{"status":"{status}","position":0,"eta_sec":0,"waiting_time":5,"ready_for_entry":false}}"#);
            assert_eq!(shown(state), over);
        }
    }

    #[test]
    fn a_ready_place_is_told_until_when() {
        assert_eq!(
            shown(PlaceState::Ready),
            r#"{"status":"waiting","position":0,"eta_sec":0,"waiting_time":5,"ready_for_entry":true,"ready_expires_at":"2026-11-21T12:01:00.000Z"}"#
        );
    }

    #[test]
    fn callers_spread_over_all_lanes_by_their_whole_key() {
        let mut lanes = [0_u32; 8];
        for i in 0..4000 {
            let key = format!("{}-{i}", "long-common-prefix".repeat(8));
            lanes[lane_of(idempotency::digest(&[b"key", key.as_bytes()]), 8) as usize] += 1;
        }
        assert!(lanes.iter().all(|count| (400..600).contains(count)), "{lanes:?}");
    }
}
