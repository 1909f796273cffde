//! `QueueObject`: decide, save, apply, arm; and hears of the stock whenever people wait for it.

use std::{cell::Cell, rc::Rc};

use domain::{
    event::Event,
    machine::Answer,
    queue::{Command, Queue, Stock},
    refusal::Refusal,
    time::Millis,
};
use serde::Serialize;
use shell::{
    Host,
    ask::{Envelope, ask, granted, question, respond},
    clock,
    log::{Level, line},
    sql::Sql,
};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object, wasm_bindgen};

use crate::{QueueAsk, queue_store::QueueStore};

/// The binding of the inventory object; its name is the event's id, as the queue's.
const INVENTORY: &str = "INVENTORY";
/// How long after a failure, or after a crash in the middle, the inventory is asked again, in milliseconds.
const RETRY_MS: u64 = 1000;

/// The line of one event. Everything it knows is in its rows; memory is a copy.
#[durable_object(alarm)]
pub struct QueueObject(Rc<Inner>);

/// What outlives a request: a question about the stock goes on when the request that raised it is answered.
struct Inner {
    state: State,
    env: Env,
    host: Host<Queue, QueueStore>,
    /// Whether the inventory is being asked.
    asking: Cell<bool>,
    /// After a failure: not before this instant again.
    rests_until: Cell<Millis>,
}

/// What a queue asks its inventory. The crate of the inventory asks this one, so that its type cannot be used here.
#[derive(Serialize)]
enum InventoryAsk<'a> {
    Query(InventoryQuery),
    Configure(&'a Event),
}

#[derive(Serialize)]
enum InventoryQuery {
    Stock,
}

impl DurableObject for QueueObject {
    fn new(state: State, env: Env) -> Self {
        let host = Host::new(QueueStore::new(Sql::new(&state)));
        Self(Rc::new(Inner { state, env, host, asking: Cell::new(false), rests_until: Cell::new(Millis(0)) }))
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let Envelope { trace, ask } = question::<QueueAsk>(&mut request).await?;
        let answer = match ask {
            QueueAsk::Command(command) => self.0.host.execute(&command)?,
            QueueAsk::Configure(event) => self.0.host.execute(&Command::Configure(event))?,
            QueueAsk::Board { since } => self.0.host.read(|queue, _| match queue.board(since, clock::now()) {
                Ok(update) => granted(&update),
                Err(refusal) => Ok(Answer::Refused(refusal)),
            })?,
        };
        self.0.look_ahead(&trace).await?;
        respond(&answer)
    }

    async fn alarm(&self) -> Result<Response> {
        self.0.host.ring()?;
        self.0.look_ahead("").await?;
        Response::empty()
    }
}

impl Inner {
    /// Asks for the stock where it is wanted, and sees to it that the object is woken for whatever comes next.
    async fn look_ahead(self: &Rc<Self>, trace: &str) -> Result<()> {
        let now = clock::now();
        let (wanted, doubted) = self.host.read(|queue, _| Ok((queue.wants_stock(), queue.doubts_stock(now))))?;
        if doubted || wanted.is_some_and(|at| at <= now) {
            self.hear_of_stock(now, trace);
        }
        let again = if self.asking.get() { now.plus_ms(RETRY_MS) } else { self.rests_until.get() };
        self.host.arm(&self.state, wanted.map(|at| at.max(again))).await
    }

    /// Asks the inventory for the stock, unless that is under way or failed just now. Returns at once.
    fn hear_of_stock(self: &Rc<Self>, now: Millis, trace: &str) {
        if now < self.rests_until.get() || self.asking.replace(true) {
            return;
        }
        let (inner, trace) = (Rc::clone(self), trace.to_owned());
        self.state.wait_until(async move {
            let outcome = inner.ask_stock(&trace).await;
            inner.asking.set(false);
            let outcome = match outcome {
                Ok(()) => inner.look_ahead(&trace).await,
                Err(error) => {
                    inner.rests_until.set(clock::now().plus_ms(RETRY_MS));
                    Err(error)
                }
            };
            if let Err(error) = outcome {
                let fields = serde_json::json!({ "problem": error.to_string() });
                line(Level::Warn, "queue", trace.split('-').nth(1).unwrap_or_default(), "stock unknown", fields);
            }
        });
    }

    async fn ask_stock(&self, trace: &str) -> Result<()> {
        let asked = self.host.read(|queue, _| Ok(queue.stock_question(clock::now())))?;
        let body = match self.ask_inventory(&InventoryAsk::Query(InventoryQuery::Stock), trace).await? {
            Answer::Refused(Refusal::Unconfigured) => {
                let event = self.host.read(|queue, _| Ok(queue.event().cloned()))?;
                let event = event.ok_or("the queue is not configured")?;
                self.ask_inventory(&InventoryAsk::Configure(&event), trace).await?;
                self.ask_inventory(&InventoryAsk::Query(InventoryQuery::Stock), trace).await?
            }
            answer => answer,
        };
        match body {
            Answer::Granted { body, .. } => {
                let stock: Stock = serde_json::from_slice(&body)?;
                self.host.execute(&Command::Stock { stock, asked }).map(|_| ())
            }
            Answer::Refused(refusal) => Err(refusal.code().into()),
        }
    }

    async fn ask_inventory(&self, question: &InventoryAsk<'_>, trace: &str) -> Result<Answer> {
        let name = self.state.id().name().unwrap_or_default();
        ask(&self.env, INVENTORY, &name, trace, question).await.map_err(|fault| format!("{fault:?}").into())
    }
}
