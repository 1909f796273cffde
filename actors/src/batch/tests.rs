//! An isolate with a clock moved by hand: what goes together, in which order, and what becomes of those in it.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use domain::id::EventId;
use futures_channel::oneshot;

use super::*;

const PATIENCE_MS: u64 = 15_000;
/// The longest time from one call to the next where many ask.
const GAP_MAX_MS: u64 = 10;

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
    /// Whether all live and die together.
    is_object: Cell<bool>,
    /// The request that goes on now.
    current: Cell<u64>,
}

/// One request of it.
struct Request(Rc<Isolate>, u64);

impl Request {
    /// Nobody goes on in another one's name.
    fn is_current(&self) {
        assert_eq!(self.0.current.get(), self.1);
    }
}

impl Carrier for Request {
    fn now(&self) -> Millis {
        Millis(self.0.now.get())
    }

    async fn pause(&self, ms: u64) {
        self.0.pauses.set(self.0.pauses.get() + 1);
        let over = self.0.now.get() + ms;
        std::future::poll_fn(|_| if self.0.now.get() >= over { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    async fn abandoned(&self, ms: u64) {
        if self.0.is_object.get() {
            std::future::pending().await
        }
        self.pause(ms).await;
    }

    fn bell(&self) -> (Bell, impl Future<Output = ()>) {
        self.is_current();
        let rung = Rc::new(Cell::new(false));
        let ring = Rc::clone(&rung);
        let listen = std::future::poll_fn(move |_| if rung.get() { Poll::Ready(()) } else { Poll::Pending });
        (Box::new(move || ring.set(true)), listen)
    }

    async fn carry(&self, _to: &Object, questions: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Fault> {
        self.is_current();
        let (reply, answered) = oneshot::channel();
        self.0.calls.borrow_mut().push((questions, reply));
        let mut answered = pin!(answered);
        let answer = std::future::poll_fn(|context| answered.as_mut().poll(context)).await;
        answer.unwrap_or_else(|_| Err(Fault::Unavailable("lost".to_owned())))
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
        Self { isolate, batches: batches(CALLS_MAX, PATIENCE_MS), requests: Cell::new(0) }
    }

    /// A request that asks `text`; it is not looked at before the next turn.
    fn ask(&self, text: &str) -> Outcome {
        self.ask_with(Company::Itself, text)
    }

    fn ask_with(&self, company: Company, text: &str) -> Outcome {
        let outcome = Outcome::default();
        let (batches, told, text) = (Rc::clone(&self.batches), Rc::clone(&outcome), text.as_bytes().to_vec());
        self.requests.set(self.requests.get() + 1);
        let request = Request(Rc::clone(&self.isolate), self.requests.get());
        let to = Object::Queue(EventId::parse("evt_1").expect("valid"));
        let work = async move {
            let answer = send(&batches, &request, &to, company, text, PATIENCE_MS).await;
            *told.borrow_mut() = Some(answer);
        };
        self.isolate.tasks.borrow_mut().push((self.requests.get(), Box::pin(work)));
        outcome
    }

    /// A request is gone with all that it began.
    fn cut(&self, gone: u64) {
        // As on the platform nothing of it is dropped, and nothing of it goes on.
        let tasks = self.isolate.tasks.take();
        let (cut, left) = tasks.into_iter().partition(|(request, _)| *request == gone);
        self.isolate.tasks.replace(left);
        std::mem::forget::<Vec<(u64, Task)>>(cut);
    }

    /// So much time passes, then everybody goes on as far as they can.
    fn turn(&self, ms: u64) {
        self.isolate.now.set(self.isolate.now.get() + ms);
        // Who is woken by others may have been looked at before them.
        for _ in 0..4 {
            let mut context = Context::from_waker(Waker::noop());
            let pending = |(request, task): &mut (u64, Task)| {
                self.isolate.current.set(*request);
                task.as_mut().poll(&mut context).is_pending()
            };
            let mut tasks = self.isolate.tasks.take();
            tasks.retain_mut(pending);
            self.isolate.tasks.replace(tasks);
        }
    }

    /// What the calls since the last look carried.
    fn carried(&self) -> Vec<String> {
        let calls = self.isolate.calls.borrow();
        let words =
            |questions: &[Vec<u8>]| questions.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect::<Vec<_>>();
        calls.iter().map(|(questions, _)| words(questions).join(" ")).collect()
    }

    /// Answers the calls that were made: each question with itself in brackets.
    fn answer(&self) {
        for (questions, reply) in self.isolate.calls.take() {
            let _ = reply.send(Ok(questions.iter().map(|text| [b"<", &text[..], b">"].concat()).collect()));
        }
        self.turn(0);
    }

    /// As many calls are out as may be.
    fn busy() -> Self {
        let scene = Self::open();
        (0..CALLS_MAX).for_each(|_| drop(scene.ask("a")));
        scene.turn(0);
        assert_eq!(scene.carried(), ["a"; CALLS_MAX]);
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
fn who_asks_while_few_do_asks_alone_and_at_once() {
    let scene = Scene::open();
    for text in ["a", "b", "c", "d"] {
        let outcome = scene.ask(text);
        scene.turn(0);
        assert_eq!(scene.carried(), [text]);
        scene.answer();
        assert_eq!(told(&outcome), granted(&format!("<{text}>")));
    }
}

#[test]
fn who_comes_while_calls_are_out_goes_together_and_each_hears_their_own_answer() {
    let scene = Scene::busy();
    let outcomes = ["c", "d", "e"].map(|text| scene.ask(text));
    scene.turn(WAIT_MAX_MS - 1);
    assert_eq!(scene.carried(), ["a"; CALLS_MAX]);
    scene.answer();
    assert_eq!(scene.carried(), ["c d e"]);
    scene.answer();
    assert_eq!(outcomes.each_ref().map(told), ["<c>", "<d>", "<e>"].map(granted));
    // Nobody is out any more.
    scene.ask("f");
    scene.turn(0);
    assert_eq!(scene.carried(), ["f"]);
}

#[test]
fn where_many_ask_calls_follow_each_other_after_a_while() {
    let scene = Scene::busy();
    let outcomes: Vec<Outcome> = (0..100).map(|_| scene.ask("x")).collect();
    scene.turn(0);
    scene.answer();
    scene.turn(GAP_MAX_MS - 1);
    assert!(scene.carried().is_empty());
    scene.turn(1);
    assert_eq!(scene.carried().iter().map(|texts| texts.split(' ').count()).collect::<Vec<_>>(), [100]);
    scene.answer();
    assert!(outcomes.iter().all(|outcome| told(outcome) == granted("<x>")));
}

#[test]
fn a_clock_that_goes_back_holds_nobody_up() {
    let scene = Scene::open();
    scene.ask("a");
    scene.turn(0);
    scene.answer();
    scene.isolate.now.set(scene.isolate.now.get() - 60_000);
    let outcome = scene.ask("b");
    scene.turn(0);
    assert_eq!(scene.carried(), ["b"]);
    scene.answer();
    assert_eq!(told(&outcome), granted("<b>"));
}

#[test]
fn one_call_that_is_back_lets_the_next_one_go() {
    let scene = Scene::busy();
    scene.ask("c");
    scene.turn(0);
    let (_, reply) = scene.isolate.calls.borrow_mut().remove(0);
    reply.send(Ok(vec![Vec::new()])).expect("it is awaited");
    scene.turn(0);
    assert_eq!(scene.carried(), [vec!["a"; CALLS_MAX - 1], vec!["c"]].concat());
}

#[test]
fn a_batch_is_bounded_by_number_and_by_size() {
    let counts = |scene: &Scene| scene.isolate.calls.borrow().iter().map(|(questions, _)| questions.len()).collect::<Vec<_>>();
    let scene = Scene::busy();
    for _ in 0..=QUESTIONS_MAX {
        scene.ask("x");
    }
    scene.turn(0);
    scene.answer();
    // They are many.
    scene.turn(GAP_MAX_MS);
    assert_eq!(counts(&scene), [QUESTIONS_MAX]);
    scene.turn(GAP_MAX_MS);
    assert_eq!(counts(&scene), [QUESTIONS_MAX, 1]);

    let scene = Scene::busy();
    let large = "y".repeat(BYTES_MAX / 2);
    for text in [&large[..], &large, "z"] {
        scene.ask(text);
    }
    scene.turn(0);
    scene.answer();
    assert_eq!(counts(&scene), [2, 1]);

    let scene = Scene::busy();
    scene.ask(&"y".repeat(BYTES_MAX + 1));
    scene.turn(0);
    scene.answer();
    assert_eq!(counts(&scene), [1]);
}

#[test]
fn a_call_that_fails_fails_for_all_in_it() {
    let scene = Scene::busy();
    let outcomes = ["c", "d"].map(|text| scene.ask(text));
    scene.turn(0);
    scene.answer();
    scene.isolate.calls.take();
    scene.turn(0);
    let lost = Some(Err(Fault::Unavailable("lost".to_owned())));
    assert_eq!(outcomes.each_ref().map(told), [lost.clone(), lost]);
}

#[test]
fn where_whoever_should_send_is_gone_another_one_does() {
    let scene = Scene::busy();
    scene.ask("c");
    scene.turn(0);
    scene.cut(scene.requests.get());
    scene.turn(100);
    let second = scene.ask("d");
    scene.turn(0);
    scene.answer();
    assert!(scene.carried().is_empty());
    let third = scene.ask("e");
    scene.turn(WAIT_MAX_MS - 1);
    assert!(scene.carried().is_empty());
    scene.turn(1);
    assert_eq!(scene.carried(), ["c d e"]);
    scene.answer();
    assert_eq!([told(&second), told(&third)], ["<d>", "<e>"].map(granted));
}

#[test]
fn calls_whose_requests_are_gone_hold_others_up_for_a_while_only() {
    let scene = Scene::busy();
    (1..=scene.requests.get()).for_each(|request| scene.cut(request));
    scene.isolate.calls.take();
    scene.turn(10);
    let outcome = scene.ask("c");
    scene.turn(0);
    scene.turn(WAIT_MAX_MS - 1);
    assert!(scene.carried().is_empty());
    scene.turn(1);
    assert_eq!(scene.carried(), ["c"]);
    scene.turn(PATIENCE_MS - WAIT_MAX_MS - 10);
    scene.answer();
    assert_eq!(told(&outcome), granted("<c>"));
    // Those calls would be over by now, were they alive.
    scene.ask("d");
    scene.turn(0);
    assert_eq!(scene.carried(), ["d"]);
}

#[test]
fn nobody_waits_for_ever_nor_looks_often() {
    let scene = Scene::busy();
    let outcome = scene.ask("c");
    scene.turn(0);
    let patient = (0..2 * PATIENCE_MS).take_while(|_| {
        scene.turn(1);
        told(&outcome).is_none()
    });
    let waited_ms = u64::try_from(patient.count()).expect("few");
    assert_eq!(told(&outcome), Some(Err(Fault::TimedOut)));
    assert_eq!(waited_ms, PATIENCE_MS - 1);
    // One for each call, one for the wait.
    assert_eq!(scene.isolate.pauses.get(), CALLS_MAX as u64 + 2);
}

#[test]
fn who_is_in_a_batch_that_another_one_sent_has_patience_of_their_own() {
    let scene = Scene::busy();
    let first = scene.ask("c");
    scene.turn(0);
    scene.turn(WAIT_MAX_MS / 2);
    let second = scene.ask("d");
    scene.turn(0);
    scene.turn(WAIT_MAX_MS / 2);
    assert_eq!(scene.carried().last().map(String::as_str), Some("c d"));
    scene.turn(PATIENCE_MS - WAIT_MAX_MS);
    assert_eq!([told(&first), told(&second)], [Some(Err(Fault::TimedOut)), Some(Err(Fault::TimedOut))]);
}

#[test]
fn who_gives_up_makes_room_for_the_next_where_nobody_looks_by_a_timer() {
    let scene = Scene::busy();
    scene.isolate.is_object.set(true);
    let outcomes = ["c", "d"].map(|text| scene.ask(text));
    scene.turn(0);
    // The calls that are out never come back, and those who waited behind them since the same instant have no time left either.
    scene.turn(PATIENCE_MS);
    scene.turn(0);
    assert_eq!(outcomes.each_ref().map(told), [Some(Err(Fault::TimedOut)), Some(Err(Fault::TimedOut))]);
    scene.isolate.calls.take();
    let later = scene.ask("e");
    scene.turn(0);
    assert_eq!(scene.carried(), ["e"]);
    scene.answer();
    assert_eq!(told(&later), granted("<e>"));
}

#[test]
fn whoever_has_no_time_left_gives_others_enough() {
    let scene = Scene::busy();
    scene.isolate.is_object.set(true);
    scene.turn(1);
    let first = scene.ask("c");
    scene.turn(0);
    scene.turn(PATIENCE_MS - 2);
    let second = scene.ask("d");
    scene.turn(0);
    scene.turn(1);
    scene.turn(0);
    assert_eq!(scene.carried().last().map(String::as_str), Some("c d"));
    scene.turn(CALL_MIN_MS - 1);
    scene.answer();
    assert_eq!([told(&first), told(&second)], ["<c>", "<d>"].map(granted));
}

#[test]
fn those_who_wait_for_something_else_go_in_calls_of_their_own() {
    let scene = Scene::busy();
    let opening = scene.ask_with(Company::Provider, "c");
    scene.turn(0);
    assert_eq!(scene.carried().last().map(String::as_str), Some("c"));
    scene.answer();
    assert_eq!(told(&opening), granted("<c>"));
}
