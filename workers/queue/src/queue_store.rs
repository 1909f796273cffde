//! The rows of a queue.
//!
//! | Table | A row is |
//! |---|---|
//! | `event` | the event as configured, once |
//! | `counters` | all that is one number, once |
//! | `chunks` | 1024 places that do not all wait, as runs of states |
//! | `waves` | places that became ready together, while their window is open |
//! | `admissions` | a place that is inside |
//! | `answered` | a lane's last batch and its answer |
//! | `idempotency` | the answer to a key |

use std::cell::Cell;

use domain::{
    board::{Chunk, Wave},
    idempotency::{Idempotency, Record},
    machine::{Batch, Machine, Store},
    queue::{Change, Entered, Queue},
    time::Millis,
};
use shell::{
    records,
    sql::{Row, Sql, integer, integer_value, json, json_value, text},
};
use worker::{Error, Result};

const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE event (id INTEGER PRIMARY KEY CHECK (id = 0), body TEXT NOT NULL);
    CREATE TABLE counters (id INTEGER PRIMARY KEY CHECK (id = 0), body TEXT NOT NULL);
    CREATE TABLE chunks (chunk INTEGER PRIMARY KEY, version INTEGER NOT NULL, states TEXT NOT NULL);
    CREATE TABLE waves (
        first INTEGER PRIMARY KEY, last INTEGER NOT NULL, ready_at INTEGER NOT NULL, until INTEGER NOT NULL,
        version INTEGER NOT NULL
    );
    CREATE TABLE admissions (
        number INTEGER PRIMARY KEY, entered_at INTEGER NOT NULL, ends_at INTEGER NOT NULL, kid INTEGER NOT NULL
    );
    CREATE TABLE answered (lane INTEGER PRIMARY KEY, body TEXT NOT NULL);
",
    records::SCHEMA,
];

/// Chunks that go into one statement: each is at most 1.1 KB, a parameter at most 2 MB.
const CHUNKS_PER_STATEMENT: usize = 1500;
/// Numbers that are deleted by one statement: each is at most 9 digits and a comma.
const KEYS_PER_STATEMENT: usize = 150_000;

/// Reads and writes the rows of one queue.
pub(crate) struct QueueStore {
    sql: Sql,
    migrated: Cell<bool>,
}

impl QueueStore {
    pub(crate) const fn new(sql: Sql) -> Self {
        Self { sql, migrated: Cell::new(false) }
    }

    fn save_changes(&self, changes: &[Change]) -> Result<()> {
        let (mut marked, mut lapsed, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        for change in changes {
            match change {
                Change::Configured(event) => {
                    self.sql.exec("INSERT OR REPLACE INTO event VALUES (0, ?)", vec![json_value(event)?])?;
                }
                Change::Counted(counters) => {
                    self.sql.exec("INSERT OR REPLACE INTO counters VALUES (0, ?)", vec![json_value(counters)?])?;
                }
                Change::Marked { chunk, version, states } => marked.push((chunk, version, states)),
                Change::Opened { wave, version } => {
                    let row = [wave.first, wave.last, wave.ready_at.0, wave.until.0, *version];
                    let row = row.into_iter().map(integer_value).collect::<Result<_>>()?;
                    self.sql.exec("INSERT OR REPLACE INTO waves VALUES (?, ?, ?, ?, ?)", row)?;
                }
                Change::Lapsed { first } => lapsed.push(*first),
                Change::Entered(Entered { number, entered_at, ends_at, kid }) => {
                    let row = [*number, entered_at.0, ends_at.0, u64::from(*kid)];
                    let row = row.into_iter().map(integer_value).collect::<Result<_>>()?;
                    self.sql.exec("INSERT OR REPLACE INTO admissions VALUES (?, ?, ?, ?)", row)?;
                }
                Change::Gone { number } => gone.push(*number),
                Change::StockRests(_) => {}
                Change::Answered(answered) => {
                    let row = vec![integer_value(u64::from(answered.lane))?, json_value(answered)?];
                    self.sql.exec("INSERT OR REPLACE INTO answered VALUES (?, ?)", row)?;
                }
            }
        }
        for marked in marked.chunks(CHUNKS_PER_STATEMENT) {
            let statement = "INSERT OR REPLACE INTO chunks
                SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]') FROM json_each(?)";
            self.sql.exec(statement, vec![json_value(&marked)?])?;
        }
        self.delete("DELETE FROM waves WHERE first IN (SELECT value FROM json_each(?))", &lapsed)?;
        self.delete("DELETE FROM admissions WHERE number IN (SELECT value FROM json_each(?))", &gone)
    }

    fn delete(&self, statement: &'static str, keys: &[u64]) -> Result<()> {
        keys.chunks(KEYS_PER_STATEMENT).try_for_each(|keys| self.sql.exec(statement, vec![json_value(&keys)?]))
    }

    /// Applies what each row of `statement` says.
    fn apply(&self, queue: &mut Queue, statement: &'static str, change: impl Fn(&Row) -> Result<Change>) -> Result<()> {
        self.sql.rows(statement, vec![])?.iter().try_for_each(|row| {
            queue.apply(&change(row)?);
            Ok(())
        })
    }
}

impl Store<Queue> for QueueStore {
    type Fault = Error;

    fn load(&self) -> Result<(Queue, Vec<Record>)> {
        if !self.migrated.get() {
            self.sql.migrate(MIGRATIONS)?;
            self.migrated.set(true);
        }
        let mut queue = Queue::default();
        self.apply(&mut queue, "SELECT body FROM event", |row| Ok(Change::Configured(json(row, 0)?)))?;
        self.apply(&mut queue, "SELECT body FROM counters", |row| Ok(Change::Counted(json(row, 0)?)))?;
        self.apply(&mut queue, "SELECT chunk, version, states FROM chunks ORDER BY chunk", chunk)?;
        self.apply(&mut queue, "SELECT first, last, ready_at, until, version FROM waves", wave)?;
        self.apply(&mut queue, "SELECT number, entered_at, ends_at, kid FROM admissions", admission)?;
        self.apply(&mut queue, "SELECT body FROM answered", |row| Ok(Change::Answered(json(row, 0)?)))?;
        Ok((queue, records::load(&self.sql)?))
    }

    fn save(&self, batch: &Batch<'_, Change>) -> Result<()> {
        self.sql.transaction(|| {
            batch.steps.iter().try_for_each(|step| self.save_changes(&step.changes))?;
            records::save(&self.sql, batch)
        })
    }

    fn recorded(&self, idempotency: &Idempotency) -> Result<Vec<u8>> {
        records::body(&self.sql, idempotency)
    }
}

fn chunk(row: &Row) -> Result<Change> {
    let states = Chunk::parse(text(row, 2)?).ok_or_else(|| Error::from("not a chunk of places"))?;
    Ok(Change::Marked { chunk: small(row, 0)?, version: integer(row, 1)?, states: Box::new(states) })
}

fn wave(row: &Row) -> Result<Change> {
    let wave = Wave {
        first: integer(row, 0)?,
        last: integer(row, 1)?,
        ready_at: Millis(integer(row, 2)?),
        until: Millis(integer(row, 3)?),
    };
    Ok(Change::Opened { wave, version: integer(row, 4)? })
}

fn admission(row: &Row) -> Result<Change> {
    let (entered_at, ends_at) = (Millis(integer(row, 1)?), Millis(integer(row, 2)?));
    Ok(Change::Entered(Entered { number: integer(row, 0)?, entered_at, ends_at, kid: small(row, 3)? }))
}

fn small(row: &Row, column: usize) -> Result<u32> {
    u32::try_from(integer(row, column)?).map_err(|error| Error::from(error.to_string()))
}
