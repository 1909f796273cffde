//! The claims that an inventory keeps: of a shard's seats by reservations of other shards, and in the book of all
//! seats by all reservations.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::{
    Command, Inventory,
    claim::{Claim, Settlement, Word},
    seats::SeatState,
};
use crate::{
    id::ReservationKey,
    spread::{Part, guard_of},
    time::Millis,
};

/// Claims in memory: those that are held. Of sold ones only the keys; [`Inventory::recall_claim`] brings the rest in.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims {
    held: BTreeMap<ReservationKey, Rc<Claim>>,
    sold: BTreeSet<ReservationKey>,
    by_admission: BTreeMap<u64, ReservationKey>,
    checks: BTreeSet<(Millis, ReservationKey)>,
    /// Sold ones, brought in for the command at hand.
    recalled: Vec<Claim>,
}

impl Claims {
    pub(super) fn held(&self, key: ReservationKey) -> Option<&Rc<Claim>> {
        self.held.get(&key)
    }

    pub(super) fn is_sold(&self, key: ReservationKey) -> bool {
        self.sold.contains(&key)
    }

    pub(super) fn find(&self, key: ReservationKey) -> Option<&Claim> {
        self.held.get(&key).map(Rc::as_ref).or_else(|| self.recalled.iter().find(|claim| claim.key == key))
    }

    /// Who uses an admission, by a claim.
    pub(super) fn of_admission(&self, admission: u64) -> Option<ReservationKey> {
        self.by_admission.get(&admission).copied()
    }

    pub(super) fn all_held(&self) -> impl Iterator<Item = &Rc<Claim>> {
        self.held.values()
    }

    pub(super) fn count_held(&self) -> usize {
        self.held.len()
    }

    fn forget(&mut self, key: ReservationKey) -> Option<Rc<Claim>> {
        let before = self.held.remove(&key)?;
        self.checks.remove(&(before.check_at, key));
        if let Some(admission) = before.admission {
            self.by_admission.remove(&admission.number);
        }
        Some(before)
    }

    fn keep(&mut self, claim: Rc<Claim>) {
        self.checks.insert((claim.check_at, claim.key));
        if let Some(admission) = claim.admission {
            self.by_admission.insert(admission.number, claim.key);
        }
        self.held.insert(claim.key, claim);
    }
}

impl Inventory {
    /// Which part of its event this is.
    #[must_use]
    pub const fn part(&self) -> Part {
        self.part
    }

    /// Whether the seats of a section are decided here.
    pub(super) fn owns(&self, section: usize) -> bool {
        self.event.as_ref().is_some_and(|event| event.part_of_section(section) == self.part)
    }

    /// Number of this shard, of how many; none where everything is in one object, and for the book.
    pub(super) fn shard(&self) -> Option<(u32, u32)> {
        match (self.part, &self.event) {
            (Part::Shard(shard), Some(event)) => Some((shard, event.shards)),
            _ => None,
        }
    }

    /// Whether this is the book of a spread event.
    #[must_use]
    pub fn is_book(&self) -> bool {
        self.part == Part::Root && self.event.as_ref().is_some_and(crate::event::Event::is_spread)
    }

    /// Where an admission is guarded that is not bound to a user, if that is another shard.
    pub(super) fn guard_elsewhere(&self, admission: u64) -> Option<u32> {
        let (here, shards) = self.shard()?;
        Some(guard_of(shards, admission)).filter(|guard| *guard != here)
    }

    /// The sold claims that `command` is about; [`Self::recall_claim`] brings them in.
    pub fn sold_claims_of<'a>(&'a self, command: &'a Command) -> impl Iterator<Item = ReservationKey> + 'a {
        let words: &[Word] = if let Command::Settle(words) = command { words } else { &[] };
        words.iter().map(|word| word.key).filter(|key| self.claims.is_sold(*key))
    }

    /// Brings in a claim that is sold.
    pub fn recall_claim(&mut self, claim: Claim) {
        self.claims.recalled.retain(|known| known.key != claim.key);
        self.claims.recalled.push(claim);
    }

    /// The next number that no word of this home has had: claims that it makes now are stamped with it.
    #[must_use]
    pub const fn next_stamp(&self) -> u64 {
        self.last_errand + 1
    }

    /// The claims about which home is asked by `now`, the most overdue first.
    pub fn checks_due(&self, now: Millis) -> impl Iterator<Item = ReservationKey> + '_ {
        self.claims.checks.iter().take_while(move |(at, _)| *at <= now).map(|(_, key)| *key)
    }

    /// When home is asked about a claim next.
    #[must_use]
    pub fn next_check(&self) -> Option<Millis> {
        let (Part::Shard(_), Some((at, _))) = (self.part, self.claims.checks.first()) else { return None };
        Some(*at)
    }

    /// The last entry of the ledger that freed seats of this shard, and the last that the book has.
    #[must_use]
    pub const fn freed_and_told(&self) -> (u64, u64) {
        (self.last_freed, self.told)
    }

    /// Takes a claim over, held or sold as it says.
    pub(super) fn put_claim(&mut self, claim: &Rc<Claim>) {
        let key = claim.key;
        let before = self.claims.forget(key);
        let from = if before.is_some() {
            SeatState::Held
        } else if self.claims.is_sold(key) {
            SeatState::Sold
        } else {
            SeatState::Available
        };
        self.move_claimed(claim, from, if claim.sold { SeatState::Sold } else { SeatState::Held });
        if claim.sold {
            self.claims.sold.insert(key);
        } else {
            self.claims.sold.remove(&key);
            self.claims.keep(Rc::clone(claim));
        }
    }

    /// What becomes of a claim; `claim` is as it was.
    pub(super) fn settle_claim(&mut self, claim: &Rc<Claim>, to: Settlement) {
        match to {
            Settlement::Sold => self.put_claim(&Rc::new(Claim { sold: true, ..(**claim).clone() })),
            Settlement::Free => {
                let held = self.claims.forget(claim.key).is_some();
                let sold = self.claims.sold.remove(&claim.key);
                if held || sold {
                    self.move_claimed(claim, if held { SeatState::Held } else { SeatState::Sold }, SeatState::Available);
                }
            }
        }
        self.claims.recalled.retain(|recalled| recalled.key != claim.key);
    }

    fn move_claimed(&mut self, claim: &Claim, from: SeatState, to: SeatState) {
        if from == to {
            return;
        }
        for id in claim.seat_ids.iter() {
            let seat = self.map.seat(id).expect("a claim's seats are on the map, which never loses one");
            assert_eq!(self.seats.state(seat), from, "a claim moves only seats that are its own or free");
            self.seats.set(self.map.section_of(seat), seat, to);
        }
        if let Some(section) = claim.section.as_ref().and_then(|id| self.map.section(id)) {
            self.seats.shift_places(section, from, to, claim.quantity);
        }
    }
}
