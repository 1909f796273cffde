//! Logs: one JSON object a line. Never a password, token, key or address in `fields`.

pub use actors::Level;
use serde_json::{Map, Value};

use crate::clock;

/// As it is written.
const fn as_str(level: Level) -> &'static str {
    match level {
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

/// Writes one line. `fields` is a JSON object; anything else is left out.
pub fn line(level: Level, service: &str, trace_id: &str, msg: &str, fields: Value) {
    let mut entry = Map::new();
    entry.insert("ts".into(), clock::now().to_string().into());
    entry.insert("level".into(), as_str(level).into());
    entry.insert("service".into(), service.into());
    entry.insert("trace_id".into(), trace_id.into());
    entry.insert("msg".into(), msg.into());
    if let Value::Object(fields) = fields {
        entry.extend(fields);
    }
    let text = Value::Object(entry).to_string();
    match level {
        Level::Info => worker::console_log!("{text}"),
        Level::Warn => worker::console_warn!("{text}"),
        Level::Error => worker::console_error!("{text}"),
    }
}
