//! The rows of idempotency records, the same in every object that keeps them.

use domain::{
    hash::Hash128,
    idempotency::{Idempotency, Record},
    machine::Batch,
    time::Millis,
};
use worker::{Error, Result};

use crate::sql::{ROWS_PER_STATEMENT, Sql, Statement, integer, integer_value, many, text};

/// The table; put it into the first migration of a store. It has a row id: scopes are random, and long rows in a random order would
/// each need a page of their own; so only the index does.
pub const SCHEMA: &str = "
    CREATE TABLE idempotency (scope TEXT PRIMARY KEY NOT NULL, fingerprint TEXT NOT NULL, expires_at INTEGER NOT NULL, body TEXT NOT NULL);
    CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);
";

/// All records, those that are over included: nobody answers by them.
///
/// # Errors
/// Storage is broken.
pub fn load(sql: &Sql) -> Result<Vec<Record>> {
    let digest = |hex: &str| Hash128::parse(hex).ok_or_else(|| Error::from("not a digest"));
    let rows = sql.rows("SELECT scope, fingerprint, expires_at FROM idempotency", vec![])?;
    let record = |row| {
        let (scope, fingerprint) = (digest(text(row, 0)?)?, digest(text(row, 1)?)?);
        Ok(Record { scope, fingerprint, expires_at: Millis(integer(row, 2)?) })
    };
    rows.iter().map(record).collect()
}

/// What `batch` says of records, for the commit of the effect.
///
/// # Errors
/// An answer is no text.
pub fn statements<C>(batch: &Batch<'_, C>) -> Result<Vec<Statement>> {
    let mut statements: Vec<Statement> = vec![];
    if let Some(now) = batch.purge_records_at {
        statements.push(("DELETE FROM idempotency WHERE expires_at <= ?", vec![integer_value(now.0)?]));
    }
    let rows = batch.records().map(|(record, body)| {
        let body = std::str::from_utf8(body).map_err(|error| Error::from(error.to_string()))?;
        Ok((record.scope.to_string(), record.fingerprint.to_string(), record.expires_at, body))
    });
    let rows = rows.collect::<Result<Vec<_>>>()?;
    let insert = "INSERT OR REPLACE INTO idempotency
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)";
    statements.extend(many(insert, &rows, ROWS_PER_STATEMENT)?);
    Ok(statements)
}

/// The recorded answer.
///
/// # Errors
/// Storage is broken, or has no such record.
pub fn body(sql: &Sql, idempotency: &Idempotency) -> Result<Vec<u8>> {
    let scope = idempotency.scope.to_string();
    let rows = sql.rows("SELECT body FROM idempotency WHERE scope = ?", vec![scope.into()])?;
    let row = rows.first().ok_or_else(|| Error::from("a live record has a row"))?;
    Ok(text(row, 0)?.as_bytes().to_vec())
}
