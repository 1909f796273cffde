//! Paying: authorise, then confirm the seats, then capture. Money is never ahead of the seat.

use std::rc::Rc;

use super::{
    change::Change,
    command::{Admission, Consequence, Reply},
    draft::Draft,
    effect::Effect,
    reservation::{INTENTS_MAX, Intent, IntentView, Reservation, Status},
    seats::SeatState,
    state::Inventory,
};
use crate::{
    event::Event,
    id::{PaymentIntentId, ReservationId, ReservationKey, UserId},
    machine::{Context, Decision},
    money::{Amount, Currency},
    payment::{self, Instruction, Outcome as Word, Plan, Terms},
    refusal::Refusal,
    time::{Millis, Timestamp},
};

type Outcome = Result<Decision<Inventory>, Refusal>;

pub(super) fn open(
    inventory: &Inventory,
    key: ReservationKey,
    user: &UserId,
    believed: (Option<Amount>, Option<Currency>),
    plan: Plan,
    context: Context,
) -> Outcome {
    let event = inventory.configured()?;
    let reservation = inventory.owned(key, user)?;
    check_held(reservation)?;
    if believed.0.is_some_and(|amount| amount != reservation.total_amount)
        || believed.1.is_some_and(|currency| currency != reservation.currency)
    {
        return Err(Refusal::AmountMismatch);
    }
    if reservation.open_intent().is_some() || reservation.intents.len() >= INTENTS_MAX {
        return Err(Refusal::PaymentConflict);
    }
    let mut reservation = reservation.clone();
    let attempt = reservation.intents.len();
    reservation.trace = context.trace;
    reservation.intents.push(Intent { status: payment::Status::Pending, plan, created_at: context.now, failure_reason: None });
    let terms = Terms {
        intent_id: reservation.intent_id(&event.event_id, attempt),
        reservation_id: reservation.id(&event.event_id),
        user_id: user.clone(),
        amount: reservation.total_amount,
        currency: reservation.currency,
        plan,
        hold_expires_at: reservation.hold_expires_at,
    };
    let mut draft = Draft::new(inventory, event, context);
    draft.instruct(&reservation, attempt, Instruction::Open(terms));
    let reply = intent_reply(event, &reservation, attempt)?;
    draft.push(Change::Updated(Rc::new(reservation)));
    Ok(draft.reply(reply))
}

pub(super) fn confirm(
    inventory: &Inventory,
    key: ReservationKey,
    user: &UserId,
    intent: &PaymentIntentId,
    authorised: bool,
    context: Context,
) -> Outcome {
    let event = inventory.configured()?;
    let reservation = inventory.owned(key, user)?;
    let mut draft = Draft::new(inventory, event, context);
    if reservation.status == Status::Confirmed {
        let reply = confirmed(event, reservation, reservation.confirmed_at.unwrap_or(context.now));
        return Ok(draft.reply(reply));
    }
    check_held(reservation)?;
    let attempt = usize::from(intent.attempt);
    let is_open = *intent == reservation.intent_id(&event.event_id, attempt) && reservation.open_intent() == Some(attempt);
    if !(is_open && authorised) {
        return Err(Refusal::PaymentNotApproved);
    }
    let reply = confirmed(event, reservation, context.now);
    sell(&mut draft, reservation.clone(), attempt);
    Ok(draft.reply(reply))
}

/// The provider's word. It decides an intent that is still undecided; anything else is taken without effect.
pub(super) fn decided(
    inventory: &Inventory,
    intent: &PaymentIntentId,
    paid: (&ReservationId, Amount, Currency),
    word: &Word,
    context: Context,
) -> Outcome {
    let event = inventory.configured()?;
    let reservation = inventory.find(intent.key).ok_or(Refusal::PaymentNotFound)?;
    let attempt = usize::from(intent.attempt);
    let known = reservation.intents.get(attempt).filter(|_| intent.event_id == event.event_id);
    let known = known.ok_or(Refusal::PaymentNotFound)?;
    let mut draft = Draft::new(inventory, event, context);
    // A provider may not know the trace.
    draft.trace = reservation.trace.or(context.trace);
    let agrees = paid == (&reservation.id(&event.event_id), reservation.total_amount, reservation.currency);
    let effect = match word {
        _ if !agrees => Consequence::None,
        // Authorised after it was decided or given up: nothing may be taken.
        Word::Approved if known.status.is_given_up() => {
            void(&mut draft, reservation.clone(), attempt, "the payment was over");
            Consequence::Voided
        }
        _ if known.status != payment::Status::Pending => Consequence::None,
        Word::Approved if can_sell(inventory, event, reservation, context.now) => {
            sell(&mut draft, reservation.clone(), attempt);
            Consequence::Confirmed
        }
        Word::Approved => {
            void(&mut draft, reservation.clone(), attempt, "the seats could no longer be had");
            Consequence::Voided
        }
        Word::Failed { reason } => fail(&mut draft, reservation.clone(), attempt, reason),
    };
    let status = draft.intent_status(intent.key, attempt).unwrap_or(known.status);
    Ok(draft.reply(Reply::Received { received: true, effect, status }))
}

pub(super) fn cancel(inventory: &Inventory, intent: &PaymentIntentId, user: &UserId, context: Context) -> Outcome {
    let event = inventory.configured()?;
    let reservation = inventory.find(intent.key).ok_or(Refusal::PaymentNotFound)?;
    if reservation.user != *user {
        return Err(Refusal::Forbidden);
    }
    let attempt = usize::from(intent.attempt);
    let status = reservation.intents.get(attempt).ok_or(Refusal::PaymentNotFound)?.status;
    let mut draft = Draft::new(inventory, event, context);
    let mut after = reservation.clone();
    if status == payment::Status::Pending {
        after.trace = context.trace;
        draft.close_intent(&mut after, attempt, payment::Status::Cancelled, Instruction::Cancel);
        draft.push(Change::Updated(Rc::new(after.clone())));
    } else if status == payment::Status::Approved && reservation.status == Status::Confirmed {
        take_back(&mut draft, &mut after, attempt);
    }
    let reply = intent_reply(event, &after, attempt)?;
    Ok(draft.reply(reply))
}

pub(super) fn refund(inventory: &Inventory, key: ReservationKey, user: &UserId, context: Context) -> Outcome {
    let event = inventory.configured()?;
    let reservation =
        inventory.find(key).filter(|reservation| reservation.confirmed_at.is_some()).ok_or(Refusal::OrderNotFound)?;
    if reservation.user != *user {
        return Err(Refusal::Forbidden);
    }
    let mut draft = Draft::new(inventory, event, context);
    if reservation.status == Status::Confirmed {
        let attempt = reservation.leading_intent().expect("a confirmed reservation was paid");
        take_back(&mut draft, &mut reservation.clone(), attempt);
    }
    let reply = Reply::Refunded { order_id: reservation.order_id(&event.event_id), status: Status::Refunded };
    Ok(draft.reply(reply))
}

const fn check_held(reservation: &Reservation) -> Result<(), Refusal> {
    match reservation.status {
        Status::Hold => Ok(()),
        Status::Expired => Err(Refusal::ReservationExpired),
        Status::Confirmed | Status::Cancelled | Status::Refunded => Err(Refusal::ReservationNotHeld),
    }
}

fn confirmed(event: &Event, reservation: &Reservation, at: Millis) -> Reply {
    Reply::Confirmed {
        order_id: reservation.order_id(&event.event_id),
        status: Status::Confirmed,
        reservation_id: reservation.id(&event.event_id),
        confirmed_at: Timestamp(at),
    }
}

/// Whether the seats are the reservation's own; or whether its user might hold them now, after its hold ran out.
fn can_sell(inventory: &Inventory, event: &Event, reservation: &Reservation, now: Millis) -> bool {
    let free = |seat| inventory.seats.state(seat) == SeatState::Available;
    let places = |id: &String| {
        let section = inventory.map.section(id);
        section.is_some_and(|section| inventory.seats.counts(section).of(SeatState::Available) >= reservation.quantity)
    };
    match reservation.status {
        Status::Hold => true,
        Status::Expired => {
            event.is_on_sale(now)
                && inventory.may_have_more(event, &reservation.user, reservation.quantity)
                && reservation.seats.len() == reservation.seat_ids.len()
                && reservation.seats.iter().copied().all(free)
                && reservation.section.as_ref().is_none_or(places)
        }
        Status::Confirmed | Status::Cancelled | Status::Refunded => false,
    }
}

/// Sells the seats; the capture is owed from the same commit on.
fn sell(draft: &mut Draft<'_>, mut reservation: Reservation, attempt: usize) {
    let order_id = reservation.order_id(&draft.event.event_id);
    let admission = Admission { number: reservation.admission, ends_at: reservation.admission_ends_at };
    reservation.confirmed_at = Some(draft.now);
    reservation.paid_by = u8::try_from(attempt).ok();
    draft.close_intent(&mut reservation, attempt, payment::Status::Approved, Instruction::Capture { order_id });
    draft.owe(Effect::EndAdmission { number: admission.number });
    draft.push(Change::AdmissionEnded(admission));
    draft.move_to(reservation.clone(), Status::Confirmed);
    draft.notify_payment("payment.approved", &reservation, attempt);
}

/// Gives an authorisation back.
fn void(draft: &mut Draft<'_>, mut reservation: Reservation, attempt: usize, reason: &str) {
    let reason = reason.to_owned();
    reservation.intents[attempt].failure_reason = Some(reason.clone());
    draft.close_intent(&mut reservation, attempt, payment::Status::Refunded, Instruction::Void { reason });
    draft.notify_payment("payment.refunded", &reservation, attempt);
    draft.push(Change::Updated(Rc::new(reservation)));
}

/// The payment failed: a hold is over at once.
fn fail(draft: &mut Draft<'_>, mut reservation: Reservation, attempt: usize, reason: &str) -> Consequence {
    reservation.intents[attempt].failure_reason = Some(reason.to_owned());
    let instruction = Instruction::Fail { reason: reason.to_owned() };
    draft.close_intent(&mut reservation, attempt, payment::Status::Failed, instruction);
    draft.notify_payment("payment.failed", &reservation, attempt);
    if reservation.status == Status::Hold {
        draft.move_to(reservation, Status::Cancelled);
        return Consequence::Cancelled;
    }
    draft.push(Change::Updated(Rc::new(reservation)));
    Consequence::None
}

/// Takes an order back: seats on sale again, money returned.
fn take_back(draft: &mut Draft<'_>, reservation: &mut Reservation, attempt: usize) {
    draft.close_intent(reservation, attempt, payment::Status::Refunded, Instruction::Refund);
    draft.move_to(reservation.clone(), Status::Refunded);
    reservation.status = Status::Refunded;
    draft.notify_payment("payment.refunded", reservation, attempt);
}

fn intent_reply(event: &Event, reservation: &Reservation, attempt: usize) -> Result<Reply, Refusal> {
    let view = IntentView::new(&event.event_id, reservation, attempt).ok_or(Refusal::PaymentNotFound)?;
    Ok(Reply::Intent(Box::new(view)))
}
