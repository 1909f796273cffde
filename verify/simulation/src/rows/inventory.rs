use std::collections::{BTreeMap, BTreeSet};

use actors::ask::Object;
use domain::{
    effect::Pending,
    event::Event,
    id::ReservationKey,
    invariants::{Verdict, Witness},
    inventory::{
        Admission, Change, Command, Inventory, Query, Rows as Kept,
        effect::Effect,
        ledger::{Entry, EntryType},
        reservation::{OrderView, Reservation, ReservationView},
    },
    machine::Answer,
    refusal::Refusal,
    time::Millis,
};
use serde_json::Value;

use super::{Rows, reread};

/// The tables of an inventory.
#[derive(Clone, Debug, Default)]
pub struct InventoryRows {
    event: Option<Event>,
    reservations: BTreeMap<ReservationKey, Reservation>,
    /// The primary key is the last guard against selling a seat twice.
    taken: BTreeMap<String, ReservationKey>,
    blocked: BTreeSet<String>,
    seq: u64,
    ledger: BTreeMap<u64, Entry>,
    /// Envelopes as they leave, with when they were written.
    log: BTreeMap<u64, (Millis, Value)>,
    effects: BTreeMap<u64, Pending<Effect>>,
    ended: BTreeMap<u64, Millis>,
    published: u64,
    consumed: u64,
    last_effect: u64,
}

impl InventoryRows {
    fn save_seats(&mut self, key: ReservationKey, seat_ids: &[String]) -> Result<(), String> {
        for seat in seat_ids {
            match self.taken.insert(seat.clone(), key) {
                Some(taker) if taker != key => return Err(format!("{seat} is taken by {taker}")),
                _ => {}
            }
        }
        Ok(())
    }

    fn free_seats(&mut self, key: ReservationKey, seat_ids: &[String]) {
        for seat in seat_ids {
            if self.taken.get(seat) == Some(&key) {
                self.taken.remove(seat);
            }
        }
    }
}

impl Rows for InventoryRows {
    type Machine = Inventory;

    fn load(&self) -> Inventory {
        Inventory::restore(Kept {
            event: self.event.as_ref().map(reread),
            blocked: self.blocked.iter().cloned().collect(),
            taking: self.reservations.values().filter(|reservation| reservation.status.takes_seats()).map(reread).collect(),
            ended: self.ended.iter().map(|(number, ends_at)| Admission { number: *number, ends_at: *ends_at }).collect(),
            effects: self.effects.values().map(reread).collect(),
            seq: self.seq,
            sequence: self.log.keys().next_back().copied().unwrap_or(0),
            behind_since: self.log.range(self.consumed + 1..).next().map_or(Millis(0), |(_, (at, _))| *at),
            published: self.published.max(self.consumed),
            consumed: self.consumed,
            last_effect: self.last_effect,
        })
    }

    fn write(&mut self, change: &Change) -> Result<(), String> {
        match change {
            Change::Configured(event) => self.event = Some((**event).clone()),
            Change::Moved(reservation, entry) => {
                let seat_ids = &reservation.seat_ids;
                if reservation.status.takes_seats() {
                    self.save_seats(reservation.key, seat_ids)?;
                } else {
                    self.free_seats(reservation.key, seat_ids);
                }
                self.reservations.insert(reservation.key, (**reservation).clone());
                if entry.seq != self.seq + 1 {
                    return Err(format!("ledger entry {} follows {}", entry.seq, self.seq));
                }
                self.seq = entry.seq;
                self.ledger.insert(entry.seq, entry.clone());
            }
            Change::Updated(reservation) => drop(self.reservations.insert(reservation.key, (**reservation).clone())),
            Change::Blocked(entry) => {
                if entry.kind == EntryType::Blocked {
                    self.blocked.extend(entry.seat_ids.iter().cloned());
                } else {
                    self.blocked.retain(|seat| !entry.seat_ids.contains(seat));
                }
                self.seq = entry.seq;
                self.ledger.insert(entry.seq, entry.clone());
            }
            Change::Notified(notification) => {
                let envelope = serde_json::to_value(notification).expect("plain data with text keys");
                self.log.insert(notification.sequence, (notification.time.0, envelope));
            }
            Change::AdmissionEnded(admission) => drop(self.ended.insert(admission.number, admission.ends_at)),
            Change::Owed(pending) => {
                self.last_effect = self.last_effect.max(pending.id);
                self.effects.insert(pending.id, (**pending).clone());
            }
            Change::Performed(id) => drop(self.effects.remove(id)),
            Change::Published { through, .. } => self.published = *through,
            Change::Consumed { through, .. } => self.consumed = *through,
            Change::PublishingFailed(_) => {}
        }
        Ok(())
    }

    fn recall(&self, inventory: &mut Inventory, command: &Command) {
        let found = inventory.missing(command).and_then(|key| self.reservations.get(&key));
        found.into_iter().for_each(|reservation| inventory.recall(reread(reservation)));
    }

    fn testify(witness: &mut Witness, _object: &Object, changes: &[Change], now: Millis) -> Verdict {
        witness.inventory_saved(changes, now)
    }

    fn log(&self, after: u64, limit: u32) -> Vec<(u64, String)> {
        let behind = self.log.range(after + 1..).take(limit as usize);
        behind.map(|(sequence, (_, envelope))| (*sequence, envelope.to_string())).collect()
    }

    fn logged_before(&self, at: Millis) -> u64 {
        self.log.iter().take_while(|(_, (logged_at, _))| *logged_at < at).last().map_or(0, |(sequence, _)| *sequence)
    }

    fn ledger(&self, after: u64, limit: u64) -> Vec<Entry> {
        self.ledger.range(after + 1..).take(limit as usize).map(|(_, entry)| reread(entry)).collect()
    }

    fn reservation(&self, query: &Query) -> Option<Answer> {
        let event_id = &self.event.as_ref()?.event_id;
        let (key, user, missing) = match query {
            Query::Reservation { key, user } => (key, user, Refusal::ReservationNotFound),
            Query::Order { key, user } => (key, user, Refusal::OrderNotFound),
            _ => return None,
        };
        let body = match self.reservations.get(key) {
            None => return Some(Answer::Refused(missing)),
            Some(found) if found.user != *user => return Some(Answer::Refused(Refusal::Forbidden)),
            Some(found) if matches!(query, Query::Order { .. }) => match OrderView::new(event_id, found) {
                Some(order) => serde_json::to_vec(&order),
                None => return Some(Answer::Refused(missing)),
            },
            Some(found) => serde_json::to_vec(&ReservationView::new(event_id, found)),
        };
        Some(Answer::Granted { body: body.expect("views are plain data with text keys"), replayed: false })
    }
}
