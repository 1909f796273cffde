//! What an event has left, kept per isolate for at most a second, and its seat states for at most a tenth of one.

use std::rc::Rc;

use actors::sale::copies::{self, Ages, Shelf};
use domain::{id::EventId, inventory};
use serde::Deserialize;

use crate::{call::Call, error::ApiError, objects};

/// For the answer to a client.
pub const FOR_CLIENTS: Ages = Ages { fresh_ms: 500, usable_ms: 1000 };
/// For the list of events, which may be 5 s behind.
pub const FOR_LISTS: Ages = Ages { fresh_ms: 2000, usable_ms: 3000 };
/// Seat states: as old as a live delta may be.
const SEATS: Ages = Ages { fresh_ms: 50, usable_ms: 100 };
/// Events whose availability an isolate keeps: every event of a list and some more.
const KEPT_MAX: usize = 256;
/// Events whose seat states an isolate keeps, of at most 200 KB each.
const SEATS_KEPT_MAX: usize = 16;

/// What is left of an event.
#[derive(Clone, Debug, Default)]
pub struct Availability {
    /// The contract's body.
    pub body: Rc<Vec<u8>>,
    /// What can be held now.
    pub remaining: u64,
    /// Whether everything is sold or blocked, so that nothing can come back by a hold running out.
    pub sold_out: bool,
}

#[derive(Deserialize)]
struct Body {
    remaining: u64,
    sections: Vec<SectionBody>,
}

#[derive(Deserialize)]
struct SectionBody {
    total: u64,
    sold: u64,
    blocked: u64,
}

impl Availability {
    fn read(body: Vec<u8>) -> Result<Self, ApiError> {
        let Body { remaining, sections } = objects::read(&body)?;
        let sold_out = sections.iter().all(|section| section.sold + section.blocked >= section.total);
        Ok(Self { body: Rc::new(body), remaining, sold_out })
    }
}

thread_local! {
    static AVAILABILITY: Shelf<EventId, Availability> = copies::shelf(KEPT_MAX);
    static SEAT_STATES: Shelf<EventId, Rc<Vec<u8>>> = copies::shelf(SEATS_KEPT_MAX);
}

/// What an event has left, as old as `ages` allows.
///
/// # Errors
/// The inventory does not answer, or there is no such event.
pub async fn of(call: &Call, event_id: &EventId, ages: Ages) -> Result<Availability, ApiError> {
    let fetch = async || Availability::read(objects::inventory_look(call, event_id, inventory::Query::Availability).await?);
    copies::fresh(call, &AVAILABILITY.with(Rc::clone), event_id, ages, fetch, |kept, found| *kept = found, Availability::clone)
        .await
}

/// The body of an event's seat states.
///
/// # Errors
/// The inventory does not answer, or there is no such event.
pub async fn seats(call: &Call, event_id: &EventId) -> Result<Rc<Vec<u8>>, ApiError> {
    let fetch = async || objects::inventory_look(call, event_id, inventory::Query::Seats).await;
    copies::fresh(call, &SEAT_STATES.with(Rc::clone), event_id, SEATS, fetch, |kept, found| *kept = Rc::new(found), Rc::clone)
        .await
}

/// This isolate changed seats: whoever asks it next is to see that.
pub fn seats_changed(event_id: &EventId) {
    SEAT_STATES.with(|states| states.borrow_mut().remove(event_id));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sold_out(sections: &str) -> bool {
        Availability::read(format!(r#"{{"remaining":0,"sections":[{sections}]}}"#).into_bytes()).unwrap().sold_out
    }

    #[test]
    fn held_seats_may_come_back_so_the_event_is_not_sold_out() {
        let full = r#"{"total":10,"remain":0,"held":0,"sold":8,"blocked":2}"#;
        let held = r#"{"total":10,"remain":0,"held":1,"sold":7,"blocked":2}"#;
        assert!(sold_out(full));
        assert!(!sold_out(&format!("{full},{held}")));
    }
}
