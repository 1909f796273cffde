//! Users in D1, and the records of answers given on `/auth`.

use domain::{hash::Hash128, id::UserId, time::Millis};
use serde::Deserialize;
use wasm_bindgen::JsValue;
use worker::{D1Database, D1PreparedStatement};

use crate::{
    error::ApiError,
    identity::{Identity, Role},
};

/// Somebody who registered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct User {
    pub user_id: UserId,
    pub username: String,
    pub display_name: String,
    pub role: Role,
    pub password_hash: String,
}

impl User {
    /// Whom a token for this user speaks for.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity { sub: self.user_id.clone(), username: self.username.clone(), role: self.role }
    }
}

/// The record of an answer: enough to give it again, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub scope: Hash128,
    pub fingerprint: Hash128,
    pub user_id: UserId,
    pub issued_at: Millis,
    pub expires_at: Millis,
}

#[derive(Deserialize)]
struct RecordRow {
    fingerprint: Hash128,
    user_id: UserId,
    issued_at: f64,
    expires_at: f64,
}

/// What became of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// The user is there, and the record with it.
    Done,
    /// The name is taken, or another request with the same key was faster. Nothing was written.
    Taken,
}

const COLUMNS: &str = "user_id, username, display_name, role, password_hash";

/// The user with this name, whatever its case.
///
/// # Errors
/// D1 is broken.
pub async fn by_name(db: &D1Database, username: &str) -> Result<Option<User>, ApiError> {
    let statement = db.prepare(format!("SELECT {COLUMNS} FROM users WHERE username = ?1"));
    Ok(statement.bind(&[username.into()])?.first(None).await?)
}

/// The user with this id.
///
/// # Errors
/// D1 is broken.
pub async fn by_id(db: &D1Database, user_id: &UserId) -> Result<Option<User>, ApiError> {
    let statement = db.prepare(format!("SELECT {COLUMNS} FROM users WHERE user_id = ?1"));
    Ok(statement.bind(&[user_id.as_str().into()])?.first(None).await?)
}

/// Adds a user and the record of the answer, both or neither. Two at once with one name: the unique name decides.
///
/// # Errors
/// D1 is broken.
pub async fn add(
    db: &D1Database,
    user: &User,
    email: &str,
    record: Option<&Record>,
    now: Millis,
) -> Result<Registered, ApiError> {
    let statement = db.prepare(
        "INSERT INTO users (user_id, username, display_name, email, password_hash, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    );
    let insert = statement.bind(&[
        user.user_id.as_str().into(),
        user.username.as_str().into(),
        user.display_name.as_str().into(),
        email.into(),
        user.password_hash.as_str().into(),
        instant(now),
    ])?;
    let mut statements = vec![insert];
    if let Some(record) = record {
        statements.extend(keep(db, record, now)?);
    }
    match db.batch(statements).await {
        Ok(_) => Ok(Registered::Done),
        Err(error) if error.to_string().contains("UNIQUE constraint failed") => Ok(Registered::Taken),
        Err(error) => Err(error.into()),
    }
}

/// Keeps a record. One of the same scope that another request wrote meanwhile stays.
///
/// # Errors
/// D1 is broken.
pub async fn remember(db: &D1Database, record: &Record, now: Millis) -> Result<(), ApiError> {
    match db.batch(keep(db, record, now)?.into()).await {
        Ok(_) => Ok(()),
        Err(error) if error.to_string().contains("UNIQUE constraint failed") => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn keep(db: &D1Database, record: &Record, now: Millis) -> worker::Result<[D1PreparedStatement; 2]> {
    let purge = db.prepare("DELETE FROM auth_records WHERE expires_at <= ?1").bind(&[instant(now)])?;
    let statement =
        db.prepare("INSERT INTO auth_records (scope, fingerprint, user_id, issued_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)");
    let insert = statement.bind(&[
        record.scope.to_string().into(),
        record.fingerprint.to_string().into(),
        record.user_id.as_str().into(),
        instant(record.issued_at),
        instant(record.expires_at),
    ])?;
    Ok([purge, insert])
}

/// The record of this scope that lives at `now`.
///
/// # Errors
/// D1 is broken.
pub async fn record(db: &D1Database, scope: Hash128, now: Millis) -> Result<Option<Record>, ApiError> {
    let statement =
        db.prepare("SELECT fingerprint, user_id, issued_at, expires_at FROM auth_records WHERE scope = ?1 AND expires_at > ?2");
    let row: Option<RecordRow> = statement.bind(&[scope.to_string().into(), instant(now)])?.first(None).await?;
    Ok(row.map(|row| Record {
        scope,
        fingerprint: row.fingerprint,
        user_id: row.user_id,
        issued_at: Millis(row.issued_at as u64),
        expires_at: Millis(row.expires_at as u64),
    }))
}

/// D1 takes numbers as doubles; instants stay below 2^53.
fn instant(at: Millis) -> JsValue {
    JsValue::from_f64(at.0 as f64)
}
