//! What gathers while a batch is out.

use std::collections::BTreeMap;

use super::command::{Join, Joined, Joiner, Keys, LeftReply, Numbered};
use crate::{
    hash::Hash128,
    machine::Answer,
    queue::{self, Batch, BatchReply, JOINS_MAX, LEAVES_MAX},
    refusal::Refusal,
};

/// Most people who wait for an answer of one lane: twice what it takes in until they would give up anyhow, so that a
/// double click for everybody still fits.
pub const WAITERS_MAX: usize = 2 * JOINS_MAX as usize;

/// How many batches a second all lanes of an event should send together at most: of the 1,000 calls a second that an object
/// should get, 420 are left for the boards of 200 isolates and for 200 entries.
pub(super) const BATCHES_PER_S: u32 = 580;

/// However many lanes there are, nobody waits longer than this for a batch to leave, in milliseconds.
const GATHER_MAX_MS: u64 = 100;

/// How long at least a batch of one of so many lanes leaves after the one before, in milliseconds.
#[must_use]
pub fn gather_ms(lanes: u32) -> u64 {
    (u64::from(lanes) * 1000).div_ceil(u64::from(BATCHES_PER_S)).min(GATHER_MAX_MS)
}

/// The buffer of one lane. `W` is how a waiter is answered. Nothing here is durable: who is lost with it was not answered
/// and may ask again.
#[derive(Debug)]
pub struct Gathering<W> {
    gathered: Load<W>,
    out: Option<(Batch, Load<W>)>,
    waiters: usize,
}

/// The content of one batch, with everybody who waits for it.
#[derive(Debug)]
struct Load<W> {
    /// In the order in which they came.
    joins: Vec<Entry<W>>,
    by_caller: BTreeMap<Hash128, usize>,
    leaves: BTreeMap<u64, Vec<W>>,
}

/// One caller's join; requests of the same caller share it.
#[derive(Debug)]
struct Entry<W> {
    caller: Hash128,
    kid: u32,
    keys: Keys,
    /// With whether the key had come before.
    waiters: Vec<(W, bool)>,
}

impl<W> Default for Load<W> {
    fn default() -> Self {
        Self { joins: vec![], by_caller: BTreeMap::new(), leaves: BTreeMap::new() }
    }
}

impl<W> Default for Gathering<W> {
    fn default() -> Self {
        Self { gathered: Load::default(), out: None, waiters: 0 }
    }
}

impl<W> Gathering<W> {
    /// Whether this caller's join is gathered or out. Only where it is not, the table says whether the caller is known.
    #[must_use]
    pub fn has(&self, caller: Hash128) -> bool {
        self.gathered.by_caller.contains_key(&caller) || self.out.iter().any(|(_, load)| load.by_caller.contains_key(&caller))
    }

    /// Takes a join in, to the caller's other one if there is any.
    ///
    /// # Errors
    /// The waiter back, and [`Refusal::IdempotencyConflict`] or, with the buffer full, [`Refusal::Overloaded`].
    pub fn join(&mut self, join: &Join, waiter: W) -> Result<(), (W, Refusal)> {
        if self.waiters >= WAITERS_MAX {
            return Err((waiter, Refusal::Overloaded));
        }
        let out = self.out.as_mut().map(|(_, load)| load);
        let load = match out {
            Some(load) if load.by_caller.contains_key(&join.caller) => load,
            _ => &mut self.gathered,
        };
        let Some(entry) = load.entry(join) else { return Err((waiter, Refusal::Overloaded)) };
        let replayed = match entry.keys.have(join) {
            Ok(replayed) => replayed,
            Err(refusal) => return Err((waiter, refusal)),
        };
        if !replayed {
            entry.keys.record(join);
        }
        entry.waiters.push((waiter, replayed));
        self.waiters += 1;
        Ok(())
    }

    /// Takes in that a place is given up.
    ///
    /// # Errors
    /// The waiter back, and [`Refusal::Overloaded`]: the buffer is full.
    pub fn leave(&mut self, number: u64, waiter: W) -> Result<(), (W, Refusal)> {
        let leaves = &mut self.gathered.leaves;
        let full = leaves.len() >= LEAVES_MAX && !leaves.contains_key(&number);
        if full || self.waiters >= WAITERS_MAX {
            return Err((waiter, Refusal::Overloaded));
        }
        leaves.entry(number).or_default().push(waiter);
        self.waiters += 1;
        Ok(())
    }

    /// Whether nobody has come since the last batch left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gathered.joins.is_empty() && self.gathered.leaves.is_empty()
    }

    /// Whether nothing is out and nobody has come since.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.out.is_none() && self.is_empty()
    }

    /// Sends out what has gathered, unless a batch is out already or there is nothing.
    pub fn depart(&mut self, lane: u32, nonce: u64, seq: u64) -> Option<Batch> {
        if self.out.is_some() || self.is_empty() {
            return None;
        }
        let load = std::mem::take(&mut self.gathered);
        let joins = u32::try_from(load.joins.len()).expect("the buffer is bounded");
        let batch = Batch { lane, nonce, seq, joins, leaves: load.leaves.keys().copied().collect() };
        self.out = Some((batch.clone(), load));
        Some(batch)
    }

    /// What the lane has to store before anybody is told of `reply`, the answer to the batch that is out.
    #[must_use]
    pub fn to_store(&self, reply: &BatchReply) -> Option<Numbered> {
        let (batch, load) = self.out.as_ref()?;
        let joiner = |entry: &Entry<W>| Joiner { caller: entry.caller, kid: entry.kid, keys: entry.keys.clone() };
        let (numbers, joiners) = match &reply.joins {
            Ok(numbers) => (*numbers, load.joins.iter().map(joiner).collect()),
            Err(_) => (queue::Numbered::default(), vec![]),
        };
        Some(Numbered { nonce: batch.nonce, seq: batch.seq, numbers, joiners, left: batch.leaves.clone() })
    }

    /// The batch is back and stored: everybody who waited for it, with the answer.
    pub fn arrive(&mut self, reply: &BatchReply) -> Vec<(W, Answer)> {
        let Some((_, load)) = self.out.take() else { return vec![] };
        let mut answers = Vec::with_capacity(load.joins.len() + load.leaves.len());
        for (index, entry) in load.joins.into_iter().enumerate() {
            let joined = joined(reply, index, entry.kid);
            answers.extend(entry.waiters.into_iter().map(|(waiter, replayed)| (waiter, told(&joined, replayed))));
        }
        for (waiters, was) in load.leaves.into_values().zip(&reply.leaves) {
            answers.extend(waiters.into_iter().map(|waiter| (waiter, granted(&LeftReply { was: *was }, false))));
        }
        self.waiters -= answers.len();
        answers
    }

    /// The batch that is out gets no answer: everybody who waited for it. They may ask again.
    pub fn give_up(&mut self) -> Vec<W> {
        let Some((_, load)) = self.out.take() else { return vec![] };
        let joins = load.joins.into_iter().flat_map(|entry| entry.waiters).map(|(waiter, _)| waiter);
        let waiters: Vec<W> = joins.chain(load.leaves.into_values().flatten()).collect();
        self.waiters -= waiters.len();
        waiters
    }
}

impl<W> Load<W> {
    /// The caller's entry, made if there is room for it.
    fn entry(&mut self, join: &Join) -> Option<&mut Entry<W>> {
        let index = match self.by_caller.get(&join.caller) {
            Some(index) => *index,
            None if self.joins.len() >= JOINS_MAX as usize => return None,
            None => {
                self.by_caller.insert(join.caller, self.joins.len());
                self.joins.push(Entry { caller: join.caller, kid: join.kid, keys: Keys::default(), waiters: vec![] });
                self.joins.len() - 1
            }
        };
        self.joins.get_mut(index)
    }
}

/// The place of the join at `index` of a batch, or why there is none.
fn joined(reply: &BatchReply, index: usize, kid: u32) -> Result<Joined, Refusal> {
    reply.joins.as_ref().map(|numbers| Joined::nth(numbers, index as u64, kid)).map_err(Clone::clone)
}

fn told(joined: &Result<Joined, Refusal>, replayed: bool) -> Answer {
    match joined {
        Ok(joined) => granted(joined, replayed),
        Err(refusal) => Answer::Refused(refusal.clone()),
    }
}

fn granted(reply: &impl serde::Serialize, replayed: bool) -> Answer {
    Answer::Granted { body: serde_json::to_vec(reply).expect("replies are plain data with text keys"), replayed }
}
