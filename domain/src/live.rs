//! The sockets of an event, as a state machine without I/O: what happens goes in, what is to be done comes out.
//!
//! [`Live`] has nothing to store, so it is no [`Machine`](crate::machine::Machine) with changes and rows. It has the form of
//! [quinn-proto](https://docs.rs/quinn-proto) and [str0m](https://docs.rs/str0m): whoever runs it tells it of each event,
//! then carries out what [`Live::poll`] returns until that is nothing, and comes back at [`Live::wakes_at`].
//!
//! ```text
//! arrive, heard, left ──────────┐             ┌──► Send, Close: to sockets
//! hear_inventory, hear_queue ───┤    Live     ├──► AskInventory { since: cursor }
//! time ─────────────────────────┘             └──► AskQueue { since: version of the board }
//! ```
//!
//! While there is a socket, two questions are asked again and again, each once at a time. How many sockets there are changes
//! neither. Whoever watches the seats has a cursor, and whoever's cursor is not the feed's is sent
//! what lies between ([`feed`]); so somebody new, a page that comes back, a delta, a gap and a resume are one case. The sale's
//! frame is spread a few sockets at a time, because it must not stand in the way of a seat that somebody is about to choose.
//!
//! Bounds: [`SOCKETS_MAX`] watchers; a byte a seat, 200 KB, and the snapshot as text; [`DELTAS_KEPT`] deltas; a board. What is
//! to be done is carried out at once, and a frame for many sockets is one [`Output`].

mod feed;
mod frames;
mod registry;

use std::{collections::VecDeque, ops::RangeBounds, rc::Rc};

use serde::Deserialize;

pub use self::registry::{
    RESUMES_PER_SEC, SLOW_DOWN, SOCKETS_MAX, SOCKETS_PER_PLACE, SocketId, TRY_AGAIN, Ticket, Watch, objects,
};
use self::{
    feed::SeatFeed,
    registry::{Registry, Told},
};
use crate::{
    board::{Board, BoardUpdate},
    inventory::feed::{Cursor, SeatChanges},
    time::Millis,
};

/// Changes of seats are gathered for so long after the first of them was told, in milliseconds: a quarter of what the
/// contract allows.
const GATHER_MS: u64 = 25;
/// The same where nobody watches the seats, and only what remains is of interest.
const REMAINING_MS: u64 = 500;
/// From one look at the board to the next, in milliseconds: readiness is told within a second, with a slow answer between.
pub const BOARD_MS: u64 = 400;
/// A place that was told nothing new for so long is told the same again, in milliseconds: less than the contract's 2 s by a
/// late look and a busy moment.
const REPEAT_MS: u64 = 1_400;
/// After so long without news of the board the places are looked at all the same, in milliseconds.
const LOOK_MS: u64 = 500;
/// How long after a question without an answer the next one is asked, in milliseconds.
const RETRY_MS: u64 = 250;
/// Sockets that are told of the sale at once: two milliseconds of one thread.
const SPREAD_AT_ONCE: usize = 50;
/// The pause between so many and the next, in milliseconds, in which seats are told: 10,000 sockets take 2.4 s.
const SPREAD_PAUSE_MS: u64 = 10;
/// Longest frame that is read, in bytes: a resume has 60.
pub const FRAME_MAX_BYTES: usize = 1024;

/// Nothing was asked that makes sense.
pub const BAD_REQUEST: u16 = 4400;
/// The place is over.
pub const OVER: u16 = 4409;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask the inventory what changed since the cursor. [`Live::hear_inventory`] takes the answer, or that there is none.
    AskInventory(Option<Cursor>),
    /// Ask the queue what changed since this version of its board. [`Live::hear_queue`] takes the answer, or that there is none.
    AskQueue(u64),
    /// Send all of these frames, in order, to each of these sockets.
    Send(Vec<SocketId>, Vec<Rc<str>>),
    /// Close a socket, with the contract's code and a reason for people. It is not known any more.
    Close(SocketId, u16, &'static str),
}

/// How the sale stands, and who is told so next.
#[derive(Default)]
struct Sale {
    /// Rises with every frame; 0 before the first.
    revision: u64,
    frame: Option<Rc<str>>,
    /// While not everybody has the newest frame: from which socket on it is sent, and when.
    spreads: Option<(SocketId, Millis)>,
}

/// What a page may ask.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Question {
    /// What came after this?
    Resume { epoch: u64, seq: u64 },
}

/// The sockets of an event, or of a part of those who watch it.
#[derive(Default)]
pub struct Live {
    /// Most sockets from one address; 0 for no limit.
    per_address: u32,
    registry: Registry,
    feed: SeatFeed,
    board: Board,
    sale: Sale,
    /// When the inventory is asked next. None while it is being asked, and the same with the queue.
    asks_inventory_at: Option<Millis>,
    asks_queue_at: Option<Millis>,
    /// When the places are looked at, unless the board comes first.
    looks_at: Millis,
    outputs: VecDeque<Output>,
}

impl Live {
    /// Nobody is there yet. At most so many sockets come from one address; 0 for no limit.
    #[must_use]
    pub fn new(per_address: u32) -> Self {
        let at_once = Some(Millis(0));
        Self { per_address, asks_inventory_at: at_once, asks_queue_at: at_once, ..Self::default() }
    }

    /// Whether one more may come in; else the code to refuse it with.
    ///
    /// # Errors
    /// The close code.
    pub fn admits(&self, ticket: &Ticket) -> Result<(), u16> {
        self.registry.admits(ticket, self.per_address)
    }

    /// Somebody came in, and is told what is known.
    pub fn arrive(&mut self, ticket: &Ticket, now: Millis) -> SocketId {
        let id = self.registry.add(ticket);
        self.catch_up(id..=id);
        if self.board.as_of().plus_ms(BOARD_MS) >= now {
            self.tell_places(id..=id, true, now);
        }
        id
    }

    /// A page said something. What is no question is ignored.
    pub fn heard(&mut self, id: SocketId, frame: &str, now: Millis) {
        if frame == "ping" {
            self.outputs.push_back(Output::Send(vec![id], vec!["pong".into()]));
        } else if frame.len() > FRAME_MAX_BYTES {
            self.close(id, BAD_REQUEST, "frame too long");
        } else if let Ok(Question::Resume { epoch, seq }) = serde_json::from_slice(frame.as_bytes()) {
            if self.registry.resume(id, (epoch, seq), now) {
                self.catch_up(id..=id);
            } else {
                self.close(id, SLOW_DOWN, "resumed too often");
            }
        }
    }

    /// Somebody's socket is closed. A place keeps its number.
    pub fn left(&mut self, id: SocketId) {
        self.registry.remove(id);
    }

    /// What the inventory answered, if it did.
    pub fn hear_inventory(&mut self, changes: Option<SeatChanges>, now: Millis) {
        let rest_ms = match changes.map(|changes| self.feed.merge(changes)) {
            None => RETRY_MS,
            Some(()) if self.feed.known.is_none() => 0,
            Some(()) if self.registry.anybody_watches_seats() => GATHER_MS,
            Some(()) => REMAINING_MS,
        };
        self.catch_up(..);
        self.asks_inventory_at = Some(now.plus_ms(rest_ms));
    }

    /// What the queue answered, if it did.
    pub fn hear_queue(&mut self, update: Option<BoardUpdate>, now: Millis) {
        self.asks_queue_at = Some(now.plus_ms(if update.is_some() { BOARD_MS } else { RETRY_MS }));
        if let Some(update) = update {
            self.board.merge(&update);
            self.look_at_places(true, now);
            self.tell_sale(now);
        }
    }

    /// What is to be done now; to be asked until there is nothing.
    pub fn poll(&mut self, now: Millis) -> Option<Output> {
        if self.outputs.is_empty() && !self.registry.is_empty() {
            self.pass(now);
        }
        self.outputs.pop_front()
    }

    /// When something is to be done by time alone, next: never while nobody is there.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Millis> {
        if self.registry.is_empty() {
            return None;
        }
        let spreads_at = self.sale.spreads.map(|(_, at)| at);
        [self.asks_inventory_at, self.asks_queue_at, Some(self.looks_at), spreads_at].into_iter().flatten().min()
    }

    /// Does what is due.
    fn pass(&mut self, now: Millis) {
        let is_due = |at: &mut Millis| *at <= now;
        if self.asks_inventory_at.take_if(is_due).is_some() {
            self.outputs.push_back(Output::AskInventory(self.feed.known));
        }
        if self.asks_queue_at.take_if(is_due).is_some() {
            self.outputs.push_back(Output::AskQueue(self.board.version()));
        }
        if self.looks_at <= now {
            self.look_at_places(false, now);
        }
        if let Some((first, at)) = self.sale.spreads
            && at <= now
        {
            let to = self.registry.bring_sale(self.sale.revision, first, SPREAD_AT_ONCE);
            self.sale.spreads = to.last().map(|last| (last + 1, now.plus_ms(SPREAD_PAUSE_MS)));
            self.send(to, self.sale.frame.iter().cloned().collect());
        }
    }

    /// Sends those who watch the seats what they lack.
    fn catch_up(&mut self, who: impl RangeBounds<SocketId>) {
        let Some(known) = self.feed.known else { return };
        for ((at, is_new), to) in self.registry.bring_to(known, self.sale.revision, who) {
            let mut frames = self.feed.since(at).expect("something is known");
            frames.extend(self.sale.frame.iter().filter(|_| is_new).cloned());
            self.send(to, frames);
        }
    }

    fn look_at_places(&mut self, is_fresh: bool, now: Millis) {
        self.looks_at = now.plus_ms(LOOK_MS);
        self.tell_places(.., is_fresh, now);
    }

    /// Tells places how they stand: a change at once, the same not so soon again. What is told last closes the socket. Where
    /// the board is late, it is what they were told last: a place that it shows as ready may have entered long ago.
    fn tell_places(&mut self, who: impl RangeBounds<SocketId>, is_fresh: bool, now: Millis) {
        let mut over = Vec::new();
        for (id, told) in self.registry.told_mut(who) {
            let Told::Place { number, last } = told else { continue };
            let (frame, is_last) = match last {
                Some((frame, _)) if !is_fresh => (Rc::clone(frame), false),
                None if !is_fresh => continue,
                _ => frames::place(&self.board, *number, self.feed.remaining, now),
            };
            if last.as_ref().is_some_and(|(told, at)| *told == frame && now.since_ms(*at) < REPEAT_MS) {
                continue;
            }
            *last = Some((Rc::clone(&frame), now));
            self.outputs.push_back(Output::Send(vec![id], vec![frame]));
            if is_last {
                over.push(id);
            }
        }
        over.into_iter().for_each(|id| self.close(id, OVER, "the place is over"));
    }

    /// Begins to spread how the sale stands, where that is news.
    fn tell_sale(&mut self, now: Millis) {
        if self.feed.known.is_none() || self.board.as_of() == Millis(0) {
            return;
        }
        let frame = frames::sale(&self.board, self.feed.remaining);
        if self.sale.frame.as_ref() != Some(&frame) {
            self.sale.frame = Some(frame);
            self.sale.revision += 1;
            self.sale.spreads.get_or_insert((0, now));
        }
    }

    fn send(&mut self, to: Vec<SocketId>, frames: Vec<Rc<str>>) {
        if !to.is_empty() && !frames.is_empty() {
            self.outputs.push_back(Output::Send(to, frames));
        }
    }

    fn close(&mut self, id: SocketId, code: u16, reason: &'static str) {
        if self.registry.remove(id) {
            self.outputs.push_back(Output::Close(id, code, reason));
        }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
