//! A queue: hears of the stock whenever people wait for it.

use std::{cell::Cell, fmt::Display, rc::Rc};

use domain::{
    event::Event,
    id::EventId,
    inventory::Query,
    machine::{Answer, Store},
    queue::{Command, Queue, Stock},
    refusal::Refusal,
    time::Millis,
};
use serde::Serialize;
use serde_json::json;

use crate::{
    Host, Level, Platform, Problem,
    ask::{Object, QueueAsk, ask, granted},
};

/// How long after a failure, or after a crash in the middle, the inventory is asked again, in milliseconds.
const RETRY_MS: u64 = 1000;

/// The line of one event. Everything it knows is in its rows; memory is a copy.
pub struct QueueActor<P, S> {
    host: Host<P, Queue, S>,
    event_id: EventId,
    /// Whether the inventory is being asked.
    asking: Cell<bool>,
    /// After a failure: not before this instant again.
    rests_until: Cell<Millis>,
}

/// What a queue asks its inventory, without copying the event.
#[derive(Serialize)]
enum Ask<'a> {
    Query(Query),
    Configure(&'a Event),
}

impl<P: Platform, S: Store<Queue, Fault: Display> + 'static> QueueActor<P, S> {
    /// The line of an event.
    pub const fn new(platform: Rc<P>, store: S, event_id: EventId) -> Self {
        Self { host: Host::new(platform, store), event_id, asking: Cell::new(false), rests_until: Cell::new(Millis(0)) }
    }

    /// Answers what it is asked.
    ///
    /// # Errors
    /// Storage is broken.
    pub async fn answer(self: &Rc<Self>, question: QueueAsk, trace: &str) -> Result<Answer, Problem> {
        let answer = match question {
            QueueAsk::Command(command) => self.host.execute(&command)?,
            QueueAsk::Configure(event) => self.host.execute(&Command::Configure(event))?,
            QueueAsk::Board { since } => self.host.read(|queue, _| match queue.board(since, self.host.platform.now()) {
                Ok(update) => granted(&update),
                Err(refusal) => Ok(Answer::Refused(refusal)),
            })?,
        };
        self.look_ahead(trace).await?;
        Ok(answer)
    }

    /// Carries out what is due.
    ///
    /// # Errors
    /// Storage is broken; the platform rings again.
    pub async fn alarm(self: &Rc<Self>) -> Result<(), Problem> {
        self.host.ring()?;
        self.look_ahead("").await
    }

    /// Asks for the stock where it is wanted, and sees to it that the object is woken for whatever comes next.
    async fn look_ahead(self: &Rc<Self>, trace: &str) -> Result<(), Problem> {
        let now = self.host.platform.now();
        let (wanted, doubted) = self.host.read(|queue, _| Ok((queue.wants_stock(), queue.doubts_stock(now))))?;
        if doubted || wanted.is_some_and(|at| at <= now) {
            self.hear_of_stock(now, trace);
        }
        let again = if self.asking.get() { now.plus_ms(RETRY_MS) } else { self.rests_until.get() };
        self.host.arm(wanted.map(|at| at.max(again))).await
    }

    /// Asks the inventory for the stock, unless that is under way or failed just now. Returns at once.
    fn hear_of_stock(self: &Rc<Self>, now: Millis, trace: &str) {
        if now < self.rests_until.get() || self.asking.replace(true) {
            return;
        }
        let (queue, trace) = (Rc::clone(self), trace.to_owned());
        self.host.platform.spawn(async move {
            let outcome = queue.ask_stock(&trace).await;
            queue.asking.set(false);
            let outcome = match outcome {
                Ok(()) => queue.look_ahead(&trace).await,
                Err(problem) => {
                    queue.rests_until.set(queue.host.platform.now().plus_ms(RETRY_MS));
                    Err(problem)
                }
            };
            if let Err(problem) = outcome {
                queue.host.platform.log(Level::Warn, &trace, "stock unknown", json!({ "problem": problem.to_string() }));
            }
        });
    }

    async fn ask_stock(&self, trace: &str) -> Result<(), Problem> {
        let asked = self.host.read(|queue, _| Ok(queue.stock_question(self.host.platform.now())))?;
        let answer = match self.ask_inventory(&Ask::Query(Query::Stock), trace).await? {
            Answer::Refused(Refusal::Unconfigured) => {
                let event = self.host.read(|queue, _| Ok(queue.event().cloned()))?;
                let event = event.ok_or("the queue is not configured")?;
                self.ask_inventory(&Ask::Configure(&event), trace).await?;
                self.ask_inventory(&Ask::Query(Query::Stock), trace).await?
            }
            answer => answer,
        };
        match answer {
            Answer::Granted { body, .. } => {
                let stock: Stock = serde_json::from_slice(&body)?;
                self.host.execute(&Command::Stock { stock, asked }).map(|_| ())
            }
            Answer::Refused(refusal) => Err(refusal.code().into()),
        }
    }

    async fn ask_inventory(&self, question: &Ask<'_>, trace: &str) -> Result<Answer, Problem> {
        let inventory = Object::Inventory(self.event_id.clone());
        ask(&*self.host.platform, &inventory, trace, question).await.map_err(|fault| Problem(format!("{fault:?}")))
    }
}
