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
mod tests {
    use std::{
        pin::Pin,
        task::{Context, Poll, Waker},
    };

    use domain::id::EventId;
    use futures_channel::oneshot;

    use super::*;

    const PATIENCE_MS: u64 = 15_000;

    type Task = Pin<Box<dyn Future<Output = ()>>>;
    type Outcome = Rc<RefCell<Option<Result<Vec<u8>, Fault>>>>;
    type Call = (Vec<Vec<u8>>, oneshot::Sender<Result<Vec<Vec<u8>>, Fault>>);

    /// An isolate whose clock is moved by hand, and the calls that it made.
    #[derive(Default)]
    struct Isolate {
        now: Cell<u64>,
        tasks: RefCell<Vec<(u64, Task)>>,
        calls: RefCell<Vec<Call>>,
        pauses: Cell<u64>,
    }

    /// One request of it.
    struct Request(Rc<Isolate>, u64);

    impl Carrier for Request {
        fn now(&self) -> Millis {
            Millis(self.0.now.get())
        }

        async fn pause(&self, ms: u64) {
            self.0.pauses.set(self.0.pauses.get() + 1);
            let (over, mut seen) = (self.0.now.get() + ms, false);
            std::future::poll_fn(|_| {
                let ready = seen && self.0.now.get() >= over;
                seen = true;
                if ready { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }

        fn spawn(&self, task: impl Future<Output = ()> + 'static) {
            self.0.tasks.borrow_mut().push((self.1, Box::pin(task)));
        }

        async fn carry(&self, _to: &Object, questions: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Fault> {
            let (reply, answered) = oneshot::channel();
            self.0.calls.borrow_mut().push((questions, reply));
            answered.await.unwrap_or_else(|_| Err(Fault::Unavailable("lost".to_owned())))
        }
    }

    struct Scene {
        isolate: Rc<Isolate>,
        batches: Batches,
        requests: Cell<u64>,
    }

    impl Scene {
        fn open() -> Self {
            let isolate = Rc::new(Isolate { now: Cell::new(1_000_000), ..Isolate::default() });
            Self { isolate, batches: batches(OFTEN), requests: Cell::new(0) }
        }

        /// A request that asks `text`; it is not looked at before the next turn.
        fn ask(&self, text: &str) -> Outcome {
            let outcome = Outcome::default();
            let (batches, told, text) = (Rc::clone(&self.batches), Rc::clone(&outcome), text.as_bytes().to_vec());
            self.requests.set(self.requests.get() + 1);
            let request = Rc::new(Request(Rc::clone(&self.isolate), self.requests.get()));
            let to = Object::Queue(EventId::parse("evt_1").expect("valid"));
            let work = async move {
                let answer = send(&batches, &request, &to, &text, PATIENCE_MS).await;
                *told.borrow_mut() = Some(answer);
            };
            self.isolate.tasks.borrow_mut().push((self.requests.get(), Box::pin(work)));
            outcome
        }

        /// The last request is gone with all that it began.
        fn cut(&self) {
            self.isolate.tasks.borrow_mut().retain(|(request, _)| *request != self.requests.get());
        }

        /// Everybody goes on as far as they can, then so much time passes.
        fn turn(&self, ms: u64) {
            let mut context = Context::from_waker(Waker::noop());
            let mut left = Vec::new();
            loop {
                let tasks = self.isolate.tasks.take();
                if tasks.is_empty() {
                    break;
                }
                left.extend(
                    tasks.into_iter().filter_map(|(request, mut task)| {
                        task.as_mut().poll(&mut context).is_pending().then_some((request, task))
                    }),
                );
            }
            self.isolate.tasks.replace(left);
            self.isolate.now.set(self.isolate.now.get() + ms);
        }

        /// What the calls since the last look carried.
        fn carried(&self) -> Vec<String> {
            let calls = self.isolate.calls.borrow();
            let words = |questions: &[Vec<u8>]| {
                questions.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect::<Vec<_>>()
            };
            calls.iter().map(|(questions, _)| words(questions).join(" ")).collect()
        }

        /// Answers every call: each question with itself in brackets.
        fn answer(&self) {
            for (questions, reply) in self.isolate.calls.take() {
                let _ = reply.send(Ok(questions.iter().map(|text| [b"<", &text[..], b">"].concat()).collect()));
            }
        }

        /// Asks until the object counts as asked often.
        fn busy() -> Self {
            let scene = Self::open();
            (0..OFTEN).for_each(|_| drop(scene.ask("a")));
            scene.turn(1);
            assert_eq!(scene.carried(), ["a"; OFTEN]);
            scene.answer();
            scene.turn(0);
            scene
        }
    }

    fn told(outcome: &Outcome) -> Option<Result<String, Fault>> {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        outcome.borrow().clone().map(|answer| answer.map(text))
    }

    fn granted(text: &str) -> Option<Result<String, Fault>> {
        Some(Ok(text.to_owned()))
    }

    #[test]
    fn who_asks_now_and_then_asks_alone_and_at_once() {
        let scene = Scene::open();
        let outcomes: Vec<Outcome> = ["a", "b", "c", "d"]
            .into_iter()
            .map(|text| {
                let outcome = scene.ask(text);
                scene.turn(OFTEN_MS / 4);
                outcome
            })
            .collect();
        assert_eq!(scene.carried(), ["a", "b", "c", "d"]);
        scene.answer();
        scene.turn(0);
        assert_eq!(outcomes.iter().map(told).collect::<Vec<_>>(), ["<a>", "<b>", "<c>", "<d>"].map(granted));
    }

    #[test]
    fn those_of_one_turn_go_together_and_each_hears_its_own_answer() {
        let scene = Scene::busy();
        let outcomes = ["c", "d", "e"].map(|text| scene.ask(text));
        scene.turn(1);
        scene.turn(0);
        assert_eq!(scene.carried(), ["c d e"]);
        scene.answer();
        scene.turn(LOOK_MS);
        scene.turn(LOOK_MS);
        assert_eq!(outcomes.each_ref().map(told), ["<c>", "<d>", "<e>"].map(granted));
    }

    #[test]
    fn while_a_batch_is_out_the_next_one_gathers_but_not_for_long() {
        let scene = Scene::busy();
        scene.ask("c");
        scene.turn(1);
        scene.turn(1);
        let gathered = ["d", "e"].map(|text| scene.ask(text));
        scene.turn(OUT_MAX_MS / 2);
        scene.turn(0);
        assert_eq!(scene.carried(), ["c"]);
        scene.answer();
        scene.turn(LOOK_MS);
        scene.turn(0);
        assert_eq!(scene.carried(), ["d e"]);

        // Some go by themselves: it was quiet.
        (0..OFTEN).for_each(|_| drop(scene.ask("f")));
        scene.ask("g");
        scene.turn(OUT_MAX_MS);
        assert!(!scene.carried().contains(&"g".to_owned()));
        scene.turn(0);
        assert_eq!(scene.carried().last().map(String::as_str), Some("g"));
        scene.answer();
        scene.turn(OUT_MAX_MS);
        scene.turn(0);
        assert_eq!(gathered.each_ref().map(told), ["<d>", "<e>"].map(granted));
    }

    #[test]
    fn a_batch_is_bounded_by_number_and_by_size() {
        let scene = Scene::busy();
        for _ in 0..=QUESTIONS_MAX {
            scene.ask("x");
        }
        scene.turn(1);
        scene.turn(0);
        let counts =
            |scene: &Scene| scene.isolate.calls.borrow().iter().map(|(questions, _)| questions.len()).collect::<Vec<_>>();
        assert_eq!(counts(&scene), [QUESTIONS_MAX]);
        scene.answer();
        scene.turn(LOOK_MS);
        scene.turn(0);
        assert_eq!(counts(&scene), [1]);
        scene.answer();
        scene.turn(0);
        let large = "y".repeat(BYTES_MAX / 2);
        for text in [&large[..], &large, "z"] {
            scene.ask(text);
        }
        scene.turn(1);
        scene.turn(0);
        assert_eq!(counts(&scene), [2]);
        scene.answer();
        scene.turn(LOOK_MS);
        scene.turn(0);
        assert_eq!(counts(&scene), [1]);
    }

    #[test]
    fn a_call_that_fails_fails_for_all_in_it() {
        let scene = Scene::busy();
        let outcomes = ["c", "d"].map(|text| scene.ask(text));
        scene.turn(1);
        scene.turn(LOOK_MS);
        scene.isolate.calls.take();
        scene.turn(LOOK_MS);
        scene.turn(0);
        let lost = Some(Err(Fault::Unavailable("lost".to_owned())));
        assert_eq!(outcomes.each_ref().map(told), [lost.clone(), lost]);
    }

    #[test]
    fn a_batch_whose_first_is_gone_is_sent_by_another_one_in_it() {
        let scene = Scene::busy();
        scene.ask("c");
        scene.turn(0);
        scene.cut();
        let second = scene.ask("d");
        for _ in 0..LOST_MS / 10 - 1 {
            scene.turn(10);
        }
        assert!(scene.carried().is_empty());
        let third = scene.ask("e");
        for _ in 0..20 {
            scene.turn(10);
        }
        assert_eq!(scene.carried(), ["c d e"]);
        scene.answer();
        scene.turn(LOST_MS);
        scene.turn(0);
        assert_eq!([told(&second), told(&third)], ["<d>", "<e>"].map(granted));
    }

    #[test]
    fn a_batch_with_nobody_in_it_any_more_goes_nowhere() {
        let scene = Scene::busy();
        scene.ask("c");
        scene.turn(0);
        scene.cut();
        scene.turn(STALE_MS);
        (0..OFTEN).for_each(|_| drop(scene.ask("d")));
        scene.ask("e");
        scene.turn(1);
        scene.turn(0);
        assert_eq!(scene.carried(), [["d"; OFTEN].as_slice(), &["e"]].concat());
    }

    #[test]
    fn batches_leave_in_the_order_in_which_they_began() {
        let scene = Scene::busy();
        let texts: Vec<String> = (0..3 * QUESTIONS_MAX).map(|number| number.to_string()).collect();
        texts.iter().for_each(|text| drop(scene.ask(text)));
        scene.turn(0);
        // Whoever began later looks first.
        scene.isolate.tasks.borrow_mut().reverse();
        let mut firsts = Vec::new();
        for _ in 0..3 {
            scene.turn(GATHER_MAX_MS);
            scene.turn(LOOK_MS);
            scene.turn(0);
            firsts.extend(scene.carried().iter().map(|call| call.split(' ').next().expect("one").to_owned()));
            scene.answer();
        }
        assert_eq!(firsts, [0, QUESTIONS_MAX, 2 * QUESTIONS_MAX].map(|number| number.to_string()));
    }

    #[test]
    fn nobody_waits_for_ever_nor_looks_too_often() {
        let scene = Scene::busy();
        let outcome = scene.ask("c");
        let patient = (0..2 * PATIENCE_MS).take_while(|_| {
            scene.turn(1);
            told(&outcome).is_none()
        });
        let waited_ms = u64::try_from(patient.count()).expect("few");
        assert_eq!(told(&outcome), Some(Err(Fault::TimedOut)));
        assert!((PATIENCE_MS..PATIENCE_MS + 10).contains(&waited_ms), "{waited_ms}");
        assert!((50..100).contains(&scene.isolate.pauses.get()), "{}", scene.isolate.pauses.get());
    }
}
