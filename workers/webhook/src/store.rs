//! The rows of an endpoint.
//!
//! | Table | A row is |
//! |---|---|
//! | `endpoint` | where to deliver to, once |
//! | `lines` | what is known of one event |
//! | `letters` | an envelope that waits |
//! | `dead_letters` | one that could not be delivered |

use domain::{
    delivery::{Change, DEAD_MAX, DeadLetter, Delivery, Due, Endpoint, Letter, Line},
    id::EventId,
    idempotency::{Idempotency, Record},
    machine::{Batch, Store},
    time::{Millis, Timestamp},
};
use shell::sql::{Row, Sql, integer, integer_value, json, json_value, text};
use worker::{Error, Result};

const MIGRATIONS: &[&str] = &["
    CREATE TABLE endpoint (id INTEGER PRIMARY KEY CHECK (id = 0), url TEXT NOT NULL, secret TEXT NOT NULL);
    CREATE TABLE lines (event_id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE letters (
        event_id TEXT NOT NULL, sequence INTEGER NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
        queued_at INTEGER NOT NULL, attempt INTEGER NOT NULL, due_at INTEGER NOT NULL, PRIMARY KEY (event_id, sequence)
    ) WITHOUT ROWID;
    CREATE TABLE dead_letters (
        number INTEGER PRIMARY KEY, event_id TEXT NOT NULL, sequence INTEGER NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL,
        body TEXT NOT NULL, attempts INTEGER NOT NULL, problem TEXT NOT NULL, failed_at INTEGER NOT NULL
    );
"];

/// Reads and writes the rows of one endpoint.
pub(crate) struct WebhookStore {
    sql: Sql,
}

impl WebhookStore {
    pub(crate) const fn new(sql: Sql) -> Self {
        Self { sql }
    }

    /// The envelope of a letter that waits.
    pub(crate) fn body(&self, due: &Due) -> Result<String> {
        let letter = vec![due.event_id.as_str().into(), integer_value(due.sequence)?];
        let rows = self.sql.rows("SELECT body FROM letters WHERE event_id = ? AND sequence = ?", letter)?;
        let row = rows.first().ok_or_else(|| Error::from("a letter that waits has a row"))?;
        text(row, 0).map(str::to_owned)
    }

    fn save_change(&self, change: &Change) -> Result<()> {
        match change {
            Change::Directed { endpoint, at } => {
                let row = vec![endpoint.url.as_str().into(), endpoint.secret.as_str().into()];
                self.sql.exec("INSERT OR REPLACE INTO endpoint VALUES (0, ?, ?)", row)?;
                self.sql.exec("UPDATE letters SET attempt = 1, due_at = ?", vec![integer_value(at.0)?])
            }
            Change::Queued { envelope, at, line } => {
                let at = integer_value(at.0)?;
                let row = vec![
                    envelope.event_id.as_str().into(),
                    integer_value(envelope.sequence)?,
                    envelope.id.as_str().into(),
                    envelope.kind.as_str().into(),
                    envelope.body.as_str().into(),
                    at.clone(),
                    integer_value(1)?,
                    at,
                ];
                self.sql.exec("INSERT OR REPLACE INTO letters VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)?;
                self.save_line(&envelope.event_id, line)
            }
            Change::Delivered { event_id, sequence, line } => {
                self.delete_letter(event_id, *sequence)?;
                self.save_line(event_id, line)
            }
            Change::Postponed { event_id, sequence, attempt, due_at } => {
                let row = vec![
                    integer_value((*attempt).into())?,
                    integer_value(due_at.0)?,
                    event_id.as_str().into(),
                    integer_value(*sequence)?,
                ];
                self.sql.exec("UPDATE letters SET attempt = ?, due_at = ? WHERE event_id = ? AND sequence = ?", row)
            }
            Change::Died { number, letter, line } => {
                self.bury(*number, letter)?;
                self.delete_letter(&letter.event_id, letter.sequence)?;
                self.save_line(&letter.event_id, line)
            }
            Change::Redriven { number, letter, .. } => self.revive(*number, letter),
            Change::Forgotten { event_id } => {
                self.sql.exec("DELETE FROM lines WHERE event_id = ?", vec![event_id.as_str().into()])
            }
            Change::Dropped => {
                let everything = ["DELETE FROM endpoint", "DELETE FROM lines", "DELETE FROM letters", "DELETE FROM dead_letters"];
                everything.into_iter().try_for_each(|statement| self.sql.exec(statement, vec![]))
            }
        }
    }

    fn save_line(&self, event_id: &EventId, line: &Line) -> Result<()> {
        self.sql.exec("INSERT OR REPLACE INTO lines VALUES (?, ?)", vec![event_id.as_str().into(), json_value(line)?])
    }

    fn delete_letter(&self, event_id: &EventId, sequence: u64) -> Result<()> {
        let letter = vec![event_id.as_str().into(), integer_value(sequence)?];
        self.sql.exec("DELETE FROM letters WHERE event_id = ? AND sequence = ?", letter)
    }

    fn bury(&self, number: u64, letter: &DeadLetter) -> Result<()> {
        let row = vec![
            integer_value(number)?,
            integer_value(letter.attempts.into())?,
            letter.problem.as_str().into(),
            integer_value(letter.failed_at.0.0)?,
            letter.event_id.as_str().into(),
            integer_value(letter.sequence)?,
        ];
        self.sql.exec(
            "INSERT OR REPLACE INTO dead_letters (number, event_id, sequence, id, kind, body, attempts, problem, failed_at)
             SELECT ?, event_id, sequence, id, kind, body, ?, ?, ? FROM letters WHERE event_id = ? AND sequence = ?",
            row,
        )?;
        let kept = vec![integer_value(DEAD_MAX as u64)?];
        let surplus =
            "DELETE FROM dead_letters WHERE number IN (SELECT number FROM dead_letters ORDER BY number DESC LIMIT -1 OFFSET ?)";
        self.sql.exec(surplus, kept)
    }

    fn revive(&self, number: u64, letter: &Letter) -> Result<()> {
        let row = vec![
            integer_value(letter.queued_at.0)?,
            integer_value(letter.attempt.into())?,
            integer_value(letter.due_at.0)?,
            integer_value(number)?,
        ];
        self.sql.exec(
            "INSERT OR REPLACE INTO letters SELECT event_id, sequence, id, kind, body, ?, ?, ? FROM dead_letters WHERE number = ?",
            row,
        )?;
        self.sql.exec("DELETE FROM dead_letters WHERE number = ?", vec![integer_value(number)?])
    }
}

impl Store<Delivery> for WebhookStore {
    type Fault = Error;

    fn load(&self) -> Result<(Delivery, Vec<Record>)> {
        self.sql.migrate(MIGRATIONS)?;
        let all = |statement: &'static str| self.sql.rows(statement, vec![]);
        let endpoints = all("SELECT url, secret FROM endpoint")?;
        let lines = all("SELECT event_id, body FROM lines")?;
        let letters = all("SELECT event_id, sequence, id, kind, queued_at, attempt, due_at FROM letters")?;
        let dead =
            all("SELECT number, id, kind, event_id, sequence, attempts, problem, failed_at FROM dead_letters ORDER BY number")?;
        let delivery = Delivery::restore(
            endpoints.first().map(endpoint).transpose()?,
            lines.iter().map(|row| Ok((event_id(row, 0)?, json(row, 1)?))).collect::<Result<Vec<_>>>()?,
            letters.iter().map(letter).collect::<Result<Vec<_>>>()?,
            dead.iter().map(dead_letter).collect::<Result<Vec<_>>>()?,
        );
        Ok((delivery, Vec::new()))
    }

    fn save(&self, batch: &Batch<'_, Change>) -> Result<()> {
        self.sql.transaction(|| batch.changes().try_for_each(|change| self.save_change(change)))
    }

    fn recorded(&self, _idempotency: &Idempotency) -> Result<Vec<u8>> {
        Err(Error::from("an endpoint keeps no records"))
    }
}

fn event_id(row: &Row, column: usize) -> Result<EventId> {
    EventId::parse(text(row, column)?).ok_or_else(|| Error::from(format!("column {column} is not an event id")))
}

fn count(row: &Row, column: usize) -> Result<u32> {
    u32::try_from(integer(row, column)?).map_err(|e| Error::from(e.to_string()))
}

fn endpoint(row: &Row) -> Result<Endpoint> {
    Ok(Endpoint { url: text(row, 0)?.to_owned(), secret: text(row, 1)?.to_owned() })
}

fn letter(row: &Row) -> Result<(EventId, u64, Letter)> {
    let letter = Letter {
        id: text(row, 2)?.to_owned(),
        kind: text(row, 3)?.to_owned(),
        queued_at: Millis(integer(row, 4)?),
        attempt: count(row, 5)?,
        due_at: Millis(integer(row, 6)?),
    };
    Ok((event_id(row, 0)?, integer(row, 1)?, letter))
}

fn dead_letter(row: &Row) -> Result<(u64, DeadLetter)> {
    let letter = DeadLetter {
        id: text(row, 1)?.to_owned(),
        kind: text(row, 2)?.to_owned(),
        event_id: event_id(row, 3)?,
        sequence: integer(row, 4)?,
        attempts: count(row, 5)?,
        problem: text(row, 6)?.to_owned(),
        failed_at: Timestamp(Millis(integer(row, 7)?)),
    };
    Ok((integer(row, 0)?, letter))
}
