//! Holding seats, giving them up, and the end of a hold that nobody touched.

use std::rc::Rc;

use super::{
    best::{best_apart, best_together},
    change::Change,
    command::{Admission, Reply, Wish},
    draft::Draft,
    reservation::{Reservation, Status},
    seats::SeatState,
    state::Inventory,
};
use crate::{
    event::Event,
    id::{ReservationKey, UserId},
    machine::{Context, Decision},
    money::Amount,
    payment::{self, Instruction, Scenario},
    refusal::Refusal,
    seat_map::{Seat, SeatIds},
    time::Millis,
};

type Outcome = Result<Decision<Inventory>, Refusal>;

pub(super) fn hold(
    inventory: &Inventory,
    key: ReservationKey,
    user: &UserId,
    admission: Admission,
    wish: &Wish,
    context: Context,
) -> Outcome {
    let now = context.now;
    let event = inventory.configured()?;
    check_admission(inventory, admission, now)?;
    check_sale(event, now)?;
    let quantity = wanted_quantity(event, wish)?;
    let named = wish.seat_ids.as_deref().map(|ids| named_seats(inventory, ids)).transpose()?;
    let section = wish.section.as_deref().map(|id| section_index(inventory, id)).transpose()?;
    if inventory.hold_by_admission.contains_key(&admission.number) || !inventory.may_have_more(event, user, quantity) {
        return Err(Refusal::ReservationLimit);
    }
    let choice = match named {
        Some(seats) => free_or_taken(inventory, seats)?,
        None => choose(inventory, quantity, section, wish.together).ok_or(Refusal::SoldOut)?,
    };
    let reservation = Reservation {
        key,
        user: user.clone(),
        admission: admission.number,
        admission_ends_at: admission.ends_at,
        status: Status::Hold,
        total_amount: total(inventory, &choice, quantity),
        seat_ids: seat_ids(inventory, wish, &choice),
        section: choice.section().map(|index| inventory.map.sections()[index].id.clone()),
        seats: choice.into_seats(),
        quantity,
        currency: event.currency,
        hold_expires_at: now.plus_sec(event.hold_ttl_sec.into()),
        created_at: now,
        updated_at: now,
        confirmed_at: None,
        trace: context.trace,
        paid_by: None,
        intents: Vec::new(),
    };
    let mut draft = Draft::new(inventory, event, context);
    let shown = draft.create(reservation);
    Ok(draft.reply(Reply::Reservation(shown)))
}

pub(super) fn cancel(inventory: &Inventory, key: ReservationKey, user: &UserId, context: Context) -> Outcome {
    let event = inventory.configured()?;
    let reservation = inventory.owned(key, user)?;
    let mut draft = Draft::new(inventory, event, context);
    let reply = Reply::Cancelled { status: Status::Cancelled, reservation_id: reservation.id(&event.event_id) };
    match reservation.status {
        Status::Hold => {
            let mut reservation = reservation.clone();
            if let Some(attempt) = reservation.open_intent() {
                draft.close_intent(&mut reservation, attempt, payment::Status::Cancelled, Instruction::Cancel);
            }
            draft.move_to(reservation, Status::Cancelled);
            Ok(draft.reply(reply))
        }
        Status::Cancelled => Ok(draft.reply(reply)),
        Status::Expired => Err(Refusal::ReservationExpired),
        Status::Confirmed | Status::Refunded => Err(Refusal::ReservationNotHeld),
    }
}

pub(super) fn end_admission(inventory: &Inventory, admission: Admission) -> Outcome {
    inventory.configured()?;
    let known = inventory.ended.contains_key(&admission.number);
    let changes = if known { vec![] } else { vec![Change::AdmissionEnded(admission)] };
    Ok(Decision::new(Reply::Done {}, changes))
}

/// Ends every hold whose deadline has come, and has envelopes published again that nobody dealt with.
pub(super) fn expire(inventory: &Inventory, context: Context) -> Outcome {
    let (event, now) = (inventory.configured()?, context.now);
    let mut draft = Draft::new(inventory, event, context);
    if inventory.republishes_at.is_some_and(|at| at <= now) {
        draft.push(Change::Published { through: inventory.consumed, at: now });
    }
    for (_, key) in inventory.deadlines.iter().take_while(|(deadline, _)| *deadline <= now) {
        let mut reservation = Reservation::clone(&inventory.live[key]);
        draft.trace = reservation.trace;
        for intent in &mut reservation.intents {
            // A provider that never answers is given up with the hold; any other may still approve, late.
            if intent.status == payment::Status::Pending && intent.plan.scenario == Scenario::Timeout {
                intent.status = payment::Status::Expired;
            }
        }
        draft.move_to(reservation, Status::Expired);
    }
    Ok(draft.reply(Reply::Done {}))
}

fn check_admission(inventory: &Inventory, admission: Admission, now: Millis) -> Result<(), Refusal> {
    let over = admission.ends_at <= now || inventory.ended.contains_key(&admission.number);
    if over { Err(Refusal::NotAdmitted) } else { Ok(()) }
}

fn check_sale(event: &Event, now: Millis) -> Result<(), Refusal> {
    if event.is_closed(now) {
        return Err(Refusal::SaleClosed);
    }
    if event.is_before_opening(now) {
        return Err(Refusal::SaleNotOpen { opens_at: event.sale_opens_at });
    }
    Ok(())
}

fn invalid(field: &str, problem: impl Into<String>) -> Refusal {
    Refusal::Invalid { field: field.to_owned(), problem: problem.into() }
}

fn wanted_quantity(event: &Event, wish: &Wish) -> Result<u32, Refusal> {
    let max = event.max_seats_per_reservation;
    let named = wish.seat_ids.as_ref().map(|ids| u32::try_from(ids.len()).unwrap_or(u32::MAX));
    match (named, wish.quantity) {
        (Some(named), _) if !(1..=max).contains(&named) => Err(invalid("seat_ids", format!("must name 1 to {max} seats"))),
        (Some(named), Some(quantity)) if named != quantity => Err(invalid("quantity", "must equal the number of seat_ids")),
        (Some(named), _) => Ok(named),
        (None, Some(quantity)) if (1..=max).contains(&quantity) => Ok(quantity),
        (None, Some(_)) => Err(invalid("quantity", format!("must be 1 to {max}"))),
        (None, None) => Err(invalid("seat_ids", "either seat_ids or quantity is needed")),
    }
}

fn named_seats(inventory: &Inventory, ids: &[String]) -> Result<Vec<Seat>, Refusal> {
    let seats: Option<Vec<Seat>> = ids.iter().map(|id| inventory.map.seat(id)).collect();
    let Some(seats) = seats else {
        let unknown = ids.iter().filter(|id| inventory.map.seat(id).is_none());
        return Err(Refusal::SeatNotFound { seat_ids: unknown.cloned().collect() });
    };
    let repeated = seats.iter().enumerate().any(|(index, seat)| seats[..index].contains(seat));
    if repeated { Err(invalid("seat_ids", "must name each seat once")) } else { Ok(seats) }
}

fn section_index(inventory: &Inventory, id: &str) -> Result<usize, Refusal> {
    inventory.map.section(id).ok_or_else(|| invalid("section", "is not a section of this event"))
}

/// What a hold takes.
enum Choice {
    Seats(Vec<Seat>),
    Places { section: usize },
}

impl Choice {
    fn seats(&self) -> &[Seat] {
        match self {
            Self::Seats(seats) => seats,
            Self::Places { .. } => &[],
        }
    }

    fn into_seats(self) -> Vec<Seat> {
        match self {
            Self::Seats(seats) => seats,
            Self::Places { .. } => Vec::new(),
        }
    }

    const fn section(&self) -> Option<usize> {
        match self {
            Self::Seats(_) => None,
            Self::Places { section } => Some(*section),
        }
    }
}

/// The ids of the seats that were chosen: the wish's own where it named them, for an id has one spelling.
fn seat_ids(inventory: &Inventory, wish: &Wish, choice: &Choice) -> SeatIds {
    match &wish.seat_ids {
        Some(named) => Rc::clone(named),
        None => choice.seats().iter().map(|seat| inventory.map.seat_id(*seat)).collect(),
    }
}

fn free_or_taken(inventory: &Inventory, seats: Vec<Seat>) -> Result<Choice, Refusal> {
    let taken = seats.iter().filter(|seat| inventory.seats.state(**seat) != SeatState::Available);
    let seat_ids: Vec<_> = taken.map(|seat| inventory.map.seat_id(*seat)).collect();
    if seat_ids.is_empty() { Ok(Choice::Seats(seats)) } else { Err(Refusal::SeatTaken { seat_ids }) }
}

/// Best available: the first section in map order that has the number together; without `together`, the first that has
/// it at all.
fn choose(inventory: &Inventory, quantity: u32, section: Option<usize>, together: bool) -> Option<Choice> {
    let sections = inventory.map.sections();
    let mut candidates = section.map_or(0..sections.len(), |index| index..index + 1);
    let enough = |index: usize| inventory.seats.counts(index).of(SeatState::Available) >= quantity;
    let in_section = |index: usize| match &sections[index] {
        section if section.is_general() => Some(Choice::Places { section: index }),
        section => best_together(section, &inventory.seats, quantity).map(Choice::Seats),
    };
    let adjacent = candidates.clone().filter(|index| enough(*index)).find_map(in_section);
    if adjacent.is_some() || together {
        return adjacent;
    }
    let scattered = candidates.find(|index| enough(*index))?;
    best_apart(scattered, &sections[scattered], &inventory.seats, quantity).map(Choice::Seats)
}

fn total(inventory: &Inventory, choice: &Choice, quantity: u32) -> Amount {
    let price = |section: usize| inventory.map.sections()[section].price;
    match choice {
        Choice::Places { section } => price(*section) * Amount::from(quantity),
        Choice::Seats(seats) => seats.iter().map(|seat| price(inventory.map.section_of(*seat))).sum(),
    }
}
