//! Instants as milliseconds since 1970, and their RFC 3339 form for people and contracts.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An instant: milliseconds since 1970-01-01T00:00:00Z. Arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// The last instant that RFC 3339 can write with a four-digit year.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// The instant `span_ms` milliseconds later.
    #[must_use]
    pub const fn plus_ms(self, span_ms: u64) -> Self {
        Self(self.0.saturating_add(span_ms))
    }

    /// The instant `span_sec` seconds later.
    #[must_use]
    pub const fn plus_sec(self, span_sec: u64) -> Self {
        self.plus_ms(span_sec.saturating_mul(1000))
    }

    /// Milliseconds from `earlier` to this instant; 0 when `earlier` is not earlier.
    #[must_use]
    pub const fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads RFC 3339 with any offset; the fraction is cut to milliseconds.
    ///
    /// # Errors
    /// The text is not RFC 3339, or lies before 1970.
    pub fn parse_rfc3339(text: &str) -> Result<Self, String> {
        let parsed = DateTime::parse_from_rfc3339(text).map_err(|_| "must be an RFC 3339 time".to_owned())?;
        u64::try_from(parsed.timestamp_millis())
            .ok()
            .map(Self)
            .filter(|at| *at <= Self::MAX)
            .ok_or_else(|| "must lie between 1970 and 9999".to_owned())
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clamped = (*self).min(Self::MAX);
        let millis = i64::try_from(clamped.0).unwrap_or(i64::MAX);
        let at = DateTime::<Utc>::from_timestamp_millis(millis).unwrap_or_default();
        f.write_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// An instant that is written as RFC 3339 UTC with milliseconds: the form of the public contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub Millis);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Millis::parse_rfc3339(&text).map(Self).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_in_utc_with_milliseconds() {
        assert_eq!(Millis(1_795_262_400_000).to_string(), "2026-11-21T12:00:00.000Z");
    }

    #[test]
    fn any_offset_is_read() {
        assert_eq!(Millis::parse_rfc3339("2026-11-21T21:00:00.25+09:00"), Ok(Millis(1_795_262_400_250)));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "tomorrow", "2026-11-21", "1969-12-31T23:59:59Z"] {
            assert!(Millis::parse_rfc3339(text).is_err(), "{text}");
        }
    }
}
