//! Sockets and the pages at them: frames travel in order or the socket is cut, and whatever happens a page ends up with
//! the map of the ledger.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use domain::{id::EventId, invariants::Invariant, live::SectionStates, time::Millis};
use futures_channel::oneshot;
use protocol::{
    Problem,
    ask::Object,
    live::{LiveActor, Sockets, Ticket, Watch, objects},
    within,
};
use serde::Deserialize;

use crate::{
    disk::Drive,
    node::{Actor, Machine},
    world::World,
};

/// How long a page hears nothing before it takes its socket for dead, in milliseconds.
const SILENCE_MS: u64 = 5_000;
/// How long a page may be behind the ledger once nothing goes wrong any more, in milliseconds.
const BEHIND_MAX_MS: u64 = 5_000;

pub(crate) type Live = LiveActor<Machine, Wires>;

/// The one thing that an object with sockets stores.
#[derive(Default)]
pub(crate) struct Bell(Cell<Option<Millis>>);

impl Drive for Bell {
    fn flush(&self, _world: &World, _object: &Object, _through: u64) {}

    fn crash(&self) {}

    fn set_alarm(&self, at: Option<Millis>) -> u64 {
        self.0.set(at);
        0
    }

    fn alarm(&self) -> Option<Millis> {
        self.0.get()
    }

    fn ring(&self) -> Option<Millis> {
        self.0.take()
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
    /// Nothing travels any more.
    cut: Cell<bool>,
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
}

impl Wires {
    fn deliver(&self, wire: &Wire, what: impl FnOnce(&Wire) + 'static) {
        let executor = &self.world.0.executor;
        let at = wire.0.arrives.get().max(executor.now() + self.world.delay_ms());
        wire.0.arrives.set(at);
        let wire = wire.clone();
        executor.after(at - executor.now(), move || what(&wire));
    }
}

impl Sockets for Wires {
    type Socket = Wire;

    fn send(&self, to: &Wire, frame: &str) -> Result<(), Problem> {
        if to.0.cut.get() {
            return Err("the socket is closed".into());
        }
        if self.world.goes_wrong(self.world.0.weather.loses) {
            to.cut();
            return Ok(());
        }
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

/// What a page at the seats has.
#[derive(Default)]
struct Map {
    known: Option<(u64, u64)>,
    sections: Vec<SectionStates>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Frame {
    Snapshot { epoch: u64, seq: u64, sections: Vec<SectionStates> },
    Delta { seq: u64, changes: Vec<(usize, usize, u8)> },
    Sale {},
    Place { status: String, position: u64 },
}

/// A page's end of a socket; closed when it is dropped.
struct Connection {
    world: World,
    wire: Wire,
    object: Object,
    life: u64,
    id: u64,
}

impl Connection {
    fn is_open(&self) -> bool {
        self.world.life_of(&self.object) == self.life && !self.wire.0.cut.get()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.wire.cut();
        if self.world.life_of(&self.object) == self.life {
            self.world.hang_up(&self.object, self.id);
        }
    }
}

impl World {
    /// The platform tells the object, a moment later, that a socket was closed.
    fn hang_up(&self, object: &Object, id: u64) {
        let (world, object, life) = (self.clone(), object.clone(), self.life_of(object));
        self.0.executor.after(self.delay_ms(), move || {
            if world.life_of(&object) == life
                && let (Actor::Live(live), ..) = world.alive(&object)
            {
                live.left(id);
            }
        });
    }

    /// Opens a socket.
    async fn connect(&self, watch: Watch, choice: u64) -> Connection {
        let (event_id, lanes) = self.live_event();
        let object = Object::Live(event_id, (choice % u64::from(objects(lanes))) as u32);
        self.0.executor.sleep(self.delay_ms()).await;
        let (actor, life, _) = self.alive(&object);
        let wire = Wire::default();
        let Actor::Live(live) = actor else { unreachable!("a live object is one") };
        let id = live.arrived(Ticket { watch, address: None }, wire.clone());
        self.0.executor.spawn(life, async move {
            let _ = live.welcome(id).await;
        });
        Connection { world: self.clone(), wire, object, life, id }
    }

    fn live_event(&self) -> (EventId, u32) {
        let event = self.0.event.borrow();
        (event.event_id.clone(), event.queue.lanes)
    }

    /// A page that shows the seats from `choice`, until everything is over.
    pub(crate) async fn watch_seats(self, choice: u64, until_ms: u64) {
        let mut map = Map::default();
        loop {
            let from = map.known.filter(|_| self.chance(500_000));
            let page = self.connect(Watch::Seats { from }, choice).await;
            while page.is_open() {
                if let Some(frame) = page.wire.read(&self).await {
                    self.take(&mut map, &frame);
                }
                if self.elapsed_ms() >= until_ms && self.agrees(&map) {
                    return;
                }
                let late = self.elapsed_ms() >= until_ms + BEHIND_MAX_MS * 20;
                self.promise(Invariant::LedgerIsTruth, !late, || format!("a page stays at {:?}", map.known));
                if late {
                    return;
                }
            }
            self.0.executor.sleep(self.draw(0..=2000)).await;
        }
    }

    fn take(&self, map: &mut Map, frame: &str) {
        match serde_json::from_str(frame).expect("a frame of the contract") {
            Frame::Snapshot { epoch, seq, sections } => {
                let older = map.known.is_some_and(|known| known > (epoch, seq));
                self.promise(Invariant::LedgerIsTruth, !older, || {
                    format!("a page at {:?} was told of {epoch}, {seq}", map.known)
                });
                *map = Map { known: Some((epoch, seq)), sections };
            }
            Frame::Delta { seq, changes } => {
                let Some((epoch, last)) = map.known else {
                    return self.promise(Invariant::LedgerIsTruth, false, || "a delta came before a snapshot".to_owned());
                };
                self.promise(Invariant::LedgerIsTruth, seq == last + 1, || format!("a page at {last} was told {seq}"));
                map.known = Some((epoch, seq));
                for (section, seat, state) in changes {
                    map.sections[section].states.replace_range(seat..=seat, &state.to_string());
                }
            }
            Frame::Sale {} => {}
            Frame::Place { .. } => unreachable!("whoever watches the seats is told of no place"),
        }
    }

    /// Whether a page shows what the inventory's rows say.
    fn agrees(&self, map: &Map) -> bool {
        let event_id = self.0.event.borrow().event_id.clone();
        match self.inventory_at_rest(&Object::Inventory(event_id)) {
            Some(inventory) => inventory.stands_at() == map.known && inventory.section_states() == map.sections,
            None => true, // nobody ever asked for it
        }
    }

    /// A page that shows a place, until that is over.
    pub(crate) async fn watch_place(self, number: u64, until_ms: u64) {
        let mut last = u64::MAX;
        while self.elapsed_ms() < until_ms {
            let page = self.connect(Watch::Place { number }, number).await;
            while page.is_open() && self.elapsed_ms() < until_ms {
                let Some(frame) = page.wire.read(&self).await else { break };
                let Frame::Place { status, position } = serde_json::from_str(&frame).expect("a frame of the contract") else {
                    unreachable!("whoever watches a place is told of no seats")
                };
                self.promise(Invariant::NoInversion, position <= last, || {
                    format!("the page of place {number} was told {position} after {last}")
                });
                last = position;
                if status != "waiting" {
                    return;
                }
            }
            drop(page);
            self.0.executor.sleep(self.draw(0..=2000)).await;
        }
    }
}
