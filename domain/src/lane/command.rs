//! What can be asked of a lane, what is answered, and what became true.

use serde::{Deserialize, Serialize};

use crate::{board::PlaceState, event::Event, hash::Hash128, queue, refusal::Refusal, time::Millis};

/// Keys that are recorded with one place: more tabs and reloads than a person has at once.
pub const KEYS_MAX: usize = 8;

/// Somebody wants a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// Who: one place each.
    pub caller: Hash128,
    /// Scope of the request's idempotency key.
    pub key: Hash128,
    /// Digest of the request.
    pub fingerprint: Hash128,
    /// Version of the key that a new waiting token is signed with.
    pub kid: u32,
    /// The caller's known place, where that is seen to be over: a new one is given in its stead, unless it was already.
    pub replaces: Option<u64>,
}

/// A caller's place; the same however often it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// The place.
    pub number: u64,
    /// When it was given.
    pub joined_at: Millis,
    /// Version of the key that its token is signed with.
    pub kid: u32,
    /// Its position when it was given.
    pub position_hint: u64,
}

impl Joined {
    /// The place at `index` of a batch with these numbers.
    pub(crate) const fn nth(numbers: &queue::Numbered, index: u64, kid: u32) -> Self {
        let queue::Numbered { first, joined_at, position_hint } = *numbers;
        Self { number: first + index, joined_at, kid, position_hint: position_hint + index }
    }
}

/// A place was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftReply {
    /// How it stood before.
    pub was: PlaceState,
}

/// A key and the digest of its request.
type Recorded = (Hash128, Hash128);

/// The keys of one place with the digests of their requests, oldest first. Most places have one: it needs no memory of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Recorded>", into = "Vec<Recorded>")]
pub struct Keys {
    pub(super) oldest: Option<Recorded>,
    pub(super) later: Vec<Recorded>,
}

impl Keys {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Recorded> {
        self.oldest.iter().chain(&self.later)
    }

    /// Whether the request's key is recorded.
    ///
    /// # Errors
    /// [`Refusal::IdempotencyConflict`]: with another request.
    pub(super) fn have(&self, join: &Join) -> Result<bool, Refusal> {
        match self.iter().find(|(key, _)| *key == join.key) {
            Some((_, fingerprint)) if *fingerprint == join.fingerprint => Ok(true),
            Some(_) => Err(Refusal::IdempotencyConflict),
            None => Ok(false),
        }
    }

    pub(super) fn record(&mut self, join: &Join) {
        let recorded = (join.key, join.fingerprint);
        if self.oldest.is_none() {
            self.oldest = Some(recorded);
            return;
        }
        if self.later.len() + 1 >= KEYS_MAX {
            self.oldest = Some(self.later.remove(0));
        }
        self.later.push(recorded);
    }
}

impl From<Vec<Recorded>> for Keys {
    fn from(recorded: Vec<Recorded>) -> Self {
        let mut recorded = recorded.into_iter();
        Self { oldest: recorded.next(), later: recorded.collect() }
    }
}

impl From<Keys> for Vec<Recorded> {
    fn from(keys: Keys) -> Self {
        keys.oldest.into_iter().chain(keys.later).collect()
    }
}

/// A place as the rows have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Whose place it is.
    pub caller: Hash128,
    /// The place.
    pub joined: Joined,
    /// The keys it was joined with.
    pub keys: Keys,
}

/// Somebody who got a place together with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joiner {
    /// Who.
    pub caller: Hash128,
    /// Version of the key that the token is signed with.
    pub kid: u32,
    /// The keys that came until then.
    pub keys: Keys,
}

/// A batch that the queue has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// The batch's nonce.
    pub nonce: u64,
    /// The batch's sequence.
    pub seq: u64,
    /// The places of those who joined.
    pub numbers: queue::Numbered,
    /// Who joined, in the order of their places; nobody where nobody may.
    pub joiners: Vec<Joiner>,
    /// Places that were given up.
    pub left: Vec<u64>,
}

impl Numbered {
    /// Numbers with their callers.
    pub fn places(&self) -> impl Iterator<Item = (u64, Hash128)> {
        (self.numbers.first..).zip(&self.joiners).map(|(number, joiner)| (number, joiner.caller))
    }

    /// The places that were joined with more than one key until they were given: a row has room for one each.
    pub fn keyed(&self) -> impl Iterator<Item = (u64, &Keys)> {
        let with_keys = (self.numbers.first..).zip(&self.joiners).map(|(number, joiner)| (number, &joiner.keys));
        with_keys.filter(|(_, keys)| !keys.later.is_empty())
    }
}

/// What can be asked of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Take over the event, unless its version is known → [`Reply::Done`].
    Configure(Box<Event>),
    /// Look for a caller's place → [`Reply::Known`] or [`Reply::Unknown`]; [`Refusal::IdempotencyConflict`], or with
    /// [`PLACES_MAX`](super::PLACES_MAX) reached [`Refusal::Overloaded`].
    Join(Join),
    /// Store a batch → [`Reply::Done`]. A place that was given up is forgotten: its caller is as good as new.
    Numbered(Numbered),
    /// Nothing: no time changes a lane.
    Tick,
}

/// What a lane answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The caller has a place.
    Known {
        /// The place.
        joined: Joined,
        /// Whether it was joined with this very key before.
        replayed: bool,
    },
    /// The caller has none, or one that is to be replaced.
    Unknown,
    /// It is stored.
    Done,
}

/// What became true of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This is the event.
    Configured(Box<Event>),
    /// This batch is stored, and every one before: its callers have these places, in the stead of any others, and the places that
    /// were given up have no callers any more.
    Stored(Numbered),
    /// These are the keys of a place.
    Keyed {
        /// The place.
        number: u64,
        /// All of them.
        keys: Keys,
    },
}
