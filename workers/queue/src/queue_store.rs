//! The rows of a queue.
//!
//! | Table | A row is |
//! |---|---|
//! | `event` | the event as configured, once |
//! | `counters` | all that is one number, as a commit left it: with a lane's last batch and its answer, or for none; the newest counts |
//! | `chunks` | 1024 places that do not all wait, as runs of states |
//! | `waves` | places that became ready together, while their window is open |
//! | `admissions` | a place that is inside |
//! | `idempotency` | the answer to a key |

use domain::{
    board::{Chunk, Wave},
    idempotency::{Idempotency, Record},
    machine::{Batch, Machine, Store},
    queue::{Change, Counters, Entered, Queue},
    time::Millis,
};
use shell::{
    records,
    sql::{Row, Schema, Sql, Statement, Tables, integer, integer_value, json, json_value, many, optional_text, text},
};
use worker::{Error, Result, SqlStorageValue};

const SCHEMA: Schema = Schema {
    version: 3,
    tables: &[
        "
        CREATE TABLE event (id INTEGER PRIMARY KEY CHECK (id = 0), body TEXT NOT NULL);
        CREATE TABLE counters (lane INTEGER PRIMARY KEY, body TEXT NOT NULL, answered TEXT);
        CREATE TABLE chunks (chunk INTEGER PRIMARY KEY, version INTEGER NOT NULL, states TEXT NOT NULL);
        CREATE TABLE waves (
            first INTEGER PRIMARY KEY, last INTEGER NOT NULL, ready_at INTEGER NOT NULL, until INTEGER NOT NULL,
            version INTEGER NOT NULL
        );
        CREATE TABLE admissions (
            number INTEGER PRIMARY KEY, entered_at INTEGER NOT NULL, ends_at INTEGER NOT NULL, kid INTEGER NOT NULL
        );
    ",
        records::SCHEMA,
    ],
    // Counters and answered batches had tables of their own.
    steps: &["
        ALTER TABLE counters RENAME TO counted;
        CREATE TABLE counters (lane INTEGER PRIMARY KEY, body TEXT NOT NULL, answered TEXT);
        INSERT INTO counters SELECT -1, body, NULL FROM counted;
        INSERT INTO counters SELECT lane, (SELECT body FROM counted), body FROM answered;
        DROP TABLE counted;
        DROP TABLE answered;
    "],
};

/// Where counters are that no lane's batch brought.
const NO_LANE: i32 = -1;
/// Chunks that go into one statement: each is at most 1.1 KB, a parameter at most 2 MB.
const CHUNKS_PER_STATEMENT: usize = 1500;
/// Numbers that are deleted by one statement: each is at most 9 digits and a comma.
const KEYS_PER_STATEMENT: usize = 150_000;

/// Reads and writes the rows of one queue.
pub(crate) struct QueueStore {
    tables: Tables,
}

impl QueueStore {
    pub(crate) const fn new(sql: Sql) -> Self {
        Self { tables: Tables::new(sql, &SCHEMA) }
    }

    /// Every lane's last batch, and the newest of the counters.
    fn load_counters(&self, queue: &mut Queue) -> Result<()> {
        let mut newest: Option<Box<Counters>> = None;
        for row in &self.tables.sql().rows("SELECT body, answered FROM counters", vec![])? {
            let counters: Box<Counters> = json(row, 0)?;
            if newest.as_ref().is_none_or(|newest| newest.version < counters.version) {
                newest = Some(counters);
            }
            if optional_text(row, 1)?.is_some() {
                queue.apply(&Change::Answered(json(row, 1)?));
            }
        }
        newest.into_iter().for_each(|counters| queue.apply(&Change::Counted(counters)));
        Ok(())
    }

    /// Applies what each row of `statement` says.
    fn apply(&self, queue: &mut Queue, statement: &'static str, change: impl Fn(&Row) -> Result<Change>) -> Result<()> {
        self.tables.sql().rows(statement, vec![])?.iter().try_for_each(|row| {
            queue.apply(&change(row)?);
            Ok(())
        })
    }
}

/// What a commit writes, but for records: one row where a batch is numbered.
fn statements<'a>(changes: impl Iterator<Item = &'a Change>) -> Result<Vec<Statement>> {
    let mut statements: Vec<Statement> = vec![];
    let (mut counted, mut answered) = (None, vec![]);
    let (mut marked, mut opened, mut lapsed, mut entered, mut gone) = (vec![], vec![], vec![], vec![], vec![]);
    for change in changes {
        match change {
            Change::Configured(event) => {
                statements.push(("INSERT OR REPLACE INTO event VALUES (0, ?)", vec![json_value(event)?]))
            }
            Change::Counted(counters) => counted = Some(counters),
            Change::Marked { chunk, version, states } => marked.push((chunk, version, states)),
            Change::Opened { wave, version } => opened.push((wave.first, wave.last, wave.ready_at, wave.until, version)),
            Change::Lapsed { first } => lapsed.push(*first),
            Change::Entered(Entered { number, entered_at, ends_at, kid }) => entered.push((number, entered_at, ends_at, kid)),
            Change::Gone { number } => gone.push(*number),
            Change::StockRests(_) => {}
            Change::Answered(batch) => answered.push(batch),
        }
    }
    let insert = "INSERT OR REPLACE INTO counters VALUES (?, ?, ?)";
    if let Some(counters) = counted {
        let body = json_value(counters)?;
        for batch in &answered {
            statements.push((insert, vec![integer_value(batch.lane.into())?, body.clone(), json_value(batch)?]));
        }
        if answered.is_empty() {
            statements.push((insert, vec![NO_LANE.into(), body, SqlStorageValue::Null]));
        }
    }
    let insert = "INSERT OR REPLACE INTO chunks SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?)";
    statements.extend(many(insert, &marked, CHUNKS_PER_STATEMENT)?);
    let insert = "INSERT OR REPLACE INTO waves
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?)";
    statements.extend(many(insert, &opened, CHUNKS_PER_STATEMENT)?);
    let insert = "INSERT OR REPLACE INTO admissions SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)";
    statements.extend(many(insert, &entered, CHUNKS_PER_STATEMENT)?);
    let delete = "DELETE FROM waves WHERE first IN (SELECT value FROM json_each(?))";
    statements.extend(many(delete, &lapsed, KEYS_PER_STATEMENT)?);
    let delete = "DELETE FROM admissions WHERE number IN (SELECT value FROM json_each(?))";
    statements.extend(many(delete, &gone, KEYS_PER_STATEMENT)?);
    Ok(statements)
}

impl Store<Queue> for QueueStore {
    type Fault = Error;

    fn load(&self) -> Result<(Queue, Vec<Record>)> {
        let mut queue = Queue::default();
        if !self.tables.begin()? {
            return Ok((queue, vec![]));
        }
        self.apply(&mut queue, "SELECT body FROM event", |row| Ok(Change::Configured(json(row, 0)?)))?;
        self.load_counters(&mut queue)?;
        self.apply(&mut queue, "SELECT chunk, version, states FROM chunks ORDER BY chunk", chunk)?;
        self.apply(&mut queue, "SELECT first, last, ready_at, until, version FROM waves", wave)?;
        self.apply(&mut queue, "SELECT number, entered_at, ends_at, kid FROM admissions", admission)?;
        Ok((queue, records::load(self.tables.sql())?))
    }

    fn save(&self, batch: &Batch<'_, Change>) -> Result<()> {
        let configured = batch.changes().any(|change| matches!(change, Change::Configured(_)));
        let beside = |change: &Change| matches!(change, Change::Configured(_) | Change::Counted(_));
        let may_wait = configured && batch.changes().all(beside) && batch.records().next().is_none();
        let mut statements = statements(batch.changes())?;
        statements.extend(records::statements(batch)?);
        self.tables.commit(statements, may_wait)
    }

    fn recorded(&self, idempotency: &Idempotency) -> Result<Vec<u8>> {
        records::body(self.tables.sql(), idempotency)
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
