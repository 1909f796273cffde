//! The book of a spread event: what its shards did, in one order.

use std::rc::Rc;

use serde_json::Value;

use super::{
    Change, Inventory, Reply,
    claim::{Claim, Settlement},
    ledger::{Entry, EntryType, Forwarded},
};
use crate::{machine::Decision, refusal::Refusal, spread::Part, time::Millis};

type Outcome = Result<Decision<Inventory>, Refusal>;

/// How far the book has taken over what a shard did: the sequences of its last entry and of its last notification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Of its ledger.
    pub seq: u64,
    /// Of its notifications.
    pub sequence: u64,
}

/// Where each shard stands, by its number.
pub(super) type Positions = Vec<Merged>;

/// Takes over what follows on what is known; what came before is without effect. A gap is refused.
pub(super) fn merge(inventory: &Inventory, shard: u32, entries: &[Entry], envelopes: &[Value]) -> Outcome {
    let event = inventory.configured()?;
    if inventory.part != Part::Root || shard >= event.shards {
        return Err(gap("shard"));
    }
    let mut merged = inventory.merged.get(shard as usize).copied().unwrap_or_default();
    let (mut seq, mut sequence) = (inventory.seq, inventory.sequence);
    let mut changes = Vec::new();
    for entry in entries.iter().filter(|entry| entry.seq > merged.seq).collect::<Vec<_>>() {
        if entry.seq != merged.seq + 1 {
            return Err(gap("entries"));
        }
        merged.seq = entry.seq;
        seq += 1;
        record(Entry { seq, ..entry.clone() }, &mut changes);
    }
    for envelope in envelopes {
        let theirs = envelope["sequence"].as_u64().unwrap_or(0);
        if theirs <= merged.sequence {
            continue;
        }
        if theirs != merged.sequence + 1 {
            return Err(gap("envelopes"));
        }
        merged.sequence = theirs;
        sequence += 1;
        changes.push(Change::Forwarded(Forwarded::new(&event.event_id, sequence, envelope)));
    }
    if !changes.is_empty() {
        changes.push(Change::Merged(shard, merged));
    }
    Ok(Decision { reply: Reply::Done {}, changes })
}

fn gap(field: &str) -> Refusal {
    Refusal::Invalid { field: field.to_owned(), problem: "does not follow on what the book has".to_owned() }
}

/// What an entry says becomes of seats, and the entry itself.
fn record(entry: Entry, changes: &mut Vec<Change>) {
    let Some(reservation) = &entry.reservation_id else {
        changes.push(Change::Blocked(entry));
        return;
    };
    let claim = Claim {
        key: reservation.key,
        stamp: 0,
        seat_ids: Rc::clone(&entry.seat_ids),
        section: entry.section.clone(),
        quantity: entry.quantity,
        admission: None,
        sold: entry.kind == EntryType::Confirmed,
        check_at: Millis::MAX,
    };
    changes.push(match entry.kind {
        EntryType::Cancelled | EntryType::Expired | EntryType::Refunded => Change::Settled(Rc::new(claim), Settlement::Free),
        EntryType::Created | EntryType::Confirmed | EntryType::Blocked | EntryType::Unblocked => Change::Claimed(Rc::new(claim)),
    });
    changes.push(Change::Recorded(entry));
}
