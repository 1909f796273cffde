//! A lane: answers known callers from its table, and everybody else when their batch is numbered and stored.

use std::{
    cell::{Cell, RefCell},
    fmt::Display,
    rc::Rc,
};

use domain::{
    id::EventId,
    lane::{Command, Gathering, Join, Lane, Reply, gather_ms},
    machine::{Answer, Store},
    queue::{Batch, BatchReply, Command as QueueCommand},
    refusal::Refusal,
    time::Millis,
    trace::TraceId,
};
use futures_channel::oneshot::{self, Receiver, Sender};

use crate::{
    Host, Level, Platform, Problem,
    ask::{Fault, LaneAsk, Object, QueueAsk, ask_configured, ask_through},
    carrier,
    pace::Pace,
};

/// Pauses before a batch that got no answer is sent again, in milliseconds. After the last one everybody who waits is
/// told to come again: less than a second, which a page can wait for.
const RETRY_AFTER_MS: [u64; 3] = [20, 100, 400];

/// For how long a lane keeps what it has not used of its share of calls to the queue, in milliseconds: as long as few join, each
/// is numbered at once, and of all lanes together some 150 batches more than usual can leave at the same time.
const UNUSED_MAX_MS: u64 = 250;

/// One lane of an event. What it acknowledged is in its rows; what gathers is lost with its memory and may be sent again.
pub struct LaneActor<P, S> {
    host: Host<P, Lane, S>,
    event_id: EventId,
    index: u32,
    gathering: RefCell<Gathering<Sender<Answer>>>,
    /// Whether the queue knows the event, as far as this lane knows.
    queue_is_told: Cell<bool>,
    /// From when on the lane's share of calls to the queue allows another batch.
    due_at: Cell<Millis>,
    pace: Pace,
    /// The nonce of the batches; 0 when one is to be drawn.
    nonce: Cell<u64>,
    /// The last nonce that was drawn.
    drawn: Cell<u64>,
}

impl<P: Platform, S: Store<Lane, Fault: Display> + 'static> LaneActor<P, S> {
    /// The lane `index` of an event.
    pub fn new(platform: Rc<P>, store: S, event_id: EventId, index: u32) -> Self {
        Self {
            host: Host::new(platform, store),
            event_id,
            index,
            gathering: RefCell::new(Gathering::default()),
            queue_is_told: Cell::new(false),
            due_at: Cell::new(Millis(0)),
            pace: Pace::default(),
            nonce: Cell::new(0),
            drawn: Cell::new(0),
        }
    }

    /// Answers what it is asked.
    ///
    /// # Errors
    /// Storage is broken.
    pub async fn answer(self: &Rc<Self>, question: LaneAsk, trace: &str) -> Result<Answer, Problem> {
        match question {
            LaneAsk::Configure(event) => self.host.execute_now(&Command::Configure(event)),
            LaneAsk::Join(join) => match self.known(&join)? {
                Some(answer) => Ok(answer),
                None => Ok(self.wait(trace, |gathering, waiter| gathering.join(&join, waiter)).await),
            },
            LaneAsk::Leave { number } if self.is_configured()? => {
                Ok(self.wait(trace, |gathering, waiter| gathering.leave(number, waiter)).await)
            }
            LaneAsk::Leave { .. } => Ok(Answer::Refused(Refusal::Unconfigured)),
        }
    }

    fn is_configured(&self) -> Result<bool, Problem> {
        self.host.read(|lane, _| Ok(lane.event().is_some()))
    }

    /// The answer to a caller who needs not wait for a batch.
    fn known(&self, join: &Join) -> Result<Option<Answer>, Problem> {
        if self.gathering.borrow().has(join.caller) {
            return Ok(None);
        }
        let body = match self.host.execute_now(&Command::Join(join.clone()))? {
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
        take_in: impl FnOnce(&mut Gathering<Sender<Answer>>, Sender<Answer>) -> Result<(), (Sender<Answer>, Refusal)>,
    ) -> Answer {
        let (waiter, answer): (_, Receiver<Answer>) = oneshot::channel();
        self.pace.ask(self.host.platform.now());
        let was_at_rest = self.gathering.borrow().is_at_rest();
        if let Err((_, refusal)) = take_in(&mut self.gathering.borrow_mut(), waiter) {
            return Answer::Refused(refusal);
        }
        if was_at_rest {
            self.host.platform.spawn(Rc::clone(self).flush(trace.to_owned()));
        }
        answer.await.unwrap_or(Answer::Refused(Refusal::Overloaded))
    }

    /// Sends what gathers, batch after batch and none too soon after the one before, until the lane is at rest.
    async fn flush(self: Rc<Self>, trace: String) {
        while !self.gathering.borrow().is_at_rest() {
            self.gather().await;
            let Some(batch) = self.depart() else { break };
            match self.number(batch, &trace).await {
                Ok(reply) => self.arrive(&reply, &trace),
                Err(problem) => self.give_up(&problem, &trace),
            }
        }
    }

    /// Waits where many lanes together would otherwise ask the queue more often than it should be asked, where the lane has
    /// used up its share of the last moments, and where many join.
    async fn gather(&self) {
        let lanes = self.host.read(|lane, _| Ok(lane.event().map_or(0, |event| event.queue.lanes))).unwrap_or_default();
        let now = self.host.platform.now();
        let share_ms = gather_ms(lanes);
        // Never later than its share, whatever the clock does.
        let due_at = self.due_at.get().clamp(Millis(now.0.saturating_sub(UNUSED_MAX_MS)), now.plus_ms(share_ms));
        self.due_at.set(due_at.plus_ms(share_ms));
        let wait_ms = due_at.since_ms(now).max(self.pace.wait_ms(now));
        if wait_ms > 0 {
            self.host.platform.pause(wait_ms).await;
        }
    }

    fn depart(&self) -> Option<Batch> {
        let now = self.host.platform.now();
        let drawn = self.host.read(|lane, _| {
            if self.nonce.get() == 0 {
                self.drawn.set(lane.next_nonce(self.drawn.get(), now));
                self.nonce.set(self.drawn.get());
            }
            Ok((self.nonce.get(), lane.next_seq()))
        });
        match drawn {
            Ok((nonce, seq)) => {
                let batch = self.gathering.borrow_mut().depart(self.index, nonce, seq)?;
                self.pace.leave(now);
                Some(batch)
            }
            Err(problem) => {
                let _ = self.gathering.borrow_mut().depart(0, 0, 0);
                self.give_up(&problem, "");
                None
            }
        }
    }

    /// Has a batch numbered. The same batch may arrive several times and has one effect.
    async fn number(&self, batch: Batch, trace: &str) -> Result<BatchReply, Problem> {
        let question = QueueAsk::Command(QueueCommand::Batch(batch));
        let mut pauses = RETRY_AFTER_MS.into_iter();
        loop {
            let problem = match self.ask_queue(&question, trace).await {
                Ok(Answer::Granted { body, .. }) => return Ok(serde_json::from_slice(&body)?),
                Ok(Answer::Refused(refusal)) => return Err(Problem(format!("{refusal:?}"))),
                Err(Fault::Overloaded) => return Err("the queue is overloaded".into()),
                Err(fault) => format!("{fault:?}"),
            };
            let Some(pause) = pauses.next() else { return Err(Problem(problem)) };
            self.host.platform.pause(pause).await;
        }
    }

    async fn ask_queue(&self, question: &QueueAsk, trace: &str) -> Result<Answer, Fault> {
        let queue = Object::Queue(self.event_id.clone());
        let send = async |body: &[u8]| carrier::send(&*self.host.platform, &queue, body).await;
        let event = async || {
            let event = self.host.read(|lane, _| Ok(lane.event().cloned()));
            event.ok().flatten().map(Box::new).ok_or_else(|| Fault::Broken("the lane is not configured".to_owned()))
        };
        ask_configured(&self.queue_is_told, event, async |event| ask_through(&send, trace, event, question).await).await
    }

    /// Stores what the queue answered, then tells everybody who waited.
    fn arrive(&self, reply: &BatchReply, trace: &str) {
        let Some(numbered) = self.gathering.borrow().to_store(reply) else { return };
        match self.host.execute_now(&Command::Numbered(numbered)) {
            Ok(_) => {
                for (waiter, answer) in self.gathering.borrow_mut().arrive(reply) {
                    // A waiter that is gone asks again and finds its place in the table.
                    let _ = waiter.send(answer);
                }
            }
            Err(problem) => self.give_up(&problem, trace),
        }
    }

    /// Tells everybody who waited to come again. The next batch has a new nonce, so that the queue gives up what nobody
    /// was told.
    fn give_up(&self, problem: &Problem, trace: &str) {
        self.nonce.set(0);
        let waiters = self.gathering.borrow_mut().give_up();
        let fields = serde_json::json!({ "problem": problem.to_string(), "waiters": waiters.len() });
        self.host.platform.log(Level::Warn, TraceId::of_traceparent(trace), "batch given up", fields);
        for waiter in waiters {
            let _ = waiter.send(Answer::Refused(Refusal::Overloaded));
        }
    }
}
