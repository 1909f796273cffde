//! The table of routes, and the match that leads to their handlers. A request is followed from here: the path to its
//! route ([`find`]), the route and method to its handler ([`dispatch`]), the handler to its object.

use worker::Method;

use crate::{
    admin, auth,
    call::Call,
    contract, dead_letters,
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
        ["admin", "events", id, "feed"] => route("/api/v1/admin/events/{id}/feed", ADMIN, id),
        ["admin", "webhooks"] => route("/api/v1/admin/webhooks", ADMIN, ""),
        ["admin", "webhooks", id] => route("/api/v1/admin/webhooks/{id}", ADMIN_WEBHOOK, id),
        ["admin", "webhooks", id, "ping"] => route("/api/v1/admin/webhooks/{id}/ping", ADMIN_POST, id),
        ["admin", "webhooks", id, "replay"] => route("/api/v1/admin/webhooks/{id}/replay", ADMIN_POST, id),
        ["admin", "webhooks", id, "enable"] => route("/api/v1/admin/webhooks/{id}/enable", ADMIN_POST, id),
        ["admin", "webhooks", id, "deliveries"] => route("/api/v1/admin/webhooks/{id}/deliveries", ADMIN, id),
        ["admin", "dead-letters"] => route("/api/v1/admin/dead-letters", ADMIN, ""),
        ["admin", "dead-letters", "redrive"] => route("/api/v1/admin/dead-letters/redrive", ADMIN_POST, ""),
        ["admin", "dead-letters", id, "redrive"] => route("/api/v1/admin/dead-letters/{id}/redrive", ADMIN_POST, id),
        _ => None,
    }
}

/// A route with `id`; an empty one where the name has none, and no route where it has.
fn route(name: &'static str, endpoints: &'static [Endpoint], id: &str) -> Option<Route> {
    let named = name.contains('{');
    (named != id.is_empty()).then(|| Route { name, endpoints, id: named.then(|| id.to_owned()) })
}

/// Lets the route's handler answer. Method, limits, identity, key and body have been checked.
///
/// # Errors
/// Whatever the handler says.
pub async fn dispatch(route: &Route, call: Call) -> Result<Reply, ApiError> {
    let method = if call.method == Method::Head { Method::Get } else { call.method.clone() };
    match (route.name.strip_prefix("/api/v1").unwrap_or(route.name), method) {
        ("/auth/register", _) => auth::register(&call).await,
        ("/auth/login", _) => auth::login(&call).await,
        ("/auth/me", _) => auth::me(&call).await,

        ("/queue/join", _) => queue::join(&call).await,
        ("/queue/status", _) => queue::status(&call).await,
        ("/queue/enter", _) => queue::enter(&call).await,
        ("/queue/leave", Method::Delete) => queue::leave(&call).await,
        ("/queue/leave", _) => Ok(queue::beacon()),
        ("/queue/stats", _) => queue::stats(&call).await,
        ("/queue/live", _) => live::place(&call).await,

        ("/events", _) => events::list(&call).await,
        ("/events/{id}", _) => events::get(&call).await,
        ("/events/{id}/availability", _) => events::availability(&call).await,
        ("/events/{id}/seats", _) => events::seats(&call).await,
        ("/events/{id}/live", _) => live::seats(&call).await,

        ("/reservations", Method::Post) => reservations::create(&call).await,
        ("/reservations", _) => reservations::list(&call).await,
        ("/reservations/{id}", Method::Delete) => reservations::cancel(&call).await,
        ("/reservations/{id}", _) => reservations::get(&call).await,
        ("/reservations/{id}/confirm", _) => reservations::confirm(&call).await,
        ("/reservations/{id}/cancel", _) => reservations::cancel(&call).await,
        ("/orders", _) => orders::list(&call).await,
        ("/orders/{id}", _) => orders::get(&call).await,
        ("/orders/{id}/refund", _) => orders::refund(&call).await,

        ("/payments", _) => payments::list(&call).await,
        ("/payments/intent", _) => payments::intent(&call).await,
        ("/payments/process", _) => payments::process(&call).await,
        ("/payments/webhook", _) => payments::webhook(&call).await,
        ("/payments/{id}/status", _) => payments::status(&call).await,
        ("/payments/{id}/cancel", _) => payments::cancel(&call).await,

        ("/admin/events/{id}", Method::Put) => admin::put_event(&call).await,
        ("/admin/events/{id}", _) => admin::get_event(&call).await,
        ("/admin/events/{id}/queue", _) => admin::set_queue(&call).await,
        ("/admin/events/{id}/seats", _) => admin::set_seats(&call).await,
        ("/admin/events/{id}/ledger", _) => admin::ledger(&call).await,
        ("/admin/events/{id}/feed", _) => admin::feed(&call).await,
        ("/admin/webhooks", _) => webhooks::list(&call).await,
        ("/admin/webhooks/{id}", Method::Put) => webhooks::put(&call).await,
        ("/admin/webhooks/{id}", Method::Delete) => webhooks::delete(&call).await,
        ("/admin/webhooks/{id}", _) => webhooks::get(&call).await,
        ("/admin/webhooks/{id}/ping", _) => webhooks::ping(&call).await,
        ("/admin/webhooks/{id}/replay", _) => webhooks::replay(&call).await,
        ("/admin/webhooks/{id}/enable", _) => webhooks::enable(&call).await,
        ("/admin/webhooks/{id}/deliveries", _) => webhooks::deliveries(&call).await,
        ("/admin/dead-letters", _) => dead_letters::list(&call).await,
        ("/admin/dead-letters/redrive", _) => dead_letters::redrive_all(&call).await,
        ("/admin/dead-letters/{id}/redrive", _) => dead_letters::redrive(&call).await,

        ("/healthz", _) => Ok(operations::healthz()),
        ("/readyz", _) => operations::readyz(&call).await,
        ("/version", _) => Ok(operations::version()),
        ("/metrics", _) => operations::metrics(&call),
        ("/problems/{name}", _) => operations::problem(&call),
        ("/openapi.json", _) => Ok(contract::openapi()),
        ("/docs", _) => Ok(contract::docs()),
        ("/docs/app.js", _) => contract::asset("app.js"),
        ("/docs/app.css", _) => contract::asset("app.css"),
        _ => Err(Code::NotFound.into()),
    }
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
        for path in [
            "events/x",
            "events/x/queue",
            "events/x/feed",
            "webhooks",
            "webhooks/x",
            "webhooks/x/ping",
            "dead-letters",
            "dead-letters/redrive",
            "dead-letters/x/redrive",
        ] {
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
