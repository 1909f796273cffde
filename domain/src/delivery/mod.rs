//! Envelopes on their way to one organiser's endpoint: a cursor per event over the event's kept log.
//!
//! The inventory of an event keeps every envelope for the life of the event. Nothing of them is copied here: for each event
//! there is a [`Cursor`], and the envelope behind it is read from the log and sent. So events run side by side, each in
//! order; and a word that was lost, or came twice, or too late, costs nothing, because the next one says how far the log
//! reaches and the cursor goes on from where it stands.
//!
//! - **Tries.** An envelope that fails is tried again, with growing pauses, for [`cursor::GIVE_UP_AFTER_MS`]. Then it is a dead
//!   letter and the cursor moves on; where nothing at all was delivered to the endpoint meanwhile, the endpoint is disabled
//!   and the cursor stays. An endpoint that answers 410 is disabled at once.
//! - **Repetitions.** An attempt whose result was lost is made again; the receiver tells by the envelope's id.
//! - **The first word of an event.** The cursor begins where the log stood when the endpoint was made, whatever was heard of.
//!
//! | In memory | Bound |
//! |---|---|
//! | cursors | of events that have something to deliver; the others are rows, brought in when something is heard of them |
//! | events with dead letters to be tried once more | as many |
//! | **In rows** | |
//! | cursors | one of about 100 bytes per event that was ever heard of |
//! | dead letters | as many as were given up: nothing is displaced, nothing forgotten |
//! | attempts | the newest [`attempt::ATTEMPTS_KEPT`] |

mod address;
pub mod attempt;
mod command;
pub mod cursor;
mod decide;
pub mod endpoint;
pub mod envelope;
#[cfg(test)]
mod properties;
pub mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::{
    address::{URL_MAX_BYTES, endpoint_allowed},
    command::{Change, Command, Effect, Key, Letters, Reply},
    cursor::Cursor,
    endpoint::{Directions, Endpoint, Health, Standing, State, Version},
    envelope::Envelope,
};
use crate::{
    effect::{Effects, Pending},
    id::EventId,
    idempotency::Idempotency,
    machine::{Context, Decision, Machine},
    refusal::Refusal,
    time::{Millis, Timestamp},
    trace::TraceId,
};

/// What deliveries are rebuilt from.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// The endpoint; none where it was never made, or deleted.
    pub endpoint: Option<Endpoint>,
    /// Which state of it was the last.
    pub version: Version,
    /// How it does.
    pub health: Health,
    /// Cursors that are behind.
    pub cursors: Vec<(EventId, Cursor)>,
    /// Events with dead letters that are to be tried once more.
    pub redriven: Vec<EventId>,
}

/// A cursor that is behind, and the id of its effect.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Behind {
    id: u64,
    cursor: Cursor,
}

/// What was brought in for the command at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Recalled {
    Nothing,
    /// The cursor of an event, where there is one.
    Cursor(EventId, Option<Cursor>),
    /// How many dead letters are to be tried once more that were not before, by event.
    Letters(BTreeMap<EventId, u64>),
}

/// The deliveries to one endpoint. The default is one that was never made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    endpoint: Option<Endpoint>,
    version: Version,
    health: Health,
    behind: BTreeMap<EventId, Behind>,
    /// Events with dead letters to be tried once more, and the ids of their effects.
    redriven: BTreeMap<EventId, u64>,
    recalled: Recalled,
    effects: Effects<Effect>,
    last_id: u64,
}

impl Default for Delivery {
    fn default() -> Self {
        Self::restore(Rows::default())
    }
}

impl Delivery {
    /// Rebuilds it from its rows.
    #[must_use]
    pub fn restore(rows: Rows) -> Self {
        let Rows { endpoint, version, health, cursors, redriven } = rows;
        let mut delivery = Self {
            endpoint,
            version,
            health,
            behind: BTreeMap::new(),
            redriven: BTreeMap::new(),
            recalled: Recalled::Nothing,
            effects: Effects::new(),
            last_id: 0,
        };
        cursors.iter().for_each(|(event_id, cursor)| delivery.put(event_id, cursor));
        redriven.iter().for_each(|event_id| delivery.put_redriven(event_id));
        delivery
    }

    /// Where to deliver to; none before the endpoint was made and after it was deleted.
    #[must_use]
    pub const fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }

    /// How often it was tried to deliver something.
    #[must_use]
    pub const fn attempts(&self) -> u64 {
        self.health.attempts
    }

    /// How the endpoint does at `now`.
    #[must_use]
    pub fn standing(&self, now: Millis) -> Standing {
        let waiting = || self.behind.iter().filter(|(event_id, _)| self.hears_of(event_id)).map(|(_, behind)| &behind.cursor);
        let state = match &self.health.disabled {
            Some(_) => State::Disabled,
            None if waiting().any(|cursor| cursor.attempt > 0) => State::Failing,
            None => State::Active,
        };
        let next = self.effects.iter().map(|pending| pending.due_at).min();
        Standing {
            state,
            disabled: self.health.disabled.clone(),
            last_success_at: self.health.last_success_at,
            last_failure: self.health.last_failure.clone(),
            next_try_at: next.map(|at| Timestamp(at.max(now))),
            backlog: waiting().map(Cursor::backlog).sum(),
        }
    }

    /// The event whose cursor `command` is about and that memory does not hold.
    #[must_use]
    pub fn missing<'c>(&self, command: &'c Command) -> Option<&'c EventId> {
        match command {
            Command::Hear { event_id, .. } | Command::Replay { event_id, .. } => {
                (!self.behind.contains_key(event_id)).then_some(event_id)
            }
            _ => None,
        }
    }

    /// Brings in the cursor of an event, if it has one.
    pub fn recall_cursor(&mut self, event_id: &EventId, cursor: Option<Cursor>) {
        self.recalled = Recalled::Cursor(event_id.clone(), cursor);
    }

    /// Brings in how many dead letters a [`Command::Redrive`] is about that are not to be tried already, by event.
    pub fn recall_letters(&mut self, letters: BTreeMap<EventId, u64>) {
        self.recalled = Recalled::Letters(letters);
    }

    fn cursor(&self, event_id: &EventId) -> Option<&Cursor> {
        let recalled = match &self.recalled {
            Recalled::Cursor(of, cursor) if of == event_id => cursor.as_ref(),
            _ => None,
        };
        self.behind.get(event_id).map(|behind| &behind.cursor).or(recalled)
    }

    fn hears_of(&self, event_id: &EventId) -> bool {
        self.endpoint.as_ref().is_some_and(|endpoint| endpoint.hears_of(event_id))
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Takes over a cursor. One that is not behind stays in its row.
    fn put(&mut self, event_id: &EventId, cursor: &Cursor) {
        if cursor.is_behind() {
            let id = self.behind.get(event_id).map(|behind| behind.id);
            let id = id.unwrap_or_else(|| self.next_id());
            self.behind.insert(event_id.clone(), Behind { id, cursor: cursor.clone() });
            self.owe(event_id);
        } else if let Some(Behind { id, .. }) = self.behind.remove(event_id) {
            self.effects.remove(id);
        }
        self.recalled = Recalled::Cursor(event_id.clone(), Some(cursor.clone()));
    }

    fn put_redriven(&mut self, event_id: &EventId) {
        if !self.redriven.contains_key(event_id) {
            let id = self.next_id();
            self.redriven.insert(event_id.clone(), id);
        }
        self.owe_redelivery(event_id);
    }

    /// The endpoint that is owed something of an event.
    fn owed(&self, event_id: &EventId) -> Option<&Endpoint> {
        self.endpoint.as_ref().filter(|endpoint| self.health.disabled.is_none() && endpoint.hears_of(event_id))
    }

    /// Sees to it that the next envelope of an event is owed to who is to have it.
    fn owe(&mut self, event_id: &EventId) {
        let Some(Behind { id, cursor }) = self.behind.get(event_id) else { return };
        let (id, attempt, due_at, event_id) = (*id, cursor.attempt, cursor.due_at, event_id.clone());
        let effect = self.owed(&event_id).map(|endpoint| match cursor.acked {
            None => Effect::Place { event_id, since: endpoint.since },
            Some(after) => Effect::Deliver { event_id, after },
        });
        match effect {
            Some(effect) => self.effects.put(Pending { id, attempt, due_at, trace: TraceId::NONE, effect }),
            None => self.effects.remove(id),
        }
    }

    fn owe_redelivery(&mut self, event_id: &EventId) {
        let Some(id) = self.redriven.get(event_id).copied() else { return };
        if self.owed(event_id).is_none() {
            self.effects.remove(id);
            return;
        }
        let effect = Effect::Redeliver { event_id: event_id.clone() };
        self.effects.put(Pending { id, attempt: 0, due_at: Millis(0), trace: TraceId::NONE, effect });
    }

    /// The endpoint changed: so may what is owed to it.
    fn owe_all(&mut self) {
        let behind: Vec<EventId> = self.behind.keys().cloned().collect();
        behind.iter().for_each(|event_id| self.owe(event_id));
        let redriven: Vec<EventId> = self.redriven.keys().cloned().collect();
        redriven.iter().for_each(|event_id| self.owe_redelivery(event_id));
    }

    fn hasten(&mut self, at: Millis, anew: bool) {
        for Behind { cursor, .. } in self.behind.values_mut() {
            cursor.due_at = at;
            if anew {
                (cursor.attempt, cursor.first_failed_at) = (0, None);
            }
        }
        self.owe_all();
    }
}

impl Machine for Delivery {
    type Command = Command;
    type Change = Change;
    type Reply = Reply;
    type Effect = Effect;

    fn decide(&self, command: &Command, context: Context) -> Result<Decision<Self>, Refusal> {
        let now = context.now;
        let changes = match command {
            Command::Redrive(letters) => return Ok(self.redrive(letters)),
            Command::Replay { event_id, after, through } => return self.replay(event_id, *after, *through, now),
            Command::Hear { version, event_id, through } => self.hear(*version, event_id, *through, now)?,
            Command::Direct(directions) => self.direct(directions, now),
            Command::Placed { event_id, after } => self.placed(event_id, *after, now),
            Command::Tried { event_id, after, tried } => self.tried(event_id, *after, tried, now),
            Command::Retried { event_id, letter } => self.retried(event_id, letter.as_ref(), now),
            Command::Unread { id } => self.unread(*id, now),
            Command::Ended { event_id } => self.ended(event_id, now),
            Command::Enable => self.enable(now)?,
            Command::Pinged(tried) => self.pinged(tried, now),
            Command::Drop { created_at } => self.dropped(*created_at),
            Command::Tick => self.forget_previous_secret(now),
        };
        Ok(Decision::new(Reply::Done {}, changes))
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Directed { version, endpoint } => {
                self.version = *version;
                self.endpoint = Some((**endpoint).clone());
                self.owe_all();
            }
            Change::Dropped { version } => *self = Self { version: *version, last_id: self.last_id, ..Self::default() },
            Change::Fared(health) => {
                let was_disabled = self.health.disabled.is_some();
                self.health = (**health).clone();
                if was_disabled != self.health.disabled.is_some() {
                    self.owe_all();
                }
            }
            Change::Attempted(_) | Change::Buried(_) | Change::Revived { .. } => {}
            Change::Moved { event_id, cursor } => self.put(event_id, cursor),
            Change::Hastened { at, anew } => self.hasten(*at, *anew),
            Change::Unread { id, due_at } => {
                if let Some(pending) = self.effects.get(*id).cloned() {
                    self.effects.put(Pending { due_at: *due_at, ..pending });
                }
            }
            Change::Redriven { event_ids, .. } => event_ids.iter().for_each(|event_id| self.put_redriven(event_id)),
            Change::RedriveEnded { event_id } => {
                if let Some(id) = self.redriven.remove(event_id) {
                    self.effects.remove(id);
                }
            }
        }
    }

    /// When the replaced secret is to be forgotten.
    fn next_deadline(&self) -> Option<Millis> {
        self.endpoint.as_ref()?.previous.as_ref().map(|previous| previous.until)
    }

    fn effects(&self) -> &Effects<Effect> {
        &self.effects
    }

    fn tick() -> Command {
        Command::Tick
    }

    fn idempotency(_command: &Command) -> Option<&Idempotency> {
        None
    }

    fn must_recall(&self, command: &Command) -> bool {
        matches!(command, Command::Redrive(_)) || self.missing(command).is_some()
    }
}
