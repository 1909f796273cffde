//! What a route is. The table itself is in [`crate::routes`].

use worker::Method;

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody; a valid JWT is passed on, an invalid one ignored.
    Public,
    /// Whoever has a valid JWT.
    User,
    /// Whoever has a valid JWT with the role `admin`.
    Admin,
}

/// What is done with an `Idempotency-Key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// It is not looked at.
    None,
    /// A malformed one is refused.
    Optional,
    /// A missing or malformed one is refused.
    Required,
}

/// What is done with the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// It is not read.
    None,
    /// Read up to the limit; a `Content-Type` other than JSON is refused.
    Json,
    /// Read up to the limit, whatever its `Content-Type`.
    Any,
}

/// One method of a route and what is checked before its handler runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub method: Method,
    pub access: Access,
    pub key: KeyUse,
    pub body: BodyKind,
    /// Whether it is what newcomers do, of whom only so many are served at once.
    pub for_newcomers: bool,
}

impl Endpoint {
    /// A public GET without a key or a body.
    #[must_use]
    pub const fn get() -> Self {
        Self::of(Method::Get)
    }

    /// A public call of `method` without a key or a body.
    #[must_use]
    pub const fn of(method: Method) -> Self {
        Self { method, access: Access::Public, key: KeyUse::None, body: BodyKind::None, for_newcomers: false }
    }

    /// The same for `access`.
    #[must_use]
    pub const fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// The same with a key.
    #[must_use]
    pub const fn key(mut self, key: KeyUse) -> Self {
        self.key = key;
        self
    }

    /// The same with a body.
    #[must_use]
    pub const fn body(mut self, body: BodyKind) -> Self {
        self.body = body;
        self
    }

    /// The same for newcomers.
    #[must_use]
    pub const fn for_newcomers(mut self) -> Self {
        self.for_newcomers = true;
        self
    }
}

/// A path that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its pattern, for metrics and fingerprints: `/api/v1/reservations/{id}`. Aliases have the name of the original.
    pub name: &'static str,
    /// The methods it has. `OPTIONS` is answered for every route, and `HEAD` where there is `GET`.
    pub endpoints: &'static [Endpoint],
    /// What stands for `{id}` in the name, as sent.
    pub id: Option<String>,
}

impl Route {
    /// The endpoint of `method`; that of `GET` serves `HEAD`.
    #[must_use]
    pub fn endpoint(&self, method: &Method) -> Option<&'static Endpoint> {
        let served = if *method == Method::Head { &Method::Get } else { method };
        self.endpoints.iter().find(|endpoint| endpoint.method == *served)
    }

    /// The value of the `Allow` header.
    #[must_use]
    pub fn allow(&self) -> String {
        let mut allow = String::new();
        for endpoint in self.endpoints {
            allow.push_str(endpoint.method.as_ref());
            allow.push_str(if endpoint.method == Method::Get { ", HEAD, " } else { ", " });
        }
        allow + "OPTIONS"
    }

    /// Whether the rate limit applies: to all of `/api/v1`.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.name.starts_with("/api/v1/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINTS: &[Endpoint] = &[Endpoint::get(), Endpoint::of(Method::Delete).access(Access::User).key(KeyUse::Optional)];

    fn route(name: &'static str) -> Route {
        Route { name, endpoints: ENDPOINTS, id: None }
    }

    #[test]
    fn what_is_allowed_is_told_in_full() {
        assert_eq!(route("/x").allow(), "GET, HEAD, DELETE, OPTIONS");
    }

    #[test]
    fn head_is_served_where_get_is() {
        assert_eq!(route("/x").endpoint(&Method::Head), Some(&ENDPOINTS[0]));
        assert_eq!(route("/x").endpoint(&Method::Delete).map(|endpoint| endpoint.access), Some(Access::User));
        assert_eq!(route("/x").endpoint(&Method::Post), None);
    }

    #[test]
    fn the_contract_is_limited_and_operations_are_not() {
        assert!(route("/api/v1/payments/{id}/status").is_limited());
        assert!(!route("/healthz").is_limited());
    }
}
