//! What came of sending something: an attempt, and a dead letter where there is no other.

use serde::{Deserialize, Serialize};

use crate::{id::EventId, time::Timestamp};

/// How many attempts are remembered, the newest: what a person looks at who asks why something does not come. What is
/// still to be delivered follows from cursors and dead letters, not from this.
pub const ATTEMPTS_KEPT: u64 = 1000;
/// Attempts, or dead letters, that are shown at once.
pub const PAGE_MAX: u32 = 100;
/// Longest problem that is kept, in bytes; the rest is cut.
pub const PROBLEM_MAX_BYTES: usize = 200;
/// The status by which an endpoint says that it is no more.
const GONE: u16 = 410;

/// What became of a request to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered with this status.
    Answered(u16),
    /// It did not answer.
    Problem(String),
}

impl Outcome {
    /// Whether it took what it was sent.
    #[must_use]
    pub const fn is_delivered(&self) -> bool {
        matches!(self, Self::Answered(200..=299))
    }

    /// Whether the endpoint wants nothing any more.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Answered(GONE))
    }

    /// The status that it answered with, if it answered.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Answered(status) => Some(*status),
            Self::Problem(_) => None,
        }
    }

    /// What went wrong; none where it was delivered.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        match self {
            _ if self.is_delivered() => None,
            Self::Answered(status) => Some(format!("answered {status}")),
            Self::Problem(problem) => Some(cut(problem)),
        }
    }
}

/// The beginning of a text, at most [`PROBLEM_MAX_BYTES`] of it.
fn cut(text: &str) -> String {
    let end = (0..=PROBLEM_MAX_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text[..end].to_owned()
}

/// What was sent, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The envelope's id.
    pub id: String,
    /// The envelope's type.
    pub kind: String,
    /// Which of the event's envelopes; 0 for one that is of no log.
    pub sequence: u64,
    /// What came of it.
    pub outcome: Outcome,
    /// How long that took, in milliseconds.
    pub took_ms: u64,
}

/// One request to an endpoint, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which of the endpoint's attempts, from 1.
    pub number: u64,
    /// When it was over.
    pub at: Timestamp,
    /// The envelope's id.
    pub id: String,
    /// The envelope's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The event whose log the envelope is from; none for a ping.
    pub event_id: Option<EventId>,
    /// The envelope's number there.
    pub sequence: Option<u64>,
    /// Which attempt to deliver this envelope, from 1.
    pub attempt: u32,
    /// The status that was answered, if one was.
    pub status: Option<u16>,
    /// What went wrong; none where it was delivered.
    pub problem: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Some attempts, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptPage {
    /// The attempts.
    pub attempts: Vec<Attempt>,
    /// Where to go on, as `before`; none at the end.
    pub next: Option<u64>,
}

/// What was given up. Its body is in the log of the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The event whose log the envelope is from.
    pub event_id: EventId,
    /// The envelope's number there.
    pub sequence: u64,
    /// The envelope's id.
    pub id: String,
    /// The envelope's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong the last time.
    pub problem: String,
    /// When that was.
    pub failed_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_2xx_is_delivered_and_a_problem_is_short() {
        assert!([200, 204, 299].into_iter().all(|status| Outcome::Answered(status).problem().is_none()));
        for status in [101, 199, 300, 302, 404, 410, 500] {
            assert_eq!(Outcome::Answered(status).problem(), Some(format!("answered {status}")));
        }
        let long = Outcome::Problem("é".repeat(PROBLEM_MAX_BYTES)).problem();
        assert_eq!(long.map(|problem| problem.len()), Some(PROBLEM_MAX_BYTES));
    }
}
