//! `InventoryObject`: decide, save, apply, arm; then what the command owes to others.

use std::rc::Rc;

use domain::{
    inventory::{
        Command, Inventory,
        errand::{Duty, Errand},
    },
    machine::Answer,
    queue::Command as QueueCommand,
    time::Millis,
};
use payment::{PAYMENT, PaymentAsk};
use queue::{QUEUE, QueueAsk};
use shell::{
    Host,
    ask::{Envelope, ask, question, respond},
    clock,
    log::{Level, line},
    sql::Sql,
};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object, wasm_bindgen};

use crate::{InventoryAsk, outbox::Outbox, queries, store::InventoryStore};

/// The seats of one event. Everything it knows is in its rows; memory is a copy.
#[durable_object(alarm)]
pub struct InventoryObject {
    state: State,
    env: Env,
    host: Rc<Host<Inventory, InventoryStore>>,
    outbox: Outbox,
}

impl DurableObject for InventoryObject {
    fn new(state: State, env: Env) -> Self {
        let host = Rc::new(Host::new(InventoryStore::new(Sql::new(&state))));
        let outbox = Outbox::new(env.clone(), Rc::clone(&host));
        Self { state, env, host, outbox }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let Envelope { trace, ask } = question::<InventoryAsk>(&mut request).await?;
        let answer = match ask {
            InventoryAsk::Command(command) => self.command(&command, &trace).await?,
            InventoryAsk::Configure(event) => self.command(&Command::Configure(event), &trace).await?,
            InventoryAsk::Query(query) => {
                let answer = self.host.read(|inventory, store| queries::answer(inventory, store, &query, clock::now()))?;
                self.arm().await?;
                answer
            }
        };
        respond(&answer)
    }

    async fn alarm(&self) -> Result<Response> {
        self.host.ring()?;
        let now = clock::now();
        let due = self.host.read(|inventory, _| {
            Ok(inventory.errands().filter(|errand| errand.next_try_at <= now).cloned().collect::<Vec<_>>())
        })?;
        self.carry_out(due, "").await?;
        self.outbox.drain(&self.state);
        self.arm().await?;
        Response::empty()
    }
}

impl InventoryObject {
    /// Executes `command` and carries out what it owes before answering, so that the answer is true everywhere.
    async fn command(&self, command: &Command, trace: &str) -> Result<Answer> {
        let first_own = self.host.read(|inventory, store| {
            trace_id(trace).clone_into(&mut store.trace_id.borrow_mut());
            Ok(inventory.next_errand())
        })?;
        let answer = self.host.execute(command)?;
        let own = self
            .host
            .read(|inventory, _| Ok(inventory.errands().filter(|errand| errand.id >= first_own).cloned().collect::<Vec<_>>()))?;
        self.arm().await?;
        self.outbox.drain(&self.state);
        self.carry_out(own, trace).await?;
        Ok(answer)
    }

    /// Sees to it that the object is woken for the next deadline, errand or notification.
    async fn arm(&self) -> Result<()> {
        let owed = self.host.read(|inventory, _| Ok(inventory.errands().map(|errand| errand.next_try_at).min()))?;
        let unsent: Option<Millis> = self.outbox.next_try_at()?;
        self.host.arm(&self.state, owed.into_iter().chain(unsent).min()).await
    }

    /// Carries out errands in order; what fails is tried again by the alarm.
    async fn carry_out(&self, errands: Vec<Errand>, trace: &str) -> Result<()> {
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for errand in errands {
            match self.deliver(&errand.duty, trace).await {
                Ok(()) => done.push(errand.id),
                Err(problem) => {
                    let fields = serde_json::json!({ "errand": errand.id, "tries": errand.tries, "problem": problem });
                    line(Level::Warn, "inventory", trace_id(trace), "errand failed", fields);
                    failed.push(errand.id);
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

    async fn deliver(&self, duty: &Duty, trace: &str) -> std::result::Result<(), String> {
        let answer = match duty {
            Duty::Pay { intent, instruction } => {
                ask(&self.env, PAYMENT, &intent.to_string(), trace, &PaymentAsk::Instruct(instruction.clone())).await
            }
            Duty::EndAdmission { number } => {
                let event_id = self.host.read(|inventory, _| Ok(inventory.event().map(|event| event.event_id.to_string())));
                let name = event_id.map_err(|e| e.to_string())?.unwrap_or_default();
                ask(&self.env, QUEUE, &name, trace, &QueueAsk::Command(QueueCommand::End { number: *number })).await
            }
        };
        match answer {
            // A queue that was never asked has nobody inside.
            Ok(Answer::Granted { .. } | Answer::Refused(domain::refusal::Refusal::Unconfigured)) => Ok(()),
            Ok(Answer::Refused(refusal)) => Err(refusal.code().to_owned()),
            Err(fault) => Err(format!("{fault:?}")),
        }
    }
}

/// The 32 hex digits of a `traceparent`.
fn trace_id(trace: &str) -> &str {
    trace.split('-').nth(1).unwrap_or_default()
}
