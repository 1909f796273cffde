//! The rows of a simulated provider.
//!
//! | Table | A row is |
//! |---|---|
//! | `intents` | an intent as it stands, for ever |
//! | `idempotency` | the answer to a key |

use std::{cell::Cell, collections::BTreeMap};

use domain::{
    idempotency::{Idempotency, Record},
    machine::{Batch, Store},
    payment::{Change, Command, Intent, Simulator},
};
use shell::{
    records,
    sql::{Sql, json},
};
use worker::Result;

const MIGRATIONS: &[&str] = &[
    // One intent was all that an object had.
    "CREATE TABLE journal (seq INTEGER PRIMARY KEY, body TEXT NOT NULL)",
    records::SCHEMA,
    "
    DROP TABLE journal;
    CREATE TABLE intents (intent_id TEXT PRIMARY KEY, settled INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
    CREATE INDEX intents_unsettled ON intents (settled) WHERE settled = 0;
",
];

/// Reads and writes the rows of one simulated provider.
pub(crate) struct PaymentStore {
    sql: Sql,
    migrated: Cell<bool>,
}

impl PaymentStore {
    pub(crate) const fn new(sql: Sql) -> Self {
        Self { sql, migrated: Cell::new(false) }
    }
}

impl Store<Simulator> for PaymentStore {
    type Fault = worker::Error;

    fn load(&self) -> Result<(Simulator, Vec<Record>)> {
        if !self.migrated.replace(true) {
            self.sql.migrate(MIGRATIONS).inspect_err(|_| self.migrated.set(false))?;
        }
        let rows = self.sql.rows("SELECT body FROM intents WHERE settled = 0 ORDER BY intent_id", vec![])?;
        let intents: Vec<Intent> = rows.iter().map(|row| json(row, 0)).collect::<Result<_>>()?;
        Ok((Simulator::restore(intents), records::load(&self.sql)?))
    }

    fn recall(&self, simulator: &mut Simulator, command: &Command) -> Result<()> {
        let Some(intent) = simulator.missing(command) else { return Ok(()) };
        let rows = self.sql.rows("SELECT body FROM intents WHERE intent_id = ?", vec![intent.to_string().into()])?;
        if let Some(row) = rows.first() {
            simulator.recall(json(row, 0)?);
        }
        Ok(())
    }

    /// Of an intent that several commands changed, the last row stays.
    fn save(&self, batch: &Batch<'_, Change>) -> Result<()> {
        let last: BTreeMap<_, _> = batch.changes().map(|change| (&change.intent.terms.intent_id, &change.intent)).collect();
        let rows: Vec<_> = last.iter().map(|(id, intent)| (id.to_string(), u8::from(intent.is_settled()), intent)).collect();
        self.sql.transaction(|| {
            let statement = "INSERT OR REPLACE INTO intents SELECT value ->> 0, value ->> 1, value -> 2 FROM json_each(?)";
            self.sql.exec_many(statement, &rows)?;
            records::save(&self.sql, batch)
        })
    }

    fn recorded(&self, idempotency: &Idempotency) -> Result<Vec<u8>> {
        records::body(&self.sql, idempotency)
    }
}
