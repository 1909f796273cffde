//! The sockets of an event: what [`domain::live::Live`] puts out is sent, asked and awaited.
//!
//! A socket's attachment says what it watches, so that it survives the object's memory. What it was told last does not, and
//! it is told again.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

pub use domain::live::{SocketId, Ticket, Watch, objects};
use domain::{
    id::EventId,
    live::{Live, Output},
    machine::Answer,
    time::Millis,
    trace::TraceId,
};
use futures_channel::oneshot::{self, Sender};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::{
    Level, Platform, Problem,
    ask::{InventoryAsk, Object, QueueAsk},
    carrier::ask,
    within,
};

/// How long an answer may take, in milliseconds. An inventory waits 10 s for a change.
const ANSWER_MAX_MS: u64 = 15_000;
/// Should the object lose its memory, it is woken after so long at the latest, in milliseconds, for sockets that are left.
const WATCHDOG_MS: u64 = 15_000;

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

/// Holds sockets of an event. It has nothing of its own to store.
pub struct LiveActor<P, K: Sockets> {
    platform: Rc<P>,
    sockets: K,
    event_id: EventId,
    live: RefCell<Live>,
    open: RefCell<BTreeMap<SocketId, K::Socket>>,
    /// Until when it sleeps; dropped, that sleep wakes nobody.
    sleep: RefCell<Option<(Millis, Sender<()>)>>,
    alarm_at: Cell<Option<Millis>>,
}

impl<P: Platform, K: Sockets> LiveActor<P, K> {
    /// The sockets of an event, none yet; so many from one address, 0 for no limit.
    pub fn new(platform: Rc<P>, sockets: K, event_id: EventId, per_address: u32) -> Self {
        let (live, open) = (RefCell::new(Live::new(per_address)), RefCell::default());
        Self { platform, sockets, event_id, live, open, sleep: RefCell::default(), alarm_at: Cell::new(None) }
    }

    /// Whether one more may come in.
    ///
    /// # Errors
    /// The code to refuse it with.
    pub fn admits(&self, ticket: &Ticket) -> Result<(), u16> {
        self.live.borrow().admits(ticket)
    }

    /// Takes a socket in. Its id, for [`Self::heard`] and [`Self::left`].
    pub fn arrived(self: &Rc<Self>, ticket: &Ticket, socket: K::Socket) -> SocketId {
        let id = self.restored(ticket, socket);
        self.go_on();
        id
    }

    /// Takes a socket in that outlived the object's memory. It is told something at whatever happens next.
    pub fn restored(&self, ticket: &Ticket, socket: K::Socket) -> SocketId {
        let id = self.live.borrow_mut().arrive(ticket, self.platform.now());
        self.open.borrow_mut().insert(id, socket);
        id
    }

    /// Somebody said something.
    pub fn heard(self: &Rc<Self>, id: SocketId, frame: &str) {
        self.live.borrow_mut().heard(id, frame, self.platform.now());
        self.go_on();
    }

    /// Somebody's socket is closed. A place keeps its number.
    pub fn left(&self, id: SocketId) {
        self.live.borrow_mut().left(id);
        self.open.borrow_mut().remove(&id);
    }

    /// The platform woke the object: it goes on with what it did, while anybody is there.
    ///
    /// # Errors
    /// Storage is broken.
    pub async fn alarm(self: &Rc<Self>) -> Result<(), Problem> {
        self.alarm_at.set(None);
        self.go_on();
        self.watch_over().await
    }

    /// Sees to it that the object is woken if it loses its memory while somebody is there. Writes only where no alarm is set.
    ///
    /// # Errors
    /// Storage is broken.
    pub async fn watch_over(&self) -> Result<(), Problem> {
        let now = self.platform.now();
        if self.open.borrow().is_empty() || self.alarm_at.get().is_some_and(|at| at > now) {
            return Ok(());
        }
        let at = now.plus_ms(WATCHDOG_MS);
        self.alarm_at.set(Some(at));
        self.platform.set_alarm(at).await.inspect_err(|_| self.alarm_at.set(None))
    }

    /// Carries out what is to be done now, and sleeps until there is more.
    fn go_on(self: &Rc<Self>) {
        while let Some(output) = self.next_output() {
            match output {
                Output::AskInventory(known) => self.ask(InventoryAsk::Follow { known }, Object::Inventory, Live::hear_inventory),
                Output::AskQueue(since) => self.ask(QueueAsk::Board { since }, Object::Queue, Live::hear_queue),
                Output::Send(to, frames) => to.into_iter().for_each(|id| self.send(id, &frames)),
                Output::Close(id, code, reason) => {
                    let socket = self.open.borrow_mut().remove(&id);
                    socket.into_iter().for_each(|socket| self.sockets.close(&socket, code, reason));
                }
            }
        }
        self.sleep();
    }

    fn next_output(&self) -> Option<Output> {
        self.live.borrow_mut().poll(self.platform.now())
    }

    fn send<F: AsRef<str>>(&self, id: SocketId, frames: &[F]) {
        let socket = self.open.borrow().get(&id).cloned();
        if socket.is_some_and(|socket| frames.iter().any(|frame| self.sockets.send(&socket, frame.as_ref()).is_err())) {
            self.left(id);
        }
    }

    /// Asks an object of the event, and tells the machine what it answered.
    fn ask<A: Serialize + 'static, T: DeserializeOwned + 'static>(
        self: &Rc<Self>,
        question: A,
        of: fn(EventId) -> Object,
        hear: fn(&mut Live, Option<T>, Millis),
    ) {
        let (live, to) = (Rc::clone(self), of(self.event_id.clone()));
        self.platform.spawn(async move {
            let answer = within(live.platform.pause(ANSWER_MAX_MS), ask(&*live.platform, &to, "", &question)).await;
            let read = match answer {
                Some(Ok(Answer::Granted { body, .. })) => serde_json::from_slice(&body).map_err(|error| error.to_string()),
                Some(Ok(Answer::Refused(refusal))) => Err(refusal.code().to_owned()),
                Some(Err(fault)) => Err(format!("{fault:?}")),
                None => Err("no answer".to_owned()),
            };
            if let Err(problem) = &read {
                let fields = json!({ "of": to.binding(), "problem": problem });
                live.platform.log(Level::Warn, TraceId::NONE, "not answered", fields);
            }
            hear(&mut live.live.borrow_mut(), read.ok(), live.platform.now());
            live.go_on();
        });
    }

    /// Goes on when the machine wants to, or earlier: who sleeps already and wakes before that is left alone.
    fn sleep(self: &Rc<Self>) {
        let Some(wakes_at) = self.live.borrow().wakes_at() else { return };
        if self.sleep.borrow().as_ref().is_some_and(|(until, sleeper)| *until <= wakes_at && !sleeper.is_canceled()) {
            return;
        }
        let (sleeper, replaced) = oneshot::channel();
        self.sleep.replace(Some((wakes_at, sleeper)));
        let (live, ms) = (Rc::clone(self), wakes_at.since_ms(self.platform.now()));
        self.platform.spawn(async move {
            if within(live.platform.pause(ms), replaced).await.is_none() {
                live.sleep.take();
                live.go_on();
            }
        });
    }
}

#[cfg(test)]
mod tests;
