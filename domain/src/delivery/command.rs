//! What can be asked of an endpoint's deliveries, what is answered, and what became true.

use serde::{Deserialize, Serialize};

use super::{
    attempt::{Attempt, DeadLetter, Tried},
    cursor::Cursor,
    endpoint::{Directions, Endpoint, Health, Version},
};
use crate::{effect, id::EventId, time::Millis};

/// Some dead letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Letters {
    /// The one of this envelope.
    One(String),
    /// All of an event.
    OfEvent(EventId),
    /// All.
    All,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The organiser made the endpoint, or changed it. A changed address or secret is tried at once, and enables it.
    Direct(Directions),
    /// The log of an event has envelopes up to a sequence → [`crate::refusal::Refusal::Unconfigured`] for an endpoint that
    /// was never directed, or not by this version.
    Hear {
        /// The endpoint as whoever tells this knows it.
        version: Version,
        /// Which event.
        event_id: EventId,
        /// The last one.
        through: u64,
    },
    /// Where a cursor begins: the log's last envelope that is older than the endpoint.
    Placed {
        /// Which event.
        event_id: EventId,
        /// Its sequence.
        after: u64,
    },
    /// What came of sending the envelope behind a cursor.
    Tried {
        /// Which event.
        event_id: EventId,
        /// Where the cursor stood; what was tried from elsewhere changes nothing.
        after: u64,
        /// What was sent, and what came of it.
        tried: Tried,
    },
    /// What came of sending a dead letter once more. If that failed too it is dead again, and nobody had to wait for it.
    Retried {
        /// Which event.
        event_id: EventId,
        /// How often it was tried before, and what came of it now; none where there is none left to be sent.
        letter: Option<(u32, Tried)>,
    },
    /// The log did not answer an effect; it is asked again later. Not the endpoint's fault.
    Unread {
        /// The effect's id.
        id: u64,
    },
    /// The log of an event is no more: the event was deleted.
    Ended {
        /// Which event.
        event_id: EventId,
    },
    /// Try these dead letters once more, now.
    Redrive(Letters),
    /// Deliver everything of an event again that is behind a sequence.
    Replay {
        /// Which event.
        event_id: EventId,
        /// The sequence.
        after: u64,
        /// The log's last one.
        through: u64,
    },
    /// Go on, and try everything at once.
    Enable,
    /// What came of sending something that is of no log.
    Pinged(Tried),
    /// The endpoint was deleted: forget everything.
    Drop {
        /// When it was made; none where nobody knows any more.
        created_at: Option<Millis>,
    },
    /// Carry out what is due.
    Tick,
}

/// What a command is answered with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reply {
    /// What goes again.
    Replaying {
        /// Which event.
        event_id: EventId,
        /// Everything behind this sequence.
        after: u64,
        /// The log's last one.
        through: u64,
    },
    /// How many dead letters are tried once more.
    Redriven {
        /// How many.
        redriven: u64,
    },
    /// Nothing to say.
    Done {},
}

/// What became true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The endpoint is this one.
    Directed {
        /// Which state of it this is.
        version: Version,
        /// It.
        endpoint: Box<Endpoint>,
    },
    /// Everything was forgotten.
    Dropped {
        /// What is not newer changes nothing any more.
        version: Version,
    },
    /// The endpoint does like this.
    Fared(Box<Health>),
    /// Something was sent.
    Attempted(Box<Attempt>),
    /// A cursor is this one.
    Moved {
        /// Which event's.
        event_id: EventId,
        /// It.
        cursor: Cursor,
    },
    /// All that waits for its next try is tried now.
    Hastened {
        /// When.
        at: Millis,
        /// Whether its tries are counted anew.
        anew: bool,
    },
    /// An effect is tried later. In memory only: who forgets it tries at once.
    Unread {
        /// Its id.
        id: u64,
        /// When.
        due_at: Millis,
    },
    /// An envelope was given up, or failed once more.
    Buried(Box<DeadLetter>),
    /// A dead letter was delivered after all.
    Revived {
        /// Which event.
        event_id: EventId,
        /// Which of its envelopes.
        sequence: u64,
    },
    /// Dead letters are tried once more.
    Redriven {
        /// Which.
        letters: Letters,
        /// Their events.
        event_ids: Vec<EventId>,
    },
    /// All dead letters of an event were tried that were to be. In memory only: it follows from the rows.
    RedriveEnded {
        /// Which event.
        event_id: EventId,
    },
}

/// What an endpoint is owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask the log of an event where the endpoint begins.
    Place {
        /// Which event.
        event_id: EventId,
        /// The endpoint hears of what was logged since.
        since: Millis,
    },
    /// Deliver the envelope behind a sequence.
    Deliver {
        /// Which event.
        event_id: EventId,
        /// The sequence.
        after: u64,
    },
    /// Deliver the first dead letter of an event that is to be tried once more.
    Redeliver {
        /// Which event.
        event_id: EventId,
    },
}

/// What the order of effects matters to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The log of an event.
    Log(EventId),
    /// The dead letters of an event, which are out of order anyhow.
    DeadLetters(EventId),
}

impl effect::Effect for Effect {
    type Key = Key;

    fn ordering_key(&self) -> Key {
        match self {
            Self::Place { event_id, .. } | Self::Deliver { event_id, .. } => Key::Log(event_id.clone()),
            Self::Redeliver { event_id } => Key::DeadLetters(event_id.clone()),
        }
    }
}
