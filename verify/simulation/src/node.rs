//! The objects: their lives, their alarms, and what is delivered to them.

use std::{cell::RefCell, rc::Rc};

use actors::{
    Actor as _, Carrier, Level, Platform, Post, Problem,
    ask::{Fault, InventoryAsk, LaneAsk, Object, PaymentAsk, QueueAsk, SignedWebhook, WebhookAsk, answer, encode, question},
    carrier,
    inventory::InventoryActor,
    lane::LaneActor,
    payment::PaymentActor,
    queue::QueueActor,
    webhook::WebhookActor,
};
use domain::{
    inventory::Inventory, machine::Answer, queue::Command as QueueCommand, refusal::Refusal, time::Millis, trace::TraceId,
};
use futures_channel::oneshot;
use futures_util::future::join_all;
use serde_json::Value;

use crate::{
    disk::{Disk, DiskStore, Drive},
    live::{Bell, Live, Wires},
    rows::{InventoryRows, LaneRows, PaymentRows, QueueRows, Rows, WebhookRows},
    world::World,
};

/// How long the platform waits before it rings an alarm again whose handler failed, in milliseconds.
const RING_AGAIN_MS: u64 = 2000;
/// How far the clocks of two machines are apart, in milliseconds.
const SKEW_MAX_MS: u64 = 40;

type Shared<R> = Rc<RefCell<Disk<R>>>;
type Store<R> = DiskStore<R>;

enum Storage {
    Lane(Shared<LaneRows>),
    Queue(Shared<QueueRows>),
    Inventory(Shared<InventoryRows>),
    Payment(Shared<PaymentRows>),
    Webhook(Shared<WebhookRows>),
    Live(Rc<Bell>),
}

#[derive(Clone)]
pub(crate) enum Actor {
    Lane(Rc<LaneActor<Machine, Store<LaneRows>>>),
    Queue(Rc<QueueActor<Machine, Store<QueueRows>>>),
    Inventory(Rc<InventoryActor<Machine, Store<InventoryRows>>>),
    Payment(Rc<PaymentActor<Machine, Store<PaymentRows>>>),
    Webhook(Rc<WebhookActor<Machine, Store<WebhookRows>>>),
    Live(Rc<Live>),
}

impl Actor {
    async fn answer(&self, body: &[u8]) -> Result<Answer, Problem> {
        match self {
            Self::Lane(lane) => answer(question::<LaneAsk>(body)?, async |ask, trace: &str| lane.answer(ask, trace).await).await,
            Self::Queue(queue) => {
                answer(question::<QueueAsk>(body)?, async |ask, trace: &str| queue.answer(ask, trace).await).await
            }
            Self::Inventory(inventory) => {
                answer(question::<InventoryAsk>(body)?, async |ask, trace: &str| inventory.answer(ask, trace).await).await
            }
            Self::Payment(payment) => {
                let asked = question::<PaymentAsk>(body)?;
                payment.answer(asked.ask, &asked.trace).await
            }
            Self::Webhook(webhook) => {
                let asked = question::<WebhookAsk>(body)?;
                webhook.answer(asked.ask, &asked.trace).await
            }
            Self::Live(_) => Err("a live object is asked nothing".into()),
        }
    }

    async fn alarm(&self) -> Result<(), Problem> {
        match self {
            Self::Lane(_) => Ok(()),
            Self::Queue(queue) => queue.ring().await,
            Self::Inventory(inventory) => inventory.ring().await,
            Self::Payment(payment) => payment.ring().await,
            Self::Webhook(webhook) => webhook.ring().await,
            Self::Live(live) => live.alarm().await,
        }
    }
}

impl Storage {
    fn new(object: &Object) -> Self {
        match object {
            Object::Lane(..) => Self::Lane(Rc::default()),
            Object::Queue(_) => Self::Queue(Rc::default()),
            Object::Inventory(_) => Self::Inventory(Rc::default()),
            Object::Payment(_) => Self::Payment(Rc::default()),
            Object::Webhook(_) => Self::Webhook(Rc::default()),
            Object::Live(..) => Self::Live(Rc::default()),
            Object::Gateway => unreachable!("the gateway has no storage"),
        }
    }

    fn drive(&self) -> Rc<dyn Drive> {
        match self {
            Self::Lane(disk) => Rc::<RefCell<Disk<LaneRows>>>::clone(disk),
            Self::Queue(disk) => Rc::<RefCell<Disk<QueueRows>>>::clone(disk),
            Self::Inventory(disk) => Rc::<RefCell<Disk<InventoryRows>>>::clone(disk),
            Self::Payment(disk) => Rc::<RefCell<Disk<PaymentRows>>>::clone(disk),
            Self::Webhook(disk) => Rc::<RefCell<Disk<WebhookRows>>>::clone(disk),
            Self::Live(bell) => Rc::<Bell>::clone(bell),
        }
    }

    fn start(&self, world: &World, object: &Object, life: u64) -> Actor {
        fn store<R: Rows>(disk: &Shared<R>, world: &World, object: &Object, life: u64) -> Store<R> {
            DiskStore { disk: Rc::clone(disk), world: world.clone(), object: object.clone(), life }
        }
        let machine = Rc::new(Machine { world: world.clone(), object: Some(object.clone()), life });
        match (self, object) {
            (Self::Lane(disk), Object::Lane(event_id, index)) => {
                Actor::Lane(Rc::new(LaneActor::new(machine, store(disk, world, object, life), event_id.clone(), *index)))
            }
            (Self::Queue(disk), Object::Queue(event_id)) => {
                Actor::Queue(Rc::new(QueueActor::new(machine, store(disk, world, object, life), event_id.clone())))
            }
            (Self::Inventory(disk), Object::Inventory(event_id)) => {
                let store = store(disk, world, object, life);
                Actor::Inventory(Rc::new(InventoryActor::new(machine, store, event_id.clone())))
            }
            (Self::Payment(disk), Object::Payment(_)) => {
                Actor::Payment(Rc::new(PaymentActor::new(machine, store(disk, world, object, life))))
            }
            (Self::Webhook(disk), Object::Webhook(_)) => {
                Actor::Webhook(Rc::new(WebhookActor::new(machine, store(disk, world, object, life))))
            }
            (Self::Live(_), Object::Live(event_id, _)) => {
                let wires = Wires { world: world.clone(), object: object.clone(), life };
                Actor::Live(Rc::new(Live::new(machine, wires, event_id.clone(), 0)))
            }
            _ => unreachable!("an object has the storage of its class"),
        }
    }
}

/// One object: its storage for ever, its memory while it lives.
pub(crate) struct Node {
    storage: Storage,
    actor: Option<Actor>,
    life: u64,
    pub(crate) skew_ms: u64,
    /// When its alarm is looked at next.
    planned: Option<u64>,
    /// Whether its alarm handler runs.
    ringing: bool,
}

impl World {
    pub(crate) fn life_of(&self, object: &Object) -> u64 {
        self.0.nodes.borrow().get(object).map_or(0, |node| node.life)
    }

    /// The object, brought to life if need be.
    pub(crate) fn alive(&self, object: &Object) -> (Actor, u64, Rc<dyn Drive>) {
        let fresh_life = self.new_life();
        let skew_ms = self.draw(0..=SKEW_MAX_MS);
        let mut nodes = self.0.nodes.borrow_mut();
        let node = nodes.entry(object.clone()).or_insert_with(|| Node {
            storage: Storage::new(object),
            actor: None,
            life: 0,
            skew_ms: 0,
            planned: None,
            ringing: false,
        });
        let begins = node.actor.is_none();
        if begins {
            (node.life, node.skew_ms) = (fresh_life, skew_ms);
            node.actor = Some(node.storage.start(self, object, fresh_life));
        }
        let (actor, life, drive) = (node.actor.clone().expect("alive"), node.life, node.storage.drive());
        drop(nodes);
        if let (true, Actor::Live(live)) = (begins, &actor) {
            self.restore_sockets(object, live, life);
        }
        (actor, life, drive)
    }

    /// What outlives the memory of an object with sockets.
    pub(crate) fn bell(&self, object: &Object) -> Rc<Bell> {
        match self.0.nodes.borrow().get(object).map(|node| &node.storage) {
            Some(Storage::Live(bell)) => Rc::clone(bell),
            _ => unreachable!("an object with sockets has one"),
        }
    }

    fn drive(&self, object: &Object) -> Rc<dyn Drive> {
        self.0.nodes.borrow().get(object).expect("who saves is alive").storage.drive()
    }

    /// The object loses its memory, and what is not durable yet.
    pub(crate) fn crash(&self, object: &Object, life: u64) {
        let drive = {
            let mut nodes = self.0.nodes.borrow_mut();
            let Some(node) = nodes.get_mut(object).filter(|node| node.life == life && node.actor.is_some()) else { return };
            node.actor = None;
            node.storage.drive()
        };
        self.0.executor.kill(life);
        drive.crash();
        self.trace("crash", object.name().as_bytes());
        self.fault();
        self.0.stats.borrow_mut().crashes += 1;
        let rang = self.0.nodes.borrow_mut().get_mut(object).is_some_and(|node| std::mem::take(&mut node.ringing));
        if rang {
            self.ring_again(object);
        }
        self.plan_alarm(object);
    }

    /// What a life has saved is durable a moment later.
    pub(crate) fn flushes(&self, object: &Object, life: u64, through: u64) {
        let (world, object) = (self.clone(), object.clone());
        self.0.executor.after(self.draw(0..=self.0.weather.flush_max_ms), move || {
            if world.life_of(&object) == life {
                world.drive(&object).flush(&world, &object, through);
            }
        });
    }

    /// Sees to it that the object's alarm rings.
    pub(crate) fn plan_alarm(&self, object: &Object) {
        let Some(at) = self.drive(object).alarm() else { return };
        let odd = self.goes_wrong(self.0.weather.alarm_odd);
        let due_ms = at.since_ms(self.clock(object));
        let wait_ms = match odd.then(|| self.draw(0..=2)) {
            Some(0) => due_ms + self.draw(0..=5000),
            Some(1) => due_ms.saturating_sub(self.draw(0..=30)),
            _ => due_ms + self.draw(0..=3),
        };
        let (now, when) = (self.0.executor.now(), self.0.executor.now() + wait_ms);
        {
            let mut nodes = self.0.nodes.borrow_mut();
            let node = nodes.get_mut(object).expect("it has an alarm");
            if node.planned.is_some_and(|planned| now <= planned && planned <= when) {
                return;
            }
            node.planned = Some(when);
        }
        let (world, object) = (self.clone(), object.clone());
        self.0.executor.after(wait_ms, move || world.look_at_alarm(&object, when, odd));
    }

    fn look_at_alarm(&self, object: &Object, when: u64, odd: bool) {
        {
            let mut nodes = self.0.nodes.borrow_mut();
            let Some(node) = nodes.get_mut(object).filter(|node| node.planned == Some(when)) else { return };
            node.planned = None;
        }
        let due = self.drive(object).alarm().is_some_and(|at| at <= self.clock(object));
        if due || odd {
            self.drive(object).ring();
            self.ring(object);
            if odd && self.chance(500_000) {
                self.ring(object);
            }
        } else {
            self.plan_alarm(object);
        }
    }

    fn ring(&self, object: &Object) {
        let (actor, life, drive) = self.alive(object);
        self.trace("alarm", object.name().as_bytes());
        self.0.nodes.borrow_mut().get_mut(object).expect("alive").ringing = true;
        let (world, object) = (self.clone(), object.clone());
        self.0.executor.spawn(life, async move {
            let outcome = actor.alarm().await;
            if let Some(flushed) = drive.barrier() {
                let _ = flushed.await;
            }
            world.0.nodes.borrow_mut().get_mut(&object).expect("alive").ringing = false;
            if outcome.is_err() {
                world.ring_again(&object);
            }
        });
    }

    fn ring_again(&self, object: &Object) {
        let (world, object) = (self.clone(), object.clone());
        self.0.executor.after(RING_AGAIN_MS, move || world.ring(&object));
    }

    /// A message arrives. Whoever waits for the answers hears nothing if the object dies first.
    pub(crate) fn deliver(&self, to: &Object, questions: Vec<Vec<u8>>, reply: Option<oneshot::Sender<Vec<Vec<u8>>>>) {
        let (actor, life, drive) = self.alive(to);
        for question in &questions {
            self.trace(to.binding(), question);
        }
        let (world, to) = (self.clone(), to.clone());
        self.0.executor.spawn(life, async move {
            let answer = async |question: &Vec<u8>| {
                let outcome = actor.answer(question).await;
                (outcome, world.clock(&to))
            };
            let outcomes = join_all(questions.iter().map(answer)).await;
            if let Some(flushed) = drive.barrier()
                && flushed.await.is_err()
            {
                return;
            }
            for (question, (outcome, answered_at)) in questions.iter().zip(&outcomes) {
                if let Ok(answer) = outcome {
                    world.check_entry(&to, question, answer, *answered_at);
                }
            }
            if let Some(reply) = reply {
                let _ = reply.send(outcomes.iter().map(|(outcome, _)| encode(outcome)).collect());
            }
        });
    }

    /// A ready place is let in whenever it asks.
    fn check_entry(&self, to: &Object, body: &[u8], answer: &Answer, at: Millis) {
        let late = |refusal: &Refusal| matches!(refusal, Refusal::NotReady | Refusal::TokenExpired | Refusal::TokenNotFound);
        if !(matches!(to, Object::Queue(_)) && matches!(answer, Answer::Refused(refusal) if late(refusal))) {
            return;
        }
        let asked = question::<QueueAsk>(body).map(|envelope| envelope.ask);
        if let Ok(QueueAsk::Command(QueueCommand::Enter { number, .. })) = asked {
            let verdict = self.0.witness.borrow().line.refused(number, at);
            self.check(verdict);
        }
    }

    /// An inventory as it would be rebuilt, where everything that it saved is durable.
    pub(crate) fn inventory_at_rest(&self, object: &Object) -> Option<Inventory> {
        match &self.0.nodes.borrow().get(object)?.storage {
            Storage::Inventory(disk) => disk.borrow().at_rest().map(|rows| rows.load()),
            Storage::Lane(_) | Storage::Queue(_) | Storage::Payment(_) | Storage::Webhook(_) | Storage::Live(_) => None,
        }
    }

    /// What every inventory has in memory is what the ledger says. Only when nothing is on its way to the disk.
    pub(crate) fn check_maps(&self) {
        let inventory = |node: &Node| match &node.storage {
            Storage::Inventory(disk) => Some(Rc::clone(disk)),
            Storage::Lane(_) | Storage::Queue(_) | Storage::Payment(_) | Storage::Webhook(_) | Storage::Live(_) => None,
        };
        let disks: Vec<Shared<InventoryRows>> = self.0.nodes.borrow().values().filter_map(inventory).collect();
        for disk in disks {
            let machine = disk.borrow().at_rest().map(|rows| rows.load());
            let Some(machine) = machine.filter(|machine| machine.event().is_some()) else { continue };
            machine.check();
            let verdict = self.0.witness.borrow().seats.is_the_map_of(&machine);
            self.check(verdict);
        }
    }
}

/// The machine that an object or an isolate runs on.
pub(crate) struct Machine {
    pub(crate) world: World,
    /// Whose alarm and output gate are meant; none for an isolate.
    pub(crate) object: Option<Object>,
    pub(crate) life: u64,
}

impl Machine {
    /// Waits until all that the object saved is durable.
    async fn output_gate(&self) {
        let drive = self.object.as_ref().map(|object| self.world.drive(object));
        if let Some(flushed) = drive.and_then(|drive| drive.barrier()) {
            let _ = flushed.await;
        }
    }

    fn alarm(&self, at: Option<Millis>) -> Result<(), Problem> {
        let Some(object) = &self.object else { return Err("an isolate has no alarm".into()) };
        self.world.may_fail(object, "alarm").map_err(Problem)?;
        let through = self.world.drive(object).set_alarm(at);
        self.world.flushes(object, self.life, through);
        if at.is_some() {
            self.world.plan_alarm(object);
        }
        Ok(())
    }
}

impl Carrier for Machine {
    fn now(&self) -> Millis {
        self.object.as_ref().map_or_else(|| self.world.now(), |object| self.world.clock(object))
    }

    fn pause(&self, ms: u64) -> impl Future<Output = ()> {
        self.world.0.executor.sleep(ms)
    }

    async fn abandoned(&self, ms: u64) {
        match self.object {
            Some(_) => std::future::pending().await,
            None => self.pause(ms).await,
        }
    }

    fn bell(&self) -> (carrier::Bell, impl Future<Output = ()>) {
        let (ring, rung) = oneshot::channel();
        let listen = async move {
            if rung.await.is_err() {
                // Nobody can ring it any more.
                std::future::pending::<()>().await;
            }
        };
        let ring = || {
            let _ = ring.send(());
        };
        (Box::new(ring), listen)
    }

    async fn carry(&self, to: &Object, questions: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Fault> {
        if questions.len() > 1 {
            self.world.0.stats.borrow_mut().batches += 1;
        }
        self.output_gate().await;
        self.world.carry(to, questions).await
    }
}

impl Platform for Machine {
    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.world.0.executor.spawn(self.life, task);
    }

    async fn flushed(&self) {
        self.output_gate().await;
    }

    async fn set_alarm(&self, at: Millis) -> Result<(), Problem> {
        self.alarm(Some(at))
    }

    async fn delete_alarm(&self) -> Result<(), Problem> {
        self.alarm(None)
    }

    async fn publish(&self, envelopes: &[String]) -> Result<(), Problem> {
        self.output_gate().await;
        self.world.publish(envelopes).await
    }

    fn sign(&self, id: &str, body: String) -> Result<SignedWebhook, Problem> {
        let headers = self.world.0.webhooks.headers(id, body.as_bytes(), self.now());
        let [id, timestamp, signature] = headers.map(|(_, value)| value);
        Ok(SignedWebhook { id, timestamp, signature, body })
    }

    async fn post(&self, post: Post<'_>) -> Result<u16, Problem> {
        self.output_gate().await;
        self.world.post(post).await
    }

    fn log(&self, _level: Level, _trace: TraceId, message: &str, _fields: Value) {
        self.world.trace("log", message.as_bytes());
    }
}
