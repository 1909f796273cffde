//! The changes of one decision while it is being made: numbers ledger, log and effects without gaps.

use std::rc::Rc;

use super::{
    change::Change,
    command::Reply,
    effect::Effect,
    ledger::{Entry, EntryType, Notification, Subject},
    reservation::{IntentView, Reservation, Shown, Status},
    state::Inventory,
};
use crate::{
    effect::Pending,
    event::Event,
    id::ReservationKey,
    machine::{Context, Decision},
    payment::{self, Instruction},
    seat_map::SeatIds,
    time::{Millis, Timestamp},
    trace::TraceId,
};

pub(super) struct Draft<'a> {
    pub(super) event: &'a Event,
    pub(super) now: Millis,
    /// The request that causes what is written next.
    pub(super) trace: TraceId,
    seq: u64,
    sequence: u64,
    last_effect: u64,
    changes: Vec<Change>,
    effects: Vec<u64>,
}

impl<'a> Draft<'a> {
    pub(super) const fn new(inventory: &Inventory, event: &'a Event, context: Context) -> Self {
        let (seq, sequence, last_effect) = (inventory.seq, inventory.sequence, inventory.last_effect);
        let Context { now, trace } = context;
        Self { event, now, trace, seq, sequence, last_effect, changes: Vec::new(), effects: Vec::new() }
    }

    pub(super) fn reply(self, reply: Reply) -> Decision<Inventory> {
        Decision { reply, changes: self.changes, effects: self.effects }
    }

    pub(super) fn push(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Numbers the next line of the ledger.
    pub(super) fn entry(&mut self, kind: EntryType, seat_ids: SeatIds, reservation: Option<&Reservation>) -> Entry {
        self.seq += 1;
        let seats = u32::try_from(seat_ids.len()).expect("an event has at most 200,000 seats");
        Entry {
            seq: self.seq,
            at: Timestamp(self.now),
            kind,
            trace_id: self.trace,
            actor: None,
            reservation_id: reservation.map(|reservation| reservation.id(&self.event.event_id)),
            section: reservation.and_then(|reservation| reservation.section.clone()),
            quantity: reservation.map_or(seats, |reservation| reservation.quantity),
            seat_ids,
        }
    }

    /// Writes down a reservation that was just made.
    pub(super) fn create(&mut self, reservation: Reservation) -> Shown {
        self.write(reservation, EntryType::Created)
    }

    /// Moves a reservation, its seats with it.
    pub(super) fn move_to(&mut self, mut reservation: Reservation, status: Status) {
        assert!(reservation.status.can_become(status), "{:?} cannot become {status:?}", reservation.status);
        let kind = match status {
            Status::Hold => EntryType::Created,
            Status::Confirmed => EntryType::Confirmed,
            Status::Cancelled => EntryType::Cancelled,
            Status::Expired => EntryType::Expired,
            Status::Refunded => EntryType::Refunded,
        };
        reservation.status = status;
        reservation.updated_at = self.now;
        self.write(reservation, kind);
    }

    /// One row for all: what is kept, what is told and what is answered share it.
    fn write(&mut self, reservation: Reservation, kind: EntryType) -> Shown {
        let entry = self.entry(kind, Rc::clone(&reservation.seat_ids), Some(&reservation));
        let reservation = Rc::new(reservation);
        let shown = Shown::new(&self.event.event_id, &reservation);
        self.push(Change::Moved(reservation, entry));
        self.notify(kind.as_str(), Subject::Reservation(shown.clone()));
        shown
    }

    /// Closes an attempt to pay, and tells the provider.
    pub(super) fn close_intent(
        &mut self,
        reservation: &mut Reservation,
        attempt: usize,
        status: payment::Status,
        instruction: Instruction,
    ) {
        reservation.intents[attempt].status = status;
        self.instruct(reservation, attempt, instruction);
    }

    pub(super) fn instruct(&mut self, reservation: &Reservation, attempt: usize, instruction: Instruction) {
        let intent = reservation.intent_id(&self.event.event_id, attempt);
        self.owe(Effect::Pay { intent, instruction });
    }

    pub(super) fn notify_payment(&mut self, kind: &'static str, reservation: &Reservation, attempt: usize) {
        let view = IntentView::new(&self.event.event_id, reservation, attempt).expect("only an attempt is notified");
        self.notify(kind, Subject::Payment(Box::new(view)));
    }

    /// How an intent stands by the last change of its reservation.
    pub(super) fn intent_status(&self, key: ReservationKey, attempt: usize) -> Option<payment::Status> {
        let of_key = |change: &Change| match change {
            Change::Moved(reservation, _) | Change::Updated(reservation) if reservation.key == key => {
                Some(reservation.intents.get(attempt)?.status)
            }
            _ => None,
        };
        self.changes.iter().rev().find_map(of_key)
    }

    pub(super) fn owe(&mut self, effect: Effect) {
        self.last_effect += 1;
        let pending = Pending { id: self.last_effect, attempt: 0, due_at: self.now, trace: self.trace, effect };
        self.effects.push(pending.id);
        self.push(Change::Owed(Box::new(pending)));
    }

    fn notify(&mut self, kind: &'static str, data: Subject) {
        self.sequence += 1;
        let event_id = self.event.event_id.clone();
        self.push(Change::Notified(Notification {
            event_id,
            sequence: self.sequence,
            kind,
            time: Timestamp(self.now),
            trace_id: self.trace,
            data,
        }));
    }
}
