//! The line of an event: numbers places, moves the frontier, admits.
//!
//! A place is a number. Numbers are consecutive and given out in batches, one for each lane at a time. The frontier is
//! the last number whose turn has come; it moves in waves and never back. What a place may do:
//!
//! ```text
//! Waiting ── its turn ──► Ready ── Enter ──► Entered ── End ──► Finished
//!    │                      ├── window over ──► Expired ◄── admission_ttl_sec over ──┤
//!    └────── leave ────────►└──────────── leave ──► Left ◄──────── leave ───────────┘
//! ```
//!
//! **The frontier moves** as far as all of these allow, and not at all while the organiser has paused it, before sales
//! open, after they close, or while the stock is not known well enough:
//! - the token bucket of `admit_per_sec` and `burst`; places that were given up are passed without using it;
//! - `max_active`: ready + active stay within it;
//! - the stock: ready + active, without those who hold their seats already, stay within the seats that are left. The
//!   stock is at most 0.5 s old, or 100 ms where it is what may stop the line; those who left since it was asked for
//!   still count, since they may have taken seats with them.
//!
//! Ready is a promise: the end of the entry window is fixed when it begins, and `Enter` succeeds until then whatever the
//! settings say meanwhile. A place's slot is free when it lapses, leaves, is finished, or its admission's time is over;
//! each of these is a deadline of this machine or a command, and the frontier moves in the same step.
//!
//! **Batches.** A lane sends one batch at a time, `(nonce, seq)`: `seq` rises by one with each batch that the lane has
//! stored the answer of, `nonce` rises whenever the lane may have forgotten the batch that is out. The same pair again
//! gets the same answer. The same `seq` with a newer nonce means that nobody was told the numbers given before: those
//! places are given up, so that nobody waits behind a place that nobody has. An older pair is refused.
//!
//! **Bounds.** Places: [`PLACES_MAX`], 4 bits each, 8 MB. Ready and entered places: `max_active`, at most 1,000,000; an
//! entered one has a record of about 70 bytes. Waves with an open window: ten a second (a hundred where `burst` is tiny)
//! for at most an hour. Lanes: [`LANES_MAX`], each with one answered batch of at most [`JOINS_MAX`] and [`LEAVES_MAX`].

mod bucket;
mod command;
mod counters;
mod draft;
mod state;

use self::draft::Draft;
pub use self::{
    command::{Answered, Batch, BatchReply, Change, Command, Effect, Entered, JOINS_MAX, LANES_MAX, LEAVES_MAX, Numbered, Reply},
    counters::{Counters, StockAsked},
    state::Queue,
};
pub use crate::stock::Stock;
use crate::{
    effect::Effects,
    event::Event,
    idempotency::Idempotency,
    machine::{Context, Decision, Machine},
    refusal::Refusal,
    time::Millis,
};

/// How long after a failure the inventory is asked again, in milliseconds.
const STOCK_RETRY_MS: u64 = 1000;

impl Machine for Queue {
    type Command = Command;
    type Change = Change;
    type Reply = Reply;
    type Effect = Effect;

    fn decide(&self, command: &Command, context: Context) -> Result<Decision<Self>, Refusal> {
        let now = context.now;
        if let Command::Configure(event) = command {
            return Ok(self.configure(event, now));
        }
        let event = self.event.as_deref().ok_or(Refusal::Unconfigured)?;
        if let Command::StockUnknown = command {
            return Ok(Decision::new(Reply::Done {}, vec![Change::StockRests(now.plus_ms(STOCK_RETRY_MS))]));
        }
        let mut draft = Draft::new(self, event, now);
        draft.settle();
        let reply = match command {
            Command::Batch(batch) => Reply::Batch(draft.batch(batch)?),
            Command::Enter { number, kid, .. } => Reply::Entered(draft.enter(*number, *kid)?),
            Command::End { number } => draft.end(*number),
            Command::Stock { stock, asked } => draft.stock(*stock, *asked),
            Command::Configure(_) | Command::StockUnknown | Command::Tick => Reply::Done {},
        };
        draft.advance();
        Ok(Decision::new(reply, draft.finish()))
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Configured(event) => {
                self.event = Some(event.clone());
                self.owe_stock();
            }
            Change::Counted(counters) => {
                self.counters = (**counters).clone();
                self.owe_stock();
            }
            Change::Marked { chunk, version, states } => {
                *self.places.chunk_mut(*chunk) = (**states).clone();
                self.chunk_versions.insert(*chunk, *version);
            }
            Change::Opened { wave, version } => {
                self.waves.insert(wave.first, (*wave, *version));
                self.lapses.insert((wave.until, wave.first));
            }
            Change::Lapsed { first } => {
                if let Some((wave, _)) = self.waves.remove(first) {
                    self.lapses.remove(&(wave.until, *first));
                }
            }
            Change::Entered(entered) => {
                self.admissions.insert(entered.number, *entered);
                self.ends.insert((entered.ends_at, entered.number));
            }
            Change::Gone { number } => {
                if let Some(entered) = self.admissions.remove(number) {
                    self.ends.remove(&(entered.ends_at, *number));
                }
            }
            Change::Answered(answered) => {
                self.answered.insert(answered.lane, answered.clone());
            }
            Change::StockRests(until) => {
                self.stock_rests_until = *until;
                self.owe_stock();
            }
        }
    }

    fn next_deadline(&self) -> Option<Millis> {
        let event = self.event()?;
        let lapse = self.lapses.first().map(|(at, _)| *at);
        let end = self.ends.first().map(|(at, _)| *at);
        lapse.into_iter().chain(end).chain(self.counters.next_wave_at(event)).min()
    }

    fn effects(&self) -> &Effects<Effect> {
        &self.effects
    }

    fn tick() -> Command {
        Command::Tick
    }

    fn idempotency(command: &Command) -> Option<&Idempotency> {
        match command {
            Command::Enter { idempotency, .. } => Some(idempotency),
            Command::Configure(_)
            | Command::Batch(_)
            | Command::End { .. }
            | Command::Stock { .. }
            | Command::StockUnknown
            | Command::Tick => None,
        }
    }
}

impl Queue {
    fn configure(&self, event: &Event, now: Millis) -> Decision<Self> {
        let known = self.event.as_deref();
        if known.is_some_and(|known| event.version <= known.version) {
            return Decision::new(Reply::Done {}, vec![]);
        }
        // What is due is settled and the bucket filled by the settings that held until now.
        let mut draft = Draft::new(self, known.unwrap_or(event), now);
        draft.settle();
        draft.configure(event, known.is_none());
        draft.advance();
        Decision::new(Reply::Done {}, draft.finish())
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod tests;
