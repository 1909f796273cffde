//! An organiser's endpoint: reads the logs of events behind its cursors, and posts what it reads.

mod ahead;
mod turns;

use std::{cell::RefCell, fmt::Display, rc::Rc};

use domain::{
    delivery::{
        Command, Delivery, Effect, Envelope,
        attempt::{Attempt, AttemptPage, DeadLetter, Outcome, PAGE_MAX, Tried},
    },
    effect::Pending,
    id::EventId,
    inventory::{Query, ledger::FeedPage},
    machine::{Answer, Machine, Store},
    refusal::Refusal,
    time::Millis,
    trace::TraceId,
};
use serde_json::json;

use self::{
    ahead::{AHEAD_MAX, ReadAhead},
    turns::Turns,
};
use crate::{
    Actor, Host, Performed, Platform, Post, Problem,
    ask::{EndpointId, InventoryAsk, Object, WebhookAsk, granted},
    carrier::ask,
    within,
};

/// Longest time that one request to an endpoint may take, and one to a log, in milliseconds.
const TRY_MAX_MS: u64 = 10_000;
/// Events that are delivered at the same time. The platform lets an object wait for six answers at once and lines further
/// requests up, where they would use up [`TRY_MAX_MS`] of theirs without the endpoint having heard of them; and an endpoint
/// that was down for long is not met by everything at once.
/// <https://developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections>
const AT_ONCE: usize = 6;

/// The rows of an endpoint, as its actor needs them beyond loading and saving.
pub trait WebhookRows: Store<Delivery> {
    /// The first dead letter of an event that is to be tried once more.
    ///
    /// # Errors
    /// Storage is broken.
    fn next_redriven(&self, event_id: &EventId) -> Result<Option<DeadLetter>, Self::Fault>;

    /// Dead letters, newest first, from behind an instant and an envelope's id.
    ///
    /// # Errors
    /// Storage is broken.
    fn dead_letters(&self, before: Option<&(Millis, String)>, limit: u32) -> Result<Vec<DeadLetter>, Self::Fault>;

    /// Attempts, newest first, from behind the one with this number.
    ///
    /// # Errors
    /// Storage is broken.
    fn attempts(&self, before: Option<u64>, limit: u32) -> Result<Vec<Attempt>, Self::Fault>;
}

/// What delivers to one endpoint. Everything it knows is in its rows; memory is a copy.
pub struct WebhookActor<P, S> {
    host: Host<P, Delivery, S>,
    ahead: RefCell<ReadAhead>,
    turns: Turns,
}

/// What is sent.
struct Message<'a> {
    id: &'a str,
    kind: &'a str,
    /// Its number in a log; 0 where it is of none.
    sequence: u64,
    trace: TraceId,
    body: &'a str,
}

impl<'a> From<&'a Envelope> for Message<'a> {
    fn from(envelope: &'a Envelope) -> Self {
        let Envelope { id, kind, sequence, trace, body, .. } = envelope;
        Self { id, kind, sequence: *sequence, trace: *trace, body }
    }
}

/// What is to be found in a log.
enum Found<T> {
    /// It.
    There(T),
    /// The log is no more: the event was deleted.
    Ended,
}

impl<P: Platform, S: WebhookRows<Fault: Display> + 'static> Actor for WebhookActor<P, S> {
    type Platform = P;
    type Machine = Delivery;
    type Store = S;

    fn host(&self) -> &Host<P, Delivery, S> {
        &self.host
    }

    async fn perform(self: &Rc<Self>, pending: Pending<Effect>) -> Performed<Command> {
        let _turn = self.turns.take().await;
        // While it waited the endpoint can have been disabled, or deleted.
        let still = self.host.read(|delivery, _| Ok(delivery.effects().get(pending.id) == Some(&pending)));
        if !still.unwrap_or_default() {
            return Performed { command: Command::Tick, problem: None };
        }
        let performed = match pending.effect {
            Effect::Place { event_id, since } => self.place(event_id, since).await,
            Effect::Deliver { event_id, after } => self.deliver(event_id, after).await,
            Effect::Redeliver { event_id } => self.redeliver(event_id).await,
        };
        performed.unwrap_or_else(|problem| Performed { command: Command::Unread { id: pending.id }, problem: Some(problem) })
    }
}

impl<P: Platform, S: WebhookRows<Fault: Display> + 'static> WebhookActor<P, S> {
    /// What delivers to an endpoint.
    pub fn new(platform: Rc<P>, store: S) -> Self {
        Self { host: Host::new(platform, store), ahead: RefCell::default(), turns: Turns::new(AT_ONCE) }
    }

    /// Answers what it is asked.
    ///
    /// # Errors
    /// Storage is broken.
    pub async fn answer(self: &Rc<Self>, question: WebhookAsk, trace: &str) -> Result<Answer, Problem> {
        let trace = TraceId::of_traceparent(trace);
        let command = match question {
            WebhookAsk::Hear { version, logs } => {
                let hear = |(event_id, through)| self.commit(Command::Hear { version, event_id, through }, trace);
                // All of them are taken up before the first is awaited, so that they share a commit.
                let commits: Vec<_> = logs.into_iter().map(hear).collect();
                for commit in commits {
                    let answer = commit.await?.answer;
                    if matches!(answer, Answer::Refused(_)) {
                        return Ok(answer);
                    }
                }
                return granted(&json!({}));
            }
            WebhookAsk::Standing => {
                let now = self.host.platform.now();
                return self.look(|delivery, _| granted(&delivery.standing(now))).await;
            }
            WebhookAsk::Ping { webhook_id } => return self.ping(&webhook_id, trace).await,
            WebhookAsk::DeadLetters { before, limit } => {
                let letters = |store: &S| store.dead_letters(before.as_ref(), limit).map_err(storage);
                return self.look(|_, store| granted(&letters(store)?)).await;
            }
            WebhookAsk::Attempts { before } => return self.look(|_, store| granted(&page(store, before)?)).await,
            WebhookAsk::Direct(directions) => Command::Direct(*directions),
            WebhookAsk::Enable => Command::Enable,
            WebhookAsk::Replay { event_id, after, through } => Command::Replay { event_id, after, through },
            WebhookAsk::Redrive(letters) => Command::Redrive(letters),
            WebhookAsk::Drop { created_at } => Command::Drop { created_at },
        };
        self.execute(command, trace).await
    }

    async fn place(&self, event_id: EventId, since: Millis) -> Result<Performed<Command>, Problem> {
        let command = match self.read_log(&event_id, Query::LoggedBefore(since)).await? {
            Found::There(body) => Command::Placed { event_id, after: serde_json::from_slice(&body)? },
            Found::Ended => Command::Ended { event_id },
        };
        Ok(Performed { command, problem: None })
    }

    async fn deliver(&self, event_id: EventId, after: u64) -> Result<Performed<Command>, Problem> {
        let known = self.ahead.borrow_mut().behind(&event_id, after);
        let envelope = match known {
            Some(envelope) => envelope,
            None => match self.feed(&event_id, after, AHEAD_MAX).await? {
                Found::Ended => return Ok(Performed { command: Command::Ended { event_id }, problem: None }),
                Found::There(envelopes) => {
                    self.ahead.borrow_mut().put(&event_id, after, envelopes);
                    let first = self.ahead.borrow_mut().behind(&event_id, after);
                    first.ok_or_else(|| Problem(format!("the log of {event_id} has nothing behind {after}")))?
                }
            },
        };
        let (tried, problem) = self.send((&envelope).into()).await?;
        Ok(Performed { command: Command::Tried { event_id, after, tried }, problem })
    }

    async fn redeliver(&self, event_id: EventId) -> Result<Performed<Command>, Problem> {
        let letter = self.host.read(|_, store| store.next_redriven(&event_id).map_err(storage))?;
        let Some(DeadLetter { sequence, id, kind, attempts, .. }) = letter else {
            return Ok(Performed { command: Command::Retried { event_id, letter: None }, problem: None });
        };
        let found = match self.feed(&event_id, sequence - 1, 1).await? {
            Found::There(envelopes) => envelopes.into_iter().find(|envelope| envelope.sequence == sequence),
            Found::Ended => None,
        };
        let (tried, problem) = match found {
            Some(envelope) => self.send((&envelope).into()).await?,
            None => {
                let outcome = Outcome::Problem("it is in no log any more".to_owned());
                (Tried { id, kind, sequence, outcome, took_ms: 0 }, None)
            }
        };
        Ok(Performed { command: Command::Retried { event_id, letter: Some((attempts, tried)) }, problem })
    }

    /// Sends something that is of no log, whatever the endpoint's state.
    async fn ping(self: &Rc<Self>, webhook_id: &EndpointId, trace: TraceId) -> Result<Answer, Problem> {
        let now = self.host.platform.now();
        let known = self.host.read(|delivery, _| Ok(delivery.endpoint().map(|_| delivery.attempts())))?;
        let Some(attempts) = known else { return Ok(Answer::Refused(Refusal::Unconfigured)) };
        let id = format!("msg_ping_{webhook_id}_{}_{}", now.0, attempts + 1);
        let kind = "webhook.ping".to_owned();
        let body = json!({
            "id": id, "type": kind, "source": "traffic-tacos", "time": now.to_string(), "trace_id": trace,
            "data": { "webhook_id": webhook_id },
        });
        let body = body.to_string();
        let (tried, _) = self.send(Message { id: &id, kind: &kind, sequence: 0, trace, body: &body }).await?;
        self.commit(Command::Pinged(tried), trace).await?;
        let newest = self.host.read(|_, store| store.attempts(None, PAGE_MAX).map_err(storage))?;
        match newest.into_iter().find(|attempt| attempt.id == id) {
            Some(attempt) => granted(&attempt),
            None => Ok(Answer::Refused(Refusal::Unconfigured)),
        }
    }

    /// Posts a message; what came of it, and what went wrong.
    async fn send(&self, message: Message<'_>) -> Result<(Tried, Option<Problem>), Problem> {
        let platform = &*self.host.platform;
        let began = platform.now();
        let to = |delivery: &Delivery, _: &S| {
            let endpoint = delivery.endpoint().ok_or("there is no endpoint")?;
            Ok((endpoint.url.clone(), endpoint.secrets(began)))
        };
        let (url, secrets) = self.host.read(to)?;
        let Message { id, kind, sequence, trace, body } = message;
        let post = Post { url: &url, secrets: &secrets, id, body, trace: (trace, sequence) };
        let outcome = match within(platform.pause(TRY_MAX_MS), platform.post(post)).await {
            Some(Ok(status)) => Outcome::Answered(status),
            Some(Err(problem)) => Outcome::Problem(problem.0),
            None => Outcome::Problem("took too long".to_owned()),
        };
        let problem = outcome.problem().map(|problem| Problem(format!("{id}: {problem}")));
        let took_ms = platform.now().since_ms(began);
        Ok((Tried { id: id.to_owned(), kind: kind.to_owned(), sequence, outcome, took_ms }, problem))
    }

    /// Envelopes of an event's log behind a sequence.
    async fn feed(&self, event_id: &EventId, after: u64, limit: u32) -> Result<Found<Vec<Envelope>>, Problem> {
        let Found::There(body) = self.read_log(event_id, Query::Feed { after, limit }).await? else { return Ok(Found::Ended) };
        let page: FeedPage = serde_json::from_slice(&body)?;
        let envelopes = page.envelopes.iter().map(|envelope| Envelope::parse(envelope.get()));
        let envelopes = envelopes.collect::<Option<Vec<Envelope>>>();
        envelopes.map(Found::There).ok_or_else(|| Problem(format!("the log of {event_id} is unreadable behind {after}")))
    }

    async fn read_log(&self, event_id: &EventId, query: Query) -> Result<Found<Vec<u8>>, Problem> {
        let (platform, log) = (&*self.host.platform, Object::Inventory(event_id.clone()));
        let asked = InventoryAsk::Query(query);
        let answer = within(platform.pause(TRY_MAX_MS), ask(platform, &log, "", &asked)).await;
        match answer.ok_or("the log took too long")? {
            Ok(Answer::Granted { body, .. }) => Ok(Found::There(body)),
            Ok(Answer::Refused(Refusal::Unconfigured)) => Ok(Found::Ended),
            Ok(Answer::Refused(refusal)) => Err(refusal.code().into()),
            Err(fault) => Err(Problem(format!("the log of {event_id}: {fault:?}"))),
        }
    }
}

fn page<S: WebhookRows<Fault: Display>>(store: &S, before: Option<u64>) -> Result<AttemptPage, Problem> {
    let mut attempts = store.attempts(before, PAGE_MAX + 1).map_err(storage)?;
    let more = attempts.len() > PAGE_MAX as usize;
    attempts.truncate(PAGE_MAX as usize);
    let next = attempts.last().filter(|_| more).map(|last| last.number);
    Ok(AttemptPage { attempts, next })
}

fn storage(fault: impl Display) -> Problem {
    Problem(fault.to_string())
}
