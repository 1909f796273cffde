//! Seats held and bought: handlers of `/reservations`.

use std::rc::Rc;

use actors::sale;
use domain::{
    id::{EventId, PaymentIntentId, ReservationId, ReservationKey, UserId},
    inventory::{Command, Query, Wish, reservation::Status},
    time::Millis,
};
use serde::Deserialize;
use serde_json::json;
use shell::clock;
use uuid::Uuid;

use crate::{
    availability,
    call::{Call, required},
    catalogue,
    error::{ApiError, Code},
    objects, pages,
    reply::Reply,
    token::{self, ReservationToken},
};

const STATUSES: [Status; 5] = [Status::Hold, Status::Confirmed, Status::Cancelled, Status::Expired, Status::Refunded];

#[derive(Deserialize)]
pub(crate) struct CreateBody {
    event_id: String,
    reservation_token: Option<String>,
    seat_ids: Option<Vec<String>>,
    quantity: Option<u32>,
    section: Option<String>,
    together: Option<bool>,
}

impl CreateBody {
    /// Which seats are wanted, in a shape that needs no event to check.
    pub(crate) fn wish(&self) -> Result<Wish, ApiError> {
        match (&self.seat_ids, self.quantity) {
            (Some(seat_ids), quantity) => check_seat_ids(seat_ids, quantity)?,
            (None, None) => return Err(ApiError::invalid("quantity", "is required where seat_ids is not sent")),
            (None, Some(0)) => return Err(ApiError::invalid("quantity", "must be at least 1")),
            (None, Some(_)) => {}
        }
        if let Some(section) = &self.section {
            required("section", section)?;
        }
        Ok(Wish {
            seat_ids: self.seat_ids.clone().map(Rc::from),
            quantity: self.quantity,
            section: self.section.clone(),
            together: self.together.unwrap_or(true),
        })
    }
}

fn check_seat_ids(seat_ids: &[String], quantity: Option<u32>) -> Result<(), ApiError> {
    if seat_ids.is_empty() {
        return Err(ApiError::invalid("seat_ids", "must not be empty"));
    }
    let mut sorted: Vec<&str> = seat_ids.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(ApiError::invalid("seat_ids", "must name each seat once"));
    }
    if sorted[0].is_empty() {
        return Err(ApiError::invalid("seat_ids", "must not have an empty id"));
    }
    if quantity.is_some_and(|quantity| usize::try_from(quantity) != Ok(seat_ids.len())) {
        return Err(ApiError::invalid("quantity", "must be the number of seat_ids"));
    }
    Ok(())
}

/// POST `/reservations`.
///
/// # Errors
/// `EVENT_NOT_FOUND`, `NOT_ADMITTED`, what the inventory refuses, or no answer.
pub async fn create(call: &Call) -> Result<Reply, ApiError> {
    let user = &call.user()?.sub;
    let body: CreateBody = call.json()?;
    let wish = body.wish()?;
    let entry = catalogue::event_named(call, required("event_id", &body.event_id)?).await?;
    let event_id = &entry.event.event_id;
    let token = body.reservation_token.as_deref().and_then(|token| token::verify(&call.config, token));
    let token: ReservationToken = token.ok_or(Code::NotAdmitted)?;
    let admits = token.admits(event_id, user, call.config.idempotency_ttl_ms, clock::now());
    let admission = admits.ok_or(Code::NotAdmitted)?;
    let command = Command::Hold {
        key: new_key(clock::now()),
        user: user.clone(),
        admission,
        wish,
        idempotency: call.idempotency("reserve", Some(event_id))?,
    };
    let reply = Reply::answer(201, objects::inventory(call, event_id, command).await?)?;
    changed(user, event_id);
    Ok(reply)
}

/// A key that nobody has: its instant in milliseconds, then 74 random bits (UUID version 7, RFC 9562). Keys of the same time are
/// neighbours in every table and index, so that those of one commit share its pages.
fn new_key(now: Millis) -> ReservationKey {
    let drawn = Uuid::new_v4().into_bytes();
    // Bytes 6 and 8 of version 4 are not all random.
    let [a, b, c, d, e, f, _, _, _, g, h, i, j, ..] = drawn;
    let key = uuid::Builder::from_unix_timestamp_millis(now.0, &[a, b, c, d, e, f, g, h, i, j]);
    ReservationKey(key.into_uuid().as_u128())
}

fn changed(user: &UserId, event_id: &EventId) {
    pages::saw(user, event_id);
    availability::seats_changed(event_id);
}

/// GET `/reservations/{id}`.
///
/// # Errors
/// `RESERVATION_NOT_FOUND`, `FORBIDDEN`, or the inventory does not answer.
pub async fn get(call: &Call) -> Result<Reply, ApiError> {
    let user = call.user()?.sub.clone();
    let ReservationId { event_id, key } = named(call).await?;
    let body = objects::inventory_look(call, &event_id, Query::Reservation { key, user }).await?;
    Ok(Reply::bytes(200, body))
}

/// GET `/reservations?event_id=&status=&cursor=`.
///
/// # Errors
/// `INVALID_REQUEST`, `EVENT_NOT_FOUND`, or somebody does not answer.
pub async fn list(call: &Call) -> Result<Reply, ApiError> {
    let user = call.user()?.sub.clone();
    let status = call.query("status").map(known_status).transpose()?.map(str::to_owned);
    let before = pages::cursor(call)?;
    let events = pages::events(call, &user).await?;
    let query = Query::Reservations { user, status, before, limit: pages::ASKED };
    let page = pages::merged(call, &events, &query).await?;
    Ok(Reply::json(200, &json!({ "reservations": page.items, "next_cursor": page.next_cursor() })))
}

fn known_status(text: &str) -> Result<&'static str, ApiError> {
    let mut names = STATUSES.iter().map(|status| status.as_str());
    names.find(|name| *name == text).ok_or_else(|| ApiError::invalid("status", "is not a reservation status"))
}

#[derive(Deserialize)]
pub(crate) struct ConfirmBody {
    payment_intent_id: String,
}

/// POST `/reservations/{id}/confirm`.
///
/// # Errors
/// What the inventory refuses, or somebody does not answer.
pub async fn confirm(call: &Call) -> Result<Reply, ApiError> {
    let user = call.user()?.sub.clone();
    let body: ConfirmBody = call.json()?;
    let intent = PaymentIntentId::parse(required("payment_intent_id", &body.payment_intent_id)?);
    let reservation = named(call).await?;
    let Some(intent) = intent else { return Err(unpaid(call, &reservation, user).await?) };
    let idempotency = call.idempotency("confirm", Some(&reservation.event_id))?;
    let answer = sale::confirm(call, &reservation, &intent, &user, idempotency).await?;
    let reply = Reply::answer(200, answer)?;
    changed(&user, &reservation.event_id);
    Ok(reply)
}

/// Why a reservation cannot be confirmed with an intent that cannot exist: how the reservation stands goes first.
async fn unpaid(call: &Call, reservation: &ReservationId, user: UserId) -> Result<ApiError, ApiError> {
    #[derive(Deserialize)]
    struct View {
        status: Status,
    }
    let query = Query::Reservation { key: reservation.key, user };
    let view: View = objects::read(&objects::inventory_look(call, &reservation.event_id, query).await?)?;
    Ok(match view.status {
        Status::Hold => Code::PaymentNotApproved,
        Status::Expired => Code::ReservationExpired,
        Status::Confirmed | Status::Cancelled | Status::Refunded => Code::ReservationNotHeld,
    }
    .into())
}

/// DELETE `/reservations/{id}` and POST `/reservations/{id}/cancel`.
///
/// # Errors
/// What the inventory refuses, or no answer.
pub async fn cancel(call: &Call) -> Result<Reply, ApiError> {
    let user = call.user()?.sub.clone();
    call.no_fields()?;
    let ReservationId { event_id, key } = named(call).await?;
    let keyed = call.idempotency_key.is_some();
    let idempotency = keyed.then(|| call.idempotency("cancel", Some(&event_id))).transpose()?;
    let command = Command::Cancel { key, user: user.clone(), idempotency };
    let reply = Reply::answer(200, objects::inventory(call, &event_id, command).await?)?;
    changed(&user, &event_id);
    Ok(reply)
}

async fn named(call: &Call) -> Result<ReservationId, ApiError> {
    let id = ReservationId::parse(call.id()).ok_or(Code::ReservationNotFound)?;
    catalogue::known(call, &id.event_id, Code::ReservationNotFound).await?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(more: &str) -> Result<Wish, ApiError> {
        let body: CreateBody = serde_json::from_str(&format!(r#"{{"event_id":"e"{more}}}"#)).unwrap();
        body.wish()
    }

    #[test]
    fn keys_are_in_the_order_of_their_instants_and_differ_within_one() {
        let at = |ms| new_key(Millis(ms)).0;
        assert!(at(1_795_262_400_000) < at(1_795_262_400_001));
        assert_eq!(at(1_795_262_400_000) >> 80, 1_795_262_400_000);
        let same: std::collections::BTreeSet<u128> = (0..1000).map(|_| at(7)).collect();
        assert_eq!(same.len(), 1000);
        // Every bit that is not the instant, version or variant is drawn.
        let (ever, always) = same.iter().fold((0, u128::MAX), |(ever, always), key| (ever | key, always & key));
        assert_eq!((ever ^ always).count_ones(), 74);
    }

    #[test]
    fn seats_are_named_once_each_and_their_number_is_the_quantity() {
        assert!(wish(r#","seat_ids":["A-1-1","A-1-2"]"#).is_ok());
        assert!(wish(r#","seat_ids":["A-1-1"],"quantity":1"#).is_ok());
        for (wrong, field) in [
            ("", "quantity"),
            (r#","quantity":0"#, "quantity"),
            (r#","seat_ids":[]"#, "seat_ids"),
            (r#","seat_ids":["A-1-1","A-1-1"]"#, "seat_ids"),
            (r#","seat_ids":["A-1-1",""]"#, "seat_ids"),
            (r#","seat_ids":["A-1-1"],"quantity":2"#, "quantity"),
            (r#","quantity":2,"section":" ""#, "section"),
        ] {
            let error = wish(wrong).expect_err(wrong);
            assert_eq!((error.code, error.details), (Code::InvalidRequest, error_details(field, wrong)), "{wrong}");
        }
    }

    fn error_details(field: &str, more: &str) -> Option<serde_json::Value> {
        wish(more).err().and_then(|error| error.details).filter(|details| details["field"] == field)
    }

    #[test]
    fn best_available_seats_are_together_unless_the_request_says_otherwise() {
        assert!(wish(r#","quantity":2"#).unwrap().together);
        assert!(!wish(r#","quantity":2,"together":false"#).unwrap().together);
    }
}
