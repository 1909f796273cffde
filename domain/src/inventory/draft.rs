//! The changes of one decision while it is being made: numbers ledger, outbox and errands without gaps.

use std::rc::Rc;

use super::{
    Change, Inventory, Reply,
    errand::{Duty, Errand},
    ledger::{Entry, EntryType, Notification, Subject},
    reservation::{IntentView, Reservation, Shown, Status},
};
use crate::{
    event::Event,
    machine::Decision,
    payment::{self, Instruction},
    seat_map::SeatIds,
    time::{Millis, Timestamp},
};

/// How long the command's own call has to carry out an errand before the alarm tries, in milliseconds.
const ERRAND_GRACE_MS: u64 = 2000;

pub(super) struct Draft<'a> {
    pub(super) event: &'a Event,
    pub(super) now: Millis,
    seq: u64,
    sequence: u64,
    last_errand: u64,
    changes: Vec<Change>,
}

impl<'a> Draft<'a> {
    pub(super) const fn new(inventory: &Inventory, event: &'a Event, now: Millis) -> Self {
        let (seq, sequence, last_errand) = (inventory.seq, inventory.sequence, inventory.last_errand);
        Self { event, now, seq, sequence, last_errand, changes: Vec::new() }
    }

    pub(super) fn reply(self, reply: Reply) -> Decision<Inventory> {
        Decision { reply, changes: self.changes }
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
        self.owe(Duty::Pay { intent, instruction });
    }

    pub(super) fn notify_payment(&mut self, kind: &'static str, reservation: &Reservation, attempt: usize) {
        let view = IntentView::new(&self.event.event_id, reservation, attempt).expect("only an attempt is notified");
        self.notify(kind, Subject::Payment(Box::new(view)));
    }

    pub(super) fn owe(&mut self, duty: Duty) {
        self.last_errand += 1;
        let next_try_at = self.now.plus_ms(ERRAND_GRACE_MS);
        self.push(Change::Owed(Box::new(Errand { id: self.last_errand, duty, tries: 0, next_try_at })));
    }

    fn notify(&mut self, kind: &'static str, data: Subject) {
        self.sequence += 1;
        let event_id = self.event.event_id.clone();
        self.push(Change::Notified(Notification { event_id, sequence: self.sequence, kind, time: Timestamp(self.now), data }));
    }
}
