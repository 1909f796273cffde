//! A request as handlers see it: read, checked and bounded.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use actors::{
    ask::{Fault, Object},
    carrier::{Bell, Carrier},
};
use domain::{id::EventId, idempotency::Idempotency, time::Millis};
use serde::de::DeserializeOwned;
use shell::{
    clock,
    promise::{bell, pause},
};
use worker::{D1Database, Env, Method};

use crate::{
    config::Config,
    error::{ApiError, Code},
    idempotency::{self, Key},
    identity::{Identity, Role},
    inbound::Inbound,
    isolate,
    query::Query,
    route::Route,
    trace::Trace,
};

/// A request on its way to its handler.
pub struct Call {
    /// As the platform gave it. Its body has been read where the route has one. None where an object asks.
    pub request: Option<Rc<Inbound>>,
    pub env: Env,
    pub config: Rc<Config>,
    pub route: Route,
    pub method: Method,
    /// As sent, without the query.
    pub path: String,
    pub query: Query,
    pub trace: Trace,
    /// Absent without a valid JWT.
    pub identity: Option<Identity>,
    /// Absent where the route does not look at it.
    pub idempotency_key: Option<Key>,
    /// At most [`crate::inbound::BODY_MAX_BYTES`]; empty where the route does not read it.
    pub body: Vec<u8>,
    /// When it came in.
    pub asked_at: Millis,
    /// What is noted on the way, for the answer's headers and the metrics.
    pub notes: Rc<Notes>,
}

impl Carrier for Call {
    fn now(&self) -> Millis {
        clock::now()
    }

    async fn pause(&self, ms: u64) {
        pause(ms).await;
    }

    fn bell(&self) -> (Bell, impl Future<Output = ()>) {
        let (ring, rung) = bell();
        (Box::new(ring), rung)
    }

    async fn carry(&self, to: &Object, questions: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Fault> {
        if questions.len() > 1 {
            isolate::metrics(|metrics| metrics.batch(to.binding(), questions.len()));
        }
        shell::ask::send_together(&self.env, to.binding(), &to.name(), &questions).await
    }
}

/// What is noted while a request is handled.
#[derive(Debug, Default)]
pub struct Notes {
    timings: RefCell<Vec<(&'static str, u64)>>,
    operation: Cell<Option<&'static str>>,
    idempotency: Cell<Option<Idempotency>>,
}

impl Notes {
    /// Notes that `service` took `span_ms` milliseconds.
    pub fn time(&self, service: &'static str, span_ms: u64) {
        self.timings.borrow_mut().push((service, span_ms));
    }

    /// What took how many milliseconds, in order.
    #[must_use]
    pub fn timings(&self) -> Vec<(&'static str, u64)> {
        self.timings.borrow().clone()
    }

    /// Notes what the idempotency key is used for.
    pub fn operate(&self, operation: &'static str) {
        self.operation.set(Some(operation));
    }

    /// The operation that the idempotency key was used for.
    #[must_use]
    pub fn operation(&self) -> Option<&'static str> {
        self.operation.get()
    }

    /// What was sent along to tell a repetition.
    #[must_use]
    pub fn idempotency(&self) -> Option<Idempotency> {
        self.idempotency.get()
    }
}

impl Call {
    /// What an object of this platform asks: nobody's request, to no path.
    #[must_use]
    pub fn from_within(env: Env, config: Rc<Config>, trace: Trace) -> Self {
        Self {
            request: None,
            env,
            config,
            route: Route { name: "", endpoints: &[], id: None },
            method: Method::Post,
            path: String::new(),
            query: Query::parse(""),
            trace,
            identity: None,
            idempotency_key: None,
            body: Vec::new(),
            asked_at: clock::now(),
            notes: Rc::default(),
        }
    }

    /// Who calls.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`.
    pub fn user(&self) -> Result<&Identity, ApiError> {
        self.identity.as_ref().ok_or_else(|| Code::Unauthenticated.into())
    }

    /// Who calls, an organiser.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` or `FORBIDDEN`.
    pub fn admin(&self) -> Result<&Identity, ApiError> {
        self.user()?.admin()
    }

    /// What stands for `{id}` in the route; empty where it has none.
    #[must_use]
    pub fn id(&self) -> &str {
        self.route.id.as_deref().unwrap_or_default()
    }

    /// A parameter of the query; an empty one counts as absent.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name)
    }

    /// A header of the request.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        self.request.as_ref()?.header(name)
    }

    /// The body.
    ///
    /// # Errors
    /// `INVALID_REQUEST` with the field.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        from_json(&self.body)
    }

    /// The body of a call that has nothing to say: none, or an object of which no field is looked at.
    ///
    /// # Errors
    /// `INVALID_REQUEST`.
    pub fn no_fields(&self) -> Result<(), ApiError> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        self.json::<serde_json::Map<String, serde_json::Value>>().map(drop)
    }

    /// Caller, operation, key and request as digests. A caller without a JWT is told apart by `event`.
    ///
    /// # Errors
    /// `IDEMPOTENCY_REQUIRED`, or `IDEMPOTENCY_CONFLICT` where this isolate remembers another request with the key.
    pub fn idempotency(&self, operation: &'static str, event: Option<&EventId>) -> Result<Idempotency, ApiError> {
        let key = self.idempotency_key.as_ref().ok_or(Code::IdempotencyRequired)?;
        let (kind, caller): (&[u8], &str) = match (&self.identity, event) {
            (Some(identity), _) => (b"u", &identity.sub.0),
            (None, event) => (b"e", event.map_or("", EventId::as_str)),
        };
        let idempotency = Idempotency {
            scope: idempotency::digest(&[kind, caller.as_bytes(), operation.as_bytes(), key.as_str().as_bytes()]),
            fingerprint: idempotency::digest(&[
                self.method.as_ref().as_bytes(),
                self.route.name.as_bytes(),
                self.id().as_bytes(),
                &self.body,
            ]),
            ttl_ms: self.config.idempotency_ttl_ms,
        };
        if isolate::granted(|granted| granted.conflicts(&idempotency, self.asked_at)) {
            return Err(Code::IdempotencyConflict.into());
        }
        self.notes.operate(operation);
        self.notes.idempotency.set(Some(idempotency));
        Ok(idempotency)
    }

    /// Awaits `work` of `service` and notes how long it took.
    pub async fn timed<T>(&self, service: &'static str, work: impl Future<Output = T>) -> T {
        let began = clock::now();
        let outcome = work.await;
        self.notes.time(service, clock::now().since_ms(began));
        outcome
    }

    /// The database of what is asked across events.
    ///
    /// # Errors
    /// `INTERNAL_ERROR`: it is not bound.
    pub fn db(&self) -> Result<D1Database, ApiError> {
        Ok(self.env.d1("DB")?)
    }
}

impl Identity {
    /// The same, an organiser.
    ///
    /// # Errors
    /// `FORBIDDEN`.
    pub fn admin(&self) -> Result<&Self, ApiError> {
        match self.role {
            Role::Admin => Ok(self),
            Role::User => Err(ApiError::new(Code::Forbidden, "Only organisers may do this.")),
        }
    }
}

/// Reads a body.
///
/// # Errors
/// `INVALID_REQUEST` with the field.
pub fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // serde would take the fields of an object as an array, too.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Err(ApiError::invalid("body", "must be a JSON object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    // Keeping the path costs less than a microsecond; to read a wrong body again for it would compile each type twice.
    let value =
        serde_path_to_error::deserialize(&mut reader).map_err(|error| refuse(body, &error.path().to_string(), error.inner()))?;
    reader.end().map_err(|error| refuse(body, "", &error))?;
    Ok(value)
}

/// Names the field.
fn refuse(body: &[u8], path: &str, error: &serde_json::Error) -> ApiError {
    if body.iter().all(u8::is_ascii_whitespace) {
        return ApiError::invalid("body", "must be a JSON object");
    }
    if !error.is_data() {
        return ApiError::invalid("body", "is not valid JSON");
    }
    let path = if path == "." { "" } else { path };
    let text = error.to_string();
    let problem = text.split(" at line ").next().unwrap_or_default();
    match problem.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        Some(missing) if path.is_empty() => ApiError::invalid(missing, "is required"),
        Some(missing) => ApiError::invalid(format!("{path}.{missing}"), "is required"),
        None if path.is_empty() => ApiError::invalid("body", format!("is not as expected: {problem}")),
        None => ApiError::invalid(path, format!("is not as expected: {problem}")),
    }
}

/// A required text that is there and not empty.
///
/// # Errors
/// `INVALID_REQUEST` with the field.
pub fn required<'a>(field: &str, value: &'a str) -> Result<&'a str, ApiError> {
    if value.trim().is_empty() { Err(ApiError::invalid(field, "must not be empty")) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only the types matter")]
    struct Wish {
        event_id: EventId,
        quantity: Option<u32>,
        seat_ids: Option<Vec<String>>,
    }

    fn field(body: &str) -> Value {
        let error = from_json::<Wish>(body.as_bytes()).expect_err("wrong");
        assert_eq!(error.code, Code::InvalidRequest);
        error.details.expect("details")["field"].clone()
    }

    #[test]
    fn a_wrong_body_names_the_field() {
        assert_eq!(field("{}"), "event_id");
        assert_eq!(field(r#"{"event_id": ""}"#), "event_id");
        assert_eq!(field(r#"{"event_id": 5}"#), "event_id");
        assert_eq!(field(r#"{"event_id": null}"#), "event_id");
        assert_eq!(field(r#"{"event_id": "e", "quantity": "2"}"#), "quantity");
        assert_eq!(field(r#"{"event_id": "e", "quantity": -1}"#), "quantity");
        assert_eq!(field(r#"{"event_id": "e", "seat_ids": ["A-1-1", 7]}"#), "seat_ids[1]");
    }

    #[test]
    fn what_is_no_json_object_is_wrong_as_a_whole() {
        for body in ["", "  ", "{", "[]", "null", "\"text\"", "{\"event_id\": \"e\"} x", "\u{0}"] {
            assert_eq!(field(body), "body", "{body:?}");
        }
        assert!(from_json::<Wish>(b"\xff\xfe").is_err());
    }

    #[test]
    fn an_unknown_field_is_ignored() {
        assert!(from_json::<Wish>(json!({"event_id": "e", "more": [1]}).to_string().as_bytes()).is_ok());
    }

    #[test]
    fn a_required_text_is_not_blank() {
        assert!(required("name", "x").is_ok());
        assert_eq!(required("name", " ").map_err(|error| error.message), Err("name must not be empty".to_owned()));
    }
}
