//! `LaneObject`: answers known callers from its table, and everybody else when their batch is numbered and stored.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use domain::{
    event::Event,
    lane::{Command, Gathering, Join, Lane, Numbered, Reply},
    machine::Answer,
    queue::{Batch, BatchReply, Command as QueueCommand},
    refusal::Refusal,
};
use futures_channel::oneshot::{self, Receiver, Sender};
use serde::Serialize;
use shell::{
    Host,
    ask::{Envelope, Fault, ask, question, respond},
    clock,
    log::{Level, line},
    sql::Sql,
};
use worker::{Delay, DurableObject, Env, Error, Request, Response, Result, State, durable_object, wasm_bindgen};

use crate::{LaneAsk, QUEUE, lane_store::LaneStore};

/// Pauses before a batch that got no answer is sent again, in milliseconds. After the last one everybody who waits is
/// told to come again: less than a second, which a page can wait for.
const RETRY_AFTER_MS: [u64; 3] = [20, 100, 400];

/// One lane of an event. What it acknowledged is in its rows; what gathers is lost with its memory and may be sent again.
#[durable_object(fetch)]
pub struct LaneObject(Rc<Inner>);

/// What outlives a request: a flush goes on when the request that began it is gone.
struct Inner {
    state: State,
    env: Env,
    host: Host<Lane, LaneStore>,
    gathering: RefCell<Gathering<Sender<Answer>>>,
    flushing: Cell<bool>,
    /// The nonce of the batches; 0 when one is to be drawn.
    nonce: Cell<u64>,
    /// The last nonce that was drawn.
    drawn: Cell<u64>,
}

/// What a lane asks its queue, without copying the event.
#[derive(Serialize)]
enum Ask<'a> {
    Command(&'a QueueCommand),
    Configure(&'a Event),
}

impl DurableObject for LaneObject {
    fn new(state: State, env: Env) -> Self {
        let host = Host::new(LaneStore::new(Sql::new(&state)));
        let gathering = RefCell::new(Gathering::default());
        Self(Rc::new(Inner { state, env, host, gathering, flushing: Cell::new(false), nonce: Cell::new(0), drawn: Cell::new(0) }))
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let Envelope { trace, ask } = question::<LaneAsk>(&mut request).await?;
        let answer = match ask {
            LaneAsk::Configure(event) => self.0.host.execute(&Command::Configure(event))?,
            LaneAsk::Join(join) => match self.0.known(&join)? {
                Some(answer) => answer,
                None => self.0.wait(&trace, |gathering, waiter| gathering.join(&join, waiter)).await,
            },
            LaneAsk::Leave { number } if self.0.is_configured()? => {
                self.0.wait(&trace, |gathering, waiter| gathering.leave(number, waiter)).await
            }
            LaneAsk::Leave { .. } => Answer::Refused(Refusal::Unconfigured),
        };
        respond(&answer)
    }
}

impl Inner {
    fn is_configured(&self) -> Result<bool> {
        self.host.read(|lane, _| Ok(lane.event().is_some()))
    }

    /// The answer to a caller who needs not wait for a batch.
    fn known(&self, join: &Join) -> Result<Option<Answer>> {
        if self.gathering.borrow().has(join.caller) {
            return Ok(None);
        }
        let body = match self.host.execute(&Command::Join(join.clone()))? {
            Answer::Granted { body, .. } => body,
            refused @ Answer::Refused(_) => return Ok(Some(refused)),
        };
        Ok(match serde_json::from_slice(&body)? {
            Reply::Known { joined, replayed } => Some(Answer::Granted { body: serde_json::to_vec(&joined)?, replayed }),
            Reply::Unknown | Reply::Done => None,
        })
    }

    /// Takes somebody in and waits for the answer.
    async fn wait(
        self: &Rc<Self>,
        trace: &str,
        take_in: impl FnOnce(&mut Gathering<Sender<Answer>>, Sender<Answer>) -> std::result::Result<(), (Sender<Answer>, Refusal)>,
    ) -> Answer {
        let (waiter, answer): (_, Receiver<Answer>) = oneshot::channel();
        if let Err((_, refusal)) = take_in(&mut self.gathering.borrow_mut(), waiter) {
            return Answer::Refused(refusal);
        }
        self.flush(trace);
        answer.await.unwrap_or(Answer::Refused(Refusal::Overloaded))
    }

    /// Sends what gathers, batch after batch, until nothing does, unless that is under way. Returns at once.
    fn flush(self: &Rc<Self>, trace: &str) {
        if self.flushing.replace(true) {
            return;
        }
        let (inner, trace) = (Rc::clone(self), trace.to_owned());
        self.state.wait_until(async move {
            while let Some(batch) = inner.depart() {
                match inner.number(batch, &trace).await {
                    Ok(reply) => inner.arrive(&reply, &trace),
                    Err(problem) => inner.give_up(&problem, &trace),
                }
            }
            inner.flushing.set(false);
        });
    }

    fn depart(&self) -> Option<Batch> {
        let now = clock::now();
        let drawn = self.host.read(|lane, _| {
            if self.nonce.get() == 0 {
                self.drawn.set(lane.next_nonce(self.drawn.get(), now));
                self.nonce.set(self.drawn.get());
            }
            Ok((self.index()?, self.nonce.get(), lane.next_seq()))
        });
        match drawn {
            Ok((lane, nonce, seq)) => self.gathering.borrow_mut().depart(lane, nonce, seq),
            Err(error) => {
                let _ = self.gathering.borrow_mut().depart(0, 0, 0);
                self.give_up(&error.to_string(), "");
                None
            }
        }
    }

    /// Has a batch numbered. The same batch may arrive several times and has one effect.
    async fn number(&self, batch: Batch, trace: &str) -> std::result::Result<BatchReply, String> {
        let command = QueueCommand::Batch(batch);
        let mut pauses = RETRY_AFTER_MS.into_iter();
        loop {
            let problem = match self.ask_queue(&Ask::Command(&command), trace).await {
                Ok(Answer::Granted { body, .. }) => return serde_json::from_slice(&body).map_err(|error| error.to_string()),
                Ok(Answer::Refused(Refusal::Unconfigured)) => {
                    self.configure_queue(trace).await?;
                    "the queue was not configured".to_owned()
                }
                Ok(Answer::Refused(refusal)) => return Err(format!("{refusal:?}")),
                Err(Fault::Overloaded) => return Err("the queue is overloaded".to_owned()),
                Err(fault) => format!("{fault:?}"),
            };
            let Some(pause) = pauses.next() else { return Err(problem) };
            Delay::from(Duration::from_millis(pause)).await;
        }
    }

    async fn configure_queue(&self, trace: &str) -> std::result::Result<(), String> {
        let event = self.host.read(|lane, _| Ok(lane.event().cloned())).map_err(|error| error.to_string())?;
        let event = event.ok_or("the lane is not configured")?;
        self.ask_queue(&Ask::Configure(&event), trace).await.map(|_| ()).map_err(|fault| format!("{fault:?}"))
    }

    async fn ask_queue(&self, question: &Ask<'_>, trace: &str) -> std::result::Result<Answer, Fault> {
        let name = self.state.id().name().unwrap_or_default();
        let event_id = name.rsplit_once('/').map_or("", |(event_id, _)| event_id);
        ask(&self.env, QUEUE, event_id, trace, question).await
    }

    /// Stores what the queue answered, then tells everybody who waited.
    fn arrive(&self, reply: &BatchReply, trace: &str) {
        let Some(numbered) = self.gathering.borrow().to_store(reply) else { return };
        match self.store(numbered) {
            Ok(()) => {
                for (waiter, answer) in self.gathering.borrow_mut().arrive(reply) {
                    // A waiter that is gone asks again and finds its place in the table.
                    let _ = waiter.send(answer);
                }
            }
            Err(error) => self.give_up(&error.to_string(), trace),
        }
    }

    fn store(&self, numbered: Numbered) -> Result<()> {
        self.host.execute(&Command::Numbered(numbered)).map(|_| ())
    }

    /// Tells everybody who waited to come again. The next batch has a new nonce, so that the queue gives up what nobody
    /// was told.
    fn give_up(&self, problem: &str, trace: &str) {
        self.nonce.set(0);
        let waiters = self.gathering.borrow_mut().give_up();
        let fields = serde_json::json!({ "problem": problem, "waiters": waiters.len() });
        line(Level::Warn, "lane", trace.split('-').nth(1).unwrap_or_default(), "batch given up", fields);
        for waiter in waiters {
            let _ = waiter.send(Answer::Refused(Refusal::Overloaded));
        }
    }

    /// Which lane of its event this is, by its name.
    fn index(&self) -> Result<u32> {
        let name = self.state.id().name().unwrap_or_default();
        let index = name.rsplit_once('/').and_then(|(_, lane)| lane.parse().ok());
        index.ok_or_else(|| Error::from("a lane is named <event>/<lane>"))
    }
}
