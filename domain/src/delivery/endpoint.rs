//! An organiser's endpoint: where to deliver to, what signs, and how it does.

use serde::{Deserialize, Serialize};

use crate::{
    id::EventId,
    time::{Millis, Timestamp},
};

/// How long a replaced secret still signs, in milliseconds: a day.
pub const PREVIOUS_SECRET_MS: u64 = 24 * 60 * 60 * 1000;
/// Events that an endpoint may name.
pub const EVENT_IDS_MAX: usize = 500;

/// Which endpoint of a name, and which state of it. An older one changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    /// When the endpoint was made: one that is made anew after it was deleted is another.
    pub created_at: Millis,
    /// Rises with each change.
    pub updated_at: Millis,
}

impl Version {
    /// The endpoint that was made then is deleted: no change of it is newer.
    #[must_use]
    pub const fn deleted(created_at: Millis) -> Self {
        Self { created_at, updated_at: Millis::MAX }
    }
}

/// An endpoint as its organiser wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directions {
    /// The organiser's address.
    pub url: String,
    /// What signs.
    pub secret: String,
    /// Whose events it hears of; none for everybody's.
    pub organiser_id: Option<String>,
    /// Which events it hears of; none for all. At most [`EVENT_IDS_MAX`].
    pub event_ids: Option<Vec<EventId>>,
    /// Which state of the endpoint this is. What happened since it was made is delivered.
    pub version: Version,
}

/// A secret that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousSecret {
    /// It.
    pub secret: String,
    /// Until when it signs.
    pub until: Millis,
}

/// An endpoint as it is delivered to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The organiser's address.
    pub url: String,
    /// What signs.
    pub secret: String,
    /// What signs too.
    pub previous: Option<PreviousSecret>,
    /// Whose it is.
    pub organiser_id: Option<String>,
    /// Which events it hears of; none for all.
    pub event_ids: Option<Vec<EventId>>,
    /// What was logged since is delivered.
    pub since: Millis,
}

impl Endpoint {
    /// An endpoint that nothing was delivered to yet.
    #[must_use]
    pub fn new(directions: &Directions, since: Millis) -> Self {
        let Directions { url, secret, organiser_id, event_ids, .. } = directions.clone();
        Self { url, secret, previous: None, organiser_id, event_ids, since }
    }

    /// This endpoint as its organiser wants it at `now`; a replaced secret goes on signing for a while.
    #[must_use]
    pub fn directed(&self, directions: &Directions, now: Millis) -> Self {
        let replaced = directions.secret != self.secret;
        let replaced = replaced.then(|| PreviousSecret { secret: self.secret.clone(), until: now.plus_ms(PREVIOUS_SECRET_MS) });
        Self { previous: replaced.or_else(|| self.previous.clone()), ..Self::new(directions, self.since) }
    }

    /// The secrets that sign at `now`, the newest first.
    #[must_use]
    pub fn secrets(&self, now: Millis) -> Vec<String> {
        let previous = self.previous.as_ref().filter(|previous| now < previous.until);
        [self.secret.clone()].into_iter().chain(previous.map(|previous| previous.secret.clone())).collect()
    }

    /// Whether it hears of this event.
    #[must_use]
    pub fn hears_of(&self, event_id: &EventId) -> bool {
        self.event_ids.as_ref().is_none_or(|event_ids| event_ids.contains(event_id))
    }
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// What.
    pub reason: String,
}

/// How an endpoint does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Why nothing is delivered any more until somebody enables it.
    pub disabled: Option<Failure>,
    /// When something was delivered last.
    pub last_success_at: Option<Timestamp>,
    /// What failed last.
    pub last_failure: Option<Failure>,
    /// The first failure since something was delivered.
    pub failing_since: Option<Timestamp>,
    /// How often it was tried to deliver something.
    pub attempts: u64,
}

/// Whether an endpoint takes what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing waits to be tried again.
    Active,
    /// Something failed and waits to be tried again.
    Failing,
    /// Nothing is delivered until somebody enables it.
    Disabled,
}

/// How an endpoint does, for its organiser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Whether it takes what it is sent.
    pub state: State,
    /// Why it is disabled, and since when.
    pub disabled: Option<Failure>,
    /// When something was delivered last.
    pub last_success_at: Option<Timestamp>,
    /// What failed last.
    pub last_failure: Option<Failure>,
    /// When something is tried next; none where nothing waits.
    pub next_try_at: Option<Timestamp>,
    /// How many envelopes wait.
    pub backlog: u64,
}
