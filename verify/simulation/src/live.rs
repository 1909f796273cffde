//! Sockets: frames travel in order or the socket is cut. An object that loses its memory loses its sockets with it, or finds
//! those of seats again.

mod pages;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use actors::{
    Problem,
    ask::Object,
    live::{LiveActor, SocketId, Sockets, Ticket, Watch, objects},
    within,
};
use domain::{invariants::Invariant, time::Millis};
use futures_channel::oneshot;

use crate::{
    disk::Drive,
    node::{Actor, Machine},
    world::World,
};

/// How long a page hears nothing before it takes its socket for dead, in milliseconds.
const SILENCE_MS: u64 = 5_000;
/// A place is told something at least so often, in milliseconds.
const UNTOLD_MAX_MS: u64 = 2_000;

pub(crate) type Live = LiveActor<Machine, Wires>;

/// What outlives the memory of an object with sockets: its alarm, and what is attached to sockets that are not cut.
#[derive(Default)]
pub(crate) struct Bell {
    alarm: Cell<Option<Millis>>,
    attached: RefCell<Vec<(Ticket, Wire)>>,
    crashes: Cell<u64>,
}

impl Drive for Bell {
    fn flush(&self, _world: &World, _object: &Object, _through: u64) {}

    /// Every other time all sockets are cut, otherwise those of places.
    fn crash(&self) {
        self.crashes.set(self.crashes.get() + 1);
        let sleeps = |ticket: &Ticket| matches!(ticket.watch, Watch::Seats { .. }) && self.crashes.get().is_multiple_of(2);
        self.attached.borrow().iter().filter(|(ticket, _)| !sleeps(ticket)).for_each(|(_, wire)| wire.cut());
    }

    fn set_alarm(&self, at: Option<Millis>) -> u64 {
        self.alarm.set(at);
        0
    }

    fn alarm(&self) -> Option<Millis> {
        self.alarm.get()
    }

    fn ring(&self) -> Option<Millis> {
        self.alarm.take()
    }

    fn barrier(&self) -> Option<oneshot::Receiver<()>> {
        None
    }
}

/// One end of a socket, shared by both.
#[derive(Clone, Default)]
pub(crate) struct Wire(Rc<Ends>);

#[derive(Default)]
struct Ends {
    /// What arrived and was not read.
    inbox: RefCell<VecDeque<String>>,
    /// When the last frame that is on its way arrives.
    arrives: Cell<u64>,
    /// When the last frame was sent to a place.
    told: Cell<Option<u64>>,
    /// Nothing travels any more.
    cut: Cell<bool>,
    /// The life of the object that knows it, and under which id.
    known: Cell<(u64, SocketId)>,
    reader: RefCell<Option<oneshot::Sender<()>>>,
}

impl Wire {
    fn wake(&self) {
        if let Some(reader) = self.0.reader.take() {
            let _ = reader.send(());
        }
    }

    fn cut(&self) {
        self.0.cut.set(true);
        self.wake();
    }

    /// The next frame; none once the socket is cut or silent for too long.
    async fn read(&self, world: &World) -> Option<String> {
        loop {
            let next = self.0.inbox.borrow_mut().pop_front();
            if next.is_some() || self.0.cut.get() {
                return next;
            }
            let (wake, woken) = oneshot::channel();
            self.0.reader.replace(Some(wake));
            within(world.0.executor.sleep(SILENCE_MS), woken).await?.ok()?;
        }
    }
}

/// How a life of an object reaches its sockets.
pub(crate) struct Wires {
    pub(crate) world: World,
    pub(crate) object: Object,
    pub(crate) life: u64,
}

impl Wires {
    fn deliver(&self, wire: &Wire, what: impl FnOnce(&Wire) + 'static) {
        let executor = &self.world.0.executor;
        let at = wire.0.arrives.get().max(executor.now() + self.world.delay_ms());
        wire.0.arrives.set(at);
        let wire = wire.clone();
        executor.after(at - executor.now(), move || what(&wire));
    }

    fn check_pace(&self, wire: &Wire, frame: &str) {
        if frame.starts_with(r#"{"type":"place""#) {
            let now = self.world.0.executor.now();
            let untold_ms = wire.0.told.replace(Some(now)).map_or(0, |told| now - told);
            let kept = untold_ms <= UNTOLD_MAX_MS;
            self.world.promise(Invariant::NothingUntold, kept, || format!("a place was told nothing for {untold_ms} ms"));
        }
    }
}

impl Sockets for Wires {
    type Socket = Wire;

    fn send(&self, to: &Wire, frame: &str) -> Result<(), Problem> {
        let weather = self.world.0.weather;
        if to.0.cut.get() {
            return Err("the socket is closed".into());
        }
        if self.world.goes_wrong(weather.crashes) {
            let (world, object, life) = (self.world.clone(), self.object.clone(), self.life);
            self.world.0.executor.after(0, move || world.crash(&object, life));
        }
        if self.world.goes_wrong(weather.loses) {
            to.cut();
            return Ok(());
        }
        self.check_pace(to, frame);
        let frame = frame.to_owned();
        self.deliver(to, move |wire| {
            wire.0.inbox.borrow_mut().push_back(frame);
            wire.wake();
        });
        Ok(())
    }

    fn close(&self, socket: &Wire, _code: u16, _reason: &str) {
        self.deliver(socket, Wire::cut);
    }
}

/// A page's end of a socket; closed when it is dropped.
struct Connection {
    world: World,
    wire: Wire,
    object: Object,
}

impl Connection {
    fn is_open(&self) -> bool {
        !self.wire.0.cut.get()
    }

    /// Something of the page reaches the object a moment later, if that knows the socket.
    fn reach(&self, what: impl FnOnce(&Rc<Live>, SocketId) + 'static) {
        let (world, wire, object) = (self.world.clone(), self.wire.clone(), self.object.clone());
        self.world.0.executor.after(self.world.delay_ms(), move || {
            if let (Actor::Live(live), life, _) = world.alive(&object)
                && let (knows, id) = wire.0.known.get()
                && knows == life
            {
                what(&live, id);
            }
        });
    }

    fn say(&self, frame: String) {
        self.reach(move |live, id| live.heard(id, &frame));
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.wire.cut();
        self.reach(|live, id| live.left(id));
    }
}

impl World {
    /// Opens a socket. One that is refused is cut.
    async fn connect(&self, watch: Watch, choice: u64) -> Connection {
        let object = {
            let event = self.0.event.borrow();
            Object::Live(event.event_id.clone(), (choice % u64::from(objects(event.queue.lanes))) as u32)
        };
        self.0.executor.sleep(self.delay_ms()).await;
        let (Actor::Live(live), life, _) = self.alive(&object) else { unreachable!("a live object is one") };
        let (wire, ticket) = (Wire::default(), Ticket { watch, address: None });
        let connection = Connection { world: self.clone(), wire: wire.clone(), object: object.clone() };
        if live.admits(&ticket).is_err() {
            wire.cut();
            return connection;
        }
        wire.0.known.set((life, live.arrived(&ticket, wire.clone())));
        let bell = self.bell(&object);
        bell.attached.borrow_mut().retain(|(_, wire)| !wire.0.cut.get());
        bell.attached.borrow_mut().push((ticket, wire));
        self.0.executor.spawn(life, async move {
            let _ = live.watch_over().await;
        });
        connection
    }

    /// A new life of an object finds the sockets again that were not cut.
    pub(crate) fn restore_sockets(&self, object: &Object, live: &Rc<Live>, life: u64) {
        let attached = self.bell(object).attached.borrow().clone();
        for (ticket, wire) in attached.into_iter().filter(|(_, wire)| !wire.0.cut.get()) {
            let ticket = Ticket { watch: Watch::Seats { from: None }, ..ticket };
            wire.0.known.set((life, live.restored(&ticket, wire.clone())));
        }
    }
}
