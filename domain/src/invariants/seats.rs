//! Who has which seat, by what was saved.

use std::collections::{BTreeMap, BTreeSet};

use super::verdict::{Invariant, Verdict, hold};
use crate::{
    event::{Event, SectionKind},
    id::{EventId, ReservationKey, UserId},
    inventory::{
        Admission, Change, Inventory,
        effect::Effect,
        ledger::{Entry, EntryType},
        reservation::{Reservation, Status},
        seats::SeatState,
    },
    money::{Amount, Currency},
    payment::{self, Instruction},
    seat_map::SeatIds,
    time::Millis,
};

/// Who has a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taker {
    Held(ReservationKey),
    Sold(ReservationKey),
    Blocked,
}

/// A reservation as last saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// Whose it is.
    pub user: UserId,
    /// Where it stands.
    pub status: Status,
    /// Which place in line made it.
    pub admission: u64,
    /// Number of seats or places.
    pub quantity: u32,
    /// What it costs.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// The deadline of the hold.
    pub deadline: Millis,
    /// The attempt that its seats were sold for.
    pub sold_by: Option<usize>,
    /// How its intents stand.
    pub intents: Vec<payment::Status>,
    seat_ids: SeatIds,
    section: Option<String>,
}

/// Places of a general section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Places {
    capacity: u32,
    held: u32,
    sold: u32,
}

/// The seats of one event. Told every change that its inventory saved.
#[derive(Clone, Debug, Default)]
pub struct SeatsWitness {
    event: Option<Event>,
    /// The price of each numbered seat.
    prices: BTreeMap<String, Amount>,
    places: BTreeMap<String, (Amount, Places)>,
    takers: BTreeMap<String, Taker>,
    bookings: BTreeMap<ReservationKey, Booking>,
    deadlines: BTreeSet<(Millis, ReservationKey)>,
    holding: BTreeMap<u64, ReservationKey>,
    /// Admissions that ended early.
    ended: BTreeSet<u64>,
    /// Admissions that something was sold to.
    bought: BTreeSet<u64>,
    of_user: BTreeMap<UserId, u32>,
    effects: BTreeSet<u64>,
    seq: u64,
    sequence: u64,
    published: u64,
    consumed: u64,
    /// The last envelope that the reader of `sale-events` said it had dealt with.
    acknowledged: u64,
}

impl SeatsWitness {
    /// Every reservation.
    #[must_use]
    pub const fn bookings(&self) -> &BTreeMap<ReservationKey, Booking> {
        &self.bookings
    }

    /// Seats and places that nobody has.
    #[must_use]
    pub fn available(&self) -> u64 {
        let seats = self.prices.len() - self.takers.len();
        let places = self.places.values().map(|(_, places)| u64::from(places.capacity - places.held - places.sold));
        seats as u64 + places.sum::<u64>()
    }

    /// Reservations whose seats are held.
    #[must_use]
    pub fn holds(&self) -> u64 {
        self.deadlines.len() as u64
    }

    /// Seats and places that were sold.
    #[must_use]
    pub fn sold(&self) -> u64 {
        let seats = self.takers.values().filter(|taker| matches!(taker, Taker::Sold(_))).count();
        seats as u64 + self.places.values().map(|(_, places)| u64::from(places.sold)).sum::<u64>()
    }

    /// Whether something was ever sold to this admission.
    #[must_use]
    pub fn has_bought(&self, admission: u64) -> bool {
        self.bought.contains(&admission)
    }

    /// Whether anything is owed, or an envelope was not dealt with.
    #[must_use]
    pub fn owes(&self) -> bool {
        !self.effects.is_empty() || self.consumed < self.sequence
    }

    /// The sequence of the last notification that leaves.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(super) fn event_id(&self) -> Option<&EventId> {
        self.event.as_ref().map(|event| &event.event_id)
    }

    pub(super) fn saved(
        &mut self,
        changes: &[Change],
        authorised: &dyn Fn(ReservationKey, usize) -> bool,
        now: Millis,
    ) -> Verdict {
        self.nothing_is_overdue(changes, now)?;
        for change in changes {
            match change {
                Change::Configured(event) => self.configured(event)?,
                Change::Moved(reservation, entry) => {
                    self.numbered(entry)?;
                    self.moved(reservation, entry, now)?;
                    if reservation.status == Status::Confirmed {
                        self.paid(reservation, changes, authorised)?;
                        self.bought.insert(reservation.admission);
                    }
                    self.book(reservation);
                }
                Change::Updated(reservation) => {
                    let before = self.bookings.get(&reservation.key).map(|booking| booking.status);
                    hold(Invariant::HoldEnds, before == Some(reservation.status), || {
                        format!("{} became {:?} without an entry", reservation.key, reservation.status)
                    })?;
                    self.book(reservation);
                }
                Change::Blocked(entry) => {
                    self.numbered(entry)?;
                    self.blocked(entry)?;
                }
                Change::Notified(notification) => self.notified(notification.sequence)?,
                Change::AdmissionEnded(admission) => drop(self.ended.insert(admission.number)),
                Change::Owed(pending) => drop(self.effects.insert(pending.id)),
                Change::Performed(id) => drop(self.effects.remove(id)),
                Change::Published { through, .. } => self.published(*through)?,
                Change::Consumed { through, .. } => self.consumed(*through)?,
                Change::PublishingFailed(_) => {}
            }
        }
        Ok(())
    }

    /// Whatever is done at `now`, what was due by then was done before.
    fn nothing_is_overdue(&self, changes: &[Change], now: Millis) -> Verdict {
        let expires = |change: &Change| matches!(change, Change::Moved(_, entry) if entry.kind == EntryType::Expired);
        let due = self.deadlines.first().filter(|(at, _)| *at <= now);
        let overdue = due.filter(|_| !changes.iter().any(expires)).map(|(at, _)| *at);
        hold(Invariant::HoldEnds, overdue.is_none(), || format!("at {now} a hold of {overdue:?} was still there"))
    }

    fn configured(&mut self, event: &Event) -> Verdict {
        if self.event.as_ref().is_some_and(|known| known.version >= event.version) {
            return Ok(());
        }
        self.prices.clear();
        let places = std::mem::take(&mut self.places);
        for section in &event.sections {
            match &section.kind {
                SectionKind::Seated { rows } => {
                    for row in rows {
                        let seats = (1..=row.count).map(|number| format!("{}-{}-{number}", section.id, row.id));
                        self.prices.extend(seats.map(|seat| (seat, section.price)));
                    }
                }
                SectionKind::General { capacity } => {
                    let before = places.get(&section.id).map(|(_, places)| *places).unwrap_or_default();
                    let places = Places { capacity: *capacity, ..before };
                    hold(Invariant::SeatOnce, places.held + places.sold <= *capacity, || {
                        format!("section {} has fewer places than are taken", section.id)
                    })?;
                    self.places.insert(section.id.clone(), (section.price, places));
                }
            }
        }
        self.event = Some(event.clone());
        let lost = self.takers.keys().find(|seat| !self.prices.contains_key(*seat));
        hold(Invariant::SeatOnce, lost.is_none(), || format!("{lost:?} is taken and not in the new map"))
    }

    fn numbered(&mut self, entry: &Entry) -> Verdict {
        let before = std::mem::replace(&mut self.seq, entry.seq);
        hold(Invariant::LedgerIsTruth, entry.seq == before + 1, || format!("entry {} follows {before}", entry.seq))
    }

    fn notified(&mut self, sequence: u64) -> Verdict {
        let before = std::mem::replace(&mut self.sequence, sequence);
        hold(Invariant::NothingUntold, sequence == before + 1, || format!("envelope {sequence} follows {before}"))
    }

    /// The queue `sale-events` took envelopes up to `through`, or they go again from there.
    fn published(&mut self, through: u64) -> Verdict {
        let within = (self.consumed..=self.sequence).contains(&through);
        self.published = through;
        hold(Invariant::NothingUntold, within, || format!("the cursor went to {through}, the log ends at {}", self.sequence))
    }

    /// A cursor moves only over what its reader has acknowledged.
    fn consumed(&mut self, through: u64) -> Verdict {
        let read = (self.consumed + 1..=self.acknowledged).contains(&through);
        self.consumed = through;
        hold(Invariant::NothingUntold, read, || format!("consumed to {through}, acknowledged to {}", self.acknowledged))
    }

    /// The reader of `sale-events` is about to say that it has dealt with everything up to `through`.
    pub fn acknowledges(&mut self, through: u64) {
        self.acknowledged = self.acknowledged.max(through);
    }

    fn moved(&mut self, reservation: &Reservation, entry: &Entry, now: Millis) -> Verdict {
        let key = reservation.key;
        let before = self.bookings.get(&key).map(|booking| booking.status);
        let allowed = matches!(
            (before, reservation.status, entry.kind),
            (None, Status::Hold, EntryType::Created)
                | (Some(Status::Hold), Status::Confirmed, EntryType::Confirmed)
                | (Some(Status::Hold), Status::Cancelled, EntryType::Cancelled)
                | (Some(Status::Hold), Status::Expired, EntryType::Expired)
                | (Some(Status::Expired), Status::Confirmed, EntryType::Confirmed)
                | (Some(Status::Confirmed), Status::Refunded, EntryType::Refunded)
        );
        hold(Invariant::HoldEnds, allowed, || {
            format!("{key} went from {before:?} to {:?} as {:?}", reservation.status, entry.kind)
        })?;
        let complete = entry.seat_ids == reservation.seat_ids && entry.quantity == reservation.quantity;
        hold(Invariant::LedgerIsTruth, complete, || format!("entry {} is not about {key}'s seats", entry.seq))?;
        let over = reservation.hold_expires_at <= now;
        hold(Invariant::HoldEnds, before != Some(Status::Hold) || over == (entry.kind == EntryType::Expired), || {
            format!("{key} became {:?} at {now}, its deadline is {}", reservation.status, reservation.hold_expires_at)
        })?;
        if entry.kind == EntryType::Created {
            self.may_hold(reservation, now)?;
        }
        let (from, to) = match (before, reservation.status) {
            (None | Some(Status::Expired), Status::Hold) => (None, Some(Taker::Held(key))),
            (Some(Status::Hold), Status::Confirmed) => (Some(Taker::Held(key)), Some(Taker::Sold(key))),
            (Some(Status::Expired), Status::Confirmed) => (None, Some(Taker::Sold(key))),
            (Some(Status::Hold), _) => (Some(Taker::Held(key)), None),
            _ => (Some(Taker::Sold(key)), None),
        };
        for seat in reservation.seat_ids.iter() {
            self.take(seat, from, to)?;
        }
        if let Some(section) = &reservation.section {
            self.take_places(section, from, to, reservation.quantity)?;
        }
        if from.is_none() {
            self.may_have(reservation, now)?;
        }
        let of_user = self.of_user.entry(reservation.user.clone()).or_default();
        match (from, to) {
            (None, Some(_)) => *of_user += reservation.quantity,
            (Some(_), None) => *of_user -= reservation.quantity,
            _ => {}
        }
        Ok(())
    }

    /// Whether its user may have what a reservation takes: asked at each move that takes seats, not only at the first.
    fn may_have(&self, reservation: &Reservation, now: Millis) -> Verdict {
        let Reservation { key, user, quantity, .. } = reservation;
        let Some(event) = &self.event else { return Ok(()) };
        hold(Invariant::Limits, event.is_on_sale(now), || format!("{key} took seats at {now}, outside the sale"))?;
        let of_user = self.of_user.get(user).copied().unwrap_or(0) + quantity;
        let max = event.max_seats_per_user;
        hold(Invariant::Limits, of_user <= max, || format!("{key} takes {quantity} seats, its user has {of_user} of {max}"))
    }

    fn take(&mut self, seat: &str, from: Option<Taker>, to: Option<Taker>) -> Verdict {
        hold(Invariant::SeatOnce, self.prices.contains_key(seat), || format!("{seat} is no seat"))?;
        let taker = self.takers.get(seat).copied();
        hold(Invariant::SeatOnce, taker == from, || format!("{seat} goes from {from:?} to {to:?}, but {taker:?} has it"))?;
        match to {
            Some(taker) => drop(self.takers.insert(seat.to_owned(), taker)),
            None => drop(self.takers.remove(seat)),
        }
        Ok(())
    }

    fn take_places(&mut self, section: &str, from: Option<Taker>, to: Option<Taker>, quantity: u32) -> Verdict {
        let (_, places) = self.places.entry(section.to_owned()).or_default();
        match from {
            Some(Taker::Held(_)) => places.held -= quantity,
            Some(Taker::Sold(_)) => places.sold -= quantity,
            Some(Taker::Blocked) | None => {}
        }
        match to {
            Some(Taker::Held(_)) => places.held += quantity,
            Some(Taker::Sold(_)) => places.sold += quantity,
            Some(Taker::Blocked) | None => {}
        }
        let places = *places;
        hold(Invariant::SeatOnce, places.held + places.sold <= places.capacity, || format!("{section} has {places:?}"))
    }

    /// Whether a new reservation keeps to the limits, and costs what its seats cost.
    fn may_hold(&self, reservation: &Reservation, now: Millis) -> Verdict {
        let key = reservation.key;
        let Reservation { admission, admission_ends_at, quantity, .. } = *reservation;
        let Some(event) = &self.event else {
            return hold(Invariant::LedgerIsTruth, false, || format!("{key} was made before the event"));
        };
        let admitted = now < admission_ends_at && !self.ended.contains(&admission);
        hold(Invariant::AdmissionExact, admitted, || format!("{key} was made at {now} by admission {admission} that is over"))?;
        let first = !self.holding.contains_key(&admission);
        hold(Invariant::AdmissionExact, first, || format!("admission {admission} holds twice"))?;
        let within = (1..=event.max_seats_per_reservation).contains(&quantity);
        hold(Invariant::Limits, within, || format!("{key} takes {quantity} seats"))?;
        let deadline = now.plus_sec(event.hold_ttl_sec.into());
        hold(Invariant::HoldEnds, reservation.hold_expires_at == deadline, || format!("{key} is held for another time"))?;
        let seats: Amount = reservation.seat_ids.iter().filter_map(|seat| self.prices.get(seat)).sum();
        let section = reservation.section.as_ref().and_then(|section| self.places.get(section));
        let price = section.map_or(seats, |(price, _)| price * Amount::from(quantity));
        hold(Invariant::MoneyBehindSeat, price == reservation.total_amount, || {
            format!("{key} costs {} instead of {price}", reservation.total_amount)
        })
    }

    /// Whether the commit that sells owes the capture of an intent that the provider has authorised, and ends the
    /// admission.
    fn paid(&self, reservation: &Reservation, changes: &[Change], authorised: &dyn Fn(ReservationKey, usize) -> bool) -> Verdict {
        let key = reservation.key;
        let attempts = reservation.intents.iter().enumerate();
        let approved = attempts.filter(|(_, intent)| intent.status == payment::Status::Approved);
        let paying: Vec<usize> = approved.map(|(attempt, _)| attempt).collect();
        hold(Invariant::MoneyBehindSeat, paying.len() == 1, || format!("{key} is sold for the attempts {paying:?}"))?;
        hold(Invariant::MoneyBehindSeat, authorised(key, paying[0]), || format!("{key} is sold, its payment is not authorised"))?;
        let captures = |change: &&Change| match change {
            Change::Owed(pending) if pending.attempt == 0 => match &pending.effect {
                Effect::Pay { intent, instruction: Instruction::Capture { order_id } } => {
                    intent.key == key && usize::from(intent.attempt) == paying[0] && order_id.key == key
                }
                _ => false,
            },
            _ => false,
        };
        let owed = changes.iter().filter(captures).count();
        hold(Invariant::MoneyBehindSeat, owed == 1, || format!("{key} is sold, its capture is owed {owed} times"))?;
        let ends = |change: &Change| match change {
            Change::AdmissionEnded(Admission { number, .. }) => *number == reservation.admission,
            _ => false,
        };
        hold(Invariant::AdmissionExact, changes.iter().any(ends), || format!("{key} is sold, its admission goes on"))?;
        let frees = |change: &Change| match change {
            Change::Owed(pending) => pending.effect == Effect::EndAdmission { number: reservation.admission },
            _ => false,
        };
        hold(Invariant::AdmissionExact, changes.iter().any(frees), || format!("{key} is sold, its slot is not given back"))
    }

    fn book(&mut self, reservation: &Reservation) {
        let key = reservation.key;
        let sold_by = self.bookings.get(&key).and_then(|booking| booking.sold_by);
        let paying = reservation.intents.iter().position(|intent| intent.status == payment::Status::Approved);
        let booking = Booking {
            user: reservation.user.clone(),
            status: reservation.status,
            admission: reservation.admission,
            quantity: reservation.quantity,
            amount: reservation.total_amount,
            currency: reservation.currency,
            deadline: reservation.hold_expires_at,
            sold_by: sold_by.or(paying),
            intents: reservation.intents.iter().map(|intent| intent.status).collect(),
            seat_ids: reservation.seat_ids.clone(),
            section: reservation.section.clone(),
        };
        let held = booking.status == Status::Hold;
        let deadline = (booking.deadline, key);
        if held {
            self.deadlines.insert(deadline);
            self.holding.insert(booking.admission, key);
        } else {
            self.deadlines.remove(&deadline);
            if self.holding.get(&booking.admission) == Some(&key) {
                self.holding.remove(&booking.admission);
            }
        }
        self.bookings.insert(key, booking);
    }

    fn blocked(&mut self, entry: &Entry) -> Verdict {
        let (from, to) =
            if entry.kind == EntryType::Blocked { (None, Some(Taker::Blocked)) } else { (Some(Taker::Blocked), None) };
        entry.seat_ids.iter().try_for_each(|seat| self.take(seat, from, to))
    }

    /// The ledger so far gives the map that `inventory` has in memory. Walks every seat.
    ///
    /// # Errors
    /// It does not.
    pub fn is_the_map_of(&self, inventory: &Inventory) -> Verdict {
        let map = inventory.map();
        for (index, section) in map.sections().iter().enumerate() {
            let counts = inventory.seats().counts(index);
            hold(Invariant::SeatOnce, counts.total() == section.total(), || format!("{}: {counts:?}", section.id))?;
            if section.is_general() {
                let places = self.places.get(&section.id).map(|(_, places)| (places.held, places.sold)).unwrap_or_default();
                let same = (counts.of(SeatState::Held), counts.of(SeatState::Sold)) == places;
                hold(Invariant::LedgerIsTruth, same, || format!("{} has {counts:?}, by the ledger {places:?}", section.id))?;
            }
        }
        let taken: BTreeMap<String, SeatState> =
            inventory.seats().taken().map(|(seat, state)| (map.seat_id(seat), state)).collect();
        let state = |taker: &Taker| match taker {
            Taker::Held(_) => SeatState::Held,
            Taker::Sold(_) => SeatState::Sold,
            Taker::Blocked => SeatState::Blocked,
        };
        let replayed: BTreeMap<String, SeatState> =
            self.takers.iter().map(|(seat, taker)| (seat.clone(), state(taker))).collect();
        hold(Invariant::LedgerIsTruth, taken == replayed, || {
            let odd = taken.iter().find(|(seat, state)| replayed.get(*seat) != Some(state));
            let gone = replayed.iter().find(|(seat, state)| taken.get(*seat) != Some(state));
            format!("memory has {odd:?} where the ledger has {gone:?}")
        })?;
        hold(Invariant::LedgerIsTruth, inventory.seq() == self.seq, || format!("memory is at entry {}", inventory.seq()))
    }

    pub(super) fn at_rest(&self) -> Verdict {
        hold(Invariant::HoldEnds, self.deadlines.is_empty(), || format!("{:?} are still held", self.deadlines))?;
        hold(Invariant::AllEnds, self.effects.is_empty(), || format!("{:?} are still owed", self.effects))?;
        let untold = self.sequence - self.consumed;
        hold(Invariant::NothingUntold, untold == 0, || format!("{untold} envelopes were never dealt with"))
    }
}
