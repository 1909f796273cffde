//! What the tests run an actor on.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
};

use domain::{
    board::{BoardUpdate, Chunk, Phase, QueueStats},
    id::EventId,
    inventory::feed::SeatChanges,
    time::Millis,
    trace::TraceId,
};
use futures_channel::oneshot::{self, Sender};
use serde_json::Value;

use crate::{
    Carrier, Level, Platform, Post, Problem,
    ask::{Fault, InventoryAsk, Object, SignedWebhook, encode, granted, question},
    carrier::Bell,
    live::{LiveActor, Sockets, Ticket, Watch},
};

/// A platform whose time is moved by hand, and whose two objects answer what the test says.
#[derive(Default)]
pub(super) struct Stage {
    pub(super) now: Cell<u64>,
    pub(super) tasks: RefCell<Vec<Pin<Box<dyn Future<Output = ()>>>>>,
    pub(super) sleepers: RefCell<Vec<(u64, Sender<()>)>>,
    pub(super) asked: RefCell<Vec<String>>,
    pub(super) seats: RefCell<VecDeque<SeatChanges>>,
    pub(super) line: RefCell<Option<BoardUpdate>>,
    pub(super) alarm: Cell<Option<Millis>>,
    /// Nobody answers.
    pub(super) silent: Cell<bool>,
}

/// The platform as the actor has it.
pub(super) struct Host(Rc<Stage>);

impl Carrier for Host {
    fn now(&self) -> Millis {
        Millis(self.0.now.get())
    }

    async fn pause(&self, ms: u64) {
        let (wake, woken) = oneshot::channel();
        self.0.sleepers.borrow_mut().push((self.0.now.get() + ms, wake));
        let _ = woken.await;
    }

    fn bell(&self) -> (Bell, impl Future<Output = ()>) {
        (Box::new(|| unreachable!("a live object asks by itself")), std::future::pending())
    }

    async fn carry(&self, to: &Object, questions: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Fault> {
        self.0.asked.borrow_mut().push(to.binding().to_owned());
        if self.0.silent.get() {
            self.pause(u64::MAX / 2).await;
        }
        if matches!(to, Object::Queue(_)) {
            let update = self.0.line.borrow().clone().ok_or_else(|| Fault::Broken("no line".to_owned()))?;
            return Ok(vec![encode(&granted(&update))]);
        }
        let known = match question::<InventoryAsk>(&questions[0]).expect("a question").ask {
            InventoryAsk::Follow { known } => known,
            other => panic!("{other:?}"),
        };
        loop {
            let next = self.0.seats.borrow_mut().pop_front();
            match next {
                Some(changes) => return Ok(vec![encode(&granted(&changes))]),
                None if known.is_none() => return Err(Fault::Broken("no seats".to_owned())),
                None => self.pause(10_000).await,
            }
        }
    }
}

impl Platform for Host {
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

    async fn publish(&self, _envelopes: &[String]) -> Result<(), Problem> {
        unreachable!("a live object publishes nothing")
    }

    fn sign(&self, _id: &str, _body: String) -> Result<SignedWebhook, Problem> {
        unreachable!("a live object reports nothing")
    }

    async fn post(&self, _post: Post<'_>) -> Result<u16, Problem> {
        unreachable!("a live object posts nothing")
    }

    fn log(&self, _level: Level, _trace: TraceId, _message: &str, _fields: Value) {}
}

/// What a socket received: frames, and at the end its close code.
pub(super) type Wire = Rc<RefCell<Vec<String>>>;

pub(super) struct Wires;

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

pub(super) struct Theatre {
    pub(super) stage: Rc<Stage>,
    pub(super) live: Rc<LiveActor<Host, Wires>>,
}

impl Theatre {
    pub(super) fn open() -> Self {
        let stage = Rc::new(Stage { now: Cell::new(1_000_000), ..Stage::default() });
        let event_id = EventId::parse("evt_1").expect("valid");
        let live = LiveActor::new(Rc::new(Host(Rc::clone(&stage))), Wires, event_id, 3);
        Self { stage, live: Rc::new(live) }
    }

    pub(super) fn connect(&self, watch: Watch) -> (u64, Wire) {
        let wire = Wire::default();
        let id = self.live.arrived(&Ticket { watch, address: None }, Rc::clone(&wire));
        let live = Rc::clone(&self.live);
        self.stage.tasks.borrow_mut().push(Box::pin(async move { live.watch_over().await.expect("an alarm can be set") }));
        self.run();
        (id, wire)
    }

    pub(super) fn run(&self) {
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

    pub(super) fn pass(&self, ms: u64) {
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

    pub(super) fn line(&self, version: u64, phase: Phase, states: &str) {
        let stats = QueueStats { waiting: 3, phase, admission_rate: 1.5, ..QueueStats::default() };
        let at = Millis(self.stage.now.get());
        let chunks = vec![(0, Chunk::parse(states).expect("states of places"))];
        *self.stage.line.borrow_mut() =
            Some(BoardUpdate { since: 0, version, at, last: 3, pace: 1000, stats, chunks, waves: vec![] });
    }

    pub(super) fn asked(&self, binding: &str) -> usize {
        self.stage.asked.borrow().iter().filter(|asked| *asked == binding).count()
    }
}
