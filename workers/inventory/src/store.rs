//! The rows of an inventory.
//!
//! | Table | A row is |
//! |---|---|
//! | `event` | the event as configured, once |
//! | `reservations` | a reservation as it stands, in any status |
//! | `taken` | a held or sold seat; the primary key is the last guard against selling one twice |
//! | `blocked` | a seat kept back |
//! | `ledger` | one change of seats, for ever |
//! | `log` | one envelope that the outside is told, for ever |
//! | `effects` | what is owed to another object |
//! | `ended_admissions` | an admission that ended before its token does |
//! | `counters` | the cursor of `sale-events`, and the last effect's id |
//! | `idempotency` | the answer to a key |

use actors::inventory::InventoryRows;
use domain::{
    idempotency::{Idempotency, Record},
    inventory::{Admission, Change, Command, ENDED_KEPT_MS, Inventory, Query, Rows, ledger::Entry, reservation::Reservation},
    machine::{Answer, Batch, Store},
    time::Millis,
};
use shell::{
    records,
    sql::{Row, Schema, Sql, Tables, integer, integer_value, json, text},
};
use worker::Result;

use crate::{
    queries,
    written::{CONSUMED, LAST_EFFECT, PUBLISHED, Written},
};

const SCHEMA: Schema = Schema {
    version: 5,
    tables: &[
        "
    CREATE TABLE event (id INTEGER PRIMARY KEY CHECK (id = 0), body TEXT NOT NULL);
    CREATE TABLE reservations (
        key TEXT PRIMARY KEY, user_id TEXT NOT NULL, status TEXT NOT NULL, created_at INTEGER NOT NULL, body TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX reservations_by_user ON reservations (user_id, created_at, key);
    CREATE INDEX reservations_taking ON reservations (status) WHERE status IN ('HOLD', 'CONFIRMED');
    CREATE TABLE taken (seat_id TEXT PRIMARY KEY, reservation TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE blocked (seat_id TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE ledger (seq INTEGER PRIMARY KEY, body TEXT NOT NULL);
    CREATE TABLE log (sequence INTEGER PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL);
    CREATE TABLE effects (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
    CREATE TABLE ended_admissions (number INTEGER PRIMARY KEY, ends_at INTEGER NOT NULL);
    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
",
        records::SCHEMA,
    ],
    // From the first version that was deployed, whose tables held outbox and errands.
    steps: &[
        records::SCHEMA,
    // Made tables that the next one drops.
    "SELECT 1",
    "DROP TABLE IF EXISTS claims; DROP TABLE IF EXISTS merged",
    "
    CREATE TABLE log (sequence INTEGER PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL);
    INSERT INTO log SELECT sequence, CAST(unixepoch(body ->> 'time', 'subsec') * 1000 AS INTEGER), json_set(body, '$.trace_id', trace_id) FROM outbox;
    DROP TABLE outbox;
    CREATE TABLE effects (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
    INSERT INTO effects SELECT id, json_object('id', id, 'attempt', body -> 'tries', 'due_at', body -> 'next_try_at', 'effect', body -> 'duty') FROM errands;
    DROP TABLE errands;
    INSERT INTO counters SELECT 'published', value FROM counters WHERE name = 'sent';
    UPDATE counters SET name = 'consumed' WHERE name = 'sent';
    UPDATE counters SET name = 'last_effect' WHERE name = 'last_errand';
    DROP INDEX taken_by_reservation;
    UPDATE reservations SET body = json_set(body, '$.paid_by', (
        SELECT key FROM json_each(body, '$.intents') WHERE value ->> 'status' IN ('APPROVED', 'REFUNDED') LIMIT 1
    )) WHERE status IN ('CONFIRMED', 'REFUNDED');
",
    ],
};

/// Those of admissions that are over; memory forgets them earlier.
const FORGET_ENDED: &str = "DELETE FROM ended_admissions WHERE ends_at <= (SELECT max(ends_at) FROM ended_admissions) - ?";

/// Reads and writes the rows of one inventory.
pub(crate) struct InventoryStore {
    tables: Tables,
}

impl InventoryStore {
    pub(crate) const fn new(sql: Sql) -> Self {
        Self { tables: Tables::new(sql, &SCHEMA) }
    }

    pub(crate) const fn sql(&self) -> &Sql {
        self.tables.sql()
    }

    /// A reservation by its key, in any status.
    pub(crate) fn reservation(&self, key: &str) -> Result<Option<Reservation>> {
        let rows = self.sql().rows("SELECT body FROM reservations WHERE key = ?", vec![key.into()])?;
        rows.first().map(|row| json(row, 0)).transpose()
    }

    fn counter(&self, name: &str) -> Result<u64> {
        let rows = self.sql().rows("SELECT value FROM counters WHERE name = ?", vec![name.into()])?;
        rows.first().map_or(Ok(0), |row| integer(row, 0))
    }

    fn highest(&self, statement: &'static str) -> Result<u64> {
        let rows = self.sql().rows(statement, vec![])?;
        rows.first().map_or(Ok(0), |row| integer(row, 0))
    }
}

impl Store<Inventory> for InventoryStore {
    type Fault = worker::Error;

    fn load(&self) -> Result<(Inventory, Vec<Record>)> {
        if !self.tables.begin()? {
            return Ok((Inventory::default(), vec![]));
        }
        let bodies = |statement: &'static str| self.sql().rows(statement, vec![]);
        let event = bodies("SELECT body FROM event")?;
        let taking = bodies("SELECT body FROM reservations WHERE status IN ('HOLD', 'CONFIRMED')")?;
        let blocked = bodies("SELECT seat_id FROM blocked")?;
        self.sql().exec(FORGET_ENDED, vec![integer_value(ENDED_KEPT_MS)?])?;
        let ended = bodies("SELECT number, ends_at FROM ended_admissions ORDER BY number")?;
        let effects = bodies("SELECT body FROM effects")?;
        let consumed = self.counter(CONSUMED)?;
        let behind = "SELECT at FROM log WHERE sequence > ? ORDER BY sequence LIMIT 1";
        let behind = self.sql().rows(behind, vec![integer_value(consumed)?])?;
        let admission = |row: &Row| Ok(Admission { number: integer(row, 0)?, ends_at: Millis(integer(row, 1)?) });
        let inventory = Inventory::restore(Rows {
            event: event.first().map(|row| json(row, 0)).transpose()?,
            blocked: blocked.iter().map(|row| text(row, 0).map(str::to_owned)).collect::<Result<_>>()?,
            taking: taking.iter().map(|row| json(row, 0)).collect::<Result<_>>()?,
            ended: ended.iter().map(admission).collect::<Result<_>>()?,
            effects: effects.iter().map(|row| json(row, 0)).collect::<Result<_>>()?,
            seq: self.highest("SELECT coalesce(max(seq), 0) FROM ledger")?,
            // Before there was a log, what had left was deleted.
            sequence: consumed.max(self.highest("SELECT coalesce(max(sequence), 0) FROM log")?),
            behind_since: Millis(behind.first().map_or(Ok(0), |row| integer(row, 0))?),
            published: self.counter(PUBLISHED)?.max(consumed),
            consumed,
            last_effect: self.counter(LAST_EFFECT)?,
        });
        Ok((inventory, records::load(self.sql())?))
    }

    fn recall(&self, inventory: &mut Inventory, command: &Command) -> Result<()> {
        if let Some(key) = inventory.missing(command).filter(|_| self.tables.are_made())
            && let Some(reservation) = self.reservation(&key.to_string())?
        {
            inventory.recall(reservation);
        }
        Ok(())
    }

    fn save(&self, batch: &Batch<'_, Change>) -> Result<()> {
        let mut statements = Written::new(batch).statements()?;
        statements.extend(records::statements(batch)?);
        self.tables.commit(statements, false)
    }

    fn recorded(&self, idempotency: &Idempotency) -> Result<Vec<u8>> {
        records::body(self.sql(), idempotency)
    }
}

impl InventoryRows for InventoryStore {
    fn log(&self, after: u64, limit: u32) -> Result<Vec<(u64, String)>> {
        let statement = "SELECT sequence, body FROM log WHERE sequence > ? ORDER BY sequence LIMIT ?";
        let rows = self.sql().rows(statement, vec![integer_value(after)?, integer_value(limit.into())?])?;
        rows.iter().map(|row| Ok((integer(row, 0)?, text(row, 1)?.to_owned()))).collect()
    }

    fn ledger(&self, after: u64, limit: u32) -> Result<Vec<Entry>> {
        Ok(queries::ledger(self, after, limit)?.entries)
    }

    fn look(&self, inventory: &Inventory, query: &Query, now: Millis) -> Result<Answer> {
        queries::answer(inventory, self, query, now)
    }
}
