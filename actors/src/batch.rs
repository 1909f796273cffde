//! Questions of several requests to one object in one call: what a call costs is paid once for all of them.
//!
//! A question goes at once and alone, unless some calls of this isolate to the object are out already, or many
//! ask and the last one has only just left. Then it waits, and leaves with all that waited: the more ask, the more travel
//! together. Whoever has waited longest sends; the others are woken when their answers are there.
//!
//! The platform lets no request go on in the name of another one: it is woken by a [`Carrier::bell`] of its own, and goes
//! on by itself. A request that waits has a timer, too. If whoever should send is gone, the first whose timer runs out sends.
//! In an object all live and die together, and need none: whoever gives up makes room for the next.
//!
//! Each question has one effect however often it arrives, in a batch or not; a call that is lost is one lost message to
//! each that was in it.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    rc::Rc,
};

use domain::{event::Event, machine::Answer, time::Millis};
use serde::Serialize;

use crate::{
    ask::{Company, Fault, Object, ask_through},
    carrier::{ASK_MAX_MS, Bell, Carrier},
    limit::within,
    pace::Pace,
    recent::Recent,
};

/// Calls of an isolate of the platform to one object that are out before questions wait for company.
pub const CALLS_MAX: usize = 2;
/// Questions of a batch, and all their bytes unless the first alone has more.
const QUESTIONS_MAX: usize = 128;
const BYTES_MAX: usize = 256 * 1024;
/// Where others may be gone, nobody waits longer for their calls, in milliseconds.
const WAIT_MAX_MS: u64 = 500;
/// A call has at least this long, in milliseconds, however little time is left to whoever makes it: others are in it.
const CALL_MIN_MS: u64 = 5000;
/// Objects, each by company, of which an isolate knows what it asks them.
const TARGETS_MAX: usize = 512;

/// What an isolate has to ask.
#[derive(Debug)]
pub struct Asked {
    calls_max: usize,
    patience_ms: u64,
    targets: RefCell<Recent<(Object, Company), Rc<Target>>>,
}

/// The same, as the requests of the isolate share it.
pub type Batches = Rc<Asked>;

/// Nothing yet. Questions wait for company where `calls_max` calls to their object are out, and for `patience_ms` for their answers.
#[must_use]
pub fn batches(calls_max: usize, patience_ms: u64) -> Batches {
    Rc::new(Asked { calls_max, patience_ms, targets: RefCell::new(Recent::new(TARGETS_MAX)) })
}

/// An object that is asked.
#[derive(Debug)]
struct Target {
    calls_max: usize,
    /// When each call that is out left.
    out: RefCell<Vec<Millis>>,
    pace: Pace,
    /// Who waits, in the order in which they came.
    waiting: RefCell<VecDeque<Rc<Waiting>>>,
}

/// A question and whoever waits for its answer.
#[derive(Default)]
struct Waiting {
    /// Until it is sent.
    question: RefCell<Vec<u8>>,
    sent: Cell<bool>,
    answer: Cell<Option<Result<Vec<u8>, Fault>>>,
    bell: Cell<Option<Bell>>,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("sent", &self.sent).finish_non_exhaustive()
    }
}

impl Waiting {
    fn wake(&self) {
        if let Some(bell) = self.bell.take() {
            bell();
        }
    }
}

/// One who waits. Gone before the question is sent, they make room for the next.
struct Place<'a> {
    target: &'a Target,
    waiting: Rc<Waiting>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.waiting.sent.get() {
            self.target.waiting.borrow_mut().retain(|other| !Rc::ptr_eq(other, &self.waiting));
            self.target.call_next();
        }
    }
}

impl Target {
    fn new(calls_max: usize) -> Self {
        Self { calls_max, out: RefCell::default(), pace: Pace::default(), waiting: RefCell::default() }
    }

    fn has_room(&self) -> bool {
        self.out.borrow().len() < self.calls_max
    }

    /// For how long this one must wait before it sends, in milliseconds; none where that is for others to do.
    fn sends_in_ms(&self, own: &Rc<Waiting>, now: Millis) -> Option<u64> {
        let is_first = self.waiting.borrow().front().is_some_and(|first| Rc::ptr_eq(first, own));
        (is_first && self.has_room()).then(|| self.pace.wait_ms(now))
    }

    /// Those who have waited longest, as many as go into a call.
    fn depart(&self, now: Millis) -> Vec<Rc<Waiting>> {
        let mut bytes = 0;
        let mut queue = self.waiting.borrow_mut();
        let fits = |(index, waiting): &(usize, &Rc<Waiting>)| {
            bytes += waiting.question.borrow().len();
            *index == 0 || (*index < QUESTIONS_MAX && bytes <= BYTES_MAX)
        };
        let count = queue.iter().enumerate().take_while(fits).count();
        let batch: Vec<Rc<Waiting>> = queue.drain(..count).collect();
        batch.iter().for_each(|waiting| waiting.sent.set(true));
        self.out.borrow_mut().push(now);
        self.pace.leave(now);
        batch
    }

    /// A call that left at `since` is back, and all that are older than any may be never come back.
    fn arrive(&self, since: Millis, now: Millis) {
        let mut out = self.out.borrow_mut();
        if let Some(index) = out.iter().position(|at| *at == since) {
            out.swap_remove(index);
        }
        out.retain(|at| now.since_ms(*at) < ASK_MAX_MS);
    }

    /// If there is room for another call, whoever has waited longest makes it.
    fn call_next(&self) {
        if self.has_room()
            && let Some(first) = self.waiting.borrow().front()
        {
            first.wake();
        }
    }
}

/// Asks an object as [`crate::carrier::ask`] does, in one call with what others of its company ask at the time, and tells it of the
/// event where one is given.
///
/// # Errors
/// There is no answer.
pub async fn ask<C: Carrier, A: Serialize>(
    batches: &Asked,
    carrier: &C,
    to: &Object,
    company: Company,
    trace: &str,
    event: Option<&Event>,
    ask: &A,
) -> Result<Answer, Fault> {
    let began = carrier.now();
    let send = async |body: &[u8]| {
        let left_ms = batches.patience_ms.saturating_sub(carrier.now().since_ms(began));
        send(batches, carrier, to, company, body.to_vec(), left_ms).await
    };
    ask_through(send, trace, event, ask).await
}

/// Sends a question to an object, together with others where many calls to it are out. Nobody waits longer than `patience_ms`, but
/// for a call of their own.
///
/// # Errors
/// There is no answer.
pub async fn send<C: Carrier>(
    batches: &Asked,
    carrier: &C,
    to: &Object,
    company: Company,
    question: Vec<u8>,
    patience_ms: u64,
) -> Result<Vec<u8>, Fault> {
    let key = (to.clone(), company);
    let target = Rc::clone(batches.targets.borrow_mut().get_or_insert_with(&key, || Rc::new(Target::new(batches.calls_max))));
    let began = carrier.now();
    let own = Rc::new(Waiting { question: RefCell::new(question), ..Waiting::default() });
    target.pace.ask(began);
    target.waiting.borrow_mut().push_back(Rc::clone(&own));
    let _place = Place { target: &target, waiting: Rc::clone(&own) };
    let mut now = began;
    loop {
        let waited_ms = now.since_ms(began);
        let left_ms = patience_ms.saturating_sub(waited_ms);
        // Whoever should have sent is gone, once it takes too long.
        let sends_in_ms = if waited_ms < WAIT_MAX_MS { target.sends_in_ms(&own, now) } else { Some(0) };
        match sends_in_ms.filter(|_| !own.sent.get()) {
            Some(0) => dispatch(&target, carrier, to, now, left_ms.max(CALL_MIN_MS)).await,
            turn_in_ms => {
                let (bell, rung) = carrier.bell();
                own.bell.set(Some(bell));
                if let Some(turn_in_ms) = turn_in_ms {
                    let _ = within(carrier.pause(turn_in_ms.min(left_ms)), rung).await;
                } else {
                    let ms = if own.sent.get() { left_ms } else { left_ms.min(WAIT_MAX_MS.saturating_sub(waited_ms)) };
                    let _ = within(carrier.abandoned(ms), rung).await;
                }
            }
        }
        if let Some(answer) = own.answer.take() {
            return answer;
        }
        now = carrier.now();
        if now.since_ms(began) >= patience_ms {
            return Err(Fault::TimedOut);
        }
    }
}

/// Sends for those who have waited longest, and tells them what came of it.
async fn dispatch<C: Carrier>(target: &Target, carrier: &C, to: &Object, since: Millis, limit_ms: u64) {
    let batch = target.depart(since);
    // There may be more than go into a call.
    target.call_next();
    let questions = batch.iter().map(|waiting| waiting.question.take()).collect();
    let answers = within(carrier.pause(limit_ms), carrier.carry(to, questions)).await.unwrap_or(Err(Fault::TimedOut));
    target.arrive(since, carrier.now());
    target.call_next();
    let answers: Vec<_> = match answers {
        Ok(answers) if answers.len() == batch.len() => answers.into_iter().map(Ok).collect(),
        Ok(_) => vec![Err(Fault::Broken("not as many answers".to_owned())); batch.len()],
        Err(fault) => vec![Err(fault); batch.len()],
    };
    for (waiting, answer) in batch.iter().zip(answers) {
        waiting.answer.set(Some(answer));
        waiting.wake();
    }
}

#[cfg(test)]
mod tests;
