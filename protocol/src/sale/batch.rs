//! Questions of several requests to one object in one call: what a call costs is paid once for all of them.
//!
//! While an isolate asks an object now and then, each question goes at once and by itself. Where it asks often, a batch is
//! out, and meanwhile the next one gathers: small ones at low load, large ones at high load. The platform does not let a
//! request wait for what another one does: who is in a batch looks whether the answers are there, first when that is
//! likely and then again and again. The call is made by whoever began the batch and goes on when that request is gone.
//!
//! Each question has one effect however often it arrives, in a batch or not; a call that is lost is one lost message to
//! each that was in it.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use domain::time::Millis;

use super::copies::Recent;
use crate::{
    ask::{Fault, Object},
    limit::within,
};

/// An isolate of the platform asks an object often where it asked it so many times …
pub const OFTEN: usize = 8;
/// … within this, in milliseconds.
const OFTEN_MS: u64 = 50;
/// Questions of a batch, and all their bytes unless the first alone has more.
const QUESTIONS_MAX: usize = 128;
const BYTES_MAX: usize = 256 * 1024;
/// A batch gathers for a third of the time that the last ones took, which is half of a call; for no longer than this, in
/// milliseconds, and at least to the end of the turn.
const GATHER_MAX_MS: u64 = 20;
/// For a batch that is out longer than this the next one does not wait, in milliseconds.
const OUT_MAX_MS: u64 = 250;
/// A batch that was not sent after so long lost the request that began it, in milliseconds: another one in it sends it.
const LOST_MS: u64 = 2 * OUT_MAX_MS;
/// A batch that nobody sent after so long has nobody in it any more, in milliseconds.
const STALE_MS: u64 = 15_000;
/// How soon after a look the next one follows, at least, in milliseconds; later ones after an eighth of what was waited.
const LOOK_MS: u64 = 2;
/// No first look is later, in milliseconds.
const FIRST_LOOK_MAX_MS: u64 = 100;
/// Objects of which an isolate knows how often it asks them.
const TARGETS_MAX: usize = 512;

/// One request that can ask objects.
pub trait Carrier: 'static {
    /// The clock.
    fn now(&self) -> Millis;

    /// Waits.
    fn pause(&self, ms: u64) -> impl Future<Output = ()>;

    /// Starts what goes on when the request is answered or gone.
    fn spawn(&self, task: impl Future<Output = ()> + 'static);

    /// Asks an object in one call; as many answers as questions and in their order, each as [`crate::ask::encode`] wrote it.
    ///
    /// # Errors
    /// There is no answer. The object may have done what was asked all the same.
    fn carry(&self, to: &Object, questions: Vec<Vec<u8>>) -> impl Future<Output = Result<Vec<Vec<u8>>, Fault>>;
}

/// What an isolate has to ask.
#[derive(Debug)]
pub struct Asked {
    often: usize,
    targets: RefCell<Recent<Object, Target>>,
}

/// The same, as the requests of the isolate share it.
pub type Batches = Rc<Asked>;

/// Nothing yet; the first batch is for who asks an object after `often` others within 50 ms.
#[must_use]
pub fn batches(often: usize) -> Batches {
    Rc::new(Asked { often, targets: RefCell::new(Recent::new(TARGETS_MAX)) })
}

/// An object that is asked.
#[derive(Debug, Default)]
pub struct Target {
    /// When it was asked the last few times, the earliest one first.
    asked: VecDeque<Millis>,
    /// Batches that are not sent yet: the first leaves next, others can still be in the last.
    waiting: VecDeque<Rc<Batch>>,
    /// The batch that is out, and since when.
    out: Option<(Rc<Batch>, Millis)>,
    /// From the first question of a batch to its answer, lately, in milliseconds.
    usual_ms: u64,
}

/// Questions that travel together.
#[derive(Debug)]
struct Batch {
    opened_at: Millis,
    /// When somebody last undertook to send it.
    begun_at: Cell<Millis>,
    /// Empty once it is sent.
    questions: RefCell<Vec<Vec<u8>>>,
    bytes: Cell<usize>,
    /// What came of it, each answer until it is fetched.
    answers: RefCell<Option<Result<Vec<Vec<u8>>, Fault>>>,
}

/// How a question goes.
#[derive(Debug)]
enum Turn {
    Alone,
    /// As the one of this number in a batch, which whoever `begins` sends; the answer is there in about `usual_ms`.
    Together {
        batch: Rc<Batch>,
        number: usize,
        begins: bool,
        usual_ms: u64,
    },
}

impl Target {
    fn take_in(&mut self, question: &[u8], now: Millis, often: usize) -> Turn {
        let earliest = if self.asked.len() < often { None } else { self.asked.pop_front() };
        self.asked.push_back(now);
        let (batch, begins) = match self.waiting.back() {
            Some(batch) if batch.has_room(question) && !batch.is_stale(now) => (Rc::clone(batch), batch.is_lost(now)),
            _ if earliest.is_some_and(|at| now.since_ms(at) < OFTEN_MS) => {
                let batch = Rc::new(Batch::new(now));
                self.waiting.push_back(Rc::clone(&batch));
                (batch, true)
            }
            _ => return Turn::Alone,
        };
        let number = batch.add(question);
        let usual_ms = self.usual_ms.saturating_sub(now.since_ms(batch.opened_at));
        Turn::Together { batch, number, begins, usual_ms }
    }

    /// Whether a batch has to wait: for the one that is out, or for one that came before.
    fn must_wait(&mut self, batch: &Rc<Batch>, now: Millis) -> bool {
        while self.waiting.front().is_some_and(|first| first.is_stale(now)) {
            self.waiting.pop_front();
        }
        self.out.as_ref().is_some_and(|(_, since)| now.since_ms(*since) < OUT_MAX_MS)
            || self.waiting.front().is_some_and(|first| !Rc::ptr_eq(first, batch) && !first.seems_lost(now))
    }

    fn depart(&mut self, batch: &Rc<Batch>, now: Millis) {
        self.waiting.retain(|waiting| !Rc::ptr_eq(waiting, batch));
        self.out = Some((Rc::clone(batch), now));
    }

    fn arrive(&mut self, batch: &Rc<Batch>, now: Millis) {
        self.out.take_if(|(out, _)| Rc::ptr_eq(out, batch));
        // One that took for ever says little of the next.
        let took_ms = now.since_ms(batch.opened_at).min(OUT_MAX_MS);
        self.usual_ms = if self.usual_ms == 0 { took_ms } else { (3 * self.usual_ms + took_ms) / 4 };
    }
}

impl Batch {
    const fn new(now: Millis) -> Self {
        Self {
            opened_at: now,
            begun_at: Cell::new(now),
            questions: RefCell::new(Vec::new()),
            bytes: Cell::new(0),
            answers: RefCell::new(None),
        }
    }

    fn has_room(&self, question: &[u8]) -> bool {
        self.questions.borrow().len() < QUESTIONS_MAX && self.bytes.get() + question.len() <= BYTES_MAX
    }

    fn add(&self, question: &[u8]) -> usize {
        self.bytes.set(self.bytes.get() + question.len());
        let mut questions = self.questions.borrow_mut();
        questions.push(question.to_vec());
        questions.len() - 1
    }

    /// Whether its questions have left. It has at least one as soon as anybody can look at it.
    fn is_sent(&self) -> bool {
        self.questions.borrow().is_empty()
    }

    fn is_stale(&self, now: Millis) -> bool {
        now.since_ms(self.opened_at) >= STALE_MS
    }

    fn seems_lost(&self, now: Millis) -> bool {
        now.since_ms(self.begun_at.get()) >= LOST_MS
    }

    /// Whether nobody will send it but who asks; who asks undertakes to.
    fn is_lost(&self, now: Millis) -> bool {
        let lost = !self.is_sent() && self.seems_lost(now);
        if lost {
            self.begun_at.set(now);
        }
        lost
    }

    fn answer(&self, number: usize) -> Option<Result<Vec<u8>, Fault>> {
        self.answers.borrow_mut().as_mut().map(|answers| match answers {
            Ok(answers) => Ok(std::mem::take(&mut answers[number])),
            Err(fault) => Err(fault.clone()),
        })
    }
}

/// Asks an object, in a batch where it is asked often. Nobody waits longer than `patience_ms`.
///
/// # Errors
/// There is no answer.
pub async fn send<C: Carrier>(
    batches: &Batches,
    carrier: &Rc<C>,
    to: &Object,
    question: &[u8],
    patience_ms: u64,
) -> Result<Vec<u8>, Fault> {
    let turn = target(batches, to, |target| target.take_in(question, carrier.now(), batches.often));
    match turn {
        Turn::Alone => carry(&**carrier, to, vec![question.to_vec()], patience_ms).await.map(|mut answers| answers.remove(0)),
        Turn::Together { batch, number, begins, usual_ms } => {
            let undertake = || {
                let (batches, sender, to, batch) = (Rc::clone(batches), Rc::clone(carrier), to.clone(), Rc::clone(&batch));
                carrier.spawn(async move { dispatch(&batches, &*sender, &to, &batch, patience_ms).await });
            };
            if begins {
                undertake();
            }
            look_for(&**carrier, &batch, number, usual_ms, patience_ms, undertake).await
        }
    }
}

fn target<R>(batches: &Batches, to: &Object, work: impl FnOnce(&mut Target) -> R) -> R {
    work(batches.targets.borrow_mut().get_or_insert_with(to, Target::default))
}

async fn carry<C: Carrier>(carrier: &C, to: &Object, questions: Vec<Vec<u8>>, patience_ms: u64) -> Result<Vec<Vec<u8>>, Fault> {
    within(carrier.pause(patience_ms), carrier.carry(to, questions)).await.unwrap_or(Err(Fault::TimedOut))
}

/// Sends a batch when it has gathered, and not before the one before is back.
async fn dispatch<C: Carrier>(batches: &Batches, carrier: &C, to: &Object, batch: &Rc<Batch>, patience_ms: u64) {
    let usual_ms = target(batches, to, |target| target.usual_ms);
    carrier.pause(GATHER_MAX_MS.min(usual_ms / 3)).await;
    while !batch.is_sent() && target(batches, to, |target| target.must_wait(batch, carrier.now())) {
        carrier.pause(LOOK_MS).await;
    }
    let questions = batch.questions.take();
    if questions.is_empty() {
        return;
    }
    target(batches, to, |target| target.depart(batch, carrier.now()));
    let answers = carry(carrier, to, questions, patience_ms).await;
    target(batches, to, |target| target.arrive(batch, carrier.now()));
    *batch.answers.borrow_mut() = Some(answers);
}

/// Looks for the answer to a question in a batch until it is there. If nobody sends the batch, whoever looks undertakes to.
async fn look_for<C: Carrier>(
    carrier: &C,
    batch: &Batch,
    number: usize,
    usual_ms: u64,
    patience_ms: u64,
    undertake: impl Fn(),
) -> Result<Vec<u8>, Fault> {
    let began = carrier.now();
    let mut pause_ms = usual_ms.clamp(LOOK_MS, FIRST_LOOK_MAX_MS);
    loop {
        carrier.pause(pause_ms).await;
        if let Some(answer) = batch.answer(number) {
            return answer;
        }
        let now = carrier.now();
        let waited_ms = now.since_ms(began);
        if waited_ms >= patience_ms {
            return Err(Fault::TimedOut);
        }
        if batch.is_lost(now) {
            undertake();
        }
        pause_ms = LOOK_MS.max(waited_ms / 8).min(patience_ms - waited_ms);
    }
}

#[cfg(test)]
mod tests;
