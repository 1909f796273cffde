//! Where people join: one place per caller, joins gathered into batches.
//!
//! A [`Lane`] is a table of callers and their places. A known caller is answered from it; an unknown one goes to the
//! [`Gathering`] buffer, from where the queue numbers whole batches. At most one batch is out: while it is, the next one
//! gathers. The lane stores a batch in one commit and only then answers everybody.
//!
//! **Keys.** The key of the first join is recorded with the place, as is each other key that the caller joins with, up
//! to [`KEYS_MAX`]; then the oldest is forgotten. A recorded key with another request is a conflict. The records live as
//! long as the place.
//!
//! **What is told stays.** Number, time, key version and position hint are fixed at joining and given again unchanged.
//! Whoever was not answered may send the same request again: either the batch was stored, then the place is known; or it
//! was not, then the queue gives up the numbers that nobody was told (see [`Batch`]).
//!
//! **Bounds.** Memory holds the [`KNOWN_MAX`] newest places, about 300 bytes each, 1.5 MB; the others are in rows and
//! brought in when their callers ask ([`Lane::remember`]). The buffer holds [`JOINS_MAX`] callers, [`LEAVES_MAX`] places
//! to give up and [`WAITERS_MAX`] people who wait for an answer.

mod gathering;

use std::{collections::BTreeMap, hash::BuildHasherDefault};

use serde::{Deserialize, Serialize};

pub use self::gathering::{Gathering, WAITERS_MAX, gather_ms};
#[cfg(doc)]
use crate::queue::{Batch, JOINS_MAX, LEAVES_MAX};
use crate::{
    board::PlaceState,
    effect::{Effects, Nothing},
    event::Event,
    hash::{Digested, Hash128},
    idempotency::Idempotency,
    machine::{Context, Decision, Machine},
    refusal::Refusal,
    time::Millis,
};

/// Keys that are recorded with one place: more tabs and reloads than a person has at once.
pub const KEYS_MAX: usize = 8;
/// Places that are kept in memory.
pub const KNOWN_MAX: usize = 5000;

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
    oldest: Option<Recorded>,
    later: Vec<Recorded>,
}

impl Keys {
    fn iter(&self) -> impl Iterator<Item = &Recorded> {
        self.oldest.iter().chain(&self.later)
    }

    /// Whether the request's key is recorded.
    ///
    /// # Errors
    /// [`Refusal::IdempotencyConflict`]: with another request.
    fn have(&self, join: &Join) -> Result<bool, Refusal> {
        match self.iter().find(|(key, _)| *key == join.key) {
            Some((_, fingerprint)) if *fingerprint == join.fingerprint => Ok(true),
            Some(_) => Err(Refusal::IdempotencyConflict),
            None => Ok(false),
        }
    }

    fn record(&mut self, join: &Join) {
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

/// A row of the lane's table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// Whose place it is.
    pub caller: Hash128,
    /// The place.
    pub joined: Joined,
    /// The keys it was joined with.
    pub keys: Keys,
}

/// A batch that the queue has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// The batch's nonce.
    pub nonce: u64,
    /// The batch's sequence.
    pub seq: u64,
    /// Who got a place.
    pub placed: Vec<Placed>,
    /// Places that were given up.
    pub left: Vec<u64>,
}

/// What can be asked of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Take over the event, unless its version is known → [`Reply::Done`].
    Configure(Box<Event>),
    /// Look for a caller's place → [`Reply::Known`] or [`Reply::Unknown`]; [`Refusal::IdempotencyConflict`].
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
    /// A caller has this place, in the stead of any other.
    Placed(Placed),
    /// This place has no caller any more.
    Forgotten {
        /// The place.
        number: u64,
    },
    /// This batch is stored, and every one before.
    Stored {
        /// The batch's nonce.
        nonce: u64,
        /// The batch's sequence.
        seq: u64,
    },
}

/// Places by their callers.
#[expect(clippy::disallowed_types, reason = "nobody iterates over it, and its hashes are the same in every run")]
type Known = std::collections::HashMap<Hash128, Placed, BuildHasherDefault<Digested>>;

/// The table of one lane. The default is not configured and refuses everything but [`Command::Configure`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lane {
    event: Option<Box<Event>>,
    nonce: u64,
    seq: u64,
    known: Known,
    callers: BTreeMap<u64, Hash128>,
}

impl Lane {
    /// The event, once configured.
    #[must_use]
    pub fn event(&self) -> Option<&Event> {
        self.event.as_deref()
    }

    /// The sequence of the next batch.
    #[must_use]
    pub const fn next_seq(&self) -> u64 {
        self.seq + 1
    }

    /// A nonce that no earlier batch had, drawn whenever a batch may have been forgotten; `drawn` is the last one.
    /// An earlier life of the lane drew its nonces before `now`.
    #[must_use]
    pub fn next_nonce(&self, drawn: u64, now: Millis) -> u64 {
        now.0.max(self.nonce + 1).max(drawn + 1)
    }

    /// Whether this caller's row is in memory.
    #[must_use]
    pub fn remembers(&self, caller: Hash128) -> bool {
        self.known.contains_key(&caller)
    }

    /// Takes a row into memory; the place with the lowest number makes room for it.
    pub fn remember(&mut self, placed: &Placed) {
        if let Some(old) = self.known.insert(placed.caller, placed.clone()) {
            self.callers.remove(&old.joined.number);
        }
        if self.known.len() > KNOWN_MAX
            && let Some((_, oldest)) = self.callers.pop_first()
        {
            self.known.remove(&oldest);
        }
        self.callers.insert(placed.joined.number, placed.caller);
    }

    fn forget(&mut self, number: u64) {
        if let Some(caller) = self.callers.remove(&number) {
            self.known.remove(&caller);
        }
    }

    fn join(&self, join: &Join) -> Result<Decision<Self>, Refusal> {
        let known = self.known.get(&join.caller).filter(|placed| join.replaces != Some(placed.joined.number));
        let Some(placed) = known else { return Ok(Decision::new(Reply::Unknown, vec![])) };
        let replayed = placed.keys.have(join)?;
        let reply = Reply::Known { joined: placed.joined, replayed };
        if replayed {
            return Ok(Decision::new(reply, vec![]));
        }
        let mut placed = placed.clone();
        placed.keys.record(join);
        Ok(Decision::new(reply, vec![Change::Placed(placed)]))
    }

    fn store(&self, numbered: &Numbered) -> Decision<Self> {
        let Numbered { nonce, seq, placed, left } = numbered;
        if *seq < self.next_seq() {
            return Decision::new(Reply::Done, vec![]);
        }
        assert!(*seq == self.next_seq(), "batches are stored one after the other");
        let mut changes = vec![Change::Stored { nonce: *nonce, seq: *seq }];
        changes.extend(placed.iter().cloned().map(Change::Placed));
        changes.extend(left.iter().map(|number| Change::Forgotten { number: *number }));
        Decision::new(Reply::Done, changes)
    }
}

impl Machine for Lane {
    type Command = Command;
    type Change = Change;
    type Reply = Reply;
    type Effect = Nothing;

    fn decide(&self, command: &Command, _context: Context) -> Result<Decision<Self>, Refusal> {
        if let Command::Configure(event) = command {
            let known = self.event.as_ref().is_some_and(|known| event.version <= known.version);
            let changes = if known { vec![] } else { vec![Change::Configured(event.clone())] };
            return Ok(Decision::new(Reply::Done, changes));
        }
        if self.event.is_none() {
            return Err(Refusal::Unconfigured);
        }
        match command {
            Command::Join(join) => self.join(join),
            Command::Numbered(numbered) => Ok(self.store(numbered)),
            Command::Configure(_) | Command::Tick => Ok(Decision::new(Reply::Done, vec![])),
        }
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Configured(event) => self.event = Some(event.clone()),
            Change::Placed(placed) => self.remember(placed),
            Change::Forgotten { number } => self.forget(*number),
            Change::Stored { nonce, seq } => (self.nonce, self.seq) = (*nonce, *seq),
        }
    }

    fn next_deadline(&self) -> Option<Millis> {
        None
    }

    fn effects(&self) -> &Effects<Nothing> {
        Effects::NONE
    }

    fn tick() -> Command {
        Command::Tick
    }

    fn must_recall(&self, command: &Command) -> bool {
        matches!(command, Command::Join(join) if !self.remembers(join.caller))
    }

    fn idempotency(_command: &Command) -> Option<&Idempotency> {
        None
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
