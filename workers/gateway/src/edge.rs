//! What of the platform's requests and responses is made or read in JavaScript, in one crossing each.

use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use worker::worker_sys::web_sys::{Request, Response};

#[wasm_bindgen(module = "/src/edge.js")]
extern "C" {
    fn prepare(names: &str, of_every: u32, always: &str);
    /// Method, address and the headers that [`begin`] named, a line each; of a `GET` only those that are read of every request.
    pub(crate) fn look(request: &Request) -> String;
    #[wasm_bindgen(catch, js_name = respond)]
    fn respond_with(status: u16, body: Option<&[u8]>, json: bool, lines: &str) -> Result<Response, JsValue>;
}

/// What [`look`] writes for a header that is not there: no header can be that.
pub(crate) const ABSENT: &str = "\r";

/// Once, before the first request: which headers are read, the first so many of every request, and which are always sent.
pub(crate) fn begin(names: &[&str], of_every: usize, always: &[(&str, &str)]) {
    prepare(&names.join("\n"), u32::try_from(of_every).unwrap_or(u32::MAX), &lines(always.iter().copied()));
}

/// The platform's response; `json` is whether it says so of its body.
///
/// # Errors
/// A header is not one.
pub(crate) fn respond(status: u16, body: Option<&[u8]>, json: bool, headers: &[(&str, String)]) -> worker::Result<Response> {
    // A line too many would be a header that nobody wrote.
    if headers.iter().any(|(_, value)| value.contains('\n')) {
        return Err("a header of several lines".into());
    }
    let lines = lines(headers.iter().map(|(name, value)| (*name, value.as_str())));
    Ok(respond_with(status, body, json, &lines)?)
}

/// Names and values, a line each.
fn lines<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut lines = String::with_capacity(512);
    for (name, value) in headers {
        lines.push_str(name);
        lines.push('\n');
        lines.push_str(value);
        lines.push('\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_two_lines() {
        assert_eq!(lines([("a", "1"), ("b", "")].into_iter()), "a\n1\nb\n\n");
    }
}
