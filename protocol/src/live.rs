//! The sockets of an event: followed from here are its board and its ledger, once for everybody who watches.
//!
//! While there is a socket, two loops run: one asks the inventory what changed, which answers as soon as something
//! did; one asks the queue for its board, once a tick. How many sockets there are changes neither. A socket's
//! attachment says what it watches, so that it survives the object's memory; what it was told last does not, and it is
//! told again.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use domain::{
    board::{Board, BoardUpdate},
    hash::Hash128,
    id::EventId,
    live::{News, PlaceFrame, SaleFrame, SeatChanges, SeatFeed},
    machine::Answer,
    time::Millis,
    trace::TraceId,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::{
    Level, Platform, Problem,
    ask::{InventoryAsk, Object, QueueAsk, ask},
};

/// Changes of seats are gathered for so long after the first of them was told, in milliseconds.
const GATHER_MS: u64 = 25;
/// The same where nobody watches the seats, and only what remains is of interest.
const REMAINING_MS: u64 = 500;
/// From one look at the board to the next, in milliseconds: a position is at most a second old.
const BOARD_MS: u64 = 400;
/// A place is told at least so often, in milliseconds: less than the contract's 2 s by a tick and a busy moment.
const REPEAT_MS: u64 = 1_500;
/// How long after a question without an answer the next one is asked, in milliseconds.
const RETRY_MS: u64 = 250;
/// After so long without its loops the object is woken to start them again, in milliseconds.
const WATCHDOG_MS: u64 = 15_000;
/// Sockets that are told of the sale at once: two milliseconds of one thread.
const SPREAD_AT_ONCE: usize = 50;
/// The pause between so many and the next, in milliseconds, in which seats are told: 10,000 sockets take 2.4 s.
const SPREAD_PAUSE_MS: u64 = 10;
/// Sockets that one object holds; the platform allows 32,768.
pub const SOCKETS_MAX: usize = 20_000;
/// Sockets that one place may have: all its tabs and devices.
pub const SOCKETS_PER_PLACE: u32 = 5;
/// Objects that hold the sockets of one event, at most.
const OBJECTS_MAX: u32 = 16;
/// Longest frame that is read, in bytes.
const FRAME_MAX_BYTES: usize = 1024;
/// Resumes that a socket may ask for in a second.
const RESUMES_PER_SEC: u32 = 5;

/// Nothing was asked that makes sense.
pub const BAD_REQUEST: u16 = 4400;
/// The place is over.
pub const OVER: u16 = 4409;
/// Too many sockets, or too many questions.
pub const SLOW_DOWN: u16 = 4429;
/// The object is full.
pub const TRY_AGAIN: u16 = 1013;

/// How many objects hold the sockets of an event with so many lanes.
#[must_use]
pub fn objects(lanes: u32) -> u32 {
    lanes.clamp(1, OBJECTS_MAX)
}

/// What a socket watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watch {
    /// A place in the line.
    Place {
        /// Its number.
        number: u64,
    },
    /// The seats.
    Seats {
        /// Epoch and sequence that the page already has; it is told what came since.
        from: Option<(u64, u64)>,
    },
}

/// What is known of a socket; kept in its attachment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// What it watches.
    pub watch: Watch,
    /// A digest of the address that it came from, where that is known.
    pub address: Option<Hash128>,
}

/// How frames reach a socket.
pub trait Sockets: 'static {
    /// One socket.
    type Socket: Clone;

    /// Sends a frame.
    ///
    /// # Errors
    /// The socket is closed.
    fn send(&self, to: &Self::Socket, frame: &str) -> Result<(), Problem>;

    /// Closes it.
    fn close(&self, socket: &Self::Socket, code: u16, reason: &str);
}

/// Somebody at a socket.
struct Guest<S> {
    socket: S,
    ticket: Ticket,
    /// The frame that a place was told last.
    told: String,
    told_at: Millis,
    /// Whether the seats were told at all.
    greeted: bool,
    /// The second in which it last asked to resume, and how often in it.
    resumes: (u64, u32),
}

impl<S> Guest<S> {
    /// Whether it watches the seats and has a picture of them that deltas change.
    const fn is_shown_seats(&self) -> bool {
        matches!(self.ticket.watch, Watch::Seats { .. }) && self.greeted
    }
}

/// Holds sockets of an event. It has nothing of its own to store.
pub struct LiveActor<P, K: Sockets> {
    platform: Rc<P>,
    sockets: K,
    event_id: EventId,
    /// Most sockets from one address; 0 for no limit.
    per_address: u32,
    guests: RefCell<BTreeMap<u64, Guest<K::Socket>>>,
    places: RefCell<BTreeMap<u64, u32>>,
    addresses: RefCell<BTreeMap<Hash128, u32>>,
    last_id: Cell<u64>,
    feed: RefCell<SeatFeed>,
    board: RefCell<Board>,
    sale: RefCell<String>,
    follows_seats: Cell<bool>,
    follows_board: Cell<bool>,
    spreads_sale: Cell<bool>,
}

impl<P: Platform, K: Sockets> LiveActor<P, K> {
    /// The sockets of an event, none yet.
    pub fn new(platform: Rc<P>, sockets: K, event_id: EventId, per_address: u32) -> Self {
        Self {
            platform,
            sockets,
            event_id,
            per_address,
            guests: RefCell::default(),
            places: RefCell::default(),
            addresses: RefCell::default(),
            last_id: Cell::new(0),
            feed: RefCell::default(),
            board: RefCell::default(),
            sale: RefCell::default(),
            follows_seats: Cell::new(false),
            follows_board: Cell::new(false),
            spreads_sale: Cell::new(false),
        }
    }

    /// Whether one more may come in; else the code to refuse it with.
    ///
    /// # Errors
    /// The close code.
    pub fn admits(&self, ticket: &Ticket) -> Result<(), u16> {
        let count = |held: Option<&u32>| held.copied().unwrap_or_default();
        if self.guests.borrow().len() >= SOCKETS_MAX {
            return Err(TRY_AGAIN);
        }
        let of_address = ticket.address.filter(|_| self.per_address > 0);
        if of_address.is_some_and(|address| count(self.addresses.borrow().get(&address)) >= self.per_address) {
            return Err(SLOW_DOWN);
        }
        match ticket.watch {
            Watch::Place { number } if count(self.places.borrow().get(&number)) >= SOCKETS_PER_PLACE => Err(SLOW_DOWN),
            Watch::Place { .. } | Watch::Seats { .. } => Ok(()),
        }
    }

    /// Takes a socket in. Its id, for [`Self::welcome`], [`Self::heard`] and [`Self::left`].
    pub fn arrived(&self, ticket: Ticket, socket: K::Socket) -> u64 {
        let id = self.last_id.get() + 1;
        self.last_id.set(id);
        if let Watch::Place { number } = ticket.watch {
            *self.places.borrow_mut().entry(number).or_default() += 1;
        }
        if let Some(address) = ticket.address {
            *self.addresses.borrow_mut().entry(address).or_default() += 1;
        }
        let guest = Guest { socket, ticket, told: String::new(), told_at: Millis(0), greeted: false, resumes: (0, 0) };
        self.guests.borrow_mut().insert(id, guest);
        id
    }

    /// Tells a socket what is known, and sees to it that it is told the rest.
    ///
    /// # Errors
    /// Storage is broken.
    pub async fn welcome(self: &Rc<Self>, id: u64) -> Result<(), Problem> {
        self.greet(id);
        if self.board.borrow().as_of().plus_ms(BOARD_MS) >= self.platform.now() {
            self.tell_place(id);
        }
        self.follow();
        self.watch_over().await
    }

    /// Goes on where sockets outlived the object's memory: they were taken in again, and are told from the beginning.
    pub fn resume(self: &Rc<Self>) {
        self.follow();
    }

    /// The platform woke the object: it goes on with what it did, while anybody is there.
    ///
    /// # Errors
    /// Storage is broken.
    pub async fn alarm(self: &Rc<Self>) -> Result<(), Problem> {
        self.follow();
        self.watch_over().await
    }

    /// Whether nobody is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.guests.borrow().is_empty()
    }

    /// Somebody said something.
    pub fn heard(&self, id: u64, frame: &str) {
        if frame == "ping" {
            self.send(id, "pong");
            return;
        }
        if frame.len() > FRAME_MAX_BYTES {
            self.dismiss(id, BAD_REQUEST, "frame too long");
            return;
        }
        let Ok(Question::Resume { epoch, seq }) = serde_json::from_slice(frame.as_bytes()) else { return };
        let second = self.platform.now().0 / 1000;
        let asked = {
            let mut guests = self.guests.borrow_mut();
            let Some(guest) = guests.get_mut(&id).filter(|guest| matches!(guest.ticket.watch, Watch::Seats { .. })) else {
                return;
            };
            guest.resumes = if guest.resumes.0 == second { (second, guest.resumes.1 + 1) } else { (second, 1) };
            // Whoever waits for the first snapshot has missed nothing.
            guest.greeted.then_some(guest.resumes.1)
        };
        match asked {
            Some(times) if times > RESUMES_PER_SEC => self.dismiss(id, SLOW_DOWN, "resumed too often"),
            Some(_) => {
                let frames = self.feed.borrow_mut().since(Some((epoch, seq))).unwrap_or_default();
                frames.iter().for_each(|frame| self.send(id, frame));
            }
            None => {}
        }
    }

    /// Somebody's socket is closed. A place keeps its number.
    pub fn left(&self, id: u64) {
        let Some(guest) = self.guests.borrow_mut().remove(&id) else { return };
        if let Watch::Place { number } = guest.ticket.watch {
            release(&mut self.places.borrow_mut(), number);
        }
        if let Some(address) = guest.ticket.address {
            release(&mut self.addresses.borrow_mut(), address);
        }
    }

    /// Sees to it that the object is woken if its loops end without its knowing.
    async fn watch_over(&self) -> Result<(), Problem> {
        if self.is_empty() { Ok(()) } else { self.platform.set_alarm(self.platform.now().plus_ms(WATCHDOG_MS)).await }
    }

    fn follow(self: &Rc<Self>) {
        if self.is_empty() {
            return;
        }
        if !self.follows_seats.replace(true) {
            let live = Rc::clone(self);
            self.platform.spawn(async move {
                while !live.is_empty() {
                    let rest_ms = live.hear_of_seats().await;
                    live.platform.pause(rest_ms).await;
                }
                live.follows_seats.set(false);
            });
        }
        if !self.follows_board.replace(true) {
            let live = Rc::clone(self);
            self.platform.spawn(async move {
                while !live.is_empty() {
                    let rest_ms = live.hear_of_places().await;
                    live.platform.pause(rest_ms).await;
                }
                live.follows_board.set(false);
            });
        }
    }

    /// One question to the inventory; how long to wait before the next, in milliseconds.
    async fn hear_of_seats(&self) -> u64 {
        let known = self.feed.borrow().known();
        let inventory = Object::Inventory(self.event_id.clone());
        let changes: SeatChanges = match self.ask(&inventory, &InventoryAsk::Follow { known }, "seats unknown").await {
            Some(changes) => changes,
            None => return RETRY_MS,
        };
        let news = self.feed.borrow_mut().merge(changes);
        match news {
            News::Gap => {
                *self.feed.borrow_mut() = SeatFeed::default();
                return 0;
            }
            News::Snapshot => self.greet_again(),
            News::Deltas(frames) => self.tell_seats(&frames),
        }
        if self.anybody_watches_seats() { GATHER_MS } else { REMAINING_MS }
    }

    /// One question to the queue; how long to wait before the next, in milliseconds.
    async fn hear_of_places(self: &Rc<Self>) -> u64 {
        let since = self.board.borrow().version();
        let queue = Object::Queue(self.event_id.clone());
        let update: BoardUpdate = match self.ask(&queue, &QueueAsk::Board { since }, "board unknown").await {
            Some(update) => update,
            None => return RETRY_MS,
        };
        self.board.borrow_mut().merge(&update);
        let ids: Vec<u64> = self.guests.borrow().keys().copied().collect();
        ids.into_iter().for_each(|id| self.tell_place(id));
        self.tell_sale();
        BOARD_MS
    }

    async fn ask<A: Serialize, T: DeserializeOwned>(&self, object: &Object, question: &A, problem: &str) -> Option<T> {
        let read = |body: Vec<u8>| serde_json::from_slice(&body).map_err(|error| error.to_string());
        let outcome = match ask(&*self.platform, object, "", question).await {
            Ok(Answer::Granted { body, .. }) => read(body),
            Ok(Answer::Refused(refusal)) => Err(refusal.code().to_owned()),
            Err(fault) => Err(format!("{fault:?}")),
        };
        outcome.map_err(|why| self.platform.log(Level::Warn, TraceId::NONE, problem, json!({ "problem": why }))).ok()
    }

    fn greet(&self, id: u64) {
        let from = match self.guests.borrow().get(&id) {
            Some(Guest { ticket: Ticket { watch: Watch::Seats { from }, .. }, greeted: false, .. }) => *from,
            _ => return,
        };
        let Some(frames) = self.feed.borrow_mut().since(from) else { return };
        if let Some(guest) = self.guests.borrow_mut().get_mut(&id) {
            guest.greeted = true;
        }
        frames.iter().for_each(|frame| self.send(id, frame));
        let sale = self.sale.borrow().clone();
        if !sale.is_empty() {
            self.send(id, &sale);
        }
    }

    /// Everybody starts again from a snapshot.
    fn greet_again(&self) {
        let watching = self.watching_seats(|guest| {
            if guest.greeted {
                guest.ticket.watch = Watch::Seats { from: None };
            }
            guest.greeted = false;
            true
        });
        watching.into_iter().for_each(|id| self.greet(id));
    }

    fn tell_seats(&self, frames: &[Rc<str>]) {
        let mut closed = Vec::new();
        for (id, guest) in self.guests.borrow().iter().filter(|(_, guest)| guest.is_shown_seats()) {
            if frames.iter().any(|frame| self.sockets.send(&guest.socket, frame).is_err()) {
                closed.push(*id);
            }
        }
        closed.into_iter().for_each(|id| self.left(id));
    }

    /// Tells how the sale stands, where that is news.
    fn tell_sale(self: &Rc<Self>) {
        if self.feed.borrow().known().is_none() || self.board.borrow().as_of() == Millis(0) {
            return;
        }
        let frame = SaleFrame::new(&self.board.borrow(), self.feed.borrow().remaining());
        let frame = serde_json::to_string(&frame).expect("plain data with text keys");
        if *self.sale.borrow() != frame {
            self.sale.replace(frame);
            self.spread_sale();
        }
    }

    /// Spreads the newest frame of the sale a few sockets at a time, unless that is under way: it must not stand in the
    /// way of a seat that somebody is about to choose. Returns at once.
    fn spread_sale(self: &Rc<Self>) {
        if self.spreads_sale.replace(true) {
            return;
        }
        let live = Rc::clone(self);
        self.platform.spawn(async move {
            loop {
                let frame = live.sale.borrow().clone();
                let mut next = 0;
                while let Some(last) = live.tell_some(next, &frame) {
                    next = last + 1;
                    live.platform.pause(SPREAD_PAUSE_MS).await;
                }
                if *live.sale.borrow() == frame {
                    break;
                }
            }
            live.spreads_sale.set(false);
        });
    }

    /// Tells [`SPREAD_AT_ONCE`] of those who see the seats, from the socket `first` on; the last of them.
    fn tell_some(&self, first: u64, frame: &str) -> Option<u64> {
        let some: Vec<u64> = {
            let guests = self.guests.borrow();
            let shown = guests.range(first..).filter(|(_, guest)| guest.is_shown_seats());
            shown.map(|(id, _)| *id).take(SPREAD_AT_ONCE).collect()
        };
        some.iter().for_each(|id| self.send(*id, frame));
        some.last().copied()
    }

    fn watching_seats(&self, mut which: impl FnMut(&mut Guest<K::Socket>) -> bool) -> Vec<u64> {
        let mut guests = self.guests.borrow_mut();
        let seats = guests.iter_mut().filter(|(_, guest)| matches!(guest.ticket.watch, Watch::Seats { .. }));
        seats.filter_map(|(id, guest)| which(guest).then_some(*id)).collect()
    }

    fn anybody_watches_seats(&self) -> bool {
        self.guests.borrow().values().any(|guest| matches!(guest.ticket.watch, Watch::Seats { .. }))
    }

    /// Tells a place how it stands, if that changed or it was not told for long. What is told last closes the socket.
    fn tell_place(&self, id: u64) {
        let number = match self.guests.borrow().get(&id).map(|guest| &guest.ticket.watch) {
            Some(Watch::Place { number }) => *number,
            _ => return,
        };
        let now = self.platform.now();
        let frame = PlaceFrame::new(&self.board.borrow(), number, self.feed.borrow().remaining(), now);
        let text = serde_json::to_string(&frame).expect("plain data with text keys");
        {
            let mut guests = self.guests.borrow_mut();
            let Some(guest) = guests.get_mut(&id) else { return };
            if guest.told == text && now.since_ms(guest.told_at) < REPEAT_MS {
                return;
            }
            guest.told.clone_from(&text);
            guest.told_at = now;
        }
        self.send(id, &text);
        if frame.is_last() {
            self.dismiss(id, OVER, "the place is over");
        }
    }

    fn send(&self, id: u64, frame: &str) {
        let socket = self.guests.borrow().get(&id).map(|guest| guest.socket.clone());
        if socket.is_some_and(|socket| self.sockets.send(&socket, frame).is_err()) {
            self.left(id);
        }
    }

    fn dismiss(&self, id: u64, code: u16, reason: &str) {
        let socket = self.guests.borrow().get(&id).map(|guest| guest.socket.clone());
        if let Some(socket) = socket {
            self.sockets.close(&socket, code, reason);
        }
        self.left(id);
    }
}

/// What a page may ask.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Question {
    /// What came after this?
    Resume { epoch: u64, seq: u64 },
}

fn release<T: Ord>(held: &mut BTreeMap<T, u32>, key: T) {
    if let Some(count) = held.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            held.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests;
