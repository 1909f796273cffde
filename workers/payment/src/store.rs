//! The rows of a simulated provider.
//!
//! | Table | A row is |
//! |---|---|
//! | `intents` | an intent as it stands, for ever |
//! | `idempotency` | the answer to a key |

use std::collections::BTreeMap;

use domain::{
    idempotency::{Idempotency, Record},
    machine::{Batch, Store},
    payment::{Change, Command, Intent, Simulator},
};
use shell::{
    records,
    sql::{ROWS_PER_STATEMENT, Schema, Sql, Tables, json, many},
};
use worker::Result;

const INTENTS: &str = "
    CREATE TABLE intents (intent_id TEXT PRIMARY KEY, settled INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
    CREATE INDEX intents_unsettled ON intents (settled) WHERE settled = 0;
";

const SCHEMA: Schema = Schema {
    version: 3,
    tables: &[INTENTS, records::SCHEMA],
    // One intent was all that an object had; none of these objects is asked any more.
    steps: &[INTENTS],
};

/// Reads and writes the rows of one simulated provider.
pub(crate) struct PaymentStore {
    tables: Tables,
}

impl PaymentStore {
    pub(crate) const fn new(sql: Sql) -> Self {
        Self { tables: Tables::new(sql, &SCHEMA) }
    }
}

impl Store<Simulator> for PaymentStore {
    type Fault = worker::Error;

    fn load(&self) -> Result<(Simulator, Vec<Record>)> {
        if !self.tables.begin()? {
            return Ok((Simulator::default(), vec![]));
        }
        let rows = self.tables.sql().rows("SELECT body FROM intents WHERE settled = 0 ORDER BY intent_id", vec![])?;
        let intents: Vec<Intent> = rows.iter().map(|row| json(row, 0)).collect::<Result<_>>()?;
        Ok((Simulator::restore(intents), records::load(self.tables.sql())?))
    }

    fn recall(&self, simulator: &mut Simulator, command: &Command) -> Result<()> {
        let Some(intent) = simulator.missing(command).filter(|_| self.tables.are_made()) else { return Ok(()) };
        let rows = self.tables.sql().rows("SELECT body FROM intents WHERE intent_id = ?", vec![intent.to_string().into()])?;
        if let Some(row) = rows.first() {
            simulator.recall(json(row, 0)?);
        }
        Ok(())
    }

    /// Of an intent that several commands changed, the last row stays.
    fn save(&self, batch: &Batch<'_, Change>) -> Result<()> {
        let last: BTreeMap<_, _> = batch.changes().map(|change| (&change.intent.terms.intent_id, &change.intent)).collect();
        let rows: Vec<_> = last.iter().map(|(id, intent)| (id.to_string(), u8::from(intent.is_settled()), intent)).collect();
        let insert = "INSERT OR REPLACE INTO intents SELECT value ->> 0, value ->> 1, value -> 2 FROM json_each(?)";
        let mut statements = many(insert, &rows, ROWS_PER_STATEMENT)?;
        statements.extend(records::statements(batch)?);
        self.tables.commit(statements, false)
    }

    fn recorded(&self, idempotency: &Idempotency) -> Result<Vec<u8>> {
        records::body(self.tables.sql(), idempotency)
    }
}
