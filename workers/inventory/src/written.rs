//! What a commit writes, gathered from all of its steps: a statement for each table, however many commands share it.

use std::collections::BTreeMap;

use domain::{
    effect::Pending,
    id::ReservationKey,
    inventory::{
        Change,
        effect::Effect,
        ledger::{Entry, EntryType, Notification},
        reservation::Reservation,
    },
    machine::Batch,
    time::Millis,
};
use shell::sql::{ROWS_PER_STATEMENT, Statement, json_value, many};
use worker::Result;

/// Counter: the last envelope that the queue `sale-events` took.
pub(crate) const PUBLISHED: &str = "published";
/// Counter: the last envelope that its reader dealt with.
pub(crate) const CONSUMED: &str = "consumed";
/// Counter: the last effect's id.
pub(crate) const LAST_EFFECT: &str = "last_effect";

/// The id of an effect only rises; the cursor may go back, to publish again.
const RAISE_OR_SET: &str = "INSERT INTO counters SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE TRUE
    ON CONFLICT (name) DO UPDATE SET value = iif(name = 'last_effect', max(value, excluded.value), excluded.value)";

/// The rows that a commit leaves. Where several steps change the same reservation, it is as after the last of them.
#[derive(Default)]
pub(crate) struct Written<'a> {
    /// With whether it took seats or gave them back.
    reservations: BTreeMap<ReservationKey, (&'a Reservation, bool)>,
    ledger: Vec<&'a Entry>,
    log: Vec<&'a Notification>,
    /// What is owed after the last step; none where it was performed.
    effects: BTreeMap<u64, Option<&'a Pending<Effect>>>,
    ended: BTreeMap<u64, Millis>,
    counters: BTreeMap<&'static str, u64>,
    /// What is rare, in order.
    rest: Vec<&'a Change>,
}

impl<'a> Written<'a> {
    /// What `batch` writes.
    pub(crate) fn new(batch: &Batch<'a, Change>) -> Self {
        let mut written = Self::default();
        batch.changes().for_each(|change| written.gather(change));
        written
    }

    fn gather(&mut self, change: &'a Change) {
        match change {
            Change::Moved(reservation, entry) => {
                self.reservations.insert(reservation.key, (reservation, true));
                self.ledger.push(entry);
            }
            Change::Updated(reservation) => {
                let moved = self.reservations.get(&reservation.key).is_some_and(|(_, moved)| *moved);
                self.reservations.insert(reservation.key, (reservation, moved));
            }
            Change::Blocked(entry) => {
                self.ledger.push(entry);
                self.rest.push(change);
            }
            Change::Notified(notification) => self.log.push(notification),
            Change::AdmissionEnded(admission) => drop(self.ended.insert(admission.number, admission.ends_at)),
            Change::Owed(pending) => {
                self.effects.insert(pending.id, Some(pending));
                let last = self.counters.entry(LAST_EFFECT).or_default();
                *last = pending.id.max(*last);
            }
            Change::Performed(id) => drop(self.effects.insert(*id, None)),
            Change::Published { through, .. } => drop(self.counters.insert(PUBLISHED, *through)),
            Change::Consumed { through, .. } => drop(self.counters.insert(CONSUMED, *through)),
            Change::Configured(_) => self.rest.push(change),
            // It is tried again after a restart in any case.
            Change::PublishingFailed(_) => {}
        }
    }

    /// The statements that write it, for one transaction. A seat that two have violates the primary key and undoes the whole
    /// commit.
    ///
    /// # Errors
    /// A row cannot be written as JSON.
    pub(crate) fn statements(&self) -> Result<Vec<Statement>> {
        let mut statements = self.reservation_rows()?;
        statements.extend(self.seat_rows()?);
        let ledger: Vec<_> = self.ledger.iter().map(|entry| (entry.seq, entry)).collect();
        let insert = "INSERT INTO ledger SELECT value ->> 0, value -> 1 FROM json_each(?)";
        statements.extend(many(insert, &ledger, ROWS_PER_STATEMENT)?);
        let log: Vec<_> = self.log.iter().map(|envelope| (envelope.sequence, envelope.time.0, envelope)).collect();
        let insert = "INSERT INTO log SELECT value ->> 0, value ->> 1, value -> 2 FROM json_each(?)";
        statements.extend(many(insert, &log, ROWS_PER_STATEMENT)?);
        statements.extend(self.effect_rows()?);
        let ended: Vec<_> = self.ended.iter().collect();
        let insert = "INSERT OR REPLACE INTO ended_admissions SELECT value ->> 0, value ->> 1 FROM json_each(?)";
        statements.extend(many(insert, &ended, ROWS_PER_STATEMENT)?);
        let counters: Vec<_> = self.counters.iter().collect();
        statements.extend(many(RAISE_OR_SET, &counters, ROWS_PER_STATEMENT)?);
        let rare = self.rest.iter().map(|change| rare(change));
        statements.extend(rare.collect::<Result<Vec<_>>>()?.into_iter().flatten());
        Ok(statements)
    }

    fn reservation_rows(&self) -> Result<Vec<Statement>> {
        let row = |(key, (reservation, _)): (&ReservationKey, &(&'a Reservation, bool))| {
            let Reservation { user, status, created_at, .. } = *reservation;
            (key.to_string(), user.as_str(), status.as_str(), *created_at, *reservation)
        };
        let rows: Vec<_> = self.reservations.iter().map(row).collect();
        let statement = "INSERT OR REPLACE INTO reservations
            SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value -> 4 FROM json_each(?)";
        many(statement, &rows, ROWS_PER_STATEMENT)
    }

    fn effect_rows(&self) -> Result<Vec<Statement>> {
        let performed: Vec<_> = self.effects.iter().filter(|(_, owed)| owed.is_none()).map(|(id, _)| id).collect();
        let delete = "DELETE FROM effects WHERE id IN (SELECT value FROM json_each(?))";
        let mut statements = many(delete, &performed, ROWS_PER_STATEMENT)?;
        let owed: Vec<_> = self.effects.values().flatten().map(|pending| (pending.id, pending)).collect();
        let insert = "INSERT OR REPLACE INTO effects SELECT value ->> 0, value -> 1 FROM json_each(?)";
        statements.extend(many(insert, &owed, ROWS_PER_STATEMENT)?);
        Ok(statements)
    }

    /// Seats that were given back go first: another reservation of the same commit may have taken them since. A seat that
    /// two have violates the primary key and undoes the whole commit.
    fn seat_rows(&self) -> Result<Vec<Statement>> {
        let has_seats = |reservation: &Reservation| !reservation.seat_ids.is_empty();
        let moved = || self.reservations.iter().filter(|(_, (reservation, moved))| *moved && has_seats(reservation));
        let free = moved().filter(|(_, (reservation, _))| !reservation.status.takes_seats());
        let free: Vec<_> = free.map(|(key, (reservation, _))| (key.to_string(), &reservation.seat_ids)).collect();
        let statement = "DELETE FROM taken WHERE (seat_id, reservation) IN (SELECT seat.value, row.value ->> 0
            FROM json_each(?) AS row, json_each(row.value, '$[1]') AS seat)";
        let mut statements = many(statement, &free, ROWS_PER_STATEMENT)?;
        let taken = moved().filter(|(_, (reservation, _))| reservation.status.takes_seats());
        let taken: Vec<_> = taken.map(|(key, (reservation, _))| (key.to_string(), &reservation.seat_ids)).collect();
        let statement = "INSERT INTO taken SELECT seat.value, row.value ->> 0
            FROM json_each(?) AS row, json_each(row.value, '$[1]') AS seat
            WHERE NOT EXISTS (SELECT 1 FROM taken WHERE seat_id = seat.value AND reservation = row.value ->> 0)";
        statements.extend(many(statement, &taken, ROWS_PER_STATEMENT)?);
        Ok(statements)
    }
}

fn rare(change: &Change) -> Result<Option<Statement>> {
    Ok(match change {
        Change::Configured(event) => Some(("INSERT OR REPLACE INTO event VALUES (0, ?)", vec![json_value(event)?])),
        Change::Blocked(entry) => {
            let statement = if entry.kind == EntryType::Blocked {
                "INSERT OR IGNORE INTO blocked SELECT value FROM json_each(?)"
            } else {
                "DELETE FROM blocked WHERE seat_id IN (SELECT value FROM json_each(?))"
            };
            Some((statement, vec![json_value(&entry.seat_ids)?]))
        }
        // Gathered by table.
        _ => None,
    })
}
