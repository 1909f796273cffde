//! An inventory: after deciding, carries out what the command owes to others, and sends its outbox in order.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    fmt::Display,
    ops::Range,
    rc::Rc,
};

use domain::{
    id::{EventId, PaymentIntentId},
    inventory::{
        Command, Inventory, Query,
        errand::{Duty, Errand},
        ledger::Entry,
    },
    machine::{Answer, Outcome, Store},
    queue::Command as QueueCommand,
    refusal::Refusal,
    time::Millis,
};
use futures_channel::oneshot::{self, Sender};
use serde_json::json;

use crate::{
    Host, Level, Platform, Problem,
    ask::{InventoryAsk, Object, PaymentAsk, QueueAsk, ask},
    within,
};

/// Envelopes of one batch. The platform takes 100 messages or 256 KB; an envelope is 2 KB at most.
const BATCH_MAX: u32 = 100;
/// How long envelopes wait for others to leave with, in milliseconds. The queue itself gathers for a second.
const GATHER_MS: u64 = 50;
/// How long after a failure, or after a crash in the middle, the alarm sends the outbox again, in milliseconds.
const RETRY_MS: u64 = 1000;
/// Commands that wait for a commit at the same time; one more is told to come back. Each is about 1 KB.
const WAITING_MAX: usize = 4096;
/// Commands of one commit: what is decided and written without a pause, a few milliseconds.
const COMMIT_MAX: usize = 128;
/// How long somebody who follows the seats waits for a change before being told that there is none, in milliseconds.
const FOLLOW_MS: u64 = 10_000;
/// Followers that wait at the same time; one more is told at once.
const FOLLOWERS_MAX: usize = 64;

/// The rows of an inventory, as its actor needs them beyond loading and saving.
pub trait InventoryRows: Store<Inventory> {
    /// The traces that the next commands belong to, by their order in the commit; they go out with their notifications.
    fn begin(&self, traces: &[&str]);

    /// The oldest envelopes that have not left, by their sequence, each as JSON.
    ///
    /// # Errors
    /// Storage is broken.
    fn outbox(&self, limit: u32) -> Result<Vec<(u64, String)>, Self::Fault>;

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

/// A command that waits for its turn.
struct Waiting {
    command: Command,
    trace: String,
    done: Sender<Result<Done, Problem>>,
}

/// A command that was carried out and saved.
struct Done {
    answer: Answer,
    /// Ids of the errands that it left.
    owes: Range<u64>,
}

/// The seats of one event. Everything it knows is in its rows; memory is a copy.
pub struct InventoryActor<P, S> {
    host: Host<P, Inventory, S>,
    event_id: EventId,
    /// Those who came while a commit was on its way.
    waiting: RefCell<Vec<Waiting>>,
    /// Whether one is.
    committing: Cell<bool>,
    /// Whether the outbox is being sent.
    sending: Cell<bool>,
    /// Those who wait for the seats to change.
    followers: RefCell<Vec<Sender<()>>>,
    /// Epoch and sequence that they know.
    told: Cell<Option<(u64, u64)>>,
}

impl<P: Platform, S: InventoryRows<Fault: Display> + 'static> InventoryActor<P, S> {
    /// The inventory of an event.
    pub fn new(platform: Rc<P>, store: S, event_id: EventId) -> Self {
        Self {
            host: Host::new(platform, store),
            event_id,
            waiting: RefCell::new(Vec::new()),
            committing: Cell::new(false),
            sending: Cell::new(false),
            followers: RefCell::new(Vec::new()),
            told: Cell::new(None),
        }
    }

    /// Answers what it is asked.
    ///
    /// # Errors
    /// Storage is broken.
    pub async fn answer(self: &Rc<Self>, question: InventoryAsk, trace: &str) -> Result<Answer, Problem> {
        match question {
            InventoryAsk::Command(command) => self.command(command, trace).await,
            InventoryAsk::Configure(event) => self.command(Command::Configure(event), trace).await,
            InventoryAsk::Query(query) => self.look(&query).await,
            InventoryAsk::Follow { known } => {
                self.await_change(known).await?;
                self.look(&Query::Changes { known }).await
            }
        }
    }

    async fn look(&self, query: &Query) -> Result<Answer, Problem> {
        let answer = self.host.read(|inventory, store| {
            let now = self.host.platform.now();
            store.look(inventory, query, now).map_err(|fault| Problem(fault.to_string()))
        })?;
        self.tell_followers()?;
        self.arm().await?;
        Ok(answer)
    }

    /// Waits until the seats are no longer as `known`, but not for ever.
    async fn await_change(&self, known: Option<(u64, u64)>) -> Result<(), Problem> {
        let changed = self.host.read(|inventory, _| Ok(inventory.has_changed(known)))?;
        self.tell_followers()?;
        if changed || self.followers.borrow().len() >= FOLLOWERS_MAX {
            return Ok(());
        }
        self.arm().await?;
        let (wake, woken) = oneshot::channel();
        self.followers.borrow_mut().push(wake);
        let _ = within(self.host.platform.pause(FOLLOW_MS), woken).await;
        self.followers.borrow_mut().retain(|follower| !follower.is_canceled());
        Ok(())
    }

    /// Wakes those who wait, if the seats changed since they were last woken.
    fn tell_followers(&self) -> Result<(), Problem> {
        let stands = self.host.read(|inventory, _| Ok(inventory.stands_at()))?;
        if self.told.replace(stands) != stands {
            for follower in self.followers.take() {
                let _ = follower.send(());
            }
        }
        Ok(())
    }

    /// Carries out what is due.
    ///
    /// # Errors
    /// Storage is broken; the platform rings again.
    pub async fn alarm(self: &Rc<Self>) -> Result<(), Problem> {
        self.host.ring()?;
        self.tell_followers()?;
        let now = self.host.platform.now();
        let due = self.errands(|errand| errand.next_try_at <= now)?;
        self.carry_out(self.in_order(due)?, "").await?;
        self.drain();
        self.arm().await
    }

    /// Executes `command` and carries out what it owes before answering, so that the answer is true everywhere.
    async fn command(self: &Rc<Self>, command: Command, trace: &str) -> Result<Answer, Problem> {
        let (done, committed) = oneshot::channel();
        {
            let mut waiting = self.waiting.borrow_mut();
            if waiting.len() >= WAITING_MAX {
                return Ok(Answer::Refused(Refusal::Overloaded));
            }
            waiting.push(Waiting { command, trace: trace.to_owned(), done });
        }
        self.commit();
        let Done { answer, owes } = committed.await.map_err(|_| Problem::from("the commit came to nothing"))??;
        let own = self.errands(|errand| owes.contains(&errand.id))?;
        self.arm().await?;
        self.drain();
        self.carry_out(self.in_order(own)?, trace).await?;
        Ok(answer)
    }

    /// Carries out what waits, together with what comes in the same call; unless a commit is on its way, behind which what
    /// has gathered then goes in one. Returns at once.
    fn commit(self: &Rc<Self>) {
        if self.committing.replace(true) {
            return;
        }
        let inventory = Rc::clone(self);
        self.host.platform.spawn(async move {
            while !inventory.waiting.borrow().is_empty() {
                inventory.commit_waiting();
                inventory.host.platform.flushed().await;
            }
            inventory.committing.set(false);
        });
    }

    /// Carries out what waits, [`COMMIT_MAX`] at most and in the order in which it came, in one commit, and tells those who asked.
    fn commit_waiting(&self) {
        let waiting: Vec<Waiting> = {
            let mut waiting = self.waiting.borrow_mut();
            let count = waiting.len().min(COMMIT_MAX);
            waiting.drain(..count).collect()
        };
        match self.execute(&waiting) {
            Ok(done) => {
                for (waiting, done) in waiting.into_iter().zip(done) {
                    // Whoever is gone asks again and finds the recorded answer.
                    let _ = waiting.done.send(Ok(done));
                }
            }
            Err(problem) => {
                for waiting in waiting {
                    let _ = waiting.done.send(Err(problem.clone()));
                }
            }
        }
    }

    fn execute(&self, waiting: &[Waiting]) -> Result<Vec<Done>, Problem> {
        let traces: Vec<&str> = waiting.iter().map(|waiting| waiting.trace.as_str()).collect();
        self.host.read(|_, store| {
            store.begin(&traces);
            Ok(())
        })?;
        let outcomes = self.host.execute_all(waiting.iter().map(|waiting| &waiting.command), Inventory::next_errand)?;
        self.tell_followers()?;
        let done = |Outcome { answer, seen: (first, end) }| Done { answer, owes: first..end };
        Ok(outcomes.into_iter().map(done).collect())
    }

    /// These errands, with whatever is owed to the same intents since before: a refund must not overtake its capture.
    fn in_order(&self, errands: Vec<Errand>) -> Result<Vec<Errand>, Problem> {
        let last = errands.last().map_or(0, |errand| errand.id);
        let intents: BTreeSet<PaymentIntentId> = errands.iter().filter_map(|errand| intent_of(errand).cloned()).collect();
        let chosen: BTreeSet<u64> = errands.iter().map(|errand| errand.id).collect();
        let before = |errand: &Errand| errand.id < last && intent_of(errand).is_some_and(|intent| intents.contains(intent));
        self.errands(|errand| chosen.contains(&errand.id) || before(errand))
    }

    fn errands(&self, which: impl Fn(&Errand) -> bool) -> Result<Vec<Errand>, Problem> {
        self.host.read(|inventory, _| Ok(inventory.errands().filter(|errand| which(errand)).cloned().collect()))
    }

    /// Sees to it that the object is woken for the next deadline, errand or notification.
    async fn arm(&self) -> Result<(), Problem> {
        let now = self.host.platform.now();
        let (owed, (sent, sequence)) = self.host.read(|inventory, _| {
            let owed = inventory.errands().map(|errand| errand.next_try_at).min();
            Ok((owed, inventory.outbox()))
        })?;
        let unsent = (sent < sequence).then(|| now.plus_ms(RETRY_MS));
        self.host.arm(owed.into_iter().chain(unsent).min()).await
    }

    /// Carries out errands in order; what fails is tried again by the alarm, and the later ones of the same intent with it.
    async fn carry_out(self: &Rc<Self>, errands: Vec<Errand>, trace: &str) -> Result<(), Problem> {
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        let mut stuck = BTreeSet::new();
        for errand in errands {
            if intent_of(&errand).is_some_and(|intent| stuck.contains(intent)) {
                failed.push(errand.id);
                continue;
            }
            match self.deliver(&errand.duty, trace).await {
                Ok(()) => done.push(errand.id),
                Err(problem) => {
                    let fields = json!({ "errand": errand.id, "tries": errand.tries, "problem": problem.to_string() });
                    self.host.platform.log(Level::Warn, trace, "errand failed", fields);
                    failed.push(errand.id);
                    stuck.extend(intent_of(&errand).cloned());
                }
            }
        }
        if !done.is_empty() {
            self.host.execute(&Command::ErrandsDone(done))?;
        }
        if !failed.is_empty() {
            self.host.execute(&Command::ErrandsFailed(failed))?;
            self.arm().await?;
        }
        Ok(())
    }

    async fn deliver(&self, duty: &Duty, trace: &str) -> Result<(), Problem> {
        let platform = &*self.host.platform;
        let answer = match duty {
            Duty::Pay { intent, instruction } => {
                let instruct = PaymentAsk::Instruct(instruction.clone());
                ask(platform, &Object::Payment(intent.clone()), trace, &instruct).await
            }
            Duty::EndAdmission { number } => {
                let end = QueueAsk::Command(QueueCommand::End { number: *number });
                ask(platform, &Object::Queue(self.event_id.clone()), trace, &end).await
            }
        };
        match answer {
            // A queue that was never asked has nobody inside.
            Ok(Answer::Granted { .. } | Answer::Refused(Refusal::Unconfigured)) => Ok(()),
            Ok(Answer::Refused(refusal)) => Err(refusal.code().into()),
            Err(fault) => Err(Problem(format!("{fault:?}"))),
        }
    }

    /// Starts to send what waits in the outbox, unless that is under way. Returns at once.
    fn drain(self: &Rc<Self>) {
        if self.sending.replace(true) {
            return;
        }
        let inventory = Rc::clone(self);
        self.host.platform.spawn(async move {
            let outcome = inventory.send_all().await;
            inventory.sending.set(false);
            if let Err(problem) = outcome {
                inventory.host.platform.log(Level::Warn, "", "outbox stays", json!({ "problem": problem.to_string() }));
            }
        });
    }

    /// One batch in flight; what was taken is deleted. A batch that is not full waits for more: sending one costs the object
    /// more than a hold does.
    async fn send_all(&self) -> Result<(), Problem> {
        while let (sent, sequence) = self.host.read(|inventory, _| Ok(inventory.outbox()))?
            && sent < sequence
        {
            if sequence - sent < BATCH_MAX.into() {
                self.host.platform.pause(GATHER_MS).await;
            }
            let waiting = self.host.read(|_, store| store.outbox(BATCH_MAX).map_err(|fault| Problem(fault.to_string())))?;
            let through = waiting.last().map(|(sequence, _)| *sequence).ok_or("what has to leave is not in the rows")?;
            let envelopes: Vec<String> = waiting.into_iter().map(|(_, envelope)| envelope).collect();
            self.host.platform.publish(&envelopes).await?;
            self.host.execute(&Command::Sent { through })?;
        }
        Ok(())
    }
}

/// The intent that an errand is about.
const fn intent_of(errand: &Errand) -> Option<&PaymentIntentId> {
    match &errand.duty {
        Duty::Pay { intent, .. } => Some(intent),
        Duty::EndAdmission { .. } => None,
    }
}
