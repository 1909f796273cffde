//! The contract as OpenAPI, and a page to read and try it. Both are files beside this one, compiled in.

use crate::{
    error::{ApiError, Code},
    reply::Reply,
};

const OPENAPI: &str = include_str!("openapi.json");
const PAGE: &str = include_str!("docs.html");
const SCRIPT: &str = include_str!("app.js");
const STYLE: &str = include_str!("app.css");

/// What the page may do: load its own script and style, and call this server. Nothing inline, nothing from elsewhere.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /openapi.json`.
#[must_use]
pub fn openapi() -> Reply {
    Reply::bytes(200, OPENAPI.as_bytes().to_vec())
}

/// `GET /docs`.
#[must_use]
pub fn docs() -> Reply {
    Reply::html(200, PAGE).with_header("Content-Security-Policy", PAGE_POLICY)
}

/// `GET /docs/app.js` and `GET /docs/app.css`.
///
/// # Errors
/// `NOT_FOUND` for every other name.
pub fn asset(name: &str) -> Result<Reply, ApiError> {
    match name {
        "app.js" => Ok(Reply::text(200, "text/javascript; charset=utf-8", SCRIPT)),
        "app.css" => Ok(Reply::text(200, "text/css; charset=utf-8", STYLE)),
        _ => Err(Code::NotFound.into()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_document_is_openapi_and_refers_to_nothing_that_is_not_in_it() {
        let document: Value = serde_json::from_str(OPENAPI).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        for rest in OPENAPI.split("\"$ref\": \"#").skip(1) {
            let pointer = rest.split('"').next().unwrap_or_default();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }

    #[test]
    fn the_page_needs_nothing_that_its_policy_forbids() {
        assert!(!PAGE.contains("style=") && !PAGE.contains("<style") && !PAGE.contains(" on"));
        assert!(PAGE.matches("<script").count() == PAGE.matches("<script type=\"module\" src=\"/docs/app.js\">").count());
        assert!(!SCRIPT.contains("innerHTML") && !SCRIPT.contains("eval("));
        for name in ["app.js", "app.css"] {
            assert!(PAGE.contains(&format!("\"/docs/{name}\"")) && asset(name).is_ok(), "{name}");
        }
        assert_eq!(asset("app.map").map_err(|error| error.code).err(), Some(Code::NotFound));
    }
}
