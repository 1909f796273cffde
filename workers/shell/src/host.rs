//! A machine on the platform: its engine and its one alarm.

use std::cell::{Cell, RefCell};

use domain::{
    machine::{Answer, Engine, Machine, Store},
    time::Millis,
};
use worker::{Date, DateInit, Result, ScheduledTime, State};

use crate::clock;

/// The engine of one object and its alarm. No borrow outlives a call, so nothing can come between deciding and saving.
pub struct Host<M, S> {
    engine: RefCell<Engine<M, S>>,
    armed: Cell<Option<Millis>>,
}

impl<M: Machine, S: Store<M, Fault = worker::Error>> Host<M, S> {
    /// A host that loads its machine when it is first asked.
    pub const fn new(store: S) -> Self {
        Self { engine: RefCell::new(Engine::new(store)), armed: Cell::new(None) }
    }

    /// Decides, saves and applies `command`, now.
    ///
    /// # Errors
    /// Storage is broken.
    pub fn execute(&self, command: &M::Command) -> Result<Answer> {
        self.engine.borrow_mut().execute(command, clock::now())
    }

    /// Looks at the machine and its rows as they stand now.
    ///
    /// # Errors
    /// Storage is broken, or `look` says so.
    pub fn read<T>(&self, look: impl FnOnce(&M, &S) -> Result<T>) -> Result<T> {
        let mut engine = self.engine.borrow_mut();
        engine.read(clock::now())?;
        let (machine, store) = engine.parts().expect("read loads");
        look(machine, store)
    }

    /// Sees to it that the object is woken at the machine's next deadline, or at `also` if that is earlier. Writes only
    /// when the alarm must ring earlier than it would: a late deadline finds an alarm that rings for nothing, once.
    ///
    /// # Errors
    /// Storage is broken.
    pub async fn arm(&self, state: &State, also: Option<Millis>) -> Result<()> {
        let wanted = self.engine.borrow().next_deadline().into_iter().chain(also).min();
        let Some(wanted) = wanted else { return Ok(()) };
        if self.armed.get().is_some_and(|armed| armed <= wanted) {
            return Ok(());
        }
        self.armed.set(Some(wanted));
        state.storage().set_alarm(ScheduledTime::new(Date::new(DateInit::Millis(wanted.0)).into())).await
    }

    /// Carries out what is due. Call it first in the alarm handler: safe to run early, late or twice.
    ///
    /// # Errors
    /// Storage is broken; the platform rings again.
    pub fn ring(&self) -> Result<()> {
        self.armed.set(None);
        self.engine.borrow_mut().read(clock::now()).map(|_| ())
    }
}
