//! An isolate with a clock moved by hand: what goes together, in which order, and what becomes of those in it.

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
                tasks
                    .into_iter()
                    .filter_map(|(request, mut task)| task.as_mut().poll(&mut context).is_pending().then_some((request, task))),
            );
        }
        self.isolate.tasks.replace(left);
        self.isolate.now.set(self.isolate.now.get() + ms);
    }

    /// What the calls since the last look carried.
    fn carried(&self) -> Vec<String> {
        let calls = self.isolate.calls.borrow();
        let words =
            |questions: &[Vec<u8>]| questions.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect::<Vec<_>>();
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
    let counts = |scene: &Scene| scene.isolate.calls.borrow().iter().map(|(questions, _)| questions.len()).collect::<Vec<_>>();
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
