//! What a commit writes, gathered from all of its steps: a statement for each table, however many commands share it.

use std::collections::BTreeMap;

use domain::{
    id::ReservationKey,
    inventory::{
        Change,
        ledger::{Entry, EntryType, Notification},
        reservation::Reservation,
    },
    machine::Batch,
};
use shell::sql::{Sql, integer_value, json_value};
use worker::Result;

/// Counter: the last sequence that left the outbox.
pub(crate) const SENT: &str = "sent";
/// Counter: the last errand's id.
pub(crate) const LAST_ERRAND: &str = "last_errand";

/// The rows that a commit leaves. Where several steps change the same reservation, it is as after the last of them.
#[derive(Default)]
pub(crate) struct Written<'a> {
    /// With whether it took seats or gave them back.
    reservations: BTreeMap<ReservationKey, (&'a Reservation, bool)>,
    ledger: Vec<&'a Entry>,
    /// Each with its trace.
    outbox: Vec<(&'a str, &'a Notification)>,
    /// What is rare, in order.
    rest: Vec<&'a Change>,
}

impl<'a> Written<'a> {
    /// What `batch` writes; its commands belong to `traces`.
    pub(crate) fn new(batch: &Batch<'a, Change>, traces: &'a [String]) -> Self {
        let mut written = Self::default();
        for step in batch.steps {
            let trace = traces.get(step.command.unwrap_or_default()).map_or("", String::as_str);
            step.changes.iter().for_each(|change| written.gather(change, trace));
        }
        written
    }

    fn gather(&mut self, change: &'a Change, trace: &'a str) {
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
            Change::Notified(notification) => self.outbox.push((trace, notification)),
            Change::Configured(_) | Change::AdmissionEnded(_) | Change::Owed(_) | Change::Done(_) | Change::Sent(_) => {
                self.rest.push(change);
            }
        }
    }

    /// Writes it. Call it inside a transaction.
    ///
    /// # Errors
    /// Storage is broken, or a seat is taken by another reservation.
    pub(crate) fn save(&self, sql: &Sql) -> Result<()> {
        self.save_reservations(sql)?;
        self.save_seats(sql)?;
        let ledger: Vec<_> = self.ledger.iter().map(|entry| (entry.seq, entry)).collect();
        sql.exec_many("INSERT INTO ledger SELECT value ->> 0, value -> 1 FROM json_each(?)", &ledger)?;
        let outbox: Vec<_> = self.outbox.iter().map(|(trace, body)| (body.sequence, trace, body)).collect();
        sql.exec_many("INSERT INTO outbox SELECT value ->> 0, value ->> 1, value -> 2 FROM json_each(?)", &outbox)?;
        self.rest.iter().try_for_each(|change| save_rare(sql, change))
    }

    fn save_reservations(&self, sql: &Sql) -> Result<()> {
        let row = |(key, (reservation, _)): (&ReservationKey, &(&'a Reservation, bool))| {
            let Reservation { user, status, created_at, .. } = *reservation;
            (key.to_string(), user.as_str(), status.as_str(), *created_at, *reservation)
        };
        let rows: Vec<_> = self.reservations.iter().map(row).collect();
        let statement = "INSERT OR REPLACE INTO reservations
            SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value -> 4 FROM json_each(?)";
        sql.exec_many(statement, &rows)
    }

    /// Seats that were given back go first: another reservation of the same commit may have taken them since. A seat that
    /// two have violates the primary key and undoes the whole commit.
    fn save_seats(&self, sql: &Sql) -> Result<()> {
        let has_seats = |reservation: &Reservation| !reservation.seat_ids.is_empty();
        let moved = || self.reservations.iter().filter(|(_, (reservation, moved))| *moved && has_seats(reservation));
        let free = moved().filter(|(_, (reservation, _))| !reservation.status.takes_seats());
        let free: Vec<String> = free.map(|(key, _)| key.to_string()).collect();
        sql.exec_many("DELETE FROM taken WHERE reservation IN (SELECT value FROM json_each(?))", &free)?;
        let taken = moved().filter(|(_, (reservation, _))| reservation.status.takes_seats());
        let taken: Vec<_> = taken.map(|(key, (reservation, _))| (key.to_string(), &reservation.seat_ids)).collect();
        let statement = "INSERT INTO taken SELECT seat.value, row.value ->> 0
            FROM json_each(?) AS row, json_each(row.value, '$[1]') AS seat
            WHERE NOT EXISTS (SELECT 1 FROM taken WHERE seat_id = seat.value AND reservation = row.value ->> 0)";
        sql.exec_many(statement, &taken)
    }
}

fn save_rare(sql: &Sql, change: &Change) -> Result<()> {
    match change {
        Change::Configured(event) => sql.exec("INSERT OR REPLACE INTO event VALUES (0, ?)", vec![json_value(event)?]),
        Change::Blocked(entry) => {
            let statement = if entry.kind == EntryType::Blocked {
                "INSERT OR IGNORE INTO blocked SELECT value FROM json_each(?)"
            } else {
                "DELETE FROM blocked WHERE seat_id IN (SELECT value FROM json_each(?))"
            };
            sql.exec(statement, vec![json_value(&entry.seat_ids)?])
        }
        Change::AdmissionEnded(admission) => {
            let row = vec![integer_value(admission.number)?, integer_value(admission.ends_at.0)?];
            sql.exec("INSERT OR REPLACE INTO ended_admissions VALUES (?, ?)", row)
        }
        Change::Owed(errand) => {
            let row = vec![integer_value(errand.id)?, json_value(errand)?];
            sql.exec("INSERT OR REPLACE INTO errands VALUES (?, ?)", row)?;
            raise(sql, LAST_ERRAND, errand.id)
        }
        Change::Done(id) => sql.exec("DELETE FROM errands WHERE id = ?", vec![integer_value(*id)?]),
        Change::Sent(through) => {
            sql.exec("DELETE FROM outbox WHERE sequence <= ?", vec![integer_value(*through)?])?;
            sql.exec("INSERT OR REPLACE INTO counters VALUES (?, ?)", vec![SENT.into(), integer_value(*through)?])
        }
        // Gathered by table.
        Change::Moved(..) | Change::Updated(_) | Change::Notified(_) => Ok(()),
    }
}

/// Raises a counter to `value`, unless it is higher.
fn raise(sql: &Sql, counter: &'static str, value: u64) -> Result<()> {
    let statement = "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)";
    sql.exec(statement, vec![counter.into(), integer_value(value)?])
}
