//! SQLite storage of an object: schema versions, one transaction, and rows as values.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use js_sys::{Array, JsString};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use worker::{Error, Result, SqlStorageValue, State};

#[wasm_bindgen]
extern "C" {
    #[derive(Clone)]
    type RawStorage;
    #[wasm_bindgen(method, getter)]
    fn sql(this: &RawStorage) -> RawSql;

    /// `transactionSync` rolls everything back when its callback throws. The `worker` crate does not bind it.
    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    fn transaction_sync(
        this: &RawStorage,
        callback: &mut dyn FnMut() -> std::result::Result<(), JsValue>,
    ) -> std::result::Result<(), JsValue>;

    /// The `worker` crate's takes the statement as text, which would be decoded again with each call.
    #[derive(Clone)]
    type RawSql;
    #[wasm_bindgen(method, catch, variadic)]
    fn exec(this: &RawSql, statement: &JsString, bindings: &Array) -> std::result::Result<Cursor, JsValue>;

    type Cursor;
    #[wasm_bindgen(method)]
    fn raw(this: &Cursor) -> JsValue;
}

thread_local! {
    /// Every statement as the platform takes it, by address and length: there are as many as the code has.
    static STATEMENTS: RefCell<BTreeMap<(usize, usize), JsString>> = const { RefCell::new(BTreeMap::new()) };
}

/// The rows of one object.
#[derive(Clone)]
pub struct Sql {
    sql: RawSql,
    storage: RawStorage,
}

impl std::fmt::Debug for Sql {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sql")
    }
}

/// Rows that one statement takes at most: a parameter may have 2 MB, and a row of ours has a few KB. Longer ones, a list of
/// blocked seats, are rare; a commit with so many of them that they do not fit fails as a whole.
pub const ROWS_PER_STATEMENT: usize = 64;

/// One row, in the order of the selected columns.
pub type Row = Vec<SqlStorageValue>;

/// A statement with what is bound to it.
pub type Statement = (&'static str, Vec<SqlStorageValue>);

/// The tables of an object.
#[derive(Debug)]
pub struct Schema {
    /// Their version.
    pub version: usize,
    /// Makes all of them.
    pub tables: &'static [&'static str],
    /// Each brings older tables one version further, the last one to this version. Never changed once it was deployed.
    pub steps: &'static [&'static str],
}

/// The tables of one object, made with its first commit: so that this is one flush.
#[derive(Debug)]
pub struct Tables {
    sql: Sql,
    schema: &'static Schema,
    made: Cell<bool>,
    /// What waits for a commit that makes the tables.
    waiting: RefCell<Vec<Statement>>,
}

impl Tables {
    /// The tables in this storage.
    #[must_use]
    pub const fn new(sql: Sql, schema: &'static Schema) -> Self {
        Self { sql, schema, made: Cell::new(false), waiting: RefCell::new(vec![]) }
    }

    /// Where the tables are.
    #[must_use]
    pub const fn sql(&self) -> &Sql {
        &self.sql
    }

    /// Whether they are made: before the first commit there is nothing to look in.
    #[must_use]
    pub fn are_made(&self) -> bool {
        self.made.get()
    }

    /// Whether there are any to load from; they have this version then. What waited is forgotten.
    ///
    /// # Errors
    /// Storage is broken, or was written by a newer version.
    pub fn begin(&self) -> Result<bool> {
        self.waiting.take();
        if !self.made.get() {
            let version = self.sql.version()?;
            if version == 0 {
                return Ok(false);
            }
            let missing = later(self.schema.steps, self.schema.version, version)?;
            if !missing.is_empty() {
                self.sql.run_all(make(missing, self.schema.version)?)?;
            }
            self.made.set(true);
        }
        Ok(true)
    }

    /// Runs all statements or none, once [`Self::begin`] was called. Without tables yet, what `may_wait` is written with what
    /// comes next: an event of which nothing was told but that it is known is told again where it was lost.
    ///
    /// # Errors
    /// SQLite refused one; nothing was written.
    pub fn commit(&self, statements: Vec<Statement>, may_wait: bool) -> Result<()> {
        if self.made.get() {
            return self.sql.run_all(statements);
        }
        if may_wait {
            self.waiting.borrow_mut().extend(statements);
            return Ok(());
        }
        let mut all = make(self.schema.tables, self.schema.version)?;
        all.extend(self.waiting.take());
        all.extend(statements);
        self.sql.run_all(all)?;
        self.made.set(true);
        Ok(())
    }
}

/// The steps that tables of `version` lack.
fn later(steps: &'static [&'static str], newest: usize, version: usize) -> Result<&'static [&'static str]> {
    let missing = newest.checked_sub(version).and_then(|missing| steps.len().checked_sub(missing));
    missing.map(|done| &steps[done..]).ok_or_else(|| Error::from(format!("schema version {version} is not one of this build's")))
}

/// Runs `steps` and notes the version that they lead to.
fn make(steps: &[&'static str], version: usize) -> Result<Vec<Statement>> {
    let table = "CREATE TABLE IF NOT EXISTS schema_version (id INTEGER PRIMARY KEY CHECK (id = 0), version INTEGER NOT NULL)";
    let mut statements: Vec<Statement> = vec![(table, vec![])];
    statements.extend(steps.iter().map(|step| (*step, vec![])));
    statements.push(("INSERT OR REPLACE INTO schema_version VALUES (0, ?)", vec![integer_value(version as u64)?]));
    Ok(statements)
}

impl Sql {
    /// The storage of the object with this state.
    #[must_use]
    pub fn new(state: &State) -> Self {
        let storage = state.storage();
        let storage: RawStorage = AsRef::<JsValue>::as_ref(storage.as_raw()).clone().unchecked_into();
        Self { sql: storage.sql(), storage }
    }

    /// The version of the tables; 0 where there are none.
    fn version(&self) -> Result<usize> {
        // Asked before: naming a table that is not there is an error. Nothing is written by asking.
        if self.rows("SELECT 1 FROM sqlite_schema WHERE name = 'schema_version'", vec![])?.is_empty() {
            return Ok(0);
        }
        let rows = self.rows("SELECT version FROM schema_version", vec![])?;
        rows.first().map_or(Ok(0), |row| usize::try_from(integer(row, 0)?).map_err(|error| Error::from(error.to_string())))
    }

    /// Runs statements so that either all of them have an effect or none.
    ///
    /// # Errors
    /// SQLite refused one; nothing was written.
    pub fn run_all(&self, mut statements: Vec<Statement>) -> Result<()> {
        if statements.len() == 1 {
            return statements.drain(..).try_for_each(|(statement, bindings)| self.exec(statement, bindings));
        }
        self.transaction(|| statements.drain(..).try_for_each(|(statement, bindings)| self.exec(statement, bindings)))
    }

    /// Runs `work` so that either all of its statements have an effect or none.
    ///
    /// # Errors
    /// What `work` or the storage said; nothing was written.
    pub fn transaction(&self, mut work: impl FnMut() -> Result<()>) -> Result<()> {
        self.storage.transaction_sync(&mut || work().map_err(|error| JsValue::from_str(&error.to_string()))).map_err(Error::from)
    }

    /// Runs one statement for its effect.
    ///
    /// # Errors
    /// SQLite refused it.
    pub fn exec(&self, statement: &'static str, bindings: Vec<SqlStorageValue>) -> Result<()> {
        self.run(statement, bindings).map(|_| ())
    }

    /// Runs one statement for its rows.
    ///
    /// # Errors
    /// SQLite refused it.
    pub fn rows(&self, statement: &'static str, bindings: Vec<SqlStorageValue>) -> Result<Vec<Row>> {
        let rows = Array::from(&self.run(statement, bindings)?.raw());
        rows.iter().map(|row| Array::from(&row).iter().map(SqlStorageValue::try_from).collect()).collect()
    }

    fn run(&self, statement: &'static str, bindings: Vec<SqlStorageValue>) -> Result<Cursor> {
        let statement = STATEMENTS.with_borrow_mut(|known| {
            known.entry((statement.as_ptr() as usize, statement.len())).or_insert_with(|| JsString::from(statement)).clone()
        });
        let bindings: Array = bindings.into_iter().map(JsValue::from).collect();
        self.sql.exec(&statement, &bindings).map_err(Error::from)
    }
}

/// A statement whose one parameter is a JSON array of rows, as often as they need and not at all without any.
///
/// # Errors
/// They cannot be written as JSON.
pub fn many<T: serde::Serialize>(statement: &'static str, rows: &[T], rows_each: usize) -> Result<Vec<Statement>> {
    rows.chunks(rows_each).map(|rows| Ok((statement, vec![json_value(&rows)?]))).collect()
}

fn mismatch(column: usize, wanted: &str) -> Error {
    Error::from(format!("column {column} is not {wanted}"))
}

/// An integer column.
///
/// # Errors
/// It is something else.
pub fn integer(row: &Row, column: usize) -> Result<u64> {
    match row.get(column) {
        Some(SqlStorageValue::Integer(value)) => u64::try_from(*value).map_err(|_| mismatch(column, "a natural number")),
        // The runtime hands integers over as doubles; all of ours are below 2^53.
        Some(SqlStorageValue::Float(value)) if *value >= 0.0 && value.fract() == 0.0 => Ok(*value as u64),
        _ => Err(mismatch(column, "an integer")),
    }
}

/// An integer column that may be NULL.
///
/// # Errors
/// It is something else.
pub fn optional_integer(row: &Row, column: usize) -> Result<Option<u64>> {
    match row.get(column) {
        Some(SqlStorageValue::Null) => Ok(None),
        _ => integer(row, column).map(Some),
    }
}

/// A text column.
///
/// # Errors
/// It is something else.
pub fn text(row: &Row, column: usize) -> Result<&str> {
    match row.get(column) {
        Some(SqlStorageValue::String(value)) => Ok(value),
        _ => Err(mismatch(column, "text")),
    }
}

/// A text column that may be NULL.
///
/// # Errors
/// It is something else.
pub fn optional_text(row: &Row, column: usize) -> Result<Option<&str>> {
    match row.get(column) {
        Some(SqlStorageValue::Null) => Ok(None),
        _ => text(row, column).map(Some),
    }
}

/// A BLOB column.
///
/// # Errors
/// It is something else.
pub fn blob(row: &Row, column: usize) -> Result<&[u8]> {
    match row.get(column) {
        Some(SqlStorageValue::Blob(value)) => Ok(value),
        _ => Err(mismatch(column, "a blob")),
    }
}

/// A column that holds JSON text. By `from_slice`, as everywhere in the Worker: each of serde's two readers compiles
/// every type for itself.
///
/// # Errors
/// It is something else.
pub fn json<T: serde::de::DeserializeOwned>(row: &Row, column: usize) -> Result<T> {
    serde_json::from_slice(text(row, column)?.as_bytes()).map_err(Error::from)
}

/// An integer to bind.
///
/// # Errors
/// It is beyond 2^53 and would lose its last digits.
pub fn integer_value(value: u64) -> Result<SqlStorageValue> {
    let value = i64::try_from(value).map_err(|_| Error::from("integer beyond 63 bits"))?;
    SqlStorageValue::try_from_i64(value)
}

/// A value to bind as JSON text.
///
/// # Errors
/// It cannot be written as JSON.
pub fn json_value<T: serde::Serialize>(value: &T) -> Result<SqlStorageValue> {
    Ok(SqlStorageValue::String(serde_json::to_string(value)?))
}
