//! Logs: one JSON object a line. Never a password, token, key or address in `fields`.

use serde_json::{Map, Value};

use crate::clock;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Worth counting.
    Info,
    /// Something was refused or put right that should be rare.
    Warn,
    /// Something is broken.
    Error,
}

impl Level {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Writes one line. `fields` is a JSON object; anything else is left out.
pub fn line(level: Level, service: &str, trace_id: &str, msg: &str, fields: Value) {
    let mut entry = Map::new();
    entry.insert("ts".into(), clock::now().to_string().into());
    entry.insert("level".into(), level.as_str().into());
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
