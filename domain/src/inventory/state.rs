//! An inventory as it stands.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::{
    command::{Admission, Command},
    effect::{Effect, PUBLISH},
    reservation::{Reservation, Status},
    seats::{SeatState, Seats},
};
use crate::{
    effect::{Effects, Pending},
    event::{ADMISSION_TTL_MAX_SEC, Event},
    id::{ReservationKey, UserId},
    recalled::Recalled,
    refusal::Refusal,
    seat_map::SeatMap,
    time::Millis,
    trace::TraceId,
};

/// How much earlier than another one, which has begun, an admission must end to be over, in milliseconds: the longest that one
/// lasts, and ten minutes for clocks that differ.
pub const ENDED_KEPT_MS: u64 = (ADMISSION_TTL_MAX_SEC as u64 + 600) * 1000;

/// How long who reads `sale-events` has to deal with what was published, in milliseconds. Then it is published again: a queue
/// may lose a batch, or give it up.
pub const CONSUMED_WITHIN_MS: u64 = 60_000;

/// What an inventory is rebuilt from.
#[derive(Debug, Default)]
pub struct Rows {
    /// The event, once configured.
    pub event: Option<Event>,
    /// Ids of blocked seats.
    pub blocked: Vec<String>,
    /// Reservations that take seats: held and confirmed.
    pub taking: Vec<Reservation>,
    /// Admissions that ended before their time.
    pub ended: Vec<Admission>,
    /// What is owed.
    pub effects: Vec<Pending<Effect>>,
    /// The last ledger sequence.
    pub seq: u64,
    /// The last envelope's sequence.
    pub sequence: u64,
    /// When the first envelope was written that nobody has dealt with.
    pub behind_since: Millis,
    /// The last envelope that was published.
    pub published: u64,
    /// The last envelope that was dealt with by who reads what is published.
    pub consumed: u64,
    /// The highest id of an effect ever given.
    pub last_effect: u64,
}

/// The inventory of one event. See the [module](super)'s table of invariants.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    pub(super) event: Option<Event>,
    pub(super) map: SeatMap,
    pub(super) seats: Seats,
    pub(super) live: BTreeMap<ReservationKey, Rc<Reservation>>,
    /// Some reservations that are not live.
    pub(super) recalled: Recalled<ReservationKey, Rc<Reservation>>,
    pub(super) deadlines: BTreeSet<(Millis, ReservationKey)>,
    pub(super) hold_by_admission: BTreeMap<u64, ReservationKey>,
    pub(super) ended: BTreeMap<u64, Millis>,
    /// Seats held and sold by user, by a digest of the user id.
    seats_by_user: BTreeMap<u64, u32>,
    pub(super) effects: Effects<Effect>,
    pub(super) seq: u64,
    pub(super) sequence: u64,
    /// The cursor of `sale-events`: the last envelope that the queue took, and the last that its reader dealt with.
    pub(super) published: u64,
    pub(super) consumed: u64,
    /// When what was published and not dealt with goes again.
    pub(super) republishes_at: Option<Millis>,
    pub(super) last_effect: u64,
}

impl Inventory {
    /// Rebuilds an inventory from its rows.
    #[must_use]
    pub fn restore(rows: Rows) -> Self {
        let mut inventory = Self::default();
        if let Some(event) = rows.event {
            inventory.configure(event);
        }
        inventory.set_blocked(&rows.blocked, SeatState::Blocked);
        for mut reservation in rows.taking {
            inventory.locate(&mut reservation);
            inventory.put(&Rc::new(reservation));
        }
        rows.ended.iter().for_each(|admission| inventory.end_admission(admission));
        rows.effects.into_iter().for_each(|pending| inventory.effects.put(pending));
        inventory.seq = rows.seq;
        inventory.sequence = rows.sequence;
        inventory.published = rows.published;
        inventory.consumed = rows.consumed;
        inventory.await_consumption(rows.behind_since);
        inventory.publish_what_is_behind(rows.behind_since, TraceId::NONE);
        inventory.last_effect = rows.last_effect;
        inventory
    }

    /// Remembers that an admission ended before its time, and forgets those that are over by now anyhow: places go in roughly
    /// in order, and an admission that ends here has begun.
    pub(super) fn end_admission(&mut self, admission: &Admission) {
        let over = Millis(admission.ends_at.0.saturating_sub(ENDED_KEPT_MS));
        while self.ended.first_key_value().is_some_and(|(_, ends_at)| *ends_at <= over) {
            self.ended.pop_first();
        }
        self.ended.insert(admission.number, admission.ends_at);
    }

    /// The reservation that a command or query is about and that memory does not hold.
    #[must_use]
    pub fn missing(&self, command: &Command) -> Option<ReservationKey> {
        let key = match command {
            Command::Cancel { key, .. }
            | Command::OpenIntent { key, .. }
            | Command::Confirm { key, .. }
            | Command::Refund { key, .. } => *key,
            Command::CancelIntent { intent, .. } | Command::Decided { intent, .. } => intent.key,
            Command::Configure(_)
            | Command::Hold { .. }
            | Command::EndAdmission(_)
            | Command::Block { .. }
            | Command::Tick
            | Command::Performed(_)
            | Command::Failed(_)
            | Command::Published { .. }
            | Command::Consumed { .. } => return None,
        };
        self.find(key).is_none().then_some(key)
    }

    /// Brings in a reservation that is not live.
    pub fn recall(&mut self, mut reservation: Reservation) {
        self.locate(&mut reservation);
        self.recalled.keep(reservation.key, Rc::new(reservation));
    }

    pub(super) fn configured(&self) -> Result<&Event, Refusal> {
        self.event.as_ref().ok_or(Refusal::Unconfigured)
    }

    pub(super) fn find(&self, key: ReservationKey) -> Option<&Reservation> {
        self.live.get(&key).or_else(|| self.recalled.get(&key)).map(Rc::as_ref)
    }

    /// The reservation, for its owner.
    pub(super) fn owned(&self, key: ReservationKey, user: &UserId) -> Result<&Reservation, Refusal> {
        let reservation = self.find(key).ok_or(Refusal::ReservationNotFound)?;
        (reservation.user == *user).then_some(reservation).ok_or(Refusal::Forbidden)
    }

    /// Whether a user may have so many seats more, by the limit of the event.
    pub(super) fn may_have_more(&self, event: &Event, user: &UserId, quantity: u32) -> bool {
        self.seats_of_user(user).saturating_add(quantity) <= event.max_seats_per_user
    }

    fn seats_of_user(&self, user: &UserId) -> u32 {
        self.seats_by_user.get(&digest(user)).copied().unwrap_or(0)
    }

    pub(super) fn configure(&mut self, event: Event) {
        let map = SeatMap::new(&event.sections);
        let mut seats = Seats::new(&map);
        for (old, state) in self.seats.taken() {
            // The decision made sure that held and sold seats are in the new map; a blocked one may be gone.
            if let Some(seat) = map.seat(&self.map.seat_id(old)) {
                seats.set(map.section_of(seat), seat, state);
            }
        }
        for (old, section) in self.map.sections().iter().enumerate().filter(|(_, section)| section.is_general()) {
            let Some(new) = map.section(&section.id) else { continue };
            for state in [SeatState::Held, SeatState::Sold] {
                seats.shift_places(new, SeatState::Available, state, self.seats.counts(old).of(state));
            }
        }
        for reservation in self.live.values_mut() {
            let reservation = Rc::make_mut(reservation);
            reservation.seats = reservation.seat_ids.iter().filter_map(|id| map.seat(id)).collect();
        }
        (self.event, self.map, self.seats) = (Some(event), map, seats);
        // Their seats are places in the old map; whoever needs one brings it in again.
        self.recalled = Recalled::default();
    }

    pub(super) fn set_blocked(&mut self, seat_ids: &[String], to: SeatState) {
        for seat in seat_ids.iter().filter_map(|id| self.map.seat(id)) {
            self.seats.set(self.map.section_of(seat), seat, to);
        }
    }

    /// Looks the seats of a row up in the map.
    fn locate(&self, reservation: &mut Reservation) {
        reservation.seats = reservation.seat_ids.iter().filter_map(|id| self.map.seat(id)).collect();
    }

    /// Takes over a reservation's new row, and moves its seats from what it was to what it is.
    pub(super) fn put(&mut self, reservation: &Rc<Reservation>) {
        let key = reservation.key;
        let holds = reservation.status == Status::Hold;
        let live = if holds { self.live.insert(key, Rc::clone(reservation)) } else { self.live.remove(&key) };
        let from = if let Some(before) = live {
            self.deadlines.remove(&(before.hold_expires_at, key));
            self.hold_by_admission.remove(&before.admission);
            SeatState::Held
        } else {
            let before = self.recalled.remove(&key);
            before.map_or(SeatState::Available, |before| seat_state(before.status))
        };
        let to = seat_state(reservation.status);
        self.move_seats(reservation, from, to);
        if holds {
            self.deadlines.insert((reservation.hold_expires_at, key));
            self.hold_by_admission.insert(reservation.admission, key);
        } else {
            self.recalled.keep(key, Rc::clone(reservation));
        }
    }

    fn move_seats(&mut self, reservation: &Reservation, from: SeatState, to: SeatState) {
        if from == to {
            return;
        }
        for seat in &reservation.seats {
            assert_eq!(self.seats.state(*seat), from, "a reservation moves only seats that are its own or free");
            self.seats.set(self.map.section_of(*seat), *seat, to);
        }
        if let Some(section) = reservation.section.as_ref().and_then(|id| self.map.section(id)) {
            self.seats.shift_places(section, from, to, reservation.quantity);
        }
        let owned = self.seats_by_user.entry(digest(&reservation.user)).or_default();
        if from == SeatState::Available {
            *owned += reservation.quantity;
        } else if to == SeatState::Available {
            *owned = owned.saturating_sub(reservation.quantity);
            if *owned == 0 {
                self.seats_by_user.remove(&digest(&reservation.user));
            }
        }
    }
}

impl Inventory {
    /// Sees to it that envelopes behind the cursor are owed to `sale-events`.
    pub(super) fn publish_what_is_behind(&mut self, now: Millis, trace: TraceId) {
        if self.published >= self.sequence {
            self.effects.remove(PUBLISH);
        } else if self.effects.get(PUBLISH).is_none() {
            self.effects.put(Pending { id: PUBLISH, attempt: 0, due_at: now, trace, effect: Effect::Publish });
        }
    }

    /// What was published by `now` and is not dealt with after [`CONSUMED_WITHIN_MS`] goes again, however much was published
    /// since.
    pub(super) fn await_consumption(&mut self, now: Millis) {
        let since = self.republishes_at.take().unwrap_or_else(|| now.plus_ms(CONSUMED_WITHIN_MS));
        self.republishes_at = (self.consumed < self.published).then_some(since);
    }
}

const fn seat_state(status: Status) -> SeatState {
    match status {
        Status::Hold => SeatState::Held,
        Status::Confirmed => SeatState::Sold,
        Status::Cancelled | Status::Expired | Status::Refunded => SeatState::Available,
    }
}

/// A digest of 64 bits: 8 bytes a user instead of the id's 36 and a heap block. 16 bytes go in at a time, and each step can be
/// undone, so that nothing is lost before the last one. Among 200,000 users there are two with the same digest in one sale of a
/// billion; they would share the limit of one.
fn digest(user: &UserId) -> u64 {
    /// 2^128 divided by the golden ratio: odd, and without a pattern.
    const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    let (blocks, rest) = user.0.as_bytes().as_chunks::<16>();
    let mut last = [0; 16];
    last[..rest.len()].copy_from_slice(rest);
    let step = |hash: u128, block: &[u8; 16]| {
        let product = (hash ^ u128::from_le_bytes(*block)).wrapping_mul(FACTOR);
        product ^ (product >> 64)
    };
    let folded = blocks.iter().chain([&last]).fold(user.0.len() as u128, step);
    // The last step has put the high half into the low one.
    u64::try_from(folded & u128::from(u64::MAX)).unwrap_or_default()
}
