//! What was bought: handlers of `/orders`.

use domain::{
    id::OrderId,
    inventory::{Command, Query},
};
use serde_json::{Value, json};

use crate::{
    availability,
    call::Call,
    catalogue,
    config::Config,
    error::{ApiError, Code},
    objects, pages,
    reply::Reply,
    token::{self, TicketCode},
};

/// GET `/orders/{id}`.
///
/// # Errors
/// `ORDER_NOT_FOUND`, `FORBIDDEN`, or the inventory does not answer.
pub async fn get(call: &Call) -> Result<Reply, ApiError> {
    let user = call.user()?.sub.clone();
    let OrderId { event_id, key } = named(call).await?;
    let body = objects::inventory_look(call, &event_id, Query::Order { key, user }).await?;
    Ok(Reply::json(200, &with_codes(&call.config, objects::read(&body)?)))
}

/// GET `/orders?event_id=&cursor=`.
///
/// # Errors
/// `INVALID_REQUEST`, `EVENT_NOT_FOUND`, or somebody does not answer.
pub async fn list(call: &Call) -> Result<Reply, ApiError> {
    let user = call.user()?.sub.clone();
    let before = pages::cursor(call)?;
    let events = pages::events(call, &user).await?;
    let mut page = pages::merged(call, &events, &Query::Orders { user, before, limit: pages::ASKED }).await?;
    page.items = page.items.into_iter().map(|order| with_codes(&call.config, order)).collect();
    Ok(Reply::json(200, &json!({ "orders": page.items, "next_cursor": page.next_cursor() })))
}

/// POST `/orders/{id}/refund`.
///
/// # Errors
/// What the inventory refuses, or no answer.
pub async fn refund(call: &Call) -> Result<Reply, ApiError> {
    let user = call.user()?.sub.clone();
    call.no_fields()?;
    let OrderId { event_id, key } = named(call).await?;
    let idempotency = call.idempotency("refund", Some(&event_id))?;
    let command = Command::Refund { key, user, idempotency };
    let reply = Reply::answer(200, objects::inventory(call, &event_id, command).await?)?;
    availability::seats_changed(&event_id);
    Ok(reply)
}

async fn named(call: &Call) -> Result<OrderId, ApiError> {
    let id = OrderId::parse(call.id()).ok_or(Code::OrderNotFound)?;
    catalogue::known(call, &id.event_id, Code::OrderNotFound).await?;
    Ok(id)
}

/// The order with a signed code for each ticket, always the same one.
fn with_codes(config: &Config, mut order: Value) -> Value {
    let Some(id) = order["order_id"].as_str().and_then(OrderId::parse) else { return order };
    let tickets = order["tickets"].as_array_mut().into_iter().flatten();
    for (place, ticket) in (0..).zip(tickets) {
        let code = TicketCode {
            event_id: id.event_id.clone(),
            order: id.key,
            place,
            seat_id: ticket["seat_id"].as_str().unwrap_or_default().to_owned(),
            kid: token::newest_kid(config),
        };
        ticket["code"] = token::sign(config, &code).into();
    }
    order
}

#[cfg(test)]
mod tests {
    use domain::id::ReservationKey;

    use super::*;

    #[test]
    fn every_ticket_gets_a_code_that_says_what_it_opens() {
        let config = Config::read(|name| (name == "ENVIRONMENT").then(|| "development".to_owned())).unwrap();
        let order_id = format!("ord_evt_1_{}", ReservationKey(5));
        let tickets = json!([{ "ticket_id": "a", "seat_id": "VIP-1-2" }, { "ticket_id": "b", "seat_id": null }]);
        let order = with_codes(&config, json!({ "order_id": order_id, "tickets": tickets }));
        let code = |place: usize| {
            let text = order["tickets"][place]["code"].as_str().unwrap();
            token::verify::<TicketCode>(&config, text).unwrap()
        };
        assert_eq!((code(0).seat_id.as_str(), code(0).place, code(0).order), ("VIP-1-2", 0, ReservationKey(5)));
        assert_eq!((code(1).seat_id.as_str(), code(1).place), ("", 1));
    }
}
