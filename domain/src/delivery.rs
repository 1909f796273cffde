//! Envelopes on their way to one organiser's endpoint: in order per event, at least once.
//!
//! Each event has a [`Line`] of letters in order of `sequence`. Only its head is tried; while the head waits for its
//! next try, so do those behind it. A head whose predecessor has not come is held back for [`GAP_WAIT_MS`] and then sent
//! all the same; the predecessor is remembered as missing and sent at once should it still come. A head that was tried
//! [`ATTEMPTS_MAX`] times becomes a dead letter and the line goes on. Lines do not wait for each other.
//!
//! An envelope is known by its event and sequence, which its id stands for: what comes again changes nothing, however
//! much later. A try whose result was lost is made again; the receiver tells by the id.

mod endpoint;

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};

pub use endpoint::{URL_MAX_BYTES, endpoint_allowed};

use crate::{
    chance,
    effect::{Effects, Nothing},
    id::EventId,
    idempotency::Idempotency,
    machine::{Context, Decision, Machine},
    refusal::Refusal,
    time::{Millis, Timestamp},
};

/// Pauses between one try and the next, in milliseconds; jitter comes on top. Together 73 minutes: a deploy or a short
/// outage on the other side is survived, a long one ends in the list that a person looks at.
pub const RETRY_AFTER_MS: [u64; 5] = [5_000, 30_000, 120_000, 600_000, 3_600_000];
/// Tries before a letter is dead.
pub const ATTEMPTS_MAX: u32 = RETRY_AFTER_MS.len() as u32 + 1;
/// Jitter adds less than this part of a pause.
const JITTER_DIVISOR: u64 = 4;
/// How long a letter is held back for one that should come before it.
pub const GAP_WAIT_MS: u64 = 30_000;
/// The same for the first letter of an event: an endpoint that was added during a sale never gets the earlier ones.
pub const FIRST_WAIT_MS: u64 = 2_000;
/// Letters that wait at once. One more makes the oldest a dead letter: 5,000 of about 150 bytes are 750 KB of memory
/// (bodies are rows only), and hours of a busy sale.
pub const PENDING_MAX: usize = 5_000;
/// Dead letters that are kept; one more forgets the oldest.
pub const DEAD_MAX: usize = 1_000;
/// Dead letters that are shown at once.
pub const DEAD_PAGE_MAX: usize = 100;
/// Events that are remembered; one more forgets one that has nothing waiting.
pub const LINES_MAX: usize = 10_000;
/// Runs of missing sequences that one line remembers; beyond it the two lowest become one, which may send a letter twice.
pub const MISSING_MAX: usize = 64;
/// Envelopes in one command.
pub const ENQUEUE_MAX: usize = 1_000;
/// Longest envelope id, in bytes.
pub const ID_MAX_BYTES: usize = 128;
/// Longest problem of a failed try that is kept, in bytes; the rest is cut.
pub const PROBLEM_MAX_BYTES: usize = 200;

/// Where to deliver to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The organiser's address.
    pub url: String,
    /// What signs.
    pub secret: String,
}

/// What is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Its id, unique in the whole platform.
    pub id: String,
    /// Its type, for people.
    pub kind: String,
    /// The event whose ledger it is from.
    pub event_id: EventId,
    /// Its number there, from 1.
    pub sequence: u64,
    /// All of it, as JSON.
    pub body: String,
}

/// What is read of an envelope.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    sequence: u64,
}

impl Envelope {
    /// Reads the contract's envelope, a JSON object.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // A list would be taken for the fields in their order.
        let text = text.trim_ascii_start();
        let Fields { id, kind, event_id, sequence } =
            text.starts_with('{').then(|| serde_json::from_slice(text.as_bytes()).ok())??;
        let plain = |text: &str| (1..=ID_MAX_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        (plain(&id) && plain(&kind) && sequence > 0).then_some(())?;
        let event_id = EventId::parse(&event_id)?;
        Some(Self { id: id.into_owned(), kind: kind.into_owned(), event_id, sequence, body: text.to_owned() })
    }
}

/// What a [`Delivery`] can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Deliver these.
    Enqueue {
        /// To here, from now on. A changed endpoint is tried at once.
        endpoint: Endpoint,
        /// In any order.
        envelopes: Vec<Envelope>,
    },
    /// What became of a try to deliver [`Delivery::due`].
    Tried {
        /// Which letter.
        event_id: EventId,
        /// Which letter of the event.
        sequence: u64,
        /// Which try; the result of another one changes nothing.
        attempt: u32,
        /// What went wrong; none where the receiver took it.
        problem: Option<String>,
    },
    /// Try a dead letter once more, now. If that fails too it is dead again, and nobody had to wait long for it.
    Redrive {
        /// The envelope's id.
        id: String,
    },
    /// The endpoint was deleted: forget everything.
    Drop,
    /// Carry out what is due.
    Tick,
}

/// What a command is answered with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reply {
    /// What became of the envelopes.
    Enqueued {
        /// New ones.
        accepted: usize,
        /// Those that had come before.
        known: usize,
        /// Older ones that died to make room.
        displaced: usize,
    },
    /// Whether there was such a dead letter.
    Redriven {
        /// Whether there was.
        redriven: bool,
    },
    /// Whether a letter died.
    Tried {
        /// Whether it did.
        dead: bool,
    },
    /// Nothing to say.
    Done {},
}

/// What is known of one event: which of its letters are past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Every sequence before this one is past or missing.
    pub next: u64,
    /// Runs of sequences that have not come though later ones were sent, both ends included, ascending.
    pub missing: Vec<(u64, u64)>,
}

impl Default for Line {
    fn default() -> Self {
        Self { next: 1, missing: Vec::new() }
    }
}

impl Line {
    fn is_past(&self, sequence: u64) -> bool {
        sequence < self.next && !self.missing.iter().any(|(first, last)| (*first..=*last).contains(&sequence))
    }

    /// The line once `sequence` has come, where it was missing.
    fn with_arrived(&self, sequence: u64) -> Self {
        let parts = self.missing.iter().flat_map(|&(first, last)| {
            if !(first..=last).contains(&sequence) {
                return [Some((first, last)), None];
            }
            [(first < sequence).then(|| (first, sequence - 1)), (sequence < last).then(|| (sequence + 1, last))]
        });
        Self { next: self.next, missing: bounded(parts.flatten().collect()) }
    }

    /// The line once `sequence` was delivered or died.
    fn with_past(&self, sequence: u64) -> Self {
        if sequence < self.next {
            return self.with_arrived(sequence);
        }
        let mut missing = self.missing.clone();
        if self.next < sequence {
            missing.push((self.next, sequence - 1));
        }
        Self { next: sequence + 1, missing: bounded(missing) }
    }
}

fn bounded(mut runs: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    while runs.len() > MISSING_MAX {
        let (first, _) = runs.remove(0);
        runs[0].0 = first;
    }
    runs
}

/// A letter that waits. Its body is in its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The envelope's id.
    pub id: String,
    /// The envelope's type.
    pub kind: String,
    /// When it came.
    pub queued_at: Millis,
    /// Its next try, from 1.
    pub attempt: u32,
    /// When that is to be made, if nothing else holds it back.
    pub due_at: Millis,
}

/// A letter that is to be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The envelope's id.
    pub id: String,
    /// Which event.
    pub event_id: EventId,
    /// Which letter of the event.
    pub sequence: u64,
    /// Which try, from 1.
    pub attempt: u32,
    /// How many before it have not come and are no longer waited for.
    pub skipped: u64,
}

/// What could not be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The envelope's id.
    pub id: String,
    /// The envelope's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which event.
    pub event_id: EventId,
    /// Which letter of the event.
    pub sequence: u64,
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong the last time.
    pub problem: String,
    /// When it was given up.
    pub failed_at: Timestamp,
}

/// Some dead letters, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadPage {
    /// The letters.
    pub dead_letters: Vec<DeadLetter>,
    /// Where to go on, as `before`; none at the end.
    pub next_before: Option<u64>,
}

/// What happened on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The endpoint is this one; everything that waits is tried anew.
    Directed {
        /// Where to deliver to.
        endpoint: Endpoint,
        /// When that was said.
        at: Millis,
    },
    /// An envelope came.
    Queued {
        /// It.
        envelope: Envelope,
        /// When.
        at: Millis,
        /// The event's line with it.
        line: Line,
    },
    /// A letter was delivered.
    Delivered {
        /// Which event.
        event_id: EventId,
        /// Which letter of the event.
        sequence: u64,
        /// The event's line without it.
        line: Line,
    },
    /// A try failed and another one follows.
    Postponed {
        /// Which event.
        event_id: EventId,
        /// Which letter of the event.
        sequence: u64,
        /// Its next try.
        attempt: u32,
        /// When that is to be made.
        due_at: Millis,
    },
    /// A letter was given up.
    Died {
        /// Its number among the dead.
        number: u64,
        /// It.
        letter: DeadLetter,
        /// The event's line without it.
        line: Line,
    },
    /// A dead letter waits again.
    Redriven {
        /// Its number among the dead.
        number: u64,
        /// Which event.
        event_id: EventId,
        /// Which letter of the event.
        sequence: u64,
        /// It, as it waits.
        letter: Letter,
    },
    /// An event that has nothing waiting was forgotten.
    Forgotten {
        /// Which.
        event_id: EventId,
    },
    /// Everything was forgotten.
    Dropped,
}

/// The letters of one endpoint. Default is one that was never used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    endpoint: Option<Endpoint>,
    lines: BTreeMap<EventId, Line>,
    waiting: BTreeMap<EventId, BTreeMap<u64, Letter>>,
    dead: BTreeMap<u64, DeadLetter>,
}

impl Delivery {
    /// Rebuilds it from its rows.
    #[must_use]
    pub fn restore(
        endpoint: Option<Endpoint>,
        lines: impl IntoIterator<Item = (EventId, Line)>,
        letters: impl IntoIterator<Item = (EventId, u64, Letter)>,
        dead: impl IntoIterator<Item = (u64, DeadLetter)>,
    ) -> Self {
        let mut waiting = BTreeMap::<EventId, BTreeMap<u64, Letter>>::new();
        for (event_id, sequence, letter) in letters {
            waiting.entry(event_id).or_default().insert(sequence, letter);
        }
        Self { endpoint, lines: lines.into_iter().collect(), waiting, dead: dead.into_iter().collect() }
    }

    /// Where to deliver to; none before the first envelope and after the endpoint was deleted.
    #[must_use]
    pub const fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }

    /// When a letter is to be tried next.
    #[must_use]
    pub fn next_due_at(&self) -> Option<Millis> {
        self.heads().map(|head| head.at).min()
    }

    /// The letter that is to be tried at `now`: of all events' heads the one that was due first.
    #[must_use]
    pub fn due(&self, now: Millis) -> Option<Due> {
        let head = self.heads().filter(|head| head.at <= now).min_by_key(|head| head.at)?;
        Some(Due {
            id: head.letter.id.clone(),
            event_id: head.event_id.clone(),
            sequence: head.sequence,
            attempt: head.letter.attempt,
            skipped: head.gap,
        })
    }

    /// How many letters wait.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.waiting.values().map(BTreeMap::len).sum()
    }

    /// Some of what could not be delivered, newest first; `before` is where the last page ended.
    #[must_use]
    pub fn dead_letters(&self, before: Option<u64>, limit: usize) -> DeadPage {
        let limit = limit.clamp(1, DEAD_PAGE_MAX);
        let older = self.dead.range(..before.unwrap_or(u64::MAX)).rev();
        let page: Vec<_> = older.take(limit + 1).collect();
        let next_before = (page.len() > limit).then(|| *page[limit - 1].0);
        DeadPage { dead_letters: page.into_iter().take(limit).map(|(_, letter)| letter.clone()).collect(), next_before }
    }

    fn heads(&self) -> impl Iterator<Item = Head<'_>> {
        self.waiting.iter().filter_map(|(event_id, letters)| {
            let (sequence, letter) = letters.first_key_value()?;
            let next = self.line(event_id).next;
            let gap = sequence.saturating_sub(next);
            let wait_ms = match gap {
                0 => 0,
                _ if next == 1 => FIRST_WAIT_MS,
                _ => GAP_WAIT_MS,
            };
            let at = letter.due_at.max(letter.queued_at.plus_ms(wait_ms));
            Some(Head { event_id, sequence: *sequence, letter, gap, at })
        })
    }

    fn line(&self, event_id: &EventId) -> Line {
        self.lines.get(event_id).cloned().unwrap_or_default()
    }

    fn letter(&self, event_id: &EventId, sequence: u64) -> Option<&Letter> {
        self.waiting.get(event_id)?.get(&sequence)
    }

    fn knows(&self, envelope: &Envelope) -> bool {
        let Envelope { event_id, sequence, .. } = envelope;
        self.letter(event_id, *sequence).is_some() || self.lines.get(event_id).is_some_and(|line| line.is_past(*sequence))
    }

    fn enqueue(&self, endpoint: &Endpoint, envelopes: &[Envelope], now: Millis) -> Decision<Self> {
        let mut after = Draft::new(self);
        if self.endpoint.as_ref() != Some(endpoint) {
            after.make(Change::Directed { endpoint: endpoint.clone(), at: now });
        }
        let (mut known, mut displaced) = (0, 0);
        for envelope in envelopes {
            if after.machine.knows(envelope) {
                known += 1;
                continue;
            }
            displaced += after.make_room(now);
            let line = after.machine.line(&envelope.event_id).with_arrived(envelope.sequence);
            after.make(Change::Queued { envelope: envelope.clone(), at: now, line });
        }
        Decision::new(Reply::Enqueued { accepted: envelopes.len() - known, known, displaced }, after.changes)
    }

    fn tried(&self, event_id: &EventId, sequence: u64, attempt: u32, problem: Option<&str>, now: Millis) -> Decision<Self> {
        let letter = self.letter(event_id, sequence).filter(|letter| letter.attempt == attempt);
        let change = match (letter, problem) {
            (None, _) => None,
            (Some(_), None) => {
                let line = self.line(event_id).with_past(sequence);
                Some(Change::Delivered { event_id: event_id.clone(), sequence, line })
            }
            (Some(letter), Some(problem)) => Some(match retry_at(&letter.id, attempt, now) {
                Some(due_at) => Change::Postponed { event_id: event_id.clone(), sequence, attempt: attempt + 1, due_at },
                None => self.died(event_id, sequence, letter, attempt, problem, now),
            }),
        };
        let dead = matches!(change, Some(Change::Died { .. }));
        Decision::new(Reply::Tried { dead }, change.into_iter().collect())
    }

    fn died(&self, event_id: &EventId, sequence: u64, letter: &Letter, attempts: u32, problem: &str, now: Millis) -> Change {
        let problem = problem[..problem.floor_char_boundary(PROBLEM_MAX_BYTES)].to_owned();
        let (id, kind, event_id) = (letter.id.clone(), letter.kind.clone(), event_id.clone());
        let line = self.line(&event_id).with_past(sequence);
        let number = self.dead.last_key_value().map_or(1, |(number, _)| number + 1);
        let letter = DeadLetter { id, kind, event_id, sequence, attempts, problem, failed_at: Timestamp(now) };
        Change::Died { number, letter, line }
    }

    fn redrive(&self, id: &str, now: Millis) -> Decision<Self> {
        let found = self.dead.iter().find(|(_, letter)| letter.id == id);
        let change = found.map(|(number, dead)| {
            let DeadLetter { id, kind, event_id, sequence, .. } = dead.clone();
            let letter = Letter { id, kind, queued_at: now, attempt: ATTEMPTS_MAX, due_at: now };
            Change::Redriven { number: *number, event_id, sequence, letter }
        });
        Decision::new(Reply::Redriven { redriven: change.is_some() }, change.into_iter().collect())
    }
}

struct Head<'a> {
    event_id: &'a EventId,
    sequence: u64,
    letter: &'a Letter,
    gap: u64,
    at: Millis,
}

/// Changes that build on each other, before any of them is saved.
struct Draft {
    machine: Delivery,
    changes: Vec<Change>,
}

impl Draft {
    fn new(machine: &Delivery) -> Self {
        Self { machine: machine.clone(), changes: Vec::new() }
    }

    fn make(&mut self, change: Change) {
        self.machine.apply(&change);
        self.changes.push(change);
    }

    /// Gives up the oldest head where all places are taken and forgets an event where too many are known; says how many
    /// letters died.
    fn make_room(&mut self, now: Millis) -> usize {
        if self.machine.lines.len() >= LINES_MAX {
            let idle = self.machine.lines.keys().find(|event_id| !self.machine.waiting.contains_key(event_id)).cloned();
            idle.into_iter().for_each(|event_id| self.make(Change::Forgotten { event_id }));
        }
        if self.machine.pending() < PENDING_MAX {
            return 0;
        }
        let oldest = self.machine.heads().min_by_key(|head| head.letter.queued_at);
        let died = oldest.map(|head| {
            let attempts = head.letter.attempt - 1;
            self.machine.died(head.event_id, head.sequence, head.letter, attempts, "displaced by newer ones", now)
        });
        died.into_iter().map(|change| self.make(change)).count()
    }
}

/// When to try again after try `attempt` failed at `at`; none after the last.
fn retry_at(id: &str, attempt: u32, at: Millis) -> Option<Millis> {
    let pause_ms = *RETRY_AFTER_MS.get(usize::try_from(attempt).ok()?.checked_sub(1)?)?;
    let jitter_ms = chance::below(pause_ms / JITTER_DIVISOR, &["retry", id, &attempt.to_string()]);
    Some(at.plus_ms(pause_ms + jitter_ms))
}

impl Machine for Delivery {
    type Command = Command;
    type Change = Change;
    type Reply = Reply;
    type Effect = Nothing;

    fn decide(&self, command: &Command, context: Context) -> Result<Decision<Self>, Refusal> {
        let now = context.now;
        match command {
            Command::Enqueue { envelopes, .. } if envelopes.len() > ENQUEUE_MAX => {
                Err(Refusal::Invalid { field: "envelopes".to_owned(), problem: format!("must be at most {ENQUEUE_MAX}") })
            }
            Command::Enqueue { endpoint, envelopes } => Ok(self.enqueue(endpoint, envelopes, now)),
            Command::Tried { event_id, sequence, attempt, problem } => {
                Ok(self.tried(event_id, *sequence, *attempt, problem.as_deref(), now))
            }
            Command::Redrive { id } => Ok(self.redrive(id, now)),
            Command::Drop if *self == Self::default() => Ok(Decision::new(Reply::Done {}, vec![])),
            Command::Drop => Ok(Decision::new(Reply::Done {}, vec![Change::Dropped])),
            Command::Tick => Ok(Decision::new(Reply::Done {}, vec![])),
        }
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Directed { endpoint, at } => {
                self.endpoint = Some(endpoint.clone());
                for letter in self.waiting.values_mut().flat_map(BTreeMap::values_mut) {
                    (letter.attempt, letter.due_at) = (1, *at);
                }
            }
            Change::Queued { envelope, at, line } => {
                let Envelope { id, kind, event_id, sequence, .. } = envelope.clone();
                let letter = Letter { id, kind, queued_at: *at, attempt: 1, due_at: *at };
                self.lines.insert(event_id.clone(), line.clone());
                self.waiting.entry(event_id).or_default().insert(sequence, letter);
            }
            Change::Delivered { event_id, sequence, line } => self.pass(event_id, *sequence, line),
            Change::Postponed { event_id, sequence, attempt, due_at } => {
                if let Some(letter) = self.waiting.get_mut(event_id).and_then(|letters| letters.get_mut(sequence)) {
                    (letter.attempt, letter.due_at) = (*attempt, *due_at);
                }
            }
            Change::Died { number, letter, line } => {
                self.pass(&letter.event_id, letter.sequence, line);
                self.dead.insert(*number, letter.clone());
                while self.dead.len() > DEAD_MAX {
                    self.dead.pop_first();
                }
            }
            Change::Redriven { number, event_id, sequence, letter } => {
                self.dead.remove(number);
                self.waiting.entry(event_id.clone()).or_default().insert(*sequence, letter.clone());
            }
            Change::Forgotten { event_id } => {
                self.lines.remove(event_id);
            }
            Change::Dropped => *self = Self::default(),
        }
    }

    /// Nothing changes by time alone; the object is woken for [`Delivery::next_due_at`].
    fn next_deadline(&self) -> Option<Millis> {
        None
    }

    fn effects(&self) -> &Effects<Nothing> {
        Effects::NONE
    }

    fn tick() -> Command {
        Command::Tick
    }

    fn idempotency(_command: &Command) -> Option<&Idempotency> {
        None
    }
}

impl Delivery {
    fn pass(&mut self, event_id: &EventId, sequence: u64, line: &Line) {
        self.lines.insert(event_id.clone(), line.clone());
        if let Some(letters) = self.waiting.get_mut(event_id) {
            letters.remove(&sequence);
            if letters.is_empty() {
                self.waiting.remove(event_id);
            }
        }
    }
}

#[cfg(test)]
mod tests;
