//! An inventory: performs what it owes to the payment provider and the queue, publishes its log in order, and tells those
//! who follow the seats.

use std::{
    cell::{Cell, RefCell},
    fmt::Display,
    rc::Rc,
};

use domain::{
    effect::Pending,
    id::EventId,
    inventory::{Command, Inventory, Query, effect::Effect, ledger::Entry},
    machine::{Answer, Store},
    payment::Instruction,
    queue::Command as QueueCommand,
    refusal::Refusal,
    time::Millis,
    trace::TraceId,
};
use futures_channel::oneshot::{self, Sender};

use crate::{
    Actor, Host, Performed, Platform, Problem,
    ask::{Company, InventoryAsk, Object, QueueAsk, answered},
    batch::{self, Batches, CALLS_MAX},
    carrier::ASK_MAX_MS,
    payment::{Provider, SimulatedProvider},
    within,
};

/// Envelopes of one batch. The platform takes 100 messages or 256 KB; an envelope is 2 KB at most.
const BATCH_MAX: u32 = 100;
/// How long envelopes wait for others to leave with, in milliseconds. The queue itself gathers for a second.
const GATHER_MS: u64 = 50;
/// How long somebody who follows the seats waits for a change before being told that there is none, in milliseconds.
const FOLLOW_MS: u64 = 10_000;
/// Followers that wait at the same time; one more is told at once.
const FOLLOWERS_MAX: usize = 64;

/// The rows of an inventory, as its actor needs them beyond loading and saving.
pub trait InventoryRows: Store<Inventory> {
    /// Envelopes of the log behind `after`, at most `limit`, by their sequence, each as JSON.
    ///
    /// # Errors
    /// Storage is broken.
    fn log(&self, after: u64, limit: u32) -> Result<Vec<(u64, String)>, Self::Fault>;

    /// Entries of the ledger behind `after`, at most `limit`.
    ///
    /// # Errors
    /// Storage is broken.
    fn ledger(&self, after: u64, limit: u32) -> Result<Vec<Entry>, Self::Fault>;

    /// The answer to a look at the rows and the machine, which stands as of `now`.
    ///
    /// # Errors
    /// Storage is broken.
    fn look(&self, inventory: &Inventory, query: &Query, now: Millis) -> Result<Answer, Self::Fault>;
}

/// The seats of one event. Everything it knows is in its rows; memory is a copy.
pub struct InventoryActor<P, S> {
    host: Host<P, Inventory, S>,
    event_id: EventId,
    provider: SimulatedProvider<P>,
    batches: Batches,
    /// Those who wait for the seats to change.
    followers: RefCell<Vec<Sender<()>>>,
    /// Epoch and sequence that they know.
    told: Cell<Option<(u64, u64)>>,
}

impl<P: Platform, S: InventoryRows<Fault: Display> + 'static> Actor for InventoryActor<P, S> {
    type Platform = P;
    type Machine = Inventory;
    type Store = S;

    fn host(&self) -> &Host<P, Inventory, S> {
        &self.host
    }

    async fn perform(self: &Rc<Self>, effect: Pending<Effect>) -> Performed<Command> {
        let Pending { id, trace, effect, .. } = effect;
        let outcome = match &effect {
            Effect::Pay { intent, instruction } => self.provider.instruct(intent, instruction, id, trace).await.map(|()| None),
            Effect::EndAdmission { number } => self.end_admission(*number, id, trace).await.map(|()| None),
            Effect::Publish => self.publish().await.map(Some),
        };
        match outcome {
            Ok(None) => Performed { command: Command::Performed(id), problem: None },
            Ok(Some(through)) => Performed { command: Command::Published { through }, problem: None },
            Err(problem) => Performed { command: Command::Failed(id), problem: Some(problem) },
        }
    }

    /// A buyer who is told of an intent finds it at the provider, and one who has bought finds the slot free.
    fn is_awaited(effect: &Effect) -> bool {
        match effect {
            Effect::Pay { instruction, .. } => matches!(instruction, Instruction::Open(_)),
            Effect::EndAdmission { .. } => true,
            Effect::Publish => false,
        }
    }

    /// Wakes those who follow the seats, if these changed since they were last woken.
    fn changed(&self, inventory: &Inventory) {
        let stands = inventory.stands_at();
        if self.told.replace(stands) != stands {
            for follower in self.followers.take() {
                let _ = follower.send(());
            }
        }
    }
}

impl<P: Platform, S: InventoryRows<Fault: Display> + 'static> InventoryActor<P, S> {
    /// The inventory of an event.
    pub fn new(platform: Rc<P>, store: S, event_id: EventId) -> Self {
        let batches = batch::batches(CALLS_MAX, ASK_MAX_MS);
        let provider = SimulatedProvider::new(Rc::clone(&platform), Rc::clone(&batches));
        let host = Host::new(platform, store);
        Self { host, event_id, provider, batches, followers: RefCell::new(Vec::new()), told: Cell::new(None) }
    }

    /// Answers what it is asked.
    ///
    /// # Errors
    /// Storage is broken.
    pub async fn answer(self: &Rc<Self>, question: InventoryAsk, trace: &str) -> Result<Answer, Problem> {
        let trace = TraceId::of_traceparent(trace);
        match question {
            InventoryAsk::Command(command) => self.execute(command, trace).await,
            InventoryAsk::Configure(event) => self.execute(Command::Configure(event), trace).await,
            InventoryAsk::Query(query) => self.query(&query).await,
            InventoryAsk::Follow { known } => {
                self.await_change(known).await?;
                self.query(&Query::Changes { known }).await
            }
        }
    }

    async fn query(self: &Rc<Self>, query: &Query) -> Result<Answer, Problem> {
        let now = self.host.platform.now();
        self.look(|inventory, store| store.look(inventory, query, now).map_err(|fault| Problem(fault.to_string()))).await
    }

    /// Waits until the seats are no longer as `known`, but not for ever.
    async fn await_change(self: &Rc<Self>, known: Option<(u64, u64)>) -> Result<(), Problem> {
        let changed = self.look(|inventory, _| Ok(inventory.has_changed(known))).await?;
        if changed || self.followers.borrow().len() >= FOLLOWERS_MAX {
            return Ok(());
        }
        let (wake, woken) = oneshot::channel();
        self.followers.borrow_mut().push(wake);
        let _ = within(self.host.platform.pause(FOLLOW_MS), woken).await;
        self.followers.borrow_mut().retain(|follower| !follower.is_canceled());
        Ok(())
    }

    async fn end_admission(&self, number: u64, id: u64, trace: TraceId) -> Result<(), Problem> {
        let end = QueueAsk::Command(QueueCommand::End { number });
        let to = Object::Queue(self.event_id.clone());
        match batch::ask(&self.batches, &*self.host.platform, &to, Company::Itself, &trace.traceparent(id), None, &end).await {
            // A queue that was never asked has nobody inside.
            Ok(Answer::Refused(Refusal::Unconfigured)) => Ok(()),
            outcome => answered(outcome).map(drop),
        }
    }

    /// Hands a batch of envelopes to the queue `sale-events`; the last sequence that it took. A batch that is not full waits
    /// for more: sending one costs the object more than a hold does.
    async fn publish(&self) -> Result<u64, Problem> {
        let behind = |inventory: &Inventory, _: &S| Ok(inventory.sequence() - inventory.published().0);
        if self.host.read(behind)? < BATCH_MAX.into() {
            self.host.platform.pause(GATHER_MS).await;
        }
        let batch = self
            .host
            .read(|inventory, store| store.log(inventory.published().0, BATCH_MAX).map_err(|fault| Problem(fault.to_string())))?;
        let through = batch.last().map(|(sequence, _)| *sequence).ok_or("what is to be published is not in the rows")?;
        let envelopes: Vec<String> = batch.into_iter().map(|(_, envelope)| envelope).collect();
        self.host.platform.publish(&envelopes).await?;
        Ok(through)
    }
}
