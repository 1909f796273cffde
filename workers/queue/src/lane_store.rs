//! The rows of a lane.
//!
//! | Table | A row is |
//! |---|---|
//! | `event` | the event as configured, once |
//! | `stored` | nonce and sequence of the last batch, once |
//! | `places` | a caller's place; the unique caller is the last guard of one place each |

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
};

use domain::{
    hash::Hash128,
    idempotency::{Idempotency, Record},
    lane::{Change, Command, Joined, Lane, Placed},
    machine::{Batch, Machine, Store},
    time::Millis,
};
use shell::sql::{Row, Sql, integer, integer_value, json, json_value};
use worker::{Error, Result};

const MIGRATIONS: &[&str] = &["
    CREATE TABLE event (id INTEGER PRIMARY KEY CHECK (id = 0), body TEXT NOT NULL);
    CREATE TABLE stored (id INTEGER PRIMARY KEY CHECK (id = 0), nonce INTEGER NOT NULL, seq INTEGER NOT NULL);
    CREATE TABLE places (
        number INTEGER PRIMARY KEY, caller TEXT NOT NULL UNIQUE, joined_at INTEGER NOT NULL, kid INTEGER NOT NULL,
        position_hint INTEGER NOT NULL, keys TEXT NOT NULL
    );
"];

/// Rows that go into one statement: each is at most 700 bytes, a parameter at most 2 MB.
const PLACES_PER_STATEMENT: usize = 2000;
/// Callers of whom it is known that they have a row, 8 bytes each and as much again for the tree. With more, or in a lane
/// that has lived before, each unknown caller is looked for in the table.
const CALLERS_MAX: usize = 200_000;

/// Reads and writes the rows of one lane.
pub(crate) struct LaneStore {
    sql: Sql,
    migrated: Cell<bool>,
    /// A digest of every caller that has a row, while that is known.
    callers: RefCell<Option<BTreeSet<u64>>>,
}

impl LaneStore {
    pub(crate) const fn new(sql: Sql) -> Self {
        Self { sql, migrated: Cell::new(false), callers: RefCell::new(None) }
    }

    /// Whether this caller certainly has no row.
    fn is_new(&self, caller: Hash128) -> bool {
        self.callers.borrow().as_ref().is_some_and(|callers| !callers.contains(&digest(caller)))
    }

    fn note_callers(&self, changes: &[Change]) {
        let mut known = self.callers.borrow_mut();
        let Some(callers) = known.as_mut() else { return };
        callers.extend(changes.iter().filter_map(|change| match change {
            Change::Placed(Placed { caller, .. }) => Some(digest(*caller)),
            _ => None,
        }));
        if callers.len() > CALLERS_MAX {
            *known = None;
        }
    }

    fn place(&self, caller: Hash128) -> Result<Option<Placed>> {
        let statement = "SELECT number, joined_at, kid, position_hint, keys FROM places WHERE caller = ?";
        let placed = |row: &Row| {
            let joined = Joined {
                number: integer(row, 0)?,
                joined_at: Millis(integer(row, 1)?),
                kid: u32::try_from(integer(row, 2)?).map_err(|error| Error::from(error.to_string()))?,
                position_hint: integer(row, 3)?,
            };
            Ok(Placed { caller, joined, keys: json(row, 4)? })
        };
        self.sql.rows(statement, vec![caller.to_string().into()])?.first().map(placed).transpose()
    }

    fn save_changes(&self, changes: &[Change]) -> Result<()> {
        let mut placed = Vec::new();
        let mut forgotten = Vec::new();
        for change in changes {
            match change {
                Change::Configured(event) => {
                    self.sql.exec("INSERT OR REPLACE INTO event VALUES (0, ?)", vec![json_value(event)?])?;
                }
                Change::Stored { nonce, seq } => {
                    let row = vec![integer_value(*nonce)?, integer_value(*seq)?];
                    self.sql.exec("INSERT OR REPLACE INTO stored VALUES (0, ?, ?)", row)?;
                }
                Change::Placed(Placed { caller, joined, keys }) => {
                    placed.push((joined.number, caller, joined.joined_at, joined.kid, joined.position_hint, keys));
                }
                Change::Forgotten { number } => forgotten.push(*number),
            }
        }
        for placed in placed.chunks(PLACES_PER_STATEMENT) {
            let statement = "INSERT OR REPLACE INTO places
                SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
                    json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]')
                FROM json_each(?)";
            self.sql.exec(statement, vec![json_value(&placed)?])?;
        }
        if !forgotten.is_empty() {
            let statement = "DELETE FROM places WHERE number IN (SELECT value FROM json_each(?))";
            self.sql.exec(statement, vec![json_value(&forgotten)?])?;
        }
        Ok(())
    }
}

/// Enough of a caller to tell that a row is not theirs.
const fn digest(caller: Hash128) -> u64 {
    caller.0 as u64
}

impl Store<Lane> for LaneStore {
    type Fault = Error;

    fn load(&self) -> Result<(Lane, Vec<Record>)> {
        if !self.migrated.get() {
            self.sql.migrate(MIGRATIONS)?;
            self.migrated.set(true);
        }
        let mut lane = Lane::default();
        if let Some(row) = self.sql.rows("SELECT body FROM event", vec![])?.first() {
            lane.apply(&Change::Configured(json(row, 0)?));
        }
        if let Some(row) = self.sql.rows("SELECT nonce, seq FROM stored", vec![])?.first() {
            lane.apply(&Change::Stored { nonce: integer(row, 0)?, seq: integer(row, 1)? });
        }
        let empty = self.sql.rows("SELECT 1 FROM places LIMIT 1", vec![])?.is_empty();
        *self.callers.borrow_mut() = empty.then(BTreeSet::new);
        Ok((lane, vec![]))
    }

    fn recall(&self, lane: &mut Lane, command: &Command) -> Result<()> {
        let Command::Join(join) = command else { return Ok(()) };
        if lane.remembers(join.caller) || self.is_new(join.caller) {
            return Ok(());
        }
        if let Some(placed) = self.place(join.caller)? {
            lane.remember(&placed);
        }
        Ok(())
    }

    fn save(&self, batch: &Batch<'_, Change>) -> Result<()> {
        // Noted before it is certain: a caller too many is looked for in vain, one too few would get a second place.
        batch.steps.iter().for_each(|step| self.note_callers(&step.changes));
        self.sql.transaction(|| batch.steps.iter().try_for_each(|step| self.save_changes(&step.changes)))
    }

    fn recorded(&self, _record_scope: &Idempotency) -> Result<Vec<u8>> {
        Err(Error::from("the keys of a lane are recorded with their places"))
    }
}
