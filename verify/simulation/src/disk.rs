//! The storage of one object: what it sees at once, what a crash leaves, and what has not come that far.
//!
//! A commit is seen by the object at once and is durable a flush later. What the object tells anybody waits for the
//! flush of all that it saved before (the output gate), so that a crash takes back only what nobody was told.

use std::{
    cell::RefCell,
    collections::{BTreeSet, VecDeque},
    rc::Rc,
};

use actors::{ask::Object, inventory::InventoryRows as LogRows, webhook::WebhookRows as EndpointRows};
use domain::{
    delivery::attempt::{Attempt, DeadLetter},
    hash::Hash128,
    id::EventId,
    idempotency::{Idempotency, Record},
    inventory::feed::DELTAS_KEPT,
    inventory::{
        Inventory, Query,
        ledger::{Entry, FeedPage},
    },
    machine::{Answer, Batch, Machine, Store},
    refusal::Refusal,
    time::Millis,
};
use futures_channel::oneshot;
use serde_json::value::RawValue;

use crate::{
    rows::{Records, Rows},
    world::World,
};

type ChangeOf<R> = <<R as Rows>::Machine as Machine>::Change;

/// Everything that is stored.
#[derive(Clone, Debug, Default)]
struct Image<R> {
    rows: R,
    records: Records,
    by_expiry: BTreeSet<(Millis, Hash128)>,
    alarm: Option<Millis>,
}

/// One write, as it waits to be durable.
enum Write<R: Rows> {
    Batch { steps: Vec<Vec<ChangeOf<R>>>, records: Vec<(Record, Vec<u8>)>, purge: Option<Millis>, at: Millis },
    Alarm(Option<Millis>),
}

impl<R: Rows> Image<R> {
    fn write(&mut self, write: &Write<R>) -> Result<(), String> {
        match write {
            Write::Alarm(at) => self.alarm = *at,
            Write::Batch { steps, records, purge, .. } => {
                steps.iter().flatten().try_for_each(|change| self.rows.write(change))?;
                if let Some(now) = purge {
                    self.purge(*now);
                }
                for (record, body) in records {
                    let before = self.records.insert(record.scope, (*record, body.clone()));
                    if let Some((before, _)) = before {
                        self.by_expiry.remove(&(before.expires_at, before.scope));
                    }
                    self.by_expiry.insert((record.expires_at, record.scope));
                }
            }
        }
        Ok(())
    }
}

impl<R> Image<R> {
    /// What `DELETE … WHERE expires_at <= ?` does.
    fn purge(&mut self, now: Millis) {
        while let Some((expires_at, scope)) = self.by_expiry.first().copied().filter(|(expires_at, _)| *expires_at <= now) {
            self.by_expiry.remove(&(expires_at, scope));
            self.records.remove(&scope);
        }
    }
}

/// The storage of one object. See the module.
pub struct Disk<R: Rows> {
    latest: Image<R>,
    durable: Image<R>,
    pending: VecDeque<Write<R>>,
    /// Writes ever made, and of them durable.
    made: u64,
    flushed: u64,
    waiting: VecDeque<(u64, oneshot::Sender<()>)>,
}

impl<R: Rows> Default for Disk<R> {
    fn default() -> Self {
        Self {
            latest: Image::default(),
            durable: Image::default(),
            pending: VecDeque::new(),
            made: 0,
            flushed: 0,
            waiting: VecDeque::new(),
        }
    }
}

impl<R: Rows> Disk<R> {
    /// The rows, where everything that was saved is durable.
    pub fn at_rest(&self) -> Option<&R> {
        self.pending.is_empty().then_some(&self.durable.rows)
    }

    fn put(&mut self, write: Write<R>) -> Result<u64, String> {
        if let Err(problem) = self.latest.write(&write) {
            // Nothing of a commit that breaks a constraint is kept.
            self.latest = self.durable.clone();
            for write in &self.pending {
                self.latest.write(write).expect("it was written before");
            }
            return Err(problem);
        }
        self.pending.push_back(write);
        self.made += 1;
        Ok(self.made)
    }
}

/// What the world does with any object's storage.
pub trait Drive {
    /// Makes everything up to that write durable, and tells the witness.
    fn flush(&self, world: &World, object: &Object, through: u64);
    /// Forgets what is not durable.
    fn crash(&self);
    /// Sets or deletes the alarm; the number of this write.
    fn set_alarm(&self, at: Option<Millis>) -> u64;
    /// The alarm as the object sees it.
    fn alarm(&self) -> Option<Millis>;
    /// The alarm rings: it is not set any more, durably.
    fn ring(&self) -> Option<Millis>;
    /// Resolves when everything that was saved until now is durable; nothing to wait for if it is.
    fn barrier(&self) -> Option<oneshot::Receiver<()>>;
}

impl<R: Rows> Drive for RefCell<Disk<R>> {
    fn flush(&self, world: &World, object: &Object, through: u64) {
        let mut disk = self.borrow_mut();
        while disk.flushed < through {
            let Some(write) = disk.pending.pop_front() else { break };
            disk.durable.write(&write).expect("what was written once is written again");
            disk.flushed += 1;
            if let Write::Batch { steps, at, .. } = &write {
                // What was decided together is judged together; a commit may hold several decisions.
                steps.iter().for_each(|changes| world.saved(object, |witness| R::testify(witness, object, changes, *at)));
            }
        }
        let flushed = disk.flushed;
        while disk.waiting.front().is_some_and(|(through, _)| *through <= flushed) {
            let waiter = disk.waiting.pop_front();
            waiter.into_iter().for_each(|(_, waiter)| {
                let _ = waiter.send(());
            });
        }
    }

    fn crash(&self) {
        let mut disk = self.borrow_mut();
        if !disk.pending.is_empty() {
            disk.latest = disk.durable.clone();
            disk.pending.clear();
            disk.made = disk.flushed;
        }
        disk.waiting.clear();
    }

    fn set_alarm(&self, at: Option<Millis>) -> u64 {
        self.borrow_mut().put(Write::Alarm(at)).expect("an alarm breaks no constraint")
    }

    fn alarm(&self) -> Option<Millis> {
        self.borrow().latest.alarm
    }

    fn ring(&self) -> Option<Millis> {
        let mut disk = self.borrow_mut();
        disk.durable.alarm = None;
        disk.latest.alarm.take()
    }

    fn barrier(&self) -> Option<oneshot::Receiver<()>> {
        let mut disk = self.borrow_mut();
        if disk.pending.is_empty() {
            return None;
        }
        let (waiter, flushed) = oneshot::channel();
        let through = disk.made;
        disk.waiting.push_back((through, waiter));
        Some(flushed)
    }
}

/// The storage of one object, as its engine uses it.
pub struct DiskStore<R: Rows> {
    /// Where it is.
    pub disk: Rc<RefCell<Disk<R>>>,
    /// Who breaks it now and then.
    pub world: World,
    /// Whose it is.
    pub object: Object,
    /// Which life of the object uses it.
    pub life: u64,
}

impl<R: Rows> Store<R::Machine> for DiskStore<R> {
    type Fault = String;

    fn load(&self) -> Result<(R::Machine, Vec<Record>), String> {
        self.world.may_fail(&self.object, "load")?;
        let disk = self.disk.borrow();
        let records = disk.latest.records.values().map(|(record, _)| *record).collect();
        Ok((disk.latest.rows.load(), records))
    }

    fn recall(&self, machine: &mut R::Machine, command: &<R::Machine as Machine>::Command) -> Result<(), String> {
        self.disk.borrow().latest.rows.recall(machine, command);
        Ok(())
    }

    fn save(&self, batch: &Batch<'_, ChangeOf<R>>) -> Result<(), String> {
        self.world.may_fail(&self.object, "save")?;
        let write = Write::Batch {
            steps: batch.steps.iter().map(|step| step.changes.clone()).collect(),
            records: batch.records().map(|(record, body)| (record, body.to_vec())).collect(),
            purge: batch.purge_records_at,
            at: batch.decided_at,
        };
        let through = self.disk.borrow_mut().put(write)?;
        self.world.flushes(&self.object, self.life, through);
        // It is saved, and nobody is told.
        self.world.may_fail(&self.object, "answer of a save")
    }

    fn recorded(&self, idempotency: &Idempotency) -> Result<Vec<u8>, String> {
        let disk = self.disk.borrow();
        let recorded = disk.latest.records.get(&idempotency.scope).map(|(_, body)| body.clone());
        recorded.ok_or_else(|| "a live record has a row".to_owned())
    }
}

impl LogRows for DiskStore<crate::rows::InventoryRows> {
    fn log(&self, after: u64, limit: u32) -> Result<Vec<(u64, String)>, String> {
        Ok(self.disk.borrow().latest.rows.log(after, limit))
    }

    fn ledger(&self, after: u64, limit: u32) -> Result<Vec<Entry>, String> {
        Ok(self.disk.borrow().latest.rows.ledger(after, limit.into()))
    }

    fn look(&self, inventory: &Inventory, query: &Query, now: Millis) -> Result<Answer, String> {
        if inventory.event().is_none() {
            return Ok(Answer::Refused(Refusal::Unconfigured));
        }
        if let Query::Stock = query {
            return match inventory.stock(now) {
                Ok(stock) => actors::ask::granted(&stock).map_err(|problem| problem.to_string()),
                Err(refusal) => Ok(Answer::Refused(refusal)),
            };
        }
        if let Query::Feed { after, limit } = query {
            let log = self.disk.borrow().latest.rows.log(*after, *limit);
            let next = log.last().map(|(sequence, _)| *sequence);
            let envelopes = log.into_iter().map(|(_, text)| RawValue::from_string(text).expect("the log is JSON")).collect();
            return actors::ask::granted(&FeedPage { envelopes, next }).map_err(|problem| problem.to_string());
        }
        if let Query::LoggedBefore(at) = query {
            let before = self.disk.borrow().latest.rows.logged_before(*at);
            return actors::ask::granted(&before).map_err(|problem| problem.to_string());
        }
        if let Query::Changes { known } = query {
            let entries = self.disk.borrow().latest.rows.ledger(inventory.changed_since(*known), DELTAS_KEPT);
            return actors::ask::granted(&inventory.changes(*known, &entries)).map_err(|problem| problem.to_string());
        }
        let found = self.disk.borrow().latest.rows.reservation(query);
        Ok(found.unwrap_or(Answer::Refused(Refusal::Unconfigured)))
    }
}

impl EndpointRows for DiskStore<crate::rows::WebhookRows> {
    fn next_redriven(&self, event_id: &EventId) -> Result<Option<DeadLetter>, String> {
        Ok(self.disk.borrow().latest.rows.0.next_redriven(event_id))
    }

    fn dead_letters(&self, _before: Option<&(Millis, String)>, limit: u32) -> Result<Vec<DeadLetter>, String> {
        Ok(self.disk.borrow().latest.rows.0.dead.values().rev().take(limit as usize).cloned().collect())
    }

    fn attempts(&self, before: Option<u64>, limit: u32) -> Result<Vec<Attempt>, String> {
        let disk = self.disk.borrow();
        let older = disk.latest.rows.0.attempts.range(..before.unwrap_or(u64::MAX)).rev();
        Ok(older.take(limit as usize).map(|(_, attempt)| attempt.clone()).collect())
    }
}
