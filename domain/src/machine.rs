//! Decide, save, apply: the one way through which anything changes.
//!
//! This is the [decider pattern](https://thinkbeforecoding.com/post/2021/12/17/functional-event-sourcing-decider): a
//! [`Machine`] is rules over memory, a [`Store`] is rows. [`Engine::execute`] decides against memory, saves what was decided
//! in one commit and answers; nothing comes in between. Several commands may share a commit ([`Engine::execute_all`]): each
//! is decided as those before it left memory, and nobody is answered before all of it is saved. What has to follow
//! elsewhere is in the same commit, as [effects](crate::effect). Memory is disposable: after a fault the engine drops it and
//! loads it again from the rows, through the same `apply`. The objects, the simulation and the model checker run this same
//! engine; only the store differs.

use serde::Serialize;

use crate::{
    effect::{Effect, Effects},
    idempotency::{Idempotency, RECORDS_MAX, Record, Records, Seen},
    refusal::Refusal,
    time::Millis,
    trace::TraceId,
};

/// What a command is decided in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The instant.
    pub now: Millis,
    /// The request that caused it; none for what time alone causes.
    pub trace: TraceId,
}

impl From<Millis> for Context {
    fn from(now: Millis) -> Self {
        Self { now, trace: TraceId::NONE }
    }
}

/// Rules without I/O.
pub trait Machine: Sized {
    /// What can be asked.
    type Command;
    /// What became true, in the past tense; maps to rows.
    type Change;
    /// What is answered; its JSON is the answer's body.
    type Reply: Serialize;
    /// What is owed to others.
    type Effect: Effect;

    /// What `command` would change, or why not. Reads only. May assume that every deadline up to now has been carried out
    /// (the engine sees to it), and must not depend on it.
    ///
    /// # Errors
    /// The rules refuse; nothing changes.
    fn decide(&self, command: &Self::Command, context: Context) -> Result<Decision<Self>, Refusal>;

    /// Makes one saved change. Cannot fail; applying it again is harmless.
    fn apply(&mut self, change: &Self::Change);

    /// When something changes by time alone, next.
    fn next_deadline(&self) -> Option<Millis>;

    /// What is owed to others and was not acknowledged yet.
    fn effects(&self) -> &Effects<Self::Effect>;

    /// When the machine is to be called next after `now`: for a deadline, or for an effect that is not due yet. The one
    /// clock of an object.
    fn wakes_at(&self, now: Millis) -> Option<Millis> {
        self.next_deadline().into_iter().chain(self.effects().next_due_after(now)).min()
    }

    /// The command that carries out what is due.
    fn tick() -> Self::Command;

    /// What `command` says about being a repetition.
    fn idempotency(command: &Self::Command) -> Option<&Idempotency>;

    /// Whether `command` needs something that is in the rows and not in memory; [`Store::recall`] brings it.
    fn must_recall(&self, command: &Self::Command) -> bool {
        let _ = command;
        false
    }

    /// Whether `change` may be about what `command` needs of the rows, so that it has to be saved before that is recalled.
    fn concerns(change: &Self::Change, command: &Self::Command) -> bool {
        let _ = (change, command);
        true
    }
}

/// A granted command: what to answer, and what becomes true.
#[derive(Debug)]
pub struct Decision<M: Machine> {
    /// The answer.
    pub reply: M::Reply,
    /// In the order in which they happen; empty when nothing changes.
    pub changes: Vec<M::Change>,
    /// Ids of the effects that follow from it: of those that it creates, and of those that it finds.
    pub effects: Vec<u64>,
}

impl<M: Machine> Decision<M> {
    /// A decision that owes nothing to others.
    #[must_use]
    pub const fn new(reply: M::Reply, changes: Vec<M::Change>) -> Self {
        Self { reply, changes, effects: Vec::new() }
    }
}

/// What one command leaves behind.
#[derive(Debug)]
pub struct Step<C> {
    /// The changes, in order.
    pub changes: Vec<C>,
    /// The record of the answer, with the answer's body.
    pub record: Option<(Record, Vec<u8>)>,
}

/// What commands leave behind, for one commit.
#[derive(Debug)]
pub struct Batch<'a, C> {
    /// One step after the other; never empty.
    pub steps: &'a [Step<C>],
    /// Records that are over at this instant may be deleted, before new ones are kept.
    pub purge_records_at: Option<Millis>,
    /// When it was decided.
    pub decided_at: Millis,
}

impl<'a, C> Batch<'a, C> {
    /// All changes, in order.
    pub fn changes(&self) -> impl Iterator<Item = &'a C> {
        self.steps.iter().flat_map(|step| &step.changes)
    }

    /// The records of all answers, with their bodies.
    pub fn records(&self) -> impl Iterator<Item = (Record, &'a [u8])> {
        self.steps.iter().filter_map(|step| step.record.as_ref()).map(|(record, body)| (*record, body.as_slice()))
    }
}

/// Where a machine's rows are.
pub trait Store<M: Machine> {
    /// Broken storage.
    type Fault;

    /// Rebuilds the machine and the live records from the rows.
    ///
    /// # Errors
    /// Storage is broken.
    fn load(&self) -> Result<(M, Vec<Record>), Self::Fault>;

    /// Brings into memory what `command` needs and memory does not hold. Asked where [`Machine::must_recall`] says so.
    ///
    /// # Errors
    /// Storage is broken.
    fn recall(&self, machine: &mut M, command: &M::Command) -> Result<(), Self::Fault> {
        let _ = (machine, command);
        Ok(())
    }

    /// Saves everything or nothing.
    ///
    /// # Errors
    /// Nothing was saved, or it is not known whether it was; the engine loads again either way.
    fn save(&self, batch: &Batch<'_, M::Change>) -> Result<(), Self::Fault>;

    /// The recorded answer of a live record.
    ///
    /// # Errors
    /// Storage is broken.
    fn recorded(&self, record_scope: &Idempotency) -> Result<Vec<u8>, Self::Fault>;
}

/// What a command is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done, or done before.
    Granted {
        /// The reply as JSON.
        body: Vec<u8>,
        /// Whether this is a recorded answer given again.
        replayed: bool,
    },
    /// Refused; nothing changed.
    Refused(Refusal),
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What it is answered with.
    pub answer: Answer,
    /// Ids of the effects that follow from it.
    pub effects: Vec<u64>,
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self { answer, effects: Vec::new() }
    }
}

/// A machine with its store.
#[derive(Debug)]
pub struct Engine<M, S> {
    store: S,
    live: Option<(M, Records)>,
}

impl<M: Machine, S: Store<M>> Engine<M, S> {
    /// An engine that loads when it is first asked.
    pub const fn new(store: S) -> Self {
        Self { store, live: None }
    }

    /// The rows.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// The machine as it stands, loaded if need be, with everything due at `now` carried out.
    ///
    /// # Errors
    /// Storage is broken.
    pub fn read(&mut self, now: Millis) -> Result<&M, S::Fault> {
        self.catch_up(now)?;
        Ok(&self.loaded()?.0)
    }

    /// Carries out `command`: what is due first, then the command.
    ///
    /// # Errors
    /// Storage is broken; memory was dropped and is loaded again at the next call.
    pub fn execute(&mut self, command: &M::Command, context: impl Into<Context>) -> Result<Answer, S::Fault> {
        let Context { now, trace } = context.into();
        let outcomes = self.execute_all([(command, trace)], now)?;
        Ok(outcomes.into_iter().next().expect("one command has one outcome").answer)
    }

    /// Carries out commands, each with its trace, at `now` one after the other, in one commit as far as none of them needs
    /// the rows: what is due first, then each as those before it left the machine.
    ///
    /// # Errors
    /// Storage is broken: nobody may be answered, though a part may have been saved. What was not saved is not in memory
    /// either.
    pub fn execute_all<'c>(
        &mut self,
        commands: impl IntoIterator<Item = (&'c M::Command, TraceId)>,
        now: Millis,
    ) -> Result<Vec<Outcome>, S::Fault>
    where
        M::Command: 'c,
    {
        let (mut steps, mut outcomes) = (Vec::new(), Vec::new());
        for (command, trace) in commands {
            if self.loaded()?.0.next_deadline().is_some_and(|at| at <= now) {
                self.save(&mut steps, now)?;
                self.catch_up(now)?;
            }
            outcomes.push(self.answer(command, Context { now, trace }, &mut steps)?);
        }
        self.save(&mut steps, now)?;
        Ok(outcomes)
    }

    /// The machine and its rows, where loaded.
    pub fn parts(&self) -> Option<(&M, &S)> {
        self.live.as_ref().map(|(machine, _)| (machine, &self.store))
    }

    /// Drops memory; the next call loads it again from the rows.
    pub fn forget(&mut self) {
        self.live = None;
    }

    fn catch_up(&mut self, now: Millis) -> Result<(), S::Fault> {
        let mut due = self.loaded()?.0.next_deadline();
        while due.is_some_and(|at| at <= now) {
            let mut steps = Vec::new();
            self.step(&M::tick(), None, now.into(), &mut steps)?;
            self.save(&mut steps, now)?;
            let next = self.loaded()?.0.next_deadline();
            assert!(next != due, "a tick must carry out what is due, or it would be due for ever");
            due = next;
        }
        Ok(())
    }

    fn loaded(&mut self) -> Result<&mut (M, Records), S::Fault> {
        if self.live.is_none() {
            let (machine, kept) = self.store.load()?;
            let mut records = Records::default();
            for record in &kept {
                records.insert(record);
            }
            self.live = Some((machine, records));
        }
        Ok(self.live.as_mut().expect("loaded just above"))
    }

    /// Answers `command` out of its record, or decides it and adds what it leaves behind to `steps`.
    fn answer(&mut self, command: &M::Command, context: Context, steps: &mut Vec<Step<M::Change>>) -> Result<Outcome, S::Fault> {
        let now = context.now;
        let idempotency = M::idempotency(command);
        if let Some(idempotency) = idempotency {
            let records = &self.loaded()?.1;
            match records.look_up(idempotency, now) {
                Seen::New if records.len() >= RECORDS_MAX => return Ok(Answer::Refused(Refusal::Overloaded).into()),
                Seen::New => {}
                Seen::Same => {
                    self.save(steps, now)?;
                    let body = self.store.recorded(idempotency)?;
                    return Ok(Answer::Granted { body, replayed: true }.into());
                }
                Seen::Conflict => return Ok(Answer::Refused(Refusal::IdempotencyConflict).into()),
            }
        }
        self.step(command, idempotency, context, steps)
    }

    /// Decides `command`, changes memory, and adds what is to be saved to `steps`.
    fn step(
        &mut self,
        command: &M::Command,
        idempotency: Option<&Idempotency>,
        context: Context,
        steps: &mut Vec<Step<M::Change>>,
    ) -> Result<Outcome, S::Fault> {
        let now = context.now;
        if self.loaded()?.0.must_recall(command) {
            if steps.iter().flat_map(|step| &step.changes).any(|change| M::concerns(change, command)) {
                self.save(steps, now)?;
            }
            let (machine, _) = self.live.as_mut().expect("loaded just above");
            if let Err(fault) = self.store.recall(machine, command) {
                // What gathered is not saved.
                self.live = None;
                return Err(fault);
            }
        }
        let (machine, records) = self.live.as_mut().expect("loaded just above");
        let Decision { reply, changes, effects } = match machine.decide(command, context) {
            Ok(decision) => decision,
            Err(refusal) => return Ok(Answer::Refused(refusal).into()),
        };
        let body = serde_json::to_vec(&reply).expect("replies are plain data with text keys");
        let record = idempotency.map(|idempotency| Record {
            scope: idempotency.scope,
            fingerprint: idempotency.fingerprint,
            expires_at: now.plus_ms(idempotency.ttl_ms),
        });
        changes.iter().for_each(|change| machine.apply(change));
        record.iter().for_each(|record| records.insert(record));
        if !changes.is_empty() || record.is_some() {
            steps.push(Step { changes, record: record.map(|record| (record, body.clone())) });
        }
        Ok(Outcome { answer: Answer::Granted { body, replayed: false }, effects })
    }

    /// Saves what gathered, in one commit.
    fn save(&mut self, steps: &mut Vec<Step<M::Change>>, now: Millis) -> Result<(), S::Fault> {
        if steps.is_empty() {
            return Ok(());
        }
        let (_, records) = self.live.as_mut().expect("what was decided was loaded");
        let purge_records_at = records.first_expiry().filter(|first| *first <= now).map(|_| now);
        if let Err(fault) = self.store.save(&Batch { steps, purge_records_at, decided_at: now }) {
            self.live = None;
            return Err(fault);
        }
        if purge_records_at.is_some() {
            records.purge(now);
        }
        steps.clear();
        Ok(())
    }
}
