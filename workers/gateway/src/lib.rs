//! HTTP at the edge: contract, identity, limits. Stateless; links the objects into one Worker.
//!
//! The life of a request, in the order of the contract: settings → path ([`routes`]) → method → room for one more
//! newcomer ([`concurrency`]) → rate limit → JWT →
//! idempotency key → body → handler → headers ([`reply`]). The rate limit is per user, so the JWT is verified before it
//! and a bad one refused after it. Modules are public for the program that makes the development data and for nobody else.

pub mod admin;
pub mod asked;
pub mod auth;
pub mod availability;
pub mod board;
pub mod call;
pub mod catalogue;
pub mod concurrency;
pub mod config;
pub mod contract;
pub mod dead_letters;
mod edge;
pub mod error;
pub mod events;
#[cfg(test)]
mod hostile;
pub mod idempotency;
pub mod identity;
pub mod inbound;
pub mod isolate;
pub mod live;
pub mod metrics;
pub mod objects;
pub mod operations;
pub mod orders;
pub mod pages;
pub mod payments;
pub mod query;
pub mod queue;
pub mod rate_limit;
pub mod reply;
pub mod reservations;
pub mod route;
pub mod routes;
pub mod sale_events;
pub mod token;
pub mod trace;
pub mod users;
pub mod webhooks;

use std::rc::Rc;

use domain::time::Millis;
use serde_json::json;
use shell::{
    clock,
    log::{self, Level},
    promise::at_once_or_promised,
};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use worker::{
    Context, Env, MessageBatch, Method, event,
    js_sys::{Reflect, global},
    worker_sys::web_sys::{Request, Response},
};

pub use ::inventory::InventoryObject;
pub use ::live::LiveObject;
pub use ::payment::PaymentObject;
pub use ::queue::{LaneObject, QueueObject};
pub use ::webhook::WebhookObject;

use crate::{
    call::{Call, Notes},
    config::{Config, Provider, RateLimit},
    error::{ApiError, Code},
    idempotency::Key,
    identity::{Identity, Presented},
    inbound::Inbound,
    isolate::Newcomer,
    query::Query,
    rate_limit::Standing,
    reply::{Body, Frame, Reply},
    route::{Access, BodyKind, Endpoint, KeyUse, Route},
    trace::Trace,
};

/// A request that takes longer is worth a line in the log, in milliseconds.
const SLOW_MS: u64 = 1000;
/// The name under which this Worker logs.
const SERVICE: &str = "gateway";

/// What is known of a request before anything is decided, and what its answer needs.
struct Arrival {
    asked_at: Millis,
    method: Method,
    url: String,
    trace: Trace,
    /// The caller's bucket where there is no valid JWT; all whose address is unknown share one.
    address: String,
    /// The route's name, for metrics and logs.
    route: &'static str,
    standing: Option<(RateLimit, Standing)>,
    notes: Rc<Notes>,
}

/// Before the first request. What every answer needs is handed over once; and what runs our futures asks the platform for a
/// microtask each time one wakes. The platform's own way to it was 7 % of a join by the profile; a resolved promise, which is
/// used where there is no such way, is less.
#[event(start)]
fn start() {
    edge::begin(inbound::HEADERS, inbound::HEADERS_OF_EVERY, reply::ALWAYS);
    let _ = Reflect::set(&global(), &"queueMicrotask".into(), &JsValue::UNDEFINED);
}

/// What the platform calls with every request. Most that is asked is known here and answered at once, without a promise. What is
/// not goes on when its client is gone: others may wait for what it asks.
///
/// # Errors
/// None that is known: what goes wrong is answered.
#[wasm_bindgen]
pub fn fetch(request: Request, env: Env) -> Result<JsValue, JsValue> {
    at_once_or_promised(async move {
        let answer = match answer(Inbound::new(request), env).await {
            Ok(answer) => answer,
            Err(error) => {
                worker::console_error!("{error}");
                worker::Response::error("INTERNAL SERVER ERROR", 500)?.into()
            }
        };
        Ok(answer.into())
    })
}

async fn answer(request: Inbound, env: Env) -> worker::Result<Response> {
    let request = Rc::new(request);
    let header = |name: &str| request.header(name);
    let address = header("CF-Connecting-IP");
    let mut arrival = Arrival {
        asked_at: clock::now(),
        method: request.method(),
        url: request.url(),
        trace: match header("traceparent") {
            Some(traceparent) => Trace::new(Some(&traceparent), None),
            None => Trace::new(None, header("X-Trace-Id").as_deref()),
        },
        address: format!("a:{}", address.unwrap_or_default()),
        route: "unmatched",
        standing: None,
        notes: Rc::default(),
    };
    let (origin, request_id) = (header("Origin"), header("X-Request-Id"));
    let as_problem = |header: Option<String>| header.is_some_and(|accept| accept.contains("application/problem+json"));

    let config = isolate::config(&env);
    let outcome = match &config {
        Ok(config) => serve(&request, env, &mut arrival, config).await,
        Err(problems) => Err(ApiError { cause: Some(problems.join("; ")), ..Code::Unavailable.into() }),
    };
    let (reply, cause) = match outcome {
        Ok(reply) => (reply, None),
        Err(error) if is_socket(arrival.route) && header("Upgrade").is_some() => (reply::refuse_socket(&error)?, error.cause),
        Err(error) => {
            let as_problem = as_problem(header("Accept"));
            (Reply::error(&error, &arrival.trace.trace_id, split(&arrival.url).0, as_problem), error.cause)
        }
    };
    conclude(&arrival, &reply, cause);

    let config = config.as_deref().ok();
    if arrival.standing.is_none() {
        let limit = config.and_then(|config| config.rate_limit);
        let look = |limit| isolate::limiter(|limiter| limiter.look(&arrival.address, limit, arrival.asked_at));
        arrival.standing = limit.map(|limit| (limit, look(limit)));
    }
    let timings = arrival.notes.timings();
    let frame = Frame {
        config,
        method: &arrival.method,
        trace: &arrival.trace,
        request_id: request_id.as_deref(),
        origin: origin.as_deref(),
        standing: arrival.standing,
        timings: &timings,
    };
    reply::respond(reply, &frame)
}

/// Path, method, room, rate limit, JWT, idempotency key, body, handler: each is looked at only when those before it were right.
async fn serve(request: &Rc<Inbound>, env: Env, arrival: &mut Arrival, config: &Rc<Config>) -> Result<Reply, ApiError> {
    let (path, query) = split(&arrival.url);
    let route = routes::find(path).filter(|route| is_served(route, config)).ok_or(Code::NotFound)?;
    arrival.route = route.name;
    if arrival.method == Method::Options {
        return Ok(Reply::empty(204).with_header("Allow", route.allow()));
    }
    let endpoint = route
        .endpoint(&arrival.method)
        .ok_or_else(|| ApiError::from(Code::MethodNotAllowed).with_header("Allow", route.allow()))?;

    let newcomer = if endpoint.for_newcomers { Some(take_in(config)?) } else { None };
    let authorization = request.header("Authorization");
    let limited = route.is_limited();
    let presented = if limited || endpoint.access != Access::Public {
        identity::present(authorization.as_deref(), config, arrival.asked_at).await
    } else {
        Presented::Nobody
    };
    if let Some(limit) = config.rate_limit.filter(|_| limited) {
        let standing = match &presented {
            Presented::Valid(identity) => take(&format!("u:{}", identity.sub.0), limit, arrival.asked_at),
            _ => take(&arrival.address, limit, arrival.asked_at),
        };
        arrival.standing = Some((limit, standing));
        if !standing.allowed {
            isolate::metrics(metrics::Metrics::rate_limited);
            return Err(ApiError::from(Code::RateLimited).with_header("Retry-After", standing.retry_after_sec.to_string()));
        }
    }
    let identity = admit(endpoint.access, presented)?;
    let idempotency_key = read_key(endpoint, request)?;
    let body = read_body(endpoint.body, request).await?;
    let call = Call {
        env,
        config: config.clone(),
        method: arrival.method.clone(),
        path: path.to_owned(),
        query: Query::parse(query),
        trace: arrival.trace.clone(),
        identity,
        idempotency_key,
        body,
        asked_at: arrival.asked_at,
        notes: arrival.notes.clone(),
        route: route.clone(),
        request: Some(request.clone()),
    };
    let outcome = routes::dispatch(&route, &call).await;
    if let (Some(newcomer), Ok(_)) = (newcomer, &outcome) {
        newcomer.answered();
    }
    outcome
}

/// Whether these settings have the route at all: only the simulator can be told to decide.
fn is_served(route: &Route, config: &Config) -> bool {
    config.payment_provider == Provider::Simulator || route.name != routes::PROCESS
}

/// Before anything that costs: who is turned away has to cost less than who is served.
fn take_in(config: &Config) -> Result<Newcomer, ApiError> {
    Newcomer::enter(config.newcomers_max).ok_or_else(|| {
        isolate::metrics(metrics::Metrics::shed);
        Code::Overloaded.into()
    })
}

fn take(caller: &str, limit: RateLimit, now: Millis) -> Standing {
    isolate::limiter(|limiter| limiter.take(caller, limit, now))
}

fn admit(access: Access, presented: Presented) -> Result<Option<Identity>, ApiError> {
    match (access, presented) {
        (Access::Public, Presented::Valid(identity)) => Ok(Some(identity)),
        (Access::Public, _) => Ok(None),
        (Access::User, Presented::Valid(identity)) => Ok(Some(identity)),
        (Access::Admin, Presented::Valid(identity)) => {
            identity.admin()?;
            Ok(Some(identity))
        }
        (_, Presented::Unverifiable(why)) => Err(ApiError { cause: Some(why), ..Code::Unavailable.into() }),
        (_, Presented::Nobody | Presented::Invalid) => Err(Code::Unauthenticated.into()),
    }
}

fn read_key(endpoint: &Endpoint, request: &Inbound) -> Result<Option<Key>, ApiError> {
    if endpoint.key == KeyUse::None {
        return Ok(None);
    }
    match request.header("Idempotency-Key") {
        Some(header) => Key::parse(&header).map(Some),
        None if endpoint.key == KeyUse::Required => Err(Code::IdempotencyRequired.into()),
        None => Ok(None),
    }
}

async fn read_body(kind: BodyKind, request: &Inbound) -> Result<Vec<u8>, ApiError> {
    if kind == BodyKind::None {
        return Ok(Vec::new());
    }
    let body = request.body().await?;
    if kind == BodyKind::Json && !body.is_empty() && request.header("Content-Type").is_some_and(|given| !is_json(&given)) {
        return Err(Code::UnsupportedMediaType.into());
    }
    Ok(body)
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.is_empty() || essence.eq_ignore_ascii_case("application/json")
}

/// Path and query of an address as the platform writes it, without parsing the rest.
fn split(url: &str) -> (&str, &str) {
    let after_scheme = url.find("://").map_or(url, |at| &url[at + 3..]);
    let target = after_scheme.find('/').map_or("/", |at| &after_scheme[at..]);
    let target = target.split('#').next().unwrap_or_default();
    target.split_once('?').unwrap_or((target, ""))
}

/// Whether the route is for WebSockets.
fn is_socket(route: &str) -> bool {
    route.ends_with("/live")
}

/// Counts, remembers and logs what was answered.
fn conclude(arrival: &Arrival, reply: &Reply, cause: Option<String>) {
    let now = clock::now();
    let latency_ms = now.since_ms(arrival.asked_at);
    isolate::metrics(|metrics| {
        metrics.request(method_label(&arrival.method), arrival.route, reply.status, latency_ms);
        for (service, span_ms) in arrival.notes.timings() {
            metrics.backend(service, arrival.route, span_ms);
        }
        if let Some(operation) = arrival.notes.operation().filter(|_| reply.replayed) {
            metrics.replay(operation);
        }
    });
    if let Some(idempotency) = arrival.notes.idempotency().filter(|_| (200..300).contains(&reply.status)) {
        isolate::granted(|granted| granted.remember(&idempotency, arrival.asked_at, now));
    }
    let level = match reply.status {
        // Shed, thousands a second: they are counted.
        503 if cause.is_none() => return,
        500.. => Level::Error,
        _ if cause.is_some() || (latency_ms > SLOW_MS && !matches!(reply.body, Body::Upgrade(_))) => Level::Warn,
        _ => return,
    };
    let fields = json!({
        "method": method_label(&arrival.method), "route": arrival.route, "status": reply.status, "latency_ms": latency_ms,
        "cause": cause,
    });
    log::line(level, SERVICE, &arrival.trace.trace_id, "request", fields);
}

const fn method_label(method: &Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Options => "OPTIONS",
        Method::Patch => "PATCH",
        Method::Connect | Method::Trace | Method::Report => "OTHER",
    }
}

#[event(queue)]
async fn queue(batch: MessageBatch<serde_json::Value>, env: Env, _ctx: Context) -> worker::Result<()> {
    sale_events::consume(batch, env).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use domain::id::UserId;

    use super::*;
    use crate::identity::Role;

    fn valid(role: Role) -> Presented {
        Presented::Valid(Identity { sub: UserId("u".into()), username: String::new(), role })
    }

    #[test]
    fn an_address_is_split_without_being_parsed() {
        assert_eq!(split("http://127.0.0.1:8787/api/v1/queue/status?token=a%2Fb"), ("/api/v1/queue/status", "token=a%2Fb"));
        assert_eq!(split("https://tickets.test"), ("/", ""));
        assert_eq!(split("https://tickets.test/events?next=http://x/y#z"), ("/events", "next=http://x/y"));
    }

    #[test]
    fn on_public_routes_a_bad_token_is_ignored_and_a_good_one_counts() {
        assert!(matches!(admit(Access::Public, Presented::Invalid), Ok(None)));
        assert!(matches!(admit(Access::Public, Presented::Unverifiable(String::new())), Ok(None)));
        assert!(matches!(admit(Access::Public, valid(Role::User)), Ok(Some(_))));
    }

    #[test]
    fn elsewhere_it_is_refused_with_what_helps() {
        let code = |access, presented| admit(access, presented).map_err(|error| error.code).err();
        assert_eq!(code(Access::User, Presented::Nobody), Some(Code::Unauthenticated));
        assert_eq!(code(Access::Admin, Presented::Invalid), Some(Code::Unauthenticated));
        assert_eq!(code(Access::User, Presented::Unverifiable(String::new())), Some(Code::Unavailable));
        assert_eq!(code(Access::Admin, valid(Role::User)), Some(Code::Forbidden));
        assert_eq!(code(Access::Admin, valid(Role::Admin)), None);
    }

    #[test]
    fn json_is_json_whatever_its_parameters() {
        for right in ["application/json", "Application/JSON; charset=utf-8", "application/json;charset=UTF-8", ""] {
            assert!(is_json(right), "{right}");
        }
        for wrong in ["text/plain", "application/jsonp", "application/x-www-form-urlencoded", "application/problem+json"] {
            assert!(!is_json(wrong), "{wrong}");
        }
    }
}
