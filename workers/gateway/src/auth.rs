//! Handlers of `/auth`.

use domain::{id::UserId, time::Millis};
use serde::{Deserialize, Serialize};
use shell::clock;
use uuid::Uuid;

use crate::{
    call::{Call, required},
    error::{ApiError, Code},
    idempotency,
    identity::{Role, jwt, password},
    reply::Reply,
    users::{self, Record, Registered, User},
};

/// Longest name, address or display name that is looked at, in bytes.
const TEXT_MAX_BYTES: usize = 254;
/// Longest password, in bytes.
const PASSWORD_MAX_BYTES: usize = 1024;
/// Shortest password, in characters.
const PASSWORD_MIN_CHARS: usize = 8;

#[derive(Deserialize)]
pub(crate) struct Registration {
    username: String,
    password: String,
    email: String,
    display_name: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Login {
    username: String,
    password: String,
}

#[derive(Serialize)]
struct SignedIn<'a> {
    token: String,
    user_id: &'a UserId,
    username: &'a str,
    display_name: &'a str,
    role: Role,
    expires_in: u64,
}

#[derive(Serialize)]
struct Me<'a> {
    user_id: &'a UserId,
    username: &'a str,
    display_name: &'a str,
    role: Role,
}

/// `POST /auth/register`
///
/// # Errors
/// `INVALID_REQUEST`, `USERNAME_EXISTS`, `IDEMPOTENCY_CONFLICT`.
pub async fn register(call: &Call) -> Result<Reply, ApiError> {
    let wanted: Registration = call.json()?;
    check(&wanted)?;
    let db = call.db()?;
    let key = Repetition::of(call, "auth.register");
    if let Some(reply) = key.answer(call, 201).await? {
        return Ok(reply);
    }
    let display_name = wanted.display_name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    let user = User {
        user_id: UserId(Uuid::new_v4().to_string().into()),
        display_name: display_name.unwrap_or(&wanted.username).to_owned(),
        role: Role::User,
        password_hash: password::hash(&wanted.password, Uuid::new_v4().as_bytes()),
        username: wanted.username,
    };
    let issued_at = clock::now();
    let record = key.record(call, &user.user_id, issued_at);
    match call.timed("d1", users::add(&db, &user, &wanted.email, record.as_ref(), issued_at)).await? {
        Registered::Done => Ok(signed_in(call, 201, &user, issued_at)),
        Registered::Taken => match key.answer(call, 201).await? {
            Some(reply) => Ok(reply),
            None => Err(Code::UsernameExists.into()),
        },
    }
}

/// `POST /auth/login`
///
/// # Errors
/// `INVALID_REQUEST`, `INVALID_CREDENTIALS`, `IDEMPOTENCY_CONFLICT`.
pub async fn login(call: &Call) -> Result<Reply, ApiError> {
    let wanted: Login = call.json()?;
    required("username", &wanted.username)?;
    if wanted.password.is_empty() {
        return Err(ApiError::invalid("password", "must not be empty"));
    }
    let db = call.db()?;
    let key = Repetition::of(call, "auth.login");
    if let Some(reply) = key.answer(call, 200).await? {
        return Ok(reply);
    }
    let fits = wanted.username.len() <= TEXT_MAX_BYTES && wanted.password.len() <= PASSWORD_MAX_BYTES;
    let (username, given) = if fits { (wanted.username.as_str(), wanted.password.as_str()) } else { ("", "") };
    let user = call.timed("d1", users::by_name(&db, username)).await?;
    let kept = user.as_ref().map_or(password::NOBODYS_HASH, |user| &user.password_hash);
    let matches = password::matches(given, kept);
    let user = user.filter(|_| matches).ok_or(Code::InvalidCredentials)?;
    let issued_at = clock::now();
    if let Some(record) = key.record(call, &user.user_id, issued_at) {
        call.timed("d1", users::remember(&db, &record, issued_at)).await?;
        // Whoever was faster with the same key was answered first, and so is this one.
        if let Some(reply) = key.answer(call, 200).await? {
            return Ok(Reply { replayed: false, ..reply });
        }
    }
    Ok(signed_in(call, 200, &user, issued_at))
}

/// `GET /auth/me`. Users of the OpenID provider have no row here: their token tells who they are.
///
/// # Errors
/// `UNAUTHENTICATED`.
pub async fn me(call: &Call) -> Result<Reply, ApiError> {
    let identity = call.user()?;
    let user = call.timed("d1", users::by_id(&call.db()?, &identity.sub)).await?;
    let (username, display_name) = match &user {
        Some(user) => (user.username.as_str(), user.display_name.as_str()),
        None => (identity.username.as_str(), identity.username.as_str()),
    };
    Ok(Reply::json(200, &Me { user_id: &identity.sub, username, display_name, role: identity.role }))
}

fn signed_in(call: &Call, status: u16, user: &User, issued_at: Millis) -> Reply {
    let answer = SignedIn {
        token: jwt::sign(&user.identity(), &call.config.jwt_secret, issued_at),
        user_id: &user.user_id,
        username: &user.username,
        display_name: &user.display_name,
        role: user.role,
        expires_in: jwt::TTL_SEC,
    };
    Reply::json(status, &answer)
}

/// What tells a repeated request on `/auth`. Its digests are keyed, since bodies have passwords.
struct Repetition(Option<(domain::hash::Hash128, domain::hash::Hash128)>);

impl Repetition {
    fn of(call: &Call, operation: &'static str) -> Self {
        Self(call.idempotency_key.as_ref().map(|key| {
            call.notes.operate(operation);
            let secret = call.config.jwt_secret.derive("traffic-tacos auth idempotency");
            let digest = |parts: &[&[u8]]| idempotency::keyed_digest(secret.bytes(), parts);
            let caller = call.identity.as_ref().map_or("", |identity| &identity.sub.0);
            (
                digest(&[b"scope", caller.as_bytes(), operation.as_bytes(), key.as_str().as_bytes()]),
                digest(&[b"request", operation.as_bytes(), &call.body]),
            )
        }))
    }

    /// The recorded answer, given again.
    async fn answer(&self, call: &Call, status: u16) -> Result<Option<Reply>, ApiError> {
        let Some((scope, fingerprint)) = self.0 else { return Ok(None) };
        let db = call.db()?;
        let Some(record) = call.timed("d1", users::record(&db, scope, clock::now())).await? else { return Ok(None) };
        if record.fingerprint != fingerprint {
            return Err(Code::IdempotencyConflict.into());
        }
        let user = call.timed("d1", users::by_id(&db, &record.user_id)).await?;
        Ok(user.map(|user| Reply { replayed: true, ..signed_in(call, status, &user, record.issued_at) }))
    }

    fn record(&self, call: &Call, user_id: &UserId, issued_at: Millis) -> Option<Record> {
        self.0.map(|(scope, fingerprint)| Record {
            scope,
            fingerprint,
            user_id: user_id.clone(),
            issued_at,
            expires_at: issued_at.plus_ms(call.config.idempotency_ttl_ms),
        })
    }
}

pub(crate) fn check(wanted: &Registration) -> Result<(), ApiError> {
    let plain = wanted.username.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !plain || !(3..=32).contains(&wanted.username.len()) {
        return Err(ApiError::invalid("username", "must be 3 to 32 characters of A-Z, a-z, 0-9, _ and -"));
    }
    if wanted.password.chars().count() < PASSWORD_MIN_CHARS {
        return Err(ApiError::invalid("password", format!("must have at least {PASSWORD_MIN_CHARS} characters")));
    }
    if wanted.password.len() > PASSWORD_MAX_BYTES {
        return Err(ApiError::invalid("password", format!("must have at most {PASSWORD_MAX_BYTES} bytes")));
    }
    if !is_email(&wanted.email) {
        return Err(ApiError::invalid("email", "must be an e-mail address"));
    }
    let display_name = wanted.display_name.as_deref().unwrap_or_default();
    if display_name.len() > TEXT_MAX_BYTES || display_name.chars().any(char::is_control) {
        return Err(ApiError::invalid("display_name", format!("must be at most {TEXT_MAX_BYTES} bytes on one line")));
    }
    Ok(())
}

/// The shape alone: something, `@`, a host name with a dot. Whether it exists, only a letter would tell.
fn is_email(text: &str) -> bool {
    let Some((local, host)) = text.rsplit_once('@') else { return false };
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && c != '@';
    let dotted = host.split('.').count() >= 2 && host.split('.').all(|label| !label.is_empty());
    text.len() <= TEXT_MAX_BYTES && !local.is_empty() && dotted && local.chars().chain(host.chars()).all(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(change: serde_json::Value) -> Option<String> {
        let mut body = json!({"username": "some-one_1", "password": "12345678", "email": "some.one@mail.test"});
        body.as_object_mut().expect("object").extend(change.as_object().expect("object").clone());
        let wanted: Registration = serde_json::from_value(body).expect("types fit");
        check(&wanted).err().and_then(|error| error.details).map(|details| details["field"].as_str().unwrap_or("").to_owned())
    }

    #[test]
    fn a_registration_is_checked_field_by_field() {
        assert_eq!(refused(json!({})), None);
        assert_eq!(refused(json!({"display_name": "홍길동"})), None);
        for username in ["ab", "a b", "홍길동", "x@y", &"a".repeat(33), ""] {
            assert_eq!(refused(json!({ "username": username })).as_deref(), Some("username"), "{username}");
        }
        assert_eq!(refused(json!({"password": "1234567"})).as_deref(), Some("password"));
        assert_eq!(refused(json!({"password": "x".repeat(1025)})).as_deref(), Some("password"));
        assert_eq!(refused(json!({"password": "비밀번호비밀번호"})), None);
        for email in ["", "a", "@b.c", "a@", "a@b", "a@b.", "a@.c", "a b@c.d", "a@b@c.d", "a@b.c\n"] {
            assert_eq!(refused(json!({ "email": email })).as_deref(), Some("email"), "{email:?}");
        }
        assert_eq!(refused(json!({"display_name": "a\nb"})).as_deref(), Some("display_name"));
    }
}
