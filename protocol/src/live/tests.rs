use std::{collections::VecDeque, pin::Pin};

use domain::{
    board::{QueueStats, Wave},
    live::{Delta, SectionStates},
};
use futures_channel::oneshot;
use serde_json::Value;

use super::*;
use crate::ask::{Fault, encode, granted, question};

/// A platform whose time is moved by hand, and whose two objects answer what the test says.
#[derive(Default)]
struct Stage {
    now: Cell<u64>,
    tasks: RefCell<Vec<Pin<Box<dyn Future<Output = ()>>>>>,
    sleepers: RefCell<Vec<(u64, oneshot::Sender<()>)>>,
    asked: RefCell<Vec<String>>,
    seats: RefCell<VecDeque<SeatChanges>>,
    line: RefCell<Option<BoardUpdate>>,
    alarm: Cell<Option<Millis>>,
}

/// The platform as the actor has it.
struct Host(Rc<Stage>);

impl Platform for Host {
    fn now(&self) -> Millis {
        Millis(self.0.now.get())
    }

    async fn pause(&self, ms: u64) {
        let (wake, woken) = oneshot::channel();
        self.0.sleepers.borrow_mut().push((self.0.now.get() + ms, wake));
        let _ = woken.await;
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.0.tasks.borrow_mut().push(Box::pin(task));
    }

    async fn flushed(&self) {}

    async fn set_alarm(&self, at: Millis) -> Result<(), Problem> {
        self.0.alarm.set(Some(at));
        Ok(())
    }

    async fn delete_alarm(&self) -> Result<(), Problem> {
        Ok(())
    }

    async fn send(&self, to: &Object, body: &[u8]) -> Result<Vec<u8>, Fault> {
        self.0.asked.borrow_mut().push(to.binding().to_owned());
        if matches!(to, Object::Queue(_)) {
            let update = self.0.line.borrow().clone().ok_or_else(|| Fault::Broken("no line".to_owned()))?;
            return Ok(encode(&granted(&update)));
        }
        let known = match question::<InventoryAsk>(body).expect("a question").ask {
            InventoryAsk::Follow { known } => known,
            other => panic!("{other:?}"),
        };
        loop {
            let next = self.0.seats.borrow_mut().pop_front();
            match next {
                Some(changes) => return Ok(encode(&granted(&changes))),
                None if known.is_none() => return Err(Fault::Broken("no seats".to_owned())),
                None => self.pause(10_000).await,
            }
        }
    }

    async fn publish(&self, _envelopes: &[String]) -> Result<(), Problem> {
        unreachable!("a live object publishes nothing")
    }

    async fn report(&self, _webhook: &domain::payment::Webhook, _trace: TraceId) -> Result<Vec<u8>, Problem> {
        unreachable!("a live object reports nothing")
    }

    fn log(&self, _level: Level, _trace: TraceId, _message: &str, _fields: Value) {}
}

/// What a socket received: frames, and at the end its close code.
type Wire = Rc<RefCell<Vec<String>>>;

struct Wires;

impl Sockets for Wires {
    type Socket = Wire;

    fn send(&self, to: &Wire, frame: &str) -> Result<(), Problem> {
        if to.borrow().last().is_some_and(|last| last.starts_with("closed")) {
            return Err("closed".into());
        }
        to.borrow_mut().push(frame.to_owned());
        Ok(())
    }

    fn close(&self, socket: &Wire, code: u16, _reason: &str) {
        socket.borrow_mut().push(format!("closed {code}"));
    }
}

struct Theatre {
    stage: Rc<Stage>,
    live: Rc<LiveActor<Host, Wires>>,
}

impl Theatre {
    fn open() -> Self {
        let stage = Rc::new(Stage { now: Cell::new(1_000_000), ..Stage::default() });
        let event_id = EventId::parse("evt_1").expect("valid");
        let live = LiveActor::new(Rc::new(Host(Rc::clone(&stage))), Wires, event_id, 3);
        Self { stage, live: Rc::new(live) }
    }

    fn connect(&self, watch: Watch) -> (u64, Wire) {
        let wire = Wire::default();
        let id = self.live.arrived(Ticket { watch, address: None }, Rc::clone(&wire));
        let live = Rc::clone(&self.live);
        self.stage.tasks.borrow_mut().push(Box::pin(async move { live.welcome(id).await.expect("an alarm can be set") }));
        self.run();
        (id, wire)
    }

    fn run(&self) {
        loop {
            let before = (self.stage.asked.borrow().len(), self.stage.sleepers.borrow().len());
            let tasks = self.stage.tasks.take();
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let left: Vec<_> =
                tasks.into_iter().filter_map(|mut task| task.as_mut().poll(&mut context).is_pending().then_some(task)).collect();
            let mut tasks = self.stage.tasks.borrow_mut();
            let fresh = tasks.len();
            tasks.extend(left);
            if fresh == 0 && before == (self.stage.asked.borrow().len(), self.stage.sleepers.borrow().len()) {
                return;
            }
        }
    }

    fn pass(&self, ms: u64) {
        let end = self.stage.now.get() + ms;
        loop {
            let next = self.stage.sleepers.borrow().iter().map(|(at, _)| *at).min().filter(|at| *at <= end);
            let Some(at) = next else { break };
            self.stage.now.set(at);
            let due: Vec<_> = self.stage.sleepers.borrow_mut().extract_if(.., |(when, _)| *when <= at).collect();
            for (_, wake) in due {
                let _ = wake.send(());
            }
            self.run();
        }
        self.stage.now.set(end);
        self.run();
    }

    fn line(&self, version: u64, phase: domain::board::Phase, waves: Vec<Wave>) {
        let stats = QueueStats { waiting: 3, phase, admission_rate: 1.5, ..QueueStats::default() };
        let at = Millis(self.stage.now.get());
        *self.stage.line.borrow_mut() =
            Some(BoardUpdate { since: 0, version, at, last: 3, pace: 1000, stats, chunks: vec![], waves });
    }

    fn asked(&self, binding: &str) -> usize {
        self.stage.asked.borrow().iter().filter(|asked| *asked == binding).count()
    }
}

fn states(text: &str) -> Option<Vec<SectionStates>> {
    Some(vec![SectionStates { id: "A".to_owned(), states: text.to_owned() }])
}

fn all(seq: u64, text: &str) -> SeatChanges {
    SeatChanges { epoch: 1, seq, remaining: 4, sections: states(text), deltas: vec![] }
}

fn delta(seq: u64, seat: u32) -> SeatChanges {
    SeatChanges { epoch: 1, seq, remaining: 3, sections: None, deltas: vec![Delta { seq, changes: vec![(0, seat, 1)] }] }
}

const SEATS: Watch = Watch::Seats { from: None };

fn kinds(wire: &Wire) -> Vec<String> {
    let kind = |frame: &String| match serde_json::from_str::<Value>(frame) {
        Ok(frame) => format!("{} {}", frame["type"].as_str().unwrap_or("?"), frame["seq"]).replace(" null", ""),
        Err(_) => frame.clone(),
    };
    wire.borrow().iter().map(kind).collect()
}

#[test]
fn everybody_hears_of_the_seats_by_one_question() {
    let theatre = Theatre::open();
    theatre.line(1, domain::board::Phase::OnSale, vec![]);
    theatre.stage.seats.borrow_mut().push_back(all(7, "0000"));
    let wires: Vec<Wire> = (0..100).map(|_| theatre.connect(SEATS).1).collect();
    theatre.stage.seats.borrow_mut().push_back(delta(8, 2));
    theatre.pass(20_000);
    for wire in &wires {
        assert_eq!(kinds(wire)[..1], ["snapshot 7"]);
        assert_eq!(kinds(wire).iter().filter(|kind| kind.starts_with("delta")).collect::<Vec<_>>(), ["delta 8"]);
    }
    assert!(theatre.asked("INVENTORY") <= 4, "{}", theatre.asked("INVENTORY"));
    assert!(theatre.asked("QUEUE") <= 52, "{}", theatre.asked("QUEUE"));
}

#[test]
fn who_comes_back_gets_what_was_missed_and_who_missed_too_much_a_snapshot() {
    let theatre = Theatre::open();
    theatre.stage.seats.borrow_mut().extend([all(7, "0000"), delta(8, 1), delta(9, 2)]);
    let (id, first) = theatre.connect(SEATS);
    theatre.pass(100);
    assert_eq!(kinds(&first), ["snapshot 7", "delta 8", "delta 9"]);
    assert_eq!(kinds(&theatre.connect(Watch::Seats { from: Some((1, 8)) }).1), ["delta 9"]);
    assert_eq!(kinds(&theatre.connect(Watch::Seats { from: Some((1, 9)) }).1), Vec::<String>::new());
    for from in [(1, 6), (1, 10), (2, 9)] {
        assert_eq!(kinds(&theatre.connect(Watch::Seats { from: Some(from) }).1), ["snapshot 9"], "{from:?}");
    }
    theatre.live.heard(id, r#"{"type":"resume","epoch":1,"seq":7}"#);
    assert_eq!(kinds(&first)[3..], ["delta 8", "delta 9"]);
    let snapshot = theatre.connect(SEATS).1.borrow()[0].clone();
    assert_eq!(snapshot, r#"{"type":"snapshot","epoch":1,"seq":9,"sections":[{"id":"A","states":"0110"}]}"#);
}

#[test]
fn a_gap_is_healed_by_a_snapshot() {
    let theatre = Theatre::open();
    theatre.stage.seats.borrow_mut().extend([all(7, "0000"), delta(9, 1), all(9, "0110")]);
    let (_, wire) = theatre.connect(SEATS);
    theatre.pass(100);
    assert_eq!(kinds(&wire), ["snapshot 7", "snapshot 9"]);
}

#[test]
fn a_place_is_told_at_once_at_every_change_and_now_and_then() {
    let theatre = Theatre::open();
    theatre.line(1, domain::board::Phase::OnSale, vec![]);
    let (_, wire) = theatre.connect(Watch::Place { number: 2 });
    assert_eq!(
        wire.borrow()[0],
        r#"{"type":"place","position":2,"eta_sec":2,"ready_for_entry":false,"status":"waiting","remaining":0,"admitted_per_min":90}"#
    );
    theatre.pass(10_000);
    let told = wire.borrow().len();
    assert!((6..=8).contains(&told), "{told} frames in 10 s of which nothing changed");

    theatre.line(2, domain::board::Phase::Paused, vec![]);
    theatre.stage.seats.borrow_mut().push_back(all(1, "0"));
    theatre.pass(1000);
    assert!(wire.borrow().iter().any(|frame| frame.contains(r#""remaining":4"#)));
}

#[test]
fn the_last_word_about_a_place_comes_before_the_close() {
    let theatre = Theatre::open();
    theatre.line(1, domain::board::Phase::OnSale, vec![]);
    let (_, wire) = theatre.connect(Watch::Place { number: 2 });
    theatre.live.board.borrow_mut().note(2, domain::board::PlaceState::Left);
    theatre.pass(BOARD_MS);
    let frames = wire.borrow();
    assert!(frames[frames.len() - 2].contains(r#""status":"left""#), "{frames:?}");
    assert_eq!(frames[frames.len() - 1], format!("closed {OVER}"));
    assert!(theatre.live.is_empty());
}

#[test]
fn a_place_an_address_and_an_object_have_only_so_many_sockets() {
    let theatre = Theatre::open();
    let place = || Ticket { watch: Watch::Place { number: 1 }, address: None };
    let ids: Vec<u64> = (0..SOCKETS_PER_PLACE).map(|_| theatre.live.arrived(place(), Wire::default())).collect();
    assert_eq!(theatre.live.admits(&place()), Err(SLOW_DOWN));
    assert_eq!(theatre.live.admits(&Ticket { watch: Watch::Place { number: 2 }, address: None }), Ok(()));
    theatre.live.left(ids[0]);
    theatre.live.left(ids[0]);
    assert_eq!(theatre.live.admits(&place()), Ok(()));

    let from = |address| Ticket { watch: SEATS, address: Some(Hash128(address)) };
    for _ in 0..3 {
        theatre.live.arrived(from(7), Wire::default());
    }
    assert_eq!((theatre.live.admits(&from(7)), theatre.live.admits(&from(8))), (Err(SLOW_DOWN), Ok(())));
    for _ in 0..SOCKETS_MAX {
        theatre.live.arrived(Ticket { watch: SEATS, address: None }, Wire::default());
    }
    assert_eq!(theatre.live.admits(&from(8)), Err(TRY_AGAIN));
}

#[test]
fn nobody_is_asked_anything_once_everybody_has_left() {
    let theatre = Theatre::open();
    theatre.line(1, domain::board::Phase::OnSale, vec![]);
    theatre.stage.seats.borrow_mut().push_back(all(7, "0000"));
    let (id, _) = theatre.connect(SEATS);
    assert_eq!(theatre.stage.alarm.get(), Some(Millis(1_000_000 + WATCHDOG_MS)));
    theatre.live.left(id);
    theatre.pass(30_000);
    let asked = theatre.stage.asked.borrow().len();
    theatre.pass(60_000);
    assert_eq!(theatre.stage.asked.borrow().len(), asked);
    // And again when somebody comes.
    theatre.connect(SEATS);
    theatre.pass(1000);
    assert!(theatre.stage.asked.borrow().len() > asked);
}

#[test]
fn what_is_no_question_is_ignored_and_too_many_are_refused() {
    let theatre = Theatre::open();
    theatre.stage.seats.borrow_mut().push_back(all(7, "0000"));
    let (id, wire) = theatre.connect(SEATS);
    for frame in ["", "{", "[]", r#"{"type":"resume"}"#, r#"{"type":"sale"}"#, "ping"] {
        theatre.live.heard(id, frame);
    }
    assert_eq!(kinds(&wire), ["snapshot 7", "pong"]);
    (0..=RESUMES_PER_SEC).for_each(|_| theatre.live.heard(id, r#"{"type":"resume","epoch":1,"seq":7}"#));
    assert_eq!(kinds(&wire)[2..], [format!("closed {SLOW_DOWN}")]);
    let (id, wire) = theatre.connect(Watch::Place { number: 1 });
    theatre.live.heard(id, &"x".repeat(FRAME_MAX_BYTES + 1));
    assert_eq!(kinds(&wire), [format!("closed {BAD_REQUEST}")]);
}
