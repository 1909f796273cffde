//! SQLite storage of an object: schema versions, one transaction, and rows as values.

use std::{cell::RefCell, collections::BTreeMap};

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
const ROWS_PER_STATEMENT: usize = 64;

/// One row, in the order of the selected columns.
pub type Row = Vec<SqlStorageValue>;

impl Sql {
    /// The storage of the object with this state.
    #[must_use]
    pub fn new(state: &State) -> Self {
        let storage = state.storage();
        let storage: RawStorage = AsRef::<JsValue>::as_ref(storage.as_raw()).clone().unchecked_into();
        Self { sql: storage.sql(), storage }
    }

    /// Brings the schema to its newest version: runs, in one transaction, the migrations that were not run yet.
    /// A migration is never changed once it was deployed; the next one is added behind it.
    ///
    /// # Errors
    /// Storage is broken, or was written by a newer version.
    pub fn migrate(&self, migrations: &[&'static str]) -> Result<()> {
        self.exec(
            "CREATE TABLE IF NOT EXISTS schema_version (id INTEGER PRIMARY KEY CHECK (id = 0), version INTEGER NOT NULL)",
            vec![],
        )?;
        let rows = self.rows("SELECT version FROM schema_version", vec![])?;
        let version =
            rows.first().map_or(Ok(0), |row| usize::try_from(integer(row, 0)?).map_err(|e| Error::from(e.to_string())))?;
        if version > migrations.len() {
            return Err(Error::from(format!("schema version {version} is newer than this build")));
        }
        if version == migrations.len() {
            return Ok(());
        }
        self.transaction(|| {
            for migration in &migrations[version..] {
                self.exec(migration, vec![])?;
            }
            let newest = integer_value(migrations.len() as u64)?;
            self.exec(
                "INSERT INTO schema_version VALUES (0, ?) ON CONFLICT (id) DO UPDATE SET version = excluded.version",
                vec![newest],
            )
        })
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

    /// Runs a statement whose one parameter is a JSON array of rows, as often as they need and not at all without any.
    ///
    /// # Errors
    /// SQLite refused it.
    pub fn exec_many<T: serde::Serialize>(&self, statement: &'static str, rows: &[T]) -> Result<()> {
        rows.chunks(ROWS_PER_STATEMENT).try_for_each(|rows| self.exec(statement, vec![json_value(&rows)?]))
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
