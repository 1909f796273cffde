//! Where people join: one place per caller, joins gathered into batches.
//!
//! A [`Lane`] is an index of callers and their places. A caller who may be known is looked for in the rows and answered; an
//! unknown one goes to the [`Gathering`] buffer, from where the queue numbers whole batches. At most one batch is out: while it
//! is, the next one gathers. The lane stores a batch as one [`row`](row::Row) and only then answers everybody.
//!
//! **The index** has half of each caller's digest and the number. Halves may be alike: the row tells whose place it is. A
//! caller's newest place counts; where that was given up, there is none.
//!
//! **Keys.** The key of the first join is recorded with the place, as is each other key that the caller joins with, up
//! to [`KEYS_MAX`]; then the oldest is forgotten. A recorded key with another request is a conflict. The records live as
//! long as the place.
//!
//! **What is told stays.** Number, time, key version and position hint are fixed at joining and given again unchanged.
//! Whoever was not answered may send the same request again: either the batch was stored, then the place is known; or it
//! was not, then the queue gives up the numbers that nobody was told (see [`Batch`]).
//!
//! **Bounds.** The index holds [`PLACES_MAX`] places of 15 to 23 bytes, and a tree of 4 bytes for each that was given up: about 20 MB for
//! a million. With more, newcomers are refused. The buffer holds [`JOINS_MAX`] callers, [`LEAVES_MAX`] places to give up and
//! [`WAITERS_MAX`] people who wait for an answer.

mod command;
mod gathering;
mod index;
pub mod row;

use std::collections::BTreeSet;

use self::index::Index;
pub use self::{
    command::{Change, Command, Join, Joined, Joiner, KEYS_MAX, Keys, LeftReply, Numbered, Placed, Reply},
    gathering::{Gathering, WAITERS_MAX, gather_ms},
};
#[cfg(doc)]
use crate::queue::{Batch, JOINS_MAX, LEAVES_MAX};
use crate::{
    effect::{Effects, Nothing},
    event::Event,
    hash::Hash128,
    idempotency::Idempotency,
    machine::{Context, Decision, Machine},
    refusal::Refusal,
    time::Millis,
};

/// Places of one lane, those included that were given up or replaced: 46 MB of the 128 that its isolate has.
pub const PLACES_MAX: usize = 2_000_000;

/// Numbers of places are between 1 and [`crate::board::PLACES_MAX`].
fn small(number: u64) -> Option<u32> {
    u32::try_from(number).ok().filter(|number| *number != 0)
}

/// The index of one lane. The default is not configured and refuses everything but [`Command::Configure`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lane {
    event: Option<Box<Event>>,
    nonce: u64,
    seq: u64,
    /// Every place that was ever stored.
    places: Index,
    left: BTreeSet<u32>,
    /// Whom the rows were asked for last, and the place they have.
    recalled: Option<(Hash128, Option<Placed>)>,
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

    /// Takes in what the rows know of a batch; those of a lane may come in any order.
    pub fn restore(&mut self, (nonce, seq): (u64, u64), places: impl Iterator<Item = (u64, Hash128)>, left: &[u64]) {
        if seq > self.seq {
            (self.nonce, self.seq) = (nonce, seq);
        }
        for (number, caller) in places {
            small(number).into_iter().for_each(|number| self.places.insert(caller, number));
        }
        self.left.extend(left.iter().copied().filter_map(small));
        self.recalled = None;
    }

    /// What the rows said of this caller, where they were asked.
    fn recalled(&self, caller: Hash128) -> Option<Option<&Placed>> {
        self.recalled.as_ref().filter(|(asked, _)| *asked == caller).map(|(_, placed)| placed.as_ref())
    }

    /// Brings a caller's place into memory; `read` finds a place by its number.
    ///
    /// # Errors
    /// What `read` said.
    pub fn recall<E>(&mut self, caller: Hash128, mut read: impl FnMut(u64) -> Result<Placed, E>) -> Result<(), E> {
        let mut found = None;
        for number in self.places.newest_first(caller) {
            let placed = read(number.into())?;
            if placed.caller == caller {
                found = Some(placed).filter(|_| !self.left.contains(&number));
                break;
            }
        }
        self.recalled = Some((caller, found));
        Ok(())
    }

    fn join(&self, join: &Join) -> Result<Decision<Self>, Refusal> {
        let known = self.recalled(join.caller);
        assert!(known.is_some() || !self.places.has(join.caller), "whoever may be known was looked for");
        let Some(placed) = known.flatten().filter(|placed| join.replaces != Some(placed.joined.number)) else {
            if self.places.len() >= PLACES_MAX {
                return Err(Refusal::Overloaded);
            }
            return Ok(Decision::new(Reply::Unknown, vec![]));
        };
        let replayed = placed.keys.have(join)?;
        let reply = Reply::Known { joined: placed.joined, replayed };
        if replayed {
            return Ok(Decision::new(reply, vec![]));
        }
        let mut keys = placed.keys.clone();
        keys.record(join);
        Ok(Decision::new(reply, vec![Change::Keyed { number: placed.joined.number, keys }]))
    }

    fn store(&self, numbered: &Numbered) -> Decision<Self> {
        if numbered.seq < self.next_seq() {
            return Decision::new(Reply::Done, vec![]);
        }
        assert!(numbered.seq == self.next_seq(), "batches are stored one after the other");
        Decision::new(Reply::Done, vec![Change::Stored(numbered.clone())])
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
            Change::Stored(batch) => self.restore((batch.nonce, batch.seq), batch.places(), &batch.left),
            Change::Keyed { number, keys } => {
                if let Some((_, Some(placed))) = &mut self.recalled
                    && placed.joined.number == *number
                {
                    placed.keys = keys.clone();
                }
            }
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
        let Command::Join(join) = command else { return false };
        self.recalled(join.caller).is_none() && self.places.has(join.caller)
    }

    fn idempotency(_command: &Command) -> Option<&Idempotency> {
        None
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
