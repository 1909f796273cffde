//! Handlers of the operations endpoints, and the pages that explain errors.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shell::clock;
use subtle::ConstantTimeEq;
use worker::D1Database;

use crate::{
    call::Call,
    error::{ApiError, Code},
    identity, isolate,
    reply::Reply,
};

/// The bindings of objects that must be there.
const OBJECTS: [&str; 5] = ["LANE", "QUEUE", "INVENTORY", "PAYMENT", "WEBHOOK"];
/// The content type of Prometheus' text format.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /healthz`: the server's clock. Touches nothing.
#[must_use]
pub fn healthz() -> Reply {
    Reply::json(200, &json!({ "status": "ok", "now": clock::now().0 }))
}

/// `GET /readyz`: 200, or 503 that names what is not there. A Worker with wrong settings never gets here.
pub async fn readyz(call: &Call) -> Result<Reply, ApiError> {
    let mut missing: Vec<&str> = OBJECTS.into_iter().filter(|name| call.env.durable_object(name).is_err()).collect();
    if call.env.queue("SALE_EVENTS").is_err() {
        missing.push("SALE_EVENTS");
    }
    if call.env.service("GATEWAY").is_err() {
        missing.push("GATEWAY");
    }
    let database = match call.db() {
        Ok(db) => call.timed("d1", is_answering(&db)).await,
        Err(_) => false,
    };
    if !database {
        missing.push("DB");
    }
    if missing.is_empty() {
        return Ok(Reply::json(200, &json!({ "status": "ready", "payment": call.config.payment_provider.as_str() })));
    }
    let message = format!("Not ready: {} cannot be used.", missing.join(", "));
    Err(ApiError::new(Code::Unavailable, message).with_details(json!({ "missing": missing })))
}

/// Whether the database is there and has its tables.
async fn is_answering(db: &D1Database) -> bool {
    db.prepare("SELECT 1 FROM events LIMIT 1").first::<Value>(None).await.is_ok()
}

/// `GET /version`
#[must_use]
pub fn version() -> Reply {
    let commit = option_env!("GIT_COMMIT").unwrap_or("unknown");
    Reply::json(200, &json!({ "version": env!("CARGO_PKG_VERSION"), "commit": commit }))
}

/// `GET /metrics`: the counters of this isolate.
///
/// # Errors
/// `UNAUTHENTICATED` with a wrong token.
pub fn metrics(call: &Call) -> Result<Reply, ApiError> {
    if let Some(token) = &call.config.metrics_token {
        let header = call.header("Authorization").unwrap_or_default();
        let given = identity::bearer(&header).unwrap_or_default();
        if !bool::from(given.as_bytes().ct_eq(token.bytes())) {
            return Err(ApiError::new(Code::Unauthenticated, "The metrics need their own bearer token."));
        }
    }
    Ok(Reply::text(200, PROMETHEUS, isolate::metrics(|metrics| metrics.render())))
}

const STYLE: &str = "body{font:1.1rem/1.6 system-ui,sans-serif;max-width:38rem;margin:12vh auto;padding:0 1.5rem}\
    code{background:#8882;padding:.1em .4em;border-radius:.3em}@media(prefers-color-scheme:dark){body{background:#111;color:#eee}}";

/// `GET /problems/{name}`: what an error means, for a person.
///
/// # Errors
/// `NOT_FOUND`
pub fn problem(call: &Call) -> Result<Reply, ApiError> {
    let code = Code::from_slug(call.id()).ok_or(Code::NotFound)?;
    Ok(problem_page(code))
}

fn problem_page(code: Code) -> Reply {
    let (title, message, name, status) = (code.title(), code.message(), code.as_str(), code.status());
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style><h1>{title}</h1><p>{message}</p>\
         <p>Code <code>{name}</code>, HTTP status {status}.</p></html>\n"
    );
    let style = STANDARD.encode(Sha256::digest(STYLE));
    let policy =
        format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    Reply::html(200, page).with_header("Content-Security-Policy", policy).with_header("Cache-Control", "public, max-age=3600")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Body;

    #[test]
    fn every_error_has_a_page_without_inline_anything() {
        for code in Code::ALL {
            let reply = problem_page(*code);
            let Body::Text(_, page) = &reply.body else { panic!("a page") };
            assert!(page.contains(code.title()) && page.contains(code.as_str()));
            assert!(!page.contains("<script") && !page.contains("style=") && !page.contains("onclick"));
            assert!(reply.headers.iter().all(|(_, value)| !value.contains("unsafe")));
        }
    }
}
