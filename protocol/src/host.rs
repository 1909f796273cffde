//! A machine on a platform: its engine and its one alarm.

use std::{
    cell::{Cell, RefCell},
    fmt::Display,
    rc::Rc,
};

use domain::{
    machine::{Answer, Engine, Machine, Outcome, Store},
    time::Millis,
};

use crate::platform::{Platform, Problem};

/// The engine of one object and its alarm. No borrow outlives a call, so nothing can come between deciding and saving.
pub struct Host<P, M, S> {
    /// What runs the object.
    pub platform: Rc<P>,
    engine: RefCell<Engine<M, S>>,
    armed: Cell<Option<Millis>>,
}

impl<P: Platform, M: Machine, S: Store<M, Fault: Display>> Host<P, M, S> {
    /// A host that loads its machine when it is first asked.
    pub const fn new(platform: Rc<P>, store: S) -> Self {
        Self { platform, engine: RefCell::new(Engine::new(store)), armed: Cell::new(None) }
    }

    /// Decides, saves and applies `command`, now.
    ///
    /// # Errors
    /// Storage is broken.
    pub fn execute(&self, command: &M::Command) -> Result<Answer, Problem> {
        self.engine.borrow_mut().execute(command, self.platform.now()).map_err(storage)
    }

    /// Decides and applies `commands`, now, one after the other, and saves them together; what `look` sees of the machine
    /// around each of them.
    ///
    /// # Errors
    /// Storage is broken.
    pub fn execute_all<'c, T>(
        &self,
        commands: impl IntoIterator<Item = &'c M::Command>,
        look: impl Fn(&M) -> T,
    ) -> Result<Vec<Outcome<T>>, Problem>
    where
        M::Command: 'c,
    {
        self.engine.borrow_mut().execute_all(commands, self.platform.now(), look).map_err(storage)
    }

    /// Looks at the machine and its rows as they stand now.
    ///
    /// # Errors
    /// Storage is broken, or `look` says so.
    pub fn read<T>(&self, look: impl FnOnce(&M, &S) -> Result<T, Problem>) -> Result<T, Problem> {
        let mut engine = self.engine.borrow_mut();
        engine.read(self.platform.now()).map_err(storage)?;
        let (machine, store) = engine.parts().expect("read loads");
        look(machine, store)
    }

    /// Sees to it that the object is woken at the machine's next deadline, or at `also` if that is earlier. Writes only
    /// when the alarm must ring earlier than it would: a late deadline finds an alarm that rings for nothing, once.
    ///
    /// # Errors
    /// Storage is broken.
    pub async fn arm(&self, also: Option<Millis>) -> Result<(), Problem> {
        let wanted = self.engine.borrow().next_deadline().into_iter().chain(also).min();
        let Some(wanted) = wanted else { return Ok(()) };
        if self.armed.get().is_some_and(|armed| armed <= wanted) {
            return Ok(());
        }
        self.armed.set(Some(wanted));
        let outcome = self.platform.set_alarm(wanted).await;
        if outcome.is_err() {
            self.armed.set(None);
        }
        outcome
    }

    /// The object is not woken any more.
    ///
    /// # Errors
    /// Storage is broken.
    pub async fn disarm(&self) -> Result<(), Problem> {
        self.armed.set(None);
        self.platform.delete_alarm().await
    }

    /// Carries out what is due. Call it first in the alarm handler: safe to run early, late or twice.
    ///
    /// # Errors
    /// Storage is broken; the platform rings again.
    pub fn ring(&self) -> Result<(), Problem> {
        self.armed.set(None);
        self.engine.borrow_mut().read(self.platform.now()).map(|_| ()).map_err(storage)
    }
}

fn storage(fault: impl Display) -> Problem {
    Problem(fault.to_string())
}
