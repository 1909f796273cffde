use std::collections::{BTreeMap, BTreeSet};

use domain::{
    event::Event,
    id::ReservationKey,
    invariants::{Verdict, Witness},
    inventory::{
        Admission, Change, Command, Inventory, Merged, Query, Rows as Kept,
        claim::{Claim, Settlement},
        errand::Errand,
        ledger::{Entry, EntryType},
        reservation::{OrderView, Reservation, ReservationView},
    },
    machine::Answer,
    refusal::Refusal,
    spread::Part,
    time::Millis,
};
use protocol::ask::Object;
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
    /// Envelopes as they leave.
    outbox: BTreeMap<u64, Value>,
    errands: BTreeMap<u64, Errand>,
    ended: BTreeMap<u64, Millis>,
    sent: u64,
    last_errand: u64,
    claims: BTreeMap<ReservationKey, Claim>,
    told: u64,
    merged: BTreeMap<u32, Merged>,
}

impl InventoryRows {
    fn restore(&self, part: Part) -> Inventory {
        Inventory::restore(Kept {
            part,
            event: self.event.as_ref().map(reread),
            blocked: self.blocked.iter().cloned().collect(),
            taking: self.reservations.values().filter(|reservation| reservation.status.takes_seats()).map(reread).collect(),
            ended: self.ended.iter().map(|(number, ends_at)| Admission { number: *number, ends_at: *ends_at }).collect(),
            errands: self.errands.values().map(reread).collect(),
            seq: self.seq,
            sequence: self.sent.max(self.outbox.keys().next_back().copied().unwrap_or(0)),
            sent: self.sent,
            last_errand: self.last_errand,
            claims: self.claims.values().map(reread).collect(),
            told: self.told,
            merged: self.merged.iter().map(|(shard, merged)| (*shard, *merged)).collect(),
        })
    }

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

/// Which part of its event's inventory an object is.
fn part_of(object: &Object) -> Part {
    match object {
        Object::Shard(_, shard) => Part::Shard(*shard),
        _ => Part::Root,
    }
}

impl Rows for InventoryRows {
    type Machine = Inventory;

    fn load(&self) -> Inventory {
        self.restore(Part::Root)
    }

    fn load_as(&self, object: &Object) -> Inventory {
        self.restore(part_of(object))
    }

    fn write(&mut self, change: &Change) -> Result<(), String> {
        match change {
            Change::Configured(event) => self.event = Some((**event).clone()),
            Change::Moved(reservation, entry) => {
                let seat_ids: &[String] = if reservation.is_spread() { &[] } else { &reservation.seat_ids };
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
                self.outbox.insert(notification.sequence, envelope);
            }
            Change::Forwarded(forwarded) => drop(self.outbox.insert(forwarded.sequence, forwarded.envelope.clone())),
            Change::AdmissionEnded(admission) => drop(self.ended.insert(admission.number, admission.ends_at)),
            Change::Owed(errand) => {
                self.last_errand = self.last_errand.max(errand.id);
                self.errands.insert(errand.id, (**errand).clone());
            }
            Change::Done(id) => drop(self.errands.remove(id)),
            Change::Sent(through) => {
                self.outbox = self.outbox.split_off(&(through + 1));
                self.sent = *through;
            }
            Change::Claimed(claim) => {
                self.save_seats(claim.key, &claim.seat_ids)?;
                self.claims.insert(claim.key, (**claim).clone());
            }
            Change::Settled(claim, Settlement::Sold) => {
                self.claims.insert(claim.key, Claim { sold: true, ..(**claim).clone() });
            }
            Change::Settled(claim, Settlement::Free) => {
                self.free_seats(claim.key, &claim.seat_ids);
                self.claims.remove(&claim.key);
            }
            Change::Stamped(number) => self.last_errand = self.last_errand.max(*number),
            Change::Recorded(entry) => {
                self.seq = entry.seq;
                self.ledger.insert(entry.seq, entry.clone());
            }
            Change::Merged(shard, merged) => drop(self.merged.insert(*shard, *merged)),
            Change::Told(seq) => self.told = *seq,
        }
        Ok(())
    }

    fn recall(&self, inventory: &mut Inventory, command: &Command) {
        let found = inventory.missing(command).and_then(|key| self.reservations.get(&key));
        found.into_iter().for_each(|reservation| inventory.recall(reread(reservation)));
        let sold: Vec<ReservationKey> = inventory.sold_claims_of(command).collect();
        sold.iter().filter_map(|key| self.claims.get(key)).for_each(|claim| inventory.recall_claim(reread(claim)));
    }

    fn testify(witness: &mut Witness, object: &Object, changes: &[Change], now: Millis) -> Verdict {
        witness.part_saved(part_of(object), changes, now)
    }

    fn outbox(&self, limit: u32) -> Vec<(u64, String)> {
        self.outbox.iter().take(limit as usize).map(|(sequence, envelope)| (*sequence, envelope.to_string())).collect()
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
