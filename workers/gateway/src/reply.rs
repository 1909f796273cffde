//! What a handler answers, and the headers that every answer has. They are added here and nowhere else.

use std::borrow::Cow;

use domain::machine::Answer;
use serde::Serialize;
use serde_json::{Map, Value, json};
use shell::socket;
use worker::{Method, Response, worker_sys::web_sys};

use crate::{
    config::{Config, RateLimit},
    edge,
    error::{ApiError, Code},
    rate_limit::Standing,
    trace::Trace,
};

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    /// None.
    Empty,
    /// JSON as it goes out.
    Json(Vec<u8>),
    /// Anything else, with its content type.
    Text(&'static str, Cow<'static, str>),
    /// An accepted WebSocket: passed through as it is.
    Upgrade(Response),
}

/// What a handler answers.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Body,
    /// Whether this is a recorded answer given again.
    pub replayed: bool,
    pub headers: Vec<(&'static str, String)>,
}

impl Reply {
    /// `body` as JSON.
    #[must_use]
    pub fn json<T: Serialize>(status: u16, body: &T) -> Self {
        Self::bytes(status, serde_json::to_vec(body).expect("answers are plain data with text keys"))
    }

    /// JSON that is already written.
    #[must_use]
    pub const fn bytes(status: u16, json: Vec<u8>) -> Self {
        Self { status, body: Body::Json(json), replayed: false, headers: Vec::new() }
    }

    /// What an object answered, passed through.
    ///
    /// # Errors
    /// The object refused.
    pub fn answer(status: u16, answer: Answer) -> Result<Self, ApiError> {
        match answer {
            Answer::Granted { body, replayed } => Ok(Self { replayed, ..Self::bytes(status, body) }),
            Answer::Refused(refusal) => Err(refusal.into()),
        }
    }

    /// Text of this content type.
    #[must_use]
    pub fn text(status: u16, content_type: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, body: Body::Text(content_type, text.into()), replayed: false, headers: Vec::new() }
    }

    /// A page. It gets the strict content security policy unless it brings its own.
    #[must_use]
    pub fn html(status: u16, page: impl Into<Cow<'static, str>>) -> Self {
        Self::text(status, "text/html; charset=utf-8", page)
    }

    /// No body.
    #[must_use]
    pub const fn empty(status: u16) -> Self {
        Self { status, body: Body::Empty, replayed: false, headers: Vec::new() }
    }

    /// A WebSocket that was accepted.
    #[must_use]
    pub const fn upgrade(response: Response) -> Self {
        Self { status: 101, body: Body::Upgrade(response), replayed: false, headers: Vec::new() }
    }

    /// The same with one more header, in place of the usual one of that name.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// `error` as the contract writes it: JSON, or RFC 9457 where the caller prefers that.
    #[must_use]
    pub fn error(error: &ApiError, trace_id: &str, path: &str, as_problem: bool) -> Self {
        let code = error.code;
        let mut body = Map::new();
        if as_problem {
            body.insert("type".into(), format!("/problems/{}", code.slug()).into());
            body.insert("title".into(), code.title().into());
            body.insert("status".into(), code.status().into());
            body.insert("detail".into(), error.message.as_str().into());
            body.insert("instance".into(), path.into());
        }
        body.insert("code".into(), code.as_str().into());
        if !as_problem {
            body.insert("message".into(), error.message.as_str().into());
        }
        body.insert("trace_id".into(), trace_id.into());
        if let Some(details) = &error.details {
            body.insert("details".into(), details.clone());
        }
        let reply = if as_problem {
            Self::text(code.status(), "application/problem+json", Value::Object(body).to_string())
        } else {
            Self::json(code.status(), &json!({ "error": body }))
        };
        Self { headers: error.headers.clone(), ..reply }
    }
}

/// Refuses a WebSocket so that the page learns why: browsers hide the status of a failed upgrade, so it is accepted
/// and closed with a code. The reason is the error's code, and where there is a time to come back, `retry-after=` seconds.
///
/// # Errors
/// The platform makes no socket.
pub fn refuse_socket(error: &ApiError) -> worker::Result<Reply> {
    let retry_after = error.headers.iter().find(|(name, _)| *name == "Retry-After").map(|(_, seconds)| seconds);
    let reason = retry_after
        .map_or_else(|| error.code.as_str().to_owned(), |seconds| format!("{} retry-after={seconds}", error.code.as_str()));
    socket::refuse(close_code(error.code), &reason).map(Reply::upgrade)
}

const fn close_code(code: Code) -> u16 {
    match code {
        Code::MissingToken | Code::TokenNotFound => 4401,
        code => match code.status() {
            401 | 403 => 4401,
            404 => 4404,
            409 => 4409,
            429 => 4429,
            500.. => 1013,
            _ => 4400,
        },
    }
}

/// What the headers of every answer are made from.
#[derive(Debug)]
pub struct Frame<'a> {
    pub config: Option<&'a Config>,
    pub method: &'a Method,
    pub trace: &'a Trace,
    /// The caller's `X-Request-Id`, as sent.
    pub request_id: Option<&'a str>,
    /// The page that asks, where a browser says so.
    pub origin: Option<&'a str>,
    /// How the caller stands; absent where the limit is off.
    pub standing: Option<(RateLimit, Standing)>,
    /// What took how many milliseconds.
    pub timings: &'a [(&'static str, u64)],
}

/// Headers that are the same on every answer. A handler's own replaces the one of the same name.
pub const ALWAYS: &[(&str, &str)] = &[
    ("Strict-Transport-Security", "max-age=63072000; includeSubDomains"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    ("Cache-Control", "no-store"),
    ("Vary", "Origin"),
    (
        "Access-Control-Expose-Headers",
        "Retry-After, RateLimit, RateLimit-Policy, Idempotency-Replayed, X-Request-Id, Server-Timing, traceparent, ETag, \
         X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset",
    ),
];

/// Longest `X-Request-Id` that is echoed, in characters.
const REQUEST_ID_MAX_LEN: usize = 128;

/// Headers that differ from answer to answer. That a body is JSON is said in [`respond`].
#[must_use]
pub fn headers(reply: &Reply, frame: &Frame<'_>) -> Vec<(&'static str, String)> {
    let mut headers = Vec::with_capacity(16);
    let echoed = frame
        .request_id
        .filter(|id| (1..=REQUEST_ID_MAX_LEN).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()));
    headers.push(("X-Request-Id", echoed.unwrap_or(&frame.trace.trace_id).to_owned()));
    headers.push(("traceparent", frame.trace.traceparent()));
    if let Body::Text(content_type, _) = &reply.body {
        headers.push(("Content-Type", (*content_type).to_owned()));
    }
    if reply.replayed {
        headers.push(("Idempotency-Replayed", "true".to_owned()));
    }
    if let Some((limit, standing)) = frame.standing {
        rate_limit_headers(&mut headers, limit, standing);
    }
    if !frame.timings.is_empty() {
        headers.push(("Server-Timing", server_timing(frame.timings)));
    }
    let allowed = |origin: &&str| frame.config.is_some_and(|config| config.allowed_origins.allow(origin));
    if let Some(origin) = frame.origin.filter(allowed) {
        headers.push(("Access-Control-Allow-Origin", origin.to_owned()));
        if *frame.method == Method::Options {
            headers.push(("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS".to_owned()));
            let accepted =
                "Authorization, Content-Type, Idempotency-Key, X-Trace-Id, X-Request-Id, X-Requested-With, traceparent";
            headers.push(("Access-Control-Allow-Headers", accepted.to_owned()));
            headers.push(("Access-Control-Max-Age", "86400".to_owned()));
        }
    }
    headers.extend(reply.headers.iter().cloned());
    headers
}

/// As in draft-ietf-httpapi-ratelimit-headers-10 and, for those who do not know it, as everybody did before.
fn rate_limit_headers(headers: &mut Vec<(&'static str, String)>, limit: RateLimit, standing: Standing) {
    let window_sec = limit.burst.div_ceil(limit.rps.max(1));
    headers.push(("RateLimit-Policy", format!("\"default\";q={};w={window_sec}", limit.burst)));
    headers.push(("RateLimit", format!("\"default\";r={};t={}", standing.remaining, standing.reset_sec)));
    headers.push(("X-RateLimit-Limit", limit.burst.to_string()));
    headers.push(("X-RateLimit-Remaining", standing.remaining.to_string()));
    headers.push(("X-RateLimit-Reset", standing.reset_sec.to_string()));
}

/// Each service once, with the sum of its times.
fn server_timing(timings: &[(&'static str, u64)]) -> String {
    let mut sums: Vec<(&str, u64)> = Vec::new();
    for (service, span_ms) in timings {
        match sums.iter_mut().find(|(known, _)| known == service) {
            Some((_, sum)) => *sum += span_ms,
            None => sums.push((service, *span_ms)),
        }
    }
    let entries: Vec<_> = sums.iter().map(|(service, ms)| format!("{};dur={ms}", service.to_ascii_lowercase())).collect();
    entries.join(", ")
}

/// The answer as the platform sends it.
///
/// # Errors
/// A header is not one, or the platform makes no response.
pub fn respond(reply: Reply, frame: &Frame<'_>) -> worker::Result<web_sys::Response> {
    let own = headers(&reply, frame);
    let json = matches!(reply.body, Body::Json(_));
    let bytes = match reply.body {
        Body::Upgrade(response) => return Ok(response.into()),
        Body::Empty => None,
        Body::Json(bytes) => Some(Cow::from(bytes)),
        Body::Text(_, Cow::Borrowed(text)) => Some(Cow::from(text.as_bytes())),
        Body::Text(_, Cow::Owned(text)) => Some(Cow::from(text.into_bytes())),
    };
    let shown = bytes.as_deref().filter(|_| *frame.method != Method::Head);
    edge::respond(reply.status, shown, json, &own)
}

#[cfg(test)]
mod tests {
    use domain::refusal::Refusal;

    use super::*;

    fn body(reply: &Reply) -> Value {
        match &reply.body {
            Body::Json(bytes) => serde_json::from_slice(bytes).expect("JSON"),
            Body::Text(_, text) => serde_json::from_str(text).expect("JSON"),
            Body::Empty | Body::Upgrade(_) => Value::Null,
        }
    }

    fn value<'a>(headers: &'a [(&'static str, String)], name: &str) -> Option<&'a str> {
        headers.iter().rev().find(|(present, _)| *present == name).map(|(_, value)| value.as_str())
    }

    fn frame<'a>(config: Option<&'a Config>, trace: &'a Trace, method: &'a Method) -> Frame<'a> {
        Frame { config, method, trace, request_id: None, origin: None, standing: None, timings: &[] }
    }

    fn config(origins: &str) -> Config {
        let vars = [("ENVIRONMENT", "development"), ("ALLOWED_ORIGINS", origins)];
        Config::read(|name| vars.iter().find(|(var, _)| *var == name).map(|(_, value)| (*value).to_owned())).expect("valid")
    }

    #[test]
    fn an_error_is_json_as_in_the_contract() {
        let error = Refusal::SeatTaken { seat_ids: vec!["VIP-9-17".into()] }.into();
        let reply = Reply::error(&error, "4bf92f3577b34da6a3ce929d0e0e4736", "/api/v1/reservations", false);
        assert_eq!(reply.status, 409);
        assert_eq!(
            body(&reply),
            json!({"error": {"code": "SEAT_TAKEN", "message": "Seat VIP-9-17 is no longer available",
                "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "details": {"seat_ids": ["VIP-9-17"]}}})
        );
    }

    #[test]
    fn the_same_error_can_be_a_problem_document() {
        let error = Refusal::SeatTaken { seat_ids: vec!["VIP-9-17".into()] }.into();
        let reply = Reply::error(&error, "4bf9", "/api/v1/reservations", true);
        assert!(matches!(reply.body, Body::Text("application/problem+json", _)));
        assert_eq!(
            body(&reply),
            json!({"type": "/problems/seat-taken", "title": "The seat is taken", "status": 409,
                "detail": "Seat VIP-9-17 is no longer available", "instance": "/api/v1/reservations", "code": "SEAT_TAKEN",
                "trace_id": "4bf9", "details": {"seat_ids": ["VIP-9-17"]}})
        );
    }

    #[test]
    fn the_headers_of_an_error_go_with_it() {
        let reply = Reply::error(&Code::Overloaded.into(), "4bf9", "/", false);
        assert_eq!(value(&reply.headers, "Retry-After"), Some("1"));
    }

    #[test]
    fn a_request_id_is_echoed_where_it_is_harmless_and_made_otherwise() {
        let (trace, method) = (Trace::new(None, None), Method::Get);
        let id = |sent| {
            let frame = Frame { request_id: sent, ..frame(None, &trace, &method) };
            value(&headers(&Reply::empty(204), &frame), "X-Request-Id").map(str::to_owned)
        };
        assert_eq!(id(Some("abc-1")).as_deref(), Some("abc-1"));
        for sent in [None, Some(""), Some("a b"), Some("é"), Some(&*"x".repeat(129))] {
            assert_eq!(id(sent).as_deref(), Some(trace.trace_id.as_str()));
        }
    }

    #[test]
    fn a_page_of_another_origin_may_read_only_where_it_is_allowed() {
        let (trace, config) = (Trace::new(None, None), config("https://a.test"));
        let header = |origin, method, name| {
            let frame = Frame { origin, ..frame(Some(&config), &trace, &method) };
            value(&headers(&Reply::empty(204), &frame), name).map(str::to_owned)
        };
        let allow = "Access-Control-Allow-Origin";
        assert_eq!(header(Some("https://a.test"), Method::Get, allow).as_deref(), Some("https://a.test"));
        assert_eq!(header(Some("https://b.test"), Method::Get, allow), None);
        assert_eq!(header(None, Method::Get, allow), None);
        let max_age = "Access-Control-Max-Age";
        assert_eq!(header(Some("https://a.test"), Method::Options, max_age).as_deref(), Some("86400"));
        assert_eq!(header(Some("https://b.test"), Method::Options, max_age), None);
    }

    #[test]
    fn the_rate_limit_is_told_in_both_forms() {
        let (trace, method) = (Trace::new(None, None), Method::Get);
        let standing = Standing { allowed: true, remaining: 99, reset_sec: 1, retry_after_sec: 1 };
        let frame = Frame { standing: Some((RateLimit { rps: 50, burst: 100 }, standing)), ..frame(None, &trace, &method) };
        let headers = headers(&Reply::empty(204), &frame);
        assert_eq!(value(&headers, "RateLimit-Policy"), Some("\"default\";q=100;w=2"));
        assert_eq!(value(&headers, "RateLimit"), Some("\"default\";r=99;t=1"));
        assert_eq!(value(&headers, "X-RateLimit-Limit"), Some("100"));
    }

    #[test]
    fn each_service_is_timed_once() {
        assert_eq!(server_timing(&[("QUEUE", 2), ("d1", 1), ("QUEUE", 3)]), "queue;dur=5, d1;dur=1");
    }

    #[test]
    fn a_refused_socket_says_why() {
        let told = [
            (Code::MissingToken, 4401),
            (Code::TokenNotFound, 4401),
            (Code::EventNotFound, 4404),
            (Code::TokenExpired, 4409),
            (Code::RateLimited, 4429),
            (Code::InvalidRequest, 4400),
            (Code::Overloaded, 1013),
            (Code::InternalError, 1013),
        ];
        for (code, close) in told {
            assert_eq!(close_code(code), close, "{code:?}");
        }
    }
}
