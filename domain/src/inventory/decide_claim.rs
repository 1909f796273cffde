//! Both sides of a reservation over several shards: what a shard keeps for others, and what home says of it.

use std::rc::Rc;

use super::{
    Admission, Change, Inventory, Reply, Wish,
    claim::{Claim, Claimed, FIRST_CHECK_MS, NEXT_CHECK_MS, Offer, Settlement, Standing, Word},
    decide_hold::{choose, free_or_taken, named_seats, seat_ids, section_index},
    draft::Draft,
    errand::Duty,
    reservation::Status,
    seats::SeatState,
};
use crate::{
    id::ReservationKey,
    machine::Decision,
    refusal::Refusal,
    seat_map::{Seat, SeatIds},
    time::Millis,
};

type Outcome = Result<Decision<Inventory>, Refusal>;

/// Keeps seats, an admission, or both for a reservation of another shard. Asked again, it keeps what it kept.
pub(super) fn claim(
    inventory: &Inventory,
    (key, stamp): (ReservationKey, u64),
    wish: Option<&Wish>,
    admission: Option<Admission>,
    now: Millis,
) -> Outcome {
    let event = inventory.configured()?;
    if inventory.claims.is_sold(key) {
        return Err(Refusal::ReservationNotHeld);
    }
    if let Some(known) = inventory.claims.held(key) {
        let changes = if stamp > known.stamp { vec![Change::Claimed(known.stamped(stamp))] } else { vec![] };
        return Ok(Decision { reply: kept(inventory, known), changes });
    }
    let (freed, told) = inventory.freed_and_told();
    if freed > told {
        // The book must hear that a seat is free before it hears that somebody else has it.
        return Err(Refusal::Overloaded);
    }
    if let Some(admission) = admission {
        may_use(inventory, admission, now)?;
    }
    let mut claim = Claim {
        key,
        stamp,
        seat_ids: SeatIds::from([]),
        section: None,
        quantity: 0,
        admission,
        sold: false,
        check_at: now.plus_ms(FIRST_CHECK_MS.min(u64::from(event.hold_ttl_sec) * 1000)),
    };
    if let Some(wish) = wish {
        let choice = match wish.seat_ids.as_deref() {
            Some(ids) => free_or_taken(inventory, own_seats(inventory, ids)?)?,
            None => {
                let section = wish.section.as_deref().map(|id| section_index(inventory, id)).transpose()?;
                choose(inventory, wish.quantity.unwrap_or(0), section, wish.together).ok_or(Refusal::SoldOut)?
            }
        };
        claim.seat_ids = seat_ids(inventory, wish, &choice);
        claim.section = choice.section().map(|index| inventory.map.sections()[index].id.clone());
        let named = u32::try_from(claim.seat_ids.len()).expect("an event has at most 200,000 seats");
        claim.quantity = if claim.section.is_some() { wish.quantity.unwrap_or(0) } else { named };
    }
    let claim = Rc::new(claim);
    Ok(Decision { reply: kept(inventory, &claim), changes: vec![Change::Claimed(claim)] })
}

/// Seats by their ids, all of them decided here.
fn own_seats(inventory: &Inventory, ids: &[String]) -> Result<Vec<Seat>, Refusal> {
    let seats = named_seats(inventory, ids)?;
    let foreign = seats.iter().zip(ids).filter(|(seat, _)| !inventory.owns(inventory.map.section_of(**seat)));
    let seat_ids: Vec<String> = foreign.map(|(_, id)| id.clone()).collect();
    if seat_ids.is_empty() { Ok(seats) } else { Err(Refusal::SeatNotFound { seat_ids }) }
}

/// Whether an admission that anybody may use is used by nobody.
fn may_use(inventory: &Inventory, admission: Admission, now: Millis) -> Result<(), Refusal> {
    if admission.ends_at <= now || inventory.ended.contains_key(&admission.number) {
        return Err(Refusal::NotAdmitted);
    }
    let used =
        inventory.hold_by_admission.contains_key(&admission.number) || inventory.claims.of_admission(admission.number).is_some();
    if used { Err(Refusal::ReservationLimit) } else { Ok(()) }
}

fn kept(inventory: &Inventory, claim: &Claim) -> Reply {
    let at = inventory.shard().map(|(here, _)| here).into_iter().collect();
    let Claim { seat_ids, section, quantity, .. } = claim;
    Reply::Claimed(Claimed { at, seat_ids: seat_ids.to_vec(), section: section.clone(), quantity: *quantity })
}

/// Home has spoken. What is about an earlier claim, or about none, is without effect.
pub(super) fn settle(inventory: &Inventory, words: &[Word]) -> Outcome {
    inventory.configured()?;
    let mut changes = Vec::new();
    for Word { key, stamp, to } in words {
        let Some(claim) = inventory.claims.find(*key).filter(|claim| claim.stamp <= *stamp) else { continue };
        if claim.sold && *to == Settlement::Sold {
            continue;
        }
        if let (Settlement::Sold, Some(admission)) = (to, claim.admission) {
            changes.push(Change::AdmissionEnded(admission));
        }
        changes.push(Change::Settled(Rc::new(claim.clone()), *to));
    }
    Ok(Decision { reply: Reply::Done {}, changes })
}

/// Home holds these reservations still: it is asked again at these instants.
pub(super) fn keep(inventory: &Inventory, until: &[(ReservationKey, Millis)]) -> Outcome {
    inventory.configured()?;
    let later = |(key, check_at): &(ReservationKey, Millis)| {
        let claim = inventory.claims.held(*key).filter(|claim| claim.check_at != *check_at)?;
        Some(Change::Claimed(Rc::new(Claim { check_at: *check_at, ..(**claim).clone() })))
    };
    Ok(Decision { reply: Reply::Done {}, changes: until.iter().filter_map(later).collect() })
}

/// A shard asks how a reservation stands for which it keeps something. The answer is stamped like a word that ends
/// claims, unless it is held.
pub(super) fn inquire(inventory: &Inventory, key: ReservationKey, shard: u32) -> Outcome {
    inventory.configured()?;
    let found = inventory.find(key).filter(|reservation| reservation.claimed_at.contains(&shard));
    let to = match found.map(|reservation| (reservation.status, reservation.hold_expires_at)) {
        Some((Status::Hold, until)) => {
            return Ok(Decision { reply: Reply::Standing(Standing::Held(until)), changes: vec![] });
        }
        Some((Status::Confirmed, _)) => Settlement::Sold,
        Some((Status::Cancelled | Status::Expired | Status::Refunded, _)) | None => Settlement::Free,
    };
    let stamp = inventory.next_stamp();
    let reply = Reply::Standing(Standing::Settled(Word { key, stamp, to }));
    Ok(Decision { reply, changes: vec![Change::Stamped(stamp)] })
}

/// What was claimed for a reservation that did not come about is given back; what it has after all stays.
pub(super) fn release(inventory: &Inventory, key: ReservationKey, at: &[u32], now: Millis) -> Outcome {
    let event = inventory.configured()?;
    let mut draft = Draft::new(inventory, event, now);
    let taking = inventory.find(key).filter(|reservation| reservation.status.takes_seats());
    let has = |shard: &u32| taking.is_some_and(|reservation| reservation.claimed_at.contains(shard));
    for shard in at.iter().filter(|shard| !has(shard)) {
        draft.owe(Duty::Settle { shard: *shard, key, to: Settlement::Free, after: 0 });
    }
    Ok(draft.reply(Reply::Done {}))
}

impl Inventory {
    /// The best that this shard has for a wish that names no section.
    #[must_use]
    pub fn offer(&self, wish: &Wish) -> Option<Offer> {
        let quantity = wish.quantity?;
        let section = |together: bool| {
            let choice = choose(self, quantity, None, together)?;
            let seat = choice.seats().first().map(|seat| self.map.section_of(*seat));
            choice.section().or(seat)
        };
        let adjacent = section(true).map(|section| Offer { apart: false, section });
        let apart = || section(false).map(|section| Offer { apart: true, section });
        adjacent.or_else(|| if wish.together { None } else { apart() })
    }

    /// Those of these seats that are taken.
    #[must_use]
    pub fn taken_of(&self, seat_ids: &[String]) -> Vec<String> {
        let taken = |id: &&String| {
            let seat = self.map.seat(id);
            seat.is_some_and(|seat| self.seats.state(seat) != SeatState::Available)
        };
        seat_ids.iter().filter(taken).cloned().collect()
    }

    /// The claims on these seats about which home is asked by `now` or a second later: the holds that may be over, as far
    /// as this shard can tell, are among them.
    #[must_use]
    pub fn overdue_claims(&self, seat_ids: &[String], now: Millis) -> Vec<ReservationKey> {
        let has = |claim: &Claim| claim.seat_ids.iter().any(|id| seat_ids.contains(id));
        let soon = self.checks_due(now.plus_ms(NEXT_CHECK_MS));
        soon.filter(|key| self.claims.held(*key).is_some_and(|claim| has(claim))).collect()
    }

    /// How the reservations stand that are held here, for a shard that asks; none for one that is not in memory.
    #[must_use]
    pub fn held_until(&self, key: ReservationKey, shard: u32) -> Option<Millis> {
        let reservation = self.live.get(&key).filter(|reservation| reservation.claimed_at.contains(&shard))?;
        Some(reservation.hold_expires_at)
    }
}
