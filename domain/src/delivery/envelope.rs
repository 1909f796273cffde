//! The envelope that the outside is told, as far as a reader of it has to look.

use std::borrow::Cow;

use serde::Deserialize;

use crate::{id::EventId, trace::TraceId};

/// Longest id and longest type of an envelope, in bytes.
pub const ID_MAX_BYTES: usize = 128;

/// What is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Its id, unique in the whole platform.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// The event whose log it is from.
    pub event_id: EventId,
    /// Its number there, from 1.
    pub sequence: u64,
    /// The request that caused it.
    pub trace: TraceId,
    /// All of it, as JSON.
    pub body: String,
}

/// What is read of an envelope.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    sequence: u64,
    #[serde(borrow, default)]
    trace_id: Cow<'a, str>,
}

impl Envelope {
    /// Reads the contract's envelope, a JSON object.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // A list would be taken for the fields in their order.
        let text = text.trim_ascii_start();
        let Fields { id, kind, event_id, sequence, trace_id } =
            text.starts_with('{').then(|| serde_json::from_slice(text.as_bytes()).ok())??;
        let plain = |text: &str| (1..=ID_MAX_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        (plain(&id) && plain(&kind) && sequence > 0).then_some(())?;
        let event_id = EventId::parse(&event_id)?;
        let trace = TraceId::parse(&trace_id).unwrap_or_default();
        Some(Self { id: id.into_owned(), kind: kind.into_owned(), event_id, sequence, trace, body: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_read_and_kept_as_it_is() {
        let text = r#"{"id":"msg_e_3","type":"payment.approved","event_id":"e","sequence":3,"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","data":{}}"#;
        let envelope = Envelope::parse(text).unwrap();
        assert_eq!((envelope.id.as_str(), envelope.kind.as_str(), envelope.sequence), ("msg_e_3", "payment.approved", 3));
        assert_eq!((envelope.body.as_str(), envelope.trace.to_string().as_str()), (text, "4bf92f3577b34da6a3ce929d0e0e4736"));
        let untraced = Envelope::parse(r#"{"id":"a","type":"b","event_id":"e","sequence":1,"trace_id":""}"#);
        assert!(untraced.is_some_and(|envelope| envelope.trace.is_none()));
    }

    #[test]
    fn what_is_no_envelope_is_not_read() {
        for text in [
            "",
            "null",
            r#"["a","b","e",1]"#,
            r#"{"id":"a","type":"b","event_id":"e"}"#,
            r#"{"id":"a","type":"b","event_id":"e","sequence":0}"#,
            r#"{"id":"","type":"b","event_id":"e","sequence":1}"#,
            r#"{"id":"a b","type":"b","event_id":"e","sequence":1}"#,
            r#"{"id":"a","type":"b","event_id":"/","sequence":1}"#,
        ] {
            assert_eq!(Envelope::parse(text), None, "{text}");
        }
    }
}
