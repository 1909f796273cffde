//! The table of routes, and the match that leads to their handlers. A request is followed from here: the path to its
//! route ([`find`]), the route and method to its handler ([`dispatch`]), the handler to its object.

use std::{
    future::{Future, ready},
    pin::Pin,
};

use worker::Method;

use crate::{
    admin, auth,
    call::Call,
    contract,
    error::{ApiError, Code},
    events, live, operations, orders, payments, queue,
    reply::Reply,
    reservations,
    route::{
        Access::{Admin, User},
        BodyKind::Json,
        Endpoint,
        KeyUse::{Optional, Required},
        Route,
    },
    webhooks,
};

/// The route that tells the simulated provider what to decide; without it there is none.
pub(crate) const PROCESS: &str = "/api/v1/payments/process";
/// Most segments that a path of ours has.
const SEGMENTS_MAX: usize = 6;

const GET: &[Endpoint] = &[Endpoint::get()];
const AUTH: &[Endpoint] = &[Endpoint::of(Method::Post).key(Optional).body(Json)];
const KEYED: &[Endpoint] = &[Endpoint::of(Method::Post).key(Required).body(Json)];
const JOIN: &[Endpoint] = &[Endpoint::of(Method::Post).key(Required).body(Json).for_newcomers()];
const SIGNED: &[Endpoint] = &[Endpoint::of(Method::Post).body(Json)];
const LEAVE: &[Endpoint] = &[Endpoint::of(Method::Delete), Endpoint::of(Method::Post)];

const OWN: &[Endpoint] = &[Endpoint::get().access(User)];
const OWN_KEYED: &[Endpoint] = &[Endpoint::of(Method::Post).access(User).key(Required).body(Json)];
const OWN_LIST: &[Endpoint] = &[Endpoint::get().access(User), Endpoint::of(Method::Post).access(User).key(Required).body(Json)];
const OWN_ONE: &[Endpoint] = &[Endpoint::get().access(User), Endpoint::of(Method::Delete).access(User)];

const ADMIN: &[Endpoint] = &[Endpoint::get().access(Admin)];
const ADMIN_POST: &[Endpoint] = &[Endpoint::of(Method::Post).access(Admin).body(Json)];
const ADMIN_EVENT: &[Endpoint] = &[Endpoint::get().access(Admin), Endpoint::of(Method::Put).access(Admin).body(Json)];
const ADMIN_WEBHOOK: &[Endpoint] = &[
    Endpoint::get().access(Admin),
    Endpoint::of(Method::Put).access(Admin).body(Json),
    Endpoint::of(Method::Delete).access(Admin),
];

/// The route of a path. `/payment/…` is another spelling of `/payments/…`.
#[must_use]
pub fn find(path: &str) -> Option<Route> {
    let mut segments = [""; SEGMENTS_MAX];
    let mut count = 0;
    for segment in path.strip_prefix('/')?.split('/') {
        *segments.get_mut(count)? = segment;
        count += 1;
    }
    match &segments[..count] {
        ["api", "v1", rest @ ..] => find_v1(rest),
        ["healthz"] => route("/healthz", GET, ""),
        ["readyz"] => route("/readyz", GET, ""),
        ["version"] => route("/version", GET, ""),
        ["metrics"] => route("/metrics", GET, ""),
        ["openapi.json"] => route("/openapi.json", GET, ""),
        ["docs"] => route("/docs", GET, ""),
        ["docs", "app.js"] => route("/docs/app.js", GET, ""),
        ["docs", "app.css"] => route("/docs/app.css", GET, ""),
        ["problems", name] => route("/problems/{name}", GET, name),
        _ => None,
    }
}

fn find_v1(segments: &[&str]) -> Option<Route> {
    match segments {
        ["auth", "register"] => route("/api/v1/auth/register", AUTH, ""),
        ["auth", "login"] => route("/api/v1/auth/login", AUTH, ""),
        ["auth", "me"] => route("/api/v1/auth/me", OWN, ""),

        ["queue", "join"] => route("/api/v1/queue/join", JOIN, ""),
        ["queue", "status"] => route("/api/v1/queue/status", GET, ""),
        ["queue", "enter"] => route("/api/v1/queue/enter", KEYED, ""),
        ["queue", "leave"] => route("/api/v1/queue/leave", LEAVE, ""),
        ["queue", "stats"] => route("/api/v1/queue/stats", GET, ""),
        ["queue", "live"] => route("/api/v1/queue/live", GET, ""),

        ["events"] => route("/api/v1/events", GET, ""),
        ["events", id] => route("/api/v1/events/{id}", GET, id),
        ["events", id, "availability"] => route("/api/v1/events/{id}/availability", GET, id),
        ["events", id, "seats"] => route("/api/v1/events/{id}/seats", GET, id),
        ["events", id, "live"] => route("/api/v1/events/{id}/live", GET, id),

        ["reservations"] => route("/api/v1/reservations", OWN_LIST, ""),
        ["reservations", id] => route("/api/v1/reservations/{id}", OWN_ONE, id),
        ["reservations", id, "confirm"] => route("/api/v1/reservations/{id}/confirm", OWN_KEYED, id),
        ["reservations", id, "cancel"] => route("/api/v1/reservations/{id}/cancel", OWN_KEYED, id),
        ["orders"] => route("/api/v1/orders", OWN, ""),
        ["orders", id] => route("/api/v1/orders/{id}", OWN, id),
        ["orders", id, "refund"] => route("/api/v1/orders/{id}/refund", OWN_KEYED, id),

        ["payments" | "payment"] => route("/api/v1/payments", OWN, ""),
        ["payments" | "payment", "intent"] => route("/api/v1/payments/intent", OWN_KEYED, ""),
        ["payments" | "payment", "process"] => route(PROCESS, OWN_KEYED, ""),
        ["payments" | "payment", "webhook"] => route("/api/v1/payments/webhook", SIGNED, ""),
        ["payments" | "payment", id, "status"] => route("/api/v1/payments/{id}/status", OWN, id),
        ["payments" | "payment", id, "cancel"] => route("/api/v1/payments/{id}/cancel", OWN_KEYED, id),

        ["admin", "events", id] => route("/api/v1/admin/events/{id}", ADMIN_EVENT, id),
        ["admin", "events", id, "queue"] => route("/api/v1/admin/events/{id}/queue", ADMIN_POST, id),
        ["admin", "events", id, "seats"] => route("/api/v1/admin/events/{id}/seats", ADMIN_POST, id),
        ["admin", "events", id, "ledger"] => route("/api/v1/admin/events/{id}/ledger", ADMIN, id),
        ["admin", "webhooks", id] => route("/api/v1/admin/webhooks/{id}", ADMIN_WEBHOOK, id),
        ["admin", "dead-letters"] => route("/api/v1/admin/dead-letters", ADMIN, ""),
        ["admin", "dead-letters", id, "redrive"] => route("/api/v1/admin/dead-letters/{id}/redrive", ADMIN_POST, id),
        _ => None,
    }
}

/// A route with `id`; an empty one where the name has none, and no route where it has.
fn route(name: &'static str, endpoints: &'static [Endpoint], id: &str) -> Option<Route> {
    let named = name.contains('{');
    (named != id.is_empty()).then(|| Route { name, endpoints, id: named.then(|| id.to_owned()) })
}

/// What a handler comes to. Each is behind a pointer: as one future of all of them, each request would carry the state of the
/// largest, and the compilers would see one function of 200 KB.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<Reply, ApiError>> + 'a>>;

/// Lets the route's handler answer. Method, limits, identity, key and body have been checked.
#[must_use]
pub fn dispatch<'a>(route: &Route, call: &'a Call) -> Answering<'a> {
    let method = if call.method == Method::Head { Method::Get } else { call.method.clone() };
    match (route.name.strip_prefix("/api/v1").unwrap_or(route.name), method) {
        ("/auth/register", _) => Box::pin(auth::register(call)),
        ("/auth/login", _) => Box::pin(auth::login(call)),
        ("/auth/me", _) => Box::pin(auth::me(call)),

        ("/queue/join", _) => Box::pin(queue::join(call)),
        ("/queue/status", _) => Box::pin(queue::status(call)),
        ("/queue/enter", _) => Box::pin(queue::enter(call)),
        ("/queue/leave", Method::Delete) => Box::pin(queue::leave(call)),
        ("/queue/leave", _) => at_once(Ok(queue::beacon())),
        ("/queue/stats", _) => Box::pin(queue::stats(call)),
        ("/queue/live", _) => Box::pin(live::place(call)),

        ("/events", _) => Box::pin(events::list(call)),
        ("/events/{id}", _) => Box::pin(events::get(call)),
        ("/events/{id}/availability", _) => Box::pin(events::availability(call)),
        ("/events/{id}/seats", _) => Box::pin(events::seats(call)),
        ("/events/{id}/live", _) => Box::pin(live::seats(call)),

        ("/reservations", Method::Post) => Box::pin(reservations::create(call)),
        ("/reservations", _) => Box::pin(reservations::list(call)),
        ("/reservations/{id}", Method::Delete) => Box::pin(reservations::cancel(call)),
        ("/reservations/{id}", _) => Box::pin(reservations::get(call)),
        ("/reservations/{id}/confirm", _) => Box::pin(reservations::confirm(call)),
        ("/reservations/{id}/cancel", _) => Box::pin(reservations::cancel(call)),
        ("/orders", _) => Box::pin(orders::list(call)),
        ("/orders/{id}", _) => Box::pin(orders::get(call)),
        ("/orders/{id}/refund", _) => Box::pin(orders::refund(call)),

        ("/payments", _) => Box::pin(payments::list(call)),
        ("/payments/intent", _) => Box::pin(payments::intent(call)),
        ("/payments/process", _) => Box::pin(payments::process(call)),
        ("/payments/webhook", _) => Box::pin(payments::webhook(call)),
        ("/payments/{id}/status", _) => Box::pin(payments::status(call)),
        ("/payments/{id}/cancel", _) => Box::pin(payments::cancel(call)),

        ("/admin/events/{id}", Method::Put) => Box::pin(admin::put_event(call)),
        ("/admin/events/{id}", _) => Box::pin(admin::get_event(call)),
        ("/admin/events/{id}/queue", _) => Box::pin(admin::set_queue(call)),
        ("/admin/events/{id}/seats", _) => Box::pin(admin::set_seats(call)),
        ("/admin/events/{id}/ledger", _) => Box::pin(admin::ledger(call)),
        ("/admin/webhooks/{id}", Method::Put) => Box::pin(webhooks::put(call)),
        ("/admin/webhooks/{id}", Method::Delete) => Box::pin(webhooks::delete(call)),
        ("/admin/webhooks/{id}", _) => Box::pin(webhooks::get(call)),
        ("/admin/dead-letters", _) => Box::pin(webhooks::dead_letters(call)),
        ("/admin/dead-letters/{id}/redrive", _) => Box::pin(webhooks::redrive(call)),

        ("/healthz", _) => at_once(Ok(operations::healthz())),
        ("/readyz", _) => Box::pin(operations::readyz(call)),
        ("/version", _) => at_once(Ok(operations::version())),
        ("/metrics", _) => at_once(operations::metrics(call)),
        ("/problems/{name}", _) => at_once(operations::problem(call)),
        ("/openapi.json", _) => at_once(Ok(contract::openapi())),
        ("/docs", _) => at_once(Ok(contract::docs())),
        ("/docs/app.js", _) => at_once(contract::asset("app.js")),
        ("/docs/app.css", _) => at_once(contract::asset("app.css")),
        _ => at_once(Err(Code::NotFound.into())),
    }
}

fn at_once<'a>(answer: Result<Reply, ApiError>) -> Answering<'a> {
    Box::pin(ready(answer))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::route::{Access, KeyUse};

    const OPENAPI: &str = include_str!("contract/openapi.json");

    #[test]
    fn every_path_of_the_contract_has_its_methods_and_no_others() {
        let contract: Value = serde_json::from_str(OPENAPI).unwrap();
        for (path, described) in contract["paths"].as_object().unwrap() {
            let found = find(&path.replace("{id}", "x").replace("{name}", "x")).unwrap_or_else(|| panic!("{path}"));
            let original =
                if path == "/api/v1/payment" { "/api/v1/payments".to_owned() } else { path.replace("/payment/", "/payments/") };
            assert_eq!(found.name, original, "{path}");
            let mut methods: Vec<String> =
                found.endpoints.iter().map(|endpoint| endpoint.method.to_string().to_lowercase()).collect();
            methods.sort();
            let known = ["get", "post", "put", "delete"];
            let mut expected: Vec<String> =
                described.as_object().unwrap().keys().filter(|key| known.contains(&key.as_str())).cloned().collect();
            expected.sort();
            assert_eq!(methods, expected, "{path}");
        }
    }

    #[test]
    fn every_post_that_has_an_effect_for_a_buyer_needs_a_key() {
        let keyed = [
            "queue/join",
            "queue/enter",
            "reservations",
            "reservations/x/confirm",
            "reservations/x/cancel",
            "orders/x/refund",
            "payments/intent",
            "payments/process",
            "payments/x/cancel",
            "payment/intent",
            "payment/process",
            "payment/x/cancel",
        ];
        for path in keyed {
            let found = find(&format!("/api/v1/{path}")).unwrap();
            let endpoint = found.endpoint(&Method::Post).unwrap();
            assert_eq!((endpoint.key, endpoint.body), (Required, Json), "{path}");
        }
        for path in ["queue/leave", "payments/webhook"] {
            let found = find(&format!("/api/v1/{path}")).unwrap();
            let endpoint = found.endpoint(&Method::Post).unwrap();
            assert_eq!((endpoint.key, endpoint.access), (KeyUse::None, Access::Public), "{path}");
        }
    }

    #[test]
    fn whatever_is_a_users_own_needs_a_jwt_and_organising_needs_the_role() {
        for path in ["reservations", "reservations/x", "orders", "orders/x", "payments", "payments/x/status", "auth/me"] {
            let found = find(&format!("/api/v1/{path}")).unwrap();
            assert!(found.endpoints.iter().all(|endpoint| endpoint.access == User), "{path}");
        }
        for path in ["events/x", "events/x/queue", "webhooks/x", "dead-letters", "dead-letters/x/redrive"] {
            let found = find(&format!("/api/v1/admin/{path}")).unwrap();
            assert!(found.endpoints.iter().all(|endpoint| endpoint.access == Admin), "{path}");
        }
    }

    #[test]
    fn what_is_not_in_the_table_is_not_found() {
        for path in [
            "",
            "/",
            "/api/v1",
            "/api/v1/",
            "/api/v1/queue",
            "/api/v1/queue/join/",
            "/api/v2/events",
            "/api/v1/events/",
            "/api/v1/events//seats",
            "/api/v1/reservations/x/y",
            "/api/v1/a/b/c/d/e/f/g",
            "/problems/",
            "//healthz",
        ] {
            assert_eq!(find(path), None, "{path}");
        }
    }
}
