//! Where endpoints and logs stand, and what can happen, one at a time.

use std::hash::{Hash, Hasher};

use super::scenario::Bounds;
use crate::part::Fault;

/// An endpoint, from 0.
pub type End = u8;
/// The log of an event, from 0.
pub type Log = u8;

/// What came of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Came {
    /// The log says where the cursor begins.
    Placed(u8),
    /// The endpoint answered with this status.
    Answered(u16),
    /// It was sent, and no answer came.
    Unanswered,
    /// The log could not be read.
    Unread,
}

/// What is on its way. Effects have numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message {
    /// The organiser's directions to the endpoint's object.
    Directions(End),
    /// That a log reaches so far; the reader of `sale-events` waits for the answer.
    Word(End, Log, u8),
    /// The same without anybody who waits: a copy. It may never arrive.
    LateWord(End, Log, u8),
    /// An effect; the endpoint's object waits.
    Out(End, u16),
    /// What came of it.
    Back(End, u16, Came),
    /// An effect that nobody waits for: a copy, or sent before a crash. It may never arrive.
    Adrift(End, u16),
}

impl Message {
    /// Whether it may stay on its way for ever.
    #[must_use]
    pub const fn is_late(self) -> bool {
        matches!(self, Self::LateWord(..) | Self::Adrift(..))
    }
}

/// What the object of an endpoint is asked. An endpoint is known by when it was made, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// To take over the directions.
    Direct(u32),
    /// To hear of a log.
    Hear(u32, Log, u8),
    /// What came of an effect.
    Came(u16, Came),
    /// To go on.
    Enable,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The next instant comes.
    Clock,
    /// A log grows by one envelope.
    Log(Log),
    /// An endpoint is made.
    Make(End),
    /// The reader of `sale-events` says how far a log reaches.
    Tell(End, Log),
    /// The organiser enables the endpoint.
    Enable(End, Option<Fault>),
    /// A due effect is sent.
    Perform(End, u16),
    /// A message arrives.
    Arrive(Message, Option<Fault>),
    /// A message arrives, and its answer is lost.
    ArriveUnheard(Message),
    /// A post is answered with a status that is no success.
    Refuse(Message, u16),
    /// The log does not answer, so that nothing is posted.
    MissLog(Message),
    /// A message is lost.
    Lose(Message),
    /// A copy of a message stays on the way.
    Copy(Message),
    /// The object of an endpoint loses its memory, and all that it was waiting for.
    Crash(End),
}

impl Step {
    /// The same step while storage fails; none where the step saves nothing.
    #[must_use]
    pub const fn with(self, fault: Fault) -> Option<Self> {
        Some(match self {
            Self::Enable(end, None) => Self::Enable(end, Some(fault)),
            Self::Arrive(message, None) => Self::Arrive(message, Some(fault)),
            _ => return None,
        })
    }
}

/// The log of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Logged {
    /// Its last envelope.
    pub last: u8,
    /// The last one that is older than this instant.
    pub older: u8,
}

/// One endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// When it was made.
    pub made_ms: Option<u32>,
    /// Its object.
    pub object: u32,
    /// What is known of its deliveries.
    pub account: u32,
    /// How far each log was when it was made.
    pub before: Vec<u8>,
    /// The last word about each log that its object was heard to take.
    pub told: Vec<u8>,
}

/// Everything that decides about what can happen next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Time since the beginning.
    pub now_ms: u32,
    /// The logs.
    pub logs: Vec<Logged>,
    /// The endpoints.
    pub endpoints: Vec<Endpoint>,
    /// What is on its way, sorted.
    pub messages: Vec<Message>,
    /// What may still go wrong.
    pub left: Bounds,
}

impl Hash for State {
    /// Of everything but what may still go wrong.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { now_ms, logs, endpoints, messages, left: _ } = self;
        (now_ms, logs, endpoints, messages).hash(hasher);
    }
}
