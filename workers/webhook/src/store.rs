//! The rows of an endpoint.
//!
//! | Table | A row is |
//! |---|---|
//! | `endpoint` | where to deliver to, what signs, which version; once |
//! | `health` | how it does, once |
//! | `cursors` | where it stands in the log of one event |
//! | `dead_letters` | an envelope that was given up, until it is delivered after all |
//! | `attempts` | one of the newest requests; each takes the place of the one [`ATTEMPTS_KEPT`] before it |

use std::collections::BTreeMap;

use actors::webhook::WebhookRows;
use domain::{
    delivery::{
        Change, Command, Cursor, Delivery, Endpoint, Letters, Rows, Version,
        attempt::{ATTEMPTS_KEPT, Attempt, DeadLetter},
    },
    id::EventId,
    idempotency::{Idempotency, Record},
    machine::{Batch, Store},
    time::{Millis, Timestamp},
};
use shell::sql::{Row, Schema, Sql, Statement, Tables, integer, integer_value, json, json_value, optional_integer, text};
use worker::{Error, Result, SqlStorageValue};

const TABLES: &str = "
    CREATE TABLE endpoint (
        id INTEGER PRIMARY KEY CHECK (id = 0), created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, body TEXT
    );
    CREATE TABLE health (id INTEGER PRIMARY KEY CHECK (id = 0), body TEXT NOT NULL);
    CREATE TABLE cursors (
        event_id TEXT PRIMARY KEY, known INTEGER NOT NULL, acked INTEGER, replay_after INTEGER, highest INTEGER NOT NULL,
        attempt INTEGER NOT NULL, due_at INTEGER NOT NULL, first_failed_at INTEGER
    ) WITHOUT ROWID;
    CREATE TABLE dead_letters (
        event_id TEXT NOT NULL, sequence INTEGER NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, attempts INTEGER NOT NULL,
        problem TEXT NOT NULL, failed_at INTEGER NOT NULL, redriven INTEGER NOT NULL, PRIMARY KEY (event_id, sequence)
    ) WITHOUT ROWID;
    CREATE INDEX dead_letters_by_id ON dead_letters (id);
    CREATE INDEX dead_letters_by_age ON dead_letters (failed_at, id);
    CREATE INDEX dead_letters_redriven ON dead_letters (event_id, sequence) WHERE redriven = 1;
    CREATE TABLE attempts (slot INTEGER PRIMARY KEY, number INTEGER NOT NULL, body TEXT NOT NULL);
";

/// Envelopes were copied here; now they are read from the logs. Where the endpoint stood, and what had died, is taken over; the
/// endpoint itself is told again by who next has something for it.
const FROM_COPIES: &str = "
    ALTER TABLE dead_letters RENAME TO dead_copies;
    DROP TABLE endpoint;
    CREATE TABLE endpoint (
        id INTEGER PRIMARY KEY CHECK (id = 0), created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, body TEXT
    );
    CREATE TABLE health (id INTEGER PRIMARY KEY CHECK (id = 0), body TEXT NOT NULL);
    CREATE TABLE cursors (
        event_id TEXT PRIMARY KEY, known INTEGER NOT NULL, acked INTEGER, replay_after INTEGER, highest INTEGER NOT NULL,
        attempt INTEGER NOT NULL, due_at INTEGER NOT NULL, first_failed_at INTEGER
    ) WITHOUT ROWID;
    INSERT INTO cursors
        SELECT event_id, (body ->> 'next') - 1, (body ->> 'next') - 1, NULL, (body ->> 'next') - 1, 0, 0, NULL FROM lines;
    CREATE TABLE dead_letters (
        event_id TEXT NOT NULL, sequence INTEGER NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, attempts INTEGER NOT NULL,
        problem TEXT NOT NULL, failed_at INTEGER NOT NULL, redriven INTEGER NOT NULL, PRIMARY KEY (event_id, sequence)
    ) WITHOUT ROWID;
    CREATE INDEX dead_letters_by_id ON dead_letters (id);
    CREATE INDEX dead_letters_by_age ON dead_letters (failed_at, id);
    CREATE INDEX dead_letters_redriven ON dead_letters (event_id, sequence) WHERE redriven = 1;
    INSERT OR IGNORE INTO dead_letters
        SELECT event_id, sequence, id, kind, attempts, problem, failed_at, 0 FROM dead_copies;
    CREATE TABLE attempts (slot INTEGER PRIMARY KEY, number INTEGER NOT NULL, body TEXT NOT NULL);
    DROP TABLE lines;
    DROP TABLE letters;
    DROP TABLE dead_copies;
";

const SCHEMA: Schema = Schema { version: 2, tables: &[TABLES], steps: &[FROM_COPIES] };

/// Reads and writes the rows of one endpoint.
pub(crate) struct WebhookStore {
    tables: Tables,
}

impl WebhookStore {
    pub(crate) const fn new(sql: Sql) -> Self {
        Self { tables: Tables::new(sql, &SCHEMA) }
    }

    /// Rows; none before there are tables.
    fn rows(&self, statement: &'static str, bindings: Vec<SqlStorageValue>) -> Result<Vec<Row>> {
        if self.tables.are_made() { self.tables.sql().rows(statement, bindings) } else { Ok(vec![]) }
    }

    /// How many dead letters are meant that are not to be tried already, by event.
    fn meant(&self, letters: &Letters) -> Result<BTreeMap<EventId, u64>> {
        let count = |statement, bindings| self.rows(statement, bindings);
        let rows = match letters {
            Letters::One(id) => count(
                "SELECT event_id, COUNT(*) FROM dead_letters WHERE id = ? AND redriven = 0 GROUP BY event_id",
                vec![id.as_str().into()],
            ),
            Letters::OfEvent(event_id) => count(
                "SELECT event_id, COUNT(*) FROM dead_letters WHERE event_id = ? AND redriven = 0 GROUP BY event_id",
                vec![event_id.as_str().into()],
            ),
            Letters::All => count("SELECT event_id, COUNT(*) FROM dead_letters WHERE redriven = 0 GROUP BY event_id", vec![]),
        };
        rows?.iter().map(|row| Ok((event_id(row, 0)?, integer(row, 1)?))).collect()
    }
}

impl Store<Delivery> for WebhookStore {
    type Fault = Error;

    fn load(&self) -> Result<(Delivery, Vec<Record>)> {
        if !self.tables.begin()? {
            return Ok((Delivery::default(), vec![]));
        }
        let mut rows = Rows::default();
        if let Some(row) = self.rows("SELECT created_at, updated_at, body FROM endpoint", vec![])?.first() {
            rows.version = Version { created_at: Millis(integer(row, 0)?), updated_at: Millis(integer(row, 1)?) };
            rows.endpoint = (row.get(2) != Some(&SqlStorageValue::Null)).then(|| json(row, 2)).transpose()?;
        }
        if let Some(row) = self.rows("SELECT body FROM health", vec![])?.first() {
            rows.health = json(row, 0)?;
        }
        let behind = self.rows("SELECT * FROM cursors WHERE acked IS NULL OR acked < known ORDER BY event_id", vec![])?;
        rows.cursors = behind.iter().map(|row| Ok((event_id(row, 0)?, cursor(row)?))).collect::<Result<_>>()?;
        let redriven = self.rows("SELECT DISTINCT event_id FROM dead_letters WHERE redriven = 1", vec![])?;
        rows.redriven = redriven.iter().map(|row| event_id(row, 0)).collect::<Result<_>>()?;
        Ok((Delivery::restore(rows), Vec::new()))
    }

    fn recall(&self, delivery: &mut Delivery, command: &Command) -> Result<()> {
        if let Command::Redrive(letters) = command {
            delivery.recall_letters(self.meant(letters)?);
        } else if let Some(event_id) = delivery.missing(command) {
            let rows = self.rows("SELECT * FROM cursors WHERE event_id = ?", vec![event_id.as_str().into()])?;
            delivery.recall_cursor(event_id, rows.first().map(cursor).transpose()?);
        }
        Ok(())
    }

    fn save(&self, batch: &Batch<'_, Change>) -> Result<()> {
        let statements: Vec<Vec<Statement>> = batch.changes().map(statements).collect::<Result<_>>()?;
        let statements: Vec<Statement> = statements.into_iter().flatten().collect();
        if statements.is_empty() { Ok(()) } else { self.tables.commit(statements, false) }
    }

    fn recorded(&self, _idempotency: &Idempotency) -> Result<Vec<u8>> {
        Err(Error::from("deliveries keep no records"))
    }
}

impl WebhookRows for WebhookStore {
    fn next_redriven(&self, event_id: &EventId) -> Result<Option<DeadLetter>> {
        let statement = "SELECT event_id, sequence, id, kind, attempts, problem, failed_at FROM dead_letters
            WHERE event_id = ? AND redriven = 1 ORDER BY sequence LIMIT 1";
        self.rows(statement, vec![event_id.as_str().into()])?.first().map(dead_letter).transpose()
    }

    fn dead_letters(&self, before: Option<&(Millis, String)>, limit: u32) -> Result<Vec<DeadLetter>> {
        let (at, id) = before.map_or((Millis::MAX, ""), |(at, id)| (*at, id));
        let bindings = vec![integer_value(at.0)?, id.into(), integer_value(limit.into())?];
        let statement = "SELECT event_id, sequence, id, kind, attempts, problem, failed_at FROM dead_letters
            WHERE (failed_at, id) < (?, ?) ORDER BY failed_at DESC, id DESC LIMIT ?";
        self.rows(statement, bindings)?.iter().map(dead_letter).collect()
    }

    fn attempts(&self, before: Option<u64>, limit: u32) -> Result<Vec<Attempt>> {
        let bindings = vec![before.map_or(Ok(SqlStorageValue::Null), integer_value)?, integer_value(limit.into())?];
        let statement = "SELECT body FROM attempts WHERE ?1 IS NULL OR number < ?1 ORDER BY number DESC LIMIT ?2";
        self.rows(statement, bindings)?.iter().map(|row| json(row, 0)).collect()
    }
}

/// The statements of a change.
fn statements(change: &Change) -> Result<Vec<Statement>> {
    let statement = match change {
        Change::Directed { version, endpoint } => endpoint_row(*version, Some(endpoint))?,
        Change::Dropped { version } => {
            let everything = ["DELETE FROM health", "DELETE FROM cursors", "DELETE FROM dead_letters", "DELETE FROM attempts"];
            let mut statements: Vec<Statement> = everything.map(|statement| (statement, vec![])).into();
            statements.push(endpoint_row(*version, None)?);
            return Ok(statements);
        }
        Change::Fared(health) => ("INSERT OR REPLACE INTO health VALUES (0, ?)", vec![json_value(health)?]),
        Change::Attempted(attempt) => {
            let slot = integer_value(attempt.number % ATTEMPTS_KEPT)?;
            let row = vec![slot, integer_value(attempt.number)?, json_value(attempt)?];
            ("INSERT OR REPLACE INTO attempts VALUES (?, ?, ?)", row)
        }
        Change::Moved { event_id, cursor } => cursor_row(event_id, cursor)?,
        Change::Hastened { at, anew: true } => (
            "UPDATE cursors SET due_at = ?, attempt = 0, first_failed_at = NULL WHERE acked IS NULL OR acked < known",
            vec![integer_value(at.0)?],
        ),
        Change::Hastened { at, anew: false } => {
            ("UPDATE cursors SET due_at = ? WHERE acked IS NULL OR acked < known", vec![integer_value(at.0)?])
        }
        Change::Buried(letter) => dead_letter_row(letter)?,
        Change::Revived { event_id, sequence } => {
            let letter = vec![event_id.as_str().into(), integer_value(*sequence)?];
            ("DELETE FROM dead_letters WHERE event_id = ? AND sequence = ?", letter)
        }
        Change::Redriven { letters: Letters::One(id), .. } => {
            ("UPDATE dead_letters SET redriven = 1 WHERE id = ?", vec![id.as_str().into()])
        }
        Change::Redriven { letters: Letters::OfEvent(event_id), .. } => {
            ("UPDATE dead_letters SET redriven = 1 WHERE event_id = ? AND redriven = 0", vec![event_id.as_str().into()])
        }
        Change::Redriven { letters: Letters::All, .. } => ("UPDATE dead_letters SET redriven = 1 WHERE redriven = 0", vec![]),
        // In memory only.
        Change::Unread { .. } | Change::RedriveEnded { .. } => return Ok(vec![]),
    };
    Ok(vec![statement])
}

fn endpoint_row(version: Version, endpoint: Option<&Endpoint>) -> Result<Statement> {
    let body = endpoint.map_or(Ok(SqlStorageValue::Null), json_value)?;
    let row = vec![integer_value(version.created_at.0)?, integer_value(version.updated_at.0)?, body];
    Ok(("INSERT OR REPLACE INTO endpoint VALUES (0, ?, ?, ?)", row))
}

fn cursor_row(event_id: &EventId, cursor: &Cursor) -> Result<Statement> {
    let Cursor { known, acked, replay_after, highest, attempt, due_at, first_failed_at } = cursor;
    let row = vec![
        event_id.as_str().into(),
        integer_value(*known)?,
        optional(*acked)?,
        optional(*replay_after)?,
        integer_value(*highest)?,
        integer_value((*attempt).into())?,
        integer_value(due_at.0)?,
        optional(first_failed_at.map(|at| at.0))?,
    ];
    Ok(("INSERT OR REPLACE INTO cursors VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row))
}

fn dead_letter_row(letter: &DeadLetter) -> Result<Statement> {
    let row = vec![
        letter.event_id.as_str().into(),
        integer_value(letter.sequence)?,
        letter.id.as_str().into(),
        letter.kind.as_str().into(),
        integer_value(letter.attempts.into())?,
        letter.problem.as_str().into(),
        integer_value(letter.failed_at.0.0)?,
    ];
    Ok(("INSERT OR REPLACE INTO dead_letters VALUES (?, ?, ?, ?, ?, ?, ?, 0)", row))
}

fn optional(value: Option<u64>) -> Result<SqlStorageValue> {
    value.map_or(Ok(SqlStorageValue::Null), integer_value)
}

fn event_id(row: &Row, column: usize) -> Result<EventId> {
    EventId::parse(text(row, column)?).ok_or_else(|| Error::from("not an event's id"))
}

fn count(row: &Row, column: usize) -> Result<u32> {
    u32::try_from(integer(row, column)?).map_err(|error| Error::from(error.to_string()))
}

fn cursor(row: &Row) -> Result<Cursor> {
    Ok(Cursor {
        known: integer(row, 1)?,
        acked: optional_integer(row, 2)?,
        replay_after: optional_integer(row, 3)?,
        highest: integer(row, 4)?,
        attempt: count(row, 5)?,
        due_at: Millis(integer(row, 6)?),
        first_failed_at: optional_integer(row, 7)?.map(Millis),
    })
}

fn dead_letter(row: &Row) -> Result<DeadLetter> {
    Ok(DeadLetter {
        event_id: event_id(row, 0)?,
        sequence: integer(row, 1)?,
        id: text(row, 2)?.to_owned(),
        kind: text(row, 3)?.to_owned(),
        attempts: count(row, 4)?,
        problem: text(row, 5)?.to_owned(),
        failed_at: Timestamp(Millis(integer(row, 6)?)),
    })
}
