//! A queue: hears of the stock whenever people wait for it.

use std::{fmt::Display, rc::Rc};

use domain::{
    effect::Pending,
    event::Event,
    id::EventId,
    inventory::Query,
    machine::{Answer, Store},
    queue::{Command, Effect, Queue, Stock, StockAsked},
    refusal::Refusal,
    trace::TraceId,
};
use serde::Serialize;

use crate::{
    Actor, Host, Performed, Platform, Problem,
    ask::{Object, QueueAsk, granted},
    carrier::ask,
};

/// The line of one event. Everything it knows is in its rows; memory is a copy.
pub struct QueueActor<P, S> {
    host: Host<P, Queue, S>,
    event_id: EventId,
}

/// What a queue asks its inventory, without copying the event.
#[derive(Serialize)]
enum Ask<'a> {
    Query(Query),
    Configure(&'a Event),
}

impl<P: Platform, S: Store<Queue, Fault: Display> + 'static> Actor for QueueActor<P, S> {
    type Platform = P;
    type Machine = Queue;
    type Store = S;

    fn host(&self) -> &Host<P, Queue, S> {
        &self.host
    }

    async fn perform(self: &Rc<Self>, effect: Pending<Effect>) -> Performed<Command> {
        let Effect::AskStock = effect.effect;
        match self.ask_stock(&effect.trace.traceparent(effect.id)).await {
            Ok((stock, asked)) => Performed { command: Command::Stock { stock, asked }, problem: None },
            Err(problem) => Performed { command: Command::StockUnknown, problem: Some(problem) },
        }
    }
}

impl<P: Platform, S: Store<Queue, Fault: Display> + 'static> QueueActor<P, S> {
    /// The line of an event.
    pub fn new(platform: Rc<P>, store: S, event_id: EventId) -> Self {
        Self { host: Host::new(platform, store), event_id }
    }

    /// Answers what it is asked.
    ///
    /// # Errors
    /// Storage is broken.
    pub async fn answer(self: &Rc<Self>, question: QueueAsk, trace: &str) -> Result<Answer, Problem> {
        let trace = TraceId::of_traceparent(trace);
        let answer = match question {
            QueueAsk::Command(command) => self.execute(command, trace).await?,
            QueueAsk::Configure(event) => self.execute(Command::Configure(event), trace).await?,
            QueueAsk::Board { since } => {
                let now = self.host.platform.now();
                self.look(|queue, _| match queue.board(since, now) {
                    Ok(update) => granted(&update),
                    Err(refusal) => Ok(Answer::Refused(refusal)),
                })
                .await?
            }
        };
        let now = self.host.platform.now();
        if let Some(question) = self.host.read(|queue, _| Ok(queue.doubts_stock(now)))? {
            self.perform_now(question);
        }
        Ok(answer)
    }

    async fn ask_stock(&self, trace: &str) -> Result<(Stock, StockAsked), Problem> {
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
            Answer::Granted { body, .. } => Ok((serde_json::from_slice(&body)?, asked)),
            Answer::Refused(refusal) => Err(refusal.code().into()),
        }
    }

    async fn ask_inventory(&self, question: &Ask<'_>, trace: &str) -> Result<Answer, Problem> {
        let inventory = Object::Inventory(self.event_id.clone());
        ask(&*self.host.platform, &inventory, trace, question).await.map_err(|fault| Problem(format!("{fault:?}")))
    }
}
