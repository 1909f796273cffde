//! W3C trace context: one trace id from the caller through every object and back.

use std::cell::Cell;

use uuid::Uuid;

/// Where a request belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// 32 hex digits: the caller's, or new.
    pub trace_id: String,
    /// 16 hex digits: this request's own span.
    pub span_id: String,
    sampled: bool,
}

impl Trace {
    /// The trace of a request that came with this `traceparent`, in a span of its own. Without a valid one, `trace_id`
    /// names the trace, and without that it is new.
    #[must_use]
    pub fn new(traceparent: Option<&str>, trace_id: Option<&str>) -> Self {
        let named = trace_id.filter(|id| is_hex(id, 32) && id.bytes().any(|b| b != b'0'));
        let (trace_id, sampled) = match (traceparent.and_then(parse), named) {
            (Some((trace_id, sampled)), _) => (trace_id.to_owned(), sampled),
            (None, Some(trace_id)) => (trace_id.to_owned(), true),
            (None, None) => (format!("{:016x}{:016x}", draw(), draw()), true),
        };
        Self { trace_id, span_id: format!("{:016x}", draw()), sampled }
    }

    /// The header for whoever is asked next, and for the answer.
    #[must_use]
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

thread_local! {
    /// The state of [`draw`]; both halves are random from the first use on.
    static DRAWN: Cell<Option<(u64, u64)>> = const { Cell::new(None) };
}

/// A random number other than 0. Ids of traces must differ, not be secret, so the platform's own source is asked for the first
/// one only: xoroshiro128++ (Blackman and Vigna, 2019).
fn draw() -> u64 {
    DRAWN.with(|drawn| {
        let (s0, s1) = drawn.get().unwrap_or_else(|| Uuid::new_v4().as_u64_pair());
        let next = s0 ^ s1;
        drawn.set(Some((s0.rotate_left(49) ^ next ^ (next << 21), next.rotate_left(28))));
        s0.wrapping_add(s1).rotate_left(17).wrapping_add(s0).max(1)
    })
}

/// Trace id and sampled flag of a valid header. Versions after 00 may have more fields.
fn parse(header: &str) -> Option<(&str, bool)> {
    let mut parts = header.trim().split('-');
    let (version, trace_id, parent_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let known = is_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    let named = is_hex(trace_id, 32) && is_hex(parent_id, 16) && is_hex(flags, 2);
    let real = trace_id.bytes().any(|b| b != b'0') && parent_id.bytes().any(|b| b != b'0');
    let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
    (known && named && real).then_some((trace_id, sampled))
}

fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_callers_trace_goes_on_in_a_span_of_its_own() {
        let trace = Trace::new(Some(SENT), Some("0123456789abcdef0123456789abcdef"));
        assert_eq!(trace.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_ne!(trace.span_id, "00f067aa0ba902b7");
        assert_eq!(trace.traceparent(), format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", trace.span_id));
    }

    #[test]
    fn ids_differ_and_are_never_zero() {
        let drawn: std::collections::BTreeSet<u64> = (0..10_000).map(|_| draw()).collect();
        assert!(drawn.len() == 10_000 && !drawn.contains(&0));
        let trace = Trace::new(None, None);
        assert!(is_hex(&trace.trace_id, 32) && is_hex(&trace.span_id, 16));
    }

    #[test]
    fn a_malformed_header_counts_as_none() {
        let wrong = [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ];
        for header in wrong {
            let trace = Trace::new(Some(header), None);
            assert_ne!(trace.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736", "{header}");
            assert!(is_hex(&trace.trace_id, 32) && is_hex(&trace.span_id, 16));
        }
    }

    #[test]
    fn a_bare_trace_id_is_taken_where_there_is_no_traceparent() {
        let trace = Trace::new(None, Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert_eq!(trace.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_ne!(Trace::new(None, Some("not hex")).trace_id, "not hex");
    }

    #[test]
    fn a_later_version_may_say_more() {
        assert!(parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more").is_some_and(|(_, sampled)| !sampled));
    }
}
