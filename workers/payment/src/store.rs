//! The rows of a payment.
//!
//! | Table | A row is |
//! |---|---|
//! | `journal` | one change of the intent, for ever: at most a dozen |
//! | `idempotency` | the answer to a key |

use domain::{
    idempotency::{Idempotency, Record},
    machine::{Batch, Machine, Store},
    payment::{Change, Payment},
};
use shell::{
    records,
    sql::{Sql, json, json_value},
};
use worker::Result;

const MIGRATIONS: &[&str] = &["CREATE TABLE journal (seq INTEGER PRIMARY KEY, body TEXT NOT NULL)", records::SCHEMA];

/// Reads and writes the rows of one payment.
pub(crate) struct PaymentStore {
    sql: Sql,
}

impl PaymentStore {
    pub(crate) const fn new(sql: Sql) -> Self {
        Self { sql }
    }
}

impl Store<Payment> for PaymentStore {
    type Fault = worker::Error;

    fn load(&self) -> Result<(Payment, Vec<Record>)> {
        self.sql.migrate(MIGRATIONS)?;
        let mut payment = Payment::default();
        for row in self.sql.rows("SELECT body FROM journal ORDER BY seq", vec![])? {
            payment.apply(&json::<Change>(&row, 0)?);
        }
        Ok((payment, records::load(&self.sql)?))
    }

    fn save(&self, batch: &Batch<'_, Change>) -> Result<()> {
        self.sql.transaction(|| {
            for change in batch.changes() {
                self.sql.exec("INSERT INTO journal (body) VALUES (?)", vec![json_value(change)?])?;
            }
            records::save(&self.sql, batch)
        })
    }

    fn recorded(&self, idempotency: &Idempotency) -> Result<Vec<u8>> {
        records::body(&self.sql, idempotency)
    }
}
