//! Seats, holds, reservations, orders, payment intents, ledger and outbox of one event.
//!
//! | Invariant | Where it is kept |
//! |---|---|
//! | a seat is available, held by one, sold to one, or blocked; counts add up | [`seats::Seats::set`], [`Inventory::check`], the primary key of `taken` |
//! | every hold ends exactly once | [`reservation::Status::can_become`], the tick at `hold_expires_at` |
//! | nothing is sold without an authorised payment, nothing captured without its seats sold | `decide_payment.rs`: the capture is an errand of the same commit |
//! | the ledger replayed gives the seat map | every change of a seat carries its [`ledger::Entry`] |
//!
//! In memory are the seats, the live holds, and per user and admission what limits need; everything else is in
//! rows, of which some stay in memory after [`Inventory::recall`], or after their reservation has ended. Bounds: seats by
//! [`crate::event::SEATS_MAX`], live holds by seats, intents of a reservation by [`reservation::INTENTS_MAX`], ended
//! admissions by those of [`ENDED_KEPT_MS`], errands by reservations.

use std::rc::Rc;

use crate::{
    effect::{Effects, Pending},
    idempotency::Idempotency,
    machine::{Context, Decision, Machine},
    refusal::Refusal,
    time::Millis,
    trace::TraceId,
};

pub mod best;
mod change;
mod command;
mod decide_event;
mod decide_hold;
mod decide_payment;
mod draft;
pub mod effect;
pub mod feed;
pub mod ledger;
#[cfg(test)]
mod properties;
pub mod reservation;
pub mod seats;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod together;
mod views;

pub use change::Change;
pub use command::{Admission, Command, Consequence, Cursor, Query, Reply, Wish};
pub use decide_event::check_blocked;
use effect::{Effect, PUBLISH};
use ledger::EntryType;
use reservation::Status;
use seats::SeatState;
pub use state::{CONSUMED_WITHIN_MS, ENDED_KEPT_MS, Inventory, Rows};

impl Machine for Inventory {
    type Command = Command;
    type Change = Change;
    type Reply = Reply;
    type Effect = Effect;

    fn decide(&self, command: &Command, context: Context) -> Result<Decision<Self>, Refusal> {
        match command {
            Command::Configure(event) => decide_event::configure(self, event, context),
            Command::Block { actor, block, unblock } => decide_event::block(self, actor, block, unblock, context),
            Command::Hold { key, user, admission, wish, .. } => decide_hold::hold(self, *key, user, *admission, wish, context),
            Command::Cancel { key, user, .. } => decide_hold::cancel(self, *key, user, context),
            Command::EndAdmission(admission) => decide_hold::end_admission(self, *admission),
            Command::Tick => decide_hold::expire(self, context),
            Command::OpenIntent { key, user, amount, currency, plan, .. } => {
                decide_payment::open(self, *key, user, (*amount, *currency), *plan, context)
            }
            Command::CancelIntent { intent, user, .. } => decide_payment::cancel(self, intent, user, context),
            Command::Confirm { key, user, intent, authorised, .. } => {
                decide_payment::confirm(self, *key, user, intent, *authorised, context)
            }
            Command::Decided { intent, reservation_id, amount, currency, outcome, .. } => {
                decide_payment::decided(self, intent, (reservation_id, *amount, *currency), outcome, context)
            }
            Command::Refund { key, user, .. } => decide_payment::refund(self, *key, user, context),
            Command::Performed(id) => {
                // Publishing is over when its cursor says so.
                let known = self.effects.get(*id).filter(|_| *id != PUBLISH).map(|_| Change::Performed(*id));
                Ok(Decision::new(Reply::Done {}, known.into_iter().collect()))
            }
            Command::Failed(id) => {
                let later = self.failed(*id, context.now);
                Ok(Decision::new(Reply::Done {}, later.into_iter().collect()))
            }
            Command::Published { through } => {
                let new = *through > self.published && *through <= self.sequence;
                let change = new.then_some(Change::Published { through: *through, at: context.now });
                Ok(Decision::new(Reply::Done {}, change.into_iter().collect()))
            }
            Command::Consumed { through } => {
                let new = *through > self.consumed && *through <= self.sequence;
                let change = new.then_some(Change::Consumed { through: *through, at: context.now });
                Ok(Decision::new(Reply::Done {}, change.into_iter().collect()))
            }
        }
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Configured(event) => self.configure((**event).clone()),
            Change::Moved(reservation, entry) => {
                if entry.seq > self.seq {
                    self.seq = entry.seq;
                    self.put(reservation);
                }
            }
            Change::Updated(reservation) => {
                if reservation.status == Status::Hold {
                    self.live.insert(reservation.key, Rc::clone(reservation));
                } else {
                    self.recalled.keep(reservation.key, Rc::clone(reservation));
                }
            }
            Change::Blocked(entry) => {
                if entry.seq > self.seq {
                    self.seq = entry.seq;
                    let blocked = entry.kind == EntryType::Blocked;
                    self.set_blocked(&entry.seat_ids, if blocked { SeatState::Blocked } else { SeatState::Available });
                }
            }
            Change::Notified(notification) => {
                self.sequence = self.sequence.max(notification.sequence);
                self.publish_what_is_behind(notification.time.0, notification.trace_id);
            }
            Change::AdmissionEnded(admission) => self.end_admission(admission),
            Change::Owed(pending) => {
                self.last_effect = self.last_effect.max(pending.id);
                self.effects.put((**pending).clone());
            }
            Change::Performed(id) => self.effects.remove(*id),
            Change::PublishingFailed(pending) => self.effects.put((**pending).clone()),
            Change::Published { through, at } => {
                self.published = *through;
                self.await_consumption(*at);
                self.effects.remove(PUBLISH);
                self.publish_what_is_behind(*at, TraceId::NONE);
            }
            Change::Consumed { through, at } => {
                self.consumed = *through;
                self.published = self.published.max(*through);
                self.republishes_at = None;
                self.await_consumption(*at);
                self.publish_what_is_behind(*at, TraceId::NONE);
            }
        }
    }

    fn next_deadline(&self) -> Option<Millis> {
        self.deadlines.first().map(|(at, _)| *at).into_iter().chain(self.republishes_at).min()
    }

    fn effects(&self) -> &Effects<Effect> {
        &self.effects
    }

    fn tick() -> Command {
        Command::Tick
    }

    fn must_recall(&self, command: &Command) -> bool {
        self.missing(command).is_some()
    }

    fn idempotency(command: &Command) -> Option<&Idempotency> {
        match command {
            Command::Hold { idempotency, .. }
            | Command::OpenIntent { idempotency, .. }
            | Command::CancelIntent { idempotency, .. }
            | Command::Confirm { idempotency, .. }
            | Command::Decided { idempotency, .. }
            | Command::Refund { idempotency, .. } => Some(idempotency),
            Command::Cancel { idempotency, .. } => idempotency.as_ref(),
            Command::Configure(_)
            | Command::EndAdmission(_)
            | Command::Block { .. }
            | Command::Tick
            | Command::Performed(_)
            | Command::Failed(_)
            | Command::Published { .. }
            | Command::Consumed { .. } => None,
        }
    }
}

impl Inventory {
    fn failed(&self, id: u64, now: Millis) -> Option<Change> {
        let pending = self.effects.get(id)?;
        let attempt = pending.attempt.saturating_add(1);
        let due_at = Effect::RETRY.after(attempt, &id.to_string(), now)?;
        let pending = Box::new(Pending { attempt, due_at, ..pending.clone() });
        Some(if id == PUBLISH { Change::PublishingFailed(pending) } else { Change::Owed(pending) })
    }
}
