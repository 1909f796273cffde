//! How an inventory stands, for whoever asks.

use std::collections::BTreeMap;

use super::{
    feed::{DELTAS_KEPT, Delta, SeatChanges, SectionStates},
    ledger::Entry,
    reservation::Status,
    seats::{SeatState, Seats},
    state::Inventory,
};
use crate::{
    event::Event,
    refusal::Refusal,
    seat_map::{MapSection, SeatMap},
    stock::Stock,
    time::Millis,
};

impl Inventory {
    /// The event, once configured.
    #[must_use]
    pub const fn event(&self) -> Option<&Event> {
        self.event.as_ref()
    }

    /// The seats' places.
    #[must_use]
    pub const fn map(&self) -> &SeatMap {
        &self.map
    }

    /// The seats' states.
    #[must_use]
    pub const fn seats(&self) -> &Seats {
        &self.seats
    }

    /// The last ledger sequence.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// Number of live holds.
    #[must_use]
    pub fn holds(&self) -> usize {
        self.live.len()
    }

    /// The sequence of the last envelope.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The sequences of the last envelope that was published, and of the last that was dealt with since.
    #[must_use]
    pub const fn published(&self) -> (u64, u64) {
        (self.published, self.consumed)
    }

    /// What the queue needs to know at `now`.
    ///
    /// # Errors
    /// Not configured.
    pub fn stock(&self, now: Millis) -> Result<Stock, Refusal> {
        let event = self.configured()?;
        let totals = self.seats.totals();
        let available = totals.of(SeatState::Available);
        Ok(Stock {
            available,
            holding: u32::try_from(self.holds()).unwrap_or(u32::MAX),
            sold_out: available == 0 && totals.of(SeatState::Held) == 0,
            closed: event.is_closed(now),
        })
    }

    /// The epoch (version of the event) and the last sequence of the ledger; none before it is configured.
    #[must_use]
    pub fn stands_at(&self) -> Option<(u64, u64)> {
        self.event.as_ref().map(|event| (event.version, self.seq))
    }

    /// Whether somebody who stands at `known` lacks something.
    #[must_use]
    pub fn has_changed(&self, known: Option<(u64, u64)>) -> bool {
        known.is_none() || known != self.stands_at()
    }

    /// The entry of the ledger after which [`Self::changes`] wants entries, at most [`DELTAS_KEPT`] of them.
    #[must_use]
    pub fn changed_since(&self, known: Option<(u64, u64)>) -> u64 {
        self.followed(known).unwrap_or_else(|| self.seq.saturating_sub(DELTAS_KEPT))
    }

    /// What somebody lacks who stands at `known`, given the `entries` behind [`Self::changed_since`].
    #[must_use]
    pub fn changes(&self, known: Option<(u64, u64)>, entries: &[Entry]) -> SeatChanges {
        SeatChanges {
            epoch: self.epoch(),
            seq: self.seq,
            remaining: self.seats.totals().of(SeatState::Available),
            sections: self.followed(known).is_none().then(|| self.section_states()),
            deltas: entries.iter().map(|entry| Delta::new(entry, &self.map)).collect(),
        }
    }

    /// The sequence that is known, where the ledger leads on from it in one answer.
    fn followed(&self, known: Option<(u64, u64)>) -> Option<u64> {
        let (epoch, seq) = known?;
        (epoch == self.epoch() && seq <= self.seq && self.seq - seq <= DELTAS_KEPT).then_some(seq)
    }

    fn epoch(&self) -> u64 {
        self.event.as_ref().map_or(0, |event| event.version)
    }

    /// The states of every seat, section by section.
    #[must_use]
    pub fn section_states(&self) -> Vec<SectionStates> {
        let digit = |state: &SeatState| char::from(b'0' + *state as u8);
        let states = |section: &MapSection| self.seats.states(section).iter().map(digit).collect();
        self.map.sections().iter().map(|section| SectionStates { id: section.id.clone(), states: states(section) }).collect()
    }

    /// Recounts everything and panics where an invariant is broken. For tests and the simulation: it walks all seats.
    pub fn check(&self) {
        for (index, section) in self.map.sections().iter().enumerate() {
            let counts = self.seats.counts(index);
            assert_eq!(counts.total(), section.total(), "available + held + sold + blocked = total in {}", section.id);
            for state in [SeatState::Available, SeatState::Held, SeatState::Sold, SeatState::Blocked] {
                let walked = self.seats.states(section).iter().filter(|seat| **seat == state).count();
                assert!(section.is_general() || walked == counts.of(state) as usize, "{state:?} seats of {}", section.id);
            }
        }
        let mut holders = BTreeMap::new();
        for reservation in self.live.values() {
            assert_eq!(reservation.status, Status::Hold, "only holds are live");
            assert!(self.deadlines.contains(&(reservation.hold_expires_at, reservation.key)), "every hold has its deadline");
            for seat in &reservation.seats {
                assert_eq!(self.seats.state(*seat), SeatState::Held, "a hold's seat is held");
                assert_eq!(holders.insert(*seat, reservation.key), None, "a seat has one holder");
            }
        }
        let held = self.seats.taken().filter(|(_, state)| *state == SeatState::Held).count();
        assert_eq!(holders.len(), held, "a held seat has a hold");
        assert_eq!(self.deadlines.len(), self.live.len(), "a deadline has a hold");
        assert_eq!(self.hold_by_admission.len(), self.live.len(), "an admission has one hold at a time");
    }
}
