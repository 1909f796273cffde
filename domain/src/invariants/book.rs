//! What the book of a spread event says: the lines that it wrote, replayed by themselves.

use std::collections::BTreeMap;

use super::{
    Invariant, Verdict, hold,
    seats::{Places, Taker},
};
use crate::{
    id::ReservationKey,
    inventory::ledger::{Entry, EntryType},
};

/// Who has which seat by the book.
#[derive(Clone, Debug, Default)]
pub(super) struct BookWitness {
    takers: BTreeMap<String, Taker>,
    /// Section, number, and whether they are sold, of those in general sections.
    places: BTreeMap<ReservationKey, (String, u32, bool)>,
}

impl BookWitness {
    /// One more line.
    ///
    /// # Errors
    /// It cannot follow on the lines before it.
    pub(super) fn recorded(&mut self, entry: &Entry) -> Verdict {
        let key = entry.reservation_id.as_ref().map(|id| id.key);
        for seat in entry.seat_ids.iter() {
            let before = self.takers.get(seat).copied();
            let may = match (entry.kind, key) {
                (EntryType::Created | EntryType::Blocked, _) => before.is_none(),
                (EntryType::Confirmed, Some(key)) => before.is_none_or(|taker| taker == Taker::Held(key)),
                (EntryType::Cancelled | EntryType::Expired, Some(key)) => before == Some(Taker::Held(key)),
                (EntryType::Refunded, Some(key)) => before == Some(Taker::Sold(key)),
                (EntryType::Unblocked, _) => before == Some(Taker::Blocked),
                _ => false,
            };
            hold(Invariant::LedgerIsTruth, may, || format!("{:?} of {seat} follows on {before:?} in the book", entry.kind))?;
            let after = match (entry.kind, key) {
                (EntryType::Created, Some(key)) => Some(Taker::Held(key)),
                (EntryType::Confirmed, Some(key)) => Some(Taker::Sold(key)),
                (EntryType::Blocked, _) => Some(Taker::Blocked),
                _ => None,
            };
            match after {
                Some(taker) => drop(self.takers.insert(seat.clone(), taker)),
                None => drop(self.takers.remove(seat)),
            }
        }
        if let (Some(section), Some(key)) = (&entry.section, key) {
            let before = self.places.remove(&key).map(|(_, _, sold)| sold);
            let (may, after) = match entry.kind {
                EntryType::Created => (before.is_none(), Some(false)),
                EntryType::Confirmed => (before != Some(true), Some(true)),
                EntryType::Refunded => (before == Some(true), None),
                _ => (before == Some(false), None),
            };
            hold(Invariant::LedgerIsTruth, may, || format!("{:?} of {key} in the book, sold: {before:?}", entry.kind))?;
            self.places.extend(after.map(|sold| (key, (section.clone(), entry.quantity, sold))));
        }
        Ok(())
    }

    /// Whether it says the same as all shards together, once all of them have told it everything.
    ///
    /// # Errors
    /// It does not.
    pub(super) fn says(&self, takers: &BTreeMap<String, Taker>, places: &BTreeMap<String, Places>) -> Verdict {
        let odd = takers.iter().find(|(seat, taker)| self.takers.get(*seat) != Some(taker));
        let gone = self.takers.iter().find(|(seat, _)| !takers.contains_key(*seat));
        hold(Invariant::LedgerIsTruth, odd.is_none() && gone.is_none(), || format!("the book lacks {odd:?} and has {gone:?}"))?;
        for (section, places) in places {
            let (mut held, mut sold) = (0, 0);
            for (_, quantity, is_sold) in self.places.values().filter(|(of, ..)| of == section) {
                if *is_sold { sold += quantity } else { held += quantity }
            }
            let same = (held, sold) == (places.held, places.sold);
            hold(Invariant::LedgerIsTruth, same, || format!("{section} has {places:?}, in the book {held} and {sold}"))?;
        }
        Ok(())
    }

    /// Held and sold places of a general section.
    pub(super) fn places_of(&self, section: &str) -> (u32, u32) {
        let of = |wanted: bool| {
            let those = self.places.values().filter(|(of, _, sold)| of == section && *sold == wanted);
            those.map(|(_, quantity, _)| quantity).sum()
        };
        (of(false), of(true))
    }

    pub(super) const fn takers(&self) -> &BTreeMap<String, Taker> {
        &self.takers
    }
}
