//! Questions of several requests to one object in one call: what a call costs is paid once for all of them.
//!
//! A question goes at once and alone, unless some calls of this isolate to the object are out already. Then it waits until
//! one of them is back, and leaves with all that waited: the busier an object is, the more travel together, and nobody waits
//! by the clock. Whoever has waited longest sends; the others are woken when their answers are there.
//!
//! The platform lets no request go on in the name of another one: it is woken by a [`Carrier::bell`] of its own, and goes
//! on by itself. A request that waits has a timer, too. If whoever should send is gone, the first whose timer runs out sends.
//!
//! Each question has one effect however often it arrives, in a batch or not; a call that is lost is one lost message to
//! each that was in it.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    rc::Rc,
};

use domain::time::Millis;

use super::copies::Recent;
use crate::{
    ask::{Fault, Object},
    limit::within,
};

/// Calls of an isolate of the platform to one object that are out before questions wait for company.
pub const CALLS_MAX: usize = 2;
/// Questions of a batch, and all their bytes unless the first alone has more.
const QUESTIONS_MAX: usize = 128;
const BYTES_MAX: usize = 256 * 1024;
/// Nobody waits longer for the calls of others, in milliseconds.
const WAIT_MAX_MS: u64 = 500;
/// Objects of which an isolate knows what it asks them.
const TARGETS_MAX: usize = 512;

/// Wakes the request that it was made for, from any other.
pub type Bell = Box<dyn FnOnce()>;

/// One request that can ask objects.
pub trait Carrier {
    /// The clock.
    fn now(&self) -> Millis;

    /// Waits.
    fn pause(&self, ms: u64) -> impl Future<Output = ()>;

    /// A bell that any request of the isolate can ring, and what is over when it was.
    fn bell(&self) -> (Bell, impl Future<Output = ()>);

    /// Asks an object in one call; as many answers as questions and in their order, each as [`crate::ask::encode`] wrote it.
    ///
    /// # Errors
    /// There is no answer. The object may have done what was asked all the same.
    fn carry(&self, to: &Object, questions: Vec<Vec<u8>>) -> impl Future<Output = Result<Vec<Vec<u8>>, Fault>>;
}

/// What an isolate has to ask.
#[derive(Debug)]
pub struct Asked {
    calls_max: usize,
    targets: RefCell<Recent<Object, Rc<Target>>>,
}

/// The same, as the requests of the isolate share it.
pub type Batches = Rc<Asked>;

/// Nothing yet; questions wait for company where `calls_max` calls to their object are out.
#[must_use]
pub fn batches(calls_max: usize) -> Batches {
    Rc::new(Asked { calls_max, targets: RefCell::new(Recent::new(TARGETS_MAX)) })
}

/// An object that is asked.
#[derive(Debug)]
struct Target {
    calls_max: usize,
    /// When each call that is out left.
    out: RefCell<Vec<Millis>>,
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

impl Target {
    fn new(calls_max: usize) -> Self {
        Self { calls_max, out: RefCell::default(), waiting: RefCell::default() }
    }

    fn has_room(&self) -> bool {
        self.out.borrow().len() < self.calls_max
    }

    /// Takes a question in; whether it may go at once.
    fn take_in(&self, waiting: &Rc<Waiting>) -> bool {
        let mut queue = self.waiting.borrow_mut();
        queue.push_back(Rc::clone(waiting));
        queue.len() == 1 && self.has_room()
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
        batch
    }

    /// A call that left at `since` is back, and all that are older than `patience_ms` never come back.
    fn arrive(&self, since: Millis, now: Millis, patience_ms: u64) {
        let mut out = self.out.borrow_mut();
        if let Some(index) = out.iter().position(|at| *at == since) {
            out.swap_remove(index);
        }
        out.retain(|at| now.since_ms(*at) < patience_ms);
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

/// Asks an object, together with others where many calls to it are out. Nobody waits longer than `patience_ms`.
///
/// # Errors
/// There is no answer.
pub async fn send<C: Carrier>(
    batches: &Asked,
    carrier: &C,
    to: &Object,
    question: Vec<u8>,
    patience_ms: u64,
) -> Result<Vec<u8>, Fault> {
    let target = Rc::clone(batches.targets.borrow_mut().get_or_insert_with(to, || Rc::new(Target::new(batches.calls_max))));
    let began = carrier.now();
    let own = Rc::new(Waiting { question: RefCell::new(question), ..Waiting::default() });
    let mut sends = target.take_in(&own);
    loop {
        let left_ms = patience_ms.saturating_sub(carrier.now().since_ms(began));
        if sends && !own.sent.get() {
            dispatch(&target, carrier, to, left_ms).await;
        } else {
            let (bell, rung) = carrier.bell();
            own.bell.set(Some(bell));
            let wait_ms = if own.sent.get() { left_ms } else { left_ms.min(WAIT_MAX_MS) };
            let _ = within(carrier.pause(wait_ms), rung).await;
        }
        if let Some(answer) = own.answer.take() {
            return answer;
        }
        if carrier.now().since_ms(began) >= patience_ms {
            return Err(Fault::TimedOut);
        }
        // It was woken to send, or nobody did for too long.
        sends = true;
    }
}

/// Sends for those who have waited longest, and tells them what came of it.
async fn dispatch<C: Carrier>(target: &Target, carrier: &C, to: &Object, patience_ms: u64) {
    let since = carrier.now();
    let batch = target.depart(since);
    // There may be more than go into a call.
    target.call_next();
    let questions = batch.iter().map(|waiting| waiting.question.take()).collect();
    let answers = within(carrier.pause(patience_ms), carrier.carry(to, questions)).await.unwrap_or(Err(Fault::TimedOut));
    target.arrive(since, carrier.now(), patience_ms);
    target.call_next();
    let answers: Vec<_> = match answers {
        Ok(answers) => answers.into_iter().map(Ok).collect(),
        Err(fault) => vec![Err(fault); batch.len()],
    };
    for (waiting, answer) in batch.iter().zip(answers) {
        waiting.answer.set(Some(answer));
        waiting.wake();
    }
}

#[cfg(test)]
mod tests;
