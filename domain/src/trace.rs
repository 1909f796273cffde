//! The id of a trace: which request caused something, however many timers and messages lie between.
//!
//! See <https://www.w3.org/TR/trace-context/#trace-id>.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The 128 bits of a W3C trace id; the default stands for none.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub u128);

impl TraceId {
    /// No trace: nobody's request caused it.
    pub const NONE: Self = Self(0);

    /// The id in a `traceparent` header; [`Self::NONE`] where there is none.
    #[must_use]
    pub fn of_traceparent(traceparent: &str) -> Self {
        traceparent.split('-').nth(1).and_then(Self::parse).unwrap_or_default()
    }

    /// Reads 32 hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok().map(Self))?
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.0 == 0
    }

    /// This trace, or `other` where there is none.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        if self.is_none() { other } else { self }
    }

    /// A `traceparent` of this trace whose parent is `span`, sampled; empty where there is no trace.
    #[must_use]
    pub fn traceparent(self, span: u64) -> String {
        if self.is_none() {
            return String::new();
        }
        // A span id of zeros is invalid.
        format!("00-{self}-{:016x}-01", span.max(1))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() { Ok(()) } else { write!(f, "{:032x}", self.0) }
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TraceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        if text.is_empty() {
            Ok(Self::NONE)
        } else {
            Self::parse(&text).ok_or_else(|| de::Error::custom("32 hex digits expected"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_keeps_its_trace() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = TraceId::of_traceparent(text);
        assert_eq!(trace.traceparent(0x00f0_67aa_0ba9_02b7), text);
        for none in ["", "00", "00-xyz-1-01", "00-4bf9-1-01"] {
            assert!(TraceId::of_traceparent(none).is_none(), "{none}");
        }
    }

    #[test]
    fn it_reads_back_as_it_was_written() {
        for trace in [TraceId(7), TraceId(u128::MAX), TraceId::NONE] {
            let json = serde_json::to_string(&trace).unwrap();
            assert_eq!(serde_json::from_str::<TraceId>(&json).unwrap(), trace, "{json}");
        }
    }
}
