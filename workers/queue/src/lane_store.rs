//! The rows of a lane.
//!
//! | Table | A row is |
//! |---|---|
//! | `event` | the event as configured, once |
//! | `batches` | a batch of the queue: its places, and those that were given up ([`domain::lane::row`]) |
//! | `keys` | all keys of a place, where it was joined with more than one |

use domain::{
    idempotency::{Idempotency, Record},
    lane::{
        Change, Command, Keys, Lane, Numbered, Placed,
        row::{self, Row as BatchRow},
    },
    machine::{Batch, Machine, Store},
    queue,
    time::Millis,
};
use shell::sql::{Row, Schema, Sql, Statement, Tables, blob, integer, integer_value, json, json_value, many, optional_text};
use worker::{Error, Result, SqlStorageValue};

const SCHEMA: Schema = Schema {
    version: 2,
    tables: &["
        CREATE TABLE event (id INTEGER PRIMARY KEY CHECK (id = 0), body TEXT NOT NULL);
        CREATE TABLE batches (
            first INTEGER PRIMARY KEY, nonce INTEGER NOT NULL, seq INTEGER NOT NULL, joined_at INTEGER NOT NULL,
            position_hint INTEGER NOT NULL, given_up TEXT NOT NULL, callers BLOB NOT NULL, requests BLOB NOT NULL
        );
        CREATE TABLE keys (number INTEGER PRIMARY KEY, keys TEXT NOT NULL);
    "],
    // There was a row for each place; each becomes a batch of its own.
    steps: &["
        CREATE TABLE batches (
            first INTEGER PRIMARY KEY, nonce INTEGER NOT NULL, seq INTEGER NOT NULL, joined_at INTEGER NOT NULL,
            position_hint INTEGER NOT NULL, given_up TEXT NOT NULL, callers BLOB NOT NULL, requests BLOB NOT NULL
        );
        CREATE TABLE keys (number INTEGER PRIMARY KEY, keys TEXT NOT NULL);
        INSERT INTO batches SELECT number, 0, 0, joined_at, position_hint, '[]', unhex(caller),
            unhex((keys ->> 0 ->> 0) || (keys ->> 0 ->> 1) || printf('%08x', kid)) FROM places;
        INSERT INTO keys SELECT number, keys FROM places WHERE json_array_length(keys) > 1;
        INSERT INTO batches SELECT -seq, nonce, seq, 0, 0, '[]', x'', x'' FROM stored;
        DROP TABLE places;
        DROP TABLE stored;
    "],
};

/// Rows that are read at once: each has at most 64 KB of callers and 40 KB of places that were given up.
const ROWS_PER_READ: usize = 64;
/// Rows that go into one statement: each is at most 600 bytes, a parameter at most 2 MB.
const KEYED_PER_STATEMENT: usize = 2000;

/// Reads and writes the rows of one lane.
pub(crate) struct LaneStore {
    tables: Tables,
}

impl LaneStore {
    pub(crate) const fn new(sql: Sql) -> Self {
        Self { tables: Tables::new(sql, &SCHEMA) }
    }

    /// Everything but what was asked: that is read where it matters.
    fn load_batches(&self, lane: &mut Lane) -> Result<()> {
        let statement = "SELECT first, nonce, seq, given_up, callers FROM batches WHERE first > ? ORDER BY first LIMIT 64";
        let mut after = SqlStorageValue::Integer(i64::from(i32::MIN));
        loop {
            let rows = self.tables.sql().rows(statement, vec![after])?;
            for row in &rows {
                // That of a batch without places is below zero.
                let first = integer(row, 0).unwrap_or_default();
                let left: Vec<u64> = json(row, 3)?;
                lane.restore((integer(row, 1)?, integer(row, 2)?), (first..).zip(row::callers(blob(row, 4)?)), &left);
            }
            match rows.last().and_then(|row| row.first()) {
                Some(last) if rows.len() == ROWS_PER_READ => after = last.clone(),
                _ => return Ok(()),
            }
        }
    }

    fn place(&self, number: u64) -> Result<Placed> {
        // The last row that does not begin behind it, and in it only what is there of this place.
        let statement = "
            SELECT first, joined_at, position_hint, substr(callers, 16 * (?1 - first) + 1, 16),
                substr(requests, 36 * (?1 - first) + 1, 36), (SELECT keys FROM keys WHERE number = ?1)
            FROM batches WHERE first <= ?1 ORDER BY first DESC LIMIT 1";
        let rows = self.tables.sql().rows(statement, vec![integer_value(number)?])?;
        let placed = |row: &Row| {
            let numbers =
                queue::Numbered { first: integer(row, 0)?, joined_at: Millis(integer(row, 1)?), position_hint: integer(row, 2)? };
            let keys = optional_text(row, 5)?.map(|keys| serde_json::from_slice::<Keys>(keys.as_bytes())).transpose()?;
            Ok::<_, Error>(row::place(&numbers, number, blob(row, 3)?, blob(row, 4)?, keys))
        };
        let found = rows.first().map(placed).transpose()?.flatten();
        found.ok_or_else(|| Error::from(format!("place {number} has no row")))
    }
}

fn batch_row(batch: &Numbered) -> Result<Statement> {
    let BatchRow { first, nonce, seq, joined_at, position_hint, left, callers, requests } = BatchRow::of(batch);
    let row = vec![
        SqlStorageValue::try_from_i64(first)?,
        integer_value(nonce)?,
        integer_value(seq)?,
        integer_value(joined_at.0)?,
        integer_value(position_hint)?,
        json_value(&left)?,
        callers.into(),
        requests.into(),
    ];
    // Not OR REPLACE: a place is given once.
    Ok(("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row))
}

/// What a commit writes: one row where a batch is stored that nobody joined with two keys.
fn statements<'a>(changes: impl Iterator<Item = &'a Change>) -> Result<Vec<Statement>> {
    let (mut statements, mut keyed) = (vec![], vec![]);
    for change in changes {
        match change {
            Change::Configured(event) => {
                statements.push(("INSERT OR REPLACE INTO event VALUES (0, ?)", vec![json_value(event)?]))
            }
            Change::Stored(batch) => {
                statements.push(batch_row(batch)?);
                keyed.extend(batch.keyed());
            }
            Change::Keyed { number, keys } => keyed.push((*number, keys)),
        }
    }
    let keys = "INSERT OR REPLACE INTO keys SELECT value ->> 0, value -> 1 FROM json_each(?)";
    statements.extend(many(keys, &keyed, KEYED_PER_STATEMENT)?);
    Ok(statements)
}

impl Store<Lane> for LaneStore {
    type Fault = Error;

    fn load(&self) -> Result<(Lane, Vec<Record>)> {
        let mut lane = Lane::default();
        if !self.tables.begin()? {
            return Ok((lane, vec![]));
        }
        if let Some(row) = self.tables.sql().rows("SELECT body FROM event", vec![])?.first() {
            lane.apply(&Change::Configured(json(row, 0)?));
        }
        self.load_batches(&mut lane)?;
        Ok((lane, vec![]))
    }

    fn recall(&self, lane: &mut Lane, command: &Command) -> Result<()> {
        let Command::Join(join) = command else { return Ok(()) };
        lane.recall(join.caller, |number| self.place(number))
    }

    fn save(&self, batch: &Batch<'_, Change>) -> Result<()> {
        let may_wait = batch.changes().all(|change| matches!(change, Change::Configured(_)));
        self.tables.commit(statements(batch.changes())?, may_wait)
    }

    fn recorded(&self, _record_scope: &Idempotency) -> Result<Vec<u8>> {
        Err(Error::from("the keys of a lane are recorded with their places"))
    }
}
